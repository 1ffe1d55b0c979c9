#include "raw.h"
#include "client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <expat.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_SEPARATOR '\n'
#define NS_STREAM    "http://etherx.jabber.org/streams"
#define NS_XML       "http://www.w3.org/XML/1998/namespace"

struct element {
    struct node *node;
    struct element *next;
};

struct raw_private {
    SSL_CTX *tls;
    XML_Parser parser;
    struct node *root;     /* the server's stream header, without children; NULL before it came */
    struct node *open;     /* the innermost element that has not ended, or `root` */
    struct element *queue; /* whole elements that the test has not seen, oldest first */
    struct element *kept;  /* what the test was given, headers too */
    unsigned ids;
};

/* ---- reading XML ---- */

static void keep(struct raw *r, struct node *n)
{
    struct element *e = calloc(1, sizeof(*e));

    assert(e != NULL);
    *e = (struct element){n, r->priv->kept};
    r->priv->kept = e;
}

/* expat gives "namespace<separator>name". */
static const char *split(const char *full, char *ns, size_t size)
{
    const char *separator = strchr(full, NS_SEPARATOR);

    if (separator == NULL) {
        ns[0] = '\0';
        return full;
    }
    snprintf(ns, size, "%.*s", (int)(separator - full), full);
    return separator + 1;
}

static void XMLCALL on_start(void *userdata, const XML_Char *full, const XML_Char **attrs)
{
    struct raw *r = userdata;
    struct raw_private *p = r->priv;
    char ns[256];
    const char *name = split(full, ns, sizeof(ns));
    struct node *n = node_new(p->open == p->root ? NULL : p->open, name, ns);

    for (; attrs[0] != NULL; attrs += 2) {
        char *attr;

        name = split(attrs[0], ns, sizeof(ns));
        attr = text_format("%s%s", strcmp(ns, NS_XML) == 0 ? "xml:" : "", name);
        node_add_attr(n, attr, attrs[1]);
        free(attr);
    }
    if (p->root == NULL) {
        p->root = n;
        r->header = n;
        keep(r, n);
    }
    p->open = n;
}

static void XMLCALL on_end(void *userdata, const XML_Char *full)
{
    struct raw *r = userdata;
    struct node *n = r->priv->open;
    struct element *e, **end = &r->priv->queue;

    (void)full;
    if (n == r->priv->root) {
        r->is_stream_closed = true;
        return;
    }
    r->priv->open = n->parent == NULL ? r->priv->root : n->parent;
    if (n->parent != NULL)
        return;
    e = calloc(1, sizeof(*e));
    assert(e != NULL);
    e->node = n;
    while (*end != NULL)
        end = &(*end)->next;
    *end = e;
}

static void XMLCALL on_text(void *userdata, const XML_Char *p, int len)
{
    struct raw *r = userdata;

    if (r->priv->open != r->priv->root)
        node_add_text(r->priv->open, p, (size_t)len);
}

void raw_expect_new_stream(struct raw *r)
{
    struct raw_private *p = r->priv;

    if (p->parser != NULL)
        XML_ParserFree(p->parser);
    p->parser = XML_ParserCreateNS("UTF-8", NS_SEPARATOR);
    assert(p->parser != NULL);
#ifdef LINNET_EXPAT_DEFERS
    /* Else it may hold back an element that came in two pieces until more comes. */
    XML_SetReparseDeferralEnabled(p->parser, XML_FALSE);
#endif
    XML_SetUserData(p->parser, r);
    XML_SetElementHandler(p->parser, on_start, on_end);
    XML_SetCharacterDataHandler(p->parser, on_text);
    p->root = NULL;
    p->open = NULL;
    r->header = NULL;
    r->is_stream_closed = false;
}

/* ---- the connection ---- */

