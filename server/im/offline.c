#include "server/im/offline.h"

#include "common/datetime.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/control/config.h"
#include "server/control/log.h"
#include "server/im/batch.h"
#include "server/im/delivery.h"
#include "server/im/hooks.h"
#include "server/im/ledger.h"
#include "server/im/router.h"
#include "server/im/shard.h"
#include "server/storage/storage.h"

enum { REPLAY_PAGE = 100 };

/* The record is the message as it will be handed out, its delay stamp included. */
static void write_record(struct buf *out, const struct account *a, const struct stanza *st, int64_t time_ms)
{
    struct buf delay = {0};
    struct xml_writer w = xml_writer_to(&delay);
    char stamp[32];

    xml_start(&w, "delay", NS_DELAY);
    xml_put_attr(&w, "from", jid_domain(&a->jid));
    xml_put_attr(&w, "stamp", datetime_format(time_ms, stamp));
    xml_end(&w);
    stanza_write_with(out, st, str_make(NULL, 0), buf_str(&delay));
    buf_deinit(&delay);
}

static void append(struct account *a, const struct stanza *st, int64_t time_ms, uint64_t id, struct str record,
                   storage_on_committed done, void *ctx)
{
    struct storage_txn *t = storage_txn_new();

    a->offline_count++;
    a->offline_bytes += record.len;
    shard_of(a->worker)->storage_pending++;
    storage_txn_append(t, a->jid.full, OFFLINE_COLLECTION, id, time_ms, jid_full(&st->from), record);
    storage_commit(a->worker->server->storage, t, &a->worker->executor, done, ctx);
}

static void settled(struct account *a, enum ln_err err, uint32_t bytes)
{
    shard_of(a->worker)->storage_pending--;
    if (err != LN_OK) {
        a->offline_count--;
        a->offline_bytes -= bytes;
    }
    batch_storage_settled(a->worker);
}

/* ---- owed ---- */

struct owed {
    struct account *a;
    uint32_t bytes;
    void (*done)(void *ctx, enum ln_err err);
    void *ctx;
};

static void on_owed_stored(void *ctx, enum ln_err err)
{
    struct owed *o = ctx;

    settled(o->a, err, o->bytes);
    o->done(o->ctx, err);
    free(o);
}

uint32_t offline_store_owed(struct account *a, struct stanza *st, int64_t time_ms, uint64_t id,
                            void (*done)(void *ctx, enum ln_err err), void *ctx)
{
    struct owed *o = mem_alloc(sizeof(*o));
    struct buf record = {0};
    uint32_t bytes;

    write_record(&record, a, st, time_ms);
    bytes = (uint32_t)record.len;
    *o = (struct owed){.a = a, .bytes = bytes, .done = done, .ctx = ctx};
    append(a, st, time_ms, id, buf_str(&record), on_owed_stored, o);
    buf_deinit(&record);
    return bytes;
}

/* ---- for later ---- */

struct keeping {
    struct account *a;
    struct stanza *st;
    uint32_t bytes;
};

static void on_kept(void *ctx, enum ln_err err)
{
    struct keeping *k = ctx;
    struct account *a = k->a;

    settled(a, err, k->bytes);
    if (err == LN_OK) {
        atomic_fetch_add_explicit(&a->worker->counters.messages_offline, 1, memory_order_relaxed);
        offline_hand_on(a); /* somebody may have come online meanwhile */
    } else {
        log_warn(LOG_STORAGE, 0, "offline.failed", F_STR("jid", a->jid.full), F_ERR("err", err));
        router_refuse(a->worker, k->st, stanza_err_of_storage(err), "the message could not be stored");
    }
    stanza_unref(&k->st);
    account_unpin(a);
    free(k);
}

static bool is_full(const struct account *a, const struct config_host *host, size_t bytes)
{
    return a->offline_count >= host->limits.offline_messages || a->offline_bytes + bytes > host->limits.offline_bytes;
}

