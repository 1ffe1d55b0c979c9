#include "server/net/conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/mem.h"
#include "server/net/pool.h"
#include "server/net/tls.h"
#include "server/net/worker.h"

enum {
    LINGER_MS = 3000,            /* how long a closed connection may take to write its rest and to say goodbye */
    TLS_RETRY_MS = 50,           /* when the pool has no room for a handshake step */
    OUT_HOLD_BYTES = 256 * 1024, /* a peer with more than this unread gets no more of its requests read */
    OUT_RELEASE_BYTES = 64 * 1024,
};

/* A handshake step in the pool. It outlives a connection that is closed meanwhile. */
struct handshake {
    struct pool_job job;
    struct conn *conn; /* NULL: the connection has gone, and `tls` is ours to free */
    struct tls *tls;
    enum tls_state state;
};

enum conn_phase {
    PHASE_OPEN,
    PHASE_CLOSING, /* conn_close() was called: write the rest */
    PHASE_LINGER,  /* all written, our side shut down: wait for the peer's end */
    PHASE_GONE,    /* waits for libuv's close call-back */
};

struct conn {
    uv_poll_t poll; /* closed before the memory goes; poll.data is NULL when there is no handle */
    struct worker *w;
    const struct conn_events *events;
    void *owner;
    struct tls *tls;             /* owned, unless `handshake` is running */
    struct handshake *handshake; /* NULL: none runs */
    struct executor *gone_to;
    struct task *gone;
    struct buf out;        /* plain text to be sent */
    struct buf clear;      /* what was queued before STARTTLS: goes out before any TLS byte */
    size_t written;        /* of the first of these that is not empty (what is in TLS records too): already sent */
    struct buf pending_in; /* plain text that the owner has not taken yet; nothing is read meanwhile */
    size_t taken;          /* of pending_in: already taken */
    size_t out_max;
    uint64_t id;
    uint64_t last_input_ms;
    uint64_t bytes_sent;                   /* handed to the socket, on this worker */
    struct conn *next, **prev;             /* worker->conns */
    struct conn *next_dirty, **prev_dirty; /* worker->dirty, or none */
    struct conn *next_resumed, **prev_resumed;
    struct wheel_timer timer; /* closing, or a handshake to be retried */
    struct sockaddr_storage peer;
    int fd;
    int polled;   /* the events that the poll handle waits for */
    uint8_t hold; /* enum conn_hold */
    uint8_t phase;
    uint8_t lost; /* enum conn_end + 1; 0: fine */
    bool lost_told;
    bool wants_write; /* the socket's buffer is full */
    bool is_secured;
    uint8_t security;
};

struct conn_parcel {
    struct tls *tls;
    struct executor *gone_to;
    struct task *gone;
    struct buf out, clear, pending_in;
    size_t written, taken;
    uint64_t id;
    struct sockaddr_storage peer;
    int fd;
    uint8_t lost;
    bool is_secured;
    uint8_t security;
};

static void on_poll(uv_poll_t *h, int status, int events);
static bool may_read(const struct conn *c);
static void conn_update_poll(struct conn *c);
static void on_conn_timer(struct wheel_timer *t);
static void read_records(struct conn *c);

/* ---- lists of the worker ---- */

#define LIST_ADD(list, c, nextf, prevf)                                                                                \
    do {                                                                                                               \
        (c)->nextf = (list)->first;                                                                                    \
        (c)->prevf = &(list)->first;                                                                                   \
        if ((c)->nextf != NULL)                                                                                        \
            (c)->nextf->prevf = &(c)->nextf;                                                                           \
        (list)->first = (c);                                                                                           \
    } while (0)

#define LIST_REMOVE(c, nextf, prevf)                                                                                   \
    do {                                                                                                               \
        if ((c)->prevf != NULL) {                                                                                      \
            *(c)->prevf = (c)->nextf;                                                                                  \
            if ((c)->nextf != NULL)                                                                                    \
                (c)->nextf->prevf = (c)->prevf;                                                                        \
            (c)->prevf = NULL;                                                                                         \
        }                                                                                                              \
    } while (0)

static void mark_dirty(struct conn *c)
{
    if (c->prev_dirty == NULL && c->phase != PHASE_GONE)
        LIST_ADD(&c->w->dirty, c, next_dirty, prev_dirty);
}

