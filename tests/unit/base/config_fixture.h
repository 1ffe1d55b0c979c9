/* tests/unit/control/config_fixture.h - parsing for tests: what should be accepted, and what should be refused. */
#ifndef LINNET_TESTS_UNIT_CONTROL_CONFIG_FIXTURE_H
#define LINNET_TESTS_UNIT_CONTROL_CONFIG_FIXTURE_H

#include "server/base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const known_modules[] = {
    "disco", "ping", "version", "time", "last", "private", "vcard", "register", "contact", "sm", "offline", NULL,
};

/* As if from /etc/linnet.toml. */
static struct config *accepted(const char *text)
{
    struct config *cfg = NULL;
    struct buf errors = {0};

    if (config_parse(str_of(text), "/etc/linnet.toml", known_modules, &cfg, &errors) != LN_OK)
        fail_msg("%s\n%.*s", text, STR_ARG(buf_str(&errors)));
    assert_int_equal(errors.len, 0);
    buf_deinit(&errors);
    return cfg;
}

#endif
