/* common/xmpp/scram.h - the server's side of SCRAM (RFC 5802, RFC 7677), and the keys it needs.
 *
 * Pure: text in, text out, with hashes from mbedTLS. Nothing here looks accounts up or waits; PBKDF2 is only in
 * scram_derive(), which takes milliseconds and therefore never runs on a worker's loop. */
#ifndef LINNET_COMMON_XMPP_SCRAM_H
#define LINNET_COMMON_XMPP_SCRAM_H

#include "common/buf.h"
#include "common/err.h"

enum scram_hash { SCRAM_SHA_1, SCRAM_SHA_256, SCRAM_HASHES };
enum {
    SCRAM_KEY_MAX = 32,
    SCRAM_SALT_BYTES = 16,
    SCRAM_SALT_MAX = 64,
    SCRAM_NONCE_BYTES = 24,
    SCRAM_ITERATIONS_MIN = 4096,    /* RFC 7677 section 4 */
    SCRAM_ITERATIONS_MAX = 1000000, /* a second or so for each PLAIN login; more would be a mistake */
    SCRAM_MESSAGE_MAX = 8192,       /* of the client's; room for the longest name, all of it escaped, and an authzid */
};

/* What is stored for one account and hash instead of the password. */
struct scram_keys {
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t stored_key[SCRAM_KEY_MAX];
    uint8_t server_key[SCRAM_KEY_MAX];
    uint32_t iterations;
    uint8_t salt_len;
};

/* [any] 20 or 32 */
size_t scram_hash_len(enum scram_hash h);
/* [any] "SCRAM-SHA-1", "SCRAM-SHA-256" */
const char *scram_hash_name(enum scram_hash h);

/* [pool] Slow on purpose. Fills stored_key and server_key from `password` (prepared as OpaqueString by the caller),
 * with salt and iterations of *keys. LN_E_INVALID: empty password, no salt, or fewer iterations than
 * SCRAM_ITERATIONS_MIN. */
enum ln_err scram_derive(enum scram_hash h, struct str password, struct scram_keys *keys);

/* [any] Keys for accounts that do not exist: the same name always gives the same salt, from `secret`, so that an
 * unknown user looks and costs like a wrong password. */
void scram_fake_keys(enum scram_hash h, struct str username, const uint8_t secret[32], uint32_t iterations,
                     struct scram_keys *ret);

/* Channel binding as the connection has it. `data` is empty for none. */
struct scram_binding {
    struct str type; /* "tls-exporter", "tls-unique", "tls-server-end-point" */
    struct str data;
    struct str other; /* data that is as good, where implementations differ; empty: none */
};

/* One exchange. */
struct scram;

/* What the client's first message said. */
struct scram_first {
    struct str username; /* decoded (=2C, =3D), not prepared; borrowed until scram_free() */
    struct str authzid;  /* likewise; empty if none */
    struct str cb_type;  /* the p= name; empty unless is_plus */
};

/* [any] A new exchange. `is_plus`: the -PLUS mechanism was chosen. `server_offers_plus`: some -PLUS was advertised, so
 * a client that says "y" has been lied to by somebody between (RFC 5802 section 6): refused. `server_nonce`: random,
 * base64. */
struct scram *scram_new(enum scram_hash h, bool is_plus, bool server_offers_plus, struct str server_nonce);
void scram_free(struct scram **s);
/* [any] Reads client-first, once. LN_E_INVALID: malformed (malformed-request), or an extension that must be understood.
 * LN_E_AUTH: downgrade, or "p=" without -PLUS, or the other way round. */
enum ln_err scram_client_first(struct scram *s, struct str message, struct scram_first *ret);
/* [any] Writes server-first with the salt and iterations of `keys`, of which a copy is kept. */
void scram_server_first(struct scram *s, const struct scram_keys *keys, struct buf *out);
/* [any] Checks client-final: nonce, channel binding against `binding` (data of the type that client-first named; NULL
 * or empty data refuses a -PLUS exchange), proof in constant time. LN_E_INVALID: malformed; LN_E_AUTH: wrong. On LN_OK
 * writes server-final ("v=..."). */
enum ln_err scram_client_final(struct scram *s, struct str message, const struct scram_binding *binding,
                               struct buf *out);

/* [any] Checks a password against keys: the slow path of PLAIN. [pool] as scram_derive(). */
bool scram_check_password(enum scram_hash h, struct str password, const struct scram_keys *keys);

#endif
