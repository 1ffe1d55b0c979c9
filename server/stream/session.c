#include "server/stream/session.h"

#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/net/tls.h"
#include "server/stream/sasl.h"
#include "server/stream/stream.h"

enum {
    ASYNC_OPS_MAX = 16, /* requests of one client that may await storage together */
};

bool session_is_connected(const struct session *s)
{
    return s->type == SESSION_C2S && s->full_jid.len > 0 && s->resource.len > 0 && s->roster != NULL;
}

bool session_is_available(const struct session *s)
{
    return s->presence != NULL;
}

bool session_is_interested(const struct session *s)
{
    return s->interested;
}

struct session *session_new(struct conn *own_conn, struct worker *w)
{
    struct session *s = mem_zalloc(sizeof(*s));

    s->conn = own_conn;
    s->worker = w;
    s->id = own_conn != NULL ? conn_id(own_conn) : 0;
    s->notopen = true;
    s->type = SESSION_C2S_UNAUTHED;
    s->state = STREAM_WAIT_HEADER;
    s->refs = 1;
    return s;
}

struct session *session_ref(struct session *s)
{
    s->refs++;
    return s;
}

void session_unref(struct session **own_s)
{
    struct session *s = *own_s;

    *own_s = NULL;
    if (s == NULL || --s->refs > 0)
        return;
    assert(s->type == SESSION_DESTROYED && s->conn == NULL && s->account == NULL && s->sm == NULL);
    xml_reader_deinit(&s->reader);
    free((char *)(uintptr_t)s->jid.full.p);
    free(s->lang);
    free(s->header_from);
    free(s->data);
    free(s);
}

static char *put(char *at, struct str s)
{
    if (s.len > 0)
        memcpy(at, s.p, s.len);
    return at + s.len;
}

void session_set_names(struct session *s, struct str username, struct str host, struct str resource)
{
    size_t len = username.len + (username.len > 0) + host.len + (resource.len > 0) + resource.len;
    char *names = mem_alloc(len + 1), *at = names, *old = (char *)(uintptr_t)s->jid.full.p;

    if (username.len > 0) {
        at = put(at, username);
        *at++ = '@';
    }
    s->host = str_make(at, host.len);
    at = put(at, host);
    if (resource.len > 0) {
        *at++ = '/';
        s->resource = str_make(at, resource.len);
        at = put(at, resource);
    } else {
        s->resource = str_make(NULL, 0);
    }
    s->username = str_make(names, username.len);
    s->jid = jid_view(str_make(names, len));
    s->full_jid = resource.len > 0 ? s->jid.full : str_make(NULL, 0);
    free(old); /* last: the arguments may lie in it */
}

const struct config_host *session_host(const struct session *s)
{
    return config_host(s->worker->config, s->host);
}

/* ---- sending ---- */

/* While the client is away it goes to the stanzas that wait for it. */
static bool can_send(const struct session *s)
{
    if (s->is_given_up)
        return false;
    return s->conn != NULL ? s->state != STREAM_CLOSED : session_is_hibernating(s);
}

/* What lies behind `before` was written. */
static bool sent(struct session *s, const struct buf *out, size_t before, unsigned n_stanzas)
{
    struct str xml = str_make(out->p + before, out->len - before);
    bool is_queued = s->conn != NULL && conn_sent(s->conn);

    assert(n_stanzas <= 1);
    counter_add(&s->worker->counters.stanzas_out, n_stanzas);
    if (n_stanzas > 0 && s->sm != NULL)
        return stream_upper->on_sent(s, xml, is_queued);
    return is_queued;
}

bool session_send(struct session *s, const struct stanza *st, struct str to)
{
    return session_send_with(s, st, to, str_make(NULL, 0));
}

bool session_send_with(struct session *s, const struct stanza *st, struct str to, struct str extra)
{
    struct buf apart = {0}, *out;
    bool is_sent;

    if (!can_send(s))
        return false;
    if (s->is_inactive && stream_upper->on_sending(s, st, to))
        return true;
    out = s->conn != NULL ? conn_out(s->conn) : &apart;
    size_t before = out->len;

    stanza_write_with(out, st, to, extra);
    is_sent = sent(s, out, before, 1);
    buf_deinit(&apart);
    return is_sent;
}

