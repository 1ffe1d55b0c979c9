/* What every back-end promises: the same tests against each. */
#include "tests/unit/storage/storage_harness.h"

#include <time.h>

#define ROMEO  "romeo@linnet.example"
#define JULIET "juliet@linnet.example"

/* ---- documents ---- */

static void a_document_is_read_back_as_it_was_put(void **state)
{
    struct harness *h = *state;

    put(h, ROMEO, "roster", JULIET, "<item/>");
    expect(h, get(ROMEO, "roster", JULIET), JULIET "=<item/>");
}

static void a_document_that_was_never_put_gives_no_row_and_no_error(void **state)
{
    struct harness *h = *state;

    put(h, ROMEO, "roster", JULIET, "<item/>");
    expect(h, get(ROMEO, "roster", "nurse@linnet.example"), "");
    expect(h, get(ROMEO, "vcard", JULIET), "");
    expect(h, get(JULIET, "roster", JULIET), "");
}

static void putting_again_replaces_the_document(void **state)
{
    struct harness *h = *state;

    put(h, ROMEO, "vcard", "", "old");
    put(h, ROMEO, "vcard", "", "new, and longer than before");
    expect(h, list(ROMEO, "vcard"), "=new, and longer than before");
}

static void a_deleted_document_is_gone_and_its_neighbours_are_not(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = storage_txn_new();

    put(h, ROMEO, "roster", "a@x", "1");
    put(h, ROMEO, "roster", "b@x", "2");
    put(h, ROMEO, "roster", "c@x", "3");
    storage_txn_delete(t, STR(ROMEO), STR("roster"), STR("b@x"));
    storage_txn_delete(t, STR(ROMEO), STR("roster"), STR("never@x"));
    assert_int_equal(commit(h, t), LN_OK);
    expect(h, list(ROMEO, "roster"), "a@x=1 c@x=3");
}

static void a_listing_holds_one_collection_of_one_owner_by_key(void **state)
{
    struct harness *h = *state;

    put(h, ROMEO, "roster", "c@x", "3");
    put(h, ROMEO, "roster", "a@x", "1");
    put(h, ROMEO, "roster", "b@x", "2");
    put(h, ROMEO, "rosters", "a@x", "another collection");
    put(h, ROMEO, "roste", "a@x", "another collection");
    put(h, JULIET, "roster", "a@x", "another owner");
    expect(h, list(ROMEO, "roster"), "a@x=1 b@x=2 c@x=3");
    expect(h, list("nobody@linnet.example", "roster"), "");
}

static void loading_an_owner_gives_all_documents_but_no_archive(void **state)
{
    struct harness *h = *state;

    put(h, ROMEO, "vcard", "", "V");
    put(h, ROMEO, "roster", "b@x", "2");
    put(h, ROMEO, "roster", "a@x", "1");
    put(h, JULIET, "vcard", "", "hers");
    append(h, ROMEO, "offline", 1, "a message");
    expect(h, load(ROMEO), "roster/a@x=1 roster/b@x=2 vcard/=V");
}

static void any_bytes_and_the_empty_value_are_kept(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = storage_txn_new();
    static const char bytes[] = "\0nul\0 \xff\xfe 'quote' \"\n";

    storage_txn_put(t, STR(ROMEO), STR("bytes"), STR("k'\"\xc3\xa9"), str_make(bytes, sizeof(bytes) - 1));
    storage_txn_put(t, STR(ROMEO), STR("bytes"), STR("nothing"), str_make(NULL, 0));
    assert_int_equal(commit(h, t), LN_OK);
    expect(h, get(ROMEO, "bytes", "nothing"), "nothing=");

    struct storage_query q = get(ROMEO, "bytes", "k'\"\xc3\xa9");
    struct answer a;

    ask(h, &q, &a);
    await_answer(h, &a);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.text.len, strlen("k'\"\xc3\xa9=") + sizeof(bytes));
    assert_memory_equal(a.text.p + strlen("k'\"\xc3\xa9="), bytes, sizeof(bytes) - 1);
    buf_deinit(&a.text);
}

