/* tests/load/tls_handshake.c - linnet_handshake: what a TLS handshake costs a server, alone.
 *
 * A login over TLS is mostly its handshake, and a handshake mostly the library's arithmetic. This program says how much
 * that is on this machine, so that the rest of a login can be judged: it runs handshakes in memory, in one thread, and
 * counts the server's CPU only. Each is done twice in turn, so that noise hits both alike: bare (mbedTLS with the
 * server's suites, groups and versions, its own tickets, nothing of ours around it) and by the server's own code, which
 * chooses the host by SNI, makes channel bindings and takes the keys over. The client is OpenSSL. */
#include "common/mem.h"
#include "server/net/mbedtls_compat.h"
#include "server/net/tls.h"
#include "server/net/tls_keys.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <mbedtls/ssl_ticket.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define HOST "localhost"

enum { WARM_UP = 3, COUNT_DEFAULT = 100 };

static void die(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(3);
}

static void need(bool is_ok, const char *what)
{
    if (!is_ok)
        die("linnet_handshake: %s did not work", what);
}

/* ---- certificates ---- */

struct certificate {
    const char *name;
    char certificate_path[64], key_path[64];
};

static void make_certificate(struct certificate *c, const char *dir, bool is_rsa)
{
    EVP_PKEY *key = is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    X509 *crt = X509_new();
    X509_NAME *name = X509_get_subject_name(crt);
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:" HOST);
    FILE *f;

    c->name = is_rsa ? "RSA-2048" : "P-256";
    (void)snprintf(c->certificate_path, sizeof(c->certificate_path), "%s/%s.crt", dir, c->name);
    (void)snprintf(c->key_path, sizeof(c->key_path), "%s/%s.key", dir, c->name);
    need(key != NULL && san != NULL, "making a key");
    X509_set_version(crt, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(crt), 1);
    X509_gmtime_adj(X509_getm_notBefore(crt), -3600);
    X509_gmtime_adj(X509_getm_notAfter(crt), 90 * 24 * 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)HOST, -1, -1, 0);
    X509_set_issuer_name(crt, name);
    X509_set_pubkey(crt, key);
    X509_add_ext(crt, san, -1);
    need(X509_sign(crt, key, EVP_sha256()) != 0, "signing a certificate");
    f = fopen(c->certificate_path, "w");
    need(f != NULL && PEM_write_X509(f, crt) == 1 && fclose(f) == 0, "writing a certificate");
    f = fopen(c->key_path, "w");
    need(f != NULL && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(f) == 0, "writing a key");
    X509_EXTENSION_free(san);
    X509_free(crt);
    EVP_PKEY_free(key);
}

/* ---- the two servers: one handshake each, fed and emptied through buffers ---- */

struct server {
    const char *name;
    void *(*begin)(void *shared);
    /* True: done. Takes all of `in`, appends to `out`. */
    bool (*step)(void *connection, struct buf *in, struct buf *out);
    void (*end)(void *connection);
};

struct bare {
    mbedtls_ssl_config conf;
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    mbedtls_ssl_ticket_context tickets;
    int suites[TLS_SUITES_MAX + 1];
};

struct bare_connection {
    mbedtls_ssl_context ssl;
    struct buf *in, *out;
};

