/* Pairs of users chat: in each, one sends and one receives.
 *
 * Closed loop: --window messages of each pair are on their way, and one that has come lets the next be sent, inside
 * this process, so that no message is needed to say so. It finds how much a server can do. Open loop: messages are due
 * at fixed times, --rate in all, whatever the server does, and latency counts from then: a server that halts for a
 * moment is charged for all that was due meanwhile. It finds how soon messages arrive.
 *
 * --users above twice --pairs adds users that are online and silent. */
#include "tests/load/scenario.h"

#include "common/mem.h"
#include "tests/load/pace.h"

#include <stdio.h>

enum {
    QUOTE_MAX = 400,
    UNSENT_MAX = 16 * 1024 * 1024, /* of one sender: the server has not read for long */
};

struct pair {
    struct client *sender, *receiver;
    struct buf head; /* "<message to='...' type='chat' id='" */
    uint64_t sent;
    struct flow flow;
};

struct chat {
    struct pair *pairs;
    uint64_t n_pairs;
    bool is_stopped;
    struct pace *pace; /* open loop; else NULL */
    uint64_t turn;     /* whose message is due next in it */
};

static uint32_t users(const struct options *o, const char **ret_why)
{
    if (o->users != 0 && o->users < 2 * o->pairs) {
        *ret_why = "--users is below twice --pairs";
        return 0;
    }
    return (uint32_t)(o->users != 0 ? o->users : 2 * o->pairs);
}

static void prepare(struct load *l)
{
    struct chat *chat = mem_zalloc(sizeof(*chat));
    char group[32];

    l->data = chat;
    chat->n_pairs = l->options->pairs;
    chat->pairs = mem_zalloc(chat->n_pairs * sizeof(struct pair));
    for (uint32_t i = 0; i < l->n_clients; i++) {
        (void)snprintf(group, sizeof(group), "pair%u", i / 2);
        client_set_group(l->clients[i], group);
    }
    for (uint64_t i = 0; i < chat->n_pairs; i++) {
        struct pair *pair = &chat->pairs[i];
        pair->sender = l->clients[2 * i];
        pair->receiver = l->clients[2 * i + 1];
        client_set_data(pair->sender, pair);
        client_set_data(pair->receiver, pair);
    }
}

static void release(struct load *l)
{
    struct chat *chat = l->data;

    for (uint64_t i = 0; i < chat->n_pairs; i++)
        buf_deinit(&chat->pairs[i].head);
    free(chat->pairs);
    pace_free(&chat->pace);
    free(chat);
}

static void send_one(struct load *l, struct pair *pair, uint64_t ns)
{
    const struct chat *chat = l->data;
    struct stamp stamp = {.flow = (uint64_t)(pair - chat->pairs), .number = pair->sent++, .ns = ns};
    struct buf *out = client_begin_send(pair->sender);

    buf_append_str(out, buf_str(&pair->head));
    buf_append_u64(out, stamp.number);
    buf_append_str(out, STR("'><body>"));
    stamp_write(out, &stamp, l->options->body);
    buf_append_str(out, STR("</body></message>"));
    client_end_send(pair->sender);
}

/* In turn, whatever has become of those before. */
static void send_due(struct load *l, uint64_t due_ns)
{
    struct chat *chat = l->data;
    struct pair *pair = &chat->pairs[chat->turn++ % chat->n_pairs];

    send_one(l, pair, due_ns);
    if (client_unsent(pair->sender) > UNSENT_MAX)
        load_fail(l, "the server has not read user%llu's messages for long: it cannot keep up with --rate",
                  (unsigned long long)(l->options->first + client_index(pair->sender)));
}

static void begin(struct load *l)
{
    struct chat *chat = l->data;
    bool to_bare = l->options->to == ADDRESS_BARE;

    for (uint64_t i = 0; i < chat->n_pairs; i++) {
        struct pair *pair = &chat->pairs[i];
        struct str to = to_bare ? client_bare_jid(pair->receiver) : client_jid(pair->receiver);
        buf_printf(&pair->head, "<message to='%.*s' type='chat' id='", STR_ARG(to));
    }
    if (l->options->rate != 0) {
        chat->pace = pace_start(l, send_due);
        return;
    }
    for (uint64_t w = 0; w < l->options->window; w++)
        for (uint64_t i = 0; i < chat->n_pairs; i++)
            send_one(l, &chat->pairs[i], load_now());
}

static void stop(struct load *l)
{
    struct chat *chat = l->data;

    pace_stop(chat->pace, l->measured_to_ns); /* what was due until then belongs to it */
    chat->is_stopped = true;
}

static void refuse(struct load *l, const struct client *c, const char *what, const struct frame *f)
{
    int len = f->bytes.len > QUOTE_MAX ? QUOTE_MAX : (int)f->bytes.len;

    load_fail(l, "user%llu received %s: %.*s", (unsigned long long)(l->options->first + client_index(c)), what, len,
              f->bytes.p);
}

static void on_stanza(struct load *l, struct client *c, const struct frame *f)
{
    struct chat *chat = l->data;
    struct pair *pair = client_data(c);
    struct stamp stamp;

    if (!str_eq(f->name, STR("message")))
        return; /* presence */
    if (str_eq(frame_attribute(f, STR("type")), STR("error"))) {
        refuse(l, c, "an error", f);
        return;
    }
    if (!stamp_read(frame_child_text(f, STR("body")), &stamp)) {
        refuse(l, c, "a message that nobody has sent", f);
        return;
    }
    if (stamp.ns < l->started_ns)
        return; /* stored for somebody of another run, which was ended early */
    if (pair == NULL || c != pair->receiver || stamp.flow != (uint64_t)(pair - chat->pairs) || stamp.direction != 0 ||
        stamp.number >= pair->sent) {
        refuse(l, c, "a message that was not for it", f);
        return;
    }
    uint64_t now = load_now();
    (void)flow_receive(&pair->flow, stamp.number, &l->totals);
    l->count++;
    load_record(l, stamp.ns, now);
    if (l->options->rate == 0 && !chat->is_stopped)
        send_one(l, pair, now);
}

static bool is_drained(struct load *l)
{
    const struct chat *chat = l->data;
    bool all = true;

    for (uint64_t i = 0; i < chat->n_pairs; i++) {
        const struct pair *pair = &chat->pairs[i];
        if (flow_received(&pair->flow) != pair->sent || !client_is_acknowledged(pair->sender))
            all = false;
    }
    return all;
}

static void finish(struct load *l, const struct report_group **ret_extra, size_t *ret_n)
{
    const struct chat *chat = l->data;
    struct buf why = {0};

    (void)ret_extra;
    (void)ret_n;
    for (uint64_t i = 0; i < chat->n_pairs; i++) {
        struct pair *pair = &chat->pairs[i];
        flow_finish(&pair->flow, pair->sent, &l->totals);
        if (!client_is_online(pair->sender) || client_is_acknowledged(pair->sender))
            continue;
        l->failed++;
        buf_clear(&why);
        client_explain_acknowledgement(pair->sender, &why);
        load_fail(l, "%.*s", STR_ARG(buf_str(&why)));
    }
    buf_deinit(&why);
}

const struct scenario scenario_chat = {
    .name = "chat",
    .summary = "--pairs N chat: closed loop with --window W, or open loop with --rate R",
    .unit = "messages",
    .is_timed = true,
    .sends_presence = true,
    .takes_relay = true,
    .users = users,
    .prepare = prepare,
    .release = release,
    .begin = begin,
    .stop = stop,
    .is_drained = is_drained,
    .finish = finish,
    .on_stanza = on_stanza,
};
