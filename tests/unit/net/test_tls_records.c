/* tests/unit/net/test_tls_records.c - the record layer by itself: published records, both ends against each other, and
 * all that a peer may not do.
 *
 * What it shares with other implementations is tried in test_tls_openssl.c. */
#include "tests/unit/net/tls_forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ALERT = FORGE_ALERT, HANDSHAKE = FORGE_HANDSHAKE, TEXT = FORGE_TEXT };

/* ---- two ends ---- */

struct pair {
    struct tls_records client, server;
    struct buf wire, back, text; /* to the server, from it, and what it read */
};

static void fill(uint8_t *p, size_t len, uint8_t from)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(from + i);
}

static void pair_init(struct pair *p, int suite)
{
    const struct tls_suite *s = tls_suite_find(suite);
    struct tls_direction up = {.sequence = s->is_1_3 ? 0 : 1}, down = {.sequence = s->is_1_3 ? 0 : 1};
    uint8_t secret[48], randoms[64];

    memset(p, 0, sizeof(*p));
    fill(secret, sizeof(secret), 1);
    fill(randoms, sizeof(randoms), 100);
    if (s->is_1_3) {
        tls_key_make_1_3(s, secret, &up.key);
        tls_key_make_1_3(s, randoms, &down.key);
    } else {
        tls_keys_make_1_2(s, s->hash == MBEDTLS_MD_SHA384 ? MBEDTLS_SSL_TLS_PRF_SHA384 : MBEDTLS_SSL_TLS_PRF_SHA256,
                          secret, sizeof(secret), randoms, &up.key, &down.key);
    }
    tls_records_init(&p->client, s, &down, &up, TLS_TEXT_MAX);
    tls_records_init(&p->server, s, &up, &down, TLS_TEXT_MAX);
}

static void pair_deinit(struct pair *p)
{
    tls_records_deinit(&p->client);
    tls_records_deinit(&p->server);
    buf_deinit(&p->wire);
    buf_deinit(&p->back);
    buf_deinit(&p->text);
}

static void for_each_suite(void (*test)(int suite))
{
    static const int suites[] = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xcca9, 0xc02f, 0xc030, 0xcca8};

    for (size_t i = 0; i < ARRAY_LEN(suites); i++)
        test(suites[i]);
}

/* The server reads what is on the wire, all of it or to the record that ends the connection. */
static enum tls_records_state server_reads(struct pair *p)
{
    struct str in = buf_str(&p->wire);
    enum tls_records_state state = tls_records_read(&p->server, &in, 1 << 20, &p->text, &p->back);

    buf_consume(&p->wire, p->wire.len - in.len);
    return state;
}

static void client_seals(struct pair *p, uint8_t type, const void *content, size_t len, size_t padding)
{
    forge_record(p->client.suite, &p->client.write, type, content, len, padding, &p->wire);
}

static void client_says(struct pair *p, const char *text)
{
    assert_int_equal(tls_records_write(&p->client, str_of(text), &p->wire), LN_OK);
}

/* What the client finds in the one alert that the server sent. */
static void assert_fatal_alert(struct pair *p, uint8_t alert)
{
    struct str in = buf_str(&p->back);
    struct buf text = {0}, out = {0};

    assert_int_equal(p->server.alert, alert);
    assert_false(p->server.is_peers_alert);
    assert_int_equal(tls_records_read(&p->client, &in, 1 << 20, &text, &out), TLS_RECORDS_FAILED);
    assert_int_equal(p->client.alert, alert);
    assert_true(p->client.is_peers_alert);
    assert_int_equal(out.len, 0); /* an alert is not answered */
    buf_deinit(&text);
    buf_deinit(&out);
}

/* ---- RFC 8448 section 3 ---- */

static void from_hex(const char *hex, struct buf *out)
{
    for (; hex[0] != '\0'; hex += 2) {
        char digits[3] = {hex[0], hex[1], '\0'};

        buf_append_char(out, (char)strtoul(digits, NULL, 16));
    }
}

