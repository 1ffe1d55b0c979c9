/* tests/integration/test_commands.c - XEP-0050: the frame around ad-hoc commands, seen through those that there are
 * (XEP-0401): one that answers at once, one with a form. Forms of several stages are in tests/unit/modules. */
#include "client.h"
#include "raw.h"

#define NS                   "http://jabber.org/protocol/commands"
#define NS_ITEMS             "http://jabber.org/protocol/disco#items"
#define NS_INFO              "http://jabber.org/protocol/disco#info"
#define NS_SM                "urn:xmpp:sm:3"
#define WITHOUT              "without.example" /* a host where the module is off */
#define SIMPLE               "urn:xmpp:invite#invite"
#define FORM                 "urn:xmpp:invite#create-account"
#define RESULT               "iq[@type='result'][@from='" DOMAIN "']/command[@xmlns='" NS "']"
#define ERROR(t)             "iq[@type='error']/error[@type='" t "']"
#define SUBMIT(type, fields) "<x xmlns='jabber:x:data' type='" type "'>" fields "</x>"
#define NAME(name)           "<field var='username'><value>" name "</value></field>"

static void expect_answer(const struct node *answer, const char *path)
{
    if (!node_matches(answer, path))
        test_fail("this is not %s: %s", path, node_describe(answer));
}

/* Stage one of a command with a form. The session's id, borrowed until the test's end. */
static const char *begin(struct client *c)
{
    const struct node *answer = client_request(c, "set", DOMAIN, "<command xmlns='" NS "' node='" FORM "'/>");

    expect_answer(answer, RESULT "[@node='" FORM "'][@status='executing']/x[@type='form']");
    return node_attr(node_find(answer, "iq/command"), "sessionid");
}

#define STEP(c, id, attrs, content)                                                                                    \
    client_request(c, "set", DOMAIN,                                                                                   \
                   "<command xmlns='" NS "' node='" FORM "' sessionid='%s' " attrs ">" content "</command>", id)

/* ---- section 2: discovery (examples 1 to 6) ---- */

static void the_host_says_that_there_are_commands(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(client_request(c, "get", DOMAIN, "<query xmlns='" NS_INFO "'/>"), "iq/query/feature[@var='" NS "']");
    expect_answer(client_request(c, "get", DOMAIN, "<query xmlns='" NS_INFO "' node='" NS "'/>"),
                  "iq[@type='result']/query[@node='" NS "']/identity[@category='automation'][@type='command-list']");
    expect_answer(client_request(c, "get", WITHOUT, "<query xmlns='" NS_INFO "'/>"),
                  "iq[@type='result']/query[not(feature[@var='" NS "'])]");
}

/* The node in the list is the one that the command has (section 3.2), and has the identity that it MUST have. */
static void each_command_in_the_list_is_there(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *list = client_request(c, "get", DOMAIN, "<query xmlns='" NS_ITEMS "' node='" NS "'/>");
    const struct node *item = node_find(list, "iq[@type='result']/query[@node='" NS "']/item");
    size_t n = 0;

    for (; item != NULL; item = item->next, n++) {
        const char *node = node_attr(item, "node"), *id;
        const struct node *info, *answer;

        expect_answer(item, "item[@jid='" DOMAIN "'][@node][@name]");
        for (const struct node *other = item->next; other != NULL; other = other->next)
            assert_string_not_equal(node_attr(other, "node"), node);
        info = client_request(c, "get", DOMAIN, "<query xmlns='" NS_INFO "' node='%s'/>", node);
        expect_answer(info, "iq/query[feature[@var='jabber:x:data']][feature[@var='" NS "']]"
                            "/identity[@category='automation'][@type='command-node'][@name]");
        assert_string_equal(node_attr(node_find(info, "iq/query"), "node"), node);
        answer = client_request(c, "set", DOMAIN, "<command xmlns='" NS "' node='%s' action='execute'/>", node);
        expect_answer(answer, RESULT "[@status]");
        assert_string_equal(node_attr(node_find(answer, "iq/command"), "node"), node);
        id = node_attr(node_find(answer, "iq/command"), "sessionid");
        if (id != NULL)
            expect_answer(client_request(c, "set", DOMAIN,
                                         "<command xmlns='" NS "' node='%s' sessionid='%s' action='cancel'/>", node,
                                         id),
                          RESULT "[@status='canceled']");
    }
    assert_int_equal(n, 2);
}

