/* server/im/receipt.h - how many of a client's stanzas can no longer be lost (what XEP-0198's `h` tells it).
 *
 * Every stanza of a counting session gets a number and its address of origin. Whoever still has to deliver, commit or
 * answer it holds a reference; when the last is dropped, on whatever worker, word goes back here. `h` is the length of
 * the prefix without a gap: the client is told of a stanza only when that and all before it are safe. At most
 * RECEIPT_WINDOW may be open; then the client is not read until the oldest settles. All: [worker]. */
#ifndef LINNET_SERVER_IM_RECEIPT_H
#define LINNET_SERVER_IM_RECEIPT_H

#include "server/stream/session.h"

struct shard;

enum { RECEIPT_WINDOW = 1024 };

/* From now on the session, which has its `sm`, counts, beginning behind `h`: 0, or where it was before a restart. When
 * receipts_h() told the client less than it had sent until then, `on_progress` is called once all of that is safe. */
void receipts_start(struct session *s, uint32_t h, void (*on_progress)(struct session *s));
/* Of a session that was restored without: it may be NULL. */
void receipts_set_on_progress(struct session *s, void (*on_progress)(struct session *s));
void receipts_stop(struct session *s);
/* [maker] Gives the stanza its number; none on a session that does not count. False: the client has sent it before
 * (receipts_rewind()), and that one is being taken care of: this one is to be dropped. */
bool receipt_expect(struct session *s, struct stanza *st);
/* The number to tell the client. */
uint32_t receipts_h(struct session *s);
/* Is all that came from it safe? */
bool receipts_are_complete(const struct session *s);
/* The client comes back, and sends again whatever lies behind the number returned, under the same numbers. What was
 * not safe yet is still under way: as long as the same stanzas come in the same order, they are known. */
uint32_t receipts_rewind(struct session *s);
/* Does anybody wait to hear that it is safe? */
static inline bool receipt_is_awaited(const struct stanza *st)
{
    return stanza_is_awaited(st);
}

/* For batch.c: the word from another worker. */
void receipt_mark(struct shard *shard, uint64_t session, uint32_t seq);

#endif
