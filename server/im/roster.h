/* server/im/roster.h - an account's contacts, one object shared by all its sessions (RFC 6121 section 2).
 *
 * The roster in memory is what is committed: a change is written first, and takes effect, is answered and pushed when
 * the commit is done. Changes of one account run one after the other. Every change gives the roster a higher version
 * (section 2.6), stored with it; a client that has another version than the current one gets the whole roster. All
 * functions: [worker], the account's home. */
#ifndef LINNET_SERVER_IM_ROSTER_H
#define LINNET_SERVER_IM_ROSTER_H

#include "common/hash_table.h"
#include "server/im/roster_item.h"
#include "server/im/subscription.h"

#define ROSTER_COLLECTION  STR("roster")
#define ROSTER_VERSION_KEY STR("") /* no contact has an empty JID */

struct account;
struct roster_change;
struct session;
struct storage_rows;

struct roster {
    struct hash_table items;                           /* struct roster_item by JID */
    uint64_t version;                                  /* of the last change */
    uint32_t n_listed;                                 /* items that are not only pending requests */
    uint32_t n_pending;                                /* requests that wait for an answer */
    size_t pending_bytes;                              /* that they take: they are kept as they came */
    struct roster_change *first_change, **last_change; /* the one being committed, and those behind it */
};

void roster_init(struct roster *r, const struct siphash_key *key);
void roster_deinit(struct roster *r);
/* What storage had. LN_E_CORRUPT: one item does not decode; the others are there. */
enum ln_err roster_load(struct roster *r, const struct storage_rows *rows);

/* The item for a contact, or NULL. */
struct roster_item *roster_get(const struct roster *r, struct str jid);
/* May `contact` (its bare JID) see this account's presence? */
bool roster_is_subscriber(const struct roster *r, struct str contact);
/* Walks all items, in no order: start with *cursor = 0. Nothing may change meanwhile. */
struct roster_item *roster_next(const struct roster *r, size_t *cursor);

/* For roster_change.c: puts an item in the place of the one with the same JID, or takes it away. */
void roster_put(struct roster *r, struct roster_item *own_item);
void roster_remove(struct roster *r, struct str jid);
void roster_clear(struct roster *r);

#endif
