/* tests/integration/test_invites.c - invitations (XEP-0379, 0401, 0445) and the commands they are made with (0050). */
#include "client.h"
#include "raw.h"

#define NS_COMMANDS "http://jabber.org/protocol/commands"
#define NS_ITEMS    "http://jabber.org/protocol/disco#items"
#define NS_INFO     "http://jabber.org/protocol/disco#info"
#define FREE        "free.example"   /* users may let others in, and registration is open */
#define CLOSED      "closed.example" /* nobody registers there at all */
#define INVITE      "urn:xmpp:invite#invite"
#define CREATE      "urn:xmpp:invite#create-account"
#define RESULT      "iq[@type='result']/command[@xmlns='" NS_COMMANDS "']"
#define PREAUTH     "<preauth xmlns='urn:xmpp:pars:0' token='%s'/>"

static void expect_answer(const struct node *answer, const char *path)
{
    if (!node_matches(answer, path))
        test_fail("this is not %s: %s", path, node_describe(answer));
}

/* ---- helpers ---- */

static struct client *login_at(struct harness *h, const char *user, const char *host)
{
    char *jid = text_format("%s@%s", user, host);
    const struct account *a = NULL;

    for (a = h->accounts; a != NULL && strcmp(a->jid, jid) != 0; a = a->next)
        continue;
    free(jid);
    return client_login(h, a != NULL ? a : harness_account_named(h, user, host, NULL), NULL, 0);
}

static const char *a_name(struct harness *h)
{
    static char name[32];

    snprintf(name, sizeof(name), "name%u", ++h->names);
    return name;
}

static struct client *login_new(struct harness *h, const char *host)
{
    return login_at(h, a_name(h), host);
}

static const char *host_of(const struct client *c)
{
    return strchr(c->bare, '@') + 1;
}

static void look_at_roster(struct client *c)
{
    client_go_online(c, 0);
    expect_answer(client_request(c, "get", NULL, "<query xmlns='jabber:iq:roster'/>"), "iq[@type='result']");
}

static const char *uri_of(const struct node *answer)
{
    const char *uri = node_text(answer, RESULT "/x/field[@var='uri']/value");

    if (uri == NULL)
        test_fail("there is no URI in %s", node_describe(answer));
    return uri;
}

/* The caller frees. */
static char *token_of(const char *uri)
{
    const char *token = strstr(uri, "preauth=");

    assert_non_null(token);
    return strndup(token + 8, strcspn(token + 8, ";"));
}

static const struct node *invite(struct client *c)
{
    return client_request(c, "set", host_of(c),
                          "<command xmlns='" NS_COMMANDS "' node='" INVITE "' action='execute'/>");
}

static char *invite_token(struct client *c)
{
    return token_of(uri_of(invite(c)));
}

/* The whole command for a new account; empty name: any. */
static const struct node *create(struct client *c, const char *name, const char *subscription)
{
    const struct node *form =
        client_request(c, "set", host_of(c), "<command xmlns='" NS_COMMANDS "' node='" CREATE "'/>");

    expect_answer(form, RESULT "[@status='executing'][actions[@execute='complete']/complete]/x[@type='form']"
                               "[field[@var='username'][@type='text-single']]"
                               "/field[@var='roster-subscription'][@type='boolean']");
    return client_request(c, "set", host_of(c),
                          "<command xmlns='" NS_COMMANDS "' node='" CREATE "' sessionid='%s'>"
                          "<x xmlns='jabber:x:data' type='submit'><field var='username'><value>%s</value></field>"
                          "<field var='roster-subscription'><value>%s</value></field></x></command>",
                          node_attr(node_find(form, "iq/command"), "sessionid"), name, subscription);
}

static struct raw *secure_to(struct harness *h, const char *host)
{
    struct raw *r = raw_connect(h, HARNESS_STARTTLS);
    struct raw_tls how = {.sni = host};

    raw_open(r, host);
    (void)raw_expect(r, "features");
    raw_send(r, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    (void)raw_expect(r, "proceed");
    assert_true(raw_start_tls(r, &how));
    raw_open(r, host);
    r->features = raw_expect(r, "features");
    return r;
}

static const struct node *present(struct raw *r, const char *host, const char *token)
{
    raw_send(r, "<iq type='set' id='pa' to='%s'>" PREAUTH "</iq>", host, token);
    return raw_expect(r, "iq[@id='pa']");
}

static const struct node *enrol(struct raw *r, const char *host, const char *user)
{
    raw_send(r,
             "<iq type='set' id='reg' to='%s'><query xmlns='jabber:iq:register'><username>%s</username>"
             "<password>pass</password></query></iq>",
             host, user);
    return raw_expect(r, "iq[@id='reg']");
}

static struct client *login_enrolled(struct harness *h, const char *user, const char *host)
{
    char *jid = text_format("%s@%s", user, host);
    struct client *c = client_connect(h, jid, "pass", 0);