static void a_domain_owns_documents_of_its_own(void **state)
{
    struct harness *h = *state;

    put(h, "linnet.example", "settings", "motd", "hello");
    put(h, ROMEO, "settings", "motd", "his");
    expect(h, load("linnet.example"), "settings/motd=hello");
}

static void the_empty_owner_is_one_like_any_other(void **state)
{
    struct harness *h = *state;

    put(h, "", "server", "secret", "s");
    put(h, ROMEO, "server", "secret", "his");
    expect(h, get("", "server", "secret"), "secret=s");
    expect(h, load(""), "server/secret=s");
}

/* ---- archives ---- */

static void archive_entries_come_back_in_the_order_of_their_ids(void **state)
{
    struct harness *h = *state;

    append(h, ROMEO, "offline", 7, "seven");
    append(h, ROMEO, "offline", 9, "nine");
    append(h, ROMEO, "offline", 10, "ten");
    append(h, ROMEO, "mam", 8, "another collection");
    append(h, JULIET, "offline", 8, "another owner");
    expect(h, entries(ROMEO, "offline", 0, 0), "7@70,peer@x:seven 9@90,peer@x:nine 10@100,peer@x:ten");
}

static void an_archive_is_paged_by_the_last_id_seen(void **state)
{
    struct harness *h = *state;

    for (uint64_t id = 1; id <= 5; id++)
        append(h, ROMEO, "mam", id * 2, "m");
    expect(h, entries(ROMEO, "mam", 0, 2), "2@20,peer@x:m 4@40,peer@x:m");
    expect(h, entries(ROMEO, "mam", 4, 2), "6@60,peer@x:m 8@80,peer@x:m");
    expect(h, entries(ROMEO, "mam", 7, 2), "8@80,peer@x:m 10@100,peer@x:m");
    expect(h, entries(ROMEO, "mam", 10, 2), "");
}

static void ids_reach_from_zero_to_the_largest_signed_number(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = storage_txn_new();

    storage_txn_append(t, STR(ROMEO), STR("mam"), 1, INT64_MIN, STR("p"), STR("first"));
    storage_txn_append(t, STR(ROMEO), STR("mam"), INT64_MAX, INT64_MAX, STR("p"), STR("last"));
    storage_txn_remove(t, STR(ROMEO), STR("mam"), UINT64_MAX); /* no entry can have it */
    assert_int_equal(commit(h, t), LN_OK);
    expect(h, entries(ROMEO, "mam", 1, 0), "9223372036854775807@9223372036854775807,p:last");
    expect(h, entries(ROMEO, "mam", INT64_MAX - 1, 0), "9223372036854775807@9223372036854775807,p:last");
    expect(h, entries(ROMEO, "mam", INT64_MAX, 0), "");
    expect(h, entries(ROMEO, "mam", UINT64_MAX, 0), "");
    expect(h, entries(ROMEO, "mam", 0, 1), "1@-9223372036854775808,p:first");
}

static void a_removed_entry_is_gone_and_its_id_stays_usable(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = storage_txn_new();

    append(h, ROMEO, "offline", 1, "one");
    append(h, ROMEO, "offline", 2, "two");
    storage_txn_remove(t, STR(ROMEO), STR("offline"), 1);
    storage_txn_remove(t, STR(ROMEO), STR("offline"), 99);
    storage_txn_append(t, STR(ROMEO), STR("offline"), 1, 5, STR("p"), STR("again"));
    assert_int_equal(commit(h, t), LN_OK);
    expect(h, entries(ROMEO, "offline", 0, 0), "1@5,p:again 2@20,peer@x:two");
}

static void an_entry_is_never_replaced_by_another_with_its_id(void **state)
{
    struct harness *h = *state;

    append(h, ROMEO, "offline", 1, "first");
    assert_int_equal(commit(h, txn_append(ROMEO, "offline", 1, "second")), LN_E_EXISTS);
    expect(h, entries(ROMEO, "offline", 0, 0), "1@10,peer@x:first");
}

