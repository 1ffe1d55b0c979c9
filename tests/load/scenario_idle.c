/* Everybody is online and does nothing: what does a session weigh, and what does it cost to keep? */
#include "tests/load/scenario.h"

enum { DEFAULT_USERS = 1000 };

static uint32_t users(const struct options *o, const char **ret_why)
{
    (void)ret_why;
    return o->users != 0 ? (uint32_t)o->users : DEFAULT_USERS;
}

static void begin(struct load *l)
{
    (void)l; /* nothing, and for as long as was asked for */
}

static void measure(struct load *l)
{
    l->count = l->n_online; /* so that CPU is told for each session */
}

const struct scenario scenario_idle = {
    .name = "idle",
    .summary = "--users N are online for --seconds S and say nothing; with --pid, memory for each session",
    .unit = "sessions",
    .is_timed = true,
    .sends_presence = true,
    .users = users,
    .begin = begin,
    .measure = measure,
};
