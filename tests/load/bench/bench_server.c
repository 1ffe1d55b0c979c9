#include "tests/load/bench/bench_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/hooks.h"
#include "server/im/im.h"
#include "server/im/roster.h"
#include "server/modules/module.h"
#include "server/net/conn.h"
#include "server/net/throttle.h"
#include "server/storage/inbox.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"
#include "tests/load/bench/bench_client.h"
#include "tests/load/bench/kernel.h"

enum { WORKERS_MAX = 2 };

static struct {
    struct server server;
    struct worker *workers[WORKERS_MAX];
    struct throttle throttle;
    struct config *config;
    struct executor control;
    struct mpsc_queue control_inbox;
    unsigned next_worker;
    bool are_threads_real;
    /* the thread that storage.c wanted */
    uv_thread_cb storage_main;
    void *storage_arg;
} bench;

/* ---- what the linker puts in the place of functions of the server and of libuv (--wrap) ---- */

int __wrap_uv_thread_create(uv_thread_t *ret, uv_thread_cb entry, void *arg);
struct storage_job *__wrap_inbox_wait(struct inbox *in, int timeout_ms);
struct tls_context *__wrap_tls_context_ref(struct tls_context *c);
int __real_uv_thread_create(uv_thread_t *ret, uv_thread_cb entry, void *arg);

/* There is none: nobody here asks for TLS. */
struct tls_context *__wrap_tls_context_ref(struct tls_context *c)
{
    return c;
}

/* A worker's is real. Of the others, the first is the storage's writer, whose work run_storage() does; the log's lines
 * stay in its queue. */
int __wrap_uv_thread_create(uv_thread_t *ret, uv_thread_cb entry, void *arg)
{
    if (bench.are_threads_real)
        return __real_uv_thread_create(ret, entry, arg);
    if (bench.storage_main == NULL) {
        bench.storage_main = entry;
        bench.storage_arg = arg;
    }
    return 0;
}

/* Where the storage's thread would wait, its turn ends. */
struct storage_job *__wrap_inbox_wait(struct inbox *in, int timeout_ms)
{
    static struct storage_job stop = {.kind = JOB_STOP};
    struct mpsc_node *node = mpsc_take_all(&in->queue);

    (void)timeout_ms;
    return node != NULL ? job_of(node) : &stop;
}

/* ---- turns ---- */

static void run_storage(void)
{
    bench.storage_main(bench.storage_arg);
}

static void run_control(void)
{
    for (struct mpsc_node *node = mpsc_take_all(&bench.control_inbox), *next; node != NULL; node = next) {
        struct task *task = container_of(node, struct task, node);

        next = node->next;
        task->run(task);
    }
}

static bool run_workers(void)
{
    bool any = false;

    for (unsigned i = 0; i < bench.server.n_workers; i++)
        any = kernel_let_run(uv_backend_fd(&bench.workers[i]->loop)) || any;
    return any;
}

void bench_server_run(void)
{
    do
        run_storage();
    while (run_workers());
    run_control();
}

/* Callgrind knows these two by their names (instructions.sh). */
__attribute__((noinline)) void bench_count_begin(void)
{
    kernel_forget_counts();
}

__attribute__((noinline)) void bench_count_end(void)
{
}

/* ---- the start, as main.c does it ---- */

static void post_to_control(struct executor *to, struct task *own_task)
{
    (void)to;
    (void)mpsc_push(&bench.control_inbox, &own_task->node);
}

static void parse_config(unsigned n_workers, struct str modules_line)
{
    struct buf text = {0}, errors = {0};

    buf_printf(&text,
               "[server]\nworkers = %u\n"
               "[tls]\nrequired = false\n"
               "[storage]\nbackend = \"memory\"\n"
               "[[host]]\nname = \"" BENCH_HOST "\"\n%.*s\n",
               n_workers, STR_ARG(modules_line));
    if (config_parse(buf_str(&text), "bench.toml", modules_names(), &bench.config, &errors) != LN_OK) {
        fprintf(stderr, "%.*s", STR_ARG(buf_str(&errors)));
        abort();
    }
    buf_deinit(&text);
}

/* All that are on by default, but the one named `off` (NULL: no exception). */
static void read_config(unsigned n_workers, const char *off)
{
    struct buf line = {0};
    struct config *usual;

    parse_config(n_workers, STR(""));
    if (off == NULL)
        return;
    usual = bench.config;
    for (size_t i = 0; i < usual->hosts[0].modules.n; i++) {
        const char *name = usual->hosts[0].modules.items[i];

        if (strcmp(name, off) != 0)
            buf_printf(&line, "%s\"%s\"", line.len == 0 ? "modules = [" : ", ", name);
    }
    buf_append_char(&line, ']');
    parse_config(n_workers, buf_str(&line));
    buf_deinit(&line);
    config_unref(&usual);
}

