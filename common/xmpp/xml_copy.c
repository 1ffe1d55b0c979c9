#include "common/xmpp/xml_copy.h"

#include <assert.h>

#include "common/xmpp/xml_chars.h"
#include "common/xmpp/xml_tree.h"
#include "common/xmpp/xml_writer.h"

static char *put(char *at, struct str s)
{
    if (s.len > 0)
        memcpy(at, s.p, s.len);
    return at + s.len;
}

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

static void declare(struct buf *out, const struct xml_binding *b)
{
    buf_append_cstr(out, b->prefix.len > 0 ? " xmlns:" : " xmlns");
    buf_append_str(out, b->prefix);
    buf_append_cstr(out, "='");
    xml_escape(out, b->ns);
    buf_append_char(out, '\'');
}

static void declare_leaned_on(struct buf *out, const struct xml_element *top)
{
    struct leaned_on l;

    l.n = 0;
    for (const struct xml_element *e = top; e != NULL; e = next_inside(e, top)) {
        note_prefix(&l, top, e, e->prefix);
        for (size_t i = 0; i < e->n_attrs; i++)
            note_prefix(&l, top, e, e->attrs[i].prefix);
    }
    for (size_t i = 0; i < l.n; i++)
        declare(out, l.bindings[i]);
}

static struct str default_inside(const struct xml_element *e)
{
    return xml_find_binding(e->scope, STR(""))->ns;
}

void xml_copy_context(struct buf *out, const struct xml_element *e, const char *context_ns)
{
    const struct xml_binding *inside = xml_find_binding(e->scope, STR(""));

    if (!str_is(inside->ns, context_ns))
        declare(out, inside);
    for (const struct xml_binding *b = e->scope; b != NULL && b->depth == e->depth; b = b->outer) {
        if (b->prefix.len > 0)
            declare(out, b);
    }
    if (e->needs_context)
        declare_leaned_on(out, e);
}

/* A prefix can go if the default namespace inside is the same. */
static char *put_name(char *at, const struct xml_element *e)
{
    if (e->prefix.len > 0 && !str_eq(default_inside(e), e->ns)) {
        at = put(at, e->prefix);
        at = put(at, STR(":"));
    }
    return put(at, e->name);
}

void xml_copy_name(struct buf *out, const struct xml_element *e)
{
    char *start = buf_reserve(out, e->prefix.len + e->name.len + sizeof("<:")), *at = start;

    at = put(at, STR("<"));
    out->len += (size_t)(put_name(at, e) - start);
}

void xml_copy_new_attr(struct buf *out, struct str name, struct str value)
{
    size_t plain = xml_value_run(value);
    char *start = buf_reserve(out, sizeof(" ='") + name.len + plain), *at = start;

    at = put(at, STR(" "));
    at = put(at, name);
    at = put(at, STR("='"));
    at = put(at, str_make(value.p, plain));
    out->len += (size_t)(at - start);
    if (plain < value.len)
        xml_escape(out, str_make(value.p + plain, value.len - plain));
    buf_append_char(out, '\'');
}

void xml_copy_attr(struct buf *out, const struct xml_element *e, const struct xml_attr *a)
{
    const char *name = a->prefix.p, *value = a->value.p;
    struct str as_it_came;

    if (value < e->outer.p || value >= e->inner.p) { /* it had to be decoded, and lies elsewhere */
        xml_copy_new_attr(out, str_make(name, (size_t)(a->name.p + a->name.len - name)), a->value);
        return;
    }
    as_it_came = str_make(name, (size_t)(value + a->value.len + 1 - name)); /* with the quote behind the value */
    (void)put(put(buf_reserve(out, 1 + as_it_came.len), STR(" ")), as_it_came);
    out->len += 1 + as_it_came.len;
}

void xml_copy_content(struct buf *out, const struct xml_element *e, struct str extra)
{
    size_t most = e->inner.len + extra.len + e->prefix.len + e->name.len + sizeof("></:>");
    char *start = buf_reserve(out, most), *at = start;

    if (e->inner.len == 0 && extra.len == 0) {
        at = put(at, STR("/>"));
    } else {
        at = put(at, STR(">"));
        at = put(at, e->inner);
        at = put(at, extra);
        at = put(at, STR("</"));
        at = put_name(at, e);
        at = put(at, STR(">"));
    }
    out->len += (size_t)(at - start);
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

void xml_copy_element(struct buf *out, const struct xml_element *e, const char *context_ns)
{
    if (can_be_copied(e, context_ns)) {
        buf_append_str(out, e->outer);
        return;
    }
    xml_copy_name(out, e);
    xml_copy_context(out, e, context_ns);
    for (size_t i = 0; i < e->n_attrs; i++)
        xml_copy_attr(out, e, &e->attrs[i]);
    xml_copy_content(out, e, STR(""));
}
