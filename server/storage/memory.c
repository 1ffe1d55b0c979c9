/* server/storage/memory.c - the back-end that forgets: for tests, and for servers that must not keep anything.
 *
 * Two ordered maps (skip lists), in the order of the SQLite tables' keys, touched by the writer thread alone. What a
 * transaction changes is noted, so that one that fails half way can be undone. */
#include "server/storage/backend.h"

enum { LEVELS = 16 }; /* enough for 4^16 entries */

/* What an entry is sorted by. Documents have no id, archive entries no key. */
struct entry_key {
    struct owner_parts owner;
    struct str collection;
    struct str key;
    uint64_t id;
};

struct entry {
    struct entry_key key; /* like all strings here it lies in `text` */
    int64_t time_ms;
    struct str peer;
    struct str bytes;
    char *text;   /* owned */
    int n_levels; /* of `next` */
    struct entry *next[];
};

struct ordered_map {
    struct entry *head[LEVELS];
    uint64_t dice;
};

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

/* ---- the ordered map ---- */

static int owner_cmp(const struct owner_parts *a, const struct owner_parts *b)
{
    int c = str_cmp(a->domain, b->domain);

    return c != 0 ? c : str_cmp(a->local, b->local);
}

static int key_cmp(const struct entry_key *a, const struct entry_key *b)
{
    int c = owner_cmp(&a->owner, &b->owner);

    if (c == 0)
        c = str_cmp(a->collection, b->collection);
    if (c == 0)
        c = str_cmp(a->key, b->key);
    if (c == 0)
        c = (a->id > b->id) - (a->id < b->id);
    return c;
}

/* The first entry not before `key`. slots[i]: the pointer on level i that leads to it or past it. */
static struct entry *map_seek(struct ordered_map *m, const struct entry_key *key, struct entry **slots[LEVELS])
{
    struct entry **level = m->head; /* the pointers of the head or of an entry, by level */

    for (int i = LEVELS - 1; i >= 0; i--) {
        while (level[i] != NULL && key_cmp(&level[i]->key, key) < 0)
            level = level[i]->next;
        if (slots != NULL)
            slots[i] = &level[i];
    }
    return level[0];
}

static struct entry *map_find(struct ordered_map *m, const struct entry_key *key)
{
    struct entry *e = map_seek(m, key, NULL);

    return e != NULL && key_cmp(&e->key, key) == 0 ? e : NULL;
}

static void map_link(struct ordered_map *m, struct entry *e)
{
    struct entry **slots[LEVELS];

    (void)map_seek(m, &e->key, slots);
    for (int i = 0; i < e->n_levels; i++) {
        e->next[i] = *slots[i];
        *slots[i] = e;
    }
}

static void map_unlink(struct ordered_map *m, struct entry *e)
{
    struct entry **slots[LEVELS];

    (void)map_seek(m, &e->key, slots);
    for (int i = 0; i < e->n_levels; i++)
        *slots[i] = e->next[i];
}

/* Each level holds a quarter of the one below. */
static int roll_levels(struct ordered_map *m)
{
    int n = 1;

    m->dice ^= m->dice << 13;
    m->dice ^= m->dice >> 7;
    m->dice ^= m->dice << 17;
    for (uint64_t bits = m->dice >> 20; n < LEVELS && (bits & 3) == 0; bits >>= 2)
        n++;
    return n;
}

/* ---- entries ---- */

static struct str copy_to(char **to, struct str s)
{
    char *p = *to;

    if (s.len > 0)
        memcpy(p, s.p, s.len);
    *to += s.len;
    return str_make(p, s.len);
}

static struct entry *entry_new(struct ordered_map *m, const struct storage_op *op)
{
    int n_levels = roll_levels(m);
    struct entry *e = mem_zalloc(sizeof(*e) + (size_t)n_levels * sizeof(e->next[0]));
    char *end = mem_alloc(op->owner.len + op->collection.len + op->key.len + op->peer.len + op->bytes.len);

