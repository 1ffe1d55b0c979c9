/* server/modules/csi.c - XEP-0352 Client State Indication 1.0.0
 *
 * What nobody looks at need not wake a phone. While a client is inactive, presence and news of nodes are held back, the
 * latest of each (csi_queue.h), and chat states are dropped; messages, requests and answers go out at once. Whatever
 * goes out takes along all that was held, in front of it: the radio is up then, and nothing is overtaken. So does
 * <active/>, and so does a queue that is full.
 *
 * The same is done for a session without a connection (XEP-0198 section 5), so that what waits for its client is the
 * last presence of each contact and not every one. A resumed stream is active, whatever the client said before (section
 * 5.2). Nobody else is told of any of this (section 6). */
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/config.h"
#include "server/im/shard.h"
#include "server/im/slots.h"
#include "server/modules/csi_queue.h"
#include "server/modules/module.h"

static unsigned slot; /* [start] in sessions: what is held, a struct csi_queue; NULL: nothing */

static void on_start(struct server *server)
{
    (void)server;
    slot = session_slot_new();
}

/* ---- what is held ---- */

static struct csi_queue *queue_of(struct session *s)
{
    struct csi_queue **q = (struct csi_queue **)session_slot(s, slot);

    if (*q == NULL) {
        *q = mem_alloc(sizeof(**q));
        csi_queue_init(*q, &s->worker->server->table_key);
    }
    return *q;
}

static struct csi_queue *take_queue(struct session *s)
{
    struct csi_queue *q = session_slot_peek(s, slot);

    if (q != NULL)
        *session_slot(s, slot) = NULL;
    return q;
}

static void free_queue(struct csi_queue *own_q)
{
    if (own_q == NULL)
        return;
    csi_queue_deinit(own_q);
    free(own_q);
}

/* Only while the session is not marked as inactive, since this would come back here. */
static void flush(struct session *s)
{
    struct csi_queue *q = take_queue(s);
    struct buf xml = {0};

    while (q != NULL && csi_queue_take(q, &xml)) {
        (void)session_send_raw(s, buf_str(&xml), 1);
        buf_clear(&xml);
    }
    buf_deinit(&xml);
    free_queue(q);
}

static bool is_full(const struct csi_queue *q, const struct config *cfg)
{
    return q->n > cfg->csi.held_stanzas || q->bytes > cfg->csi.held_bytes;
}

static void hold(struct session *s, const struct stanza *st, struct str to)
{
    struct csi_queue *q = queue_of(s);

    csi_queue_put(q, st, to, s->host, wall_clock_ms());
    if (!is_full(q, s->worker->config))
        return;
    s->is_inactive = false; /* while that goes out */
    flush(s);
    s->is_inactive = true;
}

static enum verdict on_stanza(struct hook_event *e)
{
    switch (csi_fate_of(e->stanza, e->session->full_jid)) {
    case CSI_HOLD:
        hold(e->session, e->stanza, jid_full(e->to));
        return STOP;
    case CSI_DROP:
        return STOP;
    case CSI_SEND:
        break;
    }
    return CONTINUE;
}

static enum verdict on_flush(struct hook_event *e)
{
    flush(e->session);
    return CONTINUE;
}

/* ---- the state ---- */

static void become_active(struct session *s)
{
    s->is_inactive = false;
    flush(s);
}

static void on_active(struct session *s, const struct xml_element *e)
{
    (void)e;
    become_active(s);
}

static void on_inactive(struct session *s, const struct xml_element *e)
{
    (void)e;
    s->is_inactive = true;
}

static enum verdict on_bind2(struct hook_event *e)
{
    if (xml_child(e->element, "inactive", NS_CSI) != NULL)
        e->session->is_inactive = true;
    return CONTINUE;
}

static enum verdict on_hibernating(struct hook_event *e)
{
    e->session->is_inactive = true;
    return CONTINUE;
}

static enum verdict on_resumed(struct hook_event *e)
{
    become_active(e->session);
    return CONTINUE;
}

static enum verdict on_closing(struct hook_event *e)
{
    free_queue(take_queue(e->session)); /* nothing that anybody would miss */
    return CONTINUE;
}

/* Where it was switched off nobody will ask for what is held. */
static enum verdict on_config_changed(struct hook_event *e)
{
    struct session *s;

    for (size_t cursor = 0; (s = hash_table_next(&shard_of(e->worker)->sessions, &cursor)) != NULL;) {
        if (s->is_inactive && !hooks_listens(HOOK_STANZA_TO_CLIENT, session_host(s)))
            become_active(s);
    }
    return CONTINUE;
}

/* ---- telling that it is there ---- */

static enum verdict add_feature(struct hook_event *e)
{
    if (e->session->type == SESSION_C2S)
        xml_put_empty(e->out, "csi", NS_CSI);
    return CONTINUE;
}

/* XEP-0386 section 4 */
static enum verdict add_inline_feature(struct hook_event *e)
{
    xml_start(e->out, "feature", NULL);
    xml_put_attr(e->out, "var", STR(NS_CSI));
    xml_end(e->out);
    return CONTINUE;
}

const struct module module_csi = {
    .name = "csi",
    .elements =
        {
            {.ns = NS_CSI, .element = "active", .call = on_active},
            {.ns = NS_CSI, .element = "inactive", .call = on_inactive},
        },
    .hooks =
        {
            {HOOK_STREAM_FEATURES, PRIORITY_NORMAL, add_feature},
            {HOOK_BIND2_FEATURES, PRIORITY_NORMAL, add_inline_feature},
            {HOOK_BIND2, PRIORITY_LAST, on_bind2},
            {HOOK_STANZA_TO_CLIENT, PRIORITY_NORMAL, on_stanza},
            {HOOK_FLUSH_CLIENT, PRIORITY_NORMAL, on_flush},
            {HOOK_SESSION_HIBERNATING, PRIORITY_NORMAL, on_hibernating},
            {HOOK_SESSION_RESUMED, PRIORITY_FIRST, on_resumed},
            {HOOK_SESSION_CLOSING, PRIORITY_LAST, on_closing},
            {HOOK_CONFIG_CHANGED, PRIORITY_NORMAL, on_config_changed},
        },
    .on_start = on_start,
};
