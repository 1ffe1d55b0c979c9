/* common/xmpp/xml.h - the tree of a parsed element.
 *
 * All spans lie in the arena of the stanza they belong to; sealed trees are never changed, so any thread may read them.
 * Names are local names; namespaces are resolved. */
#ifndef LINNET_COMMON_XMPP_XML_H
#define LINNET_COMMON_XMPP_XML_H

#include "common/str.h"

struct xml_attr {
    struct str name;   /* local name */
    struct str prefix; /* as written; empty for nearly all, but in any case points at where the attribute begins */
    struct str ns;     /* empty for attributes without a prefix; for xml:lang that of the prefix xml */
    struct str value;  /* decoded */
};

/* A namespace declaration, as the chain of those that are in force at an element: for writing a start tag anew. */
struct xml_binding {
    struct str prefix;               /* empty: the default namespace */
    struct str ns;                   /* empty: `xmlns=''` */
    const struct xml_binding *outer; /* may be hidden by this one */
    uint16_t depth;                  /* of the element that declares it: 1 is the stanza, 0 the root of the stream */
};

struct xml_element {
    struct str name;
    struct str prefix; /* as written; nearly always empty */
    struct str ns;
    struct str text; /* the character data directly inside, decoded and joined; empty when there is none */
    /* Namespace declarations (xmlns, xmlns:x) are not among them: they are resolved into the `ns` fields. */
    const struct xml_attr *attrs;
    const struct xml_element *parent; /* NULL for the stanza itself */
    const struct xml_element *child;  /* the first child element, or NULL */
    const struct xml_element *next;   /* the next sibling element, or NULL */
    struct str outer;                 /* the bytes as they came in, from '<' to the last '>' */
    struct str inner;                 /* the bytes between start and end tag; empty for <a/> and <a></a> */
    const struct xml_binding *scope;  /* what is in force here, the innermost first */
    uint16_t n_attrs;
    uint16_t depth; /* 1 for the stanza */
    /* `outer` leans on a prefix declared outside it (on the stream root, or on an ancestor), or on a default namespace
     * other than that which the stream's root declares: not to be copied as it is. */
    bool needs_context;
    /* The element or a descendant takes its namespace from the default that the stream's root declares. */
    bool uses_stream_ns;
};

/* [any] The value of an attribute without a prefix; *ret_found tells an empty value from none. May be NULL. */
struct str xml_attr(const struct xml_element *e, const char *name, bool *ret_found);
/* [any] xml:lang of this very element, or empty. */
struct str xml_lang(const struct xml_element *e);
/* [any] The first child element with this name and namespace; NULL for either means any. */
const struct xml_element *xml_child(const struct xml_element *e, const char *name, const char *ns);
/* [any] The next sibling with that name and namespace. */
const struct xml_element *xml_next(const struct xml_element *e, const char *name, const char *ns);
bool xml_is(const struct xml_element *e, const char *name, const char *ns);
size_t xml_count_children(const struct xml_element *e);
/* [any] What an empty prefix, or this one, stands for at `scope`; NULL: nothing was declared. */
const struct xml_binding *xml_find_binding(const struct xml_binding *scope, struct str prefix);

#endif
