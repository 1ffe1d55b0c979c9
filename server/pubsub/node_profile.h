/* server/pubsub/node_profile.h - what personal nodes with well-known names are like when they are made.
 *
 * A specification says how its node is to be configured, and clients ask for that with publish-options. One that does
 * not, because it is old or careless, would make the node with the defaults of personal nodes, and the next client's
 * options would then be refused: contacts cannot be written to in private any more until somebody mends the node. So a
 * node with such a name is made as its specification wants it from the start. What a client says counts more. Pure. */
#ifndef LINNET_SERVER_PUBSUB_NODE_PROFILE_H
#define LINNET_SERVER_PUBSUB_NODE_PROFILE_H

#include "server/pubsub/node_config.h"

/* [any] The configuration that an account's node of this name begins with. */
struct node_config node_profile(struct str node);

#endif