static void mark_lost(struct conn *c, enum conn_end why)
{
    if (c->lost != 0)
        return;
    c->lost = (uint8_t)why + 1;
    mark_dirty(c);
}

/* ---- making, moving, ending ---- */

struct conn_parcel *conn_parcel_new(int own_fd, const struct sockaddr_storage *peer, uint64_t id,
                                    enum conn_security security, struct executor *gone_to, struct task *own_gone)
{
    struct conn_parcel *p = mem_zalloc(sizeof(*p));

    p->fd = own_fd;
    p->peer = *peer;
    p->id = id;
    p->security = (uint8_t)security;
    p->gone_to = gone_to;
    p->gone = own_gone;
    return p;
}

struct conn *conn_from_parcel(struct worker *w, struct conn_parcel *own_parcel)
{
    struct conn *c = mem_zalloc(sizeof(*c));

    worker_assert_current(w);
    c->w = w;
    c->fd = own_parcel->fd;
    c->tls = own_parcel->tls;
    c->gone_to = own_parcel->gone_to;
    c->gone = own_parcel->gone;
    c->out = own_parcel->out;
    c->clear = own_parcel->clear;
    c->pending_in = own_parcel->pending_in;
    c->written = own_parcel->written;
    c->taken = own_parcel->taken;
    c->lost = own_parcel->lost;
    c->id = own_parcel->id;
    c->peer = own_parcel->peer;
    c->is_secured = own_parcel->is_secured;
    c->security = own_parcel->security;
    free(own_parcel);
    c->out_max = SIZE_MAX;
    c->last_input_ms = worker_now_ms(w);
    c->timer.fire = on_conn_timer;
    c->poll.data = c;
    LIST_ADD(&w->conns, c, next, prev);
    atomic_fetch_add_explicit(&w->counters.connections, 1, memory_order_relaxed);
    if (uv_poll_init(&w->loop, &c->poll, c->fd) != 0) {
        c->poll.data = NULL; /* no handle: nothing to close */
        mark_lost(c, CONN_ERROR);
    }
    /* Polling begins at the end of this turn, with what moved along delivered first. */
    LIST_ADD(&w->resumed, c, next_resumed, prev_resumed);
    mark_dirty(c);
    return c;
}

static void leave_lists(struct conn *c)
{
    LIST_REMOVE(c, next, prev);
    LIST_REMOVE(c, next_dirty, prev_dirty);
    LIST_REMOVE(c, next_resumed, prev_resumed);
    wheel_cancel(&c->timer);
    atomic_fetch_sub_explicit(&c->w->counters.connections, 1, memory_order_relaxed);
}

static void conn_free(struct conn *c)
{
    buf_deinit(&c->out);
    buf_deinit(&c->clear);
    buf_deinit(&c->pending_in);
    free(c);
}

static void on_poll_closed(uv_handle_t *h)
{
    conn_free(h->data);
}

/* The memory lasts until libuv lets go of the handle; everything else ends here. */
static void retire(struct conn *c)
{
    leave_lists(c);
    c->phase = PHASE_GONE;
    c->events = NULL;
    if (c->poll.data == NULL) {
        conn_free(c);
        return;
    }
    (void)uv_poll_stop(&c->poll);
    uv_close((uv_handle_t *)&c->poll, on_poll_closed);
}

static void end_now(struct conn *c)
{
    struct task *gone = c->gone;
    int fd = c->fd;

    if (c->handshake != NULL)
        c->handshake->conn = NULL; /* the job frees the TLS state */
    else
        tls_free(&c->tls);
    c->fd = -1;
    c->gone = NULL;
    retire(c);
    (void)close(fd); /* after uv_poll_stop(), which must not see another socket under this number */
    if (gone != NULL)
        executor_post(c->gone_to, gone);
}

struct conn_parcel *conn_take_parcel(struct conn **own_c)
{
    struct conn *c = *own_c;
    struct conn_parcel *p = mem_zalloc(sizeof(*p));

