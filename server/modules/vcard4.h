/* server/modules/vcard4.h - the vCard4 of an account, for the module vcard, which keeps the old form. */
#ifndef LINNET_SERVER_MODULES_VCARD4_H
#define LINNET_SERVER_MODULES_VCARD4_H

#include "server/im/account.h"
#include "server/pubsub/pubsub.h"

/* [worker] Gives <vcard/>, borrowed, to who may read the node; empty to all others, and when there is none. */
typedef void (*vcard4_on_card)(void *ctx, struct str vcard4);
void vcard4_get(struct account *a, struct str reader_bare, vcard4_on_card done, void *ctx);

/* [worker] The account has set this <vCard/> of the old form, which is well-formed: the node follows. */
void vcard4_follow(struct account *a, struct str temp, pubsub_on_done done, void *ctx);

#endif
