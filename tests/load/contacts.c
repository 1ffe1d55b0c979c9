#include "tests/load/contacts.h"

#include "common/mem.h"

#include <inttypes.h>

#define ROSTER_ID "load-roster"
#define REMOVE_ID "load-remove"

enum {
    STUCK_S = 30,
    MUTUAL = 1, /* that user's roster says so */
    ASKED = 2,  /* we have set about making it so; kept at the lower user's place */
};

struct contacts {
    struct load *load;
    struct shape shape;
    void (*on_done)(struct load *l);
    uint8_t *state; /* for each user and slot: MUTUAL, ASKED */
    uint32_t next_user, next_slot;
    uint64_t under_way; /* rosters asked for, contacts being removed, or pairs asking each other */
    bool has_rosters;   /* all have come: now the pairs */
    uint64_t made;
    uint64_t changes, changes_seen; /* so that a standstill is noticed */
    uint64_t stuck_s;
};

/* ---- the shape ---- */

const char *shape_check(const struct shape *s)
{
    if (s->contacts == 0)
        return "--contacts must be at least 1";
    if (s->is_star)
        return s->users == s->contacts + 1 ? NULL : "with --star there is one user more than --contacts";
    if (s->contacts >= s->users)
        return "--users must be more than --contacts";
    if (s->contacts % 2 != 0 && s->users % 2 != 0)
        return "an odd number of users cannot have an odd number of mutual contacts each";
    return NULL;
}

uint32_t shape_degree(const struct shape *s, uint32_t user)
{
    return s->is_star && user != 0 ? 1 : s->contacts;
}

/* Slots of a ring: half are the users behind, half are those before; an odd one is the user opposite. */
uint32_t shape_contact(const struct shape *s, uint32_t user, uint32_t slot)
{
    uint32_t half = s->contacts / 2;
    uint64_t distance;

    if (s->is_star)
        return user == 0 ? slot + 1 : 0;
    if (slot < half)
        distance = slot + 1;
    else if (slot < 2 * half)
        distance = s->users - (slot - half + 1);
    else
        distance = s->users / 2;
    return (uint32_t)((user + distance) % s->users);
}

uint32_t shape_slot(const struct shape *s, uint32_t user, uint32_t other)
{
    uint32_t half = s->contacts / 2;

    if (user >= s->users || other >= s->users || user == other)
        return SHAPE_NONE;
    if (s->is_star)
        return user == 0 ? other - 1 : other == 0 ? 0 : SHAPE_NONE;
    uint32_t distance = (other + s->users - user) % s->users;

    if (distance <= half)
        return distance - 1;
    if (s->users - distance <= half)
        return half + (s->users - distance) - 1;
    return s->contacts % 2 != 0 && distance == s->users / 2 ? s->contacts - 1 : SHAPE_NONE;
}

/* ---- what is known ---- */

struct contacts *contacts_new(struct load *l, const struct shape *s)
{
    struct contacts *k = mem_zalloc(sizeof(*k));

    k->load = l;
    k->shape = *s;
    k->state = mem_zalloc((size_t)s->users * s->contacts);
    return k;
}

void contacts_free(struct contacts **k)
{
    if (*k == NULL)
        return;
    free((*k)->state);
    free(*k);
    *k = NULL;
}

uint64_t contacts_made(const struct contacts *k)
{
    return k->made;
}

static uint8_t *state(const struct contacts *k, uint32_t user, uint32_t slot)
{
    return &k->state[(size_t)user * k->shape.contacts + slot];
}

/* The same pair as the contact has it. */
static uint8_t *state_there(const struct contacts *k, uint32_t user, uint32_t slot)
{
    uint32_t other = shape_contact(&k->shape, user, slot);

    return state(k, other, shape_slot(&k->shape, other, user));
}

static bool is_pair_made(const struct contacts *k, uint32_t user, uint32_t slot)
{
    return (*state(k, user, slot) & *state_there(k, user, slot) & MUTUAL) != 0;
}

