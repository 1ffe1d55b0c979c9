/* tests/integration/test_hints.c - XEP-0334: each hint through all who may store or copy a message: carbons, offline
 * storage, the archives of both sides, a session that waits for its client. */
#include "archive.h"
#include "raw.h"

#define CARBONS   "urn:xmpp:carbons:2"
#define NS_SM     "urn:xmpp:sm:3"
#define HINT(h)   "<" h " xmlns='" HINTS "'/>"
#define CIPHER    "<encrypted xmlns='eu.siacs.conversations.axolotl'/>"
#define TYPING    "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
#define COPIED(d) "message/" d "[@xmlns='" CARBONS "']/forwarded/message"

enum fate { STORED, REFUSED, DROPPED }; /* when its addressee is not there */

static const struct row {
    const char *id, *content;
    const char *keeps; /* what the addressee must find in it */
    bool is_copied, is_archived;
    enum fate offline;
} rows[] = {
    {"plain", "<body>x</body>", "[not(*[@xmlns='" HINTS "'])]", true, true, STORED},
    {"no-copy", "<body>x</body>" HINT("no-copy"), "/no-copy", false, true, STORED},
    {"no-store", "<body>x</body>" HINT("no-store"), "/no-store", true, false, REFUSED},
    {"no-store-cipher", CIPHER HINT("no-store"), "/no-store", true, false, DROPPED},
    {"session", "<body>x</body>" HINT("no-copy") HINT("no-store"), "[no-copy]/no-store", false, false, REFUSED},
    {"off-record", "<body>x</body>" HINT("no-permanent-store"), "/no-permanent-store", true, false, STORED},
    {"typing", TYPING, "/composing", true, false, DROPPED},
    {"typing-store", TYPING HINT("store"), "/store", true, true, STORED},
    {"cipher-store", CIPHER HINT("store"), "/store", true, true, STORED},
    {"nothing-store", HINT("store"), "/store", true, true, STORED},
    {"both", "<body>x</body>" HINT("store") HINT("no-store"), "[store]/no-store", true, false, REFUSED},
    {"off-record-store", "<body>x</body>" HINT("no-permanent-store") HINT("store"), "/store", true, false, STORED},
    {"unknown", "<body>x</body>" HINT("no-thanks"), "/no-thanks", true, true, STORED},
    {"other-ns", "<body>x</body><no-store xmlns='urn:example:hints'/><no-copy/>", "/no-store", true, true, STORED},
    {"inside", "<body>x</body><x xmlns='urn:example:x'>" HINT("no-store") HINT("no-copy") "</x>", "/x/no-store", true,
     true, STORED},
};

enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

static void send_row(struct client *from, const char *to, const struct row *row)
{
    client_send(from, "<message to='%s' type='chat' id='%s'>%s</message>", to, row->id, row->content);
}

static bool is_in(const struct found *f, const char *id)
{
    char path[128];

    snprintf(path, sizeof(path), "message/result/forwarded/message[@id='%s']", id);
    for (size_t i = 0; i < f->n; i++) {
        if (node_matches(f->results[i], path))
            return true;
    }
    return false;
}

static void check_archive(struct client *c)
{
    struct found f = archive_ask(c, "%s", PAGE("<max>100</max>"));
    size_t n = 0;

    for (size_t i = 0; i < N_ROWS; i++) {
        n += rows[i].is_archived;
        if (is_in(&f, rows[i].id) != rows[i].is_archived)
            test_fail("%s is %sin the archive of %s", rows[i].id, rows[i].is_archived ? "not " : "", c->bare);
    }
    assert_int_equal(f.n, n);
}

static struct client *login_with_copies(struct harness *h, const struct account *a, const char *resource)
{
    struct client *c = client_login(h, a, resource, 0);

    client_go_online(c, 0);
    assert_true(node_matches(client_request(c, "set", NULL, "<enable xmlns='" CARBONS "'/>"), "iq[@type='result']"));
    return c;
}

/* ---- announced ---- */

static void the_host_says_that_it_heeds_hints(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *info =
        client_request(c, "get", DOMAIN, "<query xmlns='http://jabber.org/protocol/disco#info'/>");

    assert_true(node_matches(info, "iq/query/feature[@var='" HINTS "']"));
}

/* ---- sections 4.1 to 4.4, each as sent to a full JID ---- */

