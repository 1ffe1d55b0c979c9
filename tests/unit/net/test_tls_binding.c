/* tests/unit/net/test_tls_binding.c - channel bindings: both ends must come to the same bytes.
 *
 * The other end is mbedTLS in memory, whose client computes them itself, and OpenSSL (its command line and Python's
 * ssl) over a loopback socket, which shares no code with ours. */
#include "tests/unit/net/tls_pair.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>

#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(field) field /* 2.28 hides nothing */
#endif

struct fixture {
    struct test_dir dir;
    struct tls_host host;
    struct tls_tickets *tickets;
    struct tls_context *ctx;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    dir_init(&f->dir);
    f->host = make_certificate(&f->dir, (struct certificate_spec){.file = "a", .name = "a.example"});
    f->tickets = tls_tickets_new(3600);
    f->ctx = make_context(&f->host, 1, f->tickets);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    tls_context_unref(&f->ctx);
    tls_tickets_free(&f->tickets);
    dir_deinit(&f->dir);
    free(f);
    return 0;
}

static void assert_binding(const struct tls *server, const char *type, const void *expected, size_t len)
{
    struct buf data = {0};

    assert_int_equal(tls_channel_binding(server, type, &data), LN_OK);
    assert_int_equal(data.len, len);
    assert_memory_equal(data.p, expected, len);
    buf_deinit(&data);
}

static void assert_no_binding(const struct tls *server, const char *type)
{
    struct buf data = {0};

    assert_int_equal(tls_channel_binding(server, type, &data), LN_E_NOT_FOUND);
    assert_int_equal(data.len, 0);
    buf_deinit(&data);
}

/* ---- in memory ---- */

/* RFC 5929 section 3 by the library's own copy of the Finished messages, which only a client that tests us looks at. */
static void assert_unique(const struct client *c, const struct tls *server)
{
    const char *first =
        tls_is_resumed(server) ? c->ssl.MBEDTLS_PRIVATE(peer_verify_data) : c->ssl.MBEDTLS_PRIVATE(own_verify_data);

    assert_int_equal(c->ssl.MBEDTLS_PRIVATE(verify_data_len), 12);
    assert_binding(server, "tls-unique", first, 12);
}

static bool connect_1_2(struct fixture *f, int suite, mbedtls_ssl_session *resume, mbedtls_ssl_session *ret_session)
{
    struct client c;
    struct tls *server = tls_new(f->ctx, false, STR(""));
    bool is_resumed;

    client_init(&c, (struct client_options){.version = TLS_1_2, .sni = "a.example", .suite = suite, .resume = resume});
    assert_no_binding(server, "tls-unique"); /* not before the end */
    assert_no_binding(server, "tls-server-end-point");
    assert_int_equal(join(&c, server, 7), TLS_READY);
    assert_unique(&c, server);
    is_resumed = tls_is_resumed(server);
    if (ret_session != NULL)
        client_take_session(&c, server, ret_session);
    tls_free(&server);
    client_deinit(&c);
    return is_resumed;
}

static void tls_unique_is_the_first_finished_message(void **state)
{
    static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384};

    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        mbedtls_ssl_session session;

        assert_false(connect_1_2(*state, suites[i], NULL, &session));
        assert_true(connect_1_2(*state, suites[i], &session, NULL));
        mbedtls_ssl_session_free(&session);
    }
}

#if defined(MBEDTLS_SSL_KEYING_MATERIAL_EXPORT)
static void check_exporter(struct fixture *f, int version, int suite, mbedtls_ssl_session *resume,
                           mbedtls_ssl_session *ret_session)
{
    struct client c;
    struct tls *server = tls_new(f->ctx, false, STR(""));
    uint8_t key[32];

    client_init(&c, (struct client_options){.version = version, .sni = "a.example", .suite = suite, .resume = resume});
    assert_int_equal(join(&c, server, 0), TLS_READY);
    assert_int_equal(tls_is_resumed(server), resume != NULL);
    assert_int_equal(
        mbedtls_ssl_export_keying_material(&c.ssl, key, sizeof(key), "EXPORTER-Channel-Binding", 24, NULL, 0, 0), 0);
    assert_binding(server, "tls-exporter", key, sizeof(key));
    if (version == TLS_1_3)
        assert_no_binding(server, "tls-unique");
    if (ret_session != NULL)
        client_take_session(&c, server, ret_session);
    tls_free(&server);
    client_deinit(&c);
}

