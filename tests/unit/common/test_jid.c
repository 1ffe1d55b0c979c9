#include "common/xmpp/jid.h"

#include "common/mem.h"
#include "common/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include <idn2.h>

struct example {
    struct str text, prepared;
};

static const struct example examples[] = {
    /* RFC 7622 section 3.5, table 1 */
    {STR_INIT("juliet@example.com"), STR_INIT("juliet@example.com")},
    {STR_INIT("juliet@example.com/foo"), STR_INIT("juliet@example.com/foo")},
    {STR_INIT("juliet@example.com/foo bar"), STR_INIT("juliet@example.com/foo bar")},
    {STR_INIT("juliet@example.com/foo@bar"), STR_INIT("juliet@example.com/foo@bar")},
    {STR_INIT("foo\\20bar@example.com"), STR_INIT("foo\\20bar@example.com")},
    {STR_INIT("fussball@example.com"), STR_INIT("fussball@example.com")},
    {STR_INIT("fu\u00dfball@example.com"), STR_INIT("fu\u00dfball@example.com")},
    {STR_INIT("\u03c0@example.com"), STR_INIT("\u03c0@example.com")},
    {STR_INIT("\u03a3@example.com/foo"), STR_INIT("\u03c3@example.com/foo")},
    {STR_INIT("\u03c3@example.com/foo"), STR_INIT("\u03c3@example.com/foo")},
    {STR_INIT("\u03c2@example.com/foo"), STR_INIT("\u03c2@example.com/foo")},
    {STR_INIT("king@example.com/\u265a"), STR_INIT("king@example.com/\u265a")},
    {STR_INIT("example.com"), STR_INIT("example.com")},
    {STR_INIT("example.com/foobar"), STR_INIT("example.com/foobar")},
    {STR_INIT("a.example.com/b@example.net"), STR_INIT("a.example.com/b@example.net")},
    /* Row 18 of table 2 says that a resource may not begin with a space; erratum 4560 takes that back. */
    {STR_INIT("juliet@example.com/ foo"), STR_INIT("juliet@example.com/ foo")},
    /* cutting */
    {STR_INIT("a@b/c/d@e"), STR_INIT("a@b/c/d@e")},
    {STR_INIT("a@b//"), STR_INIT("a@b//")},
    {STR_INIT("b/@"), STR_INIT("b/@")},
    /* case */
    {STR_INIT("JULIET@EXAMPLE.COM/Balcony"), STR_INIT("juliet@example.com/Balcony")},
    {STR_INIT("Fu\u00dfBALL@B\u00dcCHER.example/\u00c4"), STR_INIT("fu\u00dfball@b\u00fccher.example/\u00c4")},
    {STR_INIT("\u0130@example.com"), STR_INIT("i\u0307@example.com")},
    /* the end of a word decides which small sigma it is */
    {STR_INIT("\u039f\u0394\u039f\u03a3@example.com"), STR_INIT("\u03bf\u03b4\u03bf\u03c2@example.com")},
    /* normalisation and width */
    {STR_INIT("a\u0308@example.com/a\u0308"), STR_INIT("\u00e4@example.com/\u00e4")},
    {STR_INIT("\uff2a\uff55liet@example.com"), STR_INIT("juliet@example.com")},
    {STR_INIT("\uff76\uff9e@example.com"), STR_INIT("\u30ac@example.com")},
    {STR_INIT("x@example.com/\uff2a"), STR_INIT("x@example.com/\uff2a")},
    {STR_INIT("x@example.com/a\u00a0b\u3000c"), STR_INIT("x@example.com/a b c")},
    /* domains */
    {STR_INIT("juliet@example.com."), STR_INIT("juliet@example.com")},
    {STR_INIT("juliet@Example.Com./balcony"), STR_INIT("juliet@example.com/balcony")},
    {STR_INIT("localhost"), STR_INIT("localhost")},
    {STR_INIT("a-b.c--d.1"), STR_INIT("a-b.c--d.1")},
    {STR_INIT("x@192.0.2.1/r"), STR_INIT("x@192.0.2.1/r")},
    {STR_INIT("x@[2001:DB8:0:0:0:0:0:1]/r"), STR_INIT("x@[2001:db8::1]/r")},
    {STR_INIT("[::1]"), STR_INIT("[::1]")},
    {STR_INIT("xn--bcher-kva.example"), STR_INIT("b\u00fccher.example")},
    {STR_INIT("XN--BCHER-KVA.Example."), STR_INIT("b\u00fccher.example")},
    {STR_INIT("b\u00fccher.example"), STR_INIT("b\u00fccher.example")},
    {STR_INIT("bu\u0308cher.example"), STR_INIT("b\u00fccher.example")},
    {STR_INIT("b\u00fccher\u3002example\uff0e"), STR_INIT("b\u00fccher.example")},
    {STR_INIT("\uff45\uff58ample.com"), STR_INIT("example.com")},
    {STR_INIT("stra\u00dfe.example"), STR_INIT("stra\u00dfe.example")},
    {STR_INIT("\u03a3.example"), STR_INIT("\u03c3.example")},
    {STR_INIT("\u03c2.example"), STR_INIT("\u03c2.example")},
    {STR_INIT("\u0645\u062b\u0627\u0644.example"), STR_INIT("\u0645\u062b\u0627\u0644.example")},
};

