#include "server/im/hooks.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Who was called, in order: one letter each. */
static char calls[32];

static enum verdict call(char who, enum verdict verdict)
{
    size_t n = strlen(calls);

    assert_true(n + 1 < sizeof(calls));
    calls[n] = who;
    return verdict;
}

static enum verdict call_core(struct hook_event *e)
{
    (void)e;
    return call('c', CONTINUE);
}
static enum verdict call_a(struct hook_event *e)
{
    (void)e;
    return call('a', CONTINUE);
}
static enum verdict call_b(struct hook_event *e)
{
    (void)e;
    return call('b', CONTINUE);
}
static enum verdict stop_b(struct hook_event *e)
{
    (void)e;
    return call('b', STOP);
}

static enum iq_verdict on_iq(struct iq *iq)
{
    (void)iq;
    return IQ_ANSWERED;
}

static void on_element(struct session *s, const struct xml_element *e)
{
    (void)s, (void)e;
}

static struct server *started_with;

static void on_start(struct server *server)
{
    started_with = server;
}

/* Not that of the server: the core's module as far as these tests care. */
const struct module module_core = {
    .name = "core",
    .hooks = {{HOOK_SESSION_BOUND, PRIORITY_NORMAL, call_core}},
    .iq = {{IQ_GET_OR_SET, "urn:core", NULL, IQ_TO_HOST, on_iq}},
};

static const struct module module_a = {
    .name = "a",
    .hooks = {{HOOK_SESSION_BOUND, PRIORITY_NORMAL, call_a},
              {HOOK_SESSION_CLOSING, PRIORITY_NORMAL, call_a},
              {HOOK_AVAILABLE, PRIORITY_STORE, call_a}},
    .iq = {{IQ_GET, "urn:x", "query", IQ_TO_HOST | IQ_TO_OWN_ACCOUNT, on_iq},
           {IQ_SET, "urn:x", "query", IQ_TO_OWN_ACCOUNT, on_iq}},
    .elements = {{"urn:sm", "r", false, on_element}, {"urn:sm", "enable", true, on_element}},
    .on_start = on_start,
};

static const struct module module_b = {
    .name = "b",
    .hooks = {{HOOK_SESSION_BOUND, PRIORITY_FIRST, call_b},
              {HOOK_SESSION_CLOSING, PRIORITY_LAST, call_b},
              {HOOK_AVAILABLE, PRIORITY_GUARD, stop_b},
              {HOOK_CONFIG_CHANGED, PRIORITY_NORMAL, call_b}},
    .iq = {{IQ_GET_OR_SET, "urn:x", NULL, IQ_TO_HOST, on_iq}},
};

static const struct module *const table[] = {&module_a, &module_b, NULL};

static const char *const names[] = {"a", "b", "not-built-in"};
static const struct config_host with_both = {.modules = {3, names}};
static const struct config_host with_a = {.modules = {1, names}};
static const struct config_host with_b = {.modules = {1, names + 1}};
static const struct config_host with_b_taken_away = {.modules = {3, names}, .modules_disabled = {1, names + 1}};
static const struct config_host with_none = {.modules = {0, NULL}};

static int set_up(void **state)
{
    (void)state;
    hooks_start(table, NULL);
    memset(calls, 0, sizeof(calls));
    return 0;
}

static void run(enum hook_point point, const struct config_host *host, enum verdict expected)
{
    struct hook_event e = {0};

    assert_int_equal(hooks_run(point, host, &e), expected);
}

static struct stanza *iq_of(const char *type, const char *payload)
{
    struct buf xml = {0};

    buf_printf(&xml, "<iq type='%s' id='1' from='r@h.example/x' to='h.example'>%s</iq>", type, payload);
    struct stanza *st = stanza_from_bytes(buf_str(&xml));

    assert_non_null(st);
    buf_deinit(&xml);
    return st;
}

static const struct iq_handler *find(const char *type, const char *payload, const struct config_host *host,
                                     enum iq_target target, const struct iq_handler *after)
{
    struct stanza *st = iq_of(type, payload);
    const struct iq_handler *h = hooks_find_iq(host, st, target, after);

    stanza_unref(&st);
    return h;
}

