/* common/record.h - small binary records: little-endian numbers and bytes, one behind the other.
 *
 * For documents that are read at every login. Reading past the end gives zeros and is remembered, so that who reads
 * asks once, at the end. Pure. */
#ifndef LINNET_COMMON_RECORD_H
#define LINNET_COMMON_RECORD_H

#include "common/buf.h"

/* The lowest `bytes` bytes of `n`, at most 8. */
void record_put(struct buf *out, uint64_t n, unsigned bytes);

/* {.rest = the record} is how it begins. */
struct record_reader {
    struct str rest;
    bool is_short; /* more was asked for than there was */
};

/* The next `len` bytes, which lie in the record; NULL: there are not so many. */
const char *record_take(struct record_reader *r, size_t len);
/* The next number of so many bytes; 0 where there are not so many. */
uint64_t record_take_number(struct record_reader *r, unsigned bytes);

#endif