static const struct str not_jids[] = {
    /* RFC 7622 section 3.5, table 2, without row 18 */
    STR_INIT("\"juliet\"@example.com"),
    STR_INIT("foo bar@example.com"),
    STR_INIT("@example.com/"),
    STR_INIT("henry\u2163@example.com"),
    STR_INIT("\u265a@example.com"),
    STR_INIT("juliet@"),
    STR_INIT("/foobar"),
    /* what is empty, or not there */
    STR_INIT(""),
    STR_INIT("@"),
    STR_INIT("/"),
    STR_INIT("@/"),
    STR_INIT("@example.com"),
    STR_INIT("example.com/"),
    STR_INIT("juliet@example.com/"),
    STR_INIT("juliet@/r"),
    STR_INIT("."),
    STR_INIT("juliet@."),
    /* localparts: what RFC 7622 section 3.3.1 excludes, plain and fullwidth, spaces and controls */
    STR_INIT("a&b@example.com"),
    STR_INIT("a'b@example.com"),
    STR_INIT("a:b@example.com"),
    STR_INIT("a<b@example.com"),
    STR_INIT("a>b@example.com"),
    STR_INIT("a\tb@example.com"),
    STR_INIT("a\0b@example.com"),
    STR_INIT("a\x7f"
             "b@example.com"),
    STR_INIT("a\uff20b@example.com"),
    STR_INIT("a\uff0fb@example.com"),
    STR_INIT("a\uff1ab@example.com"),
    STR_INIT("a\u3000b@example.com"),
    STR_INIT("a\u00a0b@example.com"),
    STR_INIT("a\u200bb@example.com"),
    STR_INIT("\ufb01@example.com"),
    STR_INIT("\u212a@example.com"),
    /* resourceparts */
    STR_INIT("example.com/a\nb"),
    STR_INIT("example.com/a\0"),
    STR_INIT("example.com/\x7f"),
    STR_INIT("example.com/\xc2\x85"),
    STR_INIT("example.com/\u200e"),
    STR_INIT("example.com/\u2764\ufe0f"),
    STR_INIT("example.com/\ue000"),
    STR_INIT("example.com/\ufdd0"),
    STR_INIT("example.com/\u0378"),
    /* domainparts */
    STR_INIT("a@b@example.com"),
    STR_INIT("example..com"),
    STR_INIT("example.com.."),
    STR_INIT(".example.com"),
    STR_INIT("exa mple.com"),
    STR_INIT("exa_mple.com"),
    STR_INIT("-example.com"),
    STR_INIT("example-.com"),
    STR_INIT("ex--ample.com"),
    STR_INIT("example.com:5222"),
    STR_INIT("ex\uff0fample.com"),
    STR_INIT("ex\0ample.com"),
    STR_INIT("b\u00fccher\0.com"),
    STR_INIT("\u265a.example"),
    STR_INIT("\u2163.example"),
    STR_INIT("-\u00fc.example"),
    STR_INIT("\u0308a.example"),
    STR_INIT("\u0627a.example"),
    STR_INIT("xn--.example"),
    STR_INIT("xn--abc-.example"),
    STR_INIT("xn--0.example"),
    STR_INIT("xn--BCHER-kv.example"),
    STR_INIT("xn--\u00fc.example"),
    STR_INIT("["),
    STR_INIT("[]"),
    STR_INIT("[::1"),
    STR_INIT("[::1]x"),
    STR_INIT("[::1]."),
    STR_INIT("[::1%eth0]"),
    STR_INIT("[192.0.2.1]"),
    STR_INIT("[v1.a]"),
    STR_INIT("[::1\0]"),
    STR_INIT("[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]"),
    /* not UTF-8: cut short, overlong, a surrogate, above U+10FFFF, a stray byte */
    STR_INIT("\xc3@example.com"),
    STR_INIT("\xc0\x80@example.com"),
    STR_INIT("\xed\xa0\x80@example.com"),
    STR_INIT("example.com/\xf4\x90\x80\x80"),
    STR_INIT("example.com/\xff"),
    STR_INIT("example.com/\xe2\x99"),
    STR_INIT("ex\xe2\x99mple.com"),
};

