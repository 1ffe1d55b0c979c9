/* server/main.c - the linnet program: arguments, signals, ordered start and drain.
 *
 * The main thread runs the control loop: listeners (net/acceptor.h), the operator's commands
 * (control/control_socket.h), signals. Everything is made in an order in which each part finds what it needs, and
 * unmade in the reverse: listeners close, clients are told, what was acknowledged is committed, threads end, memory
 * goes. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/control/certificates.h"
#include "server/control/control_socket.h"
#include "server/control/notify.h"
#include "server/im/hooks.h"
#include "server/im/im.h"
#include "server/im/saved.h"
#include "server/modules/module.h"
#include "server/net/acceptor.h"
#include "server/net/pool.h"
#include "server/net/throttle.h"
#include "server/net/tls.h"
#include "server/net/worker.h"
#include "server/storage/storage.h"

#define DEFAULT_CONFIG "/etc/linnet/linnet.toml"

enum {
    EXIT_USAGE = 2,
    DRAIN_LOOK_MS = 50,
    SAVE_PATIENCE_MS = 5000,
};

/* The control thread, as an executor for others. */
struct control_thread {
    struct executor executor;
    struct mpsc_queue inbox;
    struct wakeup wakeup;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t again; /* runs while there is something in the inbox */
};

static struct {
    const char *config_path;
    struct config *config;
    struct tls_context *tls;
    struct tls_tickets *tickets;
    struct server server;
    struct throttle throttle;
    struct acceptor *acceptor;
    struct control_thread control;
    uv_loop_t loop;
    uv_signal_t signals[4];
    uv_timer_t drain_timer;
    uint64_t drain_until_ms;
    bool is_draining;
    bool has_been_cut; /* the time to drain is over */
} app;

/* ---- the control thread as an executor ---- */

static void post_to_control(struct executor *to, struct task *own_task)
{
    struct control_thread *c = container_of(to, struct control_thread, executor);

    if (mpsc_push(&c->inbox, &own_task->node))
        wakeup_send(&c->wakeup);
}

static bool run_control_inbox(void)
{
    struct mpsc_node *node = mpsc_take_all(&app.control.inbox), *next;
    bool any = node != NULL;

    for (; node != NULL; node = next) {
        struct task *task = container_of(node, struct task, node);

        next = node->next;
        task->run(task);
    }
    return any;
}

static void on_again(uv_idle_t *idle)
{
    (void)uv_idle_stop(idle); /* its purpose was only to keep the loop from sleeping */
}

static void on_prepare(uv_prepare_t *h)
{
    struct control_thread *c = h->data;

    if (!wakeup_may_sleep(&c->wakeup, &c->inbox))
        (void)uv_idle_start(&c->again, on_again);
}

static void on_check(uv_check_t *h)
{
    struct control_thread *c = h->data;

    wakeup_is_awake(&c->wakeup);
    (void)run_control_inbox();
}

/* ---- reload ---- */

static void log_lines(enum log_level level, const char *event, const struct buf *messages)
{
    struct str rest = buf_str(messages);

    while (rest.len > 0) {
        ptrdiff_t end = str_find(rest, '\n');
        struct str line = str_make(rest.p, end < 0 ? rest.len : (size_t)end);

        if (level == LOG_LEVEL_ERROR)
            log_error(LOG_CONTROL, 0, event, F_STR("what", line));
        else
            log_warn(LOG_CONTROL, 0, event, F_STR("what", line));
        rest = str_make(rest.p + line.len, rest.len - line.len);
        rest = rest.len > 0 ? str_make(rest.p + 1, rest.len - 1) : rest;
    }
}

static void set_pool_limits(const struct config *cfg)
{
    pool_set_limit(app.server.pool, POOL_HANDSHAKE, (unsigned)cfg->limits.handshakes_waiting);
    pool_set_limit(app.server.pool, POOL_PASSWORD, (unsigned)cfg->limits.passwords_waiting);
}

static bool reload(void *ctx, void (*on_change)(void *arg, const struct config_change *change), void *arg,
                   struct buf *messages)
{
    struct config *read = NULL, *merged;
    struct tls_context *tls = NULL;

