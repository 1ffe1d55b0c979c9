#include "server/net/tls_internal.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/asn1write.h>
#include <mbedtls/oid.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { YEARS_VALID = 10, SERIAL_LEN = 16, NAME_MAX_IN_SUBJECT = 64 /* RFC 5280, ub-common-name */ };
enum { PEM_MAX = 64 * 1024 };

/* The library's writers fill a buffer from its end towards its start. */
struct der {
    uint8_t *start;
    uint8_t *p;
};

static int add_name(struct der *d, const char *name)
{
    enum { DNS_NAME = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2, IP_ADDRESS = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7 };
    uint8_t bytes[16];
    struct str address = tls_address_bytes(name, bytes), value = address.len > 0 ? address : str_of(name);
    int len, ret;

    len = mbedtls_asn1_write_raw_buffer(&d->p, d->start, (const unsigned char *)value.p, value.len);
    if (len < 0)
        return len;
    ret = mbedtls_asn1_write_len(&d->p, d->start, (size_t)len);
    if (ret >= 0)
        ret = mbedtls_asn1_write_tag(&d->p, d->start, address.len > 0 ? IP_ADDRESS : DNS_NAME);
    return ret < 0 ? ret : 0;
}

/* RFC 5280 section 4.2.1.6; by hand because 2.28 has no function for it. */
static int set_alternative_names(mbedtls_x509write_cert *crt, char *const *names, size_t n)
{
    size_t size = 16;
    struct der d;
    uint8_t *end;
    int ret = 0;

    for (size_t i = 0; i < n; i++)
        size += strlen(names[i]) + 8;
    d.start = mem_alloc(size);
    d.p = end = d.start + size;
    for (size_t i = n; i > 0 && ret == 0; i--)
        ret = add_name(&d, names[i - 1]);
    if (ret == 0)
        ret = mbedtls_asn1_write_len(&d.p, d.start, (size_t)(end - d.p));
    if (ret >= 0)
        ret = mbedtls_asn1_write_tag(&d.p, d.start, MBEDTLS_ASN1_SEQUENCE | MBEDTLS_ASN1_CONSTRUCTED);
    if (ret >= 0)
        ret = mbedtls_x509write_crt_set_extension(crt, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                                  MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, d.p,
                                                  (size_t)(end - d.p));
    free(d.start);
    return ret;
}

static int set_validity(mbedtls_x509write_cert *crt)
{
    char from[16], to[16];
    time_t now = time(NULL) - 24 * 3600; /* a day back: clients' clocks are not ours */
    struct tm tm;

    (void)gmtime_r(&now, &tm);
    if (strftime(from, sizeof(from), "%Y%m%d%H%M%S", &tm) == 0)
        return MBEDTLS_ERR_X509_INVALID_DATE;
    tm.tm_year += YEARS_VALID;
    now = timegm(&tm); /* the 29th of February becomes the 1st of March */
    (void)gmtime_r(&now, &tm);
    if (strftime(to, sizeof(to), "%Y%m%d%H%M%S", &tm) == 0)
        return MBEDTLS_ERR_X509_INVALID_DATE;
    return mbedtls_x509write_crt_set_validity(crt, from, to);
}

static int set_serial(mbedtls_x509write_cert *crt)
{
    uint8_t serial[SERIAL_LEN];
    int ret = tls_random(NULL, serial, sizeof(serial));

    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and no leading zeros: RFC 5280 section 4.1.2.2 */
    return ret != 0 ? ret : compat_certificate_set_serial(crt, serial, sizeof(serial));
}

static int set_subject(mbedtls_x509write_cert *crt, const char *name)
{
    char subject[NAME_MAX_IN_SUBJECT + 8];
    int ret;

    (void)snprintf(subject, sizeof(subject), "CN=%s", strlen(name) <= NAME_MAX_IN_SUBJECT ? name : "linnet");
    ret = mbedtls_x509write_crt_set_subject_name(crt, subject);
    return ret != 0 ? ret : mbedtls_x509write_crt_set_issuer_name(crt, subject);
}

static int describe(mbedtls_x509write_cert *crt, mbedtls_pk_context *key, char *const *names, size_t n)
{
    int ret;

    mbedtls_x509write_crt_set_version(crt, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(crt, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(crt, key);
    mbedtls_x509write_crt_set_issuer_key(crt, key);
    ret = set_subject(crt, names[0]);
    if (ret == 0)
        ret = set_serial(crt);
    if (ret == 0)
        ret = set_validity(crt);
    if (ret == 0)
        ret = mbedtls_x509write_crt_set_basic_constraints(crt, 0, -1);
    if (ret == 0)
        ret = mbedtls_x509write_crt_set_key_usage(crt, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    return ret != 0 ? ret : set_alternative_names(crt, names, n);
}

static int make_key(mbedtls_pk_context *key)
{
    int ret = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));

    return ret != 0 ? ret : mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), tls_random, NULL);
}