static void assert_str(struct str got, struct str want)
{
    if (!str_eq(got, want))
        fail_msg("got \"%.*s\", want \"%.*s\"", STR_ARG(got), STR_ARG(want));
}

static void valid_addresses_are_prepared_and_preparing_them_again_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        struct jid_buf mem, again_mem;
        struct jid jid, again;

        if (jid_parse(examples[i].text, &mem, &jid) != LN_OK)
            fail_msg("refused: \"%.*s\"", STR_ARG(examples[i].text));
        assert_str(jid_full(&jid), examples[i].prepared);
        assert_int_equal(jid_parse(jid_full(&jid), &again_mem, &again), LN_OK);
        assert_str(jid_full(&again), examples[i].prepared);
        assert_int_equal(again.local_len, jid.local_len);
        assert_int_equal(again.bare_len, jid.bare_len);
    }
}

static void what_is_not_an_address_is_refused_and_the_result_left_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(not_jids); i++) {
        struct arena *arena = arena_new(256);
        struct jid_buf mem;
        struct jid jid = {.local_len = 4711};

        if (jid_parse(not_jids[i], &mem, &jid) != LN_E_INVALID)
            fail_msg("row %zu was taken: \"%.*s\"", i, STR_ARG(not_jids[i]));
        assert_int_equal(jid_parse_arena(not_jids[i], arena, &jid), LN_E_INVALID);
        assert_int_equal(jid.local_len, 4711);
        arena_free(&arena);
    }
}

static void an_arena_gets_the_same_address_as_a_buffer(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        struct arena *arena = arena_new(64);
        struct jid_buf mem;
        struct jid in_mem, in_arena;

        assert_int_equal(jid_parse(examples[i].text, &mem, &in_mem), LN_OK);
        assert_int_equal(jid_parse_arena(examples[i].text, arena, &in_arena), LN_OK);
        assert_str(jid_full(&in_arena), jid_full(&in_mem));
        assert_int_equal(in_arena.local_len, in_mem.local_len);
        assert_int_equal(in_arena.bare_len, in_mem.bare_len);
        arena_free(&arena);
    }
}

static void an_address_that_is_prepared_ascii_is_not_copied(void **state)
{
    static const char text[] = "juliet@example.com/Balcony", upper[] = "Juliet@example.com/Balcony";
    struct arena *arena = arena_new(64);
    struct jid jid;

    (void)state;
    assert_int_equal(jid_parse_arena(str_of(text), arena, &jid), LN_OK);
    assert_ptr_equal(jid.full.p, text);
    assert_int_equal(jid_parse_arena(str_of(upper), arena, &jid), LN_OK);
    assert_ptr_not_equal(jid.full.p, upper);
    arena_free(&arena);
}

