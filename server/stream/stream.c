#include "server/stream/stream_internal.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/net/tls.h"
#include "server/stream/features.h"
#include "server/stream/sasl.h"
#include "server/stream/sasl2.h"

const struct stream_upper *stream_upper;

void stream_set_upper(const struct stream_upper *upper)
{
    stream_upper = upper;
}

/* ---- events ---- */

/* What came, in the words of the table. */
enum stream_event {
    ON_HEADER,
    ON_STARTTLS,
    ON_AUTH,
    ON_RESPONSE,
    ON_ABORT,
    ON_AUTHENTICATE, /* and the two others of XEP-0388 */
    ON_RESPONSE2,
    ON_ABORT2,
    ON_STANZA,  /* message, presence, iq */
    ON_ELEMENT, /* any other first-level element */
    ON_ERROR,   /* <stream:error/> */
    ON_CLOSE,
};

struct input {
    struct stanza *st; /* ON_STANZA, ON_AUTHENTICATE: the action takes it and leaves NULL */
    const struct xml_element *element;
    struct str default_ns; /* ON_HEADER */
};

struct transition {
    enum stream_state state;
    enum stream_event event;
    enum stream_err (*action)(struct session *s, struct input *in);
};

static void remember_lang(struct session *s, const struct xml_element *e)
{
    struct str lang = xml_lang(e);

    free(s->lang);
    s->lang = lang.len > 0 && lang.len <= 64 ? str_dup(lang) : NULL;
}

static enum stream_err open_stream(struct session *s, struct input *in)
{
    const char *text = NULL;
    enum stream_err err = stream_check_header(s, in->element, in->default_ns, &text);

    if (err != STREAM_OK) {
        session_close(s, err, text);
        return STREAM_OK;
    }
    remember_lang(s, in->element);
    stream_write_header(s, s->host, xml_attr(in->element, "from", NULL));
    s->notopen = false;
    s->state = s->type == SESSION_C2S ? STREAM_WAIT_BIND : STREAM_WAIT_AUTH;
    features_write(s);
    (void)conn_sent(s->conn);
    return STREAM_OK;
}

static enum stream_err begin_tls(struct session *s, struct input *in)
{
    (void)in;
    if (!s->had_tls_offer) { /* RFC 6120 section 5.4.2.2 */
        (void)session_send_raw(s, STR("<failure xmlns='" NS_TLS "'/>"), 0);
        session_close(s, STREAM_OK, NULL);
        return STREAM_OK;
    }
    if (!stream_has_room_for_handshake(s)) {
        session_close(s, STREAM_ERR_RESOURCE_CONSTRAINT, "too many TLS handshakes are waiting; try again later");
        return STREAM_OK;
    }
    (void)session_send_raw(s, STR("<proceed xmlns='" NS_TLS "'/>"), 0);
    s->state = STREAM_HANDSHAKE;
    conn_start_tls(s->conn, tls_new(s->worker->tls, false, s->host));
    return STREAM_OK;
}

static enum stream_err begin_sasl(struct session *s, struct input *in)
{
    sasl_auth(s, in->element);
    return STREAM_OK;
}

static enum stream_err continue_sasl(struct session *s, struct input *in)
{
    sasl_response(s, in->element);
    return STREAM_OK;
}

static enum stream_err abort_sasl(struct session *s, struct input *in)
{
    (void)in;
    sasl_abort(s);
    return STREAM_OK;
}

static enum stream_err begin_sasl2(struct session *s, struct input *in)
{
    struct stanza *st = in->st;

    in->st = NULL;
    sasl2_authenticate(s, st);
    return STREAM_OK;
}

static enum stream_err continue_sasl2(struct session *s, struct input *in)
{
    sasl2_response(s, in->element);
    return STREAM_OK;
}

static enum stream_err abort_sasl2(struct session *s, struct input *in)
{
    (void)in;
    sasl2_abort(s);
    return STREAM_OK;
}

static enum stream_err take_early_stanza(struct session *s, struct input *in)
{
    if (in->st->kind != STANZA_IQ || !stream_upper->on_early_iq(s, in->st))
        return STREAM_ERR_NOT_AUTHORIZED;
    return STREAM_OK;
}

static enum stream_err take_stanza(struct session *s, struct input *in)
{
    struct stanza *st = in->st;

