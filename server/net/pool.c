#include "server/net/pool.h"

#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

/* How much nicer than the loops the pool's threads are: a login storm slows logins down, not messages. */
enum { POOL_NICER_BY = 5 };

struct pool_thread {
    /* [start] */
    uv_thread_t id;
    const struct pool *pool;
    /* [any] */
    struct mpsc_queue inbox;
    uv_sem_t wake; /* posted once for each time the inbox stopped being empty */
    atomic_uint load;
};

struct pool {
    /* [start] */
    unsigned n_threads;
    unsigned waiting_max;
    struct pool_thread *threads;
    /* [any] */
    atomic_uint load;
    atomic_bool is_closing;
};

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
    atomic_fetch_sub_explicit(&p->load, 1, memory_order_relaxed);
    job->task.run = run_done;
    executor_post(job->reply_to, &job->task);
}

static void run_all_waiting(struct pool_thread *t)
{
    for (struct mpsc_node *node = mpsc_take_all(&t->inbox), *next; node != NULL; node = next) {
        next = node->next; /* the answer's inbox uses the same node */
        run_job(container_of(node, struct pool_job, task.node));
    }
}

static void thread_main(void *arg)
{
    struct pool_thread *t = arg;
    bool is_last_round;

    (void)pthread_setname_np(pthread_self(), "pool");
    /* On Linux a nice value belongs to the thread. May fail under a hard limit; the work is right without it. */
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
    atomic_init(&t->load, 0);
    if (uv_sem_init(&t->wake, 0) != 0)
        return false;
    if (uv_thread_create(&t->id, thread_main, t) != 0) {
        uv_sem_destroy(&t->wake);
        return false;
    }
    return true;
}

struct pool *pool_new(unsigned threads, unsigned waiting_max)
{
    struct pool *p = mem_zalloc(sizeof(*p));

    assert(threads >= 1);
    p->waiting_max = waiting_max;
    p->threads = mem_zalloc(threads * sizeof(*p->threads));
    atomic_init(&p->load, 0);
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

enum ln_err pool_submit(struct pool *p, struct pool_job *job)
{
    struct pool_thread *t;

    if (atomic_fetch_add_explicit(&p->load, 1, memory_order_relaxed) >= p->waiting_max) {
        atomic_fetch_sub_explicit(&p->load, 1, memory_order_relaxed);
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

unsigned pool_load(const struct pool *p)
{
    return atomic_load_explicit(&p->load, memory_order_relaxed);
}
