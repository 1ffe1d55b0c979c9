#include "server/pubsub/access.h"

#include "common/mem.h"

/* ---- words ---- */

static const char *const affiliations[] = {
    [AFFILIATION_NONE] = "none",           [AFFILIATION_OUTCAST] = "outcast",
    [AFFILIATION_MEMBER] = "member",       [AFFILIATION_PUBLISH_ONLY] = "publish-only",
    [AFFILIATION_PUBLISHER] = "publisher", [AFFILIATION_OWNER] = "owner",
};

static const char *const subscriptions[] = {
    [SUBSCRIPTION_NONE] = "none",
    [SUBSCRIPTION_PENDING] = "pending",
    [SUBSCRIPTION_SUBSCRIBED] = "subscribed",
};

const char *affiliation_name(enum affiliation a)
{
    return affiliations[a];
}

const char *subscription_state_name(enum subscription s)
{
    return subscriptions[s];
}

/* -1: not among them. */
static int find_word(const char *const *words, size_t n, struct str word)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(word, words[i]))
            return (int)i;
    }
    return -1;
}

bool affiliation_parse(struct str word, enum affiliation *ret)
{
    int i = find_word(affiliations, ARRAY_LEN(affiliations), word);

    if (i >= 0)
        *ret = (enum affiliation)i;
    return i >= 0;
}

bool subscription_state_parse(struct str word, enum subscription *ret)
{
    int i = find_word(subscriptions, ARRAY_LEN(subscriptions), word);

    if (i >= 0)
        *ret = (enum subscription)i;
    return i >= 0;
}

/* ---- decisions ---- */

static const struct refusal forbidden = {.err = STANZA_ERR_FORBIDDEN};

/* What an affiliation decides by itself (the table of section 4.1). */
enum by_affiliation { YES, NO, BY_MODEL };

static const unsigned char by_affiliation[AFFILIATIONS][PUBSUB_ACTIONS] = {
    /*                         subscribe retrieve  publish   retract own  retract  manage */
    [AFFILIATION_NONE] = {BY_MODEL, BY_MODEL, BY_MODEL, BY_MODEL, NO, NO},
    [AFFILIATION_OUTCAST] = {NO, NO, NO, NO, NO, NO},
    [AFFILIATION_MEMBER] = {YES, YES, BY_MODEL, BY_MODEL, NO, NO},
    [AFFILIATION_PUBLISH_ONLY] = {NO, NO, YES, YES, NO, NO},
    [AFFILIATION_PUBLISHER] = {YES, YES, YES, YES, YES, NO},
    [AFFILIATION_OWNER] = {YES, YES, YES, YES, YES, YES},
};

static const struct refusal refused_by_access[ACCESS_MODELS] = {
    [ACCESS_PRESENCE] = {.err = STANZA_ERR_NOT_AUTHORIZED, .condition = "presence-subscription-required"},
    [ACCESS_ROSTER] = {.err = STANZA_ERR_NOT_AUTHORIZED, .condition = "not-in-roster-group"},
    [ACCESS_AUTHORIZE] = {.err = STANZA_ERR_NOT_AUTHORIZED, .condition = "not-subscribed"},
    [ACCESS_WHITELIST] = {.err = STANZA_ERR_NOT_ALLOWED, .condition = "closed-node"},
};

static bool access_lets_in(enum pubsub_action action, enum access_model access, const struct relation *who)
{
    switch (access) {
    case ACCESS_OPEN:
        return true;
    case ACCESS_PRESENCE:
        return who->sees_presence;
    case ACCESS_ROSTER:
        return who->is_in_group;
    case ACCESS_AUTHORIZE: /* anybody may ask to be subscribed */
        return action == ACTION_SUBSCRIBE || who->subscription == SUBSCRIPTION_SUBSCRIBED;
    case ACCESS_WHITELIST:
    case ACCESS_MODELS:
        break;
    }
    return false;
}

/* Somebody who could not even read it may not publish either, but for nodes that anybody may publish to. */
static bool publish_lets_in(enum publish_model publish, const struct relation *who)
{
    return publish == PUBLISH_BY_ANYBODY ||
           (publish == PUBLISH_BY_SUBSCRIBERS && who->subscription == SUBSCRIPTION_SUBSCRIBED);
}

const struct refusal *access_decide(enum pubsub_action action, enum access_model access, enum publish_model publish,
                                    const struct relation *who)
{
    bool is_reading = action == ACTION_SUBSCRIBE || action == ACTION_RETRIEVE;

    switch ((enum by_affiliation)by_affiliation[who->affiliation][action]) {
    case YES:
        return NULL;
    case NO:
        return &forbidden;
    case BY_MODEL:
        break;
    }
    if (!is_reading)
        return publish_lets_in(publish, who) ? NULL : &forbidden;
    return access_lets_in(action, access, who) ? NULL : &refused_by_access[access];
}

bool access_is_visible(enum access_model access, enum publish_model publish, const struct relation *who)
{
    if (who->affiliation == AFFILIATION_OUTCAST)
        return who->sees_presence;
    return who->affiliation != AFFILIATION_NONE || who->sees_presence || who->subscription != SUBSCRIPTION_NONE ||
           access == ACCESS_OPEN || access == ACCESS_AUTHORIZE || publish == PUBLISH_BY_ANYBODY;
}
