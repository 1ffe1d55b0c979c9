/* server/stream/features.h - what a stream offers: <stream:features/> (RFC 6120 section 4.3.2). */
#ifndef LINNET_SERVER_STREAM_FEATURES_H
#define LINNET_SERVER_STREAM_FEATURES_H

#include "server/stream/session.h"

/* [worker] Writes the features for where the stream is; remembers in the session what was offered. */
void features_write(struct session *s);

#endif
