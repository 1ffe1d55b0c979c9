#include "server/im/bind.h"

#include <assert.h>

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/hooks.h"
#include "server/im/resume.h"
#include "server/im/shard.h"
#include "server/im/user_agents.h"
#include "server/stream/stream.h"

struct bind_request {
    struct session *s;
    struct stanza *st;
    size_t len;
    char resource[JID_PART_MAX];
};

static void answer_error(const struct bind_request *b, enum stanza_err err, const char *text)
{
    struct buf out = {0};

    if (stanza_write_error(&out, b->st, err, text))
        (void)session_send_raw(b->s, buf_str(&out), 1);
    buf_deinit(&out);
}

static void answer_result(const struct bind_request *b)
{
    struct buf out = {0};
    struct xml_writer w = xml_writer_to(&out);

    xml_start(&w, "iq", NULL);
    xml_put_attr(&w, "type", STR("result"));
    xml_put_attr(&w, "id", b->st->id);
    xml_start(&w, "bind", NS_BIND);
    xml_put_text_element(&w, "jid", b->s->full_jid);
    xml_end(&w);
    xml_end(&w);
    (void)session_send_raw(b->s, buf_str(&out), 1);
    buf_deinit(&out);
}

static void enter_tables(struct session *s, struct account *a)
{
    struct shard *shard = shard_of(s->worker);

    account_pin(a);
    s->account = a;
    s->roster = &a->roster;
    s->next_of_account = a->sessions;
    a->sessions = s;
    a->n_sessions++;
    (void)hash_table_put(&shard->sessions, s->full_jid, s);
    counter_add(&s->worker->counters.sessions, 1);
}

void bind_restore(struct session *s, struct account *a)
{
    enter_tables(s, a);
}

void bind_undo(struct session *s)
{
    struct shard *shard = shard_of(s->worker);
    struct account *a = s->account;
    struct session **link;

    if (a == NULL || s->roster == NULL)
        return;
    for (link = &a->sessions; *link != s; link = &(*link)->next_of_account)
        assert(*link != NULL);
    *link = s->next_of_account;
    a->n_sessions--;
    (void)hash_table_remove(&shard->sessions, s->full_jid);
    s->roster = NULL;
    counter_subtract(&s->worker->counters.sessions, 1);
}

static void log_bound(const struct session *s)
{
    const char *tls = session_tls_name(s);

    log_info(LOG_IM, s->id, "session.bound", F_STR("jid", s->full_jid), F_CSTR("tls", tls != NULL ? tls : "none"),
             F_CSTR("mech", s->mechanism), F_ADDR("peer", conn_peek_peer(s->conn)),
             F_U64("ms", (uint32_t)worker_now_ms(s->worker) - s->sasl_ms));
}

/* The one that has the resource already. */
static struct session *find_rival(const struct account *a, struct str resource)
{
    for (struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (str_eq(s->resource, resource))
            return s;
    }
    return NULL;
}

enum bind_result bind_session(struct session *s, struct account *a, struct str resource)
{
    const struct config_host *host = session_host(s);
    struct session *rival = find_rival(a, resource);

    if (a->state == ACCOUNT_ABSENT || host == NULL)
        return BIND_ACCOUNT_GONE;
    if (a->state == ACCOUNT_FAILED)
        return BIND_ACCOUNT_UNREADABLE;
    if (!user_agents_allow(a, s))
        return BIND_LOGGED_OUT;
    if (rival == NULL && a->n_sessions >= host->limits.sessions_per_account && !resume_make_room(a))
        return BIND_TOO_MANY_SESSIONS;
    /* Of two with one full JID the newer one stays: its client is the one that is there (section 7.7.2.2). The older
     * has ended in every respect before this one appears. */
    if (rival != NULL)
        session_close(rival, STREAM_ERR_CONFLICT, "replaced by a new connection");
    session_set_names(s, s->username, s->host, resource);
    s->bound_ms = wall_clock_ms();
    enter_tables(s, a);
    stream_bound(s);
    log_bound(s);
    return BIND_DONE;
}

void bind_announce(struct session *s)
{
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account};

    (void)hooks_run(HOOK_SESSION_BOUND, session_host(s), &e);
}

static void bind_to(struct bind_request *b, struct account *a)
{
    switch (bind_session(b->s, a, str_make(b->resource, b->len))) {
    case BIND_DONE:
        answer_result(b);
        bind_announce(b->s);
        break;
    case BIND_ACCOUNT_GONE:
        session_close(b->s, STREAM_ERR_NOT_AUTHORIZED, "the account is gone");
        break;
    case BIND_LOGGED_OUT:
        session_close(b->s, STREAM_ERR_NOT_AUTHORIZED, "logged out meanwhile, or the password was changed");
        break;
    case BIND_ACCOUNT_UNREADABLE:
        answer_error(b, STANZA_ERR_INTERNAL_SERVER_ERROR, "the account could not be read");
        break;
    case BIND_TOO_MANY_SESSIONS:
        answer_error(b, STANZA_ERR_RESOURCE_CONSTRAINT, "too many sessions of this account");
        break;
    }
}

static void on_account_ready(struct account *a, void *ctx)
{
    struct bind_request *b = ctx;

    session_resume(b->s);
    if (session_is_alive(b->s)) /* it may not have waited */
        bind_to(b, a);
    stanza_unref(&b->st);
    session_unref(&b->s);
    free(b);
}

/* The resource that the client asks for, or one of our own making. False: not a resource. */
static bool choose_resource(struct bind_request *b, const struct xml_element *bind)
{
    const struct xml_element *wanted = xml_child(bind, "resource", NS_BIND);

    if (wanted != NULL && wanted->text.len > 0)
        return jid_prepare_resource(wanted->text, b->resource, &b->len) == LN_OK;
    b->len = random_hex(b->resource, 8).len;
    return true;
}

void bind_stanza(struct session *s, struct stanza *own_st)
{
    const struct xml_element *bind = xml_child(own_st->root, "bind", NS_BIND);
    struct bind_request *b;

    if (own_st->kind != STANZA_IQ || own_st->type != TYPE_SET || bind == NULL) {
        stanza_unref(&own_st);
        session_close(s, STREAM_ERR_NOT_AUTHORIZED, "a resource has to be bound first");
        return;
    }
    b = mem_alloc(sizeof(*b));
    b->s = session_ref(s);
    b->st = own_st;
    if (own_st->id.len == 0 || !choose_resource(b, bind)) {
        answer_error(b, STANZA_ERR_BAD_REQUEST, own_st->id.len == 0 ? "no id" : "not a valid resource");
    } else {
        session_pause(s);
        if (account_when_ready(shard_of(s->worker), &s->jid, on_account_ready, b) == LN_OK)
            return;
        session_resume(s);
        answer_error(b, STANZA_ERR_RESOURCE_CONSTRAINT, NULL);
    }
    stanza_unref(&b->st);
    session_unref(&b->s);
    free(b);
}
