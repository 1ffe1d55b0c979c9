/* server/modules/caps.c - XEP-0115 Entity Capabilities 1.6.0, XEP-0390 Entity Capabilities 2.0 0.3.2, of clients
 *
 * What a client wants to hear of is in its disco#info, and its presence has a hash of that. A worker asks one client
 * for each hash that it does not know, checks the answer, and keeps of it what is of use here: the nodes that are to be
 * notified of (pubsub/interests.h). Others with the same hash wait for that answer, or, if it is wrong, are asked
 * themselves. What does not have a hash, or not the right one, counts for the client alone that said it. */
#include "common/xmpp/caps.h"
#include "common/hash_table.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_reader.h"
#include "server/im/iq_ask.h"
#include "server/im/slots.h"
#include "server/modules/module.h"
#include "server/pubsub/interests.h"

enum {
    KNOWN_MAX = 2000, /* hashes that a worker remembers */
    KEY_BYTES_MAX = 1024,
    ANSWER_MS = 30000,
    PENDING_MAX = 4, /* answers that one session may wait for: a client may say something else in each presence */
};

/* ---- what a worker knows ---- */

/* A hash, and what it stands for. */
struct known {
    char *key; /* owned */
    size_t key_len;
    struct interests *interests; /* NULL: is being asked for */
    struct waiting *first;       /* sessions that wait for it, the one that was asked not among them */
    struct known *newer, *older; /* those that are known, by when they were last used */
};

struct waiting {
    struct waiting *next;
    struct session *session; /* referenced */
};

/* Sessions whose interests have changed in this turn of the loop. */
struct known_of_worker {
    struct hash_table table;
    struct known *newest, *oldest;
    uint32_t n_known;
    struct waiting *changed;
};

static struct known_of_worker *workers; /* [start] one for each, [worker] touched by that one only */
static unsigned slot;                   /* [start] of sessions */

/* What a session's client said last. */
struct said {
    char *key;        /* of the hash; owned; NULL: nothing */
    unsigned pending; /* answers that it waits for, of what it said before as well */
};

static struct known_of_worker *mine(const struct worker *w)
{
    return &workers[w->index];
}

static void list_remove(struct known_of_worker *k, struct known *e)
{
    *(e->newer != NULL ? &e->newer->older : &k->newest) = e->older;
    *(e->older != NULL ? &e->older->newer : &k->oldest) = e->newer;
    e->newer = e->older = NULL;
}

static void list_add(struct known_of_worker *k, struct known *e)
{
    e->older = k->newest;
    *(e->older != NULL ? &e->older->newer : &k->oldest) = e;
    k->newest = e;
}

static void forget(struct known_of_worker *k, struct known *e)
{
    (void)hash_table_remove(&k->table, str_make(e->key, e->key_len));
    interests_unref(&e->interests);
    free(e->key);
    free(e);
}

static void remember(struct known_of_worker *k, struct known *e, struct interests *own_interests)
{
    e->interests = own_interests;
    list_add(k, e);
    if (++k->n_known > KNOWN_MAX) {
        struct known *oldest = k->oldest;

        list_remove(k, oldest);
        k->n_known--;
        forget(k, oldest);
    }
}

static struct waiting *wait_for(struct waiting *next, struct session *s)
{
    struct waiting *w = mem_alloc(sizeof(*w));

    *w = (struct waiting){next, session_ref(s)};
    return w;
}

/* ---- what a session's client wants ---- */

/* Told at the end of the turn, when the presence that brought it has been dealt with. */
static void set_interests(struct session *s, struct interests *own_interests)
{
    struct known_of_worker *k = mine(s->worker);

    interests_set(s, own_interests);
    k->changed = wait_for(k->changed, s);
    hooks_at_turn_end(s->worker);
}

static struct said *said_by(struct session *s)
{
    void **said = session_slot(s, slot);

    if (*said == NULL)
        *said = mem_zalloc(sizeof(struct said));
    return *said;
}

static bool is_key(const struct session *s, struct str key)
{
    const struct said *said = session_slot_peek(s, slot);

    return said != NULL && said->key != NULL && str_is(key, said->key);
}

static bool has_key(const struct session *s, const struct known *e)
{
    return is_key(s, str_make(e->key, e->key_len));
}

static void set_key(struct session *s, const struct buf *key)
{
    struct said *said = said_by(s);

    free(said->key);
    said->key = key == NULL ? NULL : mem_strndup(key->p, key->len);
}

