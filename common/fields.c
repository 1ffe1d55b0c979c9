#include "common/fields.h"

void fields_put(struct buf *out, const char *name, struct str value)
{
    buf_append_cstr(out, name);
    buf_append_char(out, '=');
    buf_append_u64(out, value.len);
    buf_append_char(out, ':');
    buf_append_str(out, value);
    buf_append_char(out, '\n');
}

void fields_put_u64(struct buf *out, const char *name, uint64_t value)
{
    struct buf digits = {0};

    buf_append_u64(&digits, value);
    fields_put(out, name, buf_str(&digits));
    buf_deinit(&digits);
}

/* What stands in front of the first `end`, which is taken off, too. */
static bool take_until(struct str *rest, char end, struct str *ret)
{
    ptrdiff_t at = str_find(*rest, end);

    if (at < 0)
        return false;
    *ret = str_make(rest->p, (size_t)at);
    *rest = str_make(rest->p + at + 1, rest->len - (size_t)at - 1);
    return true;
}

bool fields_next(struct str *rest, struct field *ret)
{
    struct str left = *rest, digits;
    uint64_t len;

    if (!take_until(&left, '=', &ret->name) || !take_until(&left, ':', &digits) ||
        !str_to_u64(digits, UINT32_MAX, &len) || len >= left.len || left.p[len] != '\n')
        return false;
    ret->value = str_make(left.p, (size_t)len);
    *rest = str_make(left.p + len + 1, left.len - (size_t)len - 1);
    return true;
}

bool fields_find(struct str record, const char *name, struct str *ret)
{
    struct field f;

    while (fields_next(&record, &f)) {
        if (str_is(f.name, name)) {
            *ret = f.value;
            return true;
        }
    }
    return false;
}

uint64_t fields_find_u64(struct str record, const char *name, uint64_t fallback)
{
    struct str value;
    uint64_t n;

    return fields_find(record, name, &value) && str_to_u64(value, UINT64_MAX, &n) ? n : fallback;
}
