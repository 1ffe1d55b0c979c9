/* tests/unit/net/test_tls_context.c - certificates: what is refused, what is warned of, and those we make ourselves. */
#include "tests/unit/net/tls_pair.h"

#include <sys/stat.h>
#include <time.h>

static int set_up(void **state)
{
    struct test_dir *d = mem_zalloc(sizeof(*d));

    dir_init(d);
    *state = d;
    return 0;
}

static int tear_down(void **state)
{
    struct test_dir *d = *state;

    dir_deinit(d);
    free(d);
    return 0;
}

/* The result of loading these hosts; messages in static memory. */
static struct {
    enum ln_err err;
    char error[256], warning[256];
} loaded;

static void load(const struct tls_host *hosts, size_t n)
{
    struct tls_context *ctx = NULL;

    memset(&loaded, 'x', sizeof(loaded));
    loaded.err = tls_context_new(hosts, n, NULL, &ctx, loaded.error, loaded.warning);
    assert_int_equal(loaded.err == LN_OK, ctx != NULL);
    tls_context_unref(&ctx);
}

static void assert_says(const char *message, const char *part, const char *more)
{
    if (strstr(message, part) == NULL || strstr(message, more) == NULL)
        fail_msg("\"%s\" says nothing of %s and %s", message, part, more);
}

static void assert_refused(const struct tls_host *host, enum ln_err err, const char *path, const char *reason)
{
    load(host, 1);
    assert_int_equal(loaded.err, err);
    assert_says(loaded.error, path, reason);
}

static void assert_warned(const struct tls_host *host, const char *what)
{
    load(host, 1);
    if (loaded.err != LN_OK)
        fail_msg("%s", loaded.error);
    assert_string_equal(loaded.error, "");
    assert_says(loaded.warning, host->certificate_path, what);
}

static void assert_loaded_quietly(const struct tls_host *host)
{
    load(host, 1);
    if (loaded.err != LN_OK)
        fail_msg("%s", loaded.error);
    assert_string_equal(loaded.warning, "");
}

static void a_good_pair_loads_without_a_word(void **state)
{
    struct tls_host host = make_certificate(*state, (struct certificate_spec){.file = "good", .name = "good.example"});

    assert_loaded_quietly(&host);
    host = make_certificate(*state, (struct certificate_spec){.file = "p384",
                                                              .name = "good.example",
                                                              .curve = MBEDTLS_ECP_DP_SECP384R1,
                                                              .md = MBEDTLS_MD_SHA384});
    assert_loaded_quietly(&host);
    host = make_certificate(*state, (struct certificate_spec){.file = "rsa", .name = "good.example", .rsa_bits = 2048});
    assert_loaded_quietly(&host);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    struct tls_host host = make_certificate(*state, (struct certificate_spec){.file = "x", .name = "x.example"});
    const char *key = host.key_path;

    host.key_path = "/nonexistent/key.pem";
    assert_refused(&host, LN_E_NOT_FOUND, "/nonexistent/key.pem", "No such file");
    host.key_path = key;
    host.certificate_path = "/nonexistent/crt.pem";
    assert_refused(&host, LN_E_NOT_FOUND, "/nonexistent/crt.pem", "No such file");
}

static void a_file_that_is_not_pem_is_named(void **state)
{
    struct tls_host host = make_certificate(*state, (struct certificate_spec){.file = "x", .name = "x.example"});
    const char *bad = dir_file(*state, "bad.pem"), *key = host.key_path;

    file_write(bad, "this is no PEM\n", "w");
    host.key_path = bad;
    assert_refused(&host, LN_E_TLS, bad, "PK");
    host.key_path = key;
    host.certificate_path = bad;
    assert_refused(&host, LN_E_TLS, bad, "X509");
}

static void half_a_chain_is_refused(void **state)
{
    struct tls_host host = make_certificate(*state, (struct certificate_spec){.file = "x", .name = "x.example"});

    file_write(host.certificate_path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "a");
    assert_refused(&host, LN_E_TLS, host.certificate_path, "1 of its certificates");
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    struct tls_host host = make_certificate(*state, (struct certificate_spec){.file = "x", .name = "x.example"});
    struct tls_host other = make_certificate(*state, (struct certificate_spec){.file = "y", .name = "x.example"});

    host.key_path = other.key_path;
    assert_refused(&host, LN_E_TLS, other.key_path, host.certificate_path);
}

static void keys_that_clients_would_not_take_are_refused(void **state)
{
    struct tls_host host =
        make_certificate(*state, (struct certificate_spec){.file = "short", .name = "x.example", .rsa_bits = 1024});

    assert_refused(&host, LN_E_TLS, host.key_path, "1024 bits");
    host = make_certificate(
        *state, (struct certificate_spec){.file = "k1", .name = "x.example", .curve = MBEDTLS_ECP_DP_SECP256K1});
    assert_refused(&host, LN_E_TLS, host.key_path, "P-256");
}

