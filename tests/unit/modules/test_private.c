#include "tests/unit/im/fake_server.h"

#include "server/modules/avatar.h"
#include "server/modules/module.h"
#include "server/modules/vcard4.h"

/* ---- played: what a vCard is put together with where these modules are on, which they are not here ---- */

const struct module module_avatar = {.name = "avatar"};
const struct module module_vcard4 = {.name = "vcard4"};

const struct avatar *avatar_peek(const struct account *a)
{
    (void)a;
    return NULL;
}
void avatar_publish(struct account *a, struct str type, struct str picture, pubsub_on_done done, void *ctx)
{
    (void)a, (void)type, (void)picture, (void)done, (void)ctx;
    fail_msg("the module is off");
}
void avatar_withdraw(struct account *a, pubsub_on_done done, void *ctx)
{
    (void)a, (void)done, (void)ctx;
    fail_msg("the module is off");
}
void avatar_get(struct account *a, struct str reader_bare, avatar_on_picture done, void *ctx)
{
    (void)a, (void)reader_bare, (void)done, (void)ctx;
    fail_msg("the module is off");
}
void vcard4_get(struct account *a, struct str reader_bare, vcard4_on_card done, void *ctx)
{
    (void)a, (void)reader_bare, (void)done, (void)ctx;
    fail_msg("the module is off");
}
void vcard4_follow(struct account *a, struct str temp, pubsub_on_done done, void *ctx)
{
    (void)a, (void)temp, (void)done, (void)ctx;
    fail_msg("the module is off");
}

/* A second client of the same account. */
static struct fake_session other;

static int start(void **state)
{
    static const struct module *const table[] = {&module_private, &module_vcard, NULL};
    static const char *const names[] = {"private", "vcard"};

    (void)fake_start(state);
    fake.host.modules = (struct config_list){2, names};
    fake.config.limits.private_bytes = 200;
    fake.config.limits.private_documents = 3;
    fake.config.limits.vcard_bytes = 100;
    hooks_start(table, &fake.server);
    fake_make_account(STR("romeo@h.example"));
    fake_init_session(&other, "romeo", "chamber");
    return 0;
}

static int stop(void **state)
{
    assert_int_equal(other.s.async_ops + other.s.pauses, 0);
    buf_deinit(&other.out);
    return fake_stop(state);
}

#define SET(content) "<iq type='set' id='1'><query xmlns='jabber:iq:private'>" content "</query></iq>"
#define GET(content) "<iq type='get' id='1'><query xmlns='jabber:iq:private'>" content "</query></iq>"
#define DONE         "<iq type='result' to='romeo@h.example/orchard' id='1'/>"
#define RESULT(content)                                                                                                \
    "<iq type='result' to='romeo@h.example/orchard' id='1'><query xmlns='jabber:iq:private'>" content "</query></iq>"
#define ERROR(type, name, text)                                                                                        \
    "<iq type='error' id='1' to='romeo@h.example/orchard'><error type='" type "'><" name                               \
    " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" text "</error></iq>"
#define TEXT(text) "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>" text "</text>"

static void ask(const char *xml)
{
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, xml);
}

/* Index read, commit. */
static void set(const char *xml, const char *expected)
{
    ask(xml);
    fake_run(2);
    fake_expect(&fake.session.out, expected);
}

static void get(const char *xml, const char *expected)
{
    ask(xml);
    fake_run(1);
    fake_expect(&fake.session.out, expected);
}

static void what_was_set_is_what_is_got(void **state)
{
    (void)state;
    set(SET("<e xmlns='exodus:prefs'><defaultnick>H&amp;m</defaultnick></e>"), DONE);
    get(GET("<e xmlns='exodus:prefs'/>"), RESULT("<e xmlns='exodus:prefs'><defaultnick>H&amp;m</defaultnick></e>"));
    set(SET("<e xmlns='exodus:prefs'/>"), DONE);
    get(GET("<e xmlns='exodus:prefs'/>"), RESULT("<e xmlns='exodus:prefs'/>"));
}

static void what_was_never_set_is_got_as_it_was_asked_for(void **state)
{
    (void)state;
    get(GET("<storage xmlns='storage:bookmarks'/>"), RESULT("<storage xmlns='storage:bookmarks'/>"));
}

static void several_elements_of_one_namespace_are_one_document(void **state)
{
    (void)state;
    set(SET("<a xmlns='urn:a'/><b xmlns='urn:a'/>"), DONE);
    get(GET("<a xmlns='urn:a'/>"), RESULT("<a xmlns='urn:a'/><b xmlns='urn:a'/>"));
}

