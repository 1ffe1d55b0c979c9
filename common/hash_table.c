/* Open addressing, linear probing, Robin Hood: of two entries that want a slot, the one farther from its home gets it.
 * So probes stay short at high load, and a search ends as soon as it meets an entry nearer to home than it would be.
 * A removal shifts what follows back by one: there are no tombstones that would slow later searches down.
 *
 * Invariant: between an entry and its home there is no empty slot, and no entry that is nearer to its own home. */
#include "common/hash_table.h"

#include "common/mem.h"

#include <assert.h>
#include <endian.h>

enum { CAP_MIN = 8 };

struct hash_slot {
    uint64_t hash;
    struct str key;
    void *value; /* NULL: the slot is empty */
};

static uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] = rotate_left(v[2], 32);
}

static uint64_t load_word(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return le64toh(word);
}

/* What is left after the whole words, under the length: fewer than eight bytes. */
static uint64_t load_last(struct str s)
{
    uint64_t word = (uint64_t)s.len << 56;

    for (size_t i = 0; i < s.len % 8; i++)
        word |= (uint64_t)(unsigned char)s.p[s.len - s.len % 8 + i] << 8 * i;
    return word;
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

/* "SipHash: a fast short-input PRF" by Aumasson and Bernstein, with one round a word and three at the end instead of
 * two and four: enough where an attacker sees how long a search takes and never a hash. */
uint64_t siphash(const struct siphash_key *key, struct str s)
{
    uint64_t v[4] = {
        key->k0 ^ 0x736f6d6570736575u,
        key->k1 ^ 0x646f72616e646f6du,
        key->k0 ^ 0x6c7967656e657261u,
        key->k1 ^ 0x7465646279746573u,
    };

    for (size_t i = 0; i + 8 <= s.len; i += 8)
        sip_word(v, load_word(s.p + i));
    sip_word(v, load_last(s));
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void hash_table_init(struct hash_table *t, const struct siphash_key *key)
{
    *t = (struct hash_table){.key = *key};
}

void hash_table_deinit(struct hash_table *t)
{
    free(t->slots);
    t->slots = NULL;
    t->cap = t->len = 0;
}

/* How far slot `at` lies behind the home of `hash`. */
static size_t distance(const struct hash_table *t, uint64_t hash, size_t at)
{
    return (at - (size_t)hash) & (t->cap - 1);
}

/* The slot of `key`, or NULL. */
static struct hash_slot *find(const struct hash_table *t, uint64_t hash, struct str key)
{
    size_t mask = t->cap - 1;

    if (t->len == 0)
        return NULL;
    for (size_t at = (size_t)hash & mask, gone = 0;; at = (at + 1) & mask, gone++) {
        struct hash_slot *slot = &t->slots[at];

        if (slot->value == NULL || distance(t, slot->hash, at) < gone)
            return NULL;
        if (slot->hash == hash && str_eq(slot->key, key))
            return slot;
    }
}

/* Puts an entry whose key is not there; there must be an empty slot. */
static void insert(struct hash_table *t, struct hash_slot entry)
{
    size_t mask = t->cap - 1;

    for (size_t at = (size_t)entry.hash & mask, gone = 0;; at = (at + 1) & mask, gone++) {
        struct hash_slot *slot = &t->slots[at];
        size_t theirs;

        if (slot->value == NULL) {
            *slot = entry;
            return;
        }
        theirs = distance(t, slot->hash, at);
        if (theirs < gone) {
            struct hash_slot displaced = *slot;

            *slot = entry;
            entry = displaced;
            gone = theirs;
        }
    }
}

static void resize(struct hash_table *t, size_t cap)
{
    struct hash_slot *old = t->slots;
    size_t old_cap = t->cap;

    t->slots = mem_zalloc(cap * sizeof(*t->slots));
    t->cap = cap;
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].value != NULL)
            insert(t, old[i]);
    }
    free(old);
}

/* Before a put: at most three quarters full after it, at least an eighth unless it is small. A table that has become
 * far too large shrinks here and not on removal, since entries may be removed while somebody walks the table. */
static void make_room(struct hash_table *t)
{
    size_t need = t->len + 1, cap = t->cap > 0 ? t->cap : CAP_MIN;

    while (cap > CAP_MIN && need < cap / 8)
        cap /= 4; /* less than half full then: the next growth is far away */
    while (need > cap / 4 * 3)
        cap *= 2;
    if (cap != t->cap)
        resize(t, cap);
}

void *hash_table_get(const struct hash_table *t, struct str key)
{
    struct hash_slot *slot = t->len > 0 ? find(t, siphash(&t->key, key), key) : NULL;

    return slot == NULL ? NULL : slot->value;
}

void *hash_table_put(struct hash_table *t, struct str key, void *value)
{
    uint64_t hash = siphash(&t->key, key);
    struct hash_slot *slot = find(t, hash, key);

    assert(value != NULL);
    if (slot != NULL) {
        void *before = slot->value;

        slot->key = key;
        slot->value = value;
        return before;
    }
    make_room(t);
    insert(t, (struct hash_slot){hash, key, value});
    t->len++;
    return NULL;
}

void *hash_table_remove(struct hash_table *t, struct str key)
{
    struct hash_slot *slot = t->len > 0 ? find(t, siphash(&t->key, key), key) : NULL;
    size_t mask = t->cap - 1, hole;
    void *value;

    if (slot == NULL)
        return NULL;
    value = slot->value;
    hole = (size_t)(slot - t->slots);
    for (;;) {
        size_t next = (hole + 1) & mask;

        if (t->slots[next].value == NULL || distance(t, t->slots[next].hash, next) == 0)
            break;
        t->slots[hole] = t->slots[next];
        hole = next;
    }
    t->slots[hole].value = NULL;
    t->len--;
    if (t->len == 0 && t->cap > CAP_MIN)
        hash_table_deinit(t);
    return value;
}

/* Downwards, because a removal moves entries down: those that move have been returned already. An entry can wrap
 * around from the last slot to the first, so the walk starts below the highest empty slot, goes down to slot 0, and
 * then from the last slot down to an empty one again; across an empty slot nothing moves. The cursor is the slot
 * returned last, plus `cap` in the first of the two legs. */
void *hash_table_next(const struct hash_table *t, size_t *cursor)
{
    size_t at = *cursor;

    if (t->len == 0)
        return NULL;
    if (at == 0) {
        at = 2 * t->cap - 1;
        while (t->slots[at - t->cap].value != NULL)
            at--;
    }
    while (at > 0) {
        struct hash_slot *slot = &t->slots[--at & (t->cap - 1)];

        if (slot->value != NULL) {
            *cursor = at;
            return slot->value;
        }
        if (at < t->cap)
            break;
    }
    return NULL;
}
