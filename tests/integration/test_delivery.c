/* tests/integration/test_delivery.c - every row of docs/delivery-rules.md, by the numbers it has there: what becomes of
 * a stanza, by its type, its address, and what the addressed account has. */
#include "client.h"
#include "raw.h"

enum { RESOURCES_MAX = 4, OUTCOME_MAX = 100 };

/* Romeo, who sends, and an account with some resources, to which he sends. They are strangers to each other. */
struct cast {
    struct harness *h;
    struct client *romeo;
    const struct account *juliet;
    struct client *resources[RESOURCES_MAX];
    size_t n_resources;
    unsigned sent;   /* messages so far; each has the id m<number> */
    unsigned stored; /* how many of them should be waiting for the next login */
    unsigned stored_ids[OUTCOME_MAX];
};

/* resources: "balcony:1 cellar:-1 attic": a name, and the priority of its presence; without one it sends none. */
static struct cast make_cast(void **state, const char *resources)
{
    struct cast c = {.h = *state};
    char *copy = strdup(resources), *rest = copy, *name;

    c.romeo = harness_login(c.h);
    c.juliet = harness_account(c.h);
    while ((name = strsep(&rest, " ")) != NULL && *name != '\0') {
        char *priority = strchr(name, ':');
        struct client *r;

        if (priority != NULL)
            *priority++ = '\0';
        r = client_login(c.h, c.juliet, name, 0);
        if (priority != NULL)
            client_go_online(r, atoi(priority));
        c.resources[c.n_resources++] = r;
    }
    free(copy);
    for (size_t i = 0; i < c.n_resources; i++) {
        client_barrier(c.resources[i]); /* the others' presence */
        client_drain(c.resources[i]);
    }
    return c;
}

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    const char *at = strstr(words, word);

    return at != NULL && (at == words || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' ');
}

/* Once all that was sent has been dealt with: who has the stanza of that id? outcome: names of the resources that must
 * have it, "refused" for an error to the sender, "stored"; nobody else may have anything. */
static void check(struct cast *c, const char *kind, const char *id, const char *outcome)
{
    char path[200];
    const struct node *error;

    client_barrier_via(c->romeo, c->juliet->jid);
    snprintf(path, sizeof(path), "%s[@id='%s']", kind, id);
    for (size_t i = 0; i < c->n_resources; i++) {
        struct client *r = c->resources[i];

        if (has_word(outcome, strchr(r->jid, '/') + 1))
            client_expect(r, "%s[@id='%s'][@from='%s']", kind, id, c->romeo->jid);
        client_expect_quiet(r);
    }
    if (has_word(outcome, "refused")) {
        error = client_expect(c->romeo, "%s[@id='%s'][@type='error'][@to='%s']", kind, id, c->romeo->jid);
        if (!node_matches(error, "*/error/service-unavailable[@xmlns='urn:ietf:params:xml:ns:xmpp-stanzas']"))
            test_fail("refused with another error: %s", node_describe(error));
    }
    client_expect_quiet(c->romeo);
}

/* type: NULL for none. resource: NULL for the bare JID. */
static void send_message(struct cast *c, const char *type, const char *resource, const char *content)
{
    char *type_attr = type == NULL ? strdup("") : text_format(" type='%s'", type);
    char *to = resource == NULL ? strdup(c->juliet->jid) : text_format("%s/%s", c->juliet->jid, resource);

    client_send(c->romeo, "<message to='%s' id='m%u'%s>%s</message>", to, ++c->sent, type_attr, content);
    free(type_attr);
    free(to);
}

static void message_with(struct cast *c, const char *type, const char *resource, const char *content,
                         const char *outcome)
{
    char id[20];

    send_message(c, type, resource, content);
    snprintf(id, sizeof(id), "m%u", c->sent);
    check(c, "message", id, outcome);
    if (has_word(outcome, "stored"))
        c->stored_ids[c->stored++] = c->sent;
}

static void message(struct cast *c, const char *type, const char *resource, const char *outcome)
{
    const char *content = type != NULL && strcmp(type, "error") == 0
                              ? "<error type='cancel'><item-not-found "
                                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
                              : "<body>hello</body>";

    message_with(c, type, resource, content, outcome);
}

