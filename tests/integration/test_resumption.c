/* tests/integration/test_resumption.c - sessions that outlive their connection, and the server's restart: XEP-0198
 * section 5. */
#include "client.h"
#include "raw.h"

#include <time.h>

#define NS_SM   "urn:xmpp:sm:3"
#define NS_PING "urn:xmpp:ping"
#define STANZAS "urn:ietf:params:xml:ns:xmpp-stanzas"
#define R       "<r xmlns='" NS_SM "'/>"

/* A client that can come back. */
struct device {
    struct harness *h;
    const struct account *a;
    struct raw *r;
    char *jid;   /* full */
    char *id;    /* of its session */
    unsigned h_; /* stanzas it has, since it began to count */
};

static void begin(struct device *d, struct harness *h, const struct account *a, const char *enable)
{
    *d = (struct device){.h = h, .a = a, .r = raw_login(h, a, "device")};
    d->jid = strdup(d->r->jid);
    raw_send(d->r, "<enable xmlns='" NS_SM "' %s/>", enable);
    d->id = strdup(node_attr(raw_expect(d->r, "enabled[@xmlns='" NS_SM "'][@resume='true'][@id][@max]"), "id"));
}

/* The next stanza must match; what is none is skipped. */
#define take(d, ...) take_(__FILE__, __LINE__, d, __VA_ARGS__)
__attribute__((format(printf, 4, 5))) static const struct node *take_(const char *file, int line, struct device *d,
                                                                      const char *fmt, ...)
{
    const struct node *n;
    char path[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(path, sizeof(path), fmt, args);
    va_end(args);
    do
        n = raw_expect_(file, line, d->r, false, "*");
    while (strcmp(n->name, "r") == 0 || strcmp(n->name, "a") == 0);
    d->h_++;
    if (!node_matches(n, path))
        test_fail_at(file, line, "expected %s, but there came %s", path, node_describe(n));
    return n;
}

static void be_available(struct device *d)
{
    raw_send(d->r, "<presence/>");
    take(d, "presence[@from='%s']", d->jid);
}

static void acknowledge(struct device *d)
{
    raw_send(d->r, "<a xmlns='" NS_SM "' h='%u'/>", d->h_);
}

static void expect_nothing(struct device *d)
{
    raw_send(d->r, "<iq type='get' id='quiet' to='" DOMAIN "'><ping xmlns='" NS_PING "'/></iq>");
    take(d, "iq[@id='quiet']");
}

/* Until the server has counted so many of its stanzas. */
static void wait_h(struct device *d, unsigned long wanted)
{
    unsigned long h = 0;

    for (long until = now_ms() + test_patience_ms(); h < wanted;) {
        raw_send(d->r, R);
        h = strtoul(node_attr(raw_skip_to(d->r, "a[@xmlns='" NS_SM "'][@h]"), "h"), NULL, 10);
        if (now_ms() > until)
            test_fail("%lu stanzas were acknowledged, not %lu", h, wanted);
    }
    assert_int_equal(h, wanted);
}

/* Its connection breaks; returns when the server knows. */
static void lose(struct device *d)
{
    size_t mark = harness_log_mark(d->h);

    raw_free(&d->r);
    free(harness_log_wait(d->h, mark, "session.hibernating", d->jid));
}

/* Another connection, logged in and not bound. */
static void connect_again(struct device *d)
{
    d->r = raw_secure(d->h, NULL);
    raw_plain(d->r, d->a);
}

static void ask_to_resume(struct device *d)
{
    raw_send(d->r, "<resume xmlns='" NS_SM "' previd='%s' h='%u'/>", d->id, d->h_);
}

/* Returns how many of its stanzas the server has. */
static unsigned long come_back(struct device *d)
{
    connect_again(d);
    ask_to_resume(d);
    return strtoul(node_attr(raw_expect(d->r, "resumed[@xmlns='" NS_SM "'][@previd='%s'][@h]", d->id), "h"), NULL, 10);
}

static void expect_failed(struct device *d)
{
    connect_again(d);
    ask_to_resume(d);
    raw_expect(d->r, "failed[@xmlns='" NS_SM "']/item-not-found[@xmlns='" STANZAS "']");
}

static void end(struct device *d)
{
    raw_free(&d->r);
    free(d->jid);
    free(d->id);
}

static void say(struct client *from, const char *to, int first, int n)
{
    for (int i = first; i < first + n; i++)
        client_send(from, "<message to='%s' type='chat' id='m%d'><body>%d</body></message>", to, i, i);
    client_barrier_via(from, from->bare);
}

static void hear(struct device *d, int first, int n)
{
    for (int i = first; i < first + n; i++)
        take(d, "message[@id='m%d']/body[.='%d']", i, i);
}

/* ---- enabling ---- */

static void a_session_gets_a_name_of_its_own_and_a_time_no_longer_than_it_asks_for(void **state)
{
    struct harness *h = *state;
    struct raw *a = raw_login(h, harness_account(h), "one"), *b = raw_login(h, harness_account(h), "one"),
               *c = raw_login(h, harness_account(h), "one");
    const char *id;

    raw_send(a, "<enable xmlns='" NS_SM "' resume='true'/>");
    id = node_attr(raw_expect(a, "enabled[@resume='true'][@max='600'][not(@location)]"), "id");
    assert_int_equal(strlen(id), 32);
    raw_send(b, "<enable xmlns='" NS_SM "' resume='1' max='77'/>");
    assert_string_not_equal(node_attr(raw_expect(b, "enabled[@resume='true'][@max='77']"), "id"), id);
    raw_send(c, "<enable xmlns='" NS_SM "' resume='true' max='86400'/>");
    raw_expect(c, "enabled[@resume='true'][@max='600']");
    raw_free(&a);
    raw_free(&b);
    raw_free(&c);
}

/* ---- coming back ---- */

static void what_was_sent_meanwhile_comes_once_and_in_order(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    lose(&d);
    say(romeo, d.a->jid, 0, 10);
    say(romeo, d.jid, 10, 10);
    assert_int_equal(come_back(&d), 1);
    hear(&d, 0, 20);
    expect_nothing(&d);
    say(romeo, d.a->jid, 20, 5);
    hear(&d, 20, 5);
    end(&d);
    /* and nothing is left for the next one */
    struct client *next = client_login(h, d.a, "next", 0);
    client_go_online(next, 0);
    client_sync(romeo, next);
}

static void only_what_the_client_does_not_have_comes_again(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    say(romeo, d.a->jid, 0, 10);
    hear(&d, 0, 10);
    acknowledge(&d);
    say(romeo, d.a->jid, 10, 10);
    hear(&d, 10, 6); /* it does not say so before it is gone, and four it did not read */
    lose(&d);
    say(romeo, d.a->jid, 20, 3);
    (void)come_back(&d);
    hear(&d, 16, 7);
    expect_nothing(&d);
    acknowledge(&d);
    lose(&d);
    (void)come_back(&d);
    expect_nothing(&d);
    end(&d);
}

static void counts_go_on_both_ways(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;

    client_go_online(romeo, 0);
    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    for (unsigned i = 0; i < 5; i++) {
        raw_send(d.r, "<message to='%s' type='chat' id='a%u'><body>x</body></message>", romeo->bare, i);
        client_expect(romeo, "message[@id='a%u']", i);
        wait_h(&d, 2 + 2 * i);
        lose(&d);
        assert_int_equal(come_back(&d), 2 + 2 * i);
        expect_nothing(&d);
        wait_h(&d, 3 + 2 * i);
    }
    end(&d);
}

/* The server has them, but not yet in safety: its own count must say less than that, and they must not come twice. */
static void what_the_client_sends_again_is_delivered_once(void **state)
{
    struct harness *h = *state;
    struct device d, juliet;
    unsigned long has;

    begin(&juliet, h, harness_account(h), "resume='true'");
    be_available(&juliet);
    begin(&d, h, harness_account(h), "resume='true'");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++)
            raw_send(d.r, "<message to='%s' type='chat' id='m%d'><body>%d</body></message>", juliet.a->jid,
                     5 * round + i, 5 * round + i);
        hear(&juliet, 5 * round, 5); /* acknowledges nothing */
        lose(&d);
        has = come_back(&d);
        assert_in_range(has, 0, 5 * round + 5);
        for (unsigned long i = has; i < 5 * (unsigned long)round + 5; i++) /* with the time, as XEP-0198 says */
            raw_send(d.r,
                     "<message to='%s' type='chat' id='m%lu'><body>%lu</body>"
                     "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/></message>",
                     juliet.a->jid, i, i);
    }
    acknowledge(&juliet);
    wait_h(&d, 15);
    expect_nothing(&juliet);
    end(&d);
    end(&juliet);
}

