/* tests/integration/test_login.c - how clients get in, and how they do not: RFC 6120 sections 5 to 7. */
#include "client.h"
#include "raw.h"
#include "scram_client.h"

#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_BIND "urn:ietf:params:xml:ns:xmpp-bind"

/* ---- with libstrophe ---- */

static void a_client_logs_in_through_starttls(void **state)
{
    struct harness *h = *state;
    struct client *c = client_login(h, harness_account(h), "balcony", 0);
    char *wanted = text_format("%s/balcony", c->bare);

    assert_string_equal(c->jid, wanted);
    client_barrier(c);
    free(wanted);
}

static void a_client_logs_in_through_direct_tls(void **state)
{
    struct harness *h = *state;
    struct client *c = client_login(h, harness_account(h), "balcony", CLIENT_DIRECT_TLS);

    client_barrier(c);
    client_logout(c);
    client_expect_closed(c, NULL);
}

static void many_clients_log_in_at_once(void **state)
{
    struct harness *h = *state;
    const struct account *accounts[20];
    struct client *clients[20];

    /* All of them first: while one is made nobody runs the clients' loop, and libstrophe gives a connect five seconds.
     */
    for (int i = 0; i < 20; i++)
        accounts[i] = harness_account(h);
    for (int i = 0; i < 20; i++)
        clients[i] = client_connect(h, accounts[i]->jid, accounts[i]->password, i % 2 == 0 ? 0 : CLIENT_DIRECT_TLS);
    for (int i = 0; i < 20; i++)
        assert_true(client_wait_login(clients[i]));
    for (int i = 0; i < 20; i++)
        client_barrier(clients[i]);
}

static void a_client_with_a_wrong_password_does_not_get_in(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *c = client_connect(h, a->jid, "wrong", 0);

    assert_false(client_wait_login(c));
}

/* ---- what is offered ---- */

static void before_tls_nothing_is_offered_but_tls(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_connect(h, HARNESS_STARTTLS);
    const struct node *features;

    raw_open(r, NULL);
    raw_expect_header(r);
    features = raw_expect(r, "features");
    assert_true(node_matches(features, "features/starttls[@xmlns='urn:ietf:params:xml:ns:xmpp-tls']/required"));
    assert_false(node_matches(features, "features/mechanisms"));
    assert_false(node_matches(features, "features/bind"));
    raw_free(&r);
}

static void a_login_before_tls_is_refused(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_connect(h, HARNESS_STARTTLS);

    raw_open(r, NULL);
    raw_expect_header(r);
    raw_expect(r, "features");
    raw_send(r, "<auth xmlns='" NS_SASL "' mechanism='PLAIN'>AGp1bGlldABzZWNyZXQ=</auth>");
    /* RFC 6120 section 6.5.4 would have encryption-required; section 5.3.1 lets the server close, too. */
    const struct node *answer = raw_expect(r, "*");
    assert_true(node_matches(answer, "failure[@xmlns='" NS_SASL "']/encryption-required") ||
                node_matches(answer, "failure[@xmlns='" NS_SASL "']/invalid-mechanism") ||
                node_matches(answer, "error/policy-violation"));
    raw_free(&r);
}

static void inside_tls_the_mechanisms_are_offered_and_starttls_is_not(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_secure(h, NULL);
    static const char *const wanted[] = {"SCRAM-SHA-256", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS",
                                         "PLAIN"};

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        char *path = text_format("features/mechanisms[@xmlns='" NS_SASL "']/mechanism[.='%s']", wanted[i]);

        if (!node_matches(r->features, path))
            test_fail("%s is not offered", wanted[i]);
        free(path);
    }
    assert_false(node_matches(r->features, "features/starttls"));
    assert_false(node_matches(r->features, "features/bind"));
    raw_free(&r);
}

static bool offers_binding(const struct raw *r, const char *type)
{
    char *path =
        text_format("features/sasl-channel-binding[@xmlns='urn:xmpp:sasl-cb:0']/channel-binding[@type='%s']", type);
    bool is_offered = node_matches(r->features, path);

    free(path);
    return is_offered;
}

