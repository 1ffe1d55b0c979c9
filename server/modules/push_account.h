/* server/modules/push_account.h - the registrations of an account: loaded with it, and changed.
 *
 * A change takes effect when it is committed; until then the account takes nothing else, so that two clients cannot
 * undo each other's. What the document says is what is in memory, but for counts of errors that are on their way. All:
 * [worker], the account's home. */
#ifndef LINNET_SERVER_MODULES_PUSH_ACCOUNT_H
#define LINNET_SERVER_MODULES_PUSH_ACCOUNT_H

#include "server/im/hooks.h"
#include "server/modules/push_list.h"

/* [start] */
void push_account_start(void);

/* NULL: it has none. */
const struct push_list *push_account_peek(const struct account *a);

/* Carries out what a client asks for, and answers it. */
enum iq_verdict push_account_change(struct iq *iq, const struct push_change *change);
/* Ends a registration by itself. */
void push_account_end(struct account *a, struct str jid, struct str node);
/* Writes down counts of errors. */
void push_account_write(struct account *a);

/* HOOK_ACCOUNT_LOADED, _UNLOADED, _DELETED */
enum verdict push_account_on_loaded(struct hook_event *e);
enum verdict push_account_on_unloaded(struct hook_event *e);
enum verdict push_account_on_deleted(struct hook_event *e);

#endif
