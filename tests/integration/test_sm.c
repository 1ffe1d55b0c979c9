/* tests/integration/test_sm.c - acknowledgements: XEP-0198 without resumption (test_resumption.c). What the server has
 * acknowledged can no longer be lost. */
#include "client.h"
#include "raw.h"

#include <signal.h>

#define NS_SM "urn:xmpp:sm:3"
#define R     "<r xmlns='" NS_SM "'/>"

static struct raw *login_with_acks(struct harness *h, const struct account *a, const char *resource)
{
    struct raw *r = raw_login(h, a, resource);

    raw_enable_acks(r);
    return r;
}

/* Answers of the server to stanzas may stand before it. */
static unsigned long ask_h(struct raw *r)
{
    raw_send(r, R);
    return strtoul(node_attr(raw_skip_to(r, "a[@xmlns='" NS_SM "'][@h]"), "h"), NULL, 10);
}

/* Until the server has counted so many. */
static void wait_h(struct raw *r, unsigned long wanted)
{
    unsigned long h = ask_h(r);

    for (long until = now_ms() + test_patience_ms(); h < wanted; h = ask_h(r))
        if (now_ms() > until)
            test_fail("%lu stanzas were acknowledged, not %lu", h, wanted);
    assert_int_equal(h, wanted);
}

static void it_is_offered_and_enabled_after_binding_only(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_secure(h, NULL);

    raw_plain(r, harness_account(h));
    assert_true(node_matches(r->features, "features/sm[@xmlns='" NS_SM "']"));
    raw_send(r, "<enable xmlns='" NS_SM "'/>");
    raw_expect(r, "failed[@xmlns='" NS_SM "']/unexpected-request[@xmlns='urn:ietf:params:xml:ns:xmpp-stanzas']");
    raw_bind(r, "one");
    raw_enable_acks(r);
    /* Twice is a mistake of the client, which XEP-0198 section 3 lets the server answer or end. */
    raw_send(r, "<enable xmlns='" NS_SM "'/>");
    const struct node *answer = raw_expect(r, "*");
    assert_true(node_matches(answer, "failed[@xmlns='" NS_SM "']/unexpected-request") || node_matches(answer, "error"));
    raw_free(&r);
}

static void a_session_that_is_not_to_be_resumed_is_not_and_a_resume_fails(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_secure(h, NULL);

    raw_plain(r, harness_account(h));
    raw_send(r, "<resume xmlns='" NS_SM "' h='0' previd='some-long-gone-session'/>");
    raw_expect(r, "failed[@xmlns='" NS_SM "']/*");
    raw_bind(r, "one"); /* and one goes on as XEP-0198 section 5 says */
    raw_send(r, "<enable xmlns='" NS_SM "'/>");
    raw_expect(r, "enabled[not(@resume)][not(@id)]");
    raw_free(&r);
}

static void only_stanzas_are_counted_from_enable_on(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    struct raw *r = raw_login(h, harness_account(h), "one");

    raw_send(r, "<presence/>"); /* before <enable/>: does not count */
    raw_skip_to(r, "presence");
    raw_enable_acks(r);
    assert_int_equal(ask_h(r), 0);
    raw_send(r, "<presence><show>away</show></presence>");
    wait_h(r, 1);
    raw_send(r, "<iq type='get' id='p' to='" DOMAIN "'><ping xmlns='urn:xmpp:ping'/></iq>");
    raw_send(r, R R " \n" R);
    raw_send(r, "<message to='%s' type='headline'><body>x</body></message>", juliet->jid);
    client_expect(juliet, "message[@type='headline']");
    wait_h(r, 3);
    raw_send(r, "<a xmlns='" NS_SM "' h='0'/>");
    assert_int_equal(ask_h(r), 3);
    raw_free(&r);
}

static void what_is_refused_is_counted(void **state)
{
    struct harness *h = *state;
    struct raw *r = login_with_acks(h, harness_account(h), "one");

    raw_send(r, "<message to='nobody-at-all@" DOMAIN "' id='m'><body>x</body></message>");
    raw_send(r, "<iq type='get' id='q' to='" DOMAIN "'><q xmlns='urn:example:unknown'/></iq>");
    raw_send(r, "<presence type='nonsense'/><message to='a b@" DOMAIN "'/>");
    wait_h(r, 4);
    raw_free(&r);
}

static void an_acknowledged_message_to_somebody_offline_survives_kill_9(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h), *b = harness_account(h);
    struct raw *r = login_with_acks(h, a, "one");
    struct client *juliet;

    for (int i = 0; i < 20; i++)
        raw_send(r, "<message to='%s' type='chat' id='m%d'><body>%d</body></message>", b->jid, i, i);
    wait_h(r, 20);
    harness_crash(h); /* the instant it was acknowledged */
    raw_free(&r);
    harness_start(h);
    juliet = client_login(h, b, "one", 0);
    client_go_online(juliet, 0);
    for (int i = 0; i < 20; i++)
        client_expect(juliet, "message[@id='m%d']/body[.='%d']", i, i);
}

