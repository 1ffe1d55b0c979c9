#include "common/xmpp/caps.h"

#include "common/xmpp/ns.h"
#include "common/xmpp/xml_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void assert_ver(const char *query, const char *expected)
{
    struct arena *arena;
    const struct xml_element *e;
    struct buf ver = {0};

    assert_int_equal(xml_parse(str_of(query), STR(NS_CLIENT), &arena, &e), LN_OK);
    caps_append_ver(&ver, e);
    buf_append_char(&ver, '\0');
    assert_string_equal(ver.p, expected);
    buf_deinit(&ver);
    arena_free(&arena);
}

#define EXODUS                                                                                                         \
    "<identity category='client' name='Exodus 0.9.1' type='pc'/>"                                                      \
    "<feature var='http://jabber.org/protocol/muc'/>"                                                                  \
    "<feature var='http://jabber.org/protocol/disco#info'/>"                                                           \
    "<feature var='http://jabber.org/protocol/caps'/>"                                                                 \
    "<feature var='http://jabber.org/protocol/disco#items'/>"

static void the_simple_example_of_the_xep_gives_its_hash(void **state)
{
    (void)state;
    assert_ver("<query xmlns='" NS_DISCO_INFO "'>" EXODUS "</query>", "QgayPKawpkPSDYmwT/WM94uAlu0=");
}

static void the_complex_example_of_the_xep_gives_its_hash_in_whatever_order_it_is_written(void **state)
{
    (void)state;
    assert_ver("<query xmlns='" NS_DISCO_INFO "'>"
               "<x xmlns='jabber:x:data' type='result'>"
               "<field var='software_version'><value>0.11</value></field>"
               "<field var='ip_version' type='text-multi'><value>ipv6</value><value>ipv4</value></field>"
               "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>"
               "<field var='software'><value>Psi</value></field>"
               "<field var='os_version'><value>10.5.1</value></field>"
               "<field var='os'><value>Mac</value></field>"
               "</x>"
               "<feature var='http://jabber.org/protocol/disco#info'/>"
               "<feature var='http://jabber.org/protocol/muc'/>"
               "<feature var='http://jabber.org/protocol/disco#items'/>"
               "<feature var='http://jabber.org/protocol/caps'/>"
               "<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>"
               "<identity xml:lang='el' category='client' name='\xce\xa8 0.11' type='pc'/>"
               "</query>",
               "q07IKJEyjvHSyhy//CH0CxmKi8w=");
}

static void a_form_without_a_hidden_form_type_does_not_count(void **state)
{
    (void)state;
    assert_ver("<query xmlns='" NS_DISCO_INFO "'>" EXODUS
               "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE'><value>a</value></field>"
               "<field var='b'><value>c</value></field></x>"
               "<x xmlns='jabber:x:data' type='result'><field var='b'><value>c</value></field></x></query>",
               "QgayPKawpkPSDYmwT/WM94uAlu0=");
}

/* ---- what presences say, and whether answers fit ---- */

static const struct xml_element *parse(const char *xml, struct arena **ret_arena)
{
    const struct xml_element *e;

    assert_int_equal(xml_parse(str_of(xml), STR(NS_CLIENT), ret_arena, &e), LN_OK);
    return e;
}

static bool is_verified(const char *presence, const char *query)
{
    struct arena *a, *b;
    struct caps caps = caps_of_presence(parse(presence, &a));
    bool is_right = caps_verify(&caps, parse(query, &b));

    arena_free(&a);
    arena_free(&b);
    return is_right;
}

#define OLD(ver) "<presence><c xmlns='" NS_CAPS "' hash='sha-1' node='urn:c' ver='" ver "'/></presence>"
#define NEW(hash)                                                                                                      \
    "<presence><c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>" hash "</hash></c></presence>"
#define QUERY(inside) "<query xmlns='" NS_DISCO_INFO "'>" inside "</query>"

/* Of XEP-0390 section 4.6.1, in the order given there. */
#define BOMBUS                                                                                                         \
    "<identity category='client' name='BombusMod' type='mobile'/>"                                                     \
    "<feature var='http://jabber.org/protocol/si'/><feature var='http://jabber.org/protocol/bytestreams'/>"            \
    "<feature var='http://jabber.org/protocol/chatstates'/><feature var='http://jabber.org/protocol/disco#info'/>"     \
    "<feature var='http://jabber.org/protocol/disco#items'/><feature var='urn:xmpp:ping'/>"                            \
    "<feature var='jabber:iq:time'/><feature var='jabber:iq:privacy'/><feature var='jabber:iq:version'/>"              \
    "<feature var='http://jabber.org/protocol/rosterx'/><feature var='urn:xmpp:time'/><feature var='jabber:x:oob'/>"   \
    "<feature var='http://jabber.org/protocol/ibb'/>"                                                                  \
    "<feature var='http://jabber.org/protocol/si/profile/file-transfer'/><feature var='urn:xmpp:receipts'/>"           \
    "<feature var='jabber:iq:roster'/><feature var='jabber:iq:last'/>"

