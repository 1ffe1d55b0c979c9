#include "server/pubsub/change.h"

#include "common/mem.h"
#include "server/im/batch.h"
#include "server/im/router.h"
#include "server/pubsub/event.h"

enum {
    WRITE_COST = 1024,      /* of one that storage works at, for the brake of im/batch.h */
    NODE_BYTES_MAX = 65536, /* of the document of a node: it stays in memory with its account */
};

struct pubsub_change *pubsub_change_new(struct pubsub_service *sv, struct str node)
{
    struct pubsub_change *c = mem_zalloc(sizeof(*c));

    c->service = sv;
    c->name = str_make(str_dup(node), node.len);
    return c;
}

void pubsub_change_free(struct pubsub_change **c)
{
    struct pubsub_change *mine = *c;

    *c = NULL;
    if (mine == NULL)
        return;
    for (size_t i = 0; i < mine->n_puts; i++)
        free(mine->puts[i]);
    for (size_t i = 0; i < mine->n_removals; i++)
        free(mine->removals[i].id);
    free(mine->puts);
    free(mine->removals);
    node_meta_free(&mine->own_meta);
    free((void *)(uintptr_t)mine->name.p);
    free(mine);
}

void pubsub_change_put(struct pubsub_change *c, struct item *own_item)
{
    if (c->n_puts == c->cap_puts) {
        c->cap_puts = c->cap_puts == 0 ? 1 : 2 * c->cap_puts;
        c->puts = mem_realloc(c->puts, c->cap_puts * sizeof(struct item *));
    }
    c->puts[c->n_puts++] = own_item;
}

void pubsub_change_remove(struct pubsub_change *c, struct str id, bool is_told)
{
    if (c->n_removals == c->cap_removals) {
        c->cap_removals = c->cap_removals == 0 ? 1 : 2 * c->cap_removals;
        c->removals = mem_realloc(c->removals, c->cap_removals * sizeof(*c->removals));
    }
    c->removals[c->n_removals++] = (struct removal){str_dup(id), is_told};
}

void pubsub_change_remove_all(struct pubsub_change *c)
{
    const struct pubsub_node *node = pubsub_find_node(c->service, c->name);

    for (size_t i = 0; node != NULL && i < node->items.n; i++)
        pubsub_change_remove(c, item_id(node->items.items[i]), false);
}

/* ---- carried out ---- */

static void change_items(struct pubsub_node *node, struct pubsub_change *c, bool persists)
{
    size_t before = node->items.bytes;

    if (c->is_purge)
        item_ring_deinit(&node->items);
    for (size_t i = 0; i < c->n_removals && !c->is_purge; i++)
        item_ring_remove(&node->items, str_of(c->removals[i].id));
    for (size_t i = 0; i < c->n_puts && persists; i++) {
        item_ring_put(&node->items, c->puts[i]);
        c->puts[i] = NULL;
    }
    pubsub_note_size(node, before);
}

static void tell_removals(struct pubsub_node *node, const struct pubsub_change *c)
{
    struct str *ids = mem_alloc((c->n_removals + 1) * sizeof(*ids));
    size_t n = 0;

    for (size_t i = 0; i < c->n_removals; i++) {
        if (c->removals[i].is_told)
            ids[n++] = str_of(c->removals[i].id);
    }
    if (n > 0)
        event_retracted(node, ids, n);
    free(ids);
}

static void tell(struct pubsub_node *node, const struct pubsub_change *c)
{
    if (c->is_deletion) {
        if (!c->is_quiet)
            event_emptied(node, "delete");
        return;
    }
    if (c->tells_config)
        event_configured(node);
    if (c->is_purge)
        event_emptied(node, "purge");
    tell_removals(node, c);
    if (c->n_puts > 0 || c->tells_publish)
        event_published(node, c->puts, c->n_puts, c->publisher);
}

static void tell_modules(struct pubsub_change *c)
{
    struct node_change change = {
        .node = c->name, .is_by_module = c->is_by_module, .is_retracted = true, .makes_room = c->n_puts > 0};

    if (c->is_deletion || c->is_purge) {
        c->service->owner->changed(c->service, &change);
        return;
    }
    for (size_t i = 0; i < c->n_removals; i++) {
        change.item = str_of(c->removals[i].id);
        c->service->owner->changed(c->service, &change);
    }
    change.is_retracted = change.makes_room = false;
    for (size_t i = 0; i < c->n_puts; i++) {
        change.item = item_id(c->puts[i]);
        change.payload = item_payload(c->puts[i]);
        c->service->owner->changed(c->service, &change);
    }
}

/* A subscription is another one than before: tells the subscriber, and the owner if it wants to know; a new one gets
 * the last item. */
static void tell_subscription(struct pubsub_node *node, const struct pubsub_change *c, struct str jid,
                              enum subscription now)
{
    enum send_last send_last = (enum send_last)node->meta->config.send_last;
    struct jid to = jid_view(jid);
    struct stanza *last;

    if (now == SUBSCRIPTION_PENDING)
        event_ask_owner(node->service, node->name, jid);
    if (!c->is_by_subscriber)
        event_subscription(node->service, node->name, jid, jid, now);
    if (node->meta->config.notify_sub && now != SUBSCRIPTION_PENDING)
        event_subscription(node->service, node->name, jid, node->service->jid.full, now);
    if (now != SUBSCRIPTION_SUBSCRIBED || send_last == SEND_LAST_NEVER)
        return;
    last = event_last_item(node, false);
    if (last != NULL)
        router_route_to(node->service->worker, last, &to);
    stanza_unref(&last);
}

