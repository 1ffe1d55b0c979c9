#include "server/stream/sasl.h"

#include <string.h>

#include "common/base64.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/net/pool.h"
#include "server/net/throttle.h"
#include "server/net/tls.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"
#include "server/stream/sasl_cache.h"
#include "server/stream/stream.h"

enum { VERDICT_DELAY_MAX_MS = 30000 };

/* What throttle.h counts. */
#define BY_ADDRESS "sasl-address"
#define BY_ACCOUNT "sasl-account"

struct mechanism {
    const char *name;
    enum config_sasl_mechanism bit;
    bool is_plain;
    bool is_plus;
    enum scram_hash hash;
};

/* In the order of preference, which is the order they are offered in. */
static const struct mechanism mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", CONFIG_SASL_SCRAM_SHA_256_PLUS, false, true, SCRAM_SHA_256},
    {"SCRAM-SHA-1-PLUS", CONFIG_SASL_SCRAM_SHA_1_PLUS, false, true, SCRAM_SHA_1},
    {"SCRAM-SHA-256", CONFIG_SASL_SCRAM_SHA_256, false, false, SCRAM_SHA_256},
    {"SCRAM-SHA-1", CONFIG_SASL_SCRAM_SHA_1, false, false, SCRAM_SHA_1},
    {"PLAIN", CONFIG_SASL_PLAIN, true, false, SCRAM_SHA_256},
};

static const char *const binding_types[] = {"tls-exporter", "tls-unique", "tls-server-end-point"};

enum sasl_step { WAIT_INITIAL, WAIT_FINAL, WAIT_NOTHING };

/* One exchange. It outlives the session's interest in it while storage or the pool work for it. */
struct sasl {
    const struct mechanism *mechanism;
    enum sasl_step step;
    struct scram *scram;
    struct jid_buf jid_mem;
    struct jid jid; /* bare; empty until the username is known */
    struct str cb_type;
    char cb_type_mem[64];
    struct wheel_timer delay; /* the verdict is held back */
    struct session *session;  /* for `delay` */
    const char *failure;      /* the verdict; NULL: success, with */
    struct buf success;
};

void sasl_free(struct sasl **own_x)
{
    struct sasl *x = *own_x;

    *own_x = NULL;
    if (x == NULL)
        return;
    wheel_cancel(&x->delay);
    scram_free(&x->scram);
    buf_deinit(&x->success);
    free(x);
}

/* ---- what is offered ---- */

static bool has_binding(const struct session *s, const char *type, struct buf *data)
{
    const struct tls *tls = conn_peek_tls(s->conn);

    return tls != NULL && tls_channel_binding(tls, type, data) == LN_OK;
}

static bool has_any_binding(const struct session *s)
{
    struct buf data = {0};
    bool has = false;

    for (size_t i = 0; i < ARRAY_LEN(binding_types) && !has; i++)
        has = has_binding(s, binding_types[i], &data);
    buf_deinit(&data);
    return has;
}

static bool is_enabled(const struct session *s, const struct mechanism *m)
{
    return (s->worker->config->sasl.mechanisms & (1u << m->bit)) != 0;
}

static bool needs_tls_first(const struct session *s, const struct mechanism *m)
{
    const struct config *cfg = s->worker->config;

    return !s->is_secure && (cfg->tls.required || (m->is_plain && !cfg->tls.allow_plain_without_tls));
}

static bool is_offered(const struct session *s, const struct mechanism *m, bool can_bind)
{
    return is_enabled(s, m) && !needs_tls_first(s, m) && (!m->is_plus || can_bind);
}

void sasl_write_features(struct session *s, struct xml_writer *w)
{
    bool can_bind = has_any_binding(s), any = false;
    struct buf data = {0};

    s->offered_plus = false;
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
        if (!is_offered(s, &mechanisms[i], can_bind))
            continue;
        if (!any)
            xml_start(w, "mechanisms", NS_SASL);
        any = true;
        s->offered_plus = s->offered_plus || mechanisms[i].is_plus;
        xml_put_text_element(w, "mechanism", str_of(mechanisms[i].name));
    }
    if (any)
        xml_end(w);
    if (s->offered_plus) { /* XEP-0440 */
        xml_start(w, "sasl-channel-binding", NS_SASL_CB);
        for (size_t i = 0; i < ARRAY_LEN(binding_types); i++) {
            if (!has_binding(s, binding_types[i], &data))
                continue;
            xml_start(w, "channel-binding", NULL);
            xml_put_attr(w, "type", str_of(binding_types[i]));
            xml_end(w);
        }
        xml_end(w);
    }
    buf_deinit(&data);
}

/* ---- answers ---- */

