/* tests/load/scenario_reconnect.c - all connections are cut at once, and everybody comes back.
 *
 * What happens when a balancer, a switch or the server itself restarts: the worst minute in the life of a chat server.
 * Everybody is online; then every socket is cut, with a reset (--cut reset) or an ordinary close (--cut close), and all
 * log in again, --concurrency at a time. That is one storm; storms follow each other until --seconds have passed, one
 * at least. What is told: how long until all were back, logins a second, how long each took, CPU for each. --resume
 * lets TLS sessions be resumed, as clients that come back do.
 *
 * To see what a storm does to others, run a chat beside it, on other users (--first). */
#include "tests/load/scenario.h"

#include "common/mem.h"

#define SECOND_NS 1000000000ULL

enum { STORMS_MAX = 10000 };

struct reconnect {
    uint64_t began_ns; /* the measured time */
    uint64_t cut_ns;   /* this storm */
    uint32_t to_close; /* connections whose end has not come yet */
    double *storms_s;  /* how long each took until all were back */
    size_t n_storms;
    struct report_field fields[4];
    struct report_group extra;
};

static uint32_t users(const struct options *o, const char **ret_why)
{
    (void)ret_why;
    return o->users > 0 ? (uint32_t)o->users : 1000;
}

static void prepare(struct load *l)
{
    struct reconnect *r = mem_zalloc(sizeof(*r));

    r->storms_s = mem_zalloc(STORMS_MAX * sizeof(*r->storms_s));
    l->data = r;
}

static void release(struct load *l)
{
    struct reconnect *r = l->data;

    free(r->storms_s);
    free(r);
    l->data = NULL;
}

static void cut_all(struct load *l)
{
    struct reconnect *r = l->data;

    load_set_phase(l, "coming back");
    r->cut_ns = load_now();
    r->to_close = l->n_clients;
    for (uint32_t i = 0; i < l->n_clients; i++)
        client_cut(l->clients[i], l->options->cut == CUT_RESET);
}

static void on_all_back(struct load *l)
{
    struct reconnect *r = l->data;
    uint64_t now = load_now();

    r->storms_s[r->n_storms++] = (double)(now - r->cut_ns) / (double)SECOND_NS;
    if (r->n_storms < STORMS_MAX && (double)(now - r->began_ns) < l->options->seconds * (double)SECOND_NS) {
        cut_all(l);
        return;
    }
    load_measure_end(l);
    load_take_memory(l, load_done);
}

static void on_closed(struct load *l, struct client *c)
{
    struct reconnect *r = l->data;

    (void)c;
    if (--r->to_close == 0)
        load_login(l, on_all_back);
}

static void on_online(struct load *l, struct client *c)
{
    if (!l->is_measuring)
        return; /* the first time */
    l->count++;
    load_record(l, client_connect_ns(c), client_online_ns(c));
}

static void on_warm(struct load *l)
{
    struct reconnect *r = l->data;

    load_measure_begin(l);
    r->began_ns = load_now();
    cut_all(l);
}

/* The server has a moment to finish what the first logins have left it to do. */
static void on_all_online(struct load *l)
{
    load_after(l, (uint64_t)(l->options->warmup * 1000), on_warm);
}

static void begin(struct load *l)
{
    load_login(l, on_all_online);
}

static double mean(const double *p, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += p[i];
    return count > 0 ? sum / (double)count : 0;
}

static void finish(struct load *l, const struct report_group **ret_extra, size_t *ret_n)
{
    enum { TOLD = 50 }; /* of many short storms the first ones are enough to see how they differ */
    struct reconnect *r = l->data;
    size_t told = r->n_storms < TOLD ? r->n_storms : TOLD;

    r->fields[0] = (struct report_field){"users", REPORT_INT, {.integer = l->n_clients}};
    r->fields[1] = (struct report_field){"storms", REPORT_INT, {.integer = (int64_t)r->n_storms}};
    r->fields[2] = (struct report_field){"all_back_s", REPORT_REAL, {.real = mean(r->storms_s, r->n_storms)}};
    r->fields[3] = (struct report_field){"each_s", REPORT_REALS, {.reals = {r->storms_s, told}}};
    r->extra = (struct report_group){"reconnect", r->fields, ARRAY_LEN(r->fields)};
    *ret_extra = &r->extra;
    *ret_n = 1;
}

const struct scenario scenario_reconnect = {
    .name = "reconnect",
    .summary = "all connections are cut at once, all come back",
    .unit = "logins",
    .sends_presence = true,
    .users = users,
    .prepare = prepare,
    .release = release,
    .begin = begin,
    .finish = finish,
    .on_online = on_online,
    .on_closed = on_closed,
};
