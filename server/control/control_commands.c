#include "server/control/control_commands.h"

#include "server/base/log.h"
#include "server/net/pool.h"
#include "server/storage/storage.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

static struct control the; /* there is one control socket in a process */

bool control_parse_jid(struct control_request *r, struct str text, struct jid_buf *mem, struct jid *ret)
{
    if (jid_parse(text, mem, ret) == LN_OK)
        return true;
    control_fail(r, "%.*s: this is not an address; one looks like juliet@linnet.example", STR_ARG(text));
    return false;
}

void control_fail_host(struct control *c, struct control_request *r, struct str host)
{
    const struct config *cfg = control_config(c);
    struct buf names = {0};

    for (size_t i = 0; i < cfg->n_hosts && names.len < 1024; i++) {
        buf_append_cstr(&names, i == 0 ? "" : ", ");
        buf_append_str(&names, cfg->hosts[i].name);
    }
    control_fail(r, "%.*s: this host is not served here; those of %s are: %.*s", STR_ARG(host), cfg->path,
                 STR_ARG(buf_str(&names)));
    buf_deinit(&names);
}

/* ---- status ---- */

struct totals {
    uint64_t connections, sessions, stanzas_in, stanzas_out, bytes_in, bytes_out, logins, login_failures,
        messages_offline, reports, batches_in;
};

/* The counters, their names in the answer, and where their sums go. */
static const struct {
    const char *name;
    enum control_type type;
    bool is_detail;
    size_t counter; /* in struct worker_counters */
    size_t total;   /* in struct totals */
} counters[] = {
#define COUNTER(field, type, is_detail)                                                                                \
    {                                                                                                                  \
#field, type, is_detail, offsetof(struct worker_counters, field), offsetof(struct totals, field)               \
    }
    COUNTER(connections, CONTROL_INT, false),     COUNTER(sessions, CONTROL_INT, false),
    COUNTER(stanzas_in, CONTROL_INT, false),      COUNTER(stanzas_out, CONTROL_INT, false),
    COUNTER(bytes_in, CONTROL_BYTES, false),      COUNTER(bytes_out, CONTROL_BYTES, false),
    COUNTER(logins, CONTROL_INT, false),          COUNTER(login_failures, CONTROL_INT, false),
    COUNTER(messages_offline, CONTROL_INT, true), COUNTER(reports, CONTROL_INT, true),
    COUNTER(batches_in, CONTROL_INT, true),
#undef COUNTER
};

static uint64_t read_counter(const struct worker *w, size_t i)
{
    const _Atomic uint64_t *counter = (const void *)((const char *)&w->counters + counters[i].counter);

    return atomic_load_explicit(counter, memory_order_relaxed);
}

static uint64_t sum_counter(const struct server *server, size_t i)
{
    uint64_t sum = 0;

    for (unsigned w = 0; w < server->n_workers; w++)
        sum += read_counter(server->workers[w], i);
    return sum;
}

/* Memory of the process that is in RAM; 0: the kernel does not say. */
static uint64_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long long size, resident = 0;

    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    (void)fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_server(struct control *c, struct buf *out)
{
    static const struct control_column head[] = {
        {"version", CONTROL_TEXT, false}, {"pid", CONTROL_INT, false},        {"config", CONTROL_TEXT, false},
        {"started", CONTROL_TIME, false}, {"uptime", CONTROL_SECONDS, false}, {"draining", CONTROL_BOOL, false},
        {"memory", CONTROL_BYTES, false}, {"hosts", CONTROL_INT, false},
    };
    static const struct control_column tail[] = {
        {"handshakes_waiting", CONTROL_INT, false}, {"handshakes_refused", CONTROL_INT, false},
        {"passwords_waiting", CONTROL_INT, false},  {"passwords_refused", CONTROL_INT, false},
        {"storage_failing", CONTROL_BOOL, false},   {"storage_transactions", CONTROL_INT, false},
        {"storage_commits", CONTROL_INT, false},    {"storage_failures", CONTROL_INT, false},
        {"log_dropped", CONTROL_INT, false},        {"log_unwritten", CONTROL_INT, false},
    };
    struct control_column columns[ARRAY_LEN(head) + ARRAY_LEN(counters) + ARRAY_LEN(tail)];
    const struct config *cfg = control_config(c);
    struct storage_stats storage;
    struct pool_stats pool;
    struct log_stats log;
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(head); i++)
        columns[n++] = head[i];
    for (size_t i = 0; i < ARRAY_LEN(counters); i++)
        columns[n++] = (struct control_column){counters[i].name, counters[i].type, false};
    for (size_t i = 0; i < ARRAY_LEN(tail); i++)
        columns[n++] = tail[i];
    storage_get_stats(c->server->storage, &storage);
    pool_get_stats(c->server->pool, &pool);
    log_get_stats(&log);
    control_put_table(out, "server", CONTROL_ONE, columns, n);
    control_begin_line(out, "row");
    control_put_cstr(out, LINNET_VERSION);
    control_put_int(out, getpid());
    control_put_cstr(out, cfg->path);
    control_put_int(out, c->server->started_ms);
    control_put_int(out, (wall_clock_ms() - c->server->started_ms) / 1000);
    control_put_bool(out, c->callbacks->is_draining(c->callbacks->ctx));
    control_put_int(out, (int64_t)resident_bytes());
    control_put_int(out, (int64_t)cfg->n_hosts);
    for (size_t i = 0; i < ARRAY_LEN(counters); i++)
        control_put_int(out, (int64_t)sum_counter(c->server, i));
    control_put_int(out, pool.handshakes_waiting);
    control_put_int(out, (int64_t)pool.handshakes_refused);
    control_put_int(out, pool.passwords_waiting);
    control_put_int(out, (int64_t)pool.passwords_refused);
    control_put_bool(out, storage.is_failing);
    control_put_int(out, (int64_t)storage.transactions);
    control_put_int(out, (int64_t)storage.commits);
    control_put_int(out, (int64_t)storage.failures);
    control_put_int(out, (int64_t)log.dropped);
    control_put_int(out, (int64_t)log.unwritten);
    control_end_line(out);
}

