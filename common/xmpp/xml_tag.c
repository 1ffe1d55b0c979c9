/* Start tags: names, attributes, and what they declare and use of namespaces (Namespaces in XML 1.0). */
#include "common/utf8.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_chars.h"
#include "common/xmpp/xml_content.h"

#define NS_XMLNS "http://www.w3.org/2000/xmlns/"

enum { REACHES_NOTHING = UINT16_MAX };

/* The tag that is being read. Numbers rather than pointers into the tree, whose arrays move when they grow. */
struct tag {
    struct xml_tree *tree;
    const struct xml_source *src;
    const char *p; /* what comes next */
    const char *end;
    uint32_t node;
    uint32_t scope;
    uint32_t first_decl;
    uint16_t n_attrs;    /* declarations counted */
    bool has_default_ns; /* `xmlns` was among them */
};

static struct xml_node *tag_node(const struct tag *tag)
{
    return &tag->tree->nodes[tag->node];
}

static struct str rest(const struct tag *tag)
{
    return str_make(tag->p, (size_t)(tag->end - tag->p));
}

static struct str bytes_at(const struct tag *tag, uint32_t from, uint32_t len)
{
    return str_make(tag->src->bytes + from, len);
}

static uint32_t place(const struct tag *tag)
{
    return (uint32_t)(tag->p - tag->src->bytes);
}

static bool next_is(const struct tag *tag, char c)
{
    return tag->p < tag->end && *tag->p == c;
}

static void skip_space(struct tag *tag)
{
    while (tag->p < tag->end && xml_char_is(*tag->p, XML_C_SPACE))
        tag->p++;
}

/* Letters. */

static bool read_qname(struct tag *tag, uint32_t *ret_prefix_len, uint32_t *ret_name_len)
{
    size_t len = xml_name_length(rest(tag)), prefix_len = 0;

    tag->p += len;
    if (len > 0 && next_is(tag, ':')) {
        tag->p++;
        prefix_len = len;
        len = xml_name_length(rest(tag));
        tag->p += len;
    }
    *ret_prefix_len = (uint32_t)prefix_len;
    *ret_name_len = (uint32_t)len;
    return len > 0;
}

/* Something in a value that does not stand for itself: adds its length once decoded. White space becomes a space
 * (XML 1.0 section 3.3.3). */
static enum xml_error read_coded(struct tag *tag, uint32_t *len)
{
    char utf8[4];
    uint32_t cp;
    ptrdiff_t taken;

    switch (*tag->p) {
    case '\t':
    case '\n':
    case '\r':
        tag->p += *tag->p == '\r' && tag->end - tag->p > 1 && tag->p[1] == '\n' ? 2 : 1;
        *len += 1;
        return XML_OK;
    case '&':
        taken = xml_reference(rest(tag), &cp);
        if (taken <= 0)
            return taken == XML_CHARS_UNKNOWN_ENTITY ? XML_RESTRICTED : XML_NOT_WELL_FORMED;
        tag->p += taken;
        *len += (uint32_t)utf8_encode(cp, utf8);
        return XML_OK;
    default:
        return XML_NOT_WELL_FORMED;
    }
}

/* From the opening quote to behind the closing one. */
static enum xml_error read_value(struct tag *tag, struct xml_node_attr *a)
{
    char quote;

    if (!next_is(tag, '"') && !next_is(tag, '\''))
        return XML_NOT_WELL_FORMED;
    quote = *tag->p++;
    a->value = place(tag);
    for (;;) {
        size_t run = xml_value_run(rest(tag));

        tag->p += run;
        a->decoded_len += (uint32_t)run;
        if (tag->p == tag->end)
            return XML_NOT_WELL_FORMED;
        if (*tag->p == quote)
            break;
        if (*tag->p == '"' || *tag->p == '\'' || *tag->p == '>') {
            tag->p++;
            a->decoded_len++;
            continue;
        }
        enum xml_error error = read_coded(tag, &a->decoded_len);
        if (error != XML_OK)
            return error;
        a->is_coded = true;
    }
    a->value_end = place(tag);
    tag->p++;
    return XML_OK;
}

