/* server/im/delivered.h - what a client says it has of a session that is gone.
 *
 * After a crash, or when its time is over, a session cannot be resumed; but its client says how many stanzas it has
 * got. Offline messages that were owed to it carry the name of the session and their number in it (im/offline.h), so
 * those that the client has are forgotten before it binds anew, and do not come twice. [worker], the account's home. */
#ifndef LINNET_SERVER_IM_DELIVERED_H
#define LINNET_SERVER_IM_DELIVERED_H

#include "server/stream/session.h"

/* The client of `s`, which is not bound, has all of session `id` up to number `h`. Calls `done`, at once or later, when
 * that is committed, or cannot be. Whoever waits for its account waits for this, too. */
void delivered_forget(struct session *s, struct str id, uint32_t h, void (*done)(void *ctx), void *ctx);

#endif
