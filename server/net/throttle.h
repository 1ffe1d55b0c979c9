/* server/net/throttle.h - counts events by key in a window of time, for all threads, without locks.
 *
 * Failed logins of an address or an account, registrations of an address. The table has a fixed size and keys are
 * hashed under a secret key: two keys may share a counter by chance, never by choice, and then count together. */
#ifndef LINNET_SERVER_NET_THROTTLE_H
#define LINNET_SERVER_NET_THROTTLE_H

#include "common/hash_table.h"

struct sockaddr;

enum { THROTTLE_SLOTS = 1 << 14 };

struct throttle {
    struct siphash_key key;
    _Atomic uint64_t slots[THROTTLE_SLOTS]; /* number of the window in the upper half, count in the lower */
};

/* [start] */
void throttle_init(struct throttle *t);
/* [any] Counts one more; returns the count within the current window of `window_s` seconds. `what` keeps uses apart. */
uint32_t throttle_count(struct throttle *t, const char *what, struct str who, uint64_t window_s);
/* [any] The count so far. */
uint32_t throttle_peek(struct throttle *t, const char *what, struct str who, uint64_t window_s);

/* [any] The bytes by which an address is counted: IPv4 whole, IPv6 by its /64. Writes to `out` (16 bytes). */
struct str throttle_address(const struct sockaddr *addr, char out[16]);

#endif
