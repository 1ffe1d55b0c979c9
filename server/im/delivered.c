#include "server/im/delivered.h"

#include "common/mem.h"
#include "server/base/log.h"
#include "server/im/offline.h"
#include "server/im/replay.h"
#include "server/im/shard.h"
#include "server/im/unacked.h"
#include "server/storage/storage.h"

struct forgetting {
    struct account *a;
    uint64_t session; /* for the log */
    uint32_t h;
    char id[SM_ID_LEN];
    void (*done)(void *ctx);
    void *ctx;
};

static void end(struct forgetting *f)
{
    f->done(f->ctx);
    free(f);
}

/* Behind the session's name and '/'; modulo 2^32. */
static bool has_arrived(const struct forgetting *f, struct str sent_as)
{
    uint64_t seq;

    if (sent_as.len <= SM_ID_LEN + 1 ||
        !str_to_u64(str_make(sent_as.p + SM_ID_LEN + 1, sent_as.len - SM_ID_LEN - 1), UINT32_MAX, &seq))
        return false;
    return (int32_t)(f->h - (uint32_t)seq) >= 0;
}

static void on_committed(void *ctx, enum ln_err err)
{
    struct forgetting *f = ctx;
    struct account *a = f->a;

    if (err != LN_OK)
        log_warn(LOG_STORAGE, f->session, "offline.unremovable", F_STR("jid", a->jid.full), F_ERR("err", err));
    account_set_busy(a, false);
    end(f);
    account_unpin(a);
}

static void on_rows(void *ctx, const struct storage_rows *rows)
{
    struct forgetting *f = ctx;
    struct account *a = f->a;
    size_t n = 0;

    for (size_t i = 0; i < rows->n; i++) {
        const struct storage_row *row = &rows->rows[i];

        if (!has_arrived(f, row->peer) || replay_is_taken(a, row->id))
            continue;
        offline_remove(a, row->id, (uint32_t)row->bytes.len);
        n++;
    }
    if (n > 0)
        log_info(LOG_IM, f->session, "offline.delivered", F_STR("jid", a->jid.full), F_U64("n", n));
    replay_end_read(a);
    offline_commit_removals(a, on_committed, f);
}

static void on_account_ready(struct account *a, void *ctx)
{
    struct forgetting *f = ctx;

    if (a->state != ACCOUNT_LOADED || a->offline_count == 0) {
        end(f);
        return;
    }
    struct storage_query q = {.kind = STORAGE_READ,
                              .owner = a->jid.full,
                              .collection = OFFLINE_COLLECTION,
                              .peer = str_make(f->id, SM_ID_LEN)};

    f->a = a;
    account_pin(a);
    account_set_busy(a, true);
    replay_begin_read(a);
    storage_read(a->worker->server->storage, &q, &a->worker->executor, on_rows, f);
}

void delivered_forget(struct session *s, struct str id, uint32_t h, void (*done)(void *ctx), void *ctx)
{
    struct forgetting *f = mem_zalloc(sizeof(*f));

    *f = (struct forgetting){.session = s->id, .h = h, .done = done, .ctx = ctx};
    memcpy(f->id, id.p, SM_ID_LEN);
    if (account_when_ready(shard_of(s->worker), &s->jid, on_account_ready, f) != LN_OK)
        end(f);
}