static void write_with_data(struct session *s, const char *element, struct str data)
{
    struct buf b = {0}, text = {0};
    struct xml_writer w = xml_writer_to(&b);

    base64_encode(&text, data);
    xml_start(&w, element, NS_SASL);
    if (text.len > 0)
        xml_put_text(&w, buf_str(&text));
    xml_end(&w);
    (void)session_send_raw(s, buf_str(&b), 0);
    buf_deinit(&b);
    buf_deinit(&text);
}

void sasl_write_success(struct session *s, struct str data)
{
    write_with_data(s, "success", data);
}

static void write_failure(struct session *s, const char *condition)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    xml_start(&w, "failure", NS_SASL);
    xml_put_empty(&w, condition, NULL);
    xml_end(&w);
    (void)session_send_raw(s, buf_str(&b), 0);
    buf_deinit(&b);
}

static void fail_now(struct session *s, const char *condition)
{
    sasl_free(&s->sasl);
    s->state = STREAM_WAIT_AUTH;
    write_failure(s, condition);
    if (++s->sasl_failures >= s->worker->config->sasl.failures_per_connection)
        session_close(s, STREAM_ERR_POLICY_VIOLATION, "too many failed logins");
}

static void succeed(struct session *s)
{
    struct sasl *x = s->sasl;
    struct buf data = x->success;
    char username[JID_PART_MAX];
    size_t len = x->jid.local_len;

    x->success = (struct buf){0};
    memcpy(username, x->jid.full.p, len);
    s->mechanism = x->mechanism->name;
    counter_add(&s->worker->counters.logins, 1);
    log_debug(LOG_SASL, s->id, "sasl.done", F_STR("jid", x->jid.full), F_CSTR("mech", x->mechanism->name),
              F_U64("ms", worker_now_ms(s->worker) - s->sasl_ms));
    sasl_free(&s->sasl);
    stream_authenticated(s, str_make(username, len), buf_str(&data));
    buf_deinit(&data);
}

static void say_verdict(struct session *s)
{
    if (s->sasl->failure != NULL)
        fail_now(s, s->sasl->failure);
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

/* Wrong credentials: counted against the address and the account, and answered late. */
static void fail_login(struct session *s)
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

/* Right credentials. An address that has failed often waits for this too: otherwise whoever is not answered at once
 * knows that the guess was wrong, hangs up, and makes the next. Not so for an account that was failed often: its owner
 * comes from elsewhere. */
static void pass_login(struct session *s, struct str data)
{
    const struct config *cfg = s->worker->config;
    char addr[16];
    uint32_t failures = throttle_peek(s->worker->server->throttle, BY_ADDRESS,
                                      throttle_address(conn_peek_peer(s->conn), addr), cfg->sasl.failures_window_s);

    buf_append_str(&s->sasl->success, data);
    say_verdict_after(s, failures > cfg->sasl.failures_per_window ? delay_after(cfg, failures) : 0);
}

/* ---- asking storage for the keys ---- */

struct lookup {
    struct session *s;
    /* PLAIN: the password, and the work of checking it */
    struct pool_job job;
    char password[PASSWORD_BYTES_MAX];
    size_t password_len;
    enum scram_hash hash; /* what the keys are of */
    struct scram_keys keys;
    bool is_known;
    bool is_right;
};

static void lookup_free(struct lookup *l)
{
    session_unref(&l->s);
    mem_wipe(l, sizeof(*l));
    free(l);
}

static void temporary_failure(struct session *s, enum ln_err err)
{
    log_warn(LOG_SASL, s->id, "sasl.unavailable", F_STR("jid", s->sasl->jid.full), F_ERR("err", err));
    fail_now(s, "temporary-auth-failure");
}

/* The keys that serve this login. An account that came from another server may have those of one hash only: any will do
 * for PLAIN, while SCRAM needs its own. */
static bool choose_keys(struct lookup *l, const struct mechanism *m, const struct credentials *c)
{
    if (m->is_plain && !credentials_has(c, l->hash))
        l->hash = SCRAM_SHA_1;
    if (!credentials_has(c, l->hash))
        return false;
    l->keys = c->keys[l->hash];
    return true;
}

/* Fills l->keys: the account's, or such as look like somebody's. False: already answered. */
static bool take_keys(struct lookup *l, const struct storage_rows *rows)
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
            mem_wipe(&c, sizeof(c));
        }
    }
    if (err != LN_OK) {
        temporary_failure(s, err);
        return false;
    }
    if (!l->is_known)
        scram_fake_keys(x->mechanism->hash, jid_full(&x->jid), s->worker->server->secret,
                        (uint32_t)s->worker->config->sasl.iterations, &l->keys);
    return true;
}

