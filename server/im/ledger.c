#include "server/im/ledger.h"

#include <assert.h>

#include "common/mem.h"
#include "server/base/config.h"
#include "server/im/debt.h"
#include "server/im/delivery.h"
#include "server/im/hooks.h"
#include "server/im/offline.h"
#include "server/im/receipt.h"
#include "server/im/shard.h"
#include "server/im/unacked.h"

enum {
    OWED_AFTER_MS = 1000,   /* a client with stream management gets so long to acknowledge */
    TCP_LOOK_ENTRIES = 256, /* after so many new ones the TCP is asked between the seconds, too */
    ENTRY_BYTES = 128,      /* what an entry costs beside its stanza, for limits.out_queue_bytes */
};

struct entry {
    struct debt *debt; /* held */
    uint32_t seq;      /* s->sm->sent with it, if the client acknowledges */
    uint32_t cost;     /* in ledger.bytes */
};

/* A message that waits behind offline ones. */
struct held {
    struct stanza *st;
    struct debt *debt; /* held; NULL: nobody would miss it */
    char *to;
    size_t to_len;
};

struct ledger {
    struct session *s;
    struct ledger *next, **prev; /* the shard's list */
    struct entry *entries;       /* oldest first, from `first` on */
    size_t first, end, cap;
    struct held *held;
    size_t n_held, held_cap;
    size_t bytes;    /* that all of these cost */
    size_t n_marked; /* so many entries have arrived when the peer's TCP has acknowledged `mark` bytes; 0: none */
    uint64_t mark;
    bool is_owed; /* all entries are stored, or paid: no need to look at each of them again */
};

/* ---- being there only while needed ---- */

static struct ledger *ledger_of(struct session *s)
{
    struct shard *shard = shard_of(s->worker);
    struct ledger *l;

    if (s->ledger != NULL)
        return s->ledger;
    s->ledger = mem_zalloc(sizeof(*s->ledger));
    l = s->ledger;
    l->s = s;
    l->next = shard->ledgers;
    l->prev = &shard->ledgers;
    if (l->next != NULL)
        l->next->prev = &l->next;
    shard->ledgers = l;
    return l;
}

static void drop_ledger(struct session *s)
{
    struct ledger *l = s->ledger;

    *l->prev = l->next;
    if (l->next != NULL)
        l->next->prev = l->prev;
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

/* What waits for a client that does not take it is bounded, as in the connection's own buffer. */
static void add_bytes(struct session *s, size_t cost)
{
    s->ledger->bytes += cost;
    if (s->ledger->bytes > s->worker->config->limits.out_queue_bytes)
        session_give_up(s);
}

/* ---- entries ---- */

static void make_room(struct ledger *l)
{
    size_t n = l->end - l->first;

    if (l->end < l->cap)
        return;
    if (l->first > 0 && n > 0)
        memmove(l->entries, l->entries + l->first, n * sizeof(*l->entries));
    l->first = 0;
    l->end = n;
    if (n * 2 < l->cap)
        return;
    l->cap = l->cap == 0 ? 4 : l->cap * 2;
    l->entries = mem_realloc(l->entries, l->cap * sizeof(*l->entries));
}

static void look_at_tcp(struct session *s);

static void add_entry(struct session *s, struct debt *own_debt)
{
    struct ledger *l = ledger_of(s);
    struct entry e = {.debt = own_debt};

    /* Of a client that acknowledges, the bound is that of its queue (im/unacked.h). */
    if (s->sm != NULL)
        e.seq = s->sm->sent;
    else
        e.cost = ENTRY_BYTES + (own_debt->st != NULL ? (uint32_t)own_debt->st->root->outer.len : 0);
    make_room(l);
    l->entries[l->end++] = e;
    l->is_owed = false;
    add_bytes(s, e.cost);
    if (!s->client_acks && (l->end - l->first) % TCP_LOOK_ENTRIES == 0)
        look_at_tcp(s);
}

/* The oldest `n` have arrived. */
static void pay_first(struct ledger *l, size_t n)
{
    for (; n > 0 && l->first < l->end; n--, l->first++) {
        struct entry *e = &l->entries[l->first];

        debt_pay(e->debt);
        debt_drop(&e->debt);
        l->bytes -= e->cost;
        l->n_marked -= l->n_marked > 0;
    }
}

bool ledger_has(const struct session *s, uint64_t id)
{
    const struct ledger *l = s->ledger;

    for (size_t i = l != NULL ? l->first : 0; l != NULL && i < l->end; i++) {
        if (l->entries[i].debt->id == id)
            return true;
    }
    return false;
}

size_t ledger_unpaid(const struct session *s)
{
    return s->ledger == NULL ? 0 : s->ledger->end - s->ledger->first;
}

/* ---- sending ---- */

static bool keeps_offline(const struct session *s)
{
    const struct config_host *host = session_host(s);

    return host != NULL && hooks_listens(HOOK_MESSAGE_UNDELIVERED, host);
}

static size_t held_bytes(const struct held *h)
{
    return ENTRY_BYTES + h->st->root->outer.len;
}

static void hold(struct session *s, struct stanza *st, struct str to, struct debt **debt)
{
    struct ledger *l = ledger_of(s);
    bool is_worth_it = delivery_is_storable(st);

    if (l->n_held == l->held_cap) {
        l->held_cap = l->held_cap == 0 ? 4 : 2 * l->held_cap;
        l->held = mem_realloc(l->held, l->held_cap * sizeof(*l->held));
    }
    struct held *h = &l->held[l->n_held++];

    *h = (struct held){.st = stanza_ref(st), .to = str_dup(to), .to_len = to.len};
    if (is_worth_it)
        h->debt = *debt != NULL ? debt_hold(*debt) : debt_new(s->account, st);
    *debt = h->debt;
    add_bytes(s, held_bytes(h));
}

/* With the name of the session, if its client may come back to it, and the number `seq` of the stanza there. */
static void owe(struct session *s, struct debt *d, uint32_t seq)
{
    char name[SENT_AS_MAX];

    debt_store(d, s->sm != NULL && s->sm->may_resume ? sm_name(s->sm, seq, name) : str_make(NULL, 0));
}

static void run_hook(struct session *s, enum hook_point point, struct stanza *st)
{
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account, .stanza = st};

    (void)hooks_run(point, session_host(s), &e);
}

