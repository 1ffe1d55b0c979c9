/* server/control/control_socket.h - the operator's commands: what linnetctl asks of a running server.
 *
 * The socket lives on the loop of the main thread, whose executor is server->control; answers of workers, pool and
 * storage come there. It reads what workers own only by tasks that run on them, a slice at a time, so asking costs no
 * session more than a moment. control_protocol.h has the protocol, docs/operations.md what each command is for. All:
 * [control]. */
#ifndef LINNET_SERVER_CONTROL_CONTROL_SOCKET_H
#define LINNET_SERVER_CONTROL_CONTROL_SOCKET_H

#include <uv.h>

#include "common/buf.h"
#include "common/err.h"
#include "server/base/config.h"

struct server;

/* What main.c does for the operator. All are called on the control thread. */
struct control_callbacks {
    void *ctx;
    /* Reads the file anew and puts it in force. `on_change` is called with `arg` for each key that differs, as
     * config_diff() does. False: the file is refused and the old one stays in force. `messages`: the mistakes, or what
     * is to be said besides (a certificate that expires soon), a line each. */
    bool (*reload)(void *ctx, void (*on_change)(void *arg, const struct config_change *change), void *arg,
                   struct buf *messages);
    /* Begins to stop, as SIGTERM does; returns at once. */
    void (*stop)(void *ctx);
    bool (*is_draining)(void *ctx);
    /* The configuration in force; borrowed during the command. */
    const struct config *(*config)(void *ctx);
};

enum { CONTROL_SOCKET_ERROR_SIZE = 512 };

/* Opens the socket at `path`; there is one in a process. `server` and `callbacks` must live until
 * control_socket_close(). The workers must run. On failure `ret_error` (CONTROL_SOCKET_ERROR_SIZE bytes) says what is
 * wrong and how to mend it; LN_E_EXISTS: a living server uses the path. */
enum ln_err control_socket_open(uv_loop_t *loop, struct server *server, const struct control_callbacks *callbacks,
                                const char *path, char *ret_error);
/* Removes the socket and drops its clients. To be called before the workers are stopped; tasks for server->control must
 * be run until the workers have been freed and the storage closed, since answers may be on their way. Nothing happens
 * when it is not open. */
void control_socket_close(void);

#endif
