/* server/storage/sqlite_query.h - what each kind of query is in SQL, and how its rows are taken. */
#ifndef LINNET_SERVER_STORAGE_SQLITE_QUERY_H
#define LINNET_SERVER_STORAGE_SQLITE_QUERY_H

#include "server/storage/sqlite_conn.h"

/* [reader] SQLite's result. */
int sqlite_query(struct sqlite_conn *c, const struct storage_query *q, struct rows *rows);

#endif
