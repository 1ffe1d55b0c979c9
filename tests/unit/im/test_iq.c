#include "tests/unit/im/fake_server.h"

static struct iq *kept;

static enum iq_verdict on_result(struct iq *iq)
{
    return iq_result(iq, STR("<done xmlns='urn:x'/>"));
}

static enum iq_verdict on_pass(struct iq *iq)
{
    (void)iq;
    return IQ_NOT_MINE;
}

static enum iq_verdict on_later(struct iq *iq)
{
    kept = iq_keep(iq);
    return IQ_LATER;
}

static enum iq_verdict on_damaged(struct iq *iq)
{
    return iq_result(iq, STR("<done"));
}

static enum iq_verdict on_see(struct iq *iq)
{
    return iq_sender_sees_presence(iq) ? iq_result(iq, STR("")) : IQ_NOT_MINE;
}

enum { ANY = IQ_TO_HOST | IQ_TO_OWN_ACCOUNT | IQ_TO_OTHER_ACCOUNT };

static const struct module module_x = {
    .name = "x",
    .iq = {{IQ_GET, "urn:x", "pass", ANY, on_pass},
           {IQ_GET, "urn:x", "passed-on", ANY, on_pass},
           {IQ_GET, "urn:x", "passed-on", ANY, on_result},
           {IQ_GET, "urn:x", "now", ANY, on_result},
           {IQ_SET, "urn:x", "later", ANY, on_later},
           {IQ_GET, "urn:x", "damaged", ANY, on_damaged},
           {IQ_GET, "urn:x", "see", ANY, on_see}},
};

static int start(void **state)
{
    static const struct module *const table[] = {&module_x, NULL};
    static const char *const names[] = {"x"};

    (void)fake_start(state);
    fake.host.modules = (struct config_list){1, names};
    hooks_start(table, &fake.server);
    return 0;
}

#define UNAVAILABLE                                                                                                    \
    "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"

static void what_nobody_takes_is_refused_with_service_unavailable(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_HOST, "<iq type='get' id='1' to='h.example'><q xmlns='urn:unknown'/></iq>");
    fake_expect(&fake.session.out,
                "<iq type='error' id='1' from='h.example' to='romeo@h.example/orchard'>" UNAVAILABLE);
    fake_ask(&fake.session, IQ_TO_HOST, "<iq type='get' id='2' to='h.example'><pass xmlns='urn:x'/></iq>");
    fake_expect(&fake.session.out,
                "<iq type='error' id='2' from='h.example' to='romeo@h.example/orchard'>" UNAVAILABLE);
    assert_int_equal(fake.session.n_stanzas, 2);
}

static void a_request_that_one_handler_passes_on_comes_to_the_next(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_HOST, "<iq type='get' id='1' to='h.example'><passed-on xmlns='urn:x'/></iq>");
    fake_expect(&fake.session.out, "<iq type='result' from='h.example' to='romeo@h.example/orchard' id='1'>"
                                   "<done xmlns='urn:x'/></iq>");
}

static void the_answer_is_from_the_address_that_was_asked_or_from_none(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, "<iq type='get' id='1' to='romeo@h.example'><now xmlns='urn:x'/></iq>");
    fake_expect(&fake.session.out, "<iq type='result' from='romeo@h.example' to='romeo@h.example/orchard' id='1'>"
                                   "<done xmlns='urn:x'/></iq>");
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, "<iq type='get' id='2'><now xmlns='urn:x'/></iq>");
    fake_expect(&fake.session.out, "<iq type='result' to='romeo@h.example/orchard' id='2'><done xmlns='urn:x'/></iq>");
}

static void the_answer_for_somebody_elsewhere_is_routed(void **state)
{
    (void)state;
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, "<iq type='get' id='1' to='romeo@h.example'><now xmlns='urn:x'/></iq>");
    fake_expect(&fake.routed, "<iq type='result' id='1' from='romeo@h.example' to='juliet@far.example/balcony'>"
                              "<done xmlns='urn:x'/></iq>");
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, "<iq type='get' id='2' to='romeo@h.example'><pass xmlns='urn:x'/></iq>");
    fake_expect(&fake.routed,
                "<iq type='error' id='2' from='romeo@h.example' to='juliet@far.example/balcony'>" UNAVAILABLE);
}

static void a_damaged_payload_is_not_routed_but_answered_with_an_error(void **state)
{
    (void)state;
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, "<iq type='get' id='1' to='romeo@h.example'><damaged xmlns='urn:x'/></iq>");
    fake_expect(&fake.routed, "<iq type='error' id='1' from='romeo@h.example' to='juliet@far.example/balcony'>"
                              "<error type='cancel'><internal-server-error "
                              "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
}

