#include "server/pubsub/account_service.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/im/router.h"
#include "server/im/slots.h"
#include "server/pubsub/event.h"
#include "server/pubsub/node_profile.h"
#include "server/stream/credentials.h"

/* A document in the account's own collection says that there are nodes: accounts without cost no read. */
#define MARK_KEY STR("pubsub")

static unsigned slot; /* [start] */

static struct account *account_of(const struct pubsub_service *sv)
{
    return sv->ctx;
}

static const struct config_host *host_of(const struct account *a)
{
    return config_host(a->worker->config, jid_domain(&a->jid));
}

/* ---- what a service asks of its owner ---- */

static bool is_in_allowed_group(const struct roster_item *item, const struct node_config *config)
{
    struct str group;

    for (uint32_t cursor = 0; roster_item_next_group(item, &cursor, &group);) {
        for (size_t i = 0; i < config->n_groups; i++) {
            if (str_is(group, config->groups[i]))
                return true;
        }
    }
    return false;
}

static void relate(const struct pubsub_service *sv, struct str bare, const struct node_config *config,
                   struct relation *ret)
{
    const struct account *a = account_of(sv);
    const struct roster_item *item;

    if (str_eq(bare, a->jid.full)) {
        ret->affiliation = AFFILIATION_OWNER;
        ret->sees_presence = ret->is_in_group = true;
        return;
    }
    ret->sees_presence = roster_is_subscriber(&a->roster, bare);
    item = ret->sees_presence && config != NULL ? roster_get(&a->roster, bare) : NULL;
    ret->is_in_group = item != NULL && is_in_allowed_group(item, config);
}

static bool may_create(const struct pubsub_service *sv, struct str bare)
{
    return str_eq(bare, sv->jid.full);
}

static void prepare(const struct pubsub_service *sv, struct storage_txn *t, bool is_first)
{
    storage_txn_require_present(t, sv->jid.full, CREDENTIALS_COLLECTION, CREDENTIALS_KEY);
    if (is_first)
        storage_txn_put(t, sv->jid.full, CREDENTIALS_COLLECTION, MARK_KEY, STR("1"));
}

/* Is there a module that keeps the account's doings from this contact? */
static bool is_kept_from(const struct pubsub_service *sv, const struct jid *to)
{
    struct account *a = account_of(sv);
    struct hook_event e = {.worker = a->worker, .account = a, .to = to};

    return a->is_guarded && hooks_run(HOOK_PRESENCE_TO_CONTACT, host_of(a), &e) == STOP;
}

/* Is it sent the event as one of the node's own list? */
static bool is_on_list(const struct node_meta *m, const struct session *s)
{
    return node_meta_subscription(m, jid_full(&s->jid)) == SUBSCRIPTION_SUBSCRIBED ||
           (s->priority >= 0 && node_meta_subscription(m, jid_bare(&s->jid)) == SUBSCRIPTION_SUBSCRIBED);
}

/* `but`: not to those on its list; NULL: it has none here. */
static void send_to_own(struct account *a, struct str node, const struct stanza *event, const struct node_meta *but)
{
    for (struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (session_is_available(s) && interests_want(interests_peek(s), node) && (but == NULL || !is_on_list(but, s)))
            (void)session_send(s, event, s->full_jid);
    }
}

/* To its own resources, and to those who see its presence and may read the node. A contact of another server would have
 * to be sent it at the full JID of each resource that wants it, since only we would filter: that needs the capabilities
 * from their presence, and goes here. */
static void broadcast(struct pubsub_service *sv, const struct pubsub_node *node, struct stanza *event)
{
    struct account *a = account_of(sv);
    const struct node_meta *m = node->meta;
    const struct roster_item *item;

    send_to_own(a, node->name, event, m);
    for (size_t cursor = 0; (item = roster_next(&a->roster, &cursor)) != NULL;) {
        struct jid to = jid_view(roster_item_jid(item));
        struct relation who;

        if ((item->state & SUB_FROM) == 0 || node_meta_subscription(m, to.full) == SUBSCRIPTION_SUBSCRIBED)
            continue;
        who = pubsub_relation(sv, m, to.full);
        if (access_decide(ACTION_RETRIEVE, m->config.access_model, m->config.publish_model, &who) == NULL &&
            !is_kept_from(sv, &to))
            router_route_to(a->worker, event, &to);
    }
}

static void changed(struct pubsub_service *sv, const struct node_change *change)
{
    struct account *a = account_of(sv);
    struct hook_event e = {.worker = a->worker, .account = a, .change = change};

    (void)hooks_run(HOOK_NODE_CHANGED, host_of(a), &e);
}

static void pin(struct pubsub_service *sv)
{
    account_pin(account_of(sv));
}

static void unpin(struct pubsub_service *sv)
{
    account_unpin(account_of(sv));
}

static const struct pubsub_owner owner = {
    .relate = relate,
    .may_create = may_create,
    .profile = node_profile,
    .prepare = prepare,
    .is_kept_from = is_kept_from,
    .broadcast = broadcast,
    .changed = changed,
    .pin = pin,
    .unpin = unpin,
};

/* ---- the service of an account ---- */

void account_service_start(struct server *server)
{
    slot = account_slot_new();
    pubsub_start(server);
    interests_start();
}

