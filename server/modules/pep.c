/* server/modules/pep.c - XEP-0163 Personal Eventing Protocol 1.2.2, on XEP-0060 Publish-Subscribe 1.30.0
 *
 * Every account is a service (pubsub/account_service.h). Here it is joined to the rest: requests to bare JIDs, service
 * discovery, events that come for an account, and the last items that a client is sent when it comes online.
 *
 * Who comes online is known at its own home, and so is what its client wants; the nodes are at the homes of its
 * contacts. So its home tells each worker that has some of them once: this resource is there, and wants these nodes. */
#include "common/mem.h"
#include "common/xmpp/data_form.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/im/shard.h"
#include "server/im/slots.h"
#include "server/modules/module.h"
#include "server/pubsub/account_service.h"
#include "server/pubsub/authorize.h"
#include "server/pubsub/request.h"

/* What a session's client was sent the last items of, since it came online: struct interests. */
static unsigned slot; /* [start] */

/* ---- requests ---- */

/* An account without nodes has nothing for strangers. */
static enum iq_verdict on_request(struct iq *iq)
{
    if (!iq_sender_sees_presence(iq) && account_service_peek(iq->account) == NULL)
        return IQ_NOT_MINE;
    return pubsub_request(account_service(iq->account), iq);
}

/* The account itself is another module's to tell of, and so are nodes that are none of ours. */
static enum iq_verdict on_disco_info(struct iq *iq)
{
    struct str node = xml_attr(iq->query, "node", NULL);

    return node.len == 0 || str_is(node, NS_COMMANDS) ? IQ_NOT_MINE : on_request(iq);
}

static enum iq_verdict on_disco_items(struct iq *iq)
{
    return str_is(xml_attr(iq->query, "node", NULL), NS_COMMANDS) ? IQ_NOT_MINE : on_request(iq);
}

static enum verdict add_account_info(struct hook_event *e)
{
    static const char *const features[] = {
        "access-authorize",
        "access-open",
        "access-presence",
        "access-roster",
        "access-whitelist",
        "auto-create",
        "auto-subscribe",
        "config-node",
        "config-node-max",
        "create-and-configure",
        "create-nodes",
        "delete-items",
        "delete-nodes",
        "filtered-notifications",
        "instant-nodes",
        "item-ids",
        "last-published",
        "manage-subscriptions",
        "member-affiliation",
        "meta-data",
        "modify-affiliations",
        "multi-items",
        "outcast-affiliation",
        "persistent-items",
        "presence-subscribe",
        "publish",
        "publish-node-full",
        "publish-only-affiliation",
        "publish-options",
        "publisher-affiliation",
        "pubsub-on-a-jid",
        "purge-nodes",
        "retract-items",
        "retrieve-affiliations",
        "retrieve-default",
        "retrieve-items",
        "retrieve-subscriptions",
        "rsm",
        "subscribe",
        "subscription-notifications",
    };
    struct buf var = {0};

    xml_start(e->out, "identity", NULL);
    xml_put_attr(e->out, "category", STR("pubsub"));
    xml_put_attr(e->out, "type", STR("pep"));
    xml_end(e->out);
    for (size_t i = 0; i < ARRAY_LEN(features); i++) {
        buf_clear(&var);
        buf_append_cstr(&var, NS_PUBSUB "#");
        buf_append_cstr(&var, features[i]);
        xml_start(e->out, "feature", NULL);
        xml_put_attr(e->out, "var", buf_str(&var));
        xml_end(e->out);
    }
    buf_deinit(&var);
    return CONTINUE;
}

/* ---- messages to an account ---- */

/* Of one of its clients: the question itself comes from the bare JID. */
static bool is_own_answer(const struct account *a, const struct stanza *st)
{
    return str_eq(jid_bare(&st->from), a->jid.full) && !jid_is_bare(&st->from) && st->type != TYPE_ERROR &&
           data_form_find(st->root, NS_SUBSCRIBE_AUTHORIZATION) != NULL;
}

static enum verdict on_message(struct hook_event *e)
{
    if (e->stanza->is_filtered) {
        account_service_deliver(e->account, e->stanza);
        return STOP;
    }
    if (is_own_answer(e->account, e->stanza) && account_service_peek(e->account) != NULL) {
        authorize_answer(account_service(e->account), e->stanza);
        return STOP;
    }
    return CONTINUE;
}

