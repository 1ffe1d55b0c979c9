/* server/im/roster_item.h - one contact in a roster (RFC 6121 section 2.1.2): in memory, as XML, as a stored document.
 *
 * Rosters are most of what an account with sessions costs, so an item is one allocation without pointers inside. What
 * it is made of (JID, name, groups, kept request) never changes: a change makes a new item, and whoever keeps a table
 * keyed by roster_item_jid() puts the new one in its place. Only `version` and `state` are written in place. */
#ifndef LINNET_SERVER_IM_ROSTER_ITEM_H
#define LINNET_SERVER_IM_ROSTER_ITEM_H

#include "common/buf.h"
#include "common/err.h"
#include "common/xmpp/jid.h"
#include "common/xmpp/stanza.h"
#include "common/xmpp/xml_writer.h"

struct roster_item {
    uint64_t version;     /* of the roster when this item last changed (section 2.6); the owner's to set */
    uint32_t request_len; /* private from here, but for `state` */
    uint16_t jid_len;
    uint16_t name_len;
    uint32_t groups_len;
    uint8_t n_groups;
    uint8_t state; /* set of enum sub_fact; the owner's to set */
    char bytes[];  /* JID, name, groups (each with its length in front), request */
};

enum { ROSTER_GROUPS_MAX = 64 };

/* What a client may set. The spans are borrowed. */
struct roster_content {
    struct str jid;  /* prepared; bare as a rule, but a full JID is kept as it was given */
    struct str name; /* the user's own name for the contact; empty: none */
    size_t n_groups;
    struct str groups[ROSTER_GROUPS_MAX];
};

/* ---- in memory ---- */

/* [any] A new item. `old` NULL: state and version are 0, and there is no request; otherwise they are those of `old`,
 * which stays as it is. */
struct roster_item *roster_item_new(const struct roster_content *content, const struct roster_item *old);
/* [any] A new item for `jid` that has all of `old` (NULL: nothing but the JID) but the kept subscription request, which
 * is `request` now: the bytes of the presence stanza, at most UINT32_MAX; empty: none. */
struct roster_item *roster_item_new_request(struct str jid, const struct roster_item *old, struct str request);
void roster_item_free(struct roster_item **item);

/* Borrowed until the item is freed. */
static inline struct str roster_item_jid(const struct roster_item *item)
{
    return str_make(item->bytes, item->jid_len);
}
static inline struct str roster_item_name(const struct roster_item *item)
{
    return str_make(item->bytes + item->jid_len, item->name_len);
}
static inline struct str roster_item_request(const struct roster_item *item)
{
    return str_make(item->bytes + item->jid_len + item->name_len + item->groups_len, item->request_len);
}
/* [any] Walks the groups: start with *cursor = 0; false ends. */
bool roster_item_next_group(const struct roster_item *item, uint32_t *cursor, struct str *ret);

/* ---- XML ---- */

struct roster_limits {
    uint32_t name_bytes;  /* at most UINT16_MAX */
    uint32_t group_bytes; /* at most UINT16_MAX */
    uint32_t groups;      /* of one item; at most ROSTER_GROUPS_MAX */
};

struct roster_set {
    bool is_remove; /* subscription='remove': only content.jid is set */
    struct roster_content content;
    struct jid_buf jid_mem; /* content.jid may point here, so the struct must not be copied */
};

/* [any] Reads the <query/> of a roster set of the account `own_bare`; spans in *ret point into `query` and into *ret.
 * False: the set is refused with *ret_err (sections 2.1.5, 2.3.3): bad-request for no item, several items, no jid, a
 * group given twice; jid-malformed; not-acceptable for a name or group too long, an empty group, too many groups;
 * not-allowed for the own account. `ask`, `approved` and every other `subscription` are ignored (section 2.1.2). */
bool roster_set_parse(const struct xml_element *query, struct str own_bare, const struct roster_limits *limits,
                      struct roster_set *ret, enum stanza_err *ret_err);

/* [any] Writes <item/> for a roster result or push. Only for listed items. */
void roster_item_write(struct xml_writer *w, const struct roster_item *item);
/* [any] Writes the <item/> that tells of a removal. */
void roster_item_write_removed(struct xml_writer *w, struct str jid);

/* ---- stored ---- */

/* [any] Appends the document of the item. Its key is the JID, which is not repeated inside. */
void roster_item_encode(struct buf *out, const struct roster_item *item);
/* [any] Reads it again. LN_E_CORRUPT: the bytes are not what roster_item_encode() writes, in this or an earlier form.
 */
enum ln_err roster_item_decode(struct str jid, struct str bytes, struct roster_item **ret);

#endif
