/* server/modules/push_notify.h - telling an app server that messages wait (XEP-0357 section 7).
 *
 * An iq from the host to the app server publishes how many messages wait, and for which node, which is all that the app
 * server needs to know of the account; who wrote, and what, only where the operator says so
 * (push.include_sender, push.include_body). For one registration there is at most one under way, and a pause between
 * two: what comes meanwhile is in the count of the next one. One that fails is counted; after push.max_errors in a row,
 * or at once if the app server says that it is for ever, the registration ends. All: [worker], the account's home. */
#ifndef LINNET_SERVER_MODULES_PUSH_NOTIFY_H
#define LINNET_SERVER_MODULES_PUSH_NOTIFY_H

#include "common/xmpp/stanza.h"
#include "server/modules/push_list.h"

/* What push.c does with a registration when its app server has answered. */
struct push_outcome {
    void (*on_changed)(struct push_app *app); /* app->errors has: it is to be written down */
    void (*on_broken)(struct push_app *app);  /* it has to go */
};
/* [start] */
void push_notify_start(const struct push_outcome *outcome);

/* One more message waits for the client of the registration. */
void push_notify(struct push_app *app, const struct stanza *st);
/* `n` messages, `last` the newest, wait for a client that has been silent since `since_ms` (worker clock). May be said
 * again: what is no news is not told twice. */
void push_notify_of(struct push_app *app, uint32_t n, uint64_t since_ms, const struct stanza *last);
/* Its client is there: nothing waits any more. */
void push_notify_forget(struct push_app *app);
/* Ends what is under way and frees it. */
void push_notify_end(struct push_app **own_app);

#endif
