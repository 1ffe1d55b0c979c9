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

/* ---- keys from another server ---- */

/* The keys of the examples in RFC 5802 section 5 and RFC 7677 section 3: the password is "pencil". */
#define SHA_1 "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="
#define SHA_256                                                                                                        \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                        \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static void keys_of_another_server_serve_the_password_they_were_made_of(void **state)
{
    static const struct {
        const char *text;
        bool has[SCRAM_HASHES];
    } rows[] = {
        {SHA_1, {[SCRAM_SHA_1] = true}},
        {SHA_256, {[SCRAM_SHA_256] = true}},
        {SHA_1 " " SHA_256, {true, true}},
        {SHA_256 " " SHA_1, {true, true}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct credentials c;

        assert_int_equal(credentials_parse(str_of(rows[i].text), &c), LN_OK);
        for (unsigned h = 0; h < SCRAM_HASHES; h++) {
            assert_int_equal(credentials_has(&c, (enum scram_hash)h), rows[i].has[h]);
            if (rows[i].has[h])
                assert_true(scram_check_password((enum scram_hash)h, STR("pencil"), &c.keys[h]));
        }
    }
}

static void an_account_with_keys_of_one_hash_is_stored_as_such(void **state)
{
    struct credentials c, back;
    struct buf b;

    (void)state;
    assert_int_equal(credentials_parse(STR(SHA_1), &c), LN_OK);
    b = encoded(&c);
    assert_int_equal(credentials_decode(buf_str(&b), &back), LN_OK);
    assert_true(credentials_has(&back, SCRAM_SHA_1));
    assert_false(credentials_has(&back, SCRAM_SHA_256));
    assert_true(scram_check_password(SCRAM_SHA_1, STR("pencil"), &back.keys[SCRAM_SHA_1]));
    buf_deinit(&b);
}

static void an_account_without_any_keys_is_corrupt(void **state)
{
    struct credentials c = {0}, back;
    struct buf b = encoded(&c);

    (void)state;
    assert_int_equal(credentials_decode(buf_str(&b), &back), LN_E_CORRUPT);
    buf_deinit(&b);
}

static void what_is_not_keys_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "pencil",
        SHA_1 " ",
        " " SHA_1,
        SHA_1 " " SHA_1,
        "SCRAM-SHA-512"
        "$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-256$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=", /* too short */
        "SCRAM-SHA-1$4095:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-1$1000001:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-1$:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-1$4096 :QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-1$4294971392:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-1$4096:$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:",
        "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=",
        "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$not base64=:D+CSWLOshSulAsxiupA+qs2/fTE=",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct credentials c = {0};

        assert_int_equal(credentials_parse(str_of(bad[i]), &c), LN_E_INVALID);
        assert_false(credentials_has(&c, SCRAM_SHA_1));
    }
}

static void a_salt_that_is_too_long_is_refused(void **state)
{
    struct credentials c;
    struct buf b = {0};

    (void)state;
    buf_append_cstr(&b, "SCRAM-SHA-1$4096:");
    for (unsigned i = 0; i < SCRAM_SALT_MAX / 3 + 1; i++)
        buf_append_cstr(&b, "AAAA");
    buf_append_cstr(&b, "$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=");
    assert_int_equal(credentials_parse(buf_str(&b), &c), LN_E_INVALID);
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
        cmocka_unit_test(keys_of_another_server_serve_the_password_they_were_made_of),
        cmocka_unit_test(an_account_with_keys_of_one_hash_is_stored_as_such),
        cmocka_unit_test(an_account_without_any_keys_is_corrupt),
        cmocka_unit_test(what_is_not_keys_is_refused),
        cmocka_unit_test(a_salt_that_is_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
