#include "common/mem.h"
#include "common/xmpp/hints.h"
#include "common/xmpp/ns.h"
#include "server/modules/archive.h"

/* What says nothing by itself: a message of nothing but these is not kept. All else is: receipts (XEP-0184), markers
 * (XEP-0333), reactions (XEP-0444), corrections (XEP-0308), retractions (XEP-0424), invitations, what is encrypted. */
static bool says_nothing(const struct xml_element *e)
{
    static const struct {
        const char *name; /* NULL: any */
        const char *ns;
    } nothing[] = {
        {NULL, NS_CHAT_STATES},
        {NULL, NS_HINTS},
        {NULL, NS_SID},
        {NULL, NS_DELAY},
        {NULL, "urn:xmpp:carbons:2"},                      /* private */
        {NULL, "urn:xmpp:fallback:0"},                     /* says which part of a body is for old clients */
        {NULL, "http://jabber.org/protocol/pubsub#event"}, /* what nodes tell has its own history */
        {"thread", NS_CLIENT},
        {"request", "urn:xmpp:receipts"},
        {"markable", "urn:xmpp:chat-markers:0"},
    };

    for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
        if (xml_is(e, nothing[i].name, nothing[i].ns))
            return true;
    }
    return (xml_is(e, "body", NS_CLIENT) || xml_is(e, "subject", NS_CLIENT)) && e->text.len == 0;
}

static bool says_something(const struct stanza *st)
{
    for (const struct xml_element *e = st->root->child; e != NULL; e = e->next) {
        if (!says_nothing(e))
            return true;
    }
    return false;
}

/* XEP-0313 section 6.1.1. */
bool archive_is_worth_it(const struct stanza *st)
{
    unsigned hints;

    if (st->type != TYPE_CHAT && st->type != TYPE_NORMAL)
        return false;
    hints = hints_of(st);
    if ((hints & (HINT_NO_STORE | HINT_NO_PERMANENT_STORE)) != 0)
        return false;
    return says_something(st) || (hints & HINT_STORE) != 0;
}
