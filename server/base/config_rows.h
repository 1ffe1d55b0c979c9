/* server/base/config_rows.h - the rows of config_keys.def as data, for the files that read, compare and print them.
 *
 * Tables nest: the root's rows are the tables of the file, and a table within a table is a row like any other key. */
#ifndef LINNET_SERVER_CONTROL_CONFIG_ROWS_H
#define LINNET_SERVER_CONTROL_CONFIG_ROWS_H

#include "server/base/config.h"

enum config_type {
    CONFIG_TYPE_TABLE,  /* the field is the table's struct */
    CONFIG_TYPE_TABLES, /* the field points to an array of them, `count_offset` has their number */
    CONFIG_TYPE_BOOL,
    CONFIG_TYPE_UINT,
    CONFIG_TYPE_ENUM,
    CONFIG_TYPE_SET,
    CONFIG_TYPE_STRING,
    CONFIG_TYPE_PATH,
    CONFIG_TYPE_LIST,
    CONFIG_TYPE_NETWORKS,
    CONFIG_TYPE_DOMAIN,
    CONFIG_TYPES,
};

/* What a string has to be, beside a string. */
enum config_check {
    CONFIG_CHECK_NONE,
    CONFIG_CHECK_ADDRESS,
    CONFIG_CHECK_MODULE,
    CONFIG_CHECK_URI,
    CONFIG_CHECK_JID,
    CONFIG_CHECK_FILLED
};

struct config_table;

struct config_row {
    const char *field;
    const char *text; /* for the administrator; NULL for tables, which have their own */
    enum config_type type;
    bool on_reload;
    size_t offset;       /* in the struct of its table */
    size_t count_offset; /* CONFIG_TYPE_TABLES */
    const struct config_table *table;
    uint64_t fallback; /* BOOL, UINT, ENUM, SET */
    uint64_t min;      /* UINT */
    uint64_t max;
    const char *unit;
    const char *const *names;  /* ENUM, SET */
    const char *fallback_text; /* STRING, PATH, LIST */
    const char *in_data_dir;   /* PATH: what the empty one means; NULL: it stays empty */
    enum config_check check;   /* STRING, LIST */
    const char *from_key;      /* of the *_AS rows: "limits.stanza_bytes"; else NULL */
    size_t from_offset;        /* of that key in struct config */
};

struct config_table {
    const char *path; /* "host.limits"; "" for the root */
    const char *text;
    size_t size; /* of its struct */
    size_t n_rows;
    const struct config_row *rows;
};

/* Laid over struct config. */
extern const struct config_table config_root;

/* [any] NULL: the table has no such field. */
const struct config_row *config_row_in(const struct config_table *table, struct str field);
/* [any] By the whole key, from the root, such as "host.limits.stanza_bytes"; NULL: there is none. */
const struct config_row *config_row_find(struct str key);
/* [any] The row that has range, names and check: another one for the *_AS rows. */
const struct config_row *config_row_origin(const struct config_row *row);
/* [any] Appends "limits.stanza_bytes". */
void config_key_append(struct buf *out, const struct config_table *table, struct str field);
/* [any] Appends what the row expects, such as "an integer from 10000 to 16777216 bytes". */
void config_row_append_expected(struct buf *out, const struct config_row *row);

static inline void *config_field(const struct config_row *row, void *table_struct)
{
    return (char *)table_struct + row->offset;
}
static inline const void *config_field_const(const struct config_row *row, const void *table_struct)
{
    return (const char *)table_struct + row->offset;
}

#endif