static void tls_unique_is_offered_on_tls_1_2_and_never_on_1_3(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_secure(h, &(struct raw_tls){.version = TLS1_2_VERSION});

    assert_true(offers_binding(r, "tls-server-end-point"));
    assert_true(offers_binding(r, "tls-unique"));
    assert_true(offers_binding(r, "tls-exporter")); /* OpenSSL has the extended master secret */
    raw_free(&r);
    r = raw_secure(h, NULL);
    assert_true(offers_binding(r, "tls-exporter"));
    assert_int_equal(offers_binding(r, "tls-unique"), SSL_version(r->ssl) == TLS1_2_VERSION);
    raw_free(&r);
}

static void without_extended_master_secret_tls_exporter_is_not_offered(void **state)
{
    struct harness *h = *state;
    struct raw *r =
        raw_secure(h, &(struct raw_tls){.version = TLS1_2_VERSION, .options = SSL_OP_NO_EXTENDED_MASTER_SECRET});

    assert_false(offers_binding(r, "tls-exporter"));
    assert_true(offers_binding(r, "tls-server-end-point"));
    raw_free(&r);
}

/* ---- TLS itself ---- */

static void old_versions_of_tls_are_refused(void **state)
{
    static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION};

    for (size_t i = 0; i < 2; i++) {
        struct raw *r = raw_connect(*state, HARNESS_DIRECT_TLS);

        assert_false(raw_start_tls(r, &(struct raw_tls){.version = versions[i]}));
        raw_free(&r);
    }
}

static void direct_tls_agrees_on_alpn_and_refuses_another_protocol(void **state)
{
    const unsigned char *chosen = NULL;
    unsigned len = 0;
    struct raw *r = raw_connect(*state, HARNESS_DIRECT_TLS);

    assert_true(raw_start_tls(r, &(struct raw_tls){.alpn = "xmpp-client"}));
    SSL_get0_alpn_selected(r->ssl, &chosen, &len);
    assert_int_equal(len, 11);
    assert_memory_equal(chosen, "xmpp-client", 11);
    raw_free(&r);
    r = raw_connect(*state, HARNESS_DIRECT_TLS);
    assert_false(raw_start_tls(r, &(struct raw_tls){.alpn = "h2"}) && SSL_do_handshake(r->ssl) == 1 &&
                 SSL_read(r->ssl, (char[1]){0}, 1) != 0 && SSL_get_error(r->ssl, -1) != SSL_ERROR_SSL);
    raw_free(&r);
}

static void only_aead_suites_are_agreed_on(void **state)
{
    struct raw *r = raw_connect(*state, HARNESS_DIRECT_TLS);

    assert_true(raw_start_tls(r, &(struct raw_tls){.version = TLS1_2_VERSION}));
    assert_true(SSL_CIPHER_is_aead(SSL_get_current_cipher(r->ssl)));
    raw_free(&r);
}

static void a_tls_session_is_resumed_by_its_ticket(void **state)
{
    struct raw *r = raw_secure(*state, &(struct raw_tls){.version = TLS1_2_VERSION});
    SSL_SESSION *session = SSL_get1_session(r->ssl);

    assert_false(SSL_session_reused(r->ssl));
    raw_send(r, "</stream:stream>"); /* OpenSSL forgets sessions that ended badly */
    raw_expect_closed(r);
    raw_shut(r);
    raw_free(&r);
    r = raw_secure(*state, &(struct raw_tls){.version = TLS1_2_VERSION, .resume = session});
    assert_true(SSL_session_reused(r->ssl));
    raw_free(&r);
    SSL_SESSION_free(session);
}

/* ---- SASL by hand ---- */

static void scram_logs_in_with(struct harness *h, int version, const char *mechanism, const char *binding)
{
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, &(struct raw_tls){.version = version});
    const struct node *answer = scram_login(r, a->user, a->password, mechanism, binding);

    if (!node_matches(answer, "success"))
        test_fail("%s with %s: %s", mechanism, binding == NULL ? "no binding" : binding, node_describe(answer));
    raw_open(r, NULL);
    raw_expect_header(r);
    raw_expect(r, "features/bind[@xmlns='" NS_BIND "']");
    raw_bind(r, "orchard");
    raw_expect_quiet(r);
    raw_free(&r);
}

static void scram_logs_in_with_each_hash(void **state)
{
    scram_logs_in_with(*state, 0, "SCRAM-SHA-256", NULL);
    scram_logs_in_with(*state, 0, "SCRAM-SHA-1", NULL);
}

