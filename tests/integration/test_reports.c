/* tests/integration/test_reports.c - XEP-0377: what users say about those they block reaches the operator. */
#include "client.h"

#define BLOCKING  "urn:xmpp:blocking"
#define REPORTING "urn:xmpp:reporting:1"
#define SPAM      "urn:xmpp:reporting:spam"
#define OTHER     "other.example"
#define THIRD     "third.example"

static void block_with(struct client *c, const char *jid, const char *report)
{
    const struct node *answer =
        client_request(c, "set", NULL, "<block xmlns='" BLOCKING "'><item jid='%s'>%s</item></block>", jid, report);

    if (!node_matches(answer, "iq[@type='result'][not(*)]"))
        test_fail("this is no result: %s", node_describe(answer));
}

static bool is_blocked(struct client *c, const char *jid)
{
    const struct node *list = client_request(c, "get", NULL, "<blocklist xmlns='" BLOCKING "'/>");
    char *path = text_format("iq/blocklist/item[@jid='%s']", jid);
    bool is_there = node_matches(list, path);

    free(path);
    return is_there;
}

/* Reports are committed after the block was answered, so they are waited for. The caller frees. */
static struct json *wait_for_reports(struct harness *h, const char *about, size_t n)
{
    long until = now_ms() + 10000;

    for (;;) {
        struct json *reports = harness_ctl_json(h, "reports", about, "1000");

        if (json_count(reports) >= n || now_ms() > until) {
            assert_int_equal(json_count(reports), n);
            return reports;
        }
        json_free(&reports);
    }
}

static void the_host_says_that_it_takes_reports(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *info =
        client_request(c, "get", DOMAIN, "<query xmlns='http://jabber.org/protocol/disco#info'/>");

    assert_true(node_matches(info, "iq/query/feature[@var='" REPORTING "']"));
}

static void a_host_where_nobody_can_block_does_not(void **state)
{
    struct harness *h = *state;
    struct client *c = client_login(h, harness_account_named(h, "tybalt", THIRD, NULL), "r", 0);
    const struct node *info = client_request(c, "get", THIRD, "<query xmlns='http://jabber.org/protocol/disco#info'/>");

    assert_true(node_matches(info, "iq[@type='result']/query[not(feature[@var='" REPORTING "'])]/feature"));
}

/* Section 5 */
static void a_report_comes_with_its_block_and_is_kept(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    size_t mark = harness_log_mark(h);
    struct json *status = harness_ctl_json(h, "status");
    long before = json_number(status, "reports");

    json_free(&status);

    client_send(
        juliet,
        "<iq type='set' id='block1'><block xmlns='" BLOCKING "'><item jid='romeo@example.net'><report xmlns='" REPORTING
        "' reason='" SPAM "'><stanza-id xmlns='urn:xmpp:sid:0' by='romeo@example.net' id='28482-98726-73623'/>"
        "<stanza-id xmlns='urn:xmpp:sid:0' by='romeo@example.net' id='38383-38018-18385'/><text xml:lang='en'>\n"
        "  Never came trouble to my house like this.\n</text></report></item></block></iq>");
    client_expect(juliet, "iq[@type='result'][@id='block1'][not(*)]");
    assert_true(is_blocked(juliet, "romeo@example.net"));
    char *line = harness_log_wait(h, mark, "report.received", juliet->bare, "reported=romeo@example.net", "reason=spam",
                                  "28482-98726-73623 38383-38018-18385");

    assert_null(strstr(line, "trouble")); /* nobody's words are in the log */
    free(line);
    struct json *reports = wait_for_reports(h, "romeo@example.net", 1);

    assert_string_equal(json_text(reports, "0.reporter"), juliet->bare);
    assert_string_equal(json_text(reports, "0.reported"), "romeo@example.net");
    assert_string_equal(json_text(reports, "0.reason"), "spam");
    assert_string_equal(json_text(reports, "0.text"), "Never came trouble to my house like this.");
    assert_string_equal(json_text(reports, "0.messages"), "28482-98726-73623 38383-38018-18385");
    assert_string_equal(json_text(reports, "0.for_origin"), "false");
    assert_string_equal(json_text(reports, "0.for_others"), "false");
    json_free(&reports);
    status = harness_ctl_json(h, "status");
    assert_true(json_number(status, "reports") > before);
    json_free(&status);
}

/* Section 4 */
static void the_shortest_report_is_enough_and_consent_is_kept(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);

    block_with(juliet, "short@example.net", "<report xmlns='" REPORTING "' reason='urn:xmpp:reporting:abuse'/>");
    block_with(juliet, "long@example.net/x",
               "<report xmlns='" REPORTING "' reason='" SPAM "'><report-origin/><third-party/></report>");
    struct json *reports = wait_for_reports(h, "short@example.net", 1);

    assert_string_equal(json_text(reports, "0.reason"), "abuse");
    assert_int_equal(json_at(reports, "0.text")->kind, JSON_NULL);
    json_free(&reports);
    reports = wait_for_reports(h, "long@example.net", 1); /* by the bare JID, whatever resource */
    assert_string_equal(json_text(reports, "0.reported"), "long@example.net/x");
    assert_string_equal(json_text(reports, "0.for_origin"), "true");
    assert_string_equal(json_text(reports, "0.for_others"), "true");
    json_free(&reports);
}

