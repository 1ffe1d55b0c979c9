/* tests/integration/test_component.c - XEP-0114: a service of its own, on a stream of its own. */
#include "raw.h"

#define COMPONENT "plays.linnet.example"
#define OTHER     "others.linnet.example"
#define SECRET    "a long & random one"

static void a_component_that_knows_the_secret_is_welcome(void **state)
{
    struct raw *r = raw_open_component(*state, COMPONENT);
    const struct node *header = raw_expect_header(r);

    assert_string_equal(node_attr(header, "from"), COMPONENT);
    assert_true(strlen(node_attr(header, "id")) >= 16);
    raw_send_handshake(r, SECRET);
    raw_expect(r, "handshake");
    raw_send(r, "</stream:stream>");
    raw_expect_closed(r);
    raw_free(&r);
}

static void one_with_another_secret_is_not(void **state)
{
    struct raw *r = raw_open_component(*state, COMPONENT);

    raw_send_handshake(r, "a guess");
    raw_expect_error(r, "not-authorized");
    raw_free(&r);
    r = raw_open_component(*state, COMPONENT);
    raw_send(r, "<handshake/>");
    raw_expect_error(r, "not-authorized");
    raw_free(&r);
}

static void stanzas_before_the_handshake_are_not_taken(void **state)
{
    struct raw *r = raw_open_component(*state, COMPONENT);

    raw_send(r, "<message from='" COMPONENT "' to='" DOMAIN "'/>");
    raw_expect_error(r, "not-authorized");
    raw_free(&r);
}

static void domains_that_are_no_components_are_unknown(void **state)
{
    static const char *const domains[] = {"nowhere.example", DOMAIN, ""};

    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
        struct raw *r = raw_open_component(*state, domains[i]);

        raw_expect_error(r, "host-unknown");
        raw_free(&r);
    }
}

static void a_client_does_not_get_in_where_components_do(void **state)
{
    struct raw *r = raw_connect(*state, HARNESS_COMPONENTS);

    raw_open(r, COMPONENT);
    raw_expect_error(r, "invalid-namespace");
    raw_free(&r);
}

static void users_and_component_talk_to_each_other(void **state)
{
    struct raw *r = raw_component(*state, COMPONENT, SECRET);
    struct raw *c = raw_login(*state, harness_account(*state), NULL);

    raw_send(c, "<message to='hamlet@" COMPONENT "/stage' type='chat' id='m1'><body>a &amp; b</body>"
                "<x xmlns='urn:example:x'><y/></x></message>");
    raw_expect(
        r, "message[@from='%s'][@to='hamlet@" COMPONENT "/stage'][@type='chat'][@id='m1']/x[@xmlns='urn:example:x']/y",
        c->jid);
    raw_send(r, "<message from='hamlet@" COMPONENT "/stage' to='%s' type='chat'><body>to be</body></message>", c->jid);
    raw_expect(c, "message[@from='hamlet@" COMPONENT "/stage'][@type='chat']/body[@xmlns='jabber:client'][.='to be']");
    raw_send(c, "<iq type='get' id='q1' to='" COMPONENT "'><ping xmlns='urn:xmpp:ping'/></iq>");
    raw_expect(r, "iq[@type='get'][@id='q1'][@from='%s'][@to='" COMPONENT "']/ping[@xmlns='urn:xmpp:ping']", c->jid);
    raw_send(r, "<iq type='result' id='q1' to='%s' from='" COMPONENT "'/>", c->jid);
    raw_expect(c, "iq[@type='result'][@id='q1'][@from='" COMPONENT "']");
    raw_send(r, "<iq type='get' id='q2' to='" DOMAIN "' from='" COMPONENT "'><ping xmlns='urn:xmpp:ping'/></iq>");
    raw_expect(r, "iq[@type='result'][@id='q2'][@from='" DOMAIN "'][@to='" COMPONENT "']");
    raw_free(&r);
    raw_free(&c);
}

