/* tests/integration/test_modules.c - the features, one story each: what a client asks, and what the XEP says it gets.
 */
#include "client.h"
#include "raw.h"

#include <openssl/evp.h>
#include <time.h>

#define NS_INFO     "http://jabber.org/protocol/disco#info"
#define NS_ITEMS    "http://jabber.org/protocol/disco#items"
#define NS_REGISTER "jabber:iq:register"
#define NS_BIND     "urn:ietf:params:xml:ns:xmpp-bind"
#define OPEN        "open.example"

static const struct node *ask(struct client *c, const char *to, const char *payload)
{
    return client_request(c, "get", to, "%s", payload);
}

static void expect_answer(const struct node *answer, const char *path)
{
    if (!node_matches(answer, path))
        test_fail("this is not %s: %s", path, node_describe(answer));
}

/* ---- discovery: XEP-0030, XEP-0115, XEP-0157 ---- */

static void the_host_says_what_it_is_and_can(void **state)
{
    static const char *const features[] = {NS_INFO,         NS_ITEMS,         "urn:xmpp:ping",     "jabber:iq:version",
                                           "urn:xmpp:time", "jabber:iq:last", "jabber:iq:private", "vcard-temp",
                                           NS_REGISTER,     "msgoffline"};
    struct client *c = harness_login(*state);
    const struct node *answer = ask(c, DOMAIN, "<query xmlns='" NS_INFO "'/>");

    expect_answer(answer, "iq[@type='result'][@from='" DOMAIN "']/query[@xmlns='" NS_INFO
                          "']/identity[@category='server'][@type='im']");
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        char *path = text_format("iq/query/feature[@var='%s']", features[i]);

        expect_answer(answer, path);
        free(path);
    }
    expect_answer(ask(c, DOMAIN, "<query xmlns='" NS_ITEMS "'/>"), "iq[@type='result']/query[@xmlns='" NS_ITEMS "']");
    expect_answer(ask(c, DOMAIN, "<query xmlns='" NS_INFO "' node='no-such-node'/>"),
                  "iq[@type='error']/error/item-not-found");
}

static void the_own_account_is_discovered_and_that_of_a_stranger_looks_like_none(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h), *other = harness_login(h), *contact = harness_login(h);
    const char *nobody = harness_nobody(h);

    expect_answer(ask(c, c->bare, "<query xmlns='" NS_INFO "'/>"),
                  "iq[@type='result']/query/identity[@category='account'][@type='registered']");
    expect_answer(ask(c, other->bare, "<query xmlns='" NS_INFO "'/>"), "iq[@type='error']/error/service-unavailable");
    expect_answer(ask(c, nobody, "<query xmlns='" NS_INFO "'/>"), "iq[@type='error']/error/service-unavailable");
    client_befriend(c, contact);
    expect_answer(ask(c, contact->bare, "<query xmlns='" NS_INFO "'/>"), "iq[@type='result']/query/identity");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* XEP-0115 section 5.1, from what the server itself says. */
