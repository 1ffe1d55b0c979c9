#include "server/stream/fast.h"

#include <assert.h>
#include <mbedtls/md.h>
#include <string.h>

#include "common/base64.h"
#include "common/mem.h"
#include "server/net/worker.h"

/* The prefix makes leaked tokens easy to find (RFC 8959), and with it the whole is longer than a block of HMAC. */
#define TOKEN_PREFIX "secret-token:fast-"
enum { TOKEN_RANDOM_BYTES = 48, HMAC_BLOCK_BYTES = 64 };

void fast_prove(const uint8_t key[FAST_KEY_BYTES], const char *who, struct str binding, uint8_t ret[FAST_PROOF_BYTES])
{
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    mbedtls_md_context_t md;
    bool is_done;

    mbedtls_md_init(&md);
    is_done = mbedtls_md_setup(&md, sha256, 1) == 0 && mbedtls_md_hmac_starts(&md, key, FAST_KEY_BYTES) == 0 &&
              mbedtls_md_hmac_update(&md, (const unsigned char *)who, strlen(who)) == 0 &&
              mbedtls_md_hmac_update(&md, (const unsigned char *)binding.p, binding.len) == 0 &&
              mbedtls_md_hmac_finish(&md, ret) == 0;
    mbedtls_md_free(&md);
    assert(is_done); /* it fails only when there is no memory */
}

static bool makes(const struct fast_token *t, unsigned mechanism, struct str proof, struct str binding)
{
    uint8_t expected[FAST_PROOF_BYTES];
    bool is_equal;

    fast_prove(t->key, "Initiator", binding, expected);
    is_equal = str_eq_secret(proof, str_make((const char *)expected, sizeof(expected)));
    return is_equal && fast_token_exists(t) && t->mechanism == mechanism;
}

static enum fast_verdict judge(const struct fast_token *t, uint64_t count, int64_t now_ms)
{
    if (t->expires_ms <= now_ms)
        return FAST_EXPIRED;
    return count > 0 && count <= t->count ? FAST_REPLAYED : FAST_RIGHT;
}

enum fast_verdict fast_check(const struct fast_tokens *t, unsigned mechanism, struct str proof, struct str binding,
                             uint64_t count, int64_t now_ms, uint8_t ret_key[FAST_KEY_BYTES])
{
    bool is_fresh = fast_token_exists(&t->fresh) && makes(&t->fresh, mechanism, proof, binding);
    bool is_current = !is_fresh && makes(&t->current, mechanism, proof, binding);
    const struct fast_token *found = is_fresh ? &t->fresh : &t->current;

    if (!is_fresh && !is_current)
        return FAST_WRONG;
    memcpy(ret_key, found->key, FAST_KEY_BYTES);
    return judge(found, count, now_ms);
}

static bool is_key_of(const struct fast_token *t, const uint8_t key[FAST_KEY_BYTES])
{
    return fast_token_exists(t) &&
           str_eq_secret(str_make((const char *)t->key, FAST_KEY_BYTES), str_make((const char *)key, FAST_KEY_BYTES));
}

static void forget(struct fast_token *t)
{
    mem_wipe(t, sizeof(*t));
}

enum fast_verdict fast_use(struct fast_tokens *t, const uint8_t key[FAST_KEY_BYTES], uint64_t count, int64_t now_ms)
{
    bool is_fresh = is_key_of(&t->fresh, key);
    enum fast_verdict verdict;

    if (!is_fresh && !is_key_of(&t->current, key))
        return FAST_WRONG;
    verdict = judge(is_fresh ? &t->fresh : &t->current, count, now_ms);
    if (verdict != FAST_RIGHT)
        return verdict;
    if (is_fresh) {
        t->current = t->fresh;
        forget(&t->fresh);
    }
    if (count > 0)
        t->current.count = count;
    return FAST_RIGHT;
}

bool fast_is_due(const struct fast_tokens *t, int64_t now_ms, uint64_t rotate_s)
{
    return fast_token_exists(&t->current) && now_ms - t->current.issued_ms >= (int64_t)rotate_s * 1000;
}

/* In the alphabet for URLs, as RFC 8959 asks. */
static void append_random(struct buf *out)
{
    uint8_t bytes[TOKEN_RANDOM_BYTES];
    size_t at = out->len;

    random_bytes(bytes, sizeof(bytes));
    base64_encode(out, str_make((const char *)bytes, sizeof(bytes)));
    mem_wipe(bytes, sizeof(bytes));
    for (; at < out->len; at++)
        out->p[at] = out->p[at] == '+' ? '-' : out->p[at] == '/' ? '_' : out->p[at];
}

static void sha256(struct str text, uint8_t ret[FAST_KEY_BYTES])
{
    bool is_done =
        mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), (const unsigned char *)text.p, text.len, ret) == 0;

    assert(is_done);
}

void fast_issue(struct fast_tokens *t, unsigned mechanism, int64_t now_ms, uint64_t lifetime_s, struct buf *out)
{
    size_t at = out->len;

    buf_append_cstr(out, TOKEN_PREFIX);
    append_random(out);
    assert(out->len - at > HMAC_BLOCK_BYTES);
    forget(&t->fresh);
    sha256(str_make(out->p + at, out->len - at), t->fresh.key);
    t->fresh.issued_ms = now_ms;
    t->fresh.expires_ms = now_ms + (int64_t)lifetime_s * 1000;
    t->fresh.mechanism = (uint8_t)mechanism;
}

void fast_drop(struct fast_tokens *t)
{
    forget(&t->current);
    forget(&t->fresh);
}

bool fast_has_any(const struct fast_tokens *t, int64_t now_ms)
{
    return (fast_token_exists(&t->current) && t->current.expires_ms > now_ms) ||
           (fast_token_exists(&t->fresh) && t->fresh.expires_ms > now_ms);
}
