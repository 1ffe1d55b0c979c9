#include "common/err.h"

#include <stddef.h>

const char *ln_err_name(enum ln_err err)
{
    static const char *const names[] = {
        [LN_OK] = "ok",           [LN_E_INVALID] = "invalid", [LN_E_LIMIT] = "limit", [LN_E_NOT_FOUND] = "not-found",
        [LN_E_EXISTS] = "exists", [LN_E_CLOSED] = "closed",   [LN_E_IO] = "io",       [LN_E_FULL] = "full",
        [LN_E_TLS] = "tls",       [LN_E_CORRUPT] = "corrupt", [LN_E_AUTH] = "auth",
    };

    if ((size_t)err >= sizeof(names) / sizeof(names[0]) || names[err] == NULL)
        return "unknown";
    return names[err];
}