    *own_c = NULL;
    worker_assert_current(c->w);
    assert(c->handshake == NULL && c->phase == PHASE_OPEN);
    *p = (struct conn_parcel){.tls = c->tls,
                              .gone_to = c->gone_to,
                              .gone = c->gone,
                              .out = c->out,
                              .clear = c->clear,
                              .pending_in = c->pending_in,
                              .written = c->written,
                              .taken = c->taken,
                              .id = c->id,
                              .peer = c->peer,
                              .fd = c->fd,
                              .lost = c->lost,
                              .is_secured = c->is_secured,
                              .security = c->security};
    c->tls = NULL;
    c->out = c->clear = c->pending_in = (struct buf){0};
    c->fd = -1;
    c->gone = NULL;
    retire(c);
    return p;
}

/* One that closed its side may still read, and one whose TLS failed gets the alert. */
static bool has_nobody_to_write_to(const struct conn *c)
{
    return c->lost != 0 && c->lost != CONN_EOF + 1 && c->lost != CONN_TLS_FAILED + 1;
}

void conn_close(struct conn **own_c)
{
    struct conn *c = *own_c;

    *own_c = NULL;
    if (c == NULL)
        return;
    worker_assert_current(c->w);
    c->events = NULL;
    c->owner = NULL;
    buf_deinit(&c->pending_in);
    LIST_REMOVE(c, next_resumed, prev_resumed);
    if (has_nobody_to_write_to(c)) {
        end_now(c);
        return;
    }
    if (c->is_secured && c->lost == 0 && c->out.len > 0) {
        (void)tls_write(c->tls, buf_str(&c->out));
        buf_clear(&c->out);
    }
    if (c->is_secured && c->lost == 0)
        tls_shutdown(c->tls);
    c->phase = PHASE_CLOSING;
    c->hold = 0;
    wheel_set(&c->w->wheel, &c->timer, LINGER_MS);
    mark_dirty(c);
}

void conn_close_all_now(struct worker *w)
{
    while (w->conns.first != NULL)
        end_now(w->conns.first);
}

void conn_for_each(struct worker *w, void (*fn)(struct conn *c, void *arg), void *arg)
{
    for (struct conn *c = w->conns.first, *next; c != NULL; c = next) {
        next = c->next;
        if (c->phase == PHASE_OPEN)
            fn(c, arg);
    }
}

/* ---- output ---- */

size_t conn_out_bytes(const struct conn *c)
{
    size_t n = c->out.len + c->clear.len;

    if (c->tls != NULL && c->handshake == NULL)
        n += tls_output(c->tls)->len;
    return n > c->written ? n - c->written : 0;
}

struct buf *conn_out(struct conn *c)
{
    return &c->out;
}

bool conn_sent(struct conn *c)
{
    size_t waiting = conn_out_bytes(c);

    if (c->lost != 0) {
        buf_clear(&c->out);
        return false;
    }
    if (waiting > c->out_max) {
        mark_lost(c, CONN_SLOW);
        return false;
    }
    if (waiting > OUT_HOLD_BYTES)
        conn_hold(c, CONN_HOLD_OUTPUT);
    mark_dirty(c);
    return true;
}

bool conn_send(struct conn *c, struct str text)
{
    if (c->lost == 0)
        buf_append_str(&c->out, text);
    return conn_sent(c);
}

void conn_cut(struct conn *c)
{
    mark_lost(c, CONN_SLOW);
}

uint64_t conn_bytes_sent(const struct conn *c)
{
    return c->bytes_sent;
}

uint64_t conn_bytes_acknowledged(const struct conn *c)
{
    int unacked = 0;

    if (c->fd < 0 || ioctl(c->fd, SIOCOUTQ, &unacked) != 0 || (uint64_t)unacked > c->bytes_sent)
        return 0;
    return c->bytes_sent - (uint64_t)unacked;
}

void conn_set_out_limit(struct conn *c, size_t out_bytes_max)
{
    c->out_max = out_bytes_max;
}

/* Writes what of `b` was not written yet. False: the socket takes no more now, or failed. Written bytes are removed
 * when they are the greater half: moving the rest up each time would let a slow reader of a long queue cost its square.
 */
static bool write_some(struct conn *c, struct buf *b)
{
    size_t before = c->written;

    while (c->written < b->len) {
        ssize_t n = send(c->fd, b->p + c->written, b->len - c->written, MSG_NOSIGNAL);

        if (n < 0) {
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                c->wants_write = true;
            else
                mark_lost(c, CONN_ERROR);
            break;
        }
        c->written += (size_t)n;
    }
    c->bytes_sent += c->written - before;
    atomic_fetch_add_explicit(&c->w->counters.bytes_out, c->written - before, memory_order_relaxed);
    if (c->written == b->len) {
        buf_deinit(b); /* an idle connection owns no buffer */
        c->written = 0;
        return true;
    }
    if (c->written > b->len / 2) {
        buf_consume(b, c->written);
        c->written = 0;
    }
    return false;
}

