#include "server/pubsub/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { ALLOWED = -1 };

/* One way of asking, and what becomes of it: the stanza error, or ALLOWED. */
struct row {
    enum pubsub_action action;
    enum access_model access;
    enum publish_model publish;
    struct relation who;
    int err;
    const char *condition;
};

#define NOBODY                                                                                                         \
    {                                                                                                                  \
        0                                                                                                              \
    }
#define CONTACT                                                                                                        \
    {                                                                                                                  \
        .sees_presence = true                                                                                          \
    }
#define FRIEND                                                                                                         \
    {                                                                                                                  \
        .sees_presence = true, .is_in_group = true                                                                     \
    }
#define AFFILIATED(a)                                                                                                  \
    {                                                                                                                  \
        .affiliation = AFFILIATION_##a                                                                                 \
    }
#define SUBSCRIBER                                                                                                     \
    {                                                                                                                  \
        .subscription = SUBSCRIPTION_SUBSCRIBED                                                                        \
    }
#define PENDING                                                                                                        \
    {                                                                                                                  \
        .subscription = SUBSCRIPTION_PENDING                                                                           \
    }
#define BY PUBLISH_BY_PUBLISHERS

static void expect_all(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        const struct refusal *why = access_decide(r->action, r->access, r->publish, &r->who);

        if ((why == NULL ? ALLOWED : (int)why->err) != r->err ||
            (why != NULL && !str_eq(str_of(why->condition), str_of(r->condition))))
            fail_msg("row %zu is decided otherwise", i);
    }
}

#define EXPECT_ALL(rows) expect_all(rows, sizeof(rows) / sizeof((rows)[0]))

static void the_access_model_says_who_reads(void **state)
{
    static const struct row rows[] = {
        {ACTION_RETRIEVE, ACCESS_OPEN, BY, NOBODY, ALLOWED, NULL},
        {ACTION_RETRIEVE, ACCESS_PRESENCE, BY, NOBODY, STANZA_ERR_NOT_AUTHORIZED, "presence-subscription-required"},
        {ACTION_RETRIEVE, ACCESS_PRESENCE, BY, CONTACT, ALLOWED, NULL},
        {ACTION_RETRIEVE, ACCESS_ROSTER, BY, CONTACT, STANZA_ERR_NOT_AUTHORIZED, "not-in-roster-group"},
        {ACTION_RETRIEVE, ACCESS_ROSTER, BY, FRIEND, ALLOWED, NULL},
        {ACTION_RETRIEVE, ACCESS_AUTHORIZE, BY, FRIEND, STANZA_ERR_NOT_AUTHORIZED, "not-subscribed"},
        {ACTION_RETRIEVE, ACCESS_AUTHORIZE, BY, PENDING, STANZA_ERR_NOT_AUTHORIZED, "not-subscribed"},
        {ACTION_RETRIEVE, ACCESS_AUTHORIZE, BY, SUBSCRIBER, ALLOWED, NULL},
        {ACTION_RETRIEVE, ACCESS_WHITELIST, BY, FRIEND, STANZA_ERR_NOT_ALLOWED, "closed-node"},
        {ACTION_RETRIEVE, ACCESS_WHITELIST, BY, SUBSCRIBER, STANZA_ERR_NOT_ALLOWED, "closed-node"},
        {ACTION_RETRIEVE, ACCESS_WHITELIST, BY, AFFILIATED(MEMBER), ALLOWED, NULL},
        {ACTION_RETRIEVE, ACCESS_WHITELIST, BY, AFFILIATED(PUBLISHER), ALLOWED, NULL},
        {ACTION_RETRIEVE, ACCESS_WHITELIST, BY, AFFILIATED(OWNER), ALLOWED, NULL},
        {ACTION_RETRIEVE, ACCESS_OPEN, BY, AFFILIATED(OUTCAST), STANZA_ERR_FORBIDDEN, NULL},
        {ACTION_RETRIEVE, ACCESS_OPEN, BY, AFFILIATED(PUBLISH_ONLY), STANZA_ERR_FORBIDDEN, NULL},
        {ACTION_SUBSCRIBE, ACCESS_AUTHORIZE, BY, NOBODY, ALLOWED, NULL},
        {ACTION_SUBSCRIBE, ACCESS_WHITELIST, BY, NOBODY, STANZA_ERR_NOT_ALLOWED, "closed-node"},
    };

    (void)state;
    EXPECT_ALL(rows);
}

