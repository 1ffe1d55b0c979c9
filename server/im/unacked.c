#include "server/im/unacked.h"

#include <assert.h>
#include <stdio.h>

#include "common/mem.h"
#include "server/base/config.h"

enum { OVERDUE_MS = 5000 }; /* how long a client with sm.queue_stanzas open may go on acknowledging nothing */

/* ---- the queue ---- */

static size_t cost_of(size_t len)
{
    return sizeof(struct unacked_entry) + len;
}

void unacked_add(struct unacked *q, struct str xml)
{
    struct unacked_entry *e = mem_alloc(cost_of(xml.len));

    e->next = NULL;
    e->len = xml.len;
    memcpy(e->bytes, xml.p, xml.len);
    if (q->first == NULL)
        q->first = e;
    else
        q->last->next = e;
    q->last = e;
    q->n++;
    q->bytes += cost_of(xml.len);
}

void unacked_drop(struct unacked *q, uint32_t n)
{
    for (; n > 0 && q->first != NULL; n--) {
        struct unacked_entry *e = q->first;

        q->first = e->next;
        q->n--;
        q->bytes -= cost_of(e->len);
        free(e);
    }
    if (q->first == NULL)
        q->last = NULL;
}

/* ---- the session's part ---- */

struct sm *sm_start(struct session *s)
{
    assert(s->sm == NULL);
    s->sm = mem_zalloc(sizeof(*s->sm));
    s->sm->s = s;
    s->client_acks = true;
    return s->sm;
}

void sm_end(struct session *s)
{
    if (s->sm == NULL)
        return;
    assert(s->sm->receipts == NULL);
    wheel_cancel(&s->sm->ask_timer);
    unacked_drop(&s->sm->queue, s->sm->queue.n);
    free(s->sm);
    s->sm = NULL;
}

/* What waits is sent at once when the client comes back, and new stanzas behind it: that has to fit into what may wait
 * for a connection (limits.out_queue_bytes). */
static size_t bytes_max(const struct config *cfg)
{
    size_t half = cfg->limits.out_queue_bytes / 2;

    return cfg->sm.queue_bytes < half ? cfg->sm.queue_bytes : half;
}

static bool is_too_much(const struct session *s)
{
    const struct config *cfg = s->worker->config;
    const struct unacked *q = &s->sm->queue;

    if (q->bytes > bytes_max(cfg))
        return true;
    return q->n > cfg->sm.queue_stanzas && (s->conn == NULL || sm_is_overdue(s));
}

struct str sm_name(const struct sm *sm, uint32_t seq, char out[SENT_AS_MAX])
{
    int len = snprintf(out, SENT_AS_MAX, "%.*s/%lu", SM_ID_LEN, sm->id, (unsigned long)seq);

    return str_make(out, (size_t)len);
}

void sm_sent(struct session *s, struct str xml)
{
    struct sm *sm = s->sm;

    if (sm->queue.n == 0)
        sm->progress_ms = worker_now_ms(s->worker);
    unacked_add(&sm->queue, xml);
    sm->sent++;
    if (is_too_much(s))
        session_give_up(s);
}

bool sm_acknowledge(struct session *s, uint32_t h)
{
    struct sm *sm = s->sm;
    uint32_t n = h - sm->acked; /* modulo 2^32: may not exceed what was sent since */

    if (n > sm->sent - sm->acked)
        return false;
    if (n == 0)
        return true;
    sm->acked = h;
    sm->progress_ms = worker_now_ms(s->worker);
    unacked_drop(&sm->queue, n);
    return true;
}

bool sm_is_overdue(const struct session *s)
{
    const struct sm *sm = s->sm;

    return sm->queue.n > s->worker->config->sm.queue_stanzas &&
           worker_now_ms(s->worker) - sm->progress_ms >= OVERDUE_MS;
}
