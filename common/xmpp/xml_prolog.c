#include "common/xmpp/xml_prolog.h"

#include "common/xmpp/xml_chars.h"

static const struct str byte_order_mark = STR_INIT("\xef\xbb\xbf"), declaration_start = STR_INIT("<?xml");

/* How many of the first bytes of `want` are there; -1: others are. */
static ptrdiff_t match(const struct xml_tree *t, const struct xml_source *src, struct str want)
{
    size_t there = src->len - t->pos, n = there < want.len ? there : want.len;

    return memcmp(src->bytes + t->pos, want.p, n) == 0 ? (ptrdiff_t)n : -1;
}

enum xml_step xml_read_byte_order_mark(struct xml_tree *t, struct xml_source *src)
{
    ptrdiff_t n = match(t, src, byte_order_mark);

    if (n < 0)
        return xml_wrong(src, XML_NOT_WELL_FORMED);
    if ((size_t)n < byte_order_mark.len)
        return XML_CUT;
    t->pos += (uint32_t)n;
    return XML_TAKEN;
}

static bool skip_space(struct str *s)
{
    size_t before = s->len;

    while (s->len > 0 && xml_char_is(s->p[0], XML_C_SPACE)) {
        s->p++;
        s->len--;
    }
    return s->len < before;
}

static bool skip(struct str *s, struct str what)
{
    if (!str_starts(*s, what))
        return false;
    s->p += what.len;
    s->len -= what.len;
    return true;
}

/* A name, '=' and a quoted value made of what version numbers and encoding names are made of. */
static bool take_pseudo_attr(struct str *s, struct str name, struct str *ret_value)
{
    const char *end;

    if (!skip(s, name))
        return false;
    (void)skip_space(s);
    if (!skip(s, STR("=")))
        return false;
    (void)skip_space(s);
    if (s->len == 0 || (s->p[0] != '"' && s->p[0] != '\''))
        return false;
    end = memchr(s->p + 1, s->p[0], s->len - 1);
    if (end == NULL)
        return false;
    *ret_value = str_make(s->p + 1, (size_t)(end - s->p - 1));
    s->len -= ret_value->len + 2;
    s->p = end + 1;
    return true;
}

/* Production [81] EncName. */
static bool is_encoding_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!xml_char_is(s.p[i], i == 0 ? XML_C_NAME_START : XML_C_NAME) || (i == 0 && s.p[i] == '_'))
            return false;
    }
    return s.len > 0;
}

/* Production [23] XMLDecl; `s` is what lies between "<?xml" and "?>". */
static enum xml_error check_declaration(struct str s)
{
    struct str value;
    bool has_space;

    (void)skip_space(&s);
    if (!take_pseudo_attr(&s, STR("version"), &value) || !str_eq(value, STR("1.0")))
        return XML_NOT_WELL_FORMED;
    has_space = skip_space(&s);
    if (has_space && str_starts(s, STR("encoding"))) {
        if (!take_pseudo_attr(&s, STR("encoding"), &value) || !is_encoding_name(value))
            return XML_NOT_WELL_FORMED;
        if (!str_eq_nocase(value, STR("utf-8")))
            return XML_UNSUPPORTED_ENCODING;
        has_space = skip_space(&s);
    }
    if (has_space && str_starts(s, STR("standalone"))) {
        if (!take_pseudo_attr(&s, STR("standalone"), &value) || !(str_is(value, "yes") || str_is(value, "no")))
            return XML_NOT_WELL_FORMED;
        (void)skip_space(&s);
    }
    return s.len == 0 ? XML_OK : XML_NOT_WELL_FORMED;
}

enum xml_step xml_read_declaration(struct xml_tree *t, struct xml_source *src)
{
    const char *start = src->bytes + t->pos, *after = start + declaration_start.len, *end;
    ptrdiff_t n = match(t, src, declaration_start);
    enum xml_error error;

    if (n < 0 || (src->len - t->pos > declaration_start.len && !xml_char_is(*after, XML_C_SPACE)))
        return xml_wrong(src, XML_RESTRICTED);
    if (src->len - t->pos <= declaration_start.len)
        return XML_CUT;
    if (t->looked == 0)
        t->looked = t->pos + (uint32_t)declaration_start.len;
    end = memchr(src->bytes + t->looked, '>', src->len - t->looked);
    if (end == NULL) {
        t->looked = src->len;
        return XML_CUT;
    }
    error = end[-1] == '?' && end - 1 > after ? check_declaration(str_make(after, (size_t)(end - 1 - after)))
                                              : XML_NOT_WELL_FORMED;
    if (error != XML_OK)
        return xml_wrong(src, error);
    t->pos = (uint32_t)(end + 1 - src->bytes);
    return XML_TAKEN;
}