/* ---- last items ---- */

/* For one worker: a resource that has come online, and contacts of it that live there. */
struct arrival {
    struct jid who; /* full */
    struct interests *wanted, *had;
    struct buf contacts; /* bare JIDs, each with its length in front */
    char bytes[];        /* of `who` */
};

/* One contact that is being loaded. */
struct visit {
    struct jid who;
    struct interests *wanted, *had;
    char bytes[];
};

static void visit_contact(struct account *a, void *ctx)
{
    struct visit *v = ctx;

    if (a->state == ACCOUNT_LOADED && roster_is_subscriber(&a->roster, jid_bare(&v->who)))
        account_service_send_last(a, &v->who, v->wanted, v->had);
    interests_unref(&v->wanted);
    interests_unref(&v->had);
    free(v);
}

static void visit(struct worker *w, const struct arrival *arrival, const struct jid *contact)
{
    struct visit *v = mem_alloc(sizeof(*v) + arrival->who.full.len);

    *v = (struct visit){arrival->who, interests_ref(arrival->wanted), interests_ref(arrival->had)};
    memcpy(v->bytes, arrival->who.full.p, arrival->who.full.len);
    v->who.full.p = v->bytes;
    if (account_when_ready(shard_of(w), contact, visit_contact, v) != LN_OK) {
        interests_unref(&v->wanted);
        interests_unref(&v->had);
        free(v);
    }
}

static void visit_all(struct worker *w, void *arg)
{
    struct arrival *arrival = arg;
    const char *p = arrival->contacts.p, *end = p + arrival->contacts.len;

    while (p < end) {
        uint16_t len;
        struct jid contact;

        memcpy(&len, p, sizeof(len));
        contact = jid_view(str_make(p + sizeof(len), len));
        visit(w, arrival, &contact);
        p += sizeof(len) + len;
    }
    interests_unref(&arrival->wanted);
    interests_unref(&arrival->had);
    buf_deinit(&arrival->contacts);
    free(arrival);
}

static struct arrival *arrival_new(const struct session *s, struct interests *wanted, struct interests *had)
{
    struct arrival *arrival = mem_alloc(sizeof(*arrival) + s->jid.full.len);

    *arrival = (struct arrival){.who = s->jid, .wanted = interests_ref(wanted), .had = interests_ref(had)};
    memcpy(arrival->bytes, s->jid.full.p, s->jid.full.len);
    arrival->who.full.p = arrival->bytes;
    return arrival;
}

/* Contacts of other servers are told by our presence. */
static void add_contacts(struct session *s, struct arrival **arrivals, struct interests *wanted, struct interests *had)
{
    struct worker *w = s->worker;
    const struct roster_item *item;

    for (size_t cursor = 0; (item = roster_next(s->roster, &cursor)) != NULL;) {
        struct jid contact = jid_view(roster_item_jid(item));
        uint16_t len = (uint16_t)contact.full.len;
        struct arrival **arrival;

        if ((item->state & SUB_TO) == 0 || contact.local_len == 0 ||
            config_host(w->config, jid_domain(&contact)) == NULL)
            continue;
        arrival = &arrivals[server_home_of(w->server, contact.full)->index];
        if (*arrival == NULL)
            *arrival = arrival_new(s, wanted, had);
        buf_append(&(*arrival)->contacts, &len, sizeof(len));
        buf_append_str(&(*arrival)->contacts, contact.full);
    }
}

static void send_last_items(struct session *s, struct interests *wanted, struct interests *had)
{
    struct server *server = s->worker->server;
    struct arrival **arrivals = mem_zalloc(server->n_workers * sizeof(struct arrival *));

    account_service_send_last(s->account, &s->jid, wanted, had);
    add_contacts(s, arrivals, wanted, had);
    for (unsigned i = 0; i < server->n_workers; i++) {
        if (arrivals[i] != NULL)
            worker_call(server->workers[i], visit_all, arrivals[i]);
    }
    free(arrivals);
}

/* Of the nodes that it was not sent before, since it came online. */
static void catch_up(struct session *s)
{
    struct interests *wanted = interests_peek(s), *had = session_slot_peek(s, slot);

    if (!session_is_available(s) || wanted == NULL || wanted == had)
        return;
    send_last_items(s, wanted, had);
    interests_unref(&had);
    *session_slot(s, slot) = interests_ref(wanted);
}