static void ask_for_keys(struct session *s, struct lookup *l, storage_on_rows on_rows)
{
    struct storage_query q = {.kind = STORAGE_GET,
                              .owner = jid_full(&s->sasl->jid),
                              .collection = CREDENTIALS_COLLECTION,
                              .key = CREDENTIALS_KEY};

    l->s = session_ref(s);
    session_pause(s);
    storage_read(s->worker->server->storage, &q, &s->worker->executor, on_rows, l);
}

/* ---- SCRAM ---- */

static void on_scram_keys(void *ctx, const struct storage_rows *rows)
{
    struct lookup *l = ctx;
    struct session *s = l->s;
    struct buf out = {0};

    session_resume(s);
    if (session_is_alive(s) && take_keys(l, rows)) {
        scram_server_first(s->sasl->scram, &l->keys, &out);
        s->sasl->step = WAIT_FINAL;
        write_with_data(s, "challenge", buf_str(&out));
    }
    buf_deinit(&out);
    lookup_free(l);
}

/* Prepares the username into x->jid. An unusable one is treated as unknown to everybody: not-authorized. */
static bool set_username(struct session *s, struct str username)
{
    struct sasl *x = s->sasl;
    char local[JID_PART_MAX];
    size_t len;

    if (jid_prepare_local(username, local, &len) != LN_OK)
        return false;
    x->jid = jid_join(str_make(local, len), s->host, str_make(NULL, 0), &x->jid_mem);
    return true;
}

/* Who wants to be somebody else may not: only the own bare JID is taken (RFC 6120 section 6.3.8). */
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

static void scram_first(struct session *s, struct str message)
{
    struct sasl *x = s->sasl;
    struct scram_first first;
    enum ln_err err = scram_client_first(x->scram, message, &first);

    if (err != LN_OK) {
        fail_now(s, err == LN_E_AUTH ? "not-authorized" : "malformed-request");
        return;
    }
    if (!set_username(s, first.username)) {
        fail_login(s);
        return;
    }
    if (!is_own_authzid(x, first.authzid)) {
        fail_now(s, "invalid-authzid");
        return;
    }
    if (first.cb_type.len >= sizeof(x->cb_type_mem)) {
        fail_now(s, "malformed-request");
        return;
    }
    if (first.cb_type.len > 0)
        memcpy(x->cb_type_mem, first.cb_type.p, first.cb_type.len);
    x->cb_type_mem[first.cb_type.len] = '\0';
    x->cb_type = str_make(x->cb_type_mem, first.cb_type.len);
    x->step = WAIT_NOTHING;
    ask_for_keys(s, mem_zalloc(sizeof(struct lookup)), on_scram_keys);
}

static void scram_final(struct session *s, struct str message)
{
    struct sasl *x = s->sasl;
    struct buf data = {0}, other = {0}, out = {0};
    struct scram_binding binding = {.type = x->cb_type};
    enum ln_err err;

    if (x->cb_type.len > 0 && has_binding(s, x->cb_type_mem, &data))
        binding.data = buf_str(&data);
    if (str_is(x->cb_type, "tls-exporter") && has_binding(s, TLS_EXPORTER_EMPTY, &other))
        binding.other = buf_str(&other);
    err = scram_client_final(x->scram, message, &binding, &out);
    if (err == LN_OK)
        pass_login(s, buf_str(&out));
    else if (err == LN_E_INVALID)
        fail_now(s, "malformed-request");
    else
        fail_login(s);
    buf_deinit(&data);
    buf_deinit(&other);
    buf_deinit(&out);
}

/* ---- PLAIN (RFC 4616) ---- */

static void finish_plain(struct lookup *l)
{
    struct session *s = l->s;

    if (session_is_alive(s)) {
        if (l->is_known && l->is_right) {
            sasl_cache_add(s->worker->sasl_cache, jid_full(&s->sasl->jid), &l->keys,
                           str_make(l->password, l->password_len), s->worker->config->sasl.plain_cache);
            pass_login(s, str_make(NULL, 0));
        } else {
            fail_login(s);
        }
    }
    lookup_free(l);
}

static void check_password(struct pool_job *job)
{
    struct lookup *l = container_of(job, struct lookup, job);

    l->is_right = scram_check_password(l->hash, str_make(l->password, l->password_len), &l->keys);
}

static void on_password_checked(struct pool_job *job)
{
    struct lookup *l = container_of(job, struct lookup, job);

    session_resume(l->s);
    finish_plain(l);
}