    free(jid);
    assert_true(client_wait_login(c));
    return c;
}

/* By its list, whatever was pushed meanwhile. */
static void await_both(struct client *c, const char *contact)
{
    char *path = text_format("iq/query/item[@jid='%s'][@subscription='both'][not(@ask)]", contact);

    for (int i = 0; !node_matches(client_request(c, "get", NULL, "<query xmlns='jabber:iq:roster'/>"), path); i++) {
        if (i == 500)
            test_fail("%s has no contact %s", c->bare, contact);
    }
    free(path);
}

/* ---- commands (XEP-0050) ---- */

static void the_list_of_commands_has_what_the_user_may_do(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h), *admin = login_at(h, "admin", DOMAIN);
    const struct node *answer =
        client_request(c, "get", DOMAIN, "<query xmlns='" NS_ITEMS "' node='" NS_COMMANDS "'/>");

    expect_answer(client_request(c, "get", DOMAIN, "<query xmlns='" NS_INFO "'/>"),
                  "iq/query/feature[@var='" NS_COMMANDS "']");
    expect_answer(answer, "iq[@type='result']/query[@node='" NS_COMMANDS "']/item[@jid='" DOMAIN "'][@node='" INVITE
                          "'][@name]");
    expect_answer(answer, "iq/query[not(item[@node='" CREATE "'])]");
    expect_answer(client_request(admin, "get", DOMAIN, "<query xmlns='" NS_ITEMS "' node='" NS_COMMANDS "'/>"),
                  "iq/query[item[@node='" INVITE "']]/item[@node='" CREATE "']");
    expect_answer(client_request(c, "get", DOMAIN, "<query xmlns='" NS_INFO "' node='" INVITE "'/>"),
                  "iq/query[identity[@category='automation'][@type='command-node'][@name]]"
                  "[feature[@var='jabber:x:data']]/feature[@var='" NS_COMMANDS "']");
    expect_answer(client_request(c, "get", DOMAIN, "<query xmlns='" NS_INFO "' node='" CREATE "'/>"),
                  "iq[@type='error']/error/forbidden");
    expect_answer(client_request(c, "get", FREE, "<query xmlns='" NS_ITEMS "' node='" NS_COMMANDS "'/>"),
                  "iq[@type='result']/query[not(*)]");
}

static void commands_are_refused_to_those_who_may_not_and_where_there_is_none(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h);

    expect_answer(client_request(c, "set", DOMAIN, "<command xmlns='" NS_COMMANDS "' node='" CREATE "'/>"),
                  "iq[@type='error']/error[@type='auth']/forbidden");
    expect_answer(client_request(c, "set", FREE, "<command xmlns='" NS_COMMANDS "' node='" INVITE "'/>"),
                  "iq[@type='error']/error[@type='auth']/forbidden");
    expect_answer(client_request(c, "set", DOMAIN, "<command xmlns='" NS_COMMANDS "' node='list'/>"),
                  "iq[@type='error']/error/item-not-found");
    expect_answer(client_request(c, "set", DOMAIN, "<command xmlns='" NS_COMMANDS "'/>"),
                  "iq[@type='error']/error/item-not-found");
    expect_answer(
        client_request(c, "set", DOMAIN, "<command xmlns='" NS_COMMANDS "' node='" INVITE "' action='jump'/>"),
        "iq[@type='error']/error[bad-request]/malformed-action[@xmlns='" NS_COMMANDS "']");
    expect_answer(
        client_request(c, "set", DOMAIN, "<command xmlns='" NS_COMMANDS "' node='" INVITE "' action='complete'/>"),
        "iq[@type='error']/error[bad-request]/bad-action");
    expect_answer(
        client_request(c, "set", DOMAIN, "<command xmlns='" NS_COMMANDS "' node='" INVITE "' sessionid='x'/>"),
        "iq[@type='error']/error[bad-request]/bad-sessionid");
}

