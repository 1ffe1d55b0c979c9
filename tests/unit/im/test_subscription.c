#include "server/im/subscription.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/mem.h"

/* The nine states of RFC 6121 appendix A.1, as they are when the contact is in the roster. */
enum {
    NONE = SUB_LISTED,
    NONE_OUT = SUB_LISTED | SUB_PENDING_OUT,
    NONE_IN = SUB_LISTED | SUB_PENDING_IN,
    NONE_OUT_IN = SUB_LISTED | SUB_PENDING_OUT | SUB_PENDING_IN,
    TO = SUB_LISTED | SUB_TO,
    TO_IN = SUB_LISTED | SUB_TO | SUB_PENDING_IN,
    FROM = SUB_LISTED | SUB_FROM,
    FROM_OUT = SUB_LISTED | SUB_FROM | SUB_PENDING_OUT,
    BOTH = SUB_LISTED | SUB_TO | SUB_FROM,
    STRANGER = 0,                 /* "None", and no roster item */
    STRANGER_IN = SUB_PENDING_IN, /* "None + Pending In", and no roster item */
};

enum { NO = 0, ROUTE = SUB_DO_ROUTE, AVAILABLE = SUB_DO_DELIVER_AVAILABLE, INTERESTED = SUB_DO_DELIVER_INTERESTED };
enum { PASSED_ON = SUB_DO_ROUTE | SUB_DO_DELIVER_AVAILABLE | SUB_DO_DELIVER_INTERESTED };

/* One row of a table of the appendix: is the stanza passed on, and what is the state then? */
struct row {
    uint8_t state;
    uint16_t passed_on;
    uint8_t then;
};

static void check_row(enum sub_event ev, const struct row *row)
{
    struct sub_step step = subscription_step(row->state, ev);

    assert_int_equal(step.state, row->then);
    assert_int_equal(step.actions & PASSED_ON, row->passed_on);
}

#define CHECK_TABLE(ev, table)                                                                                         \
    for (size_t i_ = 0; i_ < ARRAY_LEN(table); i_++)                                                                   \
    check_row(ev, &(table)[i_])

static void outbound_subscribe_follows_table_a_2_1(void **state)
{
    static const struct row table[] = {
        {NONE, ROUTE, NONE_OUT},
        {NONE_OUT, ROUTE, NONE_OUT},
        {NONE_IN, ROUTE, NONE_OUT_IN},
        {NONE_OUT_IN, ROUTE, NONE_OUT_IN},
        {TO, ROUTE, TO},
        {TO_IN, ROUTE, TO_IN},
        {FROM, ROUTE, FROM_OUT},
        {FROM_OUT, ROUTE, FROM_OUT},
        {BOTH, ROUTE, BOTH},
        {STRANGER, ROUTE, NONE_OUT},
        {STRANGER_IN, ROUTE, NONE_OUT_IN},
    };

    (void)state;
    CHECK_TABLE(SUB_OUT_SUBSCRIBE, table);
}

static void outbound_unsubscribe_follows_table_a_2_2(void **state)
{
    static const struct row table[] = {
        {NONE, ROUTE, NONE},
        {NONE_OUT, ROUTE, NONE},
        {NONE_IN, ROUTE, NONE_IN},
        {NONE_OUT_IN, ROUTE, NONE_IN},
        {TO, ROUTE, NONE},
        {TO_IN, ROUTE, NONE_IN},
        {FROM, ROUTE, FROM},
        {FROM_OUT, ROUTE, FROM},
        {BOTH, ROUTE, FROM},
        {STRANGER, ROUTE, STRANGER},
        {STRANGER_IN, ROUTE, STRANGER_IN},
    };

    (void)state;
    CHECK_TABLE(SUB_OUT_UNSUBSCRIBE, table);
}

