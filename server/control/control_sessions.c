/* sessions, kick: what lives on the workers.
 *
 * A `visit` goes to one worker after the other as a task. A listing first notes the names of the sessions there, which
 * is quick, and then looks them up and describes them, SLICE at a time with the loop's other work in between, and a
 * part of the answer at a time: the next is only written when the operator has taken the one before. The visit has one
 * holder at any moment, a worker or the control thread, so nothing in it needs a lock; and as it holds no session, it
 * can end anywhere. */
#include "server/control/control_commands.h"

#include "common/mem.h"
#include "server/im/im.h"
#include "server/im/shard.h"
#include "server/im/unacked.h"
#include "server/stream/session.h"

#include <stdio.h>

enum { SLICE = 64 };

struct visit {
    struct task task; /* its way back to the control thread */
    struct server *server;
    struct control_request *request; /* [control] a reference, while the visit is at a worker */
    void (*at_worker)(struct worker *w, void *visit);
    void (*back)(struct visit *v);
    unsigned worker;
    bool all_workers; /* not only the home of `jid` */
    /* whom it is about: an address, full or bare; or an id; neither: everybody */
    struct jid_buf mem;
    struct jid jid;
    uint64_t id;
    /* sessions */
    bool was_noted;
    struct buf names; /* full JIDs of this worker, a NUL behind each */
    size_t at;        /* how far they were written down */
    struct buf rows;
    /* kick */
    char *text;
    uint64_t n_kicked;
};

/* ---- there and back ---- */

static void run_back(struct task *own_task)
{
    struct visit *v = container_of(own_task, struct visit, task);

    v->back(v);
}

static void go_back(struct visit *v)
{
    v->task.run = run_back;
    executor_post(v->server->control, &v->task);
}

static void go_to_worker(struct visit *v, struct control_request *r)
{
    v->request = control_ref(r);
    worker_call(v->server->workers[v->worker], v->at_worker, v);
}

/* False: there is no other worker to ask. */
static bool has_next_worker(struct visit *v)
{
    if (!v->all_workers || v->worker + 1 == v->server->n_workers)
        return false;
    v->worker++;
    return true;
}

/* ---- sessions ---- */

static const struct control_column session_columns[] = {
    {"id", CONTROL_TEXT, false},        {"worker", CONTROL_INT, true},       {"type", CONTROL_TEXT, false},
    {"full_jid", CONTROL_TEXT, false},  {"username", CONTROL_TEXT, true},    {"host", CONTROL_TEXT, true},
    {"resource", CONTROL_TEXT, true},   {"notopen", CONTROL_BOOL, true},     {"state", CONTROL_TEXT, false},
    {"connected", CONTROL_BOOL, true},  {"available", CONTROL_BOOL, true},   {"interested", CONTROL_BOOL, true},
    {"presence", CONTROL_TEXT, false},  {"priority", CONTROL_INT, false},    {"secure", CONTROL_BOOL, true},
    {"tls", CONTROL_TEXT, false},       {"cipher", CONTROL_TEXT, true},      {"mechanism", CONTROL_TEXT, true},
    {"address", CONTROL_TEXT, false},   {"since", CONTROL_TIME, false},      {"idle", CONTROL_SECONDS, false},
    {"lang", CONTROL_TEXT, true},       {"roster_items", CONTROL_INT, true}, {"directed", CONTROL_INT, true},
    {"out_bytes", CONTROL_BYTES, true}, {"held", CONTROL_BOOL, true},        {"acks", CONTROL_BOOL, true},
    {"unacked", CONTROL_INT, true},
};

static const char *type_name(const struct session *s)
{
    return s->type == SESSION_C2S ? "c2s" : "c2s_unauthed";
}

static const char *state_name(const struct session *s)
{
    static const char *const names[] = {
        [STREAM_WAIT_HEADER] = "wait-header",
        [STREAM_WAIT_AUTH] = "wait-auth",
        [STREAM_HANDSHAKE] = "handshake",
        [STREAM_SASL] = "sasl",
        [STREAM_SASL2] = "sasl",
        [STREAM_INLINE] = "inline",
        [STREAM_WAIT_BIND] = "wait-bind",
        [STREAM_BOUND] = "bound",
        [STREAM_CLOSED] = "closed",
    };

    return session_is_hibernating(s) ? "hibernating" : names[s->state];
}

