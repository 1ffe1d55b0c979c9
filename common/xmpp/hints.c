#include "common/xmpp/hints.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"

static const struct {
    const char *name;
    enum hint hint;
} hints[] = {
    {"no-permanent-store", HINT_NO_PERMANENT_STORE},
    {"no-store", HINT_NO_STORE},
    {"no-copy", HINT_NO_COPY},
    {"store", HINT_STORE},
};

unsigned hints_of(const struct stanza *st)
{
    unsigned set = 0;

    if (st->type == TYPE_ERROR)
        return 0;
    for (const struct xml_element *e = xml_child(st->root, NULL, NS_HINTS); e != NULL;
         e = xml_next(e, NULL, NS_HINTS)) {
        for (size_t i = 0; i < ARRAY_LEN(hints); i++) {
            if (str_is(e->name, hints[i].name))
                set |= hints[i].hint;
        }
    }
    return set;
}