static void a_document_that_leans_on_prefixes_outside_stands_alone_when_it_is_got(void **state)
{
    (void)state;
    set("<iq type='set' id='1' xmlns:p='urn:a'><query xmlns='jabber:iq:private'><p:a><p:b/></p:a></query></iq>", DONE);
    ask(GET("<a xmlns='urn:a'/>"));
    fake_run(1);
    struct stanza *st = stanza_from_bytes(buf_str(&fake.session.out));

    assert_non_null(st);
    assert_true(xml_is(st->root->child->child, "a", "urn:a"));
    assert_true(xml_is(st->root->child->child->child, "b", "urn:a"));
    stanza_unref(&st);
}

static void no_namespace_or_two_or_that_of_the_query_are_refused(void **state)
{
    static const char *const contents[] = {
        SET(""),
        SET("<a/>"),
        SET("<a xmlns=''/>"),
        SET("<a xmlns='urn:a'/><b xmlns='urn:b'/>"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        ask(contents[i]);
        fake_expect(&fake.session.out,
                    ERROR("modify", "not-acceptable", TEXT("store elements of one namespace, not of this one")));
    }
    ask(GET(""));
    fake_expect(&fake.session.out,
                ERROR("modify", "not-acceptable", TEXT("ask for elements of one namespace, not of this one")));
}

static void a_document_over_the_limit_is_refused_and_the_old_one_stays(void **state)
{
    char large[400];

    (void)state;
    set(SET("<a xmlns='urn:a'>old</a>"), DONE);
    (void)snprintf(large, sizeof(large), SET("<a xmlns='urn:a'>%0*d</a>"), 200, 0);
    ask(large);
    fake_expect(&fake.session.out, ERROR("modify", "policy-violation", TEXT("too large")));
    get(GET("<a xmlns='urn:a'/>"), RESULT("<a xmlns='urn:a'>old</a>"));
}

static void namespaces_over_the_limit_are_refused_and_known_ones_may_still_change(void **state)
{
    (void)state;
    set(SET("<a xmlns='urn:1'/>"), DONE);
    set(SET("<a xmlns='urn:2'/>"), DONE);
    set(SET("<a xmlns='urn:3'/>"), DONE);
    ask(SET("<a xmlns='urn:4'/>"));
    fake_run(1);
    fake_expect(&fake.session.out, ERROR("modify", "policy-violation", TEXT("too many namespaces")));
    set(SET("<a xmlns='urn:2'>new</a>"), DONE);
    get(GET("<a xmlns='urn:2'/>"), RESULT("<a xmlns='urn:2'>new</a>"));
}

static void two_clients_with_new_namespaces_at_once_cannot_both_get_the_last_number(void **state)
{
    (void)state;
    set(SET("<a xmlns='urn:1'/>"), DONE);
    set(SET("<a xmlns='urn:2'/>"), DONE);
    ask(SET("<a xmlns='urn:3'/>"));
    fake_ask(&other, IQ_TO_OWN_ACCOUNT, SET("<a xmlns='urn:4'/>"));
    fake_await(2); /* both have read the index */
    fake_run(5);   /* both commit, and the second reads it again */
    fake_expect(&fake.session.out, DONE);
    fake_expect(&other.out, "<iq type='error' id='1' to='romeo@h.example/chamber'><error type='modify'>"
                            "<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" TEXT(
                                "too many namespaces") "</error></iq>");
}

static void two_clients_with_the_same_new_namespace_take_one_number(void **state)
{
    (void)state;
    ask(SET("<a xmlns='urn:1'>first</a>"));
    fake_ask(&other, IQ_TO_OWN_ACCOUNT, SET("<a xmlns='urn:1'>second</a>"));
    fake_await(2);
    fake_run(6);
    fake_expect(&fake.session.out, DONE);
    fake_expect(&other.out, "<iq type='result' to='romeo@h.example/chamber' id='1'/>");
    get(GET("<a xmlns='urn:1'/>"), RESULT("<a xmlns='urn:1'>second</a>"));
    set(SET("<a xmlns='urn:2'/>"), DONE);
    set(SET("<a xmlns='urn:3'/>"), DONE);
}

static void a_client_s_input_is_held_while_its_document_is_stored(void **state)
{
    (void)state;
    ask(SET("<a xmlns='urn:1'/>"));
    assert_int_equal(fake.session.s.pauses, 1);
    fake_run(2);
    assert_int_equal(fake.session.s.pauses, 0);
}

static void nothing_is_stored_for_an_account_that_was_deleted_meanwhile(void **state)
{
    struct storage_txn *t = storage_txn_new();

    (void)state;
    ask(SET("<a xmlns='urn:1'/>"));
    storage_txn_delete_owner(t, STR("romeo@h.example"));
    storage_commit(fake.server.storage, t, &fake.worker->executor, NULL, NULL);
    fake_run(2);
    fake_expect(&fake.session.out, ERROR("cancel", "internal-server-error", ""));
    get(GET("<a xmlns='urn:1'/>"), RESULT("<a xmlns='urn:1'/>"));
}

/* ---- vcard-temp ---- */

#define VCARD_GET "<iq type='get' id='1' to='romeo@h.example'><vCard xmlns='vcard-temp'/></iq>"

static void set_vcard(const char *xml, const char *expected)
{
    ask(xml);
    fake_run(1);
    fake_expect(&fake.session.out, expected);
}

static void a_vcard_is_shown_to_everybody_as_it_was_set(void **state)
{
    (void)state;
    set_vcard("<iq type='set' id='1'><vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard></iq>", DONE);
    get("<iq type='get' id='1'><vCard xmlns='vcard-temp'/></iq>",
        "<iq type='result' to='romeo@h.example/orchard' id='1'>"
        "<vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard></iq>");
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, VCARD_GET);
    fake_run(1);
    fake_expect(&fake.routed, "<iq type='result' id='1' from='romeo@h.example' to='juliet@far.example/balcony'>"
                              "<vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard></iq>");
}

