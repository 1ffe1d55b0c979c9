/* tests/unit/net/test_tls.c - the connection: handshakes, records, names, refusals. */
#include "tests/unit/net/tls_hosts.h"

#include "server/net/tls_internal.h"

static int set_up(void **state)
{
    struct fixture *f;

    (void)set_up_hosts(state);
    f = *state;
    f->hosts[2] = make_certificate(&f->dir, (struct certificate_spec){.file = "c", .name = "xn--bcher-kva.example"});
    f->hosts[2].name = STR("bücher.example");
    tls_context_unref(&f->ctx);
    f->ctx = make_context(f->hosts, 3, f->tickets);
    return 0;
}

static void exchange_and_check(struct client *c, struct tls *server)
{
    struct buf plain = {0};

    assert_int_equal(send_to_server(c, server, "<stream>", &plain), TLS_READY);
    assert_true(str_is(buf_str(&plain), "<stream>"));
    buf_clear(&plain);
    assert_int_equal(tls_write(server, STR("<features/>")), LN_OK);
    while (client_is_ticket(receive_from_server(c, server, &plain)))
        ;
    assert_true(str_is(buf_str(&plain), "<features/>"));
    buf_deinit(&plain);
}

static void check_suite(struct fixture *f, int version, int suite, const char *sni)
{
    struct client c;
    struct tls *server = tls_new(f->ctx, true, STR(""));

    client_init(&c, (struct client_options){.version = version, .suite = suite, .sni = sni});
    assert_int_equal(join(&c, server, 0), TLS_READY);
    assert_int_equal(c.result, 0);
    assert_string_equal(tls_version_name(server), version == TLS_1_3 ? "1.3" : "1.2");
    assert_string_equal(tls_cipher_name(server), mbedtls_ssl_get_ciphersuite_name(suite));
    assert_true(str_is(tls_sni(server), sni));
    exchange_and_check(&c, server);
    tls_free(&server);
    client_deinit(&c);
}

static void each_suite_carries_bytes_both_ways(void **state)
{
    static const int ecdsa[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256};
    static const int rsa[] = {MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                              MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                              MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256};

    for (size_t i = 0; i < ARRAY_LEN(ecdsa); i++) {
        check_suite(*state, TLS_1_2, ecdsa[i], "a.example");
        check_suite(*state, TLS_1_2, rsa[i], "b.example");
    }
#if COMPAT_HAS_TLS_1_3
    for (int suite = 0x1301; suite <= 0x1303; suite++) {
        check_suite(*state, TLS_1_3, suite, "a.example");
        check_suite(*state, TLS_1_3, suite, "b.example");
    }
#endif
}

/* A connection that has been made. */
struct pair {
    struct client c;
    struct tls *server;
};

static void pair_init(struct pair *p, struct fixture *f, struct client_options o)
{
    p->server = tls_new(f->ctx, false, STR(""));
    client_init(&p->c, o);
    assert_int_equal(join(&p->c, p->server, 0), TLS_READY);
    assert_int_equal(p->c.result, 0);
}

static void pair_deinit(struct pair *p)
{
    tls_free(&p->server);
    client_deinit(&p->c);
}

/* Runs a test with each version that the library has. */
static void with_each_version(struct fixture *f, void (*test)(struct fixture *f, int version))
{
    test(f, TLS_1_2);
#if COMPAT_HAS_TLS_1_3
    test(f, TLS_1_3);
#endif
}

static void check_bytewise(struct fixture *f, int version)
{
    struct client c;
    struct tls *server = tls_new(f->ctx, true, STR(""));

    client_init(&c, (struct client_options){.version = version, .sni = "a.example"});
    assert_int_equal(join(&c, server, 1), TLS_READY);
    assert_int_equal(c.result, 0);
    exchange_and_check(&c, server);
    tls_free(&server);
    client_deinit(&c);
}

static void a_handshake_that_arrives_byte_by_byte_succeeds(void **state)
{
    with_each_version(*state, check_bytewise);
}

static void assert_certificate(struct client *c, const struct tls_host *host)
{
    const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&c->ssl);
    struct buf expected = {0};

    load_der(host->certificate_path, &expected);
    assert_non_null(crt);
    assert_true(str_eq(buf_str(&expected), str_make((const char *)crt->raw.p, crt->raw.len)));
    buf_deinit(&expected);
}

