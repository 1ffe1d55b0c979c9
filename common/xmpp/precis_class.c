#include "common/xmpp/precis_class.h"

#include "common/mem.h"

#include <string.h>
#include <unictype.h>
#include <uninorm.h>

/* --- single code points: RFC 8264 sections 8 and 9 --- */

enum property {
    DISALLOWED,
    FREE_PVAL, /* in the FreeformClass only */
    PVALID,
    CONTEXT, /* CONTEXTJ and CONTEXTO: as its rule says */
};

struct range {
    uint32_t first, last;
    enum property property;
};

/* Section 9.6, Exceptions. (BackwardCompatible, 9.7, is empty.) */
static const struct range exceptions[] = {
    {0x00b7, 0x00b7, CONTEXT},    {0x00df, 0x00df, PVALID},     {0x0375, 0x0375, CONTEXT},    {0x03c2, 0x03c2, PVALID},
    {0x05f3, 0x05f4, CONTEXT},    {0x0640, 0x0640, DISALLOWED}, {0x0660, 0x0669, CONTEXT},    {0x06f0, 0x06f9, CONTEXT},
    {0x06fd, 0x06fe, PVALID},     {0x07fa, 0x07fa, DISALLOWED}, {0x0f0b, 0x0f0b, PVALID},     {0x3007, 0x3007, PVALID},
    {0x302e, 0x302f, DISALLOWED}, {0x3031, 0x3035, DISALLOWED}, {0x303b, 0x303b, DISALLOWED}, {0x30fb, 0x30fb, CONTEXT},
};

/* Section 9.9: the conjoining jamo, whose Hangul_Syllable_Type is L, V or T. Syllables made of them are fine. */
static const struct range old_hangul_jamo[] = {
    {0x1100, 0x11ff, DISALLOWED},
    {0xa960, 0xa97c, DISALLOWED},
    {0xd7b0, 0xd7c6, DISALLOWED},
    {0xd7cb, 0xd7fb, DISALLOWED},
};

enum {
    LETTER_DIGITS = UC_CATEGORY_MASK_Ll | UC_CATEGORY_MASK_Lu | UC_CATEGORY_MASK_Lo | UC_CATEGORY_MASK_Nd |
                    UC_CATEGORY_MASK_Lm | UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Mc,
    /* OtherLetterDigits, Spaces, Symbols and Punctuation */
    FREEFORM_ONLY = UC_CATEGORY_MASK_Lt | UC_CATEGORY_MASK_Nl | UC_CATEGORY_MASK_No | UC_CATEGORY_MASK_Me |
                    UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_Sm | UC_CATEGORY_MASK_Sc | UC_CATEGORY_MASK_Sk |
                    UC_CATEGORY_MASK_So | UC_CATEGORY_MASK_Pc | UC_CATEGORY_MASK_Pd | UC_CATEGORY_MASK_Ps |
                    UC_CATEGORY_MASK_Pe | UC_CATEGORY_MASK_Pi | UC_CATEGORY_MASK_Pf | UC_CATEGORY_MASK_Po,
};

static const struct range *range_find(const struct range *ranges, size_t n, uint32_t cp)
{
    for (size_t i = 0; i < n; i++) {
        if (cp >= ranges[i].first && cp <= ranges[i].last)
            return &ranges[i];
    }
    return NULL;
}

/* Section 9.17: NFKC turns it into something else. */
static bool has_compat(uint32_t cp)
{
    uint32_t room[32], *nfkc; /* the longest mapping of all is 18 code points */
    size_t len = ARRAY_LEN(room);
    bool is_changed;

    nfkc = u32_normalize(UNINORM_NFKC, &cp, 1, room, &len);
    is_changed = nfkc == NULL || len != 1 || nfkc[0] != cp;
    if (nfkc != room)
        free(nfkc);
    return is_changed;
}

/* Section 8; each question only makes sense after those above it were answered with no. */
static enum property property_of(uint32_t cp)
{
    const struct range *exception = range_find(exceptions, ARRAY_LEN(exceptions), cp);

