#include "server/im/debt.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/mem.h"
#include "server/im/offline.h"
#include "server/net/worker.h"

/* Offline storage and the account's pins are played here. */
static struct {
    struct worker *worker;
    struct account account;
    unsigned n_stored, n_removed, n_uncounted, n_settled;
    uint64_t stored_id, removed_id;
    void (*done)(void *ctx, enum ln_err err); /* an append is under way */
    void *ctx;
} world;

void account_pin(struct account *a)
{
    a->pins++;
}

void account_unpin(struct account *a)
{
    a->pins--;
}

void offline_store(struct account *a, struct stanza *own_st, uint64_t id)
{
    assert_ptr_equal(a, &world.account);
    world.n_stored++;
    world.stored_id = id;
    stanza_unref(&own_st);
}

uint32_t offline_append(struct account *a, const struct stanza *st, uint64_t id, struct str sent_as,
                        void (*done)(void *ctx, enum ln_err err), void *ctx)
{
    assert_ptr_equal(a, &world.account);
    assert_non_null(st);
    assert_true(str_is(sent_as, "session/7"));
    assert_null(world.done);
    world.stored_id = id;
    world.done = done;
    world.ctx = ctx;
    return 70;
}

void offline_uncount(struct account *a, uint32_t bytes)
{
    assert_ptr_equal(a, &world.account);
    assert_int_equal(bytes, 70);
    world.n_uncounted++;
}

void offline_remove(struct account *a, uint64_t id, uint32_t bytes)
{
    assert_ptr_equal(a, &world.account);
    assert_int_equal(bytes, 70);
    world.n_removed++;
    world.removed_id = id;
}

static void on_settled(const struct stanza *st)
{
    (void)st;
    world.n_settled++;
}

/* The answer of the storage. */
static void answer(enum ln_err err)
{
    void (*done)(void *ctx, enum ln_err err) = world.done;

    assert_non_null(done);
    world.done = NULL;
    done(world.ctx, err);
}

/* One debt; the only other reference to its stanza is gone. */
static struct debt *owe(void)
{
    struct stanza *st = stanza_from_bytes(STR("<message from='a@b' to='c@d'><body>x</body></message>"));
    struct debt *d;

    st->on_settled = on_settled;
    d = debt_new(&world.account, st);
    stanza_unref(&st);
    assert_int_equal(world.n_settled, 0);
    return d;
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    world.worker = mem_zalloc(sizeof(*world.worker));
    world.account.worker = world.worker;
    world.account.state = ACCOUNT_LOADED;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(world.account.pins, 0);
    assert_null(world.done);
    free(world.worker);
    return 0;
}

static void one_that_is_paid_is_settled_at_once_and_never_stored(void **state)
{
    struct debt *d = owe();

    (void)state;
    debt_pay(d);
    assert_int_equal(world.n_settled, 1);
    debt_drop(&d);
    assert_int_equal(world.n_stored + world.n_removed, 0);
}

static void one_that_nobody_could_deliver_is_stored_under_the_time_it_came(void **state)
{
    struct debt *d = owe();
    uint64_t id = d->id;

    (void)state;
    debt_drop(&d);
    assert_int_equal(world.n_stored, 1);
    assert_int_equal(world.stored_id, id);
    assert_null(d);
}

static void the_first_of_two_resources_that_has_it_pays_for_both(void **state)
{
    struct debt *d = owe(), *of_the_other = debt_hold(d);

    (void)state;
    debt_pay(d);
    debt_drop(&d);
    debt_drop(&of_the_other); /* it died */
    assert_int_equal(world.n_stored, 0);
}

static void of_two_resources_that_die_only_the_last_stores_it(void **state)
{
    struct debt *d = owe(), *of_the_other = debt_hold(d);

    (void)state;
    debt_drop(&d);
    assert_int_equal(world.n_stored, 0);
    debt_drop(&of_the_other);
    assert_int_equal(world.n_stored, 1);
}

static void storing_it_settles_it_when_it_is_committed_and_not_before(void **state)
{
    struct debt *d = owe();

    (void)state;
    debt_store(d, STR("session/7"));
    debt_store(d, STR("session/7")); /* it is under way */
    assert_int_equal(world.n_settled, 0);
    answer(LN_OK);
    assert_int_equal(world.n_settled, 1);
    debt_drop(&d);
    assert_int_equal(world.n_stored + world.n_removed, 0); /* it stays where it is */
}