static void scram_plus_logs_in_with_each_binding_of_tls_1_2(void **state)
{
    scram_logs_in_with(*state, TLS1_2_VERSION, "SCRAM-SHA-256-PLUS", "tls-exporter");
    scram_logs_in_with(*state, TLS1_2_VERSION, "SCRAM-SHA-256-PLUS", "tls-unique");
    scram_logs_in_with(*state, TLS1_2_VERSION, "SCRAM-SHA-256-PLUS", "tls-server-end-point");
    scram_logs_in_with(*state, TLS1_2_VERSION, "SCRAM-SHA-1-PLUS", "tls-exporter");
}

static void scram_plus_logs_in_with_the_best_tls_there_is(void **state)
{
    scram_logs_in_with(*state, 0, "SCRAM-SHA-256-PLUS", "tls-exporter");
    scram_logs_in_with(*state, 0, "SCRAM-SHA-256-PLUS", "tls-server-end-point");
}

static void scram_plus_with_the_binding_of_another_connection_is_refused(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *other = raw_secure(h, NULL), *r = raw_secure(h, NULL);
    struct scram_client s;
    char *message;
    const struct node *challenge;

    scram_client_init(&s, "SCRAM-SHA-256-PLUS");
    assert_true(scram_client_bind(&s, other, "tls-exporter")); /* as one between client and server would have it */
    message = scram_client_first(&s, a->user);
    raw_send(r, "<auth xmlns='" NS_SASL "' mechanism='SCRAM-SHA-256-PLUS'>%s</auth>", message);
    free(message);
    challenge = raw_expect(r, "challenge");
    message = scram_client_final(&s, challenge->text, a->password);
    raw_send(r, "<response xmlns='" NS_SASL "'>%s</response>", message);
    free(message);
    raw_expect(r, "failure[@xmlns='" NS_SASL "']/not-authorized");
    scram_client_deinit(&s);
    raw_free(&r);
    raw_free(&other);
}

static void a_client_that_was_told_of_no_binding_finds_the_lie_out(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);
    struct scram_client s;
    char *message;

    scram_client_init(&s, "SCRAM-SHA-256");
    strcpy(s.gs2, "y,,"); /* "I could, but you cannot": RFC 5802 section 6 */
    message = scram_client_first(&s, a->user);
    raw_send(r, "<auth xmlns='" NS_SASL "' mechanism='SCRAM-SHA-256'>%s</auth>", message);
    free(message);
    raw_expect(r, "failure[@xmlns='" NS_SASL "']/not-authorized");
    scram_client_deinit(&s);
    raw_free(&r);
}

static void a_scram_proof_that_was_tampered_with_is_refused(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);
    struct scram_client s;
    char *message;

    scram_client_init(&s, "SCRAM-SHA-256");
    message = scram_client_first(&s, a->user);
    raw_send(r, "<auth xmlns='" NS_SASL "' mechanism='SCRAM-SHA-256'>%s</auth>", message);
    free(message);
    message = scram_client_final(&s, raw_expect(r, "challenge")->text, a->password);
    /* One character in the middle of the proof, at the end of the text. */
    size_t at = strlen(message) - 12;
    message[at] = message[at] == 'A' ? 'B' : 'A';
    raw_send(r, "<response xmlns='" NS_SASL "'>%s</response>", message);
    free(message);
    raw_expect(r, "failure[@xmlns='" NS_SASL "']/*");
    scram_client_deinit(&s);
    /* And the connection is good for another try. */
    assert_true(node_matches(scram_login(r, a->user, a->password, "SCRAM-SHA-256", NULL), "success"));
    raw_free(&r);
}

static void an_unknown_user_gets_the_answers_of_a_wrong_password(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    static const char *const mechanisms[] = {"SCRAM-SHA-256", "SCRAM-SHA-1"};

    for (size_t i = 0; i < 2; i++) {
        struct raw *known = raw_secure(h, NULL), *unknown = raw_secure(h, NULL);
        char *one = node_describe(scram_login(known, a->user, "wrong", mechanisms[i], NULL));
        char *other = node_describe(scram_login(unknown, "nobody-at-all", "wrong", mechanisms[i], NULL));

        assert_string_equal(one, other);
        assert_non_null(strstr(one, "<not-authorized/>"));
        free(one);
        free(other);
        raw_free(&known);
        raw_free(&unknown);
    }
}

