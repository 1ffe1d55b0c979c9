/* Subscribing, by who wants events (XEP-0060 sections 6.1 and 6.2), and what it has (5.6 and 5.7). */
#include "common/mem.h"
#include "common/xmpp/data_form.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/pubsub/event.h"
#include "server/pubsub/request.h"

/* Of one bare JID at one node: for itself and its resources. */
enum { SUBSCRIPTIONS_OF_ONE_MAX = 20 };

static void write_subscription(struct xml_writer *w, struct str node, struct str jid, enum subscription state)
{
    xml_start(w, "subscription", NULL);
    xml_put_attr(w, "node", node);
    xml_put_attr(w, "jid", jid);
    xml_put_attr(w, "subscription", str_of(subscription_state_name(state)));
    xml_end(w);
}

static void write_answer(struct pubsub_request *r, struct str jid, enum subscription state)
{
    struct xml_writer w = xml_writer_to(&r->answer);

    xml_start(&w, "pubsub", NS_PUBSUB);
    write_subscription(&w, r->node_name, jid, state);
    xml_end(&w);
}

/* ---- subscribe ---- */

/* Prepares the address that is to be subscribed. Section 6.1.3.1: it must be the sender's own. */
static bool parse_own_jid(const struct pubsub_request *r, struct jid_buf *mem, struct jid *ret)
{
    return jid_parse(xml_attr(r->e, "jid", NULL), mem, ret) == LN_OK && str_eq(jid_bare(ret), r->sender);
}

static unsigned count_subscriptions_of(const struct node_meta *m, struct str bare)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < m->n_subscribers; i++) {
        struct jid jid = jid_view(str_of(m->subscribers[i].jid));

        n += str_eq(jid_bare(&jid), bare);
    }
    return n;
}

static bool has_too_many(const struct pubsub_request *r)
{
    const struct node_meta *m = r->node->meta;

    return m->n_subscribers >= pubsub_limits(r->service)->pubsub_affiliates ||
           count_subscriptions_of(m, r->sender) >= SUBSCRIPTIONS_OF_ONE_MAX;
}

static const struct refusal *may_subscribe(const struct pubsub_request *r, struct str jid)
{
    static const struct refusal unsupported = {
        .err = STANZA_ERR_FEATURE_NOT_IMPLEMENTED, .condition = "unsupported", .feature = "subscribe"};
    static const struct refusal pending = {.err = STANZA_ERR_NOT_AUTHORIZED, .condition = "pending-subscription"};
    static const struct refusal too_many = {
        .err = STANZA_ERR_POLICY_VIOLATION, .condition = "too-many-subscriptions", .type = "wait"};
    const struct node_meta *m = r->node->meta;
    enum subscription has = node_meta_subscription(m, jid);
    const struct refusal *why =
        access_decide(ACTION_SUBSCRIBE, m->config.access_model, m->config.publish_model, &r->who);

    if (why != NULL)
        return why;
    if (!m->config.subscribe)
        return &unsupported;
    if (has == SUBSCRIPTION_PENDING)
        return &pending;
    return has == SUBSCRIPTION_NONE && has_too_many(r) ? &too_many : NULL;
}

/* Only strangers to the node need the owner's word. */
static bool needs_approval(const struct pubsub_request *r)
{
    return r->node->meta->config.access_model == ACCESS_AUTHORIZE && r->who.affiliation == AFFILIATION_NONE &&
           r->who.subscription != SUBSCRIPTION_SUBSCRIBED;
}

static void subscribe(struct pubsub_request *r, struct str jid)
{
    enum subscription state = needs_approval(r) ? SUBSCRIPTION_PENDING : SUBSCRIPTION_SUBSCRIBED;
    struct pubsub_change *c = pubsub_change_new(r->service, r->node_name);

    c->own_meta = node_meta_copy(r->node->meta);
    c->is_by_subscriber = true;
    node_meta_set_subscription(c->own_meta, jid, state);
    write_answer(r, jid, state);
    request_commit(r, c);
}

