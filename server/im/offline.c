#include "server/im/offline.h"

#include "common/datetime.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/batch.h"
#include "server/im/delivery.h"
#include "server/im/hooks.h"
#include "server/im/replay.h"
#include "server/im/router.h"
#include "server/im/shard.h"
#include "server/im/stanza_id.h"
#include "server/storage/storage.h"

/* ---- storing ---- */

/* The record is the message as it will be handed out, its delay stamp included. */
static void write_record(struct buf *out, const struct account *a, const struct stanza *st, uint64_t id)
{
    struct buf delay = {0};
    struct xml_writer w = xml_writer_to(&delay);
    char stamp[32];

    xml_start(&w, "delay", NS_DELAY);
    xml_put_attr(&w, "from", jid_domain(&a->jid));
    xml_put_attr(&w, "stamp", datetime_format((int64_t)(id / 1000), stamp));
    xml_end(&w);
    stanza_write_with(out, st, jid_is_empty(&st->to) ? a->jid.full : str_make(NULL, 0), buf_str(&delay));
    buf_deinit(&delay);
}

/* An append under way. */
struct append {
    struct account *a; /* its `done` sees to it that it stays */
    size_t cost;
    void (*done)(void *ctx, enum ln_err err);
    void *ctx;
};

static void on_appended(void *ctx, enum ln_err err)
{
    struct append *p = ctx;
    struct worker *w = p->a->worker;

    p->done(p->ctx, err);
    batch_storage_settled(w, p->cost);
    free(p);
}

/* Nobody looks for them by their sender: the place of the peer is taken by the session that it was sent to. */
static void append(struct account *a, uint64_t id, struct str sent_as, struct str record,
                   void (*done)(void *ctx, enum ln_err err), void *ctx)
{
    struct storage_txn *t = storage_txn_new();
    struct append *p = mem_alloc(sizeof(*p));

    *p = (struct append){.a = a, .cost = record.len, .done = done, .ctx = ctx};
    a->offline_count++;
    a->offline_bytes += record.len;
    batch_storage_begin(a->worker, p->cost);
    storage_txn_append(t, a->jid.full, OFFLINE_COLLECTION, id, (int64_t)(id / 1000), sent_as, record);
    storage_commit(a->worker->server->storage, t, &a->worker->executor, on_appended, p);
}

uint32_t offline_append(struct account *a, const struct stanza *st, uint64_t id, struct str sent_as,
                        void (*done)(void *ctx, enum ln_err err), void *ctx)
{
    struct buf record = {0};
    uint32_t bytes;

    write_record(&record, a, st, id);
    bytes = (uint32_t)record.len;
    append(a, id, sent_as, buf_str(&record), done, ctx);
    buf_deinit(&record);
    return bytes;
}

void offline_rename(const struct account *a, const struct storage_row *row, struct str sent_as, struct storage_txn *t)
{
    storage_txn_remove(t, a->jid.full, OFFLINE_COLLECTION, row->id);
    storage_txn_append(t, a->jid.full, OFFLINE_COLLECTION, row->id, row->time_ms, sent_as, row->bytes);
}

void offline_uncount(struct account *a, uint32_t bytes)
{
    a->offline_count -= a->offline_count > 0;
    a->offline_bytes -= bytes < a->offline_bytes ? bytes : a->offline_bytes;
}

struct keeping {
    struct account *a;
    struct stanza *st;
    uint32_t bytes;
};

static void tell_that_it_awaits(struct account *a, struct stanza *st)
{
    struct hook_event e = {.worker = a->worker, .account = a, .stanza = st};

    if (account_top_priority(a) < 0)
        (void)hooks_run(HOOK_MESSAGE_AWAITS, config_host(a->worker->config, jid_domain(&a->jid)), &e);
}

