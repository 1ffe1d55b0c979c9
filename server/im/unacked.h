/* server/im/unacked.h - what a session that counts has sent, and its client has not acknowledged (XEP-0198).
 *
 * Of every stanza that was written to such a client the bytes are kept until it says that it has them: a client that
 * comes back on another connection is sent the rest once more, as it was. How much may wait is decided here and nowhere
 * else (sm.queue_bytes, sm.queue_stanzas). An empty queue owns no memory. All: [worker]. */
#ifndef LINNET_SERVER_IM_UNACKED_H
#define LINNET_SERVER_IM_UNACKED_H

#include "server/stream/session.h"

/* A stanza as it was written. */
struct unacked_entry {
    struct unacked_entry *next;
    size_t len;
    char bytes[];
};

/* Zero-initialised is empty and valid. */
struct unacked {
    struct unacked_entry *first, *last;
    uint32_t n;
    size_t bytes; /* what all of it costs in memory */
};

void unacked_add(struct unacked *q, struct str xml);
/* The oldest `n`, or all there are. */
void unacked_drop(struct unacked *q, uint32_t n);
static inline struct str unacked_str(const struct unacked_entry *e)
{
    return str_make(e->bytes, e->len);
}

enum { SM_ID_BYTES = 16, SM_ID_LEN = 2 * SM_ID_BYTES };

/* What only sessions that count have; made with <enable/>. */
struct sm {
    uint32_t sent;  /* since then: stanzas queued for the client, modulo 2^32 */
    uint32_t acked; /* of these, the client has */
    uint32_t asked; /* of these, were in front of the last <r/> */
    bool is_asked;  /* an <r/> is out */
    bool may_resume;
    bool has_replay_left; /* hibernating: offline messages come before what is new */
    bool is_saved;        /* it ends because it goes on after a restart */
    uint32_t resume_s;    /* how long it waits for its client */
    char id[SM_ID_LEN];   /* names it to the client; lower-case hexadecimal */
    struct unacked queue;
    struct receipts *receipts;    /* its own stanzas that are not safe yet (im/receipt.h) */
    uint64_t progress_ms;         /* worker clock: when the client last acknowledged something, or the queue began */
    uint64_t asked_ms;            /* worker clock: when the last <r/> went out */
    int64_t hibernates_since_ms;  /* wall clock */
    struct session *s;            /* for the timer */
    struct wheel_timer ask_timer; /* an <r/> is to follow */
};

/* How a stanza of a session that may be resumed is named in offline storage: the session, '/', the stanza's number. */
enum { SENT_AS_MAX = SM_ID_LEN + 12 };
struct str sm_name(const struct sm *sm, uint32_t seq, char out[SENT_AS_MAX]);
/* Begins to count; the session did not. */
struct sm *sm_start(struct session *s);
/* The session has ended. */
void sm_end(struct session *s);

/* For stream_upper: enters a stanza. */
void sm_sent(struct session *s, struct str xml);
/* The client says that it has all up to `h`. False: so many were not sent. */
bool sm_acknowledge(struct session *s, uint32_t h);
/* The client acknowledges too little, and has had time. */
bool sm_is_overdue(const struct session *s);

#endif
