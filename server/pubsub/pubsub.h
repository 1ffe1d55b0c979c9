/* server/pubsub/pubsub.h - an account's nodes, for other modules.
 *
 * Avatars, bookmarks and private XML live on personal nodes (XEP-0163) that clients read and write by themselves. A
 * module that converts between them and an older protocol does the same in the account's name, with these functions,
 * and hears of what others do at HOOK_NODE_CHANGED. Requests of one account, those of clients among them, are carried
 * out one after the other in the order they came. All: [worker], the account's home; the account is pinned meanwhile.
 */
#ifndef LINNET_SERVER_PUBSUB_PUBSUB_H
#define LINNET_SERVER_PUBSUB_PUBSUB_H

#include "common/err.h"
#include "server/im/account.h"

struct pubsub_item {
    struct str id;
    struct str payload; /* one element of XML that stands for itself; empty: none */
    int64_t time_ms;    /* when it was published; not looked at when it is to be */
};

/* Called once, later or from within the call. LN_E_NOT_FOUND: there is no such node, or item. LN_E_LIMIT: it is larger
 * than limits.pubsub_item_bytes, the account has as many nodes as it may have, or too many requests wait. Storage's
 * errors. */
typedef void (*pubsub_on_done)(void *ctx, enum ln_err err);

/* The items are borrowed during the call, the oldest first. LN_OK with n == 0 also when there is no such node. */
typedef void (*pubsub_on_items)(void *ctx, enum ln_err err, const struct pubsub_item *items, size_t n);

/* Publishes as the account itself. An item with the same id is replaced; `id` empty: one is made. A node that is not
 * there is made, as the profile of its name says (node_profile.h), else as personal nodes are by default. */
void pubsub_publish(struct account *a, struct str node, struct str id, struct str payload, pubsub_on_done done,
                    void *ctx);
/* Makes `items` all that the node has: publishes those that differ, retracts those that are not among them, in one
 * transaction. Makes the node if that is needed. */
void pubsub_set_items(struct account *a, struct str node, const struct pubsub_item *items, size_t n,
                      pubsub_on_done done, void *ctx);
/* One item, or with an empty `id` all. */
void pubsub_get_items(struct account *a, struct str node, struct str id, pubsub_on_items done, void *ctx);

/* May this bare JID read the node's items now? False also while the account's nodes have not been read yet, which a
 * pubsub_get_items() before has seen to, and when there is no such node. */
bool pubsub_may_read(struct account *a, struct str node, struct str bare_jid);

#endif