/* Both as PEM with a NUL behind them. */
static int make_pair(char *const *names, size_t n, uint8_t *crt_pem, uint8_t *key_pem)
{
    mbedtls_pk_context key;
    mbedtls_x509write_cert crt;
    int ret;

    mbedtls_pk_init(&key);
    mbedtls_x509write_crt_init(&crt);
    ret = make_key(&key);
    if (ret == 0)
        ret = describe(&crt, &key, names, n);
    if (ret == 0)
        ret = mbedtls_x509write_crt_pem(&crt, crt_pem, PEM_MAX, tls_random, NULL);
    if (ret == 0)
        ret = mbedtls_pk_write_key_pem(&key, key_pem, PEM_MAX);
    mbedtls_x509write_crt_free(&crt);
    mbedtls_pk_free(&key);
    return ret;
}

static bool write_all(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    return fsync(fd) == 0;
}

/* Creates the file and never follows or replaces what is there. A file that could not be written whole is removed. */
static enum ln_err write_file(const char *path, mode_t mode, const char *text, char *ret_error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode), saved;
    bool is_ok;

    if (fd < 0) {
        (void)snprintf(ret_error, TLS_MESSAGE_MAX, "%s: %s", path, strerror(errno));
        return errno == EEXIST ? LN_E_EXISTS : LN_E_IO;
    }
    is_ok = write_all(fd, text, strlen(text));
    saved = errno;
    if (close(fd) != 0 && is_ok) {
        is_ok = false;
        saved = errno;
    }
    if (is_ok)
        return LN_OK;
    (void)unlink(path);
    (void)snprintf(ret_error, TLS_MESSAGE_MAX, "%s: %s", path, strerror(saved));
    return saved == ENOSPC || saved == EDQUOT ? LN_E_FULL : LN_E_IO;
}

/* The key first: a certificate without its key would keep the next start from making both. */
static enum ln_err write_pair(const char *crt_path, const char *crt_pem, const char *key_path, const char *key_pem,
                              char *ret_error)
{
    enum ln_err err;

    if (access(crt_path, F_OK) == 0) {
        (void)snprintf(ret_error, TLS_MESSAGE_MAX, "%s: %s", crt_path, strerror(EEXIST));
        return LN_E_EXISTS;
    }
    err = write_file(key_path, 0600, key_pem, ret_error);
    if (err != LN_OK)
        return err;
    err = write_file(crt_path, 0644, crt_pem, ret_error);
    if (err != LN_OK)
        (void)unlink(key_path);
    return err;
}

static enum ln_err make_and_write(char *const *names, size_t n, const char *crt_path, const char *key_path,
                                  char *ret_error)
{
    uint8_t *crt_pem = mem_zalloc(PEM_MAX), *key_pem = mem_zalloc(PEM_MAX);
    int ret = make_pair(names, n, crt_pem, key_pem);
    enum ln_err err = LN_E_TLS;

    if (ret != 0)
        tls_format_error(ret_error, TLS_MESSAGE_MAX, "self-signed certificate", ret);
    else
        err = write_pair(crt_path, (const char *)crt_pem, key_path, (const char *)key_pem, ret_error);
    mem_wipe(key_pem, PEM_MAX);
    free(key_pem);
    free(crt_pem);
    return err;
}

enum ln_err tls_make_self_signed(const struct str *hosts, size_t n_hosts, const char *certificate_path,
                                 const char *key_path, char *ret_error)
{
    char **names = mem_zalloc(n_hosts * sizeof(*names));
    enum ln_err err = n_hosts > 0 ? LN_OK : LN_E_INVALID;

    ret_error[0] = '\0';
    if (n_hosts == 0)
        (void)snprintf(ret_error, TLS_MESSAGE_MAX, "a certificate needs at least one host");
    for (size_t i = 0; i < n_hosts && err == LN_OK; i++) {
        names[i] = tls_host_to_ascii(hosts[i]);
        if (names[i] == NULL) {
            (void)snprintf(ret_error, TLS_MESSAGE_MAX, "%.*s: not a domain name", STR_ARG(hosts[i]));
            err = LN_E_INVALID;
        }
    }
    if (err == LN_OK && !compat_library_init()) {
        (void)snprintf(ret_error, TLS_MESSAGE_MAX, "the TLS library could not be set up");
        err = LN_E_TLS;
    }
    if (err == LN_OK)
        err = make_and_write(names, n_hosts, certificate_path, key_path, ret_error);
    for (size_t i = 0; i < n_hosts; i++)
        free(names[i]);
    free(names);
    return err;
}