/* Declarations. */

static struct str decoded_uri(struct tag *tag, const struct xml_node_attr *a)
{
    struct buf *uris = &tag->tree->decoded_uris;
    struct str raw = bytes_at(tag, a->value, a->value_end - a->value);
    char *out;

    if (!a->is_coded)
        return raw;
    out = buf_reserve(uris, a->decoded_len);
    (void)xml_decode_value(raw, out);
    return str_make(out, a->decoded_len);
}

static bool is_declared_twice(const struct tag *tag, struct str prefix)
{
    if (prefix.len == 0)
        return tag->has_default_ns;
    for (uint32_t i = tag->first_decl; i < tag->tree->n_decls; i++) {
        const struct xml_decl *d = &tag->tree->decls[i];

        if (str_eq(bytes_at(tag, d->prefix, d->prefix_len), prefix))
            return true;
    }
    return false;
}

/* Namespaces in XML 1.0, section 3 and its constraints on reserved prefixes and on undeclaring. */
static bool may_bind(struct str prefix, struct str uri)
{
    if (str_eq(prefix, STR("xmlns")) || str_eq(uri, STR(NS_XMLNS)))
        return false;
    if (str_eq(prefix, STR("xml")) != str_eq(uri, STR(NS_XML)))
        return false;
    return prefix.len == 0 || uri.len > 0;
}

static uint32_t find_default(const struct tag *tag)
{
    uint32_t scope = tag->scope;

    while (scope != 0 && tag->tree->decls[scope - 1].prefix_len > 0)
        scope = tag->tree->decls[scope - 1].outer;
    return scope == 0 ? XML_NS_OF_ROOT : XML_NS_OF_DECL + scope - 1;
}

static enum xml_error declare(struct tag *tag, const struct xml_node_attr *a)
{
    struct xml_tree *t = tag->tree;
    /* xmlns='uri' or xmlns:name='uri' */
    struct str prefix = a->prefix_len > 0 ? bytes_at(tag, a->name + a->prefix_len + 1, a->name_len) : STR("");
    struct str uri = decoded_uri(tag, a);
    uint16_t in_force = tag->scope == 0 ? 1 : t->decls[tag->scope - 1].in_force + 1u;
    struct xml_decl *d;

    if (is_declared_twice(tag, prefix) || !may_bind(prefix, uri))
        return XML_NOT_WELL_FORMED;
    if (prefix.len == 0) {
        tag->has_default_ns = true;
        /* Many clients repeat the stream's default on each stanza. That changes nothing, and must not make the children
         * lean on the stanza's start tag. */
        if (find_default(tag) == XML_NS_OF_ROOT && str_eq(uri, tag->src->root->bindings[0].ns))
            return XML_OK;
    }
    if (in_force > XML_BINDINGS_MAX)
        return XML_TOO_MANY_ATTRS;
    d = xml_tree_add_decl(t);
    *d = (struct xml_decl){
        .prefix = prefix.len > 0 ? (uint32_t)(prefix.p - tag->src->bytes) : 0,
        .prefix_len = (uint32_t)prefix.len,
        .uri = a->is_coded ? (uint32_t)t->decoded_uris.len : a->value,
        .uri_len = (uint32_t)uri.len,
        .outer = tag->scope,
        .depth = tag_node(tag)->depth,
        .in_force = in_force,
        .is_coded = a->is_coded,
    };
    if (a->is_coded)
        t->decoded_uris.len += uri.len;
    tag->scope = t->n_decls;
    return XML_OK;
}

static bool is_declaration(const struct tag *tag, const struct xml_node_attr *a)
{
    uint32_t first_len = a->prefix_len > 0 ? a->prefix_len : a->name_len;

    return str_eq(bytes_at(tag, a->name, first_len), STR("xmlns"));
}

static enum xml_error read_attr(struct tag *tag)
{
    struct xml_node_attr a = {.name = place(tag)};
    enum xml_error error;

