/* tests/unit/net/test_tls_openssl.c - our end against OpenSSL in memory, which shares no code with it: each version,
 * suite and way to begin, bytes cut anywhere, keys that change, ends of all kinds. */
#include "tests/unit/net/tls_hosts.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

/* ---- a way to be random that can be repeated ---- */

static uint32_t random_state = 1;

static size_t random_below(size_t n)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % n;
}

/* ---- OpenSSL's end ---- */

struct how {
    int version;        /* TLS1_2_VERSION, TLS1_3_VERSION */
    const char *suites; /* NULL: any */
    const char *sni;    /* NULL: a.example */
    const char *groups; /* NULL: those of most clients */
    SSL_SESSION *resume;
    uint8_t fragment_code; /* max_fragment_length; 0: not asked for */
    size_t padding;        /* TLS 1.3: records are filled up to a multiple */
    bool is_chopped;       /* bytes travel in random pieces */
};

struct peer {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    struct tls *server;
    SSL_SESSION *ticket; /* the last that came */
    struct buf text;     /* what the server read */
    size_t largest;      /* body of a record that the server sent */
    bool is_chopped;
};

static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
    struct peer *p = SSL_get_app_data(ssl);

    SSL_SESSION_free(p->ticket);
    p->ticket = session; /* ours, since 1 is returned */
    return 1;
}

