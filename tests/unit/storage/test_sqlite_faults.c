/* A disk that is full, fails or lies: what is answered, what is kept, what is logged, and that it heals.
 *
 * Full is real: a limit on the size of files, which works for an ordinary user. What cannot be had that way (a sync
 * that fails, and counting syncs) comes from a shim over SQLite's own file functions. */
#include "tests/unit/storage/storage_harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <time.h>

#define ROMEO "romeo@linnet.example"

/* ---- the shim ---- */

/* SQLite's functions for one kind of file, and those that stand in front of them. */
struct file_shim {
    const sqlite3_io_methods *real;
    sqlite3_io_methods front;
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    struct file_shim log;      /* syncs are counted, and may fail */
    struct file_shim database; /* writes may fail */
    atomic_int log_syncs;
    atomic_bool is_sync_failing;
    atomic_bool is_database_failing;
} shim;

static int sync_log(sqlite3_file *f, int flags)
{
    atomic_fetch_add(&shim.log_syncs, 1);
    return atomic_load(&shim.is_sync_failing) ? SQLITE_IOERR_FSYNC : shim.log.real->xSync(f, flags);
}

static int write_database(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    return atomic_load(&shim.is_database_failing) ? SQLITE_IOERR_WRITE : shim.database.real->xWrite(f, p, n, at);
}

/* All files of a kind have the same functions, and the first is opened before the threads start. */
static void stand_in_front(struct file_shim *s, sqlite3_file *f)
{
    if (s->real == NULL) {
        s->real = f->pMethods;
        s->front = *f->pMethods;
        if (s == &shim.log)
            s->front.xSync = sync_log;
        else
            s->front.xWrite = write_database;
    }
    assert_ptr_equal(f->pMethods, s->real);
    f->pMethods = &s->front;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    (void)vfs;
    int rc = shim.real->xOpen(shim.real, name, f, flags, ret_flags);

    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0)
        stand_in_front(&shim.log, f);
    else if (rc == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB) != 0)
        stand_in_front(&shim.database, f);
    return rc;
}

static int setup_shim(void **state)
{
    shim.real = sqlite3_vfs_find(NULL);
    shim.vfs = *shim.real;
    shim.vfs.zName = "shim";
    shim.vfs.xOpen = open_file;
    shim.is_sync_failing = shim.is_database_failing = false;
    sqlite3_vfs_register(&shim.vfs, 1);
    return setup_sqlite(state);
}

static int teardown_shim(void **state)
{
    harness_free(*state);
    sqlite3_vfs_unregister(&shim.vfs);
    return 0;
}

/* ---- the limit on file sizes ---- */

