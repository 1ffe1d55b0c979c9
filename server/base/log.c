#include "server/base/log.h"

#include "common/buf.h"
#include "common/mem.h"
#include "common/mpsc_queue.h"
#include "server/base/log_format.h"
#include "server/base/log_sink.h"

#include <assert.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum { BATCH_BYTES = 65536 }; /* lines written by one system call */

/* In the queue: a line, or the wish to reopen the file when its turn comes. */
struct entry {
    struct mpsc_node node;
    enum { ENTRY_LINE, ENTRY_REOPEN } kind;
    enum log_level level;
    size_t len;
    char line[];
};

/* What the log thread has in hand: lines not yet written. */
struct batch {
    struct buf lines;
    enum log_level level; /* of the last one: for syslog, which gets them one by one */
    size_t n_lines;
    size_t reserved; /* of `pending`, given back when they are written */
};

static struct {
    _Atomic bool is_running;
    _Atomic(enum log_format) format;
    _Atomic bool omits_time; /* syslog has its own */
    _Atomic(size_t) queue_bytes;
    /* [any] memory of the lines in the queue and of those about to be put there */
    _Atomic(size_t) pending;
    _Atomic(uint64_t) dropped;
    _Atomic(uint64_t) dropped_untold; /* part of `dropped` that no line has told of */
    _Atomic(uint64_t) unwritten;
    struct mpsc_queue queue;
    uv_sem_t wake; /* lives as long as the process: a late producer may still post to it */
    bool has_wake;
    uv_thread_t thread;
    /* [log thread] */
    struct log_sink sink;
    uint64_t unwritten_untold;
} state;

_Atomic(unsigned char) log_levels_[LOG_SUBSYSTEMS] = {
    LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO,
};

static _Thread_local int thread_worker = -1;

/* ---- names and levels ---- */

void log_set_level(enum log_subsystem subsystem, enum log_level level)
{
    atomic_store_explicit(&log_levels_[subsystem], (unsigned char)level, memory_order_relaxed);
}

enum log_level log_get_level(enum log_subsystem subsystem)
{
    return (enum log_level)atomic_load_explicit(&log_levels_[subsystem], memory_order_relaxed);
}

const char *log_subsystem_name(enum log_subsystem subsystem)
{
    static const char *const names[LOG_SUBSYSTEMS] = {
        [LOG_NET] = "net",       [LOG_STREAM] = "stream",   [LOG_SASL] = "sasl",       [LOG_IM] = "im",
        [LOG_MODULE] = "module", [LOG_STORAGE] = "storage", [LOG_CONTROL] = "control",
    };

    return names[subsystem];
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[LOG_LEVELS] = {"error", "warn", "info", "debug"};

    return names[level];
}

void log_set_thread(int worker_index)
{
    thread_worker = worker_index;
}

/* ---- any thread ---- */

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static size_t format_now(struct log_event *ev, char line[LOG_LINE_MAX])
{
    ev->time_ms = atomic_load_explicit(&state.omits_time, memory_order_relaxed) ? -1 : now_ms();
    return log_format_line(atomic_load_explicit(&state.format, memory_order_relaxed), ev, line);
}

static void post(struct entry *own_entry)
{
    if (mpsc_push(&state.queue, &own_entry->node))
        uv_sem_post(&state.wake);
}

/* Memory in the queue, whatever the bound says. False: nobody takes from the queue, and nothing is reserved. As the
 * reservation comes first and then the look at is_running, and log_stop() does it the other way round, what is pushed
 * after a true is still taken. */
static bool reserve(size_t size, size_t *ret_before)
{
    *ret_before = atomic_fetch_add(&state.pending, size);
    if (atomic_load(&state.is_running))
        return true;
    atomic_fetch_sub(&state.pending, size);
    return false;
}

static void drop(size_t size)
{
    atomic_fetch_sub(&state.pending, size);
    atomic_fetch_add_explicit(&state.dropped, 1, memory_order_relaxed);
    /* What fills the queue may be taken from it just now, and nothing come after it to tell of this one. */
    if (atomic_fetch_add(&state.dropped_untold, 1) == 0)
        uv_sem_post(&state.wake);
}

static void enqueue(enum log_level level, const char *line, size_t len)
{
    size_t size = sizeof(struct entry) + len, before;
    struct entry *e;

    if (!reserve(size, &before)) {
        (void)!write(STDERR_FILENO, line, len);
        return;
    }
    if (before + size > atomic_load_explicit(&state.queue_bytes, memory_order_relaxed)) {
        drop(size);
        return;
    }
    e = mem_alloc(size);
    e->kind = ENTRY_LINE;
    e->level = level;
    e->len = len;
    memcpy(e->line, line, len);
    post(e);
}

void log_write(enum log_level level, enum log_subsystem subsystem, uint64_t sid, const struct log_field *fields,
               size_t n_fields)
{
    struct log_event ev = {
        .level = level,
        .subsystem = subsystem,
        .worker = thread_worker,
        .sid = sid,
        .fields = fields,
        .n_fields = n_fields,
    };
    char line[LOG_LINE_MAX];
    size_t len = format_now(&ev, line);

    enqueue(level, line, len);
}

void log_reopen(void)
{
    struct entry *e;
    size_t before;

    if (!reserve(sizeof(*e), &before))
        return;
    e = mem_zalloc(sizeof(*e));
    e->kind = ENTRY_REOPEN;
    post(e);
}

