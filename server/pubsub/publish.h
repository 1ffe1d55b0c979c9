/* server/pubsub/publish.h - what publishing needs, for requests and for modules alike. All functions: [worker], in an
 * operation whose turn it is, the node's items in memory. */
#ifndef LINNET_SERVER_PUBSUB_PUBLISH_H
#define LINNET_SERVER_PUBSUB_PUBLISH_H

#include "server/pubsub/change.h"

/* A change that may make the node: own_meta is set if it is not there yet. `config` is what it begins with, taken. */
struct pubsub_change *publish_begin(struct pubsub_service *sv, struct str node, struct node_config own_config,
                                    struct str creator);
/* Adds an item; with an empty id one is made for it. Returns the id, borrowed from the change. */
struct str publish_put(struct pubsub_change *c, struct str id, struct str publisher, struct str payload);
/* When all are there: removes the oldest, if there are too many now. NULL: it can be committed. */
const struct refusal *publish_make_room(struct pubsub_change *c);

#endif
