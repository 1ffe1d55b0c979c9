/* tests/integration/test_csi.c - XEP-0352: what a client gets while nobody looks at it, and when it is looked at again.
 *
 * That nothing is sent is found out by asking for an acknowledgement (XEP-0198): the answer is no stanza, and takes
 * nothing along. */
#include "client.h"
#include "raw.h"
#include "sasl2_client.h"

#define NS_CSI   "urn:xmpp:csi:0"
#define NS_EVENT "http://jabber.org/protocol/pubsub#event"
#define ACTIVE   "<active xmlns='" NS_CSI "'/>"
#define INACTIVE "<inactive xmlns='" NS_CSI "'/>"
#define PING     "<iq type='get' id='ping1' to='" DOMAIN "'><ping xmlns='urn:xmpp:ping'/></iq>"

struct pair {
    struct harness *h;
    const struct account *account;
    struct client *romeo; /* sees juliet, and she him */
    struct raw *juliet;
    unsigned stanzas; /* that she was sent since she counts */
};

/* ---- the inactive client ---- */

/* The next stanza must match; the server's own requests for acknowledgements are none. */
static const struct node *expect(struct pair *p, const char *path)
{
    const struct node *n;

    do
        n = raw_expect(p->juliet, "*");
    while (node_matches(n, "r[@xmlns='" NS_SM "']"));
    p->stanzas++;
    if (!node_matches(n, path))
        test_fail("this is not %s: %s", path, node_describe(n));
    return n;
}

/* Until one matches. */
static void skip_to(struct pair *p, const char *path)
{
    const struct node *n;

    do {
        n = raw_expect(p->juliet, "*");
        p->stanzas += !node_matches(n, "r[@xmlns='" NS_SM "']");
    } while (!node_matches(n, path));
}

/* The server has read all that was sent to it, and sent nothing since. */
static void expect_nothing(struct pair *p)
{
    const struct node *n;

    raw_send(p->juliet, "<r xmlns='" NS_SM "'/>");
    do
        n = raw_expect(p->juliet, "*");
    while (node_matches(n, "r[@xmlns='" NS_SM "']"));
    if (!node_matches(n, "a[@xmlns='" NS_SM "']"))
        test_fail("this came to an inactive client: %s", node_describe(n));
}

/* What romeo sent has come to juliet's home, and nothing of it went on to her. */
static void expect_all_held(struct pair *p)
{
    client_barrier_via(p->romeo, p->account->jid);
    expect_nothing(p);
}

static void begin(struct pair *p, struct harness *h)
{
    struct client *before;

    *p = (struct pair){.h = h, .account = harness_account(h), .romeo = harness_login(h)};
    before = client_login(h, p->account, "before", 0);
    client_befriend(p->romeo, before);
    client_logout(before);
    p->juliet = raw_login(h, p->account, "phone");
    raw_enable_acks(p->juliet);
    raw_send(p->juliet, "<presence/>");
    skip_to(p, "presence[@from]");
    client_sync(p->romeo, p->romeo);
    raw_send(p->juliet, PING); /* behind romeo's answer to her probe */
    client_expect_any(p->romeo, "presence[not(@type)]");
    client_barrier_via(p->romeo, p->account->jid);
    client_drain(p->romeo);
    client_send(p->romeo, "<message type='headline' to='%s' id='start'/>", p->juliet->jid);
    skip_to(p, "message[@id='start']");
    raw_send(p->juliet, INACTIVE);
    expect_nothing(p);
}

static void end(struct pair *p)
{
    raw_free(&p->juliet);
}

static void become_active(struct pair *p)
{
    raw_send(p->juliet, ACTIVE PING);
}

static void expect_pong(struct pair *p)
{
    expect(p, "iq[@type='result'][@id='ping1']");
}

/* ---- the conversation ---- */

static void it_is_offered_after_the_login_only(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_secure(h, NULL);

    assert_false(node_matches(r->features, "features/csi"));
    raw_plain(r, harness_account(h));
    assert_true(node_matches(r->features, "features/csi[@xmlns='" NS_CSI "']"));
    raw_free(&r);
}

static void a_client_that_has_not_bound_has_no_state(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_secure(h, NULL);

    raw_plain(r, harness_account(h));
    raw_send(r, INACTIVE);
    raw_expect_error(r, "unsupported-stanza-type");
    raw_free(&r);
}

