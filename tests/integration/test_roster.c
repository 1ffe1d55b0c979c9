/* tests/integration/test_roster.c - the roster: RFC 6121 section 2, and rows S24 to S26 and R1 to R6 of
 * docs/delivery-rules.md. */
#include "client.h"

#define GET "<query xmlns='jabber:iq:roster'/>"

static const struct node *get_roster(struct client *c)
{
    const struct node *answer = client_request(c, "get", NULL, GET);

    if (!node_matches(answer, "iq[@type='result']/query[@xmlns='jabber:iq:roster']"))
        test_fail("the roster is %s", node_describe(answer));
    return node_find(answer, "iq/query");
}

/* The answer to a set must be a result, or an error with that condition. */
static void set_item(struct client *c, const char *item, const char *condition)
{
    const struct node *answer = client_request(c, "set", NULL, "<query xmlns='jabber:iq:roster'>%s</query>", item);
    char *path =
        condition == NULL ? strdup("iq[@type='result']") : text_format("iq[@type='error']/error/%s", condition);

    if (!node_matches(answer, path))
        test_fail("%s was answered by %s", item, node_describe(answer));
    free(path);
}

static void a_new_account_has_an_empty_roster(void **state)
{
    struct client *juliet = harness_login(*state);

    assert_null(get_roster(juliet)->child);
}

static void s24_an_item_is_made_changed_and_pushed(void **state)
{
    struct client *juliet = harness_login(*state);

    get_roster(juliet);
    set_item(juliet, "<item jid='romeo@far.example' name='Romeo'><group>Friends</group><group>Lovers</group></item>",
             NULL);
    client_expect_any(juliet, "iq[@type='set']/query/item[@jid='romeo@far.example'][@name='Romeo']"
                              "[@subscription='none'][group[.='Friends']][group[.='Lovers']]");
    set_item(juliet, "<item jid='romeo@far.example' name='My Romeo'><group>Lovers</group></item>", NULL);
    client_expect_any(juliet, "iq[@type='set']/query/item[@jid='romeo@far.example'][@name='My Romeo']"
                              "[group[.='Lovers']][not(group[.='Friends'])]");
    set_item(juliet, "<item jid='romeo@far.example'/>", NULL);
    client_expect_any(juliet, "iq[@type='set']/query/item[@jid='romeo@far.example'][not(group)]");
    const struct node *roster = get_roster(juliet);
    assert_int_equal(node_count(roster, "item"), 1);
    assert_true(node_matches(roster, "query/item[@jid='romeo@far.example'][@subscription='none'][not(group)]"));
}

static void pushes_go_to_all_interested_resources_and_to_no_other(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0),
                  *not_interested = client_login(h, a, "three", 0), *stranger = harness_login(h);

    client_go_online(not_interested, 0); /* available is not interested */
    get_roster(one);
    get_roster(two); /* interested without presence */
    get_roster(stranger);
    client_drain(not_interested);
    set_item(one, "<item jid='nurse@far.example'/>", NULL);
    /* RFC 6121 section 2.1.6: no `from`, or the own bare JID; an id; one item. */
    for (int i = 0; i < 2; i++) {
        const struct node *push =
            client_expect_any(i == 0 ? one : two, "iq[@type='set'][@id]/query/item[@jid='nurse@far.example']");
        if (node_attr(push, "from") != NULL)
            assert_string_equal(node_attr(push, "from"), a->jid);
        assert_int_equal(node_count(node_find(push, "iq/query"), "item"), 1);
        client_send(i == 0 ? one : two, "<iq type='result' id='%s'/>", node_attr(push, "id"));
    }
    client_expect_quiet(one);
    client_expect_quiet(two);
    client_expect_quiet(not_interested);
    client_expect_quiet(stranger);
}

static void s25_a_removed_item_is_gone_and_pushed_as_removed(void **state)
{
    struct client *juliet = harness_login(*state);

    get_roster(juliet);
    set_item(juliet, "<item jid='romeo@far.example'/>", NULL);
    client_expect_any(juliet, "iq[@type='set']/query/item[@jid='romeo@far.example']");
    set_item(juliet, "<item jid='romeo@far.example' subscription='remove'/>", NULL);
    client_expect_any(juliet, "iq[@type='set']/query/item[@jid='romeo@far.example'][@subscription='remove']");
    assert_null(get_roster(juliet)->child);
}

