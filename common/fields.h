/* common/fields.h - named values, one behind the other: a record that its reader need not know all of.
 *
 * For state that is kept in storage by several writers who do not know each other. A field is "name=length:bytes\n",
 * readable by people and without any escaping. A name may come more than once; it has no '='. Pure. */
#ifndef LINNET_COMMON_FIELDS_H
#define LINNET_COMMON_FIELDS_H

#include "common/buf.h"

/* [any] */
void fields_put(struct buf *out, const char *name, struct str value);
void fields_put_u64(struct buf *out, const char *name, uint64_t value);

struct field {
    struct str name;
    struct str value; /* both lie in the record */
};

/* [any] Takes the next field off the front. False: there is none, or (*rest is not empty then) the record is damaged.
 */
bool fields_next(struct str *rest, struct field *ret);
/* [any] The first field of that name. False: there is none. */
bool fields_find(struct str record, const char *name, struct str *ret);
/* [any] The same as a number; `fallback` if there is none, or it is no number. */
uint64_t fields_find_u64(struct str record, const char *name, uint64_t fallback);

#endif
