#include "common/xmpp/scram_hash.h"

#include "common/mem.h"

#include <assert.h>

#include <mbedtls/md.h>

enum { BLOCK_BYTES = 64 }; /* of SHA-1 and of SHA-256 */

static const struct {
    mbedtls_md_type_t md;
    size_t len;
    const char *name;
} hashes[SCRAM_HASHES] = {
    [SCRAM_SHA_1] = {MBEDTLS_MD_SHA1, 20, "SCRAM-SHA-1"},
    [SCRAM_SHA_256] = {MBEDTLS_MD_SHA256, 32, "SCRAM-SHA-256"},
};

size_t scram_hash_len(enum scram_hash h)
{
    return hashes[h].len;
}

const char *scram_hash_name(enum scram_hash h)
{
    return hashes[h].name;
}

static void must(int mbedtls_ret)
{
    assert(mbedtls_ret == 0);
}

void scram_h(enum scram_hash h, const uint8_t *in, size_t len, uint8_t *out)
{
    must(mbedtls_md(mbedtls_md_info_from_type(hashes[h].md), in, len, out));
}

void scram_hmac(enum scram_hash h, const uint8_t *key, const struct str *parts, size_t n_parts, uint8_t *out)
{
    mbedtls_md_context_t md;

    mbedtls_md_init(&md);
    must(mbedtls_md_setup(&md, mbedtls_md_info_from_type(hashes[h].md), 1));
    must(mbedtls_md_hmac_starts(&md, key, hashes[h].len));
    for (size_t i = 0; i < n_parts; i++)
        must(mbedtls_md_hmac_update(&md, (const unsigned char *)parts[i].p, parts[i].len));
    must(mbedtls_md_hmac_finish(&md, out));
    mbedtls_md_free(&md);
}

/* HMAC under one key, many times: the key's two blocks are hashed once, and each HMAC starts from copies of that state.
 * Half the work of hashing them each time, as mbedtls_pkcs5_pbkdf2_hmac() does. */
struct keyed {
    mbedtls_md_context_t inner, outer, work;
    size_t len; /* of the hash */
};

static void start_padded(mbedtls_md_context_t *md, const mbedtls_md_info_t *info, const uint8_t key[BLOCK_BYTES],
                         uint8_t pad)
{
    uint8_t block[BLOCK_BYTES];

    for (size_t i = 0; i < BLOCK_BYTES; i++)
        block[i] = key[i] ^ pad;
    mbedtls_md_init(md);
    must(mbedtls_md_setup(md, info, 0));
    must(mbedtls_md_starts(md));
    must(mbedtls_md_update(md, block, BLOCK_BYTES));
    mem_wipe(block, sizeof(block));
}

static void keyed_init(struct keyed *k, enum scram_hash h, struct str key)
{
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(hashes[h].md);
    uint8_t block[BLOCK_BYTES] = {0};

    k->len = hashes[h].len;
    if (key.len > BLOCK_BYTES)
        scram_h(h, (const uint8_t *)key.p, key.len, block);
    else if (key.len > 0)
        memcpy(block, key.p, key.len);
    start_padded(&k->inner, info, block, 0x36);
    start_padded(&k->outer, info, block, 0x5c);
    mbedtls_md_init(&k->work);
    must(mbedtls_md_setup(&k->work, info, 0));
    mem_wipe(block, sizeof(block));
}

static void keyed_deinit(struct keyed *k)
{
    /* mbedTLS wipes what it frees */
    mbedtls_md_free(&k->inner);
    mbedtls_md_free(&k->outer);
    mbedtls_md_free(&k->work);
}

/* `in` and `out` may be the same. */
static void keyed_hmac(struct keyed *k, const uint8_t *in, size_t len, uint8_t *out)
{
    must(mbedtls_md_clone(&k->work, &k->inner));
    must(mbedtls_md_update(&k->work, in, len));
    must(mbedtls_md_finish(&k->work, out));
    must(mbedtls_md_clone(&k->work, &k->outer));
    must(mbedtls_md_update(&k->work, out, k->len));
    must(mbedtls_md_finish(&k->work, out));
}

void scram_hi(enum scram_hash h, struct str password, struct str salt, uint32_t iterations, uint8_t *out)
{
    static const uint8_t first_block[4] = {0, 0, 0, 1};
    uint8_t u[SCRAM_KEY_MAX], salted[SCRAM_SALT_MAX + sizeof(first_block)];
    struct keyed k;

    assert(salt.len <= SCRAM_SALT_MAX && iterations > 0);
    memcpy(salted, salt.p, salt.len);
    memcpy(salted + salt.len, first_block, sizeof(first_block));
    keyed_init(&k, h, password);
    keyed_hmac(&k, salted, salt.len + sizeof(first_block), u);
    memcpy(out, u, k.len);
    for (uint32_t i = 1; i < iterations; i++) {
        keyed_hmac(&k, u, k.len, u);
        for (size_t b = 0; b < k.len; b++)
            out[b] ^= u[b];
    }
    keyed_deinit(&k);
    mem_wipe(u, sizeof(u));
}
