/* server/pubsub/account_service.h - an account as the owner of a service (XEP-0163).
 *
 * Its bare JID is the address, its roster says who sees what, its own resources and its contacts are subscribed without
 * having asked. All functions: [worker], the account's home. */
#ifndef LINNET_SERVER_PUBSUB_ACCOUNT_SERVICE_H
#define LINNET_SERVER_PUBSUB_ACCOUNT_SERVICE_H

#include "server/im/account.h"
#include "server/pubsub/interests.h"
#include "server/pubsub/service.h"

/* [start] */
void account_service_start(struct server *server);

/* The account's service; made when it is asked for the first time. Never NULL. */
struct pubsub_service *account_service(struct account *a);
/* NULL: nobody asked for it, and it has no nodes. */
struct pubsub_service *account_service_peek(const struct account *a);

/* For HOOK_ACCOUNT_LOADED, HOOK_ACCOUNT_UNLOADED, HOOK_ACCOUNT_DELETED. */
void account_service_loaded(struct account *a, const struct storage_rows *rows);
void account_service_unloaded(struct account *a);
void account_service_deleted(struct account *a);

/* Sends the last item of nodes to `to`: of those that `wanted` names and `had` does not (NULL: none), as far as they
 * are to be sent to who comes online, and `to` may read them. With `wanted` NULL: of all that are, to a bare JID, at
 * whose home it is decided which resource gets what. */
void account_service_send_last(struct account *a, const struct jid *to, struct interests *wanted,
                               struct interests *had);

/* An event that is filtered came for the account: gives it to the resources that want it. */
void account_service_deliver(struct account *a, const struct stanza *event);

#endif