static void neither_state_is_answered(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_login(h, harness_account(h), "one");

    raw_send(r, INACTIVE INACTIVE ACTIVE ACTIVE INACTIVE "<inactive xmlns='" NS_CSI "'>with <more/></inactive>" ACTIVE);
    raw_expect_quiet(r);
    raw_send(r, "<sleeping xmlns='" NS_CSI "'/>");
    raw_expect_error(r, "unsupported-stanza-type");
    raw_free(&r);
}

static void nobody_is_told(void **state)
{
    struct pair p;

    begin(&p, *state);
    client_expect_quiet(p.romeo);
    become_active(&p);
    expect_pong(&p);
    client_expect_quiet(p.romeo);
    end(&p);
}

/* ---- presence ---- */

static void of_each_resource_the_last_presence_comes_with_its_time_when_the_client_is_active(void **state)
{
    struct pair p;

    begin(&p, *state);
    client_send(p.romeo, "<presence><show>away</show></presence>");
    client_send(p.romeo, "<presence><show>xa</show></presence>");
    client_send(p.romeo, "<presence><show>dnd</show><status>last</status></presence>");
    expect_all_held(&p);
    become_active(&p);
    expect(&p, "presence[status[.='last']][show[.='dnd']]/delay[@xmlns='urn:xmpp:delay'][@from='" DOMAIN "'][@stamp]");
    expect_pong(&p); /* XEP-0352 section 5.1: not before what was held */
    client_send(p.romeo, "<presence><show>chat</show></presence>");
    expect(&p, "presence[not(delay)]/show[.='chat']");
    end(&p);
}

static void who_has_gone_meanwhile_is_just_gone(void **state)
{
    struct pair p;

    begin(&p, *state);
    struct client *other = harness_login(p.h);

    client_send(p.romeo, "<presence><show>away</show></presence>");
    client_logout(p.romeo);
    client_barrier_via(other, p.account->jid);
    expect_nothing(&p);
    become_active(&p);
    expect(&p, "presence[@type='unavailable']");
    expect_pong(&p);
    end(&p);
}

static void resources_are_told_apart_and_the_last_to_change_comes_last(void **state)
{
    struct pair p;

    begin(&p, *state);
    client_send(p.romeo, "<presence to='%s'><status>directed</status></presence>", p.juliet->jid);
    struct client *stranger = harness_login(p.h);

    client_send(stranger, "<presence to='%s'><status>first</status></presence>", p.juliet->jid);
    client_barrier_via(stranger, p.account->jid);
    client_send(p.romeo, "<presence><status>second</status></presence>");
    client_barrier_via(p.romeo, p.account->jid);
    client_send(stranger, "<presence to='%s'><status>third</status></presence>", p.juliet->jid);
    client_barrier_via(stranger, p.account->jid);
    expect_nothing(&p);
    become_active(&p);
    expect(&p, "presence/status[.='second']");
    expect(&p, "presence/status[.='third']");
    expect_pong(&p);
    end(&p);
}

static void its_own_presence_comes_back_at_once_and_takes_along_what_was_held(void **state)
{
    struct pair p;

    begin(&p, *state);
    client_send(p.romeo, "<presence><show>away</show></presence>");
    expect_all_held(&p);
    raw_send(p.juliet, "<presence><show>xa</show></presence>");
    expect(&p, "presence/show[.='away']");
    expect(&p, "presence/show[.='xa']");
    client_send(p.romeo, "<presence/>");
    expect_all_held(&p); /* still inactive */
    end(&p);
}

static void presence_and_state_have_nothing_to_do_with_each_other(void **state)
{
    struct pair p;

    begin(&p, *state);
    raw_send(p.juliet, "<presence><show>chat</show></presence>");
    skip_to(&p, "presence/show[.='chat']");
    client_expect_any(p.romeo, "presence/show[.='chat']");
    client_send(p.romeo, "<presence><show>away</show></presence>");
    expect_all_held(&p);
    raw_send(p.juliet, ACTIVE);
    expect(&p, "presence/show[.='away']");
    client_expect_none(p.romeo, "presence[@from='%s']", p.juliet->jid);
    end(&p);
}

/* ---- what goes out at once ---- */

static void a_message_comes_at_once_behind_what_was_held(void **state)
{
    struct pair p;

    begin(&p, *state);
    client_send(p.romeo, "<presence><show>away</show></presence>");
    client_send(p.romeo, "<presence><show>dnd</show></presence>");
    client_send(p.romeo, "<message type='chat' to='%s' id='m1'><body>wake up</body></message>", p.account->jid);
    expect(&p, "presence/show[.='dnd']");
    expect(&p, "message[@id='m1'][not(delay)]/body");
    client_send(p.romeo, "<presence/>");
    expect_all_held(&p);
    client_send(p.romeo, "<message type='chat' to='%s' id='m2'><body>again</body></message>", p.account->jid);
    expect(&p, "presence[not(show)]");
    expect(&p, "message[@id='m2']");
    end(&p);
}