    if (!read_qname(tag, &a.prefix_len, &a.name_len))
        return XML_NOT_WELL_FORMED;
    skip_space(tag);
    if (!next_is(tag, '='))
        return XML_NOT_WELL_FORMED;
    tag->p++;
    skip_space(tag);
    error = read_value(tag, &a);
    if (error != XML_OK)
        return error;
    if (++tag->n_attrs > tag->src->limits->attrs || tag->n_attrs > XML_ATTRS_MAX)
        return XML_TOO_MANY_ATTRS;
    if (is_declaration(tag, &a))
        return declare(tag, &a);
    *xml_tree_add_attr(tag->tree) = a;
    tag_node(tag)->n_attrs++;
    if (a.is_coded)
        tag->tree->decoded_bytes += a.decoded_len;
    return XML_OK;
}

/* Use of namespaces. */

static void reach(struct xml_node *n, uint16_t depth)
{
    if (depth < n->reach)
        n->reach = depth;
}

static bool find_prefix(const struct tag *tag, struct str prefix, uint32_t *ret_ns, uint16_t *ret_depth)
{
    const struct xml_root_ns *root = tag->src->root;

    *ret_depth = REACHES_NOTHING;
    *ret_ns = XML_NS_OF_XML;
    if (str_eq(prefix, STR("xml")))
        return true;
    for (uint32_t scope = tag->scope; scope != 0; scope = tag->tree->decls[scope - 1].outer) {
        const struct xml_decl *d = &tag->tree->decls[scope - 1];

        if (str_eq(bytes_at(tag, d->prefix, d->prefix_len), prefix)) {
            *ret_depth = d->depth;
            *ret_ns = XML_NS_OF_DECL + scope - 1;
            return true;
        }
    }
    for (uint32_t i = 1; i < root->n; i++) {
        if (str_eq(root->bindings[i].prefix, prefix)) {
            *ret_depth = 0;
            *ret_ns = XML_NS_OF_ROOT + i;
            return true;
        }
    }
    return false;
}

static enum xml_error resolve_element(const struct tag *tag)
{
    struct xml_node *n = tag_node(tag);
    uint16_t depth;

    if (n->prefix_len > 0) {
        if (!find_prefix(tag, bytes_at(tag, n->outer + 1, n->prefix_len), &n->ns, &depth))
            return XML_BAD_NAMESPACE_PREFIX;
        reach(n, depth);
        return XML_OK;
    }
    n->ns = find_default(tag);
    if (n->ns == XML_NS_OF_ROOT)
        n->uses_stream_ns = true;
    else
        reach(n, tag->tree->decls[n->ns - XML_NS_OF_DECL].depth);
    return XML_OK;
}

static bool is_same_name(const struct tag *tag, const struct xml_node_attr *a, const struct xml_node_attr *b)
{
    uint32_t a_skip = a->prefix_len > 0 ? a->prefix_len + 1 : 0, b_skip = b->prefix_len > 0 ? b->prefix_len + 1 : 0;

    if (a->name_len != b->name_len || (a->prefix_len > 0) != (b->prefix_len > 0))
        return false;
    if (!str_eq(bytes_at(tag, a->name + a_skip, a->name_len), bytes_at(tag, b->name + b_skip, b->name_len)))
        return false;
    return a->ns == b->ns || str_eq(xml_tree_ns(tag->tree, tag->src->bytes, tag->src->root, a->ns),
                                    xml_tree_ns(tag->tree, tag->src->bytes, tag->src->root, b->ns));
}

static enum xml_error resolve_attrs(const struct tag *tag)
{
    struct xml_node *n = tag_node(tag);

    for (uint32_t i = n->first_attr; i < tag->tree->n_attrs; i++) {
        struct xml_node_attr *a = &tag->tree->attrs[i];
        uint16_t depth;

        if (a->prefix_len > 0) {
            if (!find_prefix(tag, bytes_at(tag, a->name, a->prefix_len), &a->ns, &depth))
                return XML_BAD_NAMESPACE_PREFIX;
            reach(n, depth);
        }
        for (uint32_t j = n->first_attr; j < i; j++) {
            if (is_same_name(tag, &tag->tree->attrs[j], a))
                return XML_NOT_WELL_FORMED;
        }
    }
    return XML_OK;
}

