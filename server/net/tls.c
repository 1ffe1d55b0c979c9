#include "server/net/tls.h"

#include "common/mem.h"
#include "server/net/tls_internal.h"

#include <stdio.h>

enum {
    HANDSHAKE_INPUT_MAX = 64 * 1024, /* in all: the messages of a client that shows no certificate need 2 KiB */
    UNREAD_MAX = 128 * 1024,         /* later: one reading of the socket behind one that was not read to its end */
};

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

    t->ctx = tls_context_ref(ctx);
    t->entry = choose_entry(ctx, host);
    t->state = TLS_WANTS_INPUT;
    t->handshake = mem_zalloc(sizeof(*t->handshake));
    t->handshake->is_direct = is_direct;
    mbedtls_ssl_init(&t->handshake->ssl);
    return t;
}

void tls_free(struct tls **t)
{
    struct tls *mine = *t;

    *t = NULL;
    if (mine == NULL)
        return;
    tls_handshake_free(mine);
    tls_records_deinit(&mine->records);
    buf_deinit(&mine->kept);
    buf_deinit(&mine->out);
    tls_context_unref(&mine->ctx);
    free(mine->sni);
    free(mine->error);
    mem_wipe(&mine->bindings, sizeof(mine->bindings));
    free(mine);
}

/* ---- what was fed ---- */

static struct str kept_str(const struct tls *t)
{
    return str_make(t->kept.p + t->kept_pos, t->kept.len - t->kept_pos);
}

static bool has_kept(const struct tls *t)
{
    return t->kept.len > t->kept_pos;
}

static struct str cut_borrowed(struct tls *t, size_t max)
{
    struct str ret = str_make(t->borrowed.p, t->borrowed.len < max ? t->borrowed.len : max);

    t->borrowed = str_make(t->borrowed.p + ret.len, t->borrowed.len - ret.len);
    return ret;
}

struct str tls_take_input(struct tls *t, size_t max)
{
    struct str ret;

    if (!has_kept(t)) /* what was kept is older than what is borrowed */
        return cut_borrowed(t, max);
    ret = kept_str(t);
    ret.len = ret.len < max ? ret.len : max;
    t->kept_pos += (uint32_t)ret.len;
    return ret;
}

/* Copies what was not asked for yet: the caller's bytes are not ours after this call. */
static void keep_borrowed(struct tls *t)
{
    if (!has_kept(t))
        buf_deinit(&t->kept); /* an idle connection keeps no memory for input */
    else
        buf_consume(&t->kept, t->kept_pos);
    t->kept_pos = 0;
    if (t->borrowed.len > 0)
        buf_append_str(&t->kept, cut_borrowed(t, t->borrowed.len));
}

enum ln_err tls_feed(struct tls *t, struct str ciphertext)
{
    bool in_handshake = t->state == TLS_WANTS_INPUT;
    size_t before = in_handshake ? t->handshake_bytes : kept_str(t).len + t->borrowed.len;

    if (before + ciphertext.len > (in_handshake ? HANDSHAKE_INPUT_MAX : UNREAD_MAX))
        return LN_E_LIMIT;
    if (t->borrowed.len > 0)
        keep_borrowed(t);
    t->borrowed = ciphertext;
    if (in_handshake) {
        t->handshake_bytes += (uint32_t)ciphertext.len;
        keep_borrowed(t);
    }
    return LN_OK;
}

bool tls_has_pending(const struct tls *t)
{
    if (t->state != TLS_READY)
        return false;
    return t->borrowed.len > 0 || (has_kept(t) && tls_record_missing(kept_str(t)) == 0);
}

/* ---- records ---- */

static void fail(struct tls *t, const char *what, const char *who, const char *why)
{
    t->state = TLS_FAILED;
    t->error = mem_alloc(TLS_MESSAGE_MAX);
    (void)snprintf(t->error, TLS_MESSAGE_MAX, "%s: %s%s", what, who, why);
    tls_records_deinit(&t->records);
}

/* A record of which a part was kept is completed there, and no byte behind it is copied. */
static void complete_kept(struct tls *t)
{
    size_t missing;

    while (t->borrowed.len > 0 && (missing = tls_record_missing(kept_str(t))) > 0)
        buf_append_str(&t->kept, cut_borrowed(t, missing));
}

/* The records that lie in one piece. True: some were taken, and there may be more elsewhere. */
static bool read_piece(struct tls *t, struct buf *out, size_t max)
{
    struct str in = t->borrowed;
    enum tls_records_state state;
    size_t len;

    if (has_kept(t)) {
        complete_kept(t);
        in = kept_str(t);
    }
    len = in.len;
    state = tls_records_read(&t->records, &in, max, out, &t->out);
    (void)tls_take_input(t, len - in.len);
    if (state == TLS_RECORDS_CLOSED)
        t->state = TLS_CLOSED;
    if (state == TLS_RECORDS_FAILED)
        fail(t, "reading", t->records.is_peers_alert ? "the peer sent " : "", tls_alert_name(t->records.alert));
    return t->state == TLS_READY && in.len < len;
}

enum tls_state tls_read(struct tls *t, struct buf *out, size_t max)
{
    size_t end = out->len + max;

    while (t->state == TLS_READY && out->len < end && read_piece(t, out, end - out->len))
        ;
    keep_borrowed(t);
    return (enum tls_state)t->state;
}

static bool can_write(const struct tls *t)
{
    return (t->state == TLS_READY || t->state == TLS_CLOSED) && !t->has_sent_close;
}

enum ln_err tls_write(struct tls *t, struct str plain)
{
    if (!can_write(t))
        return LN_E_CLOSED;
    if (tls_records_write(&t->records, plain, &t->out) == LN_OK)
        return LN_OK;
    tls_shutdown(t);
    fail(t, "writing", "", "the key has protected as much as it may");
    return LN_E_TLS;
}

void tls_shutdown(struct tls *t)
{
    if (!can_write(t))
        return;
    t->has_sent_close = true;
    tls_records_alert(&t->records, TLS_ALERT_CLOSE_NOTIFY, &t->out);
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

/* ---- what was agreed on ---- */

const char *tls_version_name(const struct tls *t)
{
    return t->records.suite->is_1_3 ? "1.3" : "1.2";
}

const char *tls_cipher_name(const struct tls *t)
{
    return mbedtls_ssl_get_ciphersuite_name(t->records.suite->id);
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
