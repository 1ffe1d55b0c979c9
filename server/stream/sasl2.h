/* server/stream/sasl2.h - logging in by XEP-0388 (Extensible SASL Profile 1.0.2).
 *
 * The exchange is that of RFC 6120 (sasl_exchange.h) in other clothes; but <authenticate/> also says what client it is,
 * and may ask for more to be done at once: a token, resumption, binding. When the client is known the session goes to
 * its account's home, and there `stream_upper->on_authenticated` carries that out; then comes <success/> with the
 * results, and features, without a new stream. Offered inside TLS only. No tasks are asked for, so there is no
 * <continue/>. All: [worker]. */
#ifndef LINNET_SERVER_STREAM_SASL2_H
#define LINNET_SERVER_STREAM_SASL2_H

#include "common/xmpp/xml_writer.h"
#include "server/stream/fast.h"
#include "server/stream/session.h"
#include "server/stream/user_agent.h"

/* What came with <authenticate/>: kept until it is answered. */
struct sasl2_request {
    struct stanza *st;                      /* holds the memory of */
    const struct xml_element *authenticate; /* the element */
    const struct xml_element *user_agent;   /* in it; NULL: none */
    bool has_user_agent;                    /* it has an id: */
    uint8_t user_agent_id[USER_AGENT_ID_BYTES];
    uint32_t mechanism; /* sasl_mechanism_bit() of the one in use */
    /* XEP-0484 */
    bool wants_token;         /* <request-token/>, for: */
    uint8_t wanted_mechanism; /* enum config_fast_mechanism */
    bool used_token;          /* it was a token that let it in: */
    uint8_t token_key[FAST_KEY_BYTES];
    uint64_t count;         /* that came with it; 0: none */
    bool invalidates_token; /* it is to be forgotten now */
};
void sasl2_request_free(struct sasl2_request **r);

/* ---- for stream/ ---- */

/* <authentication/>, where it is offered; behind sasl_write_mechanisms(). */
void sasl2_write_features(struct session *s, struct xml_writer *w);
/* <authenticate/>, whose memory it takes; <response/>, <abort/>. */
void sasl2_authenticate(struct session *s, struct stanza *own_st);
void sasl2_response(struct session *s, const struct xml_element *e);
void sasl2_abort(struct session *s);

/* ---- for who carries out the rest ---- */

/* XEP-0484: <fast/>, inside <inline/>. From now on tokens are taken on this connection. Nothing is written where there
 * is no mechanism for them. */
void sasl2_write_fast(struct session *s, struct xml_writer *w);
/* The request of a session that has been authenticated and not been answered. */
const struct sasl2_request *sasl2_peek_request(const struct session *s);
/* Appends <success/> with this identity, a bare or full JID, and what was done inline: well-formed XML. */
void sasl2_append_success(const struct session *s, struct str identity, struct str inline_xml, struct buf *out);
/* Answers with it, and with the features of the stream as it is now: bound or not. */
void sasl2_succeed(struct session *s, struct str inline_xml);
/* Answers with a failure after all, and ends the stream: the session is not that of somebody unknown any more, for whom
 * another mechanism could be tried. */
void sasl2_refuse(struct session *s, const char *condition);

#endif