static void counting_gives_entries_and_their_bytes(void **state)
{
    struct harness *h = *state;

    expect(h, count(ROMEO, "offline"), "0 entries, 0 bytes");
    append(h, ROMEO, "offline", 1, "12345");
    append(h, ROMEO, "offline", 2, "");
    append(h, ROMEO, "offline", 3, "123");
    append(h, JULIET, "offline", 4, "hers");
    expect(h, count(ROMEO, "offline"), "3 entries, 8 bytes");
}

/* ---- transactions ---- */

static void all_operations_of_a_transaction_happen_in_their_order(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = storage_txn_new();

    storage_txn_put(t, STR(ROMEO), STR("c"), STR("a"), STR("1"));
    storage_txn_put(t, STR(ROMEO), STR("c"), STR("b"), STR("1"));
    storage_txn_put(t, STR(ROMEO), STR("c"), STR("a"), STR("2"));
    storage_txn_delete(t, STR(ROMEO), STR("c"), STR("b"));
    storage_txn_append(t, STR(ROMEO), STR("log"), 1, 0, STR("p"), STR("x"));
    assert_int_equal(commit(h, t), LN_OK);
    expect(h, load(ROMEO), "c/a=2");
    expect(h, count(ROMEO, "log"), "1 entries, 1 bytes");
}

static void a_condition_that_does_not_hold_keeps_the_whole_transaction_out(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = txn_put(ROMEO, "credentials", "", "second");

    put(h, ROMEO, "credentials", "", "first");
    storage_txn_put(t, STR(ROMEO), STR("roster"), STR("a@x"), STR("1"));
    storage_txn_require_absent(t, STR(ROMEO), STR("credentials"), STR(""));
    assert_int_equal(commit(h, t), LN_E_EXISTS);
    expect(h, load(ROMEO), "credentials/=first");

    t = txn_put(JULIET, "roster", "a@x", "1");
    storage_txn_require_present(t, STR(JULIET), STR("credentials"), STR(""));
    assert_int_equal(commit(h, t), LN_E_NOT_FOUND);
    expect(h, load(JULIET), "");
}

static void conditions_that_hold_let_the_transaction_through(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = txn_put(ROMEO, "roster", "a@x", "1");

    put(h, ROMEO, "credentials", "", "c");
    storage_txn_require_present(t, STR(ROMEO), STR("credentials"), STR(""));
    storage_txn_require_absent(t, STR(ROMEO), STR("roster"), STR("a@x")); /* before its own put, that is */
    assert_int_equal(commit(h, t), LN_OK);
    expect(h, get(ROMEO, "roster", "a@x"), "a@x=1");
}

static void a_transaction_that_fails_half_way_leaves_nothing_behind(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = txn_put(ROMEO, "c", "old", "changed");

    put(h, ROMEO, "c", "old", "as it was");
    put(h, ROMEO, "c", "doomed", "still here");
    append(h, ROMEO, "log", 5, "five");
    append(h, ROMEO, "log", 6, "six");
    storage_txn_put(t, STR(ROMEO), STR("c"), STR("new"), STR("n"));
    storage_txn_delete(t, STR(ROMEO), STR("c"), STR("doomed"));
    storage_txn_put(t, STR(ROMEO), STR("c"), STR("doomed"), STR("put after its deletion"));
    storage_txn_remove(t, STR(ROMEO), STR("log"), 6);
    storage_txn_append(t, STR(ROMEO), STR("log"), 7, 0, STR("p"), STR("seven"));
    storage_txn_append(t, STR(ROMEO), STR("log"), 5, 0, STR("p"), STR("the id is taken"));
    assert_int_equal(commit(h, t), LN_E_EXISTS);
    expect(h, load(ROMEO), "c/doomed=still here c/old=as it was");
    expect(h, entries(ROMEO, "log", 0, 0), "5@50,peer@x:five 6@60,peer@x:six");

    t = txn_put(ROMEO, "c", "k", "v");
    storage_txn_delete_owner(t, STR(ROMEO));
    storage_txn_append(t, STR(JULIET), STR("log"), 1, 0, STR("p"), STR("x"));
    storage_txn_append(t, STR(JULIET), STR("log"), 1, 0, STR("p"), STR("the same id twice in one"));
    assert_int_equal(commit(h, t), LN_E_EXISTS);
    expect(h, load(ROMEO), "c/doomed=still here c/old=as it was");
    expect(h, count(ROMEO, "log"), "2 entries, 7 bytes");
    expect(h, count(JULIET, "log"), "0 entries, 0 bytes");
}

