/* tests/integration/test_late_login.c - logins that something overtakes: while one is on its way, its password is
 * changed, its account deleted, or made anew for somebody else. What the client has shown counts for nothing then. */
#include "sasl2_client.h"
#include "scram_client.h"

#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"
#define BIND    "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"

static void operator(struct harness *h, const char *input, const char *command, const char *jid)
{
    char *output = NULL;

    if (harness_ctl(h, input, &output, command, jid) != 0)
        test_fail("linnetctl %s: %s", command, output);
    free(output);
}

static void change_password(struct harness *h, const struct account *a)
{
    operator(h, "another\n", "passwd", a->jid);
}

static void make_anew(struct harness *h, const struct account *a)
{
    operator(h, NULL, "deluser", a->jid);
    operator(h, "another\n", "adduser", a->jid);
}

typedef void overtake(struct harness *h, const struct account *a);
static overtake *const overtakers[] = {change_password, make_anew};
enum { OVERTAKERS = sizeof(overtakers) / sizeof(overtakers[0]) };

/* ---- RFC 6120 ---- */

static void who_has_logged_in_and_not_bound_does_not_bind(void **state)
{
    struct harness *h = *state;

    for (size_t i = 0; i < OVERTAKERS; i++) {
        const struct account *a = harness_account(h);
        struct raw *r = raw_secure(h, NULL);

        raw_plain(r, a);
        overtakers[i](h, a);
        raw_send(r, BIND);
        raw_expect_error(r, "not-authorized");
        raw_free(&r);
    }
}

static void what_was_begun_with_the_old_keys_does_not_bind(void **state)
{
    struct harness *h = *state;

    for (size_t i = 0; i < OVERTAKERS; i++) {
        const struct account *a = harness_account(h);
        struct raw *r = raw_secure(h, NULL);
        struct scram_client s;
        char *message;

        scram_client_init(&s, "SCRAM-SHA-256");
        message = scram_client_first(&s, a->user);
        raw_send(r, "<auth xmlns='" NS_SASL "' mechanism='SCRAM-SHA-256'>%s</auth>", message);
        free(message);
        message = scram_client_final(&s, node_text(raw_expect(r, "challenge"), "challenge"), a->password);
        overtakers[i](h, a);
        raw_send(r, "<response xmlns='" NS_SASL "'>%s</response>", message);
        raw_expect(r, "success");
        raw_open(r, NULL);
        raw_skip_to(r, "features");
        raw_send(r, BIND);
        raw_expect_error(r, "not-authorized");
        raw_free(&r);
        free(message);
        scram_client_deinit(&s);
    }
}

/* ---- XEP-0388 ---- */

static void nor_does_it_get_a_token_or_a_session_by_sasl2(void **state)
{
    struct harness *h = *state;

    for (size_t i = 0; i < OVERTAKERS; i++) {
        const struct account *a = harness_account(h);
        struct raw *r = raw_secure(h, NULL);
        char *inner = text_format("<user-agent id='%s'/><bind xmlns='" NS_BIND2 "'/><request-token xmlns='" NS_FAST
                                  "' mechanism='HT-SHA-256-NONE'/>",
                                  sasl2_uuid());
        struct scram_client s;
        char *message, *text;

        scram_client_init(&s, "SCRAM-SHA-256");
        message = scram_client_first(&s, a->user);
        text = sasl2_authenticate("SCRAM-SHA-256", message, inner);
        raw_send(r, "%s", text);
        free(message);
        free(text);
        message = scram_client_final(&s, node_text(raw_expect(r, "challenge"), "challenge"), a->password);
        overtakers[i](h, a);
        raw_send(r, "<response xmlns='" NS_SASL2 "'>%s</response>", message);
        raw_expect(r, "failure/not-authorized");
        raw_expect_error(r, "not-authorized");
        raw_free(&r);
        free(message);
        free(inner);
        scram_client_deinit(&s);
    }
}

static void nor_is_one_bound_later(void **state)
{
    struct harness *h = *state;

    for (size_t i = 0; i < OVERTAKERS; i++) {
        const struct account *a = harness_account(h);
        struct raw *r = raw_secure(h, NULL);

        assert_true(node_matches(sasl2_plain(r, a, ""), "success"));
        overtakers[i](h, a);
        raw_send(r, BIND);
        raw_expect_error(r, "not-authorized");
        raw_free(&r);
    }
}

