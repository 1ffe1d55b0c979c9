/* server/net/tls_transcript.h - what a handshake shows in clear.
 *
 * Channel bindings need three things that mbedTLS keeps to itself, differently in each version: whether the extended
 * master secret was negotiated, whether the session was resumed, and (tls-unique) the hash of the handshake. Who goes
 * on with the records needs a fourth: how many of them the library has protected with the final keys. All can be read
 * off the records as they pass, so no private field of the library is touched. Pure: no library state, no I/O. */
#ifndef LINNET_SERVER_NET_TLS_TRANSCRIPT_H
#define LINNET_SERVER_NET_TLS_TRANSCRIPT_H

#include "common/str.h"

#include <mbedtls/md.h>

enum tls_side { TLS_FROM_CLIENT, TLS_FROM_SERVER };

/* Where the stream of records of one side stands. */
struct tls_record_cursor {
    uint8_t header[5];
    uint8_t header_len;
    size_t body_left;
};

struct tls_transcript {
    struct tls_record_cursor cursors[2];
    mbedtls_md_context_t sha256, sha384; /* over all handshake messages before the first ChangeCipherSpec */
    uint64_t protected[2]; /* records after that side's ChangeCipherSpec; TLS 1.3: after the client's last record */
    bool is_protected[2];  /* TLS 1.2 */
    bool has_server_hello;
    bool is_1_3;
    bool has_ended;  /* TLS 1.2: from here on records are encrypted */
    bool is_resumed; /* 1.2: the server finished first; 1.3: it took a pre-shared key */
    bool has_extended_master_secret;
};

void tls_transcript_init(struct tls_transcript *t);
void tls_transcript_deinit(struct tls_transcript *t);
/* The next bytes of one side's stream, cut anywhere, except that a ServerHello must come whole. */
void tls_transcript_add(struct tls_transcript *t, enum tls_side side, struct str bytes);
/* At the handshake's end: how many records of that side were protected with the keys that protect what follows. False:
 * a record has begun and not ended. */
bool tls_transcript_sequence(const struct tls_transcript *t, enum tls_side side, uint64_t *ret_sequence);

#endif