static void stanzas_that_follow_the_request_in_one_go_are_the_sessions(void **state)
{
    struct harness *h = *state;
    struct device d;

    begin(&d, h, harness_account(h), "resume='true'");
    lose(&d);
    connect_again(&d);
    raw_send(d.r,
             "<resume xmlns='" NS_SM "' previd='%s' h='0'/>"
             "<iq type='get' id='p' to='" DOMAIN "'><ping xmlns='" NS_PING "'/></iq>" R,
             d.id);
    raw_expect(d.r, "resumed[@h='0']");
    raw_expect(d.r, "iq[@id='p'][@to='%s']", d.jid);
    raw_skip_to(d.r, "a[@h='1']");
    end(&d);
}

static void presence_is_not_taken_back_while_the_client_is_away(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *juliet = harness_login(h);
    const struct account *a = h->accounts;
    struct device d;

    client_befriend(romeo, juliet);
    while (strcmp(a->jid, juliet->bare) != 0)
        a = a->next;
    begin(&d, h, a, "resume='true' max='2'");
    raw_send(d.r, "<presence/>");
    client_expect(romeo, "presence[@from='%s'][not(@type)]", d.jid);
    client_sync(romeo, juliet);
    lose(&d);
    client_sync(juliet, romeo);
    client_expect_none(romeo, "presence[@type='unavailable']");
    /* who asks is told that it is there */
    client_send(romeo, "<presence to='%s' type='probe'/>", juliet->bare);
    client_expect_any(romeo, "presence[@from='%s'][not(@type)]", d.jid);
    /* nobody came back */
    client_expect_any(romeo, "presence[@from='%s'][@type='unavailable']", d.jid);
    end(&d);
}

