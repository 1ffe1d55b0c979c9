#include "server/net/tls_records.h"

#include "common/mem.h"

enum { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_TEXT = 23 };
enum { MESSAGE_CLIENT_HELLO = 1, MESSAGE_KEY_UPDATE = 24, MESSAGE_HEADER_LEN = 4 };
enum { LEVEL_WARNING = 1, LEVEL_FATAL = 2 };
enum {
    ALERT_UNEXPECTED_MESSAGE = 10,
    ALERT_RECORD_OVERFLOW = 22,
    ALERT_ILLEGAL_PARAMETER = 47,
    ALERT_DECODE_ERROR = 50,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_USER_CANCELED = 90,
    ALERT_NO_RENEGOTIATION = 100,
};
enum {
    EXPLICIT_NONCE_LEN = 8, /* AES-GCM in TLS 1.2 */
    EXPANSION_1_3_MAX = 256,
    WITHOUT_TEXT_MAX = 32,
};

/* RFC 8446 section 5.5 lets AES-GCM protect 2^24.5 records of 2^14 bytes, which is for the sum of their blocks. Ours
 * are mostly small, so it is the blocks that are counted. */
static const uint64_t blocks_max = UINT64_C(1) << 34;

static const struct {
    uint8_t alert;
    const char *name;
} alert_names[] = {
    {TLS_ALERT_CLOSE_NOTIFY, "close_notify"},
    {ALERT_UNEXPECTED_MESSAGE, "unexpected_message"},
    {TLS_ALERT_BAD_RECORD_MAC, "bad_record_mac"},
    {ALERT_RECORD_OVERFLOW, "record_overflow"},
    {40, "handshake_failure"},
    {42, "bad_certificate"},
    {43, "unsupported_certificate"},
    {44, "certificate_revoked"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {ALERT_ILLEGAL_PARAMETER, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {ALERT_DECODE_ERROR, "decode_error"},
    {51, "decrypt_error"},
    {ALERT_PROTOCOL_VERSION, "protocol_version"},
    {TLS_ALERT_INTERNAL_ERROR, "internal_error"},
    {ALERT_USER_CANCELED, "user_canceled"},
    {ALERT_NO_RENEGOTIATION, "no_renegotiation"},
};

const char *tls_alert_name(uint8_t alert)
{
    for (size_t i = 0; i < ARRAY_LEN(alert_names); i++) {
        if (alert_names[i].alert == alert)
            return alert_names[i].name;
    }
    return "alert";
}

void tls_records_init(struct tls_records *r, const struct tls_suite *s, const struct tls_direction *read,
                      const struct tls_direction *write, size_t text_max)
{
    *r = (struct tls_records){.suite = s, .blocks_left = blocks_max};
    r->read = *read; /* not in the initializer: that may lie on the stack first, and stay there */
    r->write = *write;
    r->text_max = (uint16_t)(text_max < TLS_TEXT_MAX ? text_max : TLS_TEXT_MAX);
}

void tls_records_deinit(struct tls_records *r)
{
    mem_wipe(&r->read, sizeof(r->read));
    mem_wipe(&r->write, sizeof(r->write));
}

static size_t explicit_len(const struct tls_suite *s)
{
    return s->is_1_3 || s->aead != TLS_AES_GCM ? 0 : EXPLICIT_NONCE_LEN;
}

/* What a record is longer than its text, without header and padding. */
static size_t expansion(const struct tls_suite *s)
{
    return explicit_len(s) + (s->is_1_3 ? 1 : 0) + TLS_TAG_LEN;
}

static void put_number(uint8_t *to, uint64_t n, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
}

/* RFC 8446 section 5.3 and RFC 7905 section 2; RFC 5288 section 3 comes to the same, since the iv ends with zeros. */
static void make_nonce(uint8_t nonce[TLS_NONCE_LEN], const struct tls_key *k, const uint8_t explicit[8])
{
    memcpy(nonce, k->iv, TLS_NONCE_LEN);
    for (int i = 0; i < 8; i++)
        nonce[4 + i] ^= explicit[i];
}

/* What is authenticated and not encrypted. TLS 1.2: sequence, type, version, length of the text (RFC 5246 section
 * 6.2.3.3); TLS 1.3: the header as it is sent. */
static size_t make_associated(uint8_t out[13], const struct tls_suite *s, const uint8_t sequence[8],
                              const uint8_t *header, size_t text_len)
{
    if (s->is_1_3) {
        memcpy(out, header, TLS_RECORD_HEADER_LEN);
        return TLS_RECORD_HEADER_LEN;
    }
    memcpy(out, sequence, 8);
    memcpy(out + 8, header, 3);
    put_number(out + 11, text_len, 2);
    return 13;
}

/* ---- writing ---- */

static uint64_t blocks_of(size_t text_len)
{
    return text_len / 16 + 3; /* the rest, the lengths, the tag's mask */
}

/* At most TLS_TEXT_MAX bytes, which are copied once at most. */
static void seal(struct tls_records *r, struct tls_cipher *c, uint8_t type, struct str text, struct buf *out)
{
    bool is_1_3 = r->suite->is_1_3;
    size_t body_len = text.len + expansion(r->suite);
    uint8_t *header = (uint8_t *)buf_reserve(out, TLS_RECORD_HEADER_LEN + body_len);
    uint8_t *body = header + TLS_RECORD_HEADER_LEN, *sealed = body + explicit_len(r->suite);
    uint8_t sequence[8], nonce[TLS_NONCE_LEN], associated[13];
    size_t associated_len;

    put_number(sequence, r->write.sequence++, 8);
    header[0] = is_1_3 ? RECORD_TEXT : type;
    header[1] = header[2] = 3;
    put_number(header + 3, body_len, 2);
    memcpy(body, sequence, explicit_len(r->suite)); /* never the same twice, as the library did before */
    make_nonce(nonce, &r->write.key, sequence);
    associated_len = make_associated(associated, r->suite, sequence, header, text.len);
    if (is_1_3) {
        memcpy(sealed, text.p, text.len);
        sealed[text.len] = type;
        tls_cipher_seal(c, nonce, associated, associated_len, sealed, text.len + 1, sealed);
    } else {
        tls_cipher_seal(c, nonce, associated, associated_len, (const uint8_t *)text.p, text.len, sealed);
    }
    out->len += TLS_RECORD_HEADER_LEN + body_len;
    r->blocks_left -= blocks_of(text.len) < r->blocks_left ? blocks_of(text.len) : r->blocks_left;
}

/* RFC 8446 section 4.6.3: still under the old key. */
static void change_write_key(struct tls_records *r, struct tls_cipher *c, struct buf *out)
{
    static const char update_not_requested[] = {MESSAGE_KEY_UPDATE, 0, 0, 1, 0};

    seal(r, c, RECORD_HANDSHAKE, str_make(update_not_requested, sizeof(update_not_requested)), out);
    tls_key_update(r->suite, &r->write.key);
    r->write.sequence = 0;
    r->blocks_left = blocks_max;
    r->owes_key_update = false;
    tls_cipher_deinit(c);
    tls_cipher_init(c, r->suite, &r->write.key);
}

static size_t sealed_len(const struct tls_records *r, size_t text_len)
{
    size_t n_records = text_len / r->text_max + 1;

    return text_len + n_records * (TLS_RECORD_HEADER_LEN + expansion(r->suite));
}

enum ln_err tls_records_write(struct tls_records *r, struct str text, struct buf *out)
{
    enum ln_err err = LN_OK;
    struct tls_cipher c;

    if (text.len == 0)
        return LN_OK;
    tls_cipher_init(&c, r->suite, &r->write.key);
    (void)buf_reserve(out, sealed_len(r, text.len));
    if (r->owes_key_update)
        change_write_key(r, &c, out);
    while (text.len > 0 && err == LN_OK) {
        struct str part = str_make(text.p, text.len < r->text_max ? text.len : r->text_max);

        if (r->blocks_left < blocks_of(part.len) && r->suite->is_1_3)
            change_write_key(r, &c, out);
        if (r->blocks_left < blocks_of(part.len)) {
            err = LN_E_LIMIT;
        } else {
            seal(r, &c, RECORD_TEXT, part, out);
            text = str_make(text.p + part.len, text.len - part.len);
        }
    }
    tls_cipher_deinit(&c);
    return err;
}

static void send_alert(struct tls_records *r, uint8_t level, uint8_t alert, struct buf *out)
{
    const char bytes[2] = {(char)level, (char)alert};
    struct tls_cipher c;

    tls_cipher_init(&c, r->suite, &r->write.key);
    seal(r, &c, RECORD_ALERT, str_make(bytes, sizeof(bytes)), out);
    tls_cipher_deinit(&c);
}

void tls_records_alert(struct tls_records *r, uint8_t alert, struct buf *out)
{
    send_alert(r, alert == TLS_ALERT_CLOSE_NOTIFY ? LEVEL_WARNING : LEVEL_FATAL, alert, out);
}

/* ---- reading ---- */

/* One call of tls_records_read(). */
struct reading {
    struct tls_records *r;
    struct tls_cipher cipher;
    bool has_cipher; /* set up when the first record is there */
    struct buf *text, *out;
};

static enum tls_records_state fail(struct reading *g, uint8_t alert)
{
    g->r->alert = alert;
    tls_records_alert(g->r, alert, g->out);
    return TLS_RECORDS_FAILED;
}

static size_t body_len(const uint8_t *header)
{
    return (size_t)header[3] << 8 | header[4];
}

size_t tls_record_missing(struct str in)
{
    size_t whole = TLS_RECORD_HEADER_LEN;

    if (in.len >= TLS_RECORD_HEADER_LEN && body_len((const uint8_t *)in.p) <= TLS_TEXT_MAX + EXPANSION_1_3_MAX)
        whole += body_len((const uint8_t *)in.p);
    return in.len < whole ? whole - in.len : 0;
}

/* 0, or the alert. */
static uint8_t check_header(const struct tls_suite *s, const uint8_t *header)
{
    /* TLS 1.3: not even the alert in clear or the ChangeCipherSpec of a middlebox may come any more (RFC 8446 section
     * 5), and the version means nothing. */
    if (s->is_1_3 && header[0] != RECORD_TEXT)
        return ALERT_UNEXPECTED_MESSAGE;
    if (!s->is_1_3 && (header[1] != 3 || header[2] != 3))
        return ALERT_PROTOCOL_VERSION;
    if (body_len(header) > TLS_TEXT_MAX + (s->is_1_3 ? EXPANSION_1_3_MAX : expansion(s)))
        return ALERT_RECORD_OVERFLOW;
    if (body_len(header) < expansion(s))
        return TLS_ALERT_BAD_RECORD_MAC;
    return 0;
}

/* Decrypts to where the next text would go. */
static bool open_record(struct reading *g, const uint8_t *header, uint8_t **ret_content, size_t *ret_len)
{
    const struct tls_suite *s = g->r->suite;
    struct tls_direction *d = &g->r->read;
    const uint8_t *body = header + TLS_RECORD_HEADER_LEN;
    size_t len = body_len(header) - explicit_len(s) - TLS_TAG_LEN, associated_len;
    uint8_t sequence[8], nonce[TLS_NONCE_LEN], associated[13];

    put_number(sequence, d->sequence++, 8);
    make_nonce(nonce, &d->key, explicit_len(s) > 0 ? body : sequence);
    associated_len = make_associated(associated, s, sequence, header, len);
    if (!g->has_cipher)
        tls_cipher_init(&g->cipher, s, &d->key);
    g->has_cipher = true;
    *ret_content = (uint8_t *)buf_reserve(g->text, len);
    *ret_len = len;
    return tls_cipher_open(&g->cipher, nonce, associated, associated_len, body + explicit_len(s), len, *ret_content);
}

static enum tls_records_state on_text(struct reading *g, struct str content)
{
    g->text->len += content.len; /* it is in its place already */
    return TLS_RECORDS_OPEN;
}

static enum tls_records_state on_alert(struct reading *g, struct str content)
{
    uint8_t level, alert;

    if (content.len != 2)
        return fail(g, ALERT_DECODE_ERROR);
    level = (uint8_t)content.p[0];
    alert = (uint8_t)content.p[1];
    if (alert == TLS_ALERT_CLOSE_NOTIFY)
        return TLS_RECORDS_CLOSED;
    /* RFC 8446 section 6: the level means nothing any more, and all but these two end the connection. */
    if (g->r->suite->is_1_3 ? alert == ALERT_USER_CANCELED : level == LEVEL_WARNING)
        return TLS_RECORDS_OPEN;
    g->r->alert = alert;
    g->r->is_peers_alert = true;
    return TLS_RECORDS_FAILED;
}

/* TLS 1.2. RFC 5246 section 7.2.2 lets a client live without the renegotiation it asked for. */
static enum tls_records_state on_renegotiation(struct reading *g, struct str content)
{
    const uint8_t *p = (const uint8_t *)content.p;
    bool is_hello = content.len >= MESSAGE_HEADER_LEN && p[0] == MESSAGE_CLIENT_HELLO &&
                    ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]) == content.len - MESSAGE_HEADER_LEN;

    if (!is_hello || g->r->has_refused)
        return fail(g, ALERT_UNEXPECTED_MESSAGE);
    g->r->has_refused = true;
    send_alert(g->r, LEVEL_WARNING, ALERT_NO_RENEGOTIATION, g->out);
    return TLS_RECORDS_OPEN;
}

