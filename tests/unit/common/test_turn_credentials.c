#include "common/xmpp/turn_credentials.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void the_password_is_the_hmac_of_the_name_that_begins_with_its_end(void **state)
{
    struct buf name = {0}, password = {0};

    (void)state;
    turn_credentials(STR("north"), 1433895918506, STR("romeo"), &name, &password);
    assert_true(str_is(buf_str(&name), "1433895918506:romeo"));
    /* printf 1433895918506:romeo | openssl dgst -sha1 -hmac north -binary | base64 */
    assert_true(str_is(buf_str(&password), "2rTajhqhLyyLKkRNnjOKfjaP6cY="));
    buf_deinit(&name);
    buf_deinit(&password);
}

static void secrets_longer_than_a_block_of_the_hash_work(void **state)
{
    struct buf name = {0}, password = {0};

    (void)state;
    turn_credentials(STR("0123456789012345678901234567890123456789012345678901234567890123456789"), 1, STR("u"), &name,
                     &password);
    assert_true(str_is(buf_str(&password), "/patxnKRNZh7iVRNgG+a7xXWePw="));
    buf_deinit(&name);
    buf_deinit(&password);
}

static void what_was_in_the_buffers_before_stays_and_does_not_count(void **state)
{
    struct buf name = {0}, password = {0};

    (void)state;
    buf_append_cstr(&name, "x");
    buf_append_cstr(&password, "y");
    turn_credentials(STR("north"), 1433895918506, STR("romeo"), &name, &password);
    assert_true(str_is(buf_str(&name), "x1433895918506:romeo"));
    assert_true(str_is(buf_str(&password), "y2rTajhqhLyyLKkRNnjOKfjaP6cY="));
    buf_deinit(&name);
    buf_deinit(&password);
}

static void an_account_has_one_name_under_a_secret_and_others_have_another(void **state)
{
    char a[16], b[16], c[16], d[16];

    (void)state;
    struct str name = turn_user_of(STR("s"), STR("romeo@montague.lit"), a);

    assert_int_equal(name.len, 16);
    assert_true(str_eq(name, turn_user_of(STR("s"), STR("romeo@montague.lit"), b)));
    assert_false(str_eq(name, turn_user_of(STR("s"), STR("juliet@capulet.lit"), c)));
    assert_false(str_eq(name, turn_user_of(STR("t"), STR("romeo@montague.lit"), d)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_password_is_the_hmac_of_the_name_that_begins_with_its_end),
        cmocka_unit_test(secrets_longer_than_a_block_of_the_hash_work),
        cmocka_unit_test(what_was_in_the_buffers_before_stays_and_does_not_count),
        cmocka_unit_test(an_account_has_one_name_under_a_secret_and_others_have_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
