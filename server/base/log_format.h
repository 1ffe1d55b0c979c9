/* server/base/log_format.h - an event as one line of text or one object of JSON.
 *
 * Pure and without allocation: any thread formats its own lines on its stack. Whatever the values hold, the result has
 * exactly one line feed, at its end; as JSON it is always valid. */
#ifndef LINNET_SERVER_CONTROL_LOG_FORMAT_H
#define LINNET_SERVER_CONTROL_LOG_FORMAT_H

#include "server/base/log.h"

enum { LOG_LINE_MAX = 8192 };

struct log_event {
    int64_t time_ms; /* since 1970, UTC; negative: none is written, since syslog has its own */
    enum log_level level;
    enum log_subsystem subsystem;
    int worker;                     /* negative: none */
    uint64_t sid;                   /* 0: none */
    const struct log_field *fields; /* the first one's key is the event's name */
    size_t n_fields;
};

/* [any] Fields that do not fit are left out, and "cut=true" is written instead. Returns the length. */
size_t log_format_line(enum log_format format, const struct log_event *ev, char out[LOG_LINE_MAX]);

#endif
