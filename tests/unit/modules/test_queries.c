/* The modules that answer a question and keep nothing: ping, version, time, last. */
#include "tests/unit/im/fake_server.h"

#include "server/modules/module.h"

static int start(void **state)
{
    static const struct module *const table[] = {&module_ping, &module_version, &module_time, &module_last, NULL};
    static const char *const names[] = {"ping", "version", "time", "last"};

    (void)fake_start(state);
    fake.host.modules = (struct config_list){4, names};
    fake.server.started_ms = fake.now_ms - 123456789;
    hooks_start(table, &fake.server);
    return 0;
}

#define FROM_HOST      "<iq type='result' from='h.example' to='romeo@h.example/orchard' id='1'"
#define FROM_OWN       "<iq type='result' to='romeo@h.example/orchard' id='1'"
#define TO_SUBSCRIBER  "<iq type='result' id='1' from='romeo@h.example' to='juliet@far.example/balcony'"
#define HOST(payload)  "<iq type='get' id='1' to='h.example'>" payload "</iq>"
#define OWN(payload)   "<iq type='get' id='1'>" payload "</iq>"
#define OTHER(payload) "<iq type='get' id='1' to='romeo@h.example'>" payload "</iq>"
#define REFUSED                                                                                                        \
    "<iq type='error' id='1' from='romeo@h.example' to='juliet@far.example/balcony'><error type='cancel'>"             \
    "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
#define PING    "<ping xmlns='urn:xmpp:ping'/>"
#define LAST    "<query xmlns='jabber:iq:last'/>"
#define VERSION "<query xmlns='jabber:iq:version'/>"
#define TIME    "<time xmlns='urn:xmpp:time'/>"

static void host_own_account_and_subscribed_account_answer_a_ping(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_HOST, HOST(PING));
    fake_expect(&fake.session.out, FROM_HOST "/>");
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, OWN(PING));
    fake_expect(&fake.session.out, FROM_OWN "/>");
    fake.subscriber = STR("juliet@far.example");
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, OTHER(PING));
    fake_expect(&fake.routed, TO_SUBSCRIBER "/>");
}

static void the_version_names_the_software_and_no_operating_system(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_HOST, HOST(VERSION));
    struct stanza *st = stanza_from_bytes(buf_str(&fake.session.out));

    assert_non_null(st);
    assert_true(str_is(xml_child(st->root->child, "name", NS_VERSION)->text, "linnet"));
    assert_true(xml_child(st->root->child, "version", NS_VERSION)->text.len > 0);
    assert_int_equal(xml_count_children(st->root->child), 2);
    stanza_unref(&st);
}

static void the_time_is_told_in_utc(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_HOST, HOST(TIME));
    fake_expect(&fake.session.out, FROM_HOST "><time xmlns='urn:xmpp:time'><tzo>+00:00</tzo>"
                                             "<utc>2026-01-01T00:00:00.000Z</utc></time></iq>");
}

static void an_account_has_no_version_and_no_time(void **state)
{
    static const char refused[] = "<iq type='error' id='1' to='romeo@h.example/orchard'><error type='cancel'>"
                                  "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";

    (void)state;
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, OWN(VERSION));
    fake_expect(&fake.session.out, refused);
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, OWN(TIME));
    fake_expect(&fake.session.out, refused);
}

static void a_host_tells_for_how_many_seconds_it_is_up(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_HOST, HOST(LAST));
    fake_expect(&fake.session.out, FROM_HOST "><query xmlns='jabber:iq:last' seconds='123456'/></iq>");
    fake.now_ms = fake.server.started_ms - 5000; /* the clock was set back */
    fake_ask(&fake.session, IQ_TO_HOST, HOST(LAST));
    fake_expect(&fake.session.out, FROM_HOST "><query xmlns='jabber:iq:last' seconds='0'/></iq>");
}

static void a_subscriber_is_told_when_the_account_was_last_seen_and_with_which_status(void **state)
{
    (void)state;
    fake.subscriber = STR("juliet@far.example");
    fake.romeo.last_activity_ms = fake.now_ms - 903999;
    fake.romeo.last_status = (char *)(uintptr_t) "Heading <Home>";
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, OTHER(LAST));
    fake_expect(&fake.routed, TO_SUBSCRIBER "><query xmlns='jabber:iq:last' seconds='903'>"
                                            "Heading &lt;Home&gt;</query></iq>");
}

static void an_account_that_is_available_was_last_seen_now(void **state)
{
    char presence[] = "<presence/>";

    (void)state;
    fake.subscriber = STR("juliet@far.example");
    fake.romeo.last_activity_ms = fake.now_ms - 903999;
    fake.romeo.last_status = (char *)(uintptr_t) "old";
    fake.session.s.presence = presence;
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, OTHER(LAST));
    fake_expect(&fake.routed, TO_SUBSCRIBER "><query xmlns='jabber:iq:last' seconds='0'/></iq>");
    fake.session.s.presence = NULL;
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, OWN(LAST));
    fake_expect(&fake.session.out, FROM_OWN "><query xmlns='jabber:iq:last' seconds='0'/></iq>");
}

static void strangers_and_questions_about_an_account_never_seen_get_service_unavailable(void **state)
{
    (void)state;
    fake.romeo.last_activity_ms = fake.now_ms - 903999;
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, OTHER(LAST));
    fake_expect(&fake.routed, REFUSED);
    fake.romeo.last_activity_ms = 0;
    fake.subscriber = STR("juliet@far.example");
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, OTHER(LAST));
    fake_expect(&fake.routed, REFUSED);
}

#define test(name) cmocka_unit_test_setup_teardown(name, start, fake_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(host_own_account_and_subscribed_account_answer_a_ping),
        test(the_version_names_the_software_and_no_operating_system),
        test(the_time_is_told_in_utc),
        test(an_account_has_no_version_and_no_time),
        test(a_host_tells_for_how_many_seconds_it_is_up),
        test(a_subscriber_is_told_when_the_account_was_last_seen_and_with_which_status),
        test(an_account_that_is_available_was_last_seen_now),
        test(strangers_and_questions_about_an_account_never_seen_get_service_unavailable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
