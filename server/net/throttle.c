#include "server/net/throttle.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "server/net/worker.h"

void throttle_init(struct throttle *t)
{
    random_bytes(&t->key, sizeof(t->key));
    for (size_t i = 0; i < THROTTLE_SLOTS; i++)
        atomic_init(&t->slots[i], 0);
}

static _Atomic uint64_t *slot_of(struct throttle *t, const char *what, struct str who)
{
    char key[128];
    size_t n = strlen(what);

    /* Long names are cut: they share a counter with those that begin alike, which does no harm. */
    if (n > 16)
        n = 16;
    memcpy(key, what, n);
    size_t m = who.len < sizeof(key) - n ? who.len : sizeof(key) - n;

    if (m > 0)
        memcpy(key + n, who.p, m);
    return &t->slots[siphash(&t->key, str_make(key, n + m)) % THROTTLE_SLOTS];
}

static uint64_t window_now(uint64_t window_s)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return ((uint64_t)ts.tv_sec / window_s + 1) & UINT32_MAX;
}

uint32_t throttle_count(struct throttle *t, const char *what, struct str who, uint64_t window_s)
{
    _Atomic uint64_t *slot = slot_of(t, what, who);
    uint64_t window = window_now(window_s), seen = atomic_load(slot), next;

    do {
        uint64_t count = seen >> 32 == window ? (seen & UINT32_MAX) : 0;

        next = window << 32 | (count < UINT32_MAX ? count + 1 : count);
    } while (!atomic_compare_exchange_weak(slot, &seen, next));
    return (uint32_t)next;
}

uint32_t throttle_peek(struct throttle *t, const char *what, struct str who, uint64_t window_s)
{
    uint64_t seen = atomic_load(slot_of(t, what, who));

    return seen >> 32 == window_now(window_s) ? (uint32_t)seen : 0;
}

struct str throttle_address(const struct sockaddr *addr, char out[16])
{
    if (addr->sa_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;

        if (IN6_IS_ADDR_V4MAPPED(v6)) {
            memcpy(out, &v6->s6_addr[12], 4);
            return str_make(out, 4);
        }
        memcpy(out, v6->s6_addr, 8);
        return str_make(out, 8);
    }
    memcpy(out, &((const struct sockaddr_in *)(const void *)addr)->sin_addr, 4);
    return str_make(out, 4);
}
