/* server/modules/archive.c - XEP-0313 Message Archive Management 1.1.3, XEP-0359 Unique and Stable Stanza IDs 0.7.0
 *
 * Every message that an account sends or is sent and that is worth keeping is written to its archive, once, under an id
 * that is given before anybody is shown the message: rising in the order of delivery, and the same wherever the message
 * turns up. A worker gathers what its turns of the loop have while its last transaction is being committed, so that
 * under load neither it nor the storage is woken for single messages. Until its entry is committed a message is held by
 * a reference, so the sender is not told earlier that it is safe. If the commit fails the live delivery stands. */
#include "server/modules/archive.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/log.h"
#include "server/im/batch.h"
#include "server/im/router.h"
#include "server/im/shard.h"
#include "server/im/slots.h"
#include "server/im/stanza_id.h"
#include "server/modules/module.h"
#include "server/storage/storage.h"

enum {
    COMMIT_BYTES = 1024 * 1024, /* what is gathered at most */
};

struct entry {
    struct stanza *st; /* as it is delivered; under a reference */
    bool has_id;       /* of the archive, as its last addition: nobody but this worker has it */
    bool is_only_copy; /* nobody was given it and it is stored nowhere else: the sender must hear if that fails */
};

/* What is committed together. */
struct commit {
    struct worker *w;
    struct storage_txn *txn;
    struct entry *entries;
    size_t n, cap;
    size_t bytes;
};

/* Each worker's own, by its index. */
static struct turn {
    struct commit *open; /* what was archived and not handed to storage yet; NULL: nothing */
    unsigned in_flight;  /* commits that are not answered */
    struct buf scratch;
    char apart[64]; /* workers do not meet in one line of a cache */
} * turns;

static unsigned account_slot_;

struct archive_account *archive_account(struct account *a)
{
    void **slot = account_slot(a, account_slot_);

    if (*slot == NULL)
        *slot = mem_zalloc(sizeof(struct archive_account));
    return *slot;
}

struct archive_account *archive_account_peek(const struct account *a)
{
    return account_slot_peek(a, account_slot_);
}

/* ---- committing ---- */

/* Whoever keeps it for its addressee from now on keeps it without an id: it would be taken for one that the addressee
 * finds in the archive, and not be handed out (im/offline.h). */
static void fail(struct worker *w, struct entry *e, enum ln_err err)
{
    if (e->has_id)
        e->st->suffix = e->st->base->suffix;
    if (e->is_only_copy)
        router_refuse(w, e->st, stanza_err_of_storage(err), "the message could not be stored");
}

static void on_committed(void *ctx, enum ln_err err)
{
    struct commit *c = ctx;

    turns[c->w->index].in_flight--;
    hooks_at_turn_end(c->w); /* with the next commit, if more was gathered meanwhile */
    if (err != LN_OK)
        log_warn(LOG_MODULE, 0, "archive.failed", F_U64("messages", c->n), F_ERR("err", err));
    for (size_t i = 0; i < c->n; i++) {
        struct entry *e = &c->entries[i];

        if (err != LN_OK)
            fail(c->w, e, err);
        stanza_unref(&e->st);
    }
    batch_storage_settled(c->w, c->bytes);
    free(c->entries);
    free(c);
}

typedef void (*submit)(struct storage *s, struct storage_txn *own_txn, struct executor *reply_to,
                       storage_on_committed done, void *ctx);

static void commit(struct worker *w, submit how)
{
    struct turn *turn = &turns[w->index];
    struct commit *c = turn->open;

    turn->open = NULL;
    turn->in_flight++;
    how(w->server->storage, c->txn, &w->executor, on_committed, c);
}

/* Those that are on their way may be overtaken by a read; what is submitted behind them may not. */
void archive_settle(struct worker *w)
{
    struct turn *turn = &turns[w->index];

    if (turn->open != NULL)
        commit(w, storage_commit);
    else if (turn->in_flight > 0)
        storage_commit(w->server->storage, storage_txn_new(), &w->executor, NULL, NULL);
}

static struct commit *open_commit(struct worker *w)
{
    struct turn *turn = &turns[w->index];

    if (turn->open != NULL && turn->open->bytes >= COMMIT_BYTES)
        commit(w, storage_commit_lazily);
    if (turn->open == NULL) {
        turn->open = mem_zalloc(sizeof(*turn->open));
        turn->open->w = w;
        turn->open->txn = storage_txn_new();
        hooks_at_turn_end(w);
    }
    return turn->open;
}

/* ---- appending ---- */

