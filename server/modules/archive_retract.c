/* server/modules/archive_retract.c - XEP-0424 Message Retraction 0.4.2: tombstones in the archive.
 *
 * The retraction itself is archived as any message is. Behind that, the message that it takes back is looked for, in
 * the archive of the account at hand, among what was exchanged with the same peer, newest first and not without end. It
 * counts only from who sent the original. Both sides' archives see the retraction, so each makes its own tombstone. */
#include "common/datetime.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/log.h"
#include "server/modules/archive.h"
#include "server/storage/storage.h"

enum {
    SEARCH_PAGE = 100,
    SEARCH_PAGE_BYTES = 256 * 1024, /* the message that passes this is the page's last */
    SEARCH_PAGES = 20,              /* people take back what they said just now */
    SEARCHES_MAX = 100,             /* of one worker at once; what is beyond leaves no tombstone */
    SEARCHES_OF_ONE_MAX = 10,       /* of one account */
};

struct search {
    struct account *a; /* pinned */
    struct stanza *st; /* the retraction, under a reference; strings of it below */
    struct str wanted; /* id of the original */
    struct jid peer;
    uint64_t before;
    int64_t time_ms;
    unsigned pages;
};

static unsigned *n_searches; /* each worker's own, by its index */

void archive_retract_start(unsigned n_workers)
{
    free(n_searches);
    n_searches = mem_zalloc(n_workers * sizeof(*n_searches));
}

static void search_free(struct search *s)
{
    n_searches[s->a->worker->index]--;
    archive_account(s->a)->searches--;
    account_unpin(s->a);
    stanza_unref(&s->st);
    free(s);
}

/* ---- the tombstone ---- */

/* XEP-0424 section 4: the original's addresses, type and id; nothing of what it said. */
static void write_tombstone(struct buf *out, const struct search *s, const struct stanza *original)
{
    struct xml_writer w = xml_writer_to(out);
    char stamp[32];

    xml_start(&w, "message", NS_CLIENT);
    xml_put_attr_opt(&w, "type", xml_attr(original->root, "type", NULL));
    xml_put_attr_opt(&w, "from", original->from.full);
    xml_put_attr_opt(&w, "to", original->to.full);
    xml_put_attr(&w, "id", original->id);
    xml_start(&w, "retracted", NS_RETRACT);
    xml_put_attr(&w, "id", s->st->id);
    xml_put_attr(&w, "stamp", datetime_format(s->time_ms, stamp));
    xml_end(&w);
    xml_end(&w);
}

static void bury(const struct search *s, const struct storage_row *row, const struct stanza *original)
{
    struct storage_txn *t = storage_txn_new();
    struct worker *w = s->a->worker;
    struct buf bytes = {0};

    write_tombstone(&bytes, s, original);
    storage_txn_replace(t, s->a->jid.full, ARCHIVE_COLLECTION, row->id, buf_str(&bytes));
    storage_commit(w->server->storage, t, &w->executor, NULL, NULL); /* a failure is logged there */
    buf_deinit(&bytes);
}

/* ---- the search ---- */

/* To spare parsing nearly all: an id with nothing in it that is ever escaped stands in the bytes as it is. */
static bool may_be(const struct search *s, const struct storage_row *row)
{
    for (size_t i = 0; i < s->wanted.len; i++) {
        if (strchr("&<>'\"\t\r\n", s->wanted.p[i]) != NULL)
            return true;
    }
    return memmem(row->bytes.p, row->bytes.len, s->wanted.p, s->wanted.len) != NULL;
}

/* Section 5: in a room's private messages everybody is a resource of the room. */
static bool is_same_sender(const struct stanza *a, const struct stanza *b)
{
    static const char muc_user[] = "http://jabber.org/protocol/muc#user";

    if (xml_child(a->root, "x", muc_user) != NULL || xml_child(b->root, "x", muc_user) != NULL)
        return str_eq(jid_full(&a->from), jid_full(&b->from));
    return str_eq(jid_bare(&a->from), jid_bare(&b->from));
}

/* The original: True also when it is a tombstone already, or somebody else's, so that the search ends. */
static bool is_found(const struct search *s, const struct storage_row *row)
{
    struct stanza *original = may_be(s, row) ? stanza_from_bytes(row->bytes) : NULL;
    bool is_it = original != NULL && str_eq(original->id, s->wanted) && is_same_sender(original, s->st);

    if (is_it && xml_child(original->root, "retracted", NS_RETRACT) == NULL)
        bury(s, row, original);
    stanza_unref(&original);
    return is_it;
}

static void read_page(struct search *s);

static bool is_last_page(const struct storage_rows *rows)
{
    size_t bytes = 0;

    for (size_t i = 0; i < rows->n; i++)
        bytes += rows->rows[i].bytes.len;
    return rows->n < SEARCH_PAGE && bytes < SEARCH_PAGE_BYTES;
}

static void on_page(void *ctx, const struct storage_rows *rows)
{
    struct search *s = ctx;
    bool is_over = rows->err != LN_OK || is_last_page(rows) || ++s->pages == SEARCH_PAGES || !account_is_lasting(s->a);

    for (size_t i = 0; i < rows->n && account_is_lasting(s->a); i++) {
        if (is_found(s, &rows->rows[i])) {
            is_over = true;
            break;
        }
        s->before = rows->rows[i].id;
    }
    if (is_over)
        search_free(s);
    else
        read_page(s);
}

static void read_page(struct search *s)
{
    struct worker *w = s->a->worker;
    struct storage_query q = {.kind = STORAGE_READ,
                              .owner = s->a->jid.full,
                              .collection = ARCHIVE_COLLECTION,
                              .peer = jid_bare(&s->peer),
                              .before_id = s->before,
                              .limit = SEARCH_PAGE,
                              .bytes_max = SEARCH_PAGE_BYTES,
                              .is_backwards = true};

    storage_read(w->server->storage, &q, &w->executor, on_page, s);
}

void archive_retract(struct account *a, struct stanza *st, const struct jid *peer, uint64_t id)
{
    const struct xml_element *retract = st->root->child;
    struct str wanted;
    struct search *s;

    while (retract != NULL && !str_eq(retract->ns, STR(NS_RETRACT)))
        retract = retract->next;
    if (retract == NULL) /* as it is with nearly all */
        return;
    wanted = xml_is(retract, "retract", NULL) ? xml_attr(retract, "id", NULL) : str_make(NULL, 0);
    if (wanted.len == 0 || n_searches[a->worker->index] >= SEARCHES_MAX ||
        archive_account(a)->searches >= SEARCHES_OF_ONE_MAX)
        return;
    n_searches[a->worker->index]++;
    archive_account(a)->searches++;
    s = mem_alloc(sizeof(*s));
    *s = (struct search){
        .a = a, .st = stanza_ref(st), .wanted = wanted, .peer = *peer, .before = id, .time_ms = (int64_t)(id / 1000)};
    account_pin(a);
    archive_settle(a->worker); /* what is taken back may have come in this very turn */
    read_page(s);
}
