#include "server/im/presence.h"

#include "common/datetime.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/im/hooks.h"
#include "server/im/router.h"
#include "server/im/shard.h"

/* ---- stanzas made here ---- */

static struct stanza *make_presence(struct str from, struct str to, const char *type, struct str status,
                                    struct str extra)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);
    struct stanza *st;

    xml_start(&w, "presence", NULL);
    xml_put_attr(&w, "type", str_of(type));
    xml_put_attr(&w, "from", from);
    xml_put_attr_opt(&w, "to", to);
    if (status.len > 0)
        xml_put_text_element(&w, "status", status);
    xml_put_raw(&w, extra);
    xml_end(&w);
    st = stanza_from_bytes(buf_str(&b));
    buf_deinit(&b);
    return st;
}

static void write_delay(struct buf *out, struct str host, int64_t time_ms)
{
    struct xml_writer w = xml_writer_to(out);
    char stamp[32];

    xml_start(&w, "delay", NS_DELAY);
    xml_put_attr(&w, "from", host);
    xml_put_attr(&w, "stamp", datetime_format(time_ms, stamp));
    xml_end(&w);
}

static void keep(struct session *s, const struct stanza *st, struct str extra)
{
    struct buf b = {0};
    size_t len;

    stanza_write_with(&b, st, str_make(NULL, 0), extra);
    free(s->presence);
    s->presence = buf_take(&b, &len);
    s->presence = mem_realloc(s->presence, len + 1); /* it may lie there for days */
}

/* For those who have to be told later: with the time it was sent (XEP-0203), written once. The caller's reference; NULL
 * cannot be, since it was a stanza before. */
static struct stanza *stamped_presence(struct session *s)
{
    struct stanza *st = stanza_from_bytes(str_of(s->presence));
    struct buf delay = {0};

    if (s->presence_is_stamped || st == NULL)
        return st;
    write_delay(&delay, s->host, s->presence_ms);
    keep(s, st, buf_str(&delay));
    s->presence_is_stamped = true;
    buf_deinit(&delay);
    stanza_unref(&st);
    return stanza_from_bytes(str_of(s->presence));
}

/* ---- broadcast ---- */

bool presence_is_kept_from(const struct account *a, const struct jid *contact)
{
    struct hook_event e = {.worker = a->worker, .account = (struct account *)(uintptr_t)a, .to = contact};

    return a->is_guarded &&
           hooks_run(HOOK_PRESENCE_TO_CONTACT, config_host(a->worker->config, jid_domain(&a->jid)), &e) == STOP;
}

static bool is_item_kept(const struct account *a, const struct roster_item *item)
{
    struct jid contact;

    if (!a->is_guarded)
        return false;
    contact = jid_view(roster_item_jid(item));
    return presence_is_kept_from(a, &contact);
}

/* The contacts with a subscription `from` the account's point of view (SUB_FROM), or `to` (SUB_TO). */
static void send_to_contacts(struct session *s, struct stanza *st, enum sub_fact who)
{
    struct roster_item *item;

    for (size_t cursor = 0; (item = roster_next(s->roster, &cursor)) != NULL;) {
        struct jid to;

        if ((item->state & who) == 0 || is_item_kept(s->account, item))
            continue;
        to = jid_view(roster_item_jid(item));
        router_route_to(s->worker, st, &to);
    }
}

/* The account's own available resources: an entity is subscribed to its own presence (section 4.2.2). */
static void send_to_own(struct session *s, const struct stanza *st)
{
    for (struct session *own = s->account->sessions; own != NULL; own = own->next_of_account) {
        if (session_is_available(own))
            (void)session_send(own, st, jid_bare(&s->jid));
    }
}

static int8_t priority_of(const struct stanza *st)
{
    const struct xml_element *e = xml_child(st->root, "priority", NS_CLIENT);
    int64_t n = 0;

    /* What is no number, or out of range, counts as the default (section 4.7.2.3). */
    if (e == NULL || !str_to_i64(str_trim(e->text), -128, 127, &n))
        return 0;
    return (int8_t)n;
}

static void send_probes(struct session *s)
{
    struct stanza *probe = make_presence(s->full_jid, str_make(NULL, 0), "probe", str_make(NULL, 0), str_make(NULL, 0));

    if (probe != NULL)
        send_to_contacts(s, probe, SUB_TO);
    stanza_unref(&probe);
}

static void send_pending_requests(struct session *s)
{
    struct roster_item *item;

    for (size_t cursor = 0; (item = roster_next(s->roster, &cursor)) != NULL;) {
        if ((item->state & SUB_PENDING_IN) != 0 && roster_item_request(item).len > 0 && !is_item_kept(s->account, item))
            (void)session_send_raw(s, roster_item_request(item), 1);
    }
}

