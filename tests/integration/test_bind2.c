/* tests/integration/test_bind2.c - XEP-0386: a resource, and all that belongs to a session, with the login; and how
 * many round trips that takes. */
#include "client.h"
#include "sasl2_client.h"

#define BIND(content) "<bind xmlns='" NS_BIND2 "'>" content "</bind>"

/* Behind the last slash of the full JID. */
static const char *own_part(const struct raw *r)
{
    return strrchr(r->jid, '/') + 1;
}

static struct raw *login_with(struct harness *h, const struct account *a, const char *inner)
{
    struct raw *r = raw_secure(h, NULL);

    if (!node_matches(sasl2_plain(r, a, inner), "success/bound[@xmlns='" NS_BIND2 "']"))
        test_fail("%s was not bound", a->jid);
    return r;
}

/* ---- offered ---- */

static void the_features_that_can_be_had_with_it_are_named(void **state)
{
    static const char *const names[] = {"urn:xmpp:carbons:2", "urn:xmpp:csi:0", NS_SM};
    struct raw *r = raw_secure(*state, NULL);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = text_format("features/authentication/inline/bind[@xmlns='" NS_BIND2 "']/inline/feature[@var='%s']",
                                 names[i]);

        if (!node_matches(r->features, path))
            test_fail("%s is not offered", names[i]);
        free(path);
    }
    assert_true(node_matches(r->features, "features/authentication/inline/sm[@xmlns='" NS_SM "']"));
    raw_free(&r);
}

/* ---- the resource ---- */

static void success_has_the_full_jid_of_a_session_that_is_there(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = login_with(h, a, BIND("<tag>AwesomeXMPP</tag>"));
    char *start = text_format("%s/AwesomeXMPP/", a->jid);

    assert_memory_equal(r->jid, start, strlen(start));
    assert_true(strlen(own_part(r)) > 0);
    assert_true(harness_worker_of(h, r->jid) >= 0);
    /* Bound already: nothing of it is offered again. */
    assert_false(node_matches(r->features, "features/bind"));
    raw_expect_quiet(r);
    raw_free(&r);
    free(start);
}

static void without_a_tag_the_server_chooses_all_of_it(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = login_with(h, a, "<bind xmlns='" NS_BIND2 "'/>"), *second = login_with(h, a, BIND("<tag/>"));

    assert_string_not_equal(r->jid, second->jid);
    assert_null(strchr(strchr(r->jid, '/') + 1, '/'));
    raw_expect_quiet(r);
    raw_expect_quiet(second);
    raw_free(&r);
    raw_free(&second);
}

/* 1023 bytes is the longest resource. */
static void a_tag_that_no_resource_may_have_is_left_out(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    char *tag = malloc(1101), *inner;
    struct raw *r;

    memset(tag, 'x', 1100);
    tag[1100] = '\0';
    inner = text_format(BIND("<tag>%s</tag>"), tag);
    r = login_with(h, a, inner);
    assert_null(strchr(strchr(r->jid, '/') + 1, '/'));
    raw_free(&r);
    free(inner);
    free(tag);
}

static void a_client_that_comes_back_has_the_same_resource_and_its_older_session_ends(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    const char *id = sasl2_uuid();
    char *agent = sasl2_user_agent(id, "AwesomeXMPP", "phone");
    struct raw *first = sasl2_login(h, a, agent, "AwesomeXMPP"), *second = sasl2_login(h, a, agent, "AwesomeXMPP");

    assert_string_equal(first->jid, second->jid);
    raw_expect_error(first, "conflict");
    raw_expect_quiet(second);
    /* The id itself is nobody's business. */
    assert_null(strstr(second->jid, id));
    raw_free(&first);
    raw_free(&second);
    free(agent);
}

