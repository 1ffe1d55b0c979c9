/* Everybody logs in, as after a restart of the server: what does a login cost, and how long does it take while others
 * log in too? It is not told by seconds but by --users; the time is that from the first connection to the last session.
 *
 * Unless --warmup is 0 everybody has logged in and out once before: the accounts are then in the server's cache, SCRAM
 * keys are known to the generator, and TLS sessions are there to be resumed by --resume. */
#include "tests/load/scenario.h"

enum { DEFAULT_USERS = 1000 };

static uint32_t users(const struct options *o, const char **ret_why)
{
    (void)ret_why;
    return o->users != 0 ? (uint32_t)o->users : DEFAULT_USERS;
}

static void all_online(struct load *l)
{
    load_measure_end(l);
    load_take_memory(l, load_done);
}

static void storm(struct load *l)
{
    load_set_phase(l, "logging in");
    load_measure_begin(l);
    load_login(l, all_online);
}

static void all_known(struct load *l)
{
    load_logout(l, storm);
}

static void begin(struct load *l)
{
    if (l->options->warmup <= 0) {
        storm(l);
        return;
    }
    load_set_phase(l, "logging in and out once before");
    load_login(l, all_known);
}

static void on_online(struct load *l, struct client *c)
{
    if (!l->is_measuring)
        return;
    l->count++;
    load_record(l, client_connect_ns(c), client_online_ns(c));
}

const struct scenario scenario_login = {
    .name = "login",
    .summary = "--users N log in, --concurrency C at a time",
    .unit = "logins",
    .users = users,
    .begin = begin,
    .on_online = on_online,
};
