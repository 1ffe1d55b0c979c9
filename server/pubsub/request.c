#include "server/pubsub/request.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"

#define OF_NODE  (NEEDS_NAME | NEEDS_NODE)
#define BY_RIGHT (OF_NODE | NEEDS_RIGHT)
#define OF_ITEMS (OF_NODE | NEEDS_ITEMS)

static void no_options(struct pubsub_request *r)
{
    request_unsupported(r, "subscription-options");
}

static void no_default_options(struct pubsub_request *r)
{
    request_unsupported(r, "retrieve-default-sub");
}

static const struct request_kind kinds[] = {
    {IQ_GET, NS_PUBSUB, "items", OF_ITEMS | NEEDS_RIGHT, ACTION_RETRIEVE, request_items},
    {IQ_SET, NS_PUBSUB, "publish", NEEDS_NAME, ACTION_PUBLISH, request_publish},
    {IQ_SET, NS_PUBSUB, "retract", OF_ITEMS, ACTION_RETRACT, request_retract},
    {IQ_SET, NS_PUBSUB, "create", 0, ACTION_MANAGE, request_create},
    {IQ_SET, NS_PUBSUB, "subscribe", OF_NODE, ACTION_SUBSCRIBE, request_subscribe},
    {IQ_SET, NS_PUBSUB, "unsubscribe", OF_NODE, ACTION_SUBSCRIBE, request_unsubscribe},
    {IQ_GET, NS_PUBSUB, "subscriptions", FOR_STRANGERS, ACTION_SUBSCRIBE, request_own_subscriptions},
    {IQ_GET, NS_PUBSUB, "affiliations", FOR_STRANGERS, ACTION_SUBSCRIBE, request_own_affiliations},
    {IQ_GET_OR_SET, NS_PUBSUB, "options", 0, ACTION_SUBSCRIBE, no_options},
    {IQ_GET, NS_PUBSUB, "default", 0, ACTION_SUBSCRIBE, no_default_options},
    {IQ_GET, NS_PUBSUB_OWNER, "configure", BY_RIGHT, ACTION_MANAGE, request_get_config},
    {IQ_SET, NS_PUBSUB_OWNER, "configure", BY_RIGHT | NEEDS_ITEMS, ACTION_MANAGE, request_set_config},
    {IQ_GET, NS_PUBSUB_OWNER, "default", 0, ACTION_MANAGE, request_default_config},
    {IQ_SET, NS_PUBSUB_OWNER, "delete", BY_RIGHT | NEEDS_ITEMS, ACTION_MANAGE, request_delete},
    {IQ_SET, NS_PUBSUB_OWNER, "purge", BY_RIGHT | NEEDS_ITEMS, ACTION_MANAGE, request_purge},
    {IQ_GET, NS_PUBSUB_OWNER, "subscriptions", BY_RIGHT, ACTION_MANAGE, request_get_subscriptions},
    {IQ_SET, NS_PUBSUB_OWNER, "subscriptions", BY_RIGHT | NEEDS_ITEMS, ACTION_MANAGE, request_set_subscriptions},
    {IQ_GET, NS_PUBSUB_OWNER, "affiliations", BY_RIGHT, ACTION_MANAGE, request_get_affiliations},
    {IQ_SET, NS_PUBSUB_OWNER, "affiliations", BY_RIGHT, ACTION_MANAGE, request_set_affiliations},
    {IQ_GET, NS_DISCO_INFO, NULL, BY_RIGHT, ACTION_SUBSCRIBE, request_disco_info},
    {IQ_GET, NS_DISCO_ITEMS, NULL, FOR_STRANGERS, ACTION_RETRIEVE, request_disco_items},
};

/* ---- answers ---- */

static void end(struct pubsub_request *r)
{
    pubsub_op_end(&r->op);
    buf_deinit(&r->answer);
    free(r);
}

void request_done(struct pubsub_request *r)
{
    (void)iq_result(r->iq, buf_str(&r->answer));
    end(r);
}

void request_refuse(struct pubsub_request *r, const struct refusal *why)
{
    struct buf condition = {0};
    struct xml_writer w = xml_writer_to(&condition);

    if (why->condition != NULL) {
        xml_start(&w, why->condition, NS_PUBSUB_ERRORS);
        xml_put_attr_opt(&w, "feature", str_of(why->feature));
        xml_end(&w);
    }
    /* What was worked out of the answer so far is repeated in front of some errors. */
    (void)iq_error_in_full(r->iq, &(struct stanza_error){.err = why->err,
                                                         .type = why->type,
                                                         .app_condition = buf_str(&condition),
                                                         .payload = buf_str(&r->answer)});
    buf_deinit(&condition);
    end(r);
}

void request_error(struct pubsub_request *r, enum stanza_err err, const char *condition)
{
    request_refuse(r, &(struct refusal){.err = err, .condition = condition});
}

void request_unsupported(struct pubsub_request *r, const char *feature)
{
    request_refuse(r, &(struct refusal){
                          .err = STANZA_ERR_FEATURE_NOT_IMPLEMENTED, .condition = "unsupported", .feature = feature});
}

void request_hide(struct pubsub_request *r)
{
    request_error(r, STANZA_ERR_SERVICE_UNAVAILABLE, NULL);
}

