/* server/storage/inbox.h - what a storage thread sleeps on.
 *
 * A lock-free queue and a semaphore. Pushing never waits: the queue is one atomic exchange, and only the push that
 * finds it empty posts the semaphore (which enters the kernel only if the thread sleeps). So a worker's loop may push.
 */
#ifndef LINNET_SERVER_STORAGE_INBOX_H
#define LINNET_SERVER_STORAGE_INBOX_H

#include "server/storage/backend.h"

#include <semaphore.h>

struct inbox {
    struct mpsc_queue queue;
    sem_t wake;
};

/* [start] */
void inbox_init(struct inbox *in);
/* When nobody pushes any more. */
void inbox_deinit(struct inbox *in);
/* [any] */
void inbox_push(struct inbox *in, struct storage_job *own_job);
/* [its thread] Waits for jobs and takes all, oldest first, chained by task.node.next. timeout_ms < 0: for as long as it
 * takes; NULL means that the time was up. */
struct storage_job *inbox_wait(struct inbox *in, int timeout_ms);

static inline struct storage_job *job_of(struct mpsc_node *node)
{
    return node == NULL ? NULL : container_of(node, struct storage_job, task.node);
}

#endif
