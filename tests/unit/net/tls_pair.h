/* tests/unit/net/tls_pair.h - a TLS client in memory, certificates made to order, and a way to join both ends.
 *
 * The client is mbedTLS's own, driven here without any of the code under test. Included by the test_tls_*.c programs,
 * which are one source file each. */
#ifndef LINNET_TESTS_UNIT_NET_TLS_PAIR_H
#define LINNET_TESTS_UNIT_NET_TLS_PAIR_H

#include "common/buf.h"
#include "common/mem.h"
#include "server/net/mbedtls_compat.h"
#include "server/net/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <mbedtls/asn1.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/rsa.h>

/* ---- files ---- */

struct test_dir {
    char path[64];
    char names[64][96]; /* what is to be removed */
    unsigned n;
};

static inline void dir_init(struct test_dir *d)
{
    memset(d, 0, sizeof(*d));
    snprintf(d->path, sizeof(d->path), "/tmp/linnet-test-tls-XXXXXX");
    assert_non_null(mkdtemp(d->path));
}

/* The path of a file in the directory, which need not exist. Valid as long as the directory. */
static inline const char *dir_file(struct test_dir *d, const char *name)
{
    char path[sizeof(d->names[0])];

    snprintf(path, sizeof(path), "%.60s/%.30s", d->path, name);
    for (unsigned i = 0; i < d->n; i++) {
        if (strcmp(d->names[i], path) == 0)
            return d->names[i];
    }
    assert_true(d->n < ARRAY_LEN(d->names));
    memcpy(d->names[d->n], path, sizeof(path));
    return d->names[d->n++];
}

static inline void dir_deinit(struct test_dir *d)
{
    for (unsigned i = 0; i < d->n; i++)
        (void)unlink(d->names[i]);
    assert_int_equal(rmdir(d->path), 0);
}

static inline void file_write(const char *path, const char *text, const char *mode)
{
    FILE *f = fopen(path, mode);

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* ---- certificates ---- */

struct certificate_spec {
    const char *file;           /* FILE.crt and FILE.key in the directory */
    const char *name;           /* the only subjectAltName; NULL: none */
    const char *subject;        /* NULL: CN=test */
    const char *issuer;         /* NULL: the subject */
    unsigned rsa_bits;          /* 0: elliptic curve */
    mbedtls_ecp_group_id curve; /* 0: P-256 */
    mbedtls_md_type_t md;       /* 0: SHA-256 */
    const char *from, *to;      /* YYYYMMDDhhmmss; NULL: 2020 to 2049 */
};

static inline void make_test_key(mbedtls_pk_context *key, const struct certificate_spec *spec)
{
    mbedtls_pk_type_t type = spec->rsa_bits > 0 ? MBEDTLS_PK_RSA : MBEDTLS_PK_ECKEY;
    mbedtls_ecp_group_id curve = spec->curve != MBEDTLS_ECP_DP_NONE ? spec->curve : MBEDTLS_ECP_DP_SECP256R1;

    mbedtls_pk_init(key);
    assert_int_equal(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(type)), 0);
    if (spec->rsa_bits > 0)
        assert_int_equal(mbedtls_rsa_gen_key(mbedtls_pk_rsa(*key), tls_random, NULL, spec->rsa_bits, 65537), 0);
    else
        assert_int_equal(mbedtls_ecp_gen_key(curve, mbedtls_pk_ec(*key), tls_random, NULL), 0);
}

static inline void set_test_name(mbedtls_x509write_cert *crt, const char *name)
{
    uint8_t der[80] = {MBEDTLS_ASN1_SEQUENCE | MBEDTLS_ASN1_CONSTRUCTED};
    size_t len = strlen(name);

    assert_true(len < 70);
    der[1] = (uint8_t)(len + 2);
    der[2] = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2;
    der[3] = (uint8_t)len;
    memcpy(der + 4, name, len);
    assert_int_equal(mbedtls_x509write_crt_set_extension(crt, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                                         MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, der,
                                                         len + 4),
                     0);
}

