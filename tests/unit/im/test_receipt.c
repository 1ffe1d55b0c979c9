#include "server/im/receipt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/mem.h"
#include "server/im/batch.h"
#include "server/im/shard.h"
#include "server/im/unacked.h"

/* Two workers, of which the first has the session; the way between them is played here. */
static struct {
    struct server server;
    struct worker *workers[2];
    struct shard shards[2];
    struct worker *current;
    struct session session;
    struct sm sm;
    unsigned n_pauses, n_progress;
    uint64_t posted_session;
    uint32_t posted_seq;
} world;

struct worker *worker_current(void)
{
    return world.current;
}

void session_pause(struct session *s)
{
    assert_ptr_equal(s, &world.session);
    world.n_pauses++;
}

void session_resume(struct session *s)
{
    assert_ptr_equal(s, &world.session);
    world.n_pauses--;
}

void batch_settled(struct worker *w, struct worker *dest, uint64_t session, uint32_t seq)
{
    assert_ptr_equal(w, world.workers[1]);
    assert_ptr_equal(dest, world.workers[0]);
    world.posted_session = session;
    world.posted_seq = seq;
}

static void on_progress(struct session *s)
{
    world.n_progress++;
    (void)receipts_h(s);
}

static int set_up(void **state)
{
    static const struct siphash_key key = {1, 2};

    (void)state;
    memset(&world, 0, sizeof(world));
    world.server.n_workers = 2;
    world.server.workers = world.workers;
    for (unsigned i = 0; i < 2; i++) {
        world.workers[i] = mem_zalloc(sizeof(struct worker));
        world.workers[i]->index = i;
        world.workers[i]->server = &world.server;
        world.workers[i]->shard = &world.shards[i];
        hash_table_init(&world.shards[i].by_id, &key);
    }
    world.current = world.workers[0];
    world.session.id = 77;
    world.session.worker = world.workers[0];
    world.session.sm = &world.sm;
    world.sm.may_resume = true;
    receipts_start(&world.session, 0, on_progress);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    receipts_stop(&world.session);
    assert_int_equal(world.n_pauses, 0);
    for (unsigned i = 0; i < 2; i++) {
        hash_table_deinit(&world.shards[i].by_id);
        free(world.workers[i]);
    }
    return 0;
}

static struct stanza *receive(void)
{
    struct stanza *st = stanza_from_bytes(STR("<message/>"));

    assert_true(receipt_expect(&world.session, st));
    return st;
}

static void only_the_prefix_without_a_gap_is_acknowledged(void **state)
{
    struct stanza *a = receive(), *b = receive(), *c = receive();

    (void)state;
    stanza_unref(&c);
    assert_int_equal(receipts_h(&world.session), 0);
    stanza_unref(&a);
    assert_int_equal(receipts_h(&world.session), 1);
    stanza_unref(&b);
    assert_int_equal(receipts_h(&world.session), 3);
}

static void a_stanza_that_is_held_twice_counts_when_both_have_let_go(void **state)
{
    struct stanza *a = receive(), *again = stanza_ref(a);

    (void)state;
    stanza_unref(&a);
    assert_int_equal(receipts_h(&world.session), 0);
    stanza_unref(&again);
    assert_int_equal(receipts_h(&world.session), 1);
}

static void a_client_that_was_told_less_hears_once_more_when_all_it_asked_for_is_safe(void **state)
{
    struct stanza *a = receive(), *b = receive();

    (void)state;
    assert_int_equal(receipts_h(&world.session), 0);
    struct stanza *later = receive();

    stanza_unref(&a);
    assert_int_equal(world.n_progress, 0);
    stanza_unref(&b);
    assert_int_equal(world.n_progress, 1);
    stanza_unref(&later); /* which the answer to b has left open, again */
    assert_int_equal(world.n_progress, 2);
}

static void a_client_that_was_told_all_hears_nothing_unasked(void **state)
{
    struct stanza *a = receive();

    (void)state;
    stanza_unref(&a);
    assert_int_equal(receipts_h(&world.session), 1);
    a = receive();
    stanza_unref(&a);
    assert_int_equal(world.n_progress, 0);
}

static void a_full_window_pauses_the_client_until_half_of_it_is_safe(void **state)
{
    struct stanza *open[RECEIPT_WINDOW - 1];

    (void)state;
    for (unsigned i = 0; i < RECEIPT_WINDOW - 1; i++) {
        assert_int_equal(world.n_pauses, 0);
        open[i] = receive();
    }
    assert_int_equal(world.n_pauses, 1);
    for (unsigned i = 1; i < RECEIPT_WINDOW - 1; i++)
        stanza_unref(&open[i]);
    assert_int_equal(world.n_pauses, 1); /* the oldest is the one that counts */
    stanza_unref(&open[0]);
    assert_int_equal(world.n_pauses, 0);
    assert_int_equal(receipts_h(&world.session), RECEIPT_WINDOW - 1);
}

