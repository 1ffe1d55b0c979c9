/* What a peer can make the reader keep, and for how long it can keep it busy. */
#include <time.h>

#include "tests/unit/common/xml_feed.h"

static void repeat(struct buf *out, const char *what, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buf_append_cstr(out, what);
}

static void a_stanza_may_have_as_many_bytes_as_the_limit_and_no_more(void **state)
{
    const struct xml_limits limits = {100, 10, 10, 0};
    struct buf input = {0};

    (void)state;
    buf_append_cstr(&input, HEADER "  <a>");
    repeat(&input, "x", 100 - 7);
    buf_append_cstr(&input, "</a><b/>");
    expect_events_with(&limits, buf_str(&input), "open stanza stanza ");
    buf_clear(&input);
    buf_append_cstr(&input, HEADER "<a>");
    repeat(&input, "x", 100 - 6);
    buf_append_cstr(&input, "</a><b/>");
    expect_events_with(&limits, buf_str(&input), "open error too-large ");
    buf_deinit(&input);
}

static void an_unfinished_stanza_is_refused_at_the_limit_and_nothing_is_kept(void **state)
{
    const struct xml_limits limits = {1000, 10, 10, 0};
    struct feed f;

    (void)state;
    feed_init(&f, &limits);
    feed_piece(&f, STR(HEADER "<a b='"));
    for (size_t i = 0; i < 993; i++)
        feed_piece(&f, STR("x"));
    assert_true(xml_reader_is_partial(&f.reader));
    feed_piece(&f, STR("x"));
    assert_true(str_eq(buf_str(&f.events), STR("open error too-large ")));
    assert_int_equal(xml_reader_kept_bytes(&f.reader), 0);
    feed_deinit(&f);
}

static void a_header_has_the_same_limit(void **state)
{
    const struct xml_limits limits = {120, 10, 10, 0};
    struct buf input = {0};

    (void)state;
    buf_append_cstr(&input, "<s a='");
    repeat(&input, "x", 120 - 8);
    buf_append_cstr(&input, "'>");
    expect_events_with(&limits, buf_str(&input), "open ");
    buf_clear(&input);
    buf_append_cstr(&input, "<s a='");
    repeat(&input, "x", 121 - 8);
    buf_append_cstr(&input, "'>");
    expect_events_with(&limits, buf_str(&input), "error too-large ");
    buf_clear(&input);
    buf_append_cstr(&input, "<?xml version='1.0'");
    repeat(&input, " ", 120);
    buf_append_cstr(&input, "?>");
    expect_events_with(&limits, buf_str(&input), "error too-large ");
    buf_deinit(&input);
}

static void white_space_between_stanzas_costs_nothing_and_has_no_limit(void **state)
{
    const struct xml_limits limits = {100, 10, 10, 0};
    struct feed f;

    (void)state;
    feed_init(&f, &limits);
    feed_piece(&f, STR(HEADER));
    for (size_t i = 0; i < 1000; i++)
        feed_piece(&f, STR(" \r\n\t"));
    assert_int_equal(f.most_kept, 0);
    feed_piece(&f, STR("<a/>"));
    assert_true(str_eq(buf_str(&f.events), STR("open stanza ")));
    feed_deinit(&f);
}

static void elements_nest_as_deep_as_the_limit(void **state)
{
    const struct xml_limits limits = {10000, 3, 10, 0}, far = {UINT32_MAX, UINT16_MAX, UINT16_MAX, 0};
    struct buf input = {0};

    (void)state;
    expect_events_with(&limits, STR(HEADER "<a><b><c/></b></a>"), "open stanza ");
    expect_events_with(&limits, STR(HEADER "<a><b><c><d/></c></b></a>"), "open error too-deep ");
    buf_append_cstr(&input, HEADER);
    repeat(&input, "<a>", XML_DEPTH_MAX);
    repeat(&input, "</a>", XML_DEPTH_MAX);
    expect_events_with(&far, buf_str(&input), "open stanza ");
    buf_clear(&input);
    buf_append_cstr(&input, HEADER);
    repeat(&input, "<a>", XML_DEPTH_MAX + 1);
    expect_events_with(&far, buf_str(&input), "open error too-deep ");
    buf_deinit(&input);
}

