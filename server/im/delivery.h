/* server/im/delivery.h - where a stanza goes, once its address turned out to be ours (RFC 6121 section 8.5, RFC 6120
 * section 10.3).
 *
 * One table decides for all: the router finds out what the address is and what the account has, asks here, and does
 * what it is told. docs/delivery-rules.md is the same table for people, under the same numbers (M1, P1, Q1, ...), with
 * the reasons where the RFC leaves a choice. Pure. */
#ifndef LINNET_SERVER_IM_DELIVERY_H
#define LINNET_SERVER_IM_DELIVERY_H

#include "common/xmpp/stanza.h"

enum delivery_address {
    ADDRESS_NONE,          /* no `to`: the stanza is from a client of this server, for its own account */
    ADDRESS_HOST,          /* one of our domains, with or without a resource */
    ADDRESS_BARE,          /* an account */
    ADDRESS_FULL_MATCH,    /* a connected resource, with presence or without */
    ADDRESS_FULL_NO_MATCH, /* a resource that is not connected */
};

/* What the addressed account has. ADDRESS_NONE: the sender's. ADDRESS_HOST: not looked at. */
enum delivery_account {
    ACCOUNT_UNKNOWN,       /* there is no such account */
    ACCOUNT_NO_RESOURCE,   /* none of its resources is available */
    ACCOUNT_ONLY_NEGATIVE, /* some are, all with negative priority */
    ACCOUNT_NON_NEGATIVE,  /* at least one is with priority 0 or more */
};

enum delivery_action {
    DELIVER_DROP,             /* silently */
    DELIVER_REFUSE,           /* error reply with `err` */
    DELIVER_TO_MATCH,         /* the resource of the full JID */
    DELIVER_TO_MATCH_IF_SEEN, /* the same if the sender may know that it is there, otherwise refused with `err`: it is
                                 the account itself, one of our domains, subscribed to the account, or the resource has
                                 sent it directed presence (section 8.5.3.1) */
    DELIVER_TO_TOP,           /* all available resources that share the highest priority (>= 0) */
    DELIVER_TO_ALL_NON_NEGATIVE, /* all available resources with priority >= 0 */
    DELIVER_TO_ALL_AVAILABLE,    /* all available resources */
    DELIVER_TO_OFFLINE,          /* kept until one is there: see delivery_offline() */
    DELIVER_TO_ACCOUNT, /* an iq that the server answers for the account; a get or set that nobody takes gets `err` */
    DELIVER_TO_HOST,    /* the server itself; what nobody takes gets `err`, presence is dropped */
    DELIVER_TO_SUBSCRIPTION, /* subscription_step(), whatever resource was addressed */
    DELIVER_TO_PROBE,        /* a presence probe, answered as section 4.3.2 says */
    DELIVER_TO_BROADCAST,    /* presence for all who may see it: sections 4.2, 4.4, 4.5 */
    DELIVER_UNSUBSCRIBED,    /* answered with `unsubscribed` from the bare JID, as to somebody who may not probe */
};

struct delivery {
    enum delivery_action action;
    enum stanza_err err; /* the answer of DELIVER_REFUSE, and where another action turns out to be impossible */
    const char *rule;    /* "M7": the row, for logs and tests */
};

/* [any] Total: every input has an answer. An error reply is never to be made to an error or an iq result; no row asks
 * for that, and stanza_write_error() refuses it as well. */
struct delivery delivery_decide(enum stanza_kind kind, enum stanza_type type, enum delivery_address address,
                                enum delivery_account account);

/* [any] What becomes of a message that no resource takes now, as DELIVER_TO_OFFLINE says. DELIVER_TO_OFFLINE: it is
 * worth keeping (XEP-0160 section 3, XEP-0334); where that turns out to be impossible the answer is
 * service-unavailable. DELIVER_REFUSE: it is worth something, but may not be kept. DELIVER_DROP: nobody misses it (a
 * chat state, an empty message, a headline), or it may not be answered. */
enum delivery_action delivery_offline(const struct stanza *st);

/* [any] delivery_offline() says DELIVER_TO_OFFLINE. */
bool delivery_is_storable(const struct stanza *st);

#endif
