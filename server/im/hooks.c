#include "server/im/hooks.h"

#include "common/hash_table.h"
#include "common/mem.h"
#include "server/base/config.h"
#include "server/im/shard.h"
#include "server/im/slots.h"

#include <assert.h>

/* One handler or hook, and the module it belongs to as a bit. Rows of one namespace or point lie in an order that says
 * who is asked first. */
struct hook_row {
    enum verdict (*call)(struct hook_event *e);
    uint64_t module;
};
struct iq_row {
    const struct iq_handler *handler;
    uint64_t module;
    struct iq_row *next; /* of the same namespace */
};
struct element_row {
    const struct element_handler *handler;
    uint64_t module;
    struct element_row *next;
};

enum { CORE = 1 }; /* the bit of module_core, which comes first */

/* [start] built there, read by all */
static struct {
    const struct module *modules[MODULES_MAX];
    unsigned n_modules;
    struct hook_row *hooks;               /* point after point, within one by priority */
    unsigned first_hook[HOOK_POINTS + 1]; /* where in `hooks` each point begins */
    struct iq_row *iq;
    struct hash_table iq_by_ns; /* the first row of each namespace */
    struct element_row *elements;
    struct hash_table elements_by_ns;
} index_;

/* Points where a module is called whether it is on or not: what it did while it was on has to be undone. */
static const bool is_for_all[HOOK_POINTS] = {
    [HOOK_SESSION_CLOSING] = true,  [HOOK_STREAM_CLOSING] = true, [HOOK_ACCOUNT_LOADED] = true,
    [HOOK_ACCOUNT_UNLOADED] = true, [HOOK_SESSION_SAVE] = true,   [HOOK_SESSION_RESTORE] = true,
    [HOOK_ACCOUNT_DELETED] = true,  [HOOK_CONFIG_CHANGED] = true, [HOOK_TURN_END] = true,
};

/* ---- which modules are on ---- */

/* [worker] Each worker's own. Hosts of one snapshot lie in one array, so the first 64 of them get a slot each. */
enum { HOST_SLOTS = 64 };
static _Thread_local struct {
    const struct config_host *host;
    uint64_t modules;
} known_hosts[HOST_SLOTS];

static bool is_in(const struct config_list *list, const char *module)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i], module) == 0)
            return true;
    }
    return false;
}

static bool is_on(const struct config_host *host, const char *module)
{
    if (strcmp(module, module_core.name) == 0)
        return true;
    return host != NULL && is_in(&host->modules, module) && !is_in(&host->modules_disabled, module);
}

static uint64_t work_out_modules(const struct config_host *host)
{
    uint64_t modules = 0;

    for (unsigned i = 0; i < index_.n_modules; i++) {
        if (is_on(host, index_.modules[i]->name))
            modules |= UINT64_C(1) << i;
    }
    return modules;
}

static uint64_t modules_of(const struct config_host *host)
{
    if (host == NULL)
        return CORE;
    size_t slot = (uintptr_t)host / sizeof(*host) % HOST_SLOTS;

    if (known_hosts[slot].host != host) {
        known_hosts[slot].host = host;
        known_hosts[slot].modules = work_out_modules(host);
    }
    return known_hosts[slot].modules;
}

const struct module *hooks_next_module(const struct config_host *host, unsigned *cursor)
{
    uint64_t modules = modules_of(host);

    while (*cursor < index_.n_modules) {
        unsigned i = (*cursor)++;

        if ((modules >> i & 1) != 0)
            return index_.modules[i];
    }
    return NULL;
}

void hooks_config_changed(struct worker *w)
{
    struct hook_event e = {.worker = w};

    /* Before the memory of the old snapshot can be used for a new one, whose hosts might then be taken for these. */
    memset(known_hosts, 0, sizeof(known_hosts));
    (void)hooks_run(HOOK_CONFIG_CHANGED, NULL, &e);
}

/* ---- calling ---- */

bool hooks_is_on(const struct module *module, const struct config_host *host)
{
    const struct module *m;
    unsigned cursor = 0;

    do {
        m = hooks_next_module(host, &cursor);
    } while (m != NULL && m != module);
    return m != NULL;
}

enum verdict hooks_run(enum hook_point point, const struct config_host *host, struct hook_event *e)
{
    uint64_t modules = is_for_all[point] ? UINT64_MAX : modules_of(host);

    for (unsigned i = index_.first_hook[point]; i < index_.first_hook[point + 1]; i++) {
        if ((modules & index_.hooks[i].module) != 0 && index_.hooks[i].call(e) == STOP)
            return STOP;
    }
    return CONTINUE;
}

void hooks_at_turn_end(struct worker *w)
{
    shard_of(w)->wants_turn_end = true;
}

void hooks_end_turn(struct worker *w)
{
    struct shard *shard = shard_of(w);

    while (shard->wants_turn_end) { /* again, if they asked for it themselves */
        struct hook_event e = {.worker = w};

        shard->wants_turn_end = false;
        (void)hooks_run(HOOK_TURN_END, NULL, &e);
    }
}

void hook_replace_stanza(struct hook_event *e, struct stanza *own_st)
{
    stanza_unref(&e->replacement);
    e->stanza = e->replacement = own_st;
}

void hook_event_end(struct hook_event *e)
{
    stanza_unref(&e->replacement);
    e->stanza = NULL;
}

bool hooks_wanted(enum hook_point point)
{
    return index_.first_hook[point] < index_.first_hook[point + 1];
}

