/* What opening a database does, and what it refuses, in words that help. */
#include "tests/unit/storage/storage_harness.h"

#include "server/storage/sqlite_query.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define ROMEO "romeo@linnet.example"

/* ---- helpers ---- */

/* Runs SQL as an operator's shell would, in a connection of its own. */
static void run_sql(struct harness *h, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(h->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int mode_of(const struct harness *h, const char *name)
{
    char path[256];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", h->dir, name);
    assert_int_equal(stat(path, &st), 0);
    return (int)(st.st_mode & 07777);
}

static void make_folder(const struct harness *h)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/data", h->dir);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void write_file(const struct harness *h, const char *text)
{
    FILE *f = fopen(h->path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Garbage over all pages but the first, where the schema is. */
static void damage_file(const struct harness *h)
{
    char garbage[4096];
    struct stat st;
    int fd = open(h->path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(st.st_size > 4 * 4096);
    memset(garbage, 0xa5, sizeof(garbage));
    for (off_t at = 4096; at < st.st_size; at += 4096)
        assert_int_equal(pwrite(fd, garbage, sizeof(garbage), at), sizeof(garbage));
    close(fd);
}

static void assert_refused(struct harness *h, enum ln_err err, const char *words)
{
    assert_int_equal(harness_try_open(h), err);
    assert_null(h->storage);
    if (strstr(h->error, words) == NULL)
        fail_msg("\"%s\" is not in: %s", words, h->error);
}

/* ---- files ---- */

static void the_folder_and_all_files_are_the_owners_alone(void **state)
{
    struct harness *h = *state;
    mode_t old = umask(0);

    harness_open(h);
    put(h, ROMEO, "c", "k", "v");
    umask(old);
    assert_int_equal(mode_of(h, "data"), 0700);
    assert_int_equal(mode_of(h, "data/linnet.db"), 0600);
    assert_int_equal(mode_of(h, "data/linnet.db-wal"), 0600);
    assert_int_equal(mode_of(h, "data/linnet.db-shm"), 0600);
    assert_int_equal(mode_of(h, "data/linnet.db.lock"), 0600);
}

static void what_was_committed_is_there_after_opening_again(void **state)
{
    struct harness *h = *state;

    harness_open(h);
    put(h, ROMEO, "c", "k", "v");
    append(h, ROMEO, "log", 1, "x");
    storage_close(&h->storage);
    harness_open(h);
    expect(h, get(ROMEO, "c", "k"), "k=v");
    expect(h, count(ROMEO, "log"), "1 entries, 1 bytes");
    assert_int_equal(test_log_count("storage.migrated from=0 to=2"), 1); /* not the second time */
}

static void after_closing_the_file_alone_is_the_whole_database(void **state)
{
    struct harness *h = *state;
    char wal[160];
    struct stat st;

    harness_open(h);
    put(h, ROMEO, "c", "k", "v");
    snprintf(wal, sizeof(wal), "%s-wal", h->path);
    assert_int_equal(stat(wal, &st), 0);
    storage_close(&h->storage);
    assert_int_equal(stat(wal, &st), -1);
}

static void a_folder_whose_parent_is_missing_is_refused_by_name(void **state)
{
    struct harness *h = *state;

    snprintf(h->path, sizeof(h->path), "%s/no/such/linnet.db", h->dir);
    assert_refused(h, LN_E_IO, "/no/such: No such file or directory");
}

/* ---- a second server, and operators ---- */

/* Holds the database open until the other end of `stay` is closed, by the end of the test at the latest. */
static void hold_open(struct harness *h, int ready, int stay)
{
    char byte;

    if (harness_try_open(h) != LN_OK || write(ready, "r", 1) != 1)
        _exit(1);
    _exit(read(stay, &byte, 1) == 0 ? 0 : 1);
}

static void a_second_server_on_the_same_file_is_refused_and_told_whose_it_is(void **state)
{
    struct harness *h = *state;
    int ready[2], stay[2], status;
    char byte, words[64];

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(stay), 0);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        close(stay[1]);
        hold_open(h, ready[1], stay[0]);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    snprintf(words, sizeof(words), "in use by another server (process %ld)", (long)pid);
    assert_refused(h, LN_E_EXISTS, words);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    harness_open(h); /* the lock died with its holder */
    put(h, ROMEO, "c", "k", "v");
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(stay[i]);
    }
}

static void another_name_of_the_same_file_does_not_help(void **state)
{
    struct harness *h = *state;
    struct storage *second = NULL;
    char alias[128];
    struct storage_options opt = h->options;

    harness_open(h);
    snprintf(alias, sizeof(alias), "%s/alias.db", h->dir);
    assert_int_equal(symlink(h->path, alias), 0);
    opt.path = alias;
    assert_int_equal(storage_open(&opt, &second, h->error), LN_E_EXISTS);
    assert_null(second);
}

static void an_operators_shell_reads_while_the_server_runs(void **state)
{
    struct harness *h = *state;
    sqlite3 *db;
    sqlite3_stmt *stmt;

    harness_open(h);
    put(h, ROMEO, "c", "k", "v");
    assert_int_equal(sqlite3_open_v2(h->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT local || '@' || domain FROM documents", -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0), ROMEO);
    put(h, ROMEO, "c", "k", "written while the shell is in the middle of its query");
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

static void a_write_waits_for_an_operators_transaction(void **state)
{
    struct harness *h = *state;
    sqlite3 *db;
    struct outcome o;

    harness_open(h);
    assert_int_equal(sqlite3_open(h->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "BEGIN IMMEDIATE; INSERT INTO documents VALUES('x','a','c','k',x'31')", NULL, NULL, NULL),
        SQLITE_OK);
    submit(h, txn_put("b@x", "c", "k", "2"), &o);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(await(h, &o), LN_OK);
    expect(h, owners("x", "c", "k", "", 0), "a@x=1 b@x=2");
}

/* ---- what is refused ---- */

static void an_empty_file_becomes_a_database(void **state)
{
    struct harness *h = *state;

    make_folder(h);
    write_file(h, "");
    harness_open(h);
    put(h, ROMEO, "c", "k", "v");
}

static void a_file_that_is_no_database_is_refused_and_left_alone(void **state)
{
    struct harness *h = *state;
    char text[64] = "";

    make_folder(h);
    write_file(h, "Dear diary, nobody would ever mistake this for a database of any kind.\n");
    assert_refused(h, LN_E_CORRUPT, "is not an SQLite database");
    FILE *f = fopen(h->path, "r");

    assert_non_null(f);
    assert_non_null(fgets(text, sizeof(text), f));
    fclose(f);
    assert_int_equal(strncmp(text, "Dear diary", 10), 0);
}

static void the_database_of_another_program_is_refused(void **state)
{
    struct harness *h = *state;

    make_folder(h);
    run_sql(h, "CREATE TABLE moz_places(id INTEGER PRIMARY KEY)");
    assert_refused(h, LN_E_INVALID, "is the database of another program");
}

static void a_database_from_a_newer_version_is_refused_with_what_to_do(void **state)
{
    struct harness *h = *state;

    harness_open(h);
    put(h, ROMEO, "c", "k", "v");
    storage_close(&h->storage);
    run_sql(h, "PRAGMA user_version = 99");
    assert_refused(h, LN_E_INVALID, "written by a newer version (schema 99, this one knows 2): run that version");
    run_sql(h, "PRAGMA user_version = 2");
    harness_open(h);
    expect(h, get(ROMEO, "c", "k"), "k=v");
}

static void a_damaged_database_is_refused_with_how_to_mend_it(void **state)
{
    struct harness *h = *state;

    harness_open(h);
    for (int i = 0; i < 50; i++) {
        char key[16];

        snprintf(key, sizeof(key), "%d", i);
        put(h, ROMEO, "c", key, "some bytes to fill a few pages with, so that there is something to damage, and more");
    }
    storage_close(&h->storage);
    damage_file(h);
    assert_refused(h, LN_E_CORRUPT, ".recover");
}

/* ---- cost ---- */

/* Steps of SQLite's virtual machine to list all owners of a domain. */
static int cost_of_listing(struct harness *h, int documents_each)
{
    struct sqlite_conn c = {0};
    struct arena *arena = arena_new(1024);
    struct rows rows = {.arena = arena};
    struct storage_query q = owners("x", "credentials", "", "", 0);
    int steps = 0;

    harness_open(h);
    for (int i = 0; i < 10; i++) {
        struct storage_txn *t = storage_txn_new();
        char owner[16], key[16];

        snprintf(owner, sizeof(owner), "%d@x", i);
        storage_txn_put(t, str_of(owner), STR("credentials"), STR(""), STR("c"));
        for (int k = 0; k < documents_each; k++) {
            snprintf(key, sizeof(key), "%d", k);
            storage_txn_put(t, str_of(owner), STR("roster"), str_of(key), STR("i"));
        }
        assert_int_equal(commit(h, t), LN_OK);
    }
    storage_close(&h->storage);
    assert_int_equal(sqlite_conn_open(&c, h->path, SQLITE_READER), SQLITE_OK);
    assert_int_equal(sqlite_conn_prepare(&c), SQLITE_OK);
    assert_int_equal(sqlite_query(&c, &q, &rows), SQLITE_OK);
    assert_int_equal(rows.pub.n, 10);
    for (int i = 0; i < STMT_COUNT_OF; i++)
        steps += sqlite3_stmt_status(c.stmts[i], SQLITE_STMTSTATUS_VM_STEP, 0);
    sqlite_conn_close(&c);
    free(rows.pub.rows);
    arena_free(&arena);
    return steps;
}

static void listing_owners_costs_the_same_however_much_each_has(void **state)
{
    struct harness *h = *state;
    int with_few = cost_of_listing(h, 1);

    assert_int_equal(cost_of_listing(h, 500), with_few);
}

/* ---- archives ---- */

static void fill_archive(struct harness *h, uint64_t n)
{
    for (uint64_t id = 1; id <= n;) {
        struct storage_txn *t = storage_txn_new();

        for (int i = 0; i < 500; i++, id++)
            storage_txn_append(t, STR(ROMEO), STR("mam"), id, 0, id % 10 == 0 ? STR("j@x/r") : STR("n@x"), STR("m"));
        assert_int_equal(commit(h, t), LN_OK);
    }
}

static int cost_of_reading(struct harness *h, struct storage_query q, size_t want)
{
    struct sqlite_conn c = {0};
    struct arena *arena = arena_new(4096);
    struct rows rows = {.arena = arena};
    int steps = 0;

    assert_int_equal(sqlite_conn_open(&c, h->path, SQLITE_READER), SQLITE_OK);
    assert_int_equal(sqlite_conn_prepare(&c), SQLITE_OK);
    assert_int_equal(sqlite_query(&c, &q, &rows), SQLITE_OK);
    assert_int_equal(rows.pub.n, want);
    for (int i = 0; i < STMT_COUNT_OF; i++) {
        steps += sqlite3_stmt_status(c.stmts[i], SQLITE_STMTSTATUS_VM_STEP, 0);
        assert_int_equal(sqlite3_stmt_status(c.stmts[i], SQLITE_STMTSTATUS_SORT, 0), 0);
        assert_int_equal(sqlite3_stmt_status(c.stmts[i], SQLITE_STMTSTATUS_FULLSCAN_STEP, 0), 0);
    }
    sqlite_conn_close(&c);
    free(rows.pub.rows);
    arena_free(&arena);
    return steps;
}

static void a_page_costs_the_same_however_long_the_archive_is(void **state)
{
    struct harness *h = *state;
    const struct storage_query mam = {
        .kind = STORAGE_READ, .owner = STR(ROMEO), .collection = STR("mam"), .after_id = 500, .limit = 20};
    struct storage_query queries[6] = {mam, mam, mam, mam, mam, mam};
    static const uint64_t ids[20] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
    int costs[ARRAY_LEN(queries)];

    queries[1].is_backwards = true;
    queries[1].before_id = 500;
    queries[1].after_id = 0;
    queries[2].peer = STR("j@x");
    queries[3] = queries[1];
    queries[3].peer = STR("j@x");
    queries[4].peer = STR("j@x/r");
    queries[5] = (struct storage_query){
        .kind = STORAGE_READ_IDS, .owner = STR(ROMEO), .collection = STR("mam"), .ids = ids, .n_ids = 20};
    harness_open(h);
    fill_archive(h, 1000);
    for (size_t i = 0; i < ARRAY_LEN(queries); i++)
        costs[i] = cost_of_reading(h, queries[i], 20);
    storage_close(&h->storage);
    run_sql(h, "WITH RECURSIVE n(i) AS (SELECT 100000 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)"
               " INSERT INTO archives SELECT 'linnet.example', 'romeo', 'mam', i, 0, 'j@x', x'6d', 'r' FROM n");
    for (size_t i = 0; i < ARRAY_LEN(queries); i++)
        assert_int_equal(cost_of_reading(h, queries[i], 20), costs[i]);
}

/* What the first schema could not: entries by their peer. */
static void a_database_of_the_first_schema_is_brought_up_with_all_that_is_in_it(void **state)
{
    struct harness *h = *state;

    harness_open(h);
    put(h, ROMEO, "c", "k", "v");
    storage_close(&h->storage);
    run_sql(h, "DROP INDEX archives_by_peer; ALTER TABLE archives DROP COLUMN resource;"
               "INSERT INTO archives VALUES('linnet.example', 'romeo', 'offline', 7, 70, 'juliet@x/balcony', x'6d');"
               "PRAGMA user_version = 1");
    harness_open(h);
    assert_int_equal(test_log_count("storage.migrated from=1 to=2"), 1);
    expect(h, get(ROMEO, "c", "k"), "k=v");
    expect(h, entries(ROMEO, "offline", 0, 0), "7@70,:m");
    append(h, ROMEO, "mam", 8, "new");
    struct storage_query q = entries(ROMEO, "mam", 0, 0);

    q.peer = STR("peer@x");
    expect(h, q, "8@80,peer@x:new");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_CLOSED_SQLITE(the_folder_and_all_files_are_the_owners_alone),
        ON_CLOSED_SQLITE(what_was_committed_is_there_after_opening_again),
        ON_CLOSED_SQLITE(after_closing_the_file_alone_is_the_whole_database),
        ON_CLOSED_SQLITE(a_folder_whose_parent_is_missing_is_refused_by_name),
        ON_CLOSED_SQLITE(a_second_server_on_the_same_file_is_refused_and_told_whose_it_is),
        ON_CLOSED_SQLITE(another_name_of_the_same_file_does_not_help),
        ON_CLOSED_SQLITE(an_operators_shell_reads_while_the_server_runs),
        ON_CLOSED_SQLITE(a_write_waits_for_an_operators_transaction),
        ON_CLOSED_SQLITE(an_empty_file_becomes_a_database),
        ON_CLOSED_SQLITE(a_file_that_is_no_database_is_refused_and_left_alone),
        ON_CLOSED_SQLITE(the_database_of_another_program_is_refused),
        ON_CLOSED_SQLITE(a_database_from_a_newer_version_is_refused_with_what_to_do),
        ON_CLOSED_SQLITE(a_damaged_database_is_refused_with_how_to_mend_it),
        ON_CLOSED_SQLITE(listing_owners_costs_the_same_however_much_each_has),
        ON_CLOSED_SQLITE(a_page_costs_the_same_however_long_the_archive_is),
        ON_CLOSED_SQLITE(a_database_of_the_first_schema_is_brought_up_with_all_that_is_in_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
