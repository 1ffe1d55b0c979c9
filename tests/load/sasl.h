/* tests/load/sasl.h - the client's side of PLAIN and SCRAM (RFC 4616, 5802, 7677), by OpenSSL.
 *
 * A real client derives its SCRAM keys once and keeps them (RFC 5802 section 5.1 allows it). So does this one, for each
 * account and salt: only an account's first login pays for PBKDF2, and a warm-up pass takes that out of what is
 * measured. The server's signature is checked, since a server that skips it is no server to be measured. */
#ifndef LINNET_TESTS_LOAD_SASL_H
#define LINNET_TESTS_LOAD_SASL_H

#include "common/buf.h"
#include "tests/load/options.h"

#include <stdbool.h>

/* What an account keeps between logins; zero-initialised: nothing yet. */
struct sasl_keys {
    unsigned char client_key[32], stored_key[32], server_key[32];
    char *salt; /* as the server writes it, base64; owned */
    uint32_t iterations;
    bool is_new; /* derived in this run */
};
void sasl_keys_deinit(struct sasl_keys *k);

struct sasl; /* one exchange */

struct sasl *sasl_new(enum mechanism m, const char *user, const char *password, struct sasl_keys *keys);
void sasl_free(struct sasl **s);
/* "PLAIN", ... */
struct str sasl_mechanism_name(enum mechanism m);
/* Appends the first message, base64. */
void sasl_begin(struct sasl *s, struct buf *out);
/* Appends the answer to a challenge, both base64. False: the challenge makes no sense. */
bool sasl_answer(struct sasl *s, struct str challenge, struct buf *out);
/* Does the server's last word, base64, prove that it knows the account? */
bool sasl_finish(struct sasl *s, struct str additional);

#endif
