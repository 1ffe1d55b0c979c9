/* server/base/config_suggest.h - "did you mean ...?": the known word that a mistyped one is nearest to. */
#ifndef LINNET_SERVER_CONTROL_CONFIG_SUGGEST_H
#define LINNET_SERVER_CONTROL_CONFIG_SUGGEST_H

#include "server/base/config_rows.h"

struct config_suggestion {
    const char *word; /* NULL: nothing is near */
    size_t distance;
};

/* [any] Keeps `candidate` if it is near enough to `typed`, and nearer than what is kept already. */
void config_suggest(struct config_suggestion *best, struct str typed, const char *candidate);

/* [any] Appends the whole key that was probably meant by `field` in `table`: a near one in the same table, or the same
 * name in another table. False: there is none, and nothing was appended. */
bool config_suggest_key(struct buf *out, const struct config_table *table, struct str field);

#endif
