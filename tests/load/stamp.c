#include "tests/load/stamp.h"

#include <time.h>

uint64_t load_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const char padding[] =
    "the quick brown fox jumps over the lazy dog, again and again and again, until the line is full; ";

/* The figures and a space behind them, written backwards to `end`, two at a time: a message has four numbers, and they
 * would be a good part of what it costs. */
static char *write_number(char *end, uint64_t n)
{
    static const char pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444"
        "5464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990"
        "919293949596979899";

    *--end = ' ';
    for (; n >= 100; n /= 100) {
        end -= 2;
        memcpy(end, &pairs[n % 100 * 2], 2);
    }
    *--end = (char)('0' + n % 10);
    if (n >= 10)
        *--end = (char)('0' + n / 10);
    return end;
}

void stamp_write(struct buf *out, const struct stamp *s, size_t size)
{
    char numbers[4 * 21], *end = numbers + sizeof(numbers), *p = end;

    p = write_number(p, s->ns);
    p = write_number(p, s->number);
    p = write_number(p, s->direction);
    p = write_number(p, s->flow);
    size_t len = (size_t)(end - p);
    if (len > size) /* the last space is padding already */
        len--;
    buf_append(out, p, len);
    for (size_t left = size > len ? size - len : 0; left > 0;) {
        size_t n = left < sizeof(padding) - 1 ? left : sizeof(padding) - 1;
        buf_append(out, padding, n);
        left -= n;
    }
}

/* Reads digits at *at, and steps over them and one space behind them. */
static bool read_number(const char **at, const char *end, uint64_t *ret)
{
    const char *p = *at;
    uint64_t n = 0;

    for (; p < end && (unsigned char)(*p - '0') < 10; p++)
        n = n * 10 + (uint64_t)(*p - '0');
    bool is_number = p > *at && p - *at < 20;
    *ret = n;
    *at = p < end && *p == ' ' ? p + 1 : p;
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
