/* common/str.h - a borrowed span of bytes.
 *
 * Almost everything linnet handles lies inside bytes that somebody else owns (a stanza, a JID, a configuration), so
 * text is passed as pointer and length. A span need not end in NUL. The empty span is {NULL or any, 0}. */
#ifndef LINNET_COMMON_STR_H
#define LINNET_COMMON_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t len;
};

/* For literals only: the length is known when compiling. */
#define STR(lit) ((struct str){"" lit, sizeof(lit) - 1})
#define STR_INIT(lit)                                                                                                  \
    {                                                                                                                  \
        "" lit, sizeof(lit) - 1                                                                                        \
    }
/* For printf: printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).len, ((s).len > 0 ? (s).p : "")

static inline struct str str_make(const char *p, size_t len)
{
    return (struct str){p, len};
}

/* NULL gives the empty span. */
static inline struct str str_of(const char *cstr)
{
    return (struct str){cstr, cstr == NULL ? 0 : strlen(cstr)};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* Equality with a NUL-terminated string. */
static inline bool str_is(struct str a, const char *cstr)
{
    return str_eq(a, str_of(cstr));
}

/* [any] Orders as memcmp(), a prefix first. */
int str_cmp(struct str a, struct str b);
/* [any] ASCII letters compare without case, all other bytes as they are. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts(struct str a, struct str prefix);
/* [any] Position of `c`, or -1. */
ptrdiff_t str_find(struct str a, char c);
/* [any] Without XML white space (space, tab, CR, LF) at both ends. */
struct str str_trim(struct str a);
/* [any] A heap copy, NUL behind it; the caller frees. */
char *str_dup(struct str a);
/* [any] Decimal digits only, no sign, no space. False: not a number, or over `max`; *ret is untouched then. */
bool str_to_u64(struct str a, uint64_t max, uint64_t *ret);
/* [any] An optional '-' or '+', then decimal digits, within min and max; as above. */
bool str_to_i64(struct str a, int64_t min, int64_t max, int64_t *ret);
/* [any] Compares in time that depends on the lengths only: for keys and tokens. */
bool str_eq_secret(struct str a, struct str b);

#endif
