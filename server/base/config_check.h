/* server/base/config_check.h - whether a string of the configuration is an address, a network, a URI. */
#ifndef LINNET_SERVER_CONTROL_CONFIG_CHECK_H
#define LINNET_SERVER_CONTROL_CONFIG_CHECK_H

#include "server/base/config.h"

/* [any] An IPv4 or IPv6 address, without brackets, port or zone; into 16 bytes, IPv4 as ::ffff:a.b.c.d. */
bool config_parse_address(const char *text, uint8_t ret[16]);

/* [any] "192.0.2.0/24", "2001:db8::/32", or one address. False: `ret_why` (128 bytes) says what is wrong. */
bool config_parse_network(const char *text, struct config_network *ret, char *ret_why);

/* [any] Whether the first `bits` bits of both are the same. */
bool config_same_prefix(const uint8_t a[16], const uint8_t b[16], unsigned bits);

/* [any] A scheme, a colon, then anything but white space and controls. What the scheme wants is not looked at. */
bool config_is_uri(struct str text);

/* [any] An account's bare JID, as jid_parse() prepares it: to be compared as bytes. */
bool config_is_account(struct str text);

#endif