static void outbound_subscribed_follows_table_a_2_3(void **state)
{
    static const struct row table[] = {
        {NONE, NO, NONE | SUB_APPROVED},
        {NONE_OUT, NO, NONE_OUT | SUB_APPROVED},
        {NONE_IN, ROUTE, FROM},
        {NONE_OUT_IN, ROUTE, FROM_OUT},
        {TO, NO, TO | SUB_APPROVED},
        {TO_IN, ROUTE, BOTH},
        {FROM, NO, FROM},
        {FROM_OUT, NO, FROM_OUT},
        {BOTH, NO, BOTH},
        {STRANGER, NO, NONE | SUB_APPROVED},
        {STRANGER_IN, ROUTE, FROM},
    };

    (void)state;
    CHECK_TABLE(SUB_OUT_SUBSCRIBED, table);
}

static void outbound_unsubscribed_follows_table_a_2_4(void **state)
{
    static const struct row table[] = {
        {NONE, NO, NONE},
        {NONE_OUT, NO, NONE_OUT},
        {NONE_IN, ROUTE, NONE},
        {NONE_OUT_IN, ROUTE, NONE_OUT},
        {TO, NO, TO},
        {TO_IN, ROUTE, TO},
        {FROM, ROUTE, NONE},
        {FROM_OUT, ROUTE, NONE_OUT},
        {BOTH, ROUTE, TO},
        {STRANGER, NO, STRANGER},
        {STRANGER_IN, ROUTE, STRANGER},
    };

    (void)state;
    CHECK_TABLE(SUB_OUT_UNSUBSCRIBED, table);
}

static void inbound_subscribe_follows_table_a_3_1(void **state)
{
    static const struct row table[] = {
        {NONE, AVAILABLE, NONE_IN},
        {NONE_OUT, AVAILABLE, NONE_OUT_IN},
        {NONE_IN, NO, NONE_IN},
        {NONE_OUT_IN, NO, NONE_OUT_IN},
        {TO, AVAILABLE, TO_IN},
        {TO_IN, NO, TO_IN},
        {FROM, NO, FROM},
        {FROM_OUT, NO, FROM_OUT},
        {BOTH, NO, BOTH},
        {STRANGER, AVAILABLE, STRANGER_IN},
        {STRANGER_IN, NO, STRANGER_IN},
    };

    (void)state;
    CHECK_TABLE(SUB_IN_SUBSCRIBE, table);
}

static void inbound_unsubscribe_follows_table_a_3_2(void **state)
{
    static const struct row table[] = {
        {NONE, NO, NONE},
        {NONE_OUT, NO, NONE_OUT},
        {NONE_IN, INTERESTED, NONE},
        {NONE_OUT_IN, INTERESTED, NONE_OUT},
        {TO, NO, TO},
        {TO_IN, INTERESTED, TO},
        {FROM, INTERESTED, NONE},
        {FROM_OUT, INTERESTED, NONE_OUT},
        {BOTH, INTERESTED, TO},
        {STRANGER, NO, STRANGER},
        {STRANGER_IN, INTERESTED, STRANGER},
    };

    (void)state;
    CHECK_TABLE(SUB_IN_UNSUBSCRIBE, table);
}

static void inbound_subscribed_follows_table_a_3_3(void **state)
{
    static const struct row table[] = {
        {NONE, NO, NONE},
        {NONE_OUT, INTERESTED, TO},
        {NONE_IN, NO, NONE_IN},
        {NONE_OUT_IN, INTERESTED, TO_IN},
        {TO, NO, TO},
        {TO_IN, NO, TO_IN},
        {FROM, NO, FROM},
        {FROM_OUT, INTERESTED, BOTH},
        {BOTH, NO, BOTH},
        {STRANGER, NO, STRANGER},
        {STRANGER_IN, NO, STRANGER_IN},
    };

    (void)state;
    CHECK_TABLE(SUB_IN_SUBSCRIBED, table);
}

