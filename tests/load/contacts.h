/* tests/load/contacts.h - who is whose contact, made so through the protocol.
 *
 * Presence costs what rosters make it cost, so the accounts of a run need some. They are made as people make them, by
 * subscribing to each other (RFC 6121 section 3), which works with any server; what an earlier run has made is found in
 * the rosters and kept, what it left half-made is completed, and what belongs to another shape is removed.
 *
 * The shape is arithmetic, not a table: a ring, where each user has the nearest ones on both sides, or a star, where
 * user 0 has all others and they have nobody else. */
#ifndef LINNET_TESTS_LOAD_CONTACTS_H
#define LINNET_TESTS_LOAD_CONTACTS_H

#include "tests/load/scenario.h"

struct shape {
    uint32_t users;
    uint32_t contacts; /* of each user; in a star of user 0 */
    bool is_star;
};

#define SHAPE_NONE UINT32_MAX

/* NULL: such a shape exists; else why not. */
const char *shape_check(const struct shape *s);
uint32_t shape_degree(const struct shape *s, uint32_t user);
/* The contact in that slot, slot < shape_degree(). */
uint32_t shape_contact(const struct shape *s, uint32_t user, uint32_t slot);
/* In which slot of `user` is `other`; SHAPE_NONE: it is no contact. */
uint32_t shape_slot(const struct shape *s, uint32_t user, uint32_t other);

struct contacts; /* defined in contacts.c */

struct contacts *contacts_new(struct load *l, const struct shape *s);
void contacts_free(struct contacts **k);
/* All users are online. `on_done` comes when all are mutual contacts; the run fails if it does not get on. At most
 * --concurrency rosters, and then pairs, are under way at a time. */
void contacts_make(struct contacts *k, void (*on_done)(struct load *l));
/* To be shown every stanza, from the first login on. True: it was about contacts, and is dealt with. */
bool contacts_on_stanza(struct contacts *k, struct client *c, const struct frame *f);
/* The user of the run whose address that is, bare or full; SHAPE_NONE: somebody else. */
uint32_t contacts_user_of(const struct contacts *k, struct str jid);
/* How many pairs were made; the others were there already. */
uint64_t contacts_made(const struct contacts *k);

#endif