static void a_transaction_that_fails_does_not_harm_those_submitted_with_it(void **state)
{
    struct harness *h = *state;
    enum { N = 300 };
    struct outcome outcomes[N];

    append(h, ROMEO, "log", 1000, "taken");
    for (unsigned i = 0; i < N; i++) { /* every third has a condition that fails, every third an id that is taken */
        struct storage_txn *t = txn_append(ROMEO, "log", i, "x");

        if (i % 3 == 1)
            storage_txn_require_present(t, STR(ROMEO), STR("never"), STR("put"));
        else if (i % 3 == 2)
            storage_txn_append(t, STR(ROMEO), STR("log"), 1000, 0, STR("p"), STR("x"));
        submit(h, t, &outcomes[i]);
    }
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(await(h, &outcomes[i]), i % 3 == 0 ? LN_OK : i % 3 == 1 ? LN_E_NOT_FOUND : LN_E_EXISTS);
    expect(h, count(ROMEO, "log"), "101 entries, 105 bytes");
}

static void of_two_registrations_of_one_name_at_once_one_wins(void **state)
{
    struct harness *h = *state;
    struct outcome first, second;
    struct storage_txn *a = txn_put(ROMEO, "credentials", "", "A"), *b = txn_put(ROMEO, "credentials", "", "B");

    storage_txn_require_absent(a, STR(ROMEO), STR("credentials"), STR(""));
    storage_txn_require_absent(b, STR(ROMEO), STR("credentials"), STR(""));
    submit(h, a, &first);
    submit(h, b, &second);
    assert_int_equal(await(h, &first), LN_OK);
    assert_int_equal(await(h, &second), LN_E_EXISTS);
    expect(h, get(ROMEO, "credentials", ""), "=A");
}

static void deleting_an_owner_takes_all_of_it_and_nothing_else(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = storage_txn_new();

    put(h, ROMEO, "vcard", "", "V");
    put(h, ROMEO, "roster", "a@x", "1");
    append(h, ROMEO, "offline", 1, "m");
    put(h, "romeo@linnet.example.org", "vcard", "", "a longer domain");
    put(h, "rome@linnet.example", "vcard", "", "a shorter name");
    put(h, "linnet.example", "vcard", "", "the domain");
    storage_txn_delete_owner(t, STR(ROMEO));
    assert_int_equal(commit(h, t), LN_OK);
    expect(h, load(ROMEO), "");
    expect(h, count(ROMEO, "offline"), "0 entries, 0 bytes");
    expect(h, load("romeo@linnet.example.org"), "vcard/=a longer domain");
    expect(h, load("rome@linnet.example"), "vcard/=a shorter name");
    expect(h, load("linnet.example"), "vcard/=the domain");
}

static void a_transaction_without_operations_is_answered_too(void **state)
{
    struct harness *h = *state;

    assert_int_equal(commit(h, storage_txn_new()), LN_OK);
}

static void a_transaction_that_is_not_committed_can_be_freed(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = txn_put(ROMEO, "c", "k", "v");

    storage_txn_free(&t);
    assert_null(t);
    storage_txn_free(&t);
    expect(h, load(ROMEO), "");
}

static void a_failure_that_nobody_waits_for_is_logged(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = txn_put(ROMEO, "roster", "a@x", "1");

    storage_txn_require_present(t, STR(ROMEO), STR("credentials"), STR(""));
    storage_commit(h->storage, t, NULL, NULL, NULL);
    assert_int_equal(commit(h, storage_txn_new()), LN_OK); /* answered after it */
    assert_int_equal(test_log_count("1 storage.not_written err=not-found owner=" ROMEO " collection=roster"), 1);
}

/* ---- owners ---- */