static void an_older_session_of_the_same_client_ends_though_its_tag_has_changed(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    char *agent = sasl2_user_agent(sasl2_uuid(), "AwesomeXMPP", "phone");
    struct raw *first = sasl2_login(h, a, agent, "AwesomeXMPP"), *second = sasl2_login(h, a, agent, "MoreAwesome");

    assert_string_not_equal(first->jid, second->jid);
    assert_string_equal(own_part(first), own_part(second));
    raw_expect_error(first, "conflict");
    raw_expect_quiet(second);
    raw_free(&first);
    raw_free(&second);
    free(agent);
}

static void other_clients_and_other_accounts_have_other_resources(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h), *b = harness_account(h);
    char *agent = sasl2_user_agent(sasl2_uuid(), "AwesomeXMPP", "phone");
    char *other = sasl2_user_agent(sasl2_uuid(), "AwesomeXMPP", "tablet");
    struct raw *phone = sasl2_login(h, a, agent, "AwesomeXMPP"), *tablet = sasl2_login(h, a, other, "AwesomeXMPP");
    struct raw *elsewhere = sasl2_login(h, b, agent, "AwesomeXMPP");

    assert_string_not_equal(own_part(phone), own_part(tablet));
    assert_string_not_equal(own_part(phone), own_part(elsewhere));
    raw_expect_quiet(phone);
    raw_expect_quiet(tablet);
    raw_expect_quiet(elsewhere);
    raw_free(&phone);
    raw_free(&tablet);
    raw_free(&elsewhere);
    free(agent);
    free(other);
}

/* ---- with it ---- */

static void stream_management_is_enabled_inside(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);
    const struct node *success = sasl2_plain(r, a, BIND("<enable xmlns='" NS_SM "' resume='true'/>"));

    assert_true(node_matches(success, "success/bound/enabled[@xmlns='" NS_SM "'][@resume='true'][@id]"));
    /* A client that is offered it again asks for it again, and is refused. */
    assert_false(node_matches(r->features, "features/sm"));
    raw_send(r, "<r xmlns='" NS_SM "'/>");
    raw_expect(r, "a[@xmlns='" NS_SM "'][@h='0']");
    raw_send(r, "<presence/><r xmlns='" NS_SM "'/>");
    raw_skip_to(r, "a[@xmlns='" NS_SM "'][@h='1']");
    raw_free(&r);
}

static void all_features_can_be_asked_for_together(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = login_with(h, a,
                               BIND("<tag>AwesomeXMPP</tag><enable xmlns='urn:xmpp:carbons:2'/><enable xmlns='" NS_SM
                                    "'/><inactive xmlns='urn:xmpp:csi:0'/><unheard xmlns='urn:example:of'/>"));

    raw_expect_quiet(r);
    raw_free(&r);
}

/* ---- resumption with the login (XEP-0198 section 7) ---- */

static struct raw *login_resumable(struct harness *h, const struct account *a, const char *agent, char **ret_id)
{
    struct raw *r = raw_secure(h, NULL);
    char *inner = text_format("%s" BIND("<tag>t</tag><enable xmlns='" NS_SM "' resume='true'/>"), agent);
    const struct node *success = sasl2_plain(r, a, inner);

    *ret_id = strdup(node_attr(node_find(success, "success/bound/enabled"), "id"));
    raw_send(r, "<presence/>");
    raw_skip_to(r, "presence[@from='%s']", r->jid);
    free(inner);
    return r;
}

static char *resume_and_bind(const char *agent, const char *id, unsigned h)
{
    return text_format("%s<resume xmlns='" NS_SM
                       "' previd='%s' h='%u'/>" BIND("<tag>new</tag><enable xmlns='" NS_SM "' resume='true'/>"),
                       agent, id, h);
}

