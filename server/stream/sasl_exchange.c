#include "server/stream/sasl_exchange.h"

#include <string.h>

#include "common/base64.h"
#include "common/mem.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/net/throttle.h"
#include "server/stream/sasl2.h"

enum { VERDICT_DELAY_MAX_MS = 30000 };

/* What throttle.h counts. */
#define BY_ADDRESS "sasl-address"
#define BY_ACCOUNT "sasl-account"

/* ---- beginning, going on, ending ---- */

void sasl_free(struct sasl **own_x)
{
    struct sasl *x = *own_x;

    *own_x = NULL;
    if (x == NULL)
        return;
    wheel_cancel(&x->delay);
    scram_free(&x->scram);
    buf_deinit(&x->success);
    sasl2_request_free(&x->request);
    free(x);
}

bool sasl_begin(struct session *s, const struct sasl_profile *profile, struct str name, bool is_token,
                struct sasl2_request *own_request)
{
    const char *failure;
    const struct sasl_mechanism *m = sasl_find_mechanism(s, name, is_token, &failure);
    char nonce[2 * SCRAM_NONCE_BYTES];

    sasl_free(&s->sasl);
    s->sasl = mem_zalloc(sizeof(*s->sasl));
    s->sasl->profile = profile;
    s->sasl->mechanism = m;
    s->sasl->session = s;
    s->sasl->request = own_request;
    if (m == NULL) {
        sasl_fail_now(s, failure);
        return false;
    }
    s->state = profile->during;
    s->sasl_ms = (uint32_t)worker_now_ms(s->worker);
    if (m->take == sasl_take_scram)
        s->sasl->scram = scram_new(m->hash, m->is_plus, s->offered_plus, random_hex(nonce, SCRAM_NONCE_BYTES));
    return true;
}

void sasl_take(struct session *s, struct str message)
{
    s->sasl->mechanism->take(s, message);
}

void sasl_take_base64(struct session *s, struct str text)
{
    struct buf message = {0};

    if (base64_decode(&message, text))
        sasl_take(s, buf_str(&message));
    else
        sasl_fail_now(s, "incorrect-encoding");
    if (message.len > 0)
        mem_wipe(message.p, message.len);
    buf_deinit(&message);
}

/* ---- who ---- */

bool sasl_set_username(struct session *s, struct str username)
{
    struct sasl *x = s->sasl;
    char local[JID_PART_MAX];
    size_t len;

    if (jid_prepare_local(username, local, &len) != LN_OK)
        return false;
    x->jid = jid_join(str_make(local, len), s->host, str_make(NULL, 0), &x->jid_mem);
    return true;
}

static bool is_own_authzid(const struct sasl *x, struct str authzid)
{
    struct jid_buf mem;
    struct jid jid;

    if (authzid.len == 0)
        return true;
    if (jid_parse(authzid, &mem, &jid) != LN_OK)
        return false;
    return str_eq(jid.full, x->jid.full);
}

bool sasl_check_authzid(struct session *s, struct str authzid)
{
    const struct sasl *x = s->sasl;

    /* No second header follows under XEP-0388, in which a wrong `from` would be found out. */
    if (is_own_authzid(x, authzid) &&
        (x->request == NULL || s->header_from == NULL || str_is(x->jid.full, s->header_from)))
        return true;
    sasl_fail_now(s, "invalid-authzid");
    return false;
}

/* ---- the verdict ---- */

void sasl_fail_now(struct session *s, const char *condition)
{
    const struct sasl_profile *profile = s->sasl->profile;

    sasl_free(&s->sasl);
    s->state = STREAM_WAIT_AUTH;
    profile->failure(s, condition);
    if (++s->sasl_failures >= s->worker->config->sasl.failures_per_connection)
        session_close(s, STREAM_ERR_POLICY_VIOLATION, "too many failed logins");
}