static void a_command_with_a_form_is_filled_in_cancelled_and_ends(void **state)
{
    struct harness *h = *state;
    struct client *c = login_new(h, FREE), *other = login_new(h, FREE);
    const struct node *form = client_request(c, "set", FREE, "<command xmlns='" NS_COMMANDS "' node='" CREATE "'/>");
    const char *id = node_attr(node_find(form, "iq/command"), "sessionid");

#define STEP(who, attrs, content)                                                                                      \
    client_request(                                                                                                    \
        who, "set", FREE,                                                                                              \
        "<command xmlns='" NS_COMMANDS "' node='" CREATE "' sessionid='%s' " attrs ">" content "</command>", id)
    assert_int_equal(strlen(id), 32);
    expect_answer(STEP(c, "action='prev'", ""), "iq[@type='error']/error[@type='modify'][bad-request]/bad-action");
    expect_answer(STEP(c, "action='next'", ""), "iq[@type='error']/error[bad-request]/bad-action");
    expect_answer(STEP(c, "", ""), "iq[@type='error']/error[bad-request]/bad-payload");
    expect_answer(
        STEP(c, "", "<x xmlns='jabber:x:data' type='submit'><field var='username'><value>a@b</value></field></x>"),
        "iq[@type='error']/error[bad-request][text]/bad-payload");
    expect_answer(STEP(c, "",
                       "<x xmlns='jabber:x:data' type='submit'><field var='roster-subscription'><value>perhaps</value>"
                       "</field></x>"),
                  "iq[@type='error']/error[bad-request][text]/bad-payload");
    expect_answer(STEP(other, "action='cancel'", ""), "iq[@type='error']/error[not-allowed]/session-expired");
    expect_answer(STEP(c, "action='cancel'", ""), RESULT "[@status='canceled'][@sessionid]");
    expect_answer(STEP(c, "action='cancel'", ""), "iq[@type='error']/error[not-allowed]/session-expired");
#undef STEP
    client_logout(c);
    client_logout(other);
}

/* What it holds is given back: a sanitizer would tell. */
static void a_command_under_way_ends_with_the_server(void **state)
{
    struct harness *h = *state;
    struct client *c = login_new(h, FREE);
    struct raw *r = secure_to(h, DOMAIN);
    struct client *admin = login_at(h, "admin", DOMAIN);
    char *token = invite_token(admin);

    expect_answer(client_request(c, "set", FREE, "<command xmlns='" NS_COMMANDS "' node='" CREATE "'/>"),
                  RESULT "[@status='executing']");
    expect_answer(present(r, DOMAIN, token), "iq[@type='result']");
    client_forget_all(h);
    harness_stop(h);
    raw_free(&r);
    harness_start(h);
    free(token);
}

/* ---- contacts (XEP-0379) ---- */

static void an_invitation_to_a_contact_says_where_and_until_when(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *admin = login_at(h, "admin", DOMAIN), *free_one = login_new(h, FREE);
    const struct node *answer = invite(romeo);
    char *expected, *token = token_of(uri_of(answer));

    expect_answer(answer, RESULT "[@node='" INVITE "'][@status='completed']/x[@xmlns='jabber:x:data'][@type='result']"
                                 "/field[@var='FORM_TYPE'][@type='hidden']/value[.='urn:xmpp:invite#invitation']");
    expected = text_format("xmpp:%s?roster;preauth=%s", romeo->bare, token);
    assert_string_equal(uri_of(answer), expected);
    free(expected);
    expected = text_format("https://linnet.example/invite#%s", token);
    assert_string_equal(node_text(answer, RESULT "/x/field[@var='landing-url']/value"), expected);
    free(expected);
    assert_non_null(strchr(node_text(answer, RESULT "/x/field[@var='expire']/value"), 'T'));
    assert_true(strlen(token) >= 16);
    free(token);
    assert_non_null(strstr(uri_of(invite(admin)), ";ibr=y"));
    answer = invite(free_one);
    assert_non_null(strstr(uri_of(answer), ";ibr=y"));
    assert_null(node_text(answer, RESULT "/x/field[@var='landing-url']/value"));
}