static void presence_of_others_is_brought_up_to_date(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    lose(&d);
    client_send(romeo, "<presence to='%s'><show>away</show></presence>", d.jid);
    client_barrier_via(romeo, d.a->jid);
    (void)come_back(&d);
    take(&d, "presence[@from='%s']/show[.='away']", romeo->jid);
    lose(&d);
    client_send(romeo, "<presence to='%s' type='unavailable'/>", d.jid);
    client_barrier_via(romeo, d.a->jid);
    (void)come_back(&d);
    take(&d, "presence[@from='%s'][@type='unavailable']", romeo->jid);
    end(&d);
}

static void a_session_is_taken_from_a_connection_that_still_looks_alive(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;
    struct raw *old;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    for (int i = 0; i < 3; i++) {
        old = d.r;
        say(romeo, d.a->jid, 2 * i, 2); /* perhaps written to the old one: it counts as not received */
        (void)come_back(&d);
        raw_skip_to(old, "error[@xmlns='http://etherx.jabber.org/streams']/conflict");
        raw_expect_closed(old);
        raw_free(&old);
        hear(&d, 2 * i, 2);
        expect_nothing(&d);
    }
    end(&d);
}

static void requests_of_others_are_answered_by_the_client_that_came_back(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    raw_send(d.r, "<presence to='%s'/>", romeo->jid);
    client_expect(romeo, "presence[@from='%s']", d.jid);
    lose(&d);
    client_send(romeo, "<iq type='get' id='q' to='%s'><ping xmlns='" NS_PING "'/></iq>", d.jid);
    client_barrier_via(romeo, d.a->jid);
    (void)come_back(&d);
    take(&d, "iq[@type='get'][@id='q'][@from='%s']/ping", romeo->jid);
    raw_send(d.r, "<iq type='result' id='q' to='%s'/>", romeo->jid);
    client_expect(romeo, "iq[@type='result'][@id='q'][@from='%s']", d.jid);
    end(&d);
}

/* ---- not coming back ---- */

static void whoever_asked_a_client_that_does_not_come_back_gets_an_error(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;

    begin(&d, h, harness_account(h), "resume='true' max='1'");
    be_available(&d);
    raw_send(d.r, "<presence to='%s'/>", romeo->jid);
    client_expect(romeo, "presence[@from='%s']", d.jid);
    lose(&d);
    client_send(romeo, "<iq type='get' id='q' to='%s'><ping xmlns='" NS_PING "'/></iq>", d.jid);
    client_send(romeo, "<iq type='result' id='r' to='%s'/>", d.jid);
    client_expect_any(romeo, "iq[@type='error'][@id='q'][@from='%s']/error/service-unavailable", d.jid);
    client_barrier_via(romeo, d.a->jid);
    client_expect_none(romeo, "iq[@id='r']");
    end(&d);
}

