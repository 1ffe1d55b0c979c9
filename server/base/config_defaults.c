#include "server/base/config_defaults.h"

#include "server/base/config_values.h"

const char *config_join_path(struct arena *arena, struct str folder, struct str path)
{
    struct buf joined = {0};
    const char *text;

    if (folder.len == 0 || path.len == 0 || path.p[0] == '/')
        return config_text(arena, path);
    buf_append_str(&joined, folder);
    if (folder.p[folder.len - 1] != '/')
        buf_append_char(&joined, '/');
    buf_append_str(&joined, path);
    text = config_text(arena, buf_str(&joined));
    buf_deinit(&joined);
    return text;
}

/* ---- before reading ---- */

static struct config_list split_words(struct arena *arena, struct str words)
{
    const char **items = arena_alloc(arena, (words.len / 2 + 1) * sizeof(*items));
    struct config_list list = {0, items};

    while (words.len > 0) {
        ptrdiff_t space = str_find(words, ' ');
        size_t len = space < 0 ? words.len : (size_t)space;

        items[list.n++] = config_text(arena, str_make(words.p, len));
        words = space < 0 ? STR("") : str_make(words.p + len + 1, words.len - len - 1);
    }
    return list;
}

static void set_default(struct config_reader *r, const struct config_row *row, void *field)
{
    switch (row->type) {
    case CONFIG_TYPE_BOOL:
        *(bool *)field = row->fallback != 0;
        break;
    case CONFIG_TYPE_UINT:
        *(uint64_t *)field = row->fallback;
        break;
    case CONFIG_TYPE_ENUM:
    case CONFIG_TYPE_SET:
        *(unsigned *)field = (unsigned)row->fallback;
        break;
    case CONFIG_TYPE_STRING:
        *(const char **)field = row->fallback_text;
        break;
    case CONFIG_TYPE_PATH:
        *(const char **)field = config_join_path(r->arena, r->folder, str_of(row->fallback_text));
        break;
    case CONFIG_TYPE_LIST:
        *(struct config_list *)field = split_words(r->arena, str_of(row->fallback_text));
        break;
    case CONFIG_TYPE_TABLE:
        config_defaults_set(r, row->table, field);
        break;
    case CONFIG_TYPE_TABLES:
    case CONFIG_TYPE_NETWORKS:
    case CONFIG_TYPE_DOMAIN:
    case CONFIG_TYPES:
        break; /* zeros */
    }
}

void config_defaults_set(struct config_reader *r, const struct config_table *table, void *to)
{
    for (size_t i = 0; i < table->n_rows; i++)
        set_default(r, &table->rows[i], config_field(&table->rows[i], to));
}

/* ---- after reading ---- */

static void add_listeners(struct config_reader *r, struct config *cfg)
{
    const struct config_row *row = config_row_find(STR("listener"));
    struct config_listener *both = arena_alloc(r->arena, 2 * sizeof(*both));

    memset(both, 0, 2 * sizeof(*both));
    config_defaults_set(r, row->table, &both[0]);
    config_defaults_set(r, row->table, &both[1]);
    both[1].port = 5223; /* registered for nothing else, and what clients try first without SRV records */
    both[1].tls = CONFIG_TLS_DIRECT;
    config_array_set(row, cfg, (struct config_array){2, both});
}

static void add_host(struct config_reader *r, struct config *cfg)
{
    const struct config_row *row = config_row_find(STR("host"));
    struct config_host *host = arena_alloc(r->arena, sizeof(*host));

    memset(host, 0, sizeof(*host));
    config_defaults_set(r, row->table, host);
    host->name = STR("localhost");
    config_array_set(row, cfg, (struct config_array){1, host});
}

static void complete_value(struct config_reader *r, const struct config *cfg, const struct config_row *row, void *field)
{
    if (row->from_key != NULL && config_place_of(r, row, field).line == 0)
        config_value_copy(row, r->arena, field, (const char *)cfg + row->from_offset);
    if (row->in_data_dir != NULL && (*(const char **)field)[0] == '\0')
        *(const char **)field = config_join_path(r->arena, str_of(cfg->server.data_dir), str_of(row->in_data_dir));
}

static void complete_table(struct config_reader *r, const struct config *cfg, const struct config_table *table,
                           void *to)
{
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct config_row *row = &table->rows[i];

        if (row->type == CONFIG_TYPE_TABLES) {
            struct config_array array = config_array_get(row, to);

            for (size_t k = 0; k < array.n; k++)
                complete_table(r, cfg, row->table, config_array_at(row, array, k));
        } else if (row->type == CONFIG_TYPE_TABLE) {
            complete_table(r, cfg, row->table, config_field(row, to));
        } else {
            complete_value(r, cfg, row, config_field(row, to));
        }
    }
}

void config_defaults_complete(struct config_reader *r, struct config *cfg)
{
    if (cfg->n_listeners == 0)
        add_listeners(r, cfg);
    if (cfg->n_hosts == 0)
        add_host(r, cfg);
    complete_table(r, cfg, &config_root, cfg);
}
