#include "common/utf8.h"

/* By the top five bits of the first byte: length of the character; 0 for what cannot begin one. */
static const uint8_t length_by_top[32] = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 3, 3, 4, 0,
};

/* The second byte carries all the rules about overlongs, surrogates and the end of Unicode (RFC 3629 section 4). */
static bool second_is_valid(unsigned char first, unsigned char second)
{
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

    return second >= low && second <= high;
}

int utf8_decode(struct str s, uint32_t *ret_cp)
{
    const unsigned char *p = (const unsigned char *)s.p;
    uint32_t cp;
    size_t len;

    if (s.len == 0)
        return -1;
    len = length_by_top[p[0] >> 3];
    if (len == 1) {
        *ret_cp = p[0];
        return 1;
    }
    if (len == 0 || p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    if (s.len < 2)
        return -1;
    if (!second_is_valid(p[0], p[1]))
        return 0;
    cp = (p[0] & (0x7fu >> len)) << 6 | (p[1] & 0x3fu);
    for (size_t i = 2; i < len; i++) {
        if (i == s.len)
            return -1;
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        cp = cp << 6 | (p[i] & 0x3fu);
    }
    *ret_cp = cp;
    return (int)len;
}

int utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

size_t utf8_ascii_prefix(struct str s)
{
    size_t i = 0;
    uint64_t word;

    for (; s.len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, s.p + i, sizeof(word));
        if ((word & 0x8080808080808080u) != 0)
            break;
    }
    while (i < s.len && (unsigned char)s.p[i] < 0x80)
        i++;
    return i;
}

bool utf8_is_valid(struct str s)
{
    size_t i = 0;
    uint32_t cp;

    for (;;) {
        i += utf8_ascii_prefix(str_make(s.p + i, s.len - i));
        if (i == s.len)
            return true;
        int len = utf8_decode(str_make(s.p + i, s.len - i), &cp);
        if (len <= 0)
            return false;
        i += (size_t)len;
    }
}
