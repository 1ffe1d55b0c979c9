/* common/buf.h - bytes that grow at the end.
 *
 * What is built (a reply, a record, a line of log) is appended here. Zero-initialised is empty and valid. */
#ifndef LINNET_COMMON_BUF_H
#define LINNET_COMMON_BUF_H

#include "common/str.h"

struct buf {
    char *p; /* owned; NULL while nothing was ever appended */
    size_t len;
    size_t cap;
};

void buf_deinit(struct buf *b);
/* Empties it and keeps the memory. */
static inline void buf_clear(struct buf *b)
{
    b->len = 0;
}
/* What buf_reserve() does when there is no room left. */
char *buf_grow(struct buf *b, size_t more);
/* Room for `more` bytes behind the end: returns where they go; add them with `b->len += n`. */
static inline char *buf_reserve(struct buf *b, size_t more)
{
    return more < b->cap - b->len ? b->p + b->len : buf_grow(b, more);
}
static inline void buf_append(struct buf *b, const void *p, size_t len)
{
    if (len == 0)
        return;
    memcpy(buf_reserve(b, len), p, len);
    b->len += len;
}
static inline void buf_append_str(struct buf *b, struct str s)
{
    buf_append(b, s.p, s.len);
}
static inline void buf_append_cstr(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}
static inline void buf_append_char(struct buf *b, char c)
{
    *buf_reserve(b, 1) = c;
    b->len++;
}
void buf_append_u64(struct buf *b, uint64_t n);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Removes the first `n` bytes (n <= len), moving the rest to the front. */
void buf_consume(struct buf *b, size_t n);
/* Moves the bytes out with a NUL behind them (not counted); `b` is empty after. The caller frees. */
char *buf_take(struct buf *b, size_t *ret_len);
/* Borrowed until the next call that changes `b`. */
static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->p, b->len};
}

#endif