static void attributes_and_declarations_are_counted_together(void **state)
{
    const struct xml_limits limits = {10000, 10, 3, 0};

    (void)state;
    expect_events_with(&limits, STR(HEADER "<a b='' xmlns='u' xmlns:c=''"), "open ");
    expect_events_with(&limits, STR(HEADER "<a b='' xmlns='u' xmlns:c='v'/>"), "open stanza ");
    expect_events_with(&limits, STR(HEADER "<a b='' xmlns='u' xmlns:c='v' d=''/>"), "open error too-many-attributes ");
    expect_events_with(&limits, STR("<s b='' xmlns='u' xmlns:c='v' d=''>"), "error too-many-attributes ");
}

static void elements_of_one_stanza_are_counted_where_there_is_a_limit(void **state)
{
    const struct xml_limits limits = {10000, 10, 10, 4};

    (void)state;
    expect_events_with(&limits, STR(HEADER "<a><b/><b/><b/></a><a><b/><b/><b/></a>"), "open stanza stanza ");
    expect_events_with(&limits, STR(HEADER "<a><b/><b/><b/><b/></a>"), "open error too-many-elements ");
}

static void declarations_in_force_at_once_are_limited(void **state)
{
    struct buf input = {0};

    (void)state;
    buf_append_cstr(&input, HEADER "<a>");
    for (unsigned i = 0; i < 64; i++)
        buf_printf(&input, "<a xmlns:p%u='u' xmlns='v%u'>", i, i);
    repeat(&input, "</a>", 65);
    expect_events(buf_str(&input), "open stanza ");
    buf_clear(&input);
    buf_append_cstr(&input, HEADER "<a xmlns:p='u'>");
    for (unsigned i = 0; i < 64; i++)
        buf_printf(&input, "<a xmlns:p%u='u' xmlns='v%u'>", i, i);
    expect_events(buf_str(&input), "open error too-many-attributes ");
    buf_deinit(&input);
}

static void what_the_root_declares_is_limited_since_each_stanza_may_take_it_along(void **state)
{
    struct buf input = {0};

    (void)state;
    buf_append_cstr(&input, "<s xmlns='");
    repeat(&input, "x", 1025);
    buf_append_cstr(&input, "'>");
    expect_events(buf_str(&input), "error too-large ");
    buf_clear(&input);
    buf_append_cstr(&input, "<s");
    for (unsigned i = 0; i < 32; i++)
        buf_printf(&input, " xmlns:p%u='u'", i);
    buf_append_cstr(&input, ">");
    expect_events(buf_str(&input), "error too-many-attributes ");
    buf_deinit(&input);
}

static void new_limits_hold_from_the_next_stanza_on(void **state)
{
    const struct xml_limits narrow = {8, 10, 10, 0};
    struct feed f;

    (void)state;
    feed_init(&f, &wide_limits);
    feed_piece(&f, STR(HEADER "<message><bo"));
    xml_reader_set_limits(&f.reader, &narrow);
    feed_piece(&f, STR("dy/></message><a/><message/>"));
    assert_true(str_eq(buf_str(&f.events), STR("open stanza stanza error too-large ")));
    feed_deinit(&f);
}

/* Feeds one huge stanza byte by byte. Looking at it from its beginning for each byte would take minutes. */
static void expect_linear_time(const char *start, const char *middle, const char *end)
{
    struct buf input = {0};
    struct feed f;
    clock_t before = clock();

    buf_append_cstr(&input, HEADER);
    buf_append_cstr(&input, start);
    while (input.len < 250000)
        buf_append_cstr(&input, middle);
    buf_append_cstr(&input, end);
    feed_init(&f, &wide_limits);
    feed_in_pieces(&f, buf_str(&input), 1);
    assert_true(str_eq(buf_str(&f.events), STR("open stanza ")));
    assert_true(clock() - before < 5 * CLOCKS_PER_SEC);
    feed_deinit(&f);
    buf_deinit(&input);
}

