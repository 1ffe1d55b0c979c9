#include "server/net/tls_internal.h"

#include "common/mem.h"

#include <assert.h>
#include <mbedtls/gcm.h>
#include <time.h>
#include <uv.h>

/* A ticket (RFC 5077 section 4, but AEAD): key name 16 · nonce 12 · sealed(made at 8 · fingerprint 32 · session) ·
 * tag 16.
 *
 * Tickets carry the time they were made and the certificate their session began with. mbedTLS leaves a session's age to
 * whoever stores it, and a client that resumes binds its channel to the certificate it saw then: once the certificate
 * has been replaced, the ticket is not taken and a full handshake shows the new one.
 *
 * The session, as mbedTLS writes it, has a byte before it that tells TLS 1.3 from 1.2: 3.6 would resume a session of
 * 1.3 in a handshake of 1.2, whose master secret it takes for zeros. */
enum { NAME_LEN = 16, NONCE_LEN = 12, TIME_LEN = 8, TAG_LEN = 16, KEY_LEN = 32 };
enum { SEALED_AT = NAME_LEN + NONCE_LEN };
enum { LIFETIME_MAX_S = 7 * 24 * 3600 }; /* RFC 8446 section 4.6.1 */

struct ticket_key {
    uint8_t name[NAME_LEN];
    uint8_t key[KEY_LEN];
    uint64_t made_s;
    bool is_set;
};

struct tls_tickets {
    uint32_t lifetime_s;
    /* Held for a copy of a key, on pool threads only: no loop ever waits for it. */
    uv_mutex_t lock;
    struct ticket_key current;  /* seals and opens */
    struct ticket_key previous; /* only opens, until the last ticket it sealed has expired */
};

static uint64_t now_s(void)
{
    struct timespec ts;

    /* Monotonic: a clock that is set does not make tickets valid for longer, and they die with the process anyhow. */
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec;
}

struct tls_tickets *tls_tickets_new(uint32_t lifetime_s)
{
    struct tls_tickets *t = mem_zalloc(sizeof(*t));

    t->lifetime_s = lifetime_s < LIFETIME_MAX_S ? lifetime_s : LIFETIME_MAX_S;
    if (uv_mutex_init(&t->lock) != 0)
        abort();
    return t;
}

void tls_tickets_free(struct tls_tickets **t)
{
    struct tls_tickets *mine = *t;

    *t = NULL;
    if (mine == NULL)
        return;
    uv_mutex_destroy(&mine->lock);
    mem_wipe(mine, sizeof(*mine));
    free(mine);
}

/* Old keys are wiped, not kept for convenience: who takes the machine over later cannot open tickets recorded before.
 * [lock held] */
static bool rotate_if_due(struct tls_tickets *t, uint64_t now)
{
    if (t->previous.is_set && now - t->previous.made_s >= 2 * (uint64_t)t->lifetime_s)
        mem_wipe(&t->previous, sizeof(t->previous));
    if (t->current.is_set && now - t->current.made_s < t->lifetime_s)
        return true;
    if (t->current.is_set && now - t->current.made_s < 2 * (uint64_t)t->lifetime_s)
        t->previous = t->current;
    t->current = (struct ticket_key){.made_s = now};
    t->current.is_set =
        tls_random(NULL, t->current.name, NAME_LEN) == 0 && tls_random(NULL, t->current.key, KEY_LEN) == 0;
    return t->current.is_set;
}

/* Copies the key with this name, or the one to seal with for NULL. False: there is none. */
static bool copy_key(struct tls_tickets *t, uint64_t now, const uint8_t *name, struct ticket_key *ret)
{
    bool is_found;

    uv_mutex_lock(&t->lock);
    is_found = rotate_if_due(t, now);
    if (is_found && (name == NULL || memcmp(name, t->current.name, NAME_LEN) == 0))
        *ret = t->current;
    else if (is_found && t->previous.is_set && memcmp(name, t->previous.name, NAME_LEN) == 0)
        *ret = t->previous;
    else
        is_found = false;
    uv_mutex_unlock(&t->lock);
    return is_found;
}

static bool start_gcm(mbedtls_gcm_context *gcm, struct ticket_key *own_key)
{
    int ret;

    mbedtls_gcm_init(gcm);
    ret = mbedtls_gcm_setkey(gcm, MBEDTLS_CIPHER_ID_AES, own_key->key, KEY_LEN * 8);
    mem_wipe(own_key, sizeof(*own_key));
    return ret == 0;
}

static void put_u64(uint8_t *p, uint64_t n)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(n >> (56 - 8 * i));
}

static uint64_t get_u64(const uint8_t *p)
{
    uint64_t n = 0;

    for (int i = 0; i < 8; i++)
        n = n << 8 | p[i];
    return n;
}

