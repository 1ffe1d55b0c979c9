#include "common/buf.h"

#include "common/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum { BUF_FIRST_BYTES = 64 };

void buf_deinit(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}

char *buf_grow(struct buf *b, size_t more)
{
    size_t cap = b->cap > 0 ? b->cap : BUF_FIRST_BYTES;

    assert(more <= SIZE_MAX / 4 && b->len <= SIZE_MAX / 4);
    while (cap - b->len < more)
        cap *= 2;
    if (cap != b->cap) {
        b->p = mem_realloc(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->len;
}

void buf_append_u64(struct buf *b, uint64_t n)
{
    char digits[20]; /* of 2^64 - 1 */
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    buf_append(b, digits + at, sizeof(digits) - at);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    int len;

    va_start(args, fmt);
    va_copy(again, args);
    /* Most lines fit into what is there, and are formatted once. */
    (void)buf_reserve(b, 1);
    len = vsnprintf(b->p + b->len, b->cap - b->len, fmt, args);
    assert(len >= 0);
    if ((size_t)len >= b->cap - b->len)
        (void)vsnprintf(buf_reserve(b, (size_t)len + 1), (size_t)len + 1, fmt, again);
    b->len += (size_t)len;
    va_end(again);
    va_end(args);
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len);
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->len - n);
    b->len -= n;
}

char *buf_take(struct buf *b, size_t *ret_len)
{
    char *taken;

    *buf_reserve(b, 1) = '\0';
    taken = b->p;
    *ret_len = b->len;
    *b = (struct buf){0};
    return taken;
}
