/* server/net/acceptor.h - listens, and hands connections to the workers in turn.
 *
 * Runs on the main thread's loop. What arrives with a PROXY header is held here until the header is complete, so that a
 * worker only ever sees a client with its own address. Limits by address and in total are kept here, where every
 * connection begins and every end is reported. All: [control]. */
#ifndef LINNET_SERVER_NET_ACCEPTOR_H
#define LINNET_SERVER_NET_ACCEPTOR_H

#include "common/err.h"
#include "server/net/worker.h"

struct acceptor;
struct config;

/* Opens all listeners of the configuration, or none: then `ret_error` (256 bytes) says which and why. Takes a reference
 * of the configuration. */
enum ln_err acceptor_open(uv_loop_t *loop, struct server *server, struct config *config, struct acceptor **ret,
                          char *ret_error);
/* Limits and trusted networks of a new configuration. */
void acceptor_set_config(struct acceptor *a, struct config *config);
/* Stops listening; connections that were accepted go on. */
void acceptor_stop_listening(struct acceptor *a);
/* Ends. Its loop must run once more after, to let handles close; free it then. NULL is fine. */
void acceptor_close(struct acceptor *a);
void acceptor_free(struct acceptor **a);

#endif
