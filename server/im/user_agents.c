#include "server/im/user_agents.h"

#include <string.h>

#include "common/datetime.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/batch.h"
#include "server/im/hooks.h"
#include "server/im/slots.h"
#include "server/stream/credentials.h"
#include "server/stream/sasl2.h"

enum { SAVE_COST = 1024 }; /* of a document that is being written, for the brake of im/batch.h */

/* As it is stored: an account in memory should cost little. */
struct entry {
    struct entry *next;
    uint8_t id[USER_AGENT_ID_BYTES];
    uint32_t len;
    char bytes[];
};

struct user_agents {
    struct entry *first;
};

static unsigned slot; /* [start] */

void user_agents_start(void)
{
    slot = account_slot_new();
}

static struct user_agents *get(const struct account *a)
{
    return account_slot_peek(a, slot);
}

static struct user_agents *make(struct account *a)
{
    void **list = account_slot(a, slot);

    if (*list == NULL)
        *list = mem_zalloc(sizeof(struct user_agents));
    return *list;
}

static bool decode(const struct account *a, const struct entry *e, struct user_agent *ret)
{
    return user_agent_read(e->id, str_make(e->bytes, e->len), a->credentials_ms, ret) == LN_OK;
}

/* ---- the list ---- */

static void entry_free(struct entry *e)
{
    mem_wipe(e->bytes, e->len);
    free(e);
}

static bool take_out(struct user_agents *list, const uint8_t id[USER_AGENT_ID_BYTES])
{
    for (struct entry **link = &list->first, *e; (e = *link) != NULL; link = &e->next) {
        if (memcmp(e->id, id, USER_AGENT_ID_BYTES) == 0) {
            *link = e->next;
            entry_free(e);
            return true;
        }
    }
    return false;
}

/* In front; an older state of it is replaced. */
static void put(struct user_agents *list, const uint8_t id[USER_AGENT_ID_BYTES], struct str bytes)
{
    struct entry *e = mem_alloc(sizeof(*e) + bytes.len);

    (void)take_out(list, id);
    memcpy(e->id, id, USER_AGENT_ID_BYTES);
    e->len = (uint32_t)bytes.len;
    memcpy(e->bytes, bytes.p, bytes.len);
    e->next = list->first;
    list->first = e;
}

void user_agents_free(struct account *a)
{
    struct user_agents *list = get(a);

    if (list == NULL)
        return;
    for (struct entry *e = list->first, *next; e != NULL; e = next) {
        next = e->next;
        entry_free(e);
    }
    free(list);
    *account_slot(a, slot) = NULL;
}

static void take_row(struct account *a, const struct storage_row *row)
{
    struct user_agent ua;
    enum ln_err err = user_agent_decode(row->key, row->bytes, 0, &ua);

    if (err == LN_OK)
        put(make(a), ua.id, row->bytes);
    else
        log_error(LOG_IM, 0, "user_agent.damaged", F_STR("jid", a->jid.full), F_ERR("err", err));
    mem_wipe(&ua, sizeof(ua));
}

/* Also when it is loaded anew. */
void user_agents_on_loaded(struct account *a, const struct storage_rows *rows)
{
    user_agents_free(a);
    for (size_t i = 0; i < rows->n; i++) {
        if (str_starts(rows->rows[i].key, STR(USER_AGENT_KEY)))
            take_row(a, &rows->rows[i]);
    }
}

static bool find(const struct account *a, const uint8_t id[USER_AGENT_ID_BYTES], struct user_agent *ret)
{
    const struct user_agents *list = get(a);

    for (const struct entry *e = list == NULL ? NULL : list->first; e != NULL; e = e->next) {
        if (memcmp(e->id, id, USER_AGENT_ID_BYTES) == 0)
            return decode(a, e, ret);
    }
    return false;
}

bool user_agents_next(const struct account *a, const void **cursor, struct user_agent *ret)
{
    const struct user_agents *list = get(a);
    const struct entry *e = *cursor;

    if (list == NULL)
        return false;
    do {
        e = e == NULL ? list->first : e->next;
        *cursor = e;
    } while (e != NULL && !decode(a, e, ret));
    return e != NULL;
}

bool user_agents_find(const struct account *a, struct str name, struct user_agent *ret)
{
    char mem[USER_AGENT_NAME_LEN];

    for (const void *cursor = NULL; user_agents_next(a, &cursor, ret);) {
        if (str_eq(name, user_agent_name(a->worker->server->secret, a->jid.full, ret->id, mem)))
            return true;
    }
    return false;
}

struct session *user_agents_session(const struct account *a, const uint8_t id[USER_AGENT_ID_BYTES],
                                    const struct session *after)
{
    struct session *s = after == NULL ? a->sessions : after->next_of_account;

    while (s != NULL && memcmp(s->user_agent, id, USER_AGENT_ID_BYTES) != 0)
        s = s->next_of_account;
    return s;
}

