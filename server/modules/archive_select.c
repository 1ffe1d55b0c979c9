#include "common/mem.h"
#include "common/xmpp/hints.h"
#include "common/xmpp/ns.h"
#include "server/modules/archive.h"

/* What says nothing by itself: a message of nothing but these is not kept. All else is: receipts (XEP-0184), markers
 * (XEP-0333), reactions (XEP-0444), corrections (XEP-0308), retractions (XEP-0424), invitations, what is encrypted. */
static bool says_nothing(const struct xml_element *e)
{
    static const struct {
        struct str ns;
        struct str name; /* empty: any */
    } nothing[] = {
        {STR_INIT(NS_CHAT_STATES), STR_INIT("")},
        {STR_INIT(NS_HINTS), STR_INIT("")},
        {STR_INIT(NS_SID), STR_INIT("")},
        {STR_INIT(NS_DELAY), STR_INIT("")},
        {STR_INIT("urn:xmpp:carbons:2"), STR_INIT("")},  /* private */
        {STR_INIT("urn:xmpp:fallback:0"), STR_INIT("")}, /* which part of a body is for old clients */
        {STR_INIT("http://jabber.org/protocol/pubsub#event"), STR_INIT("")}, /* nodes keep that themselves */
        {STR_INIT(NS_CLIENT), STR_INIT("thread")},
        {STR_INIT("urn:xmpp:receipts"), STR_INIT("request")},
        {STR_INIT("urn:xmpp:chat-markers:0"), STR_INIT("markable")},
    };

    for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
        if (str_eq(e->ns, nothing[i].ns) && (nothing[i].name.len == 0 || str_eq(e->name, nothing[i].name)))
            return true;
    }
    return e->text.len == 0 && (xml_is(e, "body", NS_CLIENT) || xml_is(e, "subject", NS_CLIENT));
}

/* XEP-0313 section 6.1.1. All messages come through here, so their children are walked over once. */
bool archive_is_worth_it(const struct stanza *st)
{
    bool says_something = false, has_hints = false;

    if (st->type != TYPE_CHAT && st->type != TYPE_NORMAL)
        return false;
    for (const struct xml_element *e = st->root->child; e != NULL; e = e->next) {
        has_hints = has_hints || str_eq(e->ns, STR(NS_HINTS));
        says_something = says_something || !says_nothing(e);
    }
    unsigned hints = has_hints ? hints_of(st) : 0;

    if ((hints & (HINT_NO_STORE | HINT_NO_PERMANENT_STORE)) != 0)
        return false;
    return says_something || (hints & HINT_STORE) != 0;
}
