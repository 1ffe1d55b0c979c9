/* tests/integration/node.h - the tree of one element, and paths that say what it should look like.
 *
 * Both clients of these tests (libstrophe in client.c, expat in raw.c) hand over what they received as such trees, so
 * that one language describes every expectation. None of it shares code with the server.
 *
 * A path is steps joined by '/': a local name or '*', then conditions in brackets, all of which must hold:
 *     [@name]         the attribute is there          [@name='v']    and has this value
 *     [not(@name)]    the attribute is not there      [.='text']     the character data directly inside
 *     [a/b[@c='d']]   such a descendant is there      [not(a/b)]     it is not there
 * `@xmlns` is the element's namespace, declared on it or inherited. The first step is the element itself, each further
 * one some child. Values are quoted with ' or ". Nothing is escaped. */
#ifndef LINNET_TESTS_NODE_H
#define LINNET_TESTS_NODE_H

#include <stdbool.h>
#include <stddef.h>

struct node_attr {
    char *name; /* local name; "xml:lang" for that one */
    char *value;
};

struct node {
    char *name; /* local name */
    char *ns;   /* "" for none */
    char *text; /* "" for none */
    struct node_attr *attrs;
    size_t n_attrs;
    struct node *parent;
    struct node *child; /* the first */
    struct node *next;  /* sibling */
};

/* Appended to the children of `parent`, which owns it; with NULL the caller does. Strings are copied. */
struct node *node_new(struct node *parent, const char *name, const char *ns);
void node_free(struct node **n);
void node_add_attr(struct node *n, const char *name, const char *value);
void node_add_text(struct node *n, const char *p, size_t len);

/* NULL: there is no such attribute. */
const char *node_attr(const struct node *n, const char *name);
bool node_matches(const struct node *n, const char *path);
/* The element that the last step names, the first one in document order; NULL: no match. */
const struct node *node_find(const struct node *n, const char *path);
/* The text of node_find(), or NULL. */
const char *node_text(const struct node *n, const char *path);
/* How many children of `n` match a path that starts at the child. */
size_t node_count(const struct node *n, const char *path);
/* For messages to people, in the form of XML; the caller frees. */
char *node_describe(const struct node *n);

#endif
