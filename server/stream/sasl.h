/* server/stream/sasl.h - logging in (RFC 6120 section 6): SCRAM with and without channel binding, and PLAIN.
 *
 * Here is the protocol; the exchange itself, which XEP-0388 (sasl2.h) shares, is in sasl_exchange.h, what is offered in
 * sasl_mechanisms.h. Credentials come from storage and passwords are hashed in the pool; the session is paused
 * meanwhile. All: [worker]. */
#ifndef LINNET_SERVER_STREAM_SASL_H
#define LINNET_SERVER_STREAM_SASL_H

#include "common/xmpp/xml_writer.h"
#include "server/stream/session.h"

/* <mechanisms/>, and the same for XEP-0388; with XEP-0440, the channel bindings that this connection can verify. */
void sasl_write_features(struct session *s, struct xml_writer *w);

/* <auth/>, <response/>, <abort/> */
void sasl_auth(struct session *s, const struct xml_element *e);
void sasl_response(struct session *s, const struct xml_element *e);
void sasl_abort(struct session *s);
/* Forgets an exchange; accepts NULL. */
void sasl_free(struct sasl **x);

/* The names of mechanisms that a client has used (user_agent.h), one at a time: *cursor starts at 0; NULL ends. [any]
 */
const char *sasl_next_mechanism_name(uint32_t bits, unsigned *cursor);

/* Forgets what was remembered of an account's password. */
void sasl_forget(struct worker *w, struct str bare_jid);

#endif
