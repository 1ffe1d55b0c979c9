/* common/xmpp/xml_reader.h - the parser of XML streams (RFC 6120 sections 4 and 11).
 *
 * Fed with whatever the socket gave, it finds the stream header, then one stanza after the other, and the closing tag.
 * It accepts exactly what RFC 6120 section 11.1 allows: no comments, processing instructions, DTDs, nor entities but
 * the five predefined ones and character references; UTF-8 only. Every byte is looked at a fixed number of
 * times, however the input is cut: in a token without an end the reader remembers how far it looked. Well-formedness,
 * UTF-8, namespaces and limits are checked as the bytes come: a mistake is reported when the token that makes it is
 * complete, not at the end of the stanza.
 *
 * Between stanzas the reader owns no memory (but what prefixes on the stream root need): only a stanza that is cut by
 * the end of the input is kept, in a block that lasts until it is complete. What builds the tree of a stanza is scratch
 * that all readers of one thread share. */
#ifndef LINNET_COMMON_XMPP_XML_READER_H
#define LINNET_COMMON_XMPP_XML_READER_H

#include "common/arena.h"
#include "common/err.h"
#include "common/xmpp/xml.h"

struct xml_limits {
    uint32_t stanza_bytes; /* largest first-level element, and largest stream header */
    uint16_t depth;        /* deepest nesting, the stanza itself being 1; at most XML_DEPTH_MAX */
    uint16_t attrs;        /* most attributes of one element, namespace declarations counted; at most XML_ATTRS_MAX */
    uint16_t elements;     /* most elements of one stanza; 0: as many as fit in its bytes */
};
enum {
    XML_DEPTH_MAX = 256,
    XML_ATTRS_MAX = 256,
    XML_ARENA_ROOM = 256, /* bytes left in the arena of an element for what its owner adds: struct stanza, addresses */
};

enum xml_event {
    XML_MORE,         /* all input was taken; feed more */
    XML_STREAM_OPEN,  /* the start tag of the root: ret->element has name, ns, attributes, no children */
    XML_STANZA,       /* a complete first-level element: ret->element, in ret->arena */
    XML_STREAM_CLOSE, /* the end tag of the root */
    XML_ERROR,        /* ret->error; the reader takes nothing more until it is restarted */
};

enum xml_error {
    XML_OK = 0,
    XML_NOT_WELL_FORMED,      /* RFC 6120 section 4.9.3.13; not namespace-well-formed as well */
    XML_RESTRICTED,           /* a comment, PI, DTD or entity: section 4.9.3.18 */
    XML_BAD_NAMESPACE_PREFIX, /* a prefix that nobody declared: section 4.9.3.2 */
    XML_UNSUPPORTED_ENCODING, /* the XML declaration names another than UTF-8: section 4.9.3.22 */
    XML_TOO_LARGE,            /* limits.stanza_bytes; more than 1 KiB of namespaces on the stream's root */
    XML_TOO_DEEP,             /* limits.depth */
    XML_TOO_MANY_ATTRS,       /* limits.attrs; 128 declarations in force at once in a stanza; 32 on the stream's root */
    XML_TOO_MANY_ELEMENTS,    /* limits.elements */
    XML_TEXT_OUTSIDE,         /* character data other than white space between stanzas: bad-format, section 4.9.3.1 */
};

struct xml_result {
    const struct xml_element *element; /* on XML_STREAM_OPEN and XML_STANZA */
    struct arena *arena;               /* on those: holds the element and its bytes; the caller's now */
    /* On XML_STREAM_OPEN: the default namespace that the header declared ("jabber:client"), empty if none. */
    struct str default_ns;
    enum xml_error error; /* on XML_ERROR */
};

struct xml_scratch; /* nodes and attributes of the stanza being read; one a thread */
struct xml_scratch *xml_scratch_new(void);
void xml_scratch_free(struct xml_scratch **s);

/* Fields are private to xml_reader.c; spelled out so that a connection can embed it. Small: it lies in every
 * connection, idle ones too. */
struct xml_reader {
    const struct xml_limits *limits;   /* borrowed */
    struct xml_partial *partial;       /* a stanza cut by the end of the input; NULL between stanzas */
    const struct xml_root_ns *root_ns; /* what the stream's root declared; no memory for the usual two namespaces */
    uint8_t state;
    uint8_t error; /* the enum xml_error that ended it */
};

/* [any] Ready for a stream header. `limits` must outlive the reader or be replaced by xml_reader_set_limits(). */
void xml_reader_init(struct xml_reader *r, const struct xml_limits *limits);
void xml_reader_deinit(struct xml_reader *r);
/* [any] For a stream restart (after STARTTLS, after SASL): forgets everything, a header must come next. */
void xml_reader_restart(struct xml_reader *r);
/* [any] After XML_STREAM_OPEN: what takes its namespace from the default that the header declared is read as of `ns`, a
 * literal. The stanzas of a component's stream (XEP-0114) are those of clients, but for this name. */
void xml_reader_rename_default(struct xml_reader *r, const char *ns);
/* [any] From the next stanza on. */
void xml_reader_set_limits(struct xml_reader *r, const struct xml_limits *limits);
/* [any] True while a stanza (or header) has begun and is not complete. */
bool xml_reader_is_partial(const struct xml_reader *r);
/* [any] Bytes of memory kept for an incomplete stanza. At most twice the sum of limits.stanza_bytes and, for what came
 * so far, 60 for each element, 32 for each attribute, 28 for each namespace declaration. As the shortest element has 4
 * bytes, that is never more than 32 * stanza_bytes, and about 2 * stanza_bytes for real stanzas; limits.elements bounds
 * it further. (A complete stanza takes its bytes, 144 for each element, 64 for each attribute, 48 for each
 * declaration.) */
size_t xml_reader_kept_bytes(const struct xml_reader *r);

/* [any, one thread at a time] Takes bytes from the front of *in, up to the end of the next event, and moves *in past
 * them. Call again until XML_MORE. White space between stanzas is taken without an event. */
enum xml_event xml_reader_next(struct xml_reader *r, struct xml_scratch *scratch, struct str *in,
                               struct xml_result *ret);

/* [any] Parses exactly one element, `xml`, whose default namespace outside is `default_ns`: for what we built or stored
 * ourselves, and for tests. Bytes are copied into *ret_arena. LN_E_INVALID: not one well-formed element. */
enum ln_err xml_parse(struct str xml, struct str default_ns, struct arena **ret_arena, const struct xml_element **ret);

/* [any] Name of an error for logs: "not-well-formed", "too-deep", ... */
const char *xml_error_name(enum xml_error e);

#endif
