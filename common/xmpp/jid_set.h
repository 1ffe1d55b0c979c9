/* common/xmpp/jid_set.h - a set of addresses that others are matched against: a block list.
 *
 * Held as one sorted array, and kept as text, an address a line. Addresses are prepared (common/xmpp/jid.h), so they
 * are compared as bytes. Zero-initialised is empty and valid. */
#ifndef LINNET_COMMON_XMPP_JID_SET_H
#define LINNET_COMMON_XMPP_JID_SET_H

#include "common/buf.h"
#include "common/xmpp/jid.h"

struct jid_set {
    struct str *items; /* sorted, each once; owned, as is what they point to */
    size_t n, cap;
    size_t bytes; /* of all items together */
};

/* [any] One owner at a time, as all that follows. */
void jid_set_deinit(struct jid_set *set);
/* Copies the bytes. False: it was there. */
bool jid_set_add(struct jid_set *set, struct str jid);
/* False: it was not there. */
bool jid_set_remove(struct jid_set *set, struct str jid);
bool jid_set_has(const struct jid_set *set, struct str jid);
/* Is it meant by one of the items (XEP-0191 section 5)? user@domain/resource means that resource only, user@domain any
 * resource of it, domain/resource that resource only, domain itself and everybody and everything there. */
bool jid_set_covers(const struct jid_set *set, const struct jid *who);

/* A line for each item. */
void jid_set_encode(struct buf *out, const struct jid_set *set);
/* Adds what jid_set_encode() wrote. */
void jid_set_decode(struct jid_set *set, struct str lines);
/* An independent copy. */
struct jid_set jid_set_copy(const struct jid_set *set);

#endif
