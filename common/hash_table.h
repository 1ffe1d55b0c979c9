/* common/hash_table.h - a table keyed by bytes, with a keyed hash.
 *
 * Sessions by full JID, accounts by bare JID. Keys come from strangers, so the hash is SipHash-1-3 under a random key
 * of the process: nobody can make them collide on purpose. The key bytes are borrowed: they lie in the value and must
 * live unchanged as long as the entry. Open addressing; lookups touch one cache line for the slot and one for the key.
 */
#ifndef LINNET_COMMON_HASH_TABLE_H
#define LINNET_COMMON_HASH_TABLE_H

#include "common/str.h"

struct siphash_key {
    uint64_t k0, k1;
};

/* [any] SipHash-1-3 of `s`. */
uint64_t siphash(const struct siphash_key *key, struct str s);

struct hash_slot; /* defined in hash_table.c */

struct hash_table {
    struct siphash_key key;
    struct hash_slot *slots;
    size_t cap; /* a power of two, or 0 before the first put */
    size_t len;
};

/* [any] One owner at a time, as all that follows; nothing is allocated before the first put. */
void hash_table_init(struct hash_table *t, const struct siphash_key *key);
/* Frees the slots, not the values. */
void hash_table_deinit(struct hash_table *t);
/* The value, or NULL. */
void *hash_table_get(const struct hash_table *t, struct str key);
/* Adds `value`, which is not NULL; returns NULL, or the value that was there before and has been replaced (its key
 * bytes are no longer used). May shrink a table that has become nearly empty. */
void *hash_table_put(struct hash_table *t, struct str key, void *value);
/* Removes; returns the value that was there, or NULL. */
void *hash_table_remove(struct hash_table *t, struct str key);
/* Walks all values in no order: start with *cursor = 0; NULL ends. The entry just returned may be removed while
 * walking, nothing else may change. */
void *hash_table_next(const struct hash_table *t, size_t *cursor);

#endif