static void without_a_vcard_the_owner_gets_an_empty_one_and_others_what_an_unknown_account_says(void **state)
{
    (void)state;
    get("<iq type='get' id='1'><vCard xmlns='vcard-temp'/></iq>",
        "<iq type='result' to='romeo@h.example/orchard' id='1'><vCard xmlns='vcard-temp'/></iq>");
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT, VCARD_GET);
    fake_run(1);
    fake_expect(&fake.routed, "<iq type='error' id='1' from='romeo@h.example' to='juliet@far.example/balcony'>"
                              "<error type='cancel'><service-unavailable "
                              "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
}

static void a_vcard_over_the_limit_is_refused(void **state)
{
    char large[300];

    (void)state;
    (void)snprintf(large, sizeof(large), "<iq type='set' id='1'><vCard xmlns='vcard-temp'>%0*d</vCard></iq>", 100, 0);
    ask(large);
    fake_expect(&fake.session.out, ERROR("modify", "policy-violation", TEXT("too large")));
}

static void nobody_sets_the_vcard_of_somebody_else(void **state)
{
    (void)state;
    fake_ask(NULL, IQ_TO_OTHER_ACCOUNT,
             "<iq type='set' id='1' to='romeo@h.example'><vCard xmlns='vcard-temp'><FN>J</FN></vCard></iq>");
    fake_expect(&fake.routed, "<iq type='error' id='1' from='romeo@h.example' to='juliet@far.example/balcony'>"
                              "<error type='cancel'><service-unavailable "
                              "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
    get("<iq type='get' id='1'><vCard xmlns='vcard-temp'/></iq>",
        "<iq type='result' to='romeo@h.example/orchard' id='1'><vCard xmlns='vcard-temp'/></iq>");
}

#define test(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(what_was_set_is_what_is_got),
        test(what_was_never_set_is_got_as_it_was_asked_for),
        test(several_elements_of_one_namespace_are_one_document),
        test(a_document_that_leans_on_prefixes_outside_stands_alone_when_it_is_got),
        test(no_namespace_or_two_or_that_of_the_query_are_refused),
        test(a_document_over_the_limit_is_refused_and_the_old_one_stays),
        test(namespaces_over_the_limit_are_refused_and_known_ones_may_still_change),
        test(two_clients_with_new_namespaces_at_once_cannot_both_get_the_last_number),
        test(two_clients_with_the_same_new_namespace_take_one_number),
        test(a_client_s_input_is_held_while_its_document_is_stored),
        test(nothing_is_stored_for_an_account_that_was_deleted_meanwhile),
        test(a_vcard_is_shown_to_everybody_as_it_was_set),
        test(without_a_vcard_the_owner_gets_an_empty_one_and_others_what_an_unknown_account_says),
        test(a_vcard_over_the_limit_is_refused),
        test(nobody_sets_the_vcard_of_somebody_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