void log_get_stats(struct log_stats *ret)
{
    ret->dropped = atomic_load(&state.dropped);
    ret->unwritten = atomic_load(&state.unwritten);
}

/* ---- the log thread ---- */

/* A line of its own, past the queue. */
static bool tell(enum log_level level, const struct log_field *fields, size_t n_fields)
{
    struct log_event ev = {
        .level = level,
        .subsystem = LOG_CONTROL,
        .worker = -1,
        .fields = fields,
        .n_fields = n_fields,
    };
    char line[LOG_LINE_MAX];
    size_t len = format_now(&ev, line);

    return log_sink_write(&state.sink, level, str_make(line, len)) == 0;
}

/* Stands where lines are missing, as soon as the target takes lines again. */
static bool tell_unwritten(void)
{
    const struct log_field fields[] = {{.key = "log.unwritten"}, F_U64("lines", state.unwritten_untold)};

    if (state.unwritten_untold == 0)
        return true;
    if (!tell(LOG_LEVEL_ERROR, fields, ARRAY_LEN(fields)))
        return false;
    state.unwritten_untold = 0;
    return true;
}

static void tell_dropped(void)
{
    uint64_t n = atomic_exchange(&state.dropped_untold, 0);
    const struct log_field fields[] = {{.key = "log.dropped"}, F_U64("lines", n)};

    /* One that cannot be written is told of together with the next. */
    if (n > 0 && !tell(LOG_LEVEL_WARN, fields, ARRAY_LEN(fields)))
        atomic_fetch_add(&state.dropped_untold, n);
}

static void flush(struct batch *b)
{
    size_t missing = b->n_lines;

    if (missing > 0 && tell_unwritten())
        missing = log_sink_write(&state.sink, b->level, buf_str(&b->lines));
    atomic_fetch_add_explicit(&state.unwritten, missing, memory_order_relaxed);
    state.unwritten_untold += missing;
    atomic_fetch_sub(&state.pending, b->reserved);
    buf_clear(&b->lines);
    b->n_lines = 0;
    b->reserved = 0;
}

static void reopen(void)
{
    char why[256];
    enum ln_err err = log_sink_reopen(&state.sink, why);
    const struct log_field fields[] = {{.key = "log.reopen_failed"}, F_CSTR("reason", why)};

    if (err != LN_OK)
        (void)tell(LOG_LEVEL_ERROR, fields, ARRAY_LEN(fields));
}

static void handle(struct batch *b, struct entry *own_entry)
{
    if (own_entry->kind == ENTRY_REOPEN) {
        flush(b);
        reopen();
        b->reserved += sizeof(*own_entry);
    } else {
        buf_append(&b->lines, own_entry->line, own_entry->len);
        b->level = own_entry->level;
        b->n_lines++;
        b->reserved += sizeof(*own_entry) + own_entry->len;
    }
    free(own_entry);
    if (b->lines.len >= BATCH_BYTES || state.sink.target == LOG_TO_SYSLOG)
        flush(b);
}

static void write_queued(struct batch *b)
{
    for (struct mpsc_node *node = mpsc_take_all(&state.queue), *next; node != NULL; node = next) {
        next = node->next;
        handle(b, container_of(node, struct entry, node));
    }
    flush(b);
    tell_dropped();
}

static void on_log_thread(void *unused)
{
    struct batch b = {0};

    (void)unused;
    while (atomic_load(&state.is_running)) {
        uv_sem_wait(&state.wake);
        write_queued(&b);
    }
    /* Producers that saw is_running before it was cleared are pushing still; it is a matter of a few instructions. */
    while (atomic_load(&state.pending) > 0) {
        write_queued(&b);
        (void)sched_yield();
    }
    write_queued(&b);
    buf_deinit(&b.lines);
}

/* ---- its life ---- */

/* Signals are for the main loop, never for this thread. */
static bool start_thread(void)
{
    sigset_t all, before;
    int failed;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = uv_thread_create(&state.thread, on_log_thread, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0;
}

enum ln_err log_start(const struct log_options *opt, char *ret_error)
{
    enum ln_err err;

    assert(!atomic_load(&state.is_running));
    err = log_sink_open(&state.sink, opt->target, opt->path, ret_error);
    if (err != LN_OK)
        return err;
    if (!state.has_wake) {
        int failed = uv_sem_init(&state.wake, 0);

        assert(failed == 0); /* it has no reason to */
        state.has_wake = true;
    }
    atomic_store(&state.format, opt->format);
    atomic_store(&state.omits_time, opt->target == LOG_TO_SYSLOG);
    atomic_store(&state.queue_bytes, opt->queue_bytes);
    state.unwritten_untold = 0;
    atomic_store(&state.is_running, true);
    if (!start_thread()) {
        atomic_store(&state.is_running, false);
        log_sink_close(&state.sink);
        snprintf(ret_error, 256, "the log thread cannot be started");
        return LN_E_IO;
    }
    return LN_OK;
}

void log_stop(void)
{
    if (!atomic_exchange(&state.is_running, false))
        return;
    uv_sem_post(&state.wake);
    (void)uv_thread_join(&state.thread);
    atomic_store(&state.omits_time, false);
    log_sink_close(&state.sink);
}
