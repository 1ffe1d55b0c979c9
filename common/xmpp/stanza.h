/* common/xmpp/stanza.h - a message, presence or iq: parsed once, never changed, shared by counting.
 *
 * `struct stanza` lies inside its own arena, with the tree and the bytes. The thread that made it may fill the fields
 * marked [maker] until it hands the stanza on; from then on it is read-only, and workers share it with nothing but the
 * counter. What differs for each recipient (the `to` of a broadcast) is given when it is written, not stored here.
 *
 * A reference is also an obligation. Whoever still has to deliver, commit or answer a stanza holds one; when the last
 * is gone the stanza can no longer be lost, and `on_settled` tells its origin so. That is how a client's
 * acknowledgement (XEP-0198 `h`) is held back until it is true: see server/im/receipt.h. */
#ifndef LINNET_COMMON_XMPP_STANZA_H
#define LINNET_COMMON_XMPP_STANZA_H

#include <stdatomic.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/xmpp/jid.h"
#include "common/xmpp/xml.h"

enum stanza_kind { STANZA_OTHER, STANZA_MESSAGE, STANZA_PRESENCE, STANZA_IQ };

/* One list for all kinds; a value that its kind does not know is TYPE_INVALID. */
enum stanza_type {
    TYPE_INVALID,
    TYPE_ERROR,  /* all kinds */
    TYPE_NORMAL, /* message: also for none, and for types that nobody knows (RFC 6121 section 5.2.2) */
    TYPE_CHAT,
    TYPE_GROUPCHAT,
    TYPE_HEADLINE,
    TYPE_AVAILABLE, /* presence: no type */
    TYPE_UNAVAILABLE,
    TYPE_SUBSCRIBE,
    TYPE_SUBSCRIBED,
    TYPE_UNSUBSCRIBE,
    TYPE_UNSUBSCRIBED,
    TYPE_PROBE,
    TYPE_GET, /* iq */
    TYPE_SET,
    TYPE_RESULT,
};

/* RFC 6120 section 8.3.3 */
enum stanza_err {
    STANZA_ERR_BAD_REQUEST,
    STANZA_ERR_CONFLICT,
    STANZA_ERR_FEATURE_NOT_IMPLEMENTED,
    STANZA_ERR_FORBIDDEN,
    STANZA_ERR_GONE,
    STANZA_ERR_INTERNAL_SERVER_ERROR,
    STANZA_ERR_ITEM_NOT_FOUND,
    STANZA_ERR_JID_MALFORMED,
    STANZA_ERR_NOT_ACCEPTABLE,
    STANZA_ERR_NOT_ALLOWED,
    STANZA_ERR_NOT_AUTHORIZED,
    STANZA_ERR_POLICY_VIOLATION,
    STANZA_ERR_RECIPIENT_UNAVAILABLE,
    STANZA_ERR_REDIRECT,
    STANZA_ERR_REGISTRATION_REQUIRED,
    STANZA_ERR_REMOTE_SERVER_NOT_FOUND,
    STANZA_ERR_REMOTE_SERVER_TIMEOUT,
    STANZA_ERR_RESOURCE_CONSTRAINT,
    STANZA_ERR_SERVICE_UNAVAILABLE,
    STANZA_ERR_SUBSCRIPTION_REQUIRED,
    STANZA_ERR_UNDEFINED_CONDITION,
    STANZA_ERR_UNEXPECTED_REQUEST,
};

struct stanza {
    atomic_uint refs;
    enum stanza_kind kind;
    enum stanza_type type;
    const struct xml_element *root;
    struct str id;   /* the attribute, decoded; empty if none */
    struct str lang; /* xml:lang: its own, or [maker] that of the stream */
    struct jid from; /* [maker] stamped by the server; empty: none is written */
    struct jid to;   /* [maker] prepared; empty when there was none */
    struct arena *arena;
    struct stanza *base; /* a derived stanza's original, under a reference: the tree lies in it; else NULL */
    struct str suffix;   /* XML written before the end tag, behind the content of `root`; empty but for derived ones */
    /* [maker] A message to a bare JID that is only for those resources that want such messages: an event of a node that
     * nobody subscribed to explicitly. Only at the account's home it is known which do (HOOK_MESSAGE_TO_ACCOUNT); if
     * nobody there takes care of it, it is dropped. */
    bool is_filtered;
    /* [maker] Called by the thread that drops the last reference, before the memory is freed. NULL: nobody asks. */
    void (*on_settled)(const struct stanza *st);
    uint64_t origin_session; /* [maker] for on_settled: who sent it (server/im/receipt.h) */
    uint32_t origin_worker;
    uint32_t origin_seq; /* its number among the sender's stanzas */
};

