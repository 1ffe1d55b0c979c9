#include "common/xmpp/xml_writer.h"

#include <assert.h>

#include "common/utf8.h"
#include "common/xmpp/xml_chars.h"
#include "common/xmpp/xml_copy.h"

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
    xml_copy_new_attr(w->out, str_of(name), value);
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

void xml_put_element(struct xml_writer *w, const struct xml_element *e, const char *context_ns)
{
    close_tag(w);
    xml_copy_element(w->out, e, context_ns);
}
