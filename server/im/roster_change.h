/* server/im/roster_change.h - one change of a roster after the other: decided, committed, then done.
 *
 * A change comes from a roster set, from a client's subscription stanza, or from a contact. When its turn has come it
 * is decided on the roster as it is then (im/subscription.h), written to storage, and only when that is committed it
 * takes effect: the item, the answer, the pushes, the stanzas to the contact. All: [worker], the account's home. */
#ifndef LINNET_SERVER_IM_ROSTER_CHANGE_H
#define LINNET_SERVER_IM_ROSTER_CHANGE_H

#include "server/im/account.h"
#include "server/im/iq.h"

/* A roster set of the account's own client; takes the kept request, which is answered when the change is committed or
 * refused. */
void roster_change_set(struct account *a, struct iq *own_kept);

/* A presence stanza about a subscription, from the account's own client (which is paused until it is done) or, with
 * `session` NULL, for the account (deliveries wait until it is done). Takes a reference of its own; outbound, it may
 * still change `to`. */
void roster_change_subscription(struct account *a, struct session *session, struct stanza *st);

/* The server does for the account what its client would do with a presence stanza: SUB_OUT_SUBSCRIBE or
 * SUB_OUT_SUBSCRIBED, towards a bare JID. What is refused is logged: nobody asked. */
void roster_change_in_name_of(struct account *a, enum sub_event event, const struct jid *contact);

/* The account has ended: tells every contact, as when each was removed, and empties the roster in memory. */
void roster_cancel_all(struct account *a);

/* For all: <query/> of one item, to every interested session. */
void roster_push(struct account *a, struct str jid);

#endif
