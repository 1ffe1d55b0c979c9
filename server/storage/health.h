/* server/storage/health.h - something that works, or does not: an operator is told when that changes, not each time.
 *
 * What failed counts as failing until it works again and has not failed for a second. A disk that is nearly full takes
 * small transactions and refuses large ones: without that pause each of them would be a line in the log, and a load
 * balancer that asks whether we are well would be told yes and no in turns. */
#ifndef LINNET_SERVER_STORAGE_HEALTH_H
#define LINNET_SERVER_STORAGE_HEALTH_H

#include "common/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { HEALTH_PAUSE_MS = 1000 };

typedef void (*health_log)(int level, const char *event, const char *details);

struct health {
    const char *what;                   /* fixed; in the log */
    atomic_bool is_failing;             /* [any] read; [storage threads] set */
    atomic_int_fast64_t last_failed_ms; /* on the monotonic clock */
};

/* [storage threads] Notes how it went. `log` may be NULL. */
void health_note(struct health *h, enum ln_err err, const char *detail, health_log log);

#endif