static void a_certificate_without_the_hosts_name_is_warned_of(void **state)
{
    struct tls_host host = make_certificate(*state, (struct certificate_spec){.file = "x", .name = "x.example"});

    host.name = STR("y.example");
    assert_warned(&host, "y.example");
    host.name = STR("sub.x.example");
    assert_warned(&host, "sub.x.example");
    /* A common name counts for nothing: RFC 9525 section 6.3. */
    host = make_certificate(*state, (struct certificate_spec){.file = "cn", .subject = "CN=x.example"});
    host.name = STR("x.example");
    assert_warned(&host, "x.example");
}

static void a_wildcard_covers_one_label(void **state)
{
    struct tls_host host = make_certificate(*state, (struct certificate_spec){.file = "w", .name = "*.w.example"});

    host.name = STR("chat.w.example");
    assert_loaded_quietly(&host);
    host.name = STR("w.example");
    assert_warned(&host, "w.example");
    host.name = STR("a.chat.w.example");
    assert_warned(&host, "a.chat.w.example");
}

static void a_name_in_unicode_is_looked_for_in_its_ascii_form(void **state)
{
    struct tls_host host =
        make_certificate(*state, (struct certificate_spec){.file = "i", .name = "xn--bcher-kva.example"});

    host.name = STR("bücher.example");
    assert_loaded_quietly(&host);
}

static void dates_are_warned_of(void **state)
{
    char soon[16];
    time_t in_a_week = time(NULL) + 7 * 24 * 3600;
    struct tm tm;
    struct tls_host host =
        make_certificate(*state, (struct certificate_spec){.file = "old", .name = "x.example", .to = "20210304000000"});

    assert_warned(&host, "expired on 2021-03-04");
    host = make_certificate(*state,
                            (struct certificate_spec){.file = "young", .name = "x.example", .from = "20481231000000"});
    assert_warned(&host, "not valid yet");
    strftime(soon, sizeof(soon), "%Y%m%d%H%M%S", gmtime_r(&in_a_week, &tm));
    host = make_certificate(*state, (struct certificate_spec){.file = "soon", .name = "x.example", .to = soon});
    strftime(soon, sizeof(soon), "%Y-%m-%d", &tm);
    assert_warned(&host, soon);
}

static void append_file(const char *to, const char *from)
{
    char text[8192] = "";
    FILE *f = fopen(from, "r");

    assert_non_null(f);
    assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
    fclose(f);
    file_write(to, text, "a");
}

static void a_chain_out_of_order_is_warned_of(void **state)
{
    struct tls_host leaf = make_certificate(
        *state,
        (struct certificate_spec){.file = "leaf", .name = "x.example", .subject = "CN=leaf", .issuer = "CN=middle"});
    struct tls_host middle = make_certificate(
        *state, (struct certificate_spec){.file = "middle", .subject = "CN=middle", .issuer = "CN=root"});
    struct tls_host other = make_certificate(*state, (struct certificate_spec){.file = "other", .subject = "CN=other"});

    append_file(leaf.certificate_path, middle.certificate_path);
    assert_loaded_quietly(&leaf);
    append_file(leaf.certificate_path, other.certificate_path);
    assert_warned(&leaf, "certificate 3 did not issue certificate 2");
}

static void warnings_of_many_hosts_never_overflow(void **state)
{
    struct tls_host host =
        make_certificate(*state, (struct certificate_spec){.file = "w", .name = "x.example", .to = "20210304000000"});
    struct tls_host hosts[12];

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        hosts[i] = host;
    load(hosts, ARRAY_LEN(hosts));
    assert_int_equal(loaded.err, LN_OK);
    assert_int_equal(strnlen(loaded.warning, sizeof(loaded.warning)), sizeof(loaded.warning) - 1);
}

static void no_hosts_are_refused(void **state)
{
    (void)state;
    load(NULL, 0);
    assert_int_equal(loaded.err, LN_E_INVALID);
}

/* ---- self-signed ---- */