static void inbound_unsubscribed_follows_table_a_3_4(void **state)
{
    static const struct row table[] = {
        {NONE, NO, NONE},
        {NONE_OUT, INTERESTED, NONE},
        {NONE_IN, NO, NONE_IN},
        {NONE_OUT_IN, INTERESTED, NONE_IN},
        {TO, INTERESTED, NONE},
        {TO_IN, INTERESTED, NONE_IN},
        {FROM, NO, FROM},
        {FROM_OUT, INTERESTED, FROM},
        {BOTH, INTERESTED, FROM},
        {STRANGER, NO, STRANGER},
        {STRANGER_IN, NO, STRANGER_IN},
    };

    (void)state;
    CHECK_TABLE(SUB_IN_UNSUBSCRIBED, table);
}

/* One case with all that is to be done, and nothing else. */
struct story {
    enum sub_event ev;
    uint8_t state;
    uint8_t then;
    uint16_t actions;
};

#define CHECK_STORIES(stories)                                                                                         \
    for (size_t i_ = 0; i_ < ARRAY_LEN(stories); i_++)                                                                 \
    check_story(&(stories)[i_])

static void check_story(const struct story *s)
{
    struct sub_step step = subscription_step(s->state, s->ev);

    assert_int_equal(step.state, s->then);
    assert_int_equal(step.actions, s->actions);
}

static void asking_a_stranger_makes_a_roster_item_and_pushes_it(void **state)
{
    static const struct story stories[] = {
        {SUB_OUT_SUBSCRIBE, STRANGER, NONE_OUT, SUB_DO_SAVE | SUB_DO_ROUTE | SUB_DO_PUSH},
        {SUB_OUT_SUBSCRIBE, STRANGER_IN, NONE_OUT_IN, SUB_DO_SAVE | SUB_DO_ROUTE | SUB_DO_PUSH},
    };

    (void)state;
    CHECK_STORIES(stories);
}

static void a_request_of_a_stranger_is_kept_and_delivered_but_makes_no_roster_item(void **state)
{
    static const struct story stories[] = {
        {SUB_IN_SUBSCRIBE, STRANGER, STRANGER_IN, SUB_DO_SAVE | SUB_DO_KEEP_REQUEST | SUB_DO_DELIVER_AVAILABLE},
        {SUB_IN_SUBSCRIBE, TO, TO_IN, SUB_DO_SAVE | SUB_DO_KEEP_REQUEST | SUB_DO_DELIVER_AVAILABLE},
        {SUB_IN_SUBSCRIBE, STRANGER_IN, STRANGER_IN, 0}, /* asked twice, kept once */
    };

    (void)state;
    CHECK_STORIES(stories);
}

static void an_approval_is_routed_and_followed_by_presence(void **state)
{
    static const struct story stories[] = {
        {SUB_OUT_SUBSCRIBED, STRANGER_IN, FROM,
         SUB_DO_SAVE | SUB_DO_FORGET_REQUEST | SUB_DO_ROUTE | SUB_DO_PUSH | SUB_DO_PRESENCE},
        {SUB_OUT_SUBSCRIBED, TO_IN, BOTH,
         SUB_DO_SAVE | SUB_DO_FORGET_REQUEST | SUB_DO_ROUTE | SUB_DO_PUSH | SUB_DO_PRESENCE},
    };

    (void)state;
    CHECK_STORIES(stories);
}

static void a_refused_stranger_leaves_nothing_behind_and_learns_no_resources(void **state)
{
    static const struct story stories[] = {
        {SUB_OUT_UNSUBSCRIBED, STRANGER_IN, STRANGER, SUB_DO_DELETE | SUB_DO_FORGET_REQUEST | SUB_DO_ROUTE},
        {SUB_OUT_UNSUBSCRIBED, NONE_IN, NONE, SUB_DO_SAVE | SUB_DO_FORGET_REQUEST | SUB_DO_ROUTE},
    };

    (void)state;
    CHECK_STORIES(stories);
}

