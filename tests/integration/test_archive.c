/* tests/integration/test_archive.c - XEP-0313: what is in an archive, and how it is read; XEP-0359, XEP-0059. */
#include "archive.h"

#define CARBONS "urn:xmpp:carbons:2"
#define OFF     "off.example"

struct pair {
    struct client *romeo, *juliet;
};

static struct pair two_online(struct harness *h)
{
    struct pair p = {harness_login(h), harness_login(h)};

    client_go_online(p.romeo, 0);
    client_go_online(p.juliet, 0);
    return p;
}

static void say_numbered(struct client *from, const char *to, int first, int n)
{
    for (int i = first; i < first + n; i++)
        client_send(from, "<message to='%s' type='chat'><body>%d</body></message>", to, i);
    client_barrier_via(from, to);
}

/* ---- section 8 ---- */

static void an_account_says_that_it_has_an_archive(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *info =
        client_request(c, "get", c->bare, "<query xmlns='http://jabber.org/protocol/disco#info'/>");

    assert_true(node_matches(info, "iq/query[feature[@var='" MAM "']][feature[@var='" MAM "#extended']]"
                                   "[feature[@var='" SID "']][feature[@var='" MAM "#groupchat-field']]"
                                   "[feature[@var='" RETRACT "']][feature[@var='" RETRACT "#tombstone']]"));
}

/* Where some clients look for it; there is nothing to read there, and nothing of an account's. */
static void the_host_says_that_its_accounts_have_one_and_has_none_itself(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *info =
        client_request(c, "get", DOMAIN, "<query xmlns='http://jabber.org/protocol/disco#info'/>");

    assert_true(node_matches(info, "iq/query/feature[@var='" MAM "']"));
    assert_true(node_matches(client_request(c, "set", DOMAIN, "<query xmlns='" MAM "'/>"),
                             "iq[@type='error']/error/service-unavailable"));
}

static void where_the_module_is_off_there_is_none(void **state)
{
    struct harness *h = *state;
    char user[40];

    snprintf(user, sizeof(user), "off%u", h->options.workers);
    const struct account *a = harness_account_named(h, user, OFF, NULL);
    struct client *c = client_login(h, a, "one", 0), *romeo = harness_login(h);
    const struct node *info =
        client_request(c, "get", c->bare, "<query xmlns='http://jabber.org/protocol/disco#info'/>");

    assert_false(node_matches(info, "iq/query/feature[@var='" MAM "']"));
    archive_refused(c, "service-unavailable", ALL);
    client_go_online(c, 0);
    say(romeo, c->bare, "hello");
    client_expect(c, "message[body][not(stanza-id)]");
}

/* ---- sections 3 and 4.2 ---- */

static void both_sides_of_a_conversation_have_it_each_once(void **state)
{
    struct pair p = two_online(*state);

    say(p.romeo, p.juliet->jid, "one");
    client_expect(p.juliet, "message/body[.='one']");
    say(p.juliet, p.romeo->bare, "two");
    client_expect(p.romeo, "message/body[.='two']");
    archive_expect(p.romeo, "one two", ALL);
    archive_expect(p.juliet, "one two", ALL);
}

static void a_result_has_the_message_as_it_was_with_its_id_and_time(void **state)
{
    struct pair p = two_online(*state);

    client_send(p.romeo,
                "<message to='%s' type='chat' id='first' xml:lang='en'><body>Art thou not Romeo?</body>"
                "<x:thing xmlns:x='urn:example:thing' x:a='&lt;&apos;'>&amp;</x:thing></message>",
                p.juliet->jid);
    const struct node *live = client_expect(p.juliet, "message[body]");
    struct found f = archive_ask(p.juliet, ALL);

    assert_int_equal(f.n, 1);
    const struct node *result = node_find(f.results[0], "message/result[@queryid='q']");

    assert_non_null(result);
    assert_string_equal(node_attr(f.results[0], "from"), p.juliet->bare);
    assert_string_equal(node_attr(f.results[0], "to"), p.juliet->jid);
    assert_true(
        node_matches(result, "result/forwarded[@xmlns='urn:xmpp:forward:0'][delay[@xmlns='urn:xmpp:delay'][@stamp]]"));
    const struct node *m = node_find(result, "result/forwarded/message[@xmlns='jabber:client'][@type='chat']"
                                             "[@id='first'][@lang='en']");
    if (m == NULL)
        m = node_find(result, "result/forwarded/message[@xmlns='jabber:client'][@type='chat'][@id='first']");
    assert_non_null(m);
    assert_string_equal(node_attr(m, "from"), p.romeo->jid);
    assert_string_equal(node_attr(m, "to"), p.juliet->jid);
    assert_true(node_matches(m, "message[body[@xmlns='jabber:client'][.='Art thou not Romeo?']]"
                                "[thing[@xmlns='urn:example:thing'][@a=\"<'\"][.='&']]"));
    assert_string_equal(node_attr(node_find(live, "message/stanza-id[@xmlns='" SID "']"), "id"), archive_id(&f, 0));
    assert_true(node_matches(f.answer, "iq[@type='result']/fin[@xmlns='" MAM "'][@complete='true']/set[@xmlns='" RSM
                                       "'][first][last]"));
}

