/* Many threads at once: run under ThreadSanitizer. What a thread finds wrong it counts, the test asserts. */
#include "tests/unit/storage/storage_harness.h"

enum {
    THREADS = 4,
    WRITES = 1500,
    IN_FLIGHT_MAX = 100,
    MORE_THREADS_THAN_LANES = 70,
};

struct user {
    struct storage *storage;
    struct inbox_executor inbox;
    pthread_t thread;
    char owner[32];
    int submitted;
    int answered;
    int failed;      /* answers with an error */
    int out_of_turn; /* answers that were not the next one's */
    int stale;       /* reads that missed an earlier write */
    struct write {
        struct user *user;
        int number;
    } writes[WRITES];
};

static void on_written(void *ctx, enum ln_err err)
{
    struct write *w = ctx;

    w->user->failed += err != LN_OK;
    w->user->out_of_turn += w->number != w->user->answered;
    w->user->answered++;
}

static void submit_one(struct user *u)
{
    struct write *w = &u->writes[u->submitted];
    char number[16];

    *w = (struct write){u, u->submitted};
    snprintf(number, sizeof(number), "%d", w->number);
    struct storage_txn *t = txn_put(u->owner, "c", "last", number);

    storage_txn_append(t, str_of(u->owner), STR("log"), (uint64_t)w->number, 0, STR("p"), str_of(number));
    storage_commit(u->storage, t, &u->inbox.base, on_written, w);
    u->submitted++;
}

struct check {
    struct user *user;
    bool is_there;
    int at_least; /* the number that was submitted last when the read was */
};

static void on_last(void *ctx, const struct storage_rows *rows)
{
    struct check *c = ctx;
    uint64_t last = 0;

    c->is_there = true;
    if (rows->err != LN_OK || rows->n != 1 || !str_to_u64(rows->rows[0].bytes, WRITES, &last))
        c->user->failed++;
    c->user->stale += (int)last < c->at_least;
}

static void check_own_write(struct user *u)
{
    struct check c = {.user = u, .at_least = u->submitted - 1};
    struct storage_query q = get(u->owner, "c", "last");

    storage_read(u->storage, &q, &u->inbox.base, on_last, &c);
    while (!c.is_there)
        inbox_executor_run_one(&u->inbox);
}

static void *write_and_read(void *arg)
{
    struct user *u = arg;

    while (u->submitted < WRITES) {
        submit_one(u);
        if (u->submitted % 7 == 0)
            check_own_write(u);
        while (u->submitted - u->answered >= IN_FLIGHT_MAX)
            inbox_executor_run_one(&u->inbox);
    }
    while (u->answered < u->submitted)
        inbox_executor_run_one(&u->inbox);
    return NULL;
}

static void threads_see_their_own_writes_and_answers_in_order(void **state)
{
    struct harness *h = *state;
    static struct user users[THREADS];

    memset(users, 0, sizeof(users));
    for (int i = 0; i < THREADS; i++) {
        users[i].storage = h->storage;
        inbox_executor_init(&users[i].inbox);
        snprintf(users[i].owner, sizeof(users[i].owner), "user%d@linnet.example", i);
        assert_int_equal(pthread_create(&users[i].thread, NULL, write_and_read, &users[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(users[i].thread, NULL);
        sem_destroy(&users[i].inbox.wake);
        assert_int_equal(users[i].answered, WRITES);
        assert_int_equal(users[i].failed, 0);
        assert_int_equal(users[i].out_of_turn, 0);
        assert_int_equal(users[i].stale, 0);
        expect(h, count(users[i].owner, "log"), "1500 entries, 4890 bytes");
    }
}

/* A put and a get, one after the other, by threads that have to share what marks them. */
static void *put_and_get(void *arg)
{
    struct user *u = arg;

    submit_one(u);
    check_own_write(u);
    while (u->answered < u->submitted)
        inbox_executor_run_one(&u->inbox);
    return NULL;
}

static void more_threads_than_lanes_are_served_alike(void **state)
{
    struct harness *h = *state;
    struct user *users = mem_zalloc(MORE_THREADS_THAN_LANES * sizeof(*users));
    int failed = 0, stale = 0;

    for (int i = 0; i < MORE_THREADS_THAN_LANES; i++) {
        users[i].storage = h->storage;
        inbox_executor_init(&users[i].inbox);
        snprintf(users[i].owner, sizeof(users[i].owner), "user%d@linnet.example", i);
        assert_int_equal(pthread_create(&users[i].thread, NULL, put_and_get, &users[i]), 0);
    }
    for (int i = 0; i < MORE_THREADS_THAN_LANES; i++) {
        pthread_join(users[i].thread, NULL);
        sem_destroy(&users[i].inbox.wake);
        failed += users[i].failed;
        stale += users[i].stale;
    }
    free(users);
    assert_int_equal(failed, 0);
    assert_int_equal(stale, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(threads_see_their_own_writes_and_answers_in_order),
        ON_BOTH(more_threads_than_lanes_are_served_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
