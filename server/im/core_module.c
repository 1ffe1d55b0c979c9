/* server/im/core_module.c - what the core itself answers: the roster (RFC 6121 section 2), the session request of RFC
 * 3921, and a second attempt to bind. And what is kept of an account's clients. */
#include "common/xmpp/ns.h"
#include "server/im/hooks.h"
#include "server/im/roster_change.h"
#include "server/im/user_agents.h"

static void write_roster(struct buf *out, const struct roster *r)
{
    struct xml_writer w = xml_writer_to(out);
    struct roster_item *item;

    xml_start(&w, "query", NS_ROSTER);
    xml_put_attr_u64(&w, "ver", r->version);
    for (size_t cursor = 0; (item = roster_next(r, &cursor)) != NULL;) {
        if ((item->state & SUB_LISTED) != 0)
            roster_item_write(&w, item);
    }
    xml_end(&w);
}

static enum iq_verdict roster_get_request(struct iq *iq)
{
    const struct roster *r = &iq->account->roster;
    bool has_ver;
    struct str ver = xml_attr(iq->query, "ver", &has_ver);
    uint64_t known;
    struct buf out = {0};

    if (xml_count_children(iq->query) > 0)
        return iq_error(iq, STANZA_ERR_BAD_REQUEST, "a roster get is empty");
    iq->session->interested = true;
    /* The client has just this one: an empty result (section 2.6.3). */
    if (has_ver && str_to_u64(ver, UINT64_MAX, &known) && known == r->version && r->version != 0)
        return iq_result(iq, str_make(NULL, 0));
    write_roster(&out, r);
    (void)iq_result(iq, buf_str(&out));
    buf_deinit(&out);
    return IQ_ANSWERED;
}

static enum iq_verdict roster_set_request(struct iq *iq)
{
    roster_change_set(iq->account, iq_keep(iq));
    return IQ_LATER;
}

/* Answered, and that is all: sessions begin with binding since RFC 6120. */
static enum iq_verdict session_request(struct iq *iq)
{
    return iq_result(iq, str_make(NULL, 0));
}

/* One resource a stream (RFC 6120 section 7.2 leaves more to extensions). */
static enum iq_verdict bind_again(struct iq *iq)
{
    return iq_error(iq, STANZA_ERR_NOT_ALLOWED, "a resource is bound already");
}

/* ---- the account's clients ---- */

static void on_start(struct server *server)
{
    (void)server;
    user_agents_start();
}

static enum verdict on_account_loaded(struct hook_event *e)
{
    user_agents_on_loaded(e->account, e->rows);
    return CONTINUE;
}

static enum verdict on_account_gone(struct hook_event *e)
{
    user_agents_free(e->account);
    return CONTINUE;
}

const struct module module_core = {
    .name = "core",
    .iq =
        {
            {IQ_GET, NS_ROSTER, "query", IQ_TO_OWN_ACCOUNT, roster_get_request},
            {IQ_SET, NS_ROSTER, "query", IQ_TO_OWN_ACCOUNT, roster_set_request},
            {IQ_SET, NS_SESSION, "session", IQ_TO_OWN_ACCOUNT | IQ_TO_HOST, session_request},
            {IQ_SET, NS_BIND, "bind", IQ_TO_OWN_ACCOUNT | IQ_TO_HOST, bind_again},
        },
    .hooks =
        {
            {HOOK_ACCOUNT_LOADED, PRIORITY_NORMAL, on_account_loaded},
            {HOOK_ACCOUNT_UNLOADED, PRIORITY_NORMAL, on_account_gone},
            {HOOK_ACCOUNT_DELETED, PRIORITY_NORMAL, on_account_gone},
        },
    .on_start = on_start,
};
