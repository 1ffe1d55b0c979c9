/* common/xmpp/xml_writer.h - builds XML into a buffer.
 *
 * Start tags stay open until content or the end comes, so attributes can follow; values and text are escaped here and
 * nowhere else. Characters that XML 1.0 cannot carry are replaced by U+FFFD.
 *
 *     struct xml_writer w = xml_writer_to(&buf);
 *     xml_start(&w, "iq", NULL);
 *     xml_put_attr(&w, "type", STR("result"));
 *     xml_start(&w, "query", "jabber:iq:version");
 *     xml_put_text_element(&w, "name", STR("linnet"));
 *     xml_end(&w);
 *     xml_end(&w);
 */
#ifndef LINNET_COMMON_XMPP_XML_WRITER_H
#define LINNET_COMMON_XMPP_XML_WRITER_H

#include "common/buf.h"
#include "common/xmpp/xml.h"

enum { XML_WRITER_DEPTH_MAX = 24 };

struct xml_writer {
    struct buf *out;                         /* borrowed */
    const char *names[XML_WRITER_DEPTH_MAX]; /* of the open elements; borrowed, so pass literals */
    uint8_t depth;
    bool in_tag; /* the start tag is not closed with '>' yet */
};

struct xml_writer xml_writer_to(struct buf *out);
/* `ns` is written as xmlns unless NULL. `name` must live until the matching xml_end(). */
void xml_start(struct xml_writer *w, const char *name, const char *ns);
void xml_put_attr(struct xml_writer *w, const char *name, struct str value);
void xml_put_attr_u64(struct xml_writer *w, const char *name, uint64_t value);
/* Nothing is written when `value` is empty. */
void xml_put_attr_opt(struct xml_writer *w, const char *name, struct str value);
void xml_put_text(struct xml_writer *w, struct str text);
/* <name>text</name> */
void xml_put_text_element(struct xml_writer *w, const char *name, struct str text);
/* <name xmlns='ns'/>; ns may be NULL */
void xml_put_empty(struct xml_writer *w, const char *name, const char *ns);
/* Bytes that are well-formed XML already. */
void xml_put_raw(struct xml_writer *w, struct str xml);
/* A copy of a parsed element: its own bytes, or written anew when it leans on its context. `context_ns` is the default
 * namespace in force where it is put. */
void xml_put_element(struct xml_writer *w, const struct xml_element *e, const char *context_ns);
void xml_end(struct xml_writer *w);

/* Escapes only; fit for text and for attribute values in either kind of quotes. */
void xml_escape(struct buf *out, struct str text);

#endif