/* Empty when there is none. */
static struct str resource_of(const struct jid *jid)
{
    size_t skip = jid->bare_len + (jid_is_bare(jid) ? 0u : 1u);

    return str_make(jid->full.p + skip, jid->full.len - skip);
}

static void assert_parts(const struct jid *jid, struct str local, struct str domain, struct str resource)
{
    assert_str(jid_local(jid), local);
    assert_str(jid_domain(jid), domain);
    assert_str(resource_of(jid), resource);
    assert_int_equal(jid_is_bare(jid), resource.len == 0);
    assert_false(jid_is_empty(jid));
}

static void an_address_is_cut_at_the_first_slash_and_the_first_at_sign_before_it(void **state)
{
    struct jid_buf mem;
    struct jid jid, bare;

    (void)state;
    assert_int_equal(jid_parse(STR("juliet@example.com/a/b@c"), &mem, &jid), LN_OK);
    assert_parts(&jid, STR("juliet"), STR("example.com"), STR("a/b@c"));
    assert_str(jid_bare(&jid), STR("juliet@example.com"));
    bare = jid_to_bare(&jid);
    assert_parts(&bare, STR("juliet"), STR("example.com"), STR(""));
    assert_int_equal(jid_parse(STR("example.com/a@b"), &mem, &jid), LN_OK);
    assert_parts(&jid, STR(""), STR("example.com"), STR("a@b"));
    assert_str(jid_bare(&jid), STR("example.com"));
    assert_int_equal(jid_parse(STR("juliet@example.com"), &mem, &jid), LN_OK);
    assert_parts(&jid, STR("juliet"), STR("example.com"), STR(""));
    assert_int_equal(jid_parse(STR("example.com"), &mem, &jid), LN_OK);
    assert_parts(&jid, STR(""), STR("example.com"), STR(""));
}

static void no_address_at_all_is_empty_and_refused_by_the_parser(void **state)
{
    struct jid_buf mem;
    struct jid none = {0}, parsed, view = jid_view(str_of(NULL));

    (void)state;
    assert_true(jid_is_empty(&none));
    assert_true(jid_is_empty(&view));
    assert_true(jid_is_bare(&view));
    assert_int_equal(jid_parse(str_of(NULL), &mem, &parsed), LN_E_INVALID);
}

static void a_view_cuts_stored_bytes_as_the_parser_did(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        struct jid_buf mem;
        struct jid parsed, view = jid_view(examples[i].prepared);

        assert_int_equal(jid_parse(examples[i].text, &mem, &parsed), LN_OK);
        assert_ptr_equal(view.full.p, examples[i].prepared.p);
        assert_parts(&view, jid_local(&parsed), jid_domain(&parsed), resource_of(&parsed));
    }
}

static void parts_join_to_what_they_were_cut_from(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        struct jid_buf mem;
        struct jid view = jid_view(examples[i].prepared);
        struct jid joined = jid_join(jid_local(&view), jid_domain(&view), resource_of(&view), &mem);

        assert_str(jid_full(&joined), examples[i].prepared);
        assert_parts(&joined, jid_local(&view), jid_domain(&view), resource_of(&view));
    }
}

/* `head`, then `n` times `unit`, then `tail`; static, the next call overwrites it. */
static struct str repeated(const char *head, const char *unit, size_t n, const char *tail)
{
    static char text[8 * JID_PART_MAX];
    char *to = stpcpy(text, head);

    assert_true(strlen(head) + n * strlen(unit) + strlen(tail) < sizeof(text));
    while (n-- > 0)
        to = stpcpy(to, unit);
    return str_make(text, (size_t)(stpcpy(to, tail) - text));
}

