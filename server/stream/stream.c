#include "server/stream/stream.h"

#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/net/pool.h"
#include "server/net/tls.h"
#include "server/stream/features.h"
#include "server/stream/sasl.h"
#include "server/stream/sasl2.h"

const struct stream_upper *stream_upper;

void stream_set_upper(const struct stream_upper *upper)
{
    stream_upper = upper;
}

/* ---- limits and time-outs ---- */

static void work_out_limits(struct session *s)
{
    const struct config *cfg = s->worker->config;
    const struct config_host *host = s->type == SESSION_C2S ? session_host(s) : NULL;

    s->limits = (struct xml_limits){
        .stanza_bytes = (uint32_t)(host != NULL ? host->limits.stanza_bytes : cfg->limits.stanza_bytes_unauthenticated),
        .depth = (uint16_t)(cfg->limits.stanza_depth < XML_DEPTH_MAX ? cfg->limits.stanza_depth : XML_DEPTH_MAX),
        .attrs = (uint16_t)cfg->limits.stanza_attributes,
        .elements = (uint16_t)(cfg->limits.stanza_elements < UINT16_MAX ? cfg->limits.stanza_elements : UINT16_MAX),
    };
}

void stream_apply_config(struct session *s)
{
    work_out_limits(s);
    xml_reader_set_limits(&s->reader, &s->limits);
    if (s->conn != NULL)
        conn_set_out_limit(s->conn, (uint32_t)s->worker->config->limits.out_queue_bytes);
}

static void ping_client(struct session *s)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);
    char id[17];

    xml_start(&w, "iq", NULL);
    xml_put_attr(&w, "type", STR("get"));
    xml_put_attr(&w, "from", s->host);
    xml_put_attr(&w, "to", s->full_jid);
    xml_put_attr(&w, "id", random_hex(id, 8));
    xml_put_empty(&w, "ping", NS_PING);
    xml_end(&w);
    (void)session_send_raw(s, buf_str(&b), 1);
    buf_deinit(&b);
}

/* A silent client is asked once, then taken for gone. Input moves no timer: this looks when it fires. */
static void on_idle_timer(struct session *s)
{
    const struct config *cfg = s->worker->config;
    uint64_t idle_ms = cfg->limits.idle_s * 1000;
    uint64_t silent_ms = conn_silent_ms(s->conn);

    if (s->is_pinged && silent_ms >= cfg->limits.ping_timeout_s * 1000) {
        if (!stream_upper->on_lost(s))
            session_close(s, STREAM_ERR_CONNECTION_TIMEOUT, "no answer to a ping");
        return;
    }
    if (silent_ms < idle_ms) {
        s->is_pinged = false;
        wheel_set(&s->worker->wheel, &s->timer, idle_ms - silent_ms);
        return;
    }
    s->is_pinged = true;
    ping_client(s);
    wheel_set(&s->worker->wheel, &s->timer, cfg->limits.ping_timeout_s * 1000);
}

static void on_session_timer(struct wheel_timer *t)
{
    struct session *s = container_of(t, struct session, timer);

    if (session_is_hibernating(s))
        session_close(s, STREAM_OK, NULL); /* nobody came back */
    else if (s->full_jid.len > 0)
        on_idle_timer(s);
    else
        session_close(s, STREAM_ERR_CONNECTION_TIMEOUT, "not logged in within the time allowed");
}

/* ---- what the stream starts and ends with ---- */

static void write_header(struct session *s, struct str from, struct str to)
{
    struct buf *out = conn_out(s->conn);
    char id[33];

    buf_append_cstr(out, "<?xml version='1.0'?><stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM
                         "' version='1.0' xml:lang='en' id='");
    buf_append_str(out, random_hex(id, 16));
    buf_append_cstr(out, "' from='");
    xml_escape(out, from);
    if (to.len > 0) {
        buf_append_cstr(out, "' to='");
        xml_escape(out, to);
    }
    buf_append_cstr(out, "'>");
    s->header_sent = true;
}

void stream_write_end(struct session *s, enum stream_err err, const char *text, struct str app_condition)
{
    if (err == STREAM_OK && !s->header_sent)
        return; /* nothing was opened: there is nothing to be closed */
    if (!s->header_sent)
        write_header(s, s->host.len > 0 ? s->host : s->worker->config->hosts[0].name, str_make(NULL, 0));
    struct buf *out = conn_out(s->conn);

    if (err != STREAM_OK) {
        struct xml_writer w = xml_writer_to(out);

        xml_start(&w, "stream:error", NULL);
        xml_put_empty(&w, stream_err_name(err), NS_STREAM_ERRORS);
        if (text != NULL) {
            xml_start(&w, "text", NS_STREAM_ERRORS);
            xml_put_attr(&w, "xml:lang", STR("en"));
            xml_put_text(&w, str_of(text));
            xml_end(&w);
        }
        xml_put_raw(&w, app_condition);
        xml_end(&w);
    }
    buf_append_cstr(out, "</stream:stream>");
    (void)conn_sent(s->conn);
}

