/* server/modules/attention.h - which messages a person wants to be told of at once.
 *
 * A message that says something (text, perhaps encrypted), an invitation, a call. Not what clients tell each other:
 * receipts, markers, chat states, reactions. A copy (XEP-0280) counts as what it is a copy of; a copy of what the
 * account itself sent is nobody's news. These are the rules that Prosody has in mod_csi_simple and mod_cloud_notify.
 * Pure. */
#ifndef LINNET_SERVER_MODULES_ATTENTION_H
#define LINNET_SERVER_MODULES_ATTENTION_H

#include "common/xmpp/stanza.h"

/* [any] The message itself; of a carbon copy the one inside. */
const struct xml_element *attention_message(const struct stanza *st);

/* [any] False for all that is no message, for errors, and for headlines, which are of the moment. */
bool attention_is_wanted(const struct stanza *st);

#endif
