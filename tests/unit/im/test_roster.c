#include "server/im/roster.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/mem.h"
#include "server/storage/storage.h"

static const struct siphash_key key = {3, 4};

static struct roster_item *item_of(const char *jid, uint8_t state, const char *request)
{
    struct roster_item *item = roster_item_new_request(str_of(jid), NULL, str_of(request));

    item->state = state;
    return item;
}

static void its_counts_follow_what_is_put_and_removed(void **state)
{
    struct roster r;

    (void)state;
    roster_init(&r, &key);
    roster_put(&r, item_of("a@h", SUB_LISTED | SUB_TO, ""));
    roster_put(&r, item_of("b@h", SUB_PENDING_IN, "12345"));
    roster_put(&r, item_of("c@h", SUB_LISTED | SUB_PENDING_IN, "123"));
    assert_int_equal(r.n_listed, 2);
    assert_int_equal(r.n_pending, 2);
    assert_int_equal(r.pending_bytes, 8);
    roster_put(&r, item_of("b@h", SUB_LISTED | SUB_FROM, "")); /* approved */
    assert_int_equal(r.n_listed, 3);
    assert_int_equal(r.n_pending, 1);
    assert_int_equal(r.pending_bytes, 3);
    roster_remove(&r, STR("c@h"));
    roster_remove(&r, STR("nobody@h"));
    assert_int_equal(r.n_listed, 2);
    assert_int_equal(r.n_pending + r.pending_bytes, 0);
    roster_deinit(&r);
}

static void who_sees_whom_is_asked_of_the_bare_jid(void **state)
{
    struct roster r;

    (void)state;
    roster_init(&r, &key);
    roster_put(&r, item_of("to@h", SUB_LISTED | SUB_TO, ""));
    roster_put(&r, item_of("from@h", SUB_LISTED | SUB_FROM, ""));
    roster_put(&r, item_of("asks@h", SUB_PENDING_IN, "x"));
    assert_true(roster_is_subscriber(&r, STR("from@h")));
    assert_false(roster_is_subscriber(&r, STR("to@h")));
    assert_false(roster_is_subscriber(&r, STR("asks@h")));
    assert_false(roster_is_subscriber(&r, STR("nobody@h")));
    roster_deinit(&r);
}

static void what_storage_had_is_loaded_and_a_damaged_item_costs_only_itself(void **state)
{
    struct roster_item *item = item_of("b@h", SUB_LISTED | SUB_FROM, "");
    struct buf b = {0};
    struct storage_row rows[3] = {{.bytes = STR_INIT("17")}, {.key = STR_INIT("a@h"), .bytes = STR_INIT("?")}};
    const struct storage_rows result = {.n = 3, .rows = rows};
    struct roster r;

    (void)state;
    roster_item_encode(&b, item);
    rows[2] = (struct storage_row){.key = STR("b@h"), .bytes = buf_str(&b)};
    roster_init(&r, &key);
    assert_int_equal(roster_load(&r, &result), LN_E_CORRUPT);
    assert_int_equal(r.version, 17);
    assert_int_equal(r.n_listed, 1);
    assert_non_null(roster_get(&r, STR("b@h")));
    assert_null(roster_get(&r, STR("a@h")));
    /* An account that was made while it was being loaded is loaded again. */
    assert_int_equal(roster_load(&r, &result), LN_E_CORRUPT);
    assert_int_equal(r.n_listed, 1);
    roster_clear(&r);
    assert_int_equal(r.n_listed + r.version, 0);
    assert_null(roster_get(&r, STR("b@h")));
    roster_deinit(&r);
    roster_item_free(&item);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_counts_follow_what_is_put_and_removed),
        cmocka_unit_test(who_sees_whom_is_asked_of_the_bare_jid),
        cmocka_unit_test(what_storage_had_is_loaded_and_a_damaged_item_costs_only_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
