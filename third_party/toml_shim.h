/* third_party/toml_shim.h - toml++ for C: a TOML document as a tree of plain structs.
 *
 * No C parser of TOML 1.0 is packaged and kept up; toml++ is, but it is C++. This shim is all of linnet that is: it
 * parses a text, copies what was found with its place in the file, and lets go of everything else. */
#ifndef LINNET_THIRD_PARTY_TOML_SHIM_H
#define LINNET_THIRD_PARTY_TOML_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum toml_type {
    TOML_TABLE,
    TOML_ARRAY,
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT, /* nothing is configured by one: without its value, as all that follow */
    TOML_BOOLEAN,
    TOML_TIME, /* dates and times of all kinds */
};

struct toml_place {
    unsigned line; /* from 1 */
    unsigned column;
};

struct toml_value {
    enum toml_type type;
    const char *key; /* in a table; NULL in an array */
    struct toml_place key_place;
    struct toml_place place;
    const char
        *text; /* TOML_STRING: UTF-8, a NUL behind it that `text_len` does not count; it may have others within */
    size_t text_len;
    int64_t integer;
    bool boolean;
    size_t n_children; /* TOML_TABLE, TOML_ARRAY: in the order of the file */
    struct toml_value *children;
};

struct toml_error {
    struct toml_place place;
    char message[256];
};

/* [any] The document's root table; NULL: it is not TOML, and `ret_error` says where and why. */
struct toml_value *toml_parse(const char *text, size_t len, struct toml_error *ret_error);
/* [any] Accepts NULL, leaves NULL. */
void toml_free(struct toml_value **root);

#ifdef __cplusplus
}
#endif

#endif
