#include "server/base/config_read.h"

#include "common/mem.h"
#include "common/xmpp/jid.h"
#include "server/base/config_check.h"
#include "server/base/config_defaults.h"
#include "server/base/config_suggest.h"
#include "server/base/config_values.h"

#include <inttypes.h>
#include <stdio.h>

struct config_seen {
    const struct config_row *row;
    const void *field;
    struct toml_place place;
};

/* A key that is being read. */
struct entry {
    const struct config_table *table;
    const struct config_row *row;
    const struct toml_value *value;
    void *field;
};

/* ---- refusing ---- */

static void append_key(struct buf *out, const struct entry *e)
{
    config_key_append(out, e->table, str_of(e->row->field));
}

/* What the file has, in quotes and short, without anything that could disturb a terminal. */
static void append_found(struct buf *out, const struct toml_value *value)
{
    static const char *const nouns[] = {
        [TOML_TABLE] = "a table",    [TOML_ARRAY] = "a list", [TOML_STRING] = "",     [TOML_INTEGER] = "",
        [TOML_FLOAT] = "a fraction", [TOML_BOOLEAN] = "",     [TOML_TIME] = "a time",
    };
    size_t shown = value->text_len < 80 ? value->text_len : 80;

    buf_append_cstr(out, nouns[value->type]);
    if (value->type == TOML_INTEGER)
        buf_printf(out, "%" PRId64, value->integer);
    if (value->type == TOML_BOOLEAN)
        buf_append_cstr(out, value->boolean ? "true" : "false");
    if (value->type != TOML_STRING)
        return;
    buf_append_char(out, '"');
    for (size_t i = 0; i < shown; i++)
        buf_append_char(out, (unsigned char)value->text[i] < ' ' || value->text[i] == 0x7f ? '?' : value->text[i]);
    buf_append_cstr(out, shown < value->text_len ? "...\"" : "\"");
}

/* "key: expected <what the row says>, not <what the file has>", and `more`. */
static void refuse(struct config_reader *r, const struct entry *e, const struct toml_value *found, const char *more)
{
    struct buf key = {0}, what = {0};

    append_key(&key, e);
    buf_append_char(&key, '\0');
    buf_append_cstr(&what, "expected ");
    config_row_append_expected(&what, e->row);
    buf_append_cstr(&what, ", not ");
    append_found(&what, found);
    config_mistakes_add(&r->mistakes, found->place, key.p, "%.*s%s", STR_ARG(buf_str(&what)), more);
    buf_deinit(&key);
    buf_deinit(&what);
}

/* ---- what the file gives ---- */

static void note_seen(struct config_reader *r, const struct config_row *row, const void *field,
                      const struct toml_value *value)
{
    r->seen = mem_realloc(r->seen, (r->n_seen + 1) * sizeof(*r->seen));
    r->seen[r->n_seen++] = (struct config_seen){row, field, value->key != NULL ? value->key_place : value->place};
}

struct toml_place config_place_of(const struct config_reader *r, const struct config_row *row, const void *field)
{
    for (size_t i = 0; i < r->n_seen; i++)
        if (r->seen[i].field == field && r->seen[i].row == row)
            return r->seen[i].place;
    return (struct toml_place){0, 0};
}

/* ---- strings ---- */

static struct str text_of(const struct toml_value *value)
{
    return str_make(value->text, value->text_len);
}

static bool is_known(const char *const *names, const char *word)
{
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], word) == 0)
            return true;
    return false;
}

static void refuse_word(struct config_reader *r, const struct entry *e, const struct toml_value *found,
                        const char *const *names)
{
    struct config_suggestion near = {NULL, 0};
    char more[128] = "";

    for (size_t i = 0; names[i] != NULL; i++)
        config_suggest(&near, text_of(found), names[i]);
    if (near.word != NULL)
        (void)snprintf(more, sizeof(more), "; did you mean \"%s\"?", near.word);
    refuse(r, e, found, more);
}

