/* server/modules/push_list.h - the app servers that an account has asked to be told by (XEP-0357), and their document.
 *
 * A registration is known by JID and node. It belongs to the client that made it, by that client's resource, so that a
 * client that is there is not woken. All of an account's lie in one document, which is written anew with each change:
 * there are few. What goes on with a registration at run time is in push_notify.h. Pure. */
#ifndef LINNET_SERVER_MODULES_PUSH_LIST_H
#define LINNET_SERVER_MODULES_PUSH_LIST_H

#include "common/buf.h"
#include "common/xmpp/xml.h"
#include "server/net/timer_wheel.h"

struct account;

struct push_app {
    struct push_app *next;
    char *jid;       /* prepared; where notifications go */
    char *node;      /* empty: it gave none */
    char *resource;  /* of the client that it belongs to */
    char *options;   /* a data form, to be given back with each notification (XML); empty: none */
    uint32_t errors; /* in a row */

    /* push_notify.c */
    struct account *account;  /* pinned while the timer is set */
    uint32_t waiting;         /* messages since the client was last there */
    uint64_t counted;         /* of those in the archive: the newest that is in `waiting` */
    uint64_t silent_since_ms; /* of a connected client that `waiting` is about; 0: none (worker clock) */
    bool is_asking;           /* a notification is under way: no second one until it is answered */
    bool has_more;            /* there were more messages since */
    bool is_removed;          /* meanwhile: to be freed when the answer comes */
    struct wheel_timer timer; /* between two notifications */
    char *last_sender;        /* of the newest message, if it may be told; NULL: none */
    char *last_body;
};

struct push_list {
    struct push_app *first;
    unsigned n;
};

/* One registration made, or some ended. */
struct push_change {
    struct str jid;
    struct str node;
    bool is_any_node; /* all registrations of `jid` end */
    bool is_enable;   /* otherwise they end */
    struct str resource;
    struct str options;
};

/* The registration with this JID and node, or NULL. */
struct push_app *push_list_find(const struct push_list *l, struct str jid, struct str node);
/* Whether the change is about this one. */
bool push_change_touches(const struct push_change *c, const struct push_app *app);
/* Whether nothing would be different after it. */
bool push_change_is_void(const struct push_change *c, const struct push_list *l);

/* The registration that was changed, or made; taken over: the list's. */
struct push_app *push_list_put(struct push_list *l, const struct push_change *c);
/* Takes the first one out that the change touches; the caller's. NULL: none is left. */
struct push_app *push_list_take(struct push_list *l, const struct push_change *c);
void push_app_free(struct push_app **app);

/* The document of the list as it will be with `c`, or (NULL) as it is; nothing is written where none would be left. */
void push_list_write(struct buf *out, const struct push_list *l, const struct push_change *c);
/* Reads one into the empty list. False: it is damaged, and nothing was read. */
bool push_list_read(struct push_list *l, struct str document);

#endif
