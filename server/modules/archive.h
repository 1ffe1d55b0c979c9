/* server/modules/archive.h - what the files of the module "archive" share (XEP-0313).
 *
 * archive.c decides and writes, archive_select.c says what is worth it, archive_query.c and archive_page.c answer
 * clients, archive_prefs.c keeps what they prefer, archive_retract.c makes tombstones, archive_retention.c removes what
 * is old.
 *
 * An entry is (bare JID, ARCHIVE_COLLECTION): its id is also the time at which the message came, in microseconds, the
 * peer is who it is from or to, and the bytes are the message as it came, ready to be put inside <forwarded/>. All:
 * [worker], the account's home. */
#ifndef LINNET_SERVER_MODULES_ARCHIVE_H
#define LINNET_SERVER_MODULES_ARCHIVE_H

#include "server/base/config.h"
#include "server/im/account.h"
#include "server/im/hooks.h"

/* What the module keeps in memory for an account that has said what it prefers, or takes something back. */
struct archive_account {
    struct archive_prefs *prefs; /* NULL: it never said, the host's default counts */
    uint32_t searches;           /* for what was taken back, under way */
};
/* Made when there was none. */
struct archive_account *archive_account(struct account *a);
struct archive_account *archive_account_peek(const struct account *a);

/* ---- archive_select.c ---- */

/* [any] Whether the message is of a kind that is kept: something that was said, or that changes what was said. */
bool archive_is_worth_it(const struct stanza *st);

/* ---- archive.c ---- */

/* Whoever reads the archive behind this finds all that was archived before. */
void archive_settle(struct worker *w);

/* ---- archive_prefs.c ---- */

/* Does the account want messages to or from `peer` kept? */
bool archive_prefs_allow(const struct account *a, const struct config_host *host, const struct jid *peer);
void archive_prefs_take(struct account *a, const struct storage_rows *rows);
void archive_prefs_free(struct archive_prefs **p);
enum iq_verdict archive_prefs_get(struct iq *iq);
enum iq_verdict archive_prefs_set(struct iq *iq);

/* ---- archive_query.c ---- */

enum iq_verdict archive_query(struct iq *iq);
enum iq_verdict archive_query_form(struct iq *iq);
enum iq_verdict archive_metadata(struct iq *iq);
/* <metadata/> of the archive as it is now. */
void archive_write_metadata(struct xml_writer *w, const struct account *a);

/* ---- archive_retract.c ---- */

/* The message `st`, which was archived under `id`, may take an earlier one back that its sender exchanged with the same
 * peer: that becomes a tombstone. */
void archive_retract(struct account *a, struct stanza *st, const struct jid *peer, uint64_t id);

/* [start] */
void archive_retract_start(unsigned n_workers);

/* ---- archive_retention.c ---- */

/* [start] */
void archive_retention_start(unsigned n_workers);
/* At the end of each turn; begins the walk over all accounts. */
void archive_retention_turn(struct worker *w);
/* An entry was appended: is it time to look at the archive's length? */
void archive_retention_appended(struct account *a, const struct config_host *host);

#endif
