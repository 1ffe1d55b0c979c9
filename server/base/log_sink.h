/* server/base/log_sink.h - where lines end: stderr, a file, syslog. Used by one thread, which may wait here. */
#ifndef LINNET_SERVER_CONTROL_LOG_SINK_H
#define LINNET_SERVER_CONTROL_LOG_SINK_H

#include "server/base/log.h"

struct log_sink {
    enum log_target target;
    char *path;   /* LOG_TO_FILE; owned */
    int fd;       /* LOG_TO_FILE: owned; LOG_TO_STDERR: 2 */
    bool is_torn; /* the last write ended within a line */
};

/* LN_E_IO: the file cannot be opened; `ret_error` (256 bytes) says why, and nothing is to be closed. */
enum ln_err log_sink_open(struct log_sink *sink, enum log_target target, const char *path, char *ret_error);
void log_sink_close(struct log_sink *sink);
/* The file by its path, anew. LN_E_IO: as above, and the old one is kept. */
enum ln_err log_sink_reopen(struct log_sink *sink, char *ret_error);
/* Whole lines, each with its line feed; for syslog just one, of that level. Returns how many could not be written. */
size_t log_sink_write(struct log_sink *sink, enum log_level level, struct str lines);

#endif
