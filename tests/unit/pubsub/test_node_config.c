#include "server/pubsub/node_config.h"

#include "common/xmpp/data_form.h"
#include "common/xmpp/xml_reader.h"
#include "server/pubsub/node_meta.h"
#include "server/pubsub/node_profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define FORM(fields)       "<x xmlns='jabber:x:data' type='submit'>" fields "</x>"
#define FIELD(name, value) "<field var='pubsub#" name "'><value>" value "</value></field>"

static const struct xml_element *parse(const char *xml, struct arena **ret_arena)
{
    const struct xml_element *e = NULL;

    assert_int_equal(xml_parse(str_of(xml), STR("jabber:client"), ret_arena, &e), LN_OK);
    return e;
}

static const struct refusal *apply(struct node_config *c, const char *form, bool is_strict)
{
    struct arena *arena;
    const struct xml_element *x = parse(form, &arena);
    const struct refusal *why = node_config_apply(c, x, is_strict);

    arena_free(&arena);
    return why;
}

static bool meets(const struct node_config *c, const char *form)
{
    struct arena *arena;
    const struct xml_element *x = parse(form, &arena);
    bool is_met = node_config_meets(c, x, 1000);

    arena_free(&arena);
    return is_met;
}

static void what_a_form_does_not_name_stays(void **state)
{
    struct node_config c = node_config_personal();

    (void)state;
    assert_null(apply(&c, FORM(FIELD("title", "T") FIELD("max_items", "7")), false));
    assert_null(apply(
        &c,
        FORM(FIELD("access_model",
                   "roster") "<field var='pubsub#roster_groups_allowed'><value>a</value><value>b</value></field>"),
        false));
    assert_string_equal(c.title, "T");
    assert_int_equal(c.max_items, 7);
    assert_int_equal(c.access_model, ACCESS_ROSTER);
    assert_int_equal(c.n_groups, 2);
    assert_null(apply(&c, FORM("<field var='pubsub#roster_groups_allowed'/><field var='pubsub#title'/>"), false));
    assert_int_equal(c.n_groups, 0);
    assert_string_equal(c.title, "T");
    assert_null(apply(&c, FORM(FIELD("title", "")), false));
    assert_null(c.title);
    node_config_deinit(&c);
}

