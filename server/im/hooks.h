/* server/im/hooks.h - the points where features join in, and how the core reaches them.
 *
 * The table of modules is handed to hooks_start() once; from it an index is built: which module answers an iq, which
 * wants to be called where, in which order. For each host the modules that are on are a set of bits, worked out when a
 * worker first meets the host and kept there until the configuration changes. After the start the index is read-only.
 */
#ifndef LINNET_SERVER_IM_HOOKS_H
#define LINNET_SERVER_IM_HOOKS_H

#include "common/xmpp/xml_writer.h"
#include "server/im/iq.h"
#include "server/stream/session.h"

struct storage_rows;

enum hook_point {
    /* e->session, e->out: write a feature into <stream:features/>. Called before SASL (not connected, type
     * c2s_unauthed) and before bind (type c2s). */
    HOOK_STREAM_FEATURES,
    /* e->session: connected, the result is queued. */
    HOOK_SESSION_BOUND,
    /* e->session: about to end: conn may be gone; presence and tables are still there. Every module is called, on or
     * off: it may have been on when the session began. */
    HOOK_SESSION_CLOSING,
    /* e->session: the same for one that ends before it was bound. Every module is called, if any has a slot in use. */
    HOOK_STREAM_CLOSING,
    /* e->session, e->stanza [maker]: a client's stanza, before anything is done with it. */
    HOOK_STANZA_RECEIVED,
    /* e->session, e->count: so many stanzas were queued for the client. */
    HOOK_STANZA_SENT,
    /* e->session: a message was sent that waits for the client's acknowledgement; and every second while one does that
     * was sent a second ago. */
    HOOK_ACKNOWLEDGEMENT_WANTED,
    /* e->session, e->account, e->stanza: the same, `from` stamped, `to` prepared, all in order. Only while the account
     * is guarded (account.is_guarded). STOP: taken care of. */
    HOOK_STANZA_FROM_CLIENT,
    /* e->session, e->account, e->stanza: a message, before anybody sees it. May be replaced: what is routed, copied and
     * stored is the new one. */
    HOOK_MESSAGE_FROM_CLIENT,
    /* e->session, e->account, e->stanza: a message that is about to be routed. To replace the stanza is to make the
     * account's own view of it, for those who are asked later; what is routed is the original. */
    HOOK_MESSAGE_SENT,
    /* e->session, e->stanza: available presence, to everybody or directed (stanza->to), before it is. May be replaced.
     */
    HOOK_PRESENCE_FROM_CLIENT,
    /* e->account, e->stanza, e->to: of any kind, before it is delivered. Only while the account is guarded. STOP: taken
     * care of. */
    HOOK_STANZA_TO_ACCOUNT,
    /* e->account, e->to: something is about to pass between the account and this contact that neither of them sends
     * just now: presence, a probe, a request that waits for an answer, an event. Only while the account is guarded.
     * STOP: it does not. See presence_is_kept_from(). */
    HOOK_PRESENCE_TO_CONTACT,
    /* e->session, e->account, e->to: the account has blocked this address, as e->element, the <item/> of XEP-0191,
     * asks; it is committed. */
    HOOK_CONTACT_BLOCKED,
    /* e->account, e->stanza, e->to: before it is delivered. May be replaced: what is delivered, and stored, is the new
     * one. STOP: the module took care of it. */
    HOOK_MESSAGE_TO_ACCOUNT,
    /* e->account, e->stanza, e->to: some sessions were given it, but not all that the account has; see
     * session_was_given() of im/shard.h. */
    HOOK_MESSAGE_DELIVERED,
    /* e->account, e->stanza: presence of type subscribe came from a contact, and the account is not busy. STOP: the
     * module goes on with it, by roster_change_subscription(); until then it has made the account busy. */
    HOOK_SUBSCRIPTION_ASKED,
    /* e->account, e->stanza: no resource could take it, and it is worth keeping (delivery_offline()). STOP: it is kept,
     * or was answered; otherwise the sender gets an error. */
    HOOK_MESSAGE_UNDELIVERED,
    /* e->account, e->stanza, e->session: a message worth keeping waits for a client: in the queue of a hibernating
     * session, or, where e->session is NULL, in offline storage. */
    HOOK_MESSAGE_AWAITS,
    /* e->session, e->stanza, e->to: about to be sent to a client that is inactive (session.is_inactive), and nothing
     * that has to arrive. STOP: it was held back, or dropped. */
    HOOK_STANZA_TO_CLIENT,
    /* e->session: something that is not held back follows: what was held back has to go out in front of it. */
    HOOK_FLUSH_CLIENT,
    /* e->session: its connection was lost; it may be resumed. */
    HOOK_SESSION_HIBERNATING,
    /* e->session, e->record: the server stops, and the session goes on after the next start: what a module wants to
     * know of it then is written there, under the module's name (common/fields.h). And then: e->saved is what was
     * written. Every module is called, on or off. */
    HOOK_SESSION_SAVE,
    HOOK_SESSION_RESTORE,
    /* e->session: it was resumed; <resumed/> and what had not arrived are queued. */
    HOOK_SESSION_RESUMED,
    /* e->session, e->out: write what may be asked for with the login (XEP-0388), inside <inline/>. */
    HOOK_SASL2_FEATURES,
    /* e->session: authenticated by XEP-0388, at home, paused; see stream_upper.on_authenticated. STOP: it is taken care
     * of. Where nobody listens it is not offered. */
    HOOK_AUTHENTICATED,
    /* e->session, e->account, e->element: <authenticate/>; e->out: inside <success/>: carry out what was asked for.
     * Resumption has been tried by then, and failed if it was asked for. */
    HOOK_SASL2_INLINE,
    /* e->session, e->out: write the features of Bind 2 (XEP-0386): <feature var=''/> inside <inline/>. */
    HOOK_BIND2_FEATURES,
    /* e->session, e->element: <bind xmlns='urn:xmpp:bind:0'/>; e->out: inside <bound/>. The session is bound. */
    HOOK_BIND2,
    /* e->account, e->stanza: a probe by somebody who may see the account's presence was answered. */
    HOOK_PRESENCE_PROBED,
    /* e->account, e->to: this bare JID may see the account's presence from now on. */
    HOOK_SUBSCRIBER_ADDED,
    /* e->account, e->client: a client of the account was logged out for good by another one, or by the operator; it is
     * committed, its sessions are about to end. */
    HOOK_CLIENT_LOGGED_OUT,
    /* e->session: it can be given messages to the bare JID now: priority has become >= 0. */
    HOOK_AVAILABLE,
    /* e->host, e->out: add data forms (XEP-0128) to the host's disco#info. The same for everybody who asks: the answer
     * is kept, and the capabilities hash is made of it, until the configuration changes. */
    HOOK_DISCO_INFO,
    /* e->account, e->out: write identities and features into the disco#info of an account, for those who see its
     * presence. */
    HOOK_ACCOUNT_INFO,
    /* e->session: what its client wants to hear of (pubsub/interests.h) is known now, or is not what it was. */
    HOOK_INTERESTS_CHANGED,
    /* e->account, e->rows: it was loaded; the documents of its collection "account", where features keep what is small,
     * so that it costs no read of its own. Every module is called, on or off. */
    HOOK_ACCOUNT_LOADED,
    /* e->account: its memory is about to be freed. Every module is called. */
    HOOK_ACCOUNT_UNLOADED,
    /* e->account, e->change: one of its nodes is another one now, as committed, and subscribers were told. */
    HOOK_NODE_CHANGED,
    /* e->account: its documents are gone; its sessions were closed. Every module is called, on or off. */
    HOOK_ACCOUNT_DELETED,
    /* e->worker: a new configuration is in force there; nothing of the old one may be kept. Every module is called. */
    HOOK_CONFIG_CHANGED,
    /* e->worker: at the end of the first turn of the loop, and of those in which somebody asked for it with
     * hooks_at_turn_end(): what was gathered for others is to be posted. Every module is called. */
    HOOK_TURN_END,
    HOOK_POINTS,
};

