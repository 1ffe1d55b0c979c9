/* tests/load/process.h - what a server costs, as the kernel counts it.
 *
 * A server may be a tree of processes (a start script, an Erlang VM and its helpers), so CPU time and memory are summed
 * over the given pids and all their descendants, each process once. CPU time includes children that have ended and been
 * waited for; the kernel counts it in ticks of 10 ms, so measure for seconds. Memory is PSS (pages shared with others
 * count for their share), from /proc/PID/smaps_rollup: it costs the kernel a walk over all pages of the process, which
 * halts meanwhile, so take it outside of the measured time. */
#ifndef LINNET_TESTS_LOAD_PROCESS_H
#define LINNET_TESTS_LOAD_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_LIST_MAX 16

/* What --pid named. */
struct process_list {
    pid_t pids[PROCESS_LIST_MAX];
    unsigned count;
};

struct process_cpu {
    double user_s;
    double system_s;
};

/* Reads "PID[,PID...]". False: not that, or more than PROCESS_LIST_MAX; *ret is untouched. */
bool process_list_parse(const char *text, struct process_list *ret);

/* CPU time so far. False: one of the listed pids does not exist (any more); *ret is untouched. */
bool process_cpu(const struct process_list *list, struct process_cpu *ret);
/* PSS in KiB. False: as above, or the process belongs to another user. */
bool process_pss(const struct process_list *list, uint64_t *ret_kib);
/* CPU seconds of this very process so far, user and system, to the microsecond. */
double process_own_cpu_s(void);

#endif
