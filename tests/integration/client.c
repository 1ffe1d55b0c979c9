#include "client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strophe.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct arrival {
    struct node *node;
    struct arrival *next;
};

struct client_private {
    struct harness *harness;
    xmpp_conn_t *conn;
    int socket;            /* libstrophe's; -1 before it has one */
    struct arrival *queue; /* oldest first */
    struct arrival **end;
    struct arrival *taken; /* the test has them, and may look at them again */
    unsigned ids;
    bool is_ended; /* libstrophe has said so */
};

/* Events that libstrophe reports without a pointer of ours. */
static struct harness *pumped;

/* ---- from libstrophe's trees to ours ---- */

static struct node *convert(struct node *parent, xmpp_stanza_t *st)
{
    const char *attrs[128];
    int n = xmpp_stanza_get_attributes(st, attrs, 128);
    struct node *node = node_new(parent, xmpp_stanza_get_name(st), xmpp_stanza_get_ns(st));

    /* libstrophe drops prefixes of attributes: in stanzas the one that has any is xml:lang. */
    for (int i = 0; i + 1 < n; i += 2)
        if (strcmp(attrs[i], "xmlns") != 0)
            node_add_attr(node, strcmp(attrs[i], "lang") == 0 ? "xml:lang" : attrs[i], attrs[i + 1]);
    for (xmpp_stanza_t *child = xmpp_stanza_get_children(st); child != NULL; child = xmpp_stanza_get_next(child)) {
        if (xmpp_stanza_is_text(child)) {
            const char *text = xmpp_stanza_get_text_ptr(child);

            node_add_text(node, text, strlen(text));
        } else {
            convert(node, child);
        }
    }
    return node;
}

static int on_stanza(xmpp_conn_t *conn, xmpp_stanza_t *st, void *userdata)
{
    struct client *c = userdata;
    struct arrival *a;

    (void)conn;
    if (strcmp(xmpp_stanza_get_name(st), "a") == 0) {
        const char *h = xmpp_stanza_get_attribute(st, "h");

        c->acked = h == NULL ? 0 : (unsigned)strtoul(h, NULL, 10);
        c->acks++;
        return 1;
    }
    if (strcmp(xmpp_stanza_get_name(st), "r") == 0) /* libstrophe answers */
        return 1;
    if (xmpp_stanza_get_id(st) != NULL && strncmp(xmpp_stanza_get_id(st), "_xmpp_", 6) == 0) /* its own requests */
        return 1;
    a = calloc(1, sizeof(*a));
    assert(a != NULL);
    a->node = convert(NULL, st);
    *c->priv->end = a;
    c->priv->end = &a->next;
    return 1;
}

static char *condition_of(const xmpp_stream_error_t *error)
{
    struct node *node = error == NULL || error->stanza == NULL ? NULL : convert(NULL, error->stanza);
    char *name = NULL;

    for (const struct node *child = node == NULL ? NULL : node->child; child != NULL && name == NULL;
         child = child->next)
        if (strcmp(child->ns, "urn:ietf:params:xml:ns:xmpp-streams") == 0 && strcmp(child->name, "text") != 0)
            name = strdup(child->name);
    node_free(&node);
    return name;
}

static void on_connection(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *stream_error,
                          void *userdata)
{
    struct client *c = userdata;

    (void)error;
    if (event == XMPP_CONN_CONNECT) {
        free(c->jid);
        c->jid = strdup(xmpp_conn_get_bound_jid(conn));
        c->is_bound = true;
        xmpp_handler_add(conn, on_stanza, NULL, NULL, NULL, c);
        return;
    }
    c->is_closed = true;
    c->priv->is_ended = true;
    if (c->stream_error == NULL)
        c->stream_error = condition_of(stream_error);
}

static int on_socket(xmpp_conn_t *conn, void *sock)
{
    for (struct client *c = pumped->clients; c != NULL; c = c->next)
        if (c->priv->conn == conn)
            c->priv->socket = *(int *)sock;
    return 0;
}

/* ---- sanitizers ---- */

#if defined(__SANITIZE_ADDRESS__)
const char *__lsan_default_suppressions(void);

/* libstrophe 0.14 loses its SASL state when a login fails. The server is another program, and nothing of ours is named
 * here. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libstrophe.so\n";
}
#endif

/* ---- the loop ---- */

/* The certificates of a test are trusted as they are. Without this libstrophe would read all that the system trusts for
 * each login, which takes longer than the login. */
