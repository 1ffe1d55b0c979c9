#include "server/base/log_sink.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

enum { ERROR_MAX = 256 };

/* The file descriptor, or -1. */
static int open_file(const char *path, char *ret_error)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

    if (fd < 0)
        snprintf(ret_error, ERROR_MAX, "%s cannot be opened: %s", path, strerror(errno));
    return fd;
}

enum ln_err log_sink_open(struct log_sink *sink, enum log_target target, const char *path, char *ret_error)
{
    *sink = (struct log_sink){.target = target, .fd = STDERR_FILENO};
    if (target == LOG_TO_SYSLOG)
        openlog("linnet", LOG_PID | LOG_NDELAY, LOG_DAEMON);
    if (target != LOG_TO_FILE)
        return LN_OK;
    sink->fd = open_file(path, ret_error);
    if (sink->fd < 0)
        return LN_E_IO;
    sink->path = str_dup(str_of(path));
    return LN_OK;
}

void log_sink_close(struct log_sink *sink)
{
    if (sink->target == LOG_TO_FILE)
        close(sink->fd);
    if (sink->target == LOG_TO_SYSLOG)
        closelog();
    free(sink->path);
    *sink = (struct log_sink){.fd = -1};
}

enum ln_err log_sink_reopen(struct log_sink *sink, char *ret_error)
{
    int fd;

    if (sink->target != LOG_TO_FILE)
        return LN_OK;
    fd = open_file(sink->path, ret_error);
    if (fd < 0)
        return LN_E_IO;
    close(sink->fd);
    sink->fd = fd;
    sink->is_torn = false;
    return LN_OK;
}

/* How many bytes were written before it failed. */
static size_t write_all(int fd, struct str bytes)
{
    size_t done = 0;

    while (done < bytes.len) {
        ssize_t n = write(fd, bytes.p + done, bytes.len - done);

        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno == EAGAIN) /* stderr may be a pipe that somebody else made non-blocking */
            (void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (n == 0 || errno != EINTR)
            break;
    }
    return done;
}

static size_t count_lines(struct str text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++)
        n += text.p[i] == '\n';
    return n;
}

size_t log_sink_write(struct log_sink *sink, enum log_level level, struct str lines)
{
    static const int priorities[LOG_LEVELS] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
    size_t done;

    if (sink->target == LOG_TO_SYSLOG) {
        syslog(priorities[level], "%.*s", (int)lines.len - 1, lines.p);
        return 0;
    }
    /* After a failure in the middle of a line the next one must not look like its rest. */
    if (sink->is_torn && write_all(sink->fd, STR("\n")) != 1)
        return count_lines(lines);
    done = write_all(sink->fd, lines);
    sink->is_torn = done > 0 && lines.p[done - 1] != '\n';
    return count_lines(str_make(lines.p + done, lines.len - done));
}
