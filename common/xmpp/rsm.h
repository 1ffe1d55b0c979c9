/* common/xmpp/rsm.h - result sets, page by page (XEP-0059).
 *
 * Archives, items of a node and service discovery are asked for in pages with the same <set/>. What an id means, and
 * what is behind or before it, is for who asked: this reads what a client wants and writes what it got. Pure. */
#ifndef LINNET_COMMON_XMPP_RSM_H
#define LINNET_COMMON_XMPP_RSM_H

#include "common/xmpp/xml.h"
#include "common/xmpp/xml_writer.h"

struct rsm_request {
    bool is_there;    /* there was a <set/> */
    bool has_max;     /* `max` was asked for; 0: only how many there are (section 2.7) */
    bool has_after;   /* the page behind `after`; empty: the first one */
    bool has_before;  /* the page in front of `before`; empty: the last one (section 2.5) */
    bool has_index;   /* the page that begins with number `index` (section 2.6) */
    uint32_t max;     /* what is more than fits becomes UINT32_MAX */
    uint32_t index;   /* likewise */
    struct str after; /* these lie in the stanza */
    struct str before;
};

/* [any] Reads the <set/> among the children of `parent`; without one nothing is asked for. False: a number is not one,
 * or there are two answers to one question. */
bool rsm_parse(const struct xml_element *parent, struct rsm_request *ret);

struct rsm_page {
    struct str first; /* ids of the first and last item; empty: the page is empty */
    struct str last;
    bool has_count; /* `count` is how many there are in all */
    bool has_index; /* `index` is the number of the first item among them */
    uint64_t count;
    uint64_t index;
};

/* [any] Writes the <set/> of an answer. */
void rsm_write(struct xml_writer *w, const struct rsm_page *page);

#endif