static void a_form_with_one_bad_value_changes_nothing(void **state)
{
    static const struct {
        const char *form;
        bool is_strict;
        const char *condition; /* NULL: another refusal; "": none */
    } rows[] = {
        {FORM(FIELD("max_items", "7") FIELD("persist_items", "perhaps")), false, NULL},
        {FORM(FIELD("max_items", "0")), false, NULL},
        {FORM(FIELD("max_items", "-1")), false, NULL},
        {FORM(FIELD("access_model", "authorise")), false, "unsupported-access-model"},
        {FORM(FIELD("node_type", "collection")), false, NULL},
        {FORM(FIELD("tempsub", "true")), false, NULL},
        {FORM(FIELD("tempsub", "false") FIELD("node_type", "leaf")), true, ""},
        {FORM(FIELD("body_xslt", "x")), false, ""},
        {FORM(FIELD("body_xslt", "x")), true, "precondition-not-met"},
        {FORM("<field type='fixed'><value>Read this</value></field>"), true, ""},
        {FORM(""), true, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct node_config c = node_config_personal();
        const struct refusal *why = apply(&c, rows[i].form, rows[i].is_strict);

        assert_int_equal(why == NULL, rows[i].condition != NULL && rows[i].condition[0] == '\0');
        if (why != NULL && rows[i].condition != NULL)
            assert_string_equal(why->condition, rows[i].condition);
        assert_int_equal(c.max_items, 1);
        node_config_deinit(&c);
    }
}

static void numbers_may_be_max(void **state)
{
    struct node_config c = node_config_personal();

    (void)state;
    assert_null(apply(&c, FORM(FIELD("max_items", "max") FIELD("item_expire", "99999999999999")), false));
    assert_int_equal(c.max_items, NODE_CONFIG_MAX);
    assert_int_equal(c.item_expire, NODE_CONFIG_MAX);
    assert_true(meets(&c, FORM(FIELD("max_items", "max"))));
    assert_true(meets(&c, FORM(FIELD("max_items", "1000")))); /* the most that there can be */
    assert_true(meets(&c, FORM(FIELD("max_items", "5000"))));
    assert_false(meets(&c, FORM(FIELD("max_items", "999"))));
    node_config_deinit(&c);
}

static void preconditions_are_met_when_nothing_would_change(void **state)
{
    struct node_config c = node_config_personal();

    (void)state;
    assert_null(
        apply(&c, FORM("<field var='pubsub#roster_groups_allowed'><value>a</value><value>b</value></field>"), false));
    assert_true(meets(&c, FORM(FIELD("access_model", "presence") FIELD("persist_items", "true"))));
    assert_true(meets(&c, FORM("<field var='pubsub#roster_groups_allowed'><value>b</value><value>a</value></field>")));
    assert_false(meets(&c, FORM("<field var='pubsub#roster_groups_allowed'><value>b</value></field>")));
    assert_false(meets(&c, FORM(FIELD("access_model", "open"))));
    assert_false(meets(&c, FORM(FIELD("access_model", "presence") FIELD("title", "T"))));
    assert_false(meets(&c, FORM(FIELD("unknown", "1"))));
    assert_false(meets(&c, FORM(FIELD("persist_items", "maybe"))));
    node_config_deinit(&c);
}

/* All values of both kinds of form are taken back as they were. */
static void what_is_written_reads_back(void **state)
{
    struct node_config c = node_config_personal();
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    (void)state;
    assert_null(apply(
        &c,
        FORM(FIELD("title", "&lt;T&gt;") FIELD("description", "D") FIELD("type", "urn:t") FIELD("language", "en")
                 FIELD("access_model", "whitelist") FIELD("publish_model", "subscribers") FIELD("persist_items", "0")
                     FIELD("max_items", "max") FIELD("publish_node_full", "reject") FIELD("item_expire", "60")
                         FIELD("max_payload_size", "100") FIELD("send_last_published_item", "on_sub")
                             FIELD("deliver_payloads", "0") FIELD("notification_type", "normal")
                                 FIELD("notify_config", "1") FIELD("notify_delete", "0") FIELD("notify_retract", "0")
                                     FIELD("notify_sub", "1") FIELD("itemreply", "owner") FIELD(
                                         "subscribe",
                                         "0") "<field var='pubsub#roster_groups_allowed'><value>a</value></field>"),
        true));
    node_config_write_values(&w, &c, "submit");
    buf_append_char(&b, '\0');
    assert_true(meets(&c, b.p));
    struct node_config other;
    struct arena *arena;

    buf_clear(&b);
    node_config_write_stored(&w, &c);
    buf_append_char(&b, '\0');
    assert_true(node_config_read_stored(parse(b.p, &arena), &other));
    arena_free(&arena);
    buf_clear(&b);
    node_config_write_form(&w, &other);
    buf_append_char(&b, '\0');
    assert_true(meets(&c, b.p));
    node_config_deinit(&c);
    node_config_deinit(&other);
    buf_deinit(&b);
}

/* Of the usual nodes hardly anything is stored. */
static void what_is_as_usual_is_not_stored(void **state)
{
    struct node_config c = node_config_personal(), read;
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);
    struct arena *arena;

    (void)state;
    node_config_write_stored(&w, &c);
    buf_append_char(&b, '\0');
    assert_null(strstr(b.p, "pubsub#a"));
    const struct xml_element *x = parse(b.p, &arena);

    assert_null(data_form_next_field(x, NULL));
    assert_true(node_config_read_stored(x, &read));
    arena_free(&arena);
    buf_clear(&b);
    node_config_write_values(&w, &c, "submit");
    buf_append_char(&b, '\0');
    assert_true(meets(&read, b.p));
    assert_false(node_config_read_stored(NULL, &read));
    node_config_deinit(&c);
    buf_deinit(&b);
}