static void peer_init(struct peer *p, struct fixture *f, struct how how)
{
    char sni[64], groups[64]; /* copied by OpenSSL, which wants them without const */

    memset(p, 0, sizeof(*p));
    p->server = tls_new(f->ctx, false, STR(""));
    p->is_chopped = how.is_chopped;
    p->ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(p->ctx);
    SSL_CTX_set_min_proto_version(p->ctx, how.version);
    SSL_CTX_set_max_proto_version(p->ctx, how.version);
    SSL_CTX_set_session_cache_mode(p->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(p->ctx, on_ticket);
    if (how.suites != NULL && how.version == TLS1_2_VERSION)
        assert_int_equal(SSL_CTX_set_cipher_list(p->ctx, how.suites), 1);
    if (how.suites != NULL && how.version == TLS1_3_VERSION)
        assert_int_equal(SSL_CTX_set_ciphersuites(p->ctx, how.suites), 1);
    (void)snprintf(groups, sizeof(groups), "%s", how.groups != NULL ? how.groups : "X25519:P-256:P-384");
    assert_int_equal(SSL_CTX_set1_groups_list(p->ctx, groups), 1);
    if (how.padding > 0)
        assert_int_equal(SSL_CTX_set_block_padding(p->ctx, how.padding), 1);
    p->ssl = SSL_new(p->ctx);
    SSL_set_app_data(p->ssl, p);
    p->in = BIO_new(BIO_s_mem());
    p->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(p->in, -1);
    SSL_set_bio(p->ssl, p->in, p->out);
    SSL_set_connect_state(p->ssl);
    (void)snprintf(sni, sizeof(sni), "%s", how.sni != NULL ? how.sni : "a.example");
    SSL_set_tlsext_host_name(p->ssl, sni);
    if (how.fragment_code != 0)
        assert_int_equal(SSL_set_tlsext_max_fragment_length(p->ssl, how.fragment_code), 1);
    if (how.resume != NULL)
        assert_int_equal(SSL_set_session(p->ssl, how.resume), 1);
}

static void peer_deinit(struct peer *p)
{
    SSL_SESSION_free(p->ticket);
    SSL_set_shutdown(p->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* else it would spoil its tickets */
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
    ERR_clear_error();
    tls_free(&p->server);
    buf_deinit(&p->text);
}

static enum tls_state server_takes(struct peer *p, struct str bytes, enum tls_state state)
{
    assert_int_equal(tls_feed(p->server, bytes), LN_OK);
    if (state == TLS_WANTS_INPUT)
        state = tls_handshake(p->server);
    /* What came behind the handshake, and what the limit left. */
    while (state == TLS_READY && tls_has_pending(p->server))
        state = tls_read(p->server, &p->text, p->is_chopped ? 1 + random_below(20000) : 65536);
    return state;
}

/* Carries what OpenSSL has said to the server. */
static enum tls_state carry_up(struct peer *p, enum tls_state state)
{
    char *bytes;
    size_t len = (size_t)BIO_get_mem_data(p->out, &bytes), at = 0;

    while (at < len && (state == TLS_WANTS_INPUT || state == TLS_READY)) {
        size_t n = p->is_chopped ? 1 + random_below(random_below(4) == 0 ? 30000 : 50) : 65536;
        char *copy;

        if (n > len - at)
            n = len - at;
        copy = mem_alloc(n); /* of its own, so that reading it later is seen */
        memcpy(copy, bytes + at, n);
        state = server_takes(p, str_make(copy, n), state);
        free(copy);
        at += n;
    }
    (void)BIO_reset(p->out);
    return state;
}

static void carry_down(struct peer *p)
{
    struct buf *records = tls_output(p->server);

    for (size_t at = 0; at + 5 <= records->len;) {
        size_t len = (size_t)(uint8_t)records->p[at + 3] << 8 | (uint8_t)records->p[at + 4];

        p->largest = len > p->largest ? len : p->largest;
        at += 5 + len;
    }
    if (records->len > 0)
        assert_int_equal(BIO_write(p->in, records->p, (int)records->len), (int)records->len);
    buf_clear(records);
    tls_trim(p->server);
}

static enum tls_state shake_hands(struct peer *p)
{
    enum tls_state state = TLS_WANTS_INPUT;

    for (int round = 0; round < 10 && (state == TLS_WANTS_INPUT || !SSL_is_init_finished(p->ssl)); round++) {
        (void)SSL_do_handshake(p->ssl);
        state = carry_up(p, state);
        carry_down(p);
    }
    (void)SSL_do_handshake(p->ssl);
    return state;
}

static void client_says(struct peer *p, struct str text)
{
    assert_int_equal(SSL_write(p->ssl, text.p, (int)text.len), (int)text.len);
}

/* All that the client can read of what was carried down. */
static void client_reads(struct peer *p, struct buf *text)
{
    int n;

    do {
        n = SSL_read(p->ssl, buf_reserve(text, 16384), 16384);
        if (n > 0)
            text->len += (size_t)n;
    } while (n > 0);
}

static void assert_text_up(struct peer *p, struct str text)
{
    buf_clear(&p->text);
    client_says(p, text);
    assert_int_equal(carry_up(p, TLS_READY), TLS_READY);
    assert_true(str_eq(buf_str(&p->text), text));
}

static void assert_text_down(struct peer *p, struct str text)
{
    struct buf got = {0};

    assert_int_equal(tls_write(p->server, text), LN_OK);
    carry_down(p);
    client_reads(p, &got);
    assert_true(str_eq(buf_str(&got), text));
    buf_deinit(&got);
}

static struct str random_text(struct buf *b, size_t len)
{
    buf_clear(b);
    for (size_t i = 0; i < len; i++)
        buf_append_char(b, (char)random_below(256));
    return buf_str(b);
}

static void exchange(struct peer *p)
{
    static const size_t lengths[] = {1, 200, 16384, 16385, 200000, 3};
    struct buf b = {0};

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        assert_text_up(p, random_text(&b, lengths[i]));
        assert_text_down(p, random_text(&b, lengths[i]));
    }
    buf_deinit(&b);
}

/* ---- what both agree on ---- */

static void connect_and_exchange(struct fixture *f, struct how how, bool is_resumed, SSL_SESSION **ret_ticket)
{
    struct peer p;

    peer_init(&p, f, how);
    assert_int_equal(shake_hands(&p), TLS_READY);
    assert_true(SSL_is_init_finished(p.ssl));
    assert_int_equal(SSL_session_reused(p.ssl), is_resumed);
    assert_int_equal(tls_is_resumed(p.server), is_resumed);
    assert_string_equal(tls_version_name(p.server), how.version == TLS1_3_VERSION ? "1.3" : "1.2");
    if (how.sni != NULL && !is_resumed) /* b.example has the RSA key */
        assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(p.ssl))),
                         strcmp(how.sni, "b.example") == 0 ? EVP_PKEY_RSA : EVP_PKEY_EC);
    exchange(&p);
    if (ret_ticket != NULL) {
        assert_non_null(p.ticket);
        *ret_ticket = p.ticket;
        p.ticket = NULL;
    }
    peer_deinit(&p);
}

