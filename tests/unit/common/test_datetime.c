#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/datetime.h"
#include "common/mem.h"

static void assert_ms(const char *text, int64_t want)
{
    int64_t ms = 42;

    assert_true(datetime_parse(str_of(text), &ms));
    assert_int_equal(ms, want);
}

static void dates_are_read_as_milliseconds_since_1970(void **state)
{
    (void)state;
    assert_ms("1970-01-01T00:00:00Z", 0);
    assert_ms("1969-12-31T23:59:59Z", -1000);
    assert_ms("1969-07-21T02:56:15Z", -14159025000); /* XEP-0082 */
    assert_ms("2000-02-29T00:00:00Z", 951782400000);
    assert_ms("2010-08-07T00:00:00Z", 1281139200000);
    assert_ms("2100-03-01T00:00:00Z", 4107542400000);
    assert_ms("2016-12-31T23:59:60Z", 1483228800000);
}

static void a_fraction_counts_to_the_millisecond(void **state)
{
    (void)state;
    assert_ms("1970-01-01T00:00:00.5Z", 500);
    assert_ms("1970-01-01T00:00:00.123Z", 123);
    assert_ms("1970-01-01T00:00:00.123999999999Z", 123);
}

static void an_offset_leads_to_utc(void **state)
{
    (void)state;
    assert_ms("1969-07-20T21:56:15-05:00", -14159025000); /* XEP-0082 */
    assert_ms("1970-01-01T01:30:00+01:30", 0);
    assert_ms("1970-01-01T00:00:00+00:00", 0);
}

static void what_was_formatted_is_read_back(void **state)
{
    static const int64_t times[] = {0, 1, 999, 1732310000123, 253402300799999, 68169600000, 951868799999};
    char text[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        int64_t ms = -1;

        assert_true(datetime_parse(datetime_format(times[i], text), &ms));
        assert_int_equal(ms, times[i]);
    }
}

static void what_is_no_date_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "2010-08-07",
        "2010-08-07T00:00:00",
        "2010-08-07 00:00:00Z",
        "2010-8-07T00:00:00Z",
        "2010-13-07T00:00:00Z",
        "2010-00-07T00:00:00Z",
        "2010-04-31T00:00:00Z",
        "2010-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2010-08-07T24:00:00Z",
        "2010-08-07T00:60:00Z",
        "2010-08-07T00:00:61Z",
        "2010-08-07T00:00:00.Z",
        "2010-08-07T00:00:00+0100",
        "2010-08-07T00:00:00+15:00",
        "2010-08-07T00:00:00Zx",
        "20100807T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "-010-08-07T00:00:00Z",
    };
    int64_t ms = 42;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (datetime_parse(str_of(bad[i]), &ms))
            fail_msg("taken for a date: %s", bad[i]);
    }
    assert_int_equal(ms, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_read_as_milliseconds_since_1970),
        cmocka_unit_test(a_fraction_counts_to_the_millisecond),
        cmocka_unit_test(an_offset_leads_to_utc),
        cmocka_unit_test(what_was_formatted_is_read_back),
        cmocka_unit_test(what_is_no_date_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
