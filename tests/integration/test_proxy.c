/* tests/integration/test_proxy.c - behind a load balancer: the PROXY protocol, versions 1 and 2, by hand and with the
 * real HAProxy. The client's own address must survive, and nobody else may claim one. */
#include "client.h"
#include "raw.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

static const unsigned char signature[] = "\r\n\r\n\0\r\nQUIT\n";

/* Logs in on a connection whose header was sent, and says whose address linnetctl shows. */
static char *address_seen(struct harness *h, struct raw *r)
{
    struct json *answer;
    const struct json *list, *session;
    char *address;

    raw_negotiate_tls(r, NULL);
    raw_plain(r, harness_account(h));
    raw_bind(r, "proxied");
    answer = harness_ctl_json(h, "sessions");
    list = answer->kind == JSON_ARRAY ? answer : json_at(answer, "sessions");
    session = json_find(list, "full_jid", r->jid);
    if (session == NULL)
        test_fail("linnetctl does not know %s", r->jid);
    assert_non_null(json_text(session, "address"));
    address = strdup(json_text(session, "address"));
    json_free(&answer);
    return address;
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

static void behind_haproxy(struct harness *h, const char *option)
{
    char *program = process_find("haproxy"), *config, *text, *log;
    struct process haproxy = {0};
    uint16_t port;
    int fd;

    if (program == NULL) {
        print_message("           haproxy is not installed: skipped\n");
        skip();
    }
    fd = open_listener(&port);
    config = text_format("%s/haproxy.cfg", h->dir);
    log = text_format("%s/haproxy.log", h->dir);
    text = text_format("global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n"
                       "  timeout server 60s\nlisten xmpp\n  bind fd@%d\n  server linnet 127.0.0.1:%u %s\n",
                       fd, h->ports[HARNESS_PROXIED], option);
    assert_true(file_write(config, text));
    const char *const argv[] = {program, "-db", "-f", config, NULL};
    assert_true(process_start(&haproxy, argv, log));
    expect_address(h, raw_connect_to(h, port, "127.0.0.77"), "127.0.0.77");
    process_kill(&haproxy);
    close(fd);
    free(program);
    free(config);
    free(text);
    free(log);
}

static void the_clients_address_survives_haproxy_with_version_2(void **state)
{
    behind_haproxy(*state, "send-proxy-v2");
}

static void the_clients_address_survives_haproxy_with_version_1(void **state)
{
    behind_haproxy(*state, "send-proxy");
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
        HARNESS_TEST(the_clients_address_survives_haproxy_with_version_2),
        HARNESS_TEST(the_clients_address_survives_haproxy_with_version_1),
    };
    const struct CMUnitTest strict_tests[] = {
        HARNESS_TEST(a_header_from_a_network_that_is_not_trusted_is_cut),
        HARNESS_TEST(limits_count_the_clients_address_not_the_balancers),
    };
    static const char *const impatient_settings[] = {"limits.unauthenticated_s = 2", NULL};
    static const struct harness_options impatient = {.settings = impatient_settings};
    const struct CMUnitTest of_time[] = {HARNESS_TEST(a_header_that_never_comes_is_not_waited_for_long)};

    return harness_run_tests("PROXY protocol", tests, &options) |
           harness_run_once("PROXY protocol, strict", strict_tests, &strict) |
           harness_run_once("PROXY protocol and time", of_time, &impatient);
}
