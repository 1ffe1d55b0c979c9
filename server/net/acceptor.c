#include "server/net/acceptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "common/mem.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/net/conn.h"
#include "server/net/proxy_header.h"
#include "server/net/throttle.h"

enum {
    ACCEPTS_A_TURN = 64,    /* so that one listener cannot keep the others waiting */
    PROXY_TIMEOUT_S = 5,    /* a balancer sends its header with its first packet */
    ACCEPT_PAUSE_MS = 1000, /* when the process is out of file descriptors */
    PENDING_MAX = 4096,     /* connections whose header is awaited */
};

struct listener {
    uv_poll_t poll;
    uv_timer_t retry; /* ends a pause */
    struct acceptor *acceptor;
    int fd;
    enum conn_security security;
    bool wants_proxy;
    bool trusts_proxy_tls;
};

/* A connection whose PROXY header has not come yet. */
struct pending {
    uv_poll_t poll;
    struct acceptor *acceptor;
    struct pending *next, **prev;
    struct listener *listener;
    struct sockaddr_storage peer;
    uint64_t since_ms;
    int fd;
};

struct address {
    uint32_t connections;
    size_t len;
    char bytes[16];
};

/* Travels with a connection and comes back when it has ended. */
struct gone {
    struct task task;
    struct acceptor *acceptor;
    struct address *address;
};

struct acceptor {
    uv_loop_t *loop;
    struct server *server;
    struct config *config;
    struct listener *listeners;
    size_t n_listeners;
    struct pending *pending;
    size_t n_pending;
    struct hash_table addresses;
    uint64_t connections;
    unsigned next_worker;
    uv_timer_t ticker;
    bool is_stopped;
};

/* ---- limits ---- */

static struct address *address_of(struct acceptor *a, const struct sockaddr_storage *peer)
{
    char bytes[16];
    struct str key = throttle_address((const struct sockaddr *)peer, bytes);
    struct address *found = hash_table_get(&a->addresses, key);

    if (found != NULL)
        return found;
    found = mem_zalloc(sizeof(*found));
    memcpy(found->bytes, key.p, key.len);
    found->len = key.len;
    (void)hash_table_put(&a->addresses, str_make(found->bytes, found->len), found);
    return found;
}

static void forget_if_unused(struct acceptor *a, struct address *address)
{
    if (address->connections > 0)
        return;
    (void)hash_table_remove(&a->addresses, str_make(address->bytes, address->len));
    free(address);
}

static void on_gone(struct task *own_task)
{
    struct gone *g = container_of(own_task, struct gone, task);

    g->acceptor->connections--;
    g->address->connections--;
    forget_if_unused(g->acceptor, g->address);
    free(g);
}

static bool is_within_limits(struct acceptor *a, struct address *address, const struct sockaddr_storage *peer)
{
    const char *limit = NULL;

    if (a->connections >= a->config->limits.connections)
        limit = "limits.connections";
    else if (address->connections >= a->config->limits.connections_per_address)
        limit = "limits.connections_per_address";
    if (limit == NULL)
        return true;
    log_warn(LOG_NET, 0, "connection.refused", F_CSTR("limit", limit), F_ADDR("peer", (const struct sockaddr *)peer));
    return false;
}

/* ---- to the workers ---- */

struct arrival {
    struct task task;
    struct worker *to;
    struct conn_parcel *parcel;
};

static void run_arrival(struct task *own_task)
{
    struct arrival *x = container_of(own_task, struct arrival, task);

    x->to->server->events->on_accepted(x->to, conn_from_parcel(x->to, x->parcel));
    free(x);
}

/* TLS as good as our own: older versions are not (RFC 8996). Balancers write "TLSv1.3" or "TLS 1.3". */
static bool is_current_tls(struct str version)
{
    struct str number = version.len < 3 ? version : str_make(version.p + version.len - 3, 3);

    return str_starts(version, STR("TLS")) && (str_is(number, "1.2") || str_is(number, "1.3"));
}

static bool is_secured_by_balancer(const struct listener *l, const struct proxy_header *h)
{
    return l->trusts_proxy_tls && h->tls.is_used && is_current_tls(h->tls.version);
}

