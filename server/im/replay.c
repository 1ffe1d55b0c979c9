#include "server/im/replay.h"

#include "common/mem.h"
#include "server/base/log.h"
#include "server/im/ledger.h"
#include "server/im/offline.h"
#include "server/im/shard.h"
#include "server/im/unacked.h"
#include "server/storage/storage.h"

enum {
    PAGE = 100,                 /* messages of one read, */
    PAGE_BYTES = 512 * 1024,    /* the one that passes this is the last */
    OUT_BYTES_MAX = 256 * 1024, /* while more than this waits to be written, or */
    UNPAID_MAX = 200,           /* a client that acknowledges has not acknowledged so many messages, the rest waits, */
    LOOK_AGAIN_MS = 100,
    LOOKS_MAX = 50, /* for acknowledgements no longer than this; then sm.queue_stanzas has the say */
};

struct replay {
    struct session *s; /* under a reference */
    struct account *a; /* pinned */
    uint64_t after;    /* the last message that was looked at */
    uint32_t round;    /* a->hand_ons, when it began at the first message */
    uint32_t looks;
    bool is_reading;           /* or naming */
    bool is_through;           /* the last page was handed out */
    struct storage_txn *names; /* of what is handed out to a session that may be resumed */
    struct wheel_timer timer;
};

static void read_page(struct replay *r);

static void replay_free(struct replay *r)
{
    wheel_cancel(&r->timer);
    account_unpin(r->a);
    session_unref(&r->s);
    free(r);
}

static void finish(struct replay *r)
{
    r->s->replay = NULL;
    ledger_replay_done(r->s);
    replay_free(r);
}

/* ---- going on ---- */

static bool can_take(const struct session *s)
{
    return session_is_available(s) && s->priority >= 0 && !session_is_hibernating(s);
}

static bool is_congested(struct replay *r)
{
    if (r->s->conn != NULL && conn_out_bytes(r->s->conn) > OUT_BYTES_MAX)
        return true;
    return r->s->client_acks && r->looks < LOOKS_MAX && ledger_unpaid(r->s) >= UNPAID_MAX;
}

static void go_on(struct replay *r)
{
    if (!can_take(r->s)) {
        finish(r); /* what is left waits for the next one */
    } else if (is_congested(r)) {
        r->looks++;
        wheel_set(&r->s->worker->wheel, &r->timer, LOOK_AGAIN_MS);
    } else {
        r->looks = 0;
        read_page(r);
    }
}

static void on_timer(struct wheel_timer *t)
{
    go_on(container_of(t, struct replay, timer));
}

/* ---- one page ---- */

static bool was_removed(const struct account *a, uint64_t id)
{
    for (size_t i = 0; i < a->n_removed; i++) {
        if (a->removed[i] == id)
            return true;
    }
    return false;
}

bool replay_is_taken(const struct account *a, uint64_t id)
{
    for (const struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (ledger_has(s, id))
            return true;
    }
    return was_removed(a, id);
}

void replay_begin_read(struct account *a)
{
    offline_commit_removals(a, NULL, NULL); /* first, so that they are not read */
    a->reads++;
}

void replay_end_read(struct account *a)
{
    if (--a->reads > 0)
        return;
    free(a->removed);
    a->removed = NULL;
    a->n_removed = 0;
}

/* After a crash the client says how many stanzas it has, and what it has may not come again: so this message is known
 * by its new number before it is written to the client. */
static void name(struct replay *r, const struct storage_row *row)
{
    char sent_as[SENT_AS_MAX];

    if (r->s->sm == NULL || !r->s->sm->may_resume || r->s->conn == NULL)
        return;
    if (r->names == NULL)
        r->names = storage_txn_new();
    conn_cork(r->s->conn, true);
    offline_rename(r->a, row, sm_name(r->s->sm, r->s->sm->sent, sent_as), r->names);
}

static bool deliver(struct replay *r, const struct storage_row *row)
{
    if (!ledger_deliver_stored(r->s, row->id, row->bytes))
        return false;
    name(r, row);
    return true;
}

/* False: the client takes no more now. */
static bool hand_out(struct replay *r, const struct storage_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        const struct storage_row *row = &rows->rows[i];

        if (is_congested(r))
            return false;
        if (offline_was_read(r->s, row->bytes) && !replay_is_taken(r->a, row->id))
            offline_remove(r->a, row->id, (uint32_t)row->bytes.len);
        else if (!replay_is_taken(r->a, row->id) && !deliver(r, row))
            return false;
        r->after = row->id;
    }
    return true;
}

