/* tests/integration/test_order.c - what one entity sends to another arrives in the order it was sent: RFC 6120
 * section 10.1. Across workers, around logins, and while everything is busy. */
#include "client.h"
#include "raw.h"

enum { SENDERS = 8, RECEIVERS = 4, MESSAGES = 250 };

static void messages_to_a_contact_on_another_worker_keep_their_order(void **state)
{
    struct harness *h = *state;
    unsigned workers = h->options.workers;
    struct client *romeo = harness_login_on(h, 0), *juliet = harness_login_on(h, workers - 1);

    for (int i = 0; i < 1000; i++)
        client_send(romeo, "<message to='%s'><body>%d</body></message>", juliet->jid, i);
    for (int i = 0; i < 1000; i++)
        client_expect(juliet, "message/body[.='%d']", i);
}

/* Everybody sends to everybody, from and to every worker. */
static void many_senders_and_many_receivers_each_keep_their_order(void **state)
{
    struct harness *h = *state;
    struct client *senders[SENDERS], *receivers[RECEIVERS];
    unsigned workers = h->options.workers;

    for (unsigned i = 0; i < SENDERS; i++)
        senders[i] = harness_login_on(h, i % workers);
    for (unsigned i = 0; i < RECEIVERS; i++) {
        receivers[i] = harness_login_on(h, i % workers);
        client_go_online(receivers[i], 0);
    }
    for (int m = 0; m < MESSAGES; m++)
        for (int s = 0; s < SENDERS; s++)
            for (int r = 0; r < RECEIVERS; r++) /* by turns to the full and to the bare address */
                client_send(senders[s], "<message to='%s' type='chat'><body>%d</body></message>",
                            m % 2 == 0 ? receivers[r]->jid : receivers[r]->bare, m);
    for (int r = 0; r < RECEIVERS; r++) {
        int next[SENDERS] = {0};

        for (int n = 0; n < SENDERS * MESSAGES; n++) {
            const struct node *m = client_expect(receivers[r], "message[@type='chat']");
            int s = 0;

            while (strcmp(senders[s]->jid, node_attr(m, "from")) != 0)
                s++;
            if (atoi(node_text(m, "message/body")) != next[s])
                test_fail("message %s of %s came in the place of %d", node_text(m, "message/body"), senders[s]->jid,
                          next[s]);
            next[s]++;
        }
    }
}

static void messages_presence_and_requests_of_one_sender_stay_in_one_order(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login_on(h, 0);
    const struct account *a = harness_account(h);
    struct raw *juliet = raw_login(h, a, "strict"); /* one queue for all kinds */

    raw_send(juliet, "<presence to='%s'/>", romeo->jid); /* so that requests may reach her */
    client_expect(romeo, "presence[@from='%s']", juliet->jid);
    for (int i = 0; i < 200; i++) {
        client_send(romeo, "<message to='%s' id='m%d'><body>x</body></message>", juliet->jid, i);
        client_send(romeo, "<presence to='%s' id='p%d'/>", juliet->jid, i);
        client_send(romeo, "<iq type='get' to='%s' id='q%d'><q xmlns='urn:example'/></iq>", juliet->jid, i);
    }
    for (int i = 0; i < 200; i++) {
        raw_expect(juliet, "message[@id='m%d']", i);
        raw_expect(juliet, "presence[@id='p%d']", i);
        raw_expect(juliet, "iq[@id='q%d']", i);
    }
    raw_free(&juliet);
}