static char *verification_string(const struct node *query)
{
    char *parts[128], *joined = strdup(""), *more;
    size_t n = 0;
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned hash_len;

    for (int round = 0; round < 2; round++) { /* identities, then features */
        n = 0;
        for (const struct node *e = query->child; e != NULL && n < 128; e = e->next) {
            if (round == 0 && strcmp(e->name, "identity") == 0)
                parts[n++] = text_format("%s/%s/%s/%s<", node_attr(e, "category"), node_attr(e, "type"),
                                         node_attr(e, "xml:lang") == NULL ? "" : node_attr(e, "xml:lang"),
                                         node_attr(e, "name") == NULL ? "" : node_attr(e, "name"));
            if (round == 1 && strcmp(e->name, "feature") == 0)
                parts[n++] = text_format("%s<", node_attr(e, "var"));
        }
        qsort(parts, n, sizeof(parts[0]), by_text);
        for (size_t i = 0; i < n; i++) {
            more = text_format("%s%s", joined, parts[i]);
            free(joined);
            joined = more;
            free(parts[i]);
        }
    }
    for (const struct node *x = query->child; x != NULL; x = x->next) { /* one form at most here */
        if (strcmp(x->name, "x") != 0)
            continue;
        n = 0;
        for (const struct node *f = x->child; f != NULL && n < 128; f = f->next) {
            char *values[32], *text;
            size_t n_values = 0;

            if (strcmp(f->name, "field") != 0)
                continue;
            for (const struct node *v = f->child; v != NULL && n_values < 32; v = v->next)
                if (strcmp(v->name, "value") == 0)
                    values[n_values++] = v->text;
            qsort(values, n_values, sizeof(values[0]), by_text);
            text = strcmp(node_attr(f, "var"), "FORM_TYPE") == 0 ? strdup("") : text_format("%s<", node_attr(f, "var"));
            for (size_t i = 0; i < n_values; i++) {
                more = text_format("%s%s<", text, values[i]);
                free(text);
                text = more;
            }
            /* FORM_TYPE goes first: a byte that is below all others, dropped again below. */
            parts[n++] = strcmp(node_attr(f, "var"), "FORM_TYPE") == 0 ? text_format("\x01%s", text) : strdup(text);
            free(text);
        }
        qsort(parts, n, sizeof(parts[0]), by_text);
        for (size_t i = 0; i < n; i++) {
            more = text_format("%s%s", joined, parts[i] + (parts[i][0] == '\x01'));
            free(joined);
            joined = more;
            free(parts[i]);
        }
    }
    EVP_Digest(joined, strlen(joined), hash, &hash_len, EVP_sha1(), NULL);
    free(joined);
    return base64_encode(hash, hash_len);
}

static void the_capabilities_of_the_server_are_what_their_hash_says(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_secure(h, NULL);
    const struct node *caps;
    struct client *c = harness_login(h);

    raw_plain(r, a);
    caps = node_find(r->features, "features/c[@xmlns='http://jabber.org/protocol/caps'][@hash='sha-1']");
    /* Also those who are not logged in may see them, so look in both. */
    if (caps == NULL)
        test_fail("there are no capabilities in %s", node_describe(r->features));
    const struct node *info = client_request(c, "get", DOMAIN, "<query xmlns='" NS_INFO "' node='%s#%s'/>",
                                             node_attr(caps, "node"), node_attr(caps, "ver"));
    expect_answer(info, "iq[@type='result']/query/feature");
    char *ver = verification_string(node_find(info, "iq/query"));
    assert_string_equal(ver, node_attr(caps, "ver"));
    free(ver);
    info = ask(c, DOMAIN, "<query xmlns='" NS_INFO "'/>");
    ver = verification_string(node_find(info, "iq/query"));
    assert_string_equal(ver, node_attr(caps, "ver"));
    free(ver);
    raw_free(&r);
}

static void the_host_tells_where_its_people_are_reached(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(ask(c, DOMAIN, "<query xmlns='" NS_INFO "'/>"),
                  "iq/query/x[@xmlns='jabber:x:data'][@type='result']"
                  "[field[@var='FORM_TYPE']/value[.='http://jabber.org/network/serverinfo']]"
                  "[field[@var='abuse-addresses']/value[.='mailto:abuse@linnet.example']]"
                  "/field[@var='abuse-addresses']/value[.='xmpp:abuse@linnet.example']");
}

/* ---- small questions ---- */

static void pings_are_answered_by_the_host_and_for_the_own_account(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(ask(c, DOMAIN, "<ping xmlns='urn:xmpp:ping'/>"), "iq[@type='result'][@from='" DOMAIN "'][not(*)]");
    expect_answer(ask(c, NULL, "<ping xmlns='urn:xmpp:ping'/>"), "iq[@type='result'][not(*)]");
    expect_answer(ask(c, c->bare, "<ping xmlns='urn:xmpp:ping'/>"), "iq[@type='result']");
}