    (void)ctx;
    if (app.is_draining) {
        buf_append_cstr(messages, "the server is stopping");
        return false;
    }
    if (config_load(app.config_path, modules_names(), &read, messages) != LN_OK) {
        log_lines(LOG_LEVEL_ERROR, "reload.refused", messages);
        return false;
    }
    merged = config_merge_for_reload(app.config, read);
    if (certificates_load(merged, app.tickets, &tls, messages) != LN_OK) {
        log_lines(LOG_LEVEL_ERROR, "reload.refused", messages);
        config_unref(&merged);
        config_unref(&read);
        return false;
    }
    log_lines(LOG_LEVEL_WARN, "reload.note", messages);
    (void)config_diff(app.config, read, on_change, arg);
    config_unref(&read);
    config_unref(&app.config);
    tls_context_unref(&app.tls);
    app.config = merged;
    app.tls = tls;
    config_apply_log_levels(merged);
    acceptor_set_config(app.acceptor, merged);
    set_pool_limits(merged);
    for (unsigned i = 0; i < app.server.n_workers; i++)
        worker_set_config(app.server.workers[i], merged, tls);
    log_info(LOG_CONTROL, 0, "reload.done", F_CSTR("config", app.config_path));
    return true;
}

static void log_change(void *arg, const struct config_change *change)
{
    (void)arg;
    log_info(LOG_CONTROL, 0, change->needs_restart ? "reload.needs_restart" : "reload.changed",
             F_CSTR("key", change->key), F_CSTR("host", change->host));
}

/* ---- the end ---- */

static void drain_worker(struct worker *w, void *arg)
{
    (void)arg;
    w->server->events->on_drain(w);
}

static uint64_t connections_left(void)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < app.server.n_workers; i++)
        n += atomic_load(&app.server.workers[i]->counters.connections);
    return n;
}

static void on_drain_look(uv_timer_t *t)
{
    bool is_late = uv_now(&app.loop) >= app.drain_until_ms;

    if (connections_left() > 0 && !is_late)
        return;
    app.has_been_cut = connections_left() > 0;
    (void)uv_timer_stop(t);
    uv_stop(&app.loop);
}

static void begin_stop(void *ctx)
{
    (void)ctx;
    if (app.is_draining)
        return;
    app.is_draining = true;
    notify_stopping();
    log_info(LOG_CONTROL, 0, "server.stopping", F_U64("connections", connections_left()),
             F_U64("seconds", app.config->server.shutdown_s));
    acceptor_stop_listening(app.acceptor);
    for (unsigned i = 0; i < app.server.n_workers; i++)
        worker_call(app.server.workers[i], drain_worker, NULL);
    uv_update_time(&app.loop);
    app.drain_until_ms = uv_now(&app.loop) + app.config->server.shutdown_s * 1000;
    (void)uv_timer_start(&app.drain_timer, on_drain_look, DRAIN_LOOK_MS, DRAIN_LOOK_MS);
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *s, int number)
{
    struct buf messages = {0};

    (void)s;
    switch (number) {
    case SIGHUP:
        if (app.is_draining)
            break;
        notify_reloading();
        (void)reload(NULL, log_change, NULL, &messages);
        notify_ready();
        break;
    case SIGUSR1:
        log_reopen();
        break;
    default:
        if (app.is_draining)
            app.drain_until_ms = 0; /* asked for twice: now */
        begin_stop(NULL);
        break;
    }
    buf_deinit(&messages);
}

/* From the first moment on: asked to reload or to open the log again before there is anything to be done, a program
 * would end. */
static void ignore_signals(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk to us, not a reason to die */
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGUSR1, SIG_IGN);
}

static void watch_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        (void)uv_signal_init(&app.loop, &app.signals[i]);
        (void)uv_signal_start(&app.signals[i], on_signal, numbers[i]);
    }
}

/* ---- the beginning ---- */

static int fail(const char *what)
{
    fprintf(stderr, "linnet: %s\n", what);
    return EXIT_FAILURE;
}

static unsigned count_or_cpus(uint64_t configured)
{
    unsigned n = (unsigned)configured;

    return n > 0 ? n : uv_available_parallelism();
}