static void forget(struct session *s)
{
    struct interests *had = session_slot_peek(s, slot);

    if (had == NULL)
        return;
    *session_slot(s, slot) = NULL;
    interests_unref(&had);
}

static enum verdict on_interests(struct hook_event *e)
{
    catch_up(e->session);
    return CONTINUE;
}

/* ---- hooks ---- */

/* Sessions that came online in this turn of the loop, referenced: their presence is to be dealt with first. */
struct arrived {
    struct arrived *next;
    struct session *session;
};

static struct arrived **arrived; /* [start] the first of each worker */

/* Not yet available: this is initial presence. If what it wants is known, nobody else will say so. */
static enum verdict on_presence(struct hook_event *e)
{
    struct arrived *a;

    if (!jid_is_empty(&e->stanza->to) || session_is_available(e->session))
        return CONTINUE;
    forget(e->session);
    if (interests_peek(e->session) == NULL)
        return CONTINUE;
    a = mem_alloc(sizeof(*a));
    *a = (struct arrived){arrived[e->worker->index], session_ref(e->session)};
    arrived[e->worker->index] = a;
    hooks_at_turn_end(e->worker);
    return CONTINUE;
}

static enum verdict on_turn_end(struct hook_event *e)
{
    struct arrived **first = &arrived[e->worker->index];

    for (struct arrived *a; (a = *first) != NULL;) {
        *first = a->next;
        if (session_is_alive(a->session) && session_is_connected(a->session))
            catch_up(a->session);
        session_unref(&a->session);
        free(a);
    }
    return CONTINUE;
}

static enum verdict on_session_closing(struct hook_event *e)
{
    forget(e->session);
    return CONTINUE;
}

static enum verdict on_subscriber(struct hook_event *e)
{
    account_service_send_last(e->account, e->to, NULL, NULL);
    return CONTINUE;
}

static enum verdict on_account_loaded(struct hook_event *e)
{
    account_service_loaded(e->account, e->rows);
    return CONTINUE;
}

static enum verdict on_account_unloaded(struct hook_event *e)
{
    account_service_unloaded(e->account);
    return CONTINUE;
}

static enum verdict on_account_deleted(struct hook_event *e)
{
    account_service_deleted(e->account);
    return CONTINUE;
}

static void on_start(struct server *server)
{
    account_service_start(server);
    slot = session_slot_new();
    free(arrived);
    arrived = mem_zalloc(server->n_workers * sizeof(struct arrived *));
}

const struct module module_pep = {
    .name = "pep",
    .account_features = {NS_PUBSUB},
    .iq = {{IQ_GET_OR_SET, NS_PUBSUB, "pubsub", IQ_TO_OWN_ACCOUNT | IQ_TO_OTHER_ACCOUNT, on_request},
           {IQ_GET_OR_SET, NS_PUBSUB_OWNER, "pubsub", IQ_TO_OWN_ACCOUNT | IQ_TO_OTHER_ACCOUNT, on_request},
           {IQ_GET, NS_DISCO_INFO, "query", IQ_TO_OWN_ACCOUNT | IQ_TO_OTHER_ACCOUNT, on_disco_info},
           {IQ_GET, NS_DISCO_ITEMS, "query", IQ_TO_OWN_ACCOUNT | IQ_TO_OTHER_ACCOUNT, on_disco_items}},
    .hooks = {{HOOK_ACCOUNT_INFO, PRIORITY_NORMAL, add_account_info},
              {HOOK_MESSAGE_TO_ACCOUNT, PRIORITY_NORMAL, on_message},
              {HOOK_INTERESTS_CHANGED, PRIORITY_NORMAL, on_interests},
              {HOOK_PRESENCE_FROM_CLIENT, PRIORITY_NORMAL, on_presence},
              {HOOK_TURN_END, PRIORITY_NORMAL, on_turn_end},
              {HOOK_SESSION_CLOSING, PRIORITY_NORMAL, on_session_closing},
              {HOOK_SUBSCRIBER_ADDED, PRIORITY_NORMAL, on_subscriber},
              {HOOK_ACCOUNT_LOADED, PRIORITY_NORMAL, on_account_loaded},
              {HOOK_ACCOUNT_UNLOADED, PRIORITY_NORMAL, on_account_unloaded},
              {HOOK_ACCOUNT_DELETED, PRIORITY_NORMAL, on_account_deleted}},
    .on_start = on_start,
};
