#include "server/base/config.h"

#include "common/mem.h"
#include "server/base/config_defaults.h"
#include "server/base/config_read.h"
#include "server/base/config_rules.h"
#include "server/base/config_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { FILE_MAX = 4 << 20 }; /* some ten thousand hosts */

/* ---- reading ---- */

static struct str folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == path)
        return STR("/");
    return slash == NULL ? STR("") : str_make(path, (size_t)(slash - path));
}

static struct toml_value *parse_toml(struct str text, struct config_reader *r)
{
    struct toml_error err = {0};
    struct toml_value *document = toml_parse(text.len > 0 ? text.p : "", text.len, &err);

    if (document == NULL)
        config_mistakes_add(&r->mistakes, err.place, "TOML", "%s", err.message);
    return document;
}

static enum ln_err parse_in_folder(struct str text, const char *path, struct str folder, const char *const *modules,
                                   struct config **ret, struct buf *errors)
{
    struct config *cfg = config_new(path);
    struct config_reader r = {.arena = cfg->arena, .folder = folder, .modules = modules};
    struct toml_value *document = parse_toml(text, &r);
    bool is_good;

    config_defaults_set(&r, &config_root, cfg);
    if (document != NULL) {
        config_read(&r, document, cfg);
        config_defaults_complete(&r, cfg);
        config_rules_check(&r, cfg);
    }
    is_good = r.mistakes.n == 0;
    config_mistakes_report(&r.mistakes, path, errors);
    config_reader_deinit(&r);
    toml_free(&document);
    if (!is_good) {
        config_unref(&cfg);
        return LN_E_INVALID;
    }
    config_finish(cfg);
    *ret = cfg;
    return LN_OK;
}

enum ln_err config_parse(struct str text, const char *path, const char *const *modules, struct config **ret,
                         struct buf *errors)
{
    return parse_in_folder(text, path, folder_of(path), modules, ret, errors);
}

/* 0, or an errno. */
static int read_file(const char *path, struct buf *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int err = 0;
    ssize_t n;

    if (fd < 0)
        return errno;
    do {
        n = read(fd, buf_reserve(ret, 65536), 65536);
        if (n > 0)
            ret->len += (size_t)n;
        if (n < 0 && errno != EINTR)
            err = errno;
        if (ret->len > FILE_MAX)
            err = EFBIG;
    } while (n != 0 && err == 0);
    close(fd);
    return err;
}

/* From the root: the working directory may change, and linnetctl has another one. The caller frees; NULL: errno is set.
 */
static char *whole_folder_of(const char *path)
{
    struct str folder = folder_of(path);
    char *copy = str_dup(folder.len > 0 ? folder : STR("."));
    char *whole = realpath(copy, NULL);

    free(copy);
    return whole;
}

enum ln_err config_load(const char *path, const char *const *modules, struct config **ret, struct buf *errors)
{
    struct buf text = {0};
    char *folder = NULL;
    enum ln_err err = LN_E_IO;
    int failed = read_file(path, &text);

    if (failed == 0 && (folder = whole_folder_of(path)) == NULL)
        failed = errno;
    if (failed != 0)
        buf_printf(errors, "%s: cannot be read: %s\n", path, strerror(failed));
    else
        err = parse_in_folder(buf_str(&text), path, str_of(folder), modules, ret, errors);
    free(folder);
    buf_deinit(&text);
    return err;
}