static void a_node_that_is_no_command_is_not_found(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(client_request(c, "get", DOMAIN, "<query xmlns='" NS_INFO "' node='config'/>"),
                  ERROR("cancel") "/item-not-found");
    expect_answer(client_request(c, "set", DOMAIN, "<command xmlns='" NS "' node='config'/>"),
                  ERROR("cancel") "/item-not-found");
    expect_answer(client_request(c, "set", DOMAIN, "<command xmlns='" NS "'/>"), ERROR("cancel") "/item-not-found");
    expect_answer(client_request(c, "set", DOMAIN, "<command xmlns='" NS "' node=''/>"),
                  ERROR("cancel") "/item-not-found");
}

/* ---- section 2.4.1: at once (examples 8, 9) ---- */

static void a_command_without_questions_is_completed_at_once(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(client_request(c, "set", DOMAIN, "<command xmlns='" NS "' node='" SIMPLE "' action='execute'/>"),
                  RESULT "[@node='" SIMPLE "'][@status='completed'][@xml:lang][not(actions)]/x[@type='result']");
    /* "action='execute'" is implied */
    expect_answer(client_request(c, "set", DOMAIN, "<command xmlns='" NS "' node='" SIMPLE "'/>"),
                  RESULT "[@status='completed']/x[@type='result']");
}

/* Section 3.6 */
static void a_command_that_completes_and_fails_says_so_in_a_note(void **state)
{
    struct client *c = harness_login(*state);

    for (int i = 0; i < 2; i++)
        expect_answer(client_request(c, "set", DOMAIN, "<command xmlns='" NS "' node='" SIMPLE "'/>"),
                      RESULT "[@status='completed'][not(note)]");
    expect_answer(client_request(c, "set", DOMAIN, "<command xmlns='" NS "' node='" SIMPLE "'/>"),
                  RESULT "[@status='completed'][note[@type='error']][not(x)]");
}

/* ---- section 2.4.2: with a form (examples 10 to 15) ---- */

static void a_form_says_what_may_be_done_and_keeps_node_and_session(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *form = client_request(c, "set", DOMAIN, "<command xmlns='" NS "' node='" FORM "'/>"), *done;
    const char *id = node_attr(node_find(form, "iq/command"), "sessionid");

    expect_answer(form, RESULT "[@node='" FORM "'][@status='executing'][@xml:lang]"
                               "[actions[@execute='complete'][complete][not(next)][not(prev)]]"
                               "/x[@xmlns='jabber:x:data'][@type='form']/field[@var='username']");
    done = STEP(c, id, "", SUBMIT("submit", ""));
    expect_answer(done, RESULT "[@node='" FORM "'][@status='completed'][not(actions)]/x[@type='result']");
    assert_string_equal(node_attr(node_find(done, "iq/command"), "sessionid"), id);
}

static void complete_is_what_execute_means_in_the_last_stage(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(STEP(c, begin(c), "action='complete'", SUBMIT("submit", "")), RESULT "[@status='completed']/x");
    expect_answer(STEP(c, begin(c), "action='execute'", SUBMIT("submit", "")), RESULT "[@status='completed']/x");
}

