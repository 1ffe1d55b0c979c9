#include "common/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void spans_with_the_same_bytes_are_equal_wherever_they_lie(void **state)
{
    char here[] = "abc", there[] = "xabcx";

    (void)state;
    assert_true(str_eq(str_make(here, 3), str_make(there + 1, 3)));
    assert_false(str_eq(str_make(here, 3), str_make(there, 3)));
    assert_false(str_eq(STR("abc"), STR("abcd")));
    assert_true(str_eq(str_of(NULL), STR("")));
    assert_true(str_is(STR("abc"), "abc"));
    assert_false(str_is(STR("abc\0d"), "abc"));
}

static void order_is_that_of_unsigned_bytes_with_a_prefix_first(void **state)
{
    (void)state;
    assert_int_equal(sign(str_cmp(STR("abc"), STR("abd"))), -1);
    assert_int_equal(sign(str_cmp(STR("abd"), STR("abc"))), 1);
    assert_int_equal(sign(str_cmp(STR("ab"), STR("abc"))), -1);
    assert_int_equal(sign(str_cmp(STR("abc"), STR("ab"))), 1);
    assert_int_equal(sign(str_cmp(STR("a\xff"), STR("a\x01"))), 1);
    assert_int_equal(str_cmp(STR("abc"), STR("abc")), 0);
    assert_int_equal(str_cmp(str_of(NULL), STR("")), 0);
    assert_int_equal(sign(str_cmp(str_of(NULL), STR("a"))), -1);
}

static void case_is_ignored_for_ascii_letters_and_nothing_else(void **state)
{
    (void)state;
    assert_true(str_eq_nocase(STR("SCRAM-sha-1"), STR("scram-SHA-1")));
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    for (int c = 0; c < 256; c++) {
        char lower = (char)c, other = (char)(c ^ 0x20);
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        assert_int_equal(str_eq_nocase(str_make(&lower, 1), str_make(&other, 1)), is_letter);
    }
}

static void a_prefix_is_found_only_at_the_front(void **state)
{
    (void)state;
    assert_true(str_starts(STR("tls-exporter"), STR("tls-")));
    assert_true(str_starts(STR("tls-"), STR("tls-")));
    assert_true(str_starts(STR("x"), STR("")));
    assert_true(str_starts(str_of(NULL), STR("")));
    assert_false(str_starts(STR("tls"), STR("tls-")));
    assert_false(str_starts(STR("xtls-"), STR("tls-")));
}

static void a_character_is_found_at_its_first_place(void **state)
{
    (void)state;
    assert_int_equal(str_find(STR("a/b/c"), '/'), 1);
    assert_int_equal(str_find(STR("abc"), '/'), -1);
    assert_int_equal(str_find(STR(""), '/'), -1);
    assert_int_equal(str_find(str_of(NULL), '/'), -1);
    assert_int_equal(str_find(STR("ab\0c"), '\0'), 2);
    assert_int_equal(str_find(str_make("ab/", 2), '/'), -1);
}

static void only_xml_white_space_is_trimmed(void **state)
{
    (void)state;
    assert_true(str_is(str_trim(STR(" \t\r\n a b \n")), "a b"));
    assert_true(str_is(str_trim(STR("\va\f")), "\va\f"));
    assert_true(str_is(str_trim(STR(" \n ")), ""));
    assert_true(str_is(str_trim(str_of(NULL)), ""));
}

static void a_copy_ends_in_nul_and_is_the_callers(void **state)
{
    char *copy = str_dup(str_make("abcdef", 3)), *empty = str_dup(str_of(NULL));

    (void)state;
    assert_string_equal(copy, "abc");
    assert_string_equal(empty, "");
    free(copy);
    free(empty);
}

