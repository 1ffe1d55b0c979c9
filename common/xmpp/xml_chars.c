#include "common/xmpp/xml_chars.h"

#include "common/mem.h"
#include "common/utf8.h"

/* One letter for each kind of byte, so that the table can be read beside that of ASCII. */
enum {
    o = 0,                        /* controls, '<', '>', '&' */
    T = XML_C_TEXT | XML_C_VALUE, /* most punctuation */
    B = T | XML_C_SPACE,          /* the space */
    L = XML_C_TEXT | XML_C_SPACE, /* tab, LF: become a space in values */
    C = XML_C_SPACE,              /* CR: becomes LF in text, a space in values */
    Q = XML_C_TEXT,               /* quotes */
    R = T | XML_C_REFERENCE,      /* '#', ':' */
    D = R | XML_C_NAME,           /* digits, '-', '.' */
    A = D | XML_C_NAME_START,     /* letters, '_' */
    U = XML_C_REFERENCE,          /* parts of characters beyond ASCII */
};

/* clang-format off */
const uint8_t xml_char_classes[256] = {
    o, o, o, o, o, o, o, o, o, L, L, o, o, C, o, o,
    o, o, o, o, o, o, o, o, o, o, o, o, o, o, o, o,
    B, T, Q, R, T, T, o, Q, T, T, T, T, T, D, D, T,
    D, D, D, D, D, D, D, D, D, D, R, T, o, T, o, T,
    T, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,
    A, A, A, A, A, A, A, A, A, A, A, T, T, T, T, A,
    T, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,
    A, A, A, A, A, A, A, A, A, A, A, T, T, T, T, T,
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
};

struct range {
    uint16_t first, last;
};