static void check_suite(struct fixture *f, struct how how)
{
    SSL_SESSION *ticket;

    for (int chopped = 0; chopped <= 1; chopped++) {
        how.is_chopped = chopped == 1;
        how.resume = NULL;
        connect_and_exchange(f, how, false, &ticket);
        how.resume = ticket;
        connect_and_exchange(f, how, true, NULL);
        SSL_SESSION_free(ticket);
    }
}

static void each_suite_works_after_full_and_resumed_handshakes_however_bytes_are_cut(void **state)
{
    static const char *ecdsa[] = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                  "ECDHE-ECDSA-CHACHA20-POLY1305"};
    static const char *rsa[] = {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
                                "ECDHE-RSA-CHACHA20-POLY1305"};
    static const char *suites_1_3[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                       "TLS_CHACHA20_POLY1305_SHA256"};

    for (size_t i = 0; i < ARRAY_LEN(ecdsa); i++) {
        check_suite(*state, (struct how){.version = TLS1_2_VERSION, .suites = ecdsa[i]});
        check_suite(*state, (struct how){.version = TLS1_2_VERSION, .suites = rsa[i], .sni = "b.example"});
        if (COMPAT_HAS_TLS_1_3)
            check_suite(*state, (struct how){.version = TLS1_3_VERSION, .suites = suites_1_3[i]});
    }
}

/* Runs a test with each version that the library has. */
static void with_each_version(struct fixture *f, void (*test)(struct fixture *f, int version))
{
    test(f, TLS1_2_VERSION);
    if (COMPAT_HAS_TLS_1_3)
        test(f, TLS1_3_VERSION);
}

static void check_groups(struct fixture *f, int version)
{
    static const char *groups[] = {"X25519", "P-256", "P-384", "P-521:P-256"}; /* the last: asked again in TLS 1.3 */

    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        connect_and_exchange(f, (struct how){.version = version, .sni = "b.example", .groups = groups[i]}, false, NULL);
}

static void each_group_works_even_when_the_client_has_to_be_asked_again(void **state)
{
    with_each_version(*state, check_groups);
}

static void check_no_ticket(struct fixture *f, int version)
{
    struct tls_context *ctx = make_context(f->hosts, 2, NULL), *with_tickets = f->ctx;

    f->ctx = ctx;
    connect_and_exchange(f, (struct how){.version = version}, false, NULL);
    f->ctx = with_tickets;
    tls_context_unref(&ctx);
}

static void connections_work_without_tickets_too(void **state)
{
    with_each_version(*state, check_no_ticket);
}

/* RFC 6066 section 4; mbedTLS has it for TLS 1.2 only. */
static void records_are_as_short_as_the_client_asked_for(void **state)
{
    struct peer p;

    peer_init(&p, *state,
              (struct how){.version = TLS1_2_VERSION,
                           .suites = "ECDHE-ECDSA-AES128-GCM-SHA256",
                           .fragment_code = TLSEXT_max_fragment_length_1024});
    assert_int_equal(shake_hands(&p), TLS_READY);
    p.largest = 0;
    exchange(&p);
    assert_int_equal(p.largest, 1024 + 8 + 16);
    peer_deinit(&p);
}

static void records_that_are_padded_are_understood(void **state)
{
    if (COMPAT_HAS_TLS_1_3)
        connect_and_exchange(*state, (struct how){.version = TLS1_3_VERSION, .padding = 4096, .is_chopped = true},
                             false, NULL);
    else
        skip();
}

