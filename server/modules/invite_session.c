/* The invitation that a stream came with, for registration: a file of its own, so that that needs nothing else. */
#include "server/modules/invite.h"

#include <stdlib.h>

#include "server/im/slots.h"

static unsigned slot; /* [start] of sessions: struct invite */

void invite_session_start(void)
{
    slot = session_slot_new();
}

const struct invite *invite_session_peek(const struct session *s)
{
    return session_slot_peek(s, slot);
}

void invite_session_set(struct session *s, const struct invite *i)
{
    invite_session_forget(s);
    *session_slot(s, slot) = invite_copy(i);
}

void invite_session_forget(struct session *s)
{
    if (session_slot_peek(s, slot) == NULL)
        return;
    free(*session_slot(s, slot));
    *session_slot(s, slot) = NULL;
}
