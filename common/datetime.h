/* common/datetime.h - time stamps as XEP-0082 writes them, in UTC. */
#ifndef LINNET_COMMON_DATETIME_H
#define LINNET_COMMON_DATETIME_H

#include "common/str.h"

/* [any] "2026-03-01T12:00:00.041Z" from milliseconds since 1970; `out` has room for 32 bytes. */
struct str datetime_format(int64_t ms, char out[32]);

#endif
