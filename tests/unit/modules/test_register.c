#include "tests/unit/im/fake_server.h"

#include "server/modules/invite.h"
#include "server/modules/module.h"

/* ---- played: what only invitations need, which none of these tests has ---- */

struct str random_hex(char *out, size_t n)
{
    (void)out, (void)n;
    fail_msg("nothing here is random");
    return STR("");
}

void invite_account_made(struct server *server, const struct invite *i, const struct jid *account)
{
    (void)server, (void)i, (void)account;
    fail_msg("no invitation was presented");
}

static int start(void **state)
{
    static const struct module *const table[] = {&module_register, NULL};
    static const char *const names[] = {"register"};

    (void)fake_start(state);
    fake.host.modules = (struct config_list){1, names};
    fake.host.registration.open = true;
    fake.host.registration.per_address_per_hour = 2;
    fake.config.tls.required = true;
    fake.session.s.is_secure = true;
    fake.stranger.s.is_secure = true;
    hooks_start(table, &fake.server);
    return 0;
}

#define QUERY(content)   "<query xmlns='jabber:iq:register'>" content "</query>"
#define GET              "<iq type='get' id='1'>" QUERY("") "</iq>"
#define SET(content)     "<iq type='set' id='1'>" QUERY(content) "</iq>"
#define FIELDS(name, pw) "<username>" name "</username><password>" pw "</password>"
#define DONE             "<iq type='result' id='1'/>"
#define DONE_FOR_ROMEO   "<iq type='result' to='romeo@h.example/orchard' id='1'/>"
#define ERROR(attrs, type, name)                                                                                       \
    "<iq type='error' id='1'" attrs "><error type='" type "'><" name                                                   \
    " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
#define TO_ROMEO " to='romeo@h.example/orchard'"

static void early(const char *xml)
{
    fake_ask(&fake.stranger, IQ_BEFORE_AUTH, xml);
}

static void own(const char *xml)
{
    fake_ask(&fake.session, IQ_TO_OWN_ACCOUNT, xml);
}

static bool is_offered(struct fake_session *f)
{
    struct buf features = {0};
    struct xml_writer w = xml_writer_to(&features);
    struct hook_event e = {.worker = fake.worker, .session = &f->s, .out = &w};

    (void)hooks_run(HOOK_STREAM_FEATURES, &fake.host, &e);
    bool offered = str_is(buf_str(&features), "<register xmlns='http://jabber.org/features/iq-register'/>");

    assert_int_equal(features.len > 0, offered);
    buf_deinit(&features);
    return offered;
}

static void registration_is_offered_to_strangers_over_tls_where_it_is_open(void **state)
{
    (void)state;
    assert_true(is_offered(&fake.stranger));
    assert_false(is_offered(&fake.session));
    fake.stranger.s.is_secure = false;
    assert_false(is_offered(&fake.stranger));
    fake.config.tls.required = false;
    assert_true(is_offered(&fake.stranger));
    fake.host.registration.open = false;
    assert_false(is_offered(&fake.stranger));
}

static void what_is_not_offered_is_not_done(void **state)
{
    (void)state;
    fake.host.registration.open = false;
    early(GET);
    fake_expect(&fake.stranger.out, ERROR("", "cancel", "service-unavailable"));
    early(SET(FIELDS("juliet", "rosebud")));
    fake_expect(&fake.stranger.out, ERROR("", "cancel", "service-unavailable"));
    fake.host.registration.open = true;
    fake.stranger.s.is_secure = false;
    early(SET(FIELDS("juliet", "rosebud")));
    fake_expect(&fake.stranger.out, ERROR("", "cancel", "service-unavailable"));
}

static void a_stranger_is_told_what_to_fill_in(void **state)
{
    (void)state;
    early(GET);
    fake_expect(&fake.stranger.out,
                "<iq type='result' id='1'>" QUERY("<instructions>Choose a name and a password.</instructions>"
                                                  "<username/><password/>") "</iq>");
}

static void an_account_is_made_under_the_prepared_name(void **state)
{
    (void)state;
    early(SET(FIELDS("Juliet", "rosebud")));
    assert_int_equal(fake.stranger.s.pauses, 1);
    fake_run(2); /* nobody has the name, and it is kept for nobody */
    assert_string_equal(fake.call.what, "create");
    assert_true(str_is(fake.call.jid.full, "juliet@h.example"));
    assert_string_equal(fake.call.password, "rosebud");
    assert_int_equal(fake.stranger.out.len, 0);
    fake_finish_account(LN_OK);
    fake_expect(&fake.stranger.out, DONE);
}

