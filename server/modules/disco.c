/* server/modules/disco.c - XEP-0030 Service Discovery 2.5.0, XEP-0115 Entity Capabilities 1.6.0 (the server's own)
 *
 * What a host says of itself is put together from its modules once, with the hash over it, and kept on each worker
 * until the configuration changes: with capabilities in the stream features most clients never ask. An account answers
 * its owner and those who may see its presence; others are told what an unknown account tells (XEP-0030 section 8; for
 * disco#items, too, where RFC 6121 section 8.5.1 leaves an account that does not exist no empty result to give). */
#include <assert.h>
#include <stdlib.h>

#include "common/mem.h"
#include "common/xmpp/caps.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_reader.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/config.h"
#include "server/modules/module.h"

/* XEP-0115 wants a URI that stands for the software. */
#define CAPS_NODE "urn:linnet"

enum { FEATURES_MAX = MODULES_MAX * MODULE_FEATURES_MAX };

/* ---- what a host says ---- */

struct host_info {
    struct buf xml; /* what is inside <query/>; empty: not put together yet */
    struct buf ver; /* the hash, in base64 */
};

struct info_cache {
    const struct config *config; /* that `hosts` is about; NULL: none */
    struct host_info *hosts;     /* in the order of config->hosts */
};

static struct info_cache *caches; /* [start] one for each worker, [worker] touched by that one only */

static void on_start(struct server *server)
{
    free(caches);
    caches = mem_zalloc(server->n_workers * sizeof(*caches));
}

static void forget(struct info_cache *cache)
{
    for (size_t i = 0; cache->config != NULL && i < cache->config->n_hosts; i++) {
        buf_deinit(&cache->hosts[i].xml);
        buf_deinit(&cache->hosts[i].ver);
    }
    free(cache->hosts);
    *cache = (struct info_cache){0};
}

/* Called while the old configuration is still there. */
static enum verdict on_config_changed(struct hook_event *e)
{
    forget(&caches[e->worker->index]);
    return CONTINUE;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, each once. */
static void put_features(struct xml_writer *w, const char **names, size_t n)
{
    qsort(names, n, sizeof(*names), compare_names);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
            continue;
        xml_start(w, "feature", NULL);
        xml_put_attr(w, "var", str_of(names[i]));
        xml_end(w);
    }
}

static size_t collect_features(const struct config_host *host, bool of_account, const char *names[FEATURES_MAX])
{
    const struct module *m;
    unsigned cursor = 0;
    size_t n = 0;

    while ((m = hooks_next_module(host, &cursor)) != NULL) {
        const char *const *features = of_account ? m->account_features : m->features;

        for (size_t i = 0; i < MODULE_FEATURES_MAX && features[i] != NULL; i++)
            names[n++] = features[i];
    }
    return n;
}

static void write_host_info(struct worker *worker, const struct config_host *host, struct buf *out)
{
    struct xml_writer w = xml_writer_to(out);
    const char *names[FEATURES_MAX];
    struct hook_event e = {.worker = worker, .host = host, .out = &w};

    xml_start(&w, "identity", NULL);
    xml_put_attr(&w, "category", STR("server"));
    xml_put_attr(&w, "type", STR("im"));
    xml_put_attr(&w, "name", STR("linnet"));
    xml_end(&w);
    put_features(&w, names, collect_features(host, false, names));
    (void)hooks_run(HOOK_DISCO_INFO, host, &e);
}

/* Of the answer as a client will parse it. */
static void write_ver(struct str info, struct buf *out)
{
    const struct xml_element *query;
    struct buf whole = {0};
    struct arena *arena;

    buf_append_cstr(&whole, "<query xmlns='" NS_DISCO_INFO "'>");
    buf_append_str(&whole, info);
    buf_append_cstr(&whole, "</query>");
    enum ln_err err = xml_parse(buf_str(&whole), STR(NS_CLIENT), &arena, &query);

    assert(err == LN_OK); /* a module wrote something that is not XML */
    caps_append_ver(out, query);
    arena_free(&arena);
    buf_deinit(&whole);
}

static const struct host_info *peek_info(struct worker *worker, const struct config_host *host)
{
    struct info_cache *cache = &caches[worker->index];

    assert(cache->config == NULL || cache->config == worker->config);
    if (cache->config == NULL) {
        cache->config = worker->config;
        cache->hosts = mem_zalloc(worker->config->n_hosts * sizeof(*cache->hosts));
    }
    struct host_info *info = &cache->hosts[host - worker->config->hosts];

    if (info->xml.len == 0) {
        write_host_info(worker, host, &info->xml);
        write_ver(buf_str(&info->xml), &info->ver);
    }
    return info;
}

/* ---- answers ---- */

/* `node` is mirrored (section 3.2). */
static enum iq_verdict answer(struct iq *iq, const char *ns, struct str content)
{
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    xml_start(&w, "query", ns);
    xml_put_attr_opt(&w, "node", xml_attr(iq->query, "node", NULL));
    xml_put_raw(&w, content);
    xml_end(&w);
    enum iq_verdict verdict = iq_result(iq, buf_str(&payload));

