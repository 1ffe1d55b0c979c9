/* server/stream/session.h - a client's session, from the accepted connection to its end.
 *
 * The fields are those a developer of other servers expects; every feature reads them. Who sets what and when is said
 * at each field. A session belongs to one worker: the one that accepted it until SASL succeeds, then the home of its
 * account, for good. Nothing else may touch it; from elsewhere it is addressed by its full JID.
 *
 * Three predicates say what a session may be given: *connected* (bound: addressed by its full JID), *available* (has
 * sent presence: gets presence, and messages to the bare JID), *interested* (has asked for the roster: gets pushes).
 *
 * A session whose client may resume it (im/resume.h) can outlive its connection: it *hibernates*, bound, with `conn`
 * NULL, until the client comes back or its time is over.
 *
 * Call-backs of asynchronous work hold a reference and ask session_is_alive() before they go on. All functions:
 * [worker]. */
#ifndef LINNET_SERVER_STREAM_SESSION_H
#define LINNET_SERVER_STREAM_SESSION_H

#include "common/err.h"
#include "common/hash_table.h"
#include "common/xmpp/jid.h"
#include "common/xmpp/stanza.h"
#include "common/xmpp/xml_reader.h"
#include "server/net/conn.h"
#include "server/net/timer_wheel.h"
#include "server/net/worker.h"

struct account;
struct config_host;
struct ledger;
struct replay;
struct roster;
struct sasl;
struct session;
struct sm;

enum session_type {
    SESSION_C2S_UNAUTHED, /* accepted; may negotiate TLS and SASL, nothing else */
    SESSION_C2S,          /* SASL succeeded: may bind, and once bound send stanzas */
    SESSION_DESTROYED,    /* ended; the memory waits for call-backs that still hold it */
};

/* RFC 6120 section 4.9.3 */
enum stream_err {
    STREAM_OK = 0, /* no error: a plain close */
    STREAM_ERR_BAD_FORMAT,
    STREAM_ERR_BAD_NAMESPACE_PREFIX,
    STREAM_ERR_CONFLICT,
    STREAM_ERR_CONNECTION_TIMEOUT,
    STREAM_ERR_HOST_GONE,
    STREAM_ERR_HOST_UNKNOWN,
    STREAM_ERR_IMPROPER_ADDRESSING,
    STREAM_ERR_INTERNAL_SERVER_ERROR,
    STREAM_ERR_INVALID_FROM,
    STREAM_ERR_INVALID_NAMESPACE,
    STREAM_ERR_INVALID_XML,
    STREAM_ERR_NOT_AUTHORIZED,
    STREAM_ERR_NOT_WELL_FORMED,
    STREAM_ERR_POLICY_VIOLATION,
    STREAM_ERR_REMOTE_CONNECTION_FAILED,
    STREAM_ERR_RESET,
    STREAM_ERR_RESOURCE_CONSTRAINT,
    STREAM_ERR_RESTRICTED_XML,
    STREAM_ERR_SEE_OTHER_HOST,
    STREAM_ERR_SYSTEM_SHUTDOWN,
    STREAM_ERR_UNDEFINED_CONDITION,
    STREAM_ERR_UNSUPPORTED_ENCODING,
    STREAM_ERR_UNSUPPORTED_FEATURE,
    STREAM_ERR_UNSUPPORTED_STANZA_TYPE,
    STREAM_ERR_UNSUPPORTED_VERSION,
};

/* Where in its negotiation a stream is: rows of the table in stream.c. */
enum stream_state {
    STREAM_WAIT_HEADER, /* the first one */
    STREAM_WAIT_AUTH,   /* features offered starttls, SASL, or both */
    STREAM_HANDSHAKE,   /* TLS: nothing is read as XML */
    STREAM_SASL,        /* a challenge is out */
    STREAM_SASL2,       /* the same under XEP-0388 */
    STREAM_INLINE,      /* what came with <authenticate/> is being carried out, before <success/>; nothing is read */
    STREAM_WAIT_BIND,   /* features offered bind */
    STREAM_BOUND,       /* stanzas flow */
    STREAM_CLOSED,      /* our closing tag is out */
};

