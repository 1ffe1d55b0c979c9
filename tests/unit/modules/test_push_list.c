#include "server/modules/push_list.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FORM "<x xmlns='jabber:x:data' type='submit'><field var='secret'><value>a&amp;b</value></field></x>"

static int start(void **state)
{
    *state = mem_zalloc(sizeof(struct push_list));
    return 0;
}

static void empty(struct push_list *l)
{
    for (struct push_app *app = l->first, *next; app != NULL; app = next) {
        next = app->next;
        push_app_free(&app);
    }
    *l = (struct push_list){0};
}

static int stop(void **state)
{
    empty(*state);
    free(*state);
    return 0;
}

static struct push_change enabling(const char *jid, const char *node, const char *resource, const char *options)
{
    return (struct push_change){.jid = str_of(jid),
                                .node = str_of(node),
                                .is_enable = true,
                                .resource = str_of(resource),
                                .options = str_of(options)};
}

static struct push_app *put(struct push_list *l, const char *jid, const char *node, const char *resource,
                            const char *options)
{
    struct push_change c = enabling(jid, node, resource, options);

    return push_list_put(l, &c);
}

static void expect_document(const struct push_list *l, const struct push_change *c, const char *xml)
{
    struct buf b = {0};

    push_list_write(&b, l, c);
    buf_append_char(&b, '\0');
    assert_string_equal(b.p, xml);
    buf_deinit(&b);
}

static void a_registration_is_known_by_jid_and_node(void **state)
{
    struct push_list *l = *state;
    struct push_app *a = put(l, "p.example", "1", "phone", ""), *b = put(l, "p.example", "2", "phone", ""),
                    *c = put(l, "p.example", "", "phone", "");

    assert_int_equal(l->n, 3);
    assert_ptr_equal(push_list_find(l, STR("p.example"), STR("1")), a);
    assert_ptr_equal(push_list_find(l, STR("p.example"), STR("2")), b);
    assert_ptr_equal(push_list_find(l, STR("p.example"), STR("")), c);
    assert_null(push_list_find(l, STR("q.example"), STR("1")));
    a->errors = 3;
    assert_ptr_equal(put(l, "p.example", "1", "tablet", FORM), a); /* the last request counts */
    assert_int_equal(l->n, 3);
    assert_string_equal(a->resource, "tablet");
    assert_string_equal(a->options, FORM);
    assert_int_equal(a->errors, 0);
}

static void a_change_that_changes_nothing_is_void(void **state)
{
    struct push_change same = enabling("p.example", "1", "phone", FORM), other = same, off = {.jid = STR("p.example")};

    assert_false(push_change_is_void(&same, *state));
    assert_true(push_change_is_void(&off, *state));
    (void)put(*state, "p.example", "1", "phone", FORM);
    assert_true(push_change_is_void(&same, *state));
    other.options = STR("");
    assert_false(push_change_is_void(&other, *state));
    other = same;
    other.resource = STR("tablet");
    assert_false(push_change_is_void(&other, *state));
    assert_true(push_change_is_void(&off, *state)); /* the one without a node */
    off.is_any_node = true;
    assert_false(push_change_is_void(&off, *state));
}

static void without_a_node_all_of_the_jid_end_and_with_one_just_that(void **state)
{
    struct push_list *l = *state;
    struct push_change one = {.jid = STR("p.example"), .node = STR("1")},
                       all = {.jid = STR("p.example"), .is_any_node = true};
    struct push_app *app;

    (void)put(l, "p.example", "1", "r", "");
    (void)put(l, "q.example", "1", "r", "");
    (void)put(l, "p.example", "2", "r", "");
    (void)put(l, "p.example", "3", "r", "");
    app = push_list_take(l, &one);
    assert_string_equal(app->node, "1");
    push_app_free(&app);
    assert_null(push_list_take(l, &one));
    for (int i = 0; i < 2; i++) {
        app = push_list_take(l, &all);
        assert_string_equal(app->jid, "p.example");
        push_app_free(&app);
    }
    assert_null(push_list_take(l, &all));
    assert_int_equal(l->n, 1);
    assert_string_equal(l->first->jid, "q.example");
}

static void the_document_is_that_of_after_the_change(void **state)
{
    struct push_list *l = *state;
    struct push_change on = enabling("p.example", "1", "phone", FORM),
                       off = {.jid = STR("p.example"), .node = STR("1")};

    expect_document(l, NULL, "");
    expect_document(l, &on, "<push><app jid='p.example' node='1' resource='phone'>" FORM "</app></push>");
    (void)put(l, "p.example", "1", "old", "");
    put(l, "q.example", "", "desk", "")->errors = 7;
    expect_document(l, NULL,
                    "<push><app jid='q.example' resource='desk' errors='7'/><app jid='p.example' node='1' "
                    "resource='old'/></push>");
    expect_document(l, &off, "<push><app jid='q.example' resource='desk' errors='7'/></push>");
    expect_document(l, &on,
                    "<push><app jid='q.example' resource='desk' errors='7'/><app jid='p.example' node='1' "
                    "resource='phone'>" FORM "</app></push>");
    off.jid = STR("q.example");
    off.is_any_node = true;
    expect_document(l, &off, "<push><app jid='p.example' node='1' resource='old'/></push>");
}

static void what_was_written_is_read(void **state)
{
    struct push_list *l = *state;
    struct buf b = {0};

    put(l, "p.example", "<&'\"", "ph\xc3\xb6ne", FORM)->errors = 5;
    (void)put(l, "q.example", "", "desk", "");
    push_list_write(&b, l, NULL);
    empty(l);
    assert_true(push_list_read(l, buf_str(&b)));
    buf_deinit(&b);
    assert_int_equal(l->n, 2);
    struct push_app *app = push_list_find(l, STR("p.example"), STR("<&'\""));

    assert_string_equal(app->resource, "ph\xc3\xb6ne");
    assert_string_equal(app->options, FORM);
    assert_int_equal(app->errors, 5);
    assert_string_equal(push_list_find(l, STR("q.example"), STR(""))->options, "");
}

static void a_damaged_document_is_not_read(void **state)
{
    struct push_list *l = *state;

    assert_false(push_list_read(l, STR("<push><app jid='p.example'></push>")));
    assert_null(l->first);
}

int main(void)
{
#define LIST_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        LIST_TEST(a_registration_is_known_by_jid_and_node),
        LIST_TEST(a_change_that_changes_nothing_is_void),
        LIST_TEST(without_a_node_all_of_the_jid_end_and_with_one_just_that),
        LIST_TEST(the_document_is_that_of_after_the_change),
        LIST_TEST(what_was_written_is_read),
        LIST_TEST(a_damaged_document_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
