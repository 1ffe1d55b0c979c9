/* server/pubsub/service.h - a pubsub service: an address, its nodes, and requests that are carried out in order.
 *
 * A service belongs to somebody (struct pubsub_owner): to an account, whose bare JID is its address (modules/pep.c), or
 * to a domain of its own; all else is the same. It lives on one worker. Its nodes are read when the first request
 * comes, the items of a node when one needs them; items that nobody asked for lately are forgotten again, so that what
 * a worker keeps is bounded (limits.pubsub_cache_bytes).
 *
 * What is asked of a service is an operation. Operations are carried out one after the other: each sees what the one
 * before has committed, and subscribers are told in that order. All functions: [worker]. */
#ifndef LINNET_SERVER_PUBSUB_SERVICE_H
#define LINNET_SERVER_PUBSUB_SERVICE_H

#include "common/hash_table.h"
#include "server/im/hooks.h"
#include "server/pubsub/item_ring.h"
#include "server/pubsub/node_meta.h"
#include "server/storage/storage.h"

struct pubsub_service;

/* Collections in storage: of the nodes, and (with the node's name behind it) of the items of one. */
#define PUBSUB_COLLECTION STR("pubsub")
#define PUBSUB_ITEMS      "pubsub/"

enum { NODE_NAME_BYTES_MAX = 1023 };

struct pubsub_node {
    struct pubsub_service *service;
    struct str name;        /* owned; key of the service's table */
    struct node_meta *meta; /* never NULL */
    struct item_ring items;
    enum { ITEMS_UNREAD, ITEMS_READING, ITEMS_READ } state;
    struct pubsub_node *newer, *older; /* those with items in memory: the one used before and after it */
};

/* What a service asks of whom it belongs to. */
struct pubsub_owner {
    /* Fills in what the owner's roster says of a bare JID, and AFFILIATION_OWNER for the owner itself. `config` NULL:
     * it is not about a node. */
    void (*relate)(const struct pubsub_service *sv, struct str bare, const struct node_config *config,
                   struct relation *ret);
    /* May this bare JID make nodes? */
    bool (*may_create)(const struct pubsub_service *sv, struct str bare);
    /* What a node of this name is like at first. */
    struct node_config (*profile)(struct str node);
    /* Adds to a transaction on what condition it may happen. `is_first`: it makes the service's first node. */
    void (*prepare)(const struct pubsub_service *sv, struct storage_txn *t, bool is_first);
    /* Does the owner not want this entity to hear of it (XEP-0191)? */
    bool (*is_kept_from)(const struct pubsub_service *sv, const struct jid *to);
    /* Sends an event to those who are subscribed without having asked: resources, contacts; never to one of the node's
     * own list of subscribers. The event has no `to` yet. */
    void (*broadcast)(struct pubsub_service *sv, const struct pubsub_node *node, struct stanza *event);
    /* A node is another one now. */
    void (*changed)(struct pubsub_service *sv, const struct node_change *change);
    /* While there are operations it is to stay in memory. */
    void (*pin)(struct pubsub_service *sv);
    void (*unpin)(struct pubsub_service *sv);
};

struct pubsub_op {
    struct pubsub_op *next; /* private */
    struct pubsub_service *service;
    /* Its turn has come, and the nodes are there. Called again when what it needed has come (pubsub_need_items()).
     * Sooner or later pubsub_op_end() follows. */
    void (*run)(struct pubsub_op *op);
    /* Instead: storage does not answer. pubsub_op_end() follows as well. */
    void (*give_up)(struct pubsub_op *op, enum ln_err err);
};

struct pubsub_service {
    struct worker *worker;
    struct jid jid; /* borrowed from the owner */
    const struct pubsub_owner *owner;
    void *ctx; /* the owner's own */
    enum { NODES_UNREAD, NODES_READING, NODES_READ } state;
    struct hash_table nodes; /* struct pubsub_node by name */
    struct pubsub_op *first, **last;
    uint32_t n_ops, n_ended;
    bool is_running; /* private */
};

/* [start] Before the first service. */
void pubsub_start(struct server *server);

/* `has_nodes` false: nothing is stored for it, and nothing will be read. */
struct pubsub_service *pubsub_service_new(struct worker *w, const struct jid *jid, const struct pubsub_owner *owner,
                                          void *ctx, bool has_nodes);
/* There must be no operations. Accepts NULL. */
void pubsub_service_free(struct pubsub_service **sv);
/* The owner has been deleted, with all that is stored: forgets the nodes. */
void pubsub_service_clear(struct pubsub_service *sv);

/* LN_E_LIMIT: too many wait; nothing was done. `op` stays the caller's, who frees it after pubsub_op_end(). */
enum ln_err pubsub_op_submit(struct pubsub_service *sv, struct pubsub_op *op);
/* It is done: the next one's turn. The service may be gone when this returns. */
void pubsub_op_end(struct pubsub_op *op);

/* ---- in an operation ---- */

struct pubsub_node *pubsub_find_node(const struct pubsub_service *sv, struct str name);
/* Walks the nodes in no order: start with *cursor = 0; NULL ends. */
struct pubsub_node *pubsub_next_node(const struct pubsub_service *sv, size_t *cursor);
/* Are the node's items in memory, those that have expired gone? False: they are being read, and run() or give_up() will
 * be called. */
bool pubsub_need_items(struct pubsub_op *op, struct pubsub_node *node);
/* What is known of a bare JID. `meta` NULL: without a node. */
struct relation pubsub_relation(const struct pubsub_service *sv, const struct node_meta *meta, struct str bare);
/* For a node that is to be made: its creator owns it, if the service is not the creator's anyway. Takes `own_config`.
 */
struct node_meta *pubsub_new_meta(const struct pubsub_service *sv, struct node_config own_config, struct str creator);
/* How many items the node may have. */
uint32_t pubsub_max_items(const struct pubsub_service *sv, const struct node_config *config);
/* The limits in force. */
const struct config_limits *pubsub_limits(const struct pubsub_service *sv);

/* ---- for change.c ---- */

/* Takes `own_meta`. `is_new`: it was made just now, and has no items. */
struct pubsub_node *pubsub_add_node(struct pubsub_service *sv, struct str name, struct node_meta *own_meta,
                                    bool is_new);
void pubsub_remove_node(struct pubsub_node *node);
/* To be called when the items of a node in memory were changed. */
void pubsub_note_size(struct pubsub_node *node, size_t bytes_before);
/* Appends the collection's name. */
void pubsub_items_collection(struct buf *out, struct str node);

#endif
