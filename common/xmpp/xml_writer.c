#include "common/xmpp/xml_writer.h"

#include <assert.h>

#include "common/utf8.h"
#include "common/xmpp/xml_chars.h"
#include "common/xmpp/xml_tree.h"

/* Escaping. */

static const struct str replacement = STR_INIT("\xef\xbf\xbd");

static struct str escape_of(char c)
{
    switch (c) {
    case '&':
        return STR("&amp;");
    case '<':
        return STR("&lt;");
    case '>':
        return STR("&gt;");
    case '"':
        return STR("&quot;");
    case '\'':
        return STR("&apos;");
    case '\r': /* would be read as LF */
        return STR("&#13;");
    case '\t': /* these two would be read as a space, in values */
        return STR("&#9;");
    case '\n':
        return STR("&#10;");
    default:
        return replacement;
    }
}

/* `run` tells how much can be copied; what stops it is escaped. */
static void escape(struct buf *out, struct str s, size_t (*run)(struct str s))
{
    for (;;) {
        size_t n = run(s);
        uint32_t cp;
        int len;

        buf_append(out, s.p, n);
        if (n == s.len)
            return;
        s = str_make(s.p + n, s.len - n);
        buf_append_str(out, escape_of(s.p[0]));
        len = utf8_decode(s, &cp);
        n = len > 0 ? (size_t)len : 1;
        s = str_make(s.p + n, s.len - n);
    }
}

void xml_escape(struct buf *out, struct str text)
{
    escape(out, text, xml_value_run);
}

/* Building. */

struct xml_writer xml_writer_to(struct buf *out)
{
    return (struct xml_writer){.out = out};
}

static void close_tag(struct xml_writer *w)
{
    if (w->in_tag)
        buf_append_char(w->out, '>');
    w->in_tag = false;
}

void xml_start(struct xml_writer *w, const char *name, const char *ns)
{
    assert(w->depth < XML_WRITER_DEPTH_MAX);
    close_tag(w);
    buf_append_char(w->out, '<');
    buf_append_cstr(w->out, name);
    w->names[w->depth++] = name;
    w->in_tag = true;
    if (ns != NULL)
        xml_put_attr(w, "xmlns", str_of(ns));
}

void xml_end(struct xml_writer *w)
{
    const char *name;

    assert(w->depth > 0);
    name = w->names[--w->depth];
    if (w->in_tag) {
        buf_append_cstr(w->out, "/>");
    } else {
        buf_append_cstr(w->out, "</");
        buf_append_cstr(w->out, name);
        buf_append_char(w->out, '>');
    }
    w->in_tag = false;
}

void xml_put_attr(struct xml_writer *w, const char *name, struct str value)
{
    assert(w->in_tag);
    buf_append_char(w->out, ' ');
    buf_append_cstr(w->out, name);
    buf_append_cstr(w->out, "='");
    xml_escape(w->out, value);
    buf_append_char(w->out, '\'');
}

void xml_put_attr_u64(struct xml_writer *w, const char *name, uint64_t value)
{
    xml_put_attr(w, name, STR(""));
    w->out->len--; /* the closing quote */
    buf_append_u64(w->out, value);
    buf_append_char(w->out, '\'');
}

void xml_put_attr_opt(struct xml_writer *w, const char *name, struct str value)
{
    if (value.len > 0)
        xml_put_attr(w, name, value);
}

void xml_put_text(struct xml_writer *w, struct str text)
{
    if (text.len == 0)
        return;
    close_tag(w);
    escape(w->out, text, xml_text_run);
}

void xml_put_text_element(struct xml_writer *w, const char *name, struct str text)
{
    xml_start(w, name, NULL);
    xml_put_text(w, text);
    xml_end(w);
}

void xml_put_empty(struct xml_writer *w, const char *name, const char *ns)
{
    xml_start(w, name, ns);
    xml_end(w);
}

void xml_put_raw(struct xml_writer *w, struct str xml)
{
    if (xml.len == 0)
        return;
    close_tag(w);
    buf_append_str(w->out, xml);
}

/* Copies of parsed elements. */

/* Declarations outside an element that something inside leans on. */
enum { LEANED_ON_MAX = XML_BINDINGS_MAX + XML_ROOT_BINDINGS_MAX };
struct leaned_on {
    const struct xml_binding *bindings[LEANED_ON_MAX];
    size_t n;
};

