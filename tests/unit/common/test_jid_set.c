#include "common/xmpp/jid_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/mem.h"

static struct jid_set set_of(const char *const *items)
{
    struct jid_set set = {0};

    for (; *items != NULL; items++)
        assert_true(jid_set_add(&set, str_of(*items)));
    return set;
}

static bool covers(const struct jid_set *set, const char *text)
{
    struct jid_buf mem;
    struct jid jid;

    assert_int_equal(jid_parse(str_of(text), &mem, &jid), LN_OK);
    return jid_set_covers(set, &jid);
}

/* XEP-0191 section 5: each kind of item, and whom it means. */
static void an_item_means_what_it_names_and_no_more(void **state)
{
    static const char *const who[] = {
        "romeo@a.example/orchard", "romeo@a.example/home", "romeo@a.example", "nurse@a.example/orchard",
        "a.example/orchard",       "a.example/home",       "a.example",       "romeo@b.a.example/orchard",
        "romeo@b.example",
    };
    static const struct {
        const char *item;
        bool is_meant[ARRAY_LEN(who)];
    } cases[] = {
        {"romeo@a.example/orchard", {true}},
        {"romeo@a.example", {true, true, true}},
        {"a.example/orchard", {false, false, false, false, true}},
        {"a.example", {true, true, true, true, true, true, true}},
        {"b.example", {false, false, false, false, false, false, false, false, true}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *items[] = {cases[i].item, NULL};
        struct jid_set set = set_of(items);

        for (size_t j = 0; j < ARRAY_LEN(who); j++) {
            if (covers(&set, who[j]) != cases[i].is_meant[j])
                fail_msg("%s and %s", cases[i].item, who[j]);
        }
        jid_set_deinit(&set);
    }
}

static void an_empty_set_means_nobody(void **state)
{
    struct jid_set set = {0};

    (void)state;
    assert_false(covers(&set, "romeo@a.example/orchard"));
    assert_false(covers(&set, "a.example"));
    jid_set_deinit(&set);
}

static void each_item_is_there_once_and_can_be_taken_out(void **state)
{
    struct jid_set set = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        char jid[32];

        snprintf(jid, sizeof(jid), "u%03d@a.example", i * 7 % 1000);
        assert_true(jid_set_add(&set, str_of(jid)));
        assert_false(jid_set_add(&set, str_of(jid)));
    }
    assert_int_equal(set.n, 1000);
    assert_int_equal(set.bytes, 1000 * strlen("u000@a.example"));
    for (size_t i = 1; i < set.n; i++)
        assert_true(str_cmp(set.items[i - 1], set.items[i]) < 0);
    assert_true(jid_set_remove(&set, STR("u500@a.example")));
    assert_false(jid_set_remove(&set, STR("u500@a.example")));
    assert_false(covers(&set, "u500@a.example"));
    assert_true(covers(&set, "u499@a.example"));
    assert_true(covers(&set, "u501@a.example/x"));
    jid_set_deinit(&set);
    assert_int_equal(set.n, 0);
}

static void what_was_written_is_read_again(void **state)
{
    const char *items[] = {"romeo@a.example/or\xc3\xa4nge tree", "a.example", "b.example/x", "nurse@b.example", NULL};
    struct jid_set set = set_of(items), again = {0}, copy;
    struct buf b = {0}, b2 = {0};

    (void)state;
    jid_set_encode(&b, &set);
    jid_set_decode(&again, buf_str(&b));
    assert_int_equal(again.n, 4);
    for (size_t i = 0; items[i] != NULL; i++)
        assert_true(jid_set_has(&again, str_of(items[i])));
    copy = jid_set_copy(&again);
    jid_set_deinit(&again);
    jid_set_encode(&b2, &copy);
    assert_true(str_eq(buf_str(&b), buf_str(&b2)));
    jid_set_deinit(&copy);
    jid_set_deinit(&set);
    buf_deinit(&b);
    buf_deinit(&b2);
}

static void what_is_no_line_is_not_an_item(void **state)
{
    struct jid_set set = {0};

    (void)state;
    jid_set_decode(&set, STR("\n\na.example\n\nb.exam"));
    assert_int_equal(set.n, 1);
    jid_set_decode(&set, STR(""));
    assert_int_equal(set.n, 1);
    jid_set_deinit(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_means_what_it_names_and_no_more),
        cmocka_unit_test(an_empty_set_means_nobody),
        cmocka_unit_test(each_item_is_there_once_and_can_be_taken_out),
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(what_is_no_line_is_not_an_item),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
