/* server/base/config_read.h - from a TOML document to the structs, by the rows.
 *
 * Nothing here stops at the first mistake: it is noted with its place, the key keeps its default, and reading goes on.
 */
#ifndef LINNET_SERVER_CONTROL_CONFIG_READ_H
#define LINNET_SERVER_CONTROL_CONFIG_READ_H

#include "server/base/config_mistakes.h"
#include "server/base/config_rows.h"
#include "third_party/toml_shim.h"

struct config_seen; /* defined in config_read.c */

struct config_reader {
    struct arena *arena;        /* for all that the snapshot keeps */
    struct str folder;          /* where relative paths start; "" is the current one */
    const char *const *modules; /* that are known; NULL: any */
    struct config_mistakes mistakes;
    struct config_seen *seen; /* the keys that the file gives, and where */
    size_t n_seen;
};

/* Reads what the document gives into `cfg`, which has its defaults already. */
void config_read(struct config_reader *r, const struct toml_value *document, struct config *cfg);
void config_reader_deinit(struct config_reader *r);

/* Where the file gives this field; line 0 if it does not. `row` is needed since a struct and its first field share an
 * address. */
struct toml_place config_place_of(const struct config_reader *r, const struct config_row *row, const void *field);

#endif