static void the_id_is_the_same_live_in_the_archive_and_in_every_copy(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0), *romeo = harness_login(h);

    client_go_online(one, 0);
    client_go_online(two, 0);
    client_go_online(romeo, 0);
    client_request(two, "set", NULL, "<enable xmlns='" CARBONS "'/>");
    client_send(romeo, "<message to='%s' type='chat'><body>in</body></message>", one->jid);
    const struct node *live = client_expect_any(one, "message[body[.='in']]");
    const struct node *copy = client_expect_any(two, "message/received");
    client_send(one, "<message to='%s' type='chat'><body>out</body></message>", romeo->jid);
    const struct node *sent = client_expect_any(two, "message/sent");
    const struct node *theirs = client_expect_any(romeo, "message[body[.='out']]");
    struct found f = archive_ask(one, ALL), g = archive_ask(romeo, ALL);

    assert_string_equal(archive_texts(&f), "in out");
    assert_string_equal(node_attr(node_find(live, "message/stanza-id"), "id"), archive_id(&f, 0));
    assert_string_equal(node_attr(node_find(live, "message/stanza-id"), "by"), one->bare);
    assert_string_equal(node_attr(node_find(copy, "message/received/forwarded/message/stanza-id"), "id"),
                        archive_id(&f, 0));
    assert_string_equal(node_attr(node_find(sent, "message/sent/forwarded/message/stanza-id"), "id"),
                        archive_id(&f, 1));
    assert_string_equal(node_attr(node_find(sent, "message/sent/forwarded/message/stanza-id"), "by"), one->bare);
    /* section 3.3: whoever it is sent to is not told where the sender keeps it */
    assert_int_equal(node_count(theirs, "stanza-id"), 1);
    assert_string_equal(node_attr(node_find(theirs, "message/stanza-id"), "by"), romeo->bare);
    assert_string_equal(node_attr(node_find(theirs, "message/stanza-id"), "id"), archive_id(&g, 1));
}

static void ids_rise_in_the_order_of_delivery_whoever_sent_it(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *senders[3];
    char last[64] = "";

    client_go_online(juliet, 0);
    for (int i = 0; i < 3; i++)
        senders[i] = harness_login_on(h, (unsigned)i % h->options.workers);
    for (int i = 0; i < 60; i++)
        client_send(senders[i % 3], "<message to='%s' type='chat'><body>%d</body></message>", juliet->jid, i);
    for (int i = 0; i < 60; i++) {
        const char *id = node_attr(node_find(client_expect(juliet, "message/body"), "message/stanza-id"), "id");

        assert_true(strcmp(last, id) < 0);
        snprintf(last, sizeof(last), "%s", id);
    }
    struct found f = archive_ask(juliet, PAGE("<max>100</max>"));

    assert_int_equal(f.n, 60);
    assert_string_equal(archive_id(&f, 59), last);
}

/* ---- XEP-0359 section 4 ---- */

static void an_id_forged_in_the_accounts_name_is_stripped_and_others_are_not(void **state)
{
    struct pair p = two_online(*state);

    client_send(p.romeo,
                "<message to='%s' type='chat'><body>x</body><stanza-id xmlns='" SID "' by='%s' id='forged'/>"
                "<stanza-id xmlns='" SID "' by='%s' id='spelt otherwise'/>"
                "<stanza-id xmlns='" SID "' by='room@muc.example' id='theirs'/>"
                "<origin-id xmlns='" SID "' id='mine'/><keep xmlns='urn:example:keep'/></message>",
                p.juliet->jid, p.juliet->bare, "JUL&#x69;et@elsewhere.example");
    const struct node *m = client_expect(p.juliet, "message[body[.='x']][keep][origin-id[@id='mine']]"
                                                   "[stanza-id[@by='room@muc.example'][@id='theirs']]"
                                                   "[not(stanza-id[@id='forged'])]");
    assert_int_equal(node_count(m, "stanza-id"), 3); /* its own, the room's, and that of elsewhere */
    struct found f = archive_ask(p.juliet, ALL);

    assert_true(node_matches(f.results[0], "message/result/forwarded/message[not(stanza-id[@id='forged'])]"));
    /* also where nothing is archived */
    client_send(p.romeo,
                "<message to='%s' type='headline'><body>y</body><stanza-id xmlns='" SID
                "' by='%s' id='forged'/></message>",
                p.juliet->jid, p.juliet->bare);
    client_expect(p.juliet, "message[@type='headline'][body[.='y']][not(stanza-id)]");
}