static void bare_init(struct bare *b, const struct certificate *c)
{
    mbedtls_ssl_config_init(&b->conf);
    mbedtls_x509_crt_init(&b->chain);
    mbedtls_pk_init(&b->key);
    mbedtls_ssl_ticket_init(&b->tickets);
    need(mbedtls_x509_crt_parse_file(&b->chain, c->certificate_path) == 0, "reading a certificate");
    need(compat_key_parse_file(&b->key, c->key_path) == 0, "reading a key");
    need(mbedtls_ssl_config_defaults(&b->conf, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                     MBEDTLS_SSL_PRESET_DEFAULT) == 0,
         "the configuration");
    compat_conf_versions(&b->conf);
    compat_conf_groups_and_signatures(&b->conf);
    tls_suites_list(b->suites);
    mbedtls_ssl_conf_ciphersuites(&b->conf, b->suites);
    mbedtls_ssl_conf_authmode(&b->conf, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_rng(&b->conf, tls_random, NULL);
    need(mbedtls_ssl_ticket_setup(&b->tickets, tls_random, NULL, MBEDTLS_CIPHER_AES_256_GCM, 3600) == 0, "tickets");
    mbedtls_ssl_conf_session_tickets_cb(&b->conf, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, &b->tickets);
    need(mbedtls_ssl_conf_own_cert(&b->conf, &b->chain, &b->key) == 0, "the certificate");
}

static void bare_deinit(struct bare *b)
{
    mbedtls_ssl_config_free(&b->conf);
    mbedtls_ssl_ticket_free(&b->tickets);
    mbedtls_pk_free(&b->key);
    mbedtls_x509_crt_free(&b->chain);
}

static int bare_receive(void *arg, unsigned char *to, size_t len)
{
    struct bare_connection *c = arg;
    size_t n = c->in->len < len ? c->in->len : len;

    if (n == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(to, c->in->p, n);
    buf_consume(c->in, n);
    return (int)n;
}

static int bare_send(void *arg, const unsigned char *p, size_t len)
{
    struct bare_connection *c = arg;

    buf_append(c->out, p, len);
    return (int)len;
}

static void *bare_begin(void *shared)
{
    struct bare_connection *c = mem_zalloc(sizeof(*c));
    struct bare *b = shared;

    mbedtls_ssl_init(&c->ssl);
    need(mbedtls_ssl_setup(&c->ssl, &b->conf) == 0, "a bare connection");
    mbedtls_ssl_set_bio(&c->ssl, c, bare_send, bare_receive, NULL);
    return c;
}

static bool bare_step(void *connection, struct buf *in, struct buf *out)
{
    struct bare_connection *c = connection;
    int ret;

    c->in = in;
    c->out = out;
    ret = mbedtls_ssl_handshake(&c->ssl);
    need(ret == 0 || ret == MBEDTLS_ERR_SSL_WANT_READ, "a bare handshake");
    return ret == 0;
}

static void bare_end(void *connection)
{
    struct bare_connection *c = connection;

    mbedtls_ssl_free(&c->ssl);
    free(c);
}

static void *own_begin(void *shared)
{
    return tls_new(shared, false, STR(HOST));
}

static bool own_step(void *connection, struct buf *in, struct buf *out)
{
    enum tls_state state;

    need(tls_feed(connection, buf_str(in)) == LN_OK, "feeding");
    buf_clear(in);
    state = tls_handshake(connection);
    need(state != TLS_FAILED, "a handshake");
    buf_append_str(out, buf_str(tls_output(connection)));
    buf_clear(tls_output(connection));
    return state == TLS_READY;
}

static void own_end(void *connection)
{
    struct tls *t = connection;

    tls_free(&t);
}

enum { BARE, OWN, N_SERVERS };
static const struct server servers[N_SERVERS] = {
    [BARE] = {"bare", bare_begin, bare_step, bare_end},
    [OWN] = {"server", own_begin, own_step, own_end},
};

/* ---- the client, and one handshake ---- */

static double cpu_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static SSL *client_new(SSL_CTX *ctx, SSL_SESSION *resume)
{
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    char name[] = HOST;

    need(ssl != NULL && in != NULL && out != NULL, "a client");
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    SSL_set_tlsext_host_name(ssl, name);
    if (resume != NULL)
        SSL_set_session(ssl, resume);
    return ssl;
}

static void move_from_client(SSL *ssl, struct buf *to)
{
    char *p;
    long len = BIO_get_mem_data(SSL_get_wbio(ssl), &p);

    if (len > 0)
        buf_append(to, p, (size_t)len);
    (void)BIO_reset(SSL_get_wbio(ssl));
}

static void move_to_client(SSL *ssl, struct buf *from)
{
    if (from->len > 0)
        (void)BIO_write(SSL_get_rbio(ssl), from->p, (int)from->len);
    buf_clear(from);
}

/* The server's CPU in ms. `resume`: NULL for a full handshake. `ret_session`: what the client may resume with next;
 * NULL: not wanted. */
static double run_one(const struct server *s, void *shared, SSL_CTX *client, SSL_SESSION *resume,
                      SSL_SESSION **ret_session)
{
    SSL *ssl = client_new(client, resume);
    struct buf up = {0}, down = {0};
    void *connection = NULL;
    bool is_done = false;
    double total = 0, since;
    char byte;

    while (!is_done) {
        (void)SSL_do_handshake(ssl);
        move_from_client(ssl, &up);
        need(up.len > 0, "the client's part");
        since = cpu_ms();
        if (connection == NULL)
            connection = s->begin(shared);
        is_done = s->step(connection, &up, &down);
        total += cpu_ms() - since;
        move_to_client(ssl, &down);
    }
    (void)SSL_do_handshake(ssl);
    (void)SSL_read(ssl, &byte, 1); /* tickets of TLS 1.3 */
    need(SSL_is_init_finished(ssl) && SSL_session_reused(ssl) == (resume != NULL), "resuming, or not");
    since = cpu_ms();
    s->end(connection);
    total += cpu_ms() - since;
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* else OpenSSL takes the ticket for spoilt */
    if (ret_session != NULL)
        *ret_session = SSL_get1_session(ssl);
    SSL_free(ssl);
    buf_deinit(&up);
    buf_deinit(&down);
    return total;
}

/* ---- measuring ---- */

struct options {
    int count;
    bool is_json;
};

struct combination {
    int version; /* OpenSSL's */
    const struct certificate *certificate;
    const char *groups; /* what the client offers, what it likes best first */
    bool is_resumed;
};

static int compare_ms(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *samples, int n)
{
    qsort(samples, (size_t)n, sizeof(*samples), compare_ms);
    return samples[n / 2];
}

static SSL_CTX *client_context(const struct combination *c)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    char groups[64];

    (void)snprintf(groups, sizeof(groups), "%s", c->groups);
    need(ctx != NULL && SSL_CTX_set1_groups_list(ctx, groups) == 1, "the client's groups");
    SSL_CTX_set_min_proto_version(ctx, c->version);
    SSL_CTX_set_max_proto_version(ctx, c->version);
    return ctx;
}

static void measure(const struct combination *c, void *const shared[N_SERVERS], int count, double ret_ms[N_SERVERS])
{
    SSL_CTX *client = client_context(c);
    double *samples[N_SERVERS];
    SSL_SESSION *session[N_SERVERS] = {NULL}, *next;

    for (int k = 0; k < N_SERVERS; k++) {
        samples[k] = mem_alloc((size_t)count * sizeof(*samples[k]));
        if (c->is_resumed)
            (void)run_one(&servers[k], shared[k], client, NULL, &session[k]);
    }
    for (int i = -WARM_UP; i < count; i++) {
        for (int k = 0; k < N_SERVERS; k++) {
            double ms = run_one(&servers[k], shared[k], client, session[k], c->is_resumed ? &next : NULL);

            if (c->is_resumed) {
                SSL_SESSION_free(session[k]);
                session[k] = next;
            }
            if (i >= 0)
                samples[k][i] = ms;
        }
    }
    for (int k = 0; k < N_SERVERS; k++) {
        ret_ms[k] = median(samples[k], count);
        free(samples[k]);
        SSL_SESSION_free(session[k]);
    }
    SSL_CTX_free(client);
}

static void print_result(const struct combination *c, const double ms[N_SERVERS], const struct options *o,
                         bool is_first)
{
    const char *version = c->version == TLS1_3_VERSION ? "1.3" : "1.2", *kind = c->is_resumed ? "resumed" : "full";

    if (o->is_json) {
        printf("%s\n {\"library\":\"%s\",\"version\":\"%s\",\"certificate\":\"%s\",\"offered\":\"%s\",\"kind\":\"%s\","
               "\"count\":%d,\"bare_ms\":%.4f,\"server_ms\":%.4f}",
               is_first ? "[" : ",", MBEDTLS_VERSION_STRING, version, c->certificate->name, c->groups, kind, o->count,
               ms[BARE], ms[OWN]);
        return;
    }
    if (is_first)
        printf("mbedTLS %s, OpenSSL's client; CPU of the server, median of %d\n"
               "tls  certificate  client offers  handshake    bare ms  server ms  ratio\n",
               MBEDTLS_VERSION_STRING, o->count);
    printf("%-4s %-12s %-14s %-9s %10.3f %10.3f %6.2f\n", version, c->certificate->name, c->groups, kind, ms[BARE],
           ms[OWN], ms[OWN] / ms[BARE]);
    (void)fflush(stdout);
}

static void measure_all(const struct certificate *certificate, const struct options *o, bool *is_first)
{
    static const char *groups[] = {"X25519:P-256", "P-256"};
    struct tls_host host = {STR(HOST), certificate->certificate_path, certificate->key_path};
    struct tls_tickets *tickets = tls_tickets_new(3600);
    struct tls_context *own = NULL;
    char error[256], warning[256];
    struct bare bare;
    double ms[N_SERVERS];

    if (tls_context_new(&host, 1, tickets, &own, error, warning) != LN_OK)
        die("linnet_handshake: %s", error);
    bare_init(&bare, certificate);
    for (int version = TLS1_2_VERSION; version <= (COMPAT_HAS_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION); version++) {
        for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
            for (int resumed = 0; resumed <= 1; resumed++) {
                struct combination c = {version, certificate, groups[g], resumed == 1};

                measure(&c, (void *const[]){&bare, own}, o->count, ms);
                print_result(&c, ms, o, *is_first);
                *is_first = false;
            }
        }
    }
    bare_deinit(&bare);
    tls_context_unref(&own);
    tls_tickets_free(&tickets);
}

