#include "server/base/config_values.h"

#include "common/mem.h"

#include <arpa/inet.h>
#include <inttypes.h>

const char *config_text(struct arena *arena, struct str text)
{
    char *copy = arena_alloc_bytes(arena, text.len + 1);

    if (text.len > 0)
        memcpy(copy, text.p, text.len);
    copy[text.len] = '\0';
    return copy;
}

/* The pointer in the struct is typed (struct config_host *); here it is read and written as bytes. */
struct config_array config_array_get(const struct config_row *row, const void *parent_struct)
{
    struct config_array array;

    memcpy(&array.items, config_field_const(row, parent_struct), sizeof(array.items));
    memcpy(&array.n, (const char *)parent_struct + row->count_offset, sizeof(array.n));
    return array;
}

void config_array_set(const struct config_row *row, void *parent_struct, struct config_array array)
{
    memcpy(config_field(row, parent_struct), &array.items, sizeof(array.items));
    memcpy((char *)parent_struct + row->count_offset, &array.n, sizeof(array.n));
}

/* ---- one type after the other ---- */

static void print_bool(const struct config_row *row, const void *value, struct buf *out)
{
    (void)row;
    buf_append_cstr(out, *(const bool *)value ? "true" : "false");
}

static void print_uint(const struct config_row *row, const void *value, struct buf *out)
{
    (void)row;
    buf_append_u64(out, *(const uint64_t *)value);
}

static void print_enum(const struct config_row *row, const void *value, struct buf *out)
{
    buf_printf(out, "\"%s\"", config_row_origin(row)->names[*(const unsigned *)value]);
}

static void print_set(const struct config_row *row, const void *value, struct buf *out)
{
    const char *const *names = config_row_origin(row)->names;
    const char *between = "";

    buf_append_char(out, '[');
    for (unsigned i = 0; names[i] != NULL; i++) {
        if ((*(const unsigned *)value & (1u << i)) == 0)
            continue;
        buf_printf(out, "%s\"%s\"", between, names[i]);
        between = ", ";
    }
    buf_append_char(out, ']');
}

static void copy_cstr(struct arena *arena, void *to, const void *from)
{
    *(const char **)to = config_text(arena, str_of(*(const char *const *)from));
}

static bool equal_cstr(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b) == 0;
}

/* A basic string of TOML: quotes, backslashes and control characters are escaped. */
static void print_quoted(struct str text, struct buf *out)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\u%04X", c);
        else
            buf_append_char(out, (char)c);
    }
    buf_append_char(out, '"');
}

static void print_cstr(const struct config_row *row, const void *value, struct buf *out)
{
    (void)row;
    print_quoted(str_of(*(const char *const *)value), out);
}

static void copy_list(struct arena *arena, void *to, const void *from)
{
    const struct config_list *list = from;
    const char **items = arena_alloc(arena, list->n * sizeof(*items));

    for (size_t i = 0; i < list->n; i++)
        items[i] = config_text(arena, str_of(list->items[i]));
    *(struct config_list *)to = (struct config_list){list->n, items};
}

static bool equal_list(const void *a, const void *b)
{
    const struct config_list *one = a, *other = b;
    bool same = one->n == other->n;

    for (size_t i = 0; same && i < one->n; i++)
        same = strcmp(one->items[i], other->items[i]) == 0;
    return same;
}

static void print_list(const struct config_row *row, const void *value, struct buf *out)
{
    const struct config_list *list = value;

    (void)row;
    buf_append_char(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        buf_append_cstr(out, i == 0 ? "" : ", ");
        print_quoted(str_of(list->items[i]), out);
    }
    buf_append_char(out, ']');
}

static void copy_networks(struct arena *arena, void *to, const void *from)
{
    const struct config_networks *networks = from;
    struct config_network *items = arena_alloc(arena, networks->n * sizeof(*items));

    if (networks->n > 0)
        memcpy(items, networks->items, networks->n * sizeof(*items));
    *(struct config_networks *)to = (struct config_networks){networks->n, items};
}

static bool equal_networks(const void *a, const void *b)
{
    const struct config_networks *one = a, *other = b;

    return one->n == other->n && (one->n == 0 || memcmp(one->items, other->items, one->n * sizeof(*one->items)) == 0);
}

