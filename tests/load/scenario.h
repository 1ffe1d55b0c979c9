/* tests/load/scenario.h - what a scenario is, and what the run offers it.
 *
 * A scenario is one file, scenario_NAME.c, with one `const struct scenario scenario_NAME`, and one row in load.c. The
 * run owns the clients, the clock, the phases, the sampling of the server and the report; a scenario says who talks to
 * whom and checks that what came is what was sent.
 *
 * A timed scenario goes through these phases, and load.c leads:
 *   everybody is logged in, at most --concurrency at a time
 *   set_up(): what must be so before the traffic, such as contacts or a room, until load_ready()
 *   begin(): it starts its traffic        -- warm-up, --warmup seconds
 *   measure(): its counters start at 0    -- measured time, --seconds
 *   stop(): it sends nothing new          -- until is_drained(), at most LOAD_DRAIN_S
 *   finish(): it adds up what is wrong
 * Any other leads itself: begin() is called before anybody is connected, and it calls load_login(), load_logout(),
 * load_measure_begin(), load_measure_end() and load_done(). */
#ifndef LINNET_TESTS_LOAD_SCENARIO_H
#define LINNET_TESTS_LOAD_SCENARIO_H

#include "tests/load/client.h"
#include "tests/load/histogram.h"
#include "tests/load/options.h"
#include "tests/load/report.h"
#include "tests/load/stamp.h"

enum { LOAD_DRAIN_S = 5 };

/* One run. Its fields are for scenarios to read; those under "the scenario's" are for it to write. */
struct load {
    const struct options *options;
    uv_loop_t *loop;
    struct client **clients; /* by index */
    uint32_t n_clients;
    uint32_t n_online;

    /* the scenario's */
    void *data;
    uint64_t count;            /* what it counts; set to 0 by the run when the measured time begins */
    struct flow_totals totals; /* what is wrong, over all of the run */
    uint64_t failed;           /* refused or failed otherwise */
    struct histogram *latency; /* emptied by the run when the measured time begins */
    /* read only */
    bool is_measuring;                         /* between load_measure_begin() and load_measure_end() */
    uint64_t started_ns;                       /* what was stamped before is left over from another run */
    uint64_t measured_from_ns, measured_to_ns; /* 0: not yet */
    uint64_t pss_kib;                          /* the server's memory, as it was measured last */
};

struct scenario {
    const char *name;
    const char *summary; /* one line for --help */
    const char *unit;    /* what is counted, plural: "messages" */
    bool is_timed;
    bool sends_presence;
    bool takes_relay; /* --relay makes sense */
    bool resumes; /* who was cut resumes its session (XEP-0198), and fails the run if that is refused; implies --sm */

    /* How many clients it needs with these options; 0 and a message in *ret_why: the options make no sense. */
    uint32_t (*users)(const struct options *o, const char **ret_why);
    /* The clients exist and are not connected: makes `data`, sets the groups of --relay. May be NULL. */
    void (*prepare)(struct load *l);
    void (*release)(struct load *l); /* frees `data`, closes handles; the loop runs once more after. May be NULL */
    void (*set_up)(struct load *l);  /* NULL: nothing is to be set up */
    void (*begin)(struct load *l);
    void (*measure)(struct load *l);    /* may be NULL: count and latency are all there is */
    void (*stop)(struct load *l);       /* NULL: there is nothing to stop */
    bool (*is_drained)(struct load *l); /* NULL: at once; called again and again */
    /* All is over. Adds to `totals` and `failed`; *ret_extra are objects of its own for the report, borrowed until
     * release(). May be NULL. */
    void (*finish)(struct load *l, const struct report_group **ret_extra, size_t *ret_n);

    /* Each may be NULL. on_online comes for every login, also those made by load_login(). */
    void (*on_online)(struct load *l, struct client *c);
    void (*on_stanza)(struct load *l, struct client *c, const struct frame *f);
    /* A connection ended that was to end: client_logout(), client_cut(). All others fail the run. */
    void (*on_closed)(struct load *l, struct client *c);
};

/* Records the latency of what was sent or due at `from_ns` and has come now, if that was in the measured time: also
 * what comes when it is over, since leaving out the latest would flatter. */
void load_record(struct load *l, uint64_t from_ns, uint64_t now_ns);

/* Fails the run with a sentence: it ends now, with exit status 1. The first sentence is the one that is told. */
void load_fail(struct load *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Connects all clients that are not connected, --concurrency at a time; `on_done` is called once all are online, from
 * the loop. One at a time. */
void load_login(struct load *l, void (*on_done)(struct load *l));
/* Ends all sessions politely, --concurrency at a time. One at a time, and not during load_login(). */
void load_logout(struct load *l, void (*on_done)(struct load *l));
/* The measured time begins and ends: count and latency start at 0, the CPU of server and generator is taken. */
void load_measure_begin(struct load *l);
void load_measure_end(struct load *l);
/* The server's memory now, with everybody online: what the report tells as "after". Rests for two seconds first. */
void load_take_memory(struct load *l, void (*on_done)(struct load *l));
/* Calls once, after `ms`; nothing to cancel. Not during the measured time of others: it is no clock. */
void load_after(struct load *l, uint64_t ms, void (*call)(struct load *l));
/* What set_up() was to do is done; it may say so before it returns. */
void load_ready(struct load *l);
/* The run is over: finish(), report, exit. */
void load_done(struct load *l);
/* What the progress line says now, such as "logging in again". */
void load_set_phase(struct load *l, const char *phase);

extern const struct scenario scenario_login, scenario_idle, scenario_chat, scenario_presence, scenario_room,
    scenario_reconnect, scenario_hibernate, scenario_soak;

#endif
