/* Answers for people: columns side by side, or one value a line. */
#include "server/control/linnetctl.h"

#include "common/datetime.h"
#include "common/mem.h"
#include "common/utf8.h"

#include <stdio.h>

/* ---- values ---- */

/* Values come from strangers, and a terminal obeys some of the characters that they could send. */
static void put_text(struct buf *out, struct str s)
{
    while (s.len > 0) {
        uint32_t cp;
        int n = utf8_decode(s, &cp);

        if (n <= 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) {
            buf_append_char(out, '?');
            n = n <= 0 ? 1 : n;
        } else {
            buf_append(out, s.p, (size_t)n);
        }
        s = str_make(s.p + n, s.len - (size_t)n);
    }
}

static void put_bytes(struct buf *out, int64_t n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)n;
    size_t unit = 0;

    for (; value >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
        value /= 1024;
    buf_printf(out, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static void put_seconds(struct buf *out, int64_t s)
{
    if (s >= 86400)
        buf_printf(out, "%lldd %lldh", (long long)(s / 86400), (long long)(s % 86400 / 3600));
    else if (s >= 3600)
        buf_printf(out, "%lldh %lldm", (long long)(s / 3600), (long long)(s % 3600 / 60));
    else if (s >= 60)
        buf_printf(out, "%lldm %llds", (long long)(s / 60), (long long)(s % 60));
    else
        buf_printf(out, "%llds", (long long)s);
}

/* "2026-03-01 12:00:00Z": whole seconds, in UTC as in the log. */
static void put_time(struct buf *out, int64_t ms)
{
    char text[32];
    struct str s = datetime_format(ms, text);

    text[10] = ' ';
    buf_append(out, s.p, s.len < 19 ? s.len : 19);
    buf_append_char(out, 'Z');
}

static void put_value(struct buf *out, struct str value, enum control_type type)
{
    int64_t n;

    if (value.p == NULL)
        buf_append_char(out, '-');
    else if (type == CONTROL_TEXT || !str_to_i64(value, INT64_MIN, INT64_MAX, &n))
        put_text(out, value);
    else if (type == CONTROL_BOOL)
        buf_append_cstr(out, n != 0 ? "yes" : "no");
    else if (type == CONTROL_TIME)
        put_time(out, n);
    else if (type == CONTROL_SECONDS)
        put_seconds(out, n);
    else if (type == CONTROL_BYTES)
        put_bytes(out, n);
    else
        put_text(out, value);
}

/* Characters, as far as a terminal gives each the same room. */
static size_t width_of(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static void print_padded(struct str s, size_t width, bool to_the_right)
{
    size_t own = width_of(s);
    int pad = own < width ? (int)(width - own) : 0;

    if (to_the_right)
        printf("%*s%.*s", pad, "", STR_ARG(s));
    else
        printf("%.*s%*s", STR_ARG(s), pad, "");
}

/* ---- tables ---- */

static bool is_shown(const struct ctl_column *c, bool wide)
{
    return wide || !c->is_detail;
}

static bool is_number(enum control_type type)
{
    return type == CONTROL_INT || type == CONTROL_BYTES || type == CONTROL_SECONDS;
}

static void print_one(const struct ctl_table *t, bool wide)
{
    size_t width = 0;
    struct buf value = {0};

    for (size_t i = 0; i < t->n_columns; i++)
        if (is_shown(&t->columns[i], wide) && width_of(t->columns[i].name) > width)
            width = width_of(t->columns[i].name);
    for (size_t i = 0; i < t->n_columns && t->n_rows > 0; i++) {
        if (!is_shown(&t->columns[i], wide))
            continue;
        buf_clear(&value);
        put_value(&value, t->cells[i], t->columns[i].type);
        print_padded(t->columns[i].name, width, false);
        printf("  %.*s\n", STR_ARG(buf_str(&value)));
    }
    buf_deinit(&value);
}

/* How wide each column must be. */
static void measure(const struct ctl_table *t, size_t widths[])
{
    struct buf value = {0};

    for (size_t c = 0; c < t->n_columns; c++) {
        widths[c] = width_of(t->columns[c].name);
        for (size_t r = 0; r < t->n_rows; r++) {
            buf_clear(&value);
            put_value(&value, t->cells[r * t->n_columns + c], t->columns[c].type);
            if (width_of(buf_str(&value)) > widths[c])
                widths[c] = width_of(buf_str(&value));
        }
    }
    buf_deinit(&value);
}

/* Row SIZE_MAX is the head. */
static void print_row(const struct ctl_table *t, size_t row, const size_t widths[], bool wide)
{
    struct buf value = {0};
    bool is_first = true;
    size_t last = 0;

    for (size_t c = 0; c < t->n_columns; c++)
        if (is_shown(&t->columns[c], wide))
            last = c;
    for (size_t c = 0; c < t->n_columns; c++) {
        bool to_the_right = is_number(t->columns[c].type);

        if (!is_shown(&t->columns[c], wide))
            continue;
        buf_clear(&value);
        if (row == SIZE_MAX)
            buf_append_str(&value, t->columns[c].name);
        else
            put_value(&value, t->cells[row * t->n_columns + c], t->columns[c].type);
        printf("%s", is_first ? "" : "  ");
        print_padded(buf_str(&value), c == last && !to_the_right ? 0 : widths[c], to_the_right);
        is_first = false;
    }
    printf("\n");
    buf_deinit(&value);
}

static void print_many(const struct ctl_table *t, bool wide)
{
    size_t widths[CONTROL_FIELDS_MAX];

    if (t->n_rows == 0) {
        printf("%.*s: none\n", STR_ARG(t->name));
        return;
    }
    measure(t, widths);
    print_row(t, SIZE_MAX, widths, wide);
    for (size_t r = 0; r < t->n_rows; r++)
        print_row(t, r, widths, wide);
}

void ctl_print_tables(const struct ctl_answer *a, bool wide)
{
    for (const struct ctl_table *t = a->tables; t != NULL; t = t->next) {
        if (t != a->tables)
            printf("\n");
        if (t->shape == CONTROL_RAW && t->n_rows > 0)
            printf("%.*s\n", STR_ARG(t->cells[0]));
        else if (t->shape == CONTROL_ONE)
            print_one(t, wide);
        else
            print_many(t, wide);
    }
    if (a->message.len > 0)
        printf("%.*s\n", STR_ARG(a->message));
}