static void hold(struct commit *c, struct stanza *st, bool has_id)
{
    if (c->n == c->cap) {
        c->cap = c->cap == 0 ? 8 : c->cap * 2;
        c->entries = mem_realloc(c->entries, c->cap * sizeof(*c->entries));
    }
    c->entries[c->n++] = (struct entry){.st = stanza_ref(st), .has_id = has_id};
}

/* The bytes are those of the message as it came; what is held is the same as it will be shown, with its id. */
static void append(struct account *a, const struct stanza *st, struct stanza *shown, const struct jid *peer,
                   uint64_t id)
{
    struct worker *w = a->worker;
    struct commit *c = open_commit(w);
    struct buf *record = &turns[w->index].scratch;

    buf_clear(record);
    stanza_write_inside(record, st, NS_FORWARD);
    storage_txn_append(c->txn, a->jid.full, ARCHIVE_COLLECTION, id, (int64_t)(id / 1000), jid_full(peer),
                       buf_str(record));
    c->bytes += record->len;
    batch_storage_begin(w, record->len);
    hold(c, shown, shown != st);
    a->archive_last = id;
    if (a->archive_first == 0)
        a->archive_first = id;
}

static struct stanza *with_id(struct stanza *st, const struct account *a, uint64_t id)
{
    struct buf *suffix = &turns[a->worker->index].scratch;

    buf_clear(suffix);
    stanza_id_write(suffix, a->jid.full, id);
    return stanza_with(st, buf_str(suffix));
}

/* Archives the event's message. Whoever is asked behind, and the core where the message is to be delivered, see it with
 * its id. */
static void archive(struct hook_event *e, const struct config_host *host, const struct jid *peer, bool is_shown)
{
    struct account *a = e->account;
    uint64_t id = worker_next_id(e->worker);
    struct stanza *st = e->stanza, *shown = is_shown ? with_id(st, a, id) : stanza_ref(st);

    append(a, st, shown, peer, id);
    archive_retention_appended(a, host);
    archive_retract(a, st, peer, id);
    if (is_shown)
        hook_replace_stanza(e, shown);
    else
        stanza_unref(&shown);
}

/* ---- ids that somebody else wrote in the account's name ---- */

static bool is_forged(const struct xml_element *child, const void *account)
{
    const struct account *a = account;

    return stanza_id_is_by(child, a->jid.full);
}

static bool has_forged(const struct account *a, const struct stanza *st)
{
    for (const struct xml_element *e = st->root->child; e != NULL; e = e->next) {
        if (is_forged(e, a))
            return true;
    }
    return false;
}

/* XEP-0359 section 4, rule 2: also where no id is added. False: it could not be done. */
static bool strip_forged(struct hook_event *e)
{
    struct stanza *clean;

    if (!has_forged(e->account, e->stanza))
        return true;
    clean = stanza_without(e->stanza, is_forged, e->account);
    if (clean == NULL)
        return false;
    hook_replace_stanza(e, clean);
    return true;
}

/* ---- the points ---- */

static const struct config_host *host_of(const struct account *a)
{
    return config_host(a->worker->config, jid_domain(&a->jid));
}

static bool is_wanted(const struct hook_event *e, const struct config_host *host, const struct jid *peer)
{
    return account_is_lasting(e->account) && archive_is_worth_it(e->stanza) &&
           archive_prefs_allow(e->account, host, peer);
}

static bool is_to_itself(const struct account *a, const struct stanza *st)
{
    return jid_is_empty(&st->to) || str_eq(jid_bare(&st->to), a->jid.full);
}

/* What an account sends to itself is archived when it arrives. The account's own view of the message has the id; only
 * its other resources are ever shown that. */
static enum verdict on_sent(struct hook_event *e)
{
    const struct config_host *host = host_of(e->account);

    if (!is_to_itself(e->account, e->stanza) && is_wanted(e, host, &e->stanza->to) && strip_forged(e))
        archive(e, host, &e->stanza->to, e->account->n_sessions > 1);
    return CONTINUE;
}

static enum verdict on_received(struct hook_event *e)
{
    const struct config_host *host = host_of(e->account);

    if (!strip_forged(e)) {
        router_refuse(e->worker, e->stanza, STANZA_ERR_INTERNAL_SERVER_ERROR, NULL);
        return STOP;
    }
    if (is_wanted(e, host, &e->stanza->from))
        archive(e, host, &e->stanza->from, true);
    return CONTINUE;
}

static void note_only_copy(struct worker *w, const struct stanza *st)
{
    struct commit *c = turns[w->index].open;

    for (size_t i = c != NULL ? c->n : 0; i > 0; i--) {
        if (c->entries[i - 1].st == st) {
            c->entries[i - 1].is_only_copy = true;
            return;
        }
    }
}

