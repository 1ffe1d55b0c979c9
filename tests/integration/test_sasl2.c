/* tests/integration/test_sasl2.c - logging in by XEP-0388, and how it is refused. */
#include "client.h"
#include "sasl2_client.h"
#include "scram_client.h"

#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_BIND "urn:ietf:params:xml:ns:xmpp-bind"

static const char *identity_of(const struct node *success)
{
    return node_text(success, "success[@xmlns='" NS_SASL2 "']/authorization-identifier");
}

/* ---- what is offered ---- */

static void inside_tls_the_same_mechanisms_are_offered_as_by_the_old_protocol(void **state)
{
    struct raw *r = raw_secure(*state, NULL);
    const struct node *old = node_find(r->features, "features/mechanisms[@xmlns='" NS_SASL "']");
    const struct node *offer = node_find(r->features, "features/authentication[@xmlns='" NS_SASL2 "']");

    assert_non_null(offer);
    assert_int_equal(node_count(offer, "mechanism"), node_count(old, "mechanism"));
    assert_true(node_count(offer, "mechanism") > 0);
    for (const struct node *m = old->child; m != NULL; m = m->next) {
        char *path = text_format("authentication/mechanism[.='%s']", m->text);

        assert_true(node_matches(offer, path));
        free(path);
    }
    assert_true(node_matches(r->features, "features/sasl-channel-binding[@xmlns='urn:xmpp:sasl-cb:0']"));
    raw_free(&r);
}

static void what_can_be_done_with_the_login_is_offered_inside(void **state)
{
    struct raw *r = raw_secure(*state, NULL);

    assert_true(node_matches(r->features, "features/authentication/inline/bind[@xmlns='" NS_BIND2 "']"));
    assert_true(node_matches(r->features, "features/authentication/inline/fast[@xmlns='" NS_FAST
                                          "'][not(@tls-0rtt)]/mechanism[.='HT-SHA-256-NONE']"));
    raw_free(&r);
}

static void before_tls_it_is_not_offered_and_not_taken(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_connect(h, HARNESS_STARTTLS);
    char *message = sasl2_plain_message(a), *text = sasl2_authenticate("PLAIN", message, "");

    raw_open(r, NULL);
    raw_expect_header(r);
    assert_false(node_matches(raw_expect(r, "features"), "features/authentication"));
    raw_send(r, "%s", text);
    raw_expect_error(r, "not-authorized");
    raw_free(&r);
    free(message);
    free(text);
}

/* ---- the ways in ---- */

static void plain_succeeds_with_the_bare_jid_and_features_follow_without_a_new_stream(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);
    const struct node *success = sasl2_plain(r, a, "");

    assert_string_equal(identity_of(success), a->jid);
    assert_false(node_matches(success, "success/additional-data"));
    assert_true(node_matches(r->features, "features/bind[@xmlns='" NS_BIND "']"));
    assert_false(node_matches(r->features, "features/authentication"));
    assert_false(node_matches(r->features, "features/mechanisms"));
    raw_bind(r, "balcony");
    raw_expect_quiet(r);
    raw_free(&r);
}

static void scram_succeeds_with_and_without_channel_binding(void **state)
{
    static const struct {
        const char *mechanism, *binding;
    } ways[] = {{"SCRAM-SHA-1", NULL},
                {"SCRAM-SHA-256", NULL},
                {"SCRAM-SHA-1-PLUS", "tls-exporter"},
                {"SCRAM-SHA-256-PLUS", "tls-exporter"},
                {"SCRAM-SHA-256-PLUS", "tls-server-end-point"}};
    struct harness *h = *state;

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        const struct account *a = harness_account(h);
        struct raw *r = raw_secure(h, NULL);
        const struct node *success = sasl2_scram(r, a, ways[i].mechanism, ways[i].binding, "");

        assert_string_equal(identity_of(success), a->jid);
        raw_bind(r, NULL);
        raw_expect_quiet(r);
        raw_free(&r);
    }
}

