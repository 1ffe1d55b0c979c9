/* clients, logout: the programs that log in to an account, as they have said who they are (XEP-0388).
 *
 * All about them is decided on the account's home: a `visit` goes there, waits until the account is loaded, and comes
 * back with rows or a verdict. */
#include "server/control/control_commands.h"

#include "common/mem.h"
#include "server/im/shard.h"
#include "server/im/user_agents.h"
#include "server/stream/sasl.h"

struct visit {
    struct task task; /* its way back to the control thread */
    struct server *server;
    struct control_request *request; /* [control] a reference */
    void (*on_ready)(struct account *a, struct visit *v);
    void (*back)(struct visit *v);
    struct jid_buf mem;
    struct jid jid;
    char *id; /* logout: the client's */
    enum ln_err err;
    bool has_client; /* logout: there is one with this id */
    bool knows_password;
    struct buf rows; /* clients */
};

/* ---- there and back ---- */

static void visit_free(struct visit *v)
{
    control_unref(&v->request);
    buf_deinit(&v->rows);
    free(v->id);
    free(v);
}

static void run_back(struct task *own_task)
{
    struct visit *v = container_of(own_task, struct visit, task);

    if (v->err == LN_E_NOT_FOUND)
        control_fail(v->request, "%.*s: there is no such account", STR_ARG(v->jid.full));
    else if (v->err != LN_OK)
        control_fail(v->request, "%.*s: it could not be done (%s); the server's log says more", STR_ARG(v->jid.full),
                     ln_err_name(v->err));
    else
        v->back(v);
    visit_free(v);
}

static void go_back(struct visit *v, enum ln_err err)
{
    v->err = err;
    v->task.run = run_back;
    executor_post(v->server->control, &v->task);
}

static void on_account_ready(struct account *a, void *ctx)
{
    struct visit *v = ctx;

    if (a->state == ACCOUNT_LOADED)
        v->on_ready(a, v);
    else
        go_back(v, a->state == ACCOUNT_ABSENT ? LN_E_NOT_FOUND : LN_E_IO);
}

static void at_home(struct worker *w, void *arg)
{
    struct visit *v = arg;

    if (account_when_ready(shard_of(w), &v->jid, on_account_ready, v) != LN_OK)
        go_back(v, LN_E_LIMIT);
}

/* NULL: the request has been ended. */
static struct visit *visit_new(struct control *c, struct control_request *r)
{
    struct visit *v = mem_zalloc(sizeof(*v));

    v->server = c->server;
    if (!control_parse_jid(r, control_arg(r, 1), &v->mem, &v->jid)) {
        visit_free(v);
        return NULL;
    }
    if (v->jid.local_len == 0 || !jid_is_bare(&v->jid)) {
        control_fail(r, "%.*s: an account's address has a name, an @ and a host, as juliet@linnet.example",
                     STR_ARG(v->jid.full));
        visit_free(v);
        return NULL;
    }
    v->request = control_ref(r);
    return v;
}

static void go_home(struct visit *v)
{
    worker_call(server_home_of(v->server, v->jid.full), at_home, v);
}

/* ---- clients ---- */

static const struct control_column client_columns[] = {
    {"id", CONTROL_TEXT, false},        {"software", CONTROL_TEXT, false},  {"device", CONTROL_TEXT, false},
    {"connected", CONTROL_BOOL, false}, {"last_seen", CONTROL_TIME, false}, {"first_seen", CONTROL_TIME, true},
    {"password", CONTROL_BOOL, true},   {"tokens", CONTROL_BOOL, false},    {"mechanisms", CONTROL_TEXT, true},
};

static void put_text(struct buf *out, struct str text)
{
    if (text.len == 0)
        control_put_none(out);
    else
        control_put_str(out, text);
}

static void put_mechanisms(struct buf *out, uint32_t bits)
{
    struct buf names = {0};
    const char *name;

    for (unsigned cursor = 0; (name = sasl_next_mechanism_name(bits, &cursor)) != NULL;) {
        if (names.len > 0)
            buf_append_char(&names, ' ');
        buf_append_cstr(&names, name);
    }
    control_put_str(out, buf_str(&names));
    buf_deinit(&names);
}

static void put_client(struct buf *out, const struct account *a, const struct user_agent *ua)
{
    char name[USER_AGENT_NAME_LEN];

    control_begin_line(out, "row");
    control_put_str(out, user_agent_name(a->worker->server->secret, a->jid.full, ua->id, name));
    put_text(out, user_agent_software(ua));
    put_text(out, user_agent_device(ua));
    control_put_bool(out, user_agents_session(a, ua->id, NULL) != NULL);
    control_put_int(out, ua->last_seen_ms);
    control_put_int(out, ua->first_seen_ms);
    control_put_bool(out, user_agents_knows_password(a, ua));
    control_put_bool(out, fast_has_any(&ua->tokens, wall_clock_ms()));
    put_mechanisms(out, ua->mechanisms);
    control_end_line(out);
}

static void list(struct account *a, struct visit *v)
{
    struct user_agent ua;

    for (const void *cursor = NULL; user_agents_next(a, &cursor, &ua);)
        put_client(&v->rows, a, &ua);
    go_back(v, LN_OK);
}

static void on_listed(struct visit *v)
{
    control_put_table(control_out(v->request), "clients", CONTROL_MANY, client_columns, ARRAY_LEN(client_columns));
    buf_append_str(control_out(v->request), buf_str(&v->rows));
    control_ok(v->request, "%s", "");
}

void control_clients(struct control *c, struct control_request *r)
{
    struct visit *v = visit_new(c, r);

    if (v == NULL)
        return;
    v->on_ready = list;
    v->back = on_listed;
    go_home(v);
}

/* ---- logout ---- */

static void on_forgotten(void *ctx, enum ln_err err)
{
    go_back(ctx, err);
}

static void log_out(struct account *a, struct visit *v)
{
    struct user_agent ua;

    v->has_client = user_agents_find(a, str_of(v->id), &ua);
    if (!v->has_client) {
        go_back(v, LN_OK);
        return;
    }
    v->knows_password = user_agents_knows_password(a, &ua);
    user_agents_log_out(a, &ua, on_forgotten, v);
}

static void on_logged_out(struct visit *v)
{
    if (!v->has_client)
        control_fail(v->request, "%s: %.*s has no such client; linnetctl clients shows all", v->id,
                     STR_ARG(v->jid.full));
    else if (v->knows_password)
        control_ok(v->request,
                   "the client was logged out, but has used the password, and may do so again; linnetctl passwd keeps "
                   "it out");
    else
        control_ok(v->request, "the client was logged out");
}

void control_logout(struct control *c, struct control_request *r)
{
    struct visit *v = visit_new(c, r);

    if (v == NULL)
        return;
    v->id = str_dup(control_arg(r, 2));
    v->on_ready = log_out;
    v->back = on_logged_out;
    go_home(v);
}
