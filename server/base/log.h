/* server/base/log.h - one event, one line; from any thread, without a lock or a wait.
 *
 * A line has a fixed event name, then typed fields, so it can be searched by eye and by machine:
 *
 *   2026-03-01T12:00:00.041Z INFO w=2 s=7f3a session.bound jid=juliet@linnet.example/balcony tls=1.3 ms=41
 *
 * The caller's thread formats the line and pushes it into a queue; one thread writes it out. The queue is bounded in
 * bytes: what exceeds it is dropped and counted, and a later line, log.dropped, says how many. Before log_start() and
 * after log_stop() lines go straight to stderr.
 *
 * Values come from strangers. They are quoted and escaped where needed, so no value can forge a line or a field, and
 * cut after LOG_VALUE_MAX bytes. Never log a body, a password or a SASL payload. */
#ifndef LINNET_SERVER_CONTROL_LOG_H
#define LINNET_SERVER_CONTROL_LOG_H

#include "common/err.h"
#include "common/str.h"

#include <stdatomic.h>
#include <sys/socket.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVELS };

/* Who speaks: the folders of server/. Each has a level of its own. */
enum log_subsystem {
    LOG_NET,
    LOG_STREAM,
    LOG_SASL,
    LOG_IM,
    LOG_MODULE,
    LOG_STORAGE,
    LOG_CONTROL,
    LOG_SUBSYSTEMS,
};

enum log_target { LOG_TO_STDERR, LOG_TO_FILE, LOG_TO_SYSLOG, LOG_TARGETS };
enum log_format { LOG_AS_TEXT, LOG_AS_JSON, LOG_FORMATS };

enum { LOG_VALUE_MAX = 256 }; /* bytes of a value that are kept; "..." is written behind what was cut */

/* ---- writing a line ---- */

struct log_field {
    const char *key; /* a literal of ours: letters, digits and _ */
    enum { LOG_FIELD_STR, LOG_FIELD_CSTR, LOG_FIELD_U64, LOG_FIELD_I64, LOG_FIELD_BOOL, LOG_FIELD_ADDR } kind;
    union {
        struct str str;
        const char *cstr; /* NULL is written as empty */
        uint64_t u64;
        int64_t i64;
        bool boolean;
        const struct sockaddr *addr; /* the address without the port; NULL is written as empty */
    } v;
};

#define F_STR(k, value)                                                                                                \
    {                                                                                                                  \
        .key = (k), .kind = LOG_FIELD_STR, .v.str = (value)                                                            \
    }
#define F_CSTR(k, value)                                                                                               \
    {                                                                                                                  \
        .key = (k), .kind = LOG_FIELD_CSTR, .v.cstr = (value)                                                          \
    }
#define F_U64(k, value)                                                                                                \
    {                                                                                                                  \
        .key = (k), .kind = LOG_FIELD_U64, .v.u64 = (value)                                                            \
    }
#define F_I64(k, value)                                                                                                \
    {                                                                                                                  \
        .key = (k), .kind = LOG_FIELD_I64, .v.i64 = (value)                                                            \
    }
#define F_BOOL(k, value)                                                                                               \
    {                                                                                                                  \
        .key = (k), .kind = LOG_FIELD_BOOL, .v.boolean = (value)                                                       \
    }
#define F_ADDR(k, value)                                                                                               \
    {                                                                                                                  \
        .key = (k), .kind = LOG_FIELD_ADDR, .v.addr = (value)                                                          \
    }
/* An enum ln_err, by its name. */
#define F_ERR(k, value)                F_CSTR(k, ln_err_name(value))

/* [any] log_info(LOG_STREAM, s->id, "session.bound", F_STR("jid", jid), F_U64("ms", 41));
 * `sid` is the session's id, written in hexadecimal as s=; 0: the line is about no session. The arguments behind the
 * subsystem are evaluated only if the line is wanted. */
#define log_error(subsystem, sid, ...) log_at(LOG_LEVEL_ERROR, subsystem, sid, __VA_ARGS__)
#define log_warn(subsystem, sid, ...)  log_at(LOG_LEVEL_WARN, subsystem, sid, __VA_ARGS__)
#define log_info(subsystem, sid, ...)  log_at(LOG_LEVEL_INFO, subsystem, sid, __VA_ARGS__)
#define log_debug(subsystem, sid, ...) log_at(LOG_LEVEL_DEBUG, subsystem, sid, __VA_ARGS__)

/* The event's name travels as the key of a first field, for a list of fields may not be empty in C11. */
#define log_at(level, subsystem, sid, event, ...)                                                                      \
    do {                                                                                                               \
        if (log_is_on(level, subsystem)) {                                                                             \
            const struct log_field log_fields_[] = {{.key = (event)}, __VA_ARGS__};                                    \
            log_write(level, subsystem, sid, log_fields_, sizeof(log_fields_) / sizeof(log_fields_[0]));               \
        }                                                                                                              \
    } while (0)

/* [any] Behind the macros: fields[0].key is the event. Does not look at the level. */
void log_write(enum log_level level, enum log_subsystem subsystem, uint64_t sid, const struct log_field *fields,
               size_t n_fields);

/* ---- levels ---- */

extern _Atomic(unsigned char) log_levels_[LOG_SUBSYSTEMS]; /* private to log.c and log_is_on() */

/* [any] */
static inline bool log_is_on(enum log_level level, enum log_subsystem subsystem)
{
    return (unsigned char)level <= atomic_load_explicit(&log_levels_[subsystem], memory_order_relaxed);
}

/* [any] At once, for all threads. All subsystems start at info. */
void log_set_level(enum log_subsystem subsystem, enum log_level level);
enum log_level log_get_level(enum log_subsystem subsystem);
/* [any] "net", "stream", ...; "error", "warn", "info", "debug". */
const char *log_subsystem_name(enum log_subsystem subsystem);
const char *log_level_name(enum log_level level);

/* [any] The index written as w= in all lines of the calling thread; -1, as threads start: none is written. */
void log_set_thread(int worker_index);

/* ---- the log's own life ---- */

struct log_options {
    enum log_target target;
    enum log_format format;
    const char *path;   /* LOG_TO_FILE: appended to, made with mode 0640 */
    size_t queue_bytes; /* lines that wait to be written may take this much memory together */
};

struct log_stats {
    uint64_t dropped;   /* lines, because the queue was full */
    uint64_t unwritten; /* lines, because the file or stderr refused them */
};

/* [start] Opens the target and starts the thread. LN_E_IO: the file cannot be opened; `ret_error` (256 bytes) says why.
 */
enum ln_err log_start(const struct log_options *opt, char *ret_error);
/* [any one thread] Writes all that was queued, then ends the thread. Nothing happens when it was not started. */
void log_stop(void);
/* [any, not from a signal handler] The file is closed and opened anew by its path, after logrotate renamed it. What
 * was queued before goes to the old file. If it cannot be opened, the old one is kept and a line says so. */
void log_reopen(void);
/* [any] */
void log_get_stats(struct log_stats *ret);

#endif