static void check_certificate(struct fixture *f, int version, const char *sni, struct str to, int host)
{
    struct client c;
    struct tls *server = tls_new(f->ctx, false, to);

    client_init(&c, (struct client_options){.version = version, .sni = sni});
    assert_int_equal(join(&c, server, 0), TLS_READY);
    assert_certificate(&c, &f->hosts[host]);
    assert_true(str_eq(tls_sni(server), str_of(sni)));
    tls_free(&server);
    client_deinit(&c);
}

static void check_certificate_choice(struct fixture *f, int version)
{
    check_certificate(f, version, "a.example", STR(""), 0);
    check_certificate(f, version, "b.example", STR(""), 1);
    check_certificate(f, version, "B.Example", STR(""), 1);
    check_certificate(f, version, "xn--bcher-kva.example", STR(""), 2);
    check_certificate(f, version, "b.example", STR("a.example"), 1); /* SNI wins over the stream's `to` */
    check_certificate(f, version, NULL, STR("b.example"), 1);
    check_certificate(f, version, NULL, STR("bücher.example"), 2);
    check_certificate(f, version, NULL, STR("unknown.example"), 0);
    check_certificate(f, version, NULL, STR(""), 0);
}

static void sni_then_the_stream_then_the_first_host_choose_the_certificate(void **state)
{
    with_each_version(*state, check_certificate_choice);
}

/* The last record is a fatal alert in clear with this description. */
static void assert_alert(struct str output, int description)
{
    assert_true(output.len >= 7);
    output = str_make(output.p + output.len - 7, 7);
    assert_int_equal(output.p[0], MBEDTLS_SSL_MSG_ALERT);
    assert_int_equal(output.p[4], 2);
    assert_int_equal(output.p[5], MBEDTLS_SSL_ALERT_LEVEL_FATAL);
    assert_int_equal((uint8_t)output.p[6], description);
}

static void check_refused(struct fixture *f, bool is_direct, struct client_options o, int description)
{
    struct client c;
    struct tls *server = tls_new(f->ctx, is_direct, STR(""));

    client_init(&c, o);
    assert_int_equal(mbedtls_ssl_handshake(&c.ssl), MBEDTLS_ERR_SSL_WANT_READ);
    assert_int_equal(tls_feed(server, buf_str(&c.out)), LN_OK);
    assert_int_equal(tls_handshake(server), TLS_FAILED);
    assert_alert(buf_str(tls_output(server)), description);
    assert_string_not_equal(tls_error_text(server), "no error");
    tls_free(&server);
    client_deinit(&c);
}

static void check_unknown_name(struct fixture *f, int version)
{
    check_refused(f, true, (struct client_options){.version = version, .sni = "c.example"},
                  MBEDTLS_SSL_ALERT_MSG_UNRECOGNIZED_NAME);
    check_refused(f, true, (struct client_options){.version = version, .sni = "aa.example"},
                  MBEDTLS_SSL_ALERT_MSG_UNRECOGNIZED_NAME);
}

static void a_name_that_is_not_ours_is_refused(void **state)
{
    with_each_version(*state, check_unknown_name);
}

static void check_alpn(struct fixture *f, bool is_direct, int version, const char *first, const char *second)
{
    struct client c;
    struct tls *server = tls_new(f->ctx, is_direct, STR(""));

    client_init(&c, (struct client_options){.version = version, .sni = "a.example", .alpn = {first, second}});
    assert_int_equal(join(&c, server, 0), TLS_READY);
    if (is_direct && first != NULL)
        assert_string_equal(mbedtls_ssl_get_alpn_protocol(&c.ssl), "xmpp-client");
    else
        assert_null(mbedtls_ssl_get_alpn_protocol(&c.ssl));
    tls_free(&server);
    client_deinit(&c);
}

static void check_alpn_choices(struct fixture *f, int version)
{
    check_alpn(f, true, version, "xmpp-client", NULL);
    check_alpn(f, true, version, "h2", "xmpp-client");
    check_alpn(f, true, version, NULL, NULL);
    check_alpn(f, false, version, "h2", NULL); /* STARTTLS knows no ALPN */
    check_refused(f, true,
                  (struct client_options){.version = version, .sni = "a.example", .alpn = {"h2", "xmpp-server"}},
                  MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL);
}