static void who_comes_with_the_token_becomes_a_contact_on_both_sides_and_only_the_first(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *juliet = harness_login(h), *paris = harness_login(h);
    char *token = invite_token(romeo);

    look_at_roster(romeo);
    look_at_roster(juliet);
    look_at_roster(paris);
    client_send(juliet, "<presence to='%s' type='subscribed'/>", romeo->bare); /* section 3.4: pre-approval */
    client_send(juliet, "<presence to='%s' type='subscribe'>" PREAUTH "</presence>", romeo->bare, token);
    client_expect_any(juliet, "presence[@type='subscribed'][@from='%s']", romeo->bare);
    client_expect_any(juliet, "iq/query/item[@jid='%s'][@subscription='both']", romeo->bare);
    client_expect_any(romeo, "iq/query/item[@jid='%s'][@subscription='both'][not(@name)]", juliet->bare);
    client_expect_any(romeo, "presence[not(@type)][@from='%s']", juliet->jid);
    client_expect_any(juliet, "presence[not(@type)][@from='%s']", romeo->jid);
    client_expect_none(romeo, "presence[@type='subscribe']");
    client_send(paris, "<presence to='%s' type='subscribe'>" PREAUTH "</presence>", romeo->bare, token);
    client_expect_any(romeo, "presence[@type='subscribe'][@from='%s']/preauth", paris->bare);
    free(token);
}

static void a_token_counts_while_its_user_is_offline(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *romeo = client_login(h, a, NULL, 0), *juliet = harness_login(h);
    char *token = invite_token(romeo);

    client_logout(romeo);
    look_at_roster(juliet);
    client_send(juliet, "<presence to='%s' type='subscribe'>" PREAUTH "</presence>", a->jid, token);
    client_expect_any(juliet, "presence[@type='subscribed'][@from='%s']", a->jid);
    /* Without a pre-approval of hers she is asked, as everybody is. */
    client_expect_any(juliet, "presence[@type='subscribe'][@from='%s']", a->jid);
    client_send(juliet, "<presence to='%s' type='subscribed'/>", a->jid);
    client_expect_any(juliet, "iq/query/item[@jid='%s'][@subscription='both']", a->jid);
    free(token);
}

static void a_token_that_is_unknown_foreign_or_malformed_is_as_none(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *benvolio = harness_login(h);
    char *foreign = invite_token(benvolio), *too_long = malloc(2001);
    const char *const elements[] = {"<preauth xmlns='urn:xmpp:pars:0' token='1tMFqYDdKhfe2pwp'/>",
                                    "<preauth xmlns='urn:xmpp:pars:0' token=''/>",
                                    "<preauth xmlns='urn:xmpp:pars:0'/>",
                                    "<preauth xmlns='other' token='x'/>",
                                    "<preauth xmlns='urn:xmpp:pars:0' token='%s'/>",
                                    "<preauth xmlns='urn:xmpp:pars:0' token='%s'/>"};

    memset(too_long, 'x', 2000);
    too_long[2000] = '\0';
    look_at_roster(romeo);
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        struct client *c = harness_login(h);
        char *element = text_format("%s", elements[i]);

        if (strstr(element, "%s") != NULL) {
            free(element);
            element = text_format("<preauth xmlns='urn:xmpp:pars:0' token='%s'/>", i == 4 ? foreign : too_long);
        }
        client_send(c, "<presence to='%s' type='subscribe'>%s</presence>", romeo->bare, element);
        client_expect_any(romeo, "presence[@type='subscribe'][@from='%s']", c->bare);
        free(element);
    }
    client_expect_none(romeo, "iq/query/item");
    free(too_long);
    free(foreign);
}

static void who_is_a_contact_already_does_not_use_a_token_up(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *juliet = harness_login(h), *paris = harness_login(h);
    char *token = invite_token(romeo);

    client_befriend(romeo, juliet);
    client_send(juliet, "<presence to='%s' type='subscribe'>" PREAUTH "</presence>", romeo->bare, token);
    client_expect_any(juliet, "presence[not(@type)][@from='%s']", romeo->jid); /* shown again, as she asked */
    look_at_roster(paris);
    client_send(paris, "<presence to='%s' type='subscribe'>" PREAUTH "</presence>", romeo->bare, token);
    client_expect_any(paris, "presence[@type='subscribed'][@from='%s']", romeo->bare);
    free(token);
}

static void a_user_has_so_many_open_invitations(void **state)
{
    struct harness *h = *state;
    struct client *c = login_new(h, FREE); /* invites.per_account = 3 */

    for (int i = 0; i < 3; i++)
        (void)uri_of(invite(c));
    expect_answer(invite(c), RESULT "[@status='completed'][not(x)]/note[@type='error']");
}

/* ---- accounts (XEP-0445, XEP-0401) ---- */

