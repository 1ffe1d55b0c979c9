/* server/modules/last.c - XEP-0012 Last Activity 2.0
 *
 * The host tells its uptime. An account tells its owner and those who may see its presence since when it is offline;
 * everybody else is told what an unknown account tells. That is service-unavailable rather than the `forbidden` of
 * section 3, which would say that the account exists. */
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"
#include "server/im/account.h"
#include "server/modules/module.h"

static enum iq_verdict answer(struct iq *iq, int64_t since_ms, struct str status)
{
    int64_t ms = wall_clock_ms() - since_ms;
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    xml_start(&w, "query", NS_LAST);
    xml_put_attr_u64(&w, "seconds", ms > 0 ? (uint64_t)ms / 1000 : 0); /* the clock may have been set back */
    xml_put_text(&w, status);
    xml_end(&w);
    enum iq_verdict verdict = iq_result(iq, buf_str(&payload));

    buf_deinit(&payload);
    return verdict;
}

static enum iq_verdict on_host_last(struct iq *iq)
{
    return answer(iq, iq->worker->server->started_ms, STR(""));
}

/* Section 3 counts connected resources too, but only the available ones are anything that a contact may know of. */
static bool is_online(const struct account *a)
{
    for (const struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (session_is_available(s))
            return true;
    }
    return false;
}

static enum iq_verdict on_account_last(struct iq *iq)
{
    const struct account *a = iq->account;

    if (!iq_sender_sees_presence(iq))
        return IQ_NOT_MINE;
    if (iq->target == IQ_TO_OWN_ACCOUNT || is_online(a))
        return answer(iq, wall_clock_ms(), STR(""));
    if (a->last_activity_ms == 0)
        return IQ_NOT_MINE; /* was never seen */
    return answer(iq, a->last_activity_ms, str_of(a->last_status));
}

const struct module module_last = {
    .name = "last",
    .features = {NS_LAST},
    .account_features = {NS_LAST},
    .iq = {{IQ_GET, NS_LAST, "query", IQ_TO_HOST, on_host_last},
           {IQ_GET, NS_LAST, "query", IQ_TO_OWN_ACCOUNT | IQ_TO_OTHER_ACCOUNT, on_account_last}},
};
