#include "server/im/batch.h"

#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "server/im/receipt.h"
#include "server/im/router.h"
#include "server/im/shard.h"

struct entry {
    struct stanza *st; /* NULL: a receipt. One reference for all entries in a row that have the same */
    struct jid to;     /* its bytes: in the stanza, or in the batch's arena */
    uint64_t session;
    uint32_t seq;
};

enum {
    ENTRY_COST = 128,
    FIRST_ENTRIES = 12,
};

struct batch {
    struct task task;
    struct worker *from, *to;
    struct arena *addresses; /* NULL: none was copied */
    size_t bytes;
    size_t n, cap;
    struct entry *entries; /* `first`, while these are enough: freeing on another thread is what allocators do worst */
    struct entry first[FIRST_ENTRIES];
};

void batch_links_init(struct batch_links *links, unsigned n_workers)
{
    links->n = n_workers;
    links->to = mem_zalloc(n_workers * sizeof(*links->to));
}

void batch_links_deinit(struct batch_links *links)
{
    for (unsigned i = 0; i < links->n; i++) {
        struct batch_link *l = &links->to[i];

        for (size_t k = 0; k < l->n_held; k++)
            session_unref(&l->held[k]);
        free(l->held);
        assert(l->open == NULL);
    }
    free(links->to);
}

/* ---- at the source ---- */

static void grow(struct batch *b)
{
    struct entry *old = b->entries == b->first ? NULL : b->entries;

    b->cap *= 2;
    b->entries = mem_realloc(old, b->cap * sizeof(*b->entries));
    if (old == NULL)
        memcpy(b->entries, b->first, sizeof(b->first));
}

static struct batch *open_batch(struct worker *w, struct worker *dest)
{
    struct batch_link *l = &shard_of(w)->links.to[dest->index];
    struct batch *b = l->open;

    if (b == NULL) {
        b = mem_alloc(sizeof(*b));
        b->from = w;
        b->to = dest;
        b->addresses = NULL;
        b->bytes = b->n = 0;
        b->entries = b->first;
        b->cap = FIRST_ENTRIES;
        l->open = b;
    }
    return b;
}

static struct entry *add(struct batch *b)
{
    if (b->n == b->cap)
        grow(b);
    return &b->entries[b->n++];
}

size_t batch_cost(const struct stanza *st)
{
    return ENTRY_COST + st->root->outer.len;
}

/* Then the entry before holds a reference for this one, too. */
static bool has_just_got(const struct batch *b, const struct stanza *st)
{
    return b->n > 0 && b->entries[b->n - 1].st == st;
}

void batch_deliver(struct worker *w, struct worker *dest, struct stanza *own_st)
{
    struct batch *b = open_batch(w, dest);
    bool is_one_too_many = has_just_got(b, own_st);

    *add(b) = (struct entry){.st = own_st, .to = own_st->to};
    b->bytes += batch_cost(own_st);
    if (is_one_too_many)
        stanza_unref(&own_st);
}

void batch_deliver_copy(struct worker *w, struct worker *dest, struct stanza *st, const struct jid *to)
{
    struct batch *b = open_batch(w, dest);
    bool is_next_copy = has_just_got(b, st);
    struct entry *e = add(b);

    *e = (struct entry){.st = is_next_copy ? st : stanza_ref(st), .to = *to};
    if (b->addresses == NULL)
        b->addresses = arena_new(1024);
    e->to.full = arena_copy(b->addresses, to->full);
    b->bytes += batch_cost(st);
}

void batch_settled(struct worker *w, struct worker *dest, uint64_t session, uint32_t seq)
{
    *add(open_batch(w, dest)) = (struct entry){.session = session, .seq = seq};
}

static void run_batch(struct task *own_task);

void batch_post_all(struct worker *w)
{
    struct batch_links *links = &shard_of(w)->links;

    for (unsigned i = 0; i < links->n; i++) {
        struct batch *b = links->to[i].open;

        if (b == NULL)
            continue;
        links->to[i].open = NULL;
        b->task.run = run_batch;
        atomic_fetch_add(&links->to[i].in_flight, (int64_t)b->bytes);
        executor_post(&b->to->executor, &b->task);
    }
}

static bool is_behind(const struct worker *w, const struct worker *dest)
{
    struct shard *shard = shard_of(w);
    struct batch_link *l = &shard->links.to[dest->index];

    if (w == dest)
        return shard->storage_pending > STORAGE_HIGH_BYTES;
    return atomic_load_explicit(&l->in_flight, memory_order_relaxed) + (l->open != NULL ? (int64_t)l->open->bytes : 0) >
           BATCH_HIGH_BYTES;
}