static void log_proxied(uint64_t id, const struct sockaddr_storage *peer, const struct proxy_header *h)
{
    log_debug(LOG_NET, id, "proxy.accepted", F_ADDR("peer", (const struct sockaddr *)peer),
              F_STR("tls", h->tls.is_used ? h->tls.version : STR("none")), F_STR("cipher", h->tls.cipher),
              F_STR("sni", h->authority), F_STR("alpn", h->alpn), F_STR("certificate", h->tls.common_name),
              F_BOOL("verified", h->tls.is_certificate_verified), F_STR("unique_id", h->unique_id));
}

/* Takes the descriptor. `header`: what the balancer said; NULL: there is none. */
static void hand_over(struct listener *l, int fd, const struct sockaddr_storage *peer,
                      const struct proxy_header *header)
{
    struct acceptor *a = l->acceptor;
    struct address *address = address_of(a, peer);
    struct arrival *x;
    struct gone *g;
    uint64_t id;

    if (a->is_stopped || !is_within_limits(a, address, peer)) {
        forget_if_unused(a, address);
        (void)close(fd);
        return;
    }
    a->connections++;
    address->connections++;
    g = mem_alloc(sizeof(*g));
    *g = (struct gone){.task.run = on_gone, .acceptor = a, .address = address};
    x = mem_alloc(sizeof(*x));
    x->task.run = run_arrival;
    x->to = a->server->workers[a->next_worker];
    a->next_worker = (a->next_worker + 1) % a->server->n_workers;
    id = atomic_fetch_add(&a->server->next_conn_id, 1);
    x->parcel = conn_parcel_new(fd, peer, id, l->security, a->server->control, &g->task);
    if (header != NULL) {
        log_proxied(id, peer, header);
        if (is_secured_by_balancer(l, header))
            conn_parcel_set_proxy_tls(x->parcel, header->tls.version, header->tls.cipher);
        else if (l->trusts_proxy_tls && header->tls.is_used)
            log_info(LOG_NET, id, "proxy.tls_too_old", F_STR("version", header->tls.version));
    }
    executor_post(&x->to->executor, &x->task);
}

/* ---- PROXY headers ---- */

static void on_pending_closed(uv_handle_t *h)
{
    free(h->data);
}

/* Forgets it; the descriptor is the caller's. */
static void drop_pending(struct pending *p)
{
    *p->prev = p->next;
    if (p->next != NULL)
        p->next->prev = p->prev;
    p->acceptor->n_pending--;
    (void)uv_poll_stop(&p->poll);
    uv_close((uv_handle_t *)&p->poll, on_pending_closed);
}

static void refuse_pending(struct pending *p, const char *why)
{
    int fd = p->fd;

    log_info(LOG_NET, 0, "proxy.refused", F_CSTR("why", why), F_ADDR("peer", (const struct sockaddr *)&p->peer));
    drop_pending(p);
    (void)close(fd);
}

