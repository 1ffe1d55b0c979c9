/* common/xmpp/xml_prolog.h - what may come before the stream's root: a byte order mark and the XML declaration.
 *
 * Private to the XML reader. */
#ifndef LINNET_COMMON_XMPP_XML_PROLOG_H
#define LINNET_COMMON_XMPP_XML_PROLOG_H

#include "common/xmpp/xml_content.h"

/* At t->pos; both move it behind what they take. */
enum xml_step xml_read_byte_order_mark(struct xml_tree *t, struct xml_source *src);
/* XML_UNSUPPORTED_ENCODING: it names another than UTF-8. XML_RESTRICTED: another processing instruction. */
enum xml_step xml_read_declaration(struct xml_tree *t, struct xml_source *src);

#endif
