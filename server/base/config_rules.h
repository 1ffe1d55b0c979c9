/* server/base/config_rules.h - what no row can say alone: keys that have to fit to each other. */
#ifndef LINNET_SERVER_CONTROL_CONFIG_RULES_H
#define LINNET_SERVER_CONTROL_CONFIG_RULES_H

#include "server/base/config_read.h"

/* After config_defaults_complete(): adds to r->mistakes. */
void config_rules_check(struct config_reader *r, const struct config *cfg);

#endif
