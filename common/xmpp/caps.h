/* common/xmpp/caps.h - the verification string of entity capabilities (XEP-0115 section 5.1).
 *
 * A hash over what disco#info answers: whoever has seen the answer for a hash need not ask again. It is made of the
 * answer itself, parsed, so the two cannot differ. Pure. */
#ifndef LINNET_COMMON_XMPP_CAPS_H
#define LINNET_COMMON_XMPP_CAPS_H

#include "common/buf.h"
#include "common/xmpp/xml.h"

/* [any] Appends the base64 of the SHA-1 over the identities, features and data forms in `query`, a
 * <query xmlns='http://jabber.org/protocol/disco#info'/>. Forms without a hidden FORM_TYPE do not count (section 5.4).
 */
void caps_append_ver(struct buf *out, const struct xml_element *query);

#endif