static bool write_tls(struct conn *c)
{
    if (c->is_secured && c->out.len > 0) {
        if (tls_write(c->tls, buf_str(&c->out)) != LN_OK) {
            mark_lost(c, CONN_TLS_FAILED);
            return false;
        }
        buf_deinit(&c->out);
    }
    struct buf *records = tls_output(c->tls);

    if (records->len > 0 && !write_some(c, records))
        return false;
    tls_trim(c->tls);
    return true;
}

/* True: nothing is left to be written. */
static bool flush(struct conn *c)
{
    if (c->wants_write)
        return false;
    if (c->clear.len > 0 && !write_some(c, &c->clear))
        return false;
    if (c->handshake != NULL)
        return true; /* the pool has the TLS state */
    if (c->tls != NULL)
        return write_tls(c);
    return c->out.len == 0 || write_some(c, &c->out);
}

static void begin_linger(struct conn *c)
{
    if (shutdown(c->fd, SHUT_WR) != 0 || c->lost == CONN_EOF + 1) {
        end_now(c);
        return;
    }
    c->phase = PHASE_LINGER;
    conn_update_poll(c);
}

static void flush_open(struct conn *c)
{
    (void)flush(c);
    if (c->lost == 0 && conn_out_bytes(c) < OUT_RELEASE_BYTES)
        conn_release(c, CONN_HOLD_OUTPUT);
}

static void flush_one(struct conn *c)
{
    if (c->phase == PHASE_OPEN) {
        if (c->lost == 0)
            flush_open(c);
        if (c->lost != 0 && !c->lost_told && c->events != NULL) {
            c->lost_told = true;
            (void)flush(c); /* an alert, perhaps */
            c->events->on_lost(c, (enum conn_end)(c->lost - 1));
            return;
        }
        conn_update_poll(c);
        return;
    }
    if (c->phase == PHASE_CLOSING) {
        bool is_done = c->handshake != NULL || flush(c);

        if (has_nobody_to_write_to(c))
            end_now(c);
        else if (is_done)
            begin_linger(c);
        else
            conn_update_poll(c);
    }
}

void conn_flush_dirty(struct worker *w)
{
    struct conn_list batch = w->dirty;

    /* Taken as a whole: what becomes dirty meanwhile waits for the next round. */
    w->dirty.first = NULL;
    if (batch.first != NULL)
        batch.first->prev_dirty = &batch.first;
    while (batch.first != NULL) {
        struct conn *c = batch.first;

        LIST_REMOVE(c, next_dirty, prev_dirty);
        flush_one(c);
    }
}

/* ---- input ---- */

static bool may_read(const struct conn *c)
{
    if (c->phase == PHASE_LINGER)
        return true;
    if (c->phase == PHASE_CLOSING)
        return c->lost != CONN_EOF + 1; /* would be reported without end */
    /* What was read and not taken goes first: as long as there is some, the peer waits and not our memory. */
    return c->hold == 0 && c->lost == 0 && c->pending_in.len == 0;
}

static void conn_update_poll(struct conn *c)
{
    int want = (may_read(c) ? UV_READABLE : 0) | (c->wants_write ? UV_WRITABLE : 0);

    if (c->poll.data == NULL || c->phase == PHASE_GONE || want == c->polled)
        return;
    c->polled = want;
    if (want == 0)
        (void)uv_poll_stop(&c->poll);
    else if (uv_poll_start(&c->poll, want, on_poll) != 0)
        mark_lost(c, CONN_ERROR);
}

/* Hands text to the owner; what it leaves waits until it releases its hold. */
static void deliver(struct conn *c, struct str in)
{
    if (c->events == NULL)
        return;
    if (c->hold != 0 || c->pending_in.len > 0) {
        buf_append_str(&c->pending_in, in);
        return;
    }
    c->events->on_input(c, &in);
    if (c->phase == PHASE_OPEN && c->events != NULL && in.len > 0)
        buf_append_str(&c->pending_in, in);
}

