/* server/storage/ordered_map.h - entries in the order of their keys (a skip list), for the back-end in memory.
 *
 * Documents and archive entries alike, sorted as the tables of the SQLite back-end are. Searched from the front, walked
 * in both directions. Private to server/storage/; one thread at a time. */
#ifndef LINNET_SERVER_STORAGE_ORDERED_MAP_H
#define LINNET_SERVER_STORAGE_ORDERED_MAP_H

#include "server/storage/backend.h"

enum { ORDERED_MAP_LEVELS = 16 }; /* enough for 4^16 entries */

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
    char *text;         /* owned */
    struct entry *prev; /* in the whole map */
    int n_levels;       /* of `next` */
    struct entry *next[];
};

struct ordered_map {
    struct entry *head[ORDERED_MAP_LEVELS];
    uint64_t dice; /* begins as anything but zero */
};

/* Makes the entry that an operation puts or appends, in no map yet. */
struct entry *entry_new(struct ordered_map *m, const struct storage_op *op);
void entry_free(struct entry *e);

int owner_cmp(const struct owner_parts *a, const struct owner_parts *b);

/* The first entry not before `key`; the last one before it; the one that has it. NULL: there is none. */
struct entry *map_seek(struct ordered_map *m, const struct entry_key *key);
struct entry *map_seek_before(struct ordered_map *m, const struct entry_key *key);
struct entry *map_find(struct ordered_map *m, const struct entry_key *key);
void map_link(struct ordered_map *m, struct entry *e);
void map_unlink(struct ordered_map *m, struct entry *e);
/* Frees all entries. */
void map_deinit(struct ordered_map *m);

#endif
