#include "common/mpsc_queue.h"

#include "common/mem.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { PRODUCERS = 4, MESSAGES = 20000 };

struct message {
    struct mpsc_node node;
    int producer;
    int number;
};

struct run {
    struct mpsc_queue queue;
    sem_t wake; /* one post for each push that said it must */
};

struct producer {
    struct run *run;
    int id;
    int wakes;
    pthread_t thread;
};

static void a_queue_gives_back_what_was_pushed_oldest_first(void **state)
{
    struct mpsc_queue q;
    struct mpsc_node nodes[3], *node;

    (void)state;
    mpsc_init(&q);
    for (int i = 0; i < 3; i++)
        mpsc_push(&q, &nodes[i]);
    node = mpsc_take_all(&q);
    for (int i = 0; i < 3; i++, node = node->next)
        assert_ptr_equal(node, &nodes[i]);
    assert_null(node);
}

static void nothing_is_taken_from_an_empty_queue(void **state)
{
    struct mpsc_queue q;
    struct mpsc_node a;

    (void)state;
    mpsc_init(&q);
    assert_null(mpsc_take_all(&q));
    mpsc_push(&q, &a);
    assert_ptr_equal(mpsc_take_all(&q), &a);
    assert_null(mpsc_take_all(&q));
}

static void only_a_push_into_an_empty_queue_asks_for_a_wake_up(void **state)
{
    struct mpsc_queue q;
    struct mpsc_node a, b, c;

    (void)state;
    mpsc_init(&q);
    assert_true(mpsc_push(&q, &a));
    assert_false(mpsc_push(&q, &b));
    assert_non_null(mpsc_take_all(&q));
    assert_true(mpsc_push(&q, &c));
}

static void *produce(void *arg)
{
    struct producer *p = arg;

    for (int i = 0; i < MESSAGES; i++) {
        struct message *m = mem_alloc(sizeof(*m));

        m->producer = p->id;
        m->number = i;
        if (mpsc_push(&p->run->queue, &m->node)) {
            p->wakes++;
            sem_post(&p->run->wake);
        }
    }
    return NULL;
}

/* Takes until all have come. It sleeps before each look and is woken by nothing but the pushes that said so: were one
 * of those missing, the test would hang; were one too many, it would find the queue empty. */
static int consume(struct run *run, int next_number[PRODUCERS])
{
    int taken = 0, looks = 0;

    for (; taken < PRODUCERS * MESSAGES; looks++) {
        while (sem_wait(&run->wake) != 0)
            continue;
        struct mpsc_node *node = mpsc_take_all(&run->queue), *next;

        assert_non_null(node);
        for (; node != NULL; node = next, taken++) {
            struct message *m = container_of(node, struct message, node);

            next = node->next;
            assert_int_equal(m->number, next_number[m->producer]++);
            free(m);
        }
    }
    return looks;
}

static void messages_of_each_producer_arrive_complete_in_order_and_with_one_wake_up_a_batch(void **state)
{
    struct run run;
    struct producer producers[PRODUCERS];
    int next_number[PRODUCERS] = {0}, looks, wakes = 0;

    (void)state;
    mpsc_init(&run.queue);
    assert_int_equal(sem_init(&run.wake, 0, 0), 0);
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){.run = &run, .id = i};
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    looks = consume(&run, next_number);
    for (int i = 0; i < PRODUCERS; i++) {
        assert_int_equal(pthread_join(producers[i].thread, NULL), 0);
        assert_int_equal(next_number[i], MESSAGES);
        wakes += producers[i].wakes;
    }
    assert_int_equal(looks, wakes);
    assert_null(mpsc_take_all(&run.queue));
    sem_destroy(&run.wake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_gives_back_what_was_pushed_oldest_first),
        cmocka_unit_test(nothing_is_taken_from_an_empty_queue),
        cmocka_unit_test(only_a_push_into_an_empty_queue_asks_for_a_wake_up),
        cmocka_unit_test(messages_of_each_producer_arrive_complete_in_order_and_with_one_wake_up_a_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
