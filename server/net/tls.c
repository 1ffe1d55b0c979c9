#include "server/net/tls.h"

#include "common/mem.h"
#include "server/net/tls_internal.h"

#include <assert.h>

enum {
    HANDSHAKE_INPUT_MAX = 64 * 1024, /* in all: the messages of a client that shows no certificate need 2 KiB */
    UNREAD_MAX = 128 * 1024,         /* later: one reading of the socket behind one that was not read to its end */
    READ_AT_ONCE = 16 * 1024,        /* a record's plain text */
};

static _Thread_local struct tls *current;

struct tls *tls_current(void)
{
    return current;
}

static size_t kept_len(const struct tls *t)
{
    return t->kept.len - t->kept_pos;
}

/* The next bytes that were fed: what was kept is older than what is borrowed. */
static struct str take_input(struct tls *t, size_t max)
{
    struct str ret = t->borrowed;

    if (kept_len(t) > 0) {
        ret = str_make(t->kept.p + t->kept_pos, kept_len(t) < max ? kept_len(t) : max);
        t->kept_pos += ret.len;
    } else {
        ret.len = ret.len < max ? ret.len : max;
        t->borrowed = str_make(t->borrowed.p + ret.len, t->borrowed.len - ret.len);
    }
    return ret;
}

static int on_receive(void *arg, unsigned char *to, size_t len)
{
    struct tls *t = arg;
    struct str bytes = take_input(t, len);

    if (bytes.len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(to, bytes.p, bytes.len);
    if (t->handshake != NULL)
        tls_transcript_add(&t->handshake->transcript, TLS_FROM_CLIENT, bytes);
    return (int)bytes.len;
}

static int on_send(void *arg, const unsigned char *bytes, size_t len)
{
    struct tls *t = arg;

    buf_append(&t->out, bytes, len);
    if (t->handshake != NULL)
        tls_transcript_add(&t->handshake->transcript, TLS_FROM_SERVER, str_make((const char *)bytes, len));
    return (int)len;
}

static const struct tls_entry *choose_entry(const struct tls_context *ctx, struct str host)
{
    for (size_t i = 0; i < ctx->n_entries; i++) {
        if (str_eq(str_of(ctx->entries[i].domain), host))
            return &ctx->entries[i];
    }
    return &ctx->entries[0];
}

struct tls *tls_new(struct tls_context *ctx, bool is_direct, struct str host)
{
    struct tls *t = mem_zalloc(sizeof(*t));
    int ret;

    t->ctx = tls_context_ref(ctx);
    t->entry = choose_entry(ctx, host);
    t->state = TLS_WANTS_INPUT;
    t->handshake = mem_zalloc(sizeof(*t->handshake));
    tls_transcript_init(&t->handshake->transcript);
    mbedtls_ssl_init(&t->ssl);
    ret = mbedtls_ssl_setup(&t->ssl, is_direct ? &t->entry->direct : &t->entry->starttls);
    assert(ret == 0); /* fails without memory only: the configuration was accepted when it was made */
    mbedtls_ssl_set_bio(&t->ssl, t, on_send, on_receive, NULL);
    compat_ssl_export_secret(&t->ssl);
    return t;
}

static void end_handshake(struct tls *t)
{
    if (t->handshake == NULL)
        return;
    tls_transcript_deinit(&t->handshake->transcript);
    mem_wipe(t->handshake, sizeof(*t->handshake));
    free(t->handshake);
    t->handshake = NULL;
}

void tls_free(struct tls **t)
{
    struct tls *mine = *t;

    *t = NULL;
    if (mine == NULL)
        return;
    mbedtls_ssl_free(&mine->ssl);
    end_handshake(mine);
    buf_deinit(&mine->kept);
    buf_deinit(&mine->out);
    tls_context_unref(&mine->ctx);
    free(mine->sni);
    free(mine->error);
    mem_wipe(&mine->bindings, sizeof(mine->bindings));
    free(mine);
}

/* Copies what the library has not asked for yet: the caller's bytes are not ours after this call. */
static void keep_borrowed(struct tls *t)
{
    if (kept_len(t) == 0)
        buf_deinit(&t->kept); /* an idle connection keeps no memory for input */
    else
        buf_consume(&t->kept, t->kept_pos);
    t->kept_pos = 0;
    if (t->borrowed.len > 0)
        buf_append_str(&t->kept, t->borrowed);
    t->borrowed = STR("");
}

enum ln_err tls_feed(struct tls *t, struct str ciphertext)
{
    bool in_handshake = t->state == TLS_WANTS_INPUT;
    size_t total = (in_handshake ? t->handshake_bytes : kept_len(t) + t->borrowed.len) + ciphertext.len;

    if (total > (in_handshake ? HANDSHAKE_INPUT_MAX : UNREAD_MAX))
        return LN_E_LIMIT;
    if (t->borrowed.len > 0)
        keep_borrowed(t);
    t->borrowed = ciphertext;
    if (in_handshake) {
        t->handshake_bytes = total;
        keep_borrowed(t);
    }
    return LN_OK;
}

static enum tls_state fail(struct tls *t, const char *what, int ret)
{
    t->state = TLS_FAILED;
    t->error = mem_alloc(TLS_MESSAGE_MAX);
    tls_format_error(t->error, TLS_MESSAGE_MAX, what, ret);
    end_handshake(t);
    return t->state;
}

static unsigned char alert_for(int ret)
{
    static const struct {
        int ret;
        unsigned char alert;
    } alerts[] = {
        {MBEDTLS_ERR_SSL_INVALID_RECORD, MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR},
        {MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE},
        {MBEDTLS_ERR_SSL_INTERNAL_ERROR, MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR},
    };

    for (size_t i = 0; i < ARRAY_LEN(alerts); i++) {
        if (alerts[i].ret == ret)
            return alerts[i].alert;
    }
    return MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE;
}

static enum tls_state fail_handshake(struct tls *t, int ret, bool has_sent)
{
    /* The library sends an alert for most of what can go wrong, and nothing for the rest. */
    if (!has_sent && ret != MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE && ret != MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
        (void)mbedtls_ssl_send_alert_message(&t->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert_for(ret));
    return fail(t, "handshake", ret);
}

enum tls_state tls_handshake(struct tls *t)
{
    size_t sent_before = t->out.len;
    int ret;

    assert(t->state == TLS_WANTS_INPUT);
    current = t;
    ret = mbedtls_ssl_handshake(&t->ssl);
    current = NULL;
    if (ret == MBEDTLS_ERR_SSL_WANT_READ)
        return t->state;
    if (ret != 0)
        return fail_handshake(t, ret, t->out.len > sent_before);
    t->is_resumed = t->handshake->transcript.is_resumed;
    /* A name that came after the ticket asked for another certificate than the session was made with. */
    if (t->is_resumed && t->handshake->resumed != t->entry)
        return fail_handshake(t, MBEDTLS_ERR_SSL_BAD_INPUT_DATA, false);
    tls_bindings_make(t);
    end_handshake(t);
    t->state = TLS_READY;
    return t->state;
}

static enum tls_state on_read_result(struct tls *t, int ret)
{
    if (ret == MBEDTLS_ERR_SSL_WANT_READ)
        return t->state;
    if (ret == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
        t->state = TLS_CLOSED;
        return t->state;
    }
    return fail(t, "reading", ret);
}

enum tls_state tls_read(struct tls *t, struct buf *out, size_t max)
{
    while (t->state == TLS_READY && max > 0) {
        size_t want = max < READ_AT_ONCE ? max : READ_AT_ONCE;
        int ret = mbedtls_ssl_read(&t->ssl, (unsigned char *)buf_reserve(out, want), want);

        if (ret <= 0) {
            (void)on_read_result(t, ret);
            break;
        }
        out->len += (size_t)ret;
        max -= (size_t)ret;
    }
    keep_borrowed(t);
    return t->state;
}

bool tls_has_pending(const struct tls *t)
{
    return t->state == TLS_READY && (kept_len(t) > 0 || t->borrowed.len > 0 || mbedtls_ssl_check_pending(&t->ssl) != 0);
}

enum ln_err tls_write(struct tls *t, struct str plain)
{
    if ((t->state != TLS_READY && t->state != TLS_CLOSED) || t->has_sent_close)
        return LN_E_CLOSED;
    while (plain.len > 0) {
        int ret = mbedtls_ssl_write(&t->ssl, (const unsigned char *)plain.p, plain.len);

        if (ret <= 0) {
            (void)fail(t, "writing", ret);
            return LN_E_TLS;
        }
        plain = str_make(plain.p + ret, plain.len - (size_t)ret);
    }
    return LN_OK;
}

void tls_shutdown(struct tls *t)
{
    if ((t->state != TLS_READY && t->state != TLS_CLOSED) || t->has_sent_close)
        return;
    t->has_sent_close = true;
    (void)mbedtls_ssl_close_notify(&t->ssl);
}

struct buf *tls_output(struct tls *t)
{
    return &t->out;
}

void tls_trim(struct tls *t)
{
    if (t->out.len == 0)
        buf_deinit(&t->out);
}

const char *tls_version_name(const struct tls *t)
{
    const char *name = mbedtls_ssl_get_version(&t->ssl); /* "TLSv1.2" */

    return strncmp(name, "TLSv", 4) == 0 ? name + 4 : name;
}

const char *tls_cipher_name(const struct tls *t)
{
    return mbedtls_ssl_get_ciphersuite(&t->ssl);
}

struct str tls_sni(const struct tls *t)
{
    return str_of(t->sni);
}

bool tls_is_resumed(const struct tls *t)
{
    return t->is_resumed;
}

const char *tls_error_text(const struct tls *t)
{
    return t->error != NULL ? t->error : "no error";
}