/* A request that was lost on its way, by a server that has forgotten it, would wait for ever (section 3.1.2). */
static void repeat_own_requests(struct session *s)
{
    struct roster_item *item;

    for (size_t cursor = 0; (item = roster_next(s->roster, &cursor)) != NULL;) {
        if ((item->state & SUB_PENDING_OUT) != 0 && !is_item_kept(s->account, item))
            router_send_simple(s->worker, s->account->jid.full, roster_item_jid(item), "subscribe");
    }
}

static void send_presence_of_others(struct session *s)
{
    for (struct session *own = s->account->sessions; own != NULL; own = own->next_of_account) {
        struct stanza *st = own != s && session_is_available(own) ? stamped_presence(own) : NULL;

        if (st != NULL)
            (void)session_send(s, st, jid_bare(&s->jid));
        stanza_unref(&st);
    }
}

static void run_available_hooks(struct session *s)
{
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account};

    (void)hooks_run(HOOK_AVAILABLE, session_host(s), &e);
}

/* As bytes, which also keeps nobody waiting: a reference to the stanza would hold its acknowledgement back. */
static void set_presence(struct session *s, const struct stanza *st)
{
    keep(s, st, str_make(NULL, 0));
    s->presence_is_stamped = false;
    s->presence_ms = wall_clock_ms();
    s->priority = priority_of(st);
}

static void forget_presence(struct session *s)
{
    free(s->presence);
    s->presence = NULL;
    s->priority = 0;
}

static void become_available(struct session *s, struct stanza *st)
{
    bool is_first = !session_is_available(s);
    bool is_first_of_account = !account_is_available(s->account);
    bool was_reachable = !is_first && s->priority >= 0;

    set_presence(s, st);
    send_to_contacts(s, st, SUB_FROM);
    send_to_own(s, st);
    if (is_first) {
        send_presence_of_others(s);
        send_probes(s);
        send_pending_requests(s);
    }
    if (is_first_of_account)
        repeat_own_requests(s);
    if (s->priority >= 0 && !was_reachable)
        run_available_hooks(s);
}

/* ---- directed presence (section 4.6) ---- */

struct directed {
    char *jid;
    size_t len;
};

bool presence_is_directed_at(const struct session *s, const struct jid *who)
{
    return s->directed != NULL &&
           (hash_table_get(s->directed, jid_full(who)) != NULL || hash_table_get(s->directed, jid_bare(who)) != NULL);
}

static void forget_directed(struct session *s, struct str jid)
{
    struct directed *d = s->directed == NULL ? NULL : hash_table_remove(s->directed, jid);

    if (d == NULL)
        return;
    free(d->jid);
    free(d);
}

static void add_directed(struct session *s, struct str jid)
{
    struct directed *d;

    if (s->directed == NULL) {
        s->directed = mem_alloc(sizeof(*s->directed));
        hash_table_init(s->directed, &s->worker->server->table_key);
    }
    if (hash_table_get(s->directed, jid) != NULL)
        return;
    d = mem_alloc(sizeof(*d));
    d->jid = str_dup(jid);
    d->len = jid.len;
    (void)hash_table_put(s->directed, str_make(d->jid, d->len), d);
}

static bool remember_directed(struct session *s, const struct jid *to)
{
    bool is_full = s->directed != NULL && s->directed->len >= s->worker->config->limits.directed_presence;

    if (is_full && hash_table_get(s->directed, jid_full(to)) == NULL)
        return false;
    add_directed(s, jid_full(to));
    return true;
}

bool presence_next_directed(const struct session *s, size_t *cursor, struct str *ret_to)
{
    const struct directed *d = s->directed != NULL ? hash_table_next(s->directed, cursor) : NULL;

    if (d != NULL)
        *ret_to = str_make(d->jid, d->len);
    return d != NULL;
}

void presence_restore_directed(struct session *s, struct str to)
{
    add_directed(s, to);
}

bool presence_directed(struct session *s, const struct stanza *st)
{
    if (st->type == TYPE_UNAVAILABLE) {
        forget_directed(s, jid_full(&st->to));
        return true;
    }
    if (st->type != TYPE_AVAILABLE)
        return true;
    /* Subscribers are told by the broadcast, if presence is broadcast at all. */
    if (session_is_available(s) && roster_is_subscriber(s->roster, jid_bare(&st->to)))
        return true;
    if (remember_directed(s, &st->to))
        return true;
    router_refuse(s->worker, st, STANZA_ERR_RESOURCE_CONSTRAINT, "directed presence to too many addresses");
    return false;
}

