/* The way to the server: finding its socket, asking, taking the answer apart. */
#include "server/control/linnetctl.h"

#include "common/mem.h"
#include "server/base/config.h"
#include "third_party/toml_shim.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Longer than the server takes to say that it gives a command up. */
enum { SILENCE_MS = 90000 };

void ctl_error(const struct ctl_options *opt, const char *fmt, ...)
{
    char message[8192];
    struct buf json = {0};
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    fprintf(stderr, "linnetctl: %s\n", message);
    if (!opt->json)
        return;
    ctl_json_string(&json, str_of(message));
    printf("{\"error\": %.*s}\n", STR_ARG(buf_str(&json)));
    buf_deinit(&json);
}

/* ---- where the server is ---- */

static const struct toml_value *toml_child(const struct toml_value *table, const char *key)
{
    for (size_t i = 0; table != NULL && table->type == TOML_TABLE && i < table->n_children; i++)
        if (strcmp(table->children[i].key, key) == 0)
            return &table->children[i];
    return NULL;
}

/* A path as a literal string of TOML, with its table around it. */
static void keep_path(struct buf *out, const struct toml_value *root, const char *table, const char *key)
{
    const struct toml_value *v = toml_child(toml_child(root, table), key);

    if (v != NULL && v->type == TOML_STRING && memchr(v->text, '\'', v->text_len) == NULL &&
        memchr(v->text, '\n', v->text_len) == NULL)
        buf_printf(out, "[%s]\n%s = '%.*s'\n", table, key, (int)v->text_len, v->text);
}

static bool read_file(const char *path, struct buf *ret)
{
    FILE *f = fopen(path, "r");
    size_t n;

    if (f == NULL)
        return false;
    while ((n = fread(buf_reserve(ret, 4096), 1, 4096, f)) > 0)
        ret->len += n;
    (void)fclose(f);
    return true;
}

/* A file that was edited wrongly must not lock its operator out of the running server: of one that does not load, the
 * two keys that matter here are read alone. */
static struct config *load_leniently(const char *path)
{
    struct config *cfg = NULL;
    struct toml_value *root = NULL;
    struct toml_error toml_error;
    struct buf text = {0}, paths = {0}, errors = {0};

    if (config_load(path, NULL, &cfg, &errors) == LN_E_INVALID) {
        if (read_file(path, &text))
            root = toml_parse(text.len > 0 ? text.p : "", text.len, &toml_error);
        keep_path(&paths, root, "server", "data_dir");
        keep_path(&paths, root, "control", "socket");
        buf_clear(&errors);
        (void)config_parse(buf_str(&paths), path, NULL, &cfg, &errors);
    }
    toml_free(&root);
    buf_deinit(&text);
    buf_deinit(&paths);
    buf_deinit(&errors);
    return cfg;
}

char *ctl_find_socket(const struct ctl_options *opt)
{
    const char *from_env = getenv("LINNET_CONFIG");
    const char *path = opt->config != NULL                       ? opt->config
                       : from_env != NULL && from_env[0] != '\0' ? from_env
                                                                 : CTL_DEFAULT_CONFIG;
    struct config *cfg;
    char *socket;

    if (opt->socket != NULL)
        return str_dup(str_of(opt->socket));
    if (access(path, R_OK) != 0) {
        ctl_error(
            opt,
            "%s: %s. The configuration tells where the server's control socket is: name the file with --config FILE or "
            "$LINNET_CONFIG, or the socket itself with --socket PATH%s",
            path, strerror(errno), errno == EACCES ? "; or run this with sudo" : "");
        return NULL;
    }
    cfg = load_leniently(path);
    if (cfg == NULL) {
        ctl_error(opt, "%s: cannot be read; name the server's control socket with --socket PATH", path);
        return NULL;
    }
    socket = str_dup(str_of(cfg->control.socket));
    config_unref(&cfg);
    return socket;
}

/* ---- asking ---- */

static const char *why_unreachable(int failure)
{
    switch (failure) {
    case ENOENT:
        return "no server runs there: there is no such socket";
    case ECONNREFUSED:
        return "the server that made this socket has ended";
    case EACCES:
        return "only root and the user that the server runs as may use it: try sudo";
    default:
        return strerror(failure);
    }
}

