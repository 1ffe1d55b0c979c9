/* server/modules/offline.c - XEP-0160 Offline Messages 1.0.1, as a switch.
 *
 * Keeping messages until a client has them is the core's business (im/offline.h), since acknowledgements rest on it;
 * this says for a host that it is done, and when. */
#include "server/im/offline.h"
#include "common/xmpp/ns.h"
#include "server/im/replay.h"
#include "server/modules/module.h"

static enum verdict on_undelivered(struct hook_event *e)
{
    return offline_try_store(e->account, e->stanza) ? STOP : CONTINUE;
}

static enum verdict on_available(struct hook_event *e)
{
    replay_start(e->session);
    return CONTINUE;
}

const struct module module_offline = {
    .name = "offline",
    .features = {NS_OFFLINE},
    .hooks =
        {
            {HOOK_MESSAGE_UNDELIVERED, PRIORITY_STORE, on_undelivered},
            {HOOK_AVAILABLE, PRIORITY_STORE, on_available},
        },
};