static void a_session_is_resumed_with_the_login_and_nothing_is_bound(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    char *agent = sasl2_user_agent(sasl2_uuid(), "AwesomeXMPP", "phone"), *id, *inner, *jid;
    struct raw *r = login_resumable(h, a, agent, &id), *other = raw_login(h, harness_account(h), NULL);
    size_t mark = harness_log_mark(h);

    jid = strdup(r->jid);
    raw_free(&r); /* without a word */
    free(harness_log_wait(h, mark, "session.hibernating"));
    raw_send(other, "<message to='%s' type='chat' id='m1'><body>are you there?</body></message>", jid);
    raw_expect_quiet(other);
    r = raw_secure(h, NULL);
    inner = resume_and_bind(agent, id, 1);

    const struct node *success = sasl2_plain(r, a, inner);

    assert_true(node_matches(success, "success/resumed[@xmlns='" NS_SM "'][@h='1']"));
    assert_false(node_matches(success, "success/bound"));
    assert_string_equal(node_text(success, "success/authorization-identifier"), jid);
    /* No features: the old stream goes on with what is missing. */
    raw_expect(r, "message[@id='m1']/body");
    raw_skip_to(r, "r");
    raw_free(&r);
    raw_free(&other);
    free(inner);
    free(agent);
    free(jid);
    free(id);
}

static void a_session_that_is_still_connected_is_taken_over_with_the_login(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    char *agent = sasl2_user_agent(sasl2_uuid(), "AwesomeXMPP", "phone"), *id, *inner;
    struct raw *old = login_resumable(h, a, agent, &id), *r = raw_secure(h, NULL);

    inner = resume_and_bind(agent, id, 1);
    assert_true(node_matches(sasl2_plain(r, a, inner), "success/resumed"));
    assert_string_equal(r->jid, old->jid);
    raw_expect_eof(old);
    raw_expect_quiet(r);
    raw_free(&old);
    raw_free(&r);
    free(inner);
    free(agent);
    free(id);
}

static void what_cannot_be_resumed_is_said_and_a_new_session_is_bound(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    char *inner = resume_and_bind("", "some-long-sm-id", 7);
    struct raw *r = raw_secure(h, NULL);
    const struct node *success = sasl2_plain(r, a, inner);

    assert_true(node_matches(success, "success/failed[@xmlns='" NS_SM
                                      "']/item-not-found[@xmlns='urn:ietf:params:xml:ns:xmpp-stanzas']"));
    assert_true(node_matches(success, "success/bound/enabled"));
    raw_expect_quiet(r);
    raw_free(&r);
    free(inner);
}

static void somebody_elses_session_is_not_resumed(void **state)
{
    struct harness *h = *state;
    char *id, *inner;
    struct raw *theirs = login_resumable(h, harness_account(h), "", &id), *r = raw_secure(h, NULL);

    inner = resume_and_bind("", id, 0);
    assert_true(node_matches(sasl2_plain(r, harness_account(h), inner), "success/failed/item-not-found"));
    assert_non_null(r->jid);
    raw_expect_quiet(theirs);
    raw_free(&theirs);
    raw_free(&r);
    free(inner);
    free(id);
}

static void without_bind_a_failed_resumption_leaves_the_old_way_to_bind(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_secure(h, NULL);
    const struct node *success = sasl2_plain(r, harness_account(h), "<resume xmlns='" NS_SM "' previd='gone' h='0'/>");

    assert_true(node_matches(success, "success/failed[@xmlns='" NS_SM "']"));
    assert_true(node_matches(r->features, "features/bind"));
    raw_bind(r, NULL);
    raw_expect_quiet(r);
    raw_free(&r);
}

/* ---- round trips ---- */

/* What the client sends without waiting is one flight; it waits for the answer to each. */
struct flights {
    struct raw *r;
    unsigned n;
};

static void fly(struct flights *f, const char *own_text)
{
    raw_send(f->r, "%s", own_text);
    f->n++;
}

static char *header_of(const struct account *a)
{
    return text_format("<?xml version='1.0'?><stream:stream from='%s' to='" DOMAIN "' version='1.0' "
                       "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
                       a->jid);
}

