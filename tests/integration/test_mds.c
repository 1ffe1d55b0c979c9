/* tests/integration/test_mds.c - what was displayed, between the clients of a user (XEP-0490). */
#include "pep.h"

#define NODE      "urn:xmpp:mds:displayed:0"
#define MARKER    "<displayed xmlns='urn:xmpp:chat-markers:0' id='the-msg-1'/>"
#define DISPLAYED "<displayed xmlns='" NODE "'><stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='%s'/></displayed>"
#define ITEMS     "iq[@type='result']/pubsub/items[@node='" NODE "']"

static const char *const wants_it[] = {NODE "+notify", NULL};

static const struct node *publish(struct client *c, const char *chat, const char *id)
{
    return client_request(c, "set", NULL,
                          "<pubsub xmlns='" NS_PUBSUB "'><publish node='" NODE "'><item id='%s'>" DISPLAYED
                          "</item></publish><publish-options><x xmlns='jabber:x:data' type='submit'>"
                          "<field var='FORM_TYPE' type='hidden'><value>" NS_PUBSUB "#publish-options</value></field>"
                          "<field var='pubsub#persist_items'><value>true</value></field>"
                          "<field var='pubsub#max_items'><value>max</value></field>"
                          "<field var='pubsub#send_last_published_item'><value>never</value></field>"
                          "<field var='pubsub#access_model'><value>whitelist</value></field></x></publish-options>"
                          "</pubsub>",
                          chat, c->bare, id);
}

static void the_account_says_that_it_assists(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(client_request(c, "get", c->bare, "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
                  "iq/query/feature[@var='urn:xmpp:mds:server-assist:0']");
}

/* Sections 3.1 to 3.3 */
static void a_client_publishes_what_was_displayed_and_the_others_hear_of_it(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *phone = client_login(h, a, "phone", 0), *desk = client_login(h, a, "desk", 0);

    pep_go_online(desk, wants_it);
    expect_answer(publish(phone, "romeo@montegue.lit", "0f710f2b"), "iq[@type='result']");
    client_expect_any(desk,
                      EVENT_ITEMS "[@node='" NODE "']/item[@id='romeo@montegue.lit']/displayed[@xmlns='" NODE
                                  "']/stanza-id[@id='0f710f2b'][@by='%s']",
                      a->jid);
    expect_answer(publish(phone, "example@conference.shakespeare.lit", "ca21deaf"), "iq[@type='result']");
    expect_answer(publish(phone, "romeo@montegue.lit", "1f710f2b"), "iq[@type='result']");
    expect_answer(pep_items(desk, NULL, NODE),
                  ITEMS "[item[@id='example@conference.shakespeare.lit']/displayed/stanza-id[@id='ca21deaf']]"
                        "/item[@id='romeo@montegue.lit']/displayed/stanza-id[@id='1f710f2b']");
    assert_int_equal(node_count(node_find(pep_items(desk, NULL, NODE), ITEMS), "item"), 2);
}

/* Section 3.4.3 */
static void the_server_publishes_what_a_marker_carries_and_takes_it_out(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *juliet = client_login(h, a, "balcony", 0), *other = client_login(h, a, "chamber", 0),
                  *romeo = harness_login(h);
    const struct node *message;

    client_go_online(romeo, 0);
    client_go_online(juliet, 0);
    pep_go_online(other, wants_it);
    expect_answer(client_request(other, "set", NULL, "<enable xmlns='urn:xmpp:carbons:2'/>"), "iq[@type='result']");
    client_send(juliet,
                "<message to='%s' type='chat' id='m'>" MARKER DISPLAYED "<store xmlns='urn:xmpp:hints'/></message>",
                romeo->bare, a->jid, "0423e3a9");
    message = client_expect_any(romeo, "message[@id='m'][@from='%s']", juliet->jid);
    expect_answer(message, "message/displayed[@xmlns='urn:xmpp:chat-markers:0'][@id='the-msg-1']");
    if (node_matches(message, "message/displayed[@xmlns='" NODE "']"))
        test_fail("the contact sees it: %s", node_describe(message));
    client_expect_any(other,
                      EVENT_ITEMS "[@node='" NODE "']/item[@id='%s']/displayed[@xmlns='" NODE
                                  "']/stanza-id[@id='0423e3a9'][@by='%s']",
                      romeo->bare, a->jid);
    message = client_expect_any(other, "message/sent[@xmlns='urn:xmpp:carbons:2']");
    expect_answer(message, "message/sent/forwarded/message/displayed[@xmlns='urn:xmpp:chat-markers:0']");
    if (node_matches(message, "message/sent/forwarded/message/displayed[@xmlns='" NODE "']"))
        test_fail("it was copied: %s", node_describe(message));
    client_send(juliet, "<iq type='set' id='mam'><query xmlns='urn:xmpp:mam:2'/></iq>");
    message = client_expect_any(juliet, "message/result/forwarded/message[@id='m']");
    expect_answer(message, "message/result/forwarded/message/displayed[@xmlns='urn:xmpp:chat-markers:0']");
    if (node_matches(message, "message/result/forwarded/message/displayed[@xmlns='" NODE "']"))
        test_fail("it is in the archive: %s", node_describe(message));
    client_expect_any(juliet, "iq[@id='mam'][@type='result']");
}

/* What was taken out does not cost the message its acknowledgement. */
static void the_message_is_acknowledged_as_others_are(void **state)
{
    struct harness *h = *state;
    struct client *juliet = client_login(h, harness_account(h), NULL, CLIENT_ACKS), *romeo = harness_login(h);

    client_send(juliet, "<message to='%s' type='chat'><body>hi</body>" DISPLAYED "</message>", romeo->bare,
                juliet->bare, "x");
    client_wait_acked(juliet);
    client_go_online(romeo, 0);
    client_expect_any(romeo, "message[not(displayed)]/body[.='hi']");
}

/* Section 4.2: how the node is made, if that is how it comes to be. */
static void a_node_that_the_server_makes_is_for_the_user_only_and_keeps_all_chats(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    client_befriend(juliet, romeo);
    for (int i = 0; i < 20; i++)
        client_send(juliet, "<message to='chat%d@rooms.example' type='groupchat'>" MARKER DISPLAYED "</message>", i,
                    juliet->bare, "id");
    client_barrier(juliet);
    assert_int_equal(node_count(node_find(pep_items(juliet, NULL, NODE), ITEMS), "item"), 20);
    expect_answer(pep_items(romeo, juliet->bare, NODE), "iq[@type='error']");
    expect_answer(publish(juliet, "chat0@rooms.example", "id2"), "iq[@type='result']"); /* as clients want it */
}

static void the_id_is_the_address_as_it_was_written(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);

    client_send(juliet, "<message to='Romeo@Montegue.lit'>" MARKER DISPLAYED "</message>", juliet->bare, "x");
    client_barrier(juliet);
    expect_answer(pep_items(juliet, NULL, NODE), ITEMS "/item[@id='Romeo@Montegue.lit']");
}

