/* tests/integration/test_presence.c - who sees whom: RFC 6121 sections 3 and 4, and rows S1 to S25 of
 * docs/delivery-rules.md. */
#include "client.h"
#include "raw.h"

#define GET "<query xmlns='jabber:iq:roster'/>"

static void become_interested(struct client *c)
{
    assert_true(node_matches(client_request(c, "get", NULL, GET), "iq[@type='result']"));
}

/* Online and interested, with an empty queue. */
static struct client *user(struct harness *h)
{
    struct client *c = harness_login(h);

    become_interested(c);
    client_go_online(c, 0);
    return c;
}

static void send_presence(struct client *c, const char *type, const char *to)
{
    client_send(c, "<presence type='%s' to='%s'/>", type, to);
}

/* The item in the roster of `c` for `jid` must match, or with NULL not be there. */
static void check_item(struct client *c, const char *jid, const char *conditions)
{
    const struct node *answer = client_request(c, "get", NULL, GET);
    char *path = text_format("iq/query/item[@jid='%s']%s", jid, conditions == NULL ? "" : conditions);

    if (node_matches(answer, path) != (conditions != NULL))
        test_fail("%s has in the roster of %s not %s but %s", jid, c->bare, conditions, node_describe(answer));
    free(path);
}

/* ---- the whole subscription ---- */

static void a_subscription_is_asked_for_granted_and_seen_by_both(void **state)
{
    struct harness *h = *state;
    struct client *romeo = user(h), *juliet = user(h);

    send_presence(romeo, "subscribe", juliet->bare); /* S2, S13 */
    client_expect(romeo, "iq[@type='set']/query/item[@jid='%s'][@subscription='none'][@ask='subscribe']", juliet->bare);
    client_expect(juliet, "presence[@type='subscribe'][@from='%s'][@to='%s']", romeo->bare, juliet->bare);
    check_item(juliet, romeo->bare, NULL); /* a request alone is no roster item: section 2.1.2.2 */
    client_expect_none(juliet, "iq[@type='set']");
    send_presence(juliet, "subscribed", romeo->bare); /* S6, S20 */
    client_expect(juliet, "iq[@type='set']/query/item[@jid='%s'][@subscription='from']", romeo->bare);
    client_expect_any(romeo, "iq[@type='set']/query/item[@jid='%s'][@subscription='to'][not(@ask)]", juliet->bare);
    client_expect(romeo, "presence[@type='subscribed'][@from='%s']", juliet->bare);
    client_expect(romeo, "presence[@from='%s'][not(@type)]", juliet->jid);
    client_expect_quiet(romeo);
    send_presence(juliet, "subscribe", romeo->bare);
    client_expect(juliet, "iq[@type='set']/query/item[@jid='%s'][@subscription='from'][@ask='subscribe']", romeo->bare);
    client_expect(romeo, "presence[@type='subscribe'][@from='%s']", juliet->bare);
    send_presence(romeo, "subscribed", juliet->bare);
    client_expect_any(romeo, "iq[@type='set']/query/item[@jid='%s'][@subscription='both']", juliet->bare);
    client_expect_any(juliet, "iq[@type='set']/query/item[@jid='%s'][@subscription='both'][not(@ask)]", romeo->bare);
    client_expect(juliet, "presence[@type='subscribed'][@from='%s']", romeo->bare);
    client_expect(juliet, "presence[@from='%s'][not(@type)]", romeo->jid);
}

static void a_subscription_request_keeps_what_it_says_and_loses_its_resources(void **state)
{
    struct harness *h = *state;
    struct client *romeo = user(h), *juliet = user(h);

    client_send(romeo, "<presence type='subscribe' to='%s' id='r1'><status>It is the east</status></presence>",
                juliet->jid);
    client_expect(juliet, "presence[@type='subscribe'][@from='%s'][@to='%s'][@id='r1']/status[.='It is the east']",
                  romeo->bare, juliet->bare);
}

static void a_refused_request_is_over(void **state)
{
    struct harness *h = *state;
    struct client *romeo = user(h), *juliet = user(h);

    send_presence(romeo, "subscribe", juliet->bare);
    client_expect(juliet, "presence[@type='subscribe']");
    send_presence(juliet, "unsubscribed", romeo->bare); /* S9, S22 */
    client_expect(romeo, "presence[@type='unsubscribed'][@from='%s']", juliet->bare);
    check_item(romeo, juliet->bare, "[@subscription='none'][not(@ask)]");
    check_item(juliet, romeo->bare, NULL);
    client_expect_none(romeo, "presence[@from='%s']", juliet->jid);
}

