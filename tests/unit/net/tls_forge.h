/* tests/unit/net/tls_forge.h - records of any type and content, which the code under test would not make: for
 * test_tls_records.c and fuzz_tls_record.c. */
#ifndef LINNET_TESTS_UNIT_NET_TLS_FORGE_H
#define LINNET_TESTS_UNIT_NET_TLS_FORGE_H

#include "common/buf.h"
#include "common/mem.h"
#include "server/net/tls_records.h"

enum { FORGE_ALERT = 21, FORGE_HANDSHAKE = 22, FORGE_TEXT = 23 };

/* RFC 5246 section 6.2.3.3: sequence, type, version, length of the text. */
static inline void forge_associated_1_2(const uint8_t sequence[8], uint8_t type, size_t len, uint8_t out[13])
{
    memcpy(out, sequence, 8);
    out[8] = type;
    out[9] = out[10] = 3;
    out[11] = (uint8_t)(len >> 8);
    out[12] = (uint8_t)len;
}

/* Appends the next record of the direction to `wire`. `padding` is of TLS 1.3. */
static inline void forge_record(const struct tls_suite *s, struct tls_direction *d, uint8_t type, const void *content,
                                size_t len, size_t padding, struct buf *wire)
{
    bool has_explicit = !s->is_1_3 && s->aead == TLS_AES_GCM;
    size_t inner_len = len + (s->is_1_3 ? 1 + padding : 0), body_len = inner_len + 16 + (has_explicit ? 8 : 0);
    uint8_t *inner = mem_zalloc(inner_len + 16), nonce[12], associated[13] = {0}, sequence[8];
    uint8_t header[5] = {s->is_1_3 ? FORGE_TEXT : type, 3, 3, (uint8_t)(body_len >> 8), (uint8_t)body_len};
    struct tls_cipher c;

    for (int i = 0; i < 8; i++)
        sequence[i] = (uint8_t)(d->sequence >> (56 - 8 * i));
    d->sequence++;
    forge_associated_1_2(sequence, type, len, associated);
    if (s->is_1_3)
        memcpy(associated, header, 5);
    memcpy(nonce, d->key.iv, 12);
    for (int i = 0; i < 8; i++)
        nonce[4 + i] ^= sequence[i];
    if (len > 0)
        memcpy(inner, content, len);
    if (s->is_1_3)
        inner[len] = type;
    tls_cipher_init(&c, s, &d->key);
    tls_cipher_seal(&c, nonce, associated, s->is_1_3 ? 5 : 13, inner, inner_len, inner);
    tls_cipher_deinit(&c);
    buf_append(wire, header, 5);
    if (has_explicit)
        buf_append(wire, sequence, 8);
    buf_append(wire, inner, inner_len + 16);
    free(inner);
}

#endif