static void a_name_that_is_taken_is_a_conflict_and_counts_as_a_try_only(void **state)
{
    (void)state;
    fake_make_account(STR("romeo@h.example"));
    early(SET(FIELDS("romeo", "rosebud")));
    fake_run(1);
    fake_expect(&fake.stranger.out, ERROR("", "cancel", "conflict"));
    assert_int_equal(fake.counted[0], 0);
    assert_int_equal(fake.counted[1], 1);
}

static void a_name_that_somebody_takes_at_the_same_time_is_a_conflict(void **state)
{
    (void)state;
    early(SET(FIELDS("juliet", "rosebud")));
    fake_run(2);
    fake_finish_account(LN_E_EXISTS);
    fake_expect(&fake.stranger.out, ERROR("", "cancel", "conflict"));
}

static void fields_that_are_missing_empty_or_impossible_are_not_acceptable(void **state)
{
    static const char *const requests[] = {
        SET(""),
        SET("<username>juliet</username>"),
        SET("<password>rosebud</password>"),
        SET("<username>juliet</username><password/>"),
        SET(FIELDS("", "rosebud")),
        SET(FIELDS("a@b", "rosebud")),
        SET("<username xmlns='urn:x'>juliet</username><password>rosebud</password>"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        early(requests[i]);
        fake_expect(&fake.stranger.out, ERROR("", "modify", "not-acceptable"));
    }
    assert_int_equal(fake.counted[1], 0);
}

static void a_password_that_cannot_be_prepared_is_not_acceptable(void **state)
{
    (void)state;
    early(SET(FIELDS("juliet", "rosebud")));
    fake_run(2);
    fake_finish_account(LN_E_INVALID);
    fake_expect(&fake.stranger.out, ERROR("", "modify", "not-acceptable"));
}

#define LIMITED(text)                                                                                                  \
    "<iq type='error' id='1'><error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"    \
    "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>" text "</text></error></iq>"

static void an_address_makes_as_many_accounts_as_the_limit_says(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        early(SET(FIELDS("juliet", "rosebud")));
        fake_run(2);
        fake_finish_account(LN_OK);
        fake_expect(&fake.stranger.out, DONE);
    }
    early(SET(FIELDS("juliet", "rosebud")));
    fake_run(2);
    fake_expect(&fake.stranger.out, LIMITED("too many accounts from your address"));
}

static void an_address_tries_eight_names_for_each_account_it_may_make(void **state)
{
    (void)state;
    fake_make_account(STR("romeo@h.example"));
    for (int i = 0; i < 16; i++) {
        early(SET(FIELDS("romeo", "rosebud")));
        fake_run(1);
        fake_expect(&fake.stranger.out, ERROR("", "cancel", "conflict"));
    }
    early(SET(FIELDS("romeo", "rosebud")));
    fake_expect(&fake.stranger.out, LIMITED("too many attempts from your address"));
}

/* Or whoever may not try any more would write the log. */
static void who_goes_on_trying_is_logged_once(void **state)
{
    unsigned before;

    (void)state;
    fake_make_account(STR("romeo@h.example"));
    for (int i = 0; i < 16; i++) {
        early(SET(FIELDS("romeo", "rosebud")));
        fake_run(1);
        fake_expect(&fake.stranger.out, ERROR("", "cancel", "conflict"));
    }
    atomic_store(&log_levels_[LOG_MODULE], (unsigned char)LOG_LEVEL_WARN);
    before = fake.n_logged;
    for (int i = 0; i < 100; i++) {
        early(SET(FIELDS("romeo", "rosebud")));
        fake_expect(&fake.stranger.out, LIMITED("too many attempts from your address"));
    }
    assert_int_equal(fake.n_logged, before + 1);
}

static void a_stranger_who_hangs_up_meanwhile_makes_no_account(void **state)
{
    (void)state;
    early(SET(FIELDS("juliet", "rosebud")));
    fake.stranger.s.type = SESSION_DESTROYED;
    fake.stranger.s.conn = NULL;
    fake_run(2);
    assert_null(fake.call.what);
    assert_int_equal(fake.stranger.out.len, 0);
}

static void a_user_is_told_that_he_is_registered_and_under_which_name(void **state)
{
    (void)state;
    own(GET);
    fake_expect(&fake.session.out, "<iq type='result' to='romeo@h.example/orchard' id='1'>" QUERY(
                                       "<registered/><username>romeo</username><password/>") "</iq>");
    fake_ask(&fake.session, IQ_TO_HOST, "<iq type='get' id='1' to='h.example'>" QUERY("") "</iq>");
    fake_expect(&fake.session.out, "<iq type='result' from='h.example' to='romeo@h.example/orchard' id='1'>" QUERY(
                                       "<registered/><username>romeo</username><password/>") "</iq>");
}

