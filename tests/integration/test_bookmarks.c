/* tests/integration/test_bookmarks.c - bookmarks as items (XEP-0402), on the old node and in private XML (XEP-0048,
 * XEP-0049, XEP-0411): one thing, whoever writes it. */
#include "pep.h"

#define NODE "urn:xmpp:bookmarks:1"
#define OLD  "storage:bookmarks"
#define PLAY "theplay@conference.shakespeare.lit"
#define ORCH "orchard@conference.shakespeare.lit"

static const struct node *get_private(struct client *c)
{
    return client_request(c, "get", NULL, "<query xmlns='jabber:iq:private'><storage xmlns='" OLD "'/></query>");
}

static const struct node *set_private(struct client *c, const char *content)
{
    return client_request(c, "set", NULL,
                          "<query xmlns='jabber:iq:private'><storage xmlns='" OLD "'>%s</storage></query>", content);
}

static void go_online(struct client *c)
{
    static const char *const features[] = {OLD "+notify", NODE "+notify", NULL};

    pep_go_online(c, features);
}

/* Waits until what was converted is there, which comes after the answer to a publish request. */
static void await_old_node(struct client *c, const char *path)
{
    for (int i = 0; !node_matches(pep_items(c, NULL, OLD), path); i++) {
        if (i == 500)
            test_fail("the node " OLD " never became %s: %s", path, node_describe(pep_items(c, NULL, OLD)));
    }
}

#define STORAGE "iq[@type='result']/query[@xmlns='jabber:iq:private']/storage[@xmlns='" OLD "']"
#define ITEMS   "iq[@type='result']/pubsub/items[@node='" NODE "']"

