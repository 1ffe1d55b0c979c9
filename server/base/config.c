#include "server/base/config.h"

#include "common/mem.h"
#include "server/base/config_check.h"
#include "server/base/config_snapshot.h"
#include "server/base/config_values.h"

#include <netinet/in.h>

/* ---- life ---- */

struct config *config_new(const char *path)
{
    struct config *cfg = mem_zalloc(sizeof(*cfg));

    atomic_init(&cfg->refs, 1);
    cfg->arena = arena_new(8192);
    cfg->path = config_text(cfg->arena, str_of(path));
    return cfg;
}

struct config *config_ref(struct config *cfg)
{
    atomic_fetch_add_explicit(&cfg->refs, 1, memory_order_relaxed);
    return cfg;
}

void config_unref(struct config **cfg)
{
    struct config *mine = *cfg;

    *cfg = NULL;
    if (mine == NULL || atomic_fetch_sub_explicit(&mine->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_free(&mine->arena);
    free(mine);
}

/* ---- hosts ---- */

static int by_name(const void *a, const void *b)
{
    const struct config_host *const *one = a, *const *other = b;

    return str_cmp((*one)->name, (*other)->name);
}

void config_finish(struct config *cfg)
{
    cfg->hosts_by_name = arena_alloc(cfg->arena, cfg->n_hosts * sizeof(struct config_host *));
    for (size_t i = 0; i < cfg->n_hosts; i++)
        cfg->hosts_by_name[i] = &cfg->hosts[i];
    qsort(cfg->hosts_by_name, cfg->n_hosts, sizeof(struct config_host *), by_name);
}

/* Asked several times for each message. Nearly all servers have one host, or few. */
const struct config_host *config_host(const struct config *cfg, struct str domain)
{
    size_t low = 0, high = cfg->n_hosts;

    for (size_t i = 0; high <= 4 && i < high; i++) {
        if (str_eq(domain, cfg->hosts[i].name))
            return &cfg->hosts[i];
    }
    if (high <= 4)
        return NULL;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(domain, cfg->hosts_by_name[middle]->name);

        if (order == 0)
            return cfg->hosts_by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Few; asked only about domains that are no hosts. */
const struct config_component *config_component(const struct config *cfg, struct str domain)
{
    for (size_t i = 0; i < cfg->n_components; i++) {
        if (str_eq(cfg->components[i].domain, domain))
            return &cfg->components[i];
    }
    return NULL;
}

/* ---- networks ---- */

/* IPv4 as ::ffff:a.b.c.d, as in struct config_network. False: neither IPv4 nor IPv6. */
static bool address_bytes(const struct sockaddr *addr, uint8_t ret[16])
{
    static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (addr->sa_family == AF_INET6) {
        memcpy(ret, &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr, 16);
        return true;
    }
    memcpy(ret, v4_mapped, sizeof(v4_mapped));
    if (addr->sa_family == AF_INET)
        memcpy(ret + 12, &((const struct sockaddr_in *)(const void *)addr)->sin_addr, 4);
    return addr->sa_family == AF_INET;
}

bool config_networks_contain(const struct config_networks *networks, const struct sockaddr *addr)
{
    uint8_t bytes[16];

    if (!address_bytes(addr, bytes))
        return false;
    for (size_t i = 0; i < networks->n; i++)
        if (config_same_prefix(bytes, networks->items[i].address, networks->items[i].bits))
            return true;
    return false;
}

/* ---- the log ---- */

struct log_options config_log_options(const struct config *cfg)
{
    return (struct log_options){
        .target = (enum log_target)cfg->log.target,
        .format = (enum log_format)cfg->log.format,
        .path = cfg->log.path,
        .queue_bytes = cfg->log.queue_bytes,
    };
}

void config_apply_log_levels(const struct config *cfg)
{
    const struct config_log_levels *of = &cfg->log.levels;
    const unsigned levels[LOG_SUBSYSTEMS] = {
        [LOG_NET] = of->net,       [LOG_STREAM] = of->stream,   [LOG_SASL] = of->sasl,       [LOG_IM] = of->im,
        [LOG_MODULE] = of->module, [LOG_STORAGE] = of->storage, [LOG_CONTROL] = of->control,
    };

    for (unsigned i = 0; i < LOG_SUBSYSTEMS; i++)
        log_set_level((enum log_subsystem)i, (enum log_level)levels[i]);
}
