/* server/modules/register.c - XEP-0077 In-Band Registration 2.4
 *
 * Strangers make an account where host.registration.open says so, or with an invitation (invite.h); users change their
 * password or leave in any case. How many accounts an address makes is counted, and, eight times as generously, how
 * many names it tries: a name that is taken costs nothing but that. The counters are those of net/throttle.h, which all
 * workers share.
 *
 * A client's input is held while it waits: one that logged in meanwhile would move to another worker. */
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/account.h"
#include "server/modules/invite.h"
#include "server/modules/module.h"
#include "server/net/throttle.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"

enum { HOUR_S = 3600, NAMES_FOR_AN_ACCOUNT = 8, USE_TRIES = 8 };

/* Passwords cross in the clear, as with PLAIN. */
static bool is_private_enough(const struct session *s)
{
    return s->is_secure || !s->worker->config->tls.required;
}

static bool is_open_to(const struct session *s, const struct config_host *host)
{
    return host != NULL && host->registration.open && is_private_enough(s);
}

static bool may_register(const struct session *s, const struct config_host *host)
{
    return is_open_to(s, host) || (host != NULL && invite_session_peek(s) != NULL && is_private_enough(s));
}

static enum verdict add_feature(struct hook_event *e)
{
    if (e->session->type == SESSION_C2S_UNAUTHED && is_open_to(e->session, session_host(e->session)))
        xml_put_empty(e->out, "register", NS_REGISTER_FEATURE);
    return CONTINUE;
}

/* The text of a field; empty also when it is not there. */
static struct str field(const struct iq *iq, const char *name)
{
    const struct xml_element *e = xml_child(iq->query, name, NS_REGISTER);

    return e == NULL ? STR("") : e->text;
}

/* Into `mem`; false: no account can have that name. */
static bool prepare_name(const struct iq *iq, struct jid_buf *mem, struct jid *ret)
{
    char local[JID_PART_MAX];
    size_t len;

    if (jid_prepare_local(field(iq, "username"), local, &len) != LN_OK)
        return false;
    *ret = jid_join(str_make(local, len), iq->host, STR(""), mem);
    return true;
}

/* ---- a new account (section 3.1) ---- */

/* An invitation may be for one name. */
static struct str name_invited(const struct iq *iq)
{
    const struct invite *i = invite_session_peek(iq->session);

    return i == NULL ? STR("") : i->name;
}

static enum iq_verdict on_early_get(struct iq *iq)
{
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    if (!may_register(iq->session, iq_host(iq)))
        return IQ_NOT_MINE;
    xml_start(&w, "query", NS_REGISTER);
    xml_put_text_element(&w, "instructions", STR("Choose a name and a password."));
    xml_put_text_element(&w, "username", name_invited(iq));
    xml_put_empty(&w, "password", NULL);
    xml_end(&w);
    enum iq_verdict verdict = iq_result(iq, buf_str(&payload));

    buf_deinit(&payload);
    return verdict;
}

struct registration {
    struct iq *iq;
    struct str password; /* lies in the stanza */
    struct jid jid;
    struct jid_buf jid_mem;
    struct invite *invite; /* that it is made with; NULL: registration is open */
    struct invite *keeper; /* whom the name was kept for, which has ended; NULL: nobody */
    unsigned tries;
};

static struct iq *end_registration(struct registration *r)
{
    struct iq *iq = r->iq;

    session_resume(iq->session);
    free(r->invite);
    free(r->keeper);
    free(r);
    return iq;
}

/* One more of `what` by this address; true while they are at most `limit` in an hour. */
static bool count(const struct session *s, const char *what, uint64_t limit)
{
    char bytes[16];
    struct str address = throttle_address(conn_peek_peer(s->conn), bytes);

    uint32_t n = throttle_count(s->worker->server->throttle, what, address, HOUR_S);

    if (n == limit + 1) /* and not each time: who goes on would write the log */
        log_warn(LOG_MODULE, s->id, "register.limited", F_CSTR("what", what), F_U64("limit", limit),
                 F_ADDR("peer", conn_peek_peer(s->conn)));
    return n <= limit;
}

static enum stanza_err error_of(enum ln_err err)
{
    switch (err) {
    case LN_E_EXISTS:
        return STANZA_ERR_CONFLICT;
    case LN_E_INVALID:
        return STANZA_ERR_NOT_ACCEPTABLE;
    case LN_E_NOT_FOUND: /* the host went, or the account */
        return STANZA_ERR_SERVICE_UNAVAILABLE;
    default:
        return stanza_err_of_storage(err);
    }
}

static void look_name_up(struct registration *r);

static void finish(struct registration *r)
{
    log_info(LOG_MODULE, r->iq->session->id, "register.done", F_STR("jid", r->jid.full),
             F_STR("inviter", r->invite == NULL ? STR("") : r->invite->inviter));
    if (r->invite != NULL) {
        invite_session_forget(r->iq->session); /* or a stream would make as many accounts as it has uses */
        invite_account_made(r->iq->worker->server, r->invite, &r->jid);
    }
    (void)iq_result(end_registration(r), STR(""));
}

