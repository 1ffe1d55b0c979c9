/* server/net/mbedtls_compat.h - where mbedTLS 2.28 and 3.6 differ.
 *
 * Debian 12 has 2.28 and Debian 13 has 3.6. The differences that matter here are all in this file, under names that say
 * what is wanted rather than how either version calls it. */
#ifndef LINNET_SERVER_NET_MBEDTLS_COMPAT_H
#define LINNET_SERVER_NET_MBEDTLS_COMPAT_H

#include <stdbool.h>
#include <string.h>

#include <mbedtls/version.h>

#include <mbedtls/ecdsa.h>
#include <mbedtls/ecp.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#if MBEDTLS_VERSION_MAJOR >= 3
#include <psa/crypto.h>
#define COMPAT_HAS_TLS_1_3 1
#else
#define COMPAT_HAS_TLS_1_3 0
#endif

/* The library's f_rng: the kernel's generator (tls_random.c). */
int tls_random(void *unused, unsigned char *out, size_t len);

enum compat_secret {
    COMPAT_MASTER_SECRET, /* TLS 1.2: what all others are derived from */
    COMPAT_CLIENT_TRAFFIC_SECRET,
    COMPAT_SERVER_TRAFFIC_SECRET, /* TLS 1.3: of application data, the first generation */
};

/* Called during a handshake (tls_handshake.c). `prf` is of use with the master secret only. */
void tls_on_secret(enum compat_secret which, const unsigned char *secret, size_t len,
                   const unsigned char client_random[32], const unsigned char server_random[32],
                   mbedtls_tls_prf_types prf);

/* [start] TLS 1.3 of mbedTLS calculates through PSA, which wants to be set up once. False: it could not be. */
static inline bool compat_library_init(void)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    return psa_crypto_init() == PSA_SUCCESS;
#else
    return true;
#endif
}

static inline int compat_key_parse_file(mbedtls_pk_context *key, const char *path)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    return mbedtls_pk_parse_keyfile(key, path, NULL, tls_random, NULL);
#else
    return mbedtls_pk_parse_keyfile(key, path, NULL);
#endif
}

static inline int compat_key_check_pair(const mbedtls_pk_context *public_key, const mbedtls_pk_context *key)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    return mbedtls_pk_check_pair(public_key, key, tls_random, NULL);
#else
    return mbedtls_pk_check_pair(public_key, key);
#endif
}

/* [start] With a key as it was read 2.28 calculates, for each signature, a table of multiples of the curve's base
 * point, which is most of the work. With a key that is set up for ECDSA alone it does so once: here, so that the
 * threads that sign later only read it. 3.6 has these tables built in. False: the key cannot sign. */
static inline bool compat_key_prepare(mbedtls_pk_context *key)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    (void)key;
    return true;
#else
    unsigned char hash[32] = {0}, signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
    mbedtls_ecdsa_context pair;
    size_t len;
    bool is_ok;

    if (mbedtls_pk_get_type(key) != MBEDTLS_PK_ECKEY)
        return true;
    mbedtls_ecdsa_init(&pair);
    is_ok = mbedtls_ecdsa_from_keypair(&pair, mbedtls_pk_ec(*key)) == 0;
    mbedtls_pk_free(key);
    mbedtls_pk_init(key);
    is_ok = is_ok && mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECDSA)) == 0 &&
            mbedtls_ecdsa_from_keypair(mbedtls_pk_ec(*key), &pair) == 0 &&
            mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, hash, sizeof(hash), signature, &len, tls_random, NULL) == 0;
    mbedtls_ecdsa_free(&pair);
    return is_ok;
#endif
}

static inline mbedtls_ecp_group_id compat_key_curve(const mbedtls_pk_context *key)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    return mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(*key));
#else
    return mbedtls_pk_ec(*key)->grp.id;
#endif
}

