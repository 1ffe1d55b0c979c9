/* Reading: from what one recv() gave to frames, through TLS where there is some. */
#include "tests/load/client_private.h"

#include <errno.h>
#include <sys/socket.h>

enum { FRAME_MAX = 16 * 1024 * 1024 }; /* no server sends more in one stanza */

/* A request from the server or another user wants an answer (RFC 6120 section 8.2.3); a roster push is one. */
static void answer_iq(struct client *c, const struct frame *f)
{
    struct str type = frame_attribute(f, STR("type")), id = frame_attribute(f, STR("id"));
    struct str from = frame_attribute(f, STR("from"));
    struct frame ping;

    if ((!str_is(type, "get") && !str_is(type, "set")) || id.p == NULL)
        return;
    bool is_known = str_is(type, "set") || frame_child(f, STR("ping"), &ping);
    char quote = id.p[-1]; /* as it was quoted there, since it may hold the other one */
    buf_printf(&c->out, "<iq type='%s' id=%c%.*s%c", is_known ? "result" : "error", quote, STR_ARG(id), quote);
    if (from.p != NULL)
        buf_printf(&c->out, " to=%c%.*s%c", from.p[-1], STR_ARG(from), from.p[-1]);
    buf_append_cstr(&c->out, is_known ? "/>"
                                      : "><error type='cancel'><service-unavailable "
                                        "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
    client_end_send(c);
}

/* XEP-0198 section 4. True: the frame was its. */
static bool take_sm(struct client *c, const struct frame *f)
{
    uint64_t h;

    if (str_is(f->name, "r")) {
        buf_printf(&c->out, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", c->sm_received);
        client_touch(c);
        return true;
    }
    if (!str_is(f->name, "a"))
        return false;
    if (str_to_u64(frame_attribute(f, STR("h")), UINT32_MAX, &h))
        c->sm_acknowledged = (uint32_t)h;
    return true;
}

static void take_stanza(struct client *c, const struct frame *f)
{
    if (str_is(f->name, "iq"))
        answer_iq(c, f);
    if (c->state != CLIENT_CLOSING)
        c->pool->settings.events.on_stanza(c->pool->settings.context, c, f);
}

static void take_frame(struct client *c, const struct frame *f)
{
    if (c->state == CLIENT_LEAVING) {
        if (f->kind == FRAME_FOOTER)
            client_cut(c, false);
        return; /* what was on its way is of no interest now */
    }
    if (f->kind == FRAME_FOOTER || str_is(f->name, "stream:error")) {
        client_refuse(c, client_doing(c), f->bytes);
        return;
    }
    if (c->has_sm && f->name.len == 1 && take_sm(c, f))
        return;
    c->sm_received++; /* also what the negotiation takes; what came before <enabled/> is forgotten there */
    if (c->state != CLIENT_NEGOTIATING || !negotiation_take(c, f))
        take_stanza(c, f);
}

/* The relay says one line, once. */
static bool take_relay_answer(struct client *c, struct str *bytes)
{
    if (bytes->len < 3)
        return false;
    if (!str_starts(*bytes, STR("OK\n"))) {
        client_refuse(c, client_doing(c), *bytes);
        return false;
    }
    bytes->p += 3;
    bytes->len -= 3;
    c->frames = (struct frames){.has_header = true};
    client_set_online(c);
    return true;
}

static void take_frames(struct client *c, struct str *bytes)
{
    struct frame f;

    if (c->state == CLIENT_JOINING && !take_relay_answer(c, bytes))
        return;
    while (client_is_open(c) && bytes->len > 0) {
        enum frames_result result = frames_next(&c->frames, bytes, &f);
        if (result == FRAMES_MORE)
            return;
        if (result == FRAMES_BAD)
            client_refuse(c, "reading what is no XMPP", *bytes);
        else
            take_frame(c, &f);
    }
}

/* Bytes of the stream, decrypted. Only the beginning of a frame that is not complete is copied. */
static void take_bytes(struct client *c, struct str bytes)
{
    if (c->in.len == 0) {
        take_frames(c, &bytes);
        if (client_is_open(c) && bytes.len > 0)
            buf_append_str(&c->in, bytes);
        return;
    }
    buf_append_str(&c->in, bytes);
    bytes = buf_str(&c->in);
    take_frames(c, &bytes);
    if (!client_is_open(c))
        return;
    if (bytes.len == 0)
        buf_deinit(&c->in);
    else
        buf_consume(&c->in, c->in.len - bytes.len);
    if (bytes.len > FRAME_MAX)
        client_refuse(c, "reading a stanza that has no end", bytes);
}

void client_negotiate(struct client *c)
{
    c->state = CLIENT_NEGOTIATING;
    if (c->login == NULL)
        negotiation_start(c);
    else
        negotiation_restart(c);
}

void client_shake_hands(struct client *c)
{
    enum tls_result result = tls_handshake(&c->pool->tls, c->tls->ssl);

    if (result == TLS_OK || result == TLS_MORE)
        client_write_encrypted(c);
    if (result == TLS_OK) {
        c->pool->handshakes++;
        c->pool->resumed += SSL_session_reused(c->tls->ssl) == 1;
        client_negotiate(c);
    } else if (result != TLS_MORE) {
        client_refuse(c, client_doing(c), str_of(tls_error()));
    }
}

static void closed_by_server(struct client *c)
{
    if (c->state == CLIENT_LEAVING)
        client_close(c, NULL);
    else
        client_refuse(c, client_doing(c), STR("the server closed the connection"));
}

static void take_encrypted(struct client *c, struct str bytes)
{
    struct client_pool *p = c->pool;

    p->tls.in = bytes;
    if (c->state == CLIENT_HANDSHAKE)
        client_shake_hands(c);
    if (!client_is_open(c) || c->state == CLIENT_HANDSHAKE)
        return;
    buf_clear(&p->plain);
    enum tls_result result = tls_read(c->tls->ssl, &p->plain);
    if (p->tls.out.len > 0) /* a reply of TLS's own */
        client_write_encrypted(c);
    if (p->plain.len > 0)
        take_bytes(c, buf_str(&p->plain));
    if (!client_is_open(c) || result == TLS_MORE)
        return;
    if (result == TLS_END)
        closed_by_server(c);
    else
        client_refuse(c, "decrypting", str_of(tls_error()));
}

bool client_receive(struct client *c)
{
    ssize_t n = recv(c->fd, c->pool->received, CLIENT_RECEIVE_BYTES, 0);

    if (n > 0 && c->tls != NULL)
        take_encrypted(c, str_make(c->pool->received, (size_t)n));
    else if (n > 0)
        take_bytes(c, str_make(c->pool->received, (size_t)n));
    else if (n == 0)
        closed_by_server(c);
    else if (errno != EAGAIN && errno != EINTR)
        client_refuse_errno(c, client_doing(c), errno);
    return n > 0;
}
