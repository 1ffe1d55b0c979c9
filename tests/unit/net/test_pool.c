/* tests/unit/net/test_pool.c - the pool runs each job once, answers where it was asked to, and never takes too many. */
#include "server/net/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

/* Stands in for a worker: an inbox that the test drains itself. */
struct inbox {
    struct executor executor;
    struct mpsc_queue queue;
    uv_sem_t wake;
    uv_thread_t owner;
};

static void inbox_post(struct executor *to, struct task *own_task)
{
    struct inbox *in = container_of(to, struct inbox, executor);

    if (mpsc_push(&in->queue, &own_task->node))
        uv_sem_post(&in->wake);
}

static void inbox_init(struct inbox *in)
{
    in->executor.post = inbox_post;
    mpsc_init(&in->queue);
    assert_int_equal(uv_sem_init(&in->wake, 0), 0);
    in->owner = uv_thread_self();
}

static unsigned inbox_run(struct inbox *in)
{
    unsigned n = 0;

    for (struct mpsc_node *node = mpsc_take_all(&in->queue), *next; node != NULL; node = next, n++) {
        struct task *task = container_of(node, struct task, node);

        next = node->next;
        task->run(task);
    }
    return n;
}

/* Runs tasks until `n` have run. */
static void inbox_run_until(struct inbox *in, unsigned n)
{
    for (unsigned done = 0; done < n; done += inbox_run(in))
        uv_sem_wait(&in->wake);
}

struct counted_job {
    struct pool_job job;
    atomic_uint worked;
    unsigned done;
    struct inbox *inbox;
    uv_sem_t *gate; /* the work waits for it; NULL: works at once */
    uv_sem_t *began;
};

static void count_work(struct pool_job *job)
{
    struct counted_job *j = container_of(job, struct counted_job, job);

    if (j->began != NULL)
        uv_sem_post(j->began);
    if (j->gate != NULL)
        uv_sem_wait(j->gate);
    atomic_fetch_add(&j->worked, 1);
}

static void count_done(struct pool_job *job)
{
    struct counted_job *j = container_of(job, struct counted_job, job);
    uv_thread_t self = uv_thread_self();

    assert_true(uv_thread_equal(&self, &j->inbox->owner));
    assert_int_equal(atomic_load(&j->worked), 1);
    j->done++;
}

static void counted_job_init(struct counted_job *j, struct inbox *in)
{
    *j = (struct counted_job){.job = {.reply_to = &in->executor, .work = count_work, .done = count_done}, .inbox = in};
}

static void assert_waiting(const struct pool *p, unsigned handshakes)
{
    struct pool_stats stats;

    pool_get_stats(p, &stats);
    assert_int_equal(stats.handshakes_waiting, handshakes);
    assert_int_equal(stats.passwords_waiting, 0);
}

enum { MANY = 2000, THREADS = 3 };