/* Section 3.5.1: a form of type cancel counts as submitted. */
static void a_form_of_another_type_is_taken_or_refused(void **state)
{
    struct client *c = harness_login(*state);
    const char *id = begin(c);

    expect_answer(STEP(c, id, "", SUBMIT("form", "")), ERROR("modify") "[bad-request]/bad-payload[@xmlns='" NS "']");
    expect_answer(STEP(c, id, "", SUBMIT("result", "")), ERROR("modify") "[bad-request]/bad-payload");
    expect_answer(STEP(c, id, "", "<x xmlns='jabber:x:data'/>"), ERROR("modify") "[bad-request]/bad-payload");
    expect_answer(STEP(c, id, "", "<x xmlns='urn:example:x' type='submit'/>"),
                  ERROR("modify") "[bad-request]/bad-payload");
    expect_answer(STEP(c, id, "", SUBMIT("cancel", "")), RESULT "[@status='completed']/x");
}

/* A mistake does not end the session: the person corrects it. */
static void what_was_filled_in_wrongly_can_be_corrected(void **state)
{
    struct client *c = harness_login(*state);
    const char *id = begin(c);

    expect_answer(STEP(c, id, "", SUBMIT("submit", NAME("no@body"))),
                  ERROR("modify") "[bad-request][text]/bad-payload");
    expect_answer(STEP(c, id, "", SUBMIT("submit", "")), RESULT "[@status='completed'][@sessionid]/x");
}

static void a_form_larger_than_any_is_refused(void **state)
{
    struct client *c = harness_login(*state);
    const char *id = begin(c);
    char *long_name = malloc(20001);

    memset(long_name, 'x', 20000);
    long_name[20000] = '\0';
    expect_answer(client_request(c, "set", DOMAIN,
                                 "<command xmlns='" NS "' node='" FORM "' sessionid='%s'>"
                                 "<x xmlns='jabber:x:data' type='submit'><field var='username'><value>%s</value>"
                                 "</field></x></command>",
                                 id, long_name),
                  ERROR("modify") "[bad-request]/bad-payload");
    free(long_name);
}

/* ---- section 2.4.3: cancelling (examples 18, 19) ---- */

static void cancelling_succeeds_and_ends_the_session(void **state)
{
    struct client *c = harness_login(*state);
    const char *id = begin(c);
    const struct node *answer = STEP(c, id, "action='cancel'", "");

    expect_answer(answer, RESULT "[@node='" FORM "'][@status='canceled'][not(*)]");
    assert_string_equal(node_attr(node_find(answer, "iq/command"), "sessionid"), id);
    expect_answer(STEP(c, id, "", SUBMIT("submit", "")), ERROR("cancel") "[not-allowed]/session-expired");
}

/* ---- section 3.3: sessions ---- */

static void a_completed_command_is_not_completed_again(void **state)
{
    struct client *c = harness_login(*state);
    const char *id = begin(c);

    expect_answer(STEP(c, id, "", SUBMIT("submit", "")), RESULT "[@status='completed']");
    expect_answer(STEP(c, id, "", SUBMIT("submit", "")),
                  ERROR("cancel") "[not-allowed]/session-expired[@xmlns='" NS "']");
    expect_answer(STEP(c, id, "action='cancel'", ""), ERROR("cancel") "[not-allowed]/session-expired");
}

static void two_steps_sent_at_once_complete_it_once(void **state)
{
    struct client *c = harness_login(*state);
    const char *id = begin(c);

    for (int i = 0; i < 2; i++)
        client_send(c,
                    "<iq type='set' to='" DOMAIN "' id='s%d'><command xmlns='" NS "' node='" FORM
                    "' sessionid='%s'>" SUBMIT("submit", "") "</command></iq>",
                    i, id);
    client_expect_any(c, "iq[@id='s0'][@type='result']/command[@status='completed']");
    client_expect_any(c, "iq[@id='s1'][@type='error']/error/session-expired");
}