static void an_address_spelt_differently_is_the_same_address(void **state)
{
    struct pair p = two_online(*state);
    char loud[128];

    for (size_t i = 0; i <= strlen(p.juliet->bare); i++) {
        char c = p.juliet->bare[i];

        loud[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    client_send(p.romeo,
                "<message to='%s' type='chat'><body>x</body><stanza-id xmlns='" SID "' by='%s' id='forged'/></message>",
                p.juliet->jid, loud);
    const struct node *m = client_expect(p.juliet, "message[body[.='x']][not(stanza-id[@id='forged'])]");
    assert_int_equal(node_count(m, "stanza-id"), 1);
}

/* ---- what is archived: section 6.1.1, XEP-0334 and the XEPs named ---- */

static void what_says_something_is_archived_and_nothing_else(void **state)
{
    static const struct {
        const char *name, *type, *content;
        bool is_archived;
    } rows[] = {
        {"chat", "chat", "<body>b</body>", true},
        {"normal", "normal", "<body>b</body>", true},
        {"no-type", NULL, "<body>b</body>", true},
        {"headline", "headline", "<body>b</body>", false},
        {"receipt", NULL, "<received xmlns='urn:xmpp:receipts' id='1'/>", true},
        {"asks-for-one", NULL, "<request xmlns='urn:xmpp:receipts'/>", false},
        {"displayed", "chat", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", true},
        {"markable", "chat", "<markable xmlns='urn:xmpp:chat-markers:0'/>", false},
        {"reaction", "chat", "<reactions id='1' xmlns='urn:xmpp:reactions:0'><reaction>x</reaction></reactions>", true},
        {"reply", "chat", "<body>b</body><reply to='a@b' id='1' xmlns='urn:xmpp:reply:0'/>", true},
        {"correction", "chat", "<body>c</body><replace id='1' xmlns='urn:xmpp:message-correct:0'/>", true},
        {"retraction", "chat", "<retract id='nothing' xmlns='" RETRACT "'/>", true},
        {"state", "chat", "<composing xmlns='http://jabber.org/protocol/chatstates'/>", false},
        {"state-stored", "chat", "<composing xmlns='http://jabber.org/protocol/chatstates'/><store xmlns='" HINTS "'/>",
         true},
        {"body-and-state", "chat", "<body>b</body><active xmlns='http://jabber.org/protocol/chatstates'/>", true},
        {"empty", "chat", "", false},
        {"empty-body", "chat", "<body/>", false},
        {"no-store", "chat", "<body>b</body><no-store xmlns='" HINTS "'/>", false},
        {"no-permanent-store", "chat", "<body>b</body><no-permanent-store xmlns='" HINTS "'/>", false},
        {"both-hints", "chat", "<body>b</body><store xmlns='" HINTS "'/><no-store xmlns='" HINTS "'/>", false},
        {"encrypted", "chat", "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'/></encrypted>", true},
        {"invitation", NULL, "<x xmlns='jabber:x:conference' jid='room@muc.example'/>", true},
    };
    struct pair p = two_online(*state);
    char want[1024] = "";

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char type[32] = "";

        if (rows[i].type != NULL)
            snprintf(type, sizeof(type), " type='%s'", rows[i].type);
        client_send(p.romeo, "<message to='%s' id='%s'%s>%s</message>", p.juliet->jid, rows[i].name, type,
                    rows[i].content);
        const struct node *m = client_expect(p.juliet, "message[@id='%s']", rows[i].name);

        if (node_matches(m, "message/stanza-id") != rows[i].is_archived)
            test_fail("%s: stanza-id", rows[i].name);
        if (rows[i].is_archived)
            snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s ", rows[i].name);
    }
    for (int side = 0; side < 2; side++) {
        struct found f = archive_ask(side == 0 ? p.romeo : p.juliet, ALL);
        char got[1024] = "";

        for (size_t i = 0; i < f.n; i++)
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s ",
                     node_attr(node_find(f.results[i], "message/result/forwarded/message"), "id"));
        assert_string_equal(got, want);
    }
}

static void what_somebody_says_to_himself_is_there_once(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0), *romeo = harness_login(h);

    client_go_online(one, 0);
    client_go_online(two, 0);
    say(one, one->bare, "bare");
    say(one, two->jid, "full");
    client_send(one, "<message type='chat'><body>nobody</body></message>");
    client_barrier(one);
    say(one, romeo->jid, "other");
    archive_expect(one, "bare full nobody other", ALL);
    archive_expect(one, "bare full nobody", FORM("<field var='with'><value>%s</value></field>"), one->bare);
}

