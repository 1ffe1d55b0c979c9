/* tests/integration/test_pep.c - XEP-0163: events between contacts, and what their clients are sent when they come. */
#include "caps_client.h"

#define NS   "http://jabber.org/protocol/pubsub"
#define TUNE "http://jabber.org/protocol/tune"
#define MOOD "http://jabber.org/protocol/mood"
#define FORM(kind, fields)                                                                                             \
    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>" NS "#" kind                  \
    "</value></field>" fields "</x>"
#define FIELD(name, value) "<field var='pubsub#" name "'><value>" value "</value></field>"

static const char *something_new(struct harness *h)
{
    static char name[64];

    snprintf(name, sizeof(name), "urn:test:%s", harness_nobody(h));
    return name;
}

static void must_succeed(const struct node *answer)
{
    if (!node_matches(answer, "iq[@type='result']"))
        test_fail("it was refused: %s", node_describe(answer));
}

static void set(struct client *c, const char *what)
{
    must_succeed(client_request(c, "set", NULL, "<pubsub xmlns='" NS "'>%s</pubsub>", what));
}

static void publish(struct client *c, const char *node, const char *id)
{
    char *what =
        text_format("<publish node='%s'><item id='%s'><tune xmlns='" TUNE "'><title>%s</title></tune></item></publish>",
                    node, id, id);

    set(c, what);
    free(what);
}

static void configure(struct client *c, const char *node, const char *fields)
{
    must_succeed(client_request(c, "set", NULL,
                                "<pubsub xmlns='" NS
                                "#owner'><configure node='%s'><x xmlns='jabber:x:data' type='submit'>%s</x>"
                                "</configure></pubsub>",
                                node, fields));
}

/* Wants to hear of tunes, and is online. */
static void listen_to_tunes(struct harness *h, struct client *c)
{
    const char *features[] = {TUNE, TUNE "+notify", something_new(h), NULL};

    go_online_with(c, features);
}

/* All that was caused so far has come: what `from` sent, to where `to` is. */
static void settle(struct client *from, struct client *to)
{
    client_barrier(from);
    client_sync(from, to);
}

static void an_event_goes_to_all_who_see_the_owner_and_want_it(void **state)
{
    struct harness *h = *state;
    const struct account *j = harness_account(h), *r = harness_account(h);
    struct client *balcony = client_login(h, j, "balcony", 0), *chamber = client_login(h, j, "chamber", 0);
    struct client *orchard = client_login(h, r, "orchard", 0), *garden = client_login(h, r, "garden", 0);
    struct client *deaf = client_login(h, r, "deaf", 0), *benvolio = harness_login(h);

    client_befriend(balcony, orchard);
    listen_to_tunes(h, balcony);
    listen_to_tunes(h, chamber);
    listen_to_tunes(h, orchard);
    listen_to_tunes(h, garden);
    listen_to_tunes(h, benvolio);
    client_go_online(deaf, 5);
    publish(balcony, TUNE, "first");
    struct client *hearers[] = {balcony, chamber, orchard, garden};

    for (size_t i = 0; i < 4; i++) {
        const struct node *m =
            client_expect_any(hearers[i],
                              "message[@type='headline'][@from='%s'][@to='%s'][@id]/event[@xmlns='" NS
                              "#event']/items[@node='" TUNE "']/item[@id='first'][not(@publisher)]/tune"
                              "[@xmlns='" TUNE "']/title[.='first']",
                              j->jid, hearers[i]->jid);
        char *reply = text_format(
            "message/addresses[@xmlns='http://jabber.org/protocol/address']/address[@type='replyto'][@jid='%s']",
            balcony->jid);

        if (!node_matches(m, reply))
            test_fail("there is no %s in %s", reply, node_describe(m));
        free(reply);
    }
    publish(balcony, MOOD, "first");
    settle(balcony, orchard);
    client_sync(balcony, deaf);
    client_sync(balcony, benvolio);
    for (size_t i = 0; i < 4; i++)
        client_expect_none(hearers[i], "message/event/items[@node='" MOOD "']");
    client_expect_none(deaf, "message/event");
    client_expect_none(benvolio, "message/event");
}

