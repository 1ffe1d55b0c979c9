/* tests/integration/test_fast.c - XEP-0484: tokens instead of passwords, and how they end; XEP-0494: who sees and ends
 * them. */
#include "client.h"
#include "sasl2_client.h"

#define NS_SASL      "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_CAM       "urn:xmpp:cam:0"
#define REQUEST(how) "<request-token xmlns='" NS_FAST "' mechanism='HT-SHA-256-" how "'/>"

/* A phone with its own id: what a test needs most. */
struct phone {
    struct harness *h;
    const struct account *a;
    char *agent; /* <user-agent/> */
};

static struct phone phone_new(struct harness *h, const struct account *a)
{
    return (struct phone){h, a, sasl2_user_agent(sasl2_uuid(), "AwesomeXMPP", "Kiva's Phone")};
}

/* The token in <success/>, or NULL; the caller frees. */
static char *token_of(const struct node *success)
{
    const struct node *token = node_find(success, "success/token[@xmlns='" NS_FAST "'][@expiry]");

    return token == NULL ? NULL : strdup(node_attr(token, "token"));
}

/* Logs in with the password; the token that it asks for. */
static char *get_token(const struct phone *p, const char *how, const struct raw_tls *tls)
{
    struct raw *r = raw_secure(p->h, tls);
    char *inner = text_format("%s<request-token xmlns='" NS_FAST "' mechanism='HT-SHA-256-%s'/>", p->agent, how);
    char *token = token_of(sasl2_plain(r, p->a, inner));

    if (token == NULL)
        test_fail("no token for %s", how);
    raw_free(&r);
    free(inner);
    return token;
}

/* "success", or the condition of the failure. *ret_new: a token that came with it; NULL: not asked for. */
static const char *try_token(const struct phone *p, const char *how, const char *token, const char *fast,
                             const char *more, char **ret_new)
{
    static char outcome[64];
    struct raw *r = raw_secure(p->h, NULL);
    char *inner = text_format("%s%s", p->agent, more);
    const struct node *answer = sasl2_token(r, p->a, how, token, fast, inner);

    snprintf(outcome, sizeof(outcome), "%s", strcmp(answer->name, "success") == 0 ? "success" : answer->child->name);
    if (ret_new != NULL)
        *ret_new = token_of(answer);
    raw_free(&r);
    free(inner);
    return outcome;
}

#define assert_enters(p, how, token)  assert_string_equal(try_token(p, how, token, "", "", NULL), "success")
#define assert_refused(p, how, token) assert_string_equal(try_token(p, how, token, "", "", NULL), "not-authorized")

static void operator(struct harness *h, const char *input, const char *command, const char *jid)
{
    char *output = NULL;

    if (harness_ctl(h, input, &output, command, jid) != 0)
        test_fail("linnetctl %s: %s", command, output);
    free(output);
}

/* ---- given and used ---- */

static void a_token_is_given_to_who_asks_and_lets_it_in_again_and_again(void **state)
{
    struct harness *h = *state;
    struct phone p = phone_new(h, harness_account(h));
    char *token = get_token(&p, "NONE", NULL), *no_new;

    assert_true(strlen(token) > 64);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(try_token(&p, "NONE", token, "", "", &no_new), "success");
        assert_null(no_new); /* not due yet */
    }
    free(token);
    free(p.agent);
}

static void each_binding_that_the_connection_has_can_be_used(void **state)
{
    static const char *const ways[] = {"NONE", "EXPR", "ENDP"};
    struct harness *h = *state;
    struct phone p = phone_new(h, harness_account(h));

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        char *token = get_token(&p, ways[i], NULL);

        assert_enters(&p, ways[i], token);
        free(token);
    }
    free(p.agent);
}

