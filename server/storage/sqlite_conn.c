#include "server/storage/sqlite_conn.h"

#include <errno.h>
#include <stdio.h>

enum {
    /* How long we wait for an operator's sqlite3 shell that writes. */
    BUSY_TIMEOUT_MS = 5000,
};

#define OWNER      "domain = ?1 AND local = ?2"
#define COLLECTION OWNER " AND collection = ?3"
#define ENTRIES    "SELECT bytes, id, time_ms, peer, resource FROM archives "
#define RANGE      COLLECTION " AND id > ?4 AND id <= ?5"
/* The index holds only entries with a peer, and is used only where that is said. */
#define BY_PEER    "INDEXED BY archives_by_peer "
#define PEER       " AND peer = ?8 AND peer <> '' AND (?9 IS NULL OR resource = ?9)"
#define PART_OF_IT " LIMIT ?6 OFFSET ?7"

static const char *const statements[STMT_COUNT_OF] = {
    /* IMMEDIATE: waits for a foreign writer here, instead of failing in the middle */
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_PUT] = "INSERT INTO documents(domain, local, collection, key, bytes) VALUES (?1, ?2, ?3, ?4, ?5)"
                 " ON CONFLICT DO UPDATE SET bytes = excluded.bytes",
    [STMT_DELETE] = "DELETE FROM documents WHERE " COLLECTION " AND key = ?4",
    [STMT_HAS] = "SELECT 1 FROM documents WHERE " COLLECTION " AND key = ?4",
    [STMT_APPEND] = "INSERT INTO archives(domain, local, collection, id, time_ms, peer, bytes, resource)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STMT_REPLACE] = "UPDATE archives SET bytes = ?5 WHERE " COLLECTION " AND id = ?4",
    [STMT_REMOVE] = "DELETE FROM archives WHERE " COLLECTION " AND id = ?4",
    [STMT_TRIM] = "DELETE FROM archives WHERE rowid IN"
                  " (SELECT rowid FROM archives WHERE " COLLECTION " AND id < ?4 ORDER BY id LIMIT ?5)",
    [STMT_DELETE_DOCUMENTS] = "DELETE FROM documents WHERE " OWNER,
    [STMT_DELETE_ARCHIVES] = "DELETE FROM archives WHERE " OWNER,
    [STMT_BEGIN_READ] = "BEGIN",
    [STMT_GET] = "SELECT bytes, key FROM documents WHERE " COLLECTION " AND key = ?4",
    [STMT_LIST] = "SELECT bytes, key FROM documents WHERE " COLLECTION " ORDER BY key",
    [STMT_LOAD] = "SELECT bytes, key, collection FROM documents WHERE " OWNER " ORDER BY collection, key",
    [STMT_READ] = ENTRIES "WHERE " RANGE " ORDER BY id" PART_OF_IT,
    [STMT_READ_BACK] = ENTRIES "WHERE " RANGE " ORDER BY id DESC" PART_OF_IT,
    [STMT_READ_PEER] = ENTRIES BY_PEER "WHERE " RANGE PEER " ORDER BY id" PART_OF_IT,
    [STMT_READ_PEER_BACK] = ENTRIES BY_PEER "WHERE " RANGE PEER " ORDER BY id DESC" PART_OF_IT,
    [STMT_READ_ONE] = ENTRIES "WHERE " COLLECTION " AND id = ?4",
    [STMT_TALLY] = "SELECT count(*) FROM (SELECT id FROM archives WHERE " RANGE PART_OF_IT ")",
    [STMT_TALLY_PEER] = "SELECT count(*) FROM (SELECT id FROM archives " BY_PEER "WHERE " RANGE PEER PART_OF_IT ")",
    [STMT_ENDS] = "SELECT (SELECT id FROM archives WHERE " COLLECTION " ORDER BY id LIMIT 1),"
                  " (SELECT id FROM archives WHERE " COLLECTION " ORDER BY id DESC LIMIT 1)",
    /* length() of a blob comes from the row's head: long entries are not read for it */
    [STMT_COUNT] = "SELECT count(*), total(length(bytes)) FROM archives WHERE " COLLECTION,
    [STMT_NEXT_OWNER] = "SELECT local FROM documents WHERE domain = ?1 AND local > ?2 ORDER BY local LIMIT 1",
};