/* One answer less that it waits for, if it is still there. */
static void no_longer_waits(struct session *s)
{
    if (session_is_alive(s))
        said_by(s)->pending--;
}

/* ---- asking ---- */

struct question {
    struct worker *worker;
    struct session *session; /* referenced */
    struct known *known;     /* NULL: the answer counts for this session only */
    char *key;               /* of the session, when it was asked */
    struct caps caps;        /* spans lie in `bytes` */
    char *bytes;
};

static bool ask(struct session *s, struct known *e, const struct caps *caps);

static void question_free(struct question *q)
{
    session_unref(&q->session);
    free(q->key);
    free(q->bytes);
    free(q);
}

static const struct xml_element *query_of(const struct stanza *answer)
{
    return answer == NULL || answer->type != TYPE_RESULT ? NULL : xml_child(answer->root, "query", NS_DISCO_INFO);
}

/* As its own presence says: the same hash may come from another software. */
static bool ask_anew(struct session *s, struct known *e)
{
    const struct xml_element *presence;
    struct arena *arena;
    struct caps caps;
    bool is_asked;

    if (!session_is_alive(s) || s->presence == NULL || !has_key(s, e) ||
        xml_parse(str_of(s->presence), STR(NS_CLIENT), &arena, &presence) != LN_OK)
        return false;
    caps = caps_of_presence(presence);
    is_asked = caps.is_there && ask(s, e, &caps);
    arena_free(&arena);
    return is_asked;
}

/* The next one who says the same is asked, until one gives the right answer. */
static void ask_next(struct known_of_worker *k, struct known *e)
{
    while (e->first != NULL) {
        struct waiting *w = e->first;
        bool is_asked;

        e->first = w->next;
        no_longer_waits(w->session);
        is_asked = ask_anew(w->session, e);
        session_unref(&w->session);
        free(w);
        if (is_asked)
            return;
    }
    forget(k, e);
}

static void tell_all(struct known_of_worker *k, struct known *e, const struct xml_element *query)
{
    remember(k, e, interests_new(query));
    for (struct waiting *w; (w = e->first) != NULL;) {
        e->first = w->next;
        no_longer_waits(w->session);
        if (session_is_alive(w->session) && has_key(w->session, e))
            set_interests(w->session, interests_ref(e->interests));
        session_unref(&w->session);
        free(w);
    }
}

static void on_answer(void *ctx, struct account *a, const struct stanza *answer)
{
    struct question *q = ctx;
    struct known_of_worker *k = mine(q->worker);
    const struct xml_element *query = query_of(answer);
    struct known *e = q->known;

    (void)a;
    no_longer_waits(q->session);
    if (query != NULL && session_is_alive(q->session) && is_key(q->session, str_of(q->key)))
        set_interests(q->session, interests_new(query));
    if (e != NULL && query != NULL && caps_verify(&q->caps, query))
        tell_all(k, e, query);
    else if (e != NULL)
        ask_next(k, e);
    question_free(q);
}

static struct question *question_new(struct session *s, struct known *e, const struct caps *caps)
{
    struct question *q = mem_zalloc(sizeof(*q));
    char *p = q->bytes = mem_alloc(caps->algo.len + caps->hash.len + caps->node.len + 1);

    q->worker = s->worker;
    q->session = session_ref(s);
    q->key = str_dup(str_of(said_by(s)->key));
    q->known = e;
    q->caps = *caps;
    struct str *parts[] = {&q->caps.algo, &q->caps.hash, &q->caps.node};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i]->len > 0)
            memcpy(p, parts[i]->p, parts[i]->len);
        parts[i]->p = p;
        p += parts[i]->len;
    }
    return q;
}

/* The old form has no hash: its node is not one that the client need know (XEP-0115 section 11). */
static void write_question(struct buf *out, const struct caps *caps)
{
    struct xml_writer w = xml_writer_to(out);
    struct buf node = {0};

    caps_append_node(&node, caps);
    xml_start(&w, "query", NS_DISCO_INFO);
    if (caps->algo.len > 0)
        xml_put_attr(&w, "node", buf_str(&node));
    xml_end(&w);
    buf_deinit(&node);
}

static bool ask(struct session *s, struct known *e, const struct caps *caps)
{
    struct question *q = question_new(s, e, caps);
    struct buf payload = {0};
    bool is_asked;

    write_question(&payload, caps);
    is_asked = iq_ask(s->account, &s->jid, IQ_GET, buf_str(&payload), ANSWER_MS, on_answer, q) == LN_OK;
    buf_deinit(&payload);
    if (is_asked)
        said_by(s)->pending++;
    else
        question_free(q);
    return is_asked;
}

