/* server/im/user_agents.h - the clients that log in to an account, kept with it while it is in memory.
 *
 * All that changes about a client (stream/user_agent.h) is decided here, on the account's home, so that two logins with
 * one token, or a login and its revocation, cannot miss each other; storage follows. Their number is bounded, and those
 * that are not seen for long are forgotten. All: [worker], the account's home, unless said otherwise. */
#ifndef LINNET_SERVER_IM_USER_AGENTS_H
#define LINNET_SERVER_IM_USER_AGENTS_H

#include "common/buf.h"
#include "server/im/account.h"
#include "server/storage/storage.h"
#include "server/stream/user_agent.h"

struct hook_event;

/* [start] For im/core_module.c. */
void user_agents_start(void);
void user_agents_on_loaded(struct account *a, const struct storage_rows *rows);
void user_agents_free(struct account *a);

/* ---- logging in ---- */

enum user_agent_login {
    USER_AGENT_NOTED,   /* it may go on */
    USER_AGENT_SAVING,  /* `done` will be called when what it is to be told is committed */
    USER_AGENT_REFUSED, /* the token that it used is not valid any more */
};

/* The session `s`, authenticated by XEP-0388, has come home. Notes what client it is; uses, forgets and hands out
 * tokens as it asks: a new one is appended to *token as <token/>, to be sent once `done` was called with LN_OK. */
enum user_agent_login user_agents_log_in(struct account *a, struct session *s, struct buf *token,
                                         storage_on_committed done, void *ctx);

/* ---- looking ---- */

/* Walks them: start with *cursor = NULL; false ends. */
bool user_agents_next(const struct account *a, const void **cursor, struct user_agent *ret);
/* By user_agent_name(). False: there is none. */
bool user_agents_find(const struct account *a, struct str name, struct user_agent *ret);
/* Its session, hibernating perhaps, after `after` (NULL: the first); NULL ends. */
struct session *user_agents_session(const struct account *a, const uint8_t id[USER_AGENT_ID_BYTES],
                                    const struct session *after);
/* Has it shown the password since that was last changed? Then it may know it. */
bool user_agents_knows_password(const struct account *a, const struct user_agent *ua);

/* May the session, which is not bound yet, go on? Not when since it logged in its client was logged out, the password
 * changed, or the account deleted and made anew: sessions that are bound have ended by that. */
bool user_agents_allow(const struct account *a, const struct session *s);

/* ---- ending ---- */

/* Forgets the client and its tokens; when that is committed `done` is called, and then its sessions are closed. */
void user_agents_log_out(struct account *a, const struct user_agent *ua, storage_on_committed done, void *ctx);

#endif
