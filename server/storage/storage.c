/* server/storage/storage.c - threads, order and group commit.
 *
 *     submitters ──writes──────────────▶ writer ──held reads──▶ readers
 *               └──reads, when no write of theirs is in flight──▲
 *
 * One *writer* thread carries out all writes. Whatever waits in its inbox when it looks becomes one commit, up to a
 * bound: while the disk syncs one group, the next one gathers, so the cost of a sync is shared by as many as there are,
 * and a lone transaction does not wait for company.
 *
 * *Reader* threads answer from committed state, beside the writer. A read must not overtake an earlier write of its own
 * thread, so each thread counts its writes in flight in a *lane*: at zero a read goes straight to a reader; otherwise
 * it queues behind the writes and the writer passes it on after their commit. A lane is a slot in a fixed table that a
 * thread is dealt when it first submits something; threads that share one merely wait for each other's writes at times.
 * The writer lowers the count after the commit and before it answers: who has seen the answer reads at once.
 *
 * Nothing orders a read against *later* writes or other reads: it shows one moment between its submission and its
 * answer. */
#include "server/storage/health.h"
#include "server/storage/inbox.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <uv.h>

enum {
    LANES = 64,
    /* Bounds of a group: how long a transaction waits for those before it, and what a commit adds to SQLite's log. */
    GROUP_TXNS_MAX = 1000,
    GROUP_BYTES_MAX = 8 * 1024 * 1024,
    READ_SIZE_HINT = 2048, /* a question or three and a few small documents */
    /* While commits fail and nobody writes, the writer itself looks whether they work again: a server that tells its
     * load balancer that it is not ready gets no traffic that would find out. */
    PROBE_MS = HEALTH_PAUSE_MS,
    LAZY_MS = 5, /* how long the first lazy transaction of a group waits for company that is in a hurry */
};

enum { LOG_ERROR, LOG_WARNING }; /* see storage_options.log */

struct read_job {
    struct storage_job job;
    storage_on_rows done;
    struct arena *arena; /* the job, its strings and its rows' bytes lie in it */
    size_t n;
    struct storage_query queries[STORAGE_QUERIES_MAX]; /* strings in `arena` */
    struct storage_rows answers[STORAGE_QUERIES_MAX];
};

struct reader {
    struct storage *s;
    unsigned number;
    uv_thread_t thread;
    struct inbox inbox;
    _Atomic unsigned waiting; /* [any] jobs in the inbox or at work */
};

struct lane {
    _Atomic unsigned writes_in_flight; /* [any] up by the submitter, down by the writer */
    char pad[60];                      /* so that workers do not share a cache line */
};

struct storage {
    /* [start] */
    struct backend *backend;
    void (*log)(int level, const char *event, const char *details);
    struct reader readers[BACKEND_READERS_MAX];
    unsigned n_readers;
    uv_thread_t writer;
    /* [any] */
    struct lane lanes[LANES];
    struct inbox inbox;
    atomic_uint_fast64_t transactions, commits, failures;
    atomic_uint lazy_in_flight; /* transactions that no read waits for, so they are in no lane */
    struct health writing, reading, tidying;
    atomic_bool is_damaged; /* some page does not make sense: said once */
    atomic_bool is_stopped; /* the threads have ended */
    /* [writer] */
    struct storage_txn *group[GROUP_TXNS_MAX];
    size_t group_n;
    size_t group_lazy; /* of these */
    size_t group_bytes;
    uint64_t lazy_since;                      /* when the first lazy one came */
    struct mpsc_node *held_first, **held_end; /* reads to be passed on after the group's commit */
};

static const struct backend_class *const backends[] = {&sqlite_backend, &memory_backend};

/* ---- the log ---- */

