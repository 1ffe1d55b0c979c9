/* tests/unit/control/config_fixture.h - parsing for tests: what should be accepted, and what should be refused. */
#ifndef LINNET_TESTS_UNIT_CONTROL_CONFIG_FIXTURE_H
#define LINNET_TESTS_UNIT_CONTROL_CONFIG_FIXTURE_H

#include "server/base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* The names in the default of modules.enabled: nobody here knows the modules themselves. */
#define KNOWN_MODULES_MAX 64
static const char *known_modules[KNOWN_MODULES_MAX + 1];

static void learn_modules(void)
{
    static struct config *defaults;
    struct buf errors = {0};

    if (defaults != NULL)
        return;
    assert_int_equal(config_parse(STR(""), "/etc/linnet.toml", NULL, &defaults, &errors), LN_OK);
    assert_in_range(defaults->modules.enabled.n, 1, KNOWN_MODULES_MAX);
    for (size_t i = 0; i < defaults->modules.enabled.n; i++)
        known_modules[i] = defaults->modules.enabled.items[i];
}

/* As if from /etc/linnet.toml. */
static struct config *accepted(const char *text)
{
    struct config *cfg = NULL;
    struct buf errors = {0};

    learn_modules();
    if (config_parse(str_of(text), "/etc/linnet.toml", known_modules, &cfg, &errors) != LN_OK)
        fail_msg("%s\n%.*s", text, STR_ARG(buf_str(&errors)));
    assert_int_equal(errors.len, 0);
    buf_deinit(&errors);
    return cfg;
}

#endif
