#include "server/stream/user_agent.h"

#include <assert.h>
#include <mbedtls/md.h>
#include <string.h>

#include "common/record.h"

/* One byte of version, three times, the mechanisms, two texts with their lengths, the number of tokens; then for each
 * token its slot, mechanism, times, count and key. Numbers are little-endian. */
enum { FORMAT = 1, SLOT_CURRENT = 0, SLOT_FRESH = 1 };

/* ---- what it is called ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* As many digits as the id has; `hyphens` where a UUID has them, and nowhere else. */
static bool parse_hex(struct str text, bool has_hyphens, uint8_t ret[USER_AGENT_ID_BYTES])
{
    uint8_t id[USER_AGENT_ID_BYTES] = {0};
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        bool is_hyphen = has_hyphens && (i == 8 || i == 13 || i == 18 || i == 23);
        int digit = is_hyphen ? 0 : hex_digit(text.p[i]);

        if ((is_hyphen && text.p[i] != '-') || digit < 0)
            return false;
        if (is_hyphen)
            continue;
        id[n / 2] = (uint8_t)(id[n / 2] << 4 | digit);
        n++;
    }
    memcpy(ret, id, sizeof(id));
    return true;
}

bool user_agent_parse_id(struct str text, uint8_t ret[USER_AGENT_ID_BYTES])
{
    static const uint8_t nobody[USER_AGENT_ID_BYTES];

    return text.len == 36 && parse_hex(text, true, ret) && memcmp(ret, nobody, sizeof(nobody)) != 0;
}

struct str user_agent_key(const uint8_t id[USER_AGENT_ID_BYTES], char out[USER_AGENT_KEY_LEN])
{
    static const char digits[] = "0123456789abcdef";
    char *at = out + sizeof(USER_AGENT_KEY) - 1;

    memcpy(out, USER_AGENT_KEY, sizeof(USER_AGENT_KEY) - 1);
    for (size_t i = 0; i < USER_AGENT_ID_BYTES; i++) {
        *at++ = digits[id[i] >> 4];
        *at++ = digits[id[i] & 15];
    }
    return str_make(out, USER_AGENT_KEY_LEN);
}

/* SHA-256 behind the secret: HMAC would cost twice as much, and guards against nothing here, since so little of the
 * result is shown. */
struct str user_agent_name(const uint8_t secret[32], struct str bare_jid, const uint8_t id[USER_AGENT_ID_BYTES],
                           char out[USER_AGENT_NAME_LEN])
{
    static const char digits[] = "0123456789abcdef", what[] = "user agent";
    mbedtls_md_context_t md;
    uint8_t hash[32];
    bool is_done;

    mbedtls_md_init(&md);
    is_done = mbedtls_md_setup(&md, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 0) == 0 &&
              mbedtls_md_starts(&md) == 0 && mbedtls_md_update(&md, secret, 32) == 0 &&
              mbedtls_md_update(&md, (const unsigned char *)what, sizeof(what)) == 0 &&
              mbedtls_md_update(&md, id, USER_AGENT_ID_BYTES) == 0 &&
              mbedtls_md_update(&md, (const unsigned char *)bare_jid.p, bare_jid.len) == 0 &&
              mbedtls_md_finish(&md, hash) == 0;
    mbedtls_md_free(&md);
    assert(is_done); /* it fails only when there is no memory */
    for (size_t i = 0; i < USER_AGENT_NAME_LEN; i++)
        out[i] = digits[i % 2 == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15];
    return str_make(out, USER_AGENT_NAME_LEN);
}

/* ---- what it says of itself ---- */

/* Whole characters, and in one line. */
static uint8_t copy_text(char out[USER_AGENT_TEXT_MAX], struct str text)
{
    size_t len;

    text = str_trim(text);
    len = text.len;
    if (len > USER_AGENT_TEXT_MAX) {
        len = USER_AGENT_TEXT_MAX;
        while (len > 0 && ((uint8_t)text.p[len] & 0xc0) == 0x80)
            len--;
    }
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)text.p[i] < ' ' || text.p[i] == 0x7f ? ' ' : text.p[i];
    return (uint8_t)len;
}

