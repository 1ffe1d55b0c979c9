#include "common/xmpp/precis.h"

#include "common/mem.h"
#include "common/utf8.h"
#include "common/xmpp/precis_class.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unictype.h>
#include <unigbrk.h>
#include <uninorm.h>

#include <cmocka.h>

typedef enum ln_err prepare(struct str text, char *out, size_t cap, size_t *ret_len);

static void assert_prepared(prepare *profile, struct str text, struct str want)
{
    char out[256];
    size_t len;

    if (profile(text, out, sizeof(out), &len) != LN_OK)
        fail_msg("refused: \"%.*s\"", STR_ARG(text));
    if (!str_eq(str_make(out, len), want))
        fail_msg("got \"%.*s\", want \"%.*s\"", (int)len, out, STR_ARG(want));
}

static void assert_refused(prepare *profile, struct str text)
{
    char out[256];
    size_t len = 4711;

    if (profile(text, out, sizeof(out), &len) != LN_E_INVALID)
        fail_msg("taken: \"%.*s\"", STR_ARG(text));
    assert_int_equal(len, 4711);
}

/* --- profiles --- */

static void the_user_names_of_rfc_8265_are_prepared_or_refused(void **state)
{
    (void)state; /* section 3.5 */
    assert_prepared(precis_username, STR("juliet@example.com"), STR("juliet@example.com"));
    assert_prepared(precis_username, STR("fussball"), STR("fussball"));
    assert_prepared(precis_username, STR("fu\u00dfball"), STR("fu\u00dfball"));
    assert_prepared(precis_username, STR("\u03c0"), STR("\u03c0"));
    assert_prepared(precis_username, STR("\u03a3"), STR("\u03c3"));
    assert_prepared(precis_username, STR("\u03c3"), STR("\u03c3"));
    assert_prepared(precis_username, STR("\u03c2"), STR("\u03c2"));
    assert_refused(precis_username, STR("foo bar"));
    assert_refused(precis_username, STR(""));
    assert_refused(precis_username, STR("henry\u2163"));
    assert_refused(precis_username, STR("\u265a"));
}

static void the_passwords_of_rfc_8265_are_prepared_or_refused(void **state)
{
    (void)state; /* section 4.3 */
    assert_prepared(precis_opaque_string, STR("correct horse battery staple"), STR("correct horse battery staple"));
    assert_prepared(precis_opaque_string, STR("Correct Horse Battery Staple"), STR("Correct Horse Battery Staple"));
    assert_prepared(precis_opaque_string, STR("\u03c0\u00df\u00e5"), STR("\u03c0\u00df\u00e5"));
    assert_prepared(precis_opaque_string, STR("Jack of \u2666s"), STR("Jack of \u2666s"));
    assert_prepared(precis_opaque_string, STR("foo\u1680bar"), STR("foo bar"));
    assert_refused(precis_opaque_string, STR(""));
    assert_refused(precis_opaque_string, STR("my cat is a \tby"));
}

