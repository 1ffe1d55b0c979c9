/* server/storage/sqlite_schema.h - what is in the database file, and how an older one becomes a current one. */
#ifndef LINNET_SERVER_STORAGE_SQLITE_SCHEMA_H
#define LINNET_SERVER_STORAGE_SQLITE_SCHEMA_H

#include "server/storage/sqlite_conn.h"

/* [start] Refuses what is not ours, comes from a newer version or is damaged; then migrates to the current schema.
 * ret_from and ret_to tell the versions before and after. ret_error (STORAGE_ERROR_SIZE) says what to do. */
enum ln_err sqlite_schema_bring_up(struct sqlite_conn *c, const char *path, int *ret_from, int *ret_to,
                                   char *ret_error);
/* [start] Puts the reason why the database cannot be opened, and what to do about it, into ret_error. */
enum ln_err sqlite_refuse(struct sqlite_conn *c, int rc, const char *path, char *ret_error);

/* [writer] Writes what is there already, as one transaction: finds out whether writing works. SQLite's result. */
int sqlite_schema_touch(struct sqlite_conn *c);

#endif
