#include "common/xmpp/xml_tree.h"

#include <assert.h>

#include "common/mem.h"
#include "common/utf8.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_chars.h"

enum { FIRST_ITEMS = 8, KEEP_ITEMS = 4096 };

void xml_tree_deinit(struct xml_tree *t)
{
    free(t->nodes);
    free(t->attrs);
    free(t->decls);
    buf_deinit(&t->decoded_uris);
    *t = (struct xml_tree){0};
}

void xml_tree_reset(struct xml_tree *t)
{
    /* One huge stanza must not make a thread's scratch huge for good. */
    if (t->cap_nodes > KEEP_ITEMS || t->cap_attrs > KEEP_ITEMS || t->cap_decls > KEEP_ITEMS)
        xml_tree_deinit(t);
    t->n_nodes = t->n_attrs = t->n_decls = 0;
    buf_clear(&t->decoded_uris);
    t->decoded_bytes = 0;
    t->open = XML_NO_NODE;
    t->pos = 0;
    t->looked = 0;
    t->quote = '\0';
    t->is_cut = false;
    t->is_in_cdata = false;
}

static void *copy_items(const void *items, uint32_t n, size_t item_size)
{
    void *copy = n > 0 ? mem_alloc(n * item_size) : NULL;

    if (n > 0)
        memcpy(copy, items, n * item_size);
    return copy;
}

void xml_tree_copy(struct xml_tree *to, const struct xml_tree *from)
{
    *to = *from;
    to->nodes = copy_items(from->nodes, from->n_nodes, sizeof(*from->nodes));
    to->attrs = copy_items(from->attrs, from->n_attrs, sizeof(*from->attrs));
    to->decls = copy_items(from->decls, from->n_decls, sizeof(*from->decls));
    to->cap_nodes = from->n_nodes;
    to->cap_attrs = from->n_attrs;
    to->cap_decls = from->n_decls;
    to->decoded_uris = (struct buf){0};
    buf_append_str(&to->decoded_uris, buf_str(&from->decoded_uris));
}

size_t xml_tree_memory(const struct xml_tree *t)
{
    return t->cap_nodes * sizeof(*t->nodes) + t->cap_attrs * sizeof(*t->attrs) + t->cap_decls * sizeof(*t->decls) +
           t->decoded_uris.cap;
}

static void *more_items(void *items, uint32_t *cap, size_t item_size)
{
    *cap = *cap < FIRST_ITEMS ? FIRST_ITEMS : *cap * 2;
    return mem_realloc(items, *cap * item_size);
}

struct xml_node *xml_tree_add_node(struct xml_tree *t)
{
    if (t->n_nodes == t->cap_nodes)
        t->nodes = more_items(t->nodes, &t->cap_nodes, sizeof(*t->nodes));
    t->nodes[t->n_nodes] = (struct xml_node){0};
    return &t->nodes[t->n_nodes++];
}

struct xml_node_attr *xml_tree_add_attr(struct xml_tree *t)
{
    if (t->n_attrs == t->cap_attrs)
        t->attrs = more_items(t->attrs, &t->cap_attrs, sizeof(*t->attrs));
    t->attrs[t->n_attrs] = (struct xml_node_attr){0};
    return &t->attrs[t->n_attrs++];
}

struct xml_decl *xml_tree_add_decl(struct xml_tree *t)
{
    if (t->n_decls == t->cap_decls)
        t->decls = more_items(t->decls, &t->cap_decls, sizeof(*t->decls));
    t->decls[t->n_decls] = (struct xml_decl){0};
    return &t->decls[t->n_decls++];
}

void xml_tree_add_coded_text(struct xml_tree *t, size_t decoded_len)
{
    struct xml_node *n = &t->nodes[t->open];

    if (!n->has_coded_text) {
        n->has_coded_text = true;
        t->decoded_bytes += n->text_len; /* what has been a place so far */
    }
    n->text_len += (uint32_t)decoded_len;
    t->decoded_bytes += decoded_len;
}

void xml_tree_add_text(struct xml_tree *t, uint32_t from, uint32_t to)
{
    struct xml_node *n = &t->nodes[t->open];

    if (from == to)
        return;
    if (n->text_len == 0 && !n->has_coded_text)
        n->text = from;
    else if (n->has_coded_text || n->text + n->text_len != from) {
        xml_tree_add_coded_text(t, to - from);
        return;
    }
    n->text_len += to - from;
}

void xml_tree_trim_text(struct xml_tree *t, uint32_t n)
{
    struct xml_node *node = &t->nodes[t->open];

    assert(node->text_len >= n);
    node->text_len -= n;
    if (node->has_coded_text)
        t->decoded_bytes -= n;
}

