/* tests/load/client.h - one connection: socket, TLS, negotiation, and stanzas in both directions.
 *
 * Fifty thousand of them live in one process and must together cost far less than the server they drive. So a client
 * that is idle is this struct, a poll handle and nothing else: what only the negotiation needs is freed once it is
 * online, bytes are read into one buffer that all share, and there are no timers. What is sent during one turn of the
 * loop is written once, when the turn ends. All of this belongs to the loop's one thread.
 *
 * The account of the client with index i is user<options.first + i>. */
#ifndef LINNET_TESTS_LOAD_CLIENT_H
#define LINNET_TESTS_LOAD_CLIENT_H

#include "common/buf.h"
#include "tests/load/frames.h"
#include "tests/load/options.h"

#include <uv.h>

struct client; /* defined in client_private.h */
struct client_pool;

/* What the clients tell; load.c passes it on to the scenario. None of these is called from within client_connect(), so
 * a call never surprises its caller. */
struct client_events {
    /* Bound, stream management enabled, initial presence handled by the server, as the settings asked for; in relay
     * mode: the relay has answered. It may send. */
    void (*on_online)(void *context, struct client *c);
    /* A stanza, or another element that the client itself has no answer to (all but XEP-0198's). `f` lasts until the
     * call returns. */
    void (*on_stanza)(void *context, struct client *c, const struct frame *f);
    /* The connection is gone. `why` NULL: as asked for by client_logout() or client_cut(); else one sentence that says
     * what happened and what the server said. client_connect() may be called again from here. */
    void (*on_closed)(void *context, struct client *c, const char *why);
};

struct client_settings {
    const struct options *options;
    /* After binding, <presence/> is sent, and the client is online when the server has handled it (a ping sent behind
     * it was answered). */
    bool sends_presence;
    /* With stream management: it asks to be resumable, and client_connect() after client_cut() resumes the session. */
    bool resumes;
    struct client_events events;
    void *context;
};

/* The shared part: buffers, TLS context, salted passwords. NULL: TLS could not be set up; a message was printed. */
struct client_pool *client_pool_new(uv_loop_t *loop, const struct client_settings *settings);
/* Closes what is open, without a word to the scenario; run the loop until nothing is left in it before freeing. */
void client_pool_close(struct client_pool *p);
void client_pool_free(struct client_pool **p);

/* SCRAM keys (--keys): takes those that earlier runs have left in the file, once all clients exist; and leaves there
 * what this run had to derive. False, errno set: the file cannot be used. One that does not exist is empty. */
bool client_pool_load_keys(struct client_pool *p, const char *path);
bool client_pool_save_keys(const struct client_pool *p, const char *path);
/* How many TLS handshakes there were, and in how many of them a session was resumed. */
uint64_t client_pool_handshakes(const struct client_pool *p, uint64_t *ret_resumed);

/* A client that is not connected yet. Freed with the pool. */
struct client *client_new(struct client_pool *p, uint32_t index);
uint32_t client_index(const struct client *c);
/* The scenario's own, NULL at first. */
void *client_data(const struct client *c);
void client_set_data(struct client *c, void *data);

/* Connects and logs in; on_online or on_closed follows. It must not be connected. In relay mode `GROUP <group>` is
 * said: see client_set_group(). */
void client_connect(struct client *c);
/* In relay mode: the name of the group it joins; copied. */
void client_set_group(struct client *c, const char *group);
/* Ends the stream politely and waits for the server to close; on_closed(NULL) follows. */
void client_logout(struct client *c);
/* Cuts the connection at once, with a reset (`is_reset`), as a dead network would, or by an ordinary close of the
 * socket; on_closed(NULL) follows in this or the next turn. */
void client_cut(struct client *c, bool is_reset);

bool client_is_online(const struct client *c);
/* Neither open nor about to tell on_closed: client_connect() may be called. */
bool client_is_closed(const struct client *c);
/* For messages: "user7, authenticating". */
void client_explain(const struct client *c, struct buf *out);
/* When client_connect() was called and when it came online, by load_now(). */
uint64_t client_connect_ns(const struct client *c);
uint64_t client_online_ns(const struct client *c);
/* The full JID the server has given, "user0@localhost/..."; valid once online, until the connection is closed. In relay
 * mode it is made up. The bare JID is the part in front of the slash. */
struct str client_jid(const struct client *c);
struct str client_bare_jid(const struct client *c);

/* Where the scenario appends one whole stanza, without a copy; client_end_send() completes it. A client that is not
 * online must not send. */
struct buf *client_begin_send(struct client *c);
/* The stanza is complete: it is written when this turn of the loop ends. */
void client_end_send(struct client *c);
/* The same for text that is at hand. */
void client_send(struct client *c, struct str stanza);
/* Bytes that the kernel has not taken yet: a scenario with an open loop may tell that the server does not read. */
size_t client_unsent(const struct client *c);

/* Stream management, once nothing more is sent: asks the server for its `h` until it equals what was sent. True: it
 * does (or --sm was not given). Call it again and again while draining; it asks by itself now and then. */
bool client_is_acknowledged(struct client *c);
/* For the message when it never is. */
void client_explain_acknowledgement(const struct client *c, struct buf *out);

#endif
