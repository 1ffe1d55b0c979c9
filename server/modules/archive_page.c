/* server/modules/archive_page.c - answering clients: the entries of a page one by one, then what page it was.
 *
 * A page is read at once and is bounded, in messages by archive.page_max and in bytes here: a client asks for the next
 * one. While a page is read nothing more is taken from the client, so its answers come in order, and as it asks only
 * when it has read them what waits for it stays bounded. */
#include "common/datetime.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/log.h"
#include "server/im/stanza_id.h"
#include "server/modules/archive_query.h"
#include "server/storage/storage.h"

enum {
    PAGE_BYTES = 512 * 1024, /* the entry that passes this is the page's last */
    COUNT_MAX = 100000,      /* a larger archive is not counted to its end, for somebody's scroll bar */
};

struct errand {
    struct iq *iq;
    struct archive_wanted *wanted;
};

static struct str owner_of(const struct errand *e)
{
    return e->iq->account->jid.full;
}

/* The request, to be answered now. */
static struct iq *end_errand(struct errand *e)
{
    struct iq *iq = e->iq;

    session_resume(iq->session);
    free(e->wanted);
    free(e);
    return iq;
}

/* ---- one entry ---- */

static void write_delay(struct xml_writer *w, int64_t time_ms)
{
    char stamp[32];

    xml_start(w, "delay", NS_DELAY);
    xml_put_attr(w, "stamp", datetime_format(time_ms, stamp));
    xml_end(w);
}

/* XEP-0313 section 4.2; the entry's bytes fit where they are put. */
static void write_result(struct buf *out, const struct errand *e, const struct storage_row *row)
{
    struct xml_writer w = xml_writer_to(out);
    char id[STANZA_ID_LEN];

    xml_start(&w, "message", NULL);
    xml_put_attr(&w, "from", owner_of(e));
    xml_put_attr(&w, "to", e->iq->session->full_jid);
    xml_start(&w, "result", NS_MAM);
    xml_put_attr(&w, "id", stanza_id_format(owner_of(e), row->id, id));
    xml_put_attr_opt(&w, "queryid", xml_attr(e->iq->query, "queryid", NULL));
    xml_start(&w, "forwarded", NS_FORWARD);
    write_delay(&w, row->time_ms);
    xml_put_raw(&w, row->bytes);
    xml_end(&w);
    xml_end(&w);
    xml_end(&w);
}

/* ---- a page ---- */

/* What of an answer belongs to the page: rows[first] to rows[first + n - 1], in the order of the answer. */
struct page {
    const struct storage_row *rows;
    size_t n;
    bool is_falling;  /* the newest first */
    bool is_complete; /* nothing lies beyond it in the direction it was asked for */
};

static const struct storage_row *row_at(const struct page *p, size_t i, bool newest_first)
{
    return &p->rows[p->is_falling == newest_first ? i : p->n - 1 - i];
}

static void send_entries(const struct errand *e, const struct page *p)
{
    struct buf message = {0};

    for (size_t i = 0; i < p->n; i++) {
        buf_clear(&message);
        write_result(&message, e, row_at(p, i, e->wanted->is_flipped));
        if (!session_send_raw(e->iq->session, buf_str(&message), 1))
            break;
    }
    buf_deinit(&message);
}

static void send_fin(struct errand *e, const struct page *p, struct rsm_page rsm)
{
    char first[STANZA_ID_LEN], last[STANZA_ID_LEN];
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    if (p->n > 0) {
        rsm.first = stanza_id_format(owner_of(e), row_at(p, 0, false)->id, first);
        rsm.last = stanza_id_format(owner_of(e), row_at(p, 0, true)->id, last);
    }
    xml_start(&w, "fin", NS_MAM);
    if (p->is_complete)
        xml_put_attr(&w, "complete", STR("true"));
    rsm_write(&w, &rsm);
    xml_end(&w);
    (void)iq_result(end_errand(e), buf_str(&payload));
    buf_deinit(&payload);
}

/* Entries of the range, one more than wanted if there is one. What was cut by bytes has more behind it, perhaps. */
static struct page page_of_range(const struct archive_wanted *w, const struct storage_rows *rows)
{
    struct page p = {.rows = rows->rows, .n = rows->n, .is_falling = w->is_backwards, .is_complete = true};
    size_t bytes = 0;

