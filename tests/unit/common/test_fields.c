#include "common/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void what_was_put_is_found_whatever_bytes_it_has(void **state)
{
    struct buf b = {0};
    struct str value;

    (void)state;
    fields_put(&b, "name", STR("juliet"));
    fields_put(&b, "odd", STR("a=3:\nb\0c\n"));
    fields_put(&b, "empty", STR(""));
    fields_put_u64(&b, "number", UINT64_MAX);
    assert_true(fields_find(buf_str(&b), "odd", &value));
    assert_true(str_eq(value, STR("a=3:\nb\0c\n")));
    assert_true(fields_find(buf_str(&b), "empty", &value));
    assert_int_equal(value.len, 0);
    assert_true(fields_find_u64(buf_str(&b), "number", 0) == UINT64_MAX);
    assert_int_equal(fields_find_u64(buf_str(&b), "name", 7), 7);
    assert_int_equal(fields_find_u64(buf_str(&b), "none", 7), 7);
    assert_false(fields_find(buf_str(&b), "none", &value));
    buf_deinit(&b);
}

static void a_record_is_text(void **state)
{
    struct buf b = {0};

    (void)state;
    fields_put(&b, "jid", STR("a@b/c"));
    fields_put_u64(&b, "n", 12);
    assert_true(str_is(buf_str(&b), "jid=5:a@b/c\nn=2:12\n"));
    buf_deinit(&b);
}

static void fields_of_one_name_come_in_the_order_they_were_put(void **state)
{
    struct buf b = {0};
    struct field f;

    (void)state;
    fields_put(&b, "x", STR("1"));
    fields_put(&b, "y", STR("-"));
    fields_put(&b, "x", STR("2"));
    struct str rest = buf_str(&b);

    assert_true(fields_next(&rest, &f) && str_is(f.name, "x") && str_is(f.value, "1"));
    assert_true(fields_next(&rest, &f) && str_is(f.name, "y"));
    assert_true(fields_next(&rest, &f) && str_is(f.name, "x") && str_is(f.value, "2"));
    assert_false(fields_next(&rest, &f));
    assert_int_equal(rest.len, 0);
    buf_deinit(&b);
}

static void a_damaged_record_ends_where_the_damage_is(void **state)
{
    static const char *const damaged[] = {"y",
                                          "y=",
                                          "y=1",
                                          "y=1:",
                                          "y=1:a",
                                          "y=2:a\n",
                                          "y=x:a\n",
                                          "y=-1:a\n",
                                          "y=1:ab\n",
                                          "y=4294967296:a\n",
                                          "y=18446744073709551615:a\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        struct buf b = {0};
        struct field f;

        fields_put(&b, "x", STR("1"));
        buf_append_cstr(&b, damaged[i]);
        struct str rest = buf_str(&b);

        assert_true(fields_next(&rest, &f) && str_is(f.value, "1"));
        assert_false(fields_next(&rest, &f));
        assert_true(str_is(rest, damaged[i]));
        assert_false(fields_find(buf_str(&b), "y", &f.value));
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_whatever_bytes_it_has),
        cmocka_unit_test(a_record_is_text),
        cmocka_unit_test(fields_of_one_name_come_in_the_order_they_were_put),
        cmocka_unit_test(a_damaged_record_ends_where_the_damage_is),
    };

    return cmocka_run_group_tests_name("fields", tests, NULL, NULL);
}