static void each_byte_costs_the_same_however_slowly_it_comes(void **state)
{
    (void)state;
    expect_linear_time("<a b='", "x", "'/>");
    expect_linear_time("<a b='", "&lt;", "'/>");
    expect_linear_time("<a", " ", "/>");
    expect_linear_time("<", "a", "/>");
    expect_linear_time("<a>", "x", "</a>");
    expect_linear_time("<a>", "&amp;", "</a>");
    expect_linear_time("<a>&#", "0", "65;</a>");
    expect_linear_time("<a><![CDATA[", "]", "]]></a>");
    expect_linear_time("<a>", "<b/>", "</a>");
    expect_linear_time("<a>", "<b xmlns:c='u' c:d='e'>\r</b>", "</a>");
    expect_linear_time("<a>x</a", " ", ">");
}

static void prefixes_are_found_in_bounded_time(void **state)
{
    struct buf input = {0};
    struct feed f;
    clock_t before = clock();

    (void)state;
    buf_append_cstr(&input, HEADER "<x");
    for (unsigned i = 0; i < 127; i++)
        buf_printf(&input, " xmlns:p%u='u'", i);
    buf_append_cstr(&input, ">");
    while (input.len < 260000)
        buf_append_cstr(&input, "<p0:a/>");
    buf_append_cstr(&input, "</x>");
    feed_init(&f, &wide_limits);
    feed_piece(&f, buf_str(&input));
    assert_true(str_eq(buf_str(&f.events), STR("open stanza ")));
    assert_true(clock() - before < 2 * CLOCKS_PER_SEC);
    feed_deinit(&f);
    buf_deinit(&input);
}

static void memory_for_an_unfinished_stanza_stays_within_its_bound(void **state)
{
    static const char *const contents[] = {"x",    "<a/>",       "<a></a>", "<a b=''/>", "<a xmlns='u'/>",
                                           "&lt;", "<a>&lt;</a>"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        struct buf input = {0};
        struct feed f;

        buf_append_cstr(&input, HEADER "<m>");
        while (input.len < 262144)
            buf_append_cstr(&input, contents[i]);
        feed_init(&f, &wide_limits);
        feed_in_pieces(&f, buf_str(&input), 1000);
        assert_true(str_eq(buf_str(&f.events), STR("open ")));
        assert_true(f.most_kept > 200000);
        assert_true(f.most_kept <= 32 * 262144);
        feed_deinit(&f);
        buf_deinit(&input);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stanza_may_have_as_many_bytes_as_the_limit_and_no_more),
        cmocka_unit_test(an_unfinished_stanza_is_refused_at_the_limit_and_nothing_is_kept),
        cmocka_unit_test(a_header_has_the_same_limit),
        cmocka_unit_test(white_space_between_stanzas_costs_nothing_and_has_no_limit),
        cmocka_unit_test(elements_nest_as_deep_as_the_limit),
        cmocka_unit_test(attributes_and_declarations_are_counted_together),
        cmocka_unit_test(elements_of_one_stanza_are_counted_where_there_is_a_limit),
        cmocka_unit_test(declarations_in_force_at_once_are_limited),
        cmocka_unit_test(what_the_root_declares_is_limited_since_each_stanza_may_take_it_along),
        cmocka_unit_test(new_limits_hold_from_the_next_stanza_on),
        cmocka_unit_test(each_byte_costs_the_same_however_slowly_it_comes),
        cmocka_unit_test(prefixes_are_found_in_bounded_time),
        cmocka_unit_test(memory_for_an_unfinished_stanza_stays_within_its_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
