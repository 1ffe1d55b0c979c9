/* common/datetime.h - time stamps as XEP-0082 writes them. */
#ifndef LINNET_COMMON_DATETIME_H
#define LINNET_COMMON_DATETIME_H

#include "common/str.h"

/* [any] "2026-03-01T12:00:00.041Z" from milliseconds since 1970; `out` has room for 32 bytes. */
struct str datetime_format(int64_t ms, char out[32]);

/* [any] The other way round, of the profile DateTime: any fraction of a second (cut to milliseconds), "Z" or an offset.
 * False: it is none, or a day that no calendar has; *ret_ms is untouched then. */
bool datetime_parse(struct str text, int64_t *ret_ms);

#endif
