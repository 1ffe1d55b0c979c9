#include "server/pubsub/event.h"

#include "common/datetime.h"
#include "common/mem.h"
#include "common/xmpp/data_form.h"
#include "common/xmpp/ns.h"
#include "server/im/router.h"

/* ---- the message around it ---- */

static void start_message(struct xml_writer *w, const struct pubsub_service *sv, enum notification_type type)
{
    struct buf id = {0};

    buf_append_u64(&id, worker_next_id(sv->worker));
    xml_start(w, "message", NULL);
    xml_put_attr(w, "from", sv->jid.full);
    xml_put_attr_opt(w, "type", type == NOTIFY_HEADLINE ? STR("headline") : STR(""));
    xml_put_attr(w, "id", buf_str(&id));
    buf_deinit(&id);
}

static void start_event(struct xml_writer *w, const struct pubsub_node *node)
{
    start_message(w, node->service, node->meta->config.notification_type);
    xml_start(w, "event", NS_PUBSUB_EVENT);
}

/* Closes <event/> and <message/>; `extra` comes between. A message that is no headline says that it is not to be kept.
 */
static void end_event(struct xml_writer *w, const struct pubsub_node *node, struct str extra)
{
    xml_end(w);
    xml_put_raw(w, extra);
    if (node->meta->config.notification_type != NOTIFY_HEADLINE)
        xml_put_empty(w, "no-store", NS_HINTS);
    xml_end(w);
}

static struct stanza *make(struct buf *own_xml, bool is_filtered)
{
    struct stanza *st = stanza_from_bytes(buf_str(own_xml));

    buf_deinit(own_xml);
    if (st != NULL)
        st->is_filtered = is_filtered;
    return st;
}

/* ---- to whom ---- */

static bool may_still_read(const struct pubsub_node *node, const struct node_subscriber *s)
{
    const struct node_config *config = &node->meta->config;
    struct jid jid = jid_view(str_of(s->jid));
    struct relation r = pubsub_relation(node->service, node->meta, jid_bare(&jid));

    return s->state == SUBSCRIPTION_SUBSCRIBED && !node->service->owner->is_kept_from(node->service, &jid) &&
           access_decide(ACTION_RETRIEVE, config->access_model, config->publish_model, &r) == NULL;
}

static void send_to_list(struct pubsub_node *node, struct stanza *st)
{
    for (uint32_t i = 0; i < node->meta->n_subscribers; i++) {
        const struct node_subscriber *s = &node->meta->subscribers[i];
        struct jid to = jid_view(str_of(s->jid));

        if (may_still_read(node, s))
            router_route_to(node->service->worker, st, &to);
    }
}

/* `write` is called with and without what only those may know who see presence. */
struct telling {
    void (*write)(struct buf *out, const struct pubsub_node *node, const struct telling *t, bool is_filtered);
    struct item *const *items;
    const struct str *ids;
    size_t n;
    struct str publisher;
    const char *what;
};

static void tell(struct pubsub_node *node, const struct telling *t)
{
    struct buf xml = {0};
    struct stanza *st;

    if (!node->meta->config.deliver_notifications)
        return;
    t->write(&xml, node, t, true);
    st = make(&xml, true);
    if (st != NULL)
        node->service->owner->broadcast(node->service, node, st);
    stanza_unref(&st);
    if (node->meta->n_subscribers == 0)
        return;
    t->write(&xml, node, t, false);
    st = make(&xml, false);
    if (st != NULL)
        send_to_list(node, st);
    stanza_unref(&st);
}

/* ---- items ---- */

static void write_item(struct xml_writer *w, const struct pubsub_node *node, const struct item *item)
{
    xml_start(w, "item", NULL);
    xml_put_attr_opt(w, "id", item_id(item));
    /* Who else but the owner could it be from? */
    if (item_publisher(item).len > 0 && !str_eq(item_publisher(item), node->service->jid.full))
        xml_put_attr(w, "publisher", item_publisher(item));
    if (node->meta->config.deliver_payloads)
        xml_put_raw(w, item_payload(item));
    xml_end(w);
}

/* XEP-0033, as XEP-0163 section 4.3.1 wants it: answers go to the resource that published. */
static void write_reply_to(struct buf *out, struct str publisher)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "addresses", NS_ADDRESSES);
    xml_start(&w, "address", NULL);
    xml_put_attr(&w, "type", STR("replyto"));
    xml_put_attr(&w, "jid", publisher);
    xml_end(&w);
    xml_end(&w);
}

static void write_published(struct buf *out, const struct pubsub_node *node, const struct telling *t, bool is_filtered)
{
    struct xml_writer w = xml_writer_to(out);
    struct buf extra = {0};

    if (is_filtered && t->publisher.len > 0 && node->meta->config.item_reply == REPLY_TO_PUBLISHER)
        write_reply_to(&extra, t->publisher);
    start_event(&w, node);
    xml_start(&w, "items", NULL);
    xml_put_attr(&w, "node", node->name);
    for (size_t i = 0; i < t->n; i++)
        write_item(&w, node, t->items[i]);
    xml_end(&w);
    end_event(&w, node, buf_str(&extra));
    buf_deinit(&extra);
}

