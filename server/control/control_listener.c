#include "server/control/control_listener.h"

#include "common/mem.h"
#include "server/base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

const struct control_limits control_limits_default = {.request_ms = 10000, .write_ms = 30000, .run_ms = 60000};

struct control_listener {
    uv_pipe_t pipe; /* first: the close call-back frees */
    char *path;
    struct control_limits limits;
    control_on_request on_request;
    void *ctx;
    struct control_request *clients;
    unsigned n_clients;
    bool has_waiting; /* somebody connected while no more could be taken */
};

enum phase {
    PHASE_READING, /* the request is coming in */
    PHASE_RUNNING,
    PHASE_WRITING, /* a part of the answer, with more to follow */
    PHASE_ENDING,  /* the last part */
    PHASE_OVER,
};

struct control_request {
    uv_pipe_t pipe;
    uv_timer_t timer;
    uv_write_t write;
    struct control_listener *listener; /* NULL once it has closed */
    struct control_request *next, **prev;
    unsigned refs;
    unsigned open_handles;
    enum phase phase;
    struct buf out;     /* being gathered */
    struct buf sending; /* being written; left alone until then */
    void (*after_write)(struct control_request *r);
    void *state;
    void (*free_state)(void *state);
    struct control_line line;
    size_t len;
    char bytes[CONTROL_REQUEST_MAX];
};

/* ---- references ---- */

struct control_request *control_ref(struct control_request *r)
{
    r->refs++;
    return r;
}

void control_unref(struct control_request **own_r)
{
    struct control_request *r = *own_r;

    *own_r = NULL;
    if (r == NULL || --r->refs > 0)
        return;
    if (r->free_state != NULL)
        r->free_state(r->state);
    buf_deinit(&r->out);
    buf_deinit(&r->sending);
    mem_wipe(r->bytes, sizeof(r->bytes)); /* there may have been a password */
    free(r);
}

void control_set_state(struct control_request *r, void *own_state, void (*free_state)(void *state))
{
    assert(r->state == NULL);
    r->state = own_state;
    r->free_state = free_state;
}

void *control_state(const struct control_request *r)
{
    return r->state;
}

size_t control_n_args(const struct control_request *r)
{
    return r->line.n - 1;
}

struct str control_arg(const struct control_request *r, size_t i)
{
    return i + 1 < r->line.n ? r->line.fields[i + 1] : str_make(NULL, 0);
}

bool control_is_over(const struct control_request *r)
{
    return r->phase >= PHASE_ENDING;
}

struct buf *control_out(struct control_request *r)
{
    return &r->out;
}

/* ---- the end of a client ---- */

static void take_waiting(struct control_listener *l);

static void on_handle_closed(uv_handle_t *h)
{
    struct control_request *r = h->data;

    if (--r->open_handles == 0)
        control_unref(&r);
}

static void drop(struct control_request *r)
{
    struct control_listener *l = r->listener;

    if (r->phase == PHASE_OVER)
        return;
    r->phase = PHASE_OVER;
    uv_close((uv_handle_t *)&r->pipe, on_handle_closed);
    uv_close((uv_handle_t *)&r->timer, on_handle_closed);
    *r->prev = r->next;
    if (r->next != NULL)
        r->next->prev = r->prev;
    r->listener = NULL;
    l->n_clients--;
    take_waiting(l);
}

/* ---- answering ---- */

static void on_timer(uv_timer_t *t);

static void enter(struct control_request *r, enum phase phase, uint64_t limit_ms)
{
    r->phase = phase;
    (void)uv_timer_start(&r->timer, on_timer, limit_ms, 0);
}

static void on_written(uv_write_t *w, int status)
{
    struct control_request *r = w->data;

    if (status != 0 || r->phase == PHASE_ENDING)
        drop(r);
    if (r->phase != PHASE_WRITING)
        return;
    buf_clear(&r->sending);
    enter(r, PHASE_RUNNING, r->listener->limits.run_ms);
    r->after_write(r);
}

static void write_out(struct control_request *r, enum phase phase)
{
    struct buf emptied = r->sending;

    enter(r, phase, r->listener->limits.write_ms);
    r->sending = r->out;
    r->out = emptied;
    r->write.data = r;
    uv_buf_t bytes = uv_buf_init(r->sending.p, (unsigned)r->sending.len);
    if (uv_write(&r->write, (uv_stream_t *)&r->pipe, &bytes, 1, on_written) != 0)
        drop(r);
}

void control_send(struct control_request *r, void (*next)(struct control_request *r))
{
    if (control_is_over(r))
        return;
    assert(r->phase == PHASE_RUNNING);
    r->after_write = next;
    write_out(r, PHASE_WRITING);
}

