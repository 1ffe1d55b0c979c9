/* server/net/tls_records.h - the records of a connection whose handshake is done: RFC 5246 sections 6 and 7.2,
 * RFC 8446 sections 4.6.3, 5 and 6.
 *
 * mbedTLS keeps two buffers of 17 KB and more for each connection, idle or not. Once it has agreed on keys with the
 * peer it is done with its hard part, so they are taken from it, its context is freed, and this file goes on: all that
 * an idle connection keeps is the two keys. Records are opened from where they lie into the reader's buffer, and
 * sealed into the output.
 *
 * What a peer may still do besides sending text: close, warn, change its key (TLS 1.3; ours is changed before the next
 * text if it asks for that), try to renegotiate (TLS 1.2; refused). All else ends the connection with the alert that
 * the RFC names. Records that carry no text are taken a few in a row, not for ever.
 *
 * Pure: bytes in, bytes out. Either end may use it, which the tests do; what only a server may be sent is refused. */
#ifndef LINNET_SERVER_NET_TLS_RECORDS_H
#define LINNET_SERVER_NET_TLS_RECORDS_H

#include "common/buf.h"
#include "common/err.h"
#include "server/net/tls_keys.h"

enum { TLS_TEXT_MAX = 16384, TLS_RECORD_HEADER_LEN = 5 };
enum { TLS_ALERT_CLOSE_NOTIFY = 0, TLS_ALERT_BAD_RECORD_MAC = 20, TLS_ALERT_INTERNAL_ERROR = 80 };

struct tls_direction {
    struct tls_key key;
    uint64_t sequence; /* of the next record. It cannot wrap: 2^64 records take longer than machines last */
};

struct tls_records {
    const struct tls_suite *suite;
    struct tls_direction read, write;
    uint64_t blocks_left;   /* that may still be sealed with this key */
    uint16_t text_max;      /* in a record of ours, as negotiated */
    uint8_t alert;          /* why it failed */
    bool is_peers_alert;    /* the peer said so; else we did */
    bool owes_key_update;   /* the peer asked for one: goes out before the next text */
    bool has_refused;       /* a renegotiation; a second attempt ends the connection */
    uint8_t without_text;   /* records in a row */
    uint8_t key_update_len; /* of a KeyUpdate that came in pieces */
    uint8_t key_update[5];
};

/* `read` and `write` are copied. */
void tls_records_init(struct tls_records *r, const struct tls_suite *s, const struct tls_direction *read,
                      const struct tls_direction *write, size_t text_max);
/* Wipes the keys. The suite stays known. */
void tls_records_deinit(struct tls_records *r);

enum tls_records_state { TLS_RECORDS_OPEN, TLS_RECORDS_CLOSED, TLS_RECORDS_FAILED };

/* How many bytes more the record that begins `in` needs, at least; 0: it is all there, or no more is needed to see that
 * it is too long. */
size_t tls_record_missing(struct str in);
/* Takes whole records off the front of *in and appends their text to `text`, until `max` bytes or more were added; a
 * record is never cut. Answers and alerts go to `out`. CLOSED: close_notify came. FAILED: `alert` says why; an alert of
 * ours is in `out`. Not to be called again after either. */
enum tls_records_state tls_records_read(struct tls_records *r, struct str *in, size_t max, struct buf *text,
                                        struct buf *out);
/* Appends `text` in as few records as can be. LN_E_LIMIT: the key has protected as much as it may, and TLS 1.2 has no
 * way to change it; close the connection. */
enum ln_err tls_records_write(struct tls_records *r, struct str text, struct buf *out);
/* Appends an alert: close_notify, or a fatal one. */
void tls_records_alert(struct tls_records *r, uint8_t alert, struct buf *out);

/* "bad_record_mac"; "alert" for those with no name here. */
const char *tls_alert_name(uint8_t alert);

#endif
