/* tests/unit/common/test_crc32c.c - against the values that RFC 3720 appendix B.4 gives for CRC32C. */
#include "common/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void the_published_values_come_out(void **state)
{
    char bytes[32];

    (void)state;
    assert_int_equal(crc32c(CRC32C_BEGIN, STR("")), 0);
    assert_int_equal(crc32c(CRC32C_BEGIN, STR("123456789")), 0xe3069283);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(CRC32C_BEGIN, str_make(bytes, sizeof(bytes))), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(CRC32C_BEGIN, str_make(bytes, sizeof(bytes))), 0x62a8ab43);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    assert_int_equal(crc32c(CRC32C_BEGIN, str_make(bytes, sizeof(bytes))), 0x46dd794e);
}

static void parts_give_what_the_whole_gives(void **state)
{
    struct str whole = STR("a header, its checksum as zeros, and the rest");

    (void)state;
    for (size_t n = 0; n <= whole.len; n++)
        assert_int_equal(crc32c(crc32c(CRC32C_BEGIN, str_make(whole.p, n)), str_make(whole.p + n, whole.len - n)),
                         crc32c(CRC32C_BEGIN, whole));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_values_come_out),
        cmocka_unit_test(parts_give_what_the_whole_gives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
