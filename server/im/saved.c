#include "server/im/saved.h"

#include "common/fields.h"
#include "common/mem.h"
#include "server/base/log.h"
#include "server/im/bind.h"
#include "server/im/hooks.h"
#include "server/im/ledger.h"
#include "server/im/presence.h"
#include "server/im/receipt.h"
#include "server/im/shard.h"
#include "server/im/slots.h"
#include "server/im/unacked.h"
#include "server/storage/storage.h"
#include "server/stream/stream.h"

/* ---- writing ---- */

/* "number id bytes", as numbers. */
static void put_owed(struct buf *out, const struct session *s)
{
    struct ledger_owed owed;
    struct buf b = {0};

    for (size_t cursor = 0; ledger_next_owed(s, &cursor, &owed); buf_clear(&b)) {
        buf_printf(&b, "%lu %llu %lu", (unsigned long)owed.seq, (unsigned long long)owed.id, (unsigned long)owed.bytes);
        fields_put(out, "owed", buf_str(&b));
    }
    buf_deinit(&b);
}

static void put_presence(struct buf *out, const struct session *s)
{
    struct str to;

    for (size_t cursor = 0; presence_next_directed(s, &cursor, &to);)
        fields_put(out, "directed", to);
    if (s->presence == NULL)
        return;
    fields_put(out, "presence", str_of(s->presence));
    fields_put_u64(out, "presence_ms", (uint64_t)s->presence_ms);
    fields_put_u64(out, "presence_is_stamped", s->presence_is_stamped);
    fields_put_u64(out, "priority", (uint8_t)s->priority);
}

static void put_sm(struct buf *out, struct session *s)
{
    const struct sm *sm = s->sm;

    fields_put(out, "id", str_make(sm->id, SM_ID_LEN));
    fields_put_u64(out, "sent", sm->sent);
    fields_put_u64(out, "acked", sm->acked);
    fields_put_u64(out, "h", receipts_rewind(s));
    fields_put_u64(out, "resume_s", sm->resume_s);
    fields_put_u64(out, "since_ms", (uint64_t)sm->hibernates_since_ms);
    fields_put_u64(out, "has_replay_left", sm->has_replay_left);
    for (const struct unacked_entry *e = sm->queue.first; e != NULL; e = e->next)
        fields_put(out, "stanza", unacked_str(e));
}

static void put_modules(struct buf *out, struct session *s)
{
    struct buf record = {0};
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account, .record = &record};

    for (unsigned i = 0; session_flag_name(i) != NULL; i++) {
        if (session_has_flag(s, UINT32_C(1) << i))
            fields_put(out, "flag", str_of(session_flag_name(i)));
    }
    (void)hooks_run(HOOK_SESSION_SAVE, session_host(s), &e);
    fields_put(out, "modules", buf_str(&record));
    buf_deinit(&record);
}

/* What was held back while nobody looked is among what waits then. */
static void flush(struct session *s)
{
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account};

    if (!s->is_inactive)
        return;
    s->is_inactive = false;
    (void)hooks_run(HOOK_FLUSH_CLIENT, session_host(s), &e);
    s->is_inactive = true;
}

static void put_session(struct buf *out, struct session *s)
{
    fields_put(out, "jid", s->full_jid);
    fields_put_u64(out, "bound_ms", (uint64_t)s->bound_ms);
    fields_put_u64(out, "interested", s->interested);
    fields_put_u64(out, "secure", s->is_secure);
    fields_put(out, "user_agent", str_make((const char *)s->user_agent, sizeof(s->user_agent)));
    if (s->lang != NULL)
        fields_put(out, "lang", str_of(s->lang));
    fields_put_u64(out, "inactive", s->is_inactive);
    fields_put_u64(out, "read_from", s->read_from);
    fields_put_u64(out, "read_to", s->read_to);
    put_modules(out, s);
    put_presence(out, s);
    put_sm(out, s);
    put_owed(out, s);
}

static void write_one(struct session *s)
{
    struct storage_txn *t = storage_txn_new();
    struct buf record = {0};

    flush(s);
    put_session(&record, s);
    storage_txn_put(t, STR(""), SAVED_COLLECTION, str_make(s->sm->id, SM_ID_LEN), buf_str(&record));
    storage_commit(s->worker->server->storage, t, NULL, NULL, NULL); /* failures are logged there */
    buf_deinit(&record);
    s->sm->is_saved = true;
    session_close(s, STREAM_ERR_SYSTEM_SHUTDOWN, NULL);
}

bool saved_may_begin(struct worker *w)
{
    const struct shard *shard = shard_of(w);
    const struct session *s;

    if (shard->storage_pending > 0)
        return false;
    for (size_t cursor = 0; (s = hash_table_next(&shard->sessions, &cursor)) != NULL;) {
        if (session_is_hibernating(s) && (s->async_ops > 0 || !receipts_are_complete(s) || !ledger_is_settled(s)))
            return false;
    }
    return true;
}

