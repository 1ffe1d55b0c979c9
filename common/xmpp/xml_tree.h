/* common/xmpp/xml_tree.h - an element while it is being read.
 *
 * Private to the XML reader. Nodes hold places in the element's bytes, not addresses, since the bytes move while they
 * arrive. When the element is complete it is sealed: one arena takes the bytes, the final elements and attributes, and
 * what had to be decoded. Sizes are known by then, so it is one allocation, filled once. */
#ifndef LINNET_COMMON_XMPP_XML_TREE_H
#define LINNET_COMMON_XMPP_XML_TREE_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/xmpp/xml.h"

enum {
    XML_ROOT_BINDINGS_MAX = 32,   /* declarations on the stream's root, the default namespace counted */
    XML_ROOT_NS_BYTES_MAX = 1024, /* length of all of them: each is repeated in stanzas that lean on it */
    XML_BINDINGS_MAX = 128,       /* declarations in force at once within a stanza: bounds the search for a prefix */
    XML_NO_NODE = UINT32_MAX,
};

/* A namespace is known by number. */
enum {
    XML_NS_EMPTY = 0,
    XML_NS_OF_XML = 1,  /* the prefix `xml`, which nobody needs to declare */
    XML_NS_OF_ROOT = 2, /* + place in xml_root_ns.bindings; the first is the default namespace */
    XML_NS_OF_DECL = XML_NS_OF_ROOT + XML_ROOT_BINDINGS_MAX, /* + place in xml_tree.decls */
};

/* What the stream's root declared. */
struct xml_root_ns {
    struct str name;                    /* of the root as written, prefix and all: its end tag must be the same */
    const struct xml_binding *bindings; /* [0]: the default namespace, always there; each leads to the one before */
    uint16_t n;
    bool is_static; /* lasts for ever: neither copied into arenas nor freed */
};

/* All places count from the '<' of the element. */
struct xml_node {
    uint32_t outer, outer_end;
    uint32_t inner, inner_end;
    uint32_t prefix_len, name_len;
    uint32_t text, text_len; /* plain text: its place; else only the length once decoded */
    uint32_t first_attr;
    uint32_t parent;
    uint32_t after; /* the node behind all its descendants */
    uint32_t ns;
    uint32_t scope; /* 0: the root's declarations; else 1 + place of the innermost in xml_tree.decls */
    uint16_t n_attrs;
    uint16_t depth;
    uint16_t reach;      /* the smallest depth of a declaration that it and its descendants use; see needs_context */
    bool has_coded_text; /* references, CR, CDATA, or child elements between: must be decoded and joined */
    bool uses_stream_ns;
};

struct xml_node_attr {
    uint32_t name, prefix_len, name_len; /* `name` is where the prefix begins, if there is one */
    uint32_t value, value_end;
    uint32_t decoded_len;
    uint32_t ns;
    bool is_coded;
};

struct xml_decl {
    uint32_t prefix, prefix_len;
    uint32_t uri, uri_len;
    uint32_t outer; /* as xml_node.scope */
    uint16_t depth;
    uint16_t in_force; /* this one and those behind it */
    bool is_coded;     /* the URI had references: `uri` is a place in xml_tree.decoded_uris */
};

/* xml_reader_kept_bytes() promises these. */
_Static_assert(sizeof(struct xml_node) <= 60 && sizeof(struct xml_node_attr) <= 32 && sizeof(struct xml_decl) <= 28,
               "what an incomplete stanza costs");
_Static_assert(sizeof(struct xml_element) <= 144 && sizeof(struct xml_attr) <= 64 && sizeof(struct xml_binding) <= 48,
               "what a complete one costs");

struct xml_tree {
    struct xml_node *nodes; /* in the order of their start tags */
    struct xml_node_attr *attrs;
    struct xml_decl *decls;
    uint32_t n_nodes, n_attrs, n_decls;
    uint32_t cap_nodes, cap_attrs, cap_decls;
    struct buf decoded_uris;
    size_t decoded_bytes; /* that text and values will take */
    uint32_t open;        /* the innermost element without its end tag yet */

    /* Where the reader is. What lies before `pos` has been taken; a token begins there. */
    uint32_t pos;
    uint32_t looked; /* how far the end of a token that was cut has been searched */
    char quote;      /* at `looked`: inside a value with these quotes */
    bool is_cut;     /* the token at `pos` was incomplete when the input ended */
    bool is_in_cdata;
};

void xml_tree_deinit(struct xml_tree *t);
/* Forgets the element and keeps the memory, unless that is much. */
void xml_tree_reset(struct xml_tree *t);
/* An independent copy into uninitialised storage, without room to spare. */
void xml_tree_copy(struct xml_tree *to, const struct xml_tree *from);
/* Bytes of memory it owns. */
size_t xml_tree_memory(const struct xml_tree *t);

/* Zeroed items at the end. Pointers to others of the kind are void after. */
struct xml_node *xml_tree_add_node(struct xml_tree *t);
struct xml_node_attr *xml_tree_add_attr(struct xml_tree *t);
struct xml_decl *xml_tree_add_decl(struct xml_tree *t);

/* Bytes [from, to) are character data directly inside the open element and stand for themselves. */
void xml_tree_add_text(struct xml_tree *t, uint32_t from, uint32_t to);
/* The same for what becomes `decoded_len` other bytes. */
void xml_tree_add_coded_text(struct xml_tree *t, size_t decoded_len);
/* Takes the last `n` bytes of the open element's text back. */
void xml_tree_trim_text(struct xml_tree *t, uint32_t n);
/* The open element ends. */
void xml_tree_close(struct xml_tree *t, uint32_t inner_end, uint32_t outer_end);

/* Decoded text of a namespace by its number, while the tree is being read. */
struct str xml_tree_ns(const struct xml_tree *t, const char *bytes, const struct xml_root_ns *root, uint32_t ns);

/* Decodes an attribute's value, which has been checked, to `out`; returns the end of what was written. */
char *xml_decode_value(struct str raw, char *out);

/* Makes the final form of the first element, with `room` more bytes in the arena for what its owner adds. */
struct arena *xml_tree_seal(const struct xml_tree *t, const char *bytes, const struct xml_root_ns *root, size_t room,
                            const struct xml_element **ret);

#endif
