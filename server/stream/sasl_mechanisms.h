/* server/stream/sasl_mechanisms.h - the table of ways to log in, and which of them a connection is offered.
 *
 * Both protocols, that of RFC 6120 and that of XEP-0388, offer the same list; tokens (fast.h) are offered in a list of
 * their own. What a client chooses is looked up here again: what was not offered does not exist. Private to stream/.
 * All: [worker]. */
#ifndef LINNET_SERVER_STREAM_SASL_MECHANISMS_H
#define LINNET_SERVER_STREAM_SASL_MECHANISMS_H

#include "common/xmpp/scram.h"
#include "common/xmpp/xml_writer.h"
#include "server/stream/session.h"

struct sasl_mechanism {
    const char *name;
    /* One message of the client's, decoded. */
    void (*take)(struct session *s, struct str message);
    unsigned bit;        /* in sasl.mechanisms; of tokens: in fast.mechanisms */
    bool is_token;       /* by a token instead of the password */
    bool is_plain;       /* shows the password */
    bool is_plus;        /* SCRAM with channel binding */
    const char *binding; /* of tokens: the type of channel binding; NULL: none */
    enum scram_hash hash;
};

/* What a -PLUS mechanism takes as bindings, and in which order they are named. */
enum sasl_binding { SASL_TLS_EXPORTER, SASL_TLS_UNIQUE, SASL_TLS_SERVER_END_POINT, SASL_BINDINGS };

/* The connection's data for a type of binding (tls.h); false: it has none. */
bool sasl_get_binding(const struct session *s, const char *type, struct buf *data);
/* Finds out which bindings the connection has, into session.bindings: once for each header, before features. */
void sasl_note_bindings(struct session *s);

/* <mechanism/> for each that is offered; false: there is none, and nothing was written. `parent` and `ns`: the element
 * around them, which stays open. Remembers in the session whether a -PLUS was among them. */
bool sasl_write_mechanisms(struct session *s, struct xml_writer *w, const char *parent, const char *ns);
/* The same for tokens, without an element around. */
bool sasl_has_tokens(const struct session *s);
void sasl_write_tokens(const struct session *s, struct xml_writer *w);
/* XEP-0440 */
void sasl_write_bindings(const struct session *s, struct xml_writer *w);

/* The one that the client names. NULL: it was not offered, and *ret_failure says why. */
const struct sasl_mechanism *sasl_find_mechanism(const struct session *s, struct str name, bool is_token,
                                                 const char **ret_failure);
/* Tells the mechanisms apart where they are stored (user_agent.h): one bit of 32. See sasl_next_mechanism_name(). */
uint32_t sasl_mechanism_bit(const struct sasl_mechanism *m);

/* ---- what they do with a message: sasl_scram.c, sasl_plain.c, sasl_token.c ---- */
void sasl_take_scram(struct session *s, struct str message);
void sasl_take_plain(struct session *s, struct str message);
void sasl_take_token(struct session *s, struct str message);

#endif
