/* server/storage/memory.c - the back-end that forgets: for tests, and for servers that must not keep anything.
 *
 * Two ordered maps (skip lists), in the order of the SQLite tables' keys, touched by the writer thread alone. What a
 * transaction changes is noted, so that one that fails half way can be undone. */
#include "server/storage/backend.h"
#include "server/storage/ordered_map.h"

struct change {
    struct ordered_map *map;
    struct entry *entry;
    bool is_addition; /* else it was taken out */
};

struct changes {
    struct change *p;
    size_t n, cap;
};

struct memory_backend {
    struct backend base;
    struct ordered_map documents;
    struct ordered_map archives;
    struct changes changes; /* of the transaction at work */
};

static struct memory_backend *of(struct backend *b)
{
    return container_of(b, struct memory_backend, base);
}

/* ---- keys ---- */

static struct entry_key key_of(const struct storage_op *op)
{
    return (struct entry_key){
        .owner = owner_split(op->owner),
        .collection = op->collection,
        .key = op->key,
        .id = op->id,
    };
}

/* How many parts of the key, from the left, an entry must share with the query. */
enum depth { SAME_OWNER, SAME_COLLECTION, SAME_KEY };

static bool is_in_range(const struct entry *e, const struct entry_key *key, enum depth depth)
{
    return e != NULL && owner_cmp(&e->key.owner, &key->owner) == 0 &&
           (depth < SAME_COLLECTION || str_eq(e->key.collection, key->collection)) &&
           (depth < SAME_KEY || str_eq(e->key.key, key->key));
}

/* ---- writing ---- */

static void note_change(struct memory_backend *mb, struct ordered_map *map, struct entry *e, bool is_addition)
{
    struct changes *c = &mb->changes;

    if (c->n == c->cap) {
        c->cap = c->cap == 0 ? 16 : c->cap * 2;
        c->p = mem_realloc(c->p, c->cap * sizeof(*c->p));
    }
    c->p[c->n++] = (struct change){map, e, is_addition};
}

static void add_entry(struct memory_backend *mb, struct ordered_map *map, const struct storage_op *op)
{
    struct entry *e = entry_new(map, op);

    map_link(map, e);
    note_change(mb, map, e, true);
}

static void take_out(struct memory_backend *mb, struct ordered_map *map, struct entry *e)
{
    if (e == NULL)
        return;
    map_unlink(map, e);
    note_change(mb, map, e, false);
}

static enum ln_err run_put(struct memory_backend *mb, const struct storage_op *op)
{
    struct entry_key key = key_of(op);

    take_out(mb, &mb->documents, map_find(&mb->documents, &key));
    add_entry(mb, &mb->documents, op);
    return LN_OK;
}

static enum ln_err run_delete(struct memory_backend *mb, const struct storage_op *op)
{
    struct entry_key key = key_of(op);

    take_out(mb, &mb->documents, map_find(&mb->documents, &key));
    return LN_OK;
}

static enum ln_err run_append(struct memory_backend *mb, const struct storage_op *op)
{
    struct entry_key key = key_of(op);

    if (map_find(&mb->archives, &key) != NULL)
        return LN_E_EXISTS;
    add_entry(mb, &mb->archives, op);
    return LN_OK;
}

static enum ln_err run_remove(struct memory_backend *mb, const struct storage_op *op)
{
    struct entry_key key = key_of(op);

    take_out(mb, &mb->archives, map_find(&mb->archives, &key));
    return LN_OK;
}

static enum ln_err run_replace(struct memory_backend *mb, const struct storage_op *op)
{
    struct entry_key key = key_of(op);
    struct entry *e = map_find(&mb->archives, &key);
    struct storage_op copy = *op;

    if (e == NULL)
        return LN_OK;
    copy.time_ms = e->time_ms;
    copy.peer = e->peer;
    take_out(mb, &mb->archives, e);
    add_entry(mb, &mb->archives, &copy);
    return LN_OK;
}

