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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_simple_example_of_the_xep_gives_its_hash),
        cmocka_unit_test(the_complex_example_of_the_xep_gives_its_hash_in_whatever_order_it_is_written),
        cmocka_unit_test(a_form_without_a_hidden_form_type_does_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
