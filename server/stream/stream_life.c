#include "server/stream/stream_internal.h"

#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/net/pool.h"
#include "server/net/tls.h"
#include "server/stream/sasl.h"

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

void stream_restart(struct session *s)
{
    xml_reader_restart(&s->reader);
    s->notopen = true;
    s->header_sent = false;
    s->state = STREAM_WAIT_HEADER;
}

static void log_refused(const struct session *s)
{
    log_info(LOG_NET, s->id, "connection.refused", F_CSTR("limit", "limits.handshakes_waiting"),
             F_ADDR("peer", conn_peek_peer(s->conn)));
}

bool stream_has_room_for_handshake(const struct session *s)
{
    if (pool_has_room(s->worker->server->pool, POOL_HANDSHAKE))
        return true;
    log_refused(s);
    return false;
}

/* ---- the connection's call-backs ---- */

static void on_secured(struct conn *c)
{
    struct session *s = conn_owner(c);
    const struct tls *tls = conn_peek_tls(c);

    s->is_secure = true;
    log_debug(LOG_NET, s->id, "tls.ready", F_CSTR("version", tls_version_name(tls)),
              F_CSTR("cipher", tls_cipher_name(tls)), F_BOOL("resumed", tls_is_resumed(tls)),
              F_STR("sni", tls_sni(tls)));
    stream_restart(s);
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
    .on_input = stream_on_input,
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
        if (!stream_has_room_for_handshake(s)) {
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
    stream_restart(s);
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
