/* tests/integration/sasl2_client.h - the client's side of XEP-0388 and of tokens (XEP-0484), for raw clients.
 *
 * `inner` is XML put into <authenticate/> behind the initial response: <user-agent/>, <bind/>, <request-token/>; "" for
 * none. What is returned is the server's last word, <success/> or <failure/>; after success the features that follow
 * are in r->features, and a full JID in r->jid. */
#ifndef LINNET_TESTS_SASL2_CLIENT_H
#define LINNET_TESTS_SASL2_CLIENT_H

#include "raw.h"

#define NS_SASL2 "urn:xmpp:sasl:2"
#define NS_BIND2 "urn:xmpp:bind:0"
#define NS_FAST  "urn:xmpp:fast:0"
#define NS_SM    "urn:xmpp:sm:3"

/* <user-agent/> of an installation; the caller frees. */
char *sasl2_user_agent(const char *id, const char *software, const char *device);
/* A new UUID; borrowed until the next sixteen calls. */
const char *sasl2_uuid(void);

/* <authenticate/> as text, for pipelining; `initial` is base64 or NULL. The caller frees. */
char *sasl2_authenticate(const char *mechanism, const char *initial, const char *inner);
/* The messages of PLAIN and of HT-SHA-256-*, base64; the caller frees. `cb_type` as scram_client_bind(), NULL: none. */
char *sasl2_plain_message(const struct account *a);
char *sasl2_token_message(const struct raw *r, const char *user, const char *token, const char *cb_type);

/* Waits for the last word. After <success/>, unless it is of a resumed session, features have to follow. */
const struct node *sasl2_outcome(struct raw *r);
const struct node *sasl2_plain(struct raw *r, const struct account *a, const char *inner);
const struct node *sasl2_scram(struct raw *r, const struct account *a, const char *mechanism, const char *cb_type,
                               const char *inner);
/* `how`: "NONE", "EXPR", "UNIQ", "ENDP"; `fast`: attributes of <fast/>, "" for none. The server's own proof is checked.
 */
const struct node *sasl2_token(struct raw *r, const struct account *a, const char *how, const char *token,
                               const char *fast, const char *inner);

/* ---- all of it ---- */

/* In, and bound by Bind 2 with that <user-agent/> and tag. */
struct raw *sasl2_login(struct harness *h, const struct account *a, const char *user_agent, const char *tag);

#endif
