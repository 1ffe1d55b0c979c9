/* server/modules/push.c - XEP-0357 Push Notifications 0.4.1
 *
 * A client that has no connection most of the time names an app server, which can wake it. Whenever a message that a
 * person would want to know of (attention.h) waits for such a client, its app server is told (push_notify.h): when its
 * session has lost its connection, or does not acknowledge for long and so has probably lost it; when the message is
 * kept because nobody is there; and when other clients of the account were there to get it, and this one will find it
 * in the archive. A client that is there is never woken. */
#include "common/mem.h"
#include "common/xmpp/data_form.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/im/account.h"
#include "server/im/stanza_id.h"
#include "server/im/unacked.h"
#include "server/modules/attention.h"
#include "server/modules/module.h"
#include "server/modules/push_account.h"
#include "server/modules/push_notify.h"

enum {
    NODE_BYTES_MAX = 1023,
    OPTIONS_BYTES_MAX = 4096,
    UNACKED_LOOKED_AT = 100, /* messages for one that is away, at most: more are not counted */
};

/* ---- what clients ask for ---- */

/* False: it was refused. */
static bool read_address(struct iq *iq, struct push_change *ret, struct jid_buf *mem)
{
    bool has_jid, has_node;
    struct str text = xml_attr(iq->query, "jid", &has_jid);
    struct jid jid;

    ret->node = xml_attr(iq->query, "node", &has_node);
    ret->is_any_node = !has_node && !ret->is_enable;
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

/* By the name of the field alone: some clients leave out what makes it a FORM_TYPE (XEP-0068 section 3.1). */
static const struct xml_element *find_options(const struct xml_element *enable)
{
    const struct xml_element *x = xml_child(enable, "x", NS_DATA_FORMS);

    while (x != NULL && !str_is(data_form_value(x, "FORM_TYPE", NULL), NS_PUBLISH_OPTIONS))
        x = xml_next(x, "x", NS_DATA_FORMS);
    return x;
}

/* Other forms are nobody's. False: it was refused. */
static bool read_options(struct iq *iq, struct buf *ret)
{
    const struct xml_element *x = find_options(iq->query);
    struct str type = x == NULL ? STR("") : data_form_type(x);
    struct xml_writer w = xml_writer_to(ret);

    if (x == NULL)
        return true;
    if (type.len > 0 && !str_is(type, "submit")) {
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

static enum iq_verdict on_enable(struct iq *iq)
{
    struct push_change change = {.is_enable = true, .resource = iq->session->resource};
    enum iq_verdict verdict = IQ_ANSWERED;
    struct buf options = {0};
    struct jid_buf mem;

    if (read_address(iq, &change, &mem) && read_options(iq, &options)) {
        change.options = buf_str(&options);
        verdict = push_account_change(iq, &change);
    }
    buf_deinit(&options);
    return verdict;
}

/* What is not there is disabled already. */
static enum iq_verdict on_disable(struct iq *iq)
{
    struct push_change change = {0};
    struct jid_buf mem;

    return read_address(iq, &change, &mem) ? push_account_change(iq, &change) : IQ_ANSWERED;
}

/* ---- what app servers say ---- */

static void on_broken(struct push_app *app)
{
    push_account_end(app->account, str_of(app->jid), str_of(app->node));
}

static void on_changed(struct push_app *app)
{
    push_account_write(app->account);
}

/* Section 8: the app server takes the account's right to publish away. True: that is what the message says. */
static bool is_told_to_stop(struct account *a, const struct push_list *l, const struct stanza *st)
{
    const struct xml_element *pubsub = xml_child(st->root, "pubsub", NS_PUBSUB);
    const struct xml_element *affiliation = pubsub == NULL ? NULL : xml_child(pubsub, "affiliation", NS_PUBSUB);

    if (affiliation == NULL || !str_is(xml_attr(affiliation, "affiliation", NULL), "none") ||
        !str_eq(xml_attr(affiliation, "jid", NULL), a->jid.full))
        return false;
    const struct push_app *app = push_list_find(l, jid_full(&st->from), xml_attr(pubsub, "node", NULL));

    if (app == NULL)
        return false;
    push_account_end(a, str_of(app->jid), str_of(app->node));
    return true;
}

/* ---- messages ---- */

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
    const struct push_list *l = push_account_peek(e->account);

    if (l == NULL || !attention_is_wanted(e->stanza))
        return CONTINUE;
    for (struct push_app *app = l->first; app != NULL; app = app->next) {
        if (e->session != NULL ? client_of(e->account, app) == e->session : !has_connection(e->account, app))
            push_notify(app, e->stanza);
    }
    return CONTINUE;
}

/* Somebody is there to get it. Clients that have no session at all will find it in the archive, if it is there. */
static void tell_those_who_are_away(const struct account *a, const struct push_list *l, const struct stanza *st)
{
    uint64_t id;

    if (account_top_priority(a) < 0 || !stanza_id_find(st, a->jid.full, &id) || !attention_is_wanted(st))
        return;
    for (struct push_app *app = l->first; app != NULL; app = app->next) {
        if (client_of(a, app) == NULL)
            push_notify(app, st);
    }
}

static enum verdict on_message(struct hook_event *e)
{
    const struct push_list *l = push_account_peek(e->account);

    if (l == NULL)
        return CONTINUE;
    if (is_told_to_stop(e->account, l, e->stanza))
        return STOP;
    tell_those_who_are_away(e->account, l, e->stanza);
    return CONTINUE;
}

/* ---- clients that go, and come back ---- */

/* What was sent to the client and did not arrive, as far as is known. The caller's reference to the last message; NULL:
 * there is none that a person would want to know of. */
static struct stanza *look_at_unacked(const struct session *s, uint32_t *ret_n)
{
    struct stanza *last = NULL;
    unsigned looked_at = 0;

    *ret_n = 0;
    for (const struct unacked_entry *e = s->sm->queue.first; e != NULL && looked_at < UNACKED_LOOKED_AT; e = e->next) {
        struct stanza *st;

        if (!str_starts(unacked_str(e), STR("<message")))
            continue;
        looked_at++;
        st = stanza_from_bytes(unacked_str(e));
        if (st != NULL && attention_is_wanted(st)) {
            stanza_unref(&last);
            last = stanza_ref(st);
            ++*ret_n;
        }
        stanza_unref(&st);
    }
    return last;
}

static void tell_of_unacked(struct session *s, const struct push_list *l)
{
    struct stanza *last = NULL;
    uint32_t n = 0;
    bool is_counted = false;

    for (struct push_app *app = l->first; app != NULL; app = app->next) {
        if (!str_is(s->resource, app->resource))
            continue;
        if (!is_counted)
            last = look_at_unacked(s, &n);
        is_counted = true;
        if (last != NULL)
            push_notify_of(app, n, s->sm->progress_ms, last);
    }
    stanza_unref(&last);
}

static enum verdict on_hibernating(struct hook_event *e)
{
    const struct push_list *l = push_account_peek(e->account);

    if (l != NULL)
        tell_of_unacked(e->session, l);
    return CONTINUE;
}

/* Called when a message is sent, and every second while one waits. */
static enum verdict on_acknowledgement_wanted(struct hook_event *e)
{
    const struct session *s = e->session;
    const struct push_list *l = push_account_peek(s->account);

    if (l != NULL && s->sm->queue.n > 0 &&
        worker_now_ms(s->worker) - s->sm->progress_ms >= s->worker->config->push.late_s * 1000)
        tell_of_unacked(e->session, l);
    return CONTINUE;
}

/* It sees for itself what waited. */
static enum verdict on_client_is_back(struct hook_event *e)
{
    const struct push_list *l = push_account_peek(e->session->account);

    for (struct push_app *app = l == NULL ? NULL : l->first; app != NULL; app = app->next) {
        if (str_is(e->session->resource, app->resource))
            push_notify_forget(app);
    }
    return CONTINUE;
}

/* Whoever has the device now is told nothing any more. */
static enum verdict on_client_logged_out(struct hook_event *e)
{
    const struct push_list *l = push_account_peek(e->account);

    for (const struct push_app *app = l == NULL ? NULL : l->first; app != NULL; app = app->next) {
        const char *own_part = strrchr(app->resource, '/');

        if (str_is(e->client, own_part != NULL ? own_part + 1 : app->resource))
            push_account_end(e->account, str_of(app->jid), str_of(app->node));
    }
    return CONTINUE;
}

static void on_start(struct server *server)
{
    static const struct push_outcome outcome = {.on_changed = on_changed, .on_broken = on_broken};

    (void)server;
    push_account_start();
    push_notify_start(&outcome);
}

const struct module module_push = {
    .name = "push",
    .account_features = {NS_PUSH},
    .iq = {{IQ_SET, NS_PUSH, "enable", IQ_TO_OWN_ACCOUNT, on_enable},
           {IQ_SET, NS_PUSH, "disable", IQ_TO_OWN_ACCOUNT, on_disable}},
    .hooks = {{HOOK_MESSAGE_AWAITS, PRIORITY_NORMAL, on_awaits},
              {HOOK_MESSAGE_TO_ACCOUNT, PRIORITY_LAST, on_message},
              {HOOK_SESSION_HIBERNATING, PRIORITY_LAST, on_hibernating},
              {HOOK_ACKNOWLEDGEMENT_WANTED, PRIORITY_LAST, on_acknowledgement_wanted},
              {HOOK_SESSION_BOUND, PRIORITY_NORMAL, on_client_is_back},
              {HOOK_SESSION_RESUMED, PRIORITY_NORMAL, on_client_is_back},
              {HOOK_CLIENT_LOGGED_OUT, PRIORITY_NORMAL, on_client_logged_out},
              {HOOK_ACCOUNT_LOADED, PRIORITY_NORMAL, push_account_on_loaded},
              {HOOK_ACCOUNT_UNLOADED, PRIORITY_NORMAL, push_account_on_unloaded},
              {HOOK_ACCOUNT_DELETED, PRIORITY_NORMAL, push_account_on_deleted}},
    .on_start = on_start,
};