void xml_tree_close(struct xml_tree *t, uint32_t inner_end, uint32_t outer_end)
{
    struct xml_node *n = &t->nodes[t->open];

    n->inner_end = inner_end;
    n->outer_end = outer_end;
    n->after = t->n_nodes;
    t->open = n->parent;
    if (n->parent != XML_NO_NODE) {
        struct xml_node *parent = &t->nodes[n->parent];

        parent->uses_stream_ns |= n->uses_stream_ns;
        if (n->reach < parent->reach)
            parent->reach = n->reach;
    }
}

static struct str decl_uri(const struct xml_tree *t, const char *bytes, const struct xml_decl *d)
{
    return str_make((d->is_coded ? t->decoded_uris.p : bytes) + d->uri, d->uri_len);
}

struct str xml_tree_ns(const struct xml_tree *t, const char *bytes, const struct xml_root_ns *root, uint32_t ns)
{
    if (ns >= XML_NS_OF_DECL)
        return decl_uri(t, bytes, &t->decls[ns - XML_NS_OF_DECL]);
    if (ns >= XML_NS_OF_ROOT)
        return root->bindings[ns - XML_NS_OF_ROOT].ns;
    return ns == XML_NS_OF_XML ? STR(NS_XML) : STR("");
}

/* Decoding: everything here has been checked when it was read. */

static const char *decode_reference(const char *p, const char *end, char **out)
{
    uint32_t cp;
    ptrdiff_t len = xml_reference(str_make(p, (size_t)(end - p)), &cp);

    assert(len > 0);
    *out += utf8_encode(cp, *out);
    return p + len;
}

/* XML 1.0 section 2.11: CR LF and CR alone become `to`. */
static const char *decode_line_end(const char *p, const char *end, char to, char **out)
{
    *(*out)++ = to;
    return p + (p[0] == '\r' && p + 1 < end && p[1] == '\n' ? 2 : 1);
}

char *xml_decode_value(struct str raw, char *out)
{
    const char *p = raw.p, *end = p + raw.len;

    while (p < end) {
        if (*p == '&')
            p = decode_reference(p, end, &out);
        else if (*p == '\t' || *p == '\n' || *p == '\r')
            p = decode_line_end(p, end, ' ', &out);
        else
            *out++ = *p++;
    }
    return out;
}

static const struct str cdata_start = STR_INIT("<![CDATA["), cdata_end = STR_INIT("]]>");

/* Character data between two child elements: with references and CDATA sections. */
static char *decode_text(struct str raw, char *out)
{
    const char *p = raw.p, *end = p + raw.len;
    bool is_in_cdata = false;

    while (p < end) {
        if (*p == '\r')
            p = decode_line_end(p, end, '\n', &out);
        else if (is_in_cdata && str_starts(str_make(p, (size_t)(end - p)), cdata_end)) {
            p += cdata_end.len;
            is_in_cdata = false;
        } else if (!is_in_cdata && *p == '<') { /* nothing else can begin with it here */
            p += cdata_start.len;
            is_in_cdata = true;
        } else if (!is_in_cdata && *p == '&')
            p = decode_reference(p, end, &out);
        else
            *out++ = *p++;
    }
    return out;
}

/* Sealing. */

struct seal {
    const struct xml_tree *tree;
    struct xml_element *elements;
    struct xml_attr *attrs;
    struct xml_binding *bindings;            /* of xml_tree.decls */
    const struct xml_binding *root_bindings; /* of the root, in the arena unless they last for ever */
    const struct xml_binding *root_scope;
    const char *bytes;
    const char *uris;
    char *decoded; /* where the next decoded text goes */
};

/* The stanza may outlive its stream, so it takes the root's declarations along. */
static void seal_root(struct seal *s, struct arena *a, const struct xml_root_ns *root)
{
    struct xml_binding *copy;

    s->root_bindings = root->bindings;
    s->root_scope = &root->bindings[root->n - 1];
    if (root->is_static)
        return;
    copy = arena_alloc(a, root->n * sizeof(*copy));
    for (size_t i = 0; i < root->n; i++) {
        copy[i] = (struct xml_binding){.prefix = arena_copy(a, root->bindings[i].prefix),
                                       .ns = arena_copy(a, root->bindings[i].ns),
                                       .outer = i > 0 ? &copy[i - 1] : NULL};
    }
    s->root_bindings = copy;
    s->root_scope = &copy[root->n - 1];
}

static size_t root_size(const struct xml_root_ns *root)
{
    size_t size = 0;

    if (root->is_static)
        return 0;
    for (size_t i = 0; i < root->n; i++)
        size += sizeof(struct xml_binding) + root->bindings[i].prefix.len + root->bindings[i].ns.len;
    return size;
}

static const struct xml_binding *sealed_scope(const struct seal *s, uint32_t scope)
{
    return scope == 0 ? s->root_scope : &s->bindings[scope - 1];
}

static struct str sealed_ns(const struct seal *s, uint32_t ns)
{
    if (ns >= XML_NS_OF_DECL)
        return s->bindings[ns - XML_NS_OF_DECL].ns;
    if (ns >= XML_NS_OF_ROOT)
        return s->root_bindings[ns - XML_NS_OF_ROOT].ns;
    return ns == XML_NS_OF_XML ? STR(NS_XML) : STR("");
}