static void messages_for_a_client_that_does_not_come_back_go_to_another_one_once(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;
    size_t mark = harness_log_mark(h);

    begin(&d, h, harness_account(h), "resume='true' max='1'");
    be_available(&d);
    say(romeo, d.a->jid, 0, 3);
    hear(&d, 0, 3);
    acknowledge(&d);
    say(romeo, d.a->jid, 3, 3);
    lose(&d);
    say(romeo, d.a->jid, 6, 3);
    client_send(romeo,
                "<message to='%s' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
                d.a->jid);
    client_barrier_via(romeo, d.a->jid);
    free(harness_log_wait(h, mark, "session.closed", d.jid));
    struct client *other = client_login(h, d.a, "other", 0);
    client_go_online(other, 0);
    for (int i = 3; i < 9; i++)
        client_expect(other, "message[@id='m%d'][delay[@xmlns='urn:xmpp:delay']]/body[.='%d']", i, i);
    client_sync(romeo, other);
    client_expect_none(other, "message");
    end(&d);
}

static void a_session_that_ended_is_not_found_but_its_count_is_told_to_its_account_only(void **state)
{
    struct harness *h = *state;
    struct device d, foreign;
    size_t mark = harness_log_mark(h);

    begin(&d, h, harness_account(h), "resume='true' max='1'");
    be_available(&d);
    expect_nothing(&d);
    lose(&d);
    free(harness_log_wait(h, mark, "session.closed", d.jid));
    connect_again(&d);
    ask_to_resume(&d);
    raw_expect(d.r, "failed[@xmlns='" NS_SM "'][@h='2']/item-not-found[@xmlns='" STANZAS "']");
    raw_bind(d.r, "device"); /* on the same stream */
    raw_free(&d.r);
    foreign = (struct device){.h = h, .a = harness_account(h), .id = d.id};
    connect_again(&foreign);
    ask_to_resume(&foreign);
    raw_expect(foreign.r, "failed[not(@h)]/item-not-found");
    raw_free(&foreign.r);
    end(&d);
}

static void a_client_that_closes_its_stream_has_ended_its_session(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    raw_send(d.r, "<presence to='%s'/>", romeo->jid);
    client_expect(romeo, "presence[@from='%s']", d.jid);
    raw_send(d.r, "</stream:stream>");
    client_expect(romeo, "presence[@from='%s'][@type='unavailable']", d.jid);
    raw_free(&d.r);
    expect_failed(&d);
    end(&d);
}

static void a_client_that_breaks_the_rules_has_ended_its_session(void **state)
{
    struct harness *h = *state;
    struct device d;

    begin(&d, h, harness_account(h), "resume='true'");
    raw_send(d.r, "<message></presence>");
    raw_skip_to(d.r, "error");
    raw_free(&d.r);
    expect_failed(&d);
    end(&d);
}

static void binding_the_same_resource_ends_the_session_that_waits(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    lose(&d);
    say(romeo, d.a->jid, 0, 4);
    struct client *again = client_login(h, d.a, "device", 0);
    client_go_online(again, 0);
    for (int i = 0; i < 4; i++)
        client_expect(again, "message[@id='m%d']", i);
    expect_failed(&d);
    end(&d);
}

/* ---- lies ---- */

static void a_foreign_session_is_not_found(void **state)
{
    struct harness *h = *state;
    struct device d, foreign;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    lose(&d);
    for (int i = 0; i < 4; i++) { /* perhaps on the same worker */
        foreign = (struct device){.h = h, .a = harness_account(h), .id = d.id};
        connect_again(&foreign);
        ask_to_resume(&foreign);
        raw_expect(foreign.r, "failed[not(@h)]/item-not-found");
        raw_free(&foreign.r);
    }
    assert_int_equal(come_back(&d), 1);
    end(&d);
}

static void a_count_above_what_was_sent_is_refused_and_the_session_stays(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    lose(&d);
    say(romeo, d.a->jid, 0, 2);
    connect_again(&d);
    raw_send(d.r, "<resume xmlns='" NS_SM "' previd='%s' h='4'/>", d.id);
    const struct node *error = raw_expect(d.r, "error[@xmlns='http://etherx.jabber.org/streams']");
    assert_true(node_matches(error, "error/undefined-condition[@xmlns='urn:ietf:params:xml:ns:xmpp-streams']"));
    assert_true(node_matches(error, "error/handled-count-too-high[@xmlns='" NS_SM "'][@h='4'][@send-count='3']"));
    raw_expect_closed(d.r);
    raw_free(&d.r);
    (void)come_back(&d);
    hear(&d, 0, 2);
    end(&d);
}

static void a_count_below_what_was_acknowledged_is_refused(void **state)
{
    struct harness *h = *state;
    struct device d;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    expect_nothing(&d);
    acknowledge(&d);
    wait_h(&d, 2);
    lose(&d);
    connect_again(&d);
    raw_send(d.r, "<resume xmlns='" NS_SM "' previd='%s' h='0'/>", d.id);
    raw_expect(d.r, "error[@xmlns='http://etherx.jabber.org/streams']/undefined-condition");
    raw_free(&d.r);
    assert_int_equal(come_back(&d), 2);
    end(&d);
}

