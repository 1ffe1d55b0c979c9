#include "server/base/config_snapshot.h"
#include "server/base/config_values.h"

/* ---- what differs ---- */

struct diff {
    void (*on_change)(void *ctx, const struct config_change *change);
    void *ctx;
    size_t n;
};

static void report(struct diff *d, const struct config_table *table, const struct config_row *row, const char *host)
{
    struct buf key = {0};

    config_key_append(&key, table, str_of(row->field));
    buf_append_char(&key, '\0');
    d->on_change(d->ctx, &(struct config_change){key.p, host, !row->on_reload});
    d->n++;
    buf_deinit(&key);
}

static bool equal_tables(const struct config_table *table, const void *a, const void *b)
{
    bool same = true;

    for (size_t i = 0; same && i < table->n_rows; i++) {
        const struct config_row *row = &table->rows[i];
        const void *one = config_field_const(row, a), *other = config_field_const(row, b);

        same = row->table != NULL ? equal_tables(row->table, one, other) : config_value_equal(row, one, other);
    }
    return same;
}

static void diff_tables(struct diff *d, const struct config_table *table, const char *host, const void *before,
                        const void *after)
{
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct config_row *row = &table->rows[i];
        const void *old = config_field_const(row, before), *new = config_field_const(row, after);

        if (row->type == CONFIG_TYPE_TABLE)
            diff_tables(d, row->table, host, old, new);
        else if (row->type != CONFIG_TYPE_TABLES && !config_value_equal(row, old, new))
            report(d, table, row, host);
    }
}

/* Listeners and the like have no name to know them by, so they differ together or not at all. */
static void diff_nameless(struct diff *d, struct str key, const struct config *before, const struct config *after)
{
    const struct config_row *row = config_row_find(key);
    struct config_array old = config_array_get(row, before), new = config_array_get(row, after);
    bool same = old.n == new.n;

    for (size_t i = 0; same && i < old.n; i++)
        same = equal_tables(row->table, config_array_at(row, old, i), config_array_at(row, new, i));
    if (!same)
        report(d, &config_root, row, NULL);
}

static void diff_hosts(struct diff *d, const struct config *before, const struct config *after)
{
    const struct config_row *row = config_row_find(STR("host"));

    for (size_t i = 0; i < before->n_hosts; i++) {
        const struct config_host *old = &before->hosts[i], *new = config_host(after, old->name);

        if (new == NULL)
            report(d, &config_root, row, old->name.p);
        else
            diff_tables(d, row->table, old->name.p, old, new);
    }
    for (size_t i = 0; i < after->n_hosts; i++)
        if (config_host(before, after->hosts[i].name) == NULL)
            report(d, &config_root, row, after->hosts[i].name.p);
}

size_t config_diff(const struct config *before, const struct config *after,
                   void (*on_change)(void *ctx, const struct config_change *change), void *ctx)
{
    struct diff d = {on_change, ctx, 0};

    diff_tables(&d, &config_root, NULL, before, after);
    diff_nameless(&d, STR("listener"), before, after);
    diff_nameless(&d, STR("external_service"), before, after);
    diff_nameless(&d, STR("component"), before, after);
    diff_hosts(&d, before, after);
    return d.n;
}

/* ---- what may change while running ---- */

/* Puts back what needs a restart. */
static void keep_running(const struct config_table *table, struct arena *arena, void *to, const void *running)
{
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct config_row *row = &table->rows[i];

        if (row->type == CONFIG_TYPE_TABLE)
            keep_running(row->table, arena, config_field(row, to), config_field_const(row, running));
        else if (row->type != CONFIG_TYPE_TABLES && !row->on_reload)
            config_value_copy(row, arena, config_field(row, to), config_field_const(row, running));
    }
}

/* Hosts may come and go; of those that stay, keys that need a restart stay as well. */
static void keep_running_hosts(struct config *merged, const struct config *running)
{
    const struct config_row *row = config_row_find(STR("host"));
    struct config_array hosts = config_array_get(row, merged);

    for (size_t i = 0; i < hosts.n; i++) {
        const struct config_host *old = config_host(running, merged->hosts[i].name);

        if (old != NULL)
            keep_running(row->table, merged->arena, config_array_at(row, hosts, i), old);
    }
}

struct config *config_merge_for_reload(const struct config *running, const struct config *after)
{
    struct config *merged = config_new(after->path);

    config_table_copy(&config_root, merged->arena, merged, after);
    keep_running(&config_root, merged->arena, merged, running);
    config_array_copy(config_row_find(STR("listener")), merged->arena, merged, running);
    keep_running_hosts(merged, running);
    config_finish(merged);
    return merged;
}