bool user_agents_knows_password(const struct account *a, const struct user_agent *ua)
{
    return ua->password_ms > a->credentials_ms;
}

bool user_agents_allow(const struct account *a, const struct session *s)
{
    static const uint8_t nobody[USER_AGENT_ID_BYTES];
    struct user_agent ua;

    if (s->credentials_ms < a->credentials_ms)
        return false;
    return memcmp(s->user_agent, nobody, sizeof(nobody)) == 0 || find(a, s->user_agent, &ua);
}

/* ---- making room ---- */

static bool is_in_use(const struct account *a, const struct user_agent *ua)
{
    return user_agents_session(a, ua->id, NULL) != NULL;
}

static void forget(struct account *a, const struct user_agent *ua, struct storage_txn *t)
{
    char key[USER_AGENT_KEY_LEN];

    (void)take_out(get(a), ua->id);
    storage_txn_delete(t, a->jid.full, CREDENTIALS_COLLECTION, user_agent_key(ua->id, key));
}

/* One that was not seen for as long as the configuration says; else, where there are too many, the one that was seen
 * longest ago. `keep` is the newcomer. */
static bool find_superfluous(const struct account *a, const struct config_sasl *cfg, const struct user_agent *keep,
                             struct user_agent *ret)
{
    int64_t too_old_ms = keep->last_seen_ms - (int64_t)cfg->user_agents_days * 86400 * 1000;
    size_t n = 0;
    bool has_any = false;
    struct user_agent ua;

    for (const void *cursor = NULL; user_agents_next(a, &cursor, &ua); n++) {
        if (memcmp(ua.id, keep->id, sizeof(ua.id)) == 0 || is_in_use(a, &ua))
            continue;
        if (!has_any || ua.last_seen_ms < ret->last_seen_ms)
            *ret = ua;
        has_any = true;
    }
    return has_any && (n > cfg->user_agents || ret->last_seen_ms < too_old_ms);
}

/* ---- saving ---- */

struct saving {
    struct worker *w;
    storage_on_committed done;
    void *ctx;
};

static void on_saved(void *ctx, enum ln_err err)
{
    struct saving *saving = ctx;

    batch_storage_settled(saving->w, SAVE_COST);
    if (saving->done != NULL)
        saving->done(saving->ctx, err);
    free(saving);
}

static void commit(struct account *a, struct storage_txn *own_txn, storage_on_committed done, void *ctx)
{
    struct saving *saving = mem_alloc(sizeof(*saving));

    *saving = (struct saving){.w = a->worker, .done = done, .ctx = ctx};
    batch_storage_begin(a->worker, SAVE_COST);
    storage_commit(a->worker->server->storage, own_txn, &a->worker->executor, on_saved, saving);
}

/* Puts it into the list, and makes a transaction of that. */
static struct storage_txn *update(struct account *a, const struct user_agent *ua)
{
    struct storage_txn *t = storage_txn_new();
    struct user_agent superfluous;
    struct buf b = {0};
    char key[USER_AGENT_KEY_LEN];

    user_agent_encode(&b, ua);
    put(make(a), ua->id, buf_str(&b));
    /* Not for an account that was deleted meanwhile: its document would outlive it. */
    storage_txn_require_present(t, a->jid.full, CREDENTIALS_COLLECTION, CREDENTIALS_KEY);
    storage_txn_put(t, a->jid.full, CREDENTIALS_COLLECTION, user_agent_key(ua->id, key), buf_str(&b));
    while (find_superfluous(a, &a->worker->config->sasl, ua, &superfluous))
        forget(a, &superfluous, t);
    mem_wipe(b.p, b.len);
    buf_deinit(&b);
    return t;
}

/* ---- logging in ---- */

/* Also where it is known: a client may have been renamed. */
static void describe(struct user_agent *ua, const struct sasl2_request *r)
{
    const struct xml_element *software = xml_child(r->user_agent, "software", NS_SASL2);
    const struct xml_element *device = xml_child(r->user_agent, "device", NS_SASL2);

    user_agent_describe(ua, software != NULL ? software->text : str_make(NULL, 0),
                        device != NULL ? device->text : str_make(NULL, 0));
}

static bool use_token(struct user_agent *ua, const struct sasl2_request *r, int64_t now_ms)
{
    if (fast_use(&ua->tokens, r->token_key, r->count, now_ms) != FAST_RIGHT)
        return false;
    if (r->invalidates_token)
        fast_drop(&ua->tokens);
    return true;
}