static void malformed_requests_are_refused(void **state)
{
    static const char *const bad[] = {
        "", "previd='x'", "h='0'", "previd='' h='0'", "previd='x' h='-1'", "previd='x' h='4294967296'"};
    struct harness *h = *state;
    struct raw *r = raw_secure(h, NULL);

    raw_plain(r, harness_account(h));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        raw_send(r, "<resume xmlns='" NS_SM "' %s/>", bad[i]);
        raw_expect(r, "failed/bad-request[@xmlns='" STANZAS "']");
    }
    raw_bind(r, "one");
    raw_send(r, "<resume xmlns='" NS_SM "' previd='x' h='0'/>");
    raw_expect(r, "failed/unexpected-request[@xmlns='" STANZAS "']");
    raw_free(&r);
}

/* ---- storage ---- */

static void a_message_to_a_client_that_is_away_is_acknowledged_at_once_and_survives_a_crash(void **state)
{
    struct harness *h = *state;
    struct device d, romeo;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    begin(&romeo, h, harness_account(h), "resume='true'");
    lose(&d);
    for (int i = 0; i < 5; i++)
        raw_send(romeo.r, "<message to='%s' type='chat' id='m%d'><body>%d</body></message>", d.a->jid, i, i);
    wait_h(&romeo, 5);
    harness_crash(h);
    raw_free(&romeo.r);
    harness_start(h);
    expect_failed(&d);
    raw_bind(d.r, "device");
    raw_send(d.r, "<presence/>");
    take(&d, "presence");
    hear(&d, 0, 5);
    end(&d);
    end(&romeo);
}

static void what_the_client_has_does_not_come_again_after_a_crash_either(void **state)
{
    struct harness *h = *state;
    struct device d, romeo;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    begin(&romeo, h, harness_account(h), "resume='true'");
    for (int i = 0; i < 6; i++)
        raw_send(romeo.r, "<message to='%s' type='chat' id='m%d'><body>%d</body></message>", d.a->jid, i, i);
    hear(&d, 0, 6);
    d.h_ -= 2;         /* it says that it has four of them */
    wait_h(&romeo, 6); /* they are owed, since it takes so long */
    harness_crash(h);
    raw_free(&romeo.r);
    raw_free(&d.r);
    harness_start(h);
    expect_failed(&d);
    raw_bind(d.r, "device");
    raw_send(d.r, "<presence/>");
    take(&d, "presence");
    hear(&d, 4, 2);
    expect_nothing(&d);
    end(&d);
    end(&romeo);
}

/* It has been in storage all the time, first without a name, and may be known to two sessions that have gone. */
static void what_was_replayed_does_not_come_again_after_a_crash(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);
    struct device d, again;

    say(romeo, a->jid, 0, 6);
    client_barrier_via(romeo, a->jid);
    begin(&d, h, a, "resume='true'");
    be_available(&d);
    hear(&d, 0, 6);
    d.h_ -= 4; /* it says that it has two of them */
    harness_crash(h);
    raw_free(&d.r);
    client_forget_all(h);
    harness_start(h);
    expect_failed(&d);
    raw_free(&d.r);
    begin(&again, h, a, "resume='true'");
    be_available(&again);
    hear(&again, 2, 4);
    again.h_ -= 1; /* and now all but one */
    harness_crash(h);
    raw_free(&again.r);
    harness_start(h);
    expect_failed(&again);
    raw_bind(again.r, "device");
    raw_send(again.r, "<presence/>");
    take(&again, "presence");
    hear(&again, 5, 1);
    expect_nothing(&again);
    end(&again);
    end(&d);
}

static void what_the_client_has_does_not_come_again_when_its_session_is_over(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;
    size_t mark = harness_log_mark(h);

    begin(&d, h, harness_account(h), "resume='true' max='1'");
    be_available(&d);
    say(romeo, d.a->jid, 0, 6);
    hear(&d, 0, 4);
    lose(&d);
    free(harness_log_wait(h, mark, "session.closed", d.jid));
    expect_failed(&d);
    raw_bind(d.r, "device");
    raw_send(d.r, "<presence/>");
    take(&d, "presence");
    hear(&d, 4, 2);
    expect_nothing(&d);
    end(&d);
}