static void want_acknowledgement(struct session *s)
{
    run_hook(s, HOOK_ACKNOWLEDGEMENT_WANTED, NULL);
}

/* Nobody knows when the client comes back: whether its sender waits or not, the message is not kept in memory alone. */
static void wait_for_client(struct session *s, struct debt *d, struct stanza *st)
{
    if (keeps_offline(s))
        owe(s, d, s->sm->sent);
    run_hook(s, HOOK_MESSAGE_AWAITS, st);
}

static bool deliver_now(struct session *s, struct stanza *st, struct str to, struct debt **debt)
{
    if (!session_send(s, st, to))
        return false;
    /* Who neither acknowledges nor is waited for has nothing to enter: TCP is all that was promised. */
    if (!(s->client_acks || (receipt_is_awaited(st) && keeps_offline(s))) || !delivery_is_storable(st))
        return true;
    struct debt *d = *debt != NULL ? debt_hold(*debt) : debt_new(s->account, st);

    *debt = d;
    add_entry(s, d);
    if (session_is_hibernating(s))
        wait_for_client(s, d, st);
    else if (s->client_acks)
        want_acknowledgement(s);
    else
        owe(s, d, 0);
    return true;
}

bool ledger_deliver(struct session *s, struct stanza *st, struct str to, struct debt **debt)
{
    if (s->sm != NULL && s->sm->has_replay_left) {
        if (delivery_is_storable(st))
            run_hook(s, HOOK_MESSAGE_AWAITS, st);
        return false; /* its place is behind what is in offline storage */
    }
    if (s->replay == NULL)
        return deliver_now(s, st, to, debt);
    if (s->state == STREAM_CLOSED || s->is_given_up)
        return false;
    hold(s, st, to, debt);
    return true;
}

bool ledger_deliver_stored(struct session *s, uint64_t id, struct str record)
{
    if (!session_send_raw(s, record, 1))
        return false;
    add_entry(s, debt_of_stored(s->account, id, (uint32_t)record.len));
    if (s->client_acks)
        want_acknowledgement(s);
    return true;
}

/* What was delivered and is nobody's to acknowledge is done with. */
static void deliver_held(struct session *s, struct held *h)
{
    struct debt *debt = h->debt;

    if (deliver_now(s, h->st, str_make(h->to, h->to_len), &debt) && h->debt != NULL && h->debt->holders == 1)
        debt_pay(h->debt);
    debt_drop(&h->debt);
    stanza_unref(&h->st);
    free(h->to);
}

void ledger_replay_done(struct session *s)
{
    struct ledger *l = s->ledger;

    for (size_t i = 0; l != NULL && i < l->n_held; i++) {
        l->bytes -= held_bytes(&l->held[i]);
        deliver_held(s, &l->held[i]);
    }
    if (l != NULL)
        l->n_held = 0;
    drop_ledger_if_empty(s);
}

/* ---- what has arrived ---- */

/* a <= b, modulo 2^32 */
static bool is_up_to(uint32_t a, uint32_t b)
{
    return (int32_t)(b - a) >= 0;
}

void ledger_on_ack(struct session *s)
{
    struct ledger *l = s->ledger;
    size_t n = 0;

    if (l == NULL)
        return;
    while (l->first + n < l->end && is_up_to(l->entries[l->first + n].seq, s->sm->acked))
        n++;
    pay_first(l, n);
    drop_ledger_if_empty(s);
}

/* Asks the TCP of a client that does not acknowledge. A mark is set when all has been handed to the socket; when the
 * peer has acknowledged as many bytes, what was entered before the mark has arrived. A client that is sent something
 * all the time is never found without anything unacknowledged, but it passes one mark after the other. */