static enum ln_err run_trim(struct memory_backend *mb, const struct storage_op *op)
{
    struct entry_key from = key_of(op);
    uint32_t n = 0;

    from.id = 0;
    for (struct entry *e = map_seek(&mb->archives, &from), *next;
         n < op->limit && is_in_range(e, &from, SAME_COLLECTION) && e->key.id < op->id; e = next, n++) {
        next = e->next[0];
        take_out(mb, &mb->archives, e);
    }
    return LN_OK;
}

static void take_out_owner(struct memory_backend *mb, struct ordered_map *map, const struct entry_key *key)
{
    for (struct entry *e = map_seek(map, key), *next; e != NULL && owner_cmp(&e->key.owner, &key->owner) == 0;
         e = next) {
        next = e->next[0];
        take_out(mb, map, e);
    }
}

static enum ln_err run_delete_owner(struct memory_backend *mb, const struct storage_op *op)
{
    struct entry_key key = key_of(op);

    take_out_owner(mb, &mb->documents, &key);
    take_out_owner(mb, &mb->archives, &key);
    return LN_OK;
}

static enum ln_err require_absent(struct memory_backend *mb, const struct storage_op *op)
{
    struct entry_key key = key_of(op);

    return map_find(&mb->documents, &key) == NULL ? LN_OK : LN_E_EXISTS;
}

static enum ln_err require_present(struct memory_backend *mb, const struct storage_op *op)
{
    struct entry_key key = key_of(op);

    return map_find(&mb->documents, &key) != NULL ? LN_OK : LN_E_NOT_FOUND;
}

static enum ln_err (*const run_op[])(struct memory_backend *mb, const struct storage_op *op) = {
    [OP_PUT] = run_put,
    [OP_DELETE] = run_delete,
    [OP_APPEND] = run_append,
    [OP_REPLACE] = run_replace,
    [OP_REMOVE] = run_remove,
    [OP_TRIM] = run_trim,
    [OP_DELETE_OWNER] = run_delete_owner,
    [OP_REQUIRE_ABSENT] = require_absent,
    [OP_REQUIRE_PRESENT] = require_present,
};

/* Frees what is no longer in the maps; before that, if the transaction failed, puts everything back, last change first.
 */
static void settle(struct memory_backend *mb, enum ln_err err)
{
    while (mb->changes.n > 0) {
        struct change *c = &mb->changes.p[--mb->changes.n];
        bool is_kept = c->is_addition == (err == LN_OK);

        if (err != LN_OK && c->is_addition)
            map_unlink(c->map, c->entry);
        else if (err != LN_OK)
            map_link(c->map, c->entry);
        if (!is_kept)
            entry_free(c->entry);
    }
}

static enum ln_err run_ops(struct memory_backend *mb, const struct storage_ops *ops)
{
    enum ln_err err = LN_OK;

    for (const struct storage_op *op = ops->first; op != NULL && err == LN_OK; op = op->next)
        err = run_op[op->kind](mb, op);
    return err;
}

static enum ln_err memory_commit(struct backend *b, struct storage_txn *const *txns, size_t n, char *ret_detail)
{
    struct memory_backend *mb = of(b);

    (void)ret_detail;
    for (size_t i = 0; i < n; i++) {
        txns[i]->err = run_ops(mb, &txns[i]->conditions);
        if (txns[i]->err == LN_OK)
            txns[i]->err = run_ops(mb, &txns[i]->ops);
        settle(mb, txns[i]->err);
    }
    return LN_OK;
}

/* ---- reading ---- */

static struct storage_row *add_document(struct rows *rows, const struct entry *e)
{
    struct storage_row *row = rows_add(rows);

    row->key = arena_copy(rows->arena, e->key.key);
    row->bytes = arena_copy(rows->arena, e->bytes);
    return row;
}