void user_agent_describe(struct user_agent *ua, struct str software, struct str device)
{
    ua->software_len = copy_text(ua->software, software);
    ua->device_len = copy_text(ua->device, device);
}

/* ---- the document ---- */

static void put_token(struct buf *out, const struct fast_token *t, unsigned slot)
{
    if (!fast_token_exists(t))
        return;
    record_put(out, slot, 1);
    record_put(out, t->mechanism, 1);
    record_put(out, (uint64_t)t->issued_ms, 8);
    record_put(out, (uint64_t)t->expires_ms, 8);
    record_put(out, t->count, 8);
    buf_append(out, t->key, sizeof(t->key));
}

void user_agent_encode(struct buf *out, const struct user_agent *ua)
{
    record_put(out, FORMAT, 1);
    record_put(out, (uint64_t)ua->first_seen_ms, 8);
    record_put(out, (uint64_t)ua->last_seen_ms, 8);
    record_put(out, (uint64_t)ua->password_ms, 8);
    record_put(out, ua->mechanisms, 4);
    record_put(out, ua->software_len, 1);
    buf_append(out, ua->software, ua->software_len);
    record_put(out, ua->device_len, 1);
    buf_append(out, ua->device, ua->device_len);
    put_token(out, &ua->tokens.current, SLOT_CURRENT);
    put_token(out, &ua->tokens.fresh, SLOT_FRESH);
}

static uint8_t take_text(struct record_reader *r, char out[USER_AGENT_TEXT_MAX])
{
    size_t len = (size_t)record_take_number(r, 1);
    const char *p = len <= USER_AGENT_TEXT_MAX ? record_take(r, len) : NULL;

    if (p == NULL) {
        r->is_short = true;
        return 0;
    }
    memcpy(out, p, len);
    return (uint8_t)len;
}

static void take_token(struct record_reader *r, int64_t password_changed_ms, struct fast_tokens *ret)
{
    struct fast_token t = {0};
    uint64_t slot = record_take_number(r, 1);
    const char *key;

    t.mechanism = (uint8_t)record_take_number(r, 1);
    t.issued_ms = (int64_t)record_take_number(r, 8);
    t.expires_ms = (int64_t)record_take_number(r, 8);
    t.count = record_take_number(r, 8);
    key = record_take(r, sizeof(t.key));
    if (key == NULL || t.issued_ms <= password_changed_ms)
        return;
    memcpy(t.key, key, sizeof(t.key));
    if (slot == SLOT_FRESH)
        ret->fresh = t;
    else
        ret->current = t;
}

enum ln_err user_agent_read(const uint8_t id[USER_AGENT_ID_BYTES], struct str bytes, int64_t password_changed_ms,
                            struct user_agent *ret)
{
    struct record_reader r = {.rest = bytes};

    if (record_take_number(&r, 1) != FORMAT)
        return LN_E_CORRUPT;
    memset(&ret->tokens, 0, sizeof(ret->tokens));
    memcpy(ret->id, id, sizeof(ret->id));
    ret->first_seen_ms = (int64_t)record_take_number(&r, 8);
    ret->last_seen_ms = (int64_t)record_take_number(&r, 8);
    ret->password_ms = (int64_t)record_take_number(&r, 8);
    ret->mechanisms = (uint32_t)record_take_number(&r, 4);
    ret->software_len = take_text(&r, ret->software);
    ret->device_len = take_text(&r, ret->device);
    while (r.rest.len > 0)
        take_token(&r, password_changed_ms, &ret->tokens);
    return r.is_short ? LN_E_CORRUPT : LN_OK;
}

enum ln_err user_agent_decode(struct str key, struct str bytes, int64_t password_changed_ms, struct user_agent *ret)
{
    uint8_t id[USER_AGENT_ID_BYTES];
    size_t prefix_len = sizeof(USER_AGENT_KEY) - 1;

    if (key.len != USER_AGENT_KEY_LEN || !str_starts(key, STR(USER_AGENT_KEY)) ||
        !parse_hex(str_make(key.p + prefix_len, key.len - prefix_len), false, id))
        return LN_E_INVALID;
    return user_agent_read(id, bytes, password_changed_ms, ret);
}
