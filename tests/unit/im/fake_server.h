/* tests/unit/im/fake_server.h - just enough of a server to call iq handlers: one worker, one host, real storage in
 * memory.
 *
 * Sessions, accounts, the router and the pool are played here; what they were given is kept to be looked at. Answers of
 * the storage wait in the worker's inbox until fake_run() takes them, so a test decides when they come. One .c file a
 * program includes this. */
#ifndef LINNET_TESTS_UNIT_IM_FAKE_SERVER_H
#define LINNET_TESTS_UNIT_IM_FAKE_SERVER_H

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/im/account.h"
#include "server/im/hooks.h"
#include "server/im/router.h"
#include "server/net/throttle.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"

#include <netinet/in.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct fake_session {
    struct session s;
    enum stream_err closed_with; /* STREAM_OK: it was not */
    struct buf out;              /* what was sent */
    unsigned n_stanzas;
    struct jid_buf names;
};

/* What account_create() and its like were asked for; fake_finish_account() answers. */
struct fake_account_call {
    const char *what; /* NULL: nothing is under way */
    struct jid_buf jid_mem;
    struct jid jid;
    char password[64];
    uint64_t keep_session;
    account_done done;
    void *ctx;
};

static struct {
    struct server server;
    struct worker *worker;
    struct config config;
    struct config_host host;
    sem_t posted;
    struct account romeo;         /* the account that is asked; own one of `session` */
    struct fake_session session;  /* romeo@h.example/orchard */
    struct fake_session stranger; /* on a stream that has not logged in */
    struct str subscriber;        /* bare JID that may see romeo's presence */
    struct buf routed;
    struct fake_account_call call;
    unsigned n_settled;
    unsigned n_logged;   /* lines of log, of whatever level */
    unsigned counted[2]; /* by throttle_count(): "register", "register-name" */
    int64_t now_ms;
} fake;

/* ---- played: the layers beside iq.c and hooks.c ---- */

const struct module module_core = {.name = "core", .features = {"urn:core"}};

_Atomic(unsigned char) log_levels_[LOG_SUBSYSTEMS];
void log_write(enum log_level level, enum log_subsystem subsystem, uint64_t sid, const struct log_field *fields,
               size_t n_fields)
{
    (void)level, (void)subsystem, (void)sid, (void)fields, (void)n_fields;
    fake.n_logged++;
}

const struct config_host *config_host(const struct config *cfg, struct str domain)
{
    return cfg->n_hosts > 0 && str_eq(cfg->hosts[0].name, domain) ? &cfg->hosts[0] : NULL;
}

int64_t wall_clock_ms(void)
{
    return fake.now_ms;
}

bool session_send_raw(struct session *s, struct str xml, unsigned n_stanzas)
{
    struct fake_session *f = container_of(s, struct fake_session, s);

    if (!session_is_alive(s))
        return false;
    buf_append_str(&f->out, xml);
    f->n_stanzas += n_stanzas;
    return true;
}

void session_close(struct session *s, enum stream_err err, const char *text)
{
    (void)text;
    container_of(s, struct fake_session, s)->closed_with = err;
}
void session_begin_async(struct session *s)
{
    s->async_ops++;
}
void session_end_async(struct session *s)
{
    assert_true(s->async_ops > 0);
    s->async_ops--;
}
void session_pause(struct session *s)
{
    s->pauses++;
}
void session_resume(struct session *s)
{
    assert_true(s->pauses > 0);
    s->pauses--;
}
struct session *session_ref(struct session *s)
{
    s->refs++;
    return s;
}
void session_unref(struct session **s)
{
    assert_true((*s)->refs > 0);
    (*s)->refs--;
    *s = NULL;
}
bool session_is_connected(const struct session *s)
{
    return s->full_jid.len > 0;
}
bool session_is_available(const struct session *s)
{
    return s->presence != NULL;
}
const struct config_host *session_host(const struct session *s)
{
    return config_host(s->worker->config, s->host);
}

void account_pin(struct account *a)
{
    a->pins++;
}
void account_unpin(struct account *a)
{
    assert_true(a->pins > 0);
    a->pins--;
}
bool roster_is_subscriber(const struct roster *r, struct str contact)
{
    (void)r;
    return str_eq(contact, fake.subscriber);
}