void saved_write_all(struct worker *w)
{
    struct session *s;
    size_t n = 0;

    for (size_t cursor = 0; (s = hash_table_next(&shard_of(w)->sessions, &cursor)) != NULL;) {
        if (session_is_hibernating(s) && !s->is_given_up) {
            write_one(s);
            n++;
        }
    }
    if (n > 0)
        log_info(LOG_IM, 0, "sessions.saved", F_U64("worker", w->index), F_U64("n", n));
}

/* ---- restoring ---- */

/* All that are under way, and each of them. */
struct restoring {
    struct server *server;
    struct storage_txn *removal;
    struct saved_one *first;
    size_t n_left, n_restored;
    void (*done)(void *ctx);
    void *ctx;
};

struct saved_one {
    struct task task; /* its way back */
    struct restoring *all;
    struct saved_one *next;
    struct worker *w;
    struct jid jid; /* lies in `record` */
    struct str record;
    bool is_restored;
    char bytes[];
};

static void take_presence(struct session *s, struct str record)
{
    struct str rest = record, presence;
    struct field f;

    while (fields_next(&rest, &f)) {
        if (str_is(f.name, "directed"))
            presence_restore_directed(s, f.value);
    }
    if (!fields_find(record, "presence", &presence))
        return;
    s->presence = str_dup(presence);
    s->presence_ms = (int64_t)fields_find_u64(record, "presence_ms", 0);
    s->presence_is_stamped = fields_find_u64(record, "presence_is_stamped", 0) != 0;
    s->priority = (int8_t)fields_find_u64(record, "priority", 0);
}

static bool next_number(struct str *rest, uint64_t max, uint64_t *ret)
{
    ptrdiff_t at = str_find(*rest, ' ');
    struct str digits = str_make(rest->p, at < 0 ? rest->len : (size_t)at);

    *rest = at < 0 ? str_make(NULL, 0) : str_make(rest->p + at + 1, rest->len - (size_t)at - 1);
    return str_to_u64(digits, max, ret);
}

static void take_owed(struct session *s, struct str value)
{
    uint64_t seq, id, bytes;

    if (next_number(&value, UINT32_MAX, &seq) && next_number(&value, INT64_MAX, &id) &&
        next_number(&value, UINT32_MAX, &bytes))
        ledger_restore(s, &(struct ledger_owed){.seq = (uint32_t)seq, .id = id, .bytes = (uint32_t)bytes});
}

static void take_sm(struct session *s, struct str record)
{
    struct sm *sm = sm_start(s);
    struct str id = {NULL, 0}, rest = record;
    struct field f;

    if (fields_find(record, "id", &id) && id.len == SM_ID_LEN)
        memcpy(sm->id, id.p, SM_ID_LEN);
    sm->may_resume = id.len == SM_ID_LEN;
    sm->sent = (uint32_t)fields_find_u64(record, "sent", 0);
    sm->acked = (uint32_t)fields_find_u64(record, "acked", 0);
    sm->resume_s = (uint32_t)fields_find_u64(record, "resume_s", 0);
    sm->hibernates_since_ms = (int64_t)fields_find_u64(record, "since_ms", 0);
    sm->has_replay_left = fields_find_u64(record, "has_replay_left", 0) != 0;
    receipts_start(s, (uint32_t)fields_find_u64(record, "h", 0), NULL);
    while (fields_next(&rest, &f)) {
        if (str_is(f.name, "stanza"))
            unacked_add(&sm->queue, f.value);
        else if (str_is(f.name, "owed"))
            take_owed(s, f.value);
    }
}

static void take_modules(struct session *s, struct str record)
{
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account};
    struct str rest = record;
    struct field f;

    while (fields_next(&rest, &f)) {
        for (unsigned i = 0; str_is(f.name, "flag") && session_flag_name(i) != NULL; i++)
            session_set_flag(s, UINT32_C(1) << i,
                             session_has_flag(s, UINT32_C(1) << i) || str_is(f.value, session_flag_name(i)));
    }
    (void)fields_find(record, "modules", &e.saved);
    (void)hooks_run(HOOK_SESSION_RESTORE, session_host(s), &e);
}

/* What is left of its time; the server's own time away counts, too, and a clock that was set back does not. */
static uint64_t time_left_ms(const struct sm *sm)
{
    uint64_t all = (uint64_t)sm->resume_s * 1000;
    int64_t away = wall_clock_ms() - sm->hibernates_since_ms;

    if (away < 0)
        return all;
    return (uint64_t)away < all ? all - (uint64_t)away : 0;
}

static struct str resource_of(const struct jid *full)
{
    return str_make(full->full.p + full->bare_len + 1, full->full.len - full->bare_len - 1);
}

