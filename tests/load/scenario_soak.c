/* tests/load/scenario_soak.c - people come and go for hours, and the server's memory must not follow.
 *
 * Half of the users stay online, the base. The others, at most --concurrency, log in and out without a pause. With each
 * 64th login goes a message to a user of the base and one back, both verified, before the logout. The server's PSS is
 * taken after the first 10 000 logins, each minute from then on, and at the end, always in full traffic; the last
 * divided by the first is the result. Logins are counted, and their time is the latency. */
#include "tests/load/scenario.h"

#include "common/mem.h"

#include <inttypes.h>
#include <math.h>

enum {
    FIRST_MARK = 10000, /* logins after which the first memory is taken */
    MARK_MS = 60 * 1000,
    TALK_EVERY = 64,
    POLL_MS = 100,
};

/* Directions of a stamp. */
enum { TO_BASE, TO_GUEST };

/* One that comes and goes; its partner in the base has an index lower by n_base. */
struct guest {
    uint64_t logins;
    uint64_t sent[2]; /* by direction */
    struct flow flows[2];
    bool is_talking; /* the answer has not come yet */
};

struct soak {
    uint32_t n_base, n_guests;
    struct guest *guests;
    uint64_t talks;
    bool is_going; /* guests that come in go out again */
    bool has_ended;
    uint64_t stopped_ns;
    double *marks; /* PSS in KiB: the first, one a minute, the last */
    size_t n_marks, marks_cap;
    struct report_field fields[7];
    struct report_group extra;
};

static uint32_t users(const struct options *o, const char **ret_why)
{
    enum { DEFAULT = 128 };

    if (o->users == 1)
        *ret_why = "--users must be at least 2: some stay, others come and go";
    return o->users == 0 ? DEFAULT : o->users == 1 ? 0 : (uint32_t)o->users;
}

static void prepare(struct load *l)
{
    struct soak *s = mem_zalloc(sizeof(*s));
    uint32_t half = l->n_clients / 2;

    s->n_guests = half < l->options->concurrency ? half : (uint32_t)l->options->concurrency;
    s->n_base = l->n_clients - s->n_guests;
    s->guests = mem_zalloc(s->n_guests * sizeof(*s->guests));
    l->data = s;
}

static void release(struct load *l)
{
    struct soak *s = l->data;

    free(s->guests);
    free(s->marks);
    free(s);
    l->data = NULL;
}

static struct guest *guest_of(const struct soak *s, uint32_t index)
{
    return index < s->n_base ? NULL : &s->guests[index - s->n_base];
}

/* ---- memory ---- */

static bool take_mark(struct load *l)
{
    struct soak *s = l->data;
    uint64_t kib;

    if (l->options->pids.count == 0)
        return true;
    if (!process_pss(&l->options->pids, &kib)) {
        load_fail(l, "the server's memory cannot be read: has it ended?");
        return false;
    }
    if (s->n_marks == s->marks_cap) {
        s->marks_cap = s->marks_cap == 0 ? 64 : s->marks_cap * 2;
        s->marks = mem_realloc(s->marks, s->marks_cap * sizeof(*s->marks));
    }
    s->marks[s->n_marks++] = (double)kib;
    return true;
}

static void take_mark_each_minute(struct load *l)
{
    const struct soak *s = l->data;

    if (s->is_going && take_mark(l))
        load_after(l, MARK_MS, take_mark_each_minute);
}

/* ---- coming and going ---- */

static void say(struct load *l, uint32_t guest, unsigned direction)
{
    struct soak *s = l->data;
    struct guest *g = &s->guests[guest];
    struct client *there = l->clients[s->n_base + guest], *here = l->clients[guest % s->n_base];
    struct client *from = direction == TO_BASE ? there : here, *to = direction == TO_BASE ? here : there;
    struct stamp stamp = {guest, direction, g->sent[direction]++, load_now()};
    struct buf *out = client_begin_send(from);

    buf_printf(out, "<message type='chat' to='%.*s'><body>", STR_ARG(client_jid(to)));
    stamp_write(out, &stamp, l->options->body);
    buf_append_str(out, STR("</body></message>"));
    client_end_send(from);
}

static void on_online(struct load *l, struct client *c)
{
    struct soak *s = l->data;
    struct guest *g = guest_of(s, client_index(c));

    if (!s->is_going || g == NULL)
        return;
    l->count++;
    load_record(l, client_connect_ns(c), client_online_ns(c));
    if (l->count == FIRST_MARK)
        take_mark_each_minute(l);
    if (g->logins++ % TALK_EVERY != 0) {
        client_logout(c);
        return;
    }
    g->is_talking = true;
    say(l, client_index(c) - s->n_base, TO_BASE);
}

static void on_closed(struct load *l, struct client *c)
{
    const struct soak *s = l->data;

    if (!s->has_ended)
        client_connect(c); /* also when nobody goes any more: the run ends as it began, with all online */
}

