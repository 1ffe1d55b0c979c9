#include "server/net/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "server/net/proxy_fields.h"

/* A header must begin with one of these. */
static const struct str signature_v1 = STR_INIT("PROXY ");
static const struct str signature_v2 = STR_INIT("\r\n\r\n\0\r\nQUIT\n");

/* Fills in an address from its bytes in network order. */
static void set_address(struct sockaddr_storage *to, int family, const void *address, in_port_t port_be)
{
    memset(to, 0, sizeof(*to));
    if (family == AF_INET) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = port_be};

        memcpy(&in.sin_addr, address, sizeof(in.sin_addr));
        memcpy(to, &in, sizeof(in));
    } else {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = port_be};

        memcpy(&in6.sin6_addr, address, sizeof(in6.sin6_addr));
        memcpy(to, &in6, sizeof(in6));
    }
}

/* ---- version 1: one line of text ---- */

/* Takes the bytes before the next space, or all that is left. */
static struct str take_field(struct str *line)
{
    ptrdiff_t space = str_find(*line, ' ');
    size_t len = space < 0 ? line->len : (size_t)space, skip = space < 0 ? len : len + 1;
    struct str field = str_make(line->p, len);

    *line = str_make(line->p + skip, line->len - skip);
    return field;
}

static bool read_address_v1(struct str text, int family, struct in6_addr *ret)
{
    char z[INET6_ADDRSTRLEN];

    if (text.len >= sizeof(z) || memchr(text.p, 0, text.len) != NULL)
        return false;
    memcpy(z, text.p, text.len);
    z[text.len] = '\0';
    return inet_pton(family, z, ret) == 1;
}

static bool read_port_v1(struct str text, in_port_t *ret_be)
{
    uint64_t port;

    if (!str_to_u64(text, UINT16_MAX, &port) || (text.len > 1 && text.p[0] == '0'))
        return false;
    *ret_be = htons((uint16_t)port);
    return true;
}

/* `line` is what stands between "PROXY " and CR LF. */
static enum proxy_result parse_line(struct str line, struct proxy_header *h)
{
    struct str protocol = take_field(&line), fields[3];
    int family = str_is(protocol, "TCP4") ? AF_INET : AF_INET6;
    struct in6_addr source, destination; /* large enough for either family */
    in_port_t source_port, destination_port;

    if (str_is(protocol, "UNKNOWN")) { /* whatever follows it is ignored */
        h->is_local = true;
        return PROXY_OK;
    }
    if (family == AF_INET6 && !str_is(protocol, "TCP6"))
        return PROXY_INVALID;
    for (size_t i = 0; i < 3; i++)
        fields[i] = take_field(&line);
    if (!read_address_v1(fields[0], family, &source) || !read_address_v1(fields[1], family, &destination) ||
        !read_port_v1(fields[2], &source_port) || !read_port_v1(line, &destination_port))
        return PROXY_INVALID;
    set_address(&h->source, family, &source, source_port);
    set_address(&h->destination, family, &destination, destination_port);
    return PROXY_OK;
}

static enum proxy_result parse_v1(struct str bytes, struct proxy_header *h)
{
    struct str window = str_make(bytes.p, bytes.len < PROXY_HEADER_V1_MAX ? bytes.len : PROXY_HEADER_V1_MAX);
    ptrdiff_t cr = str_find(window, '\r');

    if (cr < 0 || (size_t)cr + 1 == window.len)
        return window.len < PROXY_HEADER_V1_MAX ? PROXY_NEED_MORE : PROXY_INVALID;
    if (window.p[cr + 1] != '\n')
        return PROXY_INVALID;
    h->len = (size_t)cr + 2;
    return parse_line(str_make(bytes.p + signature_v1.len, (size_t)cr - signature_v1.len), h);
}

/* ---- version 2: binary ---- */

enum { V2_FIXED_LEN = 16, V2_VERSION = 2, V2_LOCAL = 0, V2_PROXY = 1 };

/* Section 2.2: family and transport. A row without an address length has nothing that we could call a client's address.
 */
static const struct v2_family {
    uint8_t code;
    int family;
    size_t address_len;
} v2_families[] = {
    {0x00, AF_UNSPEC, 0},
    {0x11, AF_INET, 4},
    {0x21, AF_INET6, 16},
    {0x31, AF_UNIX, 0},
};

static const struct v2_family *find_family(uint8_t code)
{
    for (size_t i = 0; i < sizeof(v2_families) / sizeof(v2_families[0]); i++) {
        if (v2_families[i].code == code)
            return &v2_families[i];
    }
    return NULL;
}

static in_port_t port_at(const char *p)
{
    in_port_t port_be;

    memcpy(&port_be, p, sizeof(port_be));
    return port_be;
}

/* Behind the fixed part: both addresses, both ports, then fields. */
static enum proxy_result parse_addresses(const struct v2_family *f, struct str header, struct proxy_header *h)
{
    const char *p = header.p + V2_FIXED_LEN;
    size_t n = f->address_len, fields_begin = V2_FIXED_LEN + 2 * n + 4;

    if (n == 0) {
        h->is_local = true;
        return PROXY_OK;
    }
    if (header.len < fields_begin)
        return PROXY_INVALID;
    set_address(&h->source, f->family, p, port_at(p + 2 * n));
    set_address(&h->destination, f->family, p + n, port_at(p + 2 * n + 2));
    return proxy_fields_parse(header, fields_begin, h) ? PROXY_OK : PROXY_INVALID;
}

static enum proxy_result parse_v2(struct str bytes, struct proxy_header *h)
{
    const struct v2_family *f;
    uint8_t command;
    size_t body_len;

    if (bytes.len < V2_FIXED_LEN)
        return PROXY_NEED_MORE;
    command = (uint8_t)bytes.p[12] & 0x0f;
    f = find_family((uint8_t)bytes.p[13]);
    body_len = (size_t)(uint8_t)bytes.p[14] << 8 | (uint8_t)bytes.p[15];
    if ((uint8_t)bytes.p[12] >> 4 != V2_VERSION || command > V2_PROXY || V2_FIXED_LEN + body_len > PROXY_HEADER_V2_MAX)
        return PROXY_INVALID;
    if (f == NULL && command == V2_PROXY)
        return PROXY_INVALID;
    if (bytes.len < V2_FIXED_LEN + body_len)
        return PROXY_NEED_MORE;
    h->len = V2_FIXED_LEN + body_len;
    if (command == V2_LOCAL) { /* family and addresses are to be ignored */
        h->is_local = true;
        return PROXY_OK;
    }
    return parse_addresses(f, str_make(bytes.p, h->len), h);
}

/* ---- both ---- */

static bool begins_like(struct str bytes, struct str signature)
{
    size_t n = bytes.len < signature.len ? bytes.len : signature.len;

    return memcmp(bytes.p, signature.p, n) == 0;
}

enum proxy_result proxy_header_parse(struct str bytes, struct proxy_header *ret)
{
    struct proxy_header h;
    enum proxy_result result;
    struct str signature = signature_v1;

    if (bytes.len == 0)
        return PROXY_NEED_MORE;
    if (!begins_like(bytes, signature_v1)) {
        if (!begins_like(bytes, signature_v2))
            return PROXY_INVALID;
        signature = signature_v2;
    }
    if (bytes.len < signature.len)
        return PROXY_NEED_MORE;
    memset(&h, 0, sizeof(h));
    result = signature.len == signature_v1.len ? parse_v1(bytes, &h) : parse_v2(bytes, &h);
    if (result == PROXY_OK)
        *ret = h;
    return result;
}