static void presence_that_was_directed_at_it_is_taken_back_at_the_end(void **state)
{
    struct raw *r = raw_component(*state, COMPONENT, SECRET);
    struct raw *c = raw_login(*state, harness_account(*state), NULL);

    raw_send(c, "<presence to='room@" COMPONENT "/nick'/>");
    raw_expect(r, "presence[@from='%s'][@to='room@" COMPONENT "/nick'][not(@type)]", c->jid);
    raw_send(c, "</stream:stream>");
    raw_expect(r, "presence[@from='%s'][@to='room@" COMPONENT "/nick'][@type='unavailable']", c->jid);
    raw_free(&c);
    raw_free(&r);
}

static void a_component_may_not_speak_for_others(void **state)
{
    static const char *const stanzas[] = {
        "<message from='" DOMAIN "' to='x@" DOMAIN "'/>",
        "<message from='x@" DOMAIN "' to='x@" DOMAIN "'/>",
        "<message from='x@sub." COMPONENT "' to='x@" DOMAIN "'/>",
        "<message to='x@" DOMAIN "'/>",
        "<message from='@@' to='x@" DOMAIN "'/>",
    };

    for (size_t i = 0; i < sizeof(stanzas) / sizeof(stanzas[0]); i++) {
        struct raw *r = raw_component(*state, COMPONENT, SECRET);

        raw_send(r, "%s", stanzas[i]);
        raw_expect_error(r, "invalid-from");
        raw_free(&r);
    }
}

static void a_stanza_without_an_address_ends_the_stream(void **state)
{
    struct raw *r = raw_component(*state, COMPONENT, SECRET);

    raw_send(r, "<message from='" COMPONENT "'/>");
    raw_expect_error(r, "improper-addressing");
    raw_free(&r);
}

static void while_it_is_not_there_its_users_are_told(void **state)
{
    struct raw *c = raw_login(*state, harness_account(*state), NULL);
    struct raw *r;

    raw_send(c, "<message to='x@" OTHER "' type='chat' id='m1'><body>anybody?</body></message>");
    raw_expect(c, "message[@type='error'][@id='m1'][@from='x@" OTHER "']/error/service-unavailable");
    r = raw_component(*state, OTHER, SECRET);
    raw_send(c, "<message to='x@" OTHER "' type='chat' id='m2'><body>anybody?</body></message>");
    raw_expect(r, "message[@id='m2']");
    raw_free(&r);
    raw_free(&c);
}

static void the_newer_of_two_connections_stays(void **state)
{
    struct raw *older = raw_component(*state, COMPONENT, SECRET), *newer = raw_component(*state, COMPONENT, SECRET);
    struct raw *c = raw_login(*state, harness_account(*state), NULL);

    raw_expect_error(older, "conflict");
    raw_send(c, "<message to='" COMPONENT "' id='m1'/>");
    raw_expect(newer, "message[@id='m1']");
    raw_free(&c);
    raw_free(&older);
    raw_free(&newer);
}

static void components_reach_each_other(void **state)
{
    struct raw *one = raw_component(*state, COMPONENT, SECRET), *other = raw_component(*state, OTHER, SECRET);

    raw_send(one, "<message from='a@" COMPONENT "' to='b@" OTHER "' id='m1'><body>hi</body></message>");
    raw_expect(other, "message[@from='a@" COMPONENT "'][@to='b@" OTHER "'][@id='m1']/body[.='hi']");
    raw_free(&one);
    raw_free(&other);
}

static void many_messages_keep_their_order_both_ways(void **state)
{
    enum { MESSAGES = 500 };
    struct raw *r = raw_component(*state, COMPONENT, SECRET);
    struct raw *c = raw_login(*state, harness_account(*state), NULL);

    for (int i = 0; i < MESSAGES; i++) {
        raw_send(c, "<message to='" COMPONENT "' id='u%d'><body>hi</body></message>", i);
        raw_send(r, "<message from='" COMPONENT "' to='%s' id='c%d'><body>hi</body></message>", c->jid, i);
    }
    for (int i = 0; i < MESSAGES; i++) {
        raw_expect(c, "message[@id='c%d']", i);
        raw_expect(r, "message[@id='u%d']", i);
    }
    raw_free(&r);
    raw_free(&c);
}

