/* tests/unit/net/test_tls_tickets.c - session tickets: their keys, and the sessions they bring back. */
#include "tests/unit/net/tls_hosts.h"

#include "server/net/pool.h"
#include "server/net/tls_internal.h"

#include <uv.h>

/* ---- the tickets themselves: the time is given, so nothing waits ---- */

enum { LIFETIME = 100, BODY = 200, TICKET = TLS_TICKET_BEFORE + BODY + TLS_TICKET_AFTER };

static const uint8_t fingerprint[TLS_FINGERPRINT_LEN] = "the certificate's SHA-256 hash.";

static void seal(struct tls_tickets *t, uint64_t now, uint8_t ticket[TICKET])
{
    memset(ticket, 's', TICKET);
    assert_true(tls_ticket_seal(t, now, fingerprint, ticket + TLS_TICKET_BEFORE, BODY));
}

/* Opens a copy, as opening works in place. */
static bool opens(struct tls_tickets *t, uint64_t now, const uint8_t ticket[TICKET])
{
    uint8_t copy[TICKET], *body;
    const uint8_t *print;
    size_t len;

    memcpy(copy, ticket, TICKET);
    if (!tls_ticket_open(t, now, copy, TICKET, &print, &body, &len))
        return false;
    assert_memory_equal(print, fingerprint, TLS_FINGERPRINT_LEN);
    assert_int_equal(len, BODY);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(body[i], 's');
    return true;
}

static void a_ticket_opens_until_its_lifetime_ends(void **state)
{
    struct tls_tickets *t = tls_tickets_new(LIFETIME);
    uint8_t ticket[TICKET];

    (void)state;
    seal(t, 1000, ticket);
    assert_true(opens(t, 1000, ticket));
    assert_true(opens(t, 1000 + LIFETIME - 1, ticket));
    assert_false(opens(t, 1000 + LIFETIME, ticket));
    tls_tickets_free(&t);
}

static void a_ticket_outlives_one_change_of_keys_and_not_two(void **state)
{
    struct tls_tickets *t = tls_tickets_new(LIFETIME);
    uint8_t first[TICKET], late[TICKET], next[TICKET];

    (void)state;
    seal(t, 1000, first);
    seal(t, 1000 + LIFETIME - 1, late);
    assert_memory_equal(first, late, 16); /* the same key's name */
    seal(t, 1000 + LIFETIME, next);
    assert_memory_not_equal(first, next, 16);
    assert_true(opens(t, 1000 + 2 * LIFETIME - 2, late));
    assert_false(opens(t, 1000 + 2 * LIFETIME - 1, late));
    assert_true(opens(t, 1000 + 2 * LIFETIME - 1, next));
    tls_tickets_free(&t);
}

static void keys_that_nothing_needs_any_more_are_gone(void **state)
{
    struct tls_tickets *t = tls_tickets_new(LIFETIME);
    uint8_t ticket[TICKET], later[TICKET];

    (void)state;
    seal(t, 1000, ticket);
    seal(t, 1000 + 50 * LIFETIME, later);
    /* Were the key still there, the ticket's own time would let it open. */
    assert_false(opens(t, 1000, ticket));
    tls_tickets_free(&t);
}

static void a_changed_or_foreign_ticket_does_not_open(void **state)
{
    struct tls_tickets *t = tls_tickets_new(LIFETIME), *other = tls_tickets_new(LIFETIME);
    uint8_t ticket[TICKET], *body;
    const uint8_t *print;
    size_t len;

    (void)state;
    seal(t, 1000, ticket);
    assert_false(opens(other, 1000, ticket));
    for (size_t i = 0; i < TICKET; i++) {
        ticket[i] ^= 1;
        assert_false(opens(t, 1000, ticket));
        ticket[i] ^= 1;
    }
    assert_true(opens(t, 1000, ticket));
    for (size_t n = 0; n < TICKET; n++)
        assert_false(tls_ticket_open(t, 1000, ticket, n, &print, &body, &len));
    tls_tickets_free(&t);
    tls_tickets_free(&other);
}

/* ---- sessions ---- */

/* Connects, with a session if there is one; returns whether it was resumed, and the session to resume next. */
static bool connect_once(struct tls_context *ctx, int version, const char *sni, mbedtls_ssl_session *resume,
                         mbedtls_ssl_session *ret_next)
{
    struct client c;
    struct tls *server = tls_new(ctx, false, STR(""));
    bool is_resumed;

    client_init(&c, (struct client_options){.version = version, .sni = sni, .resume = resume});
    assert_int_equal(join(&c, server, 0), TLS_READY);
    assert_int_equal(c.result, 0);
    is_resumed = tls_is_resumed(server);
    if (ret_next != NULL)
        client_take_session(&c, server, ret_next);
    tls_free(&server);
    client_deinit(&c);
    return is_resumed;
}