static void assert_hex(const void *p, size_t len, const char *hex)
{
    struct buf expected = {0};

    from_hex(hex, &expected);
    assert_int_equal(len, expected.len);
    assert_memory_equal(p, expected.p, len);
    buf_deinit(&expected);
}

static void make_rfc_8448(struct tls_records *server)
{
    const struct tls_suite *s = tls_suite_find(0x1301);
    struct tls_direction read = {.sequence = 0}, write = {.sequence = 1}; /* the ticket was 0 */
    struct buf client_secret = {0}, server_secret = {0};

    from_hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", &client_secret);
    from_hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643", &server_secret);
    tls_key_make_1_3(s, (const uint8_t *)client_secret.p, &read.key);
    tls_key_make_1_3(s, (const uint8_t *)server_secret.p, &write.key);
    tls_records_init(server, s, &read, &write, TLS_TEXT_MAX);
    buf_deinit(&client_secret);
    buf_deinit(&server_secret);
}

static void the_keys_of_rfc_8448_come_out(void **state)
{
    struct tls_records server;

    (void)state;
    make_rfc_8448(&server);
    assert_hex(server.read.key.key, 16, "17422dda596ed5d9acd890e3c63f5051");
    assert_hex(server.read.key.iv, 12, "5b78923dee08579033e523d9");
    assert_hex(server.write.key.key, 16, "9f02283b6c9c07efc26bb9f2ac92e356");
    assert_hex(server.write.key.iv, 12, "cf782b88dd83549aadf1e984");
    tls_records_deinit(&server);
}

static void the_records_of_rfc_8448_are_read_and_made(void **state)
{
    struct tls_records server;
    struct buf wire = {0}, text = {0}, out = {0};
    struct str in;
    uint8_t octets[50];

    (void)state;
    make_rfc_8448(&server);
    fill(octets, sizeof(octets), 0);
    from_hex("1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f"
             "5a6292a2977014bd1e3deae63aeebb21694915e4"
             "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3",
             &wire);
    in = buf_str(&wire);
    assert_int_equal(tls_records_read(&server, &in, 1000, &text, &out), TLS_RECORDS_CLOSED);
    assert_int_equal(in.len, 0);
    assert_int_equal(text.len, sizeof(octets));
    assert_memory_equal(text.p, octets, sizeof(octets));
    assert_int_equal(out.len, 0);
    assert_int_equal(tls_records_write(&server, buf_str(&text), &out), LN_OK);
    tls_records_alert(&server, TLS_ALERT_CLOSE_NOTIFY, &out);
    assert_hex(out.p, out.len,
               "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c"
               "4bf2e5f0a21c0047c2abf332540dd032e167c2955d"
               "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9");
    buf_deinit(&wire);
    buf_deinit(&text);
    buf_deinit(&out);
    tls_records_deinit(&server);
}

/* ---- text ---- */

static void check_lengths(int suite)
{
    static const size_t lengths[] = {1, 2, 15, 16, 17, 200, 4096, 16383, 16384, 16385, 40000};
    struct pair p;
    char *bytes = mem_alloc(40000);

    fill((uint8_t *)bytes, 40000, 7);
    pair_init(&p, suite);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        const struct tls_suite *s = p.client.suite;
        size_t n_records = (lengths[i] + 16383) / 16384;
        size_t overhead = 5 + 16 + (s->is_1_3 ? 1 : s->aead == TLS_AES_GCM ? 8 : 0);

        assert_int_equal(tls_records_write(&p.client, str_make(bytes, lengths[i]), &p.wire), LN_OK);
        assert_int_equal(p.wire.len, lengths[i] + n_records * overhead);
        assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
        assert_int_equal(p.wire.len, 0);
        assert_true(str_eq(buf_str(&p.text), str_make(bytes, lengths[i])));
        buf_clear(&p.text);
    }
    assert_int_equal(p.back.len, 0);
    assert_int_equal(tls_records_write(&p.client, STR(""), &p.wire), LN_OK);
    assert_int_equal(p.wire.len, 0);
    free(bytes);
    pair_deinit(&p);
}

