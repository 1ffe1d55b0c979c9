#include "tests/unit/im/fake_server.h"

#include "server/modules/invite.h"

/* ---- played: randomness, one digit after the other ---- */

static char next_digit;

struct str random_hex(char *out, size_t n)
{
    memset(out, next_digit, 2 * n);
    next_digit++;
    return str_make(out, 2 * n);
}

#define TOKEN_1 "111111111111111111111111"
#define TOKEN_2 "222222222222222222222222"
#define HOST    STR("h.example")
#define ROMEO   STR("romeo@h.example")

static int start(void **state)
{
    (void)fake_start(state);
    next_digit = '1';
    fake_make_account(ROMEO);
    return 0;
}

/* ---- one invitation ---- */

static void an_invitation_is_the_same_after_it_was_stored(void **state)
{
    struct invite i = {.inviter = ROMEO,
                       .name = STR("juliet"),
                       .for_account = true,
                       .for_contact = true,
                       .is_to_register = true,
                       .created_ms = 1767225600000,
                       .expires_ms = 1767225600001,
                       .uses = 5,
                       .left = 4};
    struct invite again, *copy;
    struct buf b = {0};

    (void)state;
    invite_encode(&b, &i);
    assert_int_equal(invite_decode(STR("t"), buf_str(&b), &again), LN_OK);
    copy = invite_copy(&again);
    buf_deinit(&b);
    assert_true(str_is(copy->token, "t") && str_eq(copy->inviter, i.inviter) && str_eq(copy->name, i.name));
    assert_true(copy->for_account && copy->for_contact && copy->is_to_register);
    assert_int_equal(copy->created_ms, i.created_ms);
    assert_int_equal(copy->expires_ms, i.expires_ms);
    assert_int_equal(copy->uses, 5);
    assert_int_equal(copy->left, 4);
    free(copy);
}

static void a_damaged_invitation_is_found_out(void **state)
{
    static const char *const damaged[] = {"",
                                          "1",
                                          "2\ta\t1\t2\t1\t1\t\t",
                                          "1\ta\t1\t2\t1\t1\t",
                                          "1\ta\t1\t2\t1\t1\t\t\t",
                                          "1\ta\tx\t2\t1\t1\t\t",
                                          "1\ta\t1\t2\t-1\t1\t\t",
                                          "1\ta\t1\t2\t1\t4294967296\t\t"};
    struct invite i;

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(damaged); k++)
        assert_int_equal(invite_decode(STR("t"), str_of(damaged[k]), &i), LN_E_CORRUPT);
    assert_int_equal(invite_decode(STR("t"), STR("1\t\t1\t2\t1\t1\t\t"), &i), LN_OK);
}

static void assert_uri(const struct invite *i, struct str host, const char *expected)
{
    struct buf b = {0};

    invite_write_uri(&b, i, host);
    fake_expect(&b, expected);
    buf_deinit(&b);
}

/* XEP-0401 sections 3.1 and 3.4, XEP-0445 section 2 */
static void the_uri_is_that_of_the_contact_or_one_to_register_with(void **state)
{
    struct invite contact = {.token = STR("T"), .inviter = ROMEO, .for_contact = true};
    struct invite account = {.token = STR("T"), .inviter = ROMEO, .for_account = true, .is_to_register = true};

    (void)state;
    assert_uri(&contact, HOST, "xmpp:romeo@h.example?roster;preauth=T");
    contact.for_account = true;
    assert_uri(&contact, HOST, "xmpp:romeo@h.example?roster;preauth=T;ibr=y");
    assert_uri(&account, HOST, "xmpp:h.example?register;preauth=T");
    account.name = STR("juliet");
    assert_uri(&account, HOST, "xmpp:juliet@h.example?register;preauth=T");
    account.for_contact = true;
    assert_uri(&account, HOST, "xmpp:juliet@h.example?register;preauth=T");
    account.name = STR("nasty!#$%()*+,-.;=?[\\]^_`{|}~node");
    assert_uri(&account, STR("[::1]"),
               "xmpp:nasty!%23$%25()*+,-.;=%3F%5B%5C%5D%5E_%60%7B%7C%7D~node@[::1]?register;preauth=T");
    account.name = STR("\xc3\xa9");
    assert_uri(&account, HOST, "xmpp:%C3%A9@h.example?register;preauth=T");
}

static void a_page_is_made_of_the_template(void **state)
{
    struct buf b = {0};

    (void)state;
    invite_write_url(&b, STR("https://h.example/i#{token}"), STR("T"), STR("xmpp:h.example"));
    fake_expect(&b, "https://h.example/i#T");
    invite_write_url(&b, STR("https://h.example/?u={uri}&t={token}{x}{"), STR("T"), STR("xmpp:a@h?roster;preauth=T"));
    fake_expect(&b, "https://h.example/?u=xmpp%3Aa%40h%3Froster%3Bpreauth%3DT&t=T{x}{");
    invite_write_url(&b, STR(""), STR("T"), STR("x"));
    assert_int_equal(b.len, 0);
    buf_deinit(&b);
}

