#include "server/im/roster_change.h"

#include <assert.h>

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/hooks.h"
#include "server/im/presence.h"
#include "server/im/router.h"
#include "server/storage/storage.h"

struct roster_change {
    struct roster_change *next;
    struct account *account; /* pinned */
    struct session *session; /* that waits for it; NULL: it came from a contact, by iq, or from the server itself */
    struct stanza *st;       /* the stanza that asks for it */
    struct iq *iq;           /* kept, until it is answered; NULL: a subscription stanza */
    struct roster_set *set;  /* what the iq asks for; NULL: a subscription stanza */
    bool is_inbound;         /* it came from a contact: deliveries wait */
    enum sub_event event;
    struct jid contact; /* lies in `st` or `set` */
    struct sub_step step;
    struct roster_item *item; /* as it will be; NULL: it goes, or stays as it is */
    uint64_t version;         /* that the roster will have; 0: stays */
};

enum { REQUEST_BYTES = 4096 }; /* that a request that waits for an answer may take, on average */

static void begin(struct roster_change *c);

/* ---- pushes ---- */

static void write_push(struct buf *out, const struct session *s, uint64_t version, struct str jid,
                       const struct roster_item *item)
{
    struct xml_writer w = xml_writer_to(out);
    char id[17];

    xml_start(&w, "iq", NULL);
    xml_put_attr(&w, "type", STR("set"));
    xml_put_attr(&w, "to", s->full_jid);
    xml_put_attr(&w, "id", random_hex(id, 8));
    xml_start(&w, "query", NS_ROSTER);
    xml_put_attr_u64(&w, "ver", version);
    if (item != NULL && (item->state & SUB_LISTED) != 0)
        roster_item_write(&w, item);
    else
        roster_item_write_removed(&w, jid);
    xml_end(&w);
    xml_end(&w);
}

void roster_push(struct account *a, struct str jid)
{
    const struct roster_item *item = roster_get(&a->roster, jid);
    struct buf b = {0};

    for (struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (!session_is_interested(s))
            continue;
        buf_clear(&b);
        write_push(&b, s, a->roster.version, jid, item);
        (void)session_send_raw(s, buf_str(&b), 1);
    }
    buf_deinit(&b);
}

/* ---- what is to be done when it is committed ---- */

static void deliver(struct account *a, const struct stanza *st, bool (*may_have)(const struct session *s))
{
    for (struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (may_have(s))
            (void)session_send(s, st, a->jid.full);
    }
}

static void carry_out(struct roster_change *c)
{
    struct account *a = c->account;
    struct str own = a->jid.full, contact = jid_full(&c->contact);
    struct jid to = c->contact;
    unsigned todo = c->step.actions;

    if ((todo & SUB_DO_UNAVAILABLE) != 0)
        presence_send_unavailable(a, &to);
    if ((todo & SUB_DO_ROUTE) != 0)
        router_route(a->worker, stanza_ref(c->st));
    if ((todo & SUB_DO_SEND_UNSUBSCRIBE) != 0)
        router_send_simple(a->worker, own, contact, "unsubscribe");
    if ((todo & SUB_DO_SEND_UNSUBSCRIBED) != 0)
        router_send_simple(a->worker, own, contact, "unsubscribed");
    if ((todo & SUB_DO_SEND_SUBSCRIBED) != 0)
        router_send_simple(a->worker, own, contact, "subscribed");
    if ((todo & SUB_DO_DELIVER_AVAILABLE) != 0)
        deliver(a, c->st, session_is_available);
    if ((todo & SUB_DO_DELIVER_INTERESTED) != 0)
        deliver(a, c->st, session_is_interested);
    if ((todo & SUB_DO_PUSH) != 0)
        roster_push(a, contact);
    if ((todo & SUB_DO_PRESENCE) != 0) {
        struct hook_event e = {.worker = a->worker, .account = a, .to = &to};

        presence_send_current(a, &to);
        (void)hooks_run(HOOK_SUBSCRIBER_ADDED, config_host(a->worker->config, jid_domain(&a->jid)), &e);
    }
}

static void install(struct roster_change *c)
{
    struct roster *r = &c->account->roster;

    if ((c->step.actions & SUB_DO_DELETE) != 0)
        roster_remove(r, jid_full(&c->contact));
    else if (c->item != NULL)
        roster_put(r, c->item);
    c->item = NULL;
    if (c->version != 0)
        r->version = c->version;
}

/* ---- the end of a change ---- */

