/* server/im/stanza_id.h - the ids that messages have in an account's archive (XEP-0359, XEP-0313).
 *
 * Inside the server an entry's id is a number: microseconds since 1970, rising (worker_next_id()). Clients see it as
 * text, the same in the archive, on the live message, its carbons and its offline copy: sixteen digits of that number,
 * so that later ones sort behind, and ten that nobody can guess without the server's secret, as both XEPs ask. An id
 * that was made up is told from one that was given. All: [any], after the start. */
#ifndef LINNET_SERVER_IM_STANZA_ID_H
#define LINNET_SERVER_IM_STANZA_ID_H

#include "common/buf.h"
#include "common/xmpp/stanza.h"

enum { STANZA_ID_LEN = 26 };

/* [start] `secret`: 32 bytes that stay the same from one start to the next. */
void stanza_ids_start(const uint8_t *secret);

/* `by`: the bare JID whose archive it is. */
struct str stanza_id_format(struct str by, uint64_t id, char out[STANZA_ID_LEN]);
/* False: it is not an id that this server gave for that archive. */
bool stanza_id_parse(struct str by, struct str text, uint64_t *ret);

/* Appends <stanza-id/>, to be put before the end tag of a message. */
void stanza_id_write(struct buf *out, struct str by, uint64_t id);
/* Whether a message carries one that this server gave on behalf of `by`: among its children, or added to it
 * (stanza_with()). */
bool stanza_id_find(const struct stanza *st, struct str by, uint64_t *ret);
/* Is this child a <stanza-id/> in the name of `by`, whoever wrote it? */
bool stanza_id_is_by(const struct xml_element *child, struct str by);

#endif
