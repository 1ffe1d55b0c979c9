/* tests/integration/test_carbons.c - XEP-0280: what a person's other devices see of a conversation. */
#include "client.h"
#include "sasl2_client.h"

#define CARBONS   "urn:xmpp:carbons:2"
#define FORWARD   "urn:xmpp:forward:0"
#define STATES    "http://jabber.org/protocol/chatstates"
#define MUC_USER  "http://jabber.org/protocol/muc#user"
#define OTHER     "other.example"

#define SENT_COPY "message/sent[@xmlns='" CARBONS "']/forwarded[@xmlns='" FORWARD "']/message[@xmlns='jabber:client']"
#define RECEIVED_COPY                                                                                                  \
    "message/received[@xmlns='" CARBONS "']/forwarded[@xmlns='" FORWARD "']/message[@xmlns='jabber:client']"

static void enable(struct client *c)
{
    const struct node *answer = client_request(c, "set", NULL, "<enable xmlns='" CARBONS "'/>");

    assert_true(node_matches(answer, "iq[@type='result'][not(*)]"));
}

static void disable(struct client *c)
{
    const struct node *answer = client_request(c, "set", NULL, "<disable xmlns='" CARBONS "'/>");

    assert_true(node_matches(answer, "iq[@type='result'][not(*)]"));
}

/* Two devices of one person, online with the same priority and with carbons on, and somebody else. */
struct stage {
    struct client *garden, *home, *juliet;
};

static struct stage set_stage(struct harness *h)
{
    const struct account *romeo = harness_account(h);
    struct stage s = {client_login(h, romeo, "garden", 0), client_login(h, romeo, "home", 0), harness_login(h)};

    client_go_online(s.garden, 0);
    client_go_online(s.home, 0);
    client_go_online(s.juliet, 0);
    enable(s.garden);
    enable(s.home);
    client_barrier(s.garden);
    client_drain(s.garden);
    client_drain(s.home);
    client_drain(s.juliet);
    return s;
}

static void the_host_says_which_rules_it_follows(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *info =
        client_request(c, "get", DOMAIN, "<query xmlns='http://jabber.org/protocol/disco#info'/>");

    assert_true(node_matches(info, "iq/query[feature[@var='" CARBONS "']][feature[@var='urn:xmpp:carbons:rules:0']]"
                                   "[feature[@var='urn:xmpp:hints']]"));
}

/* ---- sections 4, 5, 10.1 ---- */

static void it_can_be_switched_on_and_off_as_often_as_one_likes(void **state)
{
    struct stage s = set_stage(*state);

    enable(s.home);
    client_send(s.juliet, "<message to='%s' type='chat'><body>1</body></message>", s.garden->jid);
    client_expect(s.home, RECEIVED_COPY "/body[.='1']");
    disable(s.home);
    disable(s.home);
    client_send(s.juliet, "<message to='%s' type='chat'><body>2</body></message>", s.garden->jid);
    client_sync(s.juliet, s.home);
    client_expect_none(s.home, "message");
    enable(s.home);
    client_send(s.juliet, "<message to='%s' type='chat'><body>3</body></message>", s.garden->jid);
    client_expect(s.home, RECEIVED_COPY "/body[.='3']");
    client_sync(s.juliet, s.home);
    client_expect_none(s.home, "message");
}

static void a_new_session_gets_no_copies_until_it_asks(void **state)
{
    struct harness *h = *state;
    struct stage s = set_stage(h);

    client_logout(s.home);
    struct client *again = client_login(h, h->accounts->next, "home", 0);

    assert_string_equal(again->bare, s.garden->bare);
    client_go_online(again, 0);
    client_send(s.juliet, "<message to='%s' type='chat'><body>1</body></message>", s.garden->jid);
    client_sync(s.juliet, again);
    client_expect_none(again, "message");
}

