/* server/net/proxy_fields.h - what stands behind the addresses of a PROXY header of version 2: types, lengths, values.
 *
 * For proxy_header.c. Source: haproxy's doc/proxy-protocol.txt, section 2.2. */
#ifndef LINNET_SERVER_NET_PROXY_FIELDS_H
#define LINNET_SERVER_NET_PROXY_FIELDS_H

#include "server/net/proxy_header.h"

/* [any] `header` is all of it; its fields begin at `begin`. Fills in h->tls, authority, alpn and unique_id. False: a
 * field runs over the end, is there twice, is longer than it may be, or the checksum is wrong. */
bool proxy_fields_parse(struct str header, size_t begin, struct proxy_header *h);

#endif