static void an_invited_person_makes_an_account_where_that_is_closed_and_is_a_contact_of_the_inviter(void **state)
{
    struct harness *h = *state;
    struct client *admin = login_at(h, "admin", DOMAIN), *juliet;
    char *token = invite_token(admin), *user = strdup(a_name(h)), *jid = text_format("%s@" DOMAIN, user);
    struct raw *r = secure_to(h, DOMAIN);

    look_at_roster(admin);
    expect_answer(r->features, "features[not(register[@xmlns='http://jabber.org/features/iq-register'])]"
                               "/register[@xmlns='urn:xmpp:ibr-token:0']");
    expect_answer(enrol(r, DOMAIN, user), "iq[@type='error']/error/*");
    expect_answer(present(r, DOMAIN, "1tMFqYDdKhfe2pwp"),
                  "iq[@type='error'][@from='" DOMAIN "']/error[@type='cancel'][text]/item-not-found");
    expect_answer(present(r, DOMAIN, ""), "iq[@type='error']/error/bad-request");
    expect_answer(enrol(r, DOMAIN, user), "iq[@type='error']/error/*");
    expect_answer(present(r, DOMAIN, token), "iq[@type='result'][@from='" DOMAIN "'][not(*)]");
    raw_send(r, "<iq type='get' id='g' to='" DOMAIN "'><query xmlns='jabber:iq:register'/></iq>");
    raw_expect(r, "iq[@type='result'][@id='g']/query[username[not(*)]]/password");
    expect_answer(enrol(r, DOMAIN, user), "iq[@type='result']");
    client_expect_any(admin, "iq/query/item[@jid='%s'][@subscription='both']", jid);
    expect_answer(enrol(r, DOMAIN, a_name(h)), "iq[@type='error']/error/*"); /* one account */
    raw_free(&r);
    juliet = login_enrolled(h, user, DOMAIN);
    await_both(juliet, admin->bare);
    client_go_online(juliet, 0);
    client_expect_any(admin, "presence[not(@type)][@from='%s']", juliet->jid);
    client_expect_any(juliet, "presence[not(@type)][@from='%s']", admin->jid);
    r = secure_to(h, DOMAIN);
    expect_answer(present(r, DOMAIN, token), "iq[@type='error']/error/item-not-found");
    raw_free(&r);
    free(token);
    free(user);
    free(jid);
}

static void an_invitation_to_a_contact_makes_no_account_where_users_may_not_let_others_in(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h);
    char *token = invite_token(romeo);
    struct raw *r = secure_to(h, DOMAIN);

    expect_answer(present(r, DOMAIN, token), "iq[@type='error']/error/item-not-found");
    expect_answer(enrol(r, DOMAIN, a_name(h)), "iq[@type='error']/error/*");
    raw_free(&r);
    free(token);
}

static void a_token_counts_on_its_own_host_only(void **state)
{
    struct harness *h = *state;
    struct client *c = login_new(h, FREE);
    char *token = invite_token(c);
    struct raw *r = secure_to(h, DOMAIN);

    expect_answer(present(r, DOMAIN, token), "iq[@type='error']/error/item-not-found");
    raw_free(&r);
    free(token);
}

static void a_name_is_kept_for_whoever_comes_with_the_invitation(void **state)
{
    struct harness *h = *state;
    struct client *c = login_new(h, FREE), *juliet;
    char *user = strdup(a_name(h)), *expected, *token, *other;
    const struct node *answer = create(c, user, "0");
    struct raw *r;

    token = token_of(uri_of(answer));
    expected = text_format("xmpp:%s@" FREE "?register;preauth=%s", user, token);
    assert_string_equal(uri_of(answer), expected);
    free(expected);
    expect_answer(create(c, user, "0"), RESULT "[@status='completed']/note[@type='error']");
    r = secure_to(h, FREE); /* where anybody may make an account */
    expect_answer(r->features, "features[register[@xmlns='http://jabber.org/features/iq-register']]"
                               "/register[@xmlns='urn:xmpp:ibr-token:0']");
    expect_answer(enrol(r, FREE, user), "iq[@type='error']/error/conflict");
    other = invite_token(c);
    expect_answer(present(r, FREE, other), "iq[@type='result']");
    expect_answer(enrol(r, FREE, user), "iq[@type='error']/error/conflict");
    expect_answer(present(r, FREE, token), "iq[@type='result']");
    raw_send(r, "<iq type='get' id='g' to='" FREE "'><query xmlns='jabber:iq:register'/></iq>");
    expected = text_format("iq[@type='result']/query/username[.='%s']", user);
    raw_expect(r, "%s", expected);
    free(expected);
    expect_answer(enrol(r, FREE, "romeo"), "iq[@type='error']/error[@type='modify']/not-acceptable");
    expect_answer(enrol(r, FREE, user), "iq[@type='result']");
    raw_free(&r);
    juliet = login_enrolled(h, user, FREE);
    expect_answer(client_request(juliet, "get", NULL, "<query xmlns='jabber:iq:roster'/>"), "iq/query[not(item)]");
    free(token);
    free(other);
    free(user);
}