static void offline_messages_go_on_where_they_were_and_live_ones_stay_behind_them(void **state)
{
    enum { STORED = 700, LIVE = 20 };
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);
    struct device d;

    say(romeo, a->jid, 0, STORED);
    begin(&d, h, a, "resume='true'");
    be_available(&d);
    hear(&d, 0, 50); /* acknowledges nothing: it is given no more than a few hundred for a while */
    lose(&d);
    say(romeo, a->jid, STORED, LIVE / 2);
    client_barrier_via(romeo, a->jid);
    (void)come_back(&d);
    say(romeo, a->jid, STORED + LIVE / 2, LIVE / 2);
    for (int i = 50; i < STORED + LIVE; i += 10) {
        hear(&d, i, 10);
        acknowledge(&d);
    }
    expect_nothing(&d);
    acknowledge(&d);
    wait_h(&d, 2);
    end(&d);
}

/* ---- the operator ---- */

static void operator(struct harness *h, const char *input, const char *command, const char *jid)
{
    char *output = NULL;

    if (harness_ctl(h, input, &output, command, jid) != 0)
        test_fail("linnetctl %s: %s", command, output);
    free(output);
}

static void a_session_that_waits_is_listed_and_can_be_ended(void **state)
{
    struct harness *h = *state;
    struct device d;
    struct json *list;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    lose(&d);
    list = harness_ctl_json(h, "sessions", d.a->jid);
    assert_string_equal(json_text(list, "0.full_jid"), d.jid);
    assert_string_equal(json_text(list, "0.state"), "hibernating");
    json_free(&list);
    operator(h, NULL, "kick", d.jid);
    expect_failed(&d);
    end(&d);
}

static void a_new_password_ends_the_session_that_waits(void **state)
{
    struct harness *h = *state;
    struct account a = *harness_account(h);
    struct device d;

    begin(&d, h, &a, "resume='true'");
    lose(&d);
    operator(h, "changed\n", "passwd", a.jid);
    a.password = (char *)(uintptr_t) "changed";
    expect_failed(&d);
    end(&d);
}

/* ---- a restart of the server ---- */

/* SIGTERM and a new start. The connection ends without a word. */
static void restart(struct device *d)
{
    harness_stop(d->h);
    raw_expect_eof(d->r);
    assert_false(d->r->is_stream_closed);
    raw_free(&d->r);
    client_forget_all(d->h);
    harness_start(d->h);
}

