#include "tests/unit/im/fake_server.h"

#include "common/xmpp/caps.h"
#include "common/xmpp/xml_reader.h"
#include "server/modules/module.h"

static const char *const names[] = {"disco", "contact", "ping", "last"};
static const char *const abuse[] = {"mailto:abuse@h.example", "xmpp:abuse@h.example"};

static int start(void **state)
{
    static const struct module *const table[] = {&module_disco, &module_contact, &module_ping, &module_last, NULL};

    (void)fake_start(state);
    fake.host.modules = (struct config_list){2, names};
    hooks_start(table, &fake.server);
    return 0;
}

static int stop(void **state)
{
    hooks_config_changed(fake.worker); /* what is kept of the host is let go */
    return fake_stop(state);
}

#define INFO_GET(attrs) "<iq type='get' id='1' " attrs "><query xmlns='" NS_DISCO_INFO "'/></iq>"
#define HOST_INFO                                                                                                      \
    "<identity category='server' type='im' name='linnet'/>"                                                            \
    "<feature var='http://jabber.org/protocol/caps'/>"                                                                 \
    "<feature var='http://jabber.org/protocol/disco#info'/>"                                                           \
    "<feature var='http://jabber.org/protocol/disco#items'/>"                                                          \
    "<feature var='urn:core'/>"

static void a_host_tells_its_identity_and_the_features_of_its_modules_in_order(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_HOST, INFO_GET("to='h.example'"));
    fake_expect(&fake.session.out, "<iq type='result' from='h.example' to='romeo@h.example/orchard' id='1'>"
                                   "<query xmlns='" NS_DISCO_INFO "'>" HOST_INFO "</query></iq>");
}

static void a_change_of_configuration_changes_the_answer(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_HOST, INFO_GET("to='h.example'"));
    buf_clear(&fake.session.out);
    hooks_config_changed(fake.worker);
    fake.host.modules = (struct config_list){3, names};
    fake_ask(&fake.session, IQ_TO_HOST, INFO_GET("to='h.example'"));
    fake_expect(&fake.session.out,
                "<iq type='result' from='h.example' to='romeo@h.example/orchard' id='1'>"
                "<query xmlns='" NS_DISCO_INFO "'>" HOST_INFO "<feature var='urn:xmpp:ping'/></query></iq>");
}

static void contact_addresses_come_as_a_form_with_the_fields_that_are_set(void **state)
{
    (void)state;
    fake.host.contact.abuse = (struct config_list){2, abuse};
    fake.host.contact.status = (struct config_list){1, abuse};
    fake_ask(&fake.session, IQ_TO_HOST, INFO_GET("to='h.example'"));
    fake_expect(&fake.session.out,
                "<iq type='result' from='h.example' to='romeo@h.example/orchard' id='1'>"
                "<query xmlns='" NS_DISCO_INFO "'>" HOST_INFO "<x xmlns='jabber:x:data' type='result'>"
                "<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field>"
                "<field var='abuse-addresses' type='list-multi'><value>mailto:abuse@h.example</value>"
                "<value>xmpp:abuse@h.example</value></field>"
                "<field var='status-addresses' type='list-multi'><value>mailto:abuse@h.example</value></field>"
                "</x></query></iq>");
}

/* The `ver` in the stream features, NUL behind it. */
static void read_ver(char ver[64])
{
    struct buf features = {0};
    struct xml_writer w = xml_writer_to(&features);
    struct hook_event e = {.worker = fake.worker, .session = &fake.session.s, .out = &w};
    struct arena *arena;
    const struct xml_element *c;

    (void)hooks_run(HOOK_STREAM_FEATURES, &fake.host, &e);
    assert_int_equal(xml_parse(buf_str(&features), STR(NS_CLIENT), &arena, &c), LN_OK);
    assert_true(xml_is(c, "c", NS_CAPS));
    assert_true(str_is(xml_attr(c, "hash", NULL), "sha-1"));
    assert_true(str_is(xml_attr(c, "node", NULL), "urn:linnet"));
    (void)snprintf(ver, 64, "%.*s", STR_ARG(xml_attr(c, "ver", NULL)));
    arena_free(&arena);
    buf_deinit(&features);
}

static void the_hash_in_the_stream_features_is_that_of_the_answer_for_its_node(void **state)
{
    char ver[64], node[80], request[512];
    struct buf expected = {0};
    struct arena *arena;
    const struct xml_element *iq;

    (void)state;
    fake.host.contact.abuse = (struct config_list){2, abuse};
    read_ver(ver);
    (void)snprintf(node, sizeof(node), "urn:linnet#%s", ver);
    (void)snprintf(request, sizeof(request), "<iq type='get' id='1' to='h.example'><query xmlns='%s' node='%s'/></iq>",
                   NS_DISCO_INFO, node);
    fake_ask(&fake.session, IQ_TO_HOST, request);
    assert_int_equal(xml_parse(buf_str(&fake.session.out), STR(NS_CLIENT), &arena, &iq), LN_OK);
    assert_true(str_is(xml_attr(iq, "type", NULL), "result"));
    assert_true(str_is(xml_attr(iq->child, "node", NULL), node));
    caps_append_ver(&expected, iq->child);
    assert_true(str_is(buf_str(&expected), ver));
    buf_deinit(&expected);
    arena_free(&arena);
}