static void assert_longest(const char *head, const char *unit, size_t longest, const char *tail)
{
    struct jid_buf mem;
    struct jid jid;

    if (jid_parse(repeated(head, unit, longest, tail), &mem, &jid) != LN_OK)
        fail_msg("%s(%s){%zu}%s was refused", head, unit, longest, tail);
    assert_int_equal(jid_parse(repeated(head, unit, longest + 1, tail), &mem, &jid), LN_E_INVALID);
}

static void each_part_has_a_longest_length_in_bytes_after_mapping(void **state)
{
    (void)state;
    assert_longest("", "a", 1023, "@example.com");
    assert_longest("", "A", 1023, "@example.com");
    assert_longest("", "\u00e4", 511, "@example.com");
    assert_longest("", "a\u0308", 511, "@example.com");
    assert_longest("", "\uff41", 1023, "@example.com"); /* three bytes each that become one */
    assert_longest("example.com/", "a", 1023, "");
    assert_longest("example.com/", "\u20ac", 341, "");
    assert_longest("example.com/", "\u3000", 1023, "");
    assert_longest("", "a", 63, ".com");
    assert_longest("", "a.", 126, "b"); /* 253 bytes, 255 on the wire of DNS */
    assert_longest("", "A.", 126, "b.");
    assert_longest("", "\u00fc", 57, ".com"); /* "xn--" and 59 more */
    assert_longest("", "xn--tda.", 31, "abcde");
    assert_longest("", "\u00fc.", 31, "abcde"); /* the same in U-labels: the A-labels count */
}

static void parts_are_prepared_alone_by_the_same_rules(void **state)
{
    char out[JID_PART_MAX];
    size_t len;

    (void)state;
    assert_int_equal(jid_prepare_local(STR("Juliet"), out, &len), LN_OK);
    assert_str(str_make(out, len), STR("juliet"));
    assert_int_equal(jid_prepare_domain(STR("Example.COM."), out, &len), LN_OK);
    assert_str(str_make(out, len), STR("example.com"));
    assert_int_equal(jid_prepare_resource(STR("Balcony"), out, &len), LN_OK);
    assert_str(str_make(out, len), STR("Balcony"));
    assert_int_equal(jid_prepare_resource(STR("a/b@c"), out, &len), LN_OK);
    len = 4711;
    assert_int_equal(jid_prepare_local(STR(""), out, &len), LN_E_INVALID);
    assert_int_equal(jid_prepare_local(STR("a@b"), out, &len), LN_E_INVALID);
    assert_int_equal(jid_prepare_local(STR("a/b"), out, &len), LN_E_INVALID);
    assert_int_equal(jid_prepare_domain(STR(""), out, &len), LN_E_INVALID);
    assert_int_equal(jid_prepare_domain(STR("a/b"), out, &len), LN_E_INVALID);
    assert_int_equal(jid_prepare_resource(STR(""), out, &len), LN_E_INVALID);
    assert_int_equal(len, 4711);
}

/* U+0430 is Cyrillic. PRECIS does not merge scripts: that is for whoever registers names. */
static void lookalikes_of_another_script_stay_different_addresses(void **state)
{
    struct jid_buf latin_mem, cyrillic_mem;
    struct jid latin, cyrillic;

    (void)state;
    assert_int_equal(jid_parse(STR("paypal@example.com"), &latin_mem, &latin), LN_OK);
    assert_int_equal(jid_parse(STR("p\u0430yp\u0430l@example.com"), &cyrillic_mem, &cyrillic), LN_OK);
    assert_false(str_eq(jid_full(&latin), jid_full(&cyrillic)));
}

/* xorshift64: the same on every run */
static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static uint32_t random_letter(uint64_t *seed)
{
    static const struct {
        uint32_t first, count;
    } blocks[] = {{'-', 75},     {0xc0, 0x140},  {0x370, 0x90},   {0x400, 0x100}, {0x5d0, 0x1b},  {0x620, 0x50},
                  {0x900, 0x80}, {0x3040, 0xc0}, {0x4e00, 0x200}, {0xac00, 0x40}, {0xff10, 0x90}, {0x300, 0x40}};
    uint64_t dice = random_next(seed);

    return blocks[dice % ARRAY_LEN(blocks)].first + (uint32_t)(dice >> 8) % blocks[dice % ARRAY_LEN(blocks)].count;
}

