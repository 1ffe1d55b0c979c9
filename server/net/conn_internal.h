/* server/net/conn_internal.h - the insides of a connection, for conn.c (its life), conn_output.c and conn_input.c only.
 */
#ifndef LINNET_SERVER_NET_CONN_INTERNAL_H
#define LINNET_SERVER_NET_CONN_INTERNAL_H

#include <netinet/in.h>

#include "server/net/conn.h"
#include "server/net/worker.h"

struct handshake; /* a step of TLS in the pool: conn_input.c */

enum conn_phase {
    PHASE_OPEN,
    PHASE_CLOSING, /* conn_close() was called: write the rest */
    PHASE_LINGER,  /* all written, our side shut down: wait for the peer's end */
    PHASE_GONE,    /* waits for libuv's close call-back */
};

/* A struct sockaddr_storage would be four times as large. */
union conn_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* What few connections have, and those not for long: kept apart, so that an idle one stays small. */
struct conn_backlog {
    struct buf clear;      /* what was queued before STARTTLS: goes out before any TLS byte */
    struct buf pending_in; /* plain text that the owner has not taken yet; nothing is read meanwhile */
    size_t taken;          /* of pending_in: already taken */
};

/* Small, since an idle session costs little else: two words more, and the allocator gives it 64 bytes more. */
struct conn {
    uv_poll_t poll; /* closed before the memory goes; poll.data is NULL when there is no handle */
    struct worker *w;
    const struct conn_events *events;
    void *owner;
    struct tls *tls;                  /* owned, unless `handshake` is running */
    struct handshake *handshake;      /* NULL: none runs */
    struct conn_proxy_tls *proxy_tls; /* NULL: no balancer ended TLS for it */
    struct executor *gone_to;
    struct task *gone;
    struct buf out;               /* plain text to be sent */
    struct conn_backlog *backlog; /* NULL: none */
    uint64_t id;
    uint64_t bytes_sent;                       /* handed to the socket, on this worker */
    struct conn *next, **prev;                 /* worker->conns */
    struct conn *next_dirty, **prev_dirty;     /* worker->dirty, or none */
    struct conn *next_resumed, **prev_resumed; /* worker->resumed while it is open, then worker->closing; or none */
    union conn_address peer;
    int fd;
    uint32_t written;       /* of what goes out first (the backlog's `clear`, TLS records, `out`): already sent */
    uint32_t out_max;       /* bytes */
    uint32_t last_input_ms; /* worker clock, cut to 32 bits; when it is closed: of that moment */
    uint8_t polled;         /* the events that the poll handle waits for */
    uint8_t hold;           /* enum conn_hold */
    uint8_t phase;
    uint8_t lost; /* enum conn_end + 1; 0: fine */
    uint8_t security;
    bool lost_told : 1;
    bool wants_write : 1; /* the socket's buffer is full */
    bool is_secured : 1;
    bool is_corked : 1;
    bool has_begun_handshake : 1; /* its first step was taken */
};

/* Lists of the worker: being in one is a pointer to what points here. */

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

/* ---- conn.c ---- */

/* Made when first needed; conn_trim_backlog() ends it when it is empty. */
struct conn_backlog *conn_backlog(struct conn *c);
void conn_trim_backlog(struct conn *c);
static inline bool conn_has_pending_in(const struct conn *c)
{
    return c->backlog != NULL && c->backlog->pending_in.len > 0;
}

/* The turn's end looks at it: to write, to watch the socket anew, to report its loss. */
void conn_mark_dirty(struct conn *c);
/* It is of no more use; the first reason counts. The owner is told at the end of the turn. */
void conn_mark_lost(struct conn *c, enum conn_end why);
/* Without another word. */
void conn_end_now(struct conn *c);
/* It broke in a way that leaves nobody to say goodbye to. */
bool conn_has_nobody_to_write_to(const struct conn *c);

/* ---- conn_input.c ---- */

/* Watches the socket for what is wanted of it now. */
void conn_update_poll(struct conn *c);
/* It ends while the pool works on its handshake: the TLS state is the pool's to free. */
void conn_abandon_handshake(struct conn *c);

#endif