static void what_is_typed_in_different_ways_becomes_one_user_name(void **state)
{
    static const struct str forms[] = {STR_INIT("\u00c4nne"), STR_INIT("\u00e4NNE"), STR_INIT("A\u0308nne"),
                                       STR_INIT("\uff21\u0308\uff2e\uff4e\uff25")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        assert_prepared(precis_username, forms[i], STR("\u00e4nne"));
}

static void a_password_keeps_its_case_and_its_width(void **state)
{
    (void)state;
    assert_prepared(precis_opaque_string, STR("\u00c4\uff21\u2163\ufb01"), STR("\u00c4\uff21\u2163\ufb01"));
    assert_prepared(precis_opaque_string, STR(" A\u0308 \u00a0"), STR(" \u00c4  "));
}

static void what_does_not_fit_says_so(void **state)
{
    char out[4];
    size_t len = 4711;

    (void)state;
    assert_int_equal(precis_opaque_string(STR("abcd"), out, 4, &len), LN_OK);
    len = 4711;
    assert_int_equal(precis_opaque_string(STR("abcde"), out, 4, &len), LN_E_LIMIT);
    assert_int_equal(precis_opaque_string(STR("\u00e4\u00e4\u00e4"), out, 4, &len), LN_E_LIMIT);
    assert_int_equal(precis_username(STR("\u00e4\u00e4\u00e4"), out, 4, &len), LN_E_LIMIT);
    assert_int_equal(len, 4711);
    assert_int_equal(precis_username(STR("\uff21\uff21\uff21\uff21"), out, 4, &len), LN_OK);
    assert_int_equal(len, 4);
}

static void what_is_not_utf_8_is_refused(void **state)
{
    static const struct str wrong[] = {STR_INIT("\xff"), STR_INIT("a\xc3"), STR_INIT("\xc0\xaf"),
                                       STR_INIT("\xed\xa0\x80"), STR_INIT("\xf4\x90\x80\x80")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_refused(precis_username, wrong[i]);
        assert_refused(precis_opaque_string, wrong[i]);
    }
}

/* --- classes --- */

/* RFC 8264 section 8, question by question as it is printed; 0 disallowed, 1 free, 2 valid, 3 in context only. */
static int property_by_the_book(uint32_t cp)
{
    static const uint32_t valid[] = {0xdf, 0x3c2, 0x6fd, 0x6fe, 0xf0b, 0x3007},
                          never[] = {0x640, 0x7fa, 0x302e, 0x302f, 0x3031, 0x3032, 0x3033, 0x3034, 0x3035, 0x303b},
                          context[] = {0xb7, 0x375, 0x5f3, 0x5f4, 0x30fb};
    const char *category = uc_general_category_name(uc_general_category(cp));
    int gbp = uc_graphemeclusterbreak_property(cp);
    uint32_t room[32];
    size_t len = ARRAY_LEN(room);
    bool has_compat;

    for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
        if (cp == valid[i])
            return 2;
    }
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        if (cp == never[i])
            return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(context); i++) {
        if (cp == context[i])
            return 3;
    }
    if ((cp >= 0x660 && cp <= 0x669) || (cp >= 0x6f0 && cp <= 0x6f9))
        return 3;
    if (strcmp(category, "Cn") == 0 && !uc_is_property_not_a_character(cp))
        return 0;
    if (cp >= 0x21 && cp <= 0x7e)
        return 2;
    if (uc_is_property_join_control(cp))
        return 3;
    /* Unicode 16 gave these break properties to some letters of an Indian script, which are no Hangul. */
    if ((gbp == GBP_L || gbp == GBP_V || gbp == GBP_T) && strcmp(uc_script(cp)->name, "Hangul") == 0)
        return 0;
    if (uc_is_property_default_ignorable_code_point(cp) || uc_is_property_not_a_character(cp))
        return 0;
    if (strcmp(category, "Cc") == 0)
        return 0;
    assert_ptr_equal(u32_normalize(UNINORM_NFKC, &cp, 1, room, &len), room);
    has_compat = len != 1 || room[0] != cp;
    if (has_compat)
        return 1;
    if (strstr("Ll Lu Lo Nd Lm Mn Mc", category) != NULL)
        return 2;
    if (strstr("Lt Nl No Me Zs Sm Sc Sk So Pc Pd Ps Pe Pi Pf Po", category) != NULL)
        return 1;
    return 0;
}

static void every_code_point_is_in_the_class_that_rfc_8264_puts_it_in(void **state)
{
    int count[4] = {0};

    (void)state;
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        int property;

        if (cp >= 0xd800 && cp <= 0xdfff)
            continue;
        property = property_by_the_book(cp);
        count[property]++;
        if (property == 3)
            continue;
        if (precis_class_allows(PRECIS_IDENTIFIER, &cp, 1) != (property == 2) ||
            precis_class_allows(PRECIS_FREEFORM, &cp, 1) != (property >= 1))
            fail_msg("U+%04X should be %d", cp, property);
    }
    assert_int_equal(count[3], 27);
    /* These only grow from one version of Unicode to the next. */
    assert_true(count[2] > 120000 && count[1] > 10000);
}

