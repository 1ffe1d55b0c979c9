#include "server/stream/credentials.h"

#include <string.h>

#include "common/base64.h"
#include "common/mem.h"
#include "common/record.h"
#include "server/net/worker.h"

/* One byte of version, two times, then for each hash: iterations, length and bytes of the salt, stored key, server key.
 * Numbers are little-endian. A hash without keys has neither iterations nor salt, and its keys are zeros. */
enum { FORMAT = 1 };

bool credentials_has(const struct credentials *c, enum scram_hash h)
{
    return c->keys[h].iterations > 0;
}

void credentials_encode(struct buf *out, const struct credentials *c)
{
    record_put(out, FORMAT, 1);
    record_put(out, (uint64_t)c->created_ms, 8);
    record_put(out, (uint64_t)c->changed_ms, 8);
    for (unsigned h = 0; h < SCRAM_HASHES; h++) {
        const struct scram_keys *k = &c->keys[h];
        size_t len = scram_hash_len((enum scram_hash)h);

        record_put(out, k->iterations, 4);
        record_put(out, k->salt_len, 1);
        buf_append(out, k->salt, k->salt_len);
        buf_append(out, k->stored_key, len);
        buf_append(out, k->server_key, len);
    }
}

int64_t credentials_changed_ms(struct str bytes)
{
    struct record_reader r = {.rest = bytes};

    (void)record_take(&r, 1 + 8); /* format, created_ms */
    return (int64_t)record_take_number(&r, 8);
}

static void take_bytes(struct record_reader *r, uint8_t *out, size_t len)
{
    const char *p = record_take(r, len);

    if (p != NULL)
        memcpy(out, p, len);
}

enum ln_err credentials_decode(struct str bytes, struct credentials *ret)
{
    struct record_reader r = {.rest = bytes};
    struct credentials c = {0};
    bool has_any = false;

    if (record_take_number(&r, 1) != FORMAT)
        return LN_E_CORRUPT;
    c.created_ms = (int64_t)record_take_number(&r, 8);
    c.changed_ms = (int64_t)record_take_number(&r, 8);
    for (unsigned h = 0; h < SCRAM_HASHES; h++) {
        struct scram_keys *k = &c.keys[h];
        size_t len = scram_hash_len((enum scram_hash)h);

        k->iterations = (uint32_t)record_take_number(&r, 4);
        k->salt_len = (uint8_t)record_take_number(&r, 1);
        if ((k->iterations == 0) != (k->salt_len == 0) || k->salt_len > SCRAM_SALT_MAX)
            return LN_E_CORRUPT;
        has_any = has_any || k->iterations > 0;
        take_bytes(&r, k->salt, k->salt_len);
        take_bytes(&r, k->stored_key, len);
        take_bytes(&r, k->server_key, len);
    }
    if (r.is_short || r.rest.len > 0 || !has_any)
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

/* ---- keys from another server ---- */

/* Takes what is in front of `mark` off `*rest`, and the mark; false: there is none. */
static bool cut(struct str *rest, char mark, struct str *ret)
{
    ptrdiff_t at = str_find(*rest, mark);

    if (at < 0)
        return false;
    *ret = str_make(rest->p, (size_t)at);
    *rest = str_make(rest->p + at + 1, rest->len - (size_t)at - 1);
    return true;
}

static bool parse_iterations(struct str text, uint32_t *ret)
{
    uint32_t n = 0;

    if (text.len == 0 || text.len > 9) /* so that it cannot overflow */
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = n * 10 + (uint32_t)(text.p[i] - '0');
    }
    *ret = n;
    return n >= SCRAM_ITERATIONS_MIN && n <= SCRAM_ITERATIONS_MAX;
}

/* How many bytes there are; 0: none, too many, or not base64. */
static size_t parse_bytes(struct str text, uint8_t *out, size_t max)
{
    struct buf b = {0};
    size_t len = base64_decode(&b, text) && b.len <= max ? b.len : 0;

    if (len > 0)
        memcpy(out, b.p, len);
    if (b.len > 0)
        mem_wipe(b.p, b.len);
    buf_deinit(&b);
    return len;
}

static bool hash_of(struct str name, enum scram_hash *ret)
{
    for (unsigned h = 0; h < SCRAM_HASHES; h++) {
        if (str_is(name, scram_hash_name((enum scram_hash)h))) {
            *ret = (enum scram_hash)h;
            return true;
        }
    }
    return false;
}

/* One record: NAME$ITERATIONS:SALT$STOREDKEY:SERVERKEY */
static bool parse_record(struct str rest, struct credentials *c)
{
    struct str name, iterations, salt, stored;
    enum scram_hash h;
    struct scram_keys *k;
    size_t len;

    if (!cut(&rest, '$', &name) || !hash_of(name, &h) || credentials_has(c, h) || !cut(&rest, ':', &iterations) ||
        !cut(&rest, '$', &salt) || !cut(&rest, ':', &stored))
        return false;
    k = &c->keys[h];
    len = scram_hash_len(h);
    k->salt_len = (uint8_t)parse_bytes(salt, k->salt, SCRAM_SALT_MAX);
    return parse_iterations(iterations, &k->iterations) && k->salt_len > 0 &&
           parse_bytes(stored, k->stored_key, len) == len && parse_bytes(rest, k->server_key, len) == len;
}

enum ln_err credentials_parse(struct str text, struct credentials *ret)
{
    struct credentials c = {0};
    struct str record;

    while (cut(&text, ' ', &record))
        if (!parse_record(record, &c))
            return LN_E_INVALID;
    if (!parse_record(text, &c))
        return LN_E_INVALID;
    *ret = c;
    return LN_OK;
}
