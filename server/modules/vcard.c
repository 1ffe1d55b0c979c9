/* server/modules/vcard.c - XEP-0054 vcard-temp 1.3.0
 *
 * A document (bare JID, "vcard", "vcard"). Everybody may read it: it is what an account shows to the world. An account
 * that has none is answered for like one that does not exist (section 3.3). */
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/config.h"
#include "server/im/account.h"
#include "server/modules/module.h"
#include "server/storage/storage.h"

#define COLLECTION STR("vcard")
#define KEY        STR("vcard")

static void on_document(void *ctx, const struct storage_rows *rows)
{
    struct iq *iq = ctx;

    if (rows->err != LN_OK)
        (void)iq_error(iq, stanza_err_of_storage(rows->err), NULL);
    else if (rows->n > 0)
        (void)iq_result(iq, rows->rows[0].bytes);
    else if (iq->target == IQ_TO_OWN_ACCOUNT)
        (void)iq_result(iq, STR("<vCard xmlns='" NS_VCARD "'/>"));
    else
        (void)iq_error(iq, STANZA_ERR_SERVICE_UNAVAILABLE, NULL);
}

static enum iq_verdict on_get(struct iq *iq)
{
    struct storage_query q = {
        .kind = STORAGE_GET, .owner = iq->account->jid.full, .collection = COLLECTION, .key = KEY};

    storage_read(iq->worker->server->storage, &q, &iq->worker->executor, on_document, iq_keep(iq));
    return IQ_LATER;
}

static enum iq_verdict on_set(struct iq *iq)
{
    struct buf xml = {0};
    struct xml_writer w = xml_writer_to(&xml);

    xml_put_element(&w, iq->query, NS_CLIENT);
    if (xml.len > iq->worker->config->limits.vcard_bytes) {
        buf_deinit(&xml);
        return iq_error(iq, STANZA_ERR_POLICY_VIOLATION, "too large");
    }
    struct storage_txn *t = storage_txn_new();

    iq_require_account(iq, t);
    storage_txn_put(t, iq->account->jid.full, COLLECTION, KEY, buf_str(&xml));
    storage_commit(iq->worker->server->storage, t, &iq->worker->executor, iq_on_committed, iq_keep(iq));
    buf_deinit(&xml);
    return IQ_LATER;
}

const struct module module_vcard = {
    .name = "vcard",
    .features = {NS_VCARD},
    .account_features = {NS_VCARD},
    .iq = {{IQ_GET, NS_VCARD, "vCard", IQ_TO_OWN_ACCOUNT | IQ_TO_OTHER_ACCOUNT, on_get},
           {IQ_SET, NS_VCARD, "vCard", IQ_TO_OWN_ACCOUNT, on_set}},
};