static void tls_unique_can_be_used_where_it_exists(void **state)
{
    static const struct raw_tls tls12 = {.version = TLS1_2_VERSION};
    struct harness *h = *state;
    struct phone p = phone_new(h, harness_account(h));
    struct raw *r = raw_secure(h, &tls12);
    char *token, *inner = text_format("%s", p.agent);

    assert_true(node_matches(r->features, "features/authentication/inline/fast/mechanism[.='HT-SHA-256-UNIQ']"));
    raw_free(&r);
    token = get_token(&p, "UNIQ", &tls12);
    r = raw_secure(h, &tls12);
    assert_true(node_matches(sasl2_token(r, p.a, "UNIQ", token, "", inner), "success"));
    raw_free(&r);
    free(inner);
    free(token);
    free(p.agent);
}

static void a_token_goes_with_binding_and_everything_else(void **state)
{
    struct harness *h = *state;
    struct phone p = phone_new(h, harness_account(h));
    char *token = get_token(&p, "EXPR", NULL);
    struct raw *r = raw_secure(h, NULL);
    char *inner = text_format("%s<bind xmlns='" NS_BIND2 "'><tag>t</tag><enable xmlns='" NS_SM "'/></bind>", p.agent);

    assert_true(node_matches(sasl2_token(r, p.a, "EXPR", token, "count='1'", inner), "success/bound/enabled"));
    raw_expect_quiet(r);
    raw_free(&r);
    free(inner);
    free(token);
    free(p.agent);
}

static void tokens_are_not_given_without_being_asked_for_or_without_a_client(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct phone p = phone_new(h, a);
    static const char *const wishes[] = {REQUEST("NONE"), /* whose would it be? */
                                         "<user-agent/>" REQUEST("NONE")};
    char *unknown = text_format("%s" REQUEST("ROT13"), p.agent);

    for (size_t i = 0; i < 4; i++) {
        struct raw *r = raw_secure(h, NULL);
        const struct node *success = sasl2_plain(r, a, i < 2 ? wishes[i] : i == 2 ? p.agent : unknown);

        assert_true(node_matches(success, "success[not(token)]"));
        raw_free(&r);
    }
    free(unknown);
    free(p.agent);
}

/* ---- rotation ---- */

static void a_new_token_follows_when_one_is_due_and_the_old_one_counts_until_it_is_used(void **state)
{
    static const char *const at_once[] = {"fast.rotate_s = 0", NULL};
    struct harness_options options = {.workers = 2, .settings = at_once};
    struct harness *h = harness_new(&options);
    char *first, *second, *third, *fourth;
    struct phone p;

    (void)state;
    harness_start(h);
    p = phone_new(h, harness_account(h));
    first = get_token(&p, "EXPR", NULL);
    assert_string_equal(try_token(&p, "EXPR", first, "", "", &second), "success");
    assert_non_null(second);
    /* The answer was lost: the old one still opens, and another new one takes the place of that which was not used. */
    assert_string_equal(try_token(&p, "EXPR", first, "", "", &third), "success");
    assert_non_null(third);
    assert_refused(&p, "EXPR", second);
    assert_string_equal(try_token(&p, "EXPR", third, "", "", &fourth), "success");
    assert_refused(&p, "EXPR", first);
    assert_enters(&p, "EXPR", fourth);
    assert_refused(&p, "EXPR", third);
    free(first);
    free(second);
    free(third);
    free(fourth);
    free(p.agent);
    harness_stop(h);
    harness_free(&h);
}

static void tokens_outlive_a_restart_and_a_crash(void **state)
{
    struct harness_options options = {.workers = 2};
    struct harness *h = harness_new(&options);
    struct phone p;
    char *token;

    (void)state;
    harness_start(h);
    p = phone_new(h, harness_account(h));
    token = get_token(&p, "NONE", NULL);
    harness_crash(h);
    harness_start(h);
    assert_enters(&p, "NONE", token);
    harness_stop(h);
    harness_start(h);
    assert_enters(&p, "NONE", token);
    free(token);
    free(p.agent);
    harness_stop(h);
    harness_free(&h);
}

