#include "common/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* RFC 4648 section 10 */
static const struct {
    struct str bytes, base64, hex;
} vectors[] = {
    {STR_INIT(""), STR_INIT(""), STR_INIT("")},
    {STR_INIT("f"), STR_INIT("Zg=="), STR_INIT("66")},
    {STR_INIT("fo"), STR_INIT("Zm8="), STR_INIT("666f")},
    {STR_INIT("foo"), STR_INIT("Zm9v"), STR_INIT("666f6f")},
    {STR_INIT("foob"), STR_INIT("Zm9vYg=="), STR_INIT("666f6f62")},
    {STR_INIT("fooba"), STR_INIT("Zm9vYmE="), STR_INIT("666f6f6261")},
    {STR_INIT("foobar"), STR_INIT("Zm9vYmFy"), STR_INIT("666f6f626172")},
    {STR_INIT("\xfb\xff\xfe\0"), STR_INIT("+//+AA=="), STR_INIT("fbfffe00")},
};

static void the_vectors_of_rfc_4648_encode_and_decode(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct buf text = {0}, bytes = {0}, hex = {0};

        base64_encode(&text, vectors[i].bytes);
        assert_true(str_eq(buf_str(&text), vectors[i].base64));
        assert_true(base64_decode(&bytes, vectors[i].base64));
        assert_true(str_eq(buf_str(&bytes), vectors[i].bytes));
        hex_encode(&hex, vectors[i].bytes);
        assert_true(str_eq(buf_str(&hex), vectors[i].hex));
        buf_deinit(&text);
        buf_deinit(&bytes);
        buf_deinit(&hex);
    }
}

static void results_are_appended_to_what_was_there(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_append_cstr(&b, "c=");
    base64_encode(&b, STR("foo"));
    assert_true(str_is(buf_str(&b), "c=Zm9v"));
    assert_true(base64_decode(&b, STR("Zm8=")));
    assert_true(str_is(buf_str(&b), "c=Zm9vfo"));
    hex_encode(&b, STR("\x0f"));
    assert_true(str_is(buf_str(&b), "c=Zm9vfo0f"));
    buf_deinit(&b);
}

static void what_is_not_strict_base64_is_refused_and_nothing_is_appended(void **state)
{
    static const struct str wrong[] = {
        STR_INIT("Z"),          STR_INIT("Zg"),       STR_INIT("Zg="),  STR_INIT("Zg==="),   STR_INIT("===="),
        STR_INIT("Z==="),       STR_INIT("Zg==Zg=="), STR_INIT("Zm=v"), STR_INIT("=Zm9"),    STR_INIT("Zm9v\n"),
        STR_INIT("Zm 9"),       STR_INIT("Zm9v    "), STR_INIT("Zm9-"), STR_INIT("Zm9_"),    STR_INIT("Zm9v\0\0\0\0"),
        STR_INIT("Zm\xc3\xa4"), STR_INIT("Zh=="),     STR_INIT("Zm9="), STR_INIT("Zm9vZg="), STR_INIT("Zm9v="),
        STR_INIT("Zm9vYg=a"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct buf b = {0};

        buf_append_cstr(&b, "kept");
        assert_false(base64_decode(&b, wrong[i]));
        assert_true(str_is(buf_str(&b), "kept"));
        buf_deinit(&b);
    }
}

static void any_bytes_come_back_as_they_went_in(void **state)
{
    char bytes[300];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 167 + 13);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        struct buf text = {0}, back = {0};

        base64_encode(&text, str_make(bytes, len));
        assert_true(base64_decode(&back, buf_str(&text)));
        assert_true(str_eq(buf_str(&back), str_make(bytes, len)));
        buf_deinit(&text);
        buf_deinit(&back);
    }
}

static void each_byte_value_decodes_only_if_it_is_in_the_alphabet(void **state)
{
    int good = 0;

    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[4] = {(char)c, 'A', 'A', 'A'};
        struct buf b = {0};

        if (base64_decode(&b, str_make(text, 4))) {
            struct buf again = {0};

            base64_encode(&again, buf_str(&b));
            assert_true(str_eq(buf_str(&again), str_make(text, 4)));
            buf_deinit(&again);
            good++;
        }
        buf_deinit(&b);
    }
    assert_int_equal(good, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_4648_encode_and_decode),
        cmocka_unit_test(results_are_appended_to_what_was_there),
        cmocka_unit_test(what_is_not_strict_base64_is_refused_and_nothing_is_appended),
        cmocka_unit_test(any_bytes_come_back_as_they_went_in),
        cmocka_unit_test(each_byte_value_decodes_only_if_it_is_in_the_alphabet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
