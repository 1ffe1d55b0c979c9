/* server/pubsub/node_config.h - what a node's owner can set (the form pubsub#node_config, XEP-0060 section 16.4.4).
 *
 * One table of fields reads and writes the form, compares publish-options with it, and stores it: a node's document has
 * the same form inside. A field that a form does not name stays as it was. Pure. */
#ifndef LINNET_SERVER_PUBSUB_NODE_CONFIG_H
#define LINNET_SERVER_PUBSUB_NODE_CONFIG_H

#include "common/xmpp/xml_writer.h"
#include "server/pubsub/access.h"

enum send_last { SEND_LAST_NEVER, SEND_LAST_ON_SUB, SEND_LAST_ON_SUB_AND_PRESENCE, SEND_LASTS };
enum notification_type { NOTIFY_NORMAL, NOTIFY_HEADLINE, NOTIFICATION_TYPES };
enum item_reply { REPLY_TO_OWNER, REPLY_TO_PUBLISHER, ITEM_REPLIES };
enum when_full { FULL_RETRACT_OLDEST, FULL_DISCARD_OLDEST, FULL_REJECT, WHEN_FULLS };

/* A number that may be "max": whatever the service allows. */
#define NODE_CONFIG_MAX UINT32_MAX

enum { NODE_GROUPS_MAX = 64, NODE_TEXT_BYTES_MAX = 1023 };

struct node_config {
    uint8_t access_model;      /* enum access_model */
    uint8_t publish_model;     /* enum publish_model */
    uint8_t send_last;         /* enum send_last: send_last_published_item */
    uint8_t notification_type; /* enum notification_type */
    uint8_t item_reply;        /* enum item_reply */
    uint8_t when_full;         /* enum when_full: publish_node_full */
    bool deliver_notifications, deliver_payloads, persist_items, subscribe;
    bool notify_config, notify_delete, notify_retract, notify_sub;
    uint32_t max_items;
    uint32_t max_payload_size;                   /* bytes */
    uint32_t item_expire;                        /* seconds */
    char *title, *description, *type, *language; /* owned; NULL: none */
    char **groups;                               /* owned; roster_groups_allowed */
    size_t n_groups;
};

/* [any] What personal nodes (XEP-0163) are like if nobody says otherwise. */
struct node_config node_config_personal(void);
/* [any] And those of a service of its own. */
struct node_config node_config_generic(void);
/* [any] An independent copy. */
struct node_config node_config_copy(const struct node_config *c);
void node_config_deinit(struct node_config *c);

/* [any] Takes over what a submitted form says; `x` may be NULL: nothing. The refusal is static; NULL: it was done. A
 * field with a value that it cannot have refuses the whole form, and *c is as it was. One that is not known: refused if
 * `is_strict`, as publish-options demand (section 7.1.5), else ignored. */
const struct refusal *node_config_apply(struct node_config *c, const struct xml_element *x, bool is_strict);

/* [any] Are all preconditions of publish-options met? False also for a field that is not known. `max_items_limit` is
 * what "max" stands for: it and any larger number are the same. */
bool node_config_meets(const struct node_config *c, const struct xml_element *x, uint32_t max_items_limit);

/* [any] <x type='form'/> for people, with labels and choices. */
void node_config_write_form(struct xml_writer *w, const struct node_config *c);
/* [any] Names and values only: type "result" for subscribers to be told; so nothing of the groups of a roster. */
void node_config_write_values(struct xml_writer *w, const struct node_config *c, const char *type);
/* [any] To be stored: what differs from a configuration that is the same for ever, so that a node takes little. */
void node_config_write_stored(struct xml_writer *w, const struct node_config *c);
/* [any] Reads that. False: it is damaged. */
bool node_config_read_stored(const struct xml_element *x, struct node_config *ret);
/* [any] The fields that the form pubsub#meta-data has in common with the configuration. */
void node_config_write_metadata(struct xml_writer *w, const struct node_config *c);

#endif