/* Juliet comes online: what should be stored comes, in order, and nothing else. */
static void check_stored(struct cast *c)
{
    struct client *late = client_login(c->h, c->juliet, "late", 0);

    client_send(late, "<presence/>");
    /* What is sent to her now comes behind what was kept for her. */
    client_expect_any(late, "presence[@from='%s']", late->jid);
    for (unsigned i = 0; i < c->stored; i++)
        client_expect(late, "message[@id='m%u'][@from='%s']/delay[@xmlns='urn:xmpp:delay']", c->stored_ids[i],
                      c->romeo->jid);
    client_sync(c->romeo, late);
    client_expect_none(late, "message");
}

/* ---- messages ---- */

static void m1_a_message_to_the_host_is_refused_unless_something_takes_it(void **state)
{
    struct client *romeo = harness_login(*state);

    client_send(romeo, "<message to='" DOMAIN "' id='m'><body>x</body></message>");
    client_expect(romeo, "message[@type='error'][@id='m'][@from='" DOMAIN "']/error/service-unavailable");
    client_send(romeo, "<message to='" DOMAIN "' id='m' type='error'><error type='cancel'/></message>");
    client_expect_quiet(romeo);
}

static void m2_a_message_to_a_connected_resource_is_delivered_whatever_its_type_and_presence(void **state)
{
    static const char *const types[] = {NULL, "normal", "chat", "groupchat", "headline", "error"};
    struct cast c = make_cast(state, "balcony:1 cellar:-1 attic");

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        message(&c, types[i], "balcony", "balcony");
        message(&c, types[i], "cellar", "cellar");
        message(&c, types[i], "attic", "attic");
    }
    check_stored(&c);
}

static void m3_an_error_is_never_answered_stored_or_sent_elsewhere(void **state)
{
    struct cast c = make_cast(state, "balcony:1");
    struct client *romeo = c.romeo;

    message(&c, "error", NULL, "");
    message(&c, "error", "nowhere", "");
    client_send(romeo, "<message to='%s' type='error'><error type='cancel'/></message>", harness_nobody(*state));
    client_expect_quiet(romeo);
    client_logout(c.resources[0]);
    c.n_resources = 0;
    message(&c, "error", NULL, "");
    check_stored(&c);
}

static void m4_a_headline_to_the_bare_jid_of_an_unknown_account_is_dropped(void **state)
{
    struct client *romeo = harness_login(*state);
    const char *nobody = harness_nobody(*state);

    client_send(romeo, "<message to='%s' type='headline'><body>x</body></message>", nobody);
    client_barrier_via(romeo, nobody);
    client_expect_quiet(romeo);
}

static void m5_any_other_message_to_an_unknown_account_is_refused(void **state)
{
    static const char *const types[] = {"normal", "chat", "groupchat"};
    struct client *romeo = harness_login(*state);
    const char *nobody = harness_nobody(*state);

    for (size_t i = 0; i < 3; i++) {
        client_send(romeo, "<message to='%s' type='%s' id='a'><body>x</body></message>", nobody, types[i]);
        client_expect(romeo, "message[@type='error'][@id='a'][@from='%s']/error/service-unavailable", nobody);
        client_send(romeo, "<message to='%s/r' type='%s' id='b'><body>x</body></message>", nobody, types[i]);
        client_expect(romeo, "message[@type='error'][@id='b'][@from='%s/r']/error/service-unavailable", nobody);
    }
    client_send(romeo, "<message to='%s/r' type='headline' id='c'><body>x</body></message>", nobody);
    client_expect(romeo, "message[@type='error'][@id='c'][@from='%s/r']/error/service-unavailable", nobody);
}

static void m6_groupchat_is_refused_where_no_resource_matches(void **state)
{
    struct cast c = make_cast(state, "balcony:1"), offline = make_cast(state, "");

    message(&c, "groupchat", NULL, "refused");
    message(&c, "groupchat", "nowhere", "refused");
    message(&offline, "groupchat", NULL, "refused");
    message(&offline, "groupchat", "nowhere", "refused");
    check_stored(&offline);
}

static void m7_chat_and_normal_to_an_account_without_a_resource_to_take_it_are_stored(void **state)
{
    struct cast offline = make_cast(state, ""), connected = make_cast(state, "attic"),
                negative = make_cast(state, "cellar:-1 attic");

    message(&offline, NULL, NULL, "stored");
    message(&offline, "chat", NULL, "stored");
    message(&offline, "normal", NULL, "stored");
    message(&connected, "chat", NULL, "stored");
    message(&connected, NULL, NULL, "stored");
    message(&negative, "chat", NULL, "stored");
    message(&negative, NULL, NULL, "stored");
    check_stored(&offline);
    check_stored(&connected);
    check_stored(&negative);
}

