#include "common/xmpp/avatar.h"

#include "common/mem.h"
#include "common/xmpp/xml_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HASH "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d" /* of "hello" */

static struct arena *arena;

static const struct xml_element *parse(const char *xml)
{
    const struct xml_element *e;

    arena_free(&arena);
    assert_int_equal(xml_parse(str_of(xml), STR(""), &arena, &e), LN_OK);
    return e;
}

static int forget(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void assert_text(struct buf *b, const char *expected)
{
    buf_append_char(b, '\0');
    assert_string_equal(b->p, expected);
    buf_deinit(b);
}

static void a_picture_is_known_by_its_sha1(void **state)
{
    char out[AVATAR_HASH_LEN];

    (void)state;
    assert_true(str_is(avatar_hash(STR("hello"), out), HASH));
    assert_true(avatar_is_hash(STR(HASH)));
    assert_false(avatar_is_hash(STR("AAF4c61ddcc5e8a2dabede0f3b482cd9aea9434d")));
    assert_false(avatar_is_hash(STR("aaf4")));
    assert_false(avatar_is_hash(STR("")));
}

static void base64_may_have_white_space(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_true(avatar_decode(STR("\n aGVs\r\n\tbG8= \n"), &b));
    assert_text(&b, "hello");
    assert_false(avatar_decode(STR("aGVsbG8"), &b));
    assert_false(avatar_decode(STR("a&b="), &b));
    assert_int_equal(b.len, 0);
    buf_deinit(&b);
}

#define METADATA(infos) "<metadata xmlns='urn:xmpp:avatar:metadata'>" infos "</metadata>"

static void the_picture_on_the_data_node_is_picked(void **state)
{
    struct str hash, type;

    (void)state;
    assert_true(avatar_of_metadata(parse(METADATA("<info id='" HASH "' type='image/gif' url='http://a.example/'/>"
                                                  "<info bytes='5' id='" HASH "' type='image/png'/>")),
                                   &hash, &type));
    assert_true(str_is(hash, HASH) && str_is(type, "image/png"));
    assert_true(avatar_of_metadata(parse(METADATA("<info id='" HASH "'/>")), &hash, &type));
    assert_true(str_is(type, "image/png"));
    assert_false(avatar_of_metadata(parse(METADATA("")), &hash, &type));
    assert_false(avatar_of_metadata(parse(METADATA("<info id='x' type='image/png'/>")), &hash, &type));
    assert_false(avatar_of_metadata(parse(METADATA("<info id='" HASH "' url='http://a.example/'/>")), &hash, &type));
    assert_false(avatar_of_metadata(parse("<metadata xmlns='other'><info id='" HASH "'/></metadata>"), &hash, &type));
}

static void metadata_is_written_for_one_picture_or_none(void **state)
{
    struct buf b = {0};

    (void)state;
    avatar_write_metadata(&b, STR(HASH), STR("image/png"), 5);
    assert_text(&b, METADATA("<info bytes='5' id='" HASH "' type='image/png'/>"));
    avatar_write_metadata(&b, STR(""), STR(""), 0);
    assert_text(&b, "<metadata xmlns='urn:xmpp:avatar:metadata'/>");
}

#define VCARD(content) "<vCard xmlns='vcard-temp'>" content "</vCard>"
#define PHOTO(content) "<PHOTO>" content "</PHOTO>"

static bool has_picture(const char *vcard, const char *expected_type, const char *expected)
{
    struct buf picture = {0};
    struct str type;
    bool found = avatar_of_vcard(parse(vcard), &picture, &type);

    if (found) {
        assert_true(str_is(type, expected_type));
        assert_true(str_is(buf_str(&picture), expected));
    }
    assert_int_equal(found, picture.len > 0);
    buf_deinit(&picture);
    return found;
}

static void the_picture_of_a_vcard_has_the_type_it_says_or_looks_like(void **state)
{
    (void)state;
    assert_true(has_picture(VCARD(PHOTO("<TYPE> image/x </TYPE><BINVAL>aGVs\nbG8=</BINVAL>")), "image/x", "hello"));
    assert_true(has_picture(VCARD(PHOTO("<BINVAL>R0lGODlh</BINVAL>")), "image/gif", "GIF89a"));
    assert_true(has_picture(VCARD(PHOTO("<TYPE>junk</TYPE><BINVAL>/9j/</BINVAL>")), "image/jpeg", "\xff\xd8\xff"));
    assert_false(has_picture(VCARD(PHOTO("<BINVAL>aGVsbG8=</BINVAL>")), "", ""));
    assert_false(has_picture(VCARD(PHOTO("<TYPE>image/png</TYPE><BINVAL/>")), "", ""));
    assert_false(has_picture(VCARD(PHOTO("<TYPE>image/png</TYPE><BINVAL>a</BINVAL>")), "", ""));
    assert_false(has_picture(VCARD(PHOTO("<TYPE>image/png</TYPE><EXTVAL>http://a.example/</EXTVAL>")), "", ""));
    assert_false(has_picture(VCARD("<FN>x</FN>"), "", ""));
}

static void a_vcard_gets_a_picture_in_the_place_of_its_own(void **state)
{
    struct buf b = {0};

    (void)state;
    avatar_write_vcard(&b, parse(VCARD("<FN>a &lt; b</FN>" PHOTO("<BINVAL>x</BINVAL>") "<NOTE/>")), STR("image/png"),
                       STR("aGVsbG8="));
    assert_text(&b, VCARD("<FN>a &lt; b</FN><NOTE/>" PHOTO("<TYPE>image/png</TYPE><BINVAL>aGVsbG8=</BINVAL>")));
    avatar_write_vcard(&b, NULL, STR("image/png"), STR("aGVsbG8="));
    assert_text(&b, VCARD(PHOTO("<TYPE>image/png</TYPE><BINVAL>aGVsbG8=</BINVAL>")));
    avatar_write_vcard(&b, parse(VCARD(PHOTO("") "<FN>x</FN>")), STR(""), STR(""));
    assert_text(&b, VCARD("<FN>x</FN>"));
}

/* XEP-0398 section 4 */
static void presence_says_the_hash_unless_it_says_that_there_is_to_be_none(void **state)
{
    static const struct {
        const char *content;
        const char *hash;
        bool must;
    } cases[] = {
        {"", HASH, true},
        {"<x xmlns='vcard-temp:x:update'/>", HASH, true},
        {"<x xmlns='vcard-temp:x:update'><photo/></x>", HASH, false},
        {"<x xmlns='vcard-temp:x:update'><photo>" HASH "</photo></x>", HASH, false},
        {"<x xmlns='vcard-temp:x:update'><photo>AAF4C61DDCC5E8A2DABEDE0F3B482CD9AEA9434D</photo></x>", HASH, false},
        {"<x xmlns='vcard-temp:x:update'><photo>sha1-hash-of-image</photo></x>", HASH, true},
        {"<x xmlns='other'><photo/></x>", HASH, true},
        {"", "", true},
        {"<x xmlns='vcard-temp:x:update'><photo>" HASH "</photo></x>", "", true},
        {"<x xmlns='vcard-temp:x:update'><photo/></x>", "", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char xml[256];
        struct stanza *st;

        (void)snprintf(xml, sizeof(xml), "<presence from='a@b/c'>%s</presence>", cases[i].content);
        st = stanza_from_bytes(str_of(xml));
        assert_non_null(st);
        if (avatar_must_update(st, str_of(cases[i].hash)) != cases[i].must)
            fail_msg("%s, where the hash is %s", cases[i].content, cases[i].hash);
        stanza_unref(&st);
    }
}

static void the_update_is_the_hash_or_an_empty_photo(void **state)
{
    struct buf b = {0};

    (void)state;
    avatar_write_update(&b, STR(HASH));
    assert_text(&b, "<x xmlns='vcard-temp:x:update'><photo>" HASH "</photo></x>");
    avatar_write_update(&b, STR(""));
    assert_text(&b, "<x xmlns='vcard-temp:x:update'><photo/></x>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_teardown(f, forget)
        TEST(a_picture_is_known_by_its_sha1),
        TEST(base64_may_have_white_space),
        TEST(the_picture_on_the_data_node_is_picked),
        TEST(metadata_is_written_for_one_picture_or_none),
        TEST(the_picture_of_a_vcard_has_the_type_it_says_or_looks_like),
        TEST(a_vcard_gets_a_picture_in_the_place_of_its_own),
        TEST(presence_says_the_hash_unless_it_says_that_there_is_to_be_none),
        TEST(the_update_is_the_hash_or_an_empty_photo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
