/* server/im/resume.h - sessions that outlive their connection (XEP-0198 section 5).
 *
 * A client that counts stanzas may ask that its session waits for it when the connection is lost. Such a session
 * *hibernates*: it stays in every table, its presence stays, what comes for it goes into the queue of what was not
 * acknowledged (im/unacked.h), and messages are owed (im/ledger.h) at once. It ends when its time is over, or when more
 * is waiting than the queue may hold. The client comes back on another connection, logs in to the same account, names
 * the session, and goes on as if nothing had happened. All: [worker], the account's home. */
#ifndef LINNET_SERVER_IM_RESUME_H
#define LINNET_SERVER_IM_RESUME_H

#include "common/buf.h"
#include "common/xmpp/xml.h"
#include "server/im/account.h"
#include "server/im/unacked.h"

struct resume_gone;

/* <resume/>, as it was read. */
struct resume_request {
    bool is_valid;
    uint32_t h;
    char id[SM_ID_LEN]; /* zeros: a name that no session has */
};

/* A session that counts may be resumed from now on, for so many seconds, if the configuration allows: what is returned.
 * 0: it may not. Its name is s->sm->id. */
uint32_t resume_offer(struct session *s, uint64_t wanted_s);

/* The connection of a bound session is of no more use: it is closed, without a closing tag. False: the session cannot
 * be resumed, and nothing was done. */
bool resume_hibernate(struct session *s);
/* A new session of the account needs a place: ends the one whose client has been away for the longest. False: all are
 * there. */
bool resume_make_room(struct account *a);

void resume_read(const struct xml_element *resume, struct resume_request *ret);
/* Before resume_find(), while `s` is paused: calls `done`, at once or later, when the answer may go out. If there is no
 * such session, what the client says it has of it is removed from offline storage for good by then: it has no name to
 * say so by a second time. `s` may have ended. */
void resume_prepare(struct session *s, const struct resume_request *request, void (*done)(void *ctx), void *ctx);
/* The session that `s` - authenticated, not bound, at its account's home - may continue, as <resume/> says: another one
 * of the same account. Then <resumed/> is appended to *ret_answer, and resume_adopt() must follow in the same turn.
 * NULL: <failed/> was appended, and `s` may go on and bind; or, when the count is a lie or `s` may not go on any more,
 * nothing was: `s` was closed with a stream error. */
struct session *resume_find(struct session *s, const struct resume_request *request, struct buf *ret_answer);
/* Moves the connection of `own_s`, which ends, to `old`, whose former connection is closed if there still is one.
 * Writes `answer` (<resumed/>, or what it was wrapped in), and then what the client has not got. `old` continues the
 * stream of `own_s`: no header, no features. */
void resume_adopt(struct session *old, struct session *own_s, struct str answer);

/* Closes `s`: `h` is more than was sent to `counted` (section 4), which may be `s` itself. */
void resume_refuse_count(struct session *s, const struct session *counted, uint64_t h);

/* For im.c: the session ends. First, while its count is there; then, when it is in no table any more. `is_clean`: the
 * client closed its stream, so it has read all that was written. */
void resume_remember(struct session *s);
void resume_end(struct session *s, bool is_clean);

#endif