static void profiles_are_found_by_name_and_by_prefix(void **state)
{
    struct node_config c = node_profile(STR("eu.siacs.conversations.axolotl.bundles:1"));

    (void)state;
    assert_int_equal(c.access_model, ACCESS_OPEN);
    node_config_deinit(&c);
    c = node_profile(STR("urn:xmpp:bookmarks:1"));
    assert_int_equal(c.access_model, ACCESS_WHITELIST);
    assert_int_equal(c.max_items, NODE_CONFIG_MAX);
    assert_int_equal(c.send_last, SEND_LAST_NEVER);
    node_config_deinit(&c);
    c = node_profile(STR("urn:xmpp:bookmarks:10"));
    assert_int_equal(c.access_model, ACCESS_PRESENCE);
    assert_int_equal(c.max_items, 1);
    assert_int_equal(c.send_last, SEND_LAST_ON_SUB_AND_PRESENCE);
    node_config_deinit(&c);
}

static void a_node_is_stored_with_its_lists(void **state)
{
    struct node_meta *m = node_meta_new(node_profile(STR("urn:xmpp:omemo:2:bundles")), STR("j@h"), 1234567890123);
    struct node_meta *copy, *read;
    struct buf b = {0};

    (void)state;
    node_meta_set_affiliation(m, STR("a@h"), AFFILIATION_MEMBER);
    node_meta_set_affiliation(m, STR("b@h"), AFFILIATION_OUTCAST);
    node_meta_set_affiliation(m, STR("a@h"), AFFILIATION_PUBLISHER);
    node_meta_set_subscription(m, STR("c@h/r"), SUBSCRIPTION_SUBSCRIBED);
    node_meta_set_subscription(m, STR("c@h/s"), SUBSCRIPTION_PENDING);
    node_meta_set_subscription(m, STR("d@h"), SUBSCRIPTION_PENDING);
    copy = node_meta_copy(m);
    node_meta_set_affiliation(m, STR("b@h"), AFFILIATION_NONE);
    node_meta_set_subscription(m, STR("d@h"), SUBSCRIPTION_NONE);
    assert_int_equal(m->n_affiliates, 1);
    assert_int_equal(m->n_subscribers, 2);
    node_meta_encode(&b, copy);
    assert_int_equal(node_meta_decode(buf_str(&b), &read), LN_OK);
    assert_int_equal(read->created_ms, 1234567890123);
    assert_string_equal(read->creator, "j@h");
    assert_int_equal(read->config.access_model, ACCESS_OPEN);
    assert_int_equal(read->config.max_items, NODE_CONFIG_MAX);
    assert_int_equal(node_meta_affiliation(read, STR("a@h")), AFFILIATION_PUBLISHER);
    assert_int_equal(node_meta_affiliation(read, STR("b@h")), AFFILIATION_OUTCAST);
    assert_int_equal(node_meta_affiliation(read, STR("c@h")), AFFILIATION_NONE);
    assert_int_equal(node_meta_subscription(read, STR("c@h")), SUBSCRIPTION_NONE);
    assert_int_equal(node_meta_subscription_of(read, STR("c@h")), SUBSCRIPTION_SUBSCRIBED);
    assert_int_equal(node_meta_subscription(read, STR("c@h/s")), SUBSCRIPTION_PENDING);
    assert_int_equal(node_meta_subscription(read, STR("d@h")), SUBSCRIPTION_PENDING);
    node_meta_free(&read);
    node_meta_free(&copy);
    node_meta_free(&m);
    b.len--;
    assert_int_equal(node_meta_decode(buf_str(&b), &read), LN_E_CORRUPT);
    assert_int_equal(node_meta_decode(STR("<node xmlns='urn:other'/>"), &read), LN_E_CORRUPT);
    assert_int_equal(node_meta_decode(STR(""), &read), LN_E_CORRUPT);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_form_does_not_name_stays),
        cmocka_unit_test(a_form_with_one_bad_value_changes_nothing),
        cmocka_unit_test(numbers_may_be_max),
        cmocka_unit_test(preconditions_are_met_when_nothing_would_change),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(what_is_as_usual_is_not_stored),
        cmocka_unit_test(profiles_are_found_by_name_and_by_prefix),
        cmocka_unit_test(a_node_is_stored_with_its_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
