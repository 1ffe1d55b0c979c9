#include "server/stream/sasl_mechanisms.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/net/tls.h"
#include "server/stream/sasl.h"

/* In the order of preference, which is the order they are offered in. */
static const struct sasl_mechanism mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", sasl_take_scram, CONFIG_SASL_SCRAM_SHA_256_PLUS, .is_plus = true, .hash = SCRAM_SHA_256},
    {"SCRAM-SHA-1-PLUS", sasl_take_scram, CONFIG_SASL_SCRAM_SHA_1_PLUS, .is_plus = true, .hash = SCRAM_SHA_1},
    {"SCRAM-SHA-256", sasl_take_scram, CONFIG_SASL_SCRAM_SHA_256, .hash = SCRAM_SHA_256},
    {"SCRAM-SHA-1", sasl_take_scram, CONFIG_SASL_SCRAM_SHA_1, .hash = SCRAM_SHA_1},
    {"PLAIN", sasl_take_plain, CONFIG_SASL_PLAIN, .is_plain = true, .hash = SCRAM_SHA_256},
};
static const struct sasl_mechanism tokens[] = {
    {"HT-SHA-256-EXPR", sasl_take_token, CONFIG_FAST_EXPR, .is_token = true, .binding = "tls-exporter"},
    {"HT-SHA-256-UNIQ", sasl_take_token, CONFIG_FAST_UNIQ, .is_token = true, .binding = "tls-unique"},
    {"HT-SHA-256-ENDP", sasl_take_token, CONFIG_FAST_ENDP, .is_token = true, .binding = "tls-server-end-point"},
    {"HT-SHA-256-NONE", sasl_take_token, CONFIG_FAST_NONE, .is_token = true},
};

static const char *const bindings[SASL_BINDINGS] = {
    [SASL_TLS_EXPORTER] = "tls-exporter",
    [SASL_TLS_UNIQUE] = "tls-unique",
    [SASL_TLS_SERVER_END_POINT] = "tls-server-end-point",
};

/* ---- channel bindings ---- */

bool sasl_get_binding(const struct session *s, const char *type, struct buf *data)
{
    const struct tls *tls = conn_peek_tls(s->conn);

    return tls != NULL && tls_channel_binding(tls, type, data) == LN_OK;
}

void sasl_note_bindings(struct session *s)
{
    struct buf data = {0};

    s->bindings = 0;
    if (conn_peek_tls(s->conn) == NULL)
        return;
    for (unsigned i = 0; i < SASL_BINDINGS; i++) {
        if (sasl_get_binding(s, bindings[i], &data))
            s->bindings |= (uint8_t)(1u << i);
    }
    buf_deinit(&data);
}

static bool has_binding(const struct session *s, const char *type)
{
    for (unsigned i = 0; i < SASL_BINDINGS; i++) {
        if (strcmp(bindings[i], type) == 0)
            return (s->bindings >> i & 1) != 0;
    }
    return false;
}

void sasl_write_bindings(const struct session *s, struct xml_writer *w)
{
    xml_start(w, "sasl-channel-binding", NS_SASL_CB);
    for (unsigned i = 0; i < SASL_BINDINGS; i++) {
        if ((s->bindings >> i & 1) == 0)
            continue;
        xml_start(w, "channel-binding", NULL);
        xml_put_attr(w, "type", str_of(bindings[i]));
        xml_end(w);
    }
    xml_end(w);
}

/* ---- what is offered ---- */

static bool is_enabled(const struct session *s, const struct sasl_mechanism *m)
{
    const struct config *cfg = s->worker->config;

    return ((m->is_token ? cfg->fast.mechanisms : cfg->sasl.mechanisms) & (1u << m->bit)) != 0;
}

static bool needs_tls_first(const struct session *s, const struct sasl_mechanism *m)
{
    const struct config *cfg = s->worker->config;

    if (s->is_secure)
        return false;
    return m->is_token || cfg->tls.required || (m->is_plain && !cfg->tls.allow_plain_without_tls);
}

static bool is_offered(const struct session *s, const struct sasl_mechanism *m)
{
    return is_enabled(s, m) && !needs_tls_first(s, m) && (!m->is_plus || s->bindings != 0) &&
           (m->binding == NULL || has_binding(s, m->binding)) && (!m->is_token || s->offered_tokens);
}

bool sasl_write_mechanisms(struct session *s, struct xml_writer *w, const char *parent, const char *ns)
{
    bool any = false;

    s->offered_plus = false;
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
        if (!is_offered(s, &mechanisms[i]))
            continue;
        if (!any)
            xml_start(w, parent, ns);
        any = true;
        s->offered_plus = s->offered_plus || mechanisms[i].is_plus;
        xml_put_text_element(w, "mechanism", str_of(mechanisms[i].name));
    }
    return any;
}

bool sasl_has_tokens(const struct session *s)
{
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        if (is_offered(s, &tokens[i]))
            return true;
    }
    return false;
}

void sasl_write_tokens(const struct session *s, struct xml_writer *w)
{
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        if (is_offered(s, &tokens[i]))
            xml_put_text_element(w, "mechanism", str_of(tokens[i].name));
    }
}

const struct sasl_mechanism *sasl_find_mechanism(const struct session *s, struct str name, bool is_token,
                                                 const char **ret_failure)
{
    const struct sasl_mechanism *m = is_token ? tokens : mechanisms;
    size_t n = is_token ? ARRAY_LEN(tokens) : ARRAY_LEN(mechanisms);

    *ret_failure = "invalid-mechanism";
    for (; n > 0 && !str_is(name, m->name); n--)
        m++;
    if (n == 0 || !is_enabled(s, m))
        return NULL;
    if (is_offered(s, m))
        return m;
    if (needs_tls_first(s, m))
        *ret_failure = "encryption-required";
    return NULL;
}

/* ---- as they are stored ---- */

enum { FIRST_TOKEN_BIT = 16 };

/* The values of the enums in config.h are stored by this: new ones go to their ends. */
uint32_t sasl_mechanism_bit(const struct sasl_mechanism *m)
{
    return UINT32_C(1) << (m->bit + (m->is_token ? FIRST_TOKEN_BIT : 0));
}

const char *sasl_next_mechanism_name(uint32_t bits, unsigned *cursor)
{
    while (*cursor < ARRAY_LEN(mechanisms) + ARRAY_LEN(tokens)) {
        unsigned i = (*cursor)++;
        const struct sasl_mechanism *m =
            i < ARRAY_LEN(mechanisms) ? &mechanisms[i] : &tokens[i - ARRAY_LEN(mechanisms)];

        if ((bits & sasl_mechanism_bit(m)) != 0)
            return m->name;
    }
    return NULL;
}
