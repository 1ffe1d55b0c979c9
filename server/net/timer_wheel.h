/* server/net/timer_wheel.h - one clock for all time-outs of a worker.
 *
 * A connection needs a deadline now and then (not authenticated in time, silent for too long, a delayed SASL failure),
 * and nearly all of them are moved or cancelled before they fire. The wheel makes that two list operations, without a
 * heap and without a libuv timer for each. It ticks every WHEEL_TICK_MS. Times are rounded up to whole ticks and
 * counted from the last one, so a timer may fire up to a tick early. All functions: [worker]. */
#ifndef LINNET_SERVER_NET_TIMER_WHEEL_H
#define LINNET_SERVER_NET_TIMER_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WHEEL_TICK_MS = 100, WHEEL_SLOTS = 1024 };

struct wheel_timer {
    struct wheel_timer *next, **prev; /* prev == NULL: not set */
    uint64_t due_tick;
    void (*fire)(struct wheel_timer *t); /* the timer is no longer set when this runs; it may set itself again */
};

struct timer_wheel {
    struct wheel_timer *slots[WHEEL_SLOTS];
    uint64_t tick; /* ticks done */
};

void wheel_init(struct timer_wheel *w);
/* Sets (or moves) a timer `ms` from now. t->fire must be filled in. */
void wheel_set(struct timer_wheel *w, struct wheel_timer *t, uint64_t ms);
void wheel_cancel(struct wheel_timer *t);
/* What is left of the time; 0: not set, or due. */
uint64_t wheel_left_ms(const struct timer_wheel *w, const struct wheel_timer *t);
/* Advances to `now_tick`, firing what is due. */
void wheel_advance(struct timer_wheel *w, uint64_t now_tick);

#endif
