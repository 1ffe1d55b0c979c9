#include "common/xmpp/domain.h"

#include "common/utf8.h"
#include "common/xmpp/codepoints.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <netinet/in.h>
#include <unicase.h>

enum { IDEOGRAPHIC_FULL_STOP = 0x3002 };

/* Bytes of a label that is letters, digits and hyphens (LDH), and lower case. */
static const bool is_ldh[256] = {['-'] = true, ['0' ... '9'] = true, ['a' ... 'z'] = true};

/* An NR-LDH label (RFC 5890 section 2.3.1): with hyphens in its third and fourth place it would be reserved. */
static bool is_plain_label(struct str label)
{
    if (label.len == 0 || label.len > DOMAIN_LABEL_MAX || label.p[0] == '-' || label.p[label.len - 1] == '-')
        return false;
    if (label.len >= 4 && label.p[2] == '-' && label.p[3] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        if (!is_ldh[(unsigned char)label.p[i]])
            return false;
    }
    return true;
}

bool domain_is_prepared(struct str text)
{
    size_t label = 0;

    if (text.len == 0 || text.len > DOMAIN_ASCII_MAX)
        return false;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.p[i] != '.')
            continue;
        if (!is_plain_label(str_make(text.p + label, i - label)))
            return false;
        label = i + 1;
    }
    return true;
}

/* "[2001:db8::1]", in the one form that inet_ntop() writes. No zone: RFC 9844. */
static enum ln_err prepare_ipv6(struct str text, char *out, size_t cap, size_t *ret_len)
{
    char literal[INET6_ADDRSTRLEN];
    struct in6_addr address;
    size_t len;

    if (text.p[text.len - 1] != ']' || text.len - 2 >= sizeof(literal))
        return LN_E_INVALID;
    memcpy(literal, text.p + 1, text.len - 2);
    literal[text.len - 2] = '\0';
    if (strlen(literal) != text.len - 2 || inet_pton(AF_INET6, literal, &address) != 1 ||
        inet_ntop(AF_INET6, &address, literal, sizeof(literal)) == NULL)
        return LN_E_INVALID;
    len = strlen(literal);
    if (len + 2 > cap)
        return LN_E_INVALID;
    out[0] = '[';
    memcpy(out + 1, literal, len);
    out[len + 1] = ']';
    *ret_len = len + 2;
    return LN_OK;
}

/* RFC 5895 section 2: what users type is mapped before IDNA2008, which itself maps nothing. */
static void map(struct codepoints *c)
{
    codepoints_map_width(c);
    for (size_t i = 0; i < c->len; i++) {
        /* Each by itself: for names, a sigma at the end of an upper-case word is no special case. */
        c->cp[i] = c->cp[i] == IDEOGRAPHIC_FULL_STOP ? '.' : uc_tolower(c->cp[i]);
    }
    codepoints_to_nfc(c);
}

/* Mapped UTF-8 without its final dot, a NUL behind it as libidn2 wants it. */
static enum ln_err map_text(struct str text, char *out, size_t cap)
{
    struct codepoints c;
    enum ln_err err;
    size_t len;

    if (text.len >= cap || str_find(text, '\0') >= 0)
        return LN_E_INVALID;
    err = codepoints_decode(text, &c);
    if (err != LN_OK)
        return err;
    map(&c);
    err = codepoints_encode(&c, out, cap - 1, &len);
    codepoints_deinit(&c);
    if (err != LN_OK)
        return LN_E_INVALID;
    if (len > 0 && out[len - 1] == '.') /* says only that the name is absolute */
        len--;
    out[len] = '\0';
    return LN_OK;
}

/* A prepared name, as it grows by a label at a time. */
struct name {
    char *out;
    size_t cap, len;
    size_t ascii_len; /* what it would take in A-labels */
};

static enum ln_err name_add(struct name *n, struct str label, size_t ascii_len)
{
    size_t dot = n->len > 0 ? 1 : 0;

    if (ascii_len > DOMAIN_ASCII_MAX || n->ascii_len + dot + ascii_len > DOMAIN_ASCII_MAX ||
        n->len + dot + label.len > n->cap)
        return LN_E_INVALID;
    if (dot > 0)
        n->out[n->len++] = '.';
    memcpy(n->out + n->len, label.p, label.len);
    n->len += label.len;
    n->ascii_len += dot + ascii_len;
    return LN_OK;
}

static bool is_ascii(const char *text)
{
    return utf8_ascii_prefix(str_of(text)) == strlen(text);
}

/* Decodes, and checks that what comes out would be written in just this way. */
static enum ln_err name_add_a_label(struct name *n, const char *label)
{
    enum ln_err err = LN_E_INVALID;
    char *u_label;

    if (idn2_to_unicode_8z8z(label, &u_label, 0) != IDN2_OK)
        return LN_E_INVALID;
    if (idn2_register_u8((const uint8_t *)u_label, (const uint8_t *)label, NULL, 0) == IDN2_OK)
        err = name_add(n, str_of(u_label), strlen(label));
    idn2_free(u_label);
    return err;
}

/* libidn2 checks it as strictly as for a registration: RFC 5891 section 4, with the rules for context and direction. */
static enum ln_err name_add_u_label(struct name *n, const char *label)
{
    uint8_t *a_label;
    enum ln_err err;

    if (idn2_register_u8((const uint8_t *)label, NULL, &a_label, 0) != IDN2_OK)
        return LN_E_INVALID;
    err = name_add(n, str_of(label), strlen((const char *)a_label));
    idn2_free(a_label);
    return err;
}

static enum ln_err name_add_label(struct name *n, const char *label)
{
    if (is_plain_label(str_of(label)))
        return name_add(n, str_of(label), strlen(label));
    if (!is_ascii(label))
        return name_add_u_label(n, label);
    return str_starts(str_of(label), STR("xn--")) ? name_add_a_label(n, label) : LN_E_INVALID;
}

/* Names that need nothing but lower case. False: not one of them. */
static bool prepare_plain(struct str text, char *out, size_t cap, size_t *ret_len)
{
    if (text.len > 0 && text.p[text.len - 1] == '.')
        text.len--;
    if (text.len > DOMAIN_ASCII_MAX || text.len > cap)
        return false;
    for (size_t i = 0; i < text.len; i++)
        out[i] = (char)(text.p[i] >= 'A' && text.p[i] <= 'Z' ? text.p[i] | 0x20 : text.p[i]);
    *ret_len = text.len;
    return domain_is_prepared(str_make(out, text.len));
}

/* Names with U-labels or A-labels. */
static enum ln_err prepare_idn(struct str text, char *out, size_t cap, size_t *ret_len)
{
    /* A U-label has no more characters than its A-label, and mapping gains nothing that a domain this long could use.
     */
    char mapped[4 * DOMAIN_ASCII_MAX], *rest = mapped, *label;
    struct name name = {.out = out, .cap = cap};
    enum ln_err err = map_text(text, mapped, sizeof(mapped));

    while (err == LN_OK && (label = strsep(&rest, ".")) != NULL)
        err = name_add_label(&name, label);
    if (err == LN_OK)
        *ret_len = name.len;
    return err;
}

enum ln_err domain_prepare(struct str text, char *out, size_t cap, size_t *ret_len)
{
    size_t len;

    if (text.len > 0 && text.p[0] == '[')
        return prepare_ipv6(text, out, cap, ret_len);
    if (!prepare_plain(text, out, cap, &len))
        return prepare_idn(text, out, cap, ret_len);
    *ret_len = len;
    return LN_OK;
}
