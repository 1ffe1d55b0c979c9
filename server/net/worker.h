/* server/net/worker.h - one thread, one libuv loop, one part of the world.
 *
 * A worker owns its connections and, above them, its shard of sessions and accounts; nobody else touches these.
 * Whatever other threads have for it comes through the inbox: tasks, in the order each thread posted them, with one
 * wake-up for as many as are waiting. What one turn of the loop produced is sent at its end: first what goes to other
 * workers, then each connection that has something to say is written once.
 *
 * A turn ends in worker_end_turn(), which runs until nothing is left to do: connections whose input may go on, hooks of
 * the layer above (posting its batches), writing, connections that broke. Because a broken connection is only reported
 * there, no function that sends can make a session vanish under its caller. */
#ifndef LINNET_SERVER_NET_WORKER_H
#define LINNET_SERVER_NET_WORKER_H

#include <uv.h>

#include "common/buf.h"
#include "common/hash_table.h"
#include "common/task.h"
#include "server/net/timer_wheel.h"
#include "server/net/wakeup.h"

struct config;
struct conn;
struct pool;
struct server;
struct shard;
struct storage;
struct tls_context;
struct worker;
struct xml_scratch;

enum { WORKER_READ_BYTES = 64 * 1024, WORKER_SPARES = 32 };

struct conn_list {
    struct conn *first;
};

/* What the layers above do on a worker; filled in by im/ at start. All [worker]. */
struct worker_events {
    void (*on_start)(struct worker *w);
    /* Somebody was accepted (net/acceptor.h): make a connection of it. */
    void (*on_accepted)(struct worker *w, struct conn *own_conn);
    /* At the end of a turn: post what was gathered for other workers. */
    void (*on_turn_end)(struct worker *w);
    /* Every second. */
    void (*on_second)(struct worker *w);
    /* A new configuration is in force: w->config and w->tls are the new ones, `old` is still valid during the call. */
    void (*on_config)(struct worker *w, const struct config *old);
    /* Tell every client that we stop (system-shutdown); connections close as they are written. */
    void (*on_drain)(struct worker *w);
    void (*on_stop)(struct worker *w);
    /* [control] The thread has ended. May it be saved what is to go on after a restart, or is something under way that
     * it depends on? */
    bool (*may_save)(struct worker *w);
    void (*on_save)(struct worker *w);
    /* [control] The thread has ended and the late answers have been taken: free what on_start made. */
    void (*on_free)(struct worker *w);
};

/* Counters for `linnetctl status`; written by the worker, read by anyone. Since nobody else writes them, counting needs
 * no atomic read-modify-write: counter_add(). */
struct worker_counters {
    _Atomic uint64_t connections; /* open now */
    _Atomic uint64_t sessions;    /* bound now */
    _Atomic uint64_t stanzas_in, stanzas_out;
    _Atomic uint64_t bytes_in, bytes_out;
    _Atomic uint64_t logins, login_failures;
    _Atomic uint64_t messages_offline;
    _Atomic uint64_t reports; /* of spam and abuse, by users */
    _Atomic uint64_t batches_in;
};

/* [worker] */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}
static inline void counter_subtract(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) - n, memory_order_relaxed);
}

struct worker {
    struct executor executor; /* [any] first: worker_of_executor() casts */
    /* [start] fixed before the thread exists, read by all */
    struct server *server;
    unsigned index;
    uv_thread_t thread;
    bool is_started;
    char apart_from_start[64]; /* what different threads write does not meet in one line of a cache */
    /* [any] */
    struct mpsc_queue inbox;
    struct wakeup wakeup;
    char apart_from_any[64];
    /* [worker], read by anyone */
    struct worker_counters counters;
    /* [worker] */
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t ticker;
    uv_idle_t again; /* runs while work was left for the next turn */
    struct timer_wheel wheel;
    uint64_t loop_started_ms;
    uint64_t next_second_ms;
    struct config *config;         /* the snapshot in force here; one reference */
    struct tls_context *tls;       /* likewise */
    struct shard *shard;           /* im/shard.h */
    struct sasl_cache *sasl_cache; /* stream/sasl_cache.h */
    struct xml_scratch *scratch;
    struct conn_list conns;           /* all */
    struct conn_list dirty;           /* have something to write, or broke */
    struct conn_list resumed;         /* may take input again */
    struct conn_list closing;         /* write the rest, and wait for the peer to end too; newest first */
    struct buf plain;                 /* decrypted input of the connection at hand */
    struct buf spares[WORKER_SPARES]; /* empty output buffers with memory, for the next connections that have something
                                         to say */
    unsigned n_spares;
    uint64_t last_id;
    bool is_draining;
    bool in_end_turn;
    char read_bytes[WORKER_READ_BYTES];
};

/* What all threads share; filled in at start, read-only from then on but for the atomics. */
struct server {
    unsigned n_workers;
    struct worker **workers;
    const struct worker_events *events;
    struct pool *pool;
    struct storage *storage;
    struct throttle *throttle;
    struct executor *control;         /* the acceptor's thread (net/acceptor.h) */
    struct siphash_key placement_key; /* which worker a bare JID lives on */
    struct siphash_key table_key;
    uint8_t secret[32]; /* persistent: salts of unknown users */
    int64_t started_ms; /* wall clock */
    _Atomic uint64_t next_conn_id;
};

/* [start] Makes the worker and puts it into server->workers. Takes references of its own. False: there are too few file
 * descriptors for its loop, and nothing was made. */
bool worker_make(struct server *server, unsigned index, struct config *config, struct tls_context *tls);
/* [start] Its thread begins; all workers must have been made. False: the system gives no thread. */
bool worker_start(struct worker *w);
/* [control] Asks the thread to end (events->on_stop) and waits for it. Tasks may still be posted; they are not run yet.
 * Nothing happens if it was not started. */
void worker_stop(struct worker *w);
/* [control] After worker_stop(): runs the tasks that came late, such as answers of the storage. False: there were none.
 */
bool worker_settle(struct worker *w);
/* [control] In between, when there is nothing left: events->may_save, events->on_save. */
bool worker_may_save(struct worker *w);
void worker_save(struct worker *w);
/* [control] When no worker has anything left. NULL is fine. */
void worker_free(struct worker **w);

/* [any] Runs `fn(w, arg)` on the worker. */
void worker_call(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg);
/* [control] The new snapshots, for the worker to switch to; it takes references of its own. */
void worker_set_config(struct worker *w, struct config *config, struct tls_context *tls);

/* [any] The worker whose thread this is; NULL on other threads. */
struct worker *worker_current(void);
/* [worker] Aborts when called from another thread: a mistake of ours. */
void worker_assert_current(const struct worker *w);
/* [any] Where the account with this prepared bare JID lives on this node. */
struct worker *server_home_of(const struct server *s, struct str bare_jid);

/* [worker] Milliseconds, monotonic, as of this turn. */
static inline uint64_t worker_now_ms(const struct worker *w)
{
    return uv_now(&w->loop);
}
/* [any] Milliseconds since 1970. */
int64_t wall_clock_ms(void);
/* [worker] An id for an archive entry: microseconds since 1970, rising on this worker even when the clock is set back.
 */
uint64_t worker_next_id(struct worker *w);
/* [any] Random bytes from the kernel; aborts if there are none to be had. */
void random_bytes(void *out, size_t len);
/* [any] `n` random bytes in lower-case hexadecimal. */
struct str random_hex(char *out, size_t n);

#endif
