#include "tests/fuzz/xml_grammar.h"

#include "common/mem.h"

enum { DEPTH_MAX = 12 };

struct growth {
    struct str choices; /* those left */
    struct buf *out;
    const char *open[DEPTH_MAX];
    unsigned depth;
};

static unsigned choose(struct growth *g, unsigned n)
{
    unsigned c;

    if (g->choices.len == 0)
        return 0;
    c = (unsigned char)g->choices.p[0];
    g->choices = str_make(g->choices.p + 1, g->choices.len - 1);
    return c % n;
}

static void put(struct growth *g, const char *s)
{
    buf_append_cstr(g->out, s);
}

#define PUT_ONE_OF(g, table) put((g), (table)[choose((g), ARRAY_LEN(table))])

/* In each table the first entries are harmless, since a growth without choices left takes entry 0. */
static const char *const names[] = {
    "message",
    "body",
    "a",
    "x",
    "iq",
    "presence",
    "p:a",
    "p:x",
    "q:b",
    "q:a",
    "stream:a",
    "xml:a",
    "\xc3\xa9",
    "a-b.c1",
    "\xe4\xb8\xad",
    "_",
    "r:long-name",
    "xmlnsfoo",
    "p:",
    ":a",
    "p:a:b",
    "1a",
    "xmlns:a",
    "a\xcc\x80",
    "\xcc\x80",
    "\xf0\x90\x80\x80",
    "undeclared:a",
};
static const char *const attr_names[] = {
    "to", "from",  "id",  "type", "xml:lang", "p:a", "q:a", "p:b",      "q:b",   "a", "b",  "stream:a",
    "c",  "xml:a", "d.e", "x-y",  "f",        "g",   "h",   "\xd0\xb6", "a:b:c", "=", "p:", "r:a",
};
static const char *const declared[] = {"xmlns",        "xmlns:p",   "xmlns:q",     "xmlns:r",
                                       "xmlns:stream", "xmlns:xml", "xmlns:xmlns", "xmlns:"};
static const char *const uris[] = {
    "jabber:client",
    "urn:a",
    "urn:b",
    "jabber:client",
    "urn:a&amp;b",
    "",
    "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2000/xmlns/",
    "urn:&#97;",
    "http://etherx.jabber.org/streams",
    " urn:a ",
    "urn:\xc3\xa4",
};
static const char *const texts[] = {
    "",
    "hello",
    " ",
    "\n",
    "&amp;",
    "&lt;b&gt;",
    "&#65;&#x42;",
    "\r\n",
    "\r",
    "\t",
    "]]",
    "]",
    ">",
    "'",
    "\"",
    "\xc3\xa9\xe2\x82\xac",
    "\xf0\x9f\x98\x80",
    "&apos;&quot;",
    "&#13;&#10;&#9;",
    "]]&gt;",
    "\r\r\n\n",
    "12345678901234567",
    "&#x10FFFF;&#xD7FF;",
    "\xef\xbf\xbd",
    "\x7f\xc2\x80",
    "&#0000000000000000000065;",
};
static const char *const bad_texts[] = {
    "]]>",
    "&",
    "&undefined;",
    "&#0;",
    "&#xFFFE;",
    "&#xD800;",
    "&#x110000;",
    "\x01",
    "\xc0\x80",
    "\xed\xa0\x80",
    "\xff",
    "\xef\xbf\xbe",
    "\xe2\x82",
    "&#;",
    "&#x;",
    "&#X41;",
    "&#65",
    "&am p;",
    "<!---->",
    "<?pi?>",
    "<!DOCTYPE a>",
    "<![CDATA]]>",
    "\xf4\x90\x80\x80",
    "&:a;",
    "&#99999999999999;",
    "</",
    "<",
    "\xc3",
    "& ",
};
static const char *const cdata[] = {"", "<a>&amp;", "]]", "]", "]]]", "> ]>", "\r\n", "\xc3\xa9", "[CDATA[", "&#0;"};
static const char *const spaces[] = {" ", "  ", "\n", "\t", "\r\n", ""};
static const char *const equals[] = {"=", " =", "= ", "\r=\n", "==", ""};
static const char *const quotes[] = {"'", "\"", "'", "\"", ""};

static void grow_text(struct growth *g)
{
    if (choose(g, 40) == 39)
        PUT_ONE_OF(g, bad_texts);
    else
        PUT_ONE_OF(g, texts);
}

