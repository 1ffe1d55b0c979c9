/* server/im/subscription.h - the presence subscription between a user and one contact (RFC 6121 section 3, Appendix A).
 *
 * Pure: a state and an event give the next state and what is to be done. Roster, presence and storage do it; none of
 * them knows the rules. The state is the user's side only: the contact's server keeps the other half, with the same
 * code if it is the same server.
 *
 * The nine states of Appendix A.1 are four facts (to, from, pending out, pending in). Two more are needed: the contact
 * was approved before it asked (section 3.4), and whether there is a roster item at all. A request alone does not make
 * one (section 3.1.3): it is kept, delivered at each login, and never shown in a roster. */
#ifndef LINNET_SERVER_IM_SUBSCRIPTION_H
#define LINNET_SERVER_IM_SUBSCRIPTION_H

#include "common/xmpp/stanza.h"

/* A state is a set of these, in one byte, which is also how it is stored: the values are for ever. 0: the contact is
 * unknown to the user. SUB_TO, SUB_FROM, SUB_PENDING_OUT and SUB_APPROVED only occur with SUB_LISTED. */
enum sub_fact {
    SUB_TO = 1,          /* the user sees the contact's presence */
    SUB_FROM = 2,        /* the contact sees the user's presence */
    SUB_PENDING_OUT = 4, /* the user asked and waits: ask='subscribe'; not with SUB_TO */
    SUB_PENDING_IN = 8,  /* the contact asked and waits; not with SUB_FROM */
    SUB_APPROVED = 16,   /* the user approved before being asked; not with SUB_FROM or SUB_PENDING_IN */
    SUB_LISTED = 32,     /* there is a roster item */
};

enum sub_event {
    /* the user's client sent a presence stanza to the contact */
    SUB_OUT_SUBSCRIBE,
    SUB_OUT_UNSUBSCRIBE,
    SUB_OUT_SUBSCRIBED,
    SUB_OUT_UNSUBSCRIBED,
    /* the contact sent one to the user */
    SUB_IN_SUBSCRIBE,
    SUB_IN_UNSUBSCRIBE,
    SUB_IN_SUBSCRIBED,
    SUB_IN_UNSUBSCRIBED,
    /* the user's client sent a roster set */
    SUB_ROSTER_SET,
    SUB_ROSTER_REMOVE, /* subscription='remove'; also for each listed contact when an account is deleted */
    SUB_EVENTS,
};

/* What is to be done, in this order; what `from` and `to` are is in docs/delivery-rules.md. All stanzas go from bare
 * JID to bare JID, but presence, which goes out once for each available resource, from its full JID. The order matters
 * where two go to the same place: `unavailable` before `unsubscribed` (RFC 6121 section 3.2.2), the stanza before the
 * push (3.1.6, 3.2.3, 3.3.3), `subscribed` before presence (3.1.5). */
enum sub_action {
    SUB_DO_SAVE = 1,                  /* the state has changed: store the item (made anew if there was none) */
    SUB_DO_DELETE = 2,                /* nothing is left of it: forget the item and what is stored */
    SUB_DO_KEEP_REQUEST = 4,          /* store the whole stanza with the item, for the next logins (with SUB_DO_SAVE) */
    SUB_DO_FORGET_REQUEST = 8,        /* and drop it (with SUB_DO_SAVE or SUB_DO_DELETE) */
    SUB_DO_UNAVAILABLE = 16,          /* to the contact: unavailable, from each of the user's available resources */
    SUB_DO_ROUTE = 32,                /* the stanza itself to the contact, stamped with the user's bare JID */
    SUB_DO_SEND_UNSUBSCRIBE = 64,     /* to the contact, made by the server */
    SUB_DO_SEND_UNSUBSCRIBED = 128,   /* likewise */
    SUB_DO_SEND_SUBSCRIBED = 256,     /* likewise: the automatic reply */
    SUB_DO_DELIVER_AVAILABLE = 512,   /* the stanza to all available resources of the user; if none, it waits */
    SUB_DO_DELIVER_INTERESTED = 1024, /* the stanza to all interested resources of the user */
    SUB_DO_PUSH = 2048,               /* roster push to all interested resources; after a removal with 'remove' */
    SUB_DO_PRESENCE = 4096,           /* to the contact: the current presence of each available resource */
};

struct sub_step {
    uint8_t state;    /* set of enum sub_fact */
    uint16_t actions; /* set of enum sub_action; 0: ignore the event silently */
};

/* [any] `state` must be valid. Removing what is not listed does nothing: the caller answers item-not-found. */
struct sub_step subscription_step(uint8_t state, enum sub_event ev);

/* [any] The event that presence `st`, with both addresses, is for the user's side: outbound when the user's client sent
 * it. False: it is not about a subscription, or somebody sent it to himself (whatever the resources), and is to be
 * dropped: the resources of one account see each other anyway, and nobody is in his own roster. */
bool subscription_event_of(const struct stanza *st, bool is_outbound, enum sub_event *ret);

/* [any] Can occur: for what comes from storage. */
bool subscription_is_valid(uint8_t state);

/* [any] The value of the subscription attribute: "none", "to", "from", "both". */
const char *subscription_name(uint8_t state);

#endif
