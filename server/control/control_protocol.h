/* server/control/control_protocol.h - what linnetctl and the server say to each other.
 *
 * Private to the two programs, which are built together; others use `linnetctl --json`. One request a connection. All
 * is text: a line is fields with a tab between them and a line feed at its end. Within a field \\ \t \n stand for
 * backslash, tab and line feed, and a field that is just \N for "nothing", so any bytes but NUL can be a value, a
 * password too.
 *
 *   linnetctl  1  sessions  juliet@linnet.example
 *   server     table  sessions  many  id:text  worker:int  full_jid:text  lang:text+
 *              row    7f3a      0     juliet@linnet.example/balcony       en
 *              ok
 *
 * A request is the version, the command, its arguments. An answer is any number of tables, each followed by its rows,
 * and then `ok` with an optional message or `error` with one, after which the server closes. As the verdict comes last,
 * a long answer is sent while it is being gathered, and an answer without one was cut off. Pure functions: [any]. */
#ifndef LINNET_SERVER_CONTROL_CONTROL_PROTOCOL_H
#define LINNET_SERVER_CONTROL_CONTROL_PROTOCOL_H

#include "common/buf.h"

#define CONTROL_VERSION "1"

enum {
    CONTROL_REQUEST_MAX = 16 * 1024, /* bytes of a request */
    CONTROL_FIELDS_MAX = 64,         /* of a line */
};

/* What a value is, so that linnetctl can write it for people and as JSON. */
enum control_type {
    CONTROL_TEXT,
    CONTROL_INT,
    CONTROL_BOOL,    /* 0, 1 */
    CONTROL_TIME,    /* milliseconds since 1970 */
    CONTROL_SECONDS, /* a duration */
    CONTROL_BYTES,
    CONTROL_TYPES,
};

enum control_shape {
    CONTROL_ONE,  /* a single row: shown as lines of "name value", in JSON an object */
    CONTROL_MANY, /* a table, in JSON an array of objects */
    CONTROL_RAW,  /* a single row of one column: text that is shown as it is */
    CONTROL_SHAPES,
};

struct control_column {
    const char *name;
    enum control_type type;
    bool is_detail; /* left out of tables for people, unless they ask for --wide */
};

/* ---- writing ---- */

/* Appends the line that opens a table. */
void control_put_table(struct buf *out, const char *name, enum control_shape shape,
                       const struct control_column *columns, size_t n_columns);
/* A line: begins with a word of ours, then fields, then its end. */
void control_begin_line(struct buf *out, const char *word);
void control_put_str(struct buf *out, struct str value);
void control_put_cstr(struct buf *out, const char *value); /* NULL: nothing */
void control_put_int(struct buf *out, int64_t value);
void control_put_bool(struct buf *out, bool value);
void control_put_none(struct buf *out);
void control_end_line(struct buf *out);

/* ---- reading ---- */

struct control_line {
    size_t n;
    struct str fields[CONTROL_FIELDS_MAX]; /* .p is NULL: nothing */
};

/* Takes a line without its line feed apart; the escapes are resolved in place, and the fields point into `bytes`.
 * False: an escape that does not exist, a NUL, or too many fields. */
bool control_split(char *bytes, size_t len, struct control_line *ret);

/* "text", "int", ...; "one", "many", "raw". False: there is no such word. */
bool control_type_of(struct str word, enum control_type *ret);
bool control_shape_of(struct str word, enum control_shape *ret);

#endif