static void sessions_of_one_client_do_not_disturb_each_other(void **state)
{
    enum { N = 4 };
    struct client *c = harness_login(*state);
    const char *ids[N + 1];

    for (int i = 0; i < N; i++) {
        ids[i] = begin(c);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(ids[i], ids[k]);
    }
    expect_answer(STEP(c, ids[1], "action='cancel'", ""), RESULT "[@status='canceled']");
    expect_answer(STEP(c, ids[2], "", SUBMIT("submit", "")), RESULT "[@status='completed']");
    expect_answer(STEP(c, ids[0], "action='cancel'", ""), RESULT "[@status='canceled']");
    expect_answer(STEP(c, ids[3], "action='cancel'", ""), RESULT "[@status='canceled']");
    /* a client that opens one after the other loses the oldest */
    for (int i = 0; i <= N; i++)
        ids[i] = begin(c);
    expect_answer(STEP(c, ids[0], "", SUBMIT("submit", "")), ERROR("cancel") "[not-allowed]/session-expired");
    expect_answer(STEP(c, ids[1], "action='cancel'", ""), RESULT "[@status='canceled']");
    expect_answer(STEP(c, ids[N], "action='cancel'", ""), RESULT "[@status='canceled']");
}

/* "SHOULD be valid only between one requester/responder pair" */
static void nobody_else_goes_on_with_a_session(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *phone = client_login(h, a, "phone", 0), *desk = client_login(h, a, "desk", 0);
    struct client *other = harness_login(h);
    const char *id = begin(phone);

    expect_answer(STEP(desk, id, "", SUBMIT("submit", "")), ERROR("cancel") "[not-allowed]/session-expired");
    expect_answer(STEP(other, id, "action='cancel'", ""), ERROR("cancel") "[not-allowed]/session-expired");
    expect_answer(
        client_request(phone, "set", DOMAIN, "<command xmlns='" NS "' node='" SIMPLE "' sessionid='%s'/>", id),
        ERROR("cancel") "[not-allowed]/session-expired"); /* of another command */
    expect_answer(STEP(phone, id, "", SUBMIT("submit", "")), RESULT "[@status='completed']");
}

static void a_new_stream_knows_nothing_of_the_old_ones_sessions(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *c = client_login(h, a, "phone", 0);
    char *id = strdup(begin(c));

    client_logout(c);
    c = client_login(h, a, "phone", 0);
    expect_answer(STEP(c, id, "", SUBMIT("submit", "")), ERROR("cancel") "[not-allowed]/session-expired");
    free(id);
}

/* XEP-0198: it is the same requester. */
static void a_resumed_stream_goes_on_with_its_session(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_login(h, a, "phone");
    size_t mark = harness_log_mark(h);
    char *stream, *id;

    raw_send(r, "<enable xmlns='" NS_SM "' resume='true'/>");
    stream = strdup(node_attr(raw_expect(r, "enabled[@id]"), "id"));
    raw_send(r, "<iq type='set' to='" DOMAIN "' id='1'><command xmlns='" NS "' node='" FORM "'/></iq>");
    id = strdup(node_attr(node_find(raw_skip_to(r, "iq[@id='1']/command[@sessionid]"), "iq/command"), "sessionid"));
    raw_free(&r);
    free(harness_log_wait(h, mark, "session.hibernating", "phone"));
    r = raw_secure(h, NULL);
    raw_plain(r, a);
    raw_send(r, "<resume xmlns='" NS_SM "' previd='%s' h='1'/>", stream);
    raw_expect(r, "resumed");
    raw_send(r,
             "<iq type='set' to='" DOMAIN "' id='2'><command xmlns='" NS "' node='" FORM
             "' sessionid='%s'>" SUBMIT("submit", "") "</command></iq>",
             id);
    raw_skip_to(r, "iq[@id='2'][@type='result']/command[@status='completed']");
    raw_free(&r);
    free(stream);
    free(id);
}

/* ---- section 4.4: what is wrong ---- */

