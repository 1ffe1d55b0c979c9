/* server/stream/stream_internal.h - what the files of the stream share: stream.c is the table of what may come in which
 * state, stream_header.c how a stream is opened and closed, stream_life.c its connection: accepted, secured, moved
 * home, lost, taken over by another session. Private to them. All: [worker]. */
#ifndef LINNET_SERVER_STREAM_STREAM_INTERNAL_H
#define LINNET_SERVER_STREAM_STREAM_INTERNAL_H

#include "server/stream/stream.h"

/* ---- stream.c ---- */

/* What came, event by event, through the table; for struct conn_events. */
void stream_on_input(struct conn *c, struct str *in);

/* ---- stream_header.c ---- */

/* Checks a stream header and sets the host (the first one does). STREAM_OK, or what is wrong with it, in *ret_text for
 * people. */
enum stream_err stream_check_header(struct session *s, const struct xml_element *e, struct str default_ns,
                                    const char **ret_text);
void stream_write_header(struct session *s, struct str from, struct str to);

/* ---- stream_life.c ---- */

/* A new header has to come (RFC 6120 section 4.3.3). */
void stream_restart(struct session *s);
/* Whoever would wait for long is told so before it begins. */
bool stream_has_room_for_handshake(const struct session *s);

#endif