static void the_host_tells_its_name_and_version(void **state)
{
    const struct node *answer = ask(harness_login(*state), DOMAIN, "<query xmlns='jabber:iq:version'/>");

    expect_answer(answer, "iq[@type='result']/query[@xmlns='jabber:iq:version'][version]/name[.='linnet']");
    assert_true(strlen(node_text(answer, "iq/query/version")) > 0);
}

static void the_host_tells_the_time(void **state)
{
    const struct node *answer = ask(harness_login(*state), DOMAIN, "<time xmlns='urn:xmpp:time'/>");
    struct tm tm = {0};

    expect_answer(answer, "iq[@type='result']/time[@xmlns='urn:xmpp:time'][tzo]/utc");
    assert_non_null(strptime(node_text(answer, "iq/time/utc"), "%Y-%m-%dT%H:%M:%S", &tm));
    assert_true(labs((long)(timegm(&tm) - time(NULL))) <= 2);
}

static void the_host_tells_its_uptime(void **state)
{
    const struct node *answer = ask(harness_login(*state), DOMAIN, "<query xmlns='jabber:iq:last'/>");

    expect_answer(answer, "iq[@type='result']/query[@seconds]");
    assert_true(atoi(node_attr(node_find(answer, "iq/query"), "seconds")) < 600);
}

static void the_last_activity_of_an_account_is_told_to_its_contacts_only(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *juliet = client_login(h, a, "one", 0), *romeo = harness_login(h), *stranger = harness_login(h);
    static const char query[] = "<query xmlns='jabber:iq:last'/>";

    client_befriend(juliet, romeo);
    expect_answer(ask(romeo, juliet->bare, query), "iq[@type='result']/query[@seconds='0']");
    char *here = node_describe(ask(stranger, juliet->bare, query));
    assert_non_null(strstr(here, "type='error'"));
    free(here);
    client_send(juliet, "<presence type='unavailable'><status>gone fishing</status></presence>");
    client_expect(romeo, "presence[@type='unavailable']");
    client_logout(juliet);
    expect_answer(ask(romeo, a->jid, query), "iq[@type='result']/query[@seconds][.='gone fishing']");
    expect_answer(ask(stranger, a->jid, query), "iq[@type='error']");
    expect_answer(ask(stranger, harness_nobody(h), query), "iq[@type='error']");
}

/* ---- what is kept for the client ---- */

static void private_xml_is_kept_by_its_namespace_and_for_its_owner_only(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *c = client_login(h, a, "one", 0), *other = harness_login(h);
    static const char get[] = "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>";

    expect_answer(ask(c, NULL, get), "iq[@type='result']/query/storage[@xmlns='storage:bookmarks'][not(*)]");
    expect_answer(client_request(c, "set", NULL,
                                 "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>"
                                 "<conference jid='a@b.example' name='&lt;&amp;'/></storage></query>"),
                  "iq[@type='result']");
    expect_answer(client_request(c, "set", NULL,
                                 "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'><a/></exodus></query>"),
                  "iq[@type='result']");
    client_logout(c);
    harness_stop(h);
    harness_start(h);
    c = client_login(h, a, "two", 0);
    expect_answer(ask(c, NULL, get),
                  "iq[@type='result']/query/storage[@xmlns='storage:bookmarks']/conference[@name='<&']");
    expect_answer(ask(c, NULL, "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query>"),
                  "iq[@type='result']/query/exodus/a");
    other = harness_login(h);
    expect_answer(ask(other, a->jid, get), "iq[@type='error']");
    expect_answer(ask(other, NULL, get), "iq[@type='result']/query/storage[not(*)]");
    expect_answer(ask(c, NULL, "<query xmlns='jabber:iq:private'/>"), "iq[@type='error']");
}