static void direct_tls_takes_xmpp_client_or_no_alpn_at_all(void **state)
{
    with_each_version(*state, check_alpn_choices);
}

/* What a client of TLS 1.1 says: RFC 4346 section 7.4.1.2, with no extensions. */
static const uint8_t hello_1_1[] = {
    22, 3,  1,    0,    45,                             /* record */
    1,  0,  0,    41,                                   /* ClientHello */
    3,  2,                                              /* TLS 1.1 */
    1,  2,  3,    4,    5,  6,  7,  8,  9,  10, 11, 12, /* random */
    13, 14, 15,   16,   17, 18, 19, 20, 21, 22, 23, 24, /* */
    25, 26, 27,   28,   29, 30, 31, 32, 0,              /* no session */
    0,  2,  0xc0, 0x09,                                 /* ECDHE-ECDSA-AES128-SHA */
    1,  0,
};

static void check_not_tls(struct fixture *f, struct str bytes)
{
    struct tls *server = tls_new(f->ctx, true, STR(""));
    struct str out;

    assert_int_equal(tls_feed(server, bytes), LN_OK);
    assert_int_equal(tls_handshake(server), TLS_FAILED);
    out = buf_str(tls_output(server));
    assert_int_equal(out.len, 7);
    assert_alert(out, out.p[6]);
    assert_string_not_equal(tls_error_text(server), "no error");
    assert_int_equal(tls_write(server, STR("x")), LN_E_CLOSED);
    tls_free(&server);
}

