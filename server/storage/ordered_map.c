#include "server/storage/ordered_map.h"

int owner_cmp(const struct owner_parts *a, const struct owner_parts *b)
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
static struct entry *seek(struct ordered_map *m, const struct entry_key *key, struct entry **slots[ORDERED_MAP_LEVELS])
{
    struct entry **level = m->head; /* the pointers of the head or of an entry, by level */

    for (int i = ORDERED_MAP_LEVELS - 1; i >= 0; i--) {
        while (level[i] != NULL && key_cmp(&level[i]->key, key) < 0)
            level = level[i]->next;
        if (slots != NULL)
            slots[i] = &level[i];
    }
    return level[0];
}

struct entry *map_seek(struct ordered_map *m, const struct entry_key *key)
{
    return seek(m, key, NULL);
}

struct entry *map_find(struct ordered_map *m, const struct entry_key *key)
{
    struct entry *e = seek(m, key, NULL);

    return e != NULL && key_cmp(&e->key, key) == 0 ? e : NULL;
}

void map_link(struct ordered_map *m, struct entry *e)
{
    struct entry **slots[ORDERED_MAP_LEVELS];

    (void)seek(m, &e->key, slots);
    e->prev = slots[0] == m->head ? NULL : container_of(slots[0], struct entry, next[0]);
    for (int i = 0; i < e->n_levels; i++) {
        e->next[i] = *slots[i];
        *slots[i] = e;
    }
    if (e->next[0] != NULL)
        e->next[0]->prev = e;
}

void map_unlink(struct ordered_map *m, struct entry *e)
{
    struct entry **slots[ORDERED_MAP_LEVELS];

    (void)seek(m, &e->key, slots);
    for (int i = 0; i < e->n_levels; i++)
        *slots[i] = e->next[i];
    if (e->next[0] != NULL)
        e->next[0]->prev = e->prev;
}

/* The last entry before `key`. */
struct entry *map_seek_before(struct ordered_map *m, const struct entry_key *key)
{
    struct entry **slots[ORDERED_MAP_LEVELS];

    (void)seek(m, key, slots);
    return slots[0] == m->head ? NULL : container_of(slots[0], struct entry, next[0]);
}

/* ---- entries ---- */

/* Each level holds a quarter of the one below. */
static int roll_levels(struct ordered_map *m)
{
    int n = 1;

    m->dice ^= m->dice << 13;
    m->dice ^= m->dice >> 7;
    m->dice ^= m->dice << 17;
    for (uint64_t bits = m->dice >> 20; n < ORDERED_MAP_LEVELS && (bits & 3) == 0; bits >>= 2)
        n++;
    return n;
}

static struct str copy_to(char **to, struct str s)
{
    char *p = *to;

    if (s.len > 0)
        memcpy(p, s.p, s.len);
    *to += s.len;
    return str_make(p, s.len);
}

struct entry *entry_new(struct ordered_map *m, const struct storage_op *op)
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

void entry_free(struct entry *e)
{
    free(e->text);
    free(e);
}

void map_deinit(struct ordered_map *m)
{
    for (struct entry *e = m->head[0], *next; e != NULL; e = next) {
        next = e->next[0];
        entry_free(e);
    }
}