static void hooks_run_by_priority_and_then_in_the_order_of_the_table(void **state)
{
    (void)state;
    run(HOOK_SESSION_BOUND, &with_both, CONTINUE);
    assert_string_equal(calls, "bca");
}

static void only_the_modules_of_the_host_are_called(void **state)
{
    (void)state;
    run(HOOK_SESSION_BOUND, &with_a, CONTINUE);
    run(HOOK_SESSION_BOUND, &with_b, CONTINUE);
    assert_string_equal(calls, "cabc");
}

static void a_module_that_is_taken_away_is_off_whatever_else_is_said(void **state)
{
    (void)state;
    run(HOOK_SESSION_BOUND, &with_b_taken_away, CONTINUE);
    assert_string_equal(calls, "ca");
}

static void the_core_is_on_for_every_host_and_for_one_that_has_gone(void **state)
{
    (void)state;
    run(HOOK_SESSION_BOUND, &with_none, CONTINUE);
    run(HOOK_SESSION_BOUND, NULL, CONTINUE);
    assert_string_equal(calls, "cc");
}

static void a_hook_that_says_stop_is_the_last(void **state)
{
    (void)state;
    run(HOOK_AVAILABLE, &with_both, STOP);
    run(HOOK_AVAILABLE, &with_a, CONTINUE);
    assert_string_equal(calls, "ba");
}

static void modules_that_were_switched_off_still_learn_of_a_session_s_end(void **state)
{
    (void)state;
    run(HOOK_SESSION_CLOSING, &with_none, CONTINUE);
    run(HOOK_SESSION_CLOSING, NULL, CONTINUE);
    assert_string_equal(calls, "abab");
}

static void a_point_where_nobody_listens_is_not_wanted(void **state)
{
    (void)state;
    assert_true(hooks_wanted(HOOK_SESSION_BOUND));
    assert_false(hooks_wanted(HOOK_STANZA_SENT));
    run(HOOK_STANZA_SENT, &with_both, CONTINUE);
    assert_string_equal(calls, "");
}

static void after_a_change_of_configuration_the_same_memory_can_be_another_host(void **state)
{
    struct config_host *host = mem_zalloc(sizeof(*host));

    (void)state;
    host->modules = with_a.modules;
    run(HOOK_SESSION_BOUND, host, CONTINUE);
    hooks_config_changed(NULL);
    host->modules = with_b.modules;
    run(HOOK_SESSION_BOUND, host, CONTINUE);
    assert_string_equal(calls, "ca"
                               "b" /* HOOK_CONFIG_CHANGED */
                               "bc");
    free(host);
}

static void somebody_listens_where_the_host_names_a_module_that_does(void **state)
{
    (void)state;
    assert_true(hooks_listens(HOOK_AVAILABLE, &with_a));
    assert_false(hooks_listens(HOOK_CONFIG_CHANGED, &with_a));
    assert_true(hooks_listens(HOOK_SESSION_BOUND, &with_none)); /* the core */
    assert_false(hooks_listens(HOOK_AVAILABLE, &with_none));
    assert_false(hooks_listens(HOOK_AVAILABLE, NULL));
}

static void the_walk_gives_the_core_and_then_the_modules_that_are_on(void **state)
{
    unsigned cursor = 0;

    (void)state;
    assert_ptr_equal(hooks_next_module(&with_b, &cursor), &module_core);
    assert_ptr_equal(hooks_next_module(&with_b, &cursor), &module_b);
    assert_null(hooks_next_module(&with_b, &cursor));
}

static void an_iq_is_matched_by_type_namespace_element_and_target(void **state)
{
    (void)state;
    assert_ptr_equal(find("get", "<query xmlns='urn:x'/>", &with_a, IQ_TO_OWN_ACCOUNT, NULL), &module_a.iq[0]);
    assert_ptr_equal(find("set", "<query xmlns='urn:x'/>", &with_a, IQ_TO_OWN_ACCOUNT, NULL), &module_a.iq[1]);
    assert_null(find("set", "<query xmlns='urn:x'/>", &with_a, IQ_TO_HOST, NULL));
    assert_null(find("get", "<other xmlns='urn:x'/>", &with_a, IQ_TO_HOST, NULL));
    assert_null(find("get", "<query xmlns='urn:y'/>", &with_a, IQ_TO_HOST, NULL));
    assert_null(find("get", "<query xmlns='urn:x'/>", &with_a, IQ_TO_OTHER_ACCOUNT, NULL));
    assert_null(find("get", "<query xmlns='urn:x'/>", &with_none, IQ_TO_HOST, NULL));
    assert_null(find("get", "", &with_both, IQ_TO_HOST, NULL));
}

