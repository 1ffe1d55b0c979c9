/* server/im/components.h - stanzas to and from external components (XEP-0114).
 *
 * A component's domain has a home, as a bare JID has: the worker where its stream ends up (stream/component.h). Stanzas
 * for any address of the domain go there, and are refused while the component is not connected. [worker] unless said
 * otherwise. */
#ifndef LINNET_SERVER_IM_COMPONENTS_H
#define LINNET_SERVER_IM_COMPONENTS_H

#include "common/xmpp/stanza.h"
#include "server/net/worker.h"

struct conn;
struct shard;

/* [start] Tells stream/ what lies above it. */
void components_start(void);
/* Ends those of this worker that the configuration has no more, or has with another secret; all of them, on draining.
 */
void components_apply_config(struct worker *w);
void components_drain(struct worker *w);

/* For im/router.c, at the home of a component's domain: hands it over, or refuses it. */
void components_deliver(struct worker *w, struct stanza *st, const struct jid *to);

#endif
