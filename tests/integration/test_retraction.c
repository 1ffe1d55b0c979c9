/* tests/integration/test_retraction.c - XEP-0424: a message that was taken back leaves a tombstone in both archives. */
#include "archive.h"

#define FALLBACK "<fallback xmlns='urn:xmpp:fallback:0' for='" RETRACT "'/><body>retracted</body>"

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

static void retract(struct client *from, const char *to, const char *id)
{
    client_send(from,
                "<message to='%s' type='chat' id='retraction'><retract id='%s' xmlns='" RETRACT "'/>" FALLBACK
                "<store xmlns='" HINTS "'/></message>",
                to, id);
    client_barrier_via(from, to);
}

/* A retraction takes effect soon after it was archived: asks until the archive says so. */
static struct found await_texts(struct client *c, const char *want)
{
    struct found f;

    for (int i = 0; i < 500; i++) {
        f = archive_ask(c, ALL);
        if (strcmp(archive_texts(&f), want) == 0)
            return f;
        client_barrier(c);
    }
    test_fail("the archive has \"%s\", not \"%s\"", archive_texts(&f), want);
}

static void both_archives_show_a_tombstone_in_its_place(void **state)
{
    struct pair p = two_online(*state);

    say(p.romeo, p.juliet->bare, "before");
    client_send(p.romeo,
                "<message to='%s' type='chat' id='wrong'><body>Have not saints lips</body>"
                "<thing xmlns='urn:example:thing'>secret</thing></message>",
                p.juliet->bare);
    say(p.romeo, p.juliet->bare, "after");
    client_drain(p.juliet);
    struct found was = archive_ask(p.juliet, ALL);

    retract(p.romeo, p.juliet->bare, "wrong");
    for (int side = 0; side < 2; side++) {
        struct found f = await_texts(side == 0 ? p.romeo : p.juliet, "before retracted after retracted");
        const struct node *m = node_find(f.results[1], "message/result/forwarded/message[@id='wrong'][@type='chat']");

        assert_non_null(m);
        assert_string_equal(node_attr(m, "from"), p.romeo->jid);
        assert_string_equal(node_attr(m, "to"), p.juliet->bare);
        assert_int_equal(node_count(m, "*"), 1);
        assert_true(node_matches(m, "message/retracted[@xmlns='" RETRACT "'][@id='retraction'][@stamp][not(*)]"));
        assert_true(node_matches(f.results[3], "message/result/forwarded/message/retract[@id='wrong']"));
        if (side == 1) { /* the same entry, with the time of the original */
            assert_string_equal(archive_id(&f, 1), archive_id(&was, 1));
            assert_string_equal(node_attr(node_find(f.results[1], "message/result/forwarded/delay"), "stamp"),
                                node_attr(node_find(was.results[1], "message/result/forwarded/delay"), "stamp"));
        }
    }
    /* and it is still found by whom it was exchanged with */
    archive_expect(p.juliet, "before retracted after retracted", FORM("<field var='with'><value>%s</value></field>"),
                   p.romeo->bare);
}

static void it_counts_only_from_who_sent_the_original(void **state)
{
    struct harness *h = *state;
    struct pair p = two_online(h);
    struct client *nurse = harness_login(h);

    say(p.romeo, p.juliet->bare, "mine");
    retract(nurse, p.juliet->bare, "id-mine");
    retract(p.juliet, p.romeo->bare, "id-mine"); /* the other side of the same conversation */
    say(p.romeo, p.juliet->bare, "last");
    client_drain(p.juliet);
    client_drain(p.romeo);
    archive_expect(p.juliet, "mine retracted retracted last", ALL);
    struct found f = await_texts(p.juliet, "mine retracted retracted last");

    assert_true(node_matches(f.results[0], "message/result/forwarded/message[body[.='mine']]"));
    archive_expect(p.romeo, "mine retracted last", ALL);
    /* another resource of the sender is the sender */
    retract(p.romeo, p.juliet->bare, "id-mine");
    f = await_texts(p.juliet, "retracted retracted retracted last retracted");
    assert_true(node_matches(f.results[0], "message/result/forwarded/message[retracted][not(body)]"));
}

static void another_device_of_the_sender_may_take_it_back(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *desk = client_login(h, a, "desk", 0), *hand = client_login(h, a, "hand", 0),
                  *juliet = harness_login(h);

    client_go_online(juliet, 0);
    say(desk, juliet->bare, "said");
    retract(hand, juliet->bare, "id-said");
    struct found f = await_texts(juliet, "retracted retracted");

    assert_true(node_matches(f.results[0], "message/result/forwarded/message[retracted]"));
    f = await_texts(hand, "retracted retracted");
    assert_true(node_matches(f.results[0], "message/result/forwarded/message[retracted]"));
}

