/* tests/integration/scram_client.h - the client's side of SCRAM (RFC 5802, 7677), by OpenSSL.
 *
 * Written for these tests alone, so that the server's own code cannot agree with itself about a mistake. A test may
 * change any field between two steps, to see that the server notices. */
#ifndef LINNET_TESTS_SCRAM_CLIENT_H
#define LINNET_TESTS_SCRAM_CLIENT_H

#include "raw.h"

struct scram_client {
    const char *hash;      /* "SHA1", "SHA256" */
    char gs2[64];          /* "n,,", "y,,", "p=tls-exporter,," */
    unsigned char cb[256]; /* channel binding data */
    size_t cb_len;
    char nonce[256]; /* ours first, then the server's with it */
    char *first_bare;
    char *server_first;
    unsigned char server_signature[64];
    unsigned hash_len;
};

/* mechanism: "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", ... */
void scram_client_init(struct scram_client *s, const char *mechanism);
void scram_client_deinit(struct scram_client *s);
/* Takes the binding data of that type from the connection, and names it in the header. False: the connection has none.
 */
bool scram_client_bind(struct scram_client *s, const struct raw *r, const char *type);
/* The messages, base64; the caller frees. */
char *scram_client_first(struct scram_client *s, const char *user);
/* NULL: the server's message makes no sense. */
char *scram_client_final(struct scram_client *s, const char *server_first_base64, const char *password);
/* Has the server shown that it knows the account too? */
bool scram_client_verify(const struct scram_client *s, const char *server_final_base64);

/* All of it, up to <success/> and the server's signature; `cb_type` NULL: without binding. The answer to the last
 * message otherwise. */
const struct node *scram_login(struct raw *r, const char *user, const char *password, const char *mechanism,
                               const char *cb_type);

#endif