static void tls_exporter_is_what_the_client_exports(void **state)
{
    static const struct {
        int version, suite;
    } cases[] = {
        {TLS_1_2, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
        {TLS_1_2, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
        {TLS_1_3, MBEDTLS_TLS1_3_AES_128_GCM_SHA256},
        {TLS_1_3, MBEDTLS_TLS1_3_AES_256_GCM_SHA384},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        mbedtls_ssl_session session;

        check_exporter(*state, cases[i].version, cases[i].suite, NULL, &session);
        check_exporter(*state, cases[i].version, cases[i].suite, &session, NULL);
        mbedtls_ssl_session_free(&session);
    }
}
#endif

static void without_the_extended_master_secret_only_the_certificate_binds(void **state)
{
    struct fixture *f = *state;
    struct client c;
    struct tls *server = tls_new(f->ctx, false, STR(""));

    client_init(&c, (struct client_options){.version = TLS_1_2, .sni = "a.example", .no_extended_master_secret = true});
    assert_int_equal(join(&c, server, 0), TLS_READY);
    assert_no_binding(server, "tls-exporter");
    assert_no_binding(server, "tls-unique");
    assert_no_binding(server, "tls-made-up");
    tls_free(&server);
    client_deinit(&c);
}

/* ---- the certificate's hash ---- */

static void check_end_point(const struct tls_host *host, mbedtls_md_type_t md)
{
    struct tls_context *ctx = make_context(host, 1, NULL);
    struct tls *server = tls_new(ctx, false, STR(""));
    struct client c;
    struct buf der = {0};
    uint8_t hash[MBEDTLS_MD_MAX_SIZE];
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(md);

    client_init(&c, (struct client_options){.sni = NULL});
    assert_int_equal(join(&c, server, 0), TLS_READY);
    load_der(host->certificate_path, &der);
    assert_int_equal(mbedtls_md(info, (const unsigned char *)der.p, der.len, hash), 0);
    assert_binding(server, "tls-server-end-point", hash, mbedtls_md_get_size(info));
    buf_deinit(&der);
    tls_free(&server);
    client_deinit(&c);
    tls_context_unref(&ctx);
}

static void the_end_point_is_hashed_as_its_signature_was(void **state)
{
    static const struct {
        const char *file;
        unsigned rsa_bits;
        mbedtls_md_type_t md, expected;
    } cases[] = {
        {"e256", 0, MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA256}, {"e384", 0, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA384},
        {"e512", 0, MBEDTLS_MD_SHA512, MBEDTLS_MD_SHA512}, {"r384", 2048, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA384},
        {"r1", 2048, MBEDTLS_MD_SHA1, MBEDTLS_MD_SHA256},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = *state;
        struct tls_host host = make_certificate(
            &f->dir, (struct certificate_spec){
                         .file = cases[i].file, .name = "a.example", .rsa_bits = cases[i].rsa_bits, .md = cases[i].md});

        check_end_point(&host, cases[i].expected);
    }
}

/* ---- against OpenSSL ---- */

static bool have_command(const char *command)
{
    char line[256];

    snprintf(line, sizeof(line), "%s >/dev/null 2>&1 </dev/null", command);
    return system(line) == 0;
}

#define OPENSSL "openssl version"
#define PYTHON  "python3 -c 'import ssl'"

static void skip_without(const char *command)
{
    if (have_command(command))
        return;
    print_message("skipped: this needs a working `%s`\n", command);
    skip();
}

/* What the server end of one connection saw, as hexadecimal. */
struct seen {
    char exporter[65], unique[65], end_point[129];
    bool is_resumed;
};

struct live_server {
    struct tls_context *ctx;
    int listener;
    unsigned port;
    pthread_t thread;
    unsigned n_connections; /* to be served */
    struct seen seen[2];
};

static void note_binding(const struct tls *t, const char *type, char *hex)
{
    struct buf data = {0};

    if (tls_channel_binding(t, type, &data) == LN_OK) {
        for (size_t i = 0; i < data.len; i++)
            sprintf(hex + 2 * i, "%02x", (unsigned)(uint8_t)data.p[i]);
    }
    buf_deinit(&data);
}

static void send_output(int fd, struct tls *t)
{
    struct buf *out = tls_output(t);

    while (out->len > 0) {
        ssize_t n = send(fd, out->p, out->len, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        buf_consume(out, (size_t)n);
    }
}

/* Handshake, one line to the client, then reading until it goes. */
static void serve_one(struct live_server *s, struct seen *seen)
{
    int fd = accept(s->listener, NULL, NULL);
    struct tls *t = tls_new(s->ctx, false, STR(""));
    enum tls_state state = TLS_WANTS_INPUT;
    struct buf plain = {0};
    char bytes[4096];
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0 && tls_feed(t, str_make(bytes, (size_t)n)) == LN_OK) {
        if (state == TLS_WANTS_INPUT && (state = tls_handshake(t)) == TLS_READY) {
            note_binding(t, "tls-exporter", seen->exporter);
            note_binding(t, "tls-unique", seen->unique);
            note_binding(t, "tls-server-end-point", seen->end_point);
            seen->is_resumed = tls_is_resumed(t);
            (void)tls_write(t, STR("hello\n"));
        }
        if (state == TLS_READY)
            state = tls_read(t, &plain, 4096);
        send_output(fd, t);
    }
    buf_deinit(&plain);
    tls_free(&t);
    close(fd);
}

static void *serve(void *arg)
{
    struct live_server *s = arg;

    for (unsigned i = 0; i < s->n_connections; i++)
        serve_one(s, &s->seen[i]);
    return NULL;
}

static void live_start(struct live_server *s, struct tls_context *ctx, unsigned n_connections)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);

    memset(s, 0, sizeof(*s));
    s->ctx = ctx;
    s->n_connections = n_connections;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(s->listener, 4), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&addr, &len), 0);
    s->port = ntohs(addr.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

/* Runs a client against the server and returns all that it printed. */
static void live_run(struct live_server *s, const char *command, char *ret_text, size_t size)
{
    char line[2048];
    FILE *pipe;
    size_t n;

    snprintf(line, sizeof(line), "PORT=%u; export PORT; %s", s->port, command);
    pipe = popen(line, "r");
    assert_non_null(pipe);
    n = fread(ret_text, 1, size - 1, pipe);
    ret_text[n] = '\0';
    pclose(pipe);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

static void lower(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text + 32);
    }
}