static void an_existing_subscription_is_cancelled_by_the_contact(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *juliet = harness_login(h);

    client_befriend(romeo, juliet);
    send_presence(juliet, "unsubscribed", romeo->bare); /* S10, S22 */
    client_expect(romeo, "presence[@type='unavailable'][@from='%s']", juliet->jid);
    client_expect(romeo, "presence[@type='unsubscribed'][@from='%s']", juliet->bare);
    client_expect_any(romeo, "iq[@type='set']/query/item[@jid='%s'][@subscription='from']", juliet->bare);
    client_expect(juliet, "iq[@type='set']/query/item[@jid='%s'][@subscription='to']", romeo->bare);
    client_send(juliet, "<presence><show>away</show></presence>");
    client_expect_any(juliet, "presence[@from='%s']/show", juliet->jid);
    client_barrier_via(juliet, romeo->bare);
    client_expect_none(romeo, "presence");
}

static void a_subscription_is_given_up_by_the_user(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *juliet = harness_login(h);

    client_befriend(romeo, juliet);
    send_presence(romeo, "unsubscribe", juliet->bare); /* S4, S18 */
    client_expect(romeo, "iq[@type='set']/query/item[@jid='%s'][@subscription='from']", juliet->bare);
    client_expect(juliet, "presence[@type='unsubscribe'][@from='%s']", romeo->bare);
    client_expect_any(juliet, "iq[@type='set']/query/item[@jid='%s'][@subscription='to']", romeo->bare);
    client_expect(romeo, "presence[@type='unavailable'][@from='%s']", juliet->jid);
    check_item(romeo, juliet->bare, "[@subscription='from']");
    check_item(juliet, romeo->bare, "[@subscription='to']");
}

static void a_withdrawn_request_is_forgotten(void **state)
{
    struct harness *h = *state;
    struct client *romeo = user(h);
    const struct account *a = harness_account(h);

    send_presence(romeo, "subscribe", a->jid);
    send_presence(romeo, "unsubscribe", a->jid); /* S17 */
    client_barrier_via(romeo, a->jid);
    struct client *juliet = client_login(h, a, "one", 0);
    become_interested(juliet);
    client_go_online(juliet, 0);
    client_sync(romeo, juliet);
    client_expect_none(juliet, "presence[@type='subscribe']");
    check_item(romeo, a->jid, "[@subscription='none'][not(@ask)]");
}

static void removing_a_contact_ends_both_directions(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *juliet = harness_login(h);

    client_befriend(romeo, juliet);
    client_request(juliet, "set", NULL,
                   "<query xmlns='jabber:iq:roster'><item jid='%s' subscription='remove'/></query>",
                   romeo->bare); /* S25 */
    client_expect_any(juliet, "iq[@type='set']/query/item[@jid='%s'][@subscription='remove']", romeo->bare);
    client_expect_any(romeo, "presence[@type='unsubscribe'][@from='%s']", juliet->bare);
    client_expect_any(romeo, "presence[@type='unsubscribed'][@from='%s']", juliet->bare);
    client_expect_any(romeo, "presence[@type='unavailable'][@from='%s']", juliet->jid);
    client_expect_any(juliet, "presence[@type='unavailable'][@from='%s']", romeo->jid);
    check_item(romeo, juliet->bare, "[@subscription='none']");
    check_item(juliet, romeo->bare, NULL);
    client_send(romeo, "<presence><show>dnd</show></presence>");
    client_expect_any(romeo, "presence[@from='%s']/show", romeo->jid);
    client_barrier_via(romeo, juliet->bare);
    client_expect_none(juliet, "presence[@from='%s']", romeo->jid);
}

static void answers_to_nothing_are_ignored(void **state)
{
    static const char *const types[] = {"subscribed", "unsubscribed", "unsubscribe"}; /* S12, S19, S21, S23 */
    struct harness *h = *state;
    struct client *romeo = user(h), *juliet = user(h);

    send_presence(romeo, "unsubscribed", juliet->bare);
    send_presence(romeo, "unsubscribe", juliet->bare);
    client_barrier_via(romeo, juliet->bare);
    client_expect_none(juliet, "presence[@type='unsubscribed']");
    check_item(juliet, romeo->bare, NULL);
    /* `subscribed` without a request is a pre-approval: nothing leaves. */
    send_presence(romeo, "subscribed", juliet->bare);
    client_barrier_via(romeo, juliet->bare);
    client_expect_none(juliet, "presence[@type='subscribed']");
    check_item(juliet, romeo->bare, NULL);
    for (size_t i = 0; i < 3; i++) /* S1 */
        send_presence(romeo, types[i], romeo->bare);
    send_presence(romeo, "subscribe", romeo->bare);
    client_expect_none(romeo, "presence[@from='%s']", romeo->bare);
    check_item(romeo, romeo->bare, NULL);
}

