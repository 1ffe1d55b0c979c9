/* server/storage/sqlite_conn.h - one connection to the SQLite database, its prepared statements and its errors.
 *
 * Used by one thread at a time: opened by the starting thread, then handed to the writer or to a reader. */
#ifndef LINNET_SERVER_STORAGE_SQLITE_CONN_H
#define LINNET_SERVER_STORAGE_SQLITE_CONN_H

#include "server/storage/backend.h"

#include <sqlite3.h>

enum sqlite_stmt {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_PUT,
    STMT_DELETE,
    STMT_HAS,
    STMT_APPEND,
    STMT_REPLACE,
    STMT_REMOVE,
    STMT_TRIM,
    STMT_DELETE_DOCUMENTS,
    STMT_DELETE_ARCHIVES,
    STMT_BEGIN_READ,
    STMT_GET,
    STMT_LIST,
    STMT_LOAD,
    STMT_READ,
    STMT_READ_BACK,
    STMT_READ_PEER,
    STMT_READ_PEER_BACK,
    STMT_READ_ONE,
    STMT_TALLY,
    STMT_TALLY_PEER,
    STMT_ENDS,
    STMT_COUNT,
    STMT_NEXT_OWNER,
    STMT_COUNT_OF, /* not a statement: how many there are */
};

struct sqlite_conn {
    sqlite3 *db;
    sqlite3_stmt *stmts[STMT_COUNT_OF];
    int sys_errno; /* of the last sqlite_run(), if it failed: SQLite does not keep that of a COMMIT */
};

enum sqlite_role { SQLITE_WRITER, SQLITE_READER };

/* [start] Results are SQLite's. Closing accepts what was half opened. */
int sqlite_conn_open(struct sqlite_conn *c, const char *path, enum sqlite_role role);
int sqlite_conn_prepare(struct sqlite_conn *c);
void sqlite_conn_close(struct sqlite_conn *c);

/* Parameters 1 and 2 of every statement about an owner. */
void sqlite_bind_owner(sqlite3_stmt *stmt, struct str owner);
void sqlite_bind_text(sqlite3_stmt *stmt, int param, struct str s);
void sqlite_bind_bytes(sqlite3_stmt *stmt, int param, struct str s);

/* Runs a statement that gives no rows, its parameters bound. SQLITE_OK, or what went wrong. */
int sqlite_run(struct sqlite_conn *c, enum sqlite_stmt which);

/* What SQLite's result means for those who asked; before the next statement is run. */
enum ln_err sqlite_to_err(struct sqlite_conn *c, int rc);
/* The cause in words, for an operator. */
void sqlite_describe(struct sqlite_conn *c, int rc, char *ret_detail);

#endif