    in->st = NULL;
    if (st->lang.len == 0)
        st->lang = arena_copy(st->arena, str_of(s->lang));
    counter_add(&s->worker->counters.stanzas_in, 1);
    stream_upper->on_stanza(s, st);
    return STREAM_OK;
}

static enum stream_err take_element(struct session *s, struct input *in)
{
    return stream_upper->on_element(s, in->element) ? STREAM_OK : STREAM_ERR_UNSUPPORTED_STANZA_TYPE;
}

static enum stream_err close_stream(struct session *s, struct input *in)
{
    (void)in;
    s->peer_closed = true;
    session_close(s, STREAM_OK, NULL);
    return STREAM_OK;
}

/* An error ends the stream, too (RFC 6120 section 4.9.1.1). */
static enum stream_err take_stream_error(struct session *s, struct input *in)
{
    const struct xml_element *condition = in->element->child;

    log_info(LOG_STREAM, s->id, "stream.error_received",
             F_STR("cond", condition != NULL ? condition->name : str_make(NULL, 0)));
    session_close(s, STREAM_OK, NULL);
    return STREAM_OK;
}

static const struct transition transitions[] = {
    /* in state          on event     do */
    {STREAM_WAIT_HEADER, ON_HEADER, open_stream},
    {STREAM_WAIT_AUTH, ON_STARTTLS, begin_tls},
    {STREAM_WAIT_AUTH, ON_AUTH, begin_sasl},
    {STREAM_WAIT_AUTH, ON_AUTHENTICATE, begin_sasl2},
    {STREAM_WAIT_AUTH, ON_STANZA, take_early_stanza},
    {STREAM_WAIT_AUTH, ON_ERROR, take_stream_error},
    {STREAM_WAIT_AUTH, ON_CLOSE, close_stream},
    {STREAM_SASL, ON_RESPONSE, continue_sasl},
    {STREAM_SASL, ON_ABORT, abort_sasl},
    {STREAM_SASL, ON_AUTH, begin_sasl}, /* a new attempt ends the old one: RFC 6120 section 6.4.3 */
    {STREAM_SASL, ON_ERROR, take_stream_error},
    {STREAM_SASL, ON_CLOSE, close_stream},
    {STREAM_SASL2, ON_RESPONSE2, continue_sasl2},
    {STREAM_SASL2, ON_ABORT2, abort_sasl2},
    {STREAM_SASL2, ON_ERROR, take_stream_error},
    {STREAM_SASL2, ON_CLOSE, close_stream},
    {STREAM_WAIT_BIND, ON_STANZA, take_stanza}, /* the upper layer takes requests to bind only */
    {STREAM_WAIT_BIND, ON_ELEMENT, take_element},
    {STREAM_WAIT_BIND, ON_ERROR, take_stream_error},
    {STREAM_WAIT_BIND, ON_CLOSE, close_stream},
    {STREAM_BOUND, ON_STANZA, take_stanza},
    {STREAM_BOUND, ON_ELEMENT, take_element},
    {STREAM_BOUND, ON_ERROR, take_stream_error},
    {STREAM_BOUND, ON_CLOSE, close_stream},
};

static void step(struct session *s, enum stream_event ev, struct input *in)
{
    enum stream_err err = s->type == SESSION_C2S_UNAUTHED ? STREAM_ERR_NOT_AUTHORIZED : STREAM_ERR_POLICY_VIOLATION;

    for (size_t i = 0; i < ARRAY_LEN(transitions); i++) {
        if (transitions[i].state == s->state && transitions[i].event == ev) {
            err = transitions[i].action(s, in);
            break;
        }
    }
    if (err != STREAM_OK)
        session_close(s, err, NULL);
}

static enum stream_event classify(const struct xml_element *e, const struct stanza *st)
{
    if (st->kind != STANZA_OTHER)
        return ON_STANZA;
    if (xml_is(e, "starttls", NS_TLS))
        return ON_STARTTLS;
    if (xml_is(e, "error", NS_STREAM))
        return ON_ERROR;
    if (str_is(e->ns, NS_SASL)) {
        if (str_is(e->name, "auth"))
            return ON_AUTH;
        if (str_is(e->name, "response"))
            return ON_RESPONSE;
        if (str_is(e->name, "abort"))
            return ON_ABORT;
    }
    if (str_is(e->ns, NS_SASL2)) {
        if (str_is(e->name, "authenticate"))
            return ON_AUTHENTICATE;
        if (str_is(e->name, "response"))
            return ON_RESPONSE2;
        if (str_is(e->name, "abort"))
            return ON_ABORT2;
    }
    return ON_ELEMENT;
}