enum verdict { CONTINUE, STOP };

/* What happened to a node of an account (server/pubsub/pubsub.h). */
struct node_change {
    struct str node;
    struct str item;    /* empty: all of its items are gone, or the node itself */
    struct str payload; /* the element that was published, which stands for itself; empty: none, or it was retracted */
    bool is_retracted;  /* with `item` empty: the node was purged or deleted */
    bool makes_room;    /* it was retracted for others that are published with the same change, of which more follows */
    bool is_by_module;  /* done with pubsub_publish() and its like: lest two modules answer each other for ever */
};

struct hook_event {
    struct worker *worker; /* always set */
    struct session *session;
    struct account *account;
    struct stanza *stanza;
    const struct jid *to; /* the address that it was sent to */
    struct xml_writer *out;
    const struct xml_element *element;
    const struct storage_rows *rows;
    const struct node_change *change;
    const struct config_host *host;
    struct buf *record;
    struct str saved;
    struct str client; /* as user_agent_name() has it; by Bind 2 its resource ends in that */
    unsigned count;
    struct stanza *replacement; /* private: of `stanza`, owned */
};

/* For hooks at points where the stanza may be replaced: those behind, and the core, see `own_st` (stanza_with(),
 * stanza_without()). */
void hook_replace_stanza(struct hook_event *e, struct stanza *own_st);
/* For who ran the hooks of such a point, when the event's stanza is not needed any more. */
void hook_event_end(struct hook_event *e);

