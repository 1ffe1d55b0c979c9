/* server/modules/blocking.c - XEP-0191 Blocking Command 1.3
 *
 * The list is one document of the account, loaded with it. While it is not empty the account is guarded: every stanza
 * that comes or goes is looked at before anything else is done with it, so that nothing of a blocked sender is
 * archived, copied, kept or pushed. To somebody who is blocked the account looks like one that does not exist, but for
 * probes, which section 3.3 forbids to answer. Blocking is polite (section 4): subscriptions stay, and begin to work
 * again when it ends.
 *
 * Never blocked are the account's own sessions (section 5), nor what the account's server itself says: a list that
 * names the own host means the other users there. Of a contact only one resource of which is blocked, broadcast
 * presence still reaches all, since it is addressed to the bare JID.
 *
 * While a change is being committed the account is busy, and its client is not read: no stanza sees half of it. */
#include "common/mem.h"
#include "common/xmpp/jid_set.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/im/delivery.h"
#include "server/im/presence.h"
#include "server/im/router.h"
#include "server/im/slots.h"
#include "server/modules/module.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"

#define BLOCKLIST_KEY STR("blocklist")

enum { ITEM_BYTES = 128 }; /* that an address may take, on average */

static unsigned list_slot;      /* [start] of an account: struct jid_set; NULL: empty */
static uint32_t asked_for_list; /* [start] flag of a session: it is told of changes */

static void on_start(struct server *server)
{
    (void)server;
    list_slot = account_slot_new();
    asked_for_list = session_flag_new("blocking");
}

/* ---- the list ---- */

static const struct jid_set *list_of(const struct account *a)
{
    static const struct jid_set none;
    const struct jid_set *list = account_slot_peek(a, list_slot);

    return list != NULL ? list : &none;
}

static void free_list(struct account *a)
{
    struct jid_set *list = account_slot_peek(a, list_slot);

    if (list == NULL)
        return;
    jid_set_deinit(list);
    free(list);
    *account_slot(a, list_slot) = NULL;
}

static void set_list(struct account *a, struct jid_set own_list)
{
    free_list(a);
    a->is_guarded = own_list.n > 0;
    if (own_list.n == 0) {
        jid_set_deinit(&own_list);
        return;
    }
    struct jid_set *list = mem_alloc(sizeof(*list));

    *list = own_list;
    *account_slot(a, list_slot) = list;
}

static enum verdict on_loaded(struct hook_event *e)
{
    struct jid_set list = {0};

    for (size_t i = 0; i < e->rows->n; i++) {
        if (str_eq(e->rows->rows[i].key, BLOCKLIST_KEY))
            jid_set_decode(&list, e->rows->rows[i].bytes);
    }
    if (list.n > 0)
        set_list(e->account, list);
    return CONTINUE;
}

static enum verdict on_unloaded(struct hook_event *e)
{
    free_list(e->account);
    return CONTINUE;
}

static enum verdict on_deleted(struct hook_event *e)
{
    set_list(e->account, (struct jid_set){0});
    return CONTINUE;
}

static bool is_exempt(const struct account *a, const struct jid *who)
{
    return str_eq(jid_bare(who), a->jid.full) || str_eq(jid_bare(who), jid_domain(&a->jid));
}

static bool is_blocked_by(const struct jid_set *list, const struct account *a, const struct jid *who)
{
    return jid_set_covers(list, who) && !is_exempt(a, who);
}

/* ---- what it stops (section 3.3) ---- */

static enum verdict on_incoming(struct hook_event *e)
{
    struct stanza *st = e->stanza;
    struct delivery what;

    if (!is_blocked_by(list_of(e->account), e->account, &st->from))
        return CONTINUE;
    what =
        delivery_decide(st->kind, st->type, jid_is_bare(e->to) ? ADDRESS_BARE : ADDRESS_FULL_NO_MATCH, ACCOUNT_UNKNOWN);
    if (st->kind != STANZA_PRESENCE && what.action == DELIVER_REFUSE)
        router_refuse(e->worker, st, what.err, NULL);
    return STOP;
}