/* As many open files as the kernel lets us have: each client is one. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < app.config->limits.connections)
        log_warn(LOG_CONTROL, 0, "limits.open_files", F_U64("limit", limit.rlim_cur),
                 F_U64("connections", app.config->limits.connections),
                 F_CSTR("mend", "raise it (ulimit -n, LimitNOFILE), or lower limits.connections"));
}

static void log_of_storage(int level, const char *event, const char *details)
{
    if (level == 0)
        log_error(LOG_STORAGE, 0, event, F_CSTR("what", details));
    else if (level == 1)
        log_warn(LOG_STORAGE, 0, event, F_CSTR("what", details));
    else
        log_info(LOG_STORAGE, 0, event, F_CSTR("what", details));
}

static enum ln_err open_storage(char *error)
{
    const struct config *cfg = app.config;
    struct storage_options opt = {
        .backend = config_names_storage_backend[cfg->storage.backend],
        .path = cfg->storage.path,
        .readers = (unsigned)cfg->storage.readers,
        .log = log_of_storage,
    };

    return storage_open(&opt, &app.server.storage, error);
}

/* ---- the secret behind the salts of unknown users: made once, kept ---- */

static void on_secret_saved(void *ctx, enum ln_err err)
{
    *(enum ln_err *)ctx = err;
    uv_stop(&app.loop);
}

struct secret_read {
    enum ln_err err;
    bool is_there;
};

static void on_secret(void *ctx, const struct storage_rows *rows)
{
    struct secret_read *r = ctx;

    r->err = rows->err;
    r->is_there = rows->n == 1 && rows->rows[0].bytes.len == sizeof(app.server.secret);
    if (r->is_there)
        memcpy(app.server.secret, rows->rows[0].bytes.p, sizeof(app.server.secret));
    uv_stop(&app.loop);
}

static enum ln_err load_secret(void)
{
    struct storage_query q = {.kind = STORAGE_GET, .owner = STR(""), .collection = STR("server"), .key = STR("secret")};
    struct secret_read r = {0};
    struct storage_txn *t;

    storage_read(app.server.storage, &q, &app.control.executor, on_secret, &r);
    (void)uv_run(&app.loop, UV_RUN_DEFAULT);
    if (r.err != LN_OK || r.is_there)
        return r.err;
    random_bytes(app.server.secret, sizeof(app.server.secret));
    t = storage_txn_new();
    storage_txn_put(t, q.owner, q.collection, q.key,
                    str_make((const char *)app.server.secret, sizeof(app.server.secret)));
    storage_commit(app.server.storage, t, &app.control.executor, on_secret_saved, &r.err);
    (void)uv_run(&app.loop, UV_RUN_DEFAULT);
    return r.err;
}

static enum ln_err start_server(void)
{
    struct server *s = &app.server;

    s->n_workers = count_or_cpus(app.config->server.workers);
    s->workers = mem_zalloc(s->n_workers * sizeof(struct worker *));
    s->events = im_start();
    s->throttle = &app.throttle;
    s->control = &app.control.executor;
    s->started_ms = wall_clock_ms();
    random_bytes(&s->placement_key, sizeof(s->placement_key));
    random_bytes(&s->table_key, sizeof(s->table_key));
    atomic_init(&s->next_conn_id, 1);
    throttle_init(&app.throttle);
    hooks_start(modules, s);
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (!worker_make(s, i, app.config, app.tls)) {
            s->n_workers = i; /* these are to be stopped */
            return LN_E_LIMIT;
        }
    }
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (!worker_start(s->workers[i]))
            return LN_E_LIMIT;
    }
    return LN_OK;
}

/* Answers that come when the loops have ended may lead to others, on other workers: until nobody has anything left. */
static void settle(void)
{
    bool any = true;

    while (any) {
        any = run_control_inbox();
        for (unsigned i = 0; i < app.server.n_workers; i++)
            any = worker_settle(app.server.workers[i]) || any;
    }
}

static bool may_save(void)
{
    struct storage_stats stats;
    bool may;

    storage_get_stats(app.server.storage, &stats);
    may = stats.in_flight == 0;
    for (unsigned i = 0; i < app.server.n_workers; i++)
        may = worker_may_save(app.server.workers[i]) && may;
    return may;
}