static void text_of_any_length_takes_as_few_records_as_can_be(void **state)
{
    (void)state;
    for_each_suite(check_lengths);
}

static void check_pieces(int suite)
{
    struct pair p;
    struct str in;

    pair_init(&p, suite);
    client_says(&p, "first");
    for (size_t n = 0; n < p.wire.len; n++) {
        in = str_make(p.wire.p, n);
        assert_int_equal(tls_record_missing(in), n < 5 ? 5 - n : p.wire.len - n);
        assert_int_equal(tls_records_read(&p.server, &in, 1000, &p.text, &p.back), TLS_RECORDS_OPEN);
        assert_int_equal(in.len, n); /* nothing is taken of a part */
        assert_int_equal(p.text.len, 0);
    }
    client_says(&p, "second");
    client_says(&p, "third");
    in = buf_str(&p.wire);
    assert_int_equal(tls_records_read(&p.server, &in, 6, &p.text, &p.back), TLS_RECORDS_OPEN);
    assert_true(str_is(buf_str(&p.text), "firstsecond")); /* to the end of the record that passes the limit */
    assert_int_equal(tls_records_read(&p.server, &in, 6, &p.text, &p.back), TLS_RECORDS_OPEN);
    assert_true(str_is(buf_str(&p.text), "firstsecondthird"));
    assert_int_equal(in.len, 0);
    pair_deinit(&p);
}

static void a_record_is_taken_when_all_of_it_is_there(void **state)
{
    (void)state;
    for_each_suite(check_pieces);
}

static void the_negotiated_length_of_a_record_is_kept(void **state)
{
    struct pair p;
    char bytes[2000];

    (void)state;
    pair_init(&p, 0xc02b);
    memset(bytes, 'x', sizeof(bytes));
    p.client.text_max = 512;
    assert_int_equal(tls_records_write(&p.client, str_make(bytes, sizeof(bytes)), &p.wire), LN_OK);
    assert_int_equal(p.wire.len, 2000 + 4 * (5 + 8 + 16));
    assert_int_equal(p.wire.p[3] << 8 | p.wire.p[4], 512 + 8 + 16);
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    assert_true(str_eq(buf_str(&p.text), str_make(bytes, sizeof(bytes))));
    pair_deinit(&p);
}

/* AES-GCM gives away its key when a nonce comes twice. */
static void no_nonce_is_sent_twice(void **state)
{
    struct pair p;
    uint64_t seen = 0;
    size_t at = 0;

    (void)state;
    pair_init(&p, 0xc02b);
    for (int i = 0; i < 3; i++)
        client_says(&p, "text");
    tls_records_alert(&p.client, TLS_ALERT_CLOSE_NOTIFY, &p.wire);
    while (at < p.wire.len) {
        uint64_t n = 0;

        for (int i = 0; i < 8; i++)
            n = n << 8 | (uint8_t)p.wire.p[at + 5 + (size_t)i];
        assert_true(n > seen);
        seen = n;
        at += 5 + ((size_t)(uint8_t)p.wire.p[at + 3] << 8 | (uint8_t)p.wire.p[at + 4]);
    }
    assert_int_equal(seen, 4);
    pair_deinit(&p);
}