static char *challenge_for(struct harness *h, const char *user)
{
    struct raw *r = raw_secure(h, NULL);
    struct scram_client s;
    char *message, *text;

    scram_client_init(&s, "SCRAM-SHA-256");
    message = scram_client_first(&s, user);
    raw_send(r, "<auth xmlns='" NS_SASL "' mechanism='SCRAM-SHA-256'>%s</auth>", message);
    free(message);
    text = base64_decode(raw_expect(r, "challenge")->text, NULL);
    scram_client_deinit(&s);
    raw_free(&r);
    return text;
}

static void an_unknown_user_always_has_the_same_salt_and_the_usual_rounds(void **state)
{
    struct harness *h = *state;
    char *first = challenge_for(h, "nobody-at-all"), *second = challenge_for(h, "nobody-at-all");
    char *known = challenge_for(h, harness_account(h)->user);

    assert_string_equal(strstr(first, ",s="), strstr(second, ",s="));
    assert_string_equal(strstr(first, ",i="), strstr(known, ",i="));
    assert_int_equal(strcspn(strstr(first, ",s=") + 3, ","), strcspn(strstr(known, ",s=") + 3, ","));
    free(first);
    free(second);
    free(known);
}

static void plain_with(struct raw *r, const char *authzid, const char *user, const char *password)
{
    char message[256], *encoded;
    int len = snprintf(message, sizeof(message), "%s%c%s%c%s", authzid, 0, user, 0, password);

    encoded = base64_encode(message, (size_t)len);
    raw_send(r, "<auth xmlns='" NS_SASL "' mechanism='PLAIN'>%s</auth>", encoded);
    free(encoded);
}

static void plain_logs_in_and_again_from_the_cache(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);

    for (int i = 0; i < 3; i++) {
        struct raw *r = raw_login(h, a, NULL);

        raw_expect_quiet(r);
        raw_free(&r);
        r = raw_secure(h, NULL);
        plain_with(r, "", a->user, "wrong");
        raw_expect(r, "failure/not-authorized");
        raw_free(&r);
    }
}

static void plain_accepts_only_the_own_address_as_the_one_to_act_for(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h), *b = harness_account(h);
    struct raw *r = raw_secure(h, NULL);

    plain_with(r, b->jid, a->user, a->password);
    raw_expect(r, "failure[@xmlns='" NS_SASL "']/*");
    plain_with(r, a->jid, a->user, a->password);
    raw_expect(r, "success");
    raw_free(&r);
}

static void the_case_of_a_user_name_does_not_matter(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);
    char *shouted = strdup(a->user), *wanted = text_format("%s/Balcony", a->jid);

    for (char *p = shouted; *p != '\0'; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    plain_with(r, "", shouted, a->password);
    raw_expect(r, "success");
    raw_open(r, NULL);
    raw_expect_header(r);
    raw_expect(r, "features");
    raw_bind(r, "Balcony");
    assert_string_equal(r->jid, wanted);
    raw_free(&r);
    free(shouted);
    free(wanted);
}

/* RFC 6120 section 6.5: what is sent, and the condition that answers it. */
static const struct {
    const char *sent;
    const char *condition;
} sasl_mistakes[] = {
    {"<auth xmlns='" NS_SASL "' mechanism='CRAM-MD5'/>", "invalid-mechanism"},
    {"<auth xmlns='" NS_SASL "'/>", "invalid-mechanism"},
    {"<auth xmlns='" NS_SASL "' mechanism='PLAIN'>!!!!</auth>", "incorrect-encoding"},
    {"<auth xmlns='" NS_SASL "' mechanism='PLAIN'>AAA</auth>", "incorrect-encoding"},
    {"<auth xmlns='" NS_SASL "' mechanism='PLAIN'>anVsaWV0</auth>", "malformed-request"},
    {"<auth xmlns='" NS_SASL "' mechanism='PLAIN'>=</auth>", "malformed-request"},
    {"<auth xmlns='" NS_SASL "' mechanism='SCRAM-SHA-256'>bm9uc2Vuc2U=</auth>", "malformed-request"},
};

static void each_mistake_in_sasl_has_its_condition_and_allows_another_try(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);

    for (size_t i = 0; i < sizeof(sasl_mistakes) / sizeof(sasl_mistakes[0]); i++) {
        struct raw *r = raw_secure(h, NULL);
        const struct node *answer;

        raw_send(r, "%s", sasl_mistakes[i].sent);
        answer = raw_expect(r, "*");
        if (!node_matches(answer, "failure[@xmlns='" NS_SASL "']") ||
            strcmp(answer->child->name, sasl_mistakes[i].condition) != 0)
            test_fail("%s was answered by %s", sasl_mistakes[i].sent, node_describe(answer));
        raw_plain(r, a);
        raw_free(&r);
    }
}

