/* tests/load/scenario_room.c - one speaks, a room listens (XEP-0045).
 *
 * The room is instant, made by the first occupant, and named after --first, so that two runs do not meet. User 0
 * speaks; all occupants, the speaker too, must get each message once and in order. Closed loop: the next message goes
 * when all but --window have reached everybody; open loop: --rate messages a second.
 *
 * A server without rooms at conference.DOMAIN ends the run with what it answered. */
#include "tests/load/scenario.h"

#include "common/mem.h"
#include "tests/load/pace.h"

#include <inttypes.h>

#define MAKE_ID "load-room"

enum { ANSWER_S = 20 };

struct room {
    char *jid;
    struct pace *pace; /* open loop */
    uint64_t sent;
    uint64_t awaited; /* deliveries */
    bool is_stopped;
    struct flow *flows; /* by occupant */
    bool *is_in;        /* by occupant: its own presence has come back */
    uint32_t next;      /* who joins next */
    uint32_t inside;
    uint32_t inside_seen; /* so that a standstill is noticed */
    uint64_t stuck_s;
};

static uint32_t users(const struct options *o, const char **ret_why)
{
    if (o->occupants < 2 || o->occupants > UINT32_MAX) {
        *ret_why = "--occupants must be at least 2";
        return 0;
    }
    if (o->users > 0 && o->users != o->occupants) {
        *ret_why = "a room has --occupants; --users need not be told";
        return 0;
    }
    return (uint32_t)o->occupants;
}

static void prepare(struct load *l)
{
    struct room *r = mem_zalloc(sizeof(*r));
    struct buf jid = {0};
    size_t len;

    buf_printf(&jid, "load%" PRIu64 "@conference.%s", l->options->first, l->options->domain);
    r->jid = buf_take(&jid, &len);
    r->flows = mem_zalloc(l->n_clients * sizeof(*r->flows));
    r->is_in = mem_zalloc(l->n_clients * sizeof(*r->is_in));
    l->data = r;
}

static void release(struct load *l)
{
    struct room *r = l->data;

    pace_free(&r->pace);
    free(r->jid);
    free(r->flows);
    free(r->is_in);
    free(r);
    l->data = NULL;
}

/* ---- going in ---- */

static void join(struct load *l, uint32_t occupant)
{
    const struct room *r = l->data;
    struct client *c = l->clients[occupant];

    buf_printf(client_begin_send(c),
               "<presence to='%s/occupant%" PRIu32 "'><x xmlns='http://jabber.org/protocol/muc'>"
               "<history maxstanzas='0'/></x></presence>",
               r->jid, occupant);
    client_end_send(c);
}

static void join_more(struct load *l)
{
    struct room *r = l->data;

    for (; r->next < l->n_clients && r->next - r->inside < l->options->concurrency; r->next++)
        join(l, r->next);
    if (r->inside == l->n_clients)
        load_ready(l);
}

/* A room that somebody makes is locked until its owner says how it shall be; an empty form is "as you like"
 * (XEP-0045 section 10.1.2). */
static void unlock(struct load *l, struct client *c)
{
    const struct room *r = l->data;

    buf_printf(client_begin_send(c),
               "<iq type='set' id='" MAKE_ID "' to='%s'><query xmlns='http://jabber.org/protocol/muc#owner'>"
               "<x xmlns='jabber:x:data' type='submit'/></query></iq>",
               r->jid);
    client_end_send(c);
}

/* `rest` is a piece of content: takes the first child of that name off its front. */
static bool next_child(struct str *rest, const char *name, struct frame *ret)
{
    struct frames scan = {.has_header = true};

    while (rest->len > 0 && frames_next(&scan, rest, ret) == FRAMES_ONE)
        if (str_is(ret->name, name))
            return true;
    return false;
}

/* Among what the service says of an occupant (XEP-0045 section 15.6) is that code. There may be an <x/> of others, too.
 */
static bool has_status(const struct frame *f, const char *code)
{
    struct str children = f->inner;

    for (struct frame x; next_child(&children, "x", &x);) {
        struct str said = x.inner;

        for (struct frame status; next_child(&said, "status", &status);)
            if (str_is(frame_attribute(&status, STR("code")), code))
                return true;
    }
    return false;
}

static void on_inside(struct load *l, struct client *c, bool is_new_room)
{
    struct room *r = l->data;

    if (r->is_in[client_index(c)])
        return;
    r->is_in[client_index(c)] = true;
    r->inside++;
    if (is_new_room)
        unlock(l, c);
    else
        join_more(l);
}