static void who_is_subscribed_already_is_told_so_again(void **state)
{
    struct harness *h = *state;
    struct client *romeo = harness_login(h), *juliet = harness_login(h);

    client_befriend(romeo, juliet);
    send_presence(romeo, "subscribe",
                  juliet->bare); /* S3, S15; romeo is subscribed: his server need not act on the answer */
    client_barrier_via(romeo, juliet->bare);
    client_expect_none(juliet, "presence[@type='subscribe']");
    check_item(romeo, juliet->bare, "[@subscription='both']");
}

static void a_request_repeated_while_it_waits_is_shown_once(void **state)
{
    struct harness *h = *state;
    struct client *romeo = user(h), *juliet = user(h);

    send_presence(romeo, "subscribe", juliet->bare);
    send_presence(romeo, "subscribe", juliet->bare); /* S14 */
    client_barrier_via(romeo, juliet->bare);
    client_expect(juliet, "presence[@type='subscribe']");
    client_expect_none(juliet, "presence[@type='subscribe']");
}

/* ---- requests that wait ---- */

static void a_request_waits_for_the_contact_at_every_login_until_it_is_answered(void **state)
{
    struct harness *h = *state;
    struct client *romeo = user(h);
    const struct account *a = harness_account(h);
    struct client *juliet;

    client_send(romeo, "<presence type='subscribe' to='%s'><status>please</status></presence>", a->jid);
    client_barrier_via(romeo, a->jid);
    for (int i = 0; i < 2; i++) {
        juliet = client_login(h, a, "one", 0);
        client_go_online(juliet, i == 0 ? 0 : -1);
        client_expect_any(juliet, "presence[@type='subscribe'][@from='%s']/status[.='please']", romeo->bare);
        client_logout(juliet);
    }
    client_logout(romeo);
    harness_stop(h);
    harness_start(h);
    juliet = client_login(h, a, "one", 0);
    become_interested(juliet);
    check_item(juliet, romeo->bare, NULL);
    client_go_online(juliet, 0);
    client_expect_any(juliet, "presence[@type='subscribe'][@from='%s']/status[.='please']", romeo->bare);
    struct client *second = client_login(h, a, "two", 0); /* each resource that becomes available */
    client_go_online(second, 0);
    client_expect_any(second, "presence[@type='subscribe'][@from='%s']", romeo->bare);
    send_presence(juliet, "subscribed", romeo->bare);
    client_expect_any(juliet, "iq[@type='set']/query/item[@jid='%s'][@subscription='from']", romeo->bare);
    client_logout(second);
    second = client_login(h, a, "three", 0);
    client_go_online(second, 0);
    client_barrier(second);
    client_expect_none(second, "presence[@type='subscribe']");
}

static void the_answer_waits_in_the_roster_for_a_user_who_is_offline(void **state)
{
    struct harness *h = *state;
    const struct account *r = harness_account(h);
    struct client *romeo = client_login(h, r, "one", 0), *juliet = user(h);

    client_go_online(romeo, 0);
    send_presence(romeo, "subscribe", juliet->bare);
    client_expect(juliet, "presence[@type='subscribe']");
    client_logout(romeo);
    send_presence(juliet, "subscribed", r->jid);
    client_barrier_via(juliet, r->jid);
    romeo = client_login(h, r, "one", 0);
    check_item(romeo, juliet->bare, "[@subscription='to'][not(@ask)]");
    client_go_online(romeo, 0);
    client_expect_any(romeo, "presence[@from='%s'][not(@type)]", juliet->jid);
}

static void requests_over_the_limit_are_refused(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *askers[6];

    for (int i = 0; i < 6; i++) { /* limits.pending_subscriptions = 5 */
        askers[i] = user(h);
        send_presence(askers[i], "subscribe", a->jid);
        client_barrier_via(askers[i], a->jid);
    }
    struct client *juliet = client_login(h, a, "one", 0);
    client_go_online(juliet, 0);
    for (int i = 0; i < 5; i++)
        client_expect_any(juliet, "presence[@type='subscribe'][@from='%s']", askers[i]->bare);
    client_sync(askers[5], juliet);
    client_expect_none(juliet, "presence[@type='subscribe']");
}

