/* common/xmpp/bookmark.h - bookmarks of rooms, in their two forms.
 *
 * The old form (XEP-0048) is one <storage xmlns='storage:bookmarks'/> with all of them, each a <conference/> with the
 * room's address in `jid`. The new one (XEP-0402) is an item for each, with the address as its id, and what clients add
 * of their own inside <extensions/>. In the old form these stand in the conference itself. Pure. */
#ifndef LINNET_COMMON_XMPP_BOOKMARK_H
#define LINNET_COMMON_XMPP_BOOKMARK_H

#include "common/buf.h"
#include "common/xmpp/jid.h"
#include "common/xmpp/xml.h"
#include "common/xmpp/xml_writer.h"

/* [any] Is this child of <storage/> a bookmark of a room, with an address? Prepares that, which is the item's id. */
bool bookmark_id_of(const struct xml_element *conference, struct jid_buf *mem, struct jid *ret);

/* [any] Appends the payload of the item for an old bookmark. `old`: what the item has now, NULL: there is none. What
 * the old form does not say again of its extensions is kept, and if all else is the same too, these are its very bytes.
 */
void bookmark_write_new(struct buf *out, const struct xml_element *conference, const struct xml_element *old);

/* [any] Writes <conference/> of the old form, inside <storage/>, for an item. */
void bookmark_write_old(struct xml_writer *w, struct str id, const struct xml_element *conference);

#endif
