/* tests/integration/test_push.c - XEP-0357: who is told that messages wait, when, and what.
 *
 * The app server is a client of another account, and once a component. */
#include "client.h"
#include "sasl2_client.h"

#define NS_PUSH    "urn:xmpp:push:0"
#define NS_SUMMARY "urn:xmpp:push:summary"
#define NS_PUBSUB  "http://jabber.org/protocol/pubsub"
#define NS_OPTIONS "http://jabber.org/protocol/pubsub#publish-options"
#define NS_INFO    "http://jabber.org/protocol/disco#info"
#define FORM_TYPE  "<field var='FORM_TYPE'><value>" NS_OPTIONS "</value></field>"
#define COMPONENT  "push.linnet.example"
#define SECRET     "between us"
#define OPTIONS                                                                                                        \
    "<x xmlns='jabber:x:data' type='submit'>" FORM_TYPE                                                                \
    "<field var='secret'><value>eruio234vzxc2kla-91</value></field></x>"

struct stage {
    struct harness *h;
    const struct account *account; /* juliet's */
    struct client *romeo;
    struct client *app;
    char *pushed; /* the id of the last notification */
};

/* ---- the app server ---- */

/* The next notification: for that node, of so many messages. It stays without an answer. */
static const struct node *expect_push(struct stage *g, const char *node, int count)
{
    const struct node *iq = client_expect_any(g->app,
                                              "iq[@type='set'][@from='" DOMAIN "']/pubsub[@xmlns='" NS_PUBSUB
                                              "']/publish[@node='%s']/item/notification[@xmlns='" NS_PUSH "']",
                                              node);
    char *path = text_format("iq/pubsub/publish/item/notification/x[@xmlns='jabber:x:data'][@type='submit']"
                             "[field[@var='FORM_TYPE']/value[.='" NS_SUMMARY "']]"
                             "/field[@var='message-count']/value[.='%d']",
                             count);

    if (!node_matches(iq, path))
        test_fail("this is not of %d messages: %s", count, node_describe(iq));
    free(path);
    free(g->pushed);
    g->pushed = strdup(node_attr(iq, "id"));
    return iq;
}

static void accept_push(struct stage *g)
{
    client_send(g->app, "<iq type='result' id='%s' to='" DOMAIN "'/>", g->pushed);
}

static void refuse_push(struct stage *g, const char *type, const char *condition)
{
    client_send(g->app,
                "<iq type='error' id='%s' to='" DOMAIN "'><error type='%s'><%s "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
                g->pushed, type, condition);
    client_barrier_via(g->app, g->account->jid);
}

/* ---- juliet's clients ---- */

static const struct node *ask(struct raw *r, const char *id, const char *payload)
{
    raw_send(r, "<iq type='set' id='%s'>%s</iq>", id, payload);
    return raw_skip_to(r, "iq[@id='%s']", id);
}

static void expect_result(struct raw *r, const char *payload)
{
    const struct node *answer = ask(r, "q", payload);

    if (!node_matches(answer, "iq[@type='result']"))
        test_fail("refused: %s", node_describe(answer));
}

static void expect_error(struct raw *r, const char *payload, const char *condition)
{
    const struct node *answer = ask(r, "q", payload);
    char *path = text_format("iq[@type='error']/error/%s", condition);

    if (!node_matches(answer, path))
        test_fail("not %s: %s", condition, node_describe(answer));
    free(path);
}

/* `content` is inside <enable/>. */
static void enable(struct stage *g, struct raw *r, const char *node, const char *content)
{
    char *payload =
        text_format("<enable xmlns='" NS_PUSH "' jid='%s' node='%s'>%s</enable>", g->app->jid, node, content);

    expect_result(r, payload);
    free(payload);
}

static void disable(struct stage *g, struct raw *r, const char *node)
{
    char *payload = node == NULL ? text_format("<disable xmlns='" NS_PUSH "' jid='%s'/>", g->app->jid)
                                 : text_format("<disable xmlns='" NS_PUSH "' jid='%s' node='%s'/>", g->app->jid, node);

    expect_result(r, payload);
    free(payload);
}

