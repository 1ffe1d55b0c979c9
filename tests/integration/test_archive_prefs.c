/* tests/integration/test_archive_prefs.c - XEP-0441: what an account wants archived. */
#include "archive.h"

#define STRICT               "strict.example"

#define PREFS(policy, lists) "<prefs xmlns='" MAM "' default='" policy "'>" lists "</prefs>"

static const struct node *get_prefs(struct client *c)
{
    return client_request(c, "get", NULL, "<prefs xmlns='" MAM "'/>");
}

static const struct node *set_prefs(struct client *c, const char *policy, const char *always, const char *never)
{
    char lists[512] = "";

    if (always != NULL)
        snprintf(lists, sizeof(lists), "<always><jid>%s</jid></always>", always);
    if (never != NULL)
        snprintf(lists + strlen(lists), sizeof(lists) - strlen(lists), "<never><jid>%s</jid></never>", never);
    const struct node *answer =
        client_request(c, "set", NULL, "<prefs xmlns='" MAM "' default='%s'>%s</prefs>", policy, lists);

    assert_true(node_matches(answer, "iq[@type='result']/prefs[@xmlns='" MAM "'][always][never]"));
    assert_string_equal(node_attr(node_find(answer, "iq/prefs"), "default"), policy);
    return answer;
}

struct trio {
    struct client *juliet, *romeo, *nurse;
};

static struct trio three_online(struct harness *h)
{
    struct trio t = {harness_login(h), harness_login(h), harness_login(h)};

    client_go_online(t.juliet, 0);
    return t;
}

/* Each says something to Juliet, and she to each; what is in her archive then. */
static void expect_kept(struct trio t, const char *want)
{
    say(t.romeo, t.juliet->bare, "from-romeo");
    say(t.nurse, t.juliet->bare, "from-nurse");
    say(t.juliet, t.romeo->bare, "to-romeo");
    say(t.juliet, t.nurse->bare, "to-nurse");
    client_drain(t.juliet);
    archive_expect(t.juliet, want, ALL);
}

static void at_first_the_hosts_policy_counts_and_both_lists_are_empty(void **state)
{
    struct client *c = harness_login(*state);

    assert_true(node_matches(get_prefs(c), "iq[@type='result']/prefs[@xmlns='" MAM "'][@default='always']"
                                           "[always[not(*)]][never[not(*)]]"));
}

static void what_was_set_is_told_and_stays_through_a_restart(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *c = client_login(h, a, "one", 0);

    client_request(c, "set", NULL,
                   PREFS("roster", "<always><jid>Romeo@Montague.lit</jid><jid>b@c/Res</jid></always>"
                                   "<never><jid>montague.lit</jid></never>"));
    harness_stop(h);
    client_forget_all(h);
    harness_start(h);
    c = client_login(h, a, "one", 0);
    assert_true(node_matches(get_prefs(c), "iq[@type='result']/prefs[@default='roster']"
                                           "[always[jid[.='romeo@montague.lit']][jid[.='b@c/Res']]]"
                                           "[never/jid[.='montague.lit']]"));
    client_request(c, "set", NULL, PREFS("always", ""));
    assert_true(node_matches(get_prefs(c), "iq/prefs[@default='always'][always[not(*)]][never[not(*)]]"));
}

static void never_keeps_nothing_and_an_exception_is_kept(void **state)
{
    struct trio t = three_online(*state);

    set_prefs(t.juliet, "never", t.romeo->bare, NULL);
    expect_kept(t, "from-romeo to-romeo");
}

static void always_keeps_everything_and_an_exception_is_not_kept(void **state)
{
    struct trio t = three_online(*state);

    set_prefs(t.juliet, "always", NULL, t.romeo->bare);
    expect_kept(t, "from-nurse to-nurse");
}

static void roster_keeps_what_is_exchanged_with_contacts(void **state)
{
    struct trio t = three_online(*state);

    client_request(t.juliet, "set", NULL, "<query xmlns='jabber:iq:roster'><item jid='%s'/></query>", t.romeo->bare);
    client_send(t.nurse, "<presence type='subscribe' to='%s'/>", t.juliet->bare); /* makes no contact of her */
    client_barrier_via(t.nurse, t.juliet->bare);
    set_prefs(t.juliet, "roster", NULL, NULL);
    expect_kept(t, "from-romeo to-romeo");
}

static void an_address_in_full_means_that_resource_alone(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    const struct account *a = harness_account(h);
    struct client *desk = client_login(h, a, "desk", 0), *hand = client_login(h, a, "hand", 0);

    client_go_online(juliet, 0);
    set_prefs(juliet, "always", desk->jid, a->jid);
    say(desk, juliet->bare, "desk");
    say(hand, juliet->bare, "hand");
    client_drain(juliet);
    archive_expect(juliet, "desk", ALL);
}

static void where_somebody_is_in_both_lists_nothing_is_kept(void **state)
{
    struct trio t = three_online(*state);

    set_prefs(t.juliet, "always", t.romeo->bare, t.romeo->bare);
    expect_kept(t, "from-nurse to-nurse");
}

static void what_is_not_archived_has_no_id_and_forged_ones_are_stripped_all_the_same(void **state)
{
    struct trio t = three_online(*state);

    set_prefs(t.juliet, "never", NULL, NULL);
    client_send(t.romeo,
                "<message to='%s' type='chat'><body>x</body><stanza-id xmlns='" SID "' by='%s' id='f'/></message>",
                t.juliet->jid, t.juliet->bare);
    client_expect(t.juliet, "message[body[.='x']][not(stanza-id)]");
}

