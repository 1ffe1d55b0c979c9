/* tests/integration/raw.h - a client by hand, for all that a good client never does.
 *
 * A socket, OpenSSL when asked, and expat to read what comes: broken XML, pipelining, single bytes, half-closed
 * streams, forged logins, PROXY headers, nonzas out of turn. Every call waits until it is done or the test's patience
 * ends. One `struct raw` is one TCP connection. */
#ifndef LINNET_TESTS_RAW_H
#define LINNET_TESTS_RAW_H

#include "harness.h"
#include "node.h"

#include <openssl/ssl.h>

struct raw {
    struct harness *harness;
    int fd;
    SSL *ssl;                    /* NULL before TLS */
    char *jid;                   /* full, once raw_bind() was called */
    const struct node *header;   /* of the server's current stream; NULL before it came */
    const struct node *features; /* the last ones; borrowed until raw_free() */
    bool is_stream_closed;       /* </stream:stream> came */
    bool is_eof;
    bool is_cut; /* the end came without TLS's close_notify, or as a reset */
    struct raw_private *priv;
};

struct raw_tls {
    const char *sni;     /* NULL: DOMAIN */
    const char *alpn;    /* NULL: none is sent */
    int version;         /* TLS1_2_VERSION, ...: this one only; 0: any */
    uint64_t options;    /* SSL_OP_... */
    SSL_SESSION *resume; /* NULL: a full handshake */
};

/* ---- the connection ---- */

/* TCP only. */
struct raw *raw_connect(struct harness *h, enum harness_port port);
/* The same to any port of this machine, and from that address of it; NULL: any. */
struct raw *raw_connect_to(struct harness *h, uint16_t port, const char *from);
/* The handshake. `how` may be NULL. False: it failed, and the connection is of no more use. */
bool raw_start_tls(struct raw *r, const struct raw_tls *how);
void raw_free(struct raw **r);
/* No more will be sent, but still received: a half-closed connection. */
void raw_shut(struct raw *r);

/* ---- sending ---- */

void raw_send(struct raw *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* False: the server has cut the connection, which may happen to one that sends what it should not. */
bool raw_send_bytes(struct raw *r, const void *p, size_t len);
/* Each byte in a packet of its own. */
void raw_send_slowly(struct raw *r, const char *text);
/* A stream header to that host (NULL: DOMAIN), and a new parser for the answer. */
void raw_open(struct raw *r, const char *host);
/* The new parser only, for headers written by hand. */
void raw_expect_new_stream(struct raw *r);

/* ---- receiving: what is returned is borrowed until raw_free() ---- */

#define raw_expect_header(r) raw_expect_header_(__FILE__, __LINE__, r)
const struct node *raw_expect_header_(const char *file, int line, struct raw *r);
/* The next element must match. */
#define raw_expect(r, ...)  raw_expect_(__FILE__, __LINE__, r, false, __VA_ARGS__)
/* Elements that do not match are skipped. */
#define raw_skip_to(r, ...) raw_expect_(__FILE__, __LINE__, r, true, __VA_ARGS__)
const struct node *raw_expect_(const char *file, int line, struct raw *r, bool may_skip, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Header (if it has not come yet), this stream error and nothing before it, </stream:stream>, and the end. */
#define raw_expect_error(r, condition) raw_expect_error_(__FILE__, __LINE__, r, condition)
const struct node *raw_expect_error_(const char *file, int line, struct raw *r, const char *condition);
/* </stream:stream> and the end, without any element before it. */
#define raw_expect_closed(r) raw_expect_closed_(__FILE__, __LINE__, r)
void raw_expect_closed_(const char *file, int line, struct raw *r);
/* The end, after whatever else. */
#define raw_expect_eof(r) raw_expect_eof_(__FILE__, __LINE__, r)
void raw_expect_eof_(const char *file, int line, struct raw *r);
/* A ping by hand: nothing may come before its answer. Needs a bound session. */
#define raw_expect_quiet(r) raw_expect_quiet_(__FILE__, __LINE__, r)
void raw_expect_quiet_(const char *file, int line, struct raw *r);

/* ---- the usual way in, step by step; each fails the test when it does not go as it should ---- */

/* Connects, opens the stream, asks for TLS, opens it again: `features` are those inside TLS. */
struct raw *raw_secure(struct harness *h, const struct raw_tls *how);
/* From the first header on, for a connection that is there. */
void raw_negotiate_tls(struct raw *r, const struct raw_tls *how);
/* SASL PLAIN, and a new stream with its features. */
void raw_plain(struct raw *r, const struct account *a);
/* Binds that resource; NULL: the server chooses. */
void raw_bind(struct raw *r, const char *resource);
/* All of it. */
struct raw *raw_login(struct harness *h, const struct account *a, const char *resource);
/* <enable/> of XEP-0198, answered by <enabled/>. */
void raw_enable_acks(struct raw *r);

/* ---- components (XEP-0114) ---- */

/* Connects, and opens the stream for that domain. */
struct raw *raw_open_component(struct harness *h, const char *domain);
/* Once the server's header has come. */
void raw_send_handshake(struct raw *r, const char *secret);
/* All of it; must be welcome. */
struct raw *raw_component(struct harness *h, const char *domain, const char *secret);

/* Base64, for SASL; the caller frees. */
char *base64_encode(const void *p, size_t len);
/* NULL: not base64. NUL behind it. */
char *base64_decode(const char *text, size_t *ret_len);

#endif