static void read_documents(struct memory_backend *mb, const struct storage_query *q, struct rows *rows)
{
    static const enum depth depths[] = {
        [STORAGE_GET] = SAME_KEY, [STORAGE_LIST] = SAME_COLLECTION, [STORAGE_LOAD] = SAME_OWNER};
    struct entry_key from = {.owner = owner_split(q->owner)};

    if (q->kind != STORAGE_LOAD)
        from.collection = q->collection;
    if (q->kind == STORAGE_GET)
        from.key = q->key;
    for (struct entry *e = map_seek(&mb->documents, &from); is_in_range(e, &from, depths[q->kind]); e = e->next[0]) {
        struct storage_row *row = add_document(rows, e);

        if (q->kind == STORAGE_LOAD)
            row->peer = arena_copy(rows->arena, e->key.collection);
    }
}

static struct storage_row *add_archived(struct rows *rows, const struct entry *e, bool has_bytes)
{
    struct storage_row *row = rows_add(rows);

    row->id = e->key.id;
    row->time_ms = e->time_ms;
    row->peer = arena_copy(rows->arena, e->peer);
    row->bytes = has_bytes ? arena_copy(rows->arena, e->bytes) : STR("");
    return row;
}

static bool is_of_peer(const struct entry *e, struct str peer)
{
    bool is_bare = str_find(peer, '/') < 0;

    return peer.len == 0 || str_eq(is_bare ? peer_split(e->peer).bare : e->peer, peer);
}

/* The first entry of the query's range, from whichever end. */
static struct entry *first_of_range(struct memory_backend *mb, const struct storage_query *q)
{
    struct entry_key key = {.owner = owner_split(q->owner), .collection = q->collection};

    if (q->is_backwards) {
        key.id = q->before_id == 0 ? UINT64_MAX : q->before_id;
        return map_seek_before(&mb->archives, &key);
    }
    if (q->after_id >= INT64_MAX) /* the largest id there is */
        return NULL;
    key.id = q->after_id + 1;
    return map_seek(&mb->archives, &key);
}

/* Calls `take` for the entries of the query: each of the archive is looked at. */
static void walk_entries(struct memory_backend *mb, const struct storage_query *q, struct rows *rows,
                         void (*take)(struct rows *rows, const struct entry *e))
{
    struct entry_key archive = {.owner = owner_split(q->owner), .collection = q->collection};
    uint32_t skipped = 0, taken = 0;
    size_t bytes = 0;

    for (struct entry *e = first_of_range(mb, q);
         is_in_range(e, &archive, SAME_COLLECTION) && e->key.id > q->after_id && e->key.id <= q->before_id - 1;
         e = q->is_backwards ? e->prev : e->next[0]) {
        if (!is_of_peer(e, q->peer) || skipped++ < q->skip)
            continue;
        take(rows, e);
        bytes += e->bytes.len;
        if (++taken == q->limit || (q->bytes_max > 0 && bytes >= q->bytes_max))
            return;
    }
}

static void take_entry(struct rows *rows, const struct entry *e)
{
    (void)add_archived(rows, e, true);
}

static void read_entries(struct memory_backend *mb, const struct storage_query *q, struct rows *rows)
{
    walk_entries(mb, q, rows, take_entry);
}

static void count_one(struct rows *rows, const struct entry *e)
{
    (void)e;
    rows->pub.rows[0].id++;
}

static void tally_entries(struct memory_backend *mb, const struct storage_query *q, struct rows *rows)
{
    (void)rows_add(rows);
    walk_entries(mb, q, rows, count_one);
}

static void read_ends(struct memory_backend *mb, const struct storage_query *q, struct rows *rows)
{
    struct storage_query end = *q;
    struct storage_row *row = rows_add(rows);
    struct entry_key archive = {.owner = owner_split(q->owner), .collection = q->collection};

    for (int last = 0; last < 2; last++) {
        end.is_backwards = last != 0;
        struct entry *e = first_of_range(mb, &end);

        if (!is_in_range(e, &archive, SAME_COLLECTION))
            return;
        if (last == 0)
            row->id = e->key.id;
        else
            row->time_ms = (int64_t)e->key.id;
    }
}

