/* common/xmpp/vcard4.h - between vcard-temp (XEP-0054) and vCard4 (RFC 6351, XEP-0292 section 9).
 *
 * What both can say is converted; what only the other side's form can say is taken from what that side has already, so
 * that neither loses anything to the other. Pictures are not touched: see avatar.h. Pure. */
#ifndef LINNET_COMMON_XMPP_VCARD4_H
#define LINNET_COMMON_XMPP_VCARD4_H

#include "common/buf.h"
#include "common/xmpp/xml.h"

/* [any] Appends the <vcard/> that says what `temp` does, with all of `had` (NULL: there is none yet) that vcard-temp
 * has no words for. Doing it again with what comes out changes nothing. */
void vcard4_of_temp(struct buf *out, const struct xml_element *temp, const struct xml_element *had);

/* [any] Appends the <vCard/> that says what `vcard4` does, with all of `had` (NULL: there is none yet) that vCard4 has
 * no words for. */
void vcard_temp_of_4(struct buf *out, const struct xml_element *vcard4, const struct xml_element *had);

/* [any] Does `vcard4` say just what `temp` does, as far as vcard-temp can? Then `temp` can stay as it is. */
bool vcard4_agrees(const struct xml_element *vcard4, const struct xml_element *temp);

#endif
