#include "tests/load/run.h"

#include <stddef.h>

static bool wants(const struct crowd *crowd, const struct client *c)
{
    return crowd->is_leaving ? !client_is_closed(c) : !client_is_online(c);
}

/* Starts as many as may be under way, and tells when nobody is left. */
static void go_on(struct load *l)
{
    struct crowd *crowd = &run_of(l)->crowd;

    while (crowd->under_way < l->options->concurrency && crowd->next < l->n_clients) {
        struct client *c = l->clients[crowd->next++];
        if (!wants(crowd, c))
            continue;
        crowd->under_way++;
        if (crowd->is_leaving)
            client_logout(c);
        else
            client_connect(c);
    }
    if (crowd->under_way > 0 || crowd->next < l->n_clients)
        return;
    void (*on_done)(struct load *) = crowd->on_done;
    crowd->on_done = NULL;
    on_done(l);
}

void crowd_start(struct run *r, bool is_leaving, void (*on_done)(struct load *l))
{
    r->crowd = (struct crowd){.on_done = on_done, .is_leaving = is_leaving};
    r->moved_ns = load_now();
    load_after(&r->load, 0, go_on);
}

void crowd_one_done(struct run *r)
{
    if (r->crowd.on_done == NULL || r->crowd.under_way == 0)
        return;
    r->crowd.under_way--;
    go_on(&r->load);
}

const struct client *crowd_find_stuck(const struct run *r)
{
    for (uint32_t i = 0; i < r->crowd.next; i++)
        if (wants(&r->crowd, r->load.clients[i]))
            return r->load.clients[i];
    return NULL;
}
