#include "server/stream/stream_internal.h"

#include "common/xmpp/ns.h"
#include "server/base/config.h"

/* ---- writing ---- */

void stream_write_header(struct session *s, struct str from, struct str to)
{
    struct buf *out = conn_out(s->conn);
    char id[33];

    buf_append_cstr(out, "<?xml version='1.0'?><stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM
                         "' version='1.0' xml:lang='en' id='");
    buf_append_str(out, random_hex(id, 16));
    buf_append_cstr(out, "' from='");
    xml_escape(out, from);
    if (to.len > 0) {
        buf_append_cstr(out, "' to='");
        xml_escape(out, to);
    }
    buf_append_cstr(out, "'>");
    s->header_sent = true;
}

void stream_write_end(struct session *s, enum stream_err err, const char *text, struct str app_condition)
{
    if (err == STREAM_OK && !s->header_sent)
        return; /* nothing was opened: there is nothing to be closed */
    if (!s->header_sent)
        stream_write_header(s, s->host.len > 0 ? s->host : s->worker->config->hosts[0].name, str_make(NULL, 0));
    struct buf *out = conn_out(s->conn);

    if (err != STREAM_OK) {
        struct xml_writer w = xml_writer_to(out);

        xml_start(&w, "stream:error", NULL);
        xml_put_empty(&w, stream_err_name(err), NS_STREAM_ERRORS);
        if (text != NULL) {
            xml_start(&w, "text", NS_STREAM_ERRORS);
            xml_put_attr(&w, "xml:lang", STR("en"));
            xml_put_text(&w, str_of(text));
            xml_end(&w);
        }
        xml_put_raw(&w, app_condition);
        xml_end(&w);
    }
    buf_append_cstr(out, "</stream:stream>");
    (void)conn_sent(s->conn);
}

/* ---- reading ---- */

/* Version: anything from 1.0 on is answered with 1.0 (RFC 6120 section 4.7.5). */
static bool is_version_supported(struct str version)
{
    ptrdiff_t dot = str_find(version, '.');
    uint64_t major;

    return dot > 0 && str_to_u64(str_make(version.p, (size_t)dot), UINT32_MAX, &major) && major >= 1;
}

static enum stream_err check_root(const struct xml_element *e, struct str default_ns, const char **ret_text)
{
    if (!str_is(e->ns, NS_STREAM) || !str_is(default_ns, NS_CLIENT)) {
        *ret_text = "expected a stream of jabber:client";
        return STREAM_ERR_INVALID_NAMESPACE;
    }
    if (!str_is(e->name, "stream")) {
        *ret_text = "expected <stream:stream>";
        return STREAM_ERR_BAD_FORMAT;
    }
    if (!is_version_supported(xml_attr(e, "version", NULL))) {
        *ret_text = "XMPP 1.0 or later is required";
        return STREAM_ERR_UNSUPPORTED_VERSION;
    }
    return STREAM_OK;
}

/* The host is fixed by the first header; a later one must name the same (RFC 6120 section 4.3.3). */
static enum stream_err check_to(struct session *s, const struct xml_element *e, const char **ret_text)
{
    struct str to = xml_attr(e, "to", NULL);
    char domain[JID_PART_MAX];
    size_t len;

    if (to.len == 0) {
        *ret_text = "the stream header has no 'to'";
        return STREAM_ERR_IMPROPER_ADDRESSING;
    }
    if (jid_prepare_domain(to, domain, &len) != LN_OK) {
        *ret_text = "'to' is not a domain";
        return STREAM_ERR_HOST_UNKNOWN;
    }
    if (s->host.len > 0) {
        *ret_text = "'to' may not change within a connection";
        return str_eq(s->host, str_make(domain, len)) ? STREAM_OK : STREAM_ERR_NOT_AUTHORIZED;
    }
    if (config_host(s->worker->config, str_make(domain, len)) == NULL) {
        *ret_text = "this server does not serve that host";
        return STREAM_ERR_HOST_UNKNOWN;
    }
    session_set_names(s, str_make(NULL, 0), str_make(domain, len), str_make(NULL, 0));
    return STREAM_OK;
}

/* After SASL a 'from' must be the account's (RFC 6120 section 4.7.1); before, one of the host's (XEP-0388 section 2.1),
 * which is remembered. */
static enum stream_err check_from(struct session *s, const struct xml_element *e, const char **ret_text)
{
    struct str from = xml_attr(e, "from", NULL);
    struct jid_buf mem;
    struct jid jid;

    if (from.len == 0)
        return STREAM_OK;
    if (jid_parse(from, &mem, &jid) != LN_OK) {
        *ret_text = "'from' is not a JID";
        return STREAM_ERR_INVALID_FROM;
    }
    if (s->type == SESSION_C2S && !str_eq(jid_bare(&jid), jid_bare(&s->jid))) {
        *ret_text = "'from' is not the account that logged in";
        return STREAM_ERR_INVALID_FROM;
    }
    if (!str_eq(jid_domain(&jid), s->host)) {
        *ret_text = "'from' is not an account of the host";
        return STREAM_ERR_INVALID_FROM;
    }
    if (s->type == SESSION_C2S_UNAUTHED && jid.local_len > 0) {
        free(s->header_from);
        s->header_from = str_dup(jid_bare(&jid));
    }
    return STREAM_OK;
}

enum stream_err stream_check_header(struct session *s, const struct xml_element *e, struct str default_ns,
                                    const char **ret_text)
{
    enum stream_err err = check_root(e, default_ns, ret_text);

    if (err == STREAM_OK)
        err = check_to(s, e, ret_text);
    return err == STREAM_OK ? check_from(s, e, ret_text) : err;
}
