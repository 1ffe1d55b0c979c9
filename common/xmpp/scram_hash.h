/* common/xmpp/scram_hash.h - H(), HMAC() and Hi() of RFC 5802 section 2.2, for both hashes.
 *
 * Between scram.c, which talks, and scram_keys.c, which makes keys. mbedTLS fails in none of these but when there is no
 * memory, which ends the process as in common/mem.h. */
#ifndef LINNET_COMMON_XMPP_SCRAM_HASH_H
#define LINNET_COMMON_XMPP_SCRAM_HASH_H

#include "common/xmpp/scram.h"

/* [any] H(str); `out` has scram_hash_len() bytes, as below. */
void scram_h(enum scram_hash h, const uint8_t *in, size_t len, uint8_t *out);

/* [any] HMAC(key, parts one after the other); `key` has scram_hash_len() bytes. */
void scram_hmac(enum scram_hash h, const uint8_t *key, const struct str *parts, size_t n_parts, uint8_t *out);

/* [pool] Hi(str, salt, i), which is PBKDF2 with one block of output. */
void scram_hi(enum scram_hash h, struct str password, struct str salt, uint32_t iterations, uint8_t *out);

#endif