static void accept_pending(struct pending *p, const struct proxy_header *header, char *bytes)
{
    struct sockaddr_storage peer = header->is_local ? p->peer : header->source;
    struct listener *l = p->listener;
    int fd = p->fd, one = 1;

    /* As where TLS ends here (XEP-0368): who agreed on another protocol is not to be talked into this one. */
    if (is_secured_by_balancer(l, header) && header->alpn.len > 0 && !str_is(header->alpn, "xmpp-client")) {
        refuse_pending(p, "ALPN is not xmpp-client");
        return;
    }
    /* Only looked at so far, and read into the same place, where the header's texts stay valid: what follows it stays
     * in the socket, for the worker. */
    if (recv(fd, bytes, header->len, 0) != (ssize_t)header->len) {
        refuse_pending(p, "unreadable");
        return;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
    drop_pending(p);
    hand_over(l, fd, &peer, header);
}

static void on_pending_readable(uv_poll_t *h, int status, int events)
{
    struct pending *p = h->data;
    struct proxy_header header;
    char bytes[PROXY_HEADER_MAX];
    ssize_t n;
    int more;

    n = status < 0 ? 0 : recv(p->fd, bytes, sizeof(bytes), MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        refuse_pending(p, "closed before the header");
        return;
    }
    switch (proxy_header_parse(str_make(bytes, (size_t)n), &header)) {
    case PROXY_OK:
        accept_pending(p, &header, bytes);
        return;
    case PROXY_INVALID:
        refuse_pending(p, "not a PROXY header");
        return;
    case PROXY_NEED_MORE:
        if ((events & UV_DISCONNECT) != 0) { /* no more will come, and we would be told so without end */
            refuse_pending(p, "closed within the header");
            return;
        }
        /* Be woken when there is more than was seen, not again and again for the same bytes. */
        more = (int)n + 1;
        (void)setsockopt(p->fd, SOL_SOCKET, SO_RCVLOWAT, &more, sizeof(more));
        return;
    }
}

static void await_header(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
    struct acceptor *a = l->acceptor;
    struct pending *p;

    if (!config_networks_contain(&a->config->proxy.trusted_networks, (const struct sockaddr *)peer)) {
        log_warn(LOG_NET, 0, "proxy.refused", F_CSTR("why", "not in proxy.trusted_networks"),
                 F_ADDR("peer", (const struct sockaddr *)peer));
        (void)close(fd);
        return;
    }
    p = mem_zalloc(sizeof(*p));
    if (a->n_pending >= PENDING_MAX || uv_poll_init(a->loop, &p->poll, fd) != 0) {
        (void)close(fd);
        free(p);
        return;
    }
    p->poll.data = p;
    p->acceptor = a;
    p->listener = l;
    p->fd = fd;
    p->peer = *peer;
    p->since_ms = uv_now(a->loop);
    p->next = a->pending;
    p->prev = &a->pending;
    if (p->next != NULL)
        p->next->prev = &p->next;
    a->pending = p;
    a->n_pending++;
    (void)uv_poll_start(&p->poll, UV_READABLE | UV_DISCONNECT, on_pending_readable);
}

static void on_tick(uv_timer_t *t)
{
    struct acceptor *a = t->data;

    for (struct pending *p = a->pending, *next; p != NULL; p = next) {
        next = p->next;
        if (uv_now(a->loop) - p->since_ms > PROXY_TIMEOUT_S * 1000)
            refuse_pending(p, "no header in time");
    }
}

/* ---- listening ---- */

static void on_acceptable(uv_poll_t *h, int status, int events);

static void accept_again(uv_timer_t *t)
{
    struct listener *l = t->data;

    (void)uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
}

/* Out of descriptors: the kernel holds the connection, and would tell us of it without end. */
static void pause_accepting(struct listener *l)
{
    log_error(LOG_NET, 0, "accept.failed", F_CSTR("why", strerror(errno)),
              F_CSTR("mend", "raise the limit on open files (ulimit -n, LimitNOFILE)"));
    (void)uv_poll_stop(&l->poll);
    (void)uv_timer_start(&l->retry, accept_again, ACCEPT_PAUSE_MS, 0);
}

static void on_acceptable(uv_poll_t *h, int status, int events)
{
    struct listener *l = h->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof(peer);
        int one = 1, fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_accepting(l);
            return;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* we gather writes ourselves */
        if (l->wants_proxy)
            await_header(l, fd, &peer);
        else
            hand_over(l, fd, &peer, NULL);
    }
}

static bool make_address(const struct config_listener *c, struct sockaddr_storage *out, socklen_t *ret_len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;

    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, c->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)c->port);
        *ret_len = sizeof(*v4);
        return true;
    }
    if (inet_pton(AF_INET6, c->address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)c->port);
        *ret_len = sizeof(*v6);
        return true;
    }
    return false;
}

static int open_socket(const struct config_listener *c)
{
    struct sockaddr_storage addr;
    socklen_t len;
    int one = 1, zero = 0, fd;

    if (!make_address(c, &addr, &len)) {
        errno = EINVAL;
        return -1;
    }
    fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && addr.ss_family == AF_INET6 &&
        IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)(void *)&addr)->sin6_addr)) {
        /* A machine without IPv6 still has all of IPv4. */
        struct config_listener v4 = *c;

        v4.address = "0.0.0.0";
        return open_socket(&v4);
    }
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (addr.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    if (bind(fd, (struct sockaddr *)&addr, len) != 0 || listen(fd, (int)c->backlog) != 0) {
        int saved = errno;

        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);

    (void)getsockname(fd, (struct sockaddr *)&addr, &len);
    return ntohs(addr.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&addr)->sin_port
                                           : ((struct sockaddr_in6 *)(void *)&addr)->sin6_port);
}

