/* server/im/roster.h - an account's contacts, one object shared by all its sessions (RFC 6121 section 2).
 *
 * The roster in memory is what is committed: a change is written first, and takes effect, is answered and pushed when the
 * commit is done. Changes of one account run one after the other. Versions (section 2.6) count up with every change and
 * are stored with it; removed items are remembered in memory only, so a client with an older version than that gets the
 * whole roster. All functions: [worker], the account's home. */
#ifndef LINNET_SERVER_IM_ROSTER_H
#define LINNET_SERVER_IM_ROSTER_H

#include "common/hash_table.h"
#include "server/im/roster_item.h"
#include "server/im/subscription.h"

struct account;
struct roster_change;
struct session;
struct storage_rows;

struct roster {
    struct hash_table items; /* struct roster_item by JID */
    uint64_t version;        /* of the last change */
    uint32_t n_listed;       /* items that are not only pending requests */
    uint32_t n_pending;      /* pending requests of strangers */
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
/* Does this account see the presence of `contact`? */
bool roster_is_subscribed_to(const struct roster *r, struct str contact);
/* Walks all items, in no order: start with *cursor = 0. Nothing may change meanwhile. */
struct roster_item *roster_next(const struct roster *r, size_t *cursor);

/* A presence stanza about a subscription, from the account's own client (`from` is the session, which is paused until it is done) or for
 * the account (`session` NULL; deliveries wait until it is done). Takes a reference of its own. */
void roster_subscription(struct account *a, struct session *session, struct stanza *st, bool is_outbound);

/* The account ends: tells every contact, as when each was removed. Nothing is stored. */
void roster_cancel_all(struct account *a);

#endif