/* The last message was handed out. Something may have been stored, or given up by another session, behind our back. */
static bool is_complete(struct replay *r)
{
    if (r->round == r->a->hand_ons)
        return true;
    r->round = r->a->hand_ons;
    r->after = 0;
    return false;
}

static bool is_last_page(const struct storage_rows *rows)
{
    size_t bytes = 0;

    for (size_t i = 0; i < rows->n; i++)
        bytes += rows->rows[i].bytes.len;
    return rows->n < PAGE && bytes < PAGE_BYTES;
}

static void end_page(struct replay *r)
{
    r->is_reading = false;
    if (r->s->replay != r)
        replay_free(r); /* it was stopped meanwhile */
    else if (r->is_through && is_complete(r))
        finish(r);
    else
        go_on(r);
}

static void on_named(void *ctx, enum ln_err err)
{
    struct replay *r = ctx;

    if (err != LN_OK)
        log_warn(LOG_STORAGE, r->s->id, "offline.unnamed", F_STR("jid", r->a->jid.full), F_ERR("err", err));
    if (r->s->conn != NULL)
        conn_cork(r->s->conn, false);
    end_page(r);
}

static void on_page(void *ctx, const struct storage_rows *rows)
{
    struct replay *r = ctx;
    bool is_stopped = r->s->replay != r;
    struct storage_txn *names;

    if (rows->err != LN_OK)
        log_warn(LOG_STORAGE, r->s->id, "offline.unreadable", F_STR("jid", r->a->jid.full), F_ERR("err", rows->err));
    r->is_through = !is_stopped && can_take(r->s) && hand_out(r, rows) && is_last_page(rows);
    replay_end_read(r->a);
    names = r->names;
    r->names = NULL;
    if (names != NULL)
        storage_commit(r->a->worker->server->storage, names, &r->a->worker->executor, on_named, r);
    else if (rows->err != LN_OK && !is_stopped)
        finish(r);
    else
        end_page(r);
}

static void read_page(struct replay *r)
{
    struct storage_query q = {.kind = STORAGE_READ,
                              .owner = r->a->jid.full,
                              .collection = OFFLINE_COLLECTION,
                              .after_id = r->after,
                              .limit = PAGE,
                              .bytes_max = PAGE_BYTES};

    replay_begin_read(r->a);
    r->is_reading = true;
    storage_read(r->a->worker->server->storage, &q, &r->a->worker->executor, on_page, r);
}

/* ---- beginning and end ---- */

void replay_start(struct session *s)
{
    struct account *a = s->account;
    struct replay *r;

    if (session_is_hibernating(s) && a->offline_count > ledger_n_owed(s))
        s->sm->has_replay_left = true;
    if (s->replay != NULL || a->offline_count == 0 || !can_take(s))
        return;
    r = mem_zalloc(sizeof(*r));
    r->s = session_ref(s);
    r->a = a;
    r->round = a->hand_ons;
    r->timer.fire = on_timer;
    account_pin(a);
    s->replay = r;
    read_page(r);
}

void replay_stop(struct session *s)
{
    struct replay *r = s->replay;

    s->replay = NULL;
    if (r != NULL && !r->is_reading)
        replay_free(r);
}

/* One whose client is there, if there is one. */
static struct session *find_taker(const struct account *a, int top)
{
    struct session *taker = NULL;

    for (struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (session_is_available(s) && s->priority == top && (taker == NULL || session_is_hibernating(taker)))
            taker = s;
    }
    return taker;
}

void replay_hand_on(struct account *a)
{
    int top = account_top_priority(a);
    struct session *taker;

    a->hand_ons++;
    if (top < 0 || a->offline_count == 0)
        return;
    taker = find_taker(a, top);
    if (taker != NULL)
        replay_start(taker);
}

void replay_note_removal(struct account *a, uint64_t id)
{
    if (a->reads == 0)
        return;
    if ((a->n_removed & (a->n_removed - 1)) == 0)
        a->removed = mem_realloc(a->removed, (a->n_removed == 0 ? 1 : 2 * a->n_removed) * sizeof(*a->removed));
    a->removed[a->n_removed++] = id;
}
