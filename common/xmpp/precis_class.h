/* common/xmpp/precis_class.h - which code points PRECIS allows, and where (RFC 8264 sections 4 and 8).
 *
 * The classes are computed from Unicode properties, as the RFC defines them, and not kept as tables of our own, so they
 * are as new as libunistring. Some characters are allowed only in company: the rules of RFC 5892 appendix A. */
#ifndef LINNET_COMMON_XMPP_PRECIS_CLASS_H
#define LINNET_COMMON_XMPP_PRECIS_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum precis_class { PRECIS_IDENTIFIER, PRECIS_FREEFORM };

/* [any] Whether the class allows every code point where it stands. */
bool precis_class_allows(enum precis_class class, const uint32_t *cp, size_t len);

/* [any] The Bidi rule, RFC 5893 section 2, for strings with right-to-left characters; true for all others. */
bool precis_bidi_allows(const uint32_t *cp, size_t len);

#endif
