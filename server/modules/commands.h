/* server/modules/commands.h - commands that users give a host from their clients (XEP-0050), for modules that have
 * some.
 *
 * A command is a name and a few functions, registered when the server starts. What the protocol asks for is done in
 * commands.c: the list, permission, stages forwards and backwards, sessions that nobody can guess, that end when the
 * client goes or forgets them, and of which a client has few. A command with n_stages == 0 answers at once; others show
 * a form for each stage, and are completed with what was submitted at all of them. */
#ifndef LINNET_SERVER_MODULES_COMMANDS_H
#define LINNET_SERVER_MODULES_COMMANDS_H

#include "common/xmpp/data_form.h"
#include "server/modules/module.h"

enum { COMMAND_STAGES_MAX = 4, COMMANDS_MAX = 32 };

struct command_run;

struct command {
    const struct module *module; /* that it belongs to: where that is off, so is the command */
    const char *node;
    const char *name; /* for people */
    /* Whether the sender may use it; the sender is a user of the host. */
    bool (*is_allowed)(const struct iq *iq);
    unsigned n_stages;
    /* Writes what is inside <x type='form'/> of this stage. */
    void (*write_form)(const struct command_run *run, unsigned stage, struct xml_writer *w);
    /* Whether what was submitted at this stage will do; otherwise says why not. May be NULL. */
    const char *(*check)(const struct command_run *run, unsigned stage);
    /* Ends with one of the three functions below, called now or later. */
    void (*complete)(struct command_run *own_run);
};

/* One command that one client is giving. */
struct command_run {
    const struct command *command;
    struct iq *iq;                                       /* the request at hand; kept when complete() is called */
    const struct xml_element *forms[COMMAND_STAGES_MAX]; /* submitted at each stage; NULL: not yet */
    struct command_session *session;                     /* private; NULL: it has a single step */
};

/* [start] From a module's on_start(). `command` lives for ever. */
void command_register(const struct command *command);

/* [worker] Whether the sender is one of host.admins of the host that was asked. */
bool command_sender_is_admin(const struct iq *iq);

/* [worker] The end of complete(): it was done. `payload` is a form of type result, or empty. */
void command_done(struct command_run *own_run, struct str payload);
/* It was not: a note for people. */
void command_fail(struct command_run *own_run, const char *text);
/* It was not, and that is an error of the request. */
void command_refuse(struct command_run *own_run, enum stanza_err err, const char *text);

#endif