static void what_was_refused_is_not_in_the_archive_of_who_refused_it(void **state)
{
    struct pair p = two_online(*state);

    client_send(p.romeo, "<message to='%s/nowhere' type='normal' id='n'><body>no</body></message>", p.juliet->bare);
    client_expect_any(p.romeo, "message[@type='error'][@id='n']");
    client_request(p.juliet, "set", NULL, "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>", p.romeo->bare);
    client_send(p.romeo, "<message to='%s' type='chat' id='b'><body>blocked</body></message>", p.juliet->bare);
    client_expect_any(p.romeo, "message[@type='error'][@id='b']");
    archive_expect(p.juliet, "", ALL);
}

/* ---- section 4.1 ---- */

static void a_query_finds_those_of_one_contact(void **state)
{
    struct harness *h = *state;
    struct pair p = two_online(h);
    const struct account *a = harness_account(h);
    struct client *desk = client_login(h, a, "desk", 0), *hand = client_login(h, a, "hand", 0);

    say(p.romeo, p.juliet->bare, "1");
    say(desk, p.juliet->bare, "2");
    say(hand, p.juliet->bare, "3");
    say(p.juliet, p.romeo->bare, "4");
    say(p.juliet, a->jid, "5");
    say(p.juliet, desk->jid, "6");
    client_barrier(p.juliet);
    client_drain(p.juliet);
    archive_expect(p.juliet, "1 4", FORM("<field var='with'><value>%s</value></field>"), p.romeo->bare);
    archive_expect(p.juliet, "2 3 5 6", FORM("<field var='with'><value>%s</value></field>"), a->jid);
    archive_expect(p.juliet, "2 6", FORM("<field var='with' type='jid-single'><value>%s</value></field>"), desk->jid);
    archive_expect(p.juliet, "3", FORM("<field var='with'><value>%s</value></field>"), hand->jid);
    archive_expect(p.juliet, "", FORM("<field var='with'><value>%s/other</value></field>"), a->jid);
    archive_expect(p.juliet, "", FORM("<field var='with'><value>%s</value></field>"), p.juliet->bare);
    archive_expect(p.juliet, "", FORM(FIELD("with", "nobody@nowhere.example")));
    archive_expect(p.juliet, "2 3", FORM("<field var='with'><value>%s</value></field>") PAGE("<max>2</max>"), a->jid);
    archive_expect(p.juliet, "5 6", FORM("<field var='with'><value>%s</value></field>") PAGE("<max>2</max><before/>"),
                   a->jid);
}

static void a_query_finds_those_of_a_span_of_time(void **state)
{
    struct pair p = two_online(*state);
    char stamps[5][64];

    for (int i = 0; i < 5; i++) {
        say_numbered(p.romeo, p.juliet->bare, i, 1);
        client_pump(*state, 3); /* so that no two share a millisecond */
    }
    client_barrier(p.juliet);
    client_drain(p.juliet);
    struct found f = archive_ask(p.juliet, ALL);

    for (size_t i = 0; i < 5; i++)
        snprintf(stamps[i], sizeof(stamps[i]), "%s",
                 node_attr(node_find(f.results[i], "message/result/forwarded/delay"), "stamp"));
    archive_expect(p.juliet, "2 3 4", FORM("<field var='start'><value>%s</value></field>"), stamps[2]);
    archive_expect(p.juliet, "0 1 2", FORM("<field var='end'><value>%s</value></field>"), stamps[2]);
    archive_expect(p.juliet, "1 2 3",
                   FORM("<field var='start'><value>%s</value></field><field var='end'><value>%s</value></field>"),
                   stamps[1], stamps[3]);
    archive_expect(p.juliet, "", FORM(FIELD("start", "2100-01-01T00:00:00Z")));
    archive_expect(p.juliet, "", FORM(FIELD("end", "1969-07-21T02:56:15Z")));
    archive_expect(p.juliet, "0 1 2 3 4", FORM(FIELD("start", "1969-07-20T21:56:15-05:00")));
}

static void a_query_finds_what_lies_between_two_ids_and_single_ones(void **state)
{
    struct pair p = two_online(*state);

    say_numbered(p.romeo, p.juliet->bare, 0, 6);
    client_barrier(p.juliet);
    client_drain(p.juliet);
    struct found f = archive_ask(p.juliet, ALL);

    archive_expect(p.juliet, "3 4 5", FORM("<field var='after-id'><value>%s</value></field>"), archive_id(&f, 2));
    archive_expect(p.juliet, "0 1", FORM("<field var='before-id'><value>%s</value></field>"), archive_id(&f, 2));
    archive_expect(
        p.juliet, "2 3",
        FORM("<field var='after-id'><value>%s</value></field><field var='before-id'><value>%s</value></field>"),
        archive_id(&f, 1), archive_id(&f, 4));
    archive_expect(p.juliet, "0", FORM("<field var='before-id'><value>%s</value></field>") PAGE("<max>1</max>"),
                   archive_id(&f, 3));
    archive_expect(p.juliet, "2 3",
                   FORM("<field var='before-id'><value>%s</value></field>") PAGE("<max>5</max><after>%s</after>"),
                   archive_id(&f, 4), archive_id(&f, 1));
    archive_expect(p.juliet, "1 4",
                   FORM("<field var='ids'><value>%s</value><value>%s</value><value>%s</value></field>"),
                   archive_id(&f, 4), archive_id(&f, 1), archive_id(&f, 4));
    archive_expect(p.juliet, "4", FORM("<field var='ids'><value>%s</value></field>"), archive_id(&f, 4));
}