static struct raw *login(struct stage *g, const char *resource)
{
    struct raw *r = raw_login(g->h, g->account, resource);

    raw_send(r, "<presence/>");
    raw_skip_to(r, "presence[@from='%s/%s']", g->account->jid, resource);
    return r;
}

/* Closes the stream, and waits until the session has ended. */
static void leave(struct raw **r)
{
    raw_send(*r, "<presence type='unavailable'/></stream:stream>");
    raw_expect_eof(*r);
    raw_free(r);
}

/* A phone that enables push for `node` and goes. */
static void leave_registration(struct stage *g, const char *resource, const char *node, const char *content)
{
    struct raw *r = login(g, resource);

    enable(g, r, node, content);
    leave(&r);
}

static void begin_with(struct stage *g, struct harness *h, const struct account *account)
{
    *g = (struct stage){.h = h,
                        .account = account,
                        .romeo = client_login(h, harness_account(h), "test", CLIENT_ACKS),
                        .app = harness_login(h)};
}

static void begin(struct stage *g, struct harness *h)
{
    begin_with(g, h, harness_account(h));
}

static void end(struct stage *g)
{
    free(g->pushed);
}

static void say(struct stage *g, const char *body)
{
    client_send(g->romeo, "<message type='chat' to='%s'><body>%s</body></message>", g->account->jid, body);
}

/* ---- what clients ask for ---- */

static void the_account_says_that_it_can(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *answer = client_request(c, "get", c->bare, "<query xmlns='" NS_INFO "'/>");

    assert_true(node_matches(answer, "iq[@type='result']/query/feature[@var='" NS_PUSH "']"));
}

static void the_examples_are_accepted(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_login(h, harness_account(h), "phone");

    expect_result(r, "<enable xmlns='" NS_PUSH "' jid='push-5.client.example' node='yxs32uqsflafdk3iuqo'/>");
    expect_result(r, "<enable xmlns='" NS_PUSH "' jid='push-5.client.example' node='yxs32uqsflafdk3iuqo'>" OPTIONS
                     "</enable>");
    expect_result(r, "<enable xmlns='" NS_PUSH "' jid='push-5.client.example'/>"); /* SHOULD have a node */
    expect_result(r, "<enable xmlns='" NS_PUSH "' jid='push-5.client.example' node='y'><x xmlns='urn:example:more'/>"
                     "</enable>");
    expect_result(r, "<disable xmlns='" NS_PUSH "' jid='push-5.client.example' node='yxs32uqsflafdk3iuqo'/>");
    expect_result(r, "<disable xmlns='" NS_PUSH "' jid='push-5.client.example'/>");
    expect_result(r, "<disable xmlns='" NS_PUSH "' jid='push-5.client.example'/>"); /* already */
    raw_free(&r);
}

static void what_is_malformed_is_refused(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_login(h, harness_account(h), "phone");
    char *large = malloc(6000), *payload;

    expect_error(r, "<enable xmlns='" NS_PUSH "' node='n'/>", "bad-request");
    expect_error(r, "<disable xmlns='" NS_PUSH "'/>", "bad-request");
    expect_error(r, "<enable xmlns='" NS_PUSH "' jid='a b@c' node='n'/>", "jid-malformed");
    expect_error(r, "<disable xmlns='" NS_PUSH "' jid='@' node='n'/>", "jid-malformed");
    expect_error(r,
                 "<enable xmlns='" NS_PUSH "' jid='p.example' node='n'><x xmlns='jabber:x:data' type='form'>" FORM_TYPE
                 "</x></enable>",
                 "bad-request");
    expect_error(r, "<notification xmlns='" NS_PUSH "'/>", "service-unavailable");
    memset(large, 'x', 5999);
    large[5999] = '\0';
    payload = text_format("<enable xmlns='" NS_PUSH
                          "' jid='p.example' node='n'><x xmlns='jabber:x:data' type='submit'>" FORM_TYPE
                          "<field var='secret'><value>%s</value></field></x></enable>",
                          large);
    expect_error(r, payload, "policy-violation");
    free(payload);
    payload = text_format("<enable xmlns='" NS_PUSH "' jid='p.example' node='%s'/>", large);
    expect_error(r, payload, "bad-request");
    free(payload);
    free(large);
    raw_free(&r);
}