static void on_plain_keys(void *ctx, const struct storage_rows *rows)
{
    struct lookup *l = ctx;
    struct session *s = l->s;

    if (!session_is_alive(s) || !take_keys(l, rows)) {
        session_resume(s);
        lookup_free(l);
        return;
    }
    l->is_right = l->is_known && s->worker->config->sasl.plain_cache > 0 &&
                  sasl_cache_knows(s->worker->sasl_cache, jid_full(&s->sasl->jid), &l->keys,
                                   str_make(l->password, l->password_len));
    if (l->is_right) {
        session_resume(s);
        finish_plain(l);
        return;
    }
    l->job.reply_to = &s->worker->executor;
    l->job.work = check_password;
    l->job.done = on_password_checked;
    l->job.kind = POOL_PASSWORD;
    if (pool_submit(s->worker->server->pool, &l->job) != LN_OK) {
        session_resume(s);
        temporary_failure(s, LN_E_LIMIT);
        lookup_free(l);
    }
}

static void plain_message(struct session *s, struct str message)
{
    ptrdiff_t first = str_find(message, '\0'), second = -1;
    struct str authzid, username, password;

    if (first >= 0)
        second = str_find(str_make(message.p + first + 1, message.len - (size_t)first - 1), '\0');
    if (first < 0 || second < 0) {
        fail_now(s, "malformed-request");
        return;
    }
    authzid = str_make(message.p, (size_t)first);
    username = str_make(message.p + first + 1, (size_t)second);
    password = str_make(username.p + username.len + 1, message.len - (size_t)first - (size_t)second - 2);

    struct lookup *l = mem_zalloc(sizeof(*l));

    if (!set_username(s, username) ||
        precis_opaque_string(password, l->password, sizeof(l->password), &l->password_len) != LN_OK) {
        free(l);
        fail_login(s);
        return;
    }
    if (!is_own_authzid(s->sasl, authzid)) {
        mem_wipe(l, sizeof(*l));
        free(l);
        fail_now(s, "invalid-authzid");
        return;
    }
    s->sasl->step = WAIT_NOTHING;
    ask_for_keys(s, l, on_plain_keys);
}

/* ---- the exchange ---- */

static void take_message(struct session *s, struct str message)
{
    struct sasl *x = s->sasl;

    if (x->mechanism->is_plain)
        plain_message(s, message);
    else if (x->step == WAIT_FINAL)
        scram_final(s, message);
    else
        scram_first(s, message);
}

/* Decodes the text of an element. False: already answered. */
static bool decode(struct session *s, struct str text, struct buf *out)
{
    if (!base64_decode(out, text)) {
        fail_now(s, "incorrect-encoding");
        return false;
    }
    return true;
}

/* NULL: *ret_failure says why not. */
static const struct mechanism *find_mechanism(const struct session *s, struct str name, const char **ret_failure)
{
    bool can_bind = has_any_binding(s);

    *ret_failure = "invalid-mechanism";
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
        const struct mechanism *m = &mechanisms[i];

        if (!str_is(name, m->name) || !is_enabled(s, m))
            continue;
        if (is_offered(s, m, can_bind))
            return m;
        if (needs_tls_first(s, m))
            *ret_failure = "encryption-required";
    }
    return NULL;
}

void sasl_auth(struct session *s, const struct xml_element *e)
{
    const char *failure;
    const struct mechanism *m = find_mechanism(s, xml_attr(e, "mechanism", NULL), &failure);
    struct buf message = {0};
    char nonce[2 * SCRAM_NONCE_BYTES];

    sasl_free(&s->sasl); /* a new attempt ends the one that is under way */
    if (m == NULL) {
        fail_now(s, failure);
        return;
    }
    s->sasl = mem_zalloc(sizeof(*s->sasl));
    s->sasl->mechanism = m;
    s->sasl->session = s;
    s->state = STREAM_SASL;
    s->sasl_ms = worker_now_ms(s->worker);
    if (!m->is_plain)
        s->sasl->scram = scram_new(m->hash, m->is_plus, s->offered_plus, random_hex(nonce, SCRAM_NONCE_BYTES));
    if (e->text.len == 0) { /* no initial response: RFC 6120 section 6.4.2 */
        write_with_data(s, "challenge", str_make(NULL, 0));
        return;
    }
    /* "=" stands for an initial response without any bytes. */
    if (str_is(e->text, "="))
        take_message(s, str_make(NULL, 0));
    else if (decode(s, e->text, &message))
        take_message(s, buf_str(&message));
    if (message.len > 0)
        mem_wipe(message.p, message.len);
    buf_deinit(&message);
}

void sasl_response(struct session *s, const struct xml_element *e)
{
    struct buf message = {0};

    if (decode(s, e->text, &message))
        take_message(s, buf_str(&message));
    if (message.len > 0)
        mem_wipe(message.p, message.len);
    buf_deinit(&message);
}

void sasl_abort(struct session *s)
{
    fail_now(s, "aborted");
}

void sasl_forget(struct worker *w, struct str bare_jid)
{
    sasl_cache_forget(w->sasl_cache, bare_jid);
}