static void receipts_and_markers_come_at_once_and_overtake_nothing(void **state)
{
    struct pair p;

    begin(&p, *state);
    client_send(p.romeo, "<presence><show>away</show></presence>");
    client_send(p.romeo, "<message type='chat' to='%s'><displayed xmlns='urn:xmpp:chat-markers:0' id='1'/></message>",
                p.account->jid);
    expect(&p, "presence/show[.='away']");
    expect(&p, "message/displayed");
    end(&p);
}

static void requests_and_answers_come_at_once(void **state)
{
    struct pair p;

    begin(&p, *state);
    client_send(p.romeo, "<presence><show>away</show></presence>");
    client_send(p.romeo, "<iq type='get' id='q1' to='%s'><query xmlns='jabber:iq:version'/></iq>", p.juliet->jid);
    expect(&p, "presence/show[.='away']");
    expect(&p, "iq[@id='q1'][@type='get']");
    raw_send(p.juliet, "<message to='nobody@" DOMAIN "' id='e1' type='chat'><body>x</body></message>");
    expect(&p, "message[@type='error'][@id='e1']");
    end(&p);
}

static void a_request_to_be_a_contact_comes_at_once(void **state)
{
    struct pair p;

    begin(&p, *state);
    struct client *stranger = harness_login(p.h);

    client_send(stranger, "<presence type='subscribe' to='%s'/>", p.account->jid);
    expect(&p, "presence[@type='subscribe']");
    end(&p);
}

static void messages_of_a_room_come_at_once(void **state)
{
    struct pair p;

    begin(&p, *state);
    client_send(p.romeo,
                "<message type='groupchat' to='%s'><composing xmlns='http://jabber.org/protocol/chatstates'/>"
                "</message>",
                p.juliet->jid);
    client_send(p.romeo, "<message type='groupchat' to='%s'><x xmlns='urn:example:poll'/></message>", p.juliet->jid);
    expect_all_held(&p);
    client_send(p.romeo, "<message type='groupchat' to='%s' id='g'><body>x</body></message>", p.juliet->jid);
    expect(&p, "message/x[@xmlns='urn:example:poll']");
    expect(&p, "message[@id='g']/body");
    end(&p);
}

/* ---- what does not ---- */

static void chat_states_are_dropped(void **state)
{
    struct pair p;

    begin(&p, *state);
    client_send(p.romeo,
                "<message type='chat' to='%s'><composing xmlns='http://jabber.org/protocol/chatstates'/>"
                "<no-store xmlns='urn:xmpp:hints'/></message>",
                p.juliet->jid);
    client_send(p.romeo,
                "<message type='chat' to='%s'><paused xmlns='http://jabber.org/protocol/chatstates'/></message>",
                p.account->jid);
    expect_all_held(&p);
    become_active(&p);
    expect_pong(&p);
    client_send(p.romeo, "<message type='chat' to='%s'><gone xmlns='http://jabber.org/protocol/chatstates'/></message>",
                p.account->jid);
    expect(&p, "message/gone");
    end(&p);
}

static void send_event(struct pair *p, const char *node, const char *item)
{
    client_send(p->romeo,
                "<message type='headline' to='%s'><event xmlns='" NS_EVENT
                "'><items node='%s'>%s</items></event></message>",
                p->juliet->jid, node, item);
}

static void of_each_item_of_a_node_the_last_event_comes(void **state)
{
    struct pair p;

    begin(&p, *state);
    send_event(&p, "mood", "<item id='current'><a xmlns='x'/></item>");
    send_event(&p, "bookmarks", "<item id='one'/>");
    send_event(&p, "bookmarks", "<item id='two'/>");
    send_event(&p, "mood", "<item id='current'><b xmlns='x'/></item>");
    send_event(&p, "bookmarks", "<retract id='one'/>");
    expect_all_held(&p);
    become_active(&p);
    expect(&p, "message/event/items[@node='bookmarks']/item[@id='two']");
    expect(&p, "message/event/items[@node='mood']/item/b");
    expect(&p, "message[delay]/event/items[@node='bookmarks']/retract[@id='one']");
    expect_pong(&p);
    end(&p);
}

