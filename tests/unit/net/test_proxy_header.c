/* tests/unit/net/test_proxy_header.c - PROXY protocol headers as the specification writes them, and as nobody should.
 */
#include "server/net/proxy_header.h"

#include "common/buf.h"
#include "common/crc32c.h"

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

/* ---- what stands behind the addresses ---- */

enum { ALPN = 1, AUTHORITY, CHECKSUM, NOOP, UNIQUE_ID, TLS = 0x20, VERSION, COMMON_NAME, CIPHER, CUSTOM = 0xe0 };

static void put_field(struct buf *out, int type, struct str value)
{
    buf_append_char(out, (char)type);
    buf_append_char(out, (char)(value.len >> 8));
    buf_append_char(out, (char)value.len);
    buf_append_str(out, value);
}

static void put_tls(struct buf *out, int client, bool is_verified, struct str sub_fields)
{
    struct buf value = {0};

    buf_append_char(&value, (char)client);
    buf_append_str(&value, is_verified ? STR("\0\0\0\0") : STR("\0\0\0\x01"));
    buf_append_str(&value, sub_fields);
    put_field(out, TLS, buf_str(&value));
    buf_deinit(&value);
}

/* A header from 192.0.2.7 with these fields. */
static struct str with_fields(struct buf *out, const struct buf *fields)
{
    buf_clear(out);
    buf_append_str(out, STR(V2_SIGNATURE "\x21\x11"));
    buf_append_char(out, (char)((12 + fields->len) >> 8));
    buf_append_char(out, (char)(12 + fields->len));
    buf_append_str(out, STR("\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04\x14\x66"));
    buf_append_str(out, buf_str(fields));
    return buf_str(out);
}

static void assert_text(struct str text, const char *expected)
{
    if (!str_is(text, expected))
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(text), expected);
}

static void version_2_tells_of_the_tls_that_the_balancer_ended(void **state)
{
    struct buf fields = {0}, tls = {0}, bytes = {0};
    struct proxy_header h;
    struct str header;

    (void)state;
    put_field(&tls, VERSION, STR("TLSv1.3"));
    put_field(&tls, CIPHER, STR("TLS_AES_256_GCM_SHA384"));
    put_field(&tls, COMMON_NAME, STR("Juliet"));
    put_field(&tls, 0x24, STR("SHA256")); /* not read, like all that is not known */
    put_field(&fields, CUSTOM, STR("whatever"));
    put_field(&fields, ALPN, STR("xmpp-client"));
    put_field(&fields, AUTHORITY, STR("a.example"));
    put_field(&fields, NOOP, STR("\0\0"));
    put_tls(&fields, 1 | 2, true, buf_str(&tls));
    put_field(&fields, UNIQUE_ID, STR("7f\0x"));
    put_field(&fields, NOOP, STR(""));
    put_field(&fields, NOOP, STR(""));
    header = with_fields(&bytes, &fields);
    check_valid(header, false, "192.0.2.7 56324", "10.0.0.1 5222");
    assert_int_equal(proxy_header_parse(header, &h), PROXY_OK);
    assert_true(h.tls.is_used);
    assert_true(h.tls.has_certificate);
    assert_true(h.tls.is_certificate_verified);
    assert_text(h.tls.version, "TLSv1.3");
    assert_text(h.tls.cipher, "TLS_AES_256_GCM_SHA384");
    assert_text(h.tls.common_name, "Juliet");
    assert_text(h.alpn, "xmpp-client");
    assert_text(h.authority, "a.example");
    assert_true(str_eq(h.unique_id, STR("7f\0x")));
    buf_deinit(&fields);
    buf_deinit(&tls);
    buf_deinit(&bytes);
}

static void the_bits_of_the_tls_field_are_told_apart(void **state)
{
    static const struct {
        int client;
        bool is_verified, wants_used, wants_certificate, wants_verified;
    } cases[] = {
        {0, false, false, false, false}, {1, false, true, false, false},    {1, true, true, false, false},
        {3, false, true, true, false},   {3, true, true, true, true},       {5, true, true, true, true},
        {2, true, false, true, true},    {0xf8, true, false, false, false},
    };
    struct buf fields = {0}, bytes = {0};
    struct proxy_header h;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&fields);
        put_tls(&fields, cases[i].client, cases[i].is_verified, STR("\x21\0\x07TLSv1.2"));
        assert_int_equal(proxy_header_parse(with_fields(&bytes, &fields), &h), PROXY_OK);
        assert_int_equal(h.tls.is_used, cases[i].wants_used);
        assert_int_equal(h.tls.has_certificate, cases[i].wants_certificate);
        assert_int_equal(h.tls.is_certificate_verified, cases[i].wants_verified);
    }
    /* Plain TCP through a balancer that speaks of TLS with each connection. */
    buf_clear(&fields);
    put_tls(&fields, 0, false, STR(""));
    assert_int_equal(proxy_header_parse(with_fields(&bytes, &fields), &h), PROXY_OK);
    assert_false(h.tls.is_used);
    buf_deinit(&fields);
    buf_deinit(&bytes);
}

static void a_header_that_speaks_for_nobody_has_no_fields(void **state)
{
    struct buf fields = {0}, bytes = {0};
    struct proxy_header h;

    (void)state;
    put_tls(&fields, 1, true, STR("\x21\0\x07TLSv1.3"));
    (void)with_fields(&bytes, &fields);
    bytes.p[12] = 0x20; /* LOCAL */
    assert_int_equal(proxy_header_parse(buf_str(&bytes), &h), PROXY_OK);
    assert_true(h.is_local);
    assert_false(h.tls.is_used);
    buf_deinit(&fields);
    buf_deinit(&bytes);
}

