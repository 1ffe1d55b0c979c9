#include "common/xmpp/vcard4.h"

#include "common/mem.h"
#include "common/xmpp/xml_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

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

static void forget(void)
{
    while (n_arenas > 0)
        arena_free(&arenas[--n_arenas]);
}

#define TEMP(content) "<vCard xmlns='vcard-temp'>" content "</vCard>"
#define FOUR(content) "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'>" content "</vcard>"
#define FN            "<fn><text>Peter</text></fn>"

static void assert_four(const char *temp, const char *had, const char *expected)
{
    struct buf b = {0};

    vcard4_of_temp(&b, parse(temp), parse(had));
    buf_append_char(&b, '\0');
    assert_string_equal(b.p, expected);
    /* and it is settled */
    assert_true(vcard4_agrees(parse(b.p), parse(temp)));
    buf_deinit(&b);
    forget();
}

static void assert_temp(const char *four, const char *had, const char *expected)
{
    struct buf b = {0};

    vcard_temp_of_4(&b, parse(four), parse(had));
    buf_append_char(&b, '\0');
    assert_string_equal(b.p, expected);
    buf_deinit(&b);
    forget();
}

/* The same both ways. */
static void assert_both(const char *temp, const char *four)
{
    assert_four(temp, NULL, four);
    assert_temp(four, NULL, temp);
}

static void what_both_can_say_goes_both_ways(void **state)
{
    (void)state;
    assert_both(
        TEMP("<FN>Peter</FN>"
             "<N><FAMILY>Saint-Andre</FAMILY><GIVEN>Peter</GIVEN></N>"
             "<NICKNAME>stpeter</NICKNAME><NICKNAME>psa</NICKNAME><BDAY>1966-08-06</BDAY>"
             "<ADR><WORK/><EXTADD>Suite 600</EXTADD><STREET>1899 Wynkoop Street</STREET>"
             "<LOCALITY>Denver</LOCALITY><REGION>CO</REGION><PCODE>80202</PCODE><CTRY>USA</CTRY></ADR>"
             "<TEL><WORK/><VOICE/><NUMBER>303-308-3282</NUMBER></TEL>"
             "<EMAIL><HOME/><USERID>stpeter@jabber.org</USERID></EMAIL>"
             "<JABBERID>stpeter@jabber.org</JABBERID><TZ>America/Denver</TZ>"
             "<GEO><LAT>39.59</LAT><LON>-105.01</LON></GEO>"
             "<TITLE>Executive Director</TITLE><ROLE>Patron Saint</ROLE>"
             "<ORG><ORGNAME>XMPP Standards Foundation</ORGNAME><ORGUNIT>Editors</ORGUNIT></ORG>"
             "<CATEGORIES><KEYWORD>xmpp</KEYWORD></CATEGORIES>"
             "<URL>https://stpeter.im/</URL><DESC>a &lt; b</DESC>"),
        FOUR("<fn><text>Peter</text></fn>"
             "<n><surname>Saint-Andre</surname><given>Peter</given></n>"
             "<nickname><text>stpeter</text></nickname><nickname><text>psa</text></nickname>"
             "<bday><date>1966-08-06</date></bday>"
             "<adr><parameters><type><text>work</text></type></parameters><ext>Suite 600</ext>"
             "<street>1899 Wynkoop Street</street><locality>Denver</locality><region>CO</region>"
             "<code>80202</code><country>USA</country></adr>"
             "<tel><parameters><type><text>work</text><text>voice</text></type></parameters>"
             "<text>303-308-3282</text></tel>"
             "<email><parameters><type><text>home</text></type></parameters><text>stpeter@jabber.org</text></email>"
             "<impp><uri>xmpp:stpeter@jabber.org</uri></impp><tz><text>America/Denver</text></tz>"
             "<geo><uri>geo:39.59,-105.01</uri></geo>"
             "<title><text>Executive Director</text></title><role><text>Patron Saint</text></role>"
             "<org><text>XMPP Standards Foundation</text><text>Editors</text></org>"
             "<categories><text>xmpp</text></categories>"
             "<url><uri>https://stpeter.im/</uri></url><note><text>a &lt; b</text></note>"));
}

static void what_only_one_side_can_say_is_kept_there(void **state)
{
    (void)state;
    assert_four(TEMP("<FN>New</FN><PHOTO><BINVAL>x</BINVAL></PHOTO><MAILER>m</MAILER>"),
                FOUR("<fn><text>Old</text></fn><gender><sex><text>M</text></sex></gender><url><uri>u</uri></url>"
                     "<impp><uri>sip:a@b</uri></impp><photo><uri>https://a.example/p</uri></photo>"),
                FOUR("<fn><text>New</text></fn><gender><sex><text>M</text></sex></gender>"
                     "<impp><uri>sip:a@b</uri></impp><photo><uri>https://a.example/p</uri></photo>"));
    assert_temp(FOUR("<fn><text>New</text></fn><gender><sex><text>M</text></sex></gender>"),
                TEMP("<FN>Old</FN><URL>u</URL><PHOTO><BINVAL>x</BINVAL></PHOTO><MAILER>m</MAILER>"),
                TEMP("<FN>New</FN><PHOTO><BINVAL>x</BINVAL></PHOTO><MAILER>m</MAILER>"));
}

static void notes_and_descriptions_are_one_thing(void **state)
{
    (void)state;
    assert_four(TEMP("<FN>Peter</FN><NOTE>n</NOTE><DESC>d</DESC>"), NULL,
                FOUR(FN "<note><text>d</text></note><note><text>n</text></note>"));
    assert_temp(FOUR(FN "<note><text>d</text></note>"), TEMP("<NOTE>old</NOTE>"), TEMP("<FN>Peter</FN><DESC>d</DESC>"));
}

static void what_is_empty_is_left_out_but_the_full_name(void **state)
{
    (void)state;
    assert_four(TEMP("<NICKNAME/><URL> </URL><EMAIL><HOME/></EMAIL><GEO><LAT>1</LAT></GEO>"), NULL,
                FOUR("<fn><text/></fn>"));
    assert_temp(
        FOUR(
            "<fn><text/></fn><tel><uri>tel:+1-303</uri></tel><geo><uri>geo:1,2;u=3</uri></geo><geo><uri>x</uri></geo>"),
        NULL, TEMP("<TEL><NUMBER>+1-303</NUMBER></TEL><GEO><LAT>1</LAT><LON>2</LON></GEO>"));
}

static void cards_agree_when_nothing_that_both_can_say_differs(void **state)
{
    (void)state;
    assert_true(vcard4_agrees(parse(FOUR(FN "<gender/>")), parse(TEMP("<MAILER>x</MAILER><FN>Peter</FN>"))));
    forget();
    assert_false(vcard4_agrees(parse(FOUR(FN)), parse(TEMP("<FN>Paul</FN>"))));
    forget();
    assert_false(vcard4_agrees(parse(FOUR(FN "<url><uri>u</uri></url>")), parse(TEMP("<FN>Peter</FN>"))));
    forget();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_both_can_say_goes_both_ways),
        cmocka_unit_test(what_only_one_side_can_say_is_kept_there),
        cmocka_unit_test(notes_and_descriptions_are_one_thing),
        cmocka_unit_test(what_is_empty_is_left_out_but_the_full_name),
        cmocka_unit_test(cards_agree_when_nothing_that_both_can_say_differs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