static void put_workers(struct control *c, struct buf *out)
{
    struct control_column columns[1 + ARRAY_LEN(counters)] = {{"worker", CONTROL_INT, false}};

    for (size_t i = 0; i < ARRAY_LEN(counters); i++)
        columns[1 + i] = (struct control_column){counters[i].name, counters[i].type, counters[i].is_detail};
    control_put_table(out, "workers", CONTROL_MANY, columns, ARRAY_LEN(columns));
    for (unsigned w = 0; w < c->server->n_workers; w++) {
        control_begin_line(out, "row");
        control_put_int(out, w);
        for (size_t i = 0; i < ARRAY_LEN(counters); i++)
            control_put_int(out, (int64_t)read_counter(c->server->workers[w], i));
        control_end_line(out);
    }
}

static void run_status(struct control *c, struct control_request *r)
{
    put_server(c, control_out(r));
    put_workers(c, control_out(r));
    control_ok(r, "%s", "");
}

/* ---- configuration, log, end ---- */

struct reload {
    struct buf *out;
    size_t n_changes;
};

static void put_change(void *arg, const struct config_change *change)
{
    struct reload *reload = arg;

    reload->n_changes++;
    control_begin_line(reload->out, "row");
    control_put_cstr(reload->out, change->key);
    control_put_cstr(reload->out, change->host);
    control_put_bool(reload->out, change->needs_restart);
    control_end_line(reload->out);
}

/* The end of a text, without its line feeds. */
static struct str without_line_feeds(struct str s)
{
    while (s.len > 0 && s.p[s.len - 1] == '\n')
        s.len--;
    return s;
}

static void run_reload(struct control *c, struct control_request *r)
{
    static const struct control_column changes[] = {
        {"key", CONTROL_TEXT, false}, {"host", CONTROL_TEXT, false}, {"needs_restart", CONTROL_BOOL, false}};
    struct buf messages = {0};
    struct reload reload = {.out = control_out(r)};

    control_put_table(reload.out, "changes", CONTROL_MANY, changes, ARRAY_LEN(changes));
    if (!c->callbacks->reload(c->callbacks->ctx, put_change, &reload, &messages)) {
        buf_clear(reload.out);
        control_fail(r, "the file was refused, and the old configuration stays in force:\n%.*s",
                     STR_ARG(without_line_feeds(buf_str(&messages))));
    } else if (messages.len > 0) {
        control_ok(r, "the file was read; noticed:\n%.*s", STR_ARG(without_line_feeds(buf_str(&messages))));
    } else {
        control_ok(r, "%s", reload.n_changes == 0 ? "the file was read; nothing has changed" : "the file was read");
    }
    buf_deinit(&messages);
}

static void run_config(struct control *c, struct control_request *r)
{
    static const struct control_column columns[] = {{"toml", CONTROL_TEXT, false}};
    struct str key = control_arg(r, 1), host = control_arg(r, 2);
    char *key_text = str_dup(key), *host_text = str_dup(host);
    struct buf toml = {0};
    enum ln_err err = LN_OK;

    if (key.p == NULL)
        config_print(control_config(c), &toml);
    else
        err = config_print_key(control_config(c), key_text, host.p == NULL ? NULL : host_text, &toml);
    if (err == LN_OK) {
        control_put_table(control_out(r), "config", CONTROL_RAW, columns, ARRAY_LEN(columns));
        control_begin_line(control_out(r), "row");
        control_put_str(control_out(r), without_line_feeds(buf_str(&toml)));
        control_end_line(control_out(r));
        control_ok(r, "%s", "");
    } else {
        control_fail(r, "%s: there is no such key or host; linnetctl config shows all", key_text);
    }
    buf_deinit(&toml);
    free(key_text);
    free(host_text);
}

