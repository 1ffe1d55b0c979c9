/* server/im/iq_ask.h - requests that the server makes for an account: what a client can do (disco#info), a push to an
 * app server.
 *
 * They go out from the account's bare JID, so that the answer comes to the account's home; or from its host, where
 * nobody else needs to know the account: then the id says which worker the answer is for. There it is matched by its
 * id and by who it is from (RFC 6120 section 8.2.3). Whatever else comes to a bare JID or a host as an answer is
 * dropped. All: [worker], the account's home, unless said otherwise. */
#ifndef LINNET_SERVER_IM_IQ_ASK_H
#define LINNET_SERVER_IM_IQ_ASK_H

#include "server/im/account.h"
#include "server/im/hooks.h"

/* Called once. `answer`: the result or error, borrowed; NULL: none came in time, or the server stops. The account is
 * there, but may have been deleted meanwhile. */
typedef void (*iq_ask_done)(void *ctx, struct account *a, const struct stanza *answer);

enum { IQ_ASKS_MAX = 10000 }; /* of one worker, that wait for an answer */

/* `payload`: well-formed XML, one element. LN_E_LIMIT: too many wait already, or the request cannot be made; `done` is
 * not called. Otherwise it is called later, never from within. */
enum ln_err iq_ask(struct account *a, const struct jid *to, enum iq_kind kind, struct str payload, uint32_t timeout_ms,
                   iq_ask_done done, void *ctx);

/* The same from the account's host. */
enum ln_err iq_ask_from_host(struct account *a, const struct jid *to, enum iq_kind kind, struct str payload,
                             uint32_t timeout_ms, iq_ask_done done, void *ctx);

/* For im/router.c: an answer came to the account. */
void iq_ask_take_answer(struct account *a, const struct stanza *st);
/* [any] The worker that an answer to a host is for, if it is one; else NULL. */
struct worker *iq_ask_home(const struct server *server, const struct stanza *st);
/* It came there. `to`: the host. */
void iq_ask_take_host_answer(struct worker *w, const struct stanza *st, const struct jid *to);
/* For im/im.c: the worker stops. */
void iq_ask_give_up_all(struct shard *shard);

#endif