static void with_each_version(struct fixture *f, void (*test)(struct fixture *f, int version))
{
    test(f, TLS_1_2);
#if COMPAT_HAS_TLS_1_3
    test(f, TLS_1_3);
#endif
}

static void check_resumption(struct fixture *f, int version)
{
    mbedtls_ssl_session first, second;

    assert_false(connect_once(f->ctx, version, "a.example", NULL, &first));
    assert_true(connect_once(f->ctx, version, "a.example", &first, &second));
    assert_true(connect_once(f->ctx, version, "a.example", &second, NULL));
    mbedtls_ssl_session_free(&first);
    mbedtls_ssl_session_free(&second);
}

static void a_session_is_resumed_with_its_ticket(void **state)
{
    with_each_version(*state, check_resumption);
}

static void check_reload(struct fixture *f, int version)
{
    struct tls_context *reloaded = make_context(f->hosts, 2, f->tickets);
    mbedtls_ssl_session session;

    assert_false(connect_once(f->ctx, version, "a.example", NULL, &session));
    assert_true(connect_once(reloaded, version, "a.example", &session, NULL));
    mbedtls_ssl_session_free(&session);
    tls_context_unref(&reloaded);
}

static void a_session_survives_a_reload(void **state)
{
    with_each_version(*state, check_reload);
}

static void check_renewed(struct fixture *f, int version)
{
    struct tls_host host = make_certificate(&f->dir, (struct certificate_spec){.file = "renewed", .name = "a.example"});
    struct tls_context *renewed = make_context(&host, 1, f->tickets);
    mbedtls_ssl_session session;

    assert_false(connect_once(f->ctx, version, "a.example", NULL, &session));
    assert_false(connect_once(renewed, version, "a.example", &session, NULL));
    mbedtls_ssl_session_free(&session);
    tls_context_unref(&renewed);
}

static void a_new_certificate_is_shown_rather_than_a_session_resumed(void **state)
{
    with_each_version(*state, check_renewed);
}

/* RFC 6066 section 3. (In TLS 1.3 the test's client itself would not do that.) */
static void a_session_is_not_resumed_under_another_hosts_name(void **state)
{
    struct fixture *f = *state;
    mbedtls_ssl_session session;

    assert_false(connect_once(f->ctx, TLS_1_2, "a.example", NULL, &session));
    assert_false(connect_once(f->ctx, TLS_1_2, "b.example", &session, NULL));
    mbedtls_ssl_session_free(&session);
}

/* RFC 7627 section 5.3: an attacker between both can make two sessions without it that share their secrets, and would
 * be found in neither once they were resumed with it. */
static void a_session_without_the_extended_master_secret_gets_no_ticket(void **state)
{
    struct fixture *f = *state;
    struct client_options o = {.version = TLS_1_2, .sni = "a.example", .no_extended_master_secret = true};
    struct tls *server = tls_new(f->ctx, false, STR(""));
    mbedtls_ssl_session session;
    struct client c;

    client_init(&c, o);
    assert_int_equal(join(&c, server, 0), TLS_READY);
    assert_int_equal(c.result, 0);
    client_take_session(&c, server, &session);
    assert_false(connect_once(f->ctx, TLS_1_2, "a.example", &session, NULL));
    mbedtls_ssl_session_free(&session);
    tls_free(&server);
    client_deinit(&c);
}

static void a_session_is_not_resumed_without_the_extended_master_secret_it_had(void **state)
{
    struct fixture *f = *state;
    struct client_options o = {.version = TLS_1_2, .sni = "a.example", .no_extended_master_secret = true};
    struct tls *server = tls_new(f->ctx, false, STR(""));
    mbedtls_ssl_session session;
    struct client c;

    assert_false(connect_once(f->ctx, TLS_1_2, "a.example", NULL, &session));
    o.resume = &session;
    client_init(&c, o);
    assert_int_equal(join(&c, server, 0), TLS_FAILED);
    mbedtls_ssl_session_free(&session);
    tls_free(&server);
    client_deinit(&c);
}

#if COMPAT_HAS_TLS_1_3
/* The library would take the master secret for zeros, which anybody knows. */
static void a_ticket_of_1_3_is_of_no_use_in_1_2(void **state)
{
    struct fixture *f = *state;
    struct tls *server = tls_new(f->ctx, false, STR(""));
    mbedtls_ssl_session old, new, swap;
    struct client c;

    assert_false(connect_once(f->ctx, TLS_1_2, "a.example", NULL, &old));
    assert_false(connect_once(f->ctx, TLS_1_3, "a.example", NULL, &new));
    swap = old;
    old.MBEDTLS_PRIVATE(ticket) = new.MBEDTLS_PRIVATE(ticket);
    old.MBEDTLS_PRIVATE(ticket_len) = new.MBEDTLS_PRIVATE(ticket_len);
    new.MBEDTLS_PRIVATE(ticket) = swap.MBEDTLS_PRIVATE(ticket);
    new.MBEDTLS_PRIVATE(ticket_len) = swap.MBEDTLS_PRIVATE(ticket_len);
    memset(old.MBEDTLS_PRIVATE(master), 0, sizeof(old.MBEDTLS_PRIVATE(master)));
    client_init(&c, (struct client_options){.version = TLS_1_2, .sni = "a.example", .resume = &old});
    assert_int_equal(join(&c, server, 0), TLS_FAILED);
    mbedtls_ssl_session_free(&old);
    mbedtls_ssl_session_free(&new);
    tls_free(&server);
    client_deinit(&c);
}
#endif