static struct raw *direct_tls(struct harness *h)
{
    struct raw *r = raw_connect(h, HARNESS_DIRECT_TLS);

    if (!raw_start_tls(r, NULL))
        test_fail("the TLS handshake failed");
    raw_expect_new_stream(r);
    return r;
}

/* Header, authentication with a token, binding, presence: all in one flight, and what comes back says that the client
 * is online. The token is new each time, so that this can go on for ever. */
static void a_client_that_comes_back_is_online_after_one_round_trip(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *other = raw_login(h, harness_account(h), NULL);
    char *agent = sasl2_user_agent(sasl2_uuid(), "AwesomeXMPP", "phone");
    char *inner = text_format("%s<request-token xmlns='" NS_FAST "' mechanism='HT-SHA-256-EXPR'/>", agent);
    struct raw *before = raw_secure(h, NULL);
    const struct node *success = sasl2_plain(before, a, inner);
    char *token = strdup(node_attr(node_find(success, "success/token"), "token"));
    struct flights f = {.r = direct_tls(h)};
    char *message = sasl2_token_message(f.r, a->user, token, "tls-exporter"), *header = header_of(a), *all, *rest;

    rest = text_format("<fast xmlns='" NS_FAST "'/>%s<resume xmlns='" NS_SM "' previd='gone' h='0'/>" BIND(
                           "<tag>t</tag><enable xmlns='" NS_SM "' resume='true'/><enable xmlns='urn:xmpp:carbons:2'/>"),
                       agent);
    char *authenticate = sasl2_authenticate("HT-SHA-256-EXPR", message, rest);

    all = text_format("%s%s<presence/>", header, authenticate);
    fly(&f, all);
    raw_expect_header(f.r);
    raw_expect(f.r, "features");
    success = sasl2_outcome(f.r);
    assert_true(node_matches(success, "success/bound/enabled"));
    raw_skip_to(f.r, "presence[@from='%s']", f.r->jid);
    assert_int_equal(f.n, 1);
    print_message("a returning client is online after %u round trip\n", f.n);
    /* Online for others, too. */
    raw_send(other, "<message to='%s' type='chat' id='m1'><body>welcome</body></message>", a->jid);
    raw_skip_to(f.r, "message[@id='m1']");
    raw_free(&f.r);
    raw_free(&before);
    raw_free(&other);
    free(all);
    free(authenticate);
    free(rest);
    free(header);
    free(message);
    free(token);
    free(inner);
    free(agent);
}

