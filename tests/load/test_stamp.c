#include "tests/load/stamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void what_is_written_is_read_and_has_the_length_that_was_asked_for(void **state)
{
    static const struct stamp stamps[] = {{0, 0, 0, 0}, {7, 1, 10, 99}, {100, 0, 12345, 1234567890123456789u}};
    static const size_t sizes[] = {0, 1, 20, 50, 100, 5000};

    (void)state;
    for (size_t i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++)
        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            struct buf b = {0};
            struct stamp s;
            stamp_write(&b, &stamps[i], sizes[k]);
            assert_true(stamp_read(buf_str(&b), &s));
            assert_memory_equal(&s, &stamps[i], sizeof(s));
            assert_true(b.len == sizes[k] || (b.len > sizes[k] && b.len <= 32));
            buf_deinit(&b);
        }
}

static void other_text_is_no_stamp(void **state)
{
    static const char *const texts[] = {"", "hello", "1 2 3", "1 2 3 ", "1 2 x 4", " 1 2 3 4", "1  2 3 4"};
    struct stamp s;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(stamp_read(str_of(texts[i]), &s));
}

/* Receives the numbers, a negative one ending them, and adds up as for `sent`. */
static struct flow_totals totals_of(const int *numbers, uint64_t sent)
{
    struct flow f = {0};
    struct flow_totals t = {0};

    for (; *numbers >= 0; numbers++)
        (void)flow_receive(&f, (uint64_t)*numbers, &t);
    flow_finish(&f, sent, &t);
    return t;
}

static void assert_totals(struct flow_totals t, uint64_t lost, uint64_t duplicated, uint64_t out_of_order)
{
    assert_int_equal(t.lost, lost);
    assert_int_equal(t.duplicated, duplicated);
    assert_int_equal(t.out_of_order, out_of_order);
}

static void each_kind_of_wrong_is_told_apart(void **state)
{
    (void)state;
    assert_totals(totals_of((const int[]){0, 1, 2, 3, -1}, 4), 0, 0, 0);
    assert_totals(totals_of((const int[]){0, 1, 3, -1}, 4), 1, 0, 0);
    assert_totals(totals_of((const int[]){0, 1, 2, -1}, 4), 1, 0, 0); /* the last one */
    assert_totals(totals_of((const int[]){1, 2, 3, -1}, 4), 1, 0, 0); /* the first one */
    assert_totals(totals_of((const int[]){-1}, 4), 4, 0, 0);
    assert_totals(totals_of((const int[]){0, 1, 1, 2, 3, -1}, 4), 0, 1, 0);
    assert_totals(totals_of((const int[]){0, 1, 2, 3, 0, -1}, 4), 0, 1, 0);
    assert_totals(totals_of((const int[]){0, 2, 1, 3, -1}, 4), 0, 0, 1);
    assert_totals(totals_of((const int[]){3, 2, 1, 0, -1}, 4), 0, 0, 3);
    assert_totals(totals_of((const int[]){0, 2, 1, 1, 3, -1}, 4), 0, 1, 1); /* late, and then again */
    assert_totals(totals_of((const int[]){0, 2, 2, 3, -1}, 4), 1, 1, 0);
}

static void what_comes_long_after_a_gap_is_never_taken_for_good(void **state)
{
    struct flow_totals t;

    (void)state;
    t = totals_of((const int[]){0, 64, 1, 63, -1}, 65);
    assert_totals(t, 61, 0, 2);
    t = totals_of((const int[]){0, 65, 1, -1}, 66); /* too long ago to be told from a duplicate: both are counted */
    assert_totals(t, 64, 1, 0);
    t = totals_of((const int[]){0, 1000, 1000, 999, -1}, 1001);
    assert_totals(t, 998, 1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_and_has_the_length_that_was_asked_for),
        cmocka_unit_test(other_text_is_no_stamp),
        cmocka_unit_test(each_kind_of_wrong_is_told_apart),
        cmocka_unit_test(what_comes_long_after_a_gap_is_never_taken_for_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
