/* server/net/tls_internal.h - what the tls_*.c files know of each other; nobody else includes it.
 *
 * tls.c             the connection: feeding, reading, writing
 * tls_handshake.c   the library at work, until its keys are taken over
 * tls_records.c     the records afterwards; tls_keys.c has the suites and keys
 * tls_context.c     loading hosts, choosing one by SNI, the library's configuration
 * tls_certificate.c what is checked of a certificate, and its hash for tls-server-end-point
 * tls_tickets.c     ticket keys and their rotation
 * tls_binding.c     channel bindings; tls_transcript.c feeds it
 * tls_random.c, mbedtls_compat.h */
#ifndef LINNET_SERVER_NET_TLS_INTERNAL_H
#define LINNET_SERVER_NET_TLS_INTERNAL_H

#include "server/net/mbedtls_compat.h"
#include "server/net/tls.h"
#include "server/net/tls_records.h"
#include "server/net/tls_transcript.h"

#include <stdatomic.h>

enum { TLS_MESSAGE_MAX = 256 }; /* ret_error, ret_warning */
enum { TLS_FINGERPRINT_LEN = 32, TLS_EXPORTER_LEN = 32, TLS_UNIQUE_LEN = 12 };

/* A host with its certificate. [start, control] until the context is handed out, then read-only. */
struct tls_entry {
    char *domain; /* as configured: a prepared domain, U-labels */
    char *name;   /* the same as A-labels in lower case: the form of SNI and of certificates */
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    uint8_t fingerprint[TLS_FINGERPRINT_LEN]; /* SHA-256 of the leaf: ties tickets to it */
    uint8_t end_point[MBEDTLS_MD_MAX_SIZE];   /* RFC 5929 section 4 */
    uint8_t end_point_len;
    mbedtls_ssl_config starttls, direct; /* their own certificate is this one, for clients that send no SNI */
};

struct tls_context {
    atomic_uint refs;
    struct tls_tickets *tickets; /* borrowed; outlives us */
    int suites[TLS_SUITES_MAX + 1];
    size_t n_entries;
    struct tls_entry *entries;
};

/* What the library exports while a handshake lasts. */
struct tls_secrets {
    uint8_t master[TLS_SECRET_MAX]; /* TLS 1.2 */
    size_t master_len;              /* 0: not known */
    uint8_t randoms[64];            /* client's, then server's */
    mbedtls_tls_prf_types prf;
    uint8_t traffic[2][TLS_SECRET_MAX]; /* TLS 1.3, by enum tls_side */
    size_t traffic_len[2];              /* 0: not known */
};

/* What is known while a handshake lasts and gone after it. */
struct tls_handshake {
    mbedtls_ssl_context ssl; /* set up by the first step: 35 KiB that none who waits for a thread has */
    bool has_begun;
    bool is_direct;
    struct tls_transcript transcript;
    struct tls_secrets secrets;
    const struct tls_entry *resumed; /* the host when a ticket was taken: its session began with the same certificate */
    bool resumed_is_1_3;             /* the version of that session */
};

struct tls_bindings {
    uint8_t exporter[TLS_EXPORTER_LEN];
    uint8_t exporter_empty[TLS_EXPORTER_LEN]; /* with a context of length zero; TLS 1.3 makes no difference */
    uint8_t unique[TLS_UNIQUE_LEN];
    bool has_exporter, has_unique;
};

struct tls {
    struct tls_context *ctx;         /* counted */
    const struct tls_entry *entry;   /* the host of SNI; before, and without it, the one tls_new() was told */
    struct tls_handshake *handshake; /* NULL from TLS_READY or TLS_FAILED on */
    struct tls_records records;      /* from TLS_READY on; wiped when it failed */
    struct tls_bindings bindings;
    struct str borrowed; /* fed and not yet read; comes after `kept` */
    struct buf kept;     /* a copy of what could not be read at once */
    struct buf out;
    char *sni;                /* NULL: none sent */
    char *error;              /* NULL: nothing went wrong */
    uint32_t kept_pos;        /* what lies before was read */
    uint32_t handshake_bytes; /* fed so far */
    uint8_t state;            /* enum tls_state */
    bool is_resumed;
    bool has_sent_close;
};

/* tls.c: the next bytes that were fed, at most `max`. */
struct str tls_take_input(struct tls *t, size_t max);

/* tls_handshake.c */
void tls_handshake_free(struct tls *t); /* with all its secrets; fine when there is none */
/* [pool] Whose handshake runs on this thread: mbedTLS gives ticket callbacks the configuration only. */
struct tls *tls_current(void);

/* tls_context.c: NULL when there is no such host. `name` in any case, A-labels. */
struct tls_entry *tls_context_find(const struct tls_context *c, struct str name);
/* A host name as A-labels in lower case (an IP literal stays as it is); the caller frees. NULL: not possible. */
char *tls_host_to_ascii(struct str host);
/* "what: reason" with the library's text for `ret`. */
void tls_format_error(char *to, size_t size, const char *what, int ret);

/* tls_certificate.c: reads both files into `e`, checks them, fills in the hashes. Messages as in tls_context_new(), the
 * warning appended to what is there. */
enum ln_err tls_entry_load(struct tls_entry *e, const struct tls_host *host, char *ret_error, char *warning);

/* Of an IP literal, its 4 or 16 bytes in `bytes`, as certificates have them; empty for a name. */
struct str tls_address_bytes(const char *name, uint8_t bytes[16]);

/* tls_tickets.c: for mbedtls_ssl_conf_session_tickets_cb(). [pool] */
int tls_tickets_write(void *tickets, const mbedtls_ssl_session *session, unsigned char *start, const unsigned char *end,
                      size_t *ret_len, uint32_t *ret_lifetime);
int tls_tickets_parse(void *tickets, mbedtls_ssl_session *session, unsigned char *ticket, size_t len);
/* The same without a library session. The time is given, so that expiry and rotation can be tried without waiting.
 * `body` is sealed in place: it has TLS_TICKET_BEFORE bytes of room before it and TLS_TICKET_AFTER behind. */
enum { TLS_TICKET_BEFORE = 16 + 12 + 8 + TLS_FINGERPRINT_LEN, TLS_TICKET_AFTER = 16 };
bool tls_ticket_seal(struct tls_tickets *t, uint64_t now_s, const uint8_t *fingerprint, uint8_t *body, size_t len);
/* Opens in place. False: not ours, forged, too old. */
bool tls_ticket_open(struct tls_tickets *t, uint64_t now_s, uint8_t *ticket, size_t len,
                     const uint8_t **ret_fingerprint, uint8_t **ret_body, size_t *ret_len);

/* tls_binding.c: [pool] once, at the handshake's end; `t->handshake` is still there. */
void tls_bindings_make(struct tls *t);

#endif