static void headlines_wait_all_of_them(void **state)
{
    struct pair p;

    begin(&p, *state);
    client_send(p.romeo, "<message type='headline' to='%s'><body>one</body></message>", p.account->jid);
    client_send(p.romeo, "<message type='headline' to='%s'><body>two</body></message>", p.account->jid);
    expect_all_held(&p);
    become_active(&p);
    expect(&p, "message[delay]/body[.='one']");
    expect(&p, "message[delay]/body[.='two']");
    expect_pong(&p);
    end(&p);
}

/* ---- counting, and the end ---- */

static void what_is_held_is_counted_when_it_is_sent(void **state)
{
    struct pair p;

    begin(&p, *state);
    client_send(p.romeo, "<presence><show>away</show></presence>");
    client_send(p.romeo, "<presence><show>dnd</show></presence>");
    expect_all_held(&p);
    become_active(&p);
    expect(&p, "presence/show[.='dnd']");
    expect_pong(&p);
    raw_send(p.juliet, "<a xmlns='" NS_SM "' h='%u'/>", p.stanzas);
    expect_nothing(&p);
    raw_send(p.juliet, "<a xmlns='" NS_SM "' h='%u'/>", p.stanzas + 1);
    const struct node *error = raw_skip_to(p.juliet, "error");
    char *path = text_format("error/handled-count-too-high[@send-count='%u']", p.stanzas);

    assert_true(node_matches(error, path));
    free(path);
    end(&p);
}

static void a_sender_does_not_wait_for_what_is_held(void **state)
{
    struct pair p;

    begin(&p, *state);
    struct client *sender = client_login(p.h, harness_account(p.h), "acks", CLIENT_ACKS);

    client_send(sender, "<presence to='%s'/>", p.juliet->jid);
    client_send(sender, "<message type='headline' to='%s'><body>x</body></message>", p.juliet->jid);
    client_wait_acked(sender);
    expect_nothing(&p);
    end(&p);
}

static void a_session_that_ends_takes_what_was_held_with_it(void **state)
{
    struct pair p;

    begin(&p, *state);
    client_send(p.romeo, "<presence><show>away</show></presence>");
    client_send(p.romeo, "<message type='headline' to='%s'><body>x</body></message>", p.juliet->jid);
    expect_all_held(&p);
    end(&p);
    client_expect_any(p.romeo, "presence[@type='unavailable']");
    p.juliet = raw_login(p.h, p.account, "phone"); /* and a new one begins active */
    raw_send(p.juliet, "<presence/>");
    raw_skip_to(p.juliet, "presence/show[.='away']");
    client_send(p.romeo, "<message type='headline' to='%s'><body>y</body></message>", p.juliet->jid);
    raw_skip_to(p.juliet, "message/body[.='y']");
    end(&p);
}

/* ---- connections that break ---- */

/* Now it can be resumed; returns the id that it is resumed by. */
static char *log_in_resumable(struct pair *p)
{
    raw_free(&p->juliet);
    client_expect_any(p->romeo, "presence[@type='unavailable']");
    p->juliet = raw_login(p->h, p->account, "phone");
    raw_send(p->juliet, "<enable xmlns='" NS_SM "' resume='true'/>");
    char *id = strdup(node_attr(raw_expect(p->juliet, "enabled[@id]"), "id"));

    p->stanzas = 0;
    raw_send(p->juliet, "<presence/>");
    client_expect_any(p->romeo, "presence[not(@type)]");
    client_send(p->romeo, "<message type='headline' to='%s' id='start'/>", p->juliet->jid);
    skip_to(p, "message[@id='start']");
    return id;
}

static void break_connection(struct pair *p)
{
    char *jid = text_format("jid=%s/phone", p->account->jid);
    size_t mark = harness_log_mark(p->h);

    raw_free(&p->juliet);
    free(harness_log_wait(p->h, mark, "session.hibernating", jid));
    free(jid);
}

static void resume(struct pair *p, char *own_id)
{
    p->juliet = raw_secure(p->h, NULL);
    raw_plain(p->juliet, p->account);
    raw_send(p->juliet, "<resume xmlns='" NS_SM "' previd='%s' h='%u'/>", own_id, p->stanzas);
    raw_expect(p->juliet, "resumed");
    free(own_id);
}