uint32_t contacts_user_of(const struct contacts *k, struct str jid)
{
    static const struct str prefix = STR_INIT("user");
    const struct options *o = k->load->options;
    ptrdiff_t at = str_find(jid, '@');
    uint64_t number;

    if (!str_starts(jid, prefix) || at < 0 ||
        !str_to_u64(str_make(jid.p + prefix.len, (size_t)at - prefix.len), UINT32_MAX, &number))
        return SHAPE_NONE;
    return number < o->first || number - o->first >= k->shape.users ? SHAPE_NONE : (uint32_t)(number - o->first);
}

static void send_presence(struct contacts *k, uint32_t from, uint32_t to, const char *type)
{
    struct client *c = k->load->clients[from];

    buf_printf(client_begin_send(c), "<presence to='user%" PRIu64 "@%s' type='%s'/>", k->load->options->first + to,
               k->load->options->domain, type);
    client_end_send(c);
}

/* ---- making them ---- */

/* Both sides ask at once and each grants what it is asked for: that completes a pair from whatever state it is in. */
static void ask(struct contacts *k, uint32_t user, uint32_t slot)
{
    uint32_t other = shape_contact(&k->shape, user, slot);

    if ((*state(k, user, slot) & MUTUAL) == 0)
        send_presence(k, user, other, "subscribe");
    if ((*state_there(k, user, slot) & MUTUAL) == 0)
        send_presence(k, other, user, "subscribe");
    *state(k, user, slot) |= ASKED;
    k->under_way++;
    k->made++;
}

/* To the next user and slot; false: all have been gone through. */
static bool step(struct contacts *k)
{
    if (++k->next_slot >= shape_degree(&k->shape, k->next_user)) {
        k->next_slot = 0;
        k->next_user++;
    }
    return k->next_user < k->shape.users;
}

static void ask_more(struct contacts *k)
{
    while (k->next_user < k->shape.users && k->under_way < k->load->options->concurrency) {
        uint32_t other = shape_contact(&k->shape, k->next_user, k->next_slot);

        /* Each pair lies at two places; it is made from the lower one. */
        if (k->next_user < other && !is_pair_made(k, k->next_user, k->next_slot))
            ask(k, k->next_user, k->next_slot);
        if (!step(k))
            break;
    }
    if (k->next_user < k->shape.users || k->under_way > 0)
        return;
    void (*on_done)(struct load *) = k->on_done;

    k->on_done = NULL;
    if (on_done != NULL)
        on_done(k->load);
}

static void fetch_more(struct contacts *k)
{
    for (; k->next_user < k->shape.users && k->under_way < k->load->options->concurrency; k->next_user++) {
        client_send(k->load->clients[k->next_user],
                    STR("<iq type='get' id='" ROSTER_ID "'><query xmlns='jabber:iq:roster'/></iq>"));
        k->under_way++;
    }
    if (k->next_user < k->shape.users || k->under_way > 0)
        return;
    k->has_rosters = true;
    k->next_user = 0;
    load_set_phase(k->load, "making contacts");
    ask_more(k);
}

static struct contacts *watched; /* there is one run a process, and load_after() carries no argument */

static void watch(struct load *l)
{
    struct contacts *k = watched;

    if (k->on_done == NULL)
        return;
    k->stuck_s = k->changes == k->changes_seen ? k->stuck_s + 1 : 0;
    k->changes_seen = k->changes;
    if (k->stuck_s >= STUCK_S)
        load_fail(l, "%" PRIu64 " %s for %d s", k->under_way,
                  k->has_rosters ? "pairs of users did not become mutual contacts" : "rosters did not come", STUCK_S);
    else
        load_after(l, 1000, watch);
}

void contacts_make(struct contacts *k, void (*on_done)(struct load *l))
{
    k->on_done = on_done;
    watched = k;
    load_set_phase(k->load, "fetching rosters");
    load_after(k->load, 1000, watch);
    fetch_more(k);
}

/* ---- what the server says ---- */