static void an_account_without_a_given_name_may_come_with_a_contact(void **state)
{
    struct harness *h = *state;
    struct client *c = login_new(h, FREE), *juliet;
    const struct node *answer = create(c, "", "true");
    char *token = token_of(uri_of(answer)), *user = strdup(a_name(h));
    struct raw *r = secure_to(h, FREE);

    assert_int_equal(strncmp(uri_of(answer), "xmpp:" FREE "?register;preauth=", strlen("xmpp:" FREE "?register")), 0);
    expect_answer(present(r, FREE, token), "iq[@type='result']");
    expect_answer(enrol(r, FREE, user), "iq[@type='result']");
    raw_free(&r);
    juliet = login_enrolled(h, user, FREE);
    await_both(juliet, c->bare);
    await_both(c, juliet->bare);
    free(token);
    free(user);
}

static void of_two_who_were_both_let_in_with_the_last_use_one_makes_an_account(void **state)
{
    struct harness *h = *state;
    struct client *admin = login_at(h, "admin", DOMAIN);
    char *token = invite_token(admin), *one = strdup(a_name(h)), *two = strdup(a_name(h));
    struct raw *a = secure_to(h, DOMAIN), *b = secure_to(h, DOMAIN);
    const struct node *answer_a, *answer_b;
    static const char enrolment[] =
        "<iq type='set' id='reg' to='" DOMAIN "'><query xmlns='jabber:iq:register'><username>%s</username>"
        "<password>pass</password></query></iq>";

    expect_answer(present(a, DOMAIN, token), "iq[@type='result']");
    expect_answer(present(b, DOMAIN, token), "iq[@type='result']");
    raw_send(a, enrolment, one);
    raw_send(b, enrolment, two);
    answer_a = raw_expect(a, "iq[@id='reg']");
    answer_b = raw_expect(b, "iq[@id='reg']");
    assert_int_equal(node_matches(answer_a, "iq[@type='result']") + node_matches(answer_b, "iq[@type='result']"), 1);
    expect_answer(node_matches(answer_a, "iq[@type='result']") ? answer_b : answer_a,
                  "iq[@type='error']/error/not-acceptable");
    raw_free(&a);
    raw_free(&b);
    free(token);
    free(one);
    free(two);
}

static void an_account_that_is_gone_has_no_invitations_left(void **state)
{
    struct harness *h = *state;
    struct client *c = login_new(h, FREE);
    char *token = invite_token(c), *output;
    struct raw *r = secure_to(h, FREE);

    expect_answer(present(r, FREE, token), "iq[@type='result']");
    assert_int_equal(harness_ctl(h, NULL, &output, "deluser", "--yes", c->bare), 0);
    free(output);
    expect_answer(enrol(r, FREE, a_name(h)), "iq[@type='error']/error/not-acceptable");
    raw_free(&r);
    free(token);
}

static void without_registration_an_invitation_is_for_contacts_only(void **state)
{
    struct harness *h = *state;
    struct client *c = login_new(h, CLOSED);
    struct raw *r = secure_to(h, CLOSED);
    char *token = invite_token(c);

    expect_answer(r->features, "features[not(register)]");
    raw_send(r, "<iq type='set' id='pa' to='" CLOSED "'>" PREAUTH "</iq>", token);
    raw_expect(r, "iq[@type='error'][@id='pa']/error/service-unavailable");
    assert_null(strstr(uri_of(invite(c)), "ibr=y"));
    expect_answer(client_request(c, "set", CLOSED, "<command xmlns='" NS_COMMANDS "' node='" CREATE "'/>"),
                  "iq[@type='error']/error/forbidden");
    raw_free(&r);
    free(token);
}

/* ---- the operator ---- */

static struct json *ctl_invite(struct harness *h, const char *const args[])
{
    return harness_ctl_json_(__FILE__, __LINE__, h, args);
}
#define ctl_invite(h, ...) ctl_invite(h, (const char *const[]){"invite", __VA_ARGS__, NULL})

