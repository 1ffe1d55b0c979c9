/* server/stream/sasl_exchange.h - one login: a mechanism, its messages, and the verdict.
 *
 * The same under RFC 6120 (sasl.c) and XEP-0388 (sasl2.c), which differ in what is written around the messages: that
 * is struct sasl_profile. Answers to failures are held back, longer where an address or an account has failed often
 * (throttle.h). Private to stream/. All: [worker]. */
#ifndef LINNET_SERVER_STREAM_SASL_EXCHANGE_H
#define LINNET_SERVER_STREAM_SASL_EXCHANGE_H

#include "common/buf.h"
#include "server/stream/sasl_mechanisms.h"

struct sasl2_request;

struct sasl_profile {
    enum stream_state during; /* where the stream is meanwhile */
    void (*challenge)(struct session *s, struct str data);
    void (*failure)(struct session *s, const char *condition);
    /* The client is who it says it is: s->sasl has the rest. Takes the exchange. */
    void (*success)(struct session *s);
};

enum sasl_step { SASL_WAIT_INITIAL, SASL_WAIT_FINAL, SASL_WAIT_NOTHING };

/* One exchange. It outlives the session's interest in it while storage or the pool work for it. */
struct sasl {
    const struct sasl_profile *profile;
    const struct sasl_mechanism *mechanism;
    enum sasl_step step;
    struct scram *scram;
    struct jid_buf jid_mem;
    struct jid jid;         /* bare; empty until the username is known */
    int64_t credentials_ms; /* when the account's password was changed, as far as was known when it was asked for */
    struct str cb_type;
    char cb_type_mem[64];
    struct wheel_timer delay; /* the verdict is held back */
    struct session *session;  /* for `delay` */
    const char *failure;      /* the verdict; NULL: success, with */
    struct buf success;
    struct sasl2_request *request; /* what else the client asks for (sasl2.h); NULL under RFC 6120 */
};

/* A new attempt, which ends one that is under way; takes `own_request`. `name` as the client gave it. False: there is
 * no such mechanism, and that was answered. */
bool sasl_begin(struct session *s, const struct sasl_profile *profile, struct str name, bool is_token,
                struct sasl2_request *own_request);
/* A message of the client's, decoded. */
void sasl_take(struct session *s, struct str message);
/* The same from the text of an element. */
void sasl_take_base64(struct session *s, struct str text);
/* Forgets an exchange; accepts NULL. */
void sasl_free(struct sasl **x);

/* ---- for mechanisms ---- */

/* Prepares the username into the exchange. An unusable one is treated as unknown to everybody: not-authorized. */
bool sasl_set_username(struct session *s, struct str username);
/* May the client be whom it asks to be? Who wants to be somebody else may not: only the own bare JID is taken (RFC 6120
 * section 6.3.8), and under XEP-0388 it must be whom the stream header named. False: that was answered. */
bool sasl_check_authzid(struct session *s, struct str authzid);

/* The verdicts. At once, without counting: a request that makes no sense, or that we cannot serve. */
void sasl_fail_now(struct session *s, const char *condition);
/* Wrong credentials: counted against the address and the account, and answered late. */
void sasl_fail_login(struct session *s);
/* Right ones; `data` goes with the success. */
void sasl_pass_login(struct session *s, struct str data);
/* Storage or the pool could not say. */
void sasl_fail_for_now(struct session *s, enum ln_err err);

#endif
