#include "server/im/im.h"

#include "server/base/config.h"
#include "server/im/batch.h"
#include "server/im/bind.h"
#include "server/im/components.h"
#include "server/im/delivery.h"
#include "server/im/hooks.h"
#include "server/im/iq_ask.h"
#include "server/im/ledger.h"
#include "server/im/offline.h"
#include "server/im/presence.h"
#include "server/im/receipt.h"
#include "server/im/replay.h"
#include "server/im/resume.h"
#include "server/im/router.h"
#include "server/im/saved.h"
#include "server/im/shard.h"
#include "server/im/unacked.h"
#include "server/stream/component.h"
#include "server/stream/sasl2.h"
#include "server/stream/sasl_cache.h"
#include "server/stream/stream.h"

/* ---- what the stream tells ---- */

static void write_features(struct session *s, struct xml_writer *w)
{
    struct hook_event e = {.worker = s->worker, .session = s, .out = w};

    (void)hooks_run(HOOK_STREAM_FEATURES, session_host(s), &e);
}

static void on_stanza(struct session *s, struct stanza *own_st)
{
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account, .stanza = own_st};

    if (!session_is_connected(s)) {
        bind_stanza(s, own_st);
        return;
    }
    if (!receipt_expect(s, own_st)) {
        stanza_unref(&own_st);
        return;
    }
    if (hooks_wanted(HOOK_STANZA_RECEIVED) && hooks_run(HOOK_STANZA_RECEIVED, session_host(s), &e) == STOP)
        stanza_unref(&own_st);
    else
        router_from_client(s, own_st);
}

/* Only in-band registration is answered before SASL: a get or set of its namespace to the host. */
static bool on_early_iq(struct session *s, struct stanza *st)
{
    const struct xml_element *query = stanza_payload(st);

    if (st->id.len == 0 || query == NULL || query->next != NULL || !stanza_parse_to(st))
        return false;
    if (hooks_find_iq(session_host(s), st, IQ_BEFORE_AUTH, NULL) == NULL)
        return false;
    iq_dispatch(s->worker, st, IQ_BEFORE_AUTH, s, NULL);
    return true;
}

static bool on_element(struct session *s, const struct xml_element *e)
{
    const struct element_handler *h = hooks_find_element(session_host(s), e, session_is_connected(s));

    if (h != NULL)
        h->call(s, e);
    return h != NULL;
}

/* What has to arrive is never held back, so what the ledger enters was sent. */
static bool on_sending(struct session *s, const struct stanza *st, struct str to)
{
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account};
    struct jid jid;

    if (st != NULL && (st->kind != STANZA_MESSAGE || !delivery_is_storable(st))) {
        struct hook_event held = e;

        jid = jid_view(to.len > 0 ? to : st->to.full);
        held.stanza = (struct stanza *)(uintptr_t)st;
        held.to = &jid;
        if (hooks_run(HOOK_STANZA_TO_CLIENT, session_host(s), &held) == STOP)
            return true;
    }
    s->is_inactive = false; /* while that goes out */
    (void)hooks_run(HOOK_FLUSH_CLIENT, session_host(s), &e);
    s->is_inactive = true;
    return false;
}

static bool write_inline_features(struct session *s, struct xml_writer *w)
{
    struct hook_event e = {.worker = s->worker, .session = s, .out = w};

    if (!hooks_listens(HOOK_AUTHENTICATED, session_host(s)))
        return false;
    (void)hooks_run(HOOK_SASL2_FEATURES, session_host(s), &e);
    return true;
}

static void on_authenticated(struct session *s)
{
    struct hook_event e = {.worker = s->worker, .session = s};

    if (session_is_alive(s) && hooks_run(HOOK_AUTHENTICATED, session_host(s), &e) == STOP)
        return;
    session_resume(s);
    if (session_is_alive(s)) /* switched off since it was offered */
        sasl2_refuse(s, "temporary-auth-failure");
}

/* A session that can be resumed keeps it also when its connection broke a moment ago. */
static bool on_sent(struct session *s, struct str xml, bool is_queued)
{
    struct hook_event e = {.worker = s->worker, .session = s, .count = 1};

    if (!is_queued && !s->sm->may_resume)
        return false;
    sm_sent(s, xml);
    if (is_queued && hooks_wanted(HOOK_STANZA_SENT))
        (void)hooks_run(HOOK_STANZA_SENT, session_host(s), &e);
    return true;
}

