/* server/pubsub/interests.h - the nodes that a client wants to hear of (XEP-0060 section 9.2).
 *
 * A client says in its capabilities "NODE+notify" for each. What one says, thousands say: the list is made once, never
 * changed, and shared by counting, between workers as well. A session has the one of its client, once that is known. */
#ifndef LINNET_SERVER_PUBSUB_INTERESTS_H
#define LINNET_SERVER_PUBSUB_INTERESTS_H

#include <stdatomic.h>

#include "server/stream/session.h"

enum { INTERESTS_MAX = 256, INTERESTS_BYTES_MAX = 8192 };

struct interests {
    atomic_uint refs;
    uint32_t n;
    struct str nodes[]; /* sorted; the names lie behind */
};

/* [any] Of a disco#info <query/>: as many as INTERESTS_MAX, and what else goes beyond is as if it were not there. */
struct interests *interests_new(const struct xml_element *query);
struct interests *interests_ref(struct interests *i);
/* Accepts NULL, leaves NULL. */
void interests_unref(struct interests **i);
/* [any] NULL wants nothing. */
bool interests_want(const struct interests *i, struct str node);

/* [start] */
void interests_start(void);
/* [worker] What the session's client wants; NULL: nothing, or it is not known yet. Borrowed. */
struct interests *interests_peek(const struct session *s);
/* [worker] Takes `own_i`, which may be NULL. For who finds out (modules/caps.c), also at the session's end. */
void interests_set(struct session *s, struct interests *own_i);

#endif
