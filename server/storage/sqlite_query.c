#include "server/storage/sqlite_query.h"

static struct str peek_column(sqlite3_stmt *stmt, int i)
{
    const char *p = sqlite3_column_blob(stmt, i); /* of a text: its bytes, without a conversion */

    return str_make(p, (size_t)sqlite3_column_bytes(stmt, i));
}

static struct str column(sqlite3_stmt *stmt, int i, struct arena *arena)
{
    return arena_copy(arena, peek_column(stmt, i));
}

static void take_document(sqlite3_stmt *stmt, struct storage_row *row, struct arena *arena)
{
    row->bytes = column(stmt, 0, arena);
    row->key = column(stmt, 1, arena);
}

static void take_any_document(sqlite3_stmt *stmt, struct storage_row *row, struct arena *arena)
{
    take_document(stmt, row, arena);
    row->peer = column(stmt, 2, arena);
}

static void take_entry_without_bytes(sqlite3_stmt *stmt, struct storage_row *row, struct arena *arena)
{
    row->id = (uint64_t)sqlite3_column_int64(stmt, 1);
    row->time_ms = sqlite3_column_int64(stmt, 2);
    row->peer = peer_join(arena, (struct peer_parts){peek_column(stmt, 3), peek_column(stmt, 4)});
}

static void take_entry(sqlite3_stmt *stmt, struct storage_row *row, struct arena *arena)
{
    row->bytes = column(stmt, 0, arena);
    take_entry_without_bytes(stmt, row, arena);
}

static void take_number(sqlite3_stmt *stmt, struct storage_row *row, struct arena *arena)
{
    (void)arena;
    row->id = (uint64_t)sqlite3_column_int64(stmt, 0);
}

static void take_count(sqlite3_stmt *stmt, struct storage_row *row, struct arena *arena)
{
    (void)arena;
    row->id = (uint64_t)sqlite3_column_int64(stmt, 0);
    row->time_ms = sqlite3_column_int64(stmt, 1);
}

static void bind_nothing(sqlite3_stmt *stmt, const struct storage_query *q)
{
    (void)stmt;
    (void)q;
}

static void bind_collection(sqlite3_stmt *stmt, const struct storage_query *q)
{
    sqlite_bind_text(stmt, 3, q->collection);
}

static void bind_key(sqlite3_stmt *stmt, const struct storage_query *q)
{
    bind_collection(stmt, q);
    sqlite_bind_text(stmt, 4, q->key);
}

static void bind_range(sqlite3_stmt *stmt, const struct storage_query *q)
{
    bind_collection(stmt, q);
    (void)sqlite3_bind_int64(stmt, 4, q->after_id > INT64_MAX ? INT64_MAX : (sqlite3_int64)q->after_id);
    (void)sqlite3_bind_int64(stmt, 5, q->before_id - 1 >= INT64_MAX ? INT64_MAX : (sqlite3_int64)(q->before_id - 1));
    (void)sqlite3_bind_int64(stmt, 6, q->limit == 0 ? -1 : (sqlite3_int64)q->limit);
    (void)sqlite3_bind_int64(stmt, 7, q->skip);
}

static void bind_peer(sqlite3_stmt *stmt, const struct storage_query *q)
{
    struct peer_parts peer = peer_split(q->peer);

    bind_range(stmt, q);
    sqlite_bind_text(stmt, 8, peer.bare);
    if (peer.resource.len > 0)
        sqlite_bind_text(stmt, 9, peer.resource);
    else
        (void)sqlite3_bind_null(stmt, 9);
}

/* What one statement answers. */
struct query_kind {
    enum sqlite_stmt stmt;
    void (*bind)(sqlite3_stmt *stmt, const struct storage_query *q); /* but the owner */
    void (*take)(sqlite3_stmt *stmt, struct storage_row *row, struct arena *arena);
};

static const struct query_kind kinds[] = {
    [STORAGE_GET] = {STMT_GET, bind_key, take_document},
    [STORAGE_LIST] = {STMT_LIST, bind_collection, take_document},
    [STORAGE_LOAD] = {STMT_LOAD, bind_nothing, take_any_document},
    [STORAGE_READ] = {STMT_READ, bind_range, take_entry},
    [STORAGE_TALLY] = {STMT_TALLY, bind_range, take_number},
    [STORAGE_ENDS] = {STMT_ENDS, bind_collection, take_count},
    [STORAGE_COUNT] = {STMT_COUNT, bind_collection, take_count},
};

/* Of STORAGE_READ, by whether a peer is named and whether the newest come first. */
static const struct query_kind read_kinds[2][2] = {
    {{STMT_READ, bind_range, take_entry}, {STMT_READ_BACK, bind_range, take_entry}},
    {{STMT_READ_PEER, bind_peer, take_entry}, {STMT_READ_PEER_BACK, bind_peer, take_entry}},
};
static const struct query_kind tally_of_peer = {STMT_TALLY_PEER, bind_peer, take_number};

