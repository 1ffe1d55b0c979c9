#include "server/stream/sasl_keys.h"

#include "common/mem.h"
#include "server/base/config.h"

struct sasl_lookup *sasl_lookup_new(void)
{
    return mem_zalloc(sizeof(struct sasl_lookup));
}

void sasl_lookup_free(struct sasl_lookup **own_l)
{
    struct sasl_lookup *l = *own_l;

    *own_l = NULL;
    session_unref(&l->s);
    mem_wipe(l, sizeof(*l));
    free(l);
}

void sasl_ask_for_keys(struct session *s, struct sasl_lookup *own_l, storage_on_rows on_rows)
{
    struct storage_query q = {.kind = STORAGE_GET,
                              .owner = jid_full(&s->sasl->jid),
                              .collection = CREDENTIALS_COLLECTION,
                              .key = CREDENTIALS_KEY};

    own_l->s = session_ref(s);
    session_pause(s);
    storage_read(s->worker->server->storage, &q, &s->worker->executor, on_rows, own_l);
}

/* The keys that serve this login. An account that came from another server may have those of one hash only: any will do
 * for PLAIN, while SCRAM needs its own. */
static bool choose_keys(struct sasl_lookup *l, const struct sasl_mechanism *m, const struct credentials *c)
{
    if (m->is_plain && !credentials_has(c, l->hash))
        l->hash = SCRAM_SHA_1;
    if (!credentials_has(c, l->hash))
        return false;
    l->keys = c->keys[l->hash];
    return true;
}

bool sasl_take_keys(struct sasl_lookup *l, const struct storage_rows *rows)
{
    struct session *s = l->s;
    struct sasl *x = s->sasl;
    struct credentials c;
    enum ln_err err = rows->err;

    l->is_known = false;
    l->hash = x->mechanism->hash;
    if (err == LN_OK && rows->n > 0) {
        err = credentials_decode(rows->rows[0].bytes, &c);
        if (err == LN_OK) {
            l->is_known = choose_keys(l, x->mechanism, &c);
            x->credentials_ms = c.changed_ms;
            mem_wipe(&c, sizeof(c));
        }
    }
    if (err != LN_OK) {
        sasl_fail_for_now(s, err);
        return false;
    }
    if (!l->is_known)
        scram_fake_keys(x->mechanism->hash, jid_full(&x->jid), s->worker->server->secret,
                        (uint32_t)s->worker->config->sasl.iterations, &l->keys);
    return true;
}