/* Of section 4.6.2. */
#define TKABBER                                                                                                        \
    "<identity category='client' name='Tkabber' type='pc' xml:lang='en'/>"                                             \
    "<identity category='client' name='\xd0\xa2\xd0\xba\xd0\xb0\xd0\xb1\xd0\xb1\xd0\xb5\xd1\x80' type='pc' "           \
    "xml:lang='ru'/>"                                                                                                  \
    "<feature var='games:board'/><feature var='http://jabber.org/protocol/activity'/>"                                 \
    "<feature var='http://jabber.org/protocol/activity+notify'/><feature "                                             \
    "var='http://jabber.org/protocol/bytestreams'/>"                                                                   \
    "<feature var='http://jabber.org/protocol/chatstates'/><feature var='http://jabber.org/protocol/commands'/>"       \
    "<feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/>"    \
    "<feature var='http://jabber.org/protocol/evil'/><feature var='http://jabber.org/protocol/feature-neg'/>"          \
    "<feature var='http://jabber.org/protocol/geoloc'/><feature var='http://jabber.org/protocol/geoloc+notify'/>"      \
    "<feature var='http://jabber.org/protocol/ibb'/><feature var='http://jabber.org/protocol/iqibb'/>"                 \
    "<feature var='http://jabber.org/protocol/mood'/><feature var='http://jabber.org/protocol/mood+notify'/>"          \
    "<feature var='http://jabber.org/protocol/rosterx'/><feature var='http://jabber.org/protocol/si'/>"                \
    "<feature var='http://jabber.org/protocol/si/profile/file-transfer'/><feature "                                    \
    "var='http://jabber.org/protocol/tune'/>"                                                                          \
    "<feature var='http://www.facebook.com/xmpp/messages'/>"                                                           \
    "<feature var='http://www.xmpp.org/extensions/xep-0084.html#ns-metadata+notify'/>"                                 \
    "<feature var='jabber:iq:avatar'/><feature var='jabber:iq:browse'/><feature var='jabber:iq:dtcp'/>"                \
    "<feature var='jabber:iq:filexfer'/><feature var='jabber:iq:ibb'/><feature var='jabber:iq:inband'/>"               \
    "<feature var='jabber:iq:jidlink'/><feature var='jabber:iq:last'/><feature var='jabber:iq:oob'/>"                  \
    "<feature var='jabber:iq:privacy'/><feature var='jabber:iq:roster'/><feature var='jabber:iq:time'/>"               \
    "<feature var='jabber:iq:version'/><feature var='jabber:x:data'/><feature var='jabber:x:event'/>"                  \
    "<feature var='jabber:x:oob'/><feature var='urn:xmpp:avatar:metadata+notify'/><feature var='urn:xmpp:ping'/>"      \
    "<feature var='urn:xmpp:receipts'/><feature var='urn:xmpp:time'/>"                                                 \
    "<x xmlns='jabber:x:data' type='result'><field type='hidden' var='FORM_TYPE'><value>"                              \
    "urn:xmpp:dataforms:softwareinfo</value></field><field var='software'><value>Tkabber</value></field>"              \
    "<field var='software_version'><value>0.11.1-svn-20111216-mod (Tcl/Tk 8.6b2)</value></field>"                      \
    "<field var='os'><value>Windows</value></field><field var='os_version'><value>XP</value></field></x>"

static void the_examples_of_the_newer_hashes_are_verified(void **state)
{
    (void)state;
    assert_true(is_verified(NEW("kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8="), QUERY(BOMBUS)));
    assert_true(is_verified(NEW("u79ZroNJbdSWhdSp311mddz44oHHPsEBntQ5b1jqBSY="), QUERY(TKABBER)));
    assert_false(is_verified(NEW("u79ZroNJbdSWhdSp311mddz44oHHPsEBntQ5b1jqBSY="), QUERY(BOMBUS)));
    /* What the hash is not made of may not be there (section 4.1). */
    assert_false(
        is_verified(NEW("kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8="), QUERY(BOMBUS "<more xmlns='urn:m'/>")));
    assert_false(is_verified(NEW("kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8="),
                             QUERY(BOMBUS "<x xmlns='jabber:x:data' type='result'/>")));
}

static void answers_with_twins_are_never_right(void **state)
{
#define FORM(type)                                                                                                     \
    "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>" type "</value></field></x>"
    static const char *const bad[] = {
        QUERY("<feature var='a'/><feature var='a'/>"),
        QUERY("<identity category='client' type='pc'/><identity category='client' type='pc'/>"),
        QUERY(FORM("urn:a") FORM("urn:a")),
        QUERY("<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' "
              "type='hidden'><value>a</value><value>b</value>"
              "</field></x>"),
    };

    (void)state;
    assert_true(is_verified(OLD("QgayPKawpkPSDYmwT/WM94uAlu0="), QUERY(EXODUS)));
    assert_false(is_verified(OLD("QgayPKawpkPSDYmwT/WM94uAlu1="), QUERY(EXODUS)));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct arena *a;
        struct buf ver = {0}, presence = {0};

        caps_append_ver(&ver, parse(bad[i], &a));
        buf_printf(&presence, "<presence><c xmlns='" NS_CAPS "' hash='sha-1' node='n' ver='%.*s'/></presence>%c",
                   (int)ver.len, ver.p, '\0');
        presence.len = strlen(presence.p);
        assert_false(is_verified(presence.p, bad[i]));
        arena_free(&a);
        buf_deinit(&ver);
        buf_deinit(&presence);
    }
}