/* RFC 5288 section 3: how a client of TLS 1.2 makes its nonces is its own affair. */
static void the_peers_explicit_nonce_need_not_be_a_counter(void **state)
{
    struct pair p;
    struct tls_cipher c;
    uint8_t nonce[12], aad[13] = {0, 0, 0, 0, 0, 0, 0, 1, TEXT, 3, 3, 0, 4}, sealed[20];
    static const uint8_t header[] = {TEXT, 3, 3, 0, 8 + 4 + 16}, chosen[8] = {9, 8, 7, 6, 5, 4, 3, 2};

    (void)state;
    pair_init(&p, 0xc02b);
    memcpy(nonce, p.client.write.key.iv, 4);
    memcpy(nonce + 4, chosen, 8);
    tls_cipher_init(&c, p.client.suite, &p.client.write.key);
    tls_cipher_seal(&c, nonce, aad, sizeof(aad), (const uint8_t *)"text", 4, sealed);
    tls_cipher_deinit(&c);
    buf_append(&p.wire, header, sizeof(header));
    buf_append(&p.wire, chosen, sizeof(chosen));
    buf_append(&p.wire, sealed, sizeof(sealed));
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    assert_true(str_is(buf_str(&p.text), "text"));
    pair_deinit(&p);
}

static void padding_is_taken_off(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p, 0x1301);
    client_seals(&p, TEXT, "text", 4, 100);
    client_seals(&p, TEXT, "\0\0", 2, 0);
    client_seals(&p, TEXT, "end", 3, TLS_TEXT_MAX - 3);
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    assert_int_equal(p.text.len, 9);
    assert_memory_equal(p.text.p, "text\0\0end", 9);
    pair_deinit(&p);
}

/* ---- what damages or lies ---- */

static void check_tampering(int suite)
{
    struct pair p;
    size_t len;

    pair_init(&p, suite);
    client_says(&p, "<message/>");
    len = p.wire.len;
    pair_deinit(&p);
    /* Any bit but those of the length, which only makes the reader wait or see another end. */
    for (size_t i = 0; i < len; i++) {
        if (i == 3 || i == 4)
            continue;
        pair_init(&p, suite);
        client_says(&p, "<message/>");
        p.wire.p[i] = (char)(p.wire.p[i] ^ 1 << (i % 8));
        assert_int_equal(server_reads(&p), TLS_RECORDS_FAILED);
        assert_int_equal(p.text.len, 0);
        if (i >= 5)
            assert_fatal_alert(&p, TLS_ALERT_BAD_RECORD_MAC);
        pair_deinit(&p);
    }
}

static void a_flipped_bit_anywhere_ends_the_connection(void **state)
{
    (void)state;
    for_each_suite(check_tampering);
}

static void check_order(int suite)
{
    struct pair p;
    size_t first_len;
    struct str in;

    pair_init(&p, suite);
    client_says(&p, "first");
    first_len = p.wire.len;
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    pair_deinit(&p);

    pair_init(&p, suite); /* the second without the first */
    client_says(&p, "first");
    client_says(&p, "second");
    buf_consume(&p.wire, first_len);
    assert_int_equal(server_reads(&p), TLS_RECORDS_FAILED);
    assert_fatal_alert(&p, TLS_ALERT_BAD_RECORD_MAC);
    pair_deinit(&p);

    pair_init(&p, suite); /* the first again */
    client_says(&p, "first");
    in = buf_str(&p.wire);
    assert_int_equal(tls_records_read(&p.server, &in, 1000, &p.text, &p.back), TLS_RECORDS_OPEN);
    assert_int_equal(server_reads(&p), TLS_RECORDS_FAILED);
    assert_true(str_is(buf_str(&p.text), "first"));
    assert_fatal_alert(&p, TLS_ALERT_BAD_RECORD_MAC);
    pair_deinit(&p);
}

static void records_that_are_missing_or_repeated_end_the_connection(void **state)
{
    (void)state;
    for_each_suite(check_order);
}

static void check_header(int suite, const uint8_t header[5], size_t body, uint8_t alert)
{
    struct pair p;

    pair_init(&p, suite);
    buf_append(&p.wire, header, 5);
    memset(buf_reserve(&p.wire, body), 0, body);
    p.wire.len += body;
    assert_int_equal(server_reads(&p), TLS_RECORDS_FAILED);
    assert_int_equal(p.text.len, 0);
    assert_fatal_alert(&p, alert);
    pair_deinit(&p);
}

