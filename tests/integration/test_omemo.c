/* tests/integration/test_omemo.c - what XEP-0384 asks of a server, as its clients use it: device lists and bundles of
 * several devices for everybody who writes to their owner, in both forms that are in use. */
#include "archive.h"
#include "caps_client.h"
#include "pep.h"

#define OMEMO       "urn:xmpp:omemo:2"
#define DEVICES     OMEMO ":devices"
#define BUNDLES     OMEMO ":bundles"
#define OLD         "eu.siacs.conversations.axolotl"
#define OLD_DEVICES OLD ".devicelist"
#define OLD_BUNDLE  OLD ".bundles:31415"
#define NS_ERRORS   NS_PUBSUB "#errors"
#define CONFIG(kind, fields)                                                                                           \
    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>" NS_PUBSUB "#" kind           \
    "</value></field>" fields "</x>"
#define OPTION(name, value) "<field var='pubsub#" name "'><value>" value "</value></field>"
#define OPTIONS(fields)     "<publish-options>" CONFIG("publish-options", fields) "</publish-options>"
#define LIST(devices)       "<item id='current'><devices xmlns='" OMEMO "'>" devices "</devices></item>"
#define BUNDLE(id)                                                                                                     \
    "<item id='" id "'><bundle xmlns='" OMEMO "'><spk id='0'>c3Br</spk><spks>c2ln</spks><ik>aWs=</ik>"                 \
    "<prekeys><pk id='" id "'>cGs=</pk></prekeys></bundle></item>"
#define PUBLISH(node, items, options)                                                                                  \
    "<pubsub xmlns='" NS_PUBSUB "'><publish node='" node "'>" items "</publish>" options "</pubsub>"
#define ANYBODY     OPTION("access_model", "open")
#define ANYBODY_ALL ANYBODY OPTION("max_items", "max")

#define publish(c, node, items, options)                                                                               \
    expect_answer(client_request(c, "set", NULL, PUBLISH(node, items, options)), "iq[@type='result']")

static const struct node *bundle_of(struct client *reader, const char *of, const char *device)
{
    return client_request(reader, "get", of,
                          "<pubsub xmlns='" NS_PUBSUB "'><items node='" BUNDLES "'><item id='%s'/></items></pubsub>",
                          device);
}

static void announce(struct client *c)
{
    publish(c, DEVICES, LIST("<device id='1'/>"), OPTIONS(ANYBODY));
    publish(c, BUNDLES, BUNDLE("1"), OPTIONS(ANYBODY_ALL));
}

/* ---- sections 4.2, 5.3.1, 5.3.2, and 9, "Server side requirements" ---- */

static void the_account_has_all_that_is_required(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *info = client_request(c, "get", c->bare, "<query xmlns='" NS_INFO "'/>");

    expect_answer(info, "iq/query[identity[@category='pubsub'][@type='pep']]"
                        "[feature[@var='" NS_PUBSUB "#publish-options']][feature[@var='" NS_PUBSUB "#config-node-max']]"
                        "[feature[@var='" NS_PUBSUB "#persistent-items']]/feature[@var='" NS_PUBSUB "#access-open']");
}

/* Who writes for the first time is no contact, and the addressee need not be there. */
static void a_stranger_finds_devices_and_bundles_of_somebody_offline(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *juliet = client_login(h, a, NULL, 0), *romeo = harness_login(h);

    announce(juliet);
    client_logout(juliet);
    expect_answer(pep_items(romeo, a->jid, DEVICES),
                  "iq[@type='result']/pubsub/items/item[@id='current']/devices[@xmlns='" OMEMO "']/device[@id='1']");
    expect_answer(bundle_of(romeo, a->jid, "1"), "iq[@type='result']/pubsub/items/item[@id='1']/bundle[@xmlns='" OMEMO
                                                 "'][spk[@id='0']][spks][ik]/prekeys/pk[@id='1'][.='cGs=']");
    expect_answer(bundle_of(romeo, a->jid, "2"), "iq[@type='result']/pubsub/items[not(item)]");
}

static void every_device_has_an_item_of_its_own(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *phone = client_login(h, a, "phone", 0), *desk = client_login(h, a, "desk", 0);
    struct client *romeo = harness_login(h);
    const struct node *answer;

    announce(phone);
    publish(desk, BUNDLES, BUNDLE("2"), OPTIONS(ANYBODY_ALL));
    publish(desk, BUNDLES, BUNDLE("3"), OPTIONS(ANYBODY_ALL));
    /* one that replaces its keys replaces nothing else */
    publish(phone, BUNDLES, BUNDLE("1"), OPTIONS(ANYBODY_ALL));
    answer = pep_items(romeo, a->jid, BUNDLES);
    assert_int_equal(node_count(node_find(answer, "iq/pubsub/items"), "item"), 3);
    for (int i = 1; i <= 3; i++) {
        char id[8];

        snprintf(id, sizeof(id), "%d", i);
        expect_answer(bundle_of(romeo, a->jid, id), "iq/pubsub/items/item/bundle");
    }
    /* it is deactivated (section 7): its bundle goes, the others stay */
    expect_answer(pep_retract(desk, BUNDLES, "2"), "iq[@type='result']");
    expect_answer(bundle_of(romeo, a->jid, "2"), "iq[@type='result']/pubsub/items[not(item)]");
    expect_answer(bundle_of(romeo, a->jid, "3"), "iq[@type='result']/pubsub/items/item[@id='3']");
}

