#include "tests/unit/im/fake_server.h"

#include "server/im/slots.h"
#include "server/modules/commands.h"

/* ---- played: randomness, one digit after the other ---- */

static char next_digit;

struct str random_hex(char *out, size_t n)
{
    memset(out, next_digit, 2 * n);
    next_digit++;
    out[2 * n] = '\0';
    return str_make(out, 2 * n);
}

#define ID_1 "11111111111111111111111111111111"
#define ID_2 "22222222222222222222222222222222"

/* ---- commands ---- */

static struct command_run *held; /* by a command that answers later */

static bool anybody(const struct iq *iq)
{
    (void)iq;
    return true;
}

static void say_hello(struct command_run *own_run)
{
    command_done(own_run, STR("<x xmlns='jabber:x:data' type='result'/>"));
}

static void fail_always(struct command_run *own_run)
{
    command_fail(own_run, "no & never");
}

static void hold(struct command_run *own_run)
{
    held = own_run;
}

static void ask_service(const struct command_run *run, unsigned stage, struct xml_writer *w)
{
    (void)run;
    data_form_put_text(w, stage == 0 ? "service" : "state", "text-single", NULL, STR(""));
}

static const char *want_service(const struct command_run *run, unsigned stage)
{
    return data_form_value(run->forms[stage], stage == 0 ? "service" : "state", NULL).len > 0 ? NULL : "say which";
}

static void configure(struct command_run *own_run)
{
    struct buf b = {0};

    buf_printf(&b, "<done>%.*s=%.*s</done>", STR_ARG(data_form_value(own_run->forms[0], "service", NULL)),
               STR_ARG(data_form_value(own_run->forms[1], "state", NULL)));
    command_done(own_run, buf_str(&b));
    buf_deinit(&b);
}

static void register_all(struct server *server);
static const struct module module_house = {.name = "house", .on_start = register_all};
static const struct module module_off = {.name = "off"};
static const struct command hello = {&module_house, "hello", "Say hello", anybody, .complete = say_hello};
static const struct command fails = {&module_house, "fails", "Fail", command_sender_is_admin, .complete = fail_always};
static const struct command later = {&module_house, "later", "Wait", anybody, .complete = hold};
static const struct command elsewhere = {&module_off, "elsewhere", "Of a module that is off", anybody,
                                         .complete = say_hello};
static const struct command config = {&module_house, "config",     "Configure", anybody, 2,
                                      ask_service,   want_service, configure};

static void register_all(struct server *server)
{
    (void)server;
    command_register(&hello);
    command_register(&fails);
    command_register(&later);
    command_register(&elsewhere);
    command_register(&config);
}

static int start(void **state)
{
    static const struct module *const table[] = {&module_commands, &module_house, &module_off, NULL};
    static const char *const names[] = {"commands", "house"};

    (void)fake_start(state);
    fake.host.modules = (struct config_list){2, names};
    slots_forget();
    hooks_start(table, &fake.server);
    wheel_init(&fake.worker->wheel);
    next_digit = '1';
    held = NULL;
    return 0;
}

static int stop(void **state)
{
    struct hook_event e = {.worker = fake.worker, .session = &fake.session.s};

    (void)hooks_run(HOOK_SESSION_CLOSING, &fake.host, &e);
    free(fake.session.s.data);
    return fake_stop(state);
}

#define TO      " to='romeo@h.example/orchard'"
#define COMMAND "<command xmlns='http://jabber.org/protocol/commands' "
#define LANG    " xml:lang='en'"
#define FORM_1  "<x xmlns='jabber:x:data' type='form'><field var='service' type='text-single'><value/></field></x>"
#define FORM_2  "<x xmlns='jabber:x:data' type='form'><field var='state' type='text-single'><value/></field></x>"
#define SUBMIT(var, value)                                                                                             \
    "<x xmlns='jabber:x:data' type='submit'><field var='" var "'><value>" value "</value></field></x>"
#define STAGE_1(id)                                                                                                    \
    RESULT(COMMAND "node='config' sessionid='" id "' status='executing'" LANG                                          \
                   "><actions execute='next'><next/></actions>" FORM_1 "</command>")