static void log_line(struct storage *s, int level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void log_line(struct storage *s, int level, const char *event, const char *fmt, ...)
{
    char details[BACKEND_DETAIL_SIZE + 128];
    va_list args;

    if (s->log == NULL)
        return;
    va_start(args, fmt);
    (void)vsnprintf(details, sizeof(details), fmt, args);
    va_end(args);
    s->log(level, event, details);
}

/* Damage concerns single pages: other transactions and reads go on working, so this is not a state that heals. */
static void note_damage(struct storage *s, const char *detail)
{
    if (!atomic_exchange(&s->is_damaged, true))
        log_line(s, LOG_ERROR, "storage.damaged", "cause=\"%s\" next=\"stop the server and repair the database\"",
                 detail);
}

/* ---- lanes ---- */

static struct lane *lane_of_this_thread(struct storage *s)
{
    static atomic_uint dealt;
    static _Thread_local unsigned mine; /* 0: none yet */

    if (mine == 0)
        mine = 1 + atomic_fetch_add_explicit(&dealt, 1, memory_order_relaxed) % LANES;
    return &s->lanes[mine - 1];
}

/* ---- answering ---- */

static void answer_commit(struct task *own_task)
{
    struct storage_txn *t = container_of(own_task, struct storage_txn, job.task);

    t->done(t->job.ctx, t->err);
    storage_txn_free(&t);
}

static void answer_read(struct task *own_task)
{
    struct read_job *r = container_of(own_task, struct read_job, job.task);
    struct arena *arena = r->arena; /* the job itself lies inside it */

    r->done(r->job.ctx, r->answers);
    for (size_t i = 0; i < r->n; i++)
        free(r->answers[i].rows);
    arena_free(&arena);
}

static void log_unheard_failure(struct storage *s, const struct storage_txn *t)
{
    const struct storage_op *op = t->ops.first != NULL ? t->ops.first : t->conditions.first;

    log_line(s, LOG_WARNING, "storage.not_written", "err=%s owner=%.*s collection=%.*s", ln_err_name(t->err),
             STR_ARG(op->owner), STR_ARG(op->collection));
}

/* The count of those in flight that a transaction is in. */
static atomic_uint *count_of(struct storage *s, const struct storage_txn *t)
{
    return t->is_lazy ? &s->lazy_in_flight : &s->lanes[t->lane].writes_in_flight;
}

static void finish_txn(struct storage *s, struct storage_txn *own_txn, enum ln_err group_err)
{
    atomic_fetch_sub_explicit(count_of(s, own_txn), 1, memory_order_release);
    if (own_txn->done == NULL) {
        if (own_txn->err != LN_OK && group_err == LN_OK) /* else one line stands for the whole group */
            log_unheard_failure(s, own_txn);
        storage_txn_free(&own_txn);
        return;
    }
    own_txn->job.task.run = answer_commit;
    executor_post(own_txn->job.reply_to, &own_txn->job.task);
}

static void answer_query(struct storage *s, unsigned reader, struct arena *arena, const struct storage_query *q,
                         struct storage_rows *ret)
{
    struct rows rows = {.arena = arena};
    char detail[BACKEND_DETAIL_SIZE] = "";

    rows.pub.err = s->backend->class->read(s->backend, reader, q, &rows, detail);
    if (rows.pub.err != LN_OK)
        rows_clear(&rows);
    if (rows.pub.err == LN_E_CORRUPT)
        note_damage(s, detail);
    else
        health_note(&s->reading, rows.pub.err, detail, s->log);
    *ret = rows.pub;
}

static void carry_out_read(struct storage *s, unsigned reader, struct read_job *own_read)
{
    for (size_t i = 0; i < own_read->n; i++)
        answer_query(s, reader, own_read->arena, &own_read->queries[i], &own_read->answers[i]);
    own_read->job.task.run = answer_read;
    executor_post(own_read->job.reply_to, &own_read->job.task);
}

/* ---- readers ---- */

/* What waited together is answered from one moment: locking the database once for all of it. Nobody asked for less,
 * since all of them were asked before that moment. */
static bool begin_reads(struct storage *s, unsigned reader, struct storage_job *first)
{
    bool are_several =
        first->task.node.next != NULL || (first->kind == JOB_READ && container_of(first, struct read_job, job)->n > 1);

    return are_several && s->backend->class->begin_reads(s->backend, reader);
}

static void reader_main(void *arg)
{
    struct reader *r = arg;
    const struct backend_class *class = r->s->backend->class;
    bool is_stopping = false;

    (void)pthread_setname_np(pthread_self(), "storage-read");
    while (!is_stopping) {
        struct storage_job *job = inbox_wait(&r->inbox, -1), *next;
        bool has_begun = job != NULL && begin_reads(r->s, r->number, job);

        for (; job != NULL; job = next) {
            next = job_of(job->task.node.next); /* before the job is answered, which gives it away */
            if (job->kind == JOB_STOP) {
                is_stopping = true;
                continue;
            }
            carry_out_read(r->s, r->number, container_of(job, struct read_job, job));
            atomic_fetch_sub_explicit(&r->waiting, 1, memory_order_relaxed);
        }
        if (has_begun)
            class->end_reads(r->s->backend, r->number);
    }
}

/* [any] To the reader with the least to do: a long listing should not hold a login up. */
static void pass_to_reader(struct storage *s, struct storage_job *own_job)
{
    struct reader *best = &s->readers[0];
    unsigned least = atomic_load_explicit(&best->waiting, memory_order_relaxed);

    for (unsigned i = 1; i < s->n_readers && least > 0; i++) {
        unsigned waiting = atomic_load_explicit(&s->readers[i].waiting, memory_order_relaxed);

        if (waiting < least) {
            best = &s->readers[i];
            least = waiting;
        }
    }
    atomic_fetch_add_explicit(&best->waiting, 1, memory_order_relaxed);
    inbox_push(&best->inbox, own_job);
}

/* ---- the writer ---- */

static void pass_on_held_reads(struct storage *s)
{
    struct storage_job *job = job_of(s->held_first), *next;

    s->held_first = NULL;
    s->held_end = &s->held_first;
    for (; job != NULL; job = next) {
        next = job_of(job->task.node.next);
        if (s->n_readers > 0)
            pass_to_reader(s, job);
        else
            carry_out_read(s, 0, container_of(job, struct read_job, job));
    }
}

/* Is everything that was gathered lazy, and has not waited long enough? */
static int lazy_ms_left(const struct storage *s)
{
    uint64_t waited_ms = (uv_hrtime() - s->lazy_since) / 1000000;

    if (s->group_n == 0 || s->group_n > s->group_lazy || s->held_first != NULL || waited_ms >= LAZY_MS)
        return 0;
    return LAZY_MS - (int)waited_ms;
}

/* Answers come before the housekeeping, which nobody waits for. */
static void tidy(struct storage *s)
{
    char detail[BACKEND_DETAIL_SIZE] = "";

    if (s->backend->class->tidy != NULL)
        health_note(&s->tidying, s->backend->class->tidy(s->backend, detail), detail, s->log);
}

static void note_group(struct storage *s, enum ln_err err, const char *detail)
{
    size_t committed = 0, refused = 0;
    bool is_damaged = false;

    for (size_t i = 0; i < s->group_n; i++) {
        committed += s->group[i]->err == LN_OK;
        refused += err != LN_OK && s->group[i]->err == err;
        is_damaged |= s->group[i]->err == LN_E_CORRUPT;
    }
    if (is_damaged)
        note_damage(s, detail);
    health_note(&s->writing, err, detail, s->log);
    atomic_fetch_add_explicit(&s->transactions, committed, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->failures, refused, memory_order_relaxed);
    if (err == LN_OK)
        atomic_fetch_add_explicit(&s->commits, 1, memory_order_relaxed);
}

static void commit_group(struct storage *s)
{
    if (s->group_n > 0) {
        char detail[BACKEND_DETAIL_SIZE] = "";

        enum ln_err err = s->backend->class->commit(s->backend, s->group, s->group_n, detail);

        note_group(s, err, detail);
        for (size_t i = 0; i < s->group_n; i++)
            finish_txn(s, s->group[i], err);
        s->group_n = s->group_lazy = 0;
        s->group_bytes = 0;
        pass_on_held_reads(s);
        tidy(s);
    } else {
        pass_on_held_reads(s);
    }
}

static void gather(struct storage *s, struct storage_job *job)
{
    if (job->kind == JOB_READ) {
        job->task.node.next = NULL;
        *s->held_end = &job->task.node;
        s->held_end = &job->task.node.next;
        return;
    }
    struct storage_txn *t = container_of(job, struct storage_txn, job);

    if (t->is_lazy && s->group_lazy++ == 0)
        s->lazy_since = uv_hrtime();
    s->group[s->group_n++] = t;
    s->group_bytes += t->bytes;
    if (s->group_n == GROUP_TXNS_MAX || s->group_bytes >= GROUP_BYTES_MAX)
        commit_group(s);
}

static void probe(struct storage *s)
{
    char detail[BACKEND_DETAIL_SIZE] = "";

    if (s->backend->class->probe != NULL)
        health_note(&s->writing, s->backend->class->probe(s->backend, detail), detail, s->log);
}

/* -1: for ever. */
static int patience_ms(const struct storage *s)
{
    if (s->group_n > 0)
        return lazy_ms_left(s);
    return atomic_load(&s->writing.is_failing) ? PROBE_MS : -1;
}

static void writer_main(void *arg)
{
    struct storage *s = arg;
    bool is_stopping = false;

    (void)pthread_setname_np(pthread_self(), "storage-write");
    while (!is_stopping) {
        struct storage_job *job = inbox_wait(&s->inbox, patience_ms(s)), *next;

        if (job == NULL && s->group_n == 0) {
            probe(s);
            continue;
        }
        for (; job != NULL; job = next) {
            next = job_of(job->task.node.next); /* before the job is answered, which gives it away */
            if (job->kind == JOB_STOP)
                is_stopping = true;
            else
                gather(s, job);
        }
        if (is_stopping || lazy_ms_left(s) == 0)
            commit_group(s);
    }
}

/* ---- the interface ---- */

void storage_commit(struct storage *s, struct storage_txn *own_txn, struct executor *reply_to,
                    storage_on_committed done, void *ctx)
{
    assert(done == NULL || reply_to != NULL);
    own_txn->job.reply_to = reply_to;
    own_txn->job.ctx = ctx;
    own_txn->done = done;
    own_txn->lane = (unsigned)(lane_of_this_thread(s) - s->lanes);
    atomic_fetch_add_explicit(count_of(s, own_txn), 1, memory_order_relaxed);
    if (atomic_load_explicit(&s->is_stopped, memory_order_acquire)) {
        own_txn->err = LN_E_CLOSED;
        finish_txn(s, own_txn, LN_E_CLOSED);
        return;
    }
    inbox_push(&s->inbox, &own_txn->job);
}

void storage_commit_lazily(struct storage *s, struct storage_txn *own_txn, struct executor *reply_to,
                           storage_on_committed done, void *ctx)
{
    own_txn->is_lazy = true;
    storage_commit(s, own_txn, reply_to, done, ctx);
}

static struct storage_query copy_query(struct arena *arena, const struct storage_query *q)
{
    struct storage_query copy = *q;

    copy.owner = arena_copy(arena, q->owner);
    copy.collection = arena_copy(arena, q->collection);
    copy.key = arena_copy(arena, q->key);
    copy.after_owner = arena_copy(arena, q->after_owner);
    copy.peer = arena_copy(arena, q->peer);
    if (q->n_ids > 0) {
        uint64_t *ids = arena_alloc(arena, q->n_ids * sizeof(*ids));

        memcpy(ids, q->ids, q->n_ids * sizeof(*ids));
        copy.ids = ids;
    }
    return copy;
}

void storage_read(struct storage *s, const struct storage_query *q, struct executor *reply_to, storage_on_rows done,
                  void *ctx)
{
    storage_read_all(s, q, 1, reply_to, done, ctx);
}

void storage_read_all(struct storage *s, const struct storage_query *queries, size_t n, struct executor *reply_to,
                      storage_on_rows done, void *ctx)
{
    struct arena *arena = arena_new(READ_SIZE_HINT);
    struct read_job *r = arena_alloc(arena, sizeof(*r));

    assert(n >= 1 && n <= STORAGE_QUERIES_MAX);
    *r = (struct read_job){
        .job = {.kind = JOB_READ, .reply_to = reply_to, .ctx = ctx}, .done = done, .arena = arena, .n = n};
    for (size_t i = 0; i < n; i++)
        r->queries[i] = copy_query(arena, &queries[i]);
    if (atomic_load_explicit(&s->is_stopped, memory_order_acquire)) {
        for (size_t i = 0; i < n; i++)
            r->answers[i].err = LN_E_CLOSED;
        r->job.task.run = answer_read;
        executor_post(reply_to, &r->job.task);
        return;
    }
    if (s->n_readers > 0 && atomic_load_explicit(&lane_of_this_thread(s)->writes_in_flight, memory_order_acquire) == 0)
        pass_to_reader(s, &r->job);
    else
        inbox_push(&s->inbox, &r->job);
}

void storage_get_stats(const struct storage *s, struct storage_stats *ret)
{
    uint64_t in_flight = atomic_load_explicit(&s->lazy_in_flight, memory_order_acquire);

    /* Acquire, and first: what is no longer in flight is among the others. */
    for (size_t i = 0; i < LANES; i++)
        in_flight += atomic_load_explicit(&s->lanes[i].writes_in_flight, memory_order_acquire);
    *ret = (struct storage_stats){
        .transactions = atomic_load_explicit(&s->transactions, memory_order_relaxed),
        .commits = atomic_load_explicit(&s->commits, memory_order_relaxed),
        .failures = atomic_load_explicit(&s->failures, memory_order_relaxed),
        .in_flight = in_flight,
        .is_failing = atomic_load_explicit(&s->writing.is_failing, memory_order_relaxed),
    };
}

/* ---- start and end ---- */

static enum ln_err open_backend(const struct storage_options *opt, struct backend **ret, char *ret_error)
{
    for (size_t i = 0; i < ARRAY_LEN(backends); i++)
        if (strcmp(backends[i]->name, opt->backend) == 0)
            return backends[i]->open(opt, ret, ret_error);
    (void)snprintf(ret_error, STORAGE_ERROR_SIZE, "there is no storage back-end called \"%s\"", opt->backend);
    return LN_E_INVALID;
}

static void stop_thread(struct inbox *in, uv_thread_t *thread)
{
    struct storage_job stop = {.kind = JOB_STOP};

    inbox_push(in, &stop);
    (void)uv_thread_join(thread);
    inbox_deinit(in);
}

static int start_thread(struct inbox *in, uv_thread_t *thread, uv_thread_cb run, void *arg)
{
    inbox_init(in);
    int rc = uv_thread_create(thread, run, arg);

    if (rc != 0)
        inbox_deinit(in);
    return rc;
}

static void stop_readers(struct storage *s)
{
    while (s->n_readers > 0) {
        struct reader *r = &s->readers[--s->n_readers];

        stop_thread(&r->inbox, &r->thread);
    }
}

static int start_threads(struct storage *s, unsigned readers)
{
    for (int rc; s->n_readers < readers; s->n_readers++) {
        struct reader *r = &s->readers[s->n_readers];

        r->s = s;
        r->number = s->n_readers;
        if ((rc = start_thread(&r->inbox, &r->thread, reader_main, r)) != 0)
            return rc;
    }
    return start_thread(&s->inbox, &s->writer, writer_main, s);
}

static struct storage *storage_new(struct backend *own_backend, const struct storage_options *opt)
{
    struct storage *s = mem_zalloc(sizeof(*s));

    s->backend = own_backend;
    s->log = opt->log;
    s->writing.what = "commit";
    s->reading.what = "read";
    s->tidying.what = "checkpoint";
    s->held_end = &s->held_first;
    return s;
}

static void storage_free(struct storage *s)
{
    s->backend->class->close(&s->backend);
    free(s);
}

enum ln_err storage_open(const struct storage_options *opt, struct storage **ret, char *ret_error)
{
    struct backend *backend;
    enum ln_err err = open_backend(opt, &backend, ret_error);

    if (err != LN_OK)
        return err;
    struct storage *s = storage_new(backend, opt);
    int rc = start_threads(s, backend->class->has_readers ? opt->readers : 0);

    if (rc != 0) {
        (void)snprintf(ret_error, STORAGE_ERROR_SIZE, "no thread for the storage: %s", uv_strerror(rc));
        stop_readers(s);
        storage_free(s);
        return LN_E_IO;
    }
    *ret = s;
    return LN_OK;
}

void storage_stop(struct storage *s)
{
    if (atomic_load(&s->is_stopped))
        return;
    stop_thread(&s->inbox, &s->writer);
    stop_readers(s); /* after the writer, which passes reads on to them */
    atomic_store(&s->is_stopped, true);
}

void storage_close(struct storage **s)
{
    struct storage *mine = *s;

    *s = NULL;
    if (mine == NULL)
        return;
    storage_stop(mine);
    storage_free(mine);
}