/* Section 5.3.1: a device that was overwritten hears of it, and announces itself again. */
static void a_device_that_was_left_out_hears_of_it(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *phone = client_login(h, a, "phone", 0), *desk = client_login(h, a, "desk", 0);

    go_online_with(phone, (const char *[]){DEVICES "+notify", "urn:example:of-the-phone", a->jid, NULL});
    publish(phone, DEVICES, LIST("<device id='1'/>"), OPTIONS(ANYBODY));
    client_expect_any(phone, EVENT_ITEMS "[@node='" DEVICES "']/item/devices/device[@id='1']");
    publish(desk, DEVICES, LIST("<device id='2'/>"), OPTIONS(ANYBODY));
    client_expect_any(phone, EVENT_ITEMS "[@node='" DEVICES "']/item/devices[not(device[@id='1'])]/device[@id='2']");
    publish(phone, DEVICES, LIST("<device id='2'/><device id='1'/>"), OPTIONS(ANYBODY));
    client_expect_any(phone, EVENT_ITEMS "/item/devices[device[@id='1']]/device[@id='2']");
    /* there is one list at a time */
    assert_int_equal(node_count(node_find(pep_items(desk, NULL, DEVICES), "iq/pubsub/items"), "item"), 1);
}

/* "Devices MUST subscribe via PEP", also those who come later. */
static void a_contact_who_comes_online_is_sent_the_list(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h), *stranger = harness_login(h);

    client_befriend(juliet, romeo);
    announce(juliet);
    go_online_with(romeo, (const char *[]){DEVICES "+notify", "urn:example:late", romeo->bare, NULL});
    client_expect_any(romeo, "message[@from='%s']/event/items[@node='" DEVICES "']/item/devices/device[@id='1']",
                      juliet->bare);
    go_online_with(stranger, (const char *[]){DEVICES "+notify", "urn:example:stranger", stranger->bare, NULL});
    publish(juliet, DEVICES, LIST("<device id='5'/>"), OPTIONS(ANYBODY));
    client_expect_any(romeo, "message[@from='%s']/event/items/item/devices/device[@id='5']", juliet->bare);
    client_sync(juliet, stranger);
    client_expect_none(stranger, "message");
}

/* ---- publish-options that the node does not meet (XEP-0060 section 7.1.5) ---- */

static void expect_conflict(const struct node *answer)
{
    expect_answer(answer, "iq[@type='error']/error[conflict]/precondition-not-met[@xmlns='" NS_ERRORS "']");
}

static void a_node_that_is_too_narrow_is_widened_by_its_owner(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *contact = harness_login(h), *stranger = harness_login(h);

    client_befriend(juliet, contact);
    announce(juliet);
    /* another client has closed it and keeps one bundle only */
    expect_answer(client_request(juliet, "set", NULL,
                                 "<pubsub xmlns='" NS_PUBSUB "#owner'><configure node='" BUNDLES
                                 "'>" CONFIG("node_config", OPTION("access_model", "presence")
                                                                OPTION("max_items", "1")) "</configure></pubsub>"),
                  "iq[@type='result']");
    expect_answer(bundle_of(contact, juliet->bare, "1"), "iq[@type='result']/pubsub/items/item");
    /* to who does not see her presence it is as if it were not there */
    expect_answer(bundle_of(stranger, juliet->bare, "1"), "iq[@type='error']/error/service-unavailable");
    expect_answer(pep_items(stranger, juliet->bare, DEVICES), "iq[@type='result']/pubsub/items/item");
    expect_conflict(client_request(juliet, "set", NULL, PUBLISH(BUNDLES, BUNDLE("2"), OPTIONS(ANYBODY))));
    expect_conflict(
        client_request(juliet, "set", NULL, PUBLISH(BUNDLES, BUNDLE("2"), OPTIONS(OPTION("max_items", "max")))));
    expect_answer(bundle_of(juliet, NULL, "2"), "iq[@type='result']/pubsub/items[not(item)]");
    expect_answer(client_request(juliet, "set", NULL,
                                 "<pubsub xmlns='" NS_PUBSUB "#owner'><configure node='" BUNDLES
                                 "'>" CONFIG("node_config", ANYBODY_ALL) "</configure></pubsub>"),
                  "iq[@type='result']");
    publish(juliet, BUNDLES, BUNDLE("2"), OPTIONS(ANYBODY_ALL));
    expect_answer(bundle_of(stranger, juliet->bare, "1"), "iq[@type='result']/pubsub/items/item");
    expect_answer(bundle_of(stranger, juliet->bare, "2"), "iq[@type='result']/pubsub/items/item");
}