struct pubsub_service *account_service_peek(const struct account *a)
{
    return account_slot_peek(a, slot);
}

static struct pubsub_service *make(struct account *a, bool has_nodes)
{
    struct pubsub_service *sv = pubsub_service_new(a->worker, &a->jid, &owner, a, has_nodes);

    *account_slot(a, slot) = sv;
    return sv;
}

struct pubsub_service *account_service(struct account *a)
{
    struct pubsub_service *sv = account_service_peek(a);

    return sv != NULL ? sv : make(a, false);
}

void account_service_loaded(struct account *a, const struct storage_rows *rows)
{
    for (size_t i = 0; i < rows->n && account_service_peek(a) == NULL; i++) {
        if (str_eq(rows->rows[i].key, MARK_KEY))
            (void)make(a, true);
    }
}

void account_service_unloaded(struct account *a)
{
    struct pubsub_service *sv = account_service_peek(a);

    if (sv == NULL)
        return;
    *account_slot(a, slot) = NULL;
    pubsub_service_free(&sv);
}

void account_service_deleted(struct account *a)
{
    struct pubsub_service *sv = account_service_peek(a);

    if (sv != NULL)
        pubsub_service_clear(sv);
}

/* ---- events of others ---- */

/* <event/> has one child, which names the node. */
static struct str node_of(const struct stanza *event)
{
    const struct xml_element *e = xml_child(event->root, "event", NS_PUBSUB_EVENT);

    return e == NULL || e->child == NULL ? str_make(NULL, 0) : xml_attr(e->child, "node", NULL);
}

void account_service_deliver(struct account *a, const struct stanza *event)
{
    send_to_own(a, node_of(event), event, NULL);
}

/* ---- last items ---- */

struct last_items {
    struct pubsub_op op;
    struct jid to;
    struct interests *wanted, *had;
    struct str *nodes; /* owned; that are to be sent, found when it begins */
    size_t n_nodes, next;
    bool has_begun;
    char bytes[]; /* of `to` */
};

static void end(struct last_items *l)
{
    pubsub_op_end(&l->op);
    for (size_t i = 0; i < l->n_nodes; i++)
        free((void *)(uintptr_t)l->nodes[i].p);
    free(l->nodes);
    interests_unref(&l->wanted);
    interests_unref(&l->had);
    free(l);
}

static bool is_to_be_sent(const struct last_items *l, const struct pubsub_node *node)
{
    const struct node_config *config = &node->meta->config;
    struct relation who = pubsub_relation(l->op.service, node->meta, jid_bare(&l->to));

    return config->send_last == SEND_LAST_ON_SUB_AND_PRESENCE && config->deliver_notifications &&
           (l->wanted == NULL || interests_want(l->wanted, node->name)) && !interests_want(l->had, node->name) &&
           access_decide(ACTION_RETRIEVE, config->access_model, config->publish_model, &who) == NULL;
}

static void find_nodes(struct last_items *l)
{
    struct pubsub_service *sv = l->op.service;
    struct pubsub_node *node;

    l->has_begun = true;
    l->nodes = mem_alloc((sv->nodes.len + 1) * sizeof(*l->nodes));
    for (size_t cursor = 0; (node = pubsub_next_node(sv, &cursor)) != NULL;) {
        if (is_to_be_sent(l, node))
            l->nodes[l->n_nodes++] = str_make(str_dup(node->name), node->name.len);
    }
}

static void send_last(const struct last_items *l, const struct pubsub_node *node)
{
    struct stanza *st = event_last_item(node, jid_is_bare(&l->to));

    if (st != NULL)
        router_route_to(l->op.service->worker, st, &l->to);
    stanza_unref(&st);
}

static struct last_items *last_items_of(struct pubsub_op *op)
{
    return container_of(op, struct last_items, op);
}

/* Node after node, as their items come. */
static void run(struct pubsub_op *op)
{
    struct last_items *l = last_items_of(op);

    if (!l->has_begun)
        find_nodes(l);
    for (; l->next < l->n_nodes; l->next++) {
        struct pubsub_node *node = pubsub_find_node(op->service, l->nodes[l->next]);

        if (node == NULL)
            continue;
        if (!pubsub_need_items(op, node))
            return;
        send_last(l, node);
    }
    end(l);
}

static void give_up(struct pubsub_op *op, enum ln_err err)
{
    (void)err;
    end(last_items_of(op));
}

void account_service_send_last(struct account *a, const struct jid *to, struct interests *wanted, struct interests *had)
{
    struct pubsub_service *sv = account_service_peek(a);
    struct last_items *l;

    if (sv == NULL || (sv->state == NODES_READ && sv->nodes.len == 0 && sv->first == NULL) || is_kept_from(sv, to))
        return;
    l = mem_alloc(sizeof(*l) + to->full.len);
    *l = (struct last_items){
        .op = {.run = run, .give_up = give_up}, .to = *to, .wanted = interests_ref(wanted), .had = interests_ref(had)};
    memcpy(l->bytes, to->full.p, to->full.len);
    l->to.full.p = l->bytes;
    if (pubsub_op_submit(sv, &l->op) != LN_OK) {
        interests_unref(&l->wanted);
        interests_unref(&l->had);
        free(l);
    }
}
