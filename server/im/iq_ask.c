#include "server/im/iq_ask.h"

#include "common/mem.h"
#include "server/im/router.h"
#include "server/im/shard.h"

enum { ID_BYTES = 16, ID_CHARS = 2 * ID_BYTES };

struct ask {
    char id[ID_CHARS + 1];  /* key of the shard's table */
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
    return str_make(q->id, ID_CHARS);
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
    struct ask *q = hash_table_get(&shard_of(w)->asks, str_make(id, ID_CHARS));

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
    xml_put_attr(&w, "from", q->a->jid.full);
    xml_put_attr(&w, "to", str_make(q->to, q->to_len));
    xml_put_raw(&w, payload);
    xml_end(&w);
    st = stanza_from_bytes(buf_str(&b));
    buf_deinit(&b);
    return st;
}

enum ln_err iq_ask(struct account *a, const struct jid *to, enum iq_kind kind, struct str payload, uint32_t timeout_ms,
                   iq_ask_done done, void *ctx)
{
    struct shard *shard = shard_of(a->worker);
    struct ask *q;

    if (shard->asks.len >= IQ_ASKS_MAX)
        return LN_E_LIMIT;
    q = mem_zalloc(sizeof(*q));
    q->a = a;
    q->to = str_dup(jid_full(to));
    q->to_len = jid_full(to).len;
    q->done = done;
    q->ctx = ctx;
    q->timer.fire = on_timeout;
    (void)random_hex(q->id, ID_BYTES);
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

void iq_ask_take_answer(struct account *a, const struct stanza *st)
{
    struct ask *q = hash_table_get(&shard_of(a->worker)->asks, st->id);

    if (q != NULL && q->a == a && str_eq(jid_full(&st->from), str_make(q->to, q->to_len)))
        finish(q, st);
}

void iq_ask_give_up_all(struct shard *shard)
{
    struct ask *q;

    for (size_t cursor = 0; (q = hash_table_next(&shard->asks, &cursor)) != NULL; cursor = 0)
        finish(q, NULL);
}