static void what_is_not_a_hello_is_answered_with_an_alert(void **state)
{
    static const uint8_t noise[] = {22, 3, 1, 0, 8, 0xff, 0, 0, 4, 5, 6, 7, 8};
    static const uint8_t oversized[] = {22, 3, 1, 0xff, 0xff, 1, 0, 0, 41};
    static const uint8_t data_first[] = {23, 3, 3, 0, 4, 'a', 'b', 'c', 'd'};

    check_not_tls(*state, STR("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    check_not_tls(*state, STR("<?xml version='1.0'?><stream:stream to='a.example'"));
    check_not_tls(*state, str_make((const char *)noise, sizeof(noise)));
    check_not_tls(*state, str_make((const char *)oversized, sizeof(oversized)));
    check_not_tls(*state, str_make((const char *)data_first, sizeof(data_first)));
}

static void tls_1_1_is_refused_with_protocol_version(void **state)
{
    struct fixture *f = *state;
    struct tls *server = tls_new(f->ctx, true, STR(""));

    assert_int_equal(tls_feed(server, str_make((const char *)hello_1_1, sizeof(hello_1_1))), LN_OK);
    assert_int_equal(tls_handshake(server), TLS_FAILED);
    assert_alert(buf_str(tls_output(server)), MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION);
    tls_free(&server);
}

static void suites_without_aead_or_ephemeral_keys_are_refused(void **state)
{
    check_refused(*state, true,
                  (struct client_options){
                      .version = TLS_1_2, .sni = "a.example", .suite = MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256},
                  MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
    check_refused(*state, true,
                  (struct client_options){
                      .version = TLS_1_2, .sni = "b.example", .suite = MBEDTLS_TLS_RSA_WITH_AES_128_GCM_SHA256},
                  MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
}

static void a_handshake_takes_64_kib_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct tls *server = tls_new(f->ctx, true, STR(""));
    char *bytes = mem_zalloc(65536);

    bytes[0] = 22; /* a record of which more and more arrives; nothing is read meanwhile */
    assert_int_equal(tls_feed(server, str_make(bytes, 60000)), LN_OK);
    assert_int_equal(tls_feed(server, str_make(bytes, 5537)), LN_E_LIMIT);
    assert_int_equal(tls_feed(server, str_make(bytes, 5536)), LN_OK);
    assert_int_equal(tls_feed(server, str_make(bytes, 1)), LN_E_LIMIT);
    free(bytes);
    tls_free(&server);
}

/* Warning alerts are records that mbedTLS skips: without an end to what is taken they would keep a thread busy. */
static void endless_warnings_end_at_the_limit(void **state)
{
    static const char warning[] = {21, 3, 1, 0, 2, 1, 90};
    struct fixture *f = *state;
    struct tls *server = tls_new(f->ctx, true, STR(""));
    enum tls_state last = TLS_WANTS_INPUT;
    enum ln_err err = LN_OK;
    size_t fed = 0;

    for (; err == LN_OK && last == TLS_WANTS_INPUT; fed += sizeof(warning)) {
        err = tls_feed(server, str_make(warning, sizeof(warning)));
        if (err == LN_OK)
            last = tls_handshake(server);
    }
    assert_true(err == LN_E_LIMIT || last == TLS_FAILED);
    assert_true(fed <= 65536 + sizeof(warning));
    tls_free(&server);
}

static void check_partial_reads(struct fixture *f, int version)
{
    struct pair p;
    struct buf plain = {0};
    char *fed;
    size_t fed_len;

    pair_init(&p, f, (struct client_options){.version = version, .sni = "a.example"});
    for (int i = 0; i < 5; i++)
        assert_int_equal(mbedtls_ssl_write(&p.c.ssl, (const unsigned char *)"0123456789", 10), 10);
    fed_len = p.c.out.len;
    fed = buf_take(&p.c.out, &fed_len);
    /* All but the last three bytes; the third record is more than was asked for, and is not cut. */
    assert_int_equal(tls_feed(p.server, str_make(fed, fed_len - 3)), LN_OK);
    assert_int_equal(tls_read(p.server, &plain, 25), TLS_READY);
    assert_int_equal(plain.len, 30);
    assert_true(tls_has_pending(p.server));
    memset(fed, 0xee, fed_len - 3); /* borrowed no longer */
    assert_int_equal(tls_read(p.server, &plain, 1000), TLS_READY);
    assert_int_equal(plain.len, 40);
    assert_false(tls_has_pending(p.server)); /* of the last record a part is there */
    assert_int_equal(tls_feed(p.server, str_make(fed + fed_len - 3, 3)), LN_OK);
    assert_int_equal(tls_read(p.server, &plain, 1000), TLS_READY);
    assert_true(str_is(buf_str(&plain), "01234567890123456789012345678901234567890123456789"));
    assert_false(tls_has_pending(p.server));
    /* Less than a header, and then all the rest: one reading is enough. */
    buf_clear(&plain);
    assert_int_equal(mbedtls_ssl_write(&p.c.ssl, (const unsigned char *)"0123456789", 10), 10);
    assert_int_equal(tls_feed(p.server, str_make(p.c.out.p, 3)), LN_OK);
    assert_int_equal(tls_read(p.server, &plain, 1000), TLS_READY);
    assert_int_equal(tls_feed(p.server, str_make(p.c.out.p + 3, p.c.out.len - 3)), LN_OK);
    assert_int_equal(tls_read(p.server, &plain, 1000), TLS_READY);
    assert_true(str_is(buf_str(&plain), "0123456789"));
    free(fed);
    buf_deinit(&plain);
    pair_deinit(&p);
}

static void what_is_not_read_at_once_is_kept(void **state)
{
    with_each_version(*state, check_partial_reads);
}

static void check_pipelined(struct fixture *f, int version)
{
    struct client c;
    struct tls *server = tls_new(f->ctx, true, STR(""));
    struct buf plain = {0};

    client_init(&c, (struct client_options){.version = version, .sni = "a.example"});
    while (c.result == MBEDTLS_ERR_SSL_WANT_READ) {
        c.result = mbedtls_ssl_handshake(&c.ssl);
        if (c.result == 0)
            break;
        assert_int_equal(tls_feed(server, buf_str(&c.out)), LN_OK);
        buf_clear(&c.out);
        (void)tls_handshake(server);
        move_bytes(tls_output(server), &c.in);
    }
    /* In TLS 1.3 the client is done before the server: its Finished and the stream header come in one piece. In 1.2 the
     * server is done already. */
    assert_int_equal(c.result, 0);
    assert_int_equal(mbedtls_ssl_write(&c.ssl, (const unsigned char *)"<stream>", 8), 8);
    assert_int_equal(tls_feed(server, buf_str(&c.out)), LN_OK);
    buf_clear(&c.out);
    if (version == TLS_1_3) {
        assert_int_equal(tls_handshake(server), TLS_READY);
        assert_true(tls_has_pending(server));
    }
    assert_int_equal(tls_read(server, &plain, 1000), TLS_READY);
    assert_true(str_is(buf_str(&plain), "<stream>"));
    buf_deinit(&plain);
    tls_free(&server);
    client_deinit(&c);
}

static void bytes_behind_the_handshake_are_not_lost(void **state)
{
    with_each_version(*state, check_pipelined);
}

static void check_large(struct fixture *f, int version)
{
    enum { LARGE = 200000 };
    struct pair p;
    struct buf plain = {0}, big = {0};

    pair_init(&p, f, (struct client_options){.version = version, .sni = "a.example"});
    for (int i = 0; big.len < LARGE; i++)
        buf_append_u64(&big, (uint64_t)i);
    assert_int_equal(tls_write(p.server, buf_str(&big)), LN_OK);
    while (client_is_ticket(receive_from_server(&p.c, p.server, &plain)))
        ;
    assert_true(str_eq(buf_str(&plain), buf_str(&big)));
    buf_clear(&plain);
    for (size_t sent = 0; sent < big.len;) {
        int n = mbedtls_ssl_write(&p.c.ssl, (const unsigned char *)big.p + sent, big.len - sent);

        assert_true(n > 0);
        sent += (size_t)n;
        assert_int_equal(tls_feed(p.server, buf_str(&p.c.out)), LN_OK);
        assert_int_equal(tls_read(p.server, &plain, 65536), TLS_READY);
        buf_clear(&p.c.out);
    }
    assert_true(str_eq(buf_str(&plain), buf_str(&big)));
    buf_deinit(&plain);
    buf_deinit(&big);
    pair_deinit(&p);
}

static void more_than_a_record_goes_through_both_ways(void **state)
{
    with_each_version(*state, check_large);
}

static void check_close(struct fixture *f, int version)
{
    struct pair p;
    struct buf plain = {0};
    int ret;

    pair_init(&p, f, (struct client_options){.version = version, .sni = "a.example"});
    assert_int_equal(mbedtls_ssl_write(&p.c.ssl, (const unsigned char *)"</stream>", 9), 9);
    assert_int_equal(mbedtls_ssl_close_notify(&p.c.ssl), 0);
    assert_int_equal(tls_feed(p.server, buf_str(&p.c.out)), LN_OK);
    assert_int_equal(tls_read(p.server, &plain, 1000), TLS_CLOSED);
    assert_true(str_is(buf_str(&plain), "</stream>"));
    buf_clear(&plain);
    /* Closing is for one direction: what we still have to say can be said. */
    assert_int_equal(tls_write(p.server, STR("</stream>")), LN_OK);
    tls_shutdown(p.server);
    tls_shutdown(p.server);
    assert_int_equal(tls_write(p.server, STR("more")), LN_E_CLOSED);
    while (client_is_ticket(ret = receive_from_server(&p.c, p.server, &plain)))
        ;
    assert_int_equal(ret, MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
    assert_true(str_is(buf_str(&plain), "</stream>"));
    buf_deinit(&plain);
    pair_deinit(&p);
}

static void both_ends_can_close_after_their_last_bytes(void **state)
{
    with_each_version(*state, check_close);
}

static void check_tampered(struct fixture *f, int version)
{
    static const struct tls_direction nothing;
    struct pair p;
    struct buf plain = {0};

    pair_init(&p, f, (struct client_options){.version = version, .sni = "a.example"});
    assert_int_equal(mbedtls_ssl_write(&p.c.ssl, (const unsigned char *)"<message/>", 10), 10);
    p.c.out.p[p.c.out.len - 1] ^= 1;
    assert_int_equal(tls_feed(p.server, buf_str(&p.c.out)), LN_OK);
    assert_int_equal(tls_read(p.server, &plain, 1000), TLS_FAILED);
    assert_int_equal(plain.len, 0);
    assert_memory_equal(&p.server->records.read, &nothing, sizeof(nothing));
    assert_memory_equal(&p.server->records.write, &nothing, sizeof(nothing));
    assert_false(tls_has_pending(p.server));
    assert_string_not_equal(tls_error_text(p.server), "no error");
    assert_int_equal(tls_write(p.server, STR("x")), LN_E_CLOSED);
    buf_deinit(&plain);
    pair_deinit(&p);
}

static void a_record_that_was_tampered_with_ends_the_connection(void **state)
{
    with_each_version(*state, check_tampered);
}

static void renegotiation_is_not_answered_with_a_handshake(void **state)
{
    struct pair p;
    struct buf plain = {0};

    pair_init(&p, *state, (struct client_options){.version = TLS_1_2, .sni = "a.example"});
    mbedtls_ssl_conf_renegotiation(&p.c.conf, MBEDTLS_SSL_RENEGOTIATION_ENABLED);
    assert_int_equal(mbedtls_ssl_renegotiate(&p.c.ssl), MBEDTLS_ERR_SSL_WANT_READ);
    assert_true(p.c.out.len > 0);
    assert_int_equal(tls_feed(p.server, buf_str(&p.c.out)), LN_OK);
    buf_clear(&p.c.out);
    (void)tls_read(p.server, &plain, 1000);
    assert_int_equal(plain.len, 0);
    /* At most an alert: no ServerHello. */
    assert_true(tls_output(p.server)->len < 64);
    move_bytes(tls_output(p.server), &p.c.in);
    assert_int_not_equal(mbedtls_ssl_handshake(&p.c.ssl), 0);
    buf_deinit(&plain);
    pair_deinit(&p);
}

static void a_connection_outlives_the_contexts_owner(void **state)
{
    struct fixture *f = *state;
    struct tls_context *ctx = make_context(f->hosts, 3, NULL);
    struct tls *server = tls_new(ctx, true, STR(""));
    struct client c;

    tls_context_unref(&ctx); /* a reload put another in its place */
    client_init(&c, (struct client_options){.sni = "b.example"});
    assert_int_equal(join(&c, server, 0), TLS_READY);
    assert_certificate(&c, &f->hosts[1]);
    exchange_and_check(&c, server);
    tls_free(&server);
    client_deinit(&c);
}

/* A waiting client costs no buffers either: the library's come with the first step, in the pool. */
static void an_idle_connection_keeps_its_keys_and_no_buffers(void **state)
{
    struct fixture *f = *state;
    struct tls *waiting = tls_new(f->ctx, true, STR(""));
    struct pair p;

    assert_false(waiting->handshake->has_begun);
    tls_free(&waiting);
    pair_init(&p, f, (struct client_options){.sni = "a.example"});
    exchange_and_check(&p.c, p.server);
    tls_trim(p.server);
    assert_null(p.server->out.p);
    assert_null(p.server->kept.p);
    assert_null(p.server->handshake);
    assert_true(sizeof(struct tls) <= 640);
    pair_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_suite_carries_bytes_both_ways),
        cmocka_unit_test(a_handshake_that_arrives_byte_by_byte_succeeds),
        cmocka_unit_test(sni_then_the_stream_then_the_first_host_choose_the_certificate),
        cmocka_unit_test(a_name_that_is_not_ours_is_refused),
        cmocka_unit_test(direct_tls_takes_xmpp_client_or_no_alpn_at_all),
        cmocka_unit_test(what_is_not_a_hello_is_answered_with_an_alert),
        cmocka_unit_test(tls_1_1_is_refused_with_protocol_version),
        cmocka_unit_test(suites_without_aead_or_ephemeral_keys_are_refused),
        cmocka_unit_test(a_handshake_takes_64_kib_and_no_more),
        cmocka_unit_test(endless_warnings_end_at_the_limit),
        cmocka_unit_test(what_is_not_read_at_once_is_kept),
        cmocka_unit_test(bytes_behind_the_handshake_are_not_lost),
        cmocka_unit_test(more_than_a_record_goes_through_both_ways),
        cmocka_unit_test(both_ends_can_close_after_their_last_bytes),
        cmocka_unit_test(a_record_that_was_tampered_with_ends_the_connection),
        cmocka_unit_test(renegotiation_is_not_answered_with_a_handshake),
        cmocka_unit_test(a_connection_outlives_the_contexts_owner),
        cmocka_unit_test(an_idle_connection_keeps_its_keys_and_no_buffers),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down_hosts);
}