static void only_ones_own_sessions_can_be_switched(void **state)
{
    struct stage s = set_stage(*state);
    static const char *const payloads[] = {"enable", "disable"};

    for (size_t i = 0; i < 2; i++) {
        const struct node *a =
            client_request(s.juliet, "set", s.garden->bare, "<%s xmlns='" CARBONS "'/>", payloads[i]);
        const struct node *b = client_request(s.juliet, "set", DOMAIN, "<%s xmlns='" CARBONS "'/>", payloads[i]);
        const struct node *c = client_request(s.juliet, "get", NULL, "<%s xmlns='" CARBONS "'/>", payloads[i]);

        assert_true(node_matches(a, "iq[@type='error']/error/service-unavailable"));
        assert_true(node_matches(b, "iq[@type='error']/error/service-unavailable"));
        assert_true(node_matches(c, "iq[@type='error']/error/service-unavailable"));
    }
    const struct node *d = client_request(s.juliet, "set", NULL, "<other xmlns='" CARBONS "'/>");

    assert_true(node_matches(d, "iq[@type='error']/error/service-unavailable"));
}

static void a_host_without_the_module_neither_names_it_nor_copies(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account_named(h, "mercutio", OTHER, NULL);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0), *juliet = harness_login(h);
    const struct node *info =
        client_request(one, "get", OTHER, "<query xmlns='http://jabber.org/protocol/disco#info'/>");
    const struct node *answer = client_request(one, "set", NULL, "<enable xmlns='" CARBONS "'/>");

    assert_false(node_matches(info, "iq/query/feature[@var='" CARBONS "']"));
    assert_true(node_matches(answer, "iq[@type='error']/error/service-unavailable"));
    client_send(juliet, "<message to='%s' type='chat'><body>1</body></message>", two->jid);
    client_expect(two, "message/body[.='1']");
    client_sync(juliet, one);
    client_expect_none(one, "message");
}

/* ---- section 7 ---- */

static void what_one_device_receives_the_other_gets_forwarded(void **state)
{
    struct stage s = set_stage(*state);

    client_send(s.juliet,
                "<message to='%s' type='chat' id='m1' xml:lang='en'><body>What man art thou that, thus bescreen'd in "
                "night</body><thread>0e3141cd80894871a68e6fe6b1ec56fa</thread></message>",
                s.garden->jid);
    client_expect(s.garden, "message[@from='%s'][@to='%s'][@type='chat']/body", s.juliet->jid, s.garden->jid);
    client_expect(s.home,
                  "message[@type='chat'][@from='%s'][@to='%s'][not(@id)]/received[@xmlns='" CARBONS
                  "']/forwarded[@xmlns='" FORWARD "']/message[@xmlns='jabber:client'][@from='%s'][@to='%s']"
                  "[@type='chat'][@id='m1'][@xml:lang='en'][thread[.='0e3141cd80894871a68e6fe6b1ec56fa']]"
                  "/body[@xmlns='jabber:client']",
                  s.garden->bare, s.home->jid, s.juliet->jid, s.garden->jid);
    client_sync(s.juliet, s.garden);
    client_sync(s.juliet, s.home);
    client_expect_none(s.garden, "message");
    client_expect_none(s.home, "message");
}

static void nobody_gets_both_the_message_and_a_copy(void **state)
{
    struct stage s = set_stage(*state);

    client_send(s.juliet, "<message to='%s' type='chat'><body>1</body></message>", s.garden->bare);
    client_expect(s.garden, "message/body[.='1']");
    client_expect(s.home, "message/body[.='1']");
    client_send(s.home, "<presence><priority>3</priority></presence>");
    client_barrier(s.home);
    client_send(s.juliet, "<message to='%s' type='chat'><body>2</body></message>", s.garden->bare);
    client_expect(s.home, "message/body[.='2']");
    client_expect(s.garden, RECEIVED_COPY "[@to='%s']/body[.='2']", s.garden->bare);
    client_sync(s.juliet, s.garden);
    client_sync(s.juliet, s.home);
    client_expect_none(s.garden, "message");
    client_expect_none(s.home, "message");
}