static void each_hint_decides_about_copies_and_archives(void **state)
{
    struct harness *h = *state;
    const struct account *r = harness_account(h), *j = harness_account(h);
    struct client *laptop = login_with_copies(h, r, "laptop"), *phone = login_with_copies(h, r, "phone");
    struct client *juliet = login_with_copies(h, j, "laptop"), *tablet = login_with_copies(h, j, "tablet");

    for (size_t i = 0; i < N_ROWS; i++) {
        const char *sid = rows[i].is_archived ? "[stanza-id[@by]]" : "[not(stanza-id)]";

        send_row(laptop, juliet->jid, &rows[i]);
        client_expect(juliet, "message[@id='%s'][@from='%s']%s%s", rows[i].id, laptop->jid, sid, rows[i].keeps);
        if (!rows[i].is_copied)
            continue;
        client_expect(tablet, COPIED("received") "[@id='%s']%s%s", rows[i].id, sid, rows[i].keeps);
        client_expect(phone, COPIED("sent") "[@id='%s']%s%s", rows[i].id, sid, rows[i].keeps);
    }
    client_sync(laptop, tablet);
    client_sync(laptop, phone);
    client_expect_none(tablet, "message");
    client_expect_none(phone, "message");
    check_archive(juliet);
    check_archive(laptop);
}

static void each_hint_decides_what_waits_for_somebody_offline(void **state)
{
    struct harness *h = *state;
    const struct account *j = harness_account(h);
    struct client *romeo = harness_login(h), *juliet;

    for (size_t i = 0; i < N_ROWS; i++) {
        send_row(romeo, j->jid, &rows[i]);
        client_barrier_via(romeo, j->jid);
        if (rows[i].offline == REFUSED)
            client_expect(romeo, "message[@type='error'][@id='%s'][@from='%s']/error/service-unavailable", rows[i].id,
                          j->jid);
        client_expect_none(romeo, "message");
    }
    juliet = client_login(h, j, NULL, 0);
    client_go_online(juliet, 0);
    for (size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].offline == STORED)
            client_expect(juliet, "message[@id='%s'][delay]%s%s", rows[i].id,
                          rows[i].is_archived ? "[stanza-id]" : "[not(stanza-id)]", rows[i].keeps);
    }
    client_sync(romeo, juliet);
    client_expect_none(juliet, "message");
    check_archive(juliet);
}

/* Whatever the server writes on the way to keep its promises is not a copy that can be found afterwards. */
static void what_is_not_to_be_stored_is_gone_after_a_crash_as_well(void **state)
{
    struct harness *h = *state;
    const struct account *r = harness_account(h), *j = harness_account(h);
    struct client *romeo = client_login(h, r, NULL, CLIENT_ACKS), *juliet = client_login(h, j, "laptop", 0);

    client_go_online(juliet, 0);
    for (size_t i = 0; i < N_ROWS; i++)
        send_row(romeo, juliet->jid, &rows[i]);
    client_expect_any(juliet, "message[@id='%s']", rows[N_ROWS - 1].id);
    client_barrier(juliet);
    client_wait_acked(romeo);
    client_forget_all(h);
    harness_crash(h);
    harness_start(h);
    romeo = client_login(h, r, NULL, 0);
    check_archive(romeo);
    juliet = client_login(h, j, NULL, 0);
    client_go_online(juliet, 0);
    check_archive(juliet);
    client_sync(romeo, juliet);
    for (size_t i = 0; i < N_ROWS; i++) {
        char path[64];

        snprintf(path, sizeof(path), "message[@id='%s']", rows[i].id);
        if (rows[i].offline != STORED && client_count(juliet, path) > 0)
            test_fail("%s was stored", rows[i].id);
    }
}

/* ---- section 4.3: what a hint does not change ---- */

static void a_message_to_the_bare_jid_reaches_all_its_resources_in_spite_of_no_copy(void **state)
{
    struct harness *h = *state;
    const struct account *j = harness_account(h);
    struct client *romeo = harness_login(h), *laptop = login_with_copies(h, j, "laptop");
    struct client *tablet = login_with_copies(h, j, "tablet");

    client_barrier(laptop);
    client_drain(laptop);
    client_send(romeo, "<message to='%s' type='chat' id='1'><body>x</body>" HINT("no-copy") "</message>", j->jid);
    client_expect(laptop, "message[@id='1']/no-copy");
    client_expect(tablet, "message[@id='1']/no-copy");
    client_sync(romeo, laptop);
    client_sync(romeo, tablet);
    client_expect_none(laptop, "message");
    client_expect_none(tablet, "message");
}

