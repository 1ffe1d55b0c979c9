/* tests/unit/stream/test_fast.c - tokens: which proofs they make, when they end, and that no more than a hash is kept.
 */
#include "server/stream/fast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/hmac.h>

#include "common/mem.h"

enum { EXPR, UNIQ, ENDP, NONE };
enum { LIFETIME_S = 1000, NOW = 1700000000 };
static const int64_t now_ms = NOW * INT64_C(1000);

/* What the client sends: the HMAC of the token itself, by another library. */
static struct str proof_of(struct str token, const char *who, struct str binding)
{
    static unsigned char proof[EVP_MAX_MD_SIZE];
    unsigned char text[256];
    unsigned len = 0;

    memcpy(text, who, strlen(who));
    if (binding.len > 0)
        memcpy(text + strlen(who), binding.p, binding.len);
    assert_non_null(HMAC(EVP_sha256(), token.p, (int)token.len, text, strlen(who) + binding.len, proof, &len));
    assert_int_equal(len, FAST_PROOF_BYTES);
    return str_make((const char *)proof, len);
}

static enum fast_verdict check(const struct fast_tokens *t, unsigned mechanism, const struct buf *token,
                               struct str binding, uint64_t count, int64_t when_ms, uint8_t key[FAST_KEY_BYTES])
{
    return fast_check(t, mechanism, proof_of(buf_str(token), "Initiator", binding), binding, count, when_ms, key);
}

static enum fast_verdict log_in(struct fast_tokens *t, unsigned mechanism, const struct buf *token, uint64_t count,
                                int64_t when_ms)
{
    uint8_t key[FAST_KEY_BYTES];
    enum fast_verdict verdict = check(t, mechanism, token, STR("binding"), count, when_ms, key);

    return verdict == FAST_RIGHT ? fast_use(t, key, count, when_ms) : verdict;
}

static struct buf issue(struct fast_tokens *t, unsigned mechanism, int64_t when_ms)
{
    struct buf token = {0};

    fast_issue(t, mechanism, when_ms, LIFETIME_S, &token);
    return token;
}

static void the_proof_of_a_token_can_be_checked_with_its_hash_and_answered(void **state)
{
    struct fast_tokens t = {0};
    struct buf token = issue(&t, EXPR, now_ms);
    uint8_t key[FAST_KEY_BYTES], answer[FAST_PROOF_BYTES];
    struct str wanted;

    (void)state;
    assert_true(token.len > 64);
    assert_int_equal(check(&t, EXPR, &token, STR("binding"), 0, now_ms, key), FAST_RIGHT);
    fast_prove(key, "Responder", STR("binding"), answer);
    wanted = proof_of(buf_str(&token), "Responder", STR("binding"));
    assert_memory_equal(answer, wanted.p, sizeof(answer));
    buf_deinit(&token);
}

static void the_token_itself_is_not_kept(void **state)
{
    struct fast_tokens t = {0};
    struct buf token = issue(&t, EXPR, now_ms);

    (void)state;
    for (size_t i = 0; i + 8 <= token.len; i++)
        assert_null(memmem(&t, sizeof(t), token.p + i, 8));
    buf_deinit(&token);
}

static void no_two_tokens_are_the_same(void **state)
{
    struct fast_tokens t = {0};
    struct buf a = issue(&t, EXPR, now_ms), b = issue(&t, EXPR, now_ms);

    (void)state;
    assert_false(str_eq(buf_str(&a), buf_str(&b)));
    buf_deinit(&a);
    buf_deinit(&b);
}

static void another_binding_mechanism_or_token_is_wrong(void **state)
{
    struct fast_tokens t = {0}, none = {0};
    struct buf token = issue(&t, EXPR, now_ms), other = issue(&none, EXPR, now_ms);
    uint8_t key[FAST_KEY_BYTES];

    (void)state;
    fast_drop(&none);
    assert_int_equal(
        fast_check(&t, EXPR, proof_of(buf_str(&token), "Initiator", STR("theirs")), STR("ours"), 0, now_ms, key),
        FAST_WRONG);
    assert_int_equal(check(&t, NONE, &token, STR("binding"), 0, now_ms, key), FAST_WRONG);
    assert_int_equal(check(&t, EXPR, &other, STR("binding"), 0, now_ms, key), FAST_WRONG);
    assert_int_equal(fast_check(&t, EXPR, proof_of(buf_str(&token), "Responder", STR("b")), STR("b"), 0, now_ms, key),
                     FAST_WRONG);
    assert_int_equal(fast_check(&t, EXPR, STR(""), STR("b"), 0, now_ms, key), FAST_WRONG);
    buf_deinit(&token);
    buf_deinit(&other);
}

/* Whoever has no token has a key of zeros, which anybody could use. */
static void where_there_is_no_token_the_proof_by_zeros_is_wrong(void **state)
{
    struct fast_tokens none = {0};
    uint8_t zeros[FAST_KEY_BYTES] = {0}, proof[FAST_PROOF_BYTES], key[FAST_KEY_BYTES];

    (void)state;
    fast_prove(zeros, "Initiator", STR("b"), proof);
    for (unsigned mechanism = EXPR; mechanism <= NONE; mechanism++)
        assert_int_equal(
            fast_check(&none, mechanism, str_make((const char *)proof, sizeof(proof)), STR("b"), 0, now_ms, key),
            FAST_WRONG);
    assert_int_equal(fast_use(&none, zeros, 0, now_ms), FAST_WRONG);
}

