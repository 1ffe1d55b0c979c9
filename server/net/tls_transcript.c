#include "server/net/tls_transcript.h"

#include <assert.h>

enum { RECORD_CHANGE_CIPHER_SPEC = 20, RECORD_HANDSHAKE = 22 };
enum { MESSAGE_SERVER_HELLO = 2, MESSAGE_HEADER_LEN = 4 };
enum { EXTENSION_EXTENDED_MASTER_SECRET = 23, EXTENSION_PRE_SHARED_KEY = 41, EXTENSION_SUPPORTED_VERSIONS = 43 };

static void start_hash(mbedtls_md_context_t *md, mbedtls_md_type_t type)
{
    int ret;

    mbedtls_md_init(md);
    ret = mbedtls_md_setup(md, mbedtls_md_info_from_type(type), 0);
    assert(ret == 0); /* fails without memory or with a library that was built without SHA-2 */
    ret = mbedtls_md_starts(md);
    assert(ret == 0);
}

void tls_transcript_init(struct tls_transcript *t)
{
    memset(t, 0, sizeof(*t));
    start_hash(&t->sha256, MBEDTLS_MD_SHA256);
    start_hash(&t->sha384, MBEDTLS_MD_SHA384);
}

void tls_transcript_deinit(struct tls_transcript *t)
{
    mbedtls_md_free(&t->sha256);
    mbedtls_md_free(&t->sha384);
}

/* Cuts `n` bytes off the front, which must be there. */
static struct str cut(struct str *s, size_t n)
{
    struct str front = str_make(s->p, n);

    *s = str_make(s->p + n, s->len - n);
    return front;
}

static bool skip(struct str *s, size_t n)
{
    if (s->len < n)
        return false;
    (void)cut(s, n);
    return true;
}

static bool take_number(struct str *s, size_t bytes, size_t *ret)
{
    if (s->len < bytes)
        return false;
    *ret = 0;
    for (size_t i = 0; i < bytes; i++)
        *ret = *ret << 8 | (uint8_t)s->p[i];
    return skip(s, bytes);
}

/* RFC 5246 section 7.4.1.3, RFC 8446 section 4.1.3. The server is ours, so a shape that is not understood only means
 * that the extensions count as absent. */
static void read_server_hello(struct tls_transcript *t, struct str message)
{
    size_t session_id_len, type, len;

    if (!skip(&message, MESSAGE_HEADER_LEN + 2 + 32) || !take_number(&message, 1, &session_id_len) ||
        !skip(&message, session_id_len + 2 + 1) || !take_number(&message, 2, &len) || len != message.len)
        return;
    while (take_number(&message, 2, &type) && take_number(&message, 2, &len) && skip(&message, len)) {
        t->has_extended_master_secret |= type == EXTENSION_EXTENDED_MASTER_SECRET;
        t->is_1_3 |= type == EXTENSION_SUPPORTED_VERSIONS;
        t->is_resumed |= type == EXTENSION_PRE_SHARED_KEY;
    }
}

static void add_handshake_bytes(struct tls_transcript *t, enum tls_side side, struct str bytes, bool at_start)
{
    if (t->has_ended)
        return;
    if (side == TLS_FROM_SERVER && at_start && bytes.p[0] == MESSAGE_SERVER_HELLO) {
        t->has_server_hello = true;
        read_server_hello(t, bytes);
    }
    if (t->is_1_3) /* its bindings are not made of this hash */
        return;
    (void)mbedtls_md_update(&t->sha256, (const unsigned char *)bytes.p, bytes.len);
    (void)mbedtls_md_update(&t->sha384, (const unsigned char *)bytes.p, bytes.len);
}

static void count_record(struct tls_transcript *t, enum tls_side side, const uint8_t *header)
{
    /* In TLS 1.3 the client's Finished is the last thing that is read: its side has sent nothing under the final keys,
     * and ours what comes after, which are tickets. */
    if (t->is_1_3 && side == TLS_FROM_CLIENT)
        t->protected[TLS_FROM_SERVER] = 0;
    else if (t->is_1_3 || t->is_protected[side])
        t->protected[side]++;
    else if (header[0] == RECORD_CHANGE_CIPHER_SPEC)
        t->is_protected[side] = true;
}

bool tls_transcript_sequence(const struct tls_transcript *t, enum tls_side side, uint64_t *ret_sequence)
{
    *ret_sequence = t->is_1_3 && side == TLS_FROM_CLIENT ? 0 : t->protected[side];
    return t->cursors[side].header_len == 0 && t->cursors[side].body_left == 0;
}

static void on_record_header(struct tls_transcript *t, enum tls_side side, const uint8_t *header)
{
    count_record(t, side, header);
    /* In TLS 1.3 the message is a decoration for middleboxes, and may come before a second ServerHello or even before
     * the first. */
    if (header[0] != RECORD_CHANGE_CIPHER_SPEC || t->is_1_3 || !t->has_server_hello || t->has_ended)
        return;
    t->has_ended = true;
    t->is_resumed = side == TLS_FROM_SERVER; /* RFC 5246 section 7.3: an abbreviated handshake */
}

static size_t body_len(const struct tls_record_cursor *c)
{
    return (size_t)c->header[3] << 8 | c->header[4];
}

void tls_transcript_add(struct tls_transcript *t, enum tls_side side, struct str bytes)
{
    struct tls_record_cursor *c = &t->cursors[side];
    struct str part;

    while (bytes.len > 0) {
        if (c->body_left == 0) {
            c->header[c->header_len++] = (uint8_t)cut(&bytes, 1).p[0];
            if (c->header_len < sizeof(c->header))
                continue;
            c->header_len = 0;
            c->body_left = body_len(c);
            on_record_header(t, side, c->header);
            continue;
        }
        part = cut(&bytes, bytes.len < c->body_left ? bytes.len : c->body_left);
        if (c->header[0] == RECORD_HANDSHAKE)
            add_handshake_bytes(t, side, part, c->body_left == body_len(c));
        c->body_left -= part.len;
    }
}