/* ---- pre-approval: section 3.4 ---- */

static void a_pre_approved_request_is_granted_without_asking(void **state)
{
    struct harness *h = *state;
    struct client *romeo = user(h), *juliet = user(h);

    send_presence(juliet, "subscribed", romeo->bare); /* S7 */
    client_expect(juliet, "iq[@type='set']/query/item[@jid='%s'][@subscription='none'][@approved='true']", romeo->bare);
    check_item(juliet, romeo->bare, "[@approved='true']");
    client_expect_quiet(romeo);
    send_presence(romeo, "subscribe", juliet->bare); /* S16 */
    client_expect_any(romeo, "presence[@type='subscribed'][@from='%s']", juliet->bare);
    client_expect_any(romeo, "presence[@from='%s'][not(@type)]", juliet->jid);
    client_expect_any(juliet, "iq[@type='set']/query/item[@jid='%s'][@subscription='from']", romeo->bare);
    client_expect_none(juliet, "presence[@type='subscribe']");
    check_item(romeo, juliet->bare, "[@subscription='to']");
}

static void a_pre_approval_works_for_a_user_who_is_offline_and_can_be_taken_back(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *juliet = client_login(h, a, "one", 0), *romeo = user(h), *paris = user(h);

    become_interested(juliet);
    send_presence(juliet, "subscribed", romeo->bare);
    send_presence(juliet, "subscribed", paris->bare);
    send_presence(juliet, "unsubscribed", paris->bare); /* S11 */
    check_item(juliet, paris->bare, "[not(@approved)]");
    client_logout(juliet);
    send_presence(romeo, "subscribe", a->jid);
    client_expect_any(romeo, "presence[@type='subscribed'][@from='%s']", a->jid);
    send_presence(paris, "subscribe", a->jid);
    client_barrier_via(paris, a->jid);
    client_expect_none(paris, "presence[@type='subscribed']");
    juliet = client_login(h, a, "one", 0);
    check_item(juliet, romeo->bare, "[@subscription='from'][not(@approved)]");
}

/* ---- presence itself ---- */

static void coming_changing_and_going_is_seen_by_contacts_and_the_own_resources(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *romeo = harness_login(h);

    client_befriend(one, romeo);
    struct client *two = client_login(h, a, "two", 0);
    client_send(two, "<presence><show>chat</show><priority>5</priority></presence>");
    client_expect(romeo, "presence[@from='%s'][@to='%s'][not(@type)][priority[.='5']]/show[.='chat']", two->jid,
                  romeo->bare);
    client_expect(one, "presence[@from='%s'][not(@type)]/show[.='chat']", two->jid);
    /* The new one learns who is there: the own resource, and the contact by a probe. */
    client_expect_any(two, "presence[@from='%s'][not(@type)]", one->jid);
    client_expect_any(two, "presence[@from='%s'][not(@type)]", romeo->jid);
    client_send(two, "<presence><show>away</show></presence>");
    client_expect(romeo, "presence[@from='%s']/show[.='away']", two->jid);
    client_expect(one, "presence[@from='%s']/show[.='away']", two->jid);
    client_expect_none(two, "presence[@from='%s']", romeo->jid); /* a change probes nobody: section 4.4 */
    client_send(two, "<presence type='unavailable'><status>bye</status></presence>");
    client_expect(romeo, "presence[@type='unavailable'][@from='%s']/status[.='bye']", two->jid);
    client_expect(one, "presence[@type='unavailable'][@from='%s']", two->jid);
    client_expect_any(two, "presence[@type='unavailable'][@from='%s']", two->jid); /* itself too: section 4.5.2 */
    client_drain(two);
    client_send(romeo, "<presence><show>xa</show></presence>");
    client_expect(one, "presence[@from='%s']/show[.='xa']", romeo->jid);
    client_expect_quiet(two); /* not available: section 4.5 */
}

