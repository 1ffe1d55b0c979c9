#include "common/mem.h"
#include "common/xmpp/scram_hash.h"

static struct str bytes(const uint8_t *p, size_t len)
{
    return str_make((const char *)p, len);
}

/* RFC 5802 section 3, from SaltedPassword down to what is stored. */
static void derive(enum scram_hash h, struct str password, struct scram_keys *keys)
{
    uint8_t salted_password[SCRAM_KEY_MAX], client_key[SCRAM_KEY_MAX];

    scram_hi(h, password, bytes(keys->salt, keys->salt_len), keys->iterations, salted_password);
    scram_hmac(h, salted_password, &STR("Client Key"), 1, client_key);
    scram_h(h, client_key, scram_hash_len(h), keys->stored_key);
    scram_hmac(h, salted_password, &STR("Server Key"), 1, keys->server_key);
    mem_wipe(salted_password, sizeof(salted_password));
    mem_wipe(client_key, sizeof(client_key));
}

/* Keys read from storage may say anything. */
static bool can_derive(struct str password, const struct scram_keys *keys)
{
    return password.len > 0 && keys->iterations > 0 && keys->salt_len > 0 && keys->salt_len <= SCRAM_SALT_MAX;
}

enum ln_err scram_derive(enum scram_hash h, struct str password, struct scram_keys *keys)
{
    if (!can_derive(password, keys) || keys->iterations < SCRAM_ITERATIONS_MIN)
        return LN_E_INVALID;
    derive(h, password, keys);
    return LN_OK;
}

bool scram_check_password(enum scram_hash h, struct str password, const struct scram_keys *keys)
{
    struct scram_keys mine = *keys;
    size_t len = scram_hash_len(h);
    bool is_right;

    if (!can_derive(password, keys))
        return false;
    derive(h, password, &mine);
    is_right = str_eq_secret(bytes(mine.stored_key, len), bytes(keys->stored_key, len));
    mem_wipe(&mine, sizeof(mine));
    return is_right;
}

/* 32 bytes that look random to who does not know `secret`, and are different for each purpose, hash and name. */
static void fake_bytes(const char *purpose, enum scram_hash h, struct str username, const uint8_t secret[32],
                       uint8_t out[32])
{
    const struct str parts[] = {str_of(purpose), str_of(scram_hash_name(h)), STR(" "), username};

    scram_hmac(SCRAM_SHA_256, secret, parts, ARRAY_LEN(parts), out);
}

void scram_fake_keys(enum scram_hash h, struct str username, const uint8_t secret[32], uint32_t iterations,
                     struct scram_keys *ret)
{
    uint8_t salt[32];

    *ret = (struct scram_keys){.iterations = iterations, .salt_len = SCRAM_SALT_BYTES};
    fake_bytes("salt ", h, username, secret, salt);
    memcpy(ret->salt, salt, SCRAM_SALT_BYTES);
    fake_bytes("stored key ", h, username, secret, ret->stored_key);
    fake_bytes("server key ", h, username, secret, ret->server_key);
}