static void a_changed_password_spares_the_session_that_changed_it(void **state)
{
    (void)state;
    own(SET(FIELDS("ROMEO", "new")));
    assert_string_equal(fake.call.what, "password");
    assert_true(str_is(fake.call.jid.full, "romeo@h.example"));
    assert_string_equal(fake.call.password, "new");
    assert_int_equal(fake.call.keep_session, fake.session.s.id);
    assert_int_equal(fake.session.out.len, 0);
    fake_finish_account(LN_OK);
    fake_expect(&fake.session.out, DONE_FOR_ROMEO);
}

static void a_password_that_was_not_saved_is_an_error(void **state)
{
    (void)state;
    own(SET(FIELDS("romeo", "new")));
    fake_finish_account(LN_E_FULL);
    fake_expect(&fake.session.out, ERROR(TO_ROMEO, "wait", "resource-constraint"));
}

static void nobody_changes_the_password_of_somebody_else(void **state)
{
    (void)state;
    own(SET(FIELDS("juliet", "new")));
    fake_expect(&fake.session.out, "<iq type='error' id='1'" TO_ROMEO "><error type='cancel'>"
                                   "<not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                                   "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>"
                                   "that is not your name</text></error></iq>");
    fake_ask(NULL, IQ_TO_HOST, "<iq type='set' id='1' to='h.example'>" QUERY(FIELDS("romeo", "new")) "</iq>");
    fake_expect(&fake.routed, "<iq type='error' id='1' from='h.example' to='juliet@far.example/balcony'>"
                              "<error type='cancel'><service-unavailable "
                              "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
}

static void an_incomplete_change_and_one_in_the_clear_are_refused(void **state)
{
    (void)state;
    own(SET("<username>romeo</username><password/>"));
    fake_expect(&fake.session.out, ERROR(TO_ROMEO, "modify", "bad-request"));
    own(SET("<password>new</password>"));
    fake_expect(&fake.session.out, ERROR(TO_ROMEO, "modify", "bad-request"));
    fake.session.s.is_secure = false;
    own(SET(FIELDS("romeo", "new")));
    fake_expect(&fake.session.out, ERROR(TO_ROMEO, "auth", "not-authorized"));
}

static void who_leaves_is_answered_when_the_account_has_gone(void **state)
{
    (void)state;
    own(SET("<remove/>"));
    assert_string_equal(fake.call.what, "delete");
    assert_true(str_is(fake.call.jid.full, "romeo@h.example"));
    assert_int_equal(fake.call.keep_session, fake.session.s.id);
    assert_int_equal(fake.session.s.pauses, 1);
    fake_expect(&fake.session.out, "");
    fake_finish_account(LN_OK);
    fake_expect(&fake.session.out, DONE_FOR_ROMEO);
    assert_int_equal(fake.session.closed_with, STREAM_ERR_NOT_AUTHORIZED);
}

static void a_removal_that_cannot_be_stored_is_an_error_and_the_session_goes_on(void **state)
{
    (void)state;
    own(SET("<remove/>"));
    fake_finish_account(LN_E_FULL);
    fake_expect(&fake.session.out, ERROR(TO_ROMEO, "wait", "resource-constraint"));
    assert_int_equal(fake.session.closed_with, STREAM_OK);
    assert_int_equal(fake.session.s.pauses, 0);
}

static void a_removal_with_anything_beside_it_is_a_bad_request(void **state)
{
    (void)state;
    own(SET("<remove/><username>romeo</username>"));
    fake_expect(&fake.session.out, ERROR(TO_ROMEO, "modify", "bad-request"));
}

#define test(name) cmocka_unit_test_setup_teardown(name, start, fake_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(registration_is_offered_to_strangers_over_tls_where_it_is_open),
        test(what_is_not_offered_is_not_done),
        test(a_stranger_is_told_what_to_fill_in),
        test(an_account_is_made_under_the_prepared_name),
        test(a_name_that_is_taken_is_a_conflict_and_counts_as_a_try_only),
        test(a_name_that_somebody_takes_at_the_same_time_is_a_conflict),
        test(fields_that_are_missing_empty_or_impossible_are_not_acceptable),
        test(a_password_that_cannot_be_prepared_is_not_acceptable),
        test(an_address_makes_as_many_accounts_as_the_limit_says),
        test(an_address_tries_eight_names_for_each_account_it_may_make),
        test(who_goes_on_trying_is_logged_once),
        test(a_stranger_who_hangs_up_meanwhile_makes_no_account),
        test(a_user_is_told_that_he_is_registered_and_under_which_name),
        test(a_changed_password_spares_the_session_that_changed_it),
        test(a_password_that_was_not_saved_is_an_error),
        test(nobody_changes_the_password_of_somebody_else),
        test(an_incomplete_change_and_one_in_the_clear_are_refused),
        test(who_leaves_is_answered_when_the_account_has_gone),
        test(a_removal_that_cannot_be_stored_is_an_error_and_the_session_goes_on),
        test(a_removal_with_anything_beside_it_is_a_bad_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
