#include "server/im/account.h"

#include <assert.h>

#include "common/mem.h"
#include "common/record.h"
#include "server/base/log.h"
#include "server/im/batch.h"
#include "server/im/hooks.h"
#include "server/im/offline.h"
#include "server/im/shard.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"

enum {
    WAITERS_MAX = 10000,      /* who waits for one account to load; beyond it is refused */
    IDLE_ACCOUNTS_MAX = 4096, /* of one worker: accounts kept in memory that nobody needs */
    LOAD_COST = 1024,         /* of one that is being loaded, for the brake of im/batch.h */
};

#define LAST_KEY STR("last")

struct account_waiter {
    struct account_waiter *next;
    void (*fn)(struct account *a, void *ctx);
    void *ctx;
};

/* ---- the cache of those that nobody needs ---- */

static void leave_idle(struct shard *shard, struct account *a)
{
    if (a->idle_prev == NULL)
        return;
    *a->idle_prev = a->idle_next;
    if (a->idle_next != NULL)
        a->idle_next->idle_prev = a->idle_prev;
    else
        shard->idle_end = a->idle_prev;
    a->idle_prev = NULL;
    shard->n_idle--;
}

static void run_hook(enum hook_point point, struct account *a, const struct storage_rows *rows)
{
    struct hook_event e = {.worker = a->worker, .account = a, .rows = rows};

    (void)hooks_run(point, NULL, &e);
}

static void account_free(struct shard *shard, struct account *a)
{
    leave_idle(shard, a);
    (void)hash_table_remove(&shard->accounts, a->jid.full);
    assert(a->removals == NULL);
    roster_deinit(&a->roster);
    free(a->removed);
    run_hook(HOOK_ACCOUNT_UNLOADED, a, NULL);
    free(a->data);
    free(a->last_status);
    free((void *)(uintptr_t)a->jid.full.p);
    free(a);
}

/* Nobody holds it, nobody waits: it goes to the end of the queue of those that may be forgotten. */
static void become_idle_if_unused(struct account *a)
{
    struct shard *shard = shard_of(a->worker);

    if (a->pins > 0 || a->state == ACCOUNT_LOADING || a->first_waiter != NULL || a->idle_prev != NULL)
        return;
    if (a->state == ACCOUNT_FAILED) {
        account_free(shard, a);
        return;
    }
    a->idle_next = NULL;
    a->idle_prev = shard->idle_end;
    *shard->idle_end = a;
    shard->idle_end = &a->idle_next;
    if (++shard->n_idle > IDLE_ACCOUNTS_MAX)
        account_free(shard, shard->idle);
}

void account_pin(struct account *a)
{
    leave_idle(shard_of(a->worker), a);
    a->pins++;
}

void account_unpin(struct account *a)
{
    assert(a->pins > 0);
    if (--a->pins == 0)
        become_idle_if_unused(a);
}

void accounts_free_all(struct shard *shard)
{
    struct account *a;

    for (size_t cursor = 0; (a = hash_table_next(&shard->accounts, &cursor)) != NULL;) {
        assert(a->first_waiter == NULL); /* storage has answered all it was asked */
        account_free(shard, a);
    }
}

/* ---- loading ---- */

static void serve_waiters(struct account *a)
{
    if (a->is_serving_waiters)
        return;
    a->is_serving_waiters = true;
    a->pins++;
    /* One that makes the account busy stops the line; the rest go on when it is no longer. */
    while (a->first_waiter != NULL && !a->is_busy && a->state != ACCOUNT_LOADING) {
        struct account_waiter *waiter = a->first_waiter;

        a->first_waiter = waiter->next;
        if (a->first_waiter == NULL)
            a->last_waiter = &a->first_waiter;
        a->n_waiters--;
        waiter->fn(a, waiter->ctx);
        free(waiter);
    }
    a->is_serving_waiters = false;
    account_unpin(a);
}

static void load(struct account *a);

static void note_error(struct account *a, enum ln_err err)
{
    if (err == LN_OK)
        return;
    log_error(LOG_IM, 0, "account.unreadable", F_STR("jid", a->jid.full), F_ERR("err", err));
    a->state = ACCOUNT_FAILED;
}

/* Little-endian time, then the status text. */
static void take_last(struct account *a, struct str bytes)
{
    struct record_reader r = {.rest = bytes};
    uint64_t ms = record_take_number(&r, 8);

    if (r.is_short)
        return;
    a->last_activity_ms = (int64_t)ms;
    free(a->last_status);
    a->last_status = str_dup(r.rest);
}

static void take_account(struct account *a, const struct storage_rows *rows)
{
    bool exists = false;

    for (size_t i = 0; i < rows->n; i++) {
        if (str_eq(rows->rows[i].key, CREDENTIALS_KEY)) {
            exists = true;
            a->credentials_ms = credentials_changed_ms(rows->rows[i].bytes);
        }
        if (str_eq(rows->rows[i].key, LAST_KEY))
            take_last(a, rows->rows[i].bytes);
    }
    a->state = exists ? ACCOUNT_LOADED : ACCOUNT_ABSENT;
}

static void take_offline_count(struct account *a, const struct storage_rows *rows)
{
    if (rows->n == 0)
        return;
    a->offline_count = (uint32_t)rows->rows[0].id;
    a->offline_bytes = (uint64_t)rows->rows[0].time_ms;
}

static void take_archive_ends(struct account *a, const struct storage_rows *rows)
{
    if (rows->n == 0)
        return;
    a->archive_first = rows->rows[0].id;
    a->archive_last = (uint64_t)rows->rows[0].time_ms;
}

/* What is asked of storage, and the answers in the same order. */
enum { ACCOUNT_ROWS, ROSTER_ROWS, OFFLINE_ROWS, ARCHIVE_ROWS, LOAD_QUERIES };

