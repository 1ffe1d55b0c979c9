/* Answers for programs. */
#include "server/control/linnetctl.h"

#include "common/datetime.h"

#include <stdio.h>

void ctl_json_string(struct buf *out, struct str s)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_append_cstr(out, "\\n");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\u%04x", c);
        else
            buf_append_char(out, (char)c);
    }
    buf_append_char(out, '"');
}

static void put_value(struct buf *out, struct str value, enum control_type type)
{
    char text[32];
    int64_t n;

    if (value.p == NULL)
        buf_append_cstr(out, "null");
    else if (type == CONTROL_TEXT || !str_to_i64(value, INT64_MIN, INT64_MAX, &n))
        ctl_json_string(out, value);
    else if (type == CONTROL_BOOL)
        buf_append_cstr(out, n != 0 ? "true" : "false");
    else if (type == CONTROL_TIME)
        ctl_json_string(out, datetime_format(n, text));
    else
        buf_printf(out, "%lld", (long long)n);
}

/* The fields of a row, without the braces around them. */
static void put_fields(struct buf *out, const struct ctl_table *t, size_t row)
{
    for (size_t c = 0; c < t->n_columns; c++) {
        buf_append_cstr(out, c == 0 ? "" : ", ");
        ctl_json_string(out, t->columns[c].name);
        buf_append_cstr(out, ": ");
        put_value(out, t->cells[row * t->n_columns + c], t->columns[c].type);
    }
}

static void put_array(struct buf *out, const struct ctl_table *t)
{
    buf_append_char(out, '[');
    for (size_t r = 0; r < t->n_rows; r++) {
        buf_append_cstr(out, r == 0 ? "\n  {" : ",\n  {");
        put_fields(out, t, r);
        buf_append_char(out, '}');
    }
    buf_append_cstr(out, t->n_rows > 0 ? "\n]" : "]");
}

static void put_object(struct buf *out, const struct ctl_answer *a)
{
    const char *comma = "";

    buf_append_char(out, '{');
    if (a->message.len > 0) {
        buf_append_cstr(out, "\"message\": ");
        ctl_json_string(out, a->message);
        comma = ", ";
    }
    for (const struct ctl_table *t = a->tables; t != NULL; t = t->next) {
        buf_append_cstr(out, comma);
        comma = ", ";
        if (t->shape != CONTROL_MANY && t->n_rows > 0) {
            put_fields(out, t, 0);
        } else {
            ctl_json_string(out, t->name);
            buf_append_cstr(out, ": ");
            put_array(out, t);
        }
    }
    buf_append_char(out, '}');
}

void ctl_print_json(const struct ctl_answer *a)
{
    const struct ctl_table *first = a->tables;
    struct buf out = {0};

    if (a->message.len == 0 && first != NULL && first->next == NULL && first->shape == CONTROL_MANY)
        put_array(&out, first);
    else
        put_object(&out, a);
    buf_append_char(&out, '\n');
    (void)fwrite(out.p, 1, out.len, stdout);
    buf_deinit(&out);
}