static void cancelling_a_subscription_shows_its_holder_unavailable_first(void **state)
{
    static const struct story stories[] = {
        {SUB_OUT_UNSUBSCRIBED, FROM, NONE, SUB_DO_SAVE | SUB_DO_UNAVAILABLE | SUB_DO_ROUTE | SUB_DO_PUSH},
        {SUB_OUT_UNSUBSCRIBED, BOTH, TO, SUB_DO_SAVE | SUB_DO_UNAVAILABLE | SUB_DO_ROUTE | SUB_DO_PUSH},
    };

    (void)state;
    CHECK_STORIES(stories);
    assert_true(SUB_DO_UNAVAILABLE < SUB_DO_ROUTE && SUB_DO_UNAVAILABLE < SUB_DO_SEND_UNSUBSCRIBED);
}

static void a_subscriber_who_asks_again_is_answered_by_the_server(void **state)
{
    static const struct story stories[] = {
        {SUB_IN_SUBSCRIBE, FROM, FROM, SUB_DO_SEND_SUBSCRIBED | SUB_DO_PRESENCE},
        {SUB_IN_SUBSCRIBE, FROM_OUT, FROM_OUT, SUB_DO_SEND_SUBSCRIBED | SUB_DO_PRESENCE},
        {SUB_IN_SUBSCRIBE, BOTH, BOTH, SUB_DO_SEND_SUBSCRIBED | SUB_DO_PRESENCE},
    };

    (void)state;
    CHECK_STORIES(stories);
}

static void a_pre_approval_is_pushed_but_not_routed(void **state)
{
    static const struct story stories[] = {
        {SUB_OUT_SUBSCRIBED, STRANGER, NONE | SUB_APPROVED, SUB_DO_SAVE | SUB_DO_PUSH},
        {SUB_OUT_SUBSCRIBED, NONE_OUT, NONE_OUT | SUB_APPROVED, SUB_DO_SAVE | SUB_DO_PUSH},
        {SUB_OUT_SUBSCRIBED, TO, TO | SUB_APPROVED, SUB_DO_SAVE | SUB_DO_PUSH},
        {SUB_OUT_SUBSCRIBED, TO | SUB_APPROVED, TO | SUB_APPROVED, 0}, /* said twice */
        {SUB_OUT_SUBSCRIBED, BOTH, BOTH, 0},
    };

    (void)state;
    CHECK_STORIES(stories);
}

static void a_request_that_was_approved_before_is_granted_by_the_server(void **state)
{
    enum { GRANTED = SUB_DO_SAVE | SUB_DO_SEND_SUBSCRIBED | SUB_DO_PUSH | SUB_DO_PRESENCE };
    static const struct story stories[] = {
        {SUB_IN_SUBSCRIBE, NONE | SUB_APPROVED, FROM, GRANTED},
        {SUB_IN_SUBSCRIBE, NONE_OUT | SUB_APPROVED, FROM_OUT, GRANTED},
        {SUB_IN_SUBSCRIBE, TO | SUB_APPROVED, BOTH, GRANTED},
    };

    (void)state;
    CHECK_STORIES(stories);
}

static void a_pre_approval_can_be_taken_back_in_silence(void **state)
{
    static const struct story stories[] = {
        {SUB_OUT_UNSUBSCRIBED, NONE | SUB_APPROVED, NONE, SUB_DO_SAVE | SUB_DO_PUSH},
        {SUB_OUT_UNSUBSCRIBED, TO | SUB_APPROVED, TO, SUB_DO_SAVE | SUB_DO_PUSH},
    };

    (void)state;
    CHECK_STORIES(stories);
}

/* Section 4.3.2: what a probe makes the contact's server answer must not end a pre-approval. */
static void a_pre_approval_outlives_what_the_contact_says(void **state)
{
    static const enum sub_event events[] = {SUB_IN_UNSUBSCRIBE, SUB_IN_SUBSCRIBED, SUB_IN_UNSUBSCRIBED};
    static const uint8_t states[] = {NONE, NONE_OUT, TO};

    (void)state;
    for (size_t e = 0; e < ARRAY_LEN(events); e++) {
        for (size_t s = 0; s < ARRAY_LEN(states); s++)
            assert_true((subscription_step(states[s] | SUB_APPROVED, events[e]).state & SUB_APPROVED) != 0);
    }
}

