/* tests/unit/stream/test_credentials.c - what is stored of a password comes back as it was, or not at all. */
#include "server/stream/credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/mem.h"

static void derive(struct credentials *c)
{
    memset(c, 0, sizeof(*c));
    assert_int_equal(credentials_derive(STR("pencil"), SCRAM_ITERATIONS_MIN, c), LN_OK);
    c->created_ms = 1700000000123;
    c->changed_ms = 1700000000456;
}

static struct buf encoded(const struct credentials *c)
{
    struct buf b = {0};

    credentials_encode(&b, c);
    return b;
}

static void what_was_encoded_is_decoded(void **state)
{
    struct credentials c, back;
    struct buf b;

    (void)state;
    derive(&c);
    b = encoded(&c);
    assert_int_equal(credentials_decode(buf_str(&b), &back), LN_OK);
    assert_int_equal(back.created_ms, c.created_ms);
    assert_int_equal(back.changed_ms, c.changed_ms);
    for (unsigned h = 0; h < SCRAM_HASHES; h++) {
        size_t len = scram_hash_len((enum scram_hash)h);

        assert_int_equal(back.keys[h].iterations, SCRAM_ITERATIONS_MIN);
        assert_int_equal(back.keys[h].salt_len, SCRAM_SALT_BYTES);
        assert_memory_equal(back.keys[h].salt, c.keys[h].salt, SCRAM_SALT_BYTES);
        assert_memory_equal(back.keys[h].stored_key, c.keys[h].stored_key, len);
        assert_memory_equal(back.keys[h].server_key, c.keys[h].server_key, len);
        assert_true(scram_check_password((enum scram_hash)h, STR("pencil"), &back.keys[h]));
        assert_false(scram_check_password((enum scram_hash)h, STR("pencils"), &back.keys[h]));
    }
    buf_deinit(&b);
}

static void the_password_is_not_among_the_bytes(void **state)
{
    struct credentials c;
    struct buf b;

    (void)state;
    derive(&c);
    b = encoded(&c);
    assert_null(memmem(b.p, b.len, "pencil", 6));
    buf_deinit(&b);
}

static void the_same_password_gets_a_fresh_salt_each_time_and_for_each_hash(void **state)
{
    struct credentials a, b;

    (void)state;
    derive(&a);
    derive(&b);
    assert_memory_not_equal(a.keys[0].salt, b.keys[0].salt, SCRAM_SALT_BYTES);
    assert_memory_not_equal(a.keys[0].salt, a.keys[1].salt, SCRAM_SALT_BYTES);
}

static void too_few_iterations_and_an_empty_password_are_refused(void **state)
{
    struct credentials c = {0};

    (void)state;
    assert_int_equal(credentials_derive(STR("pencil"), SCRAM_ITERATIONS_MIN - 1, &c), LN_E_INVALID);
    assert_int_equal(credentials_derive(STR(""), SCRAM_ITERATIONS_MIN, &c), LN_E_INVALID);
}

static void bytes_that_are_cut_or_too_many_are_corrupt(void **state)
{
    struct credentials c, back;
    struct buf b;

    (void)state;
    derive(&c);
    b = encoded(&c);
    for (size_t len = 0; len < b.len; len++) {
        /* A copy of just these bytes, so that a sanitiser sees who reads beyond. */
        char *cut = mem_strndup(b.p, len);

        assert_int_equal(credentials_decode(str_make(cut, len), &back), LN_E_CORRUPT);
        free(cut);
    }
    buf_append_char(&b, '\0');
    assert_int_equal(credentials_decode(buf_str(&b), &back), LN_E_CORRUPT);
    buf_deinit(&b);
}

static void bytes_of_another_format_are_corrupt(void **state)
{
    struct credentials c, back;
    struct buf b;

    (void)state;
    derive(&c);
    b = encoded(&c);
    b.p[0]++;
    assert_int_equal(credentials_decode(buf_str(&b), &back), LN_E_CORRUPT);
    buf_deinit(&b);
}

/* They would let anybody in, or make PBKDF2 fail. */
static void keys_without_iterations_or_salt_or_with_too_much_of_it_are_corrupt(void **state)
{
    struct credentials c, back;
    struct buf b;

    (void)state;
    for (unsigned h = 0; h < SCRAM_HASHES; h++) {
        derive(&c);
        c.keys[h].iterations = 0;
        b = encoded(&c);
        assert_int_equal(credentials_decode(buf_str(&b), &back), LN_E_CORRUPT);
        buf_deinit(&b);
        derive(&c);
        c.keys[h].salt_len = 0;
        b = encoded(&c);
        assert_int_equal(credentials_decode(buf_str(&b), &back), LN_E_CORRUPT);
        buf_deinit(&b);
    }
    derive(&c);
    b = encoded(&c);
    b.p[1 + 8 + 8 + 4] = (char)(SCRAM_SALT_MAX + 1); /* behind version, times and iterations */
    for (unsigned i = 0; i < SCRAM_SALT_MAX; i++)
        buf_append_char(&b, 'x');
    assert_int_equal(credentials_decode(buf_str(&b), &back), LN_E_CORRUPT);
    buf_deinit(&b);
}

static void a_failed_decoding_leaves_the_result_alone(void **state)
{
    struct credentials back;
    struct credentials before;

    (void)state;
    memset(&back, 7, sizeof(back));
    before = back;
    assert_int_equal(credentials_decode(STR("\1nonsense"), &back), LN_E_CORRUPT);
    assert_memory_equal(&back, &before, sizeof(back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_is_decoded),
        cmocka_unit_test(the_password_is_not_among_the_bytes),
        cmocka_unit_test(the_same_password_gets_a_fresh_salt_each_time_and_for_each_hash),
        cmocka_unit_test(too_few_iterations_and_an_empty_password_are_refused),
        cmocka_unit_test(bytes_that_are_cut_or_too_many_are_corrupt),
        cmocka_unit_test(bytes_of_another_format_are_corrupt),
        cmocka_unit_test(keys_without_iterations_or_salt_or_with_too_much_of_it_are_corrupt),
        cmocka_unit_test(a_failed_decoding_leaves_the_result_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
