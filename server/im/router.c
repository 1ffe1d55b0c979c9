#include "server/im/router.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/batch.h"
#include "server/im/components.h"
#include "server/im/debt.h"
#include "server/im/delivery.h"
#include "server/im/iq_ask.h"
#include "server/im/ledger.h"
#include "server/im/offline.h"
#include "server/im/presence.h"
#include "server/im/receipt.h"
#include "server/im/roster_change.h"
#include "server/im/shard.h"

/* ---- small answers ---- */

void router_refuse(struct worker *w, const struct stanza *st, enum stanza_err err, const char *text)
{
    struct buf b = {0};
    struct stanza *reply;

    if (!jid_is_empty(&st->from) && stanza_write_error(&b, st, err, text)) {
        reply = stanza_from_bytes(buf_str(&b));
        if (reply != NULL)
            router_route(w, reply);
    }
    buf_deinit(&b);
}

void router_send_simple(struct worker *w, struct str from, struct str to, const char *type)
{
    struct buf b = {0};
    struct xml_writer x = xml_writer_to(&b);
    struct stanza *st;

    xml_start(&x, "presence", NULL);
    xml_put_attr(&x, "type", str_of(type));
    xml_put_attr(&x, "from", from);
    xml_put_attr(&x, "to", to);
    xml_end(&x);
    st = stanza_from_bytes(buf_str(&b));
    buf_deinit(&b);
    if (st != NULL)
        router_route(w, st);
}

/* ---- at the addressee's home: what the account has ---- */

static enum delivery_account state_of(const struct account *a)
{
    enum delivery_account state = ACCOUNT_NO_RESOURCE;

    if (a->state != ACCOUNT_LOADED)
        return ACCOUNT_UNKNOWN;
    for (const struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (!session_is_available(s))
            continue;
        if (s->priority >= 0)
            return ACCOUNT_NON_NEGATIVE;
        state = ACCOUNT_ONLY_NEGATIVE;
    }
    return state;
}

/* May the sender of an iq know that this resource is there? (RFC 6121 section 8.5.3.1) */
static bool is_seen_by(const struct account *a, const struct session *s, const struct jid *who)
{
    struct str bare = jid_bare(who);

    return str_eq(bare, a->jid.full) || who->local_len == 0 ||
           (session_is_available(s) && roster_is_subscriber(&a->roster, bare)) || presence_is_directed_at(s, who);
}

/* ---- actions ---- */

/* What a delivery is about, so that the actions do not take six arguments. */
struct errand {
    struct account *a;
    struct stanza *st;
    const struct jid *to;
    struct session *match; /* the resource that `to` names; NULL: none */
    struct debt *debt;     /* that the sessions share which were given this message; NULL: none yet */
    uint32_t serial;       /* of the delivery */
    uint32_t n_given;      /* sessions that took it */
    struct delivery what;
};

static void refuse(const struct errand *x)
{
    router_refuse(x->a->worker, x->st, x->what.err, NULL);
}

static bool give(struct errand *x, struct session *s)
{
    if (x->st->kind != STANZA_MESSAGE)
        return session_send(s, x->st, x->to->full);
    if (!ledger_deliver(s, x->st, x->to->full, &x->debt))
        return false;
    s->given_in = x->serial;
    x->n_given++;
    return true;
}

static void undelivered(const struct errand *x)
{
    struct hook_event e = {.worker = x->a->worker, .account = x->a, .stanza = x->st};
    enum delivery_action what = x->st->kind == STANZA_MESSAGE ? delivery_offline(x->st) : DELIVER_DROP;

    if (what == DELIVER_TO_OFFLINE &&
        hooks_run(HOOK_MESSAGE_UNDELIVERED, config_host(x->a->worker->config, jid_domain(&x->a->jid)), &e) == STOP)
        return;
    if (what != DELIVER_DROP)
        refuse(x);
}

static void to_match(struct errand *x)
{
    /* Not when its client has stopped reading: then it is as if nobody were there. */
    if (!give(x, x->match))
        undelivered(x);
}

static void to_match_if_seen(struct errand *x)
{
    if (is_seen_by(x->a, x->match, &x->st->from) && give(x, x->match))
        return;
    refuse(x);
}

static void to_available(struct errand *x, int lowest)
{
    bool any = false;

    for (struct session *s = x->a->sessions; s != NULL; s = s->next_of_account) {
        if (session_is_available(s) && s->priority >= lowest)
            any = give(x, s) || any;
    }
    if (!any)
        undelivered(x);
}

static void to_account(const struct errand *x)
{
    struct account *a = x->a;
    bool is_own = str_eq(jid_bare(&x->st->from), a->jid.full);

    if (x->st->type != TYPE_GET && x->st->type != TYPE_SET) {
        iq_ask_take_answer(a, x->st);
        return;
    }
    iq_dispatch(a->worker, x->st, is_own ? IQ_TO_OWN_ACCOUNT : IQ_TO_OTHER_ACCOUNT,
                shard_find(shard_of(a->worker), jid_full(&x->st->from)), a);
}

