#include "server/stream/credentials.h"

#include <string.h>

#include "server/net/worker.h"

/* One byte of version, two times, then for each hash: iterations, length and bytes of the salt, stored key, server key.
 * Numbers are little-endian. */
enum { FORMAT = 1 };

static void put_number(struct buf *out, uint64_t n, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        buf_append_char(out, (char)(n >> (8 * i)));
}

void credentials_encode(struct buf *out, const struct credentials *c)
{
    put_number(out, FORMAT, 1);
    put_number(out, (uint64_t)c->created_ms, 8);
    put_number(out, (uint64_t)c->changed_ms, 8);
    for (unsigned h = 0; h < SCRAM_HASHES; h++) {
        const struct scram_keys *k = &c->keys[h];
        size_t len = scram_hash_len((enum scram_hash)h);

        put_number(out, k->iterations, 4);
        put_number(out, k->salt_len, 1);
        buf_append(out, k->salt, k->salt_len);
        buf_append(out, k->stored_key, len);
        buf_append(out, k->server_key, len);
    }
}

struct reading {
    struct str rest;
    bool is_short;
};

static const char *take(struct reading *r, size_t len)
{
    const char *p = r->rest.p;

    if (r->rest.len < len) {
        r->is_short = true;
        return NULL;
    }
    r->rest = str_make(p + len, r->rest.len - len);
    return p;
}

static uint64_t take_number(struct reading *r, unsigned bytes)
{
    const char *p = take(r, bytes);
    uint64_t n = 0;

    for (unsigned i = 0; p != NULL && i < bytes; i++)
        n |= (uint64_t)(uint8_t)p[i] << (8 * i);
    return n;
}

static void take_bytes(struct reading *r, uint8_t *out, size_t len)
{
    const char *p = take(r, len);

    if (p != NULL)
        memcpy(out, p, len);
}

enum ln_err credentials_decode(struct str bytes, struct credentials *ret)
{
    struct reading r = {.rest = bytes};
    struct credentials c = {0};

    if (take_number(&r, 1) != FORMAT)
        return LN_E_CORRUPT;
    c.created_ms = (int64_t)take_number(&r, 8);
    c.changed_ms = (int64_t)take_number(&r, 8);
    for (unsigned h = 0; h < SCRAM_HASHES; h++) {
        struct scram_keys *k = &c.keys[h];
        size_t len = scram_hash_len((enum scram_hash)h);

        k->iterations = (uint32_t)take_number(&r, 4);
        k->salt_len = (uint8_t)take_number(&r, 1);
        if (k->iterations == 0 || k->salt_len == 0 || k->salt_len > SCRAM_SALT_MAX)
            return LN_E_CORRUPT;
        take_bytes(&r, k->salt, k->salt_len);
        take_bytes(&r, k->stored_key, len);
        take_bytes(&r, k->server_key, len);
    }
    if (r.is_short || r.rest.len > 0)
        return LN_E_CORRUPT;
    *ret = c;
    return LN_OK;
}

enum ln_err credentials_derive(struct str password, uint32_t iterations, struct credentials *ret)
{
    for (unsigned h = 0; h < SCRAM_HASHES; h++) {
        struct scram_keys *k = &ret->keys[h];
        enum ln_err err;

        k->salt_len = SCRAM_SALT_BYTES;
        k->iterations = iterations;
        random_bytes(k->salt, k->salt_len);
        err = scram_derive((enum scram_hash)h, password, k);
        if (err != LN_OK)
            return err;
    }
    return LN_OK;
}