static void every_job_is_worked_and_answered_exactly_once(void **state)
{
    struct inbox in;
    struct pool *p = pool_new(THREADS, MANY);
    struct counted_job *jobs = mem_zalloc(MANY * sizeof(*jobs));

    (void)state;
    inbox_init(&in);
    for (int i = 0; i < MANY; i++) {
        counted_job_init(&jobs[i], &in);
        assert_int_equal(pool_submit(p, &jobs[i].job), LN_OK);
    }
    inbox_run_until(&in, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(jobs[i].done, 1);
    assert_waiting(p, 0);
    pool_free(&p);
    assert_int_equal(inbox_run(&in), 0);
    uv_sem_destroy(&in.wake);
    free(jobs);
}

static void a_job_beyond_the_limit_stays_with_the_caller(void **state)
{
    struct inbox in;
    uv_sem_t gate;
    struct pool *p = pool_new(2, 5);
    struct counted_job jobs[6];

    (void)state;
    inbox_init(&in);
    assert_int_equal(uv_sem_init(&gate, 0), 0);
    for (int i = 0; i < 6; i++) {
        counted_job_init(&jobs[i], &in);
        jobs[i].gate = &gate;
        assert_int_equal(pool_submit(p, &jobs[i].job), i < 5 ? LN_OK : LN_E_LIMIT);
    }
    assert_waiting(p, 5);
    for (int i = 0; i < 5; i++)
        uv_sem_post(&gate);
    inbox_run_until(&in, 5);
    assert_int_equal(atomic_load(&jobs[5].worked), 0);
    /* Its place is free again, so it is taken now. */
    uv_sem_post(&gate);
    assert_int_equal(pool_submit(p, &jobs[5].job), LN_OK);
    inbox_run_until(&in, 1);
    assert_int_equal(jobs[5].done, 1);
    pool_free(&p);
    uv_sem_destroy(&gate);
    uv_sem_destroy(&in.wake);
}

static void kinds_have_limits_of_their_own_and_refusals_are_counted(void **state)
{
    struct inbox in;
    uv_sem_t gate;
    struct pool *p = pool_new(1, 0);
    struct pool_stats stats;
    struct counted_job jobs[5];

    (void)state;
    inbox_init(&in);
    assert_int_equal(uv_sem_init(&gate, 0), 0);
    for (int i = 0; i < 5; i++) {
        counted_job_init(&jobs[i], &in);
        jobs[i].gate = &gate;
        jobs[i].job.kind = i < 2 ? POOL_HANDSHAKE : POOL_PASSWORD;
    }
    assert_false(pool_has_room(p, POOL_HANDSHAKE));
    assert_int_equal(pool_submit(p, &jobs[2].job), LN_E_LIMIT);
    pool_set_limit(p, POOL_HANDSHAKE, 1);
    pool_set_limit(p, POOL_PASSWORD, 2);
    assert_true(pool_has_room(p, POOL_HANDSHAKE));
    assert_int_equal(pool_submit(p, &jobs[0].job), LN_OK);
    assert_false(pool_has_room(p, POOL_HANDSHAKE));
    assert_true(pool_has_room(p, POOL_PASSWORD));
    assert_int_equal(pool_submit(p, &jobs[1].job), LN_E_LIMIT);
    assert_int_equal(pool_submit(p, &jobs[2].job), LN_OK);
    assert_int_equal(pool_submit(p, &jobs[3].job), LN_OK);
    assert_int_equal(pool_submit(p, &jobs[4].job), LN_E_LIMIT);
    jobs[1].job.kind = POOL_HANDSHAKE_STEP; /* who has begun is not sent away */
    assert_int_equal(pool_submit(p, &jobs[1].job), LN_OK);
    pool_get_stats(p, &stats);
    assert_int_equal(stats.handshakes_waiting, 2);
    assert_int_equal(stats.passwords_waiting, 2);
    assert_int_equal(stats.handshakes_refused, 3);
    assert_int_equal(stats.passwords_refused, 2);
    for (int i = 0; i < 4; i++)
        uv_sem_post(&gate);
    inbox_run_until(&in, 4);
    pool_get_stats(p, &stats);
    assert_int_equal(stats.handshakes_waiting, 0);
    assert_int_equal(stats.passwords_waiting, 0);
    pool_free(&p);
    uv_sem_destroy(&gate);
    uv_sem_destroy(&in.wake);
}

/* A job that notes when its turn came. */
struct ordered_job {
    struct pool_job job;
    unsigned *turns;
    unsigned turn;
};

static void note_turn(struct pool_job *job)
{
    struct ordered_job *j = container_of(job, struct ordered_job, job);

    j->turn = (*j->turns)++;
}

static void ignore_done(struct pool_job *job)
{
    (void)job;
}

/* Behind a job that waits: so many handshakes, then so many jobs of that kind, whose turns come out. */
static void find_turns(enum pool_kind kind, struct ordered_job *fresh, unsigned n_fresh, struct ordered_job *begun,
                       unsigned n_begun)
{
    struct inbox in;
    uv_sem_t gate, began;
    struct pool *p = pool_new(1, 100);
    struct counted_job first;
    unsigned turns = 0;

    inbox_init(&in);
    assert_int_equal(uv_sem_init(&gate, 0), 0);
    assert_int_equal(uv_sem_init(&began, 0), 0);
    counted_job_init(&first, &in);
    first.gate = &gate;
    first.began = &began;
    assert_int_equal(pool_submit(p, &first.job), LN_OK);
    uv_sem_wait(&began);
    for (unsigned i = 0; i < n_fresh + n_begun; i++) {
        struct ordered_job *j = i < n_fresh ? &fresh[i] : &begun[i - n_fresh];

        *j = (struct ordered_job){.turns = &turns,
                                  .job = {.reply_to = &in.executor,
                                          .work = note_turn,
                                          .done = ignore_done,
                                          .kind = i < n_fresh ? POOL_HANDSHAKE : kind}};
        assert_int_equal(pool_submit(p, &j->job), LN_OK);
    }
    uv_sem_post(&gate);
    inbox_run_until(&in, 1 + n_fresh + n_begun);
    pool_free(&p);
    uv_sem_destroy(&gate);
    uv_sem_destroy(&began);
    uv_sem_destroy(&in.wake);
}

static void what_was_begun_goes_before_what_begins(void **state)
{
    struct ordered_job fresh[2], begun[2];

    (void)state;
    find_turns(POOL_HANDSHAKE_STEP, fresh, 2, begun, 2);
    assert_int_equal(begun[0].turn, 0);
    assert_int_equal(begun[1].turn, 1);
    assert_int_equal(fresh[0].turn, 2);
    assert_int_equal(fresh[1].turn, 3);
}

static void handshakes_begin_however_many_passwords_come(void **state)
{
    struct ordered_job fresh[1], begun[50];

    (void)state;
    find_turns(POOL_PASSWORD, fresh, 1, begun, 50);
    assert_true(fresh[0].turn > 0 && fresh[0].turn < 16);
}

struct nice_job {
    struct pool_job job;
    int nice;
};

static void look_at_nice(struct pool_job *job)
{
    container_of(job, struct nice_job, job)->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
}

static void the_threads_give_way_to_all_others(void **state)
{
    struct inbox in;
    struct pool *p = pool_new(1, 1);
    int before = getpriority(PRIO_PROCESS, (id_t)gettid());
    struct nice_job j = {.job = {.work = look_at_nice, .done = ignore_done}};

    (void)state;
    inbox_init(&in);
    j.job.reply_to = &in.executor;
    assert_int_equal(pool_submit(p, &j.job), LN_OK);
    inbox_run_until(&in, 1);
    assert_true(j.nice > before || before == 19);
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)gettid()), before);
    pool_free(&p);
    uv_sem_destroy(&in.wake);
}