/* ---- in storage ---- */

static enum ln_err last_err;
static struct invite *last;

static void on_found(void *ctx, enum ln_err err, const struct invite *i)
{
    (void)ctx;
    last_err = err;
    free(last);
    last = i == NULL ? NULL : invite_copy(i);
}

static void on_done(void *ctx, enum ln_err err)
{
    *(enum ln_err *)ctx = err;
}

static int stop(void **state)
{
    free(last);
    last = NULL;
    return fake_stop(state);
}

static struct invite spec_of(uint32_t uses)
{
    return (struct invite){
        .for_account = true, .created_ms = fake.now_ms, .expires_ms = fake.now_ms + 1000, .uses = uses};
}

/* `answers`: of the storage, that it takes. */
static enum ln_err make(const struct invite *spec, uint64_t limit, unsigned answers)
{
    invite_make(&fake.server, HOST, spec, limit, &fake.worker->executor, on_found, NULL);
    fake_run(answers);
    return last_err;
}

static enum ln_err find(const char *token, bool even_if_ended)
{
    invite_find(&fake.server, HOST, str_of(token), even_if_ended, &fake.worker->executor, on_found, NULL);
    fake_run(1);
    return last_err;
}

static void begin_use(const struct invite *i, enum ln_err *ret)
{
    struct storage_txn *t = storage_txn_new();

    invite_use(t, HOST, i);
    storage_commit(fake.server.storage, t, &fake.worker->executor, on_done, ret);
}

static enum ln_err use(const struct invite *i)
{
    enum ln_err err = LN_E_CLOSED;

    begin_use(i, &err);
    fake_run(1);
    return err;
}

static void an_invitation_is_found_until_it_ends(void **state)
{
    struct invite spec = spec_of(1);

    (void)state;
    assert_int_equal(make(&spec, 0, 1), LN_OK);
    assert_true(str_is(last->token, TOKEN_1));
    assert_int_equal(find(TOKEN_1, false), LN_OK);
    assert_int_equal(last->left, 1);
    assert_int_equal(find(TOKEN_2, false), LN_E_NOT_FOUND);
    fake.now_ms += 1000;
    assert_int_equal(find(TOKEN_1, false), LN_E_NOT_FOUND);
    assert_int_equal(find(TOKEN_1, true), LN_OK);
}

static void the_last_use_goes_to_one_of_those_who_come_at_once(void **state)
{
    struct invite spec = spec_of(1);
    enum ln_err first = LN_E_CLOSED, second = LN_E_CLOSED;

    (void)state;
    (void)make(&spec, 0, 1);
    begin_use(last, &first);
    begin_use(last, &second);
    fake_run(2);
    assert_int_equal(first, LN_OK);
    assert_int_equal(second, LN_E_NOT_FOUND);
    assert_int_equal(find(TOKEN_1, true), LN_E_NOT_FOUND);
}

static void an_invitation_counts_as_often_as_it_was_meant_to(void **state)
{
    struct invite spec = spec_of(3);

    (void)state;
    (void)make(&spec, 0, 1);
    for (unsigned left = 3; left > 0; left--) {
        assert_int_equal(find(TOKEN_1, false), LN_OK);
        assert_int_equal(last->left, left);
        assert_int_equal(use(last), LN_OK);
        assert_int_equal(use(last), LN_E_NOT_FOUND); /* as it was found, it is no more */
    }
    assert_int_equal(find(TOKEN_1, true), LN_E_NOT_FOUND);
}

static void an_account_has_so_many_and_those_that_ended_do_not_count(void **state)
{
    struct invite spec = spec_of(1);

    (void)state;
    spec.inviter = ROMEO;
    assert_int_equal(make(&spec, 2, 2), LN_OK);
    assert_int_equal(make(&spec, 2, 2), LN_OK);
    assert_int_equal(make(&spec, 2, 1), LN_E_LIMIT);
    assert_int_equal(find(TOKEN_1, false), LN_OK);
    assert_int_equal(use(last), LN_OK);
    assert_int_equal(make(&spec, 2, 2), LN_OK);
    fake.now_ms += 1000;
    spec.expires_ms += 1000;
    assert_int_equal(make(&spec, 2, 2), LN_OK);
}

static void who_has_no_account_invites_nobody(void **state)
{
    struct invite spec = spec_of(1);

    (void)state;
    spec.inviter = STR("nobody@h.example");
    assert_int_equal(make(&spec, 0, 1), LN_E_NOT_FOUND);
}

