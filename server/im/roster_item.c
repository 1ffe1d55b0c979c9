#include "server/im/roster_item.h"

#include <assert.h>

#include "common/mem.h"
#include "common/record.h"
#include "common/utf8.h"
#include "common/xmpp/ns.h"
#include "server/im/subscription.h"

/* ---- in memory ---- */

enum { GROUP_HEAD = 2 }; /* bytes in front of each group: its length, low byte first; also in the document */

/* Where the groups go, which the caller fills in. */
static char *groups_of(struct roster_item *item)
{
    return item->bytes + item->jid_len + item->name_len;
}

static void append(char **to, struct str s)
{
    if (s.len > 0)
        memcpy(*to, s.p, s.len);
    *to += s.len;
}

/* An item with all but the groups. */
static struct roster_item *item_alloc(struct str jid, struct str name, uint8_t n_groups, uint32_t groups_len,
                                      struct str request)
{
    struct roster_item *item;
    char *to;

    assert(jid.len > 0 && jid.len <= JID_MAX && name.len <= UINT16_MAX && request.len <= UINT32_MAX);
    item = mem_zalloc(sizeof(*item) + jid.len + name.len + groups_len + request.len);
    item->jid_len = (uint16_t)jid.len;
    item->name_len = (uint16_t)name.len;
    item->n_groups = n_groups;
    item->groups_len = groups_len;
    item->request_len = (uint32_t)request.len;
    to = item->bytes;
    append(&to, jid);
    append(&to, name);
    to += groups_len;
    append(&to, request);
    return item;
}

static uint32_t content_groups_len(const struct roster_content *content)
{
    uint32_t len = 0;

    assert(content->n_groups <= ROSTER_GROUPS_MAX);
    for (size_t i = 0; i < content->n_groups; i++) {
        assert(content->groups[i].len <= UINT16_MAX);
        len += GROUP_HEAD + (uint32_t)content->groups[i].len;
    }
    return len;
}

struct roster_item *roster_item_new(const struct roster_content *content, const struct roster_item *old)
{
    struct str request = old == NULL ? STR("") : roster_item_request(old);
    struct roster_item *item =
        item_alloc(content->jid, content->name, (uint8_t)content->n_groups, content_groups_len(content), request);
    char *to = groups_of(item);

    for (size_t i = 0; i < content->n_groups; i++) {
        *to++ = (char)(content->groups[i].len & 0xff);
        *to++ = (char)(content->groups[i].len >> 8);
        append(&to, content->groups[i]);
    }
    if (old != NULL) {
        item->version = old->version;
        item->state = old->state;
    }
    return item;
}

struct roster_item *roster_item_new_request(struct str jid, const struct roster_item *old, struct str request)
{
    struct roster_item *item;

    if (old == NULL)
        return item_alloc(jid, STR(""), 0, 0, request);
    item = item_alloc(jid, roster_item_name(old), old->n_groups, old->groups_len, request);
    memcpy(groups_of(item), old->bytes + old->jid_len + old->name_len, old->groups_len);
    item->version = old->version;
    item->state = old->state;
    return item;
}

void roster_item_free(struct roster_item **item)
{
    free(*item);
    *item = NULL;
}

bool roster_item_next_group(const struct roster_item *item, uint32_t *cursor, struct str *ret)
{
    const char *at = item->bytes + item->jid_len + item->name_len + *cursor;
    size_t len;

    if (*cursor >= item->groups_len)
        return false;
    len = (unsigned char)at[0] | (size_t)(unsigned char)at[1] << 8;
    *ret = str_make(at + GROUP_HEAD, len);
    *cursor += GROUP_HEAD + (uint32_t)len;
    return true;
}

/* ---- XML ---- */

/* False: refused with *ret_err. Groups are compared as they are: their meaning is the client's (section 2.1.2.6). */
static bool take_group(struct roster_content *content, struct str group, const struct roster_limits *limits,
                       enum stanza_err *ret_err)
{
    *ret_err = STANZA_ERR_NOT_ACCEPTABLE;
    if (group.len == 0 || group.len > limits->group_bytes || content->n_groups >= limits->groups)
        return false;
    *ret_err = STANZA_ERR_BAD_REQUEST;
    for (size_t i = 0; i < content->n_groups; i++) {
        if (str_eq(content->groups[i], group))
            return false;
    }
    content->groups[content->n_groups++] = group;
    return true;
}

/* Name and groups. */
static bool take_content(const struct xml_element *item, const struct roster_limits *limits,
                         struct roster_content *content, enum stanza_err *ret_err)
{
    content->name = xml_attr(item, "name", NULL);
    *ret_err = STANZA_ERR_NOT_ACCEPTABLE;
    if (content->name.len > limits->name_bytes)
        return false;
    for (const struct xml_element *g = xml_child(item, "group", NS_ROSTER); g != NULL;
         g = xml_next(g, "group", NS_ROSTER)) {
        if (!take_group(content, g->text, limits, ret_err))
            return false;
    }
    return true;
}

bool roster_set_parse(const struct xml_element *query, struct str own_bare, const struct roster_limits *limits,
                      struct roster_set *ret, enum stanza_err *ret_err)
{
    const struct xml_element *item = xml_child(query, "item", NS_ROSTER);
    struct str text;
    struct jid jid;
    bool has_jid;