static void each_mistake_has_its_condition(void **state)
{
    struct client *c = harness_login(*state);
    const char *id = begin(c);

    expect_answer(STEP(c, id, "action='jump'", ""), ERROR("modify") "[bad-request]/malformed-action[@xmlns='" NS "']");
    expect_answer(STEP(c, id, "action='prev'", ""), ERROR("modify") "[bad-request]/bad-action[@xmlns='" NS "']");
    expect_answer(STEP(c, id, "action='next'", SUBMIT("submit", "")), ERROR("modify") "[bad-request]/bad-action");
    expect_answer(STEP(c, id, "", ""), ERROR("modify") "[bad-request]/bad-payload");
    expect_answer(STEP(c, "", "", ""), ERROR("modify") "[bad-request]/bad-sessionid[@xmlns='" NS "']");
    expect_answer(STEP(c, "config:20020923T213616Z-700", "", ""), ERROR("modify") "[bad-request]/bad-sessionid");
    expect_answer(client_request(c, "set", DOMAIN, "<command xmlns='" NS "' node='" FORM "' action='cancel'/>"),
                  ERROR("modify") "[bad-request]/bad-action");
    expect_answer(client_request(c, "set", DOMAIN, "<command xmlns='" NS "' node='" FORM "' action='next'/>"),
                  ERROR("modify") "[bad-request]/bad-action");
    expect_answer(STEP(c, id, "action='cancel'", ""), RESULT "[@status='canceled']"); /* it is still there */
}

static void what_is_no_command_of_the_host_is_not_taken(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h), *other = harness_login(h);

    expect_answer(client_request(c, "get", DOMAIN, "<command xmlns='" NS "' node='" SIMPLE "'/>"),
                  ERROR("cancel") "/service-unavailable");
    expect_answer(client_request(c, "set", NULL, "<command xmlns='" NS "' node='" SIMPLE "'/>"),
                  ERROR("cancel") "/service-unavailable");
    expect_answer(client_request(c, "set", other->bare, "<command xmlns='" NS "' node='" SIMPLE "'/>"),
                  ERROR("cancel") "/service-unavailable");
    expect_answer(client_request(c, "set", WITHOUT, "<command xmlns='" NS "' node='" SIMPLE "'/>"),
                  ERROR("cancel") "/service-unavailable");
    expect_answer(client_request(c, "get", WITHOUT, "<query xmlns='" NS_ITEMS "' node='" NS "'/>"),
                  "iq[@type='error']/error/item-not-found");
}

int main(void)
{
    static const struct harness_options options = {
        .tables = "[host.registration]\nopen = true\nper_address_per_hour = 1000\n"
                  "[host.invites]\nnew_accounts = true\nper_account = 2\n"
                  "[[host]]\nname = \"" WITHOUT "\"\nmodules = [\"disco\", \"ping\"]\n"};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_host_says_that_there_are_commands),
        HARNESS_TEST(each_command_in_the_list_is_there),
        HARNESS_TEST(a_node_that_is_no_command_is_not_found),
        HARNESS_TEST(a_command_without_questions_is_completed_at_once),
        HARNESS_TEST(a_command_that_completes_and_fails_says_so_in_a_note),
        HARNESS_TEST(a_form_says_what_may_be_done_and_keeps_node_and_session),
        HARNESS_TEST(complete_is_what_execute_means_in_the_last_stage),
        HARNESS_TEST(a_form_of_another_type_is_taken_or_refused),
        HARNESS_TEST(what_was_filled_in_wrongly_can_be_corrected),
        HARNESS_TEST(a_form_larger_than_any_is_refused),
        HARNESS_TEST(cancelling_succeeds_and_ends_the_session),
        HARNESS_TEST(a_completed_command_is_not_completed_again),
        HARNESS_TEST(two_steps_sent_at_once_complete_it_once),
        HARNESS_TEST(sessions_of_one_client_do_not_disturb_each_other),
        HARNESS_TEST(nobody_else_goes_on_with_a_session),
        HARNESS_TEST(a_new_stream_knows_nothing_of_the_old_ones_sessions),
        HARNESS_TEST(a_resumed_stream_goes_on_with_its_session),
        HARNESS_TEST(each_mistake_has_its_condition),
        HARNESS_TEST(what_is_no_command_of_the_host_is_not_taken),
    };

    return harness_run_tests("commands", tests, &options);
}
