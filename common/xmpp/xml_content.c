#include "common/xmpp/xml_content.h"

#include "common/utf8.h"
#include "common/xmpp/xml_chars.h"

static const struct str cdata_start = STR_INIT("<![CDATA[");

/* Cut tokens. */

static void begin_search(struct xml_tree *t)
{
    if (t->is_cut)
        return;
    t->is_cut = true;
    t->looked = t->pos + 1;
    t->quote = '\0';
}

/* A tag ends with '>' outside quotes; a '<' ends it too, since it is wrong anywhere in it. */
static bool tag_is_whole(struct xml_tree *t, const struct xml_source *src)
{
    uint32_t i;

    begin_search(t);
    for (i = t->looked; i < src->len; i++) {
        char c = src->bytes[i];

        if (c == '<' || (c == '>' && t->quote == '\0'))
            break;
        if (t->quote != '\0')
            t->quote = c == t->quote ? '\0' : t->quote;
        else if (c == '"' || c == '\'')
            t->quote = c;
    }
    t->looked = i;
    return i < src->len;
}

static bool reference_is_whole(struct xml_tree *t, const struct xml_source *src)
{
    begin_search(t);
    while (t->looked < src->len && xml_char_is(src->bytes[t->looked], XML_C_REFERENCE))
        t->looked++;
    return t->looked < src->len;
}

static enum xml_step taken(struct xml_tree *t, uint32_t pos)
{
    t->pos = pos;
    t->is_cut = false;
    return XML_TAKEN;
}

/* Tags. */

enum xml_step xml_read_start_tag(struct xml_tree *t, struct xml_source *src)
{
    enum xml_error error;

    if (t->is_cut && !tag_is_whole(t, src))
        return XML_CUT;
    error = xml_parse_start_tag(t, src);
    if (error == XML_OK)
        return taken(t, t->pos);
    return tag_is_whole(t, src) ? xml_wrong(src, error) : XML_CUT;
}

enum xml_step xml_read_end_tag(struct xml_tree *t, struct xml_source *src, struct str name)
{
    uint32_t i = t->pos + 2;

    if (t->is_cut && !tag_is_whole(t, src))
        return XML_CUT;
    if (src->len > i && src->len - i > name.len && memcmp(src->bytes + i, name.p, name.len) == 0) {
        i += (uint32_t)name.len;
        while (i < src->len && xml_char_is(src->bytes[i], XML_C_SPACE))
            i++;
        if (i < src->len && src->bytes[i] == '>')
            return taken(t, i + 1);
    }
    return tag_is_whole(t, src) ? xml_wrong(src, XML_NOT_WELL_FORMED) : XML_CUT;
}

static enum xml_step close_element(struct xml_tree *t, struct xml_source *src)
{
    const struct xml_node *n = &t->nodes[t->open];
    struct str name = {src->bytes + n->outer + 1, n->prefix_len + (n->prefix_len > 0) + n->name_len};
    uint32_t inner_end = t->pos;
    enum xml_step step = xml_read_end_tag(t, src, name);

    if (step == XML_TAKEN)
        xml_tree_close(t, inner_end, t->pos);
    return step;
}

/* Nothing else that begins with "<!" is allowed (RFC 6120 section 11.1). */
static enum xml_step open_cdata(struct xml_tree *t, struct xml_source *src)
{
    uint32_t there = src->len - t->pos;
    size_t n = there < cdata_start.len ? there : cdata_start.len;

    if (memcmp(src->bytes + t->pos, cdata_start.p, n) != 0)
        return xml_wrong(src, XML_RESTRICTED);
    if (n < cdata_start.len)
        return XML_CUT;
    t->is_in_cdata = true;
    t->pos += (uint32_t)n;
    return XML_TAKEN;
}

static enum xml_step read_markup(struct xml_tree *t, struct xml_source *src)
{
    if (src->len - t->pos < 2)
        return XML_CUT;
    switch (src->bytes[t->pos + 1]) {
    case '/':
        return close_element(t, src);
    case '!':
        return open_cdata(t, src);
    case '?':
        return xml_wrong(src, XML_RESTRICTED);
    default:
        return xml_read_start_tag(t, src);
    }
}

/* Text: each of these takes one character, or one reference, that does not simply stand for itself. */

static enum xml_step read_reference(struct xml_tree *t, struct xml_source *src)
{
    char utf8[4];
    uint32_t cp;
    ptrdiff_t len;

    if (t->is_cut && !reference_is_whole(t, src))
        return XML_CUT;
    len = xml_reference(str_make(src->bytes + t->pos, src->len - t->pos), &cp);
    if (len > 0) {
        xml_tree_add_coded_text(t, (size_t)utf8_encode(cp, utf8));
        return taken(t, t->pos + (uint32_t)len);
    }
    if (!reference_is_whole(t, src))
        return XML_CUT;
    return xml_wrong(src, len == XML_CHARS_UNKNOWN_ENTITY ? XML_RESTRICTED : XML_NOT_WELL_FORMED);
}

/* XML 1.0 section 2.11: both CR LF and CR alone are read as LF. */
static enum xml_step read_line_end(struct xml_tree *t, const struct xml_source *src)
{
    if (src->len - t->pos < 2)
        return XML_CUT;
    xml_tree_add_coded_text(t, 1);
    return taken(t, t->pos + (src->bytes[t->pos + 1] == '\n' ? 2 : 1));
}

static enum xml_step read_plain(struct xml_tree *t)
{
    xml_tree_add_text(t, t->pos, t->pos + 1);
    return taken(t, t->pos + 1);
}

/* "]]>" ends a CDATA section and is wrong elsewhere. Looking back is safe: no markup ends with ']'. */
static enum xml_step read_greater(struct xml_tree *t, struct xml_source *src)
{
    const char *p = src->bytes + t->pos;

    if (t->pos < 2 || p[-1] != ']' || p[-2] != ']')
        return read_plain(t);
    if (!t->is_in_cdata)
        return xml_wrong(src, XML_NOT_WELL_FORMED);
    xml_tree_trim_text(t, 2);
    t->is_in_cdata = false;
    return taken(t, t->pos + 1);
}

static enum xml_step read_special(struct xml_tree *t, struct xml_source *src)
{
    const char *p = src->bytes + t->pos;

    switch (*p) {
    case '<':
        return t->is_in_cdata ? read_plain(t) : read_markup(t, src);
    case '&':
        return t->is_in_cdata ? read_plain(t) : read_reference(t, src);
    case '>':
        return read_greater(t, src);
    case '\r':
        return read_line_end(t, src);
    default:
        if (xml_char_length(str_make(p, src->len - t->pos)) == XML_CHARS_CUT)
            return XML_CUT;
        return xml_wrong(src, XML_NOT_WELL_FORMED);
    }
}

static void read_text(struct xml_tree *t, const struct xml_source *src)
{
    uint32_t run = (uint32_t)xml_text_run(str_make(src->bytes + t->pos, src->len - t->pos));

    xml_tree_add_text(t, t->pos, t->pos + run);
    t->pos += run;
}

enum xml_step xml_read_element(struct xml_tree *t, struct xml_source *src)
{
    enum xml_step step = t->n_nodes == 0 ? xml_read_start_tag(t, src) : XML_TAKEN;

    while (step == XML_TAKEN && t->open != XML_NO_NODE) {
        if (t->pos < src->len && src->bytes[t->pos] != '<')
            read_text(t, src);
        step = t->pos == src->len ? XML_CUT : read_special(t, src);
    }
    return step;
}