static void m8_chat_and_normal_go_to_all_resources_of_the_highest_priority(void **state)
{
    struct cast one = make_cast(state, "balcony:0 cellar:-1 attic"),
                several = make_cast(state, "balcony:5 garden:5 orchard:4 cellar:-1");

    message(&one, "chat", NULL, "balcony");
    message(&one, NULL, NULL, "balcony");
    message(&several, "chat", NULL, "balcony garden");
    message(&several, NULL, NULL, "balcony garden");
    /* The priority counts as it is now. */
    client_send(several.resources[2], "<presence><priority>6</priority></presence>");
    for (size_t i = 0; i < several.n_resources; i++)
        client_expect(several.resources[i], "presence[@from='%s']/priority[.='6']", several.resources[2]->jid);
    message(&several, "chat", NULL, "orchard");
    check_stored(&one);
}

static void m9_a_headline_that_nobody_can_take_is_dropped(void **state)
{
    struct cast offline = make_cast(state, ""), negative = make_cast(state, "cellar:-1 attic");

    message(&offline, "headline", NULL, "");
    message(&negative, "headline", NULL, "");
    check_stored(&offline);
    check_stored(&negative);
}

static void m10_a_headline_goes_to_all_resources_with_a_priority_of_0_or_more(void **state)
{
    struct cast c = make_cast(state, "balcony:5 orchard:0 cellar:-1 attic");

    message(&c, "headline", NULL, "balcony orchard");
}

static void m11_chat_to_a_resource_that_is_gone_is_stored_when_no_other_takes_it(void **state)
{
    struct cast offline = make_cast(state, ""), negative = make_cast(state, "cellar:-1");

    message(&offline, "chat", "gone", "stored");
    message(&negative, "chat", "gone", "stored");
    check_stored(&offline);
    check_stored(&negative);
}

static void m12_chat_to_a_resource_that_is_gone_goes_to_those_of_the_highest_priority(void **state)
{
    struct cast c = make_cast(state, "balcony:5 garden:5 orchard:0");

    message(&c, "chat", "gone", "balcony garden");
}

static void m13_normal_and_headline_to_a_resource_that_is_gone_are_refused(void **state)
{
    struct cast c = make_cast(state, "balcony:5"), offline = make_cast(state, "");

    message(&c, "normal", "gone", "refused");
    message(&c, NULL, "gone", "refused");
    message(&c, "headline", "gone", "refused");
    message(&offline, NULL, "gone", "refused");
    message(&offline, "headline", "gone", "refused");
    check_stored(&offline);
}

static void a_message_without_an_address_is_for_the_own_account(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);

    client_go_online(one, 1);
    client_go_online(two, 0);
    client_send(two, "<message id='m' type='chat'><body>to myself</body></message>");
    client_expect(one, "message[@id='m'][@from='%s']", two->jid);
    client_expect_none(two, "message");
}

static void a_type_of_message_that_nobody_knows_counts_as_normal(void **state)
{
    struct cast c = make_cast(state, "balcony:1"), offline = make_cast(state, "");

    message(&c, "letter", NULL, "balcony");
    message(&c, "letter", "gone", "refused");
    message(&offline, "letter", NULL, "stored");
    check_stored(&offline);
}

/* ---- what is worth keeping ---- */

#define ACTIVE   "<active xmlns='http://jabber.org/protocol/chatstates'/>"
#define NO_STORE "<no-store xmlns='urn:xmpp:hints'/>"
#define STORE    "<store xmlns='urn:xmpp:hints'/>"

static void o4_a_chat_state_alone_is_not_stored(void **state)
{
    struct cast c = make_cast(state, "");

    message_with(&c, "chat", NULL, ACTIVE, "");
    message_with(&c, "chat", NULL, ACTIVE "<thread>t</thread>", "");
    message_with(&c, "chat", NULL, "<body>x</body>" ACTIVE, "stored");
    check_stored(&c);
}

