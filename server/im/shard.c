#include "server/im/shard.h"

#include "common/mem.h"

struct shard *shard_new(struct worker *w)
{
    struct shard *s = mem_zalloc(sizeof(*s));

    s->worker = w;
    s->wants_turn_end = true;
    hash_table_init(&s->sessions, &w->server->table_key);
    hash_table_init(&s->by_id, &w->server->table_key);
    hash_table_init(&s->accounts, &w->server->table_key);
    hash_table_init(&s->components, &w->server->table_key);
    hash_table_init(&s->asks, &w->server->table_key);
    s->idle_end = &s->idle;
    batch_links_init(&s->links, w->server->n_workers);
    return s;
}

void shard_free(struct shard **own_s)
{
    struct shard *s = *own_s;

    *own_s = NULL;
    if (s == NULL)
        return;
    accounts_free_all(s);
    hash_table_deinit(&s->sessions);
    hash_table_deinit(&s->by_id);
    hash_table_deinit(&s->accounts);
    hash_table_deinit(&s->components);
    hash_table_deinit(&s->asks);
    batch_links_deinit(&s->links);
    free(s->gone);
    free(s);
}