static inline struct tls_host make_certificate(struct test_dir *d, struct certificate_spec spec)
{
    mbedtls_pk_context key;
    mbedtls_x509write_cert crt;
    unsigned char serial[] = {0x42}, pem[8192];
    const char *subject = spec.subject != NULL ? spec.subject : "CN=test";
    char name[40];
    struct tls_host host = {.name = str_of(spec.name)};

    make_test_key(&key, &spec);
    mbedtls_x509write_crt_init(&crt);
    mbedtls_x509write_crt_set_version(&crt, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&crt, spec.md != MBEDTLS_MD_NONE ? spec.md : MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&crt, &key);
    mbedtls_x509write_crt_set_issuer_key(&crt, &key);
    assert_int_equal(mbedtls_x509write_crt_set_subject_name(&crt, subject), 0);
    assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&crt, spec.issuer != NULL ? spec.issuer : subject), 0);
    assert_int_equal(compat_certificate_set_serial(&crt, serial, sizeof(serial)), 0);
    assert_int_equal(mbedtls_x509write_crt_set_validity(&crt, spec.from != NULL ? spec.from : "20200101000000",
                                                        spec.to != NULL ? spec.to : "20491231000000"),
                     0);
    if (spec.name != NULL)
        set_test_name(&crt, spec.name);
    assert_int_equal(mbedtls_x509write_crt_pem(&crt, pem, sizeof(pem), tls_random, NULL), 0);
    snprintf(name, sizeof(name), "%.30s.crt", spec.file);
    host.certificate_path = dir_file(d, name);
    file_write(host.certificate_path, (const char *)pem, "w");
    assert_int_equal(mbedtls_pk_write_key_pem(&key, pem, sizeof(pem)), 0);
    snprintf(name, sizeof(name), "%.30s.key", spec.file);
    host.key_path = dir_file(d, name);
    file_write(host.key_path, (const char *)pem, "w");
    mbedtls_x509write_crt_free(&crt);
    mbedtls_pk_free(&key);
    return host;
}

/* The DER of a file's first certificate. */
static inline void load_der(const char *path, struct buf *out)
{
    mbedtls_x509_crt crt;

    mbedtls_x509_crt_init(&crt);
    assert_int_equal(mbedtls_x509_crt_parse_file(&crt, path), 0);
    buf_append(out, crt.raw.p, crt.raw.len);
    mbedtls_x509_crt_free(&crt);
}

/* ---- the client ---- */

enum { TLS_1_2 = 2, TLS_1_3 = 3 };

struct client_options {
    int version;     /* 0: any */
    const char *sni; /* NULL: none */
    const char *alpn[3];
    int suite; /* 0: any */
    bool no_extended_master_secret;
    bool no_tickets;
    mbedtls_ssl_session *resume;
};

struct client {
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config conf;
    int suites[2];
    const char *alpn[3];
    struct buf in, out;
    int result; /* of the handshake: 0 done, MBEDTLS_ERR_SSL_WANT_READ under way */
};

static inline int client_send(void *arg, const unsigned char *p, size_t len)
{
    buf_append(&((struct client *)arg)->out, p, len);
    return (int)len;
}