static void refuse_to_send(struct session *s, const struct stanza *st)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    xml_start(&w, stanza_kind_name(st->kind), NULL);
    xml_put_attr(&w, "type", STR("error"));
    xml_put_attr_opt(&w, "id", st->id);
    xml_put_attr(&w, "from", st->to.full);
    xml_put_attr(&w, "to", s->full_jid);
    xml_start(&w, "error", NULL);
    xml_put_attr(&w, "type", STR("cancel")); /* as section 3.3 has it: nothing can be modified to make it acceptable */
    xml_put_empty(&w, "not-acceptable", NS_STANZA_ERRORS);
    xml_put_empty(&w, "blocked", NS_BLOCKING_ERRORS);
    xml_end(&w);
    xml_end(&w);
    (void)session_send_raw(s, buf_str(&b), 1);
    buf_deinit(&b);
}

static enum verdict on_outgoing(struct hook_event *e)
{
    const struct stanza *st = e->stanza;

    if (jid_is_empty(&st->to) || !is_blocked_by(list_of(e->account), e->account, &st->to))
        return CONTINUE;
    if (st->type != TYPE_ERROR && st->type != TYPE_RESULT)
        refuse_to_send(e->session, st);
    return STOP;
}

static enum verdict on_presence_to_contact(struct hook_event *e)
{
    return is_blocked_by(list_of(e->account), e->account, e->to) ? STOP : CONTINUE;
}

/* ---- asking for the list (section 3.2) ---- */

static void put_items(struct xml_writer *w, const struct jid_set *items)
{
    for (size_t i = 0; i < items->n; i++) {
        xml_start(w, "item", NULL);
        xml_put_attr(w, "jid", items->items[i]);
        xml_end(w);
    }
}

static enum iq_verdict on_get(struct iq *iq)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    session_set_flag(iq->session, asked_for_list, true);
    xml_start(&w, "blocklist", NS_BLOCKING);
    put_items(&w, list_of(iq->account));
    xml_end(&w);
    enum iq_verdict verdict = iq_result(iq, buf_str(&b));

    buf_deinit(&b);
    return verdict;
}

/* ---- changing it (sections 3.3 to 3.5) ---- */

struct change {
    struct iq *iq; /* kept */
    bool is_block;
    struct jid_set asked; /* the items of the request; none: all are to be unblocked */
    struct jid_set list;  /* as it will be */
};

static void push(struct account *a, const struct change *c)
{
    struct buf b = {0};
    char id[17];

    for (struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        struct xml_writer w = xml_writer_to(&b);

        if (!session_has_flag(s, asked_for_list))
            continue;
        buf_clear(&b);
        xml_start(&w, "iq", NULL);
        xml_put_attr(&w, "type", STR("set"));
        xml_put_attr(&w, "to", s->full_jid);
        xml_put_attr(&w, "id", random_hex(id, 8));
        xml_start(&w, c->is_block ? "block" : "unblock", NS_BLOCKING);
        put_items(&w, &c->asked);
        xml_end(&w);
        xml_end(&w);
        (void)session_send_raw(s, buf_str(&b), 1);
    }
    buf_deinit(&b);
}

/* Who is blocked by `by`, and not by `other`? */
struct difference {
    const struct account *a;
    const struct jid_set *by, *other;
};

static bool is_in_difference(const struct jid *who, void *ctx)
{
    const struct difference *d = ctx;

    return is_blocked_by(d->by, d->a, who) && !is_blocked_by(d->other, d->a, who);
}