static void watch(struct load *l)
{
    struct room *r = l->data;

    if (r->inside == l->n_clients)
        return;
    r->stuck_s = r->inside == r->inside_seen ? r->stuck_s + 1 : 0;
    r->inside_seen = r->inside;
    if (r->stuck_s >= ANSWER_S)
        load_fail(l, "%" PRIu32 " of %" PRIu32 " got into %s, and then nothing came for %d s", r->inside, l->n_clients,
                  r->jid, ANSWER_S);
    else
        load_after(l, 1000, watch);
}

static void set_up(struct load *l)
{
    struct room *r = l->data;

    load_set_phase(l, "joining");
    load_after(l, 1000, watch);
    r->next = 1; /* the first goes alone, and makes the room */
    join(l, 0);
}

/* ---- talk ---- */

static void speak(struct load *l, uint64_t ns)
{
    struct room *r = l->data;
    struct buf *out = client_begin_send(l->clients[0]);
    struct stamp stamp = {.number = r->sent, .ns = ns};

    buf_printf(out, "<message type='groupchat' to='%s'><body>", r->jid);
    stamp_write(out, &stamp, l->options->body);
    buf_append_str(out, STR("</body></message>"));
    client_end_send(l->clients[0]);
    r->sent++;
    r->awaited += l->n_clients;
}

static void speak_more(struct load *l)
{
    const struct room *r = l->data;

    while (r->awaited <= (l->options->window - 1) * l->n_clients)
        speak(l, load_now());
}

static void begin(struct load *l)
{
    struct room *r = l->data;

    if (l->options->rate > 0)
        r->pace = pace_start(l, speak);
    else
        speak_more(l);
}

static void stop(struct load *l)
{
    struct room *r = l->data;

    pace_stop(r->pace, l->measured_to_ns);
    r->is_stopped = true;
}

static bool is_drained(struct load *l)
{
    const struct room *r = l->data;

    return client_is_acknowledged(l->clients[0]) && r->awaited == 0;
}

static void on_message(struct load *l, struct client *c, const struct stamp *stamp)
{
    struct room *r = l->data;
    struct flow *flow = &r->flows[client_index(c)];
    uint64_t before = flow_received(flow);

    if (stamp->ns < l->started_ns)
        return; /* of an earlier run */
    if (stamp->number >= r->sent) {
        load_fail(l, "%.*s got a message that nobody sent", STR_ARG(client_jid(c)));
        return;
    }
    (void)flow_receive(flow, stamp->number, &l->totals);
    if (flow_received(flow) == before)
        return; /* a duplicate */
    l->count++;
    load_record(l, stamp->ns, load_now());
    r->awaited--;
    if (!r->is_stopped && l->options->rate == 0)
        speak_more(l);
}

static void on_error(struct load *l, struct client *c, const struct frame *f)
{
    const struct room *r = l->data;

    if (r->inside == 0 && str_is(f->name, "presence"))
        load_fail(l, "the server at port %" PRIu64 " has no rooms at conference.%s; it answered %.*s", l->options->port,
                  l->options->domain, STR_ARG(f->bytes));
    else
        load_fail(l, "%.*s got an error: %.*s", STR_ARG(client_jid(c)), STR_ARG(f->bytes));
}

static void on_stanza(struct load *l, struct client *c, const struct frame *f)
{
    struct str type = frame_attribute(f, STR("type"));
    struct stamp stamp;

    if (str_is(type, "error"))
        on_error(l, c, f);
    else if (str_is(f->name, "message") && stamp_read(frame_child_text(f, STR("body")), &stamp))
        on_message(l, c, &stamp);
    else if (str_is(f->name, "presence") && has_status(f, "110"))
        on_inside(l, c, has_status(f, "201"));
    else if (str_is(f->name, "iq") && str_is(frame_attribute(f, STR("id")), MAKE_ID))
        join_more(l);
}

static void finish(struct load *l, const struct report_group **ret_extra, size_t *ret_n)
{
    const struct room *r = l->data;

    for (uint32_t i = 0; i < l->n_clients; i++)
        flow_finish(&r->flows[i], r->sent, &l->totals);
    *ret_extra = NULL;
    *ret_n = 0;
}

const struct scenario scenario_room = {
    .name = "room",
    .summary = "one speaker's messages reach all occupants of a room",
    .unit = "messages",
    .is_timed = true,
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