static void a_handler_without_element_takes_every_one_of_its_namespace(void **state)
{
    (void)state;
    assert_ptr_equal(find("set", "<whatever xmlns='urn:x'/>", &with_b, IQ_TO_HOST, NULL), &module_b.iq[0]);
    assert_ptr_equal(find("get", "<whatever xmlns='urn:core'/>", NULL, IQ_TO_HOST, NULL), &module_core.iq[0]);
}

static void the_search_goes_on_behind_a_handler_that_was_tried(void **state)
{
    const struct iq_handler *first = find("get", "<query xmlns='urn:x'/>", &with_both, IQ_TO_HOST, NULL);
    const struct iq_handler *second = find("get", "<query xmlns='urn:x'/>", &with_both, IQ_TO_HOST, first);

    (void)state;
    assert_ptr_equal(first, &module_a.iq[0]);
    assert_ptr_equal(second, &module_b.iq[0]);
    assert_null(find("get", "<query xmlns='urn:x'/>", &with_both, IQ_TO_HOST, second));
}

static void results_and_errors_have_no_handler(void **state)
{
    (void)state;
    assert_null(find("result", "<query xmlns='urn:x'/>", &with_both, IQ_TO_HOST, NULL));
    assert_null(find("error", "<query xmlns='urn:x'/>", &with_both, IQ_TO_HOST, NULL));
}

static void an_element_is_found_before_binding_only_if_it_may_come_then(void **state)
{
    struct arena *arena;
    const struct xml_element *r, *enable;

    (void)state;
    assert_int_equal(xml_parse(STR("<x><r xmlns='urn:sm'/><enable xmlns='urn:sm'/></x>"), STR(NS_CLIENT), &arena, &r),
                     LN_OK);
    r = r->child;
    enable = r->next;
    assert_ptr_equal(hooks_find_element(&with_a, r, true), &module_a.elements[0]);
    assert_null(hooks_find_element(&with_a, r, false));
    assert_ptr_equal(hooks_find_element(&with_a, enable, false), &module_a.elements[1]);
    assert_null(hooks_find_element(&with_b, r, true));
    arena_free(&arena);
}

static void modules_are_told_of_the_start(void **state)
{
    struct server *server = mem_zalloc(sizeof(*server));

    (void)state;
    hooks_start(table, server);
    assert_ptr_equal(started_with, server);
    free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(hooks_run_by_priority_and_then_in_the_order_of_the_table, set_up),
        cmocka_unit_test_setup(only_the_modules_of_the_host_are_called, set_up),
        cmocka_unit_test_setup(a_module_that_is_taken_away_is_off_whatever_else_is_said, set_up),
        cmocka_unit_test_setup(the_core_is_on_for_every_host_and_for_one_that_has_gone, set_up),
        cmocka_unit_test_setup(a_hook_that_says_stop_is_the_last, set_up),
        cmocka_unit_test_setup(modules_that_were_switched_off_still_learn_of_a_session_s_end, set_up),
        cmocka_unit_test_setup(a_point_where_nobody_listens_is_not_wanted, set_up),
        cmocka_unit_test_setup(after_a_change_of_configuration_the_same_memory_can_be_another_host, set_up),
        cmocka_unit_test_setup(somebody_listens_where_the_host_names_a_module_that_does, set_up),
        cmocka_unit_test_setup(the_walk_gives_the_core_and_then_the_modules_that_are_on, set_up),
        cmocka_unit_test_setup(an_iq_is_matched_by_type_namespace_element_and_target, set_up),
        cmocka_unit_test_setup(a_handler_without_element_takes_every_one_of_its_namespace, set_up),
        cmocka_unit_test_setup(the_search_goes_on_behind_a_handler_that_was_tried, set_up),
        cmocka_unit_test_setup(results_and_errors_have_no_handler, set_up),
        cmocka_unit_test_setup(an_element_is_found_before_binding_only_if_it_may_come_then, set_up),
        cmocka_unit_test_setup(modules_are_told_of_the_start, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
