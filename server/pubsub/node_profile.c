#include "server/pubsub/node_profile.h"

#include "common/mem.h"

enum { ONE = 1 };

static const struct {
    const char *node;
    bool is_prefix; /* of the node's name */
    enum access_model access;
    uint32_t max_items;
    enum send_last send_last;
} profiles[] = {
    /* XEP-0384: strangers encrypt for it, too. The old form has a node for each device. */
    {"urn:xmpp:omemo:2:devices", false, ACCESS_OPEN, ONE, SEND_LAST_ON_SUB_AND_PRESENCE},
    {"urn:xmpp:omemo:2:bundles", false, ACCESS_OPEN, NODE_CONFIG_MAX, SEND_LAST_NEVER},
    {"eu.siacs.conversations.axolotl.devicelist", false, ACCESS_OPEN, ONE, SEND_LAST_ON_SUB_AND_PRESENCE},
    {"eu.siacs.conversations.axolotl.bundles:", true, ACCESS_OPEN, ONE, SEND_LAST_NEVER},
    /* XEP-0373 section 4: keys, and a secret one that is the owner's own. */
    {"urn:xmpp:openpgp:0:public-keys", true, ACCESS_OPEN, ONE, SEND_LAST_ON_SUB_AND_PRESENCE},
    {"urn:xmpp:openpgp:0:secret-key", false, ACCESS_WHITELIST, ONE, SEND_LAST_NEVER},
    /* XEP-0402, XEP-0048 with XEP-0223, XEP-0490: between the owner's own clients. */
    {"urn:xmpp:bookmarks:1", false, ACCESS_WHITELIST, NODE_CONFIG_MAX, SEND_LAST_NEVER},
    {"storage:bookmarks", false, ACCESS_WHITELIST, ONE, SEND_LAST_ON_SUB_AND_PRESENCE},
    {"urn:xmpp:mds:displayed:0", false, ACCESS_WHITELIST, NODE_CONFIG_MAX, SEND_LAST_NEVER},
    /* XEP-0084: the picture itself is fetched by those who need it. */
    {"urn:xmpp:avatar:data", false, ACCESS_PRESENCE, ONE, SEND_LAST_NEVER},
    /* XEP-0277, XEP-0472: a journal. */
    {"urn:xmpp:microblog:0", true, ACCESS_PRESENCE, NODE_CONFIG_MAX, SEND_LAST_ON_SUB_AND_PRESENCE},
};

struct node_config node_profile(struct str node)
{
    struct node_config c = node_config_personal();

    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        struct str name = str_of(profiles[i].node);

        if (!str_eq(node, name) && !(profiles[i].is_prefix && str_starts(node, name)))
            continue;
        c.access_model = profiles[i].access;
        c.max_items = profiles[i].max_items;
        c.send_last = profiles[i].send_last;
        break;
    }
    return c;
}
