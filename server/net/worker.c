#include "server/net/worker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/mem.h"
#include "common/xmpp/xml_reader.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/net/conn.h"
#include "server/net/tls.h"

static _Thread_local struct worker *current;

struct worker *worker_current(void)
{
    return current;
}

void worker_assert_current(const struct worker *w)
{
    assert(current == w);
}

static struct worker *worker_of_executor(struct executor *e)
{
    return container_of(e, struct worker, executor);
}

static void post_to_worker(struct executor *to, struct task *own_task)
{
    struct worker *w = worker_of_executor(to);

    if (mpsc_push(&w->inbox, &own_task->node))
        wakeup_send(&w->wakeup);
}

static void run_inbox(struct worker *w)
{
    /* One wake-up may stand for many tasks. Those posted while we work wait for the next turn: a flood cannot keep this
     * loop from its sockets. */
    for (struct mpsc_node *node = mpsc_take_all(&w->inbox), *next; node != NULL; node = next) {
        struct task *task = container_of(node, struct task, node);

        next = node->next; /* before it runs, which may free it */
        task->run(task);
    }
}

/* More rounds than this in one turn mean that work keeps making work: the sockets get their chance first. */
enum { END_TURN_ROUNDS = 16 };

static void on_again(uv_idle_t *idle)
{
    (void)uv_idle_stop(idle); /* its purpose was only to keep the loop from sleeping */
}

static void worker_end_turn(struct worker *w)
{
    const struct worker_events *ev = w->server->events;
    int rounds = 0;

    assert(!w->in_end_turn);
    w->in_end_turn = true;
    do {
        conn_run_resumed(w);
        ev->on_turn_end(w);
        conn_flush_dirty(w);
    } while ((w->resumed.first != NULL || w->dirty.first != NULL) && ++rounds < END_TURN_ROUNDS);
    ev->on_turn_end(w);
    w->in_end_turn = false;
    if (w->resumed.first != NULL || w->dirty.first != NULL)
        (void)uv_idle_start(&w->again, on_again);
}

static void on_prepare(uv_prepare_t *h)
{
    struct worker *w = h->data;

    worker_end_turn(w);
    if (!wakeup_may_sleep(&w->wakeup, &w->inbox))
        (void)uv_idle_start(&w->again, on_again);
}

static void on_check(uv_check_t *h)
{
    struct worker *w = h->data;

    wakeup_is_awake(&w->wakeup);
    run_inbox(w);
    if (!uv_is_closing((uv_handle_t *)h)) /* told to stop */
        worker_end_turn(w);
}

static void on_tick(uv_timer_t *t)
{
    struct worker *w = t->data;

    wheel_advance(&w->wheel, (worker_now_ms(w) - w->loop_started_ms) / WHEEL_TICK_MS);
    conn_end_overdue(w);
    if (worker_now_ms(w) >= w->next_second_ms) {
        w->next_second_ms = worker_now_ms(w) + 1000;
        w->server->events->on_second(w);
    }
}

static bool worker_open_loop(struct worker *w)
{
    if (uv_loop_init(&w->loop) != 0)
        return false;
    if (!wakeup_init(&w->wakeup, &w->loop)) {
        (void)uv_loop_close(&w->loop);
        return false;
    }
    (void)uv_prepare_init(&w->loop, &w->prepare);
    (void)uv_check_init(&w->loop, &w->check);
    (void)uv_timer_init(&w->loop, &w->ticker);
    (void)uv_idle_init(&w->loop, &w->again);
    w->prepare.data = w->check.data = w->ticker.data = w->again.data = w;
    (void)uv_prepare_start(&w->prepare, on_prepare);
    (void)uv_check_start(&w->check, on_check);
    (void)uv_timer_start(&w->ticker, on_tick, WHEEL_TICK_MS, WHEEL_TICK_MS);
    w->loop_started_ms = worker_now_ms(w);
    w->next_second_ms = w->loop_started_ms + 1000;
    return true;
}

static void worker_main(void *arg)
{
    struct worker *w = arg;

    current = w;
    log_set_thread((int)w->index);
    w->server->events->on_start(w);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    current = NULL;
}

bool worker_make(struct server *server, unsigned index, struct config *config, struct tls_context *tls)
{
    struct worker *w = mem_zalloc(sizeof(*w));

    if (!worker_open_loop(w)) {
        free(w);
        return false;
    }
    w->executor.post = post_to_worker;
    w->server = server;
    w->index = index;
    w->config = config_ref(config);
    w->tls = tls_context_ref(tls);
    w->scratch = xml_scratch_new();
    mpsc_init(&w->inbox);
    wheel_init(&w->wheel);
    server->workers[index] = w;
    return true;
}

bool worker_start(struct worker *w)
{
    w->is_started = uv_thread_create(&w->thread, worker_main, w) == 0;
    return w->is_started;
}