static void ids_of_more_than_a_page_holds_come_page_by_page(void **state)
{
    enum { BYTES = 200 * 1000, N = 25 };
    struct pair p = two_online(*state);
    char *text = malloc(BYTES + 1), *ids = calloc(N, 64);
    struct found f;
    int n = 0, back = 0;

    memset(text, 'x', BYTES);
    text[BYTES] = '\0';
    for (int i = 0; i < N; i++) {
        client_send(p.romeo, "<message to='%s' type='chat'><body>%s</body></message>", p.juliet->bare, text);
        const struct node *m = client_expect(p.juliet, "message[body]");

        snprintf(ids + strlen(ids), 64, "<value>%s</value>", node_attr(node_find(m, "message/stanza-id"), "id"));
    }
    f = archive_ask(p.juliet, FORM("<field var='ids'>%s</field>"), ids);
    for (n = (int)f.n; !node_matches(f.answer, "iq/fin[@complete='true']"); n += (int)f.n) {
        assert_in_range(f.n, 1, N - 1);
        f = archive_ask(p.juliet, FORM("<field var='ids'>%s</field>") PAGE("<after>%s</after>"), ids,
                        archive_id(&f, f.n - 1));
    }
    assert_int_equal(n, N);
    f = archive_ask(p.juliet, FORM("<field var='ids'>%s</field>") PAGE("<before/>"), ids);
    for (back = (int)f.n; !node_matches(f.answer, "iq/fin[@complete='true']"); back += (int)f.n) {
        assert_in_range(f.n, 1, N - 1);
        f = archive_ask(p.juliet, FORM("<field var='ids'>%s</field>") PAGE("<before>%s</before>"), ids,
                        archive_id(&f, 0));
    }
    assert_int_equal(back, N);
    free(text);
    free(ids);
}

static void an_id_that_is_not_in_the_archive_is_an_error(void **state)
{
    struct pair p = two_online(*state);

    say(p.romeo, p.juliet->bare, "x");
    client_barrier(p.juliet);
    client_drain(p.juliet);
    struct found f = archive_ask(p.romeo, ALL), g = archive_ask(p.juliet, ALL);
    const char *theirs = archive_id(&f, 0), *own = archive_id(&g, 0); /* one message, two archives */

    for (int i = 0; i < 2; i++) {
        const char *bad = i == 0 ? theirs : "not-an-id";

        archive_refused(p.juliet, "item-not-found", FORM("<field var='before-id'><value>%s</value></field>"), bad);
        archive_refused(p.juliet, "item-not-found", FORM("<field var='after-id'><value>%s</value></field>"), bad);
        archive_refused(p.juliet, "item-not-found", FORM("<field var='ids'><value>%s</value><value>%s</value></field>"),
                        own, bad);
        archive_refused(p.juliet, "item-not-found", PAGE("<after>%s</after>"), bad);
        archive_refused(p.juliet, "item-not-found", PAGE("<before>%s</before>"), bad);
    }
    archive_expect(p.juliet, "x", FORM("<field var='ids'><value>%s</value></field>"), own);
}

