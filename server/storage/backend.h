/* server/storage/backend.h - what storage.c asks of a back-end, and the shapes that they share.
 *
 * Private to server/storage/. A back-end knows how to carry out a group of transactions as one commit and how to answer
 * a query; threads, order, answers and the log are storage.c's. So a new back-end is one file and one row in storage.c.
 */
#ifndef LINNET_SERVER_STORAGE_BACKEND_H
#define LINNET_SERVER_STORAGE_BACKEND_H

#include "common/arena.h"
#include "server/storage/storage.h"

enum {
    STORAGE_ERROR_SIZE = 256, /* of storage_open()'s ret_error */
    BACKEND_DETAIL_SIZE = 256,
    BACKEND_READERS_MAX = 16,
};

/* ---- jobs: what waits in the inbox of a storage thread, and later in that of the one who asked ---- */

struct storage_job {
    struct task task; /* first in every job */
    enum {
        JOB_WRITE, /* a struct storage_txn */
        JOB_READ,  /* a struct read_job, in storage.c */
        JOB_STOP,
    } kind;
    struct executor *reply_to;
    void *ctx;
};

enum storage_op_kind {
    OP_PUT,
    OP_DELETE,
    OP_APPEND,
    OP_REPLACE,
    OP_REMOVE,
    OP_TRIM,
    OP_DELETE_OWNER,
    OP_REQUIRE_ABSENT,
    OP_REQUIRE_PRESENT,
};

struct storage_op {
    struct storage_op *next;
    enum storage_op_kind kind;
    struct str owner;
    struct str collection; /* empty: OP_DELETE_OWNER */
    struct str key;        /* of documents */
    uint64_t id;           /* of archive entries; at most INT64_MAX, which is what SQLite can keep */
    int64_t time_ms;       /* OP_APPEND, as peer */
    struct str peer;
    struct str bytes; /* OP_PUT, OP_APPEND, OP_REPLACE */
    uint32_t limit;   /* OP_TRIM */
};

/* In the order they were added. */
struct storage_ops {
    struct storage_op *first;
    struct storage_op **end;
};

struct storage_txn {
    struct storage_job job;
    storage_on_committed done;
    struct arena *arena;           /* the transaction itself and all of its ops lie in it */
    struct storage_ops conditions; /* checked before the first of `ops` is carried out */
    struct storage_ops ops;
    size_t bytes;  /* that were copied in: what a group is bounded by */
    unsigned lane; /* see storage.c */
    bool is_lazy;
    enum ln_err err; /* set by the back-end */
};

/* ---- rows: an answer being put together ---- */

struct rows {
    struct storage_rows pub;
    size_t cap;
    struct arena *arena; /* borrowed: where the rows' bytes go */
};

/* An empty row at the end, valid until the next call; its strings are to be copied into rows->arena. */
struct storage_row *rows_add(struct rows *rows);
void rows_clear(struct rows *rows);

/* ---- owners ---- */

/* Both back-ends sort by domain first, so that all owners of a domain are neighbours and STORAGE_LIST_OWNERS can leap
 * from one to the next instead of reading everybody's documents. */
struct owner_parts {
    struct str domain;
    struct str local; /* empty when the owner is a domain */
};

static inline struct owner_parts owner_split(struct str owner)
{
    ptrdiff_t at = str_find(owner, '@');

    if (at <= 0)
        return (struct owner_parts){.domain = owner};
    return (struct owner_parts){
        .domain = {owner.p + at + 1, owner.len - (size_t)at - 1},
        .local = {owner.p, (size_t)at},
    };
}

/* The other way round, of one with a local part; into the arena. */
struct str owner_join(struct arena *arena, struct owner_parts parts);

/* ---- peers ---- */

/* Entries are found by the bare JID of their peer, and among these by its resource. */
struct peer_parts {
    struct str bare;
    struct str resource; /* empty: none */
};

static inline struct peer_parts peer_split(struct str peer)
{
    ptrdiff_t slash = str_find(peer, '/');

    if (slash < 0)
        return (struct peer_parts){.bare = peer};
    return (struct peer_parts){
        .bare = {peer.p, (size_t)slash},
        .resource = {peer.p + slash + 1, peer.len - (size_t)slash - 1},
    };
}

/* The other way round, into the arena; `resource` may be empty. */
struct str peer_join(struct arena *arena, struct peer_parts parts);

/* ---- back-ends ---- */

struct backend {
    const struct backend_class *class;
};

struct backend_class {
    const char *name;
    /* Without readers of its own (0), a back-end is asked to read by the writer, between two groups. */
    bool has_readers;

    /* [start] On failure ret_error (STORAGE_ERROR_SIZE) says what is wrong and how to mend it. */
    enum ln_err (*open)(const struct storage_options *opt, struct backend **ret, char *ret_error);
    void (*close)(struct backend **b);

    /* [writer] Carries the transactions out, in order, as one commit if it can be, and sets the err of each. A
     * transaction that fails by itself (a condition, an id that is taken, damage where it writes) has no effect and
     * leaves its neighbours alone. When a commit fails, nothing of it is kept: its error is in every transaction of it
     * and returned. ret_detail (BACKEND_DETAIL_SIZE) tells an operator the cause of whatever went wrong that was not a
     * condition. */
    enum ln_err (*commit)(struct backend *b, struct storage_txn *const *txns, size_t n, char *ret_detail);
    /* [writer] Whether a commit would work again, asked now and then while they fail. May be NULL. */
    enum ln_err (*probe)(struct backend *b, char *ret_detail);
    /* [writer] Housekeeping that nobody waits for, after the answers of a group. May be NULL. */
    enum ln_err (*tidy)(struct backend *b, char *ret_detail);
    /* [reader number `reader`] Between the two, all reads of this reader show one moment. False: it cannot be, and each
     * stands for itself. Only asked where there are readers. */
    bool (*begin_reads)(struct backend *b, unsigned reader);
    void (*end_reads)(struct backend *b, unsigned reader);
    /* [reader number `reader`] or [writer]: answers from committed state. */
    enum ln_err (*read)(struct backend *b, unsigned reader, const struct storage_query *q, struct rows *rows,
                        char *ret_detail);
};

extern const struct backend_class sqlite_backend;
extern const struct backend_class memory_backend;

#endif
