#include "server/im/components.h"

#include "server/base/config.h"
#include "server/im/batch.h"
#include "server/im/router.h"
#include "server/im/shard.h"
#include "server/stream/component.h"

/* The newer one is the one that is there: the older may be a connection that has died without anybody noticing. */
static void on_connected(struct component *c)
{
    struct shard *shard = shard_of(c->worker);
    struct component *older = hash_table_get(&shard->components, c->domain);

    if (older != NULL)
        component_close(older, STREAM_ERR_CONFLICT, "replaced by a new connection");
    (void)hash_table_put(&shard->components, c->domain, c);
}

static void on_closed(struct component *c)
{
    struct shard *shard = shard_of(c->worker);

    if (hash_table_get(&shard->components, c->domain) == c)
        (void)hash_table_remove(&shard->components, c->domain);
}

static void on_stanza(struct component *c, struct stanza *own_st)
{
    router_route(c->worker, own_st);
}

static const struct component_upper upper = {
    .on_connected = on_connected,
    .on_stanza = on_stanza,
    .is_behind = batch_is_any_behind,
    .on_closed = on_closed,
};

void components_start(void)
{
    component_set_upper(&upper);
}

void components_apply_config(struct worker *w)
{
    struct shard *shard = shard_of(w);
    struct component *c;

    for (size_t cursor = 0; (c = hash_table_next(&shard->components, &cursor)) != NULL;)
        component_check_again(c);
}

static void say_goodbye(struct conn *conn, void *arg)
{
    (void)arg;
    if (component_owns(conn))
        component_close(conn_owner(conn), STREAM_ERR_SYSTEM_SHUTDOWN, NULL);
}

void components_drain(struct worker *w)
{
    conn_for_each(w, say_goodbye, NULL);
}

void components_deliver(struct worker *w, struct stanza *st, const struct jid *to)
{
    struct component *c = hash_table_get(&shard_of(w)->components, jid_domain(to));

    if (c == NULL || !component_send(c, st, to->full))
        router_refuse(w, st, STANZA_ERR_SERVICE_UNAVAILABLE, NULL);
}
