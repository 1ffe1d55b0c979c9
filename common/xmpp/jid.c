#include "common/xmpp/jid.h"

#include "common/xmpp/domain.h"

#include <assert.h>

/* Why a byte takes a part off the fast path. A part is judged by all its bytes' marks together. */
enum {
    NOT_ASCII = 1,
    NOT_IN_LOCAL = 2,    /* RFC 7622 section 3.3.1, and white space and controls */
    NOT_IN_RESOURCE = 4, /* controls */
    UPPER = 8,
};

static const uint8_t marks[256] = {
    [0x00 ... 0x1f] = NOT_IN_LOCAL | NOT_IN_RESOURCE,
    [' '] = NOT_IN_LOCAL,
    ['"'] = NOT_IN_LOCAL,
    ['&'] = NOT_IN_LOCAL,
    ['\''] = NOT_IN_LOCAL,
    ['/'] = NOT_IN_LOCAL,
    [':'] = NOT_IN_LOCAL,
    ['<'] = NOT_IN_LOCAL,
    ['>'] = NOT_IN_LOCAL,
    ['@'] = NOT_IN_LOCAL,
    ['A' ... 'Z'] = UPPER,
    [0x7f] = NOT_IN_LOCAL | NOT_IN_RESOURCE,
    [0x80 ... 0xff] = NOT_ASCII,
};

static unsigned marks_of(struct str text)
{
    unsigned all = 0;

    for (size_t i = 0; i < text.len; i++)
        all |= marks[(unsigned char)text.p[i]];
    return all;
}

static bool local_is_prepared(struct str text)
{
    return text.len > 0 && text.len <= JID_PART_MAX && (marks_of(text) & (NOT_ASCII | NOT_IN_LOCAL | UPPER)) == 0;
}

static bool resource_is_prepared(struct str text)
{
    return text.len > 0 && text.len <= JID_PART_MAX && (marks_of(text) & (NOT_ASCII | NOT_IN_RESOURCE)) == 0;
}

static enum ln_err copy_lower(struct str text, char *out, size_t *ret_len)
{
    if (text.len == 0 || text.len > JID_PART_MAX)
        return LN_E_INVALID;
    for (size_t i = 0; i < text.len; i++)
        out[i] = (char)(text.p[i] | (marks[(unsigned char)text.p[i]] & UPPER ? 0x20 : 0));
    *ret_len = text.len;
    return LN_OK;
}

enum ln_err jid_prepare_local(struct str text, char *out, size_t *ret_len)
{
    unsigned seen = marks_of(text);
    size_t len;

    if (seen & NOT_IN_LOCAL)
        return LN_E_INVALID;
    if ((seen & NOT_ASCII) == 0)
        return copy_lower(text, out, ret_len);
    if (precis_username(text, out, JID_PART_MAX, &len) != LN_OK)
        return LN_E_INVALID;
    /* Once more: a fullwidth at sign has become a plain one. */
    if (marks_of(str_make(out, len)) & NOT_IN_LOCAL)
        return LN_E_INVALID;
    *ret_len = len;
    return LN_OK;
}

enum ln_err jid_prepare_domain(struct str text, char *out, size_t *ret_len)
{
    return domain_prepare(text, out, JID_PART_MAX, ret_len) == LN_OK ? LN_OK : LN_E_INVALID;
}

enum ln_err jid_prepare_resource(struct str text, char *out, size_t *ret_len)
{
    return precis_opaque_string(text, out, JID_PART_MAX, ret_len) == LN_OK ? LN_OK : LN_E_INVALID;
}

/* Text cut where RFC 7622 section 3.2 says, before anything is mapped: first at the first slash, then at the first at
 * sign before it. */
struct cuts {
    struct str local, domain, resource;
    size_t bare_len;
    bool has_local, has_resource;
};

static void cut(struct str text, struct cuts *ret)
{
    ptrdiff_t slash = str_find(text, '/'), at;
    struct str bare = str_make(text.p, slash < 0 ? text.len : (size_t)slash);

    ret->bare_len = bare.len;
    ret->has_resource = slash >= 0;
    ret->resource = slash < 0 ? STR("") : str_make(text.p + slash + 1, text.len - bare.len - 1);
    at = str_find(bare, '@');
    ret->has_local = at >= 0;
    ret->local = at < 0 ? STR("") : str_make(text.p, (size_t)at);
    ret->domain = at < 0 ? bare : str_make(text.p + at + 1, bare.len - (size_t)at - 1);
}

enum ln_err jid_parse(struct str text, struct jid_buf *mem, struct jid *ret)
{
    struct jid jid = {.full.p = mem->bytes};
    char *to = mem->bytes;
    struct cuts c;
    size_t len;

    cut(text, &c);
    if (c.has_local) {
        if (jid_prepare_local(c.local, to, &len) != LN_OK)
            return LN_E_INVALID;
        jid.local_len = (uint16_t)len;
        to += len;
        *to++ = '@';
    }
    if (jid_prepare_domain(c.domain, to, &len) != LN_OK)
        return LN_E_INVALID;
    to += len;
    jid.bare_len = (uint16_t)(to - mem->bytes);
    if (c.has_resource) {
        *to++ = '/';
        if (jid_prepare_resource(c.resource, to, &len) != LN_OK)
            return LN_E_INVALID;
        to += len;
    }
    jid.full.len = (size_t)(to - mem->bytes);
    *ret = jid;
    return LN_OK;
}

static bool is_prepared(const struct cuts *c)
{
    return (!c->has_local || local_is_prepared(c->local)) && domain_is_prepared(c->domain) &&
           (!c->has_resource || resource_is_prepared(c->resource));
}

enum ln_err jid_parse_arena(struct str text, struct arena *arena, struct jid *ret)
{
    struct cuts c;
    struct jid_buf mem;
    struct jid jid;

    cut(text, &c);
    if (is_prepared(&c)) {
        *ret = (struct jid){text, (uint16_t)c.local.len, (uint16_t)c.bare_len};
        return LN_OK;
    }
    if (jid_parse(text, &mem, &jid) != LN_OK)
        return LN_E_INVALID;
    jid.full = arena_copy(arena, jid.full);
    *ret = jid;
    return LN_OK;
}

struct jid jid_join(struct str local, struct str domain, struct str resource, struct jid_buf *mem)
{
    struct jid jid = {.full.p = mem->bytes, .local_len = (uint16_t)local.len};
    char *to = mem->bytes;

    assert(local.len <= JID_PART_MAX && domain.len <= JID_PART_MAX && resource.len <= JID_PART_MAX);
    if (local.len > 0) {
        to = mempcpy(to, local.p, local.len);
        *to++ = '@';
    }
    to = mempcpy(to, domain.p, domain.len);
    jid.bare_len = (uint16_t)(to - mem->bytes);
    if (resource.len > 0) {
        *to++ = '/';
        to = mempcpy(to, resource.p, resource.len);
    }
    jid.full.len = (size_t)(to - mem->bytes);
    return jid;
}

struct jid jid_view(struct str prepared)
{
    struct cuts c;

    assert(prepared.len <= JID_MAX);
    cut(prepared, &c);
    return (struct jid){prepared, (uint16_t)c.local.len, (uint16_t)c.bare_len};
}
