#include "server/im/iq_ask.h"

#include <stdio.h>

#include "common/mem.h"
#include "server/im/router.h"
#include "server/im/shard.h"

enum { ID_BYTES = 16, ID_CHARS = 2 * ID_BYTES };

struct ask {
    char id[ID_CHARS + 16]; /* key of the shard's table: what nobody guesses; from a host, with the worker's number */
    size_t id_len;
    bool is_from_host;
    struct account *a;      /* pinned */
    struct stanza *request; /* until it is sent */
    char *to;               /* who has to answer */
    size_t to_len;
    struct wheel_timer timer;
    iq_ask_done done;
    void *ctx;
};

static struct str key_of(const struct ask *q)
{
    return str_make(q->id, q->id_len);
}

static void finish(struct ask *own_q, const struct stanza *answer)
{
    struct ask *q = own_q;

    (void)hash_table_remove(&shard_of(q->a->worker)->asks, key_of(q));
    wheel_cancel(&q->timer);
    q->done(q->ctx, q->a, answer);
    account_unpin(q->a);
    stanza_unref(&q->request);
    free(q->to);
    free(q);
}

static void on_timeout(struct wheel_timer *t)
{
    finish(container_of(t, struct ask, timer), NULL);
}

/* In a task of its own: where nobody is there to answer, the error comes at once. By then it may have been given up. */
static void send_request(struct worker *w, void *arg)
{
    char *id = arg;
    struct ask *q = hash_table_get(&shard_of(w)->asks, str_of(id));

    free(id);
    if (q == NULL)
        return;
    struct stanza *request = q->request;

    q->request = NULL;
    router_route(w, request);
}

static struct stanza *make_request(const struct ask *q, enum iq_kind kind, struct str payload)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);
    struct stanza *st;

    xml_start(&w, "iq", NULL);
    xml_put_attr(&w, "type", kind == IQ_SET ? STR("set") : STR("get"));
    xml_put_attr(&w, "id", key_of(q));
    xml_put_attr(&w, "from", q->is_from_host ? jid_domain(&q->a->jid) : q->a->jid.full);
    xml_put_attr(&w, "to", str_make(q->to, q->to_len));
    xml_put_raw(&w, payload);
    xml_end(&w);
    st = stanza_from_bytes(buf_str(&b));
    buf_deinit(&b);
    return st;
}

static void make_id(struct ask *q)
{
    (void)random_hex(q->id, ID_BYTES);
    q->id_len = ID_CHARS;
    if (q->is_from_host)
        q->id_len += (size_t)snprintf(q->id + ID_CHARS, sizeof(q->id) - ID_CHARS, "-%u", q->a->worker->index);
}

static enum ln_err ask(struct ask *own_q, struct account *a, enum iq_kind kind, struct str payload, uint32_t timeout_ms)
{
    struct shard *shard = shard_of(a->worker);
    struct ask *q = own_q;

    make_id(q);
    q->timer.fire = on_timeout;
    q->request = make_request(q, kind, payload);
    if (q->request == NULL) {
        free(q->to);
        free(q);
        return LN_E_LIMIT;
    }
    account_pin(a);
    (void)hash_table_put(&shard->asks, key_of(q), q);
    wheel_set(&a->worker->wheel, &q->timer, timeout_ms);
    worker_call(a->worker, send_request, str_dup(key_of(q)));
    return LN_OK;
}

static struct ask *ask_new(struct account *a, const struct jid *to, iq_ask_done done, void *ctx)
{
    struct ask *q = mem_zalloc(sizeof(*q));

    q->a = a;
    q->to = str_dup(jid_full(to));
    q->to_len = jid_full(to).len;
    q->done = done;
    q->ctx = ctx;
    return q;
}

enum ln_err iq_ask(struct account *a, const struct jid *to, enum iq_kind kind, struct str payload, uint32_t timeout_ms,
                   iq_ask_done done, void *ctx)
{
    if (shard_of(a->worker)->asks.len >= IQ_ASKS_MAX)
        return LN_E_LIMIT;
    return ask(ask_new(a, to, done, ctx), a, kind, payload, timeout_ms);
}

enum ln_err iq_ask_from_host(struct account *a, const struct jid *to, enum iq_kind kind, struct str payload,
                             uint32_t timeout_ms, iq_ask_done done, void *ctx)
{
    struct ask *q;

    if (shard_of(a->worker)->asks.len >= IQ_ASKS_MAX)
        return LN_E_LIMIT;
    q = ask_new(a, to, done, ctx);
    q->is_from_host = true;
    return ask(q, a, kind, payload, timeout_ms);
}

/* ---- answers ---- */

static bool is_answered_by(const struct ask *q, const struct stanza *st)
{
    return str_eq(jid_full(&st->from), str_make(q->to, q->to_len));
}

void iq_ask_take_answer(struct account *a, const struct stanza *st)
{
    struct ask *q = hash_table_get(&shard_of(a->worker)->asks, st->id);

    if (q != NULL && q->a == a && !q->is_from_host && is_answered_by(q, st))
        finish(q, st);
}

struct worker *iq_ask_home(const struct server *server, const struct stanza *st)
{
    uint64_t index;

    if (st->id.len <= ID_CHARS + 1 || st->id.p[ID_CHARS] != '-' ||
        !str_to_u64(str_make(st->id.p + ID_CHARS + 1, st->id.len - ID_CHARS - 1), server->n_workers - 1, &index))
        return NULL;
    return server->workers[index];
}

void iq_ask_take_host_answer(struct worker *w, const struct stanza *st, const struct jid *to)
{
    struct ask *q = hash_table_get(&shard_of(w)->asks, st->id);

    if (q != NULL && q->is_from_host && str_eq(jid_domain(&q->a->jid), jid_full(to)) && is_answered_by(q, st))
        finish(q, st);
}

void iq_ask_give_up_all(struct shard *shard)
{
    struct ask *q;

    for (size_t cursor = 0; (q = hash_table_next(&shard->asks, &cursor)) != NULL; cursor = 0)
        finish(q, NULL);
}
