#include "server/net/proxy_fields.h"

#include "common/crc32c.h"
#include "common/mem.h"

enum { FIELD_HEAD_LEN = 3, CHECKSUM_LEN = 4, TLS_HEAD_LEN = 5 };

/* PP2_CLIENT_..., section 2.2.6 */
enum { CLIENT_TLS = 1, CLIENT_CERT_CONN = 2, CLIENT_CERT_SESSION = 4 };

/* The fields that are read; all others are skipped. */
struct field {
    uint8_t type;
    uint16_t len_max;
    size_t offset; /* of a struct str: the value */
};

struct header_fields {
    struct str alpn, authority, checksum, unique_id, tls;
};

static const struct field header_fields[] = {
    {0x01, PROXY_NAME_MAX, offsetof(struct header_fields, alpn)},
    {0x02, PROXY_NAME_MAX, offsetof(struct header_fields, authority)},
    {0x03, CHECKSUM_LEN, offsetof(struct header_fields, checksum)},
    {0x05, PROXY_UNIQUE_ID_MAX, offsetof(struct header_fields, unique_id)},
    {0x20, PROXY_HEADER_V2_MAX, offsetof(struct header_fields, tls)},
};

static const struct field tls_fields[] = {
    {0x21, PROXY_VERSION_MAX, offsetof(struct proxy_tls, version)},
    {0x22, PROXY_NAME_MAX, offsetof(struct proxy_tls, common_name)},
    {0x23, PROXY_CIPHER_MAX, offsetof(struct proxy_tls, cipher)},
};

/* False: too long, or there already, which would leave it to chance what a header means. */
static bool put_field(const struct field *fields, size_t n, uint8_t type, struct str value, void *to)
{
    for (size_t i = 0; i < n; i++) {
        struct str *place = (void *)((char *)to + fields[i].offset);

        if (fields[i].type != type)
            continue;
        if (value.len > fields[i].len_max || place->p != NULL)
            return false;
        *place = value;
    }
    return true;
}

static bool read_fields(const struct field *fields, size_t n, struct str body, void *to)
{
    while (body.len > 0) {
        const uint8_t *head = (const void *)body.p;
        size_t len;

        if (body.len < FIELD_HEAD_LEN)
            return false;
        len = (size_t)head[1] << 8 | head[2];
        if (body.len - FIELD_HEAD_LEN < len)
            return false;
        if (!put_field(fields, n, head[0], str_make(body.p + FIELD_HEAD_LEN, len), to))
            return false;
        body = str_make(body.p + FIELD_HEAD_LEN + len, body.len - FIELD_HEAD_LEN - len);
    }
    return true;
}

/* Section 2.2.3: over the whole header, with zeros where the checksum itself stands. */
static bool is_checksum_right(struct str header, struct str checksum)
{
    static const char zeros[CHECKSUM_LEN];
    const uint8_t *given = (const void *)checksum.p;
    size_t before = (size_t)(checksum.p - header.p), after = before + CHECKSUM_LEN;
    uint32_t crc;

    if (checksum.len != CHECKSUM_LEN)
        return false;
    crc = crc32c(CRC32C_BEGIN, str_make(header.p, before));
    crc = crc32c(crc, str_make(zeros, CHECKSUM_LEN));
    crc = crc32c(crc, str_make(header.p + after, header.len - after));
    return crc == ((uint32_t)given[0] << 24 | (uint32_t)given[1] << 16 | (uint32_t)given[2] << 8 | given[3]);
}

/* US-ASCII, as these names are defined; they are shown to people. */
static bool is_printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    }
    return true;
}

static bool read_tls(struct str value, struct proxy_tls *tls)
{
    uint8_t client;

    if (value.len < TLS_HEAD_LEN)
        return false;
    client = (uint8_t)value.p[0];
    if (!read_fields(tls_fields, ARRAY_LEN(tls_fields), str_make(value.p + TLS_HEAD_LEN, value.len - TLS_HEAD_LEN),
                     tls) ||
        !is_printable(tls->version) || !is_printable(tls->cipher))
        return false;
    tls->is_used = (client & CLIENT_TLS) != 0;
    tls->has_certificate = (client & (CLIENT_CERT_CONN | CLIENT_CERT_SESSION)) != 0;
    tls->is_certificate_verified = tls->has_certificate && memcmp(value.p + 1, "\0\0\0", 4) == 0;
    return !tls->is_used || tls->version.len > 0;
}

bool proxy_fields_parse(struct str header, size_t begin, struct proxy_header *h)
{
    struct header_fields f = {0};

    if (!read_fields(header_fields, ARRAY_LEN(header_fields), str_make(header.p + begin, header.len - begin), &f))
        return false;
    if (f.checksum.p != NULL && !is_checksum_right(header, f.checksum))
        return false;
    h->alpn = f.alpn;
    h->authority = f.authority;
    h->unique_id = f.unique_id;
    return f.tls.p == NULL || read_tls(f.tls, &h->tls);
}
