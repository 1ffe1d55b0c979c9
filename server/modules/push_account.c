#include "server/modules/push_account.h"

#include "common/mem.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/shard.h"
#include "server/im/slots.h"
#include "server/modules/push_notify.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"

#define PUSH_KEY STR("push")

static unsigned slot; /* [start] in accounts: struct push_list; NULL: no registrations */

void push_account_start(void)
{
    slot = account_slot_new();
}

const struct push_list *push_account_peek(const struct account *a)
{
    return account_slot_peek(a, slot);
}

static struct push_list *list_of(struct account *a)
{
    struct push_list **l = (struct push_list **)account_slot(a, slot);

    if (*l == NULL)
        *l = mem_zalloc(sizeof(**l));
    return *l;
}

static void drop_list_if_empty(struct account *a)
{
    struct push_list *l = account_slot_peek(a, slot);

    if (l == NULL || l->first != NULL)
        return;
    free(l);
    *account_slot(a, slot) = NULL;
}

/* ---- changes: written, then in force ---- */

struct commit {
    struct account *a;         /* pinned, and busy meanwhile */
    struct iq *iq;             /* kept, to be answered; NULL: the server does it by itself */
    struct push_change change; /* its strings are owned */
};

static struct str copy(struct str s)
{
    return str_make(mem_strndup(s.p, s.len), s.len);
}

static struct commit *commit_new(struct account *a, struct iq *own_iq, const struct push_change *change)
{
    struct commit *c = mem_alloc(sizeof(*c));

    *c = (struct commit){.a = a, .iq = own_iq, .change = *change};
    c->change.jid = copy(change->jid);
    c->change.node = copy(change->node);
    c->change.resource = copy(change->resource);
    c->change.options = copy(change->options);
    account_pin(a);
    return c;
}

static void commit_free(struct commit *c)
{
    free((void *)(uintptr_t)c->change.jid.p);
    free((void *)(uintptr_t)c->change.node.p);
    free((void *)(uintptr_t)c->change.resource.p);
    free((void *)(uintptr_t)c->change.options.p);
    account_unpin(c->a);
    free(c);
}

static void apply(struct account *a, const struct push_change *change)
{
    struct push_list *l = list_of(a);
    struct push_app *app;

    if (change->is_enable) {
        app = push_list_put(l, change);
        app->account = a;
        push_notify_forget(app);
    } else {
        while ((app = push_list_take(l, change)) != NULL)
            push_notify_end(&app);
    }
    drop_list_if_empty(a);
}

static void on_committed(void *ctx, enum ln_err err)
{
    struct commit *c = ctx;
    struct account *a = c->a;

    /* Not where the account was deleted behind it: that has ended all of them. */
    if (err == LN_OK && account_is_lasting(a))
        apply(a, &c->change);
    if (c->iq != NULL)
        iq_on_committed(c->iq, err);
    account_set_busy(a, false);
    commit_free(c);
}

static void write_document(struct account *a, const struct push_change *change, storage_on_committed done, void *ctx)
{
    static const struct push_list none;
    const struct push_list *l = push_account_peek(a);
    struct storage_txn *t = storage_txn_new();
    struct buf document = {0};

    push_list_write(&document, l != NULL ? l : &none, change);
    storage_txn_require_present(t, a->jid.full, CREDENTIALS_COLLECTION, CREDENTIALS_KEY);
    if (document.len > 0)
        storage_txn_put(t, a->jid.full, CREDENTIALS_COLLECTION, PUSH_KEY, buf_str(&document));
    else
        storage_txn_delete(t, a->jid.full, CREDENTIALS_COLLECTION, PUSH_KEY);
    storage_commit(a->worker->server->storage, t, &a->worker->executor, done, ctx);
    buf_deinit(&document);
}

/* The account is ready, as it always is when it is asked something. */
static void begin(struct commit *c)
{
    account_set_busy(c->a, true);
    write_document(c->a, &c->change, on_committed, c);
}

/* Clients enable push with each login: what is known already costs no write. */
enum iq_verdict push_account_change(struct iq *iq, const struct push_change *change)
{
    static const struct push_list none;
    struct account *a = iq->account;
    const struct push_list *l = push_account_peek(a) != NULL ? push_account_peek(a) : &none;
    struct push_app *app = push_list_find(l, change->jid, change->node);

    if (push_change_is_void(change, l)) {
        if (app != NULL && change->is_enable)
            push_notify_forget(app);
        return iq_result(iq, STR(""));
    }
    if (change->is_enable && app == NULL && l->n >= iq->worker->config->push.registrations)
        return iq_error(iq, STANZA_ERR_POLICY_VIOLATION, "too many registrations: disable one");
    begin(commit_new(a, iq_keep(iq), change));
    return IQ_LATER;
}

static void begin_when_ready(struct account *a, void *ctx)
{
    struct commit *c = ctx;

    if (account_is_lasting(a))
        begin(c);
    else
        commit_free(c);
}

void push_account_end(struct account *a, struct str jid, struct str node)
{
    const struct push_change change = {.jid = jid, .node = node};
    struct commit *c = commit_new(a, NULL, &change);

    if (account_when_ready(shard_of(a->worker), &a->jid, begin_when_ready, c) != LN_OK)
        commit_free(c); /* the next failure tries again */
}

static void write_as_it_is(struct account *a, void *ctx)
{
    (void)ctx;
    if (account_is_lasting(a) && push_account_peek(a) != NULL)
        write_document(a, NULL, NULL, NULL); /* if it fails a count is a little lower after the next start */
}

void push_account_write(struct account *a)
{
    (void)account_when_ready(shard_of(a->worker), &a->jid, write_as_it_is, NULL);
}

/* ---- in memory ---- */

static struct str find_document(const struct storage_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        if (str_eq(rows->rows[i].key, PUSH_KEY))
            return rows->rows[i].bytes;
    }
    return STR("");
}

enum verdict push_account_on_loaded(struct hook_event *e)
{
    struct account *a = e->account;
    struct str document = find_document(e->rows);

    if (document.len == 0)
        return CONTINUE;
    struct push_list *l = list_of(a);

    if (!push_list_read(l, document))
        log_error(LOG_MODULE, 0, "push.damaged", F_STR("jid", a->jid.full));
    for (struct push_app *app = l->first; app != NULL; app = app->next) {
        app->account = a;
        app->waiting = a->offline_count;
    }
    drop_list_if_empty(a);
    return CONTINUE;
}

static struct push_app *take_first(struct push_list *l)
{
    struct push_app *app = l == NULL ? NULL : l->first;

    if (app == NULL)
        return NULL;
    l->first = app->next;
    l->n--;
    return app;
}

/* Nothing is under way, or the server stops: then a pause may still be on, but its pin counts no more. */
enum verdict push_account_on_unloaded(struct hook_event *e)
{
    struct push_app *app;

    while ((app = take_first(account_slot_peek(e->account, slot))) != NULL) {
        wheel_cancel(&app->timer);
        push_app_free(&app);
    }
    drop_list_if_empty(e->account);
    return CONTINUE;
}

enum verdict push_account_on_deleted(struct hook_event *e)
{
    struct push_app *app;

    while ((app = take_first(account_slot_peek(e->account, slot))) != NULL)
        push_notify_end(&app);
    drop_list_if_empty(e->account);
    return CONTINUE;
}
