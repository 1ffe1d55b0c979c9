/* Archives, read from anywhere and in either direction, changed and trimmed: the same tests against each back-end. */
#include "tests/unit/storage/storage_harness.h"

#define ROMEO  "romeo@linnet.example"
#define JULIET "juliet@linnet.example"

/* ---- helpers ---- */

static void append_of(struct harness *h, uint64_t id, const char *peer)
{
    struct storage_txn *t = storage_txn_new();

    storage_txn_append(t, STR(ROMEO), STR("mam"), id, (int64_t)id * 10, str_of(peer), STR("m"));
    assert_int_equal(commit(h, t), LN_OK);
}

/* 10, 20, ... 10 * n, and a neighbour on each side that must never be seen. */
static void fill(struct harness *h, uint64_t n)
{
    for (uint64_t i = 1; i <= n; i++)
        append(h, ROMEO, "mam", i * 10, "m");
    append(h, ROMEO, "mal", 15, "another collection");
    append(h, ROMEO, "man", 15, "another collection");
    append(h, JULIET, "mam", 15, "another owner");
    append(h, "a@linnet.example", "mam", 15, "another owner");
    append(h, "z@linnet.example", "mam", 15, "another owner");
}

static struct storage_query between(uint64_t after, uint64_t before, uint32_t limit)
{
    struct storage_query q = entries(ROMEO, "mam", after, limit);

    q.before_id = before;
    return q;
}

static struct storage_query backwards(struct storage_query q)
{
    q.is_backwards = true;
    return q;
}

static struct storage_query of_peer(struct storage_query q, const char *peer)
{
    q.peer = str_of(peer);
    return q;
}

static struct storage_query skipping(struct storage_query q, uint32_t skip)
{
    q.skip = skip;
    return q;
}

/* Only the ids, which is what these tests are about. */
static void expect_ids(struct harness *h, struct storage_query q, const char *want)
{
    struct answer a;
    struct buf ids = {0};

    ask(h, &q, &a);
    await_answer(h, &a);
    assert_int_equal(a.err, LN_OK);
    for (const char *p = a.text.p; *p != '\0';) {
        buf_append(&ids, p, strcspn(p, "@"));
        p += strcspn(p, " ");
        if (*p == ' ')
            buf_append_char(&ids, *p++);
    }
    buf_append_char(&ids, '\0');
    assert_string_equal(ids.p, want);
    buf_deinit(&ids);
    buf_deinit(&a.text);
}

static uint64_t tally(struct harness *h, struct storage_query q)
{
    struct answer a;

    q.kind = STORAGE_TALLY;
    ask(h, &q, &a);
    await_answer(h, &a);
    assert_int_equal(a.err, LN_OK);
    assert_int_equal(a.n, 1);
    uint64_t n = strtoull(a.text.p, NULL, 10);

    buf_deinit(&a.text);
    return n;
}

/* ---- ranges ---- */

static void a_range_has_neither_of_its_ends(void **state)
{
    struct harness *h = *state;

    fill(h, 6);
    expect_ids(h, between(0, 0, 0), "10 20 30 40 50 60");
    expect_ids(h, between(20, 50, 0), "30 40");
    expect_ids(h, between(19, 51, 0), "20 30 40 50");
    expect_ids(h, between(0, 10, 0), "");
    expect_ids(h, between(60, 0, 0), "");
    expect_ids(h, between(30, 40, 0), "");
    expect_ids(h, between(40, 30, 0), "");
    expect_ids(h, between(0, UINT64_MAX, 0), "10 20 30 40 50 60");
}

static void the_newest_come_first_when_read_backwards(void **state)
{
    struct harness *h = *state;

    fill(h, 6);
    expect_ids(h, backwards(between(0, 0, 0)), "60 50 40 30 20 10");
    expect_ids(h, backwards(between(0, 0, 2)), "60 50");
    expect_ids(h, backwards(between(0, 50, 2)), "40 30");
    expect_ids(h, backwards(between(20, 50, 9)), "40 30");
    expect_ids(h, backwards(between(0, 10, 2)), "");
    expect_ids(h, backwards(between(60, 0, 2)), "");
}

static void an_archive_that_is_empty_has_no_pages(void **state)
{
    struct harness *h = *state;

    append(h, JULIET, "mam", 15, "another owner");
    expect_ids(h, between(0, 0, 0), "");
    expect_ids(h, backwards(between(0, 0, 0)), "");
    expect_ids(h, of_peer(between(0, 0, 0), "peer@x"), "");
    assert_int_equal(tally(h, between(0, 0, 0)), 0);
}

