/* server/modules/module.h - what a feature tells the core about itself.
 *
 * A feature is one file with one `const struct module` and one row in modules.c. It says which iq requests it answers,
 * which first-level elements beside stanzas, which service discovery features it adds, and at which points it wants to
 * be called. Each host switches modules on and off; a module that is off for a host is never called for it.
 *
 * The core calls through im/hooks.h and never names a module. */
#ifndef LINNET_SERVER_MODULES_MODULE_H
#define LINNET_SERVER_MODULES_MODULE_H

#include "server/im/hooks.h"

extern const struct module module_archive;
extern const struct module module_avatar;
extern const struct module module_bind2;
extern const struct module module_blocking;
extern const struct module module_bookmarks;
extern const struct module module_caps;
extern const struct module module_carbons;
extern const struct module module_clients;
extern const struct module module_commands;
extern const struct module module_contact;
extern const struct module module_csi;
extern const struct module module_disco;
extern const struct module module_external_services;
extern const struct module module_fast;
extern const struct module module_invites;
extern const struct module module_last;
extern const struct module module_mds;
extern const struct module module_offline;
extern const struct module module_pep;
extern const struct module module_ping;
extern const struct module module_private;
extern const struct module module_push;
extern const struct module module_register;
extern const struct module module_sasl2;
extern const struct module module_report;
extern const struct module module_sm;
extern const struct module module_time;
extern const struct module module_vcard4;
extern const struct module module_vcard;
extern const struct module module_version;

/* The one table; ends with NULL. */
extern const struct module *const modules[];

/* [start] Their names, for the configuration: ends with NULL. */
const char *const *modules_names(void);

#endif
