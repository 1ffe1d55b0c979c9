#include "server/im/subscription.h"

#include <assert.h>

#include "common/mem.h"

/* What of a state a roster item shows. */
#define VISIBLE (SUB_TO | SUB_FROM | SUB_PENDING_OUT | SUB_APPROVED | SUB_LISTED)
#define ALL     (VISIBLE | SUB_PENDING_IN)

struct rule {
    uint8_t event;
    uint8_t with;    /* applies to states that have all of these, */
    uint8_t without; /* and none of these */
    uint8_t set;
    uint8_t clear;
    uint16_t actions;
};

/* Every rule of the event whose condition holds in the old state applies. Saving, deleting and pushing follow from what
 * has changed, so they are not spelled out here. Sections are those of RFC 6121. */
static const struct rule rules[] = {
    /* event, with, without, set, clear, actions */
    /* A.2.1, 3.1.2: routed in any state, also when subscribed: it mends a contact's server that has forgotten. */
    {SUB_OUT_SUBSCRIBE, 0, 0, 0, 0, SUB_DO_ROUTE},
    {SUB_OUT_SUBSCRIBE, 0, SUB_TO, SUB_LISTED | SUB_PENDING_OUT, 0, 0},
    /* A.2.2, 3.3.2 */
    {SUB_OUT_UNSUBSCRIBE, 0, 0, 0, SUB_TO | SUB_PENDING_OUT, SUB_DO_ROUTE},
    /* A.2.3, 3.1.5; without a request it is a pre-approval, 3.4.2 */
    {SUB_OUT_SUBSCRIBED, SUB_PENDING_IN, 0, SUB_LISTED | SUB_FROM, SUB_PENDING_IN,
     SUB_DO_FORGET_REQUEST | SUB_DO_ROUTE | SUB_DO_PRESENCE},
    {SUB_OUT_SUBSCRIBED, 0, SUB_PENDING_IN | SUB_FROM, SUB_LISTED | SUB_APPROVED, 0, 0},
    /* A.2.4, 3.2.2. Who was never subscribed gets no `unavailable`: it would name the resources. */
    {SUB_OUT_UNSUBSCRIBED, SUB_PENDING_IN, 0, 0, SUB_PENDING_IN, SUB_DO_FORGET_REQUEST | SUB_DO_ROUTE},
    {SUB_OUT_UNSUBSCRIBED, SUB_FROM, 0, 0, SUB_FROM, SUB_DO_UNAVAILABLE | SUB_DO_ROUTE},
    {SUB_OUT_UNSUBSCRIBED, SUB_APPROVED, 0, 0, SUB_APPROVED, 0},
    /* A.3.1, 3.1.3. Who asks again has lost track of what he is entitled to see, so it is shown again. */
    {SUB_IN_SUBSCRIBE, SUB_FROM, 0, 0, 0, SUB_DO_SEND_SUBSCRIBED | SUB_DO_PRESENCE},
    {SUB_IN_SUBSCRIBE, SUB_APPROVED, 0, SUB_FROM, SUB_APPROVED, SUB_DO_SEND_SUBSCRIBED | SUB_DO_PRESENCE},
    {SUB_IN_SUBSCRIBE, 0, SUB_FROM | SUB_APPROVED | SUB_PENDING_IN, SUB_PENDING_IN, 0,
     SUB_DO_KEEP_REQUEST | SUB_DO_DELIVER_AVAILABLE},
    /* A.3.2, 3.3.3. The automatic `unsubscribed` that A.3.2 recommends is left out: it says what the contact's server
     * knows already, and would undo a `subscribe` that was sent right after the `unsubscribe`. */
    {SUB_IN_UNSUBSCRIBE, SUB_PENDING_IN, 0, 0, SUB_PENDING_IN, SUB_DO_FORGET_REQUEST | SUB_DO_DELIVER_INTERESTED},
    {SUB_IN_UNSUBSCRIBE, SUB_FROM, 0, 0, SUB_FROM, SUB_DO_UNAVAILABLE | SUB_DO_DELIVER_INTERESTED},
    /* A.3.3, 3.1.6 */
    {SUB_IN_SUBSCRIBED, SUB_PENDING_OUT, 0, SUB_TO, SUB_PENDING_OUT, SUB_DO_DELIVER_INTERESTED},
    /* A.3.4, 3.2.3 */
    {SUB_IN_UNSUBSCRIBED, SUB_TO, 0, 0, SUB_TO, SUB_DO_DELIVER_INTERESTED},
    {SUB_IN_UNSUBSCRIBED, SUB_PENDING_OUT, 0, 0, SUB_PENDING_OUT, SUB_DO_DELIVER_INTERESTED},
    /* 2.3, 2.4: name and groups may have changed where the state has not */
    {SUB_ROSTER_SET, 0, 0, SUB_LISTED, 0, SUB_DO_SAVE | SUB_DO_PUSH},
    /* 2.5.2. What waits on either side ends too: without an item the user could not see to it any more. */
    {SUB_ROSTER_REMOVE, SUB_LISTED, 0, 0, ALL, 0},
    {SUB_ROSTER_REMOVE, SUB_LISTED | SUB_TO, 0, 0, 0, SUB_DO_SEND_UNSUBSCRIBE},
    {SUB_ROSTER_REMOVE, SUB_LISTED | SUB_PENDING_OUT, 0, 0, 0, SUB_DO_SEND_UNSUBSCRIBE},
    {SUB_ROSTER_REMOVE, SUB_LISTED | SUB_FROM, 0, 0, 0, SUB_DO_UNAVAILABLE | SUB_DO_SEND_UNSUBSCRIBED},
    {SUB_ROSTER_REMOVE, SUB_LISTED | SUB_PENDING_IN, 0, 0, 0, SUB_DO_FORGET_REQUEST | SUB_DO_SEND_UNSUBSCRIBED},
};

