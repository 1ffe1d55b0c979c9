#include "server/net/wakeup.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_event(uv_poll_t *h, int status, int events)
{
    struct wakeup *u = h->data;
    uint64_t n;

    (void)status;
    (void)events;
    /* Its purpose was only to end the sleep: the loop looks into its inbox in every turn. */
    while (read(u->fd, &n, sizeof(n)) < 0 && errno == EINTR)
        ;
}

bool wakeup_init(struct wakeup *u, uv_loop_t *loop)
{
    atomic_init(&u->is_asleep, false);
    u->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (u->fd < 0)
        return false;
    if (uv_poll_init(loop, &u->poll, u->fd) != 0) {
        wakeup_deinit(u);
        return false;
    }
    u->poll.data = u;
    (void)uv_poll_start(&u->poll, UV_READABLE, on_event);
    return true;
}

void wakeup_close(struct wakeup *u)
{
    uv_close((uv_handle_t *)&u->poll, NULL);
}

void wakeup_deinit(struct wakeup *u)
{
    if (u->fd >= 0)
        (void)close(u->fd);
    u->fd = -1;
}

void wakeup_send(struct wakeup *u)
{
    uint64_t one = 1;

    /* Of several who find it asleep one is enough. */
    if (!atomic_load(&u->is_asleep) || !atomic_exchange(&u->is_asleep, false))
        return;
    while (write(u->fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

bool wakeup_may_sleep(struct wakeup *u, struct mpsc_queue *inbox)
{
    atomic_store(&u->is_asleep, true);
    return atomic_load(&inbox->newest) == NULL;
}

void wakeup_is_awake(struct wakeup *u)
{
    atomic_store_explicit(&u->is_asleep, false, memory_order_relaxed);
}
