/* common/xmpp/caps.h - the hashes of entity capabilities (XEP-0115 section 5, XEP-0390 section 4).
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

/* What a presence says of its client: the hash that stands for it, and how to ask for it. Spans lie in the presence. */
struct caps {
    bool is_there;
    bool is_new;     /* of XEP-0390, else of XEP-0115 */
    struct str algo; /* as it is written: "sha-1"; empty: the old form of XEP-0115, which has no hash */
    struct str hash; /* in base64 */
    struct str node; /* XEP-0115: the software */
};

/* [any] The hash that is best to be asked for, of those in a presence; one that can be verified goes before others, and
 * one of XEP-0390 before one of XEP-0115. */
struct caps caps_of_presence(const struct xml_element *presence);
/* [any] Can caps_verify() tell? */
bool caps_can_verify(const struct caps *c);
/* [any] Appends the node that disco#info is to be asked with. */
void caps_append_node(struct buf *out, const struct caps *c);
/* [any] Is `query`, the answer, well-formed, and is this the hash of it? (XEP-0115 section 5.4, XEP-0390 section 4.4)
 */
bool caps_verify(const struct caps *c, const struct xml_element *query);

#endif