static void finish(struct control_request *r, const char *word, const char *fmt, va_list args)
{
    char message[8192];

    if (control_is_over(r))
        return;
    (void)vsnprintf(message, sizeof(message), fmt, args);
    control_begin_line(&r->out, word);
    control_put_cstr(&r->out, message);
    control_end_line(&r->out);
    write_out(r, PHASE_ENDING);
}

void control_ok(struct control_request *r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    finish(r, "ok", fmt, args);
    va_end(args);
}

void control_fail(struct control_request *r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    finish(r, "error", fmt, args);
    va_end(args);
}

static void on_timer(uv_timer_t *t)
{
    struct control_request *r = t->data;

    if (r->phase == PHASE_READING)
        control_fail(r, "no request came");
    else if (r->phase == PHASE_RUNNING)
        control_fail(r, "the server has no answer yet and waits no longer; what was asked for may still happen");
    else
        drop(r);
}

/* ---- reading a request ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
    struct control_request *r = h->data;

    (void)suggested;
    *ret = uv_buf_init(r->bytes + r->len, (unsigned)(sizeof(r->bytes) - r->len));
}

static void run(struct control_request *r, size_t line_len)
{
    (void)uv_read_stop((uv_stream_t *)&r->pipe);
    enter(r, PHASE_RUNNING, r->listener->limits.run_ms);
    if (!control_split(r->bytes, line_len, &r->line) || r->line.n < 2 || r->line.fields[1].len == 0)
        control_fail(r, "this is not a request");
    else if (!str_is(r->line.fields[0], CONTROL_VERSION))
        control_fail(r,
                     "the running server and this linnetctl are of different versions: restart the server, or use the "
                     "linnetctl that came with it");
    else
        r->listener->on_request(r->listener->ctx, r);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct control_request *r = stream->data;
    char *end;

    (void)buf;
    if (n < 0) {
        /* UV_ENOBUFS: the request is longer than there is room for. */
        if (n == UV_ENOBUFS)
            control_fail(r, "the request is longer than %d bytes", CONTROL_REQUEST_MAX);
        else
            drop(r);
        (void)uv_read_stop(stream);
        return;
    }
    r->len += (size_t)n;
    end = memchr(r->bytes, '\n', r->len);
    if (end != NULL)
        run(r, (size_t)(end - r->bytes));
}

/* ---- accepting ---- */

/* The socket's mode says it already; this holds also where somebody changed the mode. */
static bool is_allowed(const uv_pipe_t *pipe)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)pipe, &fd) != 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return false;
    if (peer.uid == 0 || peer.uid == geteuid())
        return true;
    log_warn(LOG_CONTROL, 0, "control.refused", F_U64("uid", peer.uid), F_I64("pid", peer.pid));
    return false;
}

static void accept_one(struct control_listener *l)
{
    struct control_request *r = mem_zalloc(sizeof(*r));

    r->refs = 1;
    r->open_handles = 2;
    r->listener = l;
    r->line.n = 1;
    r->pipe.data = r->timer.data = r;
    (void)uv_pipe_init(l->pipe.loop, &r->pipe, 0);
    (void)uv_timer_init(l->pipe.loop, &r->timer);
    r->next = l->clients;
    r->prev = &l->clients;
    if (r->next != NULL)
        r->next->prev = &r->next;
    l->clients = r;
    l->n_clients++;
    if (uv_accept((uv_stream_t *)&l->pipe, (uv_stream_t *)&r->pipe) != 0) {
        drop(r);
        return;
    }
    enter(r, PHASE_READING, l->limits.request_ms);
    if (!is_allowed(&r->pipe))
        control_fail(r, "only root and the user that the server runs as may do this");
    else if (uv_read_start((uv_stream_t *)&r->pipe, on_alloc, on_read) != 0)
        drop(r);
}

static void take_waiting(struct control_listener *l)
{
    if (!l->has_waiting || uv_is_closing((uv_handle_t *)&l->pipe))
        return;
    l->has_waiting = false;
    accept_one(l);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct control_listener *l = stream->data;

    if (status != 0)
        return;
    /* libuv takes no more from the kernel until this one was accepted. */
    if (l->n_clients >= CONTROL_CLIENTS_MAX)
        l->has_waiting = true;
    else
        accept_one(l);
}

/* ---- opening ---- */

/* How much of the path is its folder; "." for none. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return str_dup(STR("."));
    return str_dup(slash == path ? STR("/") : str_make(path, (size_t)(slash - path)));
}

static enum ln_err check_folder(const char *folder, char *ret_error)
{
    struct stat st;

    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        snprintf(ret_error, CONTROL_ERROR_SIZE, "%s: the folder of the control socket cannot be made: %s", folder,
                 strerror(errno));
        return LN_E_IO;
    }
    if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode)) {
        snprintf(ret_error, CONTROL_ERROR_SIZE, "%s: the folder of the control socket is not a folder", folder);
        return LN_E_INVALID;
    }
    /* Whoever may write into the folder could put a socket of his own there, and be told passwords. */
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        snprintf(ret_error, CONTROL_ERROR_SIZE,
                 "%s: others may write into the folder of the control socket: chmod 700 it, or set control.socket to a "
                 "path in a folder of the server's own",
                 folder);
        return LN_E_INVALID;
    }
    return LN_OK;
}

