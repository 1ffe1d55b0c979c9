/* server/pubsub/item_ring.h - the items of a node, in the order they were published.
 *
 * The newest is at the end; an item that is published again moves there (XEP-0060 section 7.1.3: publishing again is
 * modifying). A number for each rises with that order; it is the time in microseconds since 1970, too. Items are
 * documents of their own, whose bytes begin with the number, so the order can be found again whatever the storage's is.
 * Pure. */
#ifndef LINNET_SERVER_PUBSUB_ITEM_RING_H
#define LINNET_SERVER_PUBSUB_ITEM_RING_H

#include "common/buf.h"
#include "common/err.h"

/* One allocation; never changed. */
struct item {
    uint64_t seq;
    uint32_t payload_len;
    uint16_t id_len;
    uint16_t publisher_len;
    char bytes[]; /* id, bare JID of the publisher, payload */
};

enum { ITEM_ID_BYTES_MAX = 1023 };

/* [any] `payload`: one element that stands for itself, or empty. */
struct item *item_new(uint64_t seq, struct str id, struct str publisher, struct str payload);
/* [any] Appends the document; its key is the id, which is not repeated. LN_E_CORRUPT: the bytes are none. */
void item_encode(struct buf *out, const struct item *item);
enum ln_err item_decode(struct str id, struct str bytes, struct item **ret);

static inline struct str item_id(const struct item *i)
{
    return str_make(i->bytes, i->id_len);
}
static inline struct str item_publisher(const struct item *i)
{
    return str_make(i->bytes + i->id_len, i->publisher_len);
}
static inline struct str item_payload(const struct item *i)
{
    return str_make(i->bytes + i->id_len + i->publisher_len, i->payload_len);
}
static inline int64_t item_time_ms(const struct item *i)
{
    return (int64_t)(i->seq / 1000);
}

struct item_ring {
    struct item **items; /* owned, the oldest first */
    size_t n, cap;
    size_t bytes; /* of memory, in all */
};

void item_ring_deinit(struct item_ring *r);
/* Place of the item, or -1. */
ptrdiff_t item_ring_find(const struct item_ring *r, struct str id);
/* Takes the item to the end, in the place of one with the same id. Its number must be the largest. */
void item_ring_put(struct item_ring *r, struct item *own_item);
void item_ring_remove(struct item_ring *r, struct str id);
/* While it is being read, in any order; then sorted once. */
void item_ring_add_unsorted(struct item_ring *r, struct item *own_item);
void item_ring_sort(struct item_ring *r);
/* The number for what is published now. */
uint64_t item_ring_next_seq(const struct item_ring *r, uint64_t now_us);
/* How many of the oldest are from before this moment. */
size_t item_ring_count_before(const struct item_ring *r, uint64_t us);

#endif
