/* tests/integration/test_proxy.c - behind a load balancer: the PROXY protocol, versions 1 and 2, by hand and with the
 * real HAProxy. The client's own address must survive, and nobody else may claim one; nor may anybody but a trusted
 * balancer, on a listener made for it, say that a connection is secured. */
#include "scram_client.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

static const unsigned char signature[] = "\r\n\r\n\0\r\nQUIT\n";

/* What linnetctl shows of a session in that column; the caller frees. */
static char *column_of(struct harness *h, const struct raw *r, const char *column)
{
    struct json *answer = harness_ctl_json(h, "sessions");
    const struct json *list = answer->kind == JSON_ARRAY ? answer : json_at(answer, "sessions");
    const struct json *session = json_find(list, "full_jid", r->jid);
    char *value;

    if (session == NULL)
        test_fail("linnetctl does not know %s", r->jid);
    if (json_text(session, column) == NULL)
        test_fail("linnetctl shows no %s of %s", column, r->jid);
    value = strdup(json_text(session, column));
    json_free(&answer);
    return value;
}

static void expect_column(struct harness *h, const struct raw *r, const char *column, const char *wanted)
{
    char *seen = column_of(h, r, column);

    if (strcmp(seen, wanted) != 0)
        test_fail("the server shows %s %s, not %s", column, seen, wanted);
    free(seen);
}

/* Logs in on a connection whose header was sent, and says whose address linnetctl shows. */
static char *address_seen(struct harness *h, struct raw *r)
{
    raw_negotiate_tls(r, NULL);
    raw_plain(r, harness_account(h));
    raw_bind(r, "proxied");
    return column_of(h, r, "address");
}

static void expect_address(struct harness *h, struct raw *r, const char *wanted)
{
    char *seen = address_seen(h, r);

    /* A port may follow. */
    if (strstr(seen, wanted) == NULL)
        test_fail("the server saw %s, not %s", seen, wanted);
    free(seen);
    raw_free(&r);
}

/* Nothing is said to such a peer. */
static void expect_cut(struct raw *r)
{
    char byte;

    assert_true(recv(r->fd, &byte, 1, 0) <= 0);
    raw_free(&r);
}

static size_t header_v2(unsigned char *out, unsigned char command, unsigned char family, const char *source,
                        const char *extra, size_t extra_len)
{
    int af = family >> 4 == 2 ? AF_INET6 : AF_INET;
    size_t address_len = af == AF_INET6 ? 16 : 4, len = 0;

    memcpy(out, signature, 12);
    out[12] = (unsigned char)(0x20 | command);
    out[13] = family;
    if (source != NULL) {
        assert_int_equal(inet_pton(af, source, out + 16), 1);
        assert_int_equal(inet_pton(af, source, out + 16 + address_len), 1);
        memset(out + 16 + 2 * address_len, 0x12, 4);
        len = 2 * address_len + 4;
    }
    memcpy(out + 16 + len, extra, extra_len);
    len += extra_len;
    out[14] = (unsigned char)(len >> 8);
    out[15] = (unsigned char)len;
    return 16 + len;
}

static struct raw *with_v2(struct harness *h, unsigned char command, unsigned char family, const char *source,
                           const char *extra, size_t extra_len)
{
    struct raw *r = raw_connect(h, HARNESS_PROXIED);
    unsigned char header[600];
    size_t len = header_v2(header, command, family, source, extra, extra_len);

    assert_true(raw_send_bytes(r, header, len));
    return r;
}

static struct raw *with_v1(struct harness *h, const char *line)
{
    struct raw *r = raw_connect(h, HARNESS_PROXIED);

    raw_send(r, "%s", line);
    return r;
}

/* ---- headers that are believed ---- */

static void version_1_tells_the_clients_address(void **state)
{
    expect_address(*state, with_v1(*state, "PROXY TCP4 192.0.2.7 192.0.2.1 40000 5222\r\n"), "192.0.2.7");
    expect_address(*state, with_v1(*state, "PROXY TCP6 2001:db8::7 2001:db8::1 40000 5222\r\n"), "2001:db8::7");
}

static void version_2_tells_the_clients_address(void **state)
{
    /* A TLV of a kind that nobody knows stands behind the addresses. */
    expect_address(*state,
                   with_v2(*state, 1, 0x11, "192.0.2.8",
                           "\xe0\x00\x03"
                           "abc",
                           6),
                   "192.0.2.8");
    expect_address(*state, with_v2(*state, 1, 0x21, "2001:db8::8", "", 0), "2001:db8::8");
}

