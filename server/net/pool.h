/* server/net/pool.h - threads for work that would hold a worker's loop up.
 *
 * TLS handshakes and password hashing take milliseconds; here they run at a lower priority, and answer as a task in
 * the worker's inbox. The beginning of a handshake goes behind what was begun before: in a storm of logins some are
 * done soon, instead of all at its end.
 *
 * How much may wait is bounded by kind. Submitting takes no lock: each thread has an inbox of its own, and the one with
 * the least waiting gets the job. */
#ifndef LINNET_SERVER_NET_POOL_H
#define LINNET_SERVER_NET_POOL_H

#include "common/err.h"
#include "common/task.h"

#include <stdint.h>

struct pool;

enum pool_kind {
    POOL_HANDSHAKE,      /* the first step of one */
    POOL_HANDSHAKE_STEP, /* a later one: counts like the first, and is never refused */
    POOL_PASSWORD,
    POOL_KINDS,
};

/* Embedded in whatever the job is about; untouched by the submitter until `done` runs. */
struct pool_job {
    struct task task;  /* private */
    struct pool *pool; /* private */
    struct executor *reply_to;
    void (*work)(struct pool_job *job); /* [pool] */
    void (*done)(struct pool_job *job); /* on reply_to's thread, once */
    enum pool_kind kind;
    unsigned thread; /* private */
};

struct pool_stats {
    unsigned handshakes_waiting, passwords_waiting; /* or running */
    uint64_t handshakes_refused, passwords_refused;
};

/* [start] `threads` >= 1; at most `waiting_max` jobs of each kind wait or run. NULL: the system gave no thread. */
struct pool *pool_new(unsigned threads, unsigned waiting_max);
/* [any] Finishes what was submitted and ends the threads; blocks. */
void pool_free(struct pool **p);
/* [any] POOL_HANDSHAKE or POOL_PASSWORD. */
void pool_set_limit(struct pool *p, enum pool_kind kind, unsigned waiting_max);

/* [any] LN_E_LIMIT: too many of its kind wait already, and the job stays the caller's. Counted as a refusal. */
enum ln_err pool_submit(struct pool *p, struct pool_job *job);
/* [any] Whether one more of the kind would be taken now, for those who have to ask a peer for it first. False is
 * counted as a refusal. */
bool pool_has_room(struct pool *p, enum pool_kind kind);

/* [any] */
void pool_get_stats(const struct pool *p, struct pool_stats *ret);

#endif
