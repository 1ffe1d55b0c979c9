/* common/xmpp/xml_content.h - the grammar inside the stream's root: start tags, text, CDATA, end tags.
 *
 * Private to the XML reader. A token is taken whole or not at all; xml_tree.pos is where the next one begins. Text is
 * the exception: it is taken as it comes. A token that the end of the input cuts is first searched for its end, from
 * where the last search stopped, and read when that is there: so however the input is cut, each byte is looked at a few
 * times at most. For the same reason a mistake is only reported for a token that is there as a whole: then the verdict
 * cannot depend on the cuts. */
#ifndef LINNET_COMMON_XMPP_XML_CONTENT_H
#define LINNET_COMMON_XMPP_XML_CONTENT_H

#include "common/xmpp/xml_reader.h"
#include "common/xmpp/xml_tree.h"

enum xml_step {
    XML_TAKEN,
    XML_CUT,   /* the input ends too early */
    XML_WRONG, /* xml_source.error */
};

/* What is read. The bytes are all there are so far, from the first one of the element (header, end tag, ...) on. */
struct xml_source {
    const char *bytes;
    uint32_t len;
    const struct xml_limits *limits;
    const struct xml_root_ns *root;
    enum xml_error error;
};

static inline enum xml_step xml_wrong(struct xml_source *src, enum xml_error error)
{
    src->error = error;
    return XML_WRONG;
}

/* From the first token, or from where the last call was cut, up to the end of the first element. */
enum xml_step xml_read_element(struct xml_tree *t, struct xml_source *src);

/* The start tag at t->pos, and nothing more: adds its node, and the element is open unless the tag was empty. */
enum xml_step xml_read_start_tag(struct xml_tree *t, struct xml_source *src);

/* The end tag at t->pos, which must have the name `name`. */
enum xml_step xml_read_end_tag(struct xml_tree *t, struct xml_source *src, struct str name);

/* In xml_tag.c: reads a start tag that may be cut: an error can also mean that. On an error `t` is as before. */
enum xml_error xml_parse_start_tag(struct xml_tree *t, const struct xml_source *src);

#endif