static void tell_subscriptions(struct pubsub_node *node, const struct pubsub_change *c, const struct node_meta *old)
{
    const struct node_meta *now = node->meta;

    for (uint32_t i = 0; i < old->n_subscribers; i++) {
        struct str jid = str_of(old->subscribers[i].jid);

        if (node_meta_subscription(now, jid) == SUBSCRIPTION_NONE)
            tell_subscription(node, c, jid, SUBSCRIPTION_NONE);
    }
    for (uint32_t i = 0; i < now->n_subscribers; i++) {
        struct str jid = str_of(now->subscribers[i].jid);

        if (node_meta_subscription(old, jid) != now->subscribers[i].state)
            tell_subscription(node, c, jid, now->subscribers[i].state);
    }
}

static void carry_out(struct pubsub_change *c)
{
    struct pubsub_node *node = pubsub_find_node(c->service, c->name);

    if (node == NULL) {
        node = pubsub_add_node(c->service, c->name, c->own_meta, true);
        c->own_meta = NULL;
    } else if (c->own_meta != NULL) {
        struct node_meta *old = node->meta;

        node->meta = c->own_meta;
        c->own_meta = old;
    }
    tell(node, c);
    if (c->own_meta != NULL)
        tell_subscriptions(node, c, c->own_meta);
    tell_modules(c);
    if (c->is_deletion)
        pubsub_remove_node(node);
    else
        change_items(node, c, node->meta->config.persist_items);
}

/* What others make of the list of subscribers leaves room for what the owner changes. */
static size_t bytes_allowed(const struct pubsub_change *c)
{
    const struct pubsub_node *node = pubsub_find_node(c->service, c->name);
    bool is_others = c->is_by_subscriber && node != NULL && c->own_meta->n_subscribers > node->meta->n_subscribers;

    return is_others ? NODE_BYTES_MAX / 2 : NODE_BYTES_MAX;
}

/* The owner may have been deleted while storage was at work: then there is nobody to tell. */
static void on_committed(void *ctx, enum ln_err err)
{
    struct pubsub_change *c = ctx;
    struct pubsub_service *sv = c->service;

    batch_storage_settled(sv->worker, WRITE_COST);
    sv->owner->pin(sv);
    if (err == LN_OK && (c->own_meta != NULL || pubsub_find_node(sv, c->name) != NULL))
        carry_out(c);
    c->done(c->ctx, err);
    pubsub_change_free(&c);
    sv->owner->unpin(sv);
}

/* ---- committed ---- */

static void store_items(struct storage_txn *t, const struct pubsub_change *c, struct str owner, bool persists)
{
    struct buf collection = {0}, doc = {0};

    pubsub_items_collection(&collection, c->name);
    for (size_t i = 0; i < c->n_removals; i++)
        storage_txn_delete(t, owner, buf_str(&collection), str_of(c->removals[i].id));
    for (size_t i = 0; i < c->n_puts && persists; i++) {
        buf_clear(&doc);
        item_encode(&doc, c->puts[i]);
        storage_txn_put(t, owner, buf_str(&collection), item_id(c->puts[i]), buf_str(&doc));
    }
    buf_deinit(&collection);
    buf_deinit(&doc);
}

static bool is_persisting(const struct pubsub_change *c)
{
    const struct pubsub_node *node = pubsub_find_node(c->service, c->name);

    return c->own_meta != NULL ? c->own_meta->config.persist_items : node->meta->config.persist_items;
}

static bool has_to_be_stored(const struct pubsub_change *c)
{
    return c->own_meta != NULL || c->is_deletion || c->n_removals > 0 || (c->n_puts > 0 && is_persisting(c));
}

static void store_node(struct storage_txn *t, const struct pubsub_change *c, struct str doc)
{
    struct str owner = c->service->jid.full;

    if (c->own_meta != NULL)
        storage_txn_put(t, owner, PUBSUB_COLLECTION, c->name, doc);
    else if (c->is_deletion)
        storage_txn_delete(t, owner, PUBSUB_COLLECTION, c->name);
}

void pubsub_change_commit(struct pubsub_change *own_c, void (*done)(void *ctx, enum ln_err err), void *ctx)
{
    struct pubsub_change *c = own_c;
    struct pubsub_service *sv = c->service;
    struct buf doc = {0};

    c->done = done;
    c->ctx = ctx;
    if (c->own_meta != NULL)
        node_meta_encode(&doc, c->own_meta);
    batch_storage_begin(sv->worker, WRITE_COST);
    if (doc.len > 0 && doc.len > bytes_allowed(c)) {
        on_committed(c, LN_E_LIMIT);
    } else if (!has_to_be_stored(c)) {
        on_committed(c, LN_OK);
    } else {
        struct storage_txn *t = storage_txn_new();

        sv->owner->prepare(sv, t, sv->nodes.len == 0);
        store_node(t, c, buf_str(&doc));
        store_items(t, c, sv->jid.full, is_persisting(c));
        storage_commit(sv->worker->server->storage, t, &sv->worker->executor, on_committed, c);
    }
    buf_deinit(&doc);
}