static void a_token_that_is_too_old_is_told_from_a_wrong_one(void **state)
{
    static const char *const a_second[] = {"fast.lifetime_s = 1", NULL};
    struct harness_options options = {.workers = 1, .settings = a_second};
    struct harness *h = harness_new(&options);
    struct phone p;
    char *token;
    const char *outcome = "success";

    (void)state;
    harness_start(h);
    p = phone_new(h, harness_account(h));
    token = get_token(&p, "NONE", NULL);
    while (strcmp(outcome, "success") == 0) /* for a second */
        outcome = try_token(&p, "NONE", token, "", "", NULL);
    assert_string_equal(outcome, "credentials-expired");
    free(token);
    free(p.agent);
    harness_stop(h);
    harness_free(&h);
}

/* ---- whose it is ---- */

static void a_token_is_of_no_use_to_another_client_or_account_or_with_another_mechanism(void **state)
{
    struct harness *h = *state;
    struct phone p = phone_new(h, harness_account(h)), tablet = phone_new(h, p.a), stranger = p;
    char *token = get_token(&p, "EXPR", NULL), *own = get_token(&tablet, "NONE", NULL);

    stranger.a = harness_account(h);
    assert_refused(&tablet, "EXPR", token);
    assert_refused(&stranger, "EXPR", token);
    assert_refused(&p, "NONE", token);
    assert_refused(&p, "ENDP", token);
    assert_refused(&p, "EXPR", own);
    assert_enters(&p, "EXPR", token);
    assert_enters(&tablet, "NONE", own);
    free(token);
    free(own);
    free(p.agent);
    free(tablet.agent);
}

/* A proof that somebody recorded is of no use on another connection. */
static void a_bound_proof_cannot_be_replayed(void **state)
{
    struct harness *h = *state;
    struct phone p = phone_new(h, harness_account(h));
    char *token = get_token(&p, "EXPR", NULL);
    struct raw *r = raw_secure(h, NULL), *thief = raw_secure(h, NULL);
    char *message = sasl2_token_message(r, p.a->user, token, "tls-exporter");
    char *inner = text_format("<fast xmlns='" NS_FAST "'/>%s", p.agent);
    char *text = sasl2_authenticate("HT-SHA-256-EXPR", message, inner);

    raw_send(thief, "%s", text);
    raw_expect(thief, "failure/not-authorized");
    raw_send(r, "%s", text);
    assert_true(node_matches(sasl2_outcome(r), "success"));
    raw_free(&r);
    raw_free(&thief);
    free(text);
    free(inner);
    free(message);
    free(token);
    free(p.agent);
}

static void a_count_that_was_seen_is_refused(void **state)
{
    struct harness *h = *state;
    struct phone p = phone_new(h, harness_account(h));
    char *token = get_token(&p, "NONE", NULL);

    assert_string_equal(try_token(&p, "NONE", token, "count='5'", "", NULL), "success");
    assert_string_equal(try_token(&p, "NONE", token, "count='5'", "", NULL), "not-authorized");
    assert_string_equal(try_token(&p, "NONE", token, "count='4'", "", NULL), "not-authorized");
    assert_string_equal(try_token(&p, "NONE", token, "count='6'", "", NULL), "success");
    /* Without early data it is the client's choice to count. */
    assert_enters(&p, "NONE", token);
    free(token);
    free(p.agent);
}

/* ---- refused ---- */