static void strangers_are_refused_what_is_for_contacts(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *contact = harness_login(h), *stranger = harness_login(h);

    client_befriend(juliet, contact);
    publish(juliet, DEVICES, LIST("<device id='1'/>"), OPTIONS(OPTION("access_model", "presence")));
    publish(juliet, BUNDLES, BUNDLE("1"), OPTIONS(OPTION("access_model", "presence") OPTION("max_items", "max")));
    expect_answer(pep_items(contact, juliet->bare, DEVICES), "iq[@type='result']/pubsub/items/item/devices");
    expect_answer(bundle_of(contact, juliet->bare, "1"), "iq[@type='result']/pubsub/items/item/bundle");
    /* nothing here is for everybody: the account does not show that there is anything */
    expect_answer(pep_items(stranger, juliet->bare, DEVICES), "iq[@type='error']/error/service-unavailable");
    expect_answer(bundle_of(stranger, juliet->bare, "1"), "iq[@type='error']/error/service-unavailable");
    /* nobody else publishes keys in her name */
    expect_answer(client_request(contact, "set", juliet->bare, PUBLISH(BUNDLES, BUNDLE("9"), "")),
                  "iq[@type='error']/error/forbidden");
    expect_answer(client_request(contact, "set", juliet->bare, PUBLISH(DEVICES, LIST("<device id='9'/>"), "")),
                  "iq[@type='error']/error/forbidden");
    expect_answer(bundle_of(juliet, NULL, "9"), "iq[@type='result']/pubsub/items[not(item)]");
}

static void an_option_that_nobody_knows_is_refused(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(client_request(c, "set", NULL, PUBLISH(DEVICES, LIST(""), OPTIONS(OPTION("of_a_dream", "1")))),
                  "iq[@type='error']/error[conflict]/precondition-not-met");
    expect_answer(client_request(c, "set", NULL,
                                 PUBLISH(DEVICES, LIST(""),
                                         "<publish-options>" CONFIG("node_config", ANYBODY) "</publish-options>")),
                  "iq[@type='error']/error/bad-request");
}

/* ---- the older form: a node for each device ---- */

static void devices_of_the_older_form_are_found_by_strangers(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *stranger = harness_login(h);

    publish(juliet, OLD_DEVICES, "<item id='current'><list xmlns='" OLD "'><device id='31415'/></list></item>",
            OPTIONS(ANYBODY));
    publish(juliet, OLD_BUNDLE,
            "<item id='current'><bundle xmlns='" OLD "'><identityKey>aWs=</identityKey></bundle></item>",
            OPTIONS(ANYBODY));
    publish(juliet, OLD_BUNDLE,
            "<item id='current'><bundle xmlns='" OLD "'><identityKey>bmV3</identityKey></bundle></item>",
            OPTIONS(ANYBODY OPTION("persist_items", "true")));
    expect_answer(pep_items(stranger, juliet->bare, OLD_DEVICES),
                  "iq[@type='result']/pubsub/items/item/list[@xmlns='" OLD "']/device[@id='31415']");
    expect_answer(pep_items(stranger, juliet->bare, OLD_BUNDLE),
                  "iq[@type='result']/pubsub/items/item[@id='current']/bundle/identityKey[.='bmV3']");
    expect_answer(pep_items(juliet, NULL, OLD ".bundles:1"), "iq[@type='error']/error/item-not-found");
}

/* ---- what was encrypted: no body, but it says something ---- */

static void an_encrypted_message_without_a_hint_is_copied_and_archived(void **state)
{
    struct harness *h = *state;
    const struct account *j = harness_account(h);
    struct client *romeo = harness_login(h), *juliet;

    client_send(romeo,
                "<message to='%s' type='chat' id='o'><encrypted xmlns='" OMEMO "'><header sid='27183'>"
                "<keys jid='%s'><key rid='31415'>a2V5</key></keys></header><payload>cGF5bG9hZA==</payload></encrypted>"
                "</message>",
                j->jid, j->jid);
    client_barrier_via(romeo, j->jid);
    client_expect_none(romeo, "message");
    juliet = client_login(h, j, NULL, 0);
    client_go_online(juliet, 0);
    client_expect_any(juliet, "message[@id='o'][delay][stanza-id]/encrypted[header/keys/key[@rid='31415']]/payload");
    archive_expect(juliet, "encrypted", "%s", ALL);
    archive_expect(romeo, "encrypted", "%s", ALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_account_has_all_that_is_required),
        HARNESS_TEST(a_stranger_finds_devices_and_bundles_of_somebody_offline),
        HARNESS_TEST(every_device_has_an_item_of_its_own),
        HARNESS_TEST(a_device_that_was_left_out_hears_of_it),
        HARNESS_TEST(a_contact_who_comes_online_is_sent_the_list),
        HARNESS_TEST(a_node_that_is_too_narrow_is_widened_by_its_owner),
        HARNESS_TEST(strangers_are_refused_what_is_for_contacts),
        HARNESS_TEST(an_option_that_nobody_knows_is_refused),
        HARNESS_TEST(devices_of_the_older_form_are_found_by_strangers),
        HARNESS_TEST(an_encrypted_message_without_a_hint_is_copied_and_archived),
    };

    return harness_run_tests("omemo", tests, &(struct harness_options){0});
}