bool session_send_raw(struct session *s, struct str xml, unsigned n_stanzas)
{
    struct buf apart = {0}, *out;
    bool is_sent;

    if (!can_send(s))
        return false;
    if (s->is_inactive && n_stanzas > 0)
        (void)stream_upper->on_sending(s, NULL, STR(""));
    out = s->conn != NULL ? conn_out(s->conn) : &apart;
    size_t before = out->len;

    buf_append_str(out, xml);
    is_sent = sent(s, out, before, n_stanzas);
    buf_deinit(&apart);
    return is_sent;
}

/* ---- ending ---- */

void session_close(struct session *s, enum stream_err err, const char *text)
{
    session_close_with(s, err, text, str_make(NULL, 0));
}

static void log_end(const struct session *s, enum stream_err err)
{
    if (s->full_jid.len > 0)
        log_info(LOG_STREAM, s->id, "session.closed", F_STR("jid", s->full_jid),
                 F_CSTR("cond", err == STREAM_OK ? "" : stream_err_name(err)),
                 F_I64("lasted_s", (wall_clock_ms() - s->bound_ms) / 1000));
    else
        log_info(LOG_STREAM, s->id, "stream.closed", F_CSTR("cond", err == STREAM_OK ? "" : stream_err_name(err)),
                 F_ADDR("peer", conn_peek_peer(s->conn)));
}

void session_close_with(struct session *s, enum stream_err err, const char *text, struct str app_condition)
{
    if (s->type == SESSION_DESTROYED || s->state == STREAM_CLOSED)
        return;
    bool can_read = s->conn != NULL && s->state != STREAM_HANDSHAKE;

    log_end(s, err);
    /* From here on session_send() refuses: what others are told now may come back to this session, and is lost on it.
     */
    s->state = STREAM_CLOSED;
    wheel_cancel(&s->timer);
    sasl_free(&s->sasl);
    stream_upper->on_closing(s, s->peer_closed);
    if (can_read)
        stream_write_end(s, err, text, app_condition);
    s->type = SESSION_DESTROYED;
    conn_close(&s->conn);
    session_unref(&s);
}

void session_give_up(struct session *s)
{
    if (s->is_given_up || s->state == STREAM_CLOSED)
        return;
    s->is_given_up = true;
    if (s->conn != NULL)
        conn_cut(s->conn);
    else
        wheel_set(&s->worker->wheel, &s->timer, 0);
}

/* ---- how it is secured ---- */

const char *session_tls_name(const struct session *s)
{
    if (s->conn == NULL)
        return NULL;
    const struct conn_proxy_tls *proxied = conn_peek_proxy_tls(s->conn);
    const struct tls *tls = conn_peek_tls(s->conn);

    if (proxied != NULL)
        return proxied->name;
    return tls != NULL ? tls_version_name(tls) : NULL;
}

const char *session_cipher_name(const struct session *s)
{
    if (s->conn == NULL)
        return NULL;
    const struct conn_proxy_tls *proxied = conn_peek_proxy_tls(s->conn);
    const struct tls *tls = conn_peek_tls(s->conn);

    if (proxied != NULL)
        return proxied->cipher;
    return tls != NULL ? tls_cipher_name(tls) : NULL;
}

/* ---- holding back ---- */

void session_pause(struct session *s)
{
    s->pauses++;
    if (s->conn != NULL)
        conn_hold(s->conn, CONN_HOLD_STREAM);
}

void session_resume(struct session *s)
{
    assert(s->pauses > 0);
    s->pauses--;
    if (s->pauses == 0 && s->conn != NULL)
        conn_release(s->conn, CONN_HOLD_STREAM);
}

void session_begin_async(struct session *s)
{
    (void)session_ref(s);
    if (++s->async_ops == ASYNC_OPS_MAX)
        session_pause(s);
}

void session_end_async(struct session *s)
{
    if (s->async_ops-- == ASYNC_OPS_MAX)
        session_resume(s);
    session_unref(&s);
}