static void s26_what_is_not_there_cannot_be_removed(void **state)
{
    set_item(harness_login(*state), "<item jid='nobody@far.example' subscription='remove'/>", "item-not-found");
}

static void r1_to_r6_sets_that_are_not_well_made_are_refused_and_change_nothing(void **state)
{
    struct client *juliet = harness_login(*state);
    char name[1100], *text;

    get_roster(juliet);
    set_item(juliet, "", "bad-request");
    set_item(juliet, "<item jid='a@far.example'/><item jid='b@far.example'/>", "bad-request");
    set_item(juliet, "<item name='x'/>", "bad-request");
    set_item(juliet, "<item jid='a b@far.example'/>", "jid-malformed");
    set_item(juliet, "<item jid='a@far.example'><group/></item>", "not-acceptable");
    set_item(juliet, "<item jid='a@far.example'><group>x</group><group>x</group></item>", "bad-request");
    text = text_format("<item jid='%s'/>", juliet->bare);
    set_item(juliet, text, "not-allowed");
    free(text);
    memset(name, 'n', sizeof(name));
    name[1024] = '\0'; /* limits.roster_name_bytes and one more */
    text = text_format("<item jid='a@far.example' name='%s'/>", name);
    set_item(juliet, text, "not-acceptable");
    free(text);
    text = text_format("<item jid='a@far.example'><group>%s</group></item>", name);
    set_item(juliet, text, "not-acceptable");
    free(text);
    client_expect_quiet(juliet);
    assert_null(get_roster(juliet)->child);
}

static void r5_more_groups_than_the_limit_are_refused(void **state)
{
    struct client *juliet = harness_login(*state);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    fputs("<item jid='a@far.example'>", out);
    for (int i = 0; i <= 32; i++)
        fprintf(out, "<group>g%d</group>", i);
    fputs("</item>", out);
    fclose(out);
    set_item(juliet, text, "not-acceptable");
    free(text);
}

static void more_contacts_than_the_limit_are_refused_and_room_is_made_by_removing(void **state)
{
    struct client *juliet = harness_login(*state);

    for (int i = 0; i < 20; i++) { /* limits.roster_items */
        char *item = text_format("<item jid='c%d@far.example'/>", i);

        set_item(juliet, item, NULL);
        free(item);
    }
    const struct node *answer =
        client_request(juliet, "set", NULL, "<query xmlns='jabber:iq:roster'><item jid='c20@far.example'/></query>");
    assert_true(node_matches(answer, "iq[@type='error']/error/*"));
    set_item(juliet, "<item jid='c5@far.example' name='a change is no new contact'/>", NULL);
    set_item(juliet, "<item jid='c0@far.example' subscription='remove'/>", NULL);
    set_item(juliet, "<item jid='c20@far.example'/>", NULL);
    assert_int_equal(node_count(get_roster(juliet), "item"), 20);
}

static void nobody_reads_or_changes_the_roster_of_another(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    get_roster(juliet);
    assert_true(node_matches(client_request(romeo, "get", juliet->bare, GET), "iq[@type='error']"));
    assert_true(node_matches(client_request(romeo, "set", juliet->bare,
                                            "<query xmlns='jabber:iq:roster'><item jid='evil@far.example'/></query>"),
                             "iq[@type='error']"));
    /* A forged push: RFC 6121 section 2.1.6. A stranger's request does not reach a full JID at all. */
    client_request(romeo, "set", juliet->jid, "<query xmlns='jabber:iq:roster'><item jid='evil@far.example'/></query>");
    client_expect_quiet(juliet);
    assert_null(get_roster(juliet)->child);
}

static void what_only_the_server_may_set_is_ignored(void **state)
{
    struct client *juliet = harness_login(*state);

    set_item(juliet, "<item jid='a@far.example' subscription='both' ask='subscribe' approved='true'/>", NULL);
    assert_true(node_matches(get_roster(juliet),
                             "query/item[@jid='a@far.example'][@subscription='none'][not(@ask)][not(@approved)]"));
}