static void nobody_enables_push_for_others(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h), *other = harness_login(h);
    const char *enable_it = "<enable xmlns='" NS_PUSH "' jid='p.example' node='n'/>";

    client_befriend(c, other);
    assert_true(node_matches(client_request(c, "set", other->bare, "%s", enable_it),
                             "iq[@type='error']/error/service-unavailable"));
    assert_true(
        node_matches(client_request(c, "set", DOMAIN, "%s", enable_it), "iq[@type='error']/error/service-unavailable"));
    assert_true(node_matches(client_request(c, "get", c->bare, "%s", enable_it), "iq[@type='error']"));
}

/* ---- when ---- */

static void a_message_for_somebody_offline_is_told_of_without_sender_or_text(void **state)
{
    struct stage g;

    begin(&g, *state);
    leave_registration(&g, "phone", "yxs32", "");
    say(&g, "Wherefore art thou, Romeo?");
    const struct node *iq = expect_push(&g, "yxs32", 1);

    assert_null(node_find(iq, "iq/pubsub/publish/item/notification/x/field[@var='last-message-sender']"));
    assert_null(node_find(iq, "iq/pubsub/publish/item/notification/x/field[@var='last-message-body']"));
    assert_null(node_find(iq, "iq/pubsub/publish-options"));
    end(&g);
}

static void the_options_come_back_with_each_notification(void **state)
{
    struct stage g;

    begin(&g, *state);
    leave_registration(&g, "phone", "n", "<x xmlns='jabber:x:data' type='submit'>" FORM_TYPE "</x>");
    leave_registration(&g, "phone", "n", OPTIONS); /* the last request counts */
    say(&g, "1");
    assert_true(node_matches(expect_push(&g, "n", 1),
                             "iq/pubsub/publish-options[@xmlns='" NS_PUBSUB "']/x[@xmlns='jabber:x:data']"
                             "[field[@var='FORM_TYPE']/value[.='" NS_OPTIONS "']]"
                             "/field[@var='secret']/value[.='eruio234vzxc2kla-91']"));
    end(&g);
}

static void a_client_that_is_there_is_not_woken_and_one_that_is_not_is(void **state)
{
    struct stage g;

    begin(&g, *state);
    leave_registration(&g, "tablet", "away", "");
    struct raw *phone = login(&g, "phone");

    enable(&g, phone, "there", "");
    say(&g, "1");
    raw_skip_to(phone, "message/body[.='1']");
    expect_push(&g, "away", 1); /* it will be in the archive */
    client_expect_none(g.app, "iq[pubsub/publish[@node='there']]");
    leave(&phone);
    accept_push(&g);
    say(&g, "2");
    expect_push(&g, "there", 1);
    accept_push(&g);
    expect_push(&g, "away", 2);
    end(&g);
}

static struct raw *login_resumable(struct stage *g, char **ret_id)
{
    struct raw *r = raw_login(g->h, g->account, "phone");

    raw_send(r, "<enable xmlns='" NS_SM "' resume='true'/>");
    *ret_id = strdup(node_attr(raw_expect(r, "enabled[@id]"), "id"));
    raw_send(r, "<presence/>");
    raw_skip_to(r, "presence");
    return r;
}

static void wait_hibernating(struct stage *g, struct raw **r, size_t mark)
{
    char *jid = text_format("jid=%s/phone", g->account->jid);

    raw_free(r);
    free(harness_log_wait(g->h, mark, "session.hibernating", jid));
    free(jid);
}

static struct raw *resume(struct stage *g, const char *id, unsigned h)
{
    struct raw *r = raw_secure(g->h, NULL);

    raw_plain(r, g->account);
    raw_send(r, "<resume xmlns='" NS_SM "' previd='%s' h='%u'/>", id, h);
    raw_expect(r, "resumed");
    return r;
}

