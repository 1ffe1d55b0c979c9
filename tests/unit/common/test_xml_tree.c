/* What an element is once it has been read: text, values, and the characters they may have. */
#include "common/utf8.h"
#include "tests/unit/common/xml_feed.h"

static void expect_body(const char *xml, const char *text)
{
    struct arena *arena;

    assert_str(parse_one(xml, &arena)->text, text);
    arena_free(&arena);
}

static void expect_attr(const char *xml, const char *value)
{
    struct arena *arena;

    assert_str(xml_attr(parse_one(xml, &arena), "v", NULL), value);
    arena_free(&arena);
}

static void text_is_decoded_and_joined_around_child_elements(void **state)
{
    (void)state;
    expect_body("<a/>", "");
    expect_body("<a></a>", "");
    expect_body("<a>plain</a>", "plain");
    expect_body("<a>one<b>not this</b>two<c/>three</a>", "onetwothree");
    expect_body("<a>&lt;&#65;&#x42;&amp;amp;</a>", "<AB&amp;");
    expect_body("<a><b/>only behind</a>", "only behind");
    expect_body("<a>&#x20AC;&#x1F600;</a>", "\u20ac\U0001f600");
    expect_body("<a> ]] ]> \"' </a>", " ]] ]> \"' ");
}

static void cdata_sections_are_text(void **state)
{
    (void)state;
    expect_body("<a><![CDATA[<b>&amp;</b>]]></a>", "<b>&amp;</b>");
    expect_body("<a>x<![CDATA[y]]>z<![CDATA[]]></a>", "xyz");
    expect_body("<a><![CDATA[]]]]><![CDATA[>]]></a>", "]]>");
    expect_body("<a><![CDATA[]]]></a>", "]");
    expect_body("<a>&lt;<![CDATA[]]]]]>]]</a>", "<]]]]]");
    expect_refused(STR("<a><![CDATA[x]] ></a>]]>\x01"), "not-well-formed");
    expect_refused(STR("<a><![cdata[x]]></a>"), "restricted-xml");
}

static void line_ends_become_line_feeds(void **state)
{
    (void)state;
    expect_body("<a>1\r\n2\r3\n4\r\r\n5</a>", "1\n2\n3\n4\n\n5");
    expect_body("<a><![CDATA[1\r\n2\r3]]></a>", "1\n2\n3");
    expect_body("<a>&#13;\n&#13;&#10;</a>", "\r\n\r\n");
    expect_body("<a>\r<b/>\n</a>", "\n\n");
}

static void white_space_in_values_becomes_spaces(void **state)
{
    (void)state;
    expect_attr("<a v='1\t2\n3\r4\r\n5'/>", "1 2 3 4 5");
    expect_attr("<a v='  1  2  '/>", "  1  2  ");
    expect_attr("<a v='&#9;&#10;&#13;'/>", "\t\n\r");
    expect_attr("<a v='&lt;&#62;&quot;\"'/>", "<>\"\"");
    expect_attr("<a v=''/>", "");
    expect_attr("<a w='1' v=\"it's\"/>", "it's");
}

static void what_is_decoded_does_not_depend_on_how_it_was_cut(void **state)
{
    struct str input = STR(HEADER "<a v='1\r\n2&lt;\u20ac' xmlns:p='u&amp;'>1\r\n2\r3&#x20AC;<p:b>\r</p:b>"
                                  "<![CDATA[\r\n]]]]>\u20ac&gt;\r\n</a>");

    (void)state;
    for (size_t size = 1; size <= input.len; size++) {
        struct feed f;

        feed_init(&f, &wide_limits);
        feed_in_pieces(&f, input, size);
        assert_str(buf_str(&f.events), "open stanza ");
        assert_str(f.last->text, "1\n2\n3\u20ac\n]]\u20ac>\n");
        assert_str(xml_attr(f.last, "v", NULL), "1 2<\u20ac");
        assert_str(f.last->child->text, "\n");
        assert_str(f.last->child->ns, "u&");
        feed_deinit(&f);
    }
}

