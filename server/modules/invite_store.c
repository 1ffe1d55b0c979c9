/* Invitations in storage: see invite.h for the documents. Each call is an errand of its own that remembers who asked.
 */
#include "server/modules/invite.h"

#include <stdlib.h>

#include "common/mem.h"
#include "server/net/worker.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"

#define INVITES      STR("invite")
#define LEFT         STR("invite.left")
#define NAMES        STR("invite.name")
#define OF_ACCOUNT   STR("invites")
#define SWEEP_AGE_MS (INT64_C(3600) * 1000)

struct errand {
    struct server *server;
    struct executor *reply_to;
    struct invite *invite; /* that is made */
    uint64_t limit;
    bool even_if_ended;
    invite_on_found on_found;
    invite_on_done on_done;
    invite_on_all on_all;
    void *ctx;
    struct str host; /* the errand's own */
    struct str key;
    char bytes[];
};

static struct errand *errand_new(struct server *server, struct executor *reply_to, struct str host, struct str key,
                                 void *ctx)
{
    struct errand *e = mem_zalloc(sizeof(*e) + host.len + key.len);

    e->server = server;
    e->reply_to = reply_to;
    e->ctx = ctx;
    memcpy(e->bytes, host.p, host.len);
    if (key.len > 0)
        memcpy(e->bytes + host.len, key.p, key.len);
    e->host = str_make(e->bytes, host.len);
    e->key = str_make(e->bytes + host.len, key.len);
    return e;
}

static void errand_free(struct errand *e)
{
    free(e->invite);
    free(e);
}

bool invite_has_ended(const struct invite *i)
{
    return i->expires_ms <= wall_clock_ms() || i->left == 0;
}

/* So that nobody can be about to register with it. */
static bool is_old(int64_t expires_ms)
{
    return expires_ms < wall_clock_ms() - SWEEP_AGE_MS;
}

/* ---- pieces of transactions ---- */

static void put_left_key(struct buf *out, const struct invite *i, uint32_t left)
{
    buf_append_str(out, i->token);
    buf_append_char(out, '.');
    buf_append_u64(out, left);
}

static void put_invite(struct storage_txn *t, struct str host, const struct invite *i)
{
    struct buf b = {0};

    invite_encode(&b, i);
    storage_txn_put(t, host, INVITES, i->token, buf_str(&b));
    buf_clear(&b);
    put_left_key(&b, i, i->left);
    storage_txn_put(t, host, LEFT, buf_str(&b), STR(""));
    buf_deinit(&b);
}

static void delete_left(struct storage_txn *t, struct str host, const struct invite *i)
{
    struct buf b = {0};

    put_left_key(&b, i, i->left);
    storage_txn_delete(t, host, LEFT, buf_str(&b));
    buf_deinit(&b);
}

static void delete_invite(struct storage_txn *t, struct str host, const struct invite *i)
{
    storage_txn_delete(t, host, INVITES, i->token);
    delete_left(t, host, i);
    if (i->name.len > 0)
        storage_txn_delete(t, host, NAMES, i->name);
    if (i->inviter.len > 0)
        storage_txn_delete(t, i->inviter, OF_ACCOUNT, i->token);
}

void invite_use(struct storage_txn *t, struct str host, const struct invite *i)
{
    struct invite after = *i;
    struct buf b = {0};

    put_left_key(&b, i, i->left);
    storage_txn_require_present(t, host, LEFT, buf_str(&b));
    buf_deinit(&b);
    if (i->inviter.len > 0)
        storage_txn_require_present(t, i->inviter, CREDENTIALS_COLLECTION, CREDENTIALS_KEY);
    if (i->left <= 1) {
        delete_invite(t, host, i);
        return;
    }
    delete_left(t, host, i);
    after.left--;
    put_invite(t, host, &after);
}

void invite_require_free_name(struct storage_txn *t, struct str host, struct str name, const struct invite *keeper)
{
    if (keeper == NULL) {
        storage_txn_require_absent(t, host, NAMES, name);
    } else { /* the first who comes removes it, and the name is whose who comes next no more */
        storage_txn_require_present(t, host, INVITES, keeper->token);
        delete_invite(t, host, keeper);
    }
}

/* ---- finding ---- */

static void tell_found(struct errand *e, enum ln_err err, const struct invite *i)
{
    e->on_found(e->ctx, err, i);
    errand_free(e);
}

