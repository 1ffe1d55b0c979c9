#include "server/im/receipt.h"

#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "server/im/batch.h"
#include "server/im/shard.h"
#include "server/im/unacked.h"

struct receipts {
    struct session *session;
    uint32_t received; /* numbers given, modulo 2^32 as XEP-0198 section 4 has it */
    uint32_t settled;  /* the prefix without a gap */
    uint32_t asked;    /* `received` when the client was last told a number */
    bool is_paused;
    bool was_short; /* which was less than that */
    void (*on_progress)(struct session *s);
    uint64_t done[RECEIPT_WINDOW / 64]; /* of the numbers above `settled`, by number modulo the window */
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
    r->received = r->settled = r->asked = h;
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

void receipt_expect(struct session *s, struct stanza *st)
{
    struct receipts *r;

    if (s->sm == NULL)
        return;
    r = s->sm->receipts;
    st->origin_session = s->id;
    st->origin_worker = s->worker->index;
    st->origin_seq = ++r->received;
    st->on_settled = on_settled;
    if (r->received - r->settled >= RECEIPT_WINDOW - 1 && !r->is_paused) {
        r->is_paused = true;
        session_pause(s);
    }
}

uint32_t receipts_h(struct session *s)
{
    struct receipts *r = s->sm->receipts;

    r->asked = r->received;
    r->was_short = r->settled != r->received;
    return r->settled;
}

bool receipts_are_complete(const struct session *s)
{
    return s->sm->receipts->settled == s->sm->receipts->received;
}

/* Those that are not settled yet will be all the same; but their numbers are those of what comes now. */
uint32_t receipts_rewind(struct session *s)
{
    struct receipts *r = s->sm->receipts;

    memset(r->done, 0, sizeof(r->done));
    r->received = r->asked = r->settled;
    r->was_short = false;
    if (r->is_paused) {
        r->is_paused = false;
        session_resume(s);
    }
    return r->settled;
}

static bool take_bit(struct receipts *r, uint32_t seq)
{
    uint64_t *word = &r->done[seq % RECEIPT_WINDOW / 64], bit = (uint64_t)1 << (seq % 64);
    bool is_set = (*word & bit) != 0;

    *word &= ~bit;
    return is_set;
}

static void advance(struct receipts *r)
{
    uint32_t before = r->settled;

    while (r->settled != r->received && take_bit(r, r->settled + 1))
        r->settled++;
    if (r->settled == before)
        return;
    if (r->is_paused && r->received - r->settled < RECEIPT_WINDOW / 2) {
        r->is_paused = false;
        session_resume(r->session);
    }
    if (r->was_short && r->on_progress != NULL && (int32_t)(r->settled - r->asked) >= 0)
        r->on_progress(r->session);
}

void receipt_mark(struct shard *shard, uint64_t session, uint32_t seq)
{
    struct receipts *r = hash_table_get(&shard->by_id, str_make((const char *)&session, sizeof(session)));

    if (r == NULL)
        return; /* gone, and nobody is left to be told */
    if (seq - r->settled - 1 >= r->received - r->settled)
        return; /* from before receipts_rewind() */
    r->done[seq % RECEIPT_WINDOW / 64] |= (uint64_t)1 << (seq % 64);
    advance(r);
}