static const enum conn_security security_of[] = {
    [CONFIG_TLS_STARTTLS] = CONN_STARTTLS,
    [CONFIG_TLS_DIRECT] = CONN_DIRECT_TLS,
    [CONFIG_TLS_NONE] = CONN_PLAIN,
};

static enum ln_err open_listener(struct acceptor *a, struct listener *l, const struct config_listener *c,
                                 char *ret_error)
{
    uint16_t port;

    l->acceptor = a;
    l->security = c->serves == CONFIG_SERVES_COMPONENTS ? CONN_COMPONENT : security_of[c->tls];
    l->wants_proxy = c->proxy_protocol == CONFIG_PROXY_REQUIRED;
    l->trusts_proxy_tls = c->proxy_tls;
    l->fd = open_socket(c);
    if (l->fd < 0) {
        (void)snprintf(ret_error, 256, "cannot listen on %s port %u: %s%s", c->address, (unsigned)c->port,
                       strerror(errno), errno == EADDRINUSE ? " (is another server running?)" : "");
        return LN_E_IO;
    }
    port = bound_port(l->fd);
    if (uv_poll_init(a->loop, &l->poll, l->fd) != 0) {
        (void)snprintf(ret_error, 256, "cannot watch the listener on port %u", (unsigned)port);
        (void)close(l->fd);
        l->fd = -1;
        return LN_E_IO;
    }
    (void)uv_timer_init(a->loop, &l->retry);
    l->poll.data = l->retry.data = l;
    (void)uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
    log_info(LOG_NET, 0, "listener.open", F_CSTR("address", c->address), F_U64("port", port),
             F_CSTR("serves", config_names_listener_role[c->serves]), F_CSTR("tls", config_names_tls_mode[c->tls]),
             F_BOOL("proxy", l->wants_proxy), F_BOOL("proxy_tls", l->trusts_proxy_tls));
    return LN_OK;
}

enum ln_err acceptor_open(uv_loop_t *loop, struct server *server, struct config *config, struct acceptor **ret,
                          char *ret_error)
{
    struct acceptor *a = mem_zalloc(sizeof(*a));
    enum ln_err err = LN_OK;

    a->loop = loop;
    a->server = server;
    a->config = config_ref(config);
    hash_table_init(&a->addresses, &server->table_key);
    (void)uv_timer_init(loop, &a->ticker);
    a->ticker.data = a;
    (void)uv_timer_start(&a->ticker, on_tick, 1000, 1000);
    a->listeners = mem_zalloc(config->n_listeners * sizeof(*a->listeners));
    *ret = a;
    for (size_t i = 0; i < config->n_listeners && err == LN_OK; i++) {
        err = open_listener(a, &a->listeners[i], &config->listeners[i], ret_error);
        a->n_listeners += err == LN_OK;
    }
    return err;
}

void acceptor_set_config(struct acceptor *a, struct config *config)
{
    config_unref(&a->config);
    a->config = config_ref(config);
}

void acceptor_stop_listening(struct acceptor *a)
{
    if (a->is_stopped)
        return;
    a->is_stopped = true;
    while (a->pending != NULL)
        refuse_pending(a->pending, "the server stops");
    for (size_t i = 0; i < a->n_listeners; i++) {
        (void)uv_poll_stop(&a->listeners[i].poll);
        uv_close((uv_handle_t *)&a->listeners[i].poll, NULL);
        uv_close((uv_handle_t *)&a->listeners[i].retry, NULL);
        (void)close(a->listeners[i].fd);
    }
}

void acceptor_close(struct acceptor *a)
{
    if (a == NULL)
        return;
    acceptor_stop_listening(a);
    uv_close((uv_handle_t *)&a->ticker, NULL);
}

void acceptor_free(struct acceptor **own_a)
{
    struct acceptor *a = *own_a;
    struct address *address;

    *own_a = NULL;
    if (a == NULL)
        return;
    for (size_t cursor = 0; (address = hash_table_next(&a->addresses, &cursor)) != NULL;)
        free(address);
    hash_table_deinit(&a->addresses);
    config_unref(&a->config);
    free(a->listeners);
    free(a);
}
