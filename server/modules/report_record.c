/* How reports are kept. */
#include "common/fields.h"
#include "server/modules/report.h"

void report_encode(struct buf *out, const struct report *report)
{
    fields_put(out, "reporter", report->reporter);
    fields_put(out, "reported", report->reported);
    fields_put(out, "reason", report->reason);
    fields_put(out, "text", report->text);
    fields_put(out, "ids", report->ids);
    fields_put_u64(out, "for_origin", report->for_origin);
    fields_put_u64(out, "for_others", report->for_others);
}

static struct str find(struct str record, const char *name)
{
    struct str value = STR("");

    (void)fields_find(record, name, &value);
    return value;
}

struct report report_decode(struct str record)
{
    return (struct report){
        .reporter = find(record, "reporter"),
        .reported = find(record, "reported"),
        .reason = find(record, "reason"),
        .text = find(record, "text"),
        .ids = find(record, "ids"),
        .for_origin = fields_find_u64(record, "for_origin", 0) != 0,
        .for_others = fields_find_u64(record, "for_others", 0) != 0,
    };
}
