/* Namespaces in XML 1.0 within a stream, and which elements can be copied out of it as they are. */
#include "tests/unit/common/xml_feed.h"

static void names_get_the_namespace_that_is_in_force(void **state)
{
    struct arena *arena;
    const struct xml_element *a = parse_one("<a xmlns:p='urn:1' p:v='1' v='2'><p:b/><c xmlns='urn:2' xmlns:p='urn:3'>"
                                            "<p:d p:v='3'/><e xmlns=''/></c><p:f/></a>",
                                            &arena),
                             *c;

    (void)state;
    assert_str(a->ns, NS_CLIENT);
    assert_int_equal(a->n_attrs, 2);
    assert_str(a->attrs[0].ns, "urn:1");
    assert_str(a->attrs[0].prefix, "p");
    assert_str(a->attrs[1].ns, "");
    assert_true(xml_is(a->child, "b", "urn:1"));
    assert_str(a->child->prefix, "p");
    c = a->child->next;
    assert_true(xml_is(c, "c", "urn:2"));
    assert_true(xml_is(c->child, "d", "urn:3"));
    assert_str(c->child->attrs[0].ns, "urn:3");
    assert_true(xml_is(c->child->next, "e", ""));
    assert_true(xml_is(c->next, "f", "urn:1"));
    arena_free(&arena);
}

static void prefixes_declared_on_the_root_hold_in_all_stanzas(void **state)
{
    struct feed f;

    (void)state;
    feed_init(&f, &wide_limits);
    feed_piece(&f, STR("<s:stream xmlns='jabber:server' xmlns:s='http://etherx.jabber.org/streams' "
                       "xmlns:db='jabber:server:dialback'>"));
    feed_piece(&f, STR("<db:result>key</db:result>"));
    assert_true(xml_is(f.last, "result", "jabber:server:dialback"));
    feed_piece(&f, STR("<db:result xmlns:db='u'/>"));
    assert_true(xml_is(f.last, "result", "u"));
    feed_piece(&f, STR("<db:verify/></s:stream>"));
    assert_true(xml_is(f.last, "verify", "jabber:server:dialback"));
    feed_deinit(&f);
}

static void a_prefix_that_nobody_declared_is_refused(void **state)
{
    (void)state;
    expect_refused(STR("<p:a/>"), "bad-namespace-prefix");
    expect_refused(STR("<a p:b='c'/>"), "bad-namespace-prefix");
    expect_refused(STR("<a><b xmlns:p='u'/><p:c/></a>"), "bad-namespace-prefix");
    expect_refused(STR("<xmlns:a/>"), "bad-namespace-prefix");
    expect_events(STR("<stream:stream xmlns='jabber:client'>"), "error bad-namespace-prefix ");
    expect_accepted(STR("<a xml:lang='en'><xml:b/></a>"));
}

static void reserved_prefixes_and_namespaces_cannot_be_bound_anew(void **state)
{
    static const char *const wrong[] = {
        "<a xmlns:xml='u'/>",
        "<a xmlns:xmlns='u'/>",
        "<a xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns:p='http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns:p='http://www.w3.org/XML/1998/namespac&#101;'/>",
        "<a xmlns:p=''/>",
        "<a xmlns:='u'/>",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        expect_refused(str_of(wrong[i]), "not-well-formed");
    expect_accepted(STR("<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='en'/>"));
    expect_accepted(STR("<a xmlns=''/>"));
}

static void an_attribute_may_come_once_by_its_namespace(void **state)
{
    static const char *const wrong[] = {
        "<a b='1' b='2'/>",
        "<a xmlns:p='u' p:b='1' p:b='2'/>",
        "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
        "<a xmlns:p='u&amp;' xmlns:q='u&#38;' p:b='1' q:b='2'/>",
        "<a xmlns='u' xmlns='v'/>",
        "<a xmlns='jabber:client' xmlns='jabber:client'/>",
        "<a xmlns:p='u' xmlns:p='u'/>",
        "<a xml:lang='en' xml:lang='de'/>",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        expect_refused(str_of(wrong[i]), "not-well-formed");
    expect_accepted(STR("<a b='1' xmlns:p='u' p:b='2' xmlns:q='v' q:b='3' xmlns='u'/>"));
}

/* Feeds one stanza behind the usual header; the result lives as long as `f`. */
static const struct xml_element *read_stanza(struct feed *f, const char *xml)
{
    feed_init(f, &wide_limits);
    feed_piece(f, STR(HEADER));
    feed_piece(f, str_of(xml));
    return f->last;
}

static void an_element_needs_its_context_when_it_uses_a_prefix_from_outside(void **state)
{
    struct feed f;
    const struct xml_element *e = read_stanza(&f, "<message xmlns:p='u'><p:a/><b p:c=''/><d><stream:e/></d>"
                                                  "<p:f xmlns:p='v'><p:g/></p:f><h xml:lang='en'/></message>");

    (void)state;
    assert_true(e->needs_context); /* because of <stream:e/> */
    e = e->child;
    assert_true(e->needs_context);
    e = e->next;
    assert_true(e->needs_context);
    e = e->next;
    assert_true(e->needs_context && e->child->needs_context);
    e = e->next;
    assert_false(e->needs_context);
    assert_true(e->child->needs_context);
    e = e->next;
    assert_false(e->needs_context);
    feed_deinit(&f);
}

static void an_element_needs_its_context_when_its_default_namespace_is_an_ancestors(void **state)
{
    struct feed f;
    const struct xml_element *e =
        read_stanza(&f, "<iq><query xmlns='u'><item><x xmlns=''/></item></query><body/></iq>");
    const struct xml_element *query = e->child, *item = query->child;

    (void)state;
    assert_false(e->needs_context || query->needs_context);
    assert_true(item->needs_context);
    assert_false(item->child->needs_context);
    assert_false(query->next->needs_context);
    assert_true(e->uses_stream_ns && query->next->uses_stream_ns);
    assert_false(query->uses_stream_ns || item->uses_stream_ns);
    feed_deinit(&f);
}

static void repeating_the_streams_default_namespace_changes_nothing(void **state)
{
    struct feed f;
    const struct xml_element *e = read_stanza(&f, "<message xmlns='jabber:client'><body/><x xmlns='u'>"
                                                  "<body xmlns='jabber:client'><b/></body></x></message>");

    (void)state;
    assert_false(e->needs_context || e->child->needs_context);
    assert_str(e->child->ns, NS_CLIENT);
    e = e->child->next;
    assert_false(e->needs_context || e->child->needs_context);
    assert_true(e->child->child->needs_context);
    feed_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_get_the_namespace_that_is_in_force),
        cmocka_unit_test(prefixes_declared_on_the_root_hold_in_all_stanzas),
        cmocka_unit_test(a_prefix_that_nobody_declared_is_refused),
        cmocka_unit_test(reserved_prefixes_and_namespaces_cannot_be_bound_anew),
        cmocka_unit_test(an_attribute_may_come_once_by_its_namespace),
        cmocka_unit_test(an_element_needs_its_context_when_it_uses_a_prefix_from_outside),
        cmocka_unit_test(an_element_needs_its_context_when_its_default_namespace_is_an_ancestors),
        cmocka_unit_test(repeating_the_streams_default_namespace_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
