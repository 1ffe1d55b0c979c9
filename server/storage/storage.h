/* server/storage/storage.h - where everything is kept: documents and archives.
 *
 * A *document* is (owner, collection, key) -> bytes: credentials, roster items, vCards, private XML, settings. An
 * *archive* is (owner, collection) -> an ordered log of (id, time, peer, bytes): offline messages, later message
 * archives and room history. The owner is a bare JID, or a domain. No feature knows which back-end keeps them (SQLite,
 * memory).
 *
 * An archive is read from anywhere in it, in either direction, in the time that its answer takes and not that of what
 * lies around it: by id, and so by time where ids are times, and by id among the entries of one peer.
 *
 * Everything is asynchronous: called from a worker (or any thread), answered by a task posted to the `reply_to`
 * executor the caller names. Writes are transactions: all of one, or nothing. All that arrive while one commit runs
 * share the next one (group commit), and *committed* means fsynced. The writes of one thread are carried out in
 * order, and a read never overtakes a write submitted before it by the same thread. It may show writes submitted after
 * it, though (it shows one moment between its submission and its answer), and reads may overtake each other.
 *
 * When the disk is full or fails, the transactions of that group are answered with LN_E_FULL or LN_E_IO, nothing of
 * them is kept, and the next ones are tried again: it heals without a restart. */
#ifndef LINNET_SERVER_STORAGE_STORAGE_H
#define LINNET_SERVER_STORAGE_STORAGE_H

#include "common/err.h"
#include "common/str.h"
#include "common/task.h"

struct storage;

struct storage_options {
    const char *backend; /* "sqlite" or "memory" */
    const char *path;    /* of the database file; made when it is missing, its folder too (mode 0700) */
    unsigned readers;    /* reader threads (SQLite); 1 to 16 */
    /* [storage threads] One log line: level 0 error, 1 warning, 2 info. May be NULL. */
    void (*log)(int level, const char *event, const char *details);
};

/* [start] Opens, checks integrity, migrates the schema, starts the threads. On failure `ret_error` (256 bytes) says
 * what is wrong and how to mend it. */
enum ln_err storage_open(const struct storage_options *opt, struct storage **ret, char *ret_error);
/* [any but its own threads] Finishes what was submitted, then ends the threads and closes. Blocks; call after the
 * workers have stopped. Answers are still posted, so the executors must be alive. */
void storage_close(struct storage **s);
/* [any but its own threads, once nobody else submits] The first half of storage_close(): all that was submitted is
 * carried out and answered, the threads end. What is submitted from now on is answered with LN_E_CLOSED. Blocks. */
void storage_stop(struct storage *s);

/* ---- writing ---- */

struct storage_txn; /* a transaction being put together; bytes are copied in */

struct storage_txn *storage_txn_new(void);
void storage_txn_free(struct storage_txn **t); /* only for one that was not committed */

void storage_txn_put(struct storage_txn *t, struct str owner, struct str collection, struct str key, struct str bytes);
void storage_txn_delete(struct storage_txn *t, struct str owner, struct str collection, struct str key);
/* Archive ids are the caller's: rising within (owner, collection), see worker_next_id(); at most INT64_MAX. If the id
 * is taken, nothing of the transaction happens and it is answered with LN_E_EXISTS: an entry is never replaced by
 * appending. `peer`: the JID that the entry can be found by, bare or full; empty: it is not looked for that way, and
 * costs less. */
void storage_txn_append(struct storage_txn *t, struct str owner, struct str collection, uint64_t id, int64_t time_ms,
                        struct str peer, struct str bytes);
/* Other bytes for the entry with that id; its time and peer stay. Nothing happens if there is none. */
void storage_txn_replace(struct storage_txn *t, struct str owner, struct str collection, uint64_t id, struct str bytes);
void storage_txn_remove(struct storage_txn *t, struct str owner, struct str collection, uint64_t id);
/* Removes the oldest entries: those with id < before_id, `limit` of them at most (one commit holds everybody up). */
void storage_txn_trim(struct storage_txn *t, struct str owner, struct str collection, uint64_t before_id,
                      uint32_t limit);
/* All documents and archives of the owner. */
void storage_txn_delete_owner(struct storage_txn *t, struct str owner);
/* Conditions, checked when the transaction is carried out, before its first change; if one fails nothing of the
 * transaction happens and it is answered with LN_E_EXISTS or LN_E_NOT_FOUND. */
void storage_txn_require_absent(struct storage_txn *t, struct str owner, struct str collection, struct str key);
void storage_txn_require_present(struct storage_txn *t, struct str owner, struct str collection, struct str key);