static inline int compat_certificate_set_serial(mbedtls_x509write_cert *crt, unsigned char *serial, size_t len)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    return mbedtls_x509write_crt_set_serial_raw(crt, serial, len);
#else
    mbedtls_mpi number;
    int ret;

    mbedtls_mpi_init(&number);
    ret = mbedtls_mpi_read_binary(&number, serial, len);
    if (ret == 0)
        ret = mbedtls_x509write_crt_set_serial(crt, &number);
    mbedtls_mpi_free(&number);
    return ret;
#endif
}

/* TLS 1.2 up to what the library has. */
static inline void compat_conf_versions(mbedtls_ssl_config *conf)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    mbedtls_ssl_conf_min_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_3);
    /* A ticket never replaces the ephemeral exchange: a ticket key that leaks later opens nothing recorded before. */
    mbedtls_ssl_conf_tls13_key_exchange_modes(conf, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
                                                        MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
#else
    mbedtls_ssl_conf_min_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
}

/* Curves X25519, P-256, P-384, the one that costs the library less first (2.28: X25519 by 14 %; 3.6: P-256 by 11 %; in
 * TLS 1.3 a client chooses by what it sends first); signatures over SHA-256 and longer. */
static inline void compat_conf_groups_and_signatures(mbedtls_ssl_config *conf)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    static const uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
                                      MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_NONE};

    mbedtls_ssl_conf_groups(conf, groups); /* the default signatures leave SHA-1 out */
#else
    static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
                                                  MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE};
    static const int hashes[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512, MBEDTLS_MD_NONE};

    mbedtls_ssl_conf_curves(conf, curves);
    mbedtls_ssl_conf_sig_hashes(conf, hashes);
#endif
}

#if MBEDTLS_VERSION_MAJOR >= 3
static inline void compat_on_export(void *unused, mbedtls_ssl_key_export_type type, const unsigned char *secret,
                                    size_t len, const unsigned char client_random[32],
                                    const unsigned char server_random[32], mbedtls_tls_prf_types prf)
{
    (void)unused;
    if (type == MBEDTLS_SSL_KEY_EXPORT_TLS12_MASTER_SECRET)
        tls_on_secret(COMPAT_MASTER_SECRET, secret, len, client_random, server_random, prf);
    if (type == MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET)
        tls_on_secret(COMPAT_CLIENT_TRAFFIC_SECRET, secret, len, client_random, server_random, prf);
    if (type == MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET)
        tls_on_secret(COMPAT_SERVER_TRAFFIC_SECRET, secret, len, client_random, server_random, prf);
}
#else
static inline int compat_on_export(void *unused, const unsigned char *master, const unsigned char *key_block,
                                   size_t mac_len, size_t key_len, size_t iv_len, const unsigned char client_random[32],
                                   const unsigned char server_random[32], mbedtls_tls_prf_types prf)
{
    (void)unused, (void)key_block, (void)mac_len, (void)key_len, (void)iv_len;
    tls_on_secret(COMPAT_MASTER_SECRET, master, 48, client_random, server_random, prf);
    return 0;
}
#endif

/* Both are called, and one of them makes the library call tls_on_secret(): 2.28 wants to know it of the
 * configuration, 3.6 of the connection. */
static inline void compat_conf_export_secret(mbedtls_ssl_config *conf)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    (void)conf;
#else
    mbedtls_ssl_conf_export_keys_ext_cb(conf, compat_on_export, NULL);
#endif
}

static inline void compat_ssl_export_secret(mbedtls_ssl_context *ssl)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    mbedtls_ssl_set_export_keys_cb(ssl, compat_on_export, NULL);
#else
    (void)ssl;
#endif
}

/* The exporter of TLS 1.3 (RFC 8446 section 7.5). False: this library cannot; 3.6 has it in its later releases only. */
static inline bool compat_export_1_3(mbedtls_ssl_context *ssl, const char *label, unsigned char *out, size_t out_len)
{
#if defined(MBEDTLS_SSL_KEYING_MATERIAL_EXPORT)
    return mbedtls_ssl_export_keying_material(ssl, out, out_len, label, strlen(label), NULL, 0, 0) == 0;
#else
    (void)ssl, (void)label, (void)out, (void)out_len;
    return false;
#endif
}

#endif