/* "online" or what <show/> says: away, chat, dnd, xa. Nothing: the client has sent no presence. */
static void put_presence(struct buf *out, const struct session *s)
{
    struct stanza *presence = s->presence != NULL ? stanza_from_bytes(str_of(s->presence)) : NULL;
    const struct xml_element *show = presence != NULL ? xml_child(presence->root, "show", NULL) : NULL;

    if (presence == NULL)
        control_put_none(out);
    else
        control_put_str(out, show != NULL && show->text.len > 0 && show->text.len <= 8 ? show->text : STR("online"));
    stanza_unref(&presence);
}

static void put_str_or_none(struct buf *out, struct str s)
{
    if (s.len == 0)
        control_put_none(out);
    else
        control_put_str(out, s);
}

/* In the order of the columns, from the left to the predicates. */
static void put_identity(struct buf *out, const struct session *s)
{
    char id[24];

    (void)snprintf(id, sizeof(id), "%llx", (unsigned long long)s->id); /* as in the log */
    control_put_cstr(out, id);
    control_put_int(out, s->worker->index);
    control_put_cstr(out, type_name(s));
    put_str_or_none(out, s->full_jid);
    put_str_or_none(out, s->username);
    put_str_or_none(out, s->host);
    put_str_or_none(out, s->resource);
    control_put_bool(out, s->notopen);
    control_put_cstr(out, state_name(s));
    control_put_bool(out, session_is_connected(s));
    control_put_bool(out, session_is_available(s));
    control_put_bool(out, session_is_interested(s));
    put_presence(out, s);
    control_put_int(out, s->priority);
}

static void put_connection(struct buf *out, const struct session *s)
{
    char address[64] = "";

    if (s->conn != NULL)
        conn_peer_name(s->conn, address);
    control_put_bool(out, s->is_secure);
    control_put_cstr(out, session_tls_name(s));
    control_put_cstr(out, session_cipher_name(s));
    control_put_cstr(out, s->mechanism);
    put_str_or_none(out, str_of(address));
    if (s->bound_ms == 0)
        control_put_none(out);
    else
        control_put_int(out, s->bound_ms);
    if (s->conn == NULL)
        control_put_none(out);
    else
        control_put_int(out, (int64_t)(conn_silent_ms(s->conn) / 1000));
}

static void put_use(struct buf *out, const struct session *s)
{
    put_str_or_none(out, str_of(s->lang));
    control_put_int(out, s->roster == NULL ? 0 : (int64_t)s->roster->items.len);
    control_put_int(out, s->directed == NULL ? 0 : (int64_t)s->directed->len);
    control_put_int(out, s->conn != NULL ? (int64_t)conn_out_bytes(s->conn) : 0);
    control_put_bool(out, s->conn != NULL && conn_is_held(s->conn));
    control_put_bool(out, s->client_acks);
    control_put_int(out, s->sm != NULL ? s->sm->queue.n : 0);
}

static void put_session(struct buf *out, const struct session *s)
{
    control_begin_line(out, "row");
    put_identity(out, s);
    put_connection(out, s);
    put_use(out, s);
    control_end_line(out);
}

/* Those without a name yet are few, and described at once. */
static void note_one(struct session *s, void *arg)
{
    struct visit *v = arg;

    if ((v->id != 0 && s->id != v->id) || (v->jid.full.len > 0 && !str_eq(v->jid.full, jid_bare(&s->jid))))
        return;
    if (!session_is_connected(s)) {
        put_session(&v->rows, s);
        return;
    }
    buf_append_str(&v->names, s->full_jid);
    buf_append_char(&v->names, '\0');
}

static void note(struct worker *w, struct visit *v)
{
    v->was_noted = true;
    if (v->jid.full.len == 0 || jid_is_bare(&v->jid)) {
        im_for_each_session(w, note_one, v);
        return;
    }
    buf_append_str(&v->names, v->jid.full);
    buf_append_char(&v->names, '\0');
}

/* The next of those noted, unless it has ended meanwhile. */
static void put_next(struct worker *w, struct visit *v)
{
    struct str name = str_of(v->names.p + v->at);
    const struct session *s = shard_find(shard_of(w), name);

    v->at += name.len + 1;
    if (s != NULL)
        put_session(&v->rows, s);
}

static void list(struct worker *w, void *arg)
{
    struct visit *v = arg;

    if (!v->was_noted)
        note(w, v);
    for (unsigned i = 0; i < SLICE && v->at < v->names.len; i++)
        put_next(w, v);
    if (v->at < v->names.len && v->rows.len < CONTROL_CHUNK_BYTES)
        worker_call(w, list, v);
    else
        go_back(v);
}

static void continue_listing(struct control_request *r)
{
    go_to_worker(control_state(r), r);
}

