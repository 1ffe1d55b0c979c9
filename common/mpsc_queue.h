/* common/mpsc_queue.h - many producers, one consumer, no locks.
 *
 * Carries stanzas, roster pushes and answers from any thread to the one that owns the recipient. The node sits in the
 * message, so a push allocates nothing and cannot fail. Messages of one producer stay in order, as RFC 6120 section
 * 10.1 asks of stanzas between two entities. */
#ifndef LINNET_COMMON_MPSC_QUEUE_H
#define LINNET_COMMON_MPSC_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>

struct mpsc_node {
    struct mpsc_node *next;
};

struct mpsc_queue {
    _Atomic(struct mpsc_node *) newest; /* [any] newest first; NULL when empty */
};

/* [start] */
void mpsc_init(struct mpsc_queue *q);

/* [any] Queues `own_node`, which the producer may not touch again. True means the queue was empty:
 * the caller must wake the consumer. False means an earlier producer has, or is about to. */
bool mpsc_push(struct mpsc_queue *q, struct mpsc_node *own_node);

/* [consumer] Takes all that is queued, oldest first, chained by `next`; NULL when it is empty. */
struct mpsc_node *mpsc_take_all(struct mpsc_queue *q);

#endif