/* Of a run with another shape: it would get presences, and the server would be charged for them. */
static void remove_contact(struct contacts *k, uint32_t user, uint32_t other)
{
    struct client *c = k->load->clients[user];

    buf_printf(client_begin_send(c),
               "<iq type='set' id='" REMOVE_ID "'><query xmlns='jabber:iq:roster'>"
               "<item jid='user%" PRIu64 "@%s' subscription='remove'/></query></iq>",
               k->load->options->first + other, k->load->options->domain);
    client_end_send(c);
    k->under_way++;
}

static void on_contact(struct contacts *k, uint32_t user, uint32_t slot, bool is_mutual)
{
    uint8_t *here = state(k, user, slot);
    uint8_t *asked = user < shape_contact(&k->shape, user, slot) ? here : state_there(k, user, slot);

    *here &= (uint8_t)~MUTUAL;
    if (is_mutual)
        *here |= MUTUAL;
    k->changes++;
    if ((*asked & ASKED) == 0 || !is_pair_made(k, user, slot))
        return;
    *asked &= (uint8_t)~ASKED;
    k->under_way--;
    ask_more(k);
}

static void on_item(struct contacts *k, uint32_t user, const struct frame *item, bool is_push)
{
    uint32_t other = contacts_user_of(k, frame_attribute(item, STR("jid")));
    uint32_t slot = shape_slot(&k->shape, user, other);
    struct str subscription = frame_attribute(item, STR("subscription"));

    if (slot != SHAPE_NONE)
        on_contact(k, user, slot, str_is(subscription, "both"));
    else if (other != SHAPE_NONE && other != user && !is_push && !str_is(subscription, "none"))
        remove_contact(k, user, other);
}

/* The items of a roster, or the one of a push. */
static void on_query(struct contacts *k, uint32_t user, const struct frame *query, bool is_push)
{
    struct frames scan = {.has_header = true};
    struct str rest = query->inner;
    struct frame item;

    while (frames_next(&scan, &rest, &item) == FRAMES_ONE)
        on_item(k, user, &item, is_push);
}

/* A change that the server tells of (RFC 6121 section 2.1.6). */
static void on_push(struct contacts *k, struct client *c, const struct frame *f, const struct frame *query)
{
    on_query(k, client_index(c), query, true);
    buf_printf(client_begin_send(c), "<iq type='result' id='%.*s'/>", STR_ARG(frame_attribute(f, STR("id"))));
    client_end_send(c);
}

/* To one of our own requests. */
static void on_answer(struct contacts *k, struct client *c, const struct frame *f, const struct frame *query)
{
    if (str_is(frame_attribute(f, STR("type")), "error")) {
        load_fail(k->load, "%.*s cannot have its roster, or change it: %.*s", STR_ARG(client_jid(c)),
                  STR_ARG(f->bytes));
        return;
    }
    on_query(k, client_index(c), query, false);
    k->changes++;
    k->under_way--;
    fetch_more(k);
}

static bool on_iq(struct contacts *k, struct client *c, const struct frame *f)
{
    struct str id = frame_attribute(f, STR("id"));
    bool is_push = str_is(frame_attribute(f, STR("type")), "set");
    struct frame query = {.kind = FRAME_STANZA};
    bool has_roster =
        frame_child(f, STR("query"), &query) && str_is(frame_attribute(&query, STR("xmlns")), "jabber:iq:roster");

    if (is_push && has_roster)
        on_push(k, c, f, &query);
    else if (!is_push && (str_is(id, ROSTER_ID) || str_is(id, REMOVE_ID)))
        on_answer(k, c, f, &query);
    else
        return false;
    return true;
}

bool contacts_on_stanza(struct contacts *k, struct client *c, const struct frame *f)
{
    if (str_is(f->name, "iq"))
        return on_iq(k, c, f);
    if (!str_is(f->name, "presence"))
        return false;
    struct str type = frame_attribute(f, STR("type"));

    if (str_is(type, "subscribe")) {
        uint32_t other = contacts_user_of(k, frame_attribute(f, STR("from")));

        if (shape_slot(&k->shape, client_index(c), other) != SHAPE_NONE && client_is_online(c))
            send_presence(k, client_index(c), other, "subscribed");
        return true;
    }
    return str_is(type, "subscribed") || str_is(type, "unsubscribe") || str_is(type, "unsubscribed");
}
