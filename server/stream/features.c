#include "server/stream/features.h"

#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/stream/sasl.h"
#include "server/stream/stream.h"

static void write_starttls(struct session *s, struct xml_writer *w)
{
    s->had_tls_offer = !s->is_secure && conn_peek_security(s->conn) != CONN_PLAIN;
    if (!s->had_tls_offer)
        return;
    xml_start(w, "starttls", NS_TLS);
    if (s->worker->config->tls.required)
        xml_put_empty(w, "required", NULL);
    xml_end(w);
}

static void write_number(struct xml_writer *w, const char *element, uint64_t n)
{
    struct buf number = {0};

    buf_append_u64(&number, n);
    xml_put_text_element(w, element, buf_str(&number));
    buf_deinit(&number);
}

/* XEP-0478: so that a client can split what it sends, and knows how often to make itself heard. */
static void write_limits(const struct session *s, struct xml_writer *w)
{
    xml_start(w, "limits", NS_STREAM_LIMITS);
    write_number(w, "max-bytes", s->limits.stanza_bytes);
    if (s->type == SESSION_C2S)
        write_number(w, "idle-seconds", s->worker->config->limits.idle_s);
    xml_end(w);
}

static void write_bind(struct xml_writer *w)
{
    xml_start(w, "bind", NS_BIND);
    xml_put_empty(w, "required", NULL);
    xml_end(w);
    /* Old libraries ask for a session (RFC 3921 section 3); optional, so that others save the round trip. */
    xml_start(w, "session", NS_SESSION);
    xml_put_empty(w, "optional", NULL);
    xml_end(w);
}

static void write_after_sasl(const struct session *s, struct xml_writer *w)
{
    if (!session_is_connected(s)) /* it may have been bound with the login */
        write_bind(w);
    xml_put_empty(w, "ver", NS_ROSTERVER);
    xml_put_empty(w, "sub", NS_PRE_APPROVAL);
}

void features_write(struct session *s)
{
    struct xml_writer w = xml_writer_to(conn_out(s->conn));

    xml_start(&w, "stream:features", NULL);
    if (s->type == SESSION_C2S) {
        write_after_sasl(s, &w);
    } else {
        write_starttls(s, &w);
        sasl_write_features(s, &w);
    }
    /* Where TLS has to come first nothing else is offered (RFC 6120 section 5.3.1). */
    if (!s->had_tls_offer || !s->worker->config->tls.required)
        write_limits(s, &w);
    stream_upper->write_features(s, &w);
    xml_end(&w);
}