static void an_absent_attribute_differs_from_an_empty_one(void **state)
{
    struct arena *arena;
    const struct xml_element *e = parse_one("<a v='' x:w='1' xmlns:x='u' xml:lang='de'/>", &arena);
    bool is_there;

    (void)state;
    assert_int_equal(xml_attr(e, "v", &is_there).len, 0);
    assert_true(is_there);
    assert_int_equal(xml_attr(e, "w", &is_there).len, 0);
    assert_false(is_there);
    assert_false(is_there || xml_attr(e, "lang", NULL).len > 0);
    assert_str(xml_lang(e), "de");
    arena_free(&arena);
}

static void the_tree_is_linked_in_document_order(void **state)
{
    struct arena *arena;
    const struct xml_element *a = parse_one("<a><b><c/><d/></b><e xmlns='u'>t</e><b/></a>", &arena), *b = a->child;

    (void)state;
    assert_str(a->outer, "<a><b><c/><d/></b><e xmlns='u'>t</e><b/></a>");
    assert_str(a->inner, "<b><c/><d/></b><e xmlns='u'>t</e><b/>");
    assert_null(a->parent);
    assert_null(a->next);
    assert_str(b->outer, "<b><c/><d/></b>");
    assert_str(b->child->name, "c");
    assert_str(b->child->next->outer, "<d/>");
    assert_int_equal(b->child->inner.len, 0);
    assert_null(b->child->next->next);
    assert_ptr_equal(b->child->next->parent, b);
    assert_str(b->next->outer, "<e xmlns='u'>t</e>");
    assert_ptr_equal(xml_child(a, "e", "u"), b->next);
    assert_null(xml_child(a, "e", NS_CLIENT));
    assert_ptr_equal(xml_child(a, NULL, "u"), b->next);
    assert_ptr_equal(xml_next(b, "b", NULL), b->next->next);
    assert_null(xml_next(b->next->next, NULL, NULL));
    assert_int_equal(xml_count_children(a), 3);
    assert_int_equal(b->child->depth, 3);
    arena_free(&arena);
}

static void an_element_lives_as_long_as_its_arena(void **state)
{
    struct feed f;

    (void)state;
    feed_init(&f, &wide_limits);
    feed_piece(&f, STR("<s xmlns='urn:a' xmlns:p='urn:p'><a xmlns:q='urn:&#x71;' v='&lt;'><p:b/><q:c/>&gt;</a>"));
    xml_reader_deinit(&f.reader);
    xml_reader_init(&f.reader, &wide_limits);
    assert_str(f.last->ns, "urn:a");
    assert_str(xml_attr(f.last, "v", NULL), "<");
    assert_str(f.last->text, ">");
    assert_str(f.last->child->ns, "urn:p");
    assert_str(f.last->child->next->ns, "urn:q");
    feed_deinit(&f);
}

static bool may_be_text(uint32_t cp)
{
    char text[32];
    struct buf xml = {0};
    bool is_valid;

    buf_append_cstr(&xml, "<a>");
    buf_append(&xml, text, (size_t)utf8_encode(cp, text));
    buf_append_cstr(&xml, "</a>");
    is_valid = is_one_element(buf_str(&xml));
    buf_clear(&xml);
    buf_printf(&xml, "<a b='&#%u;'>&#x%X;</a>", cp, cp);
    assert_int_equal(is_one_element(buf_str(&xml)), is_valid || cp == '<' || cp == '&');
    buf_deinit(&xml);
    return is_valid;
}

static void only_characters_of_xml_are_text_written_out_or_as_references(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp < 0x20; cp++)
        assert_int_equal(may_be_text(cp), cp == '\t' || cp == '\n' || cp == '\r');
    for (uint32_t cp = 0x20; cp < 0x3000; cp++)
        assert_int_equal(may_be_text(cp), cp != '<' && cp != '&');
    for (uint32_t cp = 0xd700; cp < 0xe100; cp++)
        assert_int_equal(may_be_text(cp), cp < 0xd800 || cp > 0xdfff);
    for (uint32_t cp = 0xff00; cp < 0x10100; cp++)
        assert_int_equal(may_be_text(cp), cp != 0xfffe && cp != 0xffff);
    assert_true(may_be_text(0x10ffff));
    assert_false(may_be_text(0x110000));
}

