/* server/net/tls_keys.h - the cipher suites, and the keys that protect the records of a connection.
 *
 * One table says which suites are offered and how each protects its records, so no suite can be agreed on that
 * tls_records.c does not know. The keys are made from the secrets that the library exports at the end of a handshake
 * (RFC 5246 section 6.3, RFC 8446 section 7.3). Pure: no connection, no I/O. TLS 1.3 is understood here even where the
 * library does not negotiate it. */
#ifndef LINNET_SERVER_NET_TLS_KEYS_H
#define LINNET_SERVER_NET_TLS_KEYS_H

#include "server/net/mbedtls_compat.h"

#include <mbedtls/chachapoly.h>
#include <mbedtls/gcm.h>
#include <mbedtls/md.h>
#include <stddef.h>
#include <stdint.h>

enum { TLS_KEY_MAX = 32, TLS_NONCE_LEN = 12, TLS_TAG_LEN = 16, TLS_SECRET_MAX = 48, TLS_SUITES_MAX = 16 };

enum tls_aead { TLS_AES_GCM, TLS_CHACHA20_POLY1305 };

struct tls_suite {
    uint16_t id; /* IANA's number */
    bool is_1_3;
    uint8_t aead; /* enum tls_aead */
    uint8_t key_len;
    uint8_t hash; /* mbedtls_md_type_t: of the key schedule */
};

/* NULL: not one of ours. */
const struct tls_suite *tls_suite_find(int id);
/* The suites that this library can negotiate, as it wants them: the best first, 0 at the end. */
void tls_suites_list(int ids[TLS_SUITES_MAX + 1]);

/* What protects the records of one direction. Wiped by its owner. */
struct tls_key {
    uint8_t key[TLS_KEY_MAX];
    uint8_t iv[TLS_NONCE_LEN];      /* combined with the sequence number by XOR, whatever the suite */
    uint8_t secret[TLS_SECRET_MAX]; /* TLS 1.3: what the key after this one is made from */
};

/* `randoms`: the client's, then the server's. */
void tls_keys_make_1_2(const struct tls_suite *s, mbedtls_tls_prf_types prf, const uint8_t *master, size_t master_len,
                       const uint8_t randoms[64], struct tls_key *ret_client, struct tls_key *ret_server);
/* `traffic_secret` is as long as the suite's hash. */
void tls_key_make_1_3(const struct tls_suite *s, const uint8_t *traffic_secret, struct tls_key *ret);
/* TLS 1.3: the next key, after a KeyUpdate (RFC 8446 section 7.2). */
void tls_key_update(const struct tls_suite *s, struct tls_key *k);

/* A key at work. Setting one up costs 0.2 us, a record of 200 bytes 1 us, and a schedule 730 bytes: a connection keeps
 * its keys, and a cipher only as long as a call that reads or writes records. */
struct tls_cipher {
    uint8_t aead;
    union {
        mbedtls_gcm_context gcm;
        mbedtls_chachapoly_context chachapoly;
    };
};

void tls_cipher_init(struct tls_cipher *c, const struct tls_suite *s, const struct tls_key *k);
void tls_cipher_deinit(struct tls_cipher *c);
/* `out` may be `in`, else they are apart; the tag goes behind. */
void tls_cipher_seal(struct tls_cipher *c, const uint8_t nonce[TLS_NONCE_LEN], const uint8_t *header, size_t header_len,
                     const uint8_t *in, size_t len, uint8_t *out);
/* `len` without the tag, which comes behind. False: forged or damaged, and `out` holds nothing of it. */
bool tls_cipher_open(struct tls_cipher *c, const uint8_t nonce[TLS_NONCE_LEN], const uint8_t *header, size_t header_len,
                     const uint8_t *in, size_t len, uint8_t *out);

#endif