    assert(limits->name_bytes <= UINT16_MAX && limits->group_bytes <= UINT16_MAX);
    assert(limits->groups <= ROSTER_GROUPS_MAX);
    *ret_err = STANZA_ERR_BAD_REQUEST;
    if (item == NULL || xml_next(item, "item", NS_ROSTER) != NULL)
        return false;
    text = xml_attr(item, "jid", &has_jid);
    if (!has_jid)
        return false;
    *ret_err = STANZA_ERR_JID_MALFORMED;
    if (jid_parse(text, &ret->jid_mem, &jid) != LN_OK)
        return false;
    ret->content.jid = jid_full(&jid);
    ret->content.name = STR("");
    ret->content.n_groups = 0;
    ret->is_remove = str_is(xml_attr(item, "subscription", NULL), "remove");
    if (ret->is_remove)
        return true;
    *ret_err = STANZA_ERR_NOT_ALLOWED;
    if (str_eq(jid_bare(&jid), own_bare))
        return false;
    return take_content(item, limits, &ret->content, ret_err);
}

void roster_item_write(struct xml_writer *w, const struct roster_item *item)
{
    struct str group;
    uint32_t cursor = 0;

    xml_start(w, "item", NULL);
    xml_put_attr(w, "jid", roster_item_jid(item));
    xml_put_attr_opt(w, "name", roster_item_name(item));
    xml_put_attr(w, "subscription", str_of(subscription_name(item->state)));
    if ((item->state & SUB_PENDING_OUT) != 0)
        xml_put_attr(w, "ask", STR("subscribe"));
    if ((item->state & SUB_APPROVED) != 0)
        xml_put_attr(w, "approved", STR("true"));
    while (roster_item_next_group(item, &cursor, &group))
        xml_put_text_element(w, "group", group);
    xml_end(w);
}

void roster_item_write_removed(struct xml_writer *w, struct str jid)
{
    xml_start(w, "item", NULL);
    xml_put_attr(w, "jid", jid);
    xml_put_attr(w, "subscription", STR("remove"));
    xml_end(w);
}

/* ---- stored ---- */

/* The document: format, state, version (8 bytes), length of the name (2), number of groups (1), name, groups (each with
 * its length in front), length of the request (4), request. Numbers have their low byte first. */
enum { DOCUMENT_FORMAT = 1 };

void roster_item_encode(struct buf *out, const struct roster_item *item)
{
    record_put(out, DOCUMENT_FORMAT, 1);
    record_put(out, item->state, 1);
    record_put(out, item->version, 8);
    record_put(out, item->name_len, 2);
    record_put(out, item->n_groups, 1);
    buf_append_str(out, roster_item_name(item));
    buf_append(out, item->bytes + item->jid_len + item->name_len, item->groups_len);
    record_put(out, item->request_len, 4);
    buf_append_str(out, roster_item_request(item));
}

/* What is left to read; the first thing that does not fit makes it bad, and all that follows is empty. */
struct reader {
    struct str rest;
    bool is_bad;
};

static struct str take_bytes(struct reader *r, size_t len)
{
    struct str bytes;

    if (r->is_bad || len > r->rest.len) {
        r->is_bad = true;
        return STR("");
    }
    bytes = str_make(r->rest.p, len);
    r->rest = str_make(r->rest.p + len, r->rest.len - len);
    return bytes;
}

static uint64_t take_number(struct reader *r, unsigned bytes)
{
    struct str s = take_bytes(r, bytes);
    uint64_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n |= (uint64_t)(unsigned char)s.p[i] << (8 * i);
    return n;
}

static struct str take_text(struct reader *r, size_t len)
{
    struct str s = take_bytes(r, len);

    r->is_bad = r->is_bad || !utf8_is_valid(s);
    return s;
}

/* All groups as one span. */
static struct str take_groups(struct reader *r, unsigned n)
{
    const char *begin = r->rest.p;

    r->is_bad = r->is_bad || n > ROSTER_GROUPS_MAX;
    for (unsigned i = 0; i < n && !r->is_bad; i++) {
        size_t len = (size_t)take_number(r, GROUP_HEAD);

        (void)take_text(r, len);
        r->is_bad = r->is_bad || len == 0;
    }
    return r->is_bad ? STR("") : str_make(begin, (size_t)(r->rest.p - begin));
}

enum ln_err roster_item_decode(struct str jid, struct str bytes, struct roster_item **ret)
{
    struct reader r = {bytes, jid.len == 0 || jid.len > JID_MAX || !utf8_is_valid(jid)};
    uint64_t format = take_number(&r, 1);
    uint8_t state = (uint8_t)take_number(&r, 1);
    uint64_t version = take_number(&r, 8);
    size_t name_len = (size_t)take_number(&r, 2);
    uint8_t n_groups = (uint8_t)take_number(&r, 1);
    struct str name = take_text(&r, name_len);
    struct str groups = take_groups(&r, n_groups);
    struct str request = take_text(&r, (size_t)take_number(&r, 4));

    /* State 0 means that there is nothing to keep, so nobody has stored it. */
    if (r.is_bad || r.rest.len != 0 || format != DOCUMENT_FORMAT || state == 0 || !subscription_is_valid(state))
        return LN_E_CORRUPT;
    *ret = item_alloc(jid, name, n_groups, (uint32_t)groups.len, request);
    if (groups.len > 0)
        memcpy(groups_of(*ret), groups.p, groups.len);
    (*ret)->state = state;
    (*ret)->version = version;
    return LN_OK;
}
