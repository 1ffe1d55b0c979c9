#include "server/net/tls_internal.h"

#include "common/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { RSA_BITS_MIN = 2048, EXPIRES_SOON_DAYS = 14 };

/* A certificate to look at, and where to say what is wrong. */
struct check {
    const struct tls_entry *entry;
    const struct tls_host *host;
    char *error;
    char *warning;
};

__attribute__((format(printf, 2, 3))) static void warn(const struct check *c, const char *fmt, ...)
{
    size_t used = strlen(c->warning);
    va_list args;

    if (used > 0)
        used += (size_t)snprintf(c->warning + used, TLS_MESSAGE_MAX - used, "; ");
    if (used >= TLS_MESSAGE_MAX)
        return;
    va_start(args, fmt);
    (void)vsnprintf(c->warning + used, TLS_MESSAGE_MAX - used, fmt, args);
    va_end(args);
}

__attribute__((format(printf, 2, 3))) static enum ln_err refuse(const struct check *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(c->error, TLS_MESSAGE_MAX, fmt, args);
    va_end(args);
    return LN_E_TLS;
}

/* The library says no more of a file than that it cannot be read. */
static enum ln_err check_readable(const struct check *c, const char *path)
{
    if (access(path, R_OK) == 0)
        return LN_OK;
    (void)refuse(c, "%s: %s", path, strerror(errno));
    return errno == ENOENT ? LN_E_NOT_FOUND : LN_E_IO;
}

static enum ln_err load_files(const struct check *c, struct tls_entry *e)
{
    const char *crt_path = c->host->certificate_path, *key_path = c->host->key_path;
    enum ln_err err;
    int ret;

    err = check_readable(c, crt_path);
    if (err == LN_OK)
        err = check_readable(c, key_path);
    if (err != LN_OK)
        return err;
    ret = mbedtls_x509_crt_parse_file(&e->chain, crt_path);
    /* A positive result counts certificates that were skipped. Half a chain works for some clients and not for others,
     * which is worse than refusing to start. */
    if (ret > 0)
        return refuse(c, "%s: %d of its certificates cannot be understood", crt_path, ret);
    if (ret < 0) {
        tls_format_error(c->error, TLS_MESSAGE_MAX, crt_path, ret);
        return LN_E_TLS;
    }
    ret = compat_key_parse_file(&e->key, key_path);
    if (ret == MBEDTLS_ERR_PK_PASSWORD_REQUIRED)
        return refuse(c, "%s: the key is encrypted; a server needs it without a password", key_path);
    if (ret != 0) {
        tls_format_error(c->error, TLS_MESSAGE_MAX, key_path, ret);
        return LN_E_TLS;
    }
    return LN_OK;
}

static enum ln_err check_key(const struct check *c)
{
    const mbedtls_pk_context *key = &c->entry->key;

    if (mbedtls_pk_get_type(key) == MBEDTLS_PK_RSA) {
        if (mbedtls_pk_get_bitlen(key) < RSA_BITS_MIN)
            return refuse(c, "%s: an RSA key of %zu bits is too short, %d are the least", c->host->key_path,
                          mbedtls_pk_get_bitlen(key), RSA_BITS_MIN);
    } else if (mbedtls_pk_get_type(key) == MBEDTLS_PK_ECKEY) {
        mbedtls_ecp_group_id curve = compat_key_curve(key);

        if (curve != MBEDTLS_ECP_DP_SECP256R1 && curve != MBEDTLS_ECP_DP_SECP384R1)
            return refuse(c, "%s: elliptic curve keys must be on P-256 or P-384", c->host->key_path);
    } else {
        return refuse(c, "%s: neither an RSA nor an elliptic curve key", c->host->key_path);
    }
    if (compat_key_check_pair(&c->entry->chain.pk, key) != 0)
        return refuse(c, "%s: the key does not belong to the first certificate in %s", c->host->key_path,
                      c->host->certificate_path);
    return LN_OK;
}

static void check_order(const struct check *c)
{
    const mbedtls_x509_crt *crt = &c->entry->chain;

    for (int n = 1; crt->next != NULL; crt = crt->next, n++) {
        if (crt->issuer_raw.len != crt->next->subject_raw.len ||
            memcmp(crt->issuer_raw.p, crt->next->subject_raw.p, crt->issuer_raw.len) != 0) {
            warn(c, "%s: certificate %d did not issue certificate %d, clients may refuse the chain",
                 c->host->certificate_path, n + 1, n);
            return;
        }
    }
}

static void check_dates(const struct check *c)
{
    time_t soon_s = time(NULL) + EXPIRES_SOON_DAYS * 24 * 3600;
    struct tm soon;

    for (const mbedtls_x509_crt *crt = &c->entry->chain; crt != NULL; crt = crt->next) {
        const mbedtls_x509_time *end = &crt->valid_to;
        int days_in_order[2];

        (void)gmtime_r(&soon_s, &soon);
        days_in_order[0] = end->year * 10000 + end->mon * 100 + end->day;
        days_in_order[1] = (soon.tm_year + 1900) * 10000 + (soon.tm_mon + 1) * 100 + soon.tm_mday;
        if (mbedtls_x509_time_is_past(end))
            warn(c, "%s: expired on %04d-%02d-%02d", c->host->certificate_path, end->year, end->mon, end->day);
        else if (mbedtls_x509_time_is_future(&crt->valid_from))
            warn(c, "%s: not valid yet", c->host->certificate_path);
        else if (days_in_order[0] < days_in_order[1])
            warn(c, "%s: expires on %04d-%02d-%02d", c->host->certificate_path, end->year, end->mon, end->day);
    }
}