/* ---- presence ---- */

static void ask_for_all(struct known_of_worker *k, struct session *s, const struct buf *key, const struct caps *caps)
{
    struct known *e = mem_zalloc(sizeof(*e));

    e->key = mem_strndup(key->p, key->len);
    e->key_len = key->len;
    (void)hash_table_put(&k->table, str_make(e->key, e->key_len), e);
    if (!ask(s, e, caps))
        forget(k, e);
}

static void find_out(struct session *s, const struct buf *key, const struct caps *caps)
{
    struct known_of_worker *k = mine(s->worker);
    struct known *e = hash_table_get(&k->table, buf_str(key));

    if (!caps_can_verify(caps)) {
        (void)ask(s, NULL, caps);
    } else if (e == NULL) {
        ask_for_all(k, s, key, caps);
    } else if (e->interests == NULL) {
        e->first = wait_for(e->first, s);
        said_by(s)->pending++;
    } else {
        list_remove(k, e);
        list_add(k, e);
        set_interests(s, interests_ref(e->interests));
    }
}

/* A presence without capabilities says nothing new of them: that a client can is known from the one before. */
static void look_at(struct session *s, const struct xml_element *presence)
{
    struct caps caps = caps_of_presence(presence);
    struct buf key = {0};

    if (!caps.is_there || caps.algo.len + caps.hash.len + caps.node.len > KEY_BYTES_MAX)
        return;
    buf_append_str(&key, caps.algo);
    buf_append_char(&key, ' ');
    caps_append_node(&key, &(struct caps){.is_new = caps.is_new, .algo = caps.algo, .hash = caps.hash});
    if (!caps_can_verify(&caps))
        buf_append_str(&key, caps.node);
    if (said_by(s)->pending >= PENDING_MAX) {
        set_key(s, NULL); /* not now; the next presence that says so is looked at again */
    } else if (!is_key(s, buf_str(&key))) {
        set_key(s, &key);
        find_out(s, &key, &caps);
    }
    buf_deinit(&key);
}

static enum verdict on_presence(struct hook_event *e)
{
    if (jid_is_empty(&e->stanza->to))
        look_at(e->session, e->stanza->root);
    return CONTINUE;
}

/* A session that was saved over a restart has its presence, but not what its client wants. */
static enum verdict on_resumed(struct hook_event *e)
{
    struct session *s = e->session;
    const struct xml_element *presence;
    struct arena *arena;

    if (s->presence == NULL || interests_peek(s) != NULL ||
        xml_parse(str_of(s->presence), STR(NS_CLIENT), &arena, &presence) != LN_OK)
        return CONTINUE;
    look_at(s, presence);
    arena_free(&arena);
    return CONTINUE;
}

static enum verdict on_closing(struct hook_event *e)
{
    struct said *said = session_slot_peek(e->session, slot);

    interests_set(e->session, NULL);
    if (said == NULL)
        return CONTINUE;
    *session_slot(e->session, slot) = NULL;
    free(said->key);
    free(said);
    return CONTINUE;
}

static enum verdict on_turn_end(struct hook_event *e)
{
    struct known_of_worker *k = mine(e->worker);

    for (struct waiting *w; (w = k->changed) != NULL;) {
        struct hook_event changed = {.worker = e->worker, .session = w->session, .account = w->session->account};

        k->changed = w->next;
        if (session_is_alive(w->session) && session_is_connected(w->session))
            (void)hooks_run(HOOK_INTERESTS_CHANGED, session_host(w->session), &changed);
        session_unref(&w->session);
        free(w);
    }
    return CONTINUE;
}

static void on_start(struct server *server)
{
    slot = session_slot_new();
    free(workers);
    workers = mem_zalloc(server->n_workers * sizeof(*workers));
    for (unsigned i = 0; i < server->n_workers; i++)
        hash_table_init(&workers[i].table, &server->table_key);
}

const struct module module_caps = {
    .name = "caps",
    .hooks = {{HOOK_PRESENCE_FROM_CLIENT, PRIORITY_NORMAL, on_presence},
              {HOOK_SESSION_RESUMED, PRIORITY_NORMAL, on_resumed},
              {HOOK_SESSION_CLOSING, PRIORITY_NORMAL, on_closing},
              {HOOK_TURN_END, PRIORITY_NORMAL, on_turn_end}},
    .on_start = on_start,
};