static void without_an_initial_response_the_server_asks_for_it(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);
    char *message = sasl2_plain_message(a), *text = sasl2_authenticate("PLAIN", NULL, "");

    raw_send(r, "%s", text);
    raw_expect(r, "challenge[@xmlns='" NS_SASL2 "'][.='']");
    raw_send(r, "<response xmlns='" NS_SASL2 "'>%s</response>", message);
    assert_string_equal(identity_of(sasl2_outcome(r)), a->jid);
    raw_free(&r);
    free(message);
    free(text);
}

/* The examples of the XEP are written over several lines. */
static void white_space_around_the_data_does_no_harm(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);
    char *message = sasl2_plain_message(a), *spaced = text_format("\n    %s\n  ", message);
    char *text = sasl2_authenticate("PLAIN", spaced, "\n  <user-agent/>\n");

    raw_send(r, "%s", text);
    assert_string_equal(identity_of(sasl2_outcome(r)), a->jid);
    raw_free(&r);
    free(message);
    free(spaced);
    free(text);
}

static void what_comes_behind_the_login_in_one_packet_is_read_after_it(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);
    char *message = sasl2_plain_message(a), *text = sasl2_authenticate("PLAIN", message, "");

    raw_send(r,
             "%s<iq type='set' id='b'><bind xmlns='" NS_BIND "'/></iq><iq type='get' id='p' to='" DOMAIN
             "'><ping xmlns='urn:xmpp:ping'/></iq>",
             text);
    (void)sasl2_outcome(r);
    raw_expect(r, "iq[@id='b'][@type='result']");
    raw_expect(r, "iq[@id='p'][@type='result']");
    raw_free(&r);
    free(message);
    free(text);
}

static void the_own_bare_jid_may_be_asked_for_and_another_may_not(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h), *other = harness_account(h);

    for (int i = 0; i < 2; i++) {
        struct raw *r = raw_secure(h, NULL);
        char plain[512], *message, *text;
        int len =
            snprintf(plain, sizeof(plain), "%s%c%s%c%s", i == 0 ? a->jid : other->jid, 0, a->user, 0, a->password);

        message = base64_encode(plain, (size_t)len);
        text = sasl2_authenticate("PLAIN", message, "");
        raw_send(r, "%s", text);
        if (i == 0)
            assert_string_equal(identity_of(sasl2_outcome(r)), a->jid);
        else
            raw_expect(r, "failure[@xmlns='" NS_SASL2 "']/invalid-authzid[@xmlns='" NS_SASL "']");
        raw_free(&r);
        free(message);
        free(text);
    }
}

/* ---- the header's `from` ---- */

static void open_from(struct raw *r, const char *from)
{
    raw_expect_new_stream(r);
    raw_send(r,
             "<?xml version='1.0'?><stream:stream from='%s' to='" DOMAIN "' version='1.0' xmlns='jabber:client' "
             "xmlns:stream='http://etherx.jabber.org/streams'>",
             from);
    raw_expect_header(r);
}

/* So that the first header is inside TLS. */
static struct raw *direct(struct harness *h)
{
    struct raw *r = raw_connect(h, HARNESS_DIRECT_TLS);

    if (!raw_start_tls(r, NULL))
        test_fail("the TLS handshake failed");
    return r;
}

static void who_names_an_account_in_the_header_logs_in_as_that_one(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h), *other = harness_account(h);
    struct raw *r = direct(h);

    open_from(r, a->jid);
    raw_expect(r, "features");
    assert_string_equal(identity_of(sasl2_plain(r, a, "")), a->jid);
    raw_free(&r);
    r = direct(h);
    open_from(r, other->jid);
    raw_expect(r, "features");
    assert_true(node_matches(sasl2_plain(r, a, ""), "failure/invalid-authzid[@xmlns='" NS_SASL "']"));
    raw_free(&r);
}

static void a_header_from_another_domain_is_an_invalid_from(void **state)
{
    struct raw *r = direct(*state);

    open_from(r, "juliet@elsewhere.example");
    raw_expect_error(r, "invalid-from");
    raw_free(&r);
}

/* ---- refused ---- */