static void on_kept(void *ctx, enum ln_err err)
{
    struct keeping *k = ctx;
    struct account *a = k->a;

    if (err == LN_OK) {
        counter_add(&a->worker->counters.messages_offline, 1);
        replay_hand_on(a); /* somebody may have come online meanwhile */
        tell_that_it_awaits(a, k->st);
    } else {
        offline_uncount(a, k->bytes);
        log_warn(LOG_STORAGE, 0, "offline.failed", F_STR("jid", a->jid.full), F_ERR("err", err));
        router_refuse(a->worker, k->st, stanza_err_of_storage(err), "the message could not be stored");
    }
    stanza_unref(&k->st);
    account_unpin(a);
    free(k);
}

static bool has_room(const struct account *a, size_t bytes)
{
    const struct config_host *host = config_host(a->worker->config, jid_domain(&a->jid));

    return host != NULL && hooks_listens(HOOK_MESSAGE_UNDELIVERED, host) && account_is_lasting(a) &&
           a->offline_count < host->limits.offline_messages && a->offline_bytes + bytes <= host->limits.offline_bytes;
}

static void keep(struct account *a, struct stanza *own_st, uint64_t id, struct str record)
{
    struct keeping *k = mem_alloc(sizeof(*k));

    *k = (struct keeping){.a = a, .st = own_st, .bytes = (uint32_t)record.len};
    account_pin(a);
    append(a, id, str_make(NULL, 0), record, on_kept, k);
}

static bool try_store(struct account *a, struct stanza *st, uint64_t id)
{
    struct buf record = {0};
    bool is_kept = false;

    if (delivery_offline(st) == DELIVER_TO_OFFLINE) {
        write_record(&record, a, st, id);
        is_kept = has_room(a, record.len);
    }
    if (is_kept)
        keep(a, stanza_ref(st), id, buf_str(&record));
    buf_deinit(&record);
    return is_kept;
}

bool offline_try_store(struct account *a, struct stanza *st)
{
    return try_store(a, st, worker_next_id(a->worker));
}

void offline_store(struct account *a, struct stanza *own_st, uint64_t id)
{
    uint64_t archived;

    if (!try_store(a, own_st, id != 0 ? id : worker_next_id(a->worker)) && delivery_offline(own_st) != DELIVER_DROP &&
        !stanza_id_find(own_st, a->jid.full, &archived))
        router_refuse(a->worker, own_st, STANZA_ERR_SERVICE_UNAVAILABLE, NULL);
    stanza_unref(&own_st);
}

/* ---- and the archive ---- */

bool offline_was_read(const struct session *s, struct str record)
{
    struct stanza *st = s->read_to > 0 ? stanza_from_bytes(record) : NULL;
    uint64_t id;
    bool was_read =
        st != NULL && stanza_id_find(st, s->account->jid.full, &id) && id >= s->read_from && id <= s->read_to;

    stanza_unref(&st);
    return was_read;
}

/* ---- removing ---- */

void offline_remove(struct account *a, uint64_t id, uint32_t bytes)
{
    struct shard *shard = shard_of(a->worker);

    if (!account_is_lasting(a))
        return; /* all of it goes */
    offline_uncount(a, bytes);
    replay_note_removal(a, id);
    if (!a->is_removing) {
        a->is_removing = true;
        a->next_removing = shard->removing;
        shard->removing = a;
        account_pin(a);
    }
    if (a->removals == NULL)
        a->removals = storage_txn_new();
    storage_txn_remove(a->removals, a->jid.full, OFFLINE_COLLECTION, id);
}

void offline_commit_removals(struct account *a, void (*done)(void *ctx, enum ln_err err), void *ctx)
{
    struct storage_txn *t = a->removals;

    a->removals = NULL;
    /* Mostly nobody waits: if it fails, or the machine does, a message is handed out twice rather than not at all. */
    if (t != NULL)
        storage_commit(a->worker->server->storage, t, &a->worker->executor, done, ctx);
    else if (done != NULL)
        done(ctx, LN_OK);
}

void offline_end_turn(struct worker *w)
{
    struct shard *shard = shard_of(w);

    while (shard->removing != NULL) {
        struct account *a = shard->removing;

        shard->removing = a->next_removing;
        a->next_removing = NULL;
        a->is_removing = false;
        offline_commit_removals(a, NULL, NULL);
        account_unpin(a);
    }
}
