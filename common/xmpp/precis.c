#include "common/xmpp/precis.h"

#include "common/xmpp/codepoints.h"
#include "common/xmpp/precis_class.h"

#include <unictype.h>

enum {
    /* No rule here makes text shorter than a third: three bytes for one is what fullwidth letters and exotic spaces
     * take, and the compositions of NFC save no more. Longer input cannot fit and is not looked at. */
    SHRINKS_AT_MOST_TO_A = 3,
    /* RFC 8264 section 7: what three more rounds do not settle is refused. */
    ROUNDS_MAX = 4,
};

/* One round of a profile's rules, in the order of RFC 8264 section 7. False: the string is refused. */
typedef bool apply_rules(struct codepoints *c);

static bool apply_username(struct codepoints *c)
{
    /* First, since the class would refuse the variants (RFC 8265 section 3.3.2). */
    codepoints_map_width(c);
    if (!precis_class_allows(PRECIS_IDENTIFIER, c->cp, c->len))
        return false;
    codepoints_to_lower_nfc(c);
    return precis_bidi_allows(c->cp, c->len);
}

static bool apply_opaque_string(struct codepoints *c)
{
    if (!precis_class_allows(PRECIS_FREEFORM, c->cp, c->len))
        return false;
    for (size_t i = 0; i < c->len; i++) {
        if (uc_is_general_category_withtable(c->cp[i], UC_CATEGORY_MASK_Zs))
            c->cp[i] = ' ';
    }
    codepoints_to_nfc(c);
    return true;
}

/* Until a round changes nothing, so that preparing what is prepared gives the same, and the class was asked about the
 * result too. */
static enum ln_err settle(struct codepoints *c, apply_rules *apply)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        struct codepoints before = codepoints_copy(c);
        bool is_allowed = apply(c), is_settled = codepoints_eq(c, &before);

        codepoints_deinit(&before);
        if (!is_allowed)
            return LN_E_INVALID;
        if (is_settled)
            return LN_OK;
    }
    return LN_E_INVALID;
}

static enum ln_err prepare(struct str text, apply_rules *apply, char *out, size_t cap, size_t *ret_len)
{
    struct codepoints c;
    enum ln_err err;

    if (text.len == 0)
        return LN_E_INVALID;
    if (text.len / SHRINKS_AT_MOST_TO_A > cap)
        return LN_E_LIMIT;
    err = codepoints_decode(text, &c);
    if (err != LN_OK)
        return err;
    err = settle(&c, apply);
    if (err == LN_OK)
        err = codepoints_encode(&c, out, cap, ret_len);
    codepoints_deinit(&c);
    return err;
}

enum ln_err precis_username(struct str text, char *out, size_t cap, size_t *ret_len)
{
    return prepare(text, apply_username, out, cap, ret_len);
}

static bool is_printable_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < 0x20 || text.p[i] > 0x7e)
            return false;
    }
    return true;
}

enum ln_err precis_opaque_string(struct str text, char *out, size_t cap, size_t *ret_len)
{
    if (text.len == 0 || !is_printable_ascii(text))
        return prepare(text, apply_opaque_string, out, cap, ret_len);
    if (text.len > cap)
        return LN_E_LIMIT;
    memcpy(out, text.p, text.len); /* no rule changes printable ASCII */
    *ret_len = text.len;
    return LN_OK;
}
