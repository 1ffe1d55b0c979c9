/* common/xmpp/xml_copy.h - parsed elements into other places: whole, or with a start tag of one's own.
 *
 * Content is always the bytes that came in. What they lean on, prefixes and default namespaces that were declared
 * outside, is declared on the outermost tag: once, so a long name is not repeated for each short tag that uses it. */
#ifndef LINNET_COMMON_XMPP_XML_COPY_H
#define LINNET_COMMON_XMPP_XML_COPY_H

#include "common/buf.h"
#include "common/xmpp/xml.h"

/* [any] For where `context_ns` is the default namespace: its own bytes if they mean the same there, else a start tag
 * anew around its content. */
void xml_copy_element(struct buf *out, const struct xml_element *e, const char *context_ns);

/* [any] The parts, for who writes other attributes; to be called in this order.
 * "<name", with the prefix where that is needed. */
void xml_copy_name(struct buf *out, const struct xml_element *e);
/* The declarations without which the content, and attributes with a prefix, would mean something else. */
void xml_copy_context(struct buf *out, const struct xml_element *e, const char *context_ns);
/* " name='value'" as it came. */
void xml_copy_attr(struct buf *out, const struct xml_element *e, const struct xml_attr *a);
/* The same for one that did not come with the element. */
void xml_copy_new_attr(struct buf *out, struct str name, struct str value);
/* ">", the content, `extra`, and the end tag; or "/>". */
void xml_copy_content(struct buf *out, const struct xml_element *e, struct str extra);

#endif
