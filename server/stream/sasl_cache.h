/* server/stream/sasl_cache.h - passwords that were found right, so that the next PLAIN login costs no PBKDF2.
 *
 * Kept is a keyed hash (HMAC-SHA-256 under a key of this process and worker), tied to the stored key that it was
 * checked against: a changed password makes it worthless, and sasl_forget() removes it. Bounded: the oldest entry makes
 * room. [worker] */
#ifndef LINNET_SERVER_STREAM_SASL_CACHE_H
#define LINNET_SERVER_STREAM_SASL_CACHE_H

#include "common/xmpp/scram.h"

struct sasl_cache;

struct sasl_cache *sasl_cache_new(void);
void sasl_cache_free(struct sasl_cache **c);
/* Was this password found right for these keys? */
bool sasl_cache_knows(struct sasl_cache *c, struct str bare_jid, const struct scram_keys *keys, struct str password);
/* At most `max` entries are kept, the youngest; 0: none. */
void sasl_cache_add(struct sasl_cache *c, struct str bare_jid, const struct scram_keys *keys, struct str password,
                    size_t max);
void sasl_cache_forget(struct sasl_cache *c, struct str bare_jid);

#endif