/* [any] Makes a stanza of a parsed first-level element; takes `own_arena` in any case. Kind, type, id, lang are set;
 * `from` and `to` are empty: the attributes are not looked at (see stanza_parse_to()). One reference, the caller's. */
struct stanza *stanza_from_element(struct arena *own_arena, const struct xml_element *root);

/* [maker] Prepares the `to` attribute into st->to. False: it is not a JID (jid-malformed). True without `to`. */
bool stanza_parse_to(struct stanza *st);
/* [maker] The same for `from`: for what comes from storage. */
bool stanza_parse_from(struct stanza *st);

/* [any] Makes a stanza of bytes that the server itself wrote or stored, both addresses parsed. NULL: the bytes are not
 * one well-formed stanza with valid addresses, which for our own bytes means a damaged record. */
struct stanza *stanza_from_bytes(struct str xml);

struct stanza *stanza_ref(struct stanza *st);
/* Accepts NULL, leaves NULL. */
void stanza_unref(struct stanza **st);

/* [any] A *derived* stanza: all of `st`, with `suffix` (well-formed XML, copied) before the end tag: a stanza-id. The
 * tree is the original's, so what was added is written, but not found among the children. Holds a reference to the
 * original, and with it its obligation. One reference, the caller's. */
struct stanza *stanza_with(struct stanza *st, struct str suffix);
/* [any] A derived stanza without the children that `is_unwanted` names; costs a parse. NULL: what came out cannot be
 * read again, which would be a mistake of ours. */
struct stanza *stanza_without(struct stanza *st, bool (*is_unwanted)(const struct xml_element *child, const void *ctx),
                              const void *ctx);
/* [any] Does somebody wait to hear that it is settled: it, or what it was derived from? */
static inline bool stanza_is_awaited(const struct stanza *st)
{
    while (st->base != NULL)
        st = st->base;
    return st->on_settled != NULL;
}

/* [any] Writes it with st->from, and with `to` if that is not empty, else st->to; xml:lang if there is one. Content
 * goes out as the bytes that came in; prefixes of its stream that it leans on are declared on the start tag. */
void stanza_write(struct buf *out, const struct stanza *st, struct str to);
/* [any] The same with more content before the end tag (a <delay/>, a stanza-id): well-formed XML. */
void stanza_write_with(struct buf *out, const struct stanza *st, struct str to, struct str extra);

/* [any] Writes it for where `context_ns` is the default namespace: inside <forwarded/> (XEP-0297). */
void stanza_write_inside(struct buf *out, const struct stanza *st, const char *context_ns);

/* [any] Its error reply: addresses swapped, same id, type='error', with the condition. False, and nothing is written,
 * when the stanza may not be answered: an error, or an iq result (RFC 6120 section 8.3.1). `text` may be NULL. The
 * original content is not repeated (section 8.3.1 allows that). */
bool stanza_write_error(struct buf *out, const struct stanza *st, enum stanza_err err, const char *text);
/* [any] The same with an application-specific condition (section 8.3.4): well-formed XML. */
bool stanza_write_error_with(struct buf *out, const struct stanza *st, enum stanza_err err, const char *text,
                             struct str app_condition);

/* All that an error can say. */
struct stanza_error {
    enum stanza_err err;
    const char *type;         /* NULL: the usual one */
    const char *text;         /* may be NULL */
    struct str app_condition; /* an application-specific one (section 8.3.4): XML, or empty */
    struct str payload;       /* XML in front of <error/>, or empty */
};
/* [any] The same, in full. */
bool stanza_write_error_in_full(struct buf *out, const struct stanza *st, const struct stanza_error *e);

/* [any] Element name of a condition ("bad-request") and its usual type ("modify"). */
const char *stanza_err_name(enum stanza_err err);
const char *stanza_err_type(enum stanza_err err);
/* [any] "message", "presence", "iq", "other" */
const char *stanza_kind_name(enum stanza_kind kind);

/* [any] The payload of an iq get or set: its only child, or NULL. */
static inline const struct xml_element *stanza_payload(const struct stanza *st)
{
    return st->root->child;
}

#endif