static void a_message_for_a_device_that_is_gone_is_copied_too(void **state)
{
    struct stage s = set_stage(*state);

    client_send(s.home, "<presence><priority>-1</priority></presence>");
    client_barrier(s.home);
    client_send(s.juliet, "<message to='%s/gone' type='chat'><body>1</body></message>", s.garden->bare);
    client_expect(s.garden, "message/body[.='1']");
    client_expect(s.home, RECEIVED_COPY "[@to='%s/gone']/body[.='1']", s.garden->bare);
}

static void devices_without_presence_or_with_a_negative_one_get_copies(void **state)
{
    struct harness *h = *state;
    struct stage s = set_stage(h);
    struct client *silent = client_login(h, h->accounts->next, "silent", 0);

    assert_string_equal(silent->bare, s.garden->bare);
    enable(silent);
    client_send(s.home, "<presence><priority>-5</priority></presence>");
    client_barrier(s.home);
    client_send(s.juliet, "<message to='%s' type='chat'><body>1</body></message>", s.garden->bare);
    client_expect(s.garden, "message/body[.='1']");
    client_expect(s.home, RECEIVED_COPY "/body[.='1']");
    client_expect(silent, RECEIVED_COPY "/body[.='1']");
    client_send(s.garden, "<message to='%s' type='chat'><body>2</body></message>", s.juliet->jid);
    client_expect(s.home, SENT_COPY "/body[.='2']");
    client_expect(silent, SENT_COPY "/body[.='2']");
}

/* It is kept, and given to the first device that can take it: a copy would be the same message twice. */
static void a_message_that_nobody_took_is_given_once(void **state)
{
    struct stage s = set_stage(*state);

    client_send(s.garden, "<presence type='unavailable'/>");
    client_send(s.home, "<presence type='unavailable'/>");
    client_barrier(s.garden);
    client_barrier(s.home);
    client_drain(s.garden);
    client_drain(s.home);
    client_send(s.juliet, "<message to='%s' type='chat'><body>1</body></message>", s.garden->bare);
    client_barrier_via(s.juliet, s.garden->bare);
    client_go_online(s.garden, 0);
    client_expect_any(s.garden, "message[delay]/body[.='1']");
    client_sync(s.juliet, s.garden);
    client_sync(s.juliet, s.home);
    client_expect_none(s.garden, "message");
    client_expect_none(s.home, "message");
}

/* ---- section 8 ---- */

static void what_one_device_sends_the_other_gets_forwarded(void **state)
{
    struct stage s = set_stage(*state);

    disable(s.garden); /* who sends need not have it on */
    client_send(s.garden,
                "<message to='%s' type='chat' id='m2'><body>Neither, fair saint, if either thee dislike.</body>"
                "<thread>t</thread></message>",
                s.juliet->jid);
    client_expect(s.juliet, "message[@from='%s']/body", s.garden->jid);
    client_expect(s.home,
                  "message[@type='chat'][@from='%s'][@to='%s']/sent[@xmlns='" CARBONS "']/forwarded[@xmlns='" FORWARD
                  "']/message[@xmlns='jabber:client'][@from='%s'][@to='%s'][@type='chat'][@id='m2'][thread]/body",
                  s.garden->bare, s.home->jid, s.garden->jid, s.juliet->jid);
    enable(s.garden);
    client_send(s.garden, "<message to='%s' type='chat'><body>2</body></message>", s.juliet->jid);
    client_expect(s.home, SENT_COPY "/body[.='2']");
    client_sync(s.juliet, s.garden);
    client_sync(s.juliet, s.home);
    client_expect_none(s.garden, "message");
    client_expect_none(s.home, "message");
}