static void what_was_said_and_taken_back_in_one_breath_is_gone(void **state)
{
    struct pair p = two_online(*state);

    client_send(p.romeo,
                "<message to='%s' type='chat' id='q'><body>quick</body></message>"
                "<message to='%s' type='chat' id='r'><retract id='q' xmlns='" RETRACT "'/></message>",
                p.juliet->bare, p.juliet->bare);
    client_barrier_via(p.romeo, p.juliet->bare);
    await_texts(p.juliet, "retracted retract");
    await_texts(p.romeo, "retracted retract");
}

static void an_id_with_characters_that_xml_escapes_is_found(void **state)
{
    struct pair p = two_online(*state);

    client_send(p.romeo, "<message to='%s' type='chat' id='a&amp;&apos;b'><body>odd</body></message>", p.juliet->bare);
    client_send(p.romeo, "<message to='%s' type='chat' id='r'><retract id=\"a&#38;'b\" xmlns='" RETRACT "'/></message>",
                p.juliet->bare);
    client_barrier_via(p.romeo, p.juliet->bare);
    await_texts(p.juliet, "retracted retract");
}

static void what_is_not_there_or_not_named_harms_nothing(void **state)
{
    struct pair p = two_online(*state);

    say(p.romeo, p.juliet->bare, "x");
    retract(p.romeo, p.juliet->bare, "never-sent");
    client_send(p.romeo, "<message to='%s' type='chat' id='r'><retract xmlns='" RETRACT "'/></message>",
                p.juliet->bare);
    client_barrier_via(p.romeo, p.juliet->bare);
    client_barrier(p.juliet);
    client_drain(p.juliet);
    archive_expect(p.juliet, "x retracted retract", ALL);
}

static void in_a_room_every_occupant_speaks_for_himself(void **state)
{
    struct harness *h = *state;
    const struct account *room =
        harness_account(h); /* as a room's private messages come: one address, many resources */
    struct client *one = client_login(h, room, "one", 0), *two = client_login(h, room, "two", 0),
                  *juliet = harness_login(h);

    client_go_online(juliet, 0);
    client_send(one,
                "<message to='%s' type='chat' id='pm'><body>private</body><x "
                "xmlns='http://jabber.org/protocol/muc#user'/></message>",
                juliet->bare);
    client_send(two, "<message to='%s' type='chat' id='r'><retract id='pm' xmlns='" RETRACT "'/></message>",
                juliet->bare);
    client_barrier_via(one, juliet->bare);
    client_barrier_via(two, juliet->bare);
    client_barrier(juliet);
    archive_expect(juliet, "private retract", ALL);
    client_send(one, "<message to='%s' type='chat' id='r'><retract id='pm' xmlns='" RETRACT "'/></message>",
                juliet->bare);
    await_texts(juliet, "retracted retract retract");
}

/* What one retraction may make the server read is bounded, in bytes too. */
static void what_lies_far_back_is_not_looked_for(void **state)
{
    enum { BYTES = 200 * 1000, N = 45 };
    struct pair p = two_online(*state);
    char *long_text = malloc(BYTES + 1);

    memset(long_text, 'x', BYTES);
    long_text[BYTES] = '\0';
    say(p.romeo, p.juliet->bare, "far");
    for (int i = 0; i < N; i++) {
        client_send(p.romeo, "<message to='%s' type='chat'><body>%s</body></message>", p.juliet->bare, long_text);
        client_expect(p.juliet, "message/body");
    }
    free(long_text);
    client_drain(p.juliet);
    struct found f = archive_ask(p.juliet, PAGE("<max>1</max>"));

    say(p.romeo, p.juliet->bare, "near");
    retract(p.romeo, p.juliet->bare, "id-far");
    retract(p.romeo, p.juliet->bare, "id-near");
    for (int i = 0; i < 500; i++) {
        struct found last = archive_ask(p.juliet, PAGE("<max>3</max><before/>"));

        assert_int_equal(last.n, 3);
        if (node_matches(last.results[0], "message/result/forwarded/message[retracted]"))
            break;
        assert_in_range(i, 0, 498);
    }
    f = archive_ask(p.juliet, PAGE("<max>1</max>"));
    assert_string_equal(archive_texts(&f), "far");
}

int main(void)
{
    static const struct harness_options options = {0};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(both_archives_show_a_tombstone_in_its_place),
        HARNESS_TEST(it_counts_only_from_who_sent_the_original),
        HARNESS_TEST(another_device_of_the_sender_may_take_it_back),
        HARNESS_TEST(what_was_said_and_taken_back_in_one_breath_is_gone),
        HARNESS_TEST(an_id_with_characters_that_xml_escapes_is_found),
        HARNESS_TEST(what_is_not_there_or_not_named_harms_nothing),
        HARNESS_TEST(what_lies_far_back_is_not_looked_for),
        HARNESS_TEST(in_a_room_every_occupant_speaks_for_himself),
    };

    return harness_run_tests("retraction", tests, &options);
}
