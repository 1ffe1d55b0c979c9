/* server/net/conn.h - one TCP connection: its socket, its TLS, what waits to be written.
 *
 * The layer above (stream/) is told of plain text and of the end, and gives plain text to be sent. It may hold the
 * input back for as long as it cannot go on (an answer from storage is awaited, another worker is behind); nothing is
 * read from the socket then, so the peer waits, not our memory. Output is gathered and written once a turn of the loop.
 * A peer that does not read is cut when `out_bytes_max` are waiting.
 *
 * An idle connection owns no buffers. It may move to another worker: conn_take_parcel() there, conn_from_parcel() here.
 */
#ifndef LINNET_SERVER_NET_CONN_H
#define LINNET_SERVER_NET_CONN_H

#include <sys/socket.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/task.h"
#include "server/net/timer_wheel.h"

struct conn; /* defined in server/net/conn.c */
struct conn_parcel;
struct tls;
struct worker;

enum conn_end {
    CONN_EOF,        /* the peer closed */
    CONN_ERROR,      /* the socket failed */
    CONN_SLOW,       /* too much waits to be written */
    CONN_TLS_FAILED, /* the handshake or a record: conn_tls_error() says why */
    CONN_REFUSED,    /* too many handshakes wait already (pool.h) */
};

/* Reasons to hold the input back; a set. */
enum conn_hold {
    CONN_HOLD_STREAM = 1, /* the stream awaits something */
    CONN_HOLD_SHARD = 2,  /* another worker or the storage is behind */
    CONN_HOLD_OUTPUT = 4, /* the peer does not read what it asked for (conn.c's own) */
    CONN_HOLD_TLS = 8,    /* a handshake is under way (conn.c's own) */
};

/* What the owner is told; all [worker]. After conn_close() nothing more comes. */
struct conn_events {
    /* Plain text. Takes from the front of *in; what it leaves (only while it holds the input) comes again later. */
    void (*on_input)(struct conn *c, struct str *in);
    /* The TLS handshake is done. */
    void (*on_secured)(struct conn *c);
    /* Once, at the end of a turn: the connection is of no more use; the owner closes it. */
    void (*on_lost)(struct conn *c, enum conn_end why);
};

/* What the listener promised its clients, or what a balancer has done for this one. */
enum conn_security { CONN_STARTTLS, CONN_DIRECT_TLS, CONN_PLAIN, CONN_PROXY_TLS, CONN_COMPONENT };

/* The TLS that a trusted balancer ended (CONN_PROXY_TLS). What came is plain text to us, and counts as secured. */
struct conn_proxy_tls {
    char name[24]; /* for people: "proxy/TLSv1.3" */
    char cipher[64];
};

/* [acceptor] Wraps an accepted, non-blocking socket as it travels to its first worker. Takes the descriptor. `own_gone`
 * is posted to `gone_to` when the connection has ended, whoever ended it. */
struct conn_parcel *conn_parcel_new(int own_fd, const struct sockaddr_storage *peer, uint64_t id,
                                    enum conn_security security, struct executor *gone_to, struct task *own_gone);
/* [acceptor] Makes it CONN_PROXY_TLS. What is too long for the fields above is cut. */
void conn_parcel_set_proxy_tls(struct conn_parcel *p, struct str version, struct str cipher);

/* [worker] Takes the parcel in; it starts polling at the end of this turn, so set the owner now. */
struct conn *conn_from_parcel(struct worker *w, struct conn_parcel *own_parcel);
/* [worker] Moves out socket, TLS state and all unread and unwritten bytes, for the account's own worker; nothing is
 * lost or overtaken on the way (RFC 6120 section 10.1). `*c` is NULL after. Not from within on_input: hold the input,
 * and move in a task of its own. */
struct conn_parcel *conn_take_parcel(struct conn **c);

/* [worker] */
void conn_set_owner(struct conn *c, const struct conn_events *events, void *owner);
void *conn_owner(const struct conn *c);
void conn_set_out_limit(struct conn *c, uint32_t out_bytes_max);

/* [worker] Queues plain text (copied). When the limit is passed the connection is marked lost (CONN_SLOW) and this and
 * all later text is dropped: false. */
bool conn_send(struct conn *c, struct str text);
/* [worker] The buffer that conn_send() appends to, for those who build in place; call conn_sent() after. */
struct buf *conn_out(struct conn *c);
bool conn_sent(struct conn *c);
/* [worker] Bytes that wait to be written, in all forms. */
size_t conn_out_bytes(const struct conn *c);
/* [worker] Bytes that were handed to the socket since the connection came to this worker, and how many of these the
 * peer's TCP has acknowledged. */
uint64_t conn_bytes_sent(const struct conn *c);
uint64_t conn_bytes_acknowledged(const struct conn *c);

/* [worker] The peer is of no more use: on_lost(CONN_SLOW) follows at the end of the turn. */
void conn_cut(struct conn *c);

/* [worker] Closes once what is queued has been written (bounded in time), and forgets the pointer. The memory lasts
 * until libuv's close call-back. NULL is fine. */
void conn_close(struct conn **c);

/* [worker] Begins a TLS handshake as the server: text queued so far goes out in clear first, unread input is dropped
 * (what was pipelined in the clear, RFC 6120 section 5.4.3.3). on_secured or on_lost follows. */
void conn_start_tls(struct conn *c, struct tls *own_tls);
/* [worker] NULL while not secured. */
const struct tls *conn_peek_tls(const struct conn *c);
/* [worker] NULL unless CONN_PROXY_TLS. */
const struct conn_proxy_tls *conn_peek_proxy_tls(const struct conn *c);
const char *conn_tls_error(const struct conn *c);

/* [worker] */
void conn_hold(struct conn *c, enum conn_hold why);
void conn_release(struct conn *c, enum conn_hold why);
bool conn_is_held(const struct conn *c);

/* [worker] While it is corked nothing is written; what is sent waits in its order. A closed one is not corked. */
void conn_cork(struct conn *c, bool is_corked);

/* [worker] */
uint64_t conn_id(const struct conn *c);
enum conn_security conn_peek_security(const struct conn *c);
/* The client's own address, as the load balancer told it; borrowed until conn_close(). */
const struct sockaddr *conn_peek_peer(const struct conn *c);
/* The same as text, without port: "192.0.2.7". */
void conn_peer_name(const struct conn *c, char out[64]);
/* Milliseconds since bytes last came in; of less than 49 days. */
uint64_t conn_silent_ms(const struct conn *c);

/* For worker.c. [worker] */
void conn_run_resumed(struct worker *w);
void conn_flush_dirty(struct worker *w);
/* Those that were closed a while ago, and whose peers have not said goodbye since. */
void conn_end_overdue(struct worker *w);
void conn_close_all_now(struct worker *w);
/* Calls fn for every connection of the worker; fn may close the one it is given. */
void conn_for_each(struct worker *w, void (*fn)(struct conn *c, void *arg), void *arg);

#endif