/* The one that changes the password goes on, and who knows the new one comes in. */
static void who_changes_the_password_stays_and_logs_in_with_it(void **state)
{
    struct harness *h = *state;
    struct account a = *harness_account(h);
    struct raw *r = raw_login(h, &a, NULL), *later;
    char fresh[] = "fresh";

    raw_send(r,
             "<iq type='set' id='p' to='" DOMAIN "'><query xmlns='jabber:iq:register'><username>%s</username>"
             "<password>fresh</password></query></iq>",
             a.user);
    raw_skip_to(r, "iq[@type='result'][@id='p']");
    a.password = fresh;
    later = sasl2_login(h, &a, "", "t");
    raw_expect_quiet(later);
    raw_free(&later);
    later = raw_login(h, &a, NULL);
    raw_expect_quiet(later);
    raw_expect_quiet(r);
    raw_free(&later);
    raw_free(&r);
}

/* ---- resumption ---- */

/* The session that changes the password stays; its name does not let in who still comes with the old one. */
static void the_old_password_resumes_nothing(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_login(h, a, NULL), *late = raw_secure(h, NULL);
    const struct node *enabled;

    raw_send(r, "<enable xmlns='" NS_SM "' resume='true'/>");
    enabled = raw_skip_to(r, "enabled[@id]");
    raw_plain(late, a);
    raw_send(r,
             "<iq type='set' id='p' to='" DOMAIN "'><query xmlns='jabber:iq:register'><username>%s</username>"
             "<password>fresh</password></query></iq>",
             a->user);
    raw_skip_to(r, "iq[@type='result'][@id='p']");
    raw_send(late, "<resume xmlns='" NS_SM "' previd='%s' h='0'/>", node_attr(enabled, "id"));
    raw_expect_error(late, "not-authorized");
    raw_free(&late);
    raw_free(&r);
}

/* ---- all at once ---- */

/* Some have come home, some are on their way, some hang up at once: whatever becomes of each, nobody is in afterwards
 * who came with the old password. */
static void of_a_crowd_that_is_overtaken_nobody_is_left(void **state)
{
    enum { CROWD = 12 };
    struct harness *h = *state;

    for (size_t i = 0; i < OVERTAKERS; i++) {
        struct account a = *harness_account(h);
        char another[] = "another";
        struct raw *crowd[CROWD], *r;
        struct json *sessions;

        for (int k = 0; k < CROWD; k++)
            crowd[k] = raw_secure(h, NULL);
        for (int k = 0; k < CROWD; k++) {
            char *message = sasl2_plain_message(&a);
            char *inner =
                text_format("<user-agent id='%s'/><bind xmlns='" NS_BIND2 "'><enable xmlns='" NS_SM
                            "' resume='true'/></bind><request-token xmlns='" NS_FAST "' mechanism='HT-SHA-256-NONE'/>",
                            sasl2_uuid());
            char *text = sasl2_authenticate("PLAIN", message, inner);

            raw_send(crowd[k], "%s<presence/>", text);
            if (k % 3 == 0)
                raw_free(&crowd[k]);
            free(message);
            free(inner);
            free(text);
        }
        overtakers[i](h, &a);
        for (int k = 0; k < CROWD; k++) {
            if (crowd[k] == NULL)
                continue;
            raw_expect_eof(crowd[k]);
            raw_free(&crowd[k]);
        }
        a.password = another;
        r = raw_login(h, &a, NULL);
        sessions = harness_ctl_json(h, "sessions", a.jid);
        assert_int_equal(json_count(sessions), 1);
        json_free(&sessions);
        raw_free(&r);
    }
}

/* ---- who is nobody ---- */

/* The nil UUID (RFC 9562 section 5.9) is what sessions have whose clients say nothing: it would be all of them. */
static void the_id_that_is_nobodys_is_refused(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *legacy = raw_login(h, a, "old"), *r = raw_secure(h, NULL);

    assert_true(node_matches(sasl2_plain(r, a,
                                         "<user-agent id='00000000-0000-0000-0000-000000000000'/><bind "
                                         "xmlns='" NS_BIND2 "'/>"),
                             "failure/malformed-request"));
    raw_expect_quiet(legacy);
    raw_free(&legacy);
    raw_free(&r);
}

int main(void)
{
    static const struct harness_options options = {0};
    static const struct CMUnitTest tests[] = {
        HARNESS_TEST(who_has_logged_in_and_not_bound_does_not_bind),
        HARNESS_TEST(what_was_begun_with_the_old_keys_does_not_bind),
        HARNESS_TEST(nor_does_it_get_a_token_or_a_session_by_sasl2),
        HARNESS_TEST(nor_is_one_bound_later),
        HARNESS_TEST(who_changes_the_password_stays_and_logs_in_with_it),
        HARNESS_TEST(the_old_password_resumes_nothing),
        HARNESS_TEST(of_a_crowd_that_is_overtaken_nobody_is_left),
        HARNESS_TEST(the_id_that_is_nobodys_is_refused),
    };

    return harness_run_tests("late logins", tests, &options);
}