static void what_is_wrong_with_a_request_is_said(void **state)
{
    struct harness *h = *state;
    struct phone p = phone_new(h, harness_account(h)), nobody = p;
    char *token = get_token(&p, "NONE", NULL), *message, *text;
    struct raw *r;

    assert_refused(&p, "NONE", "secret-token:fast-that-nobody-was-ever-given-0123456789012345678901234567890");
    assert_string_equal(try_token(&p, "NONE", token, "count='0'", "", NULL), "malformed-request");
    assert_string_equal(try_token(&p, "NONE", token, "count='-1'", "", NULL), "malformed-request");
    assert_string_equal(try_token(&p, "NONE", token, "count='some'", "", NULL), "malformed-request");
    /* No client, no token. */
    nobody.agent = (char[]){""};
    assert_string_equal(try_token(&nobody, "NONE", token, "", "", NULL), "malformed-request");
    /* Without <fast/> the mechanism does not exist. */
    r = raw_secure(h, NULL);
    message = sasl2_token_message(r, p.a->user, token, NULL);
    text = sasl2_authenticate("HT-SHA-256-NONE", message, p.agent);
    raw_send(r, "%s", text);
    raw_expect(r, "failure/invalid-mechanism");
    free(text);
    /* Nor in the old protocol. */
    raw_send(r, "<auth xmlns='" NS_SASL "' mechanism='HT-SHA-256-NONE'>%s</auth>", message);
    raw_expect(r, "failure[@xmlns='" NS_SASL "']/invalid-mechanism");
    raw_free(&r);
    /* Not a proof at all: no NUL, or too short. */
    for (int i = 0; i < 2; i++) {
        char *inner = text_format("<fast xmlns='" NS_FAST "'/>%s", p.agent);

        text = sasl2_authenticate("HT-SHA-256-NONE", i == 0 ? "anVsaWV0" : "anVsaWV0AHNob3J0", inner);
        r = raw_secure(h, NULL);
        raw_send(r, "%s", text);
        raw_expect(r, "failure/malformed-request[@xmlns='" NS_SASL "']");
        raw_free(&r);
        free(inner);
        free(text);
    }
    assert_enters(&p, "NONE", token);
    free(message);
    free(token);
    free(p.agent);
}

static void a_host_without_the_module_gives_no_tokens(void **state)
{
    static const char *const without[] = {"modules.enabled = [\"sasl2\", \"bind2\"]", NULL};
    struct harness_options options = {.workers = 1, .settings = without};
    struct harness *h = harness_new(&options);
    struct phone p;
    struct raw *r;
    char *inner;

    (void)state;
    harness_start(h);
    p = phone_new(h, harness_account(h));
    r = raw_secure(h, NULL);
    assert_false(node_matches(r->features, "features/authentication/inline/fast"));
    inner = text_format("%s" REQUEST("NONE"), p.agent);
    assert_true(node_matches(sasl2_plain(r, p.a, inner), "success[not(token)]"));
    raw_free(&r);
    free(inner);
    free(p.agent);
    harness_stop(h);
    harness_free(&h);
}

/* ---- the end of a token ---- */

static void a_client_may_invalidate_its_token(void **state)
{
    struct harness *h = *state;
    struct phone p = phone_new(h, harness_account(h));
    char *token = get_token(&p, "NONE", NULL), *next;

    /* Wrong: nothing is invalidated. */
    assert_string_equal(try_token(&p, "EXPR", token, "invalidate='true'", "", NULL), "not-authorized");
    assert_string_equal(try_token(&p, "NONE", token, "invalidate='true'", "", &next), "success");
    assert_null(next);
    assert_refused(&p, "NONE", token);
    free(token);
    token = get_token(&p, "NONE", NULL);
    /* And take another at once. */
    assert_string_equal(try_token(&p, "NONE", token, "invalidate='1'", REQUEST("NONE"), &next), "success");
    assert_refused(&p, "NONE", token);
    assert_enters(&p, "NONE", next);
    free(token);
    free(next);
    free(p.agent);
}

