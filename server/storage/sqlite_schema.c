#include "server/storage/sqlite_schema.h"

#include <stdio.h>

/* In the file's header, so that `file` and we can tell whose database it is: "lnnt". */
#define APPLICATION_ID     1819176564
#define APPLICATION_ID_SQL "1819176564"

/* Step i makes version i + 1 out of version i. A step that was released is never changed: append another one.
 *
 * Rows are sorted by domain, then local part: the owners of a domain are neighbours (see backend.h), and so is all that
 * belongs to one owner. Documents lie in the index that finds them (WITHOUT ROWID): one tree instead of two. Archive
 * entries lie in the order of their arrival, with an index beside: a group of messages to many owners then fills a few
 * pages and touches some of a small index, instead of changing one large page for each owner. That costs a third to a
 * half of the CPU time, and much less log; reading fifty old entries costs three times as much, which is the rarer
 * thing.
 *
 * Entries that are looked for by their peer have a second index, which offline messages do not need and are not in.
 * It ends with the resource, so that a search for one resource among all of a peer reads nothing but the index. */
static const char *const steps[] = {
    "CREATE TABLE documents("
    " domain TEXT NOT NULL,"
    " local TEXT NOT NULL," /* empty: the owner is the domain */
    " collection TEXT NOT NULL,"
    " key TEXT NOT NULL,"
    " bytes BLOB NOT NULL,"
    " PRIMARY KEY (domain, local, collection, key)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE archives("
    " domain TEXT NOT NULL,"
    " local TEXT NOT NULL,"
    " collection TEXT NOT NULL,"
    " id INTEGER NOT NULL,"
    " time_ms INTEGER NOT NULL,"
    " peer TEXT NOT NULL,"
    " bytes BLOB NOT NULL,"
    " UNIQUE (domain, local, collection, id)) STRICT;"
    "PRAGMA application_id = " APPLICATION_ID_SQL ";",
    /* What is there already are offline messages, which nobody looks for by their peer. */
    "UPDATE archives SET peer = '';"
    "ALTER TABLE archives ADD COLUMN resource TEXT NOT NULL DEFAULT '';"
    "CREATE INDEX archives_by_peer ON archives(domain, local, collection, peer, id, resource) WHERE peer <> '';",
};

/* `how`: the last line of what SQLite says; those before it only name the database. */
static enum ln_err refuse_damaged(const char *path, const char *how, char *ret_error)
{
    const char *line = strrchr(how, '\n');

    (void)snprintf(
        ret_error, STORAGE_ERROR_SIZE,
        "%s is damaged (%.60s): restore a backup, or copy what is readable with: sqlite3 %s .recover | sqlite3 "
        "NEW (not with the shell of Debian 12)",
        path, line != NULL ? line + 1 : how, path);
    return LN_E_CORRUPT;
}

enum ln_err sqlite_refuse(struct sqlite_conn *c, int rc, const char *path, char *ret_error)
{
    enum ln_err err = sqlite_to_err(c, rc);
    char detail[BACKEND_DETAIL_SIZE];

    sqlite_describe(c, rc, detail);
    if ((rc & 0xff) == SQLITE_NOTADB)
        (void)snprintf(ret_error, STORAGE_ERROR_SIZE, "%s is not an SQLite database", path);
    else if (err == LN_E_CORRUPT)
        return refuse_damaged(path, detail, ret_error);
    else
        (void)snprintf(ret_error, STORAGE_ERROR_SIZE, "cannot open the database %s: %.120s", path, detail);
    return err;
}

/* The one number that `sql` gives. */
static int get_number(struct sqlite_conn *c, const char *sql, int *ret)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static enum ln_err check_identity(struct sqlite_conn *c, const char *path, int *ret_version, char *ret_error)
{
    int application = 0, tables = 0;
    int rc = get_number(c, "PRAGMA user_version", ret_version);

    if (rc == SQLITE_OK)
        rc = get_number(c, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK)
        rc = get_number(c, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc != SQLITE_OK)
        return sqlite_refuse(c, rc, path, ret_error);
    if (application != APPLICATION_ID && (application != 0 || *ret_version != 0 || tables != 0)) {
        (void)snprintf(ret_error, STORAGE_ERROR_SIZE, "%s is the database of another program; name another file", path);
        return LN_E_INVALID;
    }
    if (*ret_version > (int)ARRAY_LEN(steps)) {
        (void)snprintf(
            ret_error, STORAGE_ERROR_SIZE,
            "%s was written by a newer version (schema %d, this one knows %d): run that version, or restore a "
            "backup made before the upgrade",
            path, *ret_version, (int)ARRAY_LEN(steps));
        return LN_E_INVALID;
    }
    return LN_OK;
}

static enum ln_err check_integrity(struct sqlite_conn *c, const char *path, char *ret_error)
{
    sqlite3_stmt *stmt = NULL;
    enum ln_err err = LN_OK;
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW) {
        err = sqlite_refuse(c, rc, path, ret_error);
    } else {
        const char *said = (const char *)sqlite3_column_text(stmt, 0);

        if (said == NULL || strcmp(said, "ok") != 0)
            err = refuse_damaged(path, said != NULL ? said : "quick_check fails", ret_error);
    }
    (void)sqlite3_finalize(stmt);
    return err;
}

/* The mode is kept in the file. What cannot have it, a network file system most likely, cannot keep our promises. */
static enum ln_err switch_to_wal(struct sqlite_conn *c, const char *path, char *ret_error)
{
    sqlite3_stmt *stmt = NULL;
    bool is_wal = false;
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        is_wal = strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;
    (void)sqlite3_finalize(stmt);
    if (rc != SQLITE_ROW)
        return sqlite_refuse(c, rc, path, ret_error);
    if (is_wal)
        return LN_OK;
    (void)snprintf(ret_error, STORAGE_ERROR_SIZE, "%s cannot have a write-ahead log: put it on a local disk", path);
    return LN_E_IO;
}

/* A transaction that does not get to its end is rolled back by the caller, or with the connection. */
static int run_as_version(struct sqlite_conn *c, const char *step, int version)
{
    char *sql = sqlite3_mprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;", step, version);
    int rc = sql == NULL ? SQLITE_NOMEM : sqlite3_exec(c->db, sql, NULL, NULL, NULL);

    sqlite3_free(sql);
    return rc;
}

enum ln_err sqlite_schema_bring_up(struct sqlite_conn *c, const char *path, int *ret_from, int *ret_to, char *ret_error)
{
    int version = 0;
    enum ln_err err = check_identity(c, path, &version, ret_error);

    if (err == LN_OK)
        err = check_integrity(c, path, ret_error);
    if (err == LN_OK)
        err = switch_to_wal(c, path, ret_error);
    if (err != LN_OK)
        return err;
    *ret_from = version;
    *ret_to = (int)ARRAY_LEN(steps);
    for (; version < (int)ARRAY_LEN(steps); version++) {
        int rc = run_as_version(c, steps[version], version + 1);

        if (rc != SQLITE_OK)
            return sqlite_refuse(c, rc, path, ret_error);
    }
    return LN_OK;
}

int sqlite_schema_touch(struct sqlite_conn *c)
{
    return run_as_version(c, "", (int)ARRAY_LEN(steps));
}