void request_subscribe(struct pubsub_request *r)
{
    struct jid_buf mem;
    struct jid jid;
    const struct refusal *why;

    if (!parse_own_jid(r, &mem, &jid)) {
        request_error(r, STANZA_ERR_BAD_REQUEST, "invalid-jid");
    } else if ((why = may_subscribe(r, jid.full)) != NULL) {
        request_refuse(r, why);
    } else if (node_meta_subscription(r->node->meta, jid.full) == SUBSCRIPTION_SUBSCRIBED) {
        /* Once more, for which there is nothing to be done (section 6.1.6). */
        write_answer(r, jid.full, SUBSCRIPTION_SUBSCRIBED);
        request_done(r);
    } else if (pubsub_need_items(&r->op, r->node)) {
        subscribe(r, jid.full);
    }
}

void request_unsubscribe(struct pubsub_request *r)
{
    static const struct refusal not_subscribed = {
        .err = STANZA_ERR_UNEXPECTED_REQUEST, .condition = "not-subscribed", .type = "cancel"};
    struct jid_buf mem;
    struct jid jid;

    if (!parse_own_jid(r, &mem, &jid)) {
        request_error(r, STANZA_ERR_FORBIDDEN, NULL);
    } else if (node_meta_subscription(r->node->meta, jid.full) == SUBSCRIPTION_NONE) {
        request_refuse(r, &not_subscribed);
    } else {
        struct pubsub_change *c = pubsub_change_new(r->service, r->node_name);

        c->own_meta = node_meta_copy(r->node->meta);
        c->is_by_subscriber = true;
        node_meta_set_subscription(c->own_meta, jid.full, SUBSCRIPTION_NONE);
        write_answer(r, jid.full, SUBSCRIPTION_NONE);
        request_commit(r, c);
    }
}

/* ---- what the sender has ---- */

static unsigned write_own_subscriptions(struct xml_writer *w, const struct pubsub_request *r,
                                        const struct pubsub_node *node)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < node->meta->n_subscribers; i++) {
        const struct node_subscriber *s = &node->meta->subscribers[i];
        struct jid jid = jid_view(str_of(s->jid));

        if (!str_eq(jid_bare(&jid), r->sender))
            continue;
        write_subscription(w, node->name, jid.full, s->state);
        n++;
    }
    return n;
}

static unsigned write_own_affiliation(struct xml_writer *w, const struct pubsub_request *r,
                                      const struct pubsub_node *node)
{
    struct relation who = pubsub_relation(r->service, node->meta, r->sender);

    if (who.affiliation == AFFILIATION_NONE || !request_may_see(r, node))
        return 0;
    xml_start(w, "affiliation", NULL);
    xml_put_attr(w, "node", node->name);
    xml_put_attr(w, "affiliation", str_of(affiliation_name(who.affiliation)));
    xml_end(w);
    return 1;
}

/* A list of what the sender has at one node, or at all of them. Who has nothing, and sees nothing, is told nothing. */
static void answer_list(struct pubsub_request *r, const char *element,
                        unsigned (*write)(struct xml_writer *w, const struct pubsub_request *r,
                                          const struct pubsub_node *node))
{
    struct xml_writer w = xml_writer_to(&r->answer);
    struct pubsub_node *node;
    unsigned n = 0;

    xml_start(&w, "pubsub", NS_PUBSUB);
    xml_start(&w, element, NULL);
    xml_put_attr_opt(&w, "node", r->node_name);
    for (size_t cursor = 0; (node = pubsub_next_node(r->service, &cursor)) != NULL;) {
        if (r->node_name.len == 0 || node == r->node)
            n += write(&w, r, node);
    }
    xml_end(&w);
    xml_end(&w);
    if (n > 0 || r->who.sees_presence || r->who.affiliation == AFFILIATION_OWNER) {
        request_done(r);
    } else {
        buf_clear(&r->answer);
        request_hide(r);
    }
}

void request_own_subscriptions(struct pubsub_request *r)
{
    answer_list(r, "subscriptions", write_own_subscriptions);
}

void request_own_affiliations(struct pubsub_request *r)
{
    answer_list(r, "affiliations", write_own_affiliation);
}