/* What goes on after a restart is saved when all is done that it waits for: that takes as long as storage does. Where
 * storage fails it is saved as it is. */
static void save_sessions(void)
{
    for (unsigned waited_ms = 0; waited_ms < SAVE_PATIENCE_MS; waited_ms++) {
        settle();
        if (may_save())
            break;
        (void)usleep(1000);
    }
    for (unsigned i = 0; i < app.server.n_workers; i++)
        worker_save(app.server.workers[i]);
}

static void stop_server(void)
{
    struct server *s = &app.server;

    for (unsigned i = 0; i < s->n_workers; i++)
        worker_stop(s->workers[i]);
    pool_free(&s->pool);
    save_sessions();
    settle();
    storage_stop(s->storage);
    settle();
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_free(&s->workers[i]);
    (void)run_control_inbox();
    free(s->workers);
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static const struct config *current_config(void *ctx)
{
    (void)ctx;
    return app.config;
}

static bool is_draining(void *ctx)
{
    (void)ctx;
    return app.is_draining;
}

static const struct control_callbacks control_callbacks = {
    .reload = reload,
    .stop = begin_stop,
    .is_draining = is_draining,
    .config = current_config,
};

/* ---- sessions that were saved at the last stop ---- */

static void on_sessions_restored(void *ctx)
{
    *(bool *)ctx = true;
    uv_stop(&app.loop);
}

static void restore_sessions(void)
{
    bool is_done = false;

    saved_restore_all(&app.server, on_sessions_restored, &is_done);
    while (!is_done)
        (void)uv_run(&app.loop, UV_RUN_DEFAULT);
}

/* From the listeners on the server is there. False: `error` says why not. */
static bool open_doors(char error[CONTROL_SOCKET_ERROR_SIZE])
{
    app.server.pool = pool_new(count_or_cpus(app.config->server.crypto_threads), 0);
    if (app.server.pool != NULL)
        set_pool_limits(app.config);
    if (app.server.pool == NULL || start_server() != LN_OK) {
        (void)snprintf(error, CONTROL_SOCKET_ERROR_SIZE,
                       "too few file descriptors or threads for the workers (ulimit -n, ulimit -u)");
        return false;
    }
    restore_sessions();
    watch_signals();
    return acceptor_open(&app.loop, &app.server, app.config, &app.acceptor, error) == LN_OK &&
           control_socket_open(&app.loop, &app.server, &control_callbacks, app.config->control.socket, error) == LN_OK;
}

static int serve(void)
{
    char error[CONTROL_SOCKET_ERROR_SIZE] = "";
    bool is_open = open_doors(error);

    if (is_open) {
        log_info(LOG_CONTROL, 0, "server.ready", F_CSTR("version", LINNET_VERSION),
                 F_U64("workers", app.server.n_workers), F_U64("hosts", app.config->n_hosts),
                 F_CSTR("config", app.config_path), F_I64("pid", getpid()));
        notify_ready();
        (void)uv_run(&app.loop, UV_RUN_DEFAULT);
    } else {
        log_error(LOG_CONTROL, 0, "server.failed", F_CSTR("why", error));
    }
    control_socket_close();
    acceptor_close(app.acceptor);
    stop_server();
    if (is_open)
        log_info(LOG_CONTROL, 0, "server.stopped", F_BOOL("in_time", !app.has_been_cut));
    return is_open ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Certificates, storage, secret: what has to be there before the first thread. False: it was logged why not. */
static bool open_stores(void)
{
    struct buf messages = {0};
    char error[512] = "";
    enum ln_err err;

    if (app.config->tls.ticket_lifetime_s > 0)
        app.tickets = tls_tickets_new((uint32_t)app.config->tls.ticket_lifetime_s);
    err = certificates_load(app.config, app.tickets, &app.tls, &messages);
    log_lines(err == LN_OK ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, err == LN_OK ? "certificates.note" : "server.failed",
              &messages);
    buf_deinit(&messages);
    if (err != LN_OK)
        return false;
    err = open_storage(error);
    if (err == LN_OK && (err = load_secret()) != LN_OK)
        (void)snprintf(error, sizeof(error), "%s: cannot be written or read: %s", app.config->storage.path,
                       ln_err_name(err));
    if (err != LN_OK)
        log_error(LOG_STORAGE, 0, "server.failed", F_CSTR("why", error));
    return err == LN_OK;
}

static bool open_loop(void)
{
    struct control_thread *c = &app.control;

    mpsc_init(&c->inbox);
    c->executor.post = post_to_control;
    if (uv_loop_init(&app.loop) != 0 || !wakeup_init(&c->wakeup, &app.loop))
        return false;
    (void)uv_prepare_init(&app.loop, &c->prepare);
    (void)uv_check_init(&app.loop, &c->check);
    (void)uv_idle_init(&app.loop, &c->again);
    (void)uv_timer_init(&app.loop, &app.drain_timer);
    c->prepare.data = c->check.data = c;
    (void)uv_prepare_start(&c->prepare, on_prepare);
    (void)uv_check_start(&c->check, on_check);
    return true;
}

static int run(void)
{
    struct log_options log_options = config_log_options(app.config);
    char error[512] = "";
    int status = EXIT_FAILURE;

    ignore_signals();
    config_apply_log_levels(app.config);
    if (log_start(&log_options, error) != LN_OK)
        return fail(error);
    raise_file_limit();
    if (!open_loop()) {
        log_stop();
        return fail("no event loop: too few file descriptors? (ulimit -n)");
    }
    if (open_stores())
        status = serve();
    storage_close(&app.server.storage);
    uv_walk(&app.loop, close_handle, NULL);
    (void)uv_run(&app.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&app.loop);
    wakeup_deinit(&app.control.wakeup);
    acceptor_free(&app.acceptor);
    tls_context_unref(&app.tls);
    tls_tickets_free(&app.tickets);
    log_stop();
    return status;
}

/* ---- arguments ---- */

static void print_help(FILE *to)
{
    fputs("linnet - an XMPP server\n"
          "\n"
          "usage: linnet [--config FILE] [--check-config]\n"
          "\n"
          "  -c, --config FILE   the configuration (default: " DEFAULT_CONFIG ")\n"
          "      --check-config  read the configuration, say what is wrong with it, and exit\n"
          "      --version       print the version and exit\n"
          "  -h, --help          print this and exit\n"
          "\n"
          "Signals: TERM and INT stop it in order, a second time without waiting for clients; HUP\n"
          "reads the configuration and the certificates again, USR1 opens the log file again.\n"
          "linnetctl makes accounts and looks inside.\n"
          "\n"
          "Exit status: 0 stopped in order; 1 could not start (the log says why); 2 wrong arguments.\n",
          to);
}

/* False: the program is to exit with *ret_status. */
static bool read_arguments(int argc, char **argv, bool *ret_check, int *ret_status)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, 'k'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };

    *ret_status = EXIT_SUCCESS;
    for (int c; (c = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            app.config_path = optarg;
            break;
        case 'k':
            *ret_check = true;
            break;
        case 'v':
            puts("linnet " LINNET_VERSION);
            return false;
        case 'h':
            print_help(stdout);
            return false;
        default:
            fputs("linnet --help lists the options\n", stderr);
            *ret_status = EXIT_USAGE;
            return false;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "linnet: unexpected argument '%s'; linnet --help lists the options\n", argv[optind]);
        *ret_status = EXIT_USAGE;
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct buf errors = {0};
    bool is_check = false;
    int status;

    app.config_path = DEFAULT_CONFIG;
    (void)umask(077);
    if (!read_arguments(argc, argv, &is_check, &status))
        return status;
    if (config_load(app.config_path, modules_names(), &app.config, &errors) != LN_OK) {
        fprintf(stderr, "%.*s", STR_ARG(buf_str(&errors)));
        buf_deinit(&errors);
        return EXIT_FAILURE;
    }
    if (is_check) {
        printf("%s: the configuration is valid\n", app.config_path);
        status = EXIT_SUCCESS;
    } else {
        status = run();
    }
    config_unref(&app.config);
    buf_deinit(&errors);
    return status;
}