/* Has it asked for a token, or is one due? */
static bool is_given_token(const struct user_agent *ua, const struct sasl2_request *r, int64_t now_ms,
                           const struct config_fast *cfg)
{
    return r->wants_token ||
           (r->used_token && !r->invalidates_token && fast_is_due(&ua->tokens, now_ms, cfg->rotate_s));
}

static void give_token(const struct account *a, struct user_agent *ua, const struct sasl2_request *r, int64_t now_ms,
                       const struct config_fast *cfg, struct buf *out)
{
    unsigned mechanism = r->wants_token ? r->wanted_mechanism : ua->tokens.current.mechanism;
    struct xml_writer w = xml_writer_to(out);
    struct buf token = {0};
    char expiry[32];

    /* Younger than the password, also when the clock was set back. */
    if (now_ms <= a->credentials_ms)
        now_ms = a->credentials_ms + 1;
    fast_issue(&ua->tokens, mechanism, now_ms, cfg->lifetime_s, &token);
    xml_start(&w, "token", NS_FAST);
    xml_put_attr(&w, "expiry", datetime_format(ua->tokens.fresh.expires_ms, expiry));
    xml_put_attr(&w, "token", buf_str(&token));
    xml_end(&w);
    mem_wipe(token.p, token.len);
    buf_deinit(&token);
}

enum user_agent_login user_agents_log_in(struct account *a, struct session *s, struct buf *token,
                                         storage_on_committed done, void *ctx)
{
    const struct sasl2_request *r = sasl2_peek_request(s);
    const struct config_fast *cfg = &s->worker->config->fast;
    struct user_agent ua;
    int64_t now_ms = wall_clock_ms();
    bool has_to_wait;
    struct storage_txn *t;

    if (!r->has_user_agent)
        return USER_AGENT_NOTED;
    if (!find(a, r->user_agent_id, &ua)) {
        memset(&ua, 0, sizeof(ua));
        memcpy(ua.id, r->user_agent_id, sizeof(ua.id));
        ua.first_seen_ms = now_ms;
    }
    if (r->used_token && !use_token(&ua, r, now_ms))
        return USER_AGENT_REFUSED;
    memcpy(s->user_agent, ua.id, sizeof(ua.id));
    describe(&ua, r);
    ua.last_seen_ms = now_ms;
    ua.mechanisms |= r->mechanism;
    if (!r->used_token)
        ua.password_ms = now_ms;
    has_to_wait = r->invalidates_token && r->used_token;
    if (is_given_token(&ua, r, now_ms, cfg)) {
        give_token(a, &ua, r, now_ms, cfg, token);
        has_to_wait = true;
    }
    t = update(a, &ua);
    mem_wipe(&ua, sizeof(ua));
    commit(a, t, has_to_wait ? done : NULL, ctx);
    return has_to_wait ? USER_AGENT_SAVING : USER_AGENT_NOTED;
}

/* ---- ending ---- */

struct logout {
    struct account *a; /* pinned */
    uint8_t id[USER_AGENT_ID_BYTES];
    storage_on_committed done;
    void *ctx;
};

static void close_sessions(struct account *a, const uint8_t id[USER_AGENT_ID_BYTES])
{
    struct session *s;

    while ((s = user_agents_session(a, id, NULL)) != NULL)
        session_close(s, STREAM_ERR_NOT_AUTHORIZED, "logged out by another client or by the administrator");
}

static void tell_modules(struct account *a, const uint8_t id[USER_AGENT_ID_BYTES])
{
    char name[USER_AGENT_NAME_LEN];
    struct hook_event e = {.worker = a->worker, .account = a};

    e.client = user_agent_name(a->worker->server->secret, a->jid.full, id, name);
    (void)hooks_run(HOOK_CLIENT_LOGGED_OUT, config_host(a->worker->config, jid_domain(&a->jid)), &e);
}

static void on_forgotten(void *ctx, enum ln_err err)
{
    struct logout *l = ctx;

    l->done(l->ctx, err);
    if (err == LN_OK && account_is_lasting(l->a))
        tell_modules(l->a, l->id);
    close_sessions(l->a, l->id);
    account_unpin(l->a);
    free(l);
}

void user_agents_log_out(struct account *a, const struct user_agent *ua, storage_on_committed done, void *ctx)
{
    struct storage_txn *t = storage_txn_new();
    struct logout *l = mem_alloc(sizeof(*l));

    account_pin(a);
    *l = (struct logout){.a = a, .done = done, .ctx = ctx};
    memcpy(l->id, ua->id, sizeof(l->id));
    forget(a, ua, t);
    log_info(LOG_IM, 0, "user_agent.logged_out", F_STR("jid", a->jid.full), F_STR("software", user_agent_software(ua)));
    commit(a, t, on_forgotten, l);
}