static void a_session_without_a_connection_is_told_of_and_the_count_begins_anew_when_it_is_back(void **state)
{
    struct stage g;
    char *id;

    begin(&g, *state);
    struct raw *phone = login_resumable(&g, &id);

    enable(&g, phone, "n", "");
    size_t mark = harness_log_mark(g.h);

    wait_hibernating(&g, &phone, mark);
    say(&g, "1");
    expect_push(&g, "n", 1);
    accept_push(&g);
    say(&g, "2");
    expect_push(&g, "n", 2);
    accept_push(&g);
    phone = resume(&g, id, 2);
    raw_skip_to(phone, "message/body[.='2']");
    raw_send(phone, "<a xmlns='" NS_SM "' h='4'/>");
    expect_result(phone, "<disable xmlns='" NS_PUSH "' jid='other.example'/>"); /* it has been read */
    raw_send(phone, "<a xmlns='" NS_SM "' h='5'/>");
    expect_result(phone, "<disable xmlns='" NS_PUSH "' jid='other.example'/>");
    mark = harness_log_mark(g.h);
    wait_hibernating(&g, &phone, mark);
    say(&g, "3");
    expect_push(&g, "n", 1);
    free(id);
    end(&g);
}

static void what_was_on_its_way_when_the_connection_broke_is_told_of(void **state)
{
    struct stage g;
    char *id;

    begin(&g, *state);
    struct raw *phone = login_resumable(&g, &id);

    enable(&g, phone, "n", "");
    say(&g, "1");
    say(&g, "2");
    client_send(g.romeo, "<message type='chat' to='%s'><received xmlns='urn:xmpp:receipts' id='x'/></message>",
                g.account->jid);
    raw_skip_to(phone, "message/received"); /* and acknowledges nothing */
    size_t mark = harness_log_mark(g.h);

    wait_hibernating(&g, &phone, mark);
    expect_push(&g, "n", 2);
    accept_push(&g);
    say(&g, "3");
    expect_push(&g, "n", 3);
    free(id);
    end(&g);
}

static void a_client_that_acknowledges_nothing_for_long_is_told_of_once(void **state)
{
    struct stage g;

    begin(&g, *state);
    struct raw *phone = raw_login(g.h, g.account, "phone");

    raw_enable_acks(phone);
    raw_send(phone, "<presence/>");
    raw_skip_to(phone, "presence");
    enable(&g, phone, "n", "");
    say(&g, "1");
    raw_skip_to(phone, "message");
    expect_push(&g, "n", 1);
    accept_push(&g);
    say(&g, "2");
    expect_push(&g, "n", 2); /* not of the first one again */
    raw_free(&phone);
    end(&g);
}

static void what_nobody_wants_to_be_woken_for_is_not_counted(void **state)
{
    static const char *const trifles[] = {
        "type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/>",
        "type='chat'><received xmlns='urn:xmpp:receipts' id='x'/>",
        "type='chat'><displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>",
        "type='headline'><body>x</body>",
        "type='chat'><body>x</body><no-store xmlns='urn:xmpp:hints'/>",
    };
    static const char *const wanted[] = {
        "type='chat'><encrypted xmlns='eu.siacs.conversations.axolotl'/><store xmlns='urn:xmpp:hints'/>",
        "type='chat'><propose xmlns='urn:xmpp:jingle-message:0' id='x'/><store xmlns='urn:xmpp:hints'/>",
        "><x xmlns='jabber:x:conference' jid='room@rooms.example'/>",
    };
    struct stage g;

    begin(&g, *state);
    leave_registration(&g, "phone", "n", "");
    for (size_t i = 0; i < sizeof(trifles) / sizeof(trifles[0]); i++)
        client_send(g.romeo, "<message to='%s' %s</message>", g.account->jid, trifles[i]);
    for (int i = 0; i < (int)(sizeof(wanted) / sizeof(wanted[0])); i++) {
        client_send(g.romeo, "<message to='%s' %s</message>", g.account->jid, wanted[i]);
        expect_push(&g, "n", i + 1);
        accept_push(&g);
    }
    end(&g);
}