static void grow_value(struct growth *g)
{
    switch (choose(g, 8)) {
    case 6:
        grow_text(g);
        /* fall through */
    case 7:
        grow_text(g);
        break;
    default:
        put(g, "v");
    }
}

/* Once in about fifty choices something is left out or doubled. */
static const char *spelling(struct growth *g, const char *const *table, unsigned n, unsigned n_good)
{
    return choose(g, 50) == 49 ? table[choose(g, n)] : table[choose(g, n_good)];
}

static void grow_attr(struct growth *g)
{
    bool is_declaration = choose(g, 3) == 2;
    const char *quote;

    put(g, spelling(g, spaces, ARRAY_LEN(spaces), 5));
    if (is_declaration)
        put(g, spelling(g, declared, ARRAY_LEN(declared), 5));
    else
        put(g, spelling(g, attr_names, ARRAY_LEN(attr_names), 19));
    put(g, spelling(g, equals, ARRAY_LEN(equals), 4));
    quote = spelling(g, quotes, ARRAY_LEN(quotes), 4);
    put(g, quote);
    if (is_declaration)
        put(g, spelling(g, uris, ARRAY_LEN(uris), 5));
    else
        grow_value(g);
    put(g, quote);
}

static void grow_start_tag(struct growth *g)
{
    const char *name = spelling(g, names, ARRAY_LEN(names), 10);

    put(g, "<");
    put(g, name);
    for (unsigned n = choose(g, 5); n > 0; n--)
        grow_attr(g);
    if (choose(g, 8) == 7)
        PUT_ONE_OF(g, spaces);
    if (choose(g, 3) == 0 || g->depth == DEPTH_MAX) {
        put(g, "/>");
        return;
    }
    put(g, ">");
    g->open[g->depth++] = name;
}

static void grow_end_tag(struct growth *g)
{
    const char *name = g->open[--g->depth];

    put(g, "</");
    put(g, choose(g, 60) == 59 ? "other" : name);
    if (choose(g, 8) == 7)
        PUT_ONE_OF(g, spaces);
    put(g, ">");
}

static void grow_cdata(struct growth *g)
{
    put(g, "<![CDATA[");
    PUT_ONE_OF(g, cdata);
    if (choose(g, 4) == 3)
        grow_text(g);
    put(g, "]]>");
}

static void grow_content(struct growth *g)
{
    while (g->choices.len > 0) {
        unsigned what = choose(g, 16);

        if (g->depth == 0 && what >= 6 && what < 15) {
            put(g, " \n"); /* between stanzas */
            what = 0;
        }
        if (what < 5)
            grow_start_tag(g);
        else if (what < 9 && g->depth > 0)
            grow_end_tag(g);
        else if (what < 14)
            grow_text(g);
        else
            grow_cdata(g);
    }
    while (g->depth > 0)
        grow_end_tag(g);
}

static void grow_header(struct growth *g)
{
    static const char *const before[] = {
        "",
        "<?xml version='1.0'?>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n",
        "\xef\xbb\xbf",
        "\xef\xbb\xbf<?xml version='1.0' encoding='utf-8' standalone='yes'?>",
        " \n",
        "<?xml version='1.0' encoding='latin1'?>",
        " <?xml version='1.0'?>",
        "<?xml version='1.1'?>",
        "<?xml encoding='utf-8'?>",
        "<!-- -->",
        "<?xml version='1.0'  encoding = 'Utf-8'\tstandalone=\"no\"\r\n?>",
        "<?xml version='1.0'encoding='utf-8'?>",
        "x",
    };
    static const char *const roots[] = {
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'",
        "<stream:stream xmlns='jabber:client' xmlns:p='urn:p' xmlns:stream='http://etherx.jabber.org/streams'",
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns:q='urn:q' xmlns:p='urn:p'",
        "<stream xmlns='http://etherx.jabber.org/streams' xmlns:p='jabber:client'",
        "<s:stream xmlns='jabber:server' xmlns:s='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'",
        "<stream",
    };
    unsigned attrs;

    PUT_ONE_OF(g, before);
    PUT_ONE_OF(g, roots);
    for (attrs = choose(g, 4); attrs > 0; attrs--)
        grow_attr(g);
    put(g, choose(g, 40) == 39 ? "/>" : ">");
}

void grow_stream(struct str choices, bool with_header, struct buf *out)
{
    struct growth g = {.choices = choices, .out = out};

    if (with_header)
        grow_header(&g);
    grow_content(&g);
    if (choose(&g, 2) == 0)
        put(&g, "</stream:stream>");
}