/* While the recipient's client has a message and has not said so, it could still be lost with that client. */
static void a_message_is_not_acknowledged_before_the_recipients_client_has_acknowledged_it(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h), *b = harness_account(h);
    struct raw *romeo = login_with_acks(h, a, "one"), *juliet = login_with_acks(h, b, "one");

    raw_send(juliet, "<presence/>");
    raw_skip_to(juliet, "presence");
    raw_send(romeo, "<message to='%s' type='chat' id='m'><body>x</body></message>", b->jid);
    raw_skip_to(juliet, "message[@id='m']");
    unsigned long h_before = ask_h(romeo);
    /* The server may as well have committed it to the archive; then it is safe, and a crash must not lose it. */
    if (h_before == 1) {
        harness_crash(h);
        harness_start(h);
        struct client *again = client_login(h, b, "two", 0);
        client_go_online(again, 0);
        client_expect(again, "message[@id='m']");
    } else {
        raw_send(juliet, "<a xmlns='" NS_SM "' h='2'/>"); /* her presence, then the message */
        wait_h(romeo, 1);
    }
    raw_free(&romeo);
    raw_free(&juliet);
}

static void a_message_that_the_dying_client_did_not_acknowledge_is_kept_and_acknowledged(void **state)
{
    struct harness *h = *state;
    const struct account *b = harness_account(h);
    struct raw *romeo = login_with_acks(h, harness_account(h), "one"), *juliet = login_with_acks(h, b, "one");

    raw_send(juliet, "<presence/>");
    raw_skip_to(juliet, "presence");
    raw_send(romeo, "<message to='%s' type='chat' id='m'><body>x</body></message>", b->jid);
    raw_skip_to(juliet, "message[@id='m']");
    raw_free(&juliet);
    wait_h(romeo, 1);
    harness_crash(h);
    raw_free(&romeo);
    harness_start(h);
    struct client *again = client_login(h, b, "two", 0);
    client_go_online(again, 0);
    client_expect(again, "message[@id='m']/body[.='x']");
}

static void the_count_never_goes_back_nor_over_what_was_sent(void **state)
{
    struct harness *h = *state;
    struct raw *r = login_with_acks(h, harness_account(h), "one");
    const struct account *b = harness_account(h);
    unsigned long last = 0;

    for (unsigned i = 1; i <= 100; i++) {
        raw_send(r, "<message to='%s' type='chat'><body>%u</body></message>", b->jid, i);
        unsigned long now = ask_h(r);

        assert_true(now >= last && now <= i);
        last = now;
    }
    wait_h(r, 100);
    raw_free(&r);
}

static void an_acknowledgement_of_more_than_was_sent_ends_the_stream(void **state)
{
    struct harness *h = *state;
    struct raw *r = login_with_acks(h, harness_account(h), "one");
    const struct node *error;

    raw_send(r, "<iq type='get' id='p' to='" DOMAIN "'><ping xmlns='urn:xmpp:ping'/></iq>");
    raw_expect(r, "iq[@id='p']");
    raw_send(r, "<a xmlns='" NS_SM "' h='10'/>");
    error = raw_skip_to(r, "error[@xmlns='http://etherx.jabber.org/streams']");
    assert_true(node_matches(error, "error/undefined-condition[@xmlns='urn:ietf:params:xml:ns:xmpp-streams']"));
    assert_true(node_matches(error, "error/handled-count-too-high[@xmlns='" NS_SM "'][@h='10'][@send-count='1']"));
    raw_expect_closed(r);
    raw_free(&r);
}

static void an_acknowledgement_that_is_no_number_ends_the_stream_or_is_ignored(void **state)
{
    static const char *const bad[] = {"<a xmlns='" NS_SM "' h='x'/>", "<a xmlns='" NS_SM "'/>",
                                      "<a xmlns='" NS_SM "' h='-1'/>",
                                      "<a xmlns='" NS_SM "' h='99999999999999999999'/>"};
    struct harness *h = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct raw *r = login_with_acks(h, harness_account(h), "one");

        raw_send(r, "%s" R, bad[i]);
        const struct node *answer = raw_expect(r, "*");
        assert_true(node_matches(answer, "error[@xmlns='http://etherx.jabber.org/streams']") ||
                    node_matches(answer, "a[@xmlns='" NS_SM "'][@h='0']"));
        raw_free(&r);
    }
    assert_true(harness_is_running(h));
}