static bool rule_applies(const struct rule *r, uint8_t state, enum sub_event ev)
{
    return r->event == ev && (state & r->with) == r->with && (state & r->without) == 0;
}

struct sub_step subscription_step(uint8_t state, enum sub_event ev)
{
    struct sub_step step = {state, 0};

    assert(subscription_is_valid(state));
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (rule_applies(&rules[i], state, ev)) {
            step.state = (uint8_t)((step.state & ~rules[i].clear) | rules[i].set);
            step.actions |= rules[i].actions;
        }
    }
    if (step.state != state)
        step.actions |= step.state == 0 ? SUB_DO_DELETE : SUB_DO_SAVE;
    if (((step.state ^ state) & VISIBLE) != 0)
        step.actions |= SUB_DO_PUSH;
    return step;
}

bool subscription_event_of(const struct stanza *st, bool is_outbound, enum sub_event *ret)
{
    enum sub_event ev;

    if (st->kind != STANZA_PRESENCE || jid_is_empty(&st->to) || str_eq(jid_bare(&st->from), jid_bare(&st->to)))
        return false;
    switch (st->type) {
    case TYPE_SUBSCRIBE:
        ev = is_outbound ? SUB_OUT_SUBSCRIBE : SUB_IN_SUBSCRIBE;
        break;
    case TYPE_UNSUBSCRIBE:
        ev = is_outbound ? SUB_OUT_UNSUBSCRIBE : SUB_IN_UNSUBSCRIBE;
        break;
    case TYPE_SUBSCRIBED:
        ev = is_outbound ? SUB_OUT_SUBSCRIBED : SUB_IN_SUBSCRIBED;
        break;
    case TYPE_UNSUBSCRIBED:
        ev = is_outbound ? SUB_OUT_UNSUBSCRIBED : SUB_IN_UNSUBSCRIBED;
        break;
    default:
        return false;
    }
    *ret = ev;
    return true;
}

bool subscription_is_valid(uint8_t state)
{
    if ((state & ~ALL) != 0)
        return false;
    if ((state & (VISIBLE & ~SUB_LISTED)) != 0 && (state & SUB_LISTED) == 0)
        return false;
    if ((state & SUB_TO) != 0 && (state & SUB_PENDING_OUT) != 0)
        return false;
    if ((state & SUB_FROM) != 0 && (state & SUB_PENDING_IN) != 0)
        return false;
    return (state & SUB_APPROVED) == 0 || (state & (SUB_FROM | SUB_PENDING_IN)) == 0;
}

const char *subscription_name(uint8_t state)
{
    static const char *const names[] = {"none", "to", "from", "both"};

    static_assert((SUB_TO | SUB_FROM) == 3, "the two facts index the names");
    return names[state & (SUB_TO | SUB_FROM)];
}
