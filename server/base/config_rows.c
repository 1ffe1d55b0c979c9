#include "server/base/config_rows.h"

#include "common/mem.h"

#include <inttypes.h>

const char *const config_names_tls_mode[] = {"starttls", "direct", "none", NULL};
const char *const config_names_proxy_mode[] = {"off", "required", NULL};
const char *const config_names_archive_policy[] = {"always", "never", "roster", NULL};
const char *const config_names_storage_backend[] = {"sqlite", "memory", NULL};
const char *const config_names_sasl_mechanism[] = {
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", NULL,
};
const char *const config_names_fast_mechanism[] = {
    "HT-SHA-256-EXPR", "HT-SHA-256-UNIQ", "HT-SHA-256-ENDP", "HT-SHA-256-NONE", NULL,
};
const char *const config_names_listener_role[] = {"clients", "components", NULL};
const char *const config_names_transport[] = {"udp", "tcp", NULL};
const char *const config_names_log_level[] = {"error", "warn", "info", "debug", NULL};
const char *const config_names_log_target[] = {"stderr", "file", "syslog", NULL};
const char *const config_names_log_format[] = {"text", "json", NULL};

/* ---- config_keys.def, three times: the tables' names, their rows, and both put together ---- */
/* clang-format off */

#define CONFIG_TABLE(name, path_, text_)      static const struct config_table config_table_##name;
#define CONFIG_LIST_TABLE(name, path_, text_) static const struct config_table config_table_##name;
#include "server/base/config_keys.def"

enum { ON_RESTART, ON_RELOAD };

#define ROW(table_, field_, type_) \
    .field = #field_, .type = CONFIG_TYPE_##type_, .offset = offsetof(struct config_##table_, field_)
#define FROM(from_table_, from_field_) \
    .from_key = #from_table_ "." #from_field_, .from_offset = offsetof(struct config, from_table_.from_field_)

#define CONFIG_TABLE(name, path_, text_)      static const struct config_row rows_##name[] = {
#define CONFIG_LIST_TABLE(name, path_, text_) static const struct config_row rows_##name[] = {
#define CONFIG_END(name) };
#define CONFIG_SUBTABLE(table_, field_) {ROW(table_, field_, TABLE), .table = &config_table_##table_##_##field_},
#define CONFIG_BOOL(table_, field_, fallback_, reload_, text_) \
    {ROW(table_, field_, BOOL), .on_reload = reload_, .text = text_, .fallback = fallback_},
#define CONFIG_UINT(table_, field_, fallback_, min_, max_, unit_, reload_, text_) \
    {ROW(table_, field_, UINT), .on_reload = reload_, .text = text_, .fallback = fallback_, \
     .min = min_, .max = max_, .unit = unit_},
#define CONFIG_UINT_AS(table_, field_, from_table_, reload_, text_) \
    {ROW(table_, field_, UINT), .on_reload = reload_, .text = text_, FROM(from_table_, field_)},
