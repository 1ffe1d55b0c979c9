#include "server/stream/component.h"

#include <string.h>

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/scram_hash.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/config.h"
#include "server/base/log.h"

enum { SHA1_BYTES = 20, STREAM_ID_BYTES = 16, LOOK_AGAIN_MS = 20 };

static const struct component_upper *upper_;

void component_set_upper(const struct component_upper *upper)
{
    upper_ = upper;
}

/* ---- sending ---- */

static void write_header(struct component *c)
{
    struct buf *out = conn_out(c->conn);

    buf_append_cstr(out,
                    "<?xml version='1.0'?><stream:stream xmlns='" NS_COMPONENT "' xmlns:stream='" NS_STREAM "' id='");
    buf_append_str(out, random_hex(c->id, STREAM_ID_BYTES));
    buf_append_cstr(out, "' from='");
    xml_escape(out, c->domain);
    buf_append_cstr(out, "'>");
    (void)conn_sent(c->conn);
}

bool component_send(struct component *c, const struct stanza *st, struct str to)
{
    if (c->state != COMPONENT_CONNECTED)
        return false;
    stanza_write_with(conn_out(c->conn), st, to, str_make(NULL, 0));
    counter_add(&c->worker->counters.stanzas_out, 1);
    return conn_sent(c->conn);
}

/* ---- the end ---- */

static void free_later(struct worker *w, void *arg)
{
    struct component *c = arg;

    (void)w;
    xml_reader_deinit(&c->reader);
    free((void *)(uintptr_t)c->domain.p);
    free(c);
}

static void write_end(struct component *c, enum stream_err err, const char *text)
{
    struct xml_writer w = xml_writer_to(conn_out(c->conn));

    if (err != STREAM_OK) {
        xml_start(&w, "stream:error", NULL);
        xml_put_empty(&w, stream_err_name(err), NS_STREAM_ERRORS);
        if (text != NULL) {
            xml_start(&w, "text", NS_STREAM_ERRORS);
            xml_put_text(&w, str_of(text));
            xml_end(&w);
        }
        xml_end(&w);
    }
    buf_append_cstr(conn_out(c->conn), "</stream:stream>");
    (void)conn_sent(c->conn);
}

void component_close(struct component *c, enum stream_err err, const char *text)
{
    bool was_connected = c->state == COMPONENT_CONNECTED;

    if (c->state == COMPONENT_CLOSED)
        return;
    log_info(LOG_STREAM, conn_id(c->conn), was_connected ? "component.closed" : "component.refused",
             F_STR("domain", c->domain), F_CSTR("cond", err == STREAM_OK ? "" : stream_err_name(err)),
             F_CSTR("why", text == NULL ? "" : text), F_ADDR("peer", conn_peek_peer(c->conn)));
    if (c->state == COMPONENT_WAIT_HEADER)
        write_header(c);
    write_end(c, err, text);
    c->state = COMPONENT_CLOSED;
    wheel_cancel(&c->timer);
    wheel_cancel(&c->slowed);
    conn_close(&c->conn);
    if (was_connected)
        upper_->on_closed(c);
    worker_call(c->worker, free_later, c); /* callers above on the stack may still look at it */
}

/* ---- the way in ---- */

/* Component and host may share a parent, but not a name; that they do not is checked with the configuration. */
static void open_stream(struct component *c, const struct xml_result *r)
{
    struct str to = xml_attr(r->element, "to", NULL);
    char domain[JID_PART_MAX];
    size_t len;

    if (!str_is(r->element->ns, NS_STREAM) || !str_is(r->element->name, "stream") ||
        !str_is(r->default_ns, NS_COMPONENT)) {
        component_close(c, STREAM_ERR_INVALID_NAMESPACE, "expected a stream of " NS_COMPONENT);
        return;
    }
    if (jid_prepare_domain(to, domain, &len) != LN_OK ||
        config_component(c->worker->config, str_make(domain, len)) == NULL) {
        component_close(c, STREAM_ERR_HOST_UNKNOWN, "no [[component]] has this domain");
        return;
    }
    c->domain = str_make(str_dup(str_make(domain, len)), len);
    xml_reader_rename_default(&c->reader, NS_CLIENT);
    write_header(c);
    c->state = COMPONENT_WAIT_HANDSHAKE;
}

/* Compared byte for byte, without an early end. */
static bool is_same(struct str a, const char *b, size_t len)
{
    unsigned differences = a.len != len;

    for (size_t i = 0; i < len && i < a.len; i++)
        differences |= (unsigned)(uint8_t)a.p[i] ^ (unsigned)(uint8_t)b[i];
    return differences == 0;
}

