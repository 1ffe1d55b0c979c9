#include "server/net/pool.h"

#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

/* How much nicer than the loops the threads are; on Linux a nice value belongs to the thread. With 10 they leave the
 * processor soon enough that a loop's 99th percentile does not feel them, and have a tenth of it when the loops never
 * rest, so that somebody can log in. With 5 loops waited for milliseconds; 19 and SCHED_IDLE were hardly better for
 * messages, and left logins next to nothing. */
enum { POOL_NICER_BY = 10 };

/* So that passwords, which may come without a handshake, cannot keep handshakes from ever beginning. */
enum { BEGUN_IN_A_ROW = 8 };

/* A queue of its own thread: FIFO. */
struct pool_queue {
    struct mpsc_node *first, **last;
};

struct pool_thread {
    /* [start] */
    uv_thread_t id;
    const struct pool *pool;
    /* [any] */
    struct mpsc_queue inbox;
    uv_sem_t wake; /* posted once for each time the inbox stopped being empty */
    atomic_uint load;
    /* its own */
    struct pool_queue begun, fresh; /* a job of `fresh` waits for those in `begun`, though not for ever */
    unsigned in_a_row;
};

/* What is counted together, under one limit. */
struct pool_count {
    atomic_uint waiting, waiting_max;
    _Atomic uint64_t refused;
};

struct pool {
    /* [start] */
    unsigned n_threads;
    struct pool_thread *threads;
    /* [any] */
    struct pool_count handshakes, passwords;
    atomic_bool is_closing;
};

static struct pool_count *count_of(struct pool *p, enum pool_kind kind)
{
    return kind == POOL_PASSWORD ? &p->passwords : &p->handshakes;
}

/* ---- the threads ---- */

static void queue_init(struct pool_queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void queue_put(struct pool_queue *q, struct mpsc_node *node)
{
    node->next = NULL;
    *q->last = node;
    q->last = &node->next;
}

static struct mpsc_node *queue_take(struct pool_queue *q)
{
    struct mpsc_node *node = q->first;

    if (node == NULL)
        return NULL;
    q->first = node->next;
    if (q->first == NULL)
        q->last = &q->first;
    return node;
}

static void run_done(struct task *own_task)
{
    struct pool_job *job = container_of(own_task, struct pool_job, task);

    job->done(job);
}

static void run_job(struct pool_job *job)
{
    struct pool *p = job->pool;

    job->work(job);
    /* Counted before the answer is sent: by the time `done` runs its place can be taken again, and the job may be gone.
     */
    atomic_fetch_sub_explicit(&p->threads[job->thread].load, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&count_of(p, job->kind)->waiting, 1, memory_order_relaxed);
    job->task.run = run_done;
    executor_post(job->reply_to, &job->task);
}

static void sort_in(struct pool_thread *t)
{
    for (struct mpsc_node *node = mpsc_take_all(&t->inbox), *next; node != NULL; node = next) {
        next = node->next;
        queue_put(container_of(node, struct pool_job, task.node)->kind == POOL_HANDSHAKE ? &t->fresh : &t->begun, node);
    }
}

static struct mpsc_node *take_next(struct pool_thread *t)
{
    struct mpsc_node *node = NULL;

    if (t->fresh.first == NULL || t->in_a_row < BEGUN_IN_A_ROW)
        node = queue_take(&t->begun);
    if (node != NULL) {
        t->in_a_row++;
        return node;
    }
    t->in_a_row = 0;
    return queue_take(&t->fresh);
}

static void run_all_waiting(struct pool_thread *t)
{
    struct mpsc_node *node;

    do {
        sort_in(t); /* each time: something may have come that goes before the rest */
        node = take_next(t);
        if (node != NULL)
            run_job(container_of(node, struct pool_job, task.node));
    } while (node != NULL);
}

static void thread_main(void *arg)
{
    struct pool_thread *t = arg;
    bool is_last_round;

    (void)pthread_setname_np(pthread_self(), "pool");
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + POOL_NICER_BY);
    do {
        uv_sem_wait(&t->wake);
        /* Looked at first: what was submitted before pool_free() is in the inbox by then. */
        is_last_round = atomic_load_explicit(&t->pool->is_closing, memory_order_acquire);
        run_all_waiting(t);
    } while (!is_last_round);
}