/* Called on the reply_to executor, once. LN_E_FULL or LN_E_IO: the disk. LN_E_CORRUPT: damage where this transaction
 * writes. LN_E_EXISTS, LN_E_NOT_FOUND: see above. Nothing of it was kept, so it may be tried again. */
typedef void (*storage_on_committed)(void *ctx, enum ln_err err);

/* [any] Takes `own_txn`. `done` may be NULL: nobody waits (failures are logged all the same). */
void storage_commit(struct storage *s, struct storage_txn *own_txn, struct executor *reply_to,
                    storage_on_committed done, void *ctx);

/* [any] The same for what nobody waits for very much: it may be held for some milliseconds, until others come that it
 * can share a commit with; and reads may overtake it, but none that is submitted behind a later transaction. */
void storage_commit_lazily(struct storage *s, struct storage_txn *own_txn, struct executor *reply_to,
                           storage_on_committed done, void *ctx);

/* ---- reading ---- */

struct storage_row {
    struct str key;  /* documents; of STORAGE_LIST_OWNERS: the owner */
    uint64_t id;     /* archives */
    int64_t time_ms; /* archives */
    struct str peer; /* archives */
    struct str bytes;
};

struct storage_rows {
    enum ln_err err; /* LN_OK also when there are no rows */
    size_t n;
    struct storage_row
        *rows; /* borrowed during the call-back; by key or by id, rising; falling where it was asked for */
};

/* Called on the reply_to executor, once. `rows` is the answer; after storage_read_all() the first of as many answers as
 * there were questions. */
typedef void (*storage_on_rows)(void *ctx, const struct storage_rows *rows);

struct storage_query {
    enum {
        STORAGE_GET,      /* one document: 0 or 1 rows */
        STORAGE_LIST,     /* all documents of (owner, collection) */
        STORAGE_LOAD,     /* all documents of (owner), any collection; row.peer holds the collection. Archives are not
                             included */
        STORAGE_READ,     /* archive entries with after_id < id < before_id, of `peer`, at most `limit` after the first
                             `skip` */
        STORAGE_READ_IDS, /* those of the `n_ids` entries that are there; behind the one whose bytes make it bytes_max
                             they come without their bytes */
        STORAGE_TALLY,    /* one row, `id` is how many STORAGE_READ would give: `limit` at most, so it costs no more */
        STORAGE_ENDS, /* of an archive: one row, `id` of the first entry, and in `time_ms` that of the last one; both 0:
                         it is empty */
        STORAGE_COUNT,       /* of an archive: one row, `id` is the count, `time_ms` the bytes summed */
        STORAGE_LIST_OWNERS, /* owners that end in "@" + `owner`, have a document (collection, key) and come after
                                `after_owner`, in the order of their local parts, at most `limit`; `bytes` is that
                                document */
    } kind;
    struct str owner;
    struct str collection; /* STORAGE_LOAD: unused */
    struct str key;
    struct str after_owner;
    struct str peer; /* bare: also of its resources; full: just this one; empty: anybody's */
    uint64_t after_id;
    uint64_t before_id; /* 0: to the end */
    uint32_t skip;
    uint32_t limit;      /* 0: no limit */
    size_t bytes_max;    /* STORAGE_READ: the entry whose bytes make it so many is the last; 0: no limit. READ_IDS: see
                            there */
    bool is_backwards;   /* the newest first */
    const uint64_t *ids; /* the rows come in their order */
    size_t n_ids;
};

/* [any] The query's strings and ids are copied. */
void storage_read(struct storage *s, const struct storage_query *q, struct executor *reply_to, storage_on_rows done,
                  void *ctx);

enum { STORAGE_QUERIES_MAX = 4 };

/* [any] Asks several things at once, which is one errand instead of several: `done` is called once, with the answers
 * one behind the other in the order of the questions. 1 <= n <= STORAGE_QUERIES_MAX. */
void storage_read_all(struct storage *s, const struct storage_query *queries, size_t n, struct executor *reply_to,
                      storage_on_rows done, void *ctx);

/* ---- the operator's view ---- */

struct storage_stats {
    uint64_t transactions; /* committed */
    uint64_t commits;      /* groups */
    uint64_t failures;     /* transactions refused because of the disk */
    uint64_t in_flight;    /* transactions submitted and not answered yet: grows when the disk does not keep up */
    bool is_failing;       /* commits fail, or did a second ago; ends by itself, also when nobody writes */
};
/* [any] */
void storage_get_stats(const struct storage *s, struct storage_stats *ret);

#endif