static void a_kept_request_holds_stanza_session_and_account_until_it_is_answered(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, "<iq type='set' id='1'><later xmlns='urn:x'/></iq>");
    assert_int_equal(fake.n_settled, 0);
    assert_int_equal(fake.session.s.async_ops, 1);
    assert_int_equal(fake.romeo.pins, 1);
    assert_int_equal(fake.session.out.len, 0);

    assert_int_equal(iq_result(kept, STR("")), IQ_ANSWERED);
    assert_int_equal(fake.n_settled, 1);
    assert_int_equal(fake.session.s.async_ops, 0);
    assert_int_equal(fake.romeo.pins, 0);
    fake_expect(&fake.session.out, "<iq type='result' to='romeo@h.example/orchard' id='1'/>");
}

static void a_kept_request_of_a_session_that_ended_is_let_go_without_an_answer(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, "<iq type='set' id='1'><later xmlns='urn:x'/></iq>");
    fake.session.s.type = SESSION_DESTROYED;
    iq_on_committed(kept, LN_OK);
    assert_int_equal(fake.n_settled, 1);
    assert_int_equal(fake.session.out.len + fake.routed.len, 0);
}

static void a_request_that_comes_when_its_client_has_gone_is_dropped(void **state)
{
    (void)state;
    fake_ask(NULL, IQ_TO_OWN_ACCOUNT, "<iq type='set' id='1'><later xmlns='urn:x'/></iq>");
    assert_int_equal(fake.n_settled, 1);
    assert_int_equal(fake.session.out.len + fake.routed.len, 0);
}

static void a_failed_write_is_answered_with_what_it_failed_of(void **state)
{
    (void)state;
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, "<iq type='set' id='1'><later xmlns='urn:x'/></iq>");
    iq_on_committed(kept, LN_E_FULL);
    fake_expect(&fake.session.out, "<iq type='error' id='1' to='romeo@h.example/orchard'><error type='wait'>"
                                   "<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, "<iq type='set' id='2'><later xmlns='urn:x'/></iq>");
    iq_on_committed(kept, LN_E_IO);
    fake_expect(&fake.session.out, "<iq type='error' id='2' to='romeo@h.example/orchard'><error type='cancel'>"
                                   "<internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
}

static void presence_is_seen_by_the_owner_and_by_subscribers_only(void **state)
{
    const char *ask = "<iq type='get' id='1' to='romeo@h.example'><see xmlns='urn:x'/></iq>";

    (void)state;
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, ask);
    fake_expect(&fake.session.out, "<iq type='result' from='romeo@h.example' to='romeo@h.example/orchard' id='1'/>");
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, ask);
    fake_expect(&fake.routed,
                "<iq type='error' id='1' from='romeo@h.example' to='juliet@far.example/balcony'>" UNAVAILABLE);
    fake.subscriber = STR("juliet@far.example");
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, ask);
    fake_expect(&fake.routed, "<iq type='result' id='1' from='romeo@h.example' to='juliet@far.example/balcony'/>");
}

static void on_a_host_that_has_gone_from_the_configuration_modules_are_off(void **state)
{
    (void)state;
    fake.config.n_hosts = 0;
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, "<iq type='get' id='1'><now xmlns='urn:x'/></iq>");
    fake_expect(&fake.session.out, "<iq type='error' id='1' to='romeo@h.example/orchard'>" UNAVAILABLE);
}

#define test(name) cmocka_unit_test_setup_teardown(name, start, fake_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(what_nobody_takes_is_refused_with_service_unavailable),
        test(a_request_that_one_handler_passes_on_comes_to_the_next),
        test(the_answer_is_from_the_address_that_was_asked_or_from_none),
        test(the_answer_for_somebody_elsewhere_is_routed),
        test(a_damaged_payload_is_not_routed_but_answered_with_an_error),
        test(a_kept_request_holds_stanza_session_and_account_until_it_is_answered),
        test(a_kept_request_of_a_session_that_ended_is_let_go_without_an_answer),
        test(a_request_that_comes_when_its_client_has_gone_is_dropped),
        test(a_failed_write_is_answered_with_what_it_failed_of),
        test(presence_is_seen_by_the_owner_and_by_subscribers_only),
        test(on_a_host_that_has_gone_from_the_configuration_modules_are_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
