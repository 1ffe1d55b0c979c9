/* tests/load/scenario_presence.c - everyone tells all contacts how they are, again and again.
 *
 * One small stanza in, as many out as the sender has contacts online: what a server's fan-out costs. Each user has K
 * mutual contacts (contacts.h) and goes between available and away; the status carries the stamp, so each contact sees
 * whether it got each change once and in order. With --star only user 0 changes, and K listen. With --relay too, the
 * group takes the place of the roster, and the same frames show what the sockets alone cost.
 *
 * --change online, for a star: user 0 goes and comes back. Each return is news for the contacts and a question to them
 * (RFC 6121 section 4.3), so it has K answers, which are counted and verified as well.
 *
 * Closed loop: a user changes again when all but --window of its changes have reached all contacts. Open loop: --rate
 * changes a second, all users in turn. What a server sends back to the one who changed is not counted. */
#include "tests/load/scenario.h"

#include "common/mem.h"
#include "tests/load/contacts.h"
#include "tests/load/pace.h"

struct sender {
    uint64_t sent;    /* changes */
    uint64_t awaited; /* deliveries */
};

struct presence {
    struct shape shape;
    struct contacts *contacts;
    struct pace *pace; /* open loop */
    uint64_t awaited;  /* deliveries, of all */
    bool is_stopped;
    struct sender *senders; /* by user */
    struct flow *flows;     /* by user and slot: what that contact has got */
    uint32_t turn;          /* whose change is the next one in an open loop */
    uint64_t returns;       /* --change online: how often user 0 came back, */
    uint64_t changed_ns;    /* when last */
    uint64_t *answers;      /* by slot of user 0: how often that contact has answered */
};

static struct shape shape_of(const struct options *o, uint32_t users)
{
    return (struct shape){.users = users, .contacts = (uint32_t)o->contacts, .is_star = o->star};
}

static uint32_t users(const struct options *o, const char **ret_why)
{
    enum { TIMES = 5 }; /* so many users for each contact by default: few of them share all their contacts */
    uint64_t wanted = o->users > 0 ? o->users : o->star ? o->contacts + 1 : o->contacts * TIMES;
    struct shape s = shape_of(o, (uint32_t)wanted);

    const char *why = shape_check(&s);

    if (o->relay && !o->star)
        why = "with --relay presence needs --star: a group is a fan-out";
    if (o->change == CHANGE_ONLINE && (!o->star || o->relay))
        why = "--change online needs --star, and a server that knows presence";
    if (why != NULL)
        *ret_why = why;
    return why == NULL ? s.users : 0;
}

static void prepare(struct load *l)
{
    struct presence *p = mem_zalloc(sizeof(*p));

    p->shape = shape_of(l->options, l->n_clients);
    p->contacts = contacts_new(l, &p->shape);
    p->senders = mem_zalloc(p->shape.users * sizeof(*p->senders));
    p->flows = mem_zalloc((size_t)p->shape.users * p->shape.contacts * sizeof(*p->flows));
    p->answers = mem_zalloc(p->shape.contacts * sizeof(*p->answers));
    for (uint32_t i = 0; l->options->relay && i < l->n_clients; i++)
        client_set_group(l->clients[i], "star");
    l->data = p;
}

static void release(struct load *l)
{
    struct presence *p = l->data;

    pace_free(&p->pace);
    contacts_free(&p->contacts);
    free(p->senders);
    free(p->flows);
    free(p->answers);
    free(p);
    l->data = NULL;
}

static struct flow *flow_to(const struct presence *p, uint32_t sender, uint32_t slot)
{
    return &p->flows[(size_t)sender * p->shape.contacts + slot];
}

/* What is said with the first, third, ... change, and with the others. */
static struct str opening(const struct load *l, bool is_odd)
{
    static const struct str openings[][2] = {
        [CHANGE_AWAY] = {STR_INIT("<presence><show>away</show><status>"), STR_INIT("<presence><status>")},
        [CHANGE_ONLINE] = {STR_INIT("<presence type='unavailable'><status>"), STR_INIT("<presence><status>")},
    };

    return openings[l->options->change][is_odd ? 0 : 1];
}

static void await(struct presence *p, struct sender *s, uint64_t deliveries)
{
    s->awaited += deliveries;
    p->awaited += deliveries;
}

static void change(struct load *l, uint32_t user, uint64_t ns)
{
    struct presence *p = l->data;
    struct sender *s = &p->senders[user];
    struct buf *out = client_begin_send(l->clients[user]);
    struct stamp stamp = {.flow = user, .number = s->sent, .ns = ns};
    bool is_odd = s->sent % 2 == 0;

    buf_append_str(out, opening(l, is_odd));
    stamp_write(out, &stamp, 0);
    buf_append_str(out, STR("</status></presence>"));
    client_end_send(l->clients[user]);
    s->sent++;
    await(p, s, shape_degree(&p->shape, user));
    if (l->options->change == CHANGE_ONLINE && !is_odd) {
        p->returns++;
        p->changed_ns = ns;
        await(p, s, p->shape.contacts);
    }
}