/* XML 1.0, fourth edition, appendix B: Letter. All lie below U+10000. */
static const struct range name_start_ranges[] = {
    {0x00c0, 0x00d6}, {0x00d8, 0x00f6}, {0x00f8, 0x0131}, {0x0134, 0x013e}, {0x0141, 0x0148}, {0x014a, 0x017e},
    {0x0180, 0x01c3}, {0x01cd, 0x01f0}, {0x01f4, 0x01f5}, {0x01fa, 0x0217}, {0x0250, 0x02a8}, {0x02bb, 0x02c1},
    {0x0386, 0x0386}, {0x0388, 0x038a}, {0x038c, 0x038c}, {0x038e, 0x03a1}, {0x03a3, 0x03ce}, {0x03d0, 0x03d6},
    {0x03da, 0x03da}, {0x03dc, 0x03dc}, {0x03de, 0x03de}, {0x03e0, 0x03e0}, {0x03e2, 0x03f3}, {0x0401, 0x040c},
    {0x040e, 0x044f}, {0x0451, 0x045c}, {0x045e, 0x0481}, {0x0490, 0x04c4}, {0x04c7, 0x04c8}, {0x04cb, 0x04cc},
    {0x04d0, 0x04eb}, {0x04ee, 0x04f5}, {0x04f8, 0x04f9}, {0x0531, 0x0556}, {0x0559, 0x0559}, {0x0561, 0x0586},
    {0x05d0, 0x05ea}, {0x05f0, 0x05f2}, {0x0621, 0x063a}, {0x0641, 0x064a}, {0x0671, 0x06b7}, {0x06ba, 0x06be},
    {0x06c0, 0x06ce}, {0x06d0, 0x06d3}, {0x06d5, 0x06d5}, {0x06e5, 0x06e6}, {0x0905, 0x0939}, {0x093d, 0x093d},
    {0x0958, 0x0961}, {0x0985, 0x098c}, {0x098f, 0x0990}, {0x0993, 0x09a8}, {0x09aa, 0x09b0}, {0x09b2, 0x09b2},
    {0x09b6, 0x09b9}, {0x09dc, 0x09dd}, {0x09df, 0x09e1}, {0x09f0, 0x09f1}, {0x0a05, 0x0a0a}, {0x0a0f, 0x0a10},
    {0x0a13, 0x0a28}, {0x0a2a, 0x0a30}, {0x0a32, 0x0a33}, {0x0a35, 0x0a36}, {0x0a38, 0x0a39}, {0x0a59, 0x0a5c},
    {0x0a5e, 0x0a5e}, {0x0a72, 0x0a74}, {0x0a85, 0x0a8b}, {0x0a8d, 0x0a8d}, {0x0a8f, 0x0a91}, {0x0a93, 0x0aa8},
    {0x0aaa, 0x0ab0}, {0x0ab2, 0x0ab3}, {0x0ab5, 0x0ab9}, {0x0abd, 0x0abd}, {0x0ae0, 0x0ae0}, {0x0b05, 0x0b0c},
    {0x0b0f, 0x0b10}, {0x0b13, 0x0b28}, {0x0b2a, 0x0b30}, {0x0b32, 0x0b33}, {0x0b36, 0x0b39}, {0x0b3d, 0x0b3d},
    {0x0b5c, 0x0b5d}, {0x0b5f, 0x0b61}, {0x0b85, 0x0b8a}, {0x0b8e, 0x0b90}, {0x0b92, 0x0b95}, {0x0b99, 0x0b9a},
    {0x0b9c, 0x0b9c}, {0x0b9e, 0x0b9f}, {0x0ba3, 0x0ba4}, {0x0ba8, 0x0baa}, {0x0bae, 0x0bb5}, {0x0bb7, 0x0bb9},
    {0x0c05, 0x0c0c}, {0x0c0e, 0x0c10}, {0x0c12, 0x0c28}, {0x0c2a, 0x0c33}, {0x0c35, 0x0c39}, {0x0c60, 0x0c61},
    {0x0c85, 0x0c8c}, {0x0c8e, 0x0c90}, {0x0c92, 0x0ca8}, {0x0caa, 0x0cb3}, {0x0cb5, 0x0cb9}, {0x0cde, 0x0cde},
    {0x0ce0, 0x0ce1}, {0x0d05, 0x0d0c}, {0x0d0e, 0x0d10}, {0x0d12, 0x0d28}, {0x0d2a, 0x0d39}, {0x0d60, 0x0d61},
    {0x0e01, 0x0e2e}, {0x0e30, 0x0e30}, {0x0e32, 0x0e33}, {0x0e40, 0x0e45}, {0x0e81, 0x0e82}, {0x0e84, 0x0e84},
    {0x0e87, 0x0e88}, {0x0e8a, 0x0e8a}, {0x0e8d, 0x0e8d}, {0x0e94, 0x0e97}, {0x0e99, 0x0e9f}, {0x0ea1, 0x0ea3},
    {0x0ea5, 0x0ea5}, {0x0ea7, 0x0ea7}, {0x0eaa, 0x0eab}, {0x0ead, 0x0eae}, {0x0eb0, 0x0eb0}, {0x0eb2, 0x0eb3},
    {0x0ebd, 0x0ebd}, {0x0ec0, 0x0ec4}, {0x0f40, 0x0f47}, {0x0f49, 0x0f69}, {0x10a0, 0x10c5}, {0x10d0, 0x10f6},
    {0x1100, 0x1100}, {0x1102, 0x1103}, {0x1105, 0x1107}, {0x1109, 0x1109}, {0x110b, 0x110c}, {0x110e, 0x1112},
    {0x113c, 0x113c}, {0x113e, 0x113e}, {0x1140, 0x1140}, {0x114c, 0x114c}, {0x114e, 0x114e}, {0x1150, 0x1150},
    {0x1154, 0x1155}, {0x1159, 0x1159}, {0x115f, 0x1161}, {0x1163, 0x1163}, {0x1165, 0x1165}, {0x1167, 0x1167},
    {0x1169, 0x1169}, {0x116d, 0x116e}, {0x1172, 0x1173}, {0x1175, 0x1175}, {0x119e, 0x119e}, {0x11a8, 0x11a8},
    {0x11ab, 0x11ab}, {0x11ae, 0x11af}, {0x11b7, 0x11b8}, {0x11ba, 0x11ba}, {0x11bc, 0x11c2}, {0x11eb, 0x11eb},
    {0x11f0, 0x11f0}, {0x11f9, 0x11f9}, {0x1e00, 0x1e9b}, {0x1ea0, 0x1ef9}, {0x1f00, 0x1f15}, {0x1f18, 0x1f1d},
    {0x1f20, 0x1f45}, {0x1f48, 0x1f4d}, {0x1f50, 0x1f57}, {0x1f59, 0x1f59}, {0x1f5b, 0x1f5b}, {0x1f5d, 0x1f5d},
    {0x1f5f, 0x1f7d}, {0x1f80, 0x1fb4}, {0x1fb6, 0x1fbc}, {0x1fbe, 0x1fbe}, {0x1fc2, 0x1fc4}, {0x1fc6, 0x1fcc},
    {0x1fd0, 0x1fd3}, {0x1fd6, 0x1fdb}, {0x1fe0, 0x1fec}, {0x1ff2, 0x1ff4}, {0x1ff6, 0x1ffc}, {0x2126, 0x2126},
    {0x212a, 0x212b}, {0x212e, 0x212e}, {0x2180, 0x2182}, {0x3007, 0x3007}, {0x3021, 0x3029}, {0x3041, 0x3094},
    {0x30a1, 0x30fa}, {0x3105, 0x312c}, {0x4e00, 0x9fa5}, {0xac00, 0xd7a3},
};

