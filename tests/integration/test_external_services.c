/* tests/integration/test_external_services.c - XEP-0215: what clients are told of STUN and TURN servers. */
#include "client.h"
#include "raw.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <time.h>

#define NS    "urn:xmpp:extdisco:2"
#define OTHER "other.example"

static const struct node *ask(struct client *c, const char *payload)
{
    return client_request(c, "get", DOMAIN, "%s", payload);
}

static void expect_answer(const struct node *answer, const char *path)
{
    if (!node_matches(answer, path))
        test_fail("this is not %s: %s", path, node_describe(answer));
}

/* The i-th <service/>. */
static const struct node *service_of(const struct node *answer, size_t i)
{
    const struct node *service = answer->child->child;

    while (service != NULL && i-- > 0)
        service = service->next;
    if (service == NULL)
        test_fail("too few services: %s", node_describe(answer));
    return service;
}

static size_t count_services(const struct node *answer)
{
    size_t n = 0;

    for (const struct node *s = answer->child->child; s != NULL; s = s->next)
        n++;
    return n;
}

static void the_host_says_that_it_knows_services(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(ask(c, "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
                  "iq[@type='result']/query/feature[@var='" NS "']");
}

static void all_services_are_told_in_the_order_of_the_configuration(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *answer = ask(c, "<services xmlns='" NS "'/>");

    expect_answer(answer, "iq[@type='result'][@from='" DOMAIN "']/services[@xmlns='" NS "'][not(@type)]");
    assert_int_equal(count_services(answer), 4);
    expect_answer(service_of(answer, 0), "service[@type='stun'][@host='stun.linnet.example'][@port='3478']"
                                         "[@transport='udp'][not(@username)][not(@password)][not(@restricted)]");
    expect_answer(service_of(answer, 1), "service[@type='turn'][@host='turn.linnet.example'][@port='3478']"
                                         "[@transport='udp'][@restricted='true']");
    expect_answer(service_of(answer, 2), "service[@type='turns'][@host='turn.linnet.example'][@port='5349']"
                                         "[@transport='tcp'][@restricted='true']");
    expect_answer(service_of(answer, 3), "service[@type='ftp'][@host='192.0.2.7'][not(@port)][@transport='tcp']"
                                         "[@name='Shakespearean \"File\" Server'][@username='guest']"
                                         "[@password='a & b'][@restricted='true'][not(@expires)]");
}

/* As coturn checks it. */
static void check_temporary(const struct node *service, const char *secret, long ttl_s)
{
    const char *name = node_attr(service, "username");
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len;
    struct tm tm = {0};
    char *expected;
    long expires;

    assert_non_null(name);
    assert_non_null(
        HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)name, strlen(name), mac, &len));
    expected = base64_encode(mac, len);
    assert_string_equal(node_attr(service, "password"), expected);
    free(expected);
    expires = strtol(name, NULL, 10);
    assert_true(labs(expires - (long)time(NULL) - ttl_s) <= 5);
    assert_non_null(strptime(node_attr(service, "expires"), "%Y-%m-%dT%H:%M:%S", &tm));
    assert_int_equal(timegm(&tm), expires);
}

static void passwords_that_end_are_made_of_the_secret_and_do_not_tell_the_account(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *juliet = harness_login(h);
    const struct node *answer = ask(romeo, "<services xmlns='" NS "' type='turn'/>");
    const char *of_romeo, *of_juliet, *again;

    expect_answer(answer, "iq[@type='result']/services[@type='turn']");
    assert_int_equal(count_services(answer), 1);
    check_temporary(service_of(answer, 0), "a shared secret", 3600);
    of_romeo = strchr(node_attr(service_of(answer, 0), "username"), ':');
    assert_null(strstr(of_romeo, romeo->user));
    again = strchr(node_attr(service_of(ask(romeo, "<services xmlns='" NS "' type='turn'/>"), 0), "username"), ':');
    assert_string_equal(again, of_romeo);
    of_juliet =
        strchr(node_attr(service_of(ask(juliet, "<services xmlns='" NS "' type='turn'/>"), 0), "username"), ':');
    assert_string_not_equal(of_juliet, of_romeo);
}

static void a_type_that_there_is_none_of_gives_an_empty_list(void **state)
{
    const struct node *answer = ask(harness_login(*state), "<services xmlns='" NS "' type='gopher'/>");

    expect_answer(answer, "iq[@type='result']/services[@type='gopher'][not(*)]");
}

static void credentials_are_given_for_the_service_that_is_named(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *answer =
        ask(c, "<credentials xmlns='" NS "'><service host='TURN.linnet.example' type='turn'/></credentials>");

    expect_answer(answer, "iq[@type='result']/credentials[@xmlns='" NS "']/service[@type='turn']");
    assert_int_equal(count_services(answer), 1);
    check_temporary(service_of(answer, 0), "a shared secret", 3600);
    answer = ask(c, "<credentials xmlns='" NS "'>"
                    "<service host='turn.linnet.example' type='turns' port='5349'/></credentials>");
    check_temporary(service_of(answer, 0), "another", 86400);
    expect_answer(ask(c, "<credentials xmlns='" NS "'><service host='192.0.2.7' type='ftp'/></credentials>"),
                  "iq[@type='result']/credentials/service[@username='guest'][@password='a & b']");
}

