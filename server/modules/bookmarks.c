/* server/modules/bookmarks.c - XEP-0402 PEP Native Bookmarks 1.2.0, its unification with XEP-0048 1.2 in private XML
 * (XEP-0049) and on the node storage:bookmarks (XEP-0223), and XEP-0411 Bookmarks Conversion 1.1.0
 *
 * The items of urn:xmpp:bookmarks:1 are the bookmarks. Private XML is made of them when it is asked for; what it is set
 * to, and what is published on the old node, becomes items: those that changed are published, those that are missing
 * retracted. When the items change, the old node gets them all. What the items have no place for, such as bookmarks of
 * web pages, is a document (account, "bookmarks", "other").
 *
 * Nothing is converted between nodes that somebody else may read: bookmarks are the owner's (XEP-0411 section 5). */
#include "common/mem.h"
#include "common/xmpp/bookmark.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_reader.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/slots.h"
#include "server/modules/module.h"
#include "server/pubsub/account_service.h"
#include "server/pubsub/pubsub.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"

#define NODE       STR(NS_BOOKMARKS)
#define OLD_NODE   STR(NS_BOOKMARKS_OLD)
#define OLD_ITEM   STR("current")
#define COLLECTION STR("bookmarks")
#define OTHER      STR("other")

/* More than anybody has, and few enough to be looked through for each change. */
enum { BOOKMARKS_MAX = 1000 };

/* Nobody but the owner reads it, or there is none yet. The account's nodes have been read. */
static bool is_private(struct account *a, struct str name)
{
    const struct pubsub_service *sv = account_service_peek(a);
    const struct pubsub_node *node = sv == NULL ? NULL : pubsub_find_node(sv, name);

    return node == NULL || node->meta->config.access_model == ACCESS_WHITELIST;
}

/* ---- all of them in the old form ---- */

/* What is being put together: `done` gets <storage/>, or an error. */
struct gathering {
    struct account *account; /* pinned */
    void (*done)(void *ctx, struct account *a, enum ln_err err, struct str storage);
    void *ctx;
    struct buf other; /* the document */
};

static void put_item(struct xml_writer *w, const struct pubsub_item *item)
{
    const struct xml_element *conference;
    struct arena *arena;

    if (xml_parse(item->payload, STR(""), &arena, &conference) != LN_OK)
        return;
    if (xml_is(conference, "conference", NS_BOOKMARKS))
        bookmark_write_old(w, item->id, conference);
    arena_free(&arena);
}

static void on_items_gathered(void *ctx, enum ln_err err, const struct pubsub_item *items, size_t n)
{
    struct gathering *g = ctx;
    struct account *a = g->account;
    struct buf storage = {0};
    struct xml_writer w = xml_writer_to(&storage);

    if (n > BOOKMARKS_MAX) {
        err = LN_E_LIMIT;
        n = 0;
    }
    xml_start(&w, "storage", NS_BOOKMARKS_OLD);
    for (size_t i = 0; i < n; i++)
        put_item(&w, &items[i]);
    if (g->other.len > 0)
        xml_put_raw(&w, buf_str(&g->other));
    xml_end(&w);
    g->done(g->ctx, a, err, buf_str(&storage));
    buf_deinit(&storage);
    buf_deinit(&g->other);
    free(g);
    account_unpin(a);
}

static void on_other_read(void *ctx, const struct storage_rows *rows)
{
    struct gathering *g = ctx;

    if (rows->err != LN_OK) {
        on_items_gathered(g, rows->err, NULL, 0);
        return;
    }
    if (rows->n > 0)
        buf_append_str(&g->other, rows->rows[0].bytes);
    pubsub_get_items(g->account, NODE, STR(""), on_items_gathered, g);
}

static void gather(struct account *a, void (*done)(void *ctx, struct account *a, enum ln_err err, struct str storage),
                   void *ctx)
{
    struct storage_query q = {.kind = STORAGE_GET, .owner = a->jid.full, .collection = COLLECTION, .key = OTHER};
    struct gathering *g = mem_zalloc(sizeof(*g));

    g->account = a;
    g->done = done;
    g->ctx = ctx;
    account_pin(a);
    storage_read(a->worker->server->storage, &q, &a->worker->executor, on_other_read, g);
}

/* ---- the old node follows ---- */

/* Of an account that has one under way: one more is enough for however many changes come meanwhile. */
struct following {
    bool is_under_way;
    bool is_out_of_date;
};

static unsigned slot; /* [start] of accounts: struct following */

static void on_start(struct server *server)
{
    (void)server;
    slot = account_slot_new();
}

static enum verdict on_unloaded(struct hook_event *e)
{
    if (account_slot_peek(e->account, slot) != NULL) {
        free(*account_slot(e->account, slot));
        *account_slot(e->account, slot) = NULL;
    }
    return CONTINUE;
}

