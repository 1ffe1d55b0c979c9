#include "server/net/tls_keys.h"

#include "common/mem.h"

#include <assert.h>
#include <mbedtls/hkdf.h>

/* AEAD with ephemeral keys, ECDSA before RSA, and AES-128 first: at the size of a stanza AES-GCM and ChaCha20 cost us
 * the same, and clients have hardware for AES. The order is ours, not the client's. */
static const struct tls_suite suites[] = {
    {0x1301, true, TLS_AES_GCM, 16, MBEDTLS_MD_SHA256},
    {0x1302, true, TLS_AES_GCM, 32, MBEDTLS_MD_SHA384},
    {0x1303, true, TLS_CHACHA20_POLY1305, 32, MBEDTLS_MD_SHA256},
    {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, false, TLS_AES_GCM, 16, MBEDTLS_MD_SHA256},
    {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, false, TLS_AES_GCM, 32, MBEDTLS_MD_SHA384},
    {MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, false, TLS_CHACHA20_POLY1305, 32, MBEDTLS_MD_SHA256},
    {MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, false, TLS_AES_GCM, 16, MBEDTLS_MD_SHA256},
    {MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, false, TLS_AES_GCM, 32, MBEDTLS_MD_SHA384},
    {MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, false, TLS_CHACHA20_POLY1305, 32, MBEDTLS_MD_SHA256},
};

_Static_assert(ARRAY_LEN(suites) <= TLS_SUITES_MAX, "tls_suites_list() needs more room");

const struct tls_suite *tls_suite_find(int id)
{
    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        if (suites[i].id == id)
            return &suites[i];
    }
    return NULL;
}

void tls_suites_list(int ids[TLS_SUITES_MAX + 1])
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        if (COMPAT_HAS_TLS_1_3 || !suites[i].is_1_3)
            ids[n++] = suites[i].id;
    }
    ids[n] = 0;
}

/* The library's calculations fail without memory, or on arguments that no peer can choose. */
static void must(int ret)
{
    assert(ret == 0);
}

/* ---- TLS 1.2 ---- */

void tls_keys_make_1_2(const struct tls_suite *s, mbedtls_tls_prf_types prf, const uint8_t *master, size_t master_len,
                       const uint8_t randoms[64], struct tls_key *ret_client, struct tls_key *ret_server)
{
    /* RFC 5288 section 3: four bytes of AES-GCM's nonce are secret, eight are sent; RFC 7905 section 2: all twelve of
     * ChaCha20's are secret. */
    size_t iv_len = s->aead == TLS_AES_GCM ? 4 : TLS_NONCE_LEN;
    uint8_t seed[64], block[2 * (TLS_KEY_MAX + TLS_NONCE_LEN)];
    const uint8_t *p = block;

    memcpy(seed, randoms + 32, 32); /* the other way round than for the master secret */
    memcpy(seed + 32, randoms, 32);
    must(mbedtls_ssl_tls_prf(prf, master, master_len, "key expansion", seed, sizeof(seed), block,
                             2 * (s->key_len + iv_len)));
    *ret_client = *ret_server = (struct tls_key){0};
    memcpy(ret_client->key, p, s->key_len);
    memcpy(ret_server->key, p += s->key_len, s->key_len);
    memcpy(ret_client->iv, p += s->key_len, iv_len);
    memcpy(ret_server->iv, p + iv_len, iv_len);
    mem_wipe(block, sizeof(block));
}

/* ---- TLS 1.3 ---- */

/* RFC 8446 section 7.1, with an empty context. */
static void expand_label(const struct tls_suite *s, const uint8_t *secret, const char *label, uint8_t *out, size_t len)
{
    const mbedtls_md_info_t *md = mbedtls_md_info_from_type((mbedtls_md_type_t)s->hash);
    size_t label_len = strlen(label);
    uint8_t info[32] = {0, (uint8_t)len, (uint8_t)(6 + label_len), 't', 'l', 's', '1', '3', ' '};

    assert(9 + label_len + 1 <= sizeof(info));
    memcpy(info + 9, label, label_len);
    must(mbedtls_hkdf_expand(md, secret, mbedtls_md_get_size(md), info, 9 + label_len + 1, out, len));
}

void tls_key_make_1_3(const struct tls_suite *s, const uint8_t *traffic_secret, struct tls_key *ret)
{
    *ret = (struct tls_key){0};
    memcpy(ret->secret, traffic_secret, mbedtls_md_get_size(mbedtls_md_info_from_type((mbedtls_md_type_t)s->hash)));
    expand_label(s, ret->secret, "key", ret->key, s->key_len);
    expand_label(s, ret->secret, "iv", ret->iv, TLS_NONCE_LEN);
}

void tls_key_update(const struct tls_suite *s, struct tls_key *k)
{
    uint8_t next[TLS_SECRET_MAX] = {0};

    expand_label(s, k->secret, "traffic upd", next,
                 mbedtls_md_get_size(mbedtls_md_info_from_type((mbedtls_md_type_t)s->hash)));
    tls_key_make_1_3(s, next, k);
    mem_wipe(next, sizeof(next));
}

/* ---- keys at work ---- */

void tls_cipher_init(struct tls_cipher *c, const struct tls_suite *s, const struct tls_key *k)
{
    c->aead = s->aead;
    if (c->aead == TLS_AES_GCM) {
        mbedtls_gcm_init(&c->gcm);
        must(mbedtls_gcm_setkey(&c->gcm, MBEDTLS_CIPHER_ID_AES, k->key, s->key_len * 8U));
    } else {
        mbedtls_chachapoly_init(&c->chachapoly);
        must(mbedtls_chachapoly_setkey(&c->chachapoly, k->key));
    }
}

void tls_cipher_deinit(struct tls_cipher *c)
{
    if (c->aead == TLS_AES_GCM)
        mbedtls_gcm_free(&c->gcm); /* both wipe what they hold */
    else
        mbedtls_chachapoly_free(&c->chachapoly);
}

void tls_cipher_seal(struct tls_cipher *c, const uint8_t nonce[TLS_NONCE_LEN], const uint8_t *header, size_t header_len,
                     const uint8_t *in, size_t len, uint8_t *out)
{
    if (c->aead == TLS_AES_GCM)
        must(mbedtls_gcm_crypt_and_tag(&c->gcm, MBEDTLS_GCM_ENCRYPT, len, nonce, TLS_NONCE_LEN, header, header_len, in,
                                       out, TLS_TAG_LEN, out + len));
    else
        must(mbedtls_chachapoly_encrypt_and_tag(&c->chachapoly, len, nonce, header, header_len, in, out, out + len));
}

bool tls_cipher_open(struct tls_cipher *c, const uint8_t nonce[TLS_NONCE_LEN], const uint8_t *header, size_t header_len,
                     const uint8_t *in, size_t len, uint8_t *out)
{
    if (c->aead == TLS_AES_GCM)
        return mbedtls_gcm_auth_decrypt(&c->gcm, len, nonce, TLS_NONCE_LEN, header, header_len, in + len, TLS_TAG_LEN,
                                        in, out) == 0;
    return mbedtls_chachapoly_auth_decrypt(&c->chachapoly, len, nonce, header, header_len, in + len, in, out) == 0;
}
