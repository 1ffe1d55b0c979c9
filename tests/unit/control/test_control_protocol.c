#include "server/control/control_protocol.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* What a line of `fields` looks like, without its line feed, in memory of its own. */
static struct buf line_of(const struct str *fields, size_t n)
{
    struct buf out = {0};

    control_begin_line(&out, "row");
    for (size_t i = 0; i < n; i++)
        control_put_str(&out, fields[i]);
    control_end_line(&out);
    assert_int_equal(out.p[out.len - 1], '\n');
    out.len--;
    return out;
}

static bool splits(const char *text)
{
    char *bytes = str_dup(str_of(text));
    struct control_line line;
    bool ok = control_split(bytes, strlen(text), &line);

    free(bytes);
    return ok;
}

static void what_is_written_is_read_again(void **state)
{
    const struct str fields[] = {
        STR("juliet@linnet.example"), STR(""),    STR("a\tb"),    STR("two\nlines"),        STR("back\\slash"),
        STR("\\t is no tab"),         STR("\\N"), STR(" space "), STR("\xc3\xa9t\xc3\xa9"),
    };
    struct buf out = line_of(fields, ARRAY_LEN(fields));
    struct control_line line;

    (void)state;
    assert_null(memchr(out.p, '\n', out.len));
    assert_true(control_split(out.p, out.len, &line));
    assert_int_equal(line.n, 1 + ARRAY_LEN(fields));
    assert_true(str_is(line.fields[0], "row"));
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        assert_true(str_eq(line.fields[1 + i], fields[i]));
    buf_deinit(&out);
}

static void every_byte_but_nul_can_be_a_value(void **state)
{
    char all[255] = {0};
    struct str field = str_make(all, sizeof(all));
    struct control_line line;
    struct buf out;

    (void)state;
    for (unsigned i = 0; i < sizeof(all); i++)
        all[i] = (char)(i + 1);
    out = line_of(&field, 1);
    assert_true(control_split(out.p, out.len, &line));
    assert_int_equal(line.n, 2);
    assert_true(str_eq(line.fields[1], field));
    buf_deinit(&out);
}

static void nothing_differs_from_the_empty_text(void **state)
{
    struct buf out = {0};
    struct control_line line;

    (void)state;
    control_begin_line(&out, "row");
    control_put_none(&out);
    control_put_cstr(&out, NULL);
    control_put_cstr(&out, "");
    assert_true(control_split(out.p, out.len, &line));
    assert_int_equal(line.n, 4);
    assert_null(line.fields[1].p);
    assert_null(line.fields[2].p);
    assert_non_null(line.fields[3].p);
    assert_int_equal(line.fields[3].len, 0);
    buf_deinit(&out);
}

static void numbers_and_claims_are_written_in_full(void **state)
{
    struct buf out = {0};

    (void)state;
    control_begin_line(&out, "row");
    control_put_int(&out, INT64_MIN);
    control_put_int(&out, INT64_MAX);
    control_put_bool(&out, true);
    control_put_bool(&out, false);
    control_end_line(&out);
    assert_true(str_is(buf_str(&out), "row\t-9223372036854775808\t9223372036854775807\t1\t0\n"));
    buf_deinit(&out);
}

static void a_table_names_its_columns_with_their_types(void **state)
{
    static const struct control_column columns[] = {
        {"id", CONTROL_TEXT, false}, {"idle", CONTROL_SECONDS, true}, {"since", CONTROL_TIME, false}};
    struct buf out = {0};

    (void)state;
    control_put_table(&out, "sessions", CONTROL_MANY, columns, ARRAY_LEN(columns));
    assert_true(str_is(buf_str(&out), "table\tsessions\tmany\tid:text\tidle:seconds+\tsince:time\n"));
    buf_deinit(&out);
}

static void every_type_and_shape_is_found_by_its_word(void **state)
{
    static const char *const types[CONTROL_TYPES] = {
        [CONTROL_TEXT] = "text", [CONTROL_INT] = "int",         [CONTROL_BOOL] = "bool",
        [CONTROL_TIME] = "time", [CONTROL_SECONDS] = "seconds", [CONTROL_BYTES] = "bytes",
    };
    static const char *const shapes[CONTROL_SHAPES] = {"one", "many", "raw"};
    enum control_type type;
    enum control_shape shape;

    (void)state;
    for (unsigned i = 0; i < CONTROL_TYPES; i++) {
        assert_true(control_type_of(str_of(types[i]), &type));
        assert_int_equal(type, i);
    }
    for (unsigned i = 0; i < CONTROL_SHAPES; i++) {
        assert_true(control_shape_of(str_of(shapes[i]), &shape));
        assert_int_equal(shape, i);
    }
    assert_false(control_type_of(STR("txt"), &type));
    assert_false(control_type_of(STR(""), &type));
    assert_false(control_shape_of(STR("more"), &shape));
}

static void an_unknown_escape_is_refused(void **state)
{
    (void)state;
    assert_false(splits("row\t\\x"));
    assert_false(splits("row\t\\"));
    assert_false(splits("row\ta\\N"));
    assert_false(splits("row\t\\Nb"));
    assert_true(splits("row\t\\N"));
    assert_true(splits("row\t\\\\N"));
}

static void a_nul_is_refused(void **state)
{
    char bytes[] = "row\ta\0b";
    struct control_line line;

    (void)state;
    assert_false(control_split(bytes, sizeof(bytes) - 1, &line));
}

static void a_line_has_a_bounded_number_of_fields(void **state)
{
    char bytes[CONTROL_FIELDS_MAX];
    struct control_line line;

    (void)state;
    memset(bytes, '\t', sizeof(bytes));
    assert_true(control_split(bytes, CONTROL_FIELDS_MAX - 1, &line)); /* n tabs are between n + 1 fields */
    assert_int_equal(line.n, CONTROL_FIELDS_MAX);
    assert_false(control_split(bytes, CONTROL_FIELDS_MAX, &line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(every_byte_but_nul_can_be_a_value),
        cmocka_unit_test(nothing_differs_from_the_empty_text),
        cmocka_unit_test(numbers_and_claims_are_written_in_full),
        cmocka_unit_test(a_table_names_its_columns_with_their_types),
        cmocka_unit_test(every_type_and_shape_is_found_by_its_word),
        cmocka_unit_test(an_unknown_escape_is_refused),
        cmocka_unit_test(a_nul_is_refused),
        cmocka_unit_test(a_line_has_a_bounded_number_of_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
