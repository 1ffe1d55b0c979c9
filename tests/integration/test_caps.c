/* tests/integration/test_caps.c - what the server finds out about clients: XEP-0115, XEP-0390, and +notify of XEP-0060.
 *
 * That it knows is seen by the events that a client is sent, or not. */
#include "caps_client.h"

#define NS "http://jabber.org/protocol/pubsub"

/* A feature that no other test, nor another round of this one, has. */
static const char *something_new(struct harness *h)
{
    static char name[64];

    snprintf(name, sizeof(name), "urn:test:%s", harness_nobody(h));
    return name;
}

static void publish(struct client *c, const char *node)
{
    const struct node *answer = client_request(c, "set", NULL,
                                               "<pubsub xmlns='" NS "'><publish node='%s'><item id='current'>"
                                               "<x xmlns='urn:x'/></item></publish></pubsub>",
                                               node);

    if (!node_matches(answer, "iq[@type='result']"))
        test_fail("it was not published: %s", node_describe(answer));
}

static void a_hash_is_asked_for_once(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);
    const char *features[] = {"urn:a+notify", something_new(h), NULL};
    char *ver = ver_of(features);

    go_online_with(one, features);
    client_send(two, "<presence>" CAPS "</presence>", ver);
    client_barrier(two);
    publish(one, "urn:a");
    client_expect_any(one, "message/event/items[@node='urn:a']");
    client_expect_any(two, "message/event/items[@node='urn:a']");
    assert_int_equal(client_count(two, "iq[@type='get']"), 0);
    /* What was not asked for is not told. */
    publish(one, "urn:b");
    client_barrier(one);
    client_expect_none(one, "message/event/items[@node='urn:b']");
    free(ver);
}

static void two_that_come_at_once_wait_for_the_answer_of_one(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);
    const char *features[] = {"urn:a+notify", something_new(h), NULL};
    char *ver = ver_of(features), *node = text_format("urn:test:client#%s", ver);

    client_send(one, "<presence>" CAPS "</presence>", ver);
    client_barrier(one);
    client_send(two, "<presence>" CAPS "</presence>", ver);
    client_barrier(two);
    assert_int_equal(client_count(two, "iq[@type='get']"), 0);
    answer_question(one, node, features);
    client_barrier(one);
    publish(one, "urn:a");
    client_expect_any(one, "message/event/items[@node='urn:a']");
    client_expect_any(two, "message/event/items[@node='urn:a']");
    free(ver);
    free(node);
}

static void an_answer_with_another_hash_counts_for_nobody_else(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *liar = client_login(h, a, "liar", 0), *honest = client_login(h, a, "honest", 0);
    const char *features[] = {"urn:a+notify", something_new(h), NULL};
    const char *lie[] = {"urn:b+notify", NULL};
    char *ver = ver_of(features), *node = text_format("urn:test:client#%s", ver);

    client_send(liar, "<presence>" CAPS "</presence>", ver);
    answer_question(liar, node, lie);
    client_barrier(liar);
    client_send(honest, "<presence>" CAPS "</presence>", ver);
    answer_question(honest, node, features);
    client_barrier(honest);
    publish(honest, "urn:a");
    publish(honest, "urn:b");
    client_expect_any(honest, "message/event/items[@node='urn:a']");
    client_expect_any(liar, "message/event/items[@node='urn:b']");
    client_barrier(liar);
    client_expect_none(liar, "message/event/items[@node='urn:a']");
    client_expect_none(honest, "message/event/items[@node='urn:b']");
    free(ver);
    free(node);
}

static void who_does_not_answer_lets_the_next_one_be_asked(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);
    const char *features[] = {"urn:a+notify", something_new(h), NULL};
    char *ver = ver_of(features), *node = text_format("urn:test:client#%s", ver);
    const struct node *q;

    client_send(one, "<presence>" CAPS "</presence>", ver);
    q = client_expect_any(one, "iq[@type='get']/query[@xmlns='" NS_INFO "']");
    client_send(two, "<presence>" CAPS "</presence>", ver);
    client_barrier(two);
    client_send(one,
                "<iq type='error' to='%s' id='%s'><error type='cancel'><item-not-found "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
                one->bare, node_attr(q, "id"));
    answer_question(two, node, features);
    client_barrier(two);
    publish(one, "urn:a");
    client_expect_any(two, "message/event/items[@node='urn:a']");
    free(ver);
    free(node);
}