static bool start_thread(struct pool *p, struct pool_thread *t)
{
    t->pool = p;
    mpsc_init(&t->inbox);
    queue_init(&t->begun);
    queue_init(&t->fresh);
    atomic_init(&t->load, 0);
    if (uv_sem_init(&t->wake, 0) != 0)
        return false;
    if (uv_thread_create(&t->id, thread_main, t) != 0) {
        uv_sem_destroy(&t->wake);
        return false;
    }
    return true;
}

/* ---- the pool ---- */

struct pool *pool_new(unsigned threads, unsigned waiting_max)
{
    struct pool *p = mem_zalloc(sizeof(*p));

    assert(threads >= 1);
    p->threads = mem_zalloc(threads * sizeof(*p->threads));
    pool_set_limit(p, POOL_HANDSHAKE, waiting_max);
    pool_set_limit(p, POOL_PASSWORD, waiting_max);
    atomic_init(&p->is_closing, false);
    for (; p->n_threads < threads; p->n_threads++) {
        if (!start_thread(p, &p->threads[p->n_threads])) {
            pool_free(&p);
            return NULL;
        }
    }
    return p;
}

void pool_free(struct pool **p)
{
    struct pool *mine = *p;

    *p = NULL;
    if (mine == NULL)
        return;
    atomic_store_explicit(&mine->is_closing, true, memory_order_release);
    for (unsigned i = 0; i < mine->n_threads; i++)
        uv_sem_post(&mine->threads[i].wake);
    for (unsigned i = 0; i < mine->n_threads; i++) {
        uv_thread_join(&mine->threads[i].id);
        uv_sem_destroy(&mine->threads[i].wake);
    }
    free(mine->threads);
    free(mine);
}

/* Two submitters may pick the same thread; that costs a job's time once in a while, and a lock would cost it always. */
static unsigned least_loaded(struct pool *p)
{
    unsigned best = 0, best_load = UINT_MAX;

    for (unsigned i = 0; i < p->n_threads; i++) {
        unsigned load = atomic_load_explicit(&p->threads[i].load, memory_order_relaxed);

        if (load < best_load) {
            best = i;
            best_load = load;
        }
    }
    return best;
}

void pool_set_limit(struct pool *p, enum pool_kind kind, unsigned waiting_max)
{
    atomic_store_explicit(&count_of(p, kind)->waiting_max, waiting_max, memory_order_relaxed);
}

static bool is_full(const struct pool_count *c, unsigned waiting)
{
    return waiting >= atomic_load_explicit(&c->waiting_max, memory_order_relaxed);
}

enum ln_err pool_submit(struct pool *p, struct pool_job *job)
{
    struct pool_count *c = count_of(p, job->kind);
    struct pool_thread *t;

    if (is_full(c, atomic_fetch_add_explicit(&c->waiting, 1, memory_order_relaxed)) &&
        job->kind != POOL_HANDSHAKE_STEP) {
        atomic_fetch_sub_explicit(&c->waiting, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&c->refused, 1, memory_order_relaxed);
        return LN_E_LIMIT;
    }
    job->pool = p;
    job->thread = least_loaded(p);
    t = &p->threads[job->thread];
    atomic_fetch_add_explicit(&t->load, 1, memory_order_relaxed);
    if (mpsc_push(&t->inbox, &job->task.node))
        uv_sem_post(&t->wake);
    return LN_OK;
}

bool pool_has_room(struct pool *p, enum pool_kind kind)
{
    struct pool_count *c = count_of(p, kind);

    if (!is_full(c, atomic_load_explicit(&c->waiting, memory_order_relaxed)))
        return true;
    atomic_fetch_add_explicit(&c->refused, 1, memory_order_relaxed);
    return false;
}

void pool_get_stats(const struct pool *p, struct pool_stats *ret)
{
    ret->handshakes_waiting = atomic_load_explicit(&p->handshakes.waiting, memory_order_relaxed);
    ret->passwords_waiting = atomic_load_explicit(&p->passwords.waiting, memory_order_relaxed);
    ret->handshakes_refused = atomic_load_explicit(&p->handshakes.refused, memory_order_relaxed);
    ret->passwords_refused = atomic_load_explicit(&p->passwords.refused, memory_order_relaxed);
}
