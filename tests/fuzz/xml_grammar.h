/* tests/fuzz/xml_grammar.h - streams that are nearly XML, grown from arbitrary bytes.
 *
 * Random bytes hardly ever get past the stream header. Here each byte decides how a stream goes on (a name, a prefix, a
 * declaration, a reference, sometimes a mistake), so a fuzzer that flips bytes walks through deep and valid structures.
 */
#ifndef LINNET_TESTS_FUZZ_XML_GRAMMAR_H
#define LINNET_TESTS_FUZZ_XML_GRAMMAR_H

#include "common/buf.h"

/* Appends the stream that `choices` stands for. Without `with_header` it begins after the stream header. */
void grow_stream(struct str choices, bool with_header, struct buf *out);

#endif