static void a_new_password_voids_all_tokens(void **state)
{
    struct harness *h = *state;
    struct account a = *harness_account(h);
    struct phone p = phone_new(h, &a), away = phone_new(h, &a);
    char *token = get_token(&p, "NONE", NULL), *other = get_token(&away, "EXPR", NULL), *new_one, fresh[] = "fresh";

    operator(h, "fresh\n", "passwd", a.jid);
    assert_refused(&p, "NONE", token);
    assert_refused(&away, "EXPR", other);
    a.password = fresh;
    new_one = get_token(&p, "NONE", NULL);
    assert_enters(&p, "NONE", new_one);
    assert_refused(&p, "NONE", token);
    free(token);
    free(other);
    free(new_one);
    free(p.agent);
    free(away.agent);
}

static void who_makes_a_deleted_account_anew_is_not_opened_by_its_tokens(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct phone p = phone_new(h, a);
    char *token = get_token(&p, "NONE", NULL), *input = text_format("%s\n", a->password);

    operator(h, NULL, "deluser", a->jid);
    assert_refused(&p, "NONE", token);
    operator(h, input, "adduser", a->jid);
    assert_refused(&p, "NONE", token);
    free(input);
    free(token);
    free(p.agent);
}

/* ---- all at once ---- */

enum { CROWD = 12 };

/* On different workers until they come home; the same client, so the last one stays. */
static void one_client_that_logs_in_many_times_at_once_has_one_session_in_the_end(void **state)
{
    struct harness *h = *state;
    struct phone p = phone_new(h, harness_account(h));
    char *token = get_token(&p, "NONE", NULL);
    char *inner = text_format("<fast xmlns='" NS_FAST "'/>%s<bind xmlns='" NS_BIND2 "'><tag>t</tag></bind>", p.agent);
    struct raw *crowd[CROWD];
    struct json *sessions;

    for (int i = 0; i < CROWD; i++)
        crowd[i] = raw_secure(h, NULL);
    for (int i = 0; i < CROWD; i++) {
        char *message = sasl2_token_message(crowd[i], p.a->user, token, NULL);
        char *text = sasl2_authenticate("HT-SHA-256-NONE", message, inner);

        raw_send(crowd[i], "%s", text);
        free(message);
        free(text);
    }
    for (int i = 0; i < CROWD; i++)
        assert_true(node_matches(sasl2_outcome(crowd[i]), "success/bound"));
    sessions = harness_ctl_json(h, "sessions", p.a->jid);
    assert_int_equal(json_count(sessions), 1);
    for (int i = 0; i < CROWD; i++)
        raw_free(&crowd[i]);
    json_free(&sessions);
    free(inner);
    free(token);
    free(p.agent);
}

/* Of those that count, each number gets in once, whichever connection it came by. */
static void of_logins_with_one_count_at_once_one_succeeds(void **state)
{
    struct harness *h = *state;
    struct phone p = phone_new(h, harness_account(h));
    char *token = get_token(&p, "NONE", NULL);
    char *inner = text_format("<fast xmlns='" NS_FAST "' count='1'/>%s", p.agent);
    struct raw *crowd[CROWD];
    unsigned n_in = 0;

    for (int i = 0; i < CROWD; i++)
        crowd[i] = raw_secure(h, NULL);
    for (int i = 0; i < CROWD; i++) {
        char *message = sasl2_token_message(crowd[i], p.a->user, token, NULL);
        char *text = sasl2_authenticate("HT-SHA-256-NONE", message, inner);

        raw_send(crowd[i], "%s", text);
        free(message);
        free(text);
    }
    for (int i = 0; i < CROWD; i++) {
        const struct node *answer = sasl2_outcome(crowd[i]);

        if (node_matches(answer, "success"))
            n_in++;
        else
            assert_true(node_matches(answer, "failure/not-authorized"));
        raw_free(&crowd[i]);
    }
    assert_int_equal(n_in, 1);
    free(inner);
    free(token);
    free(p.agent);
}

