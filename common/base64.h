/* common/base64.h - RFC 4648 section 4, strict: padding required, no white space, unused bits zero. */
#ifndef LINNET_COMMON_BASE64_H
#define LINNET_COMMON_BASE64_H

#include "common/buf.h"

void base64_encode(struct buf *out, struct str bytes);
/* False: not base64; `out` is as it was then. */
bool base64_decode(struct buf *out, struct str text);
/* Lower-case hexadecimal. */
void hex_encode(struct buf *out, struct str bytes);

#endif