static void twins_in_an_answer_make_it_worthless(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);
    const char *fresh = something_new(h);
    /* The hash is right, but of an answer that is not well-formed (section 5.4): it must be asked for again. */
    const char *features[] = {"urn:a+notify", fresh, fresh, NULL};
    char *ver = ver_of(features), *node = text_format("urn:test:client#%s", ver);

    go_online_with(one, features);
    client_send(two, "<presence>" CAPS "</presence>", ver);
    answer_question(two, node, features);
    client_barrier(two);
    free(ver);
    free(node);
}

static void the_new_hashes_are_understood_and_preferred(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);
    const char *features[] = {"urn:a+notify", something_new(h), NULL};
    char *input, *info = info_of(features, true, &input), *hash = hash_of(input, EVP_sha256());
    char *node = text_format("urn:xmpp:caps#sha-256.%s", hash);
    char *caps = text_format("<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha3-256'>AAAA</hash>"
                             "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>%s</hash></c>"
                             "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:test' ver='AAAA'/>",
                             hash);

    client_send(one, "<presence>%s</presence>", caps);
    answer_question(one, node, features);
    client_barrier(one);
    client_send(two, "<presence>%s</presence>", caps);
    client_barrier(two);
    publish(one, "urn:a");
    client_expect_any(one, "message/event/items[@node='urn:a']");
    client_expect_any(two, "message/event/items[@node='urn:a']");
    assert_int_equal(client_count(two, "iq[@type='get']"), 0);
    free(input);
    free(info);
    free(hash);
    free(node);
    free(caps);
}

static void capabilities_of_the_old_form_and_unknown_hashes_count_for_one_client(void **state)
{
    static const char *const forms[] = {
        "<c xmlns='http://jabber.org/protocol/caps' node='urn:test:old' ver='1.0'/>",
        "<c xmlns='http://jabber.org/protocol/caps' hash='md2' node='urn:test:old' ver='1.0'/>",
    };
    struct harness *h = *state;

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct client *c = harness_login(h);
        const struct node *q;

        client_send(c, "<presence>%s</presence>", forms[i]);
        q = client_expect_any(c, "iq[@type='get']/query[@xmlns='" NS_INFO "']");
        client_send(c,
                    "<iq type='result' to='%s' id='%s'><query xmlns='" NS_INFO
                    "'><feature var='urn:a+notify'/></query></iq>",
                    c->bare, node_attr(q, "id"));
        client_barrier(c);
        publish(c, "urn:a");
        client_expect_any(c, "message/event/items[@node='urn:a']");
    }
}

static void a_client_that_can_more_is_sent_what_it_has_not_got(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h);
    const char *first[] = {"urn:a+notify", something_new(h), NULL};
    char *fresh = strdup(first[1]);
    const char *second[] = {"urn:a+notify", "urn:b+notify", fresh, NULL};

    publish(c, "urn:a");
    publish(c, "urn:b");
    go_online_with(c, first);
    client_expect_any(c, "message/event/items[@node='urn:a']");
    assert_int_equal(client_count(c, "message/event/items[@node='urn:b']"), 0);
    go_online_with(c, second);
    client_expect_any(c, "message/event/items[@node='urn:b']");
    client_barrier(c);
    client_expect_none(c, "message/event/items[@node='urn:a']");
    free(fresh);
}

/* It is not asked without end, and what it says later is looked at again. */
static void a_client_that_says_something_else_each_time_is_asked_a_few_times(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h);
    const char *features[] = {"urn:a+notify", something_new(h), NULL};
    char *ver = ver_of(features);
    const struct node *q[4];

    for (unsigned i = 0; i < 10; i++)
        client_send(c,
                    "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:test:%s' "
                    "ver='no%u='/></presence>",
                    features[1], i);
    client_barrier(c);
    assert_int_equal(client_count(c, "iq[@type='get']/query[@xmlns='" NS_INFO "']"), 4);
    for (unsigned i = 0; i < 4; i++)
        q[i] = client_expect_any(c, "iq[@type='get']/query[@xmlns='" NS_INFO "']");
    client_send(c, "<presence>" CAPS "</presence>", ver);
    client_barrier(c);
    assert_int_equal(client_count(c, "iq[@type='get']"), 0);
    for (unsigned i = 0; i < 4; i++)
        client_send(c,
                    "<iq type='error' to='%s' id='%s'><error type='cancel'><item-not-found "
                    "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
                    c->bare, node_attr(q[i], "id"));
    go_online_with(c, features);
    publish(c, "urn:a");
    client_expect_any(c, "message/event/items[@node='urn:a']");
    free(ver);
}

/* ---- clients that lose their connection (XEP-0198) ---- */

#define NS_SM "urn:xmpp:sm:3"

