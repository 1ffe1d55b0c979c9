/* server/modules/carbons.c - XEP-0280 Message Carbons 1.0.1, with all of its rules (urn:xmpp:carbons:rules:0)
 *
 * A session that wants them gets a copy of each message that the account's other sessions send, or are given. Copies
 * are of the account's own view of a message: with the id that it has in the archive. They go to whoever is connected
 * at that moment and are nobody's to keep: a session that ends without them finds the messages in the archive. Nor are
 * there copies of what nobody took: it is kept, and given to the next session that can take it, which may be the one
 * that would have got the copy.
 *
 * Errors are copied where what they answer was, so the last such messages of an account are remembered, as hashes of
 * id and peer. Whether a message is from a room is told by what rooms put into it (section 6.1). Nothing can pretend to
 * be a copy: those come from the bare JID, and what clients send is stamped with their full one. */
#include "common/mem.h"
#include "common/xmpp/hints.h"
#include "common/xmpp/ns.h"
#include "server/im/shard.h"
#include "server/im/slots.h"
#include "server/modules/module.h"

enum direction { SENT, RECEIVED };

enum { RECENT = 64 };

/* Messages that were copied: a ring, the oldest is overwritten. */
struct recent {
    uint64_t hashes[RECENT];
    unsigned next;
};

static uint32_t wants_copies; /* [start] flag of a session */
static unsigned recent_slot;  /* [start] of an account: struct recent */

static void on_start(struct server *server)
{
    (void)server;
    wants_copies = session_flag_new("carbons");
    recent_slot = account_slot_new();
}

/* ---- which messages (section 6.1) ---- */

static bool is_private(const struct stanza *st)
{
    return xml_child(st->root, "private", NS_CARBONS) != NULL || (hints_of(st) & HINT_NO_COPY) != 0;
}

static bool is_itself_a_copy(const struct stanza *st)
{
    return xml_child(st->root, "received", NS_CARBONS) != NULL || xml_child(st->root, "sent", NS_CARBONS) != NULL;
}

static bool is_invitation(const struct stanza *st)
{
    const struct xml_element *x = xml_child(st->root, "x", NS_MUC_USER);

    return xml_child(st->root, "x", NS_CONFERENCE) != NULL ||
           (x != NULL && xml_child(x, "invite", NS_MUC_USER) != NULL);
}

/* From somebody in a room: the room itself sees to it that all sessions that are there get it. */
static bool is_from_occupant(const struct stanza *st, enum direction direction)
{
    return direction == RECEIVED && !jid_is_bare(&st->from) && xml_child(st->root, "x", NS_MUC_USER) != NULL &&
           !is_invitation(st);
}

static bool is_about_a_conversation(const struct stanza *st)
{
    static const char *const namespaces[] = {NS_RECEIPTS,  NS_CHAT_STATES, NS_CHAT_MARKERS,
                                             NS_REACTIONS, NS_RETRACT,     NS_JINGLE_MESSAGE};

    for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
        if (xml_child(st->root, NULL, namespaces[i]) != NULL)
            return true;
    }
    return false;
}

static uint64_t hash_of(const struct account *a, const struct stanza *st, enum direction direction)
{
    const struct siphash_key *key = &a->worker->server->table_key;
    uint64_t peer = siphash(key, jid_bare(direction == SENT ? &st->to : &st->from));

    return siphash(key, st->id) ^ (peer << 1 | peer >> 63) ^ (uint64_t)direction;
}

/* An error that is received answers what was sent, and the other way round. */
static bool answers_a_copied_one(const struct account *a, const struct stanza *error, enum direction direction)
{
    const struct recent *recent = account_slot_peek(a, recent_slot);
    uint64_t hash;

    if (recent == NULL || error->id.len == 0)
        return false;
    hash = hash_of(a, error, direction) ^ (uint64_t)SENT ^ (uint64_t)RECEIVED;
    for (size_t i = 0; i < RECENT; i++) {
        if (recent->hashes[i] == hash)
            return true;
    }
    return false;
}

static void remember(struct account *a, const struct stanza *st, enum direction direction)
{
    struct recent **recent = (struct recent **)(void *)account_slot(a, recent_slot);

    if (st->id.len == 0 || st->type == TYPE_ERROR)
        return;
    if (*recent == NULL)
        *recent = mem_zalloc(sizeof(**recent));
    (*recent)->hashes[(*recent)->next++ % RECENT] = hash_of(a, st, direction);
}

