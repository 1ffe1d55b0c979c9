#include "server/pubsub/authorize.h"

#include "common/mem.h"
#include "common/xmpp/data_form.h"
#include "server/pubsub/change.h"
#include "server/pubsub/request.h"

struct answer {
    struct pubsub_op op;
    struct stanza *message; /* referenced */
};

static struct answer *answer_of(struct pubsub_op *op)
{
    return container_of(op, struct answer, op);
}

static void end(struct answer *a)
{
    pubsub_op_end(&a->op);
    stanza_unref(&a->message);
    free(a);
}

static void on_committed(void *ctx, enum ln_err err)
{
    (void)err; /* it is still pending, and can be answered again */
    end(ctx);
}

static void give_up(struct pubsub_op *op, enum ln_err err)
{
    (void)err;
    end(answer_of(op));
}

/* Allowed, or not: the form is complete, and this is pending. */
static bool read_form(const struct answer *a, struct pubsub_node **ret_node, struct jid_buf *mem, struct jid *ret_jid,
                      bool *ret_is_allowed)
{
    const struct xml_element *x = data_form_find(a->message->root, NS_SUBSCRIBE_AUTHORIZATION);

    *ret_node = pubsub_find_node(a->op.service, data_form_value(x, "pubsub#node", NULL));
    return str_is(data_form_type(x), "submit") && *ret_node != NULL &&
           data_form_parse_bool(data_form_value(x, "pubsub#allow", NULL), ret_is_allowed) &&
           jid_parse(data_form_value(x, "pubsub#subscriber_jid", NULL), mem, ret_jid) == LN_OK &&
           node_meta_subscription((*ret_node)->meta, ret_jid->full) == SUBSCRIPTION_PENDING;
}

static void run(struct pubsub_op *op)
{
    struct answer *a = answer_of(op);
    struct pubsub_node *node;
    struct pubsub_change *c;
    struct jid_buf mem;
    struct jid jid;
    bool is_allowed = false;

    if (!read_form(a, &node, &mem, &jid, &is_allowed)) {
        end(a);
        return;
    }
    if (!pubsub_need_items(op, node)) /* the last one goes to who is subscribed now */
        return;
    c = pubsub_change_new(op->service, node->name);
    c->own_meta = node_meta_copy(node->meta);
    node_meta_set_subscription(c->own_meta, jid.full, is_allowed ? SUBSCRIPTION_SUBSCRIBED : SUBSCRIPTION_NONE);
    request_drop_unentitled(op->service, c->own_meta); /* the node may be for others by now */
    pubsub_change_commit(c, on_committed, a);
}

void authorize_answer(struct pubsub_service *sv, const struct stanza *message)
{
    struct answer *a = mem_alloc(sizeof(*a));

    /* Counting a reference does not change the stanza. */
    *a = (struct answer){.op = {.run = run, .give_up = give_up},
                         .message = stanza_ref((struct stanza *)(uintptr_t)message)};
    if (pubsub_op_submit(sv, &a->op) != LN_OK) {
        stanza_unref(&a->message);
        free(a);
    }
}
