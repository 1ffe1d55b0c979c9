#include "common/xmpp/bookmark.h"

#include "common/xmpp/xml_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena *arenas[4];
static size_t n_arenas;

static const struct xml_element *parse(const char *xml)
{
    const struct xml_element *e = NULL;

    if (xml == NULL)
        return NULL;
    assert_int_equal(xml_parse(str_of(xml), STR(""), &arenas[n_arenas++], &e), LN_OK);
    return e;
}

static int forget(void **state)
{
    (void)state;
    while (n_arenas > 0)
        arena_free(&arenas[--n_arenas]);
    return 0;
}

#define OLD(attrs, content) "<conference xmlns='storage:bookmarks' jid='a@b'" attrs ">" content "</conference>"
#define NEW(attrs, content) "<conference xmlns='urn:xmpp:bookmarks:1'" attrs ">" content "</conference>"

static void assert_new(const char *from, const char *had, const char *expected)
{
    struct buf b = {0};

    bookmark_write_new(&b, parse(from), parse(had));
    buf_append_char(&b, '\0');
    assert_string_equal(b.p, expected);
    buf_deinit(&b);
    (void)forget(NULL);
}

static void assert_old(const char *from, const char *expected)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    bookmark_write_old(&w, STR("a@b"), parse(from));
    buf_append_char(&b, '\0');
    assert_string_equal(b.p, expected);
    buf_deinit(&b);
    (void)forget(NULL);
}

static void the_address_is_prepared_and_must_be_one(void **state)
{
    struct jid_buf mem;
    struct jid id;

    (void)state;
    assert_true(bookmark_id_of(parse("<conference xmlns='storage:bookmarks' jid='Play@Rooms.Example'/>"), &mem, &id));
    assert_true(str_is(id.full, "play@rooms.example"));
    assert_false(bookmark_id_of(parse("<conference xmlns='storage:bookmarks' jid='@'/>"), &mem, &id));
    assert_false(bookmark_id_of(parse("<conference xmlns='storage:bookmarks'/>"), &mem, &id));
    assert_false(bookmark_id_of(parse("<url xmlns='storage:bookmarks' jid='a@b'/>"), &mem, &id));
}

static void an_old_bookmark_becomes_an_item(void **state)
{
    (void)state;
    assert_new(OLD(" name='The Play&apos;s' autojoin='1'", "<nick>JC</nick><password>&lt;x</password>"), NULL,
               NEW(" name='The Play&apos;s' autojoin='true'", "<nick>JC</nick><password>&lt;x</password>"));
    assert_new("<conference xmlns='storage:bookmarks' jid='a@b' autojoin='false'/>", NULL,
               "<conference xmlns='urn:xmpp:bookmarks:1'/>");
    assert_new(OLD(" autojoin='yes' minimize='1'", "<nick xmlns='other'>JC</nick>"), NULL,
               NEW("", "<extensions><nick xmlns='other'>JC</nick></extensions>"));
}

static void an_item_becomes_an_old_bookmark(void **state)
{
    (void)state;
    assert_old(NEW(" name='The Play' autojoin='1'", "<nick>JC</nick>"),
               "<conference jid='a@b' name='The Play' autojoin='true'><nick>JC</nick></conference>");
    assert_old("<conference xmlns='urn:xmpp:bookmarks:1'/>", "<conference jid='a@b'/>");
    assert_old("<b:conference xmlns:b='urn:xmpp:bookmarks:1' name='x'><b:nick>y</b:nick></b:conference>",
               "<conference jid='a@b' name='x'><nick>y</nick></conference>");
}

static void what_clients_add_goes_there_and_back(void **state)
{
    (void)state;
    assert_new(OLD("", "<state xmlns='urn:c' minimized='true'/>"), NULL,
               NEW("", "<extensions><state xmlns='urn:c' minimized='true'/></extensions>"));
    assert_old(NEW("", "<extensions><state xmlns='urn:c' minimized='true'/></extensions>"),
               "<conference jid='a@b'><state xmlns='urn:c' minimized='true'/></conference>");
}

/* A client that knows the old form only may not bring it back. */
static void extensions_that_the_old_form_does_not_say_are_kept(void **state)
{
    (void)state;
    assert_new(OLD(" name='new'", "<a xmlns='urn:c'>2</a>"),
               NEW(" name='old'", "<extensions><a xmlns='urn:c'>1</a><b xmlns='urn:c'/></extensions>"),
               NEW(" name='new'", "<extensions><a xmlns='urn:c'>2</a><b xmlns='urn:c'/></extensions>"));
    assert_new(OLD(" name='new'", ""), NEW(" name='old'", "<nick>x</nick><extensions><b xmlns='urn:c'/></extensions>"),
               NEW(" name='new'", "<extensions><b xmlns='urn:c'/></extensions>"));
}

static void an_item_that_says_the_same_keeps_its_very_bytes(void **state)
{
    static const char item[] = "<conference  autojoin=\"1\" name='n' xmlns='urn:xmpp:bookmarks:1'><extensions>"
                               "<b xmlns=\"urn:c\"/></extensions><nick>x</nick></conference>";

    (void)state;
    assert_new(OLD(" name='n' autojoin='true'", "<nick>x</nick>"), item, item);
    assert_new(OLD(" name='n' autojoin='true'", "<nick>x</nick><b xmlns=\"urn:c\"/>"), item, item);
    assert_new(OLD(" name='n' autojoin='true'", "<nick>x</nick><b xmlns='urn:c' on='1'/>"), item,
               NEW(" name='n' autojoin='true'", "<nick>x</nick><extensions><b xmlns='urn:c' on='1'/></extensions>"));
    assert_new(OLD(" name='n'", "<nick>x</nick>"), item,
               NEW(" name='n'", "<nick>x</nick><extensions><b xmlns=\"urn:c\"/></extensions>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_teardown(f, forget)
        TEST(the_address_is_prepared_and_must_be_one),
        TEST(an_old_bookmark_becomes_an_item),
        TEST(an_item_becomes_an_old_bookmark),
        TEST(what_clients_add_goes_there_and_back),
        TEST(extensions_that_the_old_form_does_not_say_are_kept),
        TEST(an_item_that_says_the_same_keeps_its_very_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