static void to_subscription(const struct errand *x)
{
    struct account *a = x->a;
    struct hook_event e = {.worker = a->worker, .account = a, .stanza = x->st};

    if (x->st->type == TYPE_SUBSCRIBE && hooks_wanted(HOOK_SUBSCRIPTION_ASKED) &&
        hooks_run(HOOK_SUBSCRIPTION_ASKED, config_host(a->worker->config, jid_domain(&a->jid)), &e) == STOP)
        return;
    roster_change_subscription(a, NULL, x->st);
}

static void perform(struct errand *x)
{
    switch (x->what.action) {
    case DELIVER_DROP:
    case DELIVER_TO_HOST:
    case DELIVER_TO_BROADCAST:
        return;
    case DELIVER_REFUSE:
        refuse(x);
        return;
    case DELIVER_TO_MATCH:
        to_match(x);
        return;
    case DELIVER_TO_MATCH_IF_SEEN:
        to_match_if_seen(x);
        return;
    case DELIVER_TO_TOP:
        to_available(x, account_top_priority(x->a));
        return;
    case DELIVER_TO_ALL_NON_NEGATIVE:
        to_available(x, 0);
        return;
    case DELIVER_TO_ALL_AVAILABLE:
        to_available(x, INT8_MIN);
        return;
    case DELIVER_TO_OFFLINE:
        undelivered(x);
        return;
    case DELIVER_TO_ACCOUNT:
        to_account(x);
        return;
    case DELIVER_TO_SUBSCRIPTION:
        to_subscription(x);
        return;
    case DELIVER_TO_PROBE:
        presence_answer_probe(x->a, x->st);
        return;
    case DELIVER_UNSUBSCRIBED:
        router_send_simple(x->a->worker, jid_bare(x->to), jid_bare(&x->st->from), "unsubscribed");
        return;
    }
}

/* A module may answer for a message, or make it another one: that is what everybody is given then. What the account
 * will not be given in any case is none of theirs. */
static void perform_with_hooks(struct errand *x)
{
    if (x->what.action == DELIVER_REFUSE || x->what.action == DELIVER_DROP) {
        perform(x);
        return;
    }
    struct account *a = x->a;
    struct shard *shard = shard_of(a->worker);
    const struct config_host *host = config_host(a->worker->config, jid_domain(&a->jid));
    struct hook_event e = {.worker = a->worker, .account = a, .stanza = x->st, .to = x->to};

    if (hooks_run(HOOK_MESSAGE_TO_ACCOUNT, host, &e) == CONTINUE && !x->st->is_filtered) {
        x->st = e.stanza;
        x->serial = ++shard->deliveries;
        perform(x);
        if (x->n_given > 0 && x->n_given < a->n_sessions) {
            shard->delivery = x->serial;
            (void)hooks_run(HOOK_MESSAGE_DELIVERED, host, &e);
        }
    }
    hook_event_end(&e);
}

/* Does a module keep it from the account, or for another reason take it over? */
static bool is_stopped(struct account *a, struct stanza *st, const struct jid *to)
{
    struct hook_event e = {.worker = a->worker, .account = a, .stanza = st, .to = to};

    return hooks_run(HOOK_STANZA_TO_ACCOUNT, config_host(a->worker->config, jid_domain(&a->jid)), &e) == STOP;
}

static void deliver(struct account *a, struct stanza *st, const struct jid *to)
{
    struct errand x = {.a = a, .st = st, .to = to};
    enum delivery_address address = ADDRESS_BARE;

    if (a->is_guarded && is_stopped(a, st, to))
        return;
    if (a->state == ACCOUNT_FAILED) {
        router_refuse(a->worker, st, STANZA_ERR_INTERNAL_SERVER_ERROR, NULL);
        return;
    }
    if (!jid_is_bare(to)) {
        x.match = shard_find(shard_of(a->worker), jid_full(to));
        address = x.match != NULL ? ADDRESS_FULL_MATCH : ADDRESS_FULL_NO_MATCH;
    }
    x.what = delivery_decide(st->kind, st->type, address, state_of(a));
    if (st->kind == STANZA_MESSAGE)
        perform_with_hooks(&x);
    else
        perform(&x);
}

/* A delivery that waits for its account. */
struct waiting {
    struct worker *w;
    struct stanza *st;
    struct jid to;
    char bytes[];
};

static void end_waiting(struct waiting *wait)
{
    batch_storage_settled(wait->w, batch_cost(wait->st));
    stanza_unref(&wait->st);
    free(wait);
}

