#include "common/arena.h"

#include <stdalign.h>

#include "common/mem.h"

enum { LATER_BLOCK_BYTES = 1024 };

/* Aligned allocations grow up from `low`, bytes without alignment grow down from `high`, so that neither pads the
 * other. */
struct block {
    struct block *older;
    char *low;
    char *high;
    alignas(max_align_t) char bytes[];
};

struct arena {
    struct block *newest;
    alignas(struct block) char first[]; /* the first block, in the same allocation */
};

static void block_init(struct block *b, size_t size, struct block *older)
{
    b->older = older;
    b->low = b->bytes;
    b->high = b->bytes + size;
}

static size_t align_up(size_t size)
{
    return (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

struct arena *arena_new(size_t size_hint)
{
    struct arena *a = mem_alloc(sizeof(*a) + sizeof(struct block) + align_up(size_hint));

    a->newest = (struct block *)(void *)a->first;
    block_init(a->newest, align_up(size_hint), NULL);
    return a;
}

/* A block with room for `size` bytes, aligned. */
static struct block *block_for(struct arena *a, size_t size)
{
    size_t room = size > LATER_BLOCK_BYTES ? size : LATER_BLOCK_BYTES;
    struct block *b = mem_alloc(sizeof(*b) + room);

    block_init(b, room, a->newest);
    a->newest = b;
    return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
    struct block *b = a->newest;
    size_t padded = align_up(size);

    if ((size_t)(b->high - b->low) < padded)
        b = block_for(a, padded);
    b->low += padded;
    return b->low - padded;
}

char *arena_alloc_bytes(struct arena *a, size_t size)
{
    struct block *b = a->newest;

    if ((size_t)(b->high - b->low) < size)
        b = block_for(a, align_up(size));
    b->high -= size;
    return b->high;
}

struct str arena_copy(struct arena *a, struct str s)
{
    char *copy = arena_alloc_bytes(a, s.len);

    if (s.len > 0)
        memcpy(copy, s.p, s.len);
    return str_make(copy, s.len);
}

void arena_free(struct arena **a)
{
    struct arena *mine = *a;

    *a = NULL;
    if (mine == NULL)
        return;
    for (struct block *b = mine->newest, *older; b != (struct block *)(void *)mine->first; b = older) {
        older = b->older;
        free(b);
    }
    free(mine);
}
