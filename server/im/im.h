/* server/im/im.h - ties the instant messaging core to the workers below it. */
#ifndef LINNET_SERVER_IM_IM_H
#define LINNET_SERVER_IM_IM_H

#include "server/net/worker.h"

/* [start] For server->events. Also tells stream/ what lies above it. */
const struct worker_events *im_start(void);

/* [worker] Calls fn for every session of the worker: connected ones, also those whose client is away, and those still
 * logging in. fn may close the one it is given. */
struct session;
void im_for_each_session(struct worker *w, void (*fn)(struct session *s, void *arg), void *arg);

#endif