static void the_operator_invites_as_many_as_he_says_and_takes_it_back(void **state)
{
    struct harness *h = *state;
    struct json *made = ctl_invite(h, "--uses", "3", "--expires", "2d", DOMAIN), *all;
    char *token = strdup(json_text(made, "token")), *expected, *output;
    struct raw *r;

    expected = text_format("xmpp:" DOMAIN "?register;preauth=%s", token);
    assert_string_equal(json_text(made, "uri"), expected);
    free(expected);
    expected = text_format("https://linnet.example/invite#%s", token);
    assert_string_equal(json_text(made, "url"), expected);
    free(expected);
    json_free(&made);
    for (int i = 0; i < 2; i++) {
        r = secure_to(h, DOMAIN);
        expect_answer(present(r, DOMAIN, token), "iq[@type='result']");
        expect_answer(enrol(r, DOMAIN, a_name(h)), "iq[@type='result']");
        raw_free(&r);
    }
    all = harness_ctl_json(h, "invites", DOMAIN);
    assert_int_equal(json_number(json_find(all, "token", token), "left"), 1);
    json_free(&all);
    all = harness_ctl_json(h, "invites");
    assert_string_equal(json_text(json_find(all, "token", token), "host"), DOMAIN);
    json_free(&all);
    assert_int_equal(harness_ctl(h, NULL, &output, "uninvite", DOMAIN, token), 0);
    free(output);
    assert_int_equal(harness_ctl(h, NULL, &output, "uninvite", DOMAIN, token), 1);
    assert_non_null(strstr(output, "there is no such invitation"));
    free(output);
    r = secure_to(h, DOMAIN);
    expect_answer(present(r, DOMAIN, token), "iq[@type='error']/error/item-not-found");
    raw_free(&r);
    free(token);
}

static void the_operator_invites_by_name_and_with_a_contact(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *juliet;
    char *user = strdup(a_name(h)), *token, *expected;
    struct json *made = ctl_invite(h, "--contact", romeo->bare, "--name", user, DOMAIN);
    struct raw *r = secure_to(h, DOMAIN);

    token = strdup(json_text(made, "token"));
    expected = text_format("xmpp:%s@" DOMAIN "?register;preauth=%s", user, token);
    assert_string_equal(json_text(made, "uri"), expected);
    free(expected);
    json_free(&made);
    expect_answer(present(r, DOMAIN, token), "iq[@type='result']");
    expect_answer(enrol(r, DOMAIN, user), "iq[@type='result']");
    raw_free(&r);
    juliet = login_enrolled(h, user, DOMAIN);
    await_both(juliet, romeo->bare);
    await_both(romeo, juliet->bare);
    free(token);
    made = ctl_invite(h, "--contact", romeo->bare, DOMAIN);
    token = strdup(json_text(made, "token"));
    expected = text_format("xmpp:%s?roster;preauth=%s;ibr=y", romeo->bare, token);
    assert_string_equal(json_text(made, "uri"), expected);
    free(expected);
    free(token);
    json_free(&made);
    free(user);
}

static void what_the_operator_cannot_have_meant_is_refused(void **state)
{
    static const struct {
        int code;
        const char *word;
        const char *args[7];
    } cases[] = {
        {1, "this host is not served here", {"invite", "no.example"}},
        {1, "are not both on for " CLOSED, {"invite", CLOSED}},
        {1, "the contact has no account here", {"invite", "--contact", "no-such-one@" DOMAIN, DOMAIN}},
        {1, "this is not the address of an account", {"invite", "--contact", "someone@" FREE, DOMAIN}},
        {1, "no account can have that name", {"invite", "--name", "a@b", DOMAIN}},
        {1, "there is an account of that name", {"invite", "--name", "admin", DOMAIN}},
        {1, "1 to 100000 uses", {"invite", "--uses", "0", DOMAIN}},
        {1, "is for one use", {"invite", "--uses", "2", "--name", "somebody", DOMAIN}},
        {2, "a time looks like", {"invite", "--expires", "soon", DOMAIN}},
        {2, "does not belong to this command", {"invites", "--uses", "2", DOMAIN}},
        {1, "there is no such invitation", {"uninvite", DOMAIN, "x"}},
    };
    struct harness *h = *state;

    client_logout(login_at(h, "admin", DOMAIN)); /* so that there is one */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *output;
        int code = harness_ctl_(h, NULL, &output, cases[i].args);

        if (code != cases[i].code || strstr(output, cases[i].word) == NULL)
            test_fail("linnetctl %s %s ended with %d and said: %s", cases[i].args[0], cases[i].args[1], code, output);
        free(output);
    }
}

