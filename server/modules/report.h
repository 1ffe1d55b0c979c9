/* server/modules/report.h - reports of spam and abuse, as they are kept for the operator.
 *
 * An archive (host, "reports") of each host: who was reported is the entry's peer. Shared by the module that keeps
 * them and the operator's command that shows them. */
#ifndef LINNET_SERVER_MODULES_REPORT_H
#define LINNET_SERVER_MODULES_REPORT_H

#include "common/buf.h"

#define REPORTS_COLLECTION STR("reports")

enum {
    REPORTS_KEPT = 10000, /* of each host; older ones go */
    REPORTS_DAYS = 180,   /* that they are kept for */
};

/* Views of what the user sent, or of a record. */
struct report {
    struct str reporter; /* bare JID */
    struct str reported; /* what was blocked: bare or full JID, or a domain */
    struct str reason;   /* "spam", "abuse", or the URI of another */
    struct str text;     /* in the user's own words; may be empty */
    struct str ids;      /* of messages in the user's archive, a space between them; may be empty */
    bool for_origin;     /* the user agrees that the report is forwarded to the server that the messages came from */
    bool for_others;     /* and to third parties */
};

/* [any] */
void report_encode(struct buf *out, const struct report *report);
/* [any] What is missing in the record is empty. */
struct report report_decode(struct str record);

#endif
