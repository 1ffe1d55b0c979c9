/* server/base/config_defaults.h - the values of what the file does not give. */
#ifndef LINNET_SERVER_CONTROL_CONFIG_DEFAULTS_H
#define LINNET_SERVER_CONTROL_CONFIG_DEFAULTS_H

#include "server/base/config_read.h"

/* Before reading: every key of the table gets its default, or zeros if that depends on other keys. */
void config_defaults_set(struct config_reader *r, const struct config_table *table, void *to);

/* After reading: the listeners and the host of a file that names none, values taken from other keys (the *_AS rows),
 * and files in server.data_dir. */
void config_defaults_complete(struct config_reader *r, struct config *cfg);

/* A path that does not begin with / starts at the folder; the empty one stays empty. */
const char *config_join_path(struct arena *arena, struct str folder, struct str path);

#endif