/* Section 3: SHA-1 of stream id and secret, in hexadecimal. */
static bool has_proved_itself(const struct component *c, struct str handshake)
{
    const struct config_component *row = config_component(c->worker->config, c->domain);
    struct buf b = {0};
    uint8_t hash[SHA1_BYTES];
    char hex[2 * SHA1_BYTES];

    if (row == NULL)
        return false;
    buf_append_cstr(&b, c->id);
    buf_append_cstr(&b, row->secret);
    scram_h(SCRAM_SHA_1, (const uint8_t *)b.p, b.len, hash);
    mem_wipe(b.p, b.len);
    buf_deinit(&b);
    for (size_t i = 0; i < sizeof(hash); i++) {
        hex[2 * i] = "0123456789abcdef"[hash[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[hash[i] & 15];
    }
    return is_same(handshake, hex, 2 * sizeof(hash));
}

void component_check_again(struct component *c)
{
    if (config_component(c->worker->config, c->domain) == NULL)
        component_close(c, STREAM_ERR_HOST_GONE, "the component is not in the configuration any more");
    else if (!has_proved_itself(c, str_of(c->proof)))
        component_close(c, STREAM_ERR_RESET, "the secret was changed");
}

static void connect_at_home(struct component *c)
{
    c->state = COMPONENT_CONNECTED;
    c->limits.stanza_bytes = (uint32_t)c->worker->config->limits.stanza_bytes;
    xml_reader_set_limits(&c->reader, &c->limits);
    wheel_set(&c->worker->wheel, &c->timer, c->worker->config->limits.idle_s * 1000);
    (void)conn_send(c->conn, STR("<handshake/>"));
    log_info(LOG_STREAM, conn_id(c->conn), "component.connected", F_STR("domain", c->domain),
             F_ADDR("peer", conn_peek_peer(c->conn)));
    upper_->on_connected(c);
}

struct move {
    struct task task;
    struct component *c;
    struct conn_parcel *parcel;
    struct worker *to;
};

static const struct conn_events events;

static void arrive(struct task *own_task)
{
    struct move *m = container_of(own_task, struct move, task);
    struct component *c = m->c;

    c->worker = m->to;
    c->conn = conn_from_parcel(m->to, m->parcel);
    conn_set_owner(c->conn, &events, c);
    conn_set_out_limit(c->conn, (uint32_t)m->to->config->limits.out_queue_bytes);
    free(m);
    if (c->worker->is_draining)
        component_close(c, STREAM_ERR_SYSTEM_SHUTDOWN, NULL);
    component_check_again(c); /* a reload while it was under way found nobody */
    if (c->state == COMPONENT_MOVING)
        connect_at_home(c);
}

static void depart(struct worker *w, void *arg)
{
    struct move *m = arg;

    (void)w;
    if (m->c->state == COMPONENT_CLOSED) { /* its memory goes behind this */
        free(m);
        return;
    }
    wheel_cancel(&m->c->timer);
    conn_release(m->c->conn, CONN_HOLD_STREAM);
    m->parcel = conn_take_parcel(&m->c->conn);
    m->task.run = arrive;
    executor_post(&m->to->executor, &m->task);
}

static void go_home(struct component *c)
{
    struct worker *home = server_home_of(c->worker->server, c->domain);

    if (home == c->worker) {
        connect_at_home(c);
        return;
    }
    struct move *m = mem_zalloc(sizeof(*m));

    c->state = COMPONENT_MOVING;
    conn_hold(c->conn, CONN_HOLD_STREAM);
    m->c = c;
    m->to = home;
    worker_call(c->worker, depart, m);
}

/* ---- what comes ---- */

static void slow_down_if_behind(struct component *c)
{
    if (c->state != COMPONENT_CONNECTED || !upper_->is_behind(c->worker))
        return;
    conn_hold(c->conn, CONN_HOLD_SHARD);
    wheel_set(&c->worker->wheel, &c->slowed, LOOK_AGAIN_MS);
}

static void on_slowed(struct wheel_timer *t)
{
    struct component *c = container_of(t, struct component, slowed);

    conn_release(c->conn, CONN_HOLD_SHARD);
    slow_down_if_behind(c);
}

static void take_stanza(struct component *c, struct xml_result *r)
{
    struct stanza *st = stanza_from_element(r->arena, r->element);

    if (st->kind == STANZA_OTHER)
        component_close(c, STREAM_ERR_UNSUPPORTED_STANZA_TYPE, NULL);
    else if (!stanza_parse_from(st) || jid_is_empty(&st->from) || !str_eq(jid_domain(&st->from), c->domain))
        component_close(c, STREAM_ERR_INVALID_FROM, "'from' is not of the component's domain");
    else if (!stanza_parse_to(st) || jid_is_empty(&st->to))
        component_close(c, STREAM_ERR_IMPROPER_ADDRESSING, "no valid 'to'");
    else {
        counter_add(&c->worker->counters.stanzas_in, 1);
        upper_->on_stanza(c, st);
        slow_down_if_behind(c);
        return;
    }
    stanza_unref(&st);
}

static void take_element(struct component *c, struct xml_result *r)
{
    bool is_handshake = c->state == COMPONENT_WAIT_HANDSHAKE;

    if (c->state == COMPONENT_CONNECTED) {
        take_stanza(c, r);
        return;
    }
    if (!is_handshake || !xml_is(r->element, "handshake", NS_CLIENT) || !has_proved_itself(c, r->element->text))
        component_close(c, STREAM_ERR_NOT_AUTHORIZED, "a wrong handshake, or none");
    else {
        memcpy(c->proof, r->element->text.p, sizeof(c->proof) - 1);
        go_home(c);
    }
    arena_free(&r->arena);
}

static void take_event(struct component *c, enum xml_event ev, struct xml_result *r)
{
    switch (ev) {
    case XML_STREAM_OPEN:
        open_stream(c, r);
        arena_free(&r->arena);
        break;
    case XML_STANZA:
        take_element(c, r);
        break;
    case XML_STREAM_CLOSE:
        component_close(c, STREAM_OK, NULL);
        break;
    case XML_ERROR:
        component_close(c, r->error == XML_TOO_LARGE ? STREAM_ERR_POLICY_VIOLATION : STREAM_ERR_NOT_WELL_FORMED,
                        xml_error_name(r->error));
        break;
    case XML_MORE:
        break;
    }
}

static void on_input(struct conn *conn, struct str *in)
{
    struct component *c = conn_owner(conn);

    while (in->len > 0 && c->state != COMPONENT_CLOSED && c->state != COMPONENT_MOVING && !conn_is_held(c->conn)) {
        struct xml_result r = {0};

        take_event(c, xml_reader_next(&c->reader, c->worker->scratch, in, &r), &r);
    }
    if (c->state == COMPONENT_CLOSED)
        in->len = 0;
}

static void on_lost(struct conn *conn, enum conn_end why)
{
    component_close(conn_owner(conn), STREAM_OK, why == CONN_SLOW ? "it does not read" : "its connection was lost");
}

static const struct conn_events events = {.on_input = on_input, .on_lost = on_lost};

bool component_owns(const struct conn *conn)
{
    return conn_peek_security(conn) == CONN_COMPONENT;
}

/* One that is silent may be gone: a space, which costs it nothing, lets TCP find out. */
static void on_timer(struct wheel_timer *t)
{
    struct component *c = container_of(t, struct component, timer);

    if (c->state != COMPONENT_CONNECTED) {
        component_close(c, STREAM_ERR_CONNECTION_TIMEOUT, "no handshake within the time allowed");
        return;
    }
    (void)conn_send(c->conn, STR(" "));
    wheel_set(&c->worker->wheel, &c->timer, c->worker->config->limits.idle_s * 1000);
}

void component_accept(struct worker *w, struct conn *own_conn)
{
    const struct config *cfg = w->config;
    struct component *c = mem_zalloc(sizeof(*c));

    c->worker = w;
    c->conn = own_conn;
    c->limits = (struct xml_limits){
        .stanza_bytes = (uint32_t)cfg->limits.stanza_bytes_unauthenticated,
        .depth = (uint16_t)(cfg->limits.stanza_depth < XML_DEPTH_MAX ? cfg->limits.stanza_depth : XML_DEPTH_MAX),
        .attrs = (uint16_t)cfg->limits.stanza_attributes,
        .elements = (uint16_t)(cfg->limits.stanza_elements < UINT16_MAX ? cfg->limits.stanza_elements : UINT16_MAX),
    };
    xml_reader_init(&c->reader, &c->limits);
    c->timer.fire = on_timer;
    c->slowed.fire = on_slowed;
    wheel_set(&w->wheel, &c->timer, cfg->limits.unauthenticated_s * 1000);
    conn_set_out_limit(own_conn, (uint32_t)cfg->limits.out_queue_bytes);
    conn_set_owner(own_conn, &events, c);
}