static void on_created(void *ctx, enum ln_err err)
{
    struct registration *r = ctx;

    /* Somebody else has taken one of several uses of the invitation meanwhile, or the name: looked up anew. */
    if (err == LN_E_NOT_FOUND && (r->invite != NULL || r->keeper != NULL) && ++r->tries < USE_TRIES)
        look_name_up(r);
    else if (err == LN_OK)
        finish(r);
    else
        (void)iq_error(end_registration(r), error_of(err), NULL);
}

/* Nobody has the name, as far as can be said; the transaction makes sure. */
static void create(struct registration *r)
{
    const struct session *s = r->iq->session;
    const struct config_host *host = iq_host(r->iq);
    struct storage_txn *t;

    if (s->conn == NULL || !may_register(s, host)) {
        (void)iq_error(end_registration(r), STANZA_ERR_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    if (r->invite == NULL && !count(s, "register", host->registration.per_address_per_hour)) {
        (void)iq_error(end_registration(r), STANZA_ERR_RESOURCE_CONSTRAINT, "too many accounts from your address");
        return;
    }
    t = storage_txn_new();
    if (r->invite == NULL || r->invite->name.len == 0)
        invite_require_free_name(t, host->name, jid_local(&r->jid), r->keeper);
    if (r->invite != NULL)
        invite_use(t, host->name, r->invite);
    account_create_with(s->worker->server, &r->jid, r->password, (uint32_t)s->worker->config->sasl.iterations, t,
                        &s->worker->executor, on_created, r);
}

/* That it ended while its owner thought about a name does not matter (XEP-0445 section 4). */
static void on_invite(void *ctx, enum ln_err err, const struct invite *i)
{
    struct registration *r = ctx;

    if (err == LN_OK && i->for_account) {
        free(r->invite);
        r->invite = invite_copy(i);
        create(r);
    } else if (err == LN_OK || err == LN_E_NOT_FOUND) {
        (void)iq_error(end_registration(r), STANZA_ERR_NOT_ACCEPTABLE, "the invitation has been used");
    } else {
        (void)iq_error(end_registration(r), stanza_err_of_storage(err), NULL);
    }
}

/* Open registration does without; an invitation is looked up with the uses that it has left. */
static void look_invite_up(struct registration *r)
{
    const struct session *s = r->iq->session;
    const struct invite *i = invite_session_peek(s);

    if (i == NULL)
        create(r);
    else
        invite_find(r->iq->worker->server, r->iq->host, i->token, true, &r->iq->worker->executor, on_invite, r);
}

/* A name may be kept for somebody who was invited by it. */
static void on_keeper(void *ctx, enum ln_err err, const struct invite *keeper)
{
    struct registration *r = ctx;
    const struct invite *own = invite_session_peek(r->iq->session);

    free(r->keeper);
    r->keeper = NULL;
    if (err != LN_OK && err != LN_E_NOT_FOUND) {
        (void)iq_error(end_registration(r), stanza_err_of_storage(err), NULL);
        return;
    }
    bool is_own = err == LN_OK && own != NULL && str_eq(own->token, keeper->token);

    if (err == LN_OK && !is_own && !invite_has_ended(keeper)) {
        (void)iq_error(end_registration(r), STANZA_ERR_CONFLICT, NULL);
        return;
    }
    if (err == LN_OK && !is_own)
        r->keeper = invite_copy(keeper);
    look_invite_up(r);
}

static void on_name_looked_up(void *ctx, const struct storage_rows *rows)
{
    struct registration *r = ctx;
    struct worker *w = r->iq->worker;

    if (rows->err != LN_OK)
        (void)iq_error(end_registration(r), stanza_err_of_storage(rows->err), NULL);
    else if (rows->n > 0)
        (void)iq_error(end_registration(r), STANZA_ERR_CONFLICT, NULL);
    else
        invite_find_name(w->server, r->iq->host, jid_local(&r->jid), &w->executor, on_keeper, r);
}

static void look_name_up(struct registration *r)
{
    struct worker *w = r->iq->worker;
    struct storage_query q = {
        .kind = STORAGE_GET, .owner = r->jid.full, .collection = CREDENTIALS_COLLECTION, .key = CREDENTIALS_KEY};

    storage_read(w->server->storage, &q, &w->executor, on_name_looked_up, r);
}

static enum iq_verdict on_early_set(struct iq *iq)
{
    const struct config_host *host = iq_host(iq);
    struct jid_buf mem;
    struct jid jid;

    if (!may_register(iq->session, host))
        return IQ_NOT_MINE;
    if (field(iq, "password").len == 0 || !prepare_name(iq, &mem, &jid))
        return iq_error(iq, STANZA_ERR_NOT_ACCEPTABLE, NULL);
    if (name_invited(iq).len > 0 && !str_eq(name_invited(iq), jid_local(&jid)))
        return iq_error(iq, STANZA_ERR_NOT_ACCEPTABLE, "the invitation is for another name");
    if (!count(iq->session, "register-name", host->registration.per_address_per_hour * NAMES_FOR_AN_ACCOUNT))
        return iq_error(iq, STANZA_ERR_RESOURCE_CONSTRAINT, "too many attempts from your address");
    struct registration *r = mem_zalloc(sizeof(*r));

    r->iq = iq_keep(iq);
    r->password = field(iq, "password");
    r->jid = jid_join(jid_local(&jid), jid_domain(&jid), STR(""), &r->jid_mem);
    session_pause(iq->session);
    look_name_up(r);
    return IQ_LATER;
}

/* ---- a user: what is on file, a new password (section 3.3), the end (section 3.2) ---- */

static bool is_user_of_host(const struct iq *iq)
{
    return iq->session != NULL && session_is_connected(iq->session) && str_eq(iq->session->host, iq->host);
}

static enum iq_verdict on_get(struct iq *iq)
{
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    if (!is_user_of_host(iq))
        return IQ_NOT_MINE;
    xml_start(&w, "query", NS_REGISTER);
    xml_put_empty(&w, "registered", NULL);
    xml_put_text_element(&w, "username", iq->session->username);
    xml_put_empty(&w, "password", NULL);
    xml_end(&w);
    enum iq_verdict verdict = iq_result(iq, buf_str(&payload));

    buf_deinit(&payload);
    return verdict;
}

static void on_password_changed(void *ctx, enum ln_err err)
{
    struct iq *iq = ctx;

    session_resume(iq->session);
    if (err == LN_OK)
        (void)iq_result(iq, STR(""));
    else
        (void)iq_error(iq, error_of(err), NULL);
}

static enum iq_verdict change_password(struct iq *iq)
{
    struct session *s = iq->session;
    struct str password = field(iq, "password");
    struct jid own = jid_to_bare(&s->jid), asked;
    struct jid_buf mem;

    if (!is_private_enough(s))
        return iq_error(iq, STANZA_ERR_NOT_AUTHORIZED, NULL);
    if (password.len == 0 || !prepare_name(iq, &mem, &asked))
        return iq_error(iq, STANZA_ERR_BAD_REQUEST, NULL);
    if (!str_eq(asked.full, own.full))
        return iq_error(iq, STANZA_ERR_NOT_ALLOWED, "that is not your name");
    session_pause(s);
    account_set_password(s->worker->server, &own, password, (uint32_t)s->worker->config->sasl.iterations, s->id,
                         &s->worker->executor, on_password_changed, iq_keep(iq));
    return IQ_LATER;
}

/* The last thing that the session hears is that it worked (XEP-0077 section 3.2). */
static void on_removed(void *ctx, enum ln_err err)
{
    struct iq *iq = ctx;
    struct session *s = session_ref(iq->session);

    session_resume(s);
    if (err == LN_OK) {
        (void)iq_result(iq, STR(""));
        session_close(s, STREAM_ERR_NOT_AUTHORIZED, "the account was deleted");
    } else {
        log_error(LOG_MODULE, s->id, "register.remove_failed", F_STR("jid", jid_bare(&s->jid)), F_ERR("err", err));
        (void)iq_error(iq, stanza_err_of_storage(err), NULL);
    }
    session_unref(&s);
}

static enum iq_verdict remove_account(struct iq *iq)
{
    struct session *s = iq->session;
    struct jid own = jid_to_bare(&s->jid);

    session_pause(s);
    account_delete(s->worker->server, &own, s->id, &s->worker->executor, on_removed, iq_keep(iq));
    return IQ_LATER;
}

static enum iq_verdict on_set(struct iq *iq)
{
    if (!is_user_of_host(iq))
        return IQ_NOT_MINE;
    if (xml_child(iq->query, "remove", NS_REGISTER) == NULL)
        return change_password(iq);
    if (xml_count_children(iq->query) > 1)
        return iq_error(iq, STANZA_ERR_BAD_REQUEST, NULL);
    return remove_account(iq);
}

const struct module module_register = {
    .name = "register",
    .features = {NS_REGISTER},
    .iq = {{IQ_GET, NS_REGISTER, "query", IQ_BEFORE_AUTH, on_early_get},
           {IQ_SET, NS_REGISTER, "query", IQ_BEFORE_AUTH, on_early_set},
           {IQ_GET, NS_REGISTER, "query", IQ_TO_HOST | IQ_TO_OWN_ACCOUNT, on_get},
           {IQ_SET, NS_REGISTER, "query", IQ_TO_HOST | IQ_TO_OWN_ACCOUNT, on_set}},
    .hooks = {{HOOK_STREAM_FEATURES, PRIORITY_NORMAL, add_feature}},
};
