/* server/net/tls.h - TLS for one connection, over memory instead of a socket (mbedTLS 2.28 and 3.6).
 *
 * The connection feeds what the socket gave and sends what comes out, so this file knows no sockets and a session's TLS
 * state moves between threads as a pointer. A handshake costs milliseconds: tls_handshake() is for the pool only, while
 * nobody else touches the object. Reading and writing records afterwards is cheap and done on the worker. The library's
 * state, 35 KiB and more, lasts as long as the handshake: then its keys are taken over (tls_records.h), and an idle
 * connection costs half a KiB.
 *
 * TLS 1.2 and, where mbedTLS has it, 1.3; AEAD suites with ephemeral keys only; no renegotiation, no compression. The
 * certificate is chosen by SNI. Session tickets work on every worker, since all share one set of ticket keys. */
#ifndef LINNET_SERVER_NET_TLS_H
#define LINNET_SERVER_NET_TLS_H

#include "common/buf.h"
#include "common/err.h"

struct tls_context; /* certificates, suites, ticket keys: shared by all threads, immutable, counted */
struct tls;         /* one connection's state */

struct tls_host {
    struct str name;              /* prepared domain */
    const char *certificate_path; /* PEM chain, leaf first */
    const char *key_path;         /* PEM */
};

/* Keys of session tickets: made when first needed, replaced each `lifetime_s` (at most a week), and of use for twice as
 * long. Outlives all contexts, and so reloads: tickets stay valid. */
struct tls_tickets;
struct tls_tickets *tls_tickets_new(uint32_t lifetime_s);
void tls_tickets_free(struct tls_tickets **t);

/* [start, control] Loads and checks: the key fits the certificate, the certificate names the host (a warning in
 * *ret_warning otherwise, 256 bytes, as for one that expires soon). On failure `ret_error` (256 bytes) names the file
 * and what is wrong. `hosts[0]` is used when SNI is missing; when SNI names a host we do not have, the handshake fails
 * with unrecognized_name. `tickets` is borrowed; NULL: sessions cannot be resumed. */
enum ln_err tls_context_new(const struct tls_host *hosts, size_t n_hosts, struct tls_tickets *tickets,
                            struct tls_context **ret, char *ret_error, char *ret_warning);
struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_unref(struct tls_context **c); /* [any] */

/* [any] A self-signed certificate (ECDSA P-256, SHA-256, ten years, subjectAltName of every host) written to two files,
 * the key with mode 0600. Existing files are not touched (LN_E_EXISTS). */
enum ln_err tls_make_self_signed(const struct str *hosts, size_t n_hosts, const char *certificate_path,
                                 const char *key_path, char *ret_error);

/* [worker] `is_direct`: direct TLS (XEP-0368): a client that sends ALPN must include "xmpp-client"; none at all is
 * fine. `host`: with STARTTLS the stream header named the host already; SNI, if sent, wins for the certificate. Empty:
 * unknown. */
struct tls *tls_new(struct tls_context *ctx, bool is_direct, struct str host);
void tls_free(struct tls **t); /* [any] */

enum tls_state { TLS_WANTS_INPUT, TLS_READY, TLS_FAILED, TLS_CLOSED };

/* [worker] Ciphertext from the socket. While a handshake is under way it is copied, at most 64 KiB in all (LN_E_LIMIT:
 * nothing was taken). Afterwards it is borrowed until the next tls_read() returns, which copies what it has not asked
 * for: feed, then read at once, and nothing but an unfinished record is ever copied twice. LN_E_LIMIT then: 128 KiB lie
 * unread. */
enum ln_err tls_feed(struct tls *t, struct str ciphertext);
/* [pool] One step with what was fed: TLS_WANTS_INPUT (send the output, then wait), TLS_READY, TLS_FAILED (send the
 * output: the alert). */
enum tls_state tls_handshake(struct tls *t);
/* [worker] After TLS_READY: decrypts what was fed and appends the plain text to `out`, record by record until `max`
 * bytes were added or passed (more may be waiting: tls_has_pending()). TLS_READY, TLS_CLOSED (close_notify; what came
 * before it is in `out`) or TLS_FAILED (send the output: there may be an alert). */
enum tls_state tls_read(struct tls *t, struct buf *out, size_t max);
bool tls_has_pending(const struct tls *t);
/* [worker] Encrypts all of `plain` in as few records as can be; they are added to the output. LN_E_CLOSED: after
 * tls_shutdown() or a failure. LN_E_TLS: the state is TLS_FAILED now; send the output. */
enum ln_err tls_write(struct tls *t, struct str plain);
/* [worker] Adds close_notify to the output. */
void tls_shutdown(struct tls *t);
/* [worker] Ciphertext to be sent; the caller takes what the socket accepted off the front with buf_consume(). Its
 * memory is given back by tls_trim() when it is empty. */
struct buf *tls_output(struct tls *t);
void tls_trim(struct tls *t);

/* [worker] After TLS_READY. */
const char *tls_version_name(const struct tls *t); /* "1.2", "1.3" */
const char *tls_cipher_name(const struct tls *t);
struct str tls_sni(const struct tls *t); /* empty: none was sent */
bool tls_is_resumed(const struct tls *t);
/* [pool, worker] Why a handshake failed, for logs. */
const char *tls_error_text(const struct tls *t);

/* RFC 9266 section 2 has "tls-exporter" made with a context of length zero, which TLS 1.2 tells from none (RFC 5705
 * section 4), and clients are found that do the one or the other: both are as good, and TLS_EXPORTER_EMPTY names the
 * second. */
#define TLS_EXPORTER_EMPTY "tls-exporter with an empty context"

/* [worker] Channel binding data (RFC 5929, RFC 9266): "tls-exporter", "tls-unique", "tls-server-end-point".
 * LN_E_NOT_FOUND: this connection cannot give it (tls-unique on 1.3; it and the exporter on 1.2 without extended master
 * secret; the end point for a signature without a hash), so it is not to be advertised. */
enum ln_err tls_channel_binding(const struct tls *t, const char *type, struct buf *out);

#endif
