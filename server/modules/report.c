/* server/modules/report.c - XEP-0377 Blocking Command Reports 0.4.1
 *
 * Whoever blocks somebody (modules/blocking.c, which this needs) may say why. A report never decides about the block:
 * one that says nothing, or one too many, is left out, and the block happens all the same (section 5). It reaches the
 * operator in four ways: a line in the log, a counter, `linnetctl reports`, and a message to each abuse contact of the
 * host that is an account here. Nothing is forwarded to other servers; whether the user would agree to that is kept
 * with the report. Never are the messages themselves looked at: the report has their ids. */
#include "server/modules/report.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/router.h"
#include "server/im/slots.h"
#include "server/modules/module.h"
#include "server/storage/storage.h"

#define REASON_PREFIX STR("urn:xmpp:reporting:")

enum {
    PER_HOUR = 20, /* reports of one account that count */
    HOUR_MS = 3600 * 1000,
    REASON_BYTES = 128,
    TEXT_BYTES = 2000,
    IDS_BYTES = 1000,
    TRIES = 3,      /* to find an id for the record that no other worker took in the same microsecond */
    TRIM_MAX = 100, /* old reports that go with one that comes */
};

static unsigned quota_slot; /* [start] of an account: struct quota */

struct quota {
    int64_t since_ms;
    unsigned used;
};

static void on_start(struct server *server)
{
    (void)server;
    quota_slot = account_slot_new();
}

/* ---- how many ---- */

/* The number of this report among those of the hour, from 1. */
static unsigned take_from_quota(struct account *a)
{
    struct quota **quota = (struct quota **)(void *)account_slot(a, quota_slot);
    int64_t now = wall_clock_ms();

    if (*quota == NULL)
        *quota = mem_zalloc(sizeof(**quota));
    if (now - (*quota)->since_ms >= HOUR_MS || now < (*quota)->since_ms)
        **quota = (struct quota){.since_ms = now};
    return ++(*quota)->used;
}

static enum verdict on_unloaded(struct hook_event *e)
{
    free(account_slot_peek(e->account, quota_slot));
    return CONTINUE;
}

/* ---- reading (sections 4 and 5) ---- */

/* Not within a character. */
static struct str cut(struct str s, size_t max)
{
    if (s.len <= max)
        return s;
    while (max > 0 && ((uint8_t)s.p[max] & 0xc0) == 0x80)
        max--;
    return str_make(s.p, max);
}

/* As many whole ones as there is room for. */
static void collect_ids(struct buf *out, const struct xml_element *report)
{
    for (const struct xml_element *e = xml_child(report, "stanza-id", NS_SID); e != NULL;
         e = xml_next(e, "stanza-id", NS_SID)) {
        struct str id = xml_attr(e, "id", NULL);

        if (id.len == 0 || str_find(id, ' ') >= 0)
            continue;
        if (out->len + 1 + id.len > IDS_BYTES)
            return;
        if (out->len > 0)
            buf_append_char(out, ' ');
        buf_append_str(out, id);
    }
}

/* False: there is no reason, so it is none. */
static bool read_report(const struct xml_element *e, struct report *ret)
{
    const struct xml_element *text = xml_child(e, "text", NS_REPORTING);
    struct str reason = xml_attr(e, "reason", NULL);

    if (reason.len == 0 || reason.len > REASON_BYTES)
        return false;
    if (str_starts(reason, REASON_PREFIX) && reason.len > REASON_PREFIX.len)
        reason = str_make(reason.p + REASON_PREFIX.len, reason.len - REASON_PREFIX.len);
    ret->reason = reason;
    ret->text = text == NULL ? STR("") : cut(str_trim(text->text), TEXT_BYTES);
    ret->for_origin = xml_child(e, "report-origin", NS_REPORTING) != NULL;
    ret->for_others = xml_child(e, "third-party", NS_REPORTING) != NULL;
    return true;
}

/* ---- keeping ---- */

struct keeping {
    struct worker *worker;
    char *host, *reported;
    struct buf record;
    unsigned tries;
};

static void free_keeping(struct keeping *k)
{
    free(k->host);
    free(k->reported);
    buf_deinit(&k->record);
    free(k);
}

/* How many there are now: those beyond what is kept go. */
static void on_tally(void *ctx, const struct storage_rows *rows)
{
    struct keeping *k = ctx;
    uint64_t n = rows->err == LN_OK && rows->n > 0 ? rows->rows[0].id : 0;

    if (n > REPORTS_KEPT) {
        struct storage_txn *t = storage_txn_new();

        storage_txn_trim(t, str_of(k->host), REPORTS_COLLECTION, INT64_MAX, (uint32_t)(n - REPORTS_KEPT));
        storage_commit(k->worker->server->storage, t, &k->worker->executor, NULL, NULL);
    }
    free_keeping(k);
}

static void count_kept(struct keeping *k)
{
    struct storage_query q = {.kind = STORAGE_TALLY,
                              .owner = str_of(k->host),
                              .collection = REPORTS_COLLECTION,
                              .limit = REPORTS_KEPT + TRIM_MAX};

    storage_read(k->worker->server->storage, &q, &k->worker->executor, on_tally, k);
}

static void append(struct keeping *k);

