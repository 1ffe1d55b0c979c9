#include "server/im/ledger.h"

#include <assert.h>

#include "common/mem.h"
#include "server/control/config.h"
#include "server/im/delivery.h"
#include "server/im/hooks.h"
#include "server/im/offline.h"
#include "server/im/receipt.h"
#include "server/im/router.h"
#include "server/im/shard.h"

enum { OWED_AFTER_MS = 1000 }; /* a client with stream management gets so long to acknowledge */

struct entry {
    struct stanza *st; /* under a reference until it is safe; NULL: it is in storage */
    uint64_t id;       /* in offline storage, or on its way there; 0: not */
    uint64_t since_ms; /* worker clock */
    int64_t time_ms;   /* wall clock: for the delay stamp */
    uint32_t seq;      /* s->sent_count with it, if the client acknowledges */
    uint32_t bytes;    /* of the stored record */
    bool is_storing;
    bool has_arrived; /* but the commit that stores it is still under way */
};

struct held {
    struct stanza *st;
    char *to;
    size_t to_len;
};

struct ledger {
    struct entry *entries; /* oldest first, from `first` on */
    size_t first, end, cap;
    struct held *held;
    size_t n_held, held_cap;
};

/* ---- being there only while needed ---- */

static struct ledger *ledger_of(struct session *s)
{
    struct shard *shard = shard_of(s->worker);

    if (s->ledger != NULL)
        return s->ledger;
    s->ledger = mem_zalloc(sizeof(*s->ledger));
    s->next_tick = shard->ticking;
    s->prev_tick = &shard->ticking;
    if (s->next_tick != NULL)
        s->next_tick->prev_tick = &s->next_tick;
    shard->ticking = s;
    return s->ledger;
}

static void drop_ledger(struct session *s)
{
    struct ledger *l = s->ledger;

    *s->prev_tick = s->next_tick;
    if (s->next_tick != NULL)
        s->next_tick->prev_tick = s->prev_tick;
    s->prev_tick = NULL;
    s->ledger = NULL;
    free(l->entries);
    free(l->held);
    free(l);
}

static void drop_ledger_if_empty(struct session *s)
{
    struct ledger *l = s->ledger;

    if (l != NULL && l->first == l->end && l->n_held == 0)
        drop_ledger(s);
}

static struct entry *add_entry(struct session *s)
{
    struct ledger *l = ledger_of(s);
    struct entry *e;

    if (l->end == l->cap) {
        size_t n = l->end - l->first;

        if (l->first > 0 && n > 0)
            memmove(l->entries, l->entries + l->first, n * sizeof(*l->entries));
        l->first = 0;
        l->end = n;
        if (n * 2 >= l->cap) {
            l->cap = l->cap == 0 ? 4 : l->cap * 2;
            l->entries = mem_realloc(l->entries, l->cap * sizeof(*l->entries));
        }
    }
    e = &l->entries[l->end++];
    *e = (struct entry){.seq = s->sent_count, .since_ms = worker_now_ms(s->worker), .time_ms = wall_clock_ms()};
    if (l->end - l->first > s->worker->config->limits.sm_unacked)
        conn_cut(s->conn);
    return e;
}

/* ---- making a message safe while it is under way ---- */

struct owing {
    struct session *s;
    struct account *a;
    uint64_t id;
};

static struct entry *find_entry(const struct session *s, uint64_t id)
{
    const struct ledger *l = s->ledger;

    for (size_t i = l != NULL ? l->first : 0; l != NULL && i < l->end; i++) {
        if (l->entries[i].id == id)
            return &l->entries[i];
    }
    return NULL;
}

static void drop_arrived(struct session *s);

static void on_owed(void *ctx, enum ln_err err)
{
    struct owing *o = ctx;
    struct session *s = o->s;
    struct entry *e = find_entry(s, o->id);

    if (e != NULL) { /* otherwise the session has ended, and left it to storage */
        e->is_storing = false;
        if (err == LN_OK)
            stanza_unref(&e->st);
        else
            e->id = 0; /* tried again */
        drop_arrived(s);
        drop_ledger_if_empty(s);
    }
    account_unpin(o->a);
    session_unref(&o->s);
    free(o);
}

static void make_owed(struct session *s, struct entry *e)
{
    struct owing *o = mem_alloc(sizeof(*o));

    e->id = worker_next_id(s->worker);
    e->is_storing = true;
    *o = (struct owing){.s = session_ref(s), .a = s->account, .id = e->id};
    account_pin(s->account);
    e->bytes = offline_store_owed(s->account, e->st, e->time_ms, e->id, on_owed, o);
}

static bool keeps_offline(const struct session *s)
{
    const struct config_host *host = session_host(s);

    return host != NULL && hooks_is_on(host, "offline");
}

static void enter(struct session *s, struct stanza *st)
{
    struct entry *e = add_entry(s);

    e->st = stanza_ref(st);
    if (!s->client_acks)
        make_owed(s, e);
}

/* ---- sending ---- */

