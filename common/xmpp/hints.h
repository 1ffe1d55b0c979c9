/* common/xmpp/hints.h - what a sender asks of those who handle a message: XEP-0334 Message Processing Hints 1.0.0.
 *
 * One reader for all who may store or copy: offline storage (im/delivery.h), archive, carbons. */
#ifndef LINNET_COMMON_XMPP_HINTS_H
#define LINNET_COMMON_XMPP_HINTS_H

#include "common/xmpp/stanza.h"

enum hint {
    HINT_NO_PERMANENT_STORE = 1, /* not in an archive */
    HINT_NO_STORE = 2,           /* neither there nor until its addressee is online */
    HINT_NO_COPY = 4,            /* only to the resource that it is addressed to */
    HINT_STORE = 8,              /* store it even if it does not look worth it */
};

/* [any] The set of hints of a message. Empty for an error, which may repeat what it is about (section 5). */
unsigned hints_of(const struct stanza *st);

#endif
