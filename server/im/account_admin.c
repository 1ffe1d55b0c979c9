/* Making, changing and ending accounts: in the pool for the password's keys, then on the account's home. */
#include "server/im/account.h"

#include <string.h>

#include "common/mem.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/hooks.h"
#include "server/im/presence.h"
#include "server/im/roster_change.h"
#include "server/im/shard.h"
#include "server/net/pool.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"
#include "server/stream/sasl.h"

enum op_kind { OP_CREATE, OP_PASSWORD, OP_DELETE };

struct account_op {
    struct pool_job job;
    struct task reply;
    struct executor *reply_to;
    account_done done;
    void *ctx;
    enum ln_err err;
    enum op_kind kind;
    struct server *server;
    struct worker *home;
    struct jid_buf jid_mem;
    struct jid jid;
    uint64_t keep_session;
    uint32_t iterations;
    size_t password_len;
    char password[PASSWORD_BYTES_MAX];
    struct credentials credentials;
    struct storage_txn *txn; /* what else is to happen with it; NULL: nothing */
};

static void run_reply(struct task *own_task)
{
    struct account_op *op = container_of(own_task, struct account_op, reply);

    op->done(op->ctx, op->err);
    storage_txn_free(&op->txn);
    mem_wipe(op, sizeof(*op));
    free(op);
}

static void answer(struct account_op *op, enum ln_err err)
{
    op->err = err;
    op->reply.run = run_reply;
    executor_post(op->reply_to, &op->reply);
}

static struct account_op *op_new(struct server *server, enum op_kind kind, const struct jid *jid,
                                 struct executor *reply_to, account_done done, void *ctx)
{
    struct account_op *op = mem_zalloc(sizeof(*op));

    op->kind = kind;
    op->server = server;
    op->reply_to = reply_to;
    op->done = done;
    op->ctx = ctx;
    op->jid = jid_join(jid_local(jid), jid_domain(jid), str_make(NULL, 0), &op->jid_mem);
    op->home = server_home_of(server, op->jid.full);
    return op;
}

/* ---- a new account, a new password ---- */

struct forget_task {
    struct task task;
    struct worker *w;
    size_t len;
    char jid[];
};

static void run_forget(struct task *own_task)
{
    struct forget_task *t = container_of(own_task, struct forget_task, task);

    sasl_forget(t->w, str_make(t->jid, t->len));
    free(t);
}

/* The old password may be remembered on any worker. */
static void forget_everywhere(struct account_op *op)
{
    for (unsigned i = 0; i < op->server->n_workers; i++) {
        struct forget_task *t = mem_alloc(sizeof(*t) + op->jid.full.len);

        t->task.run = run_forget;
        t->w = op->server->workers[i];
        t->len = op->jid.full.len;
        memcpy(t->jid, op->jid.full.p, t->len);
        executor_post(&t->w->executor, &t->task);
    }
}

static void end_sessions(struct account *a, enum stream_err err, const char *text, uint64_t keep)
{
    for (struct session *s = a->sessions, *next; s != NULL; s = next) {
        next = s->next_of_account;
        if (s->id != keep)
            session_close(s, err, text);
    }
}

static void on_credentials_saved(void *ctx, enum ln_err err)
{
    struct account_op *op = ctx;
    struct shard *shard = shard_of(op->home);
    struct account *a = account_peek(shard, op->jid.full);

    if (err == LN_OK && op->kind == OP_CREATE) {
        account_now_exists(shard, op->jid.full, op->credentials.changed_ms);
        log_info(LOG_IM, 0, "account.created", F_STR("jid", op->jid.full));
    }
    if (err == LN_OK && op->kind == OP_PASSWORD) {
        log_info(LOG_IM, 0, "account.password", F_STR("jid", op->jid.full));
        forget_everywhere(op);
        if (a != NULL && a->state == ACCOUNT_LOADING) {
            a->is_out_of_date = true;
        } else if (a != NULL) {
            a->credentials_ms = op->credentials.changed_ms; /* what was stored before is void, tokens too */
            end_sessions(a, STREAM_ERR_RESET, "the password was changed", op->keep_session);
        }
    }
    answer(op, err);
}

