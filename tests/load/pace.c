#include "tests/load/pace.h"

#include "common/mem.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SECOND_NS   1000000000ULL
/* The timer's own cost would show below that: it rings for several stanzas then. */
#define RING_NS_MIN 50000ULL

struct pace {
    struct load *load;
    void (*send)(struct load *l, uint64_t due_ns);
    uv_poll_t poll;
    int timer_fd;
    bool is_stopped;
    uint64_t started_ns;
    uint64_t sent;
};

/* Counted from the start, so that no error adds up. */
static uint64_t due_ns(const struct pace *p, uint64_t number)
{
    return p->started_ns + (uint64_t)((double)number * (double)SECOND_NS / (double)p->load->options->rate);
}

static void send_until(struct pace *p, uint64_t ns)
{
    for (uint64_t due; (due = due_ns(p, p->sent)) <= ns; p->sent++)
        p->send(p->load, due);
}

static void on_ring(uv_poll_t *poll, int status, int events)
{
    struct pace *p = container_of(poll, struct pace, poll);
    uint64_t rings;

    (void)status;
    (void)events;
    if (read(p->timer_fd, &rings, sizeof(rings)) > 0 && !p->is_stopped)
        send_until(p, load_now());
}

/* A timer of the kernel's, since libuv's know no less than a millisecond. */
struct pace *pace_start(struct load *l, void (*send)(struct load *l, uint64_t due_ns))
{
    struct pace *p = mem_zalloc(sizeof(*p));
    uint64_t ring_ns = SECOND_NS / l->options->rate;
    struct itimerspec each = {0};

    if (ring_ns < RING_NS_MIN)
        ring_ns = RING_NS_MIN;
    p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (p->timer_fd < 0) {
        load_fail(l, "no timer: %s", strerror(errno));
        free(p);
        return NULL;
    }
    p->load = l;
    p->send = send;
    p->started_ns = load_now();
    each.it_interval.tv_sec = (time_t)(ring_ns / SECOND_NS);
    each.it_interval.tv_nsec = (long)(ring_ns % SECOND_NS);
    each.it_value = each.it_interval;
    (void)timerfd_settime(p->timer_fd, 0, &each, NULL);
    (void)uv_poll_init(l->loop, &p->poll, p->timer_fd);
    (void)uv_poll_start(&p->poll, UV_READABLE, on_ring);
    return p;
}

void pace_stop(struct pace *p, uint64_t until_ns)
{
    if (p == NULL || p->is_stopped)
        return;
    send_until(p, until_ns);
    p->is_stopped = true;
    (void)uv_poll_stop(&p->poll);
}

static void on_closed(uv_handle_t *handle)
{
    struct pace *p = container_of(handle, struct pace, poll);

    (void)close(p->timer_fd);
    free(p);
}

void pace_free(struct pace **p)
{
    if (*p != NULL)
        uv_close((uv_handle_t *)&(*p)->poll, on_closed);
    *p = NULL;
}
