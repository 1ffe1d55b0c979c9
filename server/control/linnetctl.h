/* server/control/linnetctl.h - the parts of linnetctl, the operator's program; private to linnetctl*.c.
 *
 * It finds the running server's control socket, sends one request, and writes the answer as tables for people or as
 * JSON. `probe` needs no socket: it is an XMPP client. What each exit code means is part of what scripts rely on. */
#ifndef LINNET_SERVER_CONTROL_LINNETCTL_H
#define LINNET_SERVER_CONTROL_LINNETCTL_H

#include "common/arena.h"
#include "common/buf.h"
#include "server/control/control_protocol.h"

enum ctl_exit {
    CTL_DONE = 0,
    CTL_FAILED = 1,      /* refused, or it did not work; a message says why */
    CTL_USAGE = 2,       /* the command line is wrong */
    CTL_UNREACHABLE = 3, /* no server answers, or there is no way to find it */
};

#define CTL_DEFAULT_CONFIG "/etc/linnet/linnet.toml"

struct ctl_options {
    bool help, version;
    bool json;
    bool wide;
    bool yes;
    const char *config;        /* NULL: $LINNET_CONFIG, else CTL_DEFAULT_CONFIG */
    const char *socket;        /* NULL: from the configuration */
    bool password_stdin;       /* even if stdin is a terminal */
    const char *password_file; /* NULL: none */
    /* invite */
    const char *contact;
    const char *name;
    const char *expires;
    const char *uses;
    /* probe */
    const char *address; /* NULL: as DNS says */
    const char *port;
    const char *tls;
    const char *timeout;
    bool insecure;
};

/* ---- an answer (linnetctl_client.c) ---- */

struct ctl_column {
    struct str name;
    enum control_type type;
    bool is_detail;
};

struct ctl_table {
    struct ctl_table *next;
    struct str name;
    enum control_shape shape;
    size_t n_columns;
    struct ctl_column columns[CONTROL_FIELDS_MAX];
    size_t n_rows, cap;
    struct str *cells; /* n_rows * n_columns; .p is NULL: nothing */
};

struct ctl_answer {
    struct arena *arena; /* what the tables point to */
    struct ctl_table *tables, **end;
    struct str message; /* of the verdict; empty: none */
};

/* Where the server's control socket is, by the options; the caller frees. NULL: an error has been printed. */
char *ctl_find_socket(const struct ctl_options *opt);
/* Sends the request and reads the answer. Errors have been printed; CTL_DONE: `ret` is the answer, to be freed. */
enum ctl_exit ctl_ask(const struct ctl_options *opt, const struct str *args, size_t n_args, struct ctl_answer *ret);
void ctl_answer_deinit(struct ctl_answer *a);

/* Prints an error: to stderr, and with --json as an object to stdout. */
void ctl_error(const struct ctl_options *opt, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- output ---- */

/* linnetctl_table.c: for people. */
void ctl_print_tables(const struct ctl_answer *a, bool wide);
/* linnetctl_json.c: one value and a line feed. Without a message, a single table of many rows is an array. Otherwise it
 * is an object: the fields of the table with one row, the message as "message", and the other tables by their names. */
void ctl_print_json(const struct ctl_answer *a);
void ctl_json_string(struct buf *out, struct str s);

/* ---- input (linnetctl_password.c) ---- */

enum { CTL_PASSWORD_MAX = 4096 };

/* A password: from the file, from a terminal without echo (twice if it is a new one), or a line of stdin. False: an
 * error has been printed. Wipe it after use. */
bool ctl_read_password(const struct ctl_options *opt, const char *whose, bool is_new, char ret[CTL_PASSWORD_MAX]);
/* True unless a person at a terminal says no. */
bool ctl_confirm(const struct ctl_options *opt, const char *question);

/* ---- import (linnetctl_import.c) ---- */

/* Makes the accounts that the file lists, or standard input (NULL). CTL_FAILED also if some were refused, which are
 * told. */
enum ctl_exit ctl_import(const struct ctl_options *opt, const char *path);

/* ---- probe (linnetctl_probe.c) ---- */

enum ctl_exit ctl_probe(const struct ctl_options *opt, const char *jid);

#endif
