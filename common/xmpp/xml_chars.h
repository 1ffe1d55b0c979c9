/* common/xmpp/xml_chars.h - which characters XML allows where, and runs of them.
 *
 * Private to the XML reader and writer. Names follow XML 1.0 up to its fourth edition (appendix B), as all XMPP
 * software on top of expat does: names that only the fifth edition allows would end the streams of those we send them
 * to. */
#ifndef LINNET_COMMON_XMPP_XML_CHARS_H
#define LINNET_COMMON_XMPP_XML_CHARS_H

#include "common/str.h"

enum xml_char_class {
    XML_C_SPACE = 1,      /* space, tab, CR, LF */
    XML_C_NAME_START = 2, /* ASCII that begins a name; not the colon, which only joins a prefix to a local name */
    XML_C_NAME = 4,       /* ASCII that goes on with a name */
    XML_C_TEXT = 8,       /* ASCII that stands for itself in character data */
    XML_C_VALUE = 16,     /* ASCII that stands for itself in attribute values, without a second look at quotes */
    XML_C_REFERENCE = 32, /* what can lie between '&' and ';', at least at first sight */
};

extern const uint8_t xml_char_classes[256];

static inline bool xml_char_is(char c, unsigned classes)
{
    return (xml_char_classes[(unsigned char)c] & classes) != 0;
}

/* [any] Production [2] Char. */
bool xml_is_char(uint32_t cp);

/* [any] Length of the NCName at the front; 0: none begins there. Where it reaches the end of `s` it may go on behind
 * it. */
size_t xml_name_length(struct str s);

/* [any] Length of the longest prefix of whole characters that stand for themselves, in character data and in attribute
 * values. What follows is markup, a reference, white space that is normalised, a mistake, or a character that is cut.
 */
size_t xml_text_run(struct str s);
size_t xml_value_run(struct str s);

/* What follows returns this instead of a length. */
enum { XML_CHARS_WRONG = 0, XML_CHARS_CUT = -1, XML_CHARS_UNKNOWN_ENTITY = -2 };

/* [any] Length in bytes of the character at the front (production [2]). */
int xml_char_length(struct str s);

/* [any] Reads a reference, "&amp;" or "&#xE4;", and returns its length. The five predefined entities are all that is
 * known. */
ptrdiff_t xml_reference(struct str s, uint32_t *ret_cp);

#endif