struct raw *raw_connect_to(struct harness *h, uint16_t port, const char *from)
{
    struct raw *r = calloc(1, sizeof(*r));
    struct sockaddr_in local = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = test_patience_ms() / 1000};
    int on = 1;

    assert(r != NULL);
    r->priv = calloc(1, sizeof(*r->priv));
    assert(r->priv != NULL);
    r->harness = h;
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (from != NULL) {
        assert_int_equal(inet_pton(AF_INET, from, &local.sin_addr), 1);
        assert_int_equal(bind(r->fd, (struct sockaddr *)&local, sizeof(local)), 0);
    }
    if (r->fd < 0 || connect(r->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        test_fail("cannot connect to port %u: %s", port, strerror(errno));
    setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(r->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    raw_expect_new_stream(r);
    return r;
}

struct raw *raw_connect(struct harness *h, enum harness_port port)
{
    return raw_connect_to(h, h->ports[port], NULL);
}

static void set_alpn(SSL *ssl, const char *name)
{
    unsigned char wire[256];
    size_t len = strlen(name);

    assert(len < sizeof(wire));
    wire[0] = (unsigned char)len;
    memcpy(wire + 1, name, len);
    assert_int_equal(SSL_set_alpn_protos(ssl, wire, (unsigned)len + 1), 0);
}

bool raw_start_tls(struct raw *r, const struct raw_tls *how)
{
    static const struct raw_tls usual;
    char sni[256];

    if (how == NULL)
        how = &usual;
    r->priv->tls = SSL_CTX_new(TLS_client_method());
    assert_non_null(r->priv->tls);
    if (how->version != 0) {
        SSL_CTX_set_min_proto_version(r->priv->tls, how->version);
        SSL_CTX_set_max_proto_version(r->priv->tls, how->version);
    }
    SSL_CTX_set_options(r->priv->tls, how->options);
    if (how->version != 0 && how->version < TLS1_2_VERSION)
        SSL_CTX_set_security_level(r->priv->tls, 0); /* else OpenSSL itself would refuse */
    r->ssl = SSL_new(r->priv->tls);
    SSL_set_fd(r->ssl, r->fd);
    snprintf(sni, sizeof(sni), "%s", how->sni == NULL ? DOMAIN : how->sni);
    SSL_set_tlsext_host_name(r->ssl, sni);
    if (how->alpn != NULL)
        set_alpn(r->ssl, how->alpn);
    if (how->resume != NULL)
        SSL_set_session(r->ssl, how->resume);
    ERR_clear_error();
    return SSL_connect(r->ssl) == 1;
}

static void free_elements(struct element **list)
{
    while (*list != NULL) {
        struct element *e = *list;

        *list = e->next;
        node_free(&e->node);
        free(e);
    }
}

/* What has begun and will not end. */
static void free_open(struct raw *r)
{
    struct node *n = r->priv->open;

    if (n == NULL || n == r->priv->root)
        return;
    while (n->parent != NULL)
        n = n->parent;
    node_free(&n);
}

void raw_free(struct raw **r)
{
    struct raw *mine = *r;

    *r = NULL;
    if (mine == NULL)
        return;
    if (mine->ssl != NULL)
        SSL_free(mine->ssl);
    SSL_CTX_free(mine->priv->tls);
    close(mine->fd);
    XML_ParserFree(mine->priv->parser);
    free_open(mine);
    free_elements(&mine->priv->queue);
    free_elements(&mine->priv->kept);
    free(mine->priv);
    free(mine->jid);
    free(mine);
}

void raw_shut(struct raw *r)
{
    if (r->ssl != NULL)
        SSL_shutdown(r->ssl);
    else
        shutdown(r->fd, SHUT_WR);
}

/* ---- sending ---- */

bool raw_send_bytes(struct raw *r, const void *bytes, size_t len)
{
    const char *p = bytes;

    while (len > 0) {
        size_t part = len < 16384 ? len : 16384;
        ssize_t n = r->ssl != NULL ? SSL_write(r->ssl, p, (int)part) : send(r->fd, p, part, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

void raw_send(struct raw *r, const char *fmt, ...)
{
    char *text;
    int len;
    va_list ap;

    va_start(ap, fmt);
    len = vasprintf(&text, fmt, ap);
    va_end(ap);
    assert(len >= 0);
    /* A server that has refused an earlier part already may be gone: what it said then is still to be read. */
    (void)raw_send_bytes(r, text, (size_t)len);
    free(text);
}

void raw_send_slowly(struct raw *r, const char *text)
{
    for (; *text != '\0'; text++)
        if (!raw_send_bytes(r, text, 1))
            test_fail("the server cut the connection before \"%.40s\"", text);
}

void raw_open(struct raw *r, const char *host)
{
    raw_expect_new_stream(r);
    raw_send(r,
             "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM
             "' version='1.0' to='%s'>",
             host == NULL ? DOMAIN : host);
}

/* ---- receiving ---- */

static void parse(const char *file, int line, struct raw *r, const char *p, size_t len)
{
    if (XML_Parse(r->priv->parser, p, (int)len, 0) == XML_STATUS_OK)
        return;
    test_fail_at(file, line, "the server's XML is wrong (%s): %.*s", XML_ErrorString(XML_GetErrorCode(r->priv->parser)),
                 (int)len, p);
}

/* The clients of the test go on meanwhile: what comes may depend on them. False: the test's patience ended. */
static bool wait_readable(struct raw *r)
{
    struct pollfd fd = {.fd = r->fd, .events = POLLIN};
    long until = now_ms() + test_patience_ms();

    if (r->ssl != NULL && SSL_pending(r->ssl) > 0)
        return true;
    while (poll(&fd, 1, r->harness->clients == NULL ? test_patience_ms() : 10) == 0) {
        if (now_ms() > until)
            return false;
        client_pump(r->harness, 0);
    }
    return true;
}

/* Reads once. Sets is_eof at the end; the test fails when nothing comes at all. */
static void read_some(const char *file, int line, struct raw *r, const char *waiting_for)
{
    char block[16384];
    ssize_t n;

    if (!wait_readable(r))
        test_fail_at(file, line, "nothing came while waiting for %s", waiting_for);
    errno = 0;
    n = r->ssl != NULL ? SSL_read(r->ssl, block, sizeof(block)) : recv(r->fd, block, sizeof(block), 0);
    if (n > 0) {
        parse(file, line, r, block, (size_t)n);
        return;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        test_fail_at(file, line, "nothing came while waiting for %s", waiting_for);
    r->is_eof = true;
    r->is_cut = r->ssl != NULL ? SSL_get_error(r->ssl, (int)n) != SSL_ERROR_ZERO_RETURN : n < 0;
}

/* The next element, or NULL when none will come. */
static const struct node *next_element(const char *file, int line, struct raw *r, const char *waiting_for)
{
    struct element *e;

    while (r->priv->queue == NULL && !r->is_eof && !r->is_stream_closed)
        read_some(file, line, r, waiting_for);
    e = r->priv->queue;
    if (e == NULL)
        return NULL;
    r->priv->queue = e->next;
    e->next = r->priv->kept;
    r->priv->kept = e;
    return e->node;
}

const struct node *raw_expect_header_(const char *file, int line, struct raw *r)
{
    while (r->header == NULL && !r->is_eof)
        read_some(file, line, r, "the stream header");
    if (r->header == NULL)
        test_fail_at(file, line, "the connection ended before a stream header");
    if (!node_matches(r->header, "stream[@xmlns='" NS_STREAM "']"))
        test_fail_at(file, line, "this is no stream header: %s", node_describe(r->header));
    return r->header;
}

const struct node *raw_expect_(const char *file, int line, struct raw *r, bool may_skip, const char *fmt, ...)
{
    char path[4096];
    va_list ap;
    const struct node *n;

    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    while ((n = next_element(file, line, r, path)) != NULL) {
        if (node_matches(n, path))
            return n;
        if (!may_skip)
            test_fail_at(file, line, "this is not %s: %s", path, node_describe(n));
    }
    test_fail_at(file, line, "the stream ended before %s", path);
}

void raw_expect_eof_(const char *file, int line, struct raw *r)
{
    while (!r->is_eof)
        read_some(file, line, r, "the end of the connection");
}

void raw_expect_closed_(const char *file, int line, struct raw *r)
{
    const struct node *n = next_element(file, line, r, "</stream:stream>");

    if (n != NULL)
        test_fail_at(file, line, "this came before </stream:stream>: %s", node_describe(n));
    if (!r->is_stream_closed)
        test_fail_at(file, line, "the connection ended without </stream:stream>");
    raw_expect_eof_(file, line, r);
}

const struct node *raw_expect_error_(const char *file, int line, struct raw *r, const char *condition)
{
    const struct node *error;

    raw_expect_header_(file, line, r);
    error = raw_expect_(file, line, r, false, "error[@xmlns='" NS_STREAM "']/%s[@xmlns='%s']", condition,
                        "urn:ietf:params:xml:ns:xmpp-streams");
    raw_expect_closed_(file, line, r);
    return error;
}

void raw_expect_quiet_(const char *file, int line, struct raw *r)
{
    unsigned id = ++r->priv->ids;

    raw_send(r, "<iq type='get' id='quiet%u' to='" DOMAIN "'><ping xmlns='urn:xmpp:ping'/></iq>", id);
    (void)raw_expect_(file, line, r, false, "iq[@id='quiet%u']", id);
}

/* ---- the usual way in ---- */

static void open_and_get_features(struct raw *r)
{
    raw_open(r, NULL);
    raw_expect_header(r);
    r->features = raw_expect(r, "features[@xmlns='" NS_STREAM "']");
}

void raw_negotiate_tls(struct raw *r, const struct raw_tls *how)
{
    open_and_get_features(r);
    raw_send(r, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    raw_expect(r, "proceed[@xmlns='urn:ietf:params:xml:ns:xmpp-tls']");
    if (!raw_start_tls(r, how))
        test_fail("the TLS handshake failed: %s", ERR_error_string(ERR_get_error(), NULL));
    open_and_get_features(r);
}

struct raw *raw_secure(struct harness *h, const struct raw_tls *how)
{
    struct raw *r = raw_connect(h, HARNESS_STARTTLS);

    raw_negotiate_tls(r, how);
    return r;
}

void raw_plain(struct raw *r, const struct account *a)
{
    char message[512], *encoded;
    int len = snprintf(message, sizeof(message), "%c%s%c%s", 0, a->user, 0, a->password);

    assert(len > 0 && (size_t)len < sizeof(message));
    encoded = base64_encode(message, (size_t)len);
    raw_send(r, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", encoded);
    free(encoded);
    raw_expect(r, "success[@xmlns='urn:ietf:params:xml:ns:xmpp-sasl']");
    open_and_get_features(r);
}

void raw_bind(struct raw *r, const char *resource)
{
    char *wish = resource == NULL ? strdup("") : text_format("<resource>%s</resource>", resource);
    const struct node *answer;

    raw_send(r, "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>%s</bind></iq>", wish);
    free(wish);
    answer = raw_expect(r, "iq[@type='result'][@id='bind']");
    r->jid = strdup(node_text(answer, "iq/bind[@xmlns='urn:ietf:params:xml:ns:xmpp-bind']/jid"));
}

struct raw *raw_login(struct harness *h, const struct account *a, const char *resource)
{
    struct raw *r = raw_secure(h, NULL);

    raw_plain(r, a);
    raw_bind(r, resource);
    return r;
}

void raw_enable_acks(struct raw *r)
{
    raw_send(r, "<enable xmlns='urn:xmpp:sm:3'/>");
    raw_expect(r, "enabled[@xmlns='urn:xmpp:sm:3']");
}

/* ---- components ---- */

struct raw *raw_open_component(struct harness *h, const char *domain)
{
    struct raw *r = raw_connect(h, HARNESS_COMPONENTS);

    raw_expect_new_stream(r);
    raw_send(r,
             "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='%s'>",
             domain);
    return r;
}

void raw_send_handshake(struct raw *r, const char *secret)
{
    char *text = text_format("%s%s", node_attr(raw_expect_header(r), "id"), secret), hex[2 * SHA_DIGEST_LENGTH + 1];
    unsigned char hash[SHA_DIGEST_LENGTH];

    SHA1((const unsigned char *)text, strlen(text), hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    raw_send(r, "<handshake>%s</handshake>", hex);
    free(text);
}

struct raw *raw_component(struct harness *h, const char *domain, const char *secret)
{
    struct raw *r = raw_open_component(h, domain);

    raw_send_handshake(r, secret);
    raw_expect(r, "handshake");
    return r;
}

/* ---- base64 ---- */

char *base64_encode(const void *p, size_t len)
{
    char *text = calloc(1, (len + 2) / 3 * 4 + 1);

    assert(text != NULL);
    EVP_EncodeBlock((unsigned char *)text, p, (int)len);
    return text;
}

char *base64_decode(const char *text, size_t *ret_len)
{
    size_t len = strlen(text);
    char *p = calloc(1, len / 4 * 3 + 1);
    int n = EVP_DecodeBlock((unsigned char *)p, (const unsigned char *)text, (int)len);

    assert(p != NULL);
    if (n < 0) {
        free(p);
        return NULL;
    }
    for (size_t i = len; i > 0 && text[i - 1] == '='; i--)
        n--;
    p[n] = '\0';
    if (ret_len != NULL)
        *ret_len = (size_t)n;
    return p;
}