static void check_openssl_exporter(struct fixture *f, const char *version)
{
    struct live_server s;
    char command[256], text[16384], *found;

    live_start(&s, f->ctx, 1);
    snprintf(command, sizeof(command),
             "openssl s_client -connect 127.0.0.1:$PORT -servername a.example %s -keymatexport "
             "EXPORTER-Channel-Binding -keymatexportlen 32 </dev/null 2>/dev/null",
             version);
    live_run(&s, command, text, sizeof(text));
    lower(text);
    found = strstr(text, "keying material: ");
    if (found == NULL)
        fail_msg("openssl gave no keying material: %s", text);
    assert_int_equal(strlen(s.seen[0].exporter), 64);
    assert_memory_equal(found + strlen("keying material: "), s.seen[0].exporter, 64);
}

static void openssl_exports_the_same_bytes(void **state)
{
    skip_without(OPENSSL);
    check_openssl_exporter(*state, "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256");
    check_openssl_exporter(*state, "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384");
    check_openssl_exporter(*state, "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305");
#if defined(MBEDTLS_SSL_KEYING_MATERIAL_EXPORT)
    check_openssl_exporter(*state, "-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256");
    check_openssl_exporter(*state, "-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384");
    /* A key share that is not ours first: the server asks again (HelloRetryRequest). */
    check_openssl_exporter(*state, "-tls1_3 -groups P-521:P-256");
#endif
}

