#include "common/xmpp/hints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static unsigned hints_in(const char *xml)
{
    struct stanza *st = stanza_from_bytes(str_of(xml));

    assert_non_null(st);
    unsigned set = hints_of(st);

    stanza_unref(&st);
    return set;
}

#define MESSAGE(type, content) "<message xmlns='jabber:client' type='" type "'>" content "</message>"
#define HINT(name)             "<" name " xmlns='urn:xmpp:hints'/>"

static void each_hint_is_found_wherever_it_stands(void **state)
{
    (void)state;
    assert_int_equal(hints_in(MESSAGE("chat", "<body>x</body>")), 0);
    assert_int_equal(hints_in(MESSAGE("chat", HINT("no-store") "<body>x</body>")), HINT_NO_STORE);
    assert_int_equal(hints_in(MESSAGE("chat", "<body>x</body>" HINT("store"))), HINT_STORE);
    assert_int_equal(hints_in(MESSAGE("normal", HINT("no-permanent-store") "<body/>" HINT("no-copy") HINT("no-copy"))),
                     HINT_NO_PERMANENT_STORE | HINT_NO_COPY);
}

static void what_only_looks_like_one_is_none(void **state)
{
    (void)state;
    assert_int_equal(hints_in(MESSAGE("chat", "<no-store/><no-copy xmlns='urn:example:hints'/>" HINT("no-stores"))), 0);
    assert_int_equal(hints_in(MESSAGE("chat", "<x xmlns='urn:example:x'>" HINT("no-store") "</x>")), 0);
}

/* Section 5: an error may repeat the message that it is about. */
static void hints_of_an_error_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(hints_in(MESSAGE("error", HINT("no-store") HINT("no-copy") HINT("store"))), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_hint_is_found_wherever_it_stands),
        cmocka_unit_test(what_only_looks_like_one_is_none),
        cmocka_unit_test(hints_of_an_error_do_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
