/* common/utf8.h - UTF-8 as RFC 3629 has it: no overlongs, no surrogates, nothing above U+10FFFF. */
#ifndef LINNET_COMMON_UTF8_H
#define LINNET_COMMON_UTF8_H

#include "common/str.h"

/* [any] Decodes the character at the front. Returns its length, 1 to 4; 0 when the bytes are wrong; -1 when they are
 * the beginning of a character whose rest is missing. */
int utf8_decode(struct str s, uint32_t *ret_cp);
/* [any] Writes `cp` to out (4 bytes); returns the length. */
int utf8_encode(uint32_t cp, char out[4]);
bool utf8_is_valid(struct str s);
/* [any] Length of the longest prefix that is ASCII. */
size_t utf8_ascii_prefix(struct str s);

#endif