static void o1_and_o2_what_may_not_be_stored_is_refused_when_somebody_would_miss_it(void **state)
{
    struct cast c = make_cast(state, "");

    message_with(&c, "chat", NULL, "<body>secret</body>" NO_STORE, "refused");
    message_with(&c, "chat", NULL, ACTIVE NO_STORE, "");
    check_stored(&c);
}

static void o3_and_o5_a_message_without_a_body_is_stored_when_it_has_content_or_asks_for_it(void **state)
{
    struct cast c = make_cast(state, "");

    message_with(&c, "chat", NULL, "", "");
    message_with(&c, "chat", NULL, ACTIVE STORE, "stored");
    message_with(&c, NULL, NULL, "<subject>x</subject>", "stored");
    message_with(&c, "chat", NULL, "<body>x</body><no-permanent-store xmlns='urn:xmpp:hints'/>", "stored");
    message_with(&c, "chat", NULL, "<received xmlns='urn:xmpp:receipts' id='r'/>", "stored");
    message_with(&c, "chat", NULL, "<x xmlns='urn:example:call'/>" STORE, "stored");
    check_stored(&c);
}

/* ---- presence ---- */

static void presence(struct cast *c, const char *type, const char *resource, const char *outcome)
{
    char *type_attr = type == NULL ? strdup("") : text_format(" type='%s'", type);
    char *to = resource == NULL ? strdup(c->juliet->jid) : text_format("%s/%s", c->juliet->jid, resource);
    char id[20];

    snprintf(id, sizeof(id), "m%u", ++c->sent);
    client_send(c->romeo, "<presence to='%s' id='%s'%s/>", to, id, type_attr);
    free(type_attr);
    free(to);
    check(c, "presence", id, outcome);
}

static void p1_presence_of_a_type_that_nobody_knows_is_a_bad_request(void **state)
{
    struct client *romeo = harness_login(*state);

    client_send(romeo, "<presence type='rehearsing' id='p'/>");
    client_expect(romeo, "presence[@type='error'][@id='p']/error[@type='modify']/bad-request");
    client_send(romeo, "<presence type='rehearsing' id='q' to='%s'/>", romeo->bare);
    client_expect(romeo, "presence[@type='error'][@id='q']/error/bad-request");
}

static void p2_presence_to_the_host_is_taken_in_silence(void **state)
{
    struct client *romeo = harness_login(*state);

    client_send(romeo, "<presence to='" DOMAIN "'/><presence to='" DOMAIN "' type='unavailable'/>");
    client_expect_quiet(romeo);
}

