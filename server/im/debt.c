#include "server/im/debt.h"

#include <assert.h>

#include "common/mem.h"
#include "server/im/offline.h"

static struct debt *make(struct account *a, uint64_t id)
{
    struct debt *d = mem_zalloc(sizeof(*d));

    account_pin(a);
    d->a = a;
    d->id = id;
    d->since_ms = worker_now_ms(a->worker);
    d->holders = 1;
    return d;
}

struct debt *debt_new(struct account *a, struct stanza *st)
{
    struct debt *d = make(a, worker_next_id(a->worker));

    d->st = stanza_ref(st);
    return d;
}

struct debt *debt_of_stored(struct account *a, uint64_t id, uint32_t bytes)
{
    struct debt *d = make(a, id);

    d->bytes = bytes;
    d->state = DEBT_STORED;
    return d;
}

struct debt *debt_hold(struct debt *d)
{
    d->holders++;
    return d;
}

void debt_drop(struct debt **own_d)
{
    struct debt *d = *own_d;

    *own_d = NULL;
    if (d == NULL || --d->holders > 0)
        return;
    assert(d->state != DEBT_STORING);
    if (!d->is_paid && d->state == DEBT_OPEN) {
        offline_store(d->a, d->st, d->id);
        d->st = NULL;
    }
    stanza_unref(&d->st);
    account_unpin(d->a);
    free(d);
}

static void on_stored(void *ctx, enum ln_err err)
{
    struct debt *d = ctx;

    d->state = err == LN_OK ? DEBT_STORED : DEBT_OPEN;
    if (err == LN_OK)
        stanza_unref(&d->st);
    else if (!d->is_paid) /* what was paid has been taken from the count already */
        offline_uncount(d->a, d->bytes);
    debt_drop(&d);
}

void debt_store(struct debt *d, struct str sent_as)
{
    if (d->state != DEBT_OPEN || d->is_paid || !account_is_lasting(d->a))
        return;
    d->state = DEBT_STORING;
    d->bytes = offline_append(d->a, d->st, d->id, sent_as, on_stored, debt_hold(d));
}

void debt_pay(struct debt *d)
{
    if (d->is_paid)
        return;
    d->is_paid = true;
    stanza_unref(&d->st);
    /* Also while the commit is under way: the removal comes behind it. */
    if (d->state != DEBT_OPEN)
        offline_remove(d->a, d->id, d->bytes);
}