    for (size_t i = 0; i < rows->n; i++)
        bytes += rows->rows[i].bytes.len;
    if (bytes >= PAGE_BYTES)
        p.is_complete = false;
    if (p.n > w->max) {
        p.n = w->max;
        p.is_complete = false;
    }
    return p;
}

static bool is_id_in_range(const struct archive_wanted *w, uint64_t id)
{
    return id > w->after && id <= w->before - 1;
}

static bool is_in_range(const struct archive_wanted *w, const struct storage_row *row)
{
    struct jid peer = jid_view(row->peer);

    if (!is_id_in_range(w, row->id))
        return false;
    return jid_is_empty(&w->with) ||
           str_eq(jid_is_bare(&w->with) ? jid_bare(&peer) : jid_full(&peer), jid_full(&w->with));
}

/* Entries that were named, of which other filters may leave some out. Those in the range come first, in the order in
 * which the page is filled; what did not fit came without its bytes. `kept` has room for all. */
static struct page page_of_ids(const struct archive_wanted *w, const struct storage_rows *rows,
                               struct storage_row *kept)
{
    struct page p = {.rows = kept, .is_falling = w->is_backwards, .is_complete = true};

    for (size_t i = 0; i < rows->n; i++) {
        if (!is_in_range(w, &rows->rows[i]))
            continue;
        if (p.n == w->max || rows->rows[i].bytes.len == 0) {
            p.is_complete = false;
            break;
        }
        kept[p.n++] = rows->rows[i];
    }
    return p;
}

/* ---- what the client has ---- */

/* A client that begins with what came after an entry which is older than its session has all up to there, from a
 * session before this one: from this one it has read nothing yet. */
static bool has_all_before(const struct session *s, const struct archive_wanted *w)
{
    return w->is_behind_entry && !w->is_filtered && !w->is_backwards && !s->has_asked_archive &&
           w->after / 1000 < (uint64_t)s->bound_ms;
}

/* Offline copies of what it read are not sent to it (XEP-0313 section 6.1.1): as far as its pages follow each other
 * without a gap. */
static void note_read(const struct errand *e, const struct page *p)
{
    struct session *s = e->iq->session;
    const struct archive_wanted *w = e->wanted;

    if (w->has_ids || !jid_is_empty(&w->with))
        return;
    if (has_all_before(s, w) && s->read_to < w->after) {
        s->read_from = 1;
        s->read_to = w->after;
    }
    if (p->n == 0)
        return;
    uint64_t from = row_at(p, 0, false)->id, to = row_at(p, 0, true)->id;
    bool goes_on = s->read_to > 0 && !w->is_backwards && w->after >= s->read_from - 1 && w->after <= s->read_to;
    bool leads_up = s->read_to > 0 && w->is_backwards && w->before > s->read_from - 1 && w->before - 1 <= s->read_to;

    s->read_from = (goes_on || leads_up) && s->read_from < from ? s->read_from : from;
    s->read_to = (goes_on || leads_up) && s->read_to > to ? s->read_to : to;
}

/* ---- reading ---- */

static void answer_page(struct errand *e, const struct storage_rows *rows)
{
    struct archive_wanted *w = e->wanted;
    struct storage_row kept[ARCHIVE_IDS_MAX];
    struct page p = w->has_ids ? page_of_ids(w, rows, kept) : page_of_range(w, rows);
    struct rsm_page rsm = {.has_count = p.is_complete && w->is_from_the_edge, .count = p.n};

    if (session_is_alive(e->iq->session)) {
        send_entries(e, &p);
        note_read(e, &p);
    }
    e->iq->session->has_asked_archive = true;
    send_fin(e, &p, rsm);
}

static void answer_count(struct errand *e, const struct storage_rows *rows)
{
    uint64_t n = rows->rows[0].id;
    struct page none = {.is_complete = n == 0};

    send_fin(e, &none, (struct rsm_page){.has_count = n <= COUNT_MAX, .count = n});
}

