/* server/base/config_snapshot.h - making a struct config: for config_load.c and config_diff.c. */
#ifndef LINNET_SERVER_CONTROL_CONFIG_SNAPSHOT_H
#define LINNET_SERVER_CONTROL_CONFIG_SNAPSHOT_H

#include "server/base/config.h"

/* [any] Zeros, but with an arena, a path and one reference. */
struct config *config_new(const char *path);
/* [any] Once all values are there: what lookups need. */
void config_finish(struct config *cfg);

#endif