static void on_element_read(struct session *s, struct xml_result *r)
{
    struct input in = {.element = r->element, .st = stanza_from_element(r->arena, r->element)};

    step(s, classify(r->element, in.st), &in);
    stanza_unref(&in.st);
}

static void on_header_read(struct session *s, struct xml_result *r)
{
    struct input in = {.element = r->element, .default_ns = r->default_ns};

    step(s, ON_HEADER, &in);
    arena_free(&r->arena);
}

static enum stream_err error_of_xml(enum xml_error e)
{
    switch (e) {
    case XML_RESTRICTED:
        return STREAM_ERR_RESTRICTED_XML;
    case XML_BAD_NAMESPACE_PREFIX:
        return STREAM_ERR_BAD_NAMESPACE_PREFIX;
    case XML_UNSUPPORTED_ENCODING:
        return STREAM_ERR_UNSUPPORTED_ENCODING;
    case XML_TOO_LARGE:
    case XML_TOO_DEEP:
    case XML_TOO_MANY_ATTRS:
    case XML_TOO_MANY_ELEMENTS:
        return STREAM_ERR_POLICY_VIOLATION;
    case XML_TEXT_OUTSIDE:
        return STREAM_ERR_BAD_FORMAT;
    case XML_OK:
    case XML_NOT_WELL_FORMED:
        break;
    }
    return STREAM_ERR_NOT_WELL_FORMED;
}

static void on_bad_xml(struct session *s, enum xml_error e)
{
    bool is_too_big = e == XML_TOO_LARGE;

    log_info(LOG_STREAM, s->id, "stream.refused", F_CSTR("why", xml_error_name(e)),
             F_U64("limit", is_too_big ? s->limits.stanza_bytes : 0), F_ADDR("peer", conn_peek_peer(s->conn)));
    session_close_with(s, error_of_xml(e), xml_error_name(e),
                       is_too_big ? STR("<stanza-too-big xmlns='urn:xmpp:errors'/>") : str_make(NULL, 0));
}

static void on_xml_event(struct session *s, enum xml_event ev, struct xml_result *r)
{
    struct input none = {0};

    switch (ev) {
    case XML_STREAM_OPEN:
        on_header_read(s, r);
        break;
    case XML_STANZA:
        on_element_read(s, r);
        break;
    case XML_STREAM_CLOSE:
        step(s, ON_CLOSE, &none);
        break;
    case XML_ERROR:
        on_bad_xml(s, r->error);
        break;
    case XML_MORE:
        break;
    }
}

/* ---- what the connection gives ---- */

/* Clients that end every line with a line feed send one behind <auth/>, say; it belongs to the stream that has ended by
 * then, and would be in the way of an XML declaration. */
static void skip_space_before_header(const struct session *s, struct str *in)
{
    if (s->state != STREAM_WAIT_HEADER || xml_reader_is_partial(&s->reader))
        return;
    while (in->len > 0 && (*in->p == ' ' || *in->p == '\n' || *in->p == '\r' || *in->p == '\t'))
        *in = str_make(in->p + 1, in->len - 1);
}

/* A session that was resumed has taken the connection over: the rest of the input is for that one. */
static struct session *owner_now(struct session *s, struct conn *c)
{
    struct session *owner = conn_owner(c);

    if (owner == NULL || owner == s)
        return s;
    session_unref(&s);
    return session_ref(owner);
}

void stream_on_input(struct conn *c, struct str *in)
{
    struct session *s = session_ref(conn_owner(c));

    if (s->is_pinged)
        s->is_pinged = false;
    while (in->len > 0 && s->type != SESSION_DESTROYED && s->state != STREAM_HANDSHAKE && !conn_is_held(s->conn)) {
        struct xml_result r = {0};

        skip_space_before_header(s, in);
        on_xml_event(s, xml_reader_next(&s->reader, s->worker->scratch, in, &r), &r);
        s = owner_now(s, c);
    }
    /* What was pipelined in the clear behind <starttls/> is dropped (RFC 6120 section 5.4.3.3). */
    if (s->type == SESSION_DESTROYED || s->state == STREAM_HANDSHAKE)
        in->len = 0;
    session_unref(&s);
}