void router_route(struct worker *w, struct stanza *own_st)
{
    assert_ptr_equal(w, fake.worker);
    stanza_write(&fake.routed, own_st, STR(""));
    stanza_unref(&own_st);
}

const struct sockaddr *conn_peek_peer(const struct conn *c)
{
    static const struct sockaddr peer = {.sa_family = AF_INET};

    assert_non_null(c);
    return &peer;
}

uint32_t throttle_count(struct throttle *t, const char *what, struct str who, uint64_t window_s)
{
    (void)t, (void)who;
    assert_int_equal(window_s, 3600);
    return ++fake.counted[strcmp(what, "register") == 0 ? 0 : 1];
}
struct str throttle_address(const struct sockaddr *addr, char out[16])
{
    (void)addr;
    return str_make(out, 0);
}

static void remember_call(const char *what, const struct jid *jid, struct str password, account_done done, void *ctx)
{
    struct fake_account_call *c = &fake.call;

    assert_null(c->what);
    *c = (struct fake_account_call){.what = what, .done = done, .ctx = ctx};
    c->jid = jid_join(jid_local(jid), jid_domain(jid), STR(""), &c->jid_mem);
    (void)snprintf(c->password, sizeof(c->password), "%.*s", STR_ARG(password));
}
void account_create(struct server *server, const struct jid *jid, struct str password, uint32_t iterations,
                    struct executor *reply_to, account_done done, void *ctx)
{
    assert_ptr_equal(server, &fake.server);
    assert_int_equal(iterations, fake.config.sasl.iterations);
    assert_ptr_equal(reply_to, &fake.worker->executor);
    remember_call("create", jid, password, done, ctx);
}
void account_create_with(struct server *server, const struct jid *jid, struct str password, uint32_t iterations,
                         struct storage_txn *own_txn, struct executor *reply_to, account_done done, void *ctx)
{
    account_create(server, jid, password, iterations, reply_to, done, ctx);
    storage_txn_free(&own_txn);
}
void account_set_password(struct server *server, const struct jid *jid, struct str password, uint32_t iterations,
                          uint64_t keep_session, struct executor *reply_to, account_done done, void *ctx)
{
    assert_ptr_equal(server, &fake.server);
    assert_int_equal(iterations, fake.config.sasl.iterations);
    assert_ptr_equal(reply_to, &fake.worker->executor);
    remember_call("password", jid, password, done, ctx);
    fake.call.keep_session = keep_session;
}
void account_delete(struct server *server, const struct jid *jid, uint64_t keep_session, struct executor *reply_to,
                    account_done done, void *ctx)
{
    assert_ptr_equal(server, &fake.server);
    assert_ptr_equal(reply_to, &fake.worker->executor);
    remember_call("delete", jid, STR(""), done, ctx);
    fake.call.keep_session = keep_session;
}

/* ---- what tests call ---- */

static inline void fake_finish_account(enum ln_err err)
{
    struct fake_account_call c = fake.call;

    assert_non_null(c.what);
    fake.call.what = NULL;
    c.done(c.ctx, err);
}

static void fake_post(struct executor *to, struct task *own_task)
{
    struct worker *w = container_of(to, struct worker, executor);

    (void)mpsc_push(&w->inbox, &own_task->node);
    (void)sem_post(&fake.posted);
}

/* Waits until `n` answers have come, and takes none. */
static inline void fake_await(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        while (sem_wait(&fake.posted) != 0)
            continue;
    }
    for (unsigned i = 0; i < n; i++)
        (void)sem_post(&fake.posted);
}

/* Takes answers until `n` have come, however they are spread over batches. */
static inline void fake_run(unsigned n)
{
    static struct mpsc_node *taken;

    for (; n > 0; n--) {
        while (sem_wait(&fake.posted) != 0)
            continue;
        if (taken == NULL)
            taken = mpsc_take_all(&fake.worker->inbox);
        struct task *task = container_of(taken, struct task, node);

        taken = taken->next;
        task->run(task);
    }
}

