#include "common/str.h"

#include "common/mem.h"

int str_cmp(struct str a, struct str b)
{
    size_t both = a.len < b.len ? a.len : b.len;
    int diff = both > 0 ? memcmp(a.p, b.p, both) : 0;

    if (diff != 0)
        return diff;
    return (a.len > b.len) - (a.len < b.len);
}

/* Not tolower(), which follows the locale. */
static unsigned char ascii_lower(char c)
{
    unsigned char u = (unsigned char)c;

    return u >= 'A' && u <= 'Z' ? u | 0x20u : u;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    }
    return true;
}

bool str_starts(struct str a, struct str prefix)
{
    return a.len >= prefix.len && str_eq(str_make(a.p, prefix.len), prefix);
}

ptrdiff_t str_find(struct str a, char c)
{
    const char *at = a.len > 0 ? memchr(a.p, c, a.len) : NULL;

    return at == NULL ? -1 : at - a.p;
}

static bool is_xml_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str a)
{
    while (a.len > 0 && is_xml_space(a.p[a.len - 1]))
        a.len--;
    while (a.len > 0 && is_xml_space(a.p[0])) {
        a.p++;
        a.len--;
    }
    return a;
}

char *str_dup(struct str a)
{
    return mem_strndup(a.p, a.len);
}

bool str_to_u64(struct str a, uint64_t max, uint64_t *ret)
{
    uint64_t n = 0;

    if (a.len == 0)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        unsigned digit = (unsigned char)a.p[i] - (unsigned)'0';

        if (digit > 9 || digit > max || n > (max - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *ret = n;
    return true;
}

bool str_to_i64(struct str a, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = a.len > 0 && a.p[0] == '-';
    bool has_sign = negative || (a.len > 0 && a.p[0] == '+');
    uint64_t magnitude;
    int64_t n;

    if (has_sign)
        a = str_make(a.p + 1, a.len - 1);
    /* The magnitude of INT64_MIN is one more than INT64_MAX, so it is negated before it becomes signed. */
    if (!str_to_u64(a, negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX, &magnitude))
        return false;
    n = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    if (n < min || n > max)
        return false;
    *ret = n;
    return true;
}

bool str_eq_secret(struct str a, struct str b)
{
    /* volatile: the compiler may not leave the loop at the first difference */
    volatile unsigned char diff = 0;

    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        diff = (unsigned char)(diff | ((unsigned char)a.p[i] ^ (unsigned char)b.p[i]));
    return diff == 0;
}
