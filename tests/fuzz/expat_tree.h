/* tests/fuzz/expat_tree.h - what expat makes of a stream: the oracle for our own reader. */
#ifndef LINNET_TESTS_FUZZ_EXPAT_TREE_H
#define LINNET_TESTS_FUZZ_EXPAT_TREE_H

#include "common/buf.h"

struct xml_element;

/* A stream as text for comparison: the header as "open", each first-level element as a tree with all names,
 * namespaces, prefixes, values and texts, the end as "close". */
struct expat_outcome {
    struct buf log;
    bool is_error;
    int error;             /* enum XML_Error */
    long error_at;         /* which byte */
    bool has_outside_text; /* not only white space beside the first-level elements */
    bool has_restricted;   /* a comment, processing instruction, DOCTYPE, or CDATA beside the first-level elements */
    unsigned depth;        /* of elements that are open at the end */
};

/* Reads `input`, and for `is_final` says that nothing follows. Deinit: buf_deinit(&o->log). */
void expat_read(struct str input, bool is_final, struct expat_outcome *ret);

/* False: expat would not take it as UTF-8, whatever it is told (it looks like UTF-16). */
bool expat_can_judge(struct str input);

/* The same text for an element that we read. `with_prefixes`: as written; else only what namespaces make of them. */
void dump_element(struct buf *log, const struct xml_element *e, bool with_prefixes);

/* The parts of the format. */
void dump_name(struct buf *log, const char *mark, struct str ns, struct str prefix, struct str name);
void dump_text(struct buf *log, const char *mark, struct str text);

#endif
