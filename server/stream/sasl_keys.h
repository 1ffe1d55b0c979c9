/* server/stream/sasl_keys.h - asks storage for what a login is checked against: SCRAM's keys, and tokens.
 *
 * Unknown users get keys made up from the server's secret, so that they cost and look the same as a wrong password.
 * Private to stream/. All: [worker]. */
#ifndef LINNET_SERVER_STREAM_SASL_KEYS_H
#define LINNET_SERVER_STREAM_SASL_KEYS_H

#include "server/net/pool.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"
#include "server/stream/sasl_exchange.h"

/* One question to storage, and what hangs on it. */
struct sasl_lookup {
    struct session *s;
    /* PLAIN: the password, and the work of checking it */
    struct pool_job job;
    char password[PASSWORD_BYTES_MAX];
    size_t password_len;
    enum scram_hash hash; /* what the keys are of */
    struct scram_keys keys;
    bool is_known;
    bool is_right;
};

struct sasl_lookup *sasl_lookup_new(void);
void sasl_lookup_free(struct sasl_lookup **l);

/* Asks for the keys of s->sasl->jid; the session is paused until `on_rows` calls session_resume(). Takes `own_l`. */
void sasl_ask_for_keys(struct session *s, struct sasl_lookup *own_l, storage_on_rows on_rows);
/* Fills l->keys from the answer: the account's, or such as look like somebody's. False: storage could not say, and that
 * was answered. */
bool sasl_take_keys(struct sasl_lookup *l, const struct storage_rows *rows);

#endif