/* RFC 9525 section 6.3: a wildcard stands for exactly one label, the first. */
static bool dns_name_covers(struct str pattern, struct str name)
{
    ptrdiff_t dot;

    if (str_eq_nocase(pattern, name))
        return true;
    if (!str_starts(pattern, STR("*.")))
        return false;
    dot = str_find(name, '.');
    return dot > 0 &&
           str_eq_nocase(str_make(pattern.p + 1, pattern.len - 1), str_make(name.p + dot, name.len - (size_t)dot));
}

struct str tls_address_bytes(const char *name, uint8_t bytes[16])
{
    char inner[64];
    size_t len = strlen(name);

    if (inet_pton(AF_INET, name, bytes) == 1)
        return str_make((const char *)bytes, 4);
    if (len < 3 || len - 2 >= sizeof(inner) || name[0] != '[' || name[len - 1] != ']')
        return STR("");
    memcpy(inner, name + 1, len - 2);
    inner[len - 2] = '\0';
    return inet_pton(AF_INET6, inner, bytes) == 1 ? str_make((const char *)bytes, 16) : STR("");
}

static void check_name(const struct check *c)
{
    enum { DNS_NAME = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2, IP_ADDRESS = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7 };
    uint8_t bytes[16];
    struct str name = str_of(c->entry->name), address = tls_address_bytes(c->entry->name, bytes);

    for (const mbedtls_x509_sequence *s = &c->entry->chain.subject_alt_names; s != NULL; s = s->next) {
        struct str san = str_make((const char *)s->buf.p, s->buf.len);

        if (s->buf.tag == DNS_NAME && dns_name_covers(san, name))
            return;
        if (s->buf.tag == IP_ADDRESS && address.len > 0 && str_eq(san, address))
            return;
    }
    warn(c, "%s: no subjectAltName is for %s", c->host->certificate_path, c->entry->name);
}

/* RSASSA-PSS names its hash in the parameters: RFC 4055 section 3.1, SHA-1 when it is left out. */
static mbedtls_md_type_t pss_hash(const mbedtls_x509_crt *crt)
{
    unsigned char *p = crt->tbs.p + crt->tbs.len, *end = crt->raw.p + crt->raw.len;
    mbedtls_asn1_buf oid, params, hash_oid, hash_params;
    mbedtls_md_type_t md = MBEDTLS_MD_SHA1;
    size_t len;

    if (mbedtls_asn1_get_alg(&p, end, &oid, &params) != 0)
        return MBEDTLS_MD_NONE;
    p = params.p;
    end = params.p + params.len;
    if (mbedtls_asn1_get_tag(&p, end, &len, MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED | 0) != 0)
        return md;
    if (mbedtls_asn1_get_alg(&p, end, &hash_oid, &hash_params) != 0 || mbedtls_oid_get_md_alg(&hash_oid, &md) != 0)
        return MBEDTLS_MD_NONE;
    return md;
}

/* RFC 5929 section 4.1: the hash of the certificate's own signature, SHA-256 in place of MD5 and SHA-1. */
static void make_end_point(struct tls_entry *e)
{
    mbedtls_md_type_t md = MBEDTLS_MD_NONE;
    mbedtls_pk_type_t pk = MBEDTLS_PK_NONE;
    const mbedtls_md_info_t *info;

    if (mbedtls_oid_get_sig_alg(&e->chain.sig_oid, &md, &pk) == 0 && pk == MBEDTLS_PK_RSASSA_PSS)
        md = pss_hash(&e->chain);
    if (md == MBEDTLS_MD_MD5 || md == MBEDTLS_MD_SHA1)
        md = MBEDTLS_MD_SHA256;
    info = mbedtls_md_info_from_type(md);
    if (info != NULL && mbedtls_md(info, e->chain.raw.p, e->chain.raw.len, e->end_point) == 0)
        e->end_point_len = mbedtls_md_get_size(info);
}

enum ln_err tls_entry_load(struct tls_entry *e, const struct tls_host *host, char *ret_error, char *warning)
{
    struct check c = {e, host, ret_error, warning};
    enum ln_err err;

    e->domain = str_dup(host->name);
    e->name = tls_host_to_ascii(host->name);
    if (e->name == NULL) {
        (void)refuse(&c, "%.*s: not a domain name", STR_ARG(host->name));
        return LN_E_INVALID;
    }
    err = load_files(&c, e);
    if (err == LN_OK)
        err = check_key(&c);
    if (err != LN_OK)
        return err;
    check_order(&c);
    check_dates(&c);
    check_name(&c);
    make_end_point(e);
    if (!compat_key_prepare(&e->key))
        return refuse(&c, "%s: the key cannot sign", host->key_path);
    if (mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), e->chain.raw.p, e->chain.raw.len, e->fingerprint) != 0)
        return refuse(&c, "%s: cannot be hashed", host->certificate_path);
    return LN_OK;
}