static bool find_level(struct str name, enum log_level *ret)
{
    for (unsigned i = 0; i < LOG_LEVELS; i++) {
        if (str_is(name, log_level_name((enum log_level)i))) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void put_levels(struct buf *out)
{
    static const struct control_column columns[] = {{"subsystem", CONTROL_TEXT, false}, {"level", CONTROL_TEXT, false}};

    control_put_table(out, "levels", CONTROL_MANY, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; i < LOG_SUBSYSTEMS; i++) {
        control_begin_line(out, "row");
        control_put_cstr(out, log_subsystem_name((enum log_subsystem)i));
        control_put_cstr(out, log_level_name(log_get_level((enum log_subsystem)i)));
        control_end_line(out);
    }
}

/* log-level, log-level LEVEL, log-level SUBSYSTEM LEVEL */
static void run_log_level(struct control *c, struct control_request *r)
{
    bool is_for_one = control_n_args(r) == 3, was_found = false;
    struct str subsystem = is_for_one ? control_arg(r, 1) : str_make(NULL, 0);
    struct str name = control_arg(r, is_for_one ? 2 : 1);
    enum log_level level = LOG_LEVEL_INFO;
    bool is_question = control_n_args(r) == 1;

    (void)c;
    if (!is_question && !find_level(name, &level)) {
        control_fail(r, "%.*s: a level is one of error, warn, info, debug", STR_ARG(name));
        return;
    }
    for (unsigned i = 0; i < LOG_SUBSYSTEMS && !is_question; i++) {
        if (is_for_one && !str_is(subsystem, log_subsystem_name((enum log_subsystem)i)))
            continue;
        was_found = true;
        log_set_level((enum log_subsystem)i, level);
    }
    if (!is_question && !was_found) {
        control_fail(r, "%.*s: a subsystem is one of net, stream, sasl, im, module, storage, control",
                     STR_ARG(subsystem));
        return;
    }
    put_levels(control_out(r));
    control_ok(r, "%s", is_question ? "" : "until the next reload or restart");
}

static void run_log_reopen(struct control *c, struct control_request *r)
{
    (void)c;
    log_reopen();
    control_ok(r, "the log file is opened anew");
}

static void on_stop_told(struct control_request *r)
{
    the.callbacks->stop(the.callbacks->ctx);
    control_ok(r, "%s", "");
}

/* The answer goes first: the socket may be gone with the next turn of the loop. */
static void run_stop(struct control *c, struct control_request *r)
{
    static const struct control_column columns[] = {{"pid", CONTROL_INT, false}, {"wait_s", CONTROL_SECONDS, false}};

    control_put_table(control_out(r), "stopping", CONTROL_ONE, columns, ARRAY_LEN(columns));
    control_begin_line(control_out(r), "row");
    control_put_int(control_out(r), getpid());
    control_put_int(control_out(r), (int64_t)control_config(c)->server.shutdown_s);
    control_end_line(control_out(r));
    control_send(r, on_stop_told);
}

/* ---- the table ---- */

static const struct control_command commands[] = {
    {"status", 0, 0, true, run_status},
    {"sessions", 0, 1, true, control_sessions},
    {"kick", 1, 2, false, control_kick},
    {"clients", 1, 1, true, control_clients},
    {"logout", 2, 2, false, control_logout},
    {"users", 0, 1, true, control_users},
    {"reports", 0, 2, true, control_reports},
    {"adduser", 2, 2, false, control_adduser},
    {"passwd", 2, 2, false, control_passwd},
    {"deluser", 1, 1, false, control_deluser},
    {"invite", 5, 5, false, control_invite},
    {"invites", 0, 1, true, control_invites},
    {"uninvite", 2, 2, false, control_uninvite},
    {"reload", 0, 0, false, run_reload},
    {"config", 0, 2, true, run_config},
    {"log-level", 0, 2, false, run_log_level},
    {"log-reopen", 0, 0, false, run_log_reopen},
    {"stop", 0, 0, false, run_stop},
    {"import", 2, CONTROL_FIELDS_MAX, false, control_import},
};

/* The first argument is an address, an id or the name of something; a password never is. */
static void log_command(const struct control_command *command, const struct control_request *r)
{
    if (command->only_looks)
        log_debug(LOG_CONTROL, 0, "control.command", F_CSTR("command", command->name), F_STR("arg", control_arg(r, 1)));
    else
        log_info(LOG_CONTROL, 0, "control.command", F_CSTR("command", command->name), F_STR("arg", control_arg(r, 1)));
}

static void on_request(void *ctx, struct control_request *r)
{
    struct str name = control_arg(r, 0);
    size_t n_args = control_n_args(r) - 1;

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (!str_is(name, commands[i].name))
            continue;
        if (n_args < commands[i].args_min || n_args > commands[i].args_max) {
            control_fail(r, "%s: not with %zu arguments", commands[i].name, n_args);
            return;
        }
        log_command(&commands[i], r);
        commands[i].run(ctx, r);
        return;
    }
    control_fail(r, "%.*s: this server knows no such command", STR_ARG(name));
}

enum ln_err control_socket_open(uv_loop_t *loop, struct server *server, const struct control_callbacks *callbacks,
                                const char *path, char *ret_error)
{
    assert(the.listener == NULL);
    the.server = server;
    the.callbacks = callbacks;
    return control_listener_open(loop, path, &control_limits_default, on_request, &the, &the.listener, ret_error);
}

void control_socket_close(void)
{
    control_listener_close(&the.listener);
}