static void credentials_of_what_has_none_or_is_not_there_are_not_found(void **state)
{
    static const char *const services[] = {
        "<service host='stun.linnet.example' type='stun'/>",
        "<service host='turn.linnet.example' type='stun'/>",
        "<service host='turn.linnet.example' type='turn' port='9'/>",
        "<service host='only.other.example' type='turn'/>",
    };
    struct client *c = harness_login(*state);

    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
        expect_answer(client_request(c, "get", DOMAIN, "<credentials xmlns='" NS "'>%s</credentials>", services[i]),
                      "iq[@type='error']/error[@type='cancel']/item-not-found");
}

static void credentials_need_one_service_with_host_and_type(void **state)
{
    static const char *const services[] = {
        "",
        "<service host='turn.linnet.example'/>",
        "<service type='turn'/>",
        "<service host='' type='turn'/>",
        "<service host='turn.linnet.example' type='turn' port='70000'/>",
        "<service host='turn.linnet.example' type='turn' port='x'/>",
        "<service xmlns='other' host='turn.linnet.example' type='turn'/>",
        "<service host='turn.linnet.example' type='turn'/><service host='192.0.2.7' type='ftp'/>",
    };
    struct client *c = harness_login(*state);

    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
        expect_answer(client_request(c, "get", DOMAIN, "<credentials xmlns='" NS "'>%s</credentials>", services[i]),
                      "iq[@type='error']/error[@type='modify']/bad-request");
}

static void what_is_no_request_is_not_answered_as_one(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(client_request(c, "set", DOMAIN, "<services xmlns='" NS "'/>"),
                  "iq[@type='error']/error/service-unavailable");
    expect_answer(client_request(c, "get", DOMAIN, "<service xmlns='" NS "'/>"),
                  "iq[@type='error']/error/service-unavailable");
    expect_answer(client_request(c, "get", c->bare, "<services xmlns='" NS "'/>"),
                  "iq[@type='error']/error/service-unavailable");
}

static void only_its_own_users_are_told_by_a_host(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h);
    struct client *other = client_login(h, harness_account_named(h, "nurse", OTHER, NULL), NULL, 0);
    const struct node *answer;

    expect_answer(client_request(c, "get", OTHER, "<services xmlns='" NS "'/>"),
                  "iq[@type='error']/error[@type='auth']/forbidden");
    expect_answer(client_request(c, "get", OTHER,
                                 "<credentials xmlns='" NS
                                 "'><service host='only.other.example' type='turn'/></credentials>"),
                  "iq[@type='error']/error[@type='auth']/forbidden");
    answer = client_request(other, "get", OTHER, "<services xmlns='" NS "'/>");
    assert_int_equal(count_services(answer), 2); /* its own, and the one for all */
    expect_answer(answer, "iq/services/service[@host='only.other.example'][@password='p']");
    expect_answer(answer, "iq/services/service[@host='stun.linnet.example']");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_host_says_that_it_knows_services),
        HARNESS_TEST(all_services_are_told_in_the_order_of_the_configuration),
        HARNESS_TEST(passwords_that_end_are_made_of_the_secret_and_do_not_tell_the_account),
        HARNESS_TEST(a_type_that_there_is_none_of_gives_an_empty_list),
        HARNESS_TEST(credentials_are_given_for_the_service_that_is_named),
        HARNESS_TEST(credentials_of_what_has_none_or_is_not_there_are_not_found),
        HARNESS_TEST(credentials_need_one_service_with_host_and_type),
        HARNESS_TEST(what_is_no_request_is_not_answered_as_one),
        HARNESS_TEST(only_its_own_users_are_told_by_a_host),
    };
    const struct harness_options options = {
        .tables = "[[host]]\nname = \"" OTHER "\"\n"
                  "[[external_service]]\ntype = \"stun\"\nhost = \"stun.linnet.example\"\nport = 3478\n"
                  "[[external_service]]\ntype = \"turn\"\nhost = \"turn.linnet.example\"\nport = 3478\n"
                  "secret = \"a shared secret\"\nttl_s = 3600\nhosts = [\"" DOMAIN "\"]\n"
                  "[[external_service]]\ntype = \"turns\"\nhost = \"turn.linnet.example\"\nport = 5349\n"
                  "transport = \"tcp\"\nsecret = \"another\"\nhosts = [\"" DOMAIN "\"]\n"
                  "[[external_service]]\ntype = \"ftp\"\nhost = \"192.0.2.7\"\ntransport = \"tcp\"\n"
                  "name = 'Shakespearean \"File\" Server'\nusername = \"guest\"\npassword = \"a & b\"\n"
                  "hosts = [\"" DOMAIN "\"]\n"
                  "[[external_service]]\ntype = \"turn\"\nhost = \"only.other.example\"\nusername = \"u\"\n"
                  "password = \"p\"\nhosts = [\"" OTHER "\"]\n",
    };

    return harness_run_tests("external services", tests, &options);
}
