#include "server/net/tls_internal.h"

#include "common/mem.h"

#define EXPORTER_LABEL "EXPORTER-Channel-Binding" /* RFC 9266 section 2 */

/* RFC 5705 section 4: without a context, and with one whose length, zero, takes two bytes behind the randoms. */
static bool make_exporters_1_2(struct tls *t)
{
    const struct tls_secrets *s = &t->handshake->secrets;
    uint8_t seed[sizeof(s->randoms) + 2] = {0};

    memcpy(seed, s->randoms, sizeof(s->randoms));
    return mbedtls_ssl_tls_prf(s->prf, s->master, s->master_len, EXPORTER_LABEL, seed, sizeof(s->randoms),
                               t->bindings.exporter, TLS_EXPORTER_LEN) == 0 &&
           mbedtls_ssl_tls_prf(s->prf, s->master, s->master_len, EXPORTER_LABEL, seed, sizeof(seed),
                               t->bindings.exporter_empty, TLS_EXPORTER_LEN) == 0;
}

/* RFC 5929 section 3: the first Finished message, which is the server's when the session was resumed; its contents as
 * RFC 5246 section 7.4.9 makes them. */
static bool make_unique(struct tls *t)
{
    struct tls_handshake *h = t->handshake;
    const struct tls_secrets *s = &h->secrets;
    bool is_sha384 = s->prf == MBEDTLS_SSL_TLS_PRF_SHA384;
    uint8_t hash[MBEDTLS_MD_MAX_SIZE];

    if (mbedtls_md_finish(is_sha384 ? &h->transcript.sha384 : &h->transcript.sha256, hash) != 0)
        return false;
    return mbedtls_ssl_tls_prf(s->prf, s->master, s->master_len, t->is_resumed ? "server finished" : "client finished",
                               hash, is_sha384 ? 48 : 32, t->bindings.unique, TLS_UNIQUE_LEN) == 0;
}

void tls_bindings_make(struct tls *t)
{
    struct tls_handshake *h = t->handshake;

    if (h->transcript.is_1_3) {
        t->bindings.has_exporter = compat_export_1_3(&h->ssl, EXPORTER_LABEL, t->bindings.exporter, TLS_EXPORTER_LEN);
        memcpy(t->bindings.exporter_empty, t->bindings.exporter, TLS_EXPORTER_LEN);
        return;
    }
    /* Without the extended master secret two sessions can be made to share their secrets (RFC 7627 section 1): RFC 9266
     * section 2 forbids the exporter then, and tls-unique is no better off. */
    if (!h->transcript.has_extended_master_secret || h->secrets.master_len == 0)
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
