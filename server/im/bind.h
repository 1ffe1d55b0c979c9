/* server/im/bind.h - resource binding (RFC 6120 section 7): a session becomes connected. */
#ifndef LINNET_SERVER_IM_BIND_H
#define LINNET_SERVER_IM_BIND_H

#include "server/stream/session.h"

/* [worker] A stanza of a session that has logged in and not bound: only a request to bind is taken, anything else ends
 * the stream with not-authorized (section 7.1). Takes the reference. */
void bind_stanza(struct session *s, struct stanza *own_st);
/* What came of binding. */
enum bind_result { BIND_DONE, BIND_ACCOUNT_GONE, BIND_ACCOUNT_UNREADABLE, BIND_LOGGED_OUT, BIND_TOO_MANY_SESSIONS };
/* [worker] The same for whoever answers in another way (XEP-0386): the account is ready, `resource` prepared. A session
 * that has the resource already is closed. When the client has been told, bind_announce() follows. */
enum bind_result bind_session(struct session *s, struct account *a, struct str resource);
/* [worker] The result is queued: HOOK_SESSION_BOUND. */
void bind_announce(struct session *s);
/* [worker] For im/saved.c: into the tables. */
void bind_restore(struct session *s, struct account *a);
/* [worker] The reverse: out of the tables, off the account. Nothing happens when it was not bound. */
void bind_undo(struct session *s);

#endif
