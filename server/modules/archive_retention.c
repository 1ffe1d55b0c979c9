/* server/modules/archive_retention.c - what is too old, or too much, is removed: archive.keep_days, keep_messages.
 *
 * Once in a while each worker walks over its accounts, one at a time; one that has appended much since is looked at in
 * between. Finding what is to go is a read, and a commit removes no more than others can wait for, with a pause behind
 * it: neither a loop nor the writer is held up, however much there is to remove. */
#include "common/mem.h"
#include "server/base/log.h"
#include "server/im/shard.h"
#include "server/modules/archive.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"

enum {
    FIRST_WALK_S = 60,   /* after the start; further ones archive.clean_every_s after the end of the one before */
    PAGE = 100,          /* accounts that are listed at once; */
    PAUSE_MS = 100,      /* then, and behind a commit, it is somebody else's turn */
    TRIM_MAX = 200,      /* entries that one commit removes: some milliseconds of the writer */
    URGENT_MAX = 16,     /* accounts that wait to be looked at out of their turn; further ones wait for the walk */
    APPENDED_MAX = 1000, /* entries after which an account does */
};

/* Each worker's own. The strings are owned. */
static struct walker {
    struct worker *w;
    bool is_walking;
    bool is_busy; /* an answer or the end of a pause is awaited */
    size_t host;  /* hosts by number, accounts by name: both may come and go */
    struct str after;
    struct str page[PAGE];
    size_t next, n;
    struct str urgent[URGENT_MAX];
    size_t n_urgent;
    struct str owner; /* whose archive is being looked at */
    uint64_t n_removed;
    struct wheel_timer pause, rest;
} * walkers;

static void step(struct walker *x);

static void replace(struct str *old, struct str own_new)
{
    free((void *)(uintptr_t)old->p);
    *old = own_new;
}

static struct str copy(struct str s)
{
    return str_make(str_dup(s), s.len);
}

static void on_pause_over(struct wheel_timer *t)
{
    struct walker *x = container_of(t, struct walker, pause);

    x->is_busy = false;
    step(x);
}

static void make_pause(struct walker *x)
{
    x->is_busy = true;
    x->pause.fire = on_pause_over;
    wheel_set(&x->w->wheel, &x->pause, PAUSE_MS);
}

/* ---- one archive ---- */

static void look(struct walker *x);

static void end_look(struct walker *x)
{
    if (x->n_removed > 0)
        log_debug(LOG_MODULE, 0, "archive.trimmed", F_STR("jid", x->owner), F_U64("at_most", x->n_removed));
    x->n_removed = 0;
    replace(&x->owner, str_make(NULL, 0));
    x->is_busy = false;
    step(x);
}

static void on_trimmed(void *ctx, enum ln_err err)
{
    struct walker *x = ctx;

    if (err == LN_OK)
        make_pause(x); /* and look again: there may be more of it */
    else
        end_look(x); /* the next walk tries again */
}

/* The first id that is young enough. */
static uint64_t age_bound(uint64_t keep_days)
{
    int64_t from_ms = wall_clock_ms() - (int64_t)keep_days * 86400 * 1000;

    return keep_days == 0 || from_ms < 0 ? 0 : (uint64_t)from_ms * 1000;
}

/* Of an archive that is empty an entry may be on its way, which is not too old. */
static void note_first(const struct walker *x, const struct storage_rows *oldest, uint64_t age_limit)
{
    struct account *a = account_peek(shard_of(x->w), x->owner);

    if (a == NULL || !account_is_lasting(a) || oldest->err != LN_OK)
        return;
    if (oldest->n > 0)
        a->archive_first = oldest->rows[0].id;
    else if (a->archive_last < age_limit)
        a->archive_first = a->archive_last = 0;
}

/* rows[0]: the oldest entry; rows[1]: the newest of those that are too many. */
static void on_bounds(void *ctx, const struct storage_rows *rows)
{
    struct walker *x = ctx;
    struct jid jid = jid_view(x->owner);
    const struct config_host *host = config_host(x->w->config, jid_domain(&jid));
    uint64_t before = host != NULL ? age_bound(host->archive.keep_days) : 0;

    note_first(x, &rows[0], before);
    if (host != NULL && host->archive.keep_messages > 0 && rows[1].n > 0 && rows[1].rows[0].id >= before)
        before = rows[1].rows[0].id + 1;
    if (rows[0].err != LN_OK || rows[1].err != LN_OK || rows[0].n == 0 || rows[0].rows[0].id >= before) {
        end_look(x);
        return;
    }
    struct storage_txn *t = storage_txn_new();

    storage_txn_trim(t, x->owner, ARCHIVE_COLLECTION, before, TRIM_MAX);
    x->n_removed += TRIM_MAX;
    storage_commit(x->w->server->storage, t, &x->w->executor, on_trimmed, x);
}

