/* server/stream/stream.h - the XML stream of a client: header, features, TLS, SASL, and then stanzas (RFC 6120 section
 * 4).
 *
 * A table says what may come in which state; whatever has no row is refused in one place. What lies above - binding,
 * stanzas, what modules add - is reached through `struct stream_upper`, which im/ fills in at start, so that nothing
 * here names it. */
#ifndef LINNET_SERVER_STREAM_STREAM_H
#define LINNET_SERVER_STREAM_STREAM_H

#include "common/xmpp/xml_writer.h"
#include "server/stream/session.h"

struct stream_upper {
    /* Write features into <stream:features/>. */
    void (*write_features)(struct session *s, struct xml_writer *w);
    /* A stanza from a bound session, or a request to bind. Takes it. */
    void (*on_stanza)(struct session *s, struct stanza *own_st);
    /* An iq before SASL: in-band registration, perhaps. False: nobody takes it, and it was not taken. */
    bool (*on_early_iq)(struct session *s, struct stanza *st);
    /* A first-level element that is no stanza. False: nobody knows it. */
    bool (*on_element)(struct session *s, const struct xml_element *e);
    /* `st` is about to be sent to a client that is inactive. True: it was held back, or is not worth sending. NULL: it
     * is none that could be held back; what was goes out in front of it. */
    bool (*on_sending)(struct session *s, const struct stanza *st, struct str to);
    /* Writes what may be asked for with XEP-0388's <authenticate/>. False: it is not to be offered at all. */
    bool (*write_inline_features)(struct session *s, struct xml_writer *w);
    /* A client was authenticated by XEP-0388, and its session is at home: what it asked for is to be carried out, and
     * sasl2_succeed() or sasl2_refuse() to be called. The session is paused meanwhile. It may have ended on the way. */
    void (*on_authenticated)(struct session *s);
    /* `xml` is a stanza for a client that counts; `is_queued`: the connection is there and takes it. False: it will not
     * get it. */
    bool (*on_sent)(struct session *s, struct str xml, bool is_queued);
    /* The connection of a bound session is of no more use. True: the session goes on without. */
    bool (*on_lost)(struct session *s);
    /* The session is about to end; everything that depends on it ends now. `is_clean`: the client closed its stream
     * properly. */
    void (*on_closing)(struct session *s, bool is_clean);
};

/* [start] */
void stream_set_upper(const struct stream_upper *upper);
extern const struct stream_upper *stream_upper;

/* [worker] A connection was accepted: a session begins. */
void stream_accept(struct worker *w, struct conn *own_conn);
/* [worker] SASL succeeded for `username` (prepared), and that was said: the restart, and the move home. */
void stream_authenticated(struct session *s, struct str username);
/* [worker] The same under XEP-0388, where it was not said yet: the move home, and there `on_authenticated`. */
void stream_authenticated_inline(struct session *s, struct str username);
/* [worker] The resource is bound; from now on stanzas flow. */
void stream_bound(struct session *s);
/* [worker] Closes the connection of a bound session without a word, which stays; after `timeout_ms` it ends. */
void stream_detach(struct session *s, uint64_t timeout_ms);
/* [worker] `own_from`, which is not bound, ends; `s`, which has no connection, takes its connection over and continues
 * its stream. */
void stream_take_over(struct session *s, struct session *own_from);
/* [worker] A bound session without a connection, as stream_detach() leaves one; without names. */
struct session *stream_restore(struct worker *w);
/* [worker] Limits of a new configuration take effect with the next stanza. */
void stream_apply_config(struct session *s);

/* [worker] For session_close(): header if there was none, error, closing tag. The connection is there and can be read.
 */
void stream_write_end(struct session *s, enum stream_err err, const char *text, struct str app_condition);

#endif