static void who_unsubscribes_sees_the_user_leave(void **state)
{
    static const struct story stories[] = {
        {SUB_IN_UNSUBSCRIBE, BOTH, TO, SUB_DO_SAVE | SUB_DO_UNAVAILABLE | SUB_DO_DELIVER_INTERESTED | SUB_DO_PUSH},
        /* he only withdraws a request: nothing that a roster shows has changed */
        {SUB_IN_UNSUBSCRIBE, TO_IN, TO, SUB_DO_SAVE | SUB_DO_FORGET_REQUEST | SUB_DO_DELIVER_INTERESTED},
        {SUB_IN_UNSUBSCRIBE, STRANGER_IN, STRANGER, SUB_DO_DELETE | SUB_DO_FORGET_REQUEST | SUB_DO_DELIVER_INTERESTED},
    };

    (void)state;
    CHECK_STORIES(stories);
}

static void a_subscribe_right_behind_an_unsubscribe_leads_to_a_subscription(void **state)
{
    uint8_t user = BOTH, contact = BOTH;

    (void)state;
    /* both leave the user before anything that the contact's server could answer comes back */
    user = subscription_step(user, SUB_OUT_UNSUBSCRIBE).state;
    user = subscription_step(user, SUB_OUT_SUBSCRIBE).state;
    for (int ev = 0; ev < 2; ev++) {
        struct sub_step step = subscription_step(contact, ev == 0 ? SUB_IN_UNSUBSCRIBE : SUB_IN_SUBSCRIBE);

        contact = step.state;
        if ((step.actions & SUB_DO_SEND_UNSUBSCRIBED) != 0)
            user = subscription_step(user, SUB_IN_UNSUBSCRIBED).state;
    }
    contact = subscription_step(contact, SUB_OUT_SUBSCRIBED).state;
    user = subscription_step(user, SUB_IN_SUBSCRIBED).state;
    assert_int_equal(contact, BOTH);
    assert_int_equal(user, BOTH);
}

static void an_answer_is_delivered_before_the_push(void **state)
{
    static const struct story stories[] = {
        {SUB_IN_SUBSCRIBED, NONE_OUT, TO, SUB_DO_SAVE | SUB_DO_DELIVER_INTERESTED | SUB_DO_PUSH},
        {SUB_IN_UNSUBSCRIBED, TO, NONE, SUB_DO_SAVE | SUB_DO_DELIVER_INTERESTED | SUB_DO_PUSH},
        {SUB_IN_SUBSCRIBED, STRANGER, STRANGER, 0}, /* nobody asked */
    };

    (void)state;
    CHECK_STORIES(stories);
    assert_true(SUB_DO_DELIVER_INTERESTED < SUB_DO_PUSH);
}

static void a_roster_set_lists_the_contact_and_keeps_its_subscription(void **state)
{
    static const struct story stories[] = {
        {SUB_ROSTER_SET, STRANGER, NONE, SUB_DO_SAVE | SUB_DO_PUSH},
        {SUB_ROSTER_SET, STRANGER_IN, NONE_IN, SUB_DO_SAVE | SUB_DO_PUSH},
        {SUB_ROSTER_SET, BOTH, BOTH, SUB_DO_SAVE | SUB_DO_PUSH},
    };

    (void)state;
    CHECK_STORIES(stories);
}