/* As many changes as the window has room for. */
static void change_more(struct load *l, uint32_t user)
{
    const struct presence *p = l->data;
    uint64_t window = (l->options->window - 1) * shape_degree(&p->shape, user);

    while (p->senders[user].awaited <= window)
        change(l, user, load_now());
}

static uint32_t changing_users(const struct presence *p)
{
    return p->shape.is_star ? 1 : p->shape.users;
}

static void send_due(struct load *l, uint64_t due_ns)
{
    struct presence *p = l->data;

    change(l, p->turn, due_ns);
    p->turn = (p->turn + 1) % changing_users(p);
}

static void set_up(struct load *l)
{
    struct presence *p = l->data;

    if (l->options->relay)
        load_ready(l);
    else
        contacts_make(p->contacts, load_ready);
}

static void begin(struct load *l)
{
    struct presence *p = l->data;

    if (l->options->rate > 0)
        p->pace = pace_start(l, send_due);
    else
        for (uint32_t i = 0; i < changing_users(p); i++)
            change_more(l, i);
}

static void stop(struct load *l)
{
    struct presence *p = l->data;

    pace_stop(p->pace, l->measured_to_ns);
    p->is_stopped = true;
}

static bool is_drained(struct load *l)
{
    const struct presence *p = l->data;
    bool all = p->awaited == 0;

    for (uint32_t i = 0; i < changing_users(p); i++)
        if (!client_is_acknowledged(l->clients[i]))
            all = false;
    return all;
}

/* One of those awaited has come, sent at `ns`. */
static void on_delivery(struct load *l, uint32_t user, uint64_t ns)
{
    struct presence *p = l->data;

    l->count++;
    load_record(l, ns, load_now());
    p->awaited--;
    p->senders[user].awaited--;
    if (!p->is_stopped && l->options->rate == 0)
        change_more(l, user);
}

static void on_change(struct load *l, struct client *c, const struct stamp *stamp)
{
    struct presence *p = l->data;
    uint32_t user = stamp->flow < p->shape.users ? (uint32_t)stamp->flow : SHAPE_NONE;

    if (user == client_index(c) || stamp->ns < l->started_ns)
        return; /* a user's own resources are told as well (RFC 6121 section 4.4.2); or it is of an earlier run */
    uint32_t slot = shape_slot(&p->shape, user, client_index(c));

    if (slot == SHAPE_NONE || stamp->number >= p->senders[user].sent) {
        load_fail(l, "%.*s got a presence that nobody sent to it", STR_ARG(client_jid(c)));
        return;
    }
    struct flow *flow = flow_to(p, user, slot);
    uint64_t before = flow_received(flow);

    (void)flow_receive(flow, stamp->number, &l->totals);
    if (flow_received(flow) > before) /* no duplicate */
        on_delivery(l, user, stamp->ns);
}

/* A contact's presence, sent since user 0 came back. */
static void on_answer(struct load *l, struct str from)
{
    struct presence *p = l->data;
    uint32_t slot = shape_slot(&p->shape, 0, contacts_user_of(p->contacts, from));

    if (slot == SHAPE_NONE || p->returns == 0)
        return;
    if (p->answers[slot] == p->returns) {
        l->totals.duplicated++;
        return;
    }
    p->answers[slot]++;
    on_delivery(l, 0, p->changed_ns);
}

static void on_stanza(struct load *l, struct client *c, const struct frame *f)
{
    struct presence *p = l->data;
    struct stamp stamp;

    if (!l->options->relay && contacts_on_stanza(p->contacts, c, f))
        return;
    if (str_is(frame_attribute(f, STR("type")), "error"))
        load_fail(l, "%.*s got an error: %.*s", STR_ARG(client_jid(c)), STR_ARG(f->bytes));
    else if (!str_is(f->name, "presence"))
        return;
    else if (stamp_read(frame_child_text(f, STR("status")), &stamp))
        on_change(l, c, &stamp);
    else if (l->options->change == CHANGE_ONLINE && client_index(c) == 0)
        on_answer(l, frame_attribute(f, STR("from")));
}

static void finish(struct load *l, const struct report_group **ret_extra, size_t *ret_n)
{
    const struct presence *p = l->data;

    for (uint32_t i = 0; i < changing_users(p); i++)
        for (uint32_t slot = 0; slot < shape_degree(&p->shape, i); slot++)
            flow_finish(flow_to(p, i, slot), p->senders[i].sent, &l->totals);
    for (uint32_t slot = 0; slot < p->shape.contacts; slot++)
        l->totals.lost += p->returns - p->answers[slot];
    *ret_extra = NULL;
    *ret_n = 0;
}

const struct scenario scenario_presence = {
    .name = "presence",
    .summary = "everyone's changes of presence reach their contacts",
    .unit = "presences",
    .is_timed = true,
    .sends_presence = true,
    .takes_relay = true,
    .users = users,
    .prepare = prepare,
    .release = release,
    .set_up = set_up,
    .begin = begin,
    .stop = stop,
    .is_drained = is_drained,
    .finish = finish,
    .on_stanza = on_stanza,
};