/* The same bytes are hashed, but what is wanted would be another thing. */
static void a_wish_to_be_notified_that_is_hidden_in_something_else_is_not_right(void **state)
{
    static const char *const answers[] = {
        "<identity category='client' type='pc' name='a'/><feature var='urn:a+notify&lt;urn:b'/><feature var='urn:c'/>",
        "<identity category='client' type='pc' name='a'/><identity category='urn:a+notify&lt;' type='' name='d'/>",
        "<identity category='client' type='pc' name='a'/><identity category='http:' type='' xml:lang='b' "
        "name='c+notify'/><feature var='urn:c'/>",
        "<identity category='client' type='pc' name='a'/><x xmlns='jabber:x:data'><field var='FORM_TYPE' "
        "type='hidden'><value>urn:a</value></field><field var='urn:a+notify'><value>urn:c</value></field></x>",
        "<identity category='client' type='pc' name='a'/><x xmlns='jabber:x:data'><field var='FORM_TYPE' "
        "type='hidden'><value>urn:a+notify</value></field><field var='urn:c'/></x>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct buf ver = {0}, query = {0}, presence = {0};
        struct arena *arena;

        buf_append_cstr(&query, "<query xmlns='" NS_DISCO_INFO "'>");
        buf_append_cstr(&query, answers[i]);
        buf_append_cstr(&query, "</query>");
        buf_append_char(&query, '\0');
        caps_append_ver(&ver, parse(query.p, &arena));
        arena_free(&arena);
        buf_append_char(&ver, '\0');
        buf_append_cstr(&presence, "<presence><c xmlns='" NS_CAPS "' hash='sha-1' node='urn:c' ver='");
        buf_append_cstr(&presence, ver.p);
        buf_append_cstr(&presence, "'/></presence>");
        buf_append_char(&presence, '\0');
        assert_false(is_verified(presence.p, query.p));
        buf_deinit(&ver);
        buf_deinit(&query);
        buf_deinit(&presence);
    }
}

static void the_best_hash_of_a_presence_is_chosen(void **state)
{
    static const struct {
        const char *presence, *algo, *node;
        bool can_verify;
    } rows[] = {
        {OLD("AAA="), "sha-1", "urn:c#AAA=", true},
        {NEW("BBB="), "sha-256", "urn:xmpp:caps#sha-256.BBB=", true},
        {"<presence><c xmlns='" NS_CAPS "' hash='sha-1' node='urn:c' ver='AAA='/><c xmlns='urn:xmpp:caps'>"
         "<hash xmlns='urn:xmpp:hashes:2' algo='sha3-256'>CCC=</hash></c></presence>",
         "sha-1", "urn:c#AAA=", true},
        {"<presence><c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>BBB=</hash>"
         "<hash xmlns='urn:xmpp:hashes:2' algo='sha-512'>DDD=</hash></c></presence>",
         "sha-512", "urn:xmpp:caps#sha-512.DDD=", true},
        {"<presence><c xmlns='" NS_CAPS "' node='urn:c' ver='1.0'/></presence>", "", "urn:c#1.0", false},
        {"<presence><c xmlns='" NS_CAPS "' hash='md5' node='urn:c' ver='AAA='/></presence>", "md5",
         "urn:c#AAA=", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *a;
        struct caps caps = caps_of_presence(parse(rows[i].presence, &a));
        struct buf node = {0};

        caps_append_node(&node, &caps);
        assert_true(caps.is_there);
        assert_true(str_is(caps.algo, rows[i].algo));
        assert_true(str_is(buf_str(&node), rows[i].node));
        assert_int_equal(caps_can_verify(&caps), rows[i].can_verify);
        arena_free(&a);
        buf_deinit(&node);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_simple_example_of_the_xep_gives_its_hash),
        cmocka_unit_test(the_complex_example_of_the_xep_gives_its_hash_in_whatever_order_it_is_written),
        cmocka_unit_test(a_form_without_a_hidden_form_type_does_not_count),
        cmocka_unit_test(the_examples_of_the_newer_hashes_are_verified),
        cmocka_unit_test(answers_with_twins_are_never_right),
        cmocka_unit_test(a_wish_to_be_notified_that_is_hidden_in_something_else_is_not_right),
        cmocka_unit_test(the_best_hash_of_a_presence_is_chosen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
