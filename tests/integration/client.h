/* tests/integration/client.h - XMPP clients for tests, by libstrophe: a library that we did not write.
 *
 * All clients of a test are driven from one loop in the test's own thread: whenever a test waits for one of them, all
 * of them read and write. What a client receives waits in its queue until the test asks for it.
 *
 * Paths are those of node.h, built as by printf(). */
#ifndef LINNET_TESTS_CLIENT_H
#define LINNET_TESTS_CLIENT_H

#include "harness.h"
#include "node.h"

struct client {
    char *jid;  /* full, as the server bound it */
    char *bare; /* of the account */
    char *user;
    char *stream_error; /* the condition that ended the stream, or NULL */
    bool is_bound;
    bool is_closed;
    unsigned sent;  /* stanzas given to client_send() */
    unsigned acked; /* of them, by XEP-0198: the last h; 0 without CLIENT_ACKS */
    unsigned acks;  /* how many <a/> came */
    struct client_private *priv;
    struct client *next;
};

enum client_flags {
    CLIENT_DIRECT_TLS = 1, /* XEP-0368 */
    CLIENT_ACKS = 2,       /* XEP-0198 */
};

/* ---- coming and going ---- */

/* Logs in and binds `resource` (NULL: the server chooses). Sends no presence. It lives until the test's end. */
struct client *client_login(struct harness *h, const struct account *a, const char *resource, enum client_flags flags);
/* The same without waiting, and with any password: client_wait_login() says how it went. */
struct client *client_connect(struct harness *h, const char *jid, const char *password, enum client_flags flags);
bool client_wait_login(struct client *c);
/* A new account, logged in with some resource. */
struct client *harness_login(struct harness *h);
/* A new account whose home is that worker. */
struct client *harness_login_on(struct harness *h, unsigned worker);
/* Sends available presence with that priority and waits for its own copy of it. */
void client_go_online(struct client *c, int priority);
/* Two clients that see each other's presence, by the whole exchange of RFC 6121 section 3.1; all they were sent on the
 * way is taken from their queues. Both are online when it is done, with priority 0. */
void client_befriend(struct client *a, struct client *b);

/* Closes the stream as a good client does, and waits for the end. */
void client_logout(struct client *c);
/* Cuts the connection without a word. */
void client_drop(struct client *c);
/* Waits for the end of the stream, with that error of RFC 6120 section 4.9; NULL: without one. */
#define client_expect_closed(c, condition) client_expect_closed_(__FILE__, __LINE__, c, condition)
void client_expect_closed_(const char *file, int line, struct client *c, const char *condition);
/* All clients of the harness, as if they had dropped. */
void client_forget_all(struct harness *h);

/* ---- sending ---- */

void client_send(struct client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Sends an IQ with an id of its own and waits for the answer, which is borrowed until the test's end. `to` may be NULL.
 */
#define client_request(c, type, to, ...) client_request_(__FILE__, __LINE__, c, type, to, __VA_ARGS__)
const struct node *client_request_(const char *file, int line, struct client *c, const char *type, const char *to,
                                   const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Waits until the server has acknowledged all that was sent (XEP-0198). */
void client_wait_acked(struct client *c);

/* ---- receiving: what is returned is borrowed until the test's end ---- */

/* The next stanza of the kind (message, presence, iq, ...) that the path begins with must match it. */
#define client_expect(c, ...)     client_expect_(__FILE__, __LINE__, c, true, __VA_ARGS__)
/* Some stanza must match; others may come before it, and stay in the queue. */
#define client_expect_any(c, ...) client_expect_(__FILE__, __LINE__, c, false, __VA_ARGS__)
const struct node *client_expect_(const char *file, int line, struct client *c, bool is_next, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Asks the server for a sign of life and takes all that came before it for granted: nothing of it may match. This
 * proves something only of stanzas that the server sent before it read the question, so first wait for what comes last.
 */
#define client_expect_none(c, ...) client_expect_none_(__FILE__, __LINE__, c, __VA_ARGS__)
void client_expect_none_(const char *file, int line, struct client *c, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for anything at all. */
#define client_expect_quiet(c) client_expect_none_(__FILE__, __LINE__, c, "*")
/* Sends a ping to the server and waits for the answer: all that was sent before has been read, all that the server sent
 * before has come. */
#define client_barrier(c)      client_barrier_(__FILE__, __LINE__, c)
void client_barrier_(const char *file, int line, struct client *c);
/* The same through the home of `bare_jid`, whoever that is, or is not: it answers, or refuses, after all that `c` sent
 * there before. */
#define client_barrier_via(c, bare_jid) client_barrier_via_(__FILE__, __LINE__, c, bare_jid)
void client_barrier_via_(const char *file, int line, struct client *c, const char *bare_jid);
/* A barrier from `from` through `to`: sends a message of type headline to the full JID, and waits until it is there.
 * What `from` sent before to this session, and what its stanzas caused on the way, has come by then. */
#define client_sync(from, to) client_sync_(__FILE__, __LINE__, from, to)
void client_sync_(const char *file, int line, struct client *from, struct client *to);
/* Forgets what waits in the queue. */
void client_drain(struct client *c);
/* How many stanzas in the queue match. */
size_t client_count(const struct client *c, const char *path);
/* Lets all clients read and write until something came for one of them, for so long at most. */
void client_pump(struct harness *h, int timeout_ms);

#endif