static void a_message_from_one_device_to_another_comes_once_to_each(void **state)
{
    struct harness *h = *state;
    struct stage s = set_stage(h);
    struct client *third = client_login(h, h->accounts->next, "third", 0);

    assert_string_equal(third->bare, s.garden->bare);
    client_go_online(third, -1);
    enable(third);
    client_barrier(s.garden);
    client_barrier(s.home);
    client_drain(s.garden);
    client_drain(s.home);
    client_send(s.garden, "<message to='%s' type='chat'><body>1</body></message>", s.home->jid);
    client_expect(s.home, "message[@from='%s']/body[.='1']", s.garden->jid);
    client_expect(third, RECEIVED_COPY "[@from='%s']/body[.='1']", s.garden->jid);
    client_send(s.garden, "<message to='%s' type='chat'><body>2</body></message>", s.garden->bare);
    client_expect(s.garden, "message[@from='%s']/body[.='2']", s.garden->jid);
    client_expect(s.home, "message[@from='%s']/body[.='2']", s.garden->jid);
    client_expect(third, RECEIVED_COPY "/body[.='2']");
    client_send(s.garden, "<message type='chat'><body>3</body></message>");
    client_expect(s.garden, "message[@from='%s']/body[.='3']", s.garden->jid);
    client_expect(s.home, "message/body[.='3']");
    client_expect(third, RECEIVED_COPY "/body[.='3']");
    client_expect_none(s.garden, "message");
    client_expect_none(s.home, "message");
    client_expect_none(third, "message");
}

static void a_copy_keeps_its_place_in_the_conversation(void **state)
{
    struct stage s = set_stage(*state);

    for (int i = 0; i < 40; i += 2) {
        client_send(s.juliet, "<message to='%s' type='chat'><body>%d</body></message>", s.garden->jid, i);
        client_expect(s.garden, "message/body[.='%d']", i);
        client_send(s.garden, "<message to='%s' type='chat'><body>%d</body></message>", s.juliet->jid, i + 1);
        client_expect(s.juliet, "message/body[.='%d']", i + 1);
    }
    for (int i = 0; i < 40; i += 2) {
        client_expect(s.home, RECEIVED_COPY "/body[.='%d']", i);
        client_expect(s.home, SENT_COPY "/body[.='%d']", i + 1);
    }
}

/* ---- section 6.1: which messages ---- */