static void a_domain_is_one_address_however_it_is_written(void **state)
{
    uint64_t seed = 5891;
    int prepared = 0;

    (void)state;
    for (int round = 0; round < 40000; round++) {
        char text[64], once[JID_PART_MAX + 1], other[JID_PART_MAX];
        size_t len = 0, once_len, other_len;
        uint8_t *ascii;

        for (uint64_t n = 1 + random_next(&seed) % 4; n > 0; n--)
            len += (size_t)utf8_encode(random_letter(&seed), text + len);
        if (jid_prepare_domain(str_make(text, len), once, &once_len) != LN_OK)
            continue;
        prepared++;
        assert_int_equal(jid_prepare_domain(str_make(once, once_len), other, &other_len), LN_OK);
        assert_str(str_make(other, other_len), str_make(once, once_len));
        once[once_len] = '\0';
        assert_int_equal(idn2_lookup_u8((uint8_t *)once, &ascii, IDN2_NO_TR46), IDN2_OK);
        assert_int_equal(jid_prepare_domain(str_of((char *)ascii), other, &other_len), LN_OK);
        assert_str(str_make(other, other_len), str_make(once, once_len));
        idn2_free(ascii);
    }
    assert_true(prepared > 4000);
}

/* Damaged addresses: whatever comes of them, both parsers agree, and what they take settles at once. */
static void any_bytes_are_either_refused_or_become_an_address_that_stays(void **state)
{
    uint64_t seed = 7622;
    int taken = 0;

    (void)state;
    for (int round = 0; round < 60000; round++) {
        const struct example *e = &examples[random_next(&seed) % ARRAY_LEN(examples)];
        struct arena *arena = arena_new(64);
        struct jid_buf mem, again_mem;
        struct jid jid, again;
        char text[128];
        enum ln_err err;

        memcpy(text, e->text.p, e->text.len);
        for (uint64_t n = random_next(&seed) % 3; n > 0; n--)
            text[random_next(&seed) % e->text.len] = (char)random_next(&seed);
        err = jid_parse(str_make(text, e->text.len), &mem, &jid);
        assert_int_equal(jid_parse_arena(str_make(text, e->text.len), arena, &again), err);
        if (err == LN_OK) {
            taken++;
            assert_str(again.full, jid.full);
            assert_int_equal(jid_parse(jid.full, &again_mem, &again), LN_OK);
            assert_str(again.full, jid.full);
            assert_int_equal(again.bare_len, jid.bare_len);
        }
        arena_free(&arena);
    }
    assert_true(taken > 20000 && taken < 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_addresses_are_prepared_and_preparing_them_again_changes_nothing),
        cmocka_unit_test(what_is_not_an_address_is_refused_and_the_result_left_alone),
        cmocka_unit_test(an_arena_gets_the_same_address_as_a_buffer),
        cmocka_unit_test(an_address_that_is_prepared_ascii_is_not_copied),
        cmocka_unit_test(an_address_is_cut_at_the_first_slash_and_the_first_at_sign_before_it),
        cmocka_unit_test(no_address_at_all_is_empty_and_refused_by_the_parser),
        cmocka_unit_test(a_view_cuts_stored_bytes_as_the_parser_did),
        cmocka_unit_test(parts_join_to_what_they_were_cut_from),
        cmocka_unit_test(each_part_has_a_longest_length_in_bytes_after_mapping),
        cmocka_unit_test(parts_are_prepared_alone_by_the_same_rules),
        cmocka_unit_test(a_domain_is_one_address_however_it_is_written),
        cmocka_unit_test(any_bytes_are_either_refused_or_become_an_address_that_stays),
        cmocka_unit_test(lookalikes_of_another_script_stay_different_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