static void who_comes_online_is_sent_the_last_item_once(void **state)
{
    struct harness *h = *state;
    const struct account *j = harness_account(h), *r = harness_account(h);
    struct client *juliet = client_login(h, j, "balcony", 0), *romeo = client_login(h, r, "orchard", 0), *late;

    client_befriend(juliet, romeo);
    publish(juliet, TUNE, "old");
    publish(juliet, TUNE, "new");
    settle(juliet, romeo);
    client_expect_none(romeo, "message/event");
    late = client_login(h, r, "late", 0);
    listen_to_tunes(h, late);
    client_expect_any(
        late,
        "message[@type='headline'][@from='%s'][@to='%s'][delay[@xmlns='urn:xmpp:delay'][@stamp]]/event/items/item"
        "[@id='new']/tune",
        j->jid, late->jid);
    /* Presence again is no arrival (section 4.3.3). */
    client_send(late, "<presence><show>away</show></presence>");
    client_barrier(late);
    settle(juliet, late);
    client_expect_none(late, "message/event");
    /* Gone and here again is one. */
    client_send(late, "<presence type='unavailable'/>");
    client_barrier(late);
    client_send(late, "<presence/>");
    client_expect_any(late, "message/event/items/item[@id='new']");
    settle(juliet, late);
    client_expect_none(late, "message/event");
    /* The owner's own clients are sent it as well, and the owner need not be there for others. */
    struct client *chamber = client_login(h, j, "chamber", 0);

    listen_to_tunes(h, chamber);
    client_expect_any(chamber, "message[@from='%s']/event/items/item[@id='new']", j->jid);
    client_logout(juliet);
    client_logout(chamber);
    late = client_login(h, r, "later", 0);
    listen_to_tunes(h, late);
    client_expect_any(late, "message/event/items/item[@id='new']");
}

static void nodes_that_say_never_send_no_last_item(void **state)
{
    struct harness *h = *state;
    const struct account *j = harness_account(h);
    struct client *juliet = client_login(h, j, "balcony", 0), *late;

    publish(juliet, TUNE, "first");
    configure(juliet, TUNE, FIELD("send_last_published_item", "never"));
    late = client_login(h, j, "late", 0);
    listen_to_tunes(h, late);
    settle(juliet, late);
    client_expect_none(late, "message/event");
    publish(juliet, TUNE, "second");
    client_expect_any(late, "message/event/items/item[@id='second']");
}

static void who_is_let_in_is_sent_the_last_item_then(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    publish(juliet, TUNE, "first");
    listen_to_tunes(h, romeo);
    client_befriend(juliet, romeo); /* takes away what comes on the way */
    settle(juliet, romeo);
    client_expect_none(romeo, "message/event");
    struct client *nurse = harness_login(h);

    listen_to_tunes(h, nurse);
    client_send(nurse, "<presence type='subscribe' to='%s'/>", juliet->bare);
    client_expect_any(juliet, "presence[@type='subscribe'][@from='%s']", nurse->bare);
    client_send(juliet, "<presence type='subscribed' to='%s'/>", nurse->bare);
    client_expect_any(nurse, "message[@from='%s'][delay]/event/items/item[@id='first']", juliet->bare);
    settle(juliet, nurse);
    client_expect_none(nurse, "message/event");
    /* And who is no longer is told nothing. */
    client_send(juliet, "<presence type='unsubscribed' to='%s'/>", nurse->bare);
    client_expect_any(nurse, "presence[@type='unavailable'][@from='%s']", juliet->jid);
    publish(juliet, TUNE, "second");
    settle(juliet, nurse);
    client_expect_none(nurse, "message/event");
}

static void only_those_who_may_read_a_node_hear_of_it(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h), *nurse = harness_login(h);

    client_befriend(juliet, romeo);
    client_befriend(juliet, nurse);
    listen_to_tunes(h, juliet);
    listen_to_tunes(h, romeo);
    listen_to_tunes(h, nurse);
    must_succeed(client_request(juliet, "set", NULL,
                                "<query xmlns='jabber:iq:roster'><item jid='%s'><group>Friends</group></item></query>",
                                romeo->bare));
    set(juliet, "<create node='" TUNE
                "'/><configure>" FORM("node_config", FIELD("access_model", "roster")
                                                         FIELD("roster_groups_allowed", "Friends")) "</configure>");
    publish(juliet, TUNE, "friends");
    client_expect_any(romeo, "message/event/items/item[@id='friends']");
    client_expect_any(juliet, "message/event/items/item[@id='friends']");
    settle(juliet, nurse);
    client_expect_none(nurse, "message/event");
    configure(juliet, TUNE, FIELD("access_model", "whitelist"));
    publish(juliet, TUNE, "nobody");
    client_expect_any(juliet, "message/event/items/item[@id='nobody']");
    settle(juliet, romeo);
    client_expect_none(romeo, "message/event");
    must_succeed(client_request(juliet, "set", NULL,
                                "<pubsub xmlns='" NS "#owner'><affiliations node='" TUNE "'><affiliation jid='%s' "
                                "affiliation='member'/></affiliations></pubsub>",
                                nurse->bare));
    publish(juliet, TUNE, "member");
    client_expect_any(nurse, "message/event/items/item[@id='member']");
}

