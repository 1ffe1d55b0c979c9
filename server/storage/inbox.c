#include "server/storage/inbox.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

void inbox_init(struct inbox *in)
{
    mpsc_init(&in->queue);
    int rc = sem_init(&in->wake, 0, 0);

    assert(rc == 0);
    (void)rc;
}

void inbox_deinit(struct inbox *in)
{
    (void)sem_destroy(&in->wake);
}

void inbox_push(struct inbox *in, struct storage_job *own_job)
{
    if (mpsc_push(&in->queue, &own_job->task.node))
        (void)sem_post(&in->wake);
}

static struct timespec from_now(int ms)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* False: the time was up. */
static bool wait_for_wake(struct inbox *in, int timeout_ms)
{
    struct timespec until = from_now(timeout_ms < 0 ? 0 : timeout_ms);
    int rc;

    do
        rc = timeout_ms < 0 ? sem_wait(&in->wake) : sem_clockwait(&in->wake, CLOCK_MONOTONIC, &until);
    while (rc != 0 && errno == EINTR);
    return rc == 0;
}

struct storage_job *inbox_wait(struct inbox *in, int timeout_ms)
{
    if (!wait_for_wake(in, timeout_ms))
        return NULL;
    return job_of(mpsc_take_all(&in->queue));
}