bool hooks_listens(enum hook_point point, const struct config_host *host)
{
    uint64_t modules = modules_of(host);

    for (unsigned i = index_.first_hook[point]; i < index_.first_hook[point + 1]; i++) {
        if ((modules & index_.hooks[i].module) != 0)
            return true;
    }
    return false;
}

static unsigned iq_kind_of(const struct stanza *st)
{
    return st->kind != STANZA_IQ ? 0 : st->type == TYPE_GET ? IQ_GET : st->type == TYPE_SET ? IQ_SET : 0;
}

const struct iq_handler *hooks_find_iq(const struct config_host *host, const struct stanza *st, enum iq_target target,
                                       const struct iq_handler *after)
{
    const struct xml_element *query = stanza_payload(st);
    unsigned kind = iq_kind_of(st);

    if (query == NULL || kind == 0)
        return NULL;
    uint64_t modules = modules_of(host);
    bool is_behind = after == NULL;

    for (const struct iq_row *row = hash_table_get(&index_.iq_by_ns, query->ns); row != NULL; row = row->next) {
        const struct iq_handler *h = row->handler;

        if (is_behind && (modules & row->module) != 0 && (h->kind & kind) != 0 && (h->targets & target) != 0 &&
            (h->element == NULL || str_is(query->name, h->element)))
            return h;
        if (h == after)
            is_behind = true;
    }
    return NULL;
}

const struct element_handler *hooks_find_element(const struct config_host *host, const struct xml_element *e,
                                                 bool is_bound)
{
    uint64_t modules = modules_of(host);

    for (const struct element_row *row = hash_table_get(&index_.elements_by_ns, e->ns); row != NULL; row = row->next) {
        const struct element_handler *h = row->handler;

        if ((modules & row->module) != 0 && (is_bound || h->before_bind) && str_is(e->name, h->element))
            return h;
    }
    return NULL;
}

/* ---- building the index ---- */

static void add_hooks_of_point(enum hook_point point)
{
    unsigned n = index_.first_hook[point];

    for (int priority = PRIORITY_FIRST; priority <= PRIORITY_LAST; priority++) {
        for (unsigned i = 0; i < index_.n_modules; i++) {
            const struct hook *hooks = index_.modules[i]->hooks;

            for (unsigned j = 0; j < MODULE_HOOKS_MAX && hooks[j].call != NULL; j++) {
                if (hooks[j].point == point && (int)hooks[j].priority == priority)
                    index_.hooks[n++] = (struct hook_row){hooks[j].call, UINT64_C(1) << i};
            }
        }
    }
    index_.first_hook[point + 1] = n;
}

static void add_iq(struct iq_row *row)
{
    struct str ns = str_of(row->handler->ns);
    struct iq_row *last = hash_table_get(&index_.iq_by_ns, ns);

    if (last == NULL) {
        (void)hash_table_put(&index_.iq_by_ns, ns, row);
        return;
    }
    while (last->next != NULL)
        last = last->next;
    last->next = row;
}

static void add_element(struct element_row *row)
{
    struct str ns = str_of(row->handler->ns);
    struct element_row *last = hash_table_get(&index_.elements_by_ns, ns);

    if (last == NULL) {
        (void)hash_table_put(&index_.elements_by_ns, ns, row);
        return;
    }
    while (last->next != NULL)
        last = last->next;
    last->next = row;
}

static void add_handlers(void)
{
    unsigned n_iq = 0, n_elements = 0;

    for (unsigned i = 0; i < index_.n_modules; i++) {
        const struct module *m = index_.modules[i];

        for (unsigned j = 0; j < MODULE_IQ_MAX && m->iq[j].call != NULL; j++, n_iq++) {
            index_.iq[n_iq] = (struct iq_row){.handler = &m->iq[j], .module = UINT64_C(1) << i};
            add_iq(&index_.iq[n_iq]);
        }
        for (unsigned j = 0; j < MODULE_ELEMENTS_MAX && m->elements[j].call != NULL; j++, n_elements++) {
            index_.elements[n_elements] = (struct element_row){.handler = &m->elements[j], .module = UINT64_C(1) << i};
            add_element(&index_.elements[n_elements]);
        }
    }
}

/* Tests start anew with other modules. */
static void forget_index(void)
{
    hash_table_deinit(&index_.iq_by_ns);
    hash_table_deinit(&index_.elements_by_ns);
    free(index_.hooks);
    free(index_.iq);
    free(index_.elements);
    memset(&index_, 0, sizeof(index_));
    memset(known_hosts, 0, sizeof(known_hosts));
}

void hooks_start(const struct module *const *modules, struct server *server)
{
    static const struct siphash_key key; /* the keys are ours, so nobody can make them collide */

    forget_index();
    slots_forget();
    index_.modules[index_.n_modules++] = &module_core;
    for (; *modules != NULL; modules++) {
        assert(index_.n_modules < MODULES_MAX);
        index_.modules[index_.n_modules++] = *modules;
    }
    index_.hooks = mem_zalloc(index_.n_modules * MODULE_HOOKS_MAX * sizeof(*index_.hooks));
    index_.iq = mem_zalloc(index_.n_modules * MODULE_IQ_MAX * sizeof(*index_.iq));
    index_.elements = mem_zalloc(index_.n_modules * MODULE_ELEMENTS_MAX * sizeof(*index_.elements));
    hash_table_init(&index_.iq_by_ns, &key);
    hash_table_init(&index_.elements_by_ns, &key);
    for (int point = 0; point < HOOK_POINTS; point++)
        add_hooks_of_point((enum hook_point)point);
    add_handlers();
    for (unsigned i = 0; i < index_.n_modules; i++) {
        if (index_.modules[i]->on_start != NULL)
            index_.modules[i]->on_start(server);
    }
}
