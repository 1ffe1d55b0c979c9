/* server/modules/push.c - XEP-0357 Push Notifications 0.4.1
 *
 * A client that has no connection most of the time names an app server, which can wake it. Whenever a message that a
 * person would want to know of (attention.h) waits for such a client, its app server is told (push_notify.h): while its
 * session waits for it to resume, when the message is kept because nobody is there, and when other clients of the
 * account were there to get it and this one will find it in the archive.
 *
 * A change takes effect when it is committed; until then the account takes nothing else, so that two clients cannot
 * undo each other's. What the document says is what is in memory, but for counts of errors that are on their way. */
#include "common/mem.h"
#include "common/xmpp/data_form.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/delivery.h"
#include "server/im/shard.h"
#include "server/im/slots.h"
#include "server/modules/attention.h"
#include "server/modules/module.h"
#include "server/modules/push_list.h"
#include "server/modules/push_notify.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"

#define PUSH_KEY STR("push")

enum { NODE_BYTES_MAX = 1023, OPTIONS_BYTES_MAX = 4096 };

static unsigned slot; /* [start] in accounts: struct push_list; NULL: no registrations */

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
    return str_make(str_dup(s), s.len);
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

static void write_change(struct account *a, const struct push_change *change, storage_on_committed done, void *ctx)
{
    static const struct push_list none;
    const struct push_list *l = account_slot_peek(a, slot);
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
    write_change(c->a, &c->change, on_committed, c);
}

/* ---- what clients ask for ---- */

/* False: it was refused. */
static bool read_address(struct iq *iq, struct push_change *ret, struct jid_buf *mem)
{
    bool has_jid, has_node;
    struct str text = xml_attr(iq->query, "jid", &has_jid);
    struct jid jid;

    ret->node = xml_attr(iq->query, "node", &has_node);
    ret->is_any_node = !has_node;
    if (!has_jid || ret->node.len > NODE_BYTES_MAX) {
        (void)iq_error(iq, STANZA_ERR_BAD_REQUEST, has_jid ? "the node is too long" : "'jid' is missing");
        return false;
    }
    if (jid_parse(text, mem, &jid) != LN_OK) {
        (void)iq_error(iq, STANZA_ERR_JID_MALFORMED, NULL);
        return false;
    }
    ret->jid = jid_full(&jid);
    return true;
}

/* Other forms than that of publish-options are nobody's. False: it was refused. */
static bool read_options(struct iq *iq, struct buf *ret)
{
    const struct xml_element *x = data_form_find(iq->query, NS_PUBLISH_OPTIONS);
    struct xml_writer w = xml_writer_to(ret);

    if (x == NULL)
        return true;
    if (!str_is(data_form_type(x), "submit")) {
        (void)iq_error(iq, STANZA_ERR_BAD_REQUEST, "a form that is not submitted");
        return false;
    }
    xml_put_element(&w, x, NS_PUBSUB);
    if (ret->len > OPTIONS_BYTES_MAX) {
        (void)iq_error(iq, STANZA_ERR_POLICY_VIOLATION, "too many options");
        return false;
    }
    return true;
}

/* Clients enable push with each login: what is known already costs no write. */
static enum iq_verdict enable(struct iq *iq, const struct push_change *change)
{
    struct account *a = iq->account;
    const struct push_list *l = account_slot_peek(a, slot);
    struct push_app *app = l == NULL ? NULL : push_list_find(l, change->jid, change->node);

    if (app != NULL && push_change_is_void(change, l)) {
        push_notify_forget(app);
        return iq_result(iq, STR(""));
    }
    if (app == NULL && l != NULL && l->n >= iq->worker->config->push.registrations)
        return iq_error(iq, STANZA_ERR_POLICY_VIOLATION, "too many registrations: disable one");
    begin(commit_new(a, iq_keep(iq), change));
    return IQ_LATER;
}

static enum iq_verdict on_enable(struct iq *iq)
{
    struct push_change change = {.is_enable = true, .resource = iq->session->resource};
    enum iq_verdict verdict = IQ_ANSWERED;
    struct buf options = {0};
    struct jid_buf mem;

    if (read_address(iq, &change, &mem) && read_options(iq, &options)) {
        change.is_any_node = false;
        change.options = buf_str(&options);
        verdict = enable(iq, &change);
    }
    buf_deinit(&options);
    return verdict;
}

/* What is not there is disabled already. */
static enum iq_verdict on_disable(struct iq *iq)
{
    const struct push_list *l = account_slot_peek(iq->account, slot);
    struct push_change change = {0};
    struct jid_buf mem;

    if (!read_address(iq, &change, &mem))
        return IQ_ANSWERED;
    if (l == NULL || push_change_is_void(&change, l))
        return iq_result(iq, STR(""));
    begin(commit_new(iq->account, iq_keep(iq), &change));
    return IQ_LATER;
}

/* ---- what app servers say ---- */

static void begin_when_ready(struct account *a, void *ctx)
{
    struct commit *c = ctx;

    if (account_is_lasting(a))
        begin(c);
    else
        commit_free(c);
}

static void end_registration(struct account *a, struct str jid, struct str node)
{
    const struct push_change change = {.jid = jid, .node = node};
    struct commit *c = commit_new(a, NULL, &change);

    if (account_when_ready(shard_of(a->worker), &a->jid, begin_when_ready, c) != LN_OK)
        commit_free(c); /* the next failure tries again */
}

static void on_broken(struct push_app *app)
{
    end_registration(app->account, str_of(app->jid), str_of(app->node));
}

static void write_as_it_is(struct account *a, void *ctx)
{
    (void)ctx;
    if (account_is_lasting(a) && account_slot_peek(a, slot) != NULL)
        write_change(a, NULL, NULL, NULL); /* if it fails a count is a little lower after the next start */
}