static void on_found(void *ctx, const struct storage_rows *rows)
{
    struct errand *e = ctx;
    enum ln_err err = rows->err;
    struct invite i;

    if (err == LN_OK)
        err = rows->n == 0 ? LN_E_NOT_FOUND : invite_decode(e->key, rows->rows[0].bytes, &i);
    if (err == LN_OK && invite_has_ended(&i) && !e->even_if_ended)
        err = LN_E_NOT_FOUND;
    tell_found(e, err, err == LN_OK ? &i : NULL);
}

void invite_find(struct server *server, struct str host, struct str token, bool even_if_ended,
                 struct executor *reply_to, invite_on_found done, void *ctx)
{
    struct errand *e = errand_new(server, reply_to, host, token, ctx);
    struct storage_query q = {.kind = STORAGE_GET, .owner = e->host, .collection = INVITES, .key = e->key};

    e->on_found = done;
    e->even_if_ended = even_if_ended;
    storage_read(server->storage, &q, reply_to, on_found, e);
}

static void on_name(void *ctx, const struct storage_rows *rows)
{
    struct errand *e = ctx;

    if (rows->err != LN_OK || rows->n == 0) {
        tell_found(e, rows->err != LN_OK ? rows->err : LN_E_NOT_FOUND, NULL);
        return;
    }
    invite_find(e->server, e->host, rows->rows[0].bytes, true, e->reply_to, e->on_found, e->ctx);
    errand_free(e);
}

void invite_find_name(struct server *server, struct str host, struct str name, struct executor *reply_to,
                      invite_on_found done, void *ctx)
{
    struct errand *e = errand_new(server, reply_to, host, name, ctx);
    struct storage_query q = {.kind = STORAGE_GET, .owner = e->host, .collection = NAMES, .key = e->key};

    e->on_found = done;
    storage_read(server->storage, &q, reply_to, on_name, e);
}

/* ---- making ---- */

static void on_made(void *ctx, enum ln_err err)
{
    struct errand *e = ctx;

    tell_found(e, err, err == LN_OK ? e->invite : NULL);
}

/* `keeper` of its name, which has ended; NULL: the name is kept for nobody, or there is none. */
static void commit_new(struct errand *e, const struct invite *keeper)
{
    const struct invite *i = e->invite;
    struct storage_txn *t = storage_txn_new();
    struct buf b = {0};

    if (i->inviter.len > 0) {
        storage_txn_require_present(t, i->inviter, CREDENTIALS_COLLECTION, CREDENTIALS_KEY);
        buf_printf(&b, "%lld", (long long)i->expires_ms);
        storage_txn_put(t, i->inviter, OF_ACCOUNT, i->token, buf_str(&b));
        buf_deinit(&b);
    }
    if (i->name.len > 0) {
        invite_require_free_name(t, e->host, i->name, keeper);
        storage_txn_require_absent(t, e->key, CREDENTIALS_COLLECTION, CREDENTIALS_KEY);
        storage_txn_put(t, e->host, NAMES, i->name, i->token);
    }
    put_invite(t, e->host, i);
    storage_commit(e->server->storage, t, e->reply_to, on_made, e);
}

static void on_keeper(void *ctx, enum ln_err err, const struct invite *keeper)
{
    struct errand *e = ctx;

    if (err == LN_OK && !invite_has_ended(keeper))
        tell_found(e, LN_E_EXISTS, NULL);
    else if (err != LN_OK && err != LN_E_NOT_FOUND)
        tell_found(e, err, NULL);
    else
        commit_new(e, keeper);
}

/* The name of the new invitation; then the commit. */
static void look_name_up(struct errand *e)
{
    if (e->invite->name.len > 0)
        invite_find_name(e->server, e->host, e->invite->name, e->reply_to, on_keeper, e);
    else
        commit_new(e, NULL);
}

static void on_swept(void *ctx, enum ln_err err, const struct invite *invites, size_t n)
{
    (void)ctx, (void)err, (void)invites, (void)n;
}

static void on_own(void *ctx, const struct storage_rows *rows)
{
    struct errand *e = ctx;
    struct storage_txn *t = storage_txn_new();
    uint64_t n = 0;
    bool any_old = false;
    int64_t expires_ms;

    for (size_t i = 0; i < rows->n; i++) {
        if (str_to_i64(rows->rows[i].bytes, INT64_MIN, INT64_MAX, &expires_ms) && !is_old(expires_ms)) {
            n += expires_ms > wall_clock_ms();
            continue;
        }
        storage_txn_delete(t, e->invite->inviter, OF_ACCOUNT, rows->rows[i].key);
        any_old = true;
    }
    if (any_old) { /* the invitations too, and those of others, or they would be kept until an operator looks */
        storage_commit(e->server->storage, t, e->reply_to, NULL, NULL);
        invite_list(e->server, e->host, e->reply_to, on_swept, NULL);
    } else {
        storage_txn_free(&t);
    }
    if (rows->err != LN_OK)
        tell_found(e, rows->err, NULL);
    else if (n >= e->limit)
        tell_found(e, LN_E_LIMIT, NULL);
    else
        look_name_up(e);
}

