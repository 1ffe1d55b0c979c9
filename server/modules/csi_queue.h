/* server/modules/csi_queue.h - what is held back for a client that nobody looks at (XEP-0352).
 *
 * In the order in which it came, and merged: of what is only of interest in its latest state (the presence of a full
 * JID, an item of a node) a new one takes the place of the old one, at the end, so that between two entities nothing is
 * overtaken (RFC 6120 section 10.1). Kept as bytes, ready to be sent: a reference to a stanza would hold its sender's
 * acknowledgement back for hours. Each has the time it came at (XEP-0203). Pure. */
#ifndef LINNET_SERVER_MODULES_CSI_QUEUE_H
#define LINNET_SERVER_MODULES_CSI_QUEUE_H

#include "common/hash_table.h"
#include "common/xmpp/stanza.h"

enum csi_fate {
    CSI_SEND, /* it matters now: what was held goes out in front of it */
    CSI_HOLD,
    CSI_DROP, /* of the moment: nobody will want it later */
};

/* [any] `own`: the full JID of the client. */
enum csi_fate csi_fate_of(const struct stanza *st, struct str own);

struct csi_held;

struct csi_queue {
    struct csi_held *first, **last;
    struct hash_table by_key; /* those that may be merged */
    size_t n;
    size_t bytes; /* that all of it costs */
};

void csi_queue_init(struct csi_queue *q, const struct siphash_key *key);
void csi_queue_deinit(struct csi_queue *q);

/* Adds `st`, written for `to`. `host` and `now_ms` (wall clock) are for its delay stamp. */
void csi_queue_put(struct csi_queue *q, const struct stanza *st, struct str to, struct str host, int64_t now_ms);

/* Takes the oldest away: appends it to `out`. False: there is none. */
bool csi_queue_take(struct csi_queue *q, struct buf *out);

#endif