static void the_invitations_of_an_account_that_is_gone_count_no_more(void **state)
{
    struct invite spec = spec_of(1);
    struct storage_txn *t = storage_txn_new();
    enum ln_err err = LN_E_CLOSED;

    (void)state;
    spec.inviter = ROMEO;
    (void)make(&spec, 0, 1);
    storage_txn_delete_owner(t, ROMEO);
    storage_commit(fake.server.storage, t, &fake.worker->executor, on_done, &err);
    fake_run(1);
    assert_int_equal(use(last), LN_E_NOT_FOUND);
    assert_int_equal(find(TOKEN_1, true), LN_OK);
    invite_forget_inviter(&fake.server, HOST, ROMEO, &fake.worker->executor);
    fake_run(1);
    assert_int_equal(find(TOKEN_1, true), LN_E_NOT_FOUND);
}

static void a_name_is_kept_until_the_invitation_ends(void **state)
{
    struct invite spec = spec_of(1);

    (void)state;
    spec.name = STR("juliet");
    assert_int_equal(make(&spec, 0, 2), LN_OK);
    assert_int_equal(make(&spec, 0, 2), LN_E_EXISTS);
    fake.now_ms += 1000;
    spec.expires_ms += 1000;
    assert_int_equal(make(&spec, 0, 3), LN_OK); /* the old one is found, and goes */
    assert_true(str_is(last->token, "333333333333333333333333"));
    assert_int_equal(find(TOKEN_1, true), LN_E_NOT_FOUND);
}

static void a_name_that_an_account_has_is_not_kept(void **state)
{
    struct invite spec = spec_of(1);

    (void)state;
    spec.name = STR("romeo");
    assert_int_equal(make(&spec, 0, 2), LN_E_EXISTS);
}

static void what_is_revoked_counts_no_more_and_its_name_is_free(void **state)
{
    struct invite spec = spec_of(1);
    enum ln_err err = LN_E_CLOSED;

    (void)state;
    spec.name = STR("juliet");
    (void)make(&spec, 0, 2);
    invite_revoke(&fake.server, HOST, STR(TOKEN_1), &fake.worker->executor, on_done, &err);
    fake_run(2);
    assert_int_equal(err, LN_OK);
    assert_int_equal(use(last), LN_E_NOT_FOUND);
    invite_revoke(&fake.server, HOST, STR(TOKEN_1), &fake.worker->executor, on_done, &err);
    fake_run(1);
    assert_int_equal(err, LN_E_NOT_FOUND);
    assert_int_equal(make(&spec, 0, 2), LN_OK);
}

static size_t n_listed;

static void on_all(void *ctx, enum ln_err err, const struct invite *invites, size_t n)
{
    (void)ctx, (void)invites;
    assert_int_equal(err, LN_OK);
    n_listed = n;
}

static void what_ended_long_ago_is_removed_when_all_are_looked_at(void **state)
{
    struct invite spec = spec_of(1);

    (void)state;
    (void)make(&spec, 0, 1);
    fake.now_ms += 3600 * 1000;
    invite_list(&fake.server, HOST, &fake.worker->executor, on_all, NULL);
    fake_run(1);
    assert_int_equal(n_listed, 1);
    fake.now_ms += 3600 * 1000;
    invite_list(&fake.server, HOST, &fake.worker->executor, on_all, NULL);
    fake_run(1);
    assert_int_equal(n_listed, 0);
    assert_int_equal(find(TOKEN_1, true), LN_E_NOT_FOUND);
}

/* Or they would be kept for ever, until an operator looks. */
static void what_ended_long_ago_is_removed_when_its_owner_invites_again(void **state)
{
    struct invite spec = spec_of(1);

    (void)state;
    spec.inviter = ROMEO;
    assert_int_equal(make(&spec, 1, 2), LN_OK);
    fake.now_ms += 2 * 3600 * 1000;
    spec.expires_ms = fake.now_ms + 1000;
    assert_int_equal(make(&spec, 1, 3), LN_OK);
    assert_int_equal(find(TOKEN_1, true), LN_E_NOT_FOUND);
    assert_int_equal(find(TOKEN_2, false), LN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
        TEST(an_invitation_is_the_same_after_it_was_stored),
        TEST(a_damaged_invitation_is_found_out),
        TEST(the_uri_is_that_of_the_contact_or_one_to_register_with),
        TEST(a_page_is_made_of_the_template),
        TEST(an_invitation_is_found_until_it_ends),
        TEST(the_last_use_goes_to_one_of_those_who_come_at_once),
        TEST(an_invitation_counts_as_often_as_it_was_meant_to),
        TEST(an_account_has_so_many_and_those_that_ended_do_not_count),
        TEST(who_has_no_account_invites_nobody),
        TEST(the_invitations_of_an_account_that_is_gone_count_no_more),
        TEST(a_name_is_kept_until_the_invitation_ends),
        TEST(a_name_that_an_account_has_is_not_kept),
        TEST(what_is_revoked_counts_no_more_and_its_name_is_free),
        TEST(what_ended_long_ago_is_removed_when_all_are_looked_at),
        TEST(what_ended_long_ago_is_removed_when_its_owner_invites_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
