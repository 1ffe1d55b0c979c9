/* server/im/resume.h - sessions that outlive their connection (XEP-0198 section 5).
 *
 * A client that counts stanzas may ask that its session waits for it when the connection is lost. Such a session
 * *hibernates*: it stays in every table, its presence stays, what comes for it goes into the queue of what was not
 * acknowledged (im/unacked.h), and messages are owed (im/ledger.h) at once. It ends when its time is over, or when more
 * is waiting than the queue may hold. The client comes back on another connection, logs in to the same account, names
 * the session, and goes on as if nothing had happened. All: [worker], the account's home, unless said otherwise. */
#ifndef LINNET_SERVER_IM_RESUME_H
#define LINNET_SERVER_IM_RESUME_H

#include "common/buf.h"
#include "common/xmpp/xml.h"
#include "server/stream/session.h"

/* The session that `s` - authenticated, not bound, at its account's home - may continue, as <resume/> says: another one
 * of the same account. Then <resumed/> is appended to *ret_answer, and resume_adopt() must follow in the same turn.
 * NULL: <failed/> was appended, and `s` may go on and bind; or, when the count is a lie, nothing was: `s` was closed
 * with a stream error. */
struct session *resume_find(struct session *s, const struct xml_element *resume, struct buf *ret_answer);

/* Moves the connection of `own_s`, which ends, to `old`, whose former connection is closed if there still is one.
 * Writes `answer` (<resumed/>, or what it was wrapped in), and then what the client has not got. `old` continues the
 * stream of `own_s`: no header, no features. */
void resume_adopt(struct session *old, struct session *own_s, struct str answer);

#endif
