#include "server/modules/attention.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"

static const struct xml_element *find_forwarded(const struct stanza *st, const char *direction)
{
    const struct xml_element *copy = xml_child(st->root, direction, NS_CARBONS);
    const struct xml_element *forwarded = copy == NULL ? NULL : xml_child(copy, "forwarded", NS_FORWARD);

    return forwarded == NULL ? NULL : xml_child(forwarded, "message", NS_CLIENT);
}

const struct xml_element *attention_message(const struct stanza *st)
{
    const struct xml_element *received = find_forwarded(st, "received"), *sent = find_forwarded(st, "sent");

    return received != NULL ? received : sent != NULL ? sent : st->root;
}

static bool has_text(const struct xml_element *message, const char *name)
{
    for (const struct xml_element *e = xml_child(message, name, NS_CLIENT); e != NULL;
         e = xml_next(e, name, NS_CLIENT)) {
        if (e->text.len > 0)
            return true;
    }
    return false;
}

/* What it says besides text, or instead of it. Of what is encrypted nobody here can tell, so it is taken for text. */
static bool says_something(const struct xml_element *message)
{
    static const struct {
        const char *name;
        const char *ns;
    } payloads[] = {
        {"encryption", "urn:xmpp:eme:0"},  {"encrypted", "eu.siacs.conversations.axolotl"},
        {"encrypted", "urn:xmpp:omemo:2"}, {"openpgp", "urn:xmpp:openpgp:0"},
        {"x", "jabber:x:encrypted"},       {"x", NS_CONFERENCE},
        {"propose", NS_JINGLE_MESSAGE},
    };
    const struct xml_element *room = xml_child(message, "x", NS_MUC_USER);

    for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
        if (xml_child(message, payloads[i].name, payloads[i].ns) != NULL)
            return true;
    }
    return room != NULL && xml_child(room, "invite", NS_MUC_USER) != NULL;
}

bool attention_is_wanted(const struct stanza *st)
{
    if (st->kind != STANZA_MESSAGE || st->type == TYPE_ERROR || st->type == TYPE_HEADLINE)
        return false;
    const struct xml_element *message = attention_message(st);

    if (message != st->root && find_forwarded(st, "sent") == message)
        return false;
    return has_text(message, "body") || has_text(message, "subject") || says_something(message);
}