/* ---- who asks for too much ---- */

/* A client that sends text with its hello, as if the ticket allowed that. Whether it is passed over or ends the
 * connection is the library's choice (RFC 8446 section 4.2.10); as it could be replayed, it is never read. */
static void text_that_comes_before_the_handshakes_end_is_not_read(void **state)
{
    static const char early[] = "<message/>";
    enum tls_state state_after;
    SSL_SESSION *ticket;
    struct peer p;
    size_t n;

    if (!COMPAT_HAS_TLS_1_3)
        skip();
    connect_and_exchange(*state, (struct how){.version = TLS1_3_VERSION}, false, &ticket);
    assert_int_equal(SSL_SESSION_set_max_early_data(ticket, 16384), 1);
    peer_init(&p, *state, (struct how){.version = TLS1_3_VERSION, .resume = ticket});
    assert_int_equal(SSL_write_early_data(p.ssl, early, strlen(early), &n), 1);
    state_after = shake_hands(&p);
    assert_int_equal(p.text.len, 0);
    if (state_after == TLS_READY) {
        assert_int_equal(SSL_get_early_data_status(p.ssl), SSL_EARLY_DATA_REJECTED);
        exchange(&p);
    }
    SSL_SESSION_free(ticket);
    peer_deinit(&p);
}

/* ---- keys that change ---- */

static void keys_may_change_at_any_time_in_both_directions(void **state)
{
    struct peer p;
    struct buf b = {0};

    if (!COMPAT_HAS_TLS_1_3)
        skip();
    peer_init(&p, *state, (struct how){.version = TLS1_3_VERSION, .is_chopped = true});
    assert_int_equal(shake_hands(&p), TLS_READY);
    for (int i = 0; i < 60; i++) {
        size_t len = 1 + random_below(random_below(5) == 0 ? 40000 : 300);

        if (random_below(2) == 0)
            assert_int_equal(
                SSL_key_update(p.ssl, random_below(2) == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED),
                1);
        assert_text_up(&p, random_text(&b, len));
        if (random_below(2) == 0)
            assert_text_down(&p, random_text(&b, len));
    }
    buf_deinit(&b);
    peer_deinit(&p);
}