/* Two connections, the second with the session of the first; prints a line for each: tls-unique, and the SHA-256 of the
 * certificate where it was sent. */
static const char python_client[] =
    "python3 -c \"\n"
    "import hashlib, os, socket, ssl, sys\n"
    "ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n"
    "ctx.check_hostname = False\n"
    "ctx.verify_mode = ssl.CERT_NONE\n"
    "ctx.minimum_version = ctx.maximum_version = ssl.TLSVersion[os.environ['TLS']]\n"
    "session = None\n"
    "for i in range(2):\n"
    "    raw = socket.create_connection(('127.0.0.1', int(os.environ['PORT'])))\n"
    "    with ctx.wrap_socket(raw, server_hostname='a.example', session=session) as s:\n"
    "        s.recv(100)\n"
    "        unique = s.get_channel_binding('tls-unique').hex()\n"
    "        print(unique, hashlib.sha256(s.getpeercert(True) or b'').hexdigest(), s.session_reused)\n"
    "        session = s.session\n"
    "\"";

static void check_python(struct fixture *f, const char *version, bool has_unique)
{
    struct live_server s;
    char command[2048], text[1024], unique[2][129], end_point[2][129], reused[2][16];

    live_start(&s, f->ctx, 2);
    snprintf(command, sizeof(command), "TLS=%s; export TLS; %s", version, python_client);
    live_run(&s, command, text, sizeof(text));
    if (sscanf(text, "%128s %128s %15s %128s %128s %15s", unique[0], end_point[0], reused[0], unique[1], end_point[1],
               reused[1]) != 6)
        fail_msg("the client printed: %s", text);
    assert_string_equal(reused[0], "False");
    assert_string_equal(reused[1], "True");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(s.seen[i].is_resumed, i == 1);
        assert_string_equal(s.seen[i].unique, has_unique ? unique[i] : "");
        /* The resumed session is bound to the certificate that the first one showed. */
        assert_string_equal(s.seen[i].end_point, end_point[0]);
    }
}

static void openssl_sees_the_same_finished_message_and_certificate(void **state)
{
    skip_without(PYTHON);
    check_python(*state, "TLSv1_2", true);
#if COMPAT_HAS_TLS_1_3
    check_python(*state, "TLSv1_3", false);
#endif
}

/* mbedTLS cannot sign certificates this way, only use them. */
static void an_rsa_pss_signature_names_its_hash(void **state)
{
    struct fixture *f = *state;
    struct tls_host host = {STR("p.example"), dir_file(&f->dir, "p.crt"), dir_file(&f->dir, "p.key")};
    char command[512];

    skip_without(OPENSSL);
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey rsa:2048 -nodes -sha384 -sigopt rsa_padding_mode:pss -subj /CN=p -days 30 "
             "-addext subjectAltName=DNS:p.example -out %s -keyout %s 2>/dev/null",
             host.certificate_path, host.key_path);
    assert_int_equal(system(command), 0);
    check_end_point(&host, MBEDTLS_MD_SHA384);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_unique_is_the_first_finished_message),
#if defined(MBEDTLS_SSL_KEYING_MATERIAL_EXPORT)
        cmocka_unit_test(tls_exporter_is_what_the_client_exports),
#endif
        cmocka_unit_test(without_the_extended_master_secret_only_the_certificate_binds),
        cmocka_unit_test(the_end_point_is_hashed_as_its_signature_was),
        cmocka_unit_test(openssl_exports_the_same_bytes),
        cmocka_unit_test(openssl_sees_the_same_finished_message_and_certificate),
        cmocka_unit_test(an_rsa_pss_signature_names_its_hash),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
