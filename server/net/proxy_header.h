/* server/net/proxy_header.h - the PROXY protocol, versions 1 and 2: whom a load balancer is speaking for.
 *
 * A balancer that forwards TCP puts this header before the client's first byte; without it every user has the
 * balancer's address, and limits for each address hit all of them at once. Whoever can send it can claim any address,
 * so the acceptor asks for it on listeners that say so and takes it from trusted networks only. A pure parser over what
 * has arrived so far. Source: haproxy's doc/proxy-protocol.txt, section 2. */
#ifndef LINNET_SERVER_NET_PROXY_HEADER_H
#define LINNET_SERVER_NET_PROXY_HEADER_H

#include "common/str.h"

#include <sys/socket.h>

enum {
    PROXY_HEADER_V1_MAX = 107,  /* with CR LF, section 2.1 */
    PROXY_HEADER_V2_MAX = 2048, /* ours: addresses take 36 bytes, balancers add some hundred bytes of TLVs */
    PROXY_HEADER_MAX = PROXY_HEADER_V2_MAX,
    PROXY_VERSION_MAX = 15, /* "TLSv1.3" */
    PROXY_CIPHER_MAX = 63,  /* "ECDHE-ECDSA-CHACHA20-POLY1305" */
    PROXY_NAME_MAX = 255,   /* a host name, a protocol of ALPN, the owner of a certificate */
    PROXY_UNIQUE_ID_MAX = 128,
};

enum proxy_result {
    PROXY_NEED_MORE, /* right so far; never with PROXY_HEADER_MAX bytes or more */
    PROXY_OK,
    PROXY_INVALID, /* not a header: the connection is to be closed, section 2 */
};

/* Section 2.2.6: what the balancer says of the TLS that it ended for the client. */
struct proxy_tls {
    bool is_used;         /* the client came over TLS; `version` is there then */
    bool has_certificate; /* the client has shown one, on this connection or before in the same TLS session */
    bool is_certificate_verified;
    struct str version;     /* "TLSv1.3"; printable, as is */
    struct str cipher;      /* "TLS_AES_256_GCM_SHA384" */
    struct str common_name; /* of the client's certificate; any bytes */
};

struct proxy_header {
    size_t len; /* bytes the header takes; what follows belongs to the client */
    /* The balancer speaks for itself (a health check) or does not know for whom: the socket's own addresses hold, and
     * the two below are zero. */
    bool is_local;
    struct sockaddr_storage source; /* AF_INET or AF_INET6: the client */
    struct sockaddr_storage destination;
    /* Version 2 with addresses only; empty where there is none. These point into the bytes that were parsed. */
    struct proxy_tls tls;
    struct str authority; /* the host the client asked for: SNI; any bytes */
    struct str alpn;      /* the protocol that client and balancer agreed on */
    struct str unique_id; /* the balancer's name for this connection; any bytes */
};

/* [any] `bytes` is the connection's beginning. *ret is written for PROXY_OK only. Of version 2's further fields those
 * above are read and checked, as is the checksum; others are skipped. */
enum proxy_result proxy_header_parse(struct str bytes, struct proxy_header *ret);

#endif
