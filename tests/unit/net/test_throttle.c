/* tests/unit/net/test_throttle.c - events are counted by key and window, from any number of threads. */
#include "server/net/throttle.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <uv.h>

#include <cmocka.h>

#include "common/mem.h"

enum { LONG_S = 1000000 }; /* a window that does not end while the test runs, but once in a million seconds */

static int make(void **state)
{
    struct throttle *t = mem_zalloc(sizeof(*t));

    throttle_init(t);
    *state = t;
    return 0;
}

static int unmake(void **state)
{
    free(*state);
    return 0;
}

static void each_event_counts_one_more(void **state)
{
    struct throttle *t = *state;

    assert_int_equal(throttle_peek(t, "a", STR("x"), LONG_S), 0);
    for (uint32_t i = 1; i <= 5; i++)
        assert_int_equal(throttle_count(t, "a", STR("x"), LONG_S), i);
    assert_int_equal(throttle_peek(t, "a", STR("x"), LONG_S), 5);
    assert_int_equal(throttle_peek(t, "a", STR("x"), LONG_S), 5);
}

static void uses_and_keys_are_counted_apart(void **state)
{
    struct throttle *t = *state;

    (void)throttle_count(t, "a", STR("x"), LONG_S);
    (void)throttle_count(t, "a", STR("x"), LONG_S);
    /* Two keys share a slot once in 16384 times; not all of these do. */
    assert_true(throttle_peek(t, "b", STR("x"), LONG_S) + throttle_peek(t, "a", STR("y"), LONG_S) +
                    throttle_peek(t, "a", STR("xx"), LONG_S) <
                6);
}

static void a_key_of_any_length_is_taken(void **state)
{
    struct throttle *t = *state;
    char text[4000];

    memset(text, 'k', sizeof(text));
    assert_int_equal(throttle_count(t, "a-name-that-is-longer-than-is-kept", str_make(text, sizeof(text)), LONG_S), 1);
    assert_int_equal(throttle_count(t, "a-name-that-is-longer-than-is-kept", str_make(text, sizeof(text)), LONG_S), 2);
    assert_int_equal(throttle_count(t, "e", str_make(NULL, 0), LONG_S), 1);
}

static void a_new_window_begins_at_zero(void **state)
{
    struct throttle *t = *state;
    uint32_t last = throttle_count(t, "a", STR("x"), 1), now;

    /* Windows of one second: within one it must end. */
    while ((now = throttle_count(t, "a", STR("x"), 1)) != 1) {
        assert_int_equal(now, last + 1);
        last = now;
        uv_sleep(5);
    }
    assert_int_equal(throttle_peek(t, "a", STR("x"), 1), 1);
}

static void an_ipv6_network_counts_as_one_address(void **state)
{
    static const struct {
        const char *a, *b;
        bool is_same;
    } rows[] = {
        {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
        {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1", true},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sockaddr_storage a = {.ss_family = AF_INET6}, b = {.ss_family = AF_INET6};
        char a_bytes[16], b_bytes[16];

        assert_int_equal(inet_pton(AF_INET6, rows[i].a, &((struct sockaddr_in6 *)(void *)&a)->sin6_addr), 1);
        assert_int_equal(inet_pton(AF_INET6, rows[i].b, &((struct sockaddr_in6 *)(void *)&b)->sin6_addr), 1);
        assert_int_equal(
            str_eq(throttle_address((struct sockaddr *)&a, a_bytes), throttle_address((struct sockaddr *)&b, b_bytes)),
            rows[i].is_same);
    }
}

static void an_ipv4_client_of_a_dual_stack_listener_is_an_ipv4_client(void **state)
{
    struct sockaddr_storage v4 = {.ss_family = AF_INET}, mapped = {.ss_family = AF_INET6};
    char a[16], b[16];

    (void)state;
    assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &((struct sockaddr_in *)(void *)&v4)->sin_addr), 1);
    assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.7", &((struct sockaddr_in6 *)(void *)&mapped)->sin6_addr), 1);
    assert_true(str_eq(throttle_address((struct sockaddr *)&v4, a), throttle_address((struct sockaddr *)&mapped, b)));
}

enum { THREADS = 4, EACH = 20000 };

static void count_many(void *arg)
{
    for (int i = 0; i < EACH; i++)
        (void)throttle_count(arg, "many", STR("x"), LONG_S);
}

static void threads_lose_no_event(void **state)
{
    struct throttle *t = *state;
    uv_thread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_create(&threads[i], count_many, t), 0);
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&threads[i]);
    assert_int_equal(throttle_peek(t, "many", STR("x"), LONG_S), THREADS * EACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_event_counts_one_more, make, unmake),
        cmocka_unit_test_setup_teardown(uses_and_keys_are_counted_apart, make, unmake),
        cmocka_unit_test_setup_teardown(a_key_of_any_length_is_taken, make, unmake),
        cmocka_unit_test_setup_teardown(a_new_window_begins_at_zero, make, unmake),
        cmocka_unit_test(an_ipv6_network_counts_as_one_address),
        cmocka_unit_test(an_ipv4_client_of_a_dual_stack_listener_is_an_ipv4_client),
        cmocka_unit_test_setup_teardown(threads_lose_no_event, make, unmake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
