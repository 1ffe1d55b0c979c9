/* common/err.h - what our own functions return when something did not work.
 *
 * One of three vocabularies that are never mixed: `enum ln_err` is ours; `enum stanza_err` (RFC 6120 section 8.3) goes
 * back to a peer whose stream lives on; `enum stream_err` (section 4.9) ends the stream. Errors of libraries are
 * converted where the call is made.
 *
 * Running out of memory is not among them: allocations go through common/mem.h, which ends the process with a message,
 * since every size that a peer can influence is bounded by a limit long before. */
#ifndef LINNET_COMMON_ERR_H
#define LINNET_COMMON_ERR_H

enum ln_err {
    LN_OK = 0,
    LN_E_INVALID,   /* the input breaks its grammar or its rules */
    LN_E_LIMIT,     /* a configured limit would be exceeded; nothing was done */
    LN_E_NOT_FOUND, /* no such account, document, file, ... */
    LN_E_EXISTS,    /* it is there already */
    LN_E_CLOSED,    /* the other side has gone */
    LN_E_IO,        /* the operating system or a file refused; details were logged where it happened */
    LN_E_FULL,      /* no space left on the device, or the quota is used up */
    LN_E_TLS,       /* mbedTLS refused */
    LN_E_CORRUPT,   /* stored data does not make sense */
    LN_E_AUTH,      /* credentials do not match */
};

/* [any] A short lower-case name such as "not-found", for logs; never NULL. */
const char *ln_err_name(enum ln_err err);

#endif
