/* server/im/account.h - the accounts that live on a worker: loaded while they are needed, with their roster and
 * sessions.
 *
 * An account is loaded from storage when somebody needs it: its owner binds, or a stanza is addressed to it. While it
 * loads, and while a change of a subscription is being committed, what comes for it waits in its queue, so that order
 * is kept (RFC 6120 section 10.1). It stays in memory while it has sessions, pins or work under way, and for a while
 * after as a cache of bounded size. All of it on one worker, server_home_of() its bare JID; [worker] unless said
 * otherwise. */
#ifndef LINNET_SERVER_IM_ACCOUNT_H
#define LINNET_SERVER_IM_ACCOUNT_H

#include "common/err.h"
#include "server/im/roster.h"
#include "server/stream/session.h"

struct shard;
struct storage_txn;
struct credentials;

/* The archive of its messages (XEP-0313); ids are times in microseconds. What is in it is modules/archive.c's business.
 */
#define ARCHIVE_COLLECTION STR("archive")

enum account_state {
    ACCOUNT_LOADING, /* answers of the storage are awaited */
    ACCOUNT_ABSENT,  /* there is no such account (cached knowledge) */
    ACCOUNT_LOADED,
    ACCOUNT_FAILED, /* storage could not answer: what waited was refused; the next one tries again */
};

struct account {
    struct worker *worker;
    struct jid jid; /* bare; key of the shard's table */
    enum account_state state;
    uint32_t n_sessions;
    struct session *sessions; /* connected ones, by next_of_account */
    struct roster roster;
    uint32_t pins;             /* who holds it in memory: sessions, kept requests, writes under way */
    uint32_t archive_appended; /* entries since its length was last looked at */
    uint32_t offline_count;    /* offline messages stored, those on their way to storage included */
    uint64_t offline_bytes;
    uint64_t archive_first, archive_last; /* ids of the entries at both ends of its archive; 0: it is empty */
    int64_t credentials_ms;               /* wall clock: when its password was last changed */
    int64_t last_activity_ms;             /* wall clock of the last unavailable; 0: unknown (XEP-0012) */
    char *last_status;                    /* its status text; NULL: none. Owned */
    void **data;                          /* of modules (im/slots.h) */
    bool is_guarded;         /* some module wants to see all that goes in and out (HOOK_STANZA_TO_ACCOUNT, ...) */
    bool is_busy;            /* a subscription is being committed: deliveries wait */
    bool is_ending;          /* its deletion is being committed: nothing may be written for it any more */
    bool is_serving_waiters; /* private from here: those who wait are being called */
    bool is_out_of_date;     /* it was made while it was being loaded: to be loaded again */
    bool is_removing;        /* in the shard's list of accounts with removals, pinned */
    uint32_t n_waiters;
    struct account_waiter *first_waiter, **last_waiter;
    struct account *idle_next, **idle_prev;
    /* im/offline.c and im/replay.c */
    struct storage_txn *removals; /* messages that arrived in this turn of the loop */
    struct account *next_removing;
    uint32_t hand_ons; /* counts what was stored, or given up, for others to deliver */
    uint32_t reads;    /* pages of offline messages that are being read */
    uint64_t *removed; /* meanwhile: what these pages may show and is gone */
    uint32_t n_removed;
};

/* The loaded (or absent) account, or NULL while it is not in memory. */
struct account *account_peek(struct shard *shard, struct str bare);

/* Calls `fn(account, ctx)` when the account is ready: at once if it is loaded and not busy, else later, in the order of
 * the calls. `account->state` is ACCOUNT_LOADED, ACCOUNT_ABSENT or ACCOUNT_FAILED then. LN_E_LIMIT: too many wait
 * already; `fn` is not called. */
enum ln_err account_when_ready(struct shard *shard, const struct jid *bare, void (*fn)(struct account *a, void *ctx),
                               void *ctx);
/* Marks it busy, or not; when it is no longer, what waited goes on. */
void account_set_busy(struct account *a, bool is_busy);

/* Whether account_when_ready() would call at once. */
static inline bool account_is_ready(const struct account *a)
{
    return a->state != ACCOUNT_LOADING && !a->is_busy && a->first_waiter == NULL;
}

/* Exists, and is not about to end: something may be written for it. */
static inline bool account_is_lasting(const struct account *a)
{
    return a->state == ACCOUNT_LOADED && !a->is_ending;
}

void account_pin(struct account *a);
void account_unpin(struct account *a);

/* Has it an available session? */
bool account_is_available(const struct account *a);
/* The highest priority >= 0 among the available sessions; -1: there is none. */
int account_top_priority(const struct account *a);

/* Remembers that the account was last seen now, with this status text: in memory and in storage (XEP-0012). */
void account_set_last_activity(struct account *a, struct str status);

/* For shard.c. */
void accounts_free_all(struct shard *shard);

/* For account_admin.c: it was made just now, and has nothing but its password. */
void account_now_exists(struct shard *shard, struct str bare, int64_t credentials_ms);

/* ---- making, changing, ending accounts ----
 * account_admin.c. [any] Each runs in the pool and on the account's home, and answers on `reply_to`: once, with LN_OK
 * only after it is committed. Strings are copied; passwords are wiped. */
typedef void (*account_done)(void *ctx, enum ln_err err);

/* LN_E_INVALID: the name or password cannot be prepared; LN_E_NOT_FOUND: the host is not served; LN_E_EXISTS; storage's
 * errors. `jid` prepared and bare. */
void account_create(struct server *server, const struct jid *jid, struct str password, uint32_t iterations,
                    struct executor *reply_to, account_done done, void *ctx);
/* The same, but only together with what `own_txn` wants: all of it or nothing, and its errors. */
void account_create_with(struct server *server, const struct jid *jid, struct str password, uint32_t iterations,
                         struct storage_txn *own_txn, struct executor *reply_to, account_done done, void *ctx);
/* The same for an account that came from another server with `keys`, whose times are not looked at. */
void account_import(struct server *server, const struct jid *jid, const struct credentials *keys,
                    struct executor *reply_to, account_done done, void *ctx);
/* Ends the account's sessions with `reset`, but for the one named by `keep_session` (a session id; 0: none).
 * LN_E_NOT_FOUND. */
void account_set_password(struct server *server, const struct jid *jid, struct str password, uint32_t iterations,
                          uint64_t keep_session, struct executor *reply_to, account_done done, void *ctx);
/* Removes everything stored, then ends all sessions, cancels the subscriptions of all contacts. The session named by
 * `keep_session` (0: none) is left for `done` to answer and to close, at once. LN_E_NOT_FOUND. */
void account_delete(struct server *server, const struct jid *jid, uint64_t keep_session, struct executor *reply_to,
                    account_done done, void *ctx);

#endif
