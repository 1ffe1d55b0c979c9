#include "server/pubsub/service.h"

#include <assert.h>

#include "common/mem.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/batch.h"
#include "server/im/shard.h"

enum {
    OPS_MAX = 1000,   /* that wait for one service */
    READ_COST = 1024, /* of one that storage works at, for the brake of im/batch.h */
};

/* ---- nodes whose items are in memory, of one worker ---- */

struct item_cache {
    struct pubsub_node *newest, *oldest;
    size_t bytes;
};

static struct item_cache *caches; /* [start] one for each worker, [worker] touched by that one only */

void pubsub_start(struct server *server)
{
    free(caches);
    caches = mem_zalloc(server->n_workers * sizeof(*caches));
}

static struct item_cache *cache_of(const struct pubsub_service *sv)
{
    return &caches[sv->worker->index];
}

static void cache_remove(struct pubsub_node *n)
{
    struct item_cache *cache = cache_of(n->service);

    *(n->newer != NULL ? &n->newer->older : &cache->newest) = n->older;
    *(n->older != NULL ? &n->older->newer : &cache->oldest) = n->newer;
    n->newer = n->older = NULL;
}

static void cache_add(struct pubsub_node *n)
{
    struct item_cache *cache = cache_of(n->service);

    n->older = cache->newest;
    *(n->older != NULL ? &n->older->newer : &cache->oldest) = n;
    cache->newest = n;
}

static void forget_items(struct pubsub_node *n)
{
    if (n->state == ITEMS_READ) {
        cache_remove(n);
        cache_of(n->service)->bytes -= n->items.bytes;
    }
    item_ring_deinit(&n->items);
    n->state = ITEMS_UNREAD;
}

/* Not those of a service that is at work: they may be in use. */
static void shrink(struct item_cache *cache, size_t limit)
{
    struct pubsub_node *newer;

    for (struct pubsub_node *n = cache->oldest; n != NULL && cache->bytes > limit; n = newer) {
        newer = n->newer;
        if (n->service->first == NULL)
            forget_items(n);
    }
}

void pubsub_note_size(struct pubsub_node *node, size_t bytes_before)
{
    if (node->state == ITEMS_READ)
        cache_of(node->service)->bytes += node->items.bytes - bytes_before;
}

/* ---- nodes ---- */

const struct config_limits *pubsub_limits(const struct pubsub_service *sv)
{
    return &sv->worker->config->limits;
}

uint32_t pubsub_max_items(const struct pubsub_service *sv, const struct node_config *config)
{
    uint32_t limit = pubsub_limits(sv)->pubsub_items;

    return config->max_items < limit ? config->max_items : limit;
}

struct pubsub_node *pubsub_find_node(const struct pubsub_service *sv, struct str name)
{
    return hash_table_get(&sv->nodes, name);
}

struct pubsub_node *pubsub_next_node(const struct pubsub_service *sv, size_t *cursor)
{
    return hash_table_next(&sv->nodes, cursor);
}

struct pubsub_node *pubsub_add_node(struct pubsub_service *sv, struct str name, struct node_meta *own_meta, bool is_new)
{
    struct pubsub_node *n = mem_zalloc(sizeof(*n));

    n->service = sv;
    n->name = str_make(str_dup(name), name.len);
    n->meta = own_meta;
    n->state = is_new ? ITEMS_READ : ITEMS_UNREAD;
    if (is_new)
        cache_add(n);
    (void)hash_table_put(&sv->nodes, n->name, n);
    return n;
}

static void node_free(struct pubsub_node *n)
{
    forget_items(n);
    node_meta_free(&n->meta);
    free((void *)(uintptr_t)n->name.p);
    free(n);
}

void pubsub_remove_node(struct pubsub_node *node)
{
    (void)hash_table_remove(&node->service->nodes, node->name);
    node_free(node);
}

void pubsub_items_collection(struct buf *out, struct str node)
{
    buf_append_cstr(out, PUBSUB_ITEMS);
    buf_append_str(out, node);
}

struct relation pubsub_relation(const struct pubsub_service *sv, const struct node_meta *meta, struct str bare)
{
    struct relation r = {0};

    if (meta != NULL) {
        r.affiliation = node_meta_affiliation(meta, bare);
        r.subscription = node_meta_subscription_of(meta, bare);
    }
    sv->owner->relate(sv, bare, meta == NULL ? NULL : &meta->config, &r);
    return r;
}