static void a_vcard_is_set_by_its_owner_and_read_by_everybody(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *c = client_login(h, a, "one", 0), *other = harness_login(h);
    static const char get[] = "<vCard xmlns='vcard-temp'/>";
    const struct node *answer = ask(c, NULL, get);

    assert_true(node_matches(answer, "iq[@type='result']") || node_matches(answer, "iq/error/item-not-found"));
    expect_answer(client_request(c, "set", NULL, "<vCard xmlns='vcard-temp'><FN>Juliet &amp; Co</FN></vCard>"),
                  "iq[@type='result']");
    expect_answer(ask(c, NULL, get), "iq[@type='result']/vCard[@xmlns='vcard-temp']/FN[.='Juliet & Co']");
    expect_answer(ask(other, a->jid, get), "iq[@type='result'][@from]/vCard/FN[.='Juliet & Co']");
    expect_answer(client_request(other, "set", a->jid, "<vCard xmlns='vcard-temp'><FN>Evil</FN></vCard>"),
                  "iq[@type='error']");
    client_logout(c); /* also while she is away */
    expect_answer(ask(other, a->jid, get), "iq[@type='result']/vCard/FN[.='Juliet & Co']");
}

static void a_vcard_over_the_limit_is_refused_and_the_old_one_stays(void **state)
{
    struct client *c = harness_login(*state);
    char *big = calloc(1, 5001);

    memset(big, 'A', 5000); /* limits.vcard_bytes = 4096 */
    expect_answer(client_request(c, "set", NULL, "<vCard xmlns='vcard-temp'><FN>small</FN></vCard>"),
                  "iq[@type='result']");
    expect_answer(
        client_request(c, "set", NULL, "<vCard xmlns='vcard-temp'><PHOTO><BINVAL>%s</BINVAL></PHOTO></vCard>", big),
        "iq[@type='error']/error/*");
    expect_answer(ask(c, NULL, "<vCard xmlns='vcard-temp'/>"), "iq/vCard/FN[.='small']");
    free(big);
}

/* ---- accounts: XEP-0077 ---- */

/* A stream inside TLS to a host of that name; its features are in r->features. */
static struct raw *secure_to(struct harness *h, const char *host)
{
    struct raw *r = raw_connect(h, HARNESS_DIRECT_TLS);

    assert_true(raw_start_tls(r, &(struct raw_tls){.sni = host}));
    raw_open(r, host);
    raw_expect_header(r);
    r->features = raw_expect(r, "features");
    return r;
}

static const struct node *register_with(struct raw *r, const char *user, const char *password)
{
    raw_send(r,
             "<iq type='set' id='reg'><query xmlns='" NS_REGISTER
             "'><username>%s</username><password>%s</password></query></iq>",
             user, password);
    return raw_expect(r, "iq[@id='reg']");
}

static void registering_is_closed_where_it_was_not_opened(void **state)
{
    struct raw *r = secure_to(*state, DOMAIN);

    assert_false(node_matches(r->features, "features/register[@xmlns='http://jabber.org/features/iq-register']"));
    raw_send(r, "<iq type='get' id='g'><query xmlns='" NS_REGISTER "'/></iq>");
    const struct node *answer = raw_expect(r, "*");
    assert_true(node_matches(answer, "iq[@type='error'][@id='g']") || node_matches(answer, "error/not-authorized"));
    raw_free(&r);
}

