/* reports: what users have reported as spam and abuse. */
#include "server/control/control_commands.h"

#include "common/mem.h"
#include "server/modules/report.h"
#include "server/storage/storage.h"

enum { REPORTS_SHOWN = 50, REPORTS_SHOWN_MAX = 1000 };

struct reports {
    struct control *control;
    struct buf hosts;  /* names of those still to be read, a NUL behind each */
    size_t at;         /* in `hosts` */
    char *about;       /* who was reported; NULL: anybody */
    uint32_t n_wanted; /* of each host */
};

static void reports_free(void *state)
{
    struct reports *s = state;

    buf_deinit(&s->hosts);
    free(s->about);
    free(s);
}

static void add_host(struct reports *s, struct str name)
{
    buf_append_str(&s->hosts, name);
    buf_append_char(&s->hosts, '\0');
}

/* A host that is served: reports of its users. Any other address: reports about it, wherever they were made. False: the
 * request has been ended with an error. */
static bool read_who(struct reports *s, struct control_request *r)
{
    const struct config *cfg = control_config(s->control);
    struct str who = control_arg(r, 1);
    struct jid_buf mem;
    struct jid jid;

    if (who.p != NULL && !control_parse_jid(r, who, &mem, &jid))
        return false;
    if (who.p != NULL && config_host(cfg, jid.full) != NULL) {
        add_host(s, jid.full);
        return true;
    }
    if (who.p != NULL)
        s->about = str_dup(jid.full);
    for (size_t i = 0; i < cfg->n_hosts; i++)
        add_host(s, cfg->hosts[i].name);
    return true;
}

static bool read_count(struct reports *s, struct control_request *r)
{
    struct str text = control_arg(r, 2);
    uint64_t n = REPORTS_SHOWN;

    if (text.p != NULL && (!str_to_u64(text, REPORTS_SHOWN_MAX, &n) || n == 0)) {
        control_fail(r, "%.*s: so many reports cannot be shown; give a number from 1 to %d", STR_ARG(text),
                     REPORTS_SHOWN_MAX);
        return false;
    }
    s->n_wanted = (uint32_t)n;
    return true;
}

static void put_if_any(struct buf *out, struct str value)
{
    if (value.len > 0)
        control_put_str(out, value);
    else
        control_put_none(out);
}

static void put_report(struct buf *out, const struct storage_row *row)
{
    struct report report = report_decode(row->bytes);

    control_begin_line(out, "row");
    control_put_int(out, row->time_ms);
    control_put_str(out, report.reporter);
    control_put_str(out, report.reported);
    control_put_str(out, report.reason);
    put_if_any(out, report.text);
    put_if_any(out, report.ids);
    control_put_bool(out, report.for_origin);
    control_put_bool(out, report.for_others);
    control_end_line(out);
}

static void read_reports(struct control_request *r);

static void on_reports(void *ctx, const struct storage_rows *rows)
{
    struct control_request *r = ctx;
    struct reports *s = control_state(r);

    for (size_t i = 0; i < rows->n; i++)
        put_report(control_out(r), &rows->rows[i]);
    s->at += strlen(s->hosts.p + s->at) + 1;
    if (rows->err != LN_OK)
        control_fail(r, "the reports could not be read (%s); the server's log says more", ln_err_name(rows->err));
    else if (s->at >= s->hosts.len)
        control_ok(r, "%s", "");
    else
        control_send(r, read_reports);
    control_unref(&r);
}

static void read_reports(struct control_request *r)
{
    struct reports *s = control_state(r);
    struct storage_query q = {.kind = STORAGE_READ,
                              .owner = str_of(s->hosts.p + s->at),
                              .collection = REPORTS_COLLECTION,
                              .peer = str_of(s->about),
                              .limit = s->n_wanted,
                              .is_backwards = true};

    storage_read(s->control->server->storage, &q, s->control->server->control, on_reports, control_ref(r));
}

void control_reports(struct control *c, struct control_request *r)
{
    static const struct control_column columns[] = {
        {"time", CONTROL_TIME, false},      {"reporter", CONTROL_TEXT, false}, {"reported", CONTROL_TEXT, false},
        {"reason", CONTROL_TEXT, false},    {"text", CONTROL_TEXT, false},     {"messages", CONTROL_TEXT, true},
        {"for_origin", CONTROL_BOOL, true}, {"for_others", CONTROL_BOOL, true}};
    struct reports *s = mem_zalloc(sizeof(*s));

    s->control = c;
    if (!read_count(s, r) || !read_who(s, r)) {
        reports_free(s);
        return;
    }
    control_put_table(control_out(r), "reports", CONTROL_MANY, columns, ARRAY_LEN(columns));
    control_set_state(r, s, reports_free);
    read_reports(r);
}