static void a_fresh_token_takes_the_place_of_the_current_one_when_it_is_used(void **state)
{
    struct fast_tokens t = {0};
    struct buf first = issue(&t, EXPR, now_ms), second;

    (void)state;
    assert_int_equal(log_in(&t, EXPR, &first, 0, now_ms), FAST_RIGHT);
    second = issue(&t, EXPR, now_ms);
    assert_int_equal(log_in(&t, EXPR, &first, 0, now_ms), FAST_RIGHT);
    assert_int_equal(log_in(&t, EXPR, &second, 0, now_ms), FAST_RIGHT);
    assert_int_equal(log_in(&t, EXPR, &first, 0, now_ms), FAST_WRONG);
    assert_int_equal(log_in(&t, EXPR, &second, 0, now_ms), FAST_RIGHT);
    buf_deinit(&first);
    buf_deinit(&second);
}

static void a_fresh_token_that_was_not_used_makes_room_for_the_next(void **state)
{
    struct fast_tokens t = {0};
    struct buf first = issue(&t, EXPR, now_ms), second, third;

    (void)state;
    assert_int_equal(log_in(&t, EXPR, &first, 0, now_ms), FAST_RIGHT);
    second = issue(&t, EXPR, now_ms);
    third = issue(&t, NONE, now_ms);
    assert_int_equal(log_in(&t, EXPR, &second, 0, now_ms), FAST_WRONG);
    assert_int_equal(log_in(&t, EXPR, &first, 0, now_ms), FAST_RIGHT);
    assert_int_equal(log_in(&t, NONE, &third, 0, now_ms), FAST_RIGHT);
    buf_deinit(&first);
    buf_deinit(&second);
    buf_deinit(&third);
}

static void tokens_end_when_their_time_is_over(void **state)
{
    struct fast_tokens t = {0};
    struct buf token = issue(&t, EXPR, now_ms);
    int64_t end_ms = now_ms + LIFETIME_S * 1000;

    (void)state;
    assert_true(fast_has_any(&t, end_ms - 1));
    assert_false(fast_has_any(&t, end_ms));
    assert_int_equal(log_in(&t, EXPR, &token, 0, end_ms - 1), FAST_RIGHT);
    assert_int_equal(log_in(&t, EXPR, &token, 0, end_ms), FAST_EXPIRED);
    buf_deinit(&token);
}

static void one_is_due_when_it_is_old_enough(void **state)
{
    struct fast_tokens t = {0};
    struct buf token = issue(&t, EXPR, now_ms);

    (void)state;
    assert_false(fast_is_due(&t, now_ms + 1000000, 10)); /* not in use yet */
    assert_int_equal(log_in(&t, EXPR, &token, 0, now_ms), FAST_RIGHT);
    assert_false(fast_is_due(&t, now_ms + 9999, 10));
    assert_true(fast_is_due(&t, now_ms + 10000, 10));
    assert_true(fast_is_due(&t, now_ms, 0));
    buf_deinit(&token);
}

static void a_count_may_only_rise(void **state)
{
    struct fast_tokens t = {0};
    struct buf token = issue(&t, EXPR, now_ms), next;

    (void)state;
    assert_int_equal(log_in(&t, EXPR, &token, 7, now_ms), FAST_RIGHT);
    assert_int_equal(log_in(&t, EXPR, &token, 7, now_ms), FAST_REPLAYED);
    assert_int_equal(log_in(&t, EXPR, &token, 6, now_ms), FAST_REPLAYED);
    assert_int_equal(log_in(&t, EXPR, &token, 8, now_ms), FAST_RIGHT);
    assert_int_equal(log_in(&t, EXPR, &token, 0, now_ms), FAST_RIGHT);
    assert_int_equal(log_in(&t, EXPR, &token, 8, now_ms), FAST_REPLAYED);
    /* It begins anew with a new token. */
    next = issue(&t, EXPR, now_ms);
    assert_int_equal(log_in(&t, EXPR, &next, 1, now_ms), FAST_RIGHT);
    buf_deinit(&token);
    buf_deinit(&next);
}

/* Two logins with one proof: between the check on one worker and its use on another, the other was faster. */
static void what_was_right_may_be_wrong_when_it_is_used(void **state)
{
    struct fast_tokens t = {0};
    struct buf token = issue(&t, EXPR, now_ms);
    uint8_t key[FAST_KEY_BYTES];

    (void)state;
    assert_int_equal(check(&t, EXPR, &token, STR("binding"), 3, now_ms, key), FAST_RIGHT);
    assert_int_equal(fast_use(&t, key, 3, now_ms), FAST_RIGHT);
    assert_int_equal(fast_use(&t, key, 3, now_ms), FAST_REPLAYED);
    fast_drop(&t);
    assert_int_equal(fast_use(&t, key, 4, now_ms), FAST_WRONG);
    assert_false(fast_has_any(&t, now_ms));
    buf_deinit(&token);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_proof_of_a_token_can_be_checked_with_its_hash_and_answered),
        cmocka_unit_test(the_token_itself_is_not_kept),
        cmocka_unit_test(no_two_tokens_are_the_same),
        cmocka_unit_test(another_binding_mechanism_or_token_is_wrong),
        cmocka_unit_test(where_there_is_no_token_the_proof_by_zeros_is_wrong),
        cmocka_unit_test(a_fresh_token_takes_the_place_of_the_current_one_when_it_is_used),
        cmocka_unit_test(a_fresh_token_that_was_not_used_makes_room_for_the_next),
        cmocka_unit_test(tokens_end_when_their_time_is_over),
        cmocka_unit_test(one_is_due_when_it_is_old_enough),
        cmocka_unit_test(a_count_may_only_rise),
        cmocka_unit_test(what_was_right_may_be_wrong_when_it_is_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