static void clients_that_hang_up_in_the_middle_leave_nothing_behind(void **state)
{
    struct harness *h = *state;
    struct phone p = phone_new(h, harness_account(h));
    char *token = get_token(&p, "NONE", NULL);
    char *inner = text_format(
        "<fast xmlns='" NS_FAST "' invalidate='true'/>%s" REQUEST("NONE") "<bind xmlns='" NS_BIND2 "'/>", p.agent);

    for (int i = 0; i < CROWD; i++) {
        struct raw *r = raw_secure(h, NULL);
        char *message = sasl2_token_message(r, p.a->user, token, NULL);
        char *text = sasl2_authenticate("HT-SHA-256-NONE", message, inner);

        raw_send(r, "%s", text);
        raw_free(&r);
        free(message);
        free(text);
    }
    free(token);
    token = get_token(&p, "NONE", NULL);
    assert_enters(&p, "NONE", token);
    free(inner);
    free(token);
    free(p.agent);
}

/* ---- XEP-0494 ---- */

static const struct node *list_clients(struct raw *r)
{
    raw_send(r, "<iq id='list' type='get'><list xmlns='" NS_CAM "'/></iq>");
    return raw_skip_to(r, "iq[@id='list'][@type='result']/clients[@xmlns='" NS_CAM "']");
}

static void a_person_sees_what_clients_there_are(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct phone p = phone_new(h, a);
    char *tablet = sasl2_user_agent(sasl2_uuid(), "Tabby", "tablet"), *token = get_token(&p, "NONE", NULL);
    struct raw *r = sasl2_login(h, a, tablet, "Tabby"), *legacy = raw_login(h, a, "old");
    const struct node *clients = node_find(list_clients(r), "iq/clients");

    assert_int_equal(node_count(clients, "client[@id][@type='session'][first-seen][last-seen][permission[@status="
                                         "'unrestricted']][auth][user-agent]"),
                     3);
    assert_int_equal(node_count(clients,
                                "client[@connected='true'][auth[password]][auth[not(fast)]][user-agent[software["
                                ".='Tabby']]][user-agent[device[.='tablet']]]"),
                     1);
    assert_int_equal(node_count(clients, "client[@connected='false'][auth[password]][auth[fast]][user-agent[software[.="
                                         "'AwesomeXMPP']]][user-agent[device[.=\"Kiva's Phone\"]]]"),
                     1);
    assert_int_equal(node_count(clients, "client[@connected='true'][user-agent[not(software)]]"), 1);
    raw_free(&legacy);
    raw_free(&r);
    free(token);
    free(tablet);
    free(p.agent);
}

static void nobody_else_sees_them(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_login(h, harness_account(h), NULL);

    raw_send(r, "<iq id='1' type='get' to='%s'><list xmlns='" NS_CAM "'/></iq>", a->jid);
    raw_expect(r, "iq[@id='1'][@type='error']/error/service-unavailable");
    raw_send(r, "<iq id='2' type='set' to='%s'><revoke xmlns='" NS_CAM "' id='x'/></iq>", a->jid);
    raw_expect(r, "iq[@id='2'][@type='error']/error/service-unavailable");
    raw_free(&r);
}

/* It has shown the password, which it may still know (section 3.2): its owner is told so. */
static void a_client_that_is_logged_out_loses_its_sessions_and_tokens(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct phone p = phone_new(h, a);
    char *token = get_token(&p, "NONE", NULL), *id;
    struct raw *phone = sasl2_login(h, a, p.agent, "t"), *r = raw_login(h, a, "desk");
    const struct node *clients = node_find(list_clients(r), "iq/clients");

    id = strdup(node_attr(node_find(clients, "clients/client[user-agent/software]"), "id"));
    raw_send(r, "<iq id='out' type='set'><revoke xmlns='" NS_CAM "' id='%s'/></iq>", id);
    raw_skip_to(r,
                "iq[@id='out'][@type='error']/error[service-unavailable]/password-reset-required[@xmlns='" NS_CAM "']");
    raw_expect_error(phone, "not-authorized");
    assert_refused(&p, "NONE", token);
    clients = node_find(list_clients(r), "iq/clients");
    assert_int_equal(node_count(clients, "client[user-agent/software]"), 0);
    raw_send(r, "<iq id='again' type='set'><revoke xmlns='" NS_CAM "' id='%s'/></iq>", id);
    raw_skip_to(r, "iq[@id='again'][@type='error']/error/item-not-found");
    raw_send(r, "<iq id='none' type='set'><revoke xmlns='" NS_CAM "'/></iq>");
    raw_skip_to(r, "iq[@id='none'][@type='error']/error/bad-request");
    raw_free(&phone);
    raw_free(&r);
    free(id);
    free(token);
    free(p.agent);
}

