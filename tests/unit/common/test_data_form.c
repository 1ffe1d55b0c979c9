#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/xmpp/data_form.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_reader.h"

/* A parent element with the given content, and its arena, which the test frees. */
static const struct xml_element *parse(const char *content, struct arena **ret_arena)
{
    struct buf b = {0};
    const struct xml_element *e = NULL;

    buf_printf(&b, "<query xmlns='urn:test'>%s</query>", content);
    assert_int_equal(xml_parse(buf_str(&b), STR(NS_CLIENT), ret_arena, &e), LN_OK);
    buf_deinit(&b);
    return e;
}

#define X(type, fields) "<x xmlns='jabber:x:data' type='" type "'>" fields "</x>"

static void assert_str(struct str s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.p, expected, s.len);
}

static void a_form_is_found_by_its_form_type(void **state)
{
    struct arena *arena;
    const struct xml_element *e = parse(X("form", "<field var='a'><value>1</value></field>")
                                            X("form", "<field var='FORM_TYPE' type='hidden'><value>urn:b</value>"
                                                      "</field><field var='a'><value>2</value></field>"),
                                        &arena);

    (void)state;
    assert_str(data_form_value(data_form_find(e, NULL), "a", NULL), "1");
    assert_str(data_form_value(data_form_find(e, "urn:b"), "a", NULL), "2");
    assert_null(data_form_find(e, "urn:c"));
    arena_free(&arena);
}

static void form_type_needs_to_be_hidden_but_in_a_submitted_form(void **state)
{
    static const struct {
        const char *xml;
        const char *form_type;
    } rows[] = {
        {X("form", "<field var='FORM_TYPE' type='hidden'><value>urn:b</value></field>"), "urn:b"},
        {X("form", "<field var='FORM_TYPE'><value>urn:b</value></field>"), ""},
        {X("submit", "<field var='FORM_TYPE'><value>urn:b</value></field>"), "urn:b"},
        {X("submit", "<field var='FORM_TYPE' type='hidden'><value>urn:b</value></field>"), "urn:b"},
        {X("submit", "<field var='FORM_TYPE' type='text-single'><value>urn:b</value></field>"), ""},
        {X("submit", "<field var='FORM_TYPE' type='hidden'/>"), ""},
        {X("submit", ""), ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *arena;
        const struct xml_element *e = parse(rows[i].xml, &arena);

        assert_str(data_form_form_type(e->child), rows[i].form_type);
        arena_free(&arena);
    }
}

static void an_empty_value_is_not_a_missing_one(void **state)
{
    struct arena *arena;
    const struct xml_element *x =
        parse(X("submit", "<field var='empty'><value/></field><field var='none'/>"), &arena)->child;
    bool found;

    (void)state;
    assert_int_equal(data_form_value(x, "empty", &found).len, 0);
    assert_true(found);
    assert_int_equal(data_form_value(x, "none", &found).len, 0);
    assert_false(found);
    assert_int_equal(data_form_value(x, "nowhere", &found).len, 0);
    assert_false(found);
    assert_non_null(data_form_field(x, "none"));
    assert_null(data_form_field(x, "nowhere"));
    arena_free(&arena);
}

static void all_values_of_a_field_are_walked_in_order(void **state)
{
    struct arena *arena;
    const struct xml_element *x = parse(X("submit", "<field var='l' type='text-multi'><value>one</value>"
                                                    "<required/><value/><value>three</value></field>"),
                                        &arena)
                                      ->child;
    const struct xml_element *cursor = NULL;
    struct str value;

    (void)state;
    assert_true(data_form_next_value(data_form_field(x, "l"), &cursor, &value));
    assert_str(value, "one");
    assert_true(data_form_next_value(data_form_field(x, "l"), &cursor, &value));
    assert_str(value, "");
    assert_true(data_form_next_value(data_form_field(x, "l"), &cursor, &value));
    assert_str(value, "three");
    assert_false(data_form_next_value(data_form_field(x, "l"), &cursor, &value));
    cursor = NULL;
    assert_false(data_form_next_value(NULL, &cursor, &value));
    arena_free(&arena);
}

static void fields_are_walked_without_form_type(void **state)
{
    struct arena *arena;
    const struct xml_element *x =
        parse(X("submit", "<title>t</title><field var='a'/><field var='FORM_TYPE' type='hidden'><value>u</value>"
                          "</field><field type='fixed'><value>text</value></field><field var='b'/>"),
              &arena)
            ->child;
    const struct xml_element *f = data_form_next_field(x, NULL);

    (void)state;
    assert_str(data_form_var(f), "a");
    f = data_form_next_field(x, f);
    assert_str(data_form_var(f), "");
    f = data_form_next_field(x, f);
    assert_str(data_form_var(f), "b");
    assert_null(data_form_next_field(x, f));
    arena_free(&arena);
}

static void a_boolean_has_four_spellings(void **state)
{
    static const struct {
        const char *text;
        int value; /* -1: none */
    } rows[] = {{"1", 1}, {"true", 1}, {"0", 0}, {"false", 0}, {"TRUE", -1}, {"yes", -1}, {"", -1}, {"01", -1}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool value = rows[i].value == 0; /* the opposite */

        assert_int_equal(data_form_parse_bool(str_of(rows[i].text), &value), rows[i].value >= 0);
        assert_int_equal(value, rows[i].value == 1);
    }
}

static void what_is_written_reads_back(void **state)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);
    struct arena *arena;

    (void)state;
    data_form_start(&w, "form", "urn:b");
    data_form_put_title(&w, STR("A <form>"));
    data_form_put_instructions(&w, STR("Fill in"));
    data_form_put_text(&w, "t", "text-single", "Text & label", STR("<&>"));
    data_form_put_bool(&w, "b", NULL, true);
    data_form_put_u64(&w, "n", NULL, NULL, 18446744073709551615u);
    data_form_field_start(&w, "l", "list-single", "List");
    data_form_put_option(&w, "First", STR("1st"));
    data_form_put_option(&w, NULL, STR("2nd"));
    data_form_put_value(&w, STR("2nd"));
    data_form_field_end(&w);
    data_form_end(&w);
    buf_append_char(&b, '\0');
    const struct xml_element *x = parse(b.p, &arena)->child;

    assert_str(data_form_type(x), "form");
    assert_str(data_form_form_type(x), "urn:b");
    assert_str(data_form_value(x, "t", NULL), "<&>");
    assert_str(xml_attr(data_form_field(x, "t"), "label", NULL), "Text & label");
    assert_str(data_form_value(x, "b", NULL), "1");
    assert_str(xml_attr(data_form_field(x, "b"), "type", NULL), "boolean");
    assert_str(data_form_value(x, "n", NULL), "18446744073709551615");
    assert_str(data_form_value(x, "l", NULL), "2nd");
    assert_str(data_form_field_value(xml_child(data_form_field(x, "l"), "option", NULL)), "1st");
    assert_str(xml_child(x, "title", NS_DATA_FORMS)->text, "A <form>");
    assert_str(xml_child(x, "instructions", NS_DATA_FORMS)->text, "Fill in");
    arena_free(&arena);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_form_is_found_by_its_form_type),
        cmocka_unit_test(form_type_needs_to_be_hidden_but_in_a_submitted_form),
        cmocka_unit_test(an_empty_value_is_not_a_missing_one),
        cmocka_unit_test(all_values_of_a_field_are_walked_in_order),
        cmocka_unit_test(fields_are_walked_without_form_type),
        cmocka_unit_test(a_boolean_has_four_spellings),
        cmocka_unit_test(what_is_written_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