void offline_store(struct account *a, struct stanza *own_st, int64_t time_ms)
{
    const struct config_host *host = config_host(a->worker->config, jid_domain(&a->jid));
    enum delivery_action what = delivery_offline(own_st);
    struct buf record = {0};
    struct keeping *k;

    if (what == DELIVER_TO_OFFLINE)
        write_record(&record, a, own_st, time_ms);
    if (what == DELIVER_TO_OFFLINE && (host == NULL || !hooks_is_on(host, "offline") || is_full(a, host, record.len)))
        what = DELIVER_REFUSE;
    if (what != DELIVER_TO_OFFLINE) {
        if (what == DELIVER_REFUSE)
            router_refuse(a->worker, own_st, STANZA_ERR_SERVICE_UNAVAILABLE, NULL);
        stanza_unref(&own_st);
        buf_deinit(&record);
        return;
    }
    k = mem_alloc(sizeof(*k));
    *k = (struct keeping){.a = a, .st = own_st, .bytes = (uint32_t)record.len};
    account_pin(a);
    append(a, own_st, time_ms, worker_next_id(a->worker), buf_str(&record), on_kept, k);
    buf_deinit(&record);
}

void offline_remove(struct account *a, const uint64_t *ids, size_t n, const uint32_t *bytes)
{
    struct storage_txn *t = storage_txn_new();

    for (size_t i = 0; i < n; i++) {
        storage_txn_remove(t, a->jid.full, OFFLINE_COLLECTION, ids[i]);
        a->offline_count -= a->offline_count > 0;
        a->offline_bytes -= bytes[i] < a->offline_bytes ? bytes[i] : a->offline_bytes;
    }
    /* Nobody waits: if it fails, or the machine does, a message is handed out twice rather than not at all. */
    storage_commit(a->worker->server->storage, t, &a->worker->executor, NULL, NULL);
}

/* ---- handing out ---- */

struct replay {
    struct session *s;
    uint64_t after;
};

static void read_page(struct replay *r);

static bool is_on_its_way(const struct account *a, uint64_t id)
{
    for (const struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (ledger_has(s, id))
            return true;
    }
    return false;
}

static void replay_end(struct replay *r)
{
    struct account *a = r->s->account;

    if (session_is_alive(r->s) && r->s->is_replaying)
        ledger_replay_done(r->s);
    if (a != NULL)
        account_unpin(a);
    session_unref(&r->s);
    free(r);
}

static void on_page(void *ctx, const struct storage_rows *rows)
{
    struct replay *r = ctx;
    struct session *s = r->s;

    if (rows->err != LN_OK)
        log_warn(LOG_STORAGE, s->id, "offline.unreadable", F_STR("jid", s->full_jid), F_ERR("err", rows->err));
    for (size_t i = 0; i < rows->n && session_is_alive(s); i++) {
        const struct storage_row *row = &rows->rows[i];

        r->after = row->id;
        if (is_on_its_way(s->account, row->id))
            continue;
        if (!session_send_raw(s, row->bytes, 1))
            break;
        ledger_enter_stored(s, row->id, (uint32_t)row->bytes.len);
    }
    if (rows->err != LN_OK || rows->n < REPLAY_PAGE || !session_is_alive(s))
        replay_end(r);
    else
        read_page(r);
}

static void read_page(struct replay *r)
{
    struct account *a = r->s->account;
    struct storage_query q = {.kind = STORAGE_READ,
                              .owner = a->jid.full,
                              .collection = OFFLINE_COLLECTION,
                              .after_id = r->after,
                              .limit = REPLAY_PAGE};

    storage_read(a->worker->server->storage, &q, &a->worker->executor, on_page, r);
}

void offline_replay(struct session *s)
{
    struct replay *r;

    if (s->is_replaying || s->account->offline_count == 0 || !session_is_available(s))
        return;
    s->is_replaying = true;
    r = mem_alloc(sizeof(*r));
    *r = (struct replay){.s = session_ref(s)};
    account_pin(s->account);
    read_page(r);
}

void offline_hand_on(struct account *a)
{
    int top = account_top_priority(a);

    if (top < 0)
        return;
    for (struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (session_is_available(s) && s->priority == top) {
            offline_replay(s);
            return;
        }
    }
}
