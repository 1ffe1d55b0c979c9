/* server/im/ledger.h - the messages that a session was given and may still lose.
 *
 * A message that is worth keeping is not done with when it is written to a socket. It stays here, as a debt
 * (im/debt.h), until the client has it: a client with stream management says so; of one without, the acknowledgement of
 * its TCP is all that can be had. When the session ends first, what is left goes to offline storage and from there to
 * another resource or the next login.
 *
 * The sender's own acknowledgement (im/receipt.h) is not kept waiting for a slow or dead recipient: a message that is
 * not acknowledged soon - at once, where the client cannot acknowledge - is committed to offline storage as *owed*,
 * which makes it safe, and removed there when it turns out to have arrived.
 *
 * A session has a ledger only while there is something in it. All: [worker]. */
#ifndef LINNET_SERVER_IM_LEDGER_H
#define LINNET_SERVER_IM_LEDGER_H

#include "server/stream/session.h"

struct debt;

/* Sends a message to the session and enters it, or makes it wait behind the offline messages that are being handed out.
 * `to`: as it is to be written. `debt`: of this message, if another session was given it already, else NULL; borrowed
 * from a ledger's entry. False: the session cannot take it. */
bool ledger_deliver(struct session *s, struct stanza *st, struct str to, struct debt **debt);

/* Sends an offline message from storage, and enters it. False: the session cannot take it. */
bool ledger_deliver_stored(struct session *s, uint64_t id, struct str record);
/* Is the stored message on its way to this session? */
bool ledger_has(const struct session *s, uint64_t id);
/* Messages that the client may not have. */
size_t ledger_unpaid(const struct session *s);
/* All offline messages have been handed out: those that waited follow. */
void ledger_replay_done(struct session *s);

/* The client has all stanzas up to s->sm->acked. */
void ledger_on_ack(struct session *s);
/* Every second, for each session that has one. */
void ledger_on_second(struct worker *w);
/* The client is away: what was sent is owed at once; what waited behind offline messages goes there, too. */
void ledger_hibernate(struct session *s);

/* How many of its messages are in offline storage, or on their way there. */
size_t ledger_n_owed(const struct session *s);
/* For im/saved.h: nothing that it holds depends on this process any more. */
bool ledger_is_settled(const struct session *s);
/* An entry that is in offline storage: the number of the stanza, and the record. */
struct ledger_owed {
    uint32_t seq;
    uint32_t bytes;
    uint64_t id;
};
/* The oldest first: start with *cursor = 0. */
bool ledger_next_owed(const struct session *s, size_t *cursor, struct ledger_owed *ret);
void ledger_restore(struct session *s, const struct ledger_owed *owed);

/* The session ends; it is in no table any more. `is_clean`: the client closed its stream, so it has read all that was
 * written. */
void ledger_end(struct session *s, bool is_clean);

#endif