static void what_becomes_of_items_and_nodes_is_told(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    client_befriend(juliet, romeo);
    listen_to_tunes(h, romeo);
    set(juliet, "<create node='" TUNE "'/><configure>" FORM(
                    "node_config", FIELD("max_items", "2") FIELD("notify_config", "1")) "</configure>");
    publish(juliet, TUNE, "a");
    publish(juliet, TUNE, "b");
    publish(juliet, TUNE, "c");
    client_expect(romeo, "message/event/items/item[@id='a']");
    client_expect(romeo, "message/event/items/item[@id='b']");
    client_expect(romeo, "message/event/items/retract[@id='a']");
    client_expect(romeo, "message/event/items/item[@id='c']");
    set(juliet, "<retract node='" TUNE "' notify='0'><item id='b'/></retract>");
    set(juliet, "<retract node='" TUNE "'><item id='c'/></retract>");
    client_expect(romeo, "message/event/items[@node='" TUNE "']/retract[@id='c']");
    configure(juliet, TUNE, FIELD("deliver_payloads", "0"));
    client_expect(romeo, "message/event/configuration[@node='" TUNE "'][not(x)]");
    publish(juliet, TUNE, "d");
    client_expect(romeo, "message/event/items/item[@id='d'][not(*)]");
    configure(juliet, TUNE, FIELD("deliver_payloads", "1") FIELD("title", "Tunes"));
    client_expect(romeo, "message/event/configuration/x[@type='result']/field[@var='pubsub#title']/value[.='Tunes']");
    configure(juliet, TUNE, FIELD("notification_type", "normal") FIELD("notify_config", "0"));
    publish(juliet, TUNE, "e");
    client_expect(romeo, "message[not(@type)][no-store[@xmlns='urn:xmpp:hints']]/event/items/item[@id='e']");
    configure(juliet, TUNE, FIELD("deliver_notifications", "0"));
    publish(juliet, TUNE, "f");
    configure(juliet, TUNE, FIELD("deliver_notifications", "1"));
    must_succeed(client_request(juliet, "set", NULL, "<pubsub xmlns='" NS "#owner'><purge node='" TUNE "'/></pubsub>"));
    client_expect(romeo, "message/event/purge[@node='" TUNE "']");
    must_succeed(
        client_request(juliet, "set", NULL, "<pubsub xmlns='" NS "#owner'><delete node='" TUNE "'/></pubsub>"));
    client_expect(romeo, "message/event/delete[@node='" TUNE "']");
}

static void events_are_not_kept_for_those_who_are_away(void **state)
{
    struct harness *h = *state;
    const struct account *r = harness_account(h);
    struct client *juliet = harness_login(h), *romeo = client_login(h, r, "orchard", 0);

    client_befriend(juliet, romeo);
    client_logout(romeo);
    publish(juliet, TUNE, "a");
    publish(juliet, TUNE, "b");
    client_send(juliet, "<message to='%s' type='chat'><body>still there?</body></message>", r->jid);
    client_barrier_via(juliet, r->jid);
    romeo = client_login(h, r, "back", 0);
    client_go_online(romeo, 0);
    client_expect(romeo, "message[body]");
    settle(juliet, romeo);
    client_expect_none(romeo, "message/event");
}

static void events_come_in_the_order_of_publication(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    client_befriend(juliet, romeo);
    listen_to_tunes(h, romeo);
    for (unsigned i = 0; i < 100; i++)
        client_send(juliet,
                    "<iq type='set' id='p%u'><pubsub xmlns='" NS "'><publish node='" TUNE
                    "'><item id='i%u'><tune xmlns='" TUNE "'/></item></publish></pubsub></iq>",
                    i, i);
    for (unsigned i = 0; i < 100; i++)
        client_expect(romeo, "message/event/items/item[@id='i%u']", i);
}

static void a_contact_that_is_blocked_hears_nothing(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    client_befriend(juliet, romeo);
    listen_to_tunes(h, romeo);
    publish(juliet, TUNE, "a");
    client_expect_any(romeo, "message/event/items/item[@id='a']");
    must_succeed(
        client_request(juliet, "set", NULL, "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>", romeo->bare));
    publish(juliet, TUNE, "b");
    must_succeed(client_request(juliet, "set", NULL, "<unblock xmlns='urn:xmpp:blocking'><item jid='%s'/></unblock>",
                                romeo->bare));
    publish(juliet, TUNE, "c");
    client_expect_any(romeo, "message/event/items/item[@id='c']");
    assert_int_equal(client_count(romeo, "message/event/items/item[@id='b']"), 0);
}