    if (exception != NULL)
        return exception->property;
    if (cp >= 0x21 && cp <= 0x7e)
        return PVALID;
    if (uc_is_property_join_control(cp))
        return CONTEXT;
    if (range_find(old_hangul_jamo, ARRAY_LEN(old_hangul_jamo), cp) != NULL ||
        uc_is_property_default_ignorable_code_point(cp) || uc_is_property_not_a_character(cp))
        return DISALLOWED;
    if (uc_is_general_category_withtable(cp, LETTER_DIGITS))
        return has_compat(cp) ? FREE_PVAL : PVALID;
    /* Here HasCompat makes no difference. All that is left, such as controls, surrogates, private and unassigned code
     * points, has no compatibility mapping. */
    return uc_is_general_category_withtable(cp, FREEFORM_ONLY) ? FREE_PVAL : DISALLOWED;
}

/* --- code points in company: RFC 5892 appendix A --- */

/* `at` is where the code point stands. */
typedef bool context_rule(const uint32_t *cp, size_t len, size_t at);

static bool is_script(uint32_t cp, const char *name)
{
    const uc_script_t *script = uc_script(cp);

    return script != NULL && strcmp(script->name, name) == 0;
}

static bool follows_virama(const uint32_t *cp, size_t at)
{
    return at > 0 && uc_combining_class(cp[at - 1]) == UC_CCC_VR;
}

/* A.1: after a virama, or between letters that join, where it keeps them apart. */
static bool zero_width_non_joiner(const uint32_t *cp, size_t len, size_t at)
{
    size_t before = at, after = at + 1;
    int type;

    if (follows_virama(cp, at))
        return true;
    while (before > 0 && uc_joining_type(cp[before - 1]) == UC_JOINING_TYPE_T)
        before--;
    while (after < len && uc_joining_type(cp[after]) == UC_JOINING_TYPE_T)
        after++;
    if (before == 0 || after == len)
        return false;
    type = uc_joining_type(cp[before - 1]);
    if (type != UC_JOINING_TYPE_L && type != UC_JOINING_TYPE_D)
        return false;
    type = uc_joining_type(cp[after]);
    return type == UC_JOINING_TYPE_R || type == UC_JOINING_TYPE_D;
}

/* A.2 */
static bool zero_width_joiner(const uint32_t *cp, size_t len, size_t at)
{
    (void)len;
    return follows_virama(cp, at);
}

/* A.3: Catalan l·l */
static bool middle_dot(const uint32_t *cp, size_t len, size_t at)
{
    return at > 0 && at + 1 < len && cp[at - 1] == 'l' && cp[at + 1] == 'l';
}

/* A.4 */
static bool greek_keraia(const uint32_t *cp, size_t len, size_t at)
{
    return at + 1 < len && is_script(cp[at + 1], "Greek");
}

/* A.5, A.6 */
static bool hebrew_geresh(const uint32_t *cp, size_t len, size_t at)
{
    (void)len;
    return at > 0 && is_script(cp[at - 1], "Hebrew");
}

/* A.7: somewhere there is a character of Japanese. */
static bool katakana_middle_dot(const uint32_t *cp, size_t len, size_t at)
{
    (void)at;
    for (size_t i = 0; i < len; i++) {
        if (is_script(cp[i], "Hiragana") || is_script(cp[i], "Katakana") || is_script(cp[i], "Han"))
            return true;
    }
    return false;
}

static bool has_none_of(uint32_t first, uint32_t last, const uint32_t *cp, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (cp[i] >= first && cp[i] <= last)
            return false;
    }
    return true;
}

/* A.8, A.9: the two sets of digits look alike and may not be mixed. */
static bool arabic_indic_digit(const uint32_t *cp, size_t len, size_t at)
{
    (void)at;
    return has_none_of(0x06f0, 0x06f9, cp, len);
}