static void entries_can_be_skipped_from_either_end(void **state)
{
    struct harness *h = *state;

    fill(h, 6);
    expect_ids(h, skipping(between(0, 0, 2), 1), "20 30");
    expect_ids(h, skipping(backwards(between(0, 0, 1)), 4), "20");
    expect_ids(h, skipping(backwards(between(0, 0, 1)), 6), "");
    expect_ids(h, skipping(between(20, 0, 0), 3), "60");
}

static void a_read_ends_with_the_entry_that_makes_it_too_large(void **state)
{
    struct harness *h = *state;
    struct storage_query q = between(0, 0, 0);

    fill(h, 6); /* of one byte each */
    q.bytes_max = 3;
    expect_ids(h, q, "10 20 30");
    expect_ids(h, backwards(q), "60 50 40");
    q.bytes_max = 1;
    expect_ids(h, q, "10");
    q.bytes_max = 7;
    expect_ids(h, q, "10 20 30 40 50 60");
}

static void the_ends_of_an_archive_are_its_first_and_last_id(void **state)
{
    struct harness *h = *state;
    struct storage_query q = {.kind = STORAGE_ENDS, .owner = STR(ROMEO), .collection = STR("mam")};

    expect(h, q, "0 to 0");
    fill(h, 6);
    expect(h, q, "10 to 60");
}

/* ---- peers ---- */

static void fill_with_peers(struct harness *h)
{
    static const char *const peers[] = {"j@x/a", "n@x", "j@x/b", "j@x", "j@xy", "j@x/a", "", "n@x/a"};

    for (unsigned i = 0; i < ARRAY_LEN(peers); i++)
        append_of(h, i + 1, peers[i]);
}

static void a_bare_peer_finds_the_entries_of_all_its_resources(void **state)
{
    struct harness *h = *state;

    fill_with_peers(h);
    expect_ids(h, of_peer(between(0, 0, 0), "j@x"), "1 3 4 6");
    expect_ids(h, of_peer(between(1, 6, 0), "j@x"), "3 4");
    expect_ids(h, of_peer(between(1, 0, 2), "j@x"), "3 4");
    expect_ids(h, backwards(of_peer(between(0, 0, 0), "j@x")), "6 4 3 1");
    expect_ids(h, backwards(of_peer(between(0, 6, 1), "j@x")), "4");
    expect_ids(h, skipping(of_peer(between(0, 0, 0), "j@x"), 3), "6");
    expect_ids(h, of_peer(between(0, 0, 0), "j@"), "");
    expect_ids(h, between(0, 0, 0), "1 2 3 4 5 6 7 8");
}

static void a_full_peer_finds_only_its_own(void **state)
{
    struct harness *h = *state;

    fill_with_peers(h);
    expect_ids(h, of_peer(between(0, 0, 0), "j@x/a"), "1 6");
    expect_ids(h, backwards(of_peer(between(0, 0, 1), "j@x/a")), "6");
    expect_ids(h, of_peer(between(0, 0, 0), "j@x/c"), "");
    expect(h, of_peer(between(2, 0, 1), "j@x/a"), "6@60,j@x/a:m");
}

static void a_tally_counts_what_a_read_would_give_and_no_further_than_its_limit(void **state)
{
    struct harness *h = *state;

    fill_with_peers(h);
    assert_int_equal(tally(h, between(0, 0, 0)), 8);
    assert_int_equal(tally(h, between(2, 7, 0)), 4);
    assert_int_equal(tally(h, between(0, 0, 5)), 5);
    assert_int_equal(tally(h, of_peer(between(0, 0, 0), "j@x")), 4);
    assert_int_equal(tally(h, of_peer(between(0, 0, 3), "j@x")), 3);
    assert_int_equal(tally(h, of_peer(between(0, 0, 0), "j@x/a")), 2);
}

/* ---- single entries ---- */

static void entries_are_found_by_their_ids_and_those_that_are_not_there_are_missing(void **state)
{
    struct harness *h = *state;
    static const uint64_t ids[] = {0, 15, 20, 40, 41, INT64_MAX, UINT64_MAX};
    struct storage_query q = {
        .kind = STORAGE_READ_IDS, .owner = STR(ROMEO), .collection = STR("mam"), .ids = ids, .n_ids = ARRAY_LEN(ids)};
    struct answer a;

    fill(h, 6);
    ask(h, &q, &a);
    await_answer(h, &a);
    assert_string_equal(a.text.p, "20@200,peer@x:m 40@400,peer@x:m");
    buf_deinit(&a.text);
    q.bytes_max = 1; /* the first makes it full: of the others it is only told that they are there */
    ask(h, &q, &a);
    await_answer(h, &a);
    assert_string_equal(a.text.p, "20@200,peer@x:m 40@400,peer@x:");
    buf_deinit(&a.text);
}

