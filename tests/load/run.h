/* tests/load/run.h - one run of a scenario: phases, logins, samples, the verdict. load.c makes it; scenarios see the
 * `struct load` in it (scenario.h). */
#ifndef LINNET_TESTS_LOAD_RUN_H
#define LINNET_TESTS_LOAD_RUN_H

#include "tests/load/scenario.h"

struct later; /* a call that load_after() promised */

/* Everybody logs in or out, so many at a time. */
struct crowd {
    void (*on_done)(struct load *l); /* NULL: nobody is under way */
    uint32_t next;                   /* the client to look at next */
    uint32_t under_way;
    bool is_leaving;
};

enum run_stage {
    RUN_ON,
    RUN_LEAVING, /* the scenario hears nothing more; sessions are ended */
    RUN_OVER,
};
/* Exit status besides 0 and 2. */
enum { RUN_FAILED = 1, RUN_CANNOT_BEGIN = 3 };

struct run {
    struct load load;
    const struct scenario *scenario;
    struct client_pool *pool;
    struct crowd crowd;

    uv_timer_t tick; /* progress, and whether anything moves */
    struct later *laters;
    const char *phase;
    uint64_t phase_from_ns, phase_to_ns; /* to: 0 if nobody knows */
    uint64_t events, events_seen, moved_ns;
    enum run_stage stage;

    uint64_t drain_until_ns, quiet_from_ns;

    struct process_cpu cpu_before, cpu;
    double own_cpu_before, own_cpu;
    uint64_t count;
    uint64_t pss_before, pss_after, pss_sessions;
    void (*on_memory)(struct load *l); /* load_take_memory() is under way */
    struct report_progress progress;
    char why[1024]; /* why it failed; empty: it did not */
};

/* Runs it to the end. The exit status: 0 or 1, or 3 if it could not begin. */
int run_scenario(const struct scenario *s, const struct options *o, uint32_t n_clients);

/* crowd.c */
void crowd_start(struct run *r, bool is_leaving, void (*on_done)(struct load *l));
/* One client came online, or is closed. */
void crowd_one_done(struct run *r);
/* Nothing has moved for long: one of those that are waited for, for a message. NULL: none. */
const struct client *crowd_find_stuck(const struct run *r);

/* run.c, for crowd.c and phases.c */
static inline struct run *run_of(struct load *l)
{
    return (struct run *)l; /* its first member */
}

/* samples.c */
/* Before the first connection. */
void samples_begin(struct run *r);
/* The report; returns the exit status. */
int samples_tell(struct run *r, const struct report_group *extra, size_t n_extra);

/* phases.c: leads a timed scenario; everybody is to log in. */
void phases_start(struct run *r);

#endif
