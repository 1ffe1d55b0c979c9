#include "tests/load/sasl.h"

#include "common/base64.h"
#include "common/mem.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

enum { NONCE_BYTES = 18 };

struct sasl {
    enum mechanism mechanism;
    const char *user, *password; /* borrowed */
    struct sasl_keys *keys;      /* borrowed */
    const EVP_MD *hash;          /* NULL for PLAIN */
    unsigned hash_len;
    struct buf first_bare; /* client-first-message-bare */
    size_t nonce_at;       /* where our nonce stands in it */
    unsigned char server_signature[32];
};

static const struct {
    struct str name;
    const EVP_MD *(*hash)(void);
} mechanisms[] = {
    [MECHANISM_PLAIN] = {STR_INIT("PLAIN"), NULL},
    [MECHANISM_SCRAM_SHA_1] = {STR_INIT("SCRAM-SHA-1"), EVP_sha1},
    [MECHANISM_SCRAM_SHA_256] = {STR_INIT("SCRAM-SHA-256"), EVP_sha256},
};

void sasl_keys_deinit(struct sasl_keys *k)
{
    free(k->salt);
    k->salt = NULL;
}

struct str sasl_mechanism_name(enum mechanism m)
{
    return mechanisms[m].name;
}

struct sasl *sasl_new(enum mechanism m, const char *user, const char *password, struct sasl_keys *keys)
{
    struct sasl *s = mem_zalloc(sizeof(*s));

    s->mechanism = m;
    s->user = user;
    s->password = password;
    s->keys = keys;
    if (mechanisms[m].hash != NULL) {
        s->hash = mechanisms[m].hash();
        s->hash_len = (unsigned)EVP_MD_size(s->hash);
    }
    return s;
}

void sasl_free(struct sasl **s)
{
    if (*s == NULL)
        return;
    buf_deinit(&(*s)->first_bare);
    free(*s);
    *s = NULL;
}

void sasl_begin(struct sasl *s, struct buf *out)
{
    struct buf message = {0};
    unsigned char nonce[NONCE_BYTES];

    if (s->hash == NULL) {
        buf_append_char(&message, '\0');
        buf_append_cstr(&message, s->user);
        buf_append_char(&message, '\0');
        buf_append_cstr(&message, s->password);
    } else {
        (void)RAND_bytes(nonce, sizeof(nonce));
        buf_printf(&s->first_bare, "n=%s,r=", s->user);
        s->nonce_at = s->first_bare.len;
        base64_encode(&s->first_bare, str_make((const char *)nonce, sizeof(nonce)));
        buf_append_cstr(&message, "n,,");
        buf_append_str(&message, buf_str(&s->first_bare));
    }
    base64_encode(out, buf_str(&message));
    buf_deinit(&message);
}

/* The value of "<letter>=" in a message of fields with commas between them. */
static struct str field(struct str message, char letter)
{
    while (message.len >= 2) {
        ptrdiff_t comma = str_find(message, ',');
        size_t len = comma < 0 ? message.len : (size_t)comma;
        if (message.p[0] == letter && message.p[1] == '=' && len >= 2)
            return str_make(message.p + 2, len - 2);
        if (comma < 0)
            break;
        message.p += len + 1;
        message.len -= len + 1;
    }
    return (struct str){NULL, 0};
}

static void hmac(const struct sasl *s, const unsigned char *key, struct str data, unsigned char *ret)
{
    unsigned len = s->hash_len;

    (void)HMAC(s->hash, key, (int)s->hash_len, (const unsigned char *)data.p, data.len, ret, &len);
}

/* RFC 5802 section 3, unless the account has them for this very salt already. */
static bool derive_keys(struct sasl *s, struct str salt64, uint32_t iterations)
{
    struct sasl_keys *k = s->keys;
    struct buf salt = {0};
    unsigned char salted[32];

    if (k->salt != NULL && k->iterations == iterations && str_is(salt64, k->salt))
        return true;
    if (!base64_decode(&salt, salt64))
        return false;
    (void)PKCS5_PBKDF2_HMAC(s->password, -1, (const unsigned char *)salt.p, (int)salt.len, (int)iterations, s->hash,
                            (int)s->hash_len, salted);
    buf_deinit(&salt);
    hmac(s, salted, STR("Client Key"), k->client_key);
    hmac(s, salted, STR("Server Key"), k->server_key);
    (void)EVP_Digest(k->client_key, s->hash_len, k->stored_key, NULL, s->hash, NULL);
    free(k->salt);
    k->salt = str_dup(salt64);
    k->iterations = iterations;
    k->is_new = true;
    return true;
}

/* Writes client-final for the server's first message. */
static bool answer_first(struct sasl *s, struct str server_first, struct buf *final)
{
    struct str nonce = field(server_first, 'r'), salt = field(server_first, 's');
    struct str ours = str_make(s->first_bare.p + s->nonce_at, s->first_bare.len - s->nonce_at);
    struct buf signed_text = {0};
    unsigned char proof[32];
    uint64_t iterations;

    if (!str_starts(nonce, ours) || nonce.len == ours.len ||
        !str_to_u64(field(server_first, 'i'), 10000000, &iterations) || iterations == 0 ||
        !derive_keys(s, salt, (uint32_t)iterations))
        return false;
    buf_printf(final, "c=biws,r=%.*s", STR_ARG(nonce));
    buf_append_str(&signed_text, buf_str(&s->first_bare));
    buf_append_char(&signed_text, ',');
    buf_append_str(&signed_text, server_first);
    buf_append_char(&signed_text, ',');
    buf_append_str(&signed_text, buf_str(final));
    hmac(s, s->keys->stored_key, buf_str(&signed_text), proof);
    hmac(s, s->keys->server_key, buf_str(&signed_text), s->server_signature);
    for (unsigned i = 0; i < s->hash_len; i++)
        proof[i] ^= s->keys->client_key[i];
    buf_append_cstr(final, ",p=");
    base64_encode(final, str_make((const char *)proof, s->hash_len));
    buf_deinit(&signed_text);
    return true;
}

bool sasl_answer(struct sasl *s, struct str challenge, struct buf *out)
{
    struct buf message = {0}, final = {0};
    bool ok = s->hash != NULL && base64_decode(&message, challenge) && answer_first(s, buf_str(&message), &final);

    if (ok)
        base64_encode(out, buf_str(&final));
    buf_deinit(&message);
    buf_deinit(&final);
    return ok;
}

bool sasl_finish(struct sasl *s, struct str additional)
{
    struct buf message = {0}, signature = {0};

    if (s->hash == NULL)
        return true;
    bool ok = base64_decode(&message, additional) && base64_decode(&signature, field(buf_str(&message), 'v')) &&
              str_eq(buf_str(&signature), str_make((const char *)s->server_signature, s->hash_len));
    buf_deinit(&message);
    buf_deinit(&signature);
    return ok;
}
