/* tests/unit/storage/storage_harness.h - a storage in a folder of its own, and a thread's inbox to be answered in.
 *
 * The executor is the test itself: it runs the answers while it waits for one. Rows are compared as text, so that a
 * test shows what it expects. */
#ifndef LINNET_TESTS_STORAGE_HARNESS_H
#define LINNET_TESTS_STORAGE_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "common/buf.h"
#include "server/storage/storage.h"

#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAYBE __attribute__((unused))

/* ---- an executor ---- */

struct inbox_executor {
    struct executor base;
    struct mpsc_queue queue;
    sem_t wake;
    struct mpsc_node *taken; /* not run yet */
};

MAYBE static void inbox_executor_post(struct executor *to, struct task *own_task)
{
    struct inbox_executor *x = container_of(to, struct inbox_executor, base);

    if (mpsc_push(&x->queue, &own_task->node))
        sem_post(&x->wake);
}

MAYBE static void inbox_executor_init(struct inbox_executor *x)
{
    x->base.post = inbox_executor_post;
    x->taken = NULL;
    mpsc_init(&x->queue);
    sem_init(&x->wake, 0, 0);
}

/* Waits for a task, and runs one. */
MAYBE static void inbox_executor_run_one(struct inbox_executor *x)
{
    while (x->taken == NULL) {
        while (sem_wait(&x->wake) != 0)
            ;
        x->taken = mpsc_take_all(&x->queue);
    }
    struct task *task = container_of(x->taken, struct task, node);

    x->taken = x->taken->next;
    task->run(task);
}

/* ---- the log ---- */

/* Storage threads write, the test reads. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t grown;
    struct buf text;
} test_log = {.lock = PTHREAD_MUTEX_INITIALIZER, .grown = PTHREAD_COND_INITIALIZER};

MAYBE static void test_log_line(int level, const char *event, const char *details)
{
    pthread_mutex_lock(&test_log.lock);
    buf_printf(&test_log.text, "%d %s %s\n", level, event, details);
    pthread_cond_broadcast(&test_log.grown);
    pthread_mutex_unlock(&test_log.lock);
}

MAYBE static int test_log_count_locked(const char *text)
{
    int n = 0;

    buf_append_char(&test_log.text, '\0');
    test_log.text.len--;
    for (const char *p = test_log.text.p; (p = strstr(p, text)) != NULL; p++)
        n++;
    return n;
}

/* How often `text` was logged. */
MAYBE static int test_log_count(const char *text)
{
    pthread_mutex_lock(&test_log.lock);
    int n = test_log_count_locked(text);

    pthread_mutex_unlock(&test_log.lock);
    return n;
}

/* Until `text` has been logged. */
MAYBE static void test_log_await(const char *text)
{
    pthread_mutex_lock(&test_log.lock);
    while (test_log_count_locked(text) == 0)
        pthread_cond_wait(&test_log.grown, &test_log.lock);
    pthread_mutex_unlock(&test_log.lock);
}

/* ---- a storage ---- */

struct harness {
    struct inbox_executor inbox;
    struct storage_options options;
    struct storage *storage;
    char dir[64];
    char path[128];
    char error[256];
};

MAYBE static enum ln_err harness_try_open(struct harness *h)
{
    h->error[0] = '\0';
    return storage_open(&h->options, &h->storage, h->error);
}

MAYBE static void harness_open(struct harness *h)
{
    enum ln_err err = harness_try_open(h);

    if (err != LN_OK)
        fail_msg("storage_open(): %s: %s", ln_err_name(err), h->error);
}

