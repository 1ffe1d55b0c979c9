/* tests/integration/test_busy.c - more logins than the processors can do: who is beyond the limits is refused politely,
 * at once, and can log in later; who has begun is served.
 *
 * The one crypto thread is kept busy with passwords of many rounds, which nobody has: the server hashes them all the
 * same, so as not to tell who exists. */
#include "raw.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

enum { HELD_BY = 8 }; /* as many passwords as may wait: several seconds of work */

/* The number under that name in linnetctl status. */
static int status_of(struct harness *h, const char *name)
{
    struct json *answer = harness_ctl_json(h, "status");
    int n = (int)json_number(answer, name);

    json_free(&answer);
    return n;
}

static void wait_for_status(struct harness *h, const char *name, int wanted)
{
    long until = now_ms() + test_patience_ms();

    while (status_of(h, name) != wanted)
        if (now_ms() >= until)
            test_fail("%s is %d and never was %d", name, status_of(h, name), wanted);
}

static struct raw *guess_password(struct harness *h)
{
    struct raw *r = raw_connect(h, HARNESS_STARTTLS);

    raw_open(r, NULL);
    raw_expect_header(r);
    raw_expect(r, "features/mechanisms/mechanism[.='PLAIN']");
    raw_send(r, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AG5vYm9keQBzZWNyZXQ=</auth>");
    return r;
}

/* As many as may wait. */
static void keep_busy(struct harness *h, struct raw *guesses[HELD_BY])
{
    for (int i = 0; i < HELD_BY; i++)
        guesses[i] = guess_password(h);
    wait_for_status(h, "passwords_waiting", HELD_BY);
}

static void expect_wrong(struct raw *guesses[HELD_BY])
{
    for (int i = 0; i < HELD_BY; i++) {
        raw_expect(guesses[i], "failure/not-authorized");
        raw_free(&guesses[i]);
    }
}

/* Sends a client's first TLS message and does not wait for the answer. */
static void send_client_hello(struct raw *r)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    char sni[] = DOMAIN, *hello;
    long len;

    SSL_set_bio(ssl, in, out);
    SSL_set_tlsext_host_name(ssl, sni);
    assert_int_equal(SSL_get_error(ssl, SSL_connect(ssl)), SSL_ERROR_WANT_READ);
    len = BIO_get_mem_data(out, &hello);
    assert_true(len > 0 && raw_send_bytes(r, hello, (size_t)len));
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

/* The server's answer to it: a handshake record. */
static void expect_server_hello(struct raw *r)
{
    unsigned char type;

    assert_int_equal(recv(r->fd, &type, 1, 0), 1);
    assert_int_equal(type, 22);
}

static struct raw *ask_for_tls(struct harness *h)
{
    struct raw *r = raw_connect(h, HARNESS_STARTTLS);

    raw_open(r, NULL);
    raw_expect_header(r);
    raw_expect(r, "features/starttls");
    raw_send(r, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    return r;
}

static void passwords_beyond_the_limit_fail_for_now(void **state)
{
    struct harness *h = *state;
    int refused = status_of(h, "passwords_refused");
    struct raw *guesses[HELD_BY], *late;

    keep_busy(h, guesses);
    late = guess_password(h);
    raw_expect(late, "failure/temporary-auth-failure");
    assert_int_equal(status_of(h, "passwords_refused"), refused + 1);
    expect_wrong(guesses);
    /* The same connection may try again. */
    raw_send(late, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AG5vYm9keQBzZWNyZXQ=</auth>");
    raw_expect(late, "failure/not-authorized");
    raw_free(&late);
}

static void handshakes_beyond_the_limit_are_refused_before_they_begin(void **state)
{
    struct harness *h = *state; /* limits.handshakes_waiting = 1 */
    int refused = status_of(h, "handshakes_refused");
    struct raw *guesses[HELD_BY], *waiting, *promised, *late;

    keep_busy(h, guesses);
    promised = ask_for_tls(h);
    raw_expect(promised, "proceed");
    waiting = raw_connect(h, HARNESS_DIRECT_TLS);
    send_client_hello(waiting);
    wait_for_status(h, "handshakes_waiting", 1);
    late = ask_for_tls(h);
    raw_expect_error(late, "resource-constraint");
    raw_free(&late);
    late = raw_connect(h, HARNESS_DIRECT_TLS);
    raw_expect_eof(late);
    raw_free(&late);
    /* There was room when it asked, and there is none any more. */
    send_client_hello(promised);
    raw_expect_eof(promised);
    raw_free(&promised);
    assert_int_equal(status_of(h, "handshakes_refused"), refused + 3);
    /* Who is within the limit was only kept waiting. */
    expect_wrong(guesses);
    expect_server_hello(waiting);
    raw_free(&waiting);
    wait_for_status(h, "handshakes_waiting", 0);
    late = raw_secure(h, NULL);
    raw_free(&late);
}

static void a_reload_changes_the_limits(void **state)
{
    static const char *const more[] = {"server.crypto_threads = 1",     "sasl.iterations = 400000",
                                       "tls.required = false",          "tls.allow_plain_without_tls = true",
                                       "limits.handshakes_waiting = 2", NULL};
    struct harness *h = *state;
    struct raw *guesses[HELD_BY], *waiting[2], *late;
    char *output;

    harness_configure(h, more, NULL);
    assert_int_equal(harness_ctl(h, NULL, &output, "reload"), 0);
    free(output);
    keep_busy(h, guesses);
    for (int i = 0; i < 2; i++) {
        waiting[i] = raw_connect(h, HARNESS_DIRECT_TLS);
        send_client_hello(waiting[i]);
        wait_for_status(h, "handshakes_waiting", i + 1);
    }
    late = ask_for_tls(h);
    raw_expect_error(late, "resource-constraint");
    raw_free(&late);
    expect_wrong(guesses);
    for (int i = 0; i < 2; i++) {
        expect_server_hello(waiting[i]);
        raw_free(&waiting[i]);
    }
}

int main(void)
{
    static const char *const settings[] = {"server.crypto_threads = 1",
                                           "sasl.iterations = 400000",
                                           "tls.required = false",
                                           "tls.allow_plain_without_tls = true",
                                           "limits.handshakes_waiting = 1",
                                           "limits.passwords_waiting = 8",
                                           NULL};
    static const struct harness_options options = {.settings = settings};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(passwords_beyond_the_limit_fail_for_now),
        HARNESS_TEST(handshakes_beyond_the_limit_are_refused_before_they_begin),
        HARNESS_TEST(a_reload_changes_the_limits),
    };

    return harness_run_once("more logins than can be done", tests, &options);
}
