/* server/im/iq.h - requests that the server answers: for a host, or for an account.
 *
 * A handler is found by (get or set, namespace, element, whom it was sent to) in the modules' tables. It answers once,
 * at once or later; `struct iq` is all that it needs to know. Whatever happens, each get or set is answered exactly
 * once (RFC 6120 section 8.2.3). The answer goes straight to the sender's session where that is on this worker, and is
 * dropped when the session has ended; otherwise it is routed. All functions: [worker], where the handler was called. */
#ifndef LINNET_SERVER_IM_IQ_H
#define LINNET_SERVER_IM_IQ_H

#include "common/buf.h"
#include "common/xmpp/stanza.h"

struct account;
struct config_host;
struct session;
struct storage_txn;
struct worker;

/* Whom an iq was addressed to; a set, in rows of the modules' tables. */
enum iq_target {
    IQ_TO_HOST = 1,          /* a served domain */
    IQ_TO_OWN_ACCOUNT = 2,   /* no `to`, or the sender's own bare JID */
    IQ_TO_OTHER_ACCOUNT = 4, /* somebody else's bare JID (the account exists) */
    IQ_BEFORE_AUTH = 8,      /* on a stream that has not logged in: for its host; `from` is empty, `to` may be */
};

/* A request in a handler's hands. */
struct iq {
    struct worker *worker;
    struct stanza *st;               /* counted once it is kept; `to` is empty when the client gave none */
    const struct xml_element *query; /* its payload: the element that the handler was found by */
    enum iq_target target;
    struct str host;         /* prepared domain that it was sent to; lies in the stanza, the session or the account */
    struct session *session; /* the sender's session if that is on this worker (always, with IQ_TO_OWN_ACCOUNT and
                                IQ_BEFORE_AUTH), else NULL */
    struct account *account; /* the account that it was sent to, loaded; NULL with IQ_TO_HOST and IQ_BEFORE_AUTH */
    bool is_kept;            /* private */
};

enum iq_verdict {
    IQ_ANSWERED, /* iq_result() or iq_error() was called */
    IQ_LATER,    /* iq_keep() was called; the answer will come */
    IQ_NOT_MINE, /* let the next handler see it; if there is none, service-unavailable. With IQ_TO_OTHER_ACCOUNT that is
                    what an account that does not exist says, too: the answer for those who may not know more. */
};

/* The configuration of iq->host as it is now; NULL when it was removed meanwhile. Do not keep across call-backs. */
const struct config_host *iq_host(const struct iq *iq);

/* Answers type='result' with `payload`, which is well-formed XML or empty. */
enum iq_verdict iq_result(struct iq *iq, struct str payload);
/* Answers with an error; `text` may be NULL. */
enum iq_verdict iq_error(struct iq *iq, enum stanza_err err, const char *text);
/* The same with an application-specific condition: well-formed XML. */
enum iq_verdict iq_error_with(struct iq *iq, enum stanza_err err, const char *text, struct str app_condition);
enum iq_verdict iq_error_in_full(struct iq *iq, const struct stanza_error *e);

/* Makes a copy that lives until it is answered: iq_result() and iq_error() free it. It keeps the stanza, the session's
 * memory and the account loaded. While too many of a client's requests are kept, no more of its input is read. */
struct iq *iq_keep(const struct iq *iq);

/* The stanza error that a failed write or read is answered with: resource-constraint for LN_E_FULL and LN_E_LIMIT,
 * internal-server-error otherwise. */
enum stanza_err stanza_err_of_storage(enum ln_err err);
/* A storage_on_committed: answers the kept request `iq` with an empty result, or with the error. */
void iq_on_committed(void *iq, enum ln_err err);
/* Makes the transaction happen only if iq->account still exists by then, so that no document outlives its account. */
void iq_require_account(const struct iq *iq, struct storage_txn *t);

/* Whether the sender (st->from) may see the presence of iq->account: the account itself, or a subscription from or
 * both. */
bool iq_sender_sees_presence(const struct iq *iq);

/* For im/router.c and the stream: an iq get or set for a host or an account, from `session` or from elsewhere;
 * `account` as above. Takes references of its own. What no module takes is answered with service-unavailable. A
 * request to the sender's own account whose `session` is NULL is dropped: the client went while it waited. */
void iq_dispatch(struct worker *w, struct stanza *st, enum iq_target target, struct session *session,
                 struct account *account);

#endif