static bool is_eligible(const struct account *a, const struct stanza *st, enum direction direction)
{
    if (st->type == TYPE_GROUPCHAT || is_private(st) || is_itself_a_copy(st) || is_from_occupant(st, direction))
        return false;
    if (st->type == TYPE_ERROR)
        return answers_a_copied_one(a, st, direction);
    return st->type == TYPE_CHAT || (st->type == TYPE_NORMAL && xml_child(st->root, "body", NS_CLIENT) != NULL) ||
           is_about_a_conversation(st) || is_invitation(st);
}

/* ---- copying (sections 7 and 8) ---- */

static struct stanza *make_copy(const struct account *a, const struct stanza *st, enum direction direction)
{
    struct buf b = {0}, message = {0};
    struct xml_writer w = xml_writer_to(&b);
    struct stanza *copy;

    stanza_write_inside(&message, st, NS_FORWARD);
    xml_start(&w, "message", NULL);
    xml_put_attr_opt(&w, "type", xml_attr(st->root, "type", NULL));
    xml_put_attr(&w, "from", a->jid.full);
    xml_start(&w, direction == SENT ? "sent" : "received", NS_CARBONS);
    xml_start(&w, "forwarded", NS_FORWARD);
    xml_put_raw(&w, buf_str(&message));
    xml_end(&w);
    xml_end(&w);
    xml_end(&w);
    copy = stanza_from_bytes(buf_str(&b));
    buf_deinit(&b);
    buf_deinit(&message);
    return copy;
}

/* Neither who sent it nor who was given it. */
static bool is_for(const struct session *s, const struct stanza *st, enum direction direction)
{
    return session_has_flag(s, wants_copies) && !str_eq(s->full_jid, st->from.full) &&
           (direction == SENT || !session_was_given(s));
}

/* Made once, for the first session that wants it. */
static void send_copies(struct account *a, const struct stanza *st, enum direction direction)
{
    struct stanza *copy = NULL;

    for (struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (!is_for(s, st, direction))
            continue;
        if (copy == NULL && (!is_eligible(a, st, direction) || (copy = make_copy(a, st, direction)) == NULL))
            return;
        (void)session_send(s, copy, s->full_jid);
    }
    if (copy != NULL)
        remember(a, st, direction);
    stanza_unref(&copy);
}

static bool is_to_itself(const struct account *a, const struct stanza *st)
{
    return jid_is_empty(&st->to) || str_eq(jid_bare(&st->to), a->jid.full);
}

/* What the account sends to itself is copied when it is received: who gets it need not be told that it was sent, too.
 */
static enum verdict on_sent(struct hook_event *e)
{
    if (e->account->n_sessions > 1 && !is_to_itself(e->account, e->stanza))
        send_copies(e->account, e->stanza, SENT);
    return CONTINUE;
}

static enum verdict on_delivered(struct hook_event *e)
{
    send_copies(e->account, e->stanza, RECEIVED);
    return CONTINUE;
}

static enum verdict on_unloaded(struct hook_event *e)
{
    free(account_slot_peek(e->account, recent_slot));
    return CONTINUE;
}

/* ---- on and off (sections 4 and 5) ---- */

static enum iq_verdict on_enable(struct iq *iq)
{
    session_set_flag(iq->session, wants_copies, true);
    return iq_result(iq, STR(""));
}

static enum iq_verdict on_disable(struct iq *iq)
{
    session_set_flag(iq->session, wants_copies, false);
    return iq_result(iq, STR(""));
}

static enum verdict on_bind_features(struct hook_event *e)
{
    xml_start(e->out, "feature", NULL);
    xml_put_attr(e->out, "var", STR(NS_CARBONS));
    xml_end(e->out);
    return CONTINUE;
}

/* XEP-0386 section 4.3 */
static enum verdict on_bind(struct hook_event *e)
{
    if (xml_child(e->element, "enable", NS_CARBONS) != NULL)
        session_set_flag(e->session, wants_copies, true);
    return CONTINUE;
}

const struct module module_carbons = {
    .name = "carbons",
    .features = {NS_CARBONS, NS_CARBONS_RULES, NS_HINTS},
    .iq = {{IQ_SET, NS_CARBONS, "enable", IQ_TO_OWN_ACCOUNT, on_enable},
           {IQ_SET, NS_CARBONS, "disable", IQ_TO_OWN_ACCOUNT, on_disable}},
    .hooks = {{HOOK_MESSAGE_SENT, PRIORITY_LAST, on_sent},
              {HOOK_MESSAGE_DELIVERED, PRIORITY_COPY, on_delivered},
              {HOOK_BIND2_FEATURES, PRIORITY_NORMAL, on_bind_features},
              {HOOK_BIND2, PRIORITY_NORMAL, on_bind},
              {HOOK_ACCOUNT_UNLOADED, PRIORITY_NORMAL, on_unloaded}},
    .on_start = on_start,
};