/* Calls `fn` for contacts, and for single resources of contacts that the request names, that are in the difference. */
static void for_each_contact(struct account *a, const struct change *c, struct difference *d,
                             void (*fn)(const struct account *a, const struct jid *who, uint8_t state))
{
    const struct roster_item *item;

    for (size_t cursor = 0; (item = roster_next(&a->roster, &cursor)) != NULL;) {
        struct jid who = jid_view(roster_item_jid(item));

        if (is_in_difference(&who, d))
            fn(a, &who, item->state);
    }
    for (size_t i = 0; i < c->asked.n; i++) {
        struct jid who = jid_view(c->asked.items[i]);

        item = jid_is_bare(&who) ? NULL : roster_get(&a->roster, jid_bare(&who));
        if (item != NULL && is_in_difference(&who, d))
            fn(a, &who, item->state & (uint8_t)~SUB_TO);
    }
}

static void disappear(const struct account *a, const struct jid *who, uint8_t state)
{
    if ((state & SUB_FROM) != 0)
        presence_send_unavailable(a, who);
}

/* What the contact has sent meanwhile was dropped, so it is asked for anew. */
static void appear(const struct account *a, const struct jid *who, uint8_t state)
{
    if ((state & SUB_FROM) != 0)
        presence_send_current(a, who);
    if ((state & SUB_TO) != 0)
        presence_probe(a, who);
}

static void tell_modules(const struct change *c)
{
    struct iq *iq = c->iq;
    struct hook_event e = {.worker = iq->worker, .session = iq->session, .account = iq->account};
    struct jid_buf mem;
    struct jid jid;

    if (!c->is_block)
        return;
    for (e.element = xml_child(iq->query, "item", NS_BLOCKING); e.element != NULL;
         e.element = xml_next(e.element, "item", NS_BLOCKING)) {
        if (jid_parse(xml_attr(e.element, "jid", NULL), &mem, &jid) != LN_OK)
            continue;
        e.to = &jid;
        (void)hooks_run(HOOK_CONTACT_BLOCKED, iq_host(iq), &e);
    }
}

static void free_change(struct change *c)
{
    jid_set_deinit(&c->asked);
    jid_set_deinit(&c->list);
    free(c);
}

static void take_effect(struct account *a, struct change *c)
{
    struct jid_set old = jid_set_copy(list_of(a));
    struct difference d = {a, &old, NULL};

    set_list(a, c->list);
    c->list = (struct jid_set){0};
    if (c->is_block) {
        d = (struct difference){a, list_of(a), &old};
        for_each_contact(a, c, &d, disappear);
        presence_take_back_directed(a, is_in_difference, &d);
    } else {
        d.other = list_of(a);
        for_each_contact(a, c, &d, appear);
    }
    jid_set_deinit(&old);
}

static void on_committed(void *ctx, enum ln_err err)
{
    struct change *c = ctx;
    struct account *a = c->iq->account;
    struct session *s = session_ref(c->iq->session);

    account_pin(a);
    if (err == LN_OK && a->state != ACCOUNT_LOADED)
        err = LN_E_NOT_FOUND; /* deleted meanwhile */
    if (err == LN_OK) {
        take_effect(a, c);
        tell_modules(c);
    }
    iq_on_committed(c->iq, err);
    if (err == LN_OK)
        push(a, c);
    free_change(c);
    session_resume(s);
    session_unref(&s);
    account_set_busy(a, false);
    account_unpin(a);
}

static void commit(struct change *c)
{
    struct iq *iq = c->iq;
    struct storage_txn *t = storage_txn_new();
    struct buf b = {0};

    iq_require_account(iq, t);
    jid_set_encode(&b, &c->list);
    if (b.len > 0)
        storage_txn_put(t, iq->account->jid.full, CREDENTIALS_COLLECTION, BLOCKLIST_KEY, buf_str(&b));
    else
        storage_txn_delete(t, iq->account->jid.full, CREDENTIALS_COLLECTION, BLOCKLIST_KEY);
    buf_deinit(&b);
    session_pause(iq->session);
    account_set_busy(iq->account, true);
    storage_commit(iq->worker->server->storage, t, &iq->worker->executor, on_committed, c);
}