static void a_header_that_cannot_be_is_refused_by_its_alert(void **state)
{
    (void)state;
    /* Too long: nobody waits for the rest. */
    check_header(0x1301, (const uint8_t[]){TEXT, 3, 3, 0x41, 0x01}, 0, 22);
    check_header(0xc02b, (const uint8_t[]){TEXT, 3, 3, 0xff, 0xff}, 0, 22);
    check_header(0xc02b, (const uint8_t[]){TEXT, 3, 3, 0x40, 8 + 16 + 1}, 0x4000 + 25, 22);
    /* Too short to hold a tag. */
    check_header(0x1301, (const uint8_t[]){TEXT, 3, 3, 0, 16}, 16, 20);
    check_header(0xc02b, (const uint8_t[]){TEXT, 3, 3, 0, 23}, 23, 20);
    check_header(0xcca9, (const uint8_t[]){TEXT, 3, 3, 0, 0}, 0, 20);
    /* Versions and types that are over. */
    check_header(0xc02b, (const uint8_t[]){TEXT, 3, 1, 0, 30}, 30, 70);
    check_header(0x1301, (const uint8_t[]){20, 3, 3, 0, 1}, 1, 10);
    check_header(0x1301, (const uint8_t[]){ALERT, 3, 3, 0, 2}, 2, 10);
    check_header(0x1301, (const uint8_t[]){HANDSHAKE, 3, 3, 0, 40}, 40, 10);
    check_header(0xc02b, (const uint8_t[]){20, 3, 3, 0, 1}, 1, 20); /* in clear: not even the tag is there */
}

static void check_content(int suite, uint8_t type, const void *content, size_t len, uint8_t alert)
{
    struct pair p;

    pair_init(&p, suite);
    client_says(&p, "before");
    client_seals(&p, type, content, len, 0);
    client_seals(&p, TEXT, "behind", 6, 0);
    assert_int_equal(server_reads(&p), TLS_RECORDS_FAILED);
    assert_true(str_is(buf_str(&p.text), "before"));
    assert_fatal_alert(&p, alert);
    pair_deinit(&p);
}

static void content_that_no_client_may_send_is_refused_by_its_alert(void **state)
{
    static const uint8_t too_much[TLS_TEXT_MAX + 1] = {1};

    (void)state;
    check_content(0xc02b, 20, "\1", 1, 10);
    check_content(0xc02b, 24, "heartbeat", 9, 10);
    check_content(0x1301, 20, "\1", 1, 10);
    check_content(0x1301, 24, "heartbeat", 9, 10);
    check_content(0x1301, 0, "", 0, 10); /* nothing but padding, and no type */
    check_content(0x1301, TEXT, too_much, sizeof(too_much), 22);
    check_content(0x1301, ALERT, "", 0, 50);
    check_content(0x1301, ALERT, "\1\0\1", 3, 50);
    check_content(0xc02b, ALERT, "\1", 1, 50);
    check_content(0x1301, HANDSHAKE, "", 0, 10);
    check_content(0x1301, HANDSHAKE, "\4\0\0\1\0", 5, 10);  /* NewSessionTicket */
    check_content(0x1301, HANDSHAKE, "\1\0\0\1\0", 5, 10);  /* ClientHello */
    check_content(0x1301, HANDSHAKE, "\30\0\0\2\0", 5, 50); /* a KeyUpdate that is too long */
    check_content(0x1301, HANDSHAKE, "\30\0\0\1\2", 5, 47); /* and one that asks for something else */
    check_content(0x1301, HANDSHAKE, "\30\0\0\1\0\30\0\0\1\0", 10, 10);
    check_content(0xc02b, HANDSHAKE, "", 0, 10);
    check_content(0xc02b, HANDSHAKE, "\1\0\0\2\0", 5, 10); /* half a ClientHello */
    check_content(0xc02b, HANDSHAKE, "\0\0\0\0", 4, 10);   /* HelloRequest: the server's */
    check_content(0xc02b, HANDSHAKE, "\30\0\0\1\0", 5, 10);
}

/* ---- alerts ---- */

