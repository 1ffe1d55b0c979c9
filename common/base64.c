#include "common/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of a character plus one; 0: not in the alphabet. */
static const uint8_t value_plus_one[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

void base64_encode(struct buf *out, struct str bytes)
{
    size_t len = (bytes.len + 2) / 3 * 4;
    char *to = buf_reserve(out, len);
    const unsigned char *from = (const unsigned char *)bytes.p;

    for (size_t left = bytes.len; left > 0;) {
        size_t n = left < 3 ? left : 3;
        uint32_t group = (uint32_t)from[0] << 16;

        group |= n > 1 ? (uint32_t)from[1] << 8 : 0;
        group |= n > 2 ? from[2] : 0;
        *to++ = alphabet[group >> 18];
        *to++ = alphabet[group >> 12 & 63];
        *to++ = n > 1 ? alphabet[group >> 6 & 63] : '=';
        *to++ = n > 2 ? alphabet[group & 63] : '=';
        from += n;
        left -= n;
    }
    out->len += len;
}

/* Four characters, of which the last `pad` are '='. False: not base64. */
static bool decode_group(const char *text, size_t pad, uint32_t *ret_group)
{
    uint32_t group = 0;

    for (size_t i = 0; i < 4; i++) {
        uint32_t value = 0;

        if (i < 4 - pad) {
            value = value_plus_one[(unsigned char)text[i]];
            if (value-- == 0)
                return false;
        }
        group = group << 6 | value;
    }
    /* Bits that no byte comes of must be zero, or two texts would mean the same bytes (RFC 4648 section 3.5). */
    if ((pad == 1 && (group & 0xff) != 0) || (pad == 2 && (group & 0xffff) != 0))
        return false;
    *ret_group = group;
    return true;
}

bool base64_decode(struct buf *out, struct str text)
{
    size_t pad = 0;
    char *to;

    if (text.len % 4 != 0)
        return false;
    while (pad < 2 && pad < text.len && text.p[text.len - 1 - pad] == '=')
        pad++;
    to = buf_reserve(out, text.len / 4 * 3);
    for (size_t i = 0; i < text.len; i += 4) {
        uint32_t group;

        if (!decode_group(text.p + i, i + 4 == text.len ? pad : 0, &group))
            return false;
        *to++ = (char)(group >> 16);
        *to++ = (char)(group >> 8 & 0xff);
        *to++ = (char)(group & 0xff);
    }
    out->len += text.len / 4 * 3 - pad;
    return true;
}

void hex_encode(struct buf *out, struct str bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *to = buf_reserve(out, bytes.len * 2);

    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.p[i];

        *to++ = digits[byte >> 4];
        *to++ = digits[byte & 15];
    }
    out->len += bytes.len * 2;
}
