/* tests/integration/test_crash.c - kill -9 while 20 clients send: nothing that was promised is lost.
 *
 * Promised is: a message that was acknowledged by XEP-0198, a roster set that was answered, an account that linnetctl
 * reported. What was not promised may be lost, or come twice. */
#include "client.h"

#include <time.h>

enum { SENDERS = 20, TARGETS = 10, ONLINE_TARGETS = 4, ROUNDS = 3, LOG_MAX = 20000, ACCOUNTS_MAX = 64 };

/* What one sender did: its n-th stanza was this message or this roster set. */
struct sender {
    struct client *client;
    const struct account *account;
    unsigned n; /* stanzas */
    unsigned messages;
    unsigned sets;
    int message_of[LOG_MAX]; /* by stanza: the number of the message, -1 for a roster set */
    unsigned acked_messages; /* after the crash: messages 0 .. this - 1 are promised */
    unsigned answered_sets;  /* contacts 0 .. this - 1 are promised */
};

struct target {
    const struct account *account;
    struct client *client; /* NULL: offline until after the crash */
    struct client *after;
};

struct round {
    struct harness *h;
    struct sender senders[SENDERS];
    struct target targets[TARGETS];
    const struct account *made[ACCOUNTS_MAX]; /* while the others sent */
    size_t n_made;
};

/* A sender writes to one and the same target, so what arrives from it must be in order. */
static struct target *target_of(struct round *r, size_t sender)
{
    return &r->targets[sender % TARGETS];
}

static void set_the_stage(struct round *r)
{
    for (size_t i = 0; i < TARGETS; i++) {
        r->targets[i].account = harness_account(r->h);
        if (i >= ONLINE_TARGETS)
            continue;
        r->targets[i].client = client_login(r->h, r->targets[i].account, "before", CLIENT_ACKS);
        client_go_online(r->targets[i].client, 0);
    }
    for (size_t i = 0; i < SENDERS; i++) {
        struct sender *s = &r->senders[i];

        s->account = harness_account(r->h);
        s->client = client_login(r->h, s->account, "sender", CLIENT_ACKS);
    }
}

static void send_one(struct round *r, size_t i)
{
    struct sender *s = &r->senders[i];

    if (s->n >= LOG_MAX || s->client->is_closed)
        return;
    if (s->n % 8 == 7) {
        client_send(
            s->client,
            "<iq type='set' id='set%u'><query xmlns='jabber:iq:roster'><item jid='c%u@far.example'/></query></iq>",
            s->sets, s->sets);
        s->sets++;
        s->message_of[s->n++] = -1;
        return;
    }
    client_send(s->client, "<message to='%s' type='chat' id='m%u'><body>%u</body></message>",
                target_of(r, i)->account->jid, s->messages, s->messages);
    s->message_of[s->n++] = (int)s->messages++;
}

/* On a slow machine the moment may come before anything was promised, which would prove nothing. */
static bool has_promised(const struct round *r)
{
    for (size_t i = 0; i < SENDERS; i++)
        if (r->senders[i].client->acked > 8)
            return true;
    return false;
}

/* All send, accounts are made, until the moment comes. */
static void send_until_killed(struct round *r, long ms)
{
    long until = now_ms() + ms, at_last = now_ms() + test_patience_ms();

    for (unsigned turn = 0; now_ms() < until || (!has_promised(r) && now_ms() < at_last); turn++) {
        for (size_t i = 0; i < SENDERS; i++)
            send_one(r, i);
        if (turn % 10 == 5 && r->n_made < ACCOUNTS_MAX)
            r->made[r->n_made++] = harness_account(r->h);
    }
    harness_crash(r->h);
}

/* The clients are told in the order they asked, so the last answer stands for all before it. */
static unsigned count_answered_sets(struct sender *s)
{
    size_t n = client_count(s->client, "iq[@type='result']");
    unsigned answered = 0, number;

    for (; n > 0; n--)
        if (sscanf(node_attr(client_expect_any(s->client, "iq[@type='result']"), "id"), "set%u", &number) == 1)
            answered = number + 1;
    return answered;
}

