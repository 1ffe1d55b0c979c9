/* server/modules/archive_query.h - what a client asked an archive for, between the file that reads the request and the
 * one that answers it. Private to the module "archive". */
#ifndef LINNET_SERVER_MODULES_ARCHIVE_QUERY_H
#define LINNET_SERVER_MODULES_ARCHIVE_QUERY_H

#include "common/xmpp/rsm.h"
#include "server/modules/archive.h"

enum {
    ARCHIVE_IDS_MAX = 100, /* that one query names */
    ARCHIVE_NAMED_MAX = 4, /* ends of ranges: before-id, after-id, and those of RSM */
};

struct archive_wanted {
    struct jid_buf with_mem;
    struct jid with;                   /* empty: anybody */
    uint64_t after;                    /* entries behind this one, */
    uint64_t before;                   /* and in front of this one; 0: to the end */
    bool is_backwards;                 /* counted from the end of the range */
    bool is_flipped;                   /* sent newest first */
    bool is_count;                     /* only how many there are */
    bool is_from_the_edge;             /* no page was in front of this one */
    bool is_behind_entry;              /* `after` is an entry that the client named */
    bool is_filtered;                  /* by more than ids of ends */
    uint32_t max;                      /* at most so many */
    uint64_t named[ARCHIVE_NAMED_MAX]; /* entries that must be there */
    size_t n_named;
    bool has_ids; /* just these, rising: all must be there */
    uint64_t ids[ARCHIVE_IDS_MAX];
    size_t n_ids;
};

/* archive_page.c. Takes both; answers the request later. */
void archive_page_start(struct iq *own_iq, struct archive_wanted *own_wanted);

#endif
