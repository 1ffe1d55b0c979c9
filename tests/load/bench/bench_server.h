/* tests/load/bench/bench_server.h - the server without a kernel and without chance.
 *
 * All layers are the real ones: workers with their threads and libuv's loops, connections, streams, im, modules,
 * storage in memory. The kernel is played (kernel.h), and so are the acceptor (connections begin as a parcel in a
 * worker's inbox) and the storage's thread, whose work is done between the turns of the workers. */
#ifndef LINNET_TESTS_LOAD_BENCH_SERVER_H
#define LINNET_TESTS_LOAD_BENCH_SERVER_H

#include "server/net/worker.h"
#include "server/stream/user_agent.h"

#define BENCH_HOST "localhost"

/* Once a process; aborts when something is missing. `n_workers` up to 2. `module_off`: one that is off; NULL: all are
 * as they are by default. */
struct server *bench_server_start(unsigned n_workers, const char *module_off);

/* A client connects to the next worker; returns the server's descriptor, for kernel.h. `is_secured`: a balancer has
 * ended its TLS. */
int bench_server_accept(bool is_secured);
/* Lets the workers run, and does the storage's work, until everybody waits. */
void bench_server_run(void);

/* Callgrind forgets what it has counted when the first is called, and writes it down when the second is. */
void bench_count_begin(void);
void bench_count_end(void);

/* Documents of an account that logs in with the password that bench_client.h knows; `n` of its contacts, subscribed
 * both ways, are `contacts`. */
void bench_server_add_account(struct str bare_jid, const struct str *contacts, size_t n);
/* The document of a client of it that has a token (XEP-0484), which bench_client.h knows. */
void bench_server_add_user_agent(struct str bare_jid, const struct user_agent *ua);

#endif
