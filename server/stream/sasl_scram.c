/* SCRAM with and without channel binding (RFC 5802, RFC 7677): common/xmpp/scram.h, with keys from storage. */
#include "common/mem.h"
#include "server/net/tls.h"
#include "server/stream/sasl_keys.h"

static void on_scram_keys(void *ctx, const struct storage_rows *rows)
{
    struct sasl_lookup *l = ctx;
    struct session *s = l->s;
    struct buf out = {0};

    session_resume(s);
    if (session_is_alive(s) && sasl_take_keys(l, rows)) {
        scram_server_first(s->sasl->scram, &l->keys, &out);
        s->sasl->step = SASL_WAIT_FINAL;
        s->sasl->profile->challenge(s, buf_str(&out));
    }
    buf_deinit(&out);
    sasl_lookup_free(&l);
}

static void take_first(struct session *s, struct str message)
{
    struct sasl *x = s->sasl;
    struct scram_first first;
    enum ln_err err = scram_client_first(x->scram, message, &first);

    if (err != LN_OK) {
        sasl_fail_now(s, err == LN_E_AUTH ? "not-authorized" : "malformed-request");
        return;
    }
    if (!sasl_set_username(s, first.username)) {
        sasl_fail_login(s);
        return;
    }
    if (!sasl_check_authzid(s, first.authzid))
        return;
    if (first.cb_type.len >= sizeof(x->cb_type_mem)) {
        sasl_fail_now(s, "malformed-request");
        return;
    }
    if (first.cb_type.len > 0)
        memcpy(x->cb_type_mem, first.cb_type.p, first.cb_type.len);
    x->cb_type_mem[first.cb_type.len] = '\0';
    x->cb_type = str_make(x->cb_type_mem, first.cb_type.len);
    x->step = SASL_WAIT_NOTHING;
    sasl_ask_for_keys(s, sasl_lookup_new(), on_scram_keys);
}

static void take_final(struct session *s, struct str message)
{
    struct sasl *x = s->sasl;
    struct buf data = {0}, other = {0}, out = {0};
    struct scram_binding binding = {.type = x->cb_type};
    enum ln_err err;

    if (x->cb_type.len > 0 && sasl_get_binding(s, x->cb_type_mem, &data))
        binding.data = buf_str(&data);
    if (str_is(x->cb_type, "tls-exporter") && sasl_get_binding(s, TLS_EXPORTER_EMPTY, &other))
        binding.other = buf_str(&other);
    err = scram_client_final(x->scram, message, &binding, &out);
    if (err == LN_OK)
        sasl_pass_login(s, buf_str(&out));
    else if (err == LN_E_INVALID)
        sasl_fail_now(s, "malformed-request");
    else
        sasl_fail_login(s);
    buf_deinit(&data);
    buf_deinit(&other);
    buf_deinit(&out);
}

void sasl_take_scram(struct session *s, struct str message)
{
    if (s->sasl->step == SASL_WAIT_FINAL)
        take_final(s, message);
    else
        take_first(s, message);
}