static void messages_while_a_notification_is_under_way_are_told_of_together(void **state)
{
    struct stage g;

    begin(&g, *state);
    leave_registration(&g, "phone", "n", "");
    say(&g, "1");
    expect_push(&g, "n", 1);
    for (int i = 0; i < 20; i++)
        say(&g, "more");
    client_wait_acked(g.romeo); /* all of them are stored */
    client_expect_none(g.app, "iq/pubsub");
    accept_push(&g);
    expect_push(&g, "n", 21);
    end(&g);
}

static void the_count_begins_anew_when_the_client_was_there(void **state)
{
    struct stage g;

    begin(&g, *state);
    leave_registration(&g, "phone", "n", "");
    say(&g, "1");
    expect_push(&g, "n", 1);
    accept_push(&g);
    struct raw *phone = login(&g, "phone");

    raw_skip_to(phone, "message/body[.='1']");
    leave(&phone);
    say(&g, "2");
    expect_push(&g, "n", 1);
    end(&g);
}

static void all_registrations_are_told_each_at_its_own_pace(void **state)
{
    struct stage g;

    begin(&g, *state);
    leave_registration(&g, "phone", "a", "");
    leave_registration(&g, "tablet", "b", "");
    say(&g, "1");
    expect_push(&g, "a", 1); /* and no answer */
    expect_push(&g, "b", 1);
    accept_push(&g);
    say(&g, "2");
    expect_push(&g, "b", 2);
    client_expect_none(g.app, "iq/pubsub");
    end(&g);
}

/* ---- and when not any more ---- */

static void what_is_disabled_is_not_told(void **state)
{
    struct stage g;

    begin(&g, *state);
    struct raw *phone = login(&g, "phone");

    enable(&g, phone, "a", "");
    enable(&g, phone, "b", "");
    enable(&g, phone, "c", "");
    disable(&g, phone, "b");
    disable(&g, phone, "unknown");
    leave(&phone);
    say(&g, "1");
    expect_push(&g, "a", 1);
    accept_push(&g);
    expect_push(&g, "c", 1);
    client_expect_none(g.app, "iq/pubsub");
    phone = login(&g, "phone");
    disable(&g, phone, NULL); /* all of that app server */
    enable(&g, phone, "d", "");
    leave(&phone);
    say(&g, "2");
    expect_push(&g, "d", 1);
    client_expect_none(g.app, "iq/pubsub");
    end(&g);
}

/* A registration beside the one that fails, which shows that a message was told of. */
static void leave_witness(struct stage *g)
{
    leave_registration(g, "witness", "witness", "");
}

static void a_node_that_is_gone_ends_the_registration_at_once(void **state)
{
    struct stage g;

    begin(&g, *state);
    leave_witness(&g);
    leave_registration(&g, "phone", "gone", "");
    say(&g, "1");
    expect_push(&g, "witness", 1);
    accept_push(&g);
    expect_push(&g, "gone", 1);
    size_t mark = harness_log_mark(g.h);

    refuse_push(&g, "cancel", "item-not-found");
    free(harness_log_wait(g.h, mark, "push.ended", "errors=1"));
    say(&g, "2");
    expect_push(&g, "witness", 2);
    client_expect_none(g.app, "iq[pubsub/publish[@node='gone']]");
    end(&g);
}

static void other_errors_end_it_when_there_were_too_many_in_a_row(void **state)
{
    struct stage g;

    begin(&g, *state);
    leave_registration(&g, "phone", "n", "");
    for (int i = 1; i <= 2; i++) {
        say(&g, "x");
        expect_push(&g, "n", i);
        refuse_push(&g, "wait", "resource-constraint");
    }
    say(&g, "x");
    expect_push(&g, "n", 3);
    accept_push(&g); /* the row ends */
    for (int i = 4; i <= 6; i++) {
        say(&g, "x");
        expect_push(&g, "n", i);
        size_t mark = harness_log_mark(g.h);

        refuse_push(&g, "cancel", "internal-server-error");
        if (i == 6)
            free(harness_log_wait(g.h, mark, "push.ended", "errors=3"));
    }
    leave_witness(&g);
    say(&g, "x");
    expect_push(&g, "witness", 1);
    client_expect_none(g.app, "iq[pubsub/publish[@node='n']]");
    end(&g);
}