static void on_rows(void *ctx, const struct storage_rows *rows)
{
    struct errand *e = ctx;
    const struct archive_wanted *w = e->wanted;
    const struct storage_rows *named = w->n_named > 0 ? rows++ : NULL;

    if (rows->err != LN_OK || (named != NULL && named->err != LN_OK)) {
        enum ln_err err = rows->err != LN_OK ? rows->err : named->err;

        log_warn(LOG_MODULE, e->iq->session->id, "archive.unreadable", F_STR("jid", owner_of(e)), F_ERR("err", err));
        (void)iq_error(end_errand(e), stanza_err_of_storage(err), NULL);
    } else if ((named != NULL && named->n < w->n_named) || (w->has_ids && rows->n < w->n_ids)) {
        (void)iq_error(end_errand(e), STANZA_ERR_ITEM_NOT_FOUND, NULL);
    } else if (w->is_count) {
        answer_count(e, rows);
    } else {
        answer_page(e, rows);
    }
}

/* Those that the page may have in front, as it is filled: what is read of the others is only that they are there. */
static void sort_ids(struct archive_wanted *w)
{
    uint64_t sorted[ARCHIVE_IDS_MAX];
    size_t n = 0;

    for (int is_behind = 0; is_behind < 2; is_behind++) {
        for (size_t i = 0; i < w->n_ids; i++) {
            uint64_t id = w->ids[w->is_backwards ? w->n_ids - 1 - i : i];

            if (is_id_in_range(w, id) != (is_behind != 0))
                sorted[n++] = id;
        }
    }
    memcpy(w->ids, sorted, n * sizeof(sorted[0]));
}

static struct storage_query query_of(const struct errand *e)
{
    const struct archive_wanted *w = e->wanted;
    struct storage_query q = {
        .kind = w->is_count  ? STORAGE_TALLY
                : w->has_ids ? STORAGE_READ_IDS
                             : STORAGE_READ,
        .owner = owner_of(e),
        .collection = ARCHIVE_COLLECTION,
        .peer = w->with.full,
        .after_id = w->after,
        .before_id = w->before,
        .is_backwards = w->is_backwards,
        .limit = w->is_count ? COUNT_MAX + 1 : w->max + 1,
        .bytes_max = PAGE_BYTES,
        .ids = w->ids,
        .n_ids = w->n_ids,
    };

    return q;
}

void archive_page_start(struct iq *own_iq, struct archive_wanted *own_wanted)
{
    struct worker *w = own_iq->worker;
    struct errand *e = mem_alloc(sizeof(*e));
    struct storage_query queries[2];
    size_t n = 0;

    *e = (struct errand){own_iq, own_wanted};
    if (own_wanted->n_named > 0)
        queries[n++] = (struct storage_query){.kind = STORAGE_READ_IDS,
                                              .owner = owner_of(e),
                                              .collection = ARCHIVE_COLLECTION,
                                              .bytes_max = 1, /* only whether they are there */
                                              .ids = own_wanted->named,
                                              .n_ids = own_wanted->n_named};
    sort_ids(own_wanted);
    queries[n++] = query_of(e);
    archive_settle(w);
    session_pause(own_iq->session);
    storage_read_all(w->server->storage, queries, n, &w->executor, on_rows, e);
}

/* ---- both ends ---- */

static void write_end(struct xml_writer *w, const char *name, struct str owner, uint64_t entry)
{
    char id[STANZA_ID_LEN], stamp[32];

    xml_start(w, name, NULL);
    xml_put_attr(w, "id", stanza_id_format(owner, entry, id));
    xml_put_attr(w, "timestamp", datetime_format((int64_t)(entry / 1000), stamp));
    xml_end(w);
}

void archive_write_metadata(struct xml_writer *w, const struct account *a)
{
    xml_start(w, "metadata", NS_MAM);
    if (a->archive_last > 0) {
        write_end(w, "start", a->jid.full, a->archive_first);
        write_end(w, "end", a->jid.full, a->archive_last);
    }
    xml_end(w);
}

/* XEP-0313 section 5. */
enum iq_verdict archive_metadata(struct iq *iq)
{
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    archive_write_metadata(&w, iq->account);
    enum iq_verdict verdict = iq_result(iq, buf_str(&payload));

    buf_deinit(&payload);
    return verdict;
}
