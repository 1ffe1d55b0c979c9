#include "server/pubsub/pubsub.h"

#include "common/mem.h"
#include "server/base/config.h"
#include "server/pubsub/account_service.h"
#include "server/pubsub/change.h"
#include "server/pubsub/publish.h"

/* What a module asked for: an operation like a client's, with somebody to be called back. */
struct call {
    struct pubsub_op op;
    struct account *account; /* pinned by its service's operation */
    struct str node, id;     /* these, and the items, lie in `arena` */
    struct pubsub_item *items;
    size_t n_items;
    bool is_whole; /* `items` is all that the node is to have */
    void (*carry_out)(struct call *c, struct pubsub_node *node);
    pubsub_on_done done;
    pubsub_on_items on_items;
    void *ctx;
    struct arena *arena;
};

static struct call *call_of(struct pubsub_op *op)
{
    return container_of(op, struct call, op);
}

static void call_free(struct call *c)
{
    struct arena *arena = c->arena; /* it lies inside */

    arena_free(&arena);
}

/* The operation ends before the call-back, which may begin the next one. */
static void finish(struct call *c, enum ln_err err)
{
    struct account *a = c->account;

    account_pin(a);
    pubsub_op_end(&c->op);
    if (c->done != NULL)
        c->done(c->ctx, err);
    call_free(c);
    account_unpin(a);
}

/* The items are shown as they are in memory, so before the operation ends. */
static void finish_items(struct call *c, enum ln_err err, const struct pubsub_item *items, size_t n)
{
    struct account *a = c->account;

    account_pin(a);
    c->on_items(c->ctx, err, items, n);
    pubsub_op_end(&c->op);
    call_free(c);
    account_unpin(a);
}

static void fail(struct call *c, enum ln_err err)
{
    if (c->on_items != NULL)
        finish_items(c, err, NULL, 0);
    else
        finish(c, err);
}

static void on_committed(void *ctx, enum ln_err err)
{
    finish(ctx, err);
}

static void run(struct pubsub_op *op)
{
    struct call *c = call_of(op);
    struct pubsub_node *node = pubsub_find_node(op->service, c->node);

    if (node == NULL || pubsub_need_items(op, node))
        c->carry_out(c, node);
}

static void give_up(struct pubsub_op *op, enum ln_err err)
{
    fail(call_of(op), err);
}

static struct call *call_new(struct account *a, struct str node, struct str id, size_t n_items,
                             void (*carry_out)(struct call *c, struct pubsub_node *node))
{
    struct arena *arena = arena_new(sizeof(struct call) + node.len + id.len + n_items * sizeof(struct pubsub_item));
    struct call *c = arena_alloc(arena, sizeof(*c));

    *c = (struct call){.op = {.run = run, .give_up = give_up},
                       .account = a,
                       .node = arena_copy(arena, node),
                       .id = arena_copy(arena, id),
                       .items = n_items == 0 ? NULL : arena_alloc(arena, n_items * sizeof(*c->items)),
                       .carry_out = carry_out,
                       .arena = arena};
    return c;
}

static void add_item(struct call *c, const struct pubsub_item *item)
{
    c->items[c->n_items++] =
        (struct pubsub_item){.id = arena_copy(c->arena, item->id), .payload = arena_copy(c->arena, item->payload)};
}

static void submit(struct call *c)
{
    struct account *a = c->account;

    account_pin(a);
    if (pubsub_op_submit(account_service(a), &c->op) != LN_OK) {
        if (c->on_items != NULL)
            c->on_items(c->ctx, LN_E_LIMIT, NULL, 0);
        else if (c->done != NULL)
            c->done(c->ctx, LN_E_LIMIT);
        call_free(c);
    }
    account_unpin(a);
}

/* ---- publishing ---- */

static bool is_too_large(const struct call *c)
{
    for (size_t i = 0; i < c->n_items; i++) {
        if (c->items[i].payload.len > pubsub_limits(c->op.service)->pubsub_item_bytes ||
            c->items[i].id.len > ITEM_ID_BYTES_MAX)
            return true;
    }
    return false;
}

static const struct item *find_item(const struct pubsub_node *node, struct str id)
{
    ptrdiff_t at = node == NULL ? -1 : item_ring_find(&node->items, id);

    return at < 0 ? NULL : node->items.items[at];
}

