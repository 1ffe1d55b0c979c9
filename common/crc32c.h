/* common/crc32c.h - the checksum of RFC 4960 appendix B: CRC-32 with Castagnoli's polynomial.
 *
 * PROXY headers may carry one. They are short and come once for each connection, so the table has 16 entries rather
 * than 256: it fits into one cache line. */
#ifndef LINNET_COMMON_CRC32C_H
#define LINNET_COMMON_CRC32C_H

#include "common/str.h"

#define CRC32C_BEGIN 0u

/* [any] The checksum of what `crc` is the checksum of, with `bytes` behind it; begin with CRC32C_BEGIN. */
uint32_t crc32c(uint32_t crc, struct str bytes);

#endif