#define STAGE_2(id)                                                                                                    \
    RESULT(COMMAND "node='config' sessionid='" id "' status='executing'" LANG                                          \
                   "><actions execute='complete'><prev/><complete/></actions>" FORM_2 "</command>")
#define RESULT(payload) "<iq type='result'" TO " id='1'>" payload "</iq>"
#define ERROR(type, name, more)                                                                                        \
    "<iq type='error' id='1'" TO "><error type='" type "'><" name                                                      \
    " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" more "</error></iq>"
#define SPECIFIC(name) "<" name " xmlns='http://jabber.org/protocol/commands'/>"
#define TEXT(text)     "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>" text "</text>"

static void give(const char *attrs, const char *content, const char *expected)
{
    char xml[1024];

    (void)snprintf(xml, sizeof(xml), "<iq type='set' id='1'>" COMMAND "%s>%s</command></iq>", attrs, content);
    fake_ask(&fake.session, IQ_TO_HOST, xml);
    fake_expect(&fake.session.out, expected);
}

static void a_command_without_stages_answers_at_once_and_has_no_session(void **state)
{
    (void)state;
    give("node='hello'", "",
         RESULT(COMMAND "node='hello' status='completed'" LANG "><x xmlns='jabber:x:data' type='result'/></command>"));
    give("node='hello' action='execute' status='completed'", "",
         RESULT(COMMAND "node='hello' status='completed'" LANG "><x xmlns='jabber:x:data' type='result'/></command>"));
    assert_int_equal(next_digit, '1');
}

static void what_fails_is_completed_with_a_note(void **state)
{
    static const char *const admins[] = {"romeo@h.example"};

    (void)state;
    fake.host.admins = (struct config_list){1, admins};
    give("node='fails'", "",
         RESULT(COMMAND "node='fails' status='completed'" LANG "><note type='error'>no &amp; never</note></command>"));
}

static void who_is_no_administrator_is_forbidden_what_they_may(void **state)
{
    static const char *const admins[] = {"juliet@h.example"};

    (void)state;
    fake.host.admins = (struct config_list){1, admins};
    give("node='fails'", "", ERROR("auth", "forbidden", ""));
}

static void stages_go_forwards_and_backwards_and_end_with_all_that_was_submitted(void **state)
{
    (void)state;
    give("node='config'", "", STAGE_1(ID_1));
    give("node='config' sessionid='" ID_1 "'", SUBMIT("service", "httpd"), STAGE_2(ID_1));
    give("node='config' sessionid='" ID_1 "' action='prev'", "", STAGE_1(ID_1));
    give("node='config' sessionid='" ID_1 "' action='next'", SUBMIT("service", "jabberd"), STAGE_2(ID_1));
    give("node='config' sessionid='" ID_1 "' action='complete'", SUBMIT("state", "on"),
         RESULT(COMMAND "node='config' sessionid='" ID_1 "' status='completed'" LANG
                        "><done>jabberd=on</done></command>"));
    give("node='config' sessionid='" ID_1 "'", SUBMIT("state", "on"),
         ERROR("cancel", "not-allowed", SPECIFIC("session-expired")));
}

static void actions_that_the_stage_does_not_have_are_refused_and_change_nothing(void **state)
{
    (void)state;
    give("node='config' action='next'", "", ERROR("modify", "bad-request", SPECIFIC("bad-action")));
    give("node='config' action='jump'", "", ERROR("modify", "bad-request", SPECIFIC("malformed-action")));
    give("node='config'", "", STAGE_1(ID_1));
    give("node='config' sessionid='" ID_1 "' action='prev'", "",
         ERROR("modify", "bad-request", SPECIFIC("bad-action")));
    give("node='config' sessionid='" ID_1 "' action='complete'", SUBMIT("service", "httpd"),
         ERROR("modify", "bad-request", SPECIFIC("bad-action")));
    give("node='config' sessionid='" ID_1 "'", SUBMIT("service", "httpd"), STAGE_2(ID_1));
    give("node='config' sessionid='" ID_1 "' action='next'", SUBMIT("state", "on"),
         ERROR("modify", "bad-request", SPECIFIC("bad-action")));
}