static void restart(struct session *s)
{
    xml_reader_restart(&s->reader);
    s->notopen = true;
    s->header_sent = false;
    s->state = STREAM_WAIT_HEADER;
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

/* Version: anything from 1.0 on is answered with 1.0 (RFC 6120 section 4.7.5). */
static bool is_version_supported(struct str version)
{
    ptrdiff_t dot = str_find(version, '.');
    uint64_t major;

    return dot > 0 && str_to_u64(str_make(version.p, (size_t)dot), UINT32_MAX, &major) && major >= 1;
}

static enum stream_err check_header(struct session *s, const struct input *in, const char **ret_text)
{
    const struct xml_element *e = in->element;

    if (!str_is(e->ns, NS_STREAM) || !str_is(in->default_ns, NS_CLIENT)) {
        *ret_text = "expected a stream of jabber:client";
        return STREAM_ERR_INVALID_NAMESPACE;
    }
    if (!str_is(e->name, "stream")) {
        *ret_text = "expected <stream:stream>";
        return STREAM_ERR_BAD_FORMAT;
    }
    if (!is_version_supported(xml_attr(e, "version", NULL))) {
        *ret_text = "XMPP 1.0 or later is required";
        return STREAM_ERR_UNSUPPORTED_VERSION;
    }
    (void)s;
    return STREAM_OK;
}

/* The host is fixed by the first header; a later one must name the same (RFC 6120 section 4.3.3). */
static enum stream_err check_to(struct session *s, const struct xml_element *e, const char **ret_text)
{
    struct str to = xml_attr(e, "to", NULL);
    char domain[JID_PART_MAX];
    size_t len;

    if (to.len == 0) {
        *ret_text = "the stream header has no 'to'";
        return STREAM_ERR_IMPROPER_ADDRESSING;
    }
    if (jid_prepare_domain(to, domain, &len) != LN_OK) {
        *ret_text = "'to' is not a domain";
        return STREAM_ERR_HOST_UNKNOWN;
    }
    if (s->host.len > 0) {
        *ret_text = "'to' may not change within a connection";
        return str_eq(s->host, str_make(domain, len)) ? STREAM_OK : STREAM_ERR_NOT_AUTHORIZED;
    }
    if (config_host(s->worker->config, str_make(domain, len)) == NULL) {
        *ret_text = "this server does not serve that host";
        return STREAM_ERR_HOST_UNKNOWN;
    }
    session_set_names(s, str_make(NULL, 0), str_make(domain, len), str_make(NULL, 0));
    return STREAM_OK;
}

/* After SASL a 'from' must be the account's (RFC 6120 section 4.7.1); before, one of the host's (XEP-0388 section 2.1),
 * which is remembered. */
static enum stream_err check_from(struct session *s, const struct xml_element *e, const char **ret_text)
{
    struct str from = xml_attr(e, "from", NULL);
    struct jid_buf mem;
    struct jid jid;

    if (from.len == 0)
        return STREAM_OK;
    if (jid_parse(from, &mem, &jid) != LN_OK) {
        *ret_text = "'from' is not a JID";
        return STREAM_ERR_INVALID_FROM;
    }
    if (s->type == SESSION_C2S && !str_eq(jid_bare(&jid), jid_bare(&s->jid))) {
        *ret_text = "'from' is not the account that logged in";
        return STREAM_ERR_INVALID_FROM;
    }
    if (!str_eq(jid_domain(&jid), s->host)) {
        *ret_text = "'from' is not an account of the host";
        return STREAM_ERR_INVALID_FROM;
    }
    if (s->type == SESSION_C2S_UNAUTHED && jid.local_len > 0) {
        free(s->header_from);
        s->header_from = str_dup(jid_bare(&jid));
    }
    return STREAM_OK;
}

static void remember_lang(struct session *s, const struct xml_element *e)
{
    struct str lang = xml_lang(e);

    free(s->lang);
    s->lang = lang.len > 0 && lang.len <= 64 ? str_dup(lang) : NULL;
}

static enum stream_err open_stream(struct session *s, struct input *in)
{
    const char *text = NULL;
    enum stream_err err = check_header(s, in, &text);

    if (err == STREAM_OK)
        err = check_to(s, in->element, &text);
    if (err == STREAM_OK)
        err = check_from(s, in->element, &text);
    if (err != STREAM_OK) {
        session_close(s, err, text);
        return STREAM_OK;
    }
    remember_lang(s, in->element);
    write_header(s, s->host, xml_attr(in->element, "from", NULL));
    s->notopen = false;
    s->state = s->type == SESSION_C2S ? STREAM_WAIT_BIND : STREAM_WAIT_AUTH;
    features_write(s);
    (void)conn_sent(s->conn);
    return STREAM_OK;
}

static void log_refused(const struct session *s)
{
    log_info(LOG_NET, s->id, "connection.refused", F_CSTR("limit", "limits.handshakes_waiting"),
             F_ADDR("peer", conn_peek_peer(s->conn)));
}

/* Whoever would wait for long is told so before it begins. */
static bool has_room_for_handshake(const struct session *s)
{
    if (pool_has_room(s->worker->server->pool, POOL_HANDSHAKE))
        return true;
    log_refused(s);
    return false;
}

static enum stream_err begin_tls(struct session *s, struct input *in)
{
    (void)in;
    if (!s->had_tls_offer) { /* RFC 6120 section 5.4.2.2 */
        (void)session_send_raw(s, STR("<failure xmlns='" NS_TLS "'/>"), 0);
        session_close(s, STREAM_OK, NULL);
        return STREAM_OK;
    }
    if (!has_room_for_handshake(s)) {
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

/* ---- the connection's call-backs ---- */

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

static void on_input(struct conn *c, struct str *in)
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

static void on_secured(struct conn *c)
{
    struct session *s = conn_owner(c);
    const struct tls *tls = conn_peek_tls(c);

    s->is_secure = true;
    log_debug(LOG_NET, s->id, "tls.ready", F_CSTR("version", tls_version_name(tls)),
              F_CSTR("cipher", tls_cipher_name(tls)), F_BOOL("resumed", tls_is_resumed(tls)),
              F_STR("sni", tls_sni(tls)));
    restart(s);
}

static void on_lost(struct conn *c, enum conn_end why)
{
    static const char *const names[] = {[CONN_EOF] = "eof",
                                        [CONN_ERROR] = "error",
                                        [CONN_SLOW] = "slow",
                                        [CONN_TLS_FAILED] = "tls",
                                        [CONN_REFUSED] = "refused"};
    struct session *s = conn_owner(c);

    if (why == CONN_TLS_FAILED)
        log_info(LOG_NET, s->id, "tls.failed", F_CSTR("why", conn_tls_error(c)), F_ADDR("peer", conn_peek_peer(c)));
    else if (why == CONN_REFUSED)
        log_refused(s);
    else if (why == CONN_SLOW)
        log_warn(LOG_NET, s->id, "connection.slow", F_STR("jid", s->full_jid),
                 F_U64("limit", s->worker->config->limits.out_queue_bytes));
    else
        log_debug(LOG_NET, s->id, "connection.lost", F_CSTR("why", names[why]));
    if (s->state != STREAM_BOUND || s->is_given_up || !stream_upper->on_lost(s))
        session_close(s, STREAM_OK, NULL);
}

static const struct conn_events conn_events = {
    .on_input = on_input,
    .on_secured = on_secured,
    .on_lost = on_lost,
};

/* ---- beginnings ---- */

void stream_accept(struct worker *w, struct conn *own_conn)
{
    struct session *s = session_new(own_conn, w);

    log_debug(LOG_NET, s->id, "connection.accepted", F_ADDR("peer", conn_peek_peer(s->conn)));
    work_out_limits(s);
    xml_reader_init(&s->reader, &s->limits);
    stream_apply_config(s);
    s->timer.fire = on_session_timer;
    wheel_set(&w->wheel, &s->timer, w->config->limits.unauthenticated_s * 1000);
    conn_set_owner(own_conn, &conn_events, s);
    if (conn_peek_security(own_conn) == CONN_DIRECT_TLS) {
        s->state = STREAM_HANDSHAKE;
        if (!has_room_for_handshake(s)) {
            session_close(s, STREAM_OK, NULL);
            return;
        }
        conn_start_tls(own_conn, tls_new(w->tls, true, str_make(NULL, 0)));
    }
    /* No channel binding comes of it, since the client's channel ends at the balancer. */
    s->is_secure = conn_peek_security(own_conn) == CONN_PROXY_TLS;
}

/* ---- the move home ---- */

struct move {
    struct task task;
    struct session *s; /* its last reference on the old worker */
    struct conn_parcel *parcel;
    struct worker *to;
    void (*then)(struct session *s);
    uint64_t timer_ms;
};

static void arrive(struct task *own_task)
{
    struct move *m = container_of(own_task, struct move, task);
    struct session *s = m->s;

    s->worker = m->to;
    s->conn = conn_from_parcel(m->to, m->parcel);
    conn_set_owner(s->conn, &conn_events, s);
    if (s->pauses > 0)
        conn_hold(s->conn, CONN_HOLD_STREAM);
    stream_apply_config(s);
    wheel_set(&s->worker->wheel, &s->timer, m->timer_ms);
    if (m->to->is_draining)
        session_close(s, STREAM_ERR_SYSTEM_SHUTDOWN, NULL);
    else if (session_host(s) == NULL) /* a reload while it was under way, when nobody could tell it */
        session_close(s, STREAM_ERR_HOST_GONE, NULL);
    m->then(s);
    session_unref(&s);
    free(m);
}

static void depart(struct worker *w, void *arg)
{
    struct move *m = arg;
    struct session *s = m->s;

    if (!session_is_alive(s)) {
        m->then(s);
        session_unref(&s);
        free(m);
        return;
    }
    m->timer_ms = wheel_left_ms(&w->wheel, &s->timer);
    wheel_cancel(&s->timer);
    m->parcel = conn_take_parcel(&s->conn);
    m->task.run = arrive;
    executor_post(&m->to->executor, &m->task);
}

static struct worker *home_of(const struct session *s)
{
    return server_home_of(s->worker->server, jid_bare(&s->jid));
}

/* `then` is called there, with the session paused; it may have ended. */
static void move_to(struct session *s, struct worker *home, void (*then)(struct session *s))
{
    struct move *m = mem_zalloc(sizeof(*m));

    /* In a task of its own: this runs inside the connection's call-back. */
    m->to = home;
    m->then = then;
    m->s = session_ref(s);
    session_pause(s);
    worker_call(s->worker, depart, m);
}

static void become_client(struct session *s, struct str username)
{
    session_set_names(s, username, s->host, str_make(NULL, 0));
    s->type = SESSION_C2S;
    free(s->header_from);
    s->header_from = NULL;
}

void stream_authenticated(struct session *s, struct str username)
{
    struct worker *home;

    become_client(s, username);
    restart(s);
    stream_apply_config(s);
    home = home_of(s);
    if (home != s->worker)
        move_to(s, home, session_resume);
}

static void carry_out_inline(struct session *s)
{
    stream_upper->on_authenticated(s);
}

void stream_authenticated_inline(struct session *s, struct str username)
{
    struct worker *home;

    become_client(s, username);
    s->state = STREAM_INLINE;
    stream_apply_config(s);
    home = home_of(s);
    if (home != s->worker) {
        move_to(s, home, carry_out_inline);
        return;
    }
    session_pause(s);
    carry_out_inline(s);
}

void stream_bound(struct session *s)
{
    s->state = STREAM_BOUND;
    wheel_set(&s->worker->wheel, &s->timer, s->worker->config->limits.idle_s * 1000);
}

/* ---- without a connection, and with another one ---- */

void stream_detach(struct session *s, uint64_t timeout_ms)
{
    xml_reader_restart(&s->reader);
    s->is_pinged = false;
    conn_close(&s->conn);
    wheel_set(&s->worker->wheel, &s->timer, timeout_ms);
}

void stream_take_over(struct session *s, struct session *own_from)
{
    assert(s->conn == NULL && own_from->conn != NULL && !session_is_connected(own_from));
    s->conn = own_from->conn;
    own_from->conn = NULL;
    conn_set_owner(s->conn, &conn_events, s);
    xml_reader_deinit(&s->reader);
    s->reader = own_from->reader;
    xml_reader_init(&own_from->reader, &own_from->limits);
    free(s->lang);
    s->lang = own_from->lang;
    own_from->lang = NULL;
    s->is_secure = own_from->is_secure;
    s->mechanism = own_from->mechanism;
    memcpy(s->user_agent, own_from->user_agent, sizeof(s->user_agent));
    s->bindings = own_from->bindings;
    s->header_sent = true;
    s->notopen = false;
    s->is_pinged = false;
    stream_apply_config(s);
    /* Held back is who waits for something: the one that ends does not any more. */
    if (s->pauses > 0)
        conn_hold(s->conn, CONN_HOLD_STREAM);
    else
        conn_release(s->conn, CONN_HOLD_STREAM);
    wheel_set(&s->worker->wheel, &s->timer, s->worker->config->limits.idle_s * 1000);
    wheel_cancel(&own_from->timer);
    sasl_free(&own_from->sasl);
    own_from->state = STREAM_CLOSED;
    own_from->type = SESSION_DESTROYED;
    session_unref(&own_from);
}

struct session *stream_restore(struct worker *w)
{
    struct session *s = session_new(NULL, w);

    s->id = atomic_fetch_add(&w->server->next_conn_id, 1);
    s->type = SESSION_C2S;
    s->state = STREAM_BOUND;
    s->notopen = false;
    work_out_limits(s);
    xml_reader_init(&s->reader, &s->limits);
    s->timer.fire = on_session_timer;
    return s;
}
