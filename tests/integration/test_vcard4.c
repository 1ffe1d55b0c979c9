/* tests/integration/test_vcard4.c - vCard4 on a node (XEP-0292), together with vcard-temp (XEP-0054); nicknames on a
 * node (XEP-0172). */
#include "pep.h"

#define NODE "urn:xmpp:vcard4"
#define NS4  "urn:ietf:params:xml:ns:vcard-4.0"
#define NICK "http://jabber.org/protocol/nick"
#define CARD "iq[@type='result']/pubsub/items[@node='" NODE "']/item/vcard[@xmlns='" NS4 "']"
#define TEMP "iq[@type='result']/vCard[@xmlns='vcard-temp']"

static const struct node *get_temp(struct client *c, const char *of)
{
    return client_request(c, "get", of, "<vCard xmlns='vcard-temp'/>");
}

static const struct node *set_temp(struct client *c, const char *content)
{
    return client_request(c, "set", NULL, "<vCard xmlns='vcard-temp'>%s</vCard>", content);
}

static void the_account_says_that_it_knows_both_forms(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(client_request(c, "get", c->bare, "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
                  "iq/query[feature[@var='vcard-temp']]/feature[@var='" NS4 "']");
}

static void a_card_of_the_old_form_is_published_in_the_new_one(void **state)
{
    static const char *const wants_it[] = {NODE "+notify", NULL};
    struct harness *h = *state;
    struct client *peter = harness_login(h), *sam = harness_login(h);

    client_befriend(peter, sam);
    pep_go_online(sam, wants_it);
    expect_answer(set_temp(peter, "<FN>Peter Saint-Andre</FN><N><FAMILY>Saint-Andre</FAMILY><GIVEN>Peter</GIVEN></N>"
                                  "<NICKNAME>stpeter</NICKNAME><TEL><WORK/><VOICE/><NUMBER>303-308-3282</NUMBER></TEL>"
                                  "<JABBERID>stpeter@jabber.org</JABBERID><MAILER>exodus</MAILER>"),
                  "iq[@type='result'][not(*)]");
    client_expect_any(sam, EVENT_ITEMS "[@node='" NODE "']/item/vcard/fn/text[.='Peter Saint-Andre']");
    expect_answer(pep_items(sam, peter->bare, NODE),
                  CARD "[fn/text[.='Peter Saint-Andre']][n[surname[.='Saint-Andre']]/given[.='Peter']]"
                       "[nickname/text[.='stpeter']][tel[parameters/type/text[.='voice']]/text[.='303-308-3282']]"
                       "/impp/uri[.='xmpp:stpeter@jabber.org']");
    expect_answer(get_temp(sam, peter->bare), TEMP "[FN[.='Peter Saint-Andre']]/MAILER[.='exodus']");
    client_drain(sam);
    expect_answer(set_temp(peter, "<MAILER>another</MAILER><FN>Peter Saint-Andre</FN><N><FAMILY>Saint-Andre</FAMILY>"
                                  "<GIVEN>Peter</GIVEN></N><NICKNAME>stpeter</NICKNAME><TEL><WORK/><VOICE/>"
                                  "<NUMBER>303-308-3282</NUMBER></TEL><JABBERID>stpeter@jabber.org</JABBERID>"),
                  "iq[@type='result']");
    client_sync(peter, sam);
    client_expect_none(sam, EVENT_ITEMS "[@node='" NODE "']"); /* nothing that vCard4 says has changed */
}

static void a_card_of_the_new_form_is_seen_in_the_old_one_by_those_who_may_read_it(void **state)
{
    struct harness *h = *state;
    struct client *peter = harness_login(h), *sam = harness_login(h), *stranger = harness_login(h);

    client_befriend(peter, sam);
    expect_answer(set_temp(peter, "<FN>Old</FN><URL>http://old.example/</URL><MAILER>m</MAILER>"),
                  "iq[@type='result']");
    expect_answer(pep_publish(peter, NODE, NULL,
                              "<vcard xmlns='" NS4
                              "'><fn><text>New</text></fn><gender><sex><text>M</text></sex></gender>"
                              "<email><parameters><type><text>home</text></type></parameters><text>p@a.example</text>"
                              "</email></vcard>"),
                  "iq[@type='result']");
    expect_answer(get_temp(sam, peter->bare),
                  TEMP "[FN[.='New']][not(URL)][MAILER]/EMAIL[HOME]/USERID[.='p@a.example']");
    expect_answer(get_temp(peter, NULL), TEMP "[FN[.='New']]/MAILER");
    /* What was set for the world to see stays what the world sees. */
    expect_answer(get_temp(stranger, peter->bare), TEMP "[FN[.='Old']][not(EMAIL)]/URL");
    expect_answer(pep_items(stranger, peter->bare, NODE), "iq[@type='error']");
    /* And back: what only the new form can say is not lost to a client of the old one. */
    expect_answer(set_temp(peter, "<FN>Newer</FN><MAILER>m</MAILER>"), "iq[@type='result']");
    expect_answer(pep_items(sam, peter->bare, NODE), CARD "[fn/text[.='Newer']][not(email)]/gender/sex/text[.='M']");
    expect_answer(get_temp(stranger, peter->bare), TEMP "/FN[.='Newer']");
}

static void a_card_of_the_new_form_alone_is_seen_in_the_old_one(void **state)
{
    struct harness *h = *state;
    struct client *peter = harness_login(h), *sam = harness_login(h), *stranger = harness_login(h);

    client_befriend(peter, sam);
    expect_answer(pep_publish(peter, NODE, "current", "<vcard xmlns='" NS4 "'><fn><text>New</text></fn></vcard>"),
                  "iq[@type='result']");
    expect_answer(get_temp(sam, peter->bare), TEMP "/FN[.='New']");
    expect_answer(get_temp(stranger, peter->bare), "iq[@type='error']/error/service-unavailable");
}

/* XEP-0292 section 4.1: published for everybody, as XEP-0222 says */
static void a_card_that_is_open_is_seen_by_everybody(void **state)
{
    struct harness *h = *state;
    struct client *peter = harness_login(h), *stranger = harness_login(h);

    expect_answer(client_request(peter, "set", NULL,
                                 "<pubsub xmlns='" NS_PUBSUB "'><publish node='" NODE "'><item id='current'>"
                                 "<vcard xmlns='" NS4 "'><fn><text>Open</text></fn></vcard></item></publish>"
                                 "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' "
                                 "type='hidden'><value>" NS_PUBSUB "#publish-options</value></field>"
                                 "<field var='pubsub#access_model'><value>open</value></field></x></publish-options>"
                                 "</pubsub>"),
                  "iq[@type='result']");
    expect_answer(pep_items(stranger, peter->bare, NODE), CARD "/fn/text[.='Open']");
    expect_answer(get_temp(stranger, peter->bare), TEMP "/FN[.='Open']");
}

static void what_is_no_card_on_the_node_changes_nothing(void **state)
{
    struct client *peter = harness_login(*state);

    expect_answer(set_temp(peter, "<FN>Peter</FN>"), "iq[@type='result']");
    expect_answer(pep_publish(peter, NODE, "current", "<vcard xmlns='other'><fn><text>x</text></fn></vcard>"),
                  "iq[@type='result']");
    expect_answer(get_temp(peter, NULL), TEMP "/FN[.='Peter']");
}

/* XEP-0172 section 4.4 */
static void a_nickname_is_published_and_contacts_hear_of_it(void **state)
{
    static const char *const wants_it[] = {NICK "+notify", NULL};
    struct harness *h = *state;
    struct client *narrator = harness_login(h), *reader = harness_login(h);

    client_befriend(narrator, reader);
    pep_go_online(reader, wants_it);
    expect_answer(pep_publish(narrator, NICK, NULL, "<nick xmlns='" NICK "'>Ishmael</nick>"), "iq[@type='result']");
    client_expect_any(reader, EVENT_ITEMS "[@node='" NICK "']/item/nick[@xmlns='" NICK "'][.='Ishmael']");
    expect_answer(pep_items(reader, narrator->bare, NICK), "iq/pubsub/items/item/nick[.='Ishmael']");
    /* in a subscription request it comes with it */
    client_send(reader, "<presence to='%s' type='unsubscribe'/>", narrator->bare);
    client_barrier_via(reader, narrator->bare);
    client_send(reader, "<presence to='%s' type='unsubscribed'/>", narrator->bare);
    client_expect_any(narrator, "presence[@type='unsubscribe'][@from='%s']", reader->bare);
    client_send(reader, "<presence to='%s' type='subscribe'><nick xmlns='" NICK "'>Reader</nick></presence>",
                narrator->bare);
    client_expect_any(narrator, "presence[@type='subscribe'][@from='%s']/nick[.='Reader']", reader->bare);
}

int main(void)
{
    static const struct harness_options options = {0};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_account_says_that_it_knows_both_forms),
        HARNESS_TEST(a_card_of_the_old_form_is_published_in_the_new_one),
        HARNESS_TEST(a_card_of_the_new_form_is_seen_in_the_old_one_by_those_who_may_read_it),
        HARNESS_TEST(a_card_of_the_new_form_alone_is_seen_in_the_old_one),
        HARNESS_TEST(a_card_that_is_open_is_seen_by_everybody),
        HARNESS_TEST(what_is_no_card_on_the_node_changes_nothing),
        HARNESS_TEST(a_nickname_is_published_and_contacts_hear_of_it),
    };

    return harness_run_tests("vCards", tests, &options);
}
