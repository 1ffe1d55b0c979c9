#include "server/im/resume.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/delivered.h"
#include "server/im/delivery.h"
#include "server/im/hooks.h"
#include "server/im/ledger.h"
#include "server/im/receipt.h"
#include "server/im/replay.h"
#include "server/im/router.h"
#include "server/im/shard.h"
#include "server/im/unacked.h"
#include "server/im/user_agents.h"
#include "server/stream/stream.h"

enum { GONE_MAX = 1024 }; /* sessions that ended and are remembered, of one worker */

/* How much a session that has ended had taken from its client: so much need not be sent again. */
struct resume_gone {
    char id[SM_ID_LEN];
    uint64_t owner; /* a keyed hash of its account */
    uint32_t h;
};

/* ---- beginning ---- */

uint32_t resume_offer(struct session *s, uint64_t wanted_s)
{
    const struct config_host *host = session_host(s);
    struct sm *sm = s->sm;

    sm->resume_s = host != NULL ? (uint32_t)host->sm.resume_s : 0;
    if (wanted_s < sm->resume_s)
        sm->resume_s = (uint32_t)wanted_s;
    sm->may_resume = sm->resume_s > 0;
    (void)random_hex(sm->id, SM_ID_BYTES);
    return sm->resume_s;
}

/* ---- away ---- */

static void run_hook(struct session *s, enum hook_point point)
{
    struct hook_event e = {.worker = s->worker, .session = s, .account = s->account};

    (void)hooks_run(point, session_host(s), &e);
}

static bool may_hibernate(const struct session *s)
{
    return s->sm != NULL && s->sm->may_resume && !s->is_given_up && session_host(s) != NULL &&
           s->sm->queue.n <= s->worker->config->sm.queue_stanzas;
}

bool resume_hibernate(struct session *s)
{
    struct sm *sm = s->sm;

    if (!may_hibernate(s))
        return false;
    sm->is_asked = false;
    wheel_cancel(&sm->ask_timer);
    sm->hibernates_since_ms = wall_clock_ms();
    stream_detach(s, (uint64_t)sm->resume_s * 1000);
    log_info(LOG_STREAM, s->id, "session.hibernating", F_STR("jid", s->full_jid), F_U64("seconds", sm->resume_s),
             F_U64("unacked", sm->queue.n));
    sm->has_replay_left = s->replay != NULL;
    replay_stop(s);
    ledger_hibernate(s);
    run_hook(s, HOOK_SESSION_HIBERNATING);
    return true;
}

bool resume_make_room(struct account *a)
{
    struct session *oldest = NULL;

    for (struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (session_is_hibernating(s) &&
            (oldest == NULL || s->sm->hibernates_since_ms < oldest->sm->hibernates_since_ms))
            oldest = s;
    }
    if (oldest != NULL)
        session_close(oldest, STREAM_ERR_RESOURCE_CONSTRAINT, NULL);
    return oldest != NULL;
}

/* ---- those that have ended ---- */

static uint64_t owner_of(const struct session *s)
{
    return siphash(&s->worker->server->table_key, jid_bare(&s->jid));
}

void resume_remember(struct session *s)
{
    struct shard *shard = shard_of(s->worker);
    struct resume_gone *g;

    if (s->sm == NULL || !s->sm->may_resume || s->sm->is_saved)
        return;
    if (shard->gone == NULL)
        shard->gone = mem_zalloc(GONE_MAX * sizeof(*shard->gone));
    g = &shard->gone[shard->n_gone++ % GONE_MAX];
    memcpy(g->id, s->sm->id, sizeof(g->id));
    g->owner = owner_of(s);
    g->h = receipts_rewind(s);
}

static const struct resume_gone *find_gone(const struct session *s, struct str id)
{
    const struct shard *shard = shard_of(s->worker);
    uint64_t owner = owner_of(s);

    for (size_t i = 0; shard->gone != NULL && i < GONE_MAX; i++) {
        const struct resume_gone *g = &shard->gone[i];

        if (g->owner == owner && str_eq(str_make(g->id, sizeof(g->id)), id))
            return g;
    }
    return NULL;
}

/* ---- which one ---- */

void resume_read(const struct xml_element *resume, struct resume_request *ret)
{
    struct str id = xml_attr(resume, "previd", NULL);
    uint64_t h = 0;

    memset(ret, 0, sizeof(*ret));
    ret->is_valid = id.len > 0 && str_to_u64(xml_attr(resume, "h", NULL), UINT32_MAX, &h);
    ret->h = (uint32_t)h;
    if (id.len == SM_ID_LEN)
        memcpy(ret->id, id.p, SM_ID_LEN);
}

static struct session *find_session(const struct session *s, struct str id)
{
    const struct account *a = account_peek(shard_of(s->worker), jid_bare(&s->jid));

    for (struct session *old = a != NULL ? a->sessions : NULL; old != NULL; old = old->next_of_account) {
        if (old->sm != NULL && old->sm->may_resume && !old->is_given_up &&
            str_eq_secret(str_make(old->sm->id, SM_ID_LEN), id))
            return old;
    }
    return NULL;
}

/* It may have been logged out, or the password changed, since it came in. */
static bool may_go_on(const struct session *s)
{
    const struct account *a = account_peek(shard_of(s->worker), jid_bare(&s->jid));

    return a == NULL || a->state != ACCOUNT_LOADED || user_agents_allow(a, s); /* what is not there has no sessions */
}

