/* server/modules/archive_query.c - reading what a client asks its archive for (XEP-0313 section 4).
 *
 * Every filter narrows one range of ids, for ids are times: dates, before-id and after-id, and the page before or after
 * another one (XEP-0059). */
#include "server/modules/archive_query.h"
#include "common/datetime.h"
#include "common/mem.h"
#include "common/xmpp/data_form.h"
#include "common/xmpp/ns.h"
#include "server/im/stanza_id.h"

enum { PAGE_DEFAULT = 50 };

/* How a part of a request was taken. */
enum taken { TAKEN, MALFORMED, NOT_A_JID, NOT_THERE, TOO_MANY, NOT_KNOWN };

static const struct {
    enum stanza_err err;
    const char *text;
} refusals[] = {
    [MALFORMED] = {STANZA_ERR_BAD_REQUEST, NULL},
    [NOT_A_JID] = {STANZA_ERR_JID_MALFORMED, NULL},
    [NOT_THERE] = {STANZA_ERR_ITEM_NOT_FOUND, NULL},
    [TOO_MANY] = {STANZA_ERR_POLICY_VIOLATION, "too many ids in one query"},
    [NOT_KNOWN] = {STANZA_ERR_FEATURE_NOT_IMPLEMENTED, NULL},
};

/* A request while it is read. */
struct reading {
    struct str owner;
    struct archive_wanted *w;
};

/* ---- the range ---- */

static void narrow_after(struct archive_wanted *w, uint64_t id)
{
    if (id > w->after)
        w->after = id;
}

static void begin_behind(struct archive_wanted *w, uint64_t id)
{
    narrow_after(w, id);
    w->is_behind_entry = true;
}

static void narrow_before(struct archive_wanted *w, uint64_t id)
{
    if (w->before == 0 || id < w->before)
        w->before = id;
}

/* An end of the range that is the id of an entry, which has to be there. */
static enum taken take_end(struct reading *r, struct str text, void (*narrow)(struct archive_wanted *w, uint64_t id))
{
    uint64_t id;

    if (!stanza_id_parse(r->owner, text, &id))
        return NOT_THERE;
    r->w->named[r->w->n_named++] = id;
    narrow(r->w, id);
    return TAKEN;
}

/* ---- fields of the form ---- */

static enum taken take_with(struct reading *r, const struct xml_element *field)
{
    r->w->is_filtered = true;
    return jid_parse(data_form_field_value(field), &r->w->with_mem, &r->w->with) == LN_OK ? TAKEN : NOT_A_JID;
}

/* Stamps are shown to the millisecond, so each stands for the thousand ids that begin there. */
static enum taken take_start(struct reading *r, const struct xml_element *field)
{
    int64_t ms;

    r->w->is_filtered = true;
    if (!datetime_parse(data_form_field_value(field), &ms))
        return MALFORMED;
    if (ms > 0)
        narrow_after(r->w, (uint64_t)ms * 1000 - 1);
    return TAKEN;
}

static enum taken take_stop(struct reading *r, const struct xml_element *field)
{
    int64_t ms;

    if (!datetime_parse(data_form_field_value(field), &ms))
        return MALFORMED;
    narrow_before(r->w, ms < 0 ? 1 : ((uint64_t)ms + 1) * 1000);
    return TAKEN;
}

static enum taken take_before_id(struct reading *r, const struct xml_element *field)
{
    return take_end(r, data_form_field_value(field), narrow_before);
}

static enum taken take_after_id(struct reading *r, const struct xml_element *field)
{
    return take_end(r, data_form_field_value(field), begin_behind);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static enum taken take_ids(struct reading *r, const struct xml_element *field)
{
    const struct xml_element *cursor = NULL;
    struct archive_wanted *w = r->w;
    struct str text;
    size_t n = 0;

    w->has_ids = w->is_filtered = true;
    while (data_form_next_value(field, &cursor, &text)) {
        if (w->n_ids == ARCHIVE_IDS_MAX)
            return TOO_MANY;
        if (!stanza_id_parse(r->owner, text, &w->ids[w->n_ids++]))
            return NOT_THERE;
    }
    qsort(w->ids, w->n_ids, sizeof(w->ids[0]), compare_ids);
    for (size_t i = 0; i < w->n_ids; i++) {
        if (n == 0 || w->ids[i] != w->ids[n - 1])
            w->ids[n++] = w->ids[i];
    }
    w->n_ids = n;
    return TAKEN;
}

/* There are none of rooms in a user's archive, so both answers are the same. */
static enum taken take_groupchat(struct reading *r, const struct xml_element *field)
{
    bool include;