/* The tag as a whole. */

static enum xml_error begin_node(struct tag *tag)
{
    struct xml_tree *t = tag->tree;
    const struct xml_limits *limits = tag->src->limits;
    struct xml_node *n = xml_tree_add_node(t);
    const struct xml_node *parent = t->open == XML_NO_NODE ? NULL : &t->nodes[t->open];

    tag->node = t->n_nodes - 1;
    tag->scope = parent == NULL ? 0 : parent->scope;
    tag->first_decl = t->n_decls;
    n->outer = t->pos;
    n->first_attr = t->n_attrs;
    n->parent = t->open;
    n->depth = parent == NULL ? 1 : parent->depth + 1u;
    n->reach = REACHES_NOTHING;
    if (n->depth > limits->depth || n->depth > XML_DEPTH_MAX)
        return XML_TOO_DEEP;
    return limits->elements > 0 && t->n_nodes > limits->elements ? XML_TOO_MANY_ELEMENTS : XML_OK;
}

static enum xml_error read_attrs(struct tag *tag)
{
    enum xml_error error = XML_OK;

    while (error == XML_OK) {
        const char *before = tag->p;

        skip_space(tag);
        if (next_is(tag, '>') || next_is(tag, '/'))
            return XML_OK;
        if (tag->p == before || tag->p == tag->end)
            return XML_NOT_WELL_FORMED;
        error = read_attr(tag);
    }
    return error;
}

static bool read_tag_end(struct tag *tag, bool *ret_is_empty)
{
    *ret_is_empty = next_is(tag, '/');
    tag->p += *ret_is_empty;
    if (!next_is(tag, '>'))
        return false;
    tag->p++;
    return true;
}

/* All is well: from here on the tree is changed for good. */
static void open_element(struct tag *tag, bool is_empty)
{
    struct xml_tree *t = tag->tree;
    struct xml_node *n = tag_node(tag);

    t->pos = place(tag);
    t->open = tag->node;
    n->scope = tag->scope;
    n->inner = t->pos;
    if (is_empty)
        xml_tree_close(t, t->pos, t->pos);
}

static enum xml_error parse(struct tag *tag)
{
    enum xml_error error = begin_node(tag);
    uint32_t prefix_len, name_len;
    bool is_empty;

    if (error == XML_OK && !read_qname(tag, &prefix_len, &name_len))
        error = XML_NOT_WELL_FORMED;
    if (error != XML_OK)
        return error;
    tag_node(tag)->prefix_len = prefix_len;
    tag_node(tag)->name_len = name_len;
    error = read_attrs(tag);
    if (error == XML_OK && !read_tag_end(tag, &is_empty))
        error = XML_NOT_WELL_FORMED;
    if (error == XML_OK)
        error = resolve_element(tag);
    if (error == XML_OK)
        error = resolve_attrs(tag);
    if (error == XML_OK)
        open_element(tag, is_empty);
    return error;
}

enum xml_error xml_parse_start_tag(struct xml_tree *t, const struct xml_source *src)
{
    struct tag tag = {.tree = t, .src = src, .p = src->bytes + t->pos + 1, .end = src->bytes + src->len};
    uint32_t n_nodes = t->n_nodes, n_attrs = t->n_attrs, n_decls = t->n_decls;
    size_t uris_len = t->decoded_uris.len, decoded_bytes = t->decoded_bytes;
    enum xml_error error = parse(&tag);

    if (error != XML_OK) {
        t->n_nodes = n_nodes;
        t->n_attrs = n_attrs;
        t->n_decls = n_decls;
        t->decoded_uris.len = uris_len;
        t->decoded_bytes = decoded_bytes;
    }
    return error;
}