static void an_app_server_that_is_not_there_or_silent_fails_too(void **state)
{
    struct stage g;

    begin(&g, *state);
    leave_registration(&g, "phone", "n", "");
    struct raw *phone = login(&g, "other");

    expect_result(phone, "<enable xmlns='" NS_PUSH "' jid='nowhere.example' node='n'/>");
    leave(&phone);
    size_t mark = harness_log_mark(g.h);

    for (int i = 1; i <= 3; i++) {
        char *errors = text_format("errors=%d", i);

        say(&g, "x");
        expect_push(&g, "n", i); /* no answer */
        free(harness_log_wait(g.h, mark, i < 3 ? "push.failed" : "push.ended", "app=nowhere.example", errors));
        free(harness_log_wait(g.h, mark, i < 3 ? "push.failed" : "push.ended", "linnet.example/test", errors));
        free(errors);
    }
    end(&g);
}

static void the_app_server_can_end_it_itself(void **state)
{
    struct stage g;

    begin(&g, *state);
    leave_witness(&g);
    leave_registration(&g, "phone", "n", "");
    /* Somebody else cannot. */
    client_send(g.romeo,
                "<message to='%s'><pubsub xmlns='" NS_PUBSUB "' node='witness'><affiliation jid='%s' "
                "affiliation='none'/></pubsub></message>",
                g.account->jid, g.account->jid);
    client_barrier_via(g.romeo, g.account->jid);
    client_send(g.app,
                "<message to='%s'><pubsub xmlns='" NS_PUBSUB "' node='n'><affiliation jid='%s' "
                "affiliation='none'/></pubsub></message>",
                g.account->jid, g.account->jid);
    client_barrier_via(g.app, g.account->jid);
    say(&g, "1");
    expect_push(&g, "witness", 1);
    client_expect_none(g.app, "iq[pubsub/publish[@node='n']]");
    end(&g);
}

static void a_component_may_be_the_app_server(void **state)
{
    struct stage g;

    begin(&g, *state);
    struct raw *app = raw_component(g.h, COMPONENT, SECRET), *phone = login(&g, "phone");

    expect_result(phone, "<enable xmlns='" NS_PUSH "' jid='" COMPONENT "' node='n'>" OPTIONS "</enable>");
    leave(&phone);
    for (int i = 1; i <= 3; i++) {
        say(&g, "x");
        const struct node *iq = raw_expect(app, "iq[@type='set'][@from='" DOMAIN "']/pubsub/publish[@node='n']");
        char *count = text_format("iq/pubsub/publish/item/notification/x/field[@var='message-count']/value[.='%d']", i);

        assert_true(node_matches(iq, count));
        free(count);
        raw_send(app, "<iq type='result' id='%s' from='" COMPONENT "' to='" DOMAIN "'/>", node_attr(iq, "id"));
    }
    raw_free(&app);
    end(&g);
}

static void an_answer_from_somebody_else_is_none(void **state)
{
    struct stage g;

    begin(&g, *state);
    leave_registration(&g, "phone", "n", "");
    say(&g, "1");
    expect_push(&g, "n", 1);
    say(&g, "2");
    client_send(g.romeo, "<iq type='result' id='%s' to='" DOMAIN "'/>", g.pushed);
    client_send(g.romeo, "<iq type='error' id='%s' to='%s'/>", g.pushed, g.account->jid);
    client_send(g.app, "<iq type='result' id='%s-99' to='" DOMAIN "'/>", g.pushed);
    client_send(g.app, "<iq type='result' id='%s' to='%s'/>", g.pushed, g.account->jid);
    client_wait_acked(g.romeo);
    client_expect_none(g.app, "iq/pubsub");
    accept_push(&g);
    expect_push(&g, "n", 2);
    end(&g);
}

/* ---- what lasts ---- */

