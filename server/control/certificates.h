/* server/control/certificates.h - the certificates of all hosts, as the configuration names them or as we make them. */
#ifndef LINNET_SERVER_CONTROL_CERTIFICATES_H
#define LINNET_SERVER_CONTROL_CERTIFICATES_H

#include "common/buf.h"
#include "common/err.h"
#include "server/base/config.h"
#include "server/net/tls.h"

/* [control] Loads them; for a host without one a self-signed one is made in server.data_dir (once, and kept). On
 * failure `messages` has a line that says which file and what is wrong; otherwise what the operator ought to know. */
enum ln_err certificates_load(const struct config *cfg, struct tls_tickets *tickets, struct tls_context **ret,
                              struct buf *messages);

#endif
