#include "server/storage/sqlite_file.h"

#include "common/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum ln_err refuse(char *ret_error, const char *doing, const char *path)
{
    int why = errno;

    (void)snprintf(ret_error, STORAGE_ERROR_SIZE, "cannot %s %s: %s", doing, path, strerror(why));
    return why == ENOSPC || why == EDQUOT ? LN_E_FULL : LN_E_IO;
}

/* "." when the path has no folder in it. The caller frees. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return mem_strndup(".", 1);
    return mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* A new name is not safe before the folder that holds it is synced. */
static void sync_folder_of(const char *path)
{
    char *folder = folder_of(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    free(folder);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

static enum ln_err make_folder(const char *path, char *ret_error)
{
    char *folder = folder_of(path);
    enum ln_err err = LN_OK;

    if (mkdir(folder, 0700) == 0)
        sync_folder_of(folder);
    else if (errno != EEXIST)
        err = refuse(ret_error, "make the folder", folder);
    free(folder);
    return err;
}

/* A file that exists is not opened here: closing any descriptor of it would drop the locks that SQLite holds on it in
 * this process (POSIX locks belong to the process, not to the descriptor). */
static enum ln_err make_file(const char *path, char *ret_error)
{
    if (access(path, F_OK) == 0)
        return LN_OK;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno == EEXIST ? LN_OK : refuse(ret_error, "make the file", path);
    (void)close(fd);
    sync_folder_of(path);
    return LN_OK;
}

static enum ln_err refuse_second(int lock_fd, const char *path, char *ret_error)
{
    char pid[32] = "";
    ssize_t n = pread(lock_fd, pid, sizeof(pid) - 1, 0);

    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    (void)snprintf(ret_error, STORAGE_ERROR_SIZE, "%s is in use by another server (process %s): stop that one first",
                   path, pid[0] != '\0' ? pid : "unknown");
    return LN_E_EXISTS;
}

/* A lock of its own beside the database, since SQLite's would also keep an operator's sqlite3 shell out. It is never
 * removed: a server that waits for it could end up with a lock on a name that is gone. */
static enum ln_err take_lock(struct sqlite_file *f, char *ret_error)
{
    struct buf name = {0};
    enum ln_err err = LN_OK;

    buf_printf(&name, "%s.lock", f->path);
    buf_append_char(&name, '\0');
    f->lock_fd = open(name.p, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->lock_fd < 0)
        err = refuse(ret_error, "open", name.p);
    else if (flock(f->lock_fd, LOCK_EX | LOCK_NB) != 0)
        err = errno == EWOULDBLOCK ? refuse_second(f->lock_fd, f->path, ret_error) : refuse(ret_error, "lock", name.p);
    else if (ftruncate(f->lock_fd, 0) == 0)
        (void)dprintf(f->lock_fd, "%ld\n", (long)getpid()); /* told to a second one; worth no failure */
    buf_deinit(&name);
    return err;
}

enum ln_err sqlite_file_claim(struct sqlite_file *f, const char *path, char *ret_error)
{
    *f = (struct sqlite_file){.lock_fd = -1};
    enum ln_err err = make_folder(path, ret_error);

    if (err == LN_OK)
        err = make_file(path, ret_error);
    if (err != LN_OK)
        return err;
    f->path = realpath(path, NULL);
    err = f->path == NULL ? refuse(ret_error, "find", path) : take_lock(f, ret_error);
    if (err != LN_OK)
        sqlite_file_release(f);
    return err;
}

void sqlite_file_release(struct sqlite_file *f)
{
    if (f->lock_fd >= 0)
        (void)close(f->lock_fd);
    free(f->path);
    *f = (struct sqlite_file){.lock_fd = -1};
}
