#include "tests/load/client_private.h"

#include "common/mem.h"
#include "tests/load/stamp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    QUOTE_MAX = 400, /* of what the server said, in messages */
    ASK_EVERY_NS = 100 * 1000 * 1000,
};

static void on_poll(uv_poll_t *poll, int status, int events);

/* ---- closing ---- */

static void close_done(struct client *c)
{
    char *why = c->why;

    c->why = NULL;
    c->state = CLIENT_CLOSED;
    if (!c->pool->is_closing)
        c->pool->settings.events.on_closed(c->pool->settings.context, c, why);
    free(why);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;

    c->has_poll = false;
    close_done(c);
}

static void free_tls(struct client *c)
{
    if (c->tls == NULL)
        return;
    if (c->pool->settings.options->resume && c->online_ns != 0)
        tls_keep_session(c->tls->ssl, &c->session);
    tls_free(&c->tls->ssl);
    buf_deinit(&c->tls->unsent);
    free(c->tls);
    c->tls = NULL;
}

void client_close(struct client *c, char *own_why)
{
    if (c->state == CLIENT_CLOSED || c->state == CLIENT_CLOSING) {
        free(own_why);
        return;
    }
    c->why = own_why;
    c->state = CLIENT_CLOSING;
    free_tls(c);
    negotiation_end(c);
    buf_deinit(&c->in);
    buf_deinit(&c->out);
    c->resume_h = c->sm_received;
    if (c->resume_id == NULL) {
        free(c->jid);
        c->jid = NULL;
    }
    c->has_sm = false;
    if (c->has_poll)
        uv_close((uv_handle_t *)&c->poll, on_poll_closed);
    else
        client_touch(c); /* told when the turn ends: nobody is surprised by a call from within a call */
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

void client_refuse(struct client *c, const char *what, struct str detail)
{
    struct buf why = {0};
    size_t len;

    if (detail.len > QUOTE_MAX)
        detail.len = QUOTE_MAX;
    buf_printf(&why, "user%llu, %s: %.*s", (unsigned long long)(c->pool->settings.options->first + c->index), what,
               STR_ARG(detail));
    client_close(c, buf_take(&why, &len));
}

void client_refuse_errno(struct client *c, const char *doing, int error)
{
    client_refuse(c, doing, str_of(strerror(error)));
}

const char *client_doing(const struct client *c)
{
    switch (c->state) {
    case CLIENT_CONNECTING:
        return "connecting";
    case CLIENT_HANDSHAKE:
        return "in the TLS handshake";
    case CLIENT_JOINING:
        return "joining its group of the relay";
    case CLIENT_NEGOTIATING:
        return negotiation_awaited(c);
    default:
        return "online";
    }
}

/* ---- writing ---- */

void client_touch(struct client *c)
{
    if (c->is_dirty)
        return;
    c->is_dirty = true;
    c->next_dirty = c->pool->dirty;
    c->pool->dirty = c;
}

/* Asks libuv to tell when the socket takes more, or no longer. */
static void want_write(struct client *c, bool wanted)
{
    if (c->wants_write == wanted)
        return;
    c->wants_write = wanted;
    (void)uv_poll_start(&c->poll, UV_READABLE | (wanted ? UV_WRITABLE : 0), on_poll);
}

/* Writes what the kernel takes of `b`, and keeps the rest. */
static void write_bytes(struct client *c, struct buf *b)
{
    ssize_t n = send(c->fd, b->p, b->len, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        /* What the server said before it closed is worth more than the broken pipe: the read will find it, or the end.
         */
        buf_clear(b);
        return;
    }
    if (n == (ssize_t)b->len)
        buf_clear(b);
    else if (n > 0)
        buf_consume(b, (size_t)n);
    want_write(c, b->len > 0);
}

/* Writes the ciphertext that the TLS context holds, which is c's. */
void client_write_encrypted(struct client *c)
{
    struct buf *fresh = &c->pool->tls.out, *unsent = &c->tls->unsent;

    if (unsent->len == 0 && fresh->len > 0) {
        write_bytes(c, fresh);
        buf_append_str(unsent, buf_str(fresh));
    } else if (unsent->len > 0) {
        buf_append_str(unsent, buf_str(fresh));
        write_bytes(c, unsent);
    }
    buf_clear(fresh);
    if (unsent->len == 0)
        buf_deinit(unsent);
}

static void flush(struct client *c)
{
    if (c->state == CLIENT_CLOSED || c->state == CLIENT_CLOSING || c->state == CLIENT_CONNECTING)
        return;
    if (c->tls == NULL) {
        if (c->out.len > 0)
            write_bytes(c, &c->out);
        return;
    }
    if (c->state != CLIENT_HANDSHAKE && c->out.len > 0) {
        if (tls_write(c->tls->ssl, buf_str(&c->out)) != TLS_OK) {
            client_refuse(c, "encrypting", str_of(tls_error()));
            return;
        }
        buf_clear(&c->out);
    }
    client_write_encrypted(c);
}

void client_flush_all(struct client_pool *p)
{
    while (p->dirty != NULL) {
        struct client *c = p->dirty;
        p->dirty = c->next_dirty;
        c->is_dirty = false;
        if (c->state == CLIENT_CLOSING && !c->has_poll)
            close_done(c);
        else
            flush(c);
    }
}

/* ---- connecting ---- */

void client_begin_tls(struct client *c)
{
    c->tls = mem_zalloc(sizeof(*c->tls));
    c->tls->ssl = tls_new(&c->pool->tls, c->pool->settings.options->domain, c->session);
    c->pool->tls.in = (struct str){NULL, 0};
    c->state = CLIENT_HANDSHAKE;
    if (c->tls->ssl == NULL)
        client_refuse(c, client_doing(c), str_of(tls_error()));
    else
        client_shake_hands(c);
}

void client_set_online(struct client *c)
{
    c->state = CLIENT_ONLINE;
    c->online_ns = load_now();
    negotiation_end(c);
    if (c->out.len == 0)
        buf_deinit(&c->out); /* most will say nothing more for long */
    c->pool->settings.events.on_online(c->pool->settings.context, c);
}

static void join_relay(struct client *c)
{
    char jid[64];

    (void)snprintf(jid, sizeof(jid), "user%u@relay/load", c->index);
    c->jid = mem_strndup(jid, strlen(jid));
    c->bare_len = (uint16_t)(strlen(jid) - strlen("/load"));
    c->state = CLIENT_JOINING;
    buf_printf(&c->out, "GROUP %s\n", c->group);
    client_touch(c);
}

static void connected(struct client *c)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        client_refuse_errno(c, client_doing(c), error);
        return;
    }
    (void)uv_poll_start(&c->poll, UV_READABLE, on_poll);
    if (c->pool->settings.options->relay)
        join_relay(c);
    else if (c->pool->settings.options->security == SECURITY_DIRECT)
        client_begin_tls(c);
    else
        client_negotiate(c);
}

