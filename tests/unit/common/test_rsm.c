#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/xmpp/ns.h"
#include "common/xmpp/rsm.h"
#include "common/xmpp/xml_reader.h"

#define SET(content) "<set xmlns='http://jabber.org/protocol/rsm'>" content "</set>"

static bool parse(const char *content, struct arena **ret_arena, struct rsm_request *ret)
{
    struct buf b = {0};
    const struct xml_element *e = NULL;

    buf_printf(&b, "<query xmlns='urn:test'>%s</query>", content);
    assert_int_equal(xml_parse(buf_str(&b), STR(NS_CLIENT), ret_arena, &e), LN_OK);
    buf_deinit(&b);
    return rsm_parse(e, ret);
}

static void assert_str(struct str s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.p, expected, s.len);
}

static void assert_good(const char *content, struct rsm_request want, const char *after, const char *before)
{
    struct arena *arena;
    struct rsm_request r;

    assert_true(parse(content, &arena, &r));
    assert_int_equal(r.is_there, want.is_there);
    assert_int_equal(r.has_max, want.has_max);
    assert_int_equal(r.max, want.max);
    assert_int_equal(r.has_index, want.has_index);
    assert_int_equal(r.index, want.index);
    assert_int_equal(r.has_after, after != NULL);
    assert_str(r.after, after != NULL ? after : "");
    assert_int_equal(r.has_before, before != NULL);
    assert_str(r.before, before != NULL ? before : "");
    arena_free(&arena);
}

static void without_a_set_nothing_is_asked_for(void **state)
{
    (void)state;
    assert_good("", (struct rsm_request){0}, NULL, NULL);
    assert_good("<set xmlns='urn:other'><max>5</max></set>", (struct rsm_request){0}, NULL, NULL);
    assert_good(SET(""), (struct rsm_request){.is_there = true}, NULL, NULL);
    assert_good(SET("<max xmlns='urn:other'>5</max>"), (struct rsm_request){.is_there = true}, NULL, NULL);
}

static void the_examples_of_the_xep_are_understood(void **state)
{
    (void)state;
    assert_good(SET("<max>10</max>"), (struct rsm_request){.is_there = true, .has_max = true, .max = 10}, NULL, NULL);
    assert_good(SET("<max>10</max><after>peterpan@neverland.lit</after>"),
                (struct rsm_request){.is_there = true, .has_max = true, .max = 10}, "peterpan@neverland.lit", NULL);
    assert_good(SET("<max>10</max><before>peter@pixyland.org</before>"),
                (struct rsm_request){.is_there = true, .has_max = true, .max = 10}, NULL, "peter@pixyland.org");
    assert_good(SET("<max>10</max><before/>"), (struct rsm_request){.is_there = true, .has_max = true, .max = 10}, NULL,
                "");
    assert_good(SET("<max>10</max><index>371</index>"),
                (struct rsm_request){.is_there = true, .has_max = true, .max = 10, .has_index = true, .index = 371},
                NULL, NULL);
    assert_good(SET("<max>0</max>"), (struct rsm_request){.is_there = true, .has_max = true}, NULL, NULL);
}

static void a_number_too_large_is_the_largest(void **state)
{
    (void)state;
    assert_good(SET("<max>99999999999999999999999</max>"),
                (struct rsm_request){.is_there = true, .has_max = true, .max = UINT32_MAX}, NULL, NULL);
    assert_good(SET("<max> 4294967296\n</max>"),
                (struct rsm_request){.is_there = true, .has_max = true, .max = UINT32_MAX}, NULL, NULL);
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const bad[] = {
        SET("<max/>"),
        SET("<max>-1</max>"),
        SET("<max>ten</max>"),
        SET("<max>1 0</max>"),
        SET("<max>1</max><max>2</max>"),
        SET("<index/>"),
        SET("<index>0x1</index>"),
        SET("<after>a</after><after>b</after>"),
        SET("<before/><before/>"),
        SET("<max>1</max>") SET("<max>1</max>"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct arena *arena;
        struct rsm_request r;

        assert_false(parse(bad[i], &arena, &r));
        arena_free(&arena);
    }
}

static void assert_written(struct rsm_page page, const char *expected)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    rsm_write(&w, &page);
    assert_str(buf_str(&b), expected);
    buf_deinit(&b);
}

static void a_page_names_its_ends_and_what_is_known_of_the_whole(void **state)
{
    (void)state;
    assert_written((struct rsm_page){.first = STR("a<b"), .last = STR("c")},
                   SET("<first>a&lt;b</first><last>c</last>"));
    assert_written((struct rsm_page){.first = STR("a"), .last = STR("a"), .has_count = true, .count = 800},
                   SET("<first>a</first><last>a</last><count>800</count>"));
    assert_written(
        (struct rsm_page){
            .first = STR("a"), .last = STR("b"), .has_count = true, .count = 800, .has_index = true, .index = 371},
        SET("<first index='371'>a</first><last>b</last><count>800</count>"));
}

static void an_empty_page_has_no_ends(void **state)
{
    (void)state;
    assert_written((struct rsm_page){.has_count = true, .count = 790}, SET("<count>790</count>"));
    assert_written((struct rsm_page){0}, "<set xmlns='http://jabber.org/protocol/rsm'/>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_set_nothing_is_asked_for),
        cmocka_unit_test(the_examples_of_the_xep_are_understood),
        cmocka_unit_test(a_number_too_large_is_the_largest),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(a_page_names_its_ends_and_what_is_known_of_the_whole),
        cmocka_unit_test(an_empty_page_has_no_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