static void an_invitation_that_ends_counts_still_for_who_came_in_time(void **state)
{
    struct harness *h = *state;
    struct json *made = ctl_invite(h, "--expires", "2s", "--uses", "2", DOMAIN);
    char *token = strdup(json_text(made, "token"));
    struct raw *in_time = secure_to(h, DOMAIN), *late = secure_to(h, DOMAIN);
    const struct node *answer;

    json_free(&made);
    expect_answer(present(in_time, DOMAIN, token), "iq[@type='result']");
    do { /* until it has ended */
        answer = present(late, DOMAIN, token);
        client_pump(h, 200);
    } while (node_matches(answer, "iq[@type='result']"));
    expect_answer(answer, "iq[@type='error']/error/item-not-found");
    expect_answer(enrol(in_time, DOMAIN, a_name(h)), "iq[@type='result']"); /* XEP-0445 section 4 */
    raw_free(&in_time);
    raw_free(&late);
    free(token);
}

static void invitations_are_there_after_a_restart(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *romeo = client_login(h, a, NULL, 0), *juliet;
    char *token = invite_token(romeo);

    client_forget_all(h);
    harness_crash(h);
    harness_start(h);
    juliet = harness_login(h);
    look_at_roster(juliet);
    client_send(juliet, "<presence to='%s' type='subscribe'>" PREAUTH "</presence>", a->jid, token);
    client_expect_any(juliet, "presence[@type='subscribed'][@from='%s']", a->jid);
    free(token);
}

int main(void)
{
    static const char *const settings[] = {NULL};
    static const struct harness_options options = {
        .settings = settings,
        .tables = "admins = [\"admin@" DOMAIN "\"]\n"
                  "[host.invites]\nurl = \"https://linnet.example/invite#{token}\"\n"
                  "[[host]]\nname = \"" FREE "\"\n[host.registration]\nopen = true\nper_address_per_hour = 1000\n"
                  "[host.invites]\nnew_accounts = true\nper_account = 3\n"
                  "[[host]]\nname = \"" CLOSED "\"\nmodules = [\"disco\", \"ping\", \"commands\", \"invites\"]\n"
                  "[host.invites]\nnew_accounts = true\n"};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_list_of_commands_has_what_the_user_may_do),
        HARNESS_TEST(commands_are_refused_to_those_who_may_not_and_where_there_is_none),
        HARNESS_TEST(a_command_with_a_form_is_filled_in_cancelled_and_ends),
        HARNESS_TEST(a_command_under_way_ends_with_the_server),
        HARNESS_TEST(an_invitation_to_a_contact_says_where_and_until_when),
        HARNESS_TEST(who_comes_with_the_token_becomes_a_contact_on_both_sides_and_only_the_first),
        HARNESS_TEST(a_token_counts_while_its_user_is_offline),
        HARNESS_TEST(a_token_that_is_unknown_foreign_or_malformed_is_as_none),
        HARNESS_TEST(who_is_a_contact_already_does_not_use_a_token_up),
        HARNESS_TEST(a_user_has_so_many_open_invitations),
        HARNESS_TEST(an_invited_person_makes_an_account_where_that_is_closed_and_is_a_contact_of_the_inviter),
        HARNESS_TEST(an_invitation_to_a_contact_makes_no_account_where_users_may_not_let_others_in),
        HARNESS_TEST(a_token_counts_on_its_own_host_only),
        HARNESS_TEST(a_name_is_kept_for_whoever_comes_with_the_invitation),
        HARNESS_TEST(an_account_without_a_given_name_may_come_with_a_contact),
        HARNESS_TEST(of_two_who_were_both_let_in_with_the_last_use_one_makes_an_account),
        HARNESS_TEST(an_account_that_is_gone_has_no_invitations_left),
        HARNESS_TEST(without_registration_an_invitation_is_for_contacts_only),
        HARNESS_TEST(the_operator_invites_as_many_as_he_says_and_takes_it_back),
        HARNESS_TEST(the_operator_invites_by_name_and_with_a_contact),
        HARNESS_TEST(what_the_operator_cannot_have_meant_is_refused),
        HARNESS_TEST(an_invitation_that_ends_counts_still_for_who_came_in_time),
        HARNESS_TEST(invitations_are_there_after_a_restart),
    };

    return harness_run_tests("invites", tests, &options);
}
