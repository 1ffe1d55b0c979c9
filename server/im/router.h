/* server/im/router.h - where a stanza goes: the one place that knows where an address lives.
 *
 * A bare JID lives here (on one of this node's workers), later on another node, in another domain, or nowhere. No code
 * outside this file may conclude "offline" from "not on this worker". What the address and the account's state mean for
 * the stanza is decided by the table in im/delivery.c, on the home worker of the addressee. All functions: [worker]. */
#ifndef LINNET_SERVER_IM_ROUTER_H
#define LINNET_SERVER_IM_ROUTER_H

#include "common/xmpp/stanza.h"
#include "server/im/hooks.h"

/* Routes by st->to, which must be set, as from st->from. Takes the reference. The stanza may not be changed any more.
 */
void router_route(struct worker *w, struct stanza *own_st);

/* The same, but to `to` instead of st->to: for one stanza with many recipients, which is written once for each with its
 * own `to`. Takes a reference of its own, and copies the address. */
void router_route_to(struct worker *w, struct stanza *st, const struct jid *to);

/* A client's stanza, its `from` stamped, `to` as it came (perhaps none): all rules of RFC 6120 section 10.3 and RFC
 * 6121 section 8 start here. Takes the reference. */
void router_from_client(struct session *s, struct stanza *own_st);

/* Sends an error reply for `st` to its sender, where one may be sent. */
void router_refuse(struct worker *w, const struct stanza *st, enum stanza_err err, const char *text);

/* For batch.c: `to` lives on this worker; `st` stays the caller's. `to` is the address it was sent to (st->to, or one
 * of a fan-out). */
void router_deliver_local(struct worker *w, struct stanza *st, const struct jid *to);

/* Routes an empty presence of the given type, such as "unsubscribed", between two bare JIDs. */
void router_send_simple(struct worker *w, struct str from, struct str to, const char *type);

#endif