static void check_closing(int suite)
{
    struct pair p;
    struct str in;

    pair_init(&p, suite);
    client_says(&p, "</stream>");
    tls_records_alert(&p.client, TLS_ALERT_CLOSE_NOTIFY, &p.wire);
    assert_int_equal(server_reads(&p), TLS_RECORDS_CLOSED);
    assert_true(str_is(buf_str(&p.text), "</stream>"));
    buf_clear(&p.text);
    /* The other direction is open. */
    assert_int_equal(tls_records_write(&p.server, STR("</stream>"), &p.back), LN_OK);
    tls_records_alert(&p.server, TLS_ALERT_CLOSE_NOTIFY, &p.back);
    in = buf_str(&p.back);
    assert_int_equal(tls_records_read(&p.client, &in, 1000, &p.text, &p.wire), TLS_RECORDS_CLOSED);
    assert_true(str_is(buf_str(&p.text), "</stream>"));
    pair_deinit(&p);
}

static void close_notify_ends_one_direction(void **state)
{
    (void)state;
    for_each_suite(check_closing);
}

static void check_peers_alert(int suite, const char alert[2], enum tls_records_state expected)
{
    struct pair p;

    pair_init(&p, suite);
    client_seals(&p, ALERT, alert, 2, 0);
    client_seals(&p, TEXT, "text", 4, 0);
    assert_int_equal(server_reads(&p), expected);
    assert_int_equal(p.text.len, expected == TLS_RECORDS_OPEN ? 4 : 0);
    assert_int_equal(p.back.len, 0);
    if (expected == TLS_RECORDS_FAILED) {
        assert_true(p.server.is_peers_alert);
        assert_int_equal(p.server.alert, alert[1]);
    }
    pair_deinit(&p);
}

static void of_the_peers_alerts_the_fatal_ones_end_the_connection(void **state)
{
    (void)state;
    check_peers_alert(0xc02b, "\2\24", TLS_RECORDS_FAILED); /* bad_record_mac */
    check_peers_alert(0xc02b, "\1\132", TLS_RECORDS_OPEN);  /* user_canceled, no_renegotiation: warnings */
    check_peers_alert(0xc02b, "\1\144", TLS_RECORDS_OPEN);
    check_peers_alert(0xc02b, "\2\0", TLS_RECORDS_CLOSED);
    check_peers_alert(0xc02b, "\3\12", TLS_RECORDS_FAILED); /* a level that is none */
    check_peers_alert(0x1301, "\1\132", TLS_RECORDS_OPEN);
    check_peers_alert(0x1301, "\1\24", TLS_RECORDS_FAILED); /* in TLS 1.3 a level means nothing */
    check_peers_alert(0x1301, "\2\54", TLS_RECORDS_FAILED);
    assert_string_equal(tls_alert_name(20), "bad_record_mac");
    assert_string_equal(tls_alert_name(255), "alert");
}

/* ---- floods ---- */

static void check_flood(int suite, uint8_t type, const void *content, size_t len)
{
    struct pair p;

    pair_init(&p, suite);
    for (int round = 0; round < 3; round++) { /* text in between makes it no flood */
        for (int i = 0; i < 32; i++)
            client_seals(&p, type, content, len, 0);
        client_seals(&p, TEXT, "text", 4, 0);
    }
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    assert_int_equal(p.text.len, 12);
    for (int i = 0; i < 33; i++)
        client_seals(&p, type, content, len, 0);
    assert_int_equal(server_reads(&p), TLS_RECORDS_FAILED);
    assert_fatal_alert(&p, 10);
    pair_deinit(&p);
}

static void records_without_text_are_taken_for_a_while_only(void **state)
{
    (void)state;
    check_flood(0xc02b, TEXT, "", 0);
    check_flood(0x1301, TEXT, "", 0);
    check_flood(0xc02b, ALERT, "\1\132", 2);
    check_flood(0x1301, ALERT, "\1\132", 2);
}

/* ---- renegotiation, TLS 1.2 ---- */

