/* tests/integration/test_caps.c - what the server finds out about clients: XEP-0115, XEP-0390, and +notify of XEP-0060.
 *
 * That it knows is seen by the events that a client is sent, or not. */
#include "caps_client.h"

#define NS "http://jabber.org/protocol/pubsub"

/* A feature that no other test, nor another round of this one, has. */
static const char *something_new(struct harness *h)
{
    static char name[64];

    snprintf(name, sizeof(name), "urn:test:%s", harness_nobody(h));
    return name;
}

static void publish(struct client *c, const char *node)
{
    const struct node *answer = client_request(c, "set", NULL,
                                               "<pubsub xmlns='" NS "'><publish node='%s'><item id='current'>"
                                               "<x xmlns='urn:x'/></item></publish></pubsub>",
                                               node);

    if (!node_matches(answer, "iq[@type='result']"))
        test_fail("it was not published: %s", node_describe(answer));
}

static void a_hash_is_asked_for_once(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);
    const char *features[] = {"urn:a+notify", something_new(h), NULL};
    char *ver = ver_of(features);

    go_online_with(one, features);
    client_send(two, "<presence>" CAPS "</presence>", ver);
    client_barrier(two);
    publish(one, "urn:a");
    client_expect_any(one, "message/event/items[@node='urn:a']");
    client_expect_any(two, "message/event/items[@node='urn:a']");
    assert_int_equal(client_count(two, "iq[@type='get']"), 0);
    /* What was not asked for is not told. */
    publish(one, "urn:b");
    client_barrier(one);
    client_expect_none(one, "message/event/items[@node='urn:b']");
    free(ver);
}

static void two_that_come_at_once_wait_for_the_answer_of_one(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);
    const char *features[] = {"urn:a+notify", something_new(h), NULL};
    char *ver = ver_of(features), *node = text_format("urn:test:client#%s", ver);

    client_send(one, "<presence>" CAPS "</presence>", ver);
    client_barrier(one);
    client_send(two, "<presence>" CAPS "</presence>", ver);
    client_barrier(two);
    assert_int_equal(client_count(two, "iq[@type='get']"), 0);
    answer_question(one, node, features);
    client_barrier(one);
    publish(one, "urn:a");
    client_expect_any(one, "message/event/items[@node='urn:a']");
    client_expect_any(two, "message/event/items[@node='urn:a']");
    free(ver);
    free(node);
}

static void an_answer_with_another_hash_counts_for_nobody_else(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *liar = client_login(h, a, "liar", 0), *honest = client_login(h, a, "honest", 0);
    const char *features[] = {"urn:a+notify", something_new(h), NULL};
    const char *lie[] = {"urn:b+notify", NULL};
    char *ver = ver_of(features), *node = text_format("urn:test:client#%s", ver);

    client_send(liar, "<presence>" CAPS "</presence>", ver);
    answer_question(liar, node, lie);
    client_barrier(liar);
    client_send(honest, "<presence>" CAPS "</presence>", ver);
    answer_question(honest, node, features);
    client_barrier(honest);
    publish(honest, "urn:a");
    publish(honest, "urn:b");
    client_expect_any(honest, "message/event/items[@node='urn:a']");
    client_expect_any(liar, "message/event/items[@node='urn:b']");
    client_barrier(liar);
    client_expect_none(liar, "message/event/items[@node='urn:a']");
    client_expect_none(honest, "message/event/items[@node='urn:b']");
    free(ver);
    free(node);
}

static void who_does_not_answer_lets_the_next_one_be_asked(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);
    const char *features[] = {"urn:a+notify", something_new(h), NULL};
    char *ver = ver_of(features), *node = text_format("urn:test:client#%s", ver);
    const struct node *q;

    client_send(one, "<presence>" CAPS "</presence>", ver);
    q = client_expect_any(one, "iq[@type='get']/query[@xmlns='" NS_INFO "']");
    client_send(two, "<presence>" CAPS "</presence>", ver);
    client_barrier(two);
    client_send(one,
                "<iq type='error' to='%s' id='%s'><error type='cancel'><item-not-found "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
                one->bare, node_attr(q, "id"));
    answer_question(two, node, features);
    client_barrier(two);
    publish(one, "urn:a");
    client_expect_any(two, "message/event/items[@node='urn:a']");
    free(ver);
    free(node);
}