static void p4_presence_without_an_address_that_needs_one_is_dropped(void **state)
{
    static const char *const types[] = {"subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "error"};
    struct client *romeo = harness_login(*state);

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        client_send(romeo, "<presence type='%s'/>", types[i]);
    client_expect_quiet(romeo);
}

static void p5_a_probe_of_an_unknown_account_is_answered_as_one_of_a_stranger(void **state)
{
    struct client *romeo = harness_login(*state), *juliet = harness_login(*state);
    const char *nobody = harness_nobody(*state);

    client_go_online(juliet, 0);
    client_send(romeo, "<presence type='probe' to='%s'/>", nobody);
    client_barrier_via(romeo, nobody);
    client_send(romeo, "<presence type='probe' to='%s'/>", juliet->bare);
    client_barrier_via(romeo, juliet->bare);
    client_barrier(romeo);
    size_t unknown = 0, stranger = 0;
    while (client_count(romeo, "presence") > 0) {
        const struct node *answer = client_expect(romeo, "presence[@type='unsubscribed']");
        if (strcmp(node_attr(answer, "from"), nobody) == 0)
            unknown++;
        else
            stranger++;
    }
    assert_int_equal(unknown, stranger);
}

static void p6_other_presence_to_an_unknown_account_is_dropped(void **state)
{
    static const char *const types[] = {"unavailable", "subscribed", "unsubscribe", "unsubscribed"};
    struct client *romeo = harness_login(*state);
    const char *nobody = harness_nobody(*state);

    client_send(romeo, "<presence to='%s'/>", nobody);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        client_send(romeo, "<presence type='%s' to='%s'/>", types[i], nobody);
    client_barrier_via(romeo, nobody);
    client_expect_none(romeo, "presence");
}

static void p7_directed_presence_reaches_the_resource_it_names(void **state)
{
    struct cast c = make_cast(state, "balcony:1 cellar:-1 attic");

    presence(&c, NULL, "balcony", "balcony");
    presence(&c, "unavailable", "balcony", "balcony");
    presence(&c, NULL, "cellar", "cellar");
    presence(&c, NULL, "attic", "attic");
}

static void p8_and_p9_directed_presence_that_nobody_can_take_is_dropped(void **state)
{
    struct cast c = make_cast(state, "balcony:1"), offline = make_cast(state, ""),
                connected = make_cast(state, "attic");

    presence(&c, NULL, "gone", "");
    presence(&c, "unavailable", "gone", "");
    presence(&offline, NULL, NULL, "");
    presence(&connected, NULL, NULL, "");
    check_stored(&offline);
}

static void p10_directed_presence_to_the_bare_jid_reaches_all_available_resources(void **state)
{
    struct cast c = make_cast(state, "balcony:5 garden:0 cellar:-1 attic");

    presence(&c, NULL, NULL, "balcony garden cellar");
    presence(&c, "unavailable", NULL, "balcony garden cellar");
}

/* ---- iq ---- */

static void iq_answered_by(struct client *c, const char *stanza, const char *id, const char *condition)
{
    const struct node *answer;

    client_send(c, "%s", stanza);
    answer = client_expect(c, "iq[@id='%s']", id);
    if (condition == NULL
            ? strcmp(node_attr(answer, "type"), "result") != 0
            : node_attr(answer, "type") == NULL || strcmp(node_attr(answer, "type"), "error") != 0 ||
                  node_find(answer, "iq/error") == NULL || node_count(node_find(answer, "iq/error"), condition) != 1)
        test_fail("%s was answered by %s", stanza, node_describe(answer));
}

static void q1_an_iq_that_breaks_the_rules_of_its_kind_is_a_bad_request(void **state)
{
    static const char *const list[] = {
        "<iq id='x'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq id='x' type='what'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq id='x' type='get'/>",
        "<iq id='x' type='get'><ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq id='x' type='set' to='" DOMAIN "'/>",
    };
    struct client *romeo = harness_login(*state);

    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
        iq_answered_by(romeo, list[i], "x", "bad-request");
    client_expect_quiet(romeo);
}

static void q1_a_request_without_an_id_is_a_bad_request(void **state)
{
    struct client *romeo = harness_login(*state);

    client_send(romeo, "<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>");
    client_expect(romeo, "iq[@type='error']/error/bad-request");
}

static void q2_a_request_to_the_host_that_nobody_takes_is_refused(void **state)
{
    struct client *romeo = harness_login(*state);

    iq_answered_by(romeo, "<iq id='x' type='get' to='" DOMAIN "'><q xmlns='urn:example:unknown'/></iq>", "x",
                   "service-unavailable");
    iq_answered_by(romeo, "<iq id='y' type='set' to='" DOMAIN "'><q xmlns='urn:example:unknown'/></iq>", "y",
                   "service-unavailable");
    client_send(romeo, "<iq id='r' type='result' to='" DOMAIN "'/><iq id='e' type='error' to='" DOMAIN
                       "'><error type='cancel'/></iq>");
    client_expect_quiet(romeo);
}

static void q3_and_q4_an_unknown_account_refuses_requests_and_drops_answers(void **state)
{
    struct client *romeo = harness_login(*state);
    const char *nobody = harness_nobody(*state);
    static const char *const resources[] = {"", "/r"};

    for (size_t i = 0; i < 2; i++) {
        char *get = text_format("<iq id='g' type='get' to='%s%s'><q xmlns='urn:example'/></iq>", nobody, resources[i]);
        char *set = text_format("<iq id='s' type='set' to='%s%s'><q xmlns='urn:example'/></iq>", nobody, resources[i]);

        iq_answered_by(romeo, get, "g", "service-unavailable");
        iq_answered_by(romeo, set, "s", "service-unavailable");
        client_send(romeo, "<iq id='r' type='result' to='%s%s'/>", nobody, resources[i]);
        client_send(romeo, "<iq id='e' type='error' to='%s%s'><error type='cancel'/></iq>", nobody, resources[i]);
        client_barrier_via(romeo, nobody);
        free(get);
        free(set);
    }
    client_expect_quiet(romeo);
}

static void q5_the_server_answers_for_an_account_and_its_clients_never_see_it(void **state)
{
    struct cast c = make_cast(state, "balcony:1");

    client_send(c.romeo, "<iq id='x' type='get' to='%s'><q xmlns='urn:example:unknown'/></iq>", c.juliet->jid);
    client_expect(c.romeo, "iq[@id='x'][@type='error'][@from='%s']/error/service-unavailable", c.juliet->jid);
    client_send(c.romeo, "<iq id='x' type='result' to='%s'/>", c.juliet->jid);
    client_barrier_via(c.romeo, c.juliet->jid);
    client_expect_quiet(c.resources[0]);
    client_expect_quiet(c.romeo);
    iq_answered_by(c.resources[0], "<iq id='own' type='get'><q xmlns='urn:example:unknown'/></iq>", "own",
                   "service-unavailable");
}

static void q6_a_request_reaches_a_resource_only_when_the_sender_may_know_that_it_is_there(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *juliet = harness_login(h);
    char *gone = text_format("%s/gone", juliet->bare);

    client_go_online(juliet, 0);
    /* To a stranger, a resource that is there looks like one that is not. */
    char *text = text_format("<iq id='a' type='get' to='%s'><q xmlns='urn:example:game'/></iq>", juliet->jid);
    iq_answered_by(romeo, text, "a", "service-unavailable");
    free(text);
    text = text_format("<iq id='b' type='get' to='%s'><q xmlns='urn:example:game'/></iq>", gone);
    iq_answered_by(romeo, text, "b", "service-unavailable");
    free(text);
    client_expect_none(juliet, "iq[@type='get']");
    /* Directed presence shows it. */
    client_send(juliet, "<presence to='%s'/>", romeo->jid);
    client_expect(romeo, "presence[@from='%s']", juliet->jid);
    text = text_format("<iq id='c' type='get' to='%s'><q xmlns='urn:example:game'/></iq>", juliet->jid);
    client_send(romeo, "%s", text);
    free(text);
    client_expect(juliet, "iq[@id='c'][@type='get'][@from='%s']/q[@xmlns='urn:example:game']", romeo->jid);
    client_send(juliet, "<iq id='c' type='result' to='%s'/>", romeo->jid);
    client_expect(romeo, "iq[@id='c'][@type='result'][@from='%s']", juliet->jid);
    free(gone);
}

static void q6_contacts_and_own_resources_exchange_requests(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *juliet = harness_login(h);
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);

    client_befriend(romeo, juliet);
    client_send(romeo, "<iq id='c' type='set' to='%s'><q xmlns='urn:example:game'/></iq>", juliet->jid);
    client_expect(juliet, "iq[@id='c'][@type='set'][@from='%s']", romeo->jid);
    client_send(juliet,
                "<iq id='c' type='error' to='%s'><error type='cancel'><not-allowed "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
                romeo->jid);
    client_expect(romeo, "iq[@id='c'][@type='error'][@from='%s']/error/not-allowed", juliet->jid);
    client_send(one, "<iq id='d' type='get' to='%s'><q xmlns='urn:example:game'/></iq>", two->jid);
    client_expect(two, "iq[@id='d'][@from='%s']", one->jid);
}

