#include "tests/load/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MINUTE_NS 60000000000ULL

static int setup(void **state)
{
    *state = histogram_new();
    return 0;
}

static int teardown(void **state)
{
    struct histogram *h = *state;

    histogram_free(&h);
    return h == NULL ? 0 : -1;
}

static void an_empty_histogram_answers_zero(void **state)
{
    const struct histogram *h = *state;

    assert_int_equal(histogram_count(h), 0);
    assert_int_equal(histogram_min(h), 0);
    assert_int_equal(histogram_max(h), 0);
    assert_int_equal(histogram_percentile(h, 99), 0);
    assert_true(histogram_mean(h) == 0);
}

static void every_value_is_known_to_a_thousandth_and_never_told_too_low(void **state)
{
    struct histogram *h = *state;

    for (uint64_t ns = 1; ns < 15 * MINUTE_NS; ns += 1 + ns / 37) {
        histogram_reset(h);
        histogram_record(h, ns);
        histogram_record(h, 18 * MINUTE_NS); /* so that the maximum does not cut the bucket off */
        uint64_t told = histogram_percentile(h, 50);

        assert_true(told >= ns);
        assert_true(told - ns <= ns / 1000);
    }
}

static void small_values_are_exact(void **state)
{
    struct histogram *h = *state;

    for (uint64_t ns = 0; ns < 2048; ns++)
        histogram_record(h, ns);
    for (uint64_t ns = 0; ns < 2048; ns++)
        assert_int_equal(histogram_percentile(h, (double)(ns + 1) * 100 / 2048), ns);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void percentiles_are_those_of_the_sorted_values(void **state)
{
    enum { VALUES = 10000 };
    static uint64_t values[VALUES];
    static const size_t ranks[] = {1, 2, 100, 2500, 5000, 9000, 9900, 9990, 9999, 10000};
    struct histogram *h = *state;
    uint64_t seed = 1;

    for (int i = 0; i < VALUES; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        values[i] = (seed >> 33) % (1ULL << (4 + seed % 31)); /* of all sizes */
        histogram_record(h, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), compare);
    for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++) {
        uint64_t exact = values[ranks[i] - 1];
        uint64_t told = histogram_percentile(h, (double)ranks[i] * 100 / VALUES);

        assert_true(told >= exact);
        assert_true(told - exact <= exact / 1000);
    }
    assert_int_equal(histogram_min(h), values[0]);
    assert_int_equal(histogram_max(h), values[VALUES - 1]);
    assert_int_equal(histogram_percentile(h, 100), values[VALUES - 1]);
    assert_true(histogram_percentile(h, 0) <= values[0] + values[0] / 1000);
}

static void a_share_that_is_a_whole_number_is_not_rounded_up(void **state)
{
    struct histogram *h = *state;

    for (uint64_t ns = 1; ns <= 1000; ns++)
        histogram_record(h, ns);
    assert_int_equal(histogram_percentile(h, 99.9), 999);
    assert_int_equal(histogram_percentile(h, 99.91), 1000);
}

static void one_stall_among_many_shows_at_the_top_only(void **state)
{
    struct histogram *h = *state;

    for (int i = 0; i < 9999; i++)
        histogram_record(h, 1000);
    histogram_record(h, 3 * MINUTE_NS);
    assert_int_equal(histogram_percentile(h, 99.99), 1000);
    assert_int_equal(histogram_percentile(h, 100), 3 * MINUTE_NS);
    assert_int_equal(histogram_max(h), 3 * MINUTE_NS);
}

static void what_is_longer_than_the_last_bucket_keeps_its_maximum(void **state)
{
    struct histogram *h = *state;

    histogram_record(h, UINT64_MAX);
    histogram_record(h, 5);
    assert_int_equal(histogram_count(h), 2);
    assert_int_equal(histogram_percentile(h, 50), 5);
    assert_true(histogram_percentile(h, 99) == UINT64_MAX);
}

static void the_mean_is_exact(void **state)
{
    struct histogram *h = *state;

    histogram_record(h, 1000001);
    histogram_record(h, 3000002);
    assert_true(histogram_mean(h) == 2000001.5);
}

static void merging_is_the_same_as_recording_in_one(void **state)
{
    struct histogram *h = *state, *one = histogram_new(), *other = histogram_new();

    for (uint64_t i = 1; i <= 3000; i++) {
        uint64_t ns = i * i * i;

        histogram_record(h, ns);
        histogram_record(i % 3 == 0 ? one : other, ns);
    }
    histogram_merge(one, other);
    assert_int_equal(histogram_count(one), histogram_count(h));
    assert_int_equal(histogram_min(one), histogram_min(h));
    assert_int_equal(histogram_max(one), histogram_max(h));
    for (double percent = 0; percent <= 100; percent += 0.5)
        assert_int_equal(histogram_percentile(one, percent), histogram_percentile(h, percent));
    histogram_reset(other);
    histogram_merge(one, other);
    assert_int_equal(histogram_min(one), 1);
    histogram_merge(other, one);
    assert_int_equal(histogram_min(other), 1);
    assert_int_equal(histogram_count(other), 3000);
    histogram_free(&one);
    histogram_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_histogram_answers_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(every_value_is_known_to_a_thousandth_and_never_told_too_low, setup, teardown),
        cmocka_unit_test_setup_teardown(small_values_are_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(percentiles_are_those_of_the_sorted_values, setup, teardown),
        cmocka_unit_test_setup_teardown(a_share_that_is_a_whole_number_is_not_rounded_up, setup, teardown),
        cmocka_unit_test_setup_teardown(one_stall_among_many_shows_at_the_top_only, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_longer_than_the_last_bucket_keeps_its_maximum, setup, teardown),
        cmocka_unit_test_setup_teardown(the_mean_is_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(merging_is_the_same_as_recording_in_one, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
