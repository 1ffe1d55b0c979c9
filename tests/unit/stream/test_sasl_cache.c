/* tests/unit/stream/test_sasl_cache.c - a remembered password opens the account it was right for, and nothing else. */
#include "server/stream/sasl_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static int make(void **state)
{
    *state = sasl_cache_new();
    return 0;
}

static int unmake(void **state)
{
    struct sasl_cache *c = *state;

    sasl_cache_free(&c);
    assert_null(c);
    return 0;
}

/* The cache looks at the stored key only. */
static struct scram_keys keys_with(uint8_t byte)
{
    struct scram_keys k = {.iterations = SCRAM_ITERATIONS_MIN, .salt_len = 1};

    memset(k.stored_key, byte, sizeof(k.stored_key));
    return k;
}

static void only_the_same_password_for_the_same_keys_of_the_same_account_is_known(void **state)
{
    struct sasl_cache *c = *state;
    struct scram_keys k = keys_with(1), changed = keys_with(2);

    assert_false(sasl_cache_knows(c, STR("a@x"), &k, STR("secret")));
    sasl_cache_add(c, STR("a@x"), &k, STR("secret"), 10);
    assert_true(sasl_cache_knows(c, STR("a@x"), &k, STR("secret")));
    assert_true(sasl_cache_knows(c, STR("a@x"), &k, STR("secret")));
    assert_false(sasl_cache_knows(c, STR("a@x"), &k, STR("Secret")));
    assert_false(sasl_cache_knows(c, STR("a@x"), &k, STR("")));
    assert_false(sasl_cache_knows(c, STR("a@x"), &changed, STR("secret")));
    assert_false(sasl_cache_knows(c, STR("b@x"), &k, STR("secret")));
}

static void what_is_added_again_replaces_what_was_there(void **state)
{
    struct sasl_cache *c = *state;
    struct scram_keys old = keys_with(1), now = keys_with(2);

    sasl_cache_add(c, STR("a@x"), &old, STR("old"), 10);
    sasl_cache_add(c, STR("a@x"), &now, STR("new"), 10);
    assert_false(sasl_cache_knows(c, STR("a@x"), &old, STR("old")));
    assert_true(sasl_cache_knows(c, STR("a@x"), &now, STR("new")));
}

static void what_is_forgotten_is_not_known(void **state)
{
    struct sasl_cache *c = *state;
    struct scram_keys k = keys_with(1);

    sasl_cache_forget(c, STR("a@x")); /* nothing there yet */
    sasl_cache_add(c, STR("a@x"), &k, STR("secret"), 10);
    sasl_cache_add(c, STR("b@x"), &k, STR("secret"), 10);
    sasl_cache_forget(c, STR("a@x"));
    assert_false(sasl_cache_knows(c, STR("a@x"), &k, STR("secret")));
    assert_true(sasl_cache_knows(c, STR("b@x"), &k, STR("secret")));
}

static bool knows(struct sasl_cache *c, unsigned i, const struct scram_keys *k)
{
    char jid[32];

    return sasl_cache_knows(c, str_make(jid, (size_t)snprintf(jid, sizeof(jid), "u%u@x", i)), k, STR("secret"));
}

static void add(struct sasl_cache *c, unsigned i, const struct scram_keys *k, size_t max)
{
    char jid[32];

    sasl_cache_add(c, str_make(jid, (size_t)snprintf(jid, sizeof(jid), "u%u@x", i)), k, STR("secret"), max);
}

static void the_oldest_make_room(void **state)
{
    struct sasl_cache *c = *state;
    struct scram_keys k = keys_with(1);

    for (unsigned i = 0; i < 100; i++)
        add(c, i, &k, 10);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(knows(c, i, &k), i >= 90);
    add(c, 90, &k, 10); /* young again */
    add(c, 100, &k, 10);
    assert_true(knows(c, 90, &k));
    assert_false(knows(c, 91, &k));
    assert_true(knows(c, 92, &k));
}

static void a_lower_limit_drops_the_oldest_and_none_keeps_none(void **state)
{
    struct sasl_cache *c = *state;
    struct scram_keys k = keys_with(1);

    for (unsigned i = 0; i < 10; i++)
        add(c, i, &k, 10);
    add(c, 10, &k, 3);
    for (unsigned i = 0; i <= 10; i++)
        assert_int_equal(knows(c, i, &k), i >= 8);
    add(c, 11, &k, 0);
    for (unsigned i = 0; i <= 11; i++)
        assert_false(knows(c, i, &k));
}

static void two_caches_have_secrets_of_their_own(void **state)
{
    struct sasl_cache *c = *state, *other = sasl_cache_new();
    struct scram_keys k = keys_with(1);

    sasl_cache_add(c, STR("a@x"), &k, STR("secret"), 10);
    assert_false(sasl_cache_knows(other, STR("a@x"), &k, STR("secret")));
    sasl_cache_free(&other);
    sasl_cache_free(&other); /* NULL is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_the_same_password_for_the_same_keys_of_the_same_account_is_known, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(what_is_added_again_replaces_what_was_there, make, unmake),
        cmocka_unit_test_setup_teardown(what_is_forgotten_is_not_known, make, unmake),
        cmocka_unit_test_setup_teardown(the_oldest_make_room, make, unmake),
        cmocka_unit_test_setup_teardown(a_lower_limit_drops_the_oldest_and_none_keeps_none, make, unmake),
        cmocka_unit_test_setup_teardown(two_caches_have_secrets_of_their_own, make, unmake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