static void fake_committed(void *ctx, enum ln_err err)
{
    *(enum ln_err *)ctx = err;
}

/* The document that makes an account one. */
static inline void fake_make_account(struct str bare)
{
    struct storage_txn *t = storage_txn_new();
    enum ln_err err = LN_E_CLOSED;

    storage_txn_put(t, bare, CREDENTIALS_COLLECTION, CREDENTIALS_KEY, STR("keys"));
    storage_commit(fake.server.storage, t, &fake.worker->executor, fake_committed, &err);
    fake_run(1);
    assert_int_equal(err, LN_OK);
}

static void fake_init_session(struct fake_session *f, const char *local, const char *resource)
{
    *f = (struct fake_session){.s = {.worker = fake.worker, .type = SESSION_C2S_UNAUTHED, .refs = 1, .id = 7}};
    f->s.conn = (struct conn *)(void *)f; /* never looked into */
    f->s.host = fake.host.name;
    if (local == NULL)
        return;
    f->s.type = SESSION_C2S;
    f->s.jid = jid_join(str_of(local), fake.host.name, str_of(resource), &f->names);
    f->s.full_jid = f->s.jid.full;
    f->s.username = jid_local(&f->s.jid);
    f->s.account = &fake.romeo;
}

static inline int fake_start(void **state)
{
    const struct storage_options storage = {.backend = "memory", .readers = 1};
    char error[256];

    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.now_ms = 1767225600000; /* 2026-01-01T00:00:00Z */
    assert_int_equal(sem_init(&fake.posted, 0, 0), 0);
    fake.worker = mem_zalloc(sizeof(*fake.worker));
    fake.worker->executor.post = fake_post;
    mpsc_init(&fake.worker->inbox);
    fake.worker->server = &fake.server;
    fake.worker->config = &fake.config;
    fake.server.n_workers = 1;
    fake.server.workers = &fake.worker;
    fake.config.n_hosts = 1;
    fake.config.hosts = &fake.host;
    fake.host.name = STR("h.example");
    fake.config.sasl.iterations = 4096;
    assert_int_equal(storage_open(&storage, &fake.server.storage, error), LN_OK);
    fake.romeo.worker = fake.worker;
    fake.romeo.state = ACCOUNT_LOADED;
    fake.romeo.jid = jid_view(STR("romeo@h.example"));
    fake_init_session(&fake.session, "romeo", "orchard");
    fake_init_session(&fake.stranger, NULL, NULL);
    fake.romeo.sessions = &fake.session.s;
    return 0;
}

/* What was kept has been answered and let go. */
static inline int fake_stop(void **state)
{
    (void)state;
    assert_null(fake.call.what);
    assert_int_equal(fake.session.s.async_ops + fake.stranger.s.async_ops, 0);
    assert_int_equal(fake.session.s.pauses + fake.stranger.s.pauses, 0);
    assert_int_equal(fake.session.s.refs + fake.stranger.s.refs, 2);
    assert_int_equal(fake.romeo.pins, 0);
    storage_close(&fake.server.storage);
    (void)sem_destroy(&fake.posted);
    buf_deinit(&fake.session.out);
    buf_deinit(&fake.stranger.out);
    buf_deinit(&fake.routed);
    free(fake.worker);
    return 0;
}

static void fake_settled(const struct stanza *st)
{
    (void)st;
    fake.n_settled++;
}

/* An iq of `session`, or (NULL) of juliet@far.example/balcony. */
static inline void fake_ask(struct fake_session *f, enum iq_target target, const char *xml)
{
    struct stanza *st = stanza_from_bytes(str_of(xml));

    assert_non_null(st);
    st->from = f != NULL ? f->s.jid : jid_view(STR("juliet@far.example/balcony"));
    st->on_settled = fake_settled;
    iq_dispatch(fake.worker, st, target, f != NULL ? &f->s : NULL,
                target == IQ_TO_HOST || target == IQ_BEFORE_AUTH ? NULL : &fake.romeo);
    stanza_unref(&st);
}

static inline void fake_expect(struct buf *out, const char *xml)
{
    buf_append_char(out, '\0');
    assert_string_equal(out->p, xml);
    buf_clear(out);
}

#endif
