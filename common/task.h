/* common/task.h - work that is handed to another thread.
 *
 * A thread that takes work (a worker, the control thread, the storage threads, the crypto pool) is an `executor`. What
 * it is given is a `task`, embedded in whatever the work is about, so posting allocates nothing and cannot fail. Tasks
 * posted by one thread to one executor run in the order they were posted. */
#ifndef LINNET_COMMON_TASK_H
#define LINNET_COMMON_TASK_H

#include "common/mem.h"
#include "common/mpsc_queue.h"

struct task {
    struct mpsc_node node; /* first use: the executor's inbox */
    /* Runs once on the executor's thread; the task belongs to it from then on, and it frees what is to be freed. */
    void (*run)(struct task *own_task);
};

struct executor {
    /* [any] Takes `own_task` over; never blocks, never fails. */
    void (*post)(struct executor *to, struct task *own_task);
};

/* [any] */
static inline void executor_post(struct executor *to, struct task *own_task)
{
    to->post(to, own_task);
}

#endif
