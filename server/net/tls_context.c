#include "server/net/tls_internal.h"

#include "common/mem.h"

#include <ctype.h>
#include <idn2.h>
#include <mbedtls/error.h>
#include <stdio.h>

static const char *alpn_protocols[] = {"xmpp-client", NULL}; /* XEP-0368 section 4 */

void tls_format_error(char *to, size_t size, const char *what, int ret)
{
    char text[128];

    mbedtls_strerror(ret, text, sizeof(text));
    (void)snprintf(to, size, "%s: %s", what, text);
}

char *tls_host_to_ascii(struct str host)
{
    char *utf8 = str_dup(host), *ascii = NULL, *ret = NULL;

    /* An address in brackets is no name; all else ASCII comes through unchanged. */
    if (host.len > 0 && host.p[0] == '[')
        return utf8;
    if (memchr(host.p, 0, host.len) == NULL && idn2_to_ascii_8z(utf8, &ascii, IDN2_NONTRANSITIONAL) == IDN2_OK) {
        ret = str_dup(str_of(ascii));
        for (char *p = ret; *p != '\0'; p++)
            *p = (char)tolower((unsigned char)*p);
    }
    idn2_free(ascii);
    free(utf8);
    return ret;
}

struct tls_entry *tls_context_find(const struct tls_context *c, struct str name)
{
    for (size_t i = 0; i < c->n_entries; i++) {
        if (str_eq_nocase(str_of(c->entries[i].name), name))
            return &c->entries[i];
    }
    return NULL;
}

/* RFC 6066 section 3. A refusal makes the library send unrecognized_name. */
static int on_sni(void *context, mbedtls_ssl_context *ssl, const unsigned char *bytes, size_t len)
{
    struct tls *t = tls_current();
    struct str name = str_make((const char *)bytes, len);
    struct tls_entry *e = tls_context_find(context, name);

    /* The second ClientHello of TLS 1.3 repeats the first one's name. */
    if (e == NULL || (t->sni != NULL && !str_is(name, t->sni)))
        return -1;
    if (t->sni != NULL)
        return 0;
    t->sni = str_dup(name);
    t->entry = e;
    return mbedtls_ssl_set_hs_own_cert(ssl, &e->chain, &e->key);
}

static enum ln_err configure(struct tls_context *c, struct tls_entry *e, bool is_direct)
{
    mbedtls_ssl_config *conf = is_direct ? &e->direct : &e->starttls;

    if (mbedtls_ssl_config_defaults(conf, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        return LN_E_TLS;
    compat_conf_versions(conf);
    compat_conf_groups_and_signatures(conf);
    compat_conf_export_secret(conf);
    mbedtls_ssl_conf_ciphersuites(conf, c->suites);
    mbedtls_ssl_conf_renegotiation(conf, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
    mbedtls_ssl_conf_legacy_renegotiation(conf, MBEDTLS_SSL_LEGACY_NO_RENEGOTIATION);
    mbedtls_ssl_conf_extended_master_secret(conf, MBEDTLS_SSL_EXTENDED_MS_ENABLED);
    mbedtls_ssl_conf_authmode(conf, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_rng(conf, tls_random, NULL);
    mbedtls_ssl_conf_sni(conf, on_sni, c);
    if (c->tickets != NULL)
        mbedtls_ssl_conf_session_tickets_cb(conf, tls_tickets_write, tls_tickets_parse, c->tickets);
    /* STARTTLS has no ALPN (XEP-0368 is about direct TLS): whatever a client sends is ignored there. */
    if (is_direct && mbedtls_ssl_conf_alpn_protocols(conf, alpn_protocols) != 0)
        return LN_E_TLS;
    return mbedtls_ssl_conf_own_cert(conf, &e->chain, &e->key) == 0 ? LN_OK : LN_E_TLS;
}

static void entry_init(struct tls_entry *e)
{
    mbedtls_x509_crt_init(&e->chain);
    mbedtls_pk_init(&e->key);
    mbedtls_ssl_config_init(&e->starttls);
    mbedtls_ssl_config_init(&e->direct);
}

static void entry_deinit(struct tls_entry *e)
{
    mbedtls_ssl_config_free(&e->direct);
    mbedtls_ssl_config_free(&e->starttls);
    mbedtls_pk_free(&e->key);
    mbedtls_x509_crt_free(&e->chain);
    free(e->domain);
    free(e->name);
}

static enum ln_err load_host(struct tls_context *c, const struct tls_host *host, char *ret_error, char *warning)
{
    struct tls_entry *e = &c->entries[c->n_entries];
    enum ln_err err;

    entry_init(e);
    c->n_entries++; /* half made, but tls_context_unref() can take it down */
    err = tls_entry_load(e, host, ret_error, warning);
    if (err != LN_OK)
        return err;
    if (configure(c, e, false) != LN_OK || configure(c, e, true) != LN_OK) {
        (void)snprintf(ret_error, TLS_MESSAGE_MAX, "%s: the TLS library refused its configuration", e->name);
        return LN_E_TLS;
    }
    return LN_OK;
}

enum ln_err tls_context_new(const struct tls_host *hosts, size_t n_hosts, struct tls_tickets *tickets,
                            struct tls_context **ret, char *ret_error, char *ret_warning)
{
    struct tls_context *c = mem_zalloc(sizeof(*c));
    enum ln_err err = LN_OK;

    atomic_init(&c->refs, 1);
    c->tickets = tickets;
    tls_suites_list(c->suites);
    c->entries = mem_zalloc(n_hosts * sizeof(*c->entries));
    ret_error[0] = ret_warning[0] = '\0';
    if (!compat_library_init()) {
        (void)snprintf(ret_error, TLS_MESSAGE_MAX, "the TLS library could not be set up");
        err = LN_E_TLS;
    }
    if (n_hosts == 0) {
        (void)snprintf(ret_error, TLS_MESSAGE_MAX, "no host has a certificate");
        err = LN_E_INVALID;
    }
    for (size_t i = 0; i < n_hosts && err == LN_OK; i++)
        err = load_host(c, &hosts[i], ret_error, ret_warning);
    if (err == LN_OK)
        *ret = c;
    else
        tls_context_unref(&c);
    return err;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void tls_context_unref(struct tls_context **c)
{
    struct tls_context *mine = *c;

    *c = NULL;
    if (mine == NULL || atomic_fetch_sub_explicit(&mine->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < mine->n_entries; i++)
        entry_deinit(&mine->entries[i]);
    free(mine->entries);
    free(mine);
}
