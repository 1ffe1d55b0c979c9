/* server/stream/user_agent.h - a client installation that logs in to an account (XEP-0388 section 2.3), as it is kept.
 *
 * A document (bare JID, CREDENTIALS_COLLECTION, USER_AGENT_KEY and the id in hexadecimal): who it says it is, when it
 * was seen, how it logged in, and the tokens that it may log in with next time (fast.h). The id is the client's own
 * secret, or nearly so: others are shown user_agent_name() instead. Pure. */
#ifndef LINNET_SERVER_STREAM_USER_AGENT_H
#define LINNET_SERVER_STREAM_USER_AGENT_H

#include "common/buf.h"
#include "common/err.h"
#include "server/stream/fast.h"

#define USER_AGENT_KEY "client:"

enum {
    USER_AGENT_ID_BYTES = 16,
    USER_AGENT_TEXT_MAX = 100, /* bytes of what it says of itself; the rest is cut off */
    USER_AGENT_NAME_LEN = 16,
    USER_AGENT_KEY_LEN = sizeof(USER_AGENT_KEY) - 1 + 2 * USER_AGENT_ID_BYTES,
};

struct user_agent {
    uint8_t id[USER_AGENT_ID_BYTES];
    int64_t first_seen_ms; /* wall clock */
    int64_t last_seen_ms;  /* its last login */
    int64_t password_ms;   /* its last login with the password; 0: never */
    uint32_t mechanisms;   /* that it has used: bits of sasl_mechanism_bit() */
    struct fast_tokens tokens;
    uint8_t software_len, device_len;
    char software[USER_AGENT_TEXT_MAX], device[USER_AGENT_TEXT_MAX];
};

/* [any] A UUID in text, any version: what the client calls itself. False: not one, or the nil UUID, which is nobody's.
 */
bool user_agent_parse_id(struct str text, uint8_t ret[USER_AGENT_ID_BYTES]);
/* [any] The key of its document; borrowed from `out`. */
struct str user_agent_key(const uint8_t id[USER_AGENT_ID_BYTES], char out[USER_AGENT_KEY_LEN]);
/* [any] What others may know it by: always the same for this client of this account, and telling nothing of the id.
 * Borrowed from `out`. */
struct str user_agent_name(const uint8_t secret[32], struct str bare_jid, const uint8_t id[USER_AGENT_ID_BYTES],
                           char out[USER_AGENT_NAME_LEN]);
/* [any] What it says of itself now, cut to what is kept. */
void user_agent_describe(struct user_agent *ua, struct str software, struct str device);
static inline struct str user_agent_software(const struct user_agent *ua)
{
    return str_make(ua->software, ua->software_len);
}
static inline struct str user_agent_device(const struct user_agent *ua)
{
    return str_make(ua->device, ua->device_len);
}

/* [any] The document; its key is not in it. */
void user_agent_encode(struct buf *out, const struct user_agent *ua);
/* [any] The same by its id. */
enum ln_err user_agent_read(const uint8_t id[USER_AGENT_ID_BYTES], struct str bytes, int64_t password_changed_ms,
                            struct user_agent *ret);
/* [any] `key` and `bytes` of a document. Tokens from before `password_changed_ms` are left out. LN_E_INVALID: not the
 * key of a client; LN_E_CORRUPT. *ret is of no use then. */
enum ln_err user_agent_decode(struct str key, struct str bytes, int64_t password_changed_ms, struct user_agent *ret);

#endif
