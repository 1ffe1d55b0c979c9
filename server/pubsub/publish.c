/* Publishing and retracting (XEP-0060 section 7). */
#include "server/pubsub/publish.h"

#include "common/mem.h"
#include "common/xmpp/data_form.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/pubsub/request.h"

#define NS_PUBLISH_OPTIONS "http://jabber.org/protocol/pubsub#publish-options"

enum { GENERATED_ID_BYTES = 16 };

/* ---- for requests and modules ---- */

struct pubsub_change *publish_begin(struct pubsub_service *sv, struct str node, struct node_config own_config,
                                    struct str creator)
{
    struct pubsub_change *c = pubsub_change_new(sv, node);

    if (pubsub_find_node(sv, node) == NULL)
        c->own_meta = pubsub_new_meta(sv, own_config, creator);
    else
        node_config_deinit(&own_config);
    return c;
}

struct str publish_put(struct pubsub_change *c, struct str id, struct str publisher, struct str payload)
{
    static const struct item_ring none;
    const struct pubsub_node *node = pubsub_find_node(c->service, c->name);
    uint64_t seq = item_ring_next_seq(node == NULL ? &none : &node->items, worker_next_id(c->service->worker));
    char made[2 * GENERATED_ID_BYTES + 1];

    /* Several in one change: each after the other. */
    if (c->n_puts > 0 && seq <= c->puts[c->n_puts - 1]->seq)
        seq = c->puts[c->n_puts - 1]->seq + 1;
    if (id.len == 0)
        id = random_hex(made, GENERATED_ID_BYTES);
    struct item *item = item_new(seq, id, publisher, payload);

    pubsub_change_put(c, item);
    return item_id(item);
}

static const struct node_config *config_of(const struct pubsub_change *c)
{
    return c->own_meta != NULL ? &c->own_meta->config : &pubsub_find_node(c->service, c->name)->meta->config;
}

static bool is_replaced(const struct pubsub_change *c, struct str id)
{
    for (size_t i = 0; i < c->n_puts; i++) {
        if (str_eq(item_id(c->puts[i]), id))
            return true;
    }
    return false;
}

/* What the node has after the change, but for what has to make room. */
struct total {
    size_t n, bytes;
};

static struct total count(const struct pubsub_change *c, const struct pubsub_node *node)
{
    struct total t = {0};

    for (size_t i = 0; i < c->n_puts; i++)
        t = (struct total){t.n + 1, t.bytes + c->puts[i]->payload_len};
    for (size_t i = 0; node != NULL && i < node->items.n; i++) {
        if (!is_replaced(c, item_id(node->items.items[i])))
            t = (struct total){t.n + 1, t.bytes + node->items.items[i]->payload_len};
    }
    return t;
}

/* An item that takes the place of the only one that the node may have is no news that deserves two events. */
static bool is_told(const struct node_config *config)
{
    return config->when_full == FULL_RETRACT_OLDEST && config->notify_retract && config->max_items > 1;
}

static void remove_oldest(struct pubsub_change *c, const struct pubsub_node *node, struct total *t, size_t max)
{
    bool told = is_told(config_of(c));

    for (size_t i = 0; node != NULL && i < node->items.n && t->n > max; i++) {
        const struct item *item = node->items.items[i];

        if (is_replaced(c, item_id(item)))
            continue;
        pubsub_change_remove(c, item_id(item), told);
        t->n--;
        t->bytes -= item->payload_len;
    }
}

const struct refusal *publish_make_room(struct pubsub_change *c)
{
    static const struct refusal too_many = {.err = STANZA_ERR_NOT_ALLOWED, .condition = "max-items-exceeded"};
    static const struct refusal full = {.err = STANZA_ERR_CONFLICT, .condition = "node-full"};
    static const struct refusal too_large = {.err = STANZA_ERR_RESOURCE_CONSTRAINT, .condition = "node-full"};
    const struct pubsub_node *node = pubsub_find_node(c->service, c->name);
    const struct node_config *config = config_of(c);
    size_t max = pubsub_max_items(c->service, config);
    struct total t;

    if (!config->persist_items)
        return NULL;
    if (c->n_puts > max)
        return &too_many;
    t = count(c, node);
    if (t.n > max && config->when_full == FULL_REJECT)
        return &full;
    remove_oldest(c, node, &t, max);
    return t.bytes > pubsub_limits(c->service)->pubsub_node_bytes ? &too_large : NULL;
}

/* ---- a publish request ---- */

static size_t count_items(const struct xml_element *e)
{
    size_t n = 0;

    for (const struct xml_element *item = xml_child(e, "item", NS_PUBSUB); item != NULL;
         item = xml_next(item, "item", NS_PUBSUB))
        n++;
    return n;
}