    e->n_levels = n_levels;
    e->text = end;
    e->key.owner = owner_split(copy_to(&end, op->owner));
    e->key.collection = copy_to(&end, op->collection);
    e->key.key = copy_to(&end, op->key);
    e->key.id = op->id;
    e->time_ms = op->time_ms;
    e->peer = copy_to(&end, op->peer);
    e->bytes = copy_to(&end, op->bytes);
    return e;
}

static void entry_free(struct entry *e)
{
    free(e->text);
    free(e);
}

static struct entry_key key_of(const struct storage_op *op)
{
    return (struct entry_key){
        .owner = owner_split(op->owner),
        .collection = op->collection,
        .key = op->key,
        .id = op->id,
    };
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

static void take_out_owner(struct memory_backend *mb, struct ordered_map *map, const struct entry_key *key)
{
    for (struct entry *e = map_seek(map, key, NULL), *next; e != NULL && owner_cmp(&e->key.owner, &key->owner) == 0;
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
    [OP_REMOVE] = run_remove,
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

/* How many parts of the key, from the left, an entry must share with the query. */
enum depth { SAME_OWNER, SAME_COLLECTION, SAME_KEY };

static bool is_in_range(const struct entry *e, const struct entry_key *key, enum depth depth)
{
    return e != NULL && owner_cmp(&e->key.owner, &key->owner) == 0 &&
           (depth < SAME_COLLECTION || str_eq(e->key.collection, key->collection)) &&
           (depth < SAME_KEY || str_eq(e->key.key, key->key));
}

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
    for (struct entry *e = map_seek(&mb->documents, &from, NULL); is_in_range(e, &from, depths[q->kind]);
         e = e->next[0]) {
        struct storage_row *row = add_document(rows, e);

        if (q->kind == STORAGE_LOAD)
            row->peer = arena_copy(rows->arena, e->key.collection);
    }
}

static void read_entries(struct memory_backend *mb, const struct storage_query *q, struct rows *rows)
{
    if (q->after_id >= INT64_MAX) /* the largest id there is */
        return;
    struct entry_key from = {.owner = owner_split(q->owner), .collection = q->collection, .id = q->after_id + 1};

    for (struct entry *e = map_seek(&mb->archives, &from, NULL);
         is_in_range(e, &from, SAME_COLLECTION) && (q->limit == 0 || rows->pub.n < q->limit); e = e->next[0]) {
        struct storage_row *row = rows_add(rows);

        row->id = e->key.id;
        row->time_ms = e->time_ms;
        row->peer = arena_copy(rows->arena, e->peer);
        row->bytes = arena_copy(rows->arena, e->bytes);
    }
}

static void count_entries(struct memory_backend *mb, const struct storage_query *q, struct rows *rows)
{
    struct storage_row *row = rows_add(rows);
    struct entry_key from = {.owner = owner_split(q->owner), .collection = q->collection};

    for (struct entry *e = map_seek(&mb->archives, &from, NULL); is_in_range(e, &from, SAME_COLLECTION);
         e = e->next[0]) {
        row->id++;
        row->time_ms += (int64_t)e->bytes.len;
    }
}

/* The first document of the first owner of the domain whose local part is after `local`. */
static struct entry *next_owner(struct memory_backend *mb, struct str domain, struct str local)
{
    struct entry_key from = {.owner = {.domain = domain, .local = local}};
    struct entry *e = map_seek(&mb->documents, &from, NULL);

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
    [STORAGE_READ] = read_entries,  [STORAGE_COUNT] = count_entries, [STORAGE_LIST_OWNERS] = read_owners,
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

static void map_deinit(struct ordered_map *m)
{
    for (struct entry *e = m->head[0], *next; e != NULL; e = next) {
        next = e->next[0];
        entry_free(e);
    }
}

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