static void a_renegotiation_is_refused_once_and_then_ends_the_connection(void **state)
{
    struct pair p;
    struct buf text = {0}, out = {0};
    struct str in;

    (void)state;
    pair_init(&p, 0xc02b);
    client_seals(&p, HANDSHAKE, "\1\0\0\1\0", 5, 0);
    client_seals(&p, TEXT, "text", 4, 0);
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    assert_true(str_is(buf_str(&p.text), "text"));
    assert_int_equal(p.back.len, 5 + 8 + 2 + 16);
    in = buf_str(&p.back);
    assert_int_equal(tls_records_read(&p.client, &in, 1000, &text, &out), TLS_RECORDS_OPEN); /* a warning */
    buf_clear(&p.back);
    client_seals(&p, HANDSHAKE, "\1\0\0\1\0", 5, 0);
    assert_int_equal(server_reads(&p), TLS_RECORDS_FAILED);
    assert_fatal_alert(&p, 10);
    buf_deinit(&text);
    buf_deinit(&out);
    pair_deinit(&p);
}

/* ---- keys that change, TLS 1.3 ---- */

static void client_updates(struct pair *p, char request)
{
    char message[] = {24, 0, 0, 1, request};

    client_seals(p, HANDSHAKE, message, 5, 0);
    tls_key_update(p->client.suite, &p->client.write.key);
    p->client.write.sequence = 0;
}

static void assert_server_is_heard(struct pair *p, const char *expected)
{
    struct buf text = {0}, out = {0};
    struct str in = buf_str(&p->back);

    assert_int_equal(tls_records_read(&p->client, &in, 1 << 20, &text, &out), TLS_RECORDS_OPEN);
    assert_int_equal(in.len, 0);
    assert_true(str_is(buf_str(&text), expected));
    buf_clear(&p->back);
    buf_deinit(&text);
    buf_deinit(&out);
}

static void check_key_updates(int suite)
{
    struct pair p;
    struct tls_key before;

    if (!tls_suite_find(suite)->is_1_3)
        return;
    pair_init(&p, suite);
    before = p.server.write.key;
    client_says(&p, "a");
    client_updates(&p, 0);
    client_says(&p, "b");
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    assert_true(str_is(buf_str(&p.text), "ab"));
    assert_false(p.server.owes_key_update);
    /* Asked twice while silent: answered once, and not before there is something to say. */
    client_updates(&p, 1);
    client_updates(&p, 1);
    client_says(&p, "c");
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    assert_true(str_is(buf_str(&p.text), "abc"));
    assert_int_equal(p.back.len, 0);
    assert_memory_equal(&before, &p.server.write.key, sizeof(before));
    assert_int_equal(tls_records_write(&p.server, STR("text"), &p.back), LN_OK);
    assert_int_equal(p.back.len, (5 + 5 + 17) + (5 + 4 + 17));
    assert_server_is_heard(&p, "text");
    assert_false(p.client.owes_key_update);
    assert_int_equal(p.server.write.sequence, 1);
    assert_int_equal(tls_records_write(&p.server, STR("more"), &p.back), LN_OK);
    assert_int_equal(p.back.len, 5 + 4 + 17);
    assert_server_is_heard(&p, "more");
    pair_deinit(&p);
}

static void a_peer_may_change_its_key_and_ask_us_to(void **state)
{
    (void)state;
    for_each_suite(check_key_updates);
}

static void a_key_update_may_come_in_pieces_with_nothing_between(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p, 0x1301);
    client_seals(&p, HANDSHAKE, "\30\0", 2, 0);
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    client_seals(&p, HANDSHAKE, "\0\1\1", 3, 0);
    tls_key_update(p.client.suite, &p.client.write.key);
    p.client.write.sequence = 0;
    client_says(&p, "text");
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    assert_true(str_is(buf_str(&p.text), "text"));
    client_seals(&p, HANDSHAKE, "\30", 1, 0);
    client_seals(&p, TEXT, "between", 7, 0);
    assert_int_equal(server_reads(&p), TLS_RECORDS_FAILED);
    assert_fatal_alert(&p, 10);
    pair_deinit(&p);
}