static const struct refusal item_required = {.err = STANZA_ERR_BAD_REQUEST, .condition = "item-required"};

static const struct refusal too_big = {.err = STANZA_ERR_NOT_ACCEPTABLE, .condition = "payload-too-big"};

/* Section 7.1.3.6 */
static const struct refusal *check_item(const struct pubsub_request *r, const struct node_config *config,
                                        const struct xml_element *item)
{
    static const struct refusal no_payload = {.err = STANZA_ERR_BAD_REQUEST, .condition = "payload-required"};
    static const struct refusal bad_payload = {.err = STANZA_ERR_BAD_REQUEST, .condition = "invalid-payload"};
    static const struct refusal bad_id = {.err = STANZA_ERR_NOT_ACCEPTABLE};
    uint64_t limit = pubsub_limits(r->service)->pubsub_item_bytes;

    if (xml_count_children(item) > 1 || str_trim(item->text).len > 0)
        return &bad_payload;
    if (item->child == NULL && config->deliver_payloads)
        return &no_payload;
    if (item->inner.len > limit || item->inner.len > config->max_payload_size)
        return &too_big;
    return xml_attr(item, "id", NULL).len > ITEM_ID_BYTES_MAX ? &bad_id : NULL;
}

static const struct refusal *check_items(const struct pubsub_request *r, const struct node_config *config)
{
    static const struct refusal item_forbidden = {.err = STANZA_ERR_BAD_REQUEST, .condition = "item-forbidden"};
    bool is_bare_event = !config->persist_items && !config->deliver_payloads;
    const struct refusal *why = NULL;
    size_t n = count_items(r->e);

    if (is_bare_event)
        return n > 0 ? &item_forbidden : NULL;
    if (n == 0)
        return &item_required;
    for (const struct xml_element *item = xml_child(r->e, "item", NS_PUBSUB); item != NULL && why == NULL;
         item = xml_next(item, "item", NS_PUBSUB))
        why = check_item(r, config, item);
    return why;
}

/* Section 7.1.5. *ret_form is NULL when there are no options. */
static const struct refusal *find_options(const struct pubsub_request *r, const struct xml_element **ret_form)
{
    static const struct refusal bad = {.err = STANZA_ERR_BAD_REQUEST};
    const struct xml_element *options = xml_child(r->query, "publish-options", NS_PUBSUB);

    *ret_form = options == NULL ? NULL : data_form_find(options, NS_PUBLISH_OPTIONS);
    return options != NULL && *ret_form == NULL && options->child != NULL ? &bad : NULL;
}

/* The configuration that the item will be published under: that of the node, or of one that is to be made, in `made`.
 */
static const struct refusal *find_config(const struct pubsub_request *r, const struct xml_element *options,
                                         struct node_config *made, const struct node_config **ret)
{
    static const struct refusal not_met = {.err = STANZA_ERR_CONFLICT, .condition = "precondition-not-met"};
    static const struct refusal no_node = {.err = STANZA_ERR_ITEM_NOT_FOUND};
    static const struct refusal too_many = {.err = STANZA_ERR_RESOURCE_CONSTRAINT};
    static const struct refusal bad_name = {.err = STANZA_ERR_NOT_ACCEPTABLE};
    const struct node_config *config;

    if (r->node == NULL) {
        *ret = made;
        if (!r->service->owner->may_create(r->service, r->sender))
            return &no_node;
        if (r->node_name.len > NODE_NAME_BYTES_MAX)
            return &bad_name;
        if (r->service->nodes.len >= pubsub_limits(r->service)->pubsub_nodes)
            return &too_many;
        *made = r->service->owner->profile(r->node_name);
        return node_config_apply(made, options, true);
    }
    *ret = config = &r->node->meta->config;
    const struct refusal *why = access_decide(ACTION_PUBLISH, config->access_model, config->publish_model, &r->who);

    if (why == NULL && options != NULL &&
        !node_config_meets(config, options, (uint32_t)pubsub_limits(r->service)->pubsub_items))
        why = &not_met;
    return why;
}

/* Those who may not retract others' items may not replace them either. */
static bool may_replace(const struct pubsub_request *r, struct str id)
{
    const struct node_config *config = &r->node->meta->config;
    ptrdiff_t at = item_ring_find(&r->node->items, id);

    return at < 0 || str_eq(item_publisher(r->node->items.items[at]), r->sender) ||
           access_decide(ACTION_RETRACT, config->access_model, config->publish_model, &r->who) == NULL;
}

/* Adds what is published to the change, and the ids to the answer. With the namespaces that were declared around it an
 * item may be larger than it came. */