/* A string without NUL that passes the row's check. `value` is the entry's own, or one in its list. */
static bool check_string(struct config_reader *r, const struct entry *e, const struct toml_value *value)
{
    uint8_t address[16];
    bool fits = value->type == TOML_STRING && strlen(value->text) == value->text_len;
    enum config_check check = config_row_origin(e->row)->check;

    if (fits && check == CONFIG_CHECK_MODULE && r->modules != NULL && !is_known(r->modules, value->text)) {
        refuse_word(r, e, value, r->modules);
        return false;
    }
    if (fits && check == CONFIG_CHECK_ADDRESS)
        fits = config_parse_address(value->text, address);
    if (fits && check == CONFIG_CHECK_URI)
        fits = config_is_uri(text_of(value));
    if (fits && check == CONFIG_CHECK_JID)
        fits = config_is_account(text_of(value));
    if (fits && check == CONFIG_CHECK_FILLED)
        fits = value->text_len > 0;
    if (!fits)
        refuse(r, e, value, "");
    return fits;
}

/* ---- one reader for each type: sets the field, or refuses ---- */

static void read_bool(struct config_reader *r, const struct entry *e)
{
    if (e->value->type == TOML_BOOLEAN)
        *(bool *)e->field = e->value->boolean;
    else
        refuse(r, e, e->value, "");
}

static void read_uint(struct config_reader *r, const struct entry *e)
{
    const struct config_row *origin = config_row_origin(e->row);
    const struct toml_value *v = e->value;

    if (v->type == TOML_INTEGER && v->integer >= 0 && (uint64_t)v->integer >= origin->min &&
        (uint64_t)v->integer <= origin->max)
        *(uint64_t *)e->field = (uint64_t)v->integer;
    else
        refuse(r, e, v, "");
}

/* Position in `names`; -1: refused, and noted. */
static int read_name(struct config_reader *r, const struct entry *e, const struct toml_value *value)
{
    const char *const *names = config_row_origin(e->row)->names;

    if (value->type != TOML_STRING) {
        refuse(r, e, value, "");
        return -1;
    }
    for (int i = 0; names[i] != NULL; i++)
        if (str_is(text_of(value), names[i]))
            return i;
    refuse_word(r, e, value, names);
    return -1;
}

static void read_enum(struct config_reader *r, const struct entry *e)
{
    int i = read_name(r, e, e->value);

    if (i >= 0)
        *(unsigned *)e->field = (unsigned)i;
}

static void read_set(struct config_reader *r, const struct entry *e)
{
    unsigned set = 0;

    if (e->value->type != TOML_ARRAY || e->value->n_children == 0) {
        refuse(r, e, e->value, e->value->type == TOML_ARRAY ? " without any" : "");
        return;
    }
    for (size_t i = 0; i < e->value->n_children; i++) {
        int bit = read_name(r, e, &e->value->children[i]);

        if (bit >= 0)
            set |= 1u << bit;
    }
    *(unsigned *)e->field = set;
}

static void read_string(struct config_reader *r, const struct entry *e)
{
    if (check_string(r, e, e->value))
        *(const char **)e->field = config_text(r->arena, text_of(e->value));
}

static void read_path(struct config_reader *r, const struct entry *e)
{
    if (check_string(r, e, e->value))
        *(const char **)e->field = config_join_path(r->arena, r->folder, text_of(e->value));
}

static bool is_given(const struct config_list *list, const char *item)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i], item) == 0)
            return true;
    return false;
}

static void read_list(struct config_reader *r, const struct entry *e)
{
    const char **items = arena_alloc(r->arena, e->value->n_children * sizeof(*items));
    struct config_list list = {0, items};

    if (e->value->type != TOML_ARRAY) {
        refuse(r, e, e->value, "");
        return;
    }
    for (size_t i = 0; i < e->value->n_children; i++) {
        const struct toml_value *item = &e->value->children[i];

        if (!check_string(r, e, item))
            continue;
        if (is_given(&list, item->text))
            refuse(r, e, item, " again");
        items[list.n++] = config_text(r->arena, text_of(item));
    }
    *(struct config_list *)e->field = list;
}

static void read_network(struct config_reader *r, const struct entry *e, const struct toml_value *value,
                         struct config_network *ret)
{
    char why[128] = "", more[sizeof(why) + 4] = "";

    if (value->type == TOML_STRING && strlen(value->text) == value->text_len &&
        config_parse_network(value->text, ret, why))
        return;
    if (why[0] != '\0')
        (void)snprintf(more, sizeof(more), ": %s", why);
    refuse(r, e, value, more);
}