static void q7_and_q9_a_resource_that_is_gone_refuses_requests_and_drops_answers(void **state)
{
    struct cast c = make_cast(state, "balcony:1");
    char *text = text_format("<iq id='g' type='get' to='%s/gone'><q xmlns='urn:example'/></iq>", c.juliet->jid);

    iq_answered_by(c.romeo, text, "g", "service-unavailable");
    free(text);
    client_send(c.romeo, "<iq id='r' type='result' to='%s/gone'/>", c.juliet->jid);
    client_send(c.romeo, "<iq id='e' type='error' to='%s/gone'><error type='cancel'/></iq>", c.juliet->jid);
    client_barrier_via(c.romeo, c.juliet->jid);
    client_expect_quiet(c.romeo);
    client_expect_quiet(c.resources[0]);
}

static void q8_answers_reach_the_resource_they_name(void **state)
{
    struct cast c = make_cast(state, "attic");

    client_send(c.romeo, "<iq id='m1' type='result' to='%s/attic'/>", c.juliet->jid);
    check(&c, "iq", "m1", "attic");
}

/* ---- any stanza ---- */

static void a_malformed_address_is_said_to_be_so_but_not_in_answer_to_an_error(void **state)
{
    static const char *const bad[] = {"@" DOMAIN, "a@", "a b@" DOMAIN, "a@b@c/", "a@" DOMAIN "/"};
    struct client *romeo = harness_login(*state);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        client_send(romeo, "<message to='%s' id='m'><body>x</body></message>", bad[i]);
        client_expect(romeo, "message[@type='error'][@id='m']/error[@type='modify']/jid-malformed");
        client_send(romeo, "<iq type='get' to='%s' id='q'><q xmlns='urn:example'/></iq>", bad[i]);
        client_expect(romeo, "iq[@type='error'][@id='q']/error/jid-malformed");
        client_send(romeo, "<presence to='%s' id='p'/>", bad[i]);
        client_expect(romeo, "presence[@type='error'][@id='p']/error/jid-malformed");
        client_send(romeo, "<message to='%s' type='error'><error type='cancel'/></message>", bad[i]);
        client_send(romeo, "<iq to='%s' type='result' id='r'/>", bad[i]);
    }
    client_expect_quiet(romeo);
}

