/* server/modules/external_services.c - XEP-0215 External Service Discovery 1.0.0
 *
 * Where clients find STUN and TURN servers for calls: those of the configuration that are for this host. What needs a
 * password is told with one, since clients would ask for it next anyway: a fixed one, or one that is made for the
 * account and ends by itself. Only the host's own users are told. The configuration seldom changes and passwords are
 * asked for anew with each call, so nothing is pushed. */
#include "common/datetime.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/turn_credentials.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/config.h"
#include "server/modules/module.h"

/* What a request wants; empty: any. */
struct wanted {
    struct str type;
    struct str host;
    uint64_t port; /* 0: any */
    bool only_with_password;
};

static bool is_own_user(const struct iq *iq)
{
    return iq->session != NULL && session_is_connected(iq->session) && str_eq(iq->session->host, iq->host);
}

static bool has_password(const struct config_external_service *service)
{
    return service->secret[0] != '\0' || service->username[0] != '\0';
}

static bool is_for_host(const struct config_external_service *service, struct str host)
{
    for (size_t i = 0; i < service->hosts.n; i++) {
        if (str_is(host, service->hosts.items[i]))
            return true;
    }
    return service->hosts.n == 0;
}

static bool is_wanted(const struct config_external_service *service, const struct wanted *wanted)
{
    return (wanted->type.len == 0 || str_is(wanted->type, service->type)) &&
           (wanted->host.len == 0 || str_eq_nocase(wanted->host, str_of(service->host))) &&
           (wanted->port == 0 || wanted->port == service->port) &&
           (!wanted->only_with_password || has_password(service));
}

/* ---- writing ---- */

/* The names that TURN sees are made with a key of this server, so that they do not give accounts away. */
static void put_temporary(struct xml_writer *w, const struct iq *iq, const struct config_external_service *service)
{
    const struct server *server = iq->worker->server;
    uint64_t expires_s = (uint64_t)wall_clock_ms() / 1000 + service->ttl_s;
    struct buf name = {0}, password = {0};
    char user[16], date[32];

    turn_credentials(
        str_of(service->secret), expires_s,
        turn_user_of(str_make((const char *)server->secret, sizeof(server->secret)), jid_bare(&iq->session->jid), user),
        &name, &password);
    xml_put_attr(w, "username", buf_str(&name));
    xml_put_attr(w, "password", buf_str(&password));
    xml_put_attr(w, "expires", datetime_format((int64_t)expires_s * 1000, date));
    buf_deinit(&name);
    buf_deinit(&password);
}

static void put_service(struct xml_writer *w, const struct iq *iq, const struct config_external_service *service)
{
    xml_start(w, "service", NULL);
    xml_put_attr(w, "type", str_of(service->type));
    xml_put_attr(w, "host", str_of(service->host));
    if (service->port != 0)
        xml_put_attr_u64(w, "port", service->port);
    xml_put_attr(w, "transport", str_of(config_names_transport[service->transport]));
    xml_put_attr_opt(w, "name", str_of(service->name));
    if (has_password(service))
        xml_put_attr(w, "restricted", STR("true"));
    if (service->secret[0] != '\0') {
        put_temporary(w, iq, service);
    } else if (has_password(service)) {
        xml_put_attr(w, "username", str_of(service->username));
        xml_put_attr(w, "password", str_of(service->password));
    }
    xml_end(w);
}

/* How many there were. */
static size_t put_services(struct xml_writer *w, const struct iq *iq, const struct wanted *wanted)
{
    const struct config *cfg = iq->worker->config;
    size_t n = 0;

    for (size_t i = 0; i < cfg->n_external_services; i++) {
        const struct config_external_service *service = &cfg->external_services[i];

        if (!is_for_host(service, iq->host) || !is_wanted(service, wanted))
            continue;
        put_service(w, iq, service);
        n++;
    }
    return n;
}

/* ---- answering ---- */

/* Sections 3.1, 3.2 */
static enum iq_verdict on_services(struct iq *iq)
{
    struct wanted wanted = {.type = xml_attr(iq->query, "type", NULL)};
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    if (!is_own_user(iq))
        return iq_error(iq, STANZA_ERR_FORBIDDEN, NULL);
    xml_start(&w, "services", NS_EXTDISCO);
    xml_put_attr_opt(&w, "type", wanted.type);
    (void)put_services(&w, iq, &wanted);
    xml_end(&w);
    enum iq_verdict verdict = iq_result(iq, buf_str(&payload));

    buf_deinit(&payload);
    return verdict;
}

/* False: it does not say which service it means. */
static bool read_wanted(const struct xml_element *credentials, struct wanted *ret)
{
    const struct xml_element *service = xml_child(credentials, "service", NS_EXTDISCO);

    if (service == NULL || xml_next(service, "service", NS_EXTDISCO) != NULL)
        return false;
    struct str port = xml_attr(service, "port", NULL);

    *ret = (struct wanted){
        .type = xml_attr(service, "type", NULL), .host = xml_attr(service, "host", NULL), .only_with_password = true};
    return ret->type.len > 0 && ret->host.len > 0 && (port.len == 0 || str_to_u64(port, UINT16_MAX, &ret->port));
}

/* Section 3.3 */
static enum iq_verdict on_credentials(struct iq *iq)
{
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);
    struct wanted wanted;
    enum iq_verdict verdict;

    if (!is_own_user(iq))
        return iq_error(iq, STANZA_ERR_FORBIDDEN, NULL);
    if (!read_wanted(iq->query, &wanted))
        return iq_error(iq, STANZA_ERR_BAD_REQUEST, "one service, with its host and type");
    xml_start(&w, "credentials", NS_EXTDISCO);
    if (put_services(&w, iq, &wanted) > 0) {
        xml_end(&w);
        verdict = iq_result(iq, buf_str(&payload));
    } else {
        verdict = iq_error(iq, STANZA_ERR_ITEM_NOT_FOUND, NULL);
    }
    buf_deinit(&payload);
    return verdict;
}

const struct module module_external_services = {
    .name = "external_services",
    .features = {NS_EXTDISCO},
    .iq = {{IQ_GET, NS_EXTDISCO, "services", IQ_TO_HOST, on_services},
           {IQ_GET, NS_EXTDISCO, "credentials", IQ_TO_HOST, on_credentials}},
};
