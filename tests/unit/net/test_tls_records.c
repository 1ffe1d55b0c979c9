/* tests/unit/net/test_tls_records.c - the record layer by itself: published records, text of all lengths, and damage.
 *
 * What it shares with other implementations is tried in test_tls_openssl.c. */
#include "tests/unit/net/tls_records_pair.h"

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

/* RFC 8448 changes no key: these were calculated with another implementation of HKDF, which had found those above. */
static void the_key_after_it_comes_out(void **state)
{
    struct tls_records server;

    (void)state;
    make_rfc_8448(&server);
    tls_key_update(server.suite, &server.read.key);
    assert_hex(server.read.key.secret, 32, "fcdfcc72725aaee48bf64e4fd8b749cdbdbab39d90da0b26e2245ca6ea167207");
    assert_hex(server.read.key.key, 16, "3879d82f5f14056e623f2ce5bfc66fce");
    assert_hex(server.read.key.iv, 12, "5dfb2c5938c3379b6cc5d1f2");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_keys_of_rfc_8448_come_out),
        cmocka_unit_test(the_key_after_it_comes_out),
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
