/* server/im/router.h - where a stanza goes: the one place that knows where an address lives.
 *
 * A bare JID lives here (on one of this node's workers), later on another node, in another domain, or nowhere. No code outside
 * this file may conclude "offline" from "not on this worker". What the address and the account's state mean for the stanza is
 * decided by the table in im/delivery.c, on the home worker of the addressee. All functions: [worker]. */
#ifndef LINNET_SERVER_IM_ROUTER_H
#define LINNET_SERVER_IM_ROUTER_H

#include "common/xmpp/stanza.h"
#include "server/im/hooks.h"

/* Routes by st->to, which must be set, as from st->from. Takes the reference. The stanza may not be changed any more. */
void router_route(struct worker *w, struct stanza *own_st);

/* The same for each of many recipients: `st` is written once for each with its own `to`, and only a list of addresses travels. */
struct router_fanout;
struct router_fanout *router_fanout_begin(struct worker *w, struct stanza *st); /* takes a reference of its own */
void router_fanout_add(struct router_fanout *f, const struct jid *to);          /* copied */
void router_fanout_end(struct router_fanout **f);

/* A client's stanza, its `from` stamped, `to` as it came (perhaps none): all rules of RFC 6120 section 10.3 and RFC 6121
 * section 8 start here. Takes the reference. */
void router_from_client(struct session *s, struct stanza *own_st);

/* Sends an error reply for `st` to its sender, where one may be sent. */
void router_refuse(struct worker *w, const struct stanza *st, enum stanza_err err, const char *text);

/* For an account that is ready: delivers by the table. `to` is the address it was sent to (st->to, or one of a fan-out). */
void router_deliver(struct account *a, struct stanza *st, const struct jid *to);

/* Whether the client `s` has to wait because where it sends to is behind: then it is held until that has caught up. */
void router_check_congestion(struct session *s, const struct worker *towards);

#endif