static void a_key_that_has_done_its_work_is_changed(void **state)
{
    struct pair p;
    char bytes[40000];

    (void)state;
    pair_init(&p, 0x1301);
    memset(bytes, 'x', sizeof(bytes));
    p.server.blocks_left = 1100; /* one record of 16384 bytes, and a bit */
    assert_int_equal(tls_records_write(&p.server, str_make(bytes, sizeof(bytes)), &p.back), LN_OK);
    assert_int_equal(p.back.len, sizeof(bytes) + 3 * 22 + (5 + 5 + 17));
    assert_int_equal(p.server.write.sequence, 2); /* with the second key */
    assert_true(p.server.blocks_left > 1u << 30);
    buf_append(&p.text, bytes, sizeof(bytes));
    buf_append_char(&p.text, '\0');
    assert_server_is_heard(&p, p.text.p);
    pair_deinit(&p);
}

static void in_1_2_a_key_that_has_done_its_work_ends_the_connection(void **state)
{
    struct pair p;
    char bytes[40000];

    (void)state;
    pair_init(&p, 0xc02b);
    memset(bytes, 'x', sizeof(bytes));
    p.server.blocks_left = 1100;
    assert_int_equal(tls_records_write(&p.server, str_make(bytes, sizeof(bytes)), &p.back), LN_E_LIMIT);
    assert_int_equal(p.back.len, 16384 + 29);
    tls_records_alert(&p.server, TLS_ALERT_CLOSE_NOTIFY, &p.back); /* that much is kept in reserve */
    assert_int_equal(p.back.len, 16384 + 29 + 31);
    pair_deinit(&p);
}

static void no_key_is_left_behind(void **state)
{
    static const struct tls_direction nothing = {0};
    struct pair p;

    (void)state;
    pair_init(&p, 0x1302);
    assert_memory_not_equal(&p.server.read, &nothing, sizeof(nothing));
    tls_records_deinit(&p.server);
    assert_memory_equal(&p.server.read, &nothing, sizeof(nothing));
    assert_memory_equal(&p.server.write, &nothing, sizeof(nothing));
    pair_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_keys_of_rfc_8448_come_out),
        cmocka_unit_test(the_records_of_rfc_8448_are_read_and_made),
        cmocka_unit_test(text_of_any_length_takes_as_few_records_as_can_be),
        cmocka_unit_test(a_record_is_taken_when_all_of_it_is_there),
        cmocka_unit_test(the_negotiated_length_of_a_record_is_kept),
        cmocka_unit_test(no_nonce_is_sent_twice),
        cmocka_unit_test(the_peers_explicit_nonce_need_not_be_a_counter),
        cmocka_unit_test(padding_is_taken_off),
        cmocka_unit_test(a_flipped_bit_anywhere_ends_the_connection),
        cmocka_unit_test(records_that_are_missing_or_repeated_end_the_connection),
        cmocka_unit_test(a_header_that_cannot_be_is_refused_by_its_alert),
        cmocka_unit_test(content_that_no_client_may_send_is_refused_by_its_alert),
        cmocka_unit_test(close_notify_ends_one_direction),
        cmocka_unit_test(of_the_peers_alerts_the_fatal_ones_end_the_connection),
        cmocka_unit_test(records_without_text_are_taken_for_a_while_only),
        cmocka_unit_test(a_renegotiation_is_refused_once_and_then_ends_the_connection),
        cmocka_unit_test(a_peer_may_change_its_key_and_ask_us_to),
        cmocka_unit_test(a_key_update_may_come_in_pieces_with_nothing_between),
        cmocka_unit_test(a_key_that_has_done_its_work_is_changed),
        cmocka_unit_test(in_1_2_a_key_that_has_done_its_work_ends_the_connection),
        cmocka_unit_test(no_key_is_left_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
