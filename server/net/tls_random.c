#include "server/net/mbedtls_compat.h"

#include <errno.h>
#include <sys/random.h>

/* Straight from the kernel: there is no generator of our own that threads would share, that would have to be seeded, or
 * whose state could leak. A handshake asks some ten times, which together is a few microseconds of its milliseconds. */
int tls_random(void *unused, unsigned char *out, size_t len)
{
    (void)unused;
    while (len > 0) {
        ssize_t n = getrandom(out, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
        out += n;
        len -= (size_t)n;
    }
    return 0;
}
