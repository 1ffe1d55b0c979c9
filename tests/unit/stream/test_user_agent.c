/* tests/unit/stream/test_user_agent.c - what is stored of a client comes back as it was, or not at all. */
#include "server/stream/user_agent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/mem.h"

static const uint8_t secret[32] = "a secret of thirty-two bytes....";

static struct user_agent sample(void)
{
    struct user_agent ua = {.first_seen_ms = 1700000000123,
                            .last_seen_ms = 1700000001456,
                            .password_ms = 1700000000789,
                            .mechanisms = 0x10012,
                            .tokens.current = {.key = {1, 2, 3},
                                               .issued_ms = 1700000000500,
                                               .expires_ms = 1800000000000,
                                               .count = UINT64_MAX,
                                               .mechanism = 2},
                            .tokens.fresh = {.key = {9}, .issued_ms = 1700000000900, .expires_ms = 1800000000001}};

    assert_true(user_agent_parse_id(STR("d4565fa7-4d72-4749-b3d3-740edbf87770"), ua.id));
    user_agent_describe(&ua, STR("AwesomeXMPP"), STR("Kiva's Phone"));
    return ua;
}

static struct str key_of(const struct user_agent *ua)
{
    static char mem[USER_AGENT_KEY_LEN];

    return user_agent_key(ua->id, mem);
}

static void what_was_encoded_is_decoded(void **state)
{
    struct user_agent ua = sample(), back;
    struct buf b = {0};

    (void)state;
    user_agent_encode(&b, &ua);
    assert_int_equal(user_agent_decode(key_of(&ua), buf_str(&b), 0, &back), LN_OK);
    assert_memory_equal(back.id, ua.id, sizeof(ua.id));
    assert_int_equal(back.first_seen_ms, ua.first_seen_ms);
    assert_int_equal(back.last_seen_ms, ua.last_seen_ms);
    assert_int_equal(back.password_ms, ua.password_ms);
    assert_int_equal(back.mechanisms, ua.mechanisms);
    assert_true(str_is(user_agent_software(&back), "AwesomeXMPP"));
    assert_true(str_is(user_agent_device(&back), "Kiva's Phone"));
    assert_memory_equal(back.tokens.current.key, ua.tokens.current.key, FAST_KEY_BYTES);
    assert_int_equal(back.tokens.current.issued_ms, ua.tokens.current.issued_ms);
    assert_int_equal(back.tokens.current.expires_ms, ua.tokens.current.expires_ms);
    assert_true(back.tokens.current.count == ua.tokens.current.count);
    assert_int_equal(back.tokens.current.mechanism, ua.tokens.current.mechanism);
    assert_memory_equal(back.tokens.fresh.key, ua.tokens.fresh.key, FAST_KEY_BYTES);
    buf_deinit(&b);
}

static void tokens_that_are_not_younger_than_the_password_are_left_out(void **state)
{
    struct user_agent ua = sample(), back;
    struct buf b = {0};

    (void)state;
    user_agent_encode(&b, &ua);
    assert_int_equal(user_agent_decode(key_of(&ua), buf_str(&b), ua.tokens.current.issued_ms, &back), LN_OK);
    assert_false(fast_token_exists(&back.tokens.current));
    assert_true(fast_token_exists(&back.tokens.fresh));
    assert_int_equal(user_agent_decode(key_of(&ua), buf_str(&b), ua.tokens.fresh.issued_ms, &back), LN_OK);
    assert_false(fast_has_any(&back.tokens, 0));
    buf_deinit(&b);
}

static void a_document_that_was_cut_anywhere_but_behind_a_token_is_damaged(void **state)
{
    struct user_agent ua = sample(), back;
    struct buf b = {0};
    size_t n_read = 0;

    (void)state;
    user_agent_encode(&b, &ua);
    for (size_t len = 0; len < b.len; len++) {
        char *copy = mem_strndup(b.p, len); /* so that a sanitizer sees what lies behind */
        enum ln_err err = user_agent_decode(key_of(&ua), str_make(copy, len), 0, &back);

        assert_true(err == LN_OK || err == LN_E_CORRUPT);
        n_read += err == LN_OK;
        free(copy);
    }
    assert_int_equal(n_read, 2); /* without tokens, and with one */
    b.p[0] = 9;
    assert_int_equal(user_agent_decode(key_of(&ua), buf_str(&b), 0, &back), LN_E_CORRUPT);
    buf_deinit(&b);
}

