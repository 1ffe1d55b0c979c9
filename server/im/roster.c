#include "server/im/roster.h"

#include <assert.h>

#include "common/mem.h"
#include "server/im/roster_change.h"
#include "server/storage/storage.h"

void roster_init(struct roster *r, const struct siphash_key *key)
{
    *r = (struct roster){0};
    hash_table_init(&r->items, key);
    r->last_change = &r->first_change;
}

void roster_clear(struct roster *r)
{
    struct roster_item *item;
    struct siphash_key key = r->items.key;

    for (size_t cursor = 0; (item = hash_table_next(&r->items, &cursor)) != NULL;)
        roster_item_free(&item);
    hash_table_deinit(&r->items);
    hash_table_init(&r->items, &key);
    r->version = 0;
    r->n_listed = r->n_pending = 0;
    r->pending_bytes = 0;
}

void roster_deinit(struct roster *r)
{
    assert(r->first_change == NULL);
    roster_clear(r);
    hash_table_deinit(&r->items);
}

static void count(struct roster *r, const struct roster_item *item, int by)
{
    if (item == NULL)
        return;
    if ((item->state & SUB_LISTED) != 0)
        r->n_listed = (uint32_t)((int)r->n_listed + by);
    if ((item->state & SUB_PENDING_IN) != 0)
        r->n_pending = (uint32_t)((int)r->n_pending + by);
    r->pending_bytes = (size_t)((ptrdiff_t)r->pending_bytes + by * (ptrdiff_t)item->request_len);
}

void roster_put(struct roster *r, struct roster_item *own_item)
{
    struct roster_item *old;

    count(r, own_item, 1);
    old = hash_table_put(&r->items, roster_item_jid(own_item), own_item);
    count(r, old, -1);
    roster_item_free(&old);
}

void roster_remove(struct roster *r, struct str jid)
{
    struct roster_item *old = hash_table_remove(&r->items, jid);

    count(r, old, -1);
    roster_item_free(&old);
}

enum ln_err roster_load(struct roster *r, const struct storage_rows *rows)
{
    enum ln_err worst = LN_OK;

    for (size_t i = 0; i < rows->n; i++) {
        const struct storage_row *row = &rows->rows[i];
        struct roster_item *item;
        uint64_t version;

        if (str_eq(row->key, ROSTER_VERSION_KEY)) {
            if (str_to_u64(row->bytes, UINT64_MAX, &version))
                r->version = version;
        } else if (roster_item_decode(row->key, row->bytes, &item) == LN_OK) {
            roster_put(r, item);
        } else {
            worst = LN_E_CORRUPT;
        }
    }
    return worst;
}

struct roster_item *roster_get(const struct roster *r, struct str jid)
{
    return hash_table_get(&r->items, jid);
}

bool roster_is_subscriber(const struct roster *r, struct str contact)
{
    const struct roster_item *item = roster_get(r, contact);

    return item != NULL && (item->state & SUB_FROM) != 0;
}

struct roster_item *roster_next(const struct roster *r, size_t *cursor)
{
    return hash_table_next(&r->items, cursor);
}