static void broken_fields_are_refused(void **state)
{
    static char long_value[300];
    static const struct {
        const char *why;
        struct str fields;
    } cases[] = {
        {"half a head", STR_INIT("\x04\0")},
        {"runs over the end", STR_INIT("\x04\0\x02x")},
        {"tls without its head", STR_INIT("\x20\0\x04\x01\0\0\0")},
        {"tls without a version", STR_INIT("\x20\0\x05\x01\0\0\0\0")},
        {"an empty version", STR_INIT("\x20\0\x08\x01\0\0\0\0\x21\0\0")},
        {"a version over the end of tls", STR_INIT("\x20\0\x09\x01\0\0\0\0\x21\0\x02x\x04\0\0")},
        {"half a head within tls", STR_INIT("\x20\0\x06\0\0\0\0\0\x21")},
        {"a version that is not printable", STR_INIT("\x20\0\x0a\x01\0\0\0\0\x21\0\x02T\n")},
        {"a cipher that is not printable", STR_INIT("\x20\0\x0e\x01\0\0\0\0\x21\0\x02T1\x23\0\x01\x7f")},
        {"a version of 16 bytes", STR_INIT("\x20\0\x18\x01\0\0\0\0\x21\0\x10TLSv1.3TLSv1.3xx")},
        {"tls twice", STR_INIT("\x20\0\x05\0\0\0\0\0\x20\0\x05\0\0\0\0\0")},
        {"a version twice", STR_INIT("\x20\0\x0d\x01\0\0\0\0\x21\0\x01x\x21\0\x01y")},
        {"alpn twice, once empty", STR_INIT("\x01\0\0\x01\0\x01x")},
        {"a short checksum", STR_INIT("\x03\0\x03xyz")},
        {"a long checksum", STR_INIT("\x03\0\x05vwxyz")},
        {"a wrong checksum", STR_INIT("\x03\0\x04wxyz")},
    };
    struct buf fields = {0}, bytes = {0};

    (void)state;
    memset(long_value, 'x', sizeof(long_value));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct proxy_header h;

        buf_clear(&fields);
        buf_append_str(&fields, cases[i].fields);
        if (proxy_header_parse(with_fields(&bytes, &fields), &h) != PROXY_INVALID)
            fail_msg("taken: %s", cases[i].why);
    }
    for (int type = 1; type <= 5; type++) {
        static const size_t max[] = {[ALPN] = 255, [AUTHORITY] = 255, [CHECKSUM] = 4, [NOOP] = 300, [UNIQUE_ID] = 128};

        if (type == NOOP || type == CHECKSUM)
            continue;
        buf_clear(&fields);
        put_field(&fields, type, str_make(long_value, max[type]));
        check_valid(with_fields(&bytes, &fields), false, "192.0.2.7 56324", "10.0.0.1 5222");
        buf_clear(&fields);
        put_field(&fields, type, str_make(long_value, max[type] + 1));
        check_invalid(with_fields(&bytes, &fields));
    }
    buf_deinit(&fields);
    buf_deinit(&bytes);
}

static void a_checksum_is_verified_wherever_it_stands(void **state)
{
    struct buf fields = {0}, bytes = {0};
    struct proxy_header h;

    (void)state;
    for (int behind = 0; behind < 2; behind++) {
        uint32_t crc;
        size_t at;

        buf_clear(&fields);
        put_field(&fields, AUTHORITY, STR("a.example"));
        at = 28 + fields.len + 3;
        put_field(&fields, CHECKSUM, STR("\0\0\0\0"));
        if (behind)
            put_field(&fields, ALPN, STR("xmpp-client"));
        crc = crc32c(CRC32C_BEGIN, with_fields(&bytes, &fields));
        for (int i = 0; i < 4; i++)
            bytes.p[at + (size_t)i] = (char)(crc >> (24 - 8 * i));
        check_valid(buf_str(&bytes), false, "192.0.2.7 56324", "10.0.0.1 5222");
        /* A single bit, anywhere behind what says how long the header is and what it is. */
        for (size_t bit = 16 * 8; bit < bytes.len * 8; bit++) {
            bytes.p[bit / 8] = (char)(bytes.p[bit / 8] ^ 1 << bit % 8);
            if (bit < 28 * 8 || bit / 8 >= at) /* where heads of fields stand anything may come of it */
                assert_int_equal(proxy_header_parse(buf_str(&bytes), &h), PROXY_INVALID);
            bytes.p[bit / 8] = (char)(bytes.p[bit / 8] ^ 1 << bit % 8);
        }
    }
    buf_deinit(&fields);
    buf_deinit(&bytes);
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
    bytes[28] = NOOP;
    bytes[29] = (char)((PROXY_HEADER_MAX - 31) >> 8);
    bytes[30] = (char)((PROXY_HEADER_MAX - 31) & 0xff);
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
        cmocka_unit_test(version_2_tells_of_the_tls_that_the_balancer_ended),
        cmocka_unit_test(the_bits_of_the_tls_field_are_told_apart),
        cmocka_unit_test(a_header_that_speaks_for_nobody_has_no_fields),
        cmocka_unit_test(broken_fields_are_refused),
        cmocka_unit_test(a_checksum_is_verified_wherever_it_stands),
        cmocka_unit_test(version_2_without_an_address_keeps_the_sockets_own),
        cmocka_unit_test(version_2_refuses_what_it_does_not_define),
        cmocka_unit_test(version_2_takes_2048_bytes_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