/* Nobody is there, and offline storage does not keep it, or keeps no more. Who comes online finds it in the archive, so
 * it is not refused. */
static enum verdict on_undelivered(struct hook_event *e)
{
    struct hook_event awaits = {.worker = e->worker, .account = e->account, .stanza = e->stanza};
    uint64_t id;

    if (!stanza_id_find(e->stanza, e->account->jid.full, &id))
        return CONTINUE;
    note_only_copy(e->worker, e->stanza);
    (void)hooks_run(HOOK_MESSAGE_AWAITS, host_of(e->account), &awaits);
    return STOP;
}

/* XEP-0386 section 3.2: a client that logs in like this is told where its archive ends, and reads from there what it
 * missed, so the offline copies of that are not sent. */
static enum verdict on_bind2(struct hook_event *e)
{
    archive_write_metadata(e->out, e->account);
    e->session->read_from = 1;
    e->session->read_to = worker_next_id(e->worker);
    return CONTINUE;
}

static enum verdict on_turn_end(struct hook_event *e)
{
    const struct turn *turn = &turns[e->worker->index];

    if (turn->open != NULL && turn->in_flight == 0)
        commit(e->worker, storage_commit_lazily);
    archive_retention_turn(e->worker);
    return CONTINUE;
}

/* ---- what is kept in memory ---- */

static enum verdict on_account_loaded(struct hook_event *e)
{
    archive_prefs_take(e->account, e->rows);
    return CONTINUE;
}

static enum verdict on_account_unloaded(struct hook_event *e)
{
    struct archive_account *mine = archive_account_peek(e->account);

    if (mine != NULL)
        archive_prefs_free(&mine->prefs);
    free(mine);
    return CONTINUE;
}

/* What was gathered in the turn in which the deletion was submitted came behind it. */
static enum verdict on_account_deleted(struct hook_event *e)
{
    struct archive_account *mine = archive_account_peek(e->account);
    struct storage_txn *t = storage_txn_new();

    if (mine != NULL)
        archive_prefs_free(&mine->prefs);
    e->account->archive_first = e->account->archive_last = 0;
    archive_settle(e->worker);
    storage_txn_trim(t, e->account->jid.full, ARCHIVE_COLLECTION, INT64_MAX, UINT32_MAX);
    storage_commit(e->worker->server->storage, t, &e->worker->executor, NULL, NULL);
    return CONTINUE;
}

static void on_start(struct server *server)
{
    account_slot_ = account_slot_new();
    free(turns);
    turns = mem_zalloc(server->n_workers * sizeof(*turns));
    stanza_ids_start(server->secret);
    archive_retract_start(server->n_workers);
    archive_retention_start(server->n_workers);
}

const struct module module_archive = {
    .name = "archive",
    .features = {NS_MAM, NS_SID}, /* the host has no archive itself; some clients look for the feature only there */
    .account_features = {NS_MAM, NS_MAM_EXTENDED, NS_MAM_GROUPCHAT, NS_SID, NS_RETRACT, NS_TOMBSTONE},
    .iq =
        {
            {IQ_SET, NS_MAM, "query", IQ_TO_OWN_ACCOUNT, archive_query},
            {IQ_GET, NS_MAM, "query", IQ_TO_OWN_ACCOUNT, archive_query_form},
            {IQ_GET, NS_MAM, "metadata", IQ_TO_OWN_ACCOUNT, archive_metadata},
            {IQ_GET, NS_MAM, "prefs", IQ_TO_OWN_ACCOUNT, archive_prefs_get},
            {IQ_SET, NS_MAM, "prefs", IQ_TO_OWN_ACCOUNT, archive_prefs_set},
        },
    .hooks =
        {
            {HOOK_MESSAGE_SENT, PRIORITY_STORE, on_sent},
            {HOOK_MESSAGE_TO_ACCOUNT, PRIORITY_STORE, on_received},
            {HOOK_MESSAGE_UNDELIVERED, PRIORITY_LAST, on_undelivered},
            {HOOK_BIND2, PRIORITY_FIRST, on_bind2},
            {HOOK_TURN_END, PRIORITY_STORE, on_turn_end},
            {HOOK_ACCOUNT_LOADED, PRIORITY_NORMAL, on_account_loaded},
            {HOOK_ACCOUNT_UNLOADED, PRIORITY_NORMAL, on_account_unloaded},
            {HOOK_ACCOUNT_DELETED, PRIORITY_NORMAL, on_account_deleted},
        },
    .on_start = on_start,
};