static void addresses_in_the_roster_are_prepared(void **state)
{
    struct client *juliet = harness_login(*state);

    set_item(juliet, "<item jid='Romeo@FAR.example' name='R'/>", NULL);
    set_item(juliet, "<item jid='romeo@far.example' name='S'/>", NULL);
    const struct node *roster = get_roster(juliet);
    assert_int_equal(node_count(roster, "item"), 1);
    assert_true(node_matches(roster, "query/item[@jid='romeo@far.example'][@name='S']"));
}

static void names_and_groups_keep_every_character(void **state)
{
    struct client *juliet = harness_login(*state);

    set_item(juliet,
             "<item jid='a@far.example' name='&lt;&amp;&gt;&quot; \xc3\xa9\xf0\x9f\x8c\xb9'>"
             "<group> &amp;lt; caf\xc3\xa9 </group></item>",
             NULL);
    const struct node *item = node_find(get_roster(juliet), "query/item");
    assert_string_equal(node_attr(item, "name"), "<&>\" \xc3\xa9\xf0\x9f\x8c\xb9");
    assert_string_equal(node_text(item, "item/group"), " &lt; caf\xc3\xa9 ");
}

/* ---- versions: RFC 6121 section 2.6 ---- */

static const struct node *get_since(struct client *c, const char *ver)
{
    return client_request(c, "get", NULL, "<query xmlns='jabber:iq:roster' ver='%s'/>", ver);
}

static void a_client_with_the_current_version_gets_no_roster(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *juliet = client_login(h, a, "one", 0);

    set_item(juliet, "<item jid='a@far.example'/>", NULL);
    const struct node *whole = get_since(juliet, "");
    const char *ver = node_attr(node_find(whole, "iq/query"), "ver");
    assert_non_null(ver);
    assert_true(node_matches(whole, "iq/query/item[@jid='a@far.example']"));
    struct client *again = client_login(h, a, "two", 0);
    assert_true(node_matches(get_since(again, ver), "iq[@type='result'][not(query)]"));
    /* Interested all the same. */
    set_item(juliet, "<item jid='b@far.example'/>", NULL);
    const struct node *push = client_expect_any(again, "iq[@type='set']/query[@ver]/item[@jid='b@far.example']");
    assert_string_not_equal(node_attr(node_find(push, "iq/query"), "ver"), ver);
}

/* With the roster, or with pushes behind an empty result: after it, the client knows all. */
static void expect_catch_up(struct client *c, const char *ver, const char *jid, const char *subscription)
{
    const struct node *answer = get_since(c, ver);

    if (node_find(answer, "iq/query") == NULL)
        client_expect_any(c, "iq[@type='set']/query[@ver]/item[@jid='%s'][@subscription='%s']", jid, subscription);
    else if (strcmp(subscription, "remove") != 0)
        assert_int_equal(node_count(node_find(answer, "iq/query"), "item"), 2);
    else
        assert_int_equal(node_count(node_find(answer, "iq/query"), "item"), 0);
}

static void a_client_with_an_older_version_gets_what_changed_or_all(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0);

    set_item(one, "<item jid='a@far.example'/>", NULL);
    const char *ver = node_attr(node_find(get_since(one, ""), "iq/query"), "ver");
    set_item(one, "<item jid='b@far.example'/>", NULL);
    expect_catch_up(client_login(h, a, "two", 0), ver, "b@far.example", "none");
    set_item(one, "<item jid='a@far.example' subscription='remove'/>", NULL);
    set_item(one, "<item jid='b@far.example' subscription='remove'/>", NULL);
    expect_catch_up(client_login(h, a, "three", 0), ver, "a@far.example", "remove");
    /* A version that never was gives all. */
    assert_true(node_matches(get_since(client_login(h, a, "four", 0), "no-such-version"), "iq/query[@ver]"));
}

