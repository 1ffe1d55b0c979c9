/* Nodes and their items in service discovery (XEP-0060 sections 5.2 to 5.5). */
#include "common/datetime.h"
#include "common/xmpp/data_form.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/rsm.h"
#include "server/base/config.h"
#include "server/pubsub/request.h"

#define NS_METADATA "http://jabber.org/protocol/pubsub#meta-data"

static void write_list(struct xml_writer *w, const struct pubsub_node *node, const char *var, enum affiliation which)
{
    const struct node_meta *m = node->meta;
    bool is_of_owner = which == AFFILIATION_OWNER;

    data_form_field_start(w, var, "jid-multi", NULL);
    /* The owner of an account is on no list, and publishes as well. */
    if (node->service->jid.local_len > 0)
        data_form_put_value(w, node->service->jid.full);
    for (uint32_t i = 0; i < m->n_affiliates; i++) {
        if (m->affiliates[i].affiliation == which ||
            (!is_of_owner && m->affiliates[i].affiliation == AFFILIATION_OWNER))
            data_form_put_value(w, str_of(m->affiliates[i].jid));
    }
    data_form_field_end(w);
}

static uint64_t count_subscribers(const struct node_meta *m)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < m->n_subscribers; i++)
        n += m->subscribers[i].state == SUBSCRIPTION_SUBSCRIBED;
    return n;
}

static void write_metadata(struct xml_writer *w, const struct pubsub_node *node)
{
    const struct node_meta *m = node->meta;
    char stamp[32];

    data_form_start(w, "result", NS_METADATA);
    data_form_put_text(w, "pubsub#creation_date", "text-single", NULL, datetime_format(m->created_ms, stamp));
    data_form_put_text(w, "pubsub#creator", "jid-single", NULL, str_of(m->creator));
    write_list(w, node, "pubsub#owner", AFFILIATION_OWNER);
    write_list(w, node, "pubsub#publisher", AFFILIATION_PUBLISHER);
    data_form_put_u64(w, "pubsub#num_subscribers", "text-single", NULL, count_subscribers(m));
    node_config_write_metadata(w, &m->config);
    data_form_end(w);
}

void request_disco_info(struct pubsub_request *r)
{
    struct xml_writer w = xml_writer_to(&r->answer);

    xml_start(&w, "query", NS_DISCO_INFO);
    xml_put_attr(&w, "node", r->node_name);
    xml_start(&w, "identity", NULL);
    xml_put_attr(&w, "category", STR("pubsub"));
    xml_put_attr(&w, "type", STR("leaf"));
    xml_put_attr_opt(&w, "name", str_of(r->node->meta->config.title));
    xml_end(&w);
    xml_start(&w, "feature", NULL);
    xml_put_attr(&w, "var", STR(NS_PUBSUB));
    xml_end(&w);
    write_metadata(&w, r->node);
    xml_end(&w);
    request_done(r);
}

static bool may_read(const struct pubsub_request *r, const struct pubsub_node *node)
{
    const struct node_config *config = &node->meta->config;
    struct relation who = pubsub_relation(r->service, node->meta, r->sender);

    return access_decide(ACTION_RETRIEVE, config->access_model, config->publish_model, &who) == NULL;
}

/* XEP-0163 section 6.2: those that the sender may subscribe to, or read. Returns how many. */
static unsigned write_nodes(struct xml_writer *w, const struct pubsub_request *r)
{
    struct pubsub_node *node;
    unsigned n = 0;

    for (size_t cursor = 0; (node = pubsub_next_node(r->service, &cursor)) != NULL;) {
        if (!may_read(r, node))
            continue;
        xml_start(w, "item", NULL);
        xml_put_attr(w, "jid", r->service->jid.full);
        xml_put_attr(w, "node", node->name);
        xml_put_attr_opt(w, "name", str_of(node->meta->config.title));
        xml_end(w);
        n++;
    }
    return n;
}

/* As many as one answer has room for; if that is not all, it says so (XEP-0059). */
static void write_items(struct xml_writer *w, const struct pubsub_request *r)
{
    const struct item_ring *ring = &r->node->items;
    size_t room = pubsub_limits(r->service)->out_queue_bytes / 4, n = 0;

    for (; n < ring->n && w->out->len < room; n++) {
        xml_start(w, "item", NULL);
        xml_put_attr(w, "jid", r->service->jid.full);
        xml_put_attr(w, "name", item_id(ring->items[n]));
        xml_end(w);
    }
    if (n < ring->n)
        rsm_write(w, &(struct rsm_page){.first = item_id(ring->items[0]),
                                        .last = item_id(ring->items[n - 1]),
                                        .has_count = true,
                                        .count = ring->n,
                                        .has_index = true});
}

static void list_nodes(struct pubsub_request *r)
{
    struct xml_writer w = xml_writer_to(&r->answer);

    xml_start(&w, "query", NS_DISCO_ITEMS);
    unsigned n = write_nodes(&w, r);

    xml_end(&w);
    if (n == 0 && !r->who.sees_presence && r->who.affiliation != AFFILIATION_OWNER) {
        buf_clear(&r->answer);
        request_hide(r);
    } else {
        request_done(r);
    }
}

static void list_items(struct pubsub_request *r)
{
    const struct node_config *config = &r->node->meta->config;
    const struct refusal *why = access_decide(ACTION_RETRIEVE, config->access_model, config->publish_model, &r->who);
    struct xml_writer w = xml_writer_to(&r->answer);

    if (why != NULL) {
        request_refuse(r, why);
        return;
    }
    if (!pubsub_need_items(&r->op, r->node))
        return;
    xml_start(&w, "query", NS_DISCO_ITEMS);
    xml_put_attr(&w, "node", r->node_name);
    write_items(&w, r);
    xml_end(&w);
    request_done(r);
}

void request_disco_items(struct pubsub_request *r)
{
    if (r->node_name.len == 0)
        list_nodes(r);
    else if (r->node != NULL)
        list_items(r);
    else if (r->who.sees_presence || r->who.affiliation == AFFILIATION_OWNER)
        request_error(r, STANZA_ERR_ITEM_NOT_FOUND, NULL);
    else
        request_hide(r);
}