static void the_form_names_all_fields(void **state)
{
    static const struct {
        const char *var, *type;
    } fields[] = {{"with", "jid-single"},       {"start", "text-single"},    {"end", "text-single"},
                  {"before-id", "text-single"}, {"after-id", "text-single"}, {"include-groupchat", "boolean"}};
    struct client *c = harness_login(*state);
    const struct node *form = client_request(c, "get", NULL, "<query xmlns='" MAM "'/>");

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        char path[256];

        snprintf(path, sizeof(path),
                 "iq/query[@xmlns='" MAM "']/x[@xmlns='jabber:x:data'][@type='form']/"
                 "field[@var='%s'][@type='%s'][not(required)]",
                 fields[i].var, fields[i].type);
        if (!node_matches(form, path))
            test_fail("%s is not in the form", fields[i].var);
    }
    assert_true(node_matches(
        form, "iq/query/x[field[@var='FORM_TYPE'][@type='hidden']/value[.='" MAM "']]"
              "[field[@var='ids'][@type='list-multi']/"
              "validate[@xmlns='http://jabber.org/protocol/xdata-validate'][@datatype='xs:string']/open]"));
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct pair p = two_online(*state);

    archive_refused(p.romeo, "feature-not-implemented", FORM(FIELD("{http://example.com/}free-text", "x")));
    archive_refused(p.romeo, "feature-not-implemented", PAGE("<index>3</index>"));
    archive_refused(p.romeo, "bad-request", FORM(FIELD("start", "yesterday")));
    archive_refused(p.romeo, "bad-request", FORM(FIELD("end", "2010-02-30T00:00:00Z")));
    archive_refused(p.romeo, "bad-request",
                    FORM(FIELD("start", "2010-02-01T00:00:00Z") FIELD("start", "2010-02-01T00:00:00Z")));
    archive_refused(p.romeo, "bad-request", FORM(FIELD("include-groupchat", "perhaps")));
    archive_refused(p.romeo, "jid-malformed", FORM(FIELD("with", "@")));
    archive_refused(p.romeo, "bad-request", PAGE("<max>many</max>"));
    archive_refused(p.romeo, "bad-request",
                    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' "
                    "type='hidden'><value>urn:xmpp:mam:1</value></field></x>");
    archive_refused(p.romeo, "bad-request", "<x xmlns='jabber:x:data' type='submit'>" FIELD("start", "x") "</x>");
    archive_expect(p.romeo, "", FORM(FIELD("include-groupchat", "true")));
    archive_expect(p.romeo, "", FORM("<field var='start'/>"));
    const struct node *answer = client_request(p.romeo, "set", NULL, "<query xmlns='" MAM "' node='n'/>");

    assert_true(node_matches(answer, "iq[@type='error']/error/feature-not-implemented"));
}

static void others_are_refused_as_if_there_were_nobody(void **state)
{
    struct pair p = two_online(*state);
    static const char *const requests[][2] = {{"set", "<query xmlns='" MAM "'/>"},
                                              {"get", "<query xmlns='" MAM "'/>"},
                                              {"get", "<metadata xmlns='" MAM "'/>"},
                                              {"get", "<prefs xmlns='" MAM "'/>"}};

    client_befriend(p.romeo, p.juliet);
    say(p.romeo, p.juliet->bare, "x");
    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
        const struct node *answer = client_request(p.romeo, requests[i][0], p.juliet->bare, "%s", requests[i][1]);

        assert_true(node_matches(answer, "iq[@type='error']/error/service-unavailable"));
        answer = client_request(p.romeo, requests[i][0], "nobody-at-all@" DOMAIN, "%s", requests[i][1]);
        assert_true(node_matches(answer, "iq[@type='error']/error/service-unavailable"));
    }
    client_expect_none(p.romeo, "message/result");
}

/* ---- section 4.3, XEP-0059 ---- */

static void pages_follow_each_other_in_both_directions_without_gap_or_overlap(void **state)
{
    struct pair p = two_online(*state);
    char id[64] = "", texts[512] = "";
    bool is_complete = false;

    say_numbered(p.romeo, p.juliet->bare, 0, 25);
    client_barrier(p.juliet);
    client_drain(p.juliet);
    for (int pages = 1; !is_complete; pages++) {
        struct found f = id[0] == '\0' ? archive_ask(p.juliet, PAGE("<max>7</max>"))
                                       : archive_ask(p.juliet, PAGE("<max>7</max><after>%s</after>"), id);

        assert_int_equal(f.n, pages < 4 ? 7 : 4);
        assert_string_equal(node_text(f.answer, "iq/fin/set/first"), archive_id(&f, 0));
        assert_string_equal(node_text(f.answer, "iq/fin/set/last"), archive_id(&f, f.n - 1));
        snprintf(id, sizeof(id), "%s", archive_id(&f, f.n - 1));
        snprintf(texts + strlen(texts), sizeof(texts) - strlen(texts), "%s|", archive_texts(&f));
        is_complete = node_matches(f.answer, "iq/fin[@complete='true']");
        assert_true(is_complete == (pages == 4));
    }
    assert_string_equal(texts, "0 1 2 3 4 5 6|7 8 9 10 11 12 13|14 15 16 17 18 19 20|21 22 23 24|");
    texts[0] = id[0] = '\0';
    for (int pages = 1; pages <= 4; pages++) {
        struct found f = archive_ask(p.juliet, PAGE("<max>7</max><before>%s</before>"), id);

        assert_string_equal(node_text(f.answer, "iq/fin/set/first"), archive_id(&f, 0));
        assert_string_equal(node_text(f.answer, "iq/fin/set/last"), archive_id(&f, f.n - 1));
        snprintf(id, sizeof(id), "%s", archive_id(&f, 0));
        snprintf(texts + strlen(texts), sizeof(texts) - strlen(texts), "%s|", archive_texts(&f));
        assert_true(node_matches(f.answer, "iq/fin[@complete='true']") == (pages == 4));
    }
    assert_string_equal(texts, "18 19 20 21 22 23 24|11 12 13 14 15 16 17|4 5 6 7 8 9 10|0 1 2 3|");
}