static void follow(struct account *a);

static void on_followed(void *ctx, enum ln_err err)
{
    struct account *a = ctx;
    struct following *f = account_slot_peek(a, slot);
    bool again = f != NULL && f->is_out_of_date;

    if (err != LN_OK)
        log_info(LOG_MODULE, 0, "bookmarks.not_converted", F_STR("jid", a->jid.full), F_ERR("err", err));
    if (f != NULL)
        *f = (struct following){false, false};
    if (again)
        follow(a);
    account_unpin(a);
}

static void publish_old(void *ctx, struct account *a, enum ln_err err, struct str storage)
{
    (void)ctx;
    if (err == LN_OK && is_private(a, OLD_NODE) && is_private(a, NODE))
        pubsub_publish(a, OLD_NODE, OLD_ITEM, storage, on_followed, a);
    else
        on_followed(a, err);
}

static void follow(struct account *a)
{
    void **mine = account_slot(a, slot);

    if (*mine == NULL)
        *mine = mem_zalloc(sizeof(struct following));
    struct following *f = *mine;

    if (f->is_under_way) {
        f->is_out_of_date = true;
        return;
    }
    f->is_under_way = true;
    account_pin(a);
    gather(a, publish_old, NULL);
}

/* ---- what was set in the old form ---- */

struct change {
    struct account *account; /* pinned */
    struct iq *iq;           /* to be answered; NULL: the old node was published */
    struct arena *arena;     /* of `storage` */
    const struct xml_element *storage;
};

static void end_change(struct change *c, enum ln_err err)
{
    struct account *a = c->account;
    struct iq *iq = c->iq;

    if (err == LN_OK && iq != NULL)
        follow(a); /* the old node, where it was published, says so already */
    if (iq != NULL) {
        session_resume(iq->session);
        if (err == LN_E_INVALID)
            (void)iq_error(iq, STANZA_ERR_NOT_ALLOWED, "others may read the node " NS_BOOKMARKS);
        else
            iq_on_committed(iq, err);
    } else if (err != LN_OK) {
        log_info(LOG_MODULE, 0, "bookmarks.not_converted", F_STR("jid", a->jid.full), F_ERR("err", err));
    }
    arena_free(&c->arena);
    free(c);
    account_unpin(a);
}

static void on_other_stored(void *ctx, enum ln_err err)
{
    end_change(ctx, err);
}

/* All that is no bookmark of a room. */
static void on_items_set(void *ctx, enum ln_err err)
{
    struct change *c = ctx;
    struct account *a = c->account;
    struct storage_txn *t;
    struct buf other = {0};
    struct xml_writer w = xml_writer_to(&other);
    struct jid_buf mem;
    struct jid id;

    if (err != LN_OK) {
        end_change(c, err);
        return;
    }
    for (const struct xml_element *e = c->storage->child; e != NULL; e = e->next) {
        if (!bookmark_id_of(e, &mem, &id))
            xml_put_element(&w, e, NS_BOOKMARKS_OLD);
    }
    t = storage_txn_new();
    storage_txn_require_present(t, a->jid.full, CREDENTIALS_COLLECTION, CREDENTIALS_KEY);
    if (other.len > 0)
        storage_txn_put(t, a->jid.full, COLLECTION, OTHER, buf_str(&other));
    else
        storage_txn_delete(t, a->jid.full, COLLECTION, OTHER);
    buf_deinit(&other);
    storage_commit(a->worker->server->storage, t, &a->worker->executor, on_other_stored, c);
}

static const struct pubsub_item *find_item(const struct pubsub_item *items, size_t n, struct str id)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(items[i].id, id))
            return &items[i];
    }
    return NULL;
}

/* The payload for an old bookmark, given what its item has. */
static void convert(struct buf *out, const struct xml_element *conference, const struct pubsub_item *had)
{
    const struct xml_element *old = NULL;
    struct arena *arena = NULL;

    if (had != NULL && xml_parse(had->payload, STR(""), &arena, &old) == LN_OK &&
        !xml_is(old, "conference", NS_BOOKMARKS))
        old = NULL;
    bookmark_write_new(out, conference, old);
    arena_free(&arena);
}

/* The items that there are to be, of which those that there are tell what is not to be lost. Of two bookmarks of one
 * room the first counts. */
