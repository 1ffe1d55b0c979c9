/* server/storage/sqlite.c - the SQLite back-end: one file, write-ahead log, one writer, several readers.
 *
 * A group of transactions is one SQLite transaction. They are carried out one after the other without savepoints, which
 * would cost as much as the writing: conditions are checked before the first change, so nearly nothing can fail half
 * way. If something does (an archive id that is taken, a damaged page), the group is rolled back and carried out as two
 * halves, and so on until the culprit is alone. What concerns the disk fails all of them. */
#include "server/storage/sqlite_conn.h"
#include "server/storage/sqlite_file.h"
#include "server/storage/sqlite_query.h"
#include "server/storage/sqlite_schema.h"

#include <assert.h>
#include <stdio.h>

enum {
    /* Pages in the log before it is copied into the database, which holds the next group up for as long: about 10 ms on
     * an SSD. Four times as many cost hardly less in all, and a stall of 30 ms. */
    CHECKPOINT_PAGES = 1000,
};

struct sqlite_backend {
    struct backend base;
    struct sqlite_file file;
    struct sqlite_conn writer;
    struct sqlite_conn readers[BACKEND_READERS_MAX];
    unsigned n_readers;
    int log_pages;              /* [writer] in the write-ahead log after the last commit */
    int checkpoint_at;          /* [writer] log_pages from which on the next one is tried */
    enum ln_err checkpoint_err; /* [writer] how the last one ended */
};

static struct sqlite_backend *of(struct backend *b)
{
    return container_of(b, struct sqlite_backend, base);
}

/* ---- writing ---- */

static int run_put(struct sqlite_conn *c, const struct storage_op *op)
{
    sqlite3_stmt *stmt = c->stmts[STMT_PUT];

    sqlite_bind_owner(stmt, op->owner);
    sqlite_bind_text(stmt, 3, op->collection);
    sqlite_bind_text(stmt, 4, op->key);
    sqlite_bind_bytes(stmt, 5, op->bytes);
    return sqlite_run(c, STMT_PUT);
}

static int run_delete(struct sqlite_conn *c, const struct storage_op *op)
{
    sqlite3_stmt *stmt = c->stmts[STMT_DELETE];

    sqlite_bind_owner(stmt, op->owner);
    sqlite_bind_text(stmt, 3, op->collection);
    sqlite_bind_text(stmt, 4, op->key);
    return sqlite_run(c, STMT_DELETE);
}

static int run_append(struct sqlite_conn *c, const struct storage_op *op)
{
    sqlite3_stmt *stmt = c->stmts[STMT_APPEND];
    struct peer_parts peer = peer_split(op->peer);

    sqlite_bind_owner(stmt, op->owner);
    sqlite_bind_text(stmt, 3, op->collection);
    (void)sqlite3_bind_int64(stmt, 4, (sqlite3_int64)op->id);
    (void)sqlite3_bind_int64(stmt, 5, op->time_ms);
    sqlite_bind_text(stmt, 6, peer.bare);
    sqlite_bind_bytes(stmt, 7, op->bytes);
    sqlite_bind_text(stmt, 8, peer.resource);
    return sqlite_run(c, STMT_APPEND);
}

static int run_replace(struct sqlite_conn *c, const struct storage_op *op)
{
    sqlite3_stmt *stmt = c->stmts[STMT_REPLACE];

    sqlite_bind_owner(stmt, op->owner);
    sqlite_bind_text(stmt, 3, op->collection);
    (void)sqlite3_bind_int64(stmt, 4, (sqlite3_int64)op->id);
    sqlite_bind_bytes(stmt, 5, op->bytes);
    return sqlite_run(c, STMT_REPLACE);
}

static int run_trim(struct sqlite_conn *c, const struct storage_op *op)
{
    sqlite3_stmt *stmt = c->stmts[STMT_TRIM];

    sqlite_bind_owner(stmt, op->owner);
    sqlite_bind_text(stmt, 3, op->collection);
    (void)sqlite3_bind_int64(stmt, 4, (sqlite3_int64)op->id);
    (void)sqlite3_bind_int64(stmt, 5, op->limit);
    return sqlite_run(c, STMT_TRIM);
}

static int run_remove(struct sqlite_conn *c, const struct storage_op *op)
{
    sqlite3_stmt *stmt = c->stmts[STMT_REMOVE];

    sqlite_bind_owner(stmt, op->owner);
    sqlite_bind_text(stmt, 3, op->collection);
    (void)sqlite3_bind_int64(stmt, 4, (sqlite3_int64)op->id);
    return sqlite_run(c, STMT_REMOVE);
}

static int run_delete_owner(struct sqlite_conn *c, const struct storage_op *op)
{
    sqlite_bind_owner(c->stmts[STMT_DELETE_DOCUMENTS], op->owner);
    sqlite_bind_owner(c->stmts[STMT_DELETE_ARCHIVES], op->owner);
    int rc = sqlite_run(c, STMT_DELETE_DOCUMENTS);

    return rc != SQLITE_OK ? rc : sqlite_run(c, STMT_DELETE_ARCHIVES);
}

