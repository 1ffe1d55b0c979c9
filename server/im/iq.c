#include "server/im/iq.h"

#include "common/mem.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/config.h"
#include "server/im/account.h"
#include "server/im/hooks.h"
#include "server/im/router.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"
#include "server/stream/session.h"

#include <assert.h>

const struct config_host *iq_host(const struct iq *iq)
{
    return config_host(iq->worker->config, iq->host);
}

bool iq_sender_sees_presence(const struct iq *iq)
{
    if (iq->account == NULL)
        return false;
    return iq->target == IQ_TO_OWN_ACCOUNT || roster_is_subscriber(&iq->account->roster, jid_bare(&iq->st->from));
}

/* ---- requests that wait ---- */

struct iq *iq_keep(const struct iq *iq)
{
    struct iq *kept = mem_alloc(sizeof(*kept));

    assert(!iq->is_kept);
    *kept = *iq;
    kept->is_kept = true;
    (void)stanza_ref(kept->st); /* also an obligation: the client's stanza is not handled before it is answered */
    if (kept->session != NULL)
        session_begin_async(kept->session);
    if (kept->account != NULL)
        account_pin(kept->account);
    return kept;
}

static void release(struct iq *iq)
{
    if (!iq->is_kept)
        return;
    stanza_unref(&iq->st);
    if (iq->account != NULL)
        account_unpin(iq->account);
    if (iq->session != NULL)
        session_end_async(iq->session);
    free(iq);
}

/* ---- answering ---- */

/* False: the reply is to be routed, but is no stanza. A session that has ended takes nothing, and nobody else asked. */
static bool send_reply(struct iq *iq, struct str reply)
{
    if (iq->session != NULL) {
        (void)session_send_raw(iq->session, reply, 1);
        return true;
    }
    struct stanza *st = stanza_from_bytes(reply);

    if (st != NULL)
        router_route(iq->worker, st);
    return st != NULL;
}

static void send_error(struct iq *iq, const struct stanza_error *e)
{
    struct buf reply = {0};

    if (stanza_write_error_in_full(&reply, iq->st, e))
        (void)send_reply(iq, buf_str(&reply));
    buf_deinit(&reply);
}

/* `from` is the address that was asked, so that the client can match the answer; none if it asked without one, as RFC
 * 6120 section 8.1.2.1 allows for what the server says for the client's own account. */
static void write_result(struct buf *out, const struct stanza *st, struct str payload)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "iq", NULL);
    xml_put_attr(&w, "type", STR("result"));
    xml_put_attr_opt(&w, "from", st->to.full);
    xml_put_attr_opt(&w, "to", st->from.full);
    xml_put_attr(&w, "id", st->id);
    if (payload.len > 0)
        xml_put_raw(&w, payload);
    xml_end(&w);
}

enum iq_verdict iq_result(struct iq *iq, struct str payload)
{
    struct buf reply = {0};

    write_result(&reply, iq->st, payload);
    if (!send_reply(iq, buf_str(&reply)))
        send_error(iq, &(struct stanza_error){.err = STANZA_ERR_INTERNAL_SERVER_ERROR});
    buf_deinit(&reply);
    release(iq);
    return IQ_ANSWERED;
}

enum iq_verdict iq_error(struct iq *iq, enum stanza_err err, const char *text)
{
    return iq_error_with(iq, err, text, STR(""));
}

enum iq_verdict iq_error_with(struct iq *iq, enum stanza_err err, const char *text, struct str app_condition)
{
    return iq_error_in_full(iq, &(struct stanza_error){.err = err, .text = text, .app_condition = app_condition});
}

enum iq_verdict iq_error_in_full(struct iq *iq, const struct stanza_error *e)
{
    send_error(iq, e);
    release(iq);
    return IQ_ANSWERED;
}

/* ---- storage ---- */

enum stanza_err stanza_err_of_storage(enum ln_err err)
{
    return err == LN_E_FULL || err == LN_E_LIMIT ? STANZA_ERR_RESOURCE_CONSTRAINT : STANZA_ERR_INTERNAL_SERVER_ERROR;
}

void iq_on_committed(void *iq, enum ln_err err)
{
    if (err == LN_OK)
        (void)iq_result(iq, str_make(NULL, 0));
    else
        (void)iq_error(iq, stanza_err_of_storage(err), NULL);
}

void iq_require_account(const struct iq *iq, struct storage_txn *t)
{
    storage_txn_require_present(t, jid_bare(&iq->account->jid), CREDENTIALS_COLLECTION, CREDENTIALS_KEY);
}

/* ---- dispatch ---- */

static struct str host_asked(const struct iq *iq)
{
    if (iq->account != NULL)
        return jid_domain(&iq->account->jid);
    if (iq->target == IQ_TO_HOST && !jid_is_empty(&iq->st->to))
        return jid_domain(&iq->st->to);
    return iq->session->host;
}

void iq_dispatch(struct worker *w, struct stanza *st, enum iq_target target, struct session *session,
                 struct account *account)
{
    struct iq iq = {
        .worker = w, .st = st, .query = stanza_payload(st), .target = target, .session = session, .account = account};

    /* The client has gone while its request waited for the account: there is nobody to do it for, or to answer. */
    if (target == IQ_TO_OWN_ACCOUNT && session == NULL)
        return;
    iq.host = host_asked(&iq);
    const struct config_host *host = iq_host(&iq);

    for (const struct iq_handler *h = NULL; (h = hooks_find_iq(host, st, target, h)) != NULL;) {
        if (h->call(&iq) != IQ_NOT_MINE)
            return;
    }
    (void)iq_error(&iq, STANZA_ERR_SERVICE_UNAVAILABLE, NULL);
}