static void a_self_signed_certificate_serves_all_its_hosts(void **state)
{
    struct str names[] = {STR("a.example"), STR("bücher.example"), STR("192.0.2.7"), STR("[2001:db8::1]"),
                          STR("a-name-that-is-longer-than-what-fits-into-a-common-name.chat.example.example")};
    struct tls_host hosts[ARRAY_LEN(names)];
    struct tls_context *ctx;
    struct tls *server;
    struct client c;
    struct stat st;
    char error[256];

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        hosts[i] = (struct tls_host){names[i], dir_file(*state, "self.crt"), dir_file(*state, "self.key")};
    assert_int_equal(tls_make_self_signed(names, ARRAY_LEN(names), hosts[0].certificate_path, hosts[0].key_path, error),
                     LN_OK);
    assert_int_equal(stat(hosts[0].key_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    load(hosts, ARRAY_LEN(hosts));
    assert_int_equal(loaded.err, LN_OK);
    assert_string_equal(loaded.warning, "");
    ctx = make_context(hosts, ARRAY_LEN(hosts), NULL);
    server = tls_new(ctx, true, STR(""));
    client_init(&c, (struct client_options){.sni = "xn--bcher-kva.example"});
    assert_int_equal(join(&c, server, 0), TLS_READY);
    tls_free(&server);
    client_deinit(&c);
    tls_context_unref(&ctx);
}

/* As a client would that was given the certificate to trust. */
static void a_self_signed_certificate_verifies_against_itself(void **state)
{
    const char *crt_path = dir_file(*state, "v.crt"), *key_path = dir_file(*state, "v.key");
    struct str name = STR("v.example");
    mbedtls_x509_crt crt;
    uint32_t flags = 0;
    char error[256];
    time_t now = time(NULL);
    struct tm tm;

    assert_int_equal(tls_make_self_signed(&name, 1, crt_path, key_path, error), LN_OK);
    mbedtls_x509_crt_init(&crt);
    assert_int_equal(mbedtls_x509_crt_parse_file(&crt, crt_path), 0);
    assert_int_equal(mbedtls_x509_crt_verify(&crt, &crt, NULL, "v.example", &flags, NULL, NULL), 0);
    assert_int_not_equal(mbedtls_x509_crt_verify(&crt, &crt, NULL, "w.example", &flags, NULL, NULL), 0);
    assert_int_equal(mbedtls_x509_crt_check_key_usage(&crt, MBEDTLS_X509_KU_DIGITAL_SIGNATURE), 0);
    assert_int_equal(crt.version, 3);
    assert_int_equal(crt.serial.len, 16);
    gmtime_r(&now, &tm);
    assert_in_range(crt.valid_to.year, tm.tm_year + 1909, tm.tm_year + 1910);
    mbedtls_x509_crt_free(&crt);
}

static void files_that_exist_are_left_alone(void **state)
{
    const char *crt_path = dir_file(*state, "e.crt"), *key_path = dir_file(*state, "e.key");
    struct str name = STR("e.example");
    char error[256], text[16] = "";
    FILE *f;

    file_write(crt_path, "mine\n", "w");
    assert_int_equal(tls_make_self_signed(&name, 1, crt_path, key_path, error), LN_E_EXISTS);
    assert_says(error, crt_path, "exists");
    assert_int_equal(access(key_path, F_OK), -1);
    assert_int_equal(unlink(crt_path), 0);
    file_write(key_path, "mine\n", "w");
    assert_int_equal(tls_make_self_signed(&name, 1, crt_path, key_path, error), LN_E_EXISTS);
    assert_says(error, key_path, "exists");
    assert_int_equal(access(crt_path, F_OK), -1);
    f = fopen(key_path, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof(text), f));
    fclose(f);
    assert_string_equal(text, "mine\n");
}

static void a_directory_that_is_not_there_is_named(void **state)
{
    struct str name = STR("e.example");
    char error[256];

    (void)state;
    assert_int_equal(tls_make_self_signed(&name, 1, "/nonexistent/x.crt", "/nonexistent/x.key", error), LN_E_IO);
    assert_says(error, "/nonexistent/x.key", "No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_pair_loads_without_a_word),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(a_file_that_is_not_pem_is_named),
        cmocka_unit_test(half_a_chain_is_refused),
        cmocka_unit_test(a_key_of_another_certificate_is_refused),
        cmocka_unit_test(keys_that_clients_would_not_take_are_refused),
        cmocka_unit_test(a_certificate_without_the_hosts_name_is_warned_of),
        cmocka_unit_test(a_wildcard_covers_one_label),
        cmocka_unit_test(a_name_in_unicode_is_looked_for_in_its_ascii_form),
        cmocka_unit_test(dates_are_warned_of),
        cmocka_unit_test(a_chain_out_of_order_is_warned_of),
        cmocka_unit_test(warnings_of_many_hosts_never_overflow),
        cmocka_unit_test(no_hosts_are_refused),
        cmocka_unit_test(a_self_signed_certificate_serves_all_its_hosts),
        cmocka_unit_test(a_self_signed_certificate_verifies_against_itself),
        cmocka_unit_test(files_that_exist_are_left_alone),
        cmocka_unit_test(a_directory_that_is_not_there_is_named),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