static void save_credentials(struct account_op *op)
{
    struct storage_txn *t = op->txn != NULL ? op->txn : storage_txn_new();
    struct buf b = {0};

    op->txn = NULL;
    op->credentials.changed_ms = wall_clock_ms();
    if (op->kind == OP_CREATE)
        op->credentials.created_ms = op->credentials.changed_ms;
    credentials_encode(&b, &op->credentials);
    if (op->kind == OP_CREATE)
        storage_txn_require_absent(t, op->jid.full, CREDENTIALS_COLLECTION, CREDENTIALS_KEY);
    else
        storage_txn_require_present(t, op->jid.full, CREDENTIALS_COLLECTION, CREDENTIALS_KEY);
    storage_txn_put(t, op->jid.full, CREDENTIALS_COLLECTION, CREDENTIALS_KEY, buf_str(&b));
    storage_commit(op->server->storage, t, &op->home->executor, on_credentials_saved, op);
    mem_wipe(b.p, b.len);
    buf_deinit(&b);
}

static void on_old_credentials(void *ctx, const struct storage_rows *rows)
{
    struct account_op *op = ctx;
    struct credentials old;

    if (rows->err != LN_OK || rows->n == 0) {
        answer(op, rows->err != LN_OK ? rows->err : LN_E_NOT_FOUND);
        return;
    }
    if (credentials_decode(rows->rows[0].bytes, &old) == LN_OK)
        op->credentials.created_ms = old.created_ms;
    save_credentials(op);
}

static void derive(struct pool_job *job)
{
    struct account_op *op = container_of(job, struct account_op, job);

    op->err = credentials_derive(str_make(op->password, op->password_len), op->iterations, &op->credentials);
    mem_wipe(op->password, sizeof(op->password));
}

/* On the account's home. */
static void on_derived(struct pool_job *job)
{
    struct account_op *op = container_of(job, struct account_op, job);
    struct storage_query q = {
        .kind = STORAGE_GET, .owner = op->jid.full, .collection = CREDENTIALS_COLLECTION, .key = CREDENTIALS_KEY};

    if (op->err != LN_OK)
        answer(op, op->err);
    else if (config_host(op->home->config, jid_domain(&op->jid)) == NULL)
        answer(op, LN_E_NOT_FOUND);
    else if (op->kind == OP_CREATE)
        save_credentials(op);
    else
        storage_read(op->server->storage, &q, &op->home->executor, on_old_credentials, op);
}

static void begin_password(struct account_op *op, struct str password, uint32_t iterations)
{
    enum ln_err err = precis_opaque_string(password, op->password, sizeof(op->password), &op->password_len);

    if (err != LN_OK || op->jid.local_len == 0) {
        answer(op, LN_E_INVALID);
        return;
    }
    op->iterations = iterations;
    op->job.reply_to = &op->home->executor;
    op->job.work = derive;
    op->job.done = on_derived;
    op->job.kind = POOL_PASSWORD;
    err = pool_submit(op->server->pool, &op->job);
    if (err != LN_OK)
        answer(op, err);
}

void account_create(struct server *server, const struct jid *jid, struct str password, uint32_t iterations,
                    struct executor *reply_to, account_done done, void *ctx)
{
    account_create_with(server, jid, password, iterations, NULL, reply_to, done, ctx);
}

void account_create_with(struct server *server, const struct jid *jid, struct str password, uint32_t iterations,
                         struct storage_txn *own_txn, struct executor *reply_to, account_done done, void *ctx)
{
    struct account_op *op = op_new(server, OP_CREATE, jid, reply_to, done, ctx);

    op->txn = own_txn;
    begin_password(op, password, iterations);
}

static void run_import(struct worker *w, void *arg)
{
    struct account_op *op = arg;

    if (config_host(w->config, jid_domain(&op->jid)) == NULL)
        answer(op, LN_E_NOT_FOUND);
    else
        save_credentials(op);
}

void account_import(struct server *server, const struct jid *jid, const struct credentials *keys,
                    struct executor *reply_to, account_done done, void *ctx)
{
    struct account_op *op = op_new(server, OP_CREATE, jid, reply_to, done, ctx);

    op->credentials = *keys;
    worker_call(op->home, run_import, op);
}

