/* server/stream/credentials.h - what is stored of an account's password: SCRAM keys, never the password.
 *
 * A document (bare JID, CREDENTIALS_COLLECTION, CREDENTIALS_KEY); that it exists means that the account exists. */
#ifndef LINNET_SERVER_STREAM_CREDENTIALS_H
#define LINNET_SERVER_STREAM_CREDENTIALS_H

#include "common/buf.h"
#include "common/err.h"
#include "common/xmpp/scram.h"

#define CREDENTIALS_COLLECTION STR("account")
#define CREDENTIALS_KEY        STR("credentials")

enum { PASSWORD_BYTES_MAX = 1024 }; /* after precis_opaque_string() */

struct credentials {
    /* Of an account that came from another server there may be those of one hash only; see credentials_has(). */
    struct scram_keys keys[SCRAM_HASHES];
    int64_t created_ms; /* wall clock */
    int64_t changed_ms;
};

/* [any] Are there keys for this hash? There are for one at least. */
bool credentials_has(const struct credentials *c, enum scram_hash h);
/* [any] */
void credentials_encode(struct buf *out, const struct credentials *c);
/* [any] LN_E_CORRUPT */
enum ln_err credentials_decode(struct str bytes, struct credentials *ret);
/* [any] Of what credentials_encode() wrote, `changed_ms` only: for who needs no keys. */
int64_t credentials_changed_ms(struct str bytes);
/* [pool] Derives keys for a password that precis_opaque_string() prepared, with fresh salts; the times are the
 * caller's. */
enum ln_err credentials_derive(struct str password, uint32_t iterations, struct credentials *ret);
/* [any] Reads keys as other servers hand them over, in the form of RFC 5803, with one space between those of two
 * hashes: "SCRAM-SHA-1$4096:SALT$STOREDKEY:SERVERKEY SCRAM-SHA-256$...", the last three in base64. LN_E_INVALID: not
 * that, a hash that is not known or comes twice, or iterations that are not SCRAM_ITERATIONS_MIN to
 * SCRAM_ITERATIONS_MAX. The times are the caller's. */
enum ln_err credentials_parse(struct str text, struct credentials *ret);

#endif