static void look(struct walker *x)
{
    struct jid jid = jid_view(x->owner);
    const struct config_host *host = config_host(x->w->config, jid_domain(&jid));
    struct storage_query queries[2] = {
        {.kind = STORAGE_READ, .owner = x->owner, .collection = ARCHIVE_COLLECTION, .limit = 1}};

    x->is_busy = true;
    queries[1] = queries[0];
    queries[1].is_backwards = true;
    queries[1].skip = host != NULL ? (uint32_t)host->archive.keep_messages : 0;
    storage_read_all(x->w->server->storage, queries, 2, &x->w->executor, on_bounds, x);
}

/* ---- the walk ---- */

static void on_owners(void *ctx, const struct storage_rows *rows)
{
    struct walker *x = ctx;

    x->next = x->n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        if (server_home_of(x->w->server, rows->rows[i].key) == x->w)
            replace(&x->page[x->n++], copy(rows->rows[i].key));
    }
    if (rows->n == PAGE) {
        replace(&x->after, copy(rows->rows[PAGE - 1].key));
    } else {
        replace(&x->after, str_make(NULL, 0));
        x->host++;
    }
    make_pause(x);
}

static bool is_bounded(const struct config_host *host)
{
    return host->archive.keep_days > 0 || host->archive.keep_messages > 0;
}

static void read_page(struct walker *x, const struct config_host *host)
{
    struct storage_query q = {.kind = STORAGE_LIST_OWNERS,
                              .owner = host->name,
                              .collection = CREDENTIALS_COLLECTION,
                              .key = CREDENTIALS_KEY,
                              .after_owner = x->after,
                              .limit = PAGE};

    x->is_busy = true;
    storage_read(x->w->server->storage, &q, &x->w->executor, on_owners, x);
}

static void on_rested(struct wheel_timer *t)
{
    struct walker *x = container_of(t, struct walker, rest);

    x->is_walking = true;
    step(x);
}

static void rest(struct walker *x, uint64_t seconds)
{
    x->is_walking = false;
    x->host = 0;
    x->rest.fire = on_rested;
    wheel_set(&x->w->wheel, &x->rest, seconds * 1000);
}

/* What comes next; nothing while something is under way. */
static void step(struct walker *x)
{
    const struct config *config = x->w->config;

    if (x->is_busy || x->w->is_draining)
        return;
    if (x->owner.len > 0) {
        look(x); /* again */
    } else if (x->n_urgent > 0) {
        replace(&x->owner, x->urgent[--x->n_urgent]);
        look(x);
    } else if (x->is_walking && x->next < x->n) {
        replace(&x->owner, x->page[x->next]);
        x->page[x->next++] = str_make(NULL, 0);
        look(x);
    } else if (x->is_walking) {
        while (x->host < config->n_hosts && !is_bounded(&config->hosts[x->host]))
            x->host++;
        if (x->host < config->n_hosts)
            read_page(x, &config->hosts[x->host]);
        else
            rest(x, config->archive.clean_every_s);
    }
}

/* ---- beginning ---- */

void archive_retention_start(unsigned n_workers)
{
    free(walkers);
    walkers = mem_zalloc(n_workers * sizeof(*walkers));
}

void archive_retention_turn(struct worker *w)
{
    struct walker *x = &walkers[w->index];

    if (x->w != NULL)
        return;
    uint64_t every_s = w->config->archive.clean_every_s;

    x->w = w;
    rest(x, every_s < FIRST_WALK_S ? every_s : FIRST_WALK_S);
}

void archive_retention_appended(struct account *a, const struct config_host *host)
{
    struct walker *x = &walkers[a->worker->index];

    if (host == NULL || host->archive.keep_messages == 0)
        return;
    if (++a->archive_appended < APPENDED_MAX || x->n_urgent == URGENT_MAX || x->w == NULL)
        return;
    a->archive_appended = 0;
    x->urgent[x->n_urgent++] = copy(a->jid.full);
    step(x);
}
