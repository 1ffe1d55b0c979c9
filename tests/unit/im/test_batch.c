#include "server/im/batch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/mem.h"
#include "server/im/receipt.h"
#include "server/im/router.h"
#include "server/im/shard.h"

enum { WORKERS = 3 };

/* Three workers on one thread: what is posted to each waits until run() takes it. */
static struct {
    struct server server;
    struct worker *workers[WORKERS];
    struct shard shards[WORKERS];
    struct task *posted[WORKERS][64];
    unsigned n_posted[WORKERS];
    struct session session; /* a client on the first one */
    bool is_held;
    unsigned refs;
    struct buf delivered; /* the addresses, in the order of arrival */
    uint32_t marked;
} world;

static void post(struct executor *to, struct task *own_task)
{
    unsigned i = container_of(to, struct worker, executor)->index;

    assert_true(world.n_posted[i] < 64);
    world.posted[i][world.n_posted[i]++] = own_task;
}

static void run(unsigned i)
{
    for (unsigned k = 0; k < world.n_posted[i]; k++)
        world.posted[i][k]->run(world.posted[i][k]);
    world.n_posted[i] = 0;
}

struct call {
    struct task task;
    struct worker *w;
    void (*fn)(struct worker *w, void *arg);
    void *arg;
};

static void run_call(struct task *own_task)
{
    struct call *c = container_of(own_task, struct call, task);

    c->fn(c->w, c->arg);
    free(c);
}

void worker_call(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg)
{
    struct call *c = mem_alloc(sizeof(*c));

    *c = (struct call){.task.run = run_call, .w = w, .fn = fn, .arg = arg};
    post(&w->executor, &c->task);
}

void router_deliver_local(struct worker *w, struct stanza *st, const struct jid *to)
{
    (void)w;
    assert_int_equal(st->kind, STANZA_MESSAGE);
    buf_append_str(&world.delivered, jid_full(to));
    buf_append_char(&world.delivered, ' ');
}

void receipt_mark(struct shard *shard, uint64_t session, uint32_t seq)
{
    assert_ptr_equal(shard, &world.shards[0]);
    assert_int_equal(session, 5);
    world.marked = seq;
}

void conn_hold(struct conn *c, enum conn_hold why)
{
    (void)c;
    assert_int_equal(why, CONN_HOLD_SHARD);
    world.is_held = true;
}

void conn_release(struct conn *c, enum conn_hold why)
{
    (void)c;
    assert_int_equal(why, CONN_HOLD_SHARD);
    world.is_held = false;
}

struct session *session_ref(struct session *s)
{
    world.refs++;
    return s;
}

void session_unref(struct session **s)
{
    *s = NULL;
    world.refs--;
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    world.server.n_workers = WORKERS;
    world.server.workers = world.workers;
    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker *w = mem_zalloc(sizeof(*w));

        w->executor.post = post;
        w->index = i;
        w->server = &world.server;
        w->shard = &world.shards[i];
        world.shards[i].worker = w;
        world.workers[i] = w;
        batch_links_init(&world.shards[i].links, WORKERS);
    }
    world.session.worker = world.workers[0];
    world.session.conn = (struct conn *)&world; /* only ever handed back to conn_hold() and conn_release() */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKERS; i++)
        batch_links_deinit(&world.shards[i].links);
    assert_int_equal(world.refs, 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_int_equal(world.n_posted[i], 0);
        free(world.workers[i]);
    }
    buf_deinit(&world.delivered);
    return 0;
}

/* A message of about `bytes` bytes to `to`, from the first worker to another one. */
static void send_to(unsigned dest, const char *to, size_t bytes)
{
    struct buf b = {0};
    struct jid jid = jid_view(str_of(to));
    struct stanza *st;

    buf_append_cstr(&b, "<message><body>");
    for (size_t i = 0; i < bytes; i++)
        buf_append_char(&b, 'x');
    buf_append_cstr(&b, "</body></message>");
    st = stanza_from_bytes(buf_str(&b));
    batch_deliver_copy(world.workers[0], world.workers[dest], st, &jid);
    stanza_unref(&st);
    buf_deinit(&b);
}

static void copies_of_a_stanza_in_a_row_share_a_reference(void **state)
{
    struct stanza *st = stanza_from_bytes(STR("<message/>")), *other = stanza_from_bytes(STR("<message/>"));
    struct jid a = jid_view(STR("a@h")), b = jid_view(STR("b@h"));

    (void)state;
    batch_deliver_copy(world.workers[0], world.workers[1], st, &a);
    batch_deliver_copy(world.workers[0], world.workers[1], st, &b);
    batch_deliver_copy(world.workers[0], world.workers[1], other, &a);
    batch_deliver_copy(world.workers[0], world.workers[1], st, &a);
    assert_int_equal(atomic_load(&st->refs), 3);
    assert_int_equal(atomic_load(&other->refs), 2);
    batch_post_all(world.workers[0]);
    run(1);
    assert_int_equal(atomic_load(&st->refs), 1);
    assert_int_equal(atomic_load(&other->refs), 1);
    stanza_unref(&st);
    stanza_unref(&other);
}