static void a_removal_ends_what_there_was_in_both_directions(void **state)
{
    enum { GONE = SUB_DO_DELETE | SUB_DO_PUSH };
    static const struct story stories[] = {
        {SUB_ROSTER_REMOVE, NONE, STRANGER, GONE},
        {SUB_ROSTER_REMOVE, NONE | SUB_APPROVED, STRANGER, GONE},
        {SUB_ROSTER_REMOVE, TO, STRANGER, GONE | SUB_DO_SEND_UNSUBSCRIBE},
        {SUB_ROSTER_REMOVE, NONE_OUT, STRANGER, GONE | SUB_DO_SEND_UNSUBSCRIBE},
        {SUB_ROSTER_REMOVE, FROM, STRANGER, GONE | SUB_DO_UNAVAILABLE | SUB_DO_SEND_UNSUBSCRIBED},
        {SUB_ROSTER_REMOVE, BOTH, STRANGER,
         GONE | SUB_DO_UNAVAILABLE | SUB_DO_SEND_UNSUBSCRIBE | SUB_DO_SEND_UNSUBSCRIBED},
        {SUB_ROSTER_REMOVE, NONE_IN, STRANGER, GONE | SUB_DO_FORGET_REQUEST | SUB_DO_SEND_UNSUBSCRIBED},
        {SUB_ROSTER_REMOVE, STRANGER_IN, STRANGER_IN, 0}, /* not in the roster: item-not-found */
    };

    (void)state;
    CHECK_STORIES(stories);
}

static void every_step_from_a_valid_state_ends_in_one_and_says_what_changed(void **state)
{
    unsigned n_valid = 0;

    (void)state;
    for (unsigned s = 0; s <= UINT8_MAX; s++) {
        if (!subscription_is_valid((uint8_t)s))
            continue;
        n_valid++;
        for (int ev = 0; ev < SUB_EVENTS; ev++) {
            struct sub_step step = subscription_step((uint8_t)s, (enum sub_event)ev);
            bool is_changed = step.state != s;
            bool is_seen = ((step.state ^ s) & ~(unsigned)SUB_PENDING_IN) != 0 || ev == SUB_ROSTER_SET;
            bool waits = (step.state & SUB_PENDING_IN) != 0, waited = (s & SUB_PENDING_IN) != 0;

            assert_true(subscription_is_valid(step.state));
            assert_int_equal((step.actions & SUB_DO_DELETE) != 0, is_changed && step.state == 0);
            assert_int_equal((step.actions & SUB_DO_SAVE) != 0,
                             (is_changed && step.state != 0) || ev == SUB_ROSTER_SET);
            assert_int_equal((step.actions & SUB_DO_PUSH) != 0, is_seen);
            assert_int_equal((step.actions & SUB_DO_KEEP_REQUEST) != 0, waits && !waited);
            assert_int_equal((step.actions & SUB_DO_FORGET_REQUEST) != 0, waited && !waits);
        }
    }
    /* nine states, three of them also approved, and two without a roster item */
    assert_int_equal(n_valid, 9 + 3 + 2);
}

static void the_name_is_what_a_roster_item_says(void **state)
{
    (void)state;
    assert_string_equal(subscription_name(NONE_OUT_IN), "none");
    assert_string_equal(subscription_name(TO | SUB_APPROVED), "to");
    assert_string_equal(subscription_name(FROM_OUT), "from");
    assert_string_equal(subscription_name(BOTH), "both");
}

static struct stanza presence(enum stanza_type type, const char *from, const char *to)
{
    struct stanza st = {.kind = STANZA_PRESENCE, .type = type};

    st.from = (struct jid){str_of(from), (uint16_t)strcspn(from, "@"), (uint16_t)strcspn(from, "/")};
    st.to = (struct jid){str_of(to), (uint16_t)strcspn(to, "@"), (uint16_t)strcspn(to, "/")};
    return st;
}