static void owners_of_a_domain_are_listed_with_the_document_asked_for(void **state)
{
    struct harness *h = *state;

    put(h, ROMEO, "credentials", "", "R");
    put(h, JULIET, "credentials", "", "J");
    put(h, JULIET, "roster", "a@x", "1");
    put(h, "nurse@linnet.example", "roster", "a@x", "no credentials");
    put(h, "a@xlinnet.example", "credentials", "", "ends like it, without the @");
    put(h, "a@linnet.example.org", "credentials", "", "begins like it");
    put(h, "linnet.example", "credentials", "", "the domain itself");
    expect(h, owners("linnet.example", "credentials", "", "", 0), JULIET "=J " ROMEO "=R");
    expect(h, owners("elsewhere.example", "credentials", "", "", 0), "");
}

static void owners_are_paged_each_once_whatever_their_names(void **state)
{
    struct harness *h = *state;
    static const char *const names[] = {"a", "a.b", "a-b", "ab", "b", "\xc3\xa9", "Z", "a\\40b"};
    struct storage_query q = owners("x.example", "c", "k", "", 3);
    char after[64] = "", owner[64];
    size_t seen = 0;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(owner, sizeof(owner), "%s@x.example", names[i]);
        put(h, owner, "c", "k", "1");
        put(h, owner, "b", "k", "before it");
        put(h, owner, "d", "k", "after it");
    }
    for (size_t n = 3; n == 3;) {
        struct answer a;

        q.after_owner = str_of(after);
        ask(h, &q, &a);
        await_answer(h, &a);
        n = a.n;
        seen += n;
        if (n > 0) {
            const char *last = strrchr(a.text.p, ' ');

            snprintf(after, sizeof(after), "%s", last == NULL ? a.text.p : last + 1);
            after[strcspn(after, "=")] = '\0';
        }
        buf_deinit(&a.text);
    }
    assert_int_equal(seen, ARRAY_LEN(names));
}

/* ---- order and ends ---- */

static void a_read_sees_the_writes_submitted_before_it(void **state)
{
    struct harness *h = *state;

    for (int i = 0; i < 200; i++) {
        struct outcome o;
        char value[16];

        snprintf(value, sizeof(value), "%d", i);
        submit(h, txn_put(ROMEO, "c", "k", value), &o);
        char want[32];

        snprintf(want, sizeof(want), "k=%d", i);
        expect(h, get(ROMEO, "c", "k"), want);
        assert_int_equal(await(h, &o), LN_OK);
    }
}

struct sequence {
    int next;
    int number[3000];
};

static struct sequence sequence;

static void on_number(void *ctx, enum ln_err err)
{
    const int *number = ctx;

    assert_int_equal(err, LN_OK);
    assert_int_equal(*number, sequence.next);
    sequence.next++;
}

static void writes_are_answered_in_the_order_of_their_submission(void **state)
{
    struct harness *h = *state;

    sequence.next = 0;
    for (int i = 0; i < (int)ARRAY_LEN(sequence.number); i++) { /* more than one group holds */
        sequence.number[i] = i;
        storage_commit(h->storage, txn_append(ROMEO, "log", (uint64_t)i, "x"), &h->inbox.base, on_number,
                       &sequence.number[i]);
    }
    while (sequence.next < (int)ARRAY_LEN(sequence.number))
        inbox_executor_run_one(&h->inbox);
    expect(h, count(ROMEO, "log"), "3000 entries, 3000 bytes");
}

static void what_waits_while_a_commit_runs_shares_the_next_one(void **state)
{
    struct harness *h = *state;
    enum { N = 2000 };
    struct outcome outcomes[N];
    struct storage_stats stats;

    for (unsigned i = 0; i < N; i++)
        submit(h, txn_append(ROMEO, "log", i, "x"), &outcomes[i]);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(await(h, &outcomes[i]), LN_OK);
    storage_get_stats(h->storage, &stats);
    assert_int_equal(stats.transactions, N);
    assert_in_range(stats.commits, 2, N / 4);
    assert_int_equal(stats.failures, 0);
    assert_false(stats.is_failing);
}

/* ---- what may wait ---- */