/* For comparison, and because it must go on working. */
static void the_old_way_takes_four_round_trips(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct flights f = {.r = direct_tls(h)};
    char *header = header_of(a), *message = sasl2_plain_message(a);
    char *auth = text_format("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", message);

    fly(&f, header);
    raw_expect_header(f.r);
    raw_expect(f.r, "features");
    fly(&f, auth);
    raw_expect(f.r, "success");
    raw_expect_new_stream(f.r);
    fly(&f, header);
    raw_expect_header(f.r);
    raw_expect(f.r, "features");
    fly(&f, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq><presence/>");
    raw_skip_to(f.r, "presence");
    assert_int_equal(f.n, 4);
    raw_free(&f.r);
    free(header);
    free(message);
    free(auth);
}

/* ---- refused ---- */

static void a_login_that_fails_binds_nothing(void **state)
{
    struct harness *h = *state;
    const struct account *real = harness_account(h);
    char *agent = sasl2_user_agent(sasl2_uuid(), "AwesomeXMPP", "phone"), wrong[] = "wrong", *inner;
    struct raw *r = sasl2_login(h, real, agent, "t"), *guesser = raw_secure(h, NULL);
    struct account a = *real;

    a.password = wrong;
    inner = text_format("%s" BIND("<tag>t</tag>"), agent);
    assert_true(node_matches(sasl2_plain(guesser, &a, inner), "failure[not(bound)]/not-authorized"));
    raw_expect_quiet(r); /* not replaced */
    raw_free(&r);
    raw_free(&guesser);
    free(inner);
    free(agent);
}

static void sessions_over_the_limit_end_with_a_stream_error(void **state)
{
    static const char *const two[] = {"limits.sessions_per_account = 2", NULL};
    struct harness_options options = {.workers = 2, .settings = two};
    struct harness *h = harness_new(&options);
    const struct account *a;
    struct raw *r[3];
    char *message, *text;

    (void)state;
    harness_start(h);
    a = harness_account(h);
    r[0] = login_with(h, a, "<bind xmlns='" NS_BIND2 "'/>");
    r[1] = login_with(h, a, "<bind xmlns='" NS_BIND2 "'/>");
    r[2] = raw_secure(h, NULL);
    message = sasl2_plain_message(a);
    text = sasl2_authenticate("PLAIN", message, "<bind xmlns='" NS_BIND2 "'/>");
    raw_send(r[2], "%s", text);
    raw_expect_error(r[2], "resource-constraint");
    raw_expect_quiet(r[0]);
    raw_expect_quiet(r[1]);
    for (int i = 0; i < 3; i++)
        raw_free(&r[i]);
    free(message);
    free(text);
    harness_stop(h);
    harness_free(&h);
}

static void a_host_without_the_module_binds_the_old_way(void **state)
{
    static const char *const without[] = {"modules.enabled = [\"sasl2\", \"ping\"]", NULL};
    struct harness_options options = {.workers = 1, .settings = without};
    struct harness *h = harness_new(&options);
    struct raw *r;

    (void)state;
    harness_start(h);
    r = raw_secure(h, NULL);
    assert_true(node_matches(r->features, "features/authentication"));
    assert_false(node_matches(r->features, "features/authentication/inline"));
    assert_false(node_matches(sasl2_plain(r, harness_account(h), "<bind xmlns='" NS_BIND2 "'/>"), "success/bound"));
    assert_null(r->jid);
    raw_bind(r, "balcony");
    raw_expect_quiet(r);
    raw_free(&r);
    harness_stop(h);
    harness_free(&h);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_features_that_can_be_had_with_it_are_named),
        HARNESS_TEST(success_has_the_full_jid_of_a_session_that_is_there),
        HARNESS_TEST(without_a_tag_the_server_chooses_all_of_it),
        HARNESS_TEST(a_tag_that_no_resource_may_have_is_left_out),
        HARNESS_TEST(a_client_that_comes_back_has_the_same_resource_and_its_older_session_ends),
        HARNESS_TEST(an_older_session_of_the_same_client_ends_though_its_tag_has_changed),
        HARNESS_TEST(other_clients_and_other_accounts_have_other_resources),
        HARNESS_TEST(stream_management_is_enabled_inside),
        HARNESS_TEST(all_features_can_be_asked_for_together),
        HARNESS_TEST(a_session_is_resumed_with_the_login_and_nothing_is_bound),
        HARNESS_TEST(a_session_that_is_still_connected_is_taken_over_with_the_login),
        HARNESS_TEST(what_cannot_be_resumed_is_said_and_a_new_session_is_bound),
        HARNESS_TEST(somebody_elses_session_is_not_resumed),
        HARNESS_TEST(without_bind_a_failed_resumption_leaves_the_old_way_to_bind),
        HARNESS_TEST(a_client_that_comes_back_is_online_after_one_round_trip),
        HARNESS_TEST(the_old_way_takes_four_round_trips),
        HARNESS_TEST(a_login_that_fails_binds_nothing),
    };
    static const struct CMUnitTest alone[] = {
        cmocka_unit_test(sessions_over_the_limit_end_with_a_stream_error),
        cmocka_unit_test(a_host_without_the_module_binds_the_old_way),
    };
    static const struct harness_options options = {0};

    return harness_run_tests("Bind 2", tests, &options) + cmocka_run_group_tests(alone, NULL, NULL);
}
