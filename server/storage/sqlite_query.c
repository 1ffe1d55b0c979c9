#include "server/storage/sqlite_query.h"

static struct str column(sqlite3_stmt *stmt, int i, struct arena *arena)
{
    const char *p = sqlite3_column_blob(stmt, i); /* of a text: its bytes, without a conversion */

    return arena_copy(arena, str_make(p, (size_t)sqlite3_column_bytes(stmt, i)));
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

static void take_entry(sqlite3_stmt *stmt, struct storage_row *row, struct arena *arena)
{
    row->bytes = column(stmt, 0, arena);
    row->id = (uint64_t)sqlite3_column_int64(stmt, 1);
    row->time_ms = sqlite3_column_int64(stmt, 2);
    row->peer = column(stmt, 3, arena);
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
    (void)sqlite3_bind_int64(stmt, 5, q->limit == 0 ? -1 : (sqlite3_int64)q->limit);
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
    [STORAGE_COUNT] = {STMT_COUNT, bind_collection, take_count},
};

static int read_rows(struct sqlite_conn *c, const struct storage_query *q, struct rows *rows)
{
    const struct query_kind *kind = &kinds[q->kind];
    sqlite3_stmt *stmt = c->stmts[kind->stmt];
    int rc;

    sqlite_bind_owner(stmt, q->owner);
    kind->bind(stmt, q);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        kind->take(stmt, rows_add(rows), rows->arena);
    (void)sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
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
static int read_owners_at_once(struct sqlite_conn *c, const struct storage_query *q, struct rows *rows)
{
    int rc;

    if (sqlite3_get_autocommit(c->db) == 0) /* begun already */
        return read_owners(c, q, rows);
    rc = sqlite_run(c, STMT_BEGIN_READ);
    if (rc != SQLITE_OK)
        return rc;
    rc = read_owners(c, q, rows);
    (void)sqlite_run(c, STMT_ROLLBACK); /* nothing was written */
    return rc;
}

int sqlite_query(struct sqlite_conn *c, const struct storage_query *q, struct rows *rows)
{
    return q->kind == STORAGE_LIST_OWNERS ? read_owners_at_once(c, q, rows) : read_rows(c, q, rows);
}