static void a_replaced_entry_keeps_its_place_time_and_peer(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = storage_txn_new();

    fill(h, 3);
    storage_txn_replace(t, STR(ROMEO), STR("mam"), 20, STR("something longer"));
    storage_txn_replace(t, STR(ROMEO), STR("mam"), 25, STR("nobody's"));
    storage_txn_replace(t, STR(ROMEO), STR("mam"), UINT64_MAX, STR("nobody's"));
    assert_int_equal(commit(h, t), LN_OK);
    expect(h, between(0, 0, 0), "10@100,peer@x:m 20@200,peer@x:something longer 30@300,peer@x:m");
    expect(h, of_peer(between(10, 30, 0), "peer@x"), "20@200,peer@x:something longer");
}

static void a_replacement_is_undone_with_its_transaction(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = storage_txn_new();

    fill(h, 3);
    storage_txn_replace(t, STR(ROMEO), STR("mam"), 20, STR("new"));
    storage_txn_trim(t, STR(ROMEO), STR("mam"), 25, 100);
    storage_txn_append(t, STR(ROMEO), STR("mam"), 30, 0, STR("p"), STR("the id is taken"));
    assert_int_equal(commit(h, t), LN_E_EXISTS);
    expect(h, between(0, 0, 0), "10@100,peer@x:m 20@200,peer@x:m 30@300,peer@x:m");
    expect_ids(h, backwards(between(0, 0, 0)), "30 20 10");
}

/* ---- trimming ---- */

static void trim(struct harness *h, uint64_t before, uint32_t limit)
{
    struct storage_txn *t = storage_txn_new();

    storage_txn_trim(t, STR(ROMEO), STR("mam"), before, limit);
    assert_int_equal(commit(h, t), LN_OK);
}

static void trimming_takes_the_oldest_and_no_more_than_it_may(void **state)
{
    struct harness *h = *state;

    fill(h, 6);
    trim(h, 40, 2);
    expect_ids(h, between(0, 0, 0), "30 40 50 60");
    trim(h, 40, 2);
    expect_ids(h, between(0, 0, 0), "40 50 60");
    trim(h, 40, 2);
    expect_ids(h, of_peer(between(0, 0, 0), "peer@x"), "40 50 60");
    trim(h, UINT64_MAX, 100);
    expect_ids(h, between(0, 0, 0), "");
    expect(h, count(JULIET, "mam"), "1 entries, 13 bytes");
    expect(h, count(ROMEO, "mal"), "1 entries, 18 bytes");
    expect(h, count(ROMEO, "man"), "1 entries, 18 bytes");
}

static void an_archive_is_walked_backwards_after_any_changes_in_it(void **state)
{
    struct harness *h = *state;
    struct storage_txn *t = storage_txn_new();

    fill(h, 6);
    storage_txn_remove(t, STR(ROMEO), STR("mam"), 60);
    storage_txn_remove(t, STR(ROMEO), STR("mam"), 30);
    storage_txn_remove(t, STR(ROMEO), STR("mam"), 10);
    storage_txn_append(t, STR(ROMEO), STR("mam"), 35, 0, STR("p"), STR("x"));
    assert_int_equal(commit(h, t), LN_OK);
    append(h, ROMEO, "mam", 5, "x");
    append(h, ROMEO, "mam", 70, "x");
    expect_ids(h, backwards(between(0, 0, 0)), "70 50 40 35 20 5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_range_has_neither_of_its_ends),
        ON_BOTH(the_newest_come_first_when_read_backwards),
        ON_BOTH(an_archive_that_is_empty_has_no_pages),
        ON_BOTH(entries_can_be_skipped_from_either_end),
        ON_BOTH(a_read_ends_with_the_entry_that_makes_it_too_large),
        ON_BOTH(the_ends_of_an_archive_are_its_first_and_last_id),
        ON_BOTH(a_bare_peer_finds_the_entries_of_all_its_resources),
        ON_BOTH(a_full_peer_finds_only_its_own),
        ON_BOTH(a_tally_counts_what_a_read_would_give_and_no_further_than_its_limit),
        ON_BOTH(entries_are_found_by_their_ids_and_those_that_are_not_there_are_missing),
        ON_BOTH(a_replaced_entry_keeps_its_place_time_and_peer),
        ON_BOTH(a_replacement_is_undone_with_its_transaction),
        ON_BOTH(trimming_takes_the_oldest_and_no_more_than_it_may),
        ON_BOTH(an_archive_is_walked_backwards_after_any_changes_in_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
