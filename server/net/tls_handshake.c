#include "server/net/tls_internal.h"

#include "common/mem.h"

#include <assert.h>

static _Thread_local struct tls *current;

struct tls *tls_current(void)
{
    return current;
}

/* ---- what the library calls ---- */

static int on_receive(void *arg, unsigned char *to, size_t len)
{
    struct tls *t = arg;
    struct str bytes = tls_take_input(t, len);

    if (bytes.len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(to, bytes.p, bytes.len);
    tls_transcript_add(&t->handshake->transcript, TLS_FROM_CLIENT, bytes);
    return (int)bytes.len;
}

static int on_send(void *arg, const unsigned char *bytes, size_t len)
{
    struct tls *t = arg;

    buf_append(&t->out, bytes, len);
    tls_transcript_add(&t->handshake->transcript, TLS_FROM_SERVER, str_make((const char *)bytes, len));
    return (int)len;
}

void tls_on_secret(enum compat_secret which, const unsigned char *secret, size_t len,
                   const unsigned char client_random[32], const unsigned char server_random[32],
                   mbedtls_tls_prf_types prf)
{
    struct tls_secrets *s = &current->handshake->secrets;
    enum tls_side side = which == COMPAT_CLIENT_TRAFFIC_SECRET ? TLS_FROM_CLIENT : TLS_FROM_SERVER;

    if (len > TLS_SECRET_MAX)
        return;
    if (which != COMPAT_MASTER_SECRET) {
        memcpy(s->traffic[side], secret, len);
        s->traffic_len[side] = len;
        return;
    }
    memcpy(s->master, secret, len);
    s->master_len = len;
    memcpy(s->randoms, client_random, 32);
    memcpy(s->randoms + 32, server_random, 32);
    s->prf = prf;
}

/* ---- the end ---- */

void tls_handshake_free(struct tls *t)
{
    struct tls_handshake *h = t->handshake;

    t->handshake = NULL;
    if (h == NULL)
        return;
    mbedtls_ssl_free(&h->ssl);
    tls_transcript_deinit(&h->transcript);
    mem_wipe(h, sizeof(*h));
    free(h);
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

static enum tls_state fail(struct tls *t, int ret, bool has_sent)
{
    /* The library sends an alert for most of what can go wrong, and nothing for the rest. */
    if (!has_sent && ret != MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE && ret != MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
        (void)mbedtls_ssl_send_alert_message(&t->handshake->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert_for(ret));
    t->state = TLS_FAILED;
    t->error = mem_alloc(TLS_MESSAGE_MAX);
    tls_format_error(t->error, TLS_MESSAGE_MAX, "handshake", ret);
    tls_handshake_free(t);
    return TLS_FAILED;
}

static bool make_keys(const struct tls_suite *suite, const struct tls_secrets *s, struct tls_key *ret_client,
                      struct tls_key *ret_server)
{
    size_t hash_len = mbedtls_md_get_size(mbedtls_md_info_from_type((mbedtls_md_type_t)suite->hash));

    if (!suite->is_1_3) {
        if (s->master_len == 0)
            return false;
        tls_keys_make_1_2(suite, s->prf, s->master, s->master_len, s->randoms, ret_client, ret_server);
        return true;
    }
    if (s->traffic_len[TLS_FROM_CLIENT] != hash_len || s->traffic_len[TLS_FROM_SERVER] != hash_len)
        return false;
    tls_key_make_1_3(suite, s->traffic[TLS_FROM_CLIENT], ret_client);
    tls_key_make_1_3(suite, s->traffic[TLS_FROM_SERVER], ret_server);
    return true;
}

/* From here on the records are ours. 0, or the library's word for what is wrong. */
static int take_over(struct tls *t)
{
    struct tls_handshake *h = t->handshake;
    const struct tls_suite *suite =
        tls_suite_find(mbedtls_ssl_get_ciphersuite_id(mbedtls_ssl_get_ciphersuite(&h->ssl)));
    struct tls_direction client = {0}, server = {0};
    bool is_ok;

    /* Something behind the client's Finished, in its record: RFC 8446 section 5.1, and nobody does it in TLS 1.2. */
    if (mbedtls_ssl_check_pending(&h->ssl) != 0)
        return MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE;
    /* The rest holds for each library that passes our tests: it reads no further than it must, and exports its keys. */
    is_ok = suite != NULL && suite->is_1_3 == h->transcript.is_1_3 &&
            tls_transcript_sequence(&h->transcript, TLS_FROM_CLIENT, &client.sequence) &&
            tls_transcript_sequence(&h->transcript, TLS_FROM_SERVER, &server.sequence) &&
            make_keys(suite, &h->secrets, &client.key, &server.key);
    if (is_ok)
        tls_records_init(&t->records, suite, &client, &server, (size_t)mbedtls_ssl_get_max_out_record_payload(&h->ssl));
    mem_wipe(&client, sizeof(client));
    mem_wipe(&server, sizeof(server));
    return is_ok ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

/* What the library does not ask when it resumes a session. */
static bool may_resume(const struct tls *t)
{
    const struct tls_handshake *h = t->handshake;

    /* A name that came after the ticket asked for another certificate than the session was made with. */
    if (h->resumed != t->entry)
        return false;
    /* RFC 7627 section 5.3: all sessions of TLS 1.2 that have a ticket had the extension. */
    return h->resumed_is_1_3 == h->transcript.is_1_3 &&
           (h->transcript.is_1_3 || h->transcript.has_extended_master_secret);
}

/* ---- steps ---- */

static void begin(struct tls *t)
{
    struct tls_handshake *h = t->handshake;
    int ret;

    tls_transcript_init(&h->transcript);
    ret = mbedtls_ssl_setup(&h->ssl, h->is_direct ? &t->entry->direct : &t->entry->starttls);
    assert(ret == 0); /* fails without memory only: the configuration was accepted when it was made */
    mbedtls_ssl_set_bio(&h->ssl, t, on_send, on_receive, NULL);
    compat_ssl_export_secret(&h->ssl);
    h->has_begun = true;
}

enum tls_state tls_handshake(struct tls *t)
{
    struct tls_handshake *h = t->handshake;
    size_t sent_before = t->out.len;
    int ret;

    assert(t->state == TLS_WANTS_INPUT);
    if (!h->has_begun)
        begin(t);
    current = t;
    ret = mbedtls_ssl_handshake(&h->ssl);
    current = NULL;
    if (ret == MBEDTLS_ERR_SSL_WANT_READ)
        return TLS_WANTS_INPUT;
    if (ret != 0)
        return fail(t, ret, t->out.len > sent_before);
    t->is_resumed = h->transcript.is_resumed;
    if (t->is_resumed && !may_resume(t))
        return fail(t, MBEDTLS_ERR_SSL_BAD_INPUT_DATA, false);
    ret = take_over(t);
    if (ret != 0)
        return fail(t, ret, false);
    tls_bindings_make(t);
    tls_handshake_free(t);
    t->state = TLS_READY;
    return TLS_READY;
}
