#include "common/utf8.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool is_scalar(uint32_t cp)
{
    return cp < 0xd800 || (cp > 0xdfff && cp <= 0x10ffff);
}

static void every_character_survives_encoding_and_decoding(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        char bytes[4];
        uint32_t back = 0;
        int len;

        if (!is_scalar(cp))
            continue;
        len = utf8_encode(cp, bytes);
        assert_int_equal(utf8_decode(str_make(bytes, (size_t)len), &back), len);
        assert_int_equal(back, cp);
    }
}

static void every_beginning_of_a_character_waits_for_its_rest(void **state)
{
    (void)state;
    for (uint32_t cp = 0x80; cp <= 0x10ffff; cp += 7) {
        char bytes[4];
        uint32_t back;
        int len;

        if (!is_scalar(cp))
            continue;
        len = utf8_encode(cp, bytes);
        for (int n = 0; n < len; n++)
            assert_int_equal(utf8_decode(str_make(bytes, (size_t)n), &back), -1);
    }
}

static void overlongs_surrogates_and_what_is_above_unicode_are_wrong(void **state)
{
    static const struct str wrong[] = {
        STR_INIT("\x80"),     /* a continuation without a beginning */
        STR_INIT("\xc0\x80"), /* overlong NUL */
        STR_INIT("\xc1\xbf"), /* overlong DEL */
        STR_INIT("\xe0\x80\x80"),
        STR_INIT("\xe0\x9f\xbf"), /* overlong U+07FF */
        STR_INIT("\xf0\x80\x80\x80"),
        STR_INIT("\xf0\x8f\xbf\xbf"), /* overlong U+FFFF */
        STR_INIT("\xed\xa0\x80"),
        STR_INIT("\xed\xbf\xbf"),     /* U+D800, U+DFFF */
        STR_INIT("\xf4\x90\x80\x80"), /* U+110000 */
        STR_INIT("\xf5\x80\x80\x80"),
        STR_INIT("\xf8\x88\x80\x80\x80"),
        STR_INIT("\xff"),
        STR_INIT("\xc3("),
        STR_INIT("\xe2\x82("),
        STR_INIT("\xf0\x9f\x98("),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        uint32_t cp;

        assert_int_equal(utf8_decode(wrong[i], &cp), 0);
        assert_false(utf8_is_valid(wrong[i]));
    }
}

/* RFC 3629 section 4, in another form than the code has it. */
static bool is_valid_pair(unsigned a, unsigned b)
{
    if (a >= 0xc2 && a <= 0xdf)
        return b >= 0x80 && b <= 0xbf;
    if (a >= 0xe0 && a <= 0xef)
        return b >= (a == 0xe0 ? 0xa0u : 0x80u) && b <= (a == 0xed ? 0x9fu : 0xbfu);
    if (a >= 0xf0 && a <= 0xf4)
        return b >= (a == 0xf0 ? 0x90u : 0x80u) && b <= (a == 0xf4 ? 0x8fu : 0xbfu);
    return false;
}

static void the_first_two_bytes_decide_what_can_become_valid(void **state)
{
    (void)state;
    for (unsigned a = 0x80; a <= 0xff; a++) {
        for (unsigned b = 0; b <= 0xff; b++) {
            char bytes[2] = {(char)a, (char)b};
            uint32_t cp;

            assert_int_equal(utf8_decode(str_make(bytes, 2), &cp) != 0, is_valid_pair(a, b));
        }
    }
}

static void text_is_valid_when_all_its_characters_are_whole(void **state)
{
    struct str text = STR("0123456789 \u00e4\u20ac\U0001f600 ende");

    (void)state;
    assert_true(utf8_is_valid(text));
    assert_true(utf8_is_valid(STR("")));
    assert_false(utf8_is_valid(str_make(text.p, 12)));
    assert_true(utf8_is_valid(str_make(text.p, 13)));
    assert_false(utf8_is_valid(str_make(text.p, 15)));
}

static void the_ascii_prefix_ends_at_the_first_other_byte(void **state)
{
    char text[40];

    (void)state;
    for (size_t at = 0; at < sizeof(text); at++) {
        memset(text, 'a', sizeof(text));
        assert_int_equal(utf8_ascii_prefix(str_make(text, at)), at);
        text[at] = '\x80';
        assert_int_equal(utf8_ascii_prefix(str_make(text, sizeof(text))), at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_survives_encoding_and_decoding),
        cmocka_unit_test(every_beginning_of_a_character_waits_for_its_rest),
        cmocka_unit_test(overlongs_surrogates_and_what_is_above_unicode_are_wrong),
        cmocka_unit_test(the_first_two_bytes_decide_what_can_become_valid),
        cmocka_unit_test(text_is_valid_when_all_its_characters_are_whole),
        cmocka_unit_test(the_ascii_prefix_ends_at_the_first_other_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