static void a_message_to_nobody_and_an_error_publish_nothing(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    client_go_online(romeo, 0);
    client_send(juliet, "<message>" MARKER DISPLAYED "</message>", juliet->bare, "x");
    client_send(juliet,
                "<message to='%s' type='error' id='e'><error type='cancel'><gone "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>" DISPLAYED "</message>",
                romeo->jid, juliet->bare, "x");
    client_expect_any(romeo, "message[@id='e'][not(displayed)]");
    expect_answer(pep_items(juliet, NULL, NODE), "iq[@type='error']/error/item-not-found");
}

/* What clients publish this way is a few words; it waits for its turn in memory. */
static void what_is_no_marker_by_its_size_is_not_published(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);
    char *long_text = malloc(8193);

    memset(long_text, 'a', 8192);
    long_text[8192] = '\0';
    client_go_online(romeo, 0);
    client_send(juliet,
                "<message to='%s' type='chat' id='m'>" MARKER "<displayed xmlns='" NODE "'>%s</displayed></message>",
                romeo->bare, long_text);
    client_expect_any(romeo, "message[@id='m'][not(displayed[@xmlns='" NODE "'])]");
    expect_answer(pep_items(juliet, NULL, NODE), "iq[@type='error']/error/item-not-found");
    free(long_text);
}

int main(void)
{
    static const struct harness_options options = {0};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_account_says_that_it_assists),
        HARNESS_TEST(a_client_publishes_what_was_displayed_and_the_others_hear_of_it),
        HARNESS_TEST(the_server_publishes_what_a_marker_carries_and_takes_it_out),
        HARNESS_TEST(the_message_is_acknowledged_as_others_are),
        HARNESS_TEST(a_node_that_the_server_makes_is_for_the_user_only_and_keeps_all_chats),
        HARNESS_TEST(the_id_is_the_address_as_it_was_written),
        HARNESS_TEST(what_is_no_marker_by_its_size_is_not_published),
        HARNESS_TEST(a_message_to_nobody_and_an_error_publish_nothing),
    };

    return harness_run_tests("displayed synchronisation", tests, &options);
}