/* What a dead server left is removed; nothing else is. */
static enum ln_err remove_stale(const struct sockaddr_un *address, char *ret_error)
{
    struct stat st;
    int fd, failure;

    if (lstat(address->sun_path, &st) != 0)
        return LN_OK; /* if it is not because there is none, bind() will say so */
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(ret_error, CONTROL_ERROR_SIZE,
                 "%s: there is something that is not a socket: remove it, or set "
                 "control.socket to another path",
                 address->sun_path);
        return LN_E_INVALID;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    failure = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
    (void)close(fd);
    /* EAGAIN: its queue is full, so there is one who listens. */
    if (failure == 0 || failure == EAGAIN) {
        snprintf(ret_error, CONTROL_ERROR_SIZE,
                 "%s: another server runs with this control socket: stop it, or give "
                 "this one a server.data_dir of its own",
                 address->sun_path);
        return LN_E_EXISTS;
    }
    if (failure == ECONNREFUSED)
        (void)unlink(address->sun_path);
    return LN_OK;
}

/* A bound socket, or -1 with errno set. */
static int bind_socket(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int failure;

    /* On Linux the file gets the mode of the socket, so there is no moment when others could open it. */
    if (fd >= 0 && fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0) {
        if (chmod(address->sun_path, 0600) == 0)
            return fd;
        (void)unlink(address->sun_path);
    }
    failure = errno;
    if (fd >= 0)
        (void)close(fd);
    errno = failure;
    return -1;
}

static void on_listener_closed(uv_handle_t *h)
{
    struct control_listener *l = h->data;

    free(l->path);
    free(l);
}

static enum ln_err listen_on(uv_loop_t *loop, const struct sockaddr_un *address, struct control_listener *l,
                             char *ret_error)
{
    int fd = bind_socket(address);
    int rc;

    if (fd < 0) {
        snprintf(ret_error, CONTROL_ERROR_SIZE, "%s: the control socket cannot be made: %s", address->sun_path,
                 strerror(errno));
        return LN_E_IO;
    }
    (void)uv_pipe_init(loop, &l->pipe, 0);
    l->pipe.data = l;
    rc = uv_pipe_open(&l->pipe, fd);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&l->pipe, CONTROL_CLIENTS_MAX, on_connection);
    if (rc != 0) {
        snprintf(ret_error, CONTROL_ERROR_SIZE, "%s: nobody can be accepted at the control socket: %s",
                 address->sun_path, uv_strerror(rc));
        (void)unlink(address->sun_path);
        return LN_E_IO;
    }
    return LN_OK;
}

static enum ln_err prepare(const char *path, struct sockaddr_un *address, char *ret_error)
{
    char *folder = folder_of(path);
    enum ln_err err = LN_OK;

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path)) {
        snprintf(ret_error, CONTROL_ERROR_SIZE,
                 "%s: the path of a socket has at most %zu bytes: set control.socket to a "
                 "shorter one",
                 path, sizeof(address->sun_path) - 1);
        err = LN_E_INVALID;
    } else {
        memcpy(address->sun_path, path, strlen(path));
        err = check_folder(folder, ret_error);
    }
    free(folder);
    return err == LN_OK ? remove_stale(address, ret_error) : err;
}

enum ln_err control_listener_open(uv_loop_t *loop, const char *path, const struct control_limits *limits,
                                  control_on_request on_request, void *ctx, struct control_listener **ret,
                                  char *ret_error)
{
    struct sockaddr_un address;
    enum ln_err err = prepare(path, &address, ret_error);
    struct control_listener *l;

    if (err != LN_OK)
        return err;
    l = mem_zalloc(sizeof(*l));
    l->path = str_dup(str_of(path));
    l->limits = *limits;
    l->on_request = on_request;
    l->ctx = ctx;
    err = listen_on(loop, &address, l, ret_error);
    if (err == LN_OK)
        *ret = l;
    else if (l->pipe.loop != NULL)
        uv_close((uv_handle_t *)&l->pipe, on_listener_closed);
    else {
        free(l->path);
        free(l);
    }
    return err;
}

void control_listener_close(struct control_listener **own_l)
{
    struct control_listener *l = *own_l;

    *own_l = NULL;
    if (l == NULL)
        return;
    (void)unlink(l->path); /* before it closes: what is at the path later is somebody else's */
    uv_close((uv_handle_t *)&l->pipe, on_listener_closed);
    while (l->clients != NULL)
        drop(l->clients);
}