static const struct {
    const char *sent, *condition;
} mistakes[] = {
    {"<authenticate xmlns='" NS_SASL2 "' mechanism='BLURDYBLOOP'/>", "invalid-mechanism"},
    {"<authenticate xmlns='" NS_SASL2 "'/>", "invalid-mechanism"},
    /* A token's mechanism is none of those in the list (XEP-0484 section 3.1). */
    {"<authenticate xmlns='" NS_SASL2 "' mechanism='HT-SHA-256-NONE'/>", "invalid-mechanism"},
    {"<authenticate xmlns='" NS_SASL2 "' mechanism='PLAIN'><initial-response>not base64</initial-response>"
     "</authenticate>",
     "incorrect-encoding"},
    /* "=" stands for nothing any more. */
    {"<authenticate xmlns='" NS_SASL2 "' mechanism='PLAIN'><initial-response>=</initial-response></authenticate>",
     "incorrect-encoding"},
    {"<authenticate xmlns='" NS_SASL2 "' mechanism='PLAIN'><initial-response/></authenticate>", "malformed-request"},
    {"<authenticate xmlns='" NS_SASL2 "' mechanism='PLAIN'><initial-response>AGp1bGlldABzZWNyZXQ=</initial-response>"
     "<user-agent id='not a uuid'/></authenticate>",
     "malformed-request"},
    {"<authenticate xmlns='" NS_SASL2 "' mechanism='PLAIN'><initial-response>AG5vYm9keQB3cm9uZw==</initial-response>"
     "</authenticate>",
     "not-authorized"},
};

static void each_mistake_has_its_condition_and_allows_another_try(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);

    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        struct raw *r = raw_secure(h, NULL);
        char *path = text_format("failure[@xmlns='" NS_SASL2 "']/%s[@xmlns='" NS_SASL "']", mistakes[i].condition);

        raw_send(r, "%s", mistakes[i].sent);
        raw_expect(r, "%s", path);
        assert_string_equal(identity_of(sasl2_plain(r, a, "")), a->jid);
        raw_free(&r);
        free(path);
    }
}

static void wrong_passwords_are_counted_and_end_the_connection(void **state)
{
    struct harness *h = *state;
    struct account wrong = *harness_account(h);
    struct raw *r = raw_secure(h, NULL);
    char nonsense[] = "nonsense", *message, *text;

    wrong.password = nonsense;
    message = sasl2_plain_message(&wrong);
    text = sasl2_authenticate("PLAIN", message, "<bind xmlns='" NS_BIND2 "'/>");
    for (int i = 0; i < 3; i++) {
        raw_send(r, "%s", text);
        raw_expect(r, "failure[not(bound)]/not-authorized");
    }
    raw_expect_error(r, "policy-violation");
    raw_free(&r);
    free(message);
    free(text);
}

static void an_exchange_can_be_aborted_and_begun_anew(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);

    raw_send(r, "<authenticate xmlns='" NS_SASL2 "' mechanism='SCRAM-SHA-1'/>");
    raw_expect(r, "challenge[@xmlns='" NS_SASL2 "']");
    raw_send(r, "<abort xmlns='" NS_SASL2 "'><text>I changed my mind.</text></abort>");
    raw_expect(r, "failure[@xmlns='" NS_SASL2 "']/aborted[@xmlns='" NS_SASL "']");
    (void)sasl2_scram(r, a, "SCRAM-SHA-1", NULL, "");
    raw_free(&r);
}

static void during_an_exchange_anything_else_ends_the_stream(void **state)
{
    static const char *const others[] = {
        "<message to='" DOMAIN "'><body>hello</body></message>",
        "<iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>",
        "<authenticate xmlns='" NS_SASL2 "' mechanism='PLAIN'/>",
        "<auth xmlns='" NS_SASL "' mechanism='PLAIN'/>",
        "<response xmlns='" NS_SASL "'/>",
        "<next xmlns='" NS_SASL2 "' task='HOTP-EXAMPLE'/>",
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct raw *r = raw_secure(*state, NULL);

        raw_send(r, "<authenticate xmlns='" NS_SASL2 "' mechanism='SCRAM-SHA-1'/>");
        raw_expect(r, "challenge");
        raw_send(r, "%s", others[i]);
        raw_expect_error(r, "not-authorized");
        raw_free(&r);
    }
}

