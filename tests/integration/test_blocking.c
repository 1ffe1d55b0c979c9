/* tests/integration/test_blocking.c - XEP-0191: who is blocked is not heard, and sees nobody. */
#include "client.h"
#include "raw.h"

#define BLOCKING "urn:xmpp:blocking"
#define OTHER    "other.example"
#define ERRORS   "urn:ietf:params:xml:ns:xmpp-stanzas"

static const struct node *ask(struct client *c, const char *type, const char *payload)
{
    return client_request(c, type, NULL, "%s", payload);
}

static void expect_answer(const struct node *answer, const char *path)
{
    if (!node_matches(answer, path))
        test_fail("this is not %s: %s", path, node_describe(answer));
}

static void block(struct client *c, const char *jid)
{
    expect_answer(client_request(c, "set", NULL, "<block xmlns='" BLOCKING "'><item jid='%s'/></block>", jid),
                  "iq[@type='result'][not(*)]");
}

static void unblock(struct client *c, const char *jid)
{
    expect_answer(client_request(c, "set", NULL, "<unblock xmlns='" BLOCKING "'><item jid='%s'/></unblock>", jid),
                  "iq[@type='result'][not(*)]");
}

static const struct node *blocklist(struct client *c)
{
    const struct node *answer = ask(c, "get", "<blocklist xmlns='" BLOCKING "'/>");

    expect_answer(answer, "iq[@type='result']/blocklist[@xmlns='" BLOCKING "']");
    return answer->child;
}

static void expect_list(struct client *c, size_t n, const char *jid)
{
    const struct node *list = blocklist(c);

    assert_int_equal(node_count(list, "item"), n);
    if (jid != NULL) {
        char *path = text_format("blocklist/item[@jid='%s']", jid);

        expect_answer(list, path);
        free(path);
    }
}

/* All that `from` has sent to `to`, and what it led to, has been dealt with by both of their homes. */
static void settle(struct client *from, struct client *to)
{
    client_barrier_via(from, to->bare);
    client_barrier_via(to, from->bare);
    client_barrier(from);
    client_barrier(to);
}

static struct client *login_online(struct harness *h)
{
    struct client *c = harness_login(h);

    client_go_online(c, 0);
    client_drain(c);
    return c;
}

static struct client *second_device(struct harness *h, const struct client *of)
{
    struct account *a = h->accounts;

    while (strcmp(a->jid, of->bare) != 0)
        a = a->next;
    return client_login(h, a, "second", 0);
}

/* ---- section 3.1 ---- */