static void restore_session(struct account *a, const struct saved_one *r)
{
    struct session *s = stream_restore(a->worker);
    struct str lang, user_agent;

    session_set_names(s, jid_local(&r->jid), jid_domain(&r->jid), resource_of(&r->jid));
    s->bound_ms = (int64_t)fields_find_u64(r->record, "bound_ms", 0);
    s->interested = fields_find_u64(r->record, "interested", 0) != 0;
    s->is_secure = fields_find_u64(r->record, "secure", 0) != 0;
    if (fields_find(r->record, "lang", &lang))
        s->lang = str_dup(lang);
    if (fields_find(r->record, "user_agent", &user_agent) && user_agent.len == sizeof(s->user_agent))
        memcpy(s->user_agent, user_agent.p, sizeof(s->user_agent));
    s->read_from = fields_find_u64(r->record, "read_from", 0);
    s->read_to = fields_find_u64(r->record, "read_to", 0);
    bind_restore(s, a);
    take_presence(s, r->record);
    take_sm(s, r->record);
    take_modules(s, r->record);
    s->is_inactive =
        fields_find_u64(r->record, "inactive", 0) != 0 && hooks_listens(HOOK_STANZA_TO_CLIENT, session_host(s));
    wheel_set(&s->worker->wheel, &s->timer, time_left_ms(s->sm));
    if (session_host(s) == NULL) /* who saw it there is told that it is no longer */
        session_close(s, STREAM_ERR_HOST_GONE, NULL);
}

static void on_restored(struct task *own_task)
{
    struct saved_one *r = container_of(own_task, struct saved_one, task);
    struct restoring *all = r->all;

    all->n_restored += r->is_restored;
    free(r);
    if (--all->n_left > 0)
        return;
    log_info(LOG_IM, 0, "sessions.restored", F_U64("n", all->n_restored));
    all->done(all->ctx);
    free(all);
}

static void on_account_ready(struct account *a, void *ctx)
{
    struct saved_one *r = ctx;

    r->is_restored = a->state == ACCOUNT_LOADED;
    if (r->is_restored)
        restore_session(a, r);
    else
        log_warn(LOG_IM, 0, "session.not_restored", F_STR("jid", r->jid.full));
    executor_post(r->all->server->control, &r->task);
}

static void restore_at_home(struct worker *w, void *arg)
{
    struct saved_one *r = arg;

    if (account_when_ready(shard_of(w), &r->jid, on_account_ready, r) != LN_OK)
        executor_post(r->all->server->control, &r->task);
}

static void end_restoring(struct restoring *all)
{
    while (all->first != NULL) {
        struct saved_one *r = all->first;

        all->first = r->next;
        free(r);
    }
    all->done(all->ctx);
    free(all);
}

/* Nobody may find these documents once more: their sessions go on from here, or not at all. */
static void on_removed(void *ctx, enum ln_err err)
{
    struct restoring *all = ctx;

    if (err != LN_OK) {
        log_warn(LOG_IM, 0, "sessions.not_restored", F_U64("n", all->n_left), F_ERR("err", err));
        end_restoring(all);
        return;
    }
    for (struct saved_one *r = all->first, *next; r != NULL; r = next) {
        next = r->next;
        r->task.run = on_restored;
        worker_call(server_home_of(all->server, jid_bare(&r->jid)), restore_at_home, r);
    }
}

static void note_one(struct restoring *all, const struct storage_row *row)
{
    struct saved_one *r = mem_zalloc(sizeof(*r) + row->bytes.len);
    struct jid_buf mem;
    struct str jid;

    storage_txn_delete(all->removal, STR(""), SAVED_COLLECTION, row->key);
    memcpy(r->bytes, row->bytes.p, row->bytes.len);
    r->record = str_make(r->bytes, row->bytes.len);
    if (!fields_find(r->record, "jid", &jid) || jid_parse(jid, &mem, &r->jid) != LN_OK || jid_is_bare(&r->jid)) {
        log_warn(LOG_IM, 0, "session.damaged", F_STR("id", row->key));
        free(r);
        return;
    }
    r->all = all;
    r->jid = jid_view(jid);
    r->next = all->first;
    all->first = r;
    all->n_left++;
}

static void on_read(void *ctx, const struct storage_rows *rows)
{
    struct restoring *all = ctx;

    if (rows->err != LN_OK)
        log_warn(LOG_IM, 0, "sessions.unreadable", F_ERR("err", rows->err));
    if (rows->n == 0) {
        end_restoring(all);
        return;
    }
    all->removal = storage_txn_new();
    for (size_t i = 0; i < rows->n; i++)
        note_one(all, &rows->rows[i]);
    if (all->n_left == 0) {
        storage_commit(all->server->storage, all->removal, NULL, NULL, NULL);
        end_restoring(all);
        return;
    }
    storage_commit(all->server->storage, all->removal, all->server->control, on_removed, all);
}

void saved_restore_all(struct server *server, void (*done)(void *ctx), void *ctx)
{
    struct storage_query q = {.kind = STORAGE_LIST, .owner = STR(""), .collection = SAVED_COLLECTION};
    struct restoring *all = mem_zalloc(sizeof(*all));

    *all = (struct restoring){.server = server, .done = done, .ctx = ctx};
    storage_read(server->storage, &q, server->control, on_read, all);
}
