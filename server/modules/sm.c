/* server/modules/sm.c - XEP-0198 Stream Management 1.6.3: acknowledgements, both ways, and resumption.
 *
 * What the client has is counted by the session (im/unacked.h) and kept account of by im/ledger.h; what the server has
 * taken responsibility for is counted by im/receipt.h; im/resume.h does the rest. Here is only the conversation about
 * it.
 *
 * Requests to the client: one is out at a time. A message is asked about at once, since its sender may wait for it, but
 * not more often than every ASK_EVERY_MS, so that a stream of messages is not a stream of requests; ASK_STANZAS of
 * whatever kind are asked about at once, and less than that in the end, too. */
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/im/ledger.h"
#include "server/im/receipt.h"
#include "server/im/resume.h"
#include "server/im/unacked.h"
#include "server/modules/module.h"

enum {
    ASK_EVERY_MS = 100,
    ASK_AT_LAST_MS = 2000, /* what nobody waits for */
    ASK_STANZAS = 50,
};

/* ---- asking ---- */

static void request_ack(struct session *s)
{
    struct sm *sm = s->sm;

    wheel_cancel(&sm->ask_timer);
    if (sm->is_asked || sm->sent == sm->acked || s->conn == NULL)
        return;
    sm->is_asked = true;
    sm->asked = sm->sent;
    sm->asked_ms = worker_now_ms(s->worker);
    (void)session_send_raw(s, STR("<r xmlns='" NS_SM "'/>"), 0);
}

static void on_ask_timer(struct wheel_timer *t)
{
    request_ack(container_of(t, struct sm, ask_timer)->s);
}

static void request_within(struct session *s, uint64_t ms)
{
    struct wheel_timer *t = &s->sm->ask_timer;

    if (t->prev != NULL && wheel_left_ms(&s->worker->wheel, t) <= ms)
        return;
    t->fire = on_ask_timer;
    wheel_set(&s->worker->wheel, t, ms);
}

/* ---- what the client says ---- */

static void write_failed(struct buf *out, const char *condition)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "failed", NS_SM);
    xml_put_empty(&w, condition, NS_STANZA_ERRORS);
    xml_end(&w);
}

static void send_failed(struct session *s, const char *condition)
{
    struct buf b = {0};

    write_failed(&b, condition);
    (void)session_send_raw(s, buf_str(&b), 0);
    buf_deinit(&b);
}

static void write_answer(struct buf *out, struct session *s)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "a", NS_SM);
    xml_put_attr_u64(&w, "h", receipts_h(s));
    xml_end(&w);
}

static void send_answer(struct session *s)
{
    struct buf b = {0};

    write_answer(&b, s);
    (void)session_send_raw(s, buf_str(&b), 0);
    buf_deinit(&b);
}

static bool wants_resumption(const struct xml_element *enable)
{
    struct str resume = xml_attr(enable, "resume", NULL);

    return str_is(resume, "true") || str_is(resume, "1");
}

/* From here on it counts. */
static void enable(struct session *s, const struct xml_element *e, struct buf *out)
{
    struct xml_writer w = xml_writer_to(out);
    uint64_t wanted_s = UINT64_MAX;

    (void)sm_start(s);
    receipts_start(s, 0, send_answer);
    xml_start(&w, "enabled", NS_SM);
    if (!str_to_u64(xml_attr(e, "max", NULL), UINT64_MAX, &wanted_s) || wanted_s == 0)
        wanted_s = UINT64_MAX;
    if (wants_resumption(e) && resume_offer(s, wanted_s) > 0) {
        xml_put_attr(&w, "id", str_make(s->sm->id, SM_ID_LEN));
        xml_put_attr(&w, "resume", STR("true"));
        xml_put_attr_u64(&w, "max", s->sm->resume_s);
    }
    xml_end(&w);
}

/* Only a bound session may (section 3), and once. */
static void on_enable(struct session *s, const struct xml_element *e)
{
    struct buf b = {0};

    if (!session_is_connected(s) || s->client_acks)
        write_failed(&b, "unexpected-request");
    else
        enable(s, e, &b);
    (void)session_send_raw(s, buf_str(&b), 0);
    buf_deinit(&b);
}

struct resuming {
    struct session *s; /* under a reference; paused */
    struct resume_request request;
};

static void on_prepared(void *ctx)
{
    struct resuming *r = ctx;
    struct buf b = {0};

    session_resume(r->s);
    if (session_is_alive(r->s)) {
        struct session *old = resume_find(r->s, &r->request, &b);

        if (old != NULL)
            resume_adopt(old, r->s, buf_str(&b));
        else if (b.len > 0)
            (void)session_send_raw(r->s, buf_str(&b), 0);
    }
    buf_deinit(&b);
    session_unref(&r->s);
    free(r);
}

static void on_resume(struct session *s, const struct xml_element *e)
{
    struct resuming *r;

    if (session_is_connected(s)) {
        send_failed(s, "unexpected-request");
        return;
    }
    r = mem_zalloc(sizeof(*r));
    r->s = session_ref(s);
    resume_read(e, &r->request);
    session_pause(s);
    resume_prepare(s, &r->request, on_prepared, r);
}