static void submit_lazily(struct harness *h, struct storage_txn *own_txn, struct outcome *ret)
{
    *ret = (struct outcome){0};
    storage_commit_lazily(h->storage, own_txn, &h->inbox.base, on_outcome, ret);
}

static void a_lazy_transaction_is_committed_though_nobody_else_comes(void **state)
{
    struct harness *h = *state;
    struct outcome o;

    submit_lazily(h, txn_append(ROMEO, "log", 1, "x"), &o);
    assert_int_equal(await(h, &o), LN_OK);
    expect(h, count(ROMEO, "log"), "1 entries, 1 bytes");
}

static void lazy_transactions_share_commits(void **state)
{
    struct harness *h = *state;
    enum { N = 100 };
    struct outcome outcomes[N];
    struct storage_stats stats;

    for (unsigned i = 0; i < N; i++) {
        struct timespec pause = {0, 200 * 1000}; /* long enough for a commit of its own each */

        submit_lazily(h, txn_append(ROMEO, "log", i, "x"), &outcomes[i]);
        nanosleep(&pause, NULL);
    }
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(await(h, &outcomes[i]), LN_OK);
    storage_get_stats(h->storage, &stats);
    assert_int_equal(stats.transactions, N);
    assert_in_range(stats.commits, 1, N / 2);
}

static void what_is_submitted_behind_a_lazy_transaction_is_carried_out_behind_it(void **state)
{
    struct harness *h = *state;
    struct outcome lazy, next;

    for (int i = 0; i < 20; i++) {
        submit_lazily(h, txn_put(ROMEO, "c", "k", "lazy"), &lazy);
        submit(h, storage_txn_new(), &next);
        expect(h, get(ROMEO, "c", "k"), "k=lazy"); /* and a read behind that sees it */
        submit_lazily(h, txn_put(ROMEO, "c", "k", "lazy"), &lazy);
        put(h, ROMEO, "c", "k", "next");
        expect(h, get(ROMEO, "c", "k"), "k=next");
        assert_int_equal(await(h, &lazy), LN_OK);
        assert_int_equal(await(h, &next), LN_OK);
    }
}

static void closing_does_not_forget_a_lazy_transaction(void **state)
{
    struct harness *h = *state;
    struct outcome o;
    struct storage_stats stats;

    submit_lazily(h, txn_append(ROMEO, "log", 1, "x"), &o);
    storage_stop(h->storage);
    storage_get_stats(h->storage, &stats);
    assert_int_equal(stats.in_flight, 0);
    assert_int_equal(stats.transactions, 1);
    assert_int_equal(await(h, &o), LN_OK);
    submit_lazily(h, txn_append(ROMEO, "log", 2, "x"), &o);
    assert_int_equal(await(h, &o), LN_E_CLOSED);
}

static void closing_finishes_all_that_was_submitted(void **state)
{
    struct harness *h = *state;
    enum { N = 1500 };
    struct outcome outcomes[N];
    struct answer answer;
    struct storage_query q = count(ROMEO, "log");

    for (unsigned i = 0; i < N; i++)
        submit(h, txn_append(ROMEO, "log", i, "x"), &outcomes[i]);
    ask(h, &q, &answer);
    storage_close(&h->storage);
    assert_null(h->storage);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(await(h, &outcomes[i]), LN_OK);
    await_answer(h, &answer);
    assert_string_equal(answer.text.p, "1500 entries, 1500 bytes");
    buf_deinit(&answer.text);
    storage_close(&h->storage); /* NULL is fine */
}

static void after_stopping_what_is_submitted_is_answered_as_closed(void **state)
{
    struct harness *h = *state;
    struct outcome before;

    submit(h, txn_put(ROMEO, "c", "k", "v"), &before);
    storage_stop(h->storage);
    assert_int_equal(await(h, &before), LN_OK);
    assert_int_equal(commit(h, txn_put(ROMEO, "c", "k", "late")), LN_E_CLOSED);
    assert_int_equal(read_error(h, get(ROMEO, "c", "k")), LN_E_CLOSED);
    storage_stop(h->storage); /* twice is fine */
}

