/* server/control/control_listener.h - the control socket itself: who may connect, and one request and answer a
 * connection.
 *
 * Knows the protocol (control_protocol.h) but no command. Only the server's own user and root are let in: the socket
 * has mode 0600, and the kernel is asked who connected. Nothing here waits: whoever carries out a request may answer at
 * once, later, or piece by piece, and a client that does not take its answer is dropped. All: [control], the loop's
 * thread. */
#ifndef LINNET_SERVER_CONTROL_CONTROL_LISTENER_H
#define LINNET_SERVER_CONTROL_CONTROL_LISTENER_H

#include <uv.h>

#include "common/buf.h"
#include "common/err.h"
#include "server/control/control_protocol.h"

enum {
    CONTROL_CLIENTS_MAX = 32,    /* at once; further ones wait */
    CONTROL_ERROR_SIZE = 512,    /* of ret_error */
    CONTROL_CHUNK_BYTES = 65536, /* about how much of a long answer is sent at a time */
};

struct control_listener;
struct control_request;

struct control_limits {
    uint64_t request_ms; /* for the request to come */
    uint64_t write_ms;   /* for each part of the answer to be taken */
    uint64_t run_ms;     /* for a command to be carried out, or a part of it */
};
extern const struct control_limits control_limits_default;

/* A request came whole. It stays valid during the call and as long as references are held; it must be ended in the end,
 * by control_ok() or control_fail(). */
typedef void (*control_on_request)(void *ctx, struct control_request *r);

/* Makes the socket, mode 0600, and its folder, mode 0700, if there is none. A socket that a dead server left is
 * replaced. LN_E_EXISTS: a living server has it; LN_E_INVALID: the path cannot be used (too long, not a socket, a
 * folder where others may write); LN_E_IO. `ret_error` (CONTROL_ERROR_SIZE) says what and how to mend it. */
enum ln_err control_listener_open(uv_loop_t *loop, const char *path, const struct control_limits *limits,
                                  control_on_request on_request, void *ctx, struct control_listener **ret,
                                  char *ret_error);
/* Removes the socket and drops all clients; the loop must run on until its handles have closed. Accepts NULL, leaves
 * NULL. */
void control_listener_close(struct control_listener **l);

/* ---- a request ---- */

/* The command, then its arguments; .p is NULL for "nothing". Borrowed until the request is freed. */
size_t control_n_args(const struct control_request *r);
struct str control_arg(const struct control_request *r, size_t i);

/* Its client has gone, or the request was ended: what is still done for it is for nobody. */
bool control_is_over(const struct control_request *r);
/* For call-backs that come later. */
struct control_request *control_ref(struct control_request *r);
void control_unref(struct control_request **r);

/* What a command remembers between its steps. Freed with the request, by `free_state`, on the control thread. */
void control_set_state(struct control_request *r, void *own_state, void (*free_state)(void *state));
void *control_state(const struct control_request *r);

/* Where lines of the answer are appended. What was appended goes out with one of the three below. */
struct buf *control_out(struct control_request *r);
/* Sends what there is; calls `next` when the client has taken it, unless it has gone. */
void control_send(struct control_request *r, void (*next)(struct control_request *r));
/* Ends the request, with a message for the person. Nothing happens when it is over. */
void control_ok(struct control_request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void control_fail(struct control_request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
