/* tests/integration/test_offline.c - messages that wait for somebody to come online: XEP-0160, XEP-0203. */
#include "client.h"
#include "raw.h"

#include <time.h>

static void send_numbered(struct client *from, const char *to, int first, int n)
{
    for (int i = first; i < first + n; i++)
        client_send(from, "<message to='%s' type='chat' id='n%d'><body>%d</body></message>", to, i, i);
    client_barrier_via(from, to);
}

static void expect_numbered(struct client *to, int first, int n)
{
    for (int i = first; i < first + n; i++)
        client_expect(to, "message/body[.='%d']", i);
}

static void messages_wait_and_come_once_in_order_with_the_time_they_were_sent(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);
    time_t before = time(NULL);

    send_numbered(romeo, a->jid, 0, 50);
    struct client *juliet = client_login(h, a, "one", 0);
    client_go_online(juliet, 0);
    for (int i = 0; i < 50; i++) {
        const struct node *m = client_expect(juliet,
                                             "message[@type='chat'][@id='n%d'][@from='%s']"
                                             "[delay[@xmlns='urn:xmpp:delay'][@from='" DOMAIN "']]/body[.='%d']",
                                             i, romeo->jid, i);
        struct tm tm = {0};
        assert_non_null(strptime(node_attr(node_find(m, "message/delay"), "stamp"), "%Y-%m-%dT%H:%M:%S", &tm));
        assert_true(timegm(&tm) >= before - 1 && timegm(&tm) <= time(NULL) + 1);
    }
    client_sync(romeo, juliet);
    client_expect_none(juliet, "message");
    client_logout(juliet);
    juliet = client_login(h, a, "two", 0);
    client_go_online(juliet, 0);
    client_sync(romeo, juliet);
    client_expect_none(juliet, "message");
}

/* More than is read at once. */
static void long_messages_come_once_and_in_order(void **state)
{
    enum { BYTES = 200 * 1000, N = 12 };
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);
    char *text = malloc(BYTES + 1);

    memset(text, 'x', BYTES);
    text[BYTES] = '\0';
    for (int i = 0; i < N; i++)
        client_send(romeo, "<message to='%s' type='chat' id='n%d'><body>%s</body></message>", a->jid, i, text);
    client_barrier_via(romeo, a->jid);
    free(text);
    struct client *juliet = client_login(h, a, "one", 0);

    client_go_online(juliet, 0);
    for (int i = 0; i < N; i++)
        client_expect(juliet, "message[@id='n%d']/body", i);
    client_sync(romeo, juliet);
    client_expect_none(juliet, "message");
}

static void a_message_of_another_is_never_shown_to_somebody_else(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h), *b = harness_account(h);

    send_numbered(romeo, a->jid, 0, 3);
    struct client *other = client_login(h, b, "one", 0);
    client_go_online(other, 0);
    client_sync(romeo, other);
    client_expect_none(other, "message");
}

static void negative_priority_leaves_them_waiting_and_a_rise_brings_them(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);

    send_numbered(romeo, a->jid, 0, 3);
    struct client *juliet = client_login(h, a, "one", 0);
    client_go_online(juliet, -1);
    client_sync(romeo, juliet);
    client_expect_none(juliet, "message");
    send_numbered(romeo, a->jid, 3, 2);
    client_go_online(juliet, 1);
    expect_numbered(juliet, 0, 5);
}

static void a_connected_resource_without_presence_does_not_take_them(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);
    struct client *silent = client_login(h, a, "silent", 0);

    send_numbered(romeo, a->jid, 0, 2);
    client_expect_quiet(silent);
    client_logout(silent);
    struct client *juliet = client_login(h, a, "one", 0);
    client_go_online(juliet, 0);
    expect_numbered(juliet, 0, 2);
}

static void the_second_resource_gets_none_of_what_the_first_one_took(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);

    send_numbered(romeo, a->jid, 0, 10);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);
    client_send(one, "<presence/>");
    client_send(two, "<presence/>");
    client_expect_any(one, "presence[@from='%s']", one->jid);
    client_expect_any(two, "presence[@from='%s']", two->jid);
    client_sync(romeo, one);
    client_sync(romeo, two);
    client_barrier(one);
    client_barrier(two);
    assert_int_equal(client_count(one, "message/delay") + client_count(two, "message/delay"), 10);
}

static void what_comes_during_the_replay_comes_behind_it(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);

    send_numbered(romeo, a->jid, 0, 200);
    struct client *juliet = client_login(h, a, "one", 0);
    client_send(juliet, "<presence/>");
    for (int i = 200; i < 400; i++)
        client_send(romeo, "<message to='%s' type='chat' id='n%d'><body>%d</body></message>", a->jid, i, i);
    expect_numbered(juliet, 0, 400);
    client_sync(romeo, juliet);
    client_expect_none(juliet, "message");
}

