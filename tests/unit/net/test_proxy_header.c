/* tests/unit/net/test_proxy_header.c - PROXY protocol headers as the specification writes them, and as nobody should.
 */
#include "server/net/proxy_header.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void assert_address(const struct sockaddr_storage *a, const char *expected)
{
    const struct sockaddr_in *in = (const void *)a;
    const struct sockaddr_in6 *in6 = (const void *)a;
    bool is_v4 = a->ss_family == AF_INET;
    char text[INET6_ADDRSTRLEN], all[INET6_ADDRSTRLEN + 8];

    assert_non_null(inet_ntop(a->ss_family, is_v4 ? (const void *)&in->sin_addr : (const void *)&in6->sin6_addr, text,
                              sizeof(text)));
    snprintf(all, sizeof(all), "%s %u", text, ntohs(is_v4 ? in->sin_port : in6->sin6_port));
    assert_string_equal(all, expected);
}

/* Every beginning asks for more, and bytes behind the header change nothing. */
static void check_valid(struct str header, bool is_local, const char *source, const char *destination)
{
    struct proxy_header h;
    char with_more[PROXY_HEADER_MAX + 16];

    for (size_t n = 0; n < header.len; n++)
        assert_int_equal(proxy_header_parse(str_make(header.p, n), &h), PROXY_NEED_MORE);
    memcpy(with_more, header.p, header.len);
    memcpy(with_more + header.len, "\r\n<stream", 9);
    for (size_t more = 0; more <= 9; more += 9) {
        memset(&h, 0xff, sizeof(h));
        assert_int_equal(proxy_header_parse(str_make(with_more, header.len + more), &h), PROXY_OK);
        assert_int_equal(h.len, header.len);
        assert_int_equal(h.is_local, is_local);
        if (is_local) {
            assert_int_equal(h.source.ss_family, 0);
            continue;
        }
        assert_address(&h.source, source);
        assert_address(&h.destination, destination);
    }
}

static void check_invalid(struct str bytes)
{
    struct proxy_header h;

    if (proxy_header_parse(bytes, &h) != PROXY_INVALID)
        fail_msg("taken or waited for: %.*s", STR_ARG(bytes));
}

