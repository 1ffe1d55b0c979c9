#include "server/base/config_rules.h"

#include "server/base/config_check.h"

#include <inttypes.h>
#include <sys/un.h>

/* The place of a key, by its name and its field; where it is absent, that of the [[table]] it is missing in. */
static struct toml_place place_of(const struct config_reader *r, const char *key, const void *field,
                                  const char *parent_key, const void *parent)
{
    struct toml_place place = config_place_of(r, config_row_find(str_of(key)), field);

    if (place.line == 0 && parent_key != NULL)
        place = config_place_of(r, config_row_find(str_of(parent_key)), parent);
    return place;
}

static void refuse(struct config_reader *r, const char *key, const void *field, const char *what)
{
    config_mistakes_add(&r->mistakes, place_of(r, key, field, NULL, NULL), key, "%s", what);
}

static void check_limits(struct config_reader *r, const struct config_limits *limits)
{
    if (limits->stanza_bytes_unauthenticated > limits->stanza_bytes)
        refuse(r, "limits.stanza_bytes_unauthenticated", &limits->stanza_bytes_unauthenticated,
               "must not be more than limits.stanza_bytes");
    if (limits->out_queue_bytes < limits->stanza_bytes)
        refuse(r, "limits.out_queue_bytes", &limits->out_queue_bytes,
               "must not be less than limits.stanza_bytes: a stanza of that size could not be delivered");
}

static void check_socket(struct config_reader *r, const struct config_control *control)
{
    size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

    if (strlen(control->socket) > max)
        config_mistakes_add(&r->mistakes, place_of(r, "control.socket", &control->socket, NULL, NULL), "control.socket",
                            "the path of a Unix socket has at most %zu bytes: %s", max, control->socket);
}

/* ---- listeners ---- */

static bool is_same_socket(const struct config_listener *a, const struct config_listener *b)
{
    uint8_t one[16], other[16];

    return a->port != 0 && a->port == b->port && config_parse_address(a->address, one) &&
           config_parse_address(b->address, other) && memcmp(one, other, sizeof(one)) == 0;
}

static void check_listener(struct config_reader *r, const struct config *cfg, size_t i)
{
    const struct config_listener *l = &cfg->listeners[i];

    for (size_t k = 0; k < i; k++) {
        if (!is_same_socket(&cfg->listeners[k], l))
            continue;
        config_mistakes_add(&r->mistakes, place_of(r, "listener.port", &l->port, "listener", l), "listener.port",
                            "%" PRIu64 " at %s is listened to twice", l->port, l->address);
        break;
    }
    if (l->proxy_protocol == CONFIG_PROXY_REQUIRED && cfg->proxy.trusted_networks.n == 0)
        refuse(r, "listener.proxy_protocol", &l->proxy_protocol,
               "nobody could connect: proxy.trusted_networks is empty");
    if (l->proxy_tls && l->proxy_protocol != CONFIG_PROXY_REQUIRED)
        refuse(r, "listener.proxy_tls", &l->proxy_tls, "nobody could say so: proxy_protocol must be \"required\"");
    if (l->proxy_tls && l->tls == CONFIG_TLS_DIRECT)
        refuse(r, "listener.proxy_tls", &l->proxy_tls,
               "TLS cannot end at the balancer and begin here: tls must be \"none\" or \"starttls\"");
    if (l->serves == CONFIG_SERVES_COMPONENTS && l->tls != CONFIG_TLS_NONE)
        config_mistakes_add(&r->mistakes, place_of(r, "listener.tls", &l->tls, "listener", l), "listener.tls",
                            "components have no TLS: must be \"none\" where serves is \"components\"");
    if (l->serves == CONFIG_SERVES_CLIENTS && l->tls == CONFIG_TLS_NONE && cfg->tls.required && !l->proxy_tls)
        refuse(r, "listener.tls", &l->tls, "nobody could log in: tls.required is true");
}

/* ---- hosts ---- */

static void check_host_name(struct config_reader *r, const struct config *cfg, size_t i)
{
    const struct config_host *host = &cfg->hosts[i];
    struct toml_place place = place_of(r, "host.name", &host->name, "host", host);

    if (host->name.len == 0) {
        /* A name that was refused has been reported already. */
        if (config_place_of(r, config_row_find(STR("host.name")), &host->name).line == 0)
            config_mistakes_add(&r->mistakes, place, "host.name", "is missing");
        return;
    }
    for (size_t k = 0; k < i; k++) {
        if (!str_eq(cfg->hosts[k].name, host->name))
            continue;
        config_mistakes_add(&r->mistakes, place, "host.name", "\"%.*s\" is given twice", STR_ARG(host->name));
        break;
    }
}