static void what_is_in_flight_is_counted_until_it_is_answered(void **state)
{
    struct harness *h = *state;
    enum { N = 500 };
    struct outcome outcomes[N];
    struct storage_stats stats;

    for (unsigned i = 0; i < N; i++)
        submit(h, txn_append(ROMEO, "log", i, "x"), &outcomes[i]);
    storage_get_stats(h->storage, &stats);
    assert_true(stats.in_flight + stats.transactions >= N);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(await(h, &outcomes[i]), LN_OK);
    storage_get_stats(h->storage, &stats);
    assert_int_equal(stats.in_flight, 0);
    assert_int_equal(stats.transactions, N);
}

static void a_back_end_that_does_not_exist_is_refused(void **state)
{
    struct harness *h = *state;
    struct storage_options opt = {.backend = "postgres"};
    struct storage *s = NULL;

    assert_int_equal(storage_open(&opt, &s, h->error), LN_E_INVALID);
    assert_string_equal(h->error, "there is no storage back-end called \"postgres\"");
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_document_is_read_back_as_it_was_put),
        ON_BOTH(a_document_that_was_never_put_gives_no_row_and_no_error),
        ON_BOTH(putting_again_replaces_the_document),
        ON_BOTH(a_deleted_document_is_gone_and_its_neighbours_are_not),
        ON_BOTH(a_listing_holds_one_collection_of_one_owner_by_key),
        ON_BOTH(loading_an_owner_gives_all_documents_but_no_archive),
        ON_BOTH(any_bytes_and_the_empty_value_are_kept),
        ON_BOTH(a_domain_owns_documents_of_its_own),
        ON_BOTH(the_empty_owner_is_one_like_any_other),
        ON_BOTH(archive_entries_come_back_in_the_order_of_their_ids),
        ON_BOTH(an_archive_is_paged_by_the_last_id_seen),
        ON_BOTH(ids_reach_from_zero_to_the_largest_signed_number),
        ON_BOTH(a_removed_entry_is_gone_and_its_id_stays_usable),
        ON_BOTH(an_entry_is_never_replaced_by_another_with_its_id),
        ON_BOTH(counting_gives_entries_and_their_bytes),
        ON_BOTH(all_operations_of_a_transaction_happen_in_their_order),
        ON_BOTH(a_condition_that_does_not_hold_keeps_the_whole_transaction_out),
        ON_BOTH(conditions_that_hold_let_the_transaction_through),
        ON_BOTH(a_transaction_that_fails_half_way_leaves_nothing_behind),
        ON_BOTH(a_transaction_that_fails_does_not_harm_those_submitted_with_it),
        ON_BOTH(of_two_registrations_of_one_name_at_once_one_wins),
        ON_BOTH(deleting_an_owner_takes_all_of_it_and_nothing_else),
        ON_BOTH(a_transaction_without_operations_is_answered_too),
        ON_BOTH(a_transaction_that_is_not_committed_can_be_freed),
        ON_BOTH(a_failure_that_nobody_waits_for_is_logged),
        ON_BOTH(owners_of_a_domain_are_listed_with_the_document_asked_for),
        ON_BOTH(owners_are_paged_each_once_whatever_their_names),
        ON_BOTH(a_read_sees_the_writes_submitted_before_it),
        ON_BOTH(writes_are_answered_in_the_order_of_their_submission),
        ON_SQLITE(what_waits_while_a_commit_runs_shares_the_next_one),
        ON_BOTH(a_lazy_transaction_is_committed_though_nobody_else_comes),
        ON_SQLITE(lazy_transactions_share_commits),
        ON_BOTH(what_is_submitted_behind_a_lazy_transaction_is_carried_out_behind_it),
        ON_BOTH(closing_does_not_forget_a_lazy_transaction),
        ON_BOTH(closing_finishes_all_that_was_submitted),
        ON_BOTH(after_stopping_what_is_submitted_is_answered_as_closed),
        ON_BOTH(what_is_in_flight_is_counted_until_it_is_answered),
        ON_BOTH(a_back_end_that_does_not_exist_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