static void trust_nobody(void)
{
    (void)setenv("SSL_CERT_FILE", "/dev/null", 1);
    (void)setenv("SSL_CERT_DIR", "/nonexistent", 1);
}

static xmpp_ctx_t *context(struct harness *h)
{
    if (h->strophe == NULL) {
        trust_nobody();
        xmpp_initialize();
        h->strophe =
            xmpp_ctx_new(NULL, getenv("LINNET_TEST_WIRE") == NULL ? NULL : xmpp_get_default_logger(XMPP_LEVEL_DEBUG));
    }
    return h->strophe;
}

void client_pump(struct harness *h, int timeout_ms)
{
    pumped = h;
    xmpp_run_once(context(h), (unsigned long)timeout_ms);
}

/* ---- coming and going ---- */

struct client *client_connect(struct harness *h, const char *jid, const char *password, enum client_flags flags)
{
    struct client *c = calloc(1, sizeof(*c));
    long strophe_flags = XMPP_CONN_FLAG_TRUST_TLS;
    bool is_direct = (flags & CLIENT_DIRECT_TLS) != 0;

    assert(c != NULL);
    c->priv = calloc(1, sizeof(*c->priv));
    assert(c->priv != NULL);
    c->bare = strndup(jid, strcspn(jid, "/"));
    c->user = strndup(jid, strcspn(jid, "@"));
    c->priv->harness = h;
    c->priv->socket = -1;
    c->priv->end = &c->priv->queue;
    c->priv->conn = xmpp_conn_new(context(h));
    c->next = h->clients;
    h->clients = c;
    strophe_flags |= is_direct ? XMPP_CONN_FLAG_LEGACY_SSL : XMPP_CONN_FLAG_MANDATORY_TLS;
    if ((flags & CLIENT_ACKS) == 0)
        strophe_flags |= XMPP_CONN_FLAG_DISABLE_SM;
    assert_int_equal(xmpp_conn_set_flags(c->priv->conn, strophe_flags), 0);
    xmpp_conn_set_jid(c->priv->conn, jid);
    xmpp_conn_set_pass(c->priv->conn, password);
    pumped = h;
    xmpp_conn_set_sockopt_callback(c->priv->conn, on_socket);
    if (xmpp_connect_client(c->priv->conn, "127.0.0.1", h->ports[is_direct ? HARNESS_DIRECT_TLS : HARNESS_STARTTLS],
                            on_connection, c) != XMPP_EOK)
        test_fail("%s: libstrophe cannot connect", jid);
    return c;
}

bool client_wait_login(struct client *c)
{
    long until = now_ms() + test_patience_ms();

    while (!c->is_bound && !c->is_closed) {
        if (now_ms() > until)
            test_fail("%s: the login neither succeeded nor failed", c->bare);
        client_pump(c->priv->harness, 100);
    }
    return c->is_bound;
}

struct client *client_login(struct harness *h, const struct account *a, const char *resource, enum client_flags flags)
{
    char *jid = resource == NULL ? strdup(a->jid) : text_format("%s/%s", a->jid, resource);
    struct client *c = client_connect(h, jid, a->password, flags);

    free(jid);
    if (!client_wait_login(c))
        test_fail("%s: the login failed (%s)", a->jid, c->stream_error == NULL ? "no stream error" : c->stream_error);
    return c;
}

struct client *harness_login(struct harness *h)
{
    return client_login(h, harness_account(h), "test", 0);
}

struct client *harness_login_on(struct harness *h, unsigned worker)
{
    for (struct account *a = h->accounts; a != NULL; a = a->next)
        if (a->spare_on == worker + 1) {
            a->spare_on = 0;
            return client_login(h, a, "test", 0);
        }
    /* With a hash that spreads evenly over 4 workers, 100 misses in a row happen once in 10^12. */
    for (int i = 0; i < 100; i++) {
        struct client *c = harness_login(h);
        int home = harness_worker_of(h, c->jid);

        if (home == (int)worker)
            return c;
        h->accounts->spare_on = (unsigned)home + 1; /* the newest: for a later call */
        client_logout(c);
    }
    test_fail("of 100 accounts none lives on worker %u", worker);
}

void client_go_online(struct client *c, int priority)
{
    client_send(c, "<presence><priority>%d</priority></presence>", priority);
    client_expect_any(c, "presence[@from='%s'][not(@type)]", c->jid);
}

