/* server/pubsub/node_meta.h - all that is known of a node but its items: configuration, affiliations, subscriptions.
 *
 * It is one document, (owner, "pubsub", name of the node). What changes it makes a copy, changes that, and when it has
 * been committed the copy takes its place. Pure. */
#ifndef LINNET_SERVER_PUBSUB_NODE_META_H
#define LINNET_SERVER_PUBSUB_NODE_META_H

#include "common/xmpp/jid.h"
#include "server/pubsub/node_config.h"

struct node_affiliate {
    char *jid; /* owned; bare */
    enum affiliation affiliation;
};

struct node_subscriber {
    char *jid; /* owned; bare or full, as it subscribed */
    enum subscription state;
};

struct node_meta {
    struct node_config config;
    struct node_affiliate *affiliates; /* the service's owner is not among them, nor is anybody with "none" */
    struct node_subscriber *subscribers;
    uint32_t n_affiliates, n_subscribers;
    int64_t created_ms;
    char *creator; /* owned; bare JID */
};

/* [any] A new node's; takes `own_config`. */
struct node_meta *node_meta_new(struct node_config own_config, struct str creator, int64_t now_ms);
struct node_meta *node_meta_copy(const struct node_meta *m);
void node_meta_free(struct node_meta **m);

enum affiliation node_meta_affiliation(const struct node_meta *m, struct str bare);
void node_meta_set_affiliation(struct node_meta *m, struct str bare, enum affiliation a);

/* Of just this JID. */
enum subscription node_meta_subscription(const struct node_meta *m, struct str jid);
/* The most that this bare JID or one of its resources has. */
enum subscription node_meta_subscription_of(const struct node_meta *m, struct str bare);
void node_meta_set_subscription(struct node_meta *m, struct str jid, enum subscription state);

/* The document. LN_E_CORRUPT: the bytes are not what node_meta_encode() writes. */
void node_meta_encode(struct buf *out, const struct node_meta *m);
enum ln_err node_meta_decode(struct str bytes, struct node_meta **ret);

#endif