static void on_loaded(void *ctx, const struct storage_rows *rows)
{
    struct account *a = ctx;

    batch_storage_settled(a->worker, LOAD_COST);
    if (a->is_out_of_date) {
        load(a);
        return;
    }
    take_account(a, &rows[ACCOUNT_ROWS]);
    take_offline_count(a, &rows[OFFLINE_ROWS]);
    take_archive_ends(a, &rows[ARCHIVE_ROWS]);
    if (rows[ROSTER_ROWS].err == LN_OK && roster_load(&a->roster, &rows[ROSTER_ROWS]) != LN_OK)
        log_error(LOG_IM, 0, "roster.damaged", F_STR("jid", a->jid.full));
    for (size_t i = 0; i < LOAD_QUERIES && a->state != ACCOUNT_FAILED; i++)
        note_error(a, rows[i].err);
    if (a->state == ACCOUNT_LOADED)
        run_hook(HOOK_ACCOUNT_LOADED, a, &rows[ACCOUNT_ROWS]);
    serve_waiters(a);
}

static void load(struct account *a)
{
    struct str owner = a->jid.full;
    const struct storage_query queries[LOAD_QUERIES] = {
        [ACCOUNT_ROWS] = {.kind = STORAGE_LIST, .owner = owner, .collection = CREDENTIALS_COLLECTION},
        [ROSTER_ROWS] = {.kind = STORAGE_LIST, .owner = owner, .collection = ROSTER_COLLECTION},
        [OFFLINE_ROWS] = {.kind = STORAGE_COUNT, .owner = owner, .collection = OFFLINE_COLLECTION},
        [ARCHIVE_ROWS] = {.kind = STORAGE_ENDS, .owner = owner, .collection = ARCHIVE_COLLECTION},
    };

    a->state = ACCOUNT_LOADING;
    a->is_out_of_date = false;
    batch_storage_begin(a->worker, LOAD_COST);
    storage_read_all(a->worker->server->storage, queries, LOAD_QUERIES, &a->worker->executor, on_loaded, a);
}

static struct account *account_new(struct shard *shard, const struct jid *bare)
{
    struct account *a = mem_zalloc(sizeof(*a));

    a->worker = shard->worker;
    a->jid = *bare;
    a->jid.full = str_make(str_dup(jid_bare(bare)), bare->bare_len);
    a->last_waiter = &a->first_waiter;
    roster_init(&a->roster, &shard->worker->server->table_key);
    (void)hash_table_put(&shard->accounts, a->jid.full, a);
    return a;
}

struct account *account_peek(struct shard *shard, struct str bare)
{
    return hash_table_get(&shard->accounts, bare);
}

enum ln_err account_when_ready(struct shard *shard, const struct jid *bare, void (*fn)(struct account *a, void *ctx),
                               void *ctx)
{
    struct account *a = account_peek(shard, jid_bare(bare));

    if (a == NULL) {
        a = account_new(shard, bare);
        load(a);
    }
    if (account_is_ready(a)) {
        account_pin(a);
        fn(a, ctx);
        account_unpin(a);
        return LN_OK;
    }
    if (a->n_waiters >= WAITERS_MAX)
        return LN_E_LIMIT;
    struct account_waiter *waiter = mem_alloc(sizeof(*waiter));

    *waiter = (struct account_waiter){.fn = fn, .ctx = ctx};
    leave_idle(shard, a);
    *a->last_waiter = waiter;
    a->last_waiter = &waiter->next;
    a->n_waiters++;
    return LN_OK;
}

void account_set_busy(struct account *a, bool is_busy)
{
    a->is_busy = is_busy;
    if (!is_busy)
        serve_waiters(a);
}

void account_now_exists(struct shard *shard, struct str bare, int64_t credentials_ms)
{
    struct account *a = account_peek(shard, bare);

    if (a != NULL && a->state == ACCOUNT_ABSENT) {
        static const struct storage_rows none;

        a->credentials_ms = credentials_ms;
        a->state = ACCOUNT_LOADED; /* with an empty roster, as it was just made */
        run_hook(HOOK_ACCOUNT_LOADED, a, &none);
    } else if (a != NULL && a->state == ACCOUNT_LOADING) {
        a->is_out_of_date = true; /* what is being read may be from before */
    }
}

bool account_is_available(const struct account *a)
{
    for (const struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (session_is_available(s))
            return true;
    }
    return false;
}

int account_top_priority(const struct account *a)
{
    int top = -1;

    for (const struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (s->presence != NULL && s->priority > top)
            top = s->priority;
    }
    return top;
}

/* A client may come and go as often as it likes: what waits for storage is counted. */
static void on_last_activity_stored(void *ctx, enum ln_err err)
{
    struct worker *w = ctx;

    (void)err;
    batch_storage_settled(w, LOAD_COST);
}

void account_set_last_activity(struct account *a, struct str status)
{
    struct storage_txn *t = storage_txn_new();
    struct buf b = {0};

    free(a->last_status);
    a->last_activity_ms = wall_clock_ms();
    a->last_status = str_dup(status);
    record_put(&b, (uint64_t)a->last_activity_ms, 8);
    buf_append_str(&b, status);
    /* Not for an account that was deleted meanwhile: its document would outlive it. */
    storage_txn_require_present(t, a->jid.full, CREDENTIALS_COLLECTION, CREDENTIALS_KEY);
    storage_txn_put(t, a->jid.full, CREDENTIALS_COLLECTION, LAST_KEY, buf_str(&b));
    batch_storage_begin(a->worker, LOAD_COST);
    storage_commit(a->worker->server->storage, t, &a->worker->executor, on_last_activity_stored, a->worker);
    buf_deinit(&b);
}
