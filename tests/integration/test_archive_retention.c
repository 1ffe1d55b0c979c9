/* tests/integration/test_archive_retention.c - archives have bounds: archive.keep_days and archive.keep_messages. */
#include "archive.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <time.h>

#define FEW    "few.example"
#define RECENT "recent.example"

static unsigned count_entries(struct client *c)
{
    return (unsigned)atoi(node_text(archive_ask(c, PAGE("<max>0</max>")).answer, "iq/fin/set/count"));
}

/* What is removed is removed bit by bit: waits until so many are left, or fewer. */
static void await_count(struct harness *h, struct client *c, unsigned n)
{
    time_t until = time(NULL) + test_patience_ms() / 1000;

    while (count_entries(c) > n) {
        if (time(NULL) > until)
            test_fail("there are %u entries, more than %u", count_entries(c), n);
        client_pump(h, 50);
    }
}

static void who_says_much_keeps_the_newest(void **state)
{
    struct harness *h = *state;
    char user[40];

    snprintf(user, sizeof(user), "few%u", h->options.workers);
    struct client *c = client_login(h, harness_account_named(h, user, FEW, NULL), "one", 0), *romeo = harness_login(h);

    for (int i = 0; i < 1010; i++)
        client_send(c, "<message to='%s' type='chat'><body>%d</body></message>", romeo->bare, i);
    client_barrier_via(c, romeo->bare);
    await_count(h, c, 110); /* keep_messages is 100; the last ten came behind the look at it */
    struct found f = archive_ask(c, PAGE("<max>1</max><before/>"));

    assert_string_equal(archive_texts(&f), "1009");
    f = archive_ask(c, PAGE("<max>100</max>"));
    for (size_t i = 1; i < f.n; i++) /* without a gap */
        assert_int_equal(atoi(node_text(f.results[i], "message/result/forwarded/message/body")),
                         atoi(node_text(f.results[i - 1], "message/result/forwarded/message/body")) + 1);
    const struct node *m = client_request(c, "get", NULL, "<metadata xmlns='" MAM "'/>");

    assert_string_equal(node_attr(node_find(m, "iq/metadata/start"), "id"), archive_id(&f, 0));
    archive_expect(romeo, "0", PAGE("<max>1</max>")); /* his host keeps all */
}

/* One entry for each day from `from` days ago to `to` days ago, as if they had come then. */
static void write_history(struct harness *h, const char *user, int from, int to)
{
    char path[512], sql[1024];
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s/data/linnet.sqlite", h->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    snprintf(
        sql, sizeof(sql),
        "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i - 1 FROM n WHERE i > %d)"
        " INSERT INTO archives(domain, local, collection, id, time_ms, peer, bytes)"
        " SELECT '" RECENT "', '%s', 'archive', (%lld - i * 86400) * 1000000, (%lld - i * 86400) * 1000, 'a@b',"
        " CAST('<message xmlns=''jabber:client'' type=''chat''><body>' || i || '</body></message>' AS BLOB) FROM n",
        from, to, user, (long long)time(NULL), (long long)time(NULL));
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void what_is_too_old_goes_though_nobody_comes_online(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account_named(h, "old", RECENT, NULL);
    size_t mark;

    harness_stop(h);
    write_history(h, "old", 400, 0);
    harness_start(h);
    mark = harness_log_mark(h);
    free(harness_log_wait(h, mark, "archive.trimmed", "jid=old@" RECENT));
    struct client *c = client_login(h, a, "one", 0);

    await_count(h, c, 31);
    archive_expect(c, "29 28 27", PAGE("<max>3</max>"));
    archive_expect(c, "2 1 0", PAGE("<max>3</max><before/>"));
}

static void when_all_is_too_old_the_archive_has_no_ends(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account_named(h, "gone", RECENT, NULL);
    time_t until = time(NULL) + test_patience_ms() / 1000;

    harness_stop(h);
    write_history(h, "gone", 400, 100);
    harness_start(h);
    struct client *c = client_login(h, a, "one", 0); /* in time to see the ends, mostly */

    await_count(h, c, 0);
    while (!node_matches(client_request(c, "get", NULL, "<metadata xmlns='" MAM "'/>"), "iq/metadata[not(*)]")) {
        if (time(NULL) > until)
            test_fail("an empty archive has ends");
        client_pump(h, 50);
    }
}

int main(void)
{
    static const char *const settings[] = {"archive.clean_every_s = 1", NULL};
    static const struct harness_options options = {
        .settings = settings,
        .tables = "\n[[host]]\nname = \"" FEW "\"\n[host.archive]\nkeep_messages = 100\n"
                  "[[host]]\nname = \"" RECENT "\"\n[host.archive]\nkeep_days = 30\n"};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(who_says_much_keeps_the_newest),
        HARNESS_TEST(when_all_is_too_old_the_archive_has_no_ends),
        HARNESS_TEST(what_is_too_old_goes_though_nobody_comes_online),
    };

    return harness_run_tests("how long archives are kept", tests, &options);
}