static void a_resumed_stream_is_active_and_brings_what_was_held(void **state)
{
    struct pair p;

    begin(&p, *state);
    char *id = log_in_resumable(&p);

    raw_send(p.juliet, INACTIVE);
    expect_nothing(&p);
    client_send(p.romeo, "<presence><show>away</show></presence>");
    client_send(p.romeo, "<message type='headline' to='%s' id='h'><body>x</body></message>", p.juliet->jid);
    expect_all_held(&p);
    break_connection(&p);
    client_send(p.romeo, "<presence><show>dnd</show></presence>");
    client_barrier_via(p.romeo, p.account->jid);
    resume(&p, id);
    expect(&p, "message[@id='h'][delay]");
    expect(&p, "presence[delay]/show[.='dnd']");
    client_send(p.romeo, "<presence/>");
    expect(&p, "presence[not(delay)][not(show)]"); /* nothing is held any more */
    end(&p);
}

static void what_waits_for_a_client_without_a_connection_is_the_last_presence_of_each(void **state)
{
    struct pair p;

    begin(&p, *state);
    char *id = log_in_resumable(&p);

    break_connection(&p); /* of a client that was active */
    for (int i = 0; i < 50; i++)
        client_send(p.romeo, "<presence><status>%d</status></presence>", i);
    client_send(p.romeo,
                "<message type='chat' to='%s'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
                p.account->jid);
    client_send(p.romeo, "<message type='chat' to='%s' id='m'><body>x</body></message>", p.account->jid);
    for (int i = 0; i < 50; i++)
        client_send(p.romeo, "<presence><status>later %d</status></presence>", i);
    client_barrier_via(p.romeo, p.account->jid);
    resume(&p, id);
    expect(&p, "presence[delay]/status[.='49']");
    expect(&p, "message[@id='m']");
    expect(&p, "presence[delay]/status[.='later 49']");
    raw_send(p.juliet, "<a xmlns='" NS_SM "' h='%u'/>", p.stanzas); /* both sides have counted alike */
    expect_nothing(&p);
    end(&p);
}

static void what_is_held_outlasts_a_restart_of_the_server(void **state)
{
    struct pair p;

    begin(&p, *state);
    char *id = log_in_resumable(&p);

    raw_send(p.juliet, INACTIVE);
    expect_nothing(&p);
    client_send(p.romeo, "<message type='headline' to='%s' id='h'><body>x</body></message>", p.juliet->jid);
    expect_all_held(&p);
    harness_stop(p.h);
    raw_free(&p.juliet);
    client_forget_all(p.h);
    harness_start(p.h);
    resume(&p, id);
    expect(&p, "message[@id='h'][delay]");
    expect(&p, "presence[@type='unavailable']"); /* romeo has no session any more */
    end(&p);
}

/* ---- Bind 2 (XEP-0386) ---- */

static void a_client_may_be_inactive_from_the_first_moment(void **state)
{
    struct pair p;

    begin(&p, *state);
    raw_free(&p.juliet);
    p.juliet = raw_secure(p.h, NULL);
    assert_true(
        node_matches(p.juliet->features, "features/authentication/inline/bind/inline/feature[@var='" NS_CSI "']"));
    assert_true(node_matches(sasl2_plain(p.juliet, p.account,
                                         "<bind xmlns='" NS_BIND2 "'><tag>phone</tag><inactive xmlns='" NS_CSI
                                         "'/><enable xmlns='" NS_SM "'/></bind>"),
                             "success/bound/enabled"));
    client_expect_any(p.romeo, "presence[@type='unavailable']");
    client_send(p.romeo, "<message type='headline' to='%s'><body>x</body></message>", p.juliet->jid);
    client_barrier_via(p.romeo, p.account->jid);
    raw_send(p.juliet, "<r xmlns='" NS_SM "'/>");
    raw_expect(p.juliet, "a");
    raw_send(p.juliet, ACTIVE);
    raw_expect(p.juliet, "message[delay]/body[.='x']");
    end(&p);
}

/* ---- limits and switches ---- */

static void one_more_than_may_be_held_brings_them_all(void **state)
{
    struct pair p;

    begin(&p, *state);
    for (int i = 0; i < 3; i++)
        client_send(p.romeo, "<message type='headline' to='%s'><body>%d</body></message>", p.juliet->jid, i);
    client_send(p.romeo, "<presence><show>away</show></presence>");
    client_send(p.romeo, "<presence><show>dnd</show></presence>"); /* which is in the place of the other */
    expect_all_held(&p);
    client_send(p.romeo, "<message type='headline' to='%s'><body>3</body></message>", p.juliet->jid);
    for (int i = 0; i < 3; i++)
        expect(&p, "message[@type='headline'][delay]");
    expect(&p, "presence/show[.='dnd']");
    expect(&p, "message/body[.='3']");
    client_send(p.romeo, "<presence/>");
    expect_all_held(&p); /* and it begins anew */
    end(&p);
}