/* Within one point, lower runs first. */
enum hook_priority { PRIORITY_FIRST, PRIORITY_GUARD, PRIORITY_COPY, PRIORITY_NORMAL, PRIORITY_STORE, PRIORITY_LAST };

struct hook {
    enum hook_point point;
    enum hook_priority priority;
    enum verdict (*call)(struct hook_event *e);
};

enum iq_kind { IQ_GET = 1, IQ_SET = 2, IQ_GET_OR_SET = 3 };

struct iq_handler {
    enum iq_kind kind;
    const char *ns;
    const char *element; /* NULL: any element of the namespace */
    unsigned targets;    /* set of enum iq_target */
    enum iq_verdict (*call)(struct iq *iq);
};

/* A first-level element that is no stanza, such as <r xmlns='urn:xmpp:sm:3'/>. */
struct element_handler {
    const char *ns;
    const char *element;
    bool before_bind; /* also while type is c2s and nothing is bound */
    void (*call)(struct session *s, const struct xml_element *e);
};

enum { MODULE_FEATURES_MAX = 16, MODULE_IQ_MAX = 12, MODULE_ELEMENTS_MAX = 8, MODULE_HOOKS_MAX = 16, MODULES_MAX = 64 };

struct module {
    const char *name;                                  /* in the configuration */
    const char *features[MODULE_FEATURES_MAX];         /* disco#info of the host; ends with NULL */
    const char *account_features[MODULE_FEATURES_MAX]; /* disco#info of an account's bare JID */
    struct iq_handler iq[MODULE_IQ_MAX];               /* ends where call is NULL */
    struct element_handler elements[MODULE_ELEMENTS_MAX];
    struct hook hooks[MODULE_HOOKS_MAX];
    void (*on_start)(struct server *server); /* [start] may be NULL */
};

/* What the core itself answers (the roster, the session request), as a module that is always on: im/core_module.c. */
extern const struct module module_core;

/* [start] Builds the index of module_core and then `modules`, which ends with NULL; both live for ever. Where two have
 * the same priority, or answer the same iq, the earlier one is asked first. Then calls their on_start(). */
void hooks_start(const struct module *const *modules, struct server *server);
/* [worker] For worker_events.on_config: forgets what was known about the hosts of the old configuration, which must
 * still be valid, and calls HOOK_CONFIG_CHANGED. */
void hooks_config_changed(struct worker *w);

/* [worker] Walks the modules that are on, the core's first: start with *cursor = 0; NULL ends. */
const struct module *hooks_next_module(const struct config_host *host, unsigned *cursor);

/* [worker] Is this one of them? */
bool hooks_is_on(const struct module *module, const struct config_host *host);

/* In the following, a host that is NULL is one that is no longer in the configuration: only the core is on.
 *
 * [worker] Calls the point's hooks of the modules that are on for `host`, in order, until one says STOP. */
enum verdict hooks_run(enum hook_point point, const struct config_host *host, struct hook_event *e);
/* [worker] HOOK_TURN_END is to be called at the end of this turn. */
void hooks_at_turn_end(struct worker *w);
/* [worker] For im.c: calls it, if somebody asked. */
void hooks_end_turn(struct worker *w);
/* [any] Whether any module at all listens there: to save building an event. */
bool hooks_wanted(enum hook_point point);
/* [worker] Whether one that is on for `host` does: is there anybody to take care of what happens there? */
bool hooks_listens(enum hook_point point, const struct config_host *host);

/* [worker] The handler of a get or set; NULL: none, also for any other stanza. `after`: continue behind that one. */
const struct iq_handler *hooks_find_iq(const struct config_host *host, const struct stanza *st, enum iq_target target,
                                       const struct iq_handler *after);
/* [worker] */
const struct element_handler *hooks_find_element(const struct config_host *host, const struct xml_element *e,
                                                 bool is_bound);

#endif
