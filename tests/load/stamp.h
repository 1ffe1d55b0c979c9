/* tests/load/stamp.h - what a message says about itself, and what its receiver concludes.
 *
 * The text of every message (and the status of every presence) begins with `<flow> <direction> <number> <ns>`: which
 * flow of stanzas it belongs to, which number it has there, counted from 0, and when it was sent or was due. A flow is
 * what one sender sends to one receiver, where RFC 6120 section 10.1 promises order; its receiver sees by the numbers
 * whether something is missing, came twice or overtook. */
#ifndef LINNET_TESTS_LOAD_STAMP_H
#define LINNET_TESTS_LOAD_STAMP_H

#include "common/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Nanoseconds of a clock that only goes forwards; the one all stamps and latencies use. */
uint64_t load_now(void);

struct stamp {
    uint64_t flow;
    uint64_t direction;
    uint64_t number;
    uint64_t ns; /* by load_now() */
};

/* Appends the stamp, then padding up to `size` bytes in all (a stamp longer than that stays whole). */
void stamp_write(struct buf *out, const struct stamp *s, size_t size);
/* False: `text` does not begin with one. */
bool stamp_read(struct str text, struct stamp *ret);

/* The receiver's side of one flow. Zero-initialised: nothing has come. */
struct flow {
    uint64_t next;    /* one above the highest number seen */
    uint64_t recent;  /* bit i: next - 1 - i has come */
    uint64_t missing; /* below `next` and not come (yet) */
};
/* What all flows of a run add up to. */
struct flow_totals {
    uint64_t lost, duplicated, out_of_order;
};

/* A stanza with that number has come. True: it was the next one. Otherwise *totals counts what is wrong: a number seen
 * before is a duplicate, one that was skipped is out of order (more than 64 late, it is told as a duplicate, and the
 * one that was skipped as lost). */
bool flow_receive(struct flow *f, uint64_t number, struct flow_totals *totals);
/* When all should have come: adds what never did, of the `sent` that were. */
void flow_finish(const struct flow *f, uint64_t sent, struct flow_totals *totals);
/* How many different ones have come. */
static inline uint64_t flow_received(const struct flow *f)
{
    return f->next - f->missing;
}

#endif