static void on_committed(void *ctx, enum ln_err err)
{
    struct pubsub_request *r = ctx;

    if (err == LN_OK) {
        request_done(r);
        return;
    }
    buf_clear(&r->answer);
    request_error(r, stanza_err_of_storage(err), NULL);
}

void request_commit(struct pubsub_request *r, struct pubsub_change *own_change)
{
    pubsub_change_commit(own_change, on_committed, r);
}

/* ---- carried out ---- */

bool request_may_see(const struct pubsub_request *r, const struct pubsub_node *node)
{
    struct relation who = pubsub_relation(r->service, node->meta, r->sender);

    return access_is_visible(node->meta->config.access_model, node->meta->config.publish_model, &who);
}

static bool is_visible(const struct pubsub_request *r)
{
    if (r->node != NULL)
        return request_may_see(r, r->node);
    return r->who.sees_presence || r->who.affiliation == AFFILIATION_OWNER || (r->kind->needs & FOR_STRANGERS) != 0;
}

static const struct refusal *find_refusal(const struct pubsub_request *r)
{
    static const struct refusal no_node = {.err = STANZA_ERR_ITEM_NOT_FOUND};
    const struct node_config *config;

    if ((r->kind->needs & NEEDS_NODE) == 0)
        return NULL;
    if (r->node == NULL)
        return &no_node;
    config = &r->node->meta->config;
    if ((r->kind->needs & NEEDS_RIGHT) == 0)
        return NULL;
    return access_decide(r->kind->action, config->access_model, config->publish_model, &r->who);
}

static struct pubsub_request *request_of(struct pubsub_op *op)
{
    return container_of(op, struct pubsub_request, op);
}

static bool names_too_many(const struct pubsub_request *r)
{
    unsigned n = 0;

    for (const struct xml_element *item = xml_child(r->e, "item", NS_PUBSUB); item != NULL && n <= REQUEST_ITEMS_MAX;
         item = xml_next(item, "item", NS_PUBSUB))
        n++;
    return n > REQUEST_ITEMS_MAX;
}

static void run(struct pubsub_op *op)
{
    struct pubsub_request *r = request_of(op);
    const struct refusal *why;

    r->node = r->node_name.len == 0 ? NULL : pubsub_find_node(r->service, r->node_name);
    r->who = pubsub_relation(r->service, r->node == NULL ? NULL : r->node->meta, r->sender);
    if (!is_visible(r))
        request_hide(r);
    else if ((why = find_refusal(r)) != NULL)
        request_refuse(r, why);
    else if (names_too_many(r))
        request_error(r, STANZA_ERR_POLICY_VIOLATION, NULL);
    else if ((r->kind->needs & NEEDS_ITEMS) == 0 || pubsub_need_items(op, r->node))
        r->kind->run(r);
}

static void give_up(struct pubsub_op *op, enum ln_err err)
{
    request_error(request_of(op), stanza_err_of_storage(err), NULL);
}

/* ---- taken up ---- */

static const struct request_kind *find_kind(const struct iq *iq, const struct xml_element **ret_element)
{
    enum iq_kind kind = iq->st->type == TYPE_GET ? IQ_GET : IQ_SET;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct request_kind *k = &kinds[i];
        const struct xml_element *e = iq->query;

        if ((k->kind & kind) == 0 || !str_is(iq->query->ns, k->ns))
            continue;
        if (k->element != NULL)
            e = xml_child(iq->query, k->element, k->ns);
        if (e == NULL)
            continue;
        *ret_element = e;
        return k;
    }
    return NULL;
}

static void refuse_at_once(struct iq *iq, enum stanza_err err, const char *condition)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    if (condition != NULL)
        xml_put_empty(&w, condition, NS_PUBSUB_ERRORS);
    (void)iq_error_with(iq, err, NULL, buf_str(&b));
    buf_deinit(&b);
}

static struct pubsub_request *request_new(struct pubsub_service *sv, const struct iq *iq,
                                          const struct request_kind *kind, const struct xml_element *e)
{
    struct pubsub_request *r = mem_zalloc(sizeof(*r));

    r->op.run = run;
    r->op.give_up = give_up;
    r->service = sv;
    r->iq = iq_keep(iq);
    r->kind = kind;
    r->query = r->iq->query;
    r->e = e;
    r->node_name = xml_attr(e, "node", NULL);
    r->sender = jid_bare(&r->iq->st->from);
    return r;
}

enum iq_verdict pubsub_request(struct pubsub_service *sv, const struct iq *iq)
{
    const struct xml_element *e;
    const struct request_kind *kind = find_kind(iq, &e);
    struct relation who = pubsub_relation(sv, NULL, jid_bare(&iq->st->from));
    bool may_know = who.affiliation == AFFILIATION_OWNER || who.sees_presence;
    struct iq now = *iq;
    struct pubsub_request *r;

    if (kind == NULL || ((kind->needs & NEEDS_NAME) != 0 && xml_attr(e, "node", NULL).len == 0)) {
        if (!may_know)
            return IQ_NOT_MINE;
        refuse_at_once(&now, STANZA_ERR_BAD_REQUEST, kind == NULL ? NULL : "nodeid-required");
        return IQ_ANSWERED;
    }
    r = request_new(sv, iq, kind, e);
    if (pubsub_op_submit(sv, &r->op) != LN_OK) {
        (void)iq_error(r->iq, STANZA_ERR_RESOURCE_CONSTRAINT, NULL);
        free(r);
    }
    return IQ_LATER;
}