static void seal_bindings(struct seal *s)
{
    for (uint32_t i = 0; i < s->tree->n_decls; i++) {
        const struct xml_decl *d = &s->tree->decls[i];

        s->bindings[i] = (struct xml_binding){
            .prefix = str_make(s->bytes + d->prefix, d->prefix_len),
            .ns = str_make((d->is_coded ? s->uris : s->bytes) + d->uri, d->uri_len),
            .outer = sealed_scope(s, d->outer),
            .depth = d->depth,
        };
    }
}

static void seal_attrs(struct seal *s)
{
    for (uint32_t i = 0; i < s->tree->n_attrs; i++) {
        const struct xml_node_attr *from = &s->tree->attrs[i];
        struct xml_attr *a = &s->attrs[i];
        struct str raw = str_make(s->bytes + from->value, from->value_end - from->value);

        a->prefix = str_make(s->bytes + from->name, from->prefix_len);
        a->name = str_make(a->prefix.p + from->prefix_len + (from->prefix_len > 0), from->name_len);
        a->ns = sealed_ns(s, from->ns);
        a->value = raw;
        if (from->is_coded) {
            a->value.p = s->decoded;
            s->decoded = xml_decode_value(raw, s->decoded);
            a->value.len = (size_t)(s->decoded - a->value.p);
        }
    }
}

/* Joins what lies between the child elements. */
static struct str seal_coded_text(struct seal *s, const struct xml_node *n, uint32_t first_child)
{
    const char *text = s->decoded;
    uint32_t from = n->inner;

    for (uint32_t i = first_child; i < n->after; i = s->tree->nodes[i].after) {
        const struct xml_node *child = &s->tree->nodes[i];

        s->decoded = decode_text(str_make(s->bytes + from, child->outer - from), s->decoded);
        from = child->outer_end;
    }
    s->decoded = decode_text(str_make(s->bytes + from, n->inner_end - from), s->decoded);
    return str_make(text, (size_t)(s->decoded - text));
}

static void seal_element(struct seal *s, uint32_t i)
{
    const struct xml_node *n = &s->tree->nodes[i];
    struct xml_element *e = &s->elements[i];
    bool has_parent = n->parent != XML_NO_NODE;

    e->prefix = str_make(s->bytes + n->outer + 1, n->prefix_len);
    e->name = str_make(e->prefix.p + n->prefix_len + (n->prefix_len > 0), n->name_len);
    e->ns = sealed_ns(s, n->ns);
    e->text = n->has_coded_text ? seal_coded_text(s, n, i + 1) : str_make(s->bytes + n->text, n->text_len);
    e->attrs = s->attrs + n->first_attr;
    e->parent = has_parent ? &s->elements[n->parent] : NULL;
    e->child = n->after > i + 1 ? e + 1 : NULL;
    e->next = has_parent && n->after < s->tree->nodes[n->parent].after ? &s->elements[n->after] : NULL;
    e->outer = str_make(s->bytes + n->outer, n->outer_end - n->outer);
    e->inner = str_make(s->bytes + n->inner, n->inner_end - n->inner);
    e->scope = sealed_scope(s, n->scope);
    e->n_attrs = n->n_attrs;
    e->depth = n->depth;
    e->needs_context = n->reach < n->depth;
    e->uses_stream_ns = n->uses_stream_ns;
}

struct arena *xml_tree_seal(const struct xml_tree *t, const char *bytes, const struct xml_root_ns *root, size_t room,
                            const struct xml_element **ret)
{
    struct seal s = {.tree = t};
    size_t structs =
        t->n_nodes * sizeof(*s.elements) + t->n_attrs * sizeof(*s.attrs) + t->n_decls * sizeof(*s.bindings);
    size_t n_bytes = t->nodes[0].outer_end, n_uris = t->decoded_uris.len;
    struct arena *a = arena_new(structs + root_size(root) + n_bytes + n_uris + t->decoded_bytes + room);
    char *copy = arena_alloc_bytes(a, n_bytes + n_uris + t->decoded_bytes);

    s.elements = arena_alloc(a, structs);
    s.attrs = (struct xml_attr *)(void *)(s.elements + t->n_nodes);
    s.bindings = (struct xml_binding *)(void *)(s.attrs + t->n_attrs);
    memcpy(copy, bytes, n_bytes);
    if (n_uris > 0)
        memcpy(copy + n_bytes, t->decoded_uris.p, n_uris);
    s.bytes = copy;
    s.uris = copy + n_bytes;
    s.decoded = copy + n_bytes + n_uris;
    seal_root(&s, a, root);
    seal_bindings(&s);
    seal_attrs(&s);
    for (uint32_t i = 0; i < t->n_nodes; i++)
        seal_element(&s, i);
    assert(s.decoded == copy + n_bytes + n_uris + t->decoded_bytes);
    *ret = s.elements;
    return a;
}