static void deliver_waiting(struct account *a, void *ctx)
{
    struct waiting *wait = ctx;

    deliver(a, wait->st, &wait->to);
    end_waiting(wait);
}

static void deliver_when_ready(struct worker *w, struct stanza *st, const struct jid *to)
{
    struct waiting *wait = mem_alloc(sizeof(*wait) + to->full.len);

    memcpy(wait->bytes, to->full.p, to->full.len);
    wait->w = w;
    wait->st = stanza_ref(st);
    wait->to = *to;
    wait->to.full.p = wait->bytes;
    batch_storage_begin(w, batch_cost(st));
    if (account_when_ready(shard_of(w), to, deliver_waiting, wait) != LN_OK) {
        router_refuse(w, st, STANZA_ERR_RESOURCE_CONSTRAINT, NULL);
        end_waiting(wait);
    }
}

/* Presence about a session's coming and going is of interest to sessions only, and so are events that some resources
 * may want: an account that is not in memory has none. */
static bool needs_sessions(const struct stanza *st)
{
    return st->is_filtered || (st->kind == STANZA_PRESENCE &&
                               (st->type == TYPE_AVAILABLE || st->type == TYPE_UNAVAILABLE || st->type == TYPE_ERROR));
}

static bool is_answer(const struct stanza *st)
{
    return st->kind == STANZA_IQ && (st->type == TYPE_RESULT || st->type == TYPE_ERROR);
}

static void deliver_to_host(struct worker *w, struct stanza *st, const struct jid *to)
{
    struct delivery what = delivery_decide(st->kind, st->type, ADDRESS_HOST, ACCOUNT_UNKNOWN);

    if (st->kind == STANZA_IQ && (st->type == TYPE_GET || st->type == TYPE_SET))
        iq_dispatch(w, st, IQ_TO_HOST, shard_find(shard_of(w), jid_full(&st->from)), NULL);
    else if (is_answer(st))
        iq_ask_take_host_answer(w, st, to);
    else if (what.action == DELIVER_REFUSE || (what.action == DELIVER_TO_HOST && st->kind == STANZA_MESSAGE))
        router_refuse(w, st, what.err, NULL); /* which answers no error */
}

void router_deliver_local(struct worker *w, struct stanza *st, const struct jid *to)
{
    struct account *a;

    if (to->local_len == 0 && config_host(w->config, jid_domain(to)) != NULL) {
        deliver_to_host(w, st, to);
        return;
    }
    a = account_peek(shard_of(w), jid_bare(to));
    if (a == NULL && config_component(w->config, jid_domain(to)) != NULL) {
        components_deliver(w, st, to);
        return;
    }
    if (a == NULL && needs_sessions(st))
        return;
    if (a == NULL || !account_is_ready(a)) {
        deliver_when_ready(w, st, to);
        return;
    }
    account_pin(a);
    deliver(a, st, to);
    account_unpin(a);
}

/* ---- anywhere: where the address lives ---- */

/* A host is on every worker; only an answer to what the server asked in its name is for one of them. */
static struct worker *home_of(struct worker *w, const struct stanza *st, const struct jid *to, bool is_host)
{
    struct worker *home;

    if (!is_host)
        return server_home_of(w->server, jid_domain(to));
    if (to->local_len > 0)
        return server_home_of(w->server, jid_bare(to));
    home = is_answer(st) ? iq_ask_home(w->server, st) : NULL;
    return home != NULL ? home : w;
}

/* An account, a host or a component, here (on one of the workers), or nowhere: the answers that there are until there
 * is another node, or s2s. Returns the worker that it went to. `is_own`: the address lies in the stanza, and the
 * reference may be taken over, which leaves NULL in *st; otherwise both are borrowed. */
static struct worker *route(struct worker *w, struct stanza **st, const struct jid *to, bool is_own)
{
    bool is_host = config_host(w->config, jid_domain(to)) != NULL;
    struct worker *home = w;

    if (!is_host && config_component(w->config, jid_domain(to)) == NULL)
        router_refuse(w, *st, STANZA_ERR_REMOTE_SERVER_NOT_FOUND, NULL);
    else if ((home = home_of(w, *st, to, is_host)) == w)
        router_deliver_local(w, *st, to);
    else if (!is_own)
        batch_deliver_copy(w, home, *st, to);
    else
        batch_deliver(w, home, *st);
    if (home != w && is_own)
        *st = NULL;
    return home;
}

void router_route(struct worker *w, struct stanza *own_st)
{
    worker_assert_current(w);
    (void)route(w, &own_st, &own_st->to, true);
    stanza_unref(&own_st);
}

void router_route_to(struct worker *w, struct stanza *st, const struct jid *to)
{
    (void)route(w, &st, to, false);
}

/* ---- from a client ---- */

