/* server/net/conn_input.c - what comes from a peer: the socket, the TLS handshake and records, and the owner's right to
 * wait. */
#include <assert.h>
#include <errno.h>

#include "common/mem.h"
#include "server/net/conn_internal.h"
#include "server/net/pool.h"
#include "server/net/tls.h"

/* A handshake step in the pool. It outlives a connection that is closed meanwhile. */
struct handshake {
    struct pool_job job;
    struct conn *conn; /* NULL: the connection has gone, and `tls` is ours to free */
    struct tls *tls;
    enum tls_state state;
};

static void on_poll(uv_poll_t *h, int status, int events);
static void read_records(struct conn *c);

/* ---- to the owner ---- */

static bool may_read(const struct conn *c)
{
    if (c->phase == PHASE_LINGER)
        return true;
    if (c->phase == PHASE_CLOSING)
        return c->lost != CONN_EOF + 1; /* would be reported without end */
    /* What was read and not taken goes first: as long as there is some, the peer waits and not our memory. */
    return c->hold == 0 && c->lost == 0 && !conn_has_pending_in(c);
}

static int wanted(const struct conn *c)
{
    return (may_read(c) ? UV_READABLE : 0) | (c->wants_write ? UV_WRITABLE : 0);
}

static void poll_for(struct conn *c, int want)
{
    c->polled = want;
    if (want == 0)
        (void)uv_poll_stop(&c->poll);
    else if (uv_poll_start(&c->poll, want, on_poll) != 0)
        conn_mark_lost(c, CONN_ERROR);
}

/* What is to be read again soon is not worth the system calls of stopping and starting: polling for input stops when
 * some comes that may not be read (on_poll), and most waits are over before that. */
void conn_update_poll(struct conn *c)
{
    int want = wanted(c);

    if (c->poll.data == NULL || c->phase == PHASE_GONE || want == c->polled || (want | UV_READABLE) == c->polled)
        return;
    poll_for(c, want);
}

/* Hands text to the owner; what it leaves waits until it releases its hold. */
static void deliver(struct conn *c, struct str in)
{
    if (c->events == NULL)
        return;
    if (c->hold != 0 || conn_has_pending_in(c)) {
        buf_append_str(&conn_backlog(c)->pending_in, in);
        return;
    }
    c->events->on_input(c, &in);
    if (c->phase == PHASE_OPEN && c->events != NULL && in.len > 0)
        buf_append_str(&conn_backlog(c)->pending_in, in);
}

static void deliver_pending(struct conn *c)
{
    struct conn_backlog *b = c->backlog;
    struct buf pending = b->pending_in;
    struct str in = str_make(pending.p + b->taken, pending.len - b->taken);

    b->pending_in = (struct buf){0};
    b->taken = 0;
    c->events->on_input(c, &in);
    if (c->phase == PHASE_OPEN && c->events != NULL && in.len > 0) {
        b = conn_backlog(c);
        b->taken = pending.len - in.len;
        b->pending_in = pending;
    } else {
        buf_deinit(&pending);
        conn_trim_backlog(c);
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
        if (c->hold == 0 && conn_has_pending_in(c) && c->lost == 0 && c->phase == PHASE_OPEN)
            deliver_pending(c);
        /* What was read before a move and not yet decrypted; and the end, which waited for its turn. */
        if (c->phase == PHASE_OPEN && c->lost == 0 && c->is_secured && may_read(c))
            read_records(c);
        if (c->phase == PHASE_OPEN)
            conn_mark_dirty(c); /* polling is adjusted at the end of the turn */
    }
}

void conn_hold(struct conn *c, enum conn_hold why)
{
    c->hold |= (uint8_t)why;
    conn_mark_dirty(c); /* polling is adjusted at the end of the turn */
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
    h->job.kind = c->has_begun_handshake ? POOL_HANDSHAKE_STEP : POOL_HANDSHAKE;
    h->conn = c;
    h->tls = c->tls;
    conn_hold(c, CONN_HOLD_TLS);
    if (pool_submit(c->w->server->pool, &h->job) != LN_OK) {
        free(h);
        conn_mark_lost(c, CONN_REFUSED); /* at once: better than a wait that ends in a time-out */
        return;
    }
    c->has_begun_handshake = true;
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
    if (state == TLS_CLOSED && !conn_has_pending_in(c)) /* otherwise that comes first */
        conn_mark_lost(c, CONN_EOF);
    else if (state == TLS_FAILED)
        conn_mark_lost(c, CONN_TLS_FAILED);
    conn_mark_dirty(c); /* there may be alerts */
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
    conn_mark_dirty(c);
    if (c->phase != PHASE_OPEN)
        return;
    if (state == TLS_FAILED || state == TLS_CLOSED) {
        conn_mark_lost(c, CONN_TLS_FAILED);
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

void conn_abandon_handshake(struct conn *c)
{
    c->handshake->conn = NULL; /* the job frees the TLS state */
    c->handshake = NULL;
}

void conn_start_tls(struct conn *c, struct tls *own_tls)
{
    assert(c->tls == NULL);
    c->tls = own_tls;
    buf_append_str(&conn_backlog(c)->clear, buf_str(&c->out));
    buf_deinit(&c->out);
    buf_deinit(&c->backlog->pending_in);
    conn_trim_backlog(c); /* where TLS comes first nothing is in the clear */
    conn_mark_dirty(c);
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
        conn_mark_lost(c, CONN_TLS_FAILED);
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
            conn_mark_lost(c, CONN_ERROR);
        return;
    }
    if (n == 0) {
        conn_mark_lost(c, CONN_EOF);
        return;
    }
    c->last_input_ms = (uint32_t)worker_now_ms(w);
    counter_add(&w->counters.bytes_in, (uint64_t)n);
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
        conn_end_now(c);
        return;
    }
    c->lost = CONN_EOF + 1; /* may still read what we have to say */
    conn_mark_dirty(c);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct conn *c = h->data;

    if (c->phase == PHASE_GONE)
        return;
    if (status < 0) {
        c->polled = 0; /* libuv stopped it */
        if (c->phase != PHASE_OPEN)
            conn_end_now(c);
        else
            conn_mark_lost(c, CONN_ERROR);
        return;
    }
    if ((events & UV_WRITABLE) != 0) {
        c->wants_write = false;
        conn_mark_dirty(c);
    }
    if ((events & UV_READABLE) == 0)
        return;
    if (!may_read(c))
        poll_for(c, wanted(c));
    else if (c->phase != PHASE_OPEN)
        discard_input(c);
    else
        on_readable(c);
}