static void the_publish_model_says_who_writes(void **state)
{
    static const struct row rows[] = {
        {ACTION_PUBLISH, ACCESS_OPEN, BY, CONTACT, STANZA_ERR_FORBIDDEN, NULL},
        {ACTION_PUBLISH, ACCESS_OPEN, BY, SUBSCRIBER, STANZA_ERR_FORBIDDEN, NULL},
        {ACTION_PUBLISH, ACCESS_OPEN, BY, AFFILIATED(MEMBER), STANZA_ERR_FORBIDDEN, NULL},
        {ACTION_PUBLISH, ACCESS_OPEN, BY, AFFILIATED(PUBLISH_ONLY), ALLOWED, NULL},
        {ACTION_PUBLISH, ACCESS_OPEN, BY, AFFILIATED(PUBLISHER), ALLOWED, NULL},
        {ACTION_PUBLISH, ACCESS_OPEN, PUBLISH_BY_SUBSCRIBERS, SUBSCRIBER, ALLOWED, NULL},
        {ACTION_PUBLISH, ACCESS_OPEN, PUBLISH_BY_SUBSCRIBERS, PENDING, STANZA_ERR_FORBIDDEN, NULL},
        {ACTION_PUBLISH, ACCESS_OPEN, PUBLISH_BY_ANYBODY, NOBODY, ALLOWED, NULL},
        {ACTION_PUBLISH, ACCESS_OPEN, PUBLISH_BY_ANYBODY, AFFILIATED(OUTCAST), STANZA_ERR_FORBIDDEN, NULL},
        {ACTION_RETRACT_OWN, ACCESS_OPEN, PUBLISH_BY_ANYBODY, NOBODY, ALLOWED, NULL},
        {ACTION_RETRACT, ACCESS_OPEN, PUBLISH_BY_ANYBODY, NOBODY, STANZA_ERR_FORBIDDEN, NULL},
        {ACTION_RETRACT_OWN, ACCESS_OPEN, BY, AFFILIATED(PUBLISH_ONLY), ALLOWED, NULL},
        {ACTION_RETRACT, ACCESS_OPEN, BY, AFFILIATED(PUBLISH_ONLY), STANZA_ERR_FORBIDDEN, NULL},
        {ACTION_RETRACT, ACCESS_OPEN, BY, AFFILIATED(PUBLISHER), ALLOWED, NULL},
    };

    (void)state;
    EXPECT_ALL(rows);
}

static void only_owners_manage(void **state)
{
    (void)state;
    for (unsigned a = 0; a < AFFILIATIONS; a++) {
        struct relation who = {.affiliation = (enum affiliation)a,
                               .subscription = SUBSCRIPTION_SUBSCRIBED,
                               .sees_presence = true,
                               .is_in_group = true};
        const struct refusal *why = access_decide(ACTION_MANAGE, ACCESS_OPEN, PUBLISH_BY_ANYBODY, &who);

        assert_int_equal(why == NULL, a == AFFILIATION_OWNER);
        assert_true(why == NULL || why->err == STANZA_ERR_FORBIDDEN);
    }
}

static void strangers_see_what_is_open_or_where_they_were_let_in(void **state)
{
    static const struct {
        enum access_model access;
        enum publish_model publish;
        struct relation who;
        bool is_visible;
    } rows[] = {
        {ACCESS_OPEN, BY, NOBODY, true},       {ACCESS_AUTHORIZE, BY, NOBODY, true},
        {ACCESS_PRESENCE, BY, NOBODY, false},  {ACCESS_ROSTER, BY, NOBODY, false},
        {ACCESS_WHITELIST, BY, NOBODY, false}, {ACCESS_WHITELIST, PUBLISH_BY_ANYBODY, NOBODY, true},
        {ACCESS_WHITELIST, BY, CONTACT, true}, {ACCESS_WHITELIST, BY, AFFILIATED(MEMBER), true},
        {ACCESS_WHITELIST, BY, PENDING, true}, {ACCESS_OPEN, BY, AFFILIATED(OUTCAST), false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(access_is_visible(rows[i].access, rows[i].publish, &rows[i].who), rows[i].is_visible);
}

static void words_read_back(void **state)
{
    enum affiliation affiliation;
    enum subscription subscription;

    (void)state;
    for (unsigned a = 0; a < AFFILIATIONS; a++) {
        assert_true(affiliation_parse(str_of(affiliation_name((enum affiliation)a)), &affiliation));
        assert_int_equal(affiliation, a);
    }
    for (unsigned s = 0; s < SUBSCRIPTIONS; s++) {
        assert_true(subscription_state_parse(str_of(subscription_state_name((enum subscription)s)), &subscription));
        assert_int_equal(subscription, s);
    }
    assert_false(affiliation_parse(STR("Owner"), &affiliation));
    assert_false(subscription_state_parse(STR("unconfigured"), &subscription));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_access_model_says_who_reads),
        cmocka_unit_test(the_publish_model_says_who_writes),
        cmocka_unit_test(only_owners_manage),
        cmocka_unit_test(strangers_see_what_is_open_or_where_they_were_let_in),
        cmocka_unit_test(words_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