/* XEP-0384: two devices of Juliet; Romeo is no contact of hers, and still finds what he needs to write to her. */
static void device_lists_and_bundles_are_found_by_those_who_encrypt(void **state)
{
#define DEVICES "urn:xmpp:omemo:2:devices"
#define BUNDLES "urn:xmpp:omemo:2:bundles"
#define OPTIONS(max)                                                                                                   \
    "<publish-options>" FORM("publish-options",                                                                        \
                             FIELD("access_model", "open") FIELD("max_items", max)) "</publish-options>"
    struct harness *h = *state;
    const struct account *j = harness_account(h);
    struct client *phone = client_login(h, j, "phone", 0), *desk = client_login(h, j, "desk", 0);
    struct client *romeo = harness_login(h), *contact = harness_login(h);
    const char *features[] = {DEVICES "+notify", something_new(h), NULL};
    const struct node *answer;

    client_befriend(phone, contact);
    go_online_with(desk, features);
    client_drain(desk);
    go_online_with(contact, (const char *[]){DEVICES "+notify", something_new(h), NULL});
    set(phone, "<publish node='" DEVICES
               "'><item id='current'><devices xmlns='urn:xmpp:omemo:2'><device id='1'/></devices></item></publish>"
               "<publish-options>" FORM("publish-options", FIELD("access_model", "open")) "</publish-options>");
    client_expect_any(desk, "message[@from='%s']/event/items[@node='" DEVICES "']/item/devices/device[@id='1']",
                      j->jid);
    client_expect_any(contact, "message[@from='%s']/event/items/item/devices/device[@id='1']", j->jid);
    set(phone,
        "<publish node='" BUNDLES "'><item id='1'><bundle xmlns='urn:xmpp:omemo:2'/></item></publish>" OPTIONS("max"));
    set(desk,
        "<publish node='" BUNDLES "'><item id='2'><bundle xmlns='urn:xmpp:omemo:2'/></item></publish>" OPTIONS("max"));
    set(desk, "<publish node='" DEVICES
              "'><item id='current'><devices xmlns='urn:xmpp:omemo:2'><device id='1'/><device id='2'/></devices>"
              "</item></publish><publish-options>" FORM("publish-options",
                                                        FIELD("access_model", "open")) "</publish-options>");
    client_expect_any(contact, "message/event/items/item/devices/device[@id='2']");
    answer = client_request(romeo, "get", j->jid, "<pubsub xmlns='" NS "'><items node='" DEVICES "'/></pubsub>");
    if (!node_matches(answer,
                      "iq[@type='result']/pubsub/items/item[@id='current']/devices[device[@id='1']][device[@id='2']]"))
        test_fail("the devices are not found: %s", node_describe(answer));
    for (unsigned i = 1; i <= 2; i++) {
        answer = client_request(romeo, "get", j->jid,
                                "<pubsub xmlns='" NS "'><items node='" BUNDLES "'><item id='%u'/></items></pubsub>", i);
        if (!node_matches(answer, "iq[@type='result']/pubsub/items/item/bundle[@xmlns='urn:xmpp:omemo:2']"))
            test_fail("bundle %u is not found: %s", i, node_describe(answer));
    }
    set(phone, "<retract node='" BUNDLES "' notify='true'><item id='2'/></retract>");
    answer = client_request(romeo, "get", j->jid, "<pubsub xmlns='" NS "'><items node='" BUNDLES "'/></pubsub>");
    assert_int_equal(node_count(node_find(answer, "iq/pubsub/items"), "item"), 1);
}

static void all_that_is_known_of_nodes_lasts_over_a_restart(void **state)
{
    struct harness *h = *state;
    const struct account *j = harness_account(h), *r = harness_account(h);
    struct client *juliet = client_login(h, j, "balcony", 0), *romeo = client_login(h, r, "orchard", 0);

    client_befriend(juliet, romeo);
    publish(juliet, TUNE, "kept");
    client_forget_all(h);
    harness_stop(h);
    harness_start(h);
    romeo = client_login(h, r, "orchard", 0);
    listen_to_tunes(h, romeo);
    client_expect_any(romeo, "message[@from='%s'][delay]/event/items[@node='" TUNE "']/item[@id='kept']", j->jid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(an_event_goes_to_all_who_see_the_owner_and_want_it),
        HARNESS_TEST(who_comes_online_is_sent_the_last_item_once),
        HARNESS_TEST(nodes_that_say_never_send_no_last_item),
        HARNESS_TEST(who_is_let_in_is_sent_the_last_item_then),
        HARNESS_TEST(only_those_who_may_read_a_node_hear_of_it),
        HARNESS_TEST(what_becomes_of_items_and_nodes_is_told),
        HARNESS_TEST(events_are_not_kept_for_those_who_are_away),
        HARNESS_TEST(events_come_in_the_order_of_publication),
        HARNESS_TEST(a_contact_that_is_blocked_hears_nothing),
        HARNESS_TEST(device_lists_and_bundles_are_found_by_those_who_encrypt),
        HARNESS_TEST(all_that_is_known_of_nodes_lasts_over_a_restart),
    };

    return harness_run_tests("pep", tests, &(struct harness_options){0});
}