void invite_make(struct server *server, struct str host, const struct invite *spec, uint64_t limit,
                 struct executor *reply_to, invite_on_found done, void *ctx)
{
    struct invite i = *spec;
    char token[2 * INVITE_TOKEN_BYTES + 1];
    struct jid_buf mem;
    struct jid account = {0};

    if (i.name.len > 0)
        account = jid_join(i.name, host, STR(""), &mem);
    struct errand *e = errand_new(server, reply_to, host, account.full, ctx); /* the key: whom the name would be */

    i.token = random_hex(token, INVITE_TOKEN_BYTES);
    i.left = i.uses;
    e->invite = invite_copy(&i);
    e->limit = limit;
    e->on_found = done;
    if (limit > 0 && i.inviter.len > 0) {
        struct storage_query q = {.kind = STORAGE_LIST, .owner = i.inviter, .collection = OF_ACCOUNT};

        storage_read(server->storage, &q, reply_to, on_own, e);
    } else {
        look_name_up(e);
    }
}

/* ---- revoking, and all ---- */

static void on_revoked(void *ctx, enum ln_err err)
{
    struct errand *e = ctx;

    e->on_done(e->ctx, err);
    errand_free(e);
}

static void revoke_found(void *ctx, enum ln_err err, const struct invite *i)
{
    struct errand *e = ctx;

    if (err != LN_OK) {
        on_revoked(e, err);
        return;
    }
    struct storage_txn *t = storage_txn_new();

    storage_txn_require_present(t, e->host, INVITES, i->token);
    delete_invite(t, e->host, i);
    storage_commit(e->server->storage, t, e->reply_to, on_revoked, e);
}

void invite_revoke(struct server *server, struct str host, struct str token, struct executor *reply_to,
                   invite_on_done done, void *ctx)
{
    struct errand *e = errand_new(server, reply_to, host, token, ctx);

    e->on_done = done;
    invite_find(server, host, token, true, reply_to, revoke_found, e);
}

/* What ended long ago is removed, and not told. */
static void on_all(void *ctx, const struct storage_rows *rows)
{
    struct errand *e = ctx;
    struct invite *all = mem_alloc((rows->n + 1) * sizeof(*all));
    struct storage_txn *t = storage_txn_new();
    bool any_old = false;
    size_t n = 0;

    for (size_t i = 0; i < rows->n; i++) {
        if (invite_decode(rows->rows[i].key, rows->rows[i].bytes, &all[n]) != LN_OK)
            continue;
        if (!is_old(all[n].expires_ms)) {
            n++;
            continue;
        }
        delete_invite(t, e->host, &all[n]);
        any_old = true;
    }
    if (any_old)
        storage_commit(e->server->storage, t, e->reply_to, NULL, NULL);
    else
        storage_txn_free(&t);
    e->on_all(e->ctx, rows->err, all, n);
    free(all);
    errand_free(e);
}

void invite_list(struct server *server, struct str host, struct executor *reply_to, invite_on_all done, void *ctx)
{
    struct errand *e = errand_new(server, reply_to, host, STR(""), ctx);
    struct storage_query q = {.kind = STORAGE_LIST, .owner = e->host, .collection = INVITES};

    e->on_all = done;
    storage_read(server->storage, &q, reply_to, on_all, e);
}

/* ---- the end of an inviter ---- */

static void forget_found(void *ctx, const struct storage_rows *rows)
{
    struct errand *e = ctx;
    struct storage_txn *t = storage_txn_new();
    struct invite found;
    bool any = false;

    for (size_t i = 0; i < rows->n; i++) {
        if (invite_decode(rows->rows[i].key, rows->rows[i].bytes, &found) == LN_OK && str_eq(found.inviter, e->key)) {
            delete_invite(t, e->host, &found);
            any = true;
        }
    }
    if (any)
        storage_commit(e->server->storage, t, e->reply_to, NULL, NULL);
    else
        storage_txn_free(&t);
    errand_free(e);
}

void invite_forget_inviter(struct server *server, struct str host, struct str inviter, struct executor *reply_to)
{
    struct errand *e = errand_new(server, reply_to, host, inviter, NULL);
    struct storage_query q = {.kind = STORAGE_LIST, .owner = e->host, .collection = INVITES};

    storage_read(server->storage, &q, reply_to, forget_found, e);
}
