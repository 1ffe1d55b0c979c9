/* tests/load/frames.h - where stanzas end, found cheaply.
 *
 * A load generator that builds a tree of every stanza measures itself. It trusts the server's XML to be well-formed
 * (other tests see to that) and looks only for the end of each top-level element, by counting tags; attributes and
 * texts are searched for when they are asked for. Incremental: what was looked at is not looked at again when more
 * arrives. Comments and CDATA, which a server has no reason to send, are refused. */
#ifndef LINNET_TESTS_LOAD_FRAMES_H
#define LINNET_TESTS_LOAD_FRAMES_H

#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

enum frame_kind { FRAME_STANZA, FRAME_HEADER, FRAME_FOOTER };

/* All spans lie in the bytes that were given to frames_next(). */
struct frame {
    enum frame_kind kind;
    struct str name;  /* "message", "stream:error", "stream:stream" */
    struct str tag;   /* what lies between the name and the end of the start tag: the attributes */
    struct str inner; /* the content; empty for a header, a footer and an empty element */
    struct str bytes; /* all of it */
};

/* The scanner's state between two reads. Zero-initialised is the start of a stream. */
struct frames {
    uint32_t looked_at; /* bytes of the unfinished frame that need not be looked at again */
    uint32_t head;      /* length of its start tag; 0: that has no end yet */
    uint16_t depth;     /* elements that are open in it */
    bool has_header;    /* the stream's own start tag has gone by */
};

enum frames_result { FRAMES_ONE, FRAMES_MORE, FRAMES_BAD };

/* Takes the next frame off the front of *bytes. FRAMES_MORE: what is left in *bytes is the beginning of a frame; call
 * again with the same bytes and more behind them. FRAMES_BAD: not what a server may send. */
enum frames_result frames_next(struct frames *s, struct str *bytes, struct frame *ret);

/* The value of an attribute of the frame itself, as written (references are not resolved); {NULL, 0}: it has none. */
struct str frame_attribute(const struct frame *f, struct str name);
/* The first child element of that name, at the top of `inner`, as a frame of its own. False: there is none. */
bool frame_child(const struct frame *f, struct str name, struct frame *ret);
/* The text of such a child, as written; {NULL, 0}: there is none. */
struct str frame_child_text(const struct frame *f, struct str name);

#endif