static void a_number_is_digits_up_to_its_maximum(void **state)
{
    static const struct {
        struct str text;
        uint64_t max;
        bool is_number;
        uint64_t value;
    } rows[] = {
        {STR_INIT("0"), 0, true, 0},
        {STR_INIT("007"), 7, true, 7},
        {STR_INIT("255"), 255, true, 255},
        {STR_INIT("256"), 255, false, 0},
        {STR_INIT("260"), 255, false, 0},
        {STR_INIT("1000"), 255, false, 0},
        {STR_INIT("1"), 0, false, 0},
        {STR_INIT("18446744073709551615"), UINT64_MAX, true, UINT64_MAX},
        {STR_INIT("18446744073709551616"), UINT64_MAX, false, 0},
        {STR_INIT("99999999999999999999"), UINT64_MAX, false, 0},
        {STR_INIT(""), UINT64_MAX, false, 0},
        {STR_INIT("+1"), UINT64_MAX, false, 0},
        {STR_INIT("-1"), UINT64_MAX, false, 0},
        {STR_INIT(" 1"), UINT64_MAX, false, 0},
        {STR_INIT("1 "), UINT64_MAX, false, 0},
        {STR_INIT("1a"), UINT64_MAX, false, 0},
        {STR_INIT("1\0"), UINT64_MAX, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t n = 4711;

        assert_int_equal(str_to_u64(rows[i].text, rows[i].max, &n), rows[i].is_number);
        assert_int_equal(n, rows[i].is_number ? rows[i].value : 4711);
    }
}

static void a_signed_number_is_within_both_its_bounds(void **state)
{
    static const struct {
        struct str text;
        int64_t min, max;
        bool is_number;
        int64_t value;
    } rows[] = {
        {STR_INIT("-128"), -128, 127, true, -128},
        {STR_INIT("-129"), -128, 127, false, 0},
        {STR_INIT("127"), -128, 127, true, 127},
        {STR_INIT("+127"), -128, 127, true, 127},
        {STR_INIT("128"), -128, 127, false, 0},
        {STR_INIT("-0"), -128, 127, true, 0},
        {STR_INIT("5"), 10, 20, false, 0},
        {STR_INIT("-9223372036854775808"), INT64_MIN, INT64_MAX, true, INT64_MIN},
        {STR_INIT("-9223372036854775809"), INT64_MIN, INT64_MAX, false, 0},
        {STR_INIT("9223372036854775807"), INT64_MIN, INT64_MAX, true, INT64_MAX},
        {STR_INIT("9223372036854775808"), INT64_MIN, INT64_MAX, false, 0},
        {STR_INIT(""), -128, 127, false, 0},
        {STR_INIT("-"), -128, 127, false, 0},
        {STR_INIT("+"), -128, 127, false, 0},
        {STR_INIT("--1"), -128, 127, false, 0},
        {STR_INIT("+-1"), -128, 127, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t n = 4711;

        assert_int_equal(str_to_i64(rows[i].text, rows[i].min, rows[i].max, &n), rows[i].is_number);
        assert_int_equal(n, rows[i].is_number ? rows[i].value : 4711);
    }
}

static void secrets_differ_wherever_one_bit_does(void **state)
{
    char a[32] = {0}, b[32] = {0};

    (void)state;
    assert_true(str_eq_secret(str_make(a, sizeof(a)), str_make(b, sizeof(b))));
    for (size_t bit = 0; bit < sizeof(a) * 8; bit++) {
        b[bit / 8] = (char)(1u << bit % 8);
        assert_false(str_eq_secret(str_make(a, sizeof(a)), str_make(b, sizeof(b))));
        b[bit / 8] = 0;
    }
    assert_false(str_eq_secret(str_make(a, 31), str_make(b, 32)));
    assert_true(str_eq_secret(str_of(NULL), STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_with_the_same_bytes_are_equal_wherever_they_lie),
        cmocka_unit_test(order_is_that_of_unsigned_bytes_with_a_prefix_first),
        cmocka_unit_test(case_is_ignored_for_ascii_letters_and_nothing_else),
        cmocka_unit_test(a_prefix_is_found_only_at_the_front),
        cmocka_unit_test(a_character_is_found_at_its_first_place),
        cmocka_unit_test(only_xml_white_space_is_trimmed),
        cmocka_unit_test(a_copy_ends_in_nul_and_is_the_callers),
        cmocka_unit_test(a_number_is_digits_up_to_its_maximum),
        cmocka_unit_test(a_signed_number_is_within_both_its_bounds),
        cmocka_unit_test(secrets_differ_wherever_one_bit_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
