#include "server/modules/invite.h"

#include <stdlib.h>

#include "common/mem.h"

enum { FIELDS = 8 };

#define FORMAT "1"

/* ---- as a document: fields with tabs between, which no JID contains ---- */

void invite_encode(struct buf *out, const struct invite *i)
{
    buf_printf(out, FORMAT "\t%s%s%s\t%lld\t%lld\t%u\t%u\t%.*s\t%.*s", i->for_account ? "a" : "",
               i->for_contact ? "c" : "", i->is_to_register ? "r" : "", (long long)i->created_ms,
               (long long)i->expires_ms, i->uses, i->left, STR_ARG(i->inviter), STR_ARG(i->name));
}

/* False: there are not exactly so many. */
static bool split(struct str bytes, struct str fields[FIELDS])
{
    for (size_t i = 0; i < FIELDS; i++) {
        ptrdiff_t tab = str_find(bytes, '\t');

        if ((tab < 0) != (i + 1 == FIELDS))
            return false;
        fields[i] = str_make(bytes.p, tab < 0 ? bytes.len : (size_t)tab);
        bytes = str_make(bytes.p + fields[i].len + 1, tab < 0 ? 0 : bytes.len - fields[i].len - 1);
    }
    return true;
}

static bool read_u32(struct str text, uint32_t *ret)
{
    uint64_t n;
    bool is_number = str_to_u64(text, UINT32_MAX, &n);

    if (is_number)
        *ret = (uint32_t)n;
    return is_number;
}

enum ln_err invite_decode(struct str token, struct str bytes, struct invite *ret)
{
    struct invite i = {.token = token};
    struct str f[FIELDS];

    if (!split(bytes, f) || !str_is(f[0], FORMAT) || !str_to_i64(f[2], INT64_MIN, INT64_MAX, &i.created_ms) ||
        !str_to_i64(f[3], INT64_MIN, INT64_MAX, &i.expires_ms) || !read_u32(f[4], &i.uses) || !read_u32(f[5], &i.left))
        return LN_E_CORRUPT;
    i.for_account = str_find(f[1], 'a') >= 0;
    i.for_contact = str_find(f[1], 'c') >= 0;
    i.is_to_register = str_find(f[1], 'r') >= 0;
    i.inviter = f[6];
    i.name = f[7];
    *ret = i;
    return LN_OK;
}

static struct str put(char **at, struct str s)
{
    struct str copy = str_make(*at, s.len);

    if (s.len > 0)
        memcpy(*at, s.p, s.len);
    *at += s.len;
    return copy;
}

struct invite *invite_copy(const struct invite *i)
{
    struct invite *copy = mem_alloc(sizeof(*copy) + i->token.len + i->inviter.len + i->name.len);
    char *at = (char *)(copy + 1);

    *copy = *i;
    copy->token = put(&at, i->token);
    copy->inviter = put(&at, i->inviter);
    copy->name = put(&at, i->name);
    return copy;
}

/* ---- as a URI ---- */

/* RFC 3986 section 2.1: all but the unreserved characters, and those in `also`. */
static void escape(struct buf *out, struct str s, const char *also)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                        (c != 0 && (strchr("-._~", c) != NULL || strchr(also, c) != NULL));

        if (is_plain) {
            buf_append_char(out, (char)c);
        } else {
            buf_append_char(out, '%');
            buf_append_char(out, digits[c >> 4]);
            buf_append_char(out, digits[c & 15]);
        }
    }
}

/* RFC 5122 section 2.2: what may stand in the parts of an address as it is; the colons and brackets of IPv6 too. */
static void write_address(struct buf *out, struct str local, struct str domain)
{
    buf_append_cstr(out, "xmpp:");
    escape(out, local, "!$()*+,;=");
    if (local.len > 0)
        buf_append_char(out, '@');
    escape(out, domain, "[:]");
}

void invite_write_uri(struct buf *out, const struct invite *i, struct str host)
{
    struct jid inviter = jid_view(i->inviter);
    bool is_from_contact = i->for_contact && !i->is_to_register;

    if (is_from_contact)
        write_address(out, jid_local(&inviter), jid_domain(&inviter));
    else
        write_address(out, i->name, host);
    buf_append_cstr(out, is_from_contact ? "?roster;preauth=" : "?register;preauth=");
    escape(out, i->token, "");
    if (is_from_contact && i->for_account)
        buf_append_cstr(out, ";ibr=y");
}

void invite_write_url(struct buf *out, struct str template, struct str token, struct str uri)
{
    while (template.len > 0) {
        size_t skip = 1;

        if (str_starts(template, STR("{token}"))) {
            escape(out, token, "");
            skip = 7;
        } else if (str_starts(template, STR("{uri}"))) {
            escape(out, uri, "");
            skip = 5;
        } else {
            buf_append_char(out, template.p[0]);
        }
        template = str_make(template.p + skip, template.len - skip);
    }
}