static inline int client_receive(void *arg, unsigned char *p, size_t len)
{
    struct client *c = arg;
    size_t n = c->in.len < len ? c->in.len : len;

    if (n == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(p, c->in.p, n);
    buf_consume(&c->in, n);
    return (int)n;
}

#if COMPAT_HAS_TLS_1_3
static inline void client_set_version(struct client *c, int version)
{
    if (version == TLS_1_2)
        mbedtls_ssl_conf_max_tls_version(&c->conf, MBEDTLS_SSL_VERSION_TLS1_2);
    if (version == TLS_1_3)
        mbedtls_ssl_conf_min_tls_version(&c->conf, MBEDTLS_SSL_VERSION_TLS1_3);
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(&c->conf,
                                                             MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
}

/* TLS 1.3 sends its tickets behind the handshake. */
static inline bool client_is_ticket(int ret)
{
    return ret == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
}
#else
static inline void client_set_version(struct client *c, int version)
{
    (void)c;
    assert_int_not_equal(version, TLS_1_3);
}

static inline bool client_is_ticket(int ret)
{
    (void)ret;
    return false;
}
#endif

static inline void client_init(struct client *c, struct client_options o)
{
    memset(c, 0, sizeof(*c));
    mbedtls_ssl_init(&c->ssl);
    mbedtls_ssl_config_init(&c->conf);
    assert_int_equal(mbedtls_ssl_config_defaults(&c->conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_rng(&c->conf, tls_random, NULL);
    mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_NONE);
    client_set_version(c, o.version);
    if (o.suite != 0) {
        c->suites[0] = o.suite;
        mbedtls_ssl_conf_ciphersuites(&c->conf, c->suites);
    }
    if (o.alpn[0] != NULL) {
        memcpy(c->alpn, o.alpn, sizeof(c->alpn));
        assert_int_equal(mbedtls_ssl_conf_alpn_protocols(&c->conf, c->alpn), 0);
    }
    if (o.no_extended_master_secret)
        mbedtls_ssl_conf_extended_master_secret(&c->conf, MBEDTLS_SSL_EXTENDED_MS_DISABLED);
    if (o.no_tickets)
        mbedtls_ssl_conf_session_tickets(&c->conf, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
    assert_int_equal(mbedtls_ssl_setup(&c->ssl, &c->conf), 0);
    assert_int_equal(mbedtls_ssl_set_hostname(&c->ssl, o.sni), 0);
    if (o.resume != NULL)
        assert_int_equal(mbedtls_ssl_set_session(&c->ssl, o.resume), 0);
    mbedtls_ssl_set_bio(&c->ssl, c, client_send, client_receive, NULL);
    c->result = MBEDTLS_ERR_SSL_WANT_READ;
}

static inline void client_deinit(struct client *c)
{
    mbedtls_ssl_free(&c->ssl);
    mbedtls_ssl_config_free(&c->conf);
    buf_deinit(&c->in);
    buf_deinit(&c->out);
}

/* ---- both ends ---- */

static inline void move_bytes(struct buf *from, struct buf *to)
{
    buf_append_str(to, buf_str(from));
    buf_clear(from);
}

/* Runs the handshake to its end, success or not; the result is the server's. `step` is how many bytes at a time reach
 * the server, 0: all there are. */
static inline enum tls_state join(struct client *c, struct tls *server, size_t step)
{
    enum tls_state state = TLS_WANTS_INPUT;

    do {
        if (c->result == MBEDTLS_ERR_SSL_WANT_READ)
            c->result = mbedtls_ssl_handshake(&c->ssl);
        while (c->out.len > 0 && state == TLS_WANTS_INPUT) {
            size_t n = step > 0 && step < c->out.len ? step : c->out.len;

            assert_int_equal(tls_feed(server, str_make(c->out.p, n)), LN_OK);
            buf_consume(&c->out, n);
            state = tls_handshake(server);
        }
        move_bytes(tls_output(server), &c->in);
    } while (c->in.len > 0 && c->result == MBEDTLS_ERR_SSL_WANT_READ);
    return state;
}

/* Sends from the client and takes all of it out of the server. */
static inline enum tls_state send_to_server(struct client *c, struct tls *server, const char *text, struct buf *plain)
{
    enum tls_state state;

    assert_int_equal(mbedtls_ssl_write(&c->ssl, (const unsigned char *)text, strlen(text)), (int)strlen(text));
    assert_int_equal(tls_feed(server, buf_str(&c->out)), LN_OK);
    state = tls_read(server, plain, 65536);
    buf_clear(&c->out);
    return state;
}

/* What the client decrypts of all that the server has sent; returns the library's last result. In 3.6 a client that
 * found a ticket says "wants to read" first, though there is more at hand. */
static inline int receive_from_server(struct client *c, struct tls *server, struct buf *plain)
{
    int ret;

    move_bytes(tls_output(server), &c->in);
    do {
        ret = mbedtls_ssl_read(&c->ssl, (unsigned char *)buf_reserve(plain, 16384), 16384);
        if (ret > 0)
            plain->len += (size_t)ret;
    } while (ret > 0 || (ret == MBEDTLS_ERR_SSL_WANT_READ && (c->in.len > 0 || mbedtls_ssl_check_pending(&c->ssl))));
    return ret;
}

/* The session a client would resume with; to be freed with mbedtls_ssl_session_free(). */
static inline void client_take_session(struct client *c, struct tls *server, mbedtls_ssl_session *ret)
{
    struct buf plain = {0};

    mbedtls_ssl_session_init(ret);
    if (strcmp(tls_version_name(server), "1.3") == 0)
        assert_true(client_is_ticket(receive_from_server(c, server, &plain)));
    assert_int_equal(mbedtls_ssl_get_session(&c->ssl, ret), 0);
    buf_deinit(&plain);
}

static inline struct tls_context *make_context(const struct tls_host *hosts, size_t n, struct tls_tickets *tickets)
{
    struct tls_context *ctx = NULL;
    char error[256], warning[256];

    if (tls_context_new(hosts, n, tickets, &ctx, error, warning) != LN_OK)
        fail_msg("no context: %s", error);
    return ctx;
}

#endif