static void a_flipped_page_is_the_same_page_newest_first(void **state)
{
    struct pair p = two_online(*state);

    say_numbered(p.romeo, p.juliet->bare, 0, 6);
    client_barrier(p.juliet);
    client_drain(p.juliet);
    struct found f = archive_ask(p.juliet, PAGE("<max>3</max>") "<flip-page/>");

    assert_string_equal(archive_texts(&f), "2 1 0");
    assert_string_equal(node_text(f.answer, "iq/fin/set/first"), archive_id(&f, 2));
    assert_string_equal(node_text(f.answer, "iq/fin/set/last"), archive_id(&f, 0));
    archive_expect(p.juliet, "5 4 3", PAGE("<max>3</max><before/>") "<flip-page/>");
    archive_expect(p.juliet, "2 1", PAGE("<max>2</max><before>%s</before>") "<flip-page/>",
                   node_text(archive_ask(p.juliet, PAGE("<max>3</max><before/>")).answer, "iq/fin/set/first"));
}

static void a_page_is_fifty_unless_asked_otherwise_and_a_hundred_at_most(void **state)
{
    struct pair p = two_online(*state);

    say_numbered(p.romeo, p.juliet->bare, 0, 120);
    client_barrier(p.juliet);
    client_drain(p.juliet);
    struct found f = archive_ask(p.juliet, ALL);

    assert_int_equal(f.n, 50);
    assert_false(node_matches(f.answer, "iq/fin[@complete='true']"));
    f = archive_ask(p.juliet, PAGE("<max>1000000000000</max>"));
    assert_int_equal(f.n, 100);
    assert_false(node_matches(f.answer, "iq/fin[@complete='true']"));
    f = archive_ask(p.juliet, PAGE("<max>0</max>"));
    assert_int_equal(f.n, 0);
    assert_string_equal(node_text(f.answer, "iq/fin/set/count"), "120");
    assert_false(node_matches(f.answer, "iq/fin/set/first"));
}

static void a_page_of_large_messages_ends_early_and_the_next_goes_on(void **state)
{
    struct pair p = two_online(*state);
    char *big = calloc(1, 100001), texts[64] = "", id[64] = "";
    int pages = 0;

    memset(big, 'x', 100000);
    for (int i = 0; i < 12; i++) {
        client_send(p.romeo, "<message to='%s' type='chat'><subject>%d</subject><body>%s</body></message>",
                    p.juliet->bare, i, big);
        client_expect_any(p.juliet, "message/subject[.='%d']", i);
    }
    free(big);
    for (bool is_complete = false; !is_complete; pages++) {
        struct found f =
            id[0] == '\0' ? archive_ask(p.juliet, ALL) : archive_ask(p.juliet, PAGE("<after>%s</after>"), id);

        is_complete = node_matches(f.answer, "iq/fin[@complete='true']");
        assert_in_range(f.n, is_complete ? 0 : 1, 11);
        for (size_t i = 0; i < f.n; i++)
            snprintf(texts + strlen(texts), sizeof(texts) - strlen(texts), "%s ",
                     node_text(f.results[i], "message/result/forwarded/message/subject"));
        if (f.n > 0)
            snprintf(id, sizeof(id), "%s", archive_id(&f, f.n - 1));
    }
    assert_string_equal(texts, "0 1 2 3 4 5 6 7 8 9 10 11 ");
    assert_in_range(pages, 2, 12);
}

static void an_empty_archive_is_complete(void **state)
{
    struct client *c = harness_login(*state);
    struct found f = archive_ask(c, ALL);

    assert_int_equal(f.n, 0);
    assert_true(node_matches(f.answer, "iq[@type='result']/fin[@complete='true']/set[not(first)][not(last)]"));
    assert_string_equal(node_text(f.answer, "iq/fin/set/count"), "0");
}

static void the_results_come_to_the_client_that_asked_and_in_front_of_the_answer(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0), *romeo = harness_login(h);

    client_go_online(one, 0);
    client_go_online(two, 0);
    say(romeo, a->jid, "x");
    client_barrier(one);
    client_barrier(two);
    client_drain(one);
    client_drain(two);
    /* two questions at once: each is answered whole before the next */
    client_send(one, "<iq type='set' id='m1'><query xmlns='" MAM "' queryid='1'/></iq>");
    client_send(one, "<iq type='set' id='m2'><query xmlns='" MAM "' queryid='2'/></iq>");
    client_expect(one, "message/result[@queryid='1']");
    client_expect(one, "iq[@type='result'][@id='m1']/fin");
    client_expect(one, "message/result[@queryid='2']");
    client_expect(one, "iq[@type='result'][@id='m2']/fin");
    client_expect_none(two, "message");
}

