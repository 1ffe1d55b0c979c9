/* server/pubsub/request.h - what is asked of a service by iq (XEP-0060), from the stanza to the answer.
 *
 * A table says of each request what it needs: that the node is there, that its items are in memory, which right. What
 * is left for a request's own function is to decide, and to say what is to change. Those who may not know of a node are
 * answered as if the service did not exist. All functions: [worker]. */
#ifndef LINNET_SERVER_PUBSUB_REQUEST_H
#define LINNET_SERVER_PUBSUB_REQUEST_H

#include "server/im/iq.h"
#include "server/pubsub/change.h"
#include "server/pubsub/service.h"

struct request_kind;

/* That one request names, or publishes: each has to be found among all that the node has. */
enum { REQUEST_ITEMS_MAX = 100 };

/* A request whose turn it is. */
struct pubsub_request {
    struct pubsub_op op;
    struct pubsub_service *service;
    struct iq *iq; /* kept */
    const struct request_kind *kind;
    const struct xml_element *query; /* the first child of the iq: <pubsub/>, or disco's <query/> */
    const struct xml_element *e;     /* what is asked for: <publish/>, <items/>; of disco: the query itself */
    struct str node_name;            /* may be empty */
    struct str sender;               /* bare JID */
    struct pubsub_node *node;        /* NULL: there is none of that name */
    struct relation who;
    struct buf answer; /* payload of the result */
};

/* What a request needs before it is looked at. */
enum request_needs {
    NEEDS_NAME = 1,     /* of a node */
    NEEDS_NODE = 2,     /* that is there */
    NEEDS_ITEMS = 4,    /* its items in memory */
    NEEDS_RIGHT = 8,    /* request_kind.action */
    FOR_STRANGERS = 16, /* it looks by itself what who asks may know */
};

struct request_kind {
    enum iq_kind kind;
    const char *ns;      /* of <pubsub/> or <query/> */
    const char *element; /* NULL: the query itself */
    unsigned needs;
    enum pubsub_action action;
    void (*run)(struct pubsub_request *r);
};

/* Takes up a request that was sent to the service. IQ_NOT_MINE: it is not about nodes. */
enum iq_verdict pubsub_request(struct pubsub_service *sv, const struct iq *iq);

/* ---- for the requests' own functions: each ends in one of these, once ---- */

/* Answers with r->answer. */
void request_done(struct pubsub_request *r);
void request_refuse(struct pubsub_request *r, const struct refusal *why);
void request_error(struct pubsub_request *r, enum stanza_err err, const char *condition);
/* Of an optional feature. */
void request_unsupported(struct pubsub_request *r, const char *feature);
/* As if there were no such service. */
void request_hide(struct pubsub_request *r);
/* Commits, then answers with r->answer. */
void request_commit(struct pubsub_request *r, struct pubsub_change *own_change);

/* Takes those from the list who may not read the node any more (XEP-0163 section 7.1). */
void request_drop_unentitled(const struct pubsub_service *sv, struct node_meta *m);
/* May the sender know of that node? */
bool request_may_see(const struct pubsub_request *r, const struct pubsub_node *node);

/* The functions of the table. */
void request_items(struct pubsub_request *r);      /* retrieve.c */
void request_disco_info(struct pubsub_request *r); /* discover.c */
void request_disco_items(struct pubsub_request *r);
void request_publish(struct pubsub_request *r); /* publish.c */
void request_retract(struct pubsub_request *r);
void request_create(struct pubsub_request *r); /* manage.c */
void request_delete(struct pubsub_request *r);
void request_purge(struct pubsub_request *r);
void request_get_config(struct pubsub_request *r);
void request_set_config(struct pubsub_request *r);
void request_default_config(struct pubsub_request *r);
void request_subscribe(struct pubsub_request *r); /* subscribe.c */
void request_unsubscribe(struct pubsub_request *r);
void request_own_subscriptions(struct pubsub_request *r);
void request_own_affiliations(struct pubsub_request *r);
void request_get_subscriptions(struct pubsub_request *r); /* lists.c */
void request_set_subscriptions(struct pubsub_request *r);
void request_get_affiliations(struct pubsub_request *r);
void request_set_affiliations(struct pubsub_request *r);

#endif
