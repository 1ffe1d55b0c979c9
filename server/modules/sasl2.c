/* server/modules/sasl2.c - XEP-0388 Extensible SASL Profile 1.0.4: what a client asks for with its login.
 *
 * The login itself is the stream's (stream/sasl2.h). Here, at the account's home, the rest is carried out in the order
 * that the XEPs give: it is noted what client it is, and its tokens are looked at (XEP-0484); then an old session is
 * resumed (XEP-0198); or else, what other modules listen for: binding (XEP-0386). All results go with <success/>, which
 * waits until a new token is committed. */
#include "server/stream/sasl2.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/log.h"
#include "server/im/bind.h"
#include "server/im/resume.h"
#include "server/im/shard.h"
#include "server/im/user_agents.h"
#include "server/modules/module.h"

struct login {
    struct session *s;
    struct buf token; /* <token/>, or empty */
    bool is_noted;    /* the client is, and its token */
    bool is_prepared; /* the session that it may resume is */
};

static void login_free(struct login *l)
{
    session_unref(&l->s);
    if (l->token.len > 0)
        mem_wipe(l->token.p, l->token.len);
    buf_deinit(&l->token);
    free(l);
}

static void refuse(struct login *l, const char *condition)
{
    log_info(LOG_SASL, l->s->id, "sasl.refused", F_STR("jid", l->s->jid.full), F_CSTR("cond", condition));
    session_resume(l->s);
    if (session_is_alive(l->s))
        sasl2_refuse(l->s, condition);
    login_free(l);
}

/* True: nothing is left to be done, since the session goes on elsewhere, or has ended. Otherwise <failed/> is among the
 * results, if resumption was asked for (XEP-0198 section 7.2). */
static bool try_to_resume(struct session *s, struct buf *results)
{
    const struct xml_element *resume = xml_child(sasl2_peek_request(s)->authenticate, "resume", NS_SM);
    struct resume_request request;
    struct session *old = NULL;
    struct buf answer = {0};

    if (resume != NULL) {
        resume_read(resume, &request);
        old = resume_find(s, &request, results);
    }
    if (old == NULL)
        return !session_is_alive(s);
    sasl2_append_success(s, old->full_jid, buf_str(results), &answer);
    resume_adopt(old, s, buf_str(&answer));
    buf_deinit(&answer);
    return true;
}

static void carry_out(struct login *l, struct account *a)
{
    struct session *s = l->s;
    struct buf results = {0};
    struct xml_writer w = xml_writer_to(&results);
    struct hook_event e = {.worker = s->worker, .session = s, .account = a, .out = &w};

    session_resume(s);
    buf_append_str(&results, buf_str(&l->token));
    if (!try_to_resume(s, &results)) {
        e.element = sasl2_peek_request(s)->authenticate;
        (void)hooks_run(HOOK_SASL2_INLINE, session_host(s), &e);
        if (session_is_alive(s))
            sasl2_succeed(s, buf_str(&results));
        if (session_is_connected(s))
            bind_announce(s);
    }
    buf_deinit(&results);
}

static void on_account_ready(struct account *a, void *ctx);

static void await_account(struct login *l)
{
    if (account_when_ready(shard_of(l->s->worker), &l->s->jid, on_account_ready, l) != LN_OK)
        refuse(l, "temporary-auth-failure");
}

/* What could not be saved is not handed out; what could not be forgotten is not said to be. */
static void on_saved(void *ctx, enum ln_err err)
{
    struct login *l = ctx;

    if (session_is_alive(l->s) && err != LN_OK && sasl2_peek_request(l->s)->invalidates_token) {
        refuse(l, "temporary-auth-failure");
        return;
    }
    if (err != LN_OK)
        buf_clear(&l->token);
    await_account(l);
}

static void on_prepared(void *ctx)
{
    await_account(ctx);
}

static void prepare_and_carry_out(struct login *l, struct account *a)
{
    const struct xml_element *resume = xml_child(sasl2_peek_request(l->s)->authenticate, "resume", NS_SM);
    struct resume_request request;

    if (resume != NULL && !l->is_prepared) {
        l->is_prepared = true;
        resume_read(resume, &request);
        resume_prepare(l->s, &request, on_prepared, l);
        return;
    }
    carry_out(l, a);
    login_free(l);
}

static void note_client(struct login *l, struct account *a)
{
    l->is_noted = true;
    switch (user_agents_log_in(a, l->s, &l->token, on_saved, l)) {
    case USER_AGENT_NOTED:
        prepare_and_carry_out(l, a);
        break;
    case USER_AGENT_SAVING:
        break;
    case USER_AGENT_REFUSED:
        refuse(l, "not-authorized");
        break;
    }
}

static void on_account_ready(struct account *a, void *ctx)
{
    struct login *l = ctx;

    if (!session_is_alive(l->s)) {
        session_resume(l->s);
        login_free(l);
    } else if (a->state == ACCOUNT_FAILED) {
        refuse(l, "temporary-auth-failure");
    } else if (!account_is_lasting(a) || !user_agents_allow(a, l->s)) {
        refuse(l, "not-authorized");
    } else if (!l->is_noted) {
        note_client(l, a);
    } else {
        prepare_and_carry_out(l, a);
    }
}

static enum verdict on_authenticated(struct hook_event *e)
{
    struct login *l = mem_zalloc(sizeof(*l));

    l->s = session_ref(e->session);
    await_account(l);
    return STOP;
}

const struct module module_sasl2 = {
    .name = "sasl2",
    .hooks = {{HOOK_AUTHENTICATED, PRIORITY_NORMAL, on_authenticated}},
};