static void the_host_lists_its_components(void **state)
{
    struct raw *c = raw_login(*state, harness_account(*state), NULL);

    raw_send(c, "<iq type='get' id='i1' to='" DOMAIN "'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>");
    raw_expect(c, "iq[@type='result'][@id='i1']/query/item[@jid='" COMPONENT "']");
    raw_free(&c);
}

static void broken_xml_ends_the_stream(void **state)
{
    struct raw *r = raw_component(*state, COMPONENT, SECRET);

    raw_send(r, "<message from='" COMPONENT "' to='" DOMAIN "'></iq>");
    raw_expect_error(r, "not-well-formed");
    raw_free(&r);
}

#define ROW(domain, secret) "[[component]]\ndomain = \"" domain "\"\nsecret = \"" secret "\"\n"

static void reload(struct harness *h)
{
    char *output = NULL;

    if (harness_ctl(h, NULL, &output, "reload") != 0)
        test_fail("linnetctl reload: %s", output);
    free(output);
}

static void one_that_the_configuration_knows_no_more_ends(void **state)
{
    static const char *const tables = ROW(COMPONENT, SECRET) ROW(OTHER, SECRET);
    static const char *const changed = ROW(COMPONENT, SECRET) ROW(OTHER, "another secret");
    static const char *const gone = ROW(COMPONENT, SECRET);
    struct harness_options options = {.workers = 2, .tables = tables};
    struct harness *h = harness_new(&options);
    struct raw *same, *r;

    (void)state;
    harness_start(h);
    same = raw_component(h, COMPONENT, SECRET);
    r = raw_component(h, OTHER, SECRET);
    harness_configure(h, NULL, changed);
    reload(h);
    raw_expect_error(r, "reset");
    raw_free(&r);
    r = raw_component(h, OTHER, "another secret");
    harness_configure(h, NULL, gone);
    reload(h);
    raw_expect_error(r, "host-gone");
    raw_send(same, "<iq type='get' id='q' to='" DOMAIN "' from='" COMPONENT "'><ping xmlns='urn:xmpp:ping'/></iq>");
    raw_expect(same, "iq[@type='result'][@id='q']");
    raw_free(&r);
    raw_free(&same);
    harness_stop(h);
    harness_free(&h);
}

int main(void)
{
    const struct CMUnitTest alone[] = {cmocka_unit_test(one_that_the_configuration_knows_no_more_ends)};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_component_that_knows_the_secret_is_welcome),
        HARNESS_TEST(one_with_another_secret_is_not),
        HARNESS_TEST(stanzas_before_the_handshake_are_not_taken),
        HARNESS_TEST(domains_that_are_no_components_are_unknown),
        HARNESS_TEST(a_client_does_not_get_in_where_components_do),
        HARNESS_TEST(users_and_component_talk_to_each_other),
        HARNESS_TEST(presence_that_was_directed_at_it_is_taken_back_at_the_end),
        HARNESS_TEST(a_component_may_not_speak_for_others),
        HARNESS_TEST(a_stanza_without_an_address_ends_the_stream),
        HARNESS_TEST(while_it_is_not_there_its_users_are_told),
        HARNESS_TEST(the_newer_of_two_connections_stays),
        HARNESS_TEST(components_reach_each_other),
        HARNESS_TEST(many_messages_keep_their_order_both_ways),
        HARNESS_TEST(the_host_lists_its_components),
        HARNESS_TEST(broken_xml_ends_the_stream),
    };
    const struct harness_options options = {
        .tables = "[[component]]\ndomain = \"" COMPONENT "\"\nsecret = \"" SECRET "\"\n"
                  "[[component]]\ndomain = \"" OTHER "\"\nsecret = \"" SECRET "\"\n",
    };

    return harness_run_tests("components", tests, &options) + cmocka_run_group_tests(alone, NULL, NULL);
}
