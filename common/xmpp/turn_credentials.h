/* common/xmpp/turn_credentials.h - passwords for TURN servers that end by themselves (XEP-0215 section 3.3).
 *
 * The scheme of draft-uberti-behave-turn-rest-00, which coturn, eturnal and others know: whoever shares a secret with
 * the TURN server makes a user name that begins with the time when it ends, and the password is an HMAC-SHA-1 of that
 * name. Nothing has to be stored or told to the TURN server. Pure. */
#ifndef LINNET_COMMON_XMPP_TURN_CREDENTIALS_H
#define LINNET_COMMON_XMPP_TURN_CREDENTIALS_H

#include "common/buf.h"

/* [any] Appends "expires:user" to `ret_name`, and the password that belongs to it to `ret_password`. `expires_s`:
 * seconds since 1970. `user` tells users apart, so that the TURN server can count what each of them takes. */
void turn_credentials(struct str secret, uint64_t expires_s, struct str user, struct buf *ret_name,
                      struct buf *ret_password);

/* [any] A name for an account that tells nobody who it is: TURN sends names in the clear. The same for the same
 * `secret` and `account`. */
struct str turn_user_of(struct str secret, struct str account, char out[16]);

#endif
