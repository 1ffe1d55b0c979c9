/* The phases of a timed scenario, as scenario.h tells them. */
#include "tests/load/run.h"

enum {
    LOOK_MS = 5,                  /* while draining */
    QUIET_NS = 100 * 1000 * 1000, /* after all has come, for what comes twice */
};

static void drain(struct load *l)
{
    struct run *r = run_of(l);
    uint64_t now = load_now();
    bool is_drained = r->scenario->is_drained == NULL || r->scenario->is_drained(l);

    if (!is_drained)
        r->quiet_from_ns = now;
    if (now >= r->drain_until_ns || (is_drained && now - r->quiet_from_ns >= QUIET_NS))
        load_done(l);
    else
        load_after(l, LOOK_MS, drain);
}

static void end_measuring(struct load *l)
{
    struct run *r = run_of(l);

    load_measure_end(l);
    if (r->scenario->stop != NULL)
        r->scenario->stop(l);
    load_set_phase(l, "waiting for what is on its way");
    r->quiet_from_ns = load_now();
    r->drain_until_ns = r->quiet_from_ns + LOAD_DRAIN_S * UINT64_C(1000000000);
    drain(l);
}

/* The phase lasts `seconds`, then `then` is called. */
static void for_seconds(struct load *l, const char *phase, double seconds, void (*then)(struct load *l))
{
    struct run *r = run_of(l);

    load_set_phase(l, phase);
    r->phase_to_ns = r->phase_from_ns + (uint64_t)(seconds * 1e9);
    load_after(l, (uint64_t)(seconds * 1e3), then);
}

static void begin_measuring(struct load *l)
{
    struct run *r = run_of(l);

    load_measure_begin(l);
    if (r->scenario->measure != NULL)
        r->scenario->measure(l);
    for_seconds(l, "measuring", l->options->seconds, end_measuring);
}

static void begin_traffic(struct load *l)
{
    run_of(l)->scenario->begin(l);
    for_seconds(l, "warming up", l->options->warmup, begin_measuring);
}

void load_ready(struct load *l)
{
    load_take_memory(l, begin_traffic);
}

static void all_online(struct load *l)
{
    const struct scenario *s = run_of(l)->scenario;

    if (s->set_up == NULL) {
        load_ready(l);
        return;
    }
    load_set_phase(l, "setting up");
    s->set_up(l);
}

void phases_start(struct run *r)
{
    load_set_phase(&r->load, "logging in");
    load_login(&r->load, all_online);
}