static void on_items_had(void *ctx, enum ln_err err, const struct pubsub_item *had, size_t n_had)
{
    struct change *c = ctx;
    size_t n = 0, max = xml_count_children(c->storage);
    struct pubsub_item *items = mem_zalloc((max + 1) * sizeof(*items));
    struct arena *arena = arena_new(4096);

    if (err == LN_OK && (max > BOOKMARKS_MAX || n_had > BOOKMARKS_MAX))
        err = LN_E_LIMIT;
    if (err == LN_OK && !is_private(c->account, NODE))
        err = LN_E_INVALID;
    for (const struct xml_element *e = c->storage->child; e != NULL && err == LN_OK; e = e->next) {
        struct buf payload = {0};
        struct jid_buf mem;
        struct jid id;

        if (!bookmark_id_of(e, &mem, &id) || find_item(items, n, id.full) != NULL)
            continue;
        convert(&payload, e, find_item(had, n_had, id.full));
        items[n++] =
            (struct pubsub_item){.id = arena_copy(arena, id.full), .payload = arena_copy(arena, buf_str(&payload))};
        buf_deinit(&payload);
    }
    if (err == LN_OK)
        pubsub_set_items(c->account, NODE, items, n, on_items_set, c);
    else
        end_change(c, err);
    arena_free(&arena);
    free(items);
}

/* False: this is no <storage/>, and nothing was done. */
static bool begin_change(struct account *a, struct iq *own_kept, struct str storage)
{
    struct change *c = mem_zalloc(sizeof(*c));

    if (xml_parse(storage, STR(""), &c->arena, &c->storage) != LN_OK ||
        !xml_is(c->storage, "storage", NS_BOOKMARKS_OLD)) {
        arena_free(&c->arena);
        free(c);
        return false;
    }
    c->account = a;
    c->iq = own_kept;
    account_pin(a);
    pubsub_get_items(a, NODE, STR(""), on_items_had, c);
    return true;
}

static enum verdict on_node_changed(struct hook_event *e)
{
    const struct node_change *change = e->change;

    if (change->is_by_module)
        return CONTINUE;
    if (str_eq(change->node, NODE))
        follow(e->account);
    else if (str_eq(change->node, OLD_NODE) && !change->is_retracted && is_private(e->account, OLD_NODE))
        (void)begin_change(e->account, NULL, change->payload);
    return CONTINUE;
}

/* ---- private XML ---- */

/* The one <storage/> that a request is about; NULL: it is about something else, which the module private answers. */
static const struct xml_element *storage_of(const struct iq *iq)
{
    const struct xml_element *storage = xml_child(iq->query, "storage", NS_BOOKMARKS_OLD);

    return storage != NULL && xml_count_children(iq->query) == 1 ? storage : NULL;
}

static void on_gathered(void *ctx, struct account *a, enum ln_err err, struct str storage)
{
    struct iq *iq = ctx;
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    (void)a;
    if (err != LN_OK) {
        (void)iq_error(iq, stanza_err_of_storage(err), NULL);
        return;
    }
    xml_start(&w, "query", NS_PRIVATE);
    xml_put_raw(&w, storage);
    xml_end(&w);
    (void)iq_result(iq, buf_str(&payload));
    buf_deinit(&payload);
}

static enum iq_verdict on_get(struct iq *iq)
{
    if (storage_of(iq) == NULL)
        return IQ_NOT_MINE;
    gather(iq->account, on_gathered, iq_keep(iq));
    return IQ_LATER;
}

static enum iq_verdict on_set(struct iq *iq)
{
    const struct xml_element *storage = storage_of(iq);
    struct buf xml = {0};
    struct xml_writer w = xml_writer_to(&xml);

    if (storage == NULL)
        return IQ_NOT_MINE;
    xml_put_element(&w, storage, "");
    if (xml.len > iq->worker->config->limits.private_bytes) {
        buf_deinit(&xml);
        return iq_error(iq, STANZA_ERR_POLICY_VIOLATION, "too large");
    }
    struct iq *kept = iq_keep(iq);

    session_pause(kept->session);
    if (!begin_change(kept->account, kept, buf_str(&xml))) {
        session_resume(kept->session);
        (void)iq_error(kept, STANZA_ERR_INTERNAL_SERVER_ERROR, NULL);
    }
    buf_deinit(&xml);
    return IQ_LATER;
}

const struct module module_bookmarks = {
    .name = "bookmarks",
    .account_features = {NS_BOOKMARKS "#compat", NS_BOOKMARKS "#compat-pep", NS_BOOKMARKS_CONV},
    .iq = {{IQ_GET, NS_PRIVATE, "query", IQ_TO_OWN_ACCOUNT, on_get},
           {IQ_SET, NS_PRIVATE, "query", IQ_TO_OWN_ACCOUNT, on_set}},
    .hooks = {{HOOK_NODE_CHANGED, PRIORITY_NORMAL, on_node_changed},
              {HOOK_ACCOUNT_UNLOADED, PRIORITY_NORMAL, on_unloaded}},
    .on_start = on_start,
};
