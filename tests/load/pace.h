/* tests/load/pace.h - an open loop: stanzas fall due at fixed times, --rate a second, whatever the server does.
 *
 * Each is told when it was due, which is what its latency counts from: if server or generator halts for a moment, all
 * that fell due meanwhile goes out late, and is charged for it. */
#ifndef LINNET_TESTS_LOAD_PACE_H
#define LINNET_TESTS_LOAD_PACE_H

#include "tests/load/scenario.h"

struct pace; /* defined in pace.c */

/* Starts now. NULL: the system has no timer to give; the run has failed. */
struct pace *pace_start(struct load *l, void (*send)(struct load *l, uint64_t due_ns));
/* Sends what was due until `until_ns`, and nothing more. NULL is fine, and so is a second time. */
void pace_stop(struct pace *p, uint64_t until_ns);
/* In release(): libuv lets go of its part when the loop runs once more. */
void pace_free(struct pace **p);

#endif