static void one_that_is_stored_and_then_arrives_is_removed_once(void **state)
{
    struct debt *d = owe();
    uint64_t id = d->id;

    (void)state;
    debt_store(d, STR("session/7"));
    answer(LN_OK);
    debt_pay(d);
    debt_pay(d);
    debt_drop(&d);
    assert_int_equal(world.n_removed, 1);
    assert_int_equal(world.removed_id, id);
}

static void one_that_arrives_while_it_is_being_stored_is_removed_behind_that(void **state)
{
    struct debt *d = owe();

    (void)state;
    debt_store(d, STR("session/7"));
    debt_pay(d);
    assert_int_equal(world.n_settled, 1);
    assert_int_equal(world.n_removed, 1);
    debt_drop(&d);
    answer(LN_OK);
    assert_int_equal(world.n_removed + world.n_stored, 1);
}

static void what_was_paid_is_not_taken_from_the_count_again_when_its_commit_fails(void **state)
{
    struct debt *d = owe();

    (void)state;
    debt_store(d, STR("session/7"));
    debt_pay(d);
    debt_drop(&d);
    answer(LN_E_FULL);
    assert_int_equal(world.n_uncounted, 0);
    assert_int_equal(world.n_stored, 0);
}

static void a_commit_that_fails_leaves_it_open_for_another_attempt(void **state)
{
    struct debt *d = owe();
    uint64_t id = d->id;

    (void)state;
    debt_store(d, STR("session/7"));
    answer(LN_E_FULL);
    assert_int_equal(world.n_uncounted, 1);
    assert_int_equal(world.n_settled, 0);
    debt_store(d, STR("session/7"));
    assert_int_equal(world.stored_id, id);
    answer(LN_OK);
    assert_int_equal(world.n_settled, 1);
    debt_drop(&d);
}

/* The session ended in between: nobody but the commit knew of the message any more. */
static void a_commit_that_fails_when_nobody_else_holds_it_does_not_lose_it(void **state)
{
    struct debt *d = owe();

    (void)state;
    debt_store(d, STR("session/7"));
    debt_drop(&d);
    assert_int_equal(world.n_settled, 0);
    answer(LN_E_FULL);
    assert_int_equal(world.n_stored, 1);
}

static void nothing_is_stored_for_an_account_that_is_ending(void **state)
{
    struct debt *d = owe();

    (void)state;
    world.account.is_ending = true;
    debt_store(d, STR("session/7"));
    assert_null(world.done);
    debt_drop(&d);
    assert_int_equal(world.n_stored, 1); /* which refuses it */
}

static void one_from_storage_stays_there_unless_it_is_paid(void **state)
{
    struct debt *d = debt_of_stored(&world.account, 12, 70);

    (void)state;
    debt_drop(&d);
    assert_int_equal(world.n_removed + world.n_stored, 0);
    d = debt_of_stored(&world.account, 13, 70);
    debt_pay(d);
    debt_drop(&d);
    assert_int_equal(world.removed_id, 13);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_is_paid_is_settled_at_once_and_never_stored),
        TEST(one_that_nobody_could_deliver_is_stored_under_the_time_it_came),
        TEST(the_first_of_two_resources_that_has_it_pays_for_both),
        TEST(of_two_resources_that_die_only_the_last_stores_it),
        TEST(storing_it_settles_it_when_it_is_committed_and_not_before),
        TEST(one_that_is_stored_and_then_arrives_is_removed_once),
        TEST(one_that_arrives_while_it_is_being_stored_is_removed_behind_that),
        TEST(what_was_paid_is_not_taken_from_the_count_again_when_its_commit_fails),
        TEST(a_commit_that_fails_leaves_it_open_for_another_attempt),
        TEST(a_commit_that_fails_when_nobody_else_holds_it_does_not_lose_it),
        TEST(nothing_is_stored_for_an_account_that_is_ending),
        TEST(one_from_storage_stays_there_unless_it_is_paid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