static void the_server_asks_for_acknowledgements_of_what_it_sends(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct raw *juliet = login_with_acks(h, harness_account(h), "one");

    for (int i = 0; i < 5; i++)
        client_send(romeo, "<message to='%s' type='chat'><body>%d</body></message>", juliet->jid, i);
    raw_skip_to(juliet, "r[@xmlns='" NS_SM "']");
    raw_free(&juliet);
}

static void a_client_that_answers_too_early_is_asked_again_with_the_next_stanza_or_after_a_second(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct raw *juliet = login_with_acks(h, harness_account(h), "one");
    long sent_ms = now_ms();

    client_send(romeo, "<message to='%s' type='chat'><body>1</body></message>", juliet->jid);
    raw_skip_to(juliet, "r[@xmlns='" NS_SM "']");
    raw_send(juliet, "<a xmlns='" NS_SM "' h='0'/>");
    raw_expect(juliet, "r[@xmlns='" NS_SM "']"); /* nothing is sent to it meanwhile */
    assert_true(now_ms() - sent_ms >= 900);      /* and it is not asked without end */
    raw_send(juliet, "<a xmlns='" NS_SM "' h='0'/>");
    client_send(romeo, "<message to='%s' type='chat'><body>2</body></message>", juliet->jid);
    raw_expect(juliet, "message");
    raw_expect(juliet, "r[@xmlns='" NS_SM "']");
    raw_free(&juliet);
}

static void a_client_that_acknowledges_nothing_is_cut_before_it_costs_too_much(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *b = harness_account(h);
    struct raw *juliet = login_with_acks(h, b, "one");

    raw_send(juliet, "<presence/>");
    raw_skip_to(juliet, "presence");
    for (int i = 0; i < 40; i++) /* sm.queue_stanzas = 30 */
        client_send(romeo, "<message to='%s' type='chat' id='m%d'><body>x</body></message>", b->jid, i);
    raw_skip_to(juliet, "error[@xmlns='http://etherx.jabber.org/streams']/*");
    raw_expect_closed(juliet);
    client_barrier_via(romeo, b->jid);
    struct client *again = client_login(h, b, "two", 0);
    client_go_online(again, 0);
    for (int i = 0; i < 40; i++)
        client_expect(again, "message[@id='m%d']", i);
    raw_free(&juliet);
}

static void libstrophe_gets_all_of_its_stanzas_acknowledged(void **state)
{
    struct harness *h = *state;
    struct client *romeo = client_login(h, harness_account(h), "one", CLIENT_ACKS),
                  *juliet = client_login(h, harness_account(h), "one", CLIENT_ACKS);

    client_go_online(juliet, 0);
    for (int i = 0; i < 300; i++)
        client_send(romeo, "<message to='%s' type='chat'><body>%d</body></message>", juliet->bare, i);
    for (int i = 0; i < 300; i++)
        client_expect(juliet, "message/body[.='%d']", i);
    client_wait_acked(romeo);
    client_wait_acked(juliet);
    assert_int_equal(romeo->acked, romeo->sent);
}

int main(void)
{
    static const char *const settings[] = {"sm.queue_stanzas = 30", NULL};
    static const struct harness_options options = {.settings = settings}, usual = {0};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(it_is_offered_and_enabled_after_binding_only),
        HARNESS_TEST(a_session_that_is_not_to_be_resumed_is_not_and_a_resume_fails),
        HARNESS_TEST(only_stanzas_are_counted_from_enable_on),
        HARNESS_TEST(what_is_refused_is_counted),
        HARNESS_TEST(an_acknowledged_message_to_somebody_offline_survives_kill_9),
        HARNESS_TEST(a_message_is_not_acknowledged_before_the_recipients_client_has_acknowledged_it),
        HARNESS_TEST(a_message_that_the_dying_client_did_not_acknowledge_is_kept_and_acknowledged),
        HARNESS_TEST(the_count_never_goes_back_nor_over_what_was_sent),
        HARNESS_TEST(an_acknowledgement_of_more_than_was_sent_ends_the_stream),
        HARNESS_TEST(an_acknowledgement_that_is_no_number_ends_the_stream_or_is_ignored),
        HARNESS_TEST(the_server_asks_for_acknowledgements_of_what_it_sends),
        HARNESS_TEST(a_client_that_answers_too_early_is_asked_again_with_the_next_stanza_or_after_a_second),
        HARNESS_TEST(libstrophe_gets_all_of_its_stanzas_acknowledged),
    };
    const struct CMUnitTest with_a_low_limit[] = {
        HARNESS_TEST(a_client_that_acknowledges_nothing_is_cut_before_it_costs_too_much),
    };

    return harness_run_tests("stream management", tests, &usual) |
           harness_run_once("stream management, low limit", with_a_low_limit, &options);
}