static void whoever_goes_without_a_word_is_unavailable_to_all_who_saw_him(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);

    for (int i = 0; i < 4; i++) {
        struct client *romeo = harness_login(h), *juliet = client_login(h, a, i % 2 == 0 ? "x" : "y", 0);
        char *jid = strdup(juliet->jid);

        client_befriend(juliet, romeo);
        if (i == 0)
            client_drop(juliet);
        else if (i == 1)
            client_logout(juliet);
        else if (i == 2)
            client_login(h, a, "x", 0); /* the newer one replaces it */
        else {
            char *output;
            assert_int_equal(harness_ctl(h, NULL, &output, "kick", jid), 0);
            free(output);
        }
        client_expect(romeo, "presence[@type='unavailable'][@from='%s'][@to='%s']", jid, romeo->bare);
        client_expect_none(romeo, "presence");
        free(jid);
    }
}

static void presence_reaches_only_those_who_may_see_it(void **state)
{
    struct harness *h = *state;
    struct client *juliet = user(h), *romeo = user(h), *stranger = user(h);

    /* Romeo sees Juliet; she does not see him. */
    send_presence(romeo, "subscribe", juliet->bare);
    client_expect(juliet, "presence[@type='subscribe']");
    send_presence(juliet, "subscribed", romeo->bare);
    client_expect_any(romeo, "presence[@from='%s'][not(@type)]", juliet->jid);
    client_drain(juliet);
    client_drain(romeo);
    client_send(juliet, "<presence><show>away</show></presence>");
    client_expect(romeo, "presence[@from='%s']/show[.='away']", juliet->jid);
    client_send(romeo, "<presence><show>dnd</show></presence>");
    client_send(stranger, "<presence><show>dnd</show></presence>");
    client_barrier_via(romeo, juliet->bare);
    client_barrier_via(stranger, juliet->bare);
    client_expect_any(juliet, "presence[@from='%s']", juliet->jid);
    client_expect_none(juliet, "presence");
    client_expect_any(stranger, "presence[@from='%s']/show", stranger->jid);
    client_expect_none(stranger, "presence");
}

static void probes_are_answered_to_subscribers_only(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h), *stranger = user(h);

    client_befriend(juliet, romeo);
    client_send(juliet, "<presence><show>xa</show><status>reading</status></presence>");
    client_expect(romeo, "presence[@from='%s']/show[.='xa']", juliet->jid);
    client_send(romeo, "<presence type='probe' to='%s'/>", juliet->bare);
    client_expect(romeo, "presence[@from='%s'][show[.='xa']]/status[.='reading']", juliet->jid);
    client_send(stranger, "<presence type='probe' to='%s'/>", juliet->bare);
    client_barrier_via(stranger, juliet->bare);
    client_expect_none(stranger, "presence[@from='%s']", juliet->jid);
    client_expect_none(stranger, "presence[not(@type)]");
    client_expect_none(juliet, "presence[@type='probe']");
}

static void a_contact_who_is_offline_shows_up_when_he_comes(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *juliet = client_login(h, a, "one", 0), *romeo = harness_login(h);

    client_befriend(juliet, romeo);
    client_logout(juliet);
    client_expect(romeo, "presence[@type='unavailable']");
    client_send(romeo, "<presence><show>dnd</show></presence>");
    client_expect_any(romeo, "presence[@from='%s']/show", romeo->jid);
    juliet = client_login(h, a, "two", 0);
    client_send(juliet, "<presence/>");
    client_expect(romeo, "presence[@from='%s'][not(@type)]", juliet->jid);
    client_expect_any(juliet, "presence[@from='%s']/show[.='dnd']", romeo->jid);
}

/* ---- directed presence: section 4.6 ---- */

static void directed_presence_is_taken_back_when_the_sender_goes(void **state)
{
    struct harness *h = *state;

    for (int i = 0; i < 3; i++) {
        struct client *juliet = harness_login(h), *stranger = user(h);
        char *jid = strdup(juliet->jid);

        if (i != 2) /* also for one that never showed itself to anybody else */
            client_go_online(juliet, 0);
        client_send(juliet, "<presence to='%s'/>", i == 1 ? stranger->bare : stranger->jid);
        client_expect(stranger, "presence[@from='%s'][not(@type)]", juliet->jid);
        if (i == 0)
            client_send(juliet, "<presence type='unavailable'/>");
        else
            client_drop(juliet);
        client_expect(stranger, "presence[@type='unavailable'][@from='%s']", jid);
        client_expect_none(stranger, "presence");
        free(jid);
    }
}

