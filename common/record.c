#include "common/record.h"

void record_put(struct buf *out, uint64_t n, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        buf_append_char(out, (char)(n >> (8 * i)));
}

const char *record_take(struct record_reader *r, size_t len)
{
    const char *p = r->rest.p;

    if (r->rest.len < len) {
        r->is_short = true;
        r->rest.len = 0;
        return NULL;
    }
    r->rest = str_make(p + len, r->rest.len - len);
    return p;
}

uint64_t record_take_number(struct record_reader *r, unsigned bytes)
{
    const char *p = record_take(r, bytes);
    uint64_t n = 0;

    for (unsigned i = 0; p != NULL && i < bytes; i++)
        n |= (uint64_t)(uint8_t)p[i] << (8 * i);
    return n;
}
