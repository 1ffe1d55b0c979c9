/* server/base/config_mistakes.h - what is wrong in a configuration, collected to be told all at once. */
#ifndef LINNET_SERVER_CONTROL_CONFIG_MISTAKES_H
#define LINNET_SERVER_CONTROL_CONFIG_MISTAKES_H

#include "common/buf.h"
#include "third_party/toml_shim.h"

struct config_mistake; /* defined in config_mistakes.c */

struct config_mistakes { /* zeroed is empty */
    struct config_mistake *items;
    size_t n;
};

/* [any] Adds "key: what". Line 0: it is nowhere in the file. */
void config_mistakes_add(struct config_mistakes *m, struct toml_place place, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* [any] Appends a line for each, as "path:line:column: key: what", in the order of the file. */
void config_mistakes_report(struct config_mistakes *m, const char *path, struct buf *out);
void config_mistakes_deinit(struct config_mistakes *m);

#endif
