#include "common/xmpp/turn_credentials.h"

#include "common/base64.h"

#include <mbedtls/md.h>
#include <stdlib.h>

enum { SHA1_BYTES = 20 };

static void hmac_sha1(struct str key, struct str text, uint8_t out[SHA1_BYTES])
{
    if (mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA1), (const unsigned char *)key.p, key.len,
                        (const unsigned char *)text.p, text.len, out) != 0)
        abort(); /* no memory, as in common/mem.h */
}

void turn_credentials(struct str secret, uint64_t expires_s, struct str user, struct buf *ret_name,
                      struct buf *ret_password)
{
    uint8_t mac[SHA1_BYTES];
    size_t begin = ret_name->len;

    buf_append_u64(ret_name, expires_s);
    buf_append_char(ret_name, ':');
    buf_append_str(ret_name, user);
    hmac_sha1(secret, str_make(ret_name->p + begin, ret_name->len - begin), mac);
    base64_encode(ret_password, str_make((const char *)mac, sizeof(mac)));
}

struct str turn_user_of(struct str secret, struct str account, char out[16])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t mac[SHA1_BYTES];

    hmac_sha1(secret, account, mac);
    for (size_t i = 0; i < 8; i++) {
        out[2 * i] = digits[mac[i] >> 4];
        out[2 * i + 1] = digits[mac[i] & 15];
    }
    return str_make(out, 16);
}