static void messages_survive_a_restart_and_a_crash(void **state)
{
    struct harness *h = *state;
    struct client *romeo = client_login(h, harness_account(h), "one", CLIENT_ACKS);
    const struct account *a = harness_account(h);

    send_numbered(romeo, a->jid, 0, 5);
    client_logout(romeo);
    harness_stop(h);
    harness_start(h);
    romeo = client_login(h, harness_account(h), "one", CLIENT_ACKS);
    send_numbered(romeo, a->jid, 5, 5);
    client_wait_acked(romeo); /* so they are committed */
    harness_crash(h);
    harness_start(h);
    struct client *juliet = client_login(h, a, "one", 0);
    client_go_online(juliet, 0);
    expect_numbered(juliet, 0, 10);
    romeo = harness_login(h);
    client_sync(romeo, juliet);
    client_expect_none(juliet, "message");
}

static void a_message_over_the_quota_goes_back_and_the_others_stay(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);

    send_numbered(romeo, a->jid, 0, 30); /* host.limits.offline_messages in the host "small" */
    client_expect_none(romeo, "message");
    const struct account *small = harness_account_named(h, a->user, "small.example", NULL);
    send_numbered(romeo, small->jid, 0, 13);
    for (int i = 10; i < 13; i++)
        client_expect(romeo, "message[@type='error'][@id='n%d'][@from='%s']/error/service-unavailable", i, small->jid);
    client_expect_none(romeo, "message");
    struct client *juliet = client_login(h, small, "one", 0);
    client_go_online(juliet, 0);
    expect_numbered(juliet, 0, 10);
    client_logout(juliet);
    send_numbered(romeo, small->jid, 20, 1); /* there is room again */
    client_expect_none(romeo, "message");
}

static void the_quota_counts_bytes_too(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    char user[40], *big = calloc(1, 15001);

    memset(big, 'b', 15000);
    snprintf(user, sizeof(user), "bytes%u", h->options.workers);
    const struct account *small = harness_account_named(h, user, "small.example", NULL);
    for (int i = 0; i < 3; i++) /* host.limits.offline_bytes is 40000 */
        client_send(romeo, "<message to='%s' type='chat' id='n%d'><body>%s</body></message>", small->jid, i, big);
    client_expect(romeo, "message[@type='error'][@id='n2']/error/service-unavailable");
    struct client *juliet = client_login(h, small, "one", 0);
    client_go_online(juliet, 0);
    client_expect(juliet, "message[@id='n0']");
    client_expect(juliet, "message[@id='n1']");
    client_sync(romeo, juliet);
    client_expect_none(juliet, "message");
    free(big);
}

static void a_message_for_a_client_that_drops_before_it_acknowledged_waits_again(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);
    struct raw *r = raw_login(h, a, "dying");

    raw_enable_acks(r);
    raw_send(r, "<presence/>");
    raw_skip_to(r, "presence");
    client_send(romeo, "<message to='%s' type='chat' id='n0'><body>0</body></message>", a->jid);
    raw_skip_to(r, "message[@id='n0']"); /* received, and never acknowledged */
    raw_free(&r);
    client_barrier(romeo);
    struct client *juliet = client_login(h, a, "next", 0);
    client_go_online(juliet, 0);
    client_expect(juliet, "message[@id='n0']/body[.='0']");
    client_sync(romeo, juliet);
    client_expect_none(juliet, "message");
}

int main(void)
{
    static const struct harness_options options = {
        .tables =
            "\n[[host]]\nname = \"small.example\"\nmodules = [\"disco\", \"ping\", \"sm\", \"offline\"]\n" /* no archive
                                                                                                            */
            "[host.limits]\noffline_messages = 10\noffline_bytes = 40000\n"};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(messages_wait_and_come_once_in_order_with_the_time_they_were_sent),
        HARNESS_TEST(long_messages_come_once_and_in_order),
        HARNESS_TEST(a_message_of_another_is_never_shown_to_somebody_else),
        HARNESS_TEST(negative_priority_leaves_them_waiting_and_a_rise_brings_them),
        HARNESS_TEST(a_connected_resource_without_presence_does_not_take_them),
        HARNESS_TEST(the_second_resource_gets_none_of_what_the_first_one_took),
        HARNESS_TEST(what_comes_during_the_replay_comes_behind_it),
        HARNESS_TEST(messages_survive_a_restart_and_a_crash),
        HARNESS_TEST(a_message_over_the_quota_goes_back_and_the_others_stay),
        HARNESS_TEST(the_quota_counts_bytes_too),
        HARNESS_TEST(a_message_for_a_client_that_drops_before_it_acknowledged_waits_again),
    };

    return harness_run_tests("offline messages", tests, &options);
}
