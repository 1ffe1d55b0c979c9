/* server/modules/avatar.h - the picture of an account, for the module vcard, which has it in vCards. */
#ifndef LINNET_SERVER_MODULES_AVATAR_H
#define LINNET_SERVER_MODULES_AVATAR_H

#include "common/xmpp/avatar.h"
#include "server/im/account.h"
#include "server/pubsub/pubsub.h"

struct avatar {
    bool is_there; /* false: it is known that there is none */
    char hash[AVATAR_HASH_LEN];
    size_t type_len;
    char type[AVATAR_TYPE_MAX];
};

/* [worker] NULL: nothing was ever published, on nodes or in a vCard. Borrowed until the account changes. */
const struct avatar *avatar_peek(const struct account *a);
static inline struct str avatar_peek_hash(const struct avatar *p)
{
    return p != NULL && p->is_there ? str_make(p->hash, AVATAR_HASH_LEN) : STR("");
}

/* [worker] Publishes a picture that came in a vCard, on both nodes: `picture` is its bytes (XEP-0398 section 3.2). */
void avatar_publish(struct account *a, struct str type, struct str picture, pubsub_on_done done, void *ctx);
/* [worker] Says on the metadata node that there is none any more. */
void avatar_withdraw(struct account *a, pubsub_on_done done, void *ctx);

/* [worker] Gives the picture, in base64, to who may read both nodes; empty to all others. */
typedef void (*avatar_on_picture)(void *ctx, struct str type, struct str base64);
void avatar_get(struct account *a, struct str reader_bare, avatar_on_picture done, void *ctx);

#endif