static int (*const run_op[])(struct sqlite_conn *c, const struct storage_op *op) = {
    [OP_PUT] = run_put,
    [OP_DELETE] = run_delete,
    [OP_APPEND] = run_append,
    [OP_REPLACE] = run_replace,
    [OP_REMOVE] = run_remove,
    [OP_TRIM] = run_trim,
    [OP_DELETE_OWNER] = run_delete_owner,
};

static int check_condition(struct sqlite_conn *c, const struct storage_op *cond, enum ln_err *ret_err)
{
    sqlite3_stmt *stmt = c->stmts[STMT_HAS];

    sqlite_bind_owner(stmt, cond->owner);
    sqlite_bind_text(stmt, 3, cond->collection);
    sqlite_bind_text(stmt, 4, cond->key);
    int rc = sqlite3_step(stmt);

    (void)sqlite3_reset(stmt);
    if (rc == SQLITE_ROW)
        *ret_err = cond->kind == OP_REQUIRE_ABSENT ? LN_E_EXISTS : LN_OK;
    else if (rc == SQLITE_DONE)
        *ret_err = cond->kind == OP_REQUIRE_PRESENT ? LN_E_NOT_FOUND : LN_OK;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* A condition that does not hold is not a failure of SQLite's: it is in t->err. */
static int run_txn(struct sqlite_conn *c, struct storage_txn *t)
{
    int rc = SQLITE_OK;

    t->err = LN_OK;
    for (const struct storage_op *cond = t->conditions.first; cond != NULL; cond = cond->next) {
        rc = check_condition(c, cond, &t->err);
        if (rc != SQLITE_OK || t->err != LN_OK)
            return rc;
    }
    for (const struct storage_op *op = t->ops.first; op != NULL && rc == SQLITE_OK; op = op->next)
        rc = run_op[op->kind](c, op);
    return rc;
}

/* A failure that says nothing about the neighbours. */
static bool is_its_own(int rc)
{
    rc &= 0xff;
    return rc == SQLITE_CONSTRAINT || rc == SQLITE_TOOBIG || rc == SQLITE_CORRUPT;
}

/* SQLite may have rolled back by itself. */
static void roll_back(struct sqlite_conn *c)
{
    if (sqlite3_get_autocommit(c->db) == 0)
        (void)sqlite_run(c, STMT_ROLLBACK);
}

static int run_group(struct sqlite_conn *c, struct storage_txn *const *txns, size_t n, enum ln_err *ret_err,
                     char *ret_detail)
{
    int rc = sqlite_run(c, STMT_BEGIN);

    for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
        rc = run_txn(c, txns[i]);
    if (rc == SQLITE_OK)
        rc = sqlite_run(c, STMT_COMMIT);
    *ret_err = sqlite_to_err(c, rc);
    if (rc != SQLITE_OK) {
        sqlite_describe(c, rc, ret_detail);
        roll_back(c);
    }
    return rc;
}

/* An error of its own stays with the one it concerns; returned is what went wrong beyond that. */
static enum ln_err sqlite_commit(struct backend *b, struct storage_txn *const *txns, size_t n, char *ret_detail)
{
    enum ln_err err;
    int rc = run_group(&of(b)->writer, txns, n, &err, ret_detail);

    if (rc == SQLITE_OK)
        return LN_OK;
    if (is_its_own(rc) && n > 1) {
        err = sqlite_commit(b, txns, n / 2, ret_detail);
        enum ln_err err2 = sqlite_commit(b, txns + n / 2, n - n / 2, ret_detail);

        return err2 != LN_OK ? err2 : err;
    }
    for (size_t i = 0; i < n; i++)
        txns[i]->err = err;
    return is_its_own(rc) ? LN_OK : err;
}

/* Writes a page, and changes nothing. */
static enum ln_err sqlite_probe(struct backend *b, char *ret_detail)
{
    struct sqlite_conn *c = &of(b)->writer;
    int rc = sqlite_schema_touch(c);
    enum ln_err err = sqlite_to_err(c, rc);

    if (rc != SQLITE_OK) {
        sqlite_describe(c, rc, ret_detail);
        roll_back(c);
    }
    return err;
}

/* ---- the write-ahead log ---- */

static int on_log_grown(void *arg, sqlite3 *db, const char *schema, int pages)
{
    struct sqlite_backend *sb = arg;

    (void)db;
    (void)schema;
    if (pages < sb->log_pages) /* it began anew: all of it had been copied */
        sb->checkpoint_at = CHECKPOINT_PAGES;
    sb->log_pages = pages;
    return SQLITE_OK;
}

/* PASSIVE waits for nobody. What an old reader (an operator's shell, say) still needs stays in the log, and is tried
 * again when that has grown by as much once more. */
static enum ln_err sqlite_tidy(struct backend *b, char *ret_detail)
{
    struct sqlite_backend *sb = of(b);
    struct sqlite_conn *c = &sb->writer;

    if (sb->log_pages < sb->checkpoint_at)
        return sb->checkpoint_err;
    sb->checkpoint_at = sb->log_pages + CHECKPOINT_PAGES;
    int rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

    if ((rc & 0xff) == SQLITE_BUSY) /* somebody else is at it */
        rc = SQLITE_OK;
    sb->checkpoint_err = sqlite_to_err(c, rc);
    if (rc != SQLITE_OK)
        sqlite_describe(c, rc, ret_detail);
    return sb->checkpoint_err;
}

/* ---- reading ---- */

static enum ln_err sqlite_read(struct backend *b, unsigned reader, const struct storage_query *q, struct rows *rows,
                               char *ret_detail)
{
    struct sqlite_conn *c = &of(b)->readers[reader];
    int rc = sqlite_query(c, q, rows);

    if (rc != SQLITE_OK)
        sqlite_describe(c, rc, ret_detail);
    return sqlite_to_err(c, rc);
}

static bool sqlite_begin_reads(struct backend *b, unsigned reader)
{
    return sqlite_run(&of(b)->readers[reader], STMT_BEGIN_READ) == SQLITE_OK;
}

static void sqlite_end_reads(struct backend *b, unsigned reader)
{
    (void)sqlite_run(&of(b)->readers[reader], STMT_ROLLBACK); /* nothing was written */
}

/* ---- opening and closing ---- */

static void sqlite_close(struct backend **b)
{
    struct sqlite_backend *sb = of(*b);

    *b = NULL;
    while (sb->n_readers > 0)
        sqlite_conn_close(&sb->readers[--sb->n_readers]);
    /* All readers gone: the log can be emptied, and the file alone is the whole database. If the disk refuses, the log
     * stays and the next start reads it. */
    if (sb->writer.db != NULL)
        (void)sqlite3_wal_checkpoint_v2(sb->writer.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite_conn_close(&sb->writer);
    sqlite_file_release(&sb->file);
    free(sb);
}

static enum ln_err open_writer(struct sqlite_backend *sb, const struct storage_options *opt, char *ret_error)
{
    struct sqlite_conn *c = &sb->writer;
    int from, to, rc = sqlite_conn_open(c, sb->file.path, SQLITE_WRITER);

    if (rc != SQLITE_OK)
        return sqlite_refuse(c, rc, sb->file.path, ret_error);
    enum ln_err err = sqlite_schema_bring_up(c, sb->file.path, &from, &to, ret_error);

    if (err != LN_OK)
        return err;
    if (from != to && opt->log != NULL) {
        char details[64];

        (void)snprintf(details, sizeof(details), "from=%d to=%d", from, to);
        opt->log(2, "storage.migrated", details);
    }
    /* Setting a hook also ends SQLite's own checkpoints, which would run before the answers instead of after. */
    (void)sqlite3_wal_hook(c->db, on_log_grown, sb);
    rc = sqlite_conn_prepare(c);
    return rc == SQLITE_OK ? LN_OK : sqlite_refuse(c, rc, sb->file.path, ret_error);
}

static enum ln_err open_readers(struct sqlite_backend *sb, unsigned n, char *ret_error)
{
    while (sb->n_readers < n) {
        struct sqlite_conn *c = &sb->readers[sb->n_readers++];
        int rc = sqlite_conn_open(c, sb->file.path, SQLITE_READER);

        if (rc == SQLITE_OK)
            rc = sqlite_conn_prepare(c);
        if (rc != SQLITE_OK)
            return sqlite_refuse(c, rc, sb->file.path, ret_error);
    }
    return LN_OK;
}

static enum ln_err sqlite_open(const struct storage_options *opt, struct backend **ret, char *ret_error)
{
    assert(opt->readers >= 1 && opt->readers <= BACKEND_READERS_MAX);
    /* Counting every allocation would cost each of them a lock that all threads share. Too late, and no harm, if
     * SQLite is in use already. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    struct sqlite_backend *sb = mem_zalloc(sizeof(*sb));

    sb->base.class = &sqlite_backend;
    sb->checkpoint_at = CHECKPOINT_PAGES;
    enum ln_err err = sqlite_file_claim(&sb->file, opt->path, ret_error);

    if (err == LN_OK)
        err = open_writer(sb, opt, ret_error);
    if (err == LN_OK)
        err = open_readers(sb, opt->readers, ret_error);
    *ret = &sb->base;
    if (err != LN_OK)
        sqlite_close(ret);
    return err;
}

const struct backend_class sqlite_backend = {
    .name = "sqlite",
    .has_readers = true,
    .open = sqlite_open,
    .close = sqlite_close,
    .commit = sqlite_commit,
    .probe = sqlite_probe,
    .tidy = sqlite_tidy,
    .begin_reads = sqlite_begin_reads,
    .end_reads = sqlite_end_reads,
    .read = sqlite_read,
};
