/* common/xmpp/codepoints.h - text as an array of code points, while it is being prepared.
 *
 * The slow road of everything that is not plain ASCII: PRECIS and IDNA both decode, map and normalise here, with the
 * tables of libunistring. Passwords pass through, so memory is wiped before it is given back. */
#ifndef LINNET_COMMON_XMPP_CODEPOINTS_H
#define LINNET_COMMON_XMPP_CODEPOINTS_H

#include "common/err.h"
#include "common/str.h"

struct codepoints {
    uint32_t *cp; /* owned */
    size_t len;
};

/* [any] LN_E_INVALID: not UTF-8. */
enum ln_err codepoints_decode(struct str text, struct codepoints *ret);
void codepoints_deinit(struct codepoints *c);
bool codepoints_eq(const struct codepoints *a, const struct codepoints *b);
struct codepoints codepoints_copy(const struct codepoints *c);
/* Writes UTF-8. LN_E_LIMIT: more than `cap` bytes. */
enum ln_err codepoints_encode(const struct codepoints *c, char *out, size_t cap, size_t *ret_len);

/* Fullwidth and halfwidth characters become those they are variants of (RFC 8264 section 5.2.1). */
void codepoints_map_width(struct codepoints *c);
/* Unicode's toLowerCase() in no particular language, then normalisation form C. */
void codepoints_to_lower_nfc(struct codepoints *c);
void codepoints_to_nfc(struct codepoints *c);

#endif