static void after_success_another_authentication_ends_the_stream(void **state)
{
    static const char *const others[] = {"<authenticate xmlns='" NS_SASL2 "' mechanism='PLAIN'/>",
                                         "<response xmlns='" NS_SASL2 "'/>", "<abort xmlns='" NS_SASL2 "'/>",
                                         "<auth xmlns='" NS_SASL "' mechanism='PLAIN'/>"};
    struct harness *h = *state;
    const struct account *a = harness_account(h);

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct raw *r = raw_secure(h, NULL);

        (void)sasl2_plain(r, a, "");
        raw_send(r, "%s", others[i]);
        raw_expect_error(r, "policy-violation");
        raw_free(&r);
    }
}

static void a_client_that_has_been_lied_to_about_channel_binding_is_refused(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);
    char *message = text_format("y,,n=%s,r=%s", a->user, "fyko+d2lbbFgONRv9qkxdawL");
    char *encoded = base64_encode(message, strlen(message)), *text = sasl2_authenticate("SCRAM-SHA-256", encoded, "");

    raw_send(r, "%s", text);
    raw_expect(r, "failure/not-authorized");
    raw_free(&r);
    free(message);
    free(encoded);
    free(text);
}

/* ---- switched off ---- */

static void a_host_without_the_module_offers_the_old_protocol_only(void **state)
{
    static const char *const without[] = {"modules.enabled = [\"disco\", \"ping\"]", NULL};
    struct harness_options options = {.workers = 1, .settings = without};
    struct harness *h = harness_new(&options);
    struct raw *r;

    (void)state;
    harness_start(h);
    r = raw_secure(h, NULL);
    assert_true(node_matches(r->features, "features/mechanisms"));
    assert_false(node_matches(r->features, "features/authentication"));
    raw_send(r, "<authenticate xmlns='" NS_SASL2 "' mechanism='PLAIN'/>");
    raw_expect_error(r, "not-authorized");
    raw_free(&r);
    harness_stop(h);
    harness_free(&h);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HARNESS_TEST(inside_tls_the_same_mechanisms_are_offered_as_by_the_old_protocol),
        HARNESS_TEST(what_can_be_done_with_the_login_is_offered_inside),
        HARNESS_TEST(before_tls_it_is_not_offered_and_not_taken),
        HARNESS_TEST(plain_succeeds_with_the_bare_jid_and_features_follow_without_a_new_stream),
        HARNESS_TEST(scram_succeeds_with_and_without_channel_binding),
        HARNESS_TEST(without_an_initial_response_the_server_asks_for_it),
        HARNESS_TEST(white_space_around_the_data_does_no_harm),
        HARNESS_TEST(what_comes_behind_the_login_in_one_packet_is_read_after_it),
        HARNESS_TEST(the_own_bare_jid_may_be_asked_for_and_another_may_not),
        HARNESS_TEST(who_names_an_account_in_the_header_logs_in_as_that_one),
        HARNESS_TEST(a_header_from_another_domain_is_an_invalid_from),
        HARNESS_TEST(each_mistake_has_its_condition_and_allows_another_try),
        HARNESS_TEST(wrong_passwords_are_counted_and_end_the_connection),
        HARNESS_TEST(an_exchange_can_be_aborted_and_begun_anew),
        HARNESS_TEST(during_an_exchange_anything_else_ends_the_stream),
        HARNESS_TEST(after_success_another_authentication_ends_the_stream),
        HARNESS_TEST(a_client_that_has_been_lied_to_about_channel_binding_is_refused),
    };
    static const struct CMUnitTest alone[] = {
        cmocka_unit_test(a_host_without_the_module_offers_the_old_protocol_only),
    };

    static const struct harness_options options = {0};

    return harness_run_tests("SASL2", tests, &options) + cmocka_run_group_tests(alone, NULL, NULL);
}
