/* common/xmpp/precis.h - user names and passwords that look the same become the same (PRECIS: RFC 8264, RFC 8265).
 *
 * Two profiles: UsernameCaseMapped for the localpart of an address, OpaqueString for resourceparts and passwords. Which
 * characters exist is what libunistring's version of Unicode says; those unassigned there are refused. */
#ifndef LINNET_COMMON_XMPP_PRECIS_H
#define LINNET_COMMON_XMPP_PRECIS_H

#include "common/err.h"
#include "common/str.h"

/* [any] A user name as UsernameCaseMapped asks (RFC 8265 section 3.3): fullwidth and halfwidth variants become plain,
 * lower case, NFC; what mixes writing directions beyond the Bidi rule is refused. `out` has room for `cap` bytes and
 * does not overlap `text`. LN_E_INVALID: forbidden characters or empty; LN_E_LIMIT: does not fit. */
enum ln_err precis_username(struct str text, char *out, size_t cap, size_t *ret_len);

/* [any] A password or a resourcepart as OpaqueString asks (RFC 8265 section 4.2): non-ASCII spaces become U+0020, NFC;
 * case stays. `out`, `cap` and errors as above. */
enum ln_err precis_opaque_string(struct str text, char *out, size_t cap, size_t *ret_len);

#endif
