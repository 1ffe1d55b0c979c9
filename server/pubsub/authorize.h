/* server/pubsub/authorize.h - the owner's answers to those who ask to be subscribed (XEP-0060 section 8.6). */
#ifndef LINNET_SERVER_PUBSUB_AUTHORIZE_H
#define LINNET_SERVER_PUBSUB_AUTHORIZE_H

#include "server/pubsub/event.h"

/* [worker] A message from the service's owner with a form of NS_SUBSCRIBE_AUTHORIZATION: allows or denies the
 * subscription that is pending. Anything else in it changes nothing. */
void authorize_answer(struct pubsub_service *sv, const struct stanza *message);

#endif
