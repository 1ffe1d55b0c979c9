/* What a stream is made of, and what RFC 6120 section 11.1 forbids in it. */
#include "tests/unit/common/xml_feed.h"

static void a_stream_is_its_header_stanzas_and_end_however_it_is_cut(void **state)
{
    (void)state;
    expect_events(
        STR("<?xml version='1.0'?>" STREAM("<message to='a@b'><body>x &amp; \u00e4</body></message> \n<iq id='1'/>")),
        "open stanza stanza close ");
}

static void the_header_tells_its_attributes_and_default_namespace(void **state)
{
    const char *header = "<stream:stream to='a.example' from='juliet@a.example' version='1.0' xml:lang='en' "
                         "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
    struct xml_scratch *scratch = xml_scratch_new();
    struct str in = str_of(header);
    struct xml_reader r;
    struct xml_result result;

    (void)state;
    xml_reader_init(&r, &wide_limits);
    assert_int_equal(xml_reader_next(&r, scratch, &in, &result), XML_STREAM_OPEN);
    assert_str(result.default_ns, "jabber:client");
    assert_true(xml_is(result.element, "stream", NS_STREAM));
    assert_str(xml_attr(result.element, "to", NULL), "a.example");
    assert_str(xml_attr(result.element, "version", NULL), "1.0");
    assert_str(xml_lang(result.element), "en");
    assert_int_equal(result.element->n_attrs, 4);
    assert_null(result.element->child);
    arena_free(&result.arena);
    xml_reader_deinit(&r);
    xml_scratch_free(&scratch);
}

static void an_xml_declaration_may_only_be_the_very_first_thing(void **state)
{
    (void)state;
    expect_events(STR("<?xml version='1.0'?>" HEADER), "open ");
    expect_events(STR("<?xml version=\"1.0\" encoding='UTF-8' standalone='yes' ?> \n" HEADER), "open ");
    expect_events(STR("<?xml version = '1.0' encoding = 'utf-8'?>" HEADER), "open ");
    expect_events(STR(" <?xml version='1.0'?>" HEADER), "error restricted-xml ");
    expect_events(STR("<?xml version='1.0'?><?xml version='1.0'?>" HEADER), "error restricted-xml ");
    expect_refused(STR("<?xml version='1.0'?>"), "restricted-xml");
    expect_refused(STR("<iq><?xml version='1.0'?></iq>"), "restricted-xml");
}

static void a_declaration_with_another_grammar_or_version_is_not_well_formed(void **state)
{
    static const char *const wrong[] = {
        "<?xml?>",
        "<?xml ?>",
        "<?xml version='1.1'?>",
        "<?xml version='2.0'?>",
        "<?xml version=1.0?>",
        "<?xml encoding='utf-8'?>",
        "<?xml version='1.0'encoding='utf-8'?>",
        "<?xml version='1.0' encoding='utf 8'?>",
        "<?xml version='1.0' encoding=''?>",
        "<?xml version='1.0' standalone='maybe'?>",
        "<?xml version='1.0' standalone='yes' encoding='utf-8'?>",
        "<?xml version='1.0' other='x'?>",
        "<?xml version='1.0\"?>",
        "<?xml version='1.0'>",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        const char *event = strcmp(wrong[i], "<?xml?>") == 0 ? "error restricted-xml " : "error not-well-formed ";

        expect_events(str_of(wrong[i]), event);
    }
}

static void another_encoding_than_utf_8_is_unsupported(void **state)
{
    (void)state;
    expect_events(STR("<?xml version='1.0' encoding='ISO-8859-1'?>" HEADER), "error unsupported-encoding ");
    expect_events(STR("<?xml version='1.0' encoding='UTF-16'?>" HEADER), "error unsupported-encoding ");
    expect_events(STR("\xff\xfe<\0s\0"), "error not-well-formed ");
}

static void a_byte_order_mark_is_taken_at_the_start_and_nowhere_else(void **state)
{
    (void)state;
    expect_events(STR("\ufeff<?xml version='1.0'?>" HEADER), "open ");
    expect_events(STR("\ufeff" HEADER), "open ");
    expect_events(STR("\ufeff\ufeff" HEADER), "error not-well-formed ");
    expect_events(STR(" \ufeff" HEADER), "error not-well-formed ");
    expect_refused(STR("\ufeff<iq/>"), "text-outside");
}

