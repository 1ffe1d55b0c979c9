/* server/modules/invites.c - XEP-0379 Pre-Authenticated Roster Subscription 0.3.3, XEP-0445 Pre-Authenticated In-Band
 * Registration 0.2.0; its commands (XEP-0401) are in invite_commands.c
 *
 * A subscription request with a token of the user's is accepted without asking, and returned: the token is used up
 * first, so that it counts just as often as it was meant to. A token that is unknown, or has ended, is nothing: the
 * request goes the usual way. A stream that presents a token before login may make an account; who invited it then is a
 * contact on both sides. */
#include "server/modules/invite.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/roster_change.h"
#include "server/modules/invite_commands.h"
#include "server/modules/module.h"
#include "server/net/throttle.h"
#include "server/storage/storage.h"

enum { HOUR_S = 3600, PRESENTED_PER_HOUR = 40, USE_TRIES = 8 };

static void on_start(struct server *server)
{
    (void)server;
    invite_session_start();
    invite_commands_register();
}

/* ---- a request to subscribe (XEP-0379 section 3.5) ---- */

struct asked {
    struct account *account; /* pinned, and busy */
    struct stanza *st;
    struct str token; /* lies in the stanza */
    unsigned tries;
};

static void look_up(struct asked *a);

static void go_on(struct asked *asked, bool is_accepted)
{
    struct account *a = asked->account;
    struct stanza *st = asked->st;

    free(asked);
    if (is_accepted) {
        log_info(LOG_MODULE, 0, "invite.used", F_STR("jid", a->jid.full), F_STR("by", jid_bare(&st->from)));
        roster_change_in_name_of(a, SUB_OUT_SUBSCRIBED, &st->from);
    }
    roster_change_subscription(a, NULL, st); /* which ends the account's being busy */
    if (is_accepted)
        roster_change_in_name_of(a, SUB_OUT_SUBSCRIBE, &st->from);
    stanza_unref(&st);
    account_unpin(a);
}

static void on_used(void *ctx, enum ln_err err)
{
    struct asked *asked = ctx;

    if (err == LN_E_NOT_FOUND && ++asked->tries < USE_TRIES)
        look_up(asked); /* somebody else took one of several uses, or the last */
    else
        go_on(asked, err == LN_OK);
}

static void on_found(void *ctx, enum ln_err err, const struct invite *i)
{
    struct asked *asked = ctx;
    struct account *a = asked->account;

    if (err != LN_OK || !i->for_contact || !str_eq(i->inviter, a->jid.full)) {
        go_on(asked, false);
        return;
    }
    struct storage_txn *t = storage_txn_new();

    invite_use(t, jid_domain(&a->jid), i);
    storage_commit(a->worker->server->storage, t, &a->worker->executor, on_used, asked);
}

static void look_up(struct asked *asked)
{
    struct account *a = asked->account;

    invite_find(a->worker->server, jid_domain(&a->jid), asked->token, false, &a->worker->executor, on_found, asked);
}

static struct str token_of(const struct xml_element *preauth)
{
    struct str token = preauth == NULL ? STR("") : xml_attr(preauth, "token", NULL);

    return token.len > INVITE_TOKEN_MAX ? STR("") : token;
}

/* Who sees the presence already needs no invitation, and is not to use one up. */
static enum verdict on_asked(struct hook_event *e)
{
    struct account *a = e->account;
    struct str token = token_of(xml_child(e->stanza->root, "preauth", NS_PARS));

    if (token.len == 0 || roster_is_subscriber(&a->roster, jid_bare(&e->stanza->from)))
        return CONTINUE;
    struct asked *asked = mem_zalloc(sizeof(*asked));

    asked->account = a;
    asked->st = stanza_ref(e->stanza);
    asked->token = token;
    account_pin(a);
    account_set_busy(a, true);
    look_up(asked);
    return STOP;
}

/* ---- before login (XEP-0445) ---- */

static bool is_private_enough(const struct session *s)
{
    return s->is_secure || !s->worker->config->tls.required;
}

/* Section 3 */
static enum verdict add_feature(struct hook_event *e)
{
    if (e->session->type == SESSION_C2S_UNAUTHED && is_private_enough(e->session) &&
        hooks_is_on(&module_register, session_host(e->session)))
        xml_put_empty(e->out, "register", NS_IBR_TOKEN);
    return CONTINUE;
}

static void on_presented(void *ctx, enum ln_err err, const struct invite *i)
{
    struct iq *iq = ctx;

    session_resume(iq->session);
    if (err == LN_OK && i->for_account) {
        if (session_is_alive(iq->session))
            invite_session_set(iq->session, i);
        (void)iq_result(iq, STR(""));
    } else if (err == LN_OK || err == LN_E_NOT_FOUND) {
        (void)iq_error(iq, STANZA_ERR_ITEM_NOT_FOUND, "the invitation is not valid, or not any more");
    } else {
        (void)iq_error(iq, stanza_err_of_storage(err), NULL);
    }
}

static bool may_try(const struct session *s)
{
    char bytes[16];
    struct str address = throttle_address(conn_peek_peer(s->conn), bytes);

    return throttle_count(s->worker->server->throttle, "preauth", address, HOUR_S) <= PRESENTED_PER_HOUR;
}

/* Section 4. The client's input is held: one that logged in meanwhile would move to another worker. */
static enum iq_verdict on_preauth(struct iq *iq)
{
    struct str token = token_of(iq->query);

    if (!hooks_is_on(&module_register, iq_host(iq)) || !is_private_enough(iq->session))
        return IQ_NOT_MINE;
    if (token.len == 0)
        return iq_error(iq, STANZA_ERR_BAD_REQUEST, "a token is missing");
    if (!may_try(iq->session))
        return iq_error(iq, STANZA_ERR_RESOURCE_CONSTRAINT, "too many attempts from your address");
    session_pause(iq->session);
    invite_find(iq->worker->server, iq->host, token, false, &iq->worker->executor, on_presented, iq_keep(iq));
    return IQ_LATER;
}

static enum verdict on_closing(struct hook_event *e)
{
    invite_session_forget(e->session);
    return CONTINUE;
}

static enum verdict on_deleted(struct hook_event *e)
{
    const struct jid *jid = &e->account->jid;

    invite_forget_inviter(e->worker->server, jid_domain(jid), jid->full, &e->worker->executor);
    return CONTINUE;
}

const struct module module_invites = {
    .name = "invites",
    .iq = {{IQ_SET, NS_PARS, "preauth", IQ_BEFORE_AUTH, on_preauth}},
    .hooks = {{HOOK_STREAM_FEATURES, PRIORITY_NORMAL, add_feature},
              {HOOK_SUBSCRIPTION_ASKED, PRIORITY_NORMAL, on_asked},
              {HOOK_SESSION_CLOSING, PRIORITY_NORMAL, on_closing},
              {HOOK_STREAM_CLOSING, PRIORITY_NORMAL, on_closing},
              {HOOK_ACCOUNT_DELETED, PRIORITY_NORMAL, on_deleted}},
    .on_start = on_start,
};
