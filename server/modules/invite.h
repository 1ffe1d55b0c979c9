/* server/modules/invite.h - invitations: what one is, how it is kept, and what it looks like.
 *
 * A token that cannot be guessed stands for a promise: a contact that is accepted without being asked (XEP-0379), an
 * account on this host (XEP-0445), or both. It ends by itself, and counts as often as it was meant to: a use and what
 * it is used for are one transaction, so of two who come at once with the last use, one is refused.
 *
 *   (host, "invite", token)             the invitation, with the uses that are left
 *   (host, "invite.left", token.left)   is there just as long as so many are left: each use requires and deletes it
 *   (host, "invite.name", name)         a name that is kept for whoever comes with the token in it
 *   (account, "invites", token)         when it ends: for the limit of each account; goes with the account */
#ifndef LINNET_SERVER_MODULES_INVITE_H
#define LINNET_SERVER_MODULES_INVITE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/xmpp/jid.h"

struct executor;
struct server;
struct session;
struct storage_txn;

enum { INVITE_TOKEN_BYTES = 12, INVITE_TOKEN_MAX = 64 };

struct invite {
    struct str token;
    struct str inviter;  /* bare JID that subscriptions are made with, or that only made it; empty: the operator */
    struct str name;     /* localpart that is kept for it; empty: any */
    bool for_account;    /* one may make an account with it */
    bool for_contact;    /* one becomes a contact of `inviter` with it */
    bool is_to_register; /* its URI is one to make an account with; otherwise it is that of the contact */
    int64_t created_ms;
    int64_t expires_ms;
    uint32_t uses; /* it was made for */
    uint32_t left;
};

/* ---- one invitation: pure ---- */

/* [any] As a document, without the token. */
void invite_encode(struct buf *out, const struct invite *i);
/* [any] Spans of *ret lie in `token` and `bytes`. LN_E_CORRUPT: this is not what invite_encode() writes. */
enum ln_err invite_decode(struct str token, struct str bytes, struct invite *ret);
/* [any] In one piece of memory; free() it. */
struct invite *invite_copy(const struct invite *i);

/* [any] The URI that one is invited with: xmpp:romeo@host?roster;preauth=... or xmpp:host?register;preauth=... */
void invite_write_uri(struct buf *out, const struct invite *i, struct str host);
/* [any] The page of `template`, where {token} and {uri} are replaced; the URI is escaped to be part of another. */
void invite_write_url(struct buf *out, struct str template, struct str token, struct str uri);

/* [any] By now, or by its uses. */
bool invite_has_ended(const struct invite *i);

/* ---- presented by a stream that has not logged in (XEP-0445): [worker] ---- */

/* [start] */
void invite_session_start(void);
/* The one that it came with, which is good to make an account with, or was when it came; NULL: none. Borrowed. */
const struct invite *invite_session_peek(const struct session *s);
void invite_session_set(struct session *s, const struct invite *i);
void invite_session_forget(struct session *s);

/* [any] An account was made with it: its inviter and the account become contacts of each other (XEP-0401 section 3.5),
 * if that was promised. Both are told by roster pushes. */
void invite_account_made(struct server *server, const struct invite *i, const struct jid *account);

/* ---- kept: asynchronous, answered on `reply_to`, from anywhere ---- */

/* `invite` is borrowed; NULL with any error. LN_E_NOT_FOUND: there is no such invitation, or it has ended. */
typedef void (*invite_on_found)(void *ctx, enum ln_err err, const struct invite *invite);
typedef void (*invite_on_done)(void *ctx, enum ln_err err);

/* Keeps `spec` under a new token; its token and `left` are not looked at. `limit`: how many the inviter may have that
 * have not ended (0: any number). LN_E_LIMIT: these are as many; LN_E_EXISTS: the name is kept for somebody else;
 * LN_E_NOT_FOUND: the inviter has no account. */
void invite_make(struct server *server, struct str host, const struct invite *spec, uint64_t limit,
                 struct executor *reply_to, invite_on_found done, void *ctx);
/* `even_if_ended`: one that ended a while ago is found, too. */
void invite_find(struct server *server, struct str host, struct str token, bool even_if_ended,
                 struct executor *reply_to, invite_on_found done, void *ctx);
/* Whom a name is kept for; the invitation may have ended. LN_E_NOT_FOUND: nobody. */
void invite_find_name(struct server *server, struct str host, struct str name, struct executor *reply_to,
                      invite_on_found done, void *ctx);
/* LN_E_NOT_FOUND: there is no such invitation. */
void invite_revoke(struct server *server, struct str host, struct str token, struct executor *reply_to,
                   invite_on_done done, void *ctx);

/* All of a host, borrowed; on the way those are removed that ended more than an hour ago. */
typedef void (*invite_on_all)(void *ctx, enum ln_err err, const struct invite *invites, size_t n);
void invite_list(struct server *server, struct str host, struct executor *reply_to, invite_on_all done, void *ctx);

/* Removes those of an account that is gone. */
void invite_forget_inviter(struct server *server, struct str host, struct str inviter, struct executor *reply_to);

/* Adds one use of `i`, as it was found, to a transaction: LN_E_NOT_FOUND is what that is answered with if there was
 * another use meanwhile, it was revoked, or its inviter is gone. */
void invite_use(struct storage_txn *t, struct str host, const struct invite *i);
/* Adds that `name` is free: kept for nobody, or for `keeper` as it was found, which has ended and is removed. Else the
 * transaction is answered with LN_E_EXISTS or LN_E_NOT_FOUND. */
void invite_require_free_name(struct storage_txn *t, struct str host, struct str name, const struct invite *keeper);

#endif
