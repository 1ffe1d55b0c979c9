#include "server/im/unacked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/mem.h"
#include "server/base/config.h"

/* A session on a worker whose clock is set by hand. */
static struct {
    struct worker *worker;
    struct config config;
    struct session session;
    bool is_given_up;
} world;

void session_give_up(struct session *s)
{
    assert_ptr_equal(s, &world.session);
    world.is_given_up = true;
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    world.worker = mem_zalloc(sizeof(*world.worker));
    world.config.limits.out_queue_bytes = 4000000;
    world.config.sm.queue_bytes = 2000;
    world.config.sm.queue_stanzas = 3;
    world.worker->config = &world.config;
    world.worker->loop.time = 50000;
    world.session.worker = world.worker;
    world.session.conn = (struct conn *)&world; /* only whether there is one is looked at */
    (void)sm_start(&world.session);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sm_end(&world.session);
    assert_null(world.session.sm);
    free(world.worker);
    return 0;
}

static void send_numbered(unsigned first, unsigned n)
{
    char text[32];

    for (unsigned i = first; i < first + n; i++) {
        (void)snprintf(text, sizeof(text), "<a i='%u'/>", i);
        sm_sent(&world.session, str_of(text));
    }
}

static void assert_waiting(unsigned first, unsigned n)
{
    const struct unacked_entry *e = world.session.sm->queue.first;
    char text[32];

    assert_int_equal(world.session.sm->queue.n, n);
    for (unsigned i = first; i < first + n; i++, e = e->next) {
        (void)snprintf(text, sizeof(text), "<a i='%u'/>", i);
        assert_non_null(e);
        assert_true(str_is(unacked_str(e), text));
    }
    assert_null(e);
}

static void stanzas_wait_in_order_until_they_are_acknowledged(void **state)
{
    (void)state;
    world.config.sm.queue_stanzas = 100;
    send_numbered(0, 5);
    assert_waiting(0, 5);
    assert_true(sm_acknowledge(&world.session, 2));
    assert_waiting(2, 3);
    assert_true(sm_acknowledge(&world.session, 2)); /* as before */
    send_numbered(5, 2);
    assert_true(sm_acknowledge(&world.session, 6));
    assert_waiting(6, 1);
    assert_true(sm_acknowledge(&world.session, 7));
    assert_waiting(7, 0);
}

static void an_empty_queue_owns_nothing(void **state)
{
    const struct unacked *q = &world.session.sm->queue;

    (void)state;
    send_numbered(0, 3);
    assert_true(q->bytes > 3 * sizeof("<a i='0'/>"));
    assert_true(sm_acknowledge(&world.session, 3));
    assert_null(q->first);
    assert_null(q->last);
    assert_int_equal(q->bytes, 0);
    send_numbered(3, 1); /* and begins anew */
    assert_waiting(3, 1);
}

static void what_was_not_sent_or_was_acknowledged_before_cannot_be_acknowledged(void **state)
{
    (void)state;
    send_numbered(0, 3);
    assert_false(sm_acknowledge(&world.session, 4));
    assert_false(sm_acknowledge(&world.session, UINT32_MAX));
    assert_waiting(0, 3);
    assert_true(sm_acknowledge(&world.session, 2));
    assert_false(sm_acknowledge(&world.session, 1));
    assert_waiting(2, 1);
}

static void counts_go_round_at_32_bits(void **state)
{
    struct sm *sm = world.session.sm;

    (void)state;
    sm->sent = sm->acked = UINT32_MAX - 1;
    send_numbered(0, 3);
    assert_int_equal(sm->sent, 1);
    assert_false(sm_acknowledge(&world.session, 2));
    assert_false(sm_acknowledge(&world.session, UINT32_MAX - 2));
    assert_true(sm_acknowledge(&world.session, UINT32_MAX));
    assert_waiting(1, 2);
    assert_true(sm_acknowledge(&world.session, 1));
    assert_waiting(3, 0);
}

static void a_client_that_is_there_has_time_to_acknowledge_many(void **state)
{
    (void)state;
    send_numbered(0, 10);
    assert_false(world.is_given_up);
    assert_false(sm_is_overdue(&world.session));
    world.worker->loop.time += 4999;
    assert_false(sm_is_overdue(&world.session));
    assert_true(sm_acknowledge(&world.session, 1)); /* and any progress gives it more */
    world.worker->loop.time += 4999;
    assert_false(sm_is_overdue(&world.session));
    world.worker->loop.time += 1;
    assert_true(sm_is_overdue(&world.session));
    send_numbered(10, 1);
    assert_true(world.is_given_up);
}

static void a_client_within_the_bound_is_never_overdue(void **state)
{
    (void)state;
    send_numbered(0, 3);
    world.worker->loop.time += 1000000;
    assert_false(sm_is_overdue(&world.session));
}

static void a_client_that_is_away_has_no_more_than_its_queue(void **state)
{
    (void)state;
    world.session.conn = NULL;
    send_numbered(0, 3);
    assert_false(world.is_given_up);
    send_numbered(3, 1);
    assert_true(world.is_given_up);
}

static void bytes_are_bounded_at_once(void **state)
{
    char large[1500];

    (void)state;
    memset(large, 'x', sizeof(large));
    sm_sent(&world.session, str_make(large, sizeof(large)));
    assert_false(world.is_given_up);
    sm_sent(&world.session, str_make(large, sizeof(large)));
    assert_true(world.is_given_up);
}

static void what_waits_fits_into_the_half_of_what_a_connection_may_owe(void **state)
{
    char large[800];

    (void)state;
    memset(large, 'x', sizeof(large));
    world.config.limits.out_queue_bytes = 3000;
    sm_sent(&world.session, str_make(large, sizeof(large)));
    assert_false(world.is_given_up);
    sm_sent(&world.session, str_make(large, sizeof(large)));
    assert_true(world.is_given_up);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stanzas_wait_in_order_until_they_are_acknowledged),
        TEST(an_empty_queue_owns_nothing),
        TEST(what_was_not_sent_or_was_acknowledged_before_cannot_be_acknowledged),
        TEST(counts_go_round_at_32_bits),
        TEST(a_client_that_is_there_has_time_to_acknowledge_many),
        TEST(a_client_within_the_bound_is_never_overdue),
        TEST(a_client_that_is_away_has_no_more_than_its_queue),
        TEST(bytes_are_bounded_at_once),
        TEST(what_waits_fits_into_the_half_of_what_a_connection_may_owe),
    };

    return cmocka_run_group_tests_name("unacked", tests, NULL, NULL);
}
