/* server/storage/txn.c - transactions, rows and owners, as they are put together.
 *
 * A transaction and everything copied into it lie in one arena: a small one costs one allocation. */
#include "server/storage/backend.h"

#include <assert.h>

/* A message of middling size with its addresses; more chains another block. */
#define TXN_SIZE_HINT 1024

static void ops_init(struct storage_ops *ops)
{
    ops->first = NULL;
    ops->end = &ops->first;
}

struct storage_txn *storage_txn_new(void)
{
    struct arena *arena = arena_new(TXN_SIZE_HINT);
    struct storage_txn *t = arena_alloc(arena, sizeof(*t));

    *t = (struct storage_txn){.job = {.kind = JOB_WRITE}, .arena = arena};
    ops_init(&t->conditions);
    ops_init(&t->ops);
    return t;
}

void storage_txn_free(struct storage_txn **t)
{
    if (*t == NULL)
        return;
    struct arena *arena = (*t)->arena; /* the transaction itself lies inside it */

    *t = NULL;
    arena_free(&arena);
}

static struct str copy_in(struct storage_txn *t, struct str s)
{
    t->bytes += s.len;
    return arena_copy(t->arena, s);
}

static struct storage_op *add(struct storage_txn *t, struct storage_ops *to, enum storage_op_kind kind,
                              struct str owner, struct str collection)
{
    struct storage_op *op = arena_alloc(t->arena, sizeof(*op));

    *op = (struct storage_op){
        .kind = kind,
        .owner = copy_in(t, owner),
        .collection = copy_in(t, collection),
    };
    *to->end = op;
    to->end = &op->next;
    return op;
}

void storage_txn_put(struct storage_txn *t, struct str owner, struct str collection, struct str key, struct str bytes)
{
    struct storage_op *op = add(t, &t->ops, OP_PUT, owner, collection);

    op->key = copy_in(t, key);
    op->bytes = copy_in(t, bytes);
}

void storage_txn_delete(struct storage_txn *t, struct str owner, struct str collection, struct str key)
{
    add(t, &t->ops, OP_DELETE, owner, collection)->key = copy_in(t, key);
}

void storage_txn_append(struct storage_txn *t, struct str owner, struct str collection, uint64_t id, int64_t time_ms,
                        struct str peer, struct str bytes)
{
    struct storage_op *op = add(t, &t->ops, OP_APPEND, owner, collection);

    assert(id <= INT64_MAX);
    op->id = id;
    op->time_ms = time_ms;
    op->peer = copy_in(t, peer);
    op->bytes = copy_in(t, bytes);
}

void storage_txn_replace(struct storage_txn *t, struct str owner, struct str collection, uint64_t id, struct str bytes)
{
    if (id > INT64_MAX) /* no entry can have it */
        return;
    struct storage_op *op = add(t, &t->ops, OP_REPLACE, owner, collection);

    op->id = id;
    op->bytes = copy_in(t, bytes);
}

void storage_txn_trim(struct storage_txn *t, struct str owner, struct str collection, uint64_t before_id,
                      uint32_t limit)
{
    struct storage_op *op = add(t, &t->ops, OP_TRIM, owner, collection);

    op->id = before_id > INT64_MAX ? INT64_MAX : before_id;
    op->limit = limit;
}

void storage_txn_remove(struct storage_txn *t, struct str owner, struct str collection, uint64_t id)
{
    if (id > INT64_MAX) /* no entry can have it */
        return;
    add(t, &t->ops, OP_REMOVE, owner, collection)->id = id;
}

void storage_txn_delete_owner(struct storage_txn *t, struct str owner)
{
    (void)add(t, &t->ops, OP_DELETE_OWNER, owner, (struct str){NULL, 0});
}

void storage_txn_require_absent(struct storage_txn *t, struct str owner, struct str collection, struct str key)
{
    add(t, &t->conditions, OP_REQUIRE_ABSENT, owner, collection)->key = copy_in(t, key);
}

void storage_txn_require_present(struct storage_txn *t, struct str owner, struct str collection, struct str key)
{
    add(t, &t->conditions, OP_REQUIRE_PRESENT, owner, collection)->key = copy_in(t, key);
}

struct storage_row *rows_add(struct rows *rows)
{
    if (rows->pub.n == rows->cap) {
        rows->cap = rows->cap == 0 ? 4 : rows->cap * 2;
        rows->pub.rows = mem_realloc(rows->pub.rows, rows->cap * sizeof(*rows->pub.rows));
    }
    struct storage_row *row = &rows->pub.rows[rows->pub.n++];

    *row = (struct storage_row){0};
    return row;
}

void rows_clear(struct rows *rows)
{
    rows->pub.n = 0;
}

struct str owner_join(struct arena *arena, struct owner_parts parts)
{
    size_t len = parts.local.len + 1 + parts.domain.len;
    char *p = arena_alloc_bytes(arena, len);

    memcpy(p, parts.local.p, parts.local.len);
    p[parts.local.len] = '@';
    memcpy(p + parts.local.len + 1, parts.domain.p, parts.domain.len);
    return str_make(p, len);
}

struct str peer_join(struct arena *arena, struct peer_parts parts)
{
    size_t len = parts.bare.len + 1 + parts.resource.len;

    if (parts.resource.len == 0)
        return arena_copy(arena, parts.bare);
    char *p = arena_alloc_bytes(arena, len);

    memcpy(p, parts.bare.p, parts.bare.len);
    p[parts.bare.len] = '/';
    memcpy(p + parts.bare.len + 1, parts.resource.p, parts.resource.len);
    return str_make(p, len);
}