static void subscribe(struct client *asker, struct client *asked)
{
    client_send(asker, "<presence to='%s' type='subscribe'/>", asked->bare);
    client_expect_any(asked, "presence[@type='subscribe'][@from='%s']", asker->bare);
    client_send(asked, "<presence to='%s' type='subscribed'/>", asker->bare);
    client_expect_any(asker, "presence[@from='%s'][not(@type)]", asked->jid);
}

void client_befriend(struct client *a, struct client *b)
{
    client_go_online(a, 0);
    client_go_online(b, 0);
    client_request(a, "get", NULL, "<query xmlns='jabber:iq:roster'/>");
    client_request(b, "get", NULL, "<query xmlns='jabber:iq:roster'/>");
    subscribe(a, b);
    subscribe(b, a);
    client_expect_any(a, "iq/query/item[@jid='%s'][@subscription='both']", b->bare);
    client_expect_any(b, "iq/query/item[@jid='%s'][@subscription='both']", a->bare);
    client_sync(a, b);
    client_sync(b, a);
    client_drain(a);
    client_drain(b);
}

static void wait_end(struct client *c)
{
    long until = now_ms() + test_patience_ms();

    while (!c->priv->is_ended) {
        if (now_ms() > until)
            test_fail("%s: the connection did not end", c->bare);
        client_pump(c->priv->harness, 100);
    }
}

void client_logout(struct client *c)
{
    if (!c->priv->is_ended)
        xmpp_disconnect(c->priv->conn);
    wait_end(c);
}

void client_drop(struct client *c)
{
    if (c->priv->is_ended)
        return;
    assert_true(c->priv->socket >= 0);
    shutdown(c->priv->socket, SHUT_RDWR);
    wait_end(c);
}

void client_expect_closed_(const char *file, int line, struct client *c, const char *condition)
{
    wait_end(c);
    if (condition == NULL ? c->stream_error != NULL
                          : c->stream_error == NULL || strcmp(c->stream_error, condition) != 0)
        test_fail_at(file, line, "%s: the stream ended with %s, not with %s", c->bare,
                     c->stream_error == NULL ? "no error" : c->stream_error, condition == NULL ? "none" : condition);
}

static void client_free(struct client *c)
{
    if (!c->priv->is_ended && c->priv->socket >= 0)
        shutdown(c->priv->socket, SHUT_RDWR);
    for (int i = 0; i < 50 && !c->priv->is_ended; i++)
        client_pump(c->priv->harness, 20);
    xmpp_conn_release(c->priv->conn);
    client_drain(c);
    while (c->priv->taken != NULL) {
        struct arrival *a = c->priv->taken;

        c->priv->taken = a->next;
        node_free(&a->node);
        free(a);
    }
    free(c->priv);
    free(c->jid);
    free(c->bare);
    free(c->user);
    free(c->stream_error);
    free(c);
}

void client_forget_all(struct harness *h)
{
    while (h->clients != NULL) {
        struct client *c = h->clients;

        h->clients = c->next;
        client_free(c);
    }
    if (h->strophe != NULL) {
        xmpp_ctx_free(h->strophe);
        h->strophe = NULL;
        xmpp_shutdown();
    }
}

/* ---- sending ---- */

void client_send(struct client *c, const char *fmt, ...)
{
    char *text;
    int len;
    va_list ap;

    va_start(ap, fmt);
    len = vasprintf(&text, fmt, ap);
    va_end(ap);
    assert_true(len >= 0);
    if (c->is_closed)
        test_fail("%s: the connection ended (%s) before this was sent: %s", c->bare,
                  c->stream_error == NULL ? "no stream error" : c->stream_error, text);
    xmpp_send_raw(c->priv->conn, text, (size_t)len);
    c->sent++;
    free(text);
    client_pump(c->priv->harness, 0); /* on its way, even if the test waits for something else next */
}

const struct node *client_request_(const char *file, int line, struct client *c, const char *type, const char *to,
                                   const char *fmt, ...)
{
    char *payload, *address = to == NULL ? strdup("") : text_format(" to='%s'", to);
    unsigned id = ++c->priv->ids;
    va_list ap;

    va_start(ap, fmt);
    assert_true(vasprintf(&payload, fmt, ap) >= 0);
    va_end(ap);
    client_send(c, "<iq id='ask%u' type='%s'%s>%s</iq>", id, type, address, payload);
    free(payload);
    free(address);
    return client_expect_(file, line, c, false, "iq[@id='ask%u']", id);
}