void resume_prepare(struct session *s, const struct resume_request *request, void (*done)(void *ctx), void *ctx)
{
    struct str id = str_make(request->id, SM_ID_LEN);

    if (request->is_valid && may_go_on(s) && find_session(s, id) == NULL)
        delivered_forget(s, id, request->h, done, ctx);
    else
        done(ctx);
}

/* ---- the end ---- */

/* Who asked the client something and gets no answer any more is told so, as one who asks a resource that is not there.
 */
static bool is_request(const struct stanza *st)
{
    return st->kind == STANZA_IQ && (st->type == TYPE_GET || st->type == TYPE_SET);
}

/* A message that somebody would miss, for this resource alone, and may not be stored (XEP-0334): no ledger has it. */
static bool is_lost(const struct stanza *st)
{
    return st->kind == STANZA_MESSAGE && (st->type == TYPE_CHAT || st->type == TYPE_NORMAL) && !jid_is_bare(&st->to) &&
           delivery_offline(st) == DELIVER_REFUSE;
}

static void refuse_if_wanted(struct session *s, struct str xml, bool is_clean)
{
    struct stanza *st = str_starts(xml, STR("<iq")) || str_starts(xml, STR("<message")) ? stanza_from_bytes(xml) : NULL;

    if (st != NULL && (is_request(st) || (!is_clean && is_lost(st))))
        router_refuse(s->worker, st, STANZA_ERR_SERVICE_UNAVAILABLE, NULL);
    stanza_unref(&st);
}

void resume_end(struct session *s, bool is_clean)
{
    if (s->sm == NULL)
        return;
    for (const struct unacked_entry *e = s->sm->queue.first; e != NULL && !s->sm->is_saved; e = e->next)
        refuse_if_wanted(s, unacked_str(e), is_clean);
    sm_end(s);
}

/* ---- back ---- */

static void write_failed(struct buf *out, enum stanza_err err, const struct resume_gone *gone)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "failed", NS_SM);
    if (gone != NULL)
        xml_put_attr_u64(&w, "h", gone->h);
    xml_put_empty(&w, stanza_err_name(err), NS_STANZA_ERRORS);
    xml_end(&w);
}

void resume_refuse_count(struct session *s, const struct session *counted, uint64_t h)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    xml_start(&w, "handled-count-too-high", NS_SM);
    xml_put_attr_u64(&w, "h", h);
    xml_put_attr_u64(&w, "send-count", counted->sm->sent);
    xml_end(&w);
    session_close_with(s, STREAM_ERR_UNDEFINED_CONDITION, NULL, buf_str(&b));
    buf_deinit(&b);
}

struct session *resume_find(struct session *s, const struct resume_request *request, struct buf *ret_answer)
{
    struct str id = str_make(request->id, SM_ID_LEN);
    struct session *old;

    if (!may_go_on(s)) {
        session_close(s, STREAM_ERR_NOT_AUTHORIZED, "logged out meanwhile, or the password was changed");
        return NULL;
    }
    if (!request->is_valid) {
        write_failed(ret_answer, STANZA_ERR_BAD_REQUEST, NULL);
        return NULL;
    }
    old = find_session(s, id);
    if (old == NULL) {
        write_failed(ret_answer, STANZA_ERR_ITEM_NOT_FOUND, find_gone(s, id));
        return NULL;
    }
    if (!sm_acknowledge(old, request->h)) {
        resume_refuse_count(s, old, request->h);
        return NULL;
    }
    ledger_on_ack(old);

    struct xml_writer w = xml_writer_to(ret_answer);

    xml_start(&w, "resumed", NS_SM);
    xml_put_attr(&w, "previd", id);
    xml_put_attr_u64(&w, "h", receipts_rewind(old));
    xml_end(&w);
    return old;
}

static void send_again(struct session *s)
{
    for (const struct unacked_entry *e = s->sm->queue.first; e != NULL; e = e->next)
        (void)conn_send(s->conn, unacked_str(e));
}

void resume_adopt(struct session *old, struct session *own_s, struct str answer)
{
    struct sm *sm = old->sm;
    int64_t away_ms = old->conn == NULL ? wall_clock_ms() - sm->hibernates_since_ms : 0;

    if (old->conn != NULL) {
        stream_write_end(old, STREAM_ERR_CONFLICT, "resumed on another connection", str_make(NULL, 0));
        stream_detach(old, 0);
    }
    log_info(LOG_STREAM, old->id, "session.resumed", F_STR("jid", old->full_jid), F_U64("conn", own_s->id),
             F_I64("away_ms", away_ms), F_U64("again", sm->queue.n), F_ADDR("peer", conn_peek_peer(own_s->conn)));
    stream_take_over(old, own_s);
    (void)conn_send(old->conn, answer);
    send_again(old);
    sm->is_asked = false;
    sm->asked = sm->acked;
    sm->progress_ms = worker_now_ms(old->worker);
    run_hook(old, HOOK_SESSION_RESUMED);
    if (sm->queue.n > 0)
        run_hook(old, HOOK_ACKNOWLEDGEMENT_WANTED);
    if (sm->has_replay_left) {
        sm->has_replay_left = false;
        replay_start(old);
    }
}