static void other_documents_of_the_collection_are_told_apart(void **state)
{
    struct user_agent ua = sample(), back;
    struct buf b = {0};

    (void)state;
    user_agent_encode(&b, &ua);
    assert_int_equal(user_agent_decode(STR("credentials"), buf_str(&b), 0, &back), LN_E_INVALID);
    assert_int_equal(user_agent_decode(STR("client:"), buf_str(&b), 0, &back), LN_E_INVALID);
    assert_int_equal(user_agent_decode(STR("client:x4565fa74d724749b3d3740edbf87770"), buf_str(&b), 0, &back),
                     LN_E_INVALID);
    buf_deinit(&b);
}

static void an_id_is_a_uuid_in_either_case(void **state)
{
    static const struct str wrong[] = {
        STR_INIT(""),
        STR_INIT("d4565fa7"),
        STR_INIT("d4565fa7-4d72-4749-b3d3-740edbf8777"),
        STR_INIT("d4565fa7-4d72-4749-b3d3-740edbf877700"),
        STR_INIT("d4565fa74d72-4749-b3d3-740edbf877700"),
        STR_INIT("g4565fa7-4d72-4749-b3d3-740edbf87770"),
        STR_INIT("d4565fa7-4d72-4749-b3d3-740edbf8777-"),
    };
    uint8_t lower[USER_AGENT_ID_BYTES], upper[USER_AGENT_ID_BYTES];

    (void)state;
    assert_true(user_agent_parse_id(STR("d4565fa7-4d72-4749-b3d3-740edbf87770"), lower));
    assert_true(user_agent_parse_id(STR("D4565FA7-4D72-4749-B3D3-740EDBF87770"), upper));
    assert_memory_equal(lower, upper, sizeof(lower));
    assert_int_equal(lower[0], 0xd4);
    assert_int_equal(lower[15], 0x70);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(user_agent_parse_id(wrong[i], lower));
}

static void a_name_is_always_the_same_and_others_have_others(void **state)
{
    struct user_agent ua = sample(), other = ua;
    char a[USER_AGENT_NAME_LEN], b[USER_AGENT_NAME_LEN], key[USER_AGENT_KEY_LEN];
    struct str name = user_agent_name(secret, STR("juliet@linnet.example"), ua.id, a);

    (void)state;
    assert_true(str_eq(name, user_agent_name(secret, STR("juliet@linnet.example"), ua.id, b)));
    assert_false(str_eq(name, user_agent_name(secret, STR("romeo@linnet.example"), ua.id, b)));
    other.id[3] ^= 1;
    assert_false(str_eq(name, user_agent_name(secret, STR("juliet@linnet.example"), other.id, b)));
    /* It tells nothing of the id. */
    assert_null(memmem(user_agent_key(ua.id, key).p, USER_AGENT_KEY_LEN, name.p, 4));
}

static void descriptions_are_cut_between_characters_and_kept_in_one_line(void **state)
{
    struct user_agent ua = {0};
    char text[3 * USER_AGENT_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i + 3 <= sizeof(text); i += 3)
        memcpy(text + i, "\xe2\x99\xa5", 3);
    user_agent_describe(&ua, str_make(text, sizeof(text)), STR("  two\nlines\t"));
    assert_int_equal(ua.software_len, USER_AGENT_TEXT_MAX - USER_AGENT_TEXT_MAX % 3);
    assert_true(str_is(user_agent_device(&ua), "two lines"));
    user_agent_describe(&ua, STR(""), STR(" "));
    assert_int_equal(ua.software_len + ua.device_len, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_is_decoded),
        cmocka_unit_test(tokens_that_are_not_younger_than_the_password_are_left_out),
        cmocka_unit_test(a_document_that_was_cut_anywhere_but_behind_a_token_is_damaged),
        cmocka_unit_test(other_documents_of_the_collection_are_told_apart),
        cmocka_unit_test(an_id_is_a_uuid_in_either_case),
        cmocka_unit_test(a_name_is_always_the_same_and_others_have_others),
        cmocka_unit_test(descriptions_are_cut_between_characters_and_kept_in_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