static void an_abort_ends_the_attempt_and_allows_another(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);
    struct scram_client s;
    char *message;

    scram_client_init(&s, "SCRAM-SHA-1");
    message = scram_client_first(&s, a->user);
    raw_send(r, "<auth xmlns='" NS_SASL "' mechanism='SCRAM-SHA-1'>%s</auth>", message);
    free(message);
    raw_expect(r, "challenge");
    raw_send(r, "<abort xmlns='" NS_SASL "'/>");
    raw_expect(r, "failure[@xmlns='" NS_SASL "']/aborted");
    raw_plain(r, a);
    scram_client_deinit(&s);
    raw_free(&r);
}

static void after_too_many_failures_the_connection_is_closed(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);

    for (int i = 0; i < 3; i++) { /* sasl.failures_per_connection */
        plain_with(r, "", a->user, "wrong");
        raw_expect(r, "failure/not-authorized");
    }
    raw_expect_error(r, "policy-violation");
    raw_free(&r);
}

static void a_stanza_before_the_login_ends_the_stream(void **state)
{
    struct raw *r = raw_secure(*state, NULL);

    raw_send(r, "<message to='a@" DOMAIN "'><body>too early</body></message>");
    raw_expect_error(r, "not-authorized");
    raw_free(&r);
}

static void after_the_login_the_host_cannot_be_changed(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);

    plain_with(r, "", a->user, a->password);
    raw_expect(r, "success");
    raw_open(r, "other.example");
    raw_expect_header(r);
    const struct node *error = raw_expect(r, "error");
    assert_true(node_matches(error, "error/not-authorized") || node_matches(error, "error/host-unknown") ||
                node_matches(error, "error/policy-violation"));
    raw_expect_closed(r);
    raw_free(&r);
}

/* ---- binding ---- */

static void the_server_chooses_different_resources_that_cannot_be_guessed(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *one = raw_login(h, a, NULL), *two = raw_login(h, a, NULL);

    assert_string_not_equal(one->jid, two->jid);
    assert_true(strlen(strchr(one->jid, '/')) > 8);
    raw_free(&one);
    raw_free(&two);
}

static void an_empty_resource_is_an_invitation_to_choose_one(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_login(h, harness_account(h), "");

    assert_true(strlen(strchr(r->jid, '/')) > 1);
    raw_free(&r);
}

static void a_resource_that_breaks_the_rules_is_a_bad_request_and_another_is_taken(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_secure(h, NULL);
    char long_one[1200];

    raw_plain(r, harness_account(h));
    memset(long_one, 'x', sizeof(long_one));
    long_one[1024] = '\0'; /* RFC 7622: 1023 bytes at most */
    raw_send(r, "<iq type='set' id='b1'><bind xmlns='" NS_BIND "'><resource>%s</resource></bind></iq>", long_one);
    raw_expect(r, "iq[@type='error'][@id='b1']/error[@type='modify']/bad-request");
    raw_bind(r, "short");
    raw_free(&r);
}

static void the_newer_of_two_sessions_with_one_resource_stays(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *old = client_login(h, a, "balcony", 0);
    struct client *new = client_login(h, a, "balcony", 0);

    client_expect_closed(old, "conflict");
    client_barrier(new);
}

static void a_second_bind_is_refused_and_changes_nothing(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_login(h, harness_account(h), "balcony");

    raw_send(r, "<iq type='set' id='b2'><bind xmlns='" NS_BIND "'><resource>orchard</resource></bind></iq>");
    raw_expect(r, "iq[@type='error'][@id='b2']/error/not-allowed");
    raw_send(r, "<message to='%s' id='m'><body>to myself</body></message>", r->jid);
    raw_expect(r, "message[@from='%s'][@id='m']", r->jid);
    raw_free(&r);
}

static void before_binding_nothing_is_routed(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    struct raw *r = raw_secure(h, NULL);

    raw_plain(r, harness_account(h));
    raw_send(r, "<message to='%s'><body>from nobody</body></message>", juliet->jid);
    raw_expect_error(r, "not-authorized");
    raw_free(&r);
    client_expect_quiet(juliet);
}

