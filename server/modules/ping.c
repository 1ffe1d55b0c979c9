/* server/modules/ping.c - XEP-0199 XMPP Ping 2.0.1, the answering side
 *
 * Somebody else's account answers those who may know that it exists; all others are told what an unknown account
 * tells. Clients are pinged by the stream itself when they are silent. */
#include "common/xmpp/ns.h"
#include "server/modules/module.h"

static enum iq_verdict on_ping(struct iq *iq)
{
    if (iq->target == IQ_TO_OTHER_ACCOUNT && !iq_sender_sees_presence(iq))
        return IQ_NOT_MINE;
    return iq_result(iq, STR(""));
}

const struct module module_ping = {
    .name = "ping",
    .features = {NS_PING},
    .account_features = {NS_PING},
    .iq = {{IQ_GET, NS_PING, "ping", IQ_TO_HOST | IQ_TO_OWN_ACCOUNT | IQ_TO_OTHER_ACCOUNT, on_ping}},
};