static void everything_survives_a_restart_and_versions_go_on(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0);

    set_item(one, "<item jid='a@far.example' name='A &amp; B'><group>G</group></item>", NULL);
    set_item(one, "<item jid='b@far.example'/>", NULL);
    set_item(one, "<item jid='b@far.example' subscription='remove'/>", NULL);
    char *ver = strdup(node_attr(node_find(get_since(one, ""), "iq/query"), "ver"));
    client_logout(one);
    harness_stop(h);
    harness_start(h);
    struct client *two = client_login(h, a, "two", 0);
    assert_true(node_matches(get_since(two, ver), "iq[@type='result'][not(query)]"));
    const struct node *roster = get_roster(two);
    assert_int_equal(node_count(roster, "item"), 1);
    assert_true(node_matches(roster, "query/item[@jid='a@far.example'][@name='A & B']/group[.='G']"));
    set_item(two, "<item jid='c@far.example'/>", NULL);
    const struct node *push = client_expect_any(two, "iq[@type='set']/query[@ver]/item[@jid='c@far.example']");
    assert_string_not_equal(node_attr(node_find(push, "iq/query"), "ver"), ver);
    free(ver);
}

static void two_devices_that_change_the_roster_at_once_end_up_with_the_same_one(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *devices[2] = {client_login(h, a, "one", 0), client_login(h, a, "two", 0)};
    char *seen[2];

    get_roster(devices[0]);
    get_roster(devices[1]);
    for (int i = 0; i < 15; i++)
        for (int d = 0; d < 2; d++)
            client_send(devices[d],
                        "<iq type='set' id='s%d'><query xmlns='jabber:iq:roster'>"
                        "<item jid='shared@far.example' name='%d from %d'/></query></iq>",
                        i, i, d);
    for (int d = 0; d < 2; d++) {
        for (int i = 0; i < 15; i++)
            client_expect_any(devices[d], "iq[@type='result'][@id='s%d']", i);
        client_barrier(devices[d]);
    }
    /* Every change reached both in the same order, so the last push of each names the same winner. */
    for (int d = 0; d < 2; d++) {
        seen[d] = strdup("");
        assert_int_equal(client_count(devices[d], "iq[@type='set']"), 30);
        for (int i = 0; i < 30; i++) {
            const struct node *push =
                client_expect(devices[d], "iq[@type='set']/query/item[@jid='shared@far.example']");
            char *more = text_format("%s%s\n", seen[d], node_attr(node_find(push, "iq/query/item"), "name"));

            free(seen[d]);
            seen[d] = more;
        }
    }
    assert_string_equal(seen[0], seen[1]);
    free(seen[0]);
    free(seen[1]);
}

int main(void)
{
    static const char *const settings[] = {"limits.roster_items = 20", NULL};
    static const struct harness_options options = {.settings = settings};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_new_account_has_an_empty_roster),
        HARNESS_TEST(s24_an_item_is_made_changed_and_pushed),
        HARNESS_TEST(pushes_go_to_all_interested_resources_and_to_no_other),
        HARNESS_TEST(s25_a_removed_item_is_gone_and_pushed_as_removed),
        HARNESS_TEST(s26_what_is_not_there_cannot_be_removed),
        HARNESS_TEST(r1_to_r6_sets_that_are_not_well_made_are_refused_and_change_nothing),
        HARNESS_TEST(r5_more_groups_than_the_limit_are_refused),
        HARNESS_TEST(more_contacts_than_the_limit_are_refused_and_room_is_made_by_removing),
        HARNESS_TEST(nobody_reads_or_changes_the_roster_of_another),
        HARNESS_TEST(what_only_the_server_may_set_is_ignored),
        HARNESS_TEST(addresses_in_the_roster_are_prepared),
        HARNESS_TEST(names_and_groups_keep_every_character),
        HARNESS_TEST(a_client_with_the_current_version_gets_no_roster),
        HARNESS_TEST(a_client_with_an_older_version_gets_what_changed_or_all),
        HARNESS_TEST(everything_survives_a_restart_and_versions_go_on),
        HARNESS_TEST(two_devices_that_change_the_roster_at_once_end_up_with_the_same_one),
    };

    return harness_run_tests("roster", tests, &options);
}