/* ---- the command ---- */

static void usage(FILE *to)
{
    (void)fputs("usage: linnet_handshake [--count N] [--json]\n"
                "What a TLS handshake costs a server in CPU, on this machine: bare mbedTLS, and linnet's own code.\n"
                "Each version that the library has, each kind of certificate, groups that clients offer,\n"
                "full and resumed by a ticket; all in memory and in one thread, so nothing but arithmetic is counted.\n"
                "  --count N   handshakes of each kind (100); the median is printed\n"
                "  --json      as JSON\n",
                to);
}

static bool parse_count(const char *text, int *ret)
{
    char *end;
    long n;

    errno = 0;
    n = strtol(text, &end, 10);
    *ret = (int)n;
    return errno == 0 && end != text && *end == '\0' && n >= 1 && n <= 1000000;
}

static bool parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"count", required_argument, NULL, 'c'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};

    *o = (struct options){.count = COUNT_DEFAULT};
    for (int option; (option = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (option == 'h') {
            usage(stdout);
            exit(0);
        }
        if (option == 'j')
            o->is_json = true;
        else if (option != 'c' || !parse_count(optarg, &o->count))
            return false;
    }
    return optind == argc;
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/linnet-handshake-XXXXXX";
    struct certificate certificates[2] = {0};
    struct options o;
    bool is_first = true;

    if (!parse(argc, argv, &o)) {
        usage(stderr);
        return 2;
    }
    need(mkdtemp(dir) != NULL, "making a folder");
    need(compat_library_init(), "setting the library up");
    for (int i = 0; i < 2; i++) {
        make_certificate(&certificates[i], dir, i == 1);
        measure_all(&certificates[i], &o, &is_first);
        (void)unlink(certificates[i].certificate_path);
        (void)unlink(certificates[i].key_path);
    }
    (void)rmdir(dir);
    if (o.is_json)
        printf("\n]\n");
    return 0;
}
