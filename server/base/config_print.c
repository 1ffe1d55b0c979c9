#include "server/base/config_values.h"

static void print_line(const struct config_row *row, const void *parent, struct buf *out)
{
    buf_printf(out, "%s = ", row->field);
    config_value_print(row, config_field_const(row, parent), out);
    buf_append_char(out, '\n');
}

/* TOML wants a table's own keys before the tables in it. */
static void print_table(const struct config_table *table, const char *const brackets[2], const void *from,
                        struct buf *out)
{
    static const char *const single[2] = {"[", "]"}, *const many[2] = {"[[", "]]"};

    if (table != &config_root)
        buf_printf(out, "\n%s%s%s\n", brackets[0], table->path, brackets[1]);
    for (size_t i = 0; i < table->n_rows; i++)
        if (table->rows[i].table == NULL)
            print_line(&table->rows[i], from, out);
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct config_row *row = &table->rows[i];

        if (row->type == CONFIG_TYPE_TABLE)
            print_table(row->table, single, config_field_const(row, from), out);
        if (row->type != CONFIG_TYPE_TABLES)
            continue;
        struct config_array array = config_array_get(row, from);
        for (size_t k = 0; k < array.n; k++)
            print_table(row->table, many, config_array_at(row, array, k), out);
    }
}

void config_print(const struct config *cfg, struct buf *out)
{
    print_table(&config_root, NULL, cfg, out);
}

/* Walks down to the key, taking `host` where the way leads through [[host]]. NULL: there is no such value. */
static const void *find_value(const struct config *cfg, struct str key, const struct config_host *host,
                              const struct config_row **ret_row)
{
    const struct config_table *table = &config_root;
    const void *at = cfg;
    ptrdiff_t dot;

    while ((dot = str_find(key, '.')) >= 0) {
        const struct config_row *row = config_row_in(table, str_make(key.p, (size_t)dot));

        if (row == NULL || row->table == NULL)
            return NULL;
        at = row->type == CONFIG_TYPE_TABLE       ? config_field_const(row, at)
             : str_is(str_of(row->field), "host") ? host
                                                  : NULL;
        if (at == NULL)
            return NULL;
        table = row->table;
        key = str_make(key.p + dot + 1, key.len - (size_t)dot - 1);
    }
    *ret_row = config_row_in(table, key);
    return *ret_row == NULL || (*ret_row)->table != NULL ? NULL : config_field_const(*ret_row, at);
}

enum ln_err config_print_key(const struct config *cfg, const char *key, const char *host, struct buf *out)
{
    const struct config_host *found = host == NULL ? &cfg->hosts[0] : config_host(cfg, str_of(host));
    const struct config_row *row;
    const void *value = found == NULL ? NULL : find_value(cfg, str_of(key), found, &row);

    if (value == NULL)
        return LN_E_NOT_FOUND;
    config_value_print(row, value, out);
    return LN_OK;
}
