#include "server/control/control_protocol.h"

#include "common/mem.h"

static const char *const type_names[CONTROL_TYPES] = {
    [CONTROL_TEXT] = "text", [CONTROL_INT] = "int",         [CONTROL_BOOL] = "bool",
    [CONTROL_TIME] = "time", [CONTROL_SECONDS] = "seconds", [CONTROL_BYTES] = "bytes",
};

static const char *const shape_names[CONTROL_SHAPES] = {
    [CONTROL_ONE] = "one",
    [CONTROL_MANY] = "many",
    [CONTROL_RAW] = "raw",
};

static const struct {
    char byte;
    char letter;
} escapes[] = {{'\\', '\\'}, {'\t', 't'}, {'\n', 'n'}};

static bool index_of(struct str word, const char *const *names, size_t n, size_t *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(word, names[i])) {
            *ret = i;
            return true;
        }
    }
    return false;
}

bool control_type_of(struct str word, enum control_type *ret)
{
    size_t i;

    if (!index_of(word, type_names, CONTROL_TYPES, &i))
        return false;
    *ret = (enum control_type)i;
    return true;
}

bool control_shape_of(struct str word, enum control_shape *ret)
{
    size_t i;

    if (!index_of(word, shape_names, CONTROL_SHAPES, &i))
        return false;
    *ret = (enum control_shape)i;
    return true;
}

/* ---- writing ---- */

void control_begin_line(struct buf *out, const char *word)
{
    buf_append_cstr(out, word);
}

static void put_byte(struct buf *out, char c)
{
    for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
        if (c == escapes[i].byte) {
            buf_append_char(out, '\\');
            buf_append_char(out, escapes[i].letter);
            return;
        }
    }
    buf_append_char(out, c);
}

void control_put_str(struct buf *out, struct str value)
{
    buf_append_char(out, '\t');
    for (size_t i = 0; i < value.len; i++)
        put_byte(out, value.p[i]);
}

void control_put_cstr(struct buf *out, const char *value)
{
    if (value == NULL)
        control_put_none(out);
    else
        control_put_str(out, str_of(value));
}

void control_put_int(struct buf *out, int64_t value)
{
    buf_printf(out, "\t%lld", (long long)value);
}

void control_put_bool(struct buf *out, bool value)
{
    buf_append_cstr(out, value ? "\t1" : "\t0");
}

void control_put_none(struct buf *out)
{
    buf_append_cstr(out, "\t\\N");
}

void control_end_line(struct buf *out)
{
    buf_append_char(out, '\n');
}

void control_put_table(struct buf *out, const char *name, enum control_shape shape,
                       const struct control_column *columns, size_t n_columns)
{
    control_begin_line(out, "table");
    control_put_cstr(out, name);
    control_put_cstr(out, shape_names[shape]);
    for (size_t i = 0; i < n_columns; i++)
        buf_printf(out, "\t%s:%s%s", columns[i].name, type_names[columns[i].type], columns[i].is_detail ? "+" : "");
    control_end_line(out);
}

/* ---- reading ---- */

/* The byte that an escape stands for; 0: there is no such escape. */
static char unescape(char letter)
{
    for (size_t i = 0; i < ARRAY_LEN(escapes); i++)
        if (letter == escapes[i].letter)
            return escapes[i].byte;
    return 0;
}

/* What is resolved is never longer, so it fits where it came from. */
static bool resolve(char *p, size_t len, struct str *ret)
{
    size_t n = 0;

    if (len == 2 && p[0] == '\\' && p[1] == 'N') {
        *ret = str_make(NULL, 0);
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        char c = p[i];

        if (c == '\\')
            c = ++i < len ? unescape(p[i]) : 0;
        if (c == 0)
            return false;
        p[n++] = c;
    }
    *ret = str_make(p, n);
    return true;
}

bool control_split(char *bytes, size_t len, struct control_line *ret)
{
    char *end = bytes + len, *field = bytes;

    ret->n = 0;
    for (;;) {
        char *tab = memchr(field, '\t', (size_t)(end - field));
        size_t field_len = (size_t)((tab != NULL ? tab : end) - field);

        if (ret->n == CONTROL_FIELDS_MAX || !resolve(field, field_len, &ret->fields[ret->n]))
            return false;
        ret->n++;
        if (tab == NULL)
            return true;
        field = tab + 1;
    }
}