static void each_item_has_a_report_of_its_own_or_none(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    const struct node *answer = client_request(
        juliet, "set", NULL,
        "<block xmlns='" BLOCKING "'><item jid='one@each.example'><report xmlns='" REPORTING "' reason='" SPAM
        "'/></item><item jid='two@each.example'/><item jid='each.example'><report xmlns='" REPORTING
        "' reason='urn:example:other'/></item></block>");

    assert_true(node_matches(answer, "iq[@type='result']"));
    struct json *reports = wait_for_reports(h, "each.example", 1);

    assert_string_equal(json_text(reports, "0.reason"), "urn:example:other");
    json_free(&reports);
    reports = wait_for_reports(h, "one@each.example", 1);
    json_free(&reports);
    reports = wait_for_reports(h, "two@each.example", 0);
    json_free(&reports);
}

/* Section 5: the block happens as if no report were there. */
static void a_report_that_says_nothing_hinders_no_block(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    static const char *const reports[] = {
        "<report xmlns='" REPORTING "'/>",
        "<report xmlns='" REPORTING "' reason=''/>",
        "<report xmlns='urn:xmpp:reporting:0'><spam/></report>",
        "<report reason='" SPAM "'/>",
        "<text xmlns='" REPORTING "'>x</text>",
    };

    for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
        char *jid = text_format("nothing%zu@example.net", i);

        block_with(juliet, jid, reports[i]);
        assert_true(is_blocked(juliet, jid));
        struct json *none = wait_for_reports(h, jid, 0);

        json_free(&none);
        free(jid);
    }
    /* And where the block is refused, there is no report. */
    const struct node *answer =
        client_request(juliet, "set", NULL,
                       "<block xmlns='" BLOCKING "'><item jid='bad@example.net'><report xmlns='" REPORTING
                       "' reason='" SPAM "'/></item><item jid='@'/></block>");

    assert_true(node_matches(answer, "iq[@type='error']/error/jid-malformed"));
    struct json *none = wait_for_reports(h, "bad@example.net", 0);

    json_free(&none);
}

static void somebody_who_is_blocked_already_can_be_reported(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);

    block_with(juliet, "again@example.net", "");
    block_with(juliet, "again@example.net", "<report xmlns='" REPORTING "' reason='" SPAM "'/>");
    struct json *reports = wait_for_reports(h, "again@example.net", 1);

    json_free(&reports);
}

static void pushes_do_not_tell_what_was_reported(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);

    assert_false(is_blocked(juliet, "x@example.net")); /* who asks for the list is told of changes */
    block_with(juliet, "x@example.net", "<report xmlns='" REPORTING "' reason='" SPAM "'/>");
    client_expect_any(juliet, "iq[@type='set']/block/item[@jid='x@example.net'][not(*)]");
}

static void long_words_are_cut_and_ids_are_whole(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    char ids[60 * 100] = "", *umlauts = calloc(1, 4002), *report;

    for (int i = 0; i < 60; i++)
        sprintf(ids + strlen(ids), "<stanza-id xmlns='urn:xmpp:sid:0' id='id-number-%020d'/>", i);
    umlauts[0] = 'x';
    for (int i = 0; i < 2000; i++)
        memcpy(umlauts + 1 + 2 * i, "\xc3\xa4", 2);
    report = text_format("<report xmlns='" REPORTING "' reason='" SPAM "'>%s<text>%s</text></report>", ids, umlauts);
    block_with(juliet, "wordy@example.net", report);
    struct json *reports = wait_for_reports(h, "wordy@example.net", 1);

    assert_int_equal(strlen(json_text(reports, "0.text")), 1999); /* 2000 would end within a letter */
    const char *kept = json_text(reports, "0.messages");

    assert_true(strlen(kept) <= 1000 && strlen(kept) > 900);
    assert_int_equal((strlen(kept) + 1) % strlen("id-number-00000000000000000000 "), 0);
    json_free(&reports);
    free(umlauts);
    free(report);
}

static unsigned count_lines(struct harness *h, size_t mark, const char *event, const char *jid)
{
    FILE *log = fopen(h->log_path, "r");
    char line[1024];
    unsigned n = 0;

    assert_non_null(log);
    assert_int_equal(fseek(log, (long)mark, SEEK_SET), 0);
    while (fgets(line, sizeof(line), log) != NULL)
        n += strstr(line, event) != NULL && strstr(line, jid) != NULL;
    fclose(log);
    return n;
}

static void one_account_cannot_report_without_end(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    size_t mark = harness_log_mark(h);

    for (int i = 0; i < 25; i++) {
        char *jid = text_format("r%d@many.example", i);

        block_with(juliet, jid, "<report xmlns='" REPORTING "' reason='" SPAM "'/>");
        free(jid);
    }
    assert_true(is_blocked(juliet, "r24@many.example"));
    free(harness_log_wait(h, mark, "report.refused", juliet->bare));
    struct json *reports = wait_for_reports(h, "r19@many.example", 1);

    json_free(&reports);
    reports = wait_for_reports(h, "r20@many.example", 0);
    json_free(&reports);
    /* nor fill the log */
    client_logout(juliet);
    free(harness_log_wait(h, mark, "session.closed", juliet->bare));
    assert_int_equal(count_lines(h, mark, "report.refused", juliet->bare), 1);
}