struct session {
    struct conn *conn; /* set at accept; NULL once the connection has gone (session_close()), or while it is away:
                          session_is_hibernating() */
    enum session_type type : 8; /* see above; set at accept, SASL success, end */
    int8_t priority;            /* of `presence`; 0 while there is none */
    bool notopen : 1;           /* true from accept, and from every restart, until the stream header came */
    bool interested : 1;        /* true from the first roster get to the end */
    bool client_acks : 1;       /* the client tells which stanzas it has (XEP-0198): `sm` is there */
    bool is_inactive : 1; /* the client said that nobody looks at it (XEP-0352): stream_upper->on_sending() is asked */
    bool presence_is_stamped : 1; /* `presence` has its delay stamp: it gets it when it is first sent later */
    bool has_asked_archive : 1;   /* its client has read in the account's archive: `read_from` */
    bool is_given_up : 1;         /* session_give_up(): takes nothing more */
    bool is_secure : 1;           /* the stream's own from here: TLS, ended by us or by a trusted balancer */
    bool is_pinged : 1;           /* silent for long: an answer is awaited */
    bool peer_closed : 1;         /* the peer's closing tag came */
    bool header_sent : 1;
    bool had_tls_offer : 1;  /* starttls was in the features: the client may send it */
    bool offered_plus : 1;   /* a -PLUS mechanism was in the features */
    bool offered_sasl2 : 1;  /* XEP-0388 was */
    bool offered_tokens : 1; /* XEP-0484 was */
    uint8_t sasl_failures;
    uint8_t bindings; /* channel bindings of the connection (sasl_mechanisms.h), as of the last header */
    enum stream_state state : 8;
    struct str username;   /* prepared localpart; set at SASL success, never changes */
    struct str host;       /* prepared domain; set by the first stream header, never changes */
    struct str resource;   /* prepared; set when bound, never changes */
    struct str full_jid;   /* set when bound: username@host/resource; key of the shard's table of sessions */
    char *presence;        /* the last undirected presence, stamped with from and a delay, as XML ended by NUL: parsed,
                              it would take a kilobyte. NULL: not available. Set by presence without type and `to`;
                              reset by unavailable and at the end. Owned */
    struct roster *roster; /* set when bound: that of the account, shared by all its sessions; not owned */

    /* ---- what follows is more than the table of docs/architecture.md names ---- */
    uint64_t id;                     /* of its first connection, in logs and for the operator; set at accept */
    struct worker *worker;           /* changes once, with the move home */
    struct account *account;         /* set when bound (im/account.h), with `roster`; keeps the account loaded */
    struct session *next_of_account; /* the account's list of sessions */
    struct jid jid;                  /* of all names that are known; its memory is theirs, owned */
    char *lang;                      /* xml:lang of the stream header: default for stanzas; owned; NULL: none */
    struct hash_table *directed; /* bare and full JIDs that were sent directed presence (im/presence.c); NULL: none */
    struct replay *replay;       /* offline messages are being handed out (im/replay.h): later ones wait; NULL: no */
    struct ledger *ledger;       /* messages that are on their way to the client (im/ledger.h); NULL: none */
    struct sm *sm;               /* both counts of its stanzas (im/unacked.h); NULL: it does not count; owned */
    void **data;                 /* of modules (im/slots.h); owned */
    uint64_t read_from, read_to; /* ids of the account's archive between which its client was sent all; 0: nothing */
    int64_t presence_ms;         /* wall clock: when `presence` came */
    uint32_t given_in;           /* the last delivery that it was given (im/shard.h) */
    uint32_t refs;               /* private to session.c */
    uint16_t async_ops;          /* requests of this client that await storage or the pool */
    uint16_t pauses;             /* session_pause() calls not yet resumed */
    uint32_t flags;              /* of modules (im/slots.h) */