bool tls_ticket_seal(struct tls_tickets *t, uint64_t now, const uint8_t *fingerprint, uint8_t *body, size_t len)
{
    uint8_t *ticket = body - TLS_TICKET_BEFORE, *sealed = ticket + SEALED_AT;
    size_t sealed_len = TIME_LEN + TLS_FINGERPRINT_LEN + len;
    struct ticket_key key;
    mbedtls_gcm_context gcm;
    bool is_ok;

    if (!copy_key(t, now, NULL, &key))
        return false;
    memcpy(ticket, key.name, NAME_LEN);
    put_u64(sealed, now);
    memcpy(sealed + TIME_LEN, fingerprint, TLS_FINGERPRINT_LEN);
    is_ok = start_gcm(&gcm, &key) && tls_random(NULL, ticket + NAME_LEN, NONCE_LEN) == 0 &&
            mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, sealed_len, ticket + NAME_LEN, NONCE_LEN, ticket,
                                      NAME_LEN, sealed, sealed, TAG_LEN, sealed + sealed_len) == 0;
    mbedtls_gcm_free(&gcm);
    return is_ok;
}

bool tls_ticket_open(struct tls_tickets *t, uint64_t now, uint8_t *ticket, size_t len, const uint8_t **ret_fingerprint,
                     uint8_t **ret_body, size_t *ret_len)
{
    uint8_t *sealed = ticket + SEALED_AT;
    struct ticket_key key;
    mbedtls_gcm_context gcm;
    size_t sealed_len;
    bool is_ok;

    if (len < TLS_TICKET_BEFORE + TLS_TICKET_AFTER || !copy_key(t, now, ticket, &key))
        return false;
    sealed_len = len - SEALED_AT - TAG_LEN;
    is_ok =
        start_gcm(&gcm, &key) && mbedtls_gcm_auth_decrypt(&gcm, sealed_len, ticket + NAME_LEN, NONCE_LEN, ticket,
                                                          NAME_LEN, sealed + sealed_len, TAG_LEN, sealed, sealed) == 0;
    mbedtls_gcm_free(&gcm);
    if (!is_ok || now - get_u64(sealed) >= t->lifetime_s)
        return false;
    *ret_fingerprint = sealed + TIME_LEN;
    *ret_body = sealed + TIME_LEN + TLS_FINGERPRINT_LEN;
    *ret_len = sealed_len - TIME_LEN - TLS_FINGERPRINT_LEN;
    return true;
}

int tls_tickets_write(void *tickets, const mbedtls_ssl_session *session, unsigned char *start, const unsigned char *end,
                      size_t *ret_len, uint32_t *ret_lifetime)
{
    struct tls_tickets *t = tickets;
    const struct tls *conn = tls_current();
    const struct tls_transcript *transcript = &conn->handshake->transcript;
    unsigned char *body = start + TLS_TICKET_BEFORE;
    size_t room = (size_t)(end - start), session_len;

    *ret_len = *ret_lifetime = 0; /* in TLS 1.2 the library sends both even when there is no ticket */
    /* RFC 7627 section 5.3: such a session must not go on as if it had the extension, and is better not resumed. */
    if (!transcript->is_1_3 && !transcript->has_extended_master_secret)
        return MBEDTLS_ERR_SSL_BAD_INPUT_DATA;
    if (room < TLS_TICKET_BEFORE + 1 + TLS_TICKET_AFTER)
        return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    body[0] = transcript->is_1_3;
    if (mbedtls_ssl_session_save(session, body + 1, room - TLS_TICKET_BEFORE - 1 - TLS_TICKET_AFTER, &session_len) != 0)
        return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    if (!tls_ticket_seal(t, now_s(), conn->entry->fingerprint, body, 1 + session_len))
        return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    *ret_len = TLS_TICKET_BEFORE + 1 + session_len + TLS_TICKET_AFTER;
    *ret_lifetime = t->lifetime_s;
    return 0;
}

int tls_tickets_parse(void *tickets, mbedtls_ssl_session *session, unsigned char *ticket, size_t len)
{
    struct tls *conn = tls_current();
    const uint8_t *fingerprint;
    uint8_t *body;
    size_t body_len;

    if (!tls_ticket_open(tickets, now_s(), ticket, len, &fingerprint, &body, &body_len))
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    /* The session of another host's certificate, or of one that was replaced. Clients send SNI before the ticket (in
     * TLS 1.3 they must), so the host is known by now; should it change after this, the handshake's end compares again.
     */
    if (memcmp(conn->entry->fingerprint, fingerprint, TLS_FINGERPRINT_LEN) != 0)
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    if (body_len == 0 || mbedtls_ssl_session_load(session, body + 1, body_len - 1) != 0)
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    conn->handshake->resumed = conn->entry;
    conn->handshake->resumed_is_1_3 = body[0] == 1;
    return 0;
}
