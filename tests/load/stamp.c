#include "tests/load/stamp.h"

#include <time.h>

uint64_t load_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const char padding[] = "abcdefghijklmnopqrstuvwxyz0123456789 ";

void stamp_write(struct buf *out, const struct stamp *s, size_t size)
{
    size_t start = out->len;

    buf_append_u64(out, s->flow);
    buf_append_char(out, ' ');
    buf_append_u64(out, s->direction);
    buf_append_char(out, ' ');
    buf_append_u64(out, s->number);
    buf_append_char(out, ' ');
    buf_append_u64(out, s->ns);
    if (out->len - start < size) /* a space, so that the padding is no part of the last figure */
        buf_append_char(out, ' ');
    while (out->len - start < size) {
        size_t left = size - (out->len - start);
        buf_append(out, padding, left < sizeof(padding) - 1 ? left : sizeof(padding) - 1);
    }
}

/* Reads digits at *p, and steps over them and one space behind them. */
static bool read_number(const char **p, const char *end, uint64_t *ret)
{
    const char *start = *p;
    uint64_t n = 0;

    while (*p < end && **p >= '0' && **p <= '9')
        n = n * 10 + (uint64_t)(*(*p)++ - '0');
    *ret = n;
    bool is_number = *p > start && *p - start < 20;
    if (*p < end && **p == ' ')
        (*p)++;
    return is_number;
}

bool stamp_read(struct str text, struct stamp *ret)
{
    const char *p = text.p, *end = text.p + text.len;

    return text.len > 0 && read_number(&p, end, &ret->flow) && read_number(&p, end, &ret->direction) &&
           read_number(&p, end, &ret->number) && read_number(&p, end, &ret->ns);
}

bool flow_receive(struct flow *f, uint64_t number, struct flow_totals *totals)
{
    if (number >= f->next) {
        uint64_t skipped = number - f->next;
        f->missing += skipped;
        f->recent = skipped >= 63 ? 1 : f->recent << (skipped + 1) | 1;
        f->next = number + 1;
        return skipped == 0;
    }
    uint64_t bit = f->next - 1 - number;
    if (bit >= 64 || (f->recent >> bit & 1) != 0) {
        totals->duplicated++;
        return false;
    }
    f->recent |= UINT64_C(1) << bit;
    f->missing--;
    totals->out_of_order++;
    return false;
}

void flow_finish(const struct flow *f, uint64_t sent, struct flow_totals *totals)
{
    totals->lost += sent - flow_received(f);
}