static void release_held(struct batch_link *l)
{
    for (size_t i = 0; i < l->n_held; i++) {
        if (l->held[i]->conn != NULL)
            conn_release(l->held[i]->conn, CONN_HOLD_SHARD);
        session_unref(&l->held[i]);
    }
    l->n_held = 0;
}

void batch_hold_if_behind(struct session *s, const struct worker *dest)
{
    struct worker *w = s->worker;
    struct batch_link *l = &shard_of(w)->links.to[dest->index];

    if (!is_behind(w, dest) || s->conn == NULL)
        return;
    conn_hold(s->conn, CONN_HOLD_SHARD);
    for (size_t i = 0; i < l->n_held; i++) {
        if (l->held[i] == s)
            return; /* it was let go by another worker that it waited for, too */
    }
    if (l->n_held == l->held_cap) {
        l->held_cap = l->held_cap == 0 ? 16 : 2 * l->held_cap;
        l->held = mem_realloc(l->held, l->held_cap * sizeof(struct session *));
    }
    l->held[l->n_held++] = session_ref(s);
    if (w == dest)
        return; /* batch_storage_settled() comes by itself */
    atomic_store(&l->is_awaited, true);
    /* The destination may have caught up before it could see that somebody waits. What is still open in this turn has
     * not been counted yet: posting it keeps the destination busy, and it looks again behind it. */
    if (l->open == NULL && atomic_load(&l->in_flight) < BATCH_LOW_BYTES && atomic_exchange(&l->is_awaited, false))
        release_held(l);
}

void batch_hold_if_any_behind(struct session *s)
{
    const struct server *server = s->worker->server;

    for (unsigned i = 0; i < server->n_workers; i++)
        batch_hold_if_behind(s, server->workers[i]);
}

bool batch_is_any_behind(const struct worker *w)
{
    for (unsigned i = 0; i < w->server->n_workers; i++) {
        if (is_behind(w, w->server->workers[i]))
            return true;
    }
    return false;
}

/* ---- at the destination ---- */

static void on_caught_up(struct worker *w, void *arg)
{
    const struct worker *dest = arg;

    release_held(&shard_of(w)->links.to[dest->index]);
}

static void give_back(struct worker *w, struct worker *from, int64_t bytes)
{
    struct batch_link *l = &shard_of(from)->links.to[w->index];
    int64_t left = atomic_fetch_sub(&l->in_flight, bytes) - bytes;

    if (left < BATCH_LOW_BYTES && atomic_exchange(&l->is_awaited, false))
        worker_call(from, on_caught_up, w);
}

static void run_batch(struct task *own_task)
{
    struct batch *b = container_of(own_task, struct batch, task);
    struct worker *w = b->to;
    struct shard *shard = shard_of(w);

    counter_add(&w->counters.batches_in, 1);
    for (size_t i = 0; i < b->n; i++) {
        struct entry *e = &b->entries[i];

        if (e->st == NULL) {
            receipt_mark(shard, e->session, e->seq);
            continue;
        }
        router_deliver_local(w, e->st, &e->to);
        if (i + 1 == b->n || b->entries[i + 1].st != e->st) /* the last of those that share a reference */
            stanza_unref(&e->st);
    }
    if (shard->storage_pending > STORAGE_HIGH_BYTES)
        shard->links.to[b->from->index].owed_back += (int64_t)b->bytes;
    else
        give_back(w, b->from, (int64_t)b->bytes);
    if (b->addresses != NULL)
        arena_free(&b->addresses);
    if (b->entries != b->first)
        free(b->entries);
    free(b);
}

void batch_storage_begin(struct worker *w, size_t bytes)
{
    shard_of(w)->storage_pending += bytes;
}

void batch_storage_settled(struct worker *w, size_t bytes)
{
    struct shard *shard = shard_of(w);

    assert(shard->storage_pending >= bytes);
    shard->storage_pending -= bytes;
    if (shard->storage_pending >= STORAGE_LOW_BYTES)
        return;
    for (unsigned i = 0; i < shard->links.n; i++) {
        int64_t owed = shard->links.to[i].owed_back;

        shard->links.to[i].owed_back = 0;
        if (owed > 0)
            give_back(w, w->server->workers[i], owed);
    }
    release_held(&shard->links.to[w->index]);
}