static void on_message(struct load *l, struct client *c, const struct stamp *stamp)
{
    struct soak *s = l->data;
    struct guest *g = stamp->flow < s->n_guests ? &s->guests[stamp->flow] : NULL;

    if (stamp->ns < l->started_ns)
        return; /* of an earlier run, kept while its receiver was offline */
    if (g == NULL || stamp->direction > TO_GUEST || stamp->number >= g->sent[stamp->direction]) {
        load_fail(l, "%.*s got a message that nobody sent", STR_ARG(client_jid(c)));
        return;
    }
    bool is_next = flow_receive(&g->flows[stamp->direction], stamp->number, &l->totals);

    if (!is_next || !g->is_talking)
        return;
    if (stamp->direction == TO_BASE) {
        say(l, (uint32_t)stamp->flow, TO_GUEST);
        return;
    }
    g->is_talking = false;
    s->talks++;
    if (s->is_going)
        client_logout(c);
}

static void on_stanza(struct load *l, struct client *c, const struct frame *f)
{
    struct stamp stamp;

    if (str_is(frame_attribute(f, STR("type")), "error"))
        load_fail(l, "%.*s got an error: %.*s", STR_ARG(client_jid(c)), STR_ARG(f->bytes));
    else if (str_is(f->name, "message") && stamp_read(frame_child_text(f, STR("body")), &stamp))
        on_message(l, c, &stamp);
}

/* ---- from beginning to end ---- */

static bool is_anybody_talking(const struct soak *s)
{
    for (uint32_t i = 0; i < s->n_guests; i++)
        if (s->guests[i].is_talking)
            return true;
    return false;
}

static void drain(struct load *l)
{
    struct soak *s = l->data;
    bool is_late = load_now() - s->stopped_ns > LOAD_DRAIN_S * UINT64_C(1000000000);

    if ((l->n_online == l->n_clients && !is_anybody_talking(s)) || is_late) {
        s->has_ended = true;
        load_done(l);
    } else {
        load_after(l, POLL_MS, drain);
    }
}

static void on_time(struct load *l)
{
    struct soak *s = l->data;

    load_measure_end(l);
    if (l->count >= FIRST_MARK && !take_mark(l))
        return;
    s->is_going = false;
    s->stopped_ns = load_now();
    load_set_phase(l, "draining");
    drain(l);
}

static void on_all_online(struct load *l)
{
    struct soak *s = l->data;

    load_set_phase(l, "coming and going");
    load_measure_begin(l);
    s->is_going = true;
    for (uint32_t i = s->n_base; i < l->n_clients; i++)
        client_logout(l->clients[i]);
    load_after(l, (uint64_t)(l->options->seconds * 1000), on_time);
}

static void begin(struct load *l)
{
    load_login(l, on_all_online);
}

static void finish(struct load *l, const struct report_group **ret_extra, size_t *ret_n)
{
    struct soak *s = l->data;
    double first = s->n_marks > 0 ? s->marks[0] : NAN, last = s->n_marks > 1 ? s->marks[s->n_marks - 1] : NAN;

    for (uint32_t i = 0; i < s->n_guests; i++) {
        flow_finish(&s->guests[i].flows[TO_BASE], s->guests[i].sent[TO_BASE], &l->totals);
        flow_finish(&s->guests[i].flows[TO_GUEST], s->guests[i].sent[TO_GUEST], &l->totals);
    }
    s->fields[0] = (struct report_field){"base", REPORT_INT, {.integer = s->n_base}};
    s->fields[1] = (struct report_field){"guests", REPORT_INT, {.integer = s->n_guests}};
    s->fields[2] = (struct report_field){"talks", REPORT_INT, {.integer = (int64_t)s->talks}};
    s->fields[3] = (struct report_field){"pss_kib_first", REPORT_REAL, {.real = first}};
    s->fields[4] = (struct report_field){"pss_kib_last", REPORT_REAL, {.real = last}};
    s->fields[5] = (struct report_field){"ratio", REPORT_REAL, {.real = last / first}};
    s->fields[6] = (struct report_field){"pss_kib_marks", REPORT_REALS, {.reals = {s->marks, s->n_marks}}};
    s->extra = (struct report_group){"soak", s->fields, ARRAY_LEN(s->fields)};
    *ret_extra = &s->extra;
    *ret_n = 1;
}

const struct scenario scenario_soak = {
    .name = "soak",
    .summary = "logins and logouts without end, and the memory they leave behind",
    .unit = "logins",
    .sends_presence = true,
    .users = users,
    .prepare = prepare,
    .release = release,
    .begin = begin,
    .finish = finish,
    .on_online = on_online,
    .on_closed = on_closed,
    .on_stanza = on_stanza,
};