static void a_registration_lasts_when_the_server_is_killed(void **state)
{
    struct harness *h = *state;
    const struct account *account = harness_account(h), *app = harness_account(h);
    struct stage g = {.h = h, .account = account};

    g.app = client_login(h, app, "test", 0);
    struct raw *phone = login(&g, "phone");

    enable(&g, phone, "n", OPTIONS);
    harness_crash(h);
    raw_free(&phone);
    client_forget_all(h);
    harness_start(h);
    g.app = client_login(h, app, "test", 0);
    g.romeo = harness_login(h);
    say(&g, "1");
    assert_true(node_matches(expect_push(&g, "n", 1), "iq/pubsub/publish-options/x/field[@var='secret']"));
    end(&g);
}

static void a_registration_ends_with_the_account(void **state)
{
    struct harness *h = *state;
    const struct account *account = harness_account(h);
    struct stage g;
    char *output;

    begin_with(&g, h, account);
    leave_registration(&g, "phone", "old", "");
    assert_int_equal(harness_ctl(h, NULL, &output, "deluser", "--yes", account->jid), 0);
    free(output);
    char *input = text_format("%s\n", account->password);

    assert_int_equal(harness_ctl(h, input, &output, "adduser", account->jid), 0);
    free(input);
    free(output);
    leave_registration(&g, "phone", "new", "");
    say(&g, "1");
    expect_push(&g, "new", 1);
    client_expect_none(g.app, "iq[pubsub/publish[@node='old']]");
    end(&g);
}

static void a_registration_ends_when_its_client_is_logged_out(void **state)
{
    struct stage g;
    char *agent = sasl2_user_agent(sasl2_uuid(), "Phone", "stolen"), *output;

    begin(&g, *state);
    leave_witness(&g);
    struct raw *phone = sasl2_login(g.h, g.account, agent, "Phone");

    enable(&g, phone, "n", "");
    assert_int_equal(harness_ctl(g.h, NULL, &output, "logout", g.account->jid, strrchr(phone->jid, '/') + 1), 0);
    free(output);
    raw_expect_error(phone, "not-authorized");
    raw_free(&phone);
    client_barrier_via(g.romeo, g.account->jid);
    say(&g, "1");
    expect_push(&g, "witness", 1);
    client_expect_none(g.app, "iq[pubsub/publish[@node='n']]");
    free(agent);
    end(&g);
}

/* ---- limits and switches ---- */

static void there_are_no_more_registrations_than_allowed(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_login(h, harness_account(h), "phone");

    expect_result(r, "<enable xmlns='" NS_PUSH "' jid='p.example' node='1'/>");
    expect_result(r, "<enable xmlns='" NS_PUSH "' jid='p.example' node='2'/>");
    expect_result(r, "<enable xmlns='" NS_PUSH "' jid='p.example' node='3'/>");
    expect_error(r, "<enable xmlns='" NS_PUSH "' jid='p.example' node='4'/>", "policy-violation");
    expect_result(r, "<enable xmlns='" NS_PUSH "' jid='p.example' node='3'>" OPTIONS "</enable>");
    expect_result(r, "<disable xmlns='" NS_PUSH "' jid='p.example' node='1'/>");
    expect_result(r, "<enable xmlns='" NS_PUSH "' jid='p.example' node='4'/>");
    raw_free(&r);
}

static void sender_and_text_are_told_where_the_operator_allows_it(void **state)
{
    struct stage g;

    begin(&g, *state);
    leave_registration(&g, "phone", "n", "");
    say(&g, "Wherefore &lt;art&gt; thou?");
    const struct node *iq = expect_push(&g, "n", 1);
    char *path = text_format("iq/pubsub/publish/item/notification/x/field[@var='last-message-sender']/value[.='%s']",
                             g.romeo->jid);

    assert_true(node_matches(iq, path));
    free(path);
    assert_true(node_matches(iq, "iq/pubsub/publish/item/notification/x/field[@var='last-message-body']"
                                 "/value[.='Wherefore <art> thou?']"));
    char *large = malloc(3001);

    for (int i = 0; i < 1000; i++)
        memcpy(large + 3 * i, "\xe2\x82\xac", 3);
    large[3000] = '\0';
    accept_push(&g);
    say(&g, large);
    iq = expect_push(&g, "n", 2);
    large[1023] = '\0'; /* 341 of them: no half characters */
    path = text_format("iq/pubsub/publish/item/notification/x/field[@var='last-message-body']/value[.='%s']", large);
    assert_true(node_matches(iq, path));
    free(path);
    free(large);
    end(&g);
}

