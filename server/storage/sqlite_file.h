/* server/storage/sqlite_file.h - the database as a file: its folder, its mode, and that only one server has it. */
#ifndef LINNET_SERVER_STORAGE_SQLITE_FILE_H
#define LINNET_SERVER_STORAGE_SQLITE_FILE_H

#include "server/storage/backend.h"

struct sqlite_file {
    char *path;  /* without symbolic links: one file, one lock, whatever it is called */
    int lock_fd; /* holds the lock until it is closed, at the latest by the end of the process */
};

/* [start] Makes the folder (0700) and the file (0600, which SQLite's own -wal and -shm take over) if they are missing,
 * and locks it. ret_error: STORAGE_ERROR_SIZE. */
enum ln_err sqlite_file_claim(struct sqlite_file *f, const char *path, char *ret_error);
/* After all connections were closed. */
void sqlite_file_release(struct sqlite_file *f);

#endif
