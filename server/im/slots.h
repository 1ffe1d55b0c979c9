/* server/im/slots.h - a module's own data in accounts and sessions.
 *
 * What is only yes or no for a session is a flag: it costs no memory of its own.
 *
 * A module that keeps something for an account or a session asks for a slot when the server starts, and finds a pointer
 * of its own there. The memory for all slots of one account or session is made when the first of them is used: most
 * need none. What a pointer leads to is the module's, to be freed at HOOK_ACCOUNT_UNLOADED or HOOK_SESSION_CLOSING. */
#ifndef LINNET_SERVER_IM_SLOTS_H
#define LINNET_SERVER_IM_SLOTS_H

#include "server/im/account.h"

enum { SLOTS_MAX = 32, SESSION_FLAGS_MAX = 32 };

/* [start] From a module's on_start(). */
unsigned account_slot_new(void);
unsigned session_slot_new(void);
/* The bit of a flag, which is off in every new session. */
/* `name`, a literal, stands for it where sessions are saved over a restart (im/saved.h). */
uint32_t session_flag_new(const char *name);
/* [any] The name of the flag 1 << i; NULL: there are not so many. */
const char *session_flag_name(unsigned i);

/* [worker] Never NULL; *result is NULL at first. */
void **account_slot(struct account *a, unsigned slot);
void **session_slot(struct session *s, unsigned slot);

/* [worker] What lies there; NULL also where nothing was ever made. */
static inline void *account_slot_peek(const struct account *a, unsigned slot)
{
    return a->data == NULL ? NULL : a->data[slot];
}
static inline void *session_slot_peek(const struct session *s, unsigned slot)
{
    return s->data == NULL ? NULL : s->data[slot];
}

/* [worker] */
static inline bool session_has_flag(const struct session *s, uint32_t flag)
{
    return (s->flags & flag) != 0;
}
static inline void session_set_flag(struct session *s, uint32_t flag, bool is_on)
{
    s->flags = is_on ? s->flags | flag : s->flags & ~flag;
}

/* [start] For hooks_start(): all slots are given back. */
void slots_forget(void);

#endif