static int connect_to(const struct ctl_options *opt, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof(address.sun_path)) {
        ctl_error(opt, "%s: %s", path, fd < 0 ? strerror(errno) : "too long for the path of a socket");
    } else {
        memcpy(address.sun_path, path, strlen(path));
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
            return fd;
        ctl_error(opt, "%s: %s", path, why_unreachable(errno));
    }
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static bool send_request(int fd, const struct str *args, size_t n_args)
{
    struct buf request = {0};
    size_t sent = 0;

    control_begin_line(&request, CONTROL_VERSION);
    for (size_t i = 0; i < n_args; i++)
        control_put_str(&request, args[i]);
    control_end_line(&request);
    while (sent < request.len) {
        ssize_t n = send(fd, request.p + sent, request.len - sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; /* perhaps it was refused already: the answer says so */
        sent += (size_t)n;
    }
    mem_wipe(request.p, request.len); /* there may be a password in it */
    buf_deinit(&request);
    return sent > 0;
}

struct reader {
    int fd;
    struct buf in;
    size_t at; /* where in it the next line begins */
};

/* The next line without its line feed, in memory of the reader until the next call; false: there is no more. */
static bool read_line(struct reader *r, char **ret, size_t *ret_len)
{
    size_t looked_at = r->at;

    for (;;) {
        char *end = r->in.len > looked_at ? memchr(r->in.p + looked_at, '\n', r->in.len - looked_at) : NULL;
        struct pollfd ready = {.fd = r->fd, .events = POLLIN};
        ssize_t n;

        if (end != NULL) {
            *ret = r->in.p + r->at;
            *ret_len = (size_t)(end - *ret);
            r->at += *ret_len + 1;
            return true;
        }
        buf_consume(&r->in, r->at);
        r->at = 0;
        looked_at = r->in.len;
        if (poll(&ready, 1, SILENCE_MS) <= 0)
            return false;
        n = read(r->fd, buf_reserve(&r->in, 65536), 65536);
        if (n <= 0)
            return false;
        r->in.len += (size_t)n;
    }
}

/* ---- taking apart ---- */

static bool read_column(struct arena *arena, struct str text, struct ctl_column *ret)
{
    ptrdiff_t colon = str_find(text, ':');
    struct str type;

    if (colon <= 0)
        return false;
    ret->name = arena_copy(arena, str_make(text.p, (size_t)colon));
    type = str_make(text.p + colon + 1, text.len - (size_t)colon - 1);
    ret->is_detail = type.len > 0 && type.p[type.len - 1] == '+';
    type.len -= ret->is_detail;
    return control_type_of(type, &ret->type);
}

static bool read_table(struct ctl_answer *a, const struct control_line *line)
{
    struct ctl_table *t = arena_alloc(a->arena, sizeof(*t));

    *t = (struct ctl_table){0};
    if (line->n < 4 || !control_shape_of(line->fields[2], &t->shape))
        return false;
    t->name = arena_copy(a->arena, line->fields[1]);
    t->n_columns = line->n - 3;
    for (size_t i = 0; i < t->n_columns; i++)
        if (!read_column(a->arena, line->fields[3 + i], &t->columns[i]))
            return false;
    *a->end = t;
    a->end = &t->next;
    return true;
}

static bool read_row(struct ctl_answer *a, struct ctl_table *t, const struct control_line *line)
{
    if (t == NULL || line->n != t->n_columns + 1)
        return false;
    if (t->n_rows == t->cap) {
        t->cap = t->cap == 0 ? 16 : t->cap * 2;
        t->cells = mem_realloc(t->cells, t->cap * t->n_columns * sizeof(*t->cells));
    }
    for (size_t i = 0; i < t->n_columns; i++) {
        struct str cell = line->fields[1 + i];

        t->cells[t->n_rows * t->n_columns + i] = cell.p == NULL  ? cell
                                                 : cell.len == 0 ? STR("")
                                                                 : arena_copy(a->arena, cell);
    }
    t->n_rows++;
    return true;
}

static enum ctl_exit read_answer(const struct ctl_options *opt, int fd, struct ctl_answer *ret)
{
    struct ctl_table *table = NULL;
    struct control_line line;
    struct reader reader = {.fd = fd};
    enum ctl_exit verdict = CTL_UNREACHABLE;
    bool is_understood = true;
    char *text;
    size_t len;

    while (verdict == CTL_UNREACHABLE && is_understood && read_line(&reader, &text, &len)) {
        is_understood = control_split(text, len, &line) && line.n > 1;
        if (!is_understood)
            break;
        if (str_is(line.fields[0], "row")) {
            is_understood = read_row(ret, table, &line);
        } else if (str_is(line.fields[0], "table")) {
            is_understood = read_table(ret, &line);
            table = is_understood ? container_of(ret->end, struct ctl_table, next) : NULL;
        } else if (str_is(line.fields[0], "ok")) {
            verdict = CTL_DONE;
            ret->message = arena_copy(ret->arena, line.fields[1]);
        } else if (str_is(line.fields[0], "error")) {
            verdict = CTL_FAILED;
            ctl_error(opt, "%.*s", STR_ARG(line.fields[1]));
        } else {
            is_understood = false;
        }
    }
    if (!is_understood)
        ctl_error(opt, "the server's answer is not understood: is it of another version than this linnetctl?");
    else if (verdict == CTL_UNREACHABLE)
        ctl_error(opt, "the server gave no answer, or ended while it gave one; its log says more");
    buf_deinit(&reader.in);
    return verdict;
}

enum ctl_exit ctl_ask(const struct ctl_options *opt, const struct str *args, size_t n_args, struct ctl_answer *ret)
{
    enum ctl_exit verdict = CTL_UNREACHABLE;
    char *path = ctl_find_socket(opt);
    int fd = path == NULL ? -1 : connect_to(opt, path);

    *ret = (struct ctl_answer){.arena = arena_new(4096), .end = &ret->tables};
    if (fd >= 0 && send_request(fd, args, n_args))
        verdict = read_answer(opt, fd, ret);
    else if (fd >= 0)
        ctl_error(opt, "%s: the server takes no request: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    free(path);
    if (verdict != CTL_DONE)
        ctl_answer_deinit(ret);
    return verdict;
}

void ctl_answer_deinit(struct ctl_answer *a)
{
    for (struct ctl_table *t = a->tables; t != NULL; t = t->next)
        free(t->cells);
    a->tables = NULL;
    arena_free(&a->arena);
}
