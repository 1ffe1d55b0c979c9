/* tests/integration/test_archive_offline.c - offline storage and archive together: nobody gets a message twice because
 * it is in both, and nobody misses one. */
#include "archive.h"
#include "raw.h"
#include "sasl2_client.h"

#include <signal.h>
#include <sys/resource.h>

#define SMALL        "small.example"
#define ARCHIVE_ONLY "archive-only.example"

static const struct account *named(struct harness *h, const char *prefix, const char *host)
{
    static unsigned n;
    char user[40];

    snprintf(user, sizeof(user), "%s%u", prefix, n++);
    return harness_account_named(h, user, host, NULL);
}

static void say_numbered(struct client *from, const char *to, int first, int n)
{
    for (int i = first; i < first + n; i++)
        client_send(from, "<message to='%s' type='chat'><body>%d</body></message>", to, i);
    client_barrier_via(from, to);
}

/* All bodies that came so far, in their order. */
static const char *texts_of(struct client *romeo, struct client *c)
{
    static char texts[1024];

    client_sync(romeo, c);
    texts[0] = '\0';
    for (size_t n = client_count(c, "message/body"); n > 0; n--) {
        const struct node *m = client_expect_any(c, "message/body");

        snprintf(texts + strlen(texts), sizeof(texts) - strlen(texts), "%s%s", texts[0] != '\0' ? " " : "",
                 node_text(m, "message/body"));
    }
    return texts;
}

/* No file of the server may grow beyond that. */
static void limit_files(struct harness *h, rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(prlimit(h->server.pid, RLIMIT_FSIZE, NULL, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(prlimit(h->server.pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

/* Else the limit would kill the server, which no disk does. */
static void survive_the_limit(void)
{
    signal(SIGXFSZ, SIG_IGN);
}

static void who_reads_the_archive_first_is_not_sent_the_same_again(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);

    say_numbered(romeo, a->jid, 0, 5);
    struct client *juliet = client_login(h, a, "one", 0);

    archive_expect(juliet, "0 1 2 3 4", ALL);
    client_go_online(juliet, 0);
    assert_string_equal(texts_of(romeo, juliet), "");
    client_logout(juliet);
    juliet = client_login(h, a, "two", 0); /* they count as delivered */
    client_go_online(juliet, 0);
    assert_string_equal(texts_of(romeo, juliet), "");
}

static void who_does_not_read_it_is_sent_all_with_the_ids_that_they_have_there(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);

    say_numbered(romeo, a->jid, 0, 3);
    struct client *juliet = client_login(h, a, "one", 0);
    const struct node *came[3];

    client_go_online(juliet, 0);
    for (int i = 0; i < 3; i++)
        came[i] = client_expect(juliet, "message[delay][stanza-id]/body[.='%d']", i);
    struct found f = archive_ask(juliet, ALL);

    for (size_t i = 0; i < 3; i++)
        assert_string_equal(node_attr(node_find(came[i], "message/stanza-id"), "id"), archive_id(&f, i));
}

static void who_reads_a_part_is_sent_the_rest(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);

    say_numbered(romeo, a->jid, 0, 9);
    struct client *juliet = client_login(h, a, "one", 0);

    /* three pages that follow each other, from the middle out */
    struct found f = archive_ask(juliet, PAGE("<max>3</max>"));
    struct found g = archive_ask(juliet, PAGE("<max>2</max><after>%s</after>"), archive_id(&f, 2));

    assert_string_equal(archive_texts(&g), "3 4");
    client_go_online(juliet, 0);
    assert_string_equal(texts_of(romeo, juliet), "5 6 7 8");
    say_numbered(romeo, juliet->bare, 9, 1);
    assert_string_equal(texts_of(romeo, juliet), "9");
}

static void pages_backwards_count_as_far_as_they_reach(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);

    say_numbered(romeo, a->jid, 0, 9);
    struct client *juliet = client_login(h, a, "one", 0);
    struct found f = archive_ask(juliet, PAGE("<max>3</max><before/>"));

    archive_expect(juliet, "4 5", PAGE("<max>2</max><before>%s</before>"), archive_id(&f, 0));
    client_go_online(juliet, 0);
    assert_string_equal(texts_of(romeo, juliet), "0 1 2 3");
}

static void a_gap_between_two_pages_is_sent(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);

    say_numbered(romeo, a->jid, 0, 6);
    struct client *juliet = client_login(h, a, "one", 0);

    archive_expect(juliet, "0 1", PAGE("<max>2</max>"));
    archive_expect(juliet, "4 5", PAGE("<max>2</max><before/>"));
    client_go_online(juliet, 0);
    const char *texts = texts_of(romeo, juliet); /* what lies between must come; what was read first may */

    if (strcmp(texts, "2 3") != 0 && strcmp(texts, "0 1 2 3") != 0)
        test_fail("sent were: %s", texts);
}