    (void)r;
    return data_form_parse_bool(data_form_field_value(field), &include) ? TAKEN : MALFORMED;
}

static const struct field {
    const char *var;
    const char *type;
    enum taken (*take)(struct reading *r, const struct xml_element *field);
} fields[] = {
    {"with", "jid-single", take_with},
    {"start", "text-single", take_start},
    {"end", "text-single", take_stop},
    {"before-id", "text-single", take_before_id},
    {"after-id", "text-single", take_after_id},
    {"ids", "list-multi", take_ids},
    {"include-groupchat", "boolean", take_groupchat},
};

static enum taken take_field(struct reading *r, const struct xml_element *field, unsigned *seen)
{
    for (unsigned i = 0; i < ARRAY_LEN(fields); i++) {
        if (!str_is(data_form_var(field), fields[i].var))
            continue;
        if ((*seen & 1u << i) != 0)
            return MALFORMED;
        *seen |= 1u << i;
        return data_form_has_value(field) ? fields[i].take(r, field) : TAKEN;
    }
    return NOT_KNOWN;
}

static enum taken take_form(struct reading *r, const struct xml_element *query)
{
    const struct xml_element *x = data_form_find(query, NULL);
    enum taken taken = TAKEN;
    unsigned seen = 0;

    if (x == NULL)
        return TAKEN;
    if (!str_is(data_form_type(x), "submit") || !str_is(data_form_form_type(x), NS_MAM))
        return MALFORMED;
    for (const struct xml_element *f = NULL; taken == TAKEN && (f = data_form_next_field(x, f)) != NULL;)
        taken = take_field(r, f, &seen);
    return taken;
}

/* ---- which page ---- */

static enum taken take_page(struct reading *r, const struct xml_element *query, uint32_t page_max)
{
    struct archive_wanted *w = r->w;
    struct rsm_request page;
    enum taken taken = TAKEN;

    if (!rsm_parse(query, &page))
        return MALFORMED;
    if (page.has_index) /* counting through an archive of any length is what paging by id spares */
        return NOT_KNOWN;
    w->max = page.has_max ? page.max : PAGE_DEFAULT;
    if (w->max > page_max)
        w->max = page_max;
    w->is_count = page.has_max && page.max == 0 && !w->has_ids;
    w->is_backwards = page.has_before;
    w->is_flipped = xml_child(query, "flip-page", NS_MAM) != NULL;
    w->is_from_the_edge = page.after.len == 0 && page.before.len == 0;
    if (!w->is_count && page.after.len > 0)
        taken = take_end(r, page.after, begin_behind);
    if (!w->is_count && taken == TAKEN && page.before.len > 0)
        taken = take_end(r, page.before, narrow_before);
    return taken;
}

/* ---- requests ---- */

static enum taken read_request(const struct iq *iq, struct archive_wanted *w)
{
    const struct config_host *host = iq_host(iq);
    struct reading r = {iq->account->jid.full, w};
    enum taken taken = take_form(&r, iq->query);
    bool has_node;

    (void)xml_attr(iq->query, "node", &has_node);
    if (has_node) /* of pubsub archives (XEP-0442) */
        return NOT_KNOWN;
    if (host == NULL)
        return NOT_THERE;
    return taken != TAKEN ? taken : take_page(&r, iq->query, (uint32_t)host->archive.page_max);
}

enum iq_verdict archive_query(struct iq *iq)
{
    struct archive_wanted *w = mem_zalloc(sizeof(*w));
    enum taken taken = read_request(iq, w);

    if (taken != TAKEN) {
        free(w);
        return iq_error(iq, refusals[taken].err, refusals[taken].text);
    }
    archive_page_start(iq_keep(iq), w);
    return IQ_LATER;
}

/* XEP-0122: any id may be given, and no list of them could be. */
static void write_open_list(struct xml_writer *w)
{
    xml_start(w, "validate", "http://jabber.org/protocol/xdata-validate");
    xml_put_attr(w, "datatype", STR("xs:string"));
    xml_put_empty(w, "open", NULL);
    xml_end(w);
}

enum iq_verdict archive_query_form(struct iq *iq)
{
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    xml_start(&w, "query", NS_MAM);
    data_form_start(&w, "form", NS_MAM);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        data_form_field_start(&w, fields[i].var, fields[i].type, NULL);
        if (strcmp(fields[i].type, "list-multi") == 0)
            write_open_list(&w);
        data_form_field_end(&w);
    }
    data_form_end(&w);
    xml_end(&w);
    enum iq_verdict verdict = iq_result(iq, buf_str(&payload));

    buf_deinit(&payload);
    return verdict;
}