static void each_type_and_direction_is_one_event(void **state)
{
    static const struct {
        enum stanza_type type;
        enum sub_event out, in;
    } cases[] = {
        {TYPE_SUBSCRIBE, SUB_OUT_SUBSCRIBE, SUB_IN_SUBSCRIBE},
        {TYPE_UNSUBSCRIBE, SUB_OUT_UNSUBSCRIBE, SUB_IN_UNSUBSCRIBE},
        {TYPE_SUBSCRIBED, SUB_OUT_SUBSCRIBED, SUB_IN_SUBSCRIBED},
        {TYPE_UNSUBSCRIBED, SUB_OUT_UNSUBSCRIBED, SUB_IN_UNSUBSCRIBED},
    };
    enum sub_event ev;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stanza st = presence(cases[i].type, "juliet@a.example/x", "romeo@b.example");

        assert_true(subscription_event_of(&st, true, &ev));
        assert_int_equal(ev, cases[i].out);
        assert_true(subscription_event_of(&st, false, &ev));
        assert_int_equal(ev, cases[i].in);
    }
}

static void what_is_not_about_another_account_s_subscription_is_no_event(void **state)
{
    struct stanza plain = presence(TYPE_AVAILABLE, "juliet@a.example/x", "romeo@b.example");
    struct stanza probe = presence(TYPE_PROBE, "juliet@a.example/x", "romeo@b.example");
    struct stanza self = presence(TYPE_SUBSCRIBE, "juliet@a.example/x", "juliet@a.example");
    struct stanza own = presence(TYPE_UNSUBSCRIBED, "juliet@a.example/x", "juliet@a.example/y");
    struct stanza nowhere = presence(TYPE_SUBSCRIBE, "juliet@a.example/x", "");
    enum sub_event ev;

    (void)state;
    assert_false(subscription_event_of(&plain, true, &ev));
    assert_false(subscription_event_of(&probe, false, &ev));
    assert_false(subscription_event_of(&self, true, &ev));
    assert_false(subscription_event_of(&own, false, &ev));
    assert_false(subscription_event_of(&nowhere, true, &ev));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outbound_subscribe_follows_table_a_2_1),
        cmocka_unit_test(outbound_unsubscribe_follows_table_a_2_2),
        cmocka_unit_test(outbound_subscribed_follows_table_a_2_3),
        cmocka_unit_test(outbound_unsubscribed_follows_table_a_2_4),
        cmocka_unit_test(inbound_subscribe_follows_table_a_3_1),
        cmocka_unit_test(inbound_unsubscribe_follows_table_a_3_2),
        cmocka_unit_test(inbound_subscribed_follows_table_a_3_3),
        cmocka_unit_test(inbound_unsubscribed_follows_table_a_3_4),
        cmocka_unit_test(asking_a_stranger_makes_a_roster_item_and_pushes_it),
        cmocka_unit_test(a_request_of_a_stranger_is_kept_and_delivered_but_makes_no_roster_item),
        cmocka_unit_test(an_approval_is_routed_and_followed_by_presence),
        cmocka_unit_test(a_refused_stranger_leaves_nothing_behind_and_learns_no_resources),
        cmocka_unit_test(cancelling_a_subscription_shows_its_holder_unavailable_first),
        cmocka_unit_test(a_subscriber_who_asks_again_is_answered_by_the_server),
        cmocka_unit_test(a_pre_approval_is_pushed_but_not_routed),
        cmocka_unit_test(a_request_that_was_approved_before_is_granted_by_the_server),
        cmocka_unit_test(a_pre_approval_can_be_taken_back_in_silence),
        cmocka_unit_test(a_pre_approval_outlives_what_the_contact_says),
        cmocka_unit_test(who_unsubscribes_sees_the_user_leave),
        cmocka_unit_test(a_subscribe_right_behind_an_unsubscribe_leads_to_a_subscription),
        cmocka_unit_test(an_answer_is_delivered_before_the_push),
        cmocka_unit_test(a_roster_set_lists_the_contact_and_keeps_its_subscription),
        cmocka_unit_test(a_removal_ends_what_there_was_in_both_directions),
        cmocka_unit_test(every_step_from_a_valid_state_ends_in_one_and_says_what_changed),
        cmocka_unit_test(the_name_is_what_a_roster_item_says),
        cmocka_unit_test(each_type_and_direction_is_one_event),
        cmocka_unit_test(what_is_not_about_another_account_s_subscription_is_no_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
