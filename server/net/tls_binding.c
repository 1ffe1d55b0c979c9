#include "server/net/tls_internal.h"

#include "common/mem.h"

#define EXPORTER_LABEL "EXPORTER-Channel-Binding" /* RFC 9266 section 2 */

void tls_on_master_secret(const unsigned char *master, size_t master_len, const unsigned char client_random[32],
                          const unsigned char server_random[32], mbedtls_tls_prf_types prf)
{
    struct tls_handshake *h = tls_current()->handshake;

    if (master_len > sizeof(h->master))
        return;
    memcpy(h->master, master, master_len);
    h->master_len = master_len;
    memcpy(h->randoms, client_random, 32);
    memcpy(h->randoms + 32, server_random, 32);
    h->prf = prf;
}

/* RFC 5705 section 4: without a context, and with one whose length, zero, takes two bytes behind the randoms. */
static bool make_exporters_1_2(struct tls *t)
{
    const struct tls_handshake *h = t->handshake;
    uint8_t seed[sizeof(h->randoms) + 2] = {0};

    memcpy(seed, h->randoms, sizeof(h->randoms));
    return mbedtls_ssl_tls_prf(h->prf, h->master, h->master_len, EXPORTER_LABEL, seed, sizeof(h->randoms),
                               t->bindings.exporter, TLS_EXPORTER_LEN) == 0 &&
           mbedtls_ssl_tls_prf(h->prf, h->master, h->master_len, EXPORTER_LABEL, seed, sizeof(seed),
                               t->bindings.exporter_empty, TLS_EXPORTER_LEN) == 0;
}

/* RFC 5929 section 3: the first Finished message, which is the server's when the session was resumed; its contents as
 * RFC 5246 section 7.4.9 makes them. */
static bool make_unique(struct tls *t)
{
    struct tls_handshake *h = t->handshake;
    bool is_sha384 = h->prf == MBEDTLS_SSL_TLS_PRF_SHA384;
    uint8_t hash[MBEDTLS_MD_MAX_SIZE];

    if (mbedtls_md_finish(is_sha384 ? &h->transcript.sha384 : &h->transcript.sha256, hash) != 0)
        return false;
    return mbedtls_ssl_tls_prf(h->prf, h->master, h->master_len, t->is_resumed ? "server finished" : "client finished",
                               hash, is_sha384 ? 48 : 32, t->bindings.unique, TLS_UNIQUE_LEN) == 0;
}

void tls_bindings_make(struct tls *t)
{
    struct tls_handshake *h = t->handshake;

    if (h->transcript.is_1_3) {
        t->bindings.has_exporter = compat_export_1_3(&t->ssl, EXPORTER_LABEL, t->bindings.exporter, TLS_EXPORTER_LEN);
        memcpy(t->bindings.exporter_empty, t->bindings.exporter, TLS_EXPORTER_LEN);
        return;
    }
    /* Without the extended master secret two sessions can be made to share their secrets (RFC 7627 section 1): RFC 9266
     * section 2 forbids the exporter then, and tls-unique is no better off. */
    if (!h->transcript.has_extended_master_secret || h->master_len == 0)
        return;
    t->bindings.has_exporter = make_exporters_1_2(t);
    t->bindings.has_unique = make_unique(t);
}

static struct str peek_exporter(const struct tls *t)
{
    return t->bindings.has_exporter ? str_make((const char *)t->bindings.exporter, TLS_EXPORTER_LEN) : STR("");
}

static struct str peek_exporter_empty(const struct tls *t)
{
    return t->bindings.has_exporter ? str_make((const char *)t->bindings.exporter_empty, TLS_EXPORTER_LEN) : STR("");
}

static struct str peek_unique(const struct tls *t)
{
    return t->bindings.has_unique ? str_make((const char *)t->bindings.unique, TLS_UNIQUE_LEN) : STR("");
}

static struct str peek_end_point(const struct tls *t)
{
    return str_make((const char *)t->entry->end_point, t->entry->end_point_len);
}

static const struct {
    const char *type;
    struct str (*peek)(const struct tls *t); /* empty: this connection has none */
} binding_types[] = {
    {"tls-exporter", peek_exporter},
    {TLS_EXPORTER_EMPTY, peek_exporter_empty},
    {"tls-unique", peek_unique},
    {"tls-server-end-point", peek_end_point},
};

enum ln_err tls_channel_binding(const struct tls *t, const char *type, struct buf *out)
{
    if (t->state != TLS_READY)
        return LN_E_NOT_FOUND;
    for (size_t i = 0; i < ARRAY_LEN(binding_types); i++) {
        if (strcmp(binding_types[i].type, type) == 0) {
            struct str data = binding_types[i].peek(t);

            buf_append_str(out, data);
            return data.len > 0 ? LN_OK : LN_E_NOT_FOUND;
        }
    }
    return LN_E_NOT_FOUND;
}
