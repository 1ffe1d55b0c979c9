/* server/im/bind.h - resource binding (RFC 6120 section 7): a session becomes connected. */
#ifndef LINNET_SERVER_IM_BIND_H
#define LINNET_SERVER_IM_BIND_H

#include "server/stream/session.h"

/* [worker] A stanza of a session that has logged in and not bound: only a request to bind is taken, anything else ends
 * the stream with not-authorized (section 7.1). Takes the reference. */
void bind_stanza(struct session *s, struct stanza *own_st);
/* [worker] The reverse: out of the tables, off the account. Nothing happens when it was not bound. */
void bind_undo(struct session *s);

#endif