    /* ---- the stream's own (stream.c, sasl.c, bind.c) ---- */
    struct xml_reader reader;
    struct wheel_timer timer; /* unauthenticated; later idle; hibernating: the time it has left */
    struct sasl *sasl;        /* an exchange under way */
    int64_t bound_ms;         /* wall clock */
    const char *mechanism;    /* that it logged in with, a literal */
    char *header_from;        /* before SASL: the bare JID that the stream header named; NULL: none. Owned */
    int64_t credentials_ms;   /* wall clock: since when that counts by which it logged in, password or token */
    uint8_t user_agent[16];   /* the client that it is (stream/user_agent.h); zeros: it has not said */
    uint32_t sasl_ms;         /* worker clock, cut to 32 bits: when SASL began, for logs */
    struct xml_limits limits; /* in force for the reader */
};

/* ---- predicates ---- */

/* Has a full JID, a resource and a roster: may send stanzas, and is addressed by its full JID. */
bool session_is_connected(const struct session *s);
/* Has sent presence: gets its contacts' presence, and, at priority >= 0, messages to the bare JID. */
bool session_is_available(const struct session *s);
/* Has asked for the roster: gets pushes. */
bool session_is_interested(const struct session *s);
/* Connected, but its client is away and may come back (im/resume.h): what is sent waits. */
static inline bool session_is_hibernating(const struct session *s)
{
    return s->conn == NULL && s->state == STREAM_BOUND;
}

/* ---- sending and ending ---- */

/* Queues `st` for writing. `to` replaces its addressee; empty: as it is (the full JID of the session when it has none).
 * False: the session has ended or its client does not read; what to do with the stanza then is the caller's to decide.
 * Never destroys the session under its caller. */
bool session_send(struct session *s, const struct stanza *st, struct str to);
/* The same with content added before the end tag: a delay stamp. */
bool session_send_with(struct session *s, const struct stanza *st, struct str to, struct str extra);
/* Queues bytes that are one complete stanza (`n_stanzas` 1), which stream management counts, or other first-level
 * elements (0). */
bool session_send_raw(struct session *s, struct str xml, unsigned n_stanzas);

/* Ends it: the stream error (unless STREAM_OK), the closing tag, then the connection once all is written. Everything
 * that depends on the session ends now: presence is taken back, the tables forget it. `text` for the error, may be
 * NULL. The memory stays until the last reference is gone, and no caller above on the stack needs to look: every
 * function here does nothing on a session that has ended. */
void session_close(struct session *s, enum stream_err err, const char *text);
/* The same with an application-specific condition inside the error: well-formed XML. */
void session_close_with(struct session *s, enum stream_err err, const char *text, struct str app_condition);
/* Ends it soon, and from now on refuses what is sent to it: for who may not destroy it now. */
void session_give_up(struct session *s);

static inline bool session_is_alive(const struct session *s)
{
    return s->type != SESSION_DESTROYED;
}
struct session *session_ref(struct session *s);
void session_unref(struct session **s);

/* ---- holding the client back ---- */

/* A request of this client awaits something; its input is held while too many do. Every begin needs its end, which also
 * keeps the memory alive in between. */
void session_begin_async(struct session *s);
void session_end_async(struct session *s);
/* Nothing more is read from the client until session_resume(): for what must be finished before its next stanza is
 * looked at (bind, subscriptions). Counts: as many resumes as pauses. */
void session_pause(struct session *s);
void session_resume(struct session *s);

/* How it is secured, for people: "1.3", by a balancer "proxy/TLSv1.3", else NULL; borrowed while the connection lasts.
 * And by which cipher. NULL also without a connection. */
const char *session_tls_name(const struct session *s);
const char *session_cipher_name(const struct session *s);

/* The host it belongs to in the configuration now in force; NULL: the host is not served any more. */
const struct config_host *session_host(const struct session *s);

/* ---- for stream/ only ---- */
/* `own_conn` may be NULL: then `id` is not set. */
struct session *session_new(struct conn *own_conn, struct worker *w);
/* Puts the names together: username at SASL success, resource when bound. */
void session_set_names(struct session *s, struct str username, struct str host, struct str resource);
/* "not-well-formed", ... */
const char *stream_err_name(enum stream_err err);

#endif