/* Logs in, can be resumed, and is online with these features, the server's question answered. Returns the session's id;
 * the caller frees. */
static char *begin_with(struct raw *r, const struct account *a, const char *const *features)
{
    char *input, *info = info_of(features, false, &input), *ver = ver_of(features), *id;
    const struct node *q;

    raw_send(r, "<enable xmlns='" NS_SM "' resume='true'/>");
    id = strdup(node_attr(raw_expect(r, "enabled[@id]"), "id"));
    raw_send(r, "<presence>" CAPS "</presence>", ver);
    q = raw_skip_to(r, "iq[@type='get'][@id]/query[@xmlns='" NS_INFO "']");
    raw_send(r, "<iq type='result' to='%s' id='%s'><query xmlns='" NS_INFO "'>%s</query></iq>", a->jid,
             node_attr(q, "id"), info);
    raw_send(r, "<iq type='get' id='done' to='" DOMAIN "'><ping xmlns='urn:xmpp:ping'/></iq>");
    raw_skip_to(r, "iq[@id='done']");
    free(input);
    free(info);
    free(ver);
    return id;
}

static struct raw *resume(struct harness *h, const struct account *a, const char *id)
{
    struct raw *r = raw_secure(h, NULL);

    raw_plain(r, a);
    /* It says that it has all; what it is sent again is looked for below. */
    raw_send(r, "<resume xmlns='" NS_SM "' previd='%s' h='0'/>", id);
    raw_expect(r, "resumed[@previd='%s']", id);
    return r;
}

static void lose(struct harness *h, struct raw **r, const char *jid)
{
    size_t mark = harness_log_mark(h);

    raw_free(r);
    free(harness_log_wait(h, mark, "session.hibernating", jid));
}

static void events_wait_for_a_client_that_lost_its_connection(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *other = client_login(h, a, "other", 0);
    struct raw *r = raw_login(h, a, "device");
    const char *features[] = {"urn:a+notify", something_new(h), NULL};
    char *id = begin_with(r, a, features), *jid = strdup(r->jid);

    lose(h, &r, jid);
    publish(other, "urn:a");
    r = resume(h, a, id);
    raw_skip_to(r, "message[@to='%s'][delay]/event/items[@node='urn:a']", jid);
    raw_free(&r);
    free(id);
    free(jid);
}

static void what_a_client_wants_is_found_out_again_after_a_restart(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *other = client_login(h, a, "other", 0);
    struct raw *r = raw_login(h, a, "device");
    const char *features[] = {"urn:a+notify", something_new(h), NULL};
    char *input, *info = info_of(features, false, &input), *id, *jid;
    const struct node *q;

    publish(other, "urn:a");
    id = begin_with(r, a, features);
    jid = strdup(r->jid);
    lose(h, &r, jid);
    client_forget_all(h);
    harness_stop(h);
    harness_start(h);
    r = resume(h, a, id);
    q = raw_skip_to(r, "iq[@type='get'][not(@id='done')]/query[@xmlns='" NS_INFO "']");
    while (q != NULL && node_attr(q, "id") == NULL)
        q = raw_skip_to(r, "iq[@type='get']/query[@xmlns='" NS_INFO "']");
    raw_send(r, "<iq type='result' to='%s' id='%s'><query xmlns='" NS_INFO "'>%s</query></iq>", a->jid,
             node_attr(q, "id"), info);
    raw_skip_to(r, "message[@to='%s'][delay]/event/items[@node='urn:a']", jid);
    raw_free(&r);
    free(input);
    free(info);
    free(id);
    free(jid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_hash_is_asked_for_once),
        HARNESS_TEST(two_that_come_at_once_wait_for_the_answer_of_one),
        HARNESS_TEST(an_answer_with_another_hash_counts_for_nobody_else),
        HARNESS_TEST(who_does_not_answer_lets_the_next_one_be_asked),
        HARNESS_TEST(twins_in_an_answer_make_it_worthless),
        HARNESS_TEST(the_new_hashes_are_understood_and_preferred),
        HARNESS_TEST(capabilities_of_the_old_form_and_unknown_hashes_count_for_one_client),
        HARNESS_TEST(a_client_that_can_more_is_sent_what_it_has_not_got),
        HARNESS_TEST(a_client_that_says_something_else_each_time_is_asked_a_few_times),
        HARNESS_TEST(events_wait_for_a_client_that_lost_its_connection),
        HARNESS_TEST(what_a_client_wants_is_found_out_again_after_a_restart),
    };

    return harness_run_tests("caps", tests, &(struct harness_options){0});
}