#define CONFIG_ENUM(table_, field_, type_, fallback_, reload_, text_) \
    {ROW(table_, field_, ENUM), .on_reload = reload_, .text = text_, .fallback = fallback_, \
     .names = config_names_##type_},
#define CONFIG_ENUM_AS(table_, field_, type_, from_table_, from_field_, reload_, text_) \
    {ROW(table_, field_, ENUM), .on_reload = reload_, .text = text_, FROM(from_table_, from_field_)},
#define CONFIG_SET(table_, field_, type_, fallback_, reload_, text_) \
    {ROW(table_, field_, SET), .on_reload = reload_, .text = text_, .fallback = fallback_, \
     .names = config_names_##type_},
#define CHECK_none    CONFIG_CHECK_NONE
#define CHECK_address CONFIG_CHECK_ADDRESS
#define CHECK_module  CONFIG_CHECK_MODULE
#define CHECK_uri     CONFIG_CHECK_URI
#define CHECK_jid     CONFIG_CHECK_JID
#define CHECK_filled  CONFIG_CHECK_FILLED
#define CONFIG_STRING(table_, field_, fallback_, check_, reload_, text_) \
    {ROW(table_, field_, STRING), .on_reload = reload_, .text = text_, .fallback_text = fallback_, \
     .check = CHECK_##check_},
#define CONFIG_PATH(table_, field_, fallback_, in_data_dir_, reload_, text_) \
    {ROW(table_, field_, PATH), .on_reload = reload_, .text = text_, .fallback_text = fallback_, \
     .in_data_dir = in_data_dir_},
#define CONFIG_LIST(table_, field_, fallback_, check_, reload_, text_) \
    {ROW(table_, field_, LIST), .on_reload = reload_, .text = text_, .fallback_text = fallback_, \
     .check = CHECK_##check_},
#define CONFIG_LIST_AS(table_, field_, from_table_, from_field_, reload_, text_) \
    {ROW(table_, field_, LIST), .on_reload = reload_, .text = text_, FROM(from_table_, from_field_)},
#define CONFIG_NETWORKS(table_, field_, reload_, text_) \
    {ROW(table_, field_, NETWORKS), .on_reload = reload_, .text = text_},
#define CONFIG_DOMAIN(table_, field_, reload_, text_) \
    {ROW(table_, field_, DOMAIN), .on_reload = reload_, .text = text_},
#include "server/base/config_keys.def"

#define TABLE(name, path_, text_) \
    static const struct config_table config_table_##name = { \
        .path = path_, .text = text_, .size = sizeof(struct config_##name), \
        .n_rows = ARRAY_LEN(rows_##name), .rows = rows_##name};
#define CONFIG_TABLE(name, path_, text_)      TABLE(name, path_, text_)
#define CONFIG_LIST_TABLE(name, path_, text_) TABLE(name, path_, text_)
#include "server/base/config_keys.def"

#define ROOT(name) \
    {.field = #name, .type = CONFIG_TYPE_TABLE, .offset = offsetof(struct config, name), .table = &config_table_##name}
#define ROOT_LIST(name, many, reload_) \
    {.field = #name, .type = CONFIG_TYPE_TABLES, .on_reload = reload_, .offset = offsetof(struct config, many), \
     .count_offset = offsetof(struct config, n_##many), .table = &config_table_##name}
static const struct config_row rows_root[] = {
    ROOT(server), ROOT_LIST(listener, listeners, ON_RESTART), ROOT(tls), ROOT(proxy), ROOT(storage), ROOT(control),
    ROOT(log), ROOT(limits), ROOT(sasl), ROOT(fast), ROOT(sm), ROOT(archive), ROOT(modules), ROOT(csi), ROOT(push),
    ROOT_LIST(host, hosts, ON_RELOAD),
    ROOT_LIST(external_service, external_services, ON_RELOAD), ROOT_LIST(component, components, ON_RELOAD),
};
const struct config_table config_root = {
    .path = "", .size = sizeof(struct config), .n_rows = ARRAY_LEN(rows_root), .rows = rows_root};
/* clang-format on */

/* ---- finding ---- */

const struct config_row *config_row_in(const struct config_table *table, struct str field)
{
    for (size_t i = 0; i < table->n_rows; i++)
        if (str_is(field, table->rows[i].field))
            return &table->rows[i];
    return NULL;
}

const struct config_row *config_row_find(struct str key)
{
    const struct config_table *table = &config_root;
    ptrdiff_t dot;

    while ((dot = str_find(key, '.')) >= 0) {
        const struct config_row *row = config_row_in(table, str_make(key.p, (size_t)dot));

        if (row == NULL || row->table == NULL)
            return NULL;
        table = row->table;
        key = str_make(key.p + dot + 1, key.len - (size_t)dot - 1);
    }
    return config_row_in(table, key);
}

const struct config_row *config_row_origin(const struct config_row *row)
{
    return row->from_key == NULL ? row : config_row_find(str_of(row->from_key));
}

/* ---- words ---- */

void config_key_append(struct buf *out, const struct config_table *table, struct str field)
{
    buf_append_cstr(out, table->path);
    if (table->path[0] != '\0')
        buf_append_char(out, '.');
    buf_append_str(out, field);
}

static void append_names(struct buf *out, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++)
        buf_printf(out, "%s\"%s\"", i == 0 ? "" : ", ", names[i]);
}

/* What stands before names, range or path, if the type has them. */
static const char *noun_of(const struct config_row *row, enum config_check check)
{
    static const char *const nouns[CONFIG_TYPES] = {
        [CONFIG_TYPE_TABLE] = "a table, ",      [CONFIG_TYPE_TABLES] = "a list of tables, ",
        [CONFIG_TYPE_BOOL] = "true or false",   [CONFIG_TYPE_UINT] = "an integer ",
        [CONFIG_TYPE_ENUM] = "one of ",         [CONFIG_TYPE_SET] = "a list of one or more of ",
        [CONFIG_TYPE_PATH] = "a path",          [CONFIG_TYPE_NETWORKS] = "a list of networks",
        [CONFIG_TYPE_DOMAIN] = "a domain name",
    };
    static const char *const of_strings[][2] = {
        [CONFIG_CHECK_NONE] = {"a string", "a list of strings"},
        [CONFIG_CHECK_ADDRESS] = {"an IP address", "a list of IP addresses"},
        [CONFIG_CHECK_MODULE] = {"a module", "a list of modules"},
        [CONFIG_CHECK_URI] = {"a URI", "a list of URIs"},
        [CONFIG_CHECK_FILLED] = {"a string that is not empty", "a list of strings that are not empty"},
        [CONFIG_CHECK_JID] = {"an account's address, in lower case", "a list of accounts' addresses, in lower case"},
    };

    return nouns[row->type] != NULL ? nouns[row->type] : of_strings[check][row->type == CONFIG_TYPE_LIST];
}

void config_row_append_expected(struct buf *out, const struct config_row *row)
{
    const struct config_row *origin = config_row_origin(row);

    buf_append_cstr(out, noun_of(row, origin->check));
    if (row->type == CONFIG_TYPE_TABLE)
        buf_printf(out, "[%s]", row->table->path);
    if (row->type == CONFIG_TYPE_TABLES)
        buf_printf(out, "[[%s]] for each", row->table->path);
    if (row->type == CONFIG_TYPE_UINT)
        buf_printf(out, "from %" PRIu64 " to %" PRIu64 "%s%s", origin->min, origin->max, origin->unit[0] ? " " : "",
                   origin->unit);
    if (origin->names != NULL)
        append_names(out, origin->names);
}