static void deliver_pending(struct conn *c)
{
    struct buf pending = c->pending_in;
    struct str in = str_make(pending.p + c->taken, pending.len - c->taken);

    c->pending_in = (struct buf){0};
    c->taken = 0;
    c->events->on_input(c, &in);
    if (c->phase == PHASE_OPEN && c->events != NULL && in.len > 0) {
        c->taken = pending.len - in.len;
        c->pending_in = pending;
    } else {
        buf_deinit(&pending);
    }
}

void conn_run_resumed(struct worker *w)
{
    struct conn_list batch = w->resumed;

    w->resumed.first = NULL;
    if (batch.first != NULL)
        batch.first->prev_resumed = &batch.first;
    while (batch.first != NULL) {
        struct conn *c = batch.first;

        LIST_REMOVE(c, next_resumed, prev_resumed);
        if (c->hold == 0 && c->pending_in.len > 0 && c->lost == 0 && c->phase == PHASE_OPEN)
            deliver_pending(c);
        /* What was read before a move and not yet decrypted; and the end, which waited for its turn. */
        if (c->phase == PHASE_OPEN && c->lost == 0 && c->is_secured && may_read(c))
            read_records(c);
        if (c->phase == PHASE_OPEN)
            mark_dirty(c); /* polling is adjusted at the end of the turn */
    }
}

void conn_hold(struct conn *c, enum conn_hold why)
{
    c->hold |= (uint8_t)why;
    mark_dirty(c); /* polling is adjusted at the end of the turn */
}

void conn_release(struct conn *c, enum conn_hold why)
{
    if ((c->hold & why) == 0)
        return;
    c->hold &= (uint8_t)~why;
    if (c->hold == 0 && c->prev_resumed == NULL && c->phase == PHASE_OPEN)
        LIST_ADD(&c->w->resumed, c, next_resumed, prev_resumed);
}

bool conn_is_held(const struct conn *c)
{
    return c->hold != 0;
}

/* ---- TLS ---- */

static void on_handshake_step(struct pool_job *job);

static void work_handshake(struct pool_job *job)
{
    struct handshake *h = container_of(job, struct handshake, job);

    h->state = tls_handshake(h->tls);
}

static void submit_handshake(struct conn *c)
{
    struct handshake *h = mem_zalloc(sizeof(*h));

    h->job.reply_to = &c->w->executor;
    h->job.work = work_handshake;
    h->job.done = on_handshake_step;
    h->conn = c;
    h->tls = c->tls;
    conn_hold(c, CONN_HOLD_TLS);
    if (pool_submit(c->w->server->pool, &h->job) != LN_OK) {
        free(h);
        wheel_set(&c->w->wheel, &c->timer, TLS_RETRY_MS); /* the peer waits; others are being served */
        return;
    }
    c->handshake = h;
}

static void read_records(struct conn *c)
{
    struct worker *w = c->w;
    enum tls_state state;

    do {
        buf_clear(&w->plain);
        state = tls_read(c->tls, &w->plain, WORKER_READ_BYTES);
        if (w->plain.len > 0)
            deliver(c, buf_str(&w->plain));
        if (c->phase != PHASE_OPEN)
            return; /* closed */
    } while (state == TLS_READY && tls_has_pending(c->tls));
    if (state == TLS_CLOSED && c->pending_in.len == 0) /* otherwise that comes first */
        mark_lost(c, CONN_EOF);
    else if (state == TLS_FAILED)
        mark_lost(c, CONN_TLS_FAILED);
    mark_dirty(c); /* there may be alerts */
}

static void on_handshake_step(struct pool_job *job)
{
    struct handshake *h = container_of(job, struct handshake, job);
    struct conn *c = h->conn;
    enum tls_state state = h->state;

    if (c == NULL) {
        tls_free(&h->tls);
        free(h);
        return;
    }
    free(h);
    c->handshake = NULL;
    mark_dirty(c);
    if (c->phase != PHASE_OPEN)
        return;
    if (state == TLS_FAILED || state == TLS_CLOSED) {
        mark_lost(c, CONN_TLS_FAILED);
        return;
    }
    if (state == TLS_READY) {
        c->is_secured = true;
        c->events->on_secured(c);
        if (c->phase != PHASE_OPEN)
            return;
        conn_release(c, CONN_HOLD_TLS);
        if (tls_has_pending(c->tls))
            read_records(c);
        return;
    }
    conn_release(c, CONN_HOLD_TLS);
}

