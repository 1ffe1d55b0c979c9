/* Nodes made, configured, emptied and deleted by their owners (XEP-0060 sections 8.1 to 8.5). */
#include "common/mem.h"
#include "common/xmpp/data_form.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/pubsub/request.h"

#define NS_NODE_CONFIG "http://jabber.org/protocol/pubsub#node_config"

enum { INSTANT_NODE_BYTES = 16 };

static const struct refusal bad_request = {.err = STANZA_ERR_BAD_REQUEST};

/* The form within <configure/>; one of another kind is no answer to ours. NULL, and no refusal: none is there. */
static const struct refusal *find_form(const struct xml_element *configure, const struct xml_element **ret)
{
    *ret = data_form_find(configure, NULL);
    if (*ret == NULL)
        return configure->child == NULL ? NULL : &bad_request;
    if (data_form_form_type(*ret).len > 0 && !str_is(data_form_form_type(*ret), NS_NODE_CONFIG))
        return &bad_request;
    return NULL;
}

/* ---- create ---- */

static void write_name(struct pubsub_request *r, struct str name)
{
    struct xml_writer w = xml_writer_to(&r->answer);

    xml_start(&w, "pubsub", NS_PUBSUB);
    xml_start(&w, "create", NULL);
    xml_put_attr(&w, "node", name);
    xml_end(&w);
    xml_end(&w);
}

static const struct refusal *may_create(const struct pubsub_request *r)
{
    static const struct refusal forbidden = {.err = STANZA_ERR_FORBIDDEN};
    static const struct refusal exists = {.err = STANZA_ERR_CONFLICT};
    static const struct refusal too_many = {.err = STANZA_ERR_RESOURCE_CONSTRAINT};
    static const struct refusal bad_name = {.err = STANZA_ERR_NOT_ACCEPTABLE};

    if (!r->service->owner->may_create(r->service, r->sender))
        return &forbidden;
    if (r->node != NULL)
        return &exists;
    if (r->node_name.len > NODE_NAME_BYTES_MAX)
        return &bad_name;
    return r->service->nodes.len >= pubsub_limits(r->service)->pubsub_nodes ? &too_many : NULL;
}

/* Section 8.1.3: <configure/> comes behind <create/>, and names no node. */
static const struct refusal *configure_new(const struct pubsub_request *r, struct node_config *config)
{
    const struct xml_element *configure = xml_child(r->query, "configure", NS_PUBSUB), *form;
    const struct refusal *why;
    bool has_node;

    if (configure == NULL)
        return NULL;
    (void)xml_attr(configure, "node", &has_node);
    if (has_node || xml_next(r->e, "configure", NS_PUBSUB) != configure)
        return &bad_request;
    why = find_form(configure, &form);
    return why != NULL ? why : node_config_apply(config, form, false);
}

void request_create(struct pubsub_request *r)
{
    const struct refusal *why = may_create(r);
    struct node_config config = {0};
    char made[2 * INSTANT_NODE_BYTES + 1];
    struct str name = r->node_name.len > 0 ? r->node_name : random_hex(made, INSTANT_NODE_BYTES);
    struct pubsub_change *c;

    if (why == NULL) {
        config = r->service->owner->profile(name);
        why = configure_new(r, &config);
    }
    if (why != NULL) {
        node_config_deinit(&config);
        request_refuse(r, why);
        return;
    }
    if (r->node_name.len == 0)
        write_name(r, name);
    c = pubsub_change_new(r->service, name);
    c->own_meta = pubsub_new_meta(r->service, config, r->sender);
    request_commit(r, c);
}

/* ---- configure ---- */

static void answer_form(struct pubsub_request *r, const char *element, const struct node_config *config)
{
    struct xml_writer w = xml_writer_to(&r->answer);

    xml_start(&w, "pubsub", NS_PUBSUB_OWNER);
    xml_start(&w, element, NULL);
    xml_put_attr_opt(&w, "node", r->node_name);
    node_config_write_form(&w, config);
    xml_end(&w);
    xml_end(&w);
    request_done(r);
}

void request_get_config(struct pubsub_request *r)
{
    answer_form(r, "configure", &r->node->meta->config);
}

void request_default_config(struct pubsub_request *r)
{
    struct node_config config = r->service->owner->profile(STR(""));

    answer_form(r, "default", &config);
    node_config_deinit(&config);
}

/* Items that the node may not have any longer go without a word. */
static void make_fit(struct pubsub_change *c, const struct pubsub_node *node)
{
    size_t max = pubsub_max_items(c->service, &c->own_meta->config);

    if (!c->own_meta->config.persist_items) {
        pubsub_change_remove_all(c);
        return;
    }
    for (size_t i = 0; node->items.n > max && i < node->items.n - max; i++)
        pubsub_change_remove(c, item_id(node->items.items[i]), false);
}

void request_drop_unentitled(const struct pubsub_service *sv, struct node_meta *m)
{
    for (uint32_t i = m->n_subscribers; i > 0; i--) {
        const struct node_subscriber *s = &m->subscribers[i - 1];
        struct jid jid = jid_view(str_of(s->jid));
        struct relation who = pubsub_relation(sv, m, jid_bare(&jid));

        if (s->state == SUBSCRIPTION_SUBSCRIBED &&
            access_decide(ACTION_RETRIEVE, m->config.access_model, m->config.publish_model, &who) != NULL)
            node_meta_set_subscription(m, str_of(s->jid), SUBSCRIPTION_NONE);
    }
}

static void configure(struct pubsub_request *r, const struct xml_element *form)
{
    struct pubsub_change *c = pubsub_change_new(r->service, r->node_name);
    const struct refusal *why;

    c->own_meta = node_meta_copy(r->node->meta);
    why = node_config_apply(&c->own_meta->config, form, false);
    if (why != NULL) {
        pubsub_change_free(&c);
        request_refuse(r, why);
        return;
    }
    request_drop_unentitled(r->service, c->own_meta);
    make_fit(c, r->node);
    c->tells_config = c->own_meta->config.notify_config;
    request_commit(r, c);
}

void request_set_config(struct pubsub_request *r)
{
    const struct xml_element *form;
    const struct refusal *why = find_form(r->e, &form);

    if (why != NULL || form == NULL)
        request_refuse(r, &bad_request);
    else if (str_is(data_form_type(form), "cancel"))
        request_done(r);
    else if (!str_is(data_form_type(form), "submit"))
        request_refuse(r, &bad_request);
    else
        configure(r, form);
}

/* ---- delete, purge ---- */

void request_delete(struct pubsub_request *r)
{
    struct pubsub_change *c = pubsub_change_new(r->service, r->node_name);

    pubsub_change_remove_all(c);
    c->is_deletion = true;
    c->is_quiet = !r->node->meta->config.notify_delete;
    request_commit(r, c);
}

void request_purge(struct pubsub_request *r)
{
    struct pubsub_change *c;

    if (!r->node->meta->config.persist_items) {
        request_unsupported(r, "persistent-items");
        return;
    }
    c = pubsub_change_new(r->service, r->node_name);
    pubsub_change_remove_all(c);
    c->is_purge = true;
    request_commit(r, c);
}