static void a_session_of_an_old_client_can_be_ended_too(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *old = raw_login(h, a, "old"), *r = sasl2_login(h, a, "<user-agent/>", "t");
    const struct node *clients = node_find(list_clients(r), "iq/clients");
    const struct node *client = clients->child;
    char *end = NULL;

    /* Which of the two is it? The one whose end does not end this one. */
    assert_int_equal(node_count(clients, "client"), 2);
    for (; client != NULL && end == NULL; client = client->next)
        end = strdup(node_attr(client, "id"));
    raw_send(r, "<iq id='out' type='set'><revoke xmlns='" NS_CAM "' id='%s'/></iq>", end);
    raw_skip_to(r, "iq[@id='out'][@type='error']/error/password-reset-required");
    if (harness_worker_of(h, old->jid) < 0)
        raw_expect_error(old, "not-authorized");
    else
        raw_expect_error(r, "not-authorized");
    raw_free(&old);
    raw_free(&r);
    free(end);
}

/* It has logged in, and waits with binding until its owner has done something about it. */
static void a_client_that_is_logged_out_before_it_binds_does_not_bind(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct phone p = phone_new(h, a);
    struct raw *phone = raw_secure(h, NULL), *r = raw_login(h, a, "desk");
    char *id;

    assert_true(node_matches(sasl2_plain(phone, a, p.agent), "success"));
    id = strdup(node_attr(node_find(list_clients(r), "iq/clients/client[user-agent/software]"), "id"));
    raw_send(r, "<iq id='out' type='set'><revoke xmlns='" NS_CAM "' id='%s'/></iq>", id);
    raw_skip_to(r, "iq[@id='out']");
    raw_send(phone, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    raw_expect_error(phone, "not-authorized");
    raw_free(&phone);
    raw_free(&r);
    free(id);
    free(p.agent);
}

/* ---- the operator ---- */

static void the_operator_sees_clients_and_logs_one_out(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct phone p = phone_new(h, a), tablet = phone_new(h, a);
    char *token = get_token(&p, "NONE", NULL), *other = get_token(&tablet, "NONE", NULL), *output;
    struct raw *r = sasl2_login(h, a, p.agent, "t");
    struct json *list = harness_ctl_json(h, "clients", a->jid);
    const char *id = strrchr(r->jid, '/') + 1;
    /* By the end of its resource a session is known as that of a client. */
    const struct json *client = json_find(list, "id", id);

    assert_int_equal(json_count(list), 2);
    assert_non_null(client);
    assert_string_equal(json_text(client, "software"), "AwesomeXMPP");
    assert_string_equal(json_text(client, "device"), "Kiva's Phone");
    assert_string_equal(json_text(client, "mechanisms"), "PLAIN");
    assert_string_equal(json_text(client, "tokens"), "true");
    assert_string_equal(json_text(client, "connected"), "true");
    assert_non_null(json_find(list, "connected", "false"));
    assert_int_equal(harness_ctl(h, NULL, &output, "logout", a->jid, id), 0);
    free(output);
    raw_expect_error(r, "not-authorized");
    assert_refused(&p, "NONE", token);
    assert_enters(&tablet, "NONE", other);
    assert_int_equal(harness_ctl(h, NULL, &output, "logout", a->jid, id), 1);
    assert_non_null(strstr(output, "no such client"));
    free(output);
    assert_int_equal(harness_ctl(h, NULL, &output, "clients", "nobody-at-all@" DOMAIN), 1);
    assert_non_null(strstr(output, "no such account"));
    free(output);
    json_free(&list);
    raw_free(&r);
    free(token);
    free(other);
    free(p.agent);
    free(tablet.agent);
}

static void clients_beyond_the_limit_make_room(void **state)
{
    static const char *const two[] = {"sasl.user_agents = 2", NULL};
    struct harness_options options = {.workers = 1, .settings = two};
    struct harness *h = harness_new(&options);
    const struct account *a;
    struct phone p[3];
    char *tokens[3];

    (void)state;
    harness_start(h);
    a = harness_account(h);
    for (int i = 0; i < 3; i++) {
        p[i] = phone_new(h, a);
        tokens[i] = get_token(&p[i], "NONE", NULL);
    }
    assert_refused(&p[0], "NONE", tokens[0]);
    assert_enters(&p[1], "NONE", tokens[1]);
    assert_enters(&p[2], "NONE", tokens[2]);
    for (int i = 0; i < 3; i++) {
        free(tokens[i]);
        free(p[i].agent);
    }
    harness_stop(h);
    harness_free(&h);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_token_is_given_to_who_asks_and_lets_it_in_again_and_again),
        HARNESS_TEST(each_binding_that_the_connection_has_can_be_used),
        HARNESS_TEST(tls_unique_can_be_used_where_it_exists),
        HARNESS_TEST(a_token_goes_with_binding_and_everything_else),
        HARNESS_TEST(tokens_are_not_given_without_being_asked_for_or_without_a_client),
        HARNESS_TEST(a_token_is_of_no_use_to_another_client_or_account_or_with_another_mechanism),
        HARNESS_TEST(a_bound_proof_cannot_be_replayed),
        HARNESS_TEST(a_count_that_was_seen_is_refused),
        HARNESS_TEST(what_is_wrong_with_a_request_is_said),
        HARNESS_TEST(a_client_may_invalidate_its_token),
        HARNESS_TEST(a_new_password_voids_all_tokens),
        HARNESS_TEST(who_makes_a_deleted_account_anew_is_not_opened_by_its_tokens),
        HARNESS_TEST(one_client_that_logs_in_many_times_at_once_has_one_session_in_the_end),
        HARNESS_TEST(of_logins_with_one_count_at_once_one_succeeds),
        HARNESS_TEST(clients_that_hang_up_in_the_middle_leave_nothing_behind),
        HARNESS_TEST(a_person_sees_what_clients_there_are),
        HARNESS_TEST(nobody_else_sees_them),
        HARNESS_TEST(a_client_that_is_logged_out_loses_its_sessions_and_tokens),
        HARNESS_TEST(a_session_of_an_old_client_can_be_ended_too),
        HARNESS_TEST(a_client_that_is_logged_out_before_it_binds_does_not_bind),
        HARNESS_TEST(the_operator_sees_clients_and_logs_one_out),
    };
    static const struct CMUnitTest alone[] = {
        cmocka_unit_test(a_new_token_follows_when_one_is_due_and_the_old_one_counts_until_it_is_used),
        cmocka_unit_test(tokens_outlive_a_restart_and_a_crash),
        cmocka_unit_test(a_token_that_is_too_old_is_told_from_a_wrong_one),
        cmocka_unit_test(a_host_without_the_module_gives_no_tokens),
        cmocka_unit_test(clients_beyond_the_limit_make_room),
    };
    static const struct harness_options options = {0};

    return harness_run_tests("FAST", tests, &options) + cmocka_run_group_tests(alone, NULL, NULL);
}