/* First out of every table, so that what is undone now does not find it; then what it still owes, then those who saw
 * it. */
static void on_closing(struct session *s, bool is_clean)
{
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account};
    struct account *a = s->account;

    if (!session_is_connected(s)) {
        if (s->data != NULL)
            (void)hooks_run(HOOK_STREAM_CLOSING, session_host(s), &e);
        return;
    }
    (void)hooks_run(HOOK_SESSION_CLOSING, session_host(s), &e);
    resume_remember(s);
    receipts_stop(s);
    if (s->sm != NULL && s->sm->is_saved)
        presence_forget(s);
    else
        presence_end(s);
    bind_undo(s);
    replay_stop(s);
    ledger_end(s, is_clean);
    resume_end(s, is_clean);
    replay_hand_on(a);
    s->account = NULL;
    account_unpin(a);
}

static const struct stream_upper upper = {
    .write_features = write_features,
    .on_stanza = on_stanza,
    .on_early_iq = on_early_iq,
    .on_element = on_element,
    .on_sending = on_sending,
    .write_inline_features = write_inline_features,
    .on_authenticated = on_authenticated,
    .on_sent = on_sent,
    .on_lost = resume_hibernate,
    .on_closing = on_closing,
};

/* ---- what the worker tells ---- */

static void on_start(struct worker *w)
{
    w->shard = shard_new(w);
    w->sasl_cache = sasl_cache_new();
}

static void on_turn_end(struct worker *w)
{
    hooks_end_turn(w);
    offline_end_turn(w);
    batch_post_all(w);
}

struct visit {
    void (*fn)(struct session *s, void *arg);
    void *arg;
};

static void visit_conn(struct conn *c, void *arg)
{
    const struct visit *v = arg;

    if (conn_owner(c) != NULL && !component_owns(c))
        v->fn(conn_owner(c), v->arg);
}

void im_for_each_session(struct worker *w, void (*fn)(struct session *s, void *arg), void *arg)
{
    struct visit v = {fn, arg};
    struct session *s;

    conn_for_each(w, visit_conn, &v);
    for (size_t cursor = 0; (s = hash_table_next(&shard_of(w)->sessions, &cursor)) != NULL;) {
        if (session_is_hibernating(s))
            fn(s, arg);
    }
}

static void apply_config(struct session *s, void *arg)
{
    (void)arg;
    if (s->host.len > 0 && session_host(s) == NULL)
        session_close(s, STREAM_ERR_HOST_GONE, "the host is not served any more");
    else
        stream_apply_config(s);
}

static void on_config(struct worker *w, const struct config *old)
{
    (void)old;
    hooks_config_changed(w);
    components_apply_config(w);
    im_for_each_session(w, apply_config, NULL);
}

static void say_goodbye(struct session *s, void *arg)
{
    (void)arg;
    if (!session_is_hibernating(s) && (s->state != STREAM_BOUND || !resume_hibernate(s)))
        session_close(s, STREAM_ERR_SYSTEM_SHUTDOWN, NULL);
}

static void on_drain(struct worker *w)
{
    w->is_draining = true;
    im_for_each_session(w, say_goodbye, NULL);
    components_drain(w);
}

static void on_accepted(struct worker *w, struct conn *own_conn)
{
    if (component_owns(own_conn))
        component_accept(w, own_conn);
    else
        stream_accept(w, own_conn);
}

static void on_stop(struct worker *w)
{
    on_drain(w);
    iq_ask_give_up_all(shard_of(w));
}

/* After the thread has ended, when the late answers are in. */
static void on_free(struct worker *w)
{
    shard_free(&w->shard);
    sasl_cache_free(&w->sasl_cache);
}

static const struct worker_events events = {
    .on_start = on_start,
    .on_accepted = on_accepted,
    .on_turn_end = on_turn_end,
    .on_second = ledger_on_second,
    .on_config = on_config,
    .on_drain = on_drain,
    .on_stop = on_stop,
    .may_save = saved_may_begin,
    .on_save = saved_write_all,
    .on_free = on_free,
};

const struct worker_events *im_start(void)
{
    stream_set_upper(&upper);
    components_start();
    return &events;
}