static void look_at_tcp(struct session *s)
{
    struct ledger *l = s->ledger;

    if (l->n_marked > 0 && conn_bytes_acknowledged(s->conn) >= l->mark)
        pay_first(l, l->n_marked);
    if (l->n_marked > 0 || conn_out_bytes(s->conn) > 0)
        return;
    l->mark = conn_bytes_sent(s->conn);
    l->n_marked = l->end - l->first;
    if (conn_bytes_acknowledged(s->conn) >= l->mark)
        pay_first(l, l->n_marked);
}

/* ---- every second ---- */

static bool is_to_be_owed(const struct session *s, const struct debt *d)
{
    if (session_is_hibernating(s))
        return true;
    return receipt_is_awaited(d->st) && (!s->client_acks || worker_now_ms(s->worker) - d->since_ms >= OWED_AFTER_MS);
}

static void owe_what_waits(struct session *s)
{
    struct ledger *l = s->ledger;
    bool is_owed = true;

    if (l->is_owed || !keeps_offline(s))
        return;
    for (size_t i = l->first; i < l->end; i++) {
        struct debt *d = l->entries[i].debt;

        if (d->st == NULL)
            continue;
        is_owed = false; /* perhaps it will be, or the commit fails */
        if (d->state == DEBT_OPEN && is_to_be_owed(s, d))
            owe(s, d, l->entries[i].seq);
    }
    l->is_owed = is_owed;
}

/* A client may answer a question before it has dealt with what came in front of it. */
static void remind_if_late(struct session *s)
{
    const struct ledger *l = s->ledger;

    if (l->first < l->end && worker_now_ms(s->worker) - l->entries[l->first].debt->since_ms >= OWED_AFTER_MS)
        want_acknowledgement(s);
}

static bool is_overdue(const struct session *s)
{
    return s->sm != NULL && s->conn != NULL && sm_is_overdue(s);
}

static struct session *find_overdue(const struct shard *shard)
{
    const struct ledger *l = shard->ledgers;

    while (l != NULL && !is_overdue(l->s))
        l = l->next;
    return l != NULL ? l->s : NULL;
}

void ledger_on_second(struct worker *w)
{
    struct shard *shard = shard_of(w);

    for (struct ledger *l = shard->ledgers, *next; l != NULL; l = next) {
        struct session *s = l->s;

        next = l->next;
        owe_what_waits(s);
        if (!s->client_acks)
            look_at_tcp(s);
        else if (s->conn != NULL)
            remind_if_late(s);
        drop_ledger_if_empty(s);
    }
    for (struct session *s; (s = find_overdue(shard)) != NULL;)
        session_close(s, STREAM_ERR_RESOURCE_CONSTRAINT, "too many stanzas are not acknowledged");
}

/* ---- while the client is away ---- */

static void drop_held(struct ledger *l)
{
    for (size_t i = 0; i < l->n_held; i++) {
        l->bytes -= held_bytes(&l->held[i]);
        debt_drop(&l->held[i].debt);
        stanza_unref(&l->held[i].st);
        free(l->held[i].to);
    }
    l->n_held = 0;
}

void ledger_hibernate(struct session *s)
{
    if (s->ledger == NULL)
        return;
    drop_held(s->ledger);
    owe_what_waits(s);
    drop_ledger_if_empty(s);
}

size_t ledger_n_owed(const struct session *s)
{
    const struct ledger *l = s->ledger;
    size_t n = 0;

    for (size_t i = l != NULL ? l->first : 0; l != NULL && i < l->end; i++)
        n += l->entries[i].debt->state != DEBT_OPEN && !l->entries[i].debt->is_paid;
    return n;
}

bool ledger_is_settled(const struct session *s)
{
    const struct ledger *l = s->ledger;

    for (size_t i = l != NULL ? l->first : 0; l != NULL && i < l->end; i++) {
        if (l->entries[i].debt->state != DEBT_STORED && !l->entries[i].debt->is_paid)
            return false;
    }
    return true;
}

bool ledger_next_owed(const struct session *s, size_t *cursor, struct ledger_owed *ret)
{
    const struct ledger *l = s->ledger;

    for (; l != NULL && l->first + *cursor < l->end; (*cursor)++) {
        const struct entry *e = &l->entries[l->first + *cursor];

        if (e->debt->state != DEBT_STORED || e->debt->is_paid)
            continue;
        *ret = (struct ledger_owed){.seq = e->seq, .id = e->debt->id, .bytes = e->debt->bytes};
        (*cursor)++;
        return true;
    }
    return false;
}

void ledger_restore(struct session *s, const struct ledger_owed *owed)
{
    struct ledger *l = ledger_of(s);

    make_room(l);
    l->entries[l->end++] = (struct entry){.debt = debt_of_stored(s->account, owed->id, owed->bytes), .seq = owed->seq};
}

/* ---- the end ---- */

void ledger_end(struct session *s, bool is_clean)
{
    struct ledger *l = s->ledger;

    if (l == NULL)
        return;
    if (!s->client_acks)
        look_at_tcp(s);
    if (!s->client_acks && is_clean && conn_out_bytes(s->conn) == 0)
        pay_first(l, l->end - l->first);
    for (; l->first < l->end; l->first++)
        debt_drop(&l->entries[l->first].debt);
    drop_held(l);
    drop_ledger(s);
}
