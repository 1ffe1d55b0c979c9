#include "common/mpsc_queue.h"

#include <stddef.h>

void mpsc_init(struct mpsc_queue *q)
{
    atomic_init(&q->newest, NULL);
}

/* The list grows at its head and is only ever taken whole, so a node that was freed and has come back at the same
 * address does no harm: what is compared is the head that `next` was just set to. */
bool mpsc_push(struct mpsc_queue *q, struct mpsc_node *own_node)
{
    struct mpsc_node *before = atomic_load_explicit(&q->newest, memory_order_relaxed);

    /* Released: the consumer sees the message. What is behind `before` it sees too, since each push continues the
     * release sequence of the ones before it. Sequentially consistent, which costs the same here, because who pushes
     * looks next whether the consumer sleeps (server/net/wakeup.h). */
    do {
        own_node->next = before;
    } while (!atomic_compare_exchange_weak_explicit(&q->newest, &before, own_node, memory_order_seq_cst,
                                                    memory_order_relaxed));
    return before == NULL;
}

struct mpsc_node *mpsc_take_all(struct mpsc_queue *q)
{
    struct mpsc_node *newest, *oldest = NULL;

    if (atomic_load_explicit(&q->newest, memory_order_relaxed) == NULL)
        return NULL; /* as nearly always in a turn of a loop: not worth a locked instruction */
    newest = atomic_exchange_explicit(&q->newest, NULL, memory_order_acquire);
    while (newest != NULL) {
        struct mpsc_node *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}
