/* tests/unit/net/test_tls.c - the connection: handshakes, records, names, refusals. */
#include "tests/unit/net/tls_pair.h"

struct fixture {
    struct test_dir dir;
    struct tls_host hosts[3];
    struct tls_tickets *tickets;
    struct tls_context *ctx;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    dir_init(&f->dir);
    f->hosts[0] = make_certificate(&f->dir, (struct certificate_spec){.file = "a", .name = "a.example"});
    f->hosts[1] =
        make_certificate(&f->dir, (struct certificate_spec){.file = "b", .name = "b.example", .rsa_bits = 2048});
    f->hosts[2] = make_certificate(&f->dir, (struct certificate_spec){.file = "c", .name = "xn--bcher-kva.example"});
    f->hosts[2].name = STR("bücher.example");
    f->tickets = tls_tickets_new(3600);
    f->ctx = make_context(f->hosts, 3, f->tickets);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    tls_context_unref(&f->ctx);
    tls_tickets_free(&f->tickets);
    dir_deinit(&f->dir);
    free(f);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_suite_carries_bytes_both_ways),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