static void the_window_may_be_gone_through_many_times(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5 * RECEIPT_WINDOW; i += 2) {
        struct stanza *a = receive(), *b = receive();

        stanza_unref(&b);
        assert_int_equal(receipts_h(&world.session), i);
        stanza_unref(&a);
        assert_int_equal(receipts_h(&world.session), i + 2);
    }
}

static void word_from_another_worker_is_posted_to_the_senders(void **state)
{
    struct stanza *a = receive();

    (void)state;
    world.current = world.workers[1];
    stanza_unref(&a);
    assert_int_equal(world.posted_session, 77);
    assert_int_equal(world.posted_seq, 1);
    world.current = world.workers[0];
    assert_int_equal(receipts_h(&world.session), 0);
    receipt_mark(&world.shards[0], 77, 1);
    assert_int_equal(receipts_h(&world.session), 1);
}

static void word_for_a_session_that_has_gone_is_nobodys(void **state)
{
    struct stanza *a = receive();

    (void)state;
    receipts_stop(&world.session);
    stanza_unref(&a);
    receipt_mark(&world.shards[0], 78, 1);
    assert_int_equal(world.n_progress, 0);
}

static void a_session_that_ends_while_it_is_paused_is_let_go(void **state)
{
    struct stanza *open[RECEIPT_WINDOW - 1];

    (void)state;
    for (unsigned i = 0; i < RECEIPT_WINDOW - 1; i++)
        open[i] = receive();
    receipts_stop(&world.session);
    assert_int_equal(world.n_pauses, 0);
    for (unsigned i = 0; i < RECEIPT_WINDOW - 1; i++)
        stanza_unref(&open[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static struct stanza *numbered(unsigned i)
{
    char xml[64];

    (void)snprintf(xml, sizeof(xml), "<message id='m%u' to='juliet@h.example'/>", i);
    return stanza_from_bytes(str_of(xml));
}

static struct stanza *receive_numbered(unsigned i)
{
    struct stanza *st = numbered(i);

    assert_true(receipt_expect(&world.session, st));
    return st;
}

/* It comes once more, and is known. */
static void receive_again(unsigned i)
{
    struct stanza *st = numbered(i);

    assert_false(receipt_expect(&world.session, st));
    stanza_unref(&st);
}

static void what_a_client_that_comes_back_sends_again_is_known_and_still_under_way(void **state)
{
    struct stanza *first = receive_numbered(1), *second = receive_numbered(2), *third = receive_numbered(3), *fourth;

    (void)state;
    stanza_unref(&first);
    stanza_unref(&third);
    assert_int_equal(receipts_rewind(&world.session), 1);
    receive_again(2);
    assert_int_equal(receipts_h(&world.session), 1);
    receive_again(3);
    fourth = receive_numbered(4);
    assert_int_equal(receipts_h(&world.session), 1);
    stanza_unref(&second);
    assert_int_equal(receipts_h(&world.session), 3);
    stanza_unref(&fourth);
    assert_int_equal(receipts_h(&world.session), 4);
}

static void what_settles_before_it_is_sent_again_counts_when_it_is(void **state)
{
    struct stanza *first = receive_numbered(1), *second = receive_numbered(2);

    (void)state;
    assert_int_equal(receipts_rewind(&world.session), 0);
    stanza_unref(&first);
    stanza_unref(&second);
    assert_int_equal(receipts_h(&world.session), 0); /* the client has sent nothing since */
    receive_again(1);
    assert_int_equal(receipts_h(&world.session), 1);
    receive_again(2);
    assert_int_equal(receipts_h(&world.session), 2);
}

static void a_client_that_comes_back_twice_is_told_of_what_it_had_no_time_to_send_again(void **state)
{
    struct stanza *first = receive_numbered(1), *second = receive_numbered(2), *third = receive_numbered(3);

    (void)state;
    assert_int_equal(receipts_rewind(&world.session), 0);
    receive_again(1);
    stanza_unref(&first);
    stanza_unref(&second);
    assert_int_equal(receipts_rewind(&world.session), 2);
    receive_again(3);
    stanza_unref(&third);
    assert_int_equal(receipts_h(&world.session), 3);
}

/* What it gave up and what has the number now must both be safe: they cannot be told apart when word comes. */
static void a_client_that_sends_something_else_is_not_told_that_it_is_safe_too_early(void **state)
{
    struct stanza *old[3], *new_one, *next;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        old[i] = receive_numbered(i);
    assert_int_equal(receipts_rewind(&world.session), 0);
    receive_again(0);
    new_one = receive_numbered(7); /* in the place of the second */
    next = receive_numbered(2);    /* no longer known */
    stanza_unref(&old[0]);
    stanza_unref(&old[1]);
    stanza_unref(&old[2]);
    assert_int_equal(receipts_h(&world.session), 1);
    stanza_unref(&new_one);
    assert_int_equal(receipts_h(&world.session), 2);
    stanza_unref(&next);
    assert_int_equal(receipts_h(&world.session), 3);
    for (uint32_t i = 4; i <= 2 * RECEIPT_WINDOW; i++) { /* and nothing of this is left behind */
        next = receive_numbered(i);
        assert_int_equal(receipts_h(&world.session), i - 1);
        stanza_unref(&next);
        assert_int_equal(receipts_h(&world.session), i);
    }
}

static void a_stanza_without_an_id_is_known_by_its_bytes(void **state)
{
    struct stanza *first = stanza_from_bytes(STR("<presence><show>away</show></presence>")), *again, *other;

    (void)state;
    assert_true(receipt_expect(&world.session, first));
    assert_int_equal(receipts_rewind(&world.session), 0);
    again = stanza_from_bytes(STR("<presence><show>away</show></presence>"));
    assert_false(receipt_expect(&world.session, again));
    assert_int_equal(receipts_rewind(&world.session), 0);
    other = stanza_from_bytes(STR("<presence><show>chat</show></presence>"));
    assert_true(receipt_expect(&world.session, other));
    stanza_unref(&first);
    stanza_unref(&again);
    assert_int_equal(receipts_h(&world.session), 0);
    stanza_unref(&other);
    assert_int_equal(receipts_h(&world.session), 1);
}

static void all_that_is_under_way_must_be_safe_for_the_count_to_be_complete(void **state)
{
    struct stanza *first = receive_numbered(1), *second = receive_numbered(2);

    (void)state;
    assert_false(receipts_are_complete(&world.session));
    (void)receipts_rewind(&world.session);
    assert_false(receipts_are_complete(&world.session));
    stanza_unref(&second);
    assert_false(receipts_are_complete(&world.session));
    stanza_unref(&first);
    assert_true(receipts_are_complete(&world.session));
    assert_int_equal(receipts_rewind(&world.session), 2);
}

static void a_client_that_comes_back_is_read_again(void **state)
{
    struct stanza *kept[RECEIPT_WINDOW - 1];

    (void)state;
    for (size_t i = 0; i < RECEIPT_WINDOW - 1; i++)
        kept[i] = receive();
    assert_int_equal(world.n_pauses, 1);
    assert_int_equal(receipts_rewind(&world.session), 0);
    assert_int_equal(world.n_pauses, 0);
    for (size_t i = 0; i < RECEIPT_WINDOW - 1; i++)
        stanza_unref(&kept[i]);
    assert_int_equal(receipts_h(&world.session), 0);
}

static void a_restored_session_goes_on_behind_its_count(void **state)
{
    struct stanza *a;

    (void)state;
    receipts_stop(&world.session);
    receipts_start(&world.session, UINT32_MAX, NULL);
    assert_int_equal(receipts_h(&world.session), UINT32_MAX);
    a = receive();
    (void)receipts_h(&world.session);
    stanza_unref(&a); /* there is nobody to be told of it yet */
    assert_int_equal(receipts_h(&world.session), 0);
    a = receive();
    (void)receipts_h(&world.session);
    receipts_set_on_progress(&world.session, on_progress);
    stanza_unref(&a);
    assert_int_equal(world.n_progress, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_the_prefix_without_a_gap_is_acknowledged),
        TEST(a_stanza_that_is_held_twice_counts_when_both_have_let_go),
        TEST(a_client_that_was_told_less_hears_once_more_when_all_it_asked_for_is_safe),
        TEST(a_client_that_was_told_all_hears_nothing_unasked),
        TEST(a_full_window_pauses_the_client_until_half_of_it_is_safe),
        TEST(the_window_may_be_gone_through_many_times),
        TEST(word_from_another_worker_is_posted_to_the_senders),
        TEST(word_for_a_session_that_has_gone_is_nobodys),
        TEST(a_session_that_ends_while_it_is_paused_is_let_go),
        TEST(what_a_client_that_comes_back_sends_again_is_known_and_still_under_way),
        TEST(what_settles_before_it_is_sent_again_counts_when_it_is),
        TEST(a_client_that_comes_back_twice_is_told_of_what_it_had_no_time_to_send_again),
        TEST(a_client_that_sends_something_else_is_not_told_that_it_is_safe_too_early),
        TEST(a_stanza_without_an_id_is_known_by_its_bytes),
        TEST(all_that_is_under_way_must_be_safe_for_the_count_to_be_complete),
        TEST(a_client_that_comes_back_is_read_again),
        TEST(a_restored_session_goes_on_behind_its_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
