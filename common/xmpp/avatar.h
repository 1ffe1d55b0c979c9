/* common/xmpp/avatar.h - pictures of people in their two forms: on nodes (XEP-0084) and in vCards (XEP-0054, XEP-0153).
 *
 * In both a picture is known by its SHA-1, in lower-case hexadecimal. Pure. */
#ifndef LINNET_COMMON_XMPP_AVATAR_H
#define LINNET_COMMON_XMPP_AVATAR_H

#include "common/buf.h"
#include "common/xmpp/stanza.h"
#include "common/xmpp/xml.h"

enum { AVATAR_HASH_LEN = 40, AVATAR_TYPE_MAX = 127 };

/* [any] The hash of a picture's bytes. */
struct str avatar_hash(struct str picture, char out[AVATAR_HASH_LEN]);
/* [any] Is this one, as it should be written? */
bool avatar_is_hash(struct str text);
/* [any] Base64 with white space in it, as people put it into XML. False: it is none, and *out is as it was. */
bool avatar_decode(struct str base64, struct buf *out);

/* [any] The picture of <metadata xmlns='urn:xmpp:avatar:metadata'/> that lies on the data node, not elsewhere on the
 * web (XEP-0398 section 3.1): its hash and media type, which lie in the element. False: there is none. */
bool avatar_of_metadata(const struct xml_element *metadata, struct str *ret_hash, struct str *ret_type);
/* [any] Appends <metadata/> for one picture; with an empty hash that of none (XEP-0084 section 3.3). */
void avatar_write_metadata(struct buf *out, struct str hash, struct str type, size_t bytes);

/* [any] The picture in a vCard: its bytes are appended to `picture`; the type is what the vCard says, else what the
 * bytes look like. False: there is none, or nobody knows what it is. */
bool avatar_of_vcard(const struct xml_element *vcard, struct buf *picture, struct str *ret_type);
/* [any] Appends the vCard (NULL: an empty one) with this picture, in base64, in the place of what it has; with an empty
 * `base64` without any. */
void avatar_write_vcard(struct buf *out, const struct xml_element *vcard, struct str type, struct str base64);

/* [any] What available presence is to say of the picture (XEP-0398 section 4): whether what it says has to be replaced
 * by avatar_write_update(). `hash` is empty if there is none. */
bool avatar_must_update(const struct stanza *presence, struct str hash);
/* [any] For stanza_without(): what is replaced. */
bool avatar_is_update(const struct xml_element *child, const void *ctx);
void avatar_write_update(struct buf *out, struct str hash);

#endif
