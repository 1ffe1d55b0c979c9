/* server/im/batch.h - what one turn of the loop has for other workers, and the brake when they are behind.
 *
 * Stanzas with their addressees, and settled receipts, are gathered for each destination and posted once at the end of
 * the turn: one atomic exchange and one wake-up for all of them. Stanzas travel under a reference; addresses are those
 * of the stanza, or lie in the batch.
 *
 * Each worker counts the bytes that it has in flight to each other; the destination gives them back when it has dealt
 * with them (and its storage is not behind). While more than BATCH_HIGH_BYTES are out, the clients that send there are
 * not read: the source waits, no memory grows. What waits for storage on the own worker is counted likewise. */
#ifndef LINNET_SERVER_IM_BATCH_H
#define LINNET_SERVER_IM_BATCH_H

#include "common/xmpp/stanza.h"
#include "server/net/worker.h"

struct session;
struct shard;

enum {
    BATCH_HIGH_BYTES = 4 * 1024 * 1024,
    BATCH_LOW_BYTES = 1024 * 1024,
    STORAGE_HIGH_BYTES = 8 * 1024 * 1024, /* that wait for storage, of one worker */
    STORAGE_LOW_BYTES = 2 * 1024 * 1024,
};

/* From one worker to one other. Sources and destinations write to `in_flight` all the time, so two of these must not
 * meet in one line of a cache. */
struct batch_link {
    struct batch *open;        /* [source] of this turn */
    struct session **held;     /* [source] clients that wait for it; each under a reference */
    size_t n_held, held_cap;   /* [source] */
    _Atomic int64_t in_flight; /* [source adds, destination subtracts] bytes */
    _Atomic bool is_awaited;   /* somebody is held: the destination wakes the source when it has caught up */
    int64_t owed_back;         /* [destination side, indexed by source] bytes not given back yet: storage is behind */
    char apart[72];
};

struct batch_links {
    unsigned n;
    struct batch_link *to; /* by the index of the worker */
};

void batch_links_init(struct batch_links *links, unsigned n_workers);
void batch_links_deinit(struct batch_links *links);

/* [worker] For the account or resource st->to, which lives on `dest`, another worker. Takes the caller's reference. */
void batch_deliver(struct worker *w, struct worker *dest, struct stanza *own_st);
/* [worker] One of several copies of `st`, for `to`, which is copied. Copies that follow each other share one reference:
 * a broadcast to a thousand contacts must not count a thousand times on one word that all workers write to. */
void batch_deliver_copy(struct worker *w, struct worker *dest, struct stanza *st, const struct jid *to);
/* [worker] For im/receipt.c: stanza number `seq` of the session is settled. */
void batch_settled(struct worker *w, struct worker *dest, uint64_t session, uint32_t seq);
/* [worker] Posts what was gathered. */
void batch_post_all(struct worker *w);

/* [worker] Holds the client's input if `dest` is behind (or, for the own worker, storage). */
void batch_hold_if_behind(struct session *s, const struct worker *dest);
/* [worker] The same for every worker: after a broadcast. */
void batch_hold_if_any_behind(struct session *s);
/* [worker] Is any worker behind, or the own one's storage? For senders that are no sessions, which wait by themselves.
 */
bool batch_is_any_behind(const struct worker *w);
/* [any] What a stanza counts for, while it waits. */
size_t batch_cost(const struct stanza *st);
/* [worker] So many bytes wait for storage: a message that is being written, a stanza whose account is being loaded. */
void batch_storage_begin(struct worker *w, size_t bytes);
/* [worker] They do no longer; lets clients go on that waited for that. */
void batch_storage_settled(struct worker *w, size_t bytes);

#endif
