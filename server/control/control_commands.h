/* server/control/control_commands.h - the table of commands and what they share; private to control_*.c.
 *
 * A command is a function and a row in control_commands.c. It runs on the control thread and answers through its
 * request (control_listener.h), at once or when the worker, the pool or the storage that it asked has answered. All:
 * [control]. */
#ifndef LINNET_SERVER_CONTROL_CONTROL_COMMANDS_H
#define LINNET_SERVER_CONTROL_CONTROL_COMMANDS_H

#include "common/xmpp/jid.h"
#include "server/control/control_listener.h"
#include "server/control/control_socket.h"
#include "server/net/worker.h"

struct control {
    struct server *server;
    const struct control_callbacks *callbacks;
    struct control_listener *listener;
};

struct control_command {
    const char *name;
    /* How many arguments it takes, the command itself not counted. */
    size_t args_min, args_max;
    bool only_looks; /* changes nothing: not worth a line in the log at its usual level */
    void (*run)(struct control *c, struct control_request *r);
};

/* control_accounts.c */
void control_adduser(struct control *c, struct control_request *r);
void control_passwd(struct control *c, struct control_request *r);
void control_deluser(struct control *c, struct control_request *r);
void control_users(struct control *c, struct control_request *r);
/* control_clients.c */
void control_clients(struct control *c, struct control_request *r);
void control_logout(struct control *c, struct control_request *r);
/* control_import.c */
void control_import(struct control *c, struct control_request *r);
/* control_invites.c */
void control_invite(struct control *c, struct control_request *r);
void control_invites(struct control *c, struct control_request *r);
void control_uninvite(struct control *c, struct control_request *r);
/* control_reports.c */
void control_reports(struct control *c, struct control_request *r);
/* control_sessions.c */
void control_sessions(struct control *c, struct control_request *r);
void control_kick(struct control *c, struct control_request *r);

static inline const struct config *control_config(const struct control *c)
{
    return c->callbacks->config(c->callbacks->ctx);
}

/* Prepares an argument as an address. False: it is none, and the request has been ended with an error. */
bool control_parse_jid(struct control_request *r, struct str text, struct jid_buf *mem, struct jid *ret);
/* Ends the request: the server does not serve that host, but these. */
void control_fail_host(struct control *c, struct control_request *r, struct str host);

#endif
