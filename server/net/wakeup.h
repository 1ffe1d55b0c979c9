/* server/net/wakeup.h - how other threads end the sleep of a libuv loop.
 *
 * Waking costs a write and a read of an event descriptor and, worse, a switch of threads. So a loop says when it is
 * about to sleep, and only then does anybody wake it: while it is at work it looks into its inbox by itself, once a
 * turn. (A uv_async_t always writes, and on a busy machine its receiver spins until the sender has been scheduled
 * again.)
 *
 * The rule that no wake-up is lost: the loop first says that it will sleep, then looks into its inbox; who posts first
 * puts the task into the inbox, then looks whether the loop sleeps. Both in one order that all threads agree on
 * (memory_order_seq_cst), so at least one of the two sees the other. */
#ifndef LINNET_SERVER_NET_WAKEUP_H
#define LINNET_SERVER_NET_WAKEUP_H

#include <stdatomic.h>
#include <uv.h>

#include "common/mpsc_queue.h"

struct wakeup {
    /* [start] */
    uv_poll_t poll;
    int fd; /* -1: none */
    /* [any] */
    atomic_bool is_asleep;
};

/* [start] False: there are no file descriptors left. */
bool wakeup_init(struct wakeup *u, uv_loop_t *loop);
/* [loop] Closes the handle; the descriptor stays open until wakeup_deinit(), since others may still post. */
void wakeup_close(struct wakeup *u);
/* [start] When the loop has ended and nobody posts any more. */
void wakeup_deinit(struct wakeup *u);

/* [any] After something was put into an inbox that had been empty. */
void wakeup_send(struct wakeup *u);
/* [loop] It will sleep when this turn is over. False: there is something in the inbox, so it must not. */
bool wakeup_may_sleep(struct wakeup *u, struct mpsc_queue *inbox);
/* [loop] It is awake again. */
void wakeup_is_awake(struct wakeup *u);

#endif