void account_set_password(struct server *server, const struct jid *jid, struct str password, uint32_t iterations,
                          uint64_t keep_session, struct executor *reply_to, account_done done, void *ctx)
{
    struct account_op *op = op_new(server, OP_PASSWORD, jid, reply_to, done, ctx);

    op->keep_session = keep_session;
    begin_password(op, password, iterations);
}

/* ---- the end of an account ---- */

/* The session that is kept hears the result before it is closed; its contacts must be told while they are known. */
static void withdraw_presence(struct account *a)
{
    for (struct session *s = a->sessions; s != NULL; s = s->next_of_account)
        presence_end(s);
}

static void on_owner_deleted(void *ctx, enum ln_err err)
{
    struct account_op *op = ctx;
    struct account *a = account_peek(shard_of(op->home), op->jid.full); /* pinned, so it is there */

    if (err == LN_OK) {
        struct hook_event e = {.worker = op->home, .account = a};

        /* Still marked as ending: what its sessions leave behind is refused, not stored. */
        log_info(LOG_IM, 0, "account.deleted", F_STR("jid", op->jid.full));
        end_sessions(a, STREAM_ERR_NOT_AUTHORIZED, "the account was deleted", op->keep_session);
        withdraw_presence(a);
        roster_cancel_all(a);
        a->state = ACCOUNT_ABSENT;
        a->offline_count = 0;
        a->offline_bytes = 0;
        a->last_activity_ms = 0;
        free(a->last_status);
        a->last_status = NULL;
        (void)hooks_run(HOOK_ACCOUNT_DELETED, config_host(op->home->config, jid_domain(&op->jid)), &e);
        forget_everywhere(op);
    }
    a->is_ending = false;
    account_set_busy(a, false);
    account_unpin(a);
    answer(op, err);
}

static void delete_owner(struct account_op *op)
{
    struct storage_txn *t = storage_txn_new();

    storage_txn_delete_owner(t, op->jid.full);
    storage_commit(op->server->storage, t, &op->home->executor, on_owner_deleted, op);
}

/* An archive may be of any length, and nothing else is committed meanwhile: most of it goes piece by piece. */
enum { PIECE = 500 };

static void look_at_archive(struct account_op *op);

static void on_piece_deleted(void *ctx, enum ln_err err)
{
    if (err == LN_OK)
        look_at_archive(ctx);
    else
        on_owner_deleted(ctx, err);
}

static void on_archive_seen(void *ctx, const struct storage_rows *rows)
{
    struct account_op *op = ctx;
    struct storage_txn *t;

    if (rows->err != LN_OK || rows->rows[0].id <= PIECE) {
        delete_owner(op); /* which says what is wrong, if anything is */
        return;
    }
    t = storage_txn_new();
    storage_txn_trim(t, op->jid.full, ARCHIVE_COLLECTION, INT64_MAX, PIECE);
    storage_commit(op->server->storage, t, &op->home->executor, on_piece_deleted, op);
}

static void look_at_archive(struct account_op *op)
{
    struct storage_query q = {
        .kind = STORAGE_TALLY, .owner = op->jid.full, .collection = ARCHIVE_COLLECTION, .limit = PIECE + 1};

    storage_read(op->server->storage, &q, &op->home->executor, on_archive_seen, op);
}

static void delete_ready(struct account *a, void *ctx)
{
    struct account_op *op = ctx;

    if (a->state != ACCOUNT_LOADED) {
        answer(op, a->state == ACCOUNT_ABSENT ? LN_E_NOT_FOUND : LN_E_IO);
        return;
    }
    /* Whatever comes for it meanwhile waits, and then finds no account. What its own sessions would have written is
     * refused: it would come behind the deletion, and wait in storage for the next owner of the name. */
    account_pin(a);
    a->is_ending = true;
    account_set_busy(a, true);
    look_at_archive(op);
}

static void run_delete(struct worker *w, void *arg)
{
    struct account_op *op = arg;

    if (account_when_ready(shard_of(w), &op->jid, delete_ready, op) != LN_OK)
        answer(op, LN_E_LIMIT);
}

void account_delete(struct server *server, const struct jid *jid, uint64_t keep_session, struct executor *reply_to,
                    account_done done, void *ctx)
{
    struct account_op *op = op_new(server, OP_DELETE, jid, reply_to, done, ctx);

    op->keep_session = keep_session;
    worker_call(op->home, run_delete, op);
}