static void a_stranger_makes_an_account_where_that_is_open_and_logs_in(void **state)
{
    struct harness *h = *state;
    struct raw *r = secure_to(h, OPEN);
    char user[40], plain[100], *encoded;

    snprintf(user, sizeof(user), "new%u", ++h->names);
    assert_true(node_matches(r->features, "features/register[@xmlns='http://jabber.org/features/iq-register']"));
    raw_send(r, "<iq type='get' id='g' to='" OPEN "'><query xmlns='" NS_REGISTER "'/></iq>");
    raw_expect(r, "iq[@type='result'][@id='g']/query[@xmlns='" NS_REGISTER "'][username]/password");
    expect_answer(register_with(r, "", "x"), "iq[@type='error']/error/*");
    expect_answer(register_with(r, user, ""), "iq[@type='error']/error/*");
    expect_answer(register_with(r, "a b", "x"), "iq[@type='error']/error/*");
    expect_answer(register_with(r, user, "pass"), "iq[@type='result']");
    expect_answer(register_with(r, user, "other"),
                  "iq[@type='error']/error/*"); /* conflict: it exists, or once a stream */
    int len = snprintf(plain, sizeof(plain), "%c%s%cpass", 0, user, 0);
    encoded = base64_encode(plain, (size_t)len);
    raw_send(r, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", encoded);
    free(encoded);
    raw_expect(r, "success");
    raw_free(&r);
    r = secure_to(h, OPEN);
    expect_answer(register_with(r, user, "takeover"), "iq[@type='error']/error/conflict");
    raw_free(&r);
}

static void one_address_makes_only_so_many_accounts(void **state)
{
    struct harness *h = *state;
    bool was_refused = false;

    for (int i = 0; i < 5 && !was_refused; i++) { /* registration.per_address_per_hour = 3 */
        struct raw *r = secure_to(h, OPEN);
        char user[40];

        snprintf(user, sizeof(user), "many%u", ++h->names);
        was_refused = node_matches(register_with(r, user, "pass"), "iq[@type='error']/error/*");
        assert_true(was_refused || i < 3);
        raw_free(&r);
    }
    assert_true(was_refused);
}

static void a_user_changes_the_password_and_other_sessions_end(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);
    struct raw *warm = raw_login(h, a, "plain"); /* the PLAIN login is remembered now */

    expect_answer(client_request(one, "set", NULL,
                                 "<query xmlns='" NS_REGISTER "'><username>%s</username>"
                                 "<password>changed</password></query>",
                                 a->user),
                  "iq[@type='result']");
    client_expect_closed(two, "reset");
    raw_skip_to(warm, "error/reset");
    raw_free(&warm);
    client_barrier(one);
    struct client *old = client_connect(h, a->jid, a->password, 0);
    assert_false(client_wait_login(old));
    struct raw *r = raw_secure(h, NULL);
    char plain[200], *encoded;
    int len = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, a->user, 0, a->password);
    encoded = base64_encode(plain, (size_t)len);
    raw_send(r, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", encoded);
    raw_expect(r, "failure/not-authorized");
    free(encoded);
    raw_free(&r);
    struct client *new = client_connect(h, a->jid, "changed", 0);
    assert_true(client_wait_login(new));
}

static void nobody_changes_the_password_of_another(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h), *b = harness_account(h);
    struct client *c = client_login(h, a, "one", 0);

    expect_answer(client_request(c, "set", NULL,
                                 "<query xmlns='" NS_REGISTER "'><username>%s</username><password>x</password></query>",
                                 b->user),
                  "iq[@type='error']/error/*");
    expect_answer(client_request(c, "set", b->jid, "<query xmlns='" NS_REGISTER "'><remove/></query>"),
                  "iq[@type='error']/error/*");
    client_login(h, b, "one", 0);
}

