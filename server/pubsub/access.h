/* server/pubsub/access.h - who may do what with a node (XEP-0060 sections 4.1 and 4.5).
 *
 * One table decides: the action, the node's models, and what the node and its service know of who asks. What is refused
 * is refused with the condition that the section of the request names. Pure. */
#ifndef LINNET_SERVER_PUBSUB_ACCESS_H
#define LINNET_SERVER_PUBSUB_ACCESS_H

#include "common/xmpp/stanza.h"

enum affiliation {
    AFFILIATION_NONE,
    AFFILIATION_OUTCAST,
    AFFILIATION_MEMBER,
    AFFILIATION_PUBLISH_ONLY,
    AFFILIATION_PUBLISHER,
    AFFILIATION_OWNER,
    AFFILIATIONS,
};

enum access_model { ACCESS_OPEN, ACCESS_PRESENCE, ACCESS_ROSTER, ACCESS_AUTHORIZE, ACCESS_WHITELIST, ACCESS_MODELS };

enum publish_model { PUBLISH_BY_PUBLISHERS, PUBLISH_BY_SUBSCRIBERS, PUBLISH_BY_ANYBODY, PUBLISH_MODELS };

enum subscription { SUBSCRIPTION_NONE, SUBSCRIPTION_PENDING, SUBSCRIPTION_SUBSCRIBED, SUBSCRIPTIONS };

enum pubsub_action {
    ACTION_SUBSCRIBE,
    ACTION_RETRIEVE,
    ACTION_PUBLISH,
    ACTION_RETRACT_OWN, /* an item that they published themselves */
    ACTION_RETRACT,     /* any item */
    ACTION_MANAGE,      /* configure, delete, purge, affiliations, subscriptions */
    PUBSUB_ACTIONS,
};

/* What is known of who asks. */
struct relation {
    enum affiliation affiliation;
    enum subscription subscription; /* of the bare JID or one of its resources: the most it has */
    bool sees_presence;             /* has a presence subscription to the node's owner */
    bool is_in_group;               /* sees it, and is in one of the roster groups that the node allows */
};

/* A refusal: a stanza error and the condition of pubsub#errors, which may be NULL, as may `type` (the usual one). */
struct refusal {
    enum stanza_err err;
    const char *condition;
    const char *feature; /* attribute of <unsupported/> */
    const char *type;
};

/* [any] NULL: allowed. */
const struct refusal *access_decide(enum pubsub_action action, enum access_model access, enum publish_model publish,
                                    const struct relation *who);

/* [any] May they know that there is such a node? What is refused to those who may not is refused as if there were none,
 * and on an account as if there were no account: a stranger sees what is open, or has been let in. */
bool access_is_visible(enum access_model access, enum publish_model publish, const struct relation *who);

/* [any] The words of the protocol: "publish-only", "subscribed". */
const char *affiliation_name(enum affiliation a);
const char *subscription_state_name(enum subscription s);
/* [any] False: no such word. */
bool affiliation_parse(struct str word, enum affiliation *ret);
bool subscription_state_parse(struct str word, enum subscription *ret);

#endif
