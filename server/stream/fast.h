/* server/stream/fast.h - tokens instead of passwords (XEP-0484, and the HT mechanisms of draft-schmaus-kitten-sasl-ht).
 *
 * A client that has logged in may have a token for the next time. It proves that it has it by
 * HMAC-SHA-256(token, "Initiator" || channel binding), in one message, and the server proves the same with "Responder".
 * The keys of HMAC are hashed when they are longer than a block of 64 bytes, so a token is made longer than that, and
 * SHA-256(token) is all that is needed to check a proof: that is what is stored. The token itself is known to the
 * client only. (Whoever reads the database can make proofs from the hash, though not the token that the client has:
 * these mechanisms are made so. What he cannot do is log in where the channel is bound to another certificate.)
 *
 * Each client has two: `current`, and `fresh` once a new one was handed out. The current one counts until the fresh one
 * was used, so that nothing is lost when the connection is cut while the answer is on its way (section 3.5). Pure, but
 * for random bytes. */
#ifndef LINNET_SERVER_STREAM_FAST_H
#define LINNET_SERVER_STREAM_FAST_H

#include "common/buf.h"

enum { FAST_KEY_BYTES = 32, FAST_PROOF_BYTES = 32 };

struct fast_token {
    uint8_t key[FAST_KEY_BYTES]; /* SHA-256 of the token */
    int64_t issued_ms;           /* wall clock; 0: there is none */
    int64_t expires_ms;
    uint64_t count;    /* the highest that came with it (section 3.4) */
    uint8_t mechanism; /* enum config_fast_mechanism: the only one that it may be used with */
};

struct fast_tokens {
    struct fast_token current, fresh;
};

/* What came of a proof. */
enum fast_verdict {
    FAST_WRONG,    /* no token of this client makes it */
    FAST_EXPIRED,  /* one did */
    FAST_REPLAYED, /* the count has been seen */
    FAST_RIGHT,
};

/* [any] HMAC-SHA-256(key, who || binding) */
void fast_prove(const uint8_t key[FAST_KEY_BYTES], const char *who, struct str binding, uint8_t ret[FAST_PROOF_BYTES]);
/* [any] Which token makes this proof? Its key is written to `ret_key` unless FAST_WRONG. `count`: 0 when none came.
 * Takes as long when there is none as when there is one. */
enum fast_verdict fast_check(const struct fast_tokens *t, unsigned mechanism, struct str proof, struct str binding,
                             uint64_t count, int64_t now_ms, uint8_t ret_key[FAST_KEY_BYTES]);

/* [any] The token with this key is used: what came before it is dropped, `count` remembered. FAST_RIGHT, or what has
 * become of it since fast_check(). */
enum fast_verdict fast_use(struct fast_tokens *t, const uint8_t key[FAST_KEY_BYTES], uint64_t count, int64_t now_ms);
/* [any] Has the one in use been in use for so long that another should follow? */
bool fast_is_due(const struct fast_tokens *t, int64_t now_ms, uint64_t rotate_s);
/* [any] A new one, appended to `out` as the client is given it; a fresh one that was never used is dropped. */
void fast_issue(struct fast_tokens *t, unsigned mechanism, int64_t now_ms, uint64_t lifetime_s, struct buf *out);
/* [any] */
void fast_drop(struct fast_tokens *t);
/* [any] Is there one that counts? */
bool fast_has_any(const struct fast_tokens *t, int64_t now_ms);

static inline bool fast_token_exists(const struct fast_token *t)
{
    return t->issued_ms > 0;
}

#endif