static void forms_that_are_missing_or_wanting_are_refused_and_may_be_sent_again(void **state)
{
    (void)state;
    give("node='config'", "", STAGE_1(ID_1));
    give("node='config' sessionid='" ID_1 "'", "", ERROR("modify", "bad-request", SPECIFIC("bad-payload")));
    give("node='config' sessionid='" ID_1 "'", "<x xmlns='jabber:x:data' type='result'/>",
         ERROR("modify", "bad-request", SPECIFIC("bad-payload")));
    give("node='config' sessionid='" ID_1 "'", SUBMIT("service", ""),
         ERROR("modify", "bad-request", TEXT("say which") SPECIFIC("bad-payload")));
    give("node='config' sessionid='" ID_1 "'",
         "<x xmlns='jabber:x:data' type='cancel'><field var='service'><value>httpd</value></field></x>", STAGE_2(ID_1));
}

static void a_command_that_is_cancelled_is_gone(void **state)
{
    (void)state;
    give("node='config'", "", STAGE_1(ID_1));
    give("node='config' sessionid='" ID_1 "' action='cancel'", "",
         RESULT(COMMAND "node='config' sessionid='" ID_1 "' status='canceled'" LANG "/>"));
    give("node='config' sessionid='" ID_1 "' action='cancel'", "",
         ERROR("cancel", "not-allowed", SPECIFIC("session-expired")));
}

