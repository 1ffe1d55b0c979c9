/* server/modules/mds.c - XEP-0490 Message Displayed Synchronization 1.0.1, the server's assistance
 *
 * Which messages the user has seen is published on a node of the account, for its other clients. To spare them the
 * request, a client may put it into the marker that it sends to the contact anyway: it is taken out before anybody sees
 * the message, and published under the address that the message goes to. Without that the node is one like others; how
 * it is configured is said in pubsub/node_profile.c. */
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/log.h"
#include "server/im/account.h"
#include "server/modules/module.h"
#include "server/pubsub/pubsub.h"

/* Of an element, which is some ids: what waits for its turn to be published waits in memory. */
enum { DISPLAYED_BYTES_MAX = 4096 };

static bool is_displayed(const struct xml_element *child, const void *ctx)
{
    (void)ctx;
    return xml_is(child, "displayed", NS_MDS);
}

static void on_published(void *ctx, enum ln_err err)
{
    (void)ctx;
    if (err != LN_OK)
        log_debug(LOG_MODULE, 0, "mds.not_published", F_ERR("err", err));
}

/* Section 3.4.3: the id is the address as it was written. */
static void publish(struct account *a, const struct stanza *st, const struct xml_element *displayed)
{
    struct str to = xml_attr(st->root, "to", NULL);
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    if (to.len == 0 || displayed->inner.len > DISPLAYED_BYTES_MAX)
        return;
    xml_put_element(&w, displayed, "");
    pubsub_publish(a, STR(NS_MDS), to, buf_str(&payload), on_published, NULL);
    buf_deinit(&payload);
}

static enum verdict on_message(struct hook_event *e)
{
    const struct xml_element *displayed = xml_child(e->stanza->root, "displayed", NS_MDS);
    struct stanza *stripped;

    if (displayed == NULL)
        return CONTINUE;
    stripped = stanza_without(e->stanza, is_displayed, NULL);
    if (stripped == NULL)
        return CONTINUE;
    if (e->stanza->type != TYPE_ERROR)
        publish(e->account, e->stanza, displayed);
    hook_replace_stanza(e, stripped);
    return CONTINUE;
}

const struct module module_mds = {
    .name = "mds",
    .account_features = {NS_MDS_ASSIST},
    .hooks = {{HOOK_MESSAGE_FROM_CLIENT, PRIORITY_FIRST, on_message}},
};
