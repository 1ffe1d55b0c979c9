/* tests/load/scenario_hibernate.c - all connections are cut, the server keeps the sessions (XEP-0198 section 5), and
 * everybody comes back to its own.
 *
 * With --pid it tells what a session weighs while it idles, what it weighs while it waits for its client, and what is
 * left when all are back. Whoever is not resumed fails the run: a session that had gone would weigh nothing. */
#include "tests/load/scenario.h"

#include "common/mem.h"

enum { DEFAULT_USERS = 1000 };

struct hibernate {
    uint32_t to_close; /* connections whose end has not come yet */
    uint64_t empty_kib, idle_kib, hibernating_kib;
    struct report_field fields[4];
    struct report_group extra;
};

static uint32_t users(const struct options *o, const char **ret_why)
{
    (void)ret_why;
    return o->users != 0 ? (uint32_t)o->users : DEFAULT_USERS;
}

static void prepare(struct load *l)
{
    l->data = mem_zalloc(sizeof(struct hibernate));
}

static void release(struct load *l)
{
    free(l->data);
    l->data = NULL;
}

static void on_all_back(struct load *l)
{
    load_measure_end(l);
    load_take_memory(l, load_done);
}

static void come_back(struct load *l)
{
    struct hibernate *h = l->data;

    h->hibernating_kib = l->pss_kib;
    load_set_phase(l, "coming back");
    load_measure_begin(l);
    load_login(l, on_all_back);
}

static void on_closed(struct load *l, struct client *c)
{
    struct hibernate *h = l->data;

    (void)c;
    if (--h->to_close == 0)
        load_take_memory(l, come_back);
}

static void cut_all(struct load *l)
{
    struct hibernate *h = l->data;

    h->idle_kib = l->pss_kib;
    load_set_phase(l, "cutting");
    h->to_close = l->n_clients;
    for (uint32_t i = 0; i < l->n_clients; i++)
        client_cut(l->clients[i], l->options->cut == CUT_RESET);
}

static void on_online(struct load *l, struct client *c)
{
    if (!l->is_measuring)
        return; /* the first time */
    l->count++;
    load_record(l, client_connect_ns(c), client_online_ns(c));
}

static void on_all_online(struct load *l)
{
    load_take_memory(l, cut_all);
}

static void begin(struct load *l)
{
    ((struct hibernate *)l->data)->empty_kib = l->pss_kib;
    load_login(l, on_all_online);
}

static double for_each(const struct load *l, uint64_t kib, uint64_t empty_kib)
{
    return kib > empty_kib ? (double)(kib - empty_kib) / (double)l->n_clients : 0;
}

static void finish(struct load *l, const struct report_group **ret_extra, size_t *ret_n)
{
    struct hibernate *h = l->data;
    size_t n = 0;

    h->fields[n++] = (struct report_field){"users", REPORT_INT, {.integer = l->n_clients}};
    if (l->options->pids.count > 0) {
        h->fields[n++] =
            (struct report_field){"idle_kib_each", REPORT_REAL, {.real = for_each(l, h->idle_kib, h->empty_kib)}};
        h->fields[n++] = (struct report_field){
            "hibernating_kib_each", REPORT_REAL, {.real = for_each(l, h->hibernating_kib, h->empty_kib)}};
        h->fields[n++] =
            (struct report_field){"back_kib_each", REPORT_REAL, {.real = for_each(l, l->pss_kib, h->empty_kib)}};
    }
    h->extra = (struct report_group){"hibernate", h->fields, n};
    *ret_extra = &h->extra;
    *ret_n = 1;
}

const struct scenario scenario_hibernate = {
    .name = "hibernate",
    .summary = "all connections are cut, all sessions are resumed; with --pid, memory for each, waiting and not",
    .unit = "resumptions",
    .sends_presence = true,
    .resumes = true,
    .users = users,
    .prepare = prepare,
    .release = release,
    .begin = begin,
    .finish = finish,
    .on_online = on_online,
    .on_closed = on_closed,
};