static void the_host_says_that_one_can_block(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(client_request(c, "get", DOMAIN, "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
                  "iq/query/feature[@var='" BLOCKING "']");
}

/* ---- sections 3.2 to 3.5: the list ---- */

static void the_list_is_empty_then_holds_what_was_blocked_and_is_empty_again(void **state)
{
    struct client *c = harness_login(*state);

    expect_list(c, 0, NULL);
    block(c, "romeo@montague.example");
    expect_list(c, 1, "romeo@montague.example");
    expect_answer(ask(c, "set",
                      "<block xmlns='" BLOCKING "'><item jid='a@b.example/x'/><item jid='b.example'/>"
                      "<item jid='b.example/y'/></block>"),
                  "iq[@type='result'][not(*)]");
    expect_list(c, 4, "b.example/y");
    unblock(c, "romeo@montague.example");
    expect_list(c, 3, "a@b.example/x");
    expect_answer(ask(c, "set",
                      "<unblock xmlns='" BLOCKING "'><item jid='b.example'/><item jid='b.example/y'/>"
                      "</unblock>"),
                  "iq[@type='result'][not(*)]");
    expect_list(c, 1, "a@b.example/x");
    block(c, "c.example");
    expect_answer(ask(c, "set", "<unblock xmlns='" BLOCKING "'/>"), "iq[@type='result'][not(*)]");
    expect_list(c, 0, NULL);
}

static void what_is_so_already_is_no_error(void **state)
{
    struct client *c = harness_login(*state);

    block(c, "romeo@montague.example");
    block(c, "romeo@montague.example");
    expect_list(c, 1, "romeo@montague.example");
    unblock(c, "juliet@capulet.example");
    expect_list(c, 1, "romeo@montague.example");
    unblock(c, "romeo@montague.example");
    unblock(c, "romeo@montague.example");
    expect_answer(ask(c, "set", "<unblock xmlns='" BLOCKING "'/>"), "iq[@type='result'][not(*)]");
    expect_list(c, 0, NULL);
}

static void addresses_are_prepared(void **state)
{
    struct client *c = harness_login(*state);

    block(c, "ROMEO@Montague.Example/Orchard");
    block(c, "romeo@montague.example/Orchard");
    expect_list(c, 1, "romeo@montague.example/Orchard");
}

static void malformed_requests_change_nothing(void **state)
{
    struct client *c = harness_login(*state);
    static const struct {
        const char *type, *payload, *condition;
    } requests[] = {
        {"set", "<block xmlns='" BLOCKING "'/>", "bad-request"},
        {"set", "<block xmlns='" BLOCKING "'><other jid='a@b.example'/></block>", "bad-request"},
        {"set", "<block xmlns='" BLOCKING "'><item/></block>", "bad-request"},
        {"set", "<block xmlns='" BLOCKING "'><item jid=''/></block>", "jid-malformed"},
        {"set", "<block xmlns='" BLOCKING "'><item jid='a@b.example'/><item jid='@b.example'/></block>",
         "jid-malformed"},
        {"set", "<block xmlns='" BLOCKING "'><item jid='a@b.example'/><item/></block>", "bad-request"},
        {"set", "<unblock xmlns='" BLOCKING "'><item/></unblock>", "bad-request"},
        {"set", "<unblock xmlns='" BLOCKING "'><item jid='a b@c d'/></unblock>", "jid-malformed"},
        {"set", "<unblock xmlns='" BLOCKING "'><other/></unblock>", "bad-request"},
        {"set", "<blocklist xmlns='" BLOCKING "'/>", "service-unavailable"},
        {"get", "<block xmlns='" BLOCKING "'><item jid='a@b.example'/></block>", "service-unavailable"},
    };

    block(c, "romeo@montague.example");
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        char *path = text_format("iq[@type='error']/error/%s", requests[i].condition);

        expect_answer(ask(c, requests[i].type, requests[i].payload), path);
        free(path);
    }
    expect_list(c, 1, "romeo@montague.example");
}

static void the_list_of_another_cannot_be_seen_or_changed(void **state)
{
    struct client *a = login_online(*state), *b = harness_login(*state);

    block(a, "romeo@montague.example");
    expect_answer(client_request(b, "get", a->bare, "<blocklist xmlns='" BLOCKING "'/>"),
                  "iq[@type='error']/error/service-unavailable");
    expect_answer(client_request(b, "set", a->bare, "<unblock xmlns='" BLOCKING "'/>"),
                  "iq[@type='error']/error/service-unavailable");
    expect_list(a, 1, "romeo@montague.example");
}

static void a_list_has_an_end(void **state)
{
    struct client *c = harness_login(*state);
    char *items = calloc(1, 20 * 400), *at = items;

    for (int i = 0; i < 19; i++)
        at += sprintf(at, "<item jid='u%d@a.example'/>", i);
    expect_answer(client_request(c, "set", NULL, "<block xmlns='" BLOCKING "'>%s</block>", items),
                  "iq[@type='result']");
    expect_answer(
        ask(c, "set", "<block xmlns='" BLOCKING "'><item jid='a@b.example'/><item jid='c@b.example'/></block>"),
        "iq[@type='error']/error/resource-constraint");
    expect_list(c, 19, "u18@a.example");
    block(c, "a@b.example");
    unblock(c, "u3@a.example");
    block(c, "c@b.example");
    expect_answer(ask(c, "set", "<unblock xmlns='" BLOCKING "'/>"), "iq[@type='result']");
    at = items;
    for (int i = 0; i < 10; i++)
        at += sprintf(at, "<item jid='u%d@a.example/%0300d'/>", i, 0);
    expect_answer(client_request(c, "set", NULL, "<block xmlns='" BLOCKING "'>%s</block>", items),
                  "iq[@type='error']/error/resource-constraint"); /* few, but long */
    expect_list(c, 0, NULL);
    free(items);
}

