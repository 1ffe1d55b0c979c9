/* tests/load/bench/bench_client.h - a client at the other end of a socket of kernel.h.
 *
 * What it says is what common clients say, and it looks at every answer: a figure for work that was not done would be
 * worth nothing. It aborts with what it got instead. */
#ifndef LINNET_TESTS_LOAD_BENCH_CLIENT_H
#define LINNET_TESTS_LOAD_BENCH_CLIENT_H

#include "common/buf.h"
#include "server/stream/credentials.h"
#include "server/stream/user_agent.h"

struct bench_client {
    int fd;
    char local[16];
    char bare[32], full[48]; /* its JIDs */
    bool has_sm;
    unsigned received; /* stanzas, while XEP-0198 is on */
};

/* The keys of every account. Clients know ClientKey instead of a password: PBKDF2 is the client's work. */
struct credentials bench_credentials(void);

/* Gives it a name, user<number>. */
void bench_client_init(struct bench_client *c, unsigned number);
/* Connects, logs in with SCRAM-SHA-1, binds, asks for the roster, sends presence. */
void bench_client_login(struct bench_client *c);
/* Comes back with a token: header, authentication, binding with XEP-0198, roster and presence in one flight (XEP-0388,
 * 0484, 0386). */
void bench_client_return(struct bench_client *c);
/* What is stored of it for that. */
struct user_agent bench_client_user_agent(void);
/* XEP-0198, from now on. */
void bench_client_enable_sm(struct bench_client *c);

/* These bytes arrive at the server, which then runs until everybody waits. */
void bench_client_send(struct bench_client *c, struct str xml);
/* What has come since the last look has `text` in it `n` times. Acknowledges it, if the server asks for that. */
void bench_client_expect(struct bench_client *c, const char *text, unsigned n);

#endif
