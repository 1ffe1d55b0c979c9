/* server/im/presence.h - who sees that a session is there (RFC 6121 section 4).
 *
 * Broadcast to subscribers and to the account's own resources, probes and their answers, directed presence, and the
 * unavailable that everybody gets who was told of a session, however it ends. All: [worker]. */
#ifndef LINNET_SERVER_IM_PRESENCE_H
#define LINNET_SERVER_IM_PRESENCE_H

#include "server/im/account.h"

/* A client's presence without `to`: available or unavailable. */
void presence_from_client(struct session *s, struct stanza *st);
/* One with `to`, before it is routed: keeps the set of those who were told. False: too many; refused, do not route. */
bool presence_directed(struct session *s, const struct stanza *st);
/* For im/saved.h. Those who were sent directed presence: start with *cursor = 0. */
bool presence_next_directed(const struct session *s, size_t *cursor, struct str *ret_to);
void presence_restore_directed(struct session *s, struct str to);
/* The session goes on after a restart: nobody is told. */
void presence_forget(struct session *s);
/* The session ends: unavailable to everybody who was told of it. */
void presence_end(struct session *s);

/* Sends the current presence of every available session of the account to `to`. */
void presence_send_current(const struct account *a, const struct jid *to);
/* Sends unavailable from every available session to `to`, whose right to see them ends. */
void presence_send_unavailable(const struct account *a, const struct jid *to);
/* Asks for the contact's presence again, for every available session: it may have been missed. */
void presence_probe(const struct account *a, const struct jid *contact);
/* Does a module keep from this contact what would go to it by itself: presence, probes, events? And what it has asked
 * for from the account? */
bool presence_is_kept_from(const struct account *a, const struct jid *contact);
/* A probe for the account (section 4.3.2). */
void presence_answer_probe(struct account *a, const struct stanza *probe);

/* Was this address, or its bare JID, sent directed presence by the session, and not yet taken it back? */
bool presence_is_directed_at(const struct session *s, const struct jid *who);
/* Sends unavailable to those of them that `is_meant` names, and forgets that they were told. */
void presence_take_back_directed(const struct account *a, bool (*is_meant)(const struct jid *who, void *ctx),
                                 void *ctx);

#endif
