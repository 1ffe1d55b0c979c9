/* server/im/debt.h - a message that the server owes an account.
 *
 * Made when a message that is worth keeping is written to a session - or to several, which share one debt - or when one
 * is handed out from offline storage. It is *paid* when the client of one of them has it for certain. Who may still see
 * to that holds the debt: the ledgers of these sessions (im/ledger.h), and a commit under way. When the last one lets
 * go of it unpaid, the message goes to offline storage, or stays there. So nothing depends on how a session ends, and a
 * message that two resources were given does not become two messages.
 *
 * A debt may be stored while its message is under way, which makes the message safe: it is *owed* then, and removed
 * from storage when it is paid. All: [worker], the account's home. */
#ifndef LINNET_SERVER_IM_DEBT_H
#define LINNET_SERVER_IM_DEBT_H

#include "server/im/account.h"

enum debt_state { DEBT_OPEN, DEBT_STORING, DEBT_STORED };

struct debt {
    struct account *a; /* pinned */
    struct stanza *st; /* under a reference until it is paid or stored; else NULL */
    uint64_t id;       /* in offline storage; says when the message came, in microseconds since 1970 */
    uint64_t since_ms; /* the same, by the worker's clock */
    uint32_t bytes;    /* of the record, if it is stored or on its way there */
    uint32_t holders;
    enum debt_state state;
    bool is_paid;
};

/* A message that came just now. One holder, the caller. */
struct debt *debt_new(struct account *a, struct stanza *st);
/* One that is in offline storage, under that id. */
struct debt *debt_of_stored(struct account *a, uint64_t id, uint32_t bytes);
struct debt *debt_hold(struct debt *d);
/* Accepts NULL, leaves NULL. */
void debt_drop(struct debt **d);

/* Commits it to offline storage, if that was not done. `sent_as`: to which session, and its number there, as
 * offline_append() has it. When it fails the debt is open again, for another attempt. */
void debt_store(struct debt *d, struct str sent_as);
/* A client has it. */
void debt_pay(struct debt *d);

#endif