static const char pragmas[] =
    "PRAGMA synchronous = FULL;"   /* committed means synced */
    "PRAGMA temp_store = MEMORY;"  /* the undo log of one statement; bounded by the group */
    "PRAGMA cell_size_check = ON;" /* finds damage before it spreads */
    "PRAGMA trusted_schema = OFF;" /* a foreign hand may have added triggers */
    "PRAGMA secure_delete = FAST;" /* what was deleted is overwritten where it costs no write */
    "PRAGMA journal_size_limit = 67108864;";

static const char *const role_pragmas[] = {
    [SQLITE_WRITER] = "PRAGMA cache_size = -16384;",
    /* A reader's cache is dropped by each commit, so a large one would not help: the upper levels of the tables' trees
     * and the pages of a long listing. */
    [SQLITE_READER] = "PRAGMA cache_size = -256; PRAGMA query_only = ON;",
};

int sqlite_conn_open(struct sqlite_conn *c, const char *path, enum sqlite_role role)
{
    int rc = sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc != SQLITE_OK)
        return rc;
    (void)sqlite3_extended_result_codes(c->db, 1);
    (void)sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
    rc = sqlite3_exec(c->db, pragmas, NULL, NULL, NULL);
    return rc != SQLITE_OK ? rc : sqlite3_exec(c->db, role_pragmas[role], NULL, NULL, NULL);
}

int sqlite_conn_prepare(struct sqlite_conn *c)
{
    int rc = SQLITE_OK;

    for (int i = 0; i < STMT_COUNT_OF && rc == SQLITE_OK; i++)
        rc = sqlite3_prepare_v3(c->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &c->stmts[i], NULL);
    return rc;
}

void sqlite_conn_close(struct sqlite_conn *c)
{
    for (int i = 0; i < STMT_COUNT_OF; i++)
        (void)sqlite3_finalize(c->stmts[i]);
    (void)sqlite3_close(c->db);
    *c = (struct sqlite_conn){0};
}

/* The bytes are bound without a copy: a statement is run at once, and all its parameters are bound anew each time. */
void sqlite_bind_text(sqlite3_stmt *stmt, int param, struct str s)
{
    (void)sqlite3_bind_text64(stmt, param, s.len > 0 ? s.p : "", s.len, SQLITE_STATIC, SQLITE_UTF8);
}

void sqlite_bind_bytes(sqlite3_stmt *stmt, int param, struct str s)
{
    (void)sqlite3_bind_blob64(stmt, param, s.len > 0 ? s.p : "", s.len, SQLITE_STATIC);
}

void sqlite_bind_owner(sqlite3_stmt *stmt, struct str owner)
{
    struct owner_parts parts = owner_split(owner);

    sqlite_bind_text(stmt, 1, parts.domain);
    sqlite_bind_text(stmt, 2, parts.local);
}

int sqlite_run(struct sqlite_conn *c, enum sqlite_stmt which)
{
    errno = 0;
    int rc = sqlite3_step(c->stmts[which]);

    c->sys_errno = errno;
    (void)sqlite3_reset(c->stmts[which]);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        return rc;
    c->sys_errno = 0;
    return SQLITE_OK;
}

static int sys_errno_of(struct sqlite_conn *c)
{
    return c->sys_errno != 0 ? c->sys_errno : sqlite3_system_errno(c->db);
}

/* SQLite knows only ENOSPC as a full disk; a quota or a limit of the process is one to us as well. */
static bool is_no_space(int sys_errno)
{
    return sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG;
}

enum ln_err sqlite_to_err(struct sqlite_conn *c, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
        return LN_OK;
    case SQLITE_CONSTRAINT:
        return LN_E_EXISTS; /* an archive id: nothing else that our statements write must be unique */
    case SQLITE_TOOBIG:
        return LN_E_LIMIT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return LN_E_CORRUPT;
    case SQLITE_FULL:
        return LN_E_FULL;
    case SQLITE_IOERR:
        return is_no_space(sys_errno_of(c)) ? LN_E_FULL : LN_E_IO;
    default:
        return LN_E_IO;
    }
}

void sqlite_describe(struct sqlite_conn *c, int rc, char *ret_detail)
{
    int sys_errno = (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN ? sys_errno_of(c) : 0;

    (void)snprintf(ret_detail, BACKEND_DETAIL_SIZE, "%s%s%s (sqlite %d)", sqlite3_errmsg(c->db),
                   sys_errno != 0 ? ": " : "", sys_errno != 0 ? strerror(sys_errno) : "", rc);
}