static void forget_all_directed(struct session *s)
{
    struct directed *d;

    if (s->directed == NULL)
        return;
    for (size_t cursor = 0; (d = hash_table_next(s->directed, &cursor)) != NULL;) {
        free(d->jid);
        free(d);
    }
    hash_table_deinit(s->directed);
    free(s->directed);
    s->directed = NULL;
}

static void send_unavailable(const struct session *s, struct str to)
{
    struct stanza *st = make_presence(s->full_jid, to, "unavailable", str_make(NULL, 0), str_make(NULL, 0));

    if (st != NULL)
        router_route(s->worker, st);
}

void presence_take_back_directed(const struct account *a, bool (*is_meant)(const struct jid *who, void *ctx), void *ctx)
{
    for (struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        const struct directed *d;

        for (size_t cursor = 0; s->directed != NULL && (d = hash_table_next(s->directed, &cursor)) != NULL;) {
            struct jid who = jid_view(str_make(d->jid, d->len));

            if (!is_meant(&who, ctx))
                continue;
            send_unavailable(s, who.full);
            forget_directed(s, who.full);
        }
    }
}

static void send_to_directed(struct session *s, struct stanza *st)
{
    struct directed *d;

    if (s->directed == NULL)
        return;
    for (size_t cursor = 0; (d = hash_table_next(s->directed, &cursor)) != NULL;) {
        struct jid to = jid_view(str_make(d->jid, d->len));

        router_route_to(s->worker, st, &to);
    }
    forget_all_directed(s);
}

void presence_forget(struct session *s)
{
    forget_all_directed(s);
    forget_presence(s);
}

/* ---- unavailable ---- */

static struct str status_of(const struct stanza *st)
{
    const struct xml_element *e = xml_child(st->root, "status", NS_CLIENT);

    return e == NULL ? str_make(NULL, 0) : e->text;
}

static void become_unavailable(struct session *s, struct stanza *st)
{
    if (session_is_available(s)) {
        send_to_contacts(s, st, SUB_FROM);
        send_to_own(s, st);
    }
    send_to_directed(s, st);
    forget_presence(s);
    if (!account_is_available(s->account) && account_is_lasting(s->account))
        account_set_last_activity(s->account, status_of(st));
}

void presence_end(struct session *s)
{
    struct stanza *st;

    if (!session_is_available(s) && s->directed == NULL)
        return;
    st = make_presence(s->full_jid, str_make(NULL, 0), "unavailable", str_make(NULL, 0), str_make(NULL, 0));
    if (st != NULL)
        become_unavailable(s, st);
    stanza_unref(&st);
}

void presence_from_client(struct session *s, struct stanza *st)
{
    if (st->type == TYPE_AVAILABLE)
        become_available(s, st);
    else if (session_is_available(s) || s->directed != NULL)
        become_unavailable(s, st);
}

/* ---- to single contacts ---- */

void presence_send_current(const struct account *a, const struct jid *to)
{
    if (presence_is_kept_from(a, to))
        return;
    for (struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        struct stanza *st = session_is_available(s) ? stamped_presence(s) : NULL;

        if (st != NULL)
            router_route_to(a->worker, st, to);
        stanza_unref(&st);
    }
}

void presence_send_unavailable(const struct account *a, const struct jid *to)
{
    for (const struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (session_is_available(s))
            send_unavailable(s, to->full);
    }
}

void presence_probe(const struct account *a, const struct jid *contact)
{
    for (const struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (session_is_available(s))
            router_send_simple(a->worker, s->full_jid, contact->full, "probe");
    }
}

static void answer_unavailable(struct account *a, const struct jid *to)
{
    struct buf delay = {0};
    struct stanza *st;

    if (a->last_activity_ms > 0)
        write_delay(&delay, jid_domain(&a->jid), a->last_activity_ms);
    st = make_presence(a->jid.full, to->full, "unavailable", str_of(a->last_status), buf_str(&delay));
    buf_deinit(&delay);
    if (st != NULL)
        router_route(a->worker, st);
}

void presence_answer_probe(struct account *a, const struct stanza *probe)
{
    struct str asker = jid_bare(&probe->from);

    if (!str_eq(asker, a->jid.full) && !roster_is_subscriber(&a->roster, asker)) {
        router_send_simple(a->worker, a->jid.full, asker, "unsubscribed");
        return;
    }
    if (account_is_available(a))
        presence_send_current(a, &probe->from);
    else
        answer_unavailable(a, &probe->from);
    if (hooks_wanted(HOOK_PRESENCE_PROBED)) {
        struct hook_event e = {.worker = a->worker, .account = a, .stanza = (struct stanza *)(uintptr_t)probe};

        (void)hooks_run(HOOK_PRESENCE_PROBED, config_host(a->worker->config, jid_domain(&a->jid)), &e);
    }
}