void client_wait_acked(struct client *c)
{
    static const char ask[] = "<r xmlns='urn:xmpp:sm:3'/>";
    long until = now_ms() + test_patience_ms();

    unsigned answers = c->acks;

    /* libstrophe asks too, but not again after an answer that did not cover everything. */
    xmpp_send_raw(c->priv->conn, ask, sizeof(ask) - 1);
    while (c->acked < c->sent) {
        if (now_ms() > until || c->is_closed)
            test_fail("%s: %u of %u stanzas were acknowledged", c->bare, c->acked, c->sent);
        client_pump(c->priv->harness, 100);
        if (c->acks != answers && c->acked < c->sent)
            xmpp_send_raw(c->priv->conn, ask, sizeof(ask) - 1);
        answers = c->acks;
    }
}

/* ---- receiving ---- */

static void fail_with_queue(const char *file, int line, const struct client *c, const char *what, const char *path)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    for (const struct arrival *a = c->priv->queue; a != NULL; a = a->next) {
        char *stanza = node_describe(a->node);

        fprintf(out, "\n    %.2000s", stanza);
        free(stanza);
    }
    fclose(out);
    test_fail_at(file, line, "%s: %s %s%s; in its queue:%s", c->jid == NULL ? c->bare : c->jid, what, path,
                 c->is_closed ? " (the connection has ended)" : "", len == 0 ? " nothing" : text);
}

static const struct node *take(struct client *c, struct arrival **at)
{
    struct arrival *a = *at;

    *at = a->next;
    if (a->next == NULL)
        c->priv->end = at;
    a->next = c->priv->taken;
    c->priv->taken = a;
    return a->node;
}

/* Where in the queue the first one that matches hangs, or NULL. */
static struct arrival **find_waiting(struct client *c, const char *path)
{
    for (struct arrival **at = &c->priv->queue; *at != NULL; at = &(*at)->next)
        if (node_matches((*at)->node, path))
            return at;
    return NULL;
}

/* The first of the kind that the path begins with, which must match. */
static struct arrival **find_next(const char *file, int line, struct client *c, const char *path)
{
    size_t len = strcspn(path, "/[");

    for (struct arrival **at = &c->priv->queue; *at != NULL; at = &(*at)->next) {
        const char *name = (*at)->node->name;

        if (strlen(name) != len || strncmp(name, path, len) != 0)
            continue;
        if (!node_matches((*at)->node, path))
            fail_with_queue(file, line, c, "the next one is not", path);
        return at;
    }
    return NULL;
}

static const struct node *expect(const char *file, int line, struct client *c, bool is_next, const char *path)
{
    long until = now_ms() + test_patience_ms();

    for (;;) {
        struct arrival **at = is_next ? find_next(file, line, c, path) : find_waiting(c, path);

        if (at != NULL)
            return take(c, at);
        if (c->is_closed || now_ms() > until)
            fail_with_queue(file, line, c, "there was no", path);
        client_pump(c->priv->harness, 100);
    }
}

const struct node *client_expect_(const char *file, int line, struct client *c, bool is_next, const char *fmt, ...)
{
    char path[4096];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    return expect(file, line, c, is_next, path);
}

void client_barrier_(const char *file, int line, struct client *c)
{
    const char *domain = strchr(c->bare, '@') + 1;

    (void)client_request_(file, line, c, "get", domain, "<ping xmlns='urn:xmpp:ping'/>");
}

void client_barrier_via_(const char *file, int line, struct client *c, const char *bare_jid)
{
    (void)client_request_(file, line, c, "get", bare_jid, "<ping xmlns='urn:xmpp:ping'/>");
}

void client_expect_none_(const char *file, int line, struct client *c, const char *fmt, ...)
{
    char path[4096];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    client_barrier_(file, line, c);
    if (find_waiting(c, path) != NULL)
        fail_with_queue(file, line, c, "there should be no", path);
}

void client_sync_(const char *file, int line, struct client *from, struct client *to)
{
    unsigned id = ++from->priv->ids;

    client_send(from, "<message to='%s' type='headline' id='sync%u'><body>sync</body></message>", to->jid, id);
    (void)client_expect_(file, line, to, false, "message[@id='sync%u'][@from='%s']", id, from->jid);
}

void client_drain(struct client *c)
{
    while (c->priv->queue != NULL)
        (void)take(c, &c->priv->queue);
}

size_t client_count(const struct client *c, const char *path)
{
    size_t n = 0;

    for (const struct arrival *a = c->priv->queue; a != NULL; a = a->next)
        if (node_matches(a->node, path))
            n++;
    return n;
}
