#include "server/im/delivery.h"

#include <assert.h>

#include "common/mem.h"
#include "common/xmpp/hints.h"
#include "common/xmpp/ns.h"

enum { COPY_DEPTH_MAX = 5 }; /* of the message in a copy: that in a copy of a copy lies deeper */

/* Sets of enum values, as bits. */
#define BIT(n)      (1u << (n))
#define ANY         0xffffu

/* types */
#define NORMAL_CHAT (BIT(TYPE_NORMAL) | BIT(TYPE_CHAT))
#define HEADLINE    BIT(TYPE_HEADLINE)
#define PRESENCE    (BIT(TYPE_AVAILABLE) | BIT(TYPE_UNAVAILABLE))
#define NOTICE      (PRESENCE | BIT(TYPE_ERROR))
#define REPLY       (BIT(TYPE_SUBSCRIBED) | BIT(TYPE_UNSUBSCRIBE) | BIT(TYPE_UNSUBSCRIBED))
#define REQUEST     (BIT(TYPE_GET) | BIT(TYPE_SET))

/* addresses */
#define NONE        BIT(ADDRESS_NONE)
#define HOST        BIT(ADDRESS_HOST)
#define BARE        BIT(ADDRESS_BARE)
#define OWN_BARE                                                                                                       \
    (NONE | BARE) /* a message or iq without `to` is for the sender's own account (RFC 6120 section 10.3) */
#define MATCH      BIT(ADDRESS_FULL_MATCH)
#define NO_MATCH   BIT(ADDRESS_FULL_NO_MATCH)

/* accounts */
#define UNKNOWN    BIT(ACCOUNT_UNKNOWN)
#define OFFLINE    BIT(ACCOUNT_NO_RESOURCE)
#define NOBODY     (OFFLINE | BIT(ACCOUNT_ONLY_NEGATIVE)) /* takes messages to the bare JID */
#define SOMEBODY   BIT(ACCOUNT_NON_NEGATIVE)

#define NO_SERVICE STANZA_ERR_SERVICE_UNAVAILABLE

struct rule {
    char name[4];
    uint16_t types;
    uint16_t addresses;
    uint16_t accounts;
    uint8_t action;
    uint8_t err;
};

/* The first row that fits decides. docs/delivery-rules.md has the sections and the reasons, under the same numbers. */
static const struct rule message_rules[] = {
    {"M1", ANY, HOST, ANY, DELIVER_TO_HOST, NO_SERVICE},
    {"M2", ANY, MATCH, ANY, DELIVER_TO_MATCH, NO_SERVICE},
    {"M3", BIT(TYPE_ERROR), ANY, ANY, DELIVER_DROP, NO_SERVICE},
    {"M4", HEADLINE, BARE, UNKNOWN, DELIVER_DROP, NO_SERVICE},
    {"M5", ANY, ANY, UNKNOWN, DELIVER_REFUSE, NO_SERVICE},
    {"M6", BIT(TYPE_GROUPCHAT), ANY, ANY, DELIVER_REFUSE, NO_SERVICE},
    {"M7", NORMAL_CHAT, OWN_BARE, NOBODY, DELIVER_TO_OFFLINE, NO_SERVICE},
    {"M8", NORMAL_CHAT, OWN_BARE, SOMEBODY, DELIVER_TO_TOP, NO_SERVICE},
    {"M9", HEADLINE, OWN_BARE, NOBODY, DELIVER_DROP, NO_SERVICE},
    {"M10", HEADLINE, OWN_BARE, SOMEBODY, DELIVER_TO_ALL_NON_NEGATIVE, NO_SERVICE},
    {"M11", BIT(TYPE_CHAT), NO_MATCH, NOBODY, DELIVER_TO_OFFLINE, NO_SERVICE},
    {"M12", BIT(TYPE_CHAT), NO_MATCH, SOMEBODY, DELIVER_TO_TOP, NO_SERVICE},
    {"M13", BIT(TYPE_NORMAL) | HEADLINE, NO_MATCH, ANY, DELIVER_REFUSE, NO_SERVICE},
};

static const struct rule presence_rules[] = {
    {"P1", BIT(TYPE_INVALID), ANY, ANY, DELIVER_REFUSE, STANZA_ERR_BAD_REQUEST},
    {"P2", ANY, HOST, ANY, DELIVER_TO_HOST, NO_SERVICE},
    {"P3", PRESENCE, NONE, ANY, DELIVER_TO_BROADCAST, NO_SERVICE},
    {"P4", ANY, NONE, ANY, DELIVER_DROP, NO_SERVICE},
    {"P5", BIT(TYPE_PROBE), ANY, UNKNOWN, DELIVER_UNSUBSCRIBED, NO_SERVICE},
    {"P6", ANY, ANY, UNKNOWN, DELIVER_DROP, NO_SERVICE},
    {"P7", NOTICE, MATCH, ANY, DELIVER_TO_MATCH, NO_SERVICE},
    {"P8", NOTICE, NO_MATCH, ANY, DELIVER_DROP, NO_SERVICE},
    {"P9", NOTICE, BARE, OFFLINE, DELIVER_DROP, NO_SERVICE},
    {"P10", NOTICE, BARE, ANY, DELIVER_TO_ALL_AVAILABLE, NO_SERVICE},
    {"P11", REPLY, NO_MATCH, ANY, DELIVER_DROP, NO_SERVICE},
    {"P12", BIT(TYPE_SUBSCRIBE) | REPLY, ANY, ANY, DELIVER_TO_SUBSCRIPTION, NO_SERVICE},
    {"P13", BIT(TYPE_PROBE), ANY, ANY, DELIVER_TO_PROBE, NO_SERVICE},
};