static void a_host_without_it_neither_offers_nor_does_it(void **state)
{
    struct harness *h = *state;
    struct client *c = client_login(h, harness_account_named(h, "plain", "plain.example", NULL), "one", 0);

    assert_false(node_matches(client_request(c, "get", c->bare, "<query xmlns='" NS_INFO "'/>"),
                              "iq/query/feature[@var='" NS_PUSH "']"));
    assert_true(node_matches(client_request(c, "set", NULL, "<enable xmlns='" NS_PUSH "' jid='p.example' node='n'/>"),
                             "iq[@type='error']/error/service-unavailable"));
}

int main(void)
{
    static const char *const settings[] = {
        "push.registrations = 3",     "push.max_errors = 3",      "push.timeout_s = 1", "push.late_s = 1",
        "push.include_sender = true", "push.include_body = true", "push.pause_ms = 0",  NULL};
    static const char *const quick[] = {"push.pause_ms = 0", NULL};
    static const struct harness_options usual = {.settings = quick,
                                                 .tables = "\n[[component]]\ndomain = \"" COMPONENT
                                                           "\"\nsecret = \"" SECRET "\"\n"},
                                        low = {.workers = 2,
                                               .settings = settings,
                                               .tables = "\n[[host]]\nname = \"plain.example\"\n"
                                                         "modules = [\"disco\", \"ping\", \"offline\"]\n"};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_account_says_that_it_can),
        HARNESS_TEST(the_examples_are_accepted),
        HARNESS_TEST(what_is_malformed_is_refused),
        HARNESS_TEST(nobody_enables_push_for_others),
        HARNESS_TEST(a_message_for_somebody_offline_is_told_of_without_sender_or_text),
        HARNESS_TEST(the_options_come_back_with_each_notification),
        HARNESS_TEST(a_client_that_is_there_is_not_woken_and_one_that_is_not_is),
        HARNESS_TEST(a_session_without_a_connection_is_told_of_and_the_count_begins_anew_when_it_is_back),
        HARNESS_TEST(what_was_on_its_way_when_the_connection_broke_is_told_of),
        HARNESS_TEST(what_nobody_wants_to_be_woken_for_is_not_counted),
        HARNESS_TEST(messages_while_a_notification_is_under_way_are_told_of_together),
        HARNESS_TEST(the_count_begins_anew_when_the_client_was_there),
        HARNESS_TEST(all_registrations_are_told_each_at_its_own_pace),
        HARNESS_TEST(what_is_disabled_is_not_told),
        HARNESS_TEST(a_node_that_is_gone_ends_the_registration_at_once),
        HARNESS_TEST(the_app_server_can_end_it_itself),
        HARNESS_TEST(a_component_may_be_the_app_server),
        HARNESS_TEST(an_answer_from_somebody_else_is_none),
        HARNESS_TEST(a_registration_lasts_when_the_server_is_killed),
        HARNESS_TEST(a_registration_ends_with_the_account),
        HARNESS_TEST(a_registration_ends_when_its_client_is_logged_out),
    };
    const struct CMUnitTest with_low_limits[] = {
        HARNESS_TEST(there_are_no_more_registrations_than_allowed),
        HARNESS_TEST(a_client_that_acknowledges_nothing_for_long_is_told_of_once),
        HARNESS_TEST(other_errors_end_it_when_there_were_too_many_in_a_row),
        HARNESS_TEST(an_app_server_that_is_not_there_or_silent_fails_too),
        HARNESS_TEST(sender_and_text_are_told_where_the_operator_allows_it),
        HARNESS_TEST(a_host_without_it_neither_offers_nor_does_it),
    };

    return harness_run_tests("push", tests, &usual) | harness_run_once("push, low limits", with_low_limits, &low);
}