struct row {
    uint32_t cp[8]; /* up to the first 0 */
    bool is_allowed;
};

static size_t length(const struct row *r)
{
    size_t len = 0;

    while (len < ARRAY_LEN(r->cp) && r->cp[len] != 0)
        len++;
    return len;
}

static void some_code_points_are_allowed_only_in_company(void **state)
{
    static const struct row rows[] = {
        /* middle dot: l·l */
        {{'l', 0xb7, 'l'}, true},
        {{'l', 0xb7, 'L'}, false},
        {{'l', 0xb7}, false},
        {{0xb7, 'l'}, false},
        {{'a', 0xb7, 'l'}, false},
        {{0xb7}, false},
        /* keraia before Greek */
        {{0x375, 0x3b1}, true},
        {{0x375, 'a'}, false},
        {{0x3b1, 0x375}, false},
        /* geresh and gershayim after Hebrew */
        {{0x5d0, 0x5f3}, true},
        {{0x5d0, 0x5f4}, true},
        {{0x5f3, 0x5d0}, false},
        {{'a', 0x5f4}, false},
        /* katakana middle dot with any Japanese */
        {{'a', 0x30fb, 0x30a2}, true},
        {{0x3042, 0x30fb}, true},
        {{0x30fb, 'a', 0x4e00}, true},
        {{0x30fb, 'a'}, false},
        {{0x30fb, 0x30fb}, false},
        {{0x30fb}, false},
        /* the two sets of Arabic digits */
        {{0x660, 0x669}, true},
        {{0x6f0, 0x6f9}, true},
        {{0x660, 0x6f0}, false},
        {{0x6f0, 'a', 0x660}, false},
        {{0x660, 0xb7}, false}, /* a rule that holds says nothing about the next */
        {{0x3042, 0x30fb, 0x30fb, 0x660, 0x6f0}, false},
        /* joiners after a virama; the non-joiner also between joining letters, marks in between set aside */
        {{0x915, 0x94d, 0x200d}, true},
        {{0x915, 0x94d, 0x200c}, true},
        {{0x915, 0x200d}, false},
        {{0x915, 0x200c}, false},
        {{0x200d}, false},
        {{0x200c}, false},
        {{0x200d, 0x94d}, false},
        {{0x628, 0x200c, 0x628}, true},
        {{0x628, 0x64e, 0x200c, 0x64e, 0x628}, true},
        {{0x628, 0x200c, 0x627}, true},
        {{0x627, 0x200c, 0x628}, false}, /* alef joins to the right only */
        {{0x628, 0x200c}, false},
        {{0x628, 0x200c, 0x64e}, false},
        {{0x200c, 0x628}, false},
        {{'a', 0x200c, 'b'}, false},
        {{0x628, 0x200c, 0x200c, 0x628}, false},
        {{0x628, 0x200d, 0x628}, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int class = PRECIS_IDENTIFIER; class <= PRECIS_FREEFORM; class ++) {
            if (precis_class_allows((enum precis_class) class, rows[i].cp, length(&rows[i])) != rows[i].is_allowed)
                fail_msg("row %zu, class %d", i, class);
        }
    }
}