static void limit_files_to(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int setup_limited(void **state)
{
    int rc = setup_sqlite(state);

    limit_files_to((rlim_t)1024 * 1024);
    return rc;
}

static int teardown_limited(void **state)
{
    limit_files_to(RLIM_INFINITY);
    return teardown(state);
}

static struct storage_txn *txn_large(uint64_t id)
{
    static char bytes[50000];
    struct storage_txn *t = storage_txn_new();

    memset(bytes, 'x', sizeof(bytes));
    storage_txn_append(t, STR(ROMEO), STR("log"), id, 0, STR("p"), str_make(bytes, sizeof(bytes)));
    return t;
}

/* How many fitted. */
static uint64_t fill(struct harness *h)
{
    uint64_t n = 0;
    enum ln_err err;

    while ((err = commit(h, txn_large(n))) == LN_OK)
        n++;
    assert_int_equal(err, LN_E_FULL);
    assert_in_range(n, 2, 30);
    return n;
}

static bool is_failing(struct harness *h)
{
    struct storage_stats stats;

    storage_get_stats(h->storage, &stats);
    return stats.is_failing;
}

static void expect_entries(struct harness *h, uint64_t n)
{
    char want[64];

    snprintf(want, sizeof(want), "%" PRIu64 " entries, %" PRIu64 " bytes", n, n * 50000);
    expect(h, count(ROMEO, "log"), want);
}

static void a_full_disk_refuses_writes_keeps_what_was_committed_and_still_reads(void **state)
{
    struct harness *h = *state;
    uint64_t n = fill(h);

    assert_true(is_failing(h));
    expect_entries(h, n);
    storage_close(&h->storage);
    limit_files_to(RLIM_INFINITY);
    harness_open(h);
    expect_entries(h, n);
}

static void all_transactions_of_a_group_that_does_not_fit_are_refused(void **state)
{
    struct harness *h = *state;
    uint64_t n = fill(h);
    struct outcome outcomes[20];
    struct storage_stats before, after;

    storage_get_stats(h->storage, &before);
    for (unsigned i = 0; i < ARRAY_LEN(outcomes); i++)
        submit(h, txn_large(n + i), &outcomes[i]);
    for (unsigned i = 0; i < ARRAY_LEN(outcomes); i++)
        assert_int_equal(await(h, &outcomes[i]), LN_E_FULL);
    storage_get_stats(h->storage, &after);
    assert_int_equal(after.failures - before.failures, ARRAY_LEN(outcomes));
    assert_int_equal(after.transactions, before.transactions);
    expect_entries(h, n);
}

static void when_space_returns_the_next_transaction_is_committed(void **state)
{
    struct harness *h = *state;
    uint64_t n = fill(h);

    for (int i = 0; i < 3; i++)
        assert_int_equal(commit(h, txn_large(n)), LN_E_FULL);
    limit_files_to(RLIM_INFINITY);
    assert_int_equal(commit(h, txn_large(n)), LN_OK);
    expect_entries(h, n + 1);
    test_log_await("2 storage.healed what=commit");
    assert_false(is_failing(h));
    assert_int_equal(test_log_count("0 storage.failing what=commit err=full"), 1); /* not four times */
    assert_int_equal(test_log_count("2 storage.healed what=commit"), 1);
}

static void when_space_returns_it_is_noticed_though_nobody_writes(void **state)
{
    struct harness *h = *state;
    uint64_t n = fill(h);

    limit_files_to(RLIM_INFINITY);
    test_log_await("storage.healed what=commit");
    assert_false(is_failing(h));
    expect_entries(h, n);
}

static void a_disk_that_takes_some_and_refuses_others_is_one_failure_in_the_log(void **state)
{
    struct harness *h = *state;
    uint64_t n = fill(h);
    time_t began = time(NULL);

    for (int i = 0; i < 5; i++) {
        limit_files_to(RLIM_INFINITY);
        assert_int_equal(commit(h, txn_large(n++)), LN_OK);
        limit_files_to(1024);
        assert_int_equal(commit(h, txn_large(n)), LN_E_FULL);
    }
    assert_true(is_failing(h));
    assert_int_equal(test_log_count("storage.failing"), 1 + test_log_count("storage.healed"));
    assert_true(test_log_count("storage.healed") <= time(NULL) - began); /* it takes a second without a failure */
}

static void a_transaction_without_room_for_it_does_not_hide_its_condition(void **state)
{
    struct harness *h = *state;
    uint64_t n = fill(h);
    struct storage_txn *t = txn_large(n);

    storage_txn_require_present(t, STR(ROMEO), STR("never"), STR("put"));
    assert_int_equal(commit(h, t), LN_E_NOT_FOUND);
}

/* ---- syncs ---- */

static void no_commit_is_answered_before_the_log_was_synced(void **state)
{
    struct harness *h = *state;

    for (int i = 0; i < 20; i++) {
        int before = atomic_load(&shim.log_syncs);

        put(h, ROMEO, "c", "k", i % 2 == 0 ? "even" : "odd");
        assert_true(atomic_load(&shim.log_syncs) > before);
    }
}

static void a_sync_that_fails_refuses_the_group_and_heals(void **state)
{
    struct harness *h = *state;

    put(h, ROMEO, "c", "k", "before");
    atomic_store(&shim.is_sync_failing, true);
    assert_int_equal(commit(h, txn_put(ROMEO, "c", "k", "lost")), LN_E_IO);
    assert_int_equal(commit(h, txn_put(ROMEO, "c", "k", "lost")), LN_E_IO);
    expect(h, get(ROMEO, "c", "k"), "k=before");
    assert_true(is_failing(h));
    atomic_store(&shim.is_sync_failing, false);
    put(h, ROMEO, "c", "other", "after");
    expect(h, list(ROMEO, "c"), "k=before other=after");
    test_log_await("2 storage.healed what=commit");
    assert_int_equal(test_log_count("0 storage.failing what=commit err=io"), 1);
    assert_int_equal(test_log_count("2 storage.healed what=commit"), 1);
}

/* Enough for the log to be copied into the database, which is tried each 1000 pages. */
static void fill_log(struct harness *h, uint64_t first_id)
{
    for (uint64_t id = first_id; id < first_id + 330; id++)
        assert_int_equal(commit(h, txn_large(id)), LN_OK);
}

static void a_checkpoint_that_fails_is_logged_once_and_harms_no_commit(void **state)
{
    struct harness *h = *state;

    atomic_store(&shim.is_database_failing, true);
    fill_log(h, 0);
    fill_log(h, 1000);
    assert_int_equal(test_log_count("0 storage.failing what=checkpoint err=io"), 1);
    assert_false(is_failing(h));
    atomic_store(&shim.is_database_failing, false);
    fill_log(h, 2000);
    while (test_log_count("2 storage.healed what=checkpoint") == 0)
        put(h, ROMEO, "c", "k", "v");
    expect_entries(h, 990);
}

/* ---- damage while running ---- */

/* Overwrites the leaves that hold only documents of bs, and makes SQLite forget what it has in memory. */
static void damage_leaves_of_bs(struct harness *h)
{
    char page[4096];
    sqlite3 *db;
    int fd = open(h->path, O_RDWR);
    int damaged = 0;

    assert_true(fd >= 0);
    for (off_t at = 4096; pread(fd, page, sizeof(page), at) == (ssize_t)sizeof(page); at += 4096) {
        bool is_leaf = page[0] == 0x0a; /* of an index, as SQLite's file format calls it */

        if (!is_leaf || memmem(page, sizeof(page), "bbbbbbbb", 8) == NULL ||
            memmem(page, sizeof(page), "ffffffff", 8) != NULL)
            continue;
        memset(page, 0xa5, sizeof(page));
        assert_int_equal(pwrite(fd, page, sizeof(page), at), sizeof(page));
        damaged++;
    }
    assert_true(damaged > 0);
    assert_int_equal(sqlite3_open(h->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "INSERT INTO archives VALUES('x', '', '', 1, 1, '', x'', '')", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    /* Not closed: that would drop the locks that SQLite holds on the file in this process. It ends with the test. */
    (void)fd;
}

/* All of one length: SQLite does not look at the neighbours of a page that stays as full as it was. */
static struct storage_txn *txn_letters(const char *owner, const char *key, char letter)
{
    char bytes[400] = "";

    memset(bytes, letter, sizeof(bytes) - 1);
    return txn_put(owner, "c", key, bytes);
}

static void put_many(struct harness *h, const char *owner, char letter)
{
    char key[16];

    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof(key), "%03d", i);
        assert_int_equal(commit(h, txn_letters(owner, key, letter)), LN_OK);
    }
}

static bool starts_with(struct harness *h, struct storage_query q, const char *text)
{
    struct answer a;

    ask(h, &q, &a);
    await_answer(h, &a);
    bool does = a.err == LN_OK && strncmp(a.text.p, text, strlen(text)) == 0;

    buf_deinit(&a.text);
    return does;
}

static void damage_fails_those_it_concerns_and_nobody_else(void **state)
{
    struct harness *h = *state;
    struct outcome good_before, bad, good_after;

    put_many(h, "a@x", 'f');
    put_many(h, "m@x", 'b');
    put_many(h, "z@x", 'f');
    storage_close(&h->storage);
    harness_open(h);
    damage_leaves_of_bs(h);

    assert_int_equal(read_error(h, load("m@x")), LN_E_CORRUPT);
    assert_int_equal(read_error(h, get("a@x", "c", "001")), LN_OK);
    submit(h, txn_letters("a@x", "000", 'n'), &good_before);
    submit(h, txn_letters("m@x", "020a", 'n'), &bad);
    submit(h, txn_letters("z@x", "039", 'n'), &good_after);
    assert_int_equal(await(h, &good_before), LN_OK);
    assert_int_equal(await(h, &bad), LN_E_CORRUPT);
    assert_int_equal(await(h, &good_after), LN_OK);
    assert_true(starts_with(h, get("a@x", "c", "000"), "000=nnn"));
    assert_true(starts_with(h, get("z@x", "c", "039"), "039=nnn"));
    assert_int_equal(test_log_count("0 storage.damaged"), 1);
    assert_false(is_failing(h));
}

#define LIMITED(test)                                                                                                  \
    {                                                                                                                  \
#test, test, setup_limited, teardown_limited, NULL                                                             \
    }
#define SHIMMED(test)                                                                                                  \
    {                                                                                                                  \
#test, test, setup_shim, teardown_shim, NULL                                                                   \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIMITED(a_full_disk_refuses_writes_keeps_what_was_committed_and_still_reads),
        LIMITED(all_transactions_of_a_group_that_does_not_fit_are_refused),
        LIMITED(when_space_returns_the_next_transaction_is_committed),
        LIMITED(when_space_returns_it_is_noticed_though_nobody_writes),
        LIMITED(a_disk_that_takes_some_and_refuses_others_is_one_failure_in_the_log),
        LIMITED(a_transaction_without_room_for_it_does_not_hide_its_condition),
        SHIMMED(no_commit_is_answered_before_the_log_was_synced),
        SHIMMED(a_sync_that_fails_refuses_the_group_and_heals),
        SHIMMED(a_checkpoint_that_fails_is_logged_once_and_harms_no_commit),
        ON_SQLITE(damage_fails_those_it_concerns_and_nobody_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