static void an_account_that_is_removed_leaves_nothing_behind(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0), *romeo = harness_login(h);

    client_befriend(one, romeo);
    client_request(one, "set", NULL, "<vCard xmlns='vcard-temp'><FN>gone soon</FN></vCard>");
    client_send(one, "<iq type='set' id='bye'><query xmlns='" NS_REGISTER "'><remove/></query></iq>");
    client_expect_closed(two, "not-authorized"); /* XEP-0077 section 3.2 */
    client_expect_any(one, "iq[@type='result'][@id='bye']");
    client_expect_closed(one, "not-authorized");
    client_expect_any(romeo, "presence[@type='unavailable'][@from='%s']", one->jid);
    client_expect_any(romeo, "presence[@type='unsubscribed'][@from='%s']", a->jid);
    expect_answer(client_request(romeo, "get", NULL, "<query xmlns='jabber:iq:roster'/>"), "iq[@type='result']/query");
    struct client *again = client_connect(h, a->jid, a->password, 0);
    assert_false(client_wait_login(again));
    /* Whoever gets the name next inherits nothing. */
    const struct account *next = harness_account_named(h, a->user, DOMAIN, "another");
    struct client *heir = client_login(h, next, "one", 0);
    assert_null(node_find(client_request(heir, "get", NULL, "<query xmlns='jabber:iq:roster'/>"), "iq/query/item"));
    assert_false(node_matches(ask(heir, NULL, "<vCard xmlns='vcard-temp'/>"), "iq/vCard/FN"));
}

static void a_module_that_is_off_on_a_host_answers_nobody_there(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account_named(h, "plain", "few.example", NULL);
    struct client *c = client_login(h, a, "one", 0);

    expect_answer(ask(c, "few.example", "<query xmlns='jabber:iq:version'/>"),
                  "iq[@type='error']/error/service-unavailable");
    expect_answer(ask(c, "few.example", "<query xmlns='" NS_INFO "'/>"),
                  "iq[@type='result'][not(query/feature[@var='jabber:iq:version'])]/query");
    expect_answer(ask(c, DOMAIN, "<query xmlns='jabber:iq:version'/>"), "iq[@type='result']/query/name");
}

int main(void)
{
    static const char *const settings[] = {"limits.vcard_bytes = 4096", NULL};
    static const struct harness_options options = {
        .settings = settings,
        .tables = "[host.contact]\nabuse = [\"mailto:abuse@linnet.example\", \"xmpp:abuse@linnet.example\"]\n"
                  "admin = [\"mailto:admin@linnet.example\"]\n"
                  "\n[[host]]\nname = \"" OPEN "\"\n[host.registration]\nopen = true\nper_address_per_hour = 3\n"
                  "\n[[host]]\nname = \"few.example\"\nmodules = [\"disco\", \"ping\"]\n"};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_host_says_what_it_is_and_can),
        HARNESS_TEST(the_own_account_is_discovered_and_that_of_a_stranger_looks_like_none),
        HARNESS_TEST(the_capabilities_of_the_server_are_what_their_hash_says),
        HARNESS_TEST(the_host_tells_where_its_people_are_reached),
        HARNESS_TEST(pings_are_answered_by_the_host_and_for_the_own_account),
        HARNESS_TEST(the_host_tells_its_name_and_version),
        HARNESS_TEST(the_host_tells_the_time),
        HARNESS_TEST(the_host_tells_its_uptime),
        HARNESS_TEST(the_last_activity_of_an_account_is_told_to_its_contacts_only),
        HARNESS_TEST(private_xml_is_kept_by_its_namespace_and_for_its_owner_only),
        HARNESS_TEST(a_vcard_is_set_by_its_owner_and_read_by_everybody),
        HARNESS_TEST(a_vcard_over_the_limit_is_refused_and_the_old_one_stays),
        HARNESS_TEST(registering_is_closed_where_it_was_not_opened),
        HARNESS_TEST(a_stranger_makes_an_account_where_that_is_open_and_logs_in),
        HARNESS_TEST(one_address_makes_only_so_many_accounts),
        HARNESS_TEST(a_user_changes_the_password_and_other_sessions_end),
        HARNESS_TEST(nobody_changes_the_password_of_another),
        HARNESS_TEST(an_account_that_is_removed_leaves_nothing_behind),
        HARNESS_TEST(a_module_that_is_off_on_a_host_answers_nobody_there),
    };

    return harness_run_tests("modules", tests, &options);
}