static void sessions_that_asked_for_the_list_are_told_of_changes(void **state)
{
    struct harness *h = *state;
    struct client *one = harness_login(h), *two = second_device(h, one);
    struct client *third = client_login(h, h->accounts, "third", 0);

    (void)blocklist(one);
    (void)blocklist(two);
    block(one, "romeo@montague.example");
    client_expect_any(one,
                      "iq[@type='set'][@id][@to='%s']/block[@xmlns='" BLOCKING "']/item[@jid='romeo@montague.example']",
                      one->jid);
    client_expect_any(two, "iq[@type='set'][@id][@to='%s']/block/item[@jid='romeo@montague.example']", two->jid);
    block(third, "nurse@capulet.example");
    client_expect_any(
        one, "iq[@type='set']/block[not(item[@jid='romeo@montague.example'])]/item[@jid='nurse@capulet.example']");
    client_expect_any(two, "iq[@type='set']/block/item[@jid='nurse@capulet.example']");
    unblock(two, "romeo@montague.example");
    client_expect_any(one, "iq[@type='set']/unblock/item[@jid='romeo@montague.example']");
    client_expect_any(two, "iq[@type='set']/unblock/item[@jid='romeo@montague.example']");
    expect_answer(ask(one, "set", "<unblock xmlns='" BLOCKING "'/>"), "iq[@type='result']");
    client_expect_any(one, "iq[@type='set']/unblock[not(*)]");
    client_expect_any(two, "iq[@type='set']/unblock[not(*)]");
    client_expect_none(third, "iq[@type='set']");
}

