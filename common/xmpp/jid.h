/* common/xmpp/jid.h - addresses (RFC 7622).
 *
 * A JID is prepared once, when it enters (PRECIS UsernameCaseMapped for the localpart, IDNA2008 for the domainpart,
 * OpaqueString for the resourcepart), and from then on compared as bytes. `struct jid` is a view of such prepared
 * bytes: one span "local@domain/resource" with the two places where it is cut, so that the bare JID is a prefix and
 * every part is a span without any copy. Plain ASCII, nearly all there is, takes a path that calls no library. */
#ifndef LINNET_COMMON_XMPP_JID_H
#define LINNET_COMMON_XMPP_JID_H

#include "common/arena.h"
#include "common/err.h"
#include "common/xmpp/precis.h"

enum {
    JID_PART_MAX = 1023, /* bytes in each part, RFC 7622 section 3.1 */
    JID_MAX = 3 * JID_PART_MAX + 2,
};

struct jid {
    struct str full;    /* all of it; borrowed from whoever prepared it. Empty: no JID */
    uint16_t local_len; /* 0: there is no localpart */
    uint16_t bare_len;  /* length of "local@domain"; equal to full.len when there is no resource */
};

/* Memory for one prepared JID on the stack. */
struct jid_buf {
    char bytes[JID_MAX];
};

/* [any] Prepares `text` into `mem`; `ret` points into `mem`. LN_E_INVALID: not a JID (RFC 7622), of which the caller
 * makes `jid-malformed`. A final dot of the domain is dropped. Domains may be names, IPv4 or bracketed IPv6 literals.
 */
enum ln_err jid_parse(struct str text, struct jid_buf *mem, struct jid *ret);

/* [any] The same into an arena. When `text` is prepared already (plain ASCII in lower case) no copy is made, and `ret`
 * points into `text`, which must then live as long as the arena. */
enum ln_err jid_parse_arena(struct str text, struct arena *arena, struct jid *ret);

/* [any] Prepares one part, writes it to `out` (JID_PART_MAX bytes) and its length to *ret_len. LN_E_INVALID as above;
 * also for the empty result. Used for SASL names, configured hosts, requested resources. */
enum ln_err jid_prepare_local(struct str text, char *out, size_t *ret_len);
enum ln_err jid_prepare_domain(struct str text, char *out, size_t *ret_len);
enum ln_err jid_prepare_resource(struct str text, char *out, size_t *ret_len);

/* [any] Puts prepared parts together; `local` and `resource` may be empty. */
struct jid jid_join(struct str local, struct str domain, struct str resource, struct jid_buf *mem);

/* [any] A view of bytes that jid_parse() made earlier (a stored key, a field of a session): cuts, does not check. */
struct jid jid_view(struct str prepared);

static inline struct str jid_full(const struct jid *j)
{
    return j->full;
}
static inline struct str jid_bare(const struct jid *j)
{
    return str_make(j->full.p, j->bare_len);
}
static inline struct str jid_local(const struct jid *j)
{
    return str_make(j->full.p, j->local_len);
}
static inline struct str jid_domain(const struct jid *j)
{
    size_t skip = j->local_len > 0 ? j->local_len + 1u : 0;

    return str_make(j->full.p + skip, j->bare_len - skip);
}
static inline bool jid_is_bare(const struct jid *j)
{
    return j->full.len == j->bare_len;
}
static inline bool jid_is_empty(const struct jid *j)
{
    return j->full.len == 0;
}
static inline struct jid jid_to_bare(const struct jid *j)
{
    return (struct jid){jid_bare(j), j->local_len, j->bare_len};
}

#endif