/* False: the request is malformed, in the way that *ret_err says. */
static bool read_items(const struct xml_element *query, struct jid_set *ret, enum stanza_err *ret_err)
{
    struct jid_buf mem;
    struct jid jid;

    *ret_err = STANZA_ERR_BAD_REQUEST;
    for (const struct xml_element *e = xml_child(query, "item", NS_BLOCKING); e != NULL;
         e = xml_next(e, "item", NS_BLOCKING)) {
        bool is_there;
        struct str text = xml_attr(e, "jid", &is_there);

        if (!is_there)
            return false;
        *ret_err = STANZA_ERR_JID_MALFORMED;
        if (jid_parse(text, &mem, &jid) != LN_OK)
            return false;
        *ret_err = STANZA_ERR_BAD_REQUEST;
        (void)jid_set_add(ret, jid.full);
    }
    return true;
}

static bool is_too_long(const struct jid_set *list, const struct worker *w)
{
    uint64_t limit = w->config->limits.blocked_addresses;

    return list->n > limit || list->bytes > limit * ITEM_BYTES;
}

/* Makes c->list. False: it is what it was. */
static bool apply(struct change *c)
{
    const struct jid_set *old = list_of(c->iq->account);

    if (!c->is_block && c->asked.n == 0)
        return old->n > 0;
    c->list = jid_set_copy(old);
    for (size_t i = 0; i < c->asked.n; i++) {
        if (c->is_block)
            (void)jid_set_add(&c->list, c->asked.items[i]);
        else
            (void)jid_set_remove(&c->list, c->asked.items[i]);
    }
    return c->list.n != old->n;
}

static enum iq_verdict change(struct iq *iq, bool is_block)
{
    struct change *c = mem_zalloc(sizeof(*c));
    enum stanza_err err;

    c->is_block = is_block;
    c->iq = iq;
    if (!read_items(iq->query, &c->asked, &err) || (c->asked.n == 0 && (is_block || iq->query->child != NULL))) {
        free_change(c);
        return iq_error(iq, err, NULL);
    }
    bool is_changed = apply(c);

    if (is_block && is_changed && is_too_long(&c->list, iq->worker)) {
        free_change(c);
        return iq_error(iq, STANZA_ERR_RESOURCE_CONSTRAINT, "too many addresses are blocked");
    }
    if (!is_changed) {
        tell_modules(c);
        free_change(c);
        return iq_result(iq, STR(""));
    }
    c->iq = iq_keep(iq);
    commit(c);
    return IQ_LATER;
}

static enum iq_verdict on_block(struct iq *iq)
{
    return change(iq, true);
}

static enum iq_verdict on_unblock(struct iq *iq)
{
    return change(iq, false);
}

const struct module module_blocking = {
    .name = "blocking",
    .features = {NS_BLOCKING},
    .iq = {{IQ_GET, NS_BLOCKING, "blocklist", IQ_TO_OWN_ACCOUNT, on_get},
           {IQ_SET, NS_BLOCKING, "block", IQ_TO_OWN_ACCOUNT, on_block},
           {IQ_SET, NS_BLOCKING, "unblock", IQ_TO_OWN_ACCOUNT, on_unblock}},
    .hooks = {{HOOK_STANZA_FROM_CLIENT, PRIORITY_GUARD, on_outgoing},
              {HOOK_STANZA_TO_ACCOUNT, PRIORITY_GUARD, on_incoming},
              {HOOK_PRESENCE_TO_CONTACT, PRIORITY_GUARD, on_presence_to_contact},
              {HOOK_ACCOUNT_LOADED, PRIORITY_NORMAL, on_loaded},
              {HOOK_ACCOUNT_UNLOADED, PRIORITY_NORMAL, on_unloaded},
              {HOOK_ACCOUNT_DELETED, PRIORITY_NORMAL, on_deleted}},
    .on_start = on_start,
};
