/* tests/integration/test_tls_resumption.c - tickets that open every door, and records on the wire: RFC 5077, RFC 8446
 * sections 2.2 and 4.6, XEP-0368.
 *
 * A client that was cut off comes back by a ticket, to any worker, by STARTTLS or by direct TLS, however it came
 * before: that is what makes a storm of returning clients cheap. TLS 1.3 is tried where the server has it. */
#include "raw.h"

#include <openssl/err.h>
#include <sys/socket.h>

static void no_test(int version)
{
    print_message("the server has no TLS 1.%d\n", version - TLS1_2_VERSION + 2);
}

static bool has_version(struct harness *h, int version)
{
    struct raw *r = raw_connect(h, HARNESS_DIRECT_TLS);
    bool has = raw_start_tls(r, &(struct raw_tls){.version = version});

    raw_free(&r);
    if (!has)
        no_test(version);
    return has;
}

/* Both, or TLS 1.2 alone, which every server has. */
static void with_each_version(struct harness *h, void (*test)(struct harness *h, int version))
{
    test(h, TLS1_2_VERSION);
    if (has_version(h, TLS1_3_VERSION))
        test(h, TLS1_3_VERSION);
}

/* A connection inside TLS, its features read. */
static struct raw *enter(struct harness *h, enum harness_port port, int version, SSL_SESSION *resume)
{
    struct raw_tls how = {.version = version, .resume = resume};
    struct raw *r = raw_connect(h, port);

    if (port == HARNESS_STARTTLS) {
        raw_negotiate_tls(r, &how);
    } else {
        assert_true(raw_start_tls(r, &how));
        raw_open(r, NULL);
        raw_expect_header(r);
        raw_expect(r, "features");
    }
    assert_int_equal(SSL_session_reused(r->ssl), resume != NULL);
    return r;
}

/* Ends in order, since OpenSSL forgets sessions that ended badly. */
static SSL_SESSION *leave(struct raw **r)
{
    SSL_SESSION *session = SSL_get1_session((*r)->ssl);

    assert_true(SSL_SESSION_is_resumable(session));
    raw_send(*r, "</stream:stream>");
    raw_expect_closed(*r);
    raw_shut(*r);
    raw_free(r);
    return session;
}

static void log_in(struct raw *r, const struct account *a)
{
    raw_plain(r, a);
    raw_bind(r, NULL);
    raw_expect_quiet(r);
}

static void check_doors(struct harness *h, int version)
{
    static const enum harness_port doors[] = {HARNESS_STARTTLS, HARNESS_DIRECT_TLS};
    const struct account *a = harness_account(h);

    for (int first = 0; first < 2; first++) {
        for (int second = 0; second < 2; second++) {
            struct raw *r = enter(h, doors[first], version, NULL);
            SSL_SESSION *session;

            log_in(r, a);
            session = leave(&r);
            r = enter(h, doors[second], version, session);
            log_in(r, a);
            SSL_SESSION_free(session);
            session = leave(&r);
            SSL_SESSION_free(session);
        }
    }
}

static void a_ticket_of_one_door_opens_the_other(void **state)
{
    with_each_version(*state, check_doors);
}

/* Connections go to the workers in turn: with eight of them each worker has met a ticket that another one made. */
static void check_workers(struct harness *h, int version)
{
    struct raw *r = enter(h, HARNESS_DIRECT_TLS, version, NULL);
    SSL_SESSION *session, *next;

    log_in(r, harness_account(h));
    session = leave(&r);
    for (int i = 0; i < 8; i++) {
        r = enter(h, i % 2 == 0 ? HARNESS_DIRECT_TLS : HARNESS_STARTTLS, version, session);
        log_in(r, harness_account(h));
        next = leave(&r);
        SSL_SESSION_free(session);
        session = next;
    }
    SSL_SESSION_free(session);
}

static void a_ticket_is_good_on_each_worker(void **state)
{
    with_each_version(*state, check_workers);
}

static void check_wrong_ticket(struct harness *h, int version)
{
    struct raw *r = enter(h, HARNESS_DIRECT_TLS, version, NULL);
    SSL_SESSION *session;

    log_in(r, harness_account(h));
    session = leave(&r);
    harness_stop(h);
    harness_start(h); /* ticket keys die with the process */
    r = raw_connect(h, HARNESS_DIRECT_TLS);
    assert_true(raw_start_tls(r, &(struct raw_tls){.version = version, .resume = session}));
    assert_false(SSL_session_reused(r->ssl));
    raw_open(r, NULL);
    raw_expect_header(r);
    raw_expect(r, "features");
    log_in(r, harness_account(h));
    raw_free(&r);
    SSL_SESSION_free(session);
}

static void a_ticket_that_nobody_can_open_costs_a_full_handshake(void **state)
{
    with_each_version(*state, check_wrong_ticket);
}

/* ---- records ---- */

static size_t count(const char *text, const char *wanted)
{
    size_t n = 0;

    for (; (text = strstr(text, wanted)) != NULL; text += strlen(wanted))
        n++;
    return n;
}