/* libuv says that there is an error, not which one, and polls no more. Reading tells, after what has come before it. */
static void failed(struct client *c)
{
    while (client_receive(c) && client_is_open(c))
        ;
    if (client_is_open(c))
        client_refuse(c, client_doing(c), STR("the connection failed"));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct client *c = poll->data;

    if (c->state == CLIENT_CONNECTING) {
        connected(c);
        return;
    }
    if (status < 0) {
        failed(c);
        return;
    }
    if ((events & UV_WRITABLE) != 0)
        flush(c);
    if ((events & UV_READABLE) != 0 && client_is_open(c))
        (void)client_receive(c);
}

/* A socket, from the source address whose turn it is: each has 28 000 ports or so for one destination. -1: errno. */
static int open_socket(const struct client *c, const struct sockaddr_in *server)
{
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (ntohl(server->sin_addr.s_addr) >> 24 == 127) {
        struct sockaddr_in source = {.sin_family = AF_INET};
        source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + c->index % (uint32_t)c->pool->settings.options->sources);
        /* The port is chosen by connect(), so that sources may share it. */
        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        if (bind(fd, (struct sockaddr *)&source, sizeof(source)) != 0) {
            int error = errno;
            close(fd);
            errno = error;
            return -1;
        }
    }
    return fd;
}

