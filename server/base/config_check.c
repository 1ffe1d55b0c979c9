#include "server/base/config_check.h"

#include "common/xmpp/jid.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { WHY_MAX = 128 };

static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

bool config_parse_address(const char *text, uint8_t ret[16])
{
    if (inet_pton(AF_INET6, text, ret) == 1)
        return true;
    memcpy(ret, v4_mapped, sizeof(v4_mapped));
    return inet_pton(AF_INET, text, ret + 12) == 1;
}

bool config_same_prefix(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;

    if (memcmp(a, b, bytes) != 0)
        return false;
    return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

static void clear_behind(uint8_t address[16], unsigned bits)
{
    for (unsigned i = bits; i < 128; i++)
        address[i / 8] &= (uint8_t) ~(0x80u >> (i % 8));
}

/* The part behind the slash, from 0 to `max`. */
static bool parse_bits(const char *text, unsigned max, uint8_t *ret)
{
    uint64_t bits;

    if (!str_to_u64(str_of(text), max, &bits))
        return false;
    *ret = (uint8_t)bits;
    return true;
}

bool config_parse_network(const char *text, struct config_network *ret, char *ret_why)
{
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    bool is_v4 = memchr(text, ':', len) == NULL;
    unsigned max = is_v4 ? 32 : 128;
    char address[INET6_ADDRSTRLEN];
    struct config_network network = {.bits = (uint8_t)max};

    if (len >= sizeof(address) || snprintf(address, sizeof(address), "%.*s", (int)len, text) < 0 ||
        !config_parse_address(address, network.address)) {
        snprintf(ret_why, WHY_MAX, "not an IP address");
        return false;
    }
    if (slash != NULL && !parse_bits(slash + 1, max, &network.bits)) {
        snprintf(ret_why, WHY_MAX, "the length behind / goes from 0 to %u", max);
        return false;
    }
    network.bits = (uint8_t)(network.bits + (128 - max));
    *ret = network;
    clear_behind(ret->address, ret->bits);
    /* 192.0.2.1/24 is more likely a mistake in one of its halves than a way to write 192.0.2.0/24. */
    if (memcmp(ret->address, network.address, sizeof(network.address)) != 0) {
        (void)inet_ntop(is_v4 ? AF_INET : AF_INET6, ret->address + (is_v4 ? 12 : 0), address, sizeof(address));
        snprintf(ret_why, WHY_MAX, "the network of that length is %s%s", address, slash);
        return false;
    }
    return true;
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool config_is_uri(struct str text)
{
    ptrdiff_t colon = str_find(text, ':');

    if (colon <= 0 || (size_t)colon + 1 == text.len || !is_alpha(text.p[0]))
        return false;
    for (ptrdiff_t i = 1; i < colon; i++)
        if (!is_alpha(text.p[i]) && !(text.p[i] >= '0' && text.p[i] <= '9') && memchr("+-.", text.p[i], 3) == NULL)
            return false;
    for (size_t i = (size_t)colon; i < text.len; i++)
        if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
            return false;
    return true;
}

bool config_is_account(struct str text)
{
    struct jid_buf mem;
    struct jid jid;

    return jid_parse(text, &mem, &jid) == LN_OK && jid.local_len > 0 && jid_is_bare(&jid) && str_eq(jid.full, text);
}
