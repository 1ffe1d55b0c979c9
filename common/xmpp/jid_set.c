#include "common/xmpp/jid_set.h"

#include "common/mem.h"

void jid_set_deinit(struct jid_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        free((void *)(uintptr_t)set->items[i].p);
    free(set->items);
    *set = (struct jid_set){0};
}

/* Where it is (*ret_found), or belongs. */
static size_t find(const struct jid_set *set, struct str jid, bool *ret_found)
{
    size_t low = 0, high = set->n;

    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(jid, set->items[middle]);

        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool jid_set_has(const struct jid_set *set, struct str jid)
{
    bool is_there;

    (void)find(set, jid, &is_there);
    return is_there;
}

bool jid_set_covers(const struct jid_set *set, const struct jid *who)
{
    if (set->n == 0)
        return false;
    return jid_set_has(set, jid_full(who)) || (!jid_is_bare(who) && jid_set_has(set, jid_bare(who))) ||
           (who->local_len > 0 && jid_set_has(set, jid_domain(who)));
}

bool jid_set_add(struct jid_set *set, struct str jid)
{
    bool is_there;
    size_t at = find(set, jid, &is_there);

    if (is_there)
        return false;
    if (set->n == set->cap) {
        set->cap = set->cap == 0 ? 8 : 2 * set->cap;
        set->items = mem_realloc(set->items, set->cap * sizeof(*set->items));
    }
    if (at < set->n)
        memmove(&set->items[at + 1], &set->items[at], (set->n - at) * sizeof(*set->items));
    set->items[at] = str_make(str_dup(jid), jid.len);
    set->n++;
    set->bytes += jid.len;
    return true;
}

bool jid_set_remove(struct jid_set *set, struct str jid)
{
    bool is_there;
    size_t at = find(set, jid, &is_there);

    if (!is_there)
        return false;
    set->bytes -= jid.len;
    free((void *)(uintptr_t)set->items[at].p);
    set->n--;
    if (at < set->n)
        memmove(&set->items[at], &set->items[at + 1], (set->n - at) * sizeof(*set->items));
    return true;
}

void jid_set_encode(struct buf *out, const struct jid_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        buf_append_str(out, set->items[i]);
        buf_append_char(out, '\n');
    }
}

/* What was written is sorted, so nothing has to be moved. */
void jid_set_decode(struct jid_set *set, struct str lines)
{
    ptrdiff_t len;

    while ((len = str_find(lines, '\n')) >= 0) {
        if (len > 0)
            (void)jid_set_add(set, str_make(lines.p, (size_t)len));
        lines = str_make(lines.p + len + 1, lines.len - (size_t)len - 1);
    }
}

struct jid_set jid_set_copy(const struct jid_set *set)
{
    struct jid_set copy = {0};

    for (size_t i = 0; i < set->n; i++)
        (void)jid_set_add(&copy, set->items[i]);
    return copy;
}