struct node_meta *pubsub_new_meta(const struct pubsub_service *sv, struct node_config own_config, struct str creator)
{
    struct node_meta *m = node_meta_new(own_config, creator, wall_clock_ms());

    if (pubsub_relation(sv, m, creator).affiliation != AFFILIATION_OWNER)
        node_meta_set_affiliation(m, creator, AFFILIATION_OWNER);
    return m;
}

/* ---- made and freed ---- */

struct pubsub_service *pubsub_service_new(struct worker *w, const struct jid *jid, const struct pubsub_owner *owner,
                                          void *ctx, bool has_nodes)
{
    struct pubsub_service *sv = mem_zalloc(sizeof(*sv));

    sv->worker = w;
    sv->jid = *jid;
    sv->owner = owner;
    sv->ctx = ctx;
    sv->state = has_nodes ? NODES_UNREAD : NODES_READ;
    sv->last = &sv->first;
    hash_table_init(&sv->nodes, &w->server->table_key);
    return sv;
}

void pubsub_service_clear(struct pubsub_service *sv)
{
    struct pubsub_node *n;

    for (size_t cursor = 0; (n = hash_table_next(&sv->nodes, &cursor)) != NULL;)
        node_free(n);
    hash_table_deinit(&sv->nodes);
    hash_table_init(&sv->nodes, &sv->worker->server->table_key);
    sv->state = NODES_READ;
}

void pubsub_service_free(struct pubsub_service **sv)
{
    struct pubsub_service *mine = *sv;

    *sv = NULL;
    if (mine == NULL)
        return;
    assert(mine->first == NULL);
    pubsub_service_clear(mine);
    hash_table_deinit(&mine->nodes);
    free(mine);
}

/* ---- operations, in order ---- */

static void advance(struct pubsub_service *sv);

/* Every one that waits. */
static void give_up_all(struct pubsub_service *sv, enum ln_err err)
{
    for (uint32_t n = sv->n_ops; n > 0; n--)
        sv->first->give_up(sv->first, err);
}

static void take_nodes(struct pubsub_service *sv, const struct storage_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        struct node_meta *meta;

        if (node_meta_decode(rows->rows[i].bytes, &meta) != LN_OK) {
            log_error(LOG_MODULE, 0, "pubsub.node_damaged", F_STR("jid", sv->jid.full),
                      F_STR("node", rows->rows[i].key));
            continue;
        }
        (void)pubsub_add_node(sv, rows->rows[i].key, meta, false);
    }
}

static void on_nodes(void *ctx, const struct storage_rows *rows)
{
    struct pubsub_service *sv = ctx;

    batch_storage_settled(sv->worker, READ_COST);
    sv->owner->pin(sv);
    sv->is_running = true;
    if (rows->err != LN_OK) {
        log_error(LOG_MODULE, 0, "pubsub.unreadable", F_STR("jid", sv->jid.full), F_ERR("err", rows->err));
        sv->state = NODES_UNREAD;
        give_up_all(sv, rows->err);
    } else if (sv->state == NODES_READING) { /* not cleared meanwhile */
        sv->state = NODES_READ;
        take_nodes(sv, rows);
    }
    sv->is_running = false;
    advance(sv);
    sv->owner->unpin(sv);
}

static void read_nodes(struct pubsub_service *sv)
{
    struct storage_query q = {.kind = STORAGE_LIST, .owner = sv->jid.full, .collection = PUBSUB_COLLECTION};

    sv->state = NODES_READING;
    batch_storage_begin(sv->worker, READ_COST);
    storage_read(sv->worker->server->storage, &q, &sv->worker->executor, on_nodes, sv);
}

/* One after the other, as long as each ends at once. */
static void advance(struct pubsub_service *sv)
{
    if (sv->is_running)
        return;
    if (sv->first != NULL && sv->state != NODES_READ) {
        if (sv->state == NODES_UNREAD)
            read_nodes(sv);
        return;
    }
    sv->is_running = true;
    while (sv->first != NULL) {
        uint32_t ended = sv->n_ended;

        sv->first->run(sv->first);
        if (sv->n_ended == ended) /* it waits for something */
            break;
    }
    sv->is_running = false;
}