static void an_id_counts_for_its_own_command_and_session_only(void **state)
{
    struct fake_session other;

    (void)state;
    give("node='config'", "", STAGE_1(ID_1));
    give("node='hello' sessionid='" ID_1 "'", "", ERROR("cancel", "not-allowed", SPECIFIC("session-expired")));
    give("node='config' sessionid='x'", "", ERROR("modify", "bad-request", SPECIFIC("bad-sessionid")));
    give("node='config' sessionid=''", "", ERROR("modify", "bad-request", SPECIFIC("bad-sessionid")));
    fake_init_session(&other, "romeo", "chamber");
    fake_ask(&other, IQ_TO_HOST,
             "<iq type='set' id='1'>" COMMAND "node='config' sessionid='" ID_1 "' action='cancel'/></iq>");
    fake_expect(&other.out,
                "<iq type='error' id='1' to='romeo@h.example/chamber'><error type='cancel'><not-allowed "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" SPECIFIC("session-expired") "</error></iq>");
    buf_deinit(&other.out);
    give("node='config' sessionid='" ID_1 "'", SUBMIT("service", "httpd"), STAGE_2(ID_1));
}

static void the_oldest_makes_room_when_a_client_begins_too_many(void **state)
{
    static const char *const ids[] = {ID_1, ID_2, "33333333333333333333333333333333",
                                      "44444444444444444444444444444444", "55555555555555555555555555555555"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        fake_ask(&fake.session, IQ_TO_HOST, "<iq type='set' id='1'>" COMMAND "node='config'/></iq>");
        buf_append_char(&fake.session.out, '\0');
        assert_non_null(strstr(fake.session.out.p, ids[i]));
        buf_clear(&fake.session.out);
    }
    give("node='config' sessionid='" ID_1 "'", SUBMIT("service", "httpd"),
         ERROR("cancel", "not-allowed", SPECIFIC("session-expired")));
    give("node='config' sessionid='" ID_2 "'", SUBMIT("service", "httpd"), STAGE_2(ID_2));
}

static void what_is_forgotten_ends_by_itself_and_an_answer_starts_the_time_anew(void **state)
{
    (void)state;
    give("node='config'", "", STAGE_1(ID_1));
    wheel_advance(&fake.worker->wheel, 599 * 10);
    give("node='config' sessionid='" ID_1 "'", SUBMIT("service", "httpd"), STAGE_2(ID_1));
    wheel_advance(&fake.worker->wheel, 1198 * 10);
    give("node='config' sessionid='" ID_1 "' action='prev'", "", STAGE_1(ID_1));
    wheel_advance(&fake.worker->wheel, 1801 * 10);
    give("node='config' sessionid='" ID_1 "'", SUBMIT("service", "httpd"),
         ERROR("cancel", "not-allowed", SPECIFIC("session-expired")));
}

static void a_command_may_answer_later_and_is_completed_once(void **state)
{
    (void)state;
    give("node='later'", "", "");
    assert_non_null(held);
    command_refuse(held, STANZA_ERR_CONFLICT, NULL);
    fake_expect(&fake.session.out, ERROR("cancel", "conflict", ""));
}

static void what_there_is_not_is_not_found_and_what_is_off_is_not_there(void **state)
{
    (void)state;
    give("node='no'", "", ERROR("cancel", "item-not-found", ""));
    give("action='execute'", "", ERROR("cancel", "item-not-found", ""));
    give("node='elsewhere'", "", ERROR("cancel", "item-not-found", ""));
}

static void discover(const char *xml, const char *expected)
{
    fake_ask(&fake.session, IQ_TO_HOST, xml);
    fake_expect(&fake.session.out, expected);
}

#define ITEMS(node) "<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#items' node='" node "'/></iq>"
#define INFO(node)  "<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info' node='" node "'/></iq>"
#define NODE        "http://jabber.org/protocol/commands"
#define FEATURES    "<feature var='http://jabber.org/protocol/commands'/><feature var='jabber:x:data'/>"

static void the_list_has_what_the_asker_may_do(void **state)
{
    (void)state;
    discover(ITEMS(NODE), RESULT("<query xmlns='http://jabber.org/protocol/disco#items' node='" NODE "'>"
                                 "<item jid='h.example' node='hello' name='Say hello'/>"
                                 "<item jid='h.example' node='later' name='Wait'/>"
                                 "<item jid='h.example' node='config' name='Configure'/></query>"));
    discover(INFO(NODE), RESULT("<query xmlns='http://jabber.org/protocol/disco#info' node='" NODE "'><identity "
                                "category='automation' type='command-list' name='Commands'/>" FEATURES "</query>"));
    discover(INFO("hello"), RESULT("<query xmlns='http://jabber.org/protocol/disco#info' node='hello'><identity "
                                   "category='automation' type='command-node' name='Say hello'/>" FEATURES "</query>"));
    discover(INFO("fails"), ERROR("auth", "forbidden", ""));
    discover(INFO("no"), ERROR("cancel", "service-unavailable", "")); /* the module disco's to answer */
}

static void strangers_are_told_of_none_and_may_give_none(void **state)
{
    (void)state;
    fake_ask(NULL, IQ_TO_HOST,
             "<iq type='get' id='1' to='h.example'><query xmlns='http://jabber.org/protocol/disco#items' node='" NODE
             "'/></iq>");
    fake_expect(&fake.routed, "<iq type='result' id='1' from='h.example' to='juliet@far.example/balcony'><query "
                              "xmlns='http://jabber.org/protocol/disco#items' node='" NODE "'/></iq>");
    fake_ask(NULL, IQ_TO_HOST, "<iq type='set' id='1' to='h.example'>" COMMAND "node='hello'/></iq>");
    fake_expect(&fake.routed, "<iq type='error' id='1' from='h.example' to='juliet@far.example/balcony'><error "
                              "type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
        TEST(a_command_without_stages_answers_at_once_and_has_no_session),
        TEST(what_fails_is_completed_with_a_note),
        TEST(who_is_no_administrator_is_forbidden_what_they_may),
        TEST(stages_go_forwards_and_backwards_and_end_with_all_that_was_submitted),
        TEST(actions_that_the_stage_does_not_have_are_refused_and_change_nothing),
        TEST(forms_that_are_missing_or_wanting_are_refused_and_may_be_sent_again),
        TEST(a_command_that_is_cancelled_is_gone),
        TEST(an_id_counts_for_its_own_command_and_session_only),
        TEST(the_oldest_makes_room_when_a_client_begins_too_many),
        TEST(what_is_forgotten_ends_by_itself_and_an_answer_starts_the_time_anew),
        TEST(a_command_may_answer_later_and_is_completed_once),
        TEST(what_there_is_not_is_not_found_and_what_is_off_is_not_there),
        TEST(the_list_has_what_the_asker_may_do),
        TEST(strangers_are_told_of_none_and_may_give_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