static const struct rule iq_rules[] = {
    {"Q1", BIT(TYPE_INVALID), ANY, ANY, DELIVER_REFUSE, STANZA_ERR_BAD_REQUEST},
    {"Q2", ANY, HOST, ANY, DELIVER_TO_HOST, NO_SERVICE},
    {"Q3", REQUEST, ANY, UNKNOWN, DELIVER_REFUSE, NO_SERVICE},
    {"Q4", ANY, ANY, UNKNOWN, DELIVER_DROP, NO_SERVICE},
    {"Q5", ANY, OWN_BARE, ANY, DELIVER_TO_ACCOUNT, NO_SERVICE},
    {"Q6", REQUEST, MATCH, ANY, DELIVER_TO_MATCH_IF_SEEN, NO_SERVICE},
    {"Q7", REQUEST, NO_MATCH, ANY, DELIVER_REFUSE, NO_SERVICE},
    {"Q8", ANY, MATCH, ANY, DELIVER_TO_MATCH, NO_SERVICE},
    {"Q9", ANY, NO_MATCH, ANY, DELIVER_DROP, NO_SERVICE},
};

static const struct {
    const struct rule *rules;
    size_t n;
} rules_of[] = {
    [STANZA_OTHER] = {NULL, 0},
    [STANZA_MESSAGE] = {message_rules, ARRAY_LEN(message_rules)},
    [STANZA_PRESENCE] = {presence_rules, ARRAY_LEN(presence_rules)},
    [STANZA_IQ] = {iq_rules, ARRAY_LEN(iq_rules)},
};

struct delivery delivery_decide(enum stanza_kind kind, enum stanza_type type, enum delivery_address address,
                                enum delivery_account account)
{
    static_assert(BIT(TYPE_RESULT) <= ANY, "a set of types fits in 16 bits");
    for (size_t i = 0; i < rules_of[kind].n; i++) {
        const struct rule *r = &rules_of[kind].rules[i];

        if ((r->types & BIT(type)) != 0 && (r->addresses & BIT(address)) != 0 && (r->accounts & BIT(account)) != 0)
            return (struct delivery){(enum delivery_action)r->action, (enum stanza_err)r->err, r->name};
    }
    /* Not a stanza, or a type that its kind cannot have: nobody could read an answer either. */
    return (struct delivery){DELIVER_DROP, NO_SERVICE, "-"};
}

static bool has_content(const struct xml_element *message);

/* A copy of a message (XEP-0280) that says nothing itself. */
static bool is_copy_of_trifle(const struct xml_element *e)
{
    const struct xml_element *forwarded = xml_is(e, NULL, NS_CARBONS) ? xml_child(e, "forwarded", NS_FORWARD) : NULL;
    const struct xml_element *message = forwarded == NULL ? NULL : xml_child(forwarded, "message", NS_CLIENT);

    return message != NULL && message->depth < COPY_DEPTH_MAX && !has_content(message);
}

/* What says nothing by itself: a message of nothing but these is not worth keeping. */
static bool is_trifle(const struct xml_element *e)
{
    static const struct {
        const char *name; /* NULL: any */
        const char *ns;
    } trifles[] = {
        {NULL, NS_CHAT_STATES}, {NULL, NS_HINTS},      {NULL, NS_SID}, /* origin-id, stanza-id (XEP-0359) */
        {NULL, NS_DELAY},       {"thread", NS_CLIENT},
    };

    for (size_t i = 0; i < ARRAY_LEN(trifles); i++) {
        if (xml_is(e, trifles[i].name, trifles[i].ns))
            return true;
    }
    return (xml_is(e, "body", NS_CLIENT) && e->text.len == 0) || is_copy_of_trifle(e);
}

static bool has_content(const struct xml_element *message)
{
    for (const struct xml_element *e = message->child; e != NULL; e = e->next) {
        if (!is_trifle(e))
            return true;
    }
    return false;
}

/* Something that a person would miss. */
static bool has_text(const struct xml_element *message)
{
    for (const struct xml_element *e = xml_child(message, "body", NS_CLIENT); e != NULL;
         e = xml_next(e, "body", NS_CLIENT)) {
        if (e->text.len > 0)
            return true;
    }
    return false;
}

enum delivery_action delivery_offline(const struct stanza *st)
{
    const struct xml_element *message = st->root;
    unsigned hints;

    assert(st->kind == STANZA_MESSAGE);
    if (st->type == TYPE_GROUPCHAT)
        return DELIVER_REFUSE;
    if (st->type != TYPE_NORMAL && st->type != TYPE_CHAT)
        return DELIVER_DROP;
    hints = hints_of(st);
    if ((hints & HINT_NO_STORE) != 0)
        return has_text(message) ? DELIVER_REFUSE : DELIVER_DROP;
    if ((hints & HINT_STORE) != 0 || has_content(message))
        return DELIVER_TO_OFFLINE;
    return DELIVER_DROP;
}

bool delivery_is_storable(const struct stanza *st)
{
    return delivery_offline(st) == DELIVER_TO_OFFLINE;
}
