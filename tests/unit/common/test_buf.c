#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_zeroed_buffer_is_empty_and_can_be_used_and_freed(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_true(str_is(buf_str(&b), ""));
    buf_consume(&b, 0);
    buf_append(&b, NULL, 0);
    buf_append_str(&b, str_of(NULL));
    assert_null(b.p);
    buf_deinit(&b);
    buf_deinit(&b);
}

static void what_is_appended_comes_out_in_order(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_append(&b, "a\0b", 3);
    buf_append_str(&b, STR("-str"));
    buf_append_cstr(&b, "-cstr");
    buf_append_char(&b, '!');
    assert_true(str_eq(buf_str(&b), STR("a\0b-str-cstr!")));
    buf_deinit(&b);
}

static void numbers_are_written_in_decimal(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_append_u64(&b, 0);
    buf_append_char(&b, ' ');
    buf_append_u64(&b, 1090);
    buf_append_char(&b, ' ');
    buf_append_u64(&b, UINT64_MAX);
    assert_true(str_is(buf_str(&b), "0 1090 18446744073709551615"));
    buf_deinit(&b);
}

static void bytes_survive_growing(void **state)
{
    struct buf b = {0};

    (void)state;
    for (int i = 0; i < 100000; i++)
        buf_append_char(&b, (char)(i * 7));
    assert_int_equal(b.len, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.p[i], (char)(i * 7));
    buf_deinit(&b);
}

static void reserved_room_is_behind_the_end_and_not_yet_counted(void **state)
{
    struct buf b = {0};
    char *room;

    (void)state;
    buf_append_cstr(&b, "ab");
    room = buf_reserve(&b, 1000);
    assert_ptr_equal(room, b.p + 2);
    assert_true(b.cap - b.len >= 1000);
    assert_int_equal(b.len, 2);
    memset(room, 'c', 1000);
    b.len += 1000;
    assert_true(str_starts(buf_str(&b), STR("abccc")));
    buf_deinit(&b);
}

static void clearing_keeps_the_memory(void **state)
{
    struct buf b = {0};
    size_t cap;

    (void)state;
    buf_append_cstr(&b, "abc");
    cap = b.cap;
    buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_int_equal(b.cap, cap);
    buf_deinit(&b);
}

static void a_formatted_line_of_any_length_is_appended_whole(void **state)
{
    (void)state;
    for (int width = 1; width < 300; width++) {
        struct buf b = {0};

        buf_append_cstr(&b, "n=");
        buf_printf(&b, "%0*d", width, 7);
        assert_int_equal(b.len, 2 + width);
        assert_true(str_starts(buf_str(&b), STR("n=")));
        assert_int_equal(b.p[b.len - 1], '7');
        for (size_t i = 2; i + 1 < b.len; i++)
            assert_int_equal(b.p[i], '0');
        buf_deinit(&b);
    }
}

static void consumed_bytes_leave_from_the_front(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_append_cstr(&b, "abcdef");
    buf_consume(&b, 2);
    assert_true(str_is(buf_str(&b), "cdef"));
    buf_consume(&b, 4);
    assert_true(str_is(buf_str(&b), ""));
    buf_deinit(&b);
}

static void taking_moves_the_bytes_out_and_leaves_an_empty_buffer(void **state)
{
    struct buf b = {0};
    size_t len;
    char *taken;

    (void)state;
    buf_append_cstr(&b, "abc");
    taken = buf_take(&b, &len);
    assert_string_equal(taken, "abc");
    assert_int_equal(len, 3);
    assert_null(b.p);
    free(taken);
    taken = buf_take(&b, &len);
    assert_string_equal(taken, "");
    assert_int_equal(len, 0);
    free(taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zeroed_buffer_is_empty_and_can_be_used_and_freed),
        cmocka_unit_test(what_is_appended_comes_out_in_order),
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(bytes_survive_growing),
        cmocka_unit_test(reserved_room_is_behind_the_end_and_not_yet_counted),
        cmocka_unit_test(clearing_keeps_the_memory),
        cmocka_unit_test(a_formatted_line_of_any_length_is_appended_whole),
        cmocka_unit_test(consumed_bytes_leave_from_the_front),
        cmocka_unit_test(taking_moves_the_bytes_out_and_leaves_an_empty_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
