/* server/im/offline.h - messages kept until a resource can take them (XEP-0160), each until the client has it.
 *
 * An archive (bare JID, OFFLINE_COLLECTION). A message in it is one of two things: stored because nobody was there, or
 * *owed*: already sent to a client that has not acknowledged it yet (im/ledger.h). Either way it is removed when a
 * client has it for certain, and handed out again otherwise. All: [worker], the account's home. */
#ifndef LINNET_SERVER_IM_OFFLINE_H
#define LINNET_SERVER_IM_OFFLINE_H

#include "server/im/account.h"

#define OFFLINE_COLLECTION STR("offline")

/* Keeps the message, received at `time_ms`. On success the reference is dropped after the commit; otherwise the sender
 * is told: service-unavailable when the quota is used up (XEP-0160 section 3), else what the storage's failure asks
 * for. If by then a session can take it, it is handed out at once. */
void offline_store(struct account *a, struct stanza *own_st, int64_t time_ms);
/* The session has ended with messages left in storage: another one that can take them gets them now. */
void offline_hand_on(struct account *a);

/* Stores `st`, which is being delivered already, as owed, under that id. Returns the size of the record. Does not take
 * the reference. */
uint32_t offline_store_owed(struct account *a, struct stanza *st, int64_t time_ms, uint64_t id,
                            void (*done)(void *ctx, enum ln_err err), void *ctx);
/* It has arrived: removes it. */
void offline_remove(struct account *a, const uint64_t *ids, size_t n, const uint32_t *bytes);

/* Hands out what is stored to a session that has just become able to take messages; those who come meanwhile wait
 * behind. */
void offline_replay(struct session *s);

#endif