static void the_account_says_that_bookmarks_are_one_thing(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(client_request(c, "get", c->bare, "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
                  "iq/query[feature[@var='" NODE "#compat']][feature[@var='" NODE "#compat-pep']]"
                  "/feature[@var='urn:xmpp:bookmarks-conversion:0']");
}

static void without_bookmarks_the_storage_is_empty(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(get_private(c), STORAGE "[not(*)]");
}

/* XEP-0402 section 3.3 */
static void items_are_seen_by_old_clients(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(pep_publish(c, NODE, PLAY,
                              "<conference xmlns='" NODE "' name='The Play&apos;s the Thing' autojoin='true'>"
                              "<nick>JC</nick></conference>"),
                  "iq[@type='result']");
    expect_answer(pep_publish(c, NODE, ORCH,
                              "<conference xmlns='" NODE "' name='The Orchard' autojoin='1'><nick>JC</nick><extensions>"
                              "<state xmlns='http://myclient.example/bookmark/state' minimized='true'/></extensions>"
                              "</conference>"),
                  "iq[@type='result']");
    expect_answer(get_private(c),
                  STORAGE "[conference[@jid='" PLAY "'][@name=\"The Play's the Thing\"][@autojoin='true']"
                          "/nick[.='JC']]/conference[@jid='" ORCH "'][@autojoin='true']"
                          "/state[@minimized='true']");
    await_old_node(c, "iq/pubsub/items/item[@id='current']/storage[@xmlns='" OLD "'][conference[@jid='" PLAY "']]"
                      "/conference[@jid='" ORCH "'][nick]");
    expect_answer(pep_retract(c, NODE, PLAY), "iq[@type='result']");
    expect_answer(get_private(c), STORAGE "[not(conference[@jid='" PLAY "'])]/conference[@jid='" ORCH "']");
    await_old_node(c, "iq/pubsub/items/item/storage[not(conference[@jid='" PLAY "'])]/conference[@jid='" ORCH "']");
}

static void what_an_old_client_sets_becomes_items_and_new_clients_hear_of_what_changed(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *old = client_login(h, a, "old", 0), *new = client_login(h, a, "new", 0);

    go_online(new);
    expect_answer(set_private(old, "<conference name='The Play' autojoin='true' jid='" PLAY "'><nick>JC</nick>"
                                   "</conference><conference jid='" ORCH "'/>"),
                  "iq[@type='result'][not(*)]");
    client_expect_any(new, EVENT_ITEMS "[@node='" NODE "'][item[@id='" ORCH
                                       "']/conference[not(@autojoin)]]/item[@id='" PLAY "']/conference[@xmlns='" NODE
                                       "'][@name='The Play'][@autojoin='true'][not(@jid)]/nick[.='JC']");
    client_expect_any(new, EVENT_ITEMS "[@node='" OLD "']/item[@id='current']/storage/conference[@jid='" PLAY "']");
    expect_answer(pep_items(new, NULL, NODE), ITEMS "[item[@id='" ORCH "']]/item[@id='" PLAY "']");
    client_drain(new);
    /* one is changed, one is gone; what stays as it was is not told again */
    expect_answer(set_private(old, "<conference name='The Play' autojoin='true' jid='" PLAY "'><nick>JC</nick>"
                                   "</conference><conference jid='third@rooms.example'/>"),
                  "iq[@type='result']");
    client_expect_any(new, EVENT_ITEMS "[@node='" NODE "']/item[@id='third@rooms.example']");
    client_expect_any(new, EVENT_ITEMS "[@node='" NODE "']/retract[@id='" ORCH "']");
    client_expect_any(new, EVENT_ITEMS "[@node='" OLD "']/item/storage[not(conference[@jid='" ORCH "'])]");
    client_expect_none(new, EVENT_ITEMS "[@node='" NODE "']/item[@id='" PLAY "']");
    expect_answer(get_private(old), STORAGE "[conference[@jid='" PLAY "']]/conference[@jid='third@rooms.example']");
}

/* XEP-0402 section 4.2.2, XEP-0223 */
static void what_is_published_on_the_old_node_becomes_items(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *old = client_login(h, a, "old", 0), *new = client_login(h, a, "new", 0);

    go_online(new);
    expect_answer(client_request(old, "set", NULL,
                                 "<pubsub xmlns='" NS_PUBSUB "'><publish node='" OLD "'><item id='current'>"
                                 "<storage xmlns='" OLD "'><conference name='The Play' jid='" PLAY "'/></storage>"
                                 "</item></publish><publish-options><x xmlns='jabber:x:data' type='submit'>"
                                 "<field var='FORM_TYPE' type='hidden'><value>" NS_PUBSUB
                                 "#publish-options</value></field>"
                                 "<field var='pubsub#persist_items'><value>true</value></field>"
                                 "<field var='pubsub#access_model'><value>whitelist</value></field></x>"
                                 "</publish-options></pubsub>"),
                  "iq[@type='result']");
    client_expect_any(new, EVENT_ITEMS "[@node='" NODE "']/item[@id='" PLAY "']/conference[@name='The Play']");
    expect_answer(get_private(old), STORAGE "/conference[@jid='" PLAY "'][@name='The Play']");
}

static void what_is_not_a_room_is_kept_for_old_clients(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(set_private(c, "<url name='Works' url='http://shakespeare.example/'/><conference name='no address'/>"
                                 "<conference jid='" PLAY "'/>"),
                  "iq[@type='result']");
    expect_answer(pep_items(c, NULL, NODE), ITEMS "[item[@id='" PLAY "']]");
    assert_int_equal(node_count(node_find(pep_items(c, NULL, NODE), ITEMS), "item"), 1);
    expect_answer(get_private(c),
                  STORAGE "[url[@name='Works']][conference[@name='no address']]/conference[@jid='" PLAY "']");
    expect_answer(pep_publish(c, NODE, ORCH, "<conference xmlns='" NODE "'/>"), "iq[@type='result']");
    expect_answer(get_private(c), STORAGE "[url][conference[@jid='" PLAY "']]/conference[@jid='" ORCH "']");
    await_old_node(c, "iq/pubsub/items/item/storage[url]/conference[@jid='" ORCH "']");
    expect_answer(set_private(c, ""), "iq[@type='result']");
    expect_answer(get_private(c), STORAGE "[not(*)]");
    expect_answer(pep_items(c, NULL, NODE), ITEMS "[not(item)]");
}

static void what_other_clients_added_is_not_lost_to_an_old_one(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(pep_publish(c, NODE, PLAY,
                              "<conference xmlns='" NODE "' name='old'><extensions><a xmlns='urn:x'/></extensions>"
                              "</conference>"),
                  "iq[@type='result']");
    expect_answer(set_private(c, "<conference jid='" PLAY "' name='new'/>"), "iq[@type='result']");
    expect_answer(pep_items(c, NULL, NODE), ITEMS "/item[@id='" PLAY "']/conference[@name='new']/extensions"
                                                  "/a[@xmlns='urn:x']");
}

static void nobody_else_reads_them(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h), *contact = harness_login(h);

    client_befriend(c, contact);
    go_online(contact);
    expect_answer(set_private(c, "<conference jid='" PLAY "'/>"), "iq[@type='result']");
    expect_answer(pep_items(contact, c->bare, NODE), "iq[@type='error']");
    expect_answer(pep_items(contact, c->bare, OLD), "iq[@type='error']");
    client_sync(c, contact);
    client_expect_none(contact, EVENT_ITEMS);
}