static void note_prefix(struct leaned_on *l, const struct xml_element *top, const struct xml_element *user,
                        struct str prefix)
{
    const struct xml_binding *b = prefix.len > 0 ? xml_find_binding(user->scope, prefix) : NULL;

    if (b == NULL || b->depth >= top->depth) /* the prefix `xml`; or declared inside */
        return;
    for (size_t i = 0; i < l->n; i++) {
        if (l->bindings[i] == b)
            return;
    }
    assert(l->n < LEANED_ON_MAX);
    l->bindings[l->n++] = b;
}

/* The next in document order within `top`; NULL behind the last. */
static const struct xml_element *next_inside(const struct xml_element *e, const struct xml_element *top)
{
    if (e->child != NULL)
        return e->child;
    while (e != top && e->next == NULL)
        e = e->parent;
    return e == top ? NULL : e->next;
}

static void find_leaned_on(struct leaned_on *l, const struct xml_element *top)
{
    for (const struct xml_element *e = top; e != NULL; e = next_inside(e, top)) {
        note_prefix(l, top, e, e->prefix);
        for (size_t i = 0; i < e->n_attrs; i++)
            note_prefix(l, top, e, e->attrs[i].prefix);
    }
}

static void declare(struct buf *out, const struct xml_binding *b)
{
    buf_append_cstr(out, b->prefix.len > 0 ? " xmlns:" : " xmlns");
    buf_append_str(out, b->prefix);
    buf_append_cstr(out, "='");
    xml_escape(out, b->ns);
    buf_append_char(out, '\'');
}

static struct str default_inside(const struct xml_element *e)
{
    return xml_find_binding(e->scope, STR(""))->ns;
}

void xml_put_context(struct buf *out, const struct xml_element *e, const char *context_ns)
{
    struct leaned_on l = {.n = 0};

    if (!str_is(default_inside(e), context_ns))
        declare(out, xml_find_binding(e->scope, STR("")));
    for (const struct xml_binding *b = e->scope; b != NULL && b->depth == e->depth; b = b->outer) {
        if (b->prefix.len > 0)
            declare(out, b);
    }
    if (e->needs_context)
        find_leaned_on(&l, e);
    for (size_t i = 0; i < l.n; i++)
        declare(out, l.bindings[i]);
}

static void put_qname(struct buf *out, struct str prefix, struct str name)
{
    if (prefix.len > 0) {
        buf_append_str(out, prefix);
        buf_append_char(out, ':');
    }
    buf_append_str(out, name);
}

void xml_put_name(struct buf *out, const struct xml_element *e)
{
    /* A prefix can go if the default namespace inside is the same. */
    put_qname(out, str_eq(default_inside(e), e->ns) ? STR("") : e->prefix, e->name);
}

void xml_put_parsed_attr(struct buf *out, const struct xml_attr *a)
{
    buf_append_char(out, ' ');
    put_qname(out, a->prefix, a->name);
    buf_append_cstr(out, "='");
    xml_escape(out, a->value);
    buf_append_char(out, '\'');
}

/* Whether its own bytes mean the same where `context_ns` is the default namespace. */
static bool can_be_copied(const struct xml_element *e, const char *context_ns)
{
    const struct xml_binding *of_stream = e->scope;

    if (e->needs_context || !e->uses_stream_ns)
        return !e->needs_context;
    while (of_stream->outer != NULL)
        of_stream = of_stream->outer; /* the root's default namespace is the last */
    return str_is(of_stream->ns, context_ns);
}

static void put_anew(struct buf *out, const struct xml_element *e, const char *context_ns)
{
    buf_append_char(out, '<');
    xml_put_name(out, e);
    xml_put_context(out, e, context_ns);
    for (size_t i = 0; i < e->n_attrs; i++)
        xml_put_parsed_attr(out, &e->attrs[i]);
    if (e->inner.len == 0) {
        buf_append_cstr(out, "/>");
        return;
    }
    buf_append_char(out, '>');
    buf_append_str(out, e->inner);
    buf_append_cstr(out, "</");
    xml_put_name(out, e);
    buf_append_char(out, '>');
}

void xml_put_element(struct xml_writer *w, const struct xml_element *e, const char *context_ns)
{
    close_tag(w);
    if (can_be_copied(e, context_ns))
        buf_append_str(w->out, e->outer);
    else
        put_anew(w->out, e, context_ns);
}
