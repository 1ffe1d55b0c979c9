/* PLAIN (RFC 4616): the password itself, hashed in the pool unless it is remembered (sasl_cache.h). */
#include "common/mem.h"
#include "server/base/config.h"
#include "server/stream/sasl_cache.h"
#include "server/stream/sasl_keys.h"

static void finish(struct sasl_lookup *l)
{
    struct session *s = l->s;

    if (session_is_alive(s)) {
        if (l->is_known && l->is_right) {
            sasl_cache_add(s->worker->sasl_cache, jid_full(&s->sasl->jid), &l->keys,
                           str_make(l->password, l->password_len), s->worker->config->sasl.plain_cache);
            sasl_pass_login(s, str_make(NULL, 0));
        } else {
            sasl_fail_login(s);
        }
    }
    sasl_lookup_free(&l);
}

static void check_password(struct pool_job *job)
{
    struct sasl_lookup *l = container_of(job, struct sasl_lookup, job);

    l->is_right = scram_check_password(l->hash, str_make(l->password, l->password_len), &l->keys);
}

static void on_password_checked(struct pool_job *job)
{
    struct sasl_lookup *l = container_of(job, struct sasl_lookup, job);

    session_resume(l->s);
    finish(l);
}

static void on_plain_keys(void *ctx, const struct storage_rows *rows)
{
    struct sasl_lookup *l = ctx;
    struct session *s = l->s;

    if (!session_is_alive(s) || !sasl_take_keys(l, rows)) {
        session_resume(s);
        sasl_lookup_free(&l);
        return;
    }
    l->is_right = l->is_known && s->worker->config->sasl.plain_cache > 0 &&
                  sasl_cache_knows(s->worker->sasl_cache, jid_full(&s->sasl->jid), &l->keys,
                                   str_make(l->password, l->password_len));
    if (l->is_right) {
        session_resume(s);
        finish(l);
        return;
    }
    l->job.reply_to = &s->worker->executor;
    l->job.work = check_password;
    l->job.done = on_password_checked;
    l->job.kind = POOL_PASSWORD;
    if (pool_submit(s->worker->server->pool, &l->job) != LN_OK) {
        session_resume(s);
        sasl_fail_for_now(s, LN_E_LIMIT);
        sasl_lookup_free(&l);
    }
}

void sasl_take_plain(struct session *s, struct str message)
{
    ptrdiff_t first = str_find(message, '\0'), second = -1;
    struct str authzid, username, password;
    struct sasl_lookup *l;

    if (first >= 0)
        second = str_find(str_make(message.p + first + 1, message.len - (size_t)first - 1), '\0');
    if (first < 0 || second < 0) {
        sasl_fail_now(s, "malformed-request");
        return;
    }
    authzid = str_make(message.p, (size_t)first);
    username = str_make(message.p + first + 1, (size_t)second);
    password = str_make(username.p + username.len + 1, message.len - (size_t)first - (size_t)second - 2);

    l = sasl_lookup_new();
    if (!sasl_set_username(s, username) ||
        precis_opaque_string(password, l->password, sizeof(l->password), &l->password_len) != LN_OK) {
        sasl_lookup_free(&l);
        sasl_fail_login(s);
        return;
    }
    if (!sasl_check_authzid(s, authzid)) {
        sasl_lookup_free(&l);
        return;
    }
    s->sasl->step = SASL_WAIT_NOTHING;
    sasl_ask_for_keys(s, l, on_plain_keys);
}
