#include "common/record.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void what_was_put_is_taken_in_the_same_order(void **state)
{
    struct buf b = {0};

    (void)state;
    record_put(&b, 7, 1);
    record_put(&b, UINT64_C(0x0102030405060708), 8);
    buf_append_cstr(&b, "abc");
    record_put(&b, 0x11223344, 2);
    struct record_reader r = {.rest = buf_str(&b)};

    assert_int_equal(record_take_number(&r, 1), 7);
    assert_true(record_take_number(&r, 8) == UINT64_C(0x0102030405060708));
    assert_memory_equal(record_take(&r, 3), "abc", 3);
    assert_int_equal(record_take_number(&r, 2), 0x3344);
    assert_int_equal(r.rest.len, 0);
    assert_false(r.is_short);
    buf_deinit(&b);
}

static void numbers_are_little_endian(void **state)
{
    struct buf b = {0};

    (void)state;
    record_put(&b, 0x0102, 2);
    assert_memory_equal(b.p, "\2\1", 2);
    buf_deinit(&b);
}

static void a_record_that_ends_early_gives_zeros_and_says_so(void **state)
{
    struct record_reader r = {.rest = STR("ab")};

    (void)state;
    assert_int_equal(record_take_number(&r, 4), 0);
    assert_true(r.is_short);
    assert_null(record_take(&r, 1)); /* nothing behind it is taken for what was wanted */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_taken_in_the_same_order),
        cmocka_unit_test(numbers_are_little_endian),
        cmocka_unit_test(a_record_that_ends_early_gives_zeros_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
