/* server/im/shard.h - the part of the world that one worker owns.
 *
 * Connected sessions by full JID, accounts by bare JID, and what this turn of the loop has for other workers. Never
 * touched by another thread. All: [worker]. */
#ifndef LINNET_SERVER_IM_SHARD_H
#define LINNET_SERVER_IM_SHARD_H

#include "common/hash_table.h"
#include "server/im/account.h"
#include "server/im/batch.h"
#include "server/stream/session.h"

struct shard {
    struct worker *worker;
    struct hash_table sessions; /* connected, by full JID */
    struct hash_table by_id;    /* those that count acknowledgements (im/receipt.h), by the bytes of their id */
    struct hash_table accounts; /* loaded, loading or known to be absent; by bare JID */
    struct account *idle;       /* accounts that nobody needs now, most recently used first (im/account.c) */
    struct account **idle_end;
    uint32_t n_idle;
    struct ledger *ledgers;       /* im/ledger.h, looked at every second */
    struct account *removing;     /* accounts with offline messages to be removed at the end of this turn */
    struct hash_table components; /* connected ones (stream/component.h), by domain */
    struct hash_table asks;       /* questions without an answer yet (im/iq_ask.h), by their id */
    uint32_t deliveries;          /* counts the messages that were delivered to accounts here */
    uint32_t delivery;            /* the one that HOOK_MESSAGE_DELIVERED is called for */
    struct resume_gone *gone;     /* sessions that ended, for im/resume.c; a ring; NULL: none */
    size_t n_gone;                /* so many were ever put into it */
    bool wants_turn_end;          /* HOOK_TURN_END is to be called (im/hooks.h) */
    struct batch_links links;
    size_t storage_pending; /* bytes that wait for storage */
};

static inline struct shard *shard_of(const struct worker *w)
{
    return w->shard;
}

struct shard *shard_new(struct worker *w);
void shard_free(struct shard **s);

/* The connected session with this full JID, or NULL. */
static inline struct session *shard_find(const struct shard *s, struct str full_jid)
{
    return hash_table_get(&s->sessions, full_jid);
}

/* In HOOK_MESSAGE_DELIVERED: was this session given the message? */
static inline bool session_was_given(const struct session *s)
{
    return s->given_in == shard_of(s->worker)->delivery;
}

#endif
