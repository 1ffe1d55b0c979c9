#include "server/net/conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "common/mem.h"
#include "server/net/conn_internal.h"
#include "server/net/tls.h"

enum { LINGER_MS = 3000 }; /* how long a closed connection may take to write its rest and to say goodbye */

struct conn_parcel {
    struct tls *tls;
    struct conn_proxy_tls *proxy_tls;
    struct executor *gone_to;
    struct task *gone;
    struct buf out;
    uint32_t written;
    struct conn_backlog *backlog;
    uint64_t id;
    union conn_address peer;
    int fd;
    uint8_t lost;
    bool is_secured;
    uint8_t security;
};

void conn_mark_dirty(struct conn *c)
{
    if (c->prev_dirty == NULL && c->phase != PHASE_GONE)
        LIST_ADD(&c->w->dirty, c, next_dirty, prev_dirty);
}

void conn_mark_lost(struct conn *c, enum conn_end why)
{
    if (c->lost != 0)
        return;
    c->lost = (uint8_t)why + 1;
    conn_mark_dirty(c);
}

/* ---- making, moving, ending ---- */

struct conn_parcel *conn_parcel_new(int own_fd, const struct sockaddr_storage *peer, uint64_t id,
                                    enum conn_security security, struct executor *gone_to, struct task *own_gone)
{
    struct conn_parcel *p = mem_zalloc(sizeof(*p));

    p->fd = own_fd;
    memcpy(&p->peer, peer, sizeof(p->peer)); /* the rest of it is for other families */
    p->id = id;
    p->security = (uint8_t)security;
    p->gone_to = gone_to;
    p->gone = own_gone;
    return p;
}

void conn_parcel_set_proxy_tls(struct conn_parcel *p, struct str version, struct str cipher)
{
    p->security = CONN_PROXY_TLS;
    p->proxy_tls = mem_zalloc(sizeof(*p->proxy_tls));
    (void)snprintf(p->proxy_tls->name, sizeof(p->proxy_tls->name), "proxy/%.*s", STR_ARG(version));
    (void)snprintf(p->proxy_tls->cipher, sizeof(p->proxy_tls->cipher), "%.*s", STR_ARG(cipher));
}

struct conn *conn_from_parcel(struct worker *w, struct conn_parcel *own_parcel)
{
    struct conn *c = mem_zalloc(sizeof(*c));

    worker_assert_current(w);
    c->w = w;
    c->fd = own_parcel->fd;
    c->tls = own_parcel->tls;
    c->proxy_tls = own_parcel->proxy_tls;
    c->gone_to = own_parcel->gone_to;
    c->gone = own_parcel->gone;
    c->out = own_parcel->out;
    c->written = own_parcel->written;
    c->backlog = own_parcel->backlog;
    c->lost = own_parcel->lost;
    c->id = own_parcel->id;
    c->peer = own_parcel->peer;
    c->is_secured = own_parcel->is_secured;
    c->security = own_parcel->security;
    free(own_parcel);
    c->out_max = UINT32_MAX;
    c->last_input_ms = (uint32_t)worker_now_ms(w);
    c->poll.data = c;
    LIST_ADD(&w->conns, c, next, prev);
    counter_add(&w->counters.connections, 1);
    if (uv_poll_init(&w->loop, &c->poll, c->fd) != 0) {
        c->poll.data = NULL; /* no handle: nothing to close */
        conn_mark_lost(c, CONN_ERROR);
    }
    /* Polling begins at the end of this turn, with what moved along delivered first. */
    LIST_ADD(&w->resumed, c, next_resumed, prev_resumed);
    conn_mark_dirty(c);
    return c;
}

static void leave_lists(struct conn *c)
{
    LIST_REMOVE(c, next, prev);
    LIST_REMOVE(c, next_dirty, prev_dirty);
    LIST_REMOVE(c, next_resumed, prev_resumed);
    counter_subtract(&c->w->counters.connections, 1);
}

struct conn_backlog *conn_backlog(struct conn *c)
{
    if (c->backlog == NULL)
        c->backlog = mem_zalloc(sizeof(*c->backlog));
    return c->backlog;
}