static void a_host_can_keep_nothing_by_default(void **state)
{
    struct harness *h = *state;
    char user[40];

    snprintf(user, sizeof(user), "s%u", h->options.workers);
    const struct account *a = harness_account_named(h, user, STRICT, NULL);
    struct client *c = client_login(h, a, "one", 0), *romeo = harness_login(h);

    client_go_online(c, 0);
    assert_true(node_matches(get_prefs(c), "iq/prefs[@default='never']"));
    say(romeo, c->bare, "1");
    client_drain(c);
    archive_expect(c, "", ALL);
    set_prefs(c, "always", NULL, NULL);
    say(romeo, c->bare, "2");
    client_expect_any(c, "message[body[.='2']]");
    client_drain(c);
    archive_expect(c, "2", ALL);
}

static void what_makes_no_sense_is_refused_and_changes_nothing(void **state)
{
    static const char *const bad[] = {
        PREFS("sometimes", ""),
        "<prefs xmlns='" MAM "'/>",
        PREFS("always", "<never><jid>@</jid></never>"),
        PREFS("always", "<always><jid/></always>"),
    };
    struct client *c = harness_login(*state);

    set_prefs(c, "roster", "romeo@montague.lit", NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_true(node_matches(client_request(c, "set", NULL, "%s", bad[i]), "iq[@type='error']/error/bad-request"));
    assert_true(node_matches(get_prefs(c), "iq/prefs[@default='roster']/always/jid[.='romeo@montague.lit']"));
}

static void more_addresses_than_anybody_needs_are_refused(void **state)
{
    struct client *c = harness_login(*state);
    size_t size = 1001 * 40 + 100;
    char *lists = calloc(1, size);

    for (int i = 0; i < 1001; i++)
        snprintf(lists + strlen(lists), size - strlen(lists), "<jid>user%d@x.example</jid>", i);
    const struct node *answer =
        client_request(c, "set", NULL, "<prefs xmlns='" MAM "' default='always'><never>%s</never></prefs>", lists);

    free(lists);
    assert_true(node_matches(answer, "iq[@type='error']/error/resource-constraint"));
}

static void a_deleted_accounts_archive_and_wishes_are_not_its_successors(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *c = client_login(h, a, "one", 0), *romeo = harness_login(h);
    char *output;

    client_go_online(c, 0);
    set_prefs(c, "roster", romeo->bare, NULL);
    say(romeo, c->bare, "x");
    client_drain(c);
    archive_expect(c, "x", ALL);
    assert_int_equal(harness_ctl(h, NULL, &output, "deluser", "--yes", a->jid), 0);
    free(output);
    client_forget_all(h);
    assert_int_equal(harness_ctl(h, "other\n", &output, "adduser", "--password-stdin", a->jid), 0);
    free(output);
    const struct account again = {.jid = a->jid, .user = a->user, .password = (char *)(uintptr_t) "other"};

    c = client_login(h, &again, "two", 0);
    archive_expect(c, "", ALL);
    assert_true(node_matches(get_prefs(c), "iq/prefs[@default='always'][always[not(*)]]"));
}

/* It goes in several pieces, all of which are gone when the operator is told. */
static void of_a_long_archive_nothing_is_left_either(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);
    struct client *juliet = client_login(h, a, "one", 0);
    char *output;

    for (int i = 0; i < 1300; i++)
        client_send(juliet, "<message to='%s' type='chat'><body>%d</body></message>", romeo->bare, i);
    client_barrier_via(juliet, romeo->bare);
    assert_true(node_matches(archive_ask(juliet, PAGE("<max>0</max>")).answer, "iq/fin/set[count[.='1300']]"));
    assert_int_equal(harness_ctl(h, NULL, &output, "deluser", "--yes", a->jid), 0);
    free(output);
    client_expect_closed(juliet, "not-authorized");
    assert_int_equal(harness_ctl(h, "other\n", &output, "adduser", "--password-stdin", a->jid), 0);
    free(output);
    const struct account again = {.jid = a->jid, .user = a->user, .password = (char *)(uintptr_t) "other"};

    archive_expect(client_login(h, &again, "two", 0), "", ALL);
}

int main(void)
{
    static const struct harness_options options = {.tables = "\n[[host]]\nname = \"" STRICT
                                                             "\"\n[host.archive]\npolicy = \"never\"\n"};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(at_first_the_hosts_policy_counts_and_both_lists_are_empty),
        HARNESS_TEST(what_was_set_is_told_and_stays_through_a_restart),
        HARNESS_TEST(never_keeps_nothing_and_an_exception_is_kept),
        HARNESS_TEST(always_keeps_everything_and_an_exception_is_not_kept),
        HARNESS_TEST(roster_keeps_what_is_exchanged_with_contacts),
        HARNESS_TEST(an_address_in_full_means_that_resource_alone),
        HARNESS_TEST(where_somebody_is_in_both_lists_nothing_is_kept),
        HARNESS_TEST(what_is_not_archived_has_no_id_and_forged_ones_are_stripped_all_the_same),
        HARNESS_TEST(a_host_can_keep_nothing_by_default),
        HARNESS_TEST(what_makes_no_sense_is_refused_and_changes_nothing),
        HARNESS_TEST(more_addresses_than_anybody_needs_are_refused),
        HARNESS_TEST(a_deleted_accounts_archive_and_wishes_are_not_its_successors),
        HARNESS_TEST(of_a_long_archive_nothing_is_left_either),
    };

    return harness_run_tests("what an account wants archived", tests, &options);
}
