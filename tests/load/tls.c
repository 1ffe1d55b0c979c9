#include "tests/load/tls.h"

#include "common/mem.h"

#include <openssl/err.h>
#include <stdio.h>

static int bio_read(BIO *bio, char *data, size_t len, size_t *ret_len)
{
    struct tls_context *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (t->in.len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *ret_len = len < t->in.len ? len : t->in.len;
    memcpy(data, t->in.p, *ret_len);
    t->in.p += *ret_len;
    t->in.len -= *ret_len;
    return 1;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *ret_len)
{
    struct tls_context *t = BIO_get_data(bio);

    buf_append(&t->out, data, len);
    *ret_len = len;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

bool tls_context_init(struct tls_context *t)
{
    *t = (struct tls_context){.ctx = SSL_CTX_new(TLS_client_method())};
    t->bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bytes");
    if (t->ctx == NULL || t->bio == NULL) {
        fprintf(stderr, "linnet_load: TLS: %s\n", tls_error());
        tls_context_deinit(t);
        return false;
    }
    (void)BIO_meth_set_read_ex(t->bio, bio_read);
    (void)BIO_meth_set_write_ex(t->bio, bio_write);
    (void)BIO_meth_set_ctrl(t->bio, bio_control);
    (void)SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS);
    /* Tickets are kept by the clients themselves. */
    (void)SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_NONE, NULL);
    return true;
}

void tls_context_deinit(struct tls_context *t)
{
    SSL_CTX_free(t->ctx);
    BIO_meth_free(t->bio);
    buf_deinit(&t->out);
    *t = (struct tls_context){0};
}

SSL *tls_new(struct tls_context *t, const char *domain, SSL_SESSION *session)
{
    SSL *ssl = SSL_new(t->ctx);
    BIO *bio = BIO_new(t->bio);

    if (ssl == NULL || bio == NULL) {
        BIO_free(bio);
        SSL_free(ssl);
        return NULL;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_connect_state(ssl);
    /* SSL_set_tlsext_host_name() casts const away, which clang notices. The name is copied. */
    (void)SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)domain);
    if (session != NULL)
        (void)SSL_set_session(ssl, session);
    return ssl;
}

void tls_keep_session(SSL *ssl, SSL_SESSION **session)
{
    SSL_SESSION *newest = SSL_get1_session(ssl);

    if (newest == NULL || !SSL_SESSION_is_resumable(newest)) {
        SSL_SESSION_free(newest);
        return;
    }
    SSL_SESSION_free(*session);
    *session = newest;
}

void tls_free(SSL **ssl)
{
    if (*ssl != NULL)
        SSL_set_shutdown(*ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(*ssl);
    *ssl = NULL;
}

static enum tls_result result_of(SSL *ssl, int result)
{
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_NONE:
        return TLS_OK;
    case SSL_ERROR_WANT_READ:
        return TLS_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_END;
    default:
        return TLS_FAILED;
    }
}

enum tls_result tls_handshake(struct tls_context *t, SSL *ssl)
{
    (void)t;
    ERR_clear_error(); /* SSL_get_error() looks at what earlier calls have left */
    return result_of(ssl, SSL_do_handshake(ssl));
}

enum tls_result tls_read(SSL *ssl, struct buf *plain)
{
    ERR_clear_error();
    for (;;) {
        size_t len;
        int result = SSL_read_ex(ssl, buf_reserve(plain, SSL3_RT_MAX_PLAIN_LENGTH), SSL3_RT_MAX_PLAIN_LENGTH, &len);
        if (result != 1)
            return result_of(ssl, result);
        plain->len += len;
    }
}

enum tls_result tls_write(SSL *ssl, struct str plain)
{
    size_t len;

    ERR_clear_error();
    return result_of(ssl, SSL_write_ex(ssl, plain.p, plain.len, &len));
}

void tls_goodbye(SSL *ssl)
{
    ERR_clear_error();
    (void)SSL_shutdown(ssl);
}

const char *tls_error(void)
{
    static char text[256];

    ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
    return text;
}