static void finish(struct roster_change *c)
{
    struct account *a = c->account;
    struct roster *r = &a->roster;
    bool was_inbound = c->is_inbound;

    assert(r->first_change == c);
    r->first_change = c->next;
    if (r->first_change == NULL)
        r->last_change = &r->first_change;
    roster_item_free(&c->item);
    stanza_unref(&c->st);
    free(c->set);
    if (c->session != NULL) {
        session_resume(c->session);
        session_unref(&c->session);
    }
    free(c);
    /* Before deliveries go on, which may bring the next change. */
    if (r->first_change != NULL)
        begin(r->first_change);
    if (was_inbound)
        account_set_busy(a, false);
    account_unpin(a);
}

static void refuse(struct roster_change *c, enum stanza_err err, const char *text)
{
    struct buf b = {0};

    if (c->set != NULL)
        (void)iq_error(c->iq, err, text);
    else if (c->is_inbound)
        router_refuse(c->account->worker, c->st, err, text);
    else if (c->session == NULL)
        log_warn(LOG_IM, 0, "roster.refused", F_STR("jid", c->account->jid.full), F_CSTR("cond", stanza_err_name(err)));
    else if (stanza_write_error(&b, c->st, err, text)) /* to the client that asked, and not to its bare JID */
        (void)session_send_raw(c->session, buf_str(&b), 1);
    buf_deinit(&b);
    finish(c);
}

static void on_committed(void *ctx, enum ln_err err)
{
    struct roster_change *c = ctx;

    if (err == LN_OK && c->account->state != ACCOUNT_LOADED)
        err = LN_E_NOT_FOUND; /* deleted meanwhile */
    if (err != LN_OK) {
        log_warn(LOG_STORAGE, 0, "roster.failed", F_STR("jid", c->account->jid.full), F_ERR("err", err));
        refuse(c, stanza_err_of_storage(err), "the roster could not be stored");
        return;
    }
    install(c);
    if (c->set != NULL)
        (void)iq_result(c->iq, str_make(NULL, 0));
    carry_out(c);
    finish(c);
}

/* ---- the beginning ---- */

static void add_to_txn(struct roster_change *c, struct storage_txn *t)
{
    struct str owner = c->account->jid.full, jid = jid_full(&c->contact);
    struct buf b = {0};

    if ((c->step.actions & SUB_DO_DELETE) != 0) {
        storage_txn_delete(t, owner, ROSTER_COLLECTION, jid);
    } else {
        roster_item_encode(&b, c->item);
        storage_txn_put(t, owner, ROSTER_COLLECTION, jid, buf_str(&b));
    }
    if (c->version != 0) {
        buf_clear(&b);
        buf_append_u64(&b, c->version);
        storage_txn_put(t, owner, ROSTER_COLLECTION, ROSTER_VERSION_KEY, buf_str(&b));
    }
    buf_deinit(&b);
}

/* The item as it will be. */
static struct roster_item *make_item(const struct roster_change *c, const struct roster_item *old)
{
    struct roster_item *item;
    struct buf request = {0};

    if (c->set != NULL) {
        item = roster_item_new(&c->set->content, old);
    } else {
        if ((c->step.actions & SUB_DO_KEEP_REQUEST) != 0)
            stanza_write(&request, c->st, c->account->jid.full);
        else if ((c->step.actions & SUB_DO_FORGET_REQUEST) == 0 && old != NULL)
            buf_append_str(&request, roster_item_request(old));
        item = roster_item_new_request(jid_full(&c->contact), old, buf_str(&request));
        buf_deinit(&request);
    }
    item->state = c->step.state;
    if (c->version != 0)
        item->version = c->version;
    return item;
}

static bool is_over_limit(const struct roster_change *c, uint8_t old_state)
{
    const struct roster *r = &c->account->roster;
    const struct config *cfg = c->account->worker->config;
    const struct config_host *host = config_host(cfg, jid_domain(&c->account->jid));
    unsigned gained = c->step.state & ~(unsigned)old_state;

    if ((gained & SUB_LISTED) != 0 && host != NULL && r->n_listed >= host->limits.roster_items)
        return true;
    return (gained & SUB_PENDING_IN) != 0 &&
           (r->n_pending >= cfg->limits.pending_subscriptions ||
            r->pending_bytes + c->st->root->outer.len > cfg->limits.pending_subscriptions * (size_t)REQUEST_BYTES);
}

