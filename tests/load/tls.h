/* tests/load/tls.h - TLS for clients, by OpenSSL: another library than the server's, and a fast one.
 *
 * OpenSSL is given bytes and gives bytes; the sockets are the clients' own. So a wake-up costs one read and one write
 * as without TLS, however many records there are, and an idle connection holds no record buffers. Certificates are not
 * checked: a server under load is mostly one with a certificate it made itself. */
#ifndef LINNET_TESTS_LOAD_TLS_H
#define LINNET_TESTS_LOAD_TLS_H

#include "common/buf.h"

#include <openssl/ssl.h>
#include <stdbool.h>

/* What all connections share. */
struct tls_context {
    SSL_CTX *ctx;
    BIO_METHOD *bio;
    struct str in;  /* ciphertext that has come for the connection at hand; used up by each call */
    struct buf out; /* ciphertext it has to send; the caller sends and clears it */
};

enum tls_result { TLS_OK, TLS_MORE, TLS_END, TLS_FAILED };

/* False: a message was printed. */
bool tls_context_init(struct tls_context *t);
void tls_context_deinit(struct tls_context *t);

/* One connection. `session`, from tls_take_session(), is offered to be resumed; NULL for a full handshake. */
SSL *tls_new(struct tls_context *t, const char *domain, SSL_SESSION *session);
/* Puts in `*session`, freeing what was there, whatever the server sent last to resume by. */
void tls_keep_session(SSL *ssl, SSL_SESSION **session);
/* No alert is sent; what the server gave to resume by stays good. */
void tls_free(SSL **ssl);

/* Goes on with the handshake: TLS_OK when it is done. */
enum tls_result tls_handshake(struct tls_context *t, SSL *ssl);
/* Appends all plaintext there is to `plain`. TLS_END: the server has closed. */
enum tls_result tls_read(SSL *ssl, struct buf *plain);
/* Encrypts into t->out. */
enum tls_result tls_write(SSL *ssl, struct str plain);
/* Says goodbye, into t->out. */
void tls_goodbye(SSL *ssl);
/* What the library has to say about the last failure; borrowed until the next call. */
const char *tls_error(void);

#endif
