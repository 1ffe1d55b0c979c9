/* tests/fuzz/fuzz_proxy_header.c - the PROXY header's parser against any bytes.
 *
 * Beyond memory safety it holds what callers rely on: more bytes never change an answer once there is one, a header
 * never claims bytes that are not there, texts lie within the header and keep their bounds, and it is never waited for
 * past the limit. A checksum is put right before the bytes are tried a second time, since chance would never find it.
 */
#include "server/net/proxy_header.h"

#include "common/crc32c.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_so)
{
    if (!is_so)
        abort();
}

/* What a header says beside its addresses. */
enum { N_TEXTS = 6 };

static void list_texts(const struct proxy_header *h, struct str texts[N_TEXTS])
{
    const struct str all[N_TEXTS] = {h->tls.version, h->tls.cipher, h->tls.common_name,
                                     h->authority,   h->alpn,       h->unique_id};

    memcpy(texts, all, sizeof(all));
}

static void require_printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        require(s.p[i] >= ' ' && s.p[i] <= '~');
}

static void check_texts(const struct proxy_header *h, const char *bytes)
{
    static const size_t max[N_TEXTS] = {PROXY_VERSION_MAX, PROXY_CIPHER_MAX, PROXY_NAME_MAX,
                                        PROXY_NAME_MAX,    PROXY_NAME_MAX,   PROXY_UNIQUE_ID_MAX};
    struct str texts[N_TEXTS];

    list_texts(h, texts);
    for (size_t i = 0; i < N_TEXTS; i++) {
        require(texts[i].len <= max[i]);
        require(texts[i].len == 0 || (texts[i].p > bytes && texts[i].p + texts[i].len <= bytes + h->len));
        require(texts[i].len == 0 || !h->is_local);
    }
    require_printable(h->tls.version);
    require_printable(h->tls.cipher);
    require(!h->tls.is_used || h->tls.version.len > 0);
    require(!h->tls.is_certificate_verified || h->tls.has_certificate);
}

static void check_header(const struct proxy_header *h, const char *bytes, size_t size)
{
    require(h->len > 0 && h->len <= size && h->len <= PROXY_HEADER_MAX);
    if (h->is_local)
        require(h->source.ss_family == AF_UNSPEC && h->destination.ss_family == AF_UNSPEC && !h->tls.is_used);
    else
        require((h->source.ss_family == AF_INET || h->source.ss_family == AF_INET6) &&
                h->source.ss_family == h->destination.ss_family);
    check_texts(h, bytes);
}

static bool says_the_same(const struct proxy_header *a, const struct proxy_header *b)
{
    struct str of_a[N_TEXTS], of_b[N_TEXTS];
    bool same = a->len == b->len && a->is_local == b->is_local && a->tls.is_used == b->tls.is_used &&
                memcmp(&a->source, &b->source, sizeof(a->source)) == 0 &&
                memcmp(&a->destination, &b->destination, sizeof(a->destination)) == 0;

    list_texts(a, of_a);
    list_texts(b, of_b);
    for (size_t i = 0; i < N_TEXTS; i++)
        same = same && str_eq(of_a[i], of_b[i]);
    return same;
}

/* Of a header of version 2 with IPv4 addresses. False: it has no checksum to be put right. */
static bool mend_checksum(uint8_t *bytes, size_t size)
{
    size_t end = 16 + (size >= 16 ? (size_t)bytes[14] << 8 | bytes[15] : 0);

    if (size < 28 || bytes[13] != 0x11 || end > size)
        return false;
    for (size_t at = 28; at + 7 <= end; at += 3 + ((size_t)bytes[at + 1] << 8 | bytes[at + 2])) {
        uint32_t crc;

        if (bytes[at] != 3 || bytes[at + 1] != 0 || bytes[at + 2] != 4)
            continue;
        memset(bytes + at + 3, 0, 4);
        crc = crc32c(CRC32C_BEGIN, str_make((const char *)bytes, end));
        for (size_t i = 0; i < 4; i++)
            bytes[at + 3 + i] = (uint8_t)(crc >> (24 - 8 * i));
        return true;
    }
    return false;
}

static void try_header(const uint8_t *data, size_t size)
{
    struct proxy_header whole, part;
    enum proxy_result result = proxy_header_parse(str_make((const char *)data, size), &whole);

    if (result == PROXY_OK)
        check_header(&whole, (const char *)data, size);
    if (result == PROXY_NEED_MORE)
        require(size < PROXY_HEADER_MAX);
    for (size_t n = 0; n < size && n < 300; n++) {
        /* A copy of its own, so that reading past the end is seen. */
        uint8_t *copy = malloc(n > 0 ? n : 1);

        require(copy != NULL);
        memcpy(copy, data, n);
        switch (proxy_header_parse(str_make((const char *)copy, n), &part)) {
        case PROXY_OK:
            require(result == PROXY_OK && says_the_same(&part, &whole));
            break;
        case PROXY_INVALID:
            require(result == PROXY_INVALID);
            break;
        case PROXY_NEED_MORE:
            require(result != PROXY_OK || n < whole.len);
            break;
        }
        free(copy);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    require(copy != NULL);
    memcpy(copy, data, size);
    try_header(copy, size);
    if (mend_checksum(copy, size))
        try_header(copy, size);
    free(copy);
    return 0;
}
