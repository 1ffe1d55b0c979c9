/* server/im/saved.h - sessions that go on after a restart of the server.
 *
 * When the server stops in order, every session that may be resumed hibernates. Once all that was under way is done -
 * messages are owed, stanzas of their clients settled, the presence of those who left has arrived - each is written to
 * storage: a document (no owner, SAVED_COLLECTION, the name that its client knows) of named fields (common/fields.h).
 * The next start takes the documents out and puts the sessions back where they were, before it listens; what their time
 * away is worth counts on. The client comes back as after any lost connection. */
#ifndef LINNET_SERVER_IM_SAVED_H
#define LINNET_SERVER_IM_SAVED_H

#include "server/net/worker.h"

#define SAVED_COLLECTION STR("hibernating")

/* [control, standing in for a worker that has ended] Is nothing under way any more that its hibernating sessions depend
 * on? */
bool saved_may_begin(struct worker *w);
/* [control, likewise] Writes all hibernating sessions, which end here, and nobody is told. */
void saved_write_all(struct worker *w);

/* [control] Takes out what was written, and restores it on the workers, which run. `done` is called once, later, when
 * all are there. What cannot be restored is logged. */
void saved_restore_all(struct server *server, void (*done)(void *ctx), void *ctx);

#endif