static void what_is_no_xml_at_all_is_refused_at_its_first_byte(void **state)
{
    (void)state;
    expect_events(STR("GET / HTTP/1.1\r\n"), "error not-well-formed ");
    expect_events(STR("\x16\x03\x01\x02"), "error not-well-formed ");
    expect_events(STR("</stream:stream>"), "error not-well-formed ");
}

static void comments_instructions_and_document_types_are_restricted_everywhere(void **state)
{
    static const char *const forbidden[] = {"<!-- -->", "<?php x?>", "<!DOCTYPE a>", "<!ENTITY a 'b'>", "<!x"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
        struct buf inside = {0};

        expect_events(str_of(forbidden[i]), "error restricted-xml ");
        expect_refused(str_of(forbidden[i]), "restricted-xml");
        buf_printf(&inside, "<message><body>a%s", forbidden[i]);
        expect_refused(buf_str(&inside), "restricted-xml");
        buf_deinit(&inside);
    }
    expect_refused(STR("<![CDATA[x]]>"), "restricted-xml");
}

static void entities_beyond_the_five_predefined_are_restricted(void **state)
{
    (void)state;
    expect_accepted(STR("<a b='&amp;&lt;&gt;&quot;&apos;'>&amp;&lt;&gt;&quot;&apos;</a>"));
    expect_refused(STR("<a>&nbsp;</a>"), "restricted-xml");
    expect_refused(STR("<a b='&nbsp;'/>"), "restricted-xml");
    expect_refused(STR("<a>&AMP;</a>"), "restricted-xml");
    expect_refused(STR("<a>&;</a>"), "not-well-formed");
    expect_refused(STR("<a>& </a>"), "not-well-formed");
    expect_refused(STR("<a b='&amp'/>"), "not-well-formed");
    expect_refused(STR("<a>&amp</a>"), "not-well-formed");
}

static void only_white_space_may_lie_between_stanzas(void **state)
{
    (void)state;
    expect_events(STR(" \n" HEADER " \t\r\n <iq/>\n\n\n</stream:stream> \n"), "open stanza close ");
    expect_refused(STR("x"), "text-outside");
    expect_events(STR(HEADER "<iq/>text<iq/>"), "open stanza error text-outside ");
    expect_refused(STR("&#32;"), "text-outside");
    expect_events(STR(STREAM("") "<iq/>"), "open close error not-well-formed ");
    expect_events(STR(STREAM("") "x"), "open close error not-well-formed ");
}

static void an_end_tag_must_match_as_written(void **state)
{
    (void)state;
    expect_accepted(STR("<a><b></b ><c\n></c\t></a>"));
    expect_refused(STR("<a></b>"), "not-well-formed");
    expect_refused(STR("<a></ab>"), "not-well-formed");
    expect_refused(STR("<ab></a>"), "not-well-formed");
    expect_refused(STR("<a></ a>"), "not-well-formed");
    expect_refused(STR("<a></a b='c'>"), "not-well-formed");
    expect_refused(STR("<x:a xmlns:x='u' xmlns:y='u'></y:a>"), "not-well-formed");
    expect_refused(STR("</stream>"), "not-well-formed");
    expect_events(STR(HEADER "</stream:stream\n>"), "open close ");
}

static void a_stream_may_be_empty(void **state)
{
    (void)state;
    expect_events(STR("<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>"), "open close ");
}