static void version_1_names_the_client(void **state)
{
    (void)state;
    check_valid(STR("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"), false, "192.168.0.1 56324",
                "192.168.0.11 443");
    check_valid(STR("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), false, "255.255.255.255 65535",
                "255.255.255.255 65535");
    check_valid(STR("PROXY TCP6 2001:db8::1 fe80::2 1 0\r\n"), false, "2001:db8::1 1", "fe80::2 0");
    check_valid(STR("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
                    "65535\r\n"),
                false, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535");
}

static void version_1_unknown_keeps_the_sockets_address(void **state)
{
    (void)state;
    check_valid(STR("PROXY UNKNOWN\r\n"), true, NULL, NULL);
    check_valid(STR("PROXY UNKNOWN ffff::1 ffff::2 65535 65535 and more\r\n"), true, NULL, NULL);
}

static void version_1_refuses_what_the_grammar_does_not_have(void **state)
{
    static const char *const lines[] = {
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 \r\nx",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 1\r\n",
        "PROXY TCP4  192.168.0.1 192.168.0.11 56324 443\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 65536 443\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 -1 443\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 0443 443\r\n",
        "PROXY TCP4 192.168.0.256 192.168.0.11 1 443\r\n",
        "PROXY TCP4 ::1 ::1 1 443\r\n",
        "PROXY TCP6 192.168.0.1 192.168.0.11 1 443\r\n",
        "PROXY TCP5 192.168.0.1 192.168.0.11 1 443\r\n",
        "PROXY \r\n",
        "PROXY UNKNOWN\rx",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\n\r\n",
        "PROXYTCP4",
        "proxy TCP4",
        "GET / HTTP/1.1\r\n",
        "<?xml version='1.0'?>",
        "\r\n\r\nx",
        "\x16\x03\x01",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        check_invalid(str_of(lines[i]));
}

static void a_line_without_an_end_is_refused_at_107_bytes(void **state)
{
    struct proxy_header h;
    char line[PROXY_HEADER_V1_MAX + 1];

    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    assert_int_equal(proxy_header_parse(str_make(line, PROXY_HEADER_V1_MAX - 1), &h), PROXY_NEED_MORE);
    check_invalid(str_make(line, PROXY_HEADER_V1_MAX));
    /* CR is the last byte that fits, and LF one too many. */
    line[PROXY_HEADER_V1_MAX - 1] = '\r';
    line[PROXY_HEADER_V1_MAX] = '\n';
    check_invalid(str_make(line, sizeof(line)));
    /* The longest line there may be. */
    line[PROXY_HEADER_V1_MAX - 2] = '\r';
    line[PROXY_HEADER_V1_MAX - 1] = '\n';
    assert_int_equal(proxy_header_parse(str_make(line, PROXY_HEADER_V1_MAX), &h), PROXY_OK);
    assert_int_equal(h.len, PROXY_HEADER_V1_MAX);
}

#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static void version_2_names_the_client(void **state)
{
    (void)state;
    check_valid(STR(V2_SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04\x14\x66"), false, "192.0.2.7 56324",
                "10.0.0.1 5222");
    check_valid(STR(V2_SIGNATURE "\x21\x21\0\x24"
                                 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                                 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
                                 "\xdc\x04\x14\x66"),
                false, "2001:db8::1 56324", "2001:db8::2 5222");
}

static void version_2_fields_behind_the_addresses_are_skipped(void **state)
{
    /* PP2_TYPE_AUTHORITY "a.example" and PP2_TYPE_NOOP */
    (void)state;
    check_valid(STR(V2_SIGNATURE "\x21\x11\0\x1b\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04\x14\x66"
                                 "\x02\0\x09"
                                 "a.example"
                                 "\x04\0\0"),
                false, "192.0.2.7 56324", "10.0.0.1 5222");
}

static void version_2_without_an_address_keeps_the_sockets_own(void **state)
{
    (void)state;
    check_valid(STR(V2_SIGNATURE "\x20\0\0\0"), true, NULL, NULL); /* LOCAL: a health check */
    check_valid(STR(V2_SIGNATURE "\x20\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04\x14\x66"), true, NULL, NULL);
    check_valid(STR(V2_SIGNATURE "\x20\x77\0\x02xy"), true, NULL, NULL); /* whose family is ignored */
    check_valid(STR(V2_SIGNATURE "\x21\0\0\x03xyz"), true, NULL, NULL);  /* UNSPEC */
    check_valid(STR(V2_SIGNATURE "\x21\x31\0\0"), true, NULL, NULL);     /* a UNIX socket */
}

static void version_2_refuses_what_it_does_not_define(void **state)
{
    (void)state;
    check_invalid(STR(V2_SIGNATURE "\x11\x11\0\x0c"));                                           /* version 1 */
    check_invalid(STR(V2_SIGNATURE "\x22\x11\0\x0c"));                                           /* no such command */
    check_invalid(STR(V2_SIGNATURE "\x21\x41\0\x0c"));                                           /* no such family */
    check_invalid(STR(V2_SIGNATURE "\x21\x12\0\x0c"));                                           /* a datagram */
    check_invalid(STR(V2_SIGNATURE "\x21\x11\0\x0b\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04\x14"));     /* too short */
    check_invalid(STR(V2_SIGNATURE "\x21\x21\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04\x14\x66")); /* IPv6, likewise */
    check_invalid(STR(V2_SIGNATURE "\x21\x11\xff\xff"));                                         /* 64 KiB of fields */
    check_invalid(STR("\r\n\r\n\0\r\nQUIX"));
}

static void version_2_takes_2048_bytes_and_no_more(void **state)
{
    struct proxy_header h;
    char bytes[PROXY_HEADER_MAX] = V2_SIGNATURE "\x21\x11";

    (void)state;
    bytes[14] = (char)((PROXY_HEADER_MAX - 16) >> 8);
    bytes[15] = (char)((PROXY_HEADER_MAX - 16) & 0xff);
    assert_int_equal(proxy_header_parse(str_make(bytes, sizeof(bytes) - 1), &h), PROXY_NEED_MORE);
    assert_int_equal(proxy_header_parse(str_make(bytes, sizeof(bytes)), &h), PROXY_OK);
    assert_int_equal(h.len, PROXY_HEADER_MAX);
    bytes[15]++;
    check_invalid(str_make(bytes, 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1_names_the_client),
        cmocka_unit_test(version_1_unknown_keeps_the_sockets_address),
        cmocka_unit_test(version_1_refuses_what_the_grammar_does_not_have),
        cmocka_unit_test(a_line_without_an_end_is_refused_at_107_bytes),
        cmocka_unit_test(version_2_names_the_client),
        cmocka_unit_test(version_2_fields_behind_the_addresses_are_skipped),
        cmocka_unit_test(version_2_without_an_address_keeps_the_sockets_own),
        cmocka_unit_test(version_2_refuses_what_it_does_not_define),
        cmocka_unit_test(version_2_takes_2048_bytes_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