void conn_start_tls(struct conn *c, struct tls *own_tls)
{
    assert(c->tls == NULL);
    c->tls = own_tls;
    buf_append_str(&c->clear, buf_str(&c->out));
    buf_deinit(&c->out);
    buf_deinit(&c->pending_in);
    mark_dirty(c);
}

const struct tls *conn_peek_tls(const struct conn *c)
{
    return c->is_secured ? c->tls : NULL;
}

const char *conn_tls_error(const struct conn *c)
{
    return c->tls != NULL && c->handshake == NULL ? tls_error_text(c->tls) : "";
}

/* ---- the socket ---- */

static void take_input(struct conn *c, struct str bytes)
{
    if (c->tls == NULL) {
        deliver(c, bytes);
        return;
    }
    if (tls_feed(c->tls, bytes) != LN_OK) {
        mark_lost(c, CONN_TLS_FAILED);
        return;
    }
    if (c->is_secured)
        read_records(c);
    else
        submit_handshake(c);
}

static void on_readable(struct conn *c)
{
    struct worker *w = c->w;
    ssize_t n = recv(c->fd, w->read_bytes, sizeof(w->read_bytes), 0);

    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            mark_lost(c, CONN_ERROR);
        return;
    }
    if (n == 0) {
        mark_lost(c, CONN_EOF);
        return;
    }
    c->last_input_ms = worker_now_ms(w);
    atomic_fetch_add_explicit(&w->counters.bytes_in, (uint64_t)n, memory_order_relaxed);
    take_input(c, str_make(w->read_bytes, (size_t)n));
}

/* Nothing that comes after the end is looked at; it only has to be read so that the kernel does not answer it with a
 * reset, which would take our last words from the peer. */
static void discard_input(struct conn *c)
{
    ssize_t n = recv(c->fd, c->w->read_bytes, sizeof(c->w->read_bytes), 0);

    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)))
        return;
    if (n < 0 || c->phase == PHASE_LINGER) {
        end_now(c);
        return;
    }
    c->lost = CONN_EOF + 1; /* may still read what we have to say */
    mark_dirty(c);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct conn *c = h->data;

    if (c->phase == PHASE_GONE)
        return;
    if (status < 0) {
        c->polled = 0; /* libuv stopped it */
        if (c->phase != PHASE_OPEN)
            end_now(c);
        else
            mark_lost(c, CONN_ERROR);
        return;
    }
    if ((events & UV_WRITABLE) != 0) {
        c->wants_write = false;
        mark_dirty(c);
    }
    if ((events & UV_READABLE) != 0) {
        if (c->phase != PHASE_OPEN)
            discard_input(c);
        else if (may_read(c))
            on_readable(c);
    }
}

static void on_conn_timer(struct wheel_timer *t)
{
    struct conn *c = container_of(t, struct conn, timer);

    if (c->phase == PHASE_OPEN)
        submit_handshake(c);
    else
        end_now(c);
}

/* ---- what it knows ---- */

void conn_set_owner(struct conn *c, const struct conn_events *events, void *owner)
{
    c->events = events;
    c->owner = owner;
}

void *conn_owner(const struct conn *c)
{
    return c->owner;
}

uint64_t conn_id(const struct conn *c)
{
    return c->id;
}

enum conn_security conn_peek_security(const struct conn *c)
{
    return (enum conn_security)c->security;
}

const struct sockaddr_storage *conn_peek_peer(const struct conn *c)
{
    return &c->peer;
}

void conn_peer_name(const struct conn *c, char out[64])
{
    const void *addr = &((const struct sockaddr_in *)&c->peer)->sin_addr;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)&c->peer)->sin6_addr;
    int family = c->peer.ss_family;

    if (family == AF_INET6) {
        addr = v6;
        if (IN6_IS_ADDR_V4MAPPED(v6)) { /* an IPv4 client of a dual-stack listener */
            family = AF_INET;
            addr = &v6->s6_addr[12];
        }
    }
    if (inet_ntop(family, addr, out, 64) == NULL)
        (void)snprintf(out, 64, "unknown");
}

uint64_t conn_last_input_ms(const struct conn *c)
{
    return c->last_input_ms;
}