static void twins_in_an_answer_make_it_worthless(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);
    const char *fresh = something_new(h);
    /* The hash is right, but of an answer that is not well-formed (section 5.4): it must be asked for again. */
    const char *features[] = {"urn:a+notify", fresh, fresh, NULL};
    char *ver = ver_of(features), *node = text_format("urn:test:client#%s", ver);

    go_online_with(one, features);
    client_send(two, "<presence>" CAPS "</presence>", ver);
    answer_question(two, node, features);
    client_barrier(two);
    free(ver);
    free(node);
}

static void the_new_hashes_are_understood_and_preferred(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);
    const char *features[] = {"urn:a+notify", something_new(h), NULL};
    char *input, *info = info_of(features, true, &input), *hash = hash_of(input, EVP_sha256());
    char *node = text_format("urn:xmpp:caps#sha-256.%s", hash);
    char *caps = text_format("<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha3-256'>AAAA</hash>"
                             "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>%s</hash></c>"
                             "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:test' ver='AAAA'/>",
                             hash);

    client_send(one, "<presence>%s</presence>", caps);
    answer_question(one, node, features);
    client_barrier(one);
    client_send(two, "<presence>%s</presence>", caps);
    client_barrier(two);
    publish(one, "urn:a");
    client_expect_any(one, "message/event/items[@node='urn:a']");
    client_expect_any(two, "message/event/items[@node='urn:a']");
    assert_int_equal(client_count(two, "iq[@type='get']"), 0);
    free(input);
    free(info);
    free(hash);
    free(node);
    free(caps);
}

static void capabilities_of_the_old_form_and_unknown_hashes_count_for_one_client(void **state)
{
    static const char *const forms[] = {
        "<c xmlns='http://jabber.org/protocol/caps' node='urn:test:old' ver='1.0'/>",
        "<c xmlns='http://jabber.org/protocol/caps' hash='md2' node='urn:test:old' ver='1.0'/>",
    };
    struct harness *h = *state;

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct client *c = harness_login(h);
        const struct node *q;

        client_send(c, "<presence>%s</presence>", forms[i]);
        q = client_expect_any(c, "iq[@type='get']/query[@xmlns='" NS_INFO "']");
        client_send(c,
                    "<iq type='result' to='%s' id='%s'><query xmlns='" NS_INFO
                    "'><feature var='urn:a+notify'/></query></iq>",
                    c->bare, node_attr(q, "id"));
        client_barrier(c);
        publish(c, "urn:a");
        client_expect_any(c, "message/event/items[@node='urn:a']");
    }
}

static void a_client_that_can_more_is_sent_what_it_has_not_got(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h);
    const char *first[] = {"urn:a+notify", something_new(h), NULL};
    char *fresh = strdup(first[1]);
    const char *second[] = {"urn:a+notify", "urn:b+notify", fresh, NULL};

    publish(c, "urn:a");
    publish(c, "urn:b");
    go_online_with(c, first);
    client_expect_any(c, "message/event/items[@node='urn:a']");
    assert_int_equal(client_count(c, "message/event/items[@node='urn:b']"), 0);
    go_online_with(c, second);
    client_expect_any(c, "message/event/items[@node='urn:b']");
    client_barrier(c);
    client_expect_none(c, "message/event/items[@node='urn:a']");
    free(fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_hash_is_asked_for_once),
        HARNESS_TEST(two_that_come_at_once_wait_for_the_answer_of_one),
        HARNESS_TEST(an_answer_with_another_hash_counts_for_nobody_else),
        HARNESS_TEST(who_does_not_answer_lets_the_next_one_be_asked),
        HARNESS_TEST(twins_in_an_answer_make_it_worthless),
        HARNESS_TEST(the_new_hashes_are_understood_and_preferred),
        HARNESS_TEST(capabilities_of_the_old_form_and_unknown_hashes_count_for_one_client),
        HARNESS_TEST(a_client_that_can_more_is_sent_what_it_has_not_got),
    };

    return harness_run_tests("caps", tests, &(struct harness_options){0});
}