/* What had reached the clients when the server died. */
static void count_promises(struct round *r)
{
    unsigned total = 0, sets = 0;

    for (size_t i = 0; i < SENDERS; i++) {
        struct sender *s = &r->senders[i];

        for (long until = now_ms() + test_patience_ms(); !s->client->is_closed && now_ms() < until;)
            client_pump(r->h, 20); /* what still lies in the socket counts as well */
        for (unsigned n = 0; n < s->client->acked; n++)
            if (s->message_of[n] >= 0)
                s->acked_messages = (unsigned)s->message_of[n] + 1;
        s->answered_sets = count_answered_sets(s);
        assert_int_equal(client_count(s->client, "message[@type='error']"), 0);
        total += s->acked_messages;
        sets += s->answered_sets;
    }
    print_message("           %u messages were acknowledged, %u roster sets answered, %zu accounts made\n", total, sets,
                  r->n_made);
    assert_true(total > 0);
    assert_true(sets > 0);
}

/* Marks what came from a sender; what was stored must be in order and come once. */
static void take_messages(struct round *r, size_t i, struct client *from_queue, bool *seen, bool is_replay)
{
    char path[200];
    int last = -1;

    if (from_queue == NULL)
        return;
    snprintf(path, sizeof(path), "message[@from='%s']", r->senders[i].client->jid);
    for (size_t n = client_count(from_queue, path); n > 0; n--) {
        const struct node *m = client_expect_any(from_queue, "%s", path);
        int number = atoi(node_text(m, "message/body"));

        if (number <= last && is_replay)
            test_fail("message %d of sender %zu came behind %d", number, i, last);
        assert_true(number >= 0 && number < LOG_MAX);
        last = number;
        seen[number] = true;
    }
}

static void check_messages(struct round *r)
{
    static bool seen[LOG_MAX];
    struct client *witness = harness_login(r->h);

    for (size_t i = 0; i < TARGETS; i++) {
        struct target *t = &r->targets[i];

        t->after = client_login(r->h, t->account, "after", CLIENT_ACKS);
        client_go_online(t->after, 0);
        client_sync(witness, t->after); /* behind all that was kept */
    }
    for (size_t i = 0; i < SENDERS; i++) {
        struct target *t = target_of(r, i);

        memset(seen, 0, sizeof(seen));
        take_messages(r, i, t->client, seen, false);
        take_messages(r, i, t->after, seen, true);
        for (unsigned n = 0; n < r->senders[i].acked_messages; n++)
            if (!seen[n])
                test_fail("message %u of sender %zu to a%s target was acknowledged (up to %u) and is lost", n, i,
                          t->client == NULL ? "n offline" : "n online", r->senders[i].acked_messages);
    }
}

static void check_rosters(struct round *r)
{
    for (size_t i = 0; i < SENDERS; i++) {
        struct client *c = client_login(r->h, r->senders[i].account, "again", 0);
        const struct node *roster = client_request(c, "get", NULL, "<query xmlns='jabber:iq:roster'/>");

        for (unsigned n = 0; n < r->senders[i].answered_sets; n++) {
            char path[80];

            snprintf(path, sizeof(path), "iq/query/item[@jid='c%u@far.example']", n);
            if (!node_matches(roster, path))
                test_fail("contact %u of sender %zu was answered and is lost", n, i);
        }
        client_logout(c);
    }
}

static void check_accounts(struct round *r)
{
    for (size_t i = 0; i < r->n_made; i++)
        client_logout(client_login(r->h, r->made[i], "made", 0)); /* fails the test if it is not there */
}

static void play(struct harness *h, long ms)
{
    struct round *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    r->h = h;
    set_the_stage(r);
    send_until_killed(r, ms);
    count_promises(r);
    harness_start(h);
    check_messages(r);
    check_rosters(r);
    check_accounts(r);
    client_forget_all(h);
    free(r);
}

static void nothing_that_was_promised_is_lost_by_kill_9(void **state)
{
    struct harness *h = *state;
    const char *seed_text = getenv("LINNET_TEST_SEED");
    unsigned seed = seed_text == NULL ? (unsigned)time(NULL) : (unsigned)strtoul(seed_text, NULL, 10);

    print_message("           LINNET_TEST_SEED=%u\n", seed);
    for (int i = 0; i < ROUNDS; i++)
        play(h, 300 + rand_r(&seed) % 1200);
}

int main(void)
{
    /* A log for each stanza would only measure the log. And no message may be refused for want of room: one that was
     * is acknowledged too, and rightly not there. */
    static const char *const settings[] = {"log.level = \"info\"", "limits.offline_messages = 1000000",
                                           "limits.offline_bytes = 1073741824", NULL};
    static const struct harness_options options = {.settings = settings};
    const struct CMUnitTest tests[] = {HARNESS_TEST(nothing_that_was_promised_is_lost_by_kill_9)};

    return harness_run_tests("kill -9", tests, &options);
}