static void a_health_check_of_the_balancer_speaks_for_itself(void **state)
{
    expect_address(*state, with_v1(*state, "PROXY UNKNOWN\r\n"), "127.0.0.1");
    expect_address(*state, with_v2(*state, 0, 0x00, NULL, "", 0), "127.0.0.1");
}

static void a_header_may_come_in_pieces_and_with_the_stream_behind_it(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_connect(h, HARNESS_PROXIED);

    raw_send_slowly(r, "PROXY TCP4 192.0.2.9 192.0.2.1 40000 5222\r\n");
    expect_address(h, r, "192.0.2.9");
    r = raw_connect(h, HARNESS_PROXIED);
    raw_send(r, "PROXY TCP4 192.0.2.10 192.0.2.1 40000 5222\r\n<stream:stream xmlns='jabber:client' version='1.0' "
                "xmlns:stream='http://etherx.jabber.org/streams' to='" DOMAIN "'>");
    raw_expect_header(r);
    raw_expect(r, "features/starttls");
    raw_free(&r);
}

/* ---- headers that are not ---- */

static void what_is_no_header_is_cut(void **state)
{
    static const char *const bad[] = {
        "<stream:stream xmlns='jabber:client' version='1.0' xmlns:stream='http://etherx.jabber.org/streams'>",
        "PROXY TCP4 192.0.2.7 192.0.2.1 40000\r\n",
        "PROXY TCP4 192.0.2.700 192.0.2.1 40000 5222\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 70000 5222\r\n",
        "PROXY TCP5 192.0.2.7 192.0.2.1 40000 5222\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 40000 5222\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 40000 5222\r\n",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect_cut(with_v1(*state, bad[i]));
    /* Longer than the 107 bytes that version 1 allows. */
    char line[200];
    snprintf(line, sizeof(line), "PROXY TCP4 192.0.2.7 192.0.2.1 40000 5222%80s\r\n", "");
    expect_cut(with_v1(*state, line));
}

static void broken_headers_of_version_2_are_cut(void **state)
{
    unsigned char header[600];
    struct harness *h = *state;
    struct raw *r;

    expect_cut(with_v2(h, 5, 0x11, "192.0.2.8", "", 0));   /* a command that there is not */
    expect_cut(with_v2(h, 1, 0x11, NULL, "too short", 9)); /* no room for the addresses */
    header_v2(header, 1, 0x11, "192.0.2.8", "", 0);
    header[12] = 0x31; /* version 3 */
    r = raw_connect(h, HARNESS_PROXIED);
    assert_true(raw_send_bytes(r, header, 28));
    expect_cut(r);
    header[12] = 0x21;
    header[14] = 0xff; /* 65 KiB of header */
    r = raw_connect(h, HARNESS_PROXIED);
    (void)raw_send_bytes(r, header, 28);
    expect_cut(r);
}

static void a_header_where_none_is_expected_is_no_xml(void **state)
{
    struct raw *r = raw_connect(*state, HARNESS_STARTTLS);

    raw_send(r, "PROXY TCP4 192.0.2.7 192.0.2.1 40000 5222\r\n");
    raw_expect_header(r);
    raw_skip_to(r, "error[@xmlns='http://etherx.jabber.org/streams']/*");
    raw_expect_closed(r);
    raw_free(&r);
}

static void a_header_that_never_comes_is_not_waited_for_long(void **state)
{
    expect_cut(raw_connect(*state, HARNESS_PROXIED));
    expect_cut(with_v1(*state, "PROXY TCP4 192.0.2.7"));
}

static void a_header_from_a_network_that_is_not_trusted_is_cut(void **state)
{
    struct harness *h = *state; /* trusts 127.0.0.2 only */
    struct raw *trusted = raw_connect_to(h, h->ports[HARNESS_PROXIED], "127.0.0.2");

    expect_cut(with_v1(h, "PROXY TCP4 192.0.2.7 192.0.2.1 40000 5222\r\n"));
    raw_send(trusted, "PROXY TCP4 192.0.2.7 192.0.2.1 40000 5222\r\n");
    expect_address(h, trusted, "192.0.2.7");
}

static void limits_count_the_clients_address_not_the_balancers(void **state)
{
    struct harness *h = *state; /* limits.connections_per_address = 4 */
    struct raw *all[4];
    char line[100];

    for (int i = 0; i < 4; i++) {
        all[i] = raw_connect_to(h, h->ports[HARNESS_PROXIED], "127.0.0.2");
        raw_send(all[i], "PROXY TCP4 198.51.100.1 192.0.2.1 40000 5222\r\n");
        raw_open(all[i], NULL);
        raw_expect_header(all[i]);
    }
    struct raw *fifth = raw_connect_to(h, h->ports[HARNESS_PROXIED], "127.0.0.2");
    raw_send(fifth, "PROXY TCP4 198.51.100.1 192.0.2.1 40000 5222\r\n");
    raw_open(fifth, NULL);
    raw_expect_eof(fifth);
    assert_true(fifth->header == NULL || fifth->is_stream_closed);
    raw_free(&fifth);
    snprintf(line, sizeof(line), "PROXY TCP4 198.51.100.2 192.0.2.1 40000 5222\r\n");
    struct raw *other = raw_connect_to(h, h->ports[HARNESS_PROXIED], "127.0.0.2");
    raw_send(other, "%s", line);
    raw_open(other, NULL);
    raw_expect_header(other);
    raw_free(&other);
    for (int i = 0; i < 4; i++)
        raw_free(&all[i]);
}

/* ---- TLS that ended at the balancer ---- */

/* A field of type `type` behind `len` bytes of others; returns the new length. */
static size_t put_field(char *fields, size_t len, int type, const void *value, size_t value_len)
{
    fields[len] = (char)type;
    fields[len + 1] = (char)(value_len >> 8);
    fields[len + 2] = (char)value_len;
    memcpy(fields + len + 3, value, value_len);
    return len + 3 + value_len;
}

/* PP2_TYPE_SSL as HAProxy writes it for a client without a certificate. */
static size_t put_tls(char *fields, size_t len, int client, const char *version)
{
    char value[100] = {(char)client, 0, 0, 0, 1};
    size_t value_len = put_field(value, 5, 0x21, version, strlen(version));

    value_len = put_field(value, value_len, 0x23, "TLS_AES_256_GCM_SHA384", 22);
    return put_field(fields, len, 0x20, value, value_len);
}

/* From 192.0.2.20 by a balancer at `from`. */
static struct raw *with_fields(struct harness *h, enum harness_port port, const char *from, const char *fields,
                               size_t len)
{
    struct raw *r = raw_connect_to(h, h->ports[port], from);
    unsigned char header[600];

    assert_true(raw_send_bytes(r, header, header_v2(header, 1, 0x11, "192.0.2.20", fields, len)));
    return r;
}

static struct raw *with_tls(struct harness *h, enum harness_port port, int client, const char *version)
{
    char fields[200];

    return with_fields(h, port, NULL, fields, put_tls(fields, 0, client, version));
}

/* Features of a secured connection whose channel ends elsewhere. */
static void expect_secured_features(struct raw *r)
{
    raw_open(r, NULL);
    raw_expect_header(r);
    raw_expect(r, "features[not(starttls)][not(sasl-channel-binding)]/mechanisms[mechanism[.='PLAIN']]"
                  "[mechanism[.='SCRAM-SHA-256']][not(mechanism[.='SCRAM-SHA-256-PLUS'])]"
                  "[not(mechanism[.='SCRAM-SHA-1-PLUS'])]");
}

static void tls_that_the_balancer_ended_counts_as_secured(void **state)
{
    struct harness *h = *state;
    struct raw *r = with_tls(h, HARNESS_PROXY_TLS, 1, "TLSv1.3");
    size_t mark = harness_log_mark(h);

    expect_secured_features(r);
    raw_plain(r, harness_account(h));
    raw_bind(r, "secured");
    expect_column(h, r, "tls", "proxy/TLSv1.3");
    expect_column(h, r, "cipher", "TLS_AES_256_GCM_SHA384");
    expect_column(h, r, "address", "192.0.2.20");
    free(harness_log_wait(h, mark, " session.bound ", r->jid, " tls=proxy/TLSv1.3 ", " peer=192.0.2.20"));
    raw_free(&r);
}

static void a_client_that_could_bind_its_channel_logs_in_without(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = with_tls(h, HARNESS_PROXY_TLS, 1, "TLSv1.2");
    struct scram_client s;
    char *message;

    expect_secured_features(r);
    scram_client_init(&s, "SCRAM-SHA-256");
    snprintf(s.gs2, sizeof(s.gs2), "y,,"); /* "I could, but you seem not to" */
    message = scram_client_first(&s, a->user);
    raw_send(r, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>%s</auth>", message);
    free(message);
    message = scram_client_final(&s, raw_expect(r, "challenge")->text, a->password);
    raw_send(r, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>", message);
    free(message);
    assert_true(scram_client_verify(&s, raw_expect(r, "success")->text));
    scram_client_deinit(&s);
    raw_free(&r);
}

static void starttls_is_refused_where_the_balancer_has_ended_tls(void **state)
{
    struct raw *r = with_tls(*state, HARNESS_PROXY_TLS, 1, "TLSv1.3");

    expect_secured_features(r);
    raw_send(r, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    raw_expect(r, "failure[@xmlns='urn:ietf:params:xml:ns:xmpp-tls']");
    raw_expect_closed(r);
    raw_free(&r);
}

/* Such a listener offers no TLS of its own here, and nobody may log in without. */
static void expect_no_login(struct raw *r)
{
    raw_open(r, NULL);
    raw_expect_header(r);
    raw_expect(r, "features[not(mechanisms)][not(starttls)]");
    raw_send(r, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>");
    raw_expect(r, "failure/encryption-required");
    raw_free(&r);
}

static void without_the_balancers_word_nothing_is_secured(void **state)
{
    struct harness *h = *state;
    unsigned char header[600];
    char fields[200];
    struct raw *r;

    expect_no_login(with_fields(h, HARNESS_PROXY_TLS, NULL, "", 0));
    expect_no_login(with_tls(h, HARNESS_PROXY_TLS, 0, "TLSv1.3"));
    expect_no_login(with_tls(h, HARNESS_PROXY_TLS, 6, "TLSv1.3")); /* a certificate, but no TLS */
    expect_no_login(with_tls(h, HARNESS_PROXY_TLS, 1, "TLSv1.1")); /* RFC 8996 */
    expect_no_login(with_tls(h, HARNESS_PROXY_TLS, 1, "SSLv3"));
    r = raw_connect(h, HARNESS_PROXY_TLS); /* a health check, which speaks for nobody */
    assert_true(
        raw_send_bytes(r, header, header_v2(header, 0, 0x11, "192.0.2.20", fields, put_tls(fields, 0, 1, "TLSv1.3"))));
    expect_no_login(r);
    r = raw_connect(h, HARNESS_PROXY_TLS);
    raw_send(r, "PROXY TCP4 192.0.2.20 192.0.2.1 40000 5222\r\n");
    expect_no_login(r);
}

static void on_other_listeners_the_balancers_word_secures_nothing(void **state)
{
    struct raw *r = with_tls(*state, HARNESS_PROXIED, 1, "TLSv1.3");

    raw_open(r, NULL);
    raw_expect_header(r);
    raw_expect(r, "features[not(mechanisms)]/starttls/required");
    raw_free(&r);
}

static void who_agreed_on_another_protocol_is_cut(void **state)
{
    struct harness *h = *state;
    char fields[200];
    size_t len = put_tls(fields, 0, 1, "TLSv1.3");
    struct raw *r = with_fields(h, HARNESS_PROXY_TLS, NULL, fields, put_field(fields, len, 1, "xmpp-client", 11));

    expect_secured_features(r);
    raw_free(&r);
    expect_cut(with_fields(h, HARNESS_PROXY_TLS, NULL, fields, put_field(fields, len, 1, "http/1.1", 8)));
}

static void broken_fields_and_wrong_checksums_are_cut(void **state)
{
    struct harness *h = *state;
    char fields[200];
    size_t len = put_tls(fields, 0, 1, "TLSv1.3");

    expect_cut(with_fields(h, HARNESS_PROXY_TLS, NULL, fields, len - 1));
    expect_cut(with_fields(h, HARNESS_PROXY_TLS, NULL, fields, put_field(fields, len, 3, "abcd", 4)));
    expect_cut(with_fields(h, HARNESS_PROXY_TLS, NULL, fields, put_tls(fields, len, 1, "TLSv1.3"))); /* twice */
    expect_cut(with_tls(h, HARNESS_PROXY_TLS, 1, "")); /* TLS, but of no version */
}

static void a_network_that_is_not_trusted_secures_nothing(void **state)
{
    struct harness *h = *state; /* trusts 127.0.0.2 only */
    struct raw *r = with_tls(h, HARNESS_PROXY_TLS, 1, "TLSv1.3");
    char fields[200];

    expect_cut(r);
    r = with_fields(h, HARNESS_PROXY_TLS, "127.0.0.2", fields, put_tls(fields, 0, 1, "TLSv1.3"));
    expect_secured_features(r);
    raw_free(&r);
}

/* ---- the real one ---- */

/* A listening socket that HAProxy inherits, so that no port has to be guessed. */
static int open_listener(uint16_t *ret_port)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t len = sizeof(any);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    *ret_port = ntohs(any.sin_port);
    return fd;
}

struct haproxy {
    struct process process;
    uint16_t port;
    int fd;
};

/* In front of that listener; skips the test where there is none. */
static void haproxy_start(struct haproxy *p, struct harness *h, enum harness_port to, const char *bind_options,
                          const char *server_options)
{
    char *program = process_find("haproxy"), *config, *text, *log;

    *p = (struct haproxy){0};
    if (program == NULL) {
        print_message("           haproxy is not installed: skipped\n");
        skip();
    }
    p->fd = open_listener(&p->port);
    config = text_format("%s/haproxy.cfg", h->dir);
    log = text_format("%s/haproxy.log", h->dir);
    text = text_format("global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n"
                       "  timeout server 60s\n  unique-id-format %%[uuid()]\n"
                       "listen xmpp\n  bind fd@%d %s\n  server linnet 127.0.0.1:%u %s\n",
                       p->fd, bind_options, h->ports[to], server_options);
    assert_true(file_write(config, text));
    const char *const argv[] = {program, "-db", "-f", config, NULL};
    assert_true(process_start(&p->process, argv, log));
    free(program);
    free(config);
    free(text);
    free(log);
}

static void haproxy_stop(struct haproxy *p)
{
    process_kill(&p->process);
    close(p->fd);
}

static void behind_haproxy(struct harness *h, const char *option)
{
    struct haproxy haproxy;

    haproxy_start(&haproxy, h, HARNESS_PROXIED, "", option);
    expect_address(h, raw_connect_to(h, haproxy.port, "127.0.0.77"), "127.0.0.77");
    haproxy_stop(&haproxy);
}

static void the_clients_address_survives_haproxy_with_version_2(void **state)
{
    behind_haproxy(*state, "send-proxy-v2");
}

static void the_clients_address_survives_haproxy_with_version_1(void **state)
{
    behind_haproxy(*state, "send-proxy");
}

/* The host's certificate and its key in one file, as HAProxy wants them; the caller frees. */
static char *make_haproxys_certificate(struct harness *h)
{
    char *path = text_format("%s/haproxy.pem", h->dir), *part, *key, *both;

    part = text_format("%s/data/%s.crt", h->dir, DOMAIN);
    both = file_read(part);
    free(part);
    part = text_format("%s/data/%s.key", h->dir, DOMAIN);
    key = file_read(part);
    free(part);
    assert_true(both != NULL && key != NULL);
    part = text_format("%s%s", both, key);
    assert_true(file_write(path, part));
    free(part);
    free(both);
    free(key);
    return path;
}

/* A client that connects with direct TLS (XEP-0368), which HAProxy ends. */
static void expect_secured_through(struct harness *h, const struct haproxy *p, int version, const char *name)
{
    struct raw_tls tls = {.alpn = "xmpp-client", .version = version};
    struct raw *r = raw_connect_to(h, p->port, "127.0.0.78");

    if (!raw_start_tls(r, &tls))
        test_fail("no TLS with haproxy");
    expect_secured_features(r);
    raw_plain(r, harness_account(h));
    raw_bind(r, "secured");
    expect_column(h, r, "tls", name);
    expect_column(h, r, "cipher", version == TLS1_2_VERSION ? SSL_get_cipher(r->ssl) : "TLS_AES_256_GCM_SHA384");
    expect_column(h, r, "address", "127.0.0.78");
    raw_expect_quiet(r);
    raw_free(&r);
}

static void direct_tls_may_end_at_haproxy(void **state)
{
    struct harness *h = *state;
    char *certificate = make_haproxys_certificate(h), *bind_options;
    struct haproxy haproxy;
    size_t mark = harness_log_mark(h);

    bind_options = text_format("ssl crt %s alpn xmpp-client", certificate);
    haproxy_start(&haproxy, h, HARNESS_PROXY_TLS, bind_options,
                  "send-proxy-v2 proxy-v2-options ssl,ssl-cipher,cert-cn,cert-key,cert-sig,authority,crc32c,unique-id");
    expect_secured_through(h, &haproxy, TLS1_3_VERSION, "proxy/TLSv1.3");
    expect_secured_through(h, &haproxy, TLS1_2_VERSION, "proxy/TLSv1.2");
    haproxy_stop(&haproxy);
    free(harness_log_wait(h, mark, " proxy.accepted ", " sni=" DOMAIN, " alpn=xmpp-client", " unique_id="));
    free(certificate);
    free(bind_options);
}

static void haproxys_short_option_is_enough(void **state)
{
    struct harness *h = *state;
    char *certificate = make_haproxys_certificate(h), *bind_options = text_format("ssl crt %s", certificate);
    struct haproxy haproxy;
    struct raw *r;

    haproxy_start(&haproxy, h, HARNESS_PROXY_TLS, bind_options, "send-proxy-v2-ssl");
    r = raw_connect_to(h, haproxy.port, NULL);
    assert_true(raw_start_tls(r, NULL));
    expect_secured_features(r);
    raw_plain(r, harness_account(h));
    raw_bind(r, "secured");
    expect_column(h, r, "tls", "proxy/TLSv1.3");
    raw_free(&r);
    haproxy_stop(&haproxy);
    free(certificate);
    free(bind_options);
}

static void plain_tcp_through_haproxy_is_not_secured(void **state)
{
    struct harness *h = *state;
    struct haproxy haproxy;

    haproxy_start(&haproxy, h, HARNESS_PROXY_TLS, "", "send-proxy-v2-ssl");
    expect_no_login(raw_connect_to(h, haproxy.port, NULL));
    haproxy_stop(&haproxy);
}

int main(void)
{
    static const struct harness_options options = {0};
    static const char *const strict_settings[] = {"proxy.trusted_networks = [\"127.0.0.2/32\"]",
                                                  "limits.connections_per_address = 4", "limits.unauthenticated_s = 3",
                                                  NULL};
    static const struct harness_options strict = {.settings = strict_settings};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(version_1_tells_the_clients_address),
        HARNESS_TEST(version_2_tells_the_clients_address),
        HARNESS_TEST(a_health_check_of_the_balancer_speaks_for_itself),
        HARNESS_TEST(a_header_may_come_in_pieces_and_with_the_stream_behind_it),
        HARNESS_TEST(what_is_no_header_is_cut),
        HARNESS_TEST(broken_headers_of_version_2_are_cut),
        HARNESS_TEST(a_header_where_none_is_expected_is_no_xml),
        HARNESS_TEST(tls_that_the_balancer_ended_counts_as_secured),
        HARNESS_TEST(a_client_that_could_bind_its_channel_logs_in_without),
        HARNESS_TEST(starttls_is_refused_where_the_balancer_has_ended_tls),
        HARNESS_TEST(without_the_balancers_word_nothing_is_secured),
        HARNESS_TEST(on_other_listeners_the_balancers_word_secures_nothing),
        HARNESS_TEST(who_agreed_on_another_protocol_is_cut),
        HARNESS_TEST(broken_fields_and_wrong_checksums_are_cut),
        HARNESS_TEST(direct_tls_may_end_at_haproxy),
        HARNESS_TEST(haproxys_short_option_is_enough),
        HARNESS_TEST(plain_tcp_through_haproxy_is_not_secured),
        HARNESS_TEST(the_clients_address_survives_haproxy_with_version_2),
        HARNESS_TEST(the_clients_address_survives_haproxy_with_version_1),
    };
    const struct CMUnitTest strict_tests[] = {
        HARNESS_TEST(a_header_from_a_network_that_is_not_trusted_is_cut),
        HARNESS_TEST(a_network_that_is_not_trusted_secures_nothing),
        HARNESS_TEST(limits_count_the_clients_address_not_the_balancers),
    };
    static const char *const impatient_settings[] = {"limits.unauthenticated_s = 2", NULL};
    static const struct harness_options impatient = {.settings = impatient_settings};
    const struct CMUnitTest of_time[] = {HARNESS_TEST(a_header_that_never_comes_is_not_waited_for_long)};

    return harness_run_tests("PROXY protocol", tests, &options) |
           harness_run_once("PROXY protocol, strict", strict_tests, &strict) |
           harness_run_once("PROXY protocol and time", of_time, &impatient);
}
