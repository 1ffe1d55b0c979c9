/* server/modules/fast.c - XEP-0484 Fast Authentication Streamlining Tokens 0.2.0, offered.
 *
 * How tokens are made and checked is in stream/fast.h; when a client is given one, and how they end, in
 * im/user_agents.h. */
#include "server/modules/module.h"
#include "server/stream/sasl2.h"

static enum verdict on_features(struct hook_event *e)
{
    sasl2_write_fast(e->session, e->out);
    return CONTINUE;
}

const struct module module_fast = {
    .name = "fast",
    .hooks = {{HOOK_SASL2_FEATURES, PRIORITY_NORMAL, on_features}},
};
