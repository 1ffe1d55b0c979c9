#include "server/stream/sasl2.h"

#include <string.h>

#include "common/base64.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/stream/features.h"
#include "server/stream/sasl_exchange.h"
#include "server/stream/stream.h"

void sasl2_request_free(struct sasl2_request **own_r)
{
    struct sasl2_request *r = *own_r;

    *own_r = NULL;
    if (r == NULL)
        return;
    stanza_unref(&r->st);
    mem_wipe(r, sizeof(*r));
    free(r);
}

const struct sasl2_request *sasl2_peek_request(const struct session *s)
{
    return s->sasl->request;
}

/* ---- what is offered ---- */

void sasl2_write_features(struct session *s, struct xml_writer *w)
{
    struct buf inline_xml = {0};
    struct xml_writer in = xml_writer_to(&inline_xml);

    s->offered_sasl2 = s->offered_tokens = false;
    if (!s->is_secure || !stream_upper->write_inline_features(s, &in))
        return;
    s->offered_sasl2 = true;
    (void)sasl_write_mechanisms(s, w, "authentication", NS_SASL2);
    if (inline_xml.len > 0) {
        xml_start(w, "inline", NULL);
        xml_put_raw(w, buf_str(&inline_xml));
        xml_end(w);
    }
    xml_end(w);
    buf_deinit(&inline_xml);
}

void sasl2_write_fast(struct session *s, struct xml_writer *w)
{
    s->offered_tokens = true;
    s->offered_tokens = sasl_has_tokens(s);
    if (!s->offered_tokens)
        return;
    xml_start(w, "fast", NS_FAST);
    sasl_write_tokens(s, w);
    xml_end(w);
}

/* ---- answers ---- */

static void put_base64(struct xml_writer *w, struct str data)
{
    struct buf text = {0};

    base64_encode(&text, data);
    xml_put_text(w, buf_str(&text));
    buf_deinit(&text);
}

static void write_challenge(struct session *s, struct str data)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    xml_start(&w, "challenge", NS_SASL2);
    if (data.len > 0)
        put_base64(&w, data);
    xml_end(&w);
    (void)session_send_raw(s, buf_str(&b), 0);
    buf_deinit(&b);
}

static void write_failure(struct session *s, const char *condition)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    xml_start(&w, "failure", NS_SASL2);
    xml_put_empty(&w, condition, NS_SASL);
    xml_end(&w);
    (void)session_send_raw(s, buf_str(&b), 0);
    buf_deinit(&b);
}

void sasl2_append_success(const struct session *s, struct str identity, struct str inline_xml, struct buf *out)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "success", NS_SASL2);
    if (s->sasl->success.len > 0) {
        xml_start(&w, "additional-data", NULL);
        put_base64(&w, buf_str(&s->sasl->success));
        xml_end(&w);
    }
    xml_put_text_element(&w, "authorization-identifier", identity);
    xml_put_raw(&w, inline_xml);
    xml_end(&w);
}

void sasl2_succeed(struct session *s, struct str inline_xml)
{
    struct buf b = {0};

    sasl2_append_success(s, jid_full(&s->jid), inline_xml, &b);
    sasl_free(&s->sasl);
    if (s->state == STREAM_INLINE)
        s->state = STREAM_WAIT_BIND;
    if (session_send_raw(s, buf_str(&b), 0)) {
        features_write(s);
        (void)conn_sent(s->conn);
    }
    buf_deinit(&b);
}

void sasl2_refuse(struct session *s, const char *condition)
{
    sasl_free(&s->sasl);
    write_failure(s, condition);
    session_close(s, STREAM_ERR_NOT_AUTHORIZED, NULL);
}

/* ---- the protocol ---- */

static void succeed(struct session *s)
{
    const struct sasl *x = s->sasl;
    char username[JID_PART_MAX];
    size_t len = x->jid.local_len;

    memcpy(username, x->jid.full.p, len);
    x->request->mechanism = sasl_mechanism_bit(x->mechanism);
    stream_authenticated_inline(s, str_make(username, len));
}

static const struct sasl_profile profile = {
    .during = STREAM_SASL2,
    .challenge = write_challenge,
    .failure = write_failure,
    .success = succeed,
};

static bool is_true(struct str value)
{
    return str_is(value, "true") || str_is(value, "1");
}

/* False: the id is no UUID. */
static bool read_user_agent(struct sasl2_request *r)
{
    struct str id;

    r->user_agent = xml_child(r->authenticate, "user-agent", NS_SASL2);
    id = r->user_agent != NULL ? xml_attr(r->user_agent, "id", &r->has_user_agent) : str_make(NULL, 0);
    return !r->has_user_agent || user_agent_parse_id(id, r->user_agent_id);
}

/* What belongs to tokens. False: a count that is no positive number. A mechanism that is not offered gets no token: the
 * login does not fail for that. */
static bool read_fast(const struct session *s, struct sasl2_request *r, const struct xml_element *fast)
{
    const struct xml_element *wish = xml_child(r->authenticate, "request-token", NS_FAST);
    const struct sasl_mechanism *m = NULL;
    const char *failure;
    bool has_count = false;
    struct str count;

    if (wish != NULL)
        m = sasl_find_mechanism(s, xml_attr(wish, "mechanism", NULL), true, &failure);
    r->wants_token = m != NULL && r->has_user_agent;
    r->wanted_mechanism = m != NULL ? (uint8_t)m->bit : 0;
    if (fast == NULL)
        return true;
    r->invalidates_token = is_true(xml_attr(fast, "invalidate", NULL));
    count = xml_attr(fast, "count", &has_count);
    return !has_count || (str_to_u64(count, UINT64_MAX, &r->count) && r->count > 0);
}

static void begin(struct session *s, struct sasl2_request *own_r)
{
    struct sasl2_request *r = own_r;
    struct str name = xml_attr(r->authenticate, "mechanism", NULL);
    const struct xml_element *fast = xml_child(r->authenticate, "fast", NS_FAST);
    const struct xml_element *initial = xml_child(r->authenticate, "initial-response", NS_SASL2);

    if (!sasl_begin(s, &profile, name, fast != NULL && str_starts(name, STR("HT-")), own_r))
        return;
    if (!read_user_agent(r) || !read_fast(s, r, fast))
        sasl_fail_now(s, "malformed-request");
    else if (initial == NULL)
        write_challenge(s, str_make(NULL, 0));
    else
        sasl_take_base64(s, str_trim(initial->text));
}

void sasl2_authenticate(struct session *s, struct stanza *own_st)
{
    struct sasl2_request *r = mem_zalloc(sizeof(*r));

    r->st = own_st;
    r->authenticate = own_st->root;
    if (s->offered_sasl2) {
        begin(s, r);
    } else {
        sasl2_request_free(&r);
        session_close(s, STREAM_ERR_NOT_AUTHORIZED, "this was not offered");
    }
}

void sasl2_response(struct session *s, const struct xml_element *e)
{
    sasl_take_base64(s, str_trim(e->text));
}

void sasl2_abort(struct session *s)
{
    sasl_fail_now(s, "aborted");
}
