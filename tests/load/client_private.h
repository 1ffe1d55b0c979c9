/* tests/load/client_private.h - what client.c, client_receive.c, client_pool.c and negotiation.c share; nobody
 * else includes it. */
#ifndef LINNET_TESTS_LOAD_CLIENT_PRIVATE_H
#define LINNET_TESTS_LOAD_CLIENT_PRIVATE_H

#include "tests/load/client.h"
#include "tests/load/sasl.h"
#include "tests/load/tls.h"

enum client_state {
    CLIENT_CLOSED,
    CLIENT_CONNECTING,
    CLIENT_HANDSHAKE,   /* TLS */
    CLIENT_JOINING,     /* the relay's OK is awaited */
    CLIENT_NEGOTIATING, /* `login` says where */
    CLIENT_ONLINE,
    CLIENT_LEAVING, /* </stream:stream> was sent */
    CLIENT_CLOSING, /* on_closed is yet to come */
};

/* Freed once online. */
struct negotiation {
    const struct negotiation_step *awaited;
    struct sasl *sasl;
    char user[32], password[32];
    bool needs_session; /* the server wants RFC 3921's session too */
    bool offers_sm;
};

struct client_tls {
    SSL *ssl;
    struct buf unsent; /* ciphertext that the kernel has not taken */
};

struct client {
    uv_poll_t poll;
    struct client_pool *pool;
    struct client *next_dirty;
    struct buf in;  /* the beginning of a frame; no memory while there is none */
    struct buf out; /* to be encrypted, or if there is no TLS: to be written */
    struct client_tls *tls;
    SSL_SESSION *session; /* --resume: from the connection before */
    struct sasl_keys *keys;
    struct negotiation *login;
    char *jid;
    char *resume_id; /* to resume by; NULL: there is nothing to resume */
    char *group;     /* --relay */
    char *why;       /* CLIENT_CLOSING: what on_closed will tell; NULL: it was asked for */
    void *data;
    uint64_t connect_ns, online_ns, asked_ns;
    struct frames frames;
    uint32_t index;
    int fd;
    uint32_t sm_received, sm_sent, sm_acknowledged; /* stanzas since <enabled/> and <enable/> */
    uint32_t resume_h;                              /* sm_received, when the connection was cut */
    uint16_t bare_len;
    uint8_t state; /* enum client_state */
    bool is_dirty : 1;
    bool wants_write : 1;
    bool has_poll : 1; /* `poll` is open */
    bool has_sm : 1;
};

enum { CLIENT_RECEIVE_BYTES = 64 * 1024 };

struct client_pool {
    uv_loop_t *loop;
    struct client_settings settings;
    struct tls_context tls;
    bool has_tls;
    bool is_closing;
    uint64_t handshakes, resumed;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    struct client *dirty; /* have something to write when this turn ends */
    char *received;       /* one read of whoever it is */
    struct buf plain;     /* the same, decrypted */
    struct client **clients;
    uint32_t n_clients;
};

static inline bool client_is_open(const struct client *c)
{
    return c->state != CLIENT_CLOSING && c->state != CLIENT_CLOSED;
}

/* client.c */
/* Ends the connection; `own_why` is given to on_closed. */
void client_close(struct client *c, char *own_why);
/* Ends it with "<user>, <what>: <detail>". */
void client_refuse(struct client *c, const char *what, struct str detail);
void client_refuse_errno(struct client *c, const char *what, int error);
/* For messages: what it is at. */
const char *client_doing(const struct client *c);
/* The output is written when the turn ends. */
void client_touch(struct client *c);
/* The turn ends. */
void client_flush_all(struct client_pool *p);
/* Writes the ciphertext that the TLS context holds, which is c's. */
void client_write_encrypted(struct client *c);
void client_begin_tls(struct client *c);
void client_set_online(struct client *c);

/* client_receive.c */
/* The socket has something to read. False: nothing came, or the end. */
bool client_receive(struct client *c);
/* Goes on with the TLS handshake, and with the negotiation once it is done. */
void client_shake_hands(struct client *c);
/* The connection can be spoken on: opens or goes on with the negotiation. */
void client_negotiate(struct client *c);

/* negotiation.c, for client.c */
/* The socket is connected, and TLS is up where it comes first. */
void negotiation_start(struct client *c);
/* TLS is up after STARTTLS. */
void negotiation_restart(struct client *c);
void negotiation_end(struct client *c);
/* False: the frame is none of the negotiation's. */
bool negotiation_take(struct client *c, const struct frame *f);
/* For messages: "waiting for the server's features". */
const char *negotiation_awaited(const struct client *c);

#endif