static void a_long_job_does_not_keep_others_from_idle_threads(void **state)
{
    struct inbox in;
    uv_sem_t gate, began;
    struct pool *p = pool_new(2, 10);
    struct counted_job slow, quick[4];

    (void)state;
    inbox_init(&in);
    assert_int_equal(uv_sem_init(&gate, 0), 0);
    assert_int_equal(uv_sem_init(&began, 0), 0);
    counted_job_init(&slow, &in);
    slow.gate = &gate;
    slow.began = &began;
    assert_int_equal(pool_submit(p, &slow.job), LN_OK);
    uv_sem_wait(&began);
    for (int i = 0; i < 4; i++) {
        counted_job_init(&quick[i], &in);
        assert_int_equal(pool_submit(p, &quick[i].job), LN_OK);
        inbox_run_until(&in, 1);
        assert_int_equal(quick[i].done, 1);
    }
    assert_int_equal(slow.done, 0);
    uv_sem_post(&gate);
    inbox_run_until(&in, 1);
    assert_int_equal(slow.done, 1);
    pool_free(&p);
    uv_sem_destroy(&gate);
    uv_sem_destroy(&began);
    uv_sem_destroy(&in.wake);
}

static void freeing_the_pool_finishes_what_was_submitted(void **state)
{
    struct inbox in;
    struct pool *p = pool_new(THREADS, 200);
    struct counted_job *jobs = mem_zalloc(200 * sizeof(*jobs));

    (void)state;
    inbox_init(&in);
    for (int i = 0; i < 200; i++) {
        counted_job_init(&jobs[i], &in);
        assert_int_equal(pool_submit(p, &jobs[i].job), LN_OK);
    }
    pool_free(&p);
    assert_null(p);
    assert_int_equal(inbox_run(&in), 200);
    for (int i = 0; i < 200; i++)
        assert_int_equal(jobs[i].done, 1);
    uv_sem_destroy(&in.wake);
    free(jobs);
}

struct submitter {
    struct pool *pool;
    struct counted_job *jobs;
    unsigned accepted;
};

static void submit_many(void *arg)
{
    struct submitter *s = arg;

    for (int i = 0; i < MANY; i++)
        s->accepted += pool_submit(s->pool, &s->jobs[i].job) == LN_OK;
}

static void submitters_on_several_threads_lose_no_job(void **state)
{
    struct inbox in;
    struct submitter s[2];
    uv_thread_t threads[2];
    struct pool *p = pool_new(THREADS, 64);

    (void)state;
    inbox_init(&in);
    for (int i = 0; i < 2; i++) {
        s[i] = (struct submitter){.pool = p, .jobs = mem_zalloc(MANY * sizeof(struct counted_job))};
        for (int k = 0; k < MANY; k++)
            counted_job_init(&s[i].jobs[k], &in);
        assert_int_equal(uv_thread_create(&threads[i], submit_many, &s[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        uv_thread_join(&threads[i]);
    pool_free(&p);
    assert_int_equal(inbox_run(&in), s[0].accepted + s[1].accepted);
    for (int i = 0; i < 2; i++) {
        unsigned done = 0;

        for (int k = 0; k < MANY; k++) {
            assert_true(s[i].jobs[k].done <= 1);
            done += s[i].jobs[k].done;
        }
        assert_int_equal(done, s[i].accepted);
        free(s[i].jobs);
    }
    uv_sem_destroy(&in.wake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_is_worked_and_answered_exactly_once),
        cmocka_unit_test(a_job_beyond_the_limit_stays_with_the_caller),
        cmocka_unit_test(kinds_have_limits_of_their_own_and_refusals_are_counted),
        cmocka_unit_test(what_was_begun_goes_before_what_begins),
        cmocka_unit_test(handshakes_begin_however_many_passwords_come),
        cmocka_unit_test(the_threads_give_way_to_all_others),
        cmocka_unit_test(a_long_job_does_not_keep_others_from_idle_threads),
        cmocka_unit_test(freeing_the_pool_finishes_what_was_submitted),
        cmocka_unit_test(submitters_on_several_threads_lose_no_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
