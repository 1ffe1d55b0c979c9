#include "server/pubsub/item_ring.h"

#include "common/mem.h"

#include <stdlib.h>

enum { HEAD_BYTES = 8 + 2 }; /* of a document: the number, the length of the publisher */

struct item *item_new(uint64_t seq, struct str id, struct str publisher, struct str payload)
{
    struct item *i = mem_alloc(sizeof(*i) + id.len + publisher.len + payload.len);
    char *p = i->bytes;

    i->seq = seq;
    i->id_len = (uint16_t)id.len;
    i->publisher_len = (uint16_t)publisher.len;
    i->payload_len = (uint32_t)payload.len;
    if (id.len > 0)
        memcpy(p, id.p, id.len);
    if (publisher.len > 0)
        memcpy(p + id.len, publisher.p, publisher.len);
    if (payload.len > 0)
        memcpy(p + id.len + publisher.len, payload.p, payload.len);
    return i;
}

void item_encode(struct buf *out, const struct item *item)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        buf_append_char(out, (char)(item->seq >> shift));
    buf_append_char(out, (char)(item->publisher_len >> 8));
    buf_append_char(out, (char)item->publisher_len);
    buf_append_str(out, item_publisher(item));
    buf_append_str(out, item_payload(item));
}

enum ln_err item_decode(struct str id, struct str bytes, struct item **ret)
{
    uint64_t seq = 0;
    size_t publisher_len;

    if (bytes.len < HEAD_BYTES || id.len > UINT16_MAX)
        return LN_E_CORRUPT;
    for (unsigned i = 0; i < 8; i++)
        seq = seq << 8 | (uint8_t)bytes.p[i];
    publisher_len = (size_t)(uint8_t)bytes.p[8] << 8 | (uint8_t)bytes.p[9];
    if (publisher_len > bytes.len - HEAD_BYTES || bytes.len > UINT32_MAX)
        return LN_E_CORRUPT;
    *ret = item_new(seq, id, str_make(bytes.p + HEAD_BYTES, publisher_len),
                    str_make(bytes.p + HEAD_BYTES + publisher_len, bytes.len - HEAD_BYTES - publisher_len));
    return LN_OK;
}

/* ---- the ring ---- */

static size_t cost(const struct item *i)
{
    return sizeof(*i) + sizeof(i) + i->id_len + i->publisher_len + i->payload_len;
}

void item_ring_deinit(struct item_ring *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->items[i]);
    free(r->items);
    *r = (struct item_ring){0};
}

ptrdiff_t item_ring_find(const struct item_ring *r, struct str id)
{
    for (size_t i = r->n; i > 0; i--) { /* what is new is asked for most */
        if (str_eq(item_id(r->items[i - 1]), id))
            return (ptrdiff_t)(i - 1);
    }
    return -1;
}

void item_ring_add_unsorted(struct item_ring *r, struct item *own_item)
{
    if (r->n == r->cap) {
        r->cap = r->cap == 0 ? 1 : 2 * r->cap;
        r->items = mem_realloc(r->items, r->cap * sizeof(struct item *));
    }
    r->items[r->n++] = own_item;
    r->bytes += cost(own_item);
}

void item_ring_put(struct item_ring *r, struct item *own_item)
{
    item_ring_remove(r, item_id(own_item));
    item_ring_add_unsorted(r, own_item);
}

void item_ring_remove(struct item_ring *r, struct str id)
{
    ptrdiff_t at = item_ring_find(r, id);

    if (at < 0)
        return;
    r->bytes -= cost(r->items[at]);
    free(r->items[at]);
    memmove(&r->items[at], &r->items[at + 1], (r->n - (size_t)at - 1) * sizeof(struct item *));
    r->n--;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = (*(const struct item *const *)a)->seq, y = (*(const struct item *const *)b)->seq;

    return x < y ? -1 : x > y;
}

void item_ring_sort(struct item_ring *r)
{
    if (r->n > 1)
        qsort(r->items, r->n, sizeof(struct item *), compare);
}

uint64_t item_ring_next_seq(const struct item_ring *r, uint64_t now_us)
{
    uint64_t last = r->n == 0 ? 0 : r->items[r->n - 1]->seq;

    return now_us > last ? now_us : last + 1;
}

size_t item_ring_count_before(const struct item_ring *r, uint64_t us)
{
    size_t n = 0;

    while (n < r->n && r->items[n]->seq < us)
        n++;
    return n;
}