static void a_domain_that_is_not_served_cannot_be_reached(void **state)
{
    struct client *romeo = harness_login(*state);
    const struct node *error;

    client_send(romeo, "<message to='juliet@elsewhere.example' id='m'><body>x</body></message>");
    error = client_expect(romeo, "message[@type='error'][@id='m'][@from='juliet@elsewhere.example']/error/*");
    assert_true(strcmp(error->name, "message") == 0);
    assert_true(node_matches(error, "message/error/remote-server-not-found") ||
                node_matches(error, "message/error/service-unavailable"));
    client_send(romeo, "<message to='juliet@elsewhere.example' type='error'><error type='cancel'/></message>");
    client_expect_quiet(romeo);
}

static void addresses_are_compared_as_they_are_prepared(void **state)
{
    struct cast c = make_cast(state, "Balcony:1");
    char *shouted = strdup(c.juliet->user);

    for (char *p = shouted; *p != '\0'; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    client_send(c.romeo, "<message to='%s@LINNET.Example/Balcony' id='m1' type='chat'><body>x</body></message>",
                shouted);
    check(&c, "message", "m1", "Balcony");
    /* Resources are compared with their case. */
    client_send(c.romeo, "<message to='%s@LINNET.Example/balcony' id='m2'><body>x</body></message>", shouted);
    check(&c, "message", "m2", "refused");
    free(shouted);
}

static void from_is_stamped_and_everything_else_passes_as_it_is(void **state)
{
    struct cast c = make_cast(state, "balcony:1");

    client_send(c.romeo,
                "<message to='%s/balcony' from='%s' type='chat' id='m&amp;1' xml:lang='de' unknown='kept'>"
                "<body>K\xc3\xa4se \xf0\x9f\xa7\x80 &lt;&gt;&amp;&quot;&apos;</body><x xmlns='urn:example:x' y='1'>"
                "<z/>tail</x></message>",
                c.juliet->jid, c.romeo->jid);
    const struct node *m = client_expect(c.resources[0],
                                         "message[@id='m&1'][@from='%s'][@to='%s/balcony']"
                                         "[@xml:lang='de'][@unknown='kept'][@type='chat']",
                                         c.romeo->jid, c.juliet->jid);
    assert_string_equal(node_text(m, "message/body"), "K\xc3\xa4se \xf0\x9f\xa7\x80 <>&\"'");
    assert_true(node_matches(m, "message/x[@xmlns='urn:example:x'][@y='1'][.='tail']/z"));
}

static void a_language_set_on_the_stream_is_that_of_its_stanzas(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *juliet = harness_login(h);
    struct raw *r = raw_secure(h, NULL);
    char plain[200], *encoded;
    int len = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, a->user, 0, a->password);

    encoded = base64_encode(plain, (size_t)len);
    raw_send(r, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", encoded);
    free(encoded);
    raw_expect(r, "success");
    raw_expect_new_stream(r);
    raw_send(r, "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'"
                " xml:lang='pl' to='" DOMAIN "'>");
    raw_expect_header(r);
    raw_expect(r, "features");
    raw_bind(r, NULL);
    raw_send(r, "<message to='%s'><body>1</body></message>", juliet->jid);
    client_expect(juliet, "message[@xml:lang='pl']/body[.='1']");
    raw_send(r, "<message to='%s' xml:lang='cs'><body>2</body></message>", juliet->jid);
    client_expect(juliet, "message[@xml:lang='cs']/body[.='2']");
    raw_free(&r);
}

int main(void)
{
    static const struct harness_options options = {0};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(m1_a_message_to_the_host_is_refused_unless_something_takes_it),
        HARNESS_TEST(m2_a_message_to_a_connected_resource_is_delivered_whatever_its_type_and_presence),
        HARNESS_TEST(m3_an_error_is_never_answered_stored_or_sent_elsewhere),
        HARNESS_TEST(m4_a_headline_to_the_bare_jid_of_an_unknown_account_is_dropped),
        HARNESS_TEST(m5_any_other_message_to_an_unknown_account_is_refused),
        HARNESS_TEST(m6_groupchat_is_refused_where_no_resource_matches),
        HARNESS_TEST(m7_chat_and_normal_to_an_account_without_a_resource_to_take_it_are_stored),
        HARNESS_TEST(m8_chat_and_normal_go_to_all_resources_of_the_highest_priority),
        HARNESS_TEST(m9_a_headline_that_nobody_can_take_is_dropped),
        HARNESS_TEST(m10_a_headline_goes_to_all_resources_with_a_priority_of_0_or_more),
        HARNESS_TEST(m11_chat_to_a_resource_that_is_gone_is_stored_when_no_other_takes_it),
        HARNESS_TEST(m12_chat_to_a_resource_that_is_gone_goes_to_those_of_the_highest_priority),
        HARNESS_TEST(m13_normal_and_headline_to_a_resource_that_is_gone_are_refused),
        HARNESS_TEST(a_message_without_an_address_is_for_the_own_account),
        HARNESS_TEST(a_type_of_message_that_nobody_knows_counts_as_normal),
        HARNESS_TEST(o4_a_chat_state_alone_is_not_stored),
        HARNESS_TEST(o1_and_o2_what_may_not_be_stored_is_refused_when_somebody_would_miss_it),
        HARNESS_TEST(o3_and_o5_a_message_without_a_body_is_stored_when_it_has_content_or_asks_for_it),
        HARNESS_TEST(p1_presence_of_a_type_that_nobody_knows_is_a_bad_request),
        HARNESS_TEST(p2_presence_to_the_host_is_taken_in_silence),
        HARNESS_TEST(p4_presence_without_an_address_that_needs_one_is_dropped),
        HARNESS_TEST(p5_a_probe_of_an_unknown_account_is_answered_as_one_of_a_stranger),
        HARNESS_TEST(p6_other_presence_to_an_unknown_account_is_dropped),
        HARNESS_TEST(p7_directed_presence_reaches_the_resource_it_names),
        HARNESS_TEST(p8_and_p9_directed_presence_that_nobody_can_take_is_dropped),
        HARNESS_TEST(p10_directed_presence_to_the_bare_jid_reaches_all_available_resources),
        HARNESS_TEST(q1_an_iq_that_breaks_the_rules_of_its_kind_is_a_bad_request),
        HARNESS_TEST(q1_a_request_without_an_id_is_a_bad_request),
        HARNESS_TEST(q2_a_request_to_the_host_that_nobody_takes_is_refused),
        HARNESS_TEST(q3_and_q4_an_unknown_account_refuses_requests_and_drops_answers),
        HARNESS_TEST(q5_the_server_answers_for_an_account_and_its_clients_never_see_it),
        HARNESS_TEST(q6_a_request_reaches_a_resource_only_when_the_sender_may_know_that_it_is_there),
        HARNESS_TEST(q6_contacts_and_own_resources_exchange_requests),
        HARNESS_TEST(q7_and_q9_a_resource_that_is_gone_refuses_requests_and_drops_answers),
        HARNESS_TEST(q8_answers_reach_the_resource_they_name),
        HARNESS_TEST(a_malformed_address_is_said_to_be_so_but_not_in_answer_to_an_error),
        HARNESS_TEST(a_domain_that_is_not_served_cannot_be_reached),
        HARNESS_TEST(addresses_are_compared_as_they_are_prepared),
        HARNESS_TEST(from_is_stamped_and_everything_else_passes_as_it_is),
        HARNESS_TEST(a_language_set_on_the_stream_is_that_of_its_stanzas),
    };

    return harness_run_tests("delivery", tests, &options);
}