static void who_read_what_one_contact_said_is_sent_what_others_said(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *nurse = harness_login(h);
    const struct account *a = harness_account(h);

    say_numbered(romeo, a->jid, 0, 1);
    say_numbered(nurse, a->jid, 1, 1);
    say_numbered(romeo, a->jid, 2, 1);
    struct client *juliet = client_login(h, a, "one", 0);

    archive_expect(juliet, "0 2", FORM("<field var='with'><value>%s</value></field>"), romeo->bare);
    client_go_online(juliet, 0);
    assert_string_equal(texts_of(romeo, juliet), "0 1 2");
}

/* It read them in an earlier session, which ended before they could count as delivered. */
static void who_goes_on_behind_what_it_has_is_not_sent_that_again(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);

    say_numbered(romeo, a->jid, 0, 3);
    struct client *juliet = client_login(h, a, "one", 0);
    struct found f = archive_ask(juliet, ALL);

    assert_int_equal(f.n, 3);
    client_drop(juliet);
    say_numbered(romeo, a->jid, 3, 2);
    juliet = client_login(h, a, "two", 0);
    archive_expect(juliet, "3", PAGE("<max>1</max><after>%s</after>"), archive_id(&f, 2));
    client_go_online(juliet, 0);
    assert_string_equal(texts_of(romeo, juliet), "4");
}

static void who_finds_nothing_new_behind_what_it_has_is_sent_nothing(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);

    say_numbered(romeo, a->jid, 0, 3);
    struct client *juliet = client_login(h, a, "one", 0);
    struct found f = archive_ask(juliet, ALL);

    client_drop(juliet);
    juliet = client_login(h, a, "two", 0);
    archive_expect(juliet, "", PAGE("<after>%s</after>"), archive_id(&f, 2));
    client_go_online(juliet, 0);
    assert_string_equal(texts_of(romeo, juliet), "");
}

/* What a client has learnt of in this session, or asks for a part of, says nothing of what lies before. */
static void who_goes_on_behind_a_part_is_sent_what_lies_before(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *nurse = harness_login(h);
    const struct account *a = harness_account(h);

    say_numbered(nurse, a->jid, 0, 1);
    say_numbered(romeo, a->jid, 1, 1);
    say_numbered(romeo, a->jid, 2, 1);
    struct client *juliet = client_login(h, a, "one", 0);
    struct found f =
        archive_ask(juliet, FORM("<field var='with'><value>%s</value></field>") PAGE("<max>1</max>"), romeo->bare);

    assert_string_equal(archive_texts(&f), "1");
    archive_expect(juliet, "2", PAGE("<after>%s</after>"), archive_id(&f, 0));
    client_drop(juliet);
    juliet = client_login(h, a, "two", 0);
    archive_expect(juliet, "2", FORM("<field var='with'><value>%s</value></field>") PAGE("<after>%s</after>"),
                   romeo->bare, archive_id(&f, 0));
    client_go_online(juliet, 0);
    assert_string_equal(texts_of(romeo, juliet), "0 1 2");
}

static void what_is_stored_but_not_archived_is_sent_in_any_case(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);

    say_numbered(romeo, a->jid, 0, 1);
    client_send(romeo,
                "<message to='%s' type='chat'><body>off-the-record</body><no-permanent-store xmlns='" HINTS "'/>"
                "</message>",
                a->jid);
    say_numbered(romeo, a->jid, 2, 1);
    struct client *juliet = client_login(h, a, "one", 0);

    archive_expect(juliet, "0 2", ALL);
    client_go_online(juliet, 0);
    assert_string_equal(texts_of(romeo, juliet), "off-the-record");
}

static void what_offline_storage_has_no_room_for_is_in_the_archive_and_not_refused(void **state)
{
    struct harness *h = *state;
    struct client *romeo = client_login(h, harness_account(h), "r", CLIENT_ACKS);
    const struct account *a = named(h, "small", SMALL);

    say_numbered(romeo, a->jid, 0, 8); /* host.limits.offline_messages is 5 */
    client_wait_acked(romeo);
    client_expect_none(romeo, "message");
    struct client *juliet = client_login(h, a, "one", 0);

    client_go_online(juliet, 0);
    for (int i = 0; i < 5; i++)
        client_expect(juliet, "message/body[.='%d']", i);
    client_expect_quiet(juliet);
    archive_expect(juliet, "0 1 2 3 4 5 6 7", ALL);
    /* but what may not be archived is, when there is no room */
    client_logout(juliet);
    say_numbered(romeo, a->jid, 8, 5);
    client_send(romeo,
                "<message to='%s' type='chat' id='np'><body>x</body><no-permanent-store xmlns='" HINTS "'/></message>",
                a->jid);
    client_expect(romeo, "message[@type='error'][@id='np']/error/service-unavailable");
}

