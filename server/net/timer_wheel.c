#include "server/net/timer_wheel.h"

#include <stddef.h>
#include <string.h>

void wheel_init(struct timer_wheel *w)
{
    memset(w, 0, sizeof(*w));
}

static void link_in(struct wheel_timer **slot, struct wheel_timer *t)
{
    t->next = *slot;
    t->prev = slot;
    if (t->next != NULL)
        t->next->prev = &t->next;
    *slot = t;
}

void wheel_set(struct timer_wheel *w, struct wheel_timer *t, uint64_t ms)
{
    uint64_t ticks = (ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;

    wheel_cancel(t);
    t->due_tick = w->tick + (ticks > 0 ? ticks : 1);
    link_in(&w->slots[t->due_tick % WHEEL_SLOTS], t);
}

void wheel_cancel(struct wheel_timer *t)
{
    if (t->prev == NULL)
        return;
    *t->prev = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    t->prev = NULL;
    t->next = NULL;
}

uint64_t wheel_left_ms(const struct timer_wheel *w, const struct wheel_timer *t)
{
    return t->prev != NULL && t->due_tick > w->tick ? (t->due_tick - w->tick) * WHEEL_TICK_MS : 0;
}

static void run_slot(struct timer_wheel *w)
{
    /* Moved aside first: a timer may set itself, or cancel others, while it fires. */
    struct wheel_timer *due = NULL, **slot = &w->slots[w->tick % WHEEL_SLOTS];

    for (struct wheel_timer *t = *slot, *next; t != NULL; t = next) {
        next = t->next;
        if (t->due_tick > w->tick)
            continue; /* a later turn of the wheel */
        wheel_cancel(t);
        link_in(&due, t);
    }
    while (due != NULL) {
        struct wheel_timer *t = due;

        wheel_cancel(t);
        t->fire(t);
    }
}

void wheel_advance(struct timer_wheel *w, uint64_t now_tick)
{
    while (w->tick < now_tick) {
        w->tick++;
        run_slot(w);
    }
}