void client_connect(struct client *c)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->pool->settings.options->port)};

    (void)inet_pton(AF_INET, c->pool->settings.options->host, &server.sin_addr);
    c->state = CLIENT_CONNECTING;
    c->connect_ns = load_now();
    c->online_ns = c->asked_ns = 0;
    if (c->resume_id == NULL)
        c->sm_received = c->sm_sent = c->sm_acknowledged = 0;
    c->frames = (struct frames){0};
    c->wants_write = false;
    c->fd = open_socket(c, &server);
    if (c->fd < 0 || (connect(c->fd, (struct sockaddr *)&server, sizeof(server)) != 0 && errno != EINPROGRESS)) {
        client_refuse_errno(c, client_doing(c), errno);
        return;
    }
    (void)uv_poll_init(c->pool->loop, &c->poll, c->fd);
    c->poll.data = c;
    c->has_poll = true;
    (void)uv_poll_start(&c->poll, UV_WRITABLE, on_poll);
}

void client_logout(struct client *c)
{
    if (c->state != CLIENT_ONLINE || c->pool->settings.options->relay) {
        client_cut(c, false);
        return;
    }
    free(c->resume_id); /* who says goodbye leaves nothing behind */
    c->resume_id = NULL;
    buf_append_cstr(&c->out, "</stream:stream>");
    client_touch(c);
    c->state = CLIENT_LEAVING;
}

void client_cut(struct client *c, bool is_reset)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (!client_is_open(c))
        return;
    if (is_reset && c->fd >= 0) {
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    } else if (c->tls != NULL && c->state != CLIENT_HANDSHAKE) {
        tls_goodbye(c->tls->ssl);
        client_write_encrypted(c);
    }
    client_close(c, NULL);
}

/* ---- what scenarios use ---- */

struct buf *client_begin_send(struct client *c)
{
    return &c->out;
}

void client_end_send(struct client *c)
{
    c->sm_sent++;
    client_touch(c);
}

void client_send(struct client *c, struct str stanza)
{
    buf_append_str(&c->out, stanza);
    client_end_send(c);
}

size_t client_unsent(const struct client *c)
{
    return c->out.len + (c->tls != NULL ? c->tls->unsent.len : 0);
}

bool client_is_acknowledged(struct client *c)
{
    if (!c->has_sm || c->sm_acknowledged == c->sm_sent)
        return true;
    uint64_t now = load_now();
    if (now - c->asked_ns >= ASK_EVERY_NS) {
        c->asked_ns = now;
        buf_append_cstr(&c->out, "<r xmlns='urn:xmpp:sm:3'/>");
        client_touch(c);
    }
    return false;
}

void client_explain_acknowledgement(const struct client *c, struct buf *out)
{
    buf_printf(out, "user%llu has sent %u stanzas, and the server has acknowledged %u",
               (unsigned long long)(c->pool->settings.options->first + c->index), c->sm_sent, c->sm_acknowledged);
}

bool client_is_closed(const struct client *c)
{
    return c->state == CLIENT_CLOSED;
}

void client_explain(const struct client *c, struct buf *out)
{
    buf_printf(out, "user%llu, %s", (unsigned long long)(c->pool->settings.options->first + c->index), client_doing(c));
}

bool client_is_online(const struct client *c)
{
    return c->state == CLIENT_ONLINE;
}

uint32_t client_index(const struct client *c)
{
    return c->index;
}

void *client_data(const struct client *c)
{
    return c->data;
}

void client_set_data(struct client *c, void *data)
{
    c->data = data;
}

void client_set_group(struct client *c, const char *group)
{
    free(c->group);
    c->group = mem_strndup(group, strlen(group));
}

uint64_t client_connect_ns(const struct client *c)
{
    return c->connect_ns;
}

uint64_t client_online_ns(const struct client *c)
{
    return c->online_ns;
}

struct str client_jid(const struct client *c)
{
    return str_of(c->jid);
}

struct str client_bare_jid(const struct client *c)
{
    return str_make(c->jid, c->bare_len);
}