static void check_host(struct config_reader *r, const struct config *cfg, size_t i)
{
    const struct config_host *host = &cfg->hosts[i];

    check_host_name(r, cfg, i);
    if (host->certificate[0] != '\0' && host->private_key[0] == '\0')
        refuse(r, "host.certificate", &host->certificate, "host.private_key is missing");
    if (host->private_key[0] != '\0' && host->certificate[0] == '\0')
        refuse(r, "host.private_key", &host->private_key, "host.certificate is missing");
    if (host->invites.url[0] != '\0' && !config_is_uri(str_of(host->invites.url)))
        refuse(r, "host.invites.url", &host->invites.url, "this is not a URL");
    if (host->limits.stanza_bytes > cfg->limits.out_queue_bytes && host->limits.stanza_bytes > cfg->limits.stanza_bytes)
        refuse(r, "host.limits.stanza_bytes", &host->limits.stanza_bytes,
               "must not be more than limits.out_queue_bytes");
}

/* ---- external services ---- */

static void refuse_service(struct config_reader *r, const struct config_external_service *s, const char *key,
                           const void *field, const char *what)
{
    config_mistakes_add(&r->mistakes, place_of(r, key, field, "external_service", s), key, "%s", what);
}

/* What was refused has been reported already. */
static void require_given(struct config_reader *r, const struct config_external_service *s, const char *key,
                          const char *const *field)
{
    if (config_place_of(r, config_row_find(str_of(key)), field).line == 0)
        refuse_service(r, s, key, field, "is missing");
}

static bool is_host(const struct config *cfg, const char *name)
{
    for (size_t i = 0; i < cfg->n_hosts; i++)
        if (str_is(cfg->hosts[i].name, name))
            return true;
    return false;
}

static void check_service(struct config_reader *r, const struct config *cfg, const struct config_external_service *s)
{
    require_given(r, s, "external_service.type", &s->type);
    require_given(r, s, "external_service.host", &s->host);
    if (s->secret[0] != '\0' && s->username[0] != '\0')
        refuse_service(r, s, "external_service.username", &s->username, "there is a secret that names are made of");
    if ((s->username[0] != '\0') != (s->password[0] != '\0'))
        refuse_service(r, s, "external_service.password", &s->password, "goes with username, or not at all");
    for (size_t i = 0; i < s->hosts.n; i++)
        if (!is_host(cfg, s->hosts.items[i]))
            config_mistakes_add(&r->mistakes, place_of(r, "external_service.hosts", &s->hosts, "external_service", s),
                                "external_service.hosts", "there is no [[host]] of the name \"%s\"", s->hosts.items[i]);
}

/* ---- components ---- */

static void refuse_component(struct config_reader *r, const struct config_component *c, const char *what)
{
    config_mistakes_add(&r->mistakes, place_of(r, "component.domain", &c->domain, "component", c), "component.domain",
                        "%s", what);
}

static bool has_listener_for_components(const struct config *cfg)
{
    for (size_t i = 0; i < cfg->n_listeners; i++)
        if (cfg->listeners[i].serves == CONFIG_SERVES_COMPONENTS)
            return true;
    return false;
}

static void check_component(struct config_reader *r, const struct config *cfg, size_t i)
{
    const struct config_component *c = &cfg->components[i];

    if (c->domain.len == 0) {
        if (config_place_of(r, config_row_find(STR("component.domain")), &c->domain).line == 0)
            refuse_component(r, c, "is missing");
        return;
    }
    if (is_host(cfg, c->domain.p))
        refuse_component(r, c, "is the name of a [[host]]");
    for (size_t k = 0; k < i; k++)
        if (str_eq(cfg->components[k].domain, c->domain)) {
            refuse_component(r, c, "is given twice");
            break;
        }
    if (config_place_of(r, config_row_find(STR("component.secret")), &c->secret).line == 0)
        config_mistakes_add(&r->mistakes, place_of(r, "component.secret", &c->secret, "component", c),
                            "component.secret", "is missing");
    if (i == 0 && !has_listener_for_components(cfg))
        refuse_component(r, c, "nobody could connect: no [[listener]] has serves = \"components\"");
}

void config_rules_check(struct config_reader *r, const struct config *cfg)
{
    check_limits(r, &cfg->limits);
    check_socket(r, &cfg->control);
    for (size_t i = 0; i < cfg->n_listeners; i++)
        check_listener(r, cfg, i);
    for (size_t i = 0; i < cfg->n_hosts; i++)
        check_host(r, cfg, i);
    for (size_t i = 0; i < cfg->n_external_services; i++)
        check_service(r, cfg, &cfg->external_services[i]);
    for (size_t i = 0; i < cfg->n_components; i++)
        check_component(r, cfg, i);
}
