/* server/stream/component.h - the stream of an external component (XEP-0114): a service of its own that answers for a
 * domain.
 *
 * Much less happens on it than on a client's: header, a handshake that proves a shared secret, then stanzas both ways.
 * So it is no session: nothing of what features do for people concerns it. It belongs to the worker that is the home of
 * its domain, as an account's session to that of the account; a connection that came in elsewhere moves there after the
 * handshake. What lies above is reached through `struct component_upper`, which im/ fills in. All: [worker]. */
#ifndef LINNET_SERVER_STREAM_COMPONENT_H
#define LINNET_SERVER_STREAM_COMPONENT_H

#include "common/xmpp/stanza.h"
#include "common/xmpp/xml_reader.h"
#include "server/net/conn.h"
#include "server/net/timer_wheel.h"
#include "server/net/worker.h"
#include "server/stream/session.h"

enum component_state {
    COMPONENT_WAIT_HEADER,
    COMPONENT_WAIT_HANDSHAKE,
    COMPONENT_MOVING,    /* to its domain's home */
    COMPONENT_CONNECTED, /* stanzas flow */
    COMPONENT_CLOSED,
};

struct component {
    struct worker *worker;
    struct conn *conn; /* NULL while it moves, and at the end */
    enum component_state state;
    struct str domain; /* prepared; set by the header. Owned */
    char id[33];       /* of the stream */
    char proof[41];    /* that it knows the secret: looked at again when the configuration was changed */
    struct xml_reader reader;
    struct xml_limits limits;
    struct wheel_timer timer;  /* until the handshake: the time allowed; then to look whether it is still there */
    struct wheel_timer slowed; /* its input is held, since the workers that it sends to are behind */
};

struct component_upper {
    /* It has proved who it is, and is at home. */
    void (*on_connected)(struct component *c);
    /* Takes the stanza; `from` and `to` are those that came, prepared, and `from` is of the component's domain. */
    void (*on_stanza)(struct component *c, struct stanza *own_st);
    /* Are those that it sends to behind? Then its input waits. */
    bool (*is_behind)(const struct worker *w);
    /* One that was connected is not any more; its memory goes right after. */
    void (*on_closed)(struct component *c);
};
/* [start] */
void component_set_upper(const struct component_upper *upper);

/* A connection to a listener for components was accepted. */
void component_accept(struct worker *w, struct conn *own_conn);
/* After a change of the configuration: ends it if its domain is none of a component any more, or the secret is another
 * one than it has proved to know. */
void component_check_again(struct component *c);
/* Is this connection one of theirs? */
bool component_owns(const struct conn *conn);
/* Queues a stanza, with `to` instead of its own unless that is empty. False: it does not read. */
bool component_send(struct component *c, const struct stanza *st, struct str to);
/* Ends it, and frees it at once. */
void component_close(struct component *c, enum stream_err err, const char *text);

#endif
