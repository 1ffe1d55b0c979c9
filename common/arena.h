/* common/arena.h - many small allocations that die together.
 *
 * A stanza and all that was parsed from it lie in one arena: one call frees them. Blocks are chained; the first one is
 * sized by the caller's guess, so that a stanza usually takes exactly one allocation. Not for sharing while it grows:
 * one thread fills it, and from then on it is read-only. */
#ifndef LINNET_COMMON_ARENA_H
#define LINNET_COMMON_ARENA_H

#include "common/str.h"

struct arena;

/* A new arena whose first block holds `size_hint` bytes. */
struct arena *arena_new(size_t size_hint);
/* `size` bytes aligned for any type, uninitialised; never NULL. */
void *arena_alloc(struct arena *a, size_t size);
/* As arena_alloc() but without alignment: for bytes. */
char *arena_alloc_bytes(struct arena *a, size_t size);
/* A copy inside the arena (not NUL-terminated). */
struct str arena_copy(struct arena *a, struct str s);
/* Frees all; accepts NULL, leaves NULL. */
void arena_free(struct arena **a);

#endif
