/* server/net/pool.h - threads for work that would hold a worker's loop up.
 *
 * TLS handshakes and password hashing take milliseconds; here they run at a lower priority than the loops, a bounded
 * number of them at a time, and answer as a task in the worker's inbox. Submitting takes no lock: each thread has an
 * inbox of its own, and the one with the least waiting gets the job. */
#ifndef LINNET_SERVER_NET_POOL_H
#define LINNET_SERVER_NET_POOL_H

#include "common/err.h"
#include "common/task.h"

struct pool;

/* Embedded in whatever the job is about; untouched by the submitter until `done` runs. */
struct pool_job {
    struct task task;  /* private */
    struct pool *pool; /* private */
    struct executor *reply_to;
    void (*work)(struct pool_job *job); /* [pool] */
    void (*done)(struct pool_job *job); /* on reply_to's thread, once */
    unsigned thread;                    /* private */
};

/* [start] `threads` >= 1; at most `waiting_max` jobs wait or run. NULL: the system gave no thread. */
struct pool *pool_new(unsigned threads, unsigned waiting_max);
/* [any] Finishes what was submitted and ends the threads; blocks. */
void pool_free(struct pool **p);
/* [any] LN_E_LIMIT: too many wait already, and the job stays the caller's. */
enum ln_err pool_submit(struct pool *p, struct pool_job *job);
/* [any] Jobs that wait or run. */
unsigned pool_load(const struct pool *p);

#endif
