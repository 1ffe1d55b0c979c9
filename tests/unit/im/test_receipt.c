#include "server/im/receipt.h"

#include <setjmp.h>
#include <stdarg.h>

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

    receipt_expect(&world.session, st);
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

static void a_client_that_comes_back_sends_under_the_same_numbers_what_it_was_not_told_of(void **state)
{
    struct stanza *a = receive(), *b = receive(), *c = receive(), *again;

    (void)state;
    stanza_unref(&a);
    stanza_unref(&c);
    assert_false(receipts_are_complete(&world.session));
    assert_int_equal(receipts_rewind(&world.session), 1);
    assert_true(receipts_are_complete(&world.session));
    stanza_unref(&b); /* of the time before: no number waits for it */
    assert_int_equal(receipts_h(&world.session), 1);
    for (uint32_t i = 2; i <= 2 * RECEIPT_WINDOW; i++) { /* nor does it count for one that comes much later */
        again = receive();
        assert_int_equal(receipts_h(&world.session), i - 1);
        stanza_unref(&again);
        assert_int_equal(receipts_h(&world.session), i);
    }
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
        TEST(a_client_that_comes_back_sends_under_the_same_numbers_what_it_was_not_told_of),
        TEST(a_client_that_comes_back_is_read_again),
        TEST(a_restored_session_goes_on_behind_its_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