static void on_appended(void *ctx, enum ln_err err)
{
    struct keeping *k = ctx;

    if (err == LN_OK) {
        count_kept(k);
    } else if (err == LN_E_EXISTS && ++k->tries < TRIES) {
        append(k);
    } else {
        log_warn(LOG_MODULE, 0, "report.lost", F_CSTR("host", k->host), F_ERR("err", err));
        free_keeping(k);
    }
}

static void append(struct keeping *k)
{
    uint64_t id = worker_next_id(k->worker), age = UINT64_C(1000) * HOUR_MS * 24 * REPORTS_DAYS;
    struct storage_txn *t = storage_txn_new();

    storage_txn_trim(t, str_of(k->host), REPORTS_COLLECTION, id > age ? id - age : 0, TRIM_MAX);
    storage_txn_append(t, str_of(k->host), REPORTS_COLLECTION, id, (int64_t)(id / 1000), str_of(k->reported),
                       buf_str(&k->record));
    storage_commit(k->worker->server->storage, t, &k->worker->executor, on_appended, k);
}

static void keep(struct worker *w, struct str host, const struct report *report)
{
    struct keeping *k = mem_zalloc(sizeof(*k));

    k->worker = w;
    k->host = str_dup(host);
    k->reported = str_dup(report->reported);
    report_encode(&k->record, report);
    append(k);
}

/* ---- telling ---- */

/* The account here that the URI names; false: it names something else. */
static bool local_account_of(const struct config *cfg, const char *uri, struct jid_buf *mem, struct jid *ret)
{
    struct str text = str_of(uri), scheme = STR("xmpp:");

    if (!str_starts(text, scheme))
        return false;
    text = str_make(text.p + scheme.len, strcspn(text.p + scheme.len, "?"));
    return jid_parse(text, mem, ret) == LN_OK && ret->local_len > 0 && config_host(cfg, jid_domain(ret)) != NULL;
}

static void write_notice(struct buf *out, const struct report *report)
{
    buf_printf(out, "%.*s reports %.*s: %.*s", STR_ARG(report->reporter), STR_ARG(report->reported),
               STR_ARG(report->reason));
    if (report->text.len > 0)
        buf_printf(out, "\n%.*s", STR_ARG(report->text));
    if (report->ids.len > 0)
        buf_printf(out, "\nMessages: %.*s", STR_ARG(report->ids));
}

static void send_notice(struct worker *w, struct str host, struct str to, const struct report *report)
{
    struct buf b = {0}, body = {0};
    struct xml_writer x = xml_writer_to(&b);
    struct stanza *st;

    write_notice(&body, report);
    xml_start(&x, "message", NULL);
    xml_put_attr(&x, "from", host);
    xml_put_attr(&x, "to", to);
    xml_put_text_element(&x, "subject", STR("Report of spam or abuse"));
    xml_put_text_element(&x, "body", buf_str(&body));
    xml_end(&x);
    st = stanza_from_bytes(buf_str(&b));
    if (st != NULL)
        router_route(w, st);
    buf_deinit(&b);
    buf_deinit(&body);
}

static void notify_contacts(struct worker *w, struct str host_name, const struct report *report)
{
    const struct config_host *host = config_host(w->config, host_name);
    struct jid_buf mem;
    struct jid jid;

    for (size_t i = 0; host != NULL && i < host->contact.abuse.n; i++) {
        if (local_account_of(w->config, host->contact.abuse.items[i], &mem, &jid))
            send_notice(w, host_name, jid_bare(&jid), report);
    }
}

static enum verdict on_blocked(struct hook_event *e)
{
    const struct xml_element *element = xml_child(e->element, "report", NS_REPORTING);
    struct report report = {.reporter = e->account->jid.full, .reported = e->to->full};
    struct str host = jid_domain(&e->account->jid);
    struct buf ids = {0};

    if (element == NULL || !read_report(element, &report))
        return CONTINUE;
    unsigned number = take_from_quota(e->account);

    if (number == PER_HOUR + 1) /* said once, since one request may report thousands */
        log_info(LOG_MODULE, e->session->id, "report.refused", F_STR("jid", report.reporter),
                 F_CSTR("why", "too many in an hour"));
    if (number > PER_HOUR)
        return CONTINUE;
    collect_ids(&ids, element);
    report.ids = buf_str(&ids);
    counter_add(&e->worker->counters.reports, 1);
    log_info(LOG_MODULE, e->session->id, "report.received", F_STR("jid", report.reporter),
             F_STR("reported", report.reported), F_STR("reason", report.reason), F_STR("ids", report.ids));
    keep(e->worker, host, &report);
    notify_contacts(e->worker, host, &report);
    buf_deinit(&ids);
    return CONTINUE;
}

/* Section 3: where nobody can block, nobody can report. */
static enum verdict on_disco_info(struct hook_event *e)
{
    const struct module *m;

    for (unsigned cursor = 0; (m = hooks_next_module(e->host, &cursor)) != NULL;) {
        if (m != &module_blocking)
            continue;
        xml_start(e->out, "feature", NULL);
        xml_put_attr(e->out, "var", STR(NS_REPORTING));
        xml_end(e->out);
    }
    return CONTINUE;
}

const struct module module_report = {
    .name = "report",
    .hooks = {{HOOK_DISCO_INFO, PRIORITY_FIRST, on_disco_info},
              {HOOK_CONTACT_BLOCKED, PRIORITY_NORMAL, on_blocked},
              {HOOK_ACCOUNT_UNLOADED, PRIORITY_NORMAL, on_unloaded}},
    .on_start = on_start,
};