static void the_old_session_request_is_optional_and_answered(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_secure(h, NULL);

    raw_plain(r, harness_account(h));
    assert_true(node_matches(r->features, "features/session[@xmlns='urn:ietf:params:xml:ns:xmpp-session']/optional"));
    raw_bind(r, NULL);
    raw_send(r, "<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
    raw_expect(r, "iq[@type='result'][@id='s']");
    raw_free(&r);
}

static void sessions_over_the_limit_of_an_account_are_refused(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *all[4];
    struct raw *r;

    for (int i = 0; i < 4; i++) /* limits.sessions_per_account, below */
        all[i] = raw_login(h, a, NULL);
    r = raw_secure(h, NULL);
    raw_plain(r, a);
    raw_send(r, "<iq type='set' id='one-more'><bind xmlns='" NS_BIND "'/></iq>");
    raw_expect(r, "iq[@type='error'][@id='one-more']/error/resource-constraint");
    raw_free(&r);
    for (int i = 0; i < 4; i++)
        raw_free(&all[i]);
}

int main(void)
{
    static const char *const settings[] = {"limits.sessions_per_account = 4", NULL};
    static const struct harness_options options = {.settings = settings,
                                                   .tables = "\n[[host]]\nname = \"other.example\"\n"};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_client_logs_in_through_starttls),
        HARNESS_TEST(a_client_logs_in_through_direct_tls),
        HARNESS_TEST(many_clients_log_in_at_once),
        HARNESS_TEST(a_client_with_a_wrong_password_does_not_get_in),
        HARNESS_TEST(before_tls_nothing_is_offered_but_tls),
        HARNESS_TEST(a_login_before_tls_is_refused),
        HARNESS_TEST(inside_tls_the_mechanisms_are_offered_and_starttls_is_not),
        HARNESS_TEST(tls_unique_is_offered_on_tls_1_2_and_never_on_1_3),
        HARNESS_TEST(without_extended_master_secret_tls_exporter_is_not_offered),
        HARNESS_TEST(old_versions_of_tls_are_refused),
        HARNESS_TEST(direct_tls_agrees_on_alpn_and_refuses_another_protocol),
        HARNESS_TEST(only_aead_suites_are_agreed_on),
        HARNESS_TEST(a_tls_session_is_resumed_by_its_ticket),
        HARNESS_TEST(scram_logs_in_with_each_hash),
        HARNESS_TEST(scram_plus_logs_in_with_each_binding_of_tls_1_2),
        HARNESS_TEST(scram_plus_logs_in_with_the_best_tls_there_is),
        HARNESS_TEST(scram_plus_with_the_binding_of_another_connection_is_refused),
        HARNESS_TEST(a_client_that_was_told_of_no_binding_finds_the_lie_out),
        HARNESS_TEST(a_scram_proof_that_was_tampered_with_is_refused),
        HARNESS_TEST(an_unknown_user_gets_the_answers_of_a_wrong_password),
        HARNESS_TEST(an_unknown_user_always_has_the_same_salt_and_the_usual_rounds),
        HARNESS_TEST(plain_logs_in_and_again_from_the_cache),
        HARNESS_TEST(plain_accepts_only_the_own_address_as_the_one_to_act_for),
        HARNESS_TEST(the_case_of_a_user_name_does_not_matter),
        HARNESS_TEST(each_mistake_in_sasl_has_its_condition_and_allows_another_try),
        HARNESS_TEST(an_abort_ends_the_attempt_and_allows_another),
        HARNESS_TEST(after_too_many_failures_the_connection_is_closed),
        HARNESS_TEST(a_stanza_before_the_login_ends_the_stream),
        HARNESS_TEST(after_the_login_the_host_cannot_be_changed),
        HARNESS_TEST(the_server_chooses_different_resources_that_cannot_be_guessed),
        HARNESS_TEST(an_empty_resource_is_an_invitation_to_choose_one),
        HARNESS_TEST(a_resource_that_breaks_the_rules_is_a_bad_request_and_another_is_taken),
        HARNESS_TEST(the_newer_of_two_sessions_with_one_resource_stays),
        HARNESS_TEST(a_second_bind_is_refused_and_changes_nothing),
        HARNESS_TEST(before_binding_nothing_is_routed),
        HARNESS_TEST(the_old_session_request_is_optional_and_answered),
        HARNESS_TEST(sessions_over_the_limit_of_an_account_are_refused),
    };

    return harness_run_tests("login", tests, &options);
}
