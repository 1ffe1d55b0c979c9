#include "server/storage/health.h"

#include <stdio.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void note_failure(struct health *h, enum ln_err err, const char *detail, health_log log)
{
    char details[384];

    atomic_store(&h->last_failed_ms, now_ms());
    if (atomic_exchange(&h->is_failing, true) || log == NULL)
        return;
    (void)snprintf(details, sizeof(details), "what=%s err=%s cause=\"%s\"", h->what, ln_err_name(err), detail);
    log(0, "storage.failing", details);
}

void health_note(struct health *h, enum ln_err err, const char *detail, health_log log)
{
    char details[64];

    if (err != LN_OK) {
        note_failure(h, err, detail, log);
        return;
    }
    if (!atomic_load_explicit(&h->is_failing, memory_order_relaxed)) /* the usual case: no write to shared memory */
        return;
    if (now_ms() - atomic_load(&h->last_failed_ms) < HEALTH_PAUSE_MS)
        return;
    if (!atomic_exchange(&h->is_failing, false) || log == NULL)
        return;
    (void)snprintf(details, sizeof(details), "what=%s", h->what);
    log(2, "storage.healed", details);
}
