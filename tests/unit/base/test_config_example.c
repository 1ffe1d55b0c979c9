#include "server/base/config_values.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define EXAMPLE LINNET_SOURCE_DIR "/config.example.toml"

/* ---- config.example.toml, read as a page of text ---- */

/* A key or the heading of a table, with the comment that stands above it. */
struct entry {
    char name[96]; /* "limits.stanza_bytes"; "[limits]" for a heading */
    char comment[512];
    char value[1024];
    bool is_commented_out;
    unsigned line;
};

struct page {
    struct entry *entries;
    size_t n;
};

static void append_words(char *comment, size_t size, const char *words)
{
    size_t len = strlen(comment);

    snprintf(comment + len, size - len, "%s%s", len == 0 ? "" : " ", words);
}

/* "[limits]", "[[host]]", and "# [[external_service]]" for tables that there are none of by default: the name between.
 */
static bool read_heading(const char *line, char *ret_table, size_t size)
{
    line += strncmp(line, "# [[", 4) == 0 ? 2 : 0;
    size_t brackets = strspn(line, "[");

    if (brackets == 0)
        return false;
    snprintf(ret_table, size, "%.*s", (int)strcspn(line + brackets, "]"), line + brackets);
    return true;
}

/* "name = value", perhaps behind "# ". */
static bool read_key(const char *line, const char *table, struct entry *ret)
{
    char field[64];
    int end = 0;

    ret->is_commented_out = strncmp(line, "# ", 2) == 0;
    if (sscanf(line + (ret->is_commented_out ? 2 : 0), "%63[a-z_] = %n", field, &end) != 1 || end == 0)
        return false;
    snprintf(ret->name, sizeof(ret->name), "%s.%s", table, field);
    snprintf(ret->value, sizeof(ret->value), "%s", line + (ret->is_commented_out ? 2 : 0) + end);
    return true;
}

static void page_add(struct page *p, struct entry *e, const char *comment)
{
    snprintf(e->comment, sizeof(e->comment), "%s", comment);
    p->entries = mem_realloc(p->entries, (p->n + 1) * sizeof(*e));
    p->entries[p->n++] = *e;
}

static struct page page_read(void)
{
    struct page p = {NULL, 0};
    char line[2048], table[64] = "", comment[512] = "";
    FILE *file = fopen(EXAMPLE, "r");

    assert_non_null(file);
    for (unsigned n = 1; fgets(line, sizeof(line), file) != NULL; n++) {
        struct entry e = {.line = n};

        line[strcspn(line, "\n")] = '\0';
        if (read_heading(line, table, sizeof(table)))
            snprintf(e.name, sizeof(e.name), "[%s]", table);
        if (e.name[0] != '\0' || read_key(line, table, &e))
            page_add(&p, &e, comment);
        if (line[0] == '#' && e.name[0] == '\0')
            append_words(comment, sizeof(comment), line + strspn(line, "# "));
        else
            comment[0] = '\0';
    }
    fclose(file);
    return p;
}

static const struct entry *page_find(const struct page *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->entries[i].name, name) == 0)
            return &p->entries[i];
    fail_msg("%s: %s is missing", EXAMPLE, name);
    return NULL;
}

/* ---- what the rows say ---- */

/* With one of each table that there may be none of, as the example shows it. */
#define SHOWN                                                                                                          \
    "[[external_service]]\ntype = \"turn\"\nhost = \"turn.linnet.example\"\n"                                          \
    "[[component]]\ndomain = \"upload.linnet.example\"\nsecret = \"long and random\"\n"                                \
    "[[listener]]\n[[listener]]\nport = 5223\ntls = \"direct\"\n[[listener]]\nport = 5347\nserves = "                  \
    "\"components\"\ntls = \"none\"\n"

static struct config *parsed(struct str text, const char *path)
{
    struct buf errors = {0};
    struct config *cfg = NULL;

    assert_int_equal(config_parse(text, path, NULL, &cfg, &errors), LN_OK);
    return cfg;
}

static struct config *defaults(const char *path)
{
    return parsed(STR(""), path);
}