static const struct {
    const char *type;
    const char *content;
    bool is_received_copied, is_sent_copied;
} eligible[] = {
    {"chat", "<body>x</body>", true, true},
    {"chat", "", true, true},
    {"chat", "<composing xmlns='" STATES "'/>", true, true},
    {"chat", "<encrypted xmlns='eu.siacs.conversations.axolotl'/><store xmlns='urn:xmpp:hints'/>", true, true},
    {"normal", "<body>x</body>", true, true},
    {"normal", "<subject>x</subject>", false, false},
    {"normal", "<x xmlns='urn:example:other'/>", false, false},
    {"normal", "<body xmlns='urn:example:other'>x</body>", false, false},
    {"normal", "<received xmlns='urn:xmpp:receipts' id='1'/>", true, true},
    {"normal", "<active xmlns='" STATES "'/>", true, true},
    {"normal", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", true, true},
    {"normal", "<reactions xmlns='urn:xmpp:reactions:0' id='1'><reaction>+</reaction></reactions>", true, true},
    {"normal", "<x xmlns='jabber:x:conference' jid='room@muc.example'/>", true, true},
    {"normal", "<x xmlns='" MUC_USER "'><invite from='a@b.example'/></x>", true, true},
    {"chat", "<body>x</body><x xmlns='" MUC_USER "'/>", false, true},
    {"groupchat", "<body>x</body>", false, false},
    {"headline", "<body>x</body>", false, false},
    {"something", "<body>x</body>", true, true}, /* counts as normal */
    {"chat", "<body>x</body><private xmlns='" CARBONS "'/>", false, false},
    {"chat", "<body>x</body><no-copy xmlns='urn:xmpp:hints'/>", false, false},
    {"chat", "<body>x</body><private xmlns='" CARBONS "'/><no-copy xmlns='urn:xmpp:hints'/>", false, false},
    {"chat", "<body>x</body><no-store xmlns='urn:xmpp:hints'/>", true, true},
    {"chat", "<body>x</body><private xmlns='urn:example:other'/>", true, true},
    {"chat", "<body>x</body><sent xmlns='" CARBONS "'/>", false, false},
    {"chat", "<body>x</body><received xmlns='" CARBONS "'/>", false, false},
};

static void the_rules_say_which_messages_are_copied(void **state)
{
    struct stage s = set_stage(*state);

    for (size_t i = 0; i < sizeof(eligible) / sizeof(eligible[0]); i++) {
        client_send(s.juliet, "<message to='%s' type='%s' id='in%zu'>%s</message>", s.garden->jid, eligible[i].type, i,
                    eligible[i].content);
        client_expect(s.garden, "message[@id='in%zu'][@from='%s']", i, s.juliet->jid);
        client_send(s.garden, "<message to='%s' type='%s' id='out%zu'>%s</message>", s.juliet->jid, eligible[i].type, i,
                    eligible[i].content);
        client_expect(s.juliet, "message[@id='out%zu']", i);
        if (eligible[i].is_received_copied)
            client_expect(s.home, RECEIVED_COPY "[@id='in%zu']", i);
        if (eligible[i].is_sent_copied)
            client_expect(s.home, SENT_COPY "[@id='out%zu']", i);
    }
    client_sync(s.juliet, s.home);
    client_expect_none(s.home, "message");
}

/* ---- section 9 ---- */

static void a_private_message_reaches_its_addressee_as_it_was_sent(void **state)
{
    struct stage s = set_stage(*state);

    client_send(s.juliet,
                "<message to='%s' type='chat'><body>1</body><private xmlns='" CARBONS
                "'/><no-copy xmlns='urn:xmpp:hints'/></message>",
                s.garden->jid);
    client_expect(s.garden, "message[private[@xmlns='" CARBONS "']][no-copy[@xmlns='urn:xmpp:hints']]/body[.='1']");
    client_sync(s.juliet, s.home);
    client_expect_none(s.home, "message");
}

/* ---- sections 6.1, 10.3: errors ---- */

static void an_error_follows_the_message_that_it_is_about(void **state)
{
    struct harness *h = *state;
    struct stage s = set_stage(h);
    const char *nobody = harness_nobody(h);

    client_send(s.garden, "<message to='%s' type='chat' id='e1'><body>1</body></message>", nobody);
    client_expect(s.home, SENT_COPY "[@id='e1']/body");
    client_expect(s.garden, "message[@type='error'][@id='e1']/error/service-unavailable");
    client_expect(s.home,
                  "message[@type='error'][@from='%s']/received/forwarded/message[@type='error'][@id='e1'][@from='%s']"
                  "[@to='%s']/error/service-unavailable",
                  s.garden->bare, nobody, s.garden->jid);
    client_send(s.garden, "<message to='%s' type='chat' id='e2'><body>2</body><private xmlns='" CARBONS "'/></message>",
                nobody);
    client_expect(s.garden, "message[@type='error'][@id='e2']");
    client_send(s.garden, "<message to='%s' type='groupchat' id='e3'><body>3</body></message>", nobody);
    client_expect(s.garden, "message[@type='error'][@id='e3']");
    client_expect_none(s.home, "message");
}

static void an_error_about_nothing_that_was_copied_is_not(void **state)
{
    struct stage s = set_stage(*state);

    client_send(s.garden, "<message to='%s' type='chat' id='x1'><body>1</body></message>", s.juliet->jid);
    client_expect(s.home, SENT_COPY "[@id='x1']/body");
    client_expect(s.juliet, "message/body");
    client_send(s.juliet,
                "<message to='%s' type='error' id='x2'><body>1</body><error type='cancel'><gone "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
                s.garden->jid);
    client_expect(s.garden, "message[@type='error'][@id='x2']");
    client_send(s.juliet,
                "<message to='%s' type='error' id='x1'><no-copy xmlns='urn:xmpp:hints'/><error "
                "type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
                s.garden->jid);
    client_expect(s.home, RECEIVED_COPY "[@type='error'][@id='x1']/error/gone"); /* hints of errors do not count */
    client_sync(s.juliet, s.home);
    client_expect_none(s.home, "message");
}

static void an_error_that_a_device_sends_is_copied_as_well(void **state)
{
    struct stage s = set_stage(*state);

    client_send(s.juliet, "<message to='%s' type='chat' id='y1'><body>1</body></message>", s.garden->jid);
    client_expect(s.garden, "message[@id='y1']");
    client_expect(s.home, RECEIVED_COPY "[@id='y1']");
    client_send(s.garden,
                "<message to='%s' type='error' id='y1'><error type='modify'><bad-request "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
                s.juliet->jid);
    client_expect(s.home, SENT_COPY "[@type='error'][@id='y1']");
}

static void a_copy_that_bounces_disturbs_nobody(void **state)
{
    struct stage s = set_stage(*state);

    client_send(s.juliet, "<message to='%s' type='chat' id='b1'><body>1</body></message>", s.garden->jid);
    client_expect(s.home, RECEIVED_COPY "[@id='b1']");
    client_expect(s.garden, "message[@id='b1']");
    client_send(s.home,
                "<message to='%s' type='error' id='b1'><error type='cancel'><service-unavailable "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
                s.garden->bare);
    client_barrier_via(s.home, s.juliet->bare);
    client_sync(s.garden, s.home);
    client_expect_none(s.garden, "message");
    client_expect_none(s.juliet, "message");
    client_expect_none(s.home, "message");
}

/* ---- sections 7, 11: what only looks like a copy ---- */

static void nobody_can_make_a_message_look_like_a_copy_of_the_server(void **state)
{
    struct stage s = set_stage(*state);
    static const char *const forged =
        "<received xmlns='" CARBONS "'><forwarded xmlns='" FORWARD "'><message xmlns='jabber:client' "
        "from='nurse@" DOMAIN "/x' to='%s' type='chat'><body>Thou shall meet me tonite</body></message></forwarded>"
        "</received>";
    char *payload = text_format(forged, s.home->jid);

    client_send(s.juliet, "<message to='%s' type='chat' from='%s'>%s</message>", s.home->jid, s.juliet->jid, payload);
    client_expect(s.home, "message[@from='%s']/received", s.juliet->jid);
    client_send(s.garden, "<message to='%s' type='chat'>%s</message>", s.home->jid, payload);
    client_expect(s.home, "message[@from='%s']/received", s.garden->jid);
    client_send(s.garden, "<message to='%s' type='chat'>%s</message>", s.home->bare, payload);
    client_expect(s.home, "message[@from='%s']/received", s.garden->jid);
    client_sync(s.juliet, s.home);
    client_expect_none(s.home, "message");
    free(payload);
}

/* ---- beside other protocols ---- */

/* A phone of the same person, by hand: with stream management, so that it can come back. */
struct phone {
    struct raw *r;
    const struct account *a;
    char *id;   /* of its session */
    unsigned h; /* stanzas it has */
};

/* The next stanza must match. */
static void phone_expect(struct phone *p, const char *path)
{
    const struct node *n;

    do
        n = raw_expect(p->r, "*");
    while (node_matches(n, "r") || node_matches(n, "a"));
    p->h++;
    if (!node_matches(n, path))
        test_fail("this is not %s: %s", path, node_describe(n));
}

static void phone_begin(struct phone *p, struct harness *h, const struct account *a)
{
    *p = (struct phone){.r = raw_login(h, a, "phone"), .a = a};
    raw_send(p->r, "<enable xmlns='" NS_SM "' resume='true'/>");
    p->id = strdup(node_attr(raw_expect(p->r, "enabled[@id]"), "id"));
    raw_send(p->r,
             "<iq type='set' id='c'><enable xmlns='" CARBONS "'/></iq><presence><priority>-1</priority></presence>");
    phone_expect(p, "iq[@type='result'][@id='c']");
    phone_expect(p, "presence");
}

static void phone_resume(struct phone *p, struct harness *h)
{
    p->r = raw_secure(h, NULL);
    raw_plain(p->r, p->a);
    raw_send(p->r, "<resume xmlns='" NS_SM "' previd='%s' h='%u'/>", p->id, p->h);
    raw_expect(p->r, "resumed[@previd='%s']", p->id);
}

static void phone_end(struct phone *p)
{
    raw_free(&p->r);
    free(p->id);
}

static void a_device_that_lost_its_connection_finds_its_copies_when_it_is_back(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *garden = client_login(h, a, "garden", 0), *juliet = harness_login(h);
    size_t mark = harness_log_mark(h);
    struct phone p;

    phone_begin(&p, h, a);
    raw_free(&p.r);
    free(harness_log_wait(h, mark, "session.hibernating", "phone"));
    client_send(juliet, "<message to='%s' type='chat'><body>1</body></message>", garden->jid);
    client_expect(garden, "message/body[.='1']");
    client_send(garden, "<message to='%s' type='chat'><body>2</body></message>", juliet->jid);
    client_expect(juliet, "message/body[.='2']");
    phone_resume(&p, h);
    phone_expect(&p, RECEIVED_COPY "/body[.='1']");
    phone_expect(&p, SENT_COPY "/body[.='2']");
    client_send(juliet, "<message to='%s' type='chat'><body>3</body></message>", garden->jid);
    phone_expect(&p, RECEIVED_COPY "/body[.='3']");
    phone_end(&p);
}

static void a_resumed_session_gets_copies_after_a_restart_too(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct phone p;

    phone_begin(&p, h, a);
    harness_stop(h);
    raw_free(&p.r);
    client_forget_all(h);
    harness_start(h);
    phone_resume(&p, h);
    struct client *garden = client_login(h, a, "garden", 0), *juliet = harness_login(h);

    client_send(juliet, "<message to='%s' type='chat'><body>1</body></message>", garden->jid);
    phone_expect(&p, RECEIVED_COPY "/body[.='1']");
    phone_end(&p);
}

static void an_inactive_device_is_not_woken_by_the_copy_of_a_chat_state(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *garden = client_login(h, a, "garden", 0), *juliet = harness_login(h);
    struct phone p;

    phone_begin(&p, h, a);
    raw_send(p.r, "<inactive xmlns='urn:xmpp:csi:0'/><r xmlns='" NS_SM "'/>");
    raw_expect(p.r, "a");
    client_send(juliet, "<message to='%s' type='chat'><composing xmlns='" STATES "'/></message>", garden->jid);
    client_expect(garden, "message/composing");
    client_send(garden, "<message to='%s' type='chat'><active xmlns='" STATES "'/></message>", juliet->jid);
    client_expect(juliet, "message/active");
    raw_send(p.r, "<r xmlns='" NS_SM "'/>");
    raw_expect(p.r, "a");
    client_send(juliet, "<message to='%s' type='chat'><body>1</body></message>", garden->jid);
    phone_expect(&p, RECEIVED_COPY "/body[.='1']"); /* which are not kept until then either */
    phone_end(&p);
}

/* XEP-0386 */
static void a_session_can_be_bound_with_it(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *garden = client_login(h, a, "garden", 0), *juliet = harness_login(h);
    struct raw *with = raw_secure(h, NULL), *without = raw_secure(h, NULL);

    (void)sasl2_plain(with, a, "<bind xmlns='" NS_BIND2 "'><enable xmlns='" CARBONS "'/></bind>");
    (void)sasl2_plain(without, a, "<bind xmlns='" NS_BIND2 "'/>");
    assert_non_null(with->jid);
    assert_non_null(without->jid);
    client_send(juliet, "<message to='%s' type='chat'><body>1</body></message>", garden->jid);
    raw_expect(with, RECEIVED_COPY "/body[.='1']");
    client_expect(garden, "message/body[.='1']");
    raw_expect_quiet(without);
    raw_free(&with);
    raw_free(&without);
}

/* XEP-0313, XEP-0359 */
static void copies_have_the_id_of_the_archive(void **state)
{
    struct stage s = set_stage(*state);
    const char *id = "stanza-id[@xmlns='urn:xmpp:sid:0']";
    char *delivered = text_format("message/%s", id), *received = text_format(RECEIVED_COPY "/%s", id),
         *sent = text_format(SENT_COPY "/%s", id);

    client_send(s.juliet, "<message to='%s' type='chat'><body>1</body></message>", s.garden->jid);
    const struct node *message = node_find(client_expect(s.garden, "%s", delivered), delivered);
    const struct node *copy = node_find(client_expect(s.home, "%s", received), received);

    assert_string_equal(node_attr(message, "id"), node_attr(copy, "id"));
    assert_string_equal(node_attr(copy, "by"), s.garden->bare);
    client_send(s.garden, "<message to='%s' type='chat'><body>2</body></message>", s.juliet->jid);
    copy = node_find(client_expect(s.home, "%s", sent), sent);
    assert_string_equal(node_attr(copy, "by"), s.garden->bare);
    /* What the others are shown is their own archive's. */
    client_expect(s.juliet, "message[not(stanza-id[@by='%s'])]/stanza-id[@by='%s']", s.garden->bare, s.juliet->bare);
    free(delivered);
    free(received);
    free(sent);
}

int main(void)
{
    static const struct harness_options options = {
        .tables = "[[host]]\nname = \"" OTHER "\"\nmodules = [\"disco\", \"ping\"]\n",
    };
    static const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_host_says_which_rules_it_follows),
        HARNESS_TEST(it_can_be_switched_on_and_off_as_often_as_one_likes),
        HARNESS_TEST(a_new_session_gets_no_copies_until_it_asks),
        HARNESS_TEST(only_ones_own_sessions_can_be_switched),
        HARNESS_TEST(a_host_without_the_module_neither_names_it_nor_copies),
        HARNESS_TEST(what_one_device_receives_the_other_gets_forwarded),
        HARNESS_TEST(nobody_gets_both_the_message_and_a_copy),
        HARNESS_TEST(a_message_for_a_device_that_is_gone_is_copied_too),
        HARNESS_TEST(devices_without_presence_or_with_a_negative_one_get_copies),
        HARNESS_TEST(a_message_that_nobody_took_is_given_once),
        HARNESS_TEST(what_one_device_sends_the_other_gets_forwarded),
        HARNESS_TEST(a_message_from_one_device_to_another_comes_once_to_each),
        HARNESS_TEST(a_copy_keeps_its_place_in_the_conversation),
        HARNESS_TEST(the_rules_say_which_messages_are_copied),
        HARNESS_TEST(a_private_message_reaches_its_addressee_as_it_was_sent),
        HARNESS_TEST(an_error_follows_the_message_that_it_is_about),
        HARNESS_TEST(an_error_about_nothing_that_was_copied_is_not),
        HARNESS_TEST(an_error_that_a_device_sends_is_copied_as_well),
        HARNESS_TEST(a_copy_that_bounces_disturbs_nobody),
        HARNESS_TEST(nobody_can_make_a_message_look_like_a_copy_of_the_server),
        HARNESS_TEST(a_device_that_lost_its_connection_finds_its_copies_when_it_is_back),
        HARNESS_TEST(a_resumed_session_gets_copies_after_a_restart_too),
        HARNESS_TEST(an_inactive_device_is_not_woken_by_the_copy_of_a_chat_state),
        HARNESS_TEST(a_session_can_be_bound_with_it),
        HARNESS_TEST(copies_have_the_id_of_the_archive),
    };

    return harness_run_tests("carbons", tests, &options);
}