/* What may follow in a name besides: CombiningChar, Digit, Extender. */
static const struct range name_more_ranges[] = {
    {0x00b7, 0x00b7}, {0x02d0, 0x02d1}, {0x0300, 0x0345}, {0x0360, 0x0361}, {0x0387, 0x0387}, {0x0483, 0x0486},
    {0x0591, 0x05a1}, {0x05a3, 0x05b9}, {0x05bb, 0x05bd}, {0x05bf, 0x05bf}, {0x05c1, 0x05c2}, {0x05c4, 0x05c4},
    {0x0640, 0x0640}, {0x064b, 0x0652}, {0x0660, 0x0669}, {0x0670, 0x0670}, {0x06d6, 0x06e4}, {0x06e7, 0x06e8},
    {0x06ea, 0x06ed}, {0x06f0, 0x06f9}, {0x0901, 0x0903}, {0x093c, 0x093c}, {0x093e, 0x094d}, {0x0951, 0x0954},
    {0x0962, 0x0963}, {0x0966, 0x096f}, {0x0981, 0x0983}, {0x09bc, 0x09bc}, {0x09be, 0x09c4}, {0x09c7, 0x09c8},
    {0x09cb, 0x09cd}, {0x09d7, 0x09d7}, {0x09e2, 0x09e3}, {0x09e6, 0x09ef}, {0x0a02, 0x0a02}, {0x0a3c, 0x0a3c},
    {0x0a3e, 0x0a42}, {0x0a47, 0x0a48}, {0x0a4b, 0x0a4d}, {0x0a66, 0x0a71}, {0x0a81, 0x0a83}, {0x0abc, 0x0abc},
    {0x0abe, 0x0ac5}, {0x0ac7, 0x0ac9}, {0x0acb, 0x0acd}, {0x0ae6, 0x0aef}, {0x0b01, 0x0b03}, {0x0b3c, 0x0b3c},
    {0x0b3e, 0x0b43}, {0x0b47, 0x0b48}, {0x0b4b, 0x0b4d}, {0x0b56, 0x0b57}, {0x0b66, 0x0b6f}, {0x0b82, 0x0b83},
    {0x0bbe, 0x0bc2}, {0x0bc6, 0x0bc8}, {0x0bca, 0x0bcd}, {0x0bd7, 0x0bd7}, {0x0be7, 0x0bef}, {0x0c01, 0x0c03},
    {0x0c3e, 0x0c44}, {0x0c46, 0x0c48}, {0x0c4a, 0x0c4d}, {0x0c55, 0x0c56}, {0x0c66, 0x0c6f}, {0x0c82, 0x0c83},
    {0x0cbe, 0x0cc4}, {0x0cc6, 0x0cc8}, {0x0cca, 0x0ccd}, {0x0cd5, 0x0cd6}, {0x0ce6, 0x0cef}, {0x0d02, 0x0d03},
    {0x0d3e, 0x0d43}, {0x0d46, 0x0d48}, {0x0d4a, 0x0d4d}, {0x0d57, 0x0d57}, {0x0d66, 0x0d6f}, {0x0e31, 0x0e31},
    {0x0e34, 0x0e3a}, {0x0e46, 0x0e4e}, {0x0e50, 0x0e59}, {0x0eb1, 0x0eb1}, {0x0eb4, 0x0eb9}, {0x0ebb, 0x0ebc},
    {0x0ec6, 0x0ec6}, {0x0ec8, 0x0ecd}, {0x0ed0, 0x0ed9}, {0x0f18, 0x0f19}, {0x0f20, 0x0f29}, {0x0f35, 0x0f35},
    {0x0f37, 0x0f37}, {0x0f39, 0x0f39}, {0x0f3e, 0x0f3f}, {0x0f71, 0x0f84}, {0x0f86, 0x0f8b}, {0x0f90, 0x0f95},
    {0x0f97, 0x0f97}, {0x0f99, 0x0fad}, {0x0fb1, 0x0fb7}, {0x0fb9, 0x0fb9}, {0x20d0, 0x20dc}, {0x20e1, 0x20e1},
    {0x3005, 0x3005}, {0x302a, 0x302f}, {0x3031, 0x3035}, {0x3099, 0x309a}, {0x309d, 0x309e}, {0x30fc, 0x30fe},
};
/* clang-format on */

