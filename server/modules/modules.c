/* The one table of features: a new one is a file in this folder, a line in module.h and a row here. */
#include "server/modules/module.h"

#include "common/mem.h"

/* clang-format off */
const struct module *const modules[] = {
    &module_commands,
    &module_invites,
    &module_caps,
    &module_pep, /* before disco: it knows of nodes */
    &module_disco,
    &module_ping,
    &module_version,
    &module_time,
    &module_last,
    &module_bookmarks,
    &module_mds,
    &module_private,
    &module_vcard,
    &module_avatar,
    &module_vcard4,
    &module_register,
    &module_contact,
    &module_external_services,
    &module_blocking,
    &module_report,
    &module_carbons,
    &module_sasl2,
    &module_bind2,
    &module_fast,
    &module_clients,
    &module_sm,
    &module_offline,
    &module_archive,
    &module_csi,
    &module_push,
    NULL,
};
/* clang-format on */

const char *const *modules_names(void)
{
    static const char *names[ARRAY_LEN(modules)];

    for (size_t i = 0; modules[i] != NULL; i++)
        names[i] = modules[i]->name;
    return names;
}