/* The comment above a key: its text, then in parentheses what it expects and when it counts. */
static void expected_comment(const struct config_row *row, struct buf *out)
{
    buf_printf(out, "%s (", row->text);
    config_row_append_expected(out, row);
    if (row->from_key != NULL)
        buf_printf(out, "; if absent, as %s", row->from_key);
    buf_printf(out, "; %s)", row->on_reload ? "reload" : "restart");
    buf_append_char(out, '\0');
}

static void expected_value(const struct config_row *row, const void *field, struct buf *out)
{
    if (row->type == CONFIG_TYPE_PATH) /* not yet resolved */
        buf_printf(out, "\"%s\"", row->fallback_text);
    else
        config_value_print(row, field, out);
    buf_append_char(out, '\0');
}

static void check_row(const struct page *p, const struct config_table *table, const struct config_row *row,
                      const void *field, bool is_none)
{
    struct buf key = {0}, comment = {0}, value = {0};
    const struct entry *e;

    config_key_append(&key, table, str_of(row->field));
    buf_append_char(&key, '\0');
    e = page_find(p, key.p);
    expected_comment(row, &comment);
    expected_value(row, field, &value);
    if (strcmp(e->comment, comment.p) != 0)
        fail_msg("%s:%u: the comment above %s is not that of its row:\n  %s", EXAMPLE, e->line, key.p, comment.p);
    if (strcmp(e->value, value.p) != 0)
        fail_msg("%s:%u: the default of %s is %s", EXAMPLE, e->line, key.p, value.p);
    if (e->is_commented_out != (is_none || row->from_key != NULL))
        fail_msg("%s:%u: keys with a value from another key, and of tables that there are none of, are commented out, "
                 "all others not",
                 EXAMPLE, e->line);
    buf_deinit(&key);
    buf_deinit(&comment);
    buf_deinit(&value);
}

/* The first listener and the first host stand for all. `is_none`: by default there is no such table. */
static void check_table(const struct page *p, const struct config_table *table, const void *values, bool is_none)
{
    char heading[96];

    snprintf(heading, sizeof(heading), "[%s]", table->path);
    if (table != &config_root)
        assert_string_equal(page_find(p, heading)->comment, table->text);
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct config_row *row = &table->rows[i];

        if (row->type == CONFIG_TYPE_TABLE)
            check_table(p, row->table, config_field_const(row, values), is_none);
        else if (row->type == CONFIG_TYPE_TABLES)
            check_table(p, row->table, config_array_at(row, config_array_get(row, values), 0),
                        (strcmp(row->field, "external_service") == 0 || strcmp(row->field, "component") == 0));
        else
            check_row(p, table, row, config_field_const(row, values), is_none);
    }
}

static void the_example_has_every_key_with_its_default_and_its_text(void **state)
{
    struct page p = page_read();
    struct config *cfg = parsed(STR(SHOWN), EXAMPLE);

    (void)state;
    check_table(&p, &config_root, cfg, false);
    config_unref(&cfg);
    free(p.entries);
}

static void every_key_of_the_example_has_a_row_even_those_commented_out(void **state)
{
    struct page p = page_read();

    (void)state;
    for (size_t i = 0; i < p.n; i++)
        if (p.entries[i].name[0] != '[' && config_row_find(str_of(p.entries[i].name)) == NULL)
            fail_msg("%s:%u: there is no key %s", EXAMPLE, p.entries[i].line, p.entries[i].name);
    free(p.entries);
}

static void fail_on_change(void *ctx, const struct config_change *change)
{
    (void)ctx;
    fail_msg("%s: %s is not its default", EXAMPLE, change->key);
}

/* Both by the file's real path: a loaded file's folder is known from the root. */
static void the_example_gives_exactly_the_defaults(void **state)
{
    struct buf errors = {0};
    char *path = realpath(EXAMPLE, NULL);
    struct config *cfg = NULL, *expected = defaults(path);

    (void)state;
    if (config_load(path, NULL, &cfg, &errors) != LN_OK)
        fail_msg("%.*s", STR_ARG(buf_str(&errors)));
    assert_int_equal(config_diff(expected, cfg, fail_on_change, NULL), 0);
    config_unref(&cfg);
    config_unref(&expected);
    buf_deinit(&errors);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_has_every_key_with_its_default_and_its_text),
        cmocka_unit_test(every_key_of_the_example_has_a_row_even_those_commented_out),
        cmocka_unit_test(the_example_gives_exactly_the_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