static void backlog_free(struct conn *c)
{
    if (c->backlog == NULL)
        return;
    buf_deinit(&c->backlog->clear);
    buf_deinit(&c->backlog->pending_in);
    free(c->backlog);
    c->backlog = NULL;
}

void conn_trim_backlog(struct conn *c)
{
    if (c->backlog != NULL && c->backlog->clear.len == 0 && c->backlog->pending_in.len == 0)
        backlog_free(c);
}

static void conn_free(struct conn *c)
{
    buf_deinit(&c->out);
    backlog_free(c);
    free(c->proxy_tls);
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

void conn_end_now(struct conn *c)
{
    struct task *gone = c->gone;
    int fd = c->fd;

    if (c->handshake != NULL)
        conn_abandon_handshake(c);
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
                              .proxy_tls = c->proxy_tls,
                              .gone_to = c->gone_to,
                              .gone = c->gone,
                              .out = c->out,
                              .written = c->written,
                              .backlog = c->backlog,
                              .id = c->id,
                              .peer = c->peer,
                              .fd = c->fd,
                              .lost = c->lost,
                              .is_secured = c->is_secured,
                              .security = c->security};
    c->tls = NULL;
    c->proxy_tls = NULL;
    c->out = (struct buf){0};
    c->backlog = NULL;
    c->fd = -1;
    c->gone = NULL;
    retire(c);
    return p;
}

/* One that closed its side may still read, and one whose TLS failed gets the alert. */
bool conn_has_nobody_to_write_to(const struct conn *c)
{
    return c->lost != 0 && c->lost != CONN_EOF + 1 && c->lost != CONN_TLS_FAILED + 1;
}

/* A peer that said goodbye first is told that nothing was cut off, too (RFC 5246 section 7.2.1). After a failure both
 * calls do nothing. */
static void end_records(struct conn *c)
{
    (void)tls_write(c->tls, buf_str(&c->out));
    buf_clear(&c->out);
    tls_shutdown(c->tls);
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
    if (c->backlog != NULL)
        buf_deinit(&c->backlog->pending_in);
    LIST_REMOVE(c, next_resumed, prev_resumed);
    if (conn_has_nobody_to_write_to(c)) {
        conn_end_now(c);
        return;
    }
    if (c->is_secured)
        end_records(c);
    c->phase = PHASE_CLOSING;
    c->hold = 0;
    c->last_input_ms = (uint32_t)worker_now_ms(c->w);
    LIST_ADD(&c->w->closing, c, next_resumed, prev_resumed);
    conn_mark_dirty(c);
}

/* Few are closing at a time, so there is no timer in every connection for it. */
void conn_end_overdue(struct worker *w)
{
    for (struct conn *c = w->closing.first, *next; c != NULL; c = next) {
        next = c->next_resumed;
        if (conn_silent_ms(c) >= LINGER_MS)
            conn_end_now(c);
    }
}

void conn_close_all_now(struct worker *w)
{
    while (w->conns.first != NULL)
        conn_end_now(w->conns.first);
}

void conn_for_each(struct worker *w, void (*fn)(struct conn *c, void *arg), void *arg)
{
    for (struct conn *c = w->conns.first, *next; c != NULL; c = next) {
        next = c->next;
        if (c->phase == PHASE_OPEN)
            fn(c, arg);
    }
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

const struct conn_proxy_tls *conn_peek_proxy_tls(const struct conn *c)
{
    return c->proxy_tls;
}

const struct sockaddr *conn_peek_peer(const struct conn *c)
{
    return &c->peer.any;
}

void conn_peer_name(const struct conn *c, char out[64])
{
    const void *addr = &c->peer.v4.sin_addr;
    int family = c->peer.any.sa_family;

    if (family == AF_INET6) {
        addr = &c->peer.v6.sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(&c->peer.v6.sin6_addr)) { /* an IPv4 client of a dual-stack listener */
            family = AF_INET;
            addr = &c->peer.v6.sin6_addr.s6_addr[12];
        }
    }
    if (inet_ntop(family, addr, out, 64) == NULL)
        (void)snprintf(out, 64, "unknown");
}

uint64_t conn_silent_ms(const struct conn *c)
{
    return (uint32_t)worker_now_ms(c->w) - c->last_input_ms; /* right across the end of 32 bits */
}