void sasl_fail_for_now(struct session *s, enum ln_err err)
{
    log_warn(LOG_SASL, s->id, "sasl.unavailable", F_STR("jid", s->sasl->jid.full), F_ERR("err", err));
    sasl_fail_now(s, "temporary-auth-failure");
}

static void succeed(struct session *s)
{
    const struct sasl *x = s->sasl;

    s->mechanism = x->mechanism->name;
    s->credentials_ms = x->credentials_ms;
    counter_add(&s->worker->counters.logins, 1);
    log_debug(LOG_SASL, s->id, "sasl.done", F_STR("jid", x->jid.full), F_CSTR("mech", x->mechanism->name),
              F_U64("ms", (uint32_t)worker_now_ms(s->worker) - s->sasl_ms));
    x->profile->success(s);
}

static void say_verdict(struct session *s)
{
    if (s->sasl->failure != NULL)
        sasl_fail_now(s, s->sasl->failure);
    else
        succeed(s);
}

static void on_delay_over(struct wheel_timer *t)
{
    struct sasl *x = container_of(t, struct sasl, delay);
    struct session *s = x->session;

    session_resume(s); /* first: the verdict may end the session */
    say_verdict(s);
}

static void say_verdict_after(struct session *s, uint64_t delay_ms)
{
    struct sasl *x = s->sasl;

    if (delay_ms == 0) {
        say_verdict(s);
        return;
    }
    x->delay.fire = on_delay_over;
    session_pause(s); /* the exchange ends with the session, and the timer with the exchange */
    wheel_set(&s->worker->wheel, &x->delay, delay_ms);
}

/* Beyond what people mistype the wait grows with every failure, up to a bound that leaves time to log in: nobody is
 * locked out. */
static uint64_t delay_after(const struct config *cfg, uint32_t failures)
{
    uint64_t delay_ms = cfg->sasl.failure_delay_ms, max_ms = cfg->limits.unauthenticated_s * 1000 / 2;

    if (max_ms > VERDICT_DELAY_MAX_MS)
        max_ms = VERDICT_DELAY_MAX_MS;
    if (failures > cfg->sasl.failures_per_window)
        delay_ms *= 1 + (failures - cfg->sasl.failures_per_window);
    return delay_ms < max_ms ? delay_ms : max_ms;
}

void sasl_fail_login(struct session *s)
{
    const struct config *cfg = s->worker->config;
    struct throttle *throttle = s->worker->server->throttle;
    struct sasl *x = s->sasl;
    char addr[16];
    uint32_t by_addr, by_jid;
    uint64_t delay_ms;

    by_addr = throttle_count(throttle, BY_ADDRESS, throttle_address(conn_peek_peer(s->conn), addr),
                             cfg->sasl.failures_window_s);
    by_jid = throttle_count(throttle, BY_ACCOUNT, jid_full(&x->jid), cfg->sasl.failures_window_s);
    delay_ms = delay_after(cfg, by_addr > by_jid ? by_addr : by_jid);
    counter_add(&s->worker->counters.login_failures, 1);
    log_info(LOG_SASL, s->id, "sasl.failed", F_STR("jid", x->jid.full), F_CSTR("mech", x->mechanism->name),
             F_ADDR("peer", conn_peek_peer(s->conn)), F_U64("delay_ms", delay_ms));
    x->failure = "not-authorized";
    say_verdict_after(s, delay_ms);
}

/* An address that has failed often waits for this too: otherwise whoever is not answered at once knows that the guess
 * was wrong, hangs up, and makes the next. Not so for an account that was failed often: its owner comes from elsewhere.
 */
void sasl_pass_login(struct session *s, struct str data)
{
    const struct config *cfg = s->worker->config;
    char addr[16];
    uint32_t failures = throttle_peek(s->worker->server->throttle, BY_ADDRESS,
                                      throttle_address(conn_peek_peer(s->conn), addr), cfg->sasl.failures_window_s);

    buf_append_str(&s->sasl->success, data);
    say_verdict_after(s, failures > cfg->sasl.failures_per_window ? delay_after(cfg, failures) : 0);
}