static const struct query_kind *kind_of(const struct storage_query *q)
{
    if (q->kind == STORAGE_READ)
        return &read_kinds[q->peer.len > 0][q->is_backwards];
    return q->kind == STORAGE_TALLY && q->peer.len > 0 ? &tally_of_peer : &kinds[q->kind];
}

/* bytes_max 0: to the end. */
static int step_through(sqlite3_stmt *stmt, const struct query_kind *kind, size_t bytes_max, struct rows *rows)
{
    size_t bytes = 0;
    int rc;

    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct storage_row *row = rows_add(rows);

        kind->take(stmt, row, rows->arena);
        bytes += row->bytes.len;
        if (bytes_max > 0 && bytes >= bytes_max)
            break;
    }
    (void)sqlite3_reset(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int read_rows(struct sqlite_conn *c, const struct storage_query *q, struct rows *rows)
{
    const struct query_kind *kind = kind_of(q);
    sqlite3_stmt *stmt = c->stmts[kind->stmt];

    sqlite_bind_owner(stmt, q->owner);
    kind->bind(stmt, q);
    return step_through(stmt, kind, q->kind == STORAGE_READ ? q->bytes_max : 0, rows);
}

/* One after the other. */
static int read_ids(struct sqlite_conn *c, const struct storage_query *q, struct rows *rows)
{
    static const struct query_kind whole = {STMT_READ_ONE, NULL, take_entry},
                                   in_name = {STMT_READ_ONE, NULL, take_entry_without_bytes};
    sqlite3_stmt *stmt = c->stmts[STMT_READ_ONE];
    size_t bytes = 0;
    int rc = SQLITE_OK;

    sqlite_bind_owner(stmt, q->owner);
    bind_collection(stmt, q);
    for (size_t i = 0; i < q->n_ids && rc == SQLITE_OK; i++) {
        if (q->ids[i] > INT64_MAX)
            continue;
        bool is_full = q->bytes_max > 0 && bytes >= q->bytes_max;
        size_t n = rows->pub.n;

        (void)sqlite3_bind_int64(stmt, 4, (sqlite3_int64)q->ids[i]);
        rc = step_through(stmt, is_full ? &in_name : &whole, 0, rows);
        if (rows->pub.n > n)
            bytes += rows->pub.rows[n].bytes.len;
    }
    return rc;
}

/* The local part of the first owner of the domain after *local, into the arena; SQLITE_DONE: there is none. */
static int next_owner(struct sqlite_conn *c, struct str domain, struct arena *arena, struct str *local)
{
    sqlite3_stmt *stmt = c->stmts[STMT_NEXT_OWNER];

    sqlite_bind_text(stmt, 1, domain);
    sqlite_bind_text(stmt, 2, *local);
    int rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW)
        *local = column(stmt, 0, arena);
    (void)sqlite3_reset(stmt);
    return rc;
}

/* Leaps from owner to owner: their other documents are not read. */
static int read_owners(struct sqlite_conn *c, const struct storage_query *q, struct rows *rows)
{
    struct storage_query get = {.kind = STORAGE_GET, .collection = q->collection, .key = q->key};
    struct str local = owner_split(q->after_owner).local;
    int rc = SQLITE_OK;

    while (rc == SQLITE_OK && (q->limit == 0 || rows->pub.n < q->limit)) {
        rc = next_owner(c, q->owner, rows->arena, &local);
        if (rc != SQLITE_ROW)
            break;
        size_t before = rows->pub.n;

        get.owner = owner_join(rows->arena, (struct owner_parts){.domain = q->owner, .local = local});
        rc = read_rows(c, &get, rows);
        if (rows->pub.n > before)
            rows->pub.rows[before].key = get.owner;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* In one transaction, so that all of it shows the same moment. */
static int read_at_once(struct sqlite_conn *c, const struct storage_query *q, struct rows *rows,
                        int (*read)(struct sqlite_conn *c, const struct storage_query *q, struct rows *rows))
{
    int rc;

    if (sqlite3_get_autocommit(c->db) == 0) /* begun already */
        return read(c, q, rows);
    rc = sqlite_run(c, STMT_BEGIN_READ);
    if (rc != SQLITE_OK)
        return rc;
    rc = read(c, q, rows);
    (void)sqlite_run(c, STMT_ROLLBACK); /* nothing was written */
    return rc;
}

int sqlite_query(struct sqlite_conn *c, const struct storage_query *q, struct rows *rows)
{
    if (q->kind == STORAGE_LIST_OWNERS)
        return read_at_once(c, q, rows, read_owners);
    if (q->kind == STORAGE_READ_IDS)
        return read_at_once(c, q, rows, read_ids);
    return read_rows(c, q, rows);
}