static void close_loop(struct worker *w)
{
    uv_close((uv_handle_t *)&w->prepare, NULL);
    uv_close((uv_handle_t *)&w->check, NULL);
    uv_close((uv_handle_t *)&w->ticker, NULL);
    uv_close((uv_handle_t *)&w->again, NULL);
    wakeup_close(&w->wakeup); /* others may still post answers: worker_settle() takes them */
}

static void end_all(struct worker *w)
{
    w->server->events->on_stop(w);
    conn_close_all_now(w);
}

static void stop_loop(struct worker *w, void *arg)
{
    (void)arg;
    end_all(w);
    close_loop(w);
}

void worker_stop(struct worker *w)
{
    if (!w->is_started) {
        close_loop(w);
        return;
    }
    worker_call(w, stop_loop, NULL);
    (void)uv_thread_join(&w->thread);
}

bool worker_settle(struct worker *w)
{
    bool any = atomic_load(&w->inbox.newest) != NULL;

    if (!w->is_started)
        return false;
    current = w; /* its thread has ended: this one stands in for it */
    run_inbox(w);
    if (w->conns.first != NULL)
        end_all(w); /* a connection that was on its way here when the thread ended */
    w->server->events->on_turn_end(w);
    current = NULL;
    return any;
}

bool worker_may_save(struct worker *w)
{
    bool may = true;

    current = w;
    if (w->is_started)
        may = w->server->events->may_save(w);
    current = NULL;
    return may;
}

void worker_save(struct worker *w)
{
    current = w;
    if (w->is_started)
        w->server->events->on_save(w);
    current = NULL;
}

void worker_free(struct worker **own_w)
{
    struct worker *w = *own_w;

    *own_w = NULL;
    if (w == NULL)
        return;
    current = w;
    w->server->events->on_free(w);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    current = NULL;
    (void)uv_loop_close(&w->loop);
    wakeup_deinit(&w->wakeup);
    config_unref(&w->config);
    tls_context_unref(&w->tls);
    xml_scratch_free(&w->scratch);
    buf_deinit(&w->plain);
    while (w->n_spares > 0)
        buf_deinit(&w->spares[--w->n_spares]);
    free(w);
}

struct worker_call_task {
    struct task task;
    struct worker *w;
    void (*fn)(struct worker *w, void *arg);
    void *arg;
};

static void run_call(struct task *own_task)
{
    struct worker_call_task *call = container_of(own_task, struct worker_call_task, task);

    call->fn(call->w, call->arg);
    free(call);
}

void worker_call(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg)
{
    struct worker_call_task *call = mem_alloc(sizeof(*call));

    *call = (struct worker_call_task){.task.run = run_call, .w = w, .fn = fn, .arg = arg};
    executor_post(&w->executor, &call->task);
}

struct new_config {
    struct config *config;
    struct tls_context *tls;
};

static void switch_config(struct worker *w, void *arg)
{
    struct new_config *next = arg;
    struct config *old = w->config;

    w->config = next->config;
    tls_context_unref(&w->tls);
    w->tls = next->tls;
    free(next);
    w->server->events->on_config(w, old);
    config_unref(&old);
}

void worker_set_config(struct worker *w, struct config *config, struct tls_context *tls)
{
    struct new_config *next = mem_alloc(sizeof(*next));

    *next = (struct new_config){config_ref(config), tls_context_ref(tls)};
    worker_call(w, switch_config, next);
}

struct worker *server_home_of(const struct server *s, struct str bare_jid)
{
    if (s->n_workers == 1)
        return s->workers[0];
    return s->workers[siphash(&s->placement_key, bare_jid) % s->n_workers];
}

int64_t wall_clock_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint64_t worker_next_id(struct worker *w)
{
    struct timespec ts;
    uint64_t now;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    now = (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
    w->last_id = now > w->last_id ? now : w->last_id + 1;
    return w->last_id;
}

static void ask_kernel_for_random(void *out, size_t len)
{
    char *p = out;

    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            fprintf(stderr, "linnet: the kernel gives no random bytes\n");
            abort();
        }
        p += n;
        len -= (size_t)n;
    }
}

/* A login needs four handfuls: they are fetched by the bucket, and what was handed out is wiped. */
void random_bytes(void *out, size_t len)
{
    enum { BUCKET = 256 };
    static _Thread_local char bucket[BUCKET];
    static _Thread_local size_t left;

    if (len > BUCKET / 4) {
        ask_kernel_for_random(out, len);
        return;
    }
    if (left < len) {
        ask_kernel_for_random(bucket, BUCKET);
        left = BUCKET;
    }
    left -= len;
    memcpy(out, bucket + left, len);
    mem_wipe(bucket + left, len);
}

struct str random_hex(char *out, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[32];

    assert(n <= sizeof(bytes));
    random_bytes(bytes, n);
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    return str_make(out, 2 * n);
}
