#include "common/xmpp/xml_writer.h"

#include "tests/unit/common/xml_feed.h"

static void elements_nest_and_close_in_order(void **state)
{
    struct buf out = {0};
    struct xml_writer w = xml_writer_to(&out);

    (void)state;
    xml_start(&w, "iq", NULL);
    xml_put_attr(&w, "type", STR("result"));
    xml_put_attr_u64(&w, "n", UINT64_MAX);
    xml_put_attr_opt(&w, "none", STR(""));
    xml_put_attr_opt(&w, "some", STR("x"));
    xml_start(&w, "query", "jabber:iq:version");
    xml_put_text_element(&w, "name", STR("linnet"));
    xml_put_text_element(&w, "os", STR(""));
    xml_put_empty(&w, "a", NULL);
    xml_put_empty(&w, "b", "u");
    xml_end(&w);
    xml_put_raw(&w, STR("<raw/>"));
    xml_put_text(&w, STR("text"));
    xml_end(&w);
    assert_int_equal(w.depth, 0);
    assert_str(buf_str(&out), "<iq type='result' n='18446744073709551615' some='x'>"
                              "<query xmlns='jabber:iq:version'><name>linnet</name><os/><a/><b xmlns='u'/></query>"
                              "<raw/>text</iq>");
    buf_deinit(&out);
}

static void an_element_without_content_is_an_empty_tag(void **state)
{
    struct buf out = {0};
    struct xml_writer w = xml_writer_to(&out);

    (void)state;
    xml_start(&w, "a", NULL);
    xml_put_text(&w, STR(""));
    xml_put_raw(&w, STR(""));
    xml_put_attr(&w, "still", STR("open"));
    xml_end(&w);
    assert_str(buf_str(&out), "<a still='open'/>");
    buf_deinit(&out);
}

/* Writes `value` as a value and as text, and reads it back. */
static void expect_back(struct str value, const char *expected)
{
    struct buf out = {0};
    struct xml_writer w = xml_writer_to(&out);
    struct arena *arena;
    const struct xml_element *e;

    xml_start(&w, "a", NULL);
    xml_put_attr(&w, "v", value);
    xml_put_text(&w, value);
    xml_end(&w);
    buf_append_char(&out, '\0');
    e = parse_one(out.p, &arena);
    assert_str(xml_attr(e, "v", NULL), expected);
    assert_str(e->text, expected);
    arena_free(&arena);
    buf_clear(&out);
    buf_append_cstr(&out, "<a v=\"");
    xml_escape(&out, value);
    buf_append_cstr(&out, "\">");
    xml_escape(&out, value);
    buf_append(&out, "</a>", sizeof("</a>"));
    e = parse_one(out.p, &arena);
    assert_str(xml_attr(e, "v", NULL), expected);
    assert_str(e->text, expected);
    arena_free(&arena);
    buf_deinit(&out);
}