/* Section 5: an error may repeat the hints of what it is about. */
static void hints_in_an_error_do_not_count(void **state)
{
    struct harness *h = *state;
    const struct account *r = harness_account(h);
    struct client *laptop = login_with_copies(h, r, "laptop"), *phone = login_with_copies(h, r, "phone");
    struct client *juliet = harness_login(h);

    client_send(laptop, "<message to='%s' type='chat' id='1'><body>x</body></message>", juliet->jid);
    client_expect(phone, COPIED("sent") "[@id='1']");
    client_expect(juliet, "message[@id='1']");
    client_send(
        juliet,
        "<message to='%s' type='error' id='1'>" HINT("no-copy")
            HINT("store") "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
        laptop->jid);
    client_expect(laptop, "message[@type='error'][@id='1'][no-copy][not(stanza-id)]/store");
    client_expect(phone, COPIED("received") "[@type='error'][@id='1']/error/gone");
    archive_expect(laptop, "x", "%s", ALL);
}

/* ---- between online and offline: a session that waits for its client ---- */

/* Brings it online and cuts its connection; returns its name. The caller frees. */
static char *lose_a_phone(struct harness *h, const struct account *a)
{
    struct raw *r = raw_login(h, a, "phone");
    size_t mark = harness_log_mark(h);
    char *id;

    raw_send(r, "<enable xmlns='" NS_SM "' resume='true'/>");
    id = strdup(node_attr(raw_expect(r, "enabled[@id]"), "id"));
    raw_send(r, "<presence/>");
    raw_skip_to(r, "presence");
    raw_free(&r);
    free(harness_log_wait(h, mark, "session.hibernating", "phone"));
    return id;
}

static void send_two_to_the_phone(struct client *romeo, const char *jid)
{
    client_send(romeo, "<message to='%s/phone' type='chat' id='no'><body>no</body>" HINT("no-store") "</message>", jid);
    client_send(romeo, "<message to='%s/phone' type='chat' id='yes'><body>yes</body></message>", jid);
    client_barrier_via(romeo, jid);
}

/* It has not left: nothing is stored for a client that is offline. */
static void a_session_that_is_resumed_has_what_was_not_to_be_stored(void **state)
{
    struct harness *h = *state;
    const struct account *j = harness_account(h);
    struct client *romeo = harness_login(h);
    char *id = lose_a_phone(h, j);
    struct raw *r;

    send_two_to_the_phone(romeo, j->jid);
    r = raw_secure(h, NULL);
    raw_plain(r, j);
    raw_send(r, "<resume xmlns='" NS_SM "' previd='%s' h='1'/>", id);
    raw_expect(r, "resumed[@previd='%s']", id);
    raw_skip_to(r, "message[@id='no']/no-store");
    raw_skip_to(r, "message[@id='yes']");
    client_barrier_via(romeo, j->jid);
    client_expect_none(romeo, "message");
    raw_free(&r);
    free(id);
}

static void a_session_that_is_not_resumed_gives_it_back_to_its_sender(void **state)
{
    struct harness *h = *state;
    const struct account *j = harness_account(h);
    struct client *romeo = harness_login(h), *again;
    char *id = lose_a_phone(h, j);

    send_two_to_the_phone(romeo, j->jid);
    again = client_login(h, j, "phone", 0); /* the one that waited ends */
    client_go_online(again, 0);
    client_expect(again, "message[@id='yes']");
    client_expect(romeo, "message[@type='error'][@id='no'][@from='%s/phone']/error/*", j->jid);
    client_sync(romeo, again);
    client_expect_none(again, "message");
    archive_expect(again, "yes", "%s", ALL);
    free(id);
}

/* Who closes its stream has read what came before, whether it says so or not. */
static void a_client_that_says_goodbye_has_had_it(void **state)
{
    struct harness *h = *state;
    const struct account *j = harness_account(h);
    struct client *romeo = harness_login(h);
    struct raw *r = raw_login(h, j, "phone");

    raw_enable_acks(r);
    send_two_to_the_phone(romeo, j->jid);
    raw_skip_to(r, "message[@id='yes']");
    raw_send(r, "</stream:stream>");
    raw_expect_eof(r);
    raw_free(&r);
    client_barrier_via(romeo, j->jid);
    client_expect_none(romeo, "message");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_host_says_that_it_heeds_hints),
        HARNESS_TEST(each_hint_decides_about_copies_and_archives),
        HARNESS_TEST(each_hint_decides_what_waits_for_somebody_offline),
        HARNESS_TEST(what_is_not_to_be_stored_is_gone_after_a_crash_as_well),
        HARNESS_TEST(a_message_to_the_bare_jid_reaches_all_its_resources_in_spite_of_no_copy),
        HARNESS_TEST(hints_in_an_error_do_not_count),
        HARNESS_TEST(a_session_that_is_resumed_has_what_was_not_to_be_stored),
        HARNESS_TEST(a_session_that_is_not_resumed_gives_it_back_to_its_sender),
        HARNESS_TEST(a_client_that_says_goodbye_has_had_it),
    };

    return harness_run_tests("hints", tests, &(struct harness_options){0});
}