static void directed_unavailable_ends_it_for_that_one_alone(void **state)
{
    struct harness *h = *state;
    struct client *juliet = user(h), *one = user(h), *two = user(h);

    client_send(juliet, "<presence to='%s'/><presence to='%s'/>", one->jid, two->jid);
    client_expect(one, "presence[@from='%s']", juliet->jid);
    client_expect(two, "presence[@from='%s']", juliet->jid);
    client_send(juliet, "<presence type='unavailable' to='%s'/>", one->jid);
    client_expect(one, "presence[@type='unavailable'][@from='%s']", juliet->jid);
    client_drop(juliet);
    client_expect(two, "presence[@type='unavailable']");
    client_barrier_via(two, one->bare);
    client_expect_none(one, "presence");
}

static void directed_presence_tells_nothing_to_the_rest(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h), *stranger = user(h);

    client_befriend(juliet, romeo);
    client_send(juliet, "<presence to='%s'><status>only for you</status></presence>", stranger->jid);
    client_expect(stranger, "presence[@from='%s']/status", juliet->jid);
    client_barrier_via(juliet, romeo->bare);
    client_expect_none(romeo, "presence");
    /* And broadcasts do not go to the stranger. */
    client_send(juliet, "<presence><show>away</show></presence>");
    client_expect(romeo, "presence[@from='%s']/show", juliet->jid);
    client_barrier_via(juliet, stranger->bare);
    client_expect_none(stranger, "presence");
    /* Nor was the presence that a probe tells changed by it. */
    client_send(romeo, "<presence type='probe' to='%s'/>", juliet->bare);
    client_expect(romeo, "presence[@from='%s'][not(status)]/show[.='away']", juliet->jid);
}

/* ---- priorities ---- */

static void a_priority_that_is_no_number_counts_as_0(void **state)
{
    static const char *const odd[] = {"high", "", "1.5", "- 1", "0x7f"};
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0), *romeo = harness_login(h);

    client_go_online(one, 1);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        client_send(two, "<presence><priority>%s</priority></presence>", odd[i]);
        client_expect_any(two, "presence");
        client_send(romeo, "<message to='%s' type='chat' id='p%zu'><body>x</body></message>", a->jid, i);
        client_expect(one, "message[@id='p%zu']", i); /* who has the higher one */
        client_drain(two);
    }
}

int main(void)
{
    static const char *const settings[] = {"limits.pending_subscriptions = 5", NULL};
    static const struct harness_options options = {.settings = settings};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_subscription_is_asked_for_granted_and_seen_by_both),
        HARNESS_TEST(a_subscription_request_keeps_what_it_says_and_loses_its_resources),
        HARNESS_TEST(a_refused_request_is_over),
        HARNESS_TEST(an_existing_subscription_is_cancelled_by_the_contact),
        HARNESS_TEST(a_subscription_is_given_up_by_the_user),
        HARNESS_TEST(a_withdrawn_request_is_forgotten),
        HARNESS_TEST(removing_a_contact_ends_both_directions),
        HARNESS_TEST(answers_to_nothing_are_ignored),
        HARNESS_TEST(who_is_subscribed_already_is_told_so_again),
        HARNESS_TEST(a_request_repeated_while_it_waits_is_shown_once),
        HARNESS_TEST(a_request_waits_for_the_contact_at_every_login_until_it_is_answered),
        HARNESS_TEST(the_answer_waits_in_the_roster_for_a_user_who_is_offline),
        HARNESS_TEST(requests_over_the_limit_are_refused),
        HARNESS_TEST(a_pre_approved_request_is_granted_without_asking),
        HARNESS_TEST(a_pre_approval_works_for_a_user_who_is_offline_and_can_be_taken_back),
        HARNESS_TEST(coming_changing_and_going_is_seen_by_contacts_and_the_own_resources),
        HARNESS_TEST(whoever_goes_without_a_word_is_unavailable_to_all_who_saw_him),
        HARNESS_TEST(presence_reaches_only_those_who_may_see_it),
        HARNESS_TEST(probes_are_answered_to_subscribers_only),
        HARNESS_TEST(a_contact_who_is_offline_shows_up_when_he_comes),
        HARNESS_TEST(directed_presence_is_taken_back_when_the_sender_goes),
        HARNESS_TEST(directed_unavailable_ends_it_for_that_one_alone),
        HARNESS_TEST(directed_presence_tells_nothing_to_the_rest),
        HARNESS_TEST(a_priority_that_is_no_number_counts_as_0),
    };

    return harness_run_tests("presence", tests, &options);
}