static void after_a_restart_the_client_goes_on_as_if_nothing_had_happened(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *contact = harness_account(h);
    struct device d;

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    raw_send(d.r, "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
    take(&d, "iq[@id='roster']");
    raw_send(d.r, "<message to='%s' type='chat' id='s1'><body>x</body></message>", contact->jid);
    raw_send(d.r, "<presence to='%s'/>", contact->jid);
    wait_h(&d, 4);
    say(romeo, d.a->jid, 0, 5);
    hear(&d, 0, 5);
    acknowledge(&d);
    say(romeo, d.a->jid, 5, 5);
    hear(&d, 5, 3); /* which it does not say, and two it has not read */
    restart(&d);
    romeo = harness_login(h);
    say(romeo, d.a->jid, 10, 5);
    assert_int_equal(come_back(&d), 4);
    hear(&d, 8, 7);
    expect_nothing(&d);
    wait_h(&d, 5);
    /* it is interested and available as before */
    raw_send(d.r, "<iq type='set' id='add'><query xmlns='jabber:iq:roster'><item jid='a@example.net'/></query></iq>");
    take(&d, "iq[@id='add']");
    take(&d, "iq[@type='set']/query[@xmlns='jabber:iq:roster']/item[@jid='a@example.net']");
    acknowledge(&d);
    say(romeo, d.a->jid, 15, 1);
    hear(&d, 15, 1);
    acknowledge(&d);
    /* those who were sent directed presence are told when it ends */
    struct client *juliet = client_login(h, contact, "one", 0);
    client_go_online(juliet, 0);
    client_expect(juliet, "message[@id='s1']");
    raw_send(d.r, "</stream:stream>");
    client_expect(juliet, "presence[@from='%s'][@type='unavailable']", d.jid);
    end(&d);
    /* all was acknowledged: nothing is left */
    struct client *next = client_login(h, d.a, "next", 0);
    client_go_online(next, 0);
    client_sync(juliet, next);
    client_expect_none(next, "message");
}

static void after_two_restarts_nothing_is_lost_or_comes_twice(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct device d;

    begin(&d, h, a, "resume='true'");
    be_available(&d);
    for (int i = 0; i < 2; i++) {
        struct client *romeo = harness_login(h);

        say(romeo, a->jid, 10 * i, 10);
        hear(&d, 10 * i, 5);
        if (i == 0)
            restart(&d);
        else
            lose(&d);
        if (i == 1) { /* away when the server stops */
            client_forget_all(h);
            harness_stop(h);
            harness_start(h);
        }
        assert_int_equal(come_back(&d), 1);
        hear(&d, 10 * i + 5, 5);
    }
    expect_nothing(&d);
    acknowledge(&d);
    wait_h(&d, 2);
    end(&d);
}

static void who_leaves_when_the_server_stops_is_seen_to_leave(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;
    char *jid = strdup(romeo->jid);

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    client_send(romeo, "<presence to='%s'/>", d.jid);
    take(&d, "presence[@from='%s'][not(@type)]", jid);
    restart(&d);
    (void)come_back(&d);
    take(&d, "presence[@from='%s'][@type='unavailable']", jid);
    expect_nothing(&d);
    end(&d);
    free(jid);
}

static void two_sessions_that_see_each_other_notice_nothing(void **state)
{
    struct harness *h = *state;
    struct device a, b;

    begin(&a, h, harness_account(h), "resume='true'");
    begin(&b, h, harness_account(h), "resume='true'");
    be_available(&a);
    be_available(&b);
    raw_send(a.r, "<presence to='%s'/>", b.jid);
    take(&b, "presence[@from='%s']", a.jid);
    wait_h(&a, 2);
    raw_send(b.r, "<message to='%s' type='chat' id='m0'><body>0</body></message>", a.jid);
    harness_stop(h); /* perhaps it has arrived */
    raw_free(&a.r);
    raw_free(&b.r);
    harness_start(h);
    assert_int_equal(come_back(&a), 2);
    if (come_back(&b) == 1)
        raw_send(b.r, "<message to='%s' type='chat' id='m0'><body>0</body></message>", a.jid);
    hear(&a, 0, 1);
    acknowledge(&a);
    wait_h(&b, 2);
    expect_nothing(&b);
    end(&a);
    end(&b);
}

static void time_goes_on_while_the_server_is_away(void **state)
{
    struct harness *h = *state;
    struct device d;

    begin(&d, h, harness_account(h), "resume='true' max='1'");
    be_available(&d);
    lose(&d);
    harness_stop(h);
    struct timespec second = {1, 100000000};

    nanosleep(&second, NULL); /* its whole time */
    size_t mark = harness_log_mark(h);

    harness_start(h);
    free(harness_log_wait(h, mark, "session.closed", d.jid));
    expect_failed(&d);
    end(&d);
}

/* ---- bounds ---- */

static void a_session_that_waits_ends_when_more_comes_than_its_queue_may_hold(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;
    size_t mark = harness_log_mark(h);

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    lose(&d);
    say(romeo, d.a->jid, 0, 45); /* sm.queue_stanzas = 30 */
    free(harness_log_wait(h, mark, "session.closed", d.jid));
    expect_failed(&d);
    raw_bind(d.r, "device");
    raw_send(d.r, "<presence/>");
    take(&d, "presence");
    hear(&d, 0, 45);
    expect_nothing(&d);
    end(&d);
}

static void a_session_that_waits_ends_when_larger_things_come_than_its_queue_may_hold(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    struct device d;
    size_t mark = harness_log_mark(h);
    char *large = text_format("%030000d", 7);

    begin(&d, h, harness_account(h), "resume='true'");
    be_available(&d);
    lose(&d);
    for (int i = 0; i < 5; i++) /* sm.queue_bytes = 65536 */
        client_send(romeo, "<message to='%s' type='chat' id='m%d'><body>%s</body></message>", d.a->jid, i, large);
    free(harness_log_wait(h, mark, "session.closed", d.jid));
    struct client *other = client_login(h, d.a, "other", 0);
    client_go_online(other, 0);
    for (int i = 0; i < 5; i++)
        assert_string_equal(node_text(client_expect(other, "message[@id='m%d']", i), "message/body"), large);
    free(large);
    end(&d);
}

static void the_session_that_has_waited_longest_gives_way_to_a_new_one(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct device d[3];

    for (int i = 0; i < 3; i++) { /* limits.sessions_per_account = 3 */
        struct raw *r = raw_login(h, a, i == 0 ? "r0" : i == 1 ? "r1" : "r2");

        d[i] = (struct device){.h = h, .a = a, .r = r, .jid = strdup(r->jid)};
        raw_send(r, "<enable xmlns='" NS_SM "' resume='true'/>");
        d[i].id = strdup(node_attr(raw_expect(r, "enabled"), "id"));
        lose(&d[i]);
    }
    struct raw *fourth = raw_login(h, a, "r3");
    raw_free(&fourth);
    expect_failed(&d[0]);
    (void)come_back(&d[1]);
    (void)come_back(&d[2]);
    for (int i = 0; i < 3; i++)
        end(&d[i]);
}

static void nothing_is_promised_where_resumption_is_off(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_login(h, harness_account(h), "one");

    raw_send(r, "<enable xmlns='" NS_SM "' resume='true'/>");
    raw_expect(r, "enabled[not(@resume)][not(@id)]");
    raw_free(&r);
}

int main(void)
{
    static const char *const low_settings[] = {"sm.queue_stanzas = 30", "sm.queue_bytes = 65536",
                                               "limits.sessions_per_account = 3", NULL},
                             *const off_settings[] = {"sm.resume_s = 0", NULL};
    static const struct harness_options usual = {0}, low = {.settings = low_settings}, off = {.settings = off_settings};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_session_gets_a_name_of_its_own_and_a_time_no_longer_than_it_asks_for),
        HARNESS_TEST(what_was_sent_meanwhile_comes_once_and_in_order),
        HARNESS_TEST(only_what_the_client_does_not_have_comes_again),
        HARNESS_TEST(counts_go_on_both_ways),
        HARNESS_TEST(what_the_client_sends_again_is_delivered_once),
        HARNESS_TEST(stanzas_that_follow_the_request_in_one_go_are_the_sessions),
        HARNESS_TEST(presence_is_not_taken_back_while_the_client_is_away),
        HARNESS_TEST(presence_of_others_is_brought_up_to_date),
        HARNESS_TEST(a_session_is_taken_from_a_connection_that_still_looks_alive),
        HARNESS_TEST(requests_of_others_are_answered_by_the_client_that_came_back),
        HARNESS_TEST(whoever_asked_a_client_that_does_not_come_back_gets_an_error),
        HARNESS_TEST(messages_for_a_client_that_does_not_come_back_go_to_another_one_once),
        HARNESS_TEST(a_session_that_ended_is_not_found_but_its_count_is_told_to_its_account_only),
        HARNESS_TEST(a_client_that_closes_its_stream_has_ended_its_session),
        HARNESS_TEST(a_client_that_breaks_the_rules_has_ended_its_session),
        HARNESS_TEST(binding_the_same_resource_ends_the_session_that_waits),
        HARNESS_TEST(a_foreign_session_is_not_found),
        HARNESS_TEST(a_count_above_what_was_sent_is_refused_and_the_session_stays),
        HARNESS_TEST(a_count_below_what_was_acknowledged_is_refused),
        HARNESS_TEST(malformed_requests_are_refused),
        HARNESS_TEST(a_message_to_a_client_that_is_away_is_acknowledged_at_once_and_survives_a_crash),
        HARNESS_TEST(what_the_client_has_does_not_come_again_after_a_crash_either),
        HARNESS_TEST(what_was_replayed_does_not_come_again_after_a_crash),
        HARNESS_TEST(what_the_client_has_does_not_come_again_when_its_session_is_over),
        HARNESS_TEST(offline_messages_go_on_where_they_were_and_live_ones_stay_behind_them),
        HARNESS_TEST(a_session_that_waits_is_listed_and_can_be_ended),
        HARNESS_TEST(a_new_password_ends_the_session_that_waits),
        HARNESS_TEST(after_a_restart_the_client_goes_on_as_if_nothing_had_happened),
        HARNESS_TEST(after_two_restarts_nothing_is_lost_or_comes_twice),
        HARNESS_TEST(who_leaves_when_the_server_stops_is_seen_to_leave),
        HARNESS_TEST(two_sessions_that_see_each_other_notice_nothing),
        HARNESS_TEST(time_goes_on_while_the_server_is_away),
    };
    const struct CMUnitTest with_low_limits[] = {
        HARNESS_TEST(a_session_that_waits_ends_when_more_comes_than_its_queue_may_hold),
        HARNESS_TEST(a_session_that_waits_ends_when_larger_things_come_than_its_queue_may_hold),
        HARNESS_TEST(the_session_that_has_waited_longest_gives_way_to_a_new_one),
    };
    const struct CMUnitTest without[] = {
        HARNESS_TEST(nothing_is_promised_where_resumption_is_off),
    };

    return harness_run_tests("resumption", tests, &usual) |
           harness_run_once("resumption, low limits", with_low_limits, &low) |
           harness_run_once("resumption, off", without, &off);
}