/* TLS 1.3. The only message that a client may send now; it ends its record, since the next one has another key. */
static enum tls_records_state on_key_update(struct reading *g, struct str content)
{
    struct tls_records *r = g->r;

    if (r->key_update_len + content.len > sizeof(r->key_update))
        return fail(g, ALERT_UNEXPECTED_MESSAGE);
    memcpy(r->key_update + r->key_update_len, content.p, content.len);
    r->key_update_len = (uint8_t)(r->key_update_len + content.len);
    if (r->key_update[0] != MESSAGE_KEY_UPDATE)
        return fail(g, ALERT_UNEXPECTED_MESSAGE);
    if (r->key_update_len < sizeof(r->key_update))
        return TLS_RECORDS_OPEN;
    r->key_update_len = 0;
    if (r->key_update[1] != 0 || r->key_update[2] != 0 || r->key_update[3] != 1)
        return fail(g, ALERT_DECODE_ERROR);
    if (r->key_update[4] > 1)
        return fail(g, ALERT_ILLEGAL_PARAMETER);
    r->owes_key_update |= r->key_update[4] == 1; /* one answer does for many */
    tls_key_update(r->suite, &r->read.key);
    r->read.sequence = 0;
    tls_cipher_deinit(&g->cipher);
    g->has_cipher = false;
    return TLS_RECORDS_OPEN;
}