static void more_bytes_than_may_be_held_bring_them_all(void **state)
{
    struct pair p;
    char filler[3001];

    begin(&p, *state);
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    client_send(p.romeo, "<message type='headline' to='%s' id='1'><body>%s</body></message>", p.juliet->jid, filler);
    expect_all_held(&p);
    client_send(p.romeo, "<message type='headline' to='%s' id='2'><body>%s</body></message>", p.juliet->jid, filler);
    expect(&p, "message[@id='1']");
    expect(&p, "message[@id='2']");
    end(&p);
}

static void where_it_is_switched_off_nothing_is_held_any_more(void **state)
{
    static const char *const off[] = {"modules.enabled = [\"disco\", \"ping\", \"sm\", \"offline\"]", NULL};
    struct harness *h = *state;
    struct pair p;
    char *output;

    begin(&p, h);
    client_send(p.romeo, "<presence><show>away</show></presence>");
    expect_all_held(&p);
    harness_configure(h, off, NULL);
    assert_int_equal(harness_ctl(h, NULL, &output, "reload"), 0);
    free(output);
    expect(&p, "presence/show[.='away']");
    client_send(p.romeo, "<presence/>");
    expect(&p, "presence");
    struct raw *r = raw_secure(h, NULL);

    raw_plain(r, p.account);
    assert_false(node_matches(r->features, "features/csi"));
    raw_bind(r, "other");
    raw_send(r, INACTIVE);
    raw_expect_error(r, "unsupported-stanza-type");
    raw_free(&r);
    end(&p);
    harness_configure(h, h->options.settings, NULL);
    assert_int_equal(harness_ctl(h, NULL, &output, "reload"), 0);
    free(output);
}

int main(void)
{
    static const char *const settings[] = {"csi.held_stanzas = 4", "csi.held_bytes = 6000", NULL};
    static const struct harness_options usual = {0}, small = {.workers = 2, .settings = settings};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(it_is_offered_after_the_login_only),
        HARNESS_TEST(a_client_that_has_not_bound_has_no_state),
        HARNESS_TEST(neither_state_is_answered),
        HARNESS_TEST(nobody_is_told),
        HARNESS_TEST(of_each_resource_the_last_presence_comes_with_its_time_when_the_client_is_active),
        HARNESS_TEST(who_has_gone_meanwhile_is_just_gone),
        HARNESS_TEST(resources_are_told_apart_and_the_last_to_change_comes_last),
        HARNESS_TEST(its_own_presence_comes_back_at_once_and_takes_along_what_was_held),
        HARNESS_TEST(presence_and_state_have_nothing_to_do_with_each_other),
        HARNESS_TEST(a_message_comes_at_once_behind_what_was_held),
        HARNESS_TEST(receipts_and_markers_come_at_once_and_overtake_nothing),
        HARNESS_TEST(requests_and_answers_come_at_once),
        HARNESS_TEST(a_request_to_be_a_contact_comes_at_once),
        HARNESS_TEST(messages_of_a_room_come_at_once),
        HARNESS_TEST(chat_states_are_dropped),
        HARNESS_TEST(of_each_item_of_a_node_the_last_event_comes),
        HARNESS_TEST(headlines_wait_all_of_them),
        HARNESS_TEST(what_is_held_is_counted_when_it_is_sent),
        HARNESS_TEST(a_sender_does_not_wait_for_what_is_held),
        HARNESS_TEST(a_session_that_ends_takes_what_was_held_with_it),
        HARNESS_TEST(a_resumed_stream_is_active_and_brings_what_was_held),
        HARNESS_TEST(what_waits_for_a_client_without_a_connection_is_the_last_presence_of_each),
        HARNESS_TEST(what_is_held_outlasts_a_restart_of_the_server),
        HARNESS_TEST(a_client_may_be_inactive_from_the_first_moment),
    };
    const struct CMUnitTest with_low_limits[] = {
        HARNESS_TEST(one_more_than_may_be_held_brings_them_all),
        HARNESS_TEST(more_bytes_than_may_be_held_bring_them_all),
        HARNESS_TEST(where_it_is_switched_off_nothing_is_held_any_more),
    };

    return harness_run_tests("client state", tests, &usual) |
           harness_run_once("client state, low limits", with_low_limits, &small);
}