static void tags_follow_the_grammar_of_xml(void **state)
{
    static const char *const wrong[] = {
        "< a/>",       "<a b/>",     "<a b=/>",      "<a b=c/>", "<a b='c/>'<", "<a b='c'd='e'/>",  "<a / >",
        "<a/ >",       "<a b='<'/>", "<a b=\"c'/><", "<1/>",     "<-a/>",       "<a b='c' b='d'/>", "<a 'b'/>",
        "<a b=='c'/>", "<a>]]></a>", "<a:/>",        "<:a/>",    "<a:b:c/>",    "<a =''/>",         "<a$/>",
        "<a\u00d7/>",  "<>",         "<a b='c'/ >",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        expect_refused(str_of(wrong[i]), "not-well-formed");
    expect_accepted(STR("<a\nb = 'c'\td\r=\n\"e\"\r\n/>"));
    expect_accepted(STR("<a b='>' c=\"'\" d='\"'>></a>"));
}

static void an_error_stays_until_the_reader_is_restarted(void **state)
{
    struct feed f;

    (void)state;
    feed_init(&f, &wide_limits);
    feed_piece(&f, STR("<a b"));
    feed_piece(&f, STR("<"));
    feed_piece(&f, STR(HEADER));
    assert_false(xml_reader_is_partial(&f.reader));
    xml_reader_restart(&f.reader);
    feed_piece(&f, STR(HEADER "<iq/>"));
    buf_append_char(&f.events, '\0');
    assert_string_equal(f.events.p, "error not-well-formed error not-well-formed open stanza ");
    feed_deinit(&f);
}

static void a_restart_forgets_a_stanza_that_has_begun_and_expects_a_header(void **state)
{
    struct feed f;

    (void)state;
    feed_init(&f, &wide_limits);
    feed_piece(&f, STR("<x:stream xmlns:x='u'><iq>"));
    assert_true(xml_reader_is_partial(&f.reader));
    xml_reader_restart(&f.reader);
    assert_false(xml_reader_is_partial(&f.reader));
    feed_piece(&f, STR("<?xml version='1.0'?>" HEADER "<x:iq/>"));
    buf_append_char(&f.events, '\0');
    assert_string_equal(f.events.p, "open open error bad-namespace-prefix ");
    feed_deinit(&f);
}

static void between_stanzas_nothing_is_kept(void **state)
{
    struct feed f;

    (void)state;
    assert_true(sizeof(struct xml_reader) <= 64);
    feed_init(&f, &wide_limits);
    feed_piece(&f, STR(HEADER " <iq"));
    assert_true(xml_reader_is_partial(&f.reader));
    assert_true(xml_reader_kept_bytes(&f.reader) > 0);
    feed_piece(&f, STR("/> \n"));
    assert_false(xml_reader_is_partial(&f.reader));
    assert_int_equal(xml_reader_kept_bytes(&f.reader), 0);
    feed_deinit(&f);
}

static void input_is_taken_up_to_the_end_of_the_event(void **state)
{
    struct xml_scratch *scratch = xml_scratch_new();
    struct str in = STR("<iq/><iq/>rest");
    struct xml_result result;
    struct xml_reader r;
    struct str header = STR(HEADER "<iq");

    (void)state;
    xml_reader_init(&r, &wide_limits);
    assert_int_equal(xml_reader_next(&r, scratch, &header, &result), XML_STREAM_OPEN);
    arena_free(&result.arena);
    assert_str(header, "<iq");
    assert_int_equal(xml_reader_next(&r, scratch, &header, &result), XML_MORE);
    assert_int_equal(header.len, 0);
    in = STR("/><iq/>rest");
    assert_int_equal(xml_reader_next(&r, scratch, &in, &result), XML_STANZA);
    arena_free(&result.arena);
    assert_str(in, "<iq/>rest");
    assert_int_equal(xml_reader_next(&r, scratch, &in, &result), XML_STANZA);
    arena_free(&result.arena);
    assert_str(in, "rest");
    xml_reader_deinit(&r);
    xml_scratch_free(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_its_header_stanzas_and_end_however_it_is_cut),
        cmocka_unit_test(the_header_tells_its_attributes_and_default_namespace),
        cmocka_unit_test(an_xml_declaration_may_only_be_the_very_first_thing),
        cmocka_unit_test(a_declaration_with_another_grammar_or_version_is_not_well_formed),
        cmocka_unit_test(another_encoding_than_utf_8_is_unsupported),
        cmocka_unit_test(a_byte_order_mark_is_taken_at_the_start_and_nowhere_else),
        cmocka_unit_test(what_is_no_xml_at_all_is_refused_at_its_first_byte),
        cmocka_unit_test(comments_instructions_and_document_types_are_restricted_everywhere),
        cmocka_unit_test(entities_beyond_the_five_predefined_are_restricted),
        cmocka_unit_test(only_white_space_may_lie_between_stanzas),
        cmocka_unit_test(an_end_tag_must_match_as_written),
        cmocka_unit_test(a_stream_may_be_empty),
        cmocka_unit_test(tags_follow_the_grammar_of_xml),
        cmocka_unit_test(an_error_stays_until_the_reader_is_restarted),
        cmocka_unit_test(a_restart_forgets_a_stanza_that_has_begun_and_expects_a_header),
        cmocka_unit_test(between_stanzas_nothing_is_kept),
        cmocka_unit_test(input_is_taken_up_to_the_end_of_the_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
