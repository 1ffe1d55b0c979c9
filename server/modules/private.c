/* server/modules/private.c - XEP-0049 Private XML Storage 1.2
 *
 * A document (bare JID, "private", namespace) for each namespace that clients keep something in. How many there may be
 * is a limit, so they are numbered: the n-th new namespace takes the key "n" in "private.index", which the transaction
 * that stores it requires to be free. Two clients that come with new namespaces at once cannot both get the last
 * number, nor is anything large read to count. Namespaces are never removed; a client that has no more use for one
 * empties it. */
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/config.h"
#include "server/im/account.h"
#include "server/modules/module.h"
#include "server/storage/storage.h"

#define COLLECTION       STR("private")
#define INDEX_COLLECTION STR("private.index")

enum { NAMESPACE_BYTES_MAX = 1023 };

/* ---- what is asked for ---- */

/* The namespace that a request is about. Empty: there is none, or more than one (section 2.3). A child without a
 * namespace of its own is in ours. */
static struct str namespace_of(const struct xml_element *query)
{
    struct str ns = query->child == NULL ? STR("") : query->child->ns;

    for (const struct xml_element *e = query->child; e != NULL; e = e->next) {
        if (!str_eq(e->ns, ns) || str_is(ns, NS_PRIVATE))
            return STR("");
    }
    return ns;
}

/* ---- get ---- */

static void on_document(void *ctx, const struct storage_rows *rows)
{
    struct iq *iq = ctx;
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    if (rows->err != LN_OK) {
        (void)iq_error(iq, stanza_err_of_storage(rows->err), NULL);
        return;
    }
    xml_start(&w, "query", NS_PRIVATE);
    if (rows->n > 0)
        xml_put_raw(&w, rows->rows[0].bytes);
    else
        xml_put_element(&w, iq->query->child, NS_PRIVATE);
    xml_end(&w);
    (void)iq_result(iq, buf_str(&payload));
    buf_deinit(&payload);
}

static enum iq_verdict on_get(struct iq *iq)
{
    struct storage_query q = {.kind = STORAGE_GET, .collection = COLLECTION, .key = namespace_of(iq->query)};

    if (q.key.len == 0 || q.key.len > NAMESPACE_BYTES_MAX)
        return iq_error(iq, STANZA_ERR_NOT_ACCEPTABLE, "ask for elements of one namespace, not of this one");
    q.owner = iq->account->jid.full;
    storage_read(iq->worker->server->storage, &q, &iq->worker->executor, on_document, iq_keep(iq));
    return IQ_LATER;
}

/* ---- set ---- */

/* A set under way. Its client's input is held meanwhile: what it sends next, for the same namespace perhaps, must find
 * the number taken. */
struct change {
    struct iq *iq;
    struct str ns; /* lies in the stanza */
    struct buf xml;
};

static void read_index(struct change *c);

/* The request that is to be answered now. */
static struct iq *end_change(struct change *c)
{
    struct iq *iq = c->iq;

    session_resume(iq->session);
    buf_deinit(&c->xml);
    free(c);
    return iq;
}

static void on_stored(void *ctx, enum ln_err err)
{
    if (err == LN_E_EXISTS) /* another client was given the number: take the next */
        read_index(ctx);
    else
        iq_on_committed(end_change(ctx), err);
}

static bool is_in_index(const struct storage_rows *index, struct str ns)
{
    for (size_t i = 0; i < index->n; i++) {
        if (str_eq(index->rows[i].bytes, ns))
            return true;
    }
    return false;
}

static void take_number(struct storage_txn *t, const struct change *c, size_t number)
{
    struct str owner = c->iq->account->jid.full;
    struct buf key = {0};

    buf_append_u64(&key, number);
    storage_txn_require_absent(t, owner, INDEX_COLLECTION, buf_str(&key));
    storage_txn_put(t, owner, INDEX_COLLECTION, buf_str(&key), c->ns);
    buf_deinit(&key);
}

static void on_index(void *ctx, const struct storage_rows *index)
{
    struct change *c = ctx;
    struct worker *w = c->iq->worker;

    if (index->err != LN_OK) {
        iq_on_committed(end_change(c), index->err);
        return;
    }
    bool is_new = !is_in_index(index, c->ns);

    if (is_new && index->n >= w->config->limits.private_documents) {
        (void)iq_error(end_change(c), STANZA_ERR_POLICY_VIOLATION, "too many namespaces");
        return;
    }
    struct storage_txn *t = storage_txn_new();

    iq_require_account(c->iq, t);
    if (is_new)
        take_number(t, c, index->n);
    storage_txn_put(t, c->iq->account->jid.full, COLLECTION, c->ns, buf_str(&c->xml));
    storage_commit(w->server->storage, t, &w->executor, on_stored, c);
}

static void read_index(struct change *c)
{
    struct worker *w = c->iq->worker;
    struct storage_query q = {.kind = STORAGE_LIST, .owner = c->iq->account->jid.full, .collection = INDEX_COLLECTION};

    storage_read(w->server->storage, &q, &w->executor, on_index, c);
}

static enum iq_verdict on_set(struct iq *iq)
{
    struct str ns = namespace_of(iq->query);
    struct buf xml = {0};
    struct xml_writer w = xml_writer_to(&xml);

    if (ns.len == 0)
        return iq_error(iq, STANZA_ERR_NOT_ACCEPTABLE, "store elements of one namespace, not of this one");
    for (const struct xml_element *e = iq->query->child; e != NULL; e = e->next)
        xml_put_element(&w, e, NS_PRIVATE);
    if (xml.len > iq->worker->config->limits.private_bytes || ns.len > NAMESPACE_BYTES_MAX) {
        buf_deinit(&xml);
        return iq_error(iq, STANZA_ERR_POLICY_VIOLATION, "too large");
    }
    struct change *c = mem_alloc(sizeof(*c));

    *c = (struct change){iq_keep(iq), ns, xml};
    session_pause(iq->session);
    read_index(c);
    return IQ_LATER;
}

const struct module module_private = {
    .name = "private",
    .features = {NS_PRIVATE},
    .iq = {{IQ_GET, NS_PRIVATE, "query", IQ_TO_OWN_ACCOUNT, on_get},
           {IQ_SET, NS_PRIVATE, "query", IQ_TO_OWN_ACCOUNT, on_set}},
};
