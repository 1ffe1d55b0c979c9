/* server/im/offline.h - messages kept until a resource can take them (XEP-0160), each until a client has it.
 *
 * An archive (bare JID, OFFLINE_COLLECTION), in the order in which the messages came: an id is the time in
 * microseconds. A message in it is one of two things: stored because nobody was there, or *owed*: already sent to a
 * client that has not acknowledged it yet (im/debt.h). Either way it is removed when a client has it for certain, and
 * handed out again otherwise (im/replay.h). All: [worker], the account's home. */
#ifndef LINNET_SERVER_IM_OFFLINE_H
#define LINNET_SERVER_IM_OFFLINE_H

#include "server/im/account.h"
#include "server/storage/storage.h"

#define OFFLINE_COLLECTION STR("offline")

/* Keeps the message, which came at the time of `id` (0: now). On success the reference is dropped after the commit;
 * otherwise the sender is told: service-unavailable when the quota is used up (XEP-0160 section 3) and the account's
 * archive does not have it either, else what the storage's failure asks for. If by then a session can take it, it is
 * handed out at once. */
void offline_store(struct account *a, struct stanza *own_st, uint64_t id);
/* The same for one that came now. False: there is no room, or it may not be kept; nothing was done. */
bool offline_try_store(struct account *a, struct stanza *st);
/* Has the session's client read this record already, in the account's archive (session.read_from)? */
bool offline_was_read(const struct session *s, struct str record);

/* For im/debt.c: stores `st`, which is being delivered already, whatever the quota says. Returns the size of the
 * record. Does not take the reference. `sent_as`: the name of the session that may be resumed, '/', and the number of
 * the stanza there, by which im/delivered.c finds it; empty: none. */
uint32_t offline_append(struct account *a, const struct stanza *st, uint64_t id, struct str sent_as,
                        void (*done)(void *ctx, enum ln_err err), void *ctx);
/* It is sent once more, as that: part of `t`, to be committed before the client can see it. */
void offline_rename(const struct account *a, const struct storage_row *row, struct str sent_as, struct storage_txn *t);
/* It was not stored after all. */
void offline_uncount(struct account *a, uint32_t bytes);
/* It has arrived: removes it, at the end of this turn of the loop. */
void offline_remove(struct account *a, uint64_t id, uint32_t bytes);

/* Commits what offline_remove() has gathered: of one account, of all. `done` may be NULL; with nothing to commit it is
 * called at once. */
void offline_commit_removals(struct account *a, void (*done)(void *ctx, enum ln_err err), void *ctx);
void offline_end_turn(struct worker *w);

#endif