/* XEP-0198: it resumes as if nothing had happened. */
static void a_session_that_is_resumed_after_a_restart_is_still_told_of_changes(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_login(h, a, "phone");

    raw_send(r, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    char *id = strdup(node_attr(raw_expect(r, "enabled[@id]"), "id"));

    raw_send(r, "<iq type='get' id='list'><blocklist xmlns='" BLOCKING "'/></iq>");
    raw_skip_to(r, "iq[@id='list']/blocklist");
    harness_stop(h);
    raw_free(&r);
    client_forget_all(h);
    harness_start(h);
    r = raw_secure(h, NULL);
    raw_plain(r, a);
    raw_send(r, "<resume xmlns='urn:xmpp:sm:3' previd='%s' h='1'/>", id);
    raw_expect(r, "resumed");
    block(client_login(h, a, "other", 0), "romeo@montague.example");
    raw_skip_to(r, "iq[@type='set']/block/item[@jid='romeo@montague.example']");
    raw_free(&r);
    free(id);
}

static void the_list_survives_a_restart_and_goes_with_the_account(void **state)
{
    struct harness *h = *state;
    struct client *romeo = login_online(h);
    const struct account *a = harness_account_named(h, "tybalt", DOMAIN, "secret");
    struct client *tybalt = client_login(h, a, "one", 0);
    char *romeo_bare = strdup(romeo->bare), *output;
    const struct account *romeo_account = h->accounts->next;

    assert_string_equal(romeo_account->jid, romeo_bare);
    block(tybalt, romeo_bare);
    harness_crash(h); /* it was answered, so it is on disk */
    harness_start(h);
    romeo = client_login(h, romeo_account, "one", 0);
    client_send(romeo, "<message to='%s' type='chat' id='1'><body>x</body></message>", a->jid);
    client_expect(romeo, "message[@type='error'][@id='1']/error/service-unavailable");
    tybalt = client_login(h, a, "one", 0);
    expect_list(tybalt, 1, romeo_bare);
    assert_int_equal(harness_ctl(h, NULL, &output, "deluser", "--yes", a->jid), 0);
    free(output);
    client_expect_closed(tybalt, "not-authorized");
    assert_int_equal(harness_ctl(h, "secret\n", &output, "adduser", "--password-stdin", a->jid), 0);
    free(output);
    tybalt = client_login(h, a, "two", 0);
    expect_list(tybalt, 0, NULL);
    client_go_online(tybalt, 0);
    client_send(romeo, "<message to='%s' type='chat' id='2'><body>y</body></message>", a->jid);
    client_expect_any(tybalt, "message[@id='2']/body");
    free(romeo_bare);
}

/* ---- section 3.3: what comes in ---- */

/* The answer that an account which does not exist gives, but for the addresses. */
static void expect_same_as_nobody(struct harness *h, struct client *from, const struct client *blocker, const char *fmt,
                                  const char *kind)
{
    char *real[] = {strdup(blocker->bare), strdup(blocker->jid), text_format("%s/gone", blocker->bare)};
    const char *nobody = harness_nobody(h);
    char *unreal[] = {strdup(nobody), text_format("%s/test", nobody), text_format("%s/gone", nobody)};

    for (int i = 0; i < 3; i++) {
        char *a, *b;

        client_drain(from);
        client_send(from, fmt, real[i]);
        client_barrier_via(from, blocker->bare);
        client_send(from, fmt, unreal[i]);
        client_barrier_via(from, nobody);
        client_barrier(from);
        if (client_count(from, kind) == 0)
            goto next;
        a = node_describe(client_expect(from, "%s[@from='%s']", kind, real[i]));
        b = node_describe(client_expect(from, "%s[@from='%s']", kind, unreal[i]));
        if (strlen(a) - strlen(real[i]) != strlen(b) - strlen(unreal[i]))
            test_fail("%s\nis not as\n%s", a, b);
        client_expect_none(from, "%s", kind);
        free(a);
        free(b);
    next:
        free(real[i]);
        free(unreal[i]);
    }
}

static void a_blocked_sender_is_told_what_a_sender_to_nobody_is_told(void **state)
{
    struct harness *h = *state;
    struct client *juliet = login_online(h), *romeo = login_online(h);
    static const char *const types[] = {"chat", "normal", "groupchat", "headline", "error"};
    static const char *const requests[] = {"get", "set", "result", "error"};

    block(juliet, romeo->bare);
    for (size_t i = 0; i < 5; i++) {
        char *fmt = text_format("<message to='%%s' type='%s' id='a%zu'><body>x</body></message>", types[i], i);

        expect_same_as_nobody(h, romeo, juliet, fmt, "message");
        free(fmt);
    }
    for (size_t i = 0; i < 4; i++) {
        char *fmt =
            text_format("<iq to='%%s' type='%s' id='b%zu'><query xmlns='jabber:iq:version'/></iq>", requests[i], i);

        expect_same_as_nobody(h, romeo, juliet, fmt, "iq");
        free(fmt);
    }
    expect_same_as_nobody(h, romeo, juliet, "<iq to='%s' type='get' id='b9'><vCard xmlns='vcard-temp'/></iq>", "iq");
    expect_same_as_nobody(h, romeo, juliet, "<presence to='%s'/>", "presence");
    expect_same_as_nobody(h, romeo, juliet, "<presence to='%s' type='unsubscribed'/>", "presence");
    client_expect_none(juliet, "*[@from='%s']", romeo->jid);
    client_expect_none(juliet, "presence[@from='%s']", romeo->bare);
}

static void messages_of_a_blocked_sender_get_an_error_and_are_not_kept(void **state)
{
    struct harness *h = *state;
    struct client *juliet = login_online(h), *romeo = login_online(h);

    block(juliet, romeo->bare);
    client_send(romeo, "<message to='%s' type='chat' id='1'><body>1</body></message>", juliet->bare);
    client_expect(romeo,
                  "message[@type='error'][@id='1'][@from='%s'][@to='%s']/error[@type='cancel']/service-unavailable",
                  juliet->bare, romeo->jid);
    client_logout(juliet);
    client_send(romeo, "<message to='%s' type='chat' id='2'><body>2</body></message>", juliet->bare);
    client_expect(romeo, "message[@type='error'][@id='2']/error/service-unavailable");
    juliet = client_login(h, h->accounts->next, "again", 0);
    client_go_online(juliet, 0);
    unblock(juliet, romeo->bare);
    client_sync(romeo, juliet);
    client_expect_none(juliet, "message");
    client_send(romeo, "<message to='%s' type='chat' id='3'><body>3</body></message>", juliet->bare);
    client_expect(juliet, "message/body[.='3']");
}

static void other_devices_get_no_copies_of_what_is_blocked(void **state)
{
    struct harness *h = *state;
    struct client *juliet = login_online(h), *second = second_device(h, juliet), *romeo = login_online(h);

    client_request(juliet, "set", NULL, "<enable xmlns='urn:xmpp:carbons:2'/>");
    client_request(second, "set", NULL, "<enable xmlns='urn:xmpp:carbons:2'/>");
    block(second, romeo->bare);
    client_send(romeo, "<message to='%s' type='chat' id='1'><body>1</body></message>", juliet->jid);
    client_expect(romeo, "message[@type='error'][@id='1']");
    client_send(juliet, "<message to='%s' type='chat' id='2'><body>2</body></message>", romeo->jid);
    client_expect(juliet, "message[@type='error'][@id='2']/error/not-acceptable");
    settle(romeo, juliet);
    client_expect_none(juliet, "message");
    client_expect_none(second, "message");
    client_expect_none(romeo, "message");
}

static void only_what_the_item_names_is_blocked(void **state)
{
    struct harness *h = *state;
    struct client *juliet = login_online(h);
    struct client *test = login_online(h), *second = second_device(h, test);
    struct client *elsewhere = client_login(h, harness_account_named(h, "paris", OTHER, NULL), "r", 0);
    struct {
        const char *item;
        bool hears_test, hears_second, hears_elsewhere;
    } cases[] = {
        {test->jid, false, true, true},      {test->bare, false, false, true}, {DOMAIN, false, false, true},
        {OTHER, true, true, false},          {OTHER "/r", true, true, true}, /* that resource of the domain itself */
        {elsewhere->jid, true, true, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        block(juliet, cases[i].item);
        client_send(test, "<message to='%s' type='chat' id='t'><body>test</body></message>", juliet->jid);
        client_send(second, "<message to='%s' type='chat' id='s'><body>second</body></message>", juliet->jid);
        client_send(elsewhere, "<message to='%s' type='chat' id='e'><body>elsewhere</body></message>", juliet->jid);
        client_barrier_via(test, juliet->bare);
        client_barrier_via(second, juliet->bare);
        client_barrier_via(elsewhere, juliet->bare);
        client_barrier(juliet);
        assert_int_equal(client_count(juliet, "message/body[.='test']"), cases[i].hears_test);
        assert_int_equal(client_count(juliet, "message/body[.='second']"), cases[i].hears_second);
        assert_int_equal(client_count(juliet, "message/body[.='elsewhere']"), cases[i].hears_elsewhere);
        assert_int_equal(client_count(test, "message[@type='error']"), !cases[i].hears_test);
        assert_int_equal(client_count(second, "message[@type='error']"), !cases[i].hears_second);
        assert_int_equal(client_count(elsewhere, "message[@type='error']"), !cases[i].hears_elsewhere);
        client_drain(juliet);
        client_drain(test);
        client_drain(second);
        client_drain(elsewhere);
        unblock(juliet, cases[i].item);
    }
}

/* ---- section 3.3: what goes out ---- */

static void nothing_is_sent_to_who_is_blocked(void **state)
{
    struct harness *h = *state;
    struct client *juliet = login_online(h), *romeo = login_online(h);
    static const char *const stanzas[] = {
        "<message to='%s' type='chat' id='out'><body>Can you hear me now?</body></message>",
        "<message to='%s' type='groupchat' id='out'><body>x</body></message>",
        "<message to='%s' type='headline' id='out'><body>x</body></message>",
        "<iq to='%s' type='get' id='out'><query xmlns='jabber:iq:version'/></iq>",
        "<iq to='%s' type='set' id='out'><query xmlns='jabber:iq:version'/></iq>",
        "<presence to='%s' id='out'/>",
        "<presence to='%s' type='unavailable' id='out'/>",
        "<presence to='%s' type='subscribe' id='out'/>",
        "<presence to='%s' type='subscribed' id='out'/>",
        "<presence to='%s' type='probe' id='out'/>",
    };
    static const char *const unanswered[] = {
        "<message to='%s' type='error' id='out'><error type='cancel'/></message>",
        "<iq to='%s' type='result' id='out'/>",
        "<iq to='%s' type='error' id='out'><error type='cancel'/></iq>",
        "<presence to='%s' type='error' id='out'><error type='cancel'/></presence>",
    };

    block(juliet, romeo->bare);
    for (size_t i = 0; i < sizeof(stanzas) / sizeof(stanzas[0]); i++) {
        const char *to = i % 2 == 0 ? romeo->bare : romeo->jid;

        client_send(juliet, stanzas[i], to);
        client_expect(juliet,
                      "%.*s[@type='error'][@id='out'][@from='%s'][@to='%s']/error[@type='cancel']"
                      "[not-acceptable[@xmlns='" ERRORS "']]/blocked[@xmlns='urn:xmpp:blocking:errors']",
                      (int)strcspn(stanzas[i] + 1, " "), stanzas[i] + 1, to, juliet->jid);
    }
    for (size_t i = 0; i < sizeof(unanswered) / sizeof(unanswered[0]); i++)
        client_send(juliet, unanswered[i], romeo->jid);
    settle(juliet, romeo);
    client_expect_none(juliet, "*");
    client_expect_none(romeo, "*");
    const struct node *roster = client_request(juliet, "get", NULL, "<query xmlns='jabber:iq:roster'/>");

    assert_int_equal(node_count(roster->child, "item"), 0);
}

/* ---- presence ---- */

static void blocking_makes_one_disappear_and_unblocking_appear(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    client_befriend(juliet, romeo);
    block(juliet, romeo->bare);
    client_expect(romeo, "presence[@type='unavailable'][@from='%s']", juliet->jid);
    /* Neither sees what the other does meanwhile; and nobody is told that there is a block. */
    client_send(juliet, "<presence><show>away</show></presence>");
    client_expect(juliet, "presence[@from='%s']/show", juliet->jid);
    client_send(romeo, "<presence><show>dnd</show></presence>");
    client_expect(romeo, "presence[@from='%s']/show", romeo->jid);
    client_send(romeo, "<presence to='%s' type='probe'/>", juliet->bare);
    settle(romeo, juliet);
    client_expect_none(romeo, "*");
    client_expect_none(juliet, "*");
    unblock(juliet, romeo->bare);
    client_expect(romeo, "presence[not(@type)][@from='%s']/show[.='away']", juliet->jid);
    client_expect(juliet, "presence[not(@type)][@from='%s']/show[.='dnd']", romeo->jid);
    /* The subscriptions are as they were. */
    client_send(juliet, "<presence><show>xa</show></presence>");
    client_expect(romeo, "presence[@from='%s']/show[.='xa']", juliet->jid);
}

static void a_whole_domain_disappears_but_not_for_ones_own_devices(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h), *second;

    client_befriend(juliet, romeo);
    second = client_login(h, h->accounts->next, "second", 0);
    assert_string_equal(second->bare, juliet->bare);
    client_go_online(second, 0);
    client_expect_any(juliet, "presence[@from='%s']", second->jid);
    client_expect_any(romeo, "presence[@from='%s']", second->jid);
    client_drain(second);
    block(juliet, DOMAIN);
    client_expect(romeo, "presence[@type='unavailable']");
    client_expect(romeo, "presence[@type='unavailable']");
    client_expect_none(second, "presence[@type='unavailable']");
    client_sync(second, juliet);
    client_sync(juliet, second);
    client_barrier(juliet); /* the server itself is heard as well */
    expect_answer(client_request(juliet, "get", DOMAIN, "<query xmlns='jabber:iq:version'/>"), "iq[@type='result']");
    block(juliet, juliet->bare);
    client_sync(second, juliet);
    client_send(second, "<presence><show>away</show></presence>");
    client_expect_any(juliet, "presence[@from='%s']/show", second->jid);
    expect_answer(ask(juliet, "set", "<unblock xmlns='" BLOCKING "'/>"), "iq[@type='result']");
    client_expect_any(romeo, "presence[not(@type)][@from='%s']", juliet->jid);
    client_expect_any(romeo, "presence[not(@type)][@from='%s']", second->jid);
}

static void one_resource_of_a_contact_can_be_blocked(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    client_befriend(juliet, romeo);
    block(juliet, romeo->jid);
    client_expect(romeo, "presence[@type='unavailable'][@from='%s'][@to='%s']", juliet->jid, romeo->jid);
    unblock(juliet, romeo->jid);
    client_expect(romeo, "presence[not(@type)][@from='%s']", juliet->jid);
}

static void what_is_still_covered_by_another_item_stays_blocked(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    client_befriend(juliet, romeo);
    block(juliet, romeo->bare);
    client_expect(romeo, "presence[@type='unavailable'][@from='%s']", juliet->jid);
    block(juliet, DOMAIN); /* nothing new for him */
    unblock(juliet, romeo->bare);
    settle(juliet, romeo);
    client_expect_none(romeo, "presence");
    unblock(juliet, DOMAIN);
    client_expect(romeo, "presence[not(@type)][@from='%s']", juliet->jid);
}

static void strangers_learn_nothing_from_a_block(void **state)
{
    struct harness *h = *state;
    struct client *juliet = login_online(h), *romeo = login_online(h);

    block(juliet, romeo->bare);
    unblock(juliet, romeo->bare);
    settle(juliet, romeo);
    client_expect_none(romeo, "*");
}

static void directed_presence_is_taken_back(void **state)
{
    struct harness *h = *state;
    struct client *juliet = login_online(h), *romeo = login_online(h);

    client_send(juliet, "<presence to='%s'/>", romeo->jid);
    client_expect(romeo, "presence[@from='%s'][not(@type)]", juliet->jid);
    block(juliet, romeo->bare);
    client_expect(romeo, "presence[@from='%s'][@type='unavailable']", juliet->jid);
    client_logout(juliet);
    client_barrier_via(romeo, juliet->bare);
    client_expect_none(romeo, "*");
}

static void whoever_comes_online_is_not_seen_by_the_blocked(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    client_befriend(juliet, romeo);
    block(juliet, romeo->bare);
    client_expect(romeo, "presence[@type='unavailable'][@from='%s']", juliet->jid);
    client_logout(juliet);
    juliet = client_login(h, h->accounts->next, "again", 0);
    client_go_online(juliet, 0);
    settle(juliet, romeo);
    client_expect_none(romeo, "*");
    client_expect_none(juliet, "presence[@from='%s']", romeo->jid);
    client_logout(juliet);
    client_barrier_via(romeo, juliet->bare);
    client_expect_none(romeo, "*");
}

/* ---- subscriptions ---- */

static void requests_of_the_blocked_do_not_arrive(void **state)
{
    struct harness *h = *state;
    struct client *juliet = login_online(h), *romeo = login_online(h);

    block(juliet, romeo->bare);
    client_send(romeo, "<presence to='%s' type='subscribe'/>", juliet->bare);
    settle(romeo, juliet);
    client_expect_none(juliet, "presence");
    client_expect_none(romeo, "presence");
    unblock(juliet, romeo->bare);
    client_logout(juliet);
    juliet = client_login(h, h->accounts->next, "again", 0);
    client_go_online(juliet, 0);
    client_expect_none(juliet, "presence[@type='subscribe']");
}

static void a_request_that_waits_is_not_shown_while_its_sender_is_blocked(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *juliet = client_login(h, a, "one", 0), *romeo = login_online(h);

    client_send(romeo, "<presence to='%s' type='subscribe'/>", juliet->bare);
    client_barrier_via(romeo, juliet->bare);
    block(juliet, romeo->bare);
    client_go_online(juliet, 0);
    client_expect_none(juliet, "presence[@type='subscribe']");
    client_logout(juliet);
    juliet = client_login(h, a, "two", 0);
    unblock(juliet, romeo->bare);
    client_go_online(juliet, 0);
    client_expect_any(juliet, "presence[@type='subscribe'][@from='%s']", romeo->bare);
}

/* ---- order ---- */

static void what_is_sent_behind_a_block_meets_it(void **state)
{
    struct harness *h = *state;
    struct client *juliet = login_online(h), *romeo = login_online(h);

    for (int i = 0; i < 20; i++) {
        client_send(juliet, "<iq type='set' id='b%d'><block xmlns='" BLOCKING "'><item jid='%s'/></block></iq>", i,
                    romeo->bare);
        client_send(juliet, "<message to='%s' type='chat' id='m%d'><body>%d</body></message>", romeo->jid, i, i);
        client_send(juliet, "<iq type='set' id='u%d'><unblock xmlns='" BLOCKING "'/></iq>", i);
        client_send(juliet, "<message to='%s' type='chat' id='n%d'><body>n%d</body></message>", romeo->jid, i, i);
    }
    for (int i = 0; i < 20; i++) {
        client_expect_any(juliet, "iq[@type='result'][@id='b%d']", i);
        client_expect_any(juliet, "message[@type='error'][@id='m%d']/error/not-acceptable", i);
        client_expect_any(juliet, "iq[@type='result'][@id='u%d']", i);
        client_expect(romeo, "message[@id='n%d']", i);
    }
    client_expect_none(romeo, "message");
}

static void two_devices_that_change_the_list_at_once_both_count(void **state)
{
    struct harness *h = *state;
    struct client *one = harness_login(h), *two = second_device(h, one);

    for (int i = 0; i < 8; i++) {
        client_send(one, "<iq type='set' id='o%d'><block xmlns='" BLOCKING "'><item jid='o%d@a.example'/></block></iq>",
                    i, i);
        client_send(two, "<iq type='set' id='t%d'><block xmlns='" BLOCKING "'><item jid='t%d@a.example'/></block></iq>",
                    i, i);
    }
    for (int i = 0; i < 8; i++) {
        client_expect_any(one, "iq[@type='result'][@id='o%d']", i);
        client_expect_any(two, "iq[@type='result'][@id='t%d']", i);
    }
    expect_list(one, 16, "t7@a.example");
}

int main(void)
{
    static const char *const settings[] = {"limits.blocked_addresses = 20", NULL};
    static const struct harness_options options = {
        .settings = settings,
        .tables = "[[host]]\nname = \"" OTHER "\"\n",
    };
    static const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_host_says_that_one_can_block),
        HARNESS_TEST(the_list_is_empty_then_holds_what_was_blocked_and_is_empty_again),
        HARNESS_TEST(what_is_so_already_is_no_error),
        HARNESS_TEST(addresses_are_prepared),
        HARNESS_TEST(malformed_requests_change_nothing),
        HARNESS_TEST(the_list_of_another_cannot_be_seen_or_changed),
        HARNESS_TEST(a_list_has_an_end),
        HARNESS_TEST(sessions_that_asked_for_the_list_are_told_of_changes),
        HARNESS_TEST(a_session_that_is_resumed_after_a_restart_is_still_told_of_changes),
        HARNESS_TEST(the_list_survives_a_restart_and_goes_with_the_account),
        HARNESS_TEST(a_blocked_sender_is_told_what_a_sender_to_nobody_is_told),
        HARNESS_TEST(messages_of_a_blocked_sender_get_an_error_and_are_not_kept),
        HARNESS_TEST(other_devices_get_no_copies_of_what_is_blocked),
        HARNESS_TEST(only_what_the_item_names_is_blocked),
        HARNESS_TEST(nothing_is_sent_to_who_is_blocked),
        HARNESS_TEST(blocking_makes_one_disappear_and_unblocking_appear),
        HARNESS_TEST(a_whole_domain_disappears_but_not_for_ones_own_devices),
        HARNESS_TEST(one_resource_of_a_contact_can_be_blocked),
        HARNESS_TEST(what_is_still_covered_by_another_item_stays_blocked),
        HARNESS_TEST(strangers_learn_nothing_from_a_block),
        HARNESS_TEST(directed_presence_is_taken_back),
        HARNESS_TEST(whoever_comes_online_is_not_seen_by_the_blocked),
        HARNESS_TEST(requests_of_the_blocked_do_not_arrive),
        HARNESS_TEST(a_request_that_waits_is_not_shown_while_its_sender_is_blocked),
        HARNESS_TEST(what_is_sent_behind_a_block_meets_it),
        HARNESS_TEST(two_devices_that_change_the_list_at_once_both_count),
    };

    return harness_run_tests("blocking", tests, &options);
}