static void without_offline_storage_the_archive_is_enough(void **state)
{
    struct harness *h = *state;
    struct client *romeo = client_login(h, harness_account(h), "r", CLIENT_ACKS);
    const struct account *a = named(h, "archived", ARCHIVE_ONLY);

    say_numbered(romeo, a->jid, 0, 2);
    client_send(romeo, "<message to='%s' type='chat' id='ns'><body>x</body><no-store xmlns='" HINTS "'/></message>",
                a->jid);
    client_expect(romeo, "message[@type='error'][@id='ns']/error/service-unavailable");
    client_wait_acked(romeo);
    client_expect_none(romeo, "message");
    struct client *juliet = client_login(h, a, "one", 0);

    client_go_online(juliet, 0);
    client_expect_none(juliet, "message");
    archive_expect(juliet, "0 1", ALL);
}

/* Without offline storage the archive is the only place, so the sender must hear that it could not be written. Who is
 * online gets messages all the same. */
static void a_disk_that_fails_costs_nobody_a_message_in_silence(void **state)
{
    struct harness *h = *state;
    struct client *romeo = client_login(h, harness_account(h), "r", CLIENT_ACKS), *juliet = harness_login(h);
    const struct account *a = named(h, "unwritten", ARCHIVE_ONLY);

    client_go_online(juliet, 0);
    limit_files(h, 0);
    client_send(romeo, "<message to='%s' type='chat' id='lost'><body>x</body></message>", a->jid);
    const struct node *error = client_expect(romeo, "message[@type='error'][@id='lost']/error");

    assert_true(node_matches(error, "message/error[internal-server-error]") ||
                node_matches(error, "message/error[resource-constraint]"));
    client_send(romeo, "<message to='%s' type='chat'><body>live</body></message>", juliet->bare);
    client_expect(juliet, "message/body[.='live']");
    limit_files(h, RLIM_INFINITY);
    client_wait_acked(romeo);
    say_numbered(romeo, a->jid, 0, 1);
    client_expect_none(romeo, "message");
    archive_expect(client_login(h, a, "one", 0), "0", ALL);
}

/* XEP-0386 section 3.2 */
static void who_binds_with_the_login_is_told_the_ends_of_the_archive_and_reads_there_what_was_missed(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);
    const struct node *success = sasl2_plain(r, a, "<bind xmlns='" NS_BIND2 "'/>");
    char first[64], last[64];

    assert_true(node_matches(success, "success/bound/metadata[@xmlns='" MAM "'][not(*)]"));
    raw_free(&r);
    say_numbered(romeo, a->jid, 0, 3);
    struct found f = archive_ask(client_login(h, a, "one", 0), ALL);

    snprintf(first, sizeof(first), "%s", archive_id(&f, 0));
    snprintf(last, sizeof(last), "%s", archive_id(&f, 2));
    for (int i = 0; i < 2; i++) { /* as loaded, and as kept in memory */
        r = raw_secure(h, NULL);
        success = sasl2_plain(r, a, "<bind xmlns='" NS_BIND2 "'/>");
        assert_string_equal(node_attr(node_find(success, "success/bound/metadata/start[@timestamp]"), "id"), first);
        assert_string_equal(node_attr(node_find(success, "success/bound/metadata/end[@timestamp]"), "id"), last);
        if (i == 0) {
            raw_free(&r);
            harness_stop(h);
            client_forget_all(h);
            harness_start(h);
        }
    }
    raw_send(r, "<presence/>");
    raw_expect(r, "presence");
    romeo = harness_login(h);
    say_numbered(romeo, a->jid, 3, 1);
    raw_expect(r, "message/body[.='3']"); /* and none of the others in front of it */
    raw_free(&r);
}

int main(void)
{
    static const struct harness_options options = {
        .in_child = survive_the_limit,
        .tables = "\n[[host]]\nname = \"" SMALL "\"\n[host.limits]\noffline_messages = 5\n"
                  "[[host]]\nname = \"" ARCHIVE_ONLY "\"\nmodules = [\"disco\", \"ping\", \"sm\", \"archive\"]\n"};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(who_reads_the_archive_first_is_not_sent_the_same_again),
        HARNESS_TEST(who_does_not_read_it_is_sent_all_with_the_ids_that_they_have_there),
        HARNESS_TEST(who_reads_a_part_is_sent_the_rest),
        HARNESS_TEST(pages_backwards_count_as_far_as_they_reach),
        HARNESS_TEST(a_gap_between_two_pages_is_sent),
        HARNESS_TEST(who_read_what_one_contact_said_is_sent_what_others_said),
        HARNESS_TEST(who_goes_on_behind_what_it_has_is_not_sent_that_again),
        HARNESS_TEST(who_finds_nothing_new_behind_what_it_has_is_sent_nothing),
        HARNESS_TEST(who_goes_on_behind_a_part_is_sent_what_lies_before),
        HARNESS_TEST(what_is_stored_but_not_archived_is_sent_in_any_case),
        HARNESS_TEST(what_offline_storage_has_no_room_for_is_in_the_archive_and_not_refused),
        HARNESS_TEST(without_offline_storage_the_archive_is_enough),
        HARNESS_TEST(a_disk_that_fails_costs_nobody_a_message_in_silence),
        HARNESS_TEST(who_binds_with_the_login_is_told_the_ends_of_the_archive_and_reads_there_what_was_missed),
    };

    return harness_run_tests("offline storage and archive", tests, &options);
}