static const struct refusal *put_items(struct pubsub_request *r, struct pubsub_change *c)
{
    static const struct refusal forbidden = {.err = STANZA_ERR_FORBIDDEN};
    const struct refusal *why = NULL;
    struct xml_writer w = xml_writer_to(&r->answer);
    struct buf payload = {0};

    for (const struct xml_element *e = xml_child(r->e, "item", NS_PUBSUB); e != NULL && why == NULL;
         e = xml_next(e, "item", NS_PUBSUB)) {
        struct str id = xml_attr(e, "id", NULL);
        struct xml_writer p = xml_writer_to(&payload);

        buf_clear(&payload);
        if (e->child != NULL)
            xml_put_element(&p, e->child, ""); /* so that it stands for itself, wherever it is put */
        if (payload.len > pubsub_limits(r->service)->pubsub_item_bytes)
            why = &too_big;
        else if (r->node != NULL && !may_replace(r, id))
            why = &forbidden;
        id = publish_put(c, id, r->sender, buf_str(&payload));
        xml_start(&w, "item", NULL);
        xml_put_attr(&w, "id", id);
        xml_end(&w);
    }
    buf_deinit(&payload);
    return why != NULL ? why : publish_make_room(c);
}

/* The sender's resource, for others to answer to, if they can see it anyway. */
static struct str visible_resource(const struct pubsub_request *r)
{
    const struct session *s = r->iq->session;

    return s != NULL && session_is_available(s) ? r->iq->st->from.full : STR("");
}

static void publish(struct pubsub_request *r, struct node_config made)
{
    struct pubsub_change *c = publish_begin(r->service, r->node_name, made, r->sender);
    struct buf items = {0};
    struct xml_writer w = xml_writer_to(&items);
    const struct refusal *why = put_items(r, c);

    if (why != NULL) {
        buf_clear(&r->answer);
        pubsub_change_free(&c);
        request_refuse(r, why);
        return;
    }
    xml_start(&w, "pubsub", NS_PUBSUB);
    xml_start(&w, "publish", NULL);
    xml_put_attr(&w, "node", r->node_name);
    xml_put_raw(&w, buf_str(&r->answer));
    xml_end(&w);
    xml_end(&w);
    buf_deinit(&r->answer);
    r->answer = items;
    c->publisher = visible_resource(r);
    c->tells_publish = true;
    request_commit(r, c);
}

void request_publish(struct pubsub_request *r)
{
    struct node_config made = {0};
    const struct node_config *config = NULL;
    const struct xml_element *options;
    const struct refusal *why = find_options(r, &options);

    if (why == NULL)
        why = find_config(r, options, &made, &config);
    if (why == NULL)
        why = check_items(r, config);
    if (why != NULL)
        request_refuse(r, why);
    else if (r->node == NULL || pubsub_need_items(&r->op, r->node)) {
        publish(r, made);
        return;
    }
    node_config_deinit(&made);
}

/* ---- a retract request ---- */

static const struct refusal *check_retraction(const struct pubsub_request *r, const struct xml_element *e)
{
    static const struct refusal no_item = {.err = STANZA_ERR_ITEM_NOT_FOUND};
    const struct node_config *config = &r->node->meta->config;
    struct str id = xml_attr(e, "id", NULL);
    ptrdiff_t at = item_ring_find(&r->node->items, id);
    bool is_own = at >= 0 && str_eq(item_publisher(r->node->items.items[at]), r->sender);
    const struct refusal *why = access_decide(is_own ? ACTION_RETRACT_OWN : ACTION_RETRACT, config->access_model,
                                              config->publish_model, &r->who);

    if (id.len == 0)
        return &item_required;
    return why == NULL && at < 0 ? &no_item : why;
}

/* `notify` says that it is told, or that it is not; else the node's configuration does (section 7.2.2.1). */
static bool is_notified(const struct pubsub_request *r)
{
    bool notify = r->node->meta->config.notify_retract;

    (void)data_form_parse_bool(xml_attr(r->e, "notify", NULL), &notify);
    return notify;
}

void request_retract(struct pubsub_request *r)
{
    struct pubsub_change *c = pubsub_change_new(r->service, r->node_name);
    const struct refusal *why = count_items(r->e) == 0 ? &item_required : NULL;
    bool is_told_now = is_notified(r);

    if (!r->node->meta->config.persist_items) {
        pubsub_change_free(&c);
        request_unsupported(r, "persistent-items");
        return;
    }
    for (const struct xml_element *e = xml_child(r->e, "item", NS_PUBSUB); e != NULL && why == NULL;
         e = xml_next(e, "item", NS_PUBSUB)) {
        why = check_retraction(r, e);
        if (why == NULL)
            pubsub_change_remove(c, xml_attr(e, "id", NULL), is_told_now);
    }
    if (why == NULL) {
        request_commit(r, c);
        return;
    }
    pubsub_change_free(&c);
    request_refuse(r, why);
}