static void read_networks(struct config_reader *r, const struct entry *e)
{
    size_t n = e->value->n_children;
    struct config_network *items = arena_alloc(r->arena, n * sizeof(*items));

    if (e->value->type != TOML_ARRAY) {
        refuse(r, e, e->value, "");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        items[i] = (struct config_network){.bits = 128};
        read_network(r, e, &e->value->children[i], &items[i]);
    }
    *(struct config_networks *)e->field = (struct config_networks){n, items};
}

static void read_domain(struct config_reader *r, const struct entry *e)
{
    char prepared[JID_PART_MAX];
    size_t len;

    if (e->value->type == TOML_STRING && jid_prepare_domain(text_of(e->value), prepared, &len) == LN_OK)
        *(struct str *)e->field = str_make(config_text(r->arena, str_make(prepared, len)), len);
    else
        refuse(r, e, e->value, "");
}

/* ---- tables ---- */

static void read_table(struct config_reader *r, const struct config_table *table, const struct toml_value *from,
                       void *to);

static void read_one_table(struct config_reader *r, const struct entry *e)
{
    if (e->value->type == TOML_TABLE)
        read_table(r, e->row->table, e->value, e->field);
    else
        refuse(r, e, e->value, "");
}

static bool is_list_of_tables(const struct toml_value *value)
{
    bool is_one = value->type == TOML_ARRAY && value->n_children > 0;

    for (size_t i = 0; is_one && i < value->n_children; i++)
        is_one = value->children[i].type == TOML_TABLE;
    return is_one;
}

static void read_tables(struct config_reader *r, const struct entry *e)
{
    const struct config_row *row = e->row;
    size_t n = e->value->n_children;
    struct config_array array = {n, arena_alloc(r->arena, n * row->table->size)};

    if (!is_list_of_tables(e->value)) {
        refuse(r, e, e->value, "");
        return;
    }
    memset(array.items, 0, n * row->table->size);
    for (size_t i = 0; i < n; i++) {
        void *item = config_array_at(row, array, i);

        config_defaults_set(r, row->table, item);
        note_seen(r, row, item, &e->value->children[i]);
        read_table(r, row->table, &e->value->children[i], item);
    }
    config_array_set(row, (char *)e->field - row->offset, array);
}

static void (*const readers[CONFIG_TYPES])(struct config_reader *r, const struct entry *e) = {
    [CONFIG_TYPE_TABLE] = read_one_table,   [CONFIG_TYPE_TABLES] = read_tables, [CONFIG_TYPE_BOOL] = read_bool,
    [CONFIG_TYPE_UINT] = read_uint,         [CONFIG_TYPE_ENUM] = read_enum,     [CONFIG_TYPE_SET] = read_set,
    [CONFIG_TYPE_STRING] = read_string,     [CONFIG_TYPE_PATH] = read_path,     [CONFIG_TYPE_LIST] = read_list,
    [CONFIG_TYPE_NETWORKS] = read_networks, [CONFIG_TYPE_DOMAIN] = read_domain,
};

static void refuse_unknown(struct config_reader *r, const struct config_table *table, const struct toml_value *value)
{
    struct str field = str_of(value->key);
    struct buf key = {0}, more = {0};

    config_key_append(&key, table, field);
    buf_append_char(&key, '\0');
    buf_append_cstr(&more, "; did you mean ");
    if (config_suggest_key(&more, table, field))
        buf_append_char(&more, '?');
    else
        buf_clear(&more);
    config_mistakes_add(&r->mistakes, value->key_place, key.p, "unknown key%.*s", STR_ARG(buf_str(&more)));
    buf_deinit(&key);
    buf_deinit(&more);
}

static void read_table(struct config_reader *r, const struct config_table *table, const struct toml_value *from,
                       void *to)
{
    for (size_t i = 0; i < from->n_children; i++) {
        const struct toml_value *value = &from->children[i];
        const struct config_row *row = config_row_in(table, str_of(value->key));

        if (row == NULL) {
            refuse_unknown(r, table, value);
            continue;
        }
        struct entry e = {table, row, value, config_field(row, to)};
        /* A refused value counts as given too, so that no second mistake is reported for its absence. */
        note_seen(r, row, e.field, value);
        readers[row->type](r, &e);
    }
}

void config_read(struct config_reader *r, const struct toml_value *document, struct config *cfg)
{
    read_table(r, &config_root, document, cfg);
}

void config_reader_deinit(struct config_reader *r)
{
    config_mistakes_deinit(&r->mistakes);
    free(r->seen);
}