static bool extended_arabic_indic_digit(const uint32_t *cp, size_t len, size_t at)
{
    (void)at;
    return has_none_of(0x0660, 0x0669, cp, len);
}

static const struct {
    uint32_t first, last;
    context_rule *holds;
    bool is_about_whole; /* the answer is the same wherever the code point stands */
} context_rules[] = {
    {0x00b7, 0x00b7, middle_dot, false},
    {0x0375, 0x0375, greek_keraia, false},
    {0x05f3, 0x05f4, hebrew_geresh, false},
    {0x0660, 0x0669, arabic_indic_digit, true},
    {0x06f0, 0x06f9, extended_arabic_indic_digit, true},
    {0x200c, 0x200c, zero_width_non_joiner, false},
    {0x200d, 0x200d, zero_width_joiner, false},
    {0x30fb, 0x30fb, katakana_middle_dot, true},
};

/* `*answered` has a bit for each rule about the whole string that was found to hold already: asking again at every
 * digit would take time that grows with the square of the length. */
static bool context_allows(const uint32_t *cp, size_t len, size_t at, unsigned *answered)
{
    for (size_t i = 0; i < ARRAY_LEN(context_rules); i++) {
        if (cp[at] < context_rules[i].first || cp[at] > context_rules[i].last)
            continue;
        if (*answered & 1u << i)
            return true;
        if (context_rules[i].is_about_whole)
            *answered |= 1u << i;
        return context_rules[i].holds(cp, len, at);
    }
    return false;
}

bool precis_class_allows(enum precis_class class, const uint32_t *cp, size_t len)
{
    unsigned answered = 0;

    for (size_t i = 0; i < len; i++) {
        enum property property = property_of(cp[i]);

        if (property == DISALLOWED || (property == FREE_PVAL && class == PRECIS_IDENTIFIER))
            return false;
        if (property == CONTEXT && !context_allows(cp, len, i, &answered))
            return false;
    }
    return true;
}

/* --- writing direction: RFC 5893 section 2 --- */

#define BIDI(class) (1u << (class))

enum {
    BIDI_NEUTRAL = BIDI(UC_BIDI_ES) | BIDI(UC_BIDI_CS) | BIDI(UC_BIDI_ET) | BIDI(UC_BIDI_ON) | BIDI(UC_BIDI_BN) |
                   BIDI(UC_BIDI_NSM),
    BIDI_RTL = BIDI(UC_BIDI_R) | BIDI(UC_BIDI_AL),
    /* Any of these makes it a string that the rule is about (section 1.4). */
    BIDI_CONCERNS = BIDI_RTL | BIDI(UC_BIDI_AN),
};

/* Condition 3 or 6: what it ends in, marks set aside. */
static unsigned last_bidi_class(const uint32_t *cp, size_t len)
{
    while (len > 1 && uc_bidi_class(cp[len - 1]) == UC_BIDI_NSM)
        len--;
    return BIDI(uc_bidi_class(cp[len - 1]));
}

bool precis_bidi_allows(const uint32_t *cp, size_t len)
{
    const unsigned both_numbers = BIDI(UC_BIDI_EN) | BIDI(UC_BIDI_AN);
    unsigned seen = 0, first, last;

    for (size_t i = 0; i < len; i++)
        seen |= BIDI(uc_bidi_class(cp[i]));
    if ((seen & BIDI_CONCERNS) == 0)
        return true;
    first = BIDI(uc_bidi_class(cp[0]));
    last = last_bidi_class(cp, len);
    /* Condition 1. A string that starts left to right has broken condition 5 with what concerns the rule. */
    if ((first & BIDI_RTL) == 0)
        return false;
    return (seen & ~(unsigned)(BIDI_RTL | both_numbers | BIDI_NEUTRAL)) == 0 && /* 2 */
           (last & (BIDI_RTL | both_numbers)) != 0 &&                           /* 3 */
           (seen & both_numbers) != both_numbers;                               /* 4 */
}