void event_published(struct pubsub_node *node, struct item *const *items, size_t n, struct str publisher)
{
    tell(node, &(struct telling){.write = write_published, .items = items, .n = n, .publisher = publisher});
}

static void write_retracted(struct buf *out, const struct pubsub_node *node, const struct telling *t, bool is_filtered)
{
    struct xml_writer w = xml_writer_to(out);

    (void)is_filtered;
    start_event(&w, node);
    xml_start(&w, "items", NULL);
    xml_put_attr(&w, "node", node->name);
    for (size_t i = 0; i < t->n; i++) {
        xml_start(&w, "retract", NULL);
        xml_put_attr(&w, "id", t->ids[i]);
        xml_end(&w);
    }
    xml_end(&w);
    end_event(&w, node, STR(""));
}

void event_retracted(struct pubsub_node *node, const struct str *ids, size_t n)
{
    tell(node, &(struct telling){.write = write_retracted, .ids = ids, .n = n});
}

/* ---- the node itself ---- */

static void write_emptied(struct buf *out, const struct pubsub_node *node, const struct telling *t, bool is_filtered)
{
    struct xml_writer w = xml_writer_to(out);

    (void)is_filtered;
    start_event(&w, node);
    xml_start(&w, t->what, NULL);
    xml_put_attr(&w, "node", node->name);
    xml_end(&w);
    end_event(&w, node, STR(""));
}

void event_emptied(struct pubsub_node *node, const char *what)
{
    tell(node, &(struct telling){.write = write_emptied, .what = what});
}

static void write_configured(struct buf *out, const struct pubsub_node *node, const struct telling *t, bool is_filtered)
{
    struct xml_writer w = xml_writer_to(out);

    (void)t, (void)is_filtered;
    start_event(&w, node);
    xml_start(&w, "configuration", NULL);
    xml_put_attr(&w, "node", node->name);
    if (node->meta->config.deliver_payloads)
        node_config_write_values(&w, &node->meta->config, "result");
    xml_end(&w);
    end_event(&w, node, STR(""));
}

void event_configured(struct pubsub_node *node)
{
    tell(node, &(struct telling){.write = write_configured});
}

static void send_one(struct pubsub_service *sv, struct buf *own_xml, struct str to)
{
    struct jid jid = jid_view(to);
    struct stanza *st = make(own_xml, false);

    if (st != NULL)
        router_route_to(sv->worker, st, &jid);
    stanza_unref(&st);
}

void event_subscription(struct pubsub_service *sv, struct str node, struct str jid, struct str to,
                        enum subscription state)
{
    struct buf xml = {0};
    struct xml_writer w = xml_writer_to(&xml);

    start_message(&w, sv, NOTIFY_HEADLINE);
    xml_start(&w, "event", NS_PUBSUB_EVENT);
    xml_start(&w, "subscription", NULL);
    xml_put_attr(&w, "node", node);
    xml_put_attr(&w, "jid", jid);
    xml_put_attr(&w, "subscription", str_of(subscription_state_name(state)));
    xml_end(&w);
    xml_end(&w);
    xml_end(&w);
    send_one(sv, &xml, to);
}

void event_ask_owner(struct pubsub_service *sv, struct str node, struct str jid)
{
    struct buf xml = {0};
    struct xml_writer w = xml_writer_to(&xml);

    start_message(&w, sv, NOTIFY_NORMAL);
    xml_put_text_element(&w, "body", STR("Somebody asks to be subscribed to a node."));
    data_form_start(&w, "form", NS_SUBSCRIBE_AUTHORIZATION);
    data_form_put_title(&w, STR("Subscription request"));
    data_form_put_instructions(&w, STR("Allow this entity to subscribe to the node, or not."));
    data_form_put_text(&w, "pubsub#node", "text-single", "Node", node);
    data_form_put_text(&w, "pubsub#subscriber_jid", "jid-single", "Subscriber", jid);
    data_form_put_bool(&w, "pubsub#allow", "Allow it to subscribe?", false);
    data_form_end(&w);
    xml_end(&w);
    send_one(sv, &xml, sv->jid.full);
}

struct stanza *event_last_item(const struct pubsub_node *node, bool is_filtered)
{
    const struct item *last = node->items.n == 0 ? NULL : node->items.items[node->items.n - 1];
    struct buf xml = {0}, delay = {0};
    struct xml_writer w = xml_writer_to(&delay);
    char stamp[32];

    if (last == NULL)
        return NULL;
    xml_start(&w, "delay", NS_DELAY);
    xml_put_attr(&w, "from", node->service->jid.full);
    xml_put_attr(&w, "stamp", datetime_format(item_time_ms(last), stamp));
    xml_end(&w);
    w = xml_writer_to(&xml);
    start_event(&w, node);
    xml_start(&w, "items", NULL);
    xml_put_attr(&w, "node", node->name);
    write_item(&w, node, last);
    xml_end(&w);
    end_event(&w, node, buf_str(&delay));
    buf_deinit(&delay);
    return make(&xml, is_filtered);
}