static bool is_wanted(const struct call *c, struct str id)
{
    for (size_t i = 0; i < c->n_items; i++) {
        if (str_eq(c->items[i].id, id))
            return true;
    }
    return false;
}

static void remove_unwanted(const struct call *c, struct pubsub_change *change, const struct pubsub_node *node)
{
    for (size_t i = 0; node != NULL && i < node->items.n; i++) {
        struct str id = item_id(node->items.items[i]);

        if (!is_wanted(c, id))
            pubsub_change_remove(change, id, true);
    }
}

static void put_items(const struct call *c, struct pubsub_change *change, const struct pubsub_node *node)
{
    for (size_t i = 0; i < c->n_items; i++) {
        const struct item *old = c->is_whole ? find_item(node, c->items[i].id) : NULL;

        if (old == NULL || !str_eq(item_payload(old), c->items[i].payload))
            (void)publish_put(change, c->items[i].id, c->account->jid.full, c->items[i].payload);
    }
}

static void publish(struct call *c, struct pubsub_node *node)
{
    struct pubsub_service *sv = c->op.service;
    struct pubsub_change *change;

    if (is_too_large(c) || c->node.len > NODE_NAME_BYTES_MAX ||
        (node == NULL && sv->nodes.len >= pubsub_limits(sv)->pubsub_nodes)) {
        finish(c, LN_E_LIMIT);
        return;
    }
    change = publish_begin(sv, c->node, sv->owner->profile(c->node), c->account->jid.full);
    change->is_by_module = true;
    put_items(c, change, node);
    if (c->is_whole)
        remove_unwanted(c, change, node);
    if (publish_make_room(change) != NULL) {
        pubsub_change_free(&change);
        finish(c, LN_E_LIMIT);
        return;
    }
    pubsub_change_commit(change, on_committed, c);
}

void pubsub_publish(struct account *a, struct str node, struct str id, struct str payload, pubsub_on_done done,
                    void *ctx)
{
    struct call *c = call_new(a, node, id, 1, publish);

    c->done = done;
    c->ctx = ctx;
    add_item(c, &(struct pubsub_item){.id = id, .payload = payload});
    submit(c);
}

void pubsub_set_items(struct account *a, struct str node, const struct pubsub_item *items, size_t n,
                      pubsub_on_done done, void *ctx)
{
    struct call *c = call_new(a, node, STR(""), n, publish);

    c->is_whole = true;
    c->done = done;
    c->ctx = ctx;
    for (size_t i = 0; i < n; i++)
        add_item(c, &items[i]);
    submit(c);
}

/* ---- reading ---- */

static struct pubsub_item view(const struct item *item)
{
    return (struct pubsub_item){item_id(item), item_payload(item), item_time_ms(item)};
}

static void read_one(struct call *c, const struct pubsub_node *node)
{
    const struct item *item = find_item(node, c->id);
    struct pubsub_item one;

    if (item != NULL)
        one = view(item);
    finish_items(c, item == NULL ? LN_E_NOT_FOUND : LN_OK, item == NULL ? NULL : &one, item != NULL);
}

static void read_all(struct call *c, const struct pubsub_node *node)
{
    size_t n = node == NULL ? 0 : node->items.n;
    struct pubsub_item *items = arena_alloc(c->arena, (n + 1) * sizeof(*items));

    for (size_t i = 0; i < n; i++)
        items[i] = view(node->items.items[i]);
    finish_items(c, LN_OK, items, n);
}

static void read_items(struct call *c, struct pubsub_node *node)
{
    if (c->id.len > 0)
        read_one(c, node);
    else
        read_all(c, node);
}

void pubsub_get_items(struct account *a, struct str node, struct str id, pubsub_on_items done, void *ctx)
{
    struct call *c = call_new(a, node, id, 0, read_items);

    c->on_items = done;
    c->ctx = ctx;
    submit(c);
}

bool pubsub_may_read(struct account *a, struct str node, struct str bare_jid)
{
    struct pubsub_service *sv = account_service(a);
    const struct pubsub_node *n = pubsub_find_node(sv, node);
    struct relation who;

    if (n == NULL)
        return false;
    who = pubsub_relation(sv, n->meta, bare_jid);
    return access_decide(ACTION_RETRIEVE, n->meta->config.access_model, n->meta->config.publish_model, &who) == NULL;
}