static void open_storage(void)
{
    const struct storage_options options = {.backend = "memory"};
    char error[STORAGE_ERROR_SIZE];
    enum ln_err err = storage_open(&options, &bench.server.storage, error);

    assert(err == LN_OK && bench.storage_main != NULL);
    (void)err;
}

static void open_log(void)
{
    struct log_options options = config_log_options(bench.config);
    char error[256];
    enum ln_err err = log_start(&options, error);

    assert(err == LN_OK);
    (void)err;
}

static void start_workers(unsigned n)
{
    bool is_well = true;

    bench.are_threads_real = true;
    for (unsigned i = 0; i < n; i++)
        is_well = is_well && worker_make(&bench.server, i, bench.config, NULL);
    for (unsigned i = 0; i < n && is_well; i++) {
        is_well = worker_start(bench.workers[i]);
        kernel_await_sleep();
    }
    assert(is_well);
}

struct server *bench_server_start(unsigned n_workers, const char *module_off)
{
    struct server *s = &bench.server;

    assert(n_workers >= 1 && n_workers <= WORKERS_MAX);
    s->n_workers = n_workers;
    s->workers = bench.workers;
    read_config(n_workers, module_off);
    config_apply_log_levels(bench.config);
    open_storage();
    open_log();
    mpsc_init(&bench.control_inbox);
    bench.control.post = post_to_control;
    s->events = im_start();
    s->throttle = &bench.throttle;
    s->control = &bench.control;
    s->started_ms = wall_clock_ms();
    random_bytes(&s->placement_key, sizeof(s->placement_key));
    random_bytes(&s->table_key, sizeof(s->table_key));
    atomic_init(&s->next_conn_id, 1);
    throttle_init(&bench.throttle);
    hooks_start(modules, s);
    start_workers(n_workers);
    bench_server_run();
    return s;
}

/* ---- the acceptor ---- */

struct arrival {
    struct task task;
    struct worker *to;
    struct conn_parcel *parcel;
};

static void run_arrival(struct task *own_task)
{
    struct arrival *x = container_of(own_task, struct arrival, task);

    x->to->server->events->on_accepted(x->to, conn_from_parcel(x->to, x->parcel));
    free(x);
}

static void run_gone(struct task *own_task)
{
    free(own_task);
}

int bench_server_accept(bool is_secured)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(40000)};
    struct sockaddr_storage addr = {0};
    struct arrival *x = mem_zalloc(sizeof(*x));
    struct task *gone = mem_zalloc(sizeof(*gone));
    int fd = socket_new();

    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&addr, &peer, sizeof(peer));
    gone->run = run_gone;
    x->task.run = run_arrival;
    x->to = bench.workers[bench.next_worker++ % bench.server.n_workers];
    x->parcel = conn_parcel_new(fd, &addr, atomic_fetch_add(&bench.server.next_conn_id, 1), CONN_STARTTLS,
                                &bench.control, gone);
    if (is_secured)
        conn_parcel_set_proxy_tls(x->parcel, STR("TLSv1.3"), STR("TLS_AES_128_GCM_SHA256"));
    executor_post(&x->to->executor, &x->task);
    return fd;
}

/* ---- accounts ---- */

static void put_contact(struct storage_txn *t, struct str owner, struct str contact)
{
    const struct roster_content content = {.jid = contact};
    struct roster_item *item = roster_item_new(&content, NULL);
    struct buf bytes = {0};

    item->version = 1;
    item->state = SUB_LISTED | SUB_TO | SUB_FROM;
    roster_item_encode(&bytes, item);
    storage_txn_put(t, owner, ROSTER_COLLECTION, contact, buf_str(&bytes));
    buf_deinit(&bytes);
    roster_item_free(&item);
}

void bench_server_add_account(struct str bare_jid, const struct str *contacts, size_t n)
{
    struct storage_txn *t = storage_txn_new();
    struct credentials c = bench_credentials();
    struct buf bytes = {0};

    credentials_encode(&bytes, &c);
    storage_txn_put(t, bare_jid, CREDENTIALS_COLLECTION, CREDENTIALS_KEY, buf_str(&bytes));
    buf_deinit(&bytes);
    for (size_t i = 0; i < n; i++)
        put_contact(t, bare_jid, contacts[i]);
    storage_commit(bench.server.storage, t, NULL, NULL, NULL);
    run_storage();
}

void bench_server_add_user_agent(struct str bare_jid, const struct user_agent *ua)
{
    struct storage_txn *t = storage_txn_new();
    struct buf bytes = {0};
    char key[USER_AGENT_KEY_LEN];

    user_agent_encode(&bytes, ua);
    storage_txn_put(t, bare_jid, CREDENTIALS_COLLECTION, user_agent_key(ua->id, key), buf_str(&bytes));
    buf_deinit(&bytes);
    storage_commit(bench.server.storage, t, NULL, NULL, NULL);
    run_storage();
}