static void on_listed(struct visit *v)
{
    struct control_request *r = v->request;

    v->request = NULL;
    buf_append_str(control_out(r), buf_str(&v->rows));
    buf_clear(&v->rows);
    if (v->at < v->names.len) {
        control_send(r, continue_listing);
    } else if (has_next_worker(v)) {
        v->was_noted = false;
        v->at = 0;
        buf_clear(&v->names);
        control_send(r, continue_listing);
    } else {
        control_ok(r, "%s", "");
    }
    control_unref(&r);
}

/* ---- kick ---- */

static void kick(struct visit *v, struct session *s)
{
    session_close(s, STREAM_ERR_POLICY_VIOLATION, v->text);
    v->n_kicked++;
}

static void kick_if_it_is(struct session *s, void *arg)
{
    struct visit *v = arg;

    if (s->id == v->id)
        kick(v, s);
}

static void kick_account(struct worker *w, struct visit *v)
{
    const struct account *a = account_peek(shard_of(w), v->jid.full);

    for (struct session *s = a == NULL ? NULL : a->sessions, *next; s != NULL; s = next) {
        next = s->next_of_account;
        kick(v, s);
    }
}

static void kick_there(struct worker *w, void *arg)
{
    struct visit *v = arg;
    struct session *s;

    if (v->id != 0)
        im_for_each_session(w, kick_if_it_is, v);
    else if (jid_is_bare(&v->jid))
        kick_account(w, v);
    else if ((s = shard_find(shard_of(w), v->jid.full)) != NULL)
        kick(v, s);
    go_back(v);
}

static void on_kicked(struct visit *v)
{
    struct control_request *r = v->request;

    v->request = NULL;
    /* An id is found once. */
    if (!(v->id != 0 && v->n_kicked > 0) && has_next_worker(v) && !control_is_over(r))
        go_to_worker(v, r);
    else if (v->n_kicked == 0)
        control_fail(r, "%.*s: there is no such session; linnetctl sessions shows all", STR_ARG(control_arg(r, 1)));
    else
        control_ok(r, "%llu session%s ended", (unsigned long long)v->n_kicked, v->n_kicked == 1 ? "" : "s");
    control_unref(&r);
}

/* ---- asking ---- */

static void visit_free(void *state)
{
    struct visit *v = state;

    buf_deinit(&v->names);
    buf_deinit(&v->rows);
    free(v->text);
    free(v);
}

static bool parse_id(struct str text, uint64_t *ret)
{
    uint64_t id = 0;

    for (size_t i = 0; i < text.len; i++) {
        const char *digits = "0123456789abcdef", *at = strchr(digits, text.p[i]);

        if (at == NULL || i == 16)
            return false;
        id = id << 4 | (uint64_t)(at - digits);
    }
    *ret = id;
    return id != 0;
}

/* Whom the argument means: an address if there is an @ in it, else an id as the log writes it. */
static bool aim(struct visit *v, struct control_request *r, struct str whom)
{
    v->all_workers = true;
    if (whom.p == NULL)
        return true;
    if (str_find(whom, '@') < 0) {
        if (parse_id(whom, &v->id))
            return true;
        control_fail(
            r, "%.*s: this is neither an address, as juliet@linnet.example/balcony, nor the id of a session, as 7f3a",
            STR_ARG(whom));
        return false;
    }
    if (!control_parse_jid(r, whom, &v->mem, &v->jid))
        return false;
    v->all_workers = false;
    v->worker = server_home_of(v->server, jid_bare(&v->jid))->index;
    return true;
}

static struct visit *visit_new(struct control *c, struct control_request *r)
{
    struct visit *v = mem_zalloc(sizeof(*v));

    v->server = c->server;
    control_set_state(r, v, visit_free);
    return v;
}

void control_sessions(struct control *c, struct control_request *r)
{
    struct visit *v = visit_new(c, r);

    if (!aim(v, r, control_arg(r, 1)))
        return;
    v->at_worker = list;
    v->back = on_listed;
    control_put_table(control_out(r), "sessions", CONTROL_MANY, session_columns, ARRAY_LEN(session_columns));
    go_to_worker(v, r);
}

void control_kick(struct control *c, struct control_request *r)
{
    struct str text = control_arg(r, 2);
    struct visit *v = visit_new(c, r);

    if (!aim(v, r, control_arg(r, 1)))
        return;
    v->at_worker = kick_there;
    v->back = on_kicked;
    v->text = str_dup(text.len > 0 ? text : STR("ended by the administrator"));
    go_to_worker(v, r);
}