/* A folder, nothing opened yet. */
MAYBE static struct harness *harness_new_closed(const char *backend)
{
    struct harness *h = mem_zalloc(sizeof(*h));

    inbox_executor_init(&h->inbox);
    snprintf(h->dir, sizeof(h->dir), "/tmp/linnet-storage-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    snprintf(h->path, sizeof(h->path), "%s/data/linnet.db", h->dir);
    h->options = (struct storage_options){.backend = backend, .path = h->path, .readers = 2, .log = test_log_line};
    buf_clear(&test_log.text);
    return h;
}

MAYBE static struct harness *harness_new(const char *backend)
{
    struct harness *h = harness_new_closed(backend);

    harness_open(h);
    return h;
}

MAYBE static int harness_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

MAYBE static void harness_free(struct harness *h)
{
    storage_close(&h->storage);
    sem_destroy(&h->inbox.wake);
    nftw(h->dir, harness_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    buf_deinit(&test_log.text);
    free(h);
}

MAYBE static int setup_sqlite(void **state)
{
    *state = harness_new("sqlite");
    return 0;
}

MAYBE static int setup_sqlite_closed(void **state)
{
    *state = harness_new_closed("sqlite");
    return 0;
}

MAYBE static int setup_memory(void **state)
{
    *state = harness_new("memory");
    return 0;
}

MAYBE static int teardown(void **state)
{
    harness_free(*state);
    return 0;
}

#define ON_SQLITE(test)                                                                                                \
    {                                                                                                                  \
#test " [sqlite]", test, setup_sqlite, teardown, NULL                                                          \
    }
#define ON_CLOSED_SQLITE(test)                                                                                         \
    {                                                                                                                  \
#test, test, setup_sqlite_closed, teardown, NULL                                                               \
    }
#define ON_BOTH(test)                                                                                                  \
    ON_SQLITE(test),                                                                                                   \
    {                                                                                                                  \
#test " [memory]", test, setup_memory, teardown, NULL                                                          \
    }

/* ---- writing ---- */

struct outcome {
    bool is_there;
    enum ln_err err;
};

MAYBE static void on_outcome(void *ctx, enum ln_err err)
{
    struct outcome *o = ctx;

    assert_false(o->is_there); /* answered once */
    *o = (struct outcome){true, err};
}

MAYBE static void submit(struct harness *h, struct storage_txn *own_txn, struct outcome *ret)
{
    *ret = (struct outcome){0};
    storage_commit(h->storage, own_txn, &h->inbox.base, on_outcome, ret);
}

MAYBE static enum ln_err await(struct harness *h, struct outcome *o)
{
    while (!o->is_there)
        inbox_executor_run_one(&h->inbox);
    return o->err;
}

MAYBE static enum ln_err commit(struct harness *h, struct storage_txn *own_txn)
{
    struct outcome o;

    submit(h, own_txn, &o);
    return await(h, &o);
}

MAYBE static struct storage_txn *txn_put(const char *owner, const char *collection, const char *key, const char *bytes)
{
    struct storage_txn *t = storage_txn_new();

    storage_txn_put(t, str_of(owner), str_of(collection), str_of(key), str_of(bytes));
    return t;
}

MAYBE static struct storage_txn *txn_append(const char *owner, const char *collection, uint64_t id, const char *bytes)
{
    struct storage_txn *t = storage_txn_new();

    storage_txn_append(t, str_of(owner), str_of(collection), id, (int64_t)id * 10, str_of("peer@x"), str_of(bytes));
    return t;
}

MAYBE static void put(struct harness *h, const char *owner, const char *collection, const char *key, const char *bytes)
{
    assert_int_equal(commit(h, txn_put(owner, collection, key, bytes)), LN_OK);
}

MAYBE static void append(struct harness *h, const char *owner, const char *collection, uint64_t id, const char *bytes)
{
    assert_int_equal(commit(h, txn_append(owner, collection, id, bytes)), LN_OK);
}

/* ---- reading ---- */

struct answer {
    bool is_there;
    enum ln_err err;
    int kind;
    size_t n;
    struct buf text;
};

MAYBE static void render_row(struct buf *to, int kind, const struct storage_row *row)
{
    if (kind == STORAGE_COUNT) {
        buf_printf(to, "%" PRIu64 " entries, %" PRId64 " bytes ", row->id, row->time_ms);
        return;
    }
    if (kind == STORAGE_ENDS) {
        buf_printf(to, "%" PRIu64 " to %" PRId64 " ", row->id, row->time_ms);
        return;
    }
    if (kind == STORAGE_LOAD)
        buf_printf(to, "%.*s/", STR_ARG(row->peer));
    if (kind == STORAGE_READ || kind == STORAGE_READ_IDS || kind == STORAGE_TALLY)
        buf_printf(to, "%" PRIu64 "@%" PRId64 ",%.*s:", row->id, row->time_ms, STR_ARG(row->peer));
    else
        buf_printf(to, "%.*s=", STR_ARG(row->key));
    buf_append_str(to, row->bytes); /* any bytes, NUL too */
    buf_append_char(to, ' ');
}

MAYBE static void on_answer(void *ctx, const struct storage_rows *rows)
{
    struct answer *a = ctx;

    assert_false(a->is_there); /* answered once */
    a->is_there = true;
    a->err = rows->err;
    a->n = rows->n;
    for (size_t i = 0; i < rows->n; i++)
        render_row(&a->text, a->kind, &rows->rows[i]);
    if (a->text.len > 0)
        a->text.len--; /* the last space */
    buf_append_char(&a->text, '\0');
}

MAYBE static void ask(struct harness *h, const struct storage_query *q, struct answer *ret)
{
    *ret = (struct answer){.kind = (int)q->kind};
    storage_read(h->storage, q, &h->inbox.base, on_answer, ret);
}

MAYBE static void await_answer(struct harness *h, struct answer *a)
{
    while (!a->is_there)
        inbox_executor_run_one(&h->inbox);
}

MAYBE static enum ln_err read_error(struct harness *h, struct storage_query q)
{
    struct answer a;

    ask(h, &q, &a);
    await_answer(h, &a);
    buf_deinit(&a.text);
    return a.err;
}

MAYBE static void expect(struct harness *h, struct storage_query q, const char *text)
{
    struct answer a;

    ask(h, &q, &a);
    await_answer(h, &a);
    assert_int_equal(a.err, LN_OK);
    assert_string_equal(a.text.p, text);
    buf_deinit(&a.text);
}

MAYBE static struct storage_query get(const char *owner, const char *collection, const char *key)
{
    return (struct storage_query){
        .kind = STORAGE_GET, .owner = str_of(owner), .collection = str_of(collection), .key = str_of(key)};
}

MAYBE static struct storage_query list(const char *owner, const char *collection)
{
    return (struct storage_query){.kind = STORAGE_LIST, .owner = str_of(owner), .collection = str_of(collection)};
}

MAYBE static struct storage_query load(const char *owner)
{
    return (struct storage_query){.kind = STORAGE_LOAD, .owner = str_of(owner)};
}

MAYBE static struct storage_query entries(const char *owner, const char *collection, uint64_t after_id, uint32_t limit)
{
    return (struct storage_query){.kind = STORAGE_READ,
                                  .owner = str_of(owner),
                                  .collection = str_of(collection),
                                  .after_id = after_id,
                                  .limit = limit};
}

MAYBE static struct storage_query count(const char *owner, const char *collection)
{
    return (struct storage_query){.kind = STORAGE_COUNT, .owner = str_of(owner), .collection = str_of(collection)};
}

MAYBE static struct storage_query owners(const char *domain, const char *collection, const char *key, const char *after,
                                         uint32_t limit)
{
    return (struct storage_query){.kind = STORAGE_LIST_OWNERS,
                                  .owner = str_of(domain),
                                  .collection = str_of(collection),
                                  .key = str_of(key),
                                  .after_owner = str_of(after),
                                  .limit = limit};
}

#endif
