/* tests/unit/net/test_timer_wheel.c - timers fire once, in order and in time, whatever is set and cancelled meanwhile.
 */
#include "server/net/timer_wheel.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/mem.h"

struct probe {
    struct wheel_timer timer;
    unsigned fired;
    uint64_t at;
    unsigned order;
    struct timer_wheel *wheel;
    uint64_t again_ms;    /* set anew when it fires; 0: no */
    struct probe *cancel; /* cancelled when it fires; NULL: none */
};

static unsigned fired_so_far;

static void on_fire(struct wheel_timer *t)
{
    struct probe *p = container_of(t, struct probe, timer);

    p->fired++;
    p->at = p->wheel->tick;
    p->order = ++fired_so_far;
    if (p->again_ms > 0)
        wheel_set(p->wheel, t, p->again_ms);
    if (p->cancel != NULL)
        wheel_cancel(&p->cancel->timer);
}

static void probe_set(struct probe *p, struct timer_wheel *w, uint64_t ms)
{
    p->timer.fire = on_fire;
    p->wheel = w;
    wheel_set(w, &p->timer, ms);
}

static void a_timer_fires_once_in_its_tick(void **state)
{
    static const struct {
        uint64_t ms, tick;
    } rows[] = {{0, 1}, {1, 1}, {100, 1}, {101, 2}, {250, 3}, {102400, 1024}, {102401, 1025}, {600000, 6000}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct timer_wheel w;
        struct probe p = {0};

        wheel_init(&w);
        probe_set(&p, &w, rows[i].ms);
        wheel_advance(&w, rows[i].tick - 1);
        assert_int_equal(p.fired, 0);
        wheel_advance(&w, rows[i].tick + 5000);
        assert_int_equal(p.fired, 1);
        assert_int_equal(p.at, rows[i].tick);
    }
}

static void timers_of_one_tick_fire_in_the_order_they_were_set(void **state)
{
    struct timer_wheel w;
    struct probe p[5] = {{.fired = 0}};

    (void)state;
    wheel_init(&w);
    fired_so_far = 0;
    for (unsigned i = 0; i < 5; i++)
        probe_set(&p[i], &w, 300);
    wheel_advance(&w, 3);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(p[i].order, i + 1);
}

static void a_cancelled_timer_does_not_fire(void **state)
{
    struct timer_wheel w;
    struct probe p[3] = {{.fired = 0}};

    (void)state;
    wheel_init(&w);
    for (unsigned i = 0; i < 3; i++)
        probe_set(&p[i], &w, 200);
    wheel_cancel(&p[1].timer);
    wheel_cancel(&p[1].timer); /* twice is fine */
    wheel_advance(&w, 10);
    assert_int_equal(p[0].fired, 1);
    assert_int_equal(p[1].fired, 0);
    assert_int_equal(p[2].fired, 1);
}

static void setting_again_moves_a_timer(void **state)
{
    struct timer_wheel w;
    struct probe p = {0};

    (void)state;
    wheel_init(&w);
    probe_set(&p, &w, 200);
    wheel_advance(&w, 1);
    probe_set(&p, &w, 500);
    wheel_advance(&w, 5);
    assert_int_equal(p.fired, 0);
    wheel_advance(&w, 6);
    assert_int_equal(p.fired, 1);
}

static void a_timer_may_set_itself_and_cancel_another_as_it_fires(void **state)
{
    struct timer_wheel w;
    struct probe first = {0}, second = {0};

    (void)state;
    wheel_init(&w);
    first.again_ms = 102400; /* a whole turn: the same slot */
    first.cancel = &second;
    probe_set(&first, &w, 100);
    probe_set(&second, &w, 100);
    wheel_advance(&w, 1);
    assert_int_equal(first.fired, 1);
    assert_int_equal(second.fired, 0);
    wheel_advance(&w, 1024);
    assert_int_equal(first.fired, 1);
    wheel_advance(&w, 1025);
    assert_int_equal(first.fired, 2);
    wheel_cancel(&first.timer);
}

static void a_late_wheel_fires_all_that_was_due_in_their_order(void **state)
{
    struct timer_wheel w;
    struct probe p[3] = {{.fired = 0}};

    (void)state;
    wheel_init(&w);
    fired_so_far = 0;
    probe_set(&p[0], &w, 200000);
    probe_set(&p[1], &w, 100);
    probe_set(&p[2], &w, 300);
    wheel_advance(&w, 3000);
    assert_int_equal(p[1].order, 1);
    assert_int_equal(p[2].order, 2);
    assert_int_equal(p[0].order, 3);
}

static void what_is_left_of_a_timer_is_known(void **state)
{
    struct timer_wheel w;
    struct probe p = {0};

    (void)state;
    wheel_init(&w);
    assert_int_equal(wheel_left_ms(&w, &p.timer), 0);
    probe_set(&p, &w, 10000);
    wheel_advance(&w, 30);
    assert_int_equal(wheel_left_ms(&w, &p.timer), 7000);
    wheel_cancel(&p.timer);
    assert_int_equal(wheel_left_ms(&w, &p.timer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_fires_once_in_its_tick),
        cmocka_unit_test(timers_of_one_tick_fire_in_the_order_they_were_set),
        cmocka_unit_test(a_cancelled_timer_does_not_fire),
        cmocka_unit_test(setting_again_moves_a_timer),
        cmocka_unit_test(a_timer_may_set_itself_and_cancel_another_as_it_fires),
        cmocka_unit_test(a_late_wheel_fires_all_that_was_due_in_their_order),
        cmocka_unit_test(what_is_left_of_a_timer_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
