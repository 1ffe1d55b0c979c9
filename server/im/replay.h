/* server/im/replay.h - handing out offline messages.
 *
 * A session that becomes able to take messages is sent what is stored, page by page, as fast as its client takes it;
 * live messages that come meanwhile wait behind (im/ledger.h). What the client has read in its archive before is not
 * sent, and counts as delivered. Each message goes to one session at a time: what is on
 * its way to another one is left to that one, and handed on when it ends without having delivered it. All: [worker],
 * the account's home. */
#ifndef LINNET_SERVER_IM_REPLAY_H
#define LINNET_SERVER_IM_REPLAY_H

#include "server/im/account.h"

/* The session has become able to take messages to the bare JID. Nothing happens if nothing is stored, or if it is being
 * served already. A hibernating one is served when its client is back; until then it takes nothing that would overtake
 * what is stored. */
void replay_start(struct session *s);
/* The session ends. */
void replay_stop(struct session *s);
/* Something that is stored has nobody who delivers it: a session that can take it gets it now. */
void replay_hand_on(struct account *a);

/* For all who read offline messages: what they read was there when they began, and may be gone or on its way to a
 * client when they see it. Then it is taken. */
void replay_begin_read(struct account *a);
void replay_end_read(struct account *a);
bool replay_is_taken(const struct account *a, uint64_t id);
/* For im/offline.c: the message is being removed; a page that was asked for before may still show it. */
void replay_note_removal(struct account *a, uint64_t id);

#endif