static void check_other_server(struct fixture *f, int version)
{
    struct tls_tickets *tickets = tls_tickets_new(3600);
    struct tls_context *restarted = make_context(f->hosts, 2, tickets), *without = make_context(f->hosts, 2, NULL);
    mbedtls_ssl_session session;

    assert_false(connect_once(f->ctx, version, "a.example", NULL, &session));
    assert_false(connect_once(restarted, version, "a.example", &session, NULL));
    assert_false(connect_once(without, version, "a.example", &session, NULL));
    mbedtls_ssl_session_free(&session);
    tls_context_unref(&restarted);
    tls_context_unref(&without);
    tls_tickets_free(&tickets);
}

static void tickets_of_other_keys_lead_to_a_full_handshake(void **state)
{
    with_each_version(*state, check_other_server);
}

/* ---- threads ---- */

/* A client's life on a thread of the pool: a full handshake, or one that resumes what another thread began. */
struct connection_job {
    struct pool_job job;
    struct fixture *f;
    int version;
    const char *host;
    mbedtls_ssl_session session;
    bool has_session;
    bool was_resumed;
};

struct test_executor {
    struct executor executor;
    uv_sem_t answered;
};

static void on_post(struct executor *to, struct task *own_task)
{
    (void)own_task; /* `done` has nothing to do: the semaphore says that the work is */
    uv_sem_post(&container_of(to, struct test_executor, executor)->answered);
}

static void work_connect(struct pool_job *job)
{
    struct connection_job *j = container_of(job, struct connection_job, job);
    mbedtls_ssl_session next;

    j->was_resumed = connect_once(j->f->ctx, j->version, j->host, j->has_session ? &j->session : NULL, &next);
    if (j->has_session)
        mbedtls_ssl_session_free(&j->session);
    j->session = next;
    j->has_session = true;
}

static void check_threads(struct fixture *f, int version)
{
    enum { CONNECTIONS = 12, ROUNDS = 3, THREADS = 3 };
    struct connection_job jobs[CONNECTIONS];
    struct test_executor done = {.executor = {.post = on_post}};
    struct pool *pool = pool_new(THREADS, CONNECTIONS);

    memset(jobs, 0, sizeof(jobs));
    assert_int_equal(uv_sem_init(&done.answered, 0), 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CONNECTIONS; i++) {
            jobs[i].job = (struct pool_job){.reply_to = &done.executor, .work = work_connect};
            jobs[i].f = f;
            jobs[i].version = version;
            jobs[i].host = i % 2 == 0 ? "a.example" : "b.example"; /* ECDSA and RSA */
            assert_int_equal(pool_submit(pool, &jobs[i].job), LN_OK);
        }
        for (int i = 0; i < CONNECTIONS; i++)
            uv_sem_wait(&done.answered);
        for (int i = 0; i < CONNECTIONS; i++)
            assert_int_equal(jobs[i].was_resumed, round > 0);
    }
    pool_free(&pool);
    for (int i = 0; i < CONNECTIONS; i++)
        mbedtls_ssl_session_free(&jobs[i].session);
    uv_sem_destroy(&done.answered);
}

static void sessions_are_resumed_on_any_thread(void **state)
{
    with_each_version(*state, check_threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ticket_opens_until_its_lifetime_ends),
        cmocka_unit_test(a_ticket_outlives_one_change_of_keys_and_not_two),
        cmocka_unit_test(keys_that_nothing_needs_any_more_are_gone),
        cmocka_unit_test(a_changed_or_foreign_ticket_does_not_open),
        cmocka_unit_test(a_session_is_resumed_with_its_ticket),
        cmocka_unit_test(a_session_survives_a_reload),
        cmocka_unit_test(a_new_certificate_is_shown_rather_than_a_session_resumed),
        cmocka_unit_test(a_session_is_not_resumed_under_another_hosts_name),
        cmocka_unit_test(a_session_without_the_extended_master_secret_gets_no_ticket),
        cmocka_unit_test(a_session_is_not_resumed_without_the_extended_master_secret_it_had),
#if COMPAT_HAS_TLS_1_3
        cmocka_unit_test(a_ticket_of_1_3_is_of_no_use_in_1_2),
#endif
        cmocka_unit_test(tickets_of_other_keys_lead_to_a_full_handshake),
        cmocka_unit_test(sessions_are_resumed_on_any_thread),
    };

    return cmocka_run_group_tests(tests, set_up_hosts, tear_down_hosts);
}