static void on_request(struct session *s, const struct xml_element *e)
{
    (void)e;
    if (s->client_acks)
        send_answer(s);
    else
        session_close(s, STREAM_ERR_UNSUPPORTED_STANZA_TYPE, "stream management is not enabled");
}

static void on_answer(struct session *s, const struct xml_element *e)
{
    uint32_t before;
    uint64_t h;

    if (!s->client_acks || !str_to_u64(xml_attr(e, "h", NULL), UINT32_MAX, &h)) {
        session_close(s, STREAM_ERR_INVALID_XML, "no valid 'h', or stream management is not enabled");
        return;
    }
    before = s->sm->acked;
    if (!sm_acknowledge(s, (uint32_t)h)) {
        resume_refuse_count(s, s, h);
        return;
    }
    s->sm->is_asked = false;
    ledger_on_ack(s);
    /* One that says what it said before is asked again with the next stanza, or when a message has waited for a second:
     * at once, it would be asked without end. */
    if (s->sm->acked != before && s->sm->acked != s->sm->sent)
        request_within(s, ledger_unpaid(s) > 0 ? ASK_EVERY_MS : ASK_AT_LAST_MS);
}

/* ---- hooks ---- */

/* Where it was enabled with the login there is nothing left to ask for. */
static enum verdict on_features(struct hook_event *e)
{
    if (e->session->type == SESSION_C2S && !e->session->client_acks)
        xml_put_empty(e->out, "sm", NS_SM);
    return CONTINUE;
}

static enum verdict on_sasl2_features(struct hook_event *e)
{
    xml_put_empty(e->out, "sm", NS_SM);
    return CONTINUE;
}

static enum verdict on_bind2_features(struct hook_event *e)
{
    xml_start(e->out, "feature", NULL);
    xml_put_attr(e->out, "var", STR(NS_SM));
    xml_end(e->out);
    return CONTINUE;
}

/* Enabled with the binding, in one go (section 7). */
static enum verdict on_bind2(struct hook_event *e)
{
    const struct xml_element *wanted = xml_child(e->element, "enable", NS_SM);
    struct buf b = {0};

    if (wanted == NULL || e->session->client_acks)
        return CONTINUE;
    enable(e->session, wanted, &b);
    xml_put_raw(e->out, buf_str(&b));
    buf_deinit(&b);
    return CONTINUE;
}

static enum verdict on_sent(struct hook_event *e)
{
    const struct sm *sm = e->session->sm;

    if (sm->sent - sm->asked >= ASK_STANZAS)
        request_ack(e->session);
    else if (sm->ask_timer.prev == NULL && !sm->is_asked)
        request_within(e->session, ASK_AT_LAST_MS);
    return CONTINUE;
}

static enum verdict on_wanted(struct hook_event *e)
{
    const struct sm *sm = e->session->sm;
    uint64_t since_ms = worker_now_ms(e->session->worker) - sm->asked_ms;

    if (sm->is_asked)
        return CONTINUE;
    if (since_ms >= ASK_EVERY_MS)
        request_ack(e->session);
    else
        request_within(e->session, ASK_EVERY_MS - since_ms);
    return CONTINUE;
}

/* One last word on what arrived, so that the client need not send it again (section 4). The session takes nothing more,
 * its connection does. */
static enum verdict on_closing(struct hook_event *e)
{
    struct buf b = {0};

    if (!e->session->client_acks || e->session->conn == NULL)
        return CONTINUE;
    write_answer(&b, e->session);
    (void)conn_send(e->session->conn, buf_str(&b));
    buf_deinit(&b);
    return CONTINUE;
}

/* It was begun without the word that we give of progress. */
static enum verdict on_restore(struct hook_event *e)
{
    receipts_set_on_progress(e->session, send_answer);
    return CONTINUE;
}

const struct module module_sm = {
    .name = "sm",
    .elements =
        {
            {.ns = NS_SM, .element = "enable", .before_bind = true, .call = on_enable},
            {.ns = NS_SM, .element = "resume", .before_bind = true, .call = on_resume},
            {.ns = NS_SM, .element = "r", .before_bind = true, .call = on_request},
            {.ns = NS_SM, .element = "a", .before_bind = true, .call = on_answer},
        },
    .hooks =
        {
            {HOOK_STREAM_FEATURES, PRIORITY_NORMAL, on_features},
            {HOOK_SASL2_FEATURES, PRIORITY_NORMAL, on_sasl2_features},
            {HOOK_BIND2_FEATURES, PRIORITY_NORMAL, on_bind2_features},
            {HOOK_BIND2, PRIORITY_NORMAL, on_bind2},
            {HOOK_STANZA_SENT, PRIORITY_LAST, on_sent},
            {HOOK_ACKNOWLEDGEMENT_WANTED, PRIORITY_NORMAL, on_wanted},
            {HOOK_SESSION_CLOSING, PRIORITY_LAST, on_closing},
            {HOOK_SESSION_RESTORE, PRIORITY_FIRST, on_restore},
        },
};
