#include "server/im/slots.h"

#include "common/mem.h"

#include <assert.h>

static unsigned n_account_slots, n_session_slots, n_session_flags; /* [start] */
static const char *flag_names[SESSION_FLAGS_MAX];

unsigned account_slot_new(void)
{
    assert(n_account_slots < SLOTS_MAX);
    return n_account_slots++;
}

unsigned session_slot_new(void)
{
    assert(n_session_slots < SLOTS_MAX);
    return n_session_slots++;
}

uint32_t session_flag_new(const char *name)
{
    assert(n_session_flags < SESSION_FLAGS_MAX);
    flag_names[n_session_flags] = name;
    return UINT32_C(1) << n_session_flags++;
}

const char *session_flag_name(unsigned i)
{
    return i < n_session_flags ? flag_names[i] : NULL;
}

void **account_slot(struct account *a, unsigned slot)
{
    assert(slot < n_account_slots);
    if (a->data == NULL)
        a->data = mem_zalloc(n_account_slots * sizeof(*a->data));
    return &a->data[slot];
}

void **session_slot(struct session *s, unsigned slot)
{
    assert(slot < n_session_slots);
    if (s->data == NULL)
        s->data = mem_zalloc(n_session_slots * sizeof(*s->data));
    return &s->data[slot];
}

void slots_forget(void)
{
    n_account_slots = n_session_slots = n_session_flags = 0;
}
