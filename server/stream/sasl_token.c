/* HT-SHA-256-*: a token that the server gave, in one message (fast.h): the user's name, a NUL, and the proof. The
 * answer is the server's own. */
#include <string.h>

#include "common/mem.h"
#include "server/net/tls.h"
#include "server/stream/sasl2.h"
#include "server/stream/sasl_keys.h"
#include "server/stream/user_agent.h"

struct token_lookup {
    struct session *s;
    uint8_t proof[FAST_PROOF_BYTES];
};

/* What is asked of storage, and the answers in the same order. */
enum { CREDENTIALS_ROW, USER_AGENT_ROW, TOKEN_QUERIES };

/* The client's tokens, if account and client are known, and none otherwise: those of nobody. */
static enum ln_err read_tokens(struct sasl *x, const struct storage_rows rows[TOKEN_QUERIES], struct user_agent *ret)
{
    const struct storage_rows *account = &rows[CREDENTIALS_ROW], *client = &rows[USER_AGENT_ROW];
    struct credentials c;
    enum ln_err err = account->err != LN_OK ? account->err : client->err;

    memset(ret, 0, sizeof(*ret));
    if (err != LN_OK || account->n == 0 || client->n == 0)
        return err;
    err = credentials_decode(account->rows[0].bytes, &c);
    if (err == LN_OK)
        err = user_agent_decode(client->rows[0].key, client->rows[0].bytes, c.changed_ms, ret);
    x->credentials_ms = err == LN_OK ? c.changed_ms : 0;
    mem_wipe(&c, sizeof(c));
    return err;
}

/* Where implementations differ in what the exporter gives, both are as good (tls.h). */
static enum fast_verdict check(const struct session *s, const struct fast_tokens *tokens, struct str proof,
                               struct buf *binding)
{
    const struct sasl_mechanism *m = s->sasl->mechanism;
    struct sasl2_request *request = s->sasl->request;
    int64_t now_ms = wall_clock_ms();
    enum fast_verdict verdict;

    if (m->binding != NULL && !sasl_get_binding(s, m->binding, binding))
        return FAST_WRONG;
    verdict = fast_check(tokens, m->bit, proof, buf_str(binding), request->count, now_ms, request->token_key);
    if (verdict != FAST_WRONG || m->binding == NULL || strcmp(m->binding, "tls-exporter") != 0)
        return verdict;
    buf_clear(binding);
    if (!sasl_get_binding(s, TLS_EXPORTER_EMPTY, binding))
        return FAST_WRONG;
    return fast_check(tokens, m->bit, proof, buf_str(binding), request->count, now_ms, request->token_key);
}

static void conclude(struct session *s, const struct fast_tokens *tokens, struct str proof)
{
    struct buf binding = {0};
    uint8_t answer[FAST_PROOF_BYTES];

    switch (check(s, tokens, proof, &binding)) {
    case FAST_RIGHT:
        s->sasl->request->used_token = true;
        fast_prove(s->sasl->request->token_key, "Responder", buf_str(&binding), answer);
        sasl_pass_login(s, str_make((const char *)answer, sizeof(answer)));
        break;
    case FAST_EXPIRED: /* section 4.2: so that the client takes another mechanism */
        sasl_fail_now(s, "credentials-expired");
        break;
    case FAST_WRONG:
    case FAST_REPLAYED:
        sasl_fail_login(s);
        break;
    }
    buf_deinit(&binding);
}

static void on_tokens(void *ctx, const struct storage_rows *rows)
{
    struct token_lookup *l = ctx;
    struct session *s = l->s;
    struct user_agent ua;

    session_resume(s);
    if (session_is_alive(s)) {
        enum ln_err err = read_tokens(s->sasl, rows, &ua);

        if (err != LN_OK)
            sasl_fail_for_now(s, err);
        else
            conclude(s, &ua.tokens, str_make((const char *)l->proof, sizeof(l->proof)));
        mem_wipe(&ua, sizeof(ua));
    }
    session_unref(&l->s);
    free(l);
}

static void ask_for_tokens(struct session *s, struct str proof)
{
    struct str owner = jid_full(&s->sasl->jid);
    char key[USER_AGENT_KEY_LEN];
    const struct storage_query queries[TOKEN_QUERIES] = {
        [CREDENTIALS_ROW] = {.kind = STORAGE_GET,
                             .owner = owner,
                             .collection = CREDENTIALS_COLLECTION,
                             .key = CREDENTIALS_KEY},
        [USER_AGENT_ROW] = {.kind = STORAGE_GET,
                            .owner = owner,
                            .collection = CREDENTIALS_COLLECTION,
                            .key = user_agent_key(s->sasl->request->user_agent_id, key)},
    };
    struct token_lookup *l = mem_alloc(sizeof(*l));

    l->s = session_ref(s);
    memcpy(l->proof, proof.p, sizeof(l->proof));
    s->sasl->step = SASL_WAIT_NOTHING;
    session_pause(s);
    storage_read_all(s->worker->server->storage, queries, TOKEN_QUERIES, &s->worker->executor, on_tokens, l);
}

void sasl_take_token(struct session *s, struct str message)
{
    ptrdiff_t nul = str_find(message, '\0');
    struct str proof;

    if (nul < 0 || message.len - (size_t)nul - 1 != FAST_PROOF_BYTES || !s->sasl->request->has_user_agent) {
        sasl_fail_now(s, "malformed-request");
        return;
    }
    proof = str_make(message.p + nul + 1, FAST_PROOF_BYTES);
    if (!sasl_set_username(s, str_make(message.p, (size_t)nul)))
        sasl_fail_login(s);
    else if (sasl_check_authzid(s, str_make(NULL, 0)))
        ask_for_tokens(s, proof);
}