static bool in_ranges(uint32_t cp, const struct range *ranges, size_t n)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (cp > ranges[mid].last)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && cp >= ranges[low].first;
}

static bool is_wide_name_char(uint32_t cp, bool is_first)
{
    return in_ranges(cp, name_start_ranges, ARRAY_LEN(name_start_ranges)) ||
           (!is_first && in_ranges(cp, name_more_ranges, ARRAY_LEN(name_more_ranges)));
}

bool xml_is_char(uint32_t cp)
{
    if (cp < 0x20)
        return cp == '\t' || cp == '\n' || cp == '\r';
    return cp < 0xd800 || (cp >= 0xe000 && cp < 0xfffe) || (cp >= 0x10000 && cp <= 0x10ffff);
}

int xml_char_length(struct str s)
{
    uint32_t cp;
    int len = utf8_decode(s, &cp);

    if (len < 0)
        return XML_CHARS_CUT;
    return len > 0 && xml_is_char(cp) ? len : XML_CHARS_WRONG;
}

static size_t ascii_run(struct str s, size_t from, unsigned classes)
{
    while (from < s.len && xml_char_is(s.p[from], classes))
        from++;
    return from;
}

size_t xml_name_length(struct str s)
{
    size_t i = 0;

    if (s.len > 0 && xml_char_is(s.p[0], XML_C_NAME_START))
        i = ascii_run(s, 1, XML_C_NAME);
    while (i < s.len && (unsigned char)s.p[i] >= 0x80) {
        uint32_t cp;
        int len = utf8_decode(str_make(s.p + i, s.len - i), &cp);

        if (len <= 0 || !is_wide_name_char(cp, i == 0))
            break;
        i = ascii_run(s, i + (size_t)len, XML_C_NAME);
    }
    return i;
}

#define EVERY_BYTE(b) (UINT64_MAX / 255 * (b))

/* Marks, with its top bit, the first of eight bytes that equals `b` but for the bits in `except`. Bytes beyond ASCII
 * may be marked too, and so may bytes behind the first one. */
static inline uint64_t mark(uint64_t w, unsigned char b, unsigned char except)
{
    return ((w & ~EVERY_BYTE(except)) ^ EVERY_BYTE(b)) - EVERY_BYTE(0x01);
}