static void hold(struct session *s, struct stanza *st, struct str to)
{
    struct ledger *l = ledger_of(s);

    if (l->n_held == l->held_cap) {
        l->held_cap = l->held_cap == 0 ? 4 : 2 * l->held_cap;
        l->held = mem_realloc(l->held, l->held_cap * sizeof(*l->held));
    }
    l->held[l->n_held++] = (struct held){.st = stanza_ref(st), .to = str_dup(to), .to_len = to.len};
    if (l->n_held > s->worker->config->limits.sm_unacked)
        conn_cut(s->conn);
}

bool ledger_deliver(struct session *s, struct stanza *st, struct str to)
{
    if (s->is_replaying) {
        if (s->state == STREAM_CLOSED)
            return false;
        hold(s, st, to);
        return true;
    }
    if (!session_send(s, st, to))
        return false;
    /* Who neither acknowledges nor is waited for has nothing to enter: TCP is all that was promised. */
    if ((s->client_acks || receipt_is_awaited(st)) && delivery_is_storable(st) && (s->client_acks || keeps_offline(s)))
        enter(s, st);
    return true;
}

void ledger_enter_stored(struct session *s, uint64_t id, uint32_t bytes)
{
    struct entry *e = add_entry(s);

    e->id = id;
    e->bytes = bytes;
}

bool ledger_has(const struct session *s, uint64_t id)
{
    return find_entry(s, id) != NULL;
}

void ledger_replay_done(struct session *s)
{
    struct ledger *l = s->ledger;

    s->is_replaying = false;
    for (size_t i = 0; l != NULL && i < l->n_held; i++) {
        struct held h = l->held[i];

        if (!ledger_deliver(s, h.st, str_make(h.to, h.to_len)))
            offline_store(s->account, stanza_ref(h.st), wall_clock_ms());
        stanza_unref(&h.st);
        free(h.to);
    }
    if (l != NULL)
        l->n_held = 0;
    drop_ledger_if_empty(s);
}

/* ---- what has arrived ---- */

enum { REMOVE_BATCH = 128 };

/* Drops entries from the front as long as they have arrived and no commit is under way for them. */
static void drop_arrived(struct session *s)
{
    struct ledger *l = s->ledger;
    uint64_t ids[REMOVE_BATCH];
    uint32_t bytes[REMOVE_BATCH];
    size_t n = 0;

    while (l->first < l->end) {
        struct entry *e = &l->entries[l->first];

        if (!e->has_arrived || e->is_storing)
            break;
        if (e->id != 0) {
            ids[n] = e->id;
            bytes[n++] = e->bytes;
        }
        stanza_unref(&e->st);
        l->first++;
        if (n == REMOVE_BATCH) {
            offline_remove(s->account, ids, n, bytes);
            n = 0;
        }
    }
    if (n > 0)
        offline_remove(s->account, ids, n, bytes);
}

/* a <= b, modulo 2^32 */
static bool is_up_to(uint32_t a, uint32_t b)
{
    return (int32_t)(b - a) >= 0;
}

void ledger_on_ack(struct session *s)
{
    struct ledger *l = s->ledger;

    if (l == NULL)
        return;
    for (size_t i = l->first; i < l->end && is_up_to(l->entries[i].seq, s->acked_count); i++)
        l->entries[i].has_arrived = true;
    drop_arrived(s);
    drop_ledger_if_empty(s);
}

static void all_have_arrived(struct session *s)
{
    struct ledger *l = s->ledger;

    for (size_t i = l->first; i < l->end; i++)
        l->entries[i].has_arrived = true;
    drop_arrived(s);
}

void ledger_on_second(struct session *s)
{
    struct ledger *l = s->ledger;
    uint64_t now = worker_now_ms(s->worker);
    bool can_owe = keeps_offline(s);

    for (size_t i = l->first; can_owe && i < l->end; i++) {
        struct entry *e = &l->entries[i];

        if (e->id == 0 && receipt_is_awaited(e->st) && (!s->client_acks || now - e->since_ms >= OWED_AFTER_MS))
            make_owed(s, e);
    }
    if (!s->client_acks && conn_is_acknowledged(s->conn))
        all_have_arrived(s);
    drop_ledger_if_empty(s);
}

void ledger_end(struct session *s, bool is_clean)
{
    struct ledger *l = s->ledger;

    if (l == NULL)
        return;
    if (!s->client_acks && (conn_is_acknowledged(s->conn) || (is_clean && conn_out_bytes(s->conn) == 0)))
        all_have_arrived(s);
    for (size_t i = l->first; i < l->end; i++) {
        struct entry *e = &l->entries[i];

        if (e->id == 0)
            offline_store(s->account, stanza_ref(e->st), e->time_ms);
        stanza_unref(&e->st);
    }
    for (size_t i = 0; i < l->n_held; i++) {
        offline_store(s->account, l->held[i].st, wall_clock_ms());
        free(l->held[i].to);
    }
    s->is_replaying = false;
    drop_ledger(s);
}