static bool is_v4(const struct config_network *network)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    return network->bits >= 96 && memcmp(network->address, mapped, sizeof(mapped)) == 0;
}

static void print_networks(const struct config_row *row, const void *value, struct buf *out)
{
    const struct config_networks *networks = value;

    (void)row;
    buf_append_char(out, '[');
    for (size_t i = 0; i < networks->n; i++) {
        const struct config_network *network = &networks->items[i];
        bool v4 = is_v4(network);
        char text[INET6_ADDRSTRLEN] = "";

        (void)inet_ntop(v4 ? AF_INET : AF_INET6, network->address + (v4 ? 12 : 0), text, sizeof(text));
        buf_printf(out, "%s\"%s/%d\"", i == 0 ? "" : ", ", text, network->bits - (v4 ? 96 : 0));
    }
    buf_append_char(out, ']');
}

static void copy_domain(struct arena *arena, void *to, const void *from)
{
    const struct str *name = from;

    *(struct str *)to = str_make(config_text(arena, *name), name->len);
}

static bool equal_domain(const void *a, const void *b)
{
    return str_eq(*(const struct str *)a, *(const struct str *)b);
}

static void print_domain(const struct config_row *row, const void *value, struct buf *out)
{
    (void)row;
    print_quoted(*(const struct str *)value, out);
}

/* ---- by the row ---- */

static const struct {
    size_t plain_size; /* numbers and the like: nothing else in this row but print */
    void (*copy)(struct arena *arena, void *to, const void *from);
    bool (*equal)(const void *a, const void *b);
    void (*print)(const struct config_row *row, const void *value, struct buf *out);
} values[CONFIG_TYPES] = {
    [CONFIG_TYPE_BOOL] = {.plain_size = sizeof(bool), .print = print_bool},
    [CONFIG_TYPE_UINT] = {.plain_size = sizeof(uint64_t), .print = print_uint},
    [CONFIG_TYPE_ENUM] = {.plain_size = sizeof(unsigned), .print = print_enum},
    [CONFIG_TYPE_SET] = {.plain_size = sizeof(unsigned), .print = print_set},
    [CONFIG_TYPE_STRING] = {0, copy_cstr, equal_cstr, print_cstr},
    [CONFIG_TYPE_PATH] = {0, copy_cstr, equal_cstr, print_cstr},
    [CONFIG_TYPE_LIST] = {0, copy_list, equal_list, print_list},
    [CONFIG_TYPE_NETWORKS] = {0, copy_networks, equal_networks, print_networks},
    [CONFIG_TYPE_DOMAIN] = {0, copy_domain, equal_domain, print_domain},
};

void config_value_copy(const struct config_row *row, struct arena *arena, void *to, const void *from)
{
    if (values[row->type].plain_size > 0)
        memcpy(to, from, values[row->type].plain_size);
    else
        values[row->type].copy(arena, to, from);
}

bool config_value_equal(const struct config_row *row, const void *a, const void *b)
{
    if (values[row->type].plain_size > 0)
        return memcmp(a, b, values[row->type].plain_size) == 0;
    return values[row->type].equal(a, b);
}

void config_value_print(const struct config_row *row, const void *value, struct buf *out)
{
    values[row->type].print(row, value, out);
}

void config_array_copy(const struct config_row *row, struct arena *arena, void *to, const void *from)
{
    struct config_array old = config_array_get(row, from);
    struct config_array copy = {old.n, arena_alloc(arena, old.n * row->table->size)};

    memset(copy.items, 0, old.n * row->table->size);
    for (size_t i = 0; i < old.n; i++)
        config_table_copy(row->table, arena, config_array_at(row, copy, i), config_array_at(row, old, i));
    config_array_set(row, to, copy);
}

void config_table_copy(const struct config_table *table, struct arena *arena, void *to, const void *from)
{
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct config_row *row = &table->rows[i];

        if (row->type == CONFIG_TYPE_TABLES)
            config_array_copy(row, arena, to, from);
        else if (row->type == CONFIG_TYPE_TABLE)
            config_table_copy(row->table, arena, config_field(row, to), config_field_const(row, from));
        else
            config_value_copy(row, arena, config_field(row, to), config_field_const(row, from));
    }
}