static void begin(struct roster_change *c)
{
    struct account *a = c->account;
    const struct roster_item *old = roster_get(&a->roster, jid_full(&c->contact));
    uint8_t old_state = old == NULL ? 0 : old->state;
    struct storage_txn *t;

    if (!account_is_lasting(a)) {
        refuse(c, STANZA_ERR_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    c->step = subscription_step(old_state, c->event);
    if (c->set != NULL && c->set->is_remove && c->step.actions == 0) {
        refuse(c, STANZA_ERR_ITEM_NOT_FOUND, NULL);
        return;
    }
    if (is_over_limit(c, old_state)) {
        refuse(c, STANZA_ERR_RESOURCE_CONSTRAINT, "the roster is full");
        return;
    }
    if ((c->step.actions & (SUB_DO_SAVE | SUB_DO_DELETE)) == 0 && (c->set == NULL || c->set->is_remove)) {
        carry_out(c); /* nothing changes here, but somebody may have to be told */
        finish(c);
        return;
    }
    if ((c->step.actions & SUB_DO_PUSH) != 0) {
        c->version = worker_next_id(a->worker);
        if (c->version <= a->roster.version)
            c->version = a->roster.version + 1;
    }
    if ((c->step.actions & SUB_DO_DELETE) == 0)
        c->item = make_item(c, old);
    t = storage_txn_new();
    add_to_txn(c, t);
    storage_commit(a->worker->server->storage, t, &a->worker->executor, on_committed, c);
}

static void submit(struct account *a, struct roster_change *c)
{
    bool is_alone = a->roster.first_change == NULL;

    c->account = a;
    account_pin(a);
    *a->roster.last_change = c;
    a->roster.last_change = &c->next;
    if (is_alone)
        begin(c);
}

void roster_change_set(struct account *a, struct iq *own_kept)
{
    const struct config *cfg = a->worker->config;
    struct roster_limits limits = {
        .name_bytes =
            (uint32_t)(cfg->limits.roster_name_bytes < UINT16_MAX ? cfg->limits.roster_name_bytes : UINT16_MAX),
        .group_bytes =
            (uint32_t)(cfg->limits.roster_name_bytes < UINT16_MAX ? cfg->limits.roster_name_bytes : UINT16_MAX),
        .groups =
            (uint32_t)(cfg->limits.roster_groups < ROSTER_GROUPS_MAX ? cfg->limits.roster_groups : ROSTER_GROUPS_MAX),
    };
    struct roster_set *set = mem_alloc(sizeof(*set));
    struct roster_change *c;
    enum stanza_err err;

    if (!roster_set_parse(own_kept->query, a->jid.full, &limits, set, &err)) {
        free(set);
        (void)iq_error(own_kept, err, NULL);
        return;
    }
    c = mem_zalloc(sizeof(*c));
    c->iq = own_kept;
    c->st = stanza_ref(own_kept->st);
    c->set = set;
    c->event = set->is_remove ? SUB_ROSTER_REMOVE : SUB_ROSTER_SET;
    c->contact = jid_view(set->content.jid);
    submit(a, c);
}

void roster_change_subscription(struct account *a, struct session *session, struct stanza *st)
{
    struct roster_change *c;
    enum sub_event event;

    if (session != NULL)
        st->to = jid_to_bare(&st->to); /* section 3.1.2 */
    if (!subscription_event_of(st, session != NULL, &event))
        return;
    c = mem_zalloc(sizeof(*c));
    c->event = event;
    c->st = stanza_ref(st);
    c->contact = jid_to_bare(session != NULL ? &st->to : &st->from);
    if (session != NULL) {
        c->session = session_ref(session);
        session_pause(session);
    } else {
        c->is_inbound = true;
        account_set_busy(a, true);
    }
    submit(a, c);
}

void roster_change_in_name_of(struct account *a, enum sub_event event, const struct jid *contact)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);
    struct roster_change *c;
    struct stanza *st;

    assert(event == SUB_OUT_SUBSCRIBE || event == SUB_OUT_SUBSCRIBED);
    xml_start(&w, "presence", NULL);
    xml_put_attr(&w, "type", event == SUB_OUT_SUBSCRIBE ? STR("subscribe") : STR("subscribed"));
    xml_put_attr(&w, "from", a->jid.full);
    xml_put_attr(&w, "to", jid_bare(contact));
    xml_end(&w);
    st = stanza_from_bytes(buf_str(&b));
    buf_deinit(&b);
    if (st == NULL || str_eq(jid_full(&st->to), a->jid.full)) {
        stanza_unref(&st);
        return;
    }
    c = mem_zalloc(sizeof(*c));
    c->event = event;
    c->st = st;
    c->contact = st->to;
    submit(a, c);
}

void roster_cancel_all(struct account *a)
{
    struct roster_item *item;

    for (size_t cursor = 0; (item = roster_next(&a->roster, &cursor)) != NULL;) {
        struct sub_step step = subscription_step(item->state, SUB_ROSTER_REMOVE);
        struct str jid = roster_item_jid(item);

        if ((step.actions & SUB_DO_SEND_UNSUBSCRIBE) != 0)
            router_send_simple(a->worker, a->jid.full, jid, "unsubscribe");
        if ((step.actions & SUB_DO_SEND_UNSUBSCRIBED) != 0 || (item->state & SUB_PENDING_IN) != 0)
            router_send_simple(a->worker, a->jid.full, jid, "unsubscribed");
    }
    roster_clear(&a->roster);
}