static void check_records(struct harness *h, int version)
{
    enum { PINGS = 60 };
    struct raw *r = enter(h, HARNESS_STARTTLS, version, NULL);
    char *pings = strdup(""), *longer, text[16385];
    int len;

    log_in(r, harness_account(h));
    for (int i = 0; i < PINGS; i++) {
        assert_true(asprintf(&longer, "%s<iq type='get' id='p%d' to='" DOMAIN "'><ping xmlns='urn:xmpp:ping'/></iq>",
                             pings, i) > 0);
        free(pings);
        pings = longer;
    }
    assert_true(strlen(pings) < 16384); /* one record there */
    raw_send(r, "%s", pings);
    len = SSL_read(r->ssl, text, sizeof(text) - 1); /* never more than a record gives */
    assert_true(len > 0);
    text[len] = '\0';
    assert_int_equal(count(text, "id='p"), PINGS);
    assert_int_equal(count(text, "</iq>") + count(text, "/>"), PINGS);
    free(pings);
    raw_free(&r);
}

static void the_answers_to_one_record_come_in_one_record(void **state)
{
    with_each_version(*state, check_records);
}

/* A stanza of many records, both ways, and keys that change in its midst. */
static void check_large(struct harness *h, int version)
{
    enum { LARGE = 100000 };
    struct raw *r = enter(h, HARNESS_DIRECT_TLS, version, NULL);
    char *text = malloc(LARGE + 1);
    const struct node *message;

    assert_non_null(text);
    memset(text, 'x', LARGE);
    text[LARGE] = '\0';
    log_in(r, harness_account(h));
    raw_send(r, "<presence/>");
    raw_skip_to(r, "presence");
    raw_send(r, "<message to='%s' type='chat'><body>", r->jid);
    for (int i = 0; i < 4; i++) {
        if (version == TLS1_3_VERSION)
            assert_int_equal(
                SSL_key_update(r->ssl, i % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_true(raw_send_bytes(r, text + i * (LARGE / 4), LARGE / 4));
    }
    raw_send(r, "</body></message>");
    message = raw_expect(r, "message[@type='chat']/body");
    assert_string_equal(node_text(message, "message/body"), text);
    raw_expect_quiet(r);
    free(text);
    raw_free(&r);
}

static void a_stanza_of_many_records_arrives_while_keys_change(void **state)
{
    with_each_version(*state, check_large);
}

/* ---- ends ---- */

static void check_answer_to_close_notify(struct harness *h, int version)
{
    struct raw *r = enter(h, HARNESS_DIRECT_TLS, version, NULL);

    log_in(r, harness_account(h));
    raw_shut(r); /* without an end of the stream */
    raw_expect_eof(r);
    assert_false(r->is_cut);
    raw_free(&r);
}

/* RFC 5246 section 7.2.1: each side learns that nothing was cut off. */
static void close_notify_is_answered_with_close_notify(void **state)
{
    with_each_version(*state, check_answer_to_close_notify);
}

/* What OpenSSL would send, damaged at its very end, in one packet. */
static void send_damaged(struct raw *r, const char *first, const char *second)
{
    BIO *memory = BIO_new(BIO_s_mem()), *socket = SSL_get_wbio(r->ssl);
    char *bytes;
    long len;

    BIO_up_ref(socket);
    SSL_set0_wbio(r->ssl, memory);
    assert_true(SSL_write(r->ssl, first, (int)strlen(first)) > 0);
    assert_true(SSL_write(r->ssl, second, (int)strlen(second)) > 0);
    len = BIO_get_mem_data(memory, &bytes);
    bytes[len - 1] ^= 1;
    assert_int_equal(send(r->fd, bytes, (size_t)len, MSG_NOSIGNAL), len);
    SSL_set0_wbio(r->ssl, socket);
}

static void check_damage(struct harness *h, int version)
{
    struct raw *r = enter(h, HARNESS_DIRECT_TLS, version, NULL);
    char text[1000];
    int n;

    send_damaged(r, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='NONE'/>", " ");
    ERR_clear_error();
    do
        n = SSL_read(r->ssl, text, sizeof(text));
    while (n > 0);
    assert_int_equal(SSL_get_error(r->ssl, n), SSL_ERROR_SSL);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    raw_free(&r);
}

static void the_alert_goes_out_though_an_answer_was_waiting(void **state)
{
    with_each_version(*state, check_damage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_ticket_of_one_door_opens_the_other),
        HARNESS_TEST(a_ticket_is_good_on_each_worker),
        HARNESS_TEST(a_ticket_that_nobody_can_open_costs_a_full_handshake),
        HARNESS_TEST(the_answers_to_one_record_come_in_one_record),
        HARNESS_TEST(a_stanza_of_many_records_arrives_while_keys_change),
        HARNESS_TEST(close_notify_is_answered_with_close_notify),
        HARNESS_TEST(the_alert_goes_out_though_an_answer_was_waiting),
    };

    return harness_run_tests("tickets and records of TLS", tests, &(struct harness_options){0});
}