static void a_renegotiation_is_refused_and_the_client_told(void **state)
{
    struct peer p;
    char byte;

    peer_init(&p, *state, (struct how){.version = TLS1_2_VERSION});
    assert_int_equal(shake_hands(&p), TLS_READY);
    assert_int_equal(SSL_renegotiate(p.ssl), 1);
    assert_int_equal(SSL_do_handshake(p.ssl), -1);
    assert_int_equal(carry_up(&p, TLS_READY), TLS_READY);
    assert_int_equal(p.text.len, 0);
    carry_down(&p);
    ERR_clear_error();
    assert_int_equal(SSL_read(p.ssl, &byte, 1), -1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
    peer_deinit(&p);
}

/* ---- ends ---- */

static void check_closing(struct fixture *f, int version)
{
    struct peer p;
    struct buf text = {0};
    char byte;

    peer_init(&p, f, (struct how){.version = version});
    assert_int_equal(shake_hands(&p), TLS_READY);
    client_says(&p, STR("</stream>"));
    assert_int_equal(SSL_shutdown(p.ssl), 0);
    assert_int_equal(carry_up(&p, TLS_READY), TLS_CLOSED);
    assert_true(str_is(buf_str(&p.text), "</stream>"));
    assert_int_equal(tls_write(p.server, STR("</stream>")), LN_OK);
    tls_shutdown(p.server);
    carry_down(&p);
    assert_int_equal(SSL_read(p.ssl, buf_reserve(&text, 100), 100), 9);
    assert_int_equal(SSL_read(p.ssl, &byte, 1), 0);
    assert_int_equal(SSL_get_error(p.ssl, 0), SSL_ERROR_ZERO_RETURN);
    assert_int_equal(SSL_get_shutdown(p.ssl), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    buf_deinit(&text);
    peer_deinit(&p);
}

static void both_ends_close_in_order(void **state)
{
    with_each_version(*state, check_closing);
}

/* A bit of the client's record is flipped: the client learns of it by an alert. */
static void check_tampering(struct fixture *f, int version)
{
    struct peer p;
    char *bytes, byte;
    long len;

    peer_init(&p, f, (struct how){.version = version});
    assert_int_equal(shake_hands(&p), TLS_READY);
    client_says(&p, STR("<message/>"));
    len = BIO_get_mem_data(p.out, &bytes);
    bytes[5 + random_below((size_t)len - 5)] ^= 4;
    assert_int_equal(carry_up(&p, TLS_READY), TLS_FAILED);
    assert_int_equal(p.text.len, 0);
    assert_string_equal(tls_error_text(p.server), "reading: bad_record_mac");
    assert_int_equal(tls_write(p.server, STR("x")), LN_E_CLOSED);
    carry_down(&p);
    ERR_clear_error();
    assert_true(SSL_read(p.ssl, &byte, 1) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    peer_deinit(&p);
}

static void a_tampered_record_is_answered_with_bad_record_mac(void **state)
{
    with_each_version(*state, check_tampering);
}

static void check_clients_alert(struct fixture *f, int version)
{
    struct peer p;
    struct buf *records;
    char byte;

    peer_init(&p, f, (struct how){.version = version});
    assert_int_equal(shake_hands(&p), TLS_READY);
    assert_int_equal(tls_write(p.server, STR("<message/>")), LN_OK);
    records = tls_output(p.server);
    records->p[records->len - 1] ^= 1;
    carry_down(&p);
    assert_int_equal(SSL_read(p.ssl, &byte, 1), -1);
    assert_int_equal(carry_up(&p, TLS_READY), TLS_FAILED);
    assert_string_equal(tls_error_text(p.server), "reading: the peer sent bad_record_mac");
    assert_int_equal(tls_output(p.server)->len, 0);
    peer_deinit(&p);
}

static void the_clients_alert_is_told(void **state)
{
    with_each_version(*state, check_clients_alert);
}

static void check_truncation(struct fixture *f, int version)
{
    struct peer p;
    char *bytes;
    size_t len;

    peer_init(&p, f, (struct how){.version = version});
    assert_int_equal(shake_hands(&p), TLS_READY);
    client_says(&p, STR("whole"));
    client_says(&p, STR("cut short"));
    len = (size_t)BIO_get_mem_data(p.out, &bytes);
    assert_int_equal(server_takes(&p, str_make(bytes, len - 1), TLS_READY), TLS_READY);
    assert_true(str_is(buf_str(&p.text), "whole")); /* and no byte of the other */
    assert_false(tls_has_pending(p.server));
    peer_deinit(&p);
}

static void of_a_record_that_was_cut_short_nothing_is_read(void **state)
{
    with_each_version(*state, check_truncation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_suite_works_after_full_and_resumed_handshakes_however_bytes_are_cut),
        cmocka_unit_test(each_group_works_even_when_the_client_has_to_be_asked_again),
        cmocka_unit_test(connections_work_without_tickets_too),
        cmocka_unit_test(records_are_as_short_as_the_client_asked_for),
        cmocka_unit_test(records_that_are_padded_are_understood),
        cmocka_unit_test(text_that_comes_before_the_handshakes_end_is_not_read),
        cmocka_unit_test(keys_may_change_at_any_time_in_both_directions),
        cmocka_unit_test(a_renegotiation_is_refused_and_the_client_told),
        cmocka_unit_test(both_ends_close_in_order),
        cmocka_unit_test(a_tampered_record_is_answered_with_bad_record_mac),
        cmocka_unit_test(the_clients_alert_is_told),
        cmocka_unit_test(of_a_record_that_was_cut_short_nothing_is_read),
    };

    return cmocka_run_group_tests(tests, set_up_hosts, tear_down_hosts);
}