static void the_abuse_contacts_here_get_a_message(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account_named(h, "abuse", DOMAIN, NULL);
    struct client *contact = client_login(h, a, "desk", 0), *juliet = harness_login(h);

    client_go_online(contact, 0);
    client_drain(contact);
    block_with(juliet, "romeo@notice.example",
               "<report xmlns='" REPORTING "' reason='" SPAM
               "'><stanza-id xmlns='urn:xmpp:sid:0' id='i1'/><text>&lt;b&gt; "
               "he never stops</text></report>");
    char *body = text_format("%s reports romeo@notice.example: spam\n<b> he never stops\nMessages: i1", juliet->bare);
    const struct node *message = client_expect(contact, "message[@from='" DOMAIN "'][subject]/body");

    assert_string_equal(node_text(message, "message/body"), body);
    free(body);
    client_barrier(contact);
    client_expect_none(contact, "message");
}

static void the_operator_chooses_what_to_see(void **state)
{
    struct harness *h = *state;
    struct client *here = harness_login(h);
    struct client *there = client_login(h, harness_account_named(h, "benvolio", OTHER, NULL), "r", 0);
    struct json *reports;
    char *output;

    block_with(here, "seen@example.net", "<report xmlns='" REPORTING "' reason='" SPAM "'/>");
    block_with(there, "seen@example.net", "<report xmlns='" REPORTING "' reason='" SPAM "'><text>\x7f</text></report>");
    reports = wait_for_reports(h, "seen@example.net", 2);
    json_free(&reports);
    reports = wait_for_reports(h, OTHER, 1);
    assert_string_equal(json_text(reports, "0.reporter"), there->bare);
    json_free(&reports);
    block_with(there, "later@example.net", "<report xmlns='" REPORTING "' reason='" SPAM "'/>");
    reports = wait_for_reports(h, OTHER, 2);
    assert_string_equal(json_text(reports, "0.reported"), "later@example.net"); /* the newest first */
    json_free(&reports);
    reports = harness_ctl_json(h, "reports", OTHER, "1");
    assert_int_equal(json_count(reports), 1);
    assert_string_equal(json_text(reports, "0.reported"), "later@example.net");
    json_free(&reports);
    reports = harness_ctl_json(h, "reports");
    assert_true(json_count(reports) >= 3);
    json_free(&reports);
    assert_int_equal(harness_ctl(h, NULL, &output, "reports", OTHER), 0);
    assert_non_null(strstr(output, "seen@example.net"));
    free(output);
    assert_int_not_equal(harness_ctl(h, NULL, &output, "reports", OTHER, "0"), 0);
    assert_non_null(strstr(output, "a number from 1 to 1000"));
    free(output);
    assert_int_not_equal(harness_ctl(h, NULL, &output, "reports", "@"), 0);
    free(output);
}

static void reports_survive_a_crash(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);

    block_with(juliet, "kept@example.net", "<report xmlns='" REPORTING "' reason='" SPAM "'/>");
    struct json *reports = wait_for_reports(h, "kept@example.net", 1);

    json_free(&reports);
    harness_crash(h);
    harness_start(h);
    reports = wait_for_reports(h, "kept@example.net", 1);
    json_free(&reports);
}

int main(void)
{
    static const struct harness_options options = {
        .tables = "[host.contact]\nabuse = [\"mailto:abuse@" DOMAIN "\", \"xmpp:abuse@" DOMAIN "?message\", "
                  "\"xmpp:abuse@elsewhere.example\"]\n"
                  "[[host]]\nname = \"" OTHER "\"\n"
                  "[[host]]\nname = \"" THIRD "\"\nmodules = [\"disco\", \"report\"]\n",
    };
    static const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_host_says_that_it_takes_reports),
        HARNESS_TEST(a_host_where_nobody_can_block_does_not),
        HARNESS_TEST(a_report_comes_with_its_block_and_is_kept),
        HARNESS_TEST(the_shortest_report_is_enough_and_consent_is_kept),
        HARNESS_TEST(each_item_has_a_report_of_its_own_or_none),
        HARNESS_TEST(a_report_that_says_nothing_hinders_no_block),
        HARNESS_TEST(somebody_who_is_blocked_already_can_be_reported),
        HARNESS_TEST(pushes_do_not_tell_what_was_reported),
        HARNESS_TEST(long_words_are_cut_and_ids_are_whole),
        HARNESS_TEST(one_account_cannot_report_without_end),
        HARNESS_TEST(the_abuse_contacts_here_get_a_message),
        HARNESS_TEST(the_operator_chooses_what_to_see),
        HARNESS_TEST(reports_survive_a_crash),
    };

    return harness_run_tests("reports", tests, &options);
}