static void on_changed(struct push_app *app)
{
    struct account *a = app->account;

    (void)account_when_ready(shard_of(a->worker), &a->jid, write_as_it_is, NULL);
}

/* Section 8: the app server takes the account's right to publish away. True: that is what the message says. */
static bool is_told_to_stop(struct account *a, const struct push_list *l, const struct stanza *st)
{
    const struct xml_element *pubsub = xml_child(st->root, "pubsub", NS_PUBSUB);
    const struct xml_element *affiliation = pubsub == NULL ? NULL : xml_child(pubsub, "affiliation", NS_PUBSUB);
    const struct push_app *app;

    if (affiliation == NULL || !str_is(xml_attr(affiliation, "affiliation", NULL), "none") ||
        !str_eq(xml_attr(affiliation, "jid", NULL), a->jid.full))
        return false;
    app = push_list_find(l, jid_full(&st->from), xml_attr(pubsub, "node", NULL));
    if (app == NULL)
        return false;
    end_registration(a, str_of(app->jid), str_of(app->node));
    return true;
}

/* ---- what happens ---- */

/* The client that the registration belongs to; NULL: it has no session. */
static struct session *client_of(const struct account *a, const struct push_app *app)
{
    struct session *s = a->sessions;

    while (s != NULL && !str_is(s->resource, app->resource))
        s = s->next_of_account;
    return s;
}

static bool has_connection(const struct account *a, const struct push_app *app)
{
    const struct session *s = client_of(a, app);

    return s != NULL && s->conn != NULL;
}

static enum verdict on_awaits(struct hook_event *e)
{
    const struct push_list *l = account_slot_peek(e->account, slot);

    if (l == NULL || !attention_is_wanted(e->stanza))
        return CONTINUE;
    for (struct push_app *app = l->first; app != NULL; app = app->next) {
        if (e->session != NULL ? client_of(e->account, app) == e->session : !has_connection(e->account, app))
            push_notify(app, e->stanza);
    }
    return CONTINUE;
}

/* Others are there to get it: clients that have no session at all will find it in the archive. */
static void tell_those_who_are_away(const struct account *a, const struct push_list *l, const struct stanza *st)
{
    if (account_top_priority(a) < 0 || !delivery_is_storable(st) || !attention_is_wanted(st))
        return;
    for (struct push_app *app = l->first; app != NULL; app = app->next) {
        if (client_of(a, app) == NULL)
            push_notify(app, st);
    }
}

static enum verdict on_message(struct hook_event *e)
{
    const struct push_list *l = account_slot_peek(e->account, slot);

    if (l == NULL)
        return CONTINUE;
    if (is_told_to_stop(e->account, l, e->stanza))
        return STOP;
    tell_those_who_are_away(e->account, l, e->stanza);
    return CONTINUE;
}

/* The client is there again, and sees for itself what waited. */
static enum verdict on_client_is_back(struct hook_event *e)
{
    const struct push_list *l = account_slot_peek(e->session->account, slot);

    for (struct push_app *app = l == NULL ? NULL : l->first; app != NULL; app = app->next) {
        if (str_is(e->session->resource, app->resource))
            push_notify_forget(app);
    }
    return CONTINUE;
}

/* ---- in memory ---- */

static enum verdict on_loaded(struct hook_event *e)
{
    struct str document = STR("");
    struct account *a = e->account;

    for (size_t i = 0; i < e->rows->n; i++) {
        if (str_eq(e->rows->rows[i].key, PUSH_KEY))
            document = e->rows->rows[i].bytes;
    }
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

static void end_all(struct account *a)
{
    struct push_list *l = account_slot_peek(a, slot);

    while (l != NULL && l->first != NULL) {
        struct push_app *app = l->first;

        l->first = app->next;
        l->n--;
        push_notify_end(&app);
    }
    drop_list_if_empty(a);
}

static enum verdict on_deleted(struct hook_event *e)
{
    end_all(e->account);
    return CONTINUE;
}

/* Nothing is under way, or the server stops: then a pause may still be on, but its pin counts no more. */
static enum verdict on_unloaded(struct hook_event *e)
{
    struct push_list *l = account_slot_peek(e->account, slot);

    while (l != NULL && l->first != NULL) {
        struct push_app *app = l->first;

        l->first = app->next;
        wheel_cancel(&app->timer);
        push_app_free(&app);
    }
    drop_list_if_empty(e->account);
    return CONTINUE;
}

static void on_start(struct server *server)
{
    static const struct push_outcome outcome = {.on_changed = on_changed, .on_broken = on_broken};

    (void)server;
    slot = account_slot_new();
    push_notify_init(&outcome);
}

const struct module module_push = {
    .name = "push",
    .account_features = {NS_PUSH},
    .iq = {{IQ_SET, NS_PUSH, "enable", IQ_TO_OWN_ACCOUNT, on_enable},
           {IQ_SET, NS_PUSH, "disable", IQ_TO_OWN_ACCOUNT, on_disable}},
    .hooks = {{HOOK_MESSAGE_AWAITS, PRIORITY_NORMAL, on_awaits},
              {HOOK_MESSAGE_TO_ACCOUNT, PRIORITY_LAST, on_message},
              {HOOK_SESSION_BOUND, PRIORITY_NORMAL, on_client_is_back},
              {HOOK_SESSION_RESUMED, PRIORITY_NORMAL, on_client_is_back},
              {HOOK_ACCOUNT_LOADED, PRIORITY_NORMAL, on_loaded},
              {HOOK_ACCOUNT_UNLOADED, PRIORITY_NORMAL, on_unloaded},
              {HOOK_ACCOUNT_DELETED, PRIORITY_NORMAL, on_deleted}},
    .on_start = on_start,
};