static void a_name_of_right_to_left_letters_keeps_the_bidi_rule(void **state)
{
    static const struct row rows[] = {
        {{'a', '1', 0x308}, true}, /* no right-to-left: the rule does not apply */
        {{'1', 'a'}, true},
        {{'-'}, true},
        {{0x5d0}, true},
        {{0x5d0, 0x627}, true},
        {{0x5d0, '1'}, true},
        {{0x5d0, 0x661}, true},
        {{0x5d0, '-', 0x5d1}, true},
        {{0x5d0, 0x5b0}, true},              /* ends in a mark after a letter */
        {{0x5d0, '1', 0x5b0, 0x5b0}, true},  /* or after a number */
        {{0x5d0, 'a'}, false},               /* 2 */
        {{'a', 0x5d0}, false},               /* 5 */
        {{'1', 0x5d0}, false},               /* 1 */
        {{0x661, 0x5d0}, false},             /* 1 */
        {{0x661}, false},                    /* 1: a number alone */
        {{'-', 0x5d0}, false},               /* 1 */
        {{0x5b0, 0x5d0}, false},             /* 1 */
        {{0x5d0, '-'}, false},               /* 3 */
        {{0x5d0, '-', 0x5b0}, false},        /* 3 */
        {{0x5d0, '1', 0x661}, false},        /* 4 */
        {{0x5d0, '1', 0x5d0, 0x661}, false}, /* 4 */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (precis_bidi_allows(rows[i].cp, length(&rows[i])) != rows[i].is_allowed)
            fail_msg("row %zu", i);
    }
    assert_prepared(precis_username, STR("\u05d0\u05d1"), STR("\u05d0\u05d1"));
    assert_refused(precis_username, STR("a\u05d0"));
    assert_prepared(precis_opaque_string, STR("a\u05d0"), STR("a\u05d0")); /* has no such rule */
}

/* --- preparing twice --- */

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Most of Unicode is refused, so most characters come from blocks where something happens. */
static uint32_t random_code_point(uint64_t *seed)
{
    static const struct {
        uint32_t first, count;
    } blocks[] = {
        {0x20, 0x60},    {0xa0, 0x160},   {0x300, 0x70},   {0x370, 0x90},      {0x400, 0x130},
        {0x590, 0x170},  {0x900, 0x80},   {0x1100, 0x100}, {0x1e00, 0x200},    {0x2000, 0x70},
        {0x3040, 0xc0},  {0xac00, 0x40},  {0xf900, 0x200}, {0xff00, 0xf0},     {0x10400, 0x50},
        {0x1d165, 0x10}, {0x11100, 0x40}, {0x0, 0xd800},   {0x10000, 0x20000},
    };
    uint64_t dice = random_next(seed);
    size_t block = dice % ARRAY_LEN(blocks);

    return blocks[block].first + (uint32_t)(dice >> 8) % blocks[block].count;
}

static void what_is_prepared_stays_as_it_is_when_prepared_again(void **state)
{
    prepare *profiles[] = {precis_username, precis_opaque_string};
    uint64_t seed = 20150901;
    int prepared[2] = {0};

    (void)state;
    for (int round = 0; round < 60000; round++) {
        char text[64], once[256], twice[256];
        size_t len = 0, once_len, twice_len;

        for (uint64_t n = 1 + random_next(&seed) % 5; n > 0; n--)
            len += (size_t)utf8_encode(random_code_point(&seed), text + len);
        for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
            if (profiles[i](str_make(text, len), once, sizeof(once), &once_len) != LN_OK)
                continue;
            prepared[i]++;
            assert_int_equal(profiles[i](str_make(once, once_len), twice, sizeof(twice), &twice_len), LN_OK);
            assert_true(str_eq(str_make(once, once_len), str_make(twice, twice_len)));
        }
    }
    assert_true(prepared[0] > 5000 && prepared[1] > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_user_names_of_rfc_8265_are_prepared_or_refused),
        cmocka_unit_test(the_passwords_of_rfc_8265_are_prepared_or_refused),
        cmocka_unit_test(what_is_typed_in_different_ways_becomes_one_user_name),
        cmocka_unit_test(a_password_keeps_its_case_and_its_width),
        cmocka_unit_test(what_does_not_fit_says_so),
        cmocka_unit_test(what_is_not_utf_8_is_refused),
        cmocka_unit_test(every_code_point_is_in_the_class_that_rfc_8264_puts_it_in),
        cmocka_unit_test(some_code_points_are_allowed_only_in_company),
        cmocka_unit_test(a_name_of_right_to_left_letters_keeps_the_bidi_rule),
        cmocka_unit_test(what_is_prepared_stays_as_it_is_when_prepared_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
