#include "server/pubsub/item_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void put(struct item_ring *r, const char *id, uint64_t seq)
{
    item_ring_put(r, item_new(seq, str_of(id), STR("j@h"), STR("<x/>")));
}

static void expect_order(const struct item_ring *r, const char *ids)
{
    assert_int_equal(r->n, strlen(ids));
    for (size_t i = 0; i < r->n; i++) {
        assert_int_equal(item_id(r->items[i]).len, 1);
        assert_int_equal(item_id(r->items[i]).p[0], ids[i]);
    }
}

static void an_item_that_is_published_again_is_the_newest(void **state)
{
    struct item_ring r = {0};

    (void)state;
    put(&r, "a", 1);
    put(&r, "b", 2);
    put(&r, "c", 3);
    expect_order(&r, "abc");
    put(&r, "a", 4);
    expect_order(&r, "bca");
    assert_int_equal(item_ring_find(&r, STR("a")), 2);
    assert_int_equal(item_ring_find(&r, STR("d")), -1);
    item_ring_remove(&r, STR("c"));
    item_ring_remove(&r, STR("d"));
    expect_order(&r, "ba");
    item_ring_deinit(&r);
}

static void the_size_is_that_of_what_is_there(void **state)
{
    struct item_ring r = {0};

    (void)state;
    put(&r, "a", 1);
    size_t one = r.bytes;

    assert_true(one > 0);
    put(&r, "b", 2);
    assert_int_equal(r.bytes, 2 * one);
    put(&r, "a", 3);
    assert_int_equal(r.bytes, 2 * one);
    item_ring_remove(&r, STR("b"));
    assert_int_equal(r.bytes, one);
    item_ring_deinit(&r);
    assert_int_equal(r.bytes, 0);
}

static void items_that_are_read_are_put_in_order(void **state)
{
    struct item_ring r = {0};

    (void)state;
    item_ring_sort(&r);
    item_ring_add_unsorted(&r, item_new(300, STR("c"), STR(""), STR("")));
    item_ring_add_unsorted(&r, item_new(100, STR("a"), STR(""), STR("")));
    item_ring_add_unsorted(&r, item_new(200, STR("b"), STR(""), STR("")));
    item_ring_sort(&r);
    expect_order(&r, "abc");
    assert_int_equal(item_ring_count_before(&r, 100), 0);
    assert_int_equal(item_ring_count_before(&r, 201), 2);
    assert_int_equal(item_ring_count_before(&r, UINT64_MAX), 3);
    item_ring_deinit(&r);
}

static void numbers_rise_when_the_clock_does_not(void **state)
{
    struct item_ring r = {0};

    (void)state;
    assert_int_equal(item_ring_next_seq(&r, 50), 50);
    put(&r, "a", 50);
    assert_int_equal(item_ring_next_seq(&r, 60), 60);
    assert_int_equal(item_ring_next_seq(&r, 50), 51);
    assert_int_equal(item_ring_next_seq(&r, 10), 51);
    item_ring_deinit(&r);
}

static void a_document_reads_back(void **state)
{
    struct item *i = item_new(0x0102030405060708, STR("id"), STR("juliet@h.example"), STR("<x xmlns='a'>text</x>")),
                *read;
    struct buf b = {0};

    (void)state;
    item_encode(&b, i);
    assert_memory_equal(b.p, "\1\2\3\4\5\6\7\10", 8); /* so that documents sort by it */
    assert_int_equal(item_decode(STR("id"), buf_str(&b), &read), LN_OK);
    assert_int_equal(read->seq, i->seq);
    assert_true(str_is(item_id(read), "id"));
    assert_true(str_is(item_publisher(read), "juliet@h.example"));
    assert_true(str_is(item_payload(read), "<x xmlns='a'>text</x>"));
    assert_int_equal(item_time_ms(read), 0x0102030405060708 / 1000);
    free(read);
    free(i);
    /* Too short for its head, or for the publisher that it names. */
    assert_int_equal(item_decode(STR("id"), str_make(b.p, 9), &read), LN_E_CORRUPT);
    assert_int_equal(item_decode(STR("id"), str_make(b.p, 10), &read), LN_E_CORRUPT);
    assert_int_equal(item_decode(STR("id"), STR(""), &read), LN_E_CORRUPT);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_that_is_published_again_is_the_newest),
        cmocka_unit_test(the_size_is_that_of_what_is_there),
        cmocka_unit_test(items_that_are_read_are_put_in_order),
        cmocka_unit_test(numbers_rise_when_the_clock_does_not),
        cmocka_unit_test(a_document_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