/* XEP-0411 section 5 */
static void nothing_is_converted_to_a_node_that_others_may_read(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(
        client_request(c, "set", NULL,
                       "<pubsub xmlns='" NS_PUBSUB "'><create node='" NODE "'/><configure>"
                       "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>" NS_PUBSUB
                       "#node_config</value></field><field var='pubsub#access_model'>"
                       "<value>open</value></field></x></configure></pubsub>"),
        "iq[@type='result']");
    expect_answer(set_private(c, "<conference jid='" PLAY "'/>"), "iq[@type='error']/error[text]/not-allowed");
    expect_answer(pep_items(c, NULL, NODE), ITEMS "[not(item)]");
}

static void a_storage_that_is_too_large_is_refused_and_the_old_one_stays(void **state)
{
    struct client *c = harness_login(*state);
    char *big = malloc(50000);

    memset(big, 'x', 49999);
    big[49999] = '\0';
    expect_answer(set_private(c, "<conference jid='" PLAY "'/>"), "iq[@type='result']");
    expect_answer(client_request(c, "set", NULL,
                                 "<query xmlns='jabber:iq:private'><storage xmlns='" OLD "'><conference jid='" ORCH
                                 "' name='%s'/></storage></query>",
                                 big),
                  "iq[@type='error']/error/policy-violation");
    expect_answer(get_private(c), STORAGE "[not(conference[@jid='" ORCH "'])]/conference[@jid='" PLAY "']");
    free(big);
}

static void more_bookmarks_than_anybody_has_are_refused(void **state)
{
    struct client *c = harness_login(*state);
    char *many = calloc(1, 30 * 1001 + 1);
    size_t len = 0;

    for (int i = 0; i < 1001; i++)
        len += (size_t)sprintf(many + len, "<conference jid='r%d@m.lit'/>", i);
    expect_answer(set_private(c, "<conference jid='" PLAY "'/>"), "iq[@type='result']");
    expect_answer(set_private(c, many), "iq[@type='error']/error/resource-constraint");
    expect_answer(get_private(c), STORAGE "/conference[@jid='" PLAY "']");
    *strrchr(many, '<') = '\0'; /* one less */
    expect_answer(set_private(c, many), "iq[@type='result']");
    expect_answer(get_private(c), STORAGE "[not(conference[@jid='" PLAY "'])]/conference[@jid='r999@m.lit']");
    free(many);
}

static void other_private_xml_is_kept_as_before(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(
        client_request(c, "set", NULL,
                       "<query xmlns='jabber:iq:private'><prefs xmlns='exodus:prefs'><a>b</a></prefs></query>"),
        "iq[@type='result']");
    expect_answer(
        client_request(c, "get", NULL, "<query xmlns='jabber:iq:private'><prefs xmlns='exodus:prefs'/></query>"),
        "iq[@type='result']/query/prefs/a[.='b']");
    expect_answer(client_request(c, "set", NULL,
                                 "<query xmlns='jabber:iq:private'><storage xmlns='storage:rosternotes'/></query>"),
                  "iq[@type='result']");
}

static void bookmarks_are_there_after_a_crash(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *c = client_login(h, a, NULL, 0);

    expect_answer(set_private(c, "<url url='http://a.example/'/><conference jid='" PLAY "'/>"), "iq[@type='result']");
    client_forget_all(h);
    harness_crash(h);
    harness_start(h);
    c = client_login(h, a, NULL, 0);
    expect_answer(get_private(c), STORAGE "[url]/conference[@jid='" PLAY "']");
}

int main(void)
{
    static const char *const settings[] = {"limits.private_bytes = 40000", NULL};
    static const struct harness_options options = {.settings = settings};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_account_says_that_bookmarks_are_one_thing),
        HARNESS_TEST(without_bookmarks_the_storage_is_empty),
        HARNESS_TEST(items_are_seen_by_old_clients),
        HARNESS_TEST(what_an_old_client_sets_becomes_items_and_new_clients_hear_of_what_changed),
        HARNESS_TEST(what_is_published_on_the_old_node_becomes_items),
        HARNESS_TEST(what_is_not_a_room_is_kept_for_old_clients),
        HARNESS_TEST(what_other_clients_added_is_not_lost_to_an_old_one),
        HARNESS_TEST(nobody_else_reads_them),
        HARNESS_TEST(nothing_is_converted_to_a_node_that_others_may_read),
        HARNESS_TEST(a_storage_that_is_too_large_is_refused_and_the_old_one_stays),
        HARNESS_TEST(more_bookmarks_than_anybody_has_are_refused),
        HARNESS_TEST(other_private_xml_is_kept_as_before),
        HARNESS_TEST(bookmarks_are_there_after_a_crash),
    };

    return harness_run_tests("bookmarks", tests, &options);
}
