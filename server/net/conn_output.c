/* server/net/conn_output.c - what is gathered for a peer, and how it is written: once a turn, through TLS if need be,
 * until the end. */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "server/net/conn_internal.h"
#include "server/net/tls.h"

enum {
    OUT_HOLD_BYTES = 256 * 1024, /* a peer with more than this unread gets no more of its requests read */
    OUT_RELEASE_BYTES = 64 * 1024,
    OUT_FIRST_BYTES = 512,
    SPARE_BYTES_MAX = 32 * 1024,
};

/* ---- gathering ---- */

size_t conn_out_bytes(const struct conn *c)
{
    size_t n = c->out.len + (c->backlog != NULL ? c->backlog->clear.len : 0);

    if (c->tls != NULL && c->handshake == NULL)
        n += tls_output(c->tls)->len;
    return n > c->written ? n - c->written : 0;
}

/* A connection owns memory for its output only while it has some. What it needs in each turn it takes from the few
 * buffers that its worker keeps warm, and gives back at the end of the turn. */
struct buf *conn_out(struct conn *c)
{
    struct worker *w = c->w;

    if (c->out.p == NULL) {
        if (w->n_spares > 0)
            c->out = w->spares[--w->n_spares];
        else
            (void)buf_reserve(&c->out, OUT_FIRST_BYTES);
    }
    return &c->out;
}

static void release_out(struct worker *w, struct buf *b)
{
    if (w->n_spares == WORKER_SPARES || b->cap > SPARE_BYTES_MAX) {
        buf_deinit(b);
        return;
    }
    buf_clear(b);
    w->spares[w->n_spares++] = *b;
    *b = (struct buf){0};
}

bool conn_sent(struct conn *c)
{
    size_t waiting = conn_out_bytes(c);

    if (c->lost != 0) {
        buf_clear(&c->out);
        return false;
    }
    if (waiting > c->out_max) {
        conn_mark_lost(c, CONN_SLOW);
        return false;
    }
    if (waiting > OUT_HOLD_BYTES)
        conn_hold(c, CONN_HOLD_OUTPUT);
    conn_mark_dirty(c);
    return true;
}

bool conn_send(struct conn *c, struct str text)
{
    if (c->lost == 0)
        buf_append_str(conn_out(c), text);
    return conn_sent(c);
}

void conn_cork(struct conn *c, bool is_corked)
{
    c->is_corked = is_corked;
    if (!is_corked)
        conn_mark_dirty(c);
}

void conn_cut(struct conn *c)
{
    conn_mark_lost(c, CONN_SLOW);
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

void conn_set_out_limit(struct conn *c, uint32_t out_bytes_max)
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
                conn_mark_lost(c, CONN_ERROR);
            break;
        }
        c->written += (uint32_t)n;
    }
    c->bytes_sent += c->written - before;
    counter_add(&c->w->counters.bytes_out, c->written - before);
    if (c->written == b->len) {
        release_out(c->w, b); /* an idle connection owns no buffer */
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
        if (tls_write(c->tls, buf_str(&c->out)) != LN_OK)
            conn_mark_lost(c, CONN_TLS_FAILED); /* the text is lost; the alert that says so goes out */
        release_out(c->w, &c->out);
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
    if (c->wants_write || (c->is_corked && c->phase == PHASE_OPEN))
        return false;
    if (c->backlog != NULL && c->backlog->clear.len > 0) {
        if (!write_some(c, &c->backlog->clear))
            return false;
        conn_trim_backlog(c);
    }
    if (c->handshake != NULL)
        return true; /* the pool has the TLS state */
    if (c->tls != NULL)
        return write_tls(c);
    return c->out.len == 0 || write_some(c, &c->out);
}

static void begin_linger(struct conn *c)
{
    if (shutdown(c->fd, SHUT_WR) != 0 || c->lost == CONN_EOF + 1) {
        conn_end_now(c);
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

        if (conn_has_nobody_to_write_to(c))
            conn_end_now(c);
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
