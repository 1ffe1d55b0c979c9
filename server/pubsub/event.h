/* server/pubsub/event.h - what subscribers are told (XEP-0060 sections 7 and 8, event namespace).
 *
 * An event is written once, and sent to all. Those on the node's list get it as any headline or message; those who are
 * subscribed without having asked get a stanza that is marked as filtered (stanza.is_filtered): at their account's home
 * it goes on to the resources that said they want events of this node, and nowhere else. No event is ever kept for
 * later. All functions: [worker]. */
#ifndef LINNET_SERVER_PUBSUB_EVENT_H
#define LINNET_SERVER_PUBSUB_EVENT_H

#include "server/pubsub/service.h"

#define NS_SUBSCRIBE_AUTHORIZATION "http://jabber.org/protocol/pubsub#subscribe_authorization"

/* Everybody is told: of items that were published, the oldest first; by the resource `publisher` (a full JID), which is
 * told to those who see the owner's presence, if that is not empty. */
void event_published(struct pubsub_node *node, struct item *const *items, size_t n, struct str publisher);
void event_retracted(struct pubsub_node *node, const struct str *ids, size_t n);
/* "purge", "delete" */
void event_emptied(struct pubsub_node *node, const char *what);
void event_configured(struct pubsub_node *node);

/* `to` is told that the subscription of `jid` has changed (section 12.10). */
void event_subscription(struct pubsub_service *sv, struct str node, struct str jid, struct str to,
                        enum subscription state);
/* The owner is asked whether `jid` may subscribe (section 8.6). */
void event_ask_owner(struct pubsub_service *sv, struct str node, struct str jid);

/* The node's last item, as it is sent to who comes online or was just subscribed: with the time it was published
 * (XEP-0203). The caller's reference; NULL: there is none. Its items must be in memory. */
struct stanza *event_last_item(const struct pubsub_node *node, bool is_filtered);

#endif