static void wrong_utf_8_is_refused_wherever_it_is(void **state)
{
    static const char *const wrong[] = {"\xc0\x80", "\xed\xa0\x80", "\xff", "\xe2\x82", "\xf4\x90\x80\x80", "\x80"};
    static const char *const places[] = {"<a>%s</a>",    "<a b='%s'/>",           "<a%s/>",
                                         "<a b%s='c'/>", "<a><![CDATA[%s]]></a>", "<a>01234567%s89</a>"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        for (size_t j = 0; j < ARRAY_LEN(places); j++) {
            struct buf xml = {0};
            const char *gap = strchr(places[j], '%');

            buf_append(&xml, places[j], (size_t)(gap - places[j]));
            buf_append_cstr(&xml, wrong[i]);
            buf_append_cstr(&xml, gap + 2);
            expect_refused(buf_str(&xml), "not-well-formed");
            buf_deinit(&xml);
        }
    }
}

static void a_malformed_reference_is_refused(void **state)
{
    static const char *const wrong[] = {"&#;",
                                        "&#x;",
                                        "&#X41;",
                                        "&#4a;",
                                        "&#x4g;",
                                        "&#65",
                                        "&# 65;",
                                        "&#-1;",
                                        "&#0;",
                                        "&#xFFFE;",
                                        "&#xD800;",
                                        "&#x110000;",
                                        "&#99999999999999999999;"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct buf xml = {0};

        buf_printf(&xml, "<a>%s</a>", wrong[i]);
        expect_refused(buf_str(&xml), "not-well-formed");
        buf_clear(&xml);
        buf_printf(&xml, "<a b='%s'/>", wrong[i]);
        expect_refused(buf_str(&xml), "not-well-formed");
        buf_deinit(&xml);
    }
    expect_accepted(STR("<a>&#00000000000000000000000000000000000000065;</a>"));
}

static bool is_name(const char *first, uint32_t cp)
{
    char utf8[4];
    struct buf xml = {0};
    bool is_valid;

    buf_append_char(&xml, '<');
    buf_append_cstr(&xml, first);
    buf_append(&xml, utf8, (size_t)utf8_encode(cp, utf8));
    buf_append_cstr(&xml, "/>");
    is_valid = is_one_element(buf_str(&xml));
    buf_deinit(&xml);
    return is_valid;
}

static void names_have_the_characters_of_xml_before_its_fifth_edition(void **state)
{
    static const uint32_t starts[] = {'a', 'Z', '_', 0xc0, 0x3b1, 0x416, 0x5d0, 0x4e00, 0x9fa5, 0xac00, 0x3007};
    static const uint32_t others[] = {'-', '.', '0', '9', 0xb7, 0x300, 0x660, 0x3005, 0x30fc, 0xe47};
    /* U+00D7 and U+00F7 never; the last four only in the fifth edition */
    static const uint32_t never[] = {' ', '$', '@', 0xd7, 0xf7, 0xa0, 0x132, 0x2070, 0x200c, 0x10000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        assert_true(is_name("", starts[i]) && is_name("a", starts[i]));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_true(!is_name("", others[i]) && is_name("a", others[i]));
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        assert_false(is_name("", never[i]) || (never[i] != ' ' && is_name("a", never[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_decoded_and_joined_around_child_elements),
        cmocka_unit_test(cdata_sections_are_text),
        cmocka_unit_test(line_ends_become_line_feeds),
        cmocka_unit_test(white_space_in_values_becomes_spaces),
        cmocka_unit_test(what_is_decoded_does_not_depend_on_how_it_was_cut),
        cmocka_unit_test(an_absent_attribute_differs_from_an_empty_one),
        cmocka_unit_test(the_tree_is_linked_in_document_order),
        cmocka_unit_test(an_element_lives_as_long_as_its_arena),
        cmocka_unit_test(only_characters_of_xml_are_text_written_out_or_as_references),
        cmocka_unit_test(wrong_utf_8_is_refused_wherever_it_is),
        cmocka_unit_test(a_malformed_reference_is_refused),
        cmocka_unit_test(names_have_the_characters_of_xml_before_its_fifth_edition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