static enum tls_records_state take_content(struct reading *g, uint8_t type, struct str content)
{
    bool is_1_3 = g->r->suite->is_1_3;

    if (content.len == 0 && type != RECORD_TEXT) /* RFC 5246 section 6.2.1, RFC 8446 section 5.4 */
        return fail(g, ALERT_UNEXPECTED_MESSAGE);
    if (g->r->key_update_len > 0 && type != RECORD_HANDSHAKE) /* RFC 8446 section 5.1: messages are not interleaved */
        return fail(g, ALERT_UNEXPECTED_MESSAGE);
    switch (type) {
    case RECORD_TEXT:
        return on_text(g, content);
    case RECORD_ALERT:
        return on_alert(g, content);
    case RECORD_HANDSHAKE:
        return is_1_3 ? on_key_update(g, content) : on_renegotiation(g, content);
    default:
        return fail(g, ALERT_UNEXPECTED_MESSAGE);
    }
}

static enum tls_records_state read_one(struct reading *g, const uint8_t *header)
{
    uint8_t alert = check_header(g->r->suite, header), type = header[0];
    uint8_t *content;
    size_t len;

    if (alert != 0)
        return fail(g, alert);
    if (!open_record(g, header, &content, &len))
        return fail(g, TLS_ALERT_BAD_RECORD_MAC);
    if (g->r->suite->is_1_3) {
        if (len > TLS_TEXT_MAX + 1)
            return fail(g, ALERT_RECORD_OVERFLOW);
        while (len > 0 && content[len - 1] == 0) /* padding */
            len--;
        if (len == 0)
            return fail(g, ALERT_UNEXPECTED_MESSAGE);
        type = content[--len];
    }
    return take_content(g, type, str_make((const char *)content, len));
}

enum tls_records_state tls_records_read(struct tls_records *r, struct str *in, size_t max, struct buf *text,
                                        struct buf *out)
{
    struct reading g = {.r = r, .text = text, .out = out};
    enum tls_records_state state = TLS_RECORDS_OPEN;
    size_t end = text->len + max;

    while (state == TLS_RECORDS_OPEN && text->len < end && tls_record_missing(*in) == 0) {
        const uint8_t *header = (const uint8_t *)in->p;
        size_t before = text->len;

        state = read_one(&g, header);
        if (state == TLS_RECORDS_FAILED)
            break;
        r->without_text = text->len > before ? 0 : (uint8_t)(r->without_text + 1);
        if (r->without_text > WITHOUT_TEXT_MAX && state == TLS_RECORDS_OPEN)
            state = fail(&g, ALERT_UNEXPECTED_MESSAGE);
        *in = str_make(in->p + TLS_RECORD_HEADER_LEN + body_len(header),
                       in->len - TLS_RECORD_HEADER_LEN - body_len(header));
    }
    if (g.has_cipher)
        tls_cipher_deinit(&g.cipher);
    return state;
}