/* The move home comes between the login and the first stanza: what was pipelined must not overtake it. */
static void what_is_pipelined_through_the_login_is_done_in_order(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login_on(h, 0);
    static const char header[] = "<stream:stream xmlns='jabber:client' version='1.0' to='" DOMAIN
                                 "' xmlns:stream='http://etherx.jabber.org/streams'>";

    for (int round = 0; round < 12; round++) { /* with several workers most of these move */
        const struct account *a = harness_account(h);
        struct raw *r = raw_secure(h, NULL);
        char plain[200], *encoded, *text = NULL;
        size_t size = 0;
        int len = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, a->user, 0, a->password);
        FILE *out = open_memstream(&text, &size);

        encoded = base64_encode(plain, (size_t)len);
        fprintf(out, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>%s", encoded, header);
        fprintf(out, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
        for (int i = 0; i < 100; i++)
            fprintf(out, "<message to='%s'><body>%d.%d</body></message>", juliet->jid, round, i);
        fclose(out);
        raw_send_bytes(r, text, size);
        for (int i = 0; i < 100; i++)
            client_expect(juliet, "message/body[.='%d.%d']", round, i);
        free(encoded);
        free(text);
        raw_free(&r);
    }
}

static void messages_sent_while_the_recipient_comes_online_come_once_and_in_order(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login_on(h, 0);

    for (int round = 0; round < 6; round++) {
        const struct account *a = harness_account(h);
        int sent = 0, got = 0;
        char *jid = text_format("%s/in", a->jid);
        struct client *juliet;

        while (sent < 50)
            client_send(romeo, "<message to='%s' type='chat'><body>%d</body></message>", a->jid, sent++);
        juliet = client_connect(h, jid, a->password, 0);
        free(jid);
        while (!juliet->is_bound && !juliet->is_closed) { /* all through her login */
            client_pump(h, 1);
            if (sent < 400)
                client_send(romeo, "<message to='%s' type='chat'><body>%d</body></message>", a->jid, sent++);
        }
        assert_true(juliet->is_bound);
        client_send(juliet, "<presence/>");
        for (int i = 0; i < 100; i++)
            client_send(romeo, "<message to='%s' type='chat'><body>%d</body></message>", a->jid, sent++);
        while (got < sent)
            client_expect(juliet, "message/body[.='%d']", got++);
        client_sync(romeo, juliet);
        client_expect_none(juliet, "message");
    }
}

/* A roster set waits for a commit; what is sent behind it must not be answered before, nor wait for ever. */
static void what_waits_for_the_disk_does_not_change_the_order_of_messages(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login_on(h, 0), *juliet = harness_login_on(h, h->options.workers - 1);

    client_go_online(juliet, 0);
    for (int i = 0; i < 200; i++) {
        client_send(
            romeo, "<iq type='set' id='s%d'><query xmlns='jabber:iq:roster'><item jid='c%d@far.example'/></query></iq>",
            i, i % 10);
        client_send(romeo, "<message to='%s' type='chat'><body>%d</body></message>", juliet->bare, i);
    }
    for (int i = 0; i < 200; i++)
        client_expect(juliet, "message/body[.='%d']", i);
    for (int i = 0; i < 200; i++)
        client_expect_any(romeo, "iq[@type='result'][@id='s%d']", i);
}

static void a_slow_reader_loses_nothing_and_holds_up_nobody_else(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *romeo = harness_login_on(h, 0), *other = harness_login(h);
    struct raw *slow = raw_login(h, a, "slow");
    char filler[2001];

    memset(filler, 'f', 2000);
    filler[2000] = '\0';
    for (int i = 0; i < 600; i++) /* more than sockets hold, less than limits.out_queue_bytes */
        client_send(romeo, "<message to='%s'><body>%d</body><x xmlns='urn:example'>%s</x></message>", slow->jid, i,
                    filler);
    client_sync(romeo, other); /* who sends to a slow reader can still speak to others */
    for (int i = 0; i < 600; i++)
        raw_expect(slow, "message/body[.='%d']", i);
    raw_free(&slow);
}

int main(void)
{
    static const struct harness_options options = {0};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(messages_to_a_contact_on_another_worker_keep_their_order),
        HARNESS_TEST(many_senders_and_many_receivers_each_keep_their_order),
        HARNESS_TEST(messages_presence_and_requests_of_one_sender_stay_in_one_order),
        HARNESS_TEST(what_is_pipelined_through_the_login_is_done_in_order),
        HARNESS_TEST(messages_sent_while_the_recipient_comes_online_come_once_and_in_order),
        HARNESS_TEST(what_waits_for_the_disk_does_not_change_the_order_of_messages),
        HARNESS_TEST(a_slow_reader_loses_nothing_and_holds_up_nobody_else),
    };

    return harness_run_tests("order", tests, &options);
}
