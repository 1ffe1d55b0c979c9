/* server/pubsub/change.h - a change of one node: decided, committed, then carried out and told.
 *
 * An operation puts together what is to become of a node. Nothing of it is visible before it is on disk; when it is,
 * the node in memory becomes what was written, subscribers are told, and the modules (HOOK_NODE_CHANGED). What cannot
 * be written has not happened. All functions: [worker], in an operation whose turn it is. */
#ifndef LINNET_SERVER_PUBSUB_CHANGE_H
#define LINNET_SERVER_PUBSUB_CHANGE_H

#include "server/pubsub/service.h"

struct removal {
    char *id;     /* owned */
    bool is_told; /* to the subscribers */
};

struct pubsub_change {
    struct pubsub_service *service;
    struct str name; /* of the node; owned */
    /* What is to be: the operation's to set before the commit. */
    struct node_meta *own_meta; /* NULL: as it is. Must be given for a node that is to be made */
    bool tells_config;          /* the subscribers are told of it */
    bool is_by_subscriber;      /* who knows what becomes of its subscription */
    bool is_deletion;           /* of the node. Its items are removals, as they are at a purge */
    bool is_purge;
    bool is_quiet;      /* nobody is told that it was deleted */
    bool tells_publish; /* also when nothing was put: an event without an item */
    bool is_by_module;
    struct str publisher; /* full JID of who publishes; borrowed */
    /* Private. */
    struct item **puts;
    size_t n_puts, cap_puts;
    struct removal *removals;
    size_t n_removals, cap_removals;
    void (*done)(void *ctx, enum ln_err err);
    void *ctx;
};

struct pubsub_change *pubsub_change_new(struct pubsub_service *sv, struct str node);
/* For one that is not committed. */
void pubsub_change_free(struct pubsub_change **c);

/* Publishes an item, in the place of one with the same id. The items of the node must be in memory. */
void pubsub_change_put(struct pubsub_change *c, struct item *own_item);
void pubsub_change_remove(struct pubsub_change *c, struct str id, bool is_told);
/* All that the node has in memory, without a word about each. */
void pubsub_change_remove_all(struct pubsub_change *c);

/* Takes the change. `done` is called when it has been carried out, or has failed; at once if there is nothing that has
 * to be stored. */
void pubsub_change_commit(struct pubsub_change *own_c, void (*done)(void *ctx, enum ln_err err), void *ctx);

#endif