    buf_deinit(&payload);
    return verdict;
}

static bool is_caps_node(struct str node, struct str ver)
{
    struct str prefix = STR(CAPS_NODE "#");

    return str_starts(node, prefix) && str_eq(str_make(node.p + prefix.len, node.len - prefix.len), ver);
}

static enum iq_verdict on_host_info(struct iq *iq)
{
    const struct config_host *host = iq_host(iq);
    struct str node = xml_attr(iq->query, "node", NULL);

    if (host == NULL)
        return IQ_NOT_MINE;
    const struct host_info *info = peek_info(iq->worker, host);

    if (node.len > 0 && !is_caps_node(node, buf_str(&info->ver)))
        return iq_error(iq, STANZA_ERR_ITEM_NOT_FOUND, NULL);
    return answer(iq, NS_DISCO_INFO, buf_str(&info->xml));
}

static enum iq_verdict on_account_info(struct iq *iq)
{
    const char *names[FEATURES_MAX];
    struct buf content = {0};
    struct xml_writer w = xml_writer_to(&content);
    struct hook_event e = {.worker = iq->worker, .account = iq->account, .out = &w};

    if (!iq_sender_sees_presence(iq))
        return IQ_NOT_MINE;
    if (xml_attr(iq->query, "node", NULL).len > 0)
        return iq_error(iq, STANZA_ERR_ITEM_NOT_FOUND, NULL);
    xml_start(&w, "identity", NULL);
    xml_put_attr(&w, "category", STR("account"));
    xml_put_attr(&w, "type", STR("registered"));
    xml_end(&w);
    (void)hooks_run(HOOK_ACCOUNT_INFO, iq_host(iq), &e);
    put_features(&w, names, collect_features(iq_host(iq), true, names));
    enum iq_verdict verdict = answer(iq, NS_DISCO_INFO, buf_str(&content));

    buf_deinit(&content);
    return verdict;
}

static bool is_below(struct str domain, struct str host)
{
    return domain.len > host.len + 1 && domain.p[domain.len - host.len - 1] == '.' &&
           str_eq(str_make(domain.p + domain.len - host.len, host.len), host);
}

/* The components below the host's own name are its services: clients look here for rooms and uploads. */
static void put_components(struct xml_writer *w, const struct config *cfg, struct str host)
{
    for (size_t i = 0; i < cfg->n_components; i++) {
        if (!is_below(cfg->components[i].domain, host))
            continue;
        xml_start(w, "item", NULL);
        xml_put_attr(w, "jid", cfg->components[i].domain);
        xml_end(w);
    }
}

/* Accounts have none. */
static enum iq_verdict on_items(struct iq *iq)
{
    struct buf items = {0};
    struct xml_writer w = xml_writer_to(&items);
    enum iq_verdict verdict;

    if (iq->target != IQ_TO_HOST && !iq_sender_sees_presence(iq))
        return IQ_NOT_MINE;
    if (xml_attr(iq->query, "node", NULL).len > 0)
        return iq_error(iq, STANZA_ERR_ITEM_NOT_FOUND, NULL);
    if (iq->target == IQ_TO_HOST)
        put_components(&w, iq->worker->config, iq->host);
    verdict = answer(iq, NS_DISCO_ITEMS, buf_str(&items));
    buf_deinit(&items);
    return verdict;
}

/* XEP-0115 section 6.3: to those who are logged in, who would ask. */
static enum verdict add_caps(struct hook_event *e)
{
    const struct config_host *host = session_host(e->session);

    if (e->session->type != SESSION_C2S || host == NULL)
        return CONTINUE;
    xml_start(e->out, "c", NS_CAPS);
    xml_put_attr(e->out, "hash", STR("sha-1"));
    xml_put_attr(e->out, "node", STR(CAPS_NODE));
    xml_put_attr(e->out, "ver", buf_str(&peek_info(e->worker, host)->ver));
    xml_end(e->out);
    return CONTINUE;
}

const struct module module_disco = {
    .name = "disco",
    .features = {NS_DISCO_INFO, NS_DISCO_ITEMS, NS_CAPS},
    .account_features = {NS_DISCO_INFO, NS_DISCO_ITEMS},
    .iq = {{IQ_GET, NS_DISCO_INFO, "query", IQ_TO_HOST, on_host_info},
           {IQ_GET, NS_DISCO_INFO, "query", IQ_TO_OWN_ACCOUNT | IQ_TO_OTHER_ACCOUNT, on_account_info},
           {IQ_GET, NS_DISCO_ITEMS, "query", IQ_TO_HOST | IQ_TO_OWN_ACCOUNT | IQ_TO_OTHER_ACCOUNT, on_items}},
    .hooks = {{HOOK_STREAM_FEATURES, PRIORITY_NORMAL, add_caps},
              {HOOK_CONFIG_CHANGED, PRIORITY_NORMAL, on_config_changed}},
    .on_start = on_start,
};