/* RFC 6120 section 8.2.3: what is wrong with an iq, if anything is. Results and errors are not refused, only dropped.
 */
static bool is_iq_sound(const struct stanza *st)
{
    size_t children = xml_count_children(st->root);

    switch (st->type) {
    case TYPE_GET:
    case TYPE_SET:
        return st->id.len > 0 && children == 1;
    case TYPE_RESULT:
        return st->id.len > 0 && children <= 1;
    case TYPE_ERROR:
        return st->id.len > 0;
    default:
        return false;
    }
}

/* Subscriptions are between accounts: they go out from the bare JID (RFC 6121 section 3.1.2). */
static bool is_subscription(const struct stanza *st)
{
    return st->kind == STANZA_PRESENCE && (st->type == TYPE_SUBSCRIBE || st->type == TYPE_SUBSCRIBED ||
                                           st->type == TYPE_UNSUBSCRIBE || st->type == TYPE_UNSUBSCRIBED);
}

static struct hook_event presence_event(struct session *s, struct stanza *st)
{
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account, .stanza = st};

    if (st->type == TYPE_AVAILABLE)
        (void)hooks_run(HOOK_PRESENCE_FROM_CLIENT, session_host(s), &e);
    return e;
}

static void broadcast(struct session *s, struct stanza *st)
{
    struct hook_event e = presence_event(s, st);

    presence_from_client(s, e.stanza);
    hook_event_end(&e);
}

static void route_presence(struct session *s, struct stanza *st)
{
    if (jid_is_empty(&st->to)) {
        struct delivery what = delivery_decide(STANZA_PRESENCE, st->type, ADDRESS_NONE, state_of(s->account));

        if (what.action == DELIVER_TO_BROADCAST)
            broadcast(s, st);
        else if (what.action == DELIVER_REFUSE)
            router_refuse(s->worker, st, what.err, NULL);
    } else if (is_subscription(st)) {
        roster_change_subscription(s->account, s, st);
    } else if (presence_directed(s, st)) {
        struct hook_event e = presence_event(s, st);

        router_route(s->worker, stanza_ref(e.stanza));
        hook_event_end(&e);
    }
}

/* The account's own view of a message that it sends is made before others see it, so that its copies and what is stored
 * of it agree; what goes to them is as it came. */
static void tell_that_it_is_sent(struct session *s, struct stanza *st)
{
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account, .stanza = st};

    (void)hooks_run(HOOK_MESSAGE_SENT, session_host(s), &e);
    hook_event_end(&e);
}

/* What modules take out of a message before it is one. */
static void let_it_be_replaced(struct session *s, struct stanza **own_st)
{
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account, .stanza = *own_st};

    if (!hooks_wanted(HOOK_MESSAGE_FROM_CLIENT))
        return;
    (void)hooks_run(HOOK_MESSAGE_FROM_CLIENT, session_host(s), &e);
    if (e.stanza != *own_st) {
        stanza_unref(own_st);
        *own_st = stanza_ref(e.stanza);
    }
    hook_event_end(&e);
}

static bool may_send(struct session *s, struct stanza *st)
{
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account, .stanza = st};

    return !s->account->is_guarded || hooks_run(HOOK_STANZA_FROM_CLIENT, session_host(s), &e) == CONTINUE;
}

void router_from_client(struct session *s, struct stanza *own_st)
{
    struct stanza *st = own_st;

    /* Borrowed from the session, whose names live as long as it does; the stanza may live longer. */
    st->from = s->jid;
    st->from.full = arena_copy(st->arena, s->jid.full);
    if (is_subscription(st))
        st->from = jid_to_bare(&st->from);
    if (!stanza_parse_to(st)) {
        router_refuse(s->worker, st, STANZA_ERR_JID_MALFORMED, NULL);
    } else if (st->kind == STANZA_IQ && !is_iq_sound(st)) {
        if (st->type != TYPE_RESULT)
            router_refuse(s->worker, st, STANZA_ERR_BAD_REQUEST, NULL);
    } else if (!may_send(s, st)) {
        /* taken care of */
    } else if (st->kind == STANZA_PRESENCE) {
        route_presence(s, st);
        if (session_is_alive(s))
            batch_hold_if_any_behind(s);
    } else {
        const struct worker *home = s->worker;

        if (st->kind == STANZA_MESSAGE) {
            let_it_be_replaced(s, &own_st);
            st = own_st;
            tell_that_it_is_sent(s, st);
        }
        /* Without `to` it is for the sender's own account; an answer to an iq comes without `from` then. */
        if (jid_is_empty(&st->to))
            router_deliver_local(s->worker, st, &s->account->jid);
        else
            home = route(s->worker, &own_st, &st->to, true);
        if (session_is_alive(s))
            batch_hold_if_behind(s, home);
    }
    stanza_unref(&own_st);
}
