/* What was answered survives kill -9. A child commits numbered transactions and reports each answer through a pipe; it
 * is killed at a random moment, the database is opened again, and every number reported must be there, whole. */
#include "tests/unit/storage/storage_harness.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define OWNER "romeo@linnet.example"

enum {
    ROUNDS = 20,
    REPORTS_MAX = 1200, /* enough for the log to be copied into the database in some rounds */
    IN_FLIGHT = 32,
    BULK_BYTES = 16 * 1024,
};

/* ---- the child ---- */

static struct {
    struct harness *h;
    int pipe_fd;
    uint64_t next;
    char bulk[BULK_BYTES];
} child;

static void submit_next(void);

static void on_committed(void *ctx, enum ln_err err)
{
    uint64_t number = (uint64_t)(uintptr_t)ctx;

    if (err != LN_OK || write(child.pipe_fd, &number, sizeof(number)) != (ssize_t)sizeof(number))
        _exit(1);
    submit_next();
}

/* Two changes that only make sense together, and one that fills the log. */
static void submit_next(void)
{
    uint64_t number = child.next++;
    struct storage_txn *t = txn_append(OWNER, "log", number, "x");
    char text[32], key[32];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    storage_txn_put(t, STR(OWNER), STR("c"), STR("last"), str_of(text));
    snprintf(key, sizeof(key), "%" PRIu64, number % IN_FLIGHT);
    storage_txn_put(t, STR(OWNER), STR("bulk"), str_of(key), str_make(child.bulk, sizeof(child.bulk)));
    storage_commit(child.h->storage, t, &child.h->inbox.base, on_committed, (void *)(uintptr_t)number);
}

static void commit_until_killed(struct harness *h, int pipe_fd, uint64_t first)
{
    child.h = h;
    child.pipe_fd = pipe_fd;
    child.next = first;
    if (harness_try_open(h) != LN_OK)
        _exit(2);
    for (int i = 0; i < IN_FLIGHT; i++)
        submit_next();
    for (;;)
        inbox_executor_run_one(&h->inbox);
}

/* ---- the parent ---- */

/* The last number reported by a child that was killed after `reports` of them, or soon after. */
static uint64_t run_and_kill(struct harness *h, uint64_t first, int reports)
{
    int fds[2], status;
    uint64_t number = 0, last = first - 1;

    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        commit_until_killed(h, fds[1], first);
    }
    close(fds[1]);
    for (int i = 0; read(fds[0], &number, sizeof(number)) == (ssize_t)sizeof(number); i++) {
        assert_int_equal(number, last + 1);
        last = number;
        if (i == reports)
            kill(pid, SIGKILL);
    }
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return last;
}

/* How many entries there are: they must be 1 to n without a gap, and the document must tell the same n. */
static uint64_t check_whole(struct harness *h)
{
    struct storage_query q = entries(OWNER, "log", 0, 0);
    struct answer a;
    uint64_t n = 0;
    char want[64];

    ask(h, &q, &a);
    await_answer(h, &a);
    assert_int_equal(a.err, LN_OK);
    for (const char *p = a.text.p; p != NULL && *p != '\0'; p = strchr(p, ' '), p += p != NULL) {
        uint64_t id = strtoull(p, NULL, 10);

        assert_int_equal(id, n + 1);
        n = id;
    }
    buf_deinit(&a.text);
    snprintf(want, sizeof(want), "last=%" PRIu64, n);
    expect(h, get(OWNER, "c", "last"), n == 0 ? "" : want);
    return n;
}

static void what_was_answered_survives_kill_9(void **state)
{
    struct harness *h = *state;
    unsigned seed = (unsigned)time(NULL);
    uint64_t kept = 0;

    print_message("seed %u\n", seed);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t reported = run_and_kill(h, kept + 1, rand_r(&seed) % REPORTS_MAX);

        harness_open(h);
        kept = check_whole(h);
        assert_true(kept >= reported);
        storage_close(&h->storage);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_CLOSED_SQLITE(what_was_answered_survives_kill_9),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