static void strangers_are_not_told_the_hash_before_they_log_in(void **state)
{
    struct buf features = {0};
    struct xml_writer w = xml_writer_to(&features);
    struct hook_event e = {.worker = fake.worker, .session = &fake.stranger.s, .out = &w};

    (void)state;
    (void)hooks_run(HOOK_STREAM_FEATURES, &fake.host, &e);
    assert_int_equal(features.len, 0);
}

#define NOT_FOUND(from)                                                                                                \
    "<iq type='error' id='1' from='" from "' to='romeo@h.example/orchard'><error type='cancel'>"                       \
    "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"

static void nodes_that_do_not_exist_are_not_found(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_HOST,
             "<iq type='get' id='1' to='h.example'><query xmlns='" NS_DISCO_INFO "' node='urn:linnet#old'/></iq>");
    fake_expect(&fake.session.out, NOT_FOUND("h.example"));
    fake_ask(&fake.session, IQ_TO_HOST,
             "<iq type='get' id='1' to='h.example'><query xmlns='" NS_DISCO_ITEMS "' node='a'/></iq>");
    fake_expect(&fake.session.out, NOT_FOUND("h.example"));
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT,
             "<iq type='get' id='1' to='romeo@h.example'><query xmlns='" NS_DISCO_INFO "' node='a'/></iq>");
    fake_expect(&fake.session.out, NOT_FOUND("romeo@h.example"));
}

static void the_owner_and_subscribers_learn_that_an_account_is_registered(void **state)
{
    static const char answer[] = "<query xmlns='" NS_DISCO_INFO "'><identity category='account' type='registered'/>"
                                 "<feature var='http://jabber.org/protocol/disco#info'/>"
                                 "<feature var='http://jabber.org/protocol/disco#items'/>"
                                 "<feature var='jabber:iq:last'/><feature var='urn:xmpp:ping'/></query></iq>";
    char expected[600];

    (void)state;
    fake.host.modules = (struct config_list){4, names};
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, INFO_GET(""));
    (void)snprintf(expected, sizeof(expected), "<iq type='result' to='romeo@h.example/orchard' id='1'>%s", answer);
    fake_expect(&fake.session.out, expected);
    fake.subscriber = STR("juliet@far.example");
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, INFO_GET("to='romeo@h.example'"));
    (void)snprintf(expected, sizeof(expected),
                   "<iq type='result' id='1' from='romeo@h.example' to='juliet@far.example/balcony'>%s", answer);
    fake_expect(&fake.routed, expected);
}

static void strangers_learn_of_an_account_what_they_would_of_one_that_does_not_exist(void **state)
{
    static const char *const requests[] = {
        INFO_GET("to='romeo@h.example'"),
        "<iq type='get' id='1' to='romeo@h.example'><query xmlns='" NS_DISCO_INFO "' node='a'/></iq>",
        "<iq type='get' id='1' to='romeo@h.example'><query xmlns='" NS_DISCO_ITEMS "'/></iq>",
        "<iq type='get' id='1' to='romeo@h.example'><query xmlns='" NS_LAST "'/></iq>",
        "<iq type='get' id='1' to='romeo@h.example'><ping xmlns='" NS_PING "'/></iq>",
    };

    (void)state;
    fake.host.modules = (struct config_list){4, names};
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct stanza *st = stanza_from_bytes(str_of(requests[i]));
        struct buf refusal = {0};

        st->from = jid_view(STR("juliet@far.example/balcony"));
        assert_true(stanza_write_error(&refusal, st, STANZA_ERR_SERVICE_UNAVAILABLE, NULL));
        stanza_unref(&st);
        fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, requests[i]);
        assert_true(str_eq(buf_str(&fake.routed), buf_str(&refusal)));
        buf_clear(&fake.routed);
        buf_deinit(&refusal);
    }
}

static void hosts_and_accounts_have_no_items(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_HOST,
             "<iq type='get' id='1' to='h.example'><query xmlns='" NS_DISCO_ITEMS "'/></iq>");
    fake_expect(&fake.session.out, "<iq type='result' from='h.example' to='romeo@h.example/orchard' id='1'>"
                                   "<query xmlns='" NS_DISCO_ITEMS "'/></iq>");
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, "<iq type='get' id='1'><query xmlns='" NS_DISCO_ITEMS "'/></iq>");
    fake_expect(&fake.session.out, "<iq type='result' to='romeo@h.example/orchard' id='1'>"
                                   "<query xmlns='" NS_DISCO_ITEMS "'/></iq>");
}

#define test(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_host_tells_its_identity_and_the_features_of_its_modules_in_order),
        test(a_change_of_configuration_changes_the_answer),
        test(contact_addresses_come_as_a_form_with_the_fields_that_are_set),
        test(the_hash_in_the_stream_features_is_that_of_the_answer_for_its_node),
        test(strangers_are_not_told_the_hash_before_they_log_in),
        test(nodes_that_do_not_exist_are_not_found),
        test(the_owner_and_subscribers_learn_that_an_account_is_registered),
        test(strangers_learn_of_an_account_what_they_would_of_one_that_does_not_exist),
        test(hosts_and_accounts_have_no_items),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
