/* server/modules/sm.c - XEP-0198 Stream Management 1.6.2: acknowledgements, both ways, without resumption.
 *
 * What the client has is counted by the session and kept account of by im/ledger.h; what the server has taken
 * responsibility for is counted by im/receipt.h. Here is only the conversation about it. Requests to the client are
 * sent as stanzas go out, one at a time: the next one when the last was answered, so there is one for each round trip
 * however much is sent. A client that answered too early is asked again a second later. */
#include "common/xmpp/ns.h"
#include "server/im/ledger.h"
#include "server/im/receipt.h"
#include "server/modules/module.h"

static void send_failed(struct session *s, const char *condition)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    xml_start(&w, "failed", NS_SM);
    xml_put_empty(&w, condition, NS_STANZA_ERRORS);
    xml_end(&w);
    (void)session_send_raw(s, buf_str(&b), 0);
    buf_deinit(&b);
}

static void send_answer(struct session *s)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    xml_start(&w, "a", NS_SM);
    xml_put_attr_u64(&w, "h", receipts_h(s));
    xml_end(&w);
    (void)session_send_raw(s, buf_str(&b), 0);
    buf_deinit(&b);
}

static void request_ack(struct session *s)
{
    if (s->ack_requested || s->sent_count == s->acked_count)
        return;
    s->ack_requested = true;
    (void)session_send_raw(s, STR("<r xmlns='" NS_SM "'/>"), 0);
}

/* Only a bound session may (section 3); resumption is not offered, so a client that asks for it is enabled without. */
static void on_enable(struct session *s, const struct xml_element *e)
{
    (void)e;
    if (!session_is_connected(s) || s->client_acks) {
        send_failed(s, "unexpected-request");
        return;
    }
    receipts_start(s, send_answer);
    s->client_acks = true;
    s->sent_count = s->acked_count = 0;
    (void)session_send_raw(s, STR("<enabled xmlns='" NS_SM "'/>"), 0);
}

static void on_resume(struct session *s, const struct xml_element *e)
{
    (void)e;
    send_failed(s, session_is_connected(s) ? "unexpected-request" : "item-not-found");
}

static void on_request(struct session *s, const struct xml_element *e)
{
    (void)e;
    if (s->client_acks)
        send_answer(s);
    else
        session_close(s, STREAM_ERR_UNSUPPORTED_STANZA_TYPE, "stream management is not enabled");
}

/* Section 4: a count above what was sent is a mistake that cannot be mended. */
static void refuse_count(struct session *s, uint64_t h)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    xml_start(&w, "handled-count-too-high", NS_SM);
    xml_put_attr_u64(&w, "h", h);
    xml_put_attr_u64(&w, "send-count", s->sent_count);
    xml_end(&w);
    session_close_with(s, STREAM_ERR_UNDEFINED_CONDITION, NULL, buf_str(&b));
    buf_deinit(&b);
}

static void on_answer(struct session *s, const struct xml_element *e)
{
    bool has_more;
    uint64_t h;

    if (!s->client_acks || !str_to_u64(xml_attr(e, "h", NULL), UINT32_MAX, &h)) {
        session_close(s, STREAM_ERR_INVALID_XML, "no valid 'h', or stream management is not enabled");
        return;
    }
    /* Modulo 2^32: how far h lies beyond what was acknowledged may not exceed what was sent since. */
    if ((uint32_t)h - s->acked_count > s->sent_count - s->acked_count) {
        refuse_count(s, h);
        return;
    }
    has_more = s->acked_count != (uint32_t)h;
    s->acked_count = (uint32_t)h;
    s->ack_requested = false;
    ledger_on_ack(s);
    /* One that says what it said before is asked again with the next stanza, or when a message has waited for a second:
     * at once, it would be asked without end. */
    if (has_more)
        request_ack(s);
}

static enum verdict on_features(struct hook_event *e)
{
    if (e->session->type == SESSION_C2S)
        xml_put_empty(e->out, "sm", NS_SM);
    return CONTINUE;
}

static enum verdict on_sent(struct hook_event *e)
{
    e->session->sent_count += e->count;
    request_ack(e->session);
    return CONTINUE;
}

static enum verdict on_late(struct hook_event *e)
{
    request_ack(e->session);
    return CONTINUE;
}

/* One last word on what arrived, so that the client need not send it again (section 4). The session takes nothing more,
 * its connection does. */
static enum verdict on_closing(struct hook_event *e)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    if (!e->session->client_acks)
        return CONTINUE;
    xml_start(&w, "a", NS_SM);
    xml_put_attr_u64(&w, "h", receipts_h(e->session));
    xml_end(&w);
    (void)conn_send(e->session->conn, buf_str(&b));
    buf_deinit(&b);
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
            {HOOK_STANZA_SENT, PRIORITY_LAST, on_sent},
            {HOOK_ACKNOWLEDGEMENT_LATE, PRIORITY_NORMAL, on_late},
            {HOOK_SESSION_CLOSING, PRIORITY_LAST, on_closing},
        },
};
