#include "server/im/receipt.h"

#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "server/im/batch.h"
#include "server/im/shard.h"
#include "server/im/unacked.h"

enum { RING_MIN = 16 };

/* What is known of a number that is not settled. */
struct number {
    uint32_t print;   /* of the stanza, by which it is known when the client sends it again */
    uint32_t awaited; /* words that have to come back before it is settled: one for each stanza that had this number */
};

/* All counts modulo 2^32, as XEP-0198 section 4 has it. settled <= received <= high, and so is `again`. */
struct receipts {
    struct session *session;
    uint32_t received; /* numbers given */
    uint32_t settled;  /* the prefix without a gap */
    uint32_t again;    /* after receipts_rewind(): up to this one, the client is to send what it sent before */
    uint32_t high;     /* up to this one, something is in the ring */
    uint32_t asked;    /* `received` when the client was last told a number */
    uint32_t ring_cap; /* a power of two */
    bool is_paused;
    bool was_short;      /* it was told less than that */
    struct number *ring; /* of the numbers above `settled`, by number modulo ring_cap */
    void (*on_progress)(struct session *s);
};

static struct str key_of(const struct session *s)
{
    return str_make((const char *)&s->id, sizeof(s->id));
}

void receipts_start(struct session *s, uint32_t h, void (*on_progress)(struct session *s))
{
    struct receipts *r = mem_zalloc(sizeof(*r));

    assert(s->sm != NULL && s->sm->receipts == NULL);
    r->session = s;
    r->on_progress = on_progress;
    r->received = r->settled = r->again = r->high = r->asked = h;
    s->sm->receipts = r;
    (void)hash_table_put(&shard_of(s->worker)->by_id, key_of(s), r);
}

void receipts_set_on_progress(struct session *s, void (*on_progress)(struct session *s))
{
    s->sm->receipts->on_progress = on_progress;
}

void receipts_stop(struct session *s)
{
    if (s->sm == NULL || s->sm->receipts == NULL)
        return;
    (void)hash_table_remove(&shard_of(s->worker)->by_id, key_of(s));
    if (s->sm->receipts->is_paused)
        session_resume(s);
    free(s->sm->receipts->ring);
    free(s->sm->receipts);
    s->sm->receipts = NULL;
}

static void on_settled(const struct stanza *st)
{
    struct worker *here = worker_current(), *origin;

    if (here == NULL)
        return; /* the server has stopped, and with it the session that asked */
    origin = here->server->workers[st->origin_worker];
    if (origin == here)
        receipt_mark(shard_of(here), st->origin_session, st->origin_seq);
    else
        batch_settled(here, origin, st->origin_session, st->origin_seq);
}

/* ---- the ring ---- */

/* a <= b, modulo 2^32 */
static bool is_up_to(uint32_t a, uint32_t b)
{
    return (int32_t)(b - a) >= 0;
}

static struct number *number_at(const struct receipts *r, uint32_t seq)
{
    return &r->ring[seq & (r->ring_cap - 1)];
}

static void grow_ring(struct receipts *r)
{
    struct receipts old = *r;

    r->ring_cap = old.ring_cap == 0 ? RING_MIN : 2 * old.ring_cap;
    r->ring = mem_zalloc(r->ring_cap * sizeof(*r->ring));
    for (uint32_t seq = r->settled; seq != r->high;) {
        seq++;
        *number_at(r, seq) = *number_at(&old, seq);
    }
    free(old.ring);
}

/* One that had much under way keeps no memory for it. */
static void trim_ring(struct receipts *r)
{
    if (r->settled != r->high || r->ring_cap <= RING_MIN)
        return;
    free(r->ring);
    r->ring = NULL;
    r->ring_cap = 0;
}

/* ---- what came ---- */

/* Its id and addressee, if it has an id: clients add the time to what they send again. */
static uint32_t print_of(const struct session *s, const struct stanza *st)
{
    const struct siphash_key *key = &s->worker->server->table_key;

    if (!s->sm->may_resume)
        return 0;
    if (st->id.len == 0)
        return (uint32_t)siphash(key, st->root->outer);
    return (uint32_t)(siphash(key, st->id) + 3 * siphash(key, xml_attr(st->root, "to", NULL)) + (uint64_t)st->kind);
}

static void pause_if_full(struct receipts *r)
{
    if (r->received - r->settled < RECEIPT_WINDOW - 1 || r->is_paused)
        return;
    r->is_paused = true;
    session_pause(r->session);
}

static void resume(struct receipts *r)
{
    if (!r->is_paused)
        return;
    r->is_paused = false;
    session_resume(r->session);
}

static void advance(struct receipts *r)
{
    uint32_t before = r->settled;

    while (r->settled != r->received && number_at(r, r->settled + 1)->awaited == 0)
        r->settled++;
    trim_ring(r);
    if (r->settled == before)
        return;
    if (r->received - r->settled < RECEIPT_WINDOW / 2)
        resume(r);
    if (r->was_short && r->on_progress != NULL && is_up_to(r->asked, r->settled))
        r->on_progress(r->session);
}

/* The number is new, or was that of a stanza that the client has given up: then it waits for both. */
static void expect(struct receipts *r, uint32_t seq, uint32_t print)
{
    if (seq - r->settled > r->ring_cap)
        grow_ring(r);
    struct number *n = number_at(r, seq);

    if (!is_up_to(seq, r->high)) {
        n->awaited = 0;
        r->high = seq;
    }
    n->awaited++;
    n->print = print;
}

bool receipt_expect(struct session *s, struct stanza *st)
{
    struct receipts *r;
    uint32_t print, seq;
    bool is_again;

    if (s->sm == NULL)
        return true;
    r = s->sm->receipts;
    print = print_of(s, st);
    seq = ++r->received;
    is_again = is_up_to(seq, r->again) && number_at(r, seq)->print == print;
    if (is_again) {
        advance(r);
    } else {
        r->again = seq; /* from here on it goes its own way */
        expect(r, seq, print);
        st->origin_session = s->id;
        st->origin_worker = s->worker->index;
        st->origin_seq = seq;
        st->on_settled = on_settled;
    }
    pause_if_full(r);
    return !is_again;
}

/* ---- what is safe ---- */

uint32_t receipts_h(struct session *s)
{
    struct receipts *r = s->sm->receipts;

    r->asked = r->received;
    r->was_short = r->settled != r->received;
    return r->settled;
}

bool receipts_are_complete(const struct session *s)
{
    const struct receipts *r = s->sm->receipts;

    for (uint32_t seq = r->settled; seq != r->high;) {
        if (number_at(r, ++seq)->awaited > 0)
            return false;
    }
    return true;
}

uint32_t receipts_rewind(struct session *s)
{
    struct receipts *r = s->sm->receipts;

    r->was_short = false;
    /* What it was to send again and had no time to has come before. */
    if (is_up_to(r->received, r->again))
        r->received = r->again;
    advance(r);
    resume(r);
    r->again = r->received;
    r->received = r->asked = r->settled;
    return r->settled;
}

void receipt_mark(struct shard *shard, uint64_t session, uint32_t seq)
{
    struct receipts *r = hash_table_get(&shard->by_id, str_make((const char *)&session, sizeof(session)));

    if (r == NULL)
        return; /* gone, and nobody is left to be told */
    if (seq - r->settled - 1 >= r->high - r->settled || number_at(r, seq)->awaited == 0)
        return;
    number_at(r, seq)->awaited--;
    advance(r);
}