static void what_is_escaped_is_read_back_as_it_was(void **state)
{
    static const char *const values[] = {
        "",     "plain",      "<a b='c' d=\"e\">&amp;</a>", "]]>",        "]]]]>>",
        "\r\n", "\t\n\r end", "\u00e4\u20ac\U0001f600",     "1234567&",   "12345678'",
        " a ",  "&lt;",       "123456789012345<7890",       "\x7f\u00a0",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        expect_back(str_of(values[i]), values[i]);
}

static void what_xml_cannot_carry_is_replaced(void **state)
{
    (void)state;
    expect_back(STR("a\0b"), "a\ufffdb");
    expect_back(STR("\x01\x1f"), "\ufffd\ufffd");
    expect_back(STR("\xff\xc3"), "\ufffd\ufffd");
    expect_back(STR("\xef\xbf\xbe|\xed\xa0\x80"), "\ufffd|\ufffd\ufffd\ufffd");
    expect_back(STR("\xe2\x82"), "\ufffd\ufffd");
}

static void text_keeps_quotes_and_line_feeds_as_they_are(void **state)
{
    struct buf out = {0};
    struct xml_writer w = xml_writer_to(&out);

    (void)state;
    xml_put_text(&w, STR("it's \"x\"\n\t&<>\r"));
    assert_str(buf_str(&out), "it's \"x\"\n\t&amp;&lt;&gt;&#13;");
    buf_deinit(&out);
}

/* Puts the child of a stanza into <w xmlns='context_ns'/>. */
static void expect_put(const char *stanza, const char *context_ns, const char *expected)
{
    struct buf out = {0};
    struct xml_writer w = xml_writer_to(&out);
    struct feed f;

    feed_init(&f, &wide_limits);
    feed_piece(&f, STR(HEADER));
    feed_piece(&f, str_of(stanza));
    xml_put_element(&w, f.last->child, context_ns);
    assert_str(buf_str(&out), expected);
    feed_deinit(&f);
    buf_deinit(&out);
}

static void an_element_that_stands_alone_is_copied_byte_by_byte(void **state)
{
    (void)state;
    expect_put("<iq><q  xmlns = \"u\" a='&#65;'><b/><![CDATA[x]]></q ></iq>", "v",
               "<q  xmlns = \"u\" a='&#65;'><b/><![CDATA[x]]></q >");
    expect_put("<iq><body >x</body></iq>", NS_CLIENT, "<body >x</body>");
    expect_put("<iq><p:q xmlns:p='u'/></iq>", "v", "<p:q xmlns:p='u'/>");
}

static void the_default_namespace_is_declared_where_another_is_in_force(void **state)
{
    (void)state;
    expect_put("<iq><body a='1'>x<b/></body></iq>", "v", "<body xmlns='jabber:client' a='1'>x<b/></body>");
    expect_put("<iq xmlns='u'><a><b/></a></iq>", NS_CLIENT, "<a xmlns='u'><b/></a>");
    expect_put("<iq xmlns='u'><a/></iq>", "u", "<a/>");
    expect_put("<iq><p:a xmlns:p='u'><b/></p:a></iq>", "v", "<p:a xmlns='jabber:client' xmlns:p='u'><b/></p:a>");
    expect_put("<iq xmlns=''><a/></iq>", NS_CLIENT, "<a xmlns=''/>");
}

static void prefixes_from_outside_are_declared_once_and_only_those_that_are_used(void **state)
{
    (void)state;
    expect_put("<iq xmlns:p='u' xmlns:q='v'><p:a><p:b/></p:a></iq>", NS_CLIENT, "<p:a xmlns:p='u'><p:b/></p:a>");
    expect_put("<iq xmlns:p='u&amp;' xmlns:q='v'><a q:c='d'><p:b/></a></iq>", NS_CLIENT,
               "<a xmlns:q='v' xmlns:p='u&amp;' q:c='d'><p:b/></a>");
    expect_put("<iq><stream:error/></iq>", NS_CLIENT,
               "<stream:error xmlns:stream='http://etherx.jabber.org/streams'/>");
    /* one that is declared again inside is not needed from outside */
    expect_put("<iq xmlns:p='u' xmlns:q='v'><q:a><p:b xmlns:p='w'/></q:a></iq>", NS_CLIENT,
               "<q:a xmlns:q='v'><p:b xmlns:p='w'/></q:a>");
    /* what it declares itself is not declared twice */
    expect_put("<iq xmlns:q='v'><p:a xmlns:p='u' q:b='1'><p:c/></p:a></iq>", NS_CLIENT,
               "<p:a xmlns:p='u' xmlns:q='v' q:b='1'><p:c/></p:a>");
    /* its own declarations stay, since values may use them */
    expect_put("<iq xmlns:q='v'><q:a xmlns:xs='s' type='xs:int'/></iq>", NS_CLIENT,
               "<q:a xmlns:xs='s' xmlns:q='v' type='xs:int'/>");
}

static void a_prefix_for_the_default_namespace_is_dropped(void **state)
{
    (void)state;
    expect_put("<iq xmlns:c='jabber:client'><c:a><b/></c:a></iq>", NS_CLIENT, "<a xmlns:c='jabber:client'><b/></a>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_nest_and_close_in_order),
        cmocka_unit_test(an_element_without_content_is_an_empty_tag),
        cmocka_unit_test(what_is_escaped_is_read_back_as_it_was),
        cmocka_unit_test(what_xml_cannot_carry_is_replaced),
        cmocka_unit_test(text_keeps_quotes_and_line_feeds_as_they_are),
        cmocka_unit_test(an_element_that_stands_alone_is_copied_byte_by_byte),
        cmocka_unit_test(the_default_namespace_is_declared_where_another_is_in_force),
        cmocka_unit_test(prefixes_from_outside_are_declared_once_and_only_those_that_are_used),
        cmocka_unit_test(a_prefix_for_the_default_namespace_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