/* How many of the eight bytes at `p` come before the first that may not stand for itself. */
static inline size_t plain_bytes(const char *p, bool is_value)
{
    uint64_t w, marks;

    memcpy(&w, p, sizeof(w));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    w = __builtin_bswap64(w);
#endif
    marks = w | (w - EVERY_BYTE(0x20)) | mark(w, '<', '<' ^ '>');
    marks |= is_value ? mark(w, '&', '&' ^ '\'') | mark(w, '"', 0) : mark(w, '&', 0);
    marks &= EVERY_BYTE(0x80);
    return marks == 0 ? sizeof(w) : (size_t)__builtin_ctzll(marks) / 8;
}

/* Returns where the run of ASCII ends that begins at `i`. */
static inline size_t plain_run(struct str s, size_t i, bool is_value)
{
    size_t n;

    while (s.len - i >= sizeof(uint64_t)) {
        n = plain_bytes(s.p + i, is_value);
        i += n;
        if (n == sizeof(uint64_t))
            continue;
        if (!xml_char_is(s.p[i], is_value ? XML_C_VALUE : XML_C_TEXT))
            return i;
        i++; /* a tab or LF in text */
    }
    return ascii_run(s, i, is_value ? XML_C_VALUE : XML_C_TEXT);
}

static inline __attribute__((always_inline)) size_t run(struct str s, bool is_value)
{
    size_t i = plain_run(s, 0, is_value);

    while (i < s.len && (unsigned char)s.p[i] >= 0x80) {
        int len = xml_char_length(str_make(s.p + i, s.len - i));

        if (len <= 0)
            break;
        i = plain_run(s, i + (size_t)len, is_value);
    }
    return i;
}

size_t xml_text_run(struct str s)
{
    return run(s, false);
}

size_t xml_value_run(struct str s)
{
    return run(s, true);
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

/* `s` begins behind "&#". Returns the length up to the ';'. */
static ptrdiff_t numeric_reference(struct str s, uint32_t *ret_cp)
{
    bool is_hex = s.len > 0 && s.p[0] == 'x';
    size_t start = is_hex ? 1 : 0, i = start;
    int base = is_hex ? 16 : 10;
    uint32_t cp = 0;

    for (; i < s.len && digit_value(s.p[i]) < base; i++) {
        cp = cp * (uint32_t)base + (uint32_t)digit_value(s.p[i]);
        if (cp > 0x10ffff)
            return XML_CHARS_WRONG;
    }
    if (i == s.len)
        return XML_CHARS_CUT;
    if (i == start || s.p[i] != ';' || !xml_is_char(cp))
        return XML_CHARS_WRONG;
    *ret_cp = cp;
    return (ptrdiff_t)i + 1;
}

ptrdiff_t xml_reference(struct str s, uint32_t *ret_cp)
{
    static const struct {
        struct str name;
        char stands_for;
    } predefined[] = {{STR_INIT("amp"), '&'},
                      {STR_INIT("lt"), '<'},
                      {STR_INIT("gt"), '>'},
                      {STR_INIT("quot"), '"'},
                      {STR_INIT("apos"), '\''}};
    struct str name = {s.p + 1, 0};

    if (s.len > 1 && s.p[1] == '#') {
        ptrdiff_t len = numeric_reference(str_make(s.p + 2, s.len - 2), ret_cp);
        return len > 0 ? len + 2 : len;
    }
    name.len = xml_name_length(str_make(s.p + 1, s.len - 1));
    if (name.len + 1 == s.len)
        return XML_CHARS_CUT;
    if (name.len == 0 || name.p[name.len] != ';')
        return XML_CHARS_WRONG;
    for (size_t i = 0; i < ARRAY_LEN(predefined); i++) {
        if (str_eq(name, predefined[i].name)) {
            *ret_cp = (unsigned char)predefined[i].stands_for;
            return (ptrdiff_t)name.len + 2;
        }
    }
    return XML_CHARS_UNKNOWN_ENTITY;
}