static void read_ids(struct memory_backend *mb, const struct storage_query *q, struct rows *rows)
{
    struct entry_key key = {.owner = owner_split(q->owner), .collection = q->collection};
    size_t bytes = 0;

    for (size_t i = 0; i < q->n_ids; i++) {
        key.id = q->ids[i];
        struct entry *e = map_find(&mb->archives, &key);

        if (e != NULL)
            bytes += add_archived(rows, e, q->bytes_max == 0 || bytes < q->bytes_max)->bytes.len;
    }
}

static void count_entries(struct memory_backend *mb, const struct storage_query *q, struct rows *rows)
{
    struct storage_row *row = rows_add(rows);
    struct entry_key from = {.owner = owner_split(q->owner), .collection = q->collection};

    for (struct entry *e = map_seek(&mb->archives, &from); is_in_range(e, &from, SAME_COLLECTION); e = e->next[0]) {
        row->id++;
        row->time_ms += (int64_t)e->bytes.len;
    }
}

/* The first document of the first owner of the domain whose local part is after `local`. */
static struct entry *next_owner(struct memory_backend *mb, struct str domain, struct str local)
{
    struct entry_key from = {.owner = {.domain = domain, .local = local}};
    struct entry *e = map_seek(&mb->documents, &from);

    while (e != NULL && str_eq(e->key.owner.domain, domain) && str_eq(e->key.owner.local, local))
        e = e->next[0];
    return e != NULL && str_eq(e->key.owner.domain, domain) ? e : NULL;
}

static void read_owners(struct memory_backend *mb, const struct storage_query *q, struct rows *rows)
{
    struct entry *e = next_owner(mb, q->owner, owner_split(q->after_owner).local);

    for (; e != NULL && (q->limit == 0 || rows->pub.n < q->limit); e = next_owner(mb, q->owner, e->key.owner.local)) {
        struct entry_key wanted = {.owner = e->key.owner, .collection = q->collection, .key = q->key};
        struct entry *found = map_find(&mb->documents, &wanted);

        if (found != NULL)
            add_document(rows, found)->key = owner_join(rows->arena, e->key.owner);
    }
}

static void (*const read_kind[])(struct memory_backend *mb, const struct storage_query *q, struct rows *rows) = {
    [STORAGE_GET] = read_documents, [STORAGE_LIST] = read_documents, [STORAGE_LOAD] = read_documents,
    [STORAGE_READ] = read_entries,  [STORAGE_READ_IDS] = read_ids,   [STORAGE_TALLY] = tally_entries,
    [STORAGE_ENDS] = read_ends,     [STORAGE_COUNT] = count_entries, [STORAGE_LIST_OWNERS] = read_owners,
};

static enum ln_err memory_read(struct backend *b, unsigned reader, const struct storage_query *q, struct rows *rows,
                               char *ret_detail)
{
    (void)reader;
    (void)ret_detail;
    read_kind[q->kind](of(b), q, rows);
    return LN_OK;
}

/* ---- opening and closing ---- */

static void memory_close(struct backend **b)
{
    struct memory_backend *mb = of(*b);

    *b = NULL;
    map_deinit(&mb->documents);
    map_deinit(&mb->archives);
    free(mb->changes.p);
    free(mb);
}

static enum ln_err memory_open(const struct storage_options *opt, struct backend **ret, char *ret_error)
{
    struct memory_backend *mb = mem_zalloc(sizeof(*mb));

    (void)opt;
    (void)ret_error;
    mb->base.class = &memory_backend;
    mb->documents.dice = mb->archives.dice = 0x9e3779b97f4a7c15; /* any but zero; nobody gains by guessing levels */
    *ret = &mb->base;
    return LN_OK;
}

const struct backend_class memory_backend = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .commit = memory_commit,
    .read = memory_read,
};
