/* common/xmpp/domain.h - the domainpart of an address (RFC 7622 section 3.2, IDNA2008).
 *
 * Names are kept as people read them, in lower case and with U-labels, so that the A-label form "xn--..." of a name and
 * the name itself are one address. Addresses in numbers are IPv4 (which reads as a name) and bracketed IPv6. */
#ifndef LINNET_COMMON_XMPP_DOMAIN_H
#define LINNET_COMMON_XMPP_DOMAIN_H

#include "common/err.h"
#include "common/str.h"

/* The longest name that DNS can carry, without its final dot; a domain of U-labels must fit in its A-label form. */
enum { DOMAIN_ASCII_MAX = 253, DOMAIN_LABEL_MAX = 63 };

/* [any] Whether `text` is prepared already, as nearly all domains are: lower-case ASCII labels without "xn--", and no
 * final dot. Calls no library. */
bool domain_is_prepared(struct str text);

/* [any] Prepares any domain into `out` of `cap` bytes, which does not overlap `text`. One final dot is dropped.
 * LN_E_INVALID: not a domain. */
enum ln_err domain_prepare(struct str text, char *out, size_t cap, size_t *ret_len);

#endif