/* ---- section 5 ---- */

static void the_metadata_names_both_ends(void **state)
{
    struct pair p = two_online(*state);
    const struct node *empty = client_request(p.juliet, "get", NULL, "<metadata xmlns='" MAM "'/>");

    assert_true(node_matches(empty, "iq[@type='result']/metadata[@xmlns='" MAM "'][not(*)]"));
    say_numbered(p.romeo, p.juliet->bare, 0, 3);
    client_barrier(p.juliet);
    client_drain(p.juliet);
    struct found f = archive_ask(p.juliet, ALL);
    const struct node *m = client_request(p.juliet, "get", p.juliet->bare, "<metadata xmlns='" MAM "'/>");

    assert_string_equal(node_attr(node_find(m, "iq/metadata/start"), "id"), archive_id(&f, 0));
    assert_string_equal(node_attr(node_find(m, "iq/metadata/end"), "id"), archive_id(&f, 2));
    assert_string_equal(node_attr(node_find(m, "iq/metadata/end"), "timestamp"),
                        node_attr(node_find(f.results[2], "message/result/forwarded/delay"), "stamp"));
}

/* ---- for good ---- */

static void what_was_acknowledged_is_in_the_archive_after_a_crash(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *juliet = client_login(h, a, "one", 0);
    struct client *romeo = client_login(h, harness_account(h), "two", CLIENT_ACKS);
    char want[128] = "";

    client_go_online(juliet, 0);
    for (int i = 0; i < 20; i++) {
        client_send(romeo, "<message to='%s' type='chat'><body>%d</body></message>", a->jid, i);
        snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s%d", i > 0 ? " " : "", i);
    }
    client_wait_acked(romeo);
    harness_crash(h);
    client_forget_all(h);
    harness_start(h);
    juliet = client_login(h, a, "one", 0);
    archive_expect(juliet, want, ALL);
}

int main(void)
{
    static const struct harness_options options = {
        .tables = "\n[[host]]\nname = \"" OFF "\"\nmodules = [\"disco\", \"ping\", \"sm\", \"offline\"]\n"};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(an_account_says_that_it_has_an_archive),
        HARNESS_TEST(the_host_says_that_its_accounts_have_one_and_has_none_itself),
        HARNESS_TEST(where_the_module_is_off_there_is_none),
        HARNESS_TEST(both_sides_of_a_conversation_have_it_each_once),
        HARNESS_TEST(a_result_has_the_message_as_it_was_with_its_id_and_time),
        HARNESS_TEST(the_id_is_the_same_live_in_the_archive_and_in_every_copy),
        HARNESS_TEST(ids_rise_in_the_order_of_delivery_whoever_sent_it),
        HARNESS_TEST(an_id_forged_in_the_accounts_name_is_stripped_and_others_are_not),
        HARNESS_TEST(an_address_spelt_differently_is_the_same_address),
        HARNESS_TEST(what_says_something_is_archived_and_nothing_else),
        HARNESS_TEST(what_somebody_says_to_himself_is_there_once),
        HARNESS_TEST(what_was_refused_is_not_in_the_archive_of_who_refused_it),
        HARNESS_TEST(a_query_finds_those_of_one_contact),
        HARNESS_TEST(a_query_finds_those_of_a_span_of_time),
        HARNESS_TEST(a_query_finds_what_lies_between_two_ids_and_single_ones),
        HARNESS_TEST(ids_of_more_than_a_page_holds_come_page_by_page),
        HARNESS_TEST(an_id_that_is_not_in_the_archive_is_an_error),
        HARNESS_TEST(the_form_names_all_fields),
        HARNESS_TEST(what_makes_no_sense_is_refused),
        HARNESS_TEST(others_are_refused_as_if_there_were_nobody),
        HARNESS_TEST(pages_follow_each_other_in_both_directions_without_gap_or_overlap),
        HARNESS_TEST(a_flipped_page_is_the_same_page_newest_first),
        HARNESS_TEST(a_page_is_fifty_unless_asked_otherwise_and_a_hundred_at_most),
        HARNESS_TEST(a_page_of_large_messages_ends_early_and_the_next_goes_on),
        HARNESS_TEST(an_empty_archive_is_complete),
        HARNESS_TEST(the_results_come_to_the_client_that_asked_and_in_front_of_the_answer),
        HARNESS_TEST(the_metadata_names_both_ends),
        HARNESS_TEST(what_was_acknowledged_is_in_the_archive_after_a_crash),
    };

    return harness_run_tests("the archive", tests, &options);
}