enum ln_err pubsub_op_submit(struct pubsub_service *sv, struct pubsub_op *op)
{
    if (sv->n_ops >= OPS_MAX)
        return LN_E_LIMIT;
    op->service = sv;
    op->next = NULL;
    *sv->last = op;
    sv->last = &op->next;
    sv->n_ops++;
    sv->owner->pin(sv);
    sv->owner->pin(sv); /* until we are back */
    if (sv->first == op)
        advance(sv);
    sv->owner->unpin(sv);
    return LN_OK;
}

void pubsub_op_end(struct pubsub_op *op)
{
    struct pubsub_service *sv = op->service;

    assert(sv->first == op);
    sv->first = op->next;
    if (sv->first == NULL)
        sv->last = &sv->first;
    sv->n_ops--;
    sv->n_ended++;
    advance(sv);
    if (sv->first == NULL)
        shrink(cache_of(sv), pubsub_limits(sv)->pubsub_cache_bytes);
    sv->owner->unpin(sv);
}

/* ---- items ---- */

static void take_items(struct pubsub_node *n, const struct storage_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        struct item *item;

        if (item_decode(rows->rows[i].key, rows->rows[i].bytes, &item) == LN_OK)
            item_ring_add_unsorted(&n->items, item);
        else
            log_error(LOG_MODULE, 0, "pubsub.item_damaged", F_STR("jid", n->service->jid.full), F_STR("node", n->name),
                      F_STR("item", rows->rows[i].key));
    }
    item_ring_sort(&n->items);
    n->state = ITEMS_READ;
    cache_of(n->service)->bytes += n->items.bytes;
    cache_add(n);
}

/* A read for the operation whose turn it is. The node cannot go meanwhile, but with all others. */
struct item_read {
    struct pubsub_service *service;
    struct str node;
};

static void on_items(void *ctx, const struct storage_rows *rows)
{
    struct item_read *read = ctx;
    struct pubsub_service *sv = read->service;
    struct pubsub_node *n = pubsub_find_node(sv, read->node);
    struct pubsub_op *op = sv->first;

    batch_storage_settled(sv->worker, READ_COST);
    sv->owner->pin(sv);
    if (n != NULL && rows->err == LN_OK && n->state == ITEMS_READING)
        take_items(n, rows);
    else if (n != NULL && n->state == ITEMS_READING)
        n->state = ITEMS_UNREAD;
    if (rows->err == LN_OK)
        op->run(op);
    else
        op->give_up(op, rows->err);
    sv->owner->unpin(sv);
    free((void *)(uintptr_t)read->node.p);
    free(read);
}

static void read_items(struct pubsub_node *n)
{
    struct pubsub_service *sv = n->service;
    struct item_read *read = mem_alloc(sizeof(*read));
    struct buf collection = {0};

    pubsub_items_collection(&collection, n->name);
    struct storage_query q = {.kind = STORAGE_LIST, .owner = sv->jid.full, .collection = buf_str(&collection)};

    n->state = ITEMS_READING;
    *read = (struct item_read){sv, str_make(str_dup(n->name), n->name.len)};
    batch_storage_begin(sv->worker, READ_COST);
    storage_read(sv->worker->server->storage, &q, &sv->worker->executor, on_items, read);
    buf_deinit(&collection);
}

/* Nobody waits for that; if it fails they are found expired the next time. */
static void drop_expired(struct pubsub_node *n)
{
    uint32_t seconds = n->meta->config.item_expire;
    uint64_t now_us = (uint64_t)wall_clock_ms() * 1000, age_us = (uint64_t)seconds * 1000000;
    size_t expired, before = n->items.bytes;

    if (seconds == NODE_CONFIG_MAX || age_us > now_us)
        return;
    expired = item_ring_count_before(&n->items, now_us - age_us);
    if (expired == 0)
        return;
    struct storage_txn *t = storage_txn_new();
    struct buf collection = {0};

    pubsub_items_collection(&collection, n->name);
    while (expired-- > 0) {
        struct str id = item_id(n->items.items[0]);

        storage_txn_delete(t, n->service->jid.full, buf_str(&collection), id);
        item_ring_remove(&n->items, id);
    }
    pubsub_note_size(n, before);
    storage_commit(n->service->worker->server->storage, t, &n->service->worker->executor, NULL, NULL);
    buf_deinit(&collection);
}

bool pubsub_need_items(struct pubsub_op *op, struct pubsub_node *node)
{
    (void)op;
    if (node->state != ITEMS_READ) {
        read_items(node);
        return false;
    }
    cache_remove(node);
    cache_add(node);
    drop_expired(node);
    return true;
}