static void a_stanza_that_is_given_away_behind_copies_of_itself_keeps_no_reference_too_many(void **state)
{
    struct stanza *st = stanza_from_bytes(STR("<message to='a@h'/>"));
    struct jid b = jid_view(STR("b@h"));

    (void)state;
    batch_deliver_copy(world.workers[0], world.workers[1], st, &b);
    batch_deliver(world.workers[0], world.workers[1], stanza_ref(st));
    batch_deliver(world.workers[0], world.workers[1], stanza_ref(st));
    batch_deliver_copy(world.workers[0], world.workers[1], st, &b);
    batch_post_all(world.workers[0]);
    run(1);
    assert_int_equal(world.delivered.len, 16);
    assert_memory_equal(world.delivered.p, "b@h a@h a@h b@h ", 16);
    assert_int_equal(atomic_load(&st->refs), 1);
    stanza_unref(&st);
}

static void hold_if_behind(unsigned dest)
{
    batch_hold_if_behind(&world.session, world.workers[dest]);
}

static void what_one_turn_has_for_a_worker_is_posted_at_once_and_in_order(void **state)
{
    (void)state;
    send_to(1, "a@h", 1);
    send_to(1, "b@h", 1);
    send_to(1, "a@h", 1);
    assert_int_equal(world.n_posted[1], 0);
    batch_post_all(world.workers[0]);
    assert_int_equal(world.n_posted[1], 1);
    run(1);
    assert_int_equal(world.delivered.len, 12);
    assert_memory_equal(world.delivered.p, "a@h b@h a@h ", 12);
}

static void receipts_travel_with_the_stanzas(void **state)
{
    (void)state;
    batch_settled(world.workers[1], world.workers[0], 5, 9);
    batch_post_all(world.workers[1]);
    run(0);
    assert_int_equal(world.marked, 9);
}

static void a_client_is_held_while_its_destination_is_behind(void **state)
{
    (void)state;
    send_to(1, "a@h", BATCH_HIGH_BYTES);
    hold_if_behind(2);
    assert_false(world.is_held);
    hold_if_behind(1);
    assert_true(world.is_held);
    batch_post_all(world.workers[0]);
    hold_if_behind(1); /* once more, as after a broadcast */
    run(1);
    run(0);
    assert_false(world.is_held);
}

static void a_client_held_for_two_is_held_again_when_only_one_has_caught_up(void **state)
{
    (void)state;
    send_to(1, "a@h", BATCH_HIGH_BYTES);
    send_to(2, "b@h", BATCH_HIGH_BYTES);
    batch_post_all(world.workers[0]);
    batch_hold_if_any_behind(&world.session);
    run(1);
    run(0);
    assert_false(world.is_held);
    hold_if_behind(2); /* its next stanza */
    assert_true(world.is_held);
    run(2);
    run(0);
    assert_false(world.is_held);
}

static void a_destination_whose_storage_is_behind_gives_nothing_back_until_it_is_not(void **state)
{
    (void)state;
    batch_storage_begin(world.workers[1], STORAGE_HIGH_BYTES + 1);
    send_to(1, "a@h", BATCH_HIGH_BYTES);
    batch_post_all(world.workers[0]);
    hold_if_behind(1);
    run(1);
    run(0);
    assert_true(world.is_held);
    batch_storage_settled(world.workers[1], STORAGE_HIGH_BYTES - STORAGE_LOW_BYTES);
    run(0);
    assert_true(world.is_held);
    batch_storage_settled(world.workers[1], STORAGE_LOW_BYTES + 1);
    run(0);
    assert_false(world.is_held);
}

static void a_client_is_held_while_the_storage_of_its_own_worker_is_behind(void **state)
{
    (void)state;
    batch_storage_begin(world.workers[0], STORAGE_HIGH_BYTES);
    hold_if_behind(0);
    assert_false(world.is_held);
    batch_storage_begin(world.workers[0], 10);
    hold_if_behind(0);
    assert_true(world.is_held);
    batch_storage_settled(world.workers[0], STORAGE_HIGH_BYTES + 10);
    assert_false(world.is_held);
}

static void a_client_that_went_while_it_was_held_is_let_go(void **state)
{
    (void)state;
    send_to(1, "a@h", BATCH_HIGH_BYTES);
    batch_post_all(world.workers[0]);
    hold_if_behind(1);
    world.session.conn = NULL;
    run(1);
    run(0);
    assert_true(world.is_held); /* nobody touched what is not there any more */
    assert_int_equal(world.refs, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_one_turn_has_for_a_worker_is_posted_at_once_and_in_order),
        TEST(copies_of_a_stanza_in_a_row_share_a_reference),
        TEST(a_stanza_that_is_given_away_behind_copies_of_itself_keeps_no_reference_too_many),
        TEST(receipts_travel_with_the_stanzas),
        TEST(a_client_is_held_while_its_destination_is_behind),
        TEST(a_client_held_for_two_is_held_again_when_only_one_has_caught_up),
        TEST(a_destination_whose_storage_is_behind_gives_nothing_back_until_it_is_not),
        TEST(a_client_is_held_while_the_storage_of_its_own_worker_is_behind),
        TEST(a_client_that_went_while_it_was_held_is_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
