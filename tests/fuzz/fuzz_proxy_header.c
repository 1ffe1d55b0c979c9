/* tests/fuzz/fuzz_proxy_header.c - the PROXY header's parser against any bytes.
 *
 * Beyond memory safety it holds what callers rely on: more bytes never change an answer once there is one, a header
 * never claims bytes that are not there, and it is never waited for past the limit. */
#include "server/net/proxy_header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_so)
{
    if (!is_so)
        abort();
}

static void check_header(const struct proxy_header *h, size_t size)
{
    require(h->len > 0 && h->len <= size && h->len <= PROXY_HEADER_MAX);
    if (h->is_local)
        require(h->source.ss_family == AF_UNSPEC && h->destination.ss_family == AF_UNSPEC);
    else
        require((h->source.ss_family == AF_INET || h->source.ss_family == AF_INET6) &&
                h->source.ss_family == h->destination.ss_family);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole, part;
    enum proxy_result result = proxy_header_parse(str_make((const char *)data, size), &whole);

    if (result == PROXY_OK)
        check_header(&whole, size);
    if (result == PROXY_NEED_MORE)
        require(size < PROXY_HEADER_MAX);
    for (size_t n = 0; n < size && n < 300; n++) {
        /* A copy of its own, so that reading past the end is seen. */
        uint8_t *copy = malloc(n > 0 ? n : 1);

        require(copy != NULL);
        memcpy(copy, data, n);
        switch (proxy_header_parse(str_make((const char *)copy, n), &part)) {
        case PROXY_OK:
            require(result == PROXY_OK && part.len == whole.len && memcmp(&part, &whole, sizeof(part)) == 0);
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
    return 0;
}
